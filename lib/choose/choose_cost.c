/* choose_cost.c - what a node of the bound graph costs by itself, an einsum by its best path.
 *
 * Takes  a node. Gives its operations and bytes (cost.h) as one weight.
 * Not here: what fusing steps saves, what several nodes share.
 */
#include "choose_core.h"

int ej_choose_cost(double *out, ej_candidate *trial, ej_value v)
{
    const ej_bound_node *node = &trial->bound->nodes[v];
    ej_count count = ej_cost_node(trial->bound, node);
    if (node->op == EJ_OP_EINSUM && node->n_in > 1) {
        const ej_candidate_node item = {v, node, NULL, true};
        EJ_TRY(ej_candidate_run(trial, 1, &item, &count));
    }
    *out = ej_cost_weight(count);
    return EINJIT_OK;
}
