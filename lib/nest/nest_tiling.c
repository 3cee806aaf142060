/* nest_tiling.c - chooses the lanes and the register rows of a step by counting loads, operations and stores.
 *
 * Takes  a step in normal form, the target's vector and register counts.
 * Gives  the tiling with the lowest count. The weights are instructions: a plain vector load or store 1, a spread of
 *        lanes over memory two a lane, a horizontal sum two instructions per halving.
 * Not here: the tree itself (nest_move.c, nest_contract.c).
 */
#include "nest_tiling.h"

#include <stdlib.h>

static int register_bytes(int dtype)
{
    if (dtype == EINJIT_BOOL) return 4; /* computed on as masks; what it meets is rarely narrower than this */
    return ej_dtypes[ej_dtypes[dtype].real].bytes;
}

int32_t ej_step_lanes(const ej_step *step, const ej_plan *plan, const ej_target *target)
{
    int widest = register_bytes(plan->buffers[step->out.buffer].dtype);
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) {
        int bytes = register_bytes(plan->buffers[step->src[s].buffer].dtype);
        if (bytes > widest) widest = bytes;
    }
    for (int32_t i = 0; i < step->expr.n; i++) {
        int bytes = register_bytes(step->expr.ops[i].dtype);
        if (bytes > widest) widest = bytes;
    }
    return target->vector_bytes / widest;
}

/* Instructions to load or store one vector of `lanes` along the axis. */
static double vector_cost(const ej_access *access, int32_t axis, int32_t lanes)
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
static bool spreads(const ej_step *step, int32_t axis, int32_t lanes)
{
    for (int32_t i = 0; i <= step->n_src; i++)
        if (vector_cost(i ? &step->src[i - 1] : &step->out, axis, lanes) > lanes) return true;
    return false;
}

static double log2_lanes(int32_t lanes)
{
    double n = 0;
    for (; lanes > 1; lanes /= 2) n++;
    return n;
}

/* An open extent counts as this long, whatever was observed: one kernel serves every size, and should be the same one
 * whichever size came first. */
enum { EJ_OPEN_EXTENT = 4096 };
int64_t ej_nominal_extent(const ej_step *step, int32_t axis)
{
    ej_size extent = step->axes[axis].extent;
    return extent.e ? EJ_OPEN_EXTENT : extent.n;
}

static double extent_of(const ej_step *step, int32_t axis)
{
    return (double)ej_nominal_extent(step, axis);
}

static double chunks(double extent, double per)
{
    double whole = (double)(int64_t)(extent / per);
    return extent > whole * per ? whole + 1 : whole;
}

static bool reduced(const ej_step *step, int32_t axis)
{
    return !ej_access_find(&step->out, axis);
}

bool ej_axis_has_table(const ej_step *step, int32_t axis)
{
    for (int32_t i = 0; i <= step->n_src; i++) {
        const ej_access_term *term = ej_access_find(i ? &step->src[i - 1] : &step->out, axis);
        if (term && term->table >= 0) return true;
    }
    return false;
}

/* A source whose vectors lie a page or so apart along the reduced axes, more of them than the L1 holds: each load misses
 * the L1 and often the TLB. Measured at 1024^3 f32: 27 GFLOP/s where packed panels reach 170. */
enum { EJ_FAR_BYTES = 1024, EJ_FAR_PANEL_BYTES = 48 << 10 };
static bool is_far(const ej_step *step, const ej_access *access, const ej_tiling *t, const ej_plan *plan)
{
    const ej_access_term *lane = ej_access_find(access, t->lane_axis);
    int64_t bytes = ej_dtypes[plan->buffers[access->buffer].dtype].bytes, least = INT64_MAX;
    double panel = (double)bytes * t->lanes * t->vectors;
    if (!lane || t->lane_reduced) return false;
    for (int32_t i = 0; i < access->n_terms; i++) {
        const ej_access_term *term = &access->terms[i];
        if (!reduced(step, term->axis)) continue;
        int64_t stride = term->stride.n == INT64_MIN ? INT64_MAX : llabs(term->stride.n);
        if (stride < least) least = stride;
        panel *= extent_of(step, term->axis);
    }
    return least != INT64_MAX && least > EJ_FAR_BYTES / bytes && panel > EJ_FAR_PANEL_BYTES;
}

static double count_cost(const ej_step *step, const ej_tiling *t, const ej_plan *plan)
{
    double bodies = 1, results = 1, loads = 0;
    for (int32_t a = 0; a < step->n_axes; a++) {
        double n = a == t->lane_axis ? chunks(extent_of(step, a), t->lanes) : extent_of(step, a);
        bodies *= n;
        if (!reduced(step, a)) results *= n;
    }
    for (int32_t s = 0; s < step->n_src; s++) {
        double cost = t->lane_axis < 0 ? 1 : vector_cost(&step->src[s], t->lane_axis, t->lanes);
        if (t->lane_axis >= 0 && is_far(step, &step->src[s], t, plan)) cost += 30;
        if (t->row_axis >= 0 && !ej_access_find(&step->src[s], t->row_axis)) cost /= t->rows;
        if (t->lane_axis >= 0 && !ej_access_find(&step->src[s], t->lane_axis)) cost /= t->vectors;
        loads += cost;
    }
    double operations = step->expr.n - step->n_src + 1;
    double store = t->lane_axis < 0 ? 1 : vector_cost(&step->out, t->lane_axis, t->lanes);
    if (t->lane_reduced) store = 1 + 2 * log2_lanes(t->lanes);
    return bodies * (loads + operations) + results * (store + 1);
}

static int32_t power_of_2_up_to(int64_t extent, int32_t most)
{
    int32_t lanes = 1;
    while (lanes < most && lanes < extent) lanes *= 2;
    return lanes;
}

/* Split `extent` into pieces of at most `most`: all alike if that costs at most a third of the length (a shorter last
 * piece is a second copy of the code), else as even as they go. */
static int32_t even_piece(int64_t extent, int32_t most)
{
    if (most < 1) most = 1;
    for (int32_t piece = most; piece * 3 >= most * 2 && piece > 1; piece--)
        if (extent % piece == 0) return piece;
    int64_t pieces = (extent + most - 1) / most;
    return pieces < 1 ? 1 : (int32_t)((extent + pieces - 1) / pieces);
}

static void set_rows(ej_tiling *t, const ej_step *step, int32_t row_axis, const ej_target *target, bool complex)
{
    int64_t extent = ej_nominal_extent(step, row_axis);
    bool contraction = step->reduce != EJ_REDUCE_NONE;
    int32_t most = contraction ? target->tile_rows : 4;
    if (t->vectors < target->tile_vectors && contraction && !t->lane_reduced) most = most * 4 / 3;
    if (complex) most = most > 2 ? most / 2 : 1;
    if (t->lane_axis >= 0 && most > 4 && spreads(step, t->lane_axis, t->lanes)) most = 4;
    if (t->lane_reduced && most > 8) most = 8;
    t->row_axis = row_axis;
    t->rows = even_piece(extent, most);
    if (step->axes[row_axis].extent.e && t->rows > 4) t->rows = 4; /* the tail of an open axis is a branch per row */
    if (t->rows <= 1) {
        t->rows = 1;
        t->row_axis = -1;
    }
}

static bool is_complex_step(const ej_step *step, const ej_plan *plan)
{
    return ej_dtype_is_complex(plan->buffers[step->out.buffer].dtype);
}

static void consider(ej_tiling *best, ej_tiling *t, const ej_step *step, const ej_plan *plan)
{
    t->cost = count_cost(step, t, plan);
    if (best->cost < 0 || t->cost < best->cost) *best = *t;
}

static void consider_lane_axis(ej_tiling *best, int32_t axis, const ej_step *step, const ej_plan *plan,
                               const ej_target *target)
{
    int64_t extent = axis < 0 ? 1 : ej_nominal_extent(step, axis);
    bool is_complex = is_complex_step(step, plan);
    ej_tiling t = {.lane_axis = axis, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    if (axis >= 0) {
        t.lanes = power_of_2_up_to(extent, ej_step_lanes(step, plan, target));
        t.lane_reduced = reduced(step, axis);
        if (t.lanes < 2) return;
        bool small_expr = step->expr.n <= 12;
        int32_t most = step->reduce != EJ_REDUCE_NONE ? target->tile_vectors : small_expr ? 4 : 1;
        if (t.lane_reduced || spreads(step, axis, t.lanes)) most = 1;
        t.vectors = even_piece((extent + t.lanes - 1) / t.lanes, most);
        if (step->axes[axis].extent.e && t.vectors > 2) t.vectors = 2;
    }
    consider(best, &t, step, plan);
    for (int32_t row = 0; row < step->n_axes; row++) {
        if (row == axis || reduced(step, row) || ej_axis_has_table(step, row)) continue;
        ej_tiling with_rows = t;
        set_rows(&with_rows, step, row, target, is_complex);
        if (with_rows.row_axis >= 0) consider(best, &with_rows, step, plan);
    }
}

/* Some access moves along it: a leaf has no other axes (a reduced axis of stride 0 everywhere is only counted). */
static bool moves_along(const ej_step *step, int32_t axis)
{
    for (int32_t i = 0; i <= step->n_src; i++)
        if (ej_access_find(i ? &step->src[i - 1] : &step->out, axis)) return true;
    return false;
}

/* Lanes along it would add up by themselves, and the sums of the lanes in the end. */
static bool splits_sum(const ej_step *step, int32_t axis)
{
    return EJ_HELD(step->ordered, SUM_LANES) && reduced(step, axis);
}

ej_tiling ej_tiling_choose(const ej_step *step, const ej_plan *plan, const ej_target *target)
{
    ej_tiling best = {.lane_axis = -1, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    consider_lane_axis(&best, -1, step, plan, target);
    for (int32_t axis = 0; axis < step->n_axes; axis++)
        if (moves_along(step, axis) && !ej_axis_has_table(step, axis) && !splits_sum(step, axis))
            consider_lane_axis(&best, axis, step, plan, target);
    return best;
}

ej_tiling ej_tiling_along(const ej_step *step, const ej_plan *plan, const ej_target *target, int32_t lane_axis)
{
    ej_tiling best = {.lane_axis = lane_axis, .lanes = 1, .vectors = 1, .row_axis = -1, .rows = 1, .cost = -1};
    consider_lane_axis(&best, lane_axis, step, plan, target);
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
