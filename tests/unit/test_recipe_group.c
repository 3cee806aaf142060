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

/* Each lane's part of an operand is a row, which is loaded as it lies. */
static void rows_are_turned_in_registers(void **state)
{
    (void)state;
    static const char seed[] = "def f(a: f32[z, i, j], b: f32[z, j, k], v: f32[z, k]):\n"
                               "    return einsum('zij,zjk,zk->zi', a, b, v)\n";
    expect_nests(seed, "f32[1000,4,5] f32[1000,5,8] f32[1000,8]", NULL, 1, "lanes");
    expect_nests(seed, "f32[1000,4,5] f32[1000,5,8] f32[1000,8]", "z", 1, "lanes");
    expect_nests(seed, "f32[1000,3,7] f32[1000,7,5] f32[1000,5]", NULL, 1, "lanes");
    expect_nests(seed, "f32[3000,3,3] f32[3000,3,3] f32[3000,3]", NULL, 1, "lanes");
    expect_nests("def f(a: f64[z, i, j], b: f64[z, j, k]):\n    return einsum('zij,zjk,zlk->zil', a, b, a)\n",
                 "f64[2000,3,3] f64[2000,3,3]", NULL, 1, "lanes");
    expect_nests("def f(a: f32[z, i], b: f32[z, i, j], c: f32[z, j]):\n    return einsum('zi,zij,zj->z', a, b, c)\n",
                 "f32[2000,8] f32[2000,8,8] f32[2000,8]", NULL, 2, "plain"); /* rows of 64 do not stay there */
    groups g;
    open_groups(&g, seed, "f32[1000,4,5] f32[1000,5,8] f32[1000,8]", NULL);
    const ej_nest *nest = &g.nests.nests[0];
    bool joined = false;
    for (int32_t a = 0; a < nest->n_axes; a++) joined = joined || !strcmp(nest->axes[a].name, "ij");
    assert_true(joined);
    assert_int_equal(g.nests.scratch_bytes.n, 0);
    plan_close(&g.c);
}

static bool has_text(const ej_nest *nest, const char *words)
{
    ej_text text;
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_nest_print(&text, nest, NULL);
    bool found = text.data && strstr(text.data, words);
    ej_arena_free(&arena);
    return found;
}

/* Results of 3 values in the lanes' distance are put together from all of these (jit/lower/lower_interleave.c): not so
 * those of 4, and of 3 of 6. */
static void lanes_stay_where_results_interleave(void **state)
{
    (void)state;
    static const struct {
        const char *sizes, *tile;
        bool found;
    } cases[] = {
        {"f32[100,128] f32[3,3,3] f32[100,128,3] f32[100,128,3]", "tile k unroll 3, zu lane 16", true},
        {"f32[100,128] f32[3,3,4] f32[100,128,3] f32[100,128,3]", "k lane 4", true},
        {"f32[100,128] f32[3,3,5] f32[100,128,3] f32[100,128,3]", "k lane 5", false},
    };
    groups g;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_groups(&g, uuu, cases[i].sizes, NULL);
        assert_int_equal(g.nests.n, 1);
        assert_string_equal(g.nests.nests[0].recipe, "lanes");
        if (has_text(&g.nests.nests[0], cases[i].tile) != cases[i].found)
            fail_msg("%s: %s", cases[i].sizes, cases[i].tile);
        plan_close(&g.c);
    }
}

/* What one loop around computes for all lanes lies as its vectors are written: k is the last axis of the constant. */
static void buffers_around_lie_as_they_are_written(void **state)
{
    (void)state;
    groups g;
    open_groups(&g,
                "def f(a: f32[z, u], c: f32[i, j, k], x: f32[z, u, i], y: f32[z, j]):\n"
                "    return einsum('zu,ijk,zui,zj->zuk', a, c, x, y)\n",
                "f32[1000,64] f32[5,3,5] f32[1000,64,5] f32[1000,3]", NULL);
    assert_true(has_text(&g.nests.nests[0], "k: 1, i: 5]"));
    plan_close(&g.c);
}

/* Two axes that are one in the result are one in between, the summed axis before them: their rows are read as they
 * lie. */
static void intermediates_keep_merged_rows(void **state)
{
    (void)state;
    groups g;
    open_groups(&g,
                "def f(x: f32[z, v, i], y: f32[z, w, j], c: f32[i, j, k]):\n"
                "    return einsum('zvi,zwj,ijk->zvwk', x, y, c)\n",
                "f32[1000,32,3] f32[1000,32,5] f32[3,5,7]", NULL);
    const ej_step *last = &g.c.plan.steps[g.c.plan.n_steps - 1];
    int32_t rows = 0;
    for (int32_t s = 0; s < last->n_src; s++) {
        int32_t unit = ej_access_unit_axis(&last->src[s]);
        rows += unit >= 0 && unit == ej_access_unit_axis(&last->out);
    }
    assert_int_equal(rows, 1);
    plan_close(&g.c);
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

/* Of which the L1 holds less than one, and which would go past the caches step by step. */
static void long_rows_stay_in_the_l2(void **state)
{
    (void)state;
    groups g;
    static const char program[] = "def f(q: f32[h, s, d], k: f32[h, t, d], v: f32[h, t, d]):\n"
                                  "    return softmax(einsum('hsd,htd->hst', q, k), -1) @ v\n";
    expect_nests(program, "f32[12,2048,64] f32[12,2048,64] f32[12,2048,64]", NULL, 2, "share");
    open_groups(&g, program, "f32[12,2048,64] f32[12,2048,64] f32[12,2048,64]", NULL);
    assert_true(g.nests.scratch_bytes.n < 210 << 20); /* 400 MB, step by step */
    plan_close(&g.c);
}

/* What is added to a product of tensors is one, too. */
static void sums_of_products_are_taken_as_products(void **state)
{
    (void)state;
    expect_nests("def f(a: f32[e, j, q], b: f32[q, i], c: f32[e, j, q], d: f32[q, i]):\n"
                 "    return einsum('ejq,qi->eij', a, b) + einsum('ejq,qi->eij', c, d)\n",
                 "f32[116,36,7] f32[7,6] f32[116,36,7] f32[7,6]", NULL, 2, "tensor");
}

/* Both would have to be read as a whole before any element of the result is written: a caller may give one tensor for
 * the last operand and the result. */
static void results_may_lie_in_operands(void **state)
{
    (void)state;
    expect_nests("def f(t: f32[i, j, k], b: f32[j, r], c: f32[k, r]):\n    return einsum('ijk,jr,kr->ir', t, b, c)\n",
                 "f32[128,128,128] f32[128,16] f32[128,16]", NULL, 2, "plain");
}

/* Other recipes for the same products, by which the model would be misled, are no reason: both take 1.5 to 2.2 times as
 * long together. */
static void groups_do_not_win_by_other_recipes(void **state)
{
    (void)state;
    expect_nests("def f(x: f32[z, a, b], y: f32[z, b, c], w: f32[z, c, d]):\n"
                 "    return einsum('zab,zbc,zcd->zad', x, y, w)\n",
                 "f32[2000,4,4] f32[2000,4,4] f32[2000,4,4]", NULL, 2, "small");
    expect_nests("def f(x: f32[z, a, b], y: f32[b, c], w: f32[c, d]):\n    return einsum('zab,bc,cd->zad', x, y, w)\n",
                 "f32[2000,7,9] f32[9,5] f32[5,3]", NULL, 2, "plain");
}

/* They are looked at once, and differ in the plan's buffers alone. */
static void equal_groups_get_equal_nests(void **state)
{
    (void)state;
    groups g;
    open_groups(&g,
                "def f(r: f32[b, q, k], s: f32[b, q, k], v: f32[b, k, d]):\n"
                "    return softmax(r, dim=2) @ v, softmax(s, dim=2) @ v\n",
                "f32[96,128,128] f32[96,128,128] f32[96,128,64]", NULL);
    int shared = 0;
    assert_true(g.nests.n < (int32_t)g.c.plan.n_steps);
    for (int32_t i = 1; i < g.nests.n; i++)
        for (int32_t j = 0; j < i; j++) shared += g.nests.nests[i].nodes == g.nests.nests[j].nodes;
    assert_true(shared > 0);
    for (int32_t i = 0; i < g.nests.n; i++) {
        const ej_nest *nest = &g.nests.nests[i];
        for (int32_t b = 0; b < nest->n_buffers; b++) {
            const ej_buffer *buffer = &nest->buffers[b];
            if (buffer->home != EJ_HOME_SCRATCH && buffer->home != EJ_HOME_ARG) continue;
            bool named = false; /* by a step that this nest runs */
            for (size_t s = 0; s < g.c.plan.n_steps && !named; s++) {
                const ej_step *step = &g.c.plan.steps[s];
                if (g.nests.nest_of[s] != i) continue;
                for (int32_t k = -1; k < step->n_src + step->n_tail; k++) {
                    int32_t id = k < 0 ? step->out.buffer : step->src[k].buffer;
                    const ej_buffer *plans = &g.c.plan.buffers[id];
                    named = named || (buffer->home == EJ_HOME_SCRATCH
                                          ? buffer->slot == id
                                          : plans->home == buffer->home && plans->slot == buffer->slot);
                }
            }
            assert_true(named);
        }
    }
    plan_close(&g.c);
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
        cmocka_unit_test(lanes_stay_where_results_interleave),
        cmocka_unit_test(buffers_around_lie_as_they_are_written),
        cmocka_unit_test(intermediates_keep_merged_rows),
        cmocka_unit_test(rows_are_turned_in_registers),
        cmocka_unit_test(many_small_tensors_run_in_lanes),
        cmocka_unit_test(intermediates_stay_in_a_near_cache),
        cmocka_unit_test(long_rows_stay_in_the_l2),
        cmocka_unit_test(sums_of_products_are_taken_as_products),
        cmocka_unit_test(results_may_lie_in_operands),
        cmocka_unit_test(steps_of_a_promised_order_stay_apart),
        cmocka_unit_test(groups_do_not_win_by_other_recipes),
        cmocka_unit_test(equal_groups_get_equal_nests),
        cmocka_unit_test(buffers_are_placed_by_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
