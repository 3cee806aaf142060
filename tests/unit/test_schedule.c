/* Schedules: what rewrites refuse and leave alone, what settle adds, and that the list of rewrites does the same
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "schedule_support.h"

static const char product[] = "def f(a: f32[i, k], b: f32[k, j]):\n    return einsum('ik,kj->ij', a, b)\n";
static const char product_inputs[] = "f32[40,50] f32[50,64]";

static ej_tile tile_of(int32_t a, int32_t rows, int32_t b, int32_t lanes)
{
    ej_tile tile = {0};
    ej_tile_add(&tile, a, rows, EJ_UNROLL);
    ej_tile_add(&tile, b, lanes, EJ_LANE);
    return tile;
}

static ej_layout layout_of(int32_t a, int32_t b, int32_t c, int32_t width)
{
    ej_layout layout = {.n = 2, .digits = {{a, 0, 0}, {b, 0, 0}}};
    if (width) layout.digits[layout.n++] = (ej_digit){c, width, 0};
    return layout;
}

static int occurrences(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

static void expect_in_order(const char *text, size_t n, const char *const *parts)
{
    const char *all = text;
    for (size_t i = 0; i < n; i++) {
        text = strstr(text, parts[i]);
        if (!text) fail_msg("no %s in order in %s", parts[i], all);
    }
}

static void refusals_leave_the_tree_as_it_was(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    int32_t at = ej_do_loop(&f.s, 0, j, 32), down = ej_do_loop(&f.s, 0, k, 10);
    ej_do_tile(&f.s, 0, tile_of(i, 4, j, 8));
    int32_t panel = ej_do_stage(&f.s, down, 0, 1, EJ_HOME_LOCAL, layout_of(j, k, j, 16));
    assert_false(f.s.failed);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .statement = 7, .axis = i, .step = 4},
                     EJ_REFUSE_NO_SUCH);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .statement = panel, .axis = i, .step = 4},
                     EJ_REFUSE_NO_SUCH);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .axis = i, .step = 6}, EJ_REFUSE_CUTS);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_INNER, .axis = i, .step = 4}, EJ_REFUSE_NOT_REDUCED);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_TILE, .digits = tile_of(i, 4, j, 16)}, EJ_REFUSE_LANES);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_TILE, .digits = tile_of(k, 3, j, 8)}, EJ_REFUSE_CUTS);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_TILE, .digits = tile_of(j, 32, i, 8)}, EJ_REFUSE_CUTS);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_TILE, .statement = panel, .digits = tile_of(i, 4, j, 8)},
                     EJ_REFUSE_DIGITS);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_STORE, .digits = tile_of(i, 8, j, 8)}, EJ_REFUSE_OTHER_COUNTS);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_STORE, .statement = panel}, EJ_REFUSE_NOT_REDUCED);
    ej_rewrite stage = {
        .kind = EJ_REWRITE_STAGE, .at = at, .source = 0, .home = EJ_HOME_REG, .digits = layout_of(i, k, 0, 0)};
    schedule_refuses(&f, stage, EJ_REFUSE_LARGE);
    stage.home = EJ_HOME_LOCAL;
    stage.digits = layout_of(i, j, 0, 0);
    schedule_refuses(&f, stage, EJ_REFUSE_LAYOUT);
    stage.digits = layout_of(i, k, i, 6);
    schedule_refuses(&f, stage, EJ_REFUSE_CUTS);
    stage.at = f.s.statements[0].node;
    schedule_refuses(&f, stage, EJ_REFUSE_NOT_AROUND);
    stage.source = 2;
    schedule_refuses(&f, stage, EJ_REFUSE_NO_SUCH);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_FILL, .at = down}, EJ_REFUSE_PARTIAL);
    ej_rewrite wait = {
        .kind = EJ_REWRITE_STAGE_OUT, .at = down, .home = EJ_HOME_LOCAL, .digits = layout_of(i, j, 0, 0)};
    schedule_refuses(&f, wait, EJ_REFUSE_PARTIAL); /* a part of the terms is summed below */
    wait.at = at;
    wait.home = EJ_HOME_REG; /* there is a loop over the terms around the sum */
    schedule_refuses(&f, wait, EJ_REFUSE_PARTIAL);
    wait.home = EJ_HOME_LOCAL;
    wait.digits = layout_of(j, i, j, 6);
    schedule_refuses(&f, wait, EJ_REFUSE_CUTS);
    wait.digits = layout_of(j, k, 0, 0);
    schedule_refuses(&f, wait, EJ_REFUSE_LAYOUT);
    wait.statement = panel;
    wait.at = at;
    wait.digits = layout_of(j, k, 0, 0);
    schedule_refuses(&f, wait, EJ_REFUSE_WRITTEN);
    plan_close(&f.plan);
}

/* `failed` latches: the rest of a script does nothing. */
static void a_refused_script_stops(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    ej_do_inner(&f.s, 0, schedule_axis(&f.s, "i"), 4);
    assert_true(f.s.failed);
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "i"), 4);
    assert_int_equal(f.s.n_log, 0);
    plan_close(&f.plan);
}

static void sums_of_a_map_are_finished_at_the_last_block(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, "def f(a: f32[i, k], b: f32[k, j]):\n    return relu(einsum('ik,kj->ij', a, b))\n",
                  product_inputs);
    assert_null(strstr(schedule_settled(&f), "when"));
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "k"), 10);
    assert_false(f.s.failed);
    /* each block from nothing: what is there is added at its end */
    const char *text = schedule_settled(&f), *sum = strstr(text, "sum acc");
    assert_non_null(sum);
    assert_null(strstr(text, "when first"));
    sum = strstr(sum + 1, "sum acc");
    assert_non_null(sum);
    assert_non_null(strstr(sum, "when later k"));
    f.s.ordered = true; /* from what is there, term after term */
    text = schedule_settled(&f);
    static const char *const words[] = {"when first k", "when later k", "when earlier k", "when last k"};
    for (size_t i = 0; i < 4; i++) assert_non_null(strstr(text, words[i]));
    assert_true(strstr(text, "when later k") < strstr(text, "sum acc"));
    plan_close(&f.plan);
}

/* What only the end reads is read once, with the last block; it is no source to be staged. */
static void ends_read_their_tail_at_the_last_block(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, "def f(a: f32[i, k], b: f32[k, j], c: f32[j]):\n    return relu(einsum('ik,kj->ij', a, b) + c)\n",
                  "f32[40,50] f32[50,64] f32[64]");
    assert_int_equal(f.s.statements[0].n_tail, 1);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_STAGE, .at = EJ_AT_ROOT, .source = 2, .home = EJ_HOME_LOCAL},
                     EJ_REFUSE_NO_SUCH);
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "k"), 10);
    ej_do_stage(&f.s, EJ_AT_ROOT, 0, 0, EJ_HOME_LOCAL,
                layout_of(schedule_axis(&f.s, "i"), schedule_axis(&f.s, "k"), 0, 0));
    assert_false(f.s.failed);
    const char *text = schedule_settled(&f), *early = strstr(text, "when earlier k"),
               *late = strstr(text, "when last k");
    assert_non_null(early);
    assert_non_null(late);
    const char *tail = strstr(text, "src c[j: 1]");
    assert_non_null(tail);
    assert_null(strstr(tail + 1, "src c["));
    assert_true(tail > early && late > early);
    assert_int_equal(occurrences(text, "f32 relu"), 1);
    plan_close(&f.plan);
}

static void steps_that_are_not_below_the_range_change_nothing(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    const char *before = schedule_settled(&f);
    assert_int_equal(ej_do_loop(&f.s, 0, schedule_axis(&f.s, "j"), 64), EJ_AT_ROOT);
    ej_do_inner(&f.s, 0, schedule_axis(&f.s, "k"), 50);
    assert_false(f.s.failed);
    assert_string_equal(schedule_settled(&f), before);
    plan_close(&f.plan);
}

static void panels_have_blocks(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k"), at = ej_do_loop(&f.s, 0, k, 20);
    int32_t panel = ej_do_stage(&f.s, at, 0, 1, EJ_HOME_LOCAL, layout_of(j, k, j, 16));
    ej_do_loop(&f.s, panel, j, 16);
    assert_false(f.s.failed);
    assert_non_null(strstr(schedule_settled(&f), "buffer panel f32 local elems 1280"));
    assert_non_null(strstr(schedule_settled(&f), "src panel[j: 1 block 16: 320, k: 16]"));
    plan_close(&f.plan);
}

static void results_wait_until_all_terms_are_in(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), at = ej_do_loop(&f.s, 0, i, 8);
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "k"), 10);
    ej_do_tile(&f.s, 0, tile_of(i, 4, j, 8));
    int32_t copy = ej_do_stage_out(&f.s, at, 0, EJ_HOME_LOCAL, layout_of(j, i, 0, 0));
    ej_do_tile(&f.s, copy, tile_of(i, 8, j, 8));
    assert_false(f.s.failed);
    const char *text = schedule_settled(&f), *waits = strstr(text, "move result[i: 1, j: 8]"),
               *out = strstr(text, "move einsum_1");
    assert_true(waits && out && out > waits);
    assert_non_null(strstr(out, "src result[i: 1, j: 8]"));
    assert_non_null(strstr(text, "when later k"));
    plan_close(&f.plan);
}

/* Rounded as they leave: parts of a sum wait in the dtype of the sum. */
static void results_are_rounded_after_they_have_waited(void **state)
{
    (void)state;
    static const char *const parts[] = {"buffer result f32 local", "move result[i: 1, j: 8]", "move einsum_1",
                                        "src result[i: 1, j: 8]", "expr $0 = f32 src 0; $1 = bf16 cast $0"};
    schedule_case f;
    schedule_open(&f, "def f(a: bf16[i, k], b: bf16[k, j]):\n    return einsum('ik,kj->ij', a, b)\n",
                  "bf16[40,50] bf16[50,64]");
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), at = ej_do_loop(&f.s, 0, i, 8);
    int32_t copy = ej_do_stage_out(&f.s, at, 0, EJ_HOME_LOCAL, layout_of(j, i, 0, 0));
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "k"), 10);
    ej_do_tile(&f.s, 0, tile_of(i, 4, j, 8));
    ej_do_tile(&f.s, copy, tile_of(i, 8, j, 8));
    assert_false(f.s.failed);
    expect_in_order(schedule_settled(&f), sizeof parts / sizeof *parts, parts);
    plan_close(&f.plan);
}

/* Hints go where the access goes: a result that is finished goes past the caches, partial sums and waiting ones do
 * not. */
static void hints_follow_what_is_staged(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    ej_rewrite r = {.kind = EJ_REWRITE_HINT, .hints = {.ahead = 64, .source = 2}};
    schedule_refuses(&f, r, EJ_REFUSE_NO_SUCH);
    r.hints = (ej_leaf_hints){.ahead = EJ_HINT_AHEAD + 1};
    schedule_refuses(&f, r, EJ_REFUSE_LARGE);
    ej_do_hint(&f.s, 0, (ej_leaf_hints){.stream = true, .source = 1, .ahead = 512});
    const char *text = schedule_settled(&f), *sum = strstr(text, "sum acc"), *out = strstr(text, "move einsum_1");
    assert_true(sum && out && sum < strstr(text, "prefetch 1 512") && strstr(text, "prefetch 1 512") < out);
    assert_true(out < strstr(text, "stream"));
    int32_t at = ej_do_loop(&f.s, 0, i, 8);
    int32_t panel = ej_do_stage(&f.s, at, 0, 1, EJ_HOME_LOCAL, layout_of(j, k, 0, 0));
    int32_t copy = ej_do_stage_out(&f.s, at, 0, EJ_HOME_LOCAL, layout_of(j, i, 0, 0));
    assert_false(f.s.failed);
    assert_true(f.s.statements[panel].hints.ahead == 512 && f.s.statements[panel].hints.source == 0);
    assert_true(f.s.statements[copy].hints.stream && !f.s.statements[0].hints.stream && !f.s.statements[0].hints.ahead);
    out = strstr(schedule_settled(&f), "move einsum_1");
    assert_true(out && strstr(out, "stream"));
    ej_do_hint(&f.s, 0, (ej_leaf_hints){.source = EJ_HINT_ALL, .ahead = 256, .far = true});
    int32_t rows = ej_do_stage(&f.s, at, 0, 0, EJ_HOME_LOCAL, layout_of(i, k, 0, 0));
    assert_true(f.s.statements[rows].hints.ahead == 256 && f.s.statements[rows].hints.source == EJ_HINT_ALL);
    assert_true(f.s.statements[0].hints.ahead == 256 && f.s.statements[0].hints.source == EJ_HINT_ALL);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_HINT, .statement = copy, .hints = {.ahead = 64, .source = 1}},
                     EJ_REFUSE_NO_SUCH);
    plan_close(&f.plan);
}

static void partial_sums_stay_in_the_caches(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    ej_do_hint(&f.s, 0, (ej_leaf_hints){.stream = true});
    ej_do_loop(&f.s, 0, schedule_axis(&f.s, "k"), 10);
    assert_null(strstr(schedule_settled(&f), "stream"));
    plan_close(&f.plan);
}

/* Registers do not pass partial sums from one block of terms to the next. */
static void sums_in_registers_are_not_divided(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    ej_do_tile(&f.s, 0, tile_of(i, 4, j, 8));
    ej_do_loop(&f.s, 0, i, 4);
    int32_t at = ej_do_loop(&f.s, 0, j, 8);
    ej_do_stage_out(&f.s, at, 0, EJ_HOME_REG, layout_of(i, j, 0, 0));
    assert_false(f.s.failed);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .axis = k, .step = 10}, EJ_REFUSE_PARTIAL);
    plan_close(&f.plan);
}

static void an_empty_axis_keeps_sources_unread(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, "f32[40,50] f32[50,0]");
    ej_rewrite stage = {.kind = EJ_REWRITE_STAGE,
                        .at = EJ_AT_ROOT,
                        .home = EJ_HOME_LOCAL,
                        .digits = layout_of(schedule_axis(&f.s, "i"), schedule_axis(&f.s, "k"), 0, 0)};
    schedule_refuses(&f, stage, EJ_REFUSE_EMPTY);
    plan_close(&f.plan);
    schedule_open_sizes(&f, product, product_inputs, "k");
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .axis = schedule_axis(&f.s, "k"), .step = 4},
                     EJ_REFUSE_EMPTY);
    stage.at = EJ_AT_ROOT;
    stage.digits = layout_of(schedule_axis(&f.s, "i"), schedule_axis(&f.s, "k"), 0, 0);
    schedule_refuses(&f, stage, EJ_REFUSE_OPEN);
    plan_close(&f.plan);
}

/* A split or folded sum over k has its axis whole: no loop of that step, no other tile, no sum in memory, and no source
 * in a layout with that digit of k, for the reason `layout`. */
static void refuses_to_cut(schedule_case *f, int64_t step, int64_t digit, int layout)
{
    int32_t i = schedule_axis(&f->s, "i"), j = schedule_axis(&f->s, "j"), k = schedule_axis(&f->s, "k");
    schedule_refuses(f, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .axis = k, .step = step}, EJ_REFUSE_SPLIT);
    schedule_refuses(f, (ej_rewrite){.kind = EJ_REWRITE_INNER, .axis = k, .step = step}, EJ_REFUSE_SPLIT);
    schedule_refuses(f, (ej_rewrite){.kind = EJ_REWRITE_TILE, .digits = tile_of(i, 4, k, 4)}, EJ_REFUSE_SPLIT);
    schedule_refuses(f, (ej_rewrite){.kind = EJ_REWRITE_FILL, .at = EJ_AT_ROOT}, EJ_REFUSE_SPLIT);
    ej_rewrite stage = {.kind = EJ_REWRITE_STAGE,
                        .at = EJ_AT_ROOT,
                        .home = EJ_HOME_LOCAL,
                        .source = 1,
                        .digits = layout_of(k, j, k, digit)};
    schedule_refuses(f, stage, layout);
}

/* Lanes along what is summed: whole chunks, the rest, and the lanes in the end. */
static void split_sums_have_accumulators_a_lane(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t i = schedule_axis(&f.s, "i"), k = schedule_axis(&f.s, "k");
    ej_rewrite split = {.kind = EJ_REWRITE_SPLIT, .axis = k};
    schedule_refuses(&f, split, EJ_REFUSE_DIGITS);
    ej_do_tile(&f.s, 0, tile_of(i, 4, k, 8));
    split.axis = i;
    schedule_refuses(&f, split, EJ_REFUSE_NOT_REDUCED);
    ej_do_split(&f.s, 0, k);
    assert_false(f.s.failed);
    static const char *const parts[] = {
        "axis chunk 6",     "axis rest 2", "sum acc[lane: 1, i: 8]", "sum acc[rest: 1, i: 8]", "rest lane 8",
        "sum result[i: 1]", "src acc",     "move einsum_1"};
    expect_in_order(schedule_settled(&f), sizeof parts / sizeof *parts, parts);
    split.axis = k;
    schedule_refuses(&f, split, EJ_REFUSE_SPLIT);
    refuses_to_cut(&f, 16, 8, EJ_REFUSE_SPLIT);
    plan_close(&f.plan);
    schedule_open(&f, product, "f32[40,6] f32[6,64]");
    ej_do_tile(&f.s, 0, tile_of(schedule_axis(&f.s, "i"), 4, schedule_axis(&f.s, "k"), 8));
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_SPLIT, .axis = schedule_axis(&f.s, "k")}, EJ_REFUSE_LARGE);
    plan_close(&f.plan);
    schedule_open_sizes(&f, product, product_inputs, "k");
    ej_do_tile(&f.s, 0, tile_of(schedule_axis(&f.s, "i"), 4, schedule_axis(&f.s, "k"), 8));
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_SPLIT, .axis = schedule_axis(&f.s, "k")}, EJ_REFUSE_OPEN);
    plan_close(&f.plan);
}

/* Four rows of four lanes become one vector in two steps, of which each takes one bit of what is summed. */
static void folded_sums_end_in_the_lanes_of_another_axis(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, "f32[40,4] f32[4,64]");
    int32_t i = schedule_axis(&f.s, "i"), k = schedule_axis(&f.s, "k");
    ej_rewrite fold = {.kind = EJ_REWRITE_FOLD, .axis = k, .lane = i};
    schedule_refuses(&f, fold, EJ_REFUSE_DIGITS);
    ej_do_tile(&f.s, 0, tile_of(i, 4, k, 4));
    fold.axis = i;
    schedule_refuses(&f, fold, EJ_REFUSE_NOT_REDUCED);
    fold.axis = fold.lane = k;
    schedule_refuses(&f, fold, EJ_REFUSE_DIGITS);
    fold.lane = i;
    assert_true(ej_schedule_apply(&f.s, &fold, NULL));
    static const char *const parts[] = {"axis bit 2", "move rows",     "i unroll 4", "move fold",
                                        "sum fold",   "sum acc[i: 1]", "i lane 4",   "move einsum_1"};
    expect_in_order(schedule_settled(&f), sizeof parts / sizeof *parts, parts);
    fold.axis = k;
    fold.lane = i;
    schedule_refuses(&f, fold, EJ_REFUSE_SPLIT);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_SPLIT, .axis = k}, EJ_REFUSE_SPLIT);
    refuses_to_cut(&f, 4, 4, EJ_REFUSE_FOLD);
    plan_close(&f.plan);
    schedule_open(&f, product, product_inputs);
    fold.axis = schedule_axis(&f.s, "k");
    fold.lane = schedule_axis(&f.s, "i");
    ej_do_tile(&f.s, 0, tile_of(fold.lane, 8, fold.axis, 8));
    schedule_refuses(&f, fold, EJ_REFUSE_FOLD);
    plan_close(&f.plan);
}

/* Two vectors of 8 along 50 terms: three chunks of both, the second vector 24 terms behind the first, and a rest of
 * 2. */
static void vectors_of_split_sums_are_apart(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open(&f, product, product_inputs);
    int32_t k = schedule_axis(&f.s, "k");
    ej_tile tile = {0};
    ej_tile_add(&tile, k, 2, EJ_UNROLL);
    ej_tile_add(&tile, k, 8, EJ_LANE);
    ej_do_tile(&f.s, 0, tile);
    ej_rewrite split = {.kind = EJ_REWRITE_SPLIT, .axis = k, .apart = true};
    assert_true(ej_schedule_apply(&f.s, &split, NULL));
    const char *text = schedule_settled(&f);
    static const char *const parts[] = {"axis chunk 3",
                                        "axis lane 8",
                                        "axis part 2",
                                        "axis rest 2",
                                        "lane: 1, part: 24, chunk: 8",
                                        "tile part unroll 2, lane lane 8"};
    for (size_t n = 0; n < sizeof parts / sizeof *parts; n++)
        if (!strstr(text, parts[n])) fail_msg("no %s in\n%s", parts[n], text);
    plan_close(&f.plan);
}

/* A filled result takes its terms in any order of loops, also none of them. */
static void filled_results_are_summed_in_memory(void **state)
{
    (void)state;
    schedule_case f;
    schedule_open_sizes(&f, "def f(a: f32[i, k], b: f32[k, j]):\n    return relu(einsum('ik,kj->ij', a, b))\n",
                        product_inputs, "k");
    int32_t i = schedule_axis(&f.s, "i"), j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    ej_do_tile(&f.s, 0, tile_of(k, 4, j, 8));
    ej_rewrite loop = {.kind = EJ_REWRITE_LOOP, .axis = k, .step = 4};
    schedule_refuses(&f, loop, EJ_REFUSE_EMPTY);
    int32_t at = ej_do_loop(&f.s, 0, i, 8), fill = ej_do_fill(&f.s, at, 0);
    ej_do_loop(&f.s, 0, k, 4);
    assert_false(f.s.failed);
    const char *text = schedule_settled(&f), *neutral = strstr(text, "move relu_1"), *sum = strstr(text, "sum relu_1"),
               *last;
    assert_true(neutral && sum && neutral < sum);
    last = strstr(sum, "move relu_1");
    assert_true(last && strstr(last, "src relu_1"));
    assert_null(strstr(text, "acc"));
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_FILL, .at = EJ_AT_ROOT}, EJ_REFUSE_PARTIAL);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_FILL, .statement = fill, .at = EJ_AT_ROOT},
                     EJ_REFUSE_NOT_REDUCED);
    schedule_refuses(&f, (ej_rewrite){.kind = EJ_REWRITE_SPLIT, .axis = k}, EJ_REFUSE_OPEN);
    /* what waited elsewhere would come back over the sum */
    schedule_refuses(&f,
                     (ej_rewrite){.kind = EJ_REWRITE_STAGE_OUT,
                                  .statement = fill,
                                  .at = EJ_AT_ROOT,
                                  .home = EJ_HOME_LOCAL,
                                  .digits = layout_of(i, j, 0, 0)},
                     EJ_REFUSE_WRITTEN);
    plan_close(&f.plan);
}

static void a_schedule_replays(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        schedule_case f;
        schedule_open(&f, product, product_inputs);
        ej_schedule_random(&f.s, seed);
        const char *log = schedule_printed(&f), *nest = schedule_settled(&f);
        einjit_error err = {0};
        schedule_begin(&f);
        if (ej_schedule_replay(&f.s, log, &err)) fail_msg("%s in\n%s", err.text, log);
        assert_string_equal(schedule_printed(&f), log);
        assert_string_equal(schedule_settled(&f), nest);
        plan_close(&f.plan);
    }
}

static void text_that_is_no_schedule_is_refused(void **state)
{
    (void)state;
    static const char *const faulty[] = {"turn 0 %0 4",
                                         "loop 0 0 4",
                                         "loop %0 4",
                                         "tile 0 %0 up 4",
                                         "stage 0 1 local %0 0",
                                         "stage 0 1 at 99 local",
                                         "stage 0 1 at root local %1 2147483647, %1 2147483647, %1 2147483647",
                                         "tile 0 %0 lane 4 %1 lane 2",
                                         "loop 0 %0 4 5",
                                         "loop 5 %0 4"};
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        schedule_case f;
        einjit_error err = {0};
        schedule_open(&f, product, product_inputs);
        if (!ej_schedule_replay(&f.s, faulty[i], &err)) fail_msg("accepted: %s", faulty[i]);
        assert_true(strlen(err.text) > 0);
        plan_close(&f.plan);
    }
}

/* A copy holds what the reader makes of the source alone. */
static void a_map_is_staged_with_its_source(void **state)
{
    static const char program[] = "def f(a, b):\n    return einsum('ik,kj->ij', a, 2.0 - relu(b))\n";
    (void)state;
    schedule_case f;
    schedule_open(&f, program, "f32[6,50] f32[50,64]");
    assert_int_equal(f.s.statements[0].expr.n, 6);
    int32_t j = schedule_axis(&f.s, "j"), k = schedule_axis(&f.s, "k");
    int32_t at = ej_do_loop(&f.s, 0, j, 16);
    int32_t panel = ej_do_stage(&f.s, at, 0, 1, EJ_HOME_LOCAL, layout_of(k, j, 0, 0));
    assert_false(f.s.failed);
    assert_int_equal(f.s.statements[panel].expr.n, 4);
    assert_int_equal(f.s.statements[0].expr.n, 3);
    assert_int_equal(occurrences(schedule_settled(&f), "relu"), 1);
    int32_t again = ej_do_stage(&f.s, at, 0, 1, EJ_HOME_LOCAL, layout_of(j, k, 0, 0)); /* as it is there */
    assert_int_equal(f.s.statements[again].expr.n, 1);
    assert_int_equal(occurrences(schedule_settled(&f), "relu"), 1);
    plan_close(&f.plan);
}

static void split(const char *program, int map_n, int rest_n)
{
    schedule_case f;
    ej_expr map, rest;
    schedule_open(&f, program, "f32[6,50] f32[6,50]");
    const ej_statement *st = &f.s.statements[0];
    assert_true(ej_expr_split(&f.plan.bind.arena, &st->expr, 0, EINJIT_F32, &map, &rest));
    assert_int_equal(map.n, map_n);
    assert_int_equal(rest.n, rest_n);
    plan_close(&f.plan);
}

static void expressions_split_where_one_value_of_the_source_is_left(void **state)
{
    (void)state;
    split("def f(a, b):\n    return (exp(a) * a * b).sum(1)\n", 3, 3);
    split("def f(a, b):\n    return (a * b * exp(a)).sum(1)\n", 1, 5);  /* a and exp(a) */
    split("def f(a, b):\n    return exp(a).sum(1) + b.sum(1)\n", 1, 2); /* all of it is the source's */
    split("def f(a, b):\n    return (a.to(f64) * b).sum(1)\n", 1, 5);   /* another dtype */
    split("def f(a, b):\n    return (a * b).sum(1)\n", 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_is_staged_with_its_source),
        cmocka_unit_test(expressions_split_where_one_value_of_the_source_is_left),
        cmocka_unit_test(refusals_leave_the_tree_as_it_was),
        cmocka_unit_test(a_refused_script_stops),
        cmocka_unit_test(ends_read_their_tail_at_the_last_block),
        cmocka_unit_test(sums_of_a_map_are_finished_at_the_last_block),
        cmocka_unit_test(steps_that_are_not_below_the_range_change_nothing),
        cmocka_unit_test(panels_have_blocks),
        cmocka_unit_test(results_wait_until_all_terms_are_in),
        cmocka_unit_test(results_are_rounded_after_they_have_waited),
        cmocka_unit_test(hints_follow_what_is_staged),
        cmocka_unit_test(partial_sums_stay_in_the_caches),
        cmocka_unit_test(sums_in_registers_are_not_divided),
        cmocka_unit_test(an_empty_axis_keeps_sources_unread),
        cmocka_unit_test(split_sums_have_accumulators_a_lane),
        cmocka_unit_test(folded_sums_end_in_the_lanes_of_another_axis),
        cmocka_unit_test(vectors_of_split_sums_are_apart),
        cmocka_unit_test(filled_results_are_summed_in_memory),
        cmocka_unit_test(a_schedule_replays),
        cmocka_unit_test(text_that_is_no_schedule_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
