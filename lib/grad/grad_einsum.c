/* grad_einsum.c - gradients of contractions: einsum, matmul, tensordot, and einsums over semirings.
 *
 * Takes  a contraction and its adjoint.
 * Gives  per operand an einsum of the adjoint with all other operands: for "ij,jk->ik" and the first, "ik,jk->ij".
 * Keeps  to what holds for every extent: a label may be 1 in one operand and not in another, so axes of the result are
 *        summed or stretched to the operand's shape unless its extents are known to be the same. Repeated labels of one
 *        operand are its diagonal, and come back as one.
 */
#include <string.h>

#include "grad_core.h"

typedef struct contraction {
    ej_grad *g;
    const ej_grad_at *at;
    const ej_subscripts *s;
    ej_value *factors; /* what the other operands contribute: their conjugates, or ones */
    ej_value adjoint;  /* of a value with the labels s->out */
    uint32_t *uses;    /* per label: terms that have it, the output counted like one */
    int32_t *seen;     /* per label: the last term that was counted */
} contraction;

/* ---- what is known of a label's extents ---- */

/* Of operand t's axis with the label; -1: the operand's rank is not known. */
static int32_t extent_in(const contraction *c, uint32_t t, int32_t label)
{
    const ej_known_shape *x = &c->g->shapes->of[c->at->node.in[t]];
    for (uint32_t i = 0; i < c->s->terms[t].n && x->rank >= 0; i++)
        if (c->s->terms[t].labels[i] == label) return x->extents[i];
    return -1;
}

static bool is_number(const contraction *c, int32_t extent, bool one)
{
    int64_t n = extent < 0 ? -1 : ej_extent_number(c->g->shapes, extent);
    return one ? n == 1 : n >= 0 && n != 1;
}

/* How the label's axis of the einsum over all others may differ from operand t's own. */
static void compare_axis(const contraction *c, uint32_t t, int32_t label, bool *may_sum, bool *may_stretch)
{
    int32_t own = extent_in(c, t, label);
    bool in_out = ej_term_has(&c->s->out, label), covers = in_out, all_same = own >= 0;
    for (uint32_t k = 0; k < c->s->n_terms; k++) {
        if (k == t || !ej_term_has(&c->s->terms[k], label)) continue;
        int32_t other = extent_in(c, k, label);
        all_same &= other == own || is_number(c, other, true);
        covers |= (own >= 0 && other == own) || is_number(c, other, false);
    }
    *may_stretch |= !covers && !is_number(c, own, true);
    *may_sum |= !all_same && !is_number(c, own, false);
}

/* ---- one operand ---- */

typedef struct share {
    ej_value value;
    ej_term axes; /* its labels; at first each label of the operand once */
    bool may_sum, may_stretch;
} share;

static int32_t *labels_for(contraction *c, size_t n)
{
    int32_t *out = EJ_JOB_ARRAY(c->g->job, int32_t, n);
    if (!out) ej_grad_no_memory(c->g);
    return out;
}

static bool once(contraction *c, const ej_term *term, ej_term *out)
{
    *out = (ej_term){0, labels_for(c, term->n)};
    for (uint32_t i = 0; out->labels && i < term->n; i++)
        if (!ej_term_has(out, term->labels[i])) out->labels[out->n++] = term->labels[i];
    return out->labels != NULL;
}

static bool same_term(const ej_term *a, const ej_term *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->labels, b->labels, a->n * sizeof *a->labels));
}

/* Labels that the operand has alone are summed alone there; of those it is known to have with extent 1, others are. */
static bool is_contracted(const contraction *c, uint32_t t, int32_t label)
{
    return c->uses[label] > 1 && !is_number(c, extent_in(c, t, label), true);
}

static void einsum_of_others(contraction *c, uint32_t t, share *out)
{
    uint32_t n = 0;
    ej_term *terms = EJ_JOB_ARRAY(c->g->job, ej_term, c->s->n_terms), kept = {0, labels_for(c, out->axes.n)};
    ej_value *in = EJ_JOB_ARRAY(c->g->job, ej_value, c->s->n_terms);
    if (!terms || !in) ej_grad_no_memory(c->g);
    if (c->g->status) return;
    in[n] = c->adjoint;
    terms[n++] = c->s->out;
    for (uint32_t k = 0; k < c->s->n_terms; k++) {
        if (k == t) continue;
        in[n] = c->factors[k];
        terms[n++] = c->s->terms[k];
    }
    for (uint32_t i = 0; i < out->axes.n; i++)
        if (is_contracted(c, t, out->axes.labels[i])) kept.labels[kept.n++] = out->axes.labels[i];
    out->value = n == 1 && same_term(&terms[0], &kept) ? in[0] : ej_grad_einsum(c->g, n, in, terms, &kept);
    for (uint32_t i = 0; i < out->axes.n; i++) {
        int64_t dim = i;
        if (is_contracted(c, t, out->axes.labels[i]))
            compare_axis(c, t, out->axes.labels[i], &out->may_sum, &out->may_stretch);
        else out->value = ej_grad_dims(c->g, EJ_OP_UNSQUEEZE, out->value, 1, &dim);
        if (c->uses[out->axes.labels[i]] == 1)
            out->may_stretch |= !is_number(c, extent_in(c, t, out->axes.labels[i]), true);
    }
}

/* `like` is the operand, or its diagonal where a label repeats. */
static void fit(contraction *c, uint32_t t, share *x)
{
    ej_grad *g = c->g;
    ej_value like = c->at->node.in[t];
    bool diagonal = x->axes.n != c->s->terms[t].n;
    if (!x->may_sum && !x->may_stretch) return;
    if (diagonal) like = ej_grad_einsum(g, 1, &like, &c->s->terms[t], &x->axes);
    if (x->may_sum && x->may_stretch)
        x->value = ej_grad_map2(g, EJ_FN_ADD, x->value, ej_grad_unary(g, EJ_OP_ZEROS_LIKE, like));
    if (x->may_sum) x->value = ej_grad_like(g, EJ_OP_SUM_TO_SIZE, x->value, like);
    else if (diagonal) x->value = ej_grad_like(g, EJ_OP_EXPAND_AS, x->value, like);
    else x->value = ej_grad_expand_to(g, x->value, like);
}

/* The axes of x in another order of the same labels; equal ones keep theirs, for it is all one diagonal. */
static void reorder(contraction *c, share *x, const ej_term *order)
{
    int64_t *dims = EJ_JOB_ARRAY(c->g->job, int64_t, order->n);
    bool *taken = EJ_JOB_ARRAY(c->g->job, bool, order->n);
    if (!dims || !taken) ej_grad_no_memory(c->g);
    if (c->g->status || same_term(order, &x->axes)) return;
    for (uint32_t i = 0; i < order->n; i++) {
        uint32_t k = 0;
        while (taken[k] || x->axes.labels[k] != order->labels[i]) k++;
        taken[k] = true;
        dims[i] = k;
    }
    x->value = ej_grad_dims(c->g, EJ_OP_PERMUTE, x->value, order->n, dims);
}

/* The axis with that label last, then once more beside it. */
static void double_label(contraction *c, share *x, int32_t label)
{
    ej_term order = {0, labels_for(c, (size_t)x->axes.n + 1)};
    if (!order.labels) return;
    for (uint32_t i = 0; i < x->axes.n; i++)
        if (x->axes.labels[i] != label) order.labels[order.n++] = x->axes.labels[i];
    while (order.n < x->axes.n) order.labels[order.n++] = label;
    reorder(c, x, &order);
    x->value = ej_grad_unary(c->g, EJ_OP_DIAG_EMBED, x->value);
    order.labels[order.n++] = label;
    x->axes = order;
}

/* From each label once to the operand's term. */
static void spread_diagonals(contraction *c, const ej_term *term, share *x)
{
    for (uint32_t i = 0; i < term->n && x->axes.n != term->n && !c->g->status; i++) {
        ej_term before = {i, term->labels};
        if (ej_term_has(&before, term->labels[i])) double_label(c, x, term->labels[i]);
    }
    if (!c->g->status) reorder(c, x, term);
}

static void give_operand(contraction *c, uint32_t t)
{
    share x = {.value = -1};
    if (!once(c, &c->s->terms[t], &x.axes)) return;
    einsum_of_others(c, t, &x);
    fit(c, t, &x);
    spread_diagonals(c, &c->s->terms[t], &x);
    ej_grad_give(c->g, c->at, t, x.value);
}

/* ---- all operands ---- */

static void count_uses(contraction *c, const ej_term *term, int32_t number)
{
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (c->seen[label] == number) continue;
        c->seen[label] = number;
        c->uses[label]++;
    }
}

static bool prepare(contraction *c, bool ones)
{
    ej_job *job = c->g->job;
    c->factors = EJ_JOB_ARRAY(job, ej_value, c->s->n_terms);
    c->uses = EJ_JOB_ARRAY(job, uint32_t, c->s->n_labels);
    c->seen = EJ_JOB_ARRAY(job, int32_t, c->s->n_labels);
    if (!c->factors || !c->uses || !c->seen) {
        ej_grad_no_memory(c->g);
        return false;
    }
    for (uint32_t t = 0; t < c->s->n_terms; t++) {
        ej_value x = c->at->node.in[t];
        count_uses(c, &c->s->terms[t], (int32_t)t + 1);
        if (!ones) c->factors[t] = ej_grad_conj(c->g, x);
        else c->factors[t] = ej_grad_ones_like(c->g, x);
    }
    count_uses(c, &c->s->out, (int32_t)c->s->n_terms + 1);
    return !c->g->status;
}

void ej_grad_contraction(ej_grad *g, const ej_grad_at *at, const ej_subscripts *s, bool ones, ej_value adjoint)
{
    contraction c = {.g = g, .at = at, .s = s, .adjoint = adjoint};
    if (g->status || !prepare(&c, ones)) return;
    for (uint32_t t = 0; t < s->n_terms && !g->status; t++)
        if (ej_grad_wants(g, at, t)) give_operand(&c, t);
}

/* ---- semirings ---- */

/* All labels: those of the result, then the reduced ones. */
static bool all_labels(ej_grad *g, const ej_subscripts *s, ej_term *out)
{
    bool *used = EJ_JOB_ARRAY(g->job, bool, s->n_labels);
    *out = (ej_term){0, EJ_JOB_ARRAY(g->job, int32_t, s->n_labels)};
    if (!used || !out->labels) {
        ej_grad_no_memory(g);
        return false;
    }
    for (uint32_t t = 0; t <= s->n_terms; t++) {
        const ej_term *term = t ? &s->terms[t - 1] : &s->out;
        for (uint32_t i = 0; i < term->n; i++) {
            if (!used[term->labels[i]]) out->labels[out->n++] = term->labels[i];
            used[term->labels[i]] = true;
        }
    }
    return true;
}

static ej_value behind(ej_grad *g, ej_value x, uint32_t n)
{
    const int64_t last = -1;
    for (uint32_t i = 0; i < n; i++) x = ej_grad_dims(g, EJ_OP_UNSQUEEZE, x, 1, &last);
    return x;
}

/* The terms written out, reduced over their last n axes: the adjoint of each term. The largest is looked for again, for
 * one term has to be equal to it, whatever the order of the factors was; terms that tie share evenly. */
static ej_value adjoint_of_terms(ej_grad *g, const ej_grad_at *at, ej_value terms, uint32_t n)
{
    ej_value adjoint = behind(g, at->g, n);
    int64_t *dims = EJ_JOB_ARRAY(g->job, int64_t, n);
    if (!dims) ej_grad_no_memory(g);
    if (g->status) return -1;
    for (uint32_t i = 0; i < n; i++) dims[i] = -1 - (int64_t)i;
    if (at->node.fn == EINJIT_REDUCE_LOGSUMEXP) {
        ej_value weight = ej_grad_map1(g, EJ_FN_EXP, ej_grad_map2(g, EJ_FN_SUB, terms, behind(g, at->v, n)));
        return ej_grad_map2(g, EJ_FN_MUL, adjoint, weight);
    }
    ej_value top = ej_grad_reduce(g, at->node.fn, terms, n, dims, true);
    ej_value chosen = ej_grad_indicator(g, ej_grad_map2(g, EJ_FN_EQ, terms, top), terms);
    ej_value count = ej_grad_reduce(g, EINJIT_REDUCE_SUM, chosen, n, dims, true);
    return ej_grad_map2(g, EJ_FN_MUL, ej_grad_map2(g, EJ_FN_DIV, adjoint, count), chosen);
}

static void of_semiring(ej_grad *g, const ej_grad_at *at, const ej_subscripts *s)
{
    ej_subscripts spread = *s;
    if (!all_labels(g, s, &spread.out)) return;
    ej_value terms = ej_grad_einsum(g, s->n_terms, at->node.in, s->terms, &spread.out);
    if (terms >= 0) g->graph->nodes[terms].combine = at->node.combine;
    uint32_t n = spread.out.n - s->out.n;
    ej_value adjoint = n ? adjoint_of_terms(g, at, terms, n) : at->g;
    ej_grad_contraction(g, at, &spread, at->node.combine == EINJIT_COMBINE_ADD, adjoint);
}

/* ---- the operations ---- */

/* A term stands for as many axes as its operand has; only where that is not known the letters say it. */
static bool resolve(ej_grad *g, const ej_grad_at *at, ej_subscripts *out)
{
    const ej_equation *equation = at->node.equation;
    int32_t *ranks = EJ_JOB_ARRAY(g->job, int32_t, at->node.n_in);
    uint32_t t = 0;
    if (!ranks) ej_grad_no_memory(g);
    for (; t < at->node.n_in && !g->status; t++) {
        ranks[t] = g->shapes->of[at->node.in[t]].rank;
        if (ranks[t] >= 0) continue;
        bool ellipsis = ej_term_has(&equation->terms[t], EJ_ELLIPSIS);
        ranks[t] = ellipsis ? ej_grad_rank(g, at->node.in[t]) : (int32_t)equation->terms[t].n;
    }
    if (g->status) return false;
    ej_grad_fail(g, ej_equation_resolve(out, g->job->arena, equation, ranks, g->job->err));
    if (g->status != EINJIT_E_RANK) return !g->status;
    for (t = 0; ej_term_fits(&equation->terms[t], ranks[t]); t++) {}
    ej_fail_more(g->job->err, " (operand '%.100s' of einsum '%.100s')", g->graph->nodes[at->node.in[t]].name,
                 at->node.name);
    return false;
}

void ej_grad_of_einsum(ej_grad *g, const ej_grad_at *at)
{
    ej_subscripts s;
    if (!resolve(g, at, &s)) return;
    if (at->node.fn == EINJIT_REDUCE_SUM) ej_grad_contraction(g, at, &s, at->node.combine == EINJIT_COMBINE_ADD, at->g);
    else of_semiring(g, at, &s);
}

/* Room for the labels of two operands with so many axes in all. */
static bool two_terms(ej_grad *g, const ej_grad_at *at, ej_subscripts *s)
{
    int32_t a = ej_grad_rank(g, at->node.in[0]), b = ej_grad_rank(g, at->node.in[1]);
    if (g->status) return false;
    *s = (ej_subscripts){.n_terms = 2, .n_labels = (uint32_t)(a + b)};
    s->terms = EJ_JOB_ARRAY(g->job, ej_term, 2);
    int32_t *labels = EJ_JOB_ARRAY(g->job, int32_t, 2 * (size_t)(a + b));
    if (!s->terms || !labels) {
        ej_grad_no_memory(g);
        return false;
    }
    s->terms[0] = (ej_term){(uint32_t)a, labels};
    s->terms[1] = (ej_term){(uint32_t)b, labels + a};
    s->out = (ej_term){0, labels + a + b};
    for (int32_t i = 0; i < a + b; i++) labels[i] = i;
    return true;
}

void ej_grad_of_matmul(ej_grad *g, const ej_grad_at *at)
{
    ej_subscripts s;
    if (!two_terms(g, at, &s)) return;
    ej_term *a = &s.terms[0], *b = &s.terms[1], *out = &s.out;
    if (!a->n || !b->n) {
        ej_grad_fail(
            g, ej_fail(g->job->err, EINJIT_E_RANK, "matmul (value '%.100s') of a value without axes", at->node.name));
        return;
    }
    uint32_t batch_a = a->n > 2 ? a->n - 2 : 0, batch_b = b->n > 2 ? b->n - 2 : 0;
    b->labels[b->n > 1 ? b->n - 2 : 0] = a->labels[a->n - 1];
    for (uint32_t i = 1; i <= batch_a && i <= batch_b; i++) b->labels[batch_b - i] = a->labels[batch_a - i];
    const ej_term *longer = batch_a >= batch_b ? a : b;
    for (uint32_t i = 0; i < (batch_a >= batch_b ? batch_a : batch_b); i++) out->labels[out->n++] = longer->labels[i];
    if (a->n > 1) out->labels[out->n++] = a->labels[a->n - 2];
    if (b->n > 1) out->labels[out->n++] = b->labels[b->n - 1];
    ej_grad_contraction(g, at, &s, false, at->g);
}

void ej_grad_of_tensordot(ej_grad *g, const ej_grad_at *at)
{
    ej_subscripts s;
    if (!two_terms(g, at, &s)) return;
    ej_term *a = &s.terms[0], *b = &s.terms[1];
    int64_t n = at->node.n_dims ? at->node.n_dims / 2 : at->node.integer > 0 ? at->node.integer : 0;
    bool fits = n <= a->n && n <= b->n;
    for (int64_t i = 0; i < n && fits; i++) {
        int64_t p = at->node.n_dims ? at->node.dims[i] : (int64_t)a->n - n + i,
                q = at->node.n_dims ? at->node.dims[n + i] : i;
        p += p < 0 ? a->n : 0;
        q += q < 0 ? b->n : 0;
        fits = p >= 0 && p < a->n && q >= 0 && q < b->n;
        if (fits) b->labels[q] = a->labels[p];
    }
    if (!fits) {
        ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_VALUE, "the axes of tensordot (value '%.100s') are out of range",
                                at->node.name));
        return;
    }
    for (uint32_t i = 0; i < a->n; i++)
        if (!ej_term_has(b, a->labels[i])) s.out.labels[s.out.n++] = a->labels[i];
    for (uint32_t i = 0; i < b->n; i++)
        if (b->labels[i] >= (int32_t)a->n) s.out.labels[s.out.n++] = b->labels[i];
    ej_grad_contraction(g, at, &s, false, at->g);
}
