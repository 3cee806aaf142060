/* gen_einsum_program.c - programs as optimizers meet them: einsums over a few shared labels, with scalars, sums, layout
 * operations and gathers between them, values used several times, and the same thing said twice.
 *
 * Not here: the makers (gen_labelled.c, gen_linear.c); what every program has (gen_program.c).
 */
#include <stdio.h>
#include <string.h>

#include "gen_maker.h"

bool gen_einsum_begin(gen_maker *m)
{
    static const int64_t extents[] = {1, 2, 2, 3, 3, 3, 4, 4, 5, 6};
    static const int dtypes[] = {EINJIT_F32, EINJIT_F32,  EINJIT_F32,  EINJIT_F32,  EINJIT_F32, EINJIT_F64, EINJIT_F64,
                                 EINJIT_F64, EINJIT_C64,  EINJIT_C64,  EINJIT_C128, EINJIT_I32, EINJIT_I32, EINJIT_I64,
                                 EINJIT_F64, EINJIT_BOOL, EINJIT_BF16, EINJIT_F16,  EINJIT_I8,  EINJIT_U8,  EINJIT_I16};
    bool named = gen_chance(&m->r, 45), square = gen_chance(&m->r, 45); /* square: axes that are mixed up still fit */
    int64_t side = 2 + gen_below(&m->r, 3);
    einjit_error err;
    m->by_label = true;
    m->main_dtype = dtypes[gen_below(&m->r, sizeof dtypes / sizeof *dtypes)];
    m->p->reals = gen_chance(&m->r, 30);
    for (int l = 0; l < GEN_LABELS; l++) {
        /* two merged */
        m->label_extent[l] = !square ? extents[gen_below(&m->r, 10)] : l < GEN_LABELS - 2 ? side : side * side;
        m->label_symbol[l] = -1;
        char name[2] = {(char)('p' + l), 0};
        if (named && gen_chance(&m->r, 70) && ej_graph_symbol(&m->p->graph, name, 1, &m->label_symbol[l], &err))
            return false;
    }
    if (gen_chance(&m->r, 3)) m->label_extent[gen_below(&m->r, GEN_LABELS)] = 0;
    if (gen_chance(&m->r, 4)) m->label_extent[0] = 17; /* more than a vector */
    for (int i = 0; i < 5; i++) m->palette[i] = m->label_extent[i];
    return gen_label_any_input(m) >= 0;
}

/* ---- layout, with labels carried along ---- */

/* A label that fits an axis and is none of the value's yet, so that einsums go on over merged and split axes. */
static int8_t label_of_extent(gen_maker *m, ej_value v, int64_t extent)
{
    int from = gen_below(&m->r, GEN_LABELS);
    for (int i = 0; i < GEN_LABELS; i++) {
        int l = (from + i) % GEN_LABELS;
        if (m->label_extent[l] == extent && !memchr(m->axes[v], l, sizeof m->axes[v])) return (int8_t)l;
    }
    return GEN_NO_LABEL;
}

/* Axes of the result whose extents are those of x's axes, in order. */
static void carry_axes(gen_maker *m, ej_value v, ej_value x)
{
    const oracle_value *from = gen_value(m, x), *to = gen_value(m, v);
    for (int a = 0, b = 0; a < to->rank; a++) {
        int at = b;
        while (at < from->rank && from->shape[at] != to->shape[a]) at++;
        if (at == from->rank || to->shape[a] == 1) {
            if (gen_chance(&m->r, 70)) m->axes[v][a] = label_of_extent(m, v, to->shape[a]);
            continue;
        }
        m->axes[v][a] = m->axes[x][at];
        b = at + 1;
    }
}

static ej_value permute_once(gen_maker *m)
{
    ej_value v = gen_make_permute(m);
    if (v < 0) return -1;
    const ej_node *node = &m->p->graph.nodes[v];
    int rank = gen_value(m, v)->rank;
    int8_t from[GEN_MAX_RANK];
    memcpy(from, m->axes[node->in[0]], sizeof from);
    memcpy(m->axes[v], from, sizeof from);
    for (int a = 0; node->op == EJ_OP_PERMUTE && a < rank; a++) m->axes[v][a] = from[(node->dims[a] + rank) % rank];
    if (node->op == EJ_OP_TRANSPOSE) {
        int64_t x = (node->dims[0] + rank) % rank, y = (node->dims[1] + rank) % rank;
        m->axes[v][x] = from[y];
        m->axes[v][y] = from[x];
    }
    return v;
}

static ej_value permute(gen_maker *m)
{
    ej_value v = permute_once(m);
    return v >= 0 && gen_chance(&m->r, 35) ? permute_once(m) : v;
}

static ej_value reshape(gen_maker *m)
{
    ej_value v = gen_chance(&m->r, 65) ? gen_make_reshape(m) : gen_make_squeeze(m);
    if (v >= 0) carry_axes(m, v, m->p->graph.nodes[v].in[0]);
    return v;
}

static ej_value reduce(gen_maker *m)
{
    ej_node node = {.op = EJ_OP_REDUCE, .dtype = -1, .fn = EINJIT_REDUCE_SUM};
    ej_value x = gen_make_unary(m, &node);
    int64_t dims[GEN_MAX_RANK];
    int n = 0;
    if (x < 0) return -1;
    if (gen_chance(&m->r, 30)) node.fn = EINJIT_REDUCE_MEAN;
    int dtype = gen_value(m, x)->dtype;
    if (!ej_dtype_is_complex(dtype) && dtype != EINJIT_BOOL && gen_chance(&m->r, 30)) {
        node.fn = gen_chance(&m->r, 50) ? EINJIT_REDUCE_MAX : EINJIT_REDUCE_MIN;
        if (gen_chance(&m->r, 60) && (x = gen_linear_scaled(m, x)) < 0) return -1;
        if (ej_dtype_is_complex(gen_value(m, x)->dtype)) return -1;
        node.in = gen_values_of(m, 1, &x);
    }
    for (int a = 0; a < gen_value(m, x)->rank; a++)
        if (gen_chance(&m->r, 45)) dims[n++] = gen_chance(&m->r, 20) ? a - gen_value(m, x)->rank : a;
    node.all_dims = !n;
    node.keepdim = n && gen_chance(&m->r, 40);
    node.n_dims = (uint32_t)n;
    node.dims = gen_dims_of(m, n, dims);
    ej_value v = gen_keep(m, &node, NULL);
    if (v >= 0) carry_axes(m, v, x);
    return v;
}

/* Over everything, with steps, from the end: what looks like nothing and is not. */
static ej_value slice(gen_maker *m)
{
    ej_node node = {.op = EJ_OP_SLICE};
    ej_value x = gen_make_unary(m, &node);
    int rank = x < 0 ? 0 : gen_value(m, x)->rank;
    node.items = EJ_NEW_ARRAY(gen_arena_of(m), ej_index_item, (size_t)rank + 1);
    if (!rank || !node.items) return -1;
    if (gen_chance(&m->r, 30)) return gen_make_slice(m);
    node.n_items = (uint32_t)(1 + gen_below(&m->r, rank));
    for (uint32_t i = 0; i < node.n_items; i++) {
        ej_index_item *item = &node.items[i];
        *item = (ej_index_item){EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
        if (gen_chance(&m->r, 35)) item->step = 2;
        if (gen_chance(&m->r, 25)) item->start = gen_below(&m->r, 4) - 2;
        if (gen_chance(&m->r, 25)) item->stop = gen_value(m, x)->shape[i] - gen_below(&m->r, 2);
    }
    ej_value v = gen_keep(m, &node, NULL);
    if (v >= 0) carry_axes(m, v, x);
    return v;
}

static ej_value indexed(gen_maker *m)
{
    ej_value v = gen_make_indexed(m);
    if (v < 0) return -1;
    const ej_node *node = &m->p->graph.nodes[v];
    carry_axes(m, v, node->in[node->op == EJ_OP_INDEX_ADD]);
    return v;
}

static ej_value cast(gen_maker *m)
{
    static const int dtypes[] = {EINJIT_F32,  EINJIT_F64, EINJIT_F64, EINJIT_C64, EINJIT_I32, EINJIT_F32,
                                 EINJIT_BF16, EINJIT_F16, EINJIT_I8,  EINJIT_U8,  EINJIT_I16};
    ej_node node = {.op = EJ_OP_CAST, .dtype = (int16_t)dtypes[gen_below(&m->r, sizeof dtypes / sizeof *dtypes)]};
    ej_value x = gen_make_unary(m, &node);
    ej_value v = x < 0 ? -1 : gen_keep(m, &node, NULL);
    if (v < 0) return -1;
    memcpy(m->axes[v], m->axes[x], sizeof m->axes[v]);
    if (!gen_chance(&m->r, 50)) return v;
    ej_node back = {
        .op = EJ_OP_CAST, .dtype = (int16_t)dtypes[gen_below(&m->r, 8)], .n_in = 1, .in = gen_values_of(m, 1, &v)};
    ej_value again = gen_keep(m, &back, NULL);
    if (again >= 0) memcpy(m->axes[again], m->axes[v], sizeof m->axes[v]);
    return again;
}

/* An einsum, something between, an einsum over that: each used once so far. */
static ej_value between(gen_maker *m)
{
    static ej_value (*const steps[])(gen_maker *m) = {
        reshape, reshape, reshape, permute, reduce, gen_linear_scale, gen_label_product, gen_linear_multiply};
    ej_value v = gen_label_einsum(m);
    if (v < 0) return -1;
    for (int n = gen_chance(&m->r, 70) ? 1 : 2; n > 0; n--) {
        m->pinned = v;
        if ((v = steps[gen_below(&m->r, 8)](m)) < 0) return -1;
    }
    m->pinned = v;
    return gen_label_einsum(m);
}

static const struct {
    ej_value (*make)(gen_maker *m);
    int weight;
} makers[] = {
    {gen_label_einsum, 28},
    {between, 10},
    {gen_linear_scale, 20},
    {gen_linear_sum, 13},
    {gen_linear_repeat, 10},
    {permute, 8},
    {gen_linear_multiply, 6},
    {gen_linear_homogeneous, 7},
    {reduce, 5},
    {reshape, 5},
    {gen_label_product, 5},
    {gen_label_constants, 5},
    {indexed, 4},
    {cast, 4},
    {gen_label_constant, 1},
    {slice, 4},
    {gen_make_join, 1},
    {gen_make_map, 2},
};

ej_value gen_einsum_step(gen_maker *m)
{
    int total = 0;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) total += makers[i].weight;
    int at = gen_below(&m->r, total);
    for (size_t i = 0;; i++) {
        at -= makers[i].weight;
        if (at < 0) return makers[i].make(m);
    }
}
