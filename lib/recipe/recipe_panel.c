/* recipe_panel.c - reductions that use one operand again and again: it is packed, panel by panel.
 *
 * Takes  a reduction of several sources, one of which has the lane axis and lacks the rows (B of a matrix product); it may
 *        lie in any order.
 * Gives  for each panel of lanes: that source's values for all reduced axes, side by side in LOCAL memory; then the register
 *        tiles, whose vectors come from the panel. Reads of the panel are unit stride and stay in the cache for all rows.
 * Keeps  the other sources in place: each of their elements is read once a panel, as a broadcast.
 * Source "Anatomy of high-performance matrix multiplication" (Goto, van de Geijn 2008), with one operand packed.
 */
#include "recipe_tiling.h"

enum { PANEL_TERMS = 16 };
enum panel_number { PANEL_SOURCE, PANEL_LANE, PANEL_LANES, PANEL_VECTORS, PANEL_ROW, PANEL_ROWS };

typedef struct packing {
    int32_t source;     /* which one is packed; -1: none */
    ej_tiling tiling;
    double cost;
} packing;

/* The source as it lies in the panel: reduced axes in the order of their terms, lanes at unit stride. */
static bool panel_access(const ej_schedule *s, int32_t source, int32_t lane, ej_access *out, ej_access_term *terms, int64_t *depth)
{
    const ej_access *from = &s->statements[0].src[source];
    *out = (ej_access){.buffer = from->buffer, .terms = terms};
    *depth = 1;
    for (int32_t t = from->n_terms; t-- > 0;) {
        int32_t axis = from->terms[t].axis;
        ej_size extent = s->axes[axis].extent;
        if (from->terms[t].table >= 0 || from->terms[t].stride.e) return false;
        if (axis == lane || !ej_statement_reduces(&s->statements[0], axis)) continue;
        if (extent.e || extent.n < 1 || *depth > (1 << 20) / extent.n) return false;
        terms[out->n_terms++] = (ej_access_term){.axis = axis, .table = -1, .stride = ej_size_number(*depth)};
        *depth *= extent.n;
    }
    terms[out->n_terms++] = (ej_access_term){.axis = lane, .table = -1, .stride = ej_size_number(1)};
    return true;
}

/* Packed along the lanes, turned in registers, or picked up one by one. */
static double pack_cost(const ej_schedule *s, int32_t source, const ej_tiling *tiling)
{
    const ej_statement *st = &s->statements[0];
    const ej_access *access = &st->src[source];
    int dtype = s->buffers[access->buffer].plan.dtype;
    int32_t from = ej_access_unit_axis(access);
    double elements = 1;
    for (int32_t t = 0; t < access->n_terms; t++) elements *= (double)ej_nominal_extent(s, access->terms[t].axis);
    if (from == tiling->lane_axis) return elements * 4 / tiling->lanes;
    bool turns = from >= 0 && ej_statement_reduces(st, from) && !ej_dtype_is_complex(dtype) && dtype != EINJIT_BOOL;
    return turns ? elements * 1.2 : elements * 3;
}

static void consider(packing *best, const ej_schedule *s, int32_t source, int32_t lane)
{
    ej_access_term terms[PANEL_TERMS];
    ej_access sources[PANEL_TERMS];
    const ej_statement *st = &s->statements[0];
    packing p = {.source = source};
    int64_t depth;
    if (st->src[source].n_terms >= PANEL_TERMS || st->n_src > PANEL_TERMS) return;
    for (int32_t i = 0; i < st->n_src; i++) sources[i] = st->src[i];
    if (!panel_access(s, source, lane, &sources[source], terms, &depth)) return;
    ej_statement packed = *st;
    packed.src = sources;
    p.tiling = ej_tiling_along(s, &packed, lane);
    const ej_tiling *t = &p.tiling;
    if (t->cost < 0 || t->row_axis < 0 || ej_access_find(&st->src[source], t->row_axis)) return;
    double uses = 1, results = 1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        if (ej_statement_reduces(st, a)) continue;
        results *= (double)ej_nominal_extent(s, a);
        if (!ej_access_find(&st->src[source], a)) uses *= (double)ej_nominal_extent(s, a);
    }
    int64_t bytes = depth * t->lanes * t->vectors * ej_dtypes[s->buffers[st->src[source].buffer].plan.dtype].bytes;
    bool pays = uses >= 2.0 * t->rows && depth >= 8; /* taste: random plans do without */
    if (bytes > s->job->target->l2_bytes || (!pays && !ej_job_random(s->job))) return;
    p.cost = t->cost + pack_cost(s, source, t) + results / (t->lanes * t->vectors);
    if (best->source < 0 || p.cost < best->cost) *best = p;
}

static packing choose(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    packing best = {.source = -1, .cost = -1};
    if (st->reduce == EJ_REDUCE_NONE || st->n_src < 2) return best;
    for (int32_t i = 0; i < st->n_src; i++)
        for (int32_t t = 0; t < st->src[i].n_terms; t++) {
            int32_t axis = st->src[i].terms[t].axis;
            if (!ej_statement_reduces(st, axis) && !ej_statement_has_table(st, axis)) consider(&best, s, i, axis);
        }
    return best;
}

static bool matches(const ej_schedule *s)
{
    return choose(s).source >= 0;
}

static int pays(const ej_schedule *s)
{
    double count = choose(s).cost, sweep = ej_sweep_count(s);
    if (count >= ej_tiling_choose(s, &s->statements[0]).cost || (sweep >= 0 && count > sweep)) return EJ_PAYS_NOT;
    return EJ_PAYS_SURELY;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    packing p = choose(s);
    out[0][PANEL_SOURCE] = p.source;
    out[0][PANEL_LANE] = p.tiling.lane_axis;
    out[0][PANEL_LANES] = p.tiling.lanes;
    out[0][PANEL_VECTORS] = p.tiling.vectors;
    out[0][PANEL_ROW] = p.tiling.row_axis;
    out[0][PANEL_ROWS] = p.tiling.rows;
    return p.source >= 0;
}

/* An open axis that the source lacks may be empty: then there is nothing to pack for. */
static int32_t guard_open(ej_schedule *s, const ej_access *source, const ej_tiling *t, int32_t at)
{
    for (int32_t a = 0; a < s->n_axes; a++)
        if (s->axes[a].extent.e && !ej_access_find(source, a) && ej_statement_names(&s->statements[0], a) &&
            !ej_statement_reduces(&s->statements[0], a))
            at = ej_do_loop(s, 0, a, a == t->row_axis ? (int64_t)t->rows << 40 : (int64_t)1 << 40);
    return at;
}

static void run(ej_schedule *s, const int64_t *n)
{
    ej_tiling t = {.lane_axis = (int32_t)n[PANEL_LANE], .lanes = (int32_t)n[PANEL_LANES], .vectors = (int32_t)n[PANEL_VECTORS],
                   .row_axis = (int32_t)n[PANEL_ROW], .rows = (int32_t)n[PANEL_ROWS]};
    int32_t source = (int32_t)n[PANEL_SOURCE], depth[PANEL_TERMS], n_depth = 0;
    const ej_access from = s->statements[0].src[source];
    for (int32_t i = 0; i < from.n_terms; i++)
        if (ej_statement_reduces(&s->statements[0], from.terms[i].axis) && ej_access_moves(&from, from.terms[i].axis))
            depth[n_depth++] = from.terms[i].axis;
    int64_t width = (int64_t)t.lanes * t.vectors;
    ej_do_tile(s, 0, ej_tiling_tile(&t));
    ej_do_kept_loops(s, &t, &from, false);
    int32_t at = ej_do_loop(s, 0, t.lane_axis, width);
    at = guard_open(s, &from, &t, at);
    if (s->failed) return;
    ej_do_pack(s, at, 0, source, t.lane_axis, width, depth, n_depth);
    ej_do_kept_loops(s, &t, &from, true);
    ej_do_loop(s, 0, t.row_axis, t.rows);
}

const ej_script ej_script_panel = {"panel", matches, pays, params, run};
