/* gen_places.c - makers of operations over the numbers of elements: arange, gather, and those that programs write with
 * them. */
#include "gen_maker.h"

const char *const gen_places_names[GEN_PLACES] = {"arange", "flatten", "gather", "tril", "triu", "argmax", "argmin"};

static ej_value with_dims(gen_maker *m, int op, ej_value x, int n, const int64_t *dims)
{
    return gen_keep_of(m, (ej_node){.op = (uint8_t)op, .n_dims = (uint32_t)n, .dims = gen_dims_of(m, n, dims)}, 1, &x);
}

static ej_value map(gen_maker *m, int fn, ej_value a, ej_value b)
{
    return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, 2, (const ej_value[]){a, b});
}

static ej_value where(gen_maker *m, ej_value mask, ej_value a, ej_value b)
{
    return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_WHERE}, 3, (const ej_value[]){mask, a, b});
}

static ej_value number(gen_maker *m, int64_t value)
{
    return gen_keep_of(m, (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .integer = value}, 0, NULL);
}

static ej_value flat(gen_maker *m, ej_value x)
{
    static const int64_t open = -1;
    return gen_keep_of(m, (ej_node){.op = EJ_OP_RESHAPE, .n_extents = 1, .extents = gen_extents_of(m, 1, &open)}, 1,
                       &x);
}

static ej_value reduce(gen_maker *m, int fn, ej_value x, int64_t dim, bool keepdim)
{
    return gen_keep_of(
        m,
        (ej_node){
            .op = EJ_OP_REDUCE, .fn = (uint8_t)fn, .keepdim = keepdim, .n_dims = 1, .dims = gen_dims_of(m, 1, &dim)},
        1, &x);
}

static ej_value any_arange(gen_maker *m, ej_value x)
{
    int64_t n = gen_pick_extent(m), dim;
    if (gen_chance(&m->r, 50) || !gen_value(m, x)->rank)
        return gen_keep_of(m, (ej_node){.op = EJ_OP_ARANGE, .n_extents = 1, .extents = gen_extents_of(m, 1, &n)}, 0,
                           NULL);
    dim = gen_any_dim(m, gen_value(m, x)->rank);
    return with_dims(m, EJ_OP_ARANGE, x, 1, &dim);
}

static ej_value flatten(gen_maker *m, ej_value x)
{
    int rank = gen_value(m, x)->rank, first = rank ? gen_below(&m->r, rank) : 0;
    int last = rank ? first + gen_below(&m->r, rank - first) : 0;
    int64_t ends[2] = {first, last};
    if (rank && gen_chance(&m->r, 40)) ends[1] -= rank;
    return with_dims(m, EJ_OP_FLATTEN, x, 2, ends);
}

static ej_value gather(gen_maker *m, ej_value x)
{
    const oracle_value *v = gen_value(m, x);
    int64_t shape[ORACLE_RANK], dim = 0;
    if (!v->rank) return -1;
    dim = gen_any_dim(m, v->rank);
    int at = (int)(dim < 0 ? dim + v->rank : dim);
    if (!v->shape[at]) return -1;
    for (int a = 0; a < v->rank; a++) {
        shape[a] = v->shape[a];
        if (a == at || gen_chance(&m->r, 20)) shape[a] = gen_below(&m->r, (int)v->shape[a] + 1) + (a == at);
    }
    ej_value index = gen_new_input(m, gen_chance(&m->r, 70) ? EINJIT_I64 : EINJIT_I32, v->rank, shape, v->shape[at]);
    ej_value pair[2] = {x, index}, places, select[2], taken;
    static const int64_t first = 0;
    places =
        gen_keep_of(m, (ej_node){.op = EJ_OP_GATHER_PLACES, .n_dims = 1, .dims = gen_dims_of(m, 1, &dim)}, 2, pair);
    if (places < 0) return -1;
    select[0] = flat(m, x);
    select[1] = flat(m, places);
    taken =
        gen_keep_of(m, (ej_node){.op = EJ_OP_INDEX_SELECT, .n_dims = 1, .dims = gen_dims_of(m, 1, &first)}, 2, select);
    return gen_keep_of(m, (ej_node){.op = EJ_OP_RESHAPE_AS}, 2, (const ej_value[]){taken, places});
}

static ej_value triangle(gen_maker *m, ej_value x, int fn)
{
    static const int64_t last = -1, before = -2;
    if (gen_value(m, x)->rank < 2) return -1;
    ej_value columns = with_dims(m, EJ_OP_ARANGE, x, 1, &last), rows = with_dims(m, EJ_OP_ARANGE, x, 1, &before);
    ej_value apart = map(m, EJ_FN_SUB, columns, with_dims(m, EJ_OP_UNSQUEEZE, rows, 1, &last));
    ej_value inside = map(m, fn, apart, number(m, gen_below(&m->r, 7) - 3));
    return where(m, inside, x, gen_keep_of(m, (ej_node){.op = EJ_OP_ZEROS_LIKE}, 1, &x));
}

static ej_value extreme(gen_maker *m, ej_value x, int fn)
{
    static const int64_t last = -1;
    const oracle_value *v = gen_value(m, x);
    if (!v->rank || ej_dtype_is_complex(v->dtype) || v->dtype == EINJIT_BOOL) return -1;
    ej_value top = reduce(m, fn, map(m, EJ_FN_MAXIMUM, x, x), -1, true);
    ej_value found = map(m, EJ_FN_LOGICAL_OR, map(m, EJ_FN_EQ, x, top), map(m, EJ_FN_NE, x, x));
    ej_value places = where(m, found, with_dims(m, EJ_OP_ARANGE, x, 1, &last), number(m, INT64_MAX));
    return reduce(m, EINJIT_REDUCE_MIN, places, -1, gen_chance(&m->r, 50));
}

ej_value gen_make_places(gen_maker *m)
{
    ej_value x = gen_pick(m), v = -1;
    int kind = gen_below(&m->r, GEN_PLACES);
    if (x < 0) return -1;
    if (m->differentiable && (kind == GEN_ARANGE || kind >= GEN_ARGMAX)) kind = GEN_GATHER;
    switch (kind) {
    case GEN_ARANGE: v = any_arange(m, x); break;
    case GEN_FLATTEN: v = flatten(m, x); break;
    case GEN_GATHER: v = gather(m, x); break;
    case GEN_TRIL:
    case GEN_TRIU: v = triangle(m, x, kind == GEN_TRIL ? EJ_FN_LE : EJ_FN_GE); break;
    default: v = extreme(m, x, kind == GEN_ARGMAX ? EINJIT_REDUCE_MAX : EINJIT_REDUCE_MIN); break;
    }
    if (v >= 0 && m->hits) m->hits->places[kind]++;
    return v;
}
