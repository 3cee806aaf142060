/* api_gradient.c - the public calls of gradients, and those that find the values to differentiate.
 *
 * Takes  handles and values of the caller; checks them.
 * Gives  what grad.c gives. A failure leaves the graph as it was, to go on with.
 */
#include <string.h>

#include "api_build.h"
#include "grad.h"
#include "opt.h"
#include "pipeline.h"

int einjit_graph_gradient(einjit_value *out, einjit_graph *graph, size_t n_y, const einjit_value *y,
                          const einjit_value *seeds, size_t n_wrt, const einjit_value *wrt, einjit_error *err)
{
    EJ_TRY(ej_build_begin(graph, out, err));
    ej_arena scratch;
    ej_arena_init(&scratch, &graph->context->allocator);
    ej_job job = {.arena = &scratch,
                  .err = err,
                  .allocator = &graph->context->allocator,
                  .target = graph->context->target,
                  .progress = ej_progress_new(graph->context, &scratch),
                  .verify = graph->context->verify};
    int status = ej_graph_gradient(&graph->graph, &job, n_y, y, seeds, n_wrt, wrt, out);
    ej_arena_free(&scratch);
    return status;
}

einjit_value einjit_graph_value(const einjit_graph *graph, const char *name)
{
    return graph && name ? ej_graph_find_value(&graph->graph, name, strlen(name)) : -1;
}

einjit_value einjit_graph_output_value(const einjit_graph *graph, size_t i)
{
    return graph && i < graph->graph.n_outputs ? graph->graph.outputs[i] : -1;
}

int einjit_graph_rank(const einjit_graph *graph, einjit_value value)
{
    if (!graph || value < 0 || (size_t)value >= graph->graph.n_nodes) return -1;
    ej_arena scratch;
    ej_arena_init(&scratch, &graph->context->allocator);
    const ej_known_shapes *shapes = ej_facts_shapes(&graph->graph, &scratch);
    int rank = shapes ? shapes->of[value].rank : -1;
    ej_arena_free(&scratch);
    return rank;
}
