/* test_short_integers.c - i8, u8 and i16: every number converted to every dtype and back, every pair of bytes in every
 * function, sums that wrap once, products in pairs of terms, and what they promote to. On the interpreter, and on every
 * row of the target table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "api_support.h"
#include "base_dtype.h"
#include "judge.h"
#include "target_support.h"

enum { ALL = 256, PAIRS = ALL * ALL };

static const int bytes_of[2] = {EINJIT_I8, EINJIT_U8};

static int64_t number(int dtype, int bits)
{
    return dtype == EINJIT_I8 && bits > 127 ? bits - ALL : bits;
}

static einjit_context *on_row(int row)
{
    return row < 0 ? judge_context("interp", NULL) : judge_context("llvm", target_row(row));
}

static int call(einjit_context *context, const char *text, size_t n_in, const einjit_tensor *in,
                const einjit_tensor *out, einjit_error *err)
{
    einjit_graph *graph;
    assert_int_equal(einjit_graph_parse(&graph, context, text, SIZE_MAX, err), EINJIT_OK);
    int status = einjit_call(context, graph, n_in, in, 1, out, err);
    einjit_graph_destroy(graph);
    return status;
}

/* x.to(`to`) of n numbers. */
static void convert(einjit_context *context, int64_t n, void *from, int dtype_from, void *to, int dtype_to)
{
    char text[100];
    einjit_error err;
    einjit_tensor in = {from, dtype_from, 1, &n, NULL}, out = {to, dtype_to, 1, &n, NULL};
    snprintf(text, sizeof text, "def f(x: %s[n]):\n    return x.to(%s)\n", einjit_dtype_name(dtype_from),
             einjit_dtype_name(dtype_to));
    if (call(context, text, 1, &in, &out, &err)) fail_msg("%s: %s", text, err.text);
}

static void every_number_is_every_dtypes(void **state)
{
    (void)state;
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        for (int b = 0; b < 2; b++) {
            uint8_t all[ALL], back[ALL];
            int32_t i32[ALL];
            int64_t i64[ALL];
            float f32[ALL], c64[2 * ALL];
            double f64[ALL];
            uint16_t f16[ALL];
            bool truth[ALL];
            int dtype = bytes_of[b];
            for (int i = 0; i < ALL; i++) all[i] = (uint8_t)i;
            convert(context, ALL, all, dtype, i32, EINJIT_I32);
            convert(context, ALL, all, dtype, i64, EINJIT_I64);
            convert(context, ALL, all, dtype, f32, EINJIT_F32);
            convert(context, ALL, all, dtype, f64, EINJIT_F64);
            convert(context, ALL, all, dtype, c64, EINJIT_C64);
            convert(context, ALL, all, dtype, truth, EINJIT_BOOL);
            for (int i = 0; i < ALL; i++) {
                int64_t want = number(dtype, i);
                assert_true(i32[i] == want && i64[i] == want && f32[i] == (float)want && f64[i] == (double)want);
                assert_true(c64[2 * i] == (float)want && c64[2 * i + 1] == 0 && truth[i] == (i != 0));
            }
            void *const wide[] = {i32, i64, f32, f64, c64, f16};
            static const int dtypes[] = {EINJIT_I32, EINJIT_I64, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_F16};
            convert(context, ALL, all, dtype, f16, EINJIT_F16);
            for (int w = 0; w < 6; w++) {
                memset(back, 0x55, sizeof back);
                convert(context, ALL, wide[w], dtypes[w], back, dtype);
                assert_memory_equal(back, all, sizeof all);
            }
            uint8_t other[ALL];
            int16_t i16[ALL];
            convert(context, ALL, all, dtype, other, bytes_of[1 - b]);
            assert_memory_equal(other, all, sizeof all);
            convert(context, ALL, all, dtype, i16, EINJIT_I16);
            for (int i = 0; i < ALL; i++) assert_int_equal(i16[i], number(dtype, i));
            convert(context, ALL, i16, EINJIT_I16, back, dtype);
            assert_memory_equal(back, all, sizeof all);
        }
        einjit_context_release(context);
    }
}

static void every_number_of_16_bits(void **state)
{
    (void)state;
    static int16_t all[PAIRS], back[PAIRS];
    static int32_t i32[PAIRS];
    static int64_t i64[PAIRS];
    static float f32[PAIRS];
    static double f64[PAIRS];
    for (int i = 0; i < PAIRS; i++) all[i] = (int16_t)(uint16_t)i;
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        void *const wide[] = {i32, i64, f32, f64};
        static const int dtypes[] = {EINJIT_I32, EINJIT_I64, EINJIT_F32, EINJIT_F64};
        for (int w = 0; w < 4; w++) convert(context, PAIRS, all, EINJIT_I16, wide[w], dtypes[w]);
        for (int i = 0; i < PAIRS; i++)
            assert_true(i32[i] == all[i] && i64[i] == all[i] && f32[i] == (float)all[i] && f64[i] == (double)all[i]);
        for (int w = 0; w < 4; w++) {
            memset(back, 0x55, sizeof back);
            convert(context, PAIRS, wide[w], dtypes[w], back, EINJIT_I16);
            assert_memory_equal(back, all, sizeof all);
        }
        for (int i = 0; i < PAIRS; i++) i32[i] = (int32_t)(i * 77777LL);
        convert(context, PAIRS, i32, EINJIT_I32, back, EINJIT_I16);
        for (int i = 0; i < PAIRS; i++) assert_int_equal(back[i], (int16_t)(uint16_t)(uint64_t)(i * 77777LL));
        float far[] = {32767.9f, -32769, 1e9f, -1e9f, NAN, 3.9f};
        static const int16_t want[] = {32767, -32768, 32767, -32768, 0, 3};
        convert(context, 6, far, EINJIT_F32, back, EINJIT_I16);
        assert_memory_equal(back, want, sizeof want);
        einjit_context_release(context);
    }
}

static void integers_wrap_and_floats_saturate(void **state)
{
    (void)state;
    int32_t i32[] = {255, 256, -129, 1 << 30, INT32_MIN, -1};
    int64_t i64[] = {INT64_MAX, INT64_MIN, 1LL << 40, (1LL << 40) + 200, -1000, 128};
    float f32[] = {127.9f, -128.9f, 128.5f, 255.9f, 256, -0.9f, INFINITY, -INFINITY, NAN, 1e30f};
    double f64[] = {127.9, -128.9, 128.5, 255.9, 256, -0.9, (double)INFINITY, -(double)INFINITY, (double)NAN, -1e300};
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        int8_t s[10];
        uint8_t u[10];
        convert(context, 6, i32, EINJIT_I32, s, EINJIT_I8);
        convert(context, 6, i32, EINJIT_I32, u, EINJIT_U8);
        for (int i = 0; i < 6; i++) assert_true(s[i] == (int8_t)(uint8_t)i32[i] && u[i] == (uint8_t)i32[i]);
        convert(context, 6, i64, EINJIT_I64, s, EINJIT_I8);
        convert(context, 6, i64, EINJIT_I64, u, EINJIT_U8);
        for (int i = 0; i < 6; i++) assert_true(s[i] == (int8_t)(uint8_t)i64[i] && u[i] == (uint8_t)i64[i]);
        static const int8_t want_s[] = {127, -128, 127, 127, 127, 0, 127, -128, 0, 127};
        static const uint8_t want_u[] = {127, 0, 128, 255, 255, 0, 255, 0, 0, 255};
        convert(context, 10, f32, EINJIT_F32, s, EINJIT_I8);
        convert(context, 10, f32, EINJIT_F32, u, EINJIT_U8);
        assert_memory_equal(s, want_s, 10);
        assert_memory_equal(u, want_u, 10);
        convert(context, 10, f64, EINJIT_F64, s, EINJIT_I8);
        convert(context, 10, f64, EINJIT_F64, u, EINJIT_U8);
        assert_memory_equal(s, want_s, 9);
        assert_memory_equal(u, want_u, 9);
        assert_true(s[9] == -128 && u[9] == 0);
        einjit_context_release(context);
    }
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return b ? a / b - (a % b && (a < 0) != (b < 0)) : 0;
}

static int64_t wanted(int fn, int64_t a, int64_t b)
{
    switch (fn) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return floor_divide(a, b);
    case 4: return b ? a - floor_divide(a, b) * b : 0;
    case 5: return a > b ? a : b;
    case 6: return a < b ? a : b;
    case 7: return a & b;
    case 8: return a ^ b;
    case 9: return a < b;
    case 10: return -a;
    case 11: return a < 0 ? -a : a;
    case 12: return ~a;
    default: return a > 0 ? a : 0;
    }
}

/* Passes do not take two conversions, the second of which saturates, for one that wraps. */
static void what_goes_by_way_of_floats_saturates(void **state)
{
    (void)state;
    enum { N = 5 };
    int32_t x[N] = {-1000, -1, 0, 200, 70000};
    static const struct route {
        const char *text;
        uint8_t want[N];
    } routes[] = {{"def f(x: i32[n]):\n    return x.to(f64).to(i8)\n", {0x80, 0xff, 0, 127, 127}},
                  {"def f(x: i32[n]):\n    return x.to(i16).to(f32).to(u8)\n", {0, 0, 0, 200, 255}},
                  {"def f(x: i32[n]):\n    return x.to(u8).to(f16).to(i8)\n", {24, 127, 0, 127, 112}},
                  {"def f(x: i32[n]):\n    return x.to(i8).to(c64).to(u8)\n", {24, 0, 0, 0, 112}}};
    const int64_t n = N;
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        for (size_t k = 0; k < sizeof routes / sizeof *routes; k++) {
            uint8_t got[N];
            einjit_error err;
            bool is_signed = strstr(routes[k].text, ".to(i8)\n");
            einjit_tensor in = {x, EINJIT_I32, 1, &n, NULL};
            einjit_tensor out = {got, is_signed ? EINJIT_I8 : EINJIT_U8, 1, &n, NULL};
            if (call(context, routes[k].text, 1, &in, &out, &err)) fail_msg("%s: %s", routes[k].text, err.text);
            for (int i = 0; i < N; i++)
                if (got[i] != routes[k].want[i])
                    fail_msg("%s of %d is %02x, not %02x", routes[k].text, x[i], got[i], routes[k].want[i]);
        }
        einjit_context_release(context);
    }
}

static void every_pair_is_computed_in_i32_and_wrapped(void **state)
{
    (void)state;
    static const char *const functions[] = {
        "x + y", "x - y", "x * y", "x // y", "x % y", "maximum(x, y)", "minimum(x, y)", "x & y",
        "x ^ y", "",      "-x",    "abs(x)", "~x",    "relu(x)"};
    static uint8_t x[PAIRS], y[PAIRS], got[PAIRS];
    const int64_t n = PAIRS;
    for (int i = 0; i < PAIRS; i++) x[i] = (uint8_t)i, y[i] = (uint8_t)(i >> 8);
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        for (int b = 0; b < 2; b++)
            for (int fn = 0; fn < 14; fn++) {
                char text[200], expr[50];
                const char *name = einjit_dtype_name(bytes_of[b]);
                einjit_error err;
                einjit_tensor in[2] = {{x, bytes_of[b], 1, &n, NULL}, {y, bytes_of[b], 1, &n, NULL}};
                einjit_tensor out = {got, bytes_of[b], 1, &n, NULL};
                if (fn == 9) snprintf(expr, sizeof expr, "(x < y).to(%s)", name);
                else snprintf(expr, sizeof expr, "%s", functions[fn]);
                snprintf(text, sizeof text, "def f(x: %s[n], y: %s[n]):\n    return %s\n", name, name, expr);
                if (call(context, text, 2, in, &out, &err)) fail_msg("%s: %s", text, err.text);
                for (int i = 0; i < PAIRS; i++) {
                    uint8_t want = (uint8_t)wanted(fn, number(bytes_of[b], x[i]), number(bytes_of[b], y[i]));
                    if (got[i] != want) fail_msg("%s of %d and %d is %02x, not %02x", text, x[i], y[i], got[i], want);
                }
            }
        einjit_context_release(context);
    }
}

/* 300 products of 100 and 3: 90,000, which is 144 modulo 256; with operands converted first, and along an axis,
 * whole. */
static void sums_keep_what_their_dtype_keeps(void **state)
{
    (void)state;
    enum { TERMS = 300 };
    int8_t a[TERMS], b[TERMS], narrow;
    int32_t wide;
    int64_t whole, n = TERMS;
    einjit_error err;
    memset(a, 100, sizeof a);
    memset(b, 3, sizeof b);
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        einjit_tensor in[2] = {{a, EINJIT_I8, 1, &n, NULL}, {b, EINJIT_I8, 1, &n, NULL}};
        einjit_tensor out = {&narrow, EINJIT_I8, 0, NULL, NULL};
        assert_int_equal(einjit_einsum(context, "i,i->", 2, in, &out, &err), EINJIT_OK);
        assert_int_equal((uint8_t)narrow, 90000 % 256);
        out = (einjit_tensor){&wide, EINJIT_I32, 0, NULL, NULL};
        const char *text = "def f(a: i8[n], b: i8[n]):\n    return einsum('i,i->', a.to(i32), b.to(i32))\n";
        assert_int_equal(call(context, text, 2, in, &out, &err), EINJIT_OK);
        assert_int_equal(wide, 90000);
        out = (einjit_tensor){&whole, EINJIT_I64, 0, NULL, NULL};
        text = "def f(a: i8[n], b: i8[n]):\n    return a.sum() + 0 * b.sum()\n";
        assert_int_equal(call(context, text, 2, in, &out, &err), EINJIT_OK);
        assert_int_equal(whole, 30000);
        einjit_context_release(context);
    }
}

/* Element i of a matrix, extremes of the dtype among them. */
static int64_t drawn(int dtype, int64_t i, void *data)
{
    uint64_t bits = (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u >> 40;
    int64_t x = bits % 5 == 0 ? ej_dtype_lowest(dtype) : bits % 5 == 1 ? ej_dtype_highest(dtype) : 0;
    if (bits % 5 > 1) x = ej_dtype_wrap(dtype, bits);
    if (dtype == EINJIT_I16) ((int16_t *)data)[i] = (int16_t)x;
    else ((uint8_t *)data)[i] = (uint8_t)x;
    return x;
}

/* m x k times k x n, or n x k turned, in i32, modulo 2^32: -32768 * -32768 twice is where a pair wraps. */
static void check_product(einjit_context *context, int64_t m, int64_t n, int64_t k, int dtype_a, int dtype_b,
                          bool turned)
{
    static int16_t a[70 * 70], b[70 * 70];
    static int64_t x[70 * 70], y[70 * 70];
    static int32_t got[70 * 70];
    char text[200];
    einjit_error err;
    for (int64_t i = 0; i < m * k; i++) x[i] = drawn(dtype_a, i, a);
    for (int64_t i = 0; i < n * k; i++) y[i] = drawn(dtype_b, i, b);
    const int64_t shape_a[2] = {m, k}, shape_b[2] = {turned ? n : k, turned ? k : n}, shape[2] = {m, n};
    einjit_tensor in[2] = {{a, dtype_a, 2, shape_a, NULL}, {b, dtype_b, 2, shape_b, NULL}};
    einjit_tensor out = {got, EINJIT_I32, 2, shape, NULL};
    snprintf(text, sizeof text,
             "def f(a: %s[i, k], b: %s[%s]):\n    return einsum('ik,%s->ij', a.to(i32), b.to(i32))\n",
             einjit_dtype_name(dtype_a), einjit_dtype_name(dtype_b), turned ? "j, k" : "k, j", turned ? "jk" : "kj");
    if (call(context, text, 2, in, &out, &err)) fail_msg("%s: %s", text, err.text);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            uint64_t sum = 0;
            for (int64_t t = 0; t < k; t++) sum += (uint64_t)x[i * k + t] * (uint64_t)y[turned ? j * k + t : t * n + j];
            if ((uint32_t)got[i * n + j] != (uint32_t)sum)
                fail_msg("%s(%d, %d) is %d, not %d", text, (int)i, (int)j, (int)got[i * n + j], (int)(uint32_t)sum);
        }
}

static void products_in_pairs_of_terms_wrap_as_one_by_one(void **state)
{
    (void)state;
    static const int dtypes[] = {EINJIT_I8, EINJIT_U8, EINJIT_I16};
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {40, 64, 65}, {66, 35, 2}, {1, 40, 64}};
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = on_row(row);
        for (int d = 0; d < 9; d++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                check_product(context, sizes[s][0], sizes[s][1], sizes[s][2], dtypes[d / 3], dtypes[d % 3],
                              (d + s) % 2);
        einjit_context_release(context);
    }
}

static void they_promote_as_numpy_has_it(void **state)
{
    (void)state;
    static const int wide[] = {EINJIT_I32, EINJIT_I64, EINJIT_F16, EINJIT_BF16,
                               EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128};
    for (int b = 0; b < 2; b++) {
        for (size_t w = 0; w < sizeof wide / sizeof *wide; w++) {
            assert_int_equal(einjit_dtype_promote(bytes_of[b], wide[w]), wide[w]);
            assert_int_equal(einjit_dtype_promote(wide[w], bytes_of[b]), wide[w]);
        }
        assert_int_equal(einjit_dtype_promote(bytes_of[b], EINJIT_BOOL), bytes_of[b]);
        assert_int_equal(einjit_dtype_promote(EINJIT_BOOL, bytes_of[b]), bytes_of[b]);
    }
    assert_int_equal(einjit_dtype_promote(EINJIT_I8, EINJIT_U8), EINJIT_I16);
    assert_int_equal(einjit_dtype_promote(EINJIT_I16, EINJIT_U8), EINJIT_I16);
    assert_int_equal(einjit_dtype_promote(EINJIT_I16, EINJIT_I32), EINJIT_I32);
    assert_int_equal(einjit_dtype_promote(EINJIT_I16, EINJIT_F16), EINJIT_F32);
    assert_int_equal(einjit_dtype_promote(EINJIT_BF16, EINJIT_I16), EINJIT_F32);
    assert_int_equal(einjit_dtype_promote(EINJIT_I16, EINJIT_C64), EINJIT_C64);
    assert_int_equal(einjit_dtype_from_name("uint8"), EINJIT_U8);
    assert_int_equal(einjit_dtype_bytes(EINJIT_I8), 1);
    for (int b = 0; b < 2; b++) { /* a number that they do not have is no number of theirs */
        einjit_context *context = on_row(-1);
        uint8_t x[2] = {1, 2}, y[2];
        int64_t n = 2;
        char text[100];
        einjit_error err;
        einjit_tensor in = {x, bytes_of[b], 1, &n, NULL}, out = {y, bytes_of[b], 1, &n, NULL};
        snprintf(text, sizeof text, "def f(x: %s[n]):\n    return x + %d\n", einjit_dtype_name(bytes_of[b]),
                 b ? 256 : -129);
        assert_int_equal(call(context, text, 1, &in, &out, &err), EINJIT_E_VALUE);
        assert_non_null(strstr(err.text, b ? "256 does not fit into u8" : "-129 does not fit into i8"));
        einjit_context_release(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_number_is_every_dtypes),
                                       cmocka_unit_test(every_number_of_16_bits),
                                       cmocka_unit_test(integers_wrap_and_floats_saturate),
                                       cmocka_unit_test(what_goes_by_way_of_floats_saturates),
                                       cmocka_unit_test(every_pair_is_computed_in_i32_and_wrapped),
                                       cmocka_unit_test(sums_keep_what_their_dtype_keeps),
                                       cmocka_unit_test(products_in_pairs_of_terms_wrap_as_one_by_one),
                                       cmocka_unit_test(they_promote_as_numpy_has_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
