/* test_cache_memory.c - one compile a signature, failures remembered, eviction by age, kernels in use stay alive. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base_time.h"
#include "kernel_cache.h"

enum { KERNEL_BYTES = 10000 };

/* What make is told, and what it counts. Kernels are told apart by compile_ns. */
typedef struct maker {
    einjit_context *context;
    uint64_t mark;
    atomic_int made;
    int fail;        /* status to fail with */
    int fail_times;  /* so many times, then succeed; -1: always */
    int yields;      /* lets other threads run meanwhile, so many times */
    uint64_t due_ns; /* its kernels stand in for others until so long after they were made; 0: for none */
} maker;

static int make(einjit_kernel **out, void *user, einjit_error *err)
{
    maker *m = user;
    int times = atomic_fetch_add(&m->made, 1);
    for (int i = 0; i < m->yields; i++) sched_yield();
    if (m->fail && (m->fail_times < 0 || times < m->fail_times)) return ej_fail(err, m->fail, "no %d", (int)m->mark);
    einjit_kernel *kernel = ej_kernel_new(m->context);
    if (!kernel) return ej_no_memory(err);
    kernel->compile_ns = m->mark;
    kernel->bytes = KERNEL_BYTES;
    if (m->due_ns) kernel->retry_ns = ej_now_ns() + m->due_ns;
    *out = kernel;
    return EINJIT_OK;
}

static einjit_context *context_of(size_t limit)
{
    einjit_options options = {.struct_bytes = sizeof options, .cache_bytes = limit, .backend = "interp"};
    einjit_context *context = NULL;
    assert_int_equal(einjit_context_create(&context, &options, NULL), EINJIT_OK);
    return context;
}

/* The kernel of key {mark, length, ...}; the reference is the caller's. */
static int get_length(maker *m, uint64_t mark, size_t length, einjit_kernel **out, einjit_error *err)
{
    uint64_t words[8] = {mark, length};
    m->mark = mark;
    return ej_cache_get(m->context->cache, (ej_key){.words = words, .n = length}, make, m, out, err);
}

static int get(maker *m, uint64_t mark, einjit_kernel **out, einjit_error *err)
{
    return get_length(m, mark, 3, out, err);
}

static void touch(maker *m, uint64_t mark)
{
    einjit_kernel *kernel = NULL;
    assert_int_equal(get(m, mark, &kernel, NULL), EINJIT_OK);
    assert_int_equal(kernel->compile_ns, mark);
    ej_kernel_drop(kernel);
}

static einjit_statistics statistics(const maker *m)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(m->context, &s, NULL);
    return s;
}

static void second_look_up_finds_the_first_kernel(void **state)
{
    (void)state;
    maker m = {.context = context_of(0)};
    einjit_kernel *a = NULL, *b = NULL, *c = NULL;
    assert_int_equal(get(&m, 1, &a, NULL), EINJIT_OK);
    assert_int_equal(get(&m, 1, &b, NULL), EINJIT_OK);
    assert_int_equal(get_length(&m, 1, 2, &c, NULL), EINJIT_OK);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(atomic_load(&a->refs), 3);
    einjit_statistics s = statistics(&m);
    assert_int_equal(s.hits, 1);
    assert_int_equal(s.misses, 2);
    assert_int_equal(s.entries, 2);
    assert_true(s.bytes > 2 * KERNEL_BYTES);
    ej_kernel_drop(a);
    ej_kernel_drop(b);
    ej_kernel_drop(c);
    einjit_context_release(m.context);
}

static void thousands_of_keys_stay_apart(void **state)
{
    (void)state;
    maker m = {.context = context_of((size_t)1 << 40)};
    for (int round = 0; round < 2; round++)
        for (uint64_t k = 0; k < 5000; k++) touch(&m, k * 7919);
    assert_int_equal(atomic_load(&m.made), 5000);
    assert_int_equal(statistics(&m).hits, 5000);
    einjit_context_clear_cache(m.context);
    assert_int_equal(statistics(&m).entries, 0);
    assert_int_equal(statistics(&m).bytes, 0);
    touch(&m, 7919);
    assert_int_equal(atomic_load(&m.made), 5001);
    einjit_context_release(m.context);
}

static void failures_are_remembered_with_their_text(void **state)
{
    (void)state;
    maker m = {.context = context_of(0), .fail = EINJIT_E_DIM, .fail_times = -1};
    einjit_kernel *kernel = NULL;
    einjit_error err = {0};
    assert_int_equal(get(&m, 5, &kernel, NULL), EINJIT_E_DIM);
    assert_int_equal(get(&m, 5, &kernel, &err), EINJIT_E_DIM);
    assert_string_equal(err.text, "no 5");
    assert_null(kernel);
    assert_int_equal(atomic_load(&m.made), 1);
    assert_int_equal(statistics(&m).failures, 1);
    assert_int_equal(statistics(&m).entries, 1);
    einjit_context_release(m.context);
}

static void passing_troubles_are_forgotten(void **state)
{
    (void)state;
    const int reasons[] = {EINJIT_E_NOMEM, EINJIT_E_INTERRUPTED, EINJIT_E_BACKEND};
    for (int i = 0; i < 3; i++) {
        maker m = {.context = context_of(0), .fail = reasons[i], .fail_times = 2};
        einjit_kernel *kernel = NULL;
        assert_int_equal(get(&m, 5, &kernel, NULL), reasons[i]);
        assert_int_equal(statistics(&m).entries, 0);
        assert_int_equal(get(&m, 5, &kernel, NULL), reasons[i]);
        assert_int_equal(get(&m, 5, &kernel, NULL), EINJIT_OK);
        assert_int_equal(atomic_load(&m.made), 3);
        ej_kernel_drop(kernel);
        einjit_context_release(m.context);
    }
}

static void a_key_can_forbid_to_remember_failures(void **state)
{
    (void)state;
    maker m = {.context = context_of(0), .fail = EINJIT_E_DIM, .fail_times = 1};
    uint64_t word = 9;
    einjit_kernel *kernel = NULL;
    ej_key key = {.words = &word, .n = 1, .forget_failures = true};
    assert_int_equal(ej_cache_get(m.context->cache, key, make, &m, &kernel, NULL), EINJIT_E_DIM);
    assert_int_equal(ej_cache_get(m.context->cache, key, make, &m, &kernel, NULL), EINJIT_OK);
    ej_kernel_drop(kernel);
    einjit_context_release(m.context);
}

static void the_oldest_goes_first(void **state)
{
    (void)state;
    maker m = {.context = context_of(4 * KERNEL_BYTES + 4000)}; /* four of them */
    for (uint64_t k = 1; k <= 4; k++) touch(&m, k);
    touch(&m, 1);
    touch(&m, 5); /* 2 goes */
    touch(&m, 3);
    touch(&m, 6); /* 4 goes */
    assert_int_equal(statistics(&m).evictions, 2);
    assert_int_equal(statistics(&m).entries, 4);
    assert_true(statistics(&m).bytes <= statistics(&m).limit_bytes);
    int made = atomic_load(&m.made);
    touch(&m, 1);
    touch(&m, 3);
    touch(&m, 5);
    touch(&m, 6);
    assert_int_equal(atomic_load(&m.made), made);
    touch(&m, 2);
    touch(&m, 4);
    assert_int_equal(atomic_load(&m.made), made + 2);
    einjit_context_release(m.context);
}

static void the_newest_stays_even_when_it_is_too_big(void **state)
{
    (void)state;
    maker m = {.context = context_of(100)};
    for (uint64_t k = 1; k <= 3; k++) {
        touch(&m, k);
        touch(&m, k);
        assert_int_equal(atomic_load(&m.made), (int)k);
        assert_int_equal(statistics(&m).entries, 1);
    }
    einjit_context_release(m.context);
}

/* What a miss costs does not grow with the cache: one entry goes for each that comes, and each use since is looked past
 * once. */
static void evicting_looks_at_few_entries(void **state)
{
    (void)state;
    for (uint64_t capacity = 100; capacity <= 6400; capacity *= 8) {
        maker m = {.context = context_of(capacity * (KERNEL_BYTES + 500))};
        uint64_t mark = 0;
        while (!statistics(&m).evictions) touch(&m, ++mark);
        einjit_statistics before = statistics(&m), s = before;
        uint64_t steps = ej_cache_steps(m.context->cache);
        for (int i = 0; i < 2000; i++) {
            touch(&m, ++mark);
            for (uint64_t k = 0; k < 3; k++) touch(&m, mark - k * capacity / 8);
        }
        s = statistics(&m);
        steps = ej_cache_steps(m.context->cache) - steps;
        assert_true(s.evictions - before.evictions >= 1990);
        assert_true(s.hits - before.hits >= 3 * 1900);
        assert_true(steps >= s.evictions - before.evictions);
        if (steps > 2 * (s.misses - before.misses) + (s.hits - before.hits))
            fail_msg("%d entries: %d steps", (int)capacity, (int)steps);
        einjit_context_release(m.context);
    }
}

static int make_and_touch(einjit_kernel **out, void *user, einjit_error *err)
{
    maker *m = user;
    uint64_t mark = m->mark;
    for (uint64_t k = 1; k <= 3; k++) touch(m, k); /* as other threads would meanwhile */
    m->mark = mark;
    return make(out, user, err);
}

/* All of them asked for while another one is made: one goes all the same. */
static void entries_in_steady_use_are_evicted_too(void **state)
{
    (void)state;
    maker m = {.context = context_of(3 * (KERNEL_BYTES + 500))};
    for (uint64_t k = 1; k <= 3; k++) touch(&m, k);
    uint64_t words[8] = {4, 3}, steps = ej_cache_steps(m.context->cache);
    einjit_kernel *kernel = NULL;
    m.mark = 4;
    alarm(60); /* it must end */
    assert_int_equal(
        ej_cache_get(m.context->cache, (ej_key){.words = words, .n = 3}, make_and_touch, &m, &kernel, NULL), EINJIT_OK);
    alarm(0);
    ej_kernel_drop(kernel);
    assert_int_equal(statistics(&m).evictions, 1);
    assert_int_equal(statistics(&m).hits, 3);
    assert_true(ej_cache_steps(m.context->cache) - steps <= 5);
    einjit_context_release(m.context);
}

static void failures_take_no_kernels_place(void **state)
{
    (void)state;
    enum { FLOOD = 2000, LIMIT = 20 * KERNEL_BYTES };
    maker m = {.context = context_of(LIMIT)};
    uint64_t mark = 0;
    einjit_kernel *kernel = NULL;
    while (!statistics(&m).evictions) touch(&m, ++mark);
    maker failing = {.context = m.context, .fail = EINJIT_E_DIM, .fail_times = -1};
    for (uint64_t k = 0; k < FLOOD; k++) assert_int_equal(get(&failing, 1000 + k, &kernel, NULL), EINJIT_E_DIM);
    einjit_statistics s = statistics(&m);
    assert_true(s.failure_bytes <= LIMIT / 16);
    assert_true(s.failure_bytes > LIMIT / 32);
    assert_true(s.bytes - s.failure_bytes <= LIMIT);
    int made = atomic_load(&m.made);
    for (uint64_t k = 2; k <= mark; k++) touch(&m, k);
    assert_int_equal(atomic_load(&m.made), made);
    assert_int_equal(get(&failing, 1000 + FLOOD - 1, &kernel, NULL), EINJIT_E_DIM);
    assert_int_equal(atomic_load(&failing.made), FLOOD);
    einjit_context_release(m.context);
}

static void kernels_in_use_outlive_their_entry(void **state)
{
    (void)state;
    maker m = {.context = context_of(KERNEL_BYTES + 2000)};
    einjit_kernel *kernel = NULL;
    assert_int_equal(get(&m, 1, &kernel, NULL), EINJIT_OK);
    touch(&m, 2);
    assert_int_equal(statistics(&m).evictions, 1);
    assert_int_equal(atomic_load(&kernel->refs), 1);
    assert_int_equal(kernel->compile_ns, 1);
    einjit_context_clear_cache(m.context);
    ej_kernel_drop(kernel);
    einjit_context_release(m.context);
}

/* From the middle of the queue, too, which stays whole; those who use them do not notice. */
static void what_is_due_is_made_again(void **state)
{
    (void)state;
    enum { SOME = 9, LATE = 1 };
    maker never = {.context = context_of(0)}, now = never, later = never;
    einjit_kernel *first = NULL, *second = NULL;
    now.due_ns = LATE;
    later.due_ns = (uint64_t)3600 * 1000000000;
    for (uint64_t k = 0; k < SOME; k++) touch(k % 3 == 1 ? &now : k % 3 == 2 ? &later : &never, k);
    const einjit_statistics before = statistics(&never);
    assert_int_equal(get(&now, 4, &first, NULL), EINJIT_OK);
    assert_int_equal(atomic_load(&now.made), 4);
    now.due_ns = 0; /* this time it succeeds */
    assert_int_equal(get(&now, 4, &second, NULL), EINJIT_OK);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->compile_ns, 4);
    for (int round = 0; round < 2; round++)
        for (uint64_t k = 0; k < SOME; k++) touch(k % 3 == 1 ? &now : k % 3 == 2 ? &later : &never, k);
    assert_int_equal(atomic_load(&now.made), 7); /* 1, 4, 7; 4 twice more; then 1 and 7 */
    assert_int_equal(atomic_load(&later.made) + atomic_load(&never.made), 6);
    einjit_statistics after = statistics(&never);
    assert_int_equal(after.entries, before.entries);
    assert_int_equal(after.bytes, before.bytes);
    einjit_context_clear_cache(never.context);
    assert_int_equal(statistics(&never).bytes, 0);
    ej_kernel_drop(first);
    ej_kernel_drop(second);
    einjit_context_release(never.context);
}

/* ---- threads ---- */

enum { THREADS = 8, KEYS = 16, ROUNDS = 2000 };
typedef struct worker {
    einjit_context *context;
    maker *makers;
    pthread_barrier_t *start;
    unsigned seed;
    int wrong, n_keys;
} worker;

static void *look_up_many(void *argument)
{
    worker *w = argument;
    pthread_barrier_wait(w->start);
    for (int i = 0; i < ROUNDS; i++) {
        w->seed = w->seed * 1664525u + 1013904223u;
        uint64_t mark = (w->seed >> 16) % (unsigned)w->n_keys;
        einjit_kernel *kernel = NULL;
        uint64_t words[2] = {mark, 77};
        int status =
            ej_cache_get(w->context->cache, (ej_key){.words = words, .n = 2}, make, &w->makers[mark], &kernel, NULL);
        if (status != EINJIT_OK || kernel->compile_ns != mark) w->wrong++;
        ej_kernel_drop(kernel);
        if (i % 500 == 499) einjit_context_clear_cache(w->n_keys == 1 ? NULL : w->context);
    }
    return NULL;
}

static int run_workers(einjit_context *context, maker *makers, int n_keys)
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    pthread_barrier_t start;
    int wrong = 0;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int k = 0; k < n_keys; k++) {
        makers[k].context = context;
        makers[k].mark = (uint64_t)k;
        makers[k].yields = n_keys == 1 ? 200 : 2; /* on a busy machine each takes another's whole turn */
    }
    for (int t = 0; t < THREADS; t++) {
        workers[t] = (worker){context, makers, &start, (unsigned)t * 977u, 0, n_keys};
        assert_int_equal(pthread_create(&threads[t], NULL, look_up_many, &workers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        wrong += workers[t].wrong;
    }
    pthread_barrier_destroy(&start);
    return wrong;
}

static void one_make_however_many_threads_ask(void **state)
{
    (void)state;
    maker makers[1] = {{0}};
    einjit_context *context = context_of(0);
    assert_int_equal(run_workers(context, makers, 1), 0);
    assert_int_equal(atomic_load(&makers[0].made), 1);
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.hits + s.waits, THREADS * ROUNDS - 1);
    einjit_context_release(context);
}

/* Eviction, clearing and look-ups at the same time; memory errors are for the sanitizers to see. */
static void threads_evict_and_clear_under_each_other(void **state)
{
    (void)state;
    maker makers[KEYS] = {{0}};
    einjit_context *context = context_of(5 * KERNEL_BYTES);
    assert_int_equal(run_workers(context, makers, KEYS), 0);
    einjit_statistics s = {.struct_bytes = sizeof s};
    int made = 0;
    for (int k = 0; k < KEYS; k++) made += atomic_load(&makers[k].made);
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.misses, made);
    assert_int_equal(s.hits + s.misses + s.waits, THREADS * ROUNDS);
    assert_true(s.evictions > 0);
    assert_true(s.bytes <= s.limit_bytes);
    einjit_context_release(context);
}

/* While it is evicted and cleared. */
static void threads_make_again_what_is_due(void **state)
{
    (void)state;
    maker makers[KEYS] = {0};
    einjit_context *context = context_of(KEYS / 2 * KERNEL_BYTES);
    for (int k = 0; k < KEYS; k++) makers[k].due_ns = k % 4 ? (uint64_t)k * 3000 : 0;
    assert_int_equal(run_workers(context, makers, KEYS), 0);
    uint64_t made = 0;
    for (int k = 0; k < KEYS; k++) made += (uint64_t)atomic_load(&makers[k].made);
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.misses, made);
    assert_int_equal(s.hits + s.misses + s.waits, THREADS * ROUNDS);
    assert_true(s.bytes <= s.limit_bytes);
    einjit_context_clear_cache(context);
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.entries, 0);
    einjit_context_release(context);
}

/* Who waited for a compile that ran out of memory compiles for itself. */
static void waiters_try_again_after_passing_trouble(void **state)
{
    (void)state;
    maker makers[1] = {{.fail = EINJIT_E_INTERRUPTED, .fail_times = 1}};
    einjit_context *context = context_of(0);
    int wrong = run_workers(context, makers, 1);
    assert_int_equal(wrong, 1); /* the one that was interrupted itself */
    assert_int_equal(atomic_load(&makers[0].made), 2);
    einjit_context_release(context);
}

typedef struct tryer {
    maker maker;
    atomic_bool *over;
    int wrong;
} tryer;

static void *try_again_and_again(void *argument)
{
    tryer *t = argument;
    einjit_kernel *kernel = NULL;
    uint64_t end = ej_now_ns() + 500000000;
    while (ej_now_ns() < end && !atomic_load(t->over)) t->wrong += get(&t->maker, 1, &kernel, NULL) != t->maker.fail;
    atomic_store(t->over, true);
    return NULL;
}

/* Also at the moment when that trouble is published and not yet taken out. */
static void nobody_is_given_the_passing_trouble_of_another(void **state)
{
    (void)state;
    einjit_context *context = context_of(0);
    pthread_t threads[2];
    atomic_bool over = false;
    tryer tryers[2] = {{{.context = context, .fail = EINJIT_E_INTERRUPTED, .fail_times = -1}, &over, 0},
                       {{.context = context, .fail = EINJIT_E_NOMEM, .fail_times = -1}, &over, 0}};
    for (int t = 0; t < 2; t++) assert_int_equal(pthread_create(&threads[t], NULL, try_again_and_again, &tryers[t]), 0);
    for (int t = 0; t < 2; t++) pthread_join(threads[t], NULL);
    for (int t = 0; t < 2; t++) assert_int_equal(tryers[t].wrong, 0);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_look_up_finds_the_first_kernel),
        cmocka_unit_test(thousands_of_keys_stay_apart),
        cmocka_unit_test(failures_are_remembered_with_their_text),
        cmocka_unit_test(passing_troubles_are_forgotten),
        cmocka_unit_test(a_key_can_forbid_to_remember_failures),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(the_newest_stays_even_when_it_is_too_big),
        cmocka_unit_test(evicting_looks_at_few_entries),
        cmocka_unit_test(entries_in_steady_use_are_evicted_too),
        cmocka_unit_test(failures_take_no_kernels_place),
        cmocka_unit_test(kernels_in_use_outlive_their_entry),
        cmocka_unit_test(what_is_due_is_made_again),
        cmocka_unit_test(one_make_however_many_threads_ask),
        cmocka_unit_test(threads_evict_and_clear_under_each_other),
        cmocka_unit_test(threads_make_again_what_is_due),
        cmocka_unit_test(waiters_try_again_after_passing_trouble),
        cmocka_unit_test(nobody_is_given_the_passing_trouble_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
