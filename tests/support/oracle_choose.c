/* oracle_choose.c - one value computed in several ways: they must be the same value. */
#include <math.h>

#include "oracle_op.h"

static bool guard_holds(const oracle_state *s, const ej_node *node, uint32_t g)
{
    int64_t extents[2];
    for (uint32_t side = 0; side < 2; side++) {
        const oracle_value *x = &s->values[node->in[(uint32_t)node->integer + 2 * g + side]];
        int64_t axis = node->dims[3 * g + 1 + side];
        if (axis < -x->rank || axis >= x->rank) return false;
        extents[side] = x->shape[axis < 0 ? axis + x->rank : axis];
    }
    return extents[0] == extents[1];
}

static bool is_finite(const oracle_element *x)
{
    return isfinite(x->re) && isfinite(x->im) && isfinite(x->err);
}

/* Where numbers leave the range of the dtype, one way may meet an infinity that the other does not. */
static bool same_element(int dtype, const oracle_element *a, const oracle_element *b)
{
    if (isinf(a->err) || isinf(b->err)) return true;
    if (ej_dtypes[dtype].kind < EJ_KIND_FLOAT) return a->i == b->i;
    if (!is_finite(a) || !is_finite(b)) return true;
    return fabsl(a->re - b->re) <= a->err + b->err && fabsl(a->im - b->im) <= a->err + b->err;
}

static bool same_value(oracle_state *s, int64_t k, const oracle_value *a, const oracle_value *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return oracle_refuse(s, "alternative %lld is of another kind", (long long)k);
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return oracle_refuse(s, "alternative %lld has another shape", (long long)k);
    for (int64_t i = 0; i < a->n; i++)
        if (a->dtype >= 0 && !same_element(a->dtype, &a->e[i], &b->e[i]))
            return oracle_refuse(s,
                                 "alternative %lld, element %lld: (%.17Lg, %.17Lg; %lld), not (%.17Lg, %.17Lg; %lld)",
                                 (long long)k, (long long)i, b->e[i].re, b->e[i].im, (long long)b->e[i].i, a->e[i].re,
                                 a->e[i].im, (long long)a->e[i].i);
    return true;
}

bool oracle_choose(oracle_state *s, oracle_value *out, const ej_node *node)
{
    *out = s->values[node->in[0]];
    for (int64_t k = 1; k < node->integer; k++) {
        bool holds = true;
        for (uint32_t g = 0; g < node->n_dims / 3; g++)
            if (node->dims[3 * g] == k) holds &= guard_holds(s, node, g);
        if (!holds) continue;
        if (s->defined && !s->defined[node->in[k]])
            return oracle_refuse(s, "alternative %lld is right by its guards and has no meaning", (long long)k);
        if (!same_value(s, k, out, &s->values[node->in[k]])) return false;
    }
    return true;
}
