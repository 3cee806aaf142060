/* kernel_pool.c - scratch memory of runs, kept between them.
 *
 * Takes  a number of bytes.
 * Gives  a block of at least that size, aligned to 64, contents undefined.
 * Keeps  blocks that are given back, up to a limit, by size class (4 classes for each doubling: at most a quarter is
 *        wasted): once a program has warmed up, runs allocate nothing. A class has SLOTS places that are taken and
 *        filled by one atomic exchange, and behind them a list under a mutex for the case of more threads than slots.
 *        What is kept is counted only when all blocks together, those in use too, are above the limit: most runs read
 *        one number.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel_pool.h"

enum { SLOTS = 8, FIRST_BITS = 12, ALIGN = 64, CLASSES = 4 * (60 - FIRST_BITS + 2) };
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
    size_t limit_bytes;  /* for blocks that no run uses */
    atomic_size_t bytes; /* of all blocks, in use or not */
    atomic_uint hand;    /* the class that gives up blocks next */
    pthread_mutex_t lock;
    pool_class classes[CLASSES];
};

/* 4, 5, 6, 7, 8, 10, 12, 14, 16, ... quarters of 1 << FIRST_BITS. */
static size_t class_bytes(int size_class)
{
    return (size_t)(4 + size_class % 4) << (size_class / 4 + FIRST_BITS - 2);
}

/* The smallest class whose blocks are large enough; -1: none is. */
static int class_of(size_t bytes, size_t *rounded)
{
    for (int c = 0; c < CLASSES; c++) {
        *rounded = class_bytes(c);
        if (*rounded >= bytes) return c;
    }
    return -1;
}

static void free_block(struct ej_pool *pool, pool_block *block)
{
    atomic_fetch_sub_explicit(&pool->bytes, block->base_bytes, memory_order_relaxed);
    ej_release(pool->allocator, block->base, block->base_bytes);
}

static void *new_block(struct ej_pool *pool, size_t bytes, int size_class)
{
    if (bytes > SIZE_MAX - 2 * ALIGN) return NULL;
    size_t base_bytes = bytes + 2 * ALIGN;
    char *base = pool->allocator->alloc(pool->allocator->user, base_bytes);
    if (!base) return NULL;
    atomic_fetch_add_explicit(&pool->bytes, base_bytes, memory_order_relaxed);
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

int ej_pool_create(struct ej_pool **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err)
{
    struct ej_pool *pool = ej_alloc(allocator, sizeof *pool);
    if (!pool) return ej_no_memory(err);
    pool->allocator = allocator;
    pool->limit_bytes = limit_bytes;
    atomic_init(&pool->bytes, 0);
    atomic_init(&pool->hand, 0);
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

static pool_block *take_kept(struct ej_pool *pool, pool_class *c)
{
    for (int s = 0; s < SLOTS; s++) {
        if (!atomic_load_explicit(&c->slots[s], memory_order_relaxed)) continue;
        pool_block *block = atomic_exchange_explicit(&c->slots[s], NULL, memory_order_acquire);
        if (block) return block;
    }
    return pop_more(pool, c);
}

void *ej_pool_take(struct ej_pool *pool, size_t bytes)
{
    size_t rounded = bytes;
    int size_class = class_of(bytes, &rounded);
    if (size_class < 0) return new_block(pool, bytes, -1);
    pool_block *block = take_kept(pool, &pool->classes[size_class]);
    return block ? (char *)block + ALIGN : new_block(pool, rounded, size_class);
}

/* ---- the limit ---- */

/* The bytes that no run uses, roughly: other threads take and give meanwhile. */
static size_t kept_bytes(const struct ej_pool *pool)
{
    size_t bytes = 0;
    for (int i = 0; i < CLASSES; i++) {
        const pool_class *c = &pool->classes[i];
        int n = atomic_load_explicit(&c->n_more, memory_order_relaxed);
        for (int s = 0; s < SLOTS; s++) n += atomic_load_explicit(&c->slots[s], memory_order_relaxed) != NULL;
        if (n > 0) bytes += (size_t)n * (class_bytes(i) + 2 * ALIGN);
    }
    return bytes;
}

/* Frees blocks, one class after the other, until those left and `more` bytes are below the limit. False: they are
 * not. */
static bool make_room(struct ej_pool *pool, size_t more)
{
    if (more > pool->limit_bytes) return false;
    size_t kept = kept_bytes(pool);
    for (int i = 0; i < CLASSES && kept > pool->limit_bytes - more; i++) {
        pool_class *c = &pool->classes[atomic_fetch_add_explicit(&pool->hand, 1, memory_order_relaxed) % CLASSES];
        for (pool_block *block; kept > pool->limit_bytes - more && (block = take_kept(pool, c));) {
            kept -= block->base_bytes < kept ? block->base_bytes : kept;
            free_block(pool, block);
        }
    }
    return kept <= pool->limit_bytes - more;
}

void ej_pool_give(struct ej_pool *pool, void *memory)
{
    if (!memory) return;
    pool_block *block = (pool_block *)(void *)((char *)memory - ALIGN);
    bool full = atomic_load_explicit(&pool->bytes, memory_order_relaxed) > pool->limit_bytes;
    if (block->size_class < 0 || (full && !make_room(pool, block->base_bytes))) {
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
    pool_block *block;
    for (int i = 0; i < CLASSES; i++)
        while ((block = take_kept(pool, &pool->classes[i]))) free_block(pool, block);
}

/* A fork may have met other threads anywhere in this file: slots are whole, lists may not be. */
void ej_pool_recover(struct ej_pool *pool)
{
    size_t bytes = 0;
    pthread_mutex_init(&pool->lock, NULL);
    for (int i = 0; i < CLASSES; i++) {
        pool_class *c = &pool->classes[i];
        c->more = NULL;
        atomic_store(&c->n_more, 0);
        for (int s = 0; s < SLOTS; s++) {
            const pool_block *block = atomic_load(&c->slots[s]);
            if (block) bytes += block->base_bytes;
        }
    }
    atomic_store(&pool->bytes, bytes);
}

void ej_pool_statistics(const struct ej_pool *pool, einjit_statistics *out)
{
    out->scratch_bytes = atomic_load_explicit(&pool->bytes, memory_order_relaxed);
    out->scratch_limit_bytes = pool->limit_bytes;
}

void ej_pool_destroy(struct ej_pool *pool)
{
    if (!pool) return;
    ej_pool_trim(pool);
    pthread_mutex_destroy(&pool->lock);
    ej_release(pool->allocator, pool, sizeof *pool);
}
