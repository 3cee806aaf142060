/* path_optimal.c - the fewest operations: dynamic programming over all subsets of the operands.
 *
 * Takes  a network of up to EJ_OPTIMAL_LIMIT operands.
 * Gives  the best of all trees of pairs, outer products included.
 * Keeps  per subset its cost and best split. What a subset's result keeps depends on the subset alone: the labels that
 *        the output or an operand outside of it has. So the table is exact also for labels in three or more operands.
 *
 * Labels that the same operands have stay or go together; they are one group here. 3^n / 2 splits.
 */
#include <stdlib.h>
#include <string.h>

#include "path_sets.h"

enum { POLL_SETS = 64 };

typedef struct label_group {
    uint32_t members; /* operands that have it, bit EJ_OPTIMAL_LIMIT: the output */
    ej_big extent;
} label_group;

typedef struct search {
    int32_t n;
    int32_t n_groups;
    label_group *groups;
    int32_t words;          /* of a set of groups */
    uint64_t *kept;         /* per subset: groups its result has, `words` words each */
    ej_big *size, *cost, *write;
    uint32_t *split;
    ej_big private_extent[EJ_OPTIMAL_LIMIT]; /* of labels that one operand alone has */
} search;

static int compare_members(const void *a, const void *b)
{
    const label_group *x = a, *y = b;
    return (x->members > y->members) - (x->members < y->members);
}

static bool is_private(uint32_t members)
{
    return members && !(members & (members - 1)) && members < 1u << EJ_OPTIMAL_LIMIT;
}

/* One group per set of operands; private labels are set aside. */
static int make_groups(search *s, const ej_network *net, ej_job *job)
{
    label_group *all = EJ_JOB_ARRAY(job, label_group, (size_t)net->n_labels);
    if (!all) return ej_no_memory(job->err);
    for (int32_t l = 0; l < net->n_labels; l++)
        all[l].extent = ej_big_of(net->extents[l] ? (double)net->extents[l] : 1.0);
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) all[net->terms[t].labels[i]].members |= 1u << t;
    for (uint32_t i = 0; i < net->out.n; i++) all[net->out.labels[i]].members |= 1u << EJ_OPTIMAL_LIMIT;
    if (net->n_labels) qsort(all, (size_t)net->n_labels, sizeof *all, compare_members);
    for (int32_t t = 0; t < s->n; t++) s->private_extent[t] = ej_big_of(1);
    s->groups = all;
    for (int32_t l = 0; l < net->n_labels; l++) {
        label_group group = all[l];
        if (!(group.members & ((1u << EJ_OPTIMAL_LIMIT) - 1))) continue;
        if (is_private(group.members)) {
            int32_t t = 0;
            while (group.members >> t != 1) t++;
            s->private_extent[t] = ej_big_mul(s->private_extent[t], group.extent);
        } else if (s->n_groups && all[s->n_groups - 1].members == group.members) {
            all[s->n_groups - 1].extent = ej_big_mul(all[s->n_groups - 1].extent, group.extent);
        } else {
            all[s->n_groups++] = group;
        }
    }
    return EINJIT_OK;
}

static int make_tables(search *s, ej_job *job)
{
    size_t subsets = (size_t)1 << s->n;
    s->words = (s->n_groups + 63) / 64;
    s->kept = EJ_JOB_ARRAY(job, uint64_t, subsets * (size_t)s->words);
    s->size = EJ_JOB_ARRAY(job, ej_big, subsets);
    s->cost = EJ_JOB_ARRAY(job, ej_big, subsets);
    s->write = EJ_JOB_ARRAY(job, ej_big, subsets);
    s->split = EJ_JOB_ARRAY(job, uint32_t, subsets);
    if (!s->kept || !s->size || !s->cost || !s->write || !s->split) return ej_no_memory(job->err);
    for (uint32_t set = 1; set < subsets; set++) {
        if (!(set % POLL_SETS)) EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, 0));
        uint64_t *kept = s->kept + (size_t)set * (size_t)s->words;
        ej_big size = ej_big_of(1);
        for (int32_t g = 0; g < s->n_groups; g++) {
            if (!(s->groups[g].members & set) || !(s->groups[g].members & ~set)) continue;
            kept[g / 64] |= (uint64_t)1 << (g % 64);
            size = ej_big_mul(size, s->groups[g].extent);
        }
        s->size[set] = size;
    }
    return EINJIT_OK;
}

/* Extents of all labels that either subset's result has, multiplied. */
static ej_big union_size(const search *s, uint32_t a, uint32_t b)
{
    const uint64_t *ka = s->kept + (size_t)a * (size_t)s->words, *kb = s->kept + (size_t)b * (size_t)s->words;
    ej_big size = s->size[a];
    for (int32_t w = 0; w < s->words; w++) {
        int32_t g = 64 * w;
        for (uint64_t bits = kb[w] & ~ka[w]; bits; bits >>= 1, g++)
            if (bits & 1) size = ej_big_mul(size, s->groups[g].extent);
    }
    return size;
}

/* Labels of one operand alone are summed before the step or in it, whatever is less work. */
static ej_big step_cost(const search *s, uint32_t a, uint32_t b)
{
    ej_big both = union_size(s, a, b), best = both;
    ej_big private_a = ej_big_of(1), private_b = ej_big_of(1);
    for (int32_t t = 0; t < s->n; t++) {
        if (a == 1u << t) private_a = s->private_extent[t];
        if (b == 1u << t) private_b = s->private_extent[t];
    }
    if (private_a.m == 1 && !private_a.e && private_b.m == 1 && !private_b.e) return both;
    for (int choice = 0; choice < 4; choice++) {
        ej_big cost = both, extra = ej_big_of(0);
        if (choice & 1) extra = ej_big_add(extra, ej_big_mul(s->size[a], private_a));
        else cost = ej_big_mul(cost, private_a);
        if (choice & 2) extra = ej_big_add(extra, ej_big_mul(s->size[b], private_b));
        else cost = ej_big_mul(cost, private_b);
        cost = ej_big_add(cost, extra);
        if (!choice || ej_big_less(cost, best)) best = cost;
    }
    return best;
}

static void solve(search *s, uint32_t set)
{
    uint32_t low = set & (~set + 1), rest = set ^ low;
    bool found = false;
    for (uint32_t sub = (rest - 1) & rest;; sub = (sub - 1) & rest) { /* the part that is joined to `low` */
        uint32_t a = low | sub, b = set ^ a;
        ej_big parts = ej_big_add(s->cost[a], s->cost[b]);
        if (!found || ej_big_compare(parts, s->cost[set]) <= 0) {
            ej_big cost = ej_big_add(parts, step_cost(s, a, b));
            ej_big write = ej_big_add(ej_big_add(s->write[a], s->write[b]), s->size[set]);
            int order = found ? ej_big_compare(cost, s->cost[set]) : -1;
            if (order < 0 || (order == 0 && ej_big_less(write, s->write[set]))) { /* even: less memory */
                s->cost[set] = cost;
                s->write[set] = write;
                s->split[set] = a;
                found = true;
            }
        }
        if (!sub) break;
    }
}

/* Steps of a subset, operands before results; at most EJ_OPTIMAL_LIMIT deep. Returns the subset's id. */
static int32_t emit(const search *s, uint32_t set, ej_path *path)
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

int ej_path_optimal(ej_path *out, const ej_network *network, ej_job *job)
{
    search s = {.n = network->n_terms};
    if (s.n > EJ_OPTIMAL_LIMIT)
        return ej_fail(job->err, EINJIT_E_LIMIT, "path strategy 'optimal' takes up to %d operands, here are %d",
                       EJ_OPTIMAL_LIMIT, s.n);
    out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)s.n);
    if (!out->steps) return ej_no_memory(job->err);
    EJ_TRY(make_groups(&s, network, job));
    EJ_TRY(make_tables(&s, job));
    for (uint32_t set = 1; set < 1u << s.n; set++) {
        if (!(set % POLL_SETS)) EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, (double)set / (1u << s.n)));
        if (set & (set - 1)) solve(&s, set);
    }
    emit(&s, (1u << s.n) - 1, out);
    return EINJIT_OK;
}
