/* test_choose_quotient.c - products of softmax are divided instead of softmax, where that is allowed and pays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cost.h"
#include "plan_support.h"

/* The elements that the plan of a program divides, and, with numbers, whether its results are right. */
static double divided(const char *program, const char *inputs, const char *open)
{
    plan_case c;
    double n = 0;
    plan_open(&c, program, inputs, NULL, open);
    assert_int_equal(c.status, EINJIT_OK);
    for (size_t v = 0; v < c.chosen.n_nodes; v++)
        if (c.chosen.nodes[v].op == EJ_OP_MAP && c.chosen.nodes[v].fn == EJ_FN_DIV)
            n += ej_cost_elements(&c.chosen.nodes[v]);
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
    return n;
}

static double of(const char *expression, const char *inputs)
{
    char program[400];
    snprintf(program, sizeof program, "def f(a, b):\n    p = softmax(a, -1)\n    return %s\n", expression);
    return divided(program, inputs, NULL);
}

static void the_product_is_divided(void **state)
{
    (void)state;
    assert_true(of("p @ b", "f64[7,9] f64[9,4]") == 7 * 4);
    assert_true(of("einsum(\"zst,ztd->zsd\", p, b)", "f64[2,7,9] f64[2,9,4]") == 2 * 7 * 4);
    assert_true(of("einsum(\"zst,ztd->sdz\", p, b)", "f64[3,3,9] f64[3,9,4]") == 3 * 3 * 4);
    assert_true(of("einsum(\"zst,ztd->dsz\", p, b)", "f64[3,3,9] f64[3,9,4]") == 3 * 3 * 4);
    assert_true(of("einsum(\"st,st->s\", p, b)", "f64[7,9] f64[7,9]") == 7);
    assert_true(of("2.0 * (b + p @ b)", "f64[9,9] f64[9,9]") == 81);
    assert_true(divided("def f(a, b):\n    e = exp(a - amax(a, (0, 1), True))\n"
                        "    return einsum(\"st,st->\", e / sum(e, (0, 1), True), b)\n",
                        "f64[7,9] f64[7,9]", NULL) == 1);
    assert_true(divided("def f(a, b):\n    return einsum(\"ts,td->sd\", softmax(a, 0), b)\n", "f64[9,7] f64[9,4]",
                        NULL) == 7 * 4);
}

static void other_quotients_stay(void **state)
{
    (void)state;
    assert_true(of("p @ b", "f64[7,3] f64[3,4]") == 7 * 3);                      /* results are more */
    assert_true(of("(p @ b, p)", "f64[7,9] f64[9,4]") == 7 * 9);                 /* read by others */
    assert_true(of("einsum(\"st,td->d\", p, b)", "f64[7,9] f64[9,4]") == 7 * 9); /* quotients are added up */
    assert_true(of("einsum(\"st,sd->td\", p, b)", "f64[7,9] f64[7,3]") == 7 * 9);
    assert_true(of("einsum(\"sst,td->sd\", p, b)", "f64[3,3,9] f64[9,4]") == 81); /* a diagonal */
    assert_true(of("einsum(\"st,st->s\", p, b)", "f64[1,9] f64[7,9]") == 9);      /* stretched */
    assert_true(divided("def f(a, b):\n    e = exp(a)\n    return (e / sum(e, -1, True)) @ b\n", "f64[7,9] f64[9,4]",
                        NULL) == 7 * 9);
    assert_true(divided("def f(a, b):\n    e = exp(a - amax(a, 0, True))\n    return (e / sum(e, -1, True)) @ b\n",
                        "f64[7,9] f64[9,4]", NULL) == 7 * 9);
    assert_true(divided("def f(a: f64[7, n], b: f64[n, 4]):\n    return softmax(a, -1) @ b\n", "f64[7,9] f64[9,4]",
                        "n") == 7 * 9);
}

/* What has no finite sum or largest value has none behind the product. */
static void special_values_are_what_they_were(void **state)
{
    (void)state;
    expect_plan("def f(a, b):\n    x = where(a > 2, float(\"inf\"), where(a < 0, float(\"-inf\"), a))\n"
                "    return softmax(x, -1) @ b\n",
                "f64[40,5] f64[5,3]", -1);
    expect_plan("def f(a, b):\n    return softmax(a, -1) @ where(b > 2, float(\"inf\"), b)\n", "f64[6,8] f64[8,3]", -1);
    expect_plan("def f(a, b):\n    return softmax(where(a > 2, float(\"nan\"), a), -1) @ b\n", "f64[40,8] f64[8,3]",
                -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_product_is_divided),
        cmocka_unit_test(other_quotients_stay),
        cmocka_unit_test(special_values_are_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
