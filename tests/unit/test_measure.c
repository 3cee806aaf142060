/* test_measure.c - EINJIT_OPTION_MEASURE: which kernel comes out is a matter of time, what it computes is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "cache_support.h"

static einjit_error err;

enum { MOST = 64 * 64 };
static const einjit_compile_options measured = {.struct_bytes = sizeof measured, .flags = EINJIT_OPTION_MEASURE};

/* The same program, unmeasured and measured, one after the other in one context. */
static void compare(einjit_context *context, const char *program, const einjit_compile_options *options, size_t n_in,
                    const einjit_tensor *in, int64_t rows, int64_t columns)
{
    static float plain[MOST], timed[MOST];
    einjit_graph *graph = api_graph(context, program);
    einjit_compile_options unmeasured = *options;
    einjit_tensor out = F32(plain, rows, columns);
    unmeasured.flags &= ~EINJIT_OPTION_MEASURE;
    api_fill(plain, MOST, 4);
    api_fill(timed, MOST, 4);
    if (einjit_call_with(context, graph, n_in, in, 1, &out, &unmeasured, &err)) fail_msg("%s%s", program, err.text);
    out.data = timed;
    if (einjit_call_with(context, graph, n_in, in, 1, &out, options, &err)) fail_msg("%s%s", program, err.text);
    if (memcmp(plain, timed, sizeof plain)) fail_msg("%s measured: another result", program);
    einjit_graph_destroy(graph);
}

static void results_are_the_same(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[MOST], y[MOST];
    int64_t at[] = {63, 0, 5, 5, 31}, square[] = {33, 33}, turned[] = {1, 40};
    einjit_compile_options scaled = measured, open = measured, constant = measured;
    api_fill(x, MOST, 3);
    api_fill(y, MOST, 5);
    scaled.alpha = 2;
    scaled.beta = -1;
    open.open = "n";
    constant.constants = "y";
    einjit_tensor pair[] = {F32(x, 64, 64), F32(y, 64, 64)};
    compare(context, "def f(x, y):\n    return x @ y\n", &measured, 2, pair, 64, 64);
    compare(context, "def f(x, y):\n    return x.T @ y\n", &scaled, 2, pair, 64, 64);
    compare(context, "def f(x: f32[n, k], y):\n    return relu(x @ y) @ y\n", &open, 2, pair, 64, 64);
    compare(context, "def f(x, y):\n    return x @ (y + y)\n", &constant, 2, pair, 64, 64);
    compare(context, "def f(x, y):\n    return permute(x, 1, 0)\n", &measured, 2, pair, 64, 64);
    einjit_tensor strided[] = {STRIDED(x, EINJIT_F32, square, turned), F32(y, 33, 33)};
    compare(context, "def f(x, y):\n    return einsum('ij,jk->ik', x, y)\n", &measured, 2, strided, 33, 33);
    einjit_tensor rows[] = {F32(x, 64, 64), TENSOR(at, EINJIT_I64, 5)};
    compare(context, "def f(x, at):\n    return x[at]\n", &measured, 2, rows, 5, 64);
}

static long misses(const einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    assert_int_equal(einjit_context_statistics(context, &s, &err), EINJIT_OK);
    return (long)s.misses;
}

/* Nothing is read or written where the caller's tensors are; kernels have entries of their own in the cache. */
static void data_of_the_caller_is_left_alone(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float out[MOST];
    einjit_kernel *kernel;
    einjit_graph *graph = api_graph(context, "def f(x, y):\n    return x @ y\n");
    einjit_tensor in[] = {F32(NULL, 64, 64), F32(NULL, 64, 64)}, result = F32(out, 64, 64);
    long before = misses(context);
    for (int round = 0; round < 2; round++)
        for (int k = 0; k < 2; k++) {
            const einjit_compile_options *options = k ? &measured : NULL;
            assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 1, &result, options, &err), EINJIT_OK);
            einjit_kernel_release(kernel);
        }
    for (size_t i = 0; i < MOST; i++) assert_true(out[i] == 0);
    assert_int_equal(misses(context) - before, 2);
    einjit_graph_destroy(graph);
}

static char line[512];
static void keep_line(void *user, const char *text)
{
    (void)user;
    if (strstr(text, "measured")) snprintf(line, sizeof line, "%s", text);
}

/* By the context's flag and by the variable; the log says how many kernels there were. */
static void several_kernels_are_timed(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    einjit_context *context;
    static float x[MOST], out[MOST];
    setenv("EINJIT_VERBOSE", "1", 1);
    for (int k = 0; k < 2; k++) {
        einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm", .log = keep_line};
        if (k) setenv("EINJIT_MEASURE", "1", 1);
        else options.flags = EINJIT_OPTION_MEASURE;
        options.cache_dir = "none";
        int n = 0;
        *line = 0;
        assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
        einjit_graph *graph = api_graph(context, "def f(x):\n    return x @ x\n");
        einjit_tensor in = F32(x, 48, 48), result = F32(out, 48, 48);
        assert_int_equal(einjit_call(context, graph, 1, &in, 1, &result, &err), EINJIT_OK);
        if (sscanf(line, "einjit: measured %d kernels", &n) != 1 || n < 2) fail_msg("'%s'", line);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
    unsetenv("EINJIT_MEASURE");
    unsetenv("EINJIT_VERBOSE");
}

/* What was measured once is not measured again by the next process. */
static void the_winner_is_kept_on_disk(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    einjit_statistics s = {.struct_bytes = sizeof s};
    const einjit_options options = {.cache_dir = cache_folder, .flags = EINJIT_OPTION_MEASURE};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(cache_use_with(options, &s), EINJIT_OK);
        assert_int_equal(s.disk_hits, round);
    }
}

/* No block of more than `most` bytes. */
typedef struct small_blocks {
    size_t most;
    int refused;
} small_blocks;

static void *small_allocate(void *user, size_t bytes)
{
    small_blocks *s = user;
    if (bytes <= s->most) return malloc(bytes);
    s->refused++;
    return NULL;
}

static void small_free(void *user, void *memory, size_t bytes)
{
    (void)user, (void)bytes;
    free(memory);
}

static void without_memory_the_model_chooses(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    small_blocks blocks = {.most = 8 << 20};
    const einjit_allocator allocator = {.user = &blocks, .alloc = small_allocate, .release = small_free};
    einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm", .allocator = &allocator};
    einjit_context *context;
    einjit_kernel *kernel;
    options.cache_dir = "none";
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    einjit_graph *graph = api_graph(context, "def f(x):\n    return sum(x, 1)\n");
    einjit_tensor in = F32(NULL, 4096, 4096);
    if (einjit_compile(&kernel, context, graph, 1, &in, 0, NULL, &measured, &err)) fail_msg("%s", err.text);
    assert_true(blocks.refused > 0);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* The log of one compile: how many kernels were timed. */
static int kernels_of(const char *program, const einjit_tensor *in, size_t n_in, const char *path)
{
    int n = 0;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm", .log = keep_line};
    einjit_context *context;
    einjit_kernel *kernel;
    einjit_compile_options by_path = measured;
    options.cache_dir = "none";
    by_path.path = path;
    *line = 0;
    setenv("EINJIT_VERBOSE", "1", 1);
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    unsetenv("EINJIT_VERBOSE");
    einjit_graph *graph = api_graph(context, program);
    if (einjit_compile(&kernel, context, graph, n_in, in, 0, NULL, &by_path, &err)) fail_msg("%s", err.text);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return sscanf(line, "einjit: measured %d kernels", &n) == 1 ? n : 0;
}

/* Twelve equal layers are tried as one is: steps times recipes would be some thirty kernels. */
static void equal_steps_are_tried_together(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    char text[1000] = "def f(x, w):\n";
    for (int i = 0; i < 12; i++) strcat(text, "    x = relu(x @ w)\n");
    strcat(text, "    return x\n");
    einjit_tensor in[] = {F32(NULL, 40, 40), F32(NULL, 40, 40)};
    int n = kernels_of(text, in, 2, NULL);
    if (n < 2 || n > 8) fail_msg("%d kernels", n);
}

static int say_stop(void *user, const char *stage, double done)
{
    int *left = user;
    (void)stage, (void)done;
    return --*left < 0;
}

static void it_can_be_ended(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    int left = 1000000, all;
    for (int round = 0; round < 2; round++) {
        einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm", .progress = say_stop};
        einjit_context *context;
        einjit_kernel *kernel = NULL;
        options.progress_user = &left;
        options.cache_dir = "none";
        all = left;
        assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
        einjit_graph *graph = api_graph(context, "def f(x, y):\n    return x @ y\n");
        einjit_tensor in[] = {F32(NULL, 512, 512), F32(NULL, 512, 512)};
        int status = einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &measured, &err);
        assert_int_equal(status, round ? EINJIT_E_INTERRUPTED : EINJIT_OK);
        if (!round) assert_true(all - left > 4); /* asked between the runs, too */
        left = (all - left) / 2;
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"results_are_the_same", results_are_the_same, api_set_up_llvm, api_tear_down, NULL},
        {"data_of_the_caller_is_left_alone", data_of_the_caller_is_left_alone, api_set_up_llvm, api_tear_down, NULL},
        cmocka_unit_test(several_kernels_are_timed),
        cmocka_unit_test_setup_teardown(the_winner_is_kept_on_disk, cache_set_up, cache_tear_down),
        cmocka_unit_test(without_memory_the_model_chooses),
        cmocka_unit_test(equal_steps_are_tried_together),
        cmocka_unit_test(it_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
