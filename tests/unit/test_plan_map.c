/* test_plan_map.c - pointwise chains become one step, or the end of the step before them. */
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

static void chains_are_one_step(void **state)
{
    (void)state;
    expect_plan(TWO "(a * b + a) * 2 - b", "i64[3,4] i64[3,4]", 1);
    expect_plan(ONE "where(a > 0, a * 2, -a)", "i64[7]", 1);
    expect_plan(ONE "square(a + 1) * square(a + 1)", "i64[7]", 1);
}

static void values_with_several_users_are_kept(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a):\n    x = a * 3\n    return x + 1, x - 1", "i64[5]", NULL, NULL);
    assert_int_equal(c.plan.n_steps, 3);
    plan_check(&c, "i64[5]", NULL, NULL, 0);
    plan_close(&c);
}

static void smaller_values_are_not_computed_again(void **state)
{
    (void)state;
    expect_plan(TWO "(a * 3) + b", "i64[1,5] i64[4,5]", 2);
}

static void long_chains_are_cut(void **state)
{
    char program[8192] = "def f(a):\n    return a";
    (void)state;
    for (int i = 0; i < 200; i++) strcat(program, i % 3 ? " + 1" : " - 2");
    expect_plan(program, "i64[2,3]", 7);
}

static void many_sources_are_cut(void **state)
{
    char program[2048] = "def f(", sum[512] = "", inputs[512] = "";
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(program + strlen(program), 32, "%sx%d", i ? ", " : "", i);
        snprintf(sum + strlen(sum), 32, "%sx%d", i ? " + " : "", i);
        snprintf(inputs + strlen(inputs), 32, "%si64[3]", i ? " " : "");
    }
    snprintf(program + strlen(program), 1024, "):\n    return %s", sum);
    expect_plan(program, inputs, 2);
}

static void contraction_takes_its_epilogue(void **state)
{
    (void)state;
    expect_plan(TWO "relu(einsum(\"ij,jk->ik\", a, b) * 2.0 + 1.0)", "f64[3,4] f64[4,2]", 1);
    expect_plan(TWO "(einsum(\"ij,jk->ik\", a, b) > 0.0).to(i64)", "f64[3,4] f64[4,5]", 1);
    expect_plan(TWO "abs(einsum(\"ij,jk->ik\", a, b))", "c128[3,4] c128[4,5]", 1);
    expect_plan(TWO "einsum(\"i,j->ij\", a, b) * 2 + 1", "i64[3] i64[5]", 1);
    expect_plan(ONE "sqrt(a.square().sum(1))", "f64[3,4]", 1);
    expect_plan(ONE "square(a.sum((0, 1)))", "f64[3,4]", 1);
}

static void epilogue_is_refused_where_the_value_is_needed(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a, b):\n    x = a @ b\n    return x, x + 1.0", "f64[3,4] f64[4,5]", NULL, NULL);
    assert_int_equal(c.plan.n_steps, 2);
    plan_check(&c, "f64[3,4] f64[4,5]", NULL, NULL, 0);
    plan_close(&c);
}

static void reductions_take_their_operand(void **state)
{
    (void)state;
    expect_plan(TWO "(a * b).sum(1)", "f64[3,4] f64[3,4]", 1);
    expect_plan(ONE "amax(a + 1, 0)", "i64[3,4]", 1);
    expect_plan(ONE "prod(a, 1)", "i64[3,4]", 1);
    expect_plan(ONE "(a > 0).sum()", "i64[3,4]", 1);
}

static void softmax_and_layer_norm_are_right(void **state)
{
    (void)state;
    expect_plan(ONE "softmax(a, 1)", "f64[3,5]", -1);
    expect_plan(ONE "logsumexp(a, 0)", "f64[3,5]", -1);
    expect_plan(ONE "layer_norm(a, (5,))", "f64[3,5]", -1);
}

static void values_that_meet_themselves(void **state)
{
    (void)state;
    expect_plan("def f(a):\n    x = exp(a) - 1.0\n    return x * x", "f64[4]", 1);
}

static void scalars_alone(void **state)
{
    (void)state;
    expect_plan(ONE "a * 0 + 3", "i64[]", 1);
    expect_plan(ONE "a.sum() + 2.5", "f64[]", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_one_step),
        cmocka_unit_test(values_with_several_users_are_kept),
        cmocka_unit_test(smaller_values_are_not_computed_again),
        cmocka_unit_test(long_chains_are_cut),
        cmocka_unit_test(many_sources_are_cut),
        cmocka_unit_test(contraction_takes_its_epilogue),
        cmocka_unit_test(epilogue_is_refused_where_the_value_is_needed),
        cmocka_unit_test(reductions_take_their_operand),
        cmocka_unit_test(softmax_and_layer_norm_are_right),
        cmocka_unit_test(values_that_meet_themselves),
        cmocka_unit_test(scalars_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
