/* test_plan_view.c - layout operations are strides; copies only where no strides can say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define ONE "def f(a):\n    return "
#define TWO "def f(a, b):\n    return "

static void layouts_before_an_operation_cost_nothing(void **state)
{
    (void)state;
    expect_plan(ONE "exp(a.permute(2, 0, 1))", "f64[2,3,4]", 1);
    expect_plan(ONE "a[:, 1:4:2] + 1", "i64[3,5]", 1);
    expect_plan(ONE "a.reshape(6, 4) + 1", "i64[2,3,4]", 1);
    expect_plan(ONE "a.reshape(2, 3, 2, 2).permute(3, 2, 1, 0) + 1", "i64[2,3,4]", 1);
    expect_plan(ONE "a.unsqueeze(0).expand(5, -1, -1) + 1", "i64[2,3]", 1);
    expect_plan(TWO "a.expand(4, 3) * b", "i64[1,3] i64[4,1]", 1);
}

static void views_as_results_are_one_copy(void **state)
{
    (void)state;
    expect_plan(ONE "a.permute(1, 0)", "i32[2,3]", 1);
    expect_plan(ONE "a", "i32[2,3]:-3,1", 1);
    expect_plan(ONE "a[1:, None].expand(2, 4, 3)", "i32[3,3]", 1);
}

static void reshape_of_a_permutation_is_one_copy(void **state)
{
    (void)state;
    expect_plan(ONE "a.permute(1, 0).reshape(6) + 1", "i64[2,3]", 2);
    expect_plan(ONE "a.permute(1, 0).reshape(6)", "i64[2,3]", 1); /* straight into the result */
    expect_plan(ONE "a.permute(1, 0).reshape(3, 1, 2) + 1", "i64[2,3]", 1);
}

static void results_are_written_through_permutations(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b).permute(1, 0)", "f64[3,4] f64[4,5]", 1);
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b).permute(1, 0).reshape(5, 3, 1)", "f64[3,4] f64[4,5]", 1);
    expect_plan(TWO "(a * b).permute(1, 0).reshape(12)", "f64[3,4] f64[3,4]", 1);
}

static void open_sizes_reshape_only_where_it_holds_for_all(void **state)
{
    plan_case c;
    const int64_t more[] = {7};
    (void)state;
    /* z = 4 when it is planned: (z, 4) and (4, z) are the same numbers, not the same sizes */
    const char *text = "def f(a: i64[z, 4]):\n    return a.permute(1, 0).reshape(4 * z) + 1";
    plan_open(&c, text, "i64[4,4]", NULL, "z");
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, "i64[4,4]", NULL, NULL, 0);
    plan_check(&c, "i64[7,4]", NULL, more, 0);
    plan_close(&c);
    plan_open(&c, "def f(a: i64[z, 4]):\n    return a.reshape(2 * z, 2) + 1", "i64[4,4]", NULL, "z");
    assert_int_equal(c.plan.n_steps, 1);
    plan_check(&c, "i64[7,4]", NULL, more, 0);
    plan_close(&c);
}

static void any_strides_in_and_out(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[2,3]:-1,5 f64[3,2]:0,1", *out = "f64[2,2]:-7,-2";
    plan_open(&c, TWO "a @ b", in, out, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, in, out, NULL, 0);
    plan_close(&c);
}

static void results_that_are_given_twice_are_copied(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a):\n    x = exp(a)\n    return x, x, a", "f64[3]", NULL, NULL);
    assert_int_equal(c.plan.n_steps, 3);
    plan_check(&c, "f64[3]", NULL, NULL, 0);
    plan_close(&c);
}

static void constants_of_any_shape(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, ONE "einsum(\"ij,jk->ik\", a, tensor([[1.0, 0.0], [2.0, 1.0]]))", "f64[3,2]", NULL, NULL);
    assert_int_equal(c.plan.n_constants, 1);
    plan_check(&c, "f64[3,2]", NULL, NULL, 0);
    plan_close(&c);
}

static void empty_tensors_reshape(void **state)
{
    (void)state;
    expect_plan(ONE "a.permute(1, 0).reshape(0, 5)", "i64[2,0]", -1);
    expect_plan(ONE "a.reshape(3, 0) + 1", "i64[0,4]", -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_before_an_operation_cost_nothing),
        cmocka_unit_test(views_as_results_are_one_copy),
        cmocka_unit_test(reshape_of_a_permutation_is_one_copy),
        cmocka_unit_test(results_are_written_through_permutations),
        cmocka_unit_test(open_sizes_reshape_only_where_it_holds_for_all),
        cmocka_unit_test(any_strides_in_and_out),
        cmocka_unit_test(results_that_are_given_twice_are_copied),
        cmocka_unit_test(constants_of_any_shape),
        cmocka_unit_test(empty_tensors_reshape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
