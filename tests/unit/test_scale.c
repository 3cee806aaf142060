/* test_scale.c - outputs that become alpha * result + beta * what they held. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

enum { N = 37, MOST = N * N };

static const struct factors {
    double alpha, beta;
} factors[] = {{1, 1}, {2, 0.5}, {0, 1}, {-1, 1}, {3, 0}, {2, 2}, {0, -1}, {0.25, 4}};

/* Small whole numbers times powers of two: every order of the sums gives the same. */
static void check(einjit_context *context, const char *text, int32_t flags, bool columns)
{
    static float x[MOST], y[MOST], plain[MOST], held[MOST], got[MOST];
    int64_t square[] = {N, N}, turned[] = {1, N};
    einjit_graph *graph = api_graph(context, text);
    api_fill(x, MOST, 3);
    api_fill(y, MOST, 5);
    api_fill(held, MOST, 4);
    einjit_tensor in[] = {F32(x, N, N), F32(y, N, N)}, out = F32(plain, N, N);
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_OK);
    out = columns ? STRIDED(got, EINJIT_F32, square, turned) : F32(got, N, N);
    for (size_t k = 0; k < sizeof factors / sizeof *factors; k++) {
        double alpha = factors[k].alpha != 0 ? factors[k].alpha : 1, beta = factors[k].beta;
        const einjit_compile_options options = {
            .struct_bytes = sizeof options, .flags = flags, .alpha = factors[k].alpha, .beta = beta};
        for (int i = 0; i < MOST; i++) got[i] = beta != 0 ? held[i] : NAN; /* with beta 0 it is not looked at */
        if (einjit_call_with(context, graph, 2, in, 1, &out, &options, &err)) fail_msg("%s%s", text, err.text);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                int at = columns ? j * N + i : i * N + j;
                double want = alpha * (double)plain[i * N + j] + (beta != 0 ? beta * (double)held[at] : 0);
                if ((double)got[at] != want)
                    fail_msg("%salpha %g, beta %g: %g for %g", text, alpha, beta, (double)got[at], want);
            }
    }
    einjit_graph_destroy(graph);
}

/* What held the results are inputs of the kernel that the program does not have. */
static void programs_of_any_number_of_inputs_are_added_to(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { INPUTS = 20 };
    const einjit_compile_options options = {.struct_bytes = sizeof options, .beta = 1};
    const int64_t three = 3;
    float x[3] = {1, 2, 3};
    for (size_t n = 1; n <= INPUTS; n++) {
        einjit_tensor in[INPUTS];
        char inputs[400] = "", sum[400] = "", text[900];
        for (size_t i = 0; i < n; i++) {
            in[i] = (einjit_tensor){x, EINJIT_F32, 1, &three, NULL};
            snprintf(inputs + strlen(inputs), sizeof inputs - strlen(inputs), "%sx%zu: f32[n%zu]", i ? ", " : "", i, i);
            snprintf(sum + strlen(sum), sizeof sum - strlen(sum), "%sx%zu", i ? " + " : "", i);
        }
        snprintf(text, sizeof text, "def f(%s):\n    return %s\n", inputs, sum);
        einjit_graph *graph = api_graph(context, text);
        float got[3] = {0.5f, 0.25f, 0};
        einjit_tensor out = F32(got, 3);
        if (einjit_call_with(context, graph, n, in, 1, &out, &options, &err)) fail_msg("%s%s", text, err.text);
        assert_true(got[0] == (float)n + 0.5f && got[1] == (float)(2 * n) + 0.25f && got[2] == (float)(3 * n));
        einjit_graph_destroy(graph);
    }
}

static void results_are_scaled_and_added(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char *const programs[] = {
        "def f(x, y):\n    return x @ y\n",
        "def f(x, y):\n    return relu(x @ y)\n",
        "def f(x, y):\n    return x + y\n",
        "def f(x, y):\n    return permute(x, 1, 0)\n",
        "def f(x, y):\n    return einsum('ij,ij->ij', x, y)\n",
        "def f(x, y):\n    return x * sum(y) + x @ y\n",
        "def f(x, y):\n    return cat([x[1:], y[0:1]], dim=0)\n",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        for (int k = 0; k < 2; k++) {
            check(context, programs[i], 0, k);
            check(context, programs[i], EINJIT_OPTION_STRICT, k);
            check(context, programs[i], EINJIT_OPTION_NO_OPTIMIZE, k);
        }
}

/* A product is added where the output lies. */
static void no_temporary_is_made(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, "def f(a, b):\n    return a @ b\n");
    einjit_tensor in[] = {F32(NULL, 64, 128), F32(NULL, 128, 64)};
    einjit_cost alone = {.struct_bytes = sizeof alone}, added = {.struct_bytes = sizeof added};
    einjit_compile_options options = {.struct_bytes = sizeof options};
    assert_int_equal(einjit_plan_cost(&alone, context, graph, 2, in, &options, &err), EINJIT_OK);
    options.beta = 1;
    assert_int_equal(einjit_plan_cost(&added, context, graph, 2, in, &options, &err), EINJIT_OK);
    assert_int_equal(added.steps, alone.steps);
    assert_true(added.scratch_bytes <= alone.scratch_bytes);
    options.beta = 0.5;
    assert_int_equal(einjit_plan_cost(&added, context, graph, 2, in, &options, &err), EINJIT_OK);
    assert_true(added.steps == alone.steps && added.scratch_bytes <= alone.scratch_bytes);
    einjit_graph_destroy(graph);
}

static void several_results_and_open_extents(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[20 * 4], w[4 * 3], y[20 * 3], s[4];
    einjit_graph *graph = api_graph(context, "def f(x: f32[n, 4], w: f32[4, 3]):\n    return x @ w, sum(x, dim=0)\n");
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = "n", .beta = 1};
    einjit_kernel *kernel = NULL;
    api_fill(x, 20 * 4, 3);
    api_fill(w, 4 * 3, 5);
    for (int64_t n = 4; n <= 20; n += 8) {
        einjit_tensor in[] = {F32(x, n, 4), F32(w, 4, 3)}, out[] = {F32(y, n, 3), F32(s, 4)};
        for (int i = 0; i < 60; i++) y[i] = 100;
        for (int i = 0; i < 4; i++) s[i] = 1000;
        assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &options, &err), EINJIT_OK);
        assert_int_equal(einjit_kernel_open_count(kernel), 1);
        assert_int_equal(einjit_run(kernel, 2, in, 2, out, &err), EINJIT_OK);
        float product = 0, sum = 0;
        for (int k = 0; k < 4; k++) product += x[4 * (n - 1) + k] * w[3 * k + 2];
        for (int64_t i = 0; i < n; i++) sum += x[4 * i + 1];
        assert_true(y[3 * (n - 1) + 2] == 100 + product && s[1] == 1000 + sum);
        einjit_kernel_release(kernel);
    }
    einjit_graph_destroy(graph);
}

static void factors_are_part_of_the_signature_and_fit_the_dtype(void **state)
{
    CONTEXT_OR_SKIP(context);
    int32_t x[3] = {1, 2, 3}, y[3] = {10, 20, 30};
    uint8_t bits[3] = {0};
    einjit_graph *graph = api_graph(context, "def f(x):\n    return x * 2\n");
    einjit_graph *test = api_graph(context, "def f(x):\n    return x > 1\n");
    einjit_tensor in = TENSOR(x, EINJIT_I32, 3), out = TENSOR(y, EINJIT_I32, 3), mask = TENSOR(bits, EINJIT_BOOL, 3);
    einjit_compile_options options = {.struct_bytes = sizeof options, .alpha = 3, .beta = 1};
    assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &out, &options, &err), EINJIT_OK);
    assert_true(y[0] == 16 && y[2] == 48);
    options.beta = -1;
    assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &out, &options, &err), EINJIT_OK);
    assert_true(y[0] == -10 && y[2] == -30);
    options.beta = 0.5;
    assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &out, &options, &err), EINJIT_E_DTYPE);
    assert_string_equal(err.text, "beta is 0.5, and output 0 is i32");
    assert_int_equal(einjit_call_with(context, test, 1, &in, 1, &mask, &options, &err), EINJIT_E_DTYPE);
    einjit_graph_destroy(graph);
    einjit_graph_destroy(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(results_are_scaled_and_added),
        ON_BOTH(programs_of_any_number_of_inputs_are_added_to),
        ON_BOTH(no_temporary_is_made),
        ON_BOTH(several_results_and_open_extents),
        ON_BOTH(factors_are_part_of_the_signature_and_fit_the_dtype),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
