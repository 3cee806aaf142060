/* opt_scalar_write.c - the graph with every factor where it was decided to end.
 *
 * Takes  per node whether it works on bare operands, its factor, and whether that is multiplied in here.
 * Gives  per value a bare node, and where somebody needs it the full one: bare times factor, in one operation over the
 *        array. A node whose operands stay the same and whose factor is its own stays as it is written.
 * Keeps  the dtype: a product of values of rank 0 is computed in the dtype of the array that it multiplies.
 */
#include <string.h>

#include "opt_scalar.h"

typedef struct writer {
    ej_scaling *s;
    ej_edit edit;
    ej_value *bare, *full; /* per old value; full -1: not written yet */
    ej_value *in;          /* of the node being written */
} writer;

/* ---- bare times factor ---- */

static int literal(writer *w, const ej_factor *f, ej_value *out)
{
    const ej_node node = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX, .dtype = -1, .re = f->re, .im = f->im};
    return f->im == 0 ? ej_edit_float(&w->edit, f->re, out) : ej_edit_add(&w->edit, &node, out);
}

static int map2(writer *w, int fn, ej_value a, ej_value b, ej_value *out)
{
    return ej_edit_map(&w->edit, fn, 2, (ej_value[]){a, b}, out);
}

/* x times the number of f; x has rank 0 or is the array. */
static int times_number(writer *w, const ej_factor *f, ej_value x, ej_value *out)
{
    ej_value number;
    *out = x;
    if (f->re == 1 && f->im == 0 && !f->inverse) return EINJIT_OK;
    if (f->re == -1 && f->im == 0 && !f->inverse) return ej_edit_map(&w->edit, EJ_FN_NEG, 1, &x, out);
    EJ_TRY(literal(w, f, &number));
    return map2(w, f->inverse ? EJ_FN_DIV : EJ_FN_MUL, x, number, out);
}

static int full_of(writer *w, ej_value v, ej_value *out);

/* A value of rank 0 in the array's precision. */
static int widened(writer *w, ej_value v, int dtype, ej_value *out)
{
    int own = w->s->dtypes[v].dtype;
    int wanted = ej_dtype_is_complex(own) ? dtype : ej_dtypes[dtype].real;
    EJ_TRY(full_of(w, v, out));
    if (wanted == own) return EINJIT_OK;
    const ej_node cast = {.op = EJ_OP_CAST, .dtype = (int16_t)wanted, .rank = -1};
    return ej_edit_node(&w->edit, cast, 1, (ej_value[]){*out}, out);
}

/* A value of rank 0 with the number of the factor in it. */
static int carried(writer *w, ej_factor_use use, const ej_factor *number, int dtype, ej_value *out)
{
    ej_factor taken = *number;
    ej_value above;
    EJ_TRY(widened(w, use.value, dtype, out));
    if (!use.below) return times_number(w, &taken, *out, out);
    if (!taken.inverse) { /* number / value, which multiplies */
        EJ_TRY(literal(w, &taken, &above));
        return map2(w, EJ_FN_DIV, above, *out, out);
    }
    taken.inverse = false;
    return times_number(w, &taken, *out, out);
}

/* One after the other: see opt_scalar_factor.c. */
static int multiplied(writer *w, ej_value bare, const ej_factor *f, int dtype, ej_value *out)
{
    ej_factor number = ej_factor_only_number(*f);
    uint8_t carrier = ej_factor_carrier(f, (ej_known_dtype){.dtype = (int16_t)dtype});
    *out = bare;
    if (carrier == f->n) EJ_TRY(times_number(w, &number, bare, out));
    for (uint8_t i = 0; i < f->n; i++) {
        ej_factor_use use = f->uses[i];
        ej_value by;
        if (EJ_BROKEN(SCALAR_RUNTIME) && i) continue;
        if (i == carrier) EJ_TRY(carried(w, use, &number, dtype, &by));
        else EJ_TRY(full_of(w, use.value, &by));
        bool divides = use.below && !(i == carrier && !number.inverse);
        EJ_TRY(map2(w, divides ? EJ_FN_DIV : EJ_FN_MUL, *out, by, out));
    }
    return EINJIT_OK;
}

static int full_of(writer *w, ej_value v, ej_value *out)
{
    const ej_factor *f = &w->s->push[v].factor;
    if (w->full[v] < 0) EJ_TRY(multiplied(w, w->bare[v], f, w->s->dtypes[v].dtype, &w->full[v]));
    *out = w->full[v];
    return EINJIT_OK;
}

/* ---- bare nodes ---- */

static bool same_labels(const ej_term *a, const ej_term *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->labels, b->labels, a->n * sizeof *a->labels));
}

static bool all_differ(const ej_term *term)
{
    for (uint32_t i = 0; i < term->n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (term->labels[i] == term->labels[j]) return false;
    return true;
}

/* The einsum without its scalars. What is left of einsum(",ij->ij", s, x) is x. */
static int einsum_of_arrays(writer *w, ej_value v, const ej_node *node, ej_value *out)
{
    ej_arena *arena = &w->s->graph->arena;
    const uint8_t *roles = w->s->roles + w->s->edges[v];
    ej_equation *equation = EJ_NEW(arena, ej_equation);
    ej_term *terms = EJ_NEW_ARRAY(arena, ej_term, node->n_in);
    uint32_t n = 0;
    if (!equation || !terms) return ej_no_memory(w->s->job->err);
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (roles[k] != EJ_ROLE_ARRAY) continue;
        terms[n] = node->equation->terms[k];
        w->in[n++] = w->in[k];
    }
    *equation = *node->equation;
    equation->n_terms = n;
    equation->terms = terms;
    *out = w->in[0];
    if (n == 1 && same_labels(&terms[0], &equation->out) && all_differ(&terms[0])) return EINJIT_OK;
    ej_node made = *node;
    made.equation = equation;
    return ej_edit_node(&w->edit, made, n, w->in, out);
}

/* With the operands in w->in. */
static int changed_node(writer *w, ej_value v, ej_node node, ej_value *out)
{
    const ej_push *push = &w->s->push[v];
    if (push->absorbs) {
        w->in[1] = w->in[node.n_in - 1];
        EJ_TRY(literal(w, &push->number, &w->in[0]));
        return ej_edit_map(&w->edit, EJ_FN_DIV, 2, w->in, out);
    }
    if (push->flip) node.fn = ej_facts_linear(w->s->graph, &node).flipped;
    if (push->swap) {
        ej_value first = w->in[0];
        w->in[0] = w->in[1];
        w->in[1] = first;
    }
    return ej_edit_node(&w->edit, node, node.n_in, w->in, out);
}

/* Fills w->in; false: nothing differs from what is written. */
static int operands_of(writer *w, ej_value v, const ej_node *node, bool *changed)
{
    const ej_scaling *s = w->s;
    ej_linear linear = ej_facts_linear(s->graph, node);
    const ej_push *push = &s->push[v];
    *changed = push->flip || push->swap || push->absorbs;
    for (uint32_t k = 0; k < node->n_in; k++) {
        bool inside = k >= linear.first && k < linear.first + linear.n && s->roles[s->edges[v] + k] == EJ_ROLE_ARRAY;
        w->in[k] = w->bare[node->in[k]];
        if (!(push->through && inside) && !ej_linear_is_like(&linear, k)) EJ_TRY(full_of(w, node->in[k], &w->in[k]));
        *changed |= w->in[k] != node->in[k];
    }
    return EINJIT_OK;
}

static int bare_node(writer *w, ej_value v, const ej_node *node, bool changed, ej_value *out)
{
    const uint8_t *roles = w->s->roles + w->s->edges[v];
    *out = v;
    if (w->s->n_own[v] && node->op == EJ_OP_EINSUM) return einsum_of_arrays(w, v, node, out);
    if (w->s->n_own[v]) {
        *out = w->in[roles[0] != EJ_ROLE_ARRAY];
        return EINJIT_OK;
    }
    return changed ? changed_node(w, v, *node, out) : EINJIT_OK;
}

/* By which rule the node takes the factors of its operands. */
static enum ej_rule rule_of(const ej_scaling *s, const ej_node *node, const ej_push *push)
{
    ej_linear linear = ej_facts_linear(s->graph, node);
    bool joint = linear.kind == EJ_LINEAR_JOINT;
    if (push->absorbs) return EJ_RULE_SCALAR_ABSORB;
    if (joint && linear.subtracts && (push->flip || push->swap)) return EJ_RULE_SCALAR_SIGNS;
    if (push->flip) return EJ_RULE_LINEAR_FLIP;
    if (joint) return EJ_RULE_SCALAR_IN_STEP;
    if (linear.n == 2 && node->in[0] == node->in[1]) return EJ_RULE_SCALAR_REPEATED;
    if (push->factor.n > 1) return EJ_RULE_SCALAR_RUNTIME;
    if (node->op != EJ_OP_MAP) return EJ_RULE_LINEAR_EACH;
    switch (node->fn) {
    case EJ_FN_DIV:
        if (ej_factor_is_one(ej_scalar_pending(s, node->in[1]))) return EJ_RULE_LINEAR_EACH;
        return EJ_RULE_LINEAR_DENOMINATOR;
    case EJ_FN_RECIPROCAL: return EJ_RULE_LINEAR_DENOMINATOR;
    case EJ_FN_SQUARE: return EJ_RULE_LINEAR_SQUARE;
    case EJ_FN_ABS: return EJ_RULE_LINEAR_ABS;
    case EJ_FN_CONJ: return EJ_RULE_LINEAR_CONJ;
    case EJ_FN_RELU: return EJ_RULE_LINEAR_RELU;
    default: return EJ_RULE_LINEAR_EACH;
    }
}

static bool takes_factors(const ej_scaling *s, const ej_node *node, const ej_push *push)
{
    for (uint32_t k = 0; push->through && k < node->n_in; k++)
        if (!ej_factor_is_one(ej_scalar_pending(s, node->in[k]))) return true;
    return false;
}

/* The value's factor, if it has one, ends here: what follows the last rewrite that is allowed stays as it is
 * written. */
static void end_at(ej_scaling *s, ej_value v)
{
    s->push[v] = (ej_push){.factor = ej_factor_one};
    s->n_own[v] = 0;
}

/* Its users count on it: where another thread has taken the last application just now, this is one more. */
static void replace(writer *w, ej_value v, bool takes)
{
    const ej_scaling *s = w->s;
    bool counted = false;
    if (takes) counted = ej_edit_replace(&w->edit, v, w->bare[v], rule_of(s, &s->graph->nodes[v], &s->push[v]));
    else if (s->n_own[v]) counted = ej_edit_replace(&w->edit, v, w->bare[v], EJ_RULE_SCALAR_START);
    if (!counted) ej_edit_renew(&w->edit, v, w->bare[v]);
}

static int write_node(writer *w, ej_value v)
{
    ej_scaling *s = w->s;
    const ej_node node = s->graph->nodes[v]; /* a copy: adding nodes moves them */
    bool changed;
    if (ej_edit_ended(&w->edit)) end_at(s, v);
    const ej_push *push = &s->push[v];
    bool takes = takes_factors(s, &node, push);
    EJ_TRY(operands_of(w, v, &node, &changed));
    EJ_TRY(bare_node(w, v, &node, changed, &w->bare[v]));
    w->full[v] = -1;
    if (ej_factor_is_one(&push->factor)) w->full[v] = w->bare[v];
    else if (s->stay[v] && !changed && node.op == EJ_OP_MAP && s->n_own[v]) w->full[v] = v; /* as it is written */
    if (s->stay[v]) {
        EJ_TRY(full_of(w, v, &w->bare[v]));
        w->full[v] = w->bare[v];
    }
    if (w->bare[v] != v) replace(w, v, takes);
    return EINJIT_OK;
}

int ej_scalar_write(ej_scaling *s, size_t *n_changed)
{
    writer w = {.s = s};
    uint32_t most = 2;
    for (size_t v = 0; v < s->n; v++)
        if (s->graph->nodes[v].n_in > most) most = s->graph->nodes[v].n_in;
    w.bare = EJ_JOB_ARRAY(s->job, ej_value, s->n);
    w.full = EJ_JOB_ARRAY(s->job, ej_value, s->n);
    w.in = EJ_JOB_ARRAY(s->job, ej_value, most);
    if (!w.bare || !w.full || !w.in) return ej_no_memory(s->job->err);
    EJ_TRY(ej_edit_begin(&w.edit, s->graph, s->job));
    for (size_t v = 0; v < s->n; v++) EJ_TRY(write_node(&w, (ej_value)v));
    return ej_edit_commit(&w.edit, false, n_changed);
}
