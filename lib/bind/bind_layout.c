/* bind_layout.c - operations that only look at the same elements another way.
 *
 * Takes  one operand, axes as written (negative ones count from the end), shapes with names and -1.
 * Gives  PERMUTE, RESHAPE and EXPAND nodes.
 */
#include "bind_core.h"

static int take_operand(ej_binder *b, const ej_node *node, ej_value *x)
{
    return ej_bind_take_own(b, &b->values[node->in[0]], x);
}

int ej_bind_op_permute(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    EJ_TRY(take_operand(b, node, &x));
    int32_t rank = ej_bind_at(b, x)->rank;
    if (node->n_dims != (uint32_t)rank)
        return ej_fail(b->err, EINJIT_E_RANK, "permute names %u axes, the operand has %d", (unsigned)node->n_dims,
                       (int)rank);
    int64_t *dims = EJ_NEW_ARRAY(b->arena, int64_t, (size_t)rank);
    bool *seen = EJ_NEW_ARRAY(b->arena, bool, (size_t)rank);
    if (!dims || !seen) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++) {
        int32_t axis;
        EJ_TRY(ej_bind_axis(b, node->dims[i], rank, &axis));
        if (seen[axis]) return ej_fail(b->err, EINJIT_E_VALUE, "permute names axis %d twice", (int)axis);
        seen[axis] = true;
        dims[i] = axis;
    }
    return ej_bind_permute(b, x, dims, &out->id);
}

int ej_bind_op_transpose(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    int32_t one, other;
    EJ_TRY(take_operand(b, node, &x));
    int32_t rank = ej_bind_at(b, x)->rank;
    EJ_TRY(ej_bind_axis(b, node->dims[0], rank, &one));
    EJ_TRY(ej_bind_axis(b, node->dims[1], rank, &other));
    int64_t *dims = EJ_NEW_ARRAY(b->arena, int64_t, (size_t)rank + 1);
    if (!dims) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++) dims[i] = i == one ? other : i == other ? one : i;
    return ej_bind_permute(b, x, dims, &out->id);
}

/* ---- reshape ---- */

static int product_of(ej_binder *b, const ej_size *shape, int32_t rank, ej_size *out)
{
    ej_size product = ej_size_number(1);
    for (int32_t i = 0; i < rank; i++) EJ_TRY(ej_bind_mul(b, product, shape[i], &product));
    *out = product;
    return EINJIT_OK;
}

static int refuse_reshape(ej_binder *b, ej_size have, ej_size want)
{
    return ej_fail(b->err, EINJIT_E_SHAPE, "a value of %lld elements cannot take a shape of %lld", (long long)have.n,
                   (long long)want.n);
}

/* What is left for the -1: `have` divided by all other extents. */
static int remaining(ej_binder *b, ej_size have, ej_size others, ej_size *out)
{
    if (others.e && ej_size_divide(&b->out->sizes, have, others, out)) return EINJIT_OK; /* also where both are 0 */
    if (!others.n && !have.n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "the -1 of a reshape can be anything where another extent is 0");
    if (!others.n || have.n % others.n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "%lld elements do not divide into rows of %lld", (long long)have.n,
                       (long long)others.n);
    if (ej_size_divide(&b->out->sizes, have, others, out)) return EINJIT_OK;
    *out = ej_size_number(ej_bind_fixed(b, have).n / ej_bind_fixed(b, others).n);
    return EINJIT_OK;
}

int ej_bind_op_reshape(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    EJ_TRY(take_operand(b, node, &x));
    int32_t rank = (int32_t)node->n_extents, open = -1;
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank), have, want;
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++) {
        if (node->extents[i].n >= 0) {
            EJ_TRY(ej_bind_extent(b, &node->extents[i], &shape[i]));
        } else if (open >= 0) {
            return ej_fail(b->err, EINJIT_E_VALUE, "a reshape can have one -1, not axes %d and %d", (int)open, (int)i);
        } else {
            open = i;
            shape[i] = ej_size_number(1);
        }
    }
    EJ_TRY(product_of(b, ej_bind_at(b, x)->shape, ej_bind_at(b, x)->rank, &have));
    EJ_TRY(product_of(b, shape, rank, &want));
    if (open >= 0) EJ_TRY(remaining(b, have, want, &shape[open]));
    else if (have.n != want.n) return refuse_reshape(b, have, want);
    else ej_bind_meet(b, have, want);
    return ej_bind_reshape(b, x, rank, shape, &out->id);
}

/* ---- expand ---- */

static int expanded_extent(ej_binder *b, const ej_extent *extent, const ej_size *have, int32_t axis, ej_size *out)
{
    if (extent->n < 0) {
        if (!have) return ej_fail(b->err, EINJIT_E_VALUE, "axis %d of an expand is new and cannot be -1", (int)axis);
        *out = *have;
        return EINJIT_OK;
    }
    EJ_TRY(ej_bind_extent(b, extent, out));
    if (!have || ej_size_is(*have, 1)) return EINJIT_OK;
    if (have->n == out->n) {
        *out = ej_bind_meet(b, *have, *out);
    } else if (have->n == 1) { /* an open size that happens to be 1 */
        ej_bind_close(b, *have);
    } else {
        return ej_fail(b->err, EINJIT_E_BROADCAST, "axis %d is %lld and cannot expand to %lld", (int)axis,
                       (long long)have->n, (long long)out->n);
    }
    return EINJIT_OK;
}

int ej_bind_op_expand(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    EJ_TRY(take_operand(b, node, &x));
    const ej_bound_node *from = ej_bind_at(b, x);
    int32_t rank = (int32_t)node->n_extents, added = rank - from->rank;
    if (added < 0)
        return ej_fail(b->err, EINJIT_E_RANK, "an expand to %d axes of an operand with %d", (int)rank, (int)from->rank);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i < rank; i++)
        EJ_TRY(expanded_extent(b, &node->extents[i], i < added ? NULL : &from->shape[i - added], i, &shape[i]));
    return ej_bind_expand(b, x, rank, shape, &out->id);
}

/* ---- axes of extent 1 ---- */

int ej_bind_op_unsqueeze(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    int32_t at;
    EJ_TRY(take_operand(b, node, &x));
    const ej_bound_node *from = ej_bind_at(b, x);
    EJ_TRY(ej_bind_axis(b, node->dims[0], from->rank + 1, &at));
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)from->rank + 1);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i <= from->rank; i++) shape[i] = i == at ? ej_size_number(1) : from->shape[i < at ? i : i - 1];
    return ej_bind_reshape(b, x, from->rank + 1, shape, &out->id);
}

/* As torch: axes that are not 1 stay. The result's rank depends on the extents, so they are closed. */
int ej_bind_op_squeeze(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    EJ_TRY(take_operand(b, node, &x));
    const ej_bound_node *from = ej_bind_at(b, x);
    bool *named = EJ_NEW_ARRAY(b->arena, bool, (size_t)from->rank + 1);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)from->rank);
    if (!named || !shape) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < node->n_dims; i++) {
        int32_t axis;
        EJ_TRY(ej_bind_axis(b, node->dims[i], from->rank, &axis));
        named[axis] = true;
    }
    int32_t rank = 0;
    for (int32_t i = 0; i < from->rank; i++) {
        bool asked = !node->n_dims || named[i];
        ej_size extent = asked ? ej_bind_fixed(b, from->shape[i]) : from->shape[i];
        if (!asked || extent.n != 1) shape[rank++] = extent;
    }
    return ej_bind_reshape(b, x, rank, shape, &out->id);
}
