/* gen_like.c - makers of operations some of whose operands count by their shape or dtype alone. */
#include "gen_maker.h"

static ej_value unary(gen_maker *m, int op, ej_value x)
{
    ej_node node = {.op = (uint8_t)op, .dtype = -1, .n_in = 1, .in = gen_values_of(m, 1, &x)};
    return gen_keep(m, &node, NULL);
}

static ej_value binary(gen_maker *m, int op, ej_value x, ej_value like)
{
    ej_node node = {.op = (uint8_t)op, .dtype = -1, .n_in = 2, .in = gen_values_of(m, 2, (const ej_value[]){x, like})};
    return gen_keep(m, &node, NULL);
}

/* A value that broadcasts to x: some axes 1, some in front left out. */
static ej_value smaller(gen_maker *m, ej_value x, int dtype)
{
    const oracle_value *v = gen_value(m, x);
    int64_t shape[ORACLE_RANK];
    int drop = gen_chance(&m->r, 40) ? gen_below(&m->r, v->rank + 1) : 0, rank = v->rank - drop;
    for (int a = 0; a < rank; a++) shape[a] = gen_chance(&m->r, 50) ? 1 : v->shape[drop + a];
    return gen_new_input(m, dtype, rank, shape, 0);
}

/* Mostly the sum of all of it: one number, which shows how often each element is there. */
static ej_value summed(gen_maker *m, ej_value x)
{
    if (x < 0 || m->differentiable || !gen_chance(&m->r, 80)) return x;
    ej_node node = {.op = EJ_OP_REDUCE,
                    .fn = EINJIT_REDUCE_SUM,
                    .dtype = -1,
                    .all_dims = true,
                    .n_in = 1,
                    .in = gen_values_of(m, 1, &x)};
    return gen_keep(m, &node, NULL);
}

static ej_value reshaped_partner(gen_maker *m, ej_value x)
{
    int64_t n = gen_value(m, x)->n, shape[3] = {1, n, 1};
    for (int64_t d = 2; d < n; d++)
        if (n % d == 0 && gen_chance(&m->r, 50)) {
            shape[0] = d;
            shape[1] = n / d;
            break;
        }
    return gen_new_input(m, gen_pick_dtype(m), 1 + gen_below(&m->r, 2) + (shape[0] > 1), shape + (shape[0] == 1), 0);
}

static ej_value scattered(gen_maker *m, ej_value x)
{
    const oracle_value *v = gen_value(m, x);
    int64_t shape[ORACLE_RANK], dim = gen_any_dim(m, v->rank), at = dim < 0 ? dim + v->rank : dim, n = v->shape[at];
    int64_t from = gen_below(&m->r, (int)n + 2), to = gen_below(&m->r, (int)n + 2), step = 1 + gen_below(&m->r, 4);
    ej_index_item *item = EJ_NEW(gen_arena_of(m), ej_index_item);
    if (!item) return -1;
    *item = (ej_index_item){EJ_INDEX_RANGE, from, to, step};
    int64_t begin = from > n ? n : from, end = to > n ? n : to;
    if (gen_chance(&m->r, 30)) item->start = INT64_MIN, begin = 0;
    else if (begin < n && gen_chance(&m->r, 30)) item->start = begin - n;
    if (gen_chance(&m->r, 30)) item->stop = INT64_MAX, end = n;
    else if (end < n && gen_chance(&m->r, 30)) item->stop = end - n;
    for (int a = 0; a < v->rank; a++) shape[a] = v->shape[a];
    if (gen_chance(&m->r, 25)) item->step = -step; /* the same bounds the other way */
    oracle_range(item, n, &shape[at]);
    ej_value src = gen_new_input(m, gen_chance(&m->r, 60) ? v->dtype : gen_pick_dtype(m), v->rank, shape, 0);
    if (src < 0) return -1;
    ej_node node = {.op = EJ_OP_SLICE_SCATTER,
                    .dtype = -1,
                    .n_in = 2,
                    .in = gen_values_of(m, 2, (const ej_value[]){x, src}),
                    .n_dims = 1,
                    .dims = gen_dims_of(m, 1, &dim),
                    .n_items = 1,
                    .items = item};
    return gen_keep(m, &node, NULL);
}

/* x in two or three parts, one of which may be empty. */
static ej_value split(gen_maker *m, ej_value x)
{
    const oracle_value *v = gen_value(m, x);
    int64_t shape[ORACLE_RANK], dim = gen_any_dim(m, v->rank), at = dim < 0 ? dim + v->rank : dim, left = v->shape[at];
    int n = 1 + gen_below(&m->r, 3);
    ej_value in[4] = {x};
    for (int i = 1; i <= n; i++) {
        v = gen_value(m, x);
        for (int a = 0; a < v->rank; a++) shape[a] = v->shape[a];
        shape[at] = i == n ? left : gen_below(&m->r, (int)left + 1);
        left -= shape[at];
        in[i] = gen_new_input(m, gen_pick_dtype(m), v->rank, shape, 0);
        if (in[i] < 0) return -1;
    }
    int64_t dims[2] = {dim, gen_below(&m->r, n)};
    ej_node node = {.op = EJ_OP_SPLIT_AS,
                    .dtype = -1,
                    .n_in = (uint32_t)n + 1,
                    .in = gen_values_of(m, n + 1, in),
                    .n_dims = 2,
                    .dims = gen_dims_of(m, 2, dims)};
    return gen_keep(m, &node, NULL);
}

static ej_value added_rows(gen_maker *m, ej_value x)
{
    const oracle_value *v = gen_value(m, x);
    int64_t shape[ORACLE_RANK], dim = gen_any_dim(m, v->rank), at = dim < 0 ? dim + v->rank : dim;
    int64_t n = gen_below(&m->r, 6), rows = v->shape[at];
    if (v->dtype == EINJIT_BOOL || !rows) return -1;
    for (int a = 0; a < v->rank; a++) shape[a] = v->shape[a];
    shape[at] = n;
    if (gen_chance(&m->r, 40)) x = unary(m, EJ_OP_ZEROS_LIKE, x);
    if (x < 0) return -1;
    ej_value index = gen_new_input(m, gen_chance(&m->r, 50) ? EINJIT_I64 : EINJIT_I32, 1, &n, rows);
    ej_value value = gen_new_input(m, gen_value(m, x)->dtype, gen_value(m, x)->rank, shape, 0);
    if (index < 0 || value < 0) return -1;
    const ej_value in[3] = {x, index, value};
    ej_node node = {.op = EJ_OP_INDEX_ADD_TO,
                    .dtype = -1,
                    .n_in = 3,
                    .in = gen_values_of(m, 3, in),
                    .n_dims = 1,
                    .dims = gen_dims_of(m, 1, &dim)};
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_like(gen_maker *m)
{
    ej_value x = gen_pick(m), y;
    if (x < 0) return -1;
    int what = gen_below(&m->r, 12); /* sums more often than the others: passes have more to say of them */
    if (what > 8) what = 0;
    if (what >= 5 && !gen_value(m, x)->rank) what -= 5;
    switch (what) {
    case 0: return (y = smaller(m, x, gen_pick_dtype(m))) < 0 ? -1 : binary(m, EJ_OP_SUM_TO_SIZE, x, y);
    case 1: y = smaller(m, x, gen_pick_dtype(m)); return y < 0 ? -1 : summed(m, binary(m, EJ_OP_EXPAND_AS, y, x));
    case 2: return (y = reshaped_partner(m, x)) < 0 ? -1 : binary(m, EJ_OP_RESHAPE_AS, x, y);
    case 3: return (y = gen_pick(m)) < 0 ? -1 : binary(m, EJ_OP_TYPE_AS, x, y);
    case 4: /* differences do not stop at detach */
        return unary(m, m->differentiable || gen_chance(&m->r, 50) ? EJ_OP_ZEROS_LIKE : EJ_OP_DETACH, x);
    case 5: return unary(m, EJ_OP_DIAG_EMBED, x);
    case 6: return scattered(m, x);
    case 7: return split(m, x);
    default: return added_rows(m, x);
    }
}
