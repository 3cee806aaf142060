/* gen_program.c - random programs: each operation is tried on the oracle first and kept when it has a meaning.
 *
 * A maker fills a node from random earlier values; the oracle's value of it gives shape and dtype for what follows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"
#include "oracle_op.h"

enum { MAX_NODES = 96, MAX_ELEMENTS = 1500 };

typedef struct maker {
    gen_program *p;
    gen_random r;
    oracle_state s;
    int64_t palette[5]; /* extents of this program, so that shapes meet */
    gen_hits *hits;
    uint64_t seed;
} maker;

static ej_arena *arena_of(maker *m)
{
    return &m->p->graph.arena;
}

static const oracle_value *value(const maker *m, ej_value v)
{
    return &m->s.values[v];
}

static bool is_literal(const maker *m, ej_value v)
{
    return value(m, v)->dtype < 0;
}

static int64_t pick_extent(maker *m)
{
    return m->palette[gen_below(&m->r, 5)];
}

static int pick_dtype(maker *m)
{
    static const int common[] = {EINJIT_F32, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128, EINJIT_I32, EINJIT_I64,
                                 EINJIT_BOOL, EINJIT_F32, EINJIT_F64};
    return common[gen_below(&m->r, 10)];
}

static ej_value keep(maker *m, ej_node *node, const einjit_tensor *tensor)
{
    einjit_error err;
    ej_value v;
    if (m->p->graph.n_nodes >= MAX_NODES) return -1;
    oracle_value result;
    if (!oracle_node(&m->s, &result, node, tensor)) return -1;
    if (result.n > MAX_ELEMENTS || result.rank > 7) return -1;
    if (node->op != EJ_OP_INPUT && node->op != EJ_OP_CONSTANT) node->rank = -1;
    if (ej_graph_append(&m->p->graph, node, &v, &err)) return -1;
    m->s.values[v] = result;
    if (m->hits) {
        m->hits->ops[node->op]++;
        if (node->op == EJ_OP_MAP) m->hits->fns[node->fn]++;
        if (node->op == EJ_OP_REDUCE) m->hits->reduces[node->fn]++;
        if (node->op == EJ_OP_EINSUM) m->hits->einsum_reduces[node->fn]++;
        if (result.dtype >= 0) m->hits->dtypes[result.dtype]++;
    }
    return v;
}

static ej_extent *extents_of(maker *m, int rank, const int64_t *shape)
{
    ej_extent *out = EJ_NEW_ARRAY(arena_of(m), ej_extent, (size_t)rank + 1);
    for (int a = 0; out && a < rank; a++) out[a] = (ej_extent){.n = shape[a]};
    return out;
}

static int64_t *dims_of(maker *m, int n, const int64_t *dims)
{
    int64_t *out = EJ_NEW_ARRAY(arena_of(m), int64_t, (size_t)n + 1);
    if (out && n) memcpy(out, dims, (size_t)n * sizeof *dims);
    return out;
}

static ej_value *values_of(maker *m, int n, const ej_value *in)
{
    ej_value *out = EJ_NEW_ARRAY(arena_of(m), ej_value, (size_t)n + 1);
    if (out && n) memcpy(out, in, (size_t)n * sizeof *in);
    return out;
}

static ej_value new_input(maker *m, int dtype, int rank, const int64_t *shape, int64_t index_below)
{
    gen_program *p = m->p;
    if (p->n_in == GEN_MAX_INPUTS) return -1;
    gen_tensor *t = &p->in[p->n_in];
    int kind = gen_chance(&m->r, 40) ? GEN_ROW_MAJOR : gen_below(&m->r, GEN_STRIDE_KINDS);
    if (!gen_tensor_make(t, &m->r, dtype, rank, shape, kind)) return -1;
    if (index_below > 0) gen_tensor_set_index(t, &m->r, index_below);
    else gen_tensor_fill(t, &m->r, p->reals);
    ej_node node = {.op = EJ_OP_INPUT, .dtype = (int16_t)(gen_chance(&m->r, 85) ? dtype : -1), .rank = rank,
                    .n_extents = (uint32_t)rank, .extents = extents_of(m, rank, shape)};
    if (gen_chance(&m->r, 10)) { /* rank left to the observed tensor */
        node.rank = -1;
        node.n_extents = 0;
        node.extents = NULL;
    }
    ej_value v = keep(m, &node, &t->view);
    if (v < 0) {
        gen_tensor_free(t);
        return -1;
    }
    p->index_below[p->n_in++] = index_below;
    if (m->hits) m->hits->strides[kind]++;
    return v;
}

static ej_value fresh_value(maker *m)
{
    int64_t shape[5];
    int rank = gen_below(&m->r, 5);
    for (int a = 0; a < rank; a++) shape[a] = pick_extent(m);
    return new_input(m, pick_dtype(m), rank, shape, 0);
}

static ej_value make_constant(maker *m)
{
    int64_t shape[3];
    int rank = gen_below(&m->r, 3), dtype = pick_dtype(m);
    gen_tensor t;
    for (int a = 0; a < rank; a++) shape[a] = pick_extent(m);
    if (!gen_tensor_make(&t, &m->r, dtype, rank, shape, GEN_ROW_MAJOR)) return -1;
    gen_tensor_fill(&t, &m->r, m->p->reals);
    int64_t n = 1;
    for (int a = 0; a < rank; a++) n *= shape[a];
    size_t bytes = (size_t)n * einjit_dtype_bytes(dtype);
    void *data = ej_arena_new(arena_of(m), bytes + 1, 1);
    if (data && bytes) memcpy(data, t.view.data, bytes);
    gen_tensor_free(&t);
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = (int16_t)dtype, .rank = rank, .n_extents = (uint32_t)rank,
                    .extents = extents_of(m, rank, shape), .data = data};
    ej_value v = data ? keep(m, &node, NULL) : -1;
    if (v < 0 || gen_chance(&m->r, 50)) return v;
    ej_node promise = {.op = EJ_OP_STRUCTURAL, .dtype = -1, .n_in = 1, .in = values_of(m, 1, &v)};
    return keep(m, &promise, NULL);
}

static ej_value make_literal(maker *m)
{
    int kind = gen_chance(&m->r, 50) ? EJ_KIND_FLOAT : gen_below(&m->r, 4);
    static const double nice[] = {2.0, 0.5, -1.5, 3.0, 0.25, 1.0, -1.0, 4.0};
    ej_node node = {.op = EJ_OP_SCALAR, .fn = (uint8_t)kind, .dtype = -1, .re = nice[gen_below(&m->r, 8)]};
    if (kind == EJ_KIND_COMPLEX) node.im = nice[gen_below(&m->r, 8)];
    if (kind == EJ_KIND_INT) node.integer = gen_below(&m->r, 9) - 4;
    if (kind == EJ_KIND_BOOL) node.integer = gen_below(&m->r, 2);
    if (kind < EJ_KIND_FLOAT) node.re = 0;
    return keep(m, &node, NULL);
}

/* An earlier value that is no literal: more often a recent one. */
static ej_value pick(maker *m)
{
    ej_value n = (ej_value)m->p->graph.n_nodes;
    for (int tries = 0; tries < 8; tries++) {
        ej_value v = gen_chance(&m->r, 50) ? n - 1 - gen_below(&m->r, n < 4 ? n : 4) : gen_below(&m->r, n);
        if (!is_literal(m, v)) return v;
    }
    return fresh_value(m);
}

static ej_value make_einsum(maker *m)
{
    int n = 1 + gen_below(&m->r, gen_chance(&m->r, 30) ? 4 : 2), used = 0;
    ej_value in[5];
    char text[128];
    size_t at = 0;
    int64_t extent[20];
    bool dots = gen_chance(&m->r, 15);
    int count[20] = {0};
    for (int t = 0; t < n; t++) {
        in[t] = gen_chance(&m->r, 20) ? fresh_value(m) : pick(m);
        if (in[t] < 0) return -1;
        const oracle_value *v = value(m, in[t]);
        int skip = dots && v->rank ? gen_below(&m->r, v->rank + 1) : 0, begin = dots ? gen_below(&m->r, v->rank - skip + 1) : 0;
        if (t) text[at++] = ',';
        for (int a = 0; a <= v->rank; a++) {
            if (dots && a == begin) {
                memcpy(text + at, "...", 3);
                at += 3;
                a += skip;
            }
            if (a >= v->rank) break;
            int pick_label = -1;
            for (int tries = 0; tries < 6 && used; tries++) { /* meet an extent that is there, or broadcast */
                int l = gen_below(&m->r, used);
                if (extent[l] == v->shape[a] || (v->shape[a] == 1 && gen_chance(&m->r, 20))) pick_label = l;
            }
            if (pick_label < 0 || gen_chance(&m->r, 25)) {
                if (used == 20) return -1;
                extent[used] = v->shape[a];
                pick_label = used++;
            }
            count[pick_label]++;
            text[at++] = (char)('a' + pick_label);
        }
    }
    if (!gen_chance(&m->r, 12)) { /* explicit output, labels shuffled, more of those that occur once */
        memcpy(text + at, "->", 2);
        at += 2;
        int order[20];
        for (int l = 0; l < used; l++) order[l] = l;
        for (int l = used - 1; l > 0; l--) {
            int b = gen_below(&m->r, l + 1), swap = order[l];
            order[l] = order[b];
            order[b] = swap;
        }
        int where = gen_below(&m->r, used + 1);
        for (int l = 0; l <= used; l++) {
            if (dots && l == where && gen_chance(&m->r, 90)) {
                memcpy(text + at, "...", 3);
                at += 3;
            }
            if (l < used && gen_chance(&m->r, count[order[l]] > 1 ? 35 : 70)) text[at++] = (char)('a' + order[l]);
        }
    }
    ej_equation *equation = EJ_NEW(arena_of(m), ej_equation);
    if (!equation || ej_equation_parse(equation, arena_of(m), text, at, (size_t)n, NULL)) return -1;
    static const int reduces[] = {EINJIT_REDUCE_MAX, EINJIT_REDUCE_MIN, EINJIT_REDUCE_LOGSUMEXP};
    bool semiring = gen_chance(&m->r, 12);
    int reduce = semiring ? reduces[gen_below(&m->r, 3)] : EINJIT_REDUCE_SUM;
    if (semiring)
        for (int t = 0; t < n; t++)
            if (ej_dtype_is_complex(value(m, in[t])->dtype) || value(m, in[t])->dtype == EINJIT_BOOL) {
                reduce = EINJIT_REDUCE_SUM;
                semiring = false;
            }
    bool all_bool = true;
    for (int t = 0; t < n; t++) all_bool &= value(m, in[t])->dtype == EINJIT_BOOL;
    if (all_bool) reduce = EINJIT_REDUCE_OR;
    int combine = semiring && gen_chance(&m->r, 60) ? EINJIT_COMBINE_ADD : EINJIT_COMBINE_MUL;
    ej_node node = {.op = EJ_OP_EINSUM, .fn = (uint8_t)reduce, .combine = (uint8_t)combine, .dtype = -1,
                    .n_in = (uint32_t)n, .in = values_of(m, n, in), .equation = equation};
    return keep(m, &node, NULL);
}

/* Two values that broadcast: a partner made to fit, or found. */
static ej_value partner(maker *m, ej_value v)
{
    const oracle_value *x = value(m, v);
    if (gen_chance(&m->r, 30)) return make_literal(m);
    if (gen_chance(&m->r, 40)) return pick(m);
    int64_t shape[ORACLE_RANK];
    int drop = gen_below(&m->r, x->rank + 1), rank = x->rank - (gen_chance(&m->r, 60) ? 0 : drop);
    for (int a = 0; a < rank; a++) {
        shape[a] = x->shape[x->rank - rank + a];
        if (gen_chance(&m->r, 20)) shape[a] = 1;
    }
    return new_input(m, gen_chance(&m->r, 60) ? x->dtype : pick_dtype(m), rank, shape, 0);
}

static bool fn_allowed(const maker *m, int fn, const ej_value *in)
{
    bool any_complex = false, any_bool = false, all_bool = true, all_literal = true;
    for (int i = fn == EJ_FN_WHERE; i < ej_fns[fn].arity; i++) {
        const oracle_value *v = value(m, in[i]);
        int kind = v->dtype < 0 ? v->weak : ej_dtypes[v->dtype].kind;
        any_complex |= kind == EJ_KIND_COMPLEX;
        any_bool |= kind == EJ_KIND_BOOL;
        all_bool &= kind == EJ_KIND_BOOL;
        all_literal &= v->dtype < 0;
    }
    if (all_literal) return false;
    switch (ej_fns[fn].rule) {
    case EJ_RULE_REALFLT:
    case EJ_RULE_ORDER:
    case EJ_RULE_ROUND:
    case EJ_RULE_COMPARE: return !any_complex && !any_bool;
    case EJ_RULE_LOGIC: return all_bool;
    case EJ_RULE_ARITH: return !any_bool || fn == EJ_FN_ADD || fn == EJ_FN_MUL ? !all_bool : false;
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALPART: return !any_bool;
    case EJ_RULE_SELECT: return value(m, in[0])->dtype == EINJIT_BOOL;
    default: return true;
    }
}

static ej_value make_map(maker *m)
{
    int fn = gen_chance(&m->r, 40) ? EJ_FN_ADD + gen_below(&m->r, 4) : gen_below(&m->r, EJ_FN_COUNT);
    ej_value in[3];
    in[0] = pick(m);
    if (in[0] < 0) return -1;
    if (fn == EJ_FN_WHERE && value(m, in[0])->dtype != EINJIT_BOOL) {
        ej_value other = partner(m, in[0]), both[2] = {in[0], other};
        if (other < 0 || ej_dtype_is_complex(value(m, in[0])->dtype) || value(m, in[0])->dtype == EINJIT_BOOL ||
            !fn_allowed(m, EJ_FN_LT, both))
            return -1;
        ej_node test = {.op = EJ_OP_MAP, .fn = EJ_FN_LT, .dtype = -1, .n_in = 2, .in = values_of(m, 2, both)};
        in[0] = keep(m, &test, NULL);
        if (in[0] < 0) return -1;
    }
    if (ej_fns[fn].rule == EJ_RULE_LOGIC)
        for (int i = 0; i < ej_fns[fn].arity; i++) {
            const oracle_value *x = value(m, in[0]);
            in[i] = new_input(m, EINJIT_BOOL, x->rank, x->shape, 0);
            if (in[i] < 0) return -1;
        }
    else
        for (int i = 1; i < ej_fns[fn].arity; i++) {
            in[i] = partner(m, in[0]);
            if (in[i] < 0) return -1;
        }
    if (!fn_allowed(m, fn, in)) return -1;
    if (ej_fns[fn].arity == 2 && is_literal(m, in[1]) && fn != EJ_FN_POW && gen_chance(&m->r, 30)) {
        ej_value swap = in[0];
        in[0] = in[1];
        in[1] = swap;
    }
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .n_in = ej_fns[fn].arity,
                    .in = values_of(m, ej_fns[fn].arity, in)};
    return keep(m, &node, NULL);
}

static ej_value make_unary(maker *m, ej_node *node)
{
    ej_value x = pick(m);
    if (x < 0) return -1;
    node->n_in = 1;
    node->in = values_of(m, 1, &x);
    if (node->op != EJ_OP_CAST) node->dtype = -1;
    return x;
}

static ej_value make_cast(maker *m)
{
    ej_node node = {.op = EJ_OP_CAST, .dtype = (int16_t)pick_dtype(m)};
    ej_value x = make_unary(m, &node);
    return x < 0 ? -1 : keep(m, &node, NULL);
}

static int64_t any_dim(maker *m, int rank)
{
    int dim = gen_below(&m->r, rank);
    return gen_chance(&m->r, 30) ? dim - rank : dim;
}

static ej_value make_reduce(maker *m)
{
    int64_t dims[ORACLE_RANK];
    int n = 0;
    ej_node node = {.op = EJ_OP_REDUCE, .fn = (uint8_t)gen_below(&m->r, EINJIT_REDUCE_COUNT)};
    if (node.fn == EINJIT_REDUCE_OR) node.fn = EINJIT_REDUCE_SUM;
    ej_value x = make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = value(m, x);
    bool ordered = node.fn == EINJIT_REDUCE_MAX || node.fn == EINJIT_REDUCE_MIN || node.fn == EINJIT_REDUCE_LOGSUMEXP;
    if (ordered && (ej_dtype_is_complex(v->dtype) || v->dtype == EINJIT_BOOL)) return -1;
    for (int a = 0; a < v->rank; a++)
        if (gen_chance(&m->r, 50)) dims[n++] = gen_chance(&m->r, 20) ? a - v->rank : a;
    node.all_dims = !n;
    node.keepdim = gen_chance(&m->r, 40) && n;
    node.n_dims = (uint32_t)n;
    node.dims = dims_of(m, n, dims);
    return keep(m, &node, NULL);
}

static ej_value make_norm(maker *m)
{
    bool softmax = gen_chance(&m->r, 50);
    ej_node node = {.op = softmax ? EJ_OP_SOFTMAX : EJ_OP_LAYER_NORM, .re = softmax ? 0 : 1e-5};
    ej_value x = make_unary(m, &node), in[3] = {x, -1, -1};
    if (x < 0) return -1;
    const oracle_value *v = value(m, x);
    if (!v->rank || ej_dtype_is_complex(v->dtype) || v->dtype == EINJIT_BOOL) return -1;
    int64_t dim = softmax ? any_dim(m, v->rank) : 1 + gen_below(&m->r, v->rank > 2 ? 2 : v->rank);
    node.n_dims = 1;
    node.dims = dims_of(m, 1, &dim);
    if (!softmax)
        for (int extra = 0; extra < 2; extra++)
            if (gen_chance(&m->r, 50)) {
                ej_value w = new_input(m, v->dtype, (int)dim, v->shape + v->rank - dim, 0);
                if (w < 0) return -1;
                v = value(m, x);
                in[node.n_in++] = w;
                node.integer |= 1 << extra;
            }
    node.in = values_of(m, (int)node.n_in, in);
    return keep(m, &node, NULL);
}

static ej_value make_product(maker *m)
{
    ej_value in[2];
    in[0] = pick(m);
    if (in[0] < 0) return -1;
    const oracle_value *x = value(m, in[0]);
    if (!x->rank) return -1;
    int64_t shape[ORACLE_RANK], inner = x->shape[x->rank - 1];
    bool dot = gen_chance(&m->r, 40);
    int rank = 1 + gen_below(&m->r, 3);
    for (int a = 0; a < rank; a++) shape[a] = pick_extent(m);
    if (!dot && rank > 2) shape[0] = x->rank > 2 && gen_chance(&m->r, 70) ? x->shape[x->rank - 3] : 1;
    int64_t dims[2] = {x->rank - 1, 0};
    if (dot) {
        dims[1] = gen_below(&m->r, rank);
        shape[dims[1]] = inner;
        if (gen_chance(&m->r, 30)) dims[1] -= rank;
    } else {
        shape[rank > 1 ? rank - 2 : 0] = inner;
    }
    in[1] = new_input(m, gen_chance(&m->r, 60) ? x->dtype : pick_dtype(m), rank, shape, 0);
    if (in[1] < 0) return -1;
    ej_node node = {.op = dot ? EJ_OP_TENSORDOT : EJ_OP_MATMUL, .dtype = -1, .n_in = 2, .in = values_of(m, 2, in),
                    .integer = -1};
    if (!dot) node.integer = 0;
    if (dot) {
        node.n_dims = 2;
        node.dims = dims_of(m, 2, dims);
        if (gen_chance(&m->r, 15)) { /* an outer product */
            node.n_dims = 0;
            node.integer = 0;
        }
    }
    return keep(m, &node, NULL);
}

static ej_value make_permute(maker *m)
{
    bool two = gen_chance(&m->r, 40);
    ej_node node = {.op = two ? EJ_OP_TRANSPOSE : EJ_OP_PERMUTE};
    ej_value x = make_unary(m, &node);
    if (x < 0) return -1;
    int rank = value(m, x)->rank;
    int64_t dims[ORACLE_RANK];
    if (!rank) return -1;
    if (two) {
        dims[0] = any_dim(m, rank);
        dims[1] = any_dim(m, rank);
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
    node.dims = dims_of(m, (int)node.n_dims, dims);
    return keep(m, &node, NULL);
}

static ej_value make_reshape(maker *m)
{
    bool expand = gen_chance(&m->r, 40);
    ej_node node = {.op = expand ? EJ_OP_EXPAND : EJ_OP_RESHAPE};
    ej_value x = make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = value(m, x);
    int64_t shape[2 * ORACLE_RANK];
    int rank = 0;
    if (expand) {
        int more = gen_below(&m->r, 2);
        for (int a = 0; a < more; a++) shape[rank++] = pick_extent(m);
        for (int a = 0; a < v->rank; a++)
            shape[rank++] = v->shape[a] == 1 && gen_chance(&m->r, 70) ? pick_extent(m) : gen_chance(&m->r, 30) ? -1 : v->shape[a];
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
    node.extents = extents_of(m, rank, shape);
    return keep(m, &node, NULL);
}

static ej_value make_squeeze(maker *m)
{
    bool grow = gen_chance(&m->r, 50);
    ej_node node = {.op = grow ? EJ_OP_UNSQUEEZE : EJ_OP_SQUEEZE, .n_dims = 1};
    ej_value x = make_unary(m, &node);
    if (x < 0) return -1;
    int rank = value(m, x)->rank;
    if (!grow && !rank) return -1;
    int64_t dim = any_dim(m, grow ? rank + 1 : rank);
    for (int a = 0; !grow && a < rank; a++)
        if (value(m, x)->shape[a] == 1 && gen_chance(&m->r, 60)) dim = a;
    node.dims = dims_of(m, 1, &dim);
    return keep(m, &node, NULL);
}

static ej_value make_slice(maker *m)
{
    ej_node node = {.op = EJ_OP_SLICE};
    ej_value x = make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = value(m, x);
    ej_index_item *items = EJ_NEW_ARRAY(arena_of(m), ej_index_item, (size_t)v->rank * 2 + 3);
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
            items[n++] = item;
        }
    }
    if (gen_chance(&m->r, 20)) items[n++] = (ej_index_item){.kind = EJ_INDEX_ELLIPSIS};
    if (!n) items[n++] = (ej_index_item){.kind = EJ_INDEX_NEW_AXIS};
    node.n_items = n;
    node.items = items;
    return keep(m, &node, NULL);
}

static ej_value make_join(maker *m)
{
    bool stack = gen_chance(&m->r, 40);
    ej_value in[4];
    int n = 1 + gen_below(&m->r, 3);
    in[0] = pick(m);
    if (in[0] < 0) return -1;
    int rank = value(m, in[0])->rank + stack;
    if (!rank) return -1;
    int64_t dim = any_dim(m, rank), at = dim < 0 ? dim + rank : dim;
    for (int i = 1; i < n; i++) {
        int64_t shape[ORACLE_RANK];
        const oracle_value *x = value(m, in[0]);
        for (int a = 0; a < x->rank; a++) shape[a] = !stack && a == at ? pick_extent(m) : x->shape[a];
        in[i] = gen_chance(&m->r, 20) ? in[0] : new_input(m, gen_chance(&m->r, 70) ? x->dtype : pick_dtype(m), x->rank, shape, 0);
        if (in[i] < 0) return -1;
    }
    ej_node node = {.op = stack ? EJ_OP_STACK : EJ_OP_CAT, .dtype = -1, .n_in = (uint32_t)n, .in = values_of(m, n, in),
                    .n_dims = 1, .dims = dims_of(m, 1, &dim)};
    return keep(m, &node, NULL);
}

static ej_value make_indexed(maker *m)
{
    bool scatter = gen_chance(&m->r, 50);
    ej_value x = pick(m);
    if (x < 0) return -1;
    const oracle_value *v = value(m, x);
    if (!v->rank || v->dtype == EINJIT_BOOL) return -1;
    int64_t dim = any_dim(m, v->rank), at = dim < 0 ? dim + v->rank : dim, below = scatter ? 1 + gen_below(&m->r, 6) : v->shape[at];
    int64_t length = scatter ? v->shape[at] : 1 + gen_below(&m->r, 9);
    if (below < 1) return -1;
    ej_value index = new_input(m, gen_chance(&m->r, 50) ? EINJIT_I64 : EINJIT_I32, 1, &length, below);
    if (index < 0) return -1;
    if (gen_chance(&m->r, 15)) { /* computed: index + 0 */
        ej_value zero = -1, both[2];
        ej_node literal = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .dtype = -1};
        zero = keep(m, &literal, NULL);
        both[0] = index;
        both[1] = zero;
        ej_node sum = {.op = EJ_OP_MAP, .fn = EJ_FN_ADD, .dtype = -1, .n_in = 2, .in = values_of(m, 2, both)};
        index = zero < 0 ? -1 : keep(m, &sum, NULL);
        if (index < 0) return -1;
    }
    ej_value in[2] = {scatter ? index : x, scatter ? x : index};
    ej_node node = {.op = scatter ? EJ_OP_INDEX_ADD : EJ_OP_INDEX_SELECT, .dtype = -1, .n_in = 2, .in = values_of(m, 2, in),
                    .n_dims = 1, .dims = dims_of(m, 1, &dim)};
    if (scatter) {
        node.n_extents = 1;
        node.extents = extents_of(m, 1, &below);
    }
    return keep(m, &node, NULL);
}

static const struct {
    ej_value (*make)(maker *m);
    int weight;
} makers[] = {
    {make_einsum, 30}, {make_map, 26}, {make_cast, 4}, {make_reduce, 8}, {make_norm, 4}, {make_product, 7},
    {make_permute, 6}, {make_reshape, 7}, {make_squeeze, 4}, {make_slice, 7}, {make_join, 5}, {make_indexed, 8},
    {make_constant, 3},
};

static ej_value make_any(maker *m)
{
    int total = 0, at;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) total += makers[i].weight;
    at = gen_below(&m->r, total);
    for (size_t i = 0;; i++) {
        at -= makers[i].weight;
        if (at < 0) return makers[i].make(m);
    }
}

/* Results: the last value and a few others, now and then one twice. */
static bool add_outputs(maker *m)
{
    gen_program *p = m->p;
    ej_graph *g = &p->graph;
    einjit_error err;
    int n = gen_chance(&m->r, 75) ? 1 : 1 + gen_below(&m->r, 3);
    p->oracle.values = EJ_NEW_ARRAY(&p->oracle.arena, oracle_value, (size_t)n);
    if (!p->oracle.values) return false;
    for (int i = 0; i < n; i++) {
        ej_value v = (ej_value)g->n_nodes - 1;
        if (i && !gen_chance(&m->r, 15)) v = gen_below(&m->r, (int)g->n_nodes);
        while (v >= 0 && is_literal(m, v)) v--;
        if (v < 0 || ej_graph_output(g, v, &err)) return false;
        p->oracle.values[p->oracle.n++] = *value(m, v);
    }
    g->tuple_result = n > 1;
    return true;
}

bool gen_program_make(gen_program *out, uint64_t seed, int size, gen_hits *hits)
{
    memset(out, 0, sizeof *out);
    maker m = {.p = out, .r = {seed}, .hits = hits, .seed = seed};
    einjit_error err;
    if (ej_graph_init(&out->graph, &ej_malloc_allocator, &err)) return false;
    if (!oracle_begin(&m.s, &out->oracle, &out->graph, MAX_NODES + 1, 3e5)) return false;
    out->all = m.s.values;
    static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33};
    for (int i = 0; i < 5; i++) m.palette[i] = extents[gen_below(&m.r, i < 4 ? 7 : 11)];
    if (gen_chance(&m.r, 4)) m.palette[0] = 0;
    out->reals = gen_chance(&m.r, 30);
    bool ok = fresh_value(&m) >= 0;
    for (int made = 0, tries = 0; ok && made < size && tries < 6 * size; tries++) made += make_any(&m) >= 0;
    ok = ok && out->graph.n_nodes > out->n_in && add_outputs(&m);
    if (!ok) gen_program_free(out);
    return ok;
}

void gen_program_free(gen_program *p)
{
    for (size_t i = 0; i < p->n_in; i++) gen_tensor_free(&p->in[i]);
    ej_graph_free(&p->graph);
    oracle_free(&p->oracle);
    p->n_in = 0;
}

void gen_program_views(const gen_program *p, einjit_tensor *views)
{
    for (size_t i = 0; i < p->n_in; i++) views[i] = p->in[i].view;
}
