/* grad_node.c - how the rules of gradients write nodes, and bring values to the shape of others.
 *
 * Takes  values, old ones and the gradient's own.
 * Gives  new values at the end of the graph, or -1 after a failure, which sticks.
 * Keeps  what the program names: where all extents of a shape can be said, they are said (expand, reshape, sum), so
 *        that passes see through; where not, the shape is that of another value (expand_as, reshape_as, sum_to_size).
 */
#include <string.h>

#include "grad_core.h"

/* ---- nodes ---- */

ej_value ej_grad_node(ej_grad *g, ej_node node, uint32_t n, const ej_value *in)
{
    ej_value out = -1;
    for (uint32_t i = 0; i < n && !g->status; i++)
        if (in[i] < 0) return -1;
    if (g->status) return -1;
    node.name = NULL;
    if (node.op != EJ_OP_CAST) node.dtype = -1;
    if (!ej_node_takes(&g->graph->arena, &node, n, in) ||
        !EJ_PUSH_ROOM(g->job->arena, g->dtypes, g->cap_dtypes, g->graph->n_nodes)) {
        ej_grad_no_memory(g);
        return -1;
    }
    g->dtypes[g->graph->n_nodes] = ej_facts_dtype(g->dtypes, &node);
    ej_grad_fail(g, ej_graph_append(g->graph, &node, &out, g->job->err));
    return g->status ? -1 : out;
}

int64_t *ej_grad_ints(ej_grad *g, uint32_t n, const int64_t *from)
{
    int64_t *out = g->status ? NULL : EJ_NEW_ARRAY(&g->graph->arena, int64_t, n);
    if (!out) ej_grad_no_memory(g);
    else if (n) memcpy(out, from, n * sizeof *from);
    return out;
}

ej_value ej_grad_map1(ej_grad *g, int fn, ej_value a)
{
    return ej_grad_node(g, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, 1, &a);
}

ej_value ej_grad_map2(ej_grad *g, int fn, ej_value a, ej_value b)
{
    return ej_grad_node(g, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, 2, (const ej_value[]){a, b});
}

ej_value ej_grad_where(ej_grad *g, ej_value condition, ej_value a, ej_value b)
{
    return ej_grad_node(g, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_WHERE}, 3, (const ej_value[]){condition, a, b});
}

ej_value ej_grad_number(ej_grad *g, double value)
{
    return ej_grad_node(g, (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .re = value}, 0, NULL);
}

bool ej_grad_is_real(const ej_grad *g, ej_value x)
{
    return x >= 0 && ej_dtype_valid(g->dtypes[x].dtype) && !ej_dtype_is_complex(g->dtypes[x].dtype);
}

/* Of a literal a literal, which stays weak. */
ej_value ej_grad_conj(ej_grad *g, ej_value x)
{
    if (x < 0 || g->status || ej_grad_is_real(g, x)) return x;
    ej_node node = g->graph->nodes[x];
    if (node.op != EJ_OP_SCALAR) return ej_grad_map1(g, EJ_FN_CONJ, x);
    node.im = -node.im;
    return ej_grad_node(g, node, 0, NULL);
}

ej_value ej_grad_cast_like(ej_grad *g, ej_value x, ej_value like)
{
    if (x < 0 || like < 0 || g->status) return -1;
    ej_known_dtype have = g->dtypes[x], want = g->dtypes[like];
    if (want.dtype < 0) return ej_grad_like(g, EJ_OP_TYPE_AS, x, like);
    if (have.dtype == want.dtype && !have.weak) return x;
    return ej_grad_node(g, (ej_node){.op = EJ_OP_CAST, .dtype = want.dtype}, 1, &x);
}

ej_value ej_grad_unary(ej_grad *g, int op, ej_value x)
{
    return ej_grad_node(g, (ej_node){.op = (uint8_t)op}, 1, &x);
}

ej_value ej_grad_ones_like(ej_grad *g, ej_value x)
{
    return ej_grad_map2(g, EJ_FN_ADD, ej_grad_unary(g, EJ_OP_ZEROS_LIKE, x), ej_grad_number(g, 1));
}

ej_value ej_grad_indicator(ej_grad *g, ej_value condition, ej_value like)
{
    return ej_grad_where(g, condition, ej_grad_ones_like(g, like), ej_grad_number(g, 0));
}

ej_value ej_grad_like(ej_grad *g, int op, ej_value x, ej_value like)
{
    return ej_grad_node(g, (ej_node){.op = (uint8_t)op}, 2, (const ej_value[]){x, like});
}

ej_value ej_grad_dims(ej_grad *g, int op, ej_value x, uint32_t n, const int64_t *dims)
{
    ej_node node = {.op = (uint8_t)op, .n_dims = n, .dims = ej_grad_ints(g, n, dims)};
    return ej_grad_node(g, node, 1, &x);
}

ej_value ej_grad_reduce(ej_grad *g, int reduce, ej_value x, uint32_t n, const int64_t *dims, bool keepdim)
{
    ej_node node = {.op = EJ_OP_REDUCE, .fn = (uint8_t)reduce, .keepdim = keepdim, .all_dims = !dims};
    if (dims) {
        node.n_dims = n;
        node.dims = ej_grad_ints(g, n, dims);
    }
    return ej_grad_node(g, node, 1, &x);
}

ej_value ej_grad_index(ej_grad *g, ej_value x, int64_t dim, ej_index_item item)
{
    const ej_index_item whole = {EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
    uint32_t before = dim >= 0 ? (uint32_t)dim : 0, behind = dim >= 0 ? 0 : (uint32_t)(-1 - dim), n = 0;
    ej_node node = {.op = EJ_OP_SLICE};
    node.items = g->status ? NULL : EJ_NEW_ARRAY(&g->graph->arena, ej_index_item, (size_t)before + behind + 2);
    if (!node.items) {
        ej_grad_no_memory(g);
        return -1;
    }
    if (dim < 0) node.items[n++] = (ej_index_item){.kind = EJ_INDEX_ELLIPSIS};
    while (before--) node.items[n++] = whole;
    node.items[n++] = item;
    while (behind--) node.items[n++] = whole;
    node.n_items = n;
    return ej_grad_node(g, node, 1, &x);
}

ej_value ej_grad_einsum(ej_grad *g, uint32_t n, const ej_value *in, const ej_term *terms, const ej_term *out)
{
    size_t n_labels = 0, at = 0;
    if (g->status) return -1;
    for (uint32_t t = 0; t < n; t++) n_labels += terms[t].n;
    int32_t *ranks = EJ_JOB_ARRAY(g->job, int32_t, n), *labels = EJ_JOB_ARRAY(g->job, int32_t, n_labels);
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(&g->graph->arena, ej_equation);
    if (!ranks || !labels || !node.equation) {
        ej_grad_no_memory(g);
        return -1;
    }
    for (uint32_t t = 0; t < n; t++) {
        ranks[t] = (int32_t)terms[t].n;
        for (uint32_t i = 0; i < terms[t].n; i++) labels[at++] = terms[t].labels[i];
    }
    ej_grad_fail(g, ej_equation_from_labels(node.equation, &g->graph->arena, n, ranks, labels, (int)out->n, out->labels,
                                            g->job->err));
    return ej_grad_node(g, node, n, in);
}

/* ---- shapes ---- */

static ej_value to_shape(ej_grad *g, int op, int op_as, ej_value x, ej_value like)
{
    ej_node node = {.op = (uint8_t)op};
    if (g->status) return -1;
    if (!ej_facts_name_shape(g->shapes, like, &g->graph->arena, &node.extents)) ej_grad_no_memory(g);
    if (!node.extents) return ej_grad_like(g, op_as, x, like);
    node.n_extents = (uint32_t)g->shapes->of[like].rank;
    return ej_grad_node(g, node, 1, &x);
}

ej_value ej_grad_expand_to(ej_grad *g, ej_value x, ej_value like)
{
    if (!g->status && g->shapes->of[like].rank == 0) return x; /* only a value without axes broadcasts to one */
    return to_shape(g, EJ_OP_EXPAND, EJ_OP_EXPAND_AS, x, like);
}

ej_value ej_grad_reshape_to(ej_grad *g, ej_value x, ej_value like)
{
    return to_shape(g, EJ_OP_RESHAPE, EJ_OP_RESHAPE_AS, x, like);
}

enum axis_fate { AXIS_STAYS, AXIS_SUMMED, AXIS_OPEN };

static int fate(const ej_grad *g, int32_t from, int32_t to)
{
    if (from == to) return AXIS_STAYS;
    int64_t n = ej_extent_number(g->shapes, to);
    return n == 1 ? AXIS_SUMMED : n >= 0 ? AXIS_STAYS : AXIS_OPEN;
}

/* Leading axes, then axes of extent 1; false: it cannot be said which are summed. */
static bool summed_axes(ej_grad *g, const ej_known_shape *from, const ej_known_shape *to, int64_t *dims,
                        uint32_t *n_lead, uint32_t *n_ones)
{
    *n_lead = *n_ones = 0;
    if (from->rank < to->rank || to->rank < 0) return false;
    for (int32_t i = 0; i < from->rank; i++) {
        int32_t k = i - (from->rank - to->rank);
        int what = k < 0 ? AXIS_SUMMED : fate(g, from->extents[i], to->extents[k]);
        if (what == AXIS_OPEN) return false;
        if (what == AXIS_STAYS) continue;
        dims[*n_lead + *n_ones] = k < 0 ? i : k; /* of what is left once the leading axes are gone */
        if (k < 0) ++*n_lead;
        else ++*n_ones;
    }
    return true;
}

ej_value ej_grad_sum_to(ej_grad *g, ej_value x, ej_value from, ej_value to)
{
    if (g->status) return -1;
    const ej_known_shape *have = &g->shapes->of[from], *want = &g->shapes->of[to];
    uint32_t n_lead, n_ones;
    if (want->rank == 0) return have->rank == 0 ? x : ej_grad_reduce(g, EINJIT_REDUCE_SUM, x, 0, NULL, false);
    int64_t *dims = EJ_JOB_ARRAY(g->job, int64_t, have->rank > 0 ? (size_t)have->rank : 0);
    if (!dims) ej_grad_no_memory(g);
    if (!dims) return -1;
    if (have->rank < 0 || !summed_axes(g, have, want, dims, &n_lead, &n_ones))
        return ej_grad_like(g, EJ_OP_SUM_TO_SIZE, x, to);
    if (n_lead) x = ej_grad_reduce(g, EINJIT_REDUCE_SUM, x, n_lead, dims, false);
    if (n_ones) x = ej_grad_reduce(g, EINJIT_REDUCE_SUM, x, n_ones, dims + n_lead, true);
    return x;
}
