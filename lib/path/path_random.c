/* path_random.c - any order of pairs, for tests: plans that no search would choose must be right, too.
 *
 * Takes  the seed behind "random:" (none: 1). Gives a path, the same one for the same seed and network.
 */
#include "path_sets.h"

int ej_path_random(ej_path *out, const ej_network *network, ej_job *job)
{
    int32_t n = network->n_terms, live = n;
    uint64_t state = ej_job_random(job) + (uint64_t)n;
    int32_t *ids = EJ_JOB_ARRAY(job, int32_t, (size_t)n);
    out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)n);
    if (!ids || !out->steps) return ej_no_memory(job->err);
    for (int32_t i = 0; i < n; i++) ids[i] = i;
    while (live > 1) {
        int32_t pick[2];
        for (int k = 0; k < 2; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            int32_t at = (int32_t)((state >> 33) % (uint64_t)live);
            pick[k] = ids[at];
            ids[at] = ids[--live];
        }
        out->steps[out->n_steps] = (ej_path_step){pick[0], pick[1]};
        ids[live++] = n + out->n_steps++;
    }
    return EINJIT_OK;
}
