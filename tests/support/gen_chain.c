/* gen_chain.c - random chains of products, sums and layout, each value used once: what merges into few einsums.
 *
 * Every step is tried on the oracle first.
 */
#include <string.h>

#include "gen_maker.h"

enum { MOST_RANK = 5 };

static int rank_of(const gen_maker *m, ej_value v)
{
    return gen_value(m, v)->rank;
}

static ej_value fresh(gen_maker *m, ej_value like, int rank, const int64_t *shape)
{
    return gen_new_input(m, gen_chance(&m->r, 85) ? gen_value(m, like)->dtype : gen_pick_dtype(m), rank, shape, 0);
}

/* An einsum over values whose axes meet under labels where they can. */
static ej_value einsum(gen_maker *m, int n, const ej_value *in)
{
    char text[96];
    int64_t extents[16];
    int labels = 0, at = 0, used[16] = {0};
    for (int t = 0; t < n; t++) {
        if (t) text[at++] = ',';
        for (int a = 0; a < rank_of(m, in[t]); a++) {
            int64_t extent = gen_value(m, in[t])->shape[a];
            int label = labels;
            for (int l = 0; l < labels && t; l++)
                if (extents[l] == extent && gen_chance(&m->r, 60)) label = l;
            if (label == labels && labels && gen_chance(&m->r, 10)) label = gen_below(&m->r, labels);
            if (label == labels) extents[labels++] = extent;
            used[label]++;
            text[at++] = (char)('a' + label);
        }
    }
    text[at++] = '-';
    text[at++] = '>';
    int from = labels ? gen_below(&m->r, labels) : 0;
    for (int l = 0; l < labels; l++) {
        int label = (from + l) % labels;
        if (gen_chance(&m->r, used[label] > 1 ? 45 : 75)) text[at++] = (char)('a' + label);
    }
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(gen_arena_of(m), ej_equation);
    if (!node.equation || ej_equation_parse(node.equation, gen_arena_of(m), text, (size_t)at, (size_t)n, NULL))
        return -1;
    return gen_keep_of(m, node, n, in);
}

static ej_value einsum_with_input(gen_maker *m, ej_value v)
{
    int64_t shape[3];
    int rank = 1 + gen_below(&m->r, 3);
    for (int a = 0; a < rank; a++)
        shape[a] = rank_of(m, v) && gen_chance(&m->r, 60) ? gen_value(m, v)->shape[gen_below(&m->r, rank_of(m, v))]
                                                          : gen_pick_extent(m);
    ej_value in[2] = {v, fresh(m, v, rank, shape)};
    if (in[1] < 0) return -1;
    if (gen_chance(&m->r, 40)) {
        in[0] = in[1];
        in[1] = v;
    }
    return einsum(m, 2, in);
}

static ej_value product(gen_maker *m, ej_value v)
{
    if (gen_chance(&m->r, 10)) return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_SQUARE}, 1, &v);
    int64_t shape[MOST_RANK];
    int drop = gen_chance(&m->r, 50) ? gen_below(&m->r, rank_of(m, v) + 1) : 0, rank = 0;
    if (!drop && rank_of(m, v) < MOST_RANK && gen_chance(&m->r, 20)) shape[rank++] = gen_pick_extent(m);
    for (int a = drop; a < rank_of(m, v); a++) {
        shape[rank] = gen_value(m, v)->shape[a];
        if (shape[rank] == 1 && gen_chance(&m->r, 50)) shape[rank] = gen_pick_extent(m);
        else if (gen_chance(&m->r, 25)) shape[rank] = 1;
        rank++;
    }
    ej_value in[2] = {v, fresh(m, v, rank, shape)}, turned[2] = {in[1], v};
    return in[1] < 0
               ? -1
               : gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_MUL}, 2, gen_chance(&m->r, 50) ? in : turned);
}

static ej_value matmul(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    int64_t shape[3] = {x->rank > 2 ? x->shape[0] : 1, gen_pick_extent(m), gen_pick_extent(m)};
    bool right = gen_chance(&m->r, 60);
    int rank = 1 + gen_below(&m->r, 3);
    if (!x->rank) return -1;
    if (right) shape[rank > 1 ? 1 : 2] = x->shape[x->rank - 1];
    else shape[2] = x->shape[x->rank > 1 ? x->rank - 2 : 0];
    ej_value other = fresh(m, v, rank, shape + 3 - rank), in[2] = {right ? v : other, right ? other : v};
    return other < 0 ? -1 : gen_keep_of(m, (ej_node){.op = EJ_OP_MATMUL}, 2, in);
}

static ej_value tensordot(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    if (!x->rank) return -1;
    int64_t dims[2] = {gen_any_dim(m, x->rank), 0}, shape[2] = {gen_pick_extent(m), gen_pick_extent(m)};
    int rank = 1 + gen_below(&m->r, 2), at = gen_below(&m->r, rank);
    shape[at] = x->shape[dims[0] < 0 ? dims[0] + x->rank : dims[0]];
    dims[1] = at;
    ej_node node = {.op = EJ_OP_TENSORDOT, .n_dims = 2, .dims = gen_dims_of(m, 2, dims), .integer = -1};
    ej_value in[2] = {v, fresh(m, v, rank, shape)};
    return in[1] < 0 ? -1 : gen_keep_of(m, node, 2, in);
}

static ej_value sum(gen_maker *m, ej_value v)
{
    int64_t dims[MOST_RANK + 1];
    int n = 0;
    for (int a = 0; a < rank_of(m, v); a++)
        if (gen_chance(&m->r, 40)) dims[n++] = gen_chance(&m->r, 30) ? a - rank_of(m, v) : a;
    int64_t count = 1; /* a mean that is exact */
    for (int i = 0; i < n; i++) count *= gen_value(m, v)->shape[dims[i] < 0 ? dims[i] + rank_of(m, v) : dims[i]];
    bool exact = n && (count == 1 || count == 2 || count == 4);
    int fn = exact && gen_chance(&m->r, 25) ? EINJIT_REDUCE_MEAN : EINJIT_REDUCE_SUM;
    ej_node node = {.op = EJ_OP_REDUCE,
                    .fn = (uint8_t)fn,
                    .keepdim = n && gen_chance(&m->r, 40),
                    .all_dims = !n,
                    .n_dims = (uint32_t)n,
                    .dims = gen_dims_of(m, n, dims)};
    return gen_keep_of(m, node, 1, &v);
}

static ej_value permute(gen_maker *m, ej_value v)
{
    int64_t dims[MOST_RANK + 1];
    int rank = rank_of(m, v), shift = rank ? gen_below(&m->r, rank) : 0;
    bool two = rank && gen_chance(&m->r, 40);
    for (int a = 0; a < rank; a++) dims[a] = (a + shift) % rank - (gen_chance(&m->r, 20) ? rank : 0);
    if (two) {
        dims[0] = gen_any_dim(m, rank);
        dims[1] = gen_any_dim(m, rank);
    }
    ej_node node = {.op = two ? EJ_OP_TRANSPOSE : EJ_OP_PERMUTE, .n_dims = two ? 2 : (uint32_t)rank};
    node.dims = gen_dims_of(m, (int)node.n_dims, dims);
    return gen_keep_of(m, node, 1, &v);
}

static ej_value ones(gen_maker *m, ej_value v)
{
    int rank = rank_of(m, v);
    if (gen_chance(&m->r, 30)) {
        ej_index_item *items = EJ_NEW_ARRAY(gen_arena_of(m), ej_index_item, (size_t)rank + 3);
        int n = 0;
        if (!items) return -1;
        for (int a = gen_below(&m->r, rank + 1); a > 0; a--)
            items[n++] = (ej_index_item){EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
        items[n++] = (ej_index_item){.kind = EJ_INDEX_NEW_AXIS};
        if (gen_chance(&m->r, 50)) items[n++] = (ej_index_item){.kind = EJ_INDEX_ELLIPSIS};
        return gen_keep_of(m, (ej_node){.op = EJ_OP_SLICE, .n_items = (uint32_t)n, .items = items}, 1, &v);
    }
    bool grow = !rank || gen_chance(&m->r, 60);
    int64_t dim = gen_any_dim(m, grow ? rank + 1 : rank);
    for (int a = 0; a < rank && !grow; a++)
        if (gen_value(m, v)->shape[a] == 1) dim = a;
    ej_node node = {.op = grow ? EJ_OP_UNSQUEEZE : EJ_OP_SQUEEZE, .n_dims = 1, .dims = gen_dims_of(m, 1, &dim)};
    return gen_keep_of(m, node, 1, &v);
}

static ej_value expand(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    int64_t shape[MOST_RANK + 2];
    int rank = 0;
    if (gen_chance(&m->r, 40)) shape[rank++] = gen_pick_extent(m);
    for (int a = 0; a < x->rank; a++)
        if (x->shape[a] == 1 && gen_chance(&m->r, 70)) shape[rank++] = gen_pick_extent(m);
        else shape[rank++] = gen_chance(&m->r, 30) ? -1 : x->shape[a];
    ej_node node = {.op = EJ_OP_EXPAND, .n_extents = (uint32_t)rank, .extents = gen_extents_of(m, rank, shape)};
    return gen_keep_of(m, node, 1, &v);
}

/* One axis in two, or two in one; now and then both, or an axis of 1. */
static ej_value reshape(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    int64_t shape[3 * MOST_RANK + 2];
    int rank = 0, which = x->rank ? gen_below(&m->r, x->rank) : 0;
    for (int a = 0; a < x->rank; a++) {
        int64_t extent = x->shape[a];
        if (a == which && extent % 2 == 0 && extent && gen_chance(&m->r, 60)) {
            bool first = gen_chance(&m->r, 50);
            shape[rank++] = first ? 2 : extent / 2;
            shape[rank++] = first ? extent / 2 : 2;
        } else if (a == which && a + 1 < x->rank) {
            shape[rank++] = extent * x->shape[++a];
        } else {
            shape[rank++] = extent;
        }
        if (gen_chance(&m->r, 8)) shape[rank++] = 1;
    }
    if (rank && x->n && gen_chance(&m->r, 20)) shape[gen_below(&m->r, rank)] = -1;
    ej_node node = {.op = EJ_OP_RESHAPE, .n_extents = (uint32_t)rank, .extents = gen_extents_of(m, rank, shape)};
    return gen_keep_of(m, node, 1, &v);
}

static ej_value step(gen_maker *m, ej_value v)
{
    int at = gen_below(&m->r, 100);
    if (rank_of(m, v) > MOST_RANK - 1) return at < 50 ? sum(m, v) : einsum(m, 1, &v);
    if (at < 24) return einsum_with_input(m, v);
    if (at < 38) return product(m, v);
    if (at < 48) return matmul(m, v);
    if (at < 54) return tensordot(m, v);
    if (at < 62) return sum(m, v);
    if (at < 72) return permute(m, v);
    if (at < 80) return ones(m, v);
    if (at < 85) return expand(m, v);
    return reshape(m, v);
}

static ej_value grow(gen_maker *m, ej_value v, int steps)
{
    for (int tries = 0; steps > 0 && tries < 40; tries++) {
        ej_value next = step(m, v);
        if (next < 0) continue;
        v = next;
        steps--;
    }
    return v;
}

/* Two chains of a few steps meet in an einsum; a few steps follow. */
bool gen_chain_fill(gen_maker *m, int size)
{
    static const int64_t extents[] = {1, 2, 3, 4, 6, 2, 4};
    static const int dtypes[] = {EINJIT_F64, EINJIT_F64,  EINJIT_F32,  EINJIT_I64, EINJIT_I32, EINJIT_C64,
                                 EINJIT_F16, EINJIT_BF16, EINJIT_BOOL, EINJIT_I8,  EINJIT_U8,  EINJIT_I16};
    gen_program *p = m->p;
    einjit_error err;
    bool square = gen_chance(&m->r, 35); /* axes that are confused still fit */
    int64_t side = extents[1 + gen_below(&m->r, 6)], shape[3];
    for (int i = 0; i < 5; i++) m->palette[i] = square ? side : extents[gen_below(&m->r, 7)];
    ej_value chains[2] = {-1, -1};
    int dtype = dtypes[gen_below(&m->r, sizeof dtypes / sizeof *dtypes)], n = gen_chance(&m->r, 40) ? 2 : 1,
        half = (size + 1) / 2;
    for (int c = 0; c < n; c++) {
        int rank = 1 + gen_below(&m->r, 3);
        for (int a = 0; a < rank; a++) shape[a] = gen_pick_extent(m);
        chains[c] = gen_new_input(m, dtype, rank, shape, 0);
        if (chains[c] >= 0) chains[c] = grow(m, chains[c], 1 + gen_below(&m->r, half));
    }
    ej_value v = n == 1 ? chains[0] : -1;
    if (v < 0 && chains[0] >= 0 && chains[1] >= 0) v = einsum(m, 2, chains);
    if (v >= 0) v = grow(m, v, 1 + gen_below(&m->r, half));
    p->oracle.values = EJ_NEW_ARRAY(&p->oracle.arena, oracle_value, 1);
    if (v < 0 || !p->oracle.values || ej_graph_output(&p->graph, v, &err)) return false;
    p->oracle.values[p->oracle.n++] = *gen_value(m, v);
    return true;
}
