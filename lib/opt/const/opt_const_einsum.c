/* opt_const_einsum.c - einsums over constants and others: the constants are contracted first, at compile time.
 *
 * Takes  a graph whose wholly constant parts are folded; groups of operands that pay (opt_const_group.c).
 * Gives  einsums over fewer operands: each group is one constant, of the dtype that the einsum computes in, at the
 *        place of its first member. Literals alone become one literal.
 * Keeps  groups whose result is not finite: whatever else the einsum has may come before them in the written order.
 * Size   all groups of the graph are computed together.
 */
#include <math.h>
#include <string.h>

#include "opt_const.h"

typedef struct proposal { /* groups of one einsum */
    ej_value v;
    uint32_t n;
    ej_const_group *groups;
    int dtype;
} proposal;

typedef struct contraction {
    ej_graph *graph;
    ej_job *job;
    ej_edit edit;
    ej_const_subgraph mini;
    ej_const_groups groups;
    int32_t *image; /* per label of the einsum that is written: its new id; -1: none yet */
    size_t n, capacity, n_results;
    proposal *proposals;
} contraction;

/* ---- equations over some labels of another one ---- */

typedef struct writer {
    ej_equation *equation;
    const ej_equation *from;
    ej_arena *arena;
    int32_t *image;
} writer;

static bool write_term(writer *w, ej_term *out, const ej_term *term)
{
    out->n = term->n;
    out->labels = EJ_NEW_ARRAY(w->arena, int32_t, term->n);
    if (!out->labels) return false;
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (label != EJ_ELLIPSIS && w->image[label] < 0) {
            w->equation->symbols[w->equation->n_labels] = w->from->symbols[label];
            w->image[label] = (int32_t)w->equation->n_labels++;
        }
        out->labels[i] = label == EJ_ELLIPSIS ? label : w->image[label];
    }
    return true;
}

/* The equation of `n` terms (of `from`'s labels) to `out`; NULL: out of memory. */
static ej_equation *write_equation(contraction *c, ej_arena *arena, const ej_equation *from, uint32_t n,
                                   const ej_term *terms, const ej_term *out)
{
    writer w = {.from = from, .arena = arena, .image = c->image, .equation = EJ_NEW(arena, ej_equation)};
    if (!w.equation) return NULL;
    *w.equation = (ej_equation){.n_terms = n, .integer_labels = from->integer_labels};
    w.equation->terms = EJ_NEW_ARRAY(arena, ej_term, n);
    w.equation->symbols = EJ_NEW_ARRAY(arena, uint32_t, from->n_labels);
    if (!w.equation->terms || !w.equation->symbols) return NULL;
    for (uint32_t l = 0; l < from->n_labels; l++) c->image[l] = -1;
    for (uint32_t t = 0; t < n; t++)
        if (!write_term(&w, &w.equation->terms[t], &terms[t])) return NULL;
    return write_term(&w, &w.equation->out, out) ? w.equation : NULL;
}

/* ---- what is computed ---- */

/* A member in the dtype that the einsum computes in. */
static int add_member(contraction *c, ej_value leaf, int dtype, ej_value *out)
{
    const ej_node *node = ej_const_of(c->graph, leaf);
    EJ_TRY(ej_const_subgraph_copy(&c->mini, leaf));
    *out = c->mini.image[leaf];
    if (node->op == EJ_OP_CONSTANT && (node->dtype == dtype || EJ_BROKEN(CONST_DTYPE))) return EINJIT_OK;
    ej_value in = *out;
    return ej_const_subgraph_add(&c->mini, (ej_node){.op = EJ_OP_CAST, .dtype = (int16_t)dtype, .rank = -1}, 1, &in,
                                 out);
}

static int add_group(contraction *c, const ej_node *einsum, const ej_const_group *group, int dtype)
{
    ej_arena *arena = &c->mini.graph.arena;
    ej_term *terms = EJ_JOB_ARRAY(c->job, ej_term, group->n);
    ej_value *in = EJ_JOB_ARRAY(c->job, ej_value, group->n), made;
    if (!terms || !in) return ej_no_memory(c->job->err);
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++) {
        terms[n] = einsum->equation->terms[group->members[i]];
        if (EJ_BROKEN(CONST_FACTORS) && !terms[n].n && n) continue;
        EJ_TRY(add_member(c, einsum->in[group->members[i]], dtype, &in[n++]));
    }
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = einsum->combine, .dtype = -1, .rank = -1};
    node.equation = write_equation(c, arena, einsum->equation, n, terms, &group->out);
    if (!node.equation) return ej_no_memory(c->job->err);
    EJ_TRY(ej_const_subgraph_add(&c->mini, node, n, in, &made));
    c->n_results++;
    return ej_graph_output(&c->mini.graph, made, c->job->err);
}

static int propose(contraction *c, ej_value v)
{
    EJ_TRY(ej_const_groups_find(&c->groups, v));
    if (!c->groups.n) return EINJIT_OK;
    if (!EJ_PUSH_ROOM(c->job->arena, c->proposals, c->capacity, c->n)) return ej_no_memory(c->job->err);
    c->proposals[c->n++] = (proposal){v, c->groups.n, c->groups.groups, c->groups.dtype};
    for (uint32_t i = 0; i < c->groups.n; i++)
        if (!c->groups.groups[i].literals)
            EJ_TRY(add_group(c, &c->graph->nodes[v], &c->groups.groups[i], c->groups.dtype));
    return EINJIT_OK;
}

/* ---- what comes of it ---- */

static bool is_finite(const ej_evaluated *x)
{
    size_t n = ej_dtype_is_complex(x->dtype) ? 2 : 1;
    for (int32_t i = 0; i < x->rank; i++) n *= (size_t)x->shape[i];
    if (ej_dtypes[x->dtype].kind <= EJ_KIND_INT) return true;
    bool single = ej_dtypes[x->dtype].real == EINJIT_F32;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(single ? (double)((const float *)x->data)[i] : ((const double *)x->data)[i])) return false;
    return true;
}

/* As Python multiplies them: the kind of the product is the largest of their kinds. */
static ej_node product_of_literals(const contraction *c, const ej_node *einsum, const ej_const_group *group)
{
    ej_node product = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_BOOL, .dtype = -1, .integer = 1, .re = 1};
    for (uint32_t i = 0; i < group->n - (EJ_BROKEN(CONST_FACTORS) ? 1 : 0); i++) {
        const ej_node *x = &c->graph->nodes[einsum->in[group->members[i]]];
        double re = x->fn <= EJ_KIND_INT ? (double)x->integer : x->re, im = x->fn == EJ_KIND_COMPLEX ? x->im : 0;
        double real = product.re * re - (x->fn == EJ_KIND_COMPLEX ? product.im * im : 0);
        product.im = product.re * im + product.im * re;
        product.re = real;
        product.integer *= x->fn <= EJ_KIND_INT ? x->integer : 1; /* within i32: see literals_combine */
        if (x->fn > product.fn) product.fn = x->fn;
    }
    if (product.fn <= EJ_KIND_INT) product.re = product.im = 0;
    else product.integer = 0;
    if (product.fn != EJ_KIND_COMPLEX) product.im = 0;
    return product;
}

static enum ej_rule rule_of(const contraction *c, const ej_node *einsum, const proposal *p, uint32_t k)
{
    const ej_const_group *group = &p->groups[k];
    if (group->literals) return EJ_RULE_CONST_FACTORS;
    for (uint32_t i = 0; i < group->n; i++) {
        const ej_node *leaf = ej_const_of(c->graph, einsum->in[group->members[i]]);
        if (leaf->op == EJ_OP_CONSTANT && leaf->dtype != p->dtype) return EJ_RULE_CONST_DTYPE;
    }
    return EJ_RULE_CONST_CONTRACT;
}

/* The einsum over what is left of its operands; `made` has a value per group. */
static int write_einsum(contraction *c, const proposal *p, const ej_value *made)
{
    const ej_node kept = c->graph->nodes[p->v], *old = &kept; /* a copy: adding nodes moves them */
    uint32_t n = old->n_in, left = 0;
    ej_term *terms = EJ_JOB_ARRAY(c->job, ej_term, n);
    ej_value *in = EJ_JOB_ARRAY(c->job, ej_value, n), by;
    const ej_const_group **first = EJ_JOB_ARRAY(c->job, const ej_const_group *, n); /* per operand */
    bool *gone = EJ_JOB_ARRAY(c->job, bool, n);
    if (!terms || !in || !first || !gone) return ej_no_memory(c->job->err);
    for (uint32_t k = 0; k < p->n; k++) {
        for (uint32_t i = 1; i < p->groups[k].n; i++) gone[p->groups[k].members[i]] = true;
        if (p->groups[k].n) first[p->groups[k].members[0]] = &p->groups[k];
    }
    for (uint32_t t = 0; t < n; t++) {
        if (gone[t]) continue;
        terms[left] = first[t] ? first[t]->out : old->equation->terms[t];
        in[left++] = first[t] ? made[first[t] - p->groups] : old->in[t];
    }
    ej_node node = {.op = EJ_OP_EINSUM, .fn = old->fn, .combine = old->combine, .dtype = -1, .rank = -1};
    node.equation = write_equation(c, &c->graph->arena, old->equation, left, terms, &old->equation->out);
    if (!node.equation) return ej_no_memory(c->job->err);
    EJ_TRY(ej_edit_node(&c->edit, node, left, in, &by));
    bool first_rule = true;
    for (uint32_t k = 0; k < p->n; k++) {
        if (!p->groups[k].n) continue;
        if (!first_rule) ej_edit_also(&c->edit, rule_of(c, old, p, k));
        else if (!ej_edit_replace(&c->edit, p->v, by, rule_of(c, old, p, k))) break;
        first_rule = false;
    }
    return EINJIT_OK;
}

/* *next: the first result that is not used yet. */
static int apply(contraction *c, proposal *p, const ej_evaluated **next)
{
    ej_value *made = EJ_JOB_ARRAY(c->job, ej_value, p->n);
    bool any = false;
    if (!made) return ej_no_memory(c->job->err);
    for (uint32_t k = 0; k < p->n; k++) {
        ej_const_group *group = &p->groups[k];
        if (group->literals) {
            ej_node product = product_of_literals(c, &c->graph->nodes[p->v], group);
            EJ_TRY(ej_edit_add(&c->edit, &product, &made[k]));
        } else {
            const ej_evaluated *result = (*next)++;
            if (is_finite(result)) EJ_TRY(ej_const_put(&c->edit, result, group->structural, &made[k]));
            else group->n = 0;
        }
        any |= group->n > 0;
    }
    return any ? write_einsum(c, p, made) : EINJIT_OK;
}

static int contract(contraction *c)
{
    for (size_t v = 0; v < c->graph->n_nodes; v++) {
        EJ_TRY(ej_edit_ask(&c->edit));
        if (c->graph->nodes[v].op == EJ_OP_EINSUM) EJ_TRY(propose(c, (ej_value)v));
    }
    ej_evaluated *results = EJ_JOB_ARRAY(c->job, ej_evaluated, c->n_results);
    if (!results) return ej_no_memory(c->job->err);
    int status = c->n_results ? c->job->evaluator->evaluate(results, &c->mini.graph, c->job) : EINJIT_OK;
    if (status) return status == EINJIT_E_NOMEM ? status : EINJIT_OK; /* whatever is wrong there is bind's to say */
    const ej_evaluated *next = results;
    for (size_t i = 0; i < c->n; i++) EJ_TRY(apply(c, &c->proposals[i], &next));
    return EINJIT_OK;
}

int ej_const_contract(ej_graph *graph, ej_job *job, ej_const_budget *budget, size_t *n_changed)
{
    contraction c = {.graph = graph, .job = job};
    size_t labels = 1;
    for (size_t v = 0; v < graph->n_nodes; v++) {
        const ej_equation *equation = graph->nodes[v].equation;
        if (equation && equation->n_labels > labels) labels = equation->n_labels;
    }
    c.image = EJ_JOB_ARRAY(job, int32_t, labels);
    if (!c.image) return ej_no_memory(job->err);
    EJ_TRY(ej_const_groups_create(&c.groups, graph, job, budget));
    EJ_TRY(ej_edit_begin(&c.edit, graph, job));
    EJ_TRY(ej_const_subgraph_open(&c.mini, graph, job));
    int status = contract(&c);
    ej_const_subgraph_close(&c.mini);
    return status ? status : ej_edit_commit(&c.edit, false, n_changed);
}
