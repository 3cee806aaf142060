/* nest_contract.c - the recipe for steps that reduce: a register tile of the result, the reduced axes innermost.
 *
 * Takes  a step in normal form.
 * Gives  for the result's axes, then: acc (registers) <- neutral; for the reduced axes: acc <- reduce(acc, expr);
 *        out <- epilogue(acc), or combined with what out holds.
 *        Lanes along an axis of the result: a vector of results a register. Lanes along a reduced axis: partial results
 *        in the lanes of `acc`, brought together once at the end; the reduced axis is then three: whole chunks, the lanes
 *        inside a chunk, and what is left over.
 */
#include "nest_contract.h"

static bool applicable(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    (void)plan;
    (void)job;
    return step->reduce != EJ_REDUCE_NONE;
}

static double cost(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    return ej_tiling_choose(step, plan, job->target).cost;
}

int ej_contraction_buffer(ej_contraction *b, const char *name, int64_t elems, int32_t place, int32_t *out)
{
    ej_buffer buffer = {.name = name, .dtype = (int16_t)b->dtype, .home = EJ_HOME_REG, .slot = -1,
                        .elems = ej_size_number(elems)};
    EJ_TRY(ej_nest_buffer(b->nest, b->job->arena, &buffer, out));
    return ej_nest_place(b->nest, b->job->arena, place, *out);
}

/* Access to a register buffer: rows at `row_stride`, `lane_axis` (-1: none) at stride 1. */
static int register_access(ej_contraction *b, int32_t buffer, int64_t row_stride, int32_t lane_axis, ej_access *out)
{
    *out = (ej_access){.buffer = buffer};
    out->terms = EJ_NEW_ARRAY(b->job->arena, ej_access_term, 2);
    if (!out->terms) return ej_no_memory(b->job->err);
    if (b->tiling.row_axis >= 0)
        out->terms[out->n_terms++] =
            (ej_access_term){.axis = b->tiling.row_axis, .table = -1, .stride = ej_size_number(row_stride)};
    if (lane_axis >= 0)
        out->terms[out->n_terms++] = (ej_access_term){.axis = lane_axis, .table = -1, .stride = ej_size_number(1)};
    return EINJIT_OK;
}

int ej_contraction_leaf(ej_contraction *b, int32_t parent, ej_access dst, int32_t n_src, ej_access *src, ej_expr expr, int reduce,
                    ej_tile tile)
{
    if (!expr.n) return ej_no_memory(b->job->err);
    ej_nest_node leaf = {.kind = EJ_NEST_LEAF, .dst = dst, .n_src = n_src, .src = src, .expr = expr,
                         .reduce = (int8_t)reduce, .tile = tile};
    int32_t id;
    return ej_nest_leaf(b->nest, b->job->arena, parent, &leaf, &id);
}

static int set_neutral(ej_contraction *b, int32_t parent, ej_access dst, ej_tile tile)
{
    ej_expr neutral = ej_expr_constant(b->job->arena, ej_reduce_neutral(b->step->reduce, b->dtype));
    return ej_contraction_leaf(b, parent, dst, 0, NULL, neutral, EJ_REDUCE_NONE, tile);
}

/* dst <- reduce(dst, src) or dst <- src */
static int combine(ej_contraction *b, int32_t parent, ej_access dst, ej_access src, int reduce, ej_tile tile)
{
    ej_access *copy = EJ_NEW(b->job->arena, ej_access);
    if (!copy) return ej_no_memory(b->job->err);
    *copy = src;
    return ej_contraction_leaf(b, parent, dst, 1, copy, ej_expr_source(b->job->arena, b->dtype), reduce, tile);
}

int ej_contraction_finish(ej_contraction *b, int32_t parent, ej_access value, int reduce, ej_tile tile)
{
    const ej_step *step = b->step;
    ej_access *src = EJ_NEW_ARRAY(b->job->arena, ej_access, (size_t)step->n_tail + 1);
    if (!src) return ej_no_memory(b->job->err);
    src[0] = value;
    for (int32_t i = 0; i < step->n_tail; i++) src[1 + i] = step->src[step->n_src + i];
    return ej_contraction_leaf(b, parent, step->out, 1 + step->n_tail, src, step->epilogue, reduce, tile);
}

/* out <- epilogue(acc), or out <- reduce(out, epilogue(acc)) */
static int store_result(ej_contraction *b, int32_t parent, ej_access acc, ej_tile tile)
{
    const ej_step *step = b->step;
    int reduce = step->accumulate ? step->reduce : EJ_REDUCE_NONE;
    if (!step->epilogue.n) return combine(b, parent, step->out, acc, reduce, tile);
    return ej_contraction_finish(b, parent, acc, reduce, tile);
}

int ej_contraction_tile(ej_contraction *b, int32_t parent, ej_access *sources)
{
    const ej_tiling *t = &b->tiling;
    ej_arena *arena = b->job->arena;
    int64_t width = (int64_t)t->lanes * t->vectors;
    if (t->row_axis >= 0) EJ_TRY(ej_nest_loop(b->nest, arena, parent, t->row_axis, t->rows, &parent));
    ej_access acc;
    ej_tile tile = ej_tiling_tile(t);
    EJ_TRY(ej_contraction_buffer(b, "acc", t->rows * width, parent, &b->acc));
    EJ_TRY(register_access(b, b->acc, width, t->lane_axis, &acc));
    EJ_TRY(set_neutral(b, parent, acc, tile));
    int32_t inner = parent;
    EJ_TRY(ej_nest_reduced_loops(b->nest, b->step, -1, arena, &inner));
    EJ_TRY(ej_contraction_leaf(b, inner, acc, b->step->n_src, sources, b->step->expr, b->step->reduce, tile));
    return store_result(b, parent, acc, tile);
}

/* Lanes along an axis of the result (or scalar code). */
static int build_across(ej_contraction *b, int32_t parent)
{
    const ej_tiling *t = &b->tiling;
    if (t->lane_axis >= 0)
        EJ_TRY(ej_nest_loop(b->nest, b->job->arena, parent, t->lane_axis, (int64_t)t->lanes * t->vectors, &parent));
    return ej_contraction_tile(b, parent, b->step->src);
}

/* An access with the lane axis taken apart: (chunk, inside) with `chunk_extent` each, or the rest behind `offset`. */
static int split_access(ej_contraction *b, const ej_access *from, int32_t chunk, int32_t inside, int64_t width, int64_t offset,
                        ej_access *out)
{
    *out = *from;
    out->terms = EJ_NEW_ARRAY(b->job->arena, ej_access_term, (size_t)from->n_terms + 1);
    if (!out->terms) return ej_no_memory(b->job->err);
    out->n_terms = 0;
    for (int32_t i = 0; i < from->n_terms; i++) {
        ej_access_term term = from->terms[i];
        if (term.axis != b->tiling.lane_axis) {
            out->terms[out->n_terms++] = term;
            continue;
        }
        term.axis = inside;
        out->terms[out->n_terms++] = term;
        out->base.n += term.stride.n * offset;
        if (chunk < 0) continue;
        term.axis = chunk;
        term.stride.n *= width;
        out->terms[out->n_terms++] = term;
    }
    return EINJIT_OK;
}

static int split_sources(ej_contraction *b, int32_t chunk, int32_t inside, int64_t width, int64_t offset, ej_access **out)
{
    *out = EJ_NEW_ARRAY(b->job->arena, ej_access, (size_t)b->step->n_src);
    if (!*out) return ej_no_memory(b->job->err);
    for (int32_t s = 0; s < b->step->n_src; s++)
        EJ_TRY(split_access(b, &b->step->src[s], chunk, inside, width, offset, &(*out)[s]));
    return EINJIT_OK;
}

static ej_tile row_tile(const ej_contraction *b)
{
    ej_tile tile = {0};
    if (b->tiling.row_axis >= 0) tile.digits[tile.n++] = (ej_digit){b->tiling.row_axis, b->tiling.rows, EJ_UNROLL};
    return tile;
}

static ej_tile lane_tile(const ej_contraction *b, int32_t axis, int32_t vectors)
{
    ej_tile tile = row_tile(b);
    if (vectors > 1) tile.digits[tile.n++] = (ej_digit){axis, vectors, EJ_UNROLL};
    tile.digits[tile.n++] = (ej_digit){axis, b->tiling.lanes, EJ_LANE};
    return tile;
}

/* Numbers only: what the split computes with is not checked for symbols. */
static bool can_split(const ej_contraction *b)
{
    int32_t axis = b->tiling.lane_axis;
    if (b->step->axes[axis].extent.e) return false;
    for (int32_t s = 0; s < b->step->n_src; s++) {
        const ej_access_term *term = ej_access_find(&b->step->src[s], axis);
        if (term && (term->stride.e || b->step->src[s].base.e)) return false;
    }
    return true;
}

/* result (one a row) <- what the lanes of a long reduced axis come to: whole chunks in `acc`, then the rest. */
static int reduce_chunks(ej_contraction *b, int32_t parent, ej_access result)
{
    const ej_tiling *t = &b->tiling;
    ej_arena *arena = b->job->arena;
    const ej_axis *axis = &b->step->axes[t->lane_axis];
    int32_t vectors = t->row_axis >= 0 ? 1 : 4;
    while (vectors > 1 && axis->extent.n < 2 * (int64_t)t->lanes * vectors) vectors /= 2;
    int64_t width = (int64_t)t->lanes * vectors, n_chunks = axis->extent.n / width, rest = axis->extent.n % width;
    int32_t chunk, inside, left, inner = parent;
    ej_access acc, *src;
    EJ_TRY(ej_nest_axis(b->nest, arena, "chunk", ej_size_number(n_chunks), EJ_RUN_REDUCED, &chunk));
    EJ_TRY(ej_nest_axis(b->nest, arena, "lane", ej_size_number(width), EJ_RUN_REDUCED, &inside));
    EJ_TRY(ej_contraction_buffer(b, "acc", t->rows * width, parent, &b->acc));
    EJ_TRY(register_access(b, b->acc, width, inside, &acc));
    EJ_TRY(set_neutral(b, parent, acc, lane_tile(b, inside, vectors)));
    EJ_TRY(ej_nest_reduced_loops(b->nest, b->step, t->lane_axis, arena, &inner));
    int32_t outside = inner;
    EJ_TRY(ej_nest_loop(b->nest, arena, inner, chunk, 1, &inner));
    EJ_TRY(split_sources(b, chunk, inside, width, 0, &src));
    EJ_TRY(ej_contraction_leaf(b, inner, acc, b->step->n_src, src, b->step->expr, b->step->reduce, lane_tile(b, inside, vectors)));
    if (rest) {
        EJ_TRY(ej_nest_axis(b->nest, arena, "rest", ej_size_number(rest), EJ_RUN_REDUCED, &left));
        EJ_TRY(split_sources(b, -1, left, width, n_chunks * width, &src));
        EJ_TRY(ej_nest_loop(b->nest, arena, outside, left, t->lanes, &inner));
        EJ_TRY(ej_contraction_leaf(b, inner, result, b->step->n_src, src, b->step->expr, b->step->reduce, lane_tile(b, left, 1)));
    }
    return combine(b, parent, result, acc, b->step->reduce, lane_tile(b, inside, vectors));
}

/* One result a row: side by side in a register, where they lie so and more is done with them. */
static ej_tile finish_tile(const ej_contraction *b)
{
    ej_tile tile = row_tile(b);
    bool beside = tile.n && ej_access_unit_axis(&b->step->out) == b->tiling.row_axis && b->tiling.rows <= b->tiling.lanes;
    if (b->step->epilogue.n && beside) tile.digits[0].place = EJ_LANE;
    return tile;
}

/* Lanes along a reduced axis. */
static int build_along(ej_contraction *b, int32_t parent)
{
    const ej_tiling *t = &b->tiling;
    ej_arena *arena = b->job->arena;
    int32_t results, inner;
    ej_access result;
    if (t->row_axis >= 0) EJ_TRY(ej_nest_loop(b->nest, arena, parent, t->row_axis, t->rows, &parent));
    EJ_TRY(ej_contraction_buffer(b, "result", t->rows, parent, &results));
    EJ_TRY(register_access(b, results, 1, -1, &result));
    EJ_TRY(set_neutral(b, parent, result, row_tile(b)));
    if (can_split(b) && b->step->axes[t->lane_axis].extent.n >= 2 * t->lanes) {
        EJ_TRY(reduce_chunks(b, parent, result));
    } else {
        inner = parent;
        EJ_TRY(ej_nest_reduced_loops(b->nest, b->step, t->lane_axis, arena, &inner));
        EJ_TRY(ej_nest_loop(b->nest, arena, inner, t->lane_axis, t->lanes, &inner));
        EJ_TRY(ej_contraction_leaf(b, inner, result, b->step->n_src, b->step->src, b->step->expr, b->step->reduce,
                        lane_tile(b, t->lane_axis, 1)));
    }
    return store_result(b, parent, result, finish_tile(b));
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_contraction b = {.nest = out, .step = step, .job = job, .tiling = ej_tiling_choose(step, plan, job->target),
                        .dtype = step->expr.ops[step->expr.n - 1].dtype};
    int32_t parent = -1;
    EJ_TRY(ej_nest_begin(out, step, plan, job->arena));
    EJ_TRY(ej_nest_outer_loops(out, step, &b.tiling, NULL, false, job->arena, &parent));
    return b.tiling.lane_reduced ? build_along(&b, parent) : build_across(&b, parent);
}

const ej_recipe ej_recipe_contract = {"contract", applicable, cost, build};
