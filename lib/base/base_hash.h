/* base_hash.h - 128-bit content keys (XXH3, from xxhash's header). */
#ifndef EJ_BASE_HASH_H
#define EJ_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ej_hash {
    uint64_t lo, hi;
} ej_hash;

ej_hash ej_hash_bytes(const void *bytes, size_t n);
uint64_t ej_hash64(const void *bytes, size_t n, uint64_t seed);
static inline bool ej_hash_same(ej_hash a, ej_hash b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

#endif
