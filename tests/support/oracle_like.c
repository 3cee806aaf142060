/* oracle_like.c - operations some of whose operands count by their shape or dtype alone, element by element. */
#include <string.h>

#include "oracle_op.h"

/* The element of `x` that broadcasting shows at a position of a value with `rank` axes. */
static int64_t shown_at(const oracle_value *x, int rank, const int64_t *position)
{
    int64_t from[ORACLE_RANK];
    for (int a = 0; a < x->rank; a++) from[a] = x->shape[a] == 1 ? 0 : position[rank - x->rank + a];
    return oracle_ravel(x, from);
}

static bool stretches_to(const oracle_value *small, const oracle_value *large)
{
    if (small->rank > large->rank) return false;
    for (int a = 0; a < small->rank; a++) {
        int64_t extent = large->shape[large->rank - small->rank + a];
        if (small->shape[a] != extent && small->shape[a] != 1) return false;
    }
    return true;
}

static bool strong(oracle_state *s, oracle_value *out, const oracle_value *x)
{
    return oracle_as(s, out, x, oracle_promote(&x, 1));
}

static bool sum_to_size(oracle_state *s, oracle_value *out, const oracle_value *x, const oracle_value *like)
{
    if (!stretches_to(like, x) || x->dtype == EINJIT_BOOL) return oracle_refuse(s, "sum_to_size");
    if (!oracle_make(s, out, x->dtype, like->rank, like->shape)) return false;
    for (int64_t e = 0; e < x->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(x, e, position);
        oracle_element *at = &out->e[shown_at(out, x->rank, position)];
        *at = oracle_fn(EJ_FN_ADD, oracle_wide(x->dtype), oracle_wide(x->dtype), *at, x->e[e], x->e[e]);
    }
    oracle_any_order(out);
    return true;
}

static bool expand_as(oracle_state *s, oracle_value *out, const oracle_value *x, const oracle_value *like)
{
    if (!stretches_to(x, like)) return oracle_refuse(s, "expand_as");
    if (!oracle_make(s, out, x->dtype, like->rank, like->shape)) return false;
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, e, position);
        out->e[e] = x->e[shown_at(x, out->rank, position)];
    }
    return true;
}

static bool reshape_as(oracle_state *s, oracle_value *out, const oracle_value *x, const oracle_value *like)
{
    if (x->n != like->n) return oracle_refuse(s, "reshape_as");
    if (!oracle_make(s, out, x->dtype, like->rank, like->shape)) return false;
    if (x->n) memcpy(out->e, x->e, (size_t)x->n * sizeof *x->e);
    return true;
}

static bool type_as(oracle_state *s, oracle_value *out, const oracle_value *x, const oracle_value *like)
{
    int dtype = oracle_promote(&like, 1);
    if (ej_dtypes[x->dtype].kind >= EJ_KIND_FLOAT && ej_dtypes[dtype].kind <= EJ_KIND_INT)
        return oracle_refuse(s, "type_as");
    return oracle_as(s, out, x, dtype);
}

static bool diag_embed(oracle_state *s, oracle_value *out, const oracle_value *x)
{
    int64_t shape[ORACLE_RANK + 1];
    if (!x->rank || x->rank == ORACLE_RANK) return oracle_refuse(s, "diag_embed");
    for (int a = 0; a < x->rank; a++) shape[a] = x->shape[a];
    shape[x->rank] = x->shape[x->rank - 1];
    if (!oracle_make(s, out, x->dtype, x->rank + 1, shape)) return false;
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, e, position);
        if (position[x->rank] == position[x->rank - 1]) out->e[e] = x->e[oracle_ravel(x, position)];
    }
    return true;
}

static bool same_but(const oracle_value *x, const oracle_value *y, int but)
{
    for (int a = 0; a < x->rank && x->rank == y->rank; a++)
        if (a != but && x->shape[a] != y->shape[a]) return false;
    return x->rank == y->rank;
}

static bool axis_of(const oracle_value *x, int64_t dim, int *out)
{
    *out = (int)(dim < 0 ? dim + x->rank : dim);
    return *out >= 0 && *out < x->rank;
}

static bool both(oracle_state *s, const oracle_value *x, const oracle_value *y, oracle_value *out)
{
    const oracle_value *in[2] = {x, y};
    int dtype = oracle_promote(in, 2);
    return oracle_as(s, &out[0], x, dtype) && oracle_as(s, &out[1], y, dtype);
}

static bool copy_of(oracle_state *s, oracle_value *out, const oracle_value *x)
{
    if (!oracle_make(s, out, x->dtype, x->rank, x->shape)) return false;
    if (x->n) memcpy(out->e, x->e, (size_t)x->n * sizeof *x->e);
    return true;
}

static bool slice_scatter(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value in[2];
    int dim;
    const ej_index_item *item = node->items;
    if (!both(s, &s->values[node->in[0]], &s->values[node->in[1]], in)) return false;
    if (!axis_of(&in[0], node->dims[0], &dim) || !same_but(&in[0], &in[1], dim))
        return oracle_refuse(s, "slice_scatter");
    int64_t count, from = oracle_range(item, in[0].shape[dim], &count);
    if (count != in[1].shape[dim]) return oracle_refuse(s, "slice_scatter");
    if (!copy_of(s, out, &in[0])) return false;
    for (int64_t e = 0; e < in[1].n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(&in[1], e, position);
        position[dim] = from + position[dim] * item->step;
        out->e[oracle_ravel(out, position)] = in[1].e[e];
    }
    return true;
}

static bool split_as(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *x = &s->values[node->in[0]];
    int64_t at = 0, from = 0;
    int dim;
    if (!axis_of(x, node->dims[0], &dim)) return oracle_refuse(s, "dim");
    for (uint32_t i = 1; i < node->n_in; i++) {
        const oracle_value *part = &s->values[node->in[i]];
        if (!same_but(x, part, dim)) return oracle_refuse(s, "split_as");
        if (i == 1 + (uint32_t)node->dims[1]) from = at;
        at += part->shape[dim];
    }
    if (at != x->shape[dim]) return oracle_refuse(s, "split_as");
    if (!oracle_make(s, out, x->dtype, x->rank, s->values[node->in[1 + node->dims[1]]].shape)) return false;
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, e, position);
        position[dim] += from;
        out->e[e] = x->e[oracle_ravel(x, position)];
    }
    return true;
}

static bool index_add_to(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *index = &s->values[node->in[1]];
    oracle_value in[2];
    int dim;
    if (!both(s, &s->values[node->in[0]], &s->values[node->in[2]], in)) return false;
    if (!axis_of(&in[0], node->dims[0], &dim) || !same_but(&in[0], &in[1], dim) || index->rank != 1 ||
        index->n != in[1].shape[dim] || in[0].dtype == EINJIT_BOOL)
        return oracle_refuse(s, "index_add");
    if (!copy_of(s, out, &in[0])) return false;
    for (int64_t e = 0; e < in[1].n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(&in[1], e, position);
        int64_t row = index->e[position[dim]].i;
        if (row < 0 || row >= out->shape[dim]) return oracle_refuse(s, "index %lld", (long long)row);
        position[dim] = row;
        oracle_element *at = &out->e[oracle_ravel(out, position)];
        *at = oracle_fn(EJ_FN_ADD, oracle_wide(out->dtype), oracle_wide(out->dtype), *at, in[1].e[e], in[1].e[e]);
    }
    oracle_any_order(out);
    return true;
}

bool oracle_like(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value x;
    if (!strong(s, &x, &s->values[node->in[0]])) return false;
    const oracle_value *like = node->n_in > 1 ? &s->values[node->in[1]] : NULL;
    switch (node->op) {
    case EJ_OP_SUM_TO_SIZE: return sum_to_size(s, out, &x, like);
    case EJ_OP_EXPAND_AS: return expand_as(s, out, &x, like);
    case EJ_OP_RESHAPE_AS: return reshape_as(s, out, &x, like);
    case EJ_OP_TYPE_AS: return type_as(s, out, &x, like);
    case EJ_OP_ZEROS_LIKE: return oracle_make(s, out, x.dtype, x.rank, x.shape);
    case EJ_OP_DIAG_EMBED: return diag_embed(s, out, &x);
    case EJ_OP_SLICE_SCATTER: return slice_scatter(s, out, node);
    case EJ_OP_SPLIT_AS: return split_as(s, out, node);
    default: return index_add_to(s, out, node);
    }
}
