/* opt_const_group.c - which constant operands of an einsum are contracted before anything else.
 *
 * Takes  an einsum with constant operands, and others.
 * Gives  disjoint groups. A group pays for sure: its result, with the labels that the rest needs, has no more elements
 *        than its constants have together, so whatever would have read them reads no more than before. Factors
 *        (operands without axes) go into a constant that nobody else uses, or into each other.
 * Keeps  apart what would have another dtype than the einsum computes in; what is no sum of products, unless nothing is
 *        summed; terms with an ellipsis; and what might leave the range of the dtype where the written order did not:
 *        the products of the largest and of the smallest magnitudes of a group must lie between 2^-100 and 2^100
 *        (computing in f64 between 2^-900 and 2^900).
 * Size   linear in labels, and in the elements of what is contracted; where constants that hang together do not pay
 *        together, pairs are tried among at most MAX_PAIRED of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "opt_const.h"
#include "facts_zero.h"
#include "graph_element.h"

enum { MAX_PAIRED = 32, SAFE_SINGLE = 100, SAFE_DOUBLE = 900 };

int ej_const_groups_create(ej_const_groups *g, const ej_graph *graph, ej_job *job, ej_const_budget *budget)
{
    size_t labels = 1, terms = 1;
    for (size_t v = 0; v < graph->n_nodes; v++) {
        const ej_equation *equation = graph->nodes[v].equation;
        if (!equation) continue;
        if (equation->n_labels > labels) labels = equation->n_labels;
        if (equation->n_terms > terms) terms = equation->n_terms;
    }
    *g = (ej_const_groups){.graph = graph, .job = job, .budget = budget};
    g->dtypes = ej_facts_dtypes(graph, job->arena);
    g->uses = ej_graph_uses(graph, job->arena);
    g->zeros = g->dtypes ? ej_facts_zeros(graph, g->dtypes, job->arena) : NULL;
    g->extents = EJ_JOB_ARRAY(job, int64_t, labels);
    g->outside = EJ_JOB_ARRAY(job, bool, labels);
    g->held = EJ_JOB_ARRAY(job, uint32_t, labels);
    g->have = EJ_JOB_ARRAY(job, uint32_t, labels);
    g->owner = EJ_JOB_ARRAY(job, int32_t, labels);
    g->constant = EJ_JOB_ARRAY(job, bool, terms);
    g->taken = EJ_JOB_ARRAY(job, bool, terms);
    g->parent = EJ_JOB_ARRAY(job, int32_t, terms);
    g->head = EJ_JOB_ARRAY(job, int32_t, terms);
    g->next = EJ_JOB_ARRAY(job, int32_t, terms);
    g->members = EJ_JOB_ARRAY(job, uint32_t, terms);
    g->factors = EJ_JOB_ARRAY(job, uint32_t, terms);
    bool room = g->zeros && g->uses && g->extents && g->outside && g->held && g->have && g->owner && g->constant &&
                g->taken && g->parent && g->head && g->next && g->members && g->factors;
    return room ? EINJIT_OK : ej_no_memory(job->err);
}

/* ---- magnitudes ---- */

typedef struct range { /* exponents of two; `zero`: nothing that is not 0 was seen */
    int low, high;
    bool zero, finite;
} range;

static void see(range *r, double x)
{
    int exponent;
    if (!isfinite(x)) r->finite = false;
    if (x == 0 || !isfinite(x)) return;
    frexp(x, &exponent);
    if (r->zero || exponent - 1 < r->low) r->low = exponent - 1;
    if (r->zero || exponent > r->high) r->high = exponent;
    r->zero = false;
}

/* Of complex numbers a part. */
static double element(const ej_node *constant, int64_t i)
{
    int real = ej_dtypes[constant->dtype].real;
    if (ej_dtype_is_half(real)) return NAN;
    ej_number number = ej_element_load(real, constant->data, (size_t)i);
    return number.kind == EJ_KIND_FLOAT ? number.re : (double)number.integer;
}

static range magnitudes(const ej_graph *graph, ej_value leaf)
{
    const ej_node *node = ej_const_of(graph, leaf);
    range r = {.zero = true, .finite = true};
    if (node->op == EJ_OP_SCALAR) {
        see(&r, node->fn <= EJ_KIND_INT ? (double)node->integer : node->re);
        if (node->fn == EJ_KIND_COMPLEX) see(&r, node->im);
        return r;
    }
    int64_t n = ej_const_elements(node) * (ej_dtype_is_complex(node->dtype) ? 2 : 1);
    for (int64_t i = 0; i < n && r.finite; i++) see(&r, element(node, i));
    return r;
}

/* No product of the members' elements leaves the range of the dtype, nor what is computed from it where the einsum as
 * written would not. */
static bool is_safe(const ej_const_groups *g, const uint32_t *members, uint32_t n)
{
    long low = 0, high = 0;
    bool wide = g->dtype == EINJIT_F64 || g->dtype == EINJIT_C128;
    long bound = wide ? SAFE_DOUBLE : SAFE_SINGLE;
    if (g->dtype >= 0 && ej_dtypes[g->dtype].kind <= EJ_KIND_INT) return true;
    for (uint32_t i = 0; i < n; i++) {
        range r = magnitudes(g->graph, g->node->in[members[i]]);
        if (!r.finite) return false;
        if (r.zero) continue;
        if (r.low < 0) low += r.low;
        if (r.high > 0) high += r.high;
    }
    return low >= -bound && high <= bound;
}

/* ---- what a group would be ---- */

static bool is_sum_of_products(const ej_const_groups *g)
{
    return g->node->fn == EINJIT_REDUCE_SUM && g->node->combine == EINJIT_COMBINE_MUL;
}

static bool is_needed(const ej_const_groups *g, int32_t label)
{
    return g->outside[label] || g->have[label] < g->held[label];
}

/* Each label of a term once. */
static bool is_first(const ej_term *term, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (term->labels[k] == term->labels[i]) return false;
    return true;
}

static void count_labels(ej_const_groups *g, const uint32_t *members, uint32_t n)
{
    for (uint32_t m = 0; m < n; m++) {
        const ej_term *term = &g->node->equation->terms[members[m]];
        for (uint32_t i = 0; i < term->n; i++)
            if (is_first(term, i)) g->have[term->labels[i]]++;
    }
}

typedef struct outcome {
    double elements, work, before;
    uint32_t n_out;
    bool sums;
} outcome;

/* Labels are counted in g->have; `out` (NULL: not wanted) gets the needed ones in order. */
static outcome look(ej_const_groups *g, const uint32_t *members, uint32_t n, int32_t *out)
{
    outcome o = {.elements = 1, .work = n};
    for (uint32_t m = 0; m < n; m++) {
        uint32_t t = members[m];
        const ej_term *term = &g->node->equation->terms[t];
        const ej_node *node = ej_const_of(g->graph, g->node->in[t]);
        o.before += node->op == EJ_OP_SCALAR ? 1 : (double)ej_const_elements(node);
        for (uint32_t i = 0; i < term->n; i++) {
            int32_t label = term->labels[i];
            if (!g->have[label]) continue;
            bool needed = is_needed(g, label);
            g->have[label] = 0; /* seen; once is enough */
            o.work *= (double)g->extents[label];
            o.sums |= !needed;
            if (!needed) continue;
            o.elements *= (double)g->extents[label];
            if (out) out[o.n_out] = label;
            o.n_out++;
        }
    }
    return o;
}

static bool is_allowed(const ej_const_groups *g, const outcome *o)
{
    if (g->dtype < 0) return false;
    if (g->zeros[g->v] && o->sums) return false; /* a zero of theirs would get the sign of a factor */
    if (is_sum_of_products(g)) return true;
    bool whole = ej_dtypes[g->dtype].kind <= EJ_KIND_INT;
    if (g->node->fn == EINJIT_REDUCE_OR || g->dtype == EINJIT_BOOL) return false;
    return !o->sums && !(whole && g->node->fn == EINJIT_REDUCE_LOGSUMEXP);
}

static bool is_worth_it(const ej_const_groups *g, const outcome *o, uint32_t n)
{
    bool fewer = n > 1 ? o->elements <= o->before : o->elements < o->before;
    return fewer && o->work <= g->budget->work && o->elements * ej_dtypes[g->dtype].bytes <= (double)g->budget->bytes;
}

static int compare_members(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int add_group(ej_const_groups *g, const uint32_t *members, uint32_t n, const outcome *o)
{
    if (!EJ_PUSH_ROOM(g->job->arena, g->groups, g->cap_groups, g->n)) return ej_no_memory(g->job->err);
    ej_const_group *group = &g->groups[g->n];
    *group = (ej_const_group){.n = n, .elements = (int64_t)o->elements, .work = o->work, .out.n = o->n_out};
    group->members = EJ_JOB_ARRAY(g->job, uint32_t, n);
    group->out.labels = EJ_JOB_ARRAY(g->job, int32_t, o->n_out);
    if (!group->members || !group->out.labels) return ej_no_memory(g->job->err);
    memcpy(group->members, members, n * sizeof *members);
    qsort(group->members, n, sizeof *members, compare_members);
    count_labels(g, group->members, n);
    look(g, group->members, n, group->out.labels);
    for (uint32_t i = 0; i < n; i++) g->taken[members[i]] = true;
    g->n++;
    return EINJIT_OK;
}

static void pay(ej_const_groups *g, const outcome *o)
{
    g->budget->work -= o->work;
    g->budget->bytes -= (int64_t)o->elements * ej_dtypes[g->dtype].bytes;
}

static int try_group(ej_const_groups *g, const uint32_t *members, uint32_t n)
{
    count_labels(g, members, n);
    outcome o = look(g, members, n, NULL);
    if (!is_allowed(g, &o) || !is_worth_it(g, &o, n) || !is_safe(g, members, n)) return EINJIT_OK;
    pay(g, &o);
    return add_group(g, members, n, &o);
}

/* ---- constants that hang together ---- */

static int32_t root_of(ej_const_groups *g, int32_t t)
{
    while (g->parent[t] != t) t = g->parent[t] = g->parent[g->parent[t]];
    return t;
}

/* A constant whose term says as many axes as it has; wrong programs are bind's. */
static bool is_constant_operand(const ej_const_groups *g, uint32_t t)
{
    const ej_term *term = &g->node->equation->terms[t];
    if (!ej_const_is_leaf(&g->graph->nodes[g->node->in[t]])) return false;
    const ej_node *node = ej_const_of(g->graph, g->node->in[t]);
    if (term->n != (node->op == EJ_OP_SCALAR ? 0 : node->n_extents)) return false;
    return !ej_term_has(term, EJ_ELLIPSIS);
}

static void connect(ej_const_groups *g, uint32_t t)
{
    const ej_term *term = &g->node->equation->terms[t];
    const ej_node *node = ej_const_of(g->graph, g->node->in[t]);
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (node->extents[i].n != 1) g->extents[label] = node->extents[i].n; /* 1 stretches */
        if (is_first(term, i)) g->held[label]++;
        if (g->owner[label] < 0) g->owner[label] = (int32_t)t;
        g->parent[root_of(g, (int32_t)t)] = root_of(g, g->owner[label]);
    }
}

/* False: nothing to contract here. */
static bool read_einsum(ej_const_groups *g)
{
    const ej_equation *equation = g->node->equation;
    uint32_t n = equation->n_terms, n_constants = 0;
    for (uint32_t t = 0; t < n; t++) n_constants += g->constant[t] = is_constant_operand(g, t);
    if (!n_constants || n_constants == n) return false;
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        g->extents[l] = 1;
        g->outside[l] = false;
        g->held[l] = g->have[l] = 0;
        g->owner[l] = -1;
    }
    for (uint32_t t = 0; t < n; t++) {
        g->parent[t] = (int32_t)t;
        g->head[t] = g->next[t] = -1;
        g->taken[t] = false;
    }
    for (uint32_t t = 0; t < n; t++) {
        const ej_term *term = &equation->terms[t];
        if (g->constant[t]) connect(g, t);
        for (uint32_t i = 0; !g->constant[t] && i < term->n; i++)
            if (term->labels[i] != EJ_ELLIPSIS && !EJ_BROKEN(CONST_CONTRACT)) g->outside[term->labels[i]] = true;
    }
    for (uint32_t i = 0; i < equation->out.n; i++)
        if (equation->out.labels[i] != EJ_ELLIPSIS) g->outside[equation->out.labels[i]] = true;
    return true;
}

static bool share_a_label(const ej_term *a, const ej_term *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < b->n; k++)
            if (a->labels[i] == b->labels[k]) return true;
    return false;
}

/* Where all of them do not pay, two may; or one, when it has a label of its own. */
static int try_parts(ej_const_groups *g, uint32_t n)
{
    uint32_t members[MAX_PAIRED];
    const ej_term *terms = g->node->equation->terms;
    if (n > MAX_PAIRED) return EINJIT_OK;
    memcpy(members, g->members, n * sizeof *members);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = i + 1; k < n && !g->taken[members[i]]; k++) {
            const uint32_t pair[2] = {members[i], members[k]};
            if (g->taken[pair[1]] || n == 2 || !share_a_label(&terms[pair[0]], &terms[pair[1]])) continue;
            EJ_TRY(try_group(g, pair, 2));
        }
        if (!g->taken[members[i]] && n > 1) EJ_TRY(try_group(g, &members[i], 1));
    }
    return EINJIT_OK;
}

static int group_constants(ej_const_groups *g, uint32_t n_terms)
{
    for (uint32_t t = n_terms; t-- > 0;) {
        if (!g->constant[t] || !g->node->equation->terms[t].n) continue;
        int32_t root = root_of(g, (int32_t)t);
        g->next[t] = g->head[root];
        g->head[root] = (int32_t)t;
    }
    for (uint32_t root = 0; root < n_terms; root++) {
        uint32_t n = 0, n_groups = g->n;
        for (int32_t t = g->head[root]; t >= 0; t = g->next[t]) g->members[n++] = (uint32_t)t;
        if (!n) continue;
        EJ_TRY(try_group(g, g->members, n));
        if (g->n == n_groups) EJ_TRY(try_parts(g, n));
    }
    return EINJIT_OK;
}

/* ---- factors ---- */

/* Numbers that the reader would have made one, had they stood beside each other. As i32 their product must be one, and
 * so every product on the way (a zero behind them makes none of them smaller). */
static bool literals_combine(const ej_const_groups *g, uint32_t n)
{
    double product = 1;
    for (uint32_t i = 0; i < n; i++) {
        const ej_node *node = &g->graph->nodes[g->node->in[g->factors[i]]];
        if (node->op != EJ_OP_SCALAR) return false;
        product *= node->fn <= EJ_KIND_INT ? (double)node->integer : 1;
        if (fabs(product) > INT32_MAX) return false;
    }
    return is_sum_of_products(g) && is_safe(g, g->factors, n);
}

static bool is_factor_zero(const ej_const_groups *g, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (magnitudes(g->graph, g->node->in[g->factors[i]]).zero) return true;
    return false;
}

/* Constants that only this einsum uses can take them at no cost. */
static int32_t carrier(const ej_const_groups *g, uint32_t n_terms)
{
    for (uint32_t t = 0; t < n_terms; t++) {
        ej_value v = g->node->in[t];
        if (!g->constant[t] || g->taken[t] || !g->node->equation->terms[t].n || g->uses[v] != 1) continue;
        if (g->graph->nodes[v].op != EJ_OP_STRUCTURAL || g->uses[g->graph->nodes[v].in[0]] == 1) return (int32_t)t;
    }
    return -1;
}

static int group_factors(ej_const_groups *g, uint32_t n_terms)
{
    uint32_t n = 0;
    for (uint32_t t = 0; t < n_terms; t++)
        if (g->constant[t] && !g->node->equation->terms[t].n) g->factors[n++] = t;
    int32_t with = n ? carrier(g, n_terms) : -1;
    if (with >= 0) {
        uint32_t n_groups = g->n;
        g->members[0] = (uint32_t)with;
        memcpy(g->members + 1, g->factors, n * sizeof *g->factors);
        EJ_TRY(try_group(g, g->members, n + 1));
        if (g->n > n_groups) {
            ej_const_group *made = &g->groups[g->n - 1];
            bool same = made->elements == ej_const_elements(ej_const_of(g->graph, g->node->in[with]));
            made->structural =
                g->graph->nodes[g->node->in[with]].op == EJ_OP_STRUCTURAL && same && !is_factor_zero(g, n);
            return EINJIT_OK;
        }
    }
    if (n < 2) return EINJIT_OK;
    if (!literals_combine(g, n)) return try_group(g, g->factors, n);
    EJ_TRY(add_group(g, g->factors, n, &(outcome){.elements = 1}));
    g->groups[g->n - 1].literals = true;
    return EINJIT_OK;
}

int ej_const_groups_find(ej_const_groups *g, ej_value v)
{
    g->v = v;
    g->node = &g->graph->nodes[v];
    g->n = 0;
    g->cap_groups = 0;
    g->groups = NULL;
    if (g->node->op != EJ_OP_EINSUM || !read_einsum(g)) return EINJIT_OK;
    ej_known_dtype promoted = ej_known_promote(g->dtypes, g->node->n_in, g->node->in, NULL);
    g->dtype = promoted.dtype >= 0 && !promoted.weak ? promoted.dtype : -1;
    if (g->dtype >= 0 && ej_dtypes[g->dtype].computes != g->dtype) return EINJIT_OK; /* parts would be rounded */
    EJ_TRY(group_constants(g, g->node->n_in));
    return group_factors(g, g->node->n_in);
}
