/* kernel_recent.c - calls that are made again: from what they say themselves to the kernel, without making a key.
 *
 * Takes  an equation as it is written, or a program's content.
 * Gives  the kernel that the same call found last, for as long as the caller is a reader of the cache: it runs without
 *        a reference of its own. What is evicted during a run may so be freed only after it.
 * Keeps  pointers to entries that are in their table. Whether the tensors fit is the caller's to check
 *        (ej_fits_at_once).
 *
 * With this a hit of a 2x2 product takes 46 ns more than the bare entry (einjit_einsum; einjit_call 32), where key,
 * hash, table and reference take 91 (Zen 4).
 */
#include <string.h>

#include "kernel_cache_core.h"

enum { INSTALL_EVERY = 8 }; /* hits of a thread: calls that put each other out of a slot do not lock each time */

unsigned ej_cache_lane(void)
{
    static atomic_uint n_threads;
    static _Thread_local unsigned lane; /* 1 + its number */
    if (!lane) lane = 1 + atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) % LANES;
    return lane - 1;
}

/* An allocator that aligns less than malloc leaves no room for the shard's number; then there is none. */
static uintptr_t word_of(const struct ej_cache *cache, const shard *s, const entry *e)
{
    return (uintptr_t)e % SHARDS ? 0 : (uintptr_t)e | (uintptr_t)(s - cache->shards);
}

void ej_recent_install(struct ej_cache *cache, shard *s, entry *e)
{
    static _Thread_local unsigned n_hits;
    if (!e->recent.kind || e->kernel->retry_ns || !ej_is_checked_at_once(e->kernel)) return;
    bool there = atomic_load(&cache->recent[e->recent.slot]) == word_of(cache, s, e);
    if (there || ++n_hits % INSTALL_EVERY) return;
    if (pthread_mutex_trylock(&s->lock)) return;
    if (!e->removed) atomic_store(&cache->recent[e->recent.slot], word_of(cache, s, e));
    pthread_mutex_unlock(&s->lock);
}

void ej_recent_remove(struct ej_cache *cache, shard *s, entry *e)
{
    uintptr_t word = word_of(cache, s, e);
    if (e->recent.kind && word) atomic_compare_exchange_strong(&cache->recent[e->recent.slot], &word, 0);
}

const einjit_kernel *ej_recent_begin(ej_recent_use *use, einjit_context *context, const ej_recent *recent)
{
    struct ej_cache *cache = ej_context_cache(context);
    uintptr_t word = recent->kind ? atomic_load(&cache->recent[recent->slot]) : 0;
    if (!word) return NULL;
    *use = (ej_recent_use){.cache = cache,
                           .process = context->fork_mark.word,
                           .process_was = atomic_load_explicit(context->fork_mark.word, memory_order_relaxed)};
    use->readers = ej_cache_count_in(&cache->shards[word % SHARDS]);
    entry *e = (entry *)(word / SHARDS * SHARDS);
    bool there = atomic_load(&cache->recent[recent->slot]) == word; /* and is not freed as long as a reader is in */
    if (there && e->recent.kind == recent->kind && e->recent.n == recent->n &&
        !memcmp(e->recent.bytes, recent->bytes, recent->n)) {
        use->entry = e;
        return e->kernel;
    }
    ej_cache_count_out(use->readers, false);
    return NULL;
}

void ej_recent_end(const ej_recent_use *use, bool hit)
{
    if (atomic_load_explicit(use->process, memory_order_relaxed) != use->process_was) return; /* forked meanwhile */
    if (hit) ej_cache_note_use(use->cache, use->entry);
    ej_cache_count_out(use->readers, hit);
}
