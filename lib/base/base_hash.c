/* base_hash.c - content keys. Takes bytes, gives XXH3's 64 or 128 bits; the same on every machine. */
#include "base_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

ej_hash ej_hash_bytes(const void *bytes, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    return (ej_hash){h.low64, h.high64};
}

uint64_t ej_hash64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}
