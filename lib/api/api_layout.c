/* api_layout.c - the builder calls that move, cut, join or reduce axes.
 *
 * Takes  handles, values and axes of the caller. Axes may be negative; whether they exist is known when ranks are
 *        (bind).
 * Gives  one node a call.
 */
#include <string.h>

#include "api_build.h"

/* ---- contractions and reductions over axes ---- */

int einjit_graph_tensordot(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, size_t n,
                           const int64_t *a_dims, const int64_t *b_dims, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (n && (!a_dims || !b_dims)) return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "dims is NULL"));
    if (n > INT32_MAX / 2) return ej_build_end(graph, ej_fail(err, EINJIT_E_LIMIT, "more than %d axes", INT32_MAX / 2));
    int64_t *dims = EJ_NEW_ARRAY(&graph->graph.arena, int64_t, 2 * n);
    if (!dims) return ej_build_end(graph, ej_no_memory(err));
    if (n) {
        memcpy(dims, a_dims, n * sizeof *dims);
        memcpy(dims + n, b_dims, n * sizeof *dims);
    }
    ej_node node = {.op = EJ_OP_TENSORDOT, .n_dims = (uint32_t)(2 * n), .dims = dims};
    return ej_build_append(out, graph, &node, 2, (einjit_value[]){a, b}, err);
}

int einjit_graph_reduce(einjit_value *out, einjit_graph *graph, int reduce, einjit_value x, size_t n,
                        const int64_t *dims, int keepdim, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (reduce < 0 || reduce >= EINJIT_REDUCE_COUNT)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "%d is not a reduction", reduce));
    ej_node node = {.op = EJ_OP_REDUCE, .fn = (uint8_t)reduce, .keepdim = keepdim != 0, .all_dims = !dims};
    return ej_build_append_dims(out, graph, &node, 1, &x, dims ? n : 0, dims, err);
}

int einjit_graph_sum(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const int64_t *dims, int keepdim,
                     einjit_error *err)
{
    return einjit_graph_reduce(out, graph, EINJIT_REDUCE_SUM, x, n, dims, keepdim, err);
}

int einjit_graph_softmax(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_SOFTMAX};
    return ej_build_append_dims(out, graph, &node, 1, &x, 1, &dim, err);
}

int einjit_graph_layer_norm(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n_dims, einjit_value weight,
                            einjit_value bias, double eps, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (weight < -1 || bias < -1)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "weight or bias is neither a value nor -1"));
    if (n_dims < 1 || n_dims > INT32_MAX)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "layer_norm over %zu axes", n_dims));
    einjit_value in[3] = {x};
    size_t n = 1;
    if (weight >= 0) in[n++] = weight;
    if (bias >= 0) in[n++] = bias;
    ej_node node = {.op = EJ_OP_LAYER_NORM, .re = eps, .integer = (weight >= 0) | (bias >= 0) << 1};
    return ej_build_append_dims(out, graph, &node, n, in, 1, (int64_t[]){(int64_t)n_dims}, err);
}

/* ---- axes in another order, another number, another extent ---- */

int einjit_graph_permute(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const int64_t *dims,
                         einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_PERMUTE};
    return ej_build_append_dims(out, graph, &node, 1, &x, n, dims, err);
}

int einjit_graph_transpose(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim0, int64_t dim1,
                           einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_TRANSPOSE};
    return ej_build_append_dims(out, graph, &node, 1, &x, 2, (int64_t[]){dim0, dim1}, err);
}

/* -1 stands for an extent that is to be found; at most `most` of them. */
static int set_extents(ej_node *node, einjit_graph *graph, size_t n, const int64_t *shape, size_t most,
                       einjit_error *err)
{
    if (n > INT32_MAX) return ej_fail(err, EINJIT_E_LIMIT, "a shape of more than %d axes", INT32_MAX);
    if (n && !shape) return ej_fail(err, EINJIT_E_INVALID, "shape is NULL");
    size_t open = 0;
    node->n_extents = (uint32_t)n;
    node->extents = EJ_NEW_ARRAY(&graph->graph.arena, ej_extent, n);
    if (!node->extents) return ej_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (shape[i] < -1)
            return ej_fail(err, EINJIT_E_VALUE, "extent %zu of the shape is %lld", i, (long long)shape[i]);
        open += shape[i] == -1;
        node->extents[i].n = shape[i] < 0 ? EJ_EXTENT_UNKNOWN : shape[i];
    }
    if (open > most) return ej_fail(err, EINJIT_E_SHAPE, "only one extent of a shape can be left open");
    return EINJIT_OK;
}

int einjit_graph_reshape(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const int64_t *shape,
                         einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_RESHAPE};
    EJ_TRY(ej_build_end(graph, set_extents(&node, graph, n, shape, 1, err)));
    return ej_build_append(out, graph, &node, 1, &x, err);
}

int einjit_graph_expand(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const int64_t *shape,
                        einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_EXPAND};
    EJ_TRY(ej_build_end(graph, set_extents(&node, graph, n, shape, n, err)));
    return ej_build_append(out, graph, &node, 1, &x, err);
}

int einjit_graph_unsqueeze(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_UNSQUEEZE};
    return ej_build_append_dims(out, graph, &node, 1, &x, 1, &dim, err);
}

int einjit_graph_squeeze(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_SQUEEZE};
    return ej_build_append_dims(out, graph, &node, 1, &x, 1, &dim, err);
}

/* ---- parts and joins ---- */

enum { MOST_AXES = 4096 }; /* of a slice given by its axis alone: it is written out axis by axis */

static int set_items(ej_node *node, einjit_graph *graph, int64_t dim, int64_t start, int64_t stop, int64_t step,
                     einjit_error *err)
{
    if (!step || step == INT64_MIN) return ej_fail(err, EINJIT_E_VALUE, "a slice with step %lld", (long long)step);
    if (dim >= MOST_AXES || dim < -MOST_AXES)
        return ej_fail(err, EINJIT_E_LIMIT, "a slice along axis %lld", (long long)dim);
    return ej_node_slices(&graph->graph.arena, node, (int32_t)dim, start, stop, step) ? EINJIT_OK : ej_no_memory(err);
}

int einjit_graph_slice(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, int64_t start, int64_t stop,
                       int64_t step, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {0};
    EJ_TRY(ej_build_end(graph, set_items(&node, graph, dim, start, stop, step, err)));
    return ej_build_append(out, graph, &node, 1, &x, err);
}

static int append_join(einjit_value *out, einjit_graph *graph, int op, size_t n, const einjit_value *in, int64_t dim,
                       einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (!n) return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "%s of nothing", ej_op_name(op)));
    ej_node node = {.op = (uint8_t)op};
    return ej_build_append_dims(out, graph, &node, n, in, 1, &dim, err);
}

int einjit_graph_cat(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in, int64_t dim,
                     einjit_error *err)
{
    return append_join(out, graph, EJ_OP_CAT, n, in, dim, err);
}

int einjit_graph_stack(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in, int64_t dim,
                       einjit_error *err)
{
    return append_join(out, graph, EJ_OP_STACK, n, in, dim, err);
}

int einjit_graph_flatten(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t start_dim, int64_t end_dim,
                         einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_FLATTEN};
    return ej_build_append_dims(out, graph, &node, 1, &x, 2, (int64_t[]){start_dim, end_dim}, err);
}

int einjit_graph_index_select(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_value index,
                              einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_INDEX_SELECT};
    return ej_build_append_dims(out, graph, &node, 2, (einjit_value[]){x, index}, 1, &dim, err);
}

/* Where the elements lie in x as one axis, and these picked. */
int einjit_graph_gather(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_value index,
                        einjit_error *err)
{
    static const int64_t all = -1;
    ej_node node = {.op = EJ_OP_GATHER_PLACES};
    einjit_value places, flat, taken;
    EJ_TRY(ej_build_begin(graph, out, err));
    EJ_TRY(ej_build_append_dims(&places, graph, &node, 2, (einjit_value[]){x, index}, 1, &dim, err));
    EJ_TRY(einjit_graph_reshape(&flat, graph, places, 1, &all, err));
    EJ_TRY(einjit_graph_reshape(&taken, graph, x, 1, &all, err));
    EJ_TRY(einjit_graph_index_select(&taken, graph, taken, 0, flat, err));
    return einjit_graph_reshape_as(out, graph, taken, places, err);
}

/* A count as a number, or by its name where it is less than 0. */
static int set_count(ej_node *node, einjit_graph *graph, int64_t count, const char *symbol, einjit_error *err)
{
    node->n_extents = 1;
    node->extents = EJ_NEW(&graph->graph.arena, ej_extent);
    if (!node->extents) return ej_no_memory(err);
    if (count < 0 && !symbol)
        return ej_fail(err, EINJIT_E_INVALID, "the count of %s is neither a number nor a name", ej_op_name(node->op));
    if (count < 0) return ej_build_symbol(node->extents, graph, symbol, err);
    node->extents->n = count;
    return EINJIT_OK;
}

int einjit_graph_index_add(einjit_value *out, einjit_graph *graph, int64_t count, const char *symbol, int64_t dim,
                           einjit_value index, einjit_value value, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_INDEX_ADD};
    EJ_TRY(ej_build_end(graph, set_count(&node, graph, count, symbol, err)));
    return ej_build_append_dims(out, graph, &node, 2, (einjit_value[]){index, value}, 1, &dim, err);
}

/* ---- numbers along an axis ---- */

int einjit_graph_arange(einjit_value *out, einjit_graph *graph, int64_t count, const char *symbol, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_ARANGE};
    EJ_TRY(ej_build_end(graph, set_count(&node, graph, count, symbol, err)));
    return ej_build_append(out, graph, &node, 0, NULL, err);
}

int einjit_graph_arange_like(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_ARANGE};
    return ej_build_append_dims(out, graph, &node, 1, &x, 1, &dim, err);
}
