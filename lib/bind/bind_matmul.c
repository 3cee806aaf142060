/* bind_matmul.c - matmul and tensordot as einsums.
 *
 * Takes  two operands. Gives one EINSUM node, by torch's rules: matmul broadcasts batch axes only; tensordot also
 *        stretches contracted axes of extent 1.
 */
#include "bind_core.h"

static int take_pair(ej_binder *b, const ej_node *node, ej_value *in, int *dtype)
{
    ej_bind_operand operands[2] = {b->values[node->in[0]], b->values[node->in[1]]};
    EJ_TRY(ej_bind_promote(b, 2, operands, dtype));
    EJ_TRY(ej_bind_take_wide(b, &operands[0], *dtype, &in[0]));
    return ej_bind_take_wide(b, &operands[1], *dtype, &in[1]);
}

/* Subscripts of two terms of these ranks and an output; labels to be filled in. */
static ej_subscripts *new_pair(ej_binder *b, int32_t rank_a, int32_t rank_b, int32_t rank_out)
{
    ej_subscripts *s = EJ_NEW(b->arena, ej_subscripts);
    if (!s) return NULL;
    s->n_terms = 2;
    s->terms = EJ_NEW_ARRAY(b->arena, ej_term, 2);
    s->out = (ej_term){(uint32_t)rank_out, EJ_NEW_ARRAY(b->arena, int32_t, (size_t)rank_out)};
    if (!s->terms || !s->out.labels) return NULL;
    s->terms[0] = (ej_term){(uint32_t)rank_a, EJ_NEW_ARRAY(b->arena, int32_t, (size_t)rank_a)};
    s->terms[1] = (ej_term){(uint32_t)rank_b, EJ_NEW_ARRAY(b->arena, int32_t, (size_t)rank_b)};
    return s->terms[0].labels && s->terms[1].labels ? s : NULL;
}

static int contract_pair(ej_binder *b, ej_subscripts *s, const ej_value *in, int dtype, ej_value *out)
{
    EJ_TRY(ej_bind_contract(b, NULL, s, in, EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, out));
    return ej_bind_cast(b, *out, dtype, out);
}

static int refuse_pair(ej_binder *b, int32_t axis_a, ej_size a, int32_t axis_b, ej_size other)
{
    return ej_fail(b->err, EINJIT_E_DIM, "axis %d of operand 0 is %lld and axis %d of operand 1 is %lld", (int)axis_a,
                   (long long)a.n, (int)axis_b, (long long)other.n);
}

int ej_bind_op_matmul(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value in[2];
    int dtype;
    EJ_TRY(take_pair(b, node, in, &dtype));
    const ej_bound_node *x = ej_bind_at(b, in[0]), *y = ej_bind_at(b, in[1]);
    if (!x->rank || !y->rank)
        return ej_fail(b->err, EINJIT_E_RANK, "matmul of a scalar (operand %d has no axes)", x->rank ? 1 : 0);
    int32_t axis_a = x->rank - 1, axis_b = y->rank > 1 ? y->rank - 2 : 0;
    if (x->shape[axis_a].n != y->shape[axis_b].n)
        return refuse_pair(b, axis_a, x->shape[axis_a], axis_b, y->shape[axis_b]);
    ej_bind_meet(b, x->shape[axis_a], y->shape[axis_b]); /* no stretching, also not later */
    int32_t batch_a = x->rank > 2 ? x->rank - 2 : 0, batch_b = y->rank > 2 ? y->rank - 2 : 0;
    int32_t batch = batch_a > batch_b ? batch_a : batch_b, m = batch, k = batch + 1, n = batch + 2;
    ej_subscripts *s = new_pair(b, x->rank, y->rank, batch + (x->rank > 1) + (y->rank > 1));
    if (!s) return ej_no_memory(b->err);
    s->n_labels = (uint32_t)batch + 3;
    for (int32_t i = 0; i < batch_a; i++) s->terms[0].labels[i] = batch - batch_a + i;
    for (int32_t i = 0; i < batch_b; i++) s->terms[1].labels[i] = batch - batch_b + i;
    for (int32_t i = 0; i < batch; i++) s->out.labels[i] = i;
    s->terms[0].labels[axis_a] = s->terms[1].labels[axis_b] = k;
    if (x->rank > 1) s->terms[0].labels[axis_a - 1] = s->out.labels[batch] = m;
    if (y->rank > 1) s->terms[1].labels[axis_b + 1] = s->out.labels[batch + (x->rank > 1)] = n;
    return contract_pair(b, s, in, dtype, &out->id);
}

/* The i-th axis that `dims` names is axes[i] and gets label i; all others get -1. E_VALUE when one is named twice. */
static int label_axes(ej_binder *b, const int64_t *dims, uint32_t n, int32_t rank, int32_t *of_axis, int32_t *axes)
{
    for (int32_t i = 0; i < rank; i++) of_axis[i] = -1;
    for (uint32_t i = 0; i < n; i++) {
        EJ_TRY(ej_bind_axis(b, dims[i], rank, &axes[i]));
        if (of_axis[axes[i]] >= 0) return ej_fail(b->err, EINJIT_E_VALUE, "axis %d is contracted twice", (int)axes[i]);
        of_axis[axes[i]] = (int32_t)i;
    }
    return EINJIT_OK;
}

/* By a count: the last axes of a with the first ones of b. */
static int contracted_axes(ej_binder *b, const ej_node *node, const ej_value *in, const int64_t **dims, uint32_t *n)
{
    int32_t rank_a = ej_bind_at(b, in[0])->rank, rank_b = ej_bind_at(b, in[1])->rank;
    int64_t count = node->n_dims ? node->n_dims / 2 : node->integer > 0 ? node->integer : 0;
    if (count > rank_a || count > rank_b)
        return ej_fail(b->err, EINJIT_E_VALUE, "tensordot over %lld axes of operands with %d and %d", (long long)count,
                       (int)rank_a, (int)rank_b);
    *dims = node->dims;
    *n = (uint32_t)count;
    if (node->n_dims || !count) return EINJIT_OK;
    int64_t *counted = EJ_NEW_ARRAY(b->arena, int64_t, 2 * (size_t)*n);
    if (!counted) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < *n; i++) {
        counted[i] = (int64_t)i - (int64_t)*n;
        counted[*n + i] = i;
    }
    *dims = counted;
    return EINJIT_OK;
}

int ej_bind_op_tensordot(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value in[2];
    int dtype;
    EJ_TRY(take_pair(b, node, in, &dtype));
    const ej_bound_node *x = ej_bind_at(b, in[0]), *y = ej_bind_at(b, in[1]);
    const int64_t *dims = NULL;
    uint32_t n = 0;
    EJ_TRY(contracted_axes(b, node, in, &dims, &n));
    int32_t *axes = EJ_NEW_ARRAY(b->arena, int32_t, 2 * (size_t)n);
    if (!axes) return ej_no_memory(b->err);
    ej_subscripts *s = new_pair(b, x->rank, y->rank, x->rank + y->rank - 2 * (int32_t)n);
    if (!s) return ej_no_memory(b->err);
    int32_t *a_labels = s->terms[0].labels, *b_labels = s->terms[1].labels, next = (int32_t)n, kept = 0;
    EJ_TRY(label_axes(b, dims, n, x->rank, a_labels, axes));
    EJ_TRY(label_axes(b, n ? dims + n : NULL, n, y->rank, b_labels, axes + n));
    for (uint32_t i = 0; i < n; i++) {
        ej_size p = x->shape[axes[i]], q = y->shape[axes[n + i]];
        if (p.n != q.n && p.n != 1 && q.n != 1) return refuse_pair(b, axes[i], p, axes[n + i], q);
    }
    for (int32_t i = 0; i < x->rank; i++)
        if (a_labels[i] < 0) a_labels[i] = s->out.labels[kept++] = next++;
    for (int32_t i = 0; i < y->rank; i++)
        if (b_labels[i] < 0) b_labels[i] = s->out.labels[kept++] = next++;
    s->n_labels = (uint32_t)next;
    return contract_pair(b, s, in, dtype, &out->id);
}
