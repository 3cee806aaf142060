/* nest_move.c - the recipe for steps that reduce nothing: maps, copies, permutations, casts, gathers, scatter-adds.
 *
 * Takes  a step in normal form whose result has every axis.
 * Gives  loops over all axes around one leaf: a move, or, where the step accumulates, a contract into memory.
 */
#include "nest_tiling.h"

static bool applicable(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    (void)plan;
    (void)job;
    for (int32_t a = 0; a < step->n_axes; a++)
        if (!ej_access_find(&step->out, a)) return false;
    return (step->reduce == EJ_REDUCE_NONE || step->accumulate) && !step->epilogue.n;
}

static double cost(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    return ej_tiling_choose(step, plan, job->target).cost;
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_arena *arena = job->arena;
    ej_tiling tiling = ej_tiling_choose(step, plan, job->target);
    int32_t parent = -1, leaf_id;
    EJ_TRY(ej_nest_begin(out, step, plan, arena));
    EJ_TRY(ej_nest_outer_loops(out, step, &tiling, NULL, false, arena, &parent));
    if (tiling.row_axis >= 0) EJ_TRY(ej_nest_loop(out, arena, parent, tiling.row_axis, tiling.rows, &parent));
    if (tiling.lane_axis >= 0)
        EJ_TRY(ej_nest_loop(out, arena, parent, tiling.lane_axis, (int64_t)tiling.lanes * tiling.vectors, &parent));
    ej_nest_node leaf = {.kind = EJ_NEST_LEAF, .dst = step->out, .n_src = step->n_src, .src = step->src,
                         .expr = step->expr, .reduce = step->accumulate ? step->reduce : EJ_REDUCE_NONE,
                         .tile = ej_tiling_tile(&tiling)};
    return ej_nest_leaf(out, arena, parent, &leaf, &leaf_id);
}

const ej_recipe ej_recipe_move = {"move", applicable, cost, build};
