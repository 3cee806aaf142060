/* kernel_cache.h - the cache in memory: signature -> kernel. */
#ifndef EJ_KERNEL_CACHE_H
#define EJ_KERNEL_CACHE_H

#include "kernel.h"
#include "key.h"

typedef int (*ej_make_kernel)(einjit_kernel **out, void *user, einjit_error *err);
int ej_cache_create(struct ej_cache **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err);
void ej_cache_destroy(struct ej_cache *cache);
void ej_cache_clear(struct ej_cache *cache);
/* in a forked child: what is made stays, what others were making is forgotten */
void ej_cache_recover(struct ej_cache *cache);
/* The kernel of the key with one more bare reference: found without a lock, or made once by `make` however many threads
 * ask. A failure is remembered, with its text, and given again. E_NOMEM, E_INTERRUPTED and E_BACKEND are not
 * remembered, nor any failure of a key that says so; those who waited for such a one try again themselves. */
int ej_cache_get(struct ej_cache *cache, ej_key key, ej_make_kernel make, void *user, einjit_kernel **out,
                 einjit_error *err);
void ej_cache_statistics(const struct ej_cache *cache, einjit_statistics *out);
uint64_t ej_cache_steps(const struct ej_cache *cache); /* entries that evictions looked at: what they cost, for tests */

#endif
