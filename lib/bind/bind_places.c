/* bind_places.c - numbers that say where an element is: arange, and what gather reads; axes made one.
 *
 * Takes  a count, an axis of a value, or a value and an index of its rank.
 * Gives  ARANGE nodes of one axis and layout of them, which costs nothing; for gather also an INDEX_SELECT, by which
 *        the index is checked.
 */
#include <string.h>

#include "bind_core.h"

static int arange(ej_binder *b, ej_size n, ej_value *out)
{
    ej_bound_node made = {.op = EJ_OP_ARANGE, .dtype = EINJIT_I64, .rank = 1, .shape = EJ_NEW(b->arena, ej_size)};
    if (!made.shape) return ej_no_memory(b->err);
    *made.shape = n;
    return ej_bind_node(b, &made, out);
}

int ej_bind_op_arange(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    ej_size n;
    int32_t axis;
    if (node->n_in) {
        EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &x));
        int32_t rank = ej_bind_at(b, x)->rank;
        EJ_TRY(ej_bind_axis(b, node->dims[0], rank, &axis));
        n = rank ? ej_bind_at(b, x)->shape[axis] : ej_size_number(1); /* a scalar counts as one axis */
    } else {
        EJ_TRY(ej_bind_extent(b, &node->extents[0], &n));
    }
    return arange(b, n, &out->id);
}

/* ---- extents in a row ---- */

static int product(ej_binder *b, const ej_size *shape, int32_t from, int32_t to, ej_size *out)
{
    *out = ej_size_number(1);
    for (int32_t i = from; i < to; i++) EJ_TRY(ej_bind_mul(b, *out, shape[i], out));
    return EINJIT_OK;
}

static int reshape(ej_binder *b, ej_value x, int32_t rank, const ej_size *shape, ej_value *out)
{
    ej_size *copy = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank + 1);
    if (!copy) return ej_no_memory(b->err);
    if (rank) memcpy(copy, shape, (size_t)rank * sizeof *copy);
    return ej_bind_reshape(b, x, rank, copy, out);
}

int ej_bind_op_flatten(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_value x;
    int32_t first, last, rank, n = 0;
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &x));
    rank = ej_bind_at(b, x)->rank;
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)rank + 1);
    if (!shape) return ej_no_memory(b->err);
    EJ_TRY(ej_bind_axis(b, node->dims[0], rank ? rank : 1, &first)); /* a scalar counts as one axis */
    EJ_TRY(ej_bind_axis(b, node->dims[1], rank ? rank : 1, &last));
    if (first > last)
        return ej_fail(b->err, EINJIT_E_VALUE, "flatten from axis %d to %d: the first is behind the last", (int)first,
                       (int)last);
    for (int32_t i = 0; i < first; i++) shape[n++] = ej_bind_at(b, x)->shape[i];
    EJ_TRY(product(b, ej_bind_at(b, x)->shape, first, rank ? last + 1 : 0, &shape[n++]));
    for (int32_t i = last + 1; i < rank; i++) shape[n++] = ej_bind_at(b, x)->shape[i];
    return ej_bind_reshape(b, x, n, shape, &out->id);
}

/* ---- gather ---- */

typedef struct gathering {
    ej_value index;
    int32_t rank, axis;
    int dtype;       /* in which places are computed: i32 where all of them fit */
    ej_size *shape;  /* of x */
    ej_size *places; /* of the index, and of the result */
} gathering;

static int copy_shape(ej_binder *b, ej_value x, ej_size **out)
{
    const ej_bound_node *node = ej_bind_at(b, x);
    *out = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)node->rank + 1);
    if (!*out) return ej_no_memory(b->err);
    memcpy(*out, node->shape, (size_t)node->rank * sizeof **out);
    return EINJIT_OK;
}

static int read_operands(ej_binder *b, const ej_node *node, gathering *g)
{
    ej_value x;
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &x));
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[1]], &g->index));
    const ej_bound_node *of = ej_bind_at(b, x), *index = ej_bind_at(b, g->index);
    if (index->dtype != EINJIT_I32 && index->dtype != EINJIT_I64)
        return ej_fail(b->err, EINJIT_E_DTYPE, "the index of gather is %s, it must be i32 or i64",
                       einjit_dtype_name(index->dtype));
    if (!of->rank) return ej_fail(b->err, EINJIT_E_RANK, "gather from a scalar");
    if (index->rank != of->rank)
        return ej_fail(b->err, EINJIT_E_RANK, "the index of gather has %d axes, and the operand %d", (int)index->rank,
                       (int)of->rank);
    g->rank = of->rank;
    EJ_TRY(ej_bind_axis(b, node->dims[0], g->rank, &g->axis));
    EJ_TRY(copy_shape(b, x, &g->shape));
    EJ_TRY(copy_shape(b, g->index, &g->places));
    for (int32_t i = 0; i < g->rank; i++) {
        ej_size have = g->shape[i], want = g->places[i];
        if (i == g->axis) continue;
        if (want.n > have.n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "gather: axis %d of the index is %lld, and that of the operand %lld",
                           (int)i, (long long)want.n, (long long)have.n);
        if (want.n == have.n) g->places[i] = ej_bind_meet(b, want, have);
        else g->places[i] = ej_bind_fixed(b, want), g->shape[i] = ej_bind_fixed(b, have);
    }
    return EINJIT_OK;
}

static bool reads_nothing(const gathering *g)
{
    bool nothing = false;
    for (int32_t i = 0; i < g->rank; i++) nothing |= i != g->axis && ej_size_is(g->places[i], 0);
    return nothing;
}

/* The index, each number times how far elements along the axis lie apart: looked up, which checks it; then multiplied,
 * or, where that is open, looked up among multiples. */
static int take_steps(ej_binder *b, const gathering *g, ej_value *out)
{
    ej_size rows[2] = {g->shape[g->axis]}, all = rows[0], count;
    ej_value steps, index, apart;
    EJ_TRY(product(b, g->shape, g->axis + 1, g->rank, &rows[1]));
    if (rows[1].e) EJ_TRY(ej_bind_mul(b, rows[0], rows[1], &all));
    EJ_TRY(product(b, g->places, 0, g->rank, &count));
    EJ_TRY(arange(b, all, &steps));
    if (rows[1].e) {
        EJ_TRY(reshape(b, steps, 2, rows, &steps));
        EJ_TRY(ej_bind_cut(b, steps, 1, ej_size_number(0), ej_size_number(1), &steps));
        EJ_TRY(reshape(b, steps, 1, rows, &steps));
    }
    EJ_TRY(reshape(b, g->index, 1, &count, &index));
    EJ_TRY(ej_bind_index_select(b, steps, index, 0, out));
    b->out->nodes[*out].integer = 1 + g->axis; /* messages speak of it */
    EJ_TRY(reshape(b, *out, g->rank, g->places, out));
    EJ_TRY(ej_bind_cast(b, *out, g->dtype, out));
    if (rows[1].e || rows[1].n == 1) return EINJIT_OK;
    EJ_TRY(ej_bind_number(b, g->dtype, (double)rows[1].n, &apart));
    return ej_bind_map(b, EJ_FN_MUL, g->dtype, 2, (const ej_value[]){*out, apart}, out);
}

/* Where rows begin: the numbers of all elements of x, the first along the axis. */
static int take_starts(ej_binder *b, const gathering *g, ej_value *out)
{
    ej_size all;
    EJ_TRY(product(b, g->shape, 0, g->rank, &all));
    EJ_TRY(arange(b, all, out));
    EJ_TRY(reshape(b, *out, g->rank, g->shape, out));
    for (int32_t i = 0; i < g->rank; i++)
        EJ_TRY(ej_bind_cut(b, *out, i, ej_size_number(0), i == g->axis ? ej_size_number(1) : g->places[i], out));
    return ej_bind_cast(b, *out, g->dtype, out);
}

/* Elements that are fewer than 2^31 for certain, and along several axes, so that their places are computed. */
static bool fit_in_32_bits(const gathering *g)
{
    int64_t all = 1;
    bool fit = g->rank > 1;
    for (int32_t i = 0; i < g->rank && fit; i++)
        fit = !g->shape[i].e && !g->places[i].e && ej_mul_size(all, g->shape[i].n, &all) && all <= INT32_MAX;
    return fit;
}

/* Row-major numbers of the elements of x that gather(x, dim, index) takes. */
int ej_bind_op_gather_places(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    gathering g = {0};
    ej_value steps, starts;
    EJ_TRY(read_operands(b, node, &g));
    if (reads_nothing(&g)) return ej_bind_cast(b, g.index, EINJIT_I64, &out->id);
    for (int32_t i = 0; i < g.rank; i++)
        if (i != g.axis) EJ_TRY(ej_bind_not_empty(b, g.shape[i]));
    g.dtype = fit_in_32_bits(&g) ? EINJIT_I32 : EINJIT_I64;
    EJ_TRY(take_steps(b, &g, &steps));
    if (g.rank == 1 || ej_size_is(g.shape[g.axis], 0)) return ej_bind_cast(b, steps, EINJIT_I64, &out->id);
    EJ_TRY(ej_bind_not_empty(b, g.shape[g.axis]));
    EJ_TRY(take_starts(b, &g, &starts));
    EJ_TRY(ej_bind_map(b, EJ_FN_ADD, g.dtype, 2, (const ej_value[]){starts, steps}, &out->id));
    return ej_bind_cast(b, out->id, EINJIT_I64, &out->id);
}
