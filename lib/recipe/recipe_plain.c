/* recipe_plain.c - any step: the tiling that takes the fewest instructions, loops around it.
 *
 * Takes  any statement.
 * Gives  loops over the result's axes, then those over summed ones; lanes along an axis of the result, or along a
 *        summed one: then each lane has a sum of its own, and these are added up at the end. Rows of one vector are
 *        folded (2,000 sums of 8 f32 on Zen 4: 1.49 us row by row, 0.74 stored beside each other, 0.67 folded; of 16:
 *        1.93, 1.37, 1.17). A map's rows that lie far apart have the outermost loop, so that the result is written in
 *        as many streams (`ir,jr->ijr` of 128 f32 on Zen 4: 176 us with the loop over j around it, 113 so; of 64, in
 *        the L2: 34.7, 13.9 in one stream).
 */
#include "recipe_tiling.h"

enum { FOLD_ROWS = 4 }; /* vectors of results, at least: what is left over is code, too */

static bool matches(const ej_schedule *s)
{
    (void)s;
    return true;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    (void)s;
    (void)out;
    return 1;
}

/* Each lane sums for itself; without rows only over several chunks: logsumexp of 13x29 f32 took 1.29 of the time with
 * one and a rest. Without rows, several vectors of sums hide the latency of the additions. */
static void split_lanes(ej_schedule *s, const ej_tiling *tiling)
{
    ej_size extent = s->axes[tiling->lane_axis].extent;
    ej_tiling t = *tiling;
    t.vectors = t.row_axis >= 0 ? 1 : 4;
    while (t.vectors > 1 && extent.n < 2 * (int64_t)t.lanes * t.vectors) t.vectors /= 2;
    if (extent.e || extent.n < (t.row_axis >= 0 ? t.lanes + 1 : 2 * t.lanes)) return;
    ej_do_tile(s, 0, ej_tiling_tile(&t));
    ej_rewrite split = {.kind = EJ_REWRITE_SPLIT,
                        .axis = t.lane_axis,
                        .apart = ej_stream_apart(s, &s->statements[0], t.lane_axis, t.vectors)};
    if (!s->failed && !ej_schedule_apply(s, &split, NULL))
        ej_do_tile(s, 0, ej_tiling_tile(tiling)); /* refused: a stride is open */
}

/* Lanes along a summed axis leave one number a row. Where the rows' results lie side by side in memory, an epilogue
 * computes on a vector of them, and they are stored at once. */
static void store_beside(ej_schedule *s, const ej_tiling *t)
{
    const ej_statement *st = &s->statements[0];
    ej_tile tile = {0};
    bool beside = t->row_axis >= 0 && ej_access_unit_axis(&st->out) == t->row_axis && t->rows <= t->lanes;
    if (!beside) return;
    ej_tile_add(&tile, t->row_axis, t->rows, EJ_LANE);
    ej_rewrite store = {.kind = EJ_REWRITE_STORE, .digits = tile};
    ej_schedule_apply(s, &store, NULL); /* where that is refused, row by row */
}

/* The rows are one vector each, and their results lie side by side: as many rows as a vector has lanes become one. */
static bool folds(const ej_schedule *s, ej_tiling *t)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out);
    if (!t->lane_reduced || t->vectors > 1 || unit < 0 || ej_statement_has_table(st, unit)) return false;
    ej_size sum = s->axes[t->lane_axis].extent, rows = s->axes[unit].extent;
    if (sum.e || sum.n != t->lanes || rows.e || rows.n < FOLD_ROWS * t->lanes) return false;
    if ((t->lanes & (t->lanes - 1)) || ej_dtype_is_complex(ej_statement_dtype(st))) return false;
    t->row_axis = unit;
    t->rows = t->lanes;
    return true;
}

/* False: refused, as a stride is open; then the rows' results are stored beside each other. */
static bool fold_rows(ej_schedule *s, const ej_tiling *t)
{
    ej_rewrite fold = {.kind = EJ_REWRITE_FOLD, .axis = t->lane_axis, .lane = t->row_axis};
    return ej_schedule_apply(s, &fold, NULL);
}

/* Two terms of the innermost sum, of products of bf16, where the lanes are not along a sum. */
static void add_pair(const ej_schedule *s, const ej_tiling *t, ej_tile *tile)
{
    const ej_statement *st = &s->statements[0];
    int32_t inner = -1;
    int64_t least = INT64_MAX;
    for (int32_t a = 0; a < s->n_axes && !t->lane_reduced && ej_statement_pairs(s, st); a++) {
        int64_t reach = ej_rule_reach(&st->out, st->n_src, st->src, a, true);
        bool suits = ej_statement_reduces(st, a) && ej_statement_names(st, a) && !ej_statement_has_table(st, a);
        if (!suits || s->axes[a].extent.e || s->axes[a].extent.n < 2 || reach >= least) continue;
        inner = a;
        least = reach;
    }
    if (inner >= 0) ej_tile_add(tile, inner, 2, EJ_UNROLL);
}

/* Sums that no loop leaves unfinished, in rows of whole lines that the L3 has no room for (e3nn's outer product, 1,000
 * of 32 x 224 f32 on Zen 4: 2.0 ms with plain stores, 1.0 so). */
static void stream_out(ej_schedule *s, const ej_tiling *t)
{
    const ej_statement *st = &s->statements[0];
    bool rows = ej_access_unit_axis(&st->out) == t->lane_axis && !s->axes[t->lane_axis].extent.e;
    if (!rows || s->failed || s->n_statements > 1 || !ej_rule_streams(s, st)) return;
    ej_leaf_hints hints = st->hints;
    hints.stream = true;
    ej_do_hint(s, 0, hints);
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    ej_tiling t = ej_tiling_choose(s, &s->statements[0]);
    bool folded = folds(s, &t);
    ej_tile tile = {0}, rest = ej_tiling_tile(&t);
    add_pair(s, &t, &tile);
    for (int32_t d = 0; d < rest.n; d++) tile.digits[tile.n++] = rest.digits[d];
    int64_t width = (int64_t)t.lanes * t.vectors;
    bool across = t.lane_axis >= 0 && !t.lane_reduced, sums = ej_statement_sums(s, &s->statements[0]);
    bool far = ej_tiling_rows_are_far(s, &s->statements[0], &t);
    (void)numbers;
    if (tile.n) ej_do_tile(s, 0, tile);
    if (far) ej_do_loop(s, 0, t.row_axis, t.rows);
    ej_do_outer_loops(s, false);
    int32_t at = s->nodes[s->statements[0].node].parent;
    for (int32_t i = 0; across && sums && t.row_axis >= 0 && i < s->statements[0].n_src; i++) {
        const ej_access *source = &s->statements[0].src[i];
        if (!ej_access_moves(source, t.lane_axis) && ej_access_moves(source, t.row_axis)) ej_do_widen(s, at, 0, i);
    }
    if (across && sums) ej_do_loop(s, 0, t.lane_axis, width); /* the same vectors of a source for all rows */
    if (t.row_axis >= 0 && !far) ej_do_loop(s, 0, t.row_axis, t.rows);
    if (across && !sums) ej_do_loop(s, 0, t.lane_axis, width);
    if (folded && !s->failed) folded = fold_rows(s, &t);
    if (!folded && t.lane_reduced && !s->failed) split_lanes(s, &t);
    ej_do_stream_ahead(s);
    if (across && sums) stream_out(s, &t);
    if (folded) return;
    if (t.lane_reduced && !s->failed) store_beside(s, &t);
    if (across && sums && !s->failed) ej_do_store_rows(s, t.row_axis, t.rows, t.lane_axis, width);
    if (across && !s->failed && ej_rule_calls_behind(s, &s->statements[0])) ej_do_call_behind(s);
}

const ej_script ej_script_plain = {"plain", matches, NULL, params, run};
