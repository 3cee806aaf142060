/* graph_hash.c - a graph as one number, so that a checker sees whether anything in it changed.
 *
 * Takes  a graph that ej_graph_verify accepts.
 * Gives  a hash over all fields of the nodes, names and order included. Nothing is allocated.
 * Not here: which nodes mean the same (opt_cse.c), which programs are one kernel (api_graph.c).
 */
#include <string.h>

#include "graph.h"

static uint64_t add_bytes(uint64_t h, const void *bytes, size_t n)
{
    return n && bytes ? ej_hash64(bytes, n, h) : ej_hash64(&n, sizeof n, h);
}

static uint64_t add_text(uint64_t h, const char *text)
{
    return add_bytes(h, text, text ? strlen(text) : 0);
}

static uint64_t add_extents(uint64_t h, const ej_graph *graph, const ej_node *node)
{
    for (uint32_t i = 0; i < node->n_extents; i++) {
        const ej_extent *extent = &node->extents[i];
        h = add_bytes(h, &extent->n, sizeof extent->n);
        for (int32_t s = 0; s < extent->n_symbols; s++) h = add_text(h, graph->symbols[extent->symbols[s]]);
    }
    return h;
}

static uint64_t add_equation(uint64_t h, const ej_equation *equation)
{
    if (!equation) return h;
    for (uint32_t t = 0; t < equation->n_terms; t++)
        h = add_bytes(h, equation->terms[t].labels, equation->terms[t].n * sizeof *equation->terms[t].labels);
    h = add_bytes(h, equation->out.labels, equation->out.n * sizeof *equation->out.labels);
    return add_bytes(h, equation->symbols, equation->n_labels * sizeof *equation->symbols);
}

static uint64_t add_items(uint64_t h, const ej_node *node)
{
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        const int64_t words[4] = {item->kind, item->start, item->stop, item->step};
        h = add_bytes(h, words, sizeof words);
    }
    return h;
}

/* Structs have padding: their fields go in one by one. Elements of constants are never written to: where they lie is
 * enough. */
static uint64_t add_node(uint64_t h, const ej_graph *graph, const ej_node *node)
{
    const int64_t words[] = {node->op,
                             node->fn,
                             node->combine,
                             node->keepdim,
                             node->all_dims,
                             node->dtype,
                             node->rank,
                             node->n_in,
                             node->n_dims,
                             node->n_extents,
                             node->n_items,
                             node->integer,
                             (int64_t)(intptr_t)node->data};
    const double numbers[2] = {node->re, node->im};
    h = add_bytes(h, words, sizeof words);
    h = add_bytes(h, numbers, sizeof numbers);
    h = add_bytes(h, node->in, node->n_in * sizeof *node->in);
    h = add_bytes(h, node->dims, node->n_dims * sizeof *node->dims);
    h = add_extents(h, graph, node);
    h = add_equation(h, node->equation);
    return add_text(add_items(h, node), node->name);
}

uint64_t ej_graph_signature(const ej_graph *graph)
{
    const uint64_t counts[3] = {graph->n_inputs, graph->n_outputs, graph->tuple_result};
    uint64_t h = add_text(add_bytes(0, counts, sizeof counts), graph->name);
    for (size_t i = 0; i < graph->n_inputs; i++) h = add_node(h, graph, &graph->nodes[graph->inputs[i]]);
    return h;
}

uint64_t ej_graph_hash(const ej_graph *graph)
{
    uint64_t h = add_bytes(ej_graph_signature(graph), graph->outputs, graph->n_outputs * sizeof *graph->outputs);
    for (size_t v = 0; v < graph->n_nodes; v++) h = add_node(h, graph, &graph->nodes[v]);
    return h;
}
