/* plan_choose.c - values that can be computed in several ways: one of them is planned.
 *
 * Takes  a bound graph.
 * Gives  the same graph in which the users of a CHOOSE use one of its alternatives; what only the others need is dead, and
 *        is not planned. It is the first one, or with random choices any.
 * Keeps  the caller's graph as it is: nodes are copied.
 */
#include <string.h>

#include "plan_core.h"

static uint32_t pick(const ej_job *job, ej_value v, uint32_t n)
{
    uint64_t words[2] = {ej_job_random(job), (uint64_t)v};
    return words[0] ? (uint32_t)(ej_hash64(words, sizeof words, 0) % n) : 0;
}

static int use_chosen(ej_bound *bound, const ej_value *chosen, ej_job *job)
{
    for (size_t v = 0; v < bound->n_nodes; v++) {
        ej_bound_node *node = &bound->nodes[v];
        ej_value *in = EJ_JOB_ARRAY(job, ej_value, node->n_in);
        if (!in) return ej_no_memory(job->err);
        for (uint32_t i = 0; i < node->n_in; i++) in[i] = chosen[node->in[i]];
        node->in = in;
    }
    for (size_t o = 0; o < bound->n_outputs; o++) bound->outputs[o] = chosen[bound->outputs[o]];
    return EINJIT_OK;
}

int ej_plan_choose(const ej_bound *bound, ej_job *job, const ej_bound **out)
{
    size_t n = 0;
    *out = bound;
    for (size_t v = 0; v < bound->n_nodes; v++) n += bound->nodes[v].op == EJ_OP_CHOOSE;
    if (!n) return EINJIT_OK;
    ej_bound *copy = EJ_JOB_NEW(job, ej_bound);
    ej_value *chosen = EJ_JOB_ARRAY(job, ej_value, bound->n_nodes);
    if (!copy || !chosen) return ej_no_memory(job->err);
    *copy = *bound;
    copy->nodes = EJ_JOB_ARRAY(job, ej_bound_node, bound->n_nodes);
    copy->outputs = EJ_JOB_ARRAY(job, ej_value, bound->n_outputs);
    if (!copy->nodes || !copy->outputs) return ej_no_memory(job->err);
    if (bound->n_outputs) memcpy(copy->outputs, bound->outputs, bound->n_outputs * sizeof *bound->outputs);
    for (size_t v = 0; v < bound->n_nodes; v++) {
        const ej_bound_node *node = &bound->nodes[v];
        copy->nodes[v] = *node;
        chosen[v] = node->op == EJ_OP_CHOOSE ? chosen[node->in[pick(job, (ej_value)v, node->n_in)]] : (ej_value)v;
    }
    copy->cap_nodes = copy->n_nodes;
    *out = copy;
    return use_chosen(copy, chosen, job);
}
