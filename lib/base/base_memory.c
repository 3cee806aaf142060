/* base_memory.c - allocator hooks, arena, checked growth.
 *
 * Takes  an allocator (the context's hooks, or malloc and free).
 * Gives  zeroed memory; arenas that are freed in one call.
 * Not here: who owns what (each stage's header says so).
 */
#include "base_memory.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void malloc_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

const einjit_allocator ej_malloc_allocator = {malloc_alloc, malloc_release, NULL};

void *ej_alloc(const einjit_allocator *allocator, size_t bytes)
{
    void *memory = allocator->alloc(allocator->user, bytes ? bytes : 1);
    if (memory) memset(memory, 0, bytes ? bytes : 1);
    return memory;
}

void ej_release(const einjit_allocator *allocator, void *memory, size_t bytes)
{
    if (memory) allocator->release(allocator->user, memory, bytes ? bytes : 1);
}

struct ej_arena_chunk {
    ej_arena_chunk *next;
    size_t bytes; /* with this header */
};

enum { EJ_ARENA_ALIGN = 16, EJ_ARENA_FIRST = 4096, EJ_ARENA_MAX = 1 << 20 };
#define EJ_CHUNK_HEADER ((sizeof(ej_arena_chunk) + EJ_ARENA_ALIGN - 1) & ~(size_t)(EJ_ARENA_ALIGN - 1))

void ej_arena_init(ej_arena *arena, const einjit_allocator *allocator)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = allocator;
}

void ej_arena_free(ej_arena *arena)
{
    ej_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        ej_arena_chunk *next = chunk->next;
        ej_release(arena->allocator, chunk, chunk->bytes);
        chunk = next;
    }
    ej_arena_init(arena, arena->allocator);
}

void ej_arena_clear(ej_arena *arena)
{
    ej_arena_chunk *kept = arena->chunks;
#ifdef EINJIT_ARENA_MALLOC
    kept = NULL;
#endif
    if (!kept) {
        ej_arena_free(arena);
        return;
    }
    ej_arena older = {.allocator = arena->allocator, .chunks = kept->next};
    ej_arena_free(&older);
    memset((char *)kept + EJ_CHUNK_HEADER, 0, arena->used - EJ_CHUNK_HEADER);
    kept->next = NULL;
    arena->used = EJ_CHUNK_HEADER;
    arena->total_bytes = kept->bytes;
}

static bool add_chunk(ej_arena *arena, size_t room)
{
    size_t bytes = arena->capacity * 2;
    if (bytes < EJ_ARENA_FIRST) bytes = EJ_ARENA_FIRST;
    if (bytes > EJ_ARENA_MAX) bytes = EJ_ARENA_MAX;
#ifdef EINJIT_ARENA_MALLOC
    bytes = 0;
#endif
    if (room > SIZE_MAX - EJ_CHUNK_HEADER) return false;
    if (bytes < room + EJ_CHUNK_HEADER) bytes = room + EJ_CHUNK_HEADER;
    ej_arena_chunk *chunk = ej_alloc(arena->allocator, bytes);
    if (!chunk) return false;
    chunk->next = arena->chunks;
    chunk->bytes = bytes;
    arena->chunks = chunk;
    arena->capacity = bytes;
    arena->used = EJ_CHUNK_HEADER;
    arena->total_bytes += bytes;
    return true;
}

void *ej_arena_new(ej_arena *arena, size_t n, size_t size)
{
    if (size && n > (SIZE_MAX - EJ_ARENA_ALIGN) / size) return NULL;
    size_t bytes = (n * size + EJ_ARENA_ALIGN - 1) & ~(size_t)(EJ_ARENA_ALIGN - 1);
    if (!bytes) bytes = EJ_ARENA_ALIGN;
    if (!arena->chunks || bytes > arena->capacity - arena->used)
        if (!add_chunk(arena, bytes)) return NULL;
    void *memory = (char *)arena->chunks + arena->used;
    arena->used += bytes;
    return memory;
}

char *ej_arena_copy_text(ej_arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX) return NULL;
    char *copy = ej_arena_new(arena, length + 1, 1);
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

bool ej_arena_reserve(ej_arena *arena, void **array, size_t *capacity, size_t used, size_t want, size_t size)
{
    if (want <= *capacity) return true;
    size_t grown = *capacity < 8 ? 8 : *capacity > SIZE_MAX / 2 ? want : *capacity * 2;
    if (grown < want) grown = want;
    void *block = ej_arena_new(arena, grown, size);
    if (!block) return false;
    if (used) memcpy(block, *array, used * size);
    *array = block;
    *capacity = grown;
    return true;
}

bool ej_mul_size(int64_t a, int64_t b, int64_t *out)
{
    if (a < 0 || b < 0 || (a && b > INT64_MAX / a)) return false;
    *out = a * b;
    return true;
}

bool ej_add_size(int64_t a, int64_t b, int64_t *out)
{
    if (a < 0 || b < 0 || a > INT64_MAX - b) return false;
    *out = a + b;
    return true;
}
