/* test_opt_scalar.c - what the pass collects and where it multiplies: numbers, values of rank 0, dtypes, bounds, users. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph_support.h"
#include "opt.h"
#include "pass_support.h"

static void numbers_are_collected_into_one(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"2.0 * x * 3.0", "mul_2 = x * 6.0; return mul_2"},
        {"x / 3.0", NULL},
        {"x / 3.0 / 5.0", "div_2 = x / 15.0; return div_2"},
        {"x / 3.0 * 6.0", "mul_1 = x * 2.0; return mul_1"},
        {"-(2.0 * x)", "neg_1 = x * -2.0; return neg_1"},
        {"2.0 * x * 0.5", "return x"},
        {"x * 1.0", "return x"},
        {"-(-x)", "return x"},
        {"2 * x * 3", "mul_2 = x * 6.0; return mul_2"},
        {"tensor(2.0, dtype=f32) * x * 3.0", "mul_2 = x * 6.0; return mul_2"},
        {"0.1 * x * 10.0", "return x"});
}

static void dtypes_stay_what_they_are(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"n * 0.5 * 2.0", NULL},
        {"n * 2 * 3", NULL},
        {"n * 1.0", NULL},
        {"2.0 * (n + n)", NULL},
        {"u * 2.0 * 3.0", NULL},
        {"x * 2j * 3.0", NULL},
        {"z * 2j * 2j", "mul_2 = z * -4.0; return mul_2"},
        {"x * True * 2.0", NULL},
        {"w * x * 2.0", NULL},
        {"x * n * 2.0", NULL},
        {"s * d * 3.0", "to_1 = s.to(f64); mul_3 = to_1 * 3.0; mul_2 = d * mul_3; return mul_2"},
        {"2.0 * (w * x)", NULL},
        {"mul(2.0, 3.0) * x * 2.0", NULL},
        {"tensor(2.0, dtype=f64) * x * 3.0", NULL});
}

static void values_of_rank_0_move_and_stay_apart(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"s * x", NULL},
        {"permute(s * x, (1, 0)) * t",
         "permute_2 = permute(x, (1, 0)); permute_1 = permute_2 * s; mul_2 = permute_1 * t; return mul_2"},
        {"x * s * t", NULL},
        {"x * t * s", NULL},
        {"x / s / t", NULL},
        {"x / s * t", NULL},
        {"x * s / s", NULL},
        {"x * s * s", NULL},
        {"x / s * 2.0", "div_2 = 2.0 / s; mul_1 = x * div_2; return mul_1"},
        {"x / s * 1e-6", NULL},
        {"x / s / 3.0", "mul_1 = s * 3.0; div_2 = x / mul_1; return div_2"},
        {"x * 3.0 / s / t * 2.0", "div_3 = 6.0 / s; mul_3 = x * div_3; mul_2 = mul_3 / t; return mul_2"},
        {"s * d * t", NULL},
        {"einsum(\",ij,jk->ik\", s, x, y)",
         "einsum_2 = einsum(\"ij,jk->ik\", x, y); einsum_1 = einsum_2 * s; return einsum_1"},
        {"einsum(\",ij->ij\", 2.0, x)", "einsum_1 = x * 2.0; return einsum_1"},
        {"einsum(\",ij->ji\", s, x)", "einsum_2 = einsum(\"ij->ji\", x); einsum_1 = einsum_2 * s; return einsum_1"},
        {"einsum(\",->\", s, t)", NULL},
        {"einsum(\",ij->ij\", w, x)", NULL},
        {"einsum(\"...,ij->ij\", s, x)", NULL},
        {"einsum(\",,ij->ij\", s, sum(u), x)", NULL},
        {"s * t * 2.0 * 3.0", "mul_1 = s * t; mul_3 = mul_1 * 6.0; return mul_3"},
        {"(2.0 * s) * x", NULL},
        {"s * t * x", NULL},
        {"r * x * 2.0", NULL},
        {"sum(s * x)", "sum_2 = sum(x); sum_1 = sum_2 * s; return sum_1"},
        {"sum(x * s, 1) * s", "sum_2 = sum(x, dim=1); sum_1 = sum_2 * s; mul_2 = sum_1 * s; return mul_2"},
        {"(s * x) @ (t * y)", "matmul_2 = x @ y; mul_3 = matmul_2 * s; matmul_1 = mul_3 * t; return matmul_1"},
        {"(s * x) @ (s * x)", "matmul_2 = x @ x; mul_3 = matmul_2 * s; matmul_1 = mul_3 * s; return matmul_1"},
        {"einsum(\"ij,ij->\", s * x, s * x)",
         "einsum_2 = einsum(\"ij,ij->\", x, x); mul_3 = einsum_2 * s; einsum_1 = mul_3 * s; return einsum_1"});
}

/* 1 / 0.0 and 1 / -0.0 differ. */
static void signs_stay_in_sums_that_divide(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"1.0 / ((-x) @ y)", NULL},
        {"v / ((-x) @ v)", NULL},
        {"v / ((s * x) @ v)", NULL},
        {"rsqrt((-x).sum(1))", NULL},
        {"reciprocal(-x - y * 1.0)", "neg_1 = -x; sub_1 = neg_1 - y; reciprocal_1 = reciprocal(sub_1); return reciprocal_1"},
        {"(-x - (-y)) ** -1", NULL},
        {"v / (z * 2.0).sum(1)", NULL},
        {"1.0 / ((2.0 * x) @ y)", "matmul_1 = x @ y; div_1 = 0.5 / matmul_1; return div_1"},
        {"y / permute(-x, (1, 0))", "permute_1 = permute(x, (1, 0)); div_2 = y / permute_1; div_1 = -div_2; return div_1"},
        {"y / (x * -2.0)", "div_2 = y / x; div_1 = div_2 * -0.5; return div_1"},
        {"y / exp((-x) @ y)", "matmul_2 = x @ y; matmul_1 = -matmul_2; exp_1 = exp(matmul_1); div_1 = y / exp_1; return div_1"},
        {"((-x) @ y) / v", "matmul_1 = x @ y; div_2 = matmul_1 / v; div_1 = -div_2; return div_1"});
}

static void numbers_out_of_bounds_stay(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"x * 1e30 * 1e-30", NULL},
        {"x * 1e-30 * 1e-30", NULL},
        {"d * 1e30 * 1e-30", "return d"},
        {"d * 1e300 * 1e-300", NULL},
        {"x * 1e4 * 1e4", NULL},
        {"x * 1e-4 * 1e4 * 1e4", "mul_3 = x * 10000.0; return mul_3"},
        {"permute(x * 1e-4, (1, 0)) * 1e4 * 1e4",
         "permute_1 = permute(x, (1, 0)); mul_3 = permute_1 * 10000.0; return mul_3"},
        {"permute(permute(x * 1e4, (1, 0)), (1, 0)) * 1e-4 * 1e-4",
         "permute_1 = permute(x, (1, 0)); permute_2 = permute(permute_1, (1, 0)); mul_3 = permute_2 * 0.0001; return mul_3"},
        {"sum(x * 1e30, 1)", NULL},
        {"x / 0.0 * 2.0", NULL},
        {"x * 0.0 * 2.0", NULL},
        {"x * float(\"inf\") * 2.0", NULL},
        {"x * float(\"nan\") * 2.0", NULL},
        {"sum(x * 1e6, 1) + 1.0",
         "sum_2 = sum(x, dim=1); sum_1 = sum_2 * 1000000.0; add_1 = sum_1 + 1.0; return add_1"});
}

static void an_operand_used_twice_gives_its_factor_twice(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"einsum(\"ij,ij->\", 2.0 * x, 2.0 * x)",
         "einsum_2 = einsum(\"ij,ij->\", x, x); einsum_1 = einsum_2 * 4.0; return einsum_1"});
}

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
    check("    scaled = 2.0 * x\n    turned = permute(scaled, (1, 0))\n    summed = sum(turned, 0)\n    return summed\n",
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
    for (size_t v = 0; v < f.graph.n_nodes; v++) n += f.graph.nodes[v].op == EJ_OP_MAP && f.graph.nodes[v].fn == EJ_FN_MUL;
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
        cmocka_unit_test(numbers_are_collected_into_one),
        cmocka_unit_test(dtypes_stay_what_they_are),
        cmocka_unit_test(values_of_rank_0_move_and_stay_apart),
        cmocka_unit_test(signs_stay_in_sums_that_divide),
        cmocka_unit_test(numbers_out_of_bounds_stay),
        cmocka_unit_test(an_operand_used_twice_gives_its_factor_twice),
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
