/* test_choose_triangle.c - causal softmax before a product is computed in blocks of rows, as far as the mask goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define SOFTMAX "    p = softmax(where(arange(s)[:, None] >= arange(t)[None, :], %s, float(\"-inf\")), -1)\n"

/* Blocks that the result is put together from; 1: it is computed as a whole. */
static size_t blocks_of(const plan_case *c)
{
    size_t n = 1;
    for (size_t v = 0; v < c->chosen.n_nodes; v++)
        if (c->chosen.nodes[v].op == EJ_OP_CAT) n = c->chosen.nodes[v].n_in;
    return n;
}

/* Random plans take small ones apart, too: in three blocks. */
static void small_is_right(const char *program, const char *inputs, size_t blocks)
{
    plan_case c;
    plan_open_by(&c, program, inputs, "random");
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(blocks_of(&c), blocks);
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
}

static void small(const char *scores, const char *result, const char *inputs, size_t blocks)
{
    char program[600];
    snprintf(program, sizeof program, "def f(q: any[s, t], v):\n" SOFTMAX "    return %s\n", scores, result);
    small_is_right(program, inputs, blocks);
}

static void rows_go_as_far_as_their_mask(void **state)
{
    (void)state;
    small("q", "p @ v", "f64[7,7] f64[7,3]", 3);
    small("q", "p @ v", "f64[9,5] f64[5,3]", 3);
    small("q", "p @ v", "f64[5,9] f64[9,3]", 3);
    small("q * 0.5 + 1.0", "einsum(\"st,td->ds\", p, v)", "f64[8,8] f64[8,3]", 3);
    small_is_right("def f(q: f64[b, h, s, d], k: f64[b, h, s, d], v: f64[b, h, s, d]):\n"
                   "    x = where(arange(s)[None, :] <= arange(s)[:, None], einsum(\"bhsd,bhtd->bhst\", q, k) * 0.125, "
                   "float(\"-inf\"))\n"
                   "    return einsum(\"bhst,bhtd->bshd\", softmax(x, -1), v)\n",
                   "f64[2,2,7,3] f64[2,2,7,3] f64[2,2,7,3]", 3);
    small_is_right("def f(q: f64[b, t, s], v: f64[t, d]):\n"
                   "    x = where(arange(s)[None, :] > arange(t)[:, None], q, float(\"-inf\"))\n"
                   "    return einsum(\"bts,td->dbs\", softmax(x, 1), v)\n",
                   "f64[2,7,7] f64[7,3]", 3);
}

/* Rows that are infinite, or masked as a whole, and values that are, behind the mask and before it. */
static void special_values_are_what_they_were(void **state)
{
    (void)state;
    small("q", "p @ where(v > 2, float(\"inf\"), v)", "f64[9,9] f64[9,4]", 3);
    small("q", "p @ where(v > 2, float(\"nan\"), v)", "f64[9,9] f64[9,4]", 3);
    small("where(q > 2, float(\"inf\"), q)", "p @ v", "f64[9,9] f64[9,4]", 3);
    small("where(q < 2, float(\"-inf\"), q)", "p @ v", "f64[9,9] f64[9,4]", 3);
    small("where(q < 0, float(\"nan\"), q)", "p @ v", "f64[9,9] f64[9,4]", 3);
}

static void other_masks_are_computed_whole(void **state)
{
    (void)state;
    small("q", "(p @ v, p)", "f64[7,7] f64[7,3]", 1);
    small_is_right("def f(q: f64[s, t], v):\n"
                   "    return softmax(where(arange(s)[:, None] <= arange(t)[None, :], q, float(\"-inf\")), -1) @ v\n",
                   "f64[7,7] f64[7,3]", 1);
    small_is_right("def f(q: f64[s, t], v):\n"
                   "    return softmax(where(arange(s)[:, None] >= arange(t)[None, :], q, -100.0), -1) @ v\n",
                   "f64[7,7] f64[7,3]", 1);
    small_is_right(
        "def f(q: f64[s, t], v):\n"
        "    return softmax(where(arange(s)[:, None] >= 2 * arange(t)[None, :], q, float(\"-inf\")), -1) @ v\n",
        "f64[7,7] f64[7,3]", 1);
    small_is_right(
        "def f(q: f64[s, t], v):\n"
        "    return softmax(where(arange(s)[:, None] >= arange(t)[None, :] - 1, q, float(\"-inf\")), -1) @ v\n",
        "f64[7,7] f64[7,3]", 1);
}

/* Rows of the result that are divided by the sums of others, or whose largest value is another row's. */
static void other_rows_are_no_softmax(void **state)
{
    (void)state;
#define MASKED \
    "def f(q: f64[b, s, t], v):\n" \
    "    x = where(arange(s)[:, None] >= arange(t)[None, :], q, float(\"-inf\"))\n"
    small_is_right(MASKED "    e = exp(x - amax(x, -1, True))\n"
                          "    return einsum(\"bst,btd->sbd\", e, v) / sum(e, -1, True)\n",
                   "f64[6,6,7] f64[6,7,3]", 1);
    small_is_right(MASKED "    e = exp(x - amax(x, -1, True))\n"
                          "    return einsum(\"bst,btd->sbd\", e, v) / permute(sum(e, -1, True), (1, 0, 2))\n",
                   "f64[6,6,7] f64[6,7,3]", 3);
    small_is_right("def f(q: f64[s, t], v):\n"
                   "    x = where(arange(s)[:, None] >= arange(t)[None, :], q, float(\"-inf\"))\n"
                   "    e = exp(x - amax(x, -1)[None, :])\n"
                   "    return (e @ v) / sum(e, -1, True)\n",
                   "f64[6,6] f64[6,3]", 1);
}

static double operations(const char *inputs, const char *open)
{
    plan_case c;
    plan_open(&c,
              "def f(q: f32[s, d], k: f32[s, d], v: f32[s, d]):\n"
              "    x = where(arange(s)[:, None] >= arange(s)[None, :], q @ k.T, float(\"-inf\"))\n"
              "    return softmax(x, -1) @ v\n",
              inputs, NULL, open);
    assert_int_equal(c.status, EINJIT_OK);
    double n = c.plan.planned_operations;
    plan_close(&c);
    return n;
}

static void large_ones_take_five_eighths(void **state)
{
    (void)state;
    const char *large = "f32[2048,64] f32[2048,64] f32[2048,64]", *below = "f32[1024,64] f32[1024,64] f32[1024,64]";
    double products = 4.0 * 2048 * 2048 * 64;
    assert_true(operations(large, NULL) < 0.66 * products && operations(large, NULL) > 0.62 * products);
    assert_true(operations(large, "s") > products);
    assert_true(operations(below, NULL) > products / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_as_far_as_their_mask),   cmocka_unit_test(special_values_are_what_they_were),
        cmocka_unit_test(other_masks_are_computed_whole), cmocka_unit_test(other_rows_are_no_softmax),
        cmocka_unit_test(large_ones_take_five_eighths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
