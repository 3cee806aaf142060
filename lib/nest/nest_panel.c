/* nest_panel.c - the recipe for products that use one operand again and again: it is packed, panel by panel.
 *
 * Takes  a reduction in normal form. One source has the lane axis and lacks the rows (B of a matrix product); it may lie
 *        in any order.
 * Gives  for each panel of lanes: that source's values for all reduced axes, side by side in LOCAL memory (transposed in
 *        registers where its unit stride lies along a reduced axis); then the register tiles of nest_contract.c, whose
 *        vectors come from the panel. Reads of the panel are unit stride and stay in the cache for all rows.
 * Keeps  the other sources in place: each of their elements is read once a panel, as a broadcast.
 * Source "Anatomy of high-performance matrix multiplication" (Goto, van de Geijn 2008), with one operand packed.
 */
#include "nest_contract.h"

typedef struct packing {
    int32_t source;     /* which one is packed; -1: none */
    ej_tiling tiling;
    int64_t depth;      /* product of the reduced axes the source has */
    double cost;
} packing;

static bool is_reduced(const ej_step *step, int32_t axis)
{
    return !ej_access_find(&step->out, axis);
}

/* The source as it lies in the panel: reduced axes in the order of their terms, lanes at unit stride. */
static bool panel_access(const ej_step *step, int32_t source, int32_t lane_axis, int64_t width, ej_access *out,
                         ej_access_term *terms, int64_t *depth)
{
    const ej_access *from = &step->src[source];
    *out = (ej_access){.buffer = from->buffer, .terms = terms};
    *depth = 1;
    for (int32_t t = from->n_terms; t-- > 0;) {
        int32_t axis = from->terms[t].axis;
        ej_size extent = step->axes[axis].extent;
        if (from->terms[t].table >= 0 || from->terms[t].stride.e) return false;
        if (axis == lane_axis || !is_reduced(step, axis)) continue;
        if (extent.e || extent.n < 1 || *depth > (1 << 20) / extent.n) return false;
        terms[out->n_terms++] = (ej_access_term){.axis = axis, .table = -1, .stride = ej_size_number(*depth * width)};
        *depth *= extent.n;
    }
    terms[out->n_terms++] = (ej_access_term){.axis = lane_axis, .table = -1, .stride = ej_size_number(1)};
    return true;
}

/* Register tile that transposes the source on its way into the panel: 0 where its unit stride is along the lanes, or no
 * axis' at all. */
static int32_t transposing_tile(const ej_step *step, const ej_plan *plan, const ej_target *target, int32_t source,
                                int32_t lane_axis, int32_t *from)
{
    const ej_access *access = &step->src[source];
    int dtype = plan->buffers[access->buffer].dtype;
    *from = ej_access_unit_axis(access);
    if (*from < 0 || *from == lane_axis || !is_reduced(step, *from)) return 0;
    if (ej_dtype_is_complex(dtype) || dtype == EINJIT_BOOL) return 0;
    int32_t tile = target->vector_bytes / ej_dtypes[dtype].bytes;
    if (tile > 8) tile = 8;
    return tile >= 4 && step->axes[*from].extent.n >= tile ? tile : 0;
}

static double pack_cost(const ej_step *step, const ej_plan *plan, const ej_target *target, int32_t source,
                        const ej_tiling *tiling)
{
    const ej_access *access = &step->src[source];
    const ej_access_term *lane = ej_access_find(access, tiling->lane_axis);
    int32_t from;
    double elements = 1;
    for (int32_t t = 0; t < access->n_terms; t++) elements *= (double)ej_nominal_extent(step, access->terms[t].axis);
    if (ej_size_is(lane->stride, 1)) return elements * 4 / tiling->lanes;
    return transposing_tile(step, plan, target, source, tiling->lane_axis, &from) ? elements * 1.2 : elements * 3;
}

static void consider(packing *best, const ej_step *step, const ej_plan *plan, const ej_job *job, int32_t source,
                     int32_t lane_axis)
{
    enum { MAX_TERMS = 16, MAX_SOURCES = 32 };
    ej_access_term terms[MAX_TERMS];
    ej_access sources[MAX_SOURCES];
    int32_t n_sources = step->n_src + step->n_tail;
    if (step->src[source].n_terms >= MAX_TERMS || n_sources > MAX_SOURCES) return;
    packing p = {.source = source};
    for (int32_t s = 0; s < n_sources; s++) sources[s] = step->src[s];
    if (!panel_access(step, source, lane_axis, 1, &sources[source], terms, &p.depth)) return;
    ej_step packed = *step;
    packed.src = sources;
    /* strides of the panel are multiples of its width; for the tiling only the lanes' unit stride counts */
    p.tiling = ej_tiling_along(&packed, plan, job->target, lane_axis);
    const ej_tiling *t = &p.tiling;
    if (t->cost < 0 || t->lane_reduced || t->row_axis < 0 || ej_access_find(&step->src[source], t->row_axis)) return;
    double uses = 1, results = 1;
    for (int32_t a = 0; a < step->n_axes; a++) {
        if (is_reduced(step, a)) continue;
        results *= (double)ej_nominal_extent(step, a);
        if (!ej_access_find(&step->src[source], a)) uses *= (double)ej_nominal_extent(step, a);
    }
    int64_t bytes = p.depth * t->lanes * t->vectors * ej_dtypes[plan->buffers[step->src[source].buffer].dtype].bytes;
    bool pays = uses >= 2.0 * t->rows && p.depth >= 8; /* taste: random plans do without */
    if (bytes > job->target->l2_bytes || (!pays && !ej_job_random(job))) return;
    p.cost = t->cost + pack_cost(step, plan, job->target, source, t) + results / (t->lanes * t->vectors);
    if (best->source < 0 || p.cost < best->cost) *best = p;
}

static packing choose(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    packing best = {.source = -1};
    for (int32_t s = 0; s < step->n_src; s++)
        for (int32_t t = 0; t < step->src[s].n_terms; t++) {
            int32_t axis = step->src[s].terms[t].axis;
            if (!is_reduced(step, axis) && !ej_axis_has_table(step, axis)) consider(&best, step, plan, job, s, axis);
        }
    return best;
}

static bool applicable(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    return step->reduce != EJ_REDUCE_NONE && step->n_src >= 2 && choose(step, plan, job).source >= 0;
}

static double cost(const ej_step *step, const ej_plan *plan, const ej_job *job)
{
    return choose(step, plan, job).cost;
}

/* Loops over the reduced axes that the source has, but `except`. */
static int depth_loops(ej_contraction *b, const ej_access *source, int32_t except, int32_t *parent)
{
    for (int32_t t = 0; t < source->n_terms; t++) {
        int32_t axis = source->terms[t].axis;
        if (axis == except || !is_reduced(b->step, axis)) continue;
        EJ_TRY(ej_nest_loop(b->nest, b->job->arena, *parent, axis, 1, parent));
    }
    return EINJIT_OK;
}

static int pack(ej_contraction *b, int32_t parent, ej_access *source, const ej_access *panel, int32_t from, int32_t tile)
{
    ej_arena *arena = b->job->arena;
    const ej_tiling *t = &b->tiling;
    ej_expr expr = ej_expr_source(arena, b->nest->buffers[source->buffer].dtype);
    if (!expr.n) return ej_no_memory(b->job->err);
    EJ_TRY(depth_loops(b, source, tile ? from : -1, &parent));
    if (tile) return ej_nest_transpose(b->nest, arena, parent, from, t->lane_axis, tile, panel, source, &expr);
    ej_tiling lanes = *t;
    lanes.row_axis = -1;
    return ej_contraction_leaf(b, parent, *panel, 1, source, expr, EJ_REDUCE_NONE, ej_tiling_tile(&lanes));
}

static int build(ej_nest *out, ej_step *step, const ej_plan *plan, ej_job *job)
{
    ej_arena *arena = job->arena;
    packing p = choose(step, plan, job);
    int64_t width = (int64_t)p.tiling.lanes * p.tiling.vectors, depth;
    int32_t from, parent = -1, tile = transposing_tile(step, plan, job->target, p.source, p.tiling.lane_axis, &from);
    ej_contraction b = {.nest = out, .step = step, .job = job, .tiling = p.tiling,
                        .dtype = step->expr.ops[step->expr.n - 1].dtype};
    ej_access *source = EJ_NEW(arena, ej_access), panel, *sources = EJ_NEW_ARRAY(arena, ej_access, (size_t)step->n_src);
    ej_access_term *terms = EJ_NEW_ARRAY(arena, ej_access_term, (size_t)step->src[p.source].n_terms + 1);
    if (!source || !sources || !terms) return ej_no_memory(job->err);
    EJ_TRY(ej_nest_begin(out, step, plan, arena));
    *source = step->src[p.source];
    panel_access(step, p.source, p.tiling.lane_axis, width, &panel, terms, &depth);
    ej_buffer memory = {.name = "panel", .dtype = out->buffers[source->buffer].dtype, .home = EJ_HOME_LOCAL, .slot = -1,
                        .elems = ej_size_number(depth * width)};
    EJ_TRY(ej_nest_buffer(out, arena, &memory, &panel.buffer));
    EJ_TRY(ej_nest_outer_loops(out, step, &b.tiling, source, false, arena, &parent));
    EJ_TRY(ej_nest_loop(out, arena, parent, p.tiling.lane_axis, width, &parent));
    EJ_TRY(ej_nest_place(out, arena, parent, panel.buffer));
    EJ_TRY(pack(&b, parent, source, &panel, from, tile));
    for (int32_t s = 0; s < step->n_src; s++) sources[s] = s == p.source ? panel : step->src[s];
    EJ_TRY(ej_nest_outer_loops(out, step, &b.tiling, source, true, arena, &parent));
    return ej_contraction_tile(&b, parent, sources);
}

const ej_recipe ej_recipe_panel = {"panel", applicable, cost, build};
