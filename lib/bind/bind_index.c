/* bind_index.c - joining and indexing: cat, stack, index_select, index_add.
 *
 * Takes  values of one rank, or a value and a vector of indices.
 * Gives  CAT (stack: of operands with a new axis), INDEX_SELECT {x, index}, INDEX_ADD {index, value}.
 * Not here: whether indices are in range (einjit_run checks inputs, plans clamp what the program computes).
 */
#include "bind_core.h"

static int join_operands(ej_binder *b, const ej_node *node, ej_value **out)
{
    uint32_t n = node->n_in;
    ej_bind_operand *operands = EJ_NEW_ARRAY(b->arena, ej_bind_operand, n);
    ej_value *in = EJ_NEW_ARRAY(b->arena, ej_value, n);
    int dtype;
    if (!operands || !in) return ej_no_memory(b->err);
    if (!n) return ej_fail(b->err, EINJIT_E_OPERAND_COUNT, "nothing to join");
    for (uint32_t i = 0; i < n; i++) operands[i] = b->values[node->in[i]];
    EJ_TRY(ej_bind_promote(b, n, operands, &dtype));
    for (uint32_t i = 0; i < n; i++) EJ_TRY(ej_bind_take(b, &operands[i], dtype, &in[i]));
    *out = in;
    return EINJIT_OK;
}

/* All operands have the axes of the first one, apart from `but` (-1: none). The common extents go to *out. */
static int common_shape(ej_binder *b, const char *what, uint32_t n, const ej_value *in, int32_t but, ej_size **out)
{
    int32_t rank = ej_bind_at(b, in[0])->rank;
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank + 1);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t k = 0; k < rank; k++) shape[k] = ej_bind_at(b, in[0])->shape[k];
    for (uint32_t i = 1; i < n; i++) {
        const ej_bound_node *x = ej_bind_at(b, in[i]);
        if (x->rank != rank)
            return ej_fail(b->err, EINJIT_E_RANK, "%s: operand 0 has %d axes and operand %u has %d", what, (int)rank,
                           (unsigned)i, (int)x->rank);
        for (int32_t k = 0; k < rank; k++) {
            if (k == but) continue;
            if (x->shape[k].n != shape[k].n)
                return ej_fail(b->err, EINJIT_E_SHAPE, "%s: axis %d is %lld in operand 0 and %lld in operand %u", what,
                               (int)k, (long long)shape[k].n, (long long)x->shape[k].n, (unsigned)i);
            shape[k] = ej_bind_meet(b, shape[k], x->shape[k]);
        }
    }
    *out = shape;
    return EINJIT_OK;
}

/* shape[axis] becomes the sum of the operands' extents there. */
static int write_cat(ej_binder *b, uint32_t n, ej_value *in, int32_t axis, ej_size *shape, ej_value *out)
{
    const ej_bound_node *first = ej_bind_at(b, in[0]);
    if (n == 1) {
        *out = in[0];
        return EINJIT_OK;
    }
    ej_bound_node made = {
        .op = EJ_OP_CAT, .dtype = first->dtype, .rank = first->rank, .shape = shape, .n_in = n, .in = in, .n_dims = 1};
    made.dims = EJ_NEW_ARRAY(b->arena, int64_t, 1);
    if (!made.dims) return ej_no_memory(b->err);
    made.dims[0] = axis;
    shape[axis] = ej_size_number(0);
    for (uint32_t i = 0; i < n; i++)
        EJ_TRY(ej_bind_add(b, shape[axis], ej_bind_at(b, in[i])->shape[axis], &shape[axis]));
    return ej_bind_node(b, &made, out);
}

int ej_bind_cat(ej_binder *b, uint32_t n, const ej_value *in, int32_t axis, ej_value *out)
{
    const ej_bound_node *first = ej_bind_at(b, in[0]);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)first->rank);
    ej_value *operands = EJ_NEW_ARRAY(b->arena, ej_value, n);
    if (!shape || !operands) return ej_no_memory(b->err);
    for (int32_t i = 0; i < first->rank; i++) shape[i] = first->shape[i];
    for (uint32_t i = 0; i < n; i++) operands[i] = in[i];
    return write_cat(b, n, operands, axis, shape, out);
}

int ej_bind_op_cat(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value *in;
    ej_size *shape;
    int32_t axis;
    EJ_TRY(join_operands(b, node, &in));
    int32_t rank = ej_bind_at(b, in[0])->rank;
    if (!rank) return ej_fail(b->err, EINJIT_E_RANK, "cat of scalars: they have no axis, stack makes one");
    EJ_TRY(ej_bind_axis(b, node->dims[0], rank, &axis));
    EJ_TRY(common_shape(b, "cat", node->n_in, in, axis, &shape));
    return write_cat(b, node->n_in, in, axis, shape, &out->id);
}

int ej_bind_op_stack(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value *in;
    ej_size *shape;
    int32_t axis;
    EJ_TRY(join_operands(b, node, &in));
    int32_t rank = ej_bind_at(b, in[0])->rank;
    EJ_TRY(ej_bind_axis(b, node->dims[0], rank + 1, &axis));
    EJ_TRY(common_shape(b, "stack", node->n_in, in, -1, &shape));
    for (int32_t k = rank; k > axis; k--) shape[k] = shape[k - 1];
    shape[axis] = ej_size_number(1);
    for (uint32_t i = 0; i < node->n_in; i++) EJ_TRY(ej_bind_reshape(b, in[i], rank + 1, shape, &in[i]));
    ej_size *stacked = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank + 1);
    if (!stacked) return ej_no_memory(b->err);
    for (int32_t k = 0; k <= rank; k++) stacked[k] = shape[k];
    return write_cat(b, node->n_in, in, axis, stacked, &out->id);
}

/* ---- indices ---- */

/* Numbers of 32 bits that were widened are as good as they were: half of the bytes. */
static int without_cast(ej_binder *b, ej_value *index)
{
    const ej_bound_node *node = ej_bind_at(b, *index), *from = node;
    while (from->op == EJ_OP_RESHAPE) from = ej_bind_at(b, from->in[0]);
    if (from->op != EJ_OP_CAST || node->dtype != EINJIT_I64 || ej_bind_at(b, from->in[0])->dtype != EINJIT_I32)
        return EINJIT_OK;
    return ej_bind_reshape(b, from->in[0], node->rank, node->shape, index);
}

int ej_bind_take_index(ej_binder *b, const ej_node *node, uint32_t operand, const char *what, ej_value *out)
{
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[operand]], out));
    const ej_bound_node *index = ej_bind_at(b, *out);
    if (index->dtype != EINJIT_I32 && index->dtype != EINJIT_I64)
        return ej_fail(b->err, EINJIT_E_DTYPE, "the index of %s is %s, it must be i32 or i64", what,
                       einjit_dtype_name(index->dtype));
    if (index->rank != 1)
        return ej_fail(b->err, EINJIT_E_RANK, "the index of %s has %d axes, it must have 1", what, (int)index->rank);
    return without_cast(b, out);
}

/* The node over {first, second}, like `from` but with extent n along the axis. */
static int write_indexed(ej_binder *b, int op, ej_value first, ej_value second, ej_value from, int32_t axis, ej_size n,
                         ej_value *out)
{
    const ej_bound_node *like = ej_bind_at(b, from);
    ej_bound_node made = {.op = (uint8_t)op, .dtype = like->dtype, .rank = like->rank, .n_in = 2, .n_dims = 1};
    made.in = EJ_NEW_ARRAY(b->arena, ej_value, 2);
    made.dims = EJ_NEW_ARRAY(b->arena, int64_t, 1);
    made.shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)like->rank);
    if (!made.in || !made.dims || !made.shape) return ej_no_memory(b->err);
    made.in[0] = first;
    made.in[1] = second;
    made.dims[0] = axis;
    for (int32_t k = 0; k < like->rank; k++) made.shape[k] = k == axis ? n : like->shape[k];
    return ej_bind_node(b, &made, out);
}

static int indexed_axis(ej_binder *b, const char *what, int64_t dim, ej_value x, int32_t *axis)
{
    int32_t rank = ej_bind_at(b, x)->rank;
    if (!rank) return ej_fail(b->err, EINJIT_E_RANK, "%s of a scalar", what);
    return ej_bind_axis(b, dim, rank, axis);
}

int ej_bind_index_select(ej_binder *b, ej_value x, ej_value index, int32_t axis, ej_value *out)
{
    return write_indexed(b, EJ_OP_INDEX_SELECT, x, index, x, axis, ej_bind_at(b, index)->shape[0], out);
}

int ej_bind_op_index_select(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, index;
    int32_t axis;
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &x));
    EJ_TRY(ej_bind_take_index(b, node, 1, "index_select", &index));
    EJ_TRY(indexed_axis(b, "index_select", node->dims[0], x, &axis));
    return ej_bind_index_select(b, x, index, axis, &out->id);
}

int ej_bind_index_add(ej_binder *b, ej_value index, ej_value rows, int32_t axis, ej_size n, ej_value *out)
{
    const ej_bound_node *x = ej_bind_at(b, rows);
    if (x->dtype == EINJIT_BOOL) return ej_fail(b->err, EINJIT_E_DTYPE, "index_add is not defined for bool");
    ej_size entries = ej_bind_at(b, index)->shape[0];
    if (x->shape[axis].n != entries.n)
        return ej_fail(b->err, EINJIT_E_DIM, "index_add: the index has %lld entries, axis %d of the value has %lld",
                       (long long)entries.n, (int)axis, (long long)x->shape[axis].n);
    ej_bind_meet(b, entries, x->shape[axis]);
    int dtype = x->dtype;
    EJ_TRY(ej_bind_cast(b, rows, ej_dtypes[dtype].computes, &rows));
    EJ_TRY(write_indexed(b, EJ_OP_INDEX_ADD, index, rows, rows, axis, n, out));
    return ej_bind_cast(b, *out, dtype, out);
}

int ej_bind_op_index_add(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value index, value;
    int32_t axis;
    ej_size count;
    EJ_TRY(ej_bind_take_index(b, node, 0, "index_add", &index));
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[1]], &value));
    EJ_TRY(indexed_axis(b, "index_add", node->dims[0], value, &axis));
    if (!node->n_extents || node->extents[0].n < 0)
        return ej_fail(b->err, EINJIT_E_VALUE, "index_add needs the number of rows of its result");
    EJ_TRY(ej_bind_extent(b, &node->extents[0], &count));
    return ej_bind_index_add(b, index, value, axis, count, &out->id);
}
