/* opt_dce.c - dead code elimination.
 *
 * Takes  any graph.
 * Gives  the same graph without the nodes that no result needs. Inputs stay: they are the signature.
 */
#include "opt.h"

int ej_opt_dce(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    size_t before = graph->n_nodes;
    EJ_TRY(ej_graph_rewrite_new(graph, NULL, before, false, job));
    *n_changed = before - graph->n_nodes;
    return EINJIT_OK;
}
