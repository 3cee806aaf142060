/* bind_reduce.c - reductions, and what is made of them: mean, logsumexp, softmax, layer_norm.
 *
 * Takes  one operand and the axes as written.
 * Gives  REDUCE nodes (sum, prod, max, min; or for bool) and pointwise maps around them.
 * Keeps  torch's meaning: sums and products of integers are i64; the largest of nothing is refused; the mean of nothing
 *        is NaN, its log-sum-exp -inf.
 */
#include <math.h>

#include "bind_core.h"

/* Which axes: by number, or all. */
static int named_axes(ej_binder *b, const ej_node *node, int32_t rank, bool **out)
{
    bool *axes = EJ_NEW_ARRAY(b->arena, bool, (size_t)rank + 1);
    if (!axes) return ej_no_memory(b->err);
    for (int32_t i = 0; node->all_dims && i < rank; i++) axes[i] = true;
    for (uint32_t i = 0; i < node->n_dims; i++) {
        int32_t axis;
        EJ_TRY(ej_bind_axis(b, node->dims[i], rank, &axis));
        if (axes[axis]) return ej_fail(b->err, EINJIT_E_VALUE, "axis %d is given twice", (int)axis);
        axes[axis] = true;
    }
    *out = axes;
    return EINJIT_OK;
}

static int map1(ej_binder *b, int fn, int dtype, ej_value x, ej_value *out)
{
    return ej_bind_map(b, fn, dtype, 1, &x, out);
}

static int map2(ej_binder *b, int fn, int dtype, ej_value x, ej_value y, ej_value *out)
{
    ej_value in[2] = {x, y};
    return ej_bind_map(b, fn, dtype, 2, in, out);
}

/* ---- mean ---- */

/* The number of values along an open axis: ones, summed. Exact in i64, and needs no operation of its own. */
static int count_open(ej_binder *b, ej_size extent, ej_value *out)
{
    static const bool all[1] = {true};
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, 1);
    if (!shape) return ej_no_memory(b->err);
    shape[0] = extent;
    EJ_TRY(ej_bind_number(b, EINJIT_I64, 1, out));
    EJ_TRY(ej_bind_expand(b, *out, 1, shape, out));
    return ej_bind_reduce(b, EINJIT_REDUCE_SUM, *out, all, false, out);
}

static int count_of(ej_binder *b, ej_value x, const bool *axes, int dtype, ej_value *out)
{
    int64_t fixed = 1; /* at most the element count of x, or 0 */
    int32_t rank = ej_bind_at(b, x)->rank;
    for (int32_t i = 0; i < rank; i++) {
        ej_size extent = ej_bind_at(b, x)->shape[i];
        if (axes[i] && !extent.e) fixed *= extent.n;
    }
    EJ_TRY(ej_bind_number(b, dtype, (double)fixed, out));
    for (int32_t i = 0; i < rank; i++) {
        ej_size extent = ej_bind_at(b, x)->shape[i];
        ej_value open;
        if (!axes[i] || !extent.e) continue;
        EJ_TRY(count_open(b, extent, &open));
        EJ_TRY(ej_bind_cast(b, open, dtype, &open));
        EJ_TRY(map2(b, EJ_FN_MUL, dtype, *out, open, out));
    }
    return EINJIT_OK;
}

static int mean(ej_binder *b, ej_value x, const bool *axes, bool keepdim, ej_value *out)
{
    int dtype = ej_bind_at(b, x)->dtype;
    ej_value sum, count;
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_SUM, x, axes, keepdim, &sum));
    EJ_TRY(count_of(b, x, axes, dtype, &count));
    return map2(b, EJ_FN_DIV, dtype, sum, count, out);
}

/* ---- log-sum-exp, softmax ---- */

static bool has_empty_axis(const ej_binder *b, ej_value x, const bool *axes)
{
    const ej_bound_node *node = ej_bind_at(b, x);
    for (int32_t i = 0; i < node->rank; i++)
        if (axes[i] && ej_size_is(node->shape[i], 0)) return true;
    return false;
}

/* The largest value, or 0 where that is infinite: inf - inf would be NaN. NaN stays. */
static int finite_max(ej_binder *b, ej_value x, const bool *axes, ej_value *out)
{
    int dtype = ej_bind_at(b, x)->dtype;
    ej_value max, in[3], infinity;
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_MAX, x, axes, true, &max));
    EJ_TRY(map1(b, EJ_FN_ABS, dtype, max, &in[0]));
    EJ_TRY(ej_bind_number(b, dtype, INFINITY, &infinity));
    EJ_TRY(map2(b, EJ_FN_EQ, EINJIT_BOOL, in[0], infinity, &in[0]));
    EJ_TRY(ej_bind_number(b, dtype, 0, &in[1]));
    in[2] = max;
    return ej_bind_map(b, EJ_FN_WHERE, dtype, 3, in, out);
}

/* The same value without the axes of `axes`, which are 1. */
static int drop_axes(ej_binder *b, ej_value x, const bool *axes, ej_value *out)
{
    const ej_bound_node *node = ej_bind_at(b, x);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)node->rank);
    if (!shape) return ej_no_memory(b->err);
    int32_t rank = 0;
    for (int32_t i = 0; i < node->rank; i++)
        if (!axes[i]) shape[rank++] = node->shape[i];
    return ej_bind_reshape(b, x, rank, shape, out);
}

/* sum of nothing is 0, its logarithm -inf. */
static int log_of_nothing(ej_binder *b, ej_value x, const bool *axes, bool keepdim, ej_value *out)
{
    ej_value zeros;
    int dtype = ej_bind_at(b, x)->dtype;
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_SUM, x, axes, keepdim, &zeros));
    return map1(b, EJ_FN_LOG, dtype, zeros, out);
}

int ej_bind_logsumexp(ej_binder *b, ej_value x, const bool *axes, bool keepdim, ej_value *out)
{
    int dtype = ej_bind_at(b, x)->dtype;
    ej_value max, sum;
    bool any = false;
    for (int32_t i = 0; i < ej_bind_at(b, x)->rank; i++) any |= axes[i];
    if (!any) {
        *out = x;
        return EINJIT_OK;
    }
    if (has_empty_axis(b, x, axes)) return log_of_nothing(b, x, axes, keepdim, out);
    EJ_TRY(finite_max(b, x, axes, &max));
    EJ_TRY(map2(b, EJ_FN_SUB, dtype, x, max, &sum));
    EJ_TRY(map1(b, EJ_FN_EXP, dtype, sum, &sum));
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_SUM, sum, axes, keepdim, &sum));
    EJ_TRY(map1(b, EJ_FN_LOG, dtype, sum, &sum));
    if (!keepdim) EJ_TRY(drop_axes(b, max, axes, &max));
    return map2(b, EJ_FN_ADD, dtype, sum, max, out);
}

int ej_bind_op_softmax(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x, max, sum;
    bool *axes;
    int dtype;
    EJ_TRY(ej_bind_floating(b, ej_bind_dtype(b, &b->values[node->in[0]]), true, "softmax", &dtype));
    EJ_TRY(ej_bind_take_wide(b, &b->values[node->in[0]], dtype, &x));
    EJ_TRY(named_axes(b, node, ej_bind_at(b, x)->rank, &axes));
    if (has_empty_axis(b, x, axes)) return ej_bind_cast(b, x, dtype, &out->id);
    int wide = ej_dtypes[dtype].computes;
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_MAX, x, axes, true, &max));
    EJ_TRY(map2(b, EJ_FN_SUB, wide, x, max, &x));
    EJ_TRY(map1(b, EJ_FN_EXP, wide, x, &x));
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_SUM, x, axes, true, &sum));
    EJ_TRY(map2(b, EJ_FN_DIV, wide, x, sum, &x));
    return ej_bind_cast(b, x, dtype, &out->id);
}

/* ---- layer_norm ---- */

/* Weight and bias have the shape of the last n axes of x, exactly. */
static int check_parameter(ej_binder *b, const char *what, ej_value parameter, ej_value x, int32_t n)
{
    const ej_bound_node *p = ej_bind_at(b, parameter), *from = ej_bind_at(b, x);
    if (p->rank != n)
        return ej_fail(b->err, EINJIT_E_SHAPE, "the %s of layer_norm has %d axes, %d are normalized", what,
                       (int)p->rank, (int)n);
    for (int32_t i = 0; i < n; i++) {
        ej_size want = from->shape[from->rank - n + i];
        if (p->shape[i].n != want.n)
            return ej_fail(b->err, EINJIT_E_SHAPE,
                           "axis %d of the %s of layer_norm is %lld, that of the operand is %lld", (int)i, what,
                           (long long)p->shape[i].n, (long long)want.n);
        ej_bind_meet(b, p->shape[i], want);
    }
    return EINJIT_OK;
}

/* The extents that the program names, where it does. */
static int check_normalized(ej_binder *b, const ej_node *node, ej_value x)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    int32_t first = from->rank - (int32_t)node->n_extents;
    for (uint32_t i = 0; i < node->n_extents; i++) {
        ej_size said, have = from->shape[first + (int32_t)i];
        if (node->extents[i].n == EJ_EXTENT_UNKNOWN) continue;
        EJ_TRY(ej_bind_extent(b, &node->extents[i], &said));
        if (said.n != have.n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "layer_norm over %lld elements of axis %d, which has %lld",
                           (long long)said.n, (int)(first + (int32_t)i), (long long)have.n);
        ej_bind_meet(b, said, have);
    }
    return EINJIT_OK;
}

/* (x - mean) / sqrt(variance + eps), the variance of the population. */
static int normalize(ej_binder *b, ej_value x, const bool *axes, double eps, ej_value *out)
{
    int dtype = ej_bind_at(b, x)->dtype;
    ej_value center, variance, small;
    EJ_TRY(mean(b, x, axes, true, &center));
    EJ_TRY(map2(b, EJ_FN_SUB, dtype, x, center, &x));
    EJ_TRY(map1(b, EJ_FN_SQUARE, dtype, x, &variance));
    EJ_TRY(mean(b, variance, axes, true, &variance));
    EJ_TRY(ej_bind_number(b, dtype, eps, &small));
    EJ_TRY(map2(b, EJ_FN_ADD, dtype, variance, small, &variance));
    EJ_TRY(map1(b, EJ_FN_SQRT, dtype, variance, &variance));
    return map2(b, EJ_FN_DIV, dtype, x, variance, out);
}

int ej_bind_op_layer_norm(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    enum { MAX_OPERANDS = 3 };
    static const char *const names[] = {"weight", "bias"};
    ej_bind_operand operands[MAX_OPERANDS];
    ej_value in[MAX_OPERANDS];
    int dtype;
    if (node->n_in > MAX_OPERANDS) return ej_fail(b->err, EINJIT_E_INTERNAL, "layer_norm over too many operands");
    for (uint32_t i = 0; i < node->n_in; i++) operands[i] = b->values[node->in[i]];
    EJ_TRY(ej_bind_promote(b, node->n_in, operands, &dtype));
    EJ_TRY(ej_bind_floating(b, dtype, true, "layer_norm", &dtype));
    for (uint32_t i = 0; i < node->n_in; i++) EJ_TRY(ej_bind_take_wide(b, &operands[i], dtype, &in[i]));
    int32_t rank = ej_bind_at(b, in[0])->rank;
    int64_t n = node->n_dims ? node->dims[0] : 0;
    if (n < 1 || n > rank)
        return ej_fail(b->err, EINJIT_E_VALUE, "layer_norm over the last %lld axes of %d", (long long)n, (int)rank);
    EJ_TRY(check_normalized(b, node, in[0]));
    bool *axes = EJ_NEW_ARRAY(b->arena, bool, (size_t)rank);
    if (!axes) return ej_no_memory(b->err);
    for (int32_t i = rank - (int32_t)n; i < rank; i++) axes[i] = true;
    uint32_t next = 1;
    ej_value result;
    EJ_TRY(normalize(b, in[0], axes, node->re, &result));
    for (int which = 0; which < 2; which++) { /* weight, then bias */
        if (!(node->integer >> which & 1) || next >= node->n_in) continue;
        EJ_TRY(check_parameter(b, names[which], in[next], in[0], (int32_t)n));
        EJ_TRY(map2(b, which ? EJ_FN_ADD : EJ_FN_MUL, ej_dtypes[dtype].computes, result, in[next++], &result));
    }
    return ej_bind_cast(b, result, dtype, &out->id);
}

/* ---- the operation ---- */

static int refuse(ej_binder *b, const char *what, int dtype)
{
    return ej_fail(b->err, EINJIT_E_DTYPE, "%s is not defined for %s", what, einjit_dtype_name(dtype));
}

/* amax and amin; of bool: or, and its mirror image. */
static int extreme(ej_binder *b, bool largest, ej_value x, const bool *axes, bool keepdim, ej_value *out)
{
    const ej_bound_node *node = ej_bind_at(b, x);
    if (ej_dtype_is_complex(node->dtype)) return refuse(b, largest ? "amax" : "amin", node->dtype);
    for (int32_t i = 0; i < node->rank; i++) {
        if (!axes[i]) continue;
        if (!node->shape[i].n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "%s over axis %d, which has no elements", largest ? "amax" : "amin",
                           (int)i);
        EJ_TRY(ej_bind_not_empty(b, node->shape[i]));
    }
    if (node->dtype != EINJIT_BOOL)
        return ej_bind_reduce(b, largest ? EINJIT_REDUCE_MAX : EINJIT_REDUCE_MIN, x, axes, keepdim, out);
    if (largest) return ej_bind_reduce(b, EINJIT_REDUCE_OR, x, axes, keepdim, out);
    EJ_TRY(map1(b, EJ_FN_LOGICAL_NOT, EINJIT_BOOL, x, &x));
    EJ_TRY(ej_bind_reduce(b, EINJIT_REDUCE_OR, x, axes, keepdim, &x));
    return map1(b, EJ_FN_LOGICAL_NOT, EINJIT_BOOL, x, out);
}

static int reduce_dtype(ej_binder *b, int reduce, int dtype, int *out)
{
    bool whole = ej_dtypes[dtype].kind <= EJ_KIND_INT;
    *out = dtype;
    switch (reduce) {
    case EINJIT_REDUCE_SUM:
    case EINJIT_REDUCE_PROD: *out = whole ? EINJIT_I64 : dtype; return EINJIT_OK;
    case EINJIT_REDUCE_MEAN: return ej_bind_floating(b, dtype, false, "mean", out);
    case EINJIT_REDUCE_LOGSUMEXP: return ej_bind_floating(b, dtype, true, "logsumexp", out);
    case EINJIT_REDUCE_OR: *out = EINJIT_BOOL; return EINJIT_OK;
    default: return EINJIT_OK;
    }
}

static int reduce(ej_binder *b, const ej_node *node, ej_value x, const bool *axes, ej_value *out)
{
    switch (node->fn) {
    case EINJIT_REDUCE_SUM:
    case EINJIT_REDUCE_PROD:
    case EINJIT_REDUCE_OR: return ej_bind_reduce(b, node->fn, x, axes, node->keepdim, out);
    case EINJIT_REDUCE_MAX:
    case EINJIT_REDUCE_MIN: return extreme(b, node->fn == EINJIT_REDUCE_MAX, x, axes, node->keepdim, out);
    case EINJIT_REDUCE_LOGSUMEXP: return ej_bind_logsumexp(b, x, axes, node->keepdim, out);
    case EINJIT_REDUCE_MEAN: return mean(b, x, axes, node->keepdim, out);
    default: return ej_fail(b->err, EINJIT_E_INTERNAL, "an unknown reduction %d", node->fn);
    }
}

int ej_bind_op_reduce(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    const ej_bind_operand *operand = &b->values[node->in[0]];
    int dtype = ej_bind_dtype(b, operand);
    bool *axes;
    ej_value x;
    EJ_TRY(named_axes(b, node, ej_bind_rank(b, operand), &axes));
    EJ_TRY(reduce_dtype(b, node->fn, dtype, &dtype));
    EJ_TRY(ej_bind_take_own(b, operand, &x));
    EJ_TRY(ej_bind_cast(b, x, dtype, &x));
    EJ_TRY(ej_bind_cast(b, x, ej_dtypes[dtype].computes, &x));
    EJ_TRY(reduce(b, node, x, axes, &out->id));
    return ej_bind_cast(b, out->id, dtype, &out->id);
}
