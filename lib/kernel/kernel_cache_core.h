/* kernel_cache_core.h - what the files of the cache in memory share: its tables, and who reads them. */
#ifndef EJ_KERNEL_CACHE_CORE_H
#define EJ_KERNEL_CACHE_CORE_H

#include "kernel_cache.h"

enum { SHARDS = 16, FIRST_SLOTS = 32, LANES = 8 };
enum { KERNELS, FAILURES, KINDS };
enum { FAILURES_PART = 16 }; /* of the kernels' limit, beside it */
/* A counter of readers has the hits in its upper bits, so that counting out and counting the hit are one operation. */
enum { READER = 1, HIT = 1 << 20, READERS = HIT - 1 };
enum entry_state { MAKING, READY, FAILED };

typedef struct retired { /* first member of what readers may still look at */
    struct retired *next;
    bool is_table;
} retired;

typedef struct entry {
    retired retired;
    uint64_t hash;
    atomic_uint_fast64_t used; /* the cache's clock when it was asked for last */
    atomic_int state;
    einjit_kernel *kernel; /* READY: the cache's reference */
    einjit_error *error;   /* FAILED; NULL when there was no memory for the text */
    int status;            /* FAILED; */
    uint64_t names;        /* and whose its text has */
    ej_recent recent;      /* the call that made it; its bytes lie behind the words */
    bool forget;           /* FAILED, not remembered: who waited tries again */
    bool removed;          /* from the table; under the lock */
    int holders;           /* the maker and those who wait; under the lock */
    struct entry *next;    /* in its queue, once it is made; under the lock */
    uint64_t queued;       /* the cache's clock when it was put there */
    size_t bytes, n;
    uint64_t words[];
} entry;
#define GONE ((entry *)(uintptr_t)1) /* a slot whose entry was removed: probing goes on behind it */

typedef struct table {
    retired retired;
    size_t n_slots; /* a power of 2, at least half of them empty */
    _Atomic(entry *) slots[];
} table;

typedef struct queue {
    entry *first, *last;         /* under the shard's lock */
    atomic_uint_fast64_t oldest; /* `queued` of the first one; NOTHING: there is none */
} queue;
#define NOTHING UINT64_MAX

/* Threads count in counters of their own, as far as these go: two that hit the same kernel share no line that either
 * writes (one kernel of 3 ns, Zen 4: a hit takes 90 ns, and took 130 to 230 beside another thread's). */
typedef struct reader_lane {
    atomic_uint_fast64_t readers[2];
    char padding[64 - 2 * sizeof(atomic_uint_fast64_t)];
} reader_lane;

typedef struct shard {
    reader_lane lanes[LANES];
    atomic_uint turn; /* which counter new readers use */
    _Atomic(table *) table;
    pthread_mutex_t lock; /* everything below, and writing to the table */
    pthread_cond_t made;
    size_t n_live, n_filled; /* n_filled counts GONE slots, too */
    queue queues[KINDS];
    retired *fresh, *draining; /* removed; the readers of the draining ones are being waited for */
    bool half_drained;
    uint64_t misses, waits, failures, evictions, compile_ns;
} shard;

struct ej_cache {
    const einjit_allocator *allocator;
    size_t limit_bytes[KINDS];
    atomic_size_t bytes[KINDS]; /* of the entries in queues */
    atomic_uint_fast64_t steps; /* entries that were looked at to find one that goes */
    /* What calls found last, with the number of its shard in the lowest bits: of entries that are in their table.
     * Written under the lock of that shard. */
    atomic_uintptr_t recent[EJ_RECENT_SLOTS];
    atomic_uint_fast64_t clock; /* even: 2 a miss; a look-up counts as 1 later than the miss before it */
    shard shards[SHARDS];
};

unsigned ej_cache_lane(void); /* of this thread (kernel_recent.c) */

/* ---- readers ---- */
/* From then on nothing that is in a table, or among the recent calls, is freed. */
static inline atomic_uint_fast64_t *ej_cache_count_in(shard *s)
{
    unsigned lane = ej_cache_lane();
    atomic_uint_fast64_t *readers = &s->lanes[lane].readers[atomic_load(&s->turn)];
    atomic_fetch_add(readers, READER);
    return readers;
}

static inline void ej_cache_count_out(atomic_uint_fast64_t *readers, bool hit)
{
    atomic_fetch_add(readers, hit ? HIT - READER : (uint64_t)0 - READER);
}

static inline uint64_t ej_cache_now(const struct ej_cache *cache)
{
    return atomic_load_explicit(&cache->clock, memory_order_relaxed);
}

static inline void ej_cache_note_use(struct ej_cache *cache, entry *e)
{
    uint64_t time = ej_cache_now(cache) | 1;
    if (atomic_load_explicit(&e->used, memory_order_relaxed) != time)
        atomic_store_explicit(&e->used, time, memory_order_relaxed);
}

/* ---- kernel_recent.c ---- */
/* Of a hit; the caller is a reader. */
void ej_recent_install(struct ej_cache *cache, shard *s, entry *e);
/* Before it is taken out of its table; under the shard's lock. */
void ej_recent_remove(struct ej_cache *cache, shard *s, entry *e);

#endif
