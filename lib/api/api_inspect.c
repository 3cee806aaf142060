/* api_inspect.c - public calls that read graphs and kernels: what their inputs are. */
#include "kernel.h"

int einjit_graph_input_type(const einjit_graph *graph, size_t i, int *dtype, int *rank, int64_t *shape,
                            const char **symbols, size_t capacity, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    const ej_graph *g = &graph->graph;
    if (i >= g->n_inputs) return ej_fail(err, EINJIT_E_VALUE, "input %zu of a graph that has %zu", i, g->n_inputs);
    const ej_node *node = &g->nodes[g->inputs[i]];
    if (dtype) *dtype = node->dtype;
    if (rank) *rank = node->rank;
    for (size_t a = 0; a < node->n_extents && a < capacity; a++) {
        const ej_extent *extent = &node->extents[a];
        bool named = ej_extent_is_symbol(extent) || ej_extent_is_named(extent);
        if (shape) shape[a] = extent->n_symbols ? -1 : extent->n;
        if (symbols) symbols[a] = named ? g->symbols[extent->symbols[0]] : NULL;
    }
    return EINJIT_OK;
}

int64_t einjit_kernel_index_limit(const einjit_kernel *kernel, size_t i, const int64_t *sizes)
{
    if (!kernel) return -1;
    ej_arena arena;
    ej_arena_init(&arena, &kernel->context->allocator);
    int64_t limit = -1, *atoms = EJ_NEW_ARRAY(&arena, int64_t, kernel->sizes.n_atoms);
    if (atoms && (sizes || !kernel->sizes.n_symbols) && ej_sizes_evaluate(&kernel->sizes, sizes, atoms))
        for (size_t c = 0; c < kernel->n_index_checks; c++) {
            const ej_index_check *check = &kernel->index_checks[c];
            int64_t extent;
            if ((size_t)check->input != i || !ej_size_evaluate(&kernel->sizes, check->extent, atoms, &extent)) continue;
            if (limit < 0 || extent < limit) limit = extent;
        }
    ej_arena_free(&arena);
    return limit;
}
