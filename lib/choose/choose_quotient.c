/* choose_quotient.c - softmax before a product: the product's results are divided, not its operand.
 *
 * Takes  a bound graph, its einsums in pairs.
 * Gives  one in which einsum(e / sum(e), v) is einsum(e, v) / sum(e), with e = exp(x - max(x)) over the same axes,
 *        where all that the quotients depend on is in the result. A pass over the operand less, and the quotients are
 *        taken where the product is stored (attention over 2048 keys of 64 on Zen 4: 198 ms before, 164 so).
 *
 * Range  e is at most 1 and its sum from 1 to the number of terms, or NaN, as all of e / sum(e) and the result are
 *        then. So results before they are divided are at most that many times as large as they would be, which stays
 *        within what factors may move a value by (ej_factor_room); sums of more terms stay as they are.
 * Keeps  quotients that others read, too, and those of results that have more elements than the operand.
 * Size   linear.
 */
#include "choose_core.h"
#include "opt.h"

typedef struct softmax_product {
    const ej_bound_node *product, *divided; /* the einsum, and its operand e / sum(e) */
    uint32_t operand;
    ej_value numerator, sum; /* e; its sum, without the axes that are summed */
    double terms;            /* of the sum */
} softmax_product;

static const ej_bound_node *node_of(const ej_bound *bound, ej_value v)
{
    return &bound->nodes[v];
}

/* Of a reduction with its axes kept, as it is written for softmax: the reduction; -1: v is none. */
static ej_value kept_reduction(const ej_bound *bound, ej_value v, int fn, ej_value of)
{
    const ej_bound_node *like = node_of(bound, of), *shaped = node_of(bound, v);
    if (shaped->op != EJ_OP_RESHAPE || shaped->rank != like->rank) return -1;
    ej_value inner = shaped->in[0];
    const ej_bound_node *node = node_of(bound, inner);
    if (node->op != EJ_OP_REDUCE || node->fn != fn || node->in[0] != of) return -1;
    for (int32_t axis = 0, k = 0; axis < like->rank; axis++) {
        bool reduced = (uint32_t)k < node->n_dims && node->dims[k] == axis;
        if (reduced ? !ej_size_is(shaped->shape[axis], 1) : !ej_size_same(shaped->shape[axis], like->shape[axis]))
            return -1;
        k += reduced;
    }
    return inner;
}

static bool same_axes(const ej_bound_node *a, const ej_bound_node *b)
{
    bool same = a->n_dims == b->n_dims;
    for (uint32_t i = 0; same && i < a->n_dims; i++) same = a->dims[i] == b->dims[i];
    return same;
}

/* v is e / sum(e) with e = exp(x - max(x)), of so few terms that none of it leaves the range. */
static bool is_softmax(const ej_bound *bound, ej_value v, softmax_product *q)
{
    const ej_bound_node *node = node_of(bound, v);
    if (!ej_is_map(node, EJ_FN_DIV)) return false;
    q->numerator = node->in[0];
    const ej_bound_node *power = node_of(bound, q->numerator);
    if (!ej_is_map(power, EJ_FN_EXP) || power->rank != node->rank || ej_dtype_is_complex(power->dtype)) return false;
    q->sum = kept_reduction(bound, node->in[1], EINJIT_REDUCE_SUM, q->numerator);
    const ej_bound_node *difference = node_of(bound, power->in[0]);
    if (q->sum < 0 || !ej_is_map(difference, EJ_FN_SUB) || difference->rank != node->rank) return false;
    ej_value most = kept_reduction(bound, difference->in[1], EINJIT_REDUCE_MAX, difference->in[0]);
    if (most < 0 || !same_axes(node_of(bound, most), node_of(bound, q->sum))) return false;
    q->terms = 1;
    for (uint32_t i = 0; i < node_of(bound, q->sum)->n_dims; i++) {
        ej_size extent = power->shape[node_of(bound, q->sum)->dims[i]];
        if (extent.e) return false;
        q->terms *= (double)extent.n;
    }
    return q->terms <= ej_factor_room(node->dtype, bound->drift);
}

static bool is_reduced(const ej_bound_node *reduction, int64_t axis)
{
    for (uint32_t i = 0; i < reduction->n_dims; i++)
        if (reduction->dims[i] == axis) return true;
    return false;
}

/* What the sums still have is in the result, each label once, nothing stretched. */
static bool quotients_are_in_result(const ej_bound *bound, const softmax_product *q)
{
    const ej_subscripts *sub = q->product->subscripts;
    const ej_term *term = &sub->terms[q->operand];
    for (uint32_t i = 0; i < term->n; i++) {
        if (is_reduced(node_of(bound, q->sum), i)) continue;
        if (ej_term_axis(&sub->out, term->labels[i]) < 0 || !ej_term_has_once(term, term->labels[i])) return false;
        if (!ej_size_same(q->divided->shape[i], q->product->label_sizes[term->labels[i]])) return false;
    }
    return true;
}

static bool finds_quotient(const ej_rebuild *r, ej_value v, softmax_product *q)
{
    const ej_bound *bound = r->from;
    *q = (softmax_product){.product = node_of(bound, v)};
    const ej_bound_node *node = q->product;
    if (node->op != EJ_OP_EINSUM || node->fn != EINJIT_REDUCE_SUM || node->combine != EINJIT_COMBINE_MUL) return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (r->uses[node->in[i]] != 1 || !is_softmax(bound, node->in[i], q)) continue;
        q->divided = node_of(bound, node->in[i]);
        q->operand = i;
        bool fewer = ej_cost_elements(node) <= ej_cost_elements(q->divided) || ej_job_random(r->job);
        if (fewer && quotients_are_in_result(bound, q)) return true;
    }
    return false;
}

/* ---- writing ---- */

static int add_view(ej_rebuild *r, const ej_bound_node *like, int op, ej_value *x, int32_t rank, ej_size *shape,
                    int64_t *dims)
{
    ej_bound_node node = {.op = (uint8_t)op, .dtype = like->dtype, .rank = rank, .shape = shape, .name = like->name};
    node.is_part = true;
    node.n_in = 1;
    node.in = EJ_JOB_NEW(r->job, ej_value);
    if (!node.in) return ej_no_memory(r->job->err);
    node.in[0] = *x;
    node.dims = dims;
    node.n_dims = dims ? (uint32_t)rank : 0;
    return ej_rebuild_add(r, &node, x);
}

/* The sums with the result's axes: in its order, and of extent 1 where they do not have one. */
static int align_sums(ej_rebuild *r, const softmax_product *q, ej_value *out)
{
    const ej_bound_node *node = q->product, *sum = node_of(r->from, q->sum);
    const ej_term *term = &node->subscripts->terms[q->operand], *to = &node->subscripts->out;
    int64_t *place = EJ_JOB_ARRAY(r->job, int64_t, (size_t)q->divided->rank); /* of an operand's axis, in the sums */
    int64_t *dims = EJ_JOB_ARRAY(r->job, int64_t, (size_t)sum->rank);
    ej_size *turned = EJ_JOB_ARRAY(r->job, ej_size, (size_t)sum->rank);
    ej_size *shape = EJ_JOB_ARRAY(r->job, ej_size, (size_t)node->rank);
    if (!place || !dims || !turned || !shape) return ej_no_memory(r->job->err);
    int64_t n = 0;
    for (int32_t i = 0; i < q->divided->rank; i++) place[i] = is_reduced(sum, i) ? -1 : n++;
    n = 0;
    for (int32_t i = 0; i < node->rank; i++) {
        int32_t axis = ej_term_axis(term, to->labels[i]);
        shape[i] = ej_size_number(1);
        if (axis < 0 || place[axis] < 0) continue;
        shape[i] = node->shape[i];
        turned[n] = node->shape[i];
        dims[n++] = place[axis];
    }
    *out = r->map[q->sum];
    bool moves = false;
    for (int64_t i = 0; i < n; i++) moves = moves || dims[i] != i;
    if (moves) EJ_TRY(add_view(r, node, EJ_OP_PERMUTE, out, sum->rank, turned, dims));
    if (sum->rank == node->rank) return EINJIT_OK;
    return add_view(r, node, EJ_OP_RESHAPE, out, node->rank, shape, NULL);
}

static int divide_product(ej_rebuild *r, ej_value v, const softmax_product *q)
{
    ej_bound_node product = *q->product;
    ej_bound_node quotient = {.op = EJ_OP_MAP, .fn = EJ_FN_DIV, .dtype = product.dtype, .rank = product.rank};
    quotient.shape = product.shape;
    quotient.name = product.name;
    quotient.is_part = product.is_part;
    quotient.n_in = 2;
    quotient.in = EJ_JOB_ARRAY(r->job, ej_value, 2);
    product.in = EJ_JOB_ARRAY(r->job, ej_value, product.n_in);
    if (!quotient.in || !product.in) return ej_no_memory(r->job->err);
    for (uint32_t i = 0; i < product.n_in; i++) product.in[i] = r->map[q->product->in[i]];
    product.in[q->operand] = r->map[q->numerator];
    product.is_part = true;
    EJ_TRY(ej_rebuild_add(r, &product, &quotient.in[0]));
    EJ_TRY(align_sums(r, q, &quotient.in[1]));
    return ej_rebuild_add(r, &quotient, &r->map[v]);
}

int ej_choose_quotient(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_rebuild r;
    softmax_product q;
    *out = *bound;
    if (as_written) return EINJIT_OK;
    double *drift = out->drift; /* so much less may decisions behind this one move */
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (!finds_quotient(&r, (ej_value)v, &q)) {
            EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
            continue;
        }
        double moved = bound->drift[ej_is_wide(q.product->dtype)] * q.terms;
        if (moved > drift[ej_is_wide(q.product->dtype)]) drift[ej_is_wide(q.product->dtype)] = moved;
        EJ_TRY(divide_product(&r, (ej_value)v, &q));
    }
    return ej_rebuild_end(&r);
}
