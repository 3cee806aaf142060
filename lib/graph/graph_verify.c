/* graph_verify.c - the invariants of a graph: what every pass may rely on and has to keep.
 *
 * Takes  a graph, frozen or not.
 * Gives  E_INTERNAL with the node's name where something is broken: each function checks one kind of thing.
 * Size   linear; between passes it runs only when asked for.
 * Not here: shapes and dtypes of values, which only bind knows.
 */
#include <string.h>

#include "graph.h"

typedef struct verifier {
    const ej_graph *graph;
    const ej_node *node; /* being looked at */
    ej_arena *scratch;
    einjit_error *err;
} verifier;

static int broken(const verifier *v, const char *what)
{
    const char *name = v->node->name ? v->node->name : "?";
    return ej_fail(v->err, EINJIT_E_INTERNAL, "graph: %s '%.100s' (value %zu): %s", ej_op_name(v->node->op), name,
                   (size_t)(v->node - v->graph->nodes), what);
}

#define REQUIRE(v, fact) \
    do { \
        if (!(fact)) return broken((v), "not " #fact); \
    } while (0)

/* ---- operands ---- */

/* Least and most operands per kind; MAP has its function's. */
static const struct {
    uint32_t least, most;
} arities[EJ_OP_COUNT] = {[EJ_OP_INPUT] = {0, 0},         [EJ_OP_CONSTANT] = {0, 0},
                          [EJ_OP_SCALAR] = {0, 0},        [EJ_OP_EINSUM] = {1, INT32_MAX},
                          [EJ_OP_MAP] = {1, 3},           [EJ_OP_CAST] = {1, 1},
                          [EJ_OP_REDUCE] = {1, 1},        [EJ_OP_SOFTMAX] = {1, 1},
                          [EJ_OP_LAYER_NORM] = {1, 3},    [EJ_OP_MATMUL] = {2, 2},
                          [EJ_OP_TENSORDOT] = {2, 2},     [EJ_OP_PERMUTE] = {1, 1},
                          [EJ_OP_TRANSPOSE] = {1, 1},     [EJ_OP_RESHAPE] = {1, 1},
                          [EJ_OP_EXPAND] = {1, 1},        [EJ_OP_UNSQUEEZE] = {1, 1},
                          [EJ_OP_SQUEEZE] = {1, 1},       [EJ_OP_SLICE] = {1, 1},
                          [EJ_OP_CAT] = {1, INT32_MAX},   [EJ_OP_STACK] = {1, INT32_MAX},
                          [EJ_OP_INDEX_SELECT] = {2, 2},  [EJ_OP_CHOOSE] = {1, INT32_MAX},
                          [EJ_OP_INDEX_ADD] = {2, 2},     [EJ_OP_STRUCTURAL] = {1, 1},
                          [EJ_OP_SUM_TO_SIZE] = {2, 2},   [EJ_OP_EXPAND_AS] = {2, 2},
                          [EJ_OP_RESHAPE_AS] = {2, 2},    [EJ_OP_TYPE_AS] = {2, 2},
                          [EJ_OP_ZEROS_LIKE] = {1, 1},    [EJ_OP_DIAG_EMBED] = {1, 1},
                          [EJ_OP_SLICE_SCATTER] = {2, 2}, [EJ_OP_SPLIT_AS] = {2, INT32_MAX},
                          [EJ_OP_INDEX_ADD_TO] = {3, 3},  [EJ_OP_DETACH] = {1, 1},
                          [EJ_OP_ARANGE] = {0, 1},        [EJ_OP_GATHER_PLACES] = {2, 2},
                          [EJ_OP_FLATTEN] = {1, 1}};

static int verify_operands(const verifier *v)
{
    const ej_node *node = v->node;
    ej_value self = (ej_value)(node - v->graph->nodes);
    REQUIRE(v, node->n_in >= arities[node->op].least && node->n_in <= arities[node->op].most);
    REQUIRE(v, !node->n_in || node->in);
    for (uint32_t i = 0; i < node->n_in; i++) REQUIRE(v, node->in[i] >= 0 && node->in[i] < self);
    return EINJIT_OK;
}

static int verify_name(const verifier *v)
{
    const char *name = v->node->name;
    REQUIRE(v, name && ej_is_identifier(name, strlen(name)));
    REQUIRE(v, ej_graph_find_value(v->graph, name, strlen(name)) == v->node - v->graph->nodes);
    return EINJIT_OK;
}

/* ---- equations ---- */

/* Ids are in range, new ones come in order, one ellipsis at most. `seen` counts the ids so far. */
static int verify_term(const verifier *v, const ej_term *term, uint32_t n_labels, uint32_t *seen)
{
    uint32_t ellipses = 0;
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        ellipses += label == EJ_ELLIPSIS;
        if (label == EJ_ELLIPSIS) continue;
        REQUIRE(v, label >= 0 && (uint32_t)label < n_labels && (uint32_t)label <= *seen);
        *seen += (uint32_t)label == *seen;
    }
    REQUIRE(v, ellipses <= 1);
    return EINJIT_OK;
}

static int verify_symbols(const verifier *v, const ej_equation *equation)
{
    ej_label_map map;
    ej_label_map_init(&map, v->scratch);
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        int32_t id;
        if (!ej_label_map_add(&map, equation->symbols[l], &id)) return ej_no_memory(v->err);
        REQUIRE(v, (uint32_t)id == l);
        REQUIRE(v, equation->integer_labels || ej_code_point_is_letter(equation->symbols[l]));
    }
    return EINJIT_OK;
}

static int verify_equation(const verifier *v)
{
    const ej_equation *equation = v->node->equation;
    REQUIRE(v, equation && equation->n_terms == v->node->n_in);
    REQUIRE(v, v->node->fn <= EINJIT_REDUCE_OR && v->node->combine < EINJIT_COMBINE_COUNT);
    uint32_t seen = 0, n_labels = equation->n_labels;
    for (uint32_t t = 0; t < equation->n_terms; t++) EJ_TRY(verify_term(v, &equation->terms[t], n_labels, &seen));
    REQUIRE(v, seen == n_labels && n_labels <= EJ_MAX_LABELS);
    EJ_TRY(verify_term(v, &equation->out, n_labels, &seen));
    bool *in_output = EJ_NEW_ARRAY(v->scratch, bool, n_labels);
    if (!in_output) return ej_no_memory(v->err);
    for (uint32_t i = 0; i < equation->out.n; i++) {
        int32_t label = equation->out.labels[i];
        if (label == EJ_ELLIPSIS) continue;
        REQUIRE(v, !in_output[label]);
        in_output[label] = true;
    }
    return verify_symbols(v, equation);
}

/* ---- extents ---- */

static int verify_extents(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, !node->n_extents || node->extents);
    for (uint32_t i = 0; i < node->n_extents; i++) {
        const ej_extent *extent = &node->extents[i];
        REQUIRE(v, extent->n >= 0 || (extent->n == EJ_EXTENT_UNKNOWN && !extent->n_symbols) ||
                       (v->node->op == EJ_OP_INPUT && ej_extent_is_named(extent)));
        REQUIRE(v, extent->n_symbols >= 0 && (!extent->n_symbols || extent->symbols));
        for (int32_t k = 0; k < extent->n_symbols; k++)
            REQUIRE(v, extent->symbols[k] >= 0 && (size_t)extent->symbols[k] < v->graph->n_symbols);
    }
    return EINJIT_OK;
}

static int verify_constant(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, ej_dtype_valid(node->dtype));
    REQUIRE(v, node->rank >= 0 && node->n_extents == (uint32_t)node->rank);
    int64_t elems = 1;
    for (uint32_t i = 0; i < node->n_extents; i++) {
        REQUIRE(v, node->extents[i].n >= 0 && !node->extents[i].n_symbols);
        REQUIRE(v, ej_mul_size(elems, node->extents[i].n, &elems));
    }
    REQUIRE(v, !elems || node->data);
    return EINJIT_OK;
}

/* ---- invariants of each kind of node ---- */

static int verify_dims(const verifier *v, uint32_t n)
{
    REQUIRE(v, v->node->n_dims == n && (!n || v->node->dims));
    return EINJIT_OK;
}

static int verify_items(const verifier *v)
{
    const ej_node *node = v->node;
    uint32_t ellipses = 0;
    REQUIRE(v, !node->n_items || node->items);
    for (uint32_t i = 0; i < node->n_items; i++) {
        REQUIRE(v, node->items[i].kind <= EJ_INDEX_ELLIPSIS);
        REQUIRE(v, node->items[i].kind != EJ_INDEX_RANGE || node->items[i].step != 0);
        ellipses += node->items[i].kind == EJ_INDEX_ELLIPSIS;
    }
    REQUIRE(v, ellipses <= 1);
    return EINJIT_OK;
}

static int verify_slice_scatter(const verifier *v)
{
    REQUIRE(v, v->node->n_items == 1 && v->node->items && v->node->items[0].kind == EJ_INDEX_RANGE);
    EJ_TRY(verify_items(v));
    return verify_dims(v, 1);
}

static int verify_split(const verifier *v)
{
    EJ_TRY(verify_dims(v, 2));
    REQUIRE(v, v->node->dims[1] >= 0 && v->node->dims[1] < (int64_t)v->node->n_in - 1);
    return EINJIT_OK;
}

/* A count, or an axis of the operand. */
static int verify_arange(const verifier *v)
{
    REQUIRE(v, v->node->n_extents == !v->node->n_in);
    REQUIRE(v, !v->node->n_extents || v->node->extents[0].n >= 0);
    return verify_dims(v, v->node->n_in);
}

static int verify_layer_norm(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, node->integer >= 0 && node->integer <= 3);
    REQUIRE(v, node->n_in == 1 + (uint32_t)(node->integer & 1) + (uint32_t)(node->integer >> 1));
    EJ_TRY(verify_dims(v, 1));
    REQUIRE(v, !node->n_extents || (int64_t)node->n_extents == node->dims[0]);
    return EINJIT_OK;
}

static int verify_input(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, node->dtype == -1 || ej_dtype_valid(node->dtype));
    REQUIRE(v, node->rank >= -1);
    REQUIRE(v, !node->n_extents || node->n_extents == (uint32_t)node->rank);
    return EINJIT_OK;
}

static int verify_map(const verifier *v)
{
    REQUIRE(v, v->node->fn < EJ_FN_COUNT);
    REQUIRE(v, v->node->n_in == ej_fns[v->node->fn].arity);
    return EINJIT_OK;
}

static int verify_reduce(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, node->fn < EINJIT_REDUCE_COUNT);
    REQUIRE(v, node->all_dims ? !node->n_dims : !node->n_dims || node->dims != NULL);
    return EINJIT_OK;
}

/* A guard has two operands, and three numbers. */
static int verify_choose(const verifier *v)
{
    const ej_node *node = v->node;
    REQUIRE(v, node->integer >= 1 && node->integer <= (int64_t)node->n_in);
    int64_t values = (int64_t)node->n_in - node->integer;
    REQUIRE(v, values % 2 == 0 && (int64_t)node->n_dims == values / 2 * 3 && (!values || node->dims));
    for (uint32_t i = 0; i < node->n_dims; i += 3) REQUIRE(v, node->dims[i] >= 1 && node->dims[i] < node->integer);
    return EINJIT_OK;
}

static int verify_kind(const verifier *v)
{
    const ej_node *node = v->node;
    switch (node->op) {
    case EJ_OP_INPUT: return verify_input(v);
    case EJ_OP_CONSTANT: return verify_constant(v);
    case EJ_OP_SCALAR: REQUIRE(v, node->fn <= EJ_KIND_COMPLEX); return EINJIT_OK;
    case EJ_OP_EINSUM: return verify_equation(v);
    case EJ_OP_MAP: return verify_map(v);
    case EJ_OP_CAST: REQUIRE(v, ej_dtype_valid(node->dtype)); return EINJIT_OK;
    case EJ_OP_REDUCE: return verify_reduce(v);
    case EJ_OP_LAYER_NORM: return verify_layer_norm(v);
    case EJ_OP_TENSORDOT: REQUIRE(v, node->n_dims % 2 == 0 && (!node->n_dims || node->dims)); return EINJIT_OK;
    case EJ_OP_PERMUTE: REQUIRE(v, !node->n_dims || node->dims); return EINJIT_OK;
    case EJ_OP_FLATTEN:
    case EJ_OP_TRANSPOSE: return verify_dims(v, 2);
    case EJ_OP_SOFTMAX:
    case EJ_OP_UNSQUEEZE:
    case EJ_OP_CAT:
    case EJ_OP_STACK:
    case EJ_OP_INDEX_ADD_TO:
    case EJ_OP_GATHER_PLACES:
    case EJ_OP_INDEX_SELECT: return verify_dims(v, 1);
    case EJ_OP_SLICE_SCATTER: return verify_slice_scatter(v);
    case EJ_OP_SPLIT_AS: return verify_split(v);
    case EJ_OP_ARANGE: return verify_arange(v);
    case EJ_OP_SQUEEZE: REQUIRE(v, !node->n_dims || node->dims); return EINJIT_OK;
    case EJ_OP_SLICE: return verify_items(v);
    case EJ_OP_INDEX_ADD: REQUIRE(v, node->n_extents == 1); return verify_dims(v, 1);
    case EJ_OP_STRUCTURAL: REQUIRE(v, v->graph->nodes[node->in[0]].op == EJ_OP_CONSTANT); return EINJIT_OK;
    case EJ_OP_CHOOSE: return verify_choose(v);
    default: return EINJIT_OK;
    }
}

static int verify_node(const verifier *v)
{
    REQUIRE(v, v->node->op < EJ_OP_COUNT);
    EJ_TRY(verify_name(v));
    EJ_TRY(verify_operands(v));
    EJ_TRY(verify_extents(v));
    return verify_kind(v);
}

/* ---- lists of the graph ---- */

/* The parameters are the INPUT nodes, each once. */
static int verify_inputs(const ej_graph *graph, ej_arena *scratch, einjit_error *err)
{
    bool *listed = EJ_NEW_ARRAY(scratch, bool, graph->n_nodes);
    if (!listed) return ej_no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        ej_value value = graph->inputs[i];
        if (value < 0 || (size_t)value >= graph->n_nodes || graph->nodes[value].op != EJ_OP_INPUT || listed[value])
            return ej_fail(err, EINJIT_E_INTERNAL, "graph: parameter %zu is value %d, which is no input or another one",
                           i, (int)value);
        listed[value] = true;
    }
    for (size_t value = 0; value < graph->n_nodes; value++) n += graph->nodes[value].op == EJ_OP_INPUT;
    if (n != graph->n_inputs)
        return ej_fail(err, EINJIT_E_INTERNAL, "graph: %zu inputs but %zu parameters", n, graph->n_inputs);
    return EINJIT_OK;
}

static int verify_lists(const ej_graph *graph, ej_arena *scratch, einjit_error *err)
{
    EJ_TRY(verify_inputs(graph, scratch, err));
    for (size_t i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] < 0 || (size_t)graph->outputs[i] >= graph->n_nodes)
            return ej_fail(err, EINJIT_E_INTERNAL, "graph: result %zu is value %d of %zu", i, (int)graph->outputs[i],
                           graph->n_nodes);
    for (size_t s = 0; s < graph->n_symbols; s++)
        if (ej_graph_find_symbol(graph, graph->symbols[s], strlen(graph->symbols[s])) != (int32_t)s)
            return ej_fail(err, EINJIT_E_INTERNAL, "graph: the name '%.100s' of an extent is not found",
                           graph->symbols[s]);
    return EINJIT_OK;
}

int ej_graph_verify(const ej_graph *graph, einjit_error *err)
{
    ej_arena scratch;
    ej_arena_init(&scratch, graph->arena.allocator);
    verifier v = {.graph = graph, .scratch = &scratch, .err = err};
    int status = verify_lists(graph, &scratch, err);
    for (size_t i = 0; i < graph->n_nodes && !status; i++) {
        v.node = &graph->nodes[i];
        status = verify_node(&v);
    }
    ej_arena_free(&scratch);
    return status;
}
