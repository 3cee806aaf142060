/* api_build.c - the builder calls: inputs, constants, literals, einsums, pointwise operations.
 *
 * Takes  handles, values and texts of the caller; checks all that can be checked without shapes.
 * Gives  one node a call. The first failure sticks to the graph, so that a chain of calls needs one check at its end.
 * Not here: operations that move or reduce axes (api_layout.c).
 */
#include "api_build.h"

#include <string.h>

/* ---- what all builders do ---- */

int ej_build_begin(const einjit_graph *graph, const einjit_value *out, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    if (atomic_load_explicit(&graph->frozen, memory_order_acquire))
        return ej_fail(err, EINJIT_E_FROZEN, "the graph is frozen: it was compiled, or frozen by the caller");
    if (graph->graph.failed)
        return ej_fail(err, graph->graph.failed, "an earlier call on this graph failed with %s",
                       einjit_status_name(graph->graph.failed));
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "out is NULL");
    return EINJIT_OK;
}

int ej_build_end(einjit_graph *graph, int status)
{
    if (status && !graph->graph.failed) graph->graph.failed = status;
    return status;
}

static int append(einjit_value *out, ej_graph *graph, ej_node *node, size_t n, const einjit_value *in,
                  einjit_error *err)
{
    if (n > INT32_MAX) return ej_fail(err, EINJIT_E_LIMIT, "an operation with more than %d operands", INT32_MAX);
    if (n && !in) return ej_fail(err, EINJIT_E_INVALID, "the operands are NULL");
    for (size_t i = 0; i < n; i++)
        if (in[i] < 0 || (size_t)in[i] >= graph->n_nodes)
            return ej_fail(err, EINJIT_E_INVALID, "operand %zu is value %d, but the graph has %zu values", i,
                           (int)in[i], graph->n_nodes);
    if (!ej_node_takes(&graph->arena, node, (uint32_t)n, in)) return ej_no_memory(err);
    return ej_graph_append(graph, node, out, err);
}

int ej_build_append(einjit_value *out, einjit_graph *graph, ej_node *node, size_t n, const einjit_value *in,
                    einjit_error *err)
{
    return ej_build_end(graph, append(out, &graph->graph, node, n, in, err));
}

int ej_build_append_dims(einjit_value *out, einjit_graph *graph, ej_node *node, size_t n, const einjit_value *in,
                         size_t n_dims, const int64_t *dims, einjit_error *err)
{
    if (n_dims > INT32_MAX) return ej_build_end(graph, ej_fail(err, EINJIT_E_LIMIT, "more than %d axes", INT32_MAX));
    if (n_dims && !dims) return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "dims is NULL"));
    node->n_dims = (uint32_t)n_dims;
    node->dims = EJ_NEW_ARRAY(&graph->graph.arena, int64_t, n_dims);
    if (!node->dims) return ej_build_end(graph, ej_no_memory(err));
    if (n_dims) memcpy(node->dims, dims, n_dims * sizeof *dims);
    return ej_build_append(out, graph, node, n, in, err);
}

int ej_build_symbol(ej_extent *out, einjit_graph *graph, const char *name, einjit_error *err)
{
    int32_t *symbol = EJ_NEW(&graph->graph.arena, int32_t);
    if (!symbol) return ej_no_memory(err);
    EJ_TRY(ej_graph_symbol(&graph->graph, name, strlen(name), symbol, err));
    *out = (ej_extent){.n = 1, .n_symbols = 1, .symbols = symbol};
    return EINJIT_OK;
}

/* ---- inputs ---- */

static int set_input_extents(ej_node *node, einjit_graph *graph, const int64_t *shape, const char *const *symbols,
                             einjit_error *err)
{
    node->n_extents = (uint32_t)node->rank;
    node->extents = EJ_NEW_ARRAY(&graph->graph.arena, ej_extent, node->n_extents);
    if (!node->extents) return ej_no_memory(err);
    for (uint32_t i = 0; i < node->n_extents; i++) {
        if (shape && shape[i] >= 0) node->extents[i].n = shape[i];
        else if (symbols && symbols[i]) EJ_TRY(ej_build_symbol(&node->extents[i], graph, symbols[i], err));
        else node->extents[i].n = EJ_EXTENT_UNKNOWN;
    }
    return EINJIT_OK;
}

int einjit_graph_input(einjit_value *out, einjit_graph *graph, const char *name, int dtype, int rank,
                       const int64_t *shape, const char *const *symbols, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (dtype != -1 && !ej_dtype_valid(dtype))
        return ej_build_end(graph, ej_fail(err, EINJIT_E_DTYPE, "%d is not a dtype", dtype));
    if (rank < -1) return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "an input of rank %d", rank));
    if (rank > INT16_MAX)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_LIMIT, "an input of more than %d axes", INT16_MAX));
    ej_node node = {.op = EJ_OP_INPUT, .name = name, .dtype = (int16_t)dtype, .rank = rank};
    if (rank > 0) EJ_TRY(ej_build_end(graph, set_input_extents(&node, graph, shape, symbols, err)));
    return ej_build_append(out, graph, &node, 0, NULL, err);
}

/* ---- constants and literals ---- */

static int check_constant(const einjit_tensor *tensor, int64_t *elems, einjit_error *err)
{
    if (!tensor) return ej_fail(err, EINJIT_E_INVALID, "the tensor is NULL");
    if (!ej_dtype_valid(tensor->dtype)) return ej_fail(err, EINJIT_E_DTYPE, "%d is not a dtype", (int)tensor->dtype);
    if (tensor->rank < 0) return ej_fail(err, EINJIT_E_VALUE, "a tensor of rank %d", (int)tensor->rank);
    if (tensor->rank && !tensor->shape) return ej_fail(err, EINJIT_E_INVALID, "the tensor's shape is NULL");
    int64_t bytes = ej_dtypes[tensor->dtype].bytes;
    *elems = 1;
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0)
            return ej_fail(err, EINJIT_E_SHAPE, "axis %d of the tensor is %lld", (int)i, (long long)tensor->shape[i]);
        if (!tensor->shape[i]) *elems = 0;
    }
    for (int32_t i = 0; i < tensor->rank && *elems; i++)
        if (!ej_mul_size(*elems, tensor->shape[i], elems) || !ej_mul_size(bytes, tensor->shape[i], &bytes))
            return ej_fail(err, EINJIT_E_SIZE, "the tensor has more than 2^63 bytes");
    if (*elems && !tensor->data) return ej_fail(err, EINJIT_E_INVALID, "the tensor's data is NULL");
    return EINJIT_OK;
}

/* Row-major elements from any strides: the last axis runs fastest, `index` counts like an odometer. */
static void copy_elements(char *to, const einjit_tensor *tensor, int64_t elems, int64_t *index)
{
    size_t bytes = ej_dtypes[tensor->dtype].bytes;
    int64_t at = 0;
    for (int64_t k = 0; k < elems; k++) {
        memcpy(to + (size_t)k * bytes, (const char *)tensor->data + at * (int64_t)bytes, bytes);
        for (int32_t i = tensor->rank; i-- > 0;) {
            at += tensor->strides[i];
            if (++index[i] < tensor->shape[i]) break;
            at -= tensor->strides[i] * index[i];
            index[i] = 0;
        }
    }
}

static int set_constant(ej_node *node, ej_graph *graph, const einjit_tensor *tensor, einjit_error *err)
{
    int64_t elems;
    EJ_TRY(check_constant(tensor, &elems, err));
    size_t bytes = (size_t)elems * ej_dtypes[tensor->dtype].bytes;
    char *data = ej_arena_new(&graph->arena, bytes, 1);
    int64_t *index = EJ_NEW_ARRAY(&graph->arena, int64_t, (size_t)tensor->rank);
    node->extents = EJ_NEW_ARRAY(&graph->arena, ej_extent, (size_t)tensor->rank);
    if (!data || !index || !node->extents) return ej_no_memory(err);
    node->dtype = (int16_t)tensor->dtype;
    node->rank = tensor->rank;
    node->n_extents = (uint32_t)tensor->rank;
    for (int32_t i = 0; i < tensor->rank; i++) node->extents[i].n = tensor->shape[i];
    if (tensor->strides) copy_elements(data, tensor, elems, index);
    else if (bytes) memcpy(data, tensor->data, bytes);
    node->data = data;
    return EINJIT_OK;
}

int einjit_graph_constant(einjit_value *out, einjit_graph *graph, const einjit_tensor *tensor, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_CONSTANT};
    EJ_TRY(ej_build_end(graph, set_constant(&node, &graph->graph, tensor, err)));
    return ej_build_append(out, graph, &node, 0, NULL, err);
}

static int append_literal(einjit_value *out, einjit_graph *graph, ej_node node, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    node.op = EJ_OP_SCALAR;
    return ej_build_append(out, graph, &node, 0, NULL, err);
}

int einjit_graph_float(einjit_value *out, einjit_graph *graph, double value, einjit_error *err)
{
    return append_literal(out, graph, (ej_node){.fn = EJ_KIND_FLOAT, .re = value}, err);
}

int einjit_graph_int(einjit_value *out, einjit_graph *graph, int64_t value, einjit_error *err)
{
    return append_literal(out, graph, (ej_node){.fn = EJ_KIND_INT, .integer = value}, err);
}

int einjit_graph_complex(einjit_value *out, einjit_graph *graph, double re, double im, einjit_error *err)
{
    return append_literal(out, graph, (ej_node){.fn = EJ_KIND_COMPLEX, .re = re, .im = im}, err);
}

int einjit_graph_bool(einjit_value *out, einjit_graph *graph, int value, einjit_error *err)
{
    return append_literal(out, graph, (ej_node){.fn = EJ_KIND_BOOL, .integer = value != 0}, err);
}

int einjit_graph_structural(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    const ej_graph *g = &graph->graph;
    if (x >= 0 && (size_t)x < g->n_nodes && g->nodes[x].op != EJ_OP_CONSTANT)
        return ej_build_end(
            graph, ej_fail(err, EINJIT_E_VALUE, "structural takes a constant, '%s' is none", g->nodes[x].name));
    ej_node node = {.op = EJ_OP_STRUCTURAL};
    return ej_build_append(out, graph, &node, 1, &x, err);
}

/* ---- einsums ---- */

int einjit_graph_einsum_semiring(einjit_value *out, einjit_graph *graph, const char *equation, size_t n,
                                 const einjit_value *in, int reduce, int combine, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (!equation) return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "equation is NULL"));
    if (reduce < 0 || reduce > EINJIT_REDUCE_OR)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "%d is not a reduction of einsums", reduce));
    if (combine < 0 || combine >= EINJIT_COMBINE_COUNT)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "%d is not a way to combine factors", combine));
    ej_node node = {.op = EJ_OP_EINSUM, .fn = (uint8_t)reduce, .combine = (uint8_t)combine};
    node.equation = EJ_NEW(&graph->graph.arena, ej_equation);
    if (!node.equation) return ej_build_end(graph, ej_no_memory(err));
    EJ_TRY(
        ej_build_end(graph, ej_equation_parse(node.equation, &graph->graph.arena, equation, strlen(equation), n, err)));
    return ej_build_append(out, graph, &node, n, in, err);
}

int einjit_graph_einsum(einjit_value *out, einjit_graph *graph, const char *equation, size_t n, const einjit_value *in,
                        einjit_error *err)
{
    return einjit_graph_einsum_semiring(out, graph, equation, n, in, EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, err);
}

int einjit_graph_einsum_labels(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in,
                               const int32_t *term_ranks, const int32_t *labels, int output_rank, const int32_t *output,
                               einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    bool any = false;
    for (size_t t = 0; term_ranks && t < n && !any; t++) any = term_ranks[t] > 0;
    if ((n && !term_ranks) || (any && !labels) || (output_rank > 0 && !output))
        return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "the labels are NULL"));
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(&graph->graph.arena, ej_equation);
    if (!node.equation) return ej_build_end(graph, ej_no_memory(err));
    EJ_TRY(ej_build_end(graph, ej_equation_from_labels(node.equation, &graph->graph.arena, n, term_ranks, labels,
                                                       output_rank, output, err)));
    return ej_build_append(out, graph, &node, n, in, err);
}

/* ---- pointwise operations ---- */

static int append_map(einjit_value *out, einjit_graph *graph, int fn, size_t n, const einjit_value *in,
                      einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)fn};
    return ej_build_append(out, graph, &node, n, in, err);
}

int einjit_graph_pointwise(einjit_value *out, einjit_graph *graph, const char *name, size_t n, const einjit_value *in,
                           einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (!name) return ej_build_end(graph, ej_fail(err, EINJIT_E_INVALID, "name is NULL"));
    int fn = ej_fn_by_name(name, strlen(name));
    if (fn < 0) return ej_build_end(graph, ej_fail(err, EINJIT_E_NAME, "'%.60s' is no pointwise operation", name));
    if (n != ej_fns[fn].arity)
        return ej_build_end(graph, ej_fail(err, EINJIT_E_VALUE, "%s takes %d operand%s, not %zu", name,
                                           (int)ej_fns[fn].arity, ej_fns[fn].arity == 1 ? "" : "s", n));
    return append_map(out, graph, fn, n, in, err);
}

int einjit_graph_add(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, einjit_error *err)
{
    return append_map(out, graph, EJ_FN_ADD, 2, (einjit_value[]){a, b}, err);
}

int einjit_graph_sub(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, einjit_error *err)
{
    return append_map(out, graph, EJ_FN_SUB, 2, (einjit_value[]){a, b}, err);
}

int einjit_graph_mul(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, einjit_error *err)
{
    return append_map(out, graph, EJ_FN_MUL, 2, (einjit_value[]){a, b}, err);
}

int einjit_graph_div(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, const char *rounding,
                     einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    int fn = !rounding                    ? EJ_FN_DIV
             : !strcmp(rounding, "floor") ? EJ_FN_FLOOR_DIVIDE
             : !strcmp(rounding, "trunc") ? EJ_FN_TRUNC_DIVIDE
                                          : -1;
    if (fn < 0)
        return ej_build_end(
            graph, ej_fail(err, EINJIT_E_VALUE, "'%.60s' is no rounding of div: there are floor and trunc", rounding));
    return append_map(out, graph, fn, 2, (einjit_value[]){a, b}, err);
}

int einjit_graph_where(einjit_value *out, einjit_graph *graph, einjit_value condition, einjit_value a, einjit_value b,
                       einjit_error *err)
{
    return append_map(out, graph, EJ_FN_WHERE, 3, (einjit_value[]){condition, a, b}, err);
}

int einjit_graph_to(einjit_value *out, einjit_graph *graph, einjit_value x, int dtype, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    if (!ej_dtype_valid(dtype)) return ej_build_end(graph, ej_fail(err, EINJIT_E_DTYPE, "%d is not a dtype", dtype));
    ej_node node = {.op = EJ_OP_CAST, .dtype = (int16_t)dtype};
    return ej_build_append(out, graph, &node, 1, &x, err);
}

int einjit_graph_matmul(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_node node = {.op = EJ_OP_MATMUL};
    return ej_build_append(out, graph, &node, 2, (einjit_value[]){a, b}, err);
}

/* ---- results ---- */

int einjit_graph_output(einjit_graph *graph, einjit_value x, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, &x, err));
    return ej_build_end(graph, ej_graph_output(&graph->graph, x, err));
}
