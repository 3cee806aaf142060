/* path_subsets.c - dynamic programming over all subsets of a few operands.
 *
 * Takes  operands by their labels: for each label who has it, and its extent.
 * Gives  the best of all trees of pairs, outer products included.
 * Keeps  per subset its cost and best split. What a subset's result keeps depends on the subset alone: the labels that
 *        the result or an operand outside of it has. So the table is exact also for labels in three or more operands.
 *
 * A step that makes `set` from a and b runs over the labels that set has, without those that a or b had alone and
 * summed: touch(set) / (inside(a) * inside(b)). Numbers are doubles, exact for whole numbers below 2^53 so that paths
 * of equal cost compare as equal; where the product of all extents is beyond doubles, logarithms.
 */
#include "path_subsets.h"

#include <math.h>
#include <string.h>

typedef struct ej_subset_group {
    uint32_t members;
    double extent, log2_extent;
} ej_subset_group;

static const uint32_t result_bit = 1u << EJ_OPTIMAL_LIMIT;

int ej_subsets_new(ej_subsets *out, int32_t most, size_t labels, ej_job *job)
{
    size_t subsets = (size_t)1 << most, room = 16;
    while (room < 2 * labels) room *= 2;
    *out = (ej_subsets){.most = most, .room = (int32_t)room};
    out->groups = EJ_JOB_ARRAY(job, ej_subset_group, labels + 1);
    out->index = EJ_JOB_ARRAY(job, uint64_t, room);
    out->touch = EJ_JOB_ARRAY(job, double, 4 * subsets);
    out->split = EJ_JOB_ARRAY(job, uint32_t, subsets);
    if (!out->groups || !out->index || !out->touch || !out->split) return ej_no_memory(job->err);
    out->inside = out->touch + subsets;
    out->cost = out->inside + subsets;
    out->write = out->cost + subsets;
    return EINJIT_OK;
}

static size_t place_of(const ej_subsets *s, uint32_t members)
{
    size_t mask = (size_t)s->room - 1, at = (members * UINT32_C(2654435761) >> 7) & mask;
    while (s->index[at] && (uint32_t)s->index[at] != members) at = (at + 1) & mask;
    return at;
}

void ej_subsets_begin(ej_subsets *s, int32_t n)
{
    for (int32_t g = s->n_groups - 1; g >= 0; g--) s->index[place_of(s, s->groups[g].members)] = 0;
    s->n = n;
    s->n_groups = 0;
    s->with_alone = 0;
    for (int32_t t = 0; t < n; t++) s->alone[t] = 1, s->log2_alone[t] = 0;
}

void ej_subsets_label(ej_subsets *s, uint32_t members, double extent, double log2_extent)
{
    if (!(members & (result_bit - 1))) return;
    if (!(members & (members - 1))) {
        int32_t t = 0;
        while (members >> t != 1) t++;
        s->alone[t] *= extent;
        s->log2_alone[t] += log2_extent;
        if (log2_extent > 0) s->with_alone |= members;
        return;
    }
    size_t at = place_of(s, members);
    if (s->index[at]) {
        ej_subset_group *g = &s->groups[s->index[at] >> 32];
        g->extent *= extent;
        g->log2_extent += log2_extent;
        return;
    }
    s->index[at] = (uint64_t)s->n_groups << 32 | members;
    s->groups[s->n_groups++] = (ej_subset_group){members, extent, log2_extent};
}

/* ---- the tables ---- */

/* Both factors of the subsets whose highest operand is t. */
static void extend(ej_subsets *s, int32_t t, bool wide)
{
    uint32_t bit = 1u << t;
    double *touch = s->touch + bit, *inside = s->inside + bit, none = wide ? 0 : 1;
    memcpy(touch, s->touch, bit * sizeof *touch);
    memcpy(inside, s->inside, bit * sizeof *inside);
    for (int32_t g = 0; g < s->n_groups; g++) {
        uint32_t others = s->groups[g].members ^ bit;
        double extent = wide ? s->groups[g].log2_extent : s->groups[g].extent;
        if (!(s->groups[g].members & bit)) continue;
        if (wide)
            for (uint32_t r = 0; r < bit; r++) touch[r] += others & r ? none : extent;
        else
            for (uint32_t r = 0; r < bit; r++) touch[r] *= others & r ? none : extent;
        if (others >> t) continue; /* an operand behind t has it, or the result */
        for (uint32_t r = others; r < bit; r = (r + 1) | others)
            inside[r] = wide ? inside[r] + extent : inside[r] * extent;
    }
}

static inline double add(double a, double b, bool wide)
{
    if (!wide) return a + b;
    double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log2(1 + exp2(low - high));
}

static inline double times(double a, double b, bool wide)
{
    return wide ? a + b : a * b;
}

static inline double counted(const ej_subsets *s, double step, bool sums, bool wide)
{
    return !s->twice || !sums ? step : wide ? step + 1 : 2 * step;
}

/* Labels of one operand alone are summed before the step or in it, whatever is less work. */
static double step_with_alone(const ej_subsets *s, uint32_t a, uint32_t b, double both, bool sums, bool wide)
{
    double alone[2], size[2], best = 0, nothing = wide ? 0 : 1;
    const uint32_t sets[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        bool one = !(sets[k] & (sets[k] - 1));
        int32_t t = 0;
        while (one && sets[k] >> t != 1) t++;
        alone[k] = !one ? nothing : wide ? s->log2_alone[t] : s->alone[t];
        size[k] = s->touch[sets[k]];
    }
    for (int choice = 0; choice < 4; choice++) {
        double cost = both, extra = wide ? -INFINITY : 0;
        bool in_step = sums;
        for (int k = 0; k < 2; k++) {
            if (choice >> k & 1) {
                extra = add(extra, counted(s, times(size[k], alone[k], wide), true, wide), wide);
            } else {
                cost = times(cost, alone[k], wide);
                in_step |= alone[k] > nothing;
            }
        }
        cost = add(counted(s, cost, in_step, wide), extra, wide);
        if (!choice || cost < best) best = cost;
    }
    return best;
}

static inline bool sums_alone(const ej_subsets *s, uint32_t set)
{
    return !(set & (set - 1)) && set & s->with_alone;
}

static inline void solve_set(ej_subsets *s, uint32_t set, bool wide)
{
    const double *cost = s->cost, *inside = s->inside;
    uint32_t low = set & (~set + 1), rest = set ^ low, split = low;
    double touch = s->touch[set], best = INFINITY, least = INFINITY;
    const double even = wide ? 1e-9 : 0; /* logarithms of equal numbers that were added up differently */
    double size = wide ? touch - inside[set] : touch / inside[set];
    for (uint32_t sub = (rest - 1) & rest;; sub = (sub - 1) & rest) { /* the part that is joined to `low` */
        uint32_t a = low | sub, b = set ^ a;
        double parts = add(cost[a], cost[b], wide);
        if (wide ? parts <= best + even : parts < best) { /* a step costs at least 1, which logarithms may not show */
            double step = wide ? touch - inside[a] - inside[b] : touch / (inside[a] * inside[b]);
            bool sums = step > size + even;
            if (s->with_alone && (sums_alone(s, a) || sums_alone(s, b)))
                step = step_with_alone(s, a, b, step, sums, wide);
            else step = counted(s, step, sums, wide);
            step = add(parts, step, wide);
            if (step <= best + even) {
                double write = add(s->write[a], s->write[b], wide);
                if (step < best - even || write < least - even) /* even: the one that writes less */
                    best = step, least = write, split = a;
            }
        }
        if (!sub) break;
    }
    s->cost[set] = best;
    s->write[set] = add(least, size, wide);
    s->split[set] = split;
}

enum { POLL_SETS = 64 };

int ej_subsets_solve(ej_subsets *s, const ej_job *job)
{
    double total = 0;
    for (int32_t g = 0; g < s->n_groups; g++) total += s->groups[g].log2_extent;
    for (int32_t t = 0; t < s->n; t++) total += s->log2_alone[t];
    s->wide = !(total < 900);
    s->touch[0] = s->inside[0] = s->wide ? 0 : 1;
    for (int32_t t = 0; t < s->n; t++) extend(s, t, s->wide);
    for (uint32_t set = 1; set < 1u << s->n; set++) {
        if (job && !(set % POLL_SETS)) EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, (double)set / (1u << s->n)));
        if (!(set & (set - 1))) s->cost[set] = s->write[set] = s->wide ? -INFINITY : 0;
        else if (s->wide) solve_set(s, set, true);
        else solve_set(s, set, false);
    }
    return EINJIT_OK;
}
