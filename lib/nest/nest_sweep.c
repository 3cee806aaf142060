/* nest_sweep.c - the recipe for reductions whose big operand is read in the order it lies in memory.
 *
 * Takes  a reduction in normal form whose result is small (a vector times a matrix from the left, column sums).
 * Gives  result <- neutral; then, with the reduced axes outermost, result <- reduce(result, expr) in memory, a few steps
 *        of the innermost reduced axis at once, so that the result passes through registers less often; then the
 *        epilogue in place.
 */
#include "nest_contract.h"

enum { EJ_SWEEP_STEPS = 4 };

/* The reduced axis with the smallest stride, of an ordered step the last one: its steps are taken together. */
static int32_t inner_axis(const ej_step *step)
{
    bool in_order = EJ_HELD(step->ordered, SUM_LOOPS);
    int32_t best = -1;
    int64_t least = INT64_MAX;
    for (int32_t a = 0; a < step->n_axes; a++) {
        if (ej_access_find(&step->out, a)) continue;
        int64_t widest = ej_source_reach(step, a); /* below 0: an axis that is only counted */
        if (in_order) best = widest < 0 ? -1 : a;
        if (in_order || widest < 0 || (best >= 0 && widest >= least)) continue;
        best = a;
        least = widest;
    }
    return best;
}

static ej_tiling lanes_of(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    ej_tiling t = ej_tiling_along(step, plan, job->target, ej_access_unit_axis(&step->out));
    t.row_axis = -1;
    t.rows = 1;
    return t;
}

static bool applicable(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    int32_t lane = ej_access_unit_axis(&step->out), inner = inner_axis(step);
    if (step->reduce == EJ_REDUCE_NONE || step->accumulate || lane < 0 || inner < 0) return false;
    if (ej_axis_has_table(step, lane) || ej_axis_has_table(step, inner)) return false;
    if (plan->buffers[step->out.buffer].dtype != step->expr.ops[step->expr.n - 1].dtype) return false;
    double bytes = ej_dtypes[plan->buffers[step->out.buffer].dtype].bytes;
    for (int32_t a = 0; a < step->n_axes; a++)
        if (ej_access_find(&step->out, a)) bytes *= (double)ej_nominal_extent(step, a);
    return bytes <= (double)job->target->l2_bytes / 2 && lanes_of(step, plan, job).cost >= 0 &&
           lanes_of(step, plan, job).lanes > 1;
}

static double cost(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    ej_tiling t = lanes_of(step, plan, job);
    double bodies = 1;
    for (int32_t a = 0; a < step->n_axes; a++) {
        int64_t n = ej_nominal_extent(step, a);
        bodies *= a == t.lane_axis ? (double)((n + t.lanes - 1) / t.lanes) : (double)n;
    }
    double spread = 0;
    for (int32_t s = 0; s < step->n_src; s++) {
        const ej_access_term *term = ej_access_find(&step->src[s], t.lane_axis);
        spread += !term ? 0.5 : ej_size_is(term->stride, 1) ? 1 : 2.0 * t.lanes;
    }
    /* the result is loaded and stored once for every few steps, and that latency is not hidden */
    return bodies * (spread + step->expr.n - step->n_src + 1 + 6.0 / EJ_SWEEP_STEPS);
}

/* Loops over all of the result. */
static int result_loops(ej_contraction *b, int32_t *parent)
{
    ej_arena *arena = b->job->arena;
    EJ_TRY(ej_nest_outer_loops(b->nest, b->step, &b->tiling, NULL, false, arena, parent));
    return ej_nest_loop(b->nest, arena, *parent, b->tiling.lane_axis, (int64_t)b->tiling.lanes * b->tiling.vectors, parent);
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_arena *arena = job->arena;
    ej_contraction b = {.nest = out, .step = step, .job = job, .tiling = lanes_of(step, plan, job),
                        .dtype = step->expr.ops[step->expr.n - 1].dtype};
    int32_t parent = -1, start = -1, end = -1, inner = inner_axis(step);
    int64_t steps = step->axes[inner].extent.e || step->axes[inner].extent.n >= EJ_SWEEP_STEPS ? EJ_SWEEP_STEPS : 1;
    EJ_TRY(ej_nest_begin(out, step, plan, arena));
    ej_tile tile = ej_tiling_tile(&b.tiling);
    EJ_TRY(result_loops(&b, &start));
    EJ_TRY(ej_contraction_leaf(&b, start, step->out, 0, NULL, ej_expr_constant(arena, ej_reduce_neutral(step->reduce, b.dtype)),
                               EJ_REDUCE_NONE, tile));
    EJ_TRY(ej_nest_reduced_loops(out, step, inner, arena, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, inner, steps, &parent));
    EJ_TRY(result_loops(&b, &parent));
    if (steps > 1) {
        for (int32_t d = tile.n++; d > 0; d--) tile.digits[d] = tile.digits[d - 1];
        tile.digits[0] = (ej_digit){inner, (int32_t)steps, EJ_UNROLL};
    }
    EJ_TRY(ej_contraction_leaf(&b, parent, step->out, step->n_src, step->src, step->expr, step->reduce, tile));
    if (!step->epilogue.n) return EINJIT_OK;
    EJ_TRY(result_loops(&b, &end));
    return ej_contraction_finish(&b, end, step->out, EJ_REDUCE_NONE, ej_tiling_tile(&b.tiling));
}

const ej_recipe ej_recipe_sweep = {"sweep", applicable, cost, build};
