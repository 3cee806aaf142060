/* Schedules of several steps: which axes are one, what compute_at refuses, parts that are done in the group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "schedule_support.h"

static const char chain[] = "def f(a: f32[z, i], b: f32[z, i, j], c: f32[z, j, k]):\n"
                            "    t = einsum('zi,zij->zj', a, b)\n    return einsum('zj,zjk->zk', t, c)\n";
static const char chain_inputs[] = "f32[20,3] f32[20,3,5] f32[20,5,7]";

static void what_is_written_is_read_along_one_axis(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(&f, chain, chain_inputs);
    int32_t z = schedule_axis(&f.s, "z"), i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"),
            k = schedule_axis(&f.s, "k");
    assert_int_equal(f.s.n_axes, 4);
    assert_int_equal(f.s.n_statements, 2);
    assert_true(f.s.statements[0].axes[z] && f.s.statements[1].axes[z]);
    assert_true(!ej_statement_reduces(&f.s.statements[0], j) && ej_statement_reduces(&f.s.statements[1], j));
    assert_true(ej_statement_reduces(&f.s.statements[0], i) && !f.s.statements[1].axes[i]);
    assert_true(!f.s.statements[0].axes[k] && !ej_statement_reduces(&f.s.statements[0], k));
    plan_close(&f.plan);
}

/* exp(x) is written as one axis of 30, and read as 5 times 6. */
static void a_longer_axis_is_split(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(&f,
                        "def f(x: f32[n, m], y: f32[a, b], w: f32[b, m]):\n"
                        "    t = exp(x).reshape(5, 6, 8) * 2.0\n    return einsum('abn,ab,bn->an', t, y, w)\n",
                        "f32[30,8] f32[5,6] f32[6,8]");
    assert_int_equal(f.s.n_statements, 2);
    for (int32_t a = 0; a < f.s.n_axes; a++) {
        assert_true(f.s.axes[a].extent.n < 30);
        assert_true(f.s.statements[0].axes[a]); /* all three are axes of both */
    }
    schedule_settled(&f);
    plan_close(&f.plan);
}

/* Rows and columns of the same values do not become one axis. */
static void a_product_with_its_transpose_keeps_two_axes(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(
        &f, "def f(x: f32[n, n], v: f32[n]):\n    t = exp(x) * 2.0\n    return einsum('ij,ji,j->i', t, t, v)\n",
        "f32[6,6] f32[6]");
    const ej_statement *last = &f.s.statements[f.s.n_statements - 1];
    assert_int_equal(last->axes[0] + last->axes[1], 2);
    ej_layout layout = {0};
    ej_tile_add(&layout, 0, 0, EJ_UNROLL);
    ej_tile_add(&layout, 1, 0, EJ_UNROLL);
    schedule_refuses(
        &f, (ej_rewrite){.kind = EJ_REWRITE_COMPUTE_AT, .home = EJ_HOME_LOCAL, .at = EJ_AT_ROOT, .digits = layout},
        EJ_REFUSE_LAYOUT);
    plan_close(&f.plan);
}

static void a_step_runs_where_it_is_read(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(&f, chain, chain_inputs);
    int32_t z = schedule_axis(&f.s, "z"), j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    ej_layout layout = {0}, short_layout = {0};
    ej_tile_add(&layout, j, 0, EJ_UNROLL);
    ej_tile_add(&layout, z, 0, EJ_UNROLL);
    ej_tile_add(&short_layout, j, 0, EJ_UNROLL);
    int32_t at = ej_do_loop(&f.s, 1, z, 4), inner = ej_do_loop(&f.s, 1, j, 1), own;
    ej_rewrite move = {.kind = EJ_REWRITE_COMPUTE_AT, .home = EJ_HOME_LOCAL, .at = at, .digits = layout};
    ej_rewrite wrong = move;
    wrong.statement = 1; /* its result is the program's */
    schedule_refuses(&f, wrong, EJ_REFUSE_WRITTEN);
    wrong = move;
    wrong.digits = short_layout;
    schedule_refuses(&f, wrong, EJ_REFUSE_LAYOUT);
    wrong = move;
    wrong.home = EJ_HOME_REG; /* no tile covers it */
    schedule_refuses(&f, wrong, EJ_REFUSE_UNCOVERED);
    wrong = move;
    wrong.at = 1000;
    schedule_refuses(&f, wrong, EJ_REFUSE_NO_SUCH);
    assert_true(inner != at);
    ej_do_compute_at(&f.s, at, 0, EJ_HOME_LOCAL, layout);
    assert_false(f.s.failed);
    own = ej_do_loop(&f.s, 0, k, 1); /* not its axis */
    assert_true(own < 0 && f.s.failed);
    f.s.failed = false;
    schedule_refuses(&f, move, EJ_REFUSE_NOT_AROUND); /* it is there */
    const char *text = schedule_settled(&f);
    if (!strstr(text, "local elems 20\n")) fail_msg("not 5 times 4 elements:\n%s", text);
    plan_close(&f.plan);
}

static void a_producer_is_not_cut_along_what_it_sums(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(
        &f, "def f(a: f32[n, m], b: f32[n, m]):\n    t = a.sum(1) * 2.0\n    return einsum('n,nm->nm', t, b)\n",
        "f32[20,12] f32[20,12]");
    ej_layout layout = {0};
    const ej_statement *first = &f.s.statements[0];
    ej_tile_add(&layout, first->out.terms[0].axis, 0, EJ_UNROLL);
    int32_t last = (int32_t)f.s.n_statements - 1, at = EJ_AT_ROOT;
    for (int32_t a = 0; a < f.s.n_axes; a++)
        if (f.s.statements[last].axes[a]) at = ej_do_loop(&f.s, last, a, 2);
    ej_do_compute_at(&f.s, at, 0, EJ_HOME_LOCAL, layout);
    assert_false(f.s.failed); /* its summed axis is another one: computed again for each piece of the other */
    schedule_settled(&f);
    plan_close(&f.plan);
}

static void a_group_replays(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(&f, chain, chain_inputs);
    int32_t z = schedule_axis(&f.s, "z"), j = schedule_axis(&f.s, "j");
    ej_layout layout = {0};
    ej_tile_add(&layout, j, 0, EJ_UNROLL);
    ej_tile_add(&layout, z, 0, EJ_UNROLL);
    int32_t at = ej_do_loop(&f.s, 1, z, 4);
    ej_do_compute_at(&f.s, at, 0, EJ_HOME_LOCAL, layout);
    ej_text text;
    const char *tree = schedule_settled(&f);
    ej_text_init(&text, &f.plan.bind.arena);
    ej_schedule_print(&text, &f.s);
    schedule_begin_group(&f);
    assert_int_equal(ej_schedule_replay(&f.s, text.data, NULL), EINJIT_OK);
    assert_string_equal(schedule_settled(&f), tree);
    plan_close(&f.plan);
}

/* A statement as a step of the size that it has in the loops; what is done to it is done in the group. */
static void a_part_is_done_in_the_group(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_group(&f, chain, chain_inputs);
    int32_t z = schedule_axis(&f.s, "z"), j = schedule_axis(&f.s, "j");
    ej_layout layout = {0}, panel = {0};
    ej_tile_add(&layout, z, 0, EJ_UNROLL);
    ej_tile_add(&layout, j, 0, EJ_UNROLL);
    int32_t at = ej_do_loop(&f.s, 1, z, 4);
    ej_do_compute_at(&f.s, at, 0, EJ_HOME_LOCAL, layout);
    ej_schedule_part part;
    ej_schedule done;
    assert_int_equal(ej_schedule_part_begin(&part, &f.s, 1), EINJIT_OK);
    assert_int_equal(part.s.n_axes, 3);
    int32_t pz = schedule_axis(&part.s, "z"), pj = schedule_axis(&part.s, "j");
    assert_int_equal(part.s.axes[pz].extent.n, 4);
    assert_int_equal(ej_access_find(&part.s.statements[0].src[0], pz)->stride.n, 5);
    assert_int_equal(ej_schedule_again(&done, &part.s), EINJIT_OK);
    ej_tile_add(&panel, pj, 0, EJ_UNROLL);
    ej_do_stage(&done, ej_do_loop(&done, 0, pz, 1), 0, 0, EJ_HOME_LOCAL, panel);
    assert_false(done.failed);
    size_t statements = f.s.n_statements;
    assert_true(ej_schedule_part_end(&f.s, 1, &part, &done));
    assert_int_equal(f.s.n_statements, statements + 1);
    assert_int_equal(f.s.nodes[f.s.nodes[f.s.statements[1].node].parent].axis, z);
    schedule_settled(&f);
    plan_close(&f.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_along_one_axis),
        cmocka_unit_test(a_longer_axis_is_split),
        cmocka_unit_test(a_product_with_its_transpose_keeps_two_axes),
        cmocka_unit_test(a_step_runs_where_it_is_read),
        cmocka_unit_test(a_producer_is_not_cut_along_what_it_sums),
        cmocka_unit_test(a_group_replays),
        cmocka_unit_test(a_part_is_done_in_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
