/* bind_einsum.c - einsums: extents of labels, broadcasting, semirings.
 *
 * Takes  an equation and bound operands.
 * Gives  EINSUM nodes over operands of one dtype, with an extent per label; log-sum-exp written out.
 * Keeps  the order of the reasons: ranks, diagonals, labels, ellipses.
 */
#include <string.h>

#include "bind_core.h"

typedef struct label_state {
    ej_size size;    /* over all operands so far */
    ej_size own;     /* in operand `operand` */
    int32_t operand; /* the last one that has the label; -1: none yet */
    int32_t axis;
    int32_t from_operand, from_axis; /* where `size` came from */
} label_state;

typedef struct labels {
    const ej_equation *equation;
    const ej_subscripts *subscripts;
    const ej_value *in;
    label_state *state;
} labels;

/* "j"; NULL: out of memory. */
static const char *label_name(const ej_binder *b, const labels *l, int32_t label)
{
    ej_text text;
    ej_text_init(&text, b->arena);
    ej_label_print(&text, l->equation, label);
    return text.failed ? NULL : text.data ? text.data : "?";
}

static bool is_named(const labels *l, int32_t label)
{
    return l->equation && (uint32_t)label < l->equation->n_labels;
}

static ej_size axis_size(const ej_binder *b, const labels *l, uint32_t t, uint32_t axis)
{
    return ej_bind_at(b, l->in[t])->shape[axis];
}

/* ---- extents ---- */

static int refuse_diagonal(ej_binder *b, const labels *l, int32_t label, uint32_t t, uint32_t axis)
{
    const label_state *state = &l->state[label];
    const char *name = label_name(b, l, label);
    if (!name) return ej_no_memory(b->err);
    return ej_fail(b->err, EINJIT_E_DIM_DIAG, "label '%s' is %lld on axis %d and %lld on axis %u of operand %u", name,
                   (long long)state->own.n, (int)state->axis, (long long)axis_size(b, l, t, axis).n, (unsigned)axis,
                   (unsigned)t);
}

static int meet_diagonals(ej_binder *b, labels *l)
{
    for (uint32_t t = 0; t < l->subscripts->n_terms; t++) {
        const ej_term *term = &l->subscripts->terms[t];
        for (uint32_t axis = 0; axis < term->n; axis++) {
            label_state *state = &l->state[term->labels[axis]];
            ej_size size = axis_size(b, l, t, axis);
            if (state->operand != (int32_t)t) {
                state->operand = (int32_t)t;
                state->axis = (int32_t)axis;
                state->own = size;
            } else if (state->own.n != size.n) {
                return refuse_diagonal(b, l, term->labels[axis], t, axis);
            } else {
                state->own = ej_bind_meet(b, state->own, size);
            }
        }
    }
    return EINJIT_OK;
}

static int refuse_extent(ej_binder *b, const labels *l, int32_t label, uint32_t t, uint32_t axis)
{
    const label_state *state = &l->state[label];
    long long n = axis_size(b, l, t, axis).n;
    if (is_named(l, label)) {
        const char *name = label_name(b, l, label);
        if (!name) return ej_no_memory(b->err);
        return ej_fail(b->err, EINJIT_E_DIM, "axis '%s' is %lld in operand %d and %lld in operand %u", name,
                       (long long)state->size.n, (int)state->from_operand, n, (unsigned)t);
    }
    return ej_fail(b->err, EINJIT_E_BROADCAST, "axis %d of operand %d is %lld and axis %u of operand %u is %lld",
                   (int)state->from_axis, (int)state->from_operand, (long long)state->size.n, (unsigned)axis,
                   (unsigned)t, n);
}

/* Named labels first, then those of ellipses: that is the order of the reasons. */
static int meet_operands(ej_binder *b, labels *l, bool named)
{
    for (uint32_t t = 0; t < l->subscripts->n_terms; t++) {
        const ej_term *term = &l->subscripts->terms[t];
        for (uint32_t axis = 0; axis < term->n; axis++) {
            int32_t label = term->labels[axis];
            label_state *state = &l->state[label];
            if (is_named(l, label) != named) continue;
            bool first = state->from_operand < 0, was_one = state->size.n == 1;
            ej_size size = axis_size(b, l, t, axis);
            if (first) state->size = size;
            else if (!ej_bind_broadcast(b, &state->size, size)) return refuse_extent(b, l, label, t, axis);
            if (first || (was_one && size.n != 1)) {
                state->from_operand = (int32_t)t;
                state->from_axis = (int32_t)axis;
            }
        }
    }
    return EINJIT_OK;
}

/* The largest and smallest of nothing do not exist. */
static int check_not_empty(ej_binder *b, const labels *l)
{
    bool *kept = EJ_NEW_ARRAY(b->arena, bool, l->subscripts->n_labels);
    if (!kept) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < l->subscripts->out.n; i++) kept[l->subscripts->out.labels[i]] = true;
    for (uint32_t label = 0; label < l->subscripts->n_labels; label++) {
        if (kept[label] || l->state[label].from_operand < 0) continue;
        if (!l->state[label].size.n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "max or min over an axis without elements (axis %d of operand %d)",
                           (int)l->state[label].from_axis, (int)l->state[label].from_operand);
        EJ_TRY(ej_bind_not_empty(b, l->state[label].size));
    }
    return EINJIT_OK;
}

static int label_extents(ej_binder *b, labels *l)
{
    uint32_t n = l->subscripts->n_labels;
    l->state = EJ_NEW_ARRAY(b->arena, label_state, n);
    if (!l->state) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < n; i++) {
        l->state[i].operand = l->state[i].from_operand = -1;
        l->state[i].size = ej_size_number(1);
    }
    EJ_TRY(meet_diagonals(b, l));
    EJ_TRY(meet_operands(b, l, true));
    return meet_operands(b, l, false);
}

int ej_bind_contract(ej_binder *b, const ej_equation *equation, ej_subscripts *subscripts, const ej_value *in,
                     int reduce, int combine, ej_value *out)
{
    labels l = {.equation = equation, .subscripts = subscripts, .in = in};
    EJ_TRY(label_extents(b, &l));
    if (reduce == EINJIT_REDUCE_MAX || reduce == EINJIT_REDUCE_MIN) EJ_TRY(check_not_empty(b, &l));
    bool logic = ej_bind_at(b, in[0])->dtype == EINJIT_BOOL; /* any true product: the sum and the largest are one */
    if (logic && (reduce == EINJIT_REDUCE_SUM || reduce == EINJIT_REDUCE_MAX)) reduce = EINJIT_REDUCE_OR;
    ej_bound_node made = {.op = EJ_OP_EINSUM,
                          .fn = (uint8_t)reduce,
                          .combine = (uint8_t)combine,
                          .dtype = ej_bind_at(b, in[0])->dtype,
                          .rank = (int32_t)subscripts->out.n,
                          .n_in = subscripts->n_terms,
                          .subscripts = subscripts};
    made.in = EJ_NEW_ARRAY(b->arena, ej_value, made.n_in);
    made.label_sizes = EJ_NEW_ARRAY(b->arena, ej_size, subscripts->n_labels);
    made.shape = EJ_NEW_ARRAY(b->arena, ej_size, subscripts->out.n);
    if (!made.in || !made.label_sizes || !made.shape) return ej_no_memory(b->err);
    memcpy(made.in, in, made.n_in * sizeof *in);
    for (uint32_t i = 0; i < subscripts->n_labels; i++) made.label_sizes[i] = l.state[i].size;
    for (int32_t i = 0; i < made.rank; i++) made.shape[i] = made.label_sizes[subscripts->out.labels[i]];
    return ej_bind_node(b, &made, out);
}

/* ---- the operation ---- */

/* Semirings over bool that are not OR of ANDs, in numbers: true is 1, and a sum is true where it is not 0. */
static int contract_bool(ej_binder *b, const ej_node *node, ej_subscripts *subscripts, ej_value *in, ej_value *out)
{
    int reduce = node->fn == EINJIT_REDUCE_OR ? EINJIT_REDUCE_SUM : node->fn;
    if (node->combine == EINJIT_COMBINE_MUL && reduce != EINJIT_REDUCE_MIN)
        return ej_bind_contract(b, node->equation, subscripts, in, reduce, EINJIT_COMBINE_MUL, out);
    for (uint32_t t = 0; t < node->n_in; t++) EJ_TRY(ej_bind_cast(b, in[t], EINJIT_I64, &in[t]));
    EJ_TRY(ej_bind_contract(b, node->equation, subscripts, in, reduce, node->combine, out));
    return ej_bind_cast(b, *out, EINJIT_BOOL, out);
}

/* All terms are written out, with the reduced labels last, then reduced safely. */
static int contract_logsumexp(ej_binder *b, const ej_node *node, ej_subscripts *subscripts, ej_value *in, ej_value *out)
{
    uint32_t n = subscripts->n_labels, rank = subscripts->out.n;
    int32_t *all = EJ_NEW_ARRAY(b->arena, int32_t, n);
    bool *reduced = EJ_NEW_ARRAY(b->arena, bool, n), *used = EJ_NEW_ARRAY(b->arena, bool, n);
    if (!all || !reduced || !used) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < rank; i++) {
        all[i] = subscripts->out.labels[i];
        used[all[i]] = true;
    }
    uint32_t total = rank;
    for (uint32_t t = 0; t < subscripts->n_terms; t++)
        for (uint32_t i = 0; i < subscripts->terms[t].n; i++) {
            int32_t label = subscripts->terms[t].labels[i];
            if (used[label]) continue;
            used[label] = true;
            reduced[total] = true;
            all[total++] = label;
        }
    subscripts->out = (ej_term){total, all};
    EJ_TRY(ej_bind_contract(b, node->equation, subscripts, in, EINJIT_REDUCE_SUM, node->combine, out));
    return ej_bind_logsumexp(b, *out, reduced, false, out);
}

static int einsum_dtype(ej_binder *b, const ej_node *node, const ej_bind_operand *in, int *dtype)
{
    EJ_TRY(ej_bind_promote(b, node->n_in, in, dtype));
    switch (node->fn) {
    case EINJIT_REDUCE_SUM: return EINJIT_OK;
    case EINJIT_REDUCE_OR:
        if (*dtype == EINJIT_BOOL) return EINJIT_OK;
        return ej_fail(b->err, EINJIT_E_DTYPE, "reduce 'or' needs bool operands, these are %s",
                       einjit_dtype_name(*dtype));
    case EINJIT_REDUCE_LOGSUMEXP: return ej_bind_floating(b, *dtype, true, "logsumexp", dtype);
    case EINJIT_REDUCE_MAX:
    case EINJIT_REDUCE_MIN:
        if (!ej_dtype_is_complex(*dtype)) return EINJIT_OK;
        return ej_fail(b->err, EINJIT_E_DTYPE, "complex numbers have no order: max and min are not defined for %s",
                       einjit_dtype_name(*dtype));
    default: return ej_fail(b->err, EINJIT_E_UNSUPPORTED, "an einsum cannot reduce by prod or mean");
    }
}

/* One operand, all labels of which the result has: elements are only moved. */
static bool only_moves(const ej_subscripts *s)
{
    for (uint32_t i = 0; s->n_terms == 1 && i < s->terms[0].n; i++)
        if (!ej_term_has(&s->out, s->terms[0].labels[i])) return false;
    return s->n_terms == 1;
}

static int contract(ej_binder *b, const ej_node *node, ej_subscripts *subscripts, ej_value *in, ej_value *out)
{
    if (node->fn == EINJIT_REDUCE_LOGSUMEXP) return contract_logsumexp(b, node, subscripts, in, out);
    if (ej_bind_at(b, in[0])->dtype == EINJIT_BOOL) return contract_bool(b, node, subscripts, in, out);
    return ej_bind_contract(b, node->equation, subscripts, in, node->fn, node->combine, out);
}

int ej_bind_op_einsum(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    uint32_t n = node->n_in;
    int dtype;
    if (!n || n != node->equation->n_terms)
        return ej_fail(b->err, EINJIT_E_OPERAND_COUNT, "%u operands for %u terms", (unsigned)n,
                       (unsigned)node->equation->n_terms);
    ej_bind_operand *in = EJ_NEW_ARRAY(b->arena, ej_bind_operand, n);
    ej_value *values = EJ_NEW_ARRAY(b->arena, ej_value, n);
    int32_t *ranks = EJ_NEW_ARRAY(b->arena, int32_t, n);
    ej_subscripts *subscripts = EJ_NEW(b->arena, ej_subscripts);
    if (!in || !values || !ranks || !subscripts) return ej_no_memory(b->err);
    for (uint32_t t = 0; t < n; t++) {
        in[t] = b->values[node->in[t]];
        ranks[t] = ej_bind_rank(b, &in[t]);
    }
    EJ_TRY(ej_equation_resolve(subscripts, b->arena, node->equation, ranks, b->err));
    EJ_TRY(einsum_dtype(b, node, in, &dtype));
    bool moves = only_moves(subscripts);
    for (uint32_t t = 0; t < n; t++) EJ_TRY((moves ? ej_bind_take : ej_bind_take_wide)(b, &in[t], dtype, &values[t]));
    EJ_TRY(contract(b, node, subscripts, values, &out->id));
    return ej_bind_cast(b, out->id, dtype, &out->id);
}
