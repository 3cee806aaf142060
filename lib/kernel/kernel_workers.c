/* kernel_workers.c - threads that wait for shares of a run.
 *
 * Takes  a number of shares, and a function for one of them.
 * Gives  all of them done: by the caller, and by whoever of the threads is awake in time. Nobody waits for a thread to
 *        wake up: only shares that were begun are waited for.
 * Keeps  neighbouring shares, the same ones from job to job, for each thread, so that it finds in its caches what it
 *        left there (a transposition of 1000x1000 f64 on Zen 4 takes 0.98 ms by one thread, 1.35 by two that take
 *        whatever comes next). Who has done its own takes those of others, last first. A thread takes a share by
 *        exchanging the word with what its owner has left, and looks at the job only then: the job cannot change before
 *        the share is done. Threads that have nothing to do look out for a job for some 20 us, give up their CPU
 *        between looks for a while, then sleep. A forked child has no threads, and makes new ones when it needs them.
 */
#include "kernel_workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base_cpus.h"
#include "base_fpu.h"
#include "base_wait.h"

/* A pause takes about 10 ns on Zen 4, 40 on Skylake and later. */
enum { SPINS = 1000, YIELDS = 50 };

/* What is left of somebody's shares: the next one, and the one behind the last. The upper half tells jobs apart. */
#define SHARE_BITS 16
#define NEXT(word) ((int64_t)((word) >> SHARE_BITS & 0xffff))
#define END(word) ((int64_t)((word) & 0xffff))
#define ONE_LATER (UINT64_C(1) << SHARE_BITS)
#define JOB(number) ((uint64_t)(number) << 2 * SHARE_BITS)
_Static_assert(EJ_SHARES < 1 << SHARE_BITS, "shares are counted in the word");

/* What is done with each share: as the caller would do it, whose floating-point mode is not that of other threads. */
typedef struct share_task {
    ej_share_fn share;
    void *user;
    uint64_t mode;
} share_task;

typedef struct worker {
    _Alignas(64) _Atomic uint64_t left;
    struct ej_workers *all;
    int32_t number; /* 0: the caller */
    pthread_t thread;
} worker;

struct ej_workers {
    const einjit_allocator *allocator;
    void *base; /* as it was allocated */
    size_t bytes;
    int32_t count;            /* with the caller */
    einjit_parallel parallel; /* run NULL: threads of its own */
    ej_cpus cpus;             /* that threads may use */
    int32_t n_threads;        /* that were made */
    bool made;                /* as many as the system gave */
    atomic_bool taken;
    /* the job */
    share_task task;
    int64_t n;
    /* what threads look at, in lines apart from each other */
    _Alignas(64) _Atomic uint32_t job;
    _Alignas(64) ej_wait done; /* shares of the job that are done */
    atomic_bool caller_sleeps;
    _Alignas(64) ej_wait calls; /* changes where threads sleep and there is work, or an end */
    atomic_int sleepers;
    atomic_bool ends;
    worker workers[];
};

/* ---- shares ---- */

static void do_share(const share_task *t, int32_t number, int64_t share)
{
    uint64_t own = ej_fpu_mode();
    if (own != t->mode) ej_fpu_set_mode(t->mode);
    t->share(t->user, number, share);
    if (own != t->mode) ej_fpu_set_mode(own);
}

static bool take_of(worker *owner, bool last, int64_t *share)
{
    uint64_t word = atomic_load(&owner->left);
    while (NEXT(word) < END(word)) {
        if (!atomic_compare_exchange_weak(&owner->left, &word, last ? word - 1 : word + ONE_LATER)) continue;
        *share = last ? END(word) - 1 : NEXT(word);
        return true;
    }
    return false;
}

static bool take_share(struct ej_workers *w, int32_t number, int64_t *share)
{
    for (int32_t i = 0; i < w->count; i++)
        if (take_of(&w->workers[(number + i) % w->count], i > 0, share)) return true;
    return false;
}

/* Does shares until there are none. */
static void work(struct ej_workers *w, int32_t number)
{
    int64_t share;
    while (take_share(w, number, &share)) {
        int64_t n = w->n;
        do_share(&w->task, number, share);
        bool last = (int64_t)atomic_fetch_add(&w->done.word, 1) + 1 == n;
        if (last && number && atomic_load(&w->caller_sleeps)) ej_wait_wake(&w->done, 1);
    }
}

/* Looks again and again; false: no other job came. */
static bool wait_for_job(struct ej_workers *w, uint32_t seen)
{
    for (int i = 0; i < SPINS + YIELDS; i++) {
        if (atomic_load(&w->job) != seen) return true;
        if (i < SPINS) ej_pause();
        else sched_yield();
    }
    return false;
}

/* Who counts itself as a sleeper, and then finds no other job, is called by whoever has one afterwards. */
static void sleep_until_called(struct ej_workers *w, uint32_t seen)
{
    atomic_fetch_add(&w->sleepers, 1);
    uint32_t called = atomic_load(&w->calls.word);
    if (atomic_load(&w->job) == seen && !atomic_load(&w->ends)) ej_wait_while(&w->calls, called);
    atomic_fetch_sub(&w->sleepers, 1);
}

static void *thread_main(void *user)
{
    const worker *me = user;
    struct ej_workers *w = me->all;
    ej_cpus_confine(&w->cpus); /* who made it may be confined to one of them, for a reason of its own */
    while (!atomic_load(&w->ends)) {
        uint32_t job = atomic_load(&w->job);
        work(w, me->number);
        if (!wait_for_job(w, job)) sleep_until_called(w, job);
    }
    return NULL;
}

static void call_sleepers(struct ej_workers *w, int64_t n)
{
    int sleepers = atomic_load(&w->sleepers);
    if (sleepers <= 0) return;
    atomic_fetch_add(&w->calls.word, 1);
    ej_wait_wake(&w->calls, n < sleepers ? (int)n : sleepers);
}

static void wait_until_done(struct ej_workers *w, uint32_t n)
{
    uint32_t done;
    for (int i = 0; (done = atomic_load(&w->done.word)) < n; i++) {
        if (i < SPINS) ej_pause();
        else if (i < SPINS + YIELDS) sched_yield();
        else {
            atomic_store(&w->caller_sleeps, true);
            if ((done = atomic_load(&w->done.word)) < n) ej_wait_while(&w->done, done);
            atomic_store(&w->caller_sleeps, false);
        }
    }
}

/* ---- threads ---- */

/* Signals are for the program's own threads, but those that an instruction raises (a page that a handler makes
 * readable, a trap of the floating-point mode): the system ends a process that blocks them. */
static void list_blocked(sigset_t *out)
{
    static const int of_instructions[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(out);
    for (size_t i = 0; i < sizeof of_instructions / sizeof *of_instructions; i++) sigdelset(out, of_instructions[i]);
}

/* The system may give fewer threads, or none. */
static void make_threads(struct ej_workers *w)
{
    sigset_t blocked, before;
    if (w->made) return;
    w->made = true;
    list_blocked(&blocked);
    if (pthread_sigmask(SIG_SETMASK, &blocked, &before) != 0) return;
    for (int32_t i = 1; i < w->count; i++) {
        worker *one = &w->workers[i];
        one->all = w;
        one->number = i;
        if (pthread_create(&one->thread, NULL, thread_main, one) != 0) break;
        w->n_threads++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_own(struct ej_workers *w, int64_t n, const share_task *task)
{
    uint32_t job = atomic_load_explicit(&w->job, memory_order_relaxed) + 1;
    make_threads(w);
    w->task = *task;
    w->n = n;
    atomic_store_explicit(&w->done.word, 0, memory_order_relaxed);
    for (int32_t i = 0; i < w->count; i++) {
        int64_t next = n * i / w->count, end = n * (i + 1) / w->count;
        atomic_store_explicit(&w->workers[i].left, JOB(job) + (uint64_t)next * ONE_LATER + (uint64_t)end,
                              memory_order_release);
    }
    atomic_store(&w->job, job);
    call_sleepers(w, n - 1);
    work(w, 0);
    wait_until_done(w, (uint32_t)n);
}

/* ---- the host's own threads ---- */

static void run_hosted(void *task, size_t i)
{
    do_share(task, (int32_t)i, (int64_t)i); /* no two shares have one number */
}

void ej_workers_run(struct ej_workers *w, int64_t n, ej_share_fn share, void *user)
{
    share_task task = {share, user, ej_fpu_mode()};
    if (w && w->parallel.run) {
        w->parallel.run(w->parallel.user, (size_t)n, run_hosted, &task);
    } else if (w && n > 1) {
        run_own(w, n, &task);
    } else {
        for (int64_t i = 0; i < n; i++) share(user, 0, i);
    }
}

/* ---- life ---- */

bool ej_workers_take(struct ej_workers *w)
{
    if (w && w->parallel.run) return true; /* the host sees to it */
    return w && !atomic_load_explicit(&w->taken, memory_order_relaxed) && !atomic_exchange(&w->taken, true);
}

void ej_workers_give(struct ej_workers *w)
{
    if (w) atomic_store(&w->taken, false);
}

int32_t ej_workers_count(const struct ej_workers *w)
{
    return w ? w->count : 1;
}

int32_t ej_workers_shares_each(const struct ej_workers *w)
{
    return !w || w->parallel.run ? 1 : EJ_SHARES_EACH; /* the host's threads have no numbers: shares have */
}

static void start_anew(struct ej_workers *w)
{
    w->n_threads = 0;
    w->made = false;
    atomic_store(&w->taken, false);
    for (int32_t i = 0; i < w->count; i++) atomic_store(&w->workers[i].left, 0);
    atomic_store(&w->done.word, 0);
    atomic_store(&w->sleepers, 0);
    atomic_store(&w->caller_sleeps, false);
    atomic_store(&w->ends, false);
}

void ej_workers_recover(struct ej_workers *w)
{
    if (!w) return;
    (void)ej_wait_init(&w->done);
    (void)ej_wait_init(&w->calls);
    start_anew(w);
}

/* Begins on a line wherever the allocator puts it. */
static struct ej_workers *allocate(const einjit_allocator *allocator, int32_t count)
{
    enum { ALIGN = _Alignof(struct ej_workers) };
    size_t bytes = sizeof(struct ej_workers) + (size_t)count * sizeof(worker) + ALIGN;
    char *base = ej_alloc(allocator, bytes);
    if (!base) return NULL;
    struct ej_workers *w = (struct ej_workers *)(void *)(base + (ALIGN - (uintptr_t)base % ALIGN) % ALIGN);
    w->allocator = allocator;
    w->base = base;
    w->bytes = bytes;
    w->count = count;
    return w;
}

int ej_workers_create(struct ej_workers **out, const einjit_allocator *allocator, int32_t threads,
                      const einjit_parallel *parallel, einjit_error *err)
{
    *out = NULL;
    if (threads <= 1) return EINJIT_OK;
    struct ej_workers *w = allocate(allocator, threads < EJ_MOST_THREADS ? threads : EJ_MOST_THREADS);
    if (!w) return ej_no_memory(err);
    if (parallel) w->parallel = *parallel;
    ej_cpus_read(&w->cpus);
    bool waits = ej_wait_init(&w->done);
    if (!waits || !ej_wait_init(&w->calls)) {
        if (waits) ej_wait_free(&w->done);
        ej_release(allocator, w->base, w->bytes);
        return ej_no_memory(err);
    }
    atomic_init(&w->job, 0);
    start_anew(w);
    *out = w;
    return EINJIT_OK;
}

void ej_workers_destroy(struct ej_workers *w)
{
    if (!w) return;
    atomic_store(&w->ends, true);
    atomic_fetch_add(&w->job, 1);
    atomic_fetch_add(&w->calls.word, 1);
    ej_wait_wake(&w->calls, w->count);
    for (int32_t i = 1; i <= w->n_threads; i++) (void)pthread_join(w->workers[i].thread, NULL);
    ej_wait_free(&w->done);
    ej_wait_free(&w->calls);
    ej_release(w->allocator, w->base, w->bytes);
}
