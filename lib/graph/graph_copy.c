/* graph_copy.c - deep copies.
 *
 * Takes  a graph.
 * Gives  the same graph in memory of its own.
 * Size   linear, no recursion.
 * Not here: replacing nodes (graph_rewrite.c).
 */
#include <string.h>

#include "graph.h"

/* ---- copies ---- */

/* n elements copied into the arena; false: out of memory. NULL stays NULL. */
static bool copy_array(ej_arena *arena, void *field, const void *from, size_t n, size_t size)
{
    void *copy = NULL;
    if (from) {
        copy = ej_arena_new(arena, n, size);
        if (!copy) return false;
        if (n && size) memcpy(copy, from, n * size);
    }
    memcpy(field, &copy, sizeof copy);
    return true;
}

bool ej_equation_copy(ej_arena *arena, ej_equation **out, const ej_equation *from)
{
    ej_equation *copy = EJ_NEW(arena, ej_equation);
    size_t n = 0;
    if (!copy) return false;
    *copy = *from;
    for (uint32_t t = 0; t < from->n_terms; t++) n += from->terms[t].n;
    int32_t *labels = EJ_NEW_ARRAY(arena, int32_t, n);
    copy->terms = EJ_NEW_ARRAY(arena, ej_term, from->n_terms);
    if (!labels || !copy->terms ||
        !copy_array(arena, &copy->out.labels, from->out.labels, from->out.n, sizeof *labels) ||
        !copy_array(arena, &copy->symbols, from->symbols, from->n_labels, sizeof *from->symbols))
        return false;
    for (uint32_t t = 0; t < from->n_terms; t++) {
        copy->terms[t] = (ej_term){from->terms[t].n, labels};
        if (from->terms[t].n) memcpy(labels, from->terms[t].labels, from->terms[t].n * sizeof *labels);
        labels += from->terms[t].n;
    }
    *out = copy;
    return true;
}

static bool copy_extents(ej_arena *arena, ej_node *node, const ej_node *from)
{
    if (!copy_array(arena, &node->extents, from->extents, from->n_extents, sizeof *from->extents)) return false;
    for (uint32_t i = 0; from->extents && i < from->n_extents; i++)
        if (!copy_array(arena, &node->extents[i].symbols, from->extents[i].symbols, (size_t)from->extents[i].n_symbols,
                        sizeof(int32_t)))
            return false;
    return true;
}

/* Bytes of a constant: its extents are numbers, and were checked when it was made. */
static size_t constant_bytes(const ej_node *node)
{
    int64_t n = ej_dtypes[node->dtype].bytes;
    for (uint32_t i = 0; i < node->n_extents; i++)
        if (!ej_mul_size(n, node->extents[i].n, &n)) return 0;
    return (size_t)n;
}

bool ej_node_copy(ej_arena *arena, ej_node *node, const ej_node *from)
{
    *node = *from;
    if (!copy_array(arena, &node->in, from->in, from->n_in, sizeof *from->in) ||
        !copy_array(arena, &node->name, from->name, strlen(from->name) + 1, 1) || !copy_extents(arena, node, from) ||
        !copy_array(arena, &node->dims, from->dims, from->n_dims, sizeof *from->dims) ||
        !copy_array(arena, &node->items, from->items, from->n_items, sizeof *from->items))
        return false;
    if (from->equation && !ej_equation_copy(arena, &node->equation, from->equation)) return false;
    return !from->data || copy_array(arena, &node->data, from->data, constant_bytes(from), 1);
}

static int copy_names(ej_graph *out, const ej_graph *from, einjit_error *err)
{
    const char *name = ej_arena_copy_text(&out->arena, from->name, strlen(from->name));
    if (!name) return ej_no_memory(err);
    out->name = name;
    for (size_t i = 0; i < from->n_symbols; i++) {
        int32_t symbol;
        EJ_TRY(ej_graph_symbol(out, from->symbols[i], strlen(from->symbols[i]), &symbol, err));
    }
    for (size_t v = 0; v < out->n_nodes; v++) EJ_TRY(ej_names_add_value(out, (ej_value)v, err));
    ej_names_copy_counters(out, from);
    return EINJIT_OK;
}

static int copy_into(ej_graph *out, const ej_graph *from, einjit_error *err)
{
    out->nodes = EJ_NEW_ARRAY(&out->arena, ej_node, from->n_nodes);
    if (!out->nodes || !copy_array(&out->arena, &out->inputs, from->inputs, from->n_inputs, sizeof *from->inputs) ||
        !copy_array(&out->arena, &out->outputs, from->outputs, from->n_outputs, sizeof *from->outputs))
        return ej_no_memory(err);
    for (size_t v = 0; v < from->n_nodes; v++)
        if (!ej_node_copy(&out->arena, &out->nodes[v], &from->nodes[v])) return ej_no_memory(err);
    out->n_nodes = out->cap_nodes = from->n_nodes;
    out->n_inputs = out->cap_inputs = from->n_inputs;
    out->n_outputs = out->cap_outputs = from->n_outputs;
    out->tuple_result = from->tuple_result;
    out->failed = from->failed;
    out->moved = from->moved;
    memcpy(out->drift, from->drift, sizeof out->drift);
    return copy_names(out, from, err);
}

int ej_graph_copy(ej_graph *out, const ej_graph *graph, const einjit_allocator *allocator, einjit_error *err)
{
    EJ_TRY(ej_graph_init(out, allocator, err));
    int status = copy_into(out, graph, err);
    if (status) ej_graph_free(out);
    return status;
}
