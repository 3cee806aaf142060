/* path_peak.c - the order of a path's steps in which the fewest elements live at a time.
 *
 * Takes  a path. Gives the same steps, subtree by subtree, and the most elements of intermediates that live at once:
 *        at each step its result and what is waiting. Operands and the last result are the caller's and do not count.
 * Rule   of two subtrees the one is computed first whose steps need more beyond what it leaves behind.
 * Source: Liu: On the storage requirement in the out-of-core multifrontal method for sparse factorization, ACM TOMS
 *        12(3), 1986: no other order by subtrees needs less.
 */
#include <math.h>
#include <string.h>

#include "path_sets.h"

typedef struct order {
    int32_t n, n_steps; /* operands; ids are those of the path */
    const ej_path_step *steps;
    double *size, *peak; /* per step: elements of its result, and of all that lives on the way to it */
    bool *swapped;       /* b's subtree comes first */
} order;

static double held(const order *o, int32_t id)
{
    return id < o->n ? 0 : o->size[id - o->n];
}

static double needed(const order *o, int32_t id)
{
    return id < o->n ? 0 : o->peak[id - o->n];
}

static double in_turn(const order *o, int32_t first, int32_t then)
{
    return fmax(needed(o, first), held(o, first) + needed(o, then));
}

static void plan_step(order *o, int32_t s)
{
    int32_t a = o->steps[s].a, b = o->steps[s].b;
    double before = needed(o, a), both = held(o, a) + o->size[s];
    if (b >= 0) {
        double other = in_turn(o, b, a);
        before = in_turn(o, a, b);
        both += held(o, b);
        if (other < before) o->swapped[s] = true, before = other;
    }
    o->peak[s] = fmax(before, both);
}

static int measure(order *o, const ej_network *network, ej_job *job)
{
    ej_label_sets sets;
    EJ_TRY(ej_label_sets_init(&sets, network, true, (size_t)o->n_steps, job));
    for (int32_t s = 0; s < o->n_steps; s++) {
        int32_t made = ej_label_sets_merge(&sets, o->steps[s].a, o->steps[s].b, NULL);
        double log2_size = ej_big_log2(sets.size[made]);
        o->size[s] = exp2(log2_size < 1000 ? log2_size : 1000);
        if (s + 1 == o->n_steps) o->size[s] = 0;
        plan_step(o, s);
    }
    return EINJIT_OK;
}

/* In the order of the path. */
static double peak_as_is(const order *o)
{
    double live = 0, peak = 0;
    for (int32_t s = 0; s < o->n_steps; s++) {
        live += o->size[s];
        peak = fmax(peak, live);
        live -= held(o, o->steps[s].a);
        if (o->steps[s].b >= 0) live -= held(o, o->steps[s].b);
    }
    return peak;
}

static int reorder(const order *o, ej_path_step *out, ej_job *job)
{
    size_t ids = (size_t)o->n + (size_t)o->n_steps;
    int32_t *name = EJ_JOB_ARRAY(job, int32_t, ids), *stack = EJ_JOB_ARRAY(job, int32_t, ids);
    int32_t depth = 0, made = 0;
    if (!name || !stack) return ej_no_memory(job->err);
    for (int32_t id = 0; id < o->n + o->n_steps; id++) name[id] = id < o->n ? id : -1;
    stack[depth++] = o->n + o->n_steps - 1;
    while (depth) {
        int32_t id = stack[depth - 1], s = id - o->n, a = o->steps[s].a, b = o->steps[s].b;
        bool waits_a = name[a] < 0, waits_b = b >= 0 && name[b] < 0;
        if (waits_a && (!waits_b || !o->swapped[s])) stack[depth++] = a;
        else if (waits_b) stack[depth++] = b;
        if (waits_a || waits_b) continue;
        depth--;
        out[made] = (ej_path_step){name[a], b < 0 ? -1 : name[b]};
        name[id] = o->n + made++;
    }
    return EINJIT_OK;
}

int ej_path_order(ej_path *path, const ej_network *network, bool keep, ej_job *job)
{
    size_t n = (size_t)path->n_steps;
    order o = {.n = network->n_terms,
               .n_steps = path->n_steps,
               .steps = path->steps,
               .size = EJ_JOB_ARRAY(job, double, n),
               .peak = EJ_JOB_ARRAY(job, double, n),
               .swapped = EJ_JOB_ARRAY(job, bool, n)};
    ej_path_step *steps = EJ_JOB_ARRAY(job, ej_path_step, n);
    if (!o.size || !o.peak || !o.swapped || !steps) return ej_no_memory(job->err);
    path->log2_peak = -INFINITY;
    if (!n) return EINJIT_OK;
    EJ_TRY(measure(&o, network, job));
    double before = peak_as_is(&o), after = o.peak[n - 1];
    keep = keep || before <= after;
    path->log2_peak = log2(keep ? before : after);
    if (keep) return EINJIT_OK;
    EJ_TRY(reorder(&o, steps, job));
    path->steps = steps;
    return EINJIT_OK;
}
