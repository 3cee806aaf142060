/* Which steps run in one nest, in what kind of tree, and what becomes of the scratch between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "plan_support.h"
#include "recipe.h"

typedef struct groups {
    plan_case c;
    ej_nests nests;
} groups;

static void open_groups(groups *g, const char *program, const char *inputs, const char *open)
{
    plan_open(&g->c, program, inputs, NULL, open);
    assert_int_equal(g->c.status, EINJIT_OK);
    g->c.bind.job.target = ej_target_by_name("avx512");
    assert_int_equal(ej_nests_build(&g->nests, &g->c.plan, &g->c.bind.job), EINJIT_OK);
    for (int32_t i = 0; i < g->nests.n; i++)
        assert_int_equal(ej_nest_check(&g->nests.nests[i], g->c.bind.job.target, &g->c.bind.err), EINJIT_OK);
}

static void expect_nests(const char *program, const char *inputs, const char *open, int32_t n, const char *last_recipe)
{
    groups g;
    open_groups(&g, program, inputs, open);
    if (g.nests.n != n) fail_msg("%d nests, not %d:\n%s", (int)g.nests.n, (int)n, g.c.text);
    const char *recipe = g.nests.nests[n - 1].recipe;
    if (strcmp(recipe, last_recipe)) fail_msg("%s, not %s:\n%s", recipe, last_recipe, g.c.text);
    for (size_t s = 1; s < g.c.plan.n_steps; s++) {
        int32_t more = g.nests.nest_of[s] - g.nests.nest_of[s - 1];
        assert_true(more == 0 || more == 1);
    }
    assert_int_equal(g.nests.nest_of[g.c.plan.n_steps - 1], n - 1);
    plan_close(&g.c);
}

static const char uuu[] = "def f(a: f32[z, u], c: f32[i, j, k], x: f32[z, u, i], y: f32[z, u, j]):\n"
                          "    return einsum('zu,ijk,zui,zuj->zuk', a, c, x, y)\n";

static void many_small_tensors_run_in_lanes(void **state)
{
    (void)state;
    groups g;
    expect_nests(uuu, "f32[100,128] f32[3,3,3] f32[100,128,3] f32[100,128,3]", NULL, 1, "lanes");
    expect_nests(uuu, "f32[100,128] f32[3,3,3] f32[100,128,3] f32[100,128,3]", "z", 1, "lanes");
    open_groups(&g, uuu, "f32[100,128] f32[3,3,3] f32[100,128,3] f32[100,128,3]", NULL);
    assert_int_equal(g.nests.scratch_bytes.n, 0); /* intermediates are in registers */
    plan_close(&g.c);
    /* what lacks the lanes' axis is computed in the loop around */
    expect_nests("def f(a: f32[z, u], c: f32[i, j, k], x: f32[z, u, i], y: f32[z, j]):\n"
                 "    return einsum('zu,ijk,zui,zj->zuk', a, c, x, y)\n",
                 "f32[1000,64] f32[5,3,5] f32[1000,64,5] f32[1000,3]", NULL, 1, "lanes");
}

static const char attend[] = "def f(s: f32[b, q, k], v: f32[b, k, d]):\n    return softmax(s, dim=2) @ v\n";

static void intermediates_stay_in_a_near_cache(void **state)
{
    (void)state;
    groups g;
    expect_nests(attend, "f32[96,128,128] f32[96,128,64]", NULL, 1, "share");
    open_groups(&g, attend, "f32[96,128,128] f32[96,128,64]", NULL);
    assert_true(g.nests.scratch_bytes.n > 0 && g.nests.scratch_bytes.n <= 1 << 18); /* 12 MB, step by step */
    plan_close(&g.c);
}

/* Both would have to be read as a whole before any element of the result is written: a caller may give one tensor for
 * the last operand and the result. */
static void results_may_lie_in_operands(void **state)
{
    (void)state;
    expect_nests("def f(t: f32[i, j, k], b: f32[j, r], c: f32[k, r]):\n    return einsum('ijk,jr,kr->ir', t, b, c)\n",
                 "f32[128,128,128] f32[128,16] f32[128,16]", NULL, 2, "plain");
}

static void steps_of_a_promised_order_stay_apart(void **state)
{
    (void)state;
    groups g;
    plan_open(&g.c, uuu, "f32[100,128] f32[3,3,3] f32[100,128,3] f32[100,128,3]", NULL, NULL);
    g.c.bind.job.target = ej_target_by_name("avx512");
    for (size_t s = 0; s < g.c.plan.n_steps; s++) g.c.plan.steps[s].ordered = true;
    assert_int_equal(ej_nests_build(&g.nests, &g.c.plan, &g.c.bind.job), EINJIT_OK);
    assert_int_equal(g.nests.n, g.c.plan.n_steps);
    plan_close(&g.c);
}

/* Random groups keep what lives across them in scratch, at places of its own. */
static void buffers_are_placed_by_groups(void **state)
{
    (void)state;
    static const char program[] = "def f(a: f32[n, n]):\n    b = exp(a)\n    c = b @ b\n    d = c @ b + c\n"
                                  "    return (d @ c) * b.T + d\n";
    int together = 0;
    for (int seed = 0; seed < 60; seed++) {
        groups g;
        char strategy[32];
        snprintf(strategy, sizeof strategy, "random:%d", seed);
        plan_open(&g.c, program, "f32[12,12]", NULL, NULL);
        g.c.bind.job.target = ej_target_by_name("avx512");
        g.c.bind.job.path_strategy = strategy;
        assert_int_equal(ej_nests_build(&g.nests, &g.c.plan, &g.c.bind.job), EINJIT_OK);
        together += g.nests.n < (int32_t)g.c.plan.n_steps;
        for (int32_t i = 0; i < g.nests.n; i++)
            for (int32_t b = 0; b < g.nests.nests[i].n_buffers; b++) {
                const ej_buffer *x = &g.nests.nests[i].buffers[b];
                if (x->home != EJ_HOME_SCRATCH) continue;
                assert_int_equal(x->offset_bytes.n, g.c.plan.buffers[x->slot].offset_bytes.n);
                for (int32_t d = 0; d < b; d++) { /* two that one nest needs */
                    const ej_buffer *y = &g.nests.nests[i].buffers[d];
                    if (y->home != EJ_HOME_SCRATCH && y->home != EJ_HOME_LOCAL) continue;
                    assert_true(y->offset_bytes.n + y->elems.n * 4 <= x->offset_bytes.n ||
                                x->offset_bytes.n + x->elems.n * 4 <= y->offset_bytes.n);
                }
            }
        plan_close(&g.c);
    }
    assert_true(together > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_small_tensors_run_in_lanes), cmocka_unit_test(intermediates_stay_in_a_near_cache),
        cmocka_unit_test(results_may_lie_in_operands),     cmocka_unit_test(steps_of_a_promised_order_stay_apart),
        cmocka_unit_test(buffers_are_placed_by_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
