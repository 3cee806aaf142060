/* test_nest_sums.c - long sums keep their digits, by whichever recipe they are added up; what is not a long sum
 * stays. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static einjit_tensor matrix(void *data, int dtype, int64_t *shape, int64_t *strides, int32_t rank)
{
    return (einjit_tensor){.data = data, .dtype = dtype, .rank = rank, .shape = shape, .strides = strides};
}

static void sum(einjit_context *context, const char *equation, size_t n, const einjit_tensor *in, einjit_tensor *out)
{
    if (einjit_einsum(context, equation, n, in, out, &err)) fail_msg("%s", err.text);
}

/* A value with a few bits at the far end: where they fall off the sum at each term, the mean is 1.7e-12 off. */
static void mean_of_equal_terms_is_the_term(einjit_context *context)
{
    enum { N = 1000000 };
    double value = 1 + 8196 * 0x1p-52, total = 0, *all = malloc(N * sizeof *all);
    int64_t n = N, zero = 0;
    assert_non_null(all);
    for (int i = 0; i < N; i++) all[i] = value;
    einjit_tensor one = matrix(&value, EINJIT_F64, &n, &zero, 1), many = matrix(all, EINJIT_F64, &n, NULL, 1);
    einjit_tensor out = matrix(&total, EINJIT_F64, NULL, NULL, 0);
    sum(context, "i->", 1, &one, &out);
    assert_true(fabs(total / N - value) < 1e-15);
    sum(context, "i->", 1, &many, &out);
    assert_true(fabs(total / N - value) < 1e-14); /* one after the other for each lane, then the lanes: 4.7e-13 */
    free(all);
}

static double unit(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 40) * 0x1p-24;
}

/* rows x columns numbers in [0, 1): sums over rows (through memory, or registers), over columns, of products. */
static double worst(einjit_context *context, const char *equation, int64_t rows, int64_t columns, bool by_rows)
{
    int64_t shape[2] = {rows, columns}, kept = by_rows ? columns : rows, many = rows * columns;
    float *x = malloc((size_t)many * sizeof *x), *got = malloc((size_t)kept * sizeof *got);
    double *want = calloc((size_t)kept, sizeof *want), error = 0;
    uint64_t seed = 7;
    assert_true(x && got && want);
    for (int64_t i = 0; i < many; i++) x[i] = (float)unit(&seed);
    for (int64_t i = 0; i < many; i++) want[by_rows ? i % columns : i / columns] += x[i];
    einjit_tensor in = matrix(x, EINJIT_F32, shape, NULL, 2), out = matrix(got, EINJIT_F32, &kept, NULL, 1);
    sum(context, equation, 1, &in, &out);
    for (int64_t i = 0; i < kept; i++) error = fmax(error, fabs(got[i] - want[i]) / want[i]);
    free(x);
    free(got);
    free(want);
    return error;
}

/* Term after term these are 1e-5 and more off; 1024 terms of rounding errors as they fall leave much less. */
static void sums_are_within_a_few_roundings(einjit_context *context, int64_t length)
{
    assert_true(worst(context, "ki->i", length, 40, true) < 2e-6);
    assert_true(worst(context, "ki->i", length, 3, true) < 2e-6);
    assert_true(worst(context, "ik->i", 3, length, false) < 2e-6);
}

static void long_sums_keep_their_digits(void **state)
{
    CONTEXT_OR_SKIP(context);
    mean_of_equal_terms_is_the_term(context);
    sums_are_within_a_few_roundings(context, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(long_sums_keep_their_digits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
