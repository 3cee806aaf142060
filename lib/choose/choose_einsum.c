/* choose_einsum.c - einsums over some of another one's operands.
 *
 * Takes  operands with labels of a larger einsum, and the labels that are to be left.
 * Gives  an EINSUM node with dense labels of its own.
 */
#include <string.h>

#include "choose_core.h"

bool ej_is_scalar_operand(const ej_bound *bound, ej_value v)
{
    return bound->nodes[v].op == EJ_OP_SCALAR && !bound->nodes[v].rank;
}

/* Some reduced label has no values: the result is the neutral element, whatever the operands hold. Pair by pair an
 * empty sum of some of them would meet Inf or NaN in the others. */
static bool reduces_nothing(const ej_bound_node *node)
{
    const ej_subscripts *s = node->subscripts;
    for (uint32_t l = 0; l < s->n_labels; l++)
        if (ej_size_is(node->label_sizes[l], 0) && !ej_term_has(&s->out, (int32_t)l)) return true;
    return false;
}

bool ej_einsum_distributes(const ej_bound_node *node)
{
    bool distributes;
    if (node->combine == EINJIT_COMBINE_ADD)
        distributes = node->dtype != EINJIT_BOOL && (node->fn == EINJIT_REDUCE_MAX || node->fn == EINJIT_REDUCE_MIN);
    else
        distributes = node->dtype == EINJIT_BOOL ? node->fn != EINJIT_REDUCE_MIN
                                                 : node->fn == EINJIT_REDUCE_SUM || node->fn == EINJIT_REDUCE_OR;
    return distributes && !reduces_nothing(node);
}

typedef struct numbering {
    int32_t *id;  /* per label of `like`: its new id + 1 */
    int32_t *old; /* per new label */
    uint32_t n;
} numbering;

static bool renumber(ej_term *out, const ej_term *term, numbering *numbers, ej_job *job)
{
    out->n = term->n;
    out->labels = EJ_JOB_ARRAY(job, int32_t, term->n);
    if (!out->labels) return false;
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (!numbers->id[label]) {
            numbers->old[numbers->n] = label;
            numbers->id[label] = (int32_t)++numbers->n;
        }
        out->labels[i] = numbers->id[label] - 1;
    }
    return true;
}

/* A label is as long as the longest axis that it has here. */
static int set_extents(ej_bound_node *made, const ej_bound *bound, const ej_bound_node *like, const numbering *numbers,
                       ej_job *job)
{
    ej_subscripts *s = made->subscripts;
    made->label_sizes = EJ_JOB_ARRAY(job, ej_size, s->n_labels);
    made->shape = EJ_JOB_ARRAY(job, ej_size, s->out.n);
    if (!made->label_sizes || !made->shape) return ej_no_memory(job->err);
    for (uint32_t l = 0; l < s->n_labels; l++) made->label_sizes[l] = ej_size_number(1);
    for (uint32_t t = 0; t < s->n_terms; t++)
        for (uint32_t i = 0; i < s->terms[t].n; i++) {
            int32_t label = s->terms[t].labels[i];
            if (ej_size_is(bound->nodes[made->in[t]].shape[i], 1)) continue;
            made->label_sizes[label] = like->label_sizes[numbers->old[label]];
        }
    for (uint32_t i = 0; i < s->out.n; i++) made->shape[i] = made->label_sizes[s->out.labels[i]];
    made->rank = (int32_t)s->out.n;
    return EINJIT_OK;
}

static int keep_symbols(ej_subscripts *s, const ej_subscripts *like, const numbering *numbers, ej_job *job)
{
    if (!like->symbols) return EINJIT_OK;
    uint32_t *symbols = EJ_JOB_ARRAY(job, uint32_t, s->n_labels);
    if (!symbols) return ej_no_memory(job->err);
    for (uint32_t l = 0; l < s->n_labels; l++) symbols[l] = like->symbols[numbers->old[l]];
    s->symbols = symbols;
    return EINJIT_OK;
}

int ej_einsum_over(ej_bound_node *made, const ej_bound *bound, const ej_bound_node *like, uint32_t n,
                   const ej_value *in, const ej_term *terms, const ej_term *out, int32_t *ids, ej_job *job)
{
    size_t room = out->n;
    for (uint32_t t = 0; t < n; t++) room += terms[t].n;
    *made = (ej_bound_node){.op = EJ_OP_EINSUM,
                            .fn = like->fn,
                            .combine = like->combine,
                            .dtype = like->dtype,
                            .name = like->name,
                            .n_in = n};
    numbering numbers = {.id = ids, .old = EJ_JOB_ARRAY(job, int32_t, room)};
    ej_subscripts *s = EJ_JOB_NEW(job, ej_subscripts);
    made->in = EJ_JOB_ARRAY(job, ej_value, n);
    if (!numbers.old || !s || !made->in) return ej_no_memory(job->err);
    if (n) memcpy(made->in, in, n * sizeof *in);
    s->n_terms = n;
    s->terms = EJ_JOB_ARRAY(job, ej_term, n);
    if (!s->terms) return ej_no_memory(job->err);
    for (uint32_t t = 0; t < n; t++)
        if (!renumber(&s->terms[t], &terms[t], &numbers, job)) return ej_no_memory(job->err);
    if (!renumber(&s->out, out, &numbers, job)) return ej_no_memory(job->err);
    s->n_labels = numbers.n;
    made->subscripts = s;
    for (uint32_t l = 0; l < numbers.n; l++) ids[numbers.old[l]] = 0;
    EJ_TRY(keep_symbols(s, like->subscripts, &numbers, job));
    return set_extents(made, bound, like, &numbers, job);
}
