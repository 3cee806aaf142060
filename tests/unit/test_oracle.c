/* What the oracle leaves open: results on which the order of evaluation has a say that einjit.h grants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "graph_support.h"
#include "oracle.h"

/* The bound of the first element of an einsum over vectors of two elements each. */
static long double bound_of(const char *equation, int reduce, int combine, int dtype, size_t n, void *const *data)
{
    graph_fixture f;
    oracle_result result;
    int64_t shape[1] = {2};
    ej_value in[4];
    einjit_tensor tensors[4];
    graph_open(&f);
    for (size_t i = 0; i < n; i++) {
        in[i] = graph_input(&f, dtype, 1);
        tensors[i] = (einjit_tensor){.data = data[i], .dtype = dtype, .rank = 1, .shape = shape};
    }
    ej_value out = graph_einsum_n(&f, equation, n, in);
    f.graph.nodes[out].fn = (uint8_t)reduce;
    f.graph.nodes[out].combine = (uint8_t)combine;
    graph_output(&f, out);
    if (!oracle_run(&result, &f.graph, tensors, 1e6)) fail_msg("%s", result.reason);
    assert_true(result.values[0].n > 0);
    long double err = result.values[0].e[0].err;
    oracle_free(&result);
    graph_close(&f);
    return err;
}

/* 1e30 * 1e30 * 0 is 0 or what is no number, by which two are multiplied first. */
static void products_of_some_factors_may_overflow(void **state)
{
    (void)state;
    float large[] = {1e30F, 1}, zero[] = {0, 0}, small[] = {1e-30F, 1}, one[] = {1, 2}, endless[] = {1, INFINITY};
    double wide[] = {1e30, 1};
    assert_true(isinf(
        bound_of("a,a,a->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_F32, 3, (void *[]){large, zero, large})));
    assert_true(isinf(
        bound_of("a,a,a->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_F32, 3, (void *[]){large, small, large})));
    assert_true(isfinite(
        bound_of("a,a,a->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_F32, 3, (void *[]){large, zero, one})));
    assert_true(isfinite(
        bound_of("a,a,a->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_F64, 3, (void *[]){wide, wide, wide})));
    assert_true(
        isfinite(bound_of("a,a->a", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_F32, 2, (void *[]){endless, one})));
}

/* max(a + c, a + d) is a + max(c, d) unless a sum wraps. */
static void largest_of_sums_that_wrap_are_open(void **state)
{
    (void)state;
    int64_t most[] = {INT64_MAX, 1}, one[] = {1, 0}, zero[] = {0, 0};
    int32_t most32[] = {INT32_MAX, 1}, one32[] = {1, 0};
    void *wraps[] = {most, one}, *stays[] = {most, zero}, *wraps32[] = {most32, one32};
    assert_true(isinf(bound_of("a,b->", EINJIT_REDUCE_MAX, EINJIT_COMBINE_ADD, EINJIT_I64, 2, wraps)));
    assert_true(isinf(bound_of("a,b->", EINJIT_REDUCE_MIN, EINJIT_COMBINE_ADD, EINJIT_I64, 2, wraps)));
    assert_true(isinf(bound_of("a,b->", EINJIT_REDUCE_MAX, EINJIT_COMBINE_ADD, EINJIT_I32, 2, wraps32)));
    assert_true(bound_of("a,b->", EINJIT_REDUCE_MAX, EINJIT_COMBINE_ADD, EINJIT_I64, 2, stays) == 0);
    assert_true(bound_of("a,b->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_ADD, EINJIT_I64, 2, wraps) == 0);
    assert_true(bound_of("a,b->", EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, EINJIT_I64, 2, wraps) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_some_factors_may_overflow),
        cmocka_unit_test(largest_of_sums_that_wrap_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
