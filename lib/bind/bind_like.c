/* bind_like.c - operations some of whose operands count by their shape or dtype alone, and those gradients put elements
 * back with.
 *
 * Takes  values, and others whose shape or dtype the result takes.
 * Gives  core nodes over the values; of the others no element is read.
 * Keeps  torch's meaning of these names; zeros are written as an EXPAND of a number.
 */
#include <string.h>

#include "bind_core.h"

static int take(ej_binder *b, const ej_node *node, uint32_t i, ej_value *out)
{
    return ej_bind_take_own(b, &b->values[node->in[i]], out);
}

static int copy_shape(ej_binder *b, const ej_bound_node *like, ej_size **out)
{
    *out = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)like->rank + 1);
    if (!*out) return ej_no_memory(b->err);
    if (like->rank) memcpy(*out, like->shape, (size_t)like->rank * sizeof **out);
    return EINJIT_OK;
}

static int zeros(ej_binder *b, int dtype, int32_t rank, ej_size *shape, ej_value *out)
{
    EJ_TRY(ej_bind_number(b, dtype, 0, out));
    return ej_bind_expand(b, *out, rank, shape, out);
}

static bool is_zeros(const ej_binder *b, ej_value x)
{
    const ej_bound_node *node = ej_bind_at(b, x);
    if (node->op == EJ_OP_EXPAND) node = ej_bind_at(b, node->in[0]);
    return node->op == EJ_OP_SCALAR && node->re == 0 && node->im == 0 && !node->integer;
}

/* ---- shapes ---- */

static int refuse_axis(ej_binder *b, const char *what, int32_t axis, ej_size have, ej_size want)
{
    return ej_fail(b->err, EINJIT_E_BROADCAST, "%s: axis %d is %lld and cannot become %lld", what, (int)axis,
                   (long long)have.n, (long long)want.n);
}

/* Whether an axis is summed to 1; extents that are the same only as observed are closed. */
static int sums_axis(ej_binder *b, int32_t axis, ej_size have, ej_size want, bool *out)
{
    *out = false;
    if (have.n == want.n) {
        ej_bind_meet(b, have, want);
        return EINJIT_OK;
    }
    if (want.n != 1) return refuse_axis(b, "sum_to_size", axis, have, want);
    ej_bind_close(b, want);
    *out = true;
    return EINJIT_OK;
}

int ej_bind_op_sum_to_size(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, like;
    ej_size *shape;
    EJ_TRY(take(b, node, 0, &x));
    EJ_TRY(take(b, node, 1, &like));
    EJ_TRY(copy_shape(b, ej_bind_at(b, like), &shape));
    int32_t rank = ej_bind_at(b, x)->rank, kept = ej_bind_at(b, like)->rank, added = rank - kept;
    if (added < 0)
        return ej_fail(b->err, EINJIT_E_RANK, "sum_to_size of a value with %d axes to %d", (int)rank, (int)kept);
    if (ej_bind_at(b, x)->dtype == EINJIT_BOOL)
        return ej_fail(b->err, EINJIT_E_DTYPE, "sum_to_size is not defined for bool");
    bool *axes = EJ_NEW_ARRAY(b->arena, bool, (size_t)rank + 1);
    if (!axes) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++) {
        axes[i] = i < added;
        if (i < added) continue;
        ej_size have = ej_bind_at(b, x)->shape[i], *want = &shape[i - added];
        if (ej_size_is(*want, 1)) {
            axes[i] = !ej_size_is(have, 1);
        } else {
            EJ_TRY(sums_axis(b, i, have, *want, &axes[i]));
            *want = axes[i] ? ej_size_number(1) : have;
        }
    }
    int dtype = ej_bind_at(b, x)->dtype;
    EJ_TRY(ej_bind_cast(b, x, ej_dtypes[dtype].computes, &x));
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_SUM, x, axes, false, &x));
    EJ_TRY(ej_bind_cast(b, x, dtype, &x));
    return ej_bind_reshape(b, x, kept, shape, &out->id);
}

int ej_bind_op_expand_as(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, like;
    ej_size *shape;
    EJ_TRY(take(b, node, 0, &x));
    EJ_TRY(take(b, node, 1, &like));
    EJ_TRY(copy_shape(b, ej_bind_at(b, like), &shape));
    int32_t from = ej_bind_at(b, x)->rank, rank = ej_bind_at(b, like)->rank, added = rank - from;
    if (added < 0)
        return ej_fail(b->err, EINJIT_E_RANK, "expand_as of a value with %d axes to %d", (int)from, (int)rank);
    for (int32_t i = added; i < rank; i++) {
        ej_size have = ej_bind_at(b, x)->shape[i - added];
        if (ej_size_is(have, 1)) continue;
        if (have.n == shape[i].n) shape[i] = ej_bind_meet(b, have, shape[i]);
        else if (have.n == 1) ej_bind_close(b, have);
        else return refuse_axis(b, "expand_as", i, have, shape[i]);
    }
    return ej_bind_expand(b, x, rank, shape, &out->id);
}

static int element_count(ej_binder *b, const ej_bound_node *x, ej_size *out)
{
    ej_size product = ej_size_number(1);
    for (int32_t i = 0; i < x->rank; i++) EJ_TRY(ej_bind_mul(b, product, x->shape[i], &product));
    *out = product;
    return EINJIT_OK;
}

int ej_bind_op_reshape_as(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, like;
    ej_size have, want, *shape;
    EJ_TRY(take(b, node, 0, &x));
    EJ_TRY(take(b, node, 1, &like));
    EJ_TRY(copy_shape(b, ej_bind_at(b, like), &shape));
    EJ_TRY(element_count(b, ej_bind_at(b, x), &have));
    EJ_TRY(element_count(b, ej_bind_at(b, like), &want));
    if (have.n != want.n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "a value of %lld elements cannot take a shape of %lld",
                       (long long)have.n, (long long)want.n);
    ej_bind_meet(b, have, want);
    return ej_bind_reshape(b, x, ej_bind_at(b, like)->rank, shape, &out->id);
}

/* ---- dtypes and zeros ---- */

/* A cast that would drop fractions is no accident to be had in passing: it is asked for by name. */
int ej_bind_op_type_as(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    int dtype = ej_bind_dtype(b, &b->values[node->in[1]]);
    EJ_TRY(take(b, node, 0, &x));
    int own = ej_bind_at(b, x)->dtype;
    if (ej_dtypes[own].kind >= EJ_KIND_FLOAT && ej_dtypes[dtype].kind <= EJ_KIND_INT)
        return ej_fail(b->err, EINJIT_E_DTYPE,
                       "%s does not become %s, the dtype of '%.100s', in passing: a cast is to()",
                       einjit_dtype_name(own), einjit_dtype_name(dtype), b->graph->nodes[node->in[1]].name);
    return ej_bind_cast(b, x, dtype, &out->id);
}

int ej_bind_op_zeros_like(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    const ej_bind_operand *like = &b->values[node->in[0]];
    ej_size *shape;
    ej_value x;
    EJ_TRY(take(b, node, 0, &x));
    EJ_TRY(copy_shape(b, ej_bind_at(b, x), &shape));
    return zeros(b, ej_bind_dtype(b, like), ej_bind_at(b, x)->rank, shape, &out->id);
}

/* ---- elements put back where they were taken from ---- */

/* Shape of x with `n` extents from `first` on in place of its axes from `axis` to `end`. */
static int reshape_axes(ej_binder *b, ej_value x, int32_t axis, int32_t end, int32_t n, const ej_size *first,
                        ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    int32_t rank = from->rank - (end - axis) + n;
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank + 1);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++)
        shape[i] = i < axis ? from->shape[i] : i < axis + n ? first[i - axis] : from->shape[i - n + (end - axis)];
    return ej_bind_reshape(b, x, rank, shape, out);
}

/* Zeros like x, with n elements along the axis. */
static int zeros_along(ej_binder *b, ej_value x, int32_t axis, ej_size n, ej_value *out)
{
    ej_size *shape;
    EJ_TRY(copy_shape(b, ej_bind_at(b, x), &shape));
    shape[axis] = n;
    return zeros(b, ej_bind_at(b, x)->dtype, ej_bind_at(b, x)->rank, shape, out);
}

/* In rows of n + 1, of which the first element is x[i] and the rest is 0, x[i] lies at i (n + 1): in rows of n that is
 * the diagonal. */
int ej_bind_op_diag_embed(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, rest;
    ej_size all, square;
    EJ_TRY(take(b, node, 0, &x));
    int32_t rank = ej_bind_at(b, x)->rank, last = rank - 1;
    if (!rank) return ej_fail(b->err, EINJIT_E_RANK, "diag_embed of a scalar");
    ej_size n = ej_bind_at(b, x)->shape[last], one = ej_size_number(1), pair[2] = {n, n};
    EJ_TRY(ej_bind_mul(b, n, n, &square));
    EJ_TRY(ej_bind_add(b, square, n, &all));
    EJ_TRY(reshape_axes(b, x, rank, rank, 1, &one, &x));
    EJ_TRY(zeros_along(b, x, rank, n, &rest));
    EJ_TRY(ej_bind_cat(b, 2, (const ej_value[]){x, rest}, rank, &x));
    EJ_TRY(reshape_axes(b, x, last, rank + 1, 1, &all, &x));
    EJ_TRY(ej_bind_cut(b, x, last, ej_size_number(0), square, &x));
    return reshape_axes(b, x, last, rank, 2, pair, &out->id);
}

/* All axes but one are alike. */
static int meet_shapes(ej_binder *b, const char *what, ej_value x, ej_value other, int32_t but)
{
    const ej_bound_node *p = ej_bind_at(b, x), *q = ej_bind_at(b, other);
    if (p->rank != q->rank)
        return ej_fail(b->err, EINJIT_E_RANK, "%s: values with %d and %d axes", what, (int)p->rank, (int)q->rank);
    for (int32_t i = 0; i < p->rank; i++) {
        if (i == but) continue;
        if (p->shape[i].n != q->shape[i].n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "%s: axis %d is %lld in one value and %lld in the other", what,
                           (int)i, (long long)p->shape[i].n, (long long)q->shape[i].n);
        ej_bind_meet(b, p->shape[i], q->shape[i]);
    }
    return EINJIT_OK;
}

static int join(ej_binder *b, uint32_t n, const ej_value *in, int32_t axis, ej_value *out)
{
    ej_value parts[3];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!ej_size_is(ej_bind_at(b, in[i])->shape[axis], 0)) parts[kept++] = in[i];
    if (!kept) parts[kept++] = in[0];
    return ej_bind_cat(b, kept, parts, axis, out);
}

typedef struct scatter {
    int32_t axis;
    int64_t step;
    ej_size n, start, count; /* of the axis; where src begins, and how many elements it has */
} scatter;

/* x[:start], then `middle`, which takes the place of `covered` elements, then the rest of x; n in all. */
static int put_between(ej_binder *b, const scatter *s, ej_value x, ej_value middle, ej_size covered, ej_value *out)
{
    ej_value front, back;
    ej_size begin, behind;
    EJ_TRY(ej_bind_add(b, s->start, covered, &begin));
    EJ_TRY(ej_size_sub(&b->out->sizes, ej_bind_at(b, x)->shape[s->axis], begin, &behind, b->err));
    EJ_TRY(ej_bind_cut(b, x, s->axis, ej_size_number(0), s->start, &front));
    EJ_TRY(ej_bind_cut(b, x, s->axis, begin, behind, &back));
    EJ_TRY(join(b, 3, (const ej_value[]){front, middle, back}, s->axis, out));
    return ej_bind_cut(b, *out, s->axis, ej_size_number(0), s->n, out);
}

/* A step greater than 1: rows of `step` elements, the first of which src replaces. The last row may reach behind the
 * end, so there are step - 1 more elements, cut off again. */
static int put_rows(ej_binder *b, const scatter *s, ej_value x, ej_value src, ej_value *out)
{
    ej_value padding, rows, rest;
    ej_size covered, one[2] = {s->count, ej_size_number(1)}, split[2] = {s->count, ej_size_number(s->step)};
    EJ_TRY(ej_bind_mul(b, s->count, ej_size_number(s->step), &covered));
    EJ_TRY(zeros_along(b, x, s->axis, ej_size_number(s->step - 1), &padding));
    EJ_TRY(ej_bind_cat(b, 2, (const ej_value[]){x, padding}, s->axis, &x));
    EJ_TRY(ej_bind_cut(b, x, s->axis, s->start, covered, &rows));
    EJ_TRY(reshape_axes(b, rows, s->axis, s->axis + 1, 2, split, &rows));
    EJ_TRY(ej_bind_cut(b, rows, s->axis + 1, ej_size_number(1), ej_size_number(s->step - 1), &rest));
    EJ_TRY(reshape_axes(b, src, s->axis, s->axis + 1, 2, one, &src));
    EJ_TRY(ej_bind_cat(b, 2, (const ej_value[]){src, rest}, s->axis + 1, &rows));
    EJ_TRY(reshape_axes(b, rows, s->axis, s->axis + 2, 1, &covered, &rows));
    return put_between(b, s, x, rows, covered, out);
}

/* The same places from the first one on. */
static int turn(ej_binder *b, scatter *s, ej_value *src)
{
    ej_size back;
    EJ_TRY(ej_bind_turn(b, *src, s->axis, src));
    EJ_TRY(ej_size_sub(&b->out->sizes, s->count, ej_size_number(1), &back, b->err));
    EJ_TRY(ej_bind_mul(b, back, ej_size_number(-s->step), &back));
    EJ_TRY(ej_size_sub(&b->out->sizes, s->start, back, &s->start, b->err));
    s->step = -s->step;
    return ej_size_min(&b->out->sizes, s->start, s->n, &s->start, b->err);
}

int ej_bind_op_slice_scatter(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    const ej_bind_operand operands[2] = {b->values[node->in[0]], b->values[node->in[1]]};
    ej_value x, src;
    scatter s = {.step = node->items[0].step};
    int dtype;
    EJ_TRY(ej_bind_promote(b, 2, operands, &dtype));
    EJ_TRY(ej_bind_take(b, &operands[0], dtype, &x));
    EJ_TRY(ej_bind_take(b, &operands[1], dtype, &src));
    int32_t rank = ej_bind_at(b, x)->rank;
    if (!rank) return ej_fail(b->err, EINJIT_E_RANK, "slice_scatter into a scalar");
    EJ_TRY(ej_bind_axis(b, node->dims[0], rank, &s.axis));
    s.n = ej_bind_at(b, x)->shape[s.axis];
    EJ_TRY(ej_bind_range(b, &node->items[0], s.n, &s.start, &s.count));
    EJ_TRY(meet_shapes(b, "slice_scatter", x, src, s.axis));
    ej_size have = ej_bind_at(b, src)->shape[s.axis];
    if (have.n != s.count.n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "slice_scatter of %lld elements into the place of %lld",
                       (long long)have.n, (long long)s.count.n);
    ej_bind_meet(b, have, s.count);
    if (ej_size_is(s.count, 0)) {
        out->id = x;
        return EINJIT_OK;
    }
    if (s.step < 0) EJ_TRY(turn(b, &s, &src));
    if (s.step > s.n.n) s.step = ej_bind_fixed(b, s.n).n; /* one element: no longer rows than the axis has elements */
    return s.step > 1 ? put_rows(b, &s, x, src, &out->id) : put_between(b, &s, x, src, s.count, &out->id);
}

int ej_bind_op_split_as(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, part;
    ej_size at = ej_size_number(0), start = at, count = at;
    int32_t axis;
    EJ_TRY(take(b, node, 0, &x));
    if (!ej_bind_at(b, x)->rank) return ej_fail(b->err, EINJIT_E_RANK, "split_as of a scalar");
    EJ_TRY(ej_bind_axis(b, node->dims[0], ej_bind_at(b, x)->rank, &axis));
    for (uint32_t i = 1; i < node->n_in; i++) {
        EJ_TRY(take(b, node, i, &part));
        EJ_TRY(meet_shapes(b, "split_as", x, part, axis));
        ej_size n = ej_bind_at(b, part)->shape[axis];
        if (i == 1 + (uint64_t)node->dims[1]) {
            start = at;
            count = n;
        }
        EJ_TRY(ej_bind_add(b, at, n, &at));
    }
    ej_size all = ej_bind_at(b, x)->shape[axis];
    if (at.n != all.n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "split_as of %lld elements into parts of %lld", (long long)all.n,
                       (long long)at.n);
    ej_bind_meet(b, all, at);
    return ej_bind_cut(b, x, axis, start, count, &out->id);
}

int ej_bind_op_index_add_to(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    const ej_bind_operand operands[2] = {b->values[node->in[0]], b->values[node->in[2]]};
    ej_value x, index, rows;
    int32_t axis;
    int dtype;
    EJ_TRY(ej_bind_promote(b, 2, operands, &dtype));
    EJ_TRY(ej_bind_take_wide(b, &operands[0], dtype, &x));
    EJ_TRY(ej_bind_take_wide(b, &operands[1], dtype, &rows));
    EJ_TRY(ej_bind_take_index(b, node, 1, "index_add", &index));
    if (!ej_bind_at(b, x)->rank) return ej_fail(b->err, EINJIT_E_RANK, "index_add to a scalar");
    EJ_TRY(ej_bind_axis(b, node->dims[0], ej_bind_at(b, x)->rank, &axis));
    EJ_TRY(meet_shapes(b, "index_add", x, rows, axis));
    EJ_TRY(ej_bind_index_add(b, index, rows, axis, ej_bind_at(b, x)->shape[axis], &out->id));
    if (!is_zeros(b, x))
        EJ_TRY(ej_bind_map(b, EJ_FN_ADD, ej_dtypes[dtype].computes, 2, (const ej_value[]){x, out->id}, &out->id));
    return ej_bind_cast(b, out->id, dtype, &out->id);
}
