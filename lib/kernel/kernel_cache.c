/* kernel_cache.c - the memory cache: signature -> kernel, or the failure that compiling it gave.
 *
 * Takes  a key and how to make its kernel.
 * Gives  the kernel with a reference. A hit takes no lock: count in as a reader, probe, take a reference, count out.
 * Keeps  one entry a key, made once however many threads ask; the others wait. Kernels and failures have a byte limit
 *        each, so that a flood of failures takes no kernel's place.
 * Eviction: each shard queues its entries; of all queues' first ones the oldest is looked at. If it was asked for since
 *        it was queued it goes to the end of its queue, else it is removed. Times have the resolution of one miss.
 * Reclamation: what is taken out of a table is freed once every reader that could have seen it has counted out. Readers
 *        count in one of two counters; the writer sees each of them at 0 after the removal, one after the other,
 *        directing new readers to the other one, so that a busy shard cannot hold up reclamation for ever.
 * Not here: calls that are made again, which go a shorter way (kernel_recent.c).
 */
#include <string.h>

#include "base_time.h"
#include "kernel_cache_core.h"

/* ---- what is taken out of a table ---- */

static size_t entry_bytes(size_t n_words, size_t n_recent)
{
    return sizeof(entry) + n_words * sizeof(uint64_t) + n_recent;
}

static size_t table_bytes(size_t n_slots)
{
    return sizeof(table) + n_slots * sizeof(_Atomic(entry *));
}

static void free_entry(const struct ej_cache *cache, entry *e)
{
    ej_kernel_drop(e->kernel);
    ej_release(cache->allocator, e->error, sizeof *e->error);
    ej_release(cache->allocator, e, entry_bytes(e->n, e->recent.n));
}

/* Outside of the lock: dropping a kernel unmaps its code. */
static void free_retired(const struct ej_cache *cache, retired *list)
{
    while (list) {
        retired *next = list->next;
        if (list->is_table) ej_release(cache->allocator, list, table_bytes(((table *)(void *)list)->n_slots));
        else free_entry(cache, (entry *)(void *)list);
        list = next;
    }
}

static void retire(shard *s, retired *item)
{
    item->next = s->fresh;
    s->fresh = item;
}

static bool has_readers(shard *s, unsigned turn)
{
    for (int lane = 0; lane < LANES; lane++)
        if (atomic_load(&s->lanes[lane].readers[turn]) & READERS) return true;
    return false;
}

/* What no reader can see any more; the caller frees it after unlocking. */
static retired *reclaim(shard *s)
{
    retired *done = NULL;
    for (;;) {
        if (!s->draining) {
            s->draining = s->fresh;
            s->fresh = NULL;
            s->half_drained = false;
        }
        if (!s->draining) return done;
        unsigned turn = atomic_load(&s->turn);
        if (!s->half_drained) {
            if (has_readers(s, 1 - turn)) return done;
            turn = 1 - turn;
            atomic_store(&s->turn, turn);
            s->half_drained = true;
        }
        if (has_readers(s, 1 - turn)) return done;
        retired *last = s->draining;
        while (last->next) last = last->next;
        last->next = done;
        done = s->draining;
        s->draining = NULL;
    }
}

/* ---- the table ---- */

static entry *probe(const table *t, ej_key key, uint64_t hash, size_t *slot)
{
    for (size_t i = hash & (t->n_slots - 1);; i = (i + 1) & (t->n_slots - 1)) {
        entry *e = atomic_load(&t->slots[i]);
        if (!e) return NULL;
        if (e == GONE || e->hash != hash || e->n != key.n) continue;
        if (memcmp(e->words, key.words, key.n * sizeof *key.words) != 0) continue;
        if (slot) *slot = i;
        return e;
    }
}

static table *new_table(const struct ej_cache *cache, size_t n_slots)
{
    table *t = ej_alloc(cache->allocator, table_bytes(n_slots));
    if (!t) return NULL;
    t->retired.is_table = true;
    t->n_slots = n_slots;
    for (size_t i = 0; i < n_slots; i++) atomic_init(&t->slots[i], NULL);
    return t;
}

static void put(table *t, entry *e)
{
    size_t i = e->hash & (t->n_slots - 1);
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed)) i = (i + 1) & (t->n_slots - 1);
    atomic_store(&t->slots[i], e);
}

/* Room for one entry more, at most half full, without the GONE slots when it had to be built anew. */
static bool make_room(struct ej_cache *cache, shard *s)
{
    table *old = atomic_load_explicit(&s->table, memory_order_relaxed);
    if ((s->n_filled + 1) * 2 <= old->n_slots) return true;
    size_t n_slots = FIRST_SLOTS;
    while (n_slots < (s->n_live + 1) * 4) n_slots *= 2;
    table *t = new_table(cache, n_slots);
    if (!t) return false;
    for (size_t i = 0; i < old->n_slots; i++) {
        entry *e = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (e && e != GONE) put(t, e);
    }
    s->n_filled = s->n_live;
    atomic_store(&s->table, t);
    retire(s, &old->retired);
    return true;
}

static void release_holder(shard *s, entry *e)
{
    if (--e->holders == 0 && e->removed) retire(s, &e->retired);
}

/* Out of the table; no longer in a queue, or never there. */
static void take_out(struct ej_cache *cache, shard *s, entry *e)
{
    ej_recent_remove(cache, s, e);
    size_t slot = 0;
    table *t = atomic_load_explicit(&s->table, memory_order_relaxed);
    if (probe(t, (ej_key){.words = e->words, .n = e->n}, e->hash, &slot) != e) return; /* never */
    atomic_store(&t->slots[slot], GONE);
    s->n_live--;
    e->removed = true;
    if (!e->holders) retire(s, &e->retired);
}

/* ---- queues ---- */

static int kind_of(const entry *e)
{
    return e->kernel ? KERNELS : FAILURES;
}

static void enqueue(queue *q, entry *e, uint64_t now)
{
    e->next = NULL;
    e->queued = now;
    if (q->first) q->last->next = e;
    else q->first = e;
    q->last = e;
    atomic_store_explicit(&q->oldest, q->first->queued, memory_order_relaxed);
}

static entry *dequeue(queue *q)
{
    entry *e = q->first;
    if (!e) return NULL;
    q->first = e->next;
    atomic_store_explicit(&q->oldest, q->first ? q->first->queued : NOTHING, memory_order_relaxed);
    return e;
}

/* From anywhere in its queue. */
static void unqueue(queue *q, const entry *e)
{
    entry **link = &q->first, *before = NULL;
    while (*link && *link != e) before = *link, link = &before->next;
    if (!*link) return;
    *link = e->next;
    if (q->last == e) q->last = before;
    atomic_store_explicit(&q->oldest, q->first ? q->first->queued : NOTHING, memory_order_relaxed);
}

/* ---- looking up ---- */

static int give_failure(const entry *e, ej_key key, einjit_error *err)
{
    if (key.others) *key.others = e->names != ej_key_names(&key);
    if (err && e->error) *err = *e->error;
    return e->error ? e->status : ej_fail(err, e->status, "%s", einjit_status_text(e->status));
}

static void give_kernel(entry *e, einjit_kernel **out)
{
    atomic_fetch_add_explicit(&e->kernel->refs, 1, memory_order_relaxed);
    *out = e->kernel;
}

/* READY: its code could not be generated, and another try is due. */
static bool is_overdue(const entry *e)
{
    return e->kernel->retry_ns && e->kernel->retry_ns <= ej_now_ns();
}

/* A finished entry's answer; false: none, being made, due to be made again, or failed in a way that is its maker's
 * alone, about to go. */
static bool find(struct ej_cache *cache, shard *s, ej_key key, uint64_t hash, einjit_kernel **out, int *status,
                 einjit_error *err)
{
    atomic_uint_fast64_t *readers = ej_cache_count_in(s);
    entry *e = probe(atomic_load(&s->table), key, hash, NULL);
    int state = e ? atomic_load_explicit(&e->state, memory_order_acquire) : MAKING;
    if (state == FAILED ? e->forget : state == READY && is_overdue(e)) state = MAKING;
    if (state == READY) give_kernel(e, out);
    if (state != MAKING) {
        *status = state == READY ? EINJIT_OK : give_failure(e, key, err);
        ej_cache_note_use(cache, e);
    }
    if (state == READY && key.recent.kind) ej_recent_install(cache, s, e);
    ej_cache_count_out(readers, state != MAKING);
    return state != MAKING;
}

/* ---- the byte limit ---- */

/* The shard whose first entry was queued longest ago, without those in the set `skip`; NULL: all are empty. */
static shard *oldest_shard(struct ej_cache *cache, int kind, unsigned skip)
{
    shard *found = NULL;
    uint64_t oldest = NOTHING;
    for (int i = 0; i < SHARDS; i++) {
        uint64_t first = atomic_load_explicit(&cache->shards[i].queues[kind].oldest, memory_order_relaxed);
        if (first >= oldest || skip >> i & 1) continue;
        oldest = first;
        found = &cache->shards[i];
    }
    return found;
}

/* Looks at the shard's first entry: it is removed, or put at the end of the queue (at most once for each time it is
 * looked up). `keep`, the newest one, stays even when it alone is too big. False: the shard has nothing else. */
static bool evict_step(struct ej_cache *cache, shard *s, int kind, const entry *keep)
{
    queue *q = &s->queues[kind];
    pthread_mutex_lock(&s->lock);
    bool alone = q->first == keep && q->last == keep;
    entry *e = alone ? NULL : dequeue(q);
    if (e && (e == keep || atomic_load_explicit(&e->used, memory_order_relaxed) > e->queued)) {
        enqueue(q, e, ej_cache_now(cache) | 1); /* the time of look-ups since the last miss: they have had their
                                                 * effect */
    } else if (e) {
        atomic_fetch_sub(&cache->bytes[kind], e->bytes);
        take_out(cache, s, e);
        s->evictions++;
    }
    retired *garbage = reclaim(s);
    pthread_mutex_unlock(&s->lock);
    free_retired(cache, garbage);
    atomic_fetch_add_explicit(&cache->steps, 1, memory_order_relaxed);
    return !alone;
}

static void keep_below_limit(struct ej_cache *cache, const entry *keep)
{
    int kind = kind_of(keep);
    unsigned skip = 0;
    while (atomic_load(&cache->bytes[kind]) > cache->limit_bytes[kind]) {
        shard *s = oldest_shard(cache, kind, skip);
        if (!s) return;
        if (!evict_step(cache, s, kind, keep)) skip |= 1u << (s - cache->shards);
    }
}

uint64_t ej_cache_steps(const struct ej_cache *cache)
{
    return atomic_load(&cache->steps);
}

/* ---- misses ---- */

static bool is_remembered(ej_key key, int status)
{
    return !key.forget_failures && status != EINJIT_E_NOMEM && status != EINJIT_E_INTERRUPTED &&
           status != EINJIT_E_BACKEND;
}

/* An entry in the table that says that it is being made; NULL: out of memory. */
static entry *announce(struct ej_cache *cache, shard *s, ej_key key, uint64_t hash)
{
    if (key.n > (SIZE_MAX / 2 - sizeof(entry)) / sizeof(uint64_t)) return NULL;
    size_t bytes = entry_bytes(key.n, key.recent.n);
    entry *e = ej_alloc(cache->allocator, bytes);
    if (!e || !make_room(cache, s)) {
        ej_release(cache->allocator, e, bytes);
        return NULL;
    }
    e->recent = key.recent;
    e->recent.bytes = e->words + key.n;
    if (key.recent.n) memcpy(e->words + key.n, key.recent.bytes, key.recent.n);
    e->hash = hash;
    e->n = key.n;
    memcpy(e->words, key.words, key.n * sizeof *key.words);
    e->names = ej_key_names(&key);
    e->bytes = bytes;
    e->holders = 1;
    atomic_init(&e->state, MAKING);
    atomic_init(&e->used, atomic_fetch_add(&cache->clock, 2) + 2);
    put(atomic_load_explicit(&s->table, memory_order_relaxed), e);
    s->n_live++;
    s->n_filled++;
    s->misses++;
    return e;
}

static void publish(struct ej_cache *cache, shard *s, entry *e, ej_key key, einjit_kernel *kernel, int status)
{
    e->kernel = kernel, e->status = status;
    /* no memory for its text: not either */
    e->forget = status != EINJIT_OK && (!e->error || !is_remembered(key, status));
    s->failures += status != EINJIT_OK;
    e->bytes += kernel ? kernel->bytes : e->error ? sizeof *e->error : 0;
    atomic_store_explicit(&e->state, status == EINJIT_OK ? READY : FAILED, memory_order_release);
    if (e->forget) {
        take_out(cache, s, e);
    } else {
        atomic_fetch_add(&cache->bytes[kind_of(e)], e->bytes);
        enqueue(&s->queues[kind_of(e)], e, ej_cache_now(cache));
    }
    pthread_cond_broadcast(&s->made);
}

/* Kernels that this thread is making, one inside of another: a hook or signal handler of a compile may ask for more.
 * Such a thread waits for nobody: for itself it would wait forever, and so would two for each other. */
static _Thread_local int n_making;

/* Make the kernel of an announced entry. Entered with the lock, left without it. */
static int make_entry(struct ej_cache *cache, shard *s, entry *e, ej_key key, ej_make_kernel make, void *user,
                      einjit_kernel **out, einjit_error *err)
{
    pthread_mutex_unlock(&s->lock);
    einjit_error error = {0};
    einjit_kernel *kernel = NULL;
    uint64_t start = ej_now_ns();
    n_making++;
    int status = make(&kernel, user, &error);
    n_making--;
    uint64_t spent = ej_now_ns() - start;
    if (status == EINJIT_OK) {
        atomic_fetch_add(&kernel->refs, 1);
        *out = kernel;
    } else {
        if (err) *err = error;
        kernel = NULL;
        if ((e->error = ej_alloc(cache->allocator, sizeof error))) *e->error = error;
    }
    pthread_mutex_lock(&s->lock);
    s->compile_ns += spent;
    publish(cache, s, e, key, kernel, status);
    pthread_mutex_unlock(&s->lock);

    if (!e->forget) keep_below_limit(cache, e); /* e is held, so it is still there */

    pthread_mutex_lock(&s->lock);
    release_holder(s, e);
    retired *garbage = reclaim(s);
    pthread_mutex_unlock(&s->lock);
    free_retired(cache, garbage);
    return status;
}

/* Wait for the thread that makes e. True: *status is the answer; false: it failed in a way that is not ours. */
static bool wait_for(shard *s, entry *e, ej_key key, einjit_kernel **out, int *status, einjit_error *err)
{
    e->holders++;
    s->waits++;
    while (atomic_load(&e->state) == MAKING) pthread_cond_wait(&s->made, &s->lock);
    bool mine = !e->forget;
    if (mine && atomic_load(&e->state) == READY) {
        give_kernel(e, out);
        *status = EINJIT_OK;
    } else if (mine) {
        *status = give_failure(e, key, err);
    }
    release_holder(s, e);
    return mine;
}

/* An entry that is due to be made again leaves the table. */
static void remove_overdue(struct ej_cache *cache, shard *s, entry *e)
{
    unqueue(&s->queues[KERNELS], e);
    atomic_fetch_sub(&cache->bytes[KERNELS], e->bytes);
    take_out(cache, s, e);
}

static int get_or_make(struct ej_cache *cache, shard *s, ej_key key, uint64_t hash, ej_make_kernel make, void *user,
                       einjit_kernel **out, einjit_error *err)
{
    int status = EINJIT_OK;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        entry *e = probe(atomic_load_explicit(&s->table, memory_order_relaxed), key, hash, NULL);
        if (!e) break;
        if (atomic_load(&e->state) == READY && is_overdue(e)) {
            remove_overdue(cache, s, e);
            break;
        }
        bool making = atomic_load(&e->state) == MAKING, alone = making && n_making, answered = alone;
        if (!alone && making) answered = wait_for(s, e, key, out, &status, err);
        else if (!alone) answered = find(cache, s, key, hash, out, &status, err);
        if (!answered) continue;
        pthread_mutex_unlock(&s->lock);
        return alone ? make(out, user, err) : status;
    }
    entry *e = announce(cache, s, key, hash);
    if (e) return make_entry(cache, s, e, key, make, user, out, err);
    pthread_mutex_unlock(&s->lock);
    return ej_no_memory(err);
}

int ej_cache_get(struct ej_cache *cache, ej_key key, ej_make_kernel make, void *user, einjit_kernel **out,
                 einjit_error *err)
{
    uint64_t h = ej_hash64(key.words, key.n * sizeof *key.words, 0);
    shard *s = &cache->shards[h >> 60]; /* the table uses the low bits */
    int status = EINJIT_OK;
    return find(cache, s, key, h, out, &status, err) ? status : get_or_make(cache, s, key, h, make, user, out, err);
}

/* ---- the whole ---- */

static bool init_shard(struct ej_cache *cache, shard *s)
{
    table *t = new_table(cache, FIRST_SLOTS);
    if (!t) return false;
    bool locks = !pthread_mutex_init(&s->lock, NULL);
    if (!locks || pthread_cond_init(&s->made, NULL)) {
        if (locks) pthread_mutex_destroy(&s->lock);
        ej_release(cache->allocator, t, table_bytes(FIRST_SLOTS));
        return false;
    }
    atomic_init(&s->turn, 0);
    for (int i = 0; i < 2 * LANES; i++) atomic_init(&s->lanes[i / 2].readers[i % 2], 0);
    for (int kind = 0; kind < KINDS; kind++) atomic_init(&s->queues[kind].oldest, NOTHING);
    atomic_init(&s->table, t);
    return true;
}

int ej_cache_create(struct ej_cache **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err)
{
    struct ej_cache *cache = ej_alloc(allocator, sizeof *cache);
    if (!cache) return ej_no_memory(err);
    cache->allocator = allocator;
    cache->limit_bytes[KERNELS] = limit_bytes;
    cache->limit_bytes[FAILURES] = limit_bytes / FAILURES_PART;
    for (int kind = 0; kind < KINDS; kind++) atomic_init(&cache->bytes[kind], 0);
    atomic_init(&cache->steps, 0);
    atomic_init(&cache->clock, 0);
    for (int i = 0; i < EJ_RECENT_SLOTS; i++) atomic_init(&cache->recent[i], 0);
    for (int i = 0; i < SHARDS; i++) {
        if (init_shard(cache, &cache->shards[i])) continue;
        ej_cache_destroy(cache);
        return ej_no_memory(err);
    }
    *out = cache;
    return EINJIT_OK;
}

void ej_cache_clear(struct ej_cache *cache)
{
    for (shard *s = cache->shards; s < cache->shards + SHARDS; s++) {
        pthread_mutex_lock(&s->lock);
        for (int kind = 0; kind < KINDS; kind++)
            for (entry *e; (e = dequeue(&s->queues[kind]));) {
                atomic_fetch_sub(&cache->bytes[kind], e->bytes);
                take_out(cache, s, e);
            }
        retired *garbage = reclaim(s);
        pthread_mutex_unlock(&s->lock);
        free_retired(cache, garbage);
    }
}

/* A fork may have met other threads anywhere in this file. Tables and finished entries are whole at every moment, since
 * readers take no lock; the rest is made anew from them. What only those threads held is lost. */
static void recover_shard(struct ej_cache *cache, shard *s)
{
    table *t = atomic_load(&s->table);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->made, NULL);
    s->fresh = s->draining = NULL;
    s->n_live = s->n_filled = 0;
    for (int i = 0; i < 2 * LANES; i++) atomic_fetch_and(&s->lanes[i / 2].readers[i % 2], ~(uint64_t)READERS);
    for (int kind = 0; kind < KINDS; kind++) {
        s->queues[kind].first = NULL;
        atomic_store(&s->queues[kind].oldest, NOTHING);
    }
    for (size_t i = 0; i < t->n_slots; i++) {
        entry *e = atomic_load(&t->slots[i]);
        s->n_filled += e != NULL;
        if (!e || e == GONE) continue;
        if (atomic_load(&e->state) == MAKING || e->forget) {
            atomic_store(&t->slots[i], GONE);
            continue;
        }
        e->holders = 0;
        s->n_live++;
        enqueue(&s->queues[kind_of(e)], e, ej_cache_now(cache));
        atomic_fetch_add(&cache->bytes[kind_of(e)], e->bytes);
    }
}

void ej_cache_recover(struct ej_cache *cache)
{
    for (int kind = 0; kind < KINDS; kind++) atomic_store(&cache->bytes[kind], 0);
    for (int i = 0; i < EJ_RECENT_SLOTS; i++) atomic_store(&cache->recent[i], 0);
    for (int i = 0; i < SHARDS; i++) recover_shard(cache, &cache->shards[i]);
}

/* Nobody uses the cache any more: the context's last owner has gone. */
void ej_cache_destroy(struct ej_cache *cache)
{
    if (!cache) return;
    for (shard *s = cache->shards; s < cache->shards + SHARDS; s++) {
        table *t = atomic_load(&s->table);
        if (!t) continue; /* creation failed here */
        for (size_t i = 0; i < t->n_slots; i++) {
            entry *e = atomic_load(&t->slots[i]);
            if (e && e != GONE) free_entry(cache, e);
        }
        free_retired(cache, s->fresh);
        free_retired(cache, s->draining);
        ej_release(cache->allocator, t, table_bytes(t->n_slots));
        pthread_cond_destroy(&s->made);
        pthread_mutex_destroy(&s->lock);
    }
    ej_release(cache->allocator, cache, sizeof *cache);
}

void ej_cache_statistics(const struct ej_cache *cache, einjit_statistics *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < SHARDS; i++) {
        shard *s = (shard *)&cache->shards[i]; /* counters do not change it, the lock does */
        pthread_mutex_lock(&s->lock);
        for (int lane = 0; lane < 2 * LANES; lane++)
            out->hits += atomic_load(&s->lanes[lane / 2].readers[lane % 2]) / HIT;
        out->misses += s->misses;
        out->waits += s->waits;
        out->failures += s->failures;
        out->evictions += s->evictions;
        out->entries += s->n_live;
        out->compile_ns += s->compile_ns;
        pthread_mutex_unlock(&s->lock);
    }
    out->failure_bytes = atomic_load(&cache->bytes[FAILURES]);
    out->bytes = atomic_load(&cache->bytes[KERNELS]) + out->failure_bytes;
    out->limit_bytes = cache->limit_bytes[KERNELS];
}
