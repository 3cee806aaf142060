/* recipe_sweep.c - reductions to a small result that read a large operand in the order in which it lies.
 *
 * Takes  a reduction whose result is small (a vector times a matrix from the left, column sums).
 * Gives  the reduced axes outermost, but for axes of the result along which the operand lies farther apart; the sum in
 *        memory: the result, or the part of it inside of those axes, is filled first, and an epilogue is a pass behind.
 *        A few values of the innermost reduced axis are taken at once, so that the result is loaded and stored less
 *        often. Where the result may not hold the sum, since what is added to it in the end may lie there, the sum is
 *        in memory of its own.
 */
#include "recipe_tiling.h"

/* Values of the innermost reduced axis at once; where they come from memory as many as are streams (on Zen 4 sums over
 * 4096 rows of 4096 f32: 2.38 ms with 4 rows, 2.09 with 8; over 65536 rows of 264 f64: 8.1 with 4, 5.6 with one). */
enum { SWEEP_STEPS = 4 };
enum sweep_number { SWEEP_INNER, SWEEP_AT_ONCE, SWEEP_LANES, SWEEP_VECTORS };

static int64_t reach(const ej_schedule *s, int32_t axis)
{
    const ej_statement *st = &s->statements[0];
    return ej_rule_reach(&st->out, st->n_src, st->src, axis, true);
}

/* The innermost reduced axis: with the smallest stride, of an ordered sum the last one; -1: no source moves along
 * any. */
static int32_t inner_axis(const ej_schedule *s)
{
    bool in_order = EJ_HELD(s->ordered, SUM_LOOPS);
    int32_t best = -1;
    int64_t least = INT64_MAX;
    for (int32_t a = 0; a < s->n_axes; a++) {
        if (!ej_statement_reduces(&s->statements[0], a)) continue;
        int64_t widest = reach(s, a); /* below 0: no source names the axis */
        if (in_order) best = widest < 0 ? -1 : a;
        if (in_order || widest < 0 || (best >= 0 && widest >= least)) continue;
        best = a;
        least = widest;
    }
    return best;
}

/* An axis of the result along which sources lie farther apart than along any summed one: its loop is outside of all,
 * and the results of one value of it are what is swept. */
static bool is_outer(const ej_schedule *s, int32_t axis)
{
    const ej_statement *st = &s->statements[0];
    if (!ej_access_find(&st->out, axis) || ej_statement_has_table(st, axis)) return false;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (ej_statement_reduces(st, a) && reach(s, a) >= reach(s, axis)) return false;
    return true;
}

/* Of alpha * sum + beta * x with x where the result is: x could come first only if each term were scaled. */
static bool is_apart(const ej_schedule *s)
{
    return ej_statement_takes_tail_first(s, &s->statements[0]) && s->statements[0].tail_scales;
}

static bool applies(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    const ej_buffer *out = &s->buffers[st->out.buffer].plan;
    if (st->reduce == EJ_REDUCE_NONE || st->accumulate) return false;
    int32_t lane = ej_access_unit_axis(&st->out), inner = inner_axis(s);
    if (lane < 0 || inner < 0 || ej_statement_has_table(st, lane) || ej_statement_has_table(st, inner)) return false;
    if (!ej_statement_may_wait(s, st) || is_outer(s, lane)) return false;
    double bytes = ej_dtypes[out->dtype].bytes;
    for (int32_t a = 0; a < s->n_axes; a++) {
        if (!ej_access_find(&st->out, a)) continue;
        if (is_apart(s) && (s->axes[a].extent.e || is_outer(s, a))) return false;
        if (!is_outer(s, a)) bytes *= (double)ej_nominal_extent(s, a);
    }
    return bytes <= (double)s->job->target->l2_bytes / 2;
}

double ej_sweep_count(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    double bodies = 1, spread = 0;
    if (!applies(s)) return -1;
    ej_tiling t = ej_tiling_along(s, st, ej_access_unit_axis(&st->out), -1);
    if (t.cost < 0 || t.lanes < 2) return -1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        int64_t n = ej_nominal_extent(s, a);
        bodies *= a == t.lane_axis ? (double)((n + t.lanes - 1) / t.lanes) : (double)n;
    }
    for (int32_t i = 0; i < st->n_src; i++) spread += ej_tiling_vector_cost(&st->src[i], t.lane_axis, t.lanes);
    /* the result is loaded and stored once for every few steps, and that latency is not hidden */
    return bodies * (spread + st->expr.n - st->n_src + 1 + 6.0 / SWEEP_STEPS);
}

static bool matches(const ej_schedule *s)
{
    return ej_sweep_count(s) >= 0;
}

/* The largest operand is read about once: where its elements are used again, they are better taken together. */
static bool reads_once(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    double most = 0;
    for (int32_t i = 0; i < st->n_src; i++) {
        double elements = ej_rule_elements(s, &st->src[i]);
        if (elements > most) most = elements;
    }
    return ej_rule_iterations(s) < 2 * most;
}

static int pays(const ej_schedule *s)
{
    if (!reads_once(s)) return EJ_PAYS_NOT;
    return ej_sweep_count(s) < ej_tiling_choose(s, &s->statements[0]).cost ? EJ_PAYS_SURELY : EJ_PAYS_NOT;
}

static int64_t at_once(const ej_schedule *s, int32_t inner)
{
    const ej_statement *st = &s->statements[0];
    ej_size extent = s->axes[inner].extent;
    int32_t streams = ej_stream_from_memory(s) ? ej_stream_rows(s, st, ej_access_unit_axis(&st->out), inner) : 0;
    int64_t most = streams ? streams : SWEEP_STEPS;
    return extent.e || extent.n >= most ? most : extent.n >= SWEEP_STEPS ? SWEEP_STEPS : 1;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    ej_tiling t = ej_tiling_along(s, &s->statements[0], ej_access_unit_axis(&s->statements[0].out), -1);
    int32_t inner = inner_axis(s);
    out[0][SWEEP_INNER] = inner;
    out[0][SWEEP_AT_ONCE] = at_once(s, inner);
    out[0][SWEEP_LANES] = t.lanes;
    out[0][SWEEP_VECTORS] = t.vectors;
    return 1;
}

static void sum_apart(ej_schedule *s, int32_t lane, int64_t lanes)
{
    const ej_access *out = &s->statements[0].out;
    ej_layout layout = {0};
    ej_tile vector = {0};
    for (int32_t t = 0; t < out->n_terms && layout.n < EJ_TILE_DIGITS - 1; t++)
        if (out->terms[t].axis != lane) layout.digits[layout.n++] = (ej_digit){out->terms[t].axis, 0, 0};
    layout.digits[layout.n++] = (ej_digit){lane, 0, 0};
    int32_t copy = ej_do_stage_out(s, EJ_AT_ROOT, 0, EJ_HOME_LOCAL, layout);
    ej_tile_add(&vector, lane, lanes, EJ_LANE);
    if (!s->failed) ej_do_tile(s, copy, vector);
}

static void run(ej_schedule *s, const int64_t *n)
{
    int32_t lane = ej_access_unit_axis(&s->statements[0].out), inner = (int32_t)n[SWEEP_INNER];
    ej_tile tile = {0};
    if (is_apart(s)) sum_apart(s, lane, n[SWEEP_LANES]);
    ej_tile_add(&tile, inner, n[SWEEP_AT_ONCE], EJ_UNROLL);
    ej_tile_add(&tile, lane, n[SWEEP_VECTORS], EJ_UNROLL);
    ej_tile_add(&tile, lane, n[SWEEP_LANES], EJ_LANE);
    ej_do_tile(s, 0, tile);
    int32_t at = EJ_AT_ROOT;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (is_outer(s, a)) at = ej_do_loop(s, 0, a, 1);
    ej_do_fill(s, at, 0);
    ej_do_outer_loops(s, true);
    if (n[SWEEP_AT_ONCE] > 1) ej_do_loop(s, 0, inner, n[SWEEP_AT_ONCE]);
    ej_do_outer_loops(s, false);
    ej_do_loop(s, 0, lane, n[SWEEP_LANES] * n[SWEEP_VECTORS]);
    ej_do_stream_ahead(s);
}

const ej_script ej_script_sweep = {"sweep", matches, pays, params, run};
