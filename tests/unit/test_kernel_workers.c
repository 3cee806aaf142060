/* test_kernel_workers.c - every share is done once, by threads that come late, never, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_workers.h"
#include "scarce_memory.h"

static int creations_left = -1; /* until the system makes no more threads; -1: it always does */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *user)
{
    if (!creations_left) return EAGAIN;
    if (creations_left > 0) creations_left--;
    return __real_pthread_create(thread, attributes, body, user);
}

enum { MOST = 64 };
typedef struct tally {
    int32_t count;
    atomic_int done[MOST];
    atomic_int busy[MOST]; /* by worker */
    atomic_int wrong;
} tally;

static void count_share(void *user, int32_t worker, int64_t share)
{
    tally *t = user;
    if (worker < 0 || worker >= t->count || share < 0 || share >= MOST) {
        atomic_fetch_add(&t->wrong, 1);
        return;
    }
    if (atomic_fetch_add(&t->busy[worker], 1)) atomic_fetch_add(&t->wrong, 1); /* one thread, two at a time */
    atomic_fetch_add(&t->done[share], 1);
    atomic_fetch_sub(&t->busy[worker], 1);
}

static struct ej_workers *make(int32_t threads, const einjit_parallel *parallel)
{
    struct ej_workers *w = NULL;
    einjit_error err;
    if (ej_workers_create(&w, &ej_malloc_allocator, threads, parallel, &err)) fail_msg("%s", err.text);
    return w;
}

static void run_once(struct ej_workers *w, int64_t n)
{
    tally t = {.count = ej_workers_count(w)};
    ej_workers_run(w, n, count_share, &t);
    assert_int_equal(atomic_load(&t.wrong), 0);
    for (int64_t i = 0; i < MOST; i++) assert_int_equal(atomic_load(&t.done[i]), i < n);
}

static void every_share_is_done_once(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 5; threads++) {
        struct ej_workers *w = make(threads, NULL);
        assert_int_equal(ej_workers_count(w), threads);
        for (int round = 0; round < 200; round++)
            for (int64_t n = 0; n <= 24; n += 1 + round % 3) run_once(w, n);
        usleep(2000); /* asleep by now */
        for (int round = 0; round < 3; round++) run_once(w, 8);
        ej_workers_destroy(w);
    }
}

static void threads_that_were_never_needed_are_never_made(void **state)
{
    (void)state;
    creations_left = 0;
    struct ej_workers *w = make(4, NULL);
    run_once(w, 0);
    run_once(w, 1);
    ej_workers_destroy(w);
    creations_left = -1;
    ej_workers_destroy(make(4, NULL));
    ej_workers_destroy(make(1, NULL));
    assert_null(make(1, NULL));
}

static void fewer_threads_do_as_well(void **state)
{
    (void)state;
    for (int given = 0; given < 4; given++) {
        struct ej_workers *w = make(5, NULL);
        creations_left = given;
        for (int round = 0; round < 50; round++) run_once(w, 20);
        creations_left = -1;
        run_once(w, 20);
        ej_workers_destroy(w);
    }
}

static void one_caller_has_them_at_a_time(void **state)
{
    (void)state;
    struct ej_workers *w = make(2, NULL);
    assert_true(ej_workers_take(w));
    assert_false(ej_workers_take(w));
    ej_workers_give(w);
    assert_true(ej_workers_take(w));
    ej_workers_destroy(w);
    assert_false(ej_workers_take(NULL));
    ej_workers_give(NULL);
    assert_int_equal(ej_workers_shares_each(NULL), 1);
}

/* ---- a host ---- */

typedef struct host {
    size_t calls, shares;
} host;

static void run_backwards(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    host *h = user;
    h->calls++;
    h->shares += n;
    while (n-- > 0) body(task, n);
}

static void a_host_runs_the_shares(void **state)
{
    (void)state;
    host h = {0};
    const einjit_parallel parallel = {sizeof parallel, run_backwards, &h};
    creations_left = 0;
    struct ej_workers *w = make(7, &parallel);
    assert_true(ej_workers_take(w) && ej_workers_take(w)); /* who runs at the same time is the host's business */
    for (int64_t n = 2; n <= 7; n++) run_once(w, n);
    ej_workers_give(w);
    assert_int_equal(h.calls, 6);
    assert_int_equal(h.shares, 2 + 3 + 4 + 5 + 6 + 7);
    ej_workers_destroy(w);
    creations_left = -1;
}

/* ---- floating-point modes ---- */

/* Not fegetround, which on x86-64 looks at the x87's. */
static bool rounds_up(void)
{
    volatile float one = 1, little = 0x1p-30F;
    return one + little > one;
}

typedef struct rounding {
    bool up; /* the caller does */
    atomic_int wrong, by_others;
} rounding;

static void check_rounding(void *user, int32_t worker, int64_t share)
{
    rounding *r = user;
    (void)share;
    usleep(100); /* so that others have time to come */
    if (rounds_up() != r->up) atomic_fetch_add(&r->wrong, 1);
    if (worker) atomic_fetch_add(&r->by_others, 1);
}

static void threads_round_as_their_caller(void **state)
{
    (void)state;
    struct ej_workers *w = make(3, NULL);
    for (int round = 0; round < 4; round++) {
        rounding r = {.up = round % 2};
        assert_int_equal(fesetround(r.up ? FE_UPWARD : FE_TONEAREST), 0);
        for (int i = 0; i < 1000 && atomic_load(&r.by_others) < 4; i++) ej_workers_run(w, 8, check_rounding, &r);
        assert_int_equal(fesetround(FE_TONEAREST), 0);
        assert_int_equal(atomic_load(&r.wrong), 0);
        assert_true(atomic_load(&r.by_others) >= 4);
    }
    ej_workers_destroy(w);
}

static void run_to_nearest(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    rounding *r = user;
    (void)fesetround(FE_TONEAREST);
    for (size_t i = 0; i < n; i++) {
        body(task, i);
        if (rounds_up()) atomic_fetch_add(&r->wrong, 1);
    }
    (void)fesetround(FE_UPWARD);
}

static void a_host_keeps_its_rounding(void **state)
{
    (void)state;
    rounding r = {.up = true};
    const einjit_parallel parallel = {sizeof parallel, run_to_nearest, &r};
    struct ej_workers *w = make(3, &parallel);
    assert_int_equal(fesetround(FE_UPWARD), 0);
    ej_workers_run(w, 3, check_rounding, &r);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    assert_int_equal(atomic_load(&r.wrong), 0);
    assert_int_equal(atomic_load(&r.by_others), 2);
    ej_workers_destroy(w);
}

/* ---- signals ---- */

static void list_signals(void *user, int32_t worker, int64_t share)
{
    atomic_int *seen = user; /* right masks, wrong ones */
    sigset_t blocked;
    (void)share;
    usleep(100);
    if (!worker) return;
    bool right = !pthread_sigmask(SIG_SETMASK, NULL, &blocked) && sigismember(&blocked, SIGINT) == 1 &&
                 sigismember(&blocked, SIGSEGV) == 0 && sigismember(&blocked, SIGFPE) == 0;
    atomic_fetch_add(&seen[right ? 0 : 1], 1);
}

static void threads_take_no_signals_but_their_own(void **state)
{
    (void)state;
    atomic_int seen[2] = {0};
    struct ej_workers *w = make(3, NULL);
    for (int i = 0; i < 1000 && !atomic_load(&seen[0]); i++) ej_workers_run(w, 8, list_signals, seen);
    ej_workers_destroy(w);
    assert_true(atomic_load(&seen[0]) > 0);
    assert_int_equal(atomic_load(&seen[1]), 0);
}

/* ---- forks ---- */

#if !defined(__SANITIZE_THREAD__)
static int use_in_child(struct ej_workers *w)
{
    tally t = {.count = ej_workers_count(w)};
    ej_workers_recover(w);
    for (int round = 0; round < 20; round++) ej_workers_run(w, 6, count_share, &t);
    for (int i = 0; i < 6; i++)
        if (atomic_load(&t.done[i]) != 20) return 1;
    ej_workers_destroy(w);
    return atomic_load(&t.wrong) ? 2 : 0;
}
#endif

static void a_forked_child_makes_its_own(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* no threads after a fork there */
#else
    struct ej_workers *w = make(3, NULL);
    for (int round = 0; round < 10; round++) {
        int status = 0;
        run_once(w, 9);
        assert_true(ej_workers_take(w)); /* as by another thread, in the middle of a run */
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            alarm(20);
            _exit(use_in_child(w));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        ej_workers_give(w);
        run_once(w, 9);
    }
    ej_workers_destroy(w);
#endif
}

/* ---- memory ---- */

static void without_memory_there_are_none(void **state)
{
    (void)state;
    struct ej_workers *w = NULL;
    einjit_error err;
    scarce_memory memory;
    scarce_memory_init(&memory, 0);
    assert_int_equal(ej_workers_create(&w, &memory.hooks, 4, NULL, &err), EINJIT_E_NOMEM);
    assert_null(w);
    assert_int_equal(memory.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_share_is_done_once),     cmocka_unit_test(threads_that_were_never_needed_are_never_made),
        cmocka_unit_test(fewer_threads_do_as_well),     cmocka_unit_test(one_caller_has_them_at_a_time),
        cmocka_unit_test(a_host_runs_the_shares),       cmocka_unit_test(threads_round_as_their_caller),
        cmocka_unit_test(a_host_keeps_its_rounding),    cmocka_unit_test(threads_take_no_signals_but_their_own),
        cmocka_unit_test(a_forked_child_makes_its_own), cmocka_unit_test(without_memory_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
