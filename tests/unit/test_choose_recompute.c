/* test_choose_recompute.c - einsums that several others read: written into them where that is less work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "choose_core.h"
#include "plan_support.h"

/* The decision alone: whether it changes anything, einsums before and after; and the whole plan against the oracle. */
static bool fires(const char *program, const char *inputs, bool run)
{
    plan_case c;
    ej_bound once, twice;
    plan_open(&c, program, inputs, NULL, NULL);
    if (c.status != EINJIT_OK) print_error("%s\n", c.bind.err.text);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(ej_choose_recompute(&once, &c.bind.bound, false, &c.bind.job), EINJIT_OK);
    bool fired = once.nodes != c.bind.bound.nodes;
    if (ej_bound_verify(&once, &c.bind.job)) fail_msg("%s", c.bind.err.text);
    assert_int_equal(ej_choose_recompute(&twice, &once, false, &c.bind.job), EINJIT_OK);
    assert_ptr_equal(twice.nodes, once.nodes); /* a second time nothing is left to do */
    ej_count before, after;
    assert_int_equal(ej_candidate_count(&before, &c.bind.bound, NULL, &c.bind.job), EINJIT_OK);
    assert_int_equal(ej_cost_graph(&after, &c.chosen, &c.bind.job), EINJIT_OK);
    assert_false(ej_cost_less(before, after));
    if (fired) assert_true(ej_cost_less(after, before));
    if (run) plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
    return fired;
}

static void outer_products_are_never_stored(void **state)
{
    (void)state;
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"i,j->ij\", a, b)\n"
                      "    return einsum(\"ij,j->i\", p, x), einsum(\"ij,i->j\", p, y)\n",
                      "f64[8] f64[9] f64[9] f64[8]", true));
}

static void products_of_matrices_that_meet_vectors(void **state)
{
    (void)state;
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"ij,jk->ik\", a, b)\n"
                      "    return einsum(\"ik,k->i\", p, x), einsum(\"ik,i->k\", p, y)\n",
                      "f64[8,8] f64[8,8] f64[8] f64[8]", true));
    /* met by many, it is cheaper to have it */
    assert_false(fires("def f(a, b, x):\n    p = einsum(\"ij,jk->ik\", a, b)\n"
                       "    return einsum(\"ik,kl->il\", p, x), einsum(\"ik,il->kl\", p, x)\n",
                       "f64[8,8] f64[8,8] f64[8,8]", true));
}

static void what_is_needed_anyway_stays(void **state)
{
    (void)state;
    /* reading a b costs less than the detour through a and b */
    assert_false(
        fires("def f(a, b, x):\n    p = einsum(\"ij,jk->ik\", a, b)\n    return p, einsum(\"ik,k->i\", p, x)\n",
              "f64[8,8] f64[8,8] f64[8]", true));
    /* but an outer product is larger than what it is made of, even if it is there */
    assert_true(fires("def f(a, b, x):\n    p = einsum(\"i,j->ij\", a, b)\n    return p, einsum(\"ij,j->i\", p, x)\n",
                      "f64[8] f64[9] f64[9]", true));
    assert_true(
        fires("def f(a, b, x):\n    p = einsum(\"i,j->ij\", a, b)\n    return exp(p), einsum(\"ij,j->i\", p, x)\n",
              "f64[8] f64[9] f64[9]", true));
}

static void one_reader_that_reads_it_twice(void **state)
{
    (void)state;
    /* the summed label is another one in each place */
    assert_true(
        fires("def f(a, b, x):\n    p = einsum(\"ij,jk->ik\", a, b)\n    return einsum(\"ik,kl,l->i\", p, p, x)\n",
              "f64[9,9] f64[9,9] f64[9]", true));
}

static void several_levels(void **state)
{
    (void)state;
    assert_true(
        fires("def f(a, b, c, x, y):\n    p = einsum(\"ij,jk->ik\", a, b)\n    q = einsum(\"ik,kl->il\", p, c)\n"
              "    return einsum(\"il,l->i\", q, x), einsum(\"il,i->l\", q, y)\n",
              "f64[8,8] f64[8,8] f64[8,8] f64[8] f64[8]", true));
}

static void axes_of_extent_one_and_diagonals(void **state)
{
    (void)state;
    /* p's first axis is 1 and meets 4 */
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"ij,k->ijk\", a, b)\n"
                      "    return einsum(\"ijk,ik->ij\", p, x), einsum(\"ijk,ij->k\", p, y)\n",
                      "f64[1,5] f64[6] f64[4,6] f64[4,5]", true));
    /* of a diagonal: in different operands, and not in one whose first axis would be stretched */
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"i,j->ij\", a, b)\n"
                      "    return einsum(\"ii,i->i\", p, x), einsum(\"ij,j->i\", p, y)\n",
                      "f64[6] f64[6] f64[6] f64[6]", true));
    assert_true(fires("def f(a, b, c, x):\n    p = einsum(\"ij,i,k->ijk\", a, b, c)\n    return einsum(\"iik,k->i\", "
                      "p, x), p.sum()\n",
                      "f64[6,6] f64[6] f64[7] f64[7]", true));
    assert_false(fires("def f(a, b, c, x):\n    p = einsum(\"ij,i,k->ijk\", a, b, c)\n    return einsum(\"iik,k->i\", "
                       "p, x), p.sum()\n",
                       "f64[1,6] f64[6] f64[7] f64[7]", true));
}

static void semirings_and_dtypes_stay_apart(void **state)
{
    (void)state;
    assert_false(fires("def f(a, b, x):\n    p = einsum(\"i,j->ij\", a, b)\n"
                       "    return einsum(\"ij,j->i\", p, x, reduce=\"max\", combine=\"add\")\n",
                       "f64[8] f64[9] f64[9]", true));
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"ij,jk->ik\", a, b, reduce=\"max\", combine=\"add\")\n"
                      "    return einsum(\"ik,k->i\", p, x, reduce=\"max\", combine=\"add\"), "
                      "einsum(\"ik,i->k\", p, y, reduce=\"max\", combine=\"add\")\n",
                      "f64[8,8] f64[8,8] f64[8] f64[8]", true));
    assert_true(fires("def f(a, b, x, y):\n    p = einsum(\"i,j->ij\", a, b)\n"
                      "    return einsum(\"ij,j->i\", p, x), einsum(\"ij,i->j\", p, y)\n",
                      "i32[8] i32[9] i32[9] i32[8]", true));
    /* the product would be rounded, or wrap, in another dtype */
    assert_false(fires("def f(a, b, x):\n    p = einsum(\"i,j->ij\", a, b)\n    return einsum(\"ij,j->i\", p, x)\n",
                       "i32[8] i32[9] i64[9]", true));
}

static void sums_over_nothing_stay(void **state)
{
    (void)state;
    assert_false(fires("def f(a, b, x):\n    p = einsum(\"ij,jk->ik\", a, b)\n    return einsum(\"ik,k->i\", p, x)\n",
                       "f64[8,0] f64[0,8] f64[8]", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outer_products_are_never_stored),
        cmocka_unit_test(products_of_matrices_that_meet_vectors),
        cmocka_unit_test(what_is_needed_anyway_stays),
        cmocka_unit_test(one_reader_that_reads_it_twice),
        cmocka_unit_test(several_levels),
        cmocka_unit_test(axes_of_extent_one_and_diagonals),
        cmocka_unit_test(semirings_and_dtypes_stay_apart),
        cmocka_unit_test(sums_over_nothing_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
