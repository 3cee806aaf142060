/* test_kernel_phase.c - runs that several threads share: the same bits as one thread's, whatever their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_support.h"
#include "cache_support.h"
#include "kernel_phase.h"

enum { INPUTS = 4, MOST_BYTES = 1 << 20 };

typedef struct host {
    size_t first; /* the share that is done first; the others follow, backwards in every second run */
    size_t runs;
    size_t most; /* shares in one of these */
} host;

static void run_in_turn(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    host *h = user;
    size_t step = h->runs++ % 2 ? n - 1 : 1;
    if (n > h->most) h->most = n;
    for (size_t i = 0; i < n; i++) body(task, (h->first + i * step) % n);
}

static einjit_context *context_of(const char *backend, int32_t threads, const einjit_parallel *parallel)
{
    einjit_options o = {.struct_bytes = sizeof o,
                        .backend = backend,
                        .flags = EINJIT_OPTION_VERIFY,
                        .cache_dir = "none",
                        .threads = threads,
                        .parallel = parallel};
    einjit_context *context = NULL;
    einjit_error err;
    if (einjit_context_create(&context, &o, &err)) fail_msg("%s", err.text);
    return context;
}

/* Threads of its own, more than the machine may have CPUs. */
static einjit_context *threaded(const char *backend, int32_t threads)
{
    einjit_context *context = context_of(backend, 1, NULL);
    einjit_error err;
    if (ej_workers_create(&context->workers, &context->allocator, threads, NULL, &err)) fail_msg("%s", err.text);
    return context;
}

/* ---- programs ---- */

typedef struct program {
    const char *text;
    const char *path; /* NULL: schedules as the recipes make them; else random ones, small loops of which are shared,
                       * too */
    size_t n_in;
    einjit_tensor in[INPUTS], out;
} program;

static float memory[INPUTS][MOST_BYTES / sizeof(float)];
static int64_t indices[1000];

static void fill(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < MOST_BYTES / sizeof(float); k++) {
            seed = seed * 1664525u + 1013904223u;
            memory[i][k] = (float)(seed >> 8) / (float)(1 << 23) - 1;
        }
    for (size_t k = 0; k < 1000; k++) indices[k] = (int64_t)(k * 37 % 50);
}

static void run_program(einjit_context *context, const program *p, void *out, const char *path)
{
    einjit_graph *graph = api_graph(context, p->text);
    einjit_compile_options options = {.struct_bytes = sizeof options, .path = path};
    einjit_tensor to = p->out;
    einjit_error err;
    to.data = out;
    memset(out, 0xff, MOST_BYTES);
    for (int again = 0; again < 2; again++)
        if (einjit_call_with(context, graph, p->n_in, p->in, 1, &to, &options, &err)) fail_msg("%s", err.text);
    einjit_graph_destroy(graph);
}

#define MATRIX(i, rows, columns) F32(memory[i], rows, columns)

/* Runs the program by one thread and by others, and compares all bytes. Gives how many phases were shared. */
static size_t compare(const program *p, const char *backend, const char *path)
{
    static unsigned char wanted[MOST_BYTES], got[MOST_BYTES];
    einjit_context *alone = context_of(backend, 1, NULL);
    size_t shared = 0;
    run_program(alone, p, wanted, path);
    for (int32_t threads = 2; threads <= 5; threads++) {
        host h = {.first = (size_t)threads - 2};
        const einjit_parallel parallel = {sizeof parallel, run_in_turn, &h};
        einjit_context *context = context_of(backend, threads, &parallel);
        run_program(context, p, got, path);
        if (memcmp(wanted, got, sizeof got)) fail_msg("%s: %d shares differ (%s)", p->text, threads, path ? path : "-");
        einjit_context_release(context);
        shared += h.runs;
    }
    for (int32_t threads = 2; threads <= 3; threads++) {
        einjit_context *context = threaded(backend, threads);
        run_program(context, p, got, path);
        if (memcmp(wanted, got, sizeof got))
            fail_msg("%s: %d threads differ (%s)", p->text, threads, path ? path : "-");
        einjit_context_release(context);
    }
    einjit_context_release(alone);
    return shared;
}

static const char product[] = "def f(a, b):\n    return a @ b\n";
static const char chain[] = "def f(a, b, c):\n    return softmax(relu(a @ b) @ c, dim=1)\n";
static const char packed[] = "def f(a, b):\n    return a.T @ b.T\n";
static const char rows[] = "def f(a, i):\n    return index_add(50, 0, i, a[i] * 2.0).sum(1)\n";
static const char turned[] = "def f(a, b):\n    return (a.T + b).exp()\n";

static void large_programs_are_shared(void **state)
{
    const program programs[] = {
        {product, NULL, 2, {MATRIX(0, 130, 171), MATRIX(1, 171, 200)}, MATRIX(0, 130, 200)},
        {product, NULL, 2, {MATRIX(0, 300, 64), MATRIX(1, 64, 48)}, MATRIX(0, 300, 48)},
        {product, NULL, 2, {MATRIX(0, 7, 500), MATRIX(1, 500, 500)}, MATRIX(0, 7, 500)},
        {chain, NULL, 3, {MATRIX(0, 128, 100), MATRIX(1, 100, 90), MATRIX(2, 90, 33)}, MATRIX(0, 128, 33)},
        {turned, NULL, 2, {MATRIX(0, 300, 401), MATRIX(1, 401, 300)}, MATRIX(0, 401, 300)},
    };
    (void)state;
    if (!api_has_llvm()) skip();
    fill();
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        assert_true(compare(&programs[i], "llvm", programs[i].path) > 0);
}

static void any_loop_can_be_shared(void **state)
{
    const char *const backends[] = {"interp", api_has_llvm() ? "llvm" : "interp"};
    const program programs[] = {
        {product, NULL, 2, {MATRIX(0, 13, 17), MATRIX(1, 17, 22)}, MATRIX(0, 13, 22)},
        {chain, NULL, 3, {MATRIX(0, 9, 12), MATRIX(1, 12, 10), MATRIX(2, 10, 11)}, MATRIX(0, 9, 11)},
        {rows, NULL, 2, {MATRIX(0, 50, 6), TENSOR(indices, EINJIT_I64, 90)}, F32(memory[0], 50)},
        {turned, NULL, 2, {MATRIX(0, 19, 23), MATRIX(1, 23, 19)}, MATRIX(0, 23, 19)},
    };
    size_t shared = 0;
    char path[32];
    (void)state;
    fill();
    for (int seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < 2 * sizeof programs / sizeof *programs; i++) {
            snprintf(path, sizeof path, "random:%d", seed);
            shared += compare(&programs[i / 2], backends[i % 2], path);
        }
    assert_true(shared > 130);
}

/* ---- open extents ---- */

static void the_run_says_how_much_there_is_to_share(void **state)
{
    static float out[2][256 * 200];
    const char *text = "def f(x: f32[n, 128], w: f32[128, 200]):\n    return x @ w\n";
    host h = {0};
    const einjit_parallel parallel = {sizeof parallel, run_in_turn, &h};
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = "n"};
    (void)state;
    if (!api_has_llvm()) skip();
    fill();
    einjit_context *context[2] = {context_of("llvm", 1, NULL), context_of("llvm", 2, &parallel)};
    einjit_graph *graph[2] = {api_graph(context[0], text), api_graph(context[1], text)};
    size_t runs[2] = {0};
    for (int64_t n = 1; n <= 256; n = n < 8 ? n + 1 : n + 31) {
        const einjit_tensor in[2] = {F32(memory[0], n, 128), F32(memory[1], 128, 200)};
        for (int c = 0; c < 2; c++) {
            const einjit_tensor to = F32(out[c], n, 200);
            einjit_error err;
            if (einjit_call_with(context[c], graph[c], 2, in, 1, &to, &options, &err)) fail_msg("%s", err.text);
        }
        assert_memory_equal(out[0], out[1], (size_t)n * 200 * sizeof(float));
        if (n == 1) runs[0] = h.runs;
        runs[1] = h.runs;
    }
    assert_int_equal(runs[0], 0);
    assert_true(runs[1] > 0);
    for (int c = 0; c < 2; c++) {
        einjit_graph_destroy(graph[c]);
        einjit_context_release(context[c]);
    }
}

/* ---- scratch memory ---- */

static size_t now_in_use, most_in_use;

static void *count_alloc(void *user, size_t bytes)
{
    (void)user;
    now_in_use += bytes;
    if (now_in_use > most_in_use) most_in_use = now_in_use;
    return malloc(bytes ? bytes : 1);
}

static void count_release(void *user, void *memory_block, size_t bytes)
{
    (void)user;
    now_in_use -= bytes;
    free(memory_block);
}

static void memory_is_for_those_who_work(void **state)
{
    enum { THREADS = 500 };
    static float out[500 * 250];
    const einjit_tensor in[2] = {MATRIX(0, 500, 500), MATRIX(1, 250, 500)};
    host h = {0};
    const einjit_parallel parallel = {sizeof parallel, run_in_turn, &h};
    const einjit_allocator allocator = {count_alloc, count_release, NULL};
    einjit_options o = {.struct_bytes = sizeof o,
                        .backend = "llvm",
                        .cache_dir = "none",
                        .threads = THREADS,
                        .parallel = &parallel,
                        .allocator = &allocator};
    einjit_kernel *kernel = NULL;
    einjit_context *context = NULL;
    const einjit_tensor result = F32(out, 500, 250);
    einjit_error err;
    (void)state;
    if (!api_has_llvm()) skip();
    fill();
    if (einjit_context_create(&context, &o, &err)) fail_msg("%s", err.text);
    einjit_graph *graph = api_graph(context, packed);
    if (einjit_compile(&kernel, context, graph, 2, in, 1, &result, NULL, &err)) fail_msg("%s", err.text);
    size_t alone = einjit_kernel_scratch_bytes(kernel, NULL), before = most_in_use = now_in_use;
    if (einjit_run(kernel, 2, in, 1, &result, &err)) fail_msg("%s", err.text);
    assert_true(alone > 0);
    assert_in_range(h.most, 2, THREADS / 4);
    assert_in_range(most_in_use - before, alone, 2 * h.most * alone); /* the pool rounds up */
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* ---- many callers ---- */

typedef struct caller {
    einjit_context *context;
    const program *program;
    const void *wanted;
    unsigned char *got;
} caller;

static void *call_again_and_again(void *user)
{
    const caller *c = user;
    for (int i = 0; i < 20; i++) {
        run_program(c->context, c->program, c->got, NULL);
        if (memcmp(c->got, c->wanted, MOST_BYTES)) return "other bits";
    }
    return NULL;
}

static void callers_at_the_same_time_have_one_helper(void **state)
{
    enum { CALLERS = 3 };
    const program p = {product, NULL, 2, {MATRIX(0, 130, 171), MATRIX(1, 171, 200)}, MATRIX(0, 130, 200)};
    static unsigned char wanted[MOST_BYTES], got[CALLERS][MOST_BYTES];
    pthread_t threads[CALLERS];
    caller callers[CALLERS];
    (void)state;
    if (!api_has_llvm()) skip();
    fill();
    einjit_context *context = threaded("llvm", 2);
    run_program(context, &p, wanted, NULL);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){context, &p, wanted, got[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, call_again_and_again, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    einjit_context_release(context);
}

/* ---- the cache on disk ---- */

/* One thread has kernels of its own; all other numbers have the same. */
static void kernels_from_disk_are_shared_as_well(void **state)
{
    static const int threads[] = {1, 3, 2}, hits[] = {0, 0, 1};
    const program p = {
        chain, NULL, 3, {MATRIX(0, 128, 100), MATRIX(1, 100, 90), MATRIX(2, 90, 33)}, MATRIX(0, 128, 33)};
    static unsigned char wanted[MOST_BYTES], got[MOST_BYTES];
    (void)state;
    if (!api_has_llvm()) skip();
    fill();
    host h = {0};
    const einjit_parallel parallel = {sizeof parallel, run_in_turn, &h};
    for (int round = 0; round < 3; round++) {
        einjit_options o = {.struct_bytes = sizeof o,
                            .backend = "llvm",
                            .cache_dir = cache_folder,
                            .threads = threads[round],
                            .parallel = round ? &parallel : NULL};
        einjit_statistics after = {.struct_bytes = sizeof after};
        einjit_context *context = NULL;
        einjit_error err;
        if (einjit_context_create(&context, &o, &err)) fail_msg("%s", err.text);
        run_program(context, &p, round ? got : wanted, NULL);
        assert_int_equal(einjit_context_statistics(context, &after, &err), EINJIT_OK);
        assert_int_equal(after.disk_hits, hits[round]);
        assert_int_equal(after.threads, threads[round]);
        einjit_context_release(context);
        if (!round) continue;
        assert_true(h.runs > 0);
        assert_memory_equal(wanted, got, sizeof got);
        h.runs = 0;
    }
}

/* ---- options ---- */

static void a_parallel_loop_needs_a_function(void **state)
{
    const einjit_parallel none = {sizeof none, NULL, NULL}, short_one = {3, run_in_turn, NULL};
    einjit_options o = {.struct_bytes = sizeof o, .threads = 2, .parallel = &none};
    einjit_context *context = NULL;
    einjit_error err;
    (void)state;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
    o.parallel = &short_one;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
    assert_null(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_programs_are_shared),
        cmocka_unit_test(any_loop_can_be_shared),
        cmocka_unit_test(the_run_says_how_much_there_is_to_share),
        cmocka_unit_test(memory_is_for_those_who_work),
        cmocka_unit_test(callers_at_the_same_time_have_one_helper),
        cmocka_unit_test_setup_teardown(kernels_from_disk_are_shared_as_well, cache_set_up, cache_tear_down),
        cmocka_unit_test(a_parallel_loop_needs_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
