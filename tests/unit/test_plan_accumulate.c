/* test_plan_accumulate.c - sums of einsums in one place: which steps, how much scratch, and right results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define FOUR "def f(a, b, c, d):\n    return "
static const char squares[] = "f64[4,4] f64[4,4] f64[4,4] f64[4,4]";

static void expect_sum(const char *program, const char *inputs, size_t steps, int64_t scratch, size_t accumulating)
{
    plan_case c;
    size_t n = 0;
    plan_open(&c, program, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    for (size_t s = 0; s < c.plan.n_steps; s++) n += c.plan.steps[s].accumulate;
    if (n != accumulating || c.plan.n_steps != steps) print_error("%s%s", program, c.text);
    assert_int_equal(n, accumulating);
    assert_int_equal(c.plan.n_steps, steps);
    if (scratch >= 0) assert_int_equal(c.plan.scratch_bytes.n, scratch);
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
}

static void two_products_need_no_temporary(void **state)
{
    (void)state;
    expect_sum(FOUR "a @ b + c @ d", squares, 2, 0, 1);
    expect_sum(FOUR "einsum(\"ij,jk->ki\", a, b) + einsum(\"ij,kj->ik\", c, d)", squares, 2, 0, 1);
    expect_sum(FOUR "(a @ b + c @ d).permute(1, 0)", squares, 2, 0, 1);
}

static void a_difference_turns_the_sign(void **state)
{
    (void)state;
    expect_sum(FOUR "a @ b - c @ d", squares, 2, 0, 1);
    expect_sum(FOUR "a @ b - einsum(\"ij,jk,->ik\", c, d, 3.0)", squares, 2, 0, 1);
    expect_sum(FOUR "square(a) - einsum(\"ij,ij->ij\", c, d)", squares, 1, 0, 0); /* one pointwise operation */
}

static void sums_go_on_in_the_same_memory(void **state)
{
    (void)state;
    expect_sum(FOUR "a @ b + c @ d + a @ d - b @ c", squares, 4, 0, 3);
    expect_sum(FOUR "a @ b + (c @ d + a @ d)", squares, 3, 0, 2);
}

static void the_product_may_come_first(void **state)
{
    (void)state;
    expect_sum("def f(a, b, c):\n    return a @ b + c.sum(0)\n", "f64[4,4] f64[4,4] f64[3,4,4]", 2, 0, 1);
    expect_sum(FOUR "a @ b + c.sum(0).reshape(4, 1).expand(4, 4)", squares, 2, -1, 0);
}

static void a_sum_that_goes_on_is_the_end_of_its_last_product(void **state)
{
    (void)state;
    expect_sum(FOUR "relu(a @ b + c @ d)", squares, 2, 128, 0);
    expect_sum(FOUR "(a @ b - c @ d).to(f32)", squares, 2, 128, 0);
    expect_sum(FOUR "exp(a @ b + c @ d + a @ d)", "f64[4,4] f64[4,4] f64[4,4] f64[4,4]", 3, 256, 0);
    expect_sum(FOUR "(a @ b + c @ d).sum()", squares, 3, 128, 1);
}

static void values_that_others_need_are_not_overwritten(void **state)
{
    (void)state;
    expect_sum("def f(a, b, c):\n    t = a @ b\n    return t, t + b @ c\n", "f64[4,4] f64[4,4] f64[4,4]", 2, 0, 0);
    expect_sum("def f(a, b):\n    t = a @ b\n    return t + t\n", "f64[4,4] f64[4,4]", 1, -1, 0);
    expect_sum("def f(a, b):\n    return a + a @ b\n", "f64[4,4] f64[4,4]", 1, 0, 0);
    expect_sum("def f(a, b):\n    return a.permute(1, 0) + a @ b\n", "f64[4,4] f64[4,4]", 1, 0, 0);
}

static void broadcast_operands_are_added_as_usual(void **state)
{
    (void)state;
    expect_sum("def f(a, b, c):\n    return square(c) + a @ b\n", "f64[4,4] f64[4,4] f64[4]", 2, -1, 0);
    expect_sum("def f(a, b, c):\n    return (a @ b) + (c @ b)\n", "f64[4,4] f64[4,4] f64[4]", 2, -1, 0);
}

static void integers_wrap_and_bool_stays_away(void **state)
{
    (void)state;
    expect_sum("def f(a, b, c):\n    return a @ b - b @ c\n", "i32[4,4] i32[4,4] i32[4,4]", 2, 0, 1);
    expect_sum("def f(a, b, c):\n    return (a @ b) + (b @ c)\n", "bool[4,4] bool[4,4] bool[4,4]", 2, -1, 0);
}

static void results_may_have_strides(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, FOUR "a @ b + c @ d", squares, "f64[4,4]:-4,-1", NULL);
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, squares, "f64[4,4]:-4,-1", NULL, 0);
    plan_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_products_need_no_temporary),
        cmocka_unit_test(a_difference_turns_the_sign),
        cmocka_unit_test(sums_go_on_in_the_same_memory),
        cmocka_unit_test(the_product_may_come_first),
        cmocka_unit_test(a_sum_that_goes_on_is_the_end_of_its_last_product),
        cmocka_unit_test(values_that_others_need_are_not_overwritten),
        cmocka_unit_test(broadcast_operands_are_added_as_usual),
        cmocka_unit_test(integers_wrap_and_bool_stays_away),
        cmocka_unit_test(results_may_have_strides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
