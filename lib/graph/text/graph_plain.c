/* graph_plain.c - a graph without its names, so that programs which differ in names alone are one text.
 *
 * Takes  a graph that ej_graph_verify accepts.
 * Gives  program text in which the function is f, values are v and their number, extents e and theirs in order of first
 *        appearance, labels the letters a, b, ... in order of first appearance. Equal texts mean equal programs, node
 *        by node, so that a name of one is found in the other by its number.
 * Size   linear in the graph; the nodes are copied, what they point to is not.
 * Not here: constants, whose elements texts may round or leave out (api_graph.c).
 */
#include <stdio.h>
#include <string.h>

#include "graph.h"

static void number_extents(const ej_node *node, int32_t *numbers, int32_t *n)
{
    for (uint32_t i = 0; i < node->n_extents; i++)
        for (int32_t k = 0; k < node->extents[i].n_symbols; k++) {
            int32_t symbol = node->extents[i].symbols[k];
            if (numbers[symbol] < 0) numbers[symbol] = (*n)++;
        }
}

void ej_graph_number_symbols(int32_t *numbers, const ej_graph *graph)
{
    int32_t n = 0;
    for (size_t s = 0; s < graph->n_symbols; s++) numbers[s] = -1;
    for (size_t i = 0; i < graph->n_inputs; i++) number_extents(&graph->nodes[graph->inputs[i]], numbers, &n);
    for (size_t v = 0; v < graph->n_nodes; v++) number_extents(&graph->nodes[v], numbers, &n);
    for (size_t s = 0; s < graph->n_symbols; s++)
        if (numbers[s] < 0) numbers[s] = n++;
}

static const char *make_name(ej_arena *arena, char first, size_t number)
{
    char name[24];
    int n = snprintf(name, sizeof name, "%c%zu", first, number);
    return ej_arena_copy_text(arena, name, (size_t)n);
}

/* Integer labels print as their ids, which are in order of first appearance. */
static bool strip_node(ej_node *node, ej_arena *arena, size_t v)
{
    node->name = make_name(arena, 'v', v);
    if (!node->name || !node->equation) return node->name != NULL;
    ej_equation *plain = EJ_NEW(arena, ej_equation);
    if (!plain) return false;
    *plain = *node->equation;
    plain->integer_labels = true;
    node->equation = plain;
    return true;
}

/* *plain shares everything with the graph but its names, and has an arena of its own. */
static bool strip(ej_graph *plain, const ej_graph *graph)
{
    ej_arena *arena = &plain->arena;
    int32_t *numbers = EJ_NEW_ARRAY(arena, int32_t, graph->n_symbols);
    ej_node *nodes = EJ_NEW_ARRAY(arena, ej_node, graph->n_nodes);
    const char **symbols = EJ_NEW_ARRAY(arena, const char *, graph->n_symbols);
    if (!numbers || !nodes || !symbols) return false;
    ej_graph_number_symbols(numbers, graph);
    for (size_t s = 0; s < graph->n_symbols; s++)
        if (!(symbols[s] = make_name(arena, 'e', (size_t)numbers[s]))) return false;
    if (graph->n_nodes) memcpy(nodes, graph->nodes, graph->n_nodes * sizeof *nodes);
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (!strip_node(&nodes[v], arena, v)) return false;
    plain->nodes = nodes;
    plain->n_nodes = graph->n_nodes;
    plain->inputs = graph->inputs;
    plain->n_inputs = graph->n_inputs;
    plain->outputs = graph->outputs;
    plain->n_outputs = graph->n_outputs;
    plain->symbols = symbols;
    plain->n_symbols = graph->n_symbols;
    plain->tuple_result = graph->tuple_result;
    plain->name = "f";
    return true;
}

void ej_graph_print_plain(ej_text *text, const ej_graph *graph)
{
    ej_graph plain;
    if (ej_graph_init(&plain, text->arena->allocator, NULL)) {
        text->failed = true;
        return;
    }
    if (strip(&plain, graph)) ej_graph_print(text, &plain);
    else text->failed = true;
    ej_graph_free(&plain);
}
