/* test_choose_scale.c - constant factors end up where they multiply the fewest elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

/* Plans, checks results, and holds the operations against what is expected. */
static void expect_operations(const char *expression, const char *inputs, double operations)
{
    char program[400];
    plan_case c;
    snprintf(program, sizeof program, "def f(a, b, c):\n    return %s\n", expression);
    plan_open(&c, program, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    if (c.plan.planned_operations != operations) print_error("%s%s", program, c.text);
    assert_int_equal((int)c.plan.planned_operations, (int)operations);
    plan_check(&c, inputs, NULL, NULL, 2);
    plan_close(&c);
}

static void the_smallest_intermediate_is_multiplied(void **state)
{
    (void)state;
    const char *in = "f64[2,20] f64[20,2] f64[2,20]";
    expect_operations("einsum(\"ij,jk,kl->il\", a, b, c) * 0.5", in, 2 * 80 + 4 + 2 * 80);
    expect_operations("einsum(\"ij,jk,kl->il\", a * 4, b / 2, -c) * 0.5", in, 2 * 80 + 4 + 2 * 80);
    expect_operations("einsum(\",ij,jk,kl->il\", 2.0, a, b, c)", in, 2 * 80 + 4 + 2 * 80);
}

static void the_result_is_multiplied_where_it_is_smallest(void **state)
{
    (void)state;
    expect_operations("einsum(\"ij,j->i\", a, b) * 2.0 + c", "f64[3,7] f64[7] f64[3]", 2 * 21 + 3 + 3);
    expect_operations("(2.0 * a).sum() + b + c", "f64[9] f64[] f64[]", 9 + 1 + 2);
}

static void an_operand_is_multiplied_where_it_is_smaller_still(void **state)
{
    (void)state;
    expect_operations("einsum(\"i,j->ij\", a, b) * 2.0 + c", "f64[2] f64[30] f64[2,30]", 2 + 60 + 60);
    expect_operations("(a[b] * 3.0) @ c", "f64[2,3] i64[40] f64[3,50]", 6 + 2 * 40 * 3 * 50);
}

static void factors_pass_what_is_linear(void **state)
{
    (void)state;
    const char *in = "f64[4,5] f64[5,6] f64[]";
    expect_operations("einsum(\"ij,jk->ik\", a, b).permute(1, 0).reshape(24).sum() * 2.0 + c", in,
                      2 * 120 + 24 + 1 + 1);
    expect_operations("einsum(\"ij,jk->ik\", a, b).sum() * 2.0 / c * 3.0", in, 2 * 120 + 24 + 1 + 1);
}

static void factors_stop_at_what_is_not_linear(void **state)
{
    (void)state;
    const char *in = "f64[4,5] f64[5,6] f64[]";
    expect_operations("exp(einsum(\"ij,jk->ik\", a, b)).sum() * 2.0 + c", in, 2 * 120 + 24 + 24 + 1 + 1);
    expect_operations("exp(einsum(\"ij,jk->ik\", a, b) * 2.0).sum() + c", in, 20 + 2 * 120 + 24 + 24 + 1);
    expect_operations("(einsum(\"ij,jk->ik\", a, b) + c) * 2.0", in, 2 * 120 + 24 + 24);
}

static void values_with_other_users_are_not_changed(void **state)
{
    char program[300] =
        "def f(a, b):\n    t = einsum(\"ij,jk->ik\", a, b)\n    return t, einsum(\"ik,k->\", t * 2.0, b[0])\n";
    plan_case c;
    (void)state;
    plan_open(&c, program, "f64[3,4] f64[4,5]", NULL, NULL);
    plan_check(&c, "f64[3,4] f64[4,5]", NULL, NULL, 0);
    plan_close(&c);
    strcpy(program, "def f(a, b):\n    t = a * 2.0\n    return einsum(\"i,i->\", t, t), t * b\n");
    plan_open(&c, program, "f64[3] f64[3]", NULL, NULL);
    plan_check(&c, "f64[3] f64[3]", NULL, NULL, 0);
    plan_close(&c);
}

static void factors_out_of_bounds_stay(void **state)
{
    (void)state;
    expect_operations("einsum(\"i,j->ij\", a, b) * 1e10 + c", "f32[2] f32[30] f32[2,30]", 60 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a, b) * 1e10 + c", "f64[2] f64[30] f64[2,30]", 2 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a, b) * 0.0 + c", "f64[2] f64[30] f64[2,30]", 60 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a, b) / 0.0 + c", "f64[2] f64[30] f64[2,30]", 60 + 60 + 60);
    /* together, too: 1e5 moves to what 1e-5 has multiplied, not into one number with it */
    expect_operations("einsum(\"i,j->ij\", a, b) * 1e5 + c", "f32[2] f32[30] f32[2,30]", 2 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a * 1e-5, b) * 1e5 + c", "f32[2] f32[30] f32[2,30]", 2 + 2 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a * 1e-5, b) * 1e5 + c", "f64[2] f64[30] f64[2,30]", 60 + 60);
}

/* Under a division that sees signs of zeros only what is positive moves. */
static void signs_stay_where_zeros_count(void **state)
{
    (void)state;
    expect_operations("c / einsum(\"ij,jk->i\", a, b * -2.0)", "f64[3,7] f64[7,5] f64[3]", 35 + 35 + 2 * 21 + 3);
    expect_operations("c / einsum(\"ij,jk->i\", a, b * 2.0)", "f64[3,7] f64[7,5] f64[3]", 35 + 2 * 21 + 3 + 3);
    expect_operations("c * einsum(\"ij,jk->i\", a, b * -2.0)", "f64[3,7] f64[7,5] f64[3]", 35 + 2 * 21 + 3 + 3);
}

static void integers_and_semirings_stay(void **state)
{
    (void)state;
    expect_operations("einsum(\"i,j->ij\", a, b) * 3 + c", "i32[2] i32[30] i32[2,30]", 60 + 60 + 60);
    expect_operations("einsum(\"i,j->ij\", a, b, reduce=\"max\", combine=\"add\") * 3 + c", "f64[2] f64[30] f64[2,30]",
                      60 + 60 + 60);
}

static void complex_factors_are_combined(void **state)
{
    (void)state;
    expect_operations("einsum(\"i,j->ij\", a * (1+2j), b / (3-1j)) + c", "c128[2] c128[30] c128[2,30]", 2 + 60 + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_intermediate_is_multiplied),
        cmocka_unit_test(the_result_is_multiplied_where_it_is_smallest),
        cmocka_unit_test(an_operand_is_multiplied_where_it_is_smaller_still),
        cmocka_unit_test(factors_pass_what_is_linear),
        cmocka_unit_test(factors_stop_at_what_is_not_linear),
        cmocka_unit_test(values_with_other_users_are_not_changed),
        cmocka_unit_test(factors_out_of_bounds_stay),
        cmocka_unit_test(signs_stay_where_zeros_count),
        cmocka_unit_test(integers_and_semirings_stay),
        cmocka_unit_test(complex_factors_are_combined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
