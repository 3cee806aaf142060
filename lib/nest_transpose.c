/* nest_transpose.c - the recipe for copies and maps of one operand whose unit strides lie along different axes.
 *
 * Takes  a step in normal form that reduces nothing, with one source: unit stride along `from` in the source, along `to`
 *        in the result.
 * Gives  square register tiles: vectors along `from` are loaded, shuffled, and stored as vectors along `to`. The tiles of
 *        one line of the source come one after the other, so that a line is read once even where rows lie a power of 2
 *        apart and few of them fit into the cache at a time.
 * Not here: copies without such a pair of axes (nest_move.c).
 */
#include "nest_tiling.h"

/* ROWS of the source stay in the TLB while all of their lines are read. */
enum { EJ_TRANSPOSE_ROWS = 256, EJ_TRANSPOSE_TILE = 8 };

static int32_t unit_axis(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table < 0 && !access->terms[t].block && ej_size_is(access->terms[t].stride, 1))
            return access->terms[t].axis;
    return -1;
}

typedef struct pair {
    int32_t from, to, tile;
} pair;

static pair find_pair(const ej_step *step, const ej_plan *plan, const ej_target *target)
{
    pair p = {-1, -1, 0};
    if (step->n_src != 1) return p;
    p.from = unit_axis(&step->src[0]);
    p.to = unit_axis(&step->out);
    p.tile = ej_step_lanes(step, plan, target);
    if (p.tile > EJ_TRANSPOSE_TILE) p.tile = EJ_TRANSPOSE_TILE;
    return p;
}

static bool long_enough(ej_size extent, int32_t tile)
{
    return extent.e || extent.n >= tile;
}

static bool applicable(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    pair p = find_pair(step, plan, job->target);
    if (step->reduce != EJ_REDUCE_NONE || step->accumulate || step->epilogue.n) return false;
    if (p.from < 0 || p.to < 0 || p.from == p.to || p.tile < 4) return false;
    const ej_access_term *across = ej_access_find(&step->src[0], p.to), *down = ej_access_find(&step->out, p.from);
    if (!across || !down || across->table >= 0 || down->table >= 0) return false;
    for (int32_t i = 0; i < step->expr.n; i++)
        if (ej_dtype_is_complex(step->expr.ops[i].dtype)) return false;
    if (plan->buffers[step->out.buffer].dtype == EINJIT_BOOL) return false; /* masks do not shuffle */
    return long_enough(step->axes[p.from].extent, p.tile) && long_enough(step->axes[p.to].extent, p.tile);
}

static double cost(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    pair p = find_pair(step, plan, job->target);
    double elements = 1, tile = p.tile, halvings = p.tile > 4 ? 3 : 2;
    for (int32_t a = 0; a < step->n_axes; a++) elements *= (double)step->axes[a].extent.n;
    return elements / (tile * tile) * (tile * (step->expr.n + 1) + 2 * tile * halvings);
}

static int register_access(ej_arena *arena, int32_t buffer, const pair *p, ej_access *out)
{
    *out = (ej_access){.buffer = buffer, .n_terms = 2, .terms = EJ_NEW_ARRAY(arena, ej_access_term, 2)};
    if (!out->terms) return EINJIT_E_NOMEM;
    out->terms[0] = (ej_access_term){.axis = p->to, .table = -1, .stride = ej_size_number(p->tile)};
    out->terms[1] = (ej_access_term){.axis = p->from, .table = -1, .stride = ej_size_number(1)};
    return EINJIT_OK;
}

static ej_tile tile_along(int32_t lanes, int32_t rows, int32_t n)
{
    return (ej_tile){.n = 2, .digits = {{rows, n, EJ_UNROLL}, {lanes, n, EJ_LANE}}};
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_arena *arena = job->arena;
    pair p = find_pair(step, plan, job->target);
    ej_tiling outer = {.lane_axis = p.from, .row_axis = p.to};
    int32_t parent = -1, registers, id;
    int dtype = step->expr.ops[step->expr.n - 1].dtype;
    int64_t line = 64 / ej_dtypes[plan->buffers[step->src[0].buffer].dtype].bytes;
    if (line < p.tile) line = p.tile;
    EJ_TRY(ej_nest_begin(out, step, plan, arena));
    EJ_TRY(ej_nest_outer_loops(out, step, &outer, arena, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.to, EJ_TRANSPOSE_ROWS, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.from, line, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.to, p.tile, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.from, p.tile, &parent));
    ej_buffer buffer = {.name = "tile", .dtype = (int16_t)dtype, .home = EJ_HOME_REG, .slot = -1,
                        .elems = ej_size_number((int64_t)p.tile * p.tile)};
    EJ_TRY(ej_nest_buffer(out, arena, &buffer, &registers));
    EJ_TRY(ej_nest_place(out, arena, parent, registers));
    ej_access *tile = EJ_NEW(arena, ej_access);
    if (!tile) return ej_no_memory(job->err);
    EJ_TRY(register_access(arena, registers, &p, tile));
    ej_nest_node load = {.kind = EJ_NEST_LEAF, .dst = *tile, .n_src = 1, .src = step->src, .expr = step->expr,
                         .reduce = EJ_REDUCE_NONE, .tile = tile_along(p.from, p.to, p.tile)};
    ej_nest_node store = {.kind = EJ_NEST_LEAF, .dst = step->out, .n_src = 1, .src = tile,
                          .expr = ej_expr_source(arena, dtype), .reduce = EJ_REDUCE_NONE,
                          .tile = tile_along(p.to, p.from, p.tile)};
    if (!store.expr.n) return ej_no_memory(job->err);
    EJ_TRY(ej_nest_leaf(out, arena, parent, &load, &id));
    return ej_nest_leaf(out, arena, parent, &store, &id);
}

const ej_recipe ej_recipe_transpose = {"transpose", applicable, cost, build};
