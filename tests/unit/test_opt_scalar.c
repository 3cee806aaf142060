/* test_opt_scalar.c - what the pass does in values with several users, and in whole programs (expression by expression:
 * tests/passes/scalar.cases). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph_support.h"
#include "opt.h"
#include "pass_support.h"

/* ---- values with several users ---- */

static void check(const char *body, const char *want)
{
    char program[1000];
    snprintf(program, sizeof program, "def forward(x: f32[i, j], y: f32[j, k], q: f32[i, j]):\n%s", body);
    char *got = pass_body(program, "scalar");
    assert_string_equal(got, want);
    free(got);
}

static void every_user_carries_the_factor_where_that_costs_nothing(void **state)
{
    (void)state;
    check("    a = 2.0 * x\n    b = 3.0 * y\n    return einsum('ij,jk->ik', a, b), sum(a)\n",
          "einsum_2 = einsum(\"ij,jk->ik\", x, y); einsum_1 = einsum_2 * 6.0; sum_2 = sum(x); sum_1 = sum_2 * 2.0; "
          "return einsum_1, sum_1");
    check("    a = 2.0 * x\n    return 3.0 * a, 5.0 * a, -a\n",
          "mul_1 = x * 6.0; mul_2 = x * 10.0; neg_1 = x * -2.0; return mul_1, mul_2, neg_1");
    check("    a = 2.0 * x\n    b = 3.0 * y\n    return einsum('ij,jk->ik', a, b), einsum('ij,jk->k', a, b)\n",
          "einsum_3 = einsum(\"ij,jk->ik\", x, y); einsum_1 = einsum_3 * 6.0; einsum_4 = einsum(\"ij,jk->k\", x, y); "
          "einsum_2 = einsum_4 * 6.0; return einsum_1, einsum_2");
}

static void a_value_with_many_users_is_multiplied_once(void **state)
{
    (void)state;
    check("    a = 2.0 * x\n    return sum(a, 0), sum(a, 1)\n",
          "a = 2.0 * x; sum_1 = sum(a, dim=0); sum_2 = sum(a, dim=1); return sum_1, sum_2");
    check("    a = 2.0 * x\n    b = 3.0 * y\n"
          "    return einsum('ij,jk->ik', a, b), einsum('ij,jk->k', a, b), einsum('ij,jk->i', a, b)\n",
          "a = 2.0 * x; b = 3.0 * y; einsum_1 = einsum(\"ij,jk->ik\", a, b); einsum_2 = einsum(\"ij,jk->k\", a, b); "
          "einsum_3 = einsum(\"ij,jk->i\", a, b); return einsum_1, einsum_2, einsum_3");
}

static void a_value_that_somebody_needs_in_full_is_used_by_all(void **state)
{
    (void)state;
    check("    a = 2.0 * x\n    return exp(a), sum(a, 1)\n",
          "a = 2.0 * x; exp_1 = exp(a); sum_1 = sum(a, dim=1); return exp_1, sum_1");
    check("    a = 2.0 * x\n    return a, sum(a, 1)\n", "a = 2.0 * x; sum_1 = sum(a, dim=1); return a, sum_1");
    check("    a = 3.0 * (2.0 * x)\n    return exp(a), sum(a, 1)\n",
          "a = x * 6.0; exp_1 = exp(a); sum_1 = sum(a, dim=1); return exp_1, sum_1");
}

static void a_term_that_stays_keeps_those_in_step_with_it(void **state)
{
    (void)state;
    check("    a = 2.0 * x\n    b = 2.0 * q\n    c = 2.0 * exp(q)\n    return exp(a), a + b, sum(b + c, 1)\n",
          "a = 2.0 * x; b = 2.0 * q; exp_1 = exp(q); c = 2.0 * exp_1; exp_2 = exp(a); add_1 = a + b; add_2 = b + c; "
          "sum_1 = sum(add_2, dim=1); return exp_2, add_1, sum_1");
}

static void a_factor_that_vanishes_serves_all_users(void **state)
{
    (void)state;
    check("    a = x * 1.0\n    return exp(a) + a\n", "exp_1 = exp(x); add_1 = exp_1 + x; return add_1");
}

static void names_go_to_what_stands_in_their_place(void **state)
{
    (void)state;
    check(
        "    scaled = 2.0 * x\n    turned = permute(scaled, (1, 0))\n    summed = sum(turned, 0)\n    return summed\n",
        "turned = permute(x, (1, 0)); sum_1 = sum(turned, dim=0); summed = sum_1 * 2.0; return summed");
}

/* ---- all of it at once ---- */

/* Terms in step that lean on each other, the first of them needed in full: a round of decisions for each. */
static void long_rows_of_terms_end(void **state)
{
    (void)state;
    enum { N = 300 };
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 2), before = -1;
    for (int i = 0; i < N; i++) {
        ej_value term = graph_map(&f, EJ_FN_MUL, graph_map(&f, EJ_FN_TANH, x, -1), graph_literal(&f, 2.0));
        if (before >= 0) graph_output(&f, graph_map(&f, EJ_FN_ADD, before, term));
        else graph_output(&f, graph_map(&f, EJ_FN_EXP, term, -1));
        before = term;
    }
    size_t once = 0, again = 0;
    assert_int_equal(ej_opt_scalar(&f.graph, &f.job, &once), EINJIT_OK);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    size_t n = 0;
    for (size_t v = 0; v < f.graph.n_nodes; v++)
        n += f.graph.nodes[v].op == EJ_OP_MAP && f.graph.nodes[v].fn == EJ_FN_MUL;
    assert_int_equal(n, N);
    assert_int_equal(ej_opt_scalar(&f.graph, &f.job, &again), EINJIT_OK);
    assert_int_equal(again, 0);
    graph_close(&f);
}

static void programs_without_scalars_are_left_alone(void **state)
{
    (void)state;
    char *got = pass_body("def forward(a, b):\n    return einsum('ij,jk->ik', a, b) + 1.0\n", "scalar");
    assert_string_equal(got, "einsum_1 = einsum(\"ij,jk->ik\", a, b); add_1 = einsum_1 + 1.0; return add_1");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_user_carries_the_factor_where_that_costs_nothing),
        cmocka_unit_test(a_value_with_many_users_is_multiplied_once),
        cmocka_unit_test(a_value_that_somebody_needs_in_full_is_used_by_all),
        cmocka_unit_test(a_term_that_stays_keeps_those_in_step_with_it),
        cmocka_unit_test(a_factor_that_vanishes_serves_all_users),
        cmocka_unit_test(names_go_to_what_stands_in_their_place),
        cmocka_unit_test(long_rows_of_terms_end),
        cmocka_unit_test(programs_without_scalars_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
