/* key_program.c - what tells a program from others, known once it is frozen.
 *
 * Takes  a graph that is complete.
 * Gives  a hash of the program without names, with the elements of its constants; another one of its names; the numbers
 *        of its symbols in a program without names.
 */
#include <string.h>

#include "key.h"

/* What tells this program from others: its text without names, and the elements of its constants, which texts may round
 * or leave out. */
static int hash_content(const einjit_graph *graph, ej_hash *out, einjit_error *err)
{
    const ej_graph *g = &graph->graph;
    ej_arena scratch;
    ej_text text;
    ej_arena_init(&scratch, &graph->context->allocator);
    ej_text_init(&text, &scratch);
    ej_graph_print_plain(&text, g);
    for (size_t v = 0; v < g->n_nodes; v++) {
        const ej_node *node = &g->nodes[v];
        if (node->op != EJ_OP_CONSTANT) continue;
        int64_t n = ej_dtypes[node->dtype].bytes;
        for (uint32_t i = 0; i < node->n_extents; i++)
            if (!ej_mul_size(n, node->extents[i].n, &n)) n = 0;
        ej_hash elements = ej_hash_bytes(node->data, (size_t)n);
        ej_print_bytes(&text, (const char *)&elements, sizeof elements);
    }
    int status = text.failed ? ej_no_memory(err) : EINJIT_OK;
    if (!status) *out = ej_hash_bytes(text.data, text.length);
    ej_arena_free(&scratch);
    return status;
}

/* Kernels are shared by programs that differ in names alone; these tell whose names a kernel has. */
static int note_names(einjit_graph *graph, einjit_error *err)
{
    ej_graph *g = &graph->graph;
    uint64_t hash = 0;
    int32_t *ids = EJ_NEW_ARRAY(&g->arena, int32_t, g->n_symbols);
    graph->symbol_numbers = EJ_NEW_ARRAY(&g->arena, int32_t, g->n_symbols);
    if (!ids || !graph->symbol_numbers) return ej_no_memory(err);
    ej_graph_number_symbols(graph->symbol_numbers, g);
    for (size_t s = 0; s < g->n_symbols; s++) ids[graph->symbol_numbers[s]] = (int32_t)s;
    for (size_t v = 0; v < g->n_nodes; v++) {
        const char *written = g->nodes[v].written;
        hash = ej_hash64(g->nodes[v].name, strlen(g->nodes[v].name) + 1, hash);
        if (written) hash = ej_hash64(written, strlen(written) + 1, hash); /* failures speak of it */
    }
    for (size_t s = 0; s < g->n_symbols; s++)
        hash = ej_hash64(g->symbols[ids[s]], strlen(g->symbols[ids[s]]) + 1, hash);
    for (size_t v = 0; v < g->n_nodes; v++) {
        const ej_equation *equation = g->nodes[v].equation;
        if (equation) hash = ej_hash64(equation->symbols, equation->n_labels * sizeof *equation->symbols, hash);
    }
    graph->symbol_ids = ids;
    graph->names = ej_hash64(g->name, strlen(g->name), hash);
    return EINJIT_OK;
}

static int freeze_locked(einjit_graph *graph, einjit_error *err)
{
    if (atomic_load_explicit(&graph->frozen, memory_order_relaxed)) return EINJIT_OK; /* another thread was first */
    if (graph->graph.failed)
        return ej_fail(err, graph->graph.failed, "the graph is not complete: an earlier call on it failed with %s",
                       einjit_status_name(graph->graph.failed));
    if (!graph->graph.n_outputs) return ej_fail(err, EINJIT_E_VALUE, "the graph has no result");
    EJ_TRY(hash_content(graph, &graph->content, err));
    EJ_TRY(note_names(graph, err));
    atomic_store_explicit(&graph->frozen, true, memory_order_release);
    return EINJIT_OK;
}

int ej_program_freeze(einjit_graph *graph, einjit_error *err)
{
    if (atomic_load_explicit(&graph->frozen, memory_order_acquire)) return EINJIT_OK;
    ej_context_enter(graph->context);
    pthread_mutex_lock(&graph->context->freeze_lock);
    int status = freeze_locked(graph, err);
    pthread_mutex_unlock(&graph->context->freeze_lock);
    return status;
}
