/* gen_layout.c - makers of operations that move: layouts, slices, joins, gathers and scatters. */
#include <string.h>

#include "gen_maker.h"

ej_value gen_make_permute(gen_maker *m)
{
    bool two = gen_chance(&m->r, 40);
    ej_node node = {.op = two ? EJ_OP_TRANSPOSE : EJ_OP_PERMUTE};
    ej_value x = gen_make_unary(m, &node);
    if (x < 0) return -1;
    int rank = gen_value(m, x)->rank;
    int64_t dims[ORACLE_RANK];
    if (!rank) return -1;
    if (two) {
        dims[0] = gen_any_dim(m, rank);
        dims[1] = gen_any_dim(m, rank);
    } else {
        for (int a = 0; a < rank; a++) dims[a] = a;
        for (int a = rank - 1; a > 0; a--) {
            int b = gen_below(&m->r, a + 1);
            int64_t swap = dims[a];
            dims[a] = dims[b];
            dims[b] = swap;
        }
    }
    node.n_dims = two ? 2 : (uint32_t)rank;
    node.dims = gen_dims_of(m, (int)node.n_dims, dims);
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_reshape(gen_maker *m)
{
    bool expand = gen_chance(&m->r, 40);
    ej_node node = {.op = expand ? EJ_OP_EXPAND : EJ_OP_RESHAPE};
    ej_value x = gen_make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = gen_value(m, x);
    int64_t shape[2 * ORACLE_RANK];
    int rank = 0;
    if (expand) {
        int more = gen_below(&m->r, 2);
        for (int a = 0; a < more; a++) shape[rank++] = gen_pick_extent(m);
        for (int a = 0; a < v->rank; a++)
            shape[rank++] = v->shape[a] == 1 && gen_chance(&m->r, 70) ? gen_pick_extent(m)
                            : gen_chance(&m->r, 30)                   ? -1
                                                                      : v->shape[a];
    } else {
        int64_t carry = 1;
        for (int a = 0; a < v->rank; a++) {
            int64_t extent = v->shape[a] * carry;
            carry = 1;
            if (a + 1 < v->rank && gen_chance(&m->r, 40)) carry = extent; /* merge with the next */
            else if (extent > 2 && extent % 2 == 0 && gen_chance(&m->r, 40)) {
                shape[rank++] = 2;
                shape[rank++] = extent / 2;
            } else {
                shape[rank++] = extent;
            }
        }
        if (gen_chance(&m->r, 30)) shape[rank++] = 1;
        if (rank && v->n && gen_chance(&m->r, 30)) shape[gen_below(&m->r, rank)] = -1;
    }
    node.n_extents = (uint32_t)rank;
    node.extents = gen_extents_of(m, rank, shape);
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_squeeze(gen_maker *m)
{
    bool grow = gen_chance(&m->r, 50);
    ej_node node = {.op = grow ? EJ_OP_UNSQUEEZE : EJ_OP_SQUEEZE, .n_dims = 1};
    ej_value x = gen_make_unary(m, &node);
    if (x < 0) return -1;
    int rank = gen_value(m, x)->rank;
    if (!grow && !rank) return -1;
    int64_t dim = gen_any_dim(m, grow ? rank + 1 : rank);
    for (int a = 0; !grow && a < rank; a++)
        if (gen_value(m, x)->shape[a] == 1 && gen_chance(&m->r, 60)) dim = a;
    node.dims = gen_dims_of(m, 1, &dim);
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_slice(gen_maker *m)
{
    ej_node node = {.op = EJ_OP_SLICE};
    ej_value x = gen_make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = gen_value(m, x);
    ej_index_item *items = EJ_NEW_ARRAY(gen_arena_of(m), ej_index_item, (size_t)v->rank * 2 + 3);
    if (!items) return -1;
    uint32_t n = 0;
    int until = gen_below(&m->r, v->rank + 1);
    for (int a = 0; a < until; a++) {
        if (gen_chance(&m->r, 10)) items[n++] = (ej_index_item){.kind = EJ_INDEX_NEW_AXIS};
        int extent = (int)v->shape[a];
        if (extent && gen_chance(&m->r, 25)) {
            items[n++] = (ej_index_item){.kind = EJ_INDEX_AT, .start = gen_below(&m->r, 2 * extent) - extent};
        } else {
            ej_index_item item = {EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
            if (gen_chance(&m->r, 50)) item.start = gen_below(&m->r, 2 * extent + 2) - extent - 1;
            if (gen_chance(&m->r, 50)) item.stop = gen_below(&m->r, 2 * extent + 2) - extent - 1;
            if (gen_chance(&m->r, 30)) item.step = 1 + gen_below(&m->r, 3);
            if (gen_chance(&m->r, 20)) item.step = -item.step;
            items[n++] = item;
        }
    }
    if (gen_chance(&m->r, 20)) items[n++] = (ej_index_item){.kind = EJ_INDEX_ELLIPSIS};
    if (!n) items[n++] = (ej_index_item){.kind = EJ_INDEX_NEW_AXIS};
    node.n_items = n;
    node.items = items;
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_join(gen_maker *m)
{
    bool stack = gen_chance(&m->r, 40);
    ej_value in[4];
    int n = 1 + gen_below(&m->r, 3);
    in[0] = gen_pick(m);
    if (in[0] < 0) return -1;
    int rank = gen_value(m, in[0])->rank + stack;
    if (!rank) return -1;
    int64_t dim = gen_any_dim(m, rank), at = dim < 0 ? dim + rank : dim;
    for (int i = 1; i < n; i++) {
        int64_t shape[ORACLE_RANK];
        const oracle_value *x = gen_value(m, in[0]);
        for (int a = 0; a < x->rank; a++) shape[a] = !stack && a == at ? gen_pick_extent(m) : x->shape[a];
        in[i] = gen_chance(&m->r, 20)
                    ? in[0]
                    : gen_new_input(m, gen_chance(&m->r, 70) ? x->dtype : gen_pick_dtype(m), x->rank, shape, 0);
        if (in[i] < 0) return -1;
    }
    ej_node node = {.op = stack ? EJ_OP_STACK : EJ_OP_CAT,
                    .dtype = -1,
                    .n_in = (uint32_t)n,
                    .in = gen_values_of(m, n, in),
                    .n_dims = 1,
                    .dims = gen_dims_of(m, 1, &dim)};
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_indexed(gen_maker *m)
{
    bool scatter = gen_chance(&m->r, 50);
    ej_value x = gen_pick(m);
    if (x < 0) return -1;
    const oracle_value *v = gen_value(m, x);
    if (!v->rank || v->dtype == EINJIT_BOOL) return -1;
    int64_t dim = gen_any_dim(m, v->rank), at = dim < 0 ? dim + v->rank : dim,
            below = scatter ? 1 + gen_below(&m->r, 6) : v->shape[at];
    int64_t length = scatter ? v->shape[at] : 1 + gen_below(&m->r, 9);
    if (below < 1) return -1;
    if (m->by_label && scatter && gen_chance(&m->r, 60) && (below = gen_pick_extent(m)) < 1) return -1;
    if (m->by_label && !scatter && gen_chance(&m->r, 60)) length = gen_pick_extent(m);
    ej_value index = gen_new_input(m, gen_chance(&m->r, 50) ? EINJIT_I64 : EINJIT_I32, 1, &length, below);
    if (index < 0) return -1;
    if (gen_chance(&m->r, 15)) { /* computed: index + 0 */
        ej_value zero = -1, both[2];
        ej_node literal = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .dtype = -1};
        zero = gen_keep(m, &literal, NULL);
        both[0] = index;
        both[1] = zero;
        ej_node sum = {.op = EJ_OP_MAP, .fn = EJ_FN_ADD, .dtype = -1, .n_in = 2, .in = gen_values_of(m, 2, both)};
        index = zero < 0 ? -1 : gen_keep(m, &sum, NULL);
        if (index < 0) return -1;
    }
    ej_value in[2] = {scatter ? index : x, scatter ? x : index};
    ej_node node = {.op = scatter ? EJ_OP_INDEX_ADD : EJ_OP_INDEX_SELECT,
                    .dtype = -1,
                    .n_in = 2,
                    .in = gen_values_of(m, 2, in),
                    .n_dims = 1,
                    .dims = gen_dims_of(m, 1, &dim)};
    if (scatter) {
        node.n_extents = 1;
        node.extents = gen_extents_of(m, 1, &below);
    }
    return gen_keep(m, &node, NULL);
}
