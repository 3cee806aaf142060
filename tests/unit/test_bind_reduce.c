/* test_bind_reduce.c - reductions and what is written out with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"

static void axes_are_dropped_or_kept_as_one(void **state)
{
    (void)state;
    expect_result("a", "a.sum()", "f32[2,3]", "f32[]");
    expect_result("a", "a.sum(dim=-1)", "f32[2,3]", "f32[2]");
    expect_result("a", "sum(a, dim=(0, 2), keepdim=True)", "f32[2,3,4]", "f32[1, 3, 1]");
    expect_result("a", "a.sum()", "f32[]", "f32[]");
    expect_dump("a", "sum(a, dim=(2, 0))", "f32[2,3,4]", NULL, "reduce sum dim 0,2", true);
}

static void bad_axes_are_refused(void **state)
{
    (void)state;
    expect_refused("a", "sum(a, dim=2)", "f32[2,3]", EINJIT_E_VALUE, "axis 2 is out of range for 2 axes");
    expect_refused("a", "sum(a, dim=(0, -2))", "f32[2,3]", EINJIT_E_VALUE, "axis 0 is given twice");
}

static void sums_of_integers_are_i64(void **state)
{
    (void)state;
    expect_result("a", "a.sum()", "i32[2]", "i64[]");
    expect_result("a", "a.sum()", "bool[2]", "i64[]");
    expect_result("a", "prod(a, dim=0)", "i32[2,3]", "i64[3]");
    expect_result("a", "a.sum()", "c64[2]", "c64[]");
}

static void extremes_keep_the_dtype(void **state)
{
    (void)state;
    expect_result("a", "amax(a, dim=0)", "i32[2,3]", "i32[3]");
    expect_result("a", "amin(a)", "f32[2,3]", "f32[]");
    expect_dump("a", "amax(a)", "bool[2]", NULL, "reduce or", true);
    expect_dump("a", "amin(a)", "bool[2]", NULL, "%2 = reduce or dim 0 %1", true);
    expect_refused("a", "amax(a)", "c64[2]", EINJIT_E_DTYPE, "amax is not defined for c64");
}

static void extremes_of_nothing_are_refused(void **state)
{
    (void)state;
    expect_refused("a", "amax(a, dim=1)", "f32[2,0]", EINJIT_E_SHAPE, "amax over axis 1");
    expect_refused("a", "amin(a)", "f32[0]", EINJIT_E_SHAPE, "amin over axis 0");
    expect_result("a", "amax(a, dim=0)", "f32[2,0]", "f32[0]");
    expect_result("a", "a.sum()", "f32[0]", "f32[]");
    expect_result("a", "prod(a, dim=0)", "f32[0,3]", "f32[3]");
}

static void the_mean_divides_by_the_count(void **state)
{
    (void)state;
    expect_result("a", "mean(a, dim=0)", "i32[2,3]", "f64[3]");
    expect_result("a", "mean(a)", "c64[2,3]", "c64[]");
    expect_dump("a", "mean(a)", "f32[2,3]", NULL, "scalar 6.0 f32[]", true);
    expect_dump("a", "mean(a)", "f32[0]", NULL, "scalar 0.0 f32[]", true); /* 0 / 0 */
    expect_open("a: f32[z, 3]", "mean(a)", "f32[1000,3]", "z", "f32[]");
    expect_dump("a: f32[z, 3]", "mean(a)", "f32[1000,3]", "z", "expand", true);
    expect_dump("a: f32[z, 3]", "mean(a)", "f32[1000,3]", "z", "scalar 3.0 f32[]", true);
    expect_dump("a: f32[z, 3]", "mean(a)", "f32[1000,3]", "z", "i64[z]", true);
}

static void softmax_subtracts_the_maximum(void **state)
{
    (void)state;
    expect_result("a", "softmax(a, dim=-1)", "f32[2,3]", "f32[2, 3]");
    expect_result("a", "softmax(a, dim=0)", "i32[2,3]", "f64[2, 3]");
    expect_result("a", "softmax(a, dim=0)", "f32[]", "f32[]");
    expect_result("a", "softmax(a, dim=0)", "f32[0,3]", "f32[0, 3]");
    expect_dump("a", "softmax(a, dim=0)", "f32[2,3]", NULL, "reduce max dim 0", true);
    expect_refused("a", "softmax(a, dim=0)", "c64[2]", EINJIT_E_DTYPE, "softmax");
}

static void logsumexp_is_safe_and_defined_for_nothing(void **state)
{
    (void)state;
    expect_result("a", "logsumexp(a, dim=1)", "f32[2,3]", "f32[2]");
    expect_result("a", "logsumexp(a, dim=1, keepdim=True)", "f32[2,3]", "f32[2, 1]");
    expect_result("a", "logsumexp(a, dim=0)", "bool[2]", "f64[]");
    expect_result("a", "logsumexp(a, dim=0)", "f32[0,3]", "f32[3]");
    expect_dump("a", "logsumexp(a, dim=0)", "f32[0,3]", NULL, "max", false);
    expect_dump("a", "logsumexp(a, dim=0)", "f32[4,3]", NULL, "scalar inf f32[]", true);
}

static void layer_norm_checks_its_parameters(void **state)
{
    (void)state;
    expect_result("a", "layer_norm(a, (3,))", "f32[2,3]", "f32[2, 3]");
    expect_result("a, w, b", "layer_norm(a, (2, 3), w, b)", "f32[4,2,3] f32[2,3] f64[2,3]", "f64[4, 2, 3]");
    expect_result("a", "layer_norm(a, (3,))", "i32[2,3]", "f64[2, 3]");
    expect_refused("a, w", "layer_norm(a, (3,), w)", "f32[2,3] f32[2]", EINJIT_E_SHAPE,
                   "axis 0 of the weight of layer_norm is 2, that of the operand is 3");
    expect_refused("a, w", "layer_norm(a, (3,), w)", "f32[2,3] f32[1,3]", EINJIT_E_SHAPE, "2 axes, 1 are normalized");
    expect_result("a", "layer_norm(a, (-1, 3))", "f32[4,2,3]", "f32[4, 2, 3]");
    expect_refused("a", "layer_norm(a, (4,))", "f32[2,3]", EINJIT_E_SHAPE,
                   "layer_norm over 4 elements of axis 1, which has 3");
    expect_refused("a: f32[n, m]", "layer_norm(a, (n,))", "f32[2,3]", EINJIT_E_SHAPE,
                   "2 elements of axis 1, which has 3");
    expect_refused("a", "layer_norm(a, (2, 3))", "f32[3]", EINJIT_E_VALUE, "last 2 axes of 1");
}

static void a_sum_of_a_number_is_a_product(void **state)
{
    (void)state;
    struct {
        const char *body, *inputs;
        size_t reduces;
    } cases[] = {
        {"(1.0).expand_as(x).sum() * x", "f32[3,4]", 0},
        {"(2.5).expand_as(x).sum(0, keepdim=True) * x", "f64[3,4]", 0},
        {"(3).expand_as(x).sum(1).expand(4, 3)", "i32[3,4]", 0},
        {"(2.5).expand_as(x).sum(0)", "f64[0,4]", 1}, /* of nothing */
        {"x[:1].expand(5, 4).sum(0)", "f64[3,4]", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char program[200];
        bind_case c;
        size_t n = 0;
        snprintf(program, sizeof program, "def f(x):\n    return %s\n", cases[i].body);
        bind_open(&c, program, cases[i].inputs, NULL, NULL);
        if (c.status) print_error("%s: %s\n", program, c.err.text);
        assert_int_equal(c.status, EINJIT_OK);
        for (size_t v = 0; v < c.bound.n_nodes; v++) n += c.bound.nodes[v].op == EJ_OP_REDUCE;
        assert_int_equal(n, cases[i].reduces);
        bind_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_of_a_number_is_a_product),
        cmocka_unit_test(axes_are_dropped_or_kept_as_one),
        cmocka_unit_test(bad_axes_are_refused),
        cmocka_unit_test(sums_of_integers_are_i64),
        cmocka_unit_test(extremes_keep_the_dtype),
        cmocka_unit_test(extremes_of_nothing_are_refused),
        cmocka_unit_test(the_mean_divides_by_the_count),
        cmocka_unit_test(softmax_subtracts_the_maximum),
        cmocka_unit_test(logsumexp_is_safe_and_defined_for_nothing),
        cmocka_unit_test(layer_norm_checks_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
