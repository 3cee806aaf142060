/* bind_node.c - core nodes: appended with their shapes.
 *
 * Takes  bound operands of the right dtypes.
 * Gives  bound nodes; an operation that would change nothing gives its operand back.
 * Keeps  every value below 2^62 bytes, counting extents of 0 as 1, so that no later product of extents overflows.
 */
#include "bind_core.h"

#include <string.h>

static int check_bytes(ej_binder *b, const ej_bound_node *node)
{
    int64_t bytes = ej_dtypes[node->dtype].bytes;
    ej_size product = ej_size_number(1);
    for (int32_t i = 0; i < node->rank; i++) {
        int64_t n = node->shape[i].n;
        if (!ej_mul_size(bytes, n ? n : 1, &bytes) || bytes > (int64_t)1 << 62)
            return ej_fail(b->err, EINJIT_E_SIZE, "'%s' would have more than 2^62 bytes", b->name);
        /* closes what no product of extents could hold */
        if (node->shape[i].e) EJ_TRY(ej_bind_mul(b, product, node->shape[i], &product));
    }
    return EINJIT_OK;
}

int ej_bind_node(ej_binder *b, const ej_bound_node *node, ej_value *out)
{
    ej_bound *bound = b->out;
    EJ_TRY(check_bytes(b, node));
    if (bound->n_nodes >= INT32_MAX - 1) return ej_fail(b->err, EINJIT_E_LIMIT, "more than 2^31 values");
    if (!EJ_PUSH_ROOM(b->arena, bound->nodes, bound->cap_nodes, bound->n_nodes)) return ej_no_memory(b->err);
    bound->nodes[bound->n_nodes] = *node;
    bound->nodes[bound->n_nodes].name = b->name;
    *out = (ej_value)bound->n_nodes++;
    return EINJIT_OK;
}

/* A node over copies of the operands, with room for `rank` extents. */
static int start(ej_binder *b, ej_bound_node *made, int op, int dtype, int32_t rank, uint32_t n, const ej_value *in)
{
    *made = (ej_bound_node){.op = (uint8_t)op, .dtype = (int16_t)dtype, .rank = rank, .n_in = n};
    made->shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank);
    made->in = EJ_NEW_ARRAY(b->arena, ej_value, n);
    if (!made->shape || !made->in) return ej_no_memory(b->err);
    memcpy(made->in, in, n * sizeof *in);
    return EINJIT_OK;
}

static bool same_shape(const ej_bound_node *x, int32_t rank, const ej_size *shape)
{
    if (x->rank != rank) return false;
    for (int32_t i = 0; i < rank; i++)
        if (!ej_size_same(x->shape[i], shape[i])) return false;
    return true;
}

int ej_bind_axis(ej_binder *b, int64_t dim, int32_t rank, int32_t *out)
{
    int64_t n = rank ? rank : 1; /* a scalar has axes 0 and -1, as in torch */
    if (dim < -n || dim >= n)
        return ej_fail(b->err, EINJIT_E_VALUE, "axis %lld is out of range for %d axes", (long long)dim, (int)rank);
    *out = (int32_t)(dim < 0 ? dim + n : dim);
    return EINJIT_OK;
}

/* ---- elementwise ---- */

/* x was widened from the narrow dtype: the same numbers, unrounded. */
static bool is_widened(const ej_binder *b, const ej_bound_node *x, int dtype)
{
    return x->op == EJ_OP_CAST && ej_dtypes[dtype].computes == x->dtype && ej_bind_at(b, x->in[0])->dtype == dtype;
}

int ej_bind_cast(ej_binder *b, ej_value x, int dtype, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    if (from->dtype == dtype || is_widened(b, from, dtype)) {
        *out = from->dtype == dtype ? x : from->in[0];
        return EINJIT_OK;
    }
    ej_bound_node made;
    EJ_TRY(start(b, &made, EJ_OP_CAST, dtype, from->rank, 1, &x));
    made.shape = from->shape;
    return ej_bind_node(b, &made, out);
}

bool ej_bind_broadcast(ej_binder *b, ej_size *have, ej_size other)
{
    if (ej_size_is(*have, 1)) {
        *have = other;
    } else if (ej_size_is(other, 1)) {
        return true;
    } else if (have->n == 1 && other.n != 1) { /* an open size that happens to be 1 */
        ej_bind_close(b, *have);
        *have = other;
    } else if (other.n == 1 && have->n != 1) {
        ej_bind_close(b, other);
    } else {
        if (have->n != other.n) return false;
        *have = ej_bind_meet(b, *have, other);
    }
    return true;
}

/* `axis` counts from the end. */
static int refuse_broadcast(ej_binder *b, const ej_value *in, uint32_t operand, int32_t axis, int64_t have)
{
    uint32_t other = 0;
    while (other < operand) {
        const ej_bound_node *x = ej_bind_at(b, in[other]);
        if (axis < x->rank && x->shape[x->rank - 1 - axis].n == have) break;
        other++;
    }
    const ej_bound_node *x = ej_bind_at(b, in[operand]);
    return ej_fail(b->err, EINJIT_E_BROADCAST, "axis %d is %lld in operand %u and %lld in operand %u", (int)-1 - axis,
                   (long long)have, (unsigned)other, (long long)x->shape[x->rank - 1 - axis].n, (unsigned)operand);
}

int ej_bind_map(ej_binder *b, int fn, int dtype, uint32_t n, const ej_value *in, ej_value *out)
{
    int32_t rank = 0;
    for (uint32_t i = 0; i < n; i++)
        if (ej_bind_at(b, in[i])->rank > rank) rank = ej_bind_at(b, in[i])->rank;
    ej_bound_node made;
    EJ_TRY(start(b, &made, EJ_OP_MAP, dtype, rank, n, in));
    made.fn = (uint8_t)fn;
    for (int32_t axis = 0; axis < rank; axis++) { /* from the last one */
        ej_size extent = ej_size_number(1);
        for (uint32_t i = 0; i < n; i++) {
            const ej_bound_node *x = ej_bind_at(b, in[i]);
            if (axis >= x->rank) continue;
            int64_t have = extent.n;
            if (!ej_bind_broadcast(b, &extent, x->shape[x->rank - 1 - axis]))
                return refuse_broadcast(b, in, i, axis, have);
        }
        made.shape[rank - 1 - axis] = extent;
    }
    return ej_bind_node(b, &made, out);
}

/* ---- axes ---- */

static int keep_axes(ej_binder *b, ej_value reduced, ej_value x, const bool *axes, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)from->rank);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i < from->rank; i++) shape[i] = axes[i] ? ej_size_number(1) : from->shape[i];
    return ej_bind_reshape(b, reduced, from->rank, shape, out);
}

/* A number that was expanded, summed: a product. *done false: it is something else, or the count is open or not
 * exact. */
static int sum_of_number(ej_binder *b, int reduce, ej_value x, const bool *axes, bool keepdim, ej_value *out,
                         bool *done)
{
    enum { EXACT = 1 << 24 }; /* counts below are numbers of every floating dtype */
    const ej_bound_node *from = ej_bind_at(b, x);
    const ej_bound_node *number = from->n_in ? ej_bind_at(b, from->in[0]) : NULL;
    int64_t count = 1;
    int32_t rank = 0;
    *done = reduce == EINJIT_REDUCE_SUM && from->op == EJ_OP_EXPAND && number->op == EJ_OP_SCALAR &&
            from->dtype != EINJIT_BOOL;
    for (int32_t i = 0; *done && i < from->rank; i++)
        if (axes[i]) *done = !from->shape[i].e && ej_mul_size(count, from->shape[i].n, &count) && count < EXACT;
    *done = *done && count; /* of nothing it is 0, also of Inf */
    if (!*done) return EINJIT_OK;
    int dtype = from->dtype;
    bool one = ej_dtypes[dtype].kind <= EJ_KIND_INT ? number->integer == 1 : number->re == 1 && number->im == 0;
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)from->rank);
    if (!shape) return ej_no_memory(b->err);
    for (int32_t i = 0; i < from->rank; i++) {
        if (!axes[i]) shape[rank++] = from->shape[i];
        else if (keepdim) shape[rank++] = ej_size_number(1);
    }
    ej_value in[2] = {from->in[0], -1};
    EJ_TRY(ej_bind_number(b, dtype, (double)count, &in[1]));
    if (one) *out = in[1];
    else EJ_TRY(ej_bind_map(b, EJ_FN_MUL, dtype, 2, in, out));
    return ej_bind_expand(b, *out, rank, shape, out);
}

int ej_bind_reduce(ej_binder *b, int reduce, ej_value x, const bool *axes, bool keepdim, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    uint32_t n = 0;
    bool done = false;
    for (int32_t i = 0; i < from->rank; i++) n += axes[i];
    if (!n) {
        *out = x;
        return EINJIT_OK;
    }
    EJ_TRY(sum_of_number(b, reduce, x, axes, keepdim, out, &done));
    if (done) return EINJIT_OK;
    ej_bound_node made;
    EJ_TRY(start(b, &made, EJ_OP_REDUCE, from->dtype, from->rank - (int32_t)n, 1, &x));
    made.fn = (uint8_t)reduce;
    made.n_dims = n;
    made.dims = EJ_NEW_ARRAY(b->arena, int64_t, n);
    if (!made.dims) return ej_no_memory(b->err);
    int32_t kept = 0, gone = 0;
    for (int32_t i = 0; i < from->rank; i++) {
        if (axes[i]) made.dims[gone++] = i;
        else made.shape[kept++] = from->shape[i];
    }
    EJ_TRY(ej_bind_node(b, &made, out));
    return keepdim ? keep_axes(b, *out, x, axes, out) : EINJIT_OK;
}

int ej_bind_permute(ej_binder *b, ej_value x, const int64_t *dims, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    bool moves = false;
    for (int32_t i = 0; i < from->rank; i++) moves |= dims[i] != i;
    if (!moves) {
        *out = x;
        return EINJIT_OK;
    }
    ej_bound_node made;
    EJ_TRY(start(b, &made, EJ_OP_PERMUTE, from->dtype, from->rank, 1, &x));
    made.n_dims = (uint32_t)from->rank;
    made.dims = EJ_NEW_ARRAY(b->arena, int64_t, made.n_dims);
    if (!made.dims) return ej_no_memory(b->err);
    for (int32_t i = 0; i < from->rank; i++) {
        made.dims[i] = dims[i];
        made.shape[i] = from->shape[dims[i]];
    }
    return ej_bind_node(b, &made, out);
}

static int reshaped(ej_binder *b, int op, ej_value x, int32_t rank, ej_size *shape, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    if (same_shape(from, rank, shape)) {
        *out = x;
        return EINJIT_OK;
    }
    ej_bound_node made;
    EJ_TRY(start(b, &made, op, from->dtype, 0, 1, &x));
    made.rank = rank;
    made.shape = shape;
    return ej_bind_node(b, &made, out);
}

int ej_bind_reshape(ej_binder *b, ej_value x, int32_t rank, ej_size *shape, ej_value *out)
{
    return reshaped(b, EJ_OP_RESHAPE, x, rank, shape, out);
}

int ej_bind_expand(ej_binder *b, ej_value x, int32_t rank, ej_size *shape, ej_value *out)
{
    return reshaped(b, EJ_OP_EXPAND, x, rank, shape, out);
}
