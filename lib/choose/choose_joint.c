/* choose_joint.c - paths of einsums that have operands in common: together they are to cost the least.
 *
 * Takes  a bound graph.
 * Gives  a path for every einsum that is taken in pairs. Einsums that share two operands or more are looked at
 *        together: paths that make the same intermediates may each be longer than the best and still cost less in sum,
 *        because choose_share.c leaves one of each. Results of one path may stand beside the others' whole einsums too.
 * Keeps  the best path of each, where no others were found whose cost (operations, then bytes, counted on the graph
 *        that comes out) is less: of every group, and of the whole graph.
 * Size   near-linear: groups are bounded, and so is the work on them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose_joint.h"

enum {
    MOST_MEMBERS = 1024,     /* of a group */
    MOST_OPERANDS = 1 << 16, /* of a group, all members together */
    ALL_PAIRS = 32,          /* operands of an einsum of which all pairs are compared with those of others; */
    NEAR_PAIRS = 8,          /* beyond, of each operand those with so many next ones */
    TRIALS = 3               /* einsums of a group along whose paths the others are tried */
};
static const double most_work = 3e6; /* splits of all tables together: some 100 ms */

typedef struct joint {
    const ej_bound *bound;
    ej_job *job;
    ej_path *paths; /* per node */
    size_t n;
    ej_value *einsums; /* in pairs, ascending */
    int32_t *group;    /* per einsum: of the same group, the first one in the end */
    size_t n_slots;
    ej_value *slot_pair;  /* 2 per slot */
    int32_t *slot_einsum; /* the first that has the pair, -1: free */
    ej_candidate trial;
    ej_arena memory; /* of one group, or one search */
    double work;
    size_t n_changed;
} joint;

static int keep_path(joint *j, ej_value v, const ej_path *path)
{
    ej_path *out = &j->paths[v];
    *out = *path;
    out->steps = EJ_JOB_ARRAY(j->job, ej_path_step, (size_t)path->n_steps);
    if (!out->steps) return ej_no_memory(j->job->err);
    memcpy(out->steps, path->steps, (size_t)path->n_steps * sizeof *path->steps);
    return EINJIT_OK;
}

/* ---- groups ---- */

static int32_t root_of(joint *j, int32_t i)
{
    while (j->group[i] != i) i = j->group[i] = j->group[j->group[i]];
    return i;
}

/* Operands that are no scalars, ascending. */
static int sorted_values(const joint *j, ej_value v, ej_value **out, size_t *n, ej_job *job)
{
    const ej_bound_node *node = &j->bound->nodes[v];
    *n = 0;
    *out = EJ_JOB_ARRAY(job, ej_value, node->n_in);
    if (!*out) return ej_no_memory(job->err);
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!ej_is_scalar_operand(j->bound, node->in[i])) (*out)[(*n)++] = node->in[i];
    qsort(*out, *n, sizeof **out, ej_compare_labels);
    return EINJIT_OK;
}

static size_t reach(size_t n)
{
    return n <= ALL_PAIRS ? n : NEAR_PAIRS;
}

static void meet(joint *j, int32_t einsum, ej_value a, ej_value b)
{
    const ej_value pair[2] = {a, b};
    size_t slot = (size_t)ej_hash64(pair, sizeof pair, 0) & (j->n_slots - 1);
    while (j->slot_einsum[slot] >= 0 && memcmp(&j->slot_pair[2 * slot], pair, sizeof pair))
        slot = (slot + 1) & (j->n_slots - 1);
    if (j->slot_einsum[slot] < 0) {
        memcpy(&j->slot_pair[2 * slot], pair, sizeof pair);
        j->slot_einsum[slot] = einsum;
        return;
    }
    int32_t x = root_of(j, j->slot_einsum[slot]), y = root_of(j, einsum);
    if (x < y) j->group[y] = x;
    else j->group[x] = y;
}

static int meet_all(joint *j)
{
    size_t n, pairs = 1;
    ej_value *values;
    for (size_t i = 0; i < j->n; i++) {
        size_t n_in = j->bound->nodes[j->einsums[i]].n_in;
        pairs += n_in * reach(n_in);
    }
    for (j->n_slots = 16; j->n_slots < pairs;) j->n_slots *= 2;
    j->slot_pair = EJ_JOB_ARRAY(j->job, ej_value, 2 * j->n_slots);
    j->slot_einsum = EJ_JOB_ARRAY(j->job, int32_t, j->n_slots);
    if (!j->slot_pair || !j->slot_einsum) return ej_no_memory(j->job->err);
    memset(j->slot_einsum, -1, j->n_slots * sizeof *j->slot_einsum);
    for (size_t i = 0; i < j->n; i++) {
        EJ_TRY(sorted_values(j, j->einsums[i], &values, &n, j->job));
        for (size_t a = 0; a < n; a++)
            for (size_t b = a + 1; b < n && b <= a + reach(n); b++) meet(j, (int32_t)i, values[a], values[b]);
    }
    return EINJIT_OK;
}

/* Of one einsum: two pairs of its operands may be the same one. */
static int repeats_itself(const joint *j, ej_value v, bool *out, ej_job *job)
{
    ej_value *values;
    size_t n, twice = 0;
    EJ_TRY(sorted_values(j, v, &values, &n, job));
    for (size_t i = 0; i + 1 < n; i++)
        if (values[i] == values[i + 1]) twice++, i++;
    *out = twice > 1;
    return EINJIT_OK;
}

/* ---- what is tried in a group ---- */

static int make_member(ej_member *m, const joint *j, ej_value v, ej_job *job)
{
    *m = (ej_member){.v = v, .node = &j->bound->nodes[v], .own = j->paths[v]};
    EJ_TRY(ej_einsum_network(&m->net, j->bound, m->node, job));
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, m->node->n_in);
    m->values = EJ_JOB_ARRAY(job, ej_value, m->node->n_in);
    if (!terms || !m->values) return ej_no_memory(job->err);
    m->terms = terms;
    for (uint32_t i = 0; i < m->node->n_in; i++) {
        if (ej_is_scalar_operand(j->bound, m->node->in[i])) continue;
        terms[m->n] = m->node->subscripts->terms[i];
        m->values[m->n++] = m->node->in[i];
    }
    return EINJIT_OK;
}

typedef struct group {
    joint *j;
    ej_job *job; /* memory of this group */
    size_t n;
    ej_member *members;
    ej_path *now;           /* those that are being tried */
    const ej_path **now_at; /* per member: its path among them */
    ej_path *best;
    ej_count best_count;
    bool changed;
    ej_candidate_node *items;
} group;

static int start_group(group *g, joint *j, const int32_t *members, size_t n, ej_job *job)
{
    *g = (group){.j = j, .job = job, .n = n};
    g->members = EJ_JOB_ARRAY(job, ej_member, n);
    g->now = EJ_JOB_ARRAY(job, ej_path, n);
    g->now_at = EJ_JOB_ARRAY(job, const ej_path *, n);
    g->best = EJ_JOB_ARRAY(job, ej_path, n);
    g->items = EJ_JOB_ARRAY(job, ej_candidate_node, n);
    if (!g->members || !g->now || !g->now_at || !g->best || !g->items) return ej_no_memory(job->err);
    for (size_t i = 0; i < n; i++) {
        EJ_TRY(make_member(&g->members[i], j, j->einsums[members[i]], job));
        g->now_at[i] = &g->now[i];
    }
    return EINJIT_OK;
}

/* Counts what the present paths cost; the best ones stay. */
static int try_paths(group *g, bool first)
{
    ej_count count;
    for (size_t i = 0; i < g->n; i++)
        g->items[i] = (ej_candidate_node){g->members[i].v, g->members[i].node, &g->now[i], true};
    EJ_TRY(ej_candidate_run(&g->j->trial, g->n, g->items, &count));
    if (!first && !ej_cost_less(count, g->best_count)) return EINJIT_OK;
    g->changed = !first;
    g->best_count = count;
    memcpy(g->best, g->now, g->n * sizeof *g->now);
    return EINJIT_OK;
}

static void take_own(group *g)
{
    for (size_t i = 0; i < g->n; i++) g->now[i] = g->members[i].own;
}

static int take_along(group *g, size_t other)
{
    for (size_t i = 0; i < g->n; i++) {
        g->now[i] = g->members[i].own;
        if (i != other && g->members[i].n > 2)
            EJ_TRY(ej_path_along(&g->now[i], &g->members[i], &g->members[other], g->job));
    }
    return EINJIT_OK;
}

/* The einsums whose paths the others are to follow: of those with the most operands, some that lie apart. */
static size_t choose_guides(const group *g, size_t guides[TRIALS])
{
    int32_t most = 0;
    size_t n = 0, count = 0, seen = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->members[i].n > most) most = g->members[i].n, n = 0;
        n += g->members[i].n == most;
    }
    for (size_t i = 0; i < g->n && count < TRIALS; i++)
        if (g->members[i].n == most && seen++ == count * (n - 1) / (TRIALS - 1)) guides[count++] = i;
    return count;
}

/* So many members, the first ones, that a round of the table is within the work; *fit: those of them that fit. */
static size_t affordable(const group *g, size_t *fit)
{
    double left = g->j->work;
    size_t n = 0;
    *fit = 0;
    for (; n < g->n && left > 0; n++) {
        if (!ej_fits_table(&g->members[n])) continue;
        left -= pow(3, g->members[n].n) / 2;
        ++*fit;
    }
    return n;
}

static int search_group(group *g)
{
    size_t guides[TRIALS], n_guides = choose_guides(g, guides), fit;
    ej_joint_table *table;
    EJ_TRY(ej_table_begin(&table, g->members, affordable(g, &fit), g->job));
    take_own(g);
    EJ_TRY(try_paths(g, true));
    ej_table_improve(table, g->now_at, &g->j->work);
    for (size_t i = 0; i < n_guides && g->n > 1 && !EJ_LEFT_OUT(JOINT_ALONG); i++) {
        EJ_TRY(take_along(g, guides[i]));
        ej_table_improve(table, g->now_at, &g->j->work);
        if (fit < g->n) EJ_TRY(try_paths(g, false));
    }
    if (g->j->work <= 0) return EINJIT_OK;
    ej_table_improve(table, NULL, &g->j->work);
    memcpy(g->now, g->best, g->n * sizeof *g->best);
    EJ_TRY(ej_table_paths(g->now, table, g->job));
    return try_paths(g, false);
}

static int keep_group(const group *g)
{
    for (size_t i = 0; i < g->n && g->changed; i++) EJ_TRY(keep_path(g->j, g->members[i].v, &g->best[i]));
    g->j->n_changed += g->changed;
    return EINJIT_OK;
}

static int look_at_group(joint *j, const int32_t *members, size_t n)
{
    ej_job inner = *j->job;
    group g;
    bool worth = n > 1;
    int status = EINJIT_OK;
    inner.arena = &j->memory;
    if (n == 1) status = repeats_itself(j, j->einsums[members[0]], &worth, &inner);
    if (status == EINJIT_OK && worth) {
        status = start_group(&g, j, members, n, &inner);
        if (status == EINJIT_OK) status = search_group(&g);
        if (status == EINJIT_OK) status = keep_group(&g);
    }
    ej_arena_clear(&j->memory);
    return status;
}

/* Members of a group, ascending; a group that is too large is cut. */
static int look_at_groups(joint *j)
{
    int32_t *members = EJ_JOB_ARRAY(j->job, int32_t, j->n), *next = EJ_JOB_ARRAY(j->job, int32_t, j->n);
    int32_t *last = EJ_JOB_ARRAY(j->job, int32_t, j->n);
    if (!members || !next || !last) return ej_no_memory(j->job->err);
    for (size_t i = 0; i < j->n; i++) {
        int32_t root = root_of(j, (int32_t)i);
        next[i] = -1;
        if (root != (int32_t)i) next[last[root]] = (int32_t)i;
        last[root] = (int32_t)i;
    }
    for (size_t i = 0; i < j->n; i++) {
        size_t n = 0, operands = 0;
        if (j->group[i] != (int32_t)i) continue;
        for (int32_t at = (int32_t)i; at >= 0; at = next[at]) {
            members[n++] = at;
            operands += j->bound->nodes[j->einsums[at]].n_in;
            if (next[at] >= 0 && n < MOST_MEMBERS && operands < MOST_OPERANDS) continue;
            EJ_TRY(look_at_group(j, members, n));
            n = operands = 0;
        }
    }
    return EINJIT_OK;
}

/* ---- the whole graph ---- */

static int find_einsums(joint *j)
{
    const ej_bound *bound = j->bound;
    ej_job inner = *j->job;
    inner.arena = &j->memory;
    bool *live = EJ_JOB_ARRAY(j->job, bool, bound->n_nodes);
    j->paths = EJ_JOB_ARRAY(j->job, ej_path, bound->n_nodes);
    j->einsums = EJ_JOB_ARRAY(j->job, ej_value, bound->n_nodes);
    j->group = EJ_JOB_ARRAY(j->job, int32_t, bound->n_nodes);
    if (!live || !j->paths || !j->einsums || !j->group) return ej_no_memory(j->job->err);
    for (size_t i = 0; i < bound->n_outputs; i++) live[bound->outputs[i]] = true;
    for (size_t v = bound->n_nodes; v-- > 0;)
        for (uint32_t i = 0; live[v] && i < bound->nodes[v].n_in; i++) live[bound->nodes[v].in[i]] = true;
    for (size_t v = 0; v < bound->n_nodes; v++) {
        EJ_TRY(ej_job_poll(j->job, EJ_STAGE_PATH, -1));
        if (!live[v]) continue;
        ej_path path;
        int status = ej_pairs_search(&path, bound, (ej_value)v, &inner);
        if (status == EINJIT_OK && path.n_steps) status = keep_path(j, (ej_value)v, &path);
        bool in_pairs = status == EINJIT_OK && path.n_steps;
        ej_arena_clear(&j->memory);
        EJ_TRY(status);
        if (!in_pairs) continue;
        j->group[j->n] = (int32_t)j->n;
        j->einsums[j->n++] = (ej_value)v;
    }
    return EINJIT_OK;
}

static int search(joint *j, ej_path **own)
{
    size_t n = j->bound->n_nodes;
    EJ_TRY(find_einsums(j));
    *own = EJ_JOB_ARRAY(j->job, ej_path, n);
    if (!*own) return ej_no_memory(j->job->err);
    if (n) memcpy(*own, j->paths, n * sizeof **own);
    EJ_TRY(ej_candidate_init(&j->trial, j->bound, j->job));
    EJ_TRY(meet_all(j));
    return look_at_groups(j);
}

int ej_joint_paths(ej_path **out, const ej_bound *bound, ej_job *job)
{
    joint j = {.bound = bound, .job = job, .work = most_work};
    ej_count before, after;
    ej_path *own;
    ej_arena_init(&j.memory, job->arena->allocator);
    int status = search(&j, &own);
    ej_candidate_free(&j.trial);
    ej_arena_free(&j.memory);
    EJ_TRY(status);
    *out = j.paths;
    if (!j.n_changed) return EINJIT_OK;
    EJ_TRY(ej_candidate_count(&before, bound, own, job));
    EJ_TRY(ej_candidate_count(&after, bound, j.paths, job));
    if (!ej_cost_less(after, before)) *out = own; /* what groups have in common was worth more */
    return EINJIT_OK;
}
