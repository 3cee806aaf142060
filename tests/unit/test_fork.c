/* test_fork.c - a forked child goes on: whatever the parent's other threads were doing, it never hangs. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"
#include "kernel_cache.h"
#include "kernel_pool.h"

/* The sanitizers' own allocators and tables do not outlive a fork that meets other threads in them. */
#if defined(__SANITIZE_THREAD__)
enum { FORKS = 0, WITH_THREADS = 0 };
#elif defined(__SANITIZE_ADDRESS__)
enum { FORKS = 0, WITH_THREADS = 1 }; /* where the others only wait */
#else
enum { FORKS = 60, WITH_THREADS = 1 };
#endif
enum { PATIENCE = 20, WORKERS = 3 }; /* seconds; a child takes milliseconds */

/* Fork, run `body` there; its answer is 0 when all is well. A child that hangs is ended by its alarm. */
static int outcome_of(int (*body)(void *), void *argument)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return -1;
    if (!child) {
        alarm(PATIENCE);
        _exit(body(argument));
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void in_child(const char *what, int (*body)(void *), void *argument)
{
    int status = outcome_of(body, argument);
    assert_int_not_equal(status, -1);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) fail_msg("%s: the child hangs", what);
    if (WIFSIGNALED(status)) fail_msg("%s: the child ended by signal %d", what, WTERMSIG(status));
    if (WEXITSTATUS(status)) fail_msg("%s: the child's check %d failed", what, WEXITSTATUS(status));
}

/* ---- the cache, met while an entry is made ---- */

typedef struct slow {
    einjit_context *context;
    pthread_barrier_t *reached, *go_on; /* NULL: no waiting */
} slow;

static int make_slowly(einjit_kernel **out, void *user, einjit_error *err)
{
    slow *s = user;
    if (s->reached) {
        pthread_barrier_wait(s->reached);
        pthread_barrier_wait(s->go_on);
    }
    *out = ej_kernel_new(s->context);
    return *out ? EINJIT_OK : ej_no_memory(err);
}

static int get(slow *s, uint64_t mark)
{
    einjit_kernel *kernel = NULL;
    ej_context_enter(s->context);
    int status = ej_cache_get(s->context->cache, (ej_key){.words = &mark, .n = 1}, make_slowly, s, &kernel, NULL);
    if (!status) ej_kernel_drop(kernel);
    return status;
}

static void *get_one(void *argument)
{
    return get(argument, 1) ? argument : NULL;
}

static int ask_for_the_same(void *argument)
{
    slow quick = {argument, NULL, NULL};
    einjit_statistics before = {.struct_bytes = sizeof before}, after = before;
    einjit_context_statistics(quick.context, &before, NULL);
    if (get(&quick, 2) || get(&quick, 1) || get(&quick, 1)) return 1;
    einjit_context_statistics(quick.context, &after, NULL);
    if (after.misses != before.misses + 1 || after.hits != before.hits + 2 || after.entries != 2) return 2;
    einjit_context_clear_cache(quick.context);
    einjit_context_release(quick.context);
    return 0;
}

static void what_another_thread_was_making_is_made_anew(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    pthread_barrier_t reached, go_on;
    pthread_t threads[2];
    void *wrong;
    pthread_barrier_init(&reached, NULL, 2);
    pthread_barrier_init(&go_on, NULL, 2);
    slow s = {context, &reached, &go_on}, quick = {context, NULL, NULL};
    assert_int_equal(get(&quick, 2), EINJIT_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, get_one, &s), 0);
    pthread_barrier_wait(&reached);
    assert_int_equal(pthread_create(&threads[1], NULL, get_one, &quick), 0); /* waits for the first */
    for (einjit_statistics now = {.struct_bytes = sizeof now}; !now.waits;
         einjit_context_statistics(context, &now, NULL))
        usleep(1000);
    if (WITH_THREADS) in_child("the cache", ask_for_the_same, context);
    pthread_barrier_wait(&go_on);
    for (int t = 0; t < 2; t++) {
        pthread_join(threads[t], &wrong);
        assert_null(wrong);
    }
    pthread_barrier_destroy(&reached);
    pthread_barrier_destroy(&go_on);
    einjit_context_release(context);
}

/* ---- everything at once ---- */

typedef struct party {
    einjit_context *context;
    einjit_graph *graph;
    einjit_kernel *kernel;
    atomic_bool over;
    atomic_int rounds, wrong;
    int n; /* of the child's own shape */
} party;

enum { SIDE = 40 };

/* The graph's program for n rows of zeros, through the kernel or, when that is NULL, whatever the cache gives. */
static int compute(party *p, einjit_kernel *kernel, int n)
{
    static const float zeros[SIDE * SIDE];
    float out[SIDE];
    int64_t shape[] = {n, SIDE}, side[] = {n};
    if (n > SIDE) return 90;
    einjit_tensor in = {(void *)(uintptr_t)zeros, EINJIT_F32, 2, shape, NULL},
                  result = {out, EINJIT_F32, 1, side, NULL};
    int status = kernel ? einjit_run(kernel, 1, &in, 1, &result, NULL)
                        : einjit_call(p->context, p->graph, 1, &in, 1, &result, NULL);
    if (status) return status;
    for (int i = 0; i < n; i++)
        if (out[i] != (float)SIDE) return 91;
    return EINJIT_OK;
}

static void *work(void *argument)
{
    party *p = argument;
    for (int i = 0; !atomic_load(&p->over); i++) {
        einjit_graph *graph = NULL;
        if (compute(p, i % 3 ? p->kernel : NULL, i % 3 ? SIDE : 1 + i % 30)) atomic_fetch_add(&p->wrong, 1);
        if (i % 20 == 19) einjit_context_clear_cache(p->context);
        if (einjit_graph_parse(&graph, p->context, "def f(a): return a + 1.5", SIZE_MAX, NULL) ||
            einjit_graph_freeze(graph, NULL))
            atomic_fetch_add(&p->wrong, 1);
        einjit_graph_destroy(graph);
        atomic_fetch_add(&p->rounds, 1);
    }
    return NULL;
}

static void *compute_two(void *argument)
{
    party *p = argument;
    return compute(p, NULL, 33) || compute(p, NULL, 34) ? argument : NULL;
}

static int go_on(void *argument)
{
    party *p = argument;
    pthread_t threads[2];
    void *wrong[2] = {0};
    int status = compute(p, p->kernel, SIDE);
    if (status) return status;
    for (int t = 0; t < 2; t++)
        if (pthread_create(&threads[t], NULL, compute_two, p)) return 92;
    if ((status = compute(p, NULL, p->n))) return status; /* what the parent compiles at the same time */
    for (int t = 0; t < 2; t++) pthread_join(threads[t], &wrong[t]);
    if (wrong[0] || wrong[1]) return 93;
    einjit_context_clear_cache(p->context);
    if ((status = compute(p, NULL, p->n))) return status;
    einjit_graph *graph = NULL;
    if (einjit_graph_parse(&graph, p->context, "def f(a): return a * 2.5", SIZE_MAX, NULL)) return 94;
    if (einjit_graph_freeze(graph, NULL)) return 95;
    einjit_graph_destroy(graph);
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(p->context, &s, NULL);
    einjit_kernel_release(p->kernel);
    einjit_graph_destroy(p->graph);
    einjit_context_release(p->context);
    return 0;
}

static void fork_often(const char *backend)
{
    if (!FORKS) {
        print_message("not tested under this sanitizer\n");
        skip();
    }
    party p = {.context = api_context(backend)};
    pthread_t threads[WORKERS];
    int64_t shape[] = {SIDE, SIDE};
    einjit_tensor in = {NULL, EINJIT_F32, 2, shape, NULL};
    p.graph = api_graph(p.context, "def f(a): return einsum(\"ij,kj->i\", exp(a), exp(a)[0:1])");
    assert_int_equal(einjit_compile(&p.kernel, p.context, p.graph, 1, &in, 0, NULL, NULL, NULL), EINJIT_OK);
    for (int t = 0; t < WORKERS; t++) assert_int_equal(pthread_create(&threads[t], NULL, work, &p), 0);
    for (int i = 0; i < FORKS; i++) {
        p.n = 1 + i % 30;
        in_child(backend, go_on, &p);
    }
    atomic_store(&p.over, true);
    for (int t = 0; t < WORKERS; t++) pthread_join(threads[t], NULL);
    assert_int_equal(atomic_load(&p.wrong), 0);
    assert_true(atomic_load(&p.rounds) > WORKERS);
    einjit_kernel_release(p.kernel);
    einjit_graph_destroy(p.graph);
    einjit_context_release(p.context);
}

static void children_of_busy_interpreters_go_on(void **state)
{
    (void)state;
    fork_often("interp");
}

static void children_of_busy_compilers_go_on(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    fork_often("llvm");
}

/* ---- every door ---- */

/* The child's first call is this one; afterwards nothing is left to be done about the fork. */
static int knock(void *argument)
{
    party *p = argument;
    float x[4] = {1, 2, 3, 4}, y[4];
    int32_t label = 0;
    einjit_tensor in = F32(x, 4), out = F32(y, 4);
    einjit_graph *graph = NULL;
    einjit_statistics s = {.struct_bytes = sizeof s};
    int status = EINJIT_OK;
    switch (p->n) {
    case 0: status = einjit_einsum(p->context, "i->i", 1, &in, &out, NULL); break;
    case 1: status = einjit_einsum_labels(p->context, 1, &in, &label, &out, &label, NULL); break;
    case 2: status = compute(p, NULL, SIDE); break;
    case 3: einjit_context_statistics(p->context, &s, NULL); break;
    case 4: einjit_context_clear_cache(p->context); break;
    case 5:
        status = einjit_graph_parse(&graph, p->context, "def f(a): return a", SIZE_MAX, NULL);
        if (!status) status = einjit_graph_freeze(graph, NULL);
        einjit_graph_destroy(graph);
        break;
    default: ej_pool_give(p->context->pool, ej_pool_take(ej_context_pool(p->context), 100000));
    }
    if (status) return status;
    return ej_fork_mark_is_new(&p->context->fork_mark) ? 96 : 0;
}

static void every_door_sees_the_fork(void **state)
{
    (void)state;
    party p = {.context = api_context("interp")};
    p.graph = api_graph(p.context, "def f(a): return einsum(\"ij,kj->i\", exp(a), exp(a)[0:1])");
    assert_int_equal(compute(&p, NULL, SIDE), EINJIT_OK);
    for (p.n = 0; p.n < 7; p.n++) {
        in_child("a door", knock, &p);
        assert_int_equal(knock(&p), 0);
        in_child("the same with what it asks for in the cache", knock, &p);
    }
    einjit_graph_destroy(p.graph);
    einjit_context_release(p.context);
}

/* ---- the one thing that is refused ---- */

static int compile_torn(void *argument)
{
    party *p = argument;
    einjit_error err = {0};
    float x[4] = {1, 2, 3, 4};
    einjit_tensor t = F32(x, 4);
    if (einjit_einsum(p->context, "i->i", 1, &t, &t, &err) != EINJIT_E_BACKEND) return 1;
    return strstr(err.text, "forked") ? 0 : 2;
}

/* Before anything is compiled here. The other thread may have come by way of another context: LLVM is the process's. */
static void a_code_generator_that_was_starting_is_named(void **state)
{
    (void)state;
    party p = {.context = api_context("llvm")};
    assert_true(ej_backend_enter()); /* as another thread would */
    in_child("the code generator", compile_torn, &p);
    ej_backend_leave();
    einjit_context_release(p.context);
}

static void *compile_one(void *argument)
{
    einjit_context *context = argument;
    float x[4] = {1, 2, 3, 4}, y[4];
    einjit_tensor in = F32(x, 4), out = F32(y, 4);
    return einjit_einsum(context, "i->i", 1, &in, &out, NULL) ? argument : NULL;
}

static int compile_in_child(void *argument)
{
    const party *p = argument;
    return compile_one(p->context) ? 1 : 0;
}

static int compile_or_be_refused(void *argument)
{
    return compile_in_child(argument) ? compile_torn(argument) : 0;
}

/* One thread compiles first, in a context of its own; the child compiles in another one. */
static int fork_while_it_starts(void *argument)
{
    const int *microseconds = argument;
    party mine = {.context = api_context("llvm")};
    einjit_context *others = api_context("llvm");
    pthread_t thread;
    void *wrong;
    if (pthread_create(&thread, NULL, compile_one, others)) return 97;
    usleep((useconds_t)*microseconds);
    if (outcome_of(compile_or_be_refused, &mine)) return 98;
    pthread_join(thread, &wrong);
    if (wrong || outcome_of(compile_in_child, &mine)) return 99; /* it has started */
    einjit_context_release(mine.context);
    einjit_context_release(others);
    return 0;
}

static void children_of_a_starting_code_generator_go_on(void **state)
{
    (void)state;
    if (!api_has_llvm() || !FORKS) skip();
    for (int i = 0; i < 20; i++) in_child("a start", fork_while_it_starts, &(int){i * 1500});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* these two first: nothing is compiled yet */
        cmocka_unit_test_setup_teardown(a_code_generator_that_was_starting_is_named, generate_here, generate_as_asked),
        cmocka_unit_test_setup_teardown(children_of_a_starting_code_generator_go_on, generate_here, generate_as_asked),
        cmocka_unit_test(what_another_thread_was_making_is_made_anew),
        cmocka_unit_test(every_door_sees_the_fork),
        cmocka_unit_test(children_of_busy_interpreters_go_on),
        cmocka_unit_test(children_of_busy_compilers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
