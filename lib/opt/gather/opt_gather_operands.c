/* opt_gather_operands.c - some operands of an einsum contracted before a gather, or after a scatter.
 *
 * Takes  an einsum of several operands that have the indexed label: messages of an edge made of both its ends, say.
 * Gives  the operands without the label, contracted where the nodes are, as an alternative:
 *            E(index_select(x), w, y)     and  E''(index_select(E'(x, w)), y)
 *            index_add(E(v, y, w))        and  E''(index_add(E'(v, y)), w)
 *            E(index_select(x), y) over the label   and  E(x, index_add(y))   what is summed over edges, at the nodes
 *        With several gathers among the operands, each one alone is an alternative, and all of them together.
 * Keeps  the operands with the label together where they were, so that whatever broadcasts there does so as before.
 *        Sums of products alone: this is distributivity. Einsums with an ellipsis; operands of another precision than
 *        the result, or of another rank than their term has letters (bind reports it).
 * Size   operands are compared in pairs: products of more than MOST_OPERANDS are left to the path search.
 */
#include <string.h>

#include "opt_gather.h"

enum { MOST_OPERANDS = 32, MOST_GATHERS = 4 }; /* bits of a set; alternatives of one product */

/* Operands by number: a set of at most 32. */
typedef uint32_t operands;

typedef struct part {
    ej_gather *g;
    const ej_node *view;
    bool letters; /* labels have letters of their own */
} part;

static bool meet(const ej_term *a, const ej_term *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (ej_term_has(b, a->labels[i])) return true;
    return false;
}

static operands with_label(const ej_equation *equation, int32_t label)
{
    operands found = 0;
    for (uint32_t t = 0; t < equation->n_terms; t++)
        if (ej_term_has(&equation->terms[t], label)) found |= (operands)1 << t;
    return found;
}

/* Everything that hangs together with the operands `from` by labels, without those in `apart`. */
static operands connected(const ej_equation *equation, operands from, operands apart)
{
    operands before = 0;
    while (before != from) {
        before = from;
        for (uint32_t t = 0; t < equation->n_terms; t++)
            for (uint32_t u = 0; u < equation->n_terms && !(apart >> t & 1) && !(from >> t & 1); u++)
                if (from >> u & 1 && meet(&equation->terms[t], &equation->terms[u])) from |= (operands)1 << t;
    }
    return from;
}

static bool may_split(const ej_gather *g, ej_value v, const ej_node *view)
{
    const ej_equation *equation = view->equation;
    int dtype = g->dtypes[v].dtype;
    if (dtype >= 0 && ej_dtypes[dtype].computes != dtype) return false; /* a part would be rounded */
    if (view->fn != EINJIT_REDUCE_SUM || view->combine != EINJIT_COMBINE_MUL) return false;
    if (view->n_in < 2 || view->n_in > MOST_OPERANDS || ej_term_has(&equation->out, EJ_ELLIPSIS)) return false;
    for (uint32_t t = 0; t < view->n_in; t++) {
        int32_t rank = g->shapes->of[view->in[t]].rank;
        if (ej_term_has(&equation->terms[t], EJ_ELLIPSIS) || !ej_gather_same_dtype(g, v, view->in[t])) return false;
        if (rank >= 0 && !ej_term_fits(&equation->terms[t], rank)) return false;
    }
    return true;
}

/* ---- building ---- */

/* Labels of the terms in `group` that the output or another term needs, in order of appearance. */
static int labels_out(const part *p, operands group, ej_term *out)
{
    const ej_equation *equation = p->view->equation;
    ej_arena *arena = p->g->job->arena;
    bool *seen = EJ_NEW_ARRAY(arena, bool, equation->n_labels);
    out->n = 0;
    out->labels = EJ_NEW_ARRAY(arena, int32_t, equation->n_labels);
    if (!seen || !out->labels) return ej_no_memory(p->g->job->err);
    for (uint32_t t = 0; t < equation->n_terms; t++)
        for (uint32_t i = 0; i < equation->terms[t].n && group >> t & 1; i++) {
            int32_t label = equation->terms[t].labels[i];
            if (seen[label] || !(ej_term_has(&equation->out, label) || with_label(equation, label) & ~group)) continue;
            seen[label] = true;
            out->labels[out->n++] = label;
        }
    return EINJIT_OK;
}

/* An einsum of n terms with labels of the one that is split. */
static int add_einsum(part *p, uint32_t n, const ej_term *terms, const ej_value *in, const ej_term *out,
                      ej_value *value)
{
    ej_job *job = p->g->job;
    ej_node node = {
        .op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL, .dtype = -1, .rank = -1};
    int32_t *ranks = EJ_JOB_ARRAY(job, int32_t, n), *labels;
    size_t total = 0, at = 0;
    if (!ranks) return ej_no_memory(job->err);
    for (uint32_t t = 0; t < n; t++) total += (size_t)(ranks[t] = (int32_t)terms[t].n);
    labels = EJ_JOB_ARRAY(job, int32_t, total);
    node.equation = EJ_NEW(&p->g->edit.graph->arena, ej_equation);
    if (!labels || !node.equation) return ej_no_memory(job->err);
    for (uint32_t t = 0; t < n; at += terms[t++].n)
        if (terms[t].n) memcpy(labels + at, terms[t].labels, terms[t].n * sizeof *labels);
    EJ_TRY(ej_equation_from_labels(node.equation, &p->g->edit.graph->arena, n, ranks, labels, (int)out->n, out->labels,
                                   job->err));
    for (uint32_t l = 0; p->letters && l < node.equation->n_labels; l++)
        node.equation->symbols[l] = p->view->equation->symbols[node.equation->symbols[l]];
    node.equation->integer_labels = !p->letters;
    return ej_edit_node(&p->g->edit, node, n, in, value);
}

/* A product in the making. */
typedef struct product {
    uint32_t n;
    ej_term terms[MOST_OPERANDS + 1];
    ej_value in[MOST_OPERANDS + 1];
} product;

static void put(product *to, const ej_term *term, ej_value value)
{
    to->terms[to->n] = *term;
    to->in[to->n++] = value;
}

/* The operands in `group` contracted with each other, `value` in the place of operand t (MOST_OPERANDS: none). */
static int contract(part *p, operands group, uint32_t t, ej_value value, ej_term *labels, ej_value *out)
{
    product inner = {0};
    for (uint32_t u = 0; u < p->view->n_in; u++)
        if (group >> u & 1) put(&inner, &p->view->equation->terms[u], u == t ? value : p->view->in[u]);
    EJ_TRY(labels_out(p, group, labels));
    *out = inner.in[0];
    if (inner.n == 1 && labels->n == inner.terms[0].n) return EINJIT_OK; /* as it is */
    return add_einsum(p, inner.n, inner.terms, inner.in, labels, out);
}

static int64_t place_of(const ej_term *term, int32_t label)
{
    int64_t i = 0;
    while (term->labels[i] != label) i++;
    return i;
}

static part begin(ej_gather *g, ej_value v, const ej_node *view)
{
    return (part){g, view, g->graph->nodes[v].op == EJ_OP_EINSUM && !view->equation->integer_labels};
}

/* ---- in front of a gather ---- */

/* An operand that is gathered, and what it may be contracted with where it comes from. */
typedef struct source {
    uint32_t t;
    int32_t label;
    operands group;
} source;

/* The label of the gathered axis, once in the term; -1: none. */
static int32_t gathered_label(const ej_gather *g, const ej_node *view, uint32_t t)
{
    const ej_node *indexed = &g->graph->nodes[view->in[t]];
    const ej_term *term = &view->equation->terms[t];
    if (indexed->op != EJ_OP_INDEX_SELECT) return -1;
    int64_t dim = indexed->dims[0] < 0 ? indexed->dims[0] + term->n : indexed->dims[0];
    if (dim < 0 || dim >= term->n) return -1;
    int32_t label = term->labels[dim];
    for (uint32_t i = 0; i < term->n; i++)
        if ((int64_t)i != dim && term->labels[i] == label) return -1;
    return label;
}

static uint32_t find_sources(const ej_gather *g, const ej_node *view, source *sources)
{
    uint32_t n = 0;
    operands taken = 0;
    for (uint32_t t = 0; t < view->n_in && n < MOST_GATHERS; t++) {
        int32_t label = gathered_label(g, view, t);
        operands own = (operands)1 << t;
        if (label < 0 || taken & own) continue;
        operands with = with_label(view->equation, label);
        operands group = connected(view->equation, own, taken | with);
        if (with == own || group == own) continue; /* summed, or nothing to contract with */
        sources[n++] = (source){t, label, group};
        taken |= group;
    }
    return n;
}

/* The einsum with the first operands of n sources contracted before they are gathered. */
static int gather_last(part *p, uint32_t n, const source *sources, ej_value *out)
{
    ej_edit *edit = &p->g->edit;
    product outer = {0};
    operands taken = 0;
    for (uint32_t i = 0; i < n; i++) {
        ej_value gathered = p->view->in[sources[i].t], inner;
        const ej_node indexed = p->g->graph->nodes[gathered];
        ej_term labels;
        EJ_TRY(contract(p, sources[i].group, sources[i].t, indexed.in[0], &labels, &inner));
        ej_value in[] = {inner, indexed.in[1]};
        EJ_TRY(ej_edit_like(edit, gathered, in, place_of(&labels, sources[i].label), &inner));
        put(&outer, &labels, inner);
        taken |= EJ_BROKEN(GATHER_PART) ? (operands)1 << sources[i].t : sources[i].group;
    }
    for (uint32_t t = 0; t < p->view->n_in; t++)
        if (!(taken >> t & 1)) put(&outer, &p->view->equation->terms[t], p->view->in[t]);
    return add_einsum(p, outer.n, outer.terms, outer.in, &p->view->equation->out, out);
}

/* All the others that have the label reach along it as far as the gather: none of them is stretched by it. */
static bool all_reach(const ej_gather *g, const ej_node *view, uint32_t t, int32_t label)
{
    const ej_known_shape *gathered = &g->shapes->of[view->in[t]];
    if (gathered->rank < 0) return false;
    int32_t extent = gathered->extents[place_of(&view->equation->terms[t], label)];
    bool any = false;
    for (uint32_t u = 0; u < view->n_in; u++) {
        const ej_term *term = &view->equation->terms[u];
        const ej_known_shape *shape = &g->shapes->of[view->in[u]];
        for (uint32_t i = 0; i < term->n && u != t; i++) {
            if (term->labels[i] != label) continue;
            if (shape->rank < 0 || shape->extents[i] != extent) return false;
            any = true;
        }
    }
    return any;
}

/* A gathered operand whose label is summed: the others are added up where it comes from. */
static int scatter_others(part *p, uint32_t t, int32_t label, ej_value *out)
{
    ej_edit *edit = &p->g->edit;
    const ej_equation *equation = p->view->equation;
    const ej_node indexed = p->g->graph->nodes[p->view->in[t]];
    operands own = (operands)1 << t, group = with_label(equation, label) & ~own;
    ej_node add = {.op = EJ_OP_INDEX_ADD, .dtype = -1, .rank = -1, .n_dims = 1, .n_extents = 1};
    const ej_known_shape *from = &p->g->shapes->of[indexed.in[0]];
    product outer = {0};
    ej_term labels;
    ej_value inner;
    bool said = false;
    *out = -1;
    add.dims = EJ_NEW(&edit->graph->arena, int64_t);
    add.extents = EJ_NEW(&edit->graph->arena, ej_extent);
    if (!add.dims || !add.extents) return ej_no_memory(p->g->job->err);
    if (from->rank < 0) return EINJIT_OK;
    int32_t extent = from->extents[place_of(&equation->terms[t], label)];
    if (!ej_facts_name_extent(p->g->shapes, extent, &edit->graph->arena, add.extents, &said))
        return ej_no_memory(p->g->job->err);
    if (!said) return EINJIT_OK;
    EJ_TRY(contract(p, group, MOST_OPERANDS, 0, &labels, &inner));
    add.dims[0] = place_of(&labels, label);
    ej_value in[] = {indexed.in[1], inner};
    EJ_TRY(ej_edit_node(edit, add, 2, in, &inner));
    put(&outer, &equation->terms[t], indexed.in[0]);
    put(&outer, &labels, inner);
    if (EJ_BROKEN(GATHER_SUMMED)) put(&outer, &labels, inner);
    for (uint32_t u = 0; u < p->view->n_in; u++)
        if (u != t && !(group >> u & 1)) put(&outer, &equation->terms[u], p->view->in[u]);
    return add_einsum(p, outer.n, outer.terms, outer.in, &equation->out, out);
}

static int sum_at_source(part *p, ej_value v)
{
    ej_value chosen = -1, other;
    uint32_t n = 0;
    for (uint32_t t = 0; t < p->view->n_in && n < MOST_GATHERS; t++) {
        int32_t label = gathered_label(p->g, p->view, t);
        if (label < 0 || ej_term_has(&p->view->equation->out, label) || !all_reach(p->g, p->view, t, label)) continue;
        EJ_TRY(scatter_others(p, t, label, &other));
        if (other < 0) continue;
        if (!n++) EJ_TRY(ej_edit_like(&p->g->edit, v, NULL, EJ_KEEP_DIM, &chosen));
        EJ_TRY(ej_edit_alternative(&p->g->edit, chosen, other, 0, NULL, &chosen));
    }
    if (!n) return EINJIT_OK;
    ej_edit_replace(&p->g->edit, v, chosen, EJ_RULE_GATHER_SUMMED);
    return EINJIT_OK;
}

int ej_gather_part_behind(ej_gather *g, ej_value v, const ej_node *view)
{
    source sources[MOST_GATHERS];
    ej_value chosen, other;
    if (!may_split(g, v, view)) return EINJIT_OK;
    part p = begin(g, v, view);
    uint32_t n = find_sources(g, view, sources);
    if (!n) return sum_at_source(&p, v);
    EJ_TRY(ej_edit_like(&g->edit, v, NULL, EJ_KEEP_DIM, &chosen));
    for (uint32_t i = 0; i < n; i++) {
        EJ_TRY(gather_last(&p, 1, &sources[i], &other));
        EJ_TRY(ej_edit_alternative(&g->edit, chosen, other, 0, NULL, &chosen));
    }
    if (n > 1) {
        EJ_TRY(gather_last(&p, n, sources, &other));
        EJ_TRY(ej_edit_alternative(&g->edit, chosen, other, 0, NULL, &chosen));
    }
    ej_edit_replace(&g->edit, v, chosen, EJ_RULE_GATHER_PART);
    return EINJIT_OK;
}

/* ---- behind a scatter ---- */

int ej_gather_part_in_front(ej_gather *g, ej_value v, const ej_node *view)
{
    const ej_node indexed = g->graph->nodes[v];
    const ej_equation *equation = view->equation;
    if (indexed.op != EJ_OP_INDEX_ADD || !may_split(g, v, view)) return EINJIT_OK;
    int64_t dim = indexed.dims[0] < 0 ? indexed.dims[0] + equation->out.n : indexed.dims[0];
    if (dim < 0 || dim >= equation->out.n) return EINJIT_OK;
    int32_t label = equation->out.labels[dim];
    operands group = with_label(equation, label), all = (operands)(((uint64_t)1 << view->n_in) - 1);
    if (!group || group == all) return EINJIT_OK;
    part p = begin(g, indexed.in[1], view);
    product outer = {0};
    ej_term labels;
    ej_value inner, other;
    EJ_TRY(contract(&p, group, MOST_OPERANDS, 0, &labels, &inner));
    ej_value in[] = {indexed.in[0], inner};
    EJ_TRY(ej_edit_like(&g->edit, v, in, place_of(&labels, label), &inner));
    put(&outer, &labels, inner);
    if (EJ_BROKEN(SCATTER_PART)) put(&outer, &labels, inner);
    for (uint32_t t = 0; t < view->n_in; t++)
        if (!(group >> t & 1)) put(&outer, &equation->terms[t], view->in[t]);
    EJ_TRY(add_einsum(&p, outer.n, outer.terms, outer.in, &equation->out, &other));
    return ej_gather_offer(g, v, other, EJ_RULE_SCATTER_PART);
}
