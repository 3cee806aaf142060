/* kernel_pool.c - scratch memory of runs, kept between them.
 *
 * Takes  a number of bytes.
 * Gives  a block of at least that size, aligned to 64, contents undefined.
 * Keeps  every block ever made until it is trimmed, by size class (4 classes an octave, so at most a quarter is wasted):
 *        once a program has warmed up, runs allocate nothing. A class has SLOTS places that are taken and filled by one
 *        atomic exchange, and behind them a list under a mutex for the case of more threads than slots.
 */
#include <string.h>
#include <sys/mman.h>

#include "kernel.h"

enum { CLASSES = 4 * 52, SLOTS = 8, FIRST_BITS = 12, ALIGN = 64 };
#define HUGE_PAGE ((size_t)2 << 20)

typedef struct pool_block { /* lies in the ALIGN bytes before the memory that is handed out */
    struct pool_block *next;
    void *base;
    size_t base_bytes;
    int32_t size_class;
} pool_block;

typedef struct pool_class {
    _Atomic(pool_block *) slots[SLOTS];
    pool_block *more; /* under the lock */
    atomic_int n_more;
} pool_class;

struct ej_pool {
    const einjit_allocator *allocator;
    pthread_mutex_t lock;
    pool_class classes[CLASSES];
};

/* Class c holds blocks of (4 + c % 4) << (c / 4) units of 1 << (FIRST_BITS - 2) bytes; -1: larger than any. */
static int class_of(size_t bytes, size_t *rounded)
{
    for (int c = 0; c < CLASSES; c++) {
        int shift = c / 4 + FIRST_BITS - 2;
        if (shift >= 60) break;
        *rounded = (size_t)(4 + c % 4) << shift;
        if (*rounded >= bytes) return c;
    }
    return -1;
}

static void free_block(struct ej_pool *pool, pool_block *block)
{
    ej_release(pool->allocator, block->base, block->base_bytes);
}

static void *new_block(struct ej_pool *pool, size_t bytes, int size_class)
{
    if (bytes > SIZE_MAX - 2 * ALIGN) return NULL;
    size_t base_bytes = bytes + 2 * ALIGN;
    char *base = pool->allocator->alloc(pool->allocator->user, base_bytes);
    if (!base) return NULL;
    char *memory = base + 2 * ALIGN - (uintptr_t)base % ALIGN;
    pool_block *block = (pool_block *)(void *)(memory - ALIGN);
    *block = (pool_block){NULL, base, base_bytes, size_class};
#ifdef MADV_HUGEPAGE
    if (bytes >= 2 * HUGE_PAGE) { /* advice only: 1-25 % on packed operands; a refusal changes nothing */
        uintptr_t from = ((uintptr_t)memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uintptr_t to = ((uintptr_t)memory + bytes) / HUGE_PAGE * HUGE_PAGE;
        (void)madvise((char *)base + (from - (uintptr_t)base), to - from, MADV_HUGEPAGE);
    }
#endif
    return memory;
}

int ej_pool_create(struct ej_pool **out, const einjit_allocator *allocator, einjit_error *err)
{
    struct ej_pool *pool = ej_alloc(allocator, sizeof *pool);
    if (!pool) return ej_no_memory(err);
    pool->allocator = allocator;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        ej_release(allocator, pool, sizeof *pool);
        return ej_no_memory(err);
    }
    for (int c = 0; c < CLASSES; c++) {
        atomic_init(&pool->classes[c].n_more, 0);
        for (int s = 0; s < SLOTS; s++) atomic_init(&pool->classes[c].slots[s], NULL);
    }
    *out = pool;
    return EINJIT_OK;
}

static pool_block *pop_more(struct ej_pool *pool, pool_class *c)
{
    if (!atomic_load_explicit(&c->n_more, memory_order_relaxed)) return NULL;
    pthread_mutex_lock(&pool->lock);
    pool_block *block = c->more;
    if (block) {
        c->more = block->next;
        atomic_fetch_sub_explicit(&c->n_more, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->lock);
    return block;
}

void *ej_pool_take(struct ej_pool *pool, size_t bytes)
{
    size_t rounded = bytes;
    int size_class = class_of(bytes, &rounded);
    if (size_class < 0) return new_block(pool, bytes, -1);
    pool_class *c = &pool->classes[size_class];
    for (int s = 0; s < SLOTS; s++) {
        if (!atomic_load_explicit(&c->slots[s], memory_order_relaxed)) continue;
        pool_block *block = atomic_exchange_explicit(&c->slots[s], NULL, memory_order_acquire);
        if (block) return (char *)block + ALIGN;
    }
    pool_block *block = pop_more(pool, c);
    return block ? (char *)block + ALIGN : new_block(pool, rounded, size_class);
}

void ej_pool_give(struct ej_pool *pool, void *memory)
{
    if (!memory) return;
    pool_block *block = (pool_block *)(void *)((char *)memory - ALIGN);
    if (block->size_class < 0) {
        free_block(pool, block);
        return;
    }
    pool_class *c = &pool->classes[block->size_class];
    for (int s = 0; s < SLOTS; s++) {
        pool_block *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&c->slots[s], &none, block, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    pthread_mutex_lock(&pool->lock);
    block->next = c->more;
    c->more = block;
    atomic_fetch_add_explicit(&c->n_more, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
}

void ej_pool_trim(struct ej_pool *pool)
{
    for (int i = 0; i < CLASSES; i++) {
        pool_class *c = &pool->classes[i];
        pool_block *block;
        for (int s = 0; s < SLOTS; s++)
            if ((block = atomic_exchange_explicit(&c->slots[s], NULL, memory_order_acquire))) free_block(pool, block);
        while ((block = pop_more(pool, c))) free_block(pool, block);
    }
}

void ej_pool_destroy(struct ej_pool *pool)
{
    if (!pool) return;
    ej_pool_trim(pool);
    pthread_mutex_destroy(&pool->lock);
    ej_release(pool->allocator, pool, sizeof *pool);
}
