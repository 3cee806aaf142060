/* test_choose_share.c - einsums in pairs, and equal intermediates of different einsums made once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "choose_core.h"
#include "plan_support.h"

/* Steps of einsums in the chosen graph, which is checked against the oracle. */
static int einsums(const char *program, const char *inputs)
{
    plan_case c;
    int n = 0;
    plan_open(&c, program, inputs, NULL, NULL);
    if (c.status) fail_msg("%s", c.bind.err.text);
    for (size_t v = 0; v < c.chosen.n_nodes; v++) n += c.chosen.nodes[v].op == EJ_OP_EINSUM;
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
    return n;
}

static void results_that_differ_in_order_are_one(void **state)
{
    (void)state;
    assert_int_equal(einsums("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,jk->ki\", a, b)\n",
                             "f64[3,4] f64[4,5]"),
                     1);
    assert_int_equal(einsums("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"xy,zx->yz\", b, a)\n",
                             "f64[3,4] f64[4,5]"),
                     1);
    /* square: the same extents, other axes */
    assert_int_equal(einsums("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,kj->ik\", a, b)\n",
                             "f64[4,4] f64[4,4]"),
                     2);
}

static void what_reads_a_permuted_result_is_equal_too(void **state)
{
    (void)state;
    assert_int_equal(
        einsums("def f(a, b, c):\n    p = einsum(\"ij,jk->ik\", a, b)\n    q = einsum(\"ij,jk->ki\", a, b)\n"
                "    return p, einsum(\"ik,kl->il\", p, c), einsum(\"ki,kl->li\", q, c)\n",
                "f64[4,4] f64[4,4] f64[4,4]"),
        2);
    assert_int_equal(einsums("def f(x, c):\n    t = x.permute(1, 0)\n    return einsum(\"ij,jk->ik\", t, c), "
                             "einsum(\"ji,jk->ki\", x, c)\n",
                             "f64[4,4] f64[4,4]"),
                     1);
    assert_int_equal(einsums("def f(x, c):\n    t = x.permute(1, 2, 0)\n    return einsum(\"ijk,jk->i\", t, c), "
                             "einsum(\"kij,jk->i\", x, c)\n",
                             "f64[4,4,4] f64[4,4]"),
                     1);
    assert_int_equal(einsums("def f(x, c):\n    t = x.permute(1, 2, 0)\n    return einsum(\"ijk,jk->i\", t, c), "
                             "einsum(\"ijk,jk->i\", x, c)\n",
                             "f64[4,4,4] f64[4,4]"),
                     2);
}

static void repeated_operands_are_the_same_either_way(void **state)
{
    (void)state;
    assert_int_equal(
        einsums("def f(a):\n    return einsum(\"ij,jk->ik\", a, a), einsum(\"jk,ij->ki\", a, a)\n", "f64[4,4]"), 1);
    assert_int_equal(
        einsums("def f(a):\n    return einsum(\"ij,jk->ik\", a, a), einsum(\"ij,kj->ik\", a, a)\n", "f64[4,4]"), 2);
}

static void intermediates_of_two_einsums_are_one(void **state)
{
    (void)state;
    /* a b is the first step of both, once as ik and once as ki */
    assert_int_equal(
        einsums("def f(a, b, c, d):\n    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"ij,jk,lk->li\", a, b, d)\n",
                "f64[3,8] f64[8,3] f64[3,9] f64[9,3]"),
        3);
    /* kept k of one, summed k of the other: not the same */
    assert_int_equal(
        einsums("def f(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"ij,jk,kl->ikl\", a, b, c)\n",
                "f64[3,8] f64[8,3] f64[3,9]"),
        3);
}

static void semirings_are_kept_apart(void **state)
{
    (void)state;
    assert_int_equal(
        einsums("def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,jk->ik\", a, b, reduce=\"max\")\n",
                "f64[3,4] f64[4,5]"),
        2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_that_differ_in_order_are_one),
        cmocka_unit_test(what_reads_a_permuted_result_is_equal_too),
        cmocka_unit_test(repeated_operands_are_the_same_either_way),
        cmocka_unit_test(intermediates_of_two_einsums_are_one),
        cmocka_unit_test(semirings_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
