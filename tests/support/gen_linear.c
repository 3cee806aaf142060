/* gen_linear.c - makers of what moves through einsums: scalars, sums of terms, products by arrays, functions that let
 * positive factors pass; and of operations that were there before.
 */
#include <string.h>

#include "gen_maker.h"

ej_value gen_linear_map(gen_maker *m, int fn, ej_value a, ej_value b)
{
    ej_value in[2] = {a, b};
    if (a < 0 || (b < 0 && ej_fns[fn].arity == 2) || !gen_fn_allowed(m, fn, in)) return -1;
    ej_node node = {.op = EJ_OP_MAP,
                    .fn = (uint8_t)fn,
                    .dtype = -1,
                    .n_in = ej_fns[fn].arity,
                    .in = gen_values_of(m, ej_fns[fn].arity, in)};
    ej_value v = gen_keep(m, &node, NULL);
    if (v < 0) return -1;
    for (int i = 0; i < ej_fns[fn].arity; i++) /* labels of whichever operand has all the axes */
        if (gen_value(m, in[i])->rank == gen_value(m, v)->rank) memcpy(m->axes[v], m->axes[in[i]], sizeof m->axes[v]);
    return v;
}

/* ---- scalars ---- */

ej_value gen_linear_literal(gen_maker *m)
{
    static const double nice[] = {2.0, 0.5, -1.5, 3.0, 0.25, 1.0, -1.0, 4.0, 2.7, 10.0, -0.5, 2.0};
    static const double far[] = {1e30, 1e-30, -1e20, 1e-20, 1e35};
    static const int64_t whole[] = {2, 3, -1, -2, 4, 5, 1, 0};
    ej_node node = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .dtype = -1, .re = nice[gen_below(&m->r, 12)]};
    int roll = gen_below(&m->r, 100);
    if (roll < 25) {
        node.fn = EJ_KIND_INT;
        node.re = 0;
        node.integer = whole[gen_below(&m->r, roll < 2 ? 8 : 7)];
    } else if (roll < 33) {
        node.re = far[gen_below(&m->r, 5)];
    } else if (roll < 34) {
        node.re = gen_chance(&m->r, 50) ? 0.0 : -0.0;
    } else if (roll < (m->main_dtype == EINJIT_C64 || m->main_dtype == EINJIT_C128 ? 50 : 35)) {
        node.fn = EJ_KIND_COMPLEX;
        node.im = nice[gen_below(&m->r, 8)];
        if (gen_chance(&m->r, 30)) node.re = 0;
    }
    return gen_keep(m, &node, NULL);
}

ej_value gen_linear_scalar(gen_maker *m)
{
    int roll = gen_below(&m->r, 100);
    if (roll < 4) return gen_new_constant(m, gen_pick_dtype(m), 0, NULL);
    if (roll < 20) { /* known only at run time */
        for (ej_value v = 0; gen_chance(&m->r, 60) && v < (ej_value)m->p->graph.n_nodes; v++)
            if (!gen_value(m, v)->rank && !gen_is_literal(m, v) && gen_chance(&m->r, 50)) return v;
        return gen_label_input(m, 0, NULL);
    }
    return gen_linear_literal(m);
}

ej_value gen_linear_scaled(gen_maker *m, ej_value v)
{
    ej_value c = gen_linear_scalar(m);
    int roll = gen_below(&m->r, 100);
    if (c < 0 || v < 0) return -1;
    if (roll < 55) return gen_linear_map(m, EJ_FN_MUL, v, c);
    if (roll < 72) return gen_linear_map(m, EJ_FN_MUL, c, v);
    if (roll < 92) return gen_linear_map(m, EJ_FN_DIV, v, c);
    if (roll < 96) return gen_linear_map(m, EJ_FN_DIV, c, v);
    return gen_linear_map(m, gen_chance(&m->r, 50) ? EJ_FN_FLOOR_DIVIDE : EJ_FN_POW, v, c);
}

/* x + 0, 1 * x, ..., and on the other side, where it is not neutral: 0 - x, 1 / x. */
static ej_value beside_neutral(gen_maker *m, ej_value v)
{
    static const int fns[] = {EJ_FN_ADD, EJ_FN_SUB, EJ_FN_SUB, EJ_FN_SUB, EJ_FN_MUL, EJ_FN_DIV, EJ_FN_DIV, EJ_FN_POW};
    int fn = fns[gen_below(&m->r, 8)];
    double number = fn == EJ_FN_ADD || fn == EJ_FN_SUB ? 0 : 1;
    ej_node node = {
        .op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .dtype = -1, .re = gen_chance(&m->r, 80) ? number : -number};
    if (gen_chance(&m->r, 50))
        node = (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .dtype = -1, .integer = (int64_t)number};
    ej_value c = gen_keep(m, &node, NULL);
    return gen_chance(&m->r, 50) && fn != EJ_FN_POW ? gen_linear_map(m, fn, c, v) : gen_linear_map(m, fn, v, c);
}

ej_value gen_linear_scale(gen_maker *m)
{
    ej_value v = gen_pick(m);
    if (v >= 0 && gen_chance(&m->r, 6)) return beside_neutral(m, v);
    if (gen_chance(&m->r, 15)) return gen_linear_map(m, EJ_FN_NEG, v, -1);
    v = gen_linear_scaled(m, v);
    return gen_chance(&m->r, 25) ? gen_linear_scaled(m, v) : v; /* two in a row */
}

/* ---- sums ---- */

static ej_value other_of_shape(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    ej_value n = (ej_value)m->p->graph.n_nodes, from = gen_below(&m->r, n);
    for (ej_value i = 0; i < n; i++) {
        ej_value w = (from + i) % n;
        const oracle_value *y = gen_value(m, w);
        if (w == v || gen_is_literal(m, w) || y->rank != x->rank ||
            (x->rank && memcmp(m->axes[v], m->axes[w], (size_t)x->rank)))
            continue;
        return w;
    }
    return gen_label_like(m, v);
}

static ej_value some_einsum(gen_maker *m)
{
    ej_value n = (ej_value)m->p->graph.n_nodes, found = -1;
    for (ej_value v = 0; v < n; v++)
        if (m->p->graph.nodes[v].op == EJ_OP_EINSUM && (found < 0 || gen_chance(&m->r, 50))) found = v;
    return found;
}

/* E(a, c) beside an earlier E(b, c): the same equation, but for one operand. */
static ej_value einsum_beside(gen_maker *m, ej_value v)
{
    const ej_node *node = &m->p->graph.nodes[v];
    int which = gen_below(&m->r, (int)node->n_in);
    ej_value old = node->in[which], instead = gen_chance(&m->r, 60) ? gen_label_like(m, old) : other_of_shape(m, old);
    if (instead >= 0 && gen_chance(&m->r, 15)) instead = gen_linear_scaled(m, instead);
    return instead < 0 ? -1 : gen_einsum_again(m, v, which, instead, gen_chance(&m->r, 40));
}

static ej_value add_or_sub(gen_maker *m, ej_value a, ej_value b)
{
    return gen_linear_map(m, gen_chance(&m->r, 70) ? EJ_FN_ADD : EJ_FN_SUB, a, b);
}

/* Both by one scalar, or each by its own. */
static ej_value add_scaled(gen_maker *m, ej_value a, ej_value b)
{
    int fn = gen_chance(&m->r, 80) ? EJ_FN_MUL : EJ_FN_DIV;
    ej_value c = gen_linear_scalar(m), d = gen_chance(&m->r, 60) ? c : gen_linear_scalar(m);
    if (c < 0 || d < 0 || a < 0 || b < 0) return -1;
    return add_or_sub(m, gen_linear_map(m, fn, a, c), gen_linear_map(m, gen_chance(&m->r, 90) ? fn : EJ_FN_MUL, b, d));
}

ej_value gen_linear_sum(gen_maker *m)
{
    int roll = gen_below(&m->r, 100);
    ej_value v = gen_pick(m), other = -1;
    if (v < 0) return -1;
    if (roll < 45) {
        ej_value e = some_einsum(m);
        if (e < 0) return -1;
        other = einsum_beside(m, e);
        v = e;
    } else if (roll < 85) {
        other = other_of_shape(m, v);
    } else {
        other = roll < 92 ? v : gen_linear_scaled(m, v);
    }
    if (other < 0) return -1;
    return gen_chance(&m->r, 35) ? add_scaled(m, v, other) : add_or_sub(m, v, other);
}

/* ---- the rest ---- */

ej_value gen_linear_multiply(gen_maker *m)
{
    ej_value v = gen_pick(m), by = -1;
    if (v < 0) return -1;
    int rank = gen_value(m, v)->rank, roll = gen_below(&m->r, 100);
    if (roll < 15) by = v;
    else if (roll < 55) by = other_of_shape(m, v);
    /* broadcast in front */
    else if (rank && m->axes[v][rank - 1] >= 0) by = gen_label_input(m, 1, &m->axes[v][rank - 1]);
    else by = gen_label_like(m, v);
    return gen_linear_map(m, gen_chance(&m->r, 85) ? EJ_FN_MUL : EJ_FN_DIV, v, by);
}

/* A function of itself: some are their own inverse. */
static ej_value twice(gen_maker *m, ej_value v)
{
    static const int fns[] = {EJ_FN_NEG,  EJ_FN_NEG,  EJ_FN_ABS,        EJ_FN_ABS,
                              EJ_FN_CONJ, EJ_FN_RELU, EJ_FN_RECIPROCAL, EJ_FN_SIGN};
    int fn = fns[gen_below(&m->r, 8)];
    if (gen_value(m, v)->dtype == EINJIT_BOOL) fn = EJ_FN_LOGICAL_NOT;
    v = gen_linear_map(m, fn, v, -1);
    return v < 0 ? -1 : gen_linear_map(m, fn, v, -1);
}

ej_value gen_linear_homogeneous(gen_maker *m)
{
    static const int fns[] = {EJ_FN_RELU, EJ_FN_RELU, EJ_FN_ABS,  EJ_FN_MAXIMUM, EJ_FN_MINIMUM, EJ_FN_SQUARE,
                              EJ_FN_CONJ, EJ_FN_REAL, EJ_FN_TANH, EJ_FN_SQRT,    EJ_FN_SIGN};
    int fn = fns[gen_below(&m->r, 11)];
    ej_value v = gen_pick(m);
    if (v < 0) return -1;
    int dtype = gen_value(m, v)->dtype;
    bool is_complex = ej_dtype_is_complex(dtype);
    if (is_complex && gen_chance(&m->r, 70)) fn = gen_chance(&m->r, 75) ? EJ_FN_CONJ : EJ_FN_ABS;
    if (gen_chance(&m->r, 12)) return twice(m, v);
    if (dtype == EINJIT_BOOL ||
        (is_complex && fn != EJ_FN_SQUARE && fn != EJ_FN_CONJ && fn != EJ_FN_REAL && fn != EJ_FN_ABS))
        return -1;
    if (gen_chance(&m->r, 45)) v = gen_linear_scaled(m, v);
    if (v < 0 || ej_fns[fn].arity == 1) return gen_linear_map(m, fn, v, -1);
    ej_value other = other_of_shape(m, v);
    if (other < 0 || ej_dtype_is_complex(gen_value(m, other)->dtype) || gen_value(m, other)->dtype == EINJIT_BOOL)
        return -1;
    if (gen_chance(&m->r, 40)) other = gen_linear_scaled(m, other);
    return gen_linear_map(m, fn, v, other);
}

/* The node once more: the same, or written another way. */
ej_value gen_linear_repeat(gen_maker *m)
{
    ej_value v = gen_pick(m);
    if (v < 0) return -1;
    ej_node node = m->p->graph.nodes[v];
    if (node.op == EJ_OP_EINSUM) return gen_einsum_again(m, v, -1, -1, gen_chance(&m->r, 50));
    if (node.op == EJ_OP_INPUT || node.op == EJ_OP_CONSTANT || node.op == EJ_OP_SCALAR || node.op == EJ_OP_SLICE)
        return -1;
    ej_value in[3] = {0};
    bool swap = node.op == EJ_OP_MAP && node.n_in == 2 && gen_chance(&m->r, 40);
    for (uint32_t i = 0; i < node.n_in && i < 3; i++) in[i] = node.in[swap ? 1 - i : i];
    node.in = gen_values_of(m, (int)node.n_in, in);
    node.dims = gen_dims_of(m, (int)node.n_dims, node.dims);
    ej_extent *extents = EJ_NEW_ARRAY(gen_arena_of(m), ej_extent, node.n_extents + 1);
    for (uint32_t i = 0; extents && i < node.n_extents; i++) extents[i] = node.extents[i];
    node.extents = extents;
    node.name = NULL;
    ej_value again = gen_keep(m, &node, NULL);
    if (again >= 0 && gen_value(m, again)->rank == gen_value(m, v)->rank)
        memcpy(m->axes[again], m->axes[v], sizeof m->axes[v]);
    return again;
}
