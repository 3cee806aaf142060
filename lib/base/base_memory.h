/* base_memory.h - the allocator hooks, the arena, and checked growth. */
#ifndef EJ_BASE_MEMORY_H
#define EJ_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "einjit/einjit.h"

/* Long-lived memory goes through the context's hooks; `release` needs the size that was asked for. */
void *ej_alloc(const einjit_allocator *allocator, size_t bytes); /* zeroed; NULL when out of memory; bytes 0 -> 1 */
void ej_release(const einjit_allocator *allocator, void *memory, size_t bytes); /* NULL is fine */
extern const einjit_allocator ej_malloc_allocator;

/* An arena: everything of one graph or one compile job lives in one and is freed with it. Chunks double up to 1 MiB,
 * so a job makes few calls of the hooks. With -DEINJIT_ARENA_MALLOC each object is an allocation of its own, so
 * that memory checkers see its bounds. Not thread-safe: one job, one thread. */
typedef struct ej_arena_chunk ej_arena_chunk;
typedef struct ej_arena {
    const einjit_allocator *allocator;
    ej_arena_chunk *chunks;
    size_t used, capacity; /* of the newest chunk */
    size_t total_bytes;    /* taken from the hooks */
} ej_arena;

void ej_arena_init(ej_arena *arena, const einjit_allocator *allocator);
void ej_arena_free(ej_arena *arena);
/* Frees all objects, but keeps the newest chunk for the next ones: for work that is repeated. */
void ej_arena_clear(ej_arena *arena);
/* n * size bytes, zeroed, aligned for any type; NULL when out of memory or when n * size overflows. */
void *ej_arena_new(ej_arena *arena, size_t n, size_t size);
char *ej_arena_copy_text(ej_arena *arena, const char *text, size_t length); /* NUL-terminated copy */
/* Room for `want` elements in an array of *capacity: doubles, copies, keeps the old block in the arena. */
bool ej_arena_reserve(ej_arena *arena, void **array, size_t *capacity, size_t used, size_t want, size_t size);

#define EJ_NEW(arena, type) ((type *)ej_arena_new((arena), 1, sizeof(type)))
#define EJ_NEW_ARRAY(arena, type, n) ((type *)ej_arena_new((arena), (n), sizeof(type)))
/* Grow array `a` (pointer variable) with `cap` (size_t variable) so that index `n` is valid. False: out of memory. */
#define EJ_PUSH_ROOM(arena, a, cap, n) \
    ((size_t)(n) < (cap) || \
     ej_arena_reserve((arena), (void **)(void *)&(a), &(cap), (size_t)(n), (size_t)(n) + 1, sizeof *(a)))

/* Checked size arithmetic on non-negative int64: false on overflow or a negative argument. */
bool ej_mul_size(int64_t a, int64_t b, int64_t *out);
bool ej_add_size(int64_t a, int64_t b, int64_t *out);

#endif
