/* opt_alternative.c - adds alternatives to a graph.
 *
 * Takes  a value as the program computes it, another way, and when that one is right.
 * Gives  a CHOOSE node.
 * Not here: the decision (lib/choose), the meaning of the node (graph.h, bind_choose.c).
 */
#include "opt_alternative.h"

int ej_edit_alternative(ej_edit *e, ej_value first, ej_value second, size_t n_guards, const ej_choice_guard *guards,
                        ej_value *out)
{
    ej_node node = {.op = EJ_OP_CHOOSE, .dtype = -1, .rank = -1, .integer = 2};
    ej_arena *arena = &e->graph->arena;
    node.n_in = 2 + 2 * (uint32_t)n_guards;
    node.n_dims = 3 * (uint32_t)n_guards;
    node.in = EJ_NEW_ARRAY(arena, ej_value, node.n_in);
    node.dims = EJ_NEW_ARRAY(arena, int64_t, node.n_dims);
    if (!node.in || !node.dims) return ej_no_memory(e->job->err);
    node.in[0] = first;
    node.in[1] = second;
    for (size_t g = 0; g < n_guards; g++) {
        node.in[2 + 2 * g] = guards[g].x;
        node.in[3 + 2 * g] = guards[g].y;
        node.dims[3 * g] = 1;
        node.dims[3 * g + 1] = guards[g].p;
        node.dims[3 * g + 2] = guards[g].q;
    }
    return ej_edit_add(e, &node, out);
}

int ej_edit_like(ej_edit *e, ej_value v, const ej_value *in, int64_t dim, ej_value *out)
{
    ej_node node;
    if (!ej_node_copy(&e->graph->arena, &node, &e->graph->nodes[v])) return ej_no_memory(e->job->err);
    for (uint32_t i = 0; in && i < node.n_in; i++) node.in[i] = in[i];
    if (dim != EJ_KEEP_DIM) node.dims[0] = dim;
    node.name = NULL;
    return ej_edit_add(e, &node, out);
}

bool *ej_opt_alternatives(const ej_graph *graph, const uint32_t *uses, ej_arena *arena)
{
    bool *offered = EJ_NEW_ARRAY(arena, bool, graph->n_nodes);
    if (!offered) return NULL;
    for (size_t v = graph->n_nodes; v-- > 0;) {
        const ej_node *node = &graph->nodes[v];
        if (node->op == EJ_OP_CHOOSE)
            for (int64_t k = 0; k < node->integer; k++) offered[node->in[k]] = true;
        else if (offered[v])
            for (uint32_t i = 0; i < node->n_in; i++) offered[node->in[i]] |= uses[node->in[i]] == 1;
    }
    return offered;
}
