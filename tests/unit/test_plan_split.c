/* test_plan_split.c - long sums become sums of chunks: which ones, how many, and right results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "plan_support.h"

static void expect_steps(const char *program, const char *inputs, size_t steps)
{
    char text[300];
    plan_case c;
    snprintf(text, sizeof text, "def f(a, b):\n    return %s\n", program);
    plan_open(&c, text, inputs, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    if (c.plan.n_steps != steps) fail_msg("%s: %zu steps", program, c.plan.n_steps);
    plan_close(&c);
}

static void large_sums_with_few_results_are_split(void **state)
{
    (void)state;
    expect_steps("einsum(\"i,i->\", a, b)", "f32[131072] f32[131072]", 2);
    expect_steps("einsum(\"i,i->\", a, b)", "f32[131073] f32[131073]", 3); /* one is left by 16 chunks */
    expect_steps("einsum(\"ij,ij->\", a, b)", "f32[512,512] f32[512,512]", 2);
    expect_steps("einsum(\"ki,kj->ij\", a, b)", "f32[100000,4] f32[100000,4]", 2);
    expect_steps("a.amax()", "f32[400,400] f32[1]", 2);
}

static void others_are_not(void **state)
{
    (void)state;
    expect_steps("einsum(\"i,i->\", a, b)", "f32[131071] f32[131071]", 1);    /* short */
    expect_steps("einsum(\"ij,j->i\", a, b)", "f32[65,10000] f32[10000]", 1); /* rows to share */
    expect_steps("einsum(\"ki,kj->ij\", a, b)", "f32[100000,9] f32[100000,8]", 1);
    expect_steps("exp(a) + b", "f32[131072] f32[131072]", 1);
}

static void chunks_are_of_the_axis_that_lies_farthest(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a):\n    return a.sum()\n", "f32[300,1000]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_steps, 3);
    const ej_step *part = &c.plan.steps[0], *rest = &c.plan.steps[1], *end = &c.plan.steps[2];
    assert_int_equal(part->axes[part->n_axes - 1].extent.n, 16);
    assert_int_equal(part->axes[part->n_axes - 1].run, EJ_RUN_PARALLEL);
    assert_int_equal(part->axes[0].extent.n, 18);
    assert_int_equal(rest->axes[0].extent.n, 12);
    assert_int_equal(rest->src[0].base.n, 288 * 1000);
    assert_int_equal(end->n_axes, 1);
    assert_int_equal(end->axes[0].extent.n, 17);
    plan_close(&c);
}

/* Any sum is split by chance there. */
static void small_ones_are_right(void **state)
{
    const char *const programs[] = {
        "def f(a, b):\n    return einsum(\"ij,ij->\", a, b)\n",
        "def f(a, b):\n    return relu(einsum(\"ij,ij->i\", a, b)) + a.amax(1)\n",
        "def f(a, b):\n    return a.sum(0) * b.prod(0)\n",
        "def f(a, b):\n    return einsum(\"ij,kj->ik\", a, b).logsumexp(1)\n",
    };
    size_t parts = 0;
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        for (int seed = 1; seed <= 30; seed++) {
            char path[32];
            plan_case c;
            snprintf(path, sizeof path, "random:%d", seed);
            plan_open_by(&c, programs[i], "f64[5,7] f64[5,7]", path);
            assert_int_equal(c.status, EINJIT_OK);
            for (size_t s = 0; s < c.plan.n_steps; s++) parts += strstr(c.plan.steps[s].name, "_part") != NULL;
            plan_check(&c, "f64[5,7] f64[5,7]", NULL, NULL, 0);
            plan_close(&c);
        }
    assert_true(parts > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_sums_with_few_results_are_split),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(chunks_are_of_the_axis_that_lies_farthest),
        cmocka_unit_test(small_ones_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
