/* choose_alternatives.c - values that can be computed in several ways: the cheapest is kept.
 *
 * Takes  a bound graph. Gives one without CHOOSE.
 *
 * A choice is judged by what the whole graph costs, node by node (choose_cost.c): nodes that other values need anyway
 * are free for it. The graph starts with every first alternative; choices are then looked at from the results to the
 * inputs, and once more while one of them changes. Counting uses makes a look as cheap as the alternatives are large.
 *
 * What einsums come to share, and what is computed again in its readers, no node shows. So a graph that is small enough
 * (most_work) is decided as a whole and counted, for several sets of choices: those found from the first alternatives
 * and from the last ones, and then each choice made the other way. Of 4,913 random programs 149 have fewer operations
 * by that, and 6 have more than when only nodes were looked at (prop_worth --count 5000 --lines).
 *
 * With random choices any alternative is taken; a program that is compiled as written gets the first ones.
 */
#include <string.h>

#include "choose_core.h"

enum { MOST_ROUNDS = 4 };
static const double most_work = 4000; /* nodes times choices */

typedef struct chooser {
    const ej_bound *bound;
    ej_job *job;
    uint32_t *uses;          /* by what is live under the present choices */
    uint32_t *chosen, *best; /* per CHOOSE: the present alternative; of the graph that was counted the fewest */
    double *cost;            /* per node; negative: not known yet */
    ej_candidate trial;
    ej_value *stack;
    size_t capacity;
} chooser;

static bool is_choice(const chooser *c, ej_value v)
{
    return c->bound->nodes[v].op == EJ_OP_CHOOSE;
}

static int cost_of(chooser *c, ej_value v, double *out)
{
    if (c->cost[v] < 0) EJ_TRY(ej_choose_cost(&c->cost[v], &c->trial, v));
    *out = c->cost[v];
    return EINJIT_OK;
}

/* One use more or less of v, and so of what it needs; *change: the cost of what became live, or dead. */
static int use(chooser *c, ej_value v, bool more, double *change)
{
    size_t n = 0;
    double cost;
    *change = 0;
    if (!EJ_PUSH_ROOM(c->job->arena, c->stack, c->capacity, n)) return ej_no_memory(c->job->err);
    c->stack[n++] = v;
    while (n) {
        ej_value x = c->stack[--n];
        bool turns = more ? !c->uses[x]++ : !--c->uses[x];
        if (!turns) continue;
        const ej_bound_node *node = &c->bound->nodes[x];
        EJ_TRY(cost_of(c, x, &cost));
        *change += cost;
        uint32_t first = is_choice(c, x) ? c->chosen[x] : 0, count = is_choice(c, x) ? 1 : node->n_in;
        for (uint32_t i = 0; i < count; i++) {
            if (!EJ_PUSH_ROOM(c->job->arena, c->stack, c->capacity, n)) return ej_no_memory(c->job->err);
            c->stack[n++] = node->in[first + i];
        }
    }
    return EINJIT_OK;
}

/* The cheapest alternative of v for the graph as it is; the first of equal ones. The next one becomes live before the
 * best so far goes: what they share, often all that is above them, is not touched. */
static int decide(chooser *c, ej_value v, bool *changed)
{
    const ej_bound_node *node = &c->bound->nodes[v];
    uint32_t before = c->chosen[v], best = before;
    double none, comes, goes;
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (k == best) continue;
        EJ_TRY(use(c, node->in[k], true, &comes));
        EJ_TRY(use(c, node->in[best], false, &goes));
        if (comes < goes || (comes == goes && k < best)) {
            best = k;
            continue;
        }
        EJ_TRY(use(c, node->in[best], true, &none));
        EJ_TRY(use(c, node->in[k], false, &none));
    }
    c->chosen[v] = best;
    *changed |= best != before;
    return EINJIT_OK;
}

static int open_chooser(chooser *c, const ej_bound *bound, ej_job *job)
{
    *c = (chooser){.bound = bound, .job = job};
    c->uses = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    c->chosen = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    c->best = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    c->cost = EJ_JOB_ARRAY(job, double, bound->n_nodes);
    if (!c->uses || !c->chosen || !c->best || !c->cost) return ej_no_memory(job->err);
    for (size_t v = 0; v < bound->n_nodes; v++) c->cost[v] = -1;
    return ej_candidate_init(&c->trial, bound, job);
}

/* Every choice its first alternative, or its last one. */
static int start(chooser *c, bool last)
{
    const ej_bound *bound = c->bound;
    double none;
    for (size_t v = 0; v < bound->n_nodes; v++) {
        c->uses[v] = 0;
        c->chosen[v] = last && is_choice(c, (ej_value)v) ? bound->nodes[v].n_in - 1 : 0;
    }
    for (size_t i = 0; i < bound->n_outputs; i++) EJ_TRY(use(c, bound->outputs[i], true, &none));
    return EINJIT_OK;
}

static int decide_all(chooser *c)
{
    bool changed = true;
    for (int round = 0; changed && round < MOST_ROUNDS; round++) {
        changed = false;
        for (size_t v = c->bound->n_nodes; v-- > 0;)
            if (is_choice(c, (ej_value)v) && c->uses[v]) EJ_TRY(decide(c, (ej_value)v, &changed));
    }
    return EINJIT_OK;
}

/* The graph with every choice made. */
static int take(ej_bound *out, const ej_bound *bound, const uint32_t *chosen, ej_job *job)
{
    ej_rebuild r;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (bound->nodes[v].op == EJ_OP_CHOOSE) r.map[v] = r.map[bound->nodes[v].in[chosen[v]]];
        else EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    }
    return ej_rebuild_end(&r);
}

static int count_taken(const chooser *c, ej_count *out)
{
    ej_arena memory;
    ej_path *paths = NULL;
    ej_bound taken, merged;
    ej_job inner = *c->job;
    ej_arena_init(&memory, c->job->arena->allocator);
    inner.arena = &memory;
    int status = take(&taken, c->bound, c->chosen, &inner);
    if (status == EINJIT_OK) status = ej_choose_recompute(&merged, &taken, false, &inner);
    if (status == EINJIT_OK && ej_paths_are_free(&inner)) status = ej_joint_paths(&paths, &merged, &inner);
    if (status == EINJIT_OK) status = ej_candidate_count(out, &merged, paths, &inner);
    ej_arena_free(&memory);
    return status;
}

/* Counts the present choices, unless they are the best ones already; the best ones stay. */
static int keep_best(chooser *c, ej_count *best)
{
    ej_count count;
    bool counted = best->operations >= 0 && !memcmp(c->best, c->chosen, c->bound->n_nodes * sizeof *c->best);
    if (counted) return EINJIT_OK;
    EJ_TRY(count_taken(c, &count));
    if (best->operations >= 0 && !ej_cost_less(count, *best)) return EINJIT_OK;
    *best = count;
    memcpy(c->best, c->chosen, c->bound->n_nodes * sizeof *c->best);
    return EINJIT_OK;
}

/* Every choice the other way once more. */
static int try_others(chooser *c, ej_count *best)
{
    memcpy(c->chosen, c->best, c->bound->n_nodes * sizeof *c->chosen);
    for (size_t v = c->bound->n_nodes; v-- > 0;) {
        if (!is_choice(c, (ej_value)v)) continue;
        for (uint32_t k = 0; k < c->bound->nodes[v].n_in; k++) {
            c->chosen[v] = k;
            EJ_TRY(keep_best(c, best));
        }
        c->chosen[v] = c->best[v];
    }
    return EINJIT_OK;
}

/* Nodes by themselves do not see what einsums come to share: a graph that is small enough is counted as a whole, for
 * every choice the one way and the other. */
static int choose(chooser *c, size_t n_choices)
{
    ej_count best = {-1, -1};
    EJ_TRY(start(c, false));
    EJ_TRY(decide_all(c));
    if ((double)c->bound->n_nodes * (double)n_choices > most_work) {
        memcpy(c->best, c->chosen, c->bound->n_nodes * sizeof *c->best);
        return EINJIT_OK;
    }
    EJ_TRY(keep_best(c, &best));
    EJ_TRY(start(c, true));
    EJ_TRY(keep_best(c, &best));
    EJ_TRY(decide_all(c));
    EJ_TRY(keep_best(c, &best));
    return try_others(c, &best);
}

static uint32_t random_choice(const ej_job *job, size_t v, uint32_t n)
{
    uint64_t words[2] = {ej_job_random(job), v};
    return (uint32_t)(ej_hash64(words, sizeof words, 0) % n);
}

int ej_choose_alternatives(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    chooser c;
    size_t n = 0;
    *out = *bound;
    for (size_t v = 0; v < bound->n_nodes; v++) n += bound->nodes[v].op == EJ_OP_CHOOSE;
    if (!n) return EINJIT_OK;
    uint32_t *chosen = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    if (!chosen) return ej_no_memory(job->err);
    if (ej_job_random(job)) {
        for (size_t v = 0; v < bound->n_nodes; v++)
            if (bound->nodes[v].op == EJ_OP_CHOOSE) chosen[v] = random_choice(job, v, bound->nodes[v].n_in);
    } else if (!as_written) {
        int status = open_chooser(&c, bound, job);
        if (status == EINJIT_OK) status = choose(&c, n);
        ej_candidate_free(&c.trial);
        EJ_TRY(status);
        chosen = c.best;
    }
    return take(out, bound, chosen, job);
}
