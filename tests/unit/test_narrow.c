/* test_narrow.c - f16 and bf16: every number widened and narrowed again, everything halfway between two of them, and
 * what programs round and do not round. On the interpreter, and on every row of the target table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "api_support.h"
#include "judge.h"
#include "target_support.h"

enum { ALL = 1 << 16 };

typedef struct narrow {
    int dtype, fraction, bias;
} narrow;
static const narrow formats[] = {{EINJIT_F16, 10, 15}, {EINJIT_BF16, 7, 127}};

static const char *cast_to(narrow f)
{
    return f.dtype == EINJIT_F16 ? "x.to(f16)" : "x.to(bf16)";
}

static bool is_nan(narrow f, uint16_t bits)
{
    return (bits & 0x7FFF) > (2 * f.bias + 1) << f.fraction;
}

static double value_of(narrow f, uint16_t bits)
{
    int exponent = bits >> f.fraction & (2 * f.bias + 1), rest = bits & ((1 << f.fraction) - 1);
    double x = exponent ? ldexp((1 << f.fraction) + rest, exponent - f.bias - f.fraction)
                        : ldexp(rest, 1 - f.bias - f.fraction);
    if (exponent == 2 * f.bias + 1) x = rest ? (double)NAN : (double)INFINITY;
    return bits >> 15 ? -x : x;
}

/* One operand, one result; `program` has %s for the operand's dtype. */
static void run(einjit_context *context, const char *program, int64_t n, const void *from, int dtype_from, void *to,
                int dtype_to)
{
    char text[300];
    einjit_graph *graph;
    einjit_error err;
    einjit_tensor in = {from, dtype_from, 1, &n, NULL}, out = {to, dtype_to, 1, &n, NULL};
    snprintf(text, sizeof text, "def f(x: %s[n]):\n    return %s\n", einjit_dtype_name(dtype_from), program);
    assert_int_equal(einjit_graph_parse(&graph, context, text, SIZE_MAX, &err), EINJIT_OK);
    if (einjit_call(context, graph, 1, &in, 1, &out, &err)) fail_msg("%s: %s", text, err.text);
    einjit_graph_destroy(graph);
}

static void on_all(void (*check)(einjit_context *context, narrow format))
{
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = row < 0 ? judge_context("interp", NULL) : judge_context("llvm", target_row(row));
        for (int f = 0; f < 2; f++) check(context, formats[f]);
        einjit_context_release(context);
    }
}

static void expect_bits(narrow f, int64_t n, const uint16_t *got, const uint16_t *want, const float *from)
{
    for (int64_t i = 0; i < n; i++) {
        bool same = is_nan(f, want[i]) ? is_nan(f, got[i]) : got[i] == want[i];
        if (!same) fail_msg("%s of %a: %04x, not %04x", einjit_dtype_name(f.dtype), (double)from[i], got[i], want[i]);
    }
}

static uint16_t bits[ALL], back[ALL];
static float wide[ALL];

static void check_round_trip(einjit_context *context, narrow f)
{
    for (int i = 0; i < ALL; i++) bits[i] = (uint16_t)i;
    run(context, "x.to(f32)", ALL, bits, f.dtype, wide, EINJIT_F32);
    for (int i = 0; i < ALL; i++) {
        double want = value_of(f, bits[i]), got = (double)wide[i];
        bool same = isnan(want) ? isnan(got) : got == want && signbit(got) == signbit(want);
        if (!same) fail_msg("%s %04x is %a, not %a", einjit_dtype_name(f.dtype), bits[i], got, want);
    }
    run(context, "x.to(f32) * 1.0", ALL, bits, f.dtype, wide, EINJIT_F32);
    run(context, cast_to(f), ALL, wide, EINJIT_F32, back, f.dtype);
    expect_bits(f, ALL, back, bits, wide);
}

static void every_number_is_widened_and_narrowed_again(void **state)
{
    (void)state;
    on_all(check_round_trip);
}

/* Halfway between neighbours, and the f32 below and above that; behind the largest number infinity begins. */
static void check_halves(einjit_context *context, narrow f)
{
    static float from[6 * (ALL / 2)];
    static uint16_t want[6 * (ALL / 2)], got[6 * (ALL / 2)];
    int64_t n = 0;
    int infinity = (2 * f.bias + 1) << f.fraction;
    for (int i = 0; i < infinity; i++) {
        double next = i + 1 < infinity ? value_of(f, (uint16_t)(i + 1)) : ldexp(1, f.bias + 1);
        float half = (float)((value_of(f, (uint16_t)i) + next) / 2);
        const float x[3] = {nextafterf(half, 0), half, nextafterf(half, INFINITY)};
        const int to[3] = {i, i + (i & 1), i + 1};
        for (int k = 0; k < 6; k++) {
            from[n] = k < 3 ? x[k] : -x[k - 3];
            want[n++] = (uint16_t)(to[k % 3] | (k < 3 ? 0 : 0x8000));
        }
    }
    run(context, cast_to(f), n, from, EINJIT_F32, got, f.dtype);
    expect_bits(f, n, got, want, from);
}

static void halves_go_to_the_even_neighbour(void **state)
{
    (void)state;
    on_all(check_halves);
}

/* By way of f32: a double is rounded twice. */
static void check_by_way_of_f32(einjit_context *context, narrow f)
{
    double unit = ldexp(1, -f.fraction), from[3] = {1 + unit / 2 + 0x1p-40, 1 + unit / 2 - 0x1p-40, 1e300};
    uint16_t got[3], one = (uint16_t)(f.bias << f.fraction);
    const uint16_t want[3] = {one, one, (uint16_t)((2 * f.bias + 1) << f.fraction)};
    run(context, cast_to(f), 3, from, EINJIT_F64, got, f.dtype);
    assert_memory_equal(got, want, sizeof want);
    int64_t whole[3] = {1, -3, INT64_MAX};
    double back_again[3];
    run(context, cast_to(f), 3, whole, EINJIT_I64, got, f.dtype);
    run(context, "x.to(f64)", 3, got, f.dtype, back_again, EINJIT_F64);
    assert_true(back_again[0] == 1 && back_again[1] == -3);
    assert_true(f.dtype == EINJIT_F16 ? isinf(back_again[2]) : back_again[2] == 0x1p63);
    const uint16_t mixed[3] = {0, 0x8000, (uint16_t)(one | 0x8000)};
    bool truth[3];
    int32_t numbers[3];
    run(context, "x.to(bool)", 3, mixed, f.dtype, truth, EINJIT_BOOL);
    run(context, "x.to(i32)", 3, mixed, f.dtype, numbers, EINJIT_I32);
    assert_true(!truth[0] && !truth[1] && truth[2]);
    assert_true(!numbers[0] && !numbers[1] && numbers[2] == -1);
}

static void conversions_go_by_way_of_f32(void **state)
{
    (void)state;
    on_all(check_by_way_of_f32);
}

/* 1 + unit / 2 is 1, stored or not; of an operator's own steps nothing is rounded. */
static void check_rounding(einjit_context *context, narrow f)
{
    uint16_t one = (uint16_t)(f.bias << f.fraction), x[2] = {one, one}, got[2], sum;
    char program[100];
    int64_t n = 2;
    double half = ldexp(1, -f.fraction - 1);
    snprintf(program, sizeof program, "(x + %.17g) + %.17g", half, half);
    run(context, program, 2, x, f.dtype, got, f.dtype);
    assert_true(got[0] == one && got[1] == one);
    enum { TERMS = 3000 };
    static uint16_t many[TERMS];
    const int64_t terms = TERMS;
    einjit_tensor in = {many, f.dtype, 1, &terms, NULL}, out = {&sum, f.dtype, 0, NULL, NULL};
    for (int i = 0; i < TERMS; i++) many[i] = one;
    assert_int_equal(einjit_einsum(context, "i->", 1, &in, &out, NULL), EINJIT_OK);
    double rounded = f.dtype == EINJIT_F16 ? 3000 : 3008;
    assert_true(value_of(f, sum) == rounded);
    einjit_tensor pair[2] = {{x, f.dtype, 1, &n, NULL}, {x, f.dtype, 1, &n, NULL}},
                  product = {got, f.dtype, 1, &n, NULL};
    assert_int_equal(einjit_einsum(context, "i,i->i", 2, pair, &product, NULL), EINJIT_OK);
    assert_true(got[0] == one && got[1] == one);
}

static void each_operator_rounds_once(void **state)
{
    (void)state;
    on_all(check_rounding);
}

static void check_moves(einjit_context *context, narrow f)
{
    for (int i = 0; i < ALL; i++) bits[i] = (uint16_t)i;
    const int64_t shape[2] = {256, 256};
    einjit_tensor in = {bits, f.dtype, 2, shape, NULL}, out = {back, f.dtype, 2, shape, NULL};
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &in, &out, NULL), EINJIT_OK);
    for (int i = 0; i < ALL; i++) {
        uint16_t want = (uint16_t)(i % 256 * 256 + i / 256);
        assert_true(is_nan(f, want) ? is_nan(f, back[i]) : back[i] == want);
    }
}

static void what_moves_elements_rounds_nothing(void **state)
{
    (void)state;
    on_all(check_moves);
}

/* ---- what passes rewrite, and gradients divide by ---- */

enum { MOST_IN = 4, MANY = 70000 }; /* more than f16 counts */

/* Of a number that f16 has, normal or 0. */
static uint16_t half_of(double x)
{
    int exponent;
    double part = frexp(x, &exponent);
    return x > 0 ? (uint16_t)(((exponent + 14) << 10) + (int)ldexp(part - 0.5, 11)) : 0;
}

/* All elements of the first result. */
static void expect_all(einjit_context *context, einjit_graph *graph, const char *text, size_t n_in,
                       const einjit_tensor *in, uint16_t want)
{
    static uint16_t got[MANY];
    einjit_shapes *shapes;
    einjit_error err;
    const int64_t *shape;
    int dtype, rank;
    int64_t n = 1;
    assert_int_equal(einjit_shapes_infer(&shapes, graph, n_in, in, &err), EINJIT_OK);
    assert_int_equal(einjit_shapes_output(shapes, 0, &dtype, &rank, &shape, &err), EINJIT_OK);
    assert_int_equal(dtype, EINJIT_F16);
    for (int a = 0; a < rank; a++) n *= shape[a];
    assert_true(n <= MANY);
    einjit_tensor out = {got, EINJIT_F16, rank, shape, NULL};
    if (einjit_call(context, graph, n_in, in, 1, &out, &err)) fail_msg("%s: %s", text, err.text);
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want) fail_msg("%s: %04x, not %04x", text, got[i], want);
    einjit_shapes_destroy(shapes);
}

/* The result of a program of f16 whose inputs are shapes full of one number, a list of indices 0 behind them. */
typedef struct ranged {
    const char *program;
    int n_in;
    int64_t shape[MOST_IN][2];
    double fill[MOST_IN], want;
} ranged;

/* As written, none of these leaves the range of f16; with factors, or operands, added or multiplied first, each
 * does. */
static const ranged in_range[] = {
    {"a: f16[i, k], b: f16[i, k], c: f16[k, j]|a @ c + b @ c",
     3,
     {{2, 4}, {2, 4}, {4, 3}},
     {60000, 60000, 0x1p-8},
     1875},
    {"a: f16[i, k], b: f16[i, k], c: f16[i, k]|a * c - (-b) * c",
     3,
     {{2, 4}, {2, 4}, {2, 4}},
     {60000, 60000, 0.25},
     30000},
    {"v: f16[4, k], w: f16[k, j], s: i64[4]|index_add(1, 0, s, einsum('ei,io->eo', v, w))",
     2,
     {{4, 2}, {2, 3}},
     {40000, 0x1p-6},
     5000},
    {"x: f16[1, k], w: f16[k, j], h: f16[4, j], s: i64[4]|einsum('ei,io,eo->eo', x[s], w, h)",
     3,
     {{1, 2}, {2, 3}, {4, 3}},
     {60000, 16, 0x1p-10},
     1875},
    {"x: f16[i, k]|einsum(',ij,->ji', 300, x, 300.0)", 1, {{2, 3}}, {0x1p-7}, 703},
    {"x: f16[i, k]|x * 0.0078125 * 512.0", 1, {{2, 3}}, {256}, 1024},
    {"x: f16[i, 1]|var(cat([x, -x], 0), 0)", 1, {{MANY / 2, 1}}, {3}, 9},
    {"x: f16[i, 1]|std(cat([x, -x], 0), 0, correction=0)", 1, {{MANY / 2, 1}}, {3}, 3},
};

static void check_range(einjit_context *context, narrow f)
{
    static uint16_t memory[MOST_IN][MANY];
    static const int64_t indices[4] = {0}, four = 4;
    if (f.dtype != EINJIT_F16) return;
    for (size_t k = 0; k < sizeof in_range / sizeof *in_range; k++) {
        const ranged *r = &in_range[k];
        const char *body = strchr(r->program, '|');
        char text[300];
        einjit_tensor in[MOST_IN + 1];
        for (int i = 0; i < r->n_in; i++) {
            for (int64_t e = 0; e < r->shape[i][0] * r->shape[i][1]; e++) memory[i][e] = half_of(r->fill[i]);
            in[i] = (einjit_tensor){memory[i], EINJIT_F16, 2, r->shape[i], NULL};
        }
        in[r->n_in] = (einjit_tensor){indices, EINJIT_I64, 1, &four, NULL};
        snprintf(text, sizeof text, "def f(%.*s):\n    return %s\n", (int)(body - r->program), r->program, body + 1);
        einjit_graph *graph = api_graph(context, text);
        expect_all(context, graph, text, (size_t)r->n_in + (strstr(text, "i64") != NULL), in, half_of(r->want));
        einjit_graph_destroy(graph);
    }
}

static void rewritten_programs_stay_in_the_range_of_f16(void **state)
{
    (void)state;
    on_all(check_range);
}

/* The adjoint of each element is 1 / MANY, whose divisor f16 does not have; of an input that leaves its dtype open,
 * too. */
static void check_gradient(einjit_context *context, narrow f)
{
    static const char *const programs[] = {"def f(x: f16[n]):\n    return mean(x) * 35000.0\n",
                                           "def f(x):\n    return mean(x) * 35000.0\n"};
    static uint16_t x[MANY], got[MANY];
    uint16_t mean;
    const int64_t many = MANY;
    const einjit_tensor in = {x, EINJIT_F16, 1, &many, NULL};
    if (f.dtype != EINJIT_F16) return;
    for (int k = 0; k < 2; k++) {
        einjit_graph *graph = api_graph(context, programs[k]);
        einjit_value y = einjit_graph_output_value(graph, 0), by = einjit_graph_value(graph, "x"), gradient;
        einjit_error err;
        assert_int_equal(einjit_graph_gradient(&gradient, graph, 1, &y, NULL, 1, &by, &err), EINJIT_OK);
        assert_int_equal(einjit_graph_output(graph, gradient, &err), EINJIT_OK);
        einjit_tensor out[2] = {{&mean, EINJIT_F16, 0, NULL, NULL}, {got, EINJIT_F16, 1, &many, NULL}};
        assert_int_equal(einjit_call(context, graph, 1, &in, 2, out, &err), EINJIT_OK);
        for (int i = 0; i < MANY; i++) assert_int_equal(got[i], half_of(0.5));
        einjit_graph_destroy(graph);
    }
}

static void gradients_of_means_divide_by_large_counts(void **state)
{
    (void)state;
    on_all(check_gradient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_widened_and_narrowed_again),
        cmocka_unit_test(halves_go_to_the_even_neighbour),
        cmocka_unit_test(conversions_go_by_way_of_f32),
        cmocka_unit_test(each_operator_rounds_once),
        cmocka_unit_test(what_moves_elements_rounds_nothing),
        cmocka_unit_test(rewritten_programs_stay_in_the_range_of_f16),
        cmocka_unit_test(gradients_of_means_divide_by_large_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
