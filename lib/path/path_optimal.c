/* path_optimal.c - the fewest operations of all orders of pairs (path_subsets.c), for a network.
 *
 * Takes  a network of up to EJ_OPTIMAL_LIMIT operands.
 * Gives  the best of all trees of pairs, outer products included: by multiplications ("optimal"), or by operations as
 *        opt_einsum counts them, twice the multiplications where a step sums ("dp").
 */
#include <math.h>

#include "path_sets.h"
#include "path_subsets.h"

/* Steps of a subset, operands before results; at most EJ_OPTIMAL_LIMIT deep. Returns the subset's id. */
static int32_t emit(const ej_subsets *s, uint32_t set, ej_path *path)
{
    if (!(set & (set - 1))) {
        int32_t t = 0;
        while (set >> t != 1) t++;
        return t;
    }
    int32_t a = emit(s, s->split[set], path), b = emit(s, set ^ s->split[set], path);
    path->steps[path->n_steps] = (ej_path_step){a, b};
    return s->n + path->n_steps++;
}

static int solve(ej_path *out, const ej_network *network, bool twice, const char *name, ej_job *job)
{
    ej_subsets s;
    int32_t n = network->n_terms;
    size_t n_labels = (size_t)network->n_labels;
    if (n > EJ_OPTIMAL_LIMIT)
        return ej_fail(job->err, EINJIT_E_LIMIT, "path strategy '%s' takes up to %d operands, here are %d", name,
                       EJ_OPTIMAL_LIMIT, (int)n);
    uint32_t *members = EJ_JOB_ARRAY(job, uint32_t, n_labels);
    out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)n);
    if (!out->steps || !members) return ej_no_memory(job->err);
    EJ_TRY(ej_subsets_new(&s, n, n_labels, job));
    s.twice = twice;
    ej_subsets_begin(&s, n);
    for (int32_t t = 0; t < n; t++)
        for (uint32_t i = 0; i < network->terms[t].n; i++) members[network->terms[t].labels[i]] |= 1u << t;
    for (uint32_t i = 0; i < network->out.n; i++) members[network->out.labels[i]] |= 1u << EJ_OPTIMAL_LIMIT;
    for (size_t l = 0; l < n_labels; l++) {
        double extent = network->extents[l] ? (double)network->extents[l] : 1; /* 0: see path_sets.h */
        if (members[l] && extent > 1) ej_subsets_label(&s, members[l], extent, log2(extent));
    }
    EJ_TRY(ej_subsets_solve(&s, job));
    emit(&s, (1u << n) - 1, out);
    return EINJIT_OK;
}

int ej_path_optimal(ej_path *out, const ej_network *network, ej_job *job)
{
    return solve(out, network, false, "optimal", job);
}

int ej_path_dp(ej_path *out, const ej_network *network, ej_job *job)
{
    return solve(out, network, true, "dp", job);
}
