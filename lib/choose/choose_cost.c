/* choose_cost.c - what a node of the bound graph is thought to cost.
 *
 * Takes  a node. Gives operations as plan_cost.c counts them (an einsum by its best path), and a quarter of an operation for
 *        every byte that is read or written: what a core does while it waits for memory that is close. Only ratios matter.
 * Not here: what fusing steps saves.
 */
#include <math.h>

#include "choose_core.h"

static double bytes_of(const ej_bound_node *node)
{
    return ej_bound_elements(node) * (double)ej_dtypes[node->dtype].bytes;
}

static bool sums(const ej_bound_node *node)
{
    return node->subscripts->n_labels > node->subscripts->out.n;
}

static int einsum_operations(double *out, const ej_bound *bound, const ej_bound_node *node, ej_job *job)
{
    ej_network net;
    ej_path path;
    double space = 1;
    for (uint32_t l = 0; l < node->subscripts->n_labels; l++) space *= (double)node->label_sizes[l].n;
    *out = space * (node->n_in + (sums(node) ? 1 : 0));
    if (!ej_einsum_distributes(node)) return EINJIT_OK;
    EJ_TRY(ej_einsum_network(&net, bound, node, job));
    if (net.n_terms < 1) return EINJIT_OK;
    EJ_TRY(ej_path_search(&path, &net, job));
    *out = pow(10, path.log10_mults) * (sums(node) ? 2 : 1);
    return EINJIT_OK;
}

int ej_choose_cost(double *out, const ej_bound *bound, ej_value v, ej_job *job)
{
    const ej_bound_node *node = &bound->nodes[v];
    double operations = 0, bytes = bytes_of(node);
    for (uint32_t i = 0; i < node->n_in; i++) bytes += bytes_of(&bound->nodes[node->in[i]]);
    *out = 0;
    switch (node->op) {
    case EJ_OP_EINSUM: EJ_TRY(einsum_operations(&operations, bound, node, job)); break;
    case EJ_OP_MAP:
    case EJ_OP_CAST: operations = ej_bound_elements(node); break;
    case EJ_OP_REDUCE: operations = ej_bound_elements(&bound->nodes[node->in[0]]); break;
    case EJ_OP_INDEX_ADD: operations = ej_bound_elements(&bound->nodes[node->in[1]]); break;
    case EJ_OP_INDEX_SELECT: bytes = 2 * bytes_of(node); break; /* what it leaves out is not read */
    case EJ_OP_CAT: break;
    default: return EINJIT_OK; /* a view */
    }
    *out = operations + bytes / 4;
    return EINJIT_OK;
}
