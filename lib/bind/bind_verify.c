/* bind_verify.c - the invariants of a bound graph: what the planner relies on.
 *
 * Takes  a bound graph. Gives E_INTERNAL with the node's number and name where something is broken.
 * Size   linear; runs only when asked for.
 */
#include "bind.h"

typedef struct verifier {
    const ej_bound *bound;
    const ej_bound_node *node;
    ej_arena *scratch;
    einjit_error *err;
} verifier;

static int broken(const verifier *v, const char *what)
{
    return ej_fail(v->err, EINJIT_E_INTERNAL, "bound graph: %s '%.100s' (value %zu): not %s", ej_op_name(v->node->op),
                   v->node->name ? v->node->name : "?", (size_t)(v->node - v->bound->nodes), what);
}

#define REQUIRE(v, fact) \
    do { \
        if (!(fact)) return broken((v), #fact); \
    } while (0)

static const ej_bound_node *operand(const verifier *v, uint32_t i)
{
    return &v->bound->nodes[v->node->in[i]];
}

static bool same_extent(ej_size a, ej_size b)
{
    return ej_size_same(a, b) && a.n == b.n;
}

static bool is_fixed(const ej_bound_node *x)
{
    for (int32_t i = 0; i < x->rank; i++)
        if (x->shape[i].e) return false;
    return true;
}

static int64_t elements(const ej_bound_node *x)
{
    int64_t n = 1;
    for (int32_t i = 0; i < x->rank; i++)
        if (!ej_mul_size(n, x->shape[i].n, &n)) return -1;
    return n;
}

/* ---- one kind of node each ---- */

static int verify_einsum(const verifier *v)
{
    const ej_bound_node *node = v->node;
    const ej_subscripts *s = node->subscripts;
    REQUIRE(v, s && s->n_terms == node->n_in && node->n_in >= 1 && node->label_sizes);
    REQUIRE(v, node->fn <= EINJIT_REDUCE_MIN || (node->fn == EINJIT_REDUCE_OR && node->dtype == EINJIT_BOOL));
    REQUIRE(v, node->dtype != EINJIT_BOOL || (node->fn == EINJIT_REDUCE_OR && node->combine == EINJIT_COMBINE_MUL));
    REQUIRE(v, (uint32_t)node->rank == s->out.n);
    for (uint32_t t = 0; t < s->n_terms; t++) {
        const ej_bound_node *x = operand(v, t);
        REQUIRE(v, x->dtype == node->dtype && (uint32_t)x->rank == s->terms[t].n);
        for (int32_t i = 0; i < x->rank; i++) {
            int32_t label = s->terms[t].labels[i];
            REQUIRE(v, label >= 0 && (uint32_t)label < s->n_labels);
            REQUIRE(v, same_extent(x->shape[i], node->label_sizes[label]) || ej_size_is(x->shape[i], 1));
        }
    }
    for (int32_t i = 0; i < node->rank; i++) {
        int32_t label = s->out.labels[i];
        REQUIRE(v, label >= 0 && (uint32_t)label < s->n_labels);
        REQUIRE(v, same_extent(node->shape[i], node->label_sizes[label]));
    }
    return EINJIT_OK;
}

/* Right-aligned; every operand's axis is the result's or 1. */
static int verify_broadcast(const verifier *v)
{
    const ej_bound_node *node = v->node;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const ej_bound_node *x = operand(v, k);
        int32_t shift = node->rank - x->rank;
        REQUIRE(v, shift >= 0);
        for (int32_t i = 0; i < x->rank; i++)
            REQUIRE(v, same_extent(x->shape[i], node->shape[i + shift]) || ej_size_is(x->shape[i], 1));
    }
    return EINJIT_OK;
}

static int verify_map(const verifier *v)
{
    const ej_bound_node *node = v->node;
    REQUIRE(v, node->fn < EJ_FN_COUNT && node->n_in == ej_fns[node->fn].arity);
    int rule = ej_fns[node->fn].rule;
    uint32_t first = rule == EJ_RULE_SELECT;
    int compute = operand(v, first)->dtype;
    for (uint32_t k = first; k < node->n_in; k++) REQUIRE(v, operand(v, k)->dtype == compute);
    if (rule == EJ_RULE_SELECT) REQUIRE(v, operand(v, 0)->dtype == EINJIT_BOOL);
    if (rule == EJ_RULE_COMPARE || rule == EJ_RULE_EQUAL || rule == EJ_RULE_LOGIC)
        REQUIRE(v, node->dtype == EINJIT_BOOL);
    else REQUIRE(v, node->dtype == (rule == EJ_RULE_REALPART ? ej_dtypes[compute].real : compute));
    return verify_broadcast(v);
}

static int verify_reduce(const verifier *v)
{
    const ej_bound_node *node = v->node, *x = operand(v, 0);
    REQUIRE(v, node->fn <= EINJIT_REDUCE_MIN || node->fn == EINJIT_REDUCE_PROD || node->fn == EINJIT_REDUCE_OR);
    REQUIRE(v, (node->fn == EINJIT_REDUCE_OR) == (node->dtype == EINJIT_BOOL) && x->dtype == node->dtype);
    REQUIRE(v, node->n_dims && (int64_t)node->rank + node->n_dims == x->rank);
    uint32_t next = 0;
    int32_t kept = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        if (next < node->n_dims && node->dims[next] == i) next++;
        else REQUIRE(v, kept < node->rank && same_extent(node->shape[kept++], x->shape[i]));
    }
    REQUIRE(v, next == node->n_dims);
    return EINJIT_OK;
}

static int verify_permute(const verifier *v)
{
    const ej_bound_node *node = v->node, *x = operand(v, 0);
    bool *seen = EJ_NEW_ARRAY(v->scratch, bool, (size_t)x->rank);
    if (!seen) return ej_no_memory(v->err);
    REQUIRE(v, node->rank == x->rank && node->n_dims == (uint32_t)x->rank && node->dtype == x->dtype);
    for (int32_t i = 0; i < node->rank; i++) {
        REQUIRE(v, node->dims[i] >= 0 && node->dims[i] < x->rank && !seen[node->dims[i]]);
        seen[node->dims[i]] = true;
        REQUIRE(v, same_extent(node->shape[i], x->shape[node->dims[i]]));
    }
    return EINJIT_OK;
}

static int verify_slice(const verifier *v)
{
    const ej_bound_node *node = v->node, *x = operand(v, 0);
    REQUIRE(v, node->rank == x->rank && node->dtype == x->dtype);
    for (int32_t i = 0; i < node->rank; i++) {
        int64_t n = node->shape[i].n, step = node->steps[i], start = node->starts[i].n,
                behind = x->shape[i].n - 1 - start;
        REQUIRE(v, step && step >= -INT64_MAX && start >= 0);
        REQUIRE(v, !n || (behind >= 0 && n - 1 <= (step > 0 ? behind / step : start / -step)));
    }
    return EINJIT_OK;
}

static int verify_arange(const verifier *v)
{
    REQUIRE(v, v->node->rank == 1 && v->node->dtype == EINJIT_I64);
    return EINJIT_OK;
}

static int verify_cat(const verifier *v)
{
    const ej_bound_node *node = v->node;
    REQUIRE(v, node->n_dims == 1 && node->dims[0] >= 0 && node->dims[0] < node->rank);
    int64_t along = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const ej_bound_node *x = operand(v, k);
        REQUIRE(v, x->dtype == node->dtype && x->rank == node->rank);
        for (int32_t i = 0; i < node->rank; i++) {
            if (i == node->dims[0]) along += x->shape[i].n;
            else REQUIRE(v, same_extent(x->shape[i], node->shape[i]));
        }
    }
    REQUIRE(v, along == node->shape[node->dims[0]].n);
    return EINJIT_OK;
}

/* INDEX_SELECT {x, index}: the result's axis is the index's; INDEX_ADD {index, value}: the value's is. */
static int verify_indexed(const verifier *v)
{
    const ej_bound_node *node = v->node;
    bool select = node->op == EJ_OP_INDEX_SELECT;
    const ej_bound_node *x = operand(v, select ? 0 : 1), *index = operand(v, select ? 1 : 0);
    REQUIRE(v, index->rank == 1 && (index->dtype == EINJIT_I32 || index->dtype == EINJIT_I64));
    REQUIRE(v, node->rank == x->rank && node->dtype == x->dtype && node->n_dims == 1);
    REQUIRE(v, node->dims[0] >= 0 && node->dims[0] < node->rank);
    for (int32_t i = 0; i < node->rank; i++) {
        if (i != node->dims[0]) REQUIRE(v, same_extent(node->shape[i], x->shape[i]));
        else REQUIRE(v, same_extent(index->shape[0], select ? node->shape[i] : x->shape[i]));
    }
    return EINJIT_OK;
}

static int verify_reshape(const verifier *v)
{
    const ej_bound_node *x = operand(v, 0);
    REQUIRE(v, v->node->dtype == x->dtype);
    if (is_fixed(v->node) || is_fixed(x)) REQUIRE(v, elements(v->node) == elements(x));
    return EINJIT_OK;
}

static int verify_cast(const verifier *v)
{
    REQUIRE(v, v->node->rank == operand(v, 0)->rank);
    return verify_broadcast(v);
}

static int verify_choose(const verifier *v)
{
    const ej_bound_node *node = v->node;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const ej_bound_node *x = operand(v, k);
        REQUIRE(v, x->dtype == node->dtype && x->rank == node->rank);
        for (int32_t i = 0; i < x->rank; i++) REQUIRE(v, same_extent(x->shape[i], node->shape[i]));
    }
    return EINJIT_OK;
}

/* ---- all nodes ---- */

static const struct {
    uint32_t least, most;
    int (*verify)(const verifier *v); /* NULL: nothing more */
    bool core;
} rows[EJ_OP_COUNT] = {
    [EJ_OP_INPUT] = {0, 0, NULL, true},
    [EJ_OP_CONSTANT] = {0, 0, NULL, true},
    [EJ_OP_SCALAR] = {0, 0, NULL, true},
    [EJ_OP_EINSUM] = {1, UINT32_MAX, verify_einsum, true},
    [EJ_OP_MAP] = {1, 3, verify_map, true},
    [EJ_OP_CAST] = {1, 1, verify_cast, true},
    [EJ_OP_REDUCE] = {1, 1, verify_reduce, true},
    [EJ_OP_PERMUTE] = {1, 1, verify_permute, true},
    [EJ_OP_RESHAPE] = {1, 1, verify_reshape, true},
    [EJ_OP_EXPAND] = {1, 1, verify_broadcast, true},
    [EJ_OP_SLICE] = {1, 1, verify_slice, true},
    [EJ_OP_CAT] = {1, UINT32_MAX, verify_cat, true},
    [EJ_OP_INDEX_SELECT] = {2, 2, verify_indexed, true},
    [EJ_OP_INDEX_ADD] = {2, 2, verify_indexed, true},
    [EJ_OP_ARANGE] = {0, 0, verify_arange, true},
    [EJ_OP_CHOOSE] = {2, UINT32_MAX, verify_choose, true},
};

static int verify_node(const verifier *v)
{
    const ej_bound_node *node = v->node;
    ej_value self = (ej_value)(node - v->bound->nodes);
    REQUIRE(v, node->op < EJ_OP_COUNT && rows[node->op].core);
    REQUIRE(v, node->n_in >= rows[node->op].least && node->n_in <= rows[node->op].most);
    REQUIRE(v, ej_dtype_valid(node->dtype));
    REQUIRE(v, node->rank >= 0 && (!node->rank || node->shape));
    for (int32_t i = 0; i < node->rank; i++) {
        REQUIRE(v, node->shape[i].n >= 0);
        REQUIRE(v, node->shape[i].e >= 0 && (size_t)node->shape[i].e <= v->bound->sizes.n_exprs);
    }
    for (uint32_t i = 0; i < node->n_in; i++) REQUIRE(v, node->in[i] >= 0 && node->in[i] < self);
    REQUIRE(v, elements(node) >= 0);
    return rows[node->op].verify ? rows[node->op].verify(v) : EINJIT_OK;
}

static int verify_results(const ej_bound *bound, einjit_error *err)
{
    for (size_t i = 0; i < bound->n_inputs; i++)
        if (bound->inputs[i] < 0 || (size_t)bound->inputs[i] >= bound->n_nodes ||
            bound->nodes[bound->inputs[i]].op != EJ_OP_INPUT)
            return ej_fail(err, EINJIT_E_INTERNAL, "bound graph: input %zu is no input", i);
    for (size_t i = 0; i < bound->n_outputs; i++)
        if (bound->outputs[i] < 0 || (size_t)bound->outputs[i] >= bound->n_nodes ||
            bound->nodes[bound->outputs[i]].rank != bound->output_tensors[i].rank)
            return ej_fail(err, EINJIT_E_INTERNAL, "bound graph: result %zu is not what its tensor says", i);
    return EINJIT_OK;
}

int ej_bound_verify(const ej_bound *bound, ej_job *job)
{
    ej_arena scratch;
    ej_arena_init(&scratch, job->arena->allocator);
    verifier v = {.bound = bound, .scratch = &scratch, .err = job->err};
    int status = verify_results(bound, job->err);
    for (size_t i = 0; i < bound->n_nodes && !status; i++) {
        v.node = &bound->nodes[i];
        status = verify_node(&v);
    }
    ej_arena_free(&scratch);
    return status;
}
