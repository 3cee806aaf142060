/* test_opt_wrong.c - programs that an optimizer of einsums is known to get wrong without a word: right here, with all
 * passes, on both backends. The numbers are worked out by hand; they are what torch gives for the program as
 * written. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

enum { N = 3, MOST_RESULTS = 4 };
static float x[N] = {1, -2, 4}, y[N] = {8, -4, 2}, tiny[N] = {1e-30f, 1e-30f, 1e-30f}, huge_[N] = {1e30f, 1e30f, 1e30f};
static int32_t counts[N] = {1, 2, 3}, big[N] = {65536, 65537, -65536};

/* Results of floats: `n` of them, their sizes (0: rank 0) and numbers one behind the other. */
static void check(einjit_context *context, const char *body, int n, const int *sizes, const float *want)
{
    char program[1000];
    einjit_error err = {0};
    einjit_tensor out[MOST_RESULTS];
    int64_t shapes[MOST_RESULTS];
    float got[64];
    size_t at = 0;
    snprintf(program, sizeof program, "def forward(x: f32[i], y: f32[i], tiny: f32[i], huge: f32[i], s: f32[()]):\n%s",
             body);
    memset(got, 0xFF, sizeof got);
    for (int i = 0; i < n; i++) {
        shapes[i] = sizes[i];
        out[i] = (einjit_tensor){got + at, EINJIT_F32, sizes[i] > 0, &shapes[i], NULL};
        at += sizes[i] ? (size_t)sizes[i] : 1;
    }
    static float s = 0.5f;
    const einjit_tensor in[] = {F32(x, N), F32(y, N), F32(tiny, N), F32(huge_, N), SCALAR(&s, EINJIT_F32)};
    einjit_graph *graph = api_graph(context, program);
    if (einjit_call(context, graph, 5, in, (size_t)n, out, &err)) fail_msg("%s%s", program, err.text);
    for (size_t i = 0; i < at; i++)
        if (!(got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))))
            fail_msg("%sgives %g, not %g (number %zu)", program, (double)got[i], (double)want[i], i);
    einjit_graph_destroy(graph);
}

#define CHECK(body, n, sizes, ...) check(context, body, n, (const int[])sizes, (const float[]){__VA_ARGS__})
#define SIZES(...) {__VA_ARGS__}

/* ---- 1: an operand used twice ---- */

static void a_scaled_value_used_twice_counts_twice(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    a = 2 * x\n    return einsum('i,i->', a, a), a * a\n", 2, SIZES(0, N), 84, 4, 16, 64);
    CHECK("    a = x / 2\n    return einsum('i,i,i->', a, a, a)\n", 1, SIZES(0), 57.0f / 8);
    CHECK("    a = s * x\n    return einsum('i,i->i', a, a)\n", 1, SIZES(N), 0.25f, 1, 4);
    CHECK("    a = -x\n    return a * a, a * a * a\n", 2, SIZES(N, N), 1, 4, 16, -1, 8, -64);
}

/* ---- 2: denominators ---- */

static void a_denominator_is_not_linear(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    return y / (2 * x), 5 / (2 * x)\n", 2, SIZES(N, N), 4, 1, 0.25f, 2.5f, -1.25f, 0.625f);
    CHECK("    return einsum('i->', y / (x / 4)), 1 / (x * s)\n", 2, SIZES(0, N), 42, 2, -1, 0.5f);
    CHECK("    return y / (s * x) / s, reciprocal(4 * x)\n", 2, SIZES(N, N), 32, 8, 2, 0.25f, -0.125f, 0.0625f);
}

/* ---- 3: several users ---- */

static void every_user_of_a_scaled_value_sees_it_scaled(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    y2 = 3 * y\n    a = 2 * x\n    return einsum('i,i->', a, y2), a.sum()\n", 2, SIZES(0, 0), 144, 6);
    CHECK("    a = 2 * x\n    return a, a.sum(), relu(a) + y, a * a\n", 4, SIZES(N, 0, N, N), 2, -4, 8, 6, 10, -4, 10,
          4, 16, 64);
    CHECK("    a = 2 * x\n    b = a + 2 * y\n    return b - a, b.sum(), square(b)\n", 3, SIZES(N, 0, N), 16, -8, 4, 18,
          324, 144, 144);
    CHECK("    a = s * x\n    b = einsum('i,j->ij', a, y)\n    return b.sum(1), a.sum()\n", 2, SIZES(N, 0), 3, -6, 12,
          1.5f);
}

/* ---- 4: division with rounding ---- */

static void a_rounding_division_is_not_a_scaling(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    return div(x, 4, rounding_mode='floor') * 4\n", 1, SIZES(N), 0, -4, 4);
    CHECK("    return div(x, 4, rounding_mode='trunc') * 4\n", 1, SIZES(N), 0, 0, 4);
    CHECK("    return (3 * x) // 2, einsum('i->', x // 4)\n", 2, SIZES(N, 0), 1, -3, 6, 0);
}

/* ---- 5: names ---- */

static void a_name_is_not_an_operation(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    mul = exp(x - x) + y\n    permute = relu(mul)\n    einsum_1 = 2 * permute\n    return einsum_1, "
          "mul.mul(other=2)\n",
          2, SIZES(N, N), 18, 0, 6, 18, -6, 6);
}

/* ---- 6: dtypes ---- */

static void check_integers(einjit_context *context, const char *expression, int dtype, const void *want)
{
    char program[300];
    double got[N]; /* room for any dtype */
    einjit_error err = {0};
    snprintf(program, sizeof program, "def forward(n: i32[i], big: i32[i]):\n    return %s\n", expression);
    einjit_graph *graph = api_graph(context, program);
    const einjit_tensor in[] = {TENSOR(counts, EINJIT_I32, N), TENSOR(big, EINJIT_I32, N)};
    if (einjit_call(context, graph, 2, in, 1, &TENSOR(got, dtype, N), &err)) fail_msg("%s: %s", expression, err.text);
    assert_memory_equal(got, want, N * einjit_dtype_bytes(dtype)); /* another dtype would have been refused */
    einjit_graph_destroy(graph);
}

static void integers_stay_integers_and_floats_floats(void **state)
{
    CONTEXT_OR_SKIP(context);
    check_integers(context, "n * n * 2", EINJIT_I32, (const int32_t[]){2, 8, 18});
    check_integers(context, "big * big * 2", EINJIT_I32, (const int32_t[]){0, 262146, 0});
    check_integers(context, "n * 0.5 * 2", EINJIT_F64, (const double[]){1, 2, 3});
    check_integers(context, "einsum('i,i->i', n * 0.5, n) * 2", EINJIT_F64, (const double[]){1, 4, 9});
    check_integers(context, "n * 1.0", EINJIT_F64, (const double[]){1, 2, 3});
    check_integers(context, "-(-n)", EINJIT_I32, (const int32_t[]){1, 2, 3});
    check_integers(context, "n / 2", EINJIT_F64, (const double[]){0.5, 1, 1.5});
    check_integers(context, "(big * 65536) * 0.5", EINJIT_F64, (const double[]){0, 32768, 0});
}

/* ---- 7: magnitudes ---- */

static void collected_numbers_neither_overflow_nor_vanish(void **state)
{
    CONTEXT_OR_SKIP(context);
    const float up = 1e30f, down = 1e-30f, one = 1e-30f * 1e30f;
    CHECK("    return tiny * 1e30 * 1e30, huge * 1e-30 * 1e-30\n", 2, SIZES(N, N), one * up, one * up, one * up,
          one * down, one * down, one * down);
    CHECK("    return (huge * 1e-30 + x) * 2\n", 1, SIZES(N), (one + 1) * 2, (one - 2) * 2, (one + 4) * 2);
    CHECK("    return relu(huge * 1e-30) * 1e30\n", 1, SIZES(N), one * up, one * up, one * up);
    CHECK("    return einsum('i,i->i', tiny * 1e30, huge * 1e-30)\n", 1, SIZES(N), one * one, one * one, one * one);
}

static void numbers_are_collected_in_double(void **state)
{
    CONTEXT_OR_SKIP(context);
    float single = 1, whole = (float)(1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1);
    for (int i = 0; i < 9; i++) single *= 1.1f;
    assert_true(single != whole);
    CHECK("    return x * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1 * 1.1\n", 1, SIZES(N), whole, -2 * whole,
          4 * whole);
    CHECK("    return x / 3.0 * 3.0 * 2.0, x * 0.1 * 10.0\n", 2, SIZES(N, N), 2, -4, 8, 1, -2, 4);
}

static void division_by_zero_gives_what_it_says(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    return x / 0.0, (x - x) / 0.0\n", 2, SIZES(N, N), INFINITY, -INFINITY, INFINITY, NAN, NAN, NAN);
    CHECK("    return 2 * (x / 0.0), (2 * x) * 0.0 / 0.0\n", 2, SIZES(N, N), INFINITY, -INFINITY, INFINITY, NAN, NAN,
          NAN);
}

static void arguments_may_be_named(void **state)
{
    CONTEXT_OR_SKIP(context);
    CHECK("    return x.mul(other=2), mul(input=x, other=y), x.div(other=2).sum(dim=0)\n", 3, SIZES(N, N, 0), 2, -4, 8,
          8, 8, 8, 1.5f);
}

/* Also where a factor would only pass one that is too large to move. */
static void no_factor_passes_an_extreme_one(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char *const programs[] = {"x * 1e-3 * 3e38", "3e38 * (x * 0.001)",
                                           "einsum(\"i,->i\", x * 0.001, 3e38)", "(x * 1000.0) * 1e-38 * 1e-3 * 1e38"};
    float value[1] = {10}, got[1], expected[] = {3e36f, 3e36f, 3e36f, 10};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char text[200];
        einjit_error err = {0};
        snprintf(text, sizeof text, "def f(x: f32[n]):\n    return %s\n", programs[i]);
        einjit_graph *graph = api_graph(context, text);
        einjit_tensor in = F32(value, 1), out = F32(got, 1);
        if (einjit_call(context, graph, 1, &in, 1, &out, &err)) print_error("%s\n", err.text);
        if (!(fabsf(got[0] / expected[i] - 1) < 1e-3f))
            print_error("%s: %g, not %g\n", programs[i], (double)got[0], (double)expected[i]);
        assert_true(fabsf(got[0] / expected[i] - 1) < 1e-3f);
        einjit_graph_destroy(graph);
    }
}

/* ---- 8: the contract of einjit.h ---- */

typedef struct scalar_case {
    const char *body;
    float x, y, b, want;
} scalar_case;

/* x and y are vectors of one number each, b and c of rank 0. */
static void run_scalars(einjit_context *context, const scalar_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[300];
        einjit_error err = {0};
        float numbers[4] = {cases[i].x, cases[i].y, cases[i].b, -cases[i].b}, got[1];
        snprintf(text, sizeof text, "def f(x: f32[n], y: f32[n], b: f32[()], c: f32[()]):\n    return %s\n",
                 cases[i].body);
        einjit_graph *graph = api_graph(context, text);
        const einjit_tensor in[4] = {F32(numbers, 1), F32(numbers + 1, 1), SCALAR(numbers + 2, EINJIT_F32),
                                     SCALAR(numbers + 3, EINJIT_F32)};
        if (einjit_call(context, graph, 4, in, 1, &SCALAR(got, EINJIT_F32), &err))
            fail_msg("%s: %s", cases[i].body, err.text);
        bool same = got[0] == cases[i].want || fabsf(got[0] / cases[i].want - 1) < 1e-5f;
        if (!same) fail_msg("%s: %g, not %g", cases[i].body, (double)got[0], (double)cases[i].want);
        einjit_graph_destroy(graph);
    }
}

static void run_time_scalars_are_not_multiplied_with_each_other(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const scalar_case cases[] = {
        {"(x * b * b).sum()", 1e30f, 1, 1e-25f, 1e-20f},
        {"(x * b * b).sum()", 1e-30f, 1, 1e20f, 1e10f},
        {"einsum(\"i->\", x * b) * b", 1e30f, 1, 1e-25f, 1e-20f},
        {"einsum(\"i->\", x * b) * b", 1e-30f, 1, 1e20f, 1e10f},
        {"(x * b) @ (y * b)", 1e15f, 1e15f, 1e-25f, 1e-20f},
        {"einsum(\",,i->\", b, b, x)", 1e30f, 1, 1e-25f, 1e-20f},
        {"einsum(\",i,,i->\", b, x, c, y)", 1e15f, 1e15f, 1e-25f, -1e-20f},
        {"(x / b / b).sum()", 1e-30f, 1, 1e-25f, 1e20f},
        {"(x / b).sum() / b", 1e-30f, 1, 1e-25f, 1e20f},
        {"(x * b / b).sum()", 1e-10f, 1, 1e38f, 1e-10f},
        {"(b * x + b * x).sum() * b", 1e30f, 1, 1e-25f, 2e-20f},
        {"square(b * x).sum()", 1e15f, 1, 1e-25f, 1e-20f},
        {"(x / b * 1e-6).sum()", 1e38f, 1, 3e38f, 1e-6f / 3},
    };
    run_scalars(context, cases, sizeof cases / sizeof *cases);
}

/* However many they are, together they stay within 2^20 of where the program has them. */
static void numbers_move_within_bounds_together(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const scalar_case cases[] = {
        /* the least value is 1e-31, the largest 1e31; without the numbers 1e-43 and 1e43 */
        {"einsum(\"i,i->\", einsum(\"i,i->i\", einsum(\"i,i->i\", x, y) * 1e6, y) * 1e6, y) * 1e6", 1e-13f, 1e-10f, 1,
         1e-25f},
        {"einsum(\"i,i->\", einsum(\"i,i->i\", einsum(\"i,i->i\", x, y) / 1e6, y) / 1e6, y) / 1e6", 1e13f, 1e10f, 1,
         1e25f},
    };
    run_scalars(context, cases, sizeof cases / sizeof *cases);
}

/* Sums that come to exactly zero. */
static void signs_of_zeros_stay_where_something_divides(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char *const programs[] = {"1 / ((-b) @ c)",
                                           "1 / ((s * b) @ c)",
                                           "1 / -((-b) @ c)",
                                           "reciprocal((-b - -b) @ c)",
                                           "s / einsum(\"i->\", -b * c)",
                                           "((-b) @ c) ** -1",
                                           "1 / (-b + b).sum()",
                                           "s * (1 / (s * (b @ c)))",
                                           "1 / einsum(\"i,,i->\", b, s, c)",
                                           "1 / ((b @ c) * s)",
                                           "1 / (b[0] * c[0] * s - b[0] * c[0] * s)",
                                           "1 / (s * (b[0] * c[0] + b[1] * c[1]))",
                                           "1 / (b[0] * s + b[1] * s * -1)"};
    static const double want[] = {INFINITY, INFINITY, -INFINITY, INFINITY, -INFINITY, INFINITY, INFINITY,
                                  INFINITY, INFINITY, -INFINITY, INFINITY, -INFINITY, INFINITY};
    static float b[2] = {1, 1}, c[2] = {1, -1}, s = -2;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char text[200];
        einjit_error err = {0};
        float got[1];
        snprintf(text, sizeof text, "def f(b: f32[n], c: f32[n], s: f32[()]):\n    return %s\n", programs[i]);
        einjit_graph *graph = api_graph(context, text);
        const einjit_tensor in[3] = {F32(b, 2), F32(c, 2), SCALAR(&s, EINJIT_F32)};
        if (einjit_call(context, graph, 3, in, 1, &SCALAR(got, EINJIT_F32), &err))
            fail_msg("%s: %s", programs[i], err.text);
        if ((double)got[0] != want[i]) fail_msg("%s: %g, not %g", programs[i], (double)got[0], want[i]);
        einjit_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(no_factor_passes_an_extreme_one),
        ON_BOTH(a_scaled_value_used_twice_counts_twice),
        ON_BOTH(a_denominator_is_not_linear),
        ON_BOTH(every_user_of_a_scaled_value_sees_it_scaled),
        ON_BOTH(a_rounding_division_is_not_a_scaling),
        ON_BOTH(a_name_is_not_an_operation),
        ON_BOTH(integers_stay_integers_and_floats_floats),
        ON_BOTH(collected_numbers_neither_overflow_nor_vanish),
        ON_BOTH(numbers_are_collected_in_double),
        ON_BOTH(division_by_zero_gives_what_it_says),
        ON_BOTH(arguments_may_be_named),
        ON_BOTH(run_time_scalars_are_not_multiplied_with_each_other),
        ON_BOTH(numbers_move_within_bounds_together),
        ON_BOTH(signs_of_zeros_stay_where_something_divides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
