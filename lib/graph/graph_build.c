/* graph_build.c - graphs: nodes appended in SSA order, symbols, results, uses.
 *
 * Takes  nodes whose arrays lie in the graph's arena.
 * Gives  a graph of which every part lives in its arena and goes with it in one call.
 * Keeps  the graph as it was when a call fails.
 * Not here: whether a node makes sense (graph_verify.c), copies and renumbering (graph_copy.c).
 */
#include <string.h>

#include "graph.h"

static const char *const op_names[EJ_OP_COUNT] = {
#define EJ_OP(NAME, word) word,
    EJ_OP_LIST(EJ_OP)
#undef EJ_OP
};

const char *ej_op_name(int op)
{
    return op >= 0 && op < EJ_OP_COUNT ? op_names[op] : "?";
}

int ej_graph_init(ej_graph *graph, const einjit_allocator *allocator, einjit_error *err)
{
    memset(graph, 0, sizeof *graph);
    ej_arena_init(&graph->arena, allocator);
    graph->name = "forward";
    graph->drift[0] = graph->drift[1] = 1;
    int status = ej_names_create(graph, err);
    if (status) ej_arena_free(&graph->arena);
    return status;
}

void ej_graph_free(ej_graph *graph)
{
    const einjit_allocator *allocator = graph->arena.allocator;
    if (allocator) ej_arena_free(&graph->arena);
    memset(graph, 0, sizeof *graph);
    ej_arena_init(&graph->arena, allocator);
}

static int check_operands(const ej_graph *graph, const ej_node *node, einjit_error *err)
{
    if (graph->n_nodes >= INT32_MAX) return ej_fail(err, EINJIT_E_LIMIT, "a graph of more than %d nodes", INT32_MAX);
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] < 0 || (size_t)node->in[i] >= graph->n_nodes)
            return ej_fail(err, EINJIT_E_INVALID, "operand %u of %s is value %d, but the graph has %zu values",
                           (unsigned)i, ej_op_name(node->op), (int)node->in[i], graph->n_nodes);
    return EINJIT_OK;
}

static int choose_name(ej_graph *graph, const ej_node *node, const char **out, einjit_error *err)
{
    if (!node->name) {
        *out = ej_names_next(graph, node);
    } else {
        size_t length = strlen(node->name);
        if (!ej_is_identifier(node->name, length))
            return ej_fail(err, EINJIT_E_NAME, "'%.200s' is not a name: names are Python identifiers", node->name);
        if (ej_graph_find_value(graph, node->name, length) >= 0)
            return ej_fail(err, EINJIT_E_NAME, "the name '%.200s' is taken", node->name);
        *out = ej_arena_copy_text(&graph->arena, node->name, length);
    }
    return *out ? EINJIT_OK : ej_no_memory(err);
}

bool ej_node_takes(ej_arena *arena, ej_node *node, uint32_t n, const ej_value *in)
{
    node->n_in = n;
    node->in = EJ_NEW_ARRAY(arena, ej_value, n);
    if (node->in && n) memcpy(node->in, in, n * sizeof *in);
    return node->in != NULL;
}

bool ej_node_slices(ej_arena *arena, ej_node *node, int32_t axis, int64_t start, int64_t stop, int64_t step)
{
    uint32_t before = axis < 0 ? 1 : (uint32_t)axis, n = axis < 0 ? 1 + (uint32_t)-axis : 1 + before;
    node->op = EJ_OP_SLICE;
    node->n_items = n;
    node->items = EJ_NEW_ARRAY(arena, ej_index_item, n);
    if (!node->items) return false;
    for (uint32_t i = 0; i < n; i++) node->items[i] = (ej_index_item){EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
    if (axis < 0) node->items[0] = (ej_index_item){.kind = EJ_INDEX_ELLIPSIS};
    node->items[before] = (ej_index_item){EJ_INDEX_RANGE, start, stop, step};
    return true;
}

int ej_graph_append(ej_graph *graph, const ej_node *node, ej_value *out, einjit_error *err)
{
    const char *name;
    EJ_TRY(check_operands(graph, node, err));
    EJ_TRY(choose_name(graph, node, &name, err));
    ej_value value = (ej_value)graph->n_nodes;
    if (!EJ_PUSH_ROOM(&graph->arena, graph->nodes, graph->cap_nodes, value)) return ej_no_memory(err);
    if (node->op == EJ_OP_INPUT && !EJ_PUSH_ROOM(&graph->arena, graph->inputs, graph->cap_inputs, graph->n_inputs))
        return ej_no_memory(err);
    graph->nodes[value] = *node;
    graph->nodes[value].name = name;
    EJ_TRY(ej_names_add_value(graph, value, err));
    graph->n_nodes++;
    if (node->op == EJ_OP_INPUT) graph->inputs[graph->n_inputs++] = value;
    *out = value;
    return EINJIT_OK;
}

int ej_graph_symbol(ej_graph *graph, const char *name, size_t length, int32_t *out, einjit_error *err)
{
    int32_t symbol = ej_graph_find_symbol(graph, name, length);
    if (symbol < 0) {
        if (!ej_is_identifier(name, length))
            return ej_fail(err, EINJIT_E_NAME, "'%.*s' cannot name an extent: names are Python identifiers",
                           length < 200 ? (int)length : 200, name);
        if (graph->n_symbols >= INT32_MAX)
            return ej_fail(err, EINJIT_E_LIMIT, "a graph of more than %d names of extents", INT32_MAX);
        symbol = (int32_t)graph->n_symbols;
        const char *copy = ej_arena_copy_text(&graph->arena, name, length);
        if (!copy || !EJ_PUSH_ROOM(&graph->arena, graph->symbols, graph->cap_symbols, symbol)) return ej_no_memory(err);
        graph->symbols[symbol] = copy;
        EJ_TRY(ej_names_add_symbol(graph, symbol, err));
        graph->n_symbols++;
    }
    *out = symbol;
    return EINJIT_OK;
}

int ej_graph_output(ej_graph *graph, ej_value value, einjit_error *err)
{
    if (value < 0 || (size_t)value >= graph->n_nodes)
        return ej_fail(err, EINJIT_E_INVALID, "result %zu is value %d, but the graph has %zu values", graph->n_outputs,
                       (int)value, graph->n_nodes);
    if (!EJ_PUSH_ROOM(&graph->arena, graph->outputs, graph->cap_outputs, graph->n_outputs)) return ej_no_memory(err);
    graph->outputs[graph->n_outputs++] = value;
    return EINJIT_OK;
}

uint32_t *ej_graph_uses(const ej_graph *graph, ej_arena *arena)
{
    uint32_t *uses = EJ_NEW_ARRAY(arena, uint32_t, graph->n_nodes);
    if (!uses) return NULL;
    for (size_t v = 0; v < graph->n_nodes; v++)
        for (uint32_t i = 0; i < graph->nodes[v].n_in; i++) uses[graph->nodes[v].in[i]]++;
    for (size_t i = 0; i < graph->n_outputs; i++) uses[graph->outputs[i]]++;
    return uses;
}
