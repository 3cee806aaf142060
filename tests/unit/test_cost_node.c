/* test_cost_node.c - operations and bytes of programs, counted by hand; and that plans count the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cost.h"
#include "plan_support.h"

/* `body` behind "def f(<params>):\n    return ". */
static ej_count count(const char *params, const char *body, const char *inputs)
{
    char program[500];
    bind_case c;
    ej_count out = {-1, -1};
    snprintf(program, sizeof program, "def f(%s):\n    return %s", params, body);
    bind_open(&c, program, inputs, NULL, NULL);
    if (c.status) fail_msg("%s: %s", body, c.err.text);
    assert_int_equal(ej_cost_graph(&out, &c.bound, &c.job), EINJIT_OK);
    bind_close(&c);
    return out;
}

static void expect(const char *params, const char *body, const char *inputs, double operations, double bytes)
{
    ej_count have = count(params, body, inputs);
    if (have.operations != operations || have.bytes != bytes)
        fail_msg("%s: %g operations and %g bytes, not %g and %g", body, have.operations, have.bytes, operations, bytes);
}

static void an_einsum_counts_every_label_once_an_operand_and_sum(void **state)
{
    (void)state;
    /* one product and one sum a point of the loop */
    expect("a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,4] f32[4,5]", 2 * 60, 4 * (12 + 20 + 15));
    expect("a, b, c", "einsum(\"ij,jk,kl->il\", a, b, c)", "f32[3,4] f32[4,5] f32[5,6]", 3 * 360,
           4 * (12 + 20 + 30 + 18));
    expect("a, b", "einsum(\"i,j->ij\", a, b)", "f64[3] f64[5]", 15, 8 * (3 + 5 + 15)); /* no sum */
    expect("a", "einsum(\"ij->i\", a)", "f32[3,4]", 12, 4 * (12 + 3));                  /* no product */
    expect("a", "einsum(\"ij->ji\", a)", "f32[3,4]", 12, 4 * (12 + 12));                /* neither: one all the same */
    expect("a, b, c, d", "einsum(\"i,i,i,i->i\", a, b, c, d)", "f32[7] f32[7] f32[7] f32[7]", 3 * 7, 4 * 5 * 7);
}

static void what_broadcasts_or_repeats_is_read_once(void **state)
{
    (void)state;
    expect("a, b", "einsum(\"ij,ij->ij\", a, b)", "f32[3,1] f32[3,4]", 12, 4 * (3 + 12 + 12));
    expect("a", "einsum(\"ii->i\", a)", "f32[5,5]", 5, 4 * (5 + 5));
    expect("a", "einsum(\"iii->\", a)", "f64[3,3,3]", 3, 8 * (3 + 1));
    expect("a, b", "a + b", "f32[3,4] f32[4]", 12, 4 * (12 + 4 + 12));
    expect("a", "exp(a.expand(3, 4))", "f32[1,4]", 12, 4 * (4 + 12));
}

static void sums_along_one_value_add_nothing(void **state)
{
    (void)state;
    expect("a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,1] f32[1,5]", 15, 4 * (3 + 5 + 15));
    expect("a", "sum(a, dim=1)", "f32[3,1]", 0, 4 * (3 + 3));
}

static void complex_counts_as_one(void **state)
{
    (void)state;
    expect("a, b", "einsum(\"ij,jk->ik\", a, b)", "c64[3,4] c64[4,5]", 2 * 60, 8 * (12 + 20 + 15));
    expect("a, b", "a * b", "c128[6] c128[6]", 6, 16 * 18);
}

static void a_pointwise_function_counts_its_elements(void **state)
{
    (void)state;
    expect("a", "exp(a)", "f32[3,4]", 12, 4 * 24);
    expect("a", "gelu(exp(a))", "f32[3,4]", 24, 4 * 48);
    expect("a", "a * 2.0", "f32[3,4]", 12, 4 * 24); /* a number of the program is not read */
    expect("a, b, c", "where(a, b, c)", "bool[6] f32[6] f32[6]", 6, 6 + 4 * 18);
    expect("a", "a.to(f64)", "f32[6]", 0, 4 * 6 + 8 * 6); /* it moves, and computes nothing */
}

static void reductions_count_what_they_read(void **state)
{
    (void)state;
    expect("a", "sum(a, dim=1)", "f32[3,4]", 12, 4 * (12 + 3));
    expect("a", "amax(a)", "f64[3,4]", 12, 8 * 13);
    expect("a", "mean(a, dim=0)", "f32[3,4]", 12 + 4, 4 * (12 + 4) + 4 * (4 + 4)); /* a sum, a quotient */
}

static void scatters_count_what_they_add_and_gathers_nothing(void **state)
{
    (void)state;
    expect("v, d", "index_add(5, 0, d, v)", "f32[7,2] i64[7]", 14, 4 * 14 + 8 * 7 + 4 * 10);
    expect("x, s", "x[s]", "f32[5,2] i64[7]", 0, 0);
    expect("x, s", "exp(x[s])", "f32[5,2] i64[7]", 14, 4 * 28);
}

static void layout_is_free(void **state)
{
    (void)state;
    expect("a", "a.permute(1, 0)", "f32[3,4]", 0, 0);
    expect("a", "a.reshape(12)[2:8].reshape(2, 3)", "f32[3,4]", 0, 0);
    expect("a, b", "cat([a, b], dim=0)", "f32[3,4] f32[2,4]", 0, 0);
    expect("a", "a.expand(5, 3)", "f32[3]", 0, 0);
}

static void notation_counts_as_what_it_is_written_out_to(void **state)
{
    (void)state;
    expect("a, b", "a @ b", "f32[3,4] f32[4,5]", 2 * 60, 4 * (12 + 20 + 15));
    expect("a, b", "tensordot(a, b, dims=1)", "f32[3,4] f32[4,5]", 2 * 60, 4 * (12 + 20 + 15));
    /* max 12, minus 12, exp 12, sum 12, quotient 12 */
    assert_true(count("a", "softmax(a, dim=1)", "f32[3,4]").operations == 60);
    /* sum 12, mean 3, minus 12, square 12, sum 12, mean 3, plus eps 3, root 3, quotient 12 */
    assert_true(count("a", "layer_norm(a, (4,))", "f32[3,4]").operations == 72);
}

static void a_value_counts_once_and_only_when_needed(void **state)
{
    (void)state;
    bind_case c;
    ej_count out;
    bind_open(&c, "def f(a):\n    t = exp(a)\n    u = sin(a)\n    return t + t, t", "f32[10]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(ej_cost_graph(&out, &c.bound, &c.job), EINJIT_OK);
    assert_true(out.operations == 20);
    bind_close(&c);
}

static void nothing_is_no_operation_and_too_much_is_infinite(void **state)
{
    (void)state;
    expect("a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,0] f32[0,5]", 0, 4 * 15);
    char params[200] = "", body[400] = "einsum(\"a", inputs[800] = "f32[1000000000000000]";
    size_t p = (size_t)snprintf(params, sizeof params, "x0"), e = strlen(body), n = strlen(inputs);
    for (int i = 1; i < 26; i++) { /* 26 operands of 10^15 elements */
        p += (size_t)snprintf(params + p, sizeof params - p, ", x%d", i);
        e += (size_t)snprintf(body + e, sizeof body - e, ",%c", 'a' + i);
        n += (size_t)snprintf(inputs + n, sizeof inputs - n, " f32[1000000000000000]");
    }
    snprintf(body + e, sizeof body - e, "->\", %s)", params);
    ej_count many = count(params, body, inputs);
    assert_true(isinf(many.operations) && isfinite(many.bytes));
    snprintf(inputs + n - strlen("1000000000000000]"), 3, "0]"); /* the last has none */
    many = count(params, body, inputs);
    assert_true(many.operations == 0 && isfinite(many.bytes));
}

/* The plan of one operation does what the program says. */
static void plans_count_the_same_way(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,4] f32[4,5]"},
        {"a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,1] f32[1,5]"},
        {"a, b", "einsum(\"ij,ij->ij\", a, b)", "f32[3,1] f32[3,4]"},
        {"a", "exp(a)", "f32[3,4]"},
        {"a", "sum(a, dim=1)", "f32[3,4]"},
        {"a", "sum(a, dim=1)", "f32[3,1]"},
        {"a, b", "a + b", "f32[3,4] f32[4]"},
        {"a", "layer_norm(a, (4,))", "f32[3,4]"},
        {"a", "softmax(a, dim=1)", "f32[3,4]"},
        {"x, s", "exp(x[s])", "f32[5,2] i64[7]"},
        {"a", "a.to(f64)", "f32[6]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char program[300];
        plan_case c;
        ej_count have = count(cases[i][0], cases[i][1], cases[i][2]);
        snprintf(program, sizeof program, "def f(%s):\n    return %s", cases[i][0], cases[i][1]);
        plan_open(&c, program, cases[i][2], NULL, NULL);
        assert_int_equal(c.status, EINJIT_OK);
        if (c.plan.planned_operations != have.operations || c.plan.naive_operations != have.operations)
            fail_msg("%s: %g operations, its plan %g", cases[i][1], have.operations, c.plan.planned_operations);
        if (c.plan.bytes_moved > have.bytes) /* chains of functions are one step */
            fail_msg("%s: %g bytes, its plan %g", cases[i][1], have.bytes, c.plan.bytes_moved);
        plan_close(&c);
    }
}

static void expect_touched(const char *params, const char *body, const char *inputs, double bytes)
{
    char program[500];
    bind_case c;
    double have = -1;
    snprintf(program, sizeof program, "def f(%s):\n    return %s", params, body);
    bind_open(&c, program, inputs, NULL, NULL);
    if (c.status) fail_msg("%s: %s", body, c.err.text);
    assert_int_equal(ej_cost_touched(&have, &c.bound, &c.job), EINJIT_OK);
    bind_close(&c);
    if (have != bytes) fail_msg("%s: touches %g bytes, not %g", body, have, bytes);
}

static void inputs_and_outputs_are_touched_as_far_as_they_are_read(void **state)
{
    (void)state;
    expect_touched("a, b", "einsum(\"ij,jk->ik\", a, b)", "f32[3,4] f32[4,5]", 4 * (12 + 20 + 15));
    expect_touched("a", "einsum(\"ii->i\", a)", "f32[5,5]", 4 * (5 + 5));
    expect_touched("a", "exp(einsum(\"ii->i\", a.permute(1, 0))) + 1.0", "f32[5,5]", 4 * (5 + 5));
    expect_touched("a", "einsum(\"ii->i\", a) + sum(a, dim=0)", "f32[5,5]",
                   4 * (25 + 5)); /* somebody reads all of it */
    expect_touched("a", "exp(a[0])", "f32[3,4]", 4 * (4 + 4));
    expect_touched("a", "exp(a.expand(3, 4))", "f32[1,4]", 4 * (4 + 12));
    expect_touched("x, s", "exp(x[s])", "f32[50,2] i64[7]", 4 * (14 + 14) + 8 * 7);
    expect_touched("x, s", "exp(x[s])", "f32[5,2] i64[7]", 4 * (10 + 14) + 8 * 7);
    expect_touched("a, b", "a", "f32[3] f32[8]", 4 * (3 + 3)); /* b is not */
    expect_touched("a, b", "cat([a, b], dim=0)", "f32[3] f32[8]", 4 * (11 + 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_einsum_counts_every_label_once_an_operand_and_sum),
        cmocka_unit_test(what_broadcasts_or_repeats_is_read_once),
        cmocka_unit_test(sums_along_one_value_add_nothing),
        cmocka_unit_test(complex_counts_as_one),
        cmocka_unit_test(a_pointwise_function_counts_its_elements),
        cmocka_unit_test(reductions_count_what_they_read),
        cmocka_unit_test(scatters_count_what_they_add_and_gathers_nothing),
        cmocka_unit_test(layout_is_free),
        cmocka_unit_test(notation_counts_as_what_it_is_written_out_to),
        cmocka_unit_test(a_value_counts_once_and_only_when_needed),
        cmocka_unit_test(nothing_is_no_operation_and_too_much_is_infinite),
        cmocka_unit_test(plans_count_the_same_way),
        cmocka_unit_test(inputs_and_outputs_are_touched_as_far_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
