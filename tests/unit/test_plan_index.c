/* test_plan_index.c - gathers, scatters and cat: tables, checks, guards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

#define MESSAGES \
    "def f(x: f64[n, 4], src: i64[e], dst: i64[e], w: f64[e, 4]):\n" \
    "    m = einsum(\"ec,ec,ec->ec\", x[src], x[dst], w)\n" \
    "    return index_add(n, 0, dst, m)\n"

static void gather_is_a_table_term(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[7]";
    plan_open(&c, "def f(x, i):\n    return exp(x[i])", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 1);
    assert_int_equal(c.plan.n_index_checks, 1);
    assert_int_equal(c.plan.index_checks[0].input, 1);
    assert_int_equal(c.plan.index_checks[0].extent.n, 5);
    assert_int_equal(c.plan.steps[0].src[0].terms[0].table, 1);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

static void places_of_gather_are_in_range(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[3,4]", *more = "f64[5,4] i64[5,4] i64[5,4]";
    for (int dim = 0; dim < 2; dim++) {
        char text[80];
        snprintf(text, sizeof text, "def f(x, i):\n    return gather(x, %d, i)", dim);
        plan_open(&c, text, in, NULL, NULL);
        assert_int_equal(c.plan.n_index_checks, 1); /* of the index itself */
        assert_int_equal(c.plan.n_status_checks, 0);
        plan_check(&c, in, NULL, NULL, 4);
        plan_close(&c);
    }
    /* what else is computed is still looked at */
    plan_open(&c, "def f(x, i, k):\n    return gather(x, 1, i + k)", more, NULL, NULL);
    assert_int_equal(c.plan.n_status_checks, 1);
    plan_close(&c);
    plan_open(&c, "def f(x, y):\n    return x[arange(5) + arange(5)]", "f64[5,4] i64[5]", NULL, NULL);
    assert_int_equal(c.plan.n_status_checks, 1);
    plan_close(&c);
    plan_open(&c, "def f(x, y):\n    return x[arange(3) + arange(3)]", "f64[5,4] i64[5]", NULL, NULL);
    assert_int_equal(c.plan.n_status_checks, 0);
    plan_check(&c, "f64[5,4] i64[5]", NULL, NULL, 5);
    plan_close(&c);
}

static int32_t table_of(const plan_case *c)
{
    const ej_step *last = &c->plan.steps[c->plan.n_steps - 1];
    for (int32_t t = 0; t < last->src[0].n_terms; t++)
        if (last->src[0].terms[t].table >= 0) return last->src[0].terms[t].table;
    return -1;
}

/* Nothing is looked up among numbers in order: the index is computed with as it is, in i32 where all places fit. */
static void gathers_compute_places_once(void **state)
{
    (void)state;
    static const struct {
        const char *result, *in;
        size_t steps;
        int dtype;
    } cases[] = {
        {"gather(x, 0, i)", "f64[5] i64[7]", 1, EINJIT_I64},
        {"gather(x, 1, i)", "f64[3,5] i64[3,7]", 3, EINJIT_I32}, /* where rows begin; places; what lies there */
        {"gather(x, 0, i)", "f64[5,4] i64[6,4]", 3, EINJIT_I32},
        {"gather(x, 1, i)", "f32[2,5,3] i64[2,6,3]", 3, EINJIT_I32},
        {"gather(x, 2, i)", "f32[2,3,5] i32[2,3,5]", 4, EINJIT_I32}, /* the index in i64 */
        {"x[i.to(i64)]", "f64[5] i32[4]", 1, EINJIT_I32},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        plan_case c;
        char text[80];
        snprintf(text, sizeof text, "def f(x, i):\n    return %s", cases[k].result);
        plan_open(&c, text, cases[k].in, NULL, NULL);
        if (c.plan.n_steps != cases[k].steps) print_error("%s", c.text);
        assert_int_equal(c.plan.n_steps, cases[k].steps);
        assert_int_equal(c.plan.buffers[table_of(&c)].dtype, cases[k].dtype);
        assert_int_equal(c.plan.n_status_checks, 0);
        assert_int_equal(c.plan.n_index_checks, 1);
        assert_int_equal(c.plan.index_checks[0].extent.n, 5);
        plan_check(&c, cases[k].in, NULL, NULL, 5);
        plan_close(&c);
    }
}

static void message_passing_with_open_sizes(void **state)
{
    plan_case c;
    const int64_t other[] = {9, 31}, none[] = {3, 0};
    (void)state;
    plan_open(&c, MESSAGES, "f64[5,4] i64[7] i64[7] f64[7,4]", NULL, "n,e");
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.plan.n_index_checks, 2);
    assert_int_equal(c.plan.n_status_checks, 0);
    plan_check(&c, "f64[5,4] i64[7] i64[7] f64[7,4]", NULL, NULL, 5);
    plan_check(&c, "f64[9,4] i64[31] i64[31] f64[31,4]", NULL, other, 9);
    plan_check(&c, "f64[3,4] i64[0] i64[0] f64[0,4]", NULL, none, 3);
    plan_close(&c);
}

static void scatter_takes_its_values_expression(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "i64[6] f64[6,2]";
    plan_open(&c, "def f(i, v):\n    return index_add(4, 0, i, v * 2.0 + 1.0)", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 2);
    assert_true(c.plan.steps[1].accumulate);
    assert_int_equal(c.plan.steps[1].axes[0].run, EJ_RUN_SEQUENTIAL);
    plan_check(&c, in, NULL, NULL, 4);
    plan_close(&c);
}

/* Steps that sum, and then add up where an index says: what is between them is written nowhere. */
static void contraction_scatters_its_results(void **state)
{
    static const struct {
        const char *text, *in;
        int64_t indices;
        bool apart; /* not scattered */
    } cases[] = {
        {"def f(x, s, d, w):\n    return index_add(5, 0, d, einsum(\"ecj,eij->eci\", x[s], w))",
         "f64[5,3,4] i64[7] i64[7] f64[7,2,4]", 5, false},
        {"def f(x, s, d, w):\n    return index_add(5, 0, d, einsum(\"ec,ed,ecd->ed\", x[s], x[d], w))",
         "f64[5,4] i64[7] i64[7] f64[7,4,4]", 5, false},
        {"def f(a, b, d, w):\n    return index_add(5, 0, d, relu(einsum(\"eij,ej->ei\", a, b)) * w[:, None] + 1.0)",
         "f64[7,4,3] f64[7,3] i64[7] f64[7]", 5, false},
        {"def f(a, b, d):\n    return index_add(3, 1, d, einsum(\"eij,ej->ie\", a, b).reshape(4, 7, 1))",
         "f64[7,4,3] f64[7,3] i64[7]", 3, true}, /* rows lie along the index in memory */
        {"def f(a, d):\n    return index_add(3, 0, d, a.sum(1)) + 1.0", "f64[7,4,3] i64[7]", 3, false},
        {"def f(a, b, d):\n    return index_add(3, 0, d, einsum(\"eij,ej->ei\", a, b))", "c64[7,4,3] c64[7,3] i32[7]",
         3, false},
        {"def f(a, b, d):\n    return index_add(3, 0, d, einsum(\"eij,ejk->eik\", a, b))",
         "f32[7,4,3] f32[7,3,6] i64[7]", 3, true}, /* parts of vectors, one behind the other */
        {"def f(a, b, d):\n    return index_add(3, 0, d, einsum(\"eij,ejk->eik\", a, b))",
         "f32[7,4,3] f32[7,3,17] i64[7]", 3, false},
        {"def f(a, b, d):\n    return index_add(3, 0, d, einsum(\"eij,ejk->ek\", a, b))",
         "f32[7,4,3] f32[7,3,6] i64[7]", 3, false}, /* one row an edge */
        {"def f(a, w, d):\n    return index_add(3, 0, d, a @ w)", "f32[7,4] f32[4,40] i64[7]", 3, false},
        {"def f(a, w, d):\n    return index_add(3, 0, d, a @ w)", "f32[7,16] f32[16,40] i64[7]", 3,
         true}, /* w is reused */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plan_case c;
        bool scatters = false;
        plan_open(&c, cases[i].text, cases[i].in, NULL, NULL);
        assert_int_equal(c.status, EINJIT_OK);
        for (size_t s = 0; s < c.plan.n_steps; s++) {
            const ej_step *step = &c.plan.steps[s];
            bool sums = false;
            for (int32_t a = 0; a < step->n_axes; a++) sums = sums || step->axes[a].run == EJ_RUN_REDUCED;
            scatters = scatters || (step->accumulate && sums);
        }
        assert_int_equal(scatters, !cases[i].apart);
        plan_check(&c, cases[i].in, NULL, NULL, cases[i].indices);
        plan_close(&c);
    }
}

/* Values that somebody else reads, or that are the largest of some; and an operand that all rows share and reuse. */
static void other_values_are_written_first(void **state)
{
    (void)state;
    expect_plan("def f(a, b, d):\n    m = einsum(\"eij,ej->ei\", a, b)\n    return index_add(3, 0, d * 0, m), m",
                "f64[7,4,3] f64[7,3] i64[7]", -1);
    expect_plan("def f(a, d):\n    return index_add(3, 0, d * 0, amax(a, 1))", "f64[7,4,3] i64[7]", -1);
    expect_plan("def f(a, b, d):\n    return index_add(3, 0, d * 0, a @ b)", "f64[7,64] f64[64,64] i64[7]", -1);
}

static void gather_of_a_gather_composes_tables(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[5] i64[3]";
    plan_open(&c, "def f(x, i, j):\n    return x[i][j][1:]", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 2); /* the composed table, the result */
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

static void gathers_along_two_axes_and_slices_of_them(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,5] i64[5] i32[4]";
    plan_open(&c, "def f(x, i, j):\n    return x.index_select(0, i).index_select(1, j)[1:5:2, :3].permute(1, 0) + 1.0",
              in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 1);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

static void diagonal_of_a_gathered_axis_is_copied(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[4]";
    plan_open(&c, "def f(x, i):\n    return einsum(\"aa->\", x[i])", in, NULL, NULL);
    assert_int_equal(c.plan.n_steps, 2);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

static void gathered_single_rows_broadcast(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[1] f64[3,4]";
    plan_open(&c, "def f(x, i, y):\n    return einsum(\"ab,ab->ab\", x[i], y) + x[i]", in, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

/* A map that an einsum takes over may read one source through a table, along an axis of extent 1, and others not. */
static void gathered_ones_meet_others_in_a_map(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[1] f64[5] i64[1]", *wide = "f64[3,1] f64[3,5] i64[1]";
    plan_open(&c, "def f(y, x, i):\n    t = y * x[i]\n    return einsum(\"a,a->a\", t, t + y)", in, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
    plan_open(&c, "def f(y, x, i):\n    t = y * x[:, i]\n    return einsum(\"ab,ab->ab\", t + y, t)", wide, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, wide, NULL, NULL, 5);
    plan_close(&c);
}

static void parts_of_index_inputs_are_checked_by_themselves(void **state)
{
    plan_case c;
    (void)state;
    const char *in = "f64[5,4] i64[2,7]";
    plan_open(&c, "def f(x, edges):\n    return x[edges[0]]", in, NULL, NULL);
    assert_int_equal(c.plan.n_index_checks, 0); /* edges[1] may point elsewhere */
    assert_int_equal(c.plan.n_status_checks, 1);
    plan_check(&c, in, NULL, NULL, 5);
    plan_close(&c);
}

static void computed_indices_are_clamped_and_reported(void **state)
{
    plan_case c;
    step_run run;
    double x[4] = {1, 2, 3, 4}, out[3];
    int64_t i[3] = {0, 7, -2}, range[2];
    void *data[3] = {x, i, out};
    (void)state;
    plan_open(&c, "def f(x, i):\n    return x[i + 1]", "f64[4] i64[3]", NULL, NULL);
    assert_int_equal(c.plan.n_status_checks, 1);
    assert_true(step_run_plan(&run, &c.plan, data, NULL));
    assert_false(step_run_status(&run, &c.plan, 0, range));
    assert_int_equal(range[0], -1);
    assert_int_equal(range[1], 8);
    assert_true(out[0] == 2 && out[1] == 4 && out[2] == 1);
    step_run_free(&run);
    plan_close(&c);
}

static void computed_indices_into_open_extents(void **state)
{
    plan_case c;
    step_run run;
    const int64_t empty[] = {0, 3};
    int64_t i[3] = {0, 1, 2}, range[2];
    double out[3], sums[1];
    void *data[4] = {NULL, i, out, sums};
    (void)state;
    plan_open(&c, "def f(x: f64[n], i: i64[e]):\n    return x[i * 1], index_add(n, 0, i * 1, (i * 1).to(f64))",
              "f64[6] i64[4]", NULL, "n,e");
    assert_int_equal(c.status, EINJIT_OK);
    plan_check(&c, "f64[6] i64[4]", NULL, NULL, 6);
    assert_true(step_run_plan(&run, &c.plan, data, empty)); /* nothing is read from NULL */
    assert_false(step_run_status(&run, &c.plan, 0, range));
    step_run_free(&run);
    plan_close(&c);
}

static void constant_indices_are_checked_now(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(x):\n    return x[tensor([0, 2, 1])]", "f64[3,2]", NULL, NULL);
    assert_int_equal(c.plan.n_steps, 1);
    plan_check(&c, "f64[3,2]", NULL, NULL, 0);
    plan_close(&c);
    plan_open(&c, "def f(x):\n    return x[tensor([0, 3, 1])]", "f64[3,2]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_E_INDEX);
    assert_non_null(strstr(c.bind.err.text, "index 3"));
    plan_close(&c);
}

static void cat_operands_write_into_place(void **state)
{
    (void)state;
    expect_plan("def f(a, b):\n    return cat([a * 2, a @ b, b], dim=0)", "f64[3,3] f64[3,3]", 3);
    expect_plan("def f(a, b):\n    return stack([a * 2, b + 1], dim=1).sum(0)", "i64[3,3] i64[3,3]", 3);
    expect_plan("def f(a, b):\n    return cat([a, a, b], dim=1) * 2", "i64[2,3] i64[2,1]", 4);
    expect_plan("def f(a, b):\n    return cat([a.permute(1, 0), cat([a, b], dim=1)], dim=0)", "i64[2,2] i64[2,0]", -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_is_a_table_term),
        cmocka_unit_test(places_of_gather_are_in_range),
        cmocka_unit_test(gathers_compute_places_once),
        cmocka_unit_test(message_passing_with_open_sizes),
        cmocka_unit_test(scatter_takes_its_values_expression),
        cmocka_unit_test(contraction_scatters_its_results),
        cmocka_unit_test(other_values_are_written_first),
        cmocka_unit_test(gather_of_a_gather_composes_tables),
        cmocka_unit_test(gathers_along_two_axes_and_slices_of_them),
        cmocka_unit_test(diagonal_of_a_gathered_axis_is_copied),
        cmocka_unit_test(gathered_single_rows_broadcast),
        cmocka_unit_test(gathered_ones_meet_others_in_a_map),
        cmocka_unit_test(parts_of_index_inputs_are_checked_by_themselves),
        cmocka_unit_test(computed_indices_are_clamped_and_reported),
        cmocka_unit_test(computed_indices_into_open_extents),
        cmocka_unit_test(constant_indices_are_checked_now),
        cmocka_unit_test(cat_operands_write_into_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
