/* test_plan_extend.c - pointwise expressions over the result of a step become its end, whatever else they read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define THREE "def f(a, b, c):\n    "
static const char products[] = "f64[3,4] f64[4,5] f64[3,5]";

static void a_product_ends_with_other_operands(void **state)
{
    (void)state;
    expect_plan(THREE "return a @ b + c", products, 1);
    expect_plan(THREE "return relu(c - a @ b)", products, 1);
    expect_plan(THREE "return (a @ b) * c * c", products, 1);
    expect_plan(THREE "return 3.0 * (a @ b) + 2.0 * c", "f64[3,7] f64[7,4] f64[3,4]", 1);
    expect_plan(THREE "return where(c > 0.0, a @ b, c)", products, 1);
    expect_plan(THREE "return einsum(\"ij,jk->ki\", a, b) + c.permute(1, 0)", products, 1);
    expect_plan(THREE "return (a @ b > c).to(i64)", products, 1);
    expect_plan(THREE "return a @ b + c", "c128[3,4] c128[4,5] c128[3,5]", 1);
    expect_plan(THREE "return a @ b - c", "i32[3,4] i32[4,5] i64[3,5]", 1);
}

static void what_it_reads_may_be_broadcast(void **state)
{
    (void)state;
    expect_plan(THREE "return relu(a @ b + c)", "f64[3,4] f64[4,5] f64[5]", 1);
    expect_plan(THREE "return a @ b + c", "f64[3,4] f64[4,5] f64[3,1]", 1);
    expect_plan(THREE "return (a @ b) * c", "f64[3,4] f64[4,5] f64[]", 1);
    expect_plan(THREE "return a @ b + c", "f64[7,3,4] f64[7,4,5] f64[3,5]", 1);
    expect_plan(THREE "return a @ b + c", "f64[3,4] f64[4,1] f64[3,1]", 1);
    expect_plan(THREE "return a @ b + c", "f64[3,0] f64[0,5] f64[5]", 1);
    expect_plan(THREE "return a @ b + c", "f64[0,4] f64[4,5] f64[5]", 1);
}

static void the_result_may_be_used_several_times(void **state)
{
    (void)state;
    expect_plan(THREE "x = a @ b\n    return x * sigmoid(x)", products, 1);
    expect_plan(THREE "x = a @ b + c\n    y = relu(x)\n    return x * y - y * y + x", products, 1);
    expect_plan(THREE "x = a @ b\n    return where(x > c, x, c)", products, 1);
    expect_plan(THREE "x = a.sum(1)\n    return x * x + b.sum(0)", "f64[5,4] f64[3,5] f64[1]", 2);
}

/* An expression has room for so many sources; where a value's second user has none left, its first one goes on reading
 * the step before. */
static void what_is_read_elsewhere_keeps_its_place(void **state)
{
    char text[512], sum[256];
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 15; i++) n += (size_t)snprintf(sum + n, sizeof sum - n, "%ss[%d]", i ? " + " : "", i);
    snprintf(text, sizeof text, "def f(a, b, c, s):\n    t = a @ b + c\n    u = exp(t)\n    return u + (%s) * t", sum);
    expect_plan(text, "f64[3,4] f64[4,5] f64[3,5] f64[15,3,5]", 4);
    snprintf(text, sizeof text,
             "def f(a, b, c, s):\n    t = a @ b + c\n    u = einsum(\"ij,ij->ij\", t, c)\n    return u + (%s) * t",
             sum);
    expect_plan(text, "f64[3,4] f64[4,5] f64[3,5] f64[15,3,5]", 4);
}

static void reductions_and_outer_products_end_so_too(void **state)
{
    (void)state;
    expect_plan(THREE "return a.sum(1) + c.sum(1)", products, 2);
    expect_plan("def f(a, b):\n    return exp(amax(a, 1) - b)", "f64[3,4] f64[3]", 1);
    expect_plan("def f(a, b):\n    return (prod(a, 0) * b).to(f64)", "i64[3,4] i64[4]", 1);
    expect_plan("def f(a, b):\n    return einsum(\"i,j->ij\", a, b) + b", "f64[3] f64[4]", 1);
    expect_plan(THREE "return (a + b).sum(0) + c", "f64[3,4] f64[3,4] f64[4]", 1);
}

/* What is read must be there: the product waits for it. */
static void a_product_is_moved_behind_what_it_reads(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, THREE "t = a @ b\n    s = exp(c)\n    return t + s", "f64[3,4] f64[4,5] f64[5]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 2);
    assert_int_equal(c.plan.steps[0].n_tail, 0);
    assert_int_equal(c.plan.steps[1].n_tail, 1);
    assert_int_equal(c.plan.steps[1].src[2].buffer, c.plan.steps[0].out.buffer);
    plan_check(&c, "f64[3,4] f64[4,5] f64[5]", NULL, NULL, 0);
    plan_close(&c);
    expect_plan(THREE "t = a @ b\n    u = t.permute(1, 0) * 2.0\n    return u + c.sum(0), u",
                "f64[3,4] f64[4,5] f64[3,3]", -1);
    expect_plan(THREE "t = a @ b\n    s = c.sum(0)\n    r = exp(s)\n    return (t + s) * r, s", products, 3);
}

static void of_several_products_the_last_one_reads_the_others(void **state)
{
    (void)state;
    expect_plan(THREE "return relu(a @ b + c @ b)", "f64[3,4] f64[4,5] f64[3,4]", 2);
    expect_plan(THREE "return (a @ b) * (c @ b) - (a + c) @ b", "f64[3,4] f64[4,5] f64[3,4]", 4);
}

static void values_that_are_needed_elsewhere_are_kept(void **state)
{
    (void)state;
    expect_plan(THREE "x = a @ b\n    return x, x + c", products, 2);
    expect_plan(THREE "x = a @ b\n    return x + x.permute(1, 0)", "f64[4,3] f64[3,4] f64[1]", 2);
    expect_plan(THREE "x = a @ b\n    return x + c, x.sum(0)", products, 3);
    expect_plan(THREE "x = a @ b\n    return x * c + x.sum(1, keepdim=True)", products, 3);
    expect_plan(THREE "return (a @ b) + c", "f64[3,4] f64[4] f64[2,3]", 2); /* each sum would be computed twice */
}

static void a_value_is_the_same_in_another_order(void **state)
{
    (void)state;
    expect_plan(THREE "return (a @ b).permute(1, 0) + c", "f64[3,4] f64[4,5] f64[5,3]", 1);
    expect_plan(THREE "return (a @ b).permute(1, 0).unsqueeze(1) * c", "f64[3,4] f64[4,5] f64[5,1,3]", 1);
    expect_plan(THREE "return sqrt(a.sum(1, keepdim=True) * 2.0) + c.sum(0)", "f64[3,4] f64[1] f64[2,3,1]", 2);
    expect_plan(THREE "x = (a @ b).permute(1, 0)\n    return x * c, x", "f64[3,4] f64[4,5] f64[5,3]", 2);
    expect_plan(THREE "return (a @ b).reshape(15) * c", "f64[3,4] f64[4,5] f64[15]", 2); /* one axis of two */
    expect_plan(THREE "x = a @ b\n    return x.permute(1, 0) * c, x.sum(0)", "f64[3,4] f64[4,5] f64[5,3]", 3);
}

static void einsums_that_sum_nothing_are_pointwise(void **state)
{
    static const char four[] = "f64[3,4] f64[4,5] f64[3,5] f64[5]";
    (void)state;
    expect_plan(THREE "return einsum(\"ij,jk,ik->ik\", a, b, c)", products, 1);
    expect_plan("def f(a, b, c, d):\n    return relu(einsum(\"ij,jk,ik,k->ik\", a, b, c, d) + 1.0)", four, 1);
    expect_plan("def f(a, b, c, d):\n    return a @ b + einsum(\"i,j->ij\", c.sum(1), d)", four, 2);
    expect_plan("def f(a, b, c, d):\n    return einsum(\"i,j->ij\", d, exp(d)) + einsum(\"i,j->ij\", d, d)", four, 2);
    expect_plan(THREE "x = a @ b\n    return einsum(\"ij,ij->ij\", x, sigmoid(x))", products, 1);
    expect_plan(THREE "x = a @ b\n    return einsum(\"ij,ij,ij->ij\", x, x, x - c)", products, 1);
    expect_plan(THREE "return einsum(\"ij,ji->ij\", a @ b, c)", "f64[3,4] f64[4,5] f64[5,3]", 1);
    expect_plan(THREE "return einsum(\"ij,ji->ij\", c, a @ b)", "f64[3,4] f64[4,5] f64[5,3]", 2); /* in another order */
    expect_plan(THREE "return einsum(\"ij,ij->ij\", a @ b, c).sum(0)", products, 2);
    expect_plan(THREE "return einsum(\"ij,jk->ijk\", a, b) + c.sum()", "f64[3,4] f64[4,5] f64[2]", 2);
    expect_plan(THREE "x = a @ b\n    return einsum(\"ij,->ij\", x, c.sum()) + x", "f64[3,4] f64[4,1] f64[2]",
                2); /* seen in two ways */
    expect_plan(THREE "return einsum(\"ii->i\", a) * b", "f64[4,4] f64[4] f64[1]", 1);
}

static void tables_are_walked_apart(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a, b, c, k):\n    return a @ b + index_select(c, 0, k)", "f64[3,4] f64[4,5] f64[6,5] i64[3]",
              NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 2);
    plan_check(&c, "f64[3,4] f64[4,5] f64[6,5] i64[3]", NULL, NULL, 6);
    plan_close(&c);
}

static void ends_are_not_longer_than_expressions_are(void **state)
{
    char program[4096] = "def f(a, b", sum[1024] = "a @ b", inputs[512] = "i64[3,4] i64[4,5]";
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(program + strlen(program), 32, ", x%d", i);
        snprintf(sum + strlen(sum), 32, " + x%d", i);
        snprintf(inputs + strlen(inputs), 32, " i64[5]");
    }
    snprintf(program + strlen(program), 2048, "):\n    return %s", sum);
    expect_plan(program, inputs, 2);
    memcpy(program, "def f(a, b):\n    return a @ b", sizeof "def f(a, b):\n    return a @ b");
    for (int i = 0; i < 100; i++) strcat(program, i % 3 ? " + 1" : " - 2");
    expect_plan(program, "i64[3,4] i64[4,5]", 4);
}

static void the_text_names_what_the_end_reads(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, THREE "return relu(a @ b + c)", "f64[3,4] f64[4,5] f64[5]", NULL, NULL);
    assert_non_null(strstr(c.text, "\n  then t0 = s0; t1 = s1; t2 = add(t0, t1); t3 = relu(t2)\n  with s1 = c[c']\n"));
    plan_close(&c);
}

static void open_sizes_and_strides(void **state)
{
    plan_case c;
    const int64_t symbols[] = {6};
    (void)state;
    plan_open(&c, "def f(a: f64[n, 4], b: f64[4, 5], c: f64[n, 5]):\n    return relu(a @ b + c)",
              "f64[3,4] f64[4,5] f64[3,5]", NULL, "n");
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 1);
    plan_check(&c, "f64[6,4] f64[4,5] f64[6,5]", NULL, symbols, 0);
    plan_close(&c);
    plan_open(&c, THREE "return a @ b - c", "f64[3,4] f64[4,5] f64[3,5]:-5,-1", "f64[3,5]:1,3", NULL);
    assert_int_equal(c.plan.n_steps, 1);
    plan_check(&c, "f64[3,4] f64[4,5] f64[3,5]:-5,-1", "f64[3,5]:1,3", NULL, 0);
    plan_close(&c);
}

static void wrong_ends_are_found(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, THREE "return a @ b + c", products, NULL, NULL);
    ej_step *step = &c.plan.steps[0];
    assert_int_equal(step->n_tail, 1);
    step->src[2].terms[0].axis = 2; /* summed */
    assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_E_INTERNAL);
    step->src[2].terms[0].axis = 0;
    assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_OK);
    step->src[2].buffer = step->out.buffer;
    assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_E_INTERNAL);
    step->src[2].buffer = 2;
    step->src[2].base.n = 1;
    assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_E_INTERNAL);
    step->src[2].base.n = 0;
    step->n_tail = 0;
    assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_E_INTERNAL);
    plan_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_ends_with_other_operands),
        cmocka_unit_test(what_it_reads_may_be_broadcast),
        cmocka_unit_test(the_result_may_be_used_several_times),
        cmocka_unit_test(reductions_and_outer_products_end_so_too),
        cmocka_unit_test(a_product_is_moved_behind_what_it_reads),
        cmocka_unit_test(of_several_products_the_last_one_reads_the_others),
        cmocka_unit_test(values_that_are_needed_elsewhere_are_kept),
        cmocka_unit_test(a_value_is_the_same_in_another_order),
        cmocka_unit_test(einsums_that_sum_nothing_are_pointwise),
        cmocka_unit_test(tables_are_walked_apart),
        cmocka_unit_test(ends_are_not_longer_than_expressions_are),
        cmocka_unit_test(what_is_read_elsewhere_keeps_its_place),
        cmocka_unit_test(the_text_names_what_the_end_reads),
        cmocka_unit_test(open_sizes_and_strides),
        cmocka_unit_test(wrong_ends_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
