/* opt_gather.c - contracting before or after a gather or scatter.
 *
 * Takes  any graph.
 * Gives  where an einsum meets an index_select or index_add along an axis whose label only one operand has, once, and
 *        which the output keeps: the other order as an alternative. Which one is cheaper depends on sizes: a graph's
 *        nodes are fewer than its edges, but a gather may also pick a few rows of many.
 *            E(index_select(x), w)  and  index_select(E(x, w))     row by row the same, whatever the einsum reduces by
 *            E(index_add(v), w)     and  index_add(E(v, w))        sums of products only: this is distributivity, also
 *                                                                  where a row has no summand
 * Keeps  what has zeros whose signs count (facts_zero.h): rows without a summand are 0.0, and what is added up in
 *        another place comes to 0.0 in another place. Labels that several operands have: an extent of 1 that broadcasts
 *        must not be gathered from (but see opt_gather_operands.c). Scatters that would add up in a coarser dtype, or
 *        in f16, whose range other terms soon leave.
 *        Einsums that are only in the way because something else uses them, too. The checks of indices: the indexed
 *        axis has the same extent in both orders.
 * Size   every node is looked at once, and gets a few alternatives at most.
 */
#include "opt_gather.h"
#include "facts_zero.h"

/* ---- axes and labels ---- */

static int32_t ellipsis_at(const ej_term *term)
{
    for (uint32_t i = 0; i < term->n; i++)
        if (term->labels[i] == EJ_ELLIPSIS) return (int32_t)i;
    return -1;
}

/* The place in the term of axis `dim`; -1: there is none, or the ellipsis has it, or that depends on the rank. */
static int32_t place_of_axis(const ej_term *term, int64_t dim, int32_t rank)
{
    int32_t n = (int32_t)term->n, dots = ellipsis_at(term), spread = dots < 0 ? 0 : rank - (n - 1);
    if (dots >= 0 && rank < 0) {
        if (dim >= 0) return dim < dots ? (int32_t)dim : -1;
        return dim >= -n && dim + n > dots ? (int32_t)(dim + n) : -1;
    }
    if (dots < 0) rank = n;
    if (dim < -(int64_t)rank || dim >= rank) return -1;
    int32_t axis = (int32_t)(dim < 0 ? dim + rank : dim);
    if (dots < 0 || axis < dots) return axis;
    return axis < dots + spread ? -1 : axis - spread + 1;
}

/* The axis that stands at a place: from the end behind an ellipsis. */
static int64_t axis_at_place(const ej_term *term, int32_t place)
{
    int32_t dots = ellipsis_at(term);
    return dots < 0 || place < dots ? place : place - (int32_t)term->n;
}

/* The only operand that has the label, once; -1: there are others, or it has it twice. */
static int32_t only_operand(const ej_equation *equation, int32_t label)
{
    int32_t found = -1;
    for (uint32_t t = 0; t < equation->n_terms; t++)
        for (uint32_t i = 0; i < equation->terms[t].n; i++) {
            if (equation->terms[t].labels[i] != label) continue;
            if (found >= 0) return EJ_BROKEN(GATHER_OTHERS) ? found : -1;
            found = (int32_t)t;
        }
    return found;
}

int ej_gather_view(const ej_gather *g, ej_value v, ej_node *out)
{
    *out = g->graph->nodes[v];
    if (out->op != EJ_OP_MATMUL && out->op != EJ_OP_TENSORDOT) return EINJIT_OK;
    ej_einsum_facts facts = {g->graph, g->dtypes, g->shapes, g->job->arena};
    ej_einsum_form form;
    EJ_TRY(ej_as_einsum(&facts, v, &form, g->job->err));
    if (!form.equation) return EINJIT_OK;
    out->op = EJ_OP_EINSUM;
    out->fn = EINJIT_REDUCE_SUM;
    out->combine = EINJIT_COMBINE_MUL;
    out->equation = (ej_equation *)form.equation;
    return EINJIT_OK;
}

/* Only moves axes: there is nothing to gain. */
bool ej_gather_contracts(const ej_node *node)
{
    return node->op == EJ_OP_EINSUM && (node->n_in > 1 || node->equation->out.n < node->equation->terms[0].n);
}

/* ---- what is right ---- */

bool ej_gather_same_dtype(const ej_gather *g, ej_value whole, ej_value part)
{
    ej_known_dtype a = g->dtypes[part], b = g->dtypes[whole];
    if (a.weak || b.weak || a.dtype < 0 || b.dtype < 0) return false;
    if (ej_dtypes[b.dtype].kind == EJ_KIND_INT) return a.dtype == b.dtype;
    return ej_known_inexact(a) && ej_known_inexact(b) && b.dtype != EINJIT_F16 &&
           ej_dtypes[a.dtype].real == ej_dtypes[b.dtype].real;
}

/* A scatter adds up; so what is done to its sum must be linear, and the sum of operands no coarser than that of
 * results. */
static bool may_scatter(const ej_gather *g, const ej_node *einsum, ej_value whole, ej_value part)
{
    bool sums = einsum->fn == EINJIT_REDUCE_SUM && einsum->combine == EINJIT_COMBINE_MUL;
    return (sums || EJ_BROKEN(GATHER_SEMIRING)) && ej_gather_same_dtype(g, whole, part);
}

/* INDEX_SELECT {x, index}; INDEX_ADD {index, value}. */
static uint32_t indexed_operand(const ej_node *node)
{
    return node->op == EJ_OP_INDEX_SELECT ? 0 : 1;
}

static bool is_indexed(const ej_node *node)
{
    return node->op == EJ_OP_INDEX_SELECT || node->op == EJ_OP_INDEX_ADD;
}

/* ---- the two directions ---- */

static int operands_with(ej_gather *g, const ej_node *node, uint32_t at, ej_value value, ej_value **out)
{
    *out = EJ_JOB_ARRAY(g->job, ej_value, node->n_in);
    if (!*out) return ej_no_memory(g->job->err);
    for (uint32_t i = 0; i < node->n_in; i++) (*out)[i] = i == at ? value : node->in[i];
    return EINJIT_OK;
}

int ej_gather_offer(ej_gather *g, ej_value v, ej_value other, enum ej_rule rule)
{
    ej_value as_written, chosen;
    EJ_TRY(ej_edit_like(&g->edit, v, NULL, EJ_KEEP_DIM, &as_written));
    EJ_TRY(ej_edit_alternative(&g->edit, as_written, other, 0, NULL, &chosen));
    ej_edit_replace(&g->edit, v, chosen, rule);
    return EINJIT_OK;
}

/* E(indexed(x), w) to indexed(E(x, w)): the place of the axis in the output, or -1. */
static int32_t place_behind(const ej_gather *g, const ej_node *einsum, uint32_t t)
{
    const ej_term *term = &einsum->equation->terms[t], *out = &einsum->equation->out;
    const ej_node *indexed = &g->graph->nodes[einsum->in[t]];
    int32_t place = place_of_axis(term, indexed->dims[0], g->shapes->of[einsum->in[t]].rank);
    if (place < 0 || only_operand(einsum->equation, term->labels[place]) != (int32_t)t) return -1;
    return ej_term_axis(out, term->labels[place]);
}

/* What a broken rule makes of a value: twice as much. */
static int doubled(ej_gather *g, bool broken, ej_value *value)
{
    const ej_value in[2] = {*value, *value};
    return broken ? ej_edit_map(&g->edit, EJ_FN_ADD, 2, in, value) : EINJIT_OK;
}

static int index_behind(ej_gather *g, ej_value v, const ej_node *view, uint32_t t, int32_t place)
{
    const ej_node einsum = *view, indexed = g->graph->nodes[einsum.in[t]];
    uint32_t at = indexed_operand(&indexed);
    ej_value *in, inner, outer;
    bool scatters = indexed.op == EJ_OP_INDEX_ADD;
    EJ_TRY(operands_with(g, &einsum, t, indexed.in[at], &in));
    EJ_TRY(ej_edit_like(&g->edit, v, in, EJ_KEEP_DIM, &inner));
    EJ_TRY(operands_with(g, &indexed, at, inner, &in));
    EJ_TRY(ej_edit_like(&g->edit, einsum.in[t], in, axis_at_place(&einsum.equation->out, place), &outer));
    EJ_TRY(doubled(g, scatters ? EJ_BROKEN(SCATTER_LATER) : EJ_BROKEN(GATHER_LATER), &outer));
    return ej_gather_offer(g, v, outer, scatters ? EJ_RULE_SCATTER_LATER : EJ_RULE_GATHER_LATER);
}

static int try_behind(ej_gather *g, ej_value v, const ej_node *einsum)
{
    for (uint32_t t = 0; t < einsum->n_in; t++) {
        const ej_node *indexed = &g->graph->nodes[einsum->in[t]];
        if (!is_indexed(indexed)) continue;
        if (indexed->op == EJ_OP_INDEX_ADD &&
            (g->uses[einsum->in[t]] != 1 || !may_scatter(g, einsum, v, indexed->in[1])))
            continue;
        int32_t place = place_behind(g, einsum, t);
        if (place >= 0) return index_behind(g, v, einsum, t, place);
    }
    return ej_gather_part_behind(g, v, einsum);
}

/* indexed(E(x, w)) to E(indexed(x), w). */
static int try_in_front(ej_gather *g, ej_value v)
{
    const ej_node indexed = g->graph->nodes[v];
    uint32_t at = indexed_operand(&indexed);
    ej_value *in, inner, outer;
    ej_node einsum;
    EJ_TRY(ej_gather_view(g, indexed.in[at], &einsum));
    if (!ej_gather_contracts(&einsum) || g->uses[indexed.in[at]] != 1) return EINJIT_OK;
    int32_t place = place_of_axis(&einsum.equation->out, indexed.dims[0], g->shapes->of[indexed.in[at]].rank);
    if (place < 0) return EINJIT_OK;
    int32_t label = einsum.equation->out.labels[place], t = only_operand(einsum.equation, label);
    if (t < 0) return ej_gather_part_in_front(g, v, &einsum);
    if (indexed.op == EJ_OP_INDEX_ADD && !may_scatter(g, &einsum, v, einsum.in[t])) return EINJIT_OK;
    const ej_term *term = &einsum.equation->terms[t];
    EJ_TRY(operands_with(g, &indexed, at, einsum.in[t], &in));
    EJ_TRY(ej_edit_like(&g->edit, v, in, axis_at_place(term, ej_term_axis(term, label)), &inner));
    EJ_TRY(operands_with(g, &einsum, (uint32_t)t, inner, &in));
    EJ_TRY(ej_edit_like(&g->edit, indexed.in[at], in, EJ_KEEP_DIM, &outer));
    bool scatters = indexed.op == EJ_OP_INDEX_ADD;
    EJ_TRY(doubled(g, scatters ? EJ_BROKEN(SCATTER_SOONER) : EJ_BROKEN(GATHER_SOONER), &outer));
    return ej_gather_offer(g, v, outer, scatters ? EJ_RULE_SCATTER_SOONER : EJ_RULE_GATHER_SOONER);
}

/* ---- the pass ---- */

static bool has_gathers(const ej_graph *graph)
{
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (is_indexed(&graph->nodes[v])) return true;
    return false;
}

static int create(ej_gather *g, ej_graph *graph, ej_job *job)
{
    *g = (ej_gather){.graph = graph, .job = job};
    g->uses = ej_graph_uses(graph, job->arena);
    g->dtypes = ej_facts_dtypes(graph, job->arena);
    g->shapes = ej_facts_shapes(graph, job->arena);
    if (!g->uses || !g->dtypes || !g->shapes) return ej_no_memory(job->err);
    g->zeros = ej_facts_zeros(graph, g->dtypes, job->arena);
    if (!g->zeros) return ej_no_memory(job->err);
    g->offered = ej_opt_alternatives(graph, g->uses, job->arena);
    if (!g->offered) return ej_no_memory(job->err);
    return ej_edit_begin(&g->edit, graph, job);
}

int ej_opt_gather(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    ej_gather g;
    if (!has_gathers(graph)) return EINJIT_OK;
    EJ_TRY(create(&g, graph, job));
    for (size_t v = 0; v < g.edit.n_old; v++) {
        ej_node view;
        EJ_TRY(ej_edit_ask(&g.edit));
        if (g.offered[v] || (g.zeros[v] && !EJ_BROKEN(GATHER_ZEROS))) continue;
        EJ_TRY(ej_gather_view(&g, (ej_value)v, &view));
        if (is_indexed(&view)) EJ_TRY(try_in_front(&g, (ej_value)v));
        else if (ej_gather_contracts(&view)) EJ_TRY(try_behind(&g, (ej_value)v, &view));
    }
    return ej_edit_commit(&g.edit, false, n_changed);
}
