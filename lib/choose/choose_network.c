/* choose_network.c - an einsum of the bound graph as path search sees it.
 *
 * Takes  an EINSUM node.
 * Gives  label sets with extents: diagonals taken, labels that only broadcast (extent 1) left out, scalars left out, so
 *        that term i is the i-th operand that is no scalar.
 */
#include <stdlib.h>

#include "choose_core.h"

static void sort_once(ej_term *term)
{
    uint32_t n = 0;
    if (term->n) qsort(term->labels, term->n, sizeof *term->labels, ej_compare_labels);
    for (uint32_t i = 0; i < term->n; i++)
        if (!n || term->labels[n - 1] != term->labels[i]) term->labels[n++] = term->labels[i];
    term->n = n;
}

/* Labels that operand t really has. */
static int list_labels(ej_term *out, const ej_bound *bound, const ej_bound_node *node, uint32_t t, bool *stretched,
                       ej_job *job)
{
    const ej_term *term = &node->subscripts->terms[t];
    const ej_bound_node *x = &bound->nodes[node->in[t]];
    *out = (ej_term){0, EJ_JOB_ARRAY(job, int32_t, term->n)};
    if (!out->labels) return ej_no_memory(job->err);
    for (uint32_t i = 0; i < term->n; i++) {
        if (ej_size_is(x->shape[i], 1)) continue;
        out->labels[out->n++] = term->labels[i];
        stretched[term->labels[i]] = true;
    }
    sort_once(out);
    return EINJIT_OK;
}

int ej_einsum_network(ej_network *net, const ej_bound *bound, const ej_bound_node *node, ej_job *job)
{
    const ej_subscripts *s = node->subscripts;
    int32_t n = 0;
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, node->n_in);
    int64_t *extents = EJ_JOB_ARRAY(job, int64_t, s->n_labels);
    bool *stretched = EJ_JOB_ARRAY(job, bool, s->n_labels);
    ej_term out = {0, EJ_JOB_ARRAY(job, int32_t, s->out.n)};
    if (!terms || !extents || !stretched || !out.labels) return ej_no_memory(job->err);
    for (uint32_t t = 0; t < node->n_in; t++)
        if (!ej_is_scalar_operand(bound, node->in[t])) EJ_TRY(list_labels(&terms[n++], bound, node, t, stretched, job));
    for (uint32_t l = 0; l < s->n_labels; l++) extents[l] = node->label_sizes[l].n;
    for (uint32_t i = 0; i < s->out.n; i++)
        if (stretched[s->out.labels[i]]) out.labels[out.n++] = s->out.labels[i];
    sort_once(&out);
    *net = (ej_network){.n_terms = n, .terms = terms, .out = out, .n_labels = (int32_t)s->n_labels, .extents = extents};
    return EINJIT_OK;
}
