/* test_strict.c - EINJIT_OPTION_STRICT: what it leaves as it is, what it still does, and whose bits come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static char *stage_text(einjit_context *context, const char *program, size_t n, const einjit_tensor *in, int32_t flags,
                        const char *stage)
{
    einjit_graph *graph = api_graph(context, program);
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = flags};
    size_t needed = 0;
    if (einjit_explain(context, graph, n, in, &options, stage, NULL, 0, &needed, &err)) fail_msg("%s", err.text);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_explain(context, graph, n, in, &options, stage, text, needed + 1, NULL, &err), EINJIT_OK);
    einjit_graph_destroy(graph);
    return text;
}

static void text_is(einjit_context *context, const char *program, size_t n, const einjit_tensor *in, const char *want)
{
    char *text = stage_text(context, program, n, in, EINJIT_OPTION_STRICT, "opt");
    assert_string_equal(text, want);
    free(text);
}

static int run(einjit_context *context, const char *program, int32_t flags, size_t n, const einjit_tensor *in,
               einjit_tensor out)
{
    einjit_graph *graph = api_graph(context, program);
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = flags};
    einjit_kernel *kernel = NULL;
    int status = einjit_compile(&kernel, context, graph, n, in, 1, &out, &options, &err);
    if (!status) status = einjit_run(kernel, n, in, 1, &out, &err);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    return status;
}

static void check(int status)
{
    if (status) fail_msg("%s", err.text);
}

/* ---- what is still done ---- */

static void dead_values_go_equal_ones_are_one_layouts_merge(void **state)
{
    CONTEXT_OR_SKIP(context);
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4)};
    text_is(context,
            "def f(a: f32[i, j], b: f32[j, k]):\n"
            "    dead = exp(a)\n"
            "    t = einsum(\"ij,jk->ik\", a, b)\n"
            "    u = einsum(\"xy,yz->zx\", a, b)\n"
            "    p = permute(permute(u, (1, 0)), (1, 0))\n"
            "    return -(-t), p * 1.0\n",
            2, in,
            "def f(a: f32[i, j], b: f32[j, k]):\n"
            "    t = einsum(\"ij,jk->ik\", a, b)\n"
            "    u = permute(t, (1, 0))\n"
            "    return t, u\n");
}

static void intermediates_are_shared(void **state)
{
    CONTEXT_OR_SKIP(context);
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4), F32(NULL, 4, 5), F32(NULL, 4, 7)};
    char *text = stage_text(context,
                            "def f(a: f32[i, j], b: f32[j, k], c: f32[k, l], d: f32[k, m]):\n"
                            "    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"ij,jk,km->im\", a, b, d)\n",
                            4, in, EINJIT_OPTION_STRICT, "path");
    int n = 0;
    for (const char *at = text; (at = strstr(at, "\"ij,jk->ik\"")); at++) n++;
    if (n != 1) fail_msg("a b is computed %d times in\n%s", n, text);
    free(text);
}

/* ---- what is not ---- */

static void nothing_else_is_rewritten(void **state)
{
    CONTEXT_OR_SKIP(context);
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4), F32(NULL, 4)};
    static const char *const programs[] = {
        /* scalars stay, einsums are not written into each other, powers of 1 are computed, constants are no advance */
        "def f(a: f32[i, j], b: f32[j, k], c: f32[k]):\n"
        "    mul_1 = a * 3.0\n"
        "    einsum_1 = einsum(\"ij,jk->ik\", mul_1, b)\n"
        "    div_1 = einsum_1 / 7.0\n"
        "    einsum_2 = einsum(\"ik,k->i\", div_1, c)\n"
        "    pow_1 = einsum_2 ** 1.0\n"
        "    return pow_1\n",
        "def f(a: f32[i, j], b: f32[j, k], c: f32[k]):\n"
        "    tensor_1 = tensor([1.0, 2.0, 3.0, 4.0], dtype=f32)\n"
        "    exp_1 = exp(tensor_1)\n"
        "    einsum_1 = einsum(\"ij,jk,k->i\", a, b, c)\n"
        "    einsum_2 = einsum(\"ij,jk,k->i\", a, b, exp_1)\n"
        "    add_1 = einsum_1 + einsum_2\n"
        "    return add_1\n",
        /* complex products, and sums over two labels, in another order */
        "def f(a: f32[i, j], b: f32[j, k], c: f32[k]):\n"
        "    einsum_1 = einsum(\"ij,jk->i\", a, b)\n"
        "    einsum_2 = einsum(\"jk,ij->i\", b, a)\n"
        "    sub_1 = einsum_1 - einsum_2\n"
        "    return sub_1\n",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) text_is(context, programs[i], 3, in, programs[i]);
}

static void operands_go_from_left_to_right(void **state)
{
    CONTEXT_OR_SKIP(context);
    /* from the right it is a matrix times a vector each time */
    const einjit_tensor in[] = {F32(NULL, 30, 30), F32(NULL, 30, 30), F32(NULL, 30, 30), F32(NULL, 30)};
    const char *program = "def f(a, b, c, v):\n    return einsum(\"ij,jk,kl,l->i\", a, b, c, v)\n";
    char *text = stage_text(context, program, 4, in, EINJIT_OPTION_STRICT, "path");
    if (!strstr(text, "(0, 1) (4, 2) (5, 3)")) fail_msg("%s", text);
    free(text);
    text = stage_text(context, program, 4, in, EINJIT_OPTION_STRICT | EINJIT_OPTION_NO_OPTIMIZE, "path");
    if (!strstr(text, "(0, 1) (4, 2) (5, 3)")) fail_msg("%s", text);
    free(text);
    text = stage_text(context, program, 4, in, EINJIT_OPTION_NO_OPTIMIZE, "path");
    if (strstr(text, "(0, 1) (4, 2) (5, 3)")) fail_msg("as written the path is searched: %s", text);
    free(text);
}

static void other_paths_and_passes_are_refused(void **state)
{
    (void)state;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_STRICT};
    einjit_context *context;
    check(einjit_context_create(&context, &options, &err));
    einjit_graph *graph = api_graph(context, "def f(a, b):\n    return einsum(\"ij,jk->ik\", a * 2.0, b)\n");
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 3, 4)};
    einjit_compile_options compile = {.struct_bytes = sizeof compile, .path = "greedy"};
    einjit_kernel *kernel = NULL;
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &compile, &err), EINJIT_E_VALUE);
    assert_string_equal(err.text, "strict mode contracts from left to right: not by path strategy 'greedy'");
    compile.path = "written";
    check(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &compile, &err));
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    graph = api_graph(context, "def f(a, b):\n    return einsum(\"ij,jk->ik\", a * 2.0, b)\n");
    assert_int_equal(einjit_optimize(graph, "dce,fuse", &err), EINJIT_E_VALUE);
    assert_string_equal(err.text, "pass 'fuse' can change bits of results: not in strict mode");
    check(einjit_optimize(graph, "dce,cse", &err));
    check(einjit_optimize(graph, NULL, &err));
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* ---- whose bits come out ---- */

enum { LONG = 1111 };

static void fill(float *out, size_t n)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        out[i] = (float)((double)state / 4294967296.0 - 0.4) * (i % 7 ? 1.0f : 1000.0f);
    }
}

static void sums_add_up_one_after_the_other(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[LONG], table[LONG * 3], turned[LONG * 3], sums[3], again[3];
    float one, want = 0, rows[3] = {0};
    fill(x, LONG);
    fill(table, LONG * 3);
    for (int i = 0; i < LONG; i++) want += x[i];
    for (int r = 0; r < 3; r++)
        for (int i = 0; i < LONG; i++) rows[r] += table[r * LONG + i], turned[i * 3 + r] = table[r * LONG + i];
    einjit_tensor in = F32(x, LONG);
    check(run(context, "def f(x):\n    return sum(x)\n", EINJIT_OPTION_STRICT, 1, &in, SCALAR(&one, EINJIT_F32)));
    assert_memory_equal(&one, &want, sizeof one);
    check(run(context, "def f(x):\n    return sum(x)\n", EINJIT_OPTION_NO_OPTIMIZE, 1, &in, SCALAR(&one, EINJIT_F32)));
    assert_memory_equal(&one, &want, sizeof one);
    check(run(context, "def f(x):\n    return sum(x)\n", 0, 1, &in, SCALAR(&one, EINJIT_F32)));
    assert_memory_not_equal(&one, &want, sizeof one); /* in lanes, else this test shows nothing */
    in = F32(table, 3, LONG);
    check(run(context, "def f(x):\n    return sum(x, 1)\n", EINJIT_OPTION_STRICT, 1, &in, F32(sums, 3)));
    assert_memory_equal(sums, rows, sizeof sums);
    in = STRIDED(turned, EINJIT_F32, ((int64_t[]){3, LONG}), ((int64_t[]){1, 3}));
    check(run(context, "def f(x):\n    return sum(x, 1)\n", EINJIT_OPTION_STRICT, 1, &in, F32(again, 3)));
    assert_memory_equal(again, rows, sizeof again);
}

static void kernels_of_both_kinds_are_kept_apart(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[LONG];
    float strict, free_, again;
    einjit_statistics statistics = {.struct_bytes = sizeof statistics};
    fill(x, LONG);
    einjit_tensor in = F32(x, LONG);
    const char *program = "def f(x):\n    return sum(x)\n";
    check(run(context, program, 0, 1, &in, SCALAR(&free_, EINJIT_F32)));
    check(run(context, program, EINJIT_OPTION_STRICT, 1, &in, SCALAR(&strict, EINJIT_F32)));
    check(run(context, program, 0, 1, &in, SCALAR(&again, EINJIT_F32)));
    assert_memory_equal(&again, &free_, sizeof again);
    assert_memory_not_equal(&strict, &free_, sizeof strict);
    einjit_context_statistics(context, &statistics, NULL);
    assert_int_equal(statistics.misses, 2);
    assert_int_equal(statistics.hits, 1);
    char *text = stage_text(context, program, 1, &in, EINJIT_OPTION_STRICT, "key");
    assert_non_null(strstr(text, "flags: 4\n"));
    free(text);
}

/* A strict context makes every compile strict: also those of calls that take no options. */
static void a_context_may_be_strict(void **state)
{
    (void)state;
    static float x[LONG];
    float got, want = 0;
    fill(x, LONG);
    for (int i = 0; i < LONG; i++) want += x[i];
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_STRICT};
    einjit_context *context;
    check(einjit_context_create(&context, &options, &err));
    einjit_tensor in = F32(x, LONG), out = SCALAR(&got, EINJIT_F32);
    check(einjit_einsum(context, "i->", 1, &in, &out, &err));
    assert_memory_equal(&got, &want, sizeof got);
    einjit_context_release(context);
}

/* Large enough for blocks and packing: both operands as they are named, then with their summed axes the other way
 * round. */
static void sums_of_large_products_do_not_follow_strides(void **state)
{
    enum { ROWS = 640, TERMS = 40 };
    CONTEXT_OR_SKIP(context);
    int64_t shape[] = {ROWS, TERMS, TERMS}, turned[] = {TERMS * TERMS, 1, TERMS};
    size_t n = (size_t)ROWS * TERMS * TERMS;
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b), *swapped = malloc(n * sizeof *swapped);
    float *got = malloc(2 * sizeof *got * ROWS * ROWS);
    assert_true(a && b && swapped && got);
    fill(a, n);
    fill(b, n);
    for (size_t i = 0; i < n; i++)
        swapped[i / (TERMS * TERMS) * (TERMS * TERMS) + i % TERMS * TERMS + i / TERMS % TERMS] = a[i];
    for (int k = 0; k < 2; k++) {
        const einjit_tensor in[] = {{k ? swapped : a, EINJIT_F32, 3, shape, k ? turned : NULL},
                                    {b, EINJIT_F32, 3, shape, NULL}};
        check(run(context, "def f(a, b):\n    return einsum(\"ikl,jkl->ij\", a, b)\n", EINJIT_OPTION_STRICT, 2, in,
                  F32(got + k * ROWS * ROWS, ROWS, ROWS)));
    }
    assert_memory_equal(got, got + ROWS * ROWS, sizeof *got * ROWS * ROWS);
    free(a);
    free(b);
    free(swapped);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(dead_values_go_equal_ones_are_one_layouts_merge),
        ON_BOTH(intermediates_are_shared),
        ON_BOTH(nothing_else_is_rewritten),
        ON_BOTH(operands_go_from_left_to_right),
        cmocka_unit_test(other_paths_and_passes_are_refused),
        ON_BOTH(sums_add_up_one_after_the_other),
        {"sums_of_large_products_do_not_follow_strides (llvm)", sums_of_large_products_do_not_follow_strides,
         api_set_up_llvm, api_tear_down, NULL}, /* too many terms for the interpreter */
        ON_BOTH(kernels_of_both_kinds_are_kept_apart),
        cmocka_unit_test(a_context_may_be_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
