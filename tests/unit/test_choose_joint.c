/* test_choose_joint.c - einsums that share operands: what they cost together, and that they stay right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "choose_core.h"
#include "plan_support.h"

/* What comes out when every einsum takes its own best path. */
static ej_count separate(bind_case *c)
{
    ej_count count;
    assert_int_equal(ej_candidate_count(&count, &c->bound, NULL, &c->job), EINJIT_OK);
    return count;
}

static ej_count count_of(const ej_bound *bound, ej_job *job)
{
    ej_count count;
    assert_int_equal(ej_cost_graph(&count, bound, job), EINJIT_OK);
    return count;
}

static double planned(const char *program, const char *inputs, bool run)
{
    plan_case c;
    plan_open(&c, program, inputs, NULL, NULL);
    if (c.status != EINJIT_OK) print_error("%s\n", c.bind.err.text);
    assert_int_equal(c.status, EINJIT_OK);
    double operations = count_of(&c.chosen, &c.bind.job).operations;
    assert_false(ej_cost_less(separate(&c.bind), count_of(&c.chosen, &c.bind.job)));
    assert_true(c.plan.planned_operations <= operations);
    if (run) plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
    return operations;
}

static void expect_operations(const char *program, const char *inputs, double operations)
{
    double is = planned(program, inputs, true);
    if (is != operations) print_error("%s: %g operations, not %g\n", program, is, operations);
    assert_true(is == operations);
}

static double alone(const char *program, const char *inputs)
{
    plan_case c;
    plan_open(&c, program, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    double operations = separate(&c.bind).operations;
    plan_close(&c);
    return operations;
}

static void a_common_product_is_made_once(void **state)
{
    const char *program = "def f(a, b, c, d):\n"
                          "    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"jk,kl,lm->jm\", b, c, d)\n";
    (void)state;
    /* by itself the first would be (a b) c; b c serves both */
    const char *in = "f64[9,9] f64[9,10] f64[10,11] f64[11,9]";
    expect_operations(program, in, 2 * (9 * 10 * 11 + 9 * 9 * 11 + 9 * 11 * 9));
    assert_true(alone(program, in) > 2 * (9 * 10 * 11 + 9 * 9 * 11 + 9 * 11 * 9));
}

static void a_whole_einsum_serves_another_one(void **state)
{
    (void)state;
    expect_operations("def f(a, b, c):\n    return einsum(\"ij,jk->ki\", a, b), einsum(\"ij,jk,kl->il\", a, b, c)\n",
                      "f64[8,9] f64[9,10] f64[10,7]", 2 * (8 * 9 * 10 + 8 * 10 * 7));
}

static void a_share_that_is_too_dear_is_refused(void **state)
{
    (void)state;
    /* both could use a b; a row and a column of vectors are less than that */
    expect_operations(
        "def f(a, b, v, w):\n    return einsum(\"ij,jk,k->i\", a, b, v), einsum(\"i,ij,jk->k\", w, a, b)\n",
        "f64[8,8] f64[8,8] f64[8] f64[8]", 4 * 2 * 8 * 8);
}

static void other_strategies_are_obeyed(void **state)
{
    const char *program = "def f(a, b, c, d):\n"
                          "    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"jk,kl,lm->jm\", b, c, d)\n";
    static const char *const names[] = {"greedy", "optimal", "random:3"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bind_case c;
        ej_bound chosen;
        bind_open(&c, program, "f64[9,9] f64[9,10] f64[10,11] f64[11,9]", NULL, NULL);
        c.job.path_strategy = names[i];
        assert_int_equal(ej_choose(&chosen, &c.bound, false, &c.job), EINJIT_OK);
        assert_true(count_of(&chosen, &c.job).operations == separate(&c).operations);
        bind_close(&c);
    }
}

static void repeated_operands_of_one_einsum(void **state)
{
    (void)state;
    expect_operations("def f(a, b):\n    return einsum(\"ab,bc,cd,de->ae\", a, b, a, b)\n", "f64[6,6] f64[6,6]",
                      2 * 2 * 6 * 6 * 6);
    expect_operations("def f(a, b):\n    return einsum(\"ab,bc,cd,de,ef,fg->ag\", a, b, a, b, a, b)\n",
                      "f64[6,6] f64[6,6]", 3 * 2 * 6 * 6 * 6);
    expect_operations("def f(a, b):\n    return einsum(\"ab,bc,de,ec->ad\", a, b, a, b)\n", "f64[6,7] f64[7,5]",
                      2 * 6 * 7 * 5 + 2 * 6 * 5 * 6);
}

/* Tensor of four modes, four factor matrices: each result lacks one. */
static void mttkrp(void **state)
{
    const char *program = "def f(t, a, b, c, d):\n    return einsum(\"abcd,bk,ck,dk->ak\", t, b, c, d), "
                          "einsum(\"abcd,ak,ck,dk->bk\", t, a, c, d), einsum(\"abcd,ak,bk,dk->ck\", t, a, b, d), "
                          "einsum(\"abcd,ak,bk,ck->dk\", t, a, b, c)";
    const char *in = "f64[6,6,6,6] f64[6,3] f64[6,3] f64[6,3] f64[6,3]";
    const double over_tensor = 2 * 6 * 6 * 6 * 6 * 3, over_products = 6 * 6 * 3, over_parts = 2 * 6 * 6 * 3;
    (void)state;
    assert_true(alone(program, in) > 2.9 * over_tensor);
    /* a b and c d are made once, and the tensor is read by each once; two more steps for every pair of results */
    assert_true(planned(program, in, true) <= 2 * over_tensor + 2 * over_products + 4 * over_parts);
}

static char letter(int i)
{
    return (char)(i < 26 ? 'a' + i : 'A' + i - 26);
}

/* The gradients of a chain of n matrices: einsum k is the chain without matrix k, and g between its ends. */
static char *write_gradients(char *at, char *end, int n)
{
    at += snprintf(at, (size_t)(end - at), "def f(g");
    for (int k = 0; k < n; k++) at += snprintf(at, (size_t)(end - at), ", a%d", k);
    at += snprintf(at, (size_t)(end - at), "):\n    return ");
    for (int k = 0; k < n; k++) {
        at += snprintf(at, (size_t)(end - at), "%seinsum(\"%c%c", k ? ", " : "", letter(0), letter(n));
        for (int i = 0; i < n; i++)
            if (i != k) at += snprintf(at, (size_t)(end - at), ",%c%c", letter(i), letter(i + 1));
        at += snprintf(at, (size_t)(end - at), "->%c%c\", g", letter(k), letter(k + 1));
        for (int i = 0; i < n; i++)
            if (i != k) at += snprintf(at, (size_t)(end - at), ", a%d", i);
        at += snprintf(at, (size_t)(end - at), ")");
    }
    at += snprintf(at, (size_t)(end - at), "\n");
    assert_true(at < end);
    return at;
}

static void gradients_of_a_chain_are_linear(void **state)
{
    static const int sizes[] = {3, 5, 8, 9, 12, 20, 40};
    static char program[65536];
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int n = sizes[i];
        char inputs[64 * 9] = "";
        for (int k = 0; k <= n; k++) strcat(inputs, k ? " f64[4,4]" : "f64[4,4]");
        write_gradients(program, program + sizeof program, n);
        /* the oracle sums over all labels at once: small chains only */
        double products = planned(program, inputs, n <= 5) / (2 * 4 * 4 * 4);
        print_message("    n = %d: %g products, %g apart\n", n, products, alone(program, inputs) / (2 * 4 * 4 * 4));
        assert_true(products <= 4 * n - 4);
    }
}

/* Two chains too long for a table that have their middle in common: it is made once. */
static void long_chains_share_their_middle(void **state)
{
    enum { N = 12, COMMON = 7 };
    char program[2048], inputs[1024] = "", *at = program, *end = program + sizeof program;
    (void)state;
    at += snprintf(at, (size_t)(end - at), "def f(");
    for (int k = 0; k < 2 * N - COMMON; k++) {
        at += snprintf(at, (size_t)(end - at), "%sa%d", k ? ", " : "", k);
        strcat(inputs, k ? " f64[6,6]" : "f64[6,6]");
    }
    at += snprintf(at, (size_t)(end - at), "):\n    return ");
    for (int e = 0, first = 0; e < 2; e++, first += N - COMMON) {
        at += snprintf(at, (size_t)(end - at), "%seinsum(\"", e ? ", " : "");
        for (int k = 0; k < N; k++)
            at += snprintf(at, (size_t)(end - at), "%s%c%c", k ? "," : "", letter(k), letter(k + 1));
        at += snprintf(at, (size_t)(end - at), "->%c%c\"", letter(0), letter(N));
        for (int k = 0; k < N; k++) at += snprintf(at, (size_t)(end - at), ", a%d", first + k);
        at += snprintf(at, (size_t)(end - at), ")");
    }
    at += snprintf(at, (size_t)(end - at), "\n");
    double products = planned(program, inputs, false) / (2 * 6 * 6 * 6);
    print_message("    %g products, %g apart\n", products, alone(program, inputs) / (2 * 6 * 6 * 6));
    assert_true(products <= 2 * (N - 1) - (COMMON - 1) + 2);
    assert_true(products < alone(program, inputs) / (2 * 6 * 6 * 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_common_product_is_made_once),       cmocka_unit_test(a_whole_einsum_serves_another_one),
        cmocka_unit_test(a_share_that_is_too_dear_is_refused), cmocka_unit_test(other_strategies_are_obeyed),
        cmocka_unit_test(repeated_operands_of_one_einsum),     cmocka_unit_test(mttkrp),
        cmocka_unit_test(gradients_of_a_chain_are_linear),     cmocka_unit_test(long_chains_share_their_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
