/* ej_scalar_*: what every function means at its corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nest.h"

static const ej_scalar none = {0};

static ej_scalar whole(int64_t x)
{
    return (ej_scalar){.integer = x};
}

static ej_scalar real(double x)
{
    return (ej_scalar){.re = x};
}

static int64_t int_fn(int fn, int dtype, int64_t a, int64_t b)
{
    return ej_scalar_fn(fn, dtype, dtype, whole(a), whole(b), none).integer;
}

static double real_fn(int fn, int dtype, double a, double b)
{
    return ej_scalar_fn(fn, dtype, dtype, real(a), real(b), none).re;
}

static double f64(int fn, double a, double b)
{
    return real_fn(fn, EINJIT_F64, a, b);
}

static void assert_same(double a, double b) /* signs of zeros count, NaNs are alike */
{
    if (isnan(b)) {
        assert_true(isnan(a));
        return;
    }
    if (a != b || signbit(a) != signbit(b)) fail_msg("%.17g is not %.17g", a, b);
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-14 * fabs(b))) fail_msg("%.17g is not %.17g", a, b);
}

static void load_and_store_keep_every_dtype(void **state)
{
    (void)state;
    unsigned char from[16], to[16];
    static const int dtypes[] = {EINJIT_I32, EINJIT_I64, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128};
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        for (size_t i = 0; i < 16; i++) from[i] = (unsigned char)(0x40 + 3 * i + d);
        memset(to, 0, sizeof to);
        ej_scalar_store(dtypes[d], to, ej_scalar_load(dtypes[d], from));
        assert_memory_equal(from, to, ej_dtypes[dtypes[d]].bytes);
        for (size_t i = ej_dtypes[dtypes[d]].bytes; i < 16; i++) assert_int_equal(to[i], 0);
    }
    from[0] = 7;
    assert_int_equal(ej_scalar_load(EINJIT_BOOL, from).integer, 1);
    ej_scalar_store(EINJIT_BOOL, to, whole(1));
    assert_int_equal(to[0], 1);
}

static void integers_wrap(void **state)
{
    (void)state;
    assert_int_equal(int_fn(EJ_FN_ADD, EINJIT_I32, INT32_MAX, 1), INT32_MIN);
    assert_int_equal(int_fn(EJ_FN_ADD, EINJIT_I64, INT64_MAX, 1), INT64_MIN);
    assert_int_equal(int_fn(EJ_FN_SUB, EINJIT_I32, INT32_MIN, 1), INT32_MAX);
    assert_int_equal(int_fn(EJ_FN_MUL, EINJIT_I32, 65536, 65536), 0);
    assert_int_equal(int_fn(EJ_FN_MUL, EINJIT_I64, INT64_MIN, -1), INT64_MIN);
    assert_int_equal(int_fn(EJ_FN_NEG, EINJIT_I32, INT32_MIN, 0), INT32_MIN);
    assert_int_equal(int_fn(EJ_FN_ABS, EINJIT_I64, INT64_MIN, 0), INT64_MIN);
    assert_int_equal(int_fn(EJ_FN_ABS, EINJIT_I32, -5, 0), 5);
    assert_int_equal(int_fn(EJ_FN_SQUARE, EINJIT_I32, 46341, 0), (int32_t)2147488281u);
}

static void integer_division_is_defined_everywhere(void **state)
{
    (void)state;
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I32, -7, 2), -4);
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I32, 7, -2), -4);
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I32, -8, 2), -4);
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I32, 7, 0), 0);
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I32, INT32_MIN, -1), INT32_MIN);
    assert_int_equal(int_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_I64, INT64_MIN, -1), INT64_MIN);
    assert_int_equal(int_fn(EJ_FN_TRUNC_DIVIDE, EINJIT_I64, -7, 2), -3);
    assert_int_equal(int_fn(EJ_FN_TRUNC_DIVIDE, EINJIT_I64, INT64_MIN, -1), INT64_MIN);
    assert_int_equal(int_fn(EJ_FN_TRUNC_DIVIDE, EINJIT_I64, 7, 0), 0);
}

static void integer_power_wraps_and_truncates(void **state)
{
    (void)state;
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I32, 3, 4), 81);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I32, -2, 3), -8);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I32, 0, 0), 1);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I32, 2, 32), 0);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, 3, 41), -420491770248316829);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, 1, -5), 1);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, -1, -5), -1);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, -1, -4), 1);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, 2, -1), 0);
    assert_int_equal(int_fn(EJ_FN_POW, EINJIT_I64, 0, -1), 0);
}

static void f32_is_rounded_once_per_operation(void **state)
{
    (void)state;
    for (int i = 1; i < 2000; i++) {
        volatile float a = (float)(i * 0.7310001), b = (float)(3.1 / i + 0.01);
        volatile float sum = a + b, product = a * b, quotient = a / b, difference = a - b;
        assert_true(real_fn(EJ_FN_ADD, EINJIT_F32, a, b) == sum);
        assert_true(real_fn(EJ_FN_SUB, EINJIT_F32, a, b) == difference);
        assert_true(real_fn(EJ_FN_MUL, EINJIT_F32, a, b) == product);
        assert_true(real_fn(EJ_FN_DIV, EINJIT_F32, a, b) == quotient);
        assert_true(real_fn(EJ_FN_SQRT, EINJIT_F32, a, 0) == sqrtf(a));
    }
    assert_true(isinf(real_fn(EJ_FN_MUL, EINJIT_F32, 3e38f, 2)));
}

static void float_floor_division_is_numpys(void **state)
{
    (void)state;
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, 7, 2), 3);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, -7, 2), -4);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, 1, 0.1), 9); /* floor(1 / 0.1) would be 10 */
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, -1, INFINITY), -1);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, 1, INFINITY), 0);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, -0.0, 3), -0.0);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, 3, 0), INFINITY);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, -3, 0), -INFINITY);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, 0, 0), NAN);
    assert_same(f64(EJ_FN_FLOOR_DIVIDE, INFINITY, 2), NAN);
    assert_same(real_fn(EJ_FN_FLOOR_DIVIDE, EINJIT_F32, 1, 0.1f), 9);
    assert_same(f64(EJ_FN_TRUNC_DIVIDE, -7, 2), -3);
    assert_same(f64(EJ_FN_TRUNC_DIVIDE, 1, 0), INFINITY);
}

static void nan_goes_through_order(void **state)
{
    (void)state;
    assert_same(f64(EJ_FN_MAXIMUM, NAN, 1), NAN);
    assert_same(f64(EJ_FN_MAXIMUM, 1, NAN), NAN);
    assert_same(f64(EJ_FN_MINIMUM, NAN, 1), NAN);
    assert_same(f64(EJ_FN_MINIMUM, 1, NAN), NAN);
    assert_same(f64(EJ_FN_MAXIMUM, 1, 2), 2);
    assert_same(f64(EJ_FN_MINIMUM, 1, 2), 1);
    assert_same(f64(EJ_FN_RELU, NAN, 0), NAN);
    assert_same(f64(EJ_FN_RELU, -3, 0), 0);
    assert_same(f64(EJ_FN_RELU, 3, 0), 3);
    assert_same(f64(EJ_FN_SIGN, NAN, 0), NAN);
    assert_same(f64(EJ_FN_SIGN, -2, 0), -1);
    assert_same(f64(EJ_FN_SIGN, 0, 0), 0);
}

static void real_functions_have_their_values(void **state)
{
    (void)state;
    static const struct {
        int fn;
        double x, want;
    } cases[] = {
        {EJ_FN_NEG, 0, -0.0},
        {EJ_FN_ABS, -2, 2},
        {EJ_FN_EXP, 0, 1},
        {EJ_FN_LOG, 1, 0},
        {EJ_FN_LOG, -1, NAN},
        {EJ_FN_LOG, 0, -INFINITY},
        {EJ_FN_LOG1P, 1e-20, 1e-20},
        {EJ_FN_EXPM1, 1e-20, 1e-20},
        {EJ_FN_SQRT, 9, 3},
        {EJ_FN_SQRT, -1, NAN},
        {EJ_FN_RSQRT, 4, 0.5},
        {EJ_FN_RSQRT, 0, INFINITY},
        {EJ_FN_SIN, 0, 0},
        {EJ_FN_COS, 0, 1},
        {EJ_FN_TAN, 0, 0},
        {EJ_FN_TANH, 1000, 1},
        {EJ_FN_SIGMOID, 0, 0.5},
        {EJ_FN_SIGMOID, -1000, 0},
        {EJ_FN_SIGMOID, 1000, 1},
        {EJ_FN_SIGMOID, NAN, NAN},
        {EJ_FN_GELU, 0, 0},
        {EJ_FN_GELU, 40, 40},
        {EJ_FN_SILU, 0, 0},
        {EJ_FN_SILU, 1000, 1000},
        {EJ_FN_SOFTPLUS, 1000, 1000},
        {EJ_FN_SOFTPLUS, -1000, 0},
        {EJ_FN_SOFTPLUS, NAN, NAN},
        {EJ_FN_ERF, 0, 0},
        {EJ_FN_ERF, 100, 1},
        {EJ_FN_RECIPROCAL, 4, 0.25},
        {EJ_FN_SQUARE, -3, 9},
        {EJ_FN_FLOOR, -1.5, -2},
        {EJ_FN_CEIL, -1.5, -1},
        {EJ_FN_ROUND, 2.5, 2},
        {EJ_FN_ROUND, 3.5, 4},
        {EJ_FN_ROUND, -0.5, -0.0},
        {EJ_FN_CONJ, 5, 5},
        {EJ_FN_REAL, 5, 5},
        {EJ_FN_IMAG, 5, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_same(f64(cases[i].fn, cases[i].x, 0), cases[i].want);
    assert_near(f64(EJ_FN_GELU, 1, 0), 0.8413447460685429);
    assert_near(f64(EJ_FN_GELU, -5, 0), -5 * 2.866515718791939e-07);
    assert_near(f64(EJ_FN_SIGMOID, 2, 0), 1 / (1 + exp(-2.0)));
    assert_near(f64(EJ_FN_SILU, -2, 0), -2 / (1 + exp(2.0)));
    assert_near(f64(EJ_FN_SOFTPLUS, 1, 0), log(1 + exp(1.0)));
    assert_same(f64(EJ_FN_POW, 2, 0.5), sqrt(2));
    assert_same(f64(EJ_FN_POW, NAN, 0), 1);
}

static void assert_complex(ej_scalar v, double re, double im)
{
    assert_same(v.re, re);
    assert_same(v.im, im);
}

static void complex_numbers_follow_the_plain_formulas(void **state)
{
    (void)state;
    int d = EINJIT_C128;
    ej_scalar a = {.re = 3, .im = 4}, b = {.re = 1, .im = -2};
    assert_complex(ej_scalar_fn(EJ_FN_ADD, d, d, a, b, none), 4, 2);
    assert_complex(ej_scalar_fn(EJ_FN_SUB, d, d, a, b, none), 2, 6);
    assert_complex(ej_scalar_fn(EJ_FN_MUL, d, d, a, b, none), 11, -2);
    assert_complex(ej_scalar_fn(EJ_FN_DIV, d, d, a, b, none), -1, 2);
    assert_complex(ej_scalar_fn(EJ_FN_NEG, d, d, a, none, none), -3, -4);
    assert_complex(ej_scalar_fn(EJ_FN_CONJ, d, d, a, none, none), 3, -4);
    assert_complex(ej_scalar_fn(EJ_FN_SQUARE, d, d, a, none, none), -7, 24);
    assert_complex(ej_scalar_fn(EJ_FN_RECIPROCAL, d, d, (ej_scalar){.im = 2}, none, none), 0, -0.5);
    assert_same(ej_scalar_fn(EJ_FN_ABS, d, EINJIT_F64, a, none, none).re, 5);
    assert_same(ej_scalar_fn(EJ_FN_REAL, d, EINJIT_F64, a, none, none).re, 3);
    assert_same(ej_scalar_fn(EJ_FN_IMAG, d, EINJIT_F64, a, none, none).re, 4);
    ej_scalar e = ej_scalar_fn(EJ_FN_EXP, d, d, (ej_scalar){.re = 1, .im = 2}, none, none);
    assert_near(e.re, exp(1.0) * cos(2.0));
    assert_near(e.im, exp(1.0) * sin(2.0));
    ej_scalar big = {.re = 1e300, .im = 1e300};
    assert_complex(ej_scalar_fn(EJ_FN_DIV, d, d, big, big, none), 1, 0); /* Smith's: no overflow on the way */
    ej_scalar third = ej_scalar_fn(EJ_FN_DIV, EINJIT_C64, EINJIT_C64, (ej_scalar){.re = 1}, (ej_scalar){.re = 3}, none);
    assert_true(third.re == (double)(1.0f / 3.0f));
    assert_int_equal(ej_scalar_fn(EJ_FN_EQ, d, EINJIT_BOOL, a, a, none).integer, 1);
    assert_int_equal(ej_scalar_fn(EJ_FN_NE, d, EINJIT_BOOL, a, (ej_scalar){.re = 3}, none).integer, 1);
}

static int64_t compares(int fn, int dtype, ej_scalar a, ej_scalar b)
{
    return ej_scalar_fn(fn, dtype, EINJIT_BOOL, a, b, none).integer;
}

static void comparisons_give_bools(void **state)
{
    (void)state;
    for (int a = -1; a <= 1; a++)
        for (int b = -1; b <= 1; b++)
            for (int floats = 0; floats < 2; floats++) {
                int d = floats ? EINJIT_F32 : EINJIT_I32;
                ej_scalar x = floats ? real(a) : whole(a), y = floats ? real(b) : whole(b);
                assert_int_equal(compares(EJ_FN_EQ, d, x, y), a == b);
                assert_int_equal(compares(EJ_FN_NE, d, x, y), a != b);
                assert_int_equal(compares(EJ_FN_LT, d, x, y), a < b);
                assert_int_equal(compares(EJ_FN_LE, d, x, y), a <= b);
                assert_int_equal(compares(EJ_FN_GT, d, x, y), a > b);
                assert_int_equal(compares(EJ_FN_GE, d, x, y), a >= b);
            }
    static const int ordered[] = {EJ_FN_EQ, EJ_FN_LT, EJ_FN_LE, EJ_FN_GT, EJ_FN_GE};
    for (size_t i = 0; i < 5; i++) assert_int_equal(compares(ordered[i], EINJIT_F64, real(NAN), real(1)), 0);
    assert_int_equal(compares(EJ_FN_NE, EINJIT_F64, real(NAN), real(NAN)), 1);
}

static void bools_are_a_semiring(void **state)
{
    (void)state;
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            assert_int_equal(int_fn(EJ_FN_ADD, EINJIT_BOOL, a, b), a || b);
            assert_int_equal(int_fn(EJ_FN_MUL, EINJIT_BOOL, a, b), a && b);
            assert_int_equal(int_fn(EJ_FN_MAXIMUM, EINJIT_BOOL, a, b), a || b);
            assert_int_equal(int_fn(EJ_FN_MINIMUM, EINJIT_BOOL, a, b), a && b);
            assert_int_equal(int_fn(EJ_FN_LOGICAL_AND, EINJIT_BOOL, a, b), a && b);
            assert_int_equal(int_fn(EJ_FN_LOGICAL_OR, EINJIT_BOOL, a, b), a || b);
            assert_int_equal(int_fn(EJ_FN_LOGICAL_NOT, EINJIT_BOOL, a, 0), !a);
        }
    assert_same(ej_scalar_fn(EJ_FN_WHERE, EINJIT_F64, EINJIT_F64, whole(1), real(2), real(3)).re, 2);
    assert_same(ej_scalar_fn(EJ_FN_WHERE, EINJIT_F64, EINJIT_F64, whole(0), real(2), real(3)).re, 3);
}

static int64_t to_int(int from, int to, ej_scalar x)
{
    return ej_scalar_cast(from, to, x).integer;
}

static void casts_are_defined_for_every_value(void **state)
{
    (void)state;
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I32, real(-2.9)), -2);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I32, real(2147483647.5)), INT32_MAX);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I32, real(1e10)), INT32_MAX);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I32, real(-INFINITY)), INT32_MIN);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I64, real(1e30)), INT64_MAX);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I64, real(-9223372036854775808.0)), INT64_MIN);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_I64, real(-1e30)), INT64_MIN);
    assert_int_equal(to_int(EINJIT_F32, EINJIT_I64, real(NAN)), 0);
    assert_int_equal(to_int(EINJIT_I64, EINJIT_I32, whole(4294967297)), 1);
    assert_int_equal(to_int(EINJIT_I64, EINJIT_BOOL, whole(4294967296)), 1);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_BOOL, real(NAN)), 1);
    assert_int_equal(to_int(EINJIT_F64, EINJIT_BOOL, real(-0.0)), 0);
    assert_int_equal(to_int(EINJIT_C64, EINJIT_BOOL, (ej_scalar){.im = 1}), 1);
    assert_int_equal(to_int(EINJIT_C128, EINJIT_I32, (ej_scalar){.re = 7.5, .im = 1}), 7);
    assert_same(ej_scalar_cast(EINJIT_C128, EINJIT_F32, (ej_scalar){.re = 0.1, .im = 1}).re, 0.1f);
    assert_same(ej_scalar_cast(EINJIT_BOOL, EINJIT_F64, whole(1)).re, 1);
    /* halfway for f32, but above it in the i64: rounding twice would go down */
    assert_same(ej_scalar_cast(EINJIT_I64, EINJIT_F32, whole(0x40000040000001)).re, 0x40000080000000);
    assert_complex(ej_scalar_cast(EINJIT_I32, EINJIT_C64, whole(3)), 3, 0);
}

static void reductions_combine_two_values(void **state)
{
    (void)state;
    assert_same(ej_scalar_reduce(EINJIT_REDUCE_SUM, EINJIT_F64, real(2), real(3)).re, 5);
    assert_same(ej_scalar_reduce(EINJIT_REDUCE_PROD, EINJIT_F64, real(2), real(3)).re, 6);
    assert_same(ej_scalar_reduce(EINJIT_REDUCE_MAX, EINJIT_F64, real(2), real(NAN)).re, NAN);
    assert_same(ej_scalar_reduce(EINJIT_REDUCE_MIN, EINJIT_F64, real(NAN), real(2)).re, NAN);
    assert_int_equal(ej_scalar_reduce(EINJIT_REDUCE_SUM, EINJIT_I32, whole(INT32_MAX), whole(1)).integer, INT32_MIN);
    assert_int_equal(ej_scalar_reduce(EINJIT_REDUCE_OR, EINJIT_BOOL, whole(0), whole(1)).integer, 1);
    assert_int_equal(ej_scalar_reduce(EINJIT_REDUCE_OR, EINJIT_BOOL, whole(0), whole(0)).integer, 0);
    assert_near(ej_scalar_reduce(EINJIT_REDUCE_LOGSUMEXP, EINJIT_F64, real(1), real(2)).re, log(exp(1.0) + exp(2.0)));
    assert_same(ej_scalar_reduce(EINJIT_REDUCE_LOGSUMEXP, EINJIT_F64, real(-INFINITY), real(2)).re, 2);
}

static void every_function_is_defined_for_every_dtype(void **state)
{
    (void)state;
    static const double corners[] = {0, -0.0, 1, -1, 0.5, 2147483648.0, -9.3e18, 1e300, INFINITY, -INFINITY, NAN};
    for (int fn = 0; fn < EJ_FN_COUNT; fn++)
        for (int dtype = 0; dtype < EINJIT_DTYPE_COUNT; dtype++) {
            if (ej_dtypes[dtype].computes != dtype) continue;
            for (size_t i = 0; i < 11; i++)
                for (size_t j = 0; j < 11; j++) {
                    ej_scalar a = ej_scalar_cast(EINJIT_F64, dtype, real(corners[i]));
                    ej_scalar b = ej_scalar_cast(EINJIT_F64, dtype, real(corners[j]));
                    int whole_in = ej_dtypes[dtype].kind <= EJ_KIND_INT;
                    int out = whole_in && (ej_fns[fn].rule == EJ_RULE_FLOAT || ej_fns[fn].rule == EJ_RULE_REALFLT)
                                  ? EINJIT_F64
                                  : dtype;
                    ej_scalar v = ej_scalar_fn(fn, dtype, out, a, b, b);
                    if (dtype == EINJIT_I32) assert_true(v.integer >= INT32_MIN && v.integer <= INT32_MAX);
                    if (dtype == EINJIT_BOOL) assert_true(v.integer == 0 || v.integer == 1);
                    if (dtype == EINJIT_F32 && !isnan(v.re)) assert_true(v.re == (double)(float)v.re);
                }
        }
}

/* ---- against NumPy ---- */

static double unit_of(int dtype)
{
    return ej_dtypes[dtype].real == EINJIT_F32 ? 0x1p-23 : 0x1p-52;
}

/* Of the same class, and finite numbers near each other. */
static bool is_close(int dtype, double got, double want)
{
    if (isnan(want) || isinf(want) || want == 0 || !isfinite(got))
        return isnan(want) ? isnan(got) : got == want && !signbit(got) == !signbit(want);
    return fabs(got - want) <=
           4 * unit_of(dtype) * fabs(want) + (ej_dtypes[dtype].real == EINJIT_F32 ? 0x1p-149 : 0x1p-1074);
}

static void check_line(const char *line)
{
    char name[32], type[8];
    double v[6];
    int n = 0;
    assert_int_equal(sscanf(line, "%31s %7s%n", name, type, &n), 2);
    for (int i = 0; i < 6; i++) {
        char *end;
        v[i] = strtod(line + n, &end);
        assert_true(end != line + n);
        n = (int)(end - line);
    }
    int fn = ej_fn_by_name(name, strlen(name)), dtype = einjit_dtype_from_name(type);
    assert_true(fn >= 0 && dtype >= 0);
    int to = fn == EJ_FN_ABS ? ej_dtypes[dtype].real : dtype;
    ej_scalar got =
        ej_scalar_fn(fn, dtype, to, (ej_scalar){.re = v[0], .im = v[1]}, (ej_scalar){.re = v[2], .im = v[3]}, none);
    if (!is_close(to, got.re, v[4]) || !is_close(to, got.im, v[5]))
        fail_msg("%s gave %.17g %.17g", line, got.re, got.im);
}

/* The table is made by tests/cross/check_special.py --write, which also looks at many more values on every backend. */
static void special_values_are_numpys(void **state)
{
    (void)state;
    FILE *file = fopen(EINJIT_TEST_SOURCE "/tests/golden/special_values.txt", "r");
    char line[400];
    int n = 0;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); n++) check_line(line);
    fclose(file);
    assert_int_equal(n, 960);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values_are_numpys),
        cmocka_unit_test(load_and_store_keep_every_dtype),
        cmocka_unit_test(integers_wrap),
        cmocka_unit_test(integer_division_is_defined_everywhere),
        cmocka_unit_test(integer_power_wraps_and_truncates),
        cmocka_unit_test(f32_is_rounded_once_per_operation),
        cmocka_unit_test(float_floor_division_is_numpys),
        cmocka_unit_test(nan_goes_through_order),
        cmocka_unit_test(real_functions_have_their_values),
        cmocka_unit_test(complex_numbers_follow_the_plain_formulas),
        cmocka_unit_test(comparisons_give_bools),
        cmocka_unit_test(bools_are_a_semiring),
        cmocka_unit_test(casts_are_defined_for_every_value),
        cmocka_unit_test(reductions_combine_two_values),
        cmocka_unit_test(every_function_is_defined_for_every_dtype),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
