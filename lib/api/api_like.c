/* api_like.c - the builder calls some of whose operands count by their shape or dtype alone.
 *
 * Takes  handles and values of the caller.
 * Gives  one node a call; whether shapes fit is known when they are (bind).
 */
#include <string.h>

#include "api_build.h"

static int append_like(einjit_value *out, einjit_graph *graph, int op, einjit_value x, einjit_value like,
                       einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = (uint8_t)op};
    return ej_build_append(out, graph, &node, 2, (einjit_value[]){x, like}, err);
}

int einjit_graph_sum_to_size(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                             einjit_error *err)
{
    return append_like(out, graph, EJ_OP_SUM_TO_SIZE, x, like, err);
}

int einjit_graph_expand_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like, einjit_error *err)
{
    return append_like(out, graph, EJ_OP_EXPAND_AS, x, like, err);
}

int einjit_graph_reshape_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                            einjit_error *err)
{
    return append_like(out, graph, EJ_OP_RESHAPE_AS, x, like, err);
}

int einjit_graph_type_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like, einjit_error *err)
{
    return append_like(out, graph, EJ_OP_TYPE_AS, x, like, err);
}

static int append_unary(einjit_value *out, einjit_graph *graph, int op, einjit_value x, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = (uint8_t)op};
    return ej_build_append(out, graph, &node, 1, &x, err);
}

int einjit_graph_zeros_like(einjit_value *out, einjit_graph *graph, einjit_value like, einjit_error *err)
{
    return append_unary(out, graph, EJ_OP_ZEROS_LIKE, like, err);
}

int einjit_graph_detach(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err)
{
    return append_unary(out, graph, EJ_OP_DETACH, x, err);
}

int einjit_graph_diag_embed(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err)
{
    return append_unary(out, graph, EJ_OP_DIAG_EMBED, x, err);
}

int einjit_graph_slice_scatter(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value src, int64_t dim,
                               int64_t start, int64_t stop, int64_t step, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (step < 1)
        return ej_build_end(
            graph, ej_fail(err, EINJIT_E_VALUE, "slice_scatter with step %lld: it must be 1 or more", (long long)step));
    ej_node node = {.op = EJ_OP_SLICE_SCATTER, .n_items = 1};
    node.items = EJ_NEW(&graph->graph.arena, ej_index_item);
    if (!node.items) return ej_build_end(graph, ej_no_memory(err));
    *node.items = (ej_index_item){EJ_INDEX_RANGE, start, stop, step};
    return ej_build_append_dims(out, graph, &node, 2, (einjit_value[]){x, src}, 1, &dim, err);
}

int einjit_graph_split_as(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const einjit_value *like,
                          int64_t dim, size_t part, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (part >= n) return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "part %zu of %zu", part, n));
    if (!like) return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "the operands are NULL"));
    if (n >= INT32_MAX) return ej_build_end(graph, ej_fail(err, EINJIT_E_LIMIT, "more than %d operands", INT32_MAX));
    ej_node node = {.op = EJ_OP_SPLIT_AS};
    einjit_value *in = EJ_NEW_ARRAY(&graph->graph.arena, einjit_value, n + 1);
    if (!in) return ej_build_end(graph, ej_no_memory(err));
    in[0] = x;
    memcpy(in + 1, like, n * sizeof *in);
    return ej_build_append_dims(out, graph, &node, n + 1, in, 2, (int64_t[]){dim, (int64_t)part}, err);
}

int einjit_graph_index_add_to(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, einjit_value index,
                              einjit_value value, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_INDEX_ADD_TO};
    return ej_build_append_dims(out, graph, &node, 3, (einjit_value[]){x, index, value}, 1, &dim, err);
}
