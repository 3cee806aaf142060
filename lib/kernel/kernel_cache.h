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

/* ---- calls that are made again ----
 * The kernel that a call of these bytes found last: it may not be the one for these tensors. No reference is taken:
 * it lives until ej_recent_end, for which reclaiming memory waits. NULL: there is none, and nothing to end. */
typedef struct ej_recent_use {
    struct ej_cache *cache;
    void *entry;
    atomic_uint_fast64_t *readers;
    const atomic_int *process; /* the context's fork mark, and what it was: a forked child has begun no use */
    int process_was;
} ej_recent_use;
const einjit_kernel *ej_recent_begin(ej_recent_use *use, einjit_context *context, const ej_recent *recent);
void ej_recent_end(const ej_recent_use *use, bool hit);

void ej_cache_statistics(const struct ej_cache *cache, einjit_statistics *out);
uint64_t ej_cache_steps(const struct ej_cache *cache); /* entries that evictions looked at: what they cost, for tests */

#endif
