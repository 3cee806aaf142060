/* path_written.c - the operands from left to right, as the program has them: the path of strict compiles.
 *
 * Takes  a network.
 * Gives  the first two operands, then their product with the third one, and so on.
 */
#include "path_sets.h"

int ej_path_written(ej_path *out, const ej_network *network, ej_job *job)
{
    int32_t n = network->n_terms;
    out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)n);
    if (!out->steps) return ej_no_memory(job->err);
    for (int32_t t = 1; t < n; t++) out->steps[out->n_steps++] = (ej_path_step){t == 1 ? 0 : n + t - 2, t};
    return EINJIT_OK;
}
