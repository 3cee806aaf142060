/* The rewrite join: what it refuses, what becomes of the copy, and that it is done again in text and in groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "schedule_support.h"

static const char rows[] = "def f(a: f32[z, i, j], v: f32[z, j]):\n    return einsum('zij,zj->zi', a, v)\n";
static const char rows_inputs[] = "f32[100,4,5] f32[100,5]";

static ej_layout layout_of(int32_t a, int32_t b, int32_t c)
{
    return (ej_layout){.n = 3, .digits = {{a, 0, EJ_UNROLL}, {b, 0, EJ_UNROLL}, {c, 0, EJ_UNROLL}}};
}

static ej_rewrite join_of(int32_t statement, int32_t outer, int32_t inner)
{
    return (ej_rewrite){.kind = EJ_REWRITE_JOIN, .statement = statement, .axis = outer, .lane = inner};
}

/* Vectors of 4 along rows of `axis`, 8 of them. */
static void tile_rows(schedule_case *f, int32_t copy, int32_t z, int32_t axis)
{
    ej_tile tile = {0};
    ej_tile_add(&tile, z, 8, EJ_UNROLL);
    ej_tile_add(&tile, axis, 5, EJ_UNROLL);
    ej_tile_add(&tile, axis, 4, EJ_LANE);
    ej_do_tile(&f->s, copy, tile);
    assert_false(f->s.failed);
}

typedef struct rows_case {
    schedule_case f;
    int32_t z, i, j, at;
} rows_case;

/* Eight z at a time, each in a lane. */
static void open_rows(rows_case *c)
{
    schedule_open(&c->f, rows, rows_inputs);
    c->z = schedule_axis(&c->f.s, "z");
    c->i = schedule_axis(&c->f.s, "i");
    c->j = schedule_axis(&c->f.s, "j");
    ej_tile tile = {0};
    ej_tile_add(&tile, c->i, 4, EJ_UNROLL);
    ej_tile_add(&tile, c->j, 5, EJ_UNROLL);
    ej_tile_add(&tile, c->z, 8, EJ_LANE);
    ej_do_tile(&c->f.s, 0, tile);
    c->at = ej_do_loop(&c->f.s, 0, c->z, 8);
}

static void axes_that_do_not_follow_each_other_stay_two(void **state)
{
    (void)state;
    rows_case c;
    open_rows(&c);
    int32_t copy = ej_do_stage(&c.f.s, c.at, 0, 0, EJ_HOME_REG, layout_of(c.z, c.i, c.j));
    assert_false(c.f.s.failed);
    schedule_refuses(&c.f, join_of(0, c.i, c.j), EJ_REFUSE_NO_SUCH); /* a step */
    schedule_refuses(&c.f, join_of(copy, c.i, c.i), EJ_REFUSE_NO_SUCH);
    schedule_refuses(&c.f, join_of(copy, c.i, 99), EJ_REFUSE_NO_SUCH);
    schedule_refuses(&c.f, join_of(copy, 99, c.i), EJ_REFUSE_NO_SUCH);
    schedule_refuses(&c.f, join_of(copy, c.j, c.i), EJ_REFUSE_LAYOUT);
    schedule_refuses(&c.f, join_of(copy, c.z, c.i), EJ_REFUSE_CUTS);
    ej_tile lanes = {0};
    ej_tile_add(&lanes, c.z, 8, EJ_UNROLL);
    ej_tile_add(&lanes, c.i, 4, EJ_UNROLL);
    ej_tile_add(&lanes, c.j, 5, EJ_LANE);
    ej_do_tile(&c.f.s, copy, lanes);
    assert_false(c.f.s.failed);
    schedule_refuses(&c.f, join_of(copy, c.i, c.j), EJ_REFUSE_DIGITS);
    plan_close(&c.f.plan);
    /* they follow each other where they are read, not where they are written */
    open_rows(&c);
    copy = ej_do_stage(&c.f.s, c.at, 0, 0, EJ_HOME_LOCAL, layout_of(c.i, c.z, c.j));
    schedule_refuses(&c.f, join_of(copy, c.i, c.j), EJ_REFUSE_LAYOUT);
    ej_layout blocks = layout_of(c.z, c.i, c.j);
    blocks.digits[blocks.n++] = (ej_digit){c.i, 2, EJ_UNROLL};
    int32_t other = ej_do_stage(&c.f.s, c.at, copy, 0, EJ_HOME_LOCAL, blocks);
    assert_false(c.f.s.failed);
    schedule_refuses(&c.f, join_of(other, c.i, c.j), EJ_REFUSE_LAYOUT);
    plan_close(&c.f.plan);
}

static void expect_words(const char *text, size_t n, const char *const *words)
{
    for (size_t i = 0; i < n; i++)
        if (!strstr(text, words[i])) fail_msg("no %s in\n%s", words[i], text);
}

static void copies_move_along_whole_rows(void **state)
{
    (void)state;
    static const char *const words[] = {"axis ij 20 parallel", "src a[z: 20, ij: 1]",
                                        "tile z unroll 8, ij unroll 5, ij lane 4", "[z: 20, i: 5, j: 1]"};
    rows_case c;
    open_rows(&c);
    int32_t copy = ej_do_stage(&c.f.s, c.at, 0, 0, EJ_HOME_REG, layout_of(c.z, c.i, c.j));
    int32_t axis = ej_do_join(&c.f.s, copy, c.i, c.j);
    assert_int_equal(axis, 3);
    tile_rows(&c.f, copy, c.z, axis);
    schedule_refuses(&c.f, join_of(copy, c.i, c.j), EJ_REFUSE_NO_SUCH); /* they are gone */
    const char *nest = schedule_settled(&c.f), *log = schedule_printed(&c.f);
    einjit_error err = {0};
    expect_words(nest, sizeof words / sizeof *words, words);
    assert_non_null(strstr(log, "join 1 %1 %2\n"));
    schedule_begin(&c.f);
    if (ej_schedule_replay(&c.f.s, log, &err)) fail_msg("%s in\n%s", err.text, log);
    assert_string_equal(schedule_printed(&c.f), log);
    assert_string_equal(schedule_settled(&c.f), nest);
    schedule_begin(&c.f);
    assert_int_not_equal(ej_schedule_replay(&c.f.s, "join 0 %1", &err), EINJIT_OK);
    plan_close(&c.f.plan);
}

/* Three axes by two joins; the buffer's layout never hears of them. */
static void joined_axes_are_joined_again(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, "def f(a: f32[z, i, j, k], v: f32[j]):\n    return einsum('zijk,j->zki', a, v)\n",
                  "f32[100,3,5,7] f32[5]");
    int32_t z = schedule_axis(&f.s, "z"), i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"),
            k = schedule_axis(&f.s, "k");
    ej_layout layout = {.n = 4, .digits = {{z, 0, 0}, {i, 0, 0}, {j, 0, 0}, {k, 0, 0}}};
    int32_t at = ej_do_loop(&f.s, 0, z, 4), copy = ej_do_stage(&f.s, at, 0, 0, EJ_HOME_LOCAL, layout);
    int32_t row = ej_do_join(&f.s, copy, i, ej_do_join(&f.s, copy, j, k));
    assert_false(f.s.failed);
    assert_int_equal(f.s.axes[row].extent.n, 105);
    static const char *const words[] = {"axis ijk 105 parallel", "src a[z: 105, ijk: 1]"};
    expect_words(schedule_settled(&f), sizeof words / sizeof *words, words);
    plan_close(&f.plan);
}

/* What is done to a statement alone is done in its group, where the joined axis has another number. */
static void parts_of_groups_join_axes(void **state)
{
    (void)state;
    schedule_case f;
    ej_schedule_part part;
    ej_schedule done;
    schedule_open_group(&f,
                        "def f(a: f32[z, i], b: f32[z, i, j], c: f32[z, j, k]):\n"
                        "    t = einsum('zi,zij->zj', a, b)\n    return einsum('zj,zjk->zk', t, c)\n",
                        "f32[20,3] f32[20,3,5] f32[20,5,7]");
    assert_int_equal(ej_schedule_part_begin(&part, &f.s, 1), EINJIT_OK);
    assert_int_equal(ej_schedule_again(&done, &part.s), EINJIT_OK);
    int32_t z = schedule_axis(&done, "z"), j = schedule_axis(&done, "j"), k = schedule_axis(&done, "k");
    int32_t at = ej_do_loop(&done, 0, z, 4);
    int32_t source = done.statements[0].src[0].n_terms == 3 ? 0 : 1;
    int32_t copy = ej_do_stage(&done, at, 0, source, EJ_HOME_LOCAL, layout_of(z, j, k));
    int32_t axis = ej_do_join(&done, copy, j, k);
    ej_tile tile = {0};
    ej_tile_add(&tile, axis, 4, EJ_LANE);
    ej_do_tile(&done, copy, tile);
    assert_false(done.failed);
    assert_true(f.s.n_axes > part.s.n_axes);
    assert_true(ej_schedule_part_end(&f.s, 1, &part, &done));
    static const char *const words[] = {"axis jk 35 parallel", "jk: 1]", "tile jk lane 4"};
    expect_words(schedule_settled(&f), sizeof words / sizeof *words, words);
    plan_close(&f.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_that_do_not_follow_each_other_stay_two),
        cmocka_unit_test(copies_move_along_whole_rows),
        cmocka_unit_test(joined_axes_are_joined_again),
        cmocka_unit_test(parts_of_groups_join_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
