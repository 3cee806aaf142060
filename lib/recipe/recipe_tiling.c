/* recipe_tiling.c - chooses the lanes and the register rows of a statement by counting loads, operations and stores.
 *
 * Takes  a statement in normal form, the target's vector and register counts.
 * Gives  the tiling with the lowest count. The weights are instructions: a plain vector load or store 1, a spread of
 *        lanes over memory two a lane, a horizontal sum two instructions per halving.
 * Not here: what the loops around it are for (recipe_plain.c, recipe_sweep.c).
 */
#include "recipe_tiling.h"

#include "nest_cost.h"
#include "recipe_product.h"

#include <math.h>
#include <stdlib.h>

double ej_tiling_vector_cost(const ej_access *access, int32_t axis, int32_t lanes)
{
    const ej_access_term *term = ej_access_find(access, axis);
    if (!term) return 0.5; /* a load that broadcasts */
    if (term->table >= 0) return 3.0 * lanes;
    if (term->stride.e) return 2.0 * lanes;
    int64_t stride = llabs(term->stride.n);
    if (stride == 1) return term->stride.n == 1 ? 1 : 1.5;
    if (stride <= 4) return (double)stride + 1;
    return 2.0 * lanes;
}

/* Some access picks its lanes one by one: code for many of them at once is long, and no faster. */
static bool spreads(const ej_statement *st, int32_t axis, int32_t lanes)
{
    for (int32_t i = 0; i <= st->n_src; i++)
        if (ej_tiling_vector_cost(i ? &st->src[i - 1] : &st->out, axis, lanes) > lanes) return true;
    return false;
}

static double log2_lanes(int32_t lanes)
{
    double n = 0;
    for (; lanes > 1; lanes /= 2) n++;
    return n;
}

static double extent_of(const ej_schedule *s, int32_t axis)
{
    return (double)ej_nominal_extent(s, axis);
}

static double chunks(double extent, double per)
{
    double whole = (double)(int64_t)(extent / per);
    return extent > whole * per ? whole + 1 : whole;
}

/* A source whose vectors lie a quarter of a page or more apart along the reduced axes, more of them than the L1 holds:
 * each load misses the L1 and often the TLB. Measured at 1024^3 f32: 27 GFLOP/s where packed panels reach 170. So does
 * each number that is read by itself of a source that is read once: sums of 4096 columns, every fifth of 20480 f32, on
 * Zen 4 take 220 ms column by column, 12 where they are swept. */
enum { EJ_FAR_BYTES = 1024, EJ_FAR_PANEL_BYTES = 48 << 10, EJ_LINE_BYTES = 64 };
static bool is_far(const ej_schedule *s, const ej_statement *st, const ej_access *access, const ej_tiling *t)
{
    const ej_access_term *lane = ej_access_find(access, t->lane_axis);
    int64_t bytes = ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes, least = INT64_MAX;
    bool single = t->lane_axis < 0 || t->lane_reduced; /* each number is in a line of its own */
    double panel = single ? EJ_LINE_BYTES : (double)bytes * t->lanes * t->vectors;
    if (single ? !ej_stream_is(s, access) : !lane) return false;
    for (int32_t i = 0; i < access->n_terms; i++) {
        const ej_access_term *term = &access->terms[i];
        if (!ej_statement_reduces(st, term->axis)) continue;
        int64_t stride = term->stride.n == INT64_MIN ? INT64_MAX : llabs(term->stride.n);
        if (stride < least) least = stride;
        panel *= extent_of(s, term->axis);
    }
    return least != INT64_MAX && least > EJ_FAR_BYTES / bytes && panel > EJ_FAR_PANEL_BYTES;
}

/* A source that the L2 does not hold is read in strips of its rows, one strip after the other: each row is another
 * piece of a page. Sums of 512k rows of 32 f64 on Zen 4: 13.5 ms in strips of two vectors, 4.7 in whole rows. */
static bool reads_strips(const ej_schedule *s, const ej_statement *st, const ej_access *access, const ej_tiling *t)
{
    const ej_access_term *lane = t->lane_axis < 0 ? NULL : ej_access_find(access, t->lane_axis);
    return lane && !t->lane_reduced && st->reduce != EJ_REDUCE_NONE && ej_size_is(lane->stride, 1) &&
           ej_stream_is(s, access) && ej_nominal_extent(s, t->lane_axis) > (int64_t)t->lanes * t->vectors;
}

static double count_cost(const ej_schedule *s, const ej_statement *st, const ej_tiling *t)
{
    double bodies = 1, results = 1, loads = 0;
    for (int32_t a = 0; a < s->n_axes; a++) {
        double n = a == t->lane_axis ? chunks(extent_of(s, a), t->lanes) : extent_of(s, a);
        bodies *= n;
        if (!ej_statement_reduces(st, a)) results *= n;
    }
    for (int32_t i = 0; i < st->n_src; i++) {
        double cost = t->lane_axis < 0 ? 1 : ej_tiling_vector_cost(&st->src[i], t->lane_axis, t->lanes);
        if (is_far(s, st, &st->src[i], t)) cost += t->lane_reduced ? 30.0 * t->lanes : 30;
        else if (reads_strips(s, st, &st->src[i], t)) cost += 8;
        if (t->row_axis >= 0 && !ej_access_find(&st->src[i], t->row_axis)) cost /= t->rows;
        if (t->lane_axis >= 0 && !ej_access_find(&st->src[i], t->lane_axis)) cost /= t->vectors;
        loads += cost;
    }
    double operations = st->expr.n - st->n_src + 1;
    double store = t->lane_axis < 0 ? 1 : ej_tiling_vector_cost(&st->out, t->lane_axis, t->lanes);
    if (t->lane_reduced) store = 1 + 2 * log2_lanes(t->lanes);
    return bodies * (loads + operations) + results * (store + 1);
}

/* Split `extent` into pieces of at most `most`: all alike if that costs at most a third of the length (a shorter last
 * piece is a second copy of the code), or nearly so (it begins earlier: jit/lower/lower_overlap.c), else as even as
 * they go. */
enum { NEARLY = 20 }; /* of it is done twice, at most */
static int32_t even_piece(int64_t extent, int32_t most)
{
    if (most < 1) most = 1;
    for (int32_t piece = most; piece * 3 >= most * 2 && piece > 1; piece--)
        if (extent % piece == 0) return piece;
    for (int32_t piece = most; piece * 3 >= most * 2 && piece > 1; piece--)
        if ((piece - extent % piece) * NEARLY <= extent) return piece;
    int64_t pieces = (extent + most - 1) / most;
    return pieces < 1 ? 1 : (int32_t)((extent + pieces - 1) / pieces);
}

/* Code for several vectors at once would be longer, and no faster: exp of 1000 c64 compiles in 13.4 ms and runs 3.4 us
 * with three, 10.4 ms and 2.6 us with one (Zen 4). */
static bool is_long(const ej_statement *st)
{
    for (int32_t i = 0; i < st->expr.n; i++) {
        const ej_expr_op *op = &st->expr.ops[i];
        bool divides = op->kind == EJ_EXPR_FN && (op->fn == EJ_FN_DIV || op->fn == EJ_FN_RECIPROCAL);
        if (divides && ej_dtype_is_complex(op->dtype)) return true;
    }
    return st->expr.n > 12 || ej_nest_calls(&st->expr);
}

/* Side by side, at most. Each of complex numbers is two registers: x * y of 13x29 c64 compiles in 3.7 ms with four and
 * in 2.3 ms with two, and takes 56 ns with either; real maps compile in 0.97 of the time with two, and some take
 * longer. */
static int32_t vectors_of_map(const ej_statement *st)
{
    return is_long(st) ? 1 : ej_dtype_is_complex(ej_statement_dtype(st)) ? 2 : 4;
}

/* Operations beside loads of which eight copies are code that takes longer to compile than it saves (argmax of 13x29
 * f32). */
enum { SUM_LONG = 4 };

static void set_rows(ej_tiling *t, const ej_schedule *s, const ej_statement *st, int32_t row_axis)
{
    int64_t extent = ej_nominal_extent(s, row_axis);
    const ej_target *target = s->job->target;
    bool contraction = st->reduce != EJ_REDUCE_NONE;
    int32_t most = contraction ? target->tile_rows : ej_nest_calls(&st->expr) ? 1 : 4;
    if (t->vectors < target->tile_vectors && contraction && !t->lane_reduced) most = most * 4 / 3;
    if (ej_dtype_is_complex(s->buffers[st->out.buffer].plan.dtype)) most = most > 2 ? most / 2 : 1;
    if (t->lane_axis >= 0 && most > 4 && spreads(st, t->lane_axis, t->lanes)) most = 4;
    int32_t most_sums = st->expr.n - st->n_src > SUM_LONG ? 4 : 8;
    if (t->lane_reduced && most > most_sums) most = most_sums;
    int32_t streams = t->lane_reduced ? ej_stream_rows(s, st, t->lane_axis, row_axis) : 0;
    if (streams && most > streams) most = streams;
    t->row_axis = row_axis;
    t->rows = even_piece(extent, most);
    if (s->axes[row_axis].extent.e && t->rows > 4) t->rows = 4; /* the tail of an open axis is a branch per row */
    if (t->rows <= 1) {
        t->rows = 1;
        t->row_axis = -1;
    }
}

/* Neighbours along the axis lie between those along the row axis: in the result, and in each source that has both. */
static bool lies_between(const ej_statement *st, int32_t axis, int32_t row_axis)
{
    for (int32_t i = -1; i < st->n_src; i++) {
        const ej_access *access = i < 0 ? &st->out : &st->src[i];
        int64_t apart = ej_rule_reach(access, 0, NULL, axis, false),
                rows = ej_rule_reach(access, 0, NULL, row_axis, false);
        if ((i < 0 || (apart > 0 && rows > 0)) && (apart < 0 || apart >= rows)) return false;
    }
    return true;
}

bool ej_tiling_rows_are_far(const ej_schedule *s, const ej_statement *st, const ej_tiling *t)
{
    if (t->row_axis < 0 || st->reduce != EJ_REDUCE_NONE) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool loops = a != t->row_axis && a != t->lane_axis && !ej_size_is(s->axes[a].extent, 1);
        if (loops && lies_between(st, a, t->row_axis)) return true;
    }
    return false;
}

/* A map's result is written with gaps, where the L2 holds it; larger ones are better written in several places at a
 * time (recipe_plain.c). */
static bool leaves_gaps(const ej_schedule *s, const ej_statement *st, const ej_tiling *t)
{
    double bytes = ej_rule_elements(s, &st->out) * ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    return bytes <= (double)s->job->target->l2_bytes && ej_tiling_rows_are_far(s, st, t);
}

static void consider(ej_tiling *best, ej_tiling *t, const ej_schedule *s, const ej_statement *st)
{
    bool streams = t->lane_reduced && t->row_axis >= 0 && ej_stream_rows(s, st, t->lane_axis, t->row_axis) > 1;
    t->cost = count_cost(s, st, t) * (streams ? 0.9 : 1); /* no fewer instructions, but they wait less */
    if (leaves_gaps(s, st, t)) t->cost *= 1.25;
    if (best->cost < 0 || t->cost < best->cost) *best = *t;
}

/* `rows` -1: along any axis, or none. */
static void consider_lane_axis(ej_tiling *best, int32_t axis, int32_t rows, const ej_schedule *s,
                               const ej_statement *st)
{
    int64_t extent = axis < 0 ? 1 : ej_nominal_extent(s, axis);
    ej_tiling t = {.lane_axis = axis, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    if (axis >= 0) {
        t.lanes = ej_rule_lanes(s, st, extent);
        t.lane_reduced = ej_statement_reduces(st, axis);
        if (t.lanes < 2) return;
        bool sums = st->reduce != EJ_REDUCE_NONE;
        int32_t most = sums ? s->job->target->tile_vectors : vectors_of_map(st);
        if (t.lane_reduced || spreads(st, axis, t.lanes)) most = 1;
        t.vectors = even_piece((extent + t.lanes - 1) / t.lanes, most);
        if (s->axes[axis].extent.e && t.vectors > 2) t.vectors = 2;
    }
    if (rows < 0) consider(best, &t, s, st);
    for (int32_t row = 0; row < s->n_axes; row++) {
        if (row == axis || (rows >= 0 && row != rows) || ej_statement_reduces(st, row) ||
            ej_statement_has_table(st, row))
            continue;
        ej_tiling with_rows = t;
        set_rows(&with_rows, s, st, row);
        if (with_rows.row_axis >= 0) consider(best, &with_rows, s, st);
    }
}

/* Lanes along it would add up by themselves, and the sums of the lanes in the end. */
static bool splits_sum(const ej_schedule *s, const ej_statement *st, int32_t axis)
{
    return EJ_HELD(s->ordered, SUM_LANES) && ej_statement_reduces(st, axis);
}

/* Sums of a row all together, as far as half of the registers hold them. */
static void consider_whole_rows(ej_tiling *best, const ej_schedule *s, const ej_statement *st)
{
    int32_t axis = ej_access_unit_axis(&st->out);
    if (st->reduce == EJ_REDUCE_NONE || axis < 0 || ej_statement_has_table(st, axis) || s->axes[axis].extent.e) return;
    int64_t extent = s->axes[axis].extent.n;
    ej_tiling t = {.lane_axis = axis, .row_axis = -1, .rows = 1, .lanes = ej_rule_lanes(s, st, extent)};
    int64_t vectors = (extent + t.lanes - 1) / t.lanes;
    if (t.lanes < 2 || vectors > s->job->target->vector_registers / 2) return;
    t.vectors = (int32_t)vectors;
    for (int32_t i = 0; i < st->n_src; i++)
        if (ej_access_moves(&st->src[i], axis) && ej_stream_is(s, &st->src[i])) {
            consider(best, &t, s, st);
            return;
        }
}

ej_tiling ej_tiling_choose(const ej_schedule *s, const ej_statement *st)
{
    ej_tiling best = {.lane_axis = -1, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    consider_lane_axis(&best, -1, -1, s, st);
    consider_whole_rows(&best, s, st);
    for (int32_t axis = 0; axis < s->n_axes; axis++)
        if (ej_statement_names(st, axis) && !ej_statement_has_table(st, axis) && !splits_sum(s, st, axis))
            consider_lane_axis(&best, axis, -1, s, st);
    return best;
}

ej_tiling ej_tiling_along(const ej_schedule *s, const ej_statement *st, int32_t lane_axis, int32_t row_axis)
{
    ej_tiling best = {.lane_axis = lane_axis, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    consider_lane_axis(&best, lane_axis, row_axis, s, st);
    return best;
}

ej_tile ej_tiling_tile(const ej_tiling *t)
{
    ej_tile tile = {0};
    if (t->row_axis >= 0 && t->rows > 1) tile.digits[tile.n++] = (ej_digit){t->row_axis, t->rows, EJ_UNROLL};
    if (t->lane_axis >= 0 && t->vectors > 1) tile.digits[tile.n++] = (ej_digit){t->lane_axis, t->vectors, EJ_UNROLL};
    if (t->lane_axis >= 0 && t->lanes > 1) tile.digits[tile.n++] = (ej_digit){t->lane_axis, t->lanes, EJ_LANE};
    return tile;
}

void ej_do_store_rows(ej_schedule *s, int32_t row_axis, int64_t rows, int32_t lane_axis, int64_t width)
{
    const ej_statement *st = &s->statements[0];
    ej_tile tile = {0};
    int32_t bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    if (row_axis < 0 || ej_access_unit_axis(&st->out) != row_axis || rows < 4 || rows & (rows - 1) || bytes >= 16)
        return;
    ej_tile_add(&tile, lane_axis, width, EJ_UNROLL);
    ej_tile_add(&tile, row_axis, rows, EJ_LANE);
    ej_rewrite store = {.kind = EJ_REWRITE_STORE, .digits = tile};
    ej_schedule_apply(s, &store, NULL); /* where that is refused, element by element */
}

void ej_do_outer_loops(ej_schedule *s, bool reduced)
{
    bool *done = EJ_JOB_ARRAY(s->job, bool, (size_t)s->n_axes), in_order = reduced && EJ_HELD(s->ordered, SUM_LOOPS);
    if (!done) s->no_memory = s->failed = true;
    while (!s->failed) {
        const ej_statement *st = &s->statements[0];
        int32_t pick = -1;
        int64_t most = 0;
        for (int32_t a = 0; a < s->n_axes; a++) {
            if (done[a] || ej_tile_count(&st->tile, a) > 1 || ej_statement_reduces(st, a) != reduced) continue;
            if (!ej_size_is(s->axes[a].extent, 1) && ej_schedule_range(s, st->node, a) == 1) continue; /* has a loop */
            int64_t reach = ej_rule_reach(&st->out, st->n_src, st->src, a, reduced);
            if (pick >= 0 && (in_order || reach <= most)) continue;
            pick = a;
            most = reach;
        }
        if (pick < 0) return;
        done[pick] = true;
        ej_do_loop(s, 0, pick, 1);
    }
}

/* ---- epilogues behind ---- */

/* The axes of the result, its unit axis last; gives how many. */
static int32_t axes_of_rows(const ej_access *out, int32_t axes[EJ_TILE_DIGITS], ej_layout *layout)
{
    int32_t n = 0, unit = ej_access_unit_axis(out);
    for (int32_t t = 0; t < out->n_terms; t++)
        if (out->terms[t].axis != unit) axes[n++] = out->terms[t].axis;
    ej_product_sort(axes, n, out);
    axes[n++] = unit;
    *layout = (ej_layout){0};
    for (int32_t i = 0; i < n; i++) layout->digits[layout->n++] = (ej_digit){axes[i], 0, 0};
    return n;
}

/* Vector after vector of the rows. */
static void do_rows(ej_schedule *s, int32_t statement, const int32_t *axes, int32_t n)
{
    ej_tile tile = {0};
    if (s->failed) return;
    int64_t lanes = ej_rule_lanes(s, &s->statements[statement], s->axes[axes[n - 1]].extent.n);
    ej_tile_add(&tile, axes[n - 1], lanes, EJ_LANE);
    ej_do_tile(s, statement, tile);
    for (int32_t i = 0; i < n; i++) ej_do_loop(s, statement, axes[i], i == n - 1 ? lanes : 1);
}

void ej_do_call_behind(ej_schedule *s)
{
    ej_layout layout;
    int32_t axes[EJ_TILE_DIGITS], n = axes_of_rows(&s->statements[0].out, axes, &layout);
    do_rows(s, ej_do_stage_out(s, EJ_AT_ROOT, 0, EJ_HOME_LOCAL, layout), axes, n);
}

int32_t ej_do_turn_first(ej_schedule *s, int32_t at, int32_t copy)
{
    ej_layout layout;
    int32_t axes[EJ_TILE_DIGITS], n = axes_of_rows(&s->statements[copy].out, axes, &layout);
    int32_t turn = ej_do_stage(s, at, copy, 0, EJ_HOME_LOCAL, layout);
    do_rows(s, copy, axes, n);
    return turn;
}
