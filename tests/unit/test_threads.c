/* test_threads.c - one context, many threads: calls, compiles, releases and clearing at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "api_support.h"

enum { THREADS = 8, ROUNDS = 60, SHAPES = 5 };

typedef struct worker {
    einjit_context *context;
    einjit_graph *graph;
    einjit_kernel *kernel;
    pthread_barrier_t *start;
    unsigned seed;
    int wrong;
} worker;

static bool is_product(const float *a, const float *b, const float *c, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            float sum = 0;
            for (int j = 0; j < n; j++) sum += a[i * n + j] * b[j * n + k];
            if (c[i * n + k] != sum) return false;
        }
    return true;
}

static unsigned next(worker *w)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return w->seed >> 16;
}

/* One product of the thread's choice, by one of three ways. */
static bool multiply(worker *w, int n)
{
    float a[SHAPES * SHAPES], b[SHAPES * SHAPES], c[SHAPES * SHAPES];
    for (int i = 0; i < n * n; i++) {
        a[i] = (float)(next(w) % 9) - 4;
        b[i] = (float)(next(w) % 9) - 4;
    }
    einjit_tensor in[] = {F32(a, n, n), F32(b, n, n)}, out = F32(c, n, n);
    einjit_kernel *kernel = NULL;
    int status = EINJIT_OK;
    switch (next(w) % 3) {
    case 0: status = einjit_einsum(w->context, "ij,jk->ik", 2, in, &out, NULL); break;
    case 1: status = einjit_call(w->context, w->graph, 2, in, 1, &out, NULL); break;
    default:
        status = einjit_compile(&kernel, w->context, w->graph, 2, in, 0, NULL, NULL, NULL);
        if (status == EINJIT_OK) status = einjit_run(kernel, 2, in, 1, &out, NULL);
        einjit_kernel_release(kernel);
    }
    return status == EINJIT_OK && is_product(a, b, c, n);
}

static void *work(void *argument)
{
    worker *w = argument;
    float x = 0;
    einjit_tensor in[] = {F32(&x, 1, 1), F32(&x, 1, 1)};
    pthread_barrier_wait(w->start);
    for (int i = 0; i < ROUNDS; i++) {
        if (!multiply(w, 1 + (int)(next(w) % SHAPES))) w->wrong++;
        if (next(w) % 10 == 0) einjit_context_clear_cache(w->context);
        if (einjit_einsum(w->context, "ij,k->ik", 2, in, in, NULL) != EINJIT_E_RANK) w->wrong++;
    }
    return NULL;
}

static void run_threads(einjit_context *context, void *(*body)(void *), const char *program, einjit_kernel *kernel)
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    pthread_barrier_t start;
    einjit_graph *graph = api_graph(context, program);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int t = 0; t < THREADS; t++) {
        workers[t] = (worker){context, graph, kernel, &start, (unsigned)t * 7919u + 1, 0};
        assert_int_equal(pthread_create(&threads[t], NULL, body, &workers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(workers[t].wrong, 0);
    }
    pthread_barrier_destroy(&start);
    einjit_graph_destroy(graph);
}

static void threads_share_a_context(void **state)
{
    CONTEXT_OR_SKIP(context);
    run_threads(context, work, "def forward(a, b):\n    return a @ b\n", NULL);
}

/* The intermediate needs more scratch than a run's stack has, so that the runs meet in the pool. */
enum { WIDE = 60 };
static const char chain[] = "def forward(a, b):\n    return einsum(\"ij,j->i\", exp(einsum(\"ij,jk->ik\", a, a)), b)\n";

static void *run_one_kernel(void *argument)
{
    worker *w = argument;
    float *a = calloc(WIDE * WIDE, sizeof *a), b[WIDE], c[WIDE];
    for (int i = 0; i < WIDE; i++) b[i] = (float)(next(w) % 100);
    float sum = 0;
    for (int i = 0; i < WIDE; i++) sum += b[i];
    pthread_barrier_wait(w->start);
    for (int round = 0; round < 3 && a; round++) {
        einjit_tensor in[] = {F32(a, WIDE, WIDE), F32(b, WIDE)}, out = F32(c, WIDE);
        if (einjit_run(w->kernel, 2, in, 1, &out, NULL) != EINJIT_OK) w->wrong++;
        for (int i = 0; i < WIDE; i++) w->wrong += c[i] != sum; /* exp(0) is 1 */
    }
    free(a);
    return NULL;
}

static void threads_run_one_kernel(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, chain);
    const einjit_tensor in[] = {F32(NULL, WIDE, WIDE), F32(NULL, WIDE)};
    einjit_kernel *kernel = NULL;
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, NULL, NULL), EINJIT_OK);
    assert_true(einjit_kernel_scratch_bytes(kernel, NULL) > 4096);
    run_threads(context, run_one_kernel, chain, kernel);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

/* Each thread has a program of its own; all of them are one kernel, which is found and renamed while others hold it. */
static void *rename_one_kernel(void *argument)
{
    worker *w = argument;
    char text[80], name[16];
    float a[3] = {1, 2, 3}, c[3];
    einjit_tensor in = F32(a, 3), out = F32(c, 3);
    einjit_graph *graph = NULL;
    einjit_kernel *kernel = NULL;
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = name};
    snprintf(name, sizeof name, "z%u", w->seed);
    snprintf(text, sizeof text, "def f%u(a: f32[%s]):\n    return a + a\n", w->seed, name);
    if (einjit_graph_parse(&graph, w->context, text, SIZE_MAX, NULL)) w->wrong++;
    pthread_barrier_wait(w->start);
    for (int round = 0; round < ROUNDS && graph; round++) {
        if (einjit_compile(&kernel, w->context, graph, 1, &in, 0, NULL, &options, NULL)) return w->wrong++, NULL;
        const char *open = einjit_kernel_open_name(kernel, 0);
        w->wrong += !open || strcmp(open, name) || einjit_run(kernel, 1, &in, 1, &out, NULL) || c[2] != 6;
        einjit_kernel_release(kernel);
    }
    einjit_graph_destroy(graph);
    return NULL;
}

static void threads_share_a_kernel_under_names_of_their_own(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_statistics statistics = {.struct_bytes = sizeof statistics};
    run_threads(context, rename_one_kernel, chain, NULL);
    einjit_context_statistics(context, &statistics, NULL);
    assert_int_equal(statistics.misses, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(threads_share_a_context),
        ON_BOTH(threads_run_one_kernel),
        ON_BOTH(threads_share_a_kernel_under_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
