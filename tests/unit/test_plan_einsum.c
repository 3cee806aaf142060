/* test_plan_einsum.c - einsums as steps: which steps, and that they compute the right thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define TWO "def f(a, b):\n    return "
#define THREE "def f(a, b, c):\n    return "

static void product_is_one_step(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b)", "f32[3,4] f32[4,5]", 1);
    expect_plan(TWO "einsum(\"zij,zjk->zki\", a, b)", "c64[2,3,4] c64[2,4,5]", 1);
}

static void path_of_three_operands_is_two_steps(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, THREE "einsum(\"zij,zjk,zk->zi\", a, b, c)", "f32[10,4,5] f32[10,5,8] f32[10,8]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 2); /* the matrix times the vector first */
    assert_int_equal((int)c.plan.planned_operations, 2 * (10 * 5 * 8 + 10 * 4 * 5));
    assert_int_equal((int)c.plan.naive_operations, 3 * 10 * 4 * 5 * 8);
    plan_check(&c, "f32[10,4,5] f32[10,5,8] f32[10,8]", NULL, NULL, 0);
    plan_close(&c);
}

static void diagonal_and_permutation_are_strides(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ii,ij->j\", a, b)", "f64[4,4] f64[4,3]", 1);
    expect_plan(TWO "einsum(\"i,ji->j\", einsum(\"ii->i\", a), b)", "f64[4,4] f64[3,4]", 1);
    expect_plan(TWO "einsum(\"ji,ik->jk\", einsum(\"ij->ji\", a), b)", "f64[4,3] f64[4,2]", 1);
    expect_plan("def f(a):\n    return einsum(\"iii->\", a)", "i64[3,3,3]", 1);
    expect_plan("def f(a):\n    return einsum(\"ijk->kji\", a)", "i32[2,3,4]", 1);
}

static void sum_of_own_labels_comes_first_where_it_pays(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[6,7] f64[7,8]";
    plan_open(&c, TWO "einsum(\"ij,jk->k\", a, b)", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 2);
    assert_int_equal((int)c.plan.planned_operations, 6 * 7 + 2 * 7 * 8);
    plan_check(&c, in, NULL, NULL, 0);
    plan_close(&c);
    expect_plan(TWO "einsum(\"ij,j->\", a, b)", "f64[6,7] f64[7]", 1); /* 42 operations in one step, 49 in two */
}

static void broadcast_axes_are_left_out(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[2,1] f64[2,3]";
    plan_open(&c, TWO "einsum(\"ik,ik->ik\", a, b)", in, NULL, NULL);
    assert_int_equal(c.plan.steps[0].src[0].n_terms, 1);
    plan_check(&c, in, NULL, NULL, 0);
    plan_close(&c);
    expect_plan(TWO "einsum(\"ik,kj->ij\", a, b)", "f64[2,1] f64[3,3]", -1); /* the 1 is summed three times */
    expect_plan(TWO "einsum(\"...i,...i->...\", a, b)", "f64[1,3,4] f64[5,1,4]", 1);
    expect_plan(TWO "einsum(\"ii,ij->j\", a, b)", "f64[1,1] f64[3,2]", -1);
}

static void scalars_wait_for_the_store(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[3,4] f64[4,2]";
    plan_open(&c, TWO "einsum(\",ij,jk->ik\", 2.0, a, b)", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 1);
    assert_int_equal(c.plan.steps[0].epilogue.n, 3);
    plan_check(&c, in, NULL, NULL, 0);
    plan_close(&c);
    plan_open(&c, TWO "einsum(\",ij,ij->ij\", 2.0, a, b)", "f64[3,4] f64[3,4]", NULL, NULL);
    assert_int_equal(c.plan.steps[0].epilogue.n, 0); /* nothing is reduced */
    plan_check(&c, "f64[3,4] f64[3,4]", NULL, NULL, 0);
    plan_close(&c);
}

static void operands_are_computed_where_they_are_taken_once(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ij,j->i\", exp(a), b)", "f64[3,4] f64[4]", 1);
    expect_plan(TWO "einsum(\"ij,ij->\", relu(a), square(b) + 1.0)", "f64[3,4] f64[3,4]", 1);
    expect_plan(TWO "einsum(\"ij,ij->ij\", exp(a), b)", "f64[3,4] f64[3,4]", 1);
    expect_plan(THREE "einsum(\"ij,i->j\", relu(a) * b, c)", "f64[3,4] f64[4] f64[3]", 1);
    expect_plan(TWO "einsum(\"ij,j->i\", a.to(f64) * 2.0, b)", "f32[3,4] f64[4]", 1);
    expect_plan(TWO "einsum(\"ij,j->i\", abs(a.permute(1, 0)), b)", "f64[4,3] f64[4]", 1);
    expect_plan(TWO "einsum(\"ii,i->i\", abs(a), b)", "f64[3,3] f64[3]", 1);
    expect_plan(TWO "einsum(\"ij,j->i\", a, exp(b))", "f64[3,4] f64[4]", 2); /* three times each */
    expect_plan(TWO "einsum(\"ij,j->i\", exp(a), b)", "f64[1,4] f64[4]", 1);
    expect_plan(TWO "einsum(\"ij,j->i\", exp(a), b) + exp(a).sum(1)", "f64[3,4] f64[4]", 3); /* others need it */
    expect_plan(TWO "einsum(\"ij,j->i\", abs(a @ a), b)", "f64[4,4] f64[4]", 2); /* the end of the product */
    expect_plan(TWO "a @ b", "f64[0,4] f64[4,5]", 1);
    expect_plan(TWO "einsum(\"ij,j->i\", exp(zeros_like(a)), b)", "f64[3,4] f64[4]", -1); /* of nothing */
}

static void cheap_operands_are_computed_a_few_times(void **state)
{
    (void)state;
    expect_plan(TWO "a @ relu(b)", "f64[8,9] f64[9,5]", 1);
    expect_plan(TWO "a @ exp(b)", "f64[8,9] f64[9,5]", 2);
    expect_plan(TWO "einsum(\"ij,ij->ij\", a, -b)", "f64[3,4] f64[3,1]",
                2); /* no product that reads it again and again */
    expect_plan(TWO "a @ relu(b)", "f64[9,9] f64[9,5]", 2);
    expect_plan(TWO "relu(a) @ b", "f64[8,9] f64[9,5]", 2); /* not along the lanes */
    expect_plan(TWO "relu(a) @ b", "f64[6,4,4] f64[6,4,4]", 1);
    expect_plan(TWO "relu(a) @ b", "f64[6,4,5] f64[6,5,5]", 2);
}

static void semirings_that_distribute_go_pairwise(void **state)
{
    (void)state;
    const char *in = "f64[5,6] f64[6,7] f64[7]";
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c, reduce=\"max\", combine=\"add\")", in, 2);
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c, reduce=\"min\", combine=\"add\")", in, 2);
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c, reduce=\"or\")", "bool[5,6] bool[6,7] bool[7]", 2);
}

static void semirings_that_do_not_distribute_are_one_step(void **state)
{
    (void)state;
    const char *in = "f64[5,6] f64[6,7] f64[7]";
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c, reduce=\"max\")", in, 1);
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c, combine=\"add\")", in, 1);
    expect_plan("def f(a):\n    return einsum(\",ij->i\", -2.0, a, reduce=\"max\")", "f64[3,4]", 1);
}

static void zero_extents_give_neutral_elements(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b) + 1.0", "f64[3,0] f64[0,5]", 1);
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b)", "f64[0,2] f64[2,5]", 1);
    expect_plan(THREE "einsum(\"ij,jk,k->i\", a, b, c)", "f64[3,0] f64[0,5] f64[5]", -1);
}

static void mixed_dtypes_are_cast_inside_of_the_step(void **state)
{
    (void)state;
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b)", "i32[3,4] f64[4,5]", 1);
    expect_plan(TWO "einsum(\"ij,jk->ik\", a, b)", "bool[3,4] c128[4,5]", 1);
}

static void conjugates_are_taken_inside_of_the_step(void **state)
{
    (void)state;
    expect_plan("def f(a, b):\n    return conj(a) @ b", "c128[5,6] c128[6,7]", 1);
    expect_plan("def f(a, b):\n    return einsum('zij,zkj->zki', a, conj(b))", "c64[3,5,6] c64[3,7,6]", 1);
    expect_plan("def f(a, b):\n    return conj(a + a) @ b", "c128[5,6] c128[6,7]", 2);
}

static void many_operands_run_in_path_order(void **state)
{
    char program[4096] = "def f(", inputs[4096] = "", equation[512] = "", call[1024] = "";
    (void)state;
    for (int i = 0; i < 12; i++) {
        char *end = program + strlen(program);
        snprintf(end, 32, "%sm%d", i ? ", " : "", i);
        snprintf(inputs + strlen(inputs), 32, "%sf64[2,2]", i ? " " : "");
        snprintf(equation + strlen(equation), 32, "%s%c%c", i ? "," : "", 'a' + i, 'a' + i + 1);
        snprintf(call + strlen(call), 32, ", m%d", i);
    }
    snprintf(program + strlen(program), 2048, "):\n    return einsum(\"%s->am\"%s)", equation, call);
    expect_plan(program, inputs, 11);
}

static void outer_labels_of_operands_used_twice(void **state)
{
    (void)state;
    expect_plan("def f(a):\n    return einsum(\"ij,kj->ik\", a, a)", "f32[3,4]", 1);
    expect_plan("def f(a):\n    return einsum(\"i,i->i\", a, a)", "c128[5]", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_is_one_step),
        cmocka_unit_test(path_of_three_operands_is_two_steps),
        cmocka_unit_test(diagonal_and_permutation_are_strides),
        cmocka_unit_test(sum_of_own_labels_comes_first_where_it_pays),
        cmocka_unit_test(broadcast_axes_are_left_out),
        cmocka_unit_test(scalars_wait_for_the_store),
        cmocka_unit_test(operands_are_computed_where_they_are_taken_once),
        cmocka_unit_test(cheap_operands_are_computed_a_few_times),
        cmocka_unit_test(semirings_that_distribute_go_pairwise),
        cmocka_unit_test(semirings_that_do_not_distribute_are_one_step),
        cmocka_unit_test(zero_extents_give_neutral_elements),
        cmocka_unit_test(mixed_dtypes_are_cast_inside_of_the_step),
        cmocka_unit_test(conjugates_are_taken_inside_of_the_step),
        cmocka_unit_test(many_operands_run_in_path_order),
        cmocka_unit_test(outer_labels_of_operands_used_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
