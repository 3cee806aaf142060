/* choose_zero.c - where the sign of a zero counts in a bound graph.
 *
 * Takes  a bound graph.
 * Gives  per node, whether a division can tell its 0.0 from -0.0: the rules are those of facts_zero.c.
 */
#include "choose_core.h"
#include "facts_zero.h"

static void look_at(const ej_bound *bound, size_t v, bool *counts)
{
    const ej_bound_node *node = &bound->nodes[v];
    bool is_pow = node->op == EJ_OP_MAP && node->fn == EJ_FN_POW;
    double power = is_pow && ej_is_scalar_operand(bound, node->in[1]) ? bound->nodes[node->in[1]].re : 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        int kind = ej_dtypes[bound->nodes[node->in[k]].dtype].kind;
        if (kind < EJ_KIND_FLOAT) continue;
        int use = ej_zero_use(node->op, node->fn, k, kind == EJ_KIND_FLOAT, power);
        if (use == EJ_ZERO_SEEN || (use == EJ_ZERO_HANDED_ON && counts[v])) counts[node->in[k]] = true;
    }
}

bool *ej_bound_zeros(const ej_bound *bound, ej_job *job)
{
    bool *counts = EJ_JOB_ARRAY(job, bool, bound->n_nodes);
    for (size_t v = bound->n_nodes; counts && v-- > 0;) look_at(bound, v, counts);
    return counts;
}

bool ej_bound_sums(const ej_bound_node *einsum)
{
    const ej_subscripts *s = einsum->subscripts;
    for (uint32_t l = 0; l < s->n_labels; l++)
        if (!ej_size_is(einsum->label_sizes[l], 1) && !ej_term_has(&s->out, (int32_t)l)) return true;
    return false;
}
