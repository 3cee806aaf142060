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

typedef struct pair {
    int32_t from, to, tile;
} pair;

static pair find_pair(const ej_step *step, const ej_plan *plan, const ej_target *target)
{
    pair p = {-1, -1, 0};
    if (step->n_src != 1) return p;
    p.from = ej_access_unit_axis(&step->src[0]);
    p.to = ej_access_unit_axis(&step->out);
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

static ej_tile tile_along(int32_t lanes, int32_t rows, int32_t n)
{
    return (ej_tile){.n = 2, .digits = {{rows, n, EJ_UNROLL}, {lanes, n, EJ_LANE}}};
}

int ej_nest_transpose(ej_nest *nest, ej_arena *arena, int32_t parent, int32_t from, int32_t to, int32_t tile,
                      const ej_access *dst, const ej_access *src, const ej_expr *expr)
{
    int32_t id;
    int dtype = expr->ops[expr->n - 1].dtype;
    EJ_TRY(ej_nest_loop(nest, arena, parent, to, tile, &parent));
    EJ_TRY(ej_nest_loop(nest, arena, parent, from, tile, &parent));
    ej_buffer buffer = {.name = "tile", .dtype = (int16_t)dtype, .home = EJ_HOME_REG, .slot = -1,
                        .elems = ej_size_number((int64_t)tile * tile)};
    ej_access *registers = EJ_NEW(arena, ej_access), *source = EJ_NEW(arena, ej_access);
    ej_access_term *terms = EJ_NEW_ARRAY(arena, ej_access_term, 2);
    if (!registers || !source || !terms) return EINJIT_E_NOMEM;
    EJ_TRY(ej_nest_buffer(nest, arena, &buffer, &registers->buffer));
    EJ_TRY(ej_nest_place(nest, arena, parent, registers->buffer));
    terms[0] = (ej_access_term){.axis = to, .table = -1, .stride = ej_size_number(tile)};
    terms[1] = (ej_access_term){.axis = from, .table = -1, .stride = ej_size_number(1)};
    registers->terms = terms;
    registers->n_terms = 2;
    *source = *src;
    ej_nest_node load = {.kind = EJ_NEST_LEAF, .dst = *registers, .n_src = 1, .src = source, .expr = *expr,
                         .reduce = EJ_REDUCE_NONE, .tile = tile_along(from, to, tile)};
    ej_nest_node store = {.kind = EJ_NEST_LEAF, .dst = *dst, .n_src = 1, .src = registers,
                          .expr = ej_expr_source(arena, dtype), .reduce = EJ_REDUCE_NONE,
                          .tile = tile_along(to, from, tile)};
    if (!store.expr.n) return EINJIT_E_NOMEM;
    EJ_TRY(ej_nest_leaf(nest, arena, parent, &load, &id));
    return ej_nest_leaf(nest, arena, parent, &store, &id);
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_arena *arena = job->arena;
    pair p = find_pair(step, plan, job->target);
    ej_tiling outer = {.lane_axis = p.from, .row_axis = p.to};
    int32_t parent = -1;
    int64_t line = 64 / ej_dtypes[plan->buffers[step->src[0].buffer].dtype].bytes;
    if (line < p.tile) line = p.tile;
    EJ_TRY(ej_nest_begin(out, step, plan, arena));
    EJ_TRY(ej_nest_outer_loops(out, step, &outer, NULL, false, arena, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.to, EJ_TRANSPOSE_ROWS, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.from, line, &parent));
    return ej_nest_transpose(out, arena, parent, p.from, p.to, p.tile, &step->out, &step->src[0], &step->expr);
}

const ej_recipe ej_recipe_transpose = {"transpose", applicable, cost, build};
