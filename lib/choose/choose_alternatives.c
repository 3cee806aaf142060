/* choose_alternatives.c - values that can be computed in several ways: the cheapest is kept.
 *
 * Takes  a bound graph. Gives one without CHOOSE.
 *
 * A choice is judged by what the whole graph costs (choose_cost.c): nodes that other values need anyway are free for it. The
 * graph starts with every first alternative; choices are then looked at from the results to the inputs, and once more while
 * one of them changes. Counting uses makes a look as cheap as the alternatives are large.
 * With random choices any alternative is taken; a program that is compiled as written gets the first ones.
 */
#include "choose_core.h"

enum { MOST_ROUNDS = 4 };

typedef struct chooser {
    const ej_bound *bound;
    ej_job *job;
    uint32_t *uses;     /* by what is live under the present choices */
    uint32_t *chosen;   /* per CHOOSE */
    double *cost;       /* per node; negative: not known yet */
    ej_value *stack;
    size_t capacity;
} chooser;

static bool is_choice(const chooser *c, ej_value v)
{
    return c->bound->nodes[v].op == EJ_OP_CHOOSE;
}

static int cost_of(chooser *c, ej_value v, double *out)
{
    if (c->cost[v] < 0) EJ_TRY(ej_choose_cost(&c->cost[v], c->bound, v, c->job));
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

/* What it changes to compute v as `to` instead of `from`. What both need is live all the time, so that it is not walked. */
static int switch_to(chooser *c, ej_value from, ej_value to, double *change)
{
    double more, less;
    EJ_TRY(use(c, to, true, &more));
    EJ_TRY(use(c, from, false, &less));
    *change = more - less;
    return EINJIT_OK;
}

/* The cheapest alternative of v for the graph as it is; the first of equal ones. */
static int decide(chooser *c, ej_value v, bool *changed)
{
    const ej_bound_node *node = &c->bound->nodes[v];
    uint32_t before = c->chosen[v], best = before;
    double none, least = 0, change;
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (k == before) continue;
        EJ_TRY(switch_to(c, node->in[before], node->in[k], &change));
        EJ_TRY(switch_to(c, node->in[k], node->in[before], &none));
        if (change < least || (change == least && k < best)) best = k, least = change;
    }
    c->chosen[v] = best;
    *changed |= best != before;
    return switch_to(c, node->in[before], node->in[best], &none);
}

static int start(chooser *c, const ej_bound *bound, ej_job *job)
{
    double none;
    *c = (chooser){.bound = bound, .job = job};
    c->uses = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    c->chosen = EJ_JOB_ARRAY(job, uint32_t, bound->n_nodes);
    c->cost = EJ_JOB_ARRAY(job, double, bound->n_nodes);
    if (!c->uses || !c->chosen || !c->cost) return ej_no_memory(job->err);
    for (size_t v = 0; v < bound->n_nodes; v++) c->cost[v] = -1;
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

static uint32_t random_choice(const ej_job *job, size_t v, uint32_t n)
{
    uint64_t words[2] = {ej_job_random(job), v};
    return (uint32_t)(ej_hash64(words, sizeof words, 0) % n);
}

int ej_choose_alternatives(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    chooser c;
    ej_rebuild r;
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
        EJ_TRY(start(&c, bound, job));
        EJ_TRY(decide_all(&c));
        chosen = c.chosen;
    }
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (bound->nodes[v].op == EJ_OP_CHOOSE) r.map[v] = r.map[bound->nodes[v].in[chosen[v]]];
        else EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    }
    return ej_rebuild_end(&r);
}
