/* test_choose_symmetry.c - products of a value with itself are computed up to the diagonal, where that pays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

/* Planned at the sizes where it pays; what the blocks compute is seen in a small product, which random plans take apart
 * too. */
static double operations(const char *expression, const char *inputs)
{
    char program[300];
    plan_case c;
    snprintf(program, sizeof program, "def f(a, b):\n    return %s\n", expression);
    plan_open(&c, program, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    double n = c.plan.planned_operations;
    plan_close(&c);
    return n;
}

/* Without those that a sum in chunks has more. */
static size_t count_steps(const ej_plan *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n_steps; i++) n += !strstr(plan->steps[i].name, "_part");
    return n;
}

static void small_is_right(const char *expression, const char *inputs, bool in_blocks)
{
    char program[300];
    plan_case c;
    snprintf(program, sizeof program, "def f(a, b):\n    return %s\n", expression);
    plan_open_by(&c, program, inputs, "random");
    assert_int_equal(c.status, EINJIT_OK);
    assert_true((count_steps(&c.plan) > 1) == in_blocks);
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
}

static void about_half_of_a_gram_matrix_is_computed(void **state)
{
    (void)state;
    const char *in = "f64[256,48] f64[1]";
    double whole = 2.0 * 256 * 256 * 48;
    assert_true(operations("einsum(\"ij,kj->ik\", a, a)", in) == whole * 5 / 8); /* four blocks */
    assert_true(operations("einsum(\"ij,kj->ki\", a, a)", in) == whole * 5 / 8);
    assert_true(operations("einsum(\"ij,kj->ik\", a, a)", "f64[140,48] f64[1]") < 0.76 * 2 * 140 * 140 * 48);
    assert_true(operations("a.permute(1, 0) @ a", "f64[48,256] f64[1]") == whole * 5 / 8);
    small_is_right("einsum(\"ij,kj->ik\", a, a)", "f64[14,5] f64[1]", true);
    small_is_right("einsum(\"ij,kj->ki\", a, a)", "f64[9,5] f64[1]", true);
    small_is_right("a.permute(1, 0) @ a", "f64[4,11] f64[1]", true);
    expect_plan("def f(a):\n    return einsum(\"ij,kj->ik\", a, a)\n", "f64[130,48]", -1);
}

static void batches_and_several_pairs(void **state)
{
    (void)state;
    assert_true(operations("einsum(\"zij,zkj->zik\", a, a)", "f64[2,128,48] f64[1]") ==
                2.0 * 2 * 128 * 128 * 48 * 3 / 4);
    assert_true(operations("einsum(\"aij,bkj->aibk\", a, a)", "f64[2,128,48] f64[1]") ==
                2.0 * 4 * 128 * 128 * 48 * 3 / 4);
    assert_true(operations("einsum(\"iaj,kbj->aibk\", a, a)", "c64[128,2,48] f64[1]") ==
                2.0 * 4 * 128 * 128 * 48 * 3 / 4);
    small_is_right("einsum(\"zij,zkj->zik\", a, a)", "f64[2,10,3] f64[1]", true);
    small_is_right("einsum(\"aij,bkj->aibk\", a, a)", "f64[2,10,3] f64[1]", true);
    small_is_right("einsum(\"iaj,kbj->aibk\", a, a)", "c64[10,2,3] f64[1]", true);
}

static void the_path_is_said_once(void **state)
{
    plan_case c;
    size_t notes = 0;
    (void)state;
    plan_open(&c, "def f(a):\n    return einsum(\"ij,kj->ik\", a, a)\n", "f64[256,48]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    for (size_t v = 0; v < c.chosen.n_nodes; v++) notes += c.chosen.nodes[v].note != NULL;
    assert_int_equal(notes, 1);
    plan_close(&c);
}

static void what_is_not_symmetric_is_computed_whole(void **state)
{
    (void)state;
    double whole = 2.0 * 128 * 128 * 128;
    const char *in = "f64[128,128] f64[128,128]", *small = "f64[9,9] f64[9,9]";
    static const char *const max_plus = "einsum(\"ij,kj->ik\", a, a, reduce=\"max\", combine=\"add\")";
    assert_true(operations("einsum(\"ij,kj->ik\", a, b)", in) == whole);
    assert_true(operations("einsum(\"ij,jk->ik\", a, a)", in) == whole);
    assert_true(operations(max_plus, in) == whole * 3 / 4);
    small_is_right("einsum(\"ij,kj->ik\", a, b)", small, false);
    small_is_right("einsum(\"ij,jk->ik\", a, a)", small, false);
    small_is_right(max_plus, small, true);
}

static void small_or_shallow_products_are_computed_whole(void **state)
{
    (void)state;
    assert_true(operations("einsum(\"ij,kj->ik\", a, a)", "f64[127,48] f64[1]") == 2.0 * 127 * 127 * 48);
    assert_true(operations("einsum(\"ij,kj->ik\", a, a)", "f64[128,47] f64[1]") == 2.0 * 128 * 128 * 47);
}

static void open_rows_stay_whole(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a: f64[n, 64]):\n    return einsum(\"ij,kj->ik\", a, a)\n", "f64[256,64]", NULL, "n");
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 1);
    const int64_t other = 5;
    plan_check(&c, "f64[5,64]", NULL, &other, 0);
    plan_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(about_half_of_a_gram_matrix_is_computed),
        cmocka_unit_test(batches_and_several_pairs),
        cmocka_unit_test(the_path_is_said_once),
        cmocka_unit_test(what_is_not_symmetric_is_computed_whole),
        cmocka_unit_test(small_or_shallow_products_are_computed_whole),
        cmocka_unit_test(open_rows_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
