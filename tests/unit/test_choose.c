/* test_choose.c - what is decided between bind and plan: alternatives by cost, pairs, equal intermediates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

static size_t count(const ej_bound *bound, int op)
{
    size_t n = 0;
    for (size_t v = 0; v < bound->n_nodes; v++) n += bound->nodes[v].op == op;
    return n;
}

/* Decides, checks results, and holds the number of nodes of a kind against what is expected. */
static void expect_nodes(const char *program, const char *inputs, int op, size_t n)
{
    plan_case c;
    plan_open(&c, program, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    if (count(&c.chosen, op) != n) print_error("%s\n%s", program, c.text);
    assert_int_equal(count(&c.chosen, op), n);
    plan_check(&c, inputs, NULL, NULL, 3);
    plan_close(&c);
}

static void the_cheaper_side_of_a_gather_is_taken(void **state)
{
    (void)state;
    const char *program =
        "def f(x, i, w):\n    return choose(einsum(\"ec,cd->ed\", x[i], w), einsum(\"nc,cd->nd\", x, w)[i])\n";
    plan_case c;
    plan_open(&c, program, "f64[3,4] i64[50] f64[4,5]", NULL, NULL);
    assert_int_equal((int)c.plan.planned_operations, 2 * 3 * 4 * 5);
    plan_check(&c, "f64[3,4] i64[50] f64[4,5]", NULL, NULL, 3);
    plan_close(&c);
    plan_open(&c, program, "f64[50,4] i64[3] f64[4,5]", NULL, NULL);
    assert_int_equal((int)c.plan.planned_operations, 2 * 3 * 4 * 5);
    plan_check(&c, "f64[50,4] i64[3] f64[4,5]", NULL, NULL, 50);
    plan_close(&c);
}

static void what_is_needed_anyway_is_free(void **state)
{
    (void)state;
    /* alone the second is cheaper; but the product is a result too */
    const char *ways = "    p = einsum(\"ij,jk->ik\", a, b)\n    s = choose(einsum(\"ik->\", p), einsum(\"j,j->\", "
                       "a.sum(0), b.sum(1)))\n";
    char program[300] = "def f(a, b):\n";
    strcat(strcat(program, ways), "    return s\n");
    expect_nodes(program, "f64[4,5] f64[5,6]", EJ_OP_REDUCE, 2);
    strcpy(program, "def f(a, b):\n");
    strcat(strcat(program, ways), "    return s, p\n");
    expect_nodes(program, "f64[4,5] f64[5,6]", EJ_OP_REDUCE, 0);
}

static void choices_inside_of_choices(void **state)
{
    (void)state;
    expect_nodes(
        "def f(a, b):\n    x = choose(a + a, 2.0 * a)\n    y = choose(x + b, b + choose(x, a * 2))\n    return y\n",
        "f64[4] f64[4]", EJ_OP_CHOOSE, 0);
}

/* Each one hangs on the one below it: what both ways need is not walked by every look at them. */
static void a_long_chain_of_choices_is_decided_in_one_go(void **state)
{
    (void)state;
    enum { LENGTH = 10000, ROOM = 100 };
    char *program = malloc(ROOM * (LENGTH + 2)), *end = program;
    assert_non_null(program);
    end += sprintf(end, "def f(x, i, w):\n");
    for (int k = 0; k < LENGTH; k++)
        end += sprintf(end, "    x = choose(einsum('ec,cd->ed', x[i], w), einsum('nc,cd->nd', x, w)[i])\n");
    sprintf(end, "    return x\n");
    plan_case c;
    plan_open(&c, program, "f64[3,2] i64[5] f64[2,2]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(count(&c.chosen, EJ_OP_CHOOSE), 0);
    assert_int_equal((int)c.plan.planned_operations, (3 + (LENGTH - 1) * 5) * 2 * 2 * 2);
    plan_close(&c);
    free(program);
}

static void axes_of_one_survive_the_split(void **state)
{
    (void)state;
    const char *program = "def f(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c)\n";
    expect_nodes(program, "f64[1,3] f64[3,4] f64[4,2]", EJ_OP_EINSUM, 2);
    expect_nodes(program, "f64[2,1] f64[3,4] f64[4,1]", EJ_OP_EINSUM, 2);
    expect_nodes(program, "f64[2,3] f64[1,4] f64[1,5]", EJ_OP_EINSUM, 3); /* one sum by itself */
    expect_nodes("def f(a, b, c):\n    return einsum(\"ij,ij,ij->ij\", a, b, c)\n", "f64[1,3] f64[2,1] f64[1,1]",
                 EJ_OP_EINSUM, 2);
    expect_nodes("def f(a, b, c):\n    return einsum(\"iij,jk,k->ik\", a, b, c)\n", "f64[3,3,1] f64[4,5] f64[5]",
                 EJ_OP_EINSUM, 2);
}

static void equal_products_are_computed_once(void **state)
{
    (void)state;
    expect_nodes("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"kl,ik->il\", b, a)\n",
                 "f64[3,4] f64[4,5]", EJ_OP_EINSUM, 1);
    expect_nodes("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,jk->ki\", a, b)\n",
                 "f64[3,4] f64[4,5]", EJ_OP_EINSUM, 1);
    expect_nodes("def f(a):\n    return einsum(\"ij,kj->ik\", a, a), einsum(\"ij,kj->ki\", a, a)\n", "f64[3,4]",
                 EJ_OP_EINSUM, 1);
}

static void different_products_stay_apart(void **state)
{
    (void)state;
    expect_nodes("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,kj->ik\", a, b)\n",
                 "f64[4,4] f64[4,4]", EJ_OP_EINSUM, 2);
    expect_nodes("def f(a):\n    return einsum(\"ij,jk->ik\", a, a), einsum(\"ij,kj->ik\", a, a)\n", "f64[4,4]",
                 EJ_OP_EINSUM, 2);
    expect_nodes("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b),"
                 " einsum(\"ij,jk->ik\", a, b, reduce=\"max\", combine=\"add\")\n",
                 "f64[4,4] f64[4,4]", EJ_OP_EINSUM, 2);
}

static void an_intermediate_of_two_einsums_is_shared(void **state)
{
    (void)state;
    const char *program = "def f(a, b, c):\n    return einsum(\"ij,jk,k->i\", a, b, c), einsum(\"jk,k->j\", b, c)\n";
    expect_nodes(program, "f64[3,4] f64[4,5] f64[5]", EJ_OP_EINSUM, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheaper_side_of_a_gather_is_taken),
        cmocka_unit_test(what_is_needed_anyway_is_free),
        cmocka_unit_test(choices_inside_of_choices),
        cmocka_unit_test(a_long_chain_of_choices_is_decided_in_one_go),
        cmocka_unit_test(axes_of_one_survive_the_split),
        cmocka_unit_test(equal_products_are_computed_once),
        cmocka_unit_test(different_products_stay_apart),
        cmocka_unit_test(an_intermediate_of_two_einsums_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
