/* gen_compute.c - makers of operations that compute: einsums, maps, casts, reductions, norms, products. */
#include <string.h>

#include "gen_maker.h"

ej_value gen_make_einsum(gen_maker *m)
{
    int n = 1 + gen_below(&m->r, gen_chance(&m->r, 30) ? 4 : 2), used = 0;
    ej_value in[5];
    char text[128];
    size_t at = 0;
    int64_t extent[20];
    bool dots = gen_chance(&m->r, 15);
    int count[20] = {0};
    for (int t = 0; t < n; t++) {
        in[t] = gen_chance(&m->r, 20) ? gen_fresh_value(m) : gen_pick(m);
        if (in[t] < 0) return -1;
        const oracle_value *v = gen_value(m, in[t]);
        int skip = dots && v->rank ? gen_below(&m->r, v->rank + 1) : 0,
            begin = dots ? gen_below(&m->r, v->rank - skip + 1) : 0;
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
    ej_equation *equation = EJ_NEW(gen_arena_of(m), ej_equation);
    if (!equation || ej_equation_parse(equation, gen_arena_of(m), text, at, (size_t)n, NULL)) return -1;
    static const int reduces[] = {EINJIT_REDUCE_MAX, EINJIT_REDUCE_MIN, EINJIT_REDUCE_LOGSUMEXP};
    bool semiring = gen_chance(&m->r, 12);
    int reduce = semiring ? reduces[gen_below(&m->r, 3)] : EINJIT_REDUCE_SUM;
    if (semiring)
        for (int t = 0; t < n; t++)
            if (ej_dtype_is_complex(gen_value(m, in[t])->dtype) || gen_value(m, in[t])->dtype == EINJIT_BOOL) {
                reduce = EINJIT_REDUCE_SUM;
                semiring = false;
            }
    bool all_bool = true;
    for (int t = 0; t < n; t++) all_bool &= gen_value(m, in[t])->dtype == EINJIT_BOOL;
    if (all_bool) reduce = EINJIT_REDUCE_OR;
    int combine = semiring && gen_chance(&m->r, 60) ? EINJIT_COMBINE_ADD : EINJIT_COMBINE_MUL;
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = (uint8_t)reduce,
                    .combine = (uint8_t)combine,
                    .dtype = -1,
                    .n_in = (uint32_t)n,
                    .in = gen_values_of(m, n, in),
                    .equation = equation};
    return gen_keep(m, &node, NULL);
}

/* An input that broadcasts with v. */
static ej_value fitting(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    int64_t shape[ORACLE_RANK];
    int drop = gen_below(&m->r, x->rank + 1), rank = x->rank - (gen_chance(&m->r, 60) ? 0 : drop);
    for (int a = 0; a < rank; a++) {
        shape[a] = x->shape[x->rank - rank + a];
        if (gen_chance(&m->r, 20)) shape[a] = 1;
    }
    return gen_new_input(m, gen_chance(&m->r, 60) ? x->dtype : gen_pick_dtype(m), rank, shape, 0);
}

/* Two values that broadcast: a partner made to fit, or found. */
static ej_value partner(gen_maker *m, ej_value v)
{
    if (gen_chance(&m->r, 30)) return gen_make_literal(m);
    if (gen_chance(&m->r, 40)) return gen_pick(m);
    return fitting(m, v);
}

bool gen_fn_allowed(const gen_maker *m, int fn, const ej_value *in)
{
    bool any_complex = false, any_bool = false, all_bool = true, all_whole = true, all_literal = true;
    bool steps = ej_fns[fn].rule == EJ_RULE_ROUND || fn == EJ_FN_FLOOR_DIVIDE || fn == EJ_FN_TRUNC_DIVIDE ||
                 fn == EJ_FN_REMAINDER;
    if (m->differentiable && steps) return false; /* of large numbers they look like slopes */
    for (int i = fn == EJ_FN_WHERE; i < ej_fns[fn].arity; i++) {
        const oracle_value *v = gen_value(m, in[i]);
        int kind = v->dtype < 0 ? v->weak : ej_dtypes[v->dtype].kind;
        any_complex |= kind == EJ_KIND_COMPLEX;
        any_bool |= kind == EJ_KIND_BOOL;
        all_bool &= kind == EJ_KIND_BOOL;
        all_whole &= kind <= EJ_KIND_INT;
        all_literal &= v->dtype < 0;
    }
    if (all_literal) return false;
    switch (ej_fns[fn].rule) {
    case EJ_RULE_REALFLT:
    case EJ_RULE_ORDER:
    case EJ_RULE_ROUND:
    case EJ_RULE_COMPARE: return !any_complex && !any_bool;
    case EJ_RULE_LOGIC: return all_bool;
    case EJ_RULE_BITS: return all_whole;
    case EJ_RULE_ARITH: return !any_bool || fn == EJ_FN_ADD || fn == EJ_FN_MUL ? !all_bool : false;
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALPART: return !any_bool;
    case EJ_RULE_SELECT: return gen_value(m, in[0])->dtype == EINJIT_BOOL;
    default: return true;
    }
}

ej_value gen_make_map(gen_maker *m)
{
    int fn = gen_chance(&m->r, 20) ? EJ_FN_ADD + gen_below(&m->r, 4) : gen_below(&m->r, EJ_FN_COUNT);
    ej_value in[3];
    in[0] = gen_pick(m);
    if (in[0] < 0) return -1;
    if (fn == EJ_FN_WHERE && gen_value(m, in[0])->dtype != EINJIT_BOOL) {
        ej_value other = partner(m, in[0]), both[2] = {in[0], other};
        if (other < 0 || ej_dtype_is_complex(gen_value(m, in[0])->dtype) || gen_value(m, in[0])->dtype == EINJIT_BOOL ||
            !gen_fn_allowed(m, EJ_FN_LT, both))
            return -1;
        ej_node test = {.op = EJ_OP_MAP, .fn = EJ_FN_LT, .dtype = -1, .n_in = 2, .in = gen_values_of(m, 2, both)};
        in[0] = gen_keep(m, &test, NULL);
        if (in[0] < 0) return -1;
    }
    if (ej_fns[fn].rule == EJ_RULE_LOGIC)
        for (int i = 0; i < ej_fns[fn].arity; i++) {
            const oracle_value *x = gen_value(m, in[0]);
            in[i] = gen_new_input(m, EINJIT_BOOL, x->rank, x->shape, 0);
            if (in[i] < 0) return -1;
        }
    else
        for (int i = 1; i < ej_fns[fn].arity; i++) {
            in[i] = partner(m, in[0]);
            if (in[i] < 0) return -1;
        }
    if (!gen_fn_allowed(m, fn, in)) return -1;
    if (ej_fns[fn].arity == 2 && gen_is_literal(m, in[1]) && fn != EJ_FN_POW && gen_chance(&m->r, 30)) {
        ej_value swap = in[0];
        in[0] = in[1];
        in[1] = swap;
    }
    ej_node node = {.op = EJ_OP_MAP,
                    .fn = (uint8_t)fn,
                    .dtype = -1,
                    .n_in = ej_fns[fn].arity,
                    .in = gen_values_of(m, ej_fns[fn].arity, in)};
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_cast(gen_maker *m)
{
    ej_node node = {.op = EJ_OP_CAST, .dtype = (int16_t)gen_pick_dtype(m)};
    ej_value x = gen_make_unary(m, &node);
    return x < 0 ? -1 : gen_keep(m, &node, NULL);
}

ej_value gen_make_reduce(gen_maker *m)
{
    int64_t dims[ORACLE_RANK];
    int n = 0;
    ej_node node = {.op = EJ_OP_REDUCE, .fn = (uint8_t)gen_below(&m->r, EINJIT_REDUCE_COUNT)};
    ej_value x = gen_make_unary(m, &node);
    if (x < 0) return -1;
    const oracle_value *v = gen_value(m, x);
    bool ordered = node.fn == EINJIT_REDUCE_MAX || node.fn == EINJIT_REDUCE_MIN || node.fn == EINJIT_REDUCE_LOGSUMEXP;
    if (ordered && (ej_dtype_is_complex(v->dtype) || v->dtype == EINJIT_BOOL)) return -1;
    for (int a = 0; a < v->rank; a++)
        if (gen_chance(&m->r, 50)) dims[n++] = gen_chance(&m->r, 20) ? a - v->rank : a;
    node.all_dims = !n;
    node.keepdim = gen_chance(&m->r, 40) && n;
    node.n_dims = (uint32_t)n;
    node.dims = gen_dims_of(m, n, dims);
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_norm(gen_maker *m)
{
    bool softmax = gen_chance(&m->r, 50);
    ej_node node = {.op = softmax ? EJ_OP_SOFTMAX : EJ_OP_LAYER_NORM, .re = softmax ? 0 : 1e-5};
    ej_value x = gen_make_unary(m, &node), in[3] = {x, -1, -1};
    if (x < 0) return -1;
    const oracle_value *v = gen_value(m, x);
    if (!v->rank || ej_dtype_is_complex(v->dtype) || v->dtype == EINJIT_BOOL) return -1;
    int64_t dim = softmax ? gen_any_dim(m, v->rank) : 1 + gen_below(&m->r, v->rank > 2 ? 2 : v->rank);
    node.n_dims = 1;
    node.dims = gen_dims_of(m, 1, &dim);
    if (!softmax)
        for (int extra = 0; extra < 2; extra++)
            if (gen_chance(&m->r, 50)) {
                ej_value w = gen_new_input(m, v->dtype, (int)dim, v->shape + v->rank - dim, 0);
                if (w < 0) return -1;
                v = gen_value(m, x);
                in[node.n_in++] = w;
                node.integer |= 1 << extra;
            }
    node.in = gen_values_of(m, (int)node.n_in, in);
    return gen_keep(m, &node, NULL);
}

ej_value gen_make_product(gen_maker *m)
{
    ej_value in[2];
    in[0] = gen_pick(m);
    if (in[0] < 0) return -1;
    const oracle_value *x = gen_value(m, in[0]);
    if (!x->rank) return -1;
    int64_t shape[ORACLE_RANK], inner = x->shape[x->rank - 1];
    bool dot = gen_chance(&m->r, 40);
    int rank = 1 + gen_below(&m->r, 3);
    for (int a = 0; a < rank; a++) shape[a] = gen_pick_extent(m);
    if (!dot && rank > 2) shape[0] = x->rank > 2 && gen_chance(&m->r, 70) ? x->shape[x->rank - 3] : 1;
    int64_t dims[2] = {x->rank - 1, 0};
    if (dot) {
        dims[1] = gen_below(&m->r, rank);
        shape[dims[1]] = inner;
        if (gen_chance(&m->r, 30)) dims[1] -= rank;
    } else {
        shape[rank > 1 ? rank - 2 : 0] = inner;
    }
    in[1] = gen_new_input(m, gen_chance(&m->r, 60) ? x->dtype : gen_pick_dtype(m), rank, shape, 0);
    if (in[1] < 0) return -1;
    ej_node node = {.op = dot ? EJ_OP_TENSORDOT : EJ_OP_MATMUL,
                    .dtype = -1,
                    .n_in = 2,
                    .in = gen_values_of(m, 2, in),
                    .integer = -1};
    if (!dot) node.integer = 0;
    if (dot) {
        node.n_dims = 2;
        node.dims = gen_dims_of(m, 2, dims);
        if (gen_chance(&m->r, 15)) { /* an outer product */
            node.n_dims = 0;
            node.integer = 0;
        }
    }
    return gen_keep(m, &node, NULL);
}

/* Something that is summed, and pointwise operations of it and of other values: what is one step. */
ej_value gen_make_end(gen_maker *m)
{
    int kind = gen_below(&m->r, 10);
    ej_value sum = kind < 4 ? gen_make_product(m) : kind < 8 ? gen_make_einsum(m) : gen_make_reduce(m);
    ej_value in[2] = {sum, sum < 0 ? -1 : fitting(m, sum)};
    if (in[1] < 0) return -1;
    int fn = EJ_FN_ADD + gen_below(&m->r, 4);
    if (!gen_fn_allowed(m, fn, in)) return sum;
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .n_in = 2, .in = gen_values_of(m, 2, in)};
    ej_value v = gen_keep(m, &node, NULL);
    for (int n = gen_below(&m->r, 3); n > 0 && v >= 0; n--) {
        m->pinned = gen_chance(&m->r, 20) ? sum : v;
        ej_value next = gen_make_map(m);
        m->pinned = -1;
        if (next >= 0) v = next;
    }
    return v;
}
