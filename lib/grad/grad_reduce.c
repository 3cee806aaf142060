/* grad_reduce.c - gradients of reductions and of what is made of them: softmax, layer_norm.
 *
 * Takes  a node over some axes of its operand, and its adjoint.
 * Gives  the adjoint back in the operand's shape, weighted by what each element did for the result.
 * Keeps  PyTorch's choices: elements that tie for the largest share evenly; the product is right where elements are 0
 *        (the gradient of that gradient has no part that is a product without two zeros).
 */
#include "grad_core.h"

static ej_value mul(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_MUL, a, b);
}

static ej_value sub(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_SUB, a, b);
}

/* ---- reductions ---- */

/* The axes as they are put back: ascending ones from the front, then descending ones from the end; a mixture needs the
 * rank. NULL after a failure. */
static int64_t *sorted_dims(ej_grad *g, const ej_grad_at *at)
{
    uint32_t n = at->node.n_dims, n_negative = 0;
    int64_t *dims = EJ_JOB_ARRAY(g->job, int64_t, n);
    if (!dims) ej_grad_no_memory(g);
    for (uint32_t i = 0; dims && i < n; i++) n_negative += at->node.dims[i] < 0;
    int32_t rank = n_negative && n_negative < n ? ej_grad_rank(g, at->node.in[0]) : 0;
    if (g->status) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        int64_t dim = at->node.dims[i];
        uint32_t k = i;
        if (dim < 0 && n_negative < n) dim += rank;
        for (; k > 0 && (dim < 0 ? dims[k - 1] < dim : dims[k - 1] > dim); k--) dims[k] = dims[k - 1];
        dims[k] = dim;
    }
    return dims;
}

/* The result's axes where the operand has them, extent 1 where they were reduced. */
static ej_value kept(ej_grad *g, const ej_grad_at *at, ej_value x)
{
    if (at->node.keepdim || at->node.all_dims || !at->node.n_dims || g->status) return x;
    if (g->shapes->of[at->node.in[0]].rank == 0) return x; /* the axes 0 and -1 of a value without axes */
    const int64_t *dims = sorted_dims(g, at);
    for (uint32_t i = 0; dims && i < at->node.n_dims; i++) x = ej_grad_dims(g, EJ_OP_UNSQUEEZE, x, 1, &dims[i]);
    return x;
}

static ej_value reduce_alike(ej_grad *g, const ej_grad_at *at, int reduce, ej_value x)
{
    return ej_grad_reduce(g, reduce, x, at->node.n_dims, at->node.all_dims ? NULL : at->node.dims, true);
}

/* The adjoint over how many elements each result is made of. In f16 numbers above 65504 are infinite: there, and where
 * the dtype is open, the quotient is made in f64. */
static ej_value over_count(ej_grad *g, const ej_grad_at *at)
{
    ej_value one = ej_grad_node(g, (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .integer = 1}, 0, NULL);
    ej_value ones = ej_grad_like(g, EJ_OP_EXPAND_AS, one, at->node.in[0]), adjoint = kept(g, at, at->g);
    ej_value count = reduce_alike(g, at, EINJIT_REDUCE_SUM, ones);
    int dtype = g->dtypes[at->v].dtype;
    if (dtype >= 0 && dtype != EINJIT_F16)
        return ej_grad_map2(g, EJ_FN_DIV, adjoint, ej_grad_cast_like(g, count, at->v));
    return ej_grad_cast_like(g, ej_grad_map2(g, EJ_FN_DIV, adjoint, count), at->v);
}

static ej_value share_of_largest(ej_grad *g, const ej_grad_at *at)
{
    ej_value x = at->node.in[0], chosen = ej_grad_indicator(g, ej_grad_map2(g, EJ_FN_EQ, x, kept(g, at, at->v)), x);
    ej_value ties = reduce_alike(g, at, EINJIT_REDUCE_SUM, chosen);
    return mul(g, ej_grad_map2(g, EJ_FN_DIV, kept(g, at, at->g), ties), chosen);
}

/* The product of the others: y / x, and where x is 0 the product of the elements that are not, if x is the only 0. */
static ej_value share_of_factor(ej_grad *g, const ej_grad_at *at)
{
    ej_value x = at->node.in[0], zero = ej_grad_map2(g, EJ_FN_EQ, x, ej_grad_number(g, 0));
    ej_value safe = ej_grad_where(g, zero, ej_grad_number(g, 1), x);
    ej_value rest = reduce_alike(g, at, EINJIT_REDUCE_PROD, safe), n = reduce_alike(g, at, EINJIT_REDUCE_SUM, zero);
    ej_value alone = ej_grad_map2(g, EJ_FN_EQ, n, ej_grad_number(g, 1));
    ej_value at_zero = ej_grad_where(g, alone, rest, ej_grad_number(g, 0));
    ej_value others = ej_grad_where(g, zero, at_zero, ej_grad_map2(g, EJ_FN_DIV, kept(g, at, at->v), safe));
    return mul(g, kept(g, at, at->g), ej_grad_conj(g, others));
}

void ej_grad_of_reduce(ej_grad *g, const ej_grad_at *at)
{
    ej_value x = at->node.in[0], share = -1;
    switch (at->node.fn) {
    case EINJIT_REDUCE_SUM: share = ej_grad_expand_to(g, kept(g, at, at->g), x); break;
    case EINJIT_REDUCE_MEAN: share = ej_grad_expand_to(g, over_count(g, at), x); break;
    case EINJIT_REDUCE_MAX:
    case EINJIT_REDUCE_MIN: share = share_of_largest(g, at); break;
    case EINJIT_REDUCE_LOGSUMEXP:
        share = mul(g, kept(g, at, at->g), ej_grad_map1(g, EJ_FN_EXP, sub(g, x, kept(g, at, at->v))));
        break;
    case EINJIT_REDUCE_PROD: share = share_of_factor(g, at); break;
    default:
        ej_grad_fail(
            g, ej_fail(g->job->err, EINJIT_E_UNSUPPORTED, "'any' (value '%.100s') has no gradient", at->node.name));
        return;
    }
    ej_grad_give(g, at, 0, share);
}

/* ---- softmax and layer_norm ---- */

/* y (g - sum(g y)). */
void ej_grad_of_softmax(ej_grad *g, const ej_grad_at *at)
{
    ej_value sum = ej_grad_reduce(g, EINJIT_REDUCE_SUM, mul(g, at->g, at->v), 1, at->node.dims, true);
    ej_grad_give(g, at, 0, mul(g, at->v, sub(g, at->g, sum)));
}

typedef struct norm {
    uint32_t n;
    int64_t *dims;        /* the last n axes */
    ej_value scale, unit; /* 1 / sqrt(variance + eps), and x shifted and scaled by it */
} norm;

static ej_value mean_over(ej_grad *g, const norm *m, ej_value x)
{
    return ej_grad_reduce(g, EINJIT_REDUCE_MEAN, x, m->n, m->dims, true);
}

static bool normalize(ej_grad *g, const ej_grad_at *at, norm *m)
{
    ej_value x = at->node.in[0];
    m->n = (uint32_t)at->node.dims[0];
    m->dims = EJ_JOB_ARRAY(g->job, int64_t, m->n);
    if (!m->dims) ej_grad_no_memory(g);
    if (g->status) return false;
    for (uint32_t i = 0; i < m->n; i++) m->dims[i] = (int64_t)i - m->n;
    ej_value shifted = sub(g, x, mean_over(g, m, x));
    ej_value variance = mean_over(g, m, ej_grad_map1(g, EJ_FN_SQUARE, shifted));
    m->scale = ej_grad_map1(g, EJ_FN_RSQRT, ej_grad_map2(g, EJ_FN_ADD, variance, ej_grad_number(g, at->node.re)));
    m->unit = mul(g, shifted, m->scale);
    return !g->status;
}

/* Of the operand: scale (h - mean(h) - unit mean(h unit)), h the adjoint times the weight. */
void ej_grad_of_layer_norm(ej_grad *g, const ej_grad_at *at)
{
    norm m;
    uint32_t weight = at->node.integer & 1, bias = at->node.integer & 2 ? 1 + weight : 0;
    if (!normalize(g, at, &m)) return;
    if (ej_grad_wants(g, at, 0)) {
        ej_value h = weight ? mul(g, at->g, at->node.in[weight]) : at->g;
        ej_value along = mul(g, m.unit, mean_over(g, &m, mul(g, h, m.unit)));
        ej_grad_give(g, at, 0, mul(g, m.scale, sub(g, sub(g, h, mean_over(g, &m, h)), along)));
    }
    if (weight && ej_grad_wants(g, at, weight))
        ej_grad_give(g, at, weight, ej_grad_sum_to(g, mul(g, at->g, m.unit), at->v, at->node.in[weight]));
    if (bias && ej_grad_wants(g, at, bias))
        ej_grad_give(g, at, bias, ej_grad_sum_to(g, at->g, at->v, at->node.in[bias]));
}
