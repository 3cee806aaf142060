/* opt_const_subgraph.c - copies a part of a graph into a graph of its own, and turns computed values into constants.
 *
 * Takes  values whose operands are constants, literals, or copied already.
 * Gives  a graph without inputs that lives until it is closed, and must not outlive the one it is from.
 */
#include <string.h>

#include "opt_const.h"

int64_t ej_const_elements(const ej_node *constant)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < constant->n_extents; i++) n *= constant->extents[i].n; /* verified: they fit */
    return n;
}

int ej_const_subgraph_open(ej_const_subgraph *mini, const ej_graph *from, ej_job *job)
{
    *mini = (ej_const_subgraph){.from = from, .job = job};
    mini->image = EJ_JOB_ARRAY(job, ej_value, from->n_nodes);
    if (!mini->image) return ej_no_memory(job->err);
    for (size_t v = 0; v < from->n_nodes; v++) mini->image[v] = -1;
    return ej_graph_init(&mini->graph, job->allocator, job->err);
}

void ej_const_subgraph_close(ej_const_subgraph *mini)
{
    ej_graph_free(&mini->graph);
}

int ej_const_subgraph_add(ej_const_subgraph *mini, ej_node node, uint32_t n, const ej_value *in, ej_value *out)
{
    node.name = NULL;
    if (!ej_node_takes(&mini->graph.arena, &node, n, in)) return ej_no_memory(mini->job->err);
    return ej_graph_append(&mini->graph, &node, out, mini->job->err);
}

static int copy_leaf(ej_const_subgraph *mini, ej_value v)
{
    const ej_node *node = &mini->from->nodes[v];
    if (mini->image[v] >= 0) return EINJIT_OK;
    if (node->op != EJ_OP_STRUCTURAL) return ej_const_subgraph_add(mini, *node, 0, NULL, &mini->image[v]);
    EJ_TRY(copy_leaf(mini, node->in[0])); /* which is a constant */
    return ej_const_subgraph_add(mini, *node, 1, &mini->image[node->in[0]], &mini->image[v]);
}

int ej_const_subgraph_copy(ej_const_subgraph *mini, ej_value v)
{
    const ej_node *node = &mini->from->nodes[v];
    if (ej_const_is_leaf(node)) return copy_leaf(mini, v);
    ej_value *in = EJ_JOB_ARRAY(mini->job, ej_value, node->n_in);
    if (!in) return ej_no_memory(mini->job->err);
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (ej_const_is_leaf(&mini->from->nodes[node->in[i]])) EJ_TRY(copy_leaf(mini, node->in[i]));
        in[i] = mini->image[node->in[i]];
    }
    return ej_const_subgraph_add(mini, *node, node->n_in, in, &mini->image[v]);
}

int ej_const_put(ej_edit *e, const ej_evaluated *result, bool structural, ej_value *out)
{
    ej_arena *arena = &e->graph->arena;
    ej_node node = {
        .op = EJ_OP_CONSTANT, .dtype = result->dtype, .rank = result->rank, .n_extents = (uint32_t)result->rank};
    size_t n = 1;
    node.extents = EJ_NEW_ARRAY(arena, ej_extent, node.n_extents);
    if (!node.extents) return ej_no_memory(e->job->err);
    for (uint32_t i = 0; i < node.n_extents; i++) {
        node.extents[i].n = result->shape[i];
        n *= (size_t)result->shape[i];
    }
    void *data = ej_arena_new(arena, n ? n : 1, ej_dtypes[result->dtype].bytes);
    if (!data) return ej_no_memory(e->job->err);
    node.data = memcpy(data, result->data, n * ej_dtypes[result->dtype].bytes);
    EJ_TRY(ej_edit_add(e, &node, out));
    if (!structural) return EINJIT_OK;
    ej_value constant = *out;
    return ej_edit_node(e, (ej_node){.op = EJ_OP_STRUCTURAL, .dtype = -1, .rank = -1}, 1, &constant, out);
}
