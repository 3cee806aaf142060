/* path_refine.c - a path is improved piece by piece: small subtrees are solved exactly again.
 *
 * Takes  a path of pairs, found by any strategy.
 * Gives  one that costs no more.
 *
 * A step and those that lead to it, cut where they reach PIECE values, are a contraction of PIECE operands by
 * themselves: it needs the labels that the step's result has, and nothing else of the network. Where path_optimal.c
 * finds a cheaper order, it takes the place of the old one. Every step is looked at, again and again, until nothing
 * changes or the budget is spent. Source: subtree reconfiguration (Gray, Kourtis: Hyper-optimized tensor network
 * contraction, Quantum 5, 2021).
 * Size   3^PIECE / 2 splits a look; the budget grows with the number of operands, up to a limit.
 */
#include <stdlib.h>
#include <string.h>

#include "path_sets.h"

enum { PIECE = 8, MOST_ROUNDS = 8, LEAST_LOOKS = 120, MOST_LOOKS = 2000 };

typedef struct tree {
    const ej_network *network;
    ej_job *job;
    ej_arena piece;  /* memory of one look */
    int32_t n, root; /* operands; the last step */
    int32_t *a, *b;  /* per step (id - n): its operands */
    ej_term *labels; /* per id */
    ej_big *cost;    /* per step */
    int32_t *local;  /* per label: its number in the piece; -1 between looks */
    int32_t looks;   /* that may still be taken */
} tree;

typedef struct piece {
    int32_t n_leaves, n_steps;
    int32_t leaves[PIECE], steps[PIECE]; /* ids; steps[0] is the piece's result */
    ej_network network;
    int32_t *global; /* per label of the piece */
} piece;

/* ---- the tree ---- */

static int plant(tree *t, const ej_network *network, const ej_path *path, ej_job *job)
{
    ej_label_sets sets;
    size_t n = (size_t)network->n_terms, n_steps = (size_t)path->n_steps;
    *t = (tree){.network = network, .job = job, .n = network->n_terms, .root = network->n_terms + path->n_steps - 1};
    ej_term *results;
    t->a = EJ_JOB_ARRAY(job, int32_t, n_steps);
    t->b = EJ_JOB_ARRAY(job, int32_t, n_steps);
    t->cost = EJ_JOB_ARRAY(job, ej_big, n_steps);
    t->labels = EJ_JOB_ARRAY(job, ej_term, n + n_steps);
    t->local = EJ_JOB_ARRAY(job, int32_t, (size_t)network->n_labels);
    if (!t->a || !t->b || !t->cost || !t->labels || !t->local) return ej_no_memory(job->err);
    if (ej_path_results(&results, network, path, job->arena)) return ej_no_memory(job->err);
    EJ_TRY(ej_label_sets_init(&sets, network, false, n_steps, job));
    for (size_t i = 0; i < n; i++) t->labels[i] = network->terms[i];
    for (size_t s = 0; s < n_steps; s++) {
        t->a[s] = path->steps[s].a;
        t->b[s] = path->steps[s].b;
        t->labels[n + s] = results[s];
        ej_label_sets_merge(&sets, t->a[s], t->b[s], &t->cost[s]);
    }
    for (int32_t l = 0; l < network->n_labels; l++) t->local[l] = -1;
    t->looks = LEAST_LOOKS + 2 * t->n < MOST_LOOKS ? LEAST_LOOKS + 2 * t->n : MOST_LOOKS;
    return EINJIT_OK;
}

/* The step's operands, and theirs in place of the dearest, until there are PIECE. */
static void cut(const tree *t, int32_t step, piece *p)
{
    p->steps[0] = step;
    p->n_steps = 1;
    p->leaves[0] = t->a[step - t->n];
    p->leaves[1] = t->b[step - t->n];
    p->n_leaves = 2;
    while (p->n_leaves < PIECE) {
        int32_t dearest = -1;
        for (int32_t i = 0; i < p->n_leaves; i++) {
            if (p->leaves[i] < t->n) continue;
            if (dearest < 0 || ej_big_less(t->cost[p->leaves[dearest] - t->n], t->cost[p->leaves[i] - t->n]))
                dearest = i;
        }
        if (dearest < 0) return;
        int32_t id = p->leaves[dearest];
        p->steps[p->n_steps++] = id;
        p->leaves[dearest] = t->a[id - t->n];
        p->leaves[p->n_leaves++] = t->b[id - t->n];
    }
}

/* ---- a piece as a network ---- */

/* Labels in the piece's own numbers, which new ones get in order. */
static int number(tree *t, piece *p, ej_term *out, const ej_term *from)
{
    out->n = from->n;
    out->labels = EJ_NEW_ARRAY(&t->piece, int32_t, from->n);
    if (!out->labels) return ej_no_memory(t->job->err);
    for (uint32_t i = 0; i < from->n; i++) {
        int32_t label = from->labels[i];
        if (t->local[label] < 0) {
            t->local[label] = p->network.n_labels;
            p->global[p->network.n_labels++] = label;
        }
        out->labels[i] = t->local[label];
    }
    if (out->n) qsort(out->labels, out->n, sizeof *out->labels, ej_compare_labels);
    return EINJIT_OK;
}

static int make_network(tree *t, piece *p)
{
    size_t room = 0;
    for (int32_t i = 0; i < p->n_leaves; i++) room += t->labels[p->leaves[i]].n;
    ej_term *terms = EJ_NEW_ARRAY(&t->piece, ej_term, (size_t)p->n_leaves);
    int64_t *extents = EJ_NEW_ARRAY(&t->piece, int64_t, room);
    p->global = EJ_NEW_ARRAY(&t->piece, int32_t, room);
    if (!terms || !extents || !p->global) return ej_no_memory(t->job->err);
    p->network = (ej_network){.n_terms = p->n_leaves, .terms = terms, .extents = extents};
    int status = EINJIT_OK;
    for (int32_t i = 0; i < p->n_leaves && !status; i++) status = number(t, p, &terms[i], &t->labels[p->leaves[i]]);
    if (!status) status = number(t, p, &p->network.out, &t->labels[p->steps[0]]);
    for (int32_t l = 0; l < p->network.n_labels; l++) {
        extents[l] = t->network->extents[p->global[l]];
        t->local[p->global[l]] = -1;
    }
    return status;
}

/* ---- one look ---- */

/* What the steps of a path over the piece cost each. */
static int price(tree *t, const piece *p, const ej_path *path, ej_big *costs, ej_big *total)
{
    ej_label_sets sets;
    ej_job inner = *t->job;
    inner.arena = &t->piece;
    *total = ej_big_of(0);
    EJ_TRY(ej_label_sets_init(&sets, &p->network, false, (size_t)path->n_steps, &inner));
    for (int32_t s = 0; s < path->n_steps; s++) {
        ej_label_sets_merge(&sets, path->steps[s].a, path->steps[s].b, &costs[s]);
        *total = ej_big_add(*total, costs[s]);
    }
    return EINJIT_OK;
}

static int32_t id_of(const piece *p, int32_t at)
{
    if (at < p->n_leaves) return p->leaves[at];
    int32_t step = at - p->n_leaves;
    return step + 1 == p->n_steps ? p->steps[0] : p->steps[step + 1];
}

static int replant(tree *t, const piece *p, const ej_path *path, const ej_big *costs)
{
    ej_term *results;
    if (ej_path_results(&results, &p->network, path, &t->piece)) return ej_no_memory(t->job->err);
    ej_term made[PIECE];
    for (int32_t s = 0; s + 1 < path->n_steps; s++) { /* all memory first: the tree stays whole */
        made[s] = (ej_term){results[s].n, EJ_JOB_ARRAY(t->job, int32_t, results[s].n)};
        if (!made[s].labels) return ej_no_memory(t->job->err);
        for (uint32_t i = 0; i < made[s].n; i++) made[s].labels[i] = p->global[results[s].labels[i]];
    }
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t at = id_of(p, p->n_leaves + s) - t->n;
        t->a[at] = id_of(p, path->steps[s].a);
        t->b[at] = id_of(p, path->steps[s].b);
        t->cost[at] = costs[s];
        if (s + 1 < path->n_steps) t->labels[t->n + at] = made[s];
    }
    return EINJIT_OK;
}

static int look_at(tree *t, int32_t step, bool *changed)
{
    piece p;
    ej_path path = {0};
    ej_big before = ej_big_of(0), after, costs[PIECE];
    ej_job inner = *t->job;
    cut(t, step, &p);
    if (p.n_leaves < 3) return EINJIT_OK;
    for (int32_t i = 0; i < p.n_steps; i++) before = ej_big_add(before, t->cost[p.steps[i] - t->n]);
    inner.arena = &t->piece;
    EJ_TRY(make_network(t, &p));
    EJ_TRY(ej_path_optimal(&path, &p.network, &inner));
    EJ_TRY(price(t, &p, &path, costs, &after));
    t->looks--;
    if (!ej_big_less(after, before)) return EINJIT_OK;
    *changed = true;
    return replant(t, &p, &path, costs);
}

/* ---- all of it ---- */

/* Steps in an order in which operands come first; ids are given anew. */
static int harvest(const tree *t, ej_path *path)
{
    size_t n_steps = (size_t)path->n_steps, depth = 0;
    int32_t *stack = EJ_JOB_ARRAY(t->job, int32_t, 2 * n_steps + 1), *made = EJ_JOB_ARRAY(t->job, int32_t, n_steps);
    if (!stack || !made) return ej_no_memory(t->job->err);
    for (size_t s = 0; s < n_steps; s++) made[s] = -1;
    path->n_steps = 0;
    stack[depth++] = t->root;
    while (depth) {
        int32_t id = stack[depth - 1], at = id - t->n, a = t->a[at], b = t->b[at];
        bool a_waits = a >= t->n && made[a - t->n] < 0, b_waits = b >= t->n && made[b - t->n] < 0;
        if (b_waits) stack[depth++] = b;
        if (a_waits) stack[depth++] = a;
        if (a_waits || b_waits) continue;
        depth--;
        path->steps[path->n_steps] = (ej_path_step){a < t->n ? a : made[a - t->n], b < t->n ? b : made[b - t->n]};
        made[at] = t->n + path->n_steps++;
    }
    return EINJIT_OK;
}

int ej_path_refine(ej_path *path, const ej_network *network, ej_job *job)
{
    tree t;
    bool changed = true;
    int status = EINJIT_OK;
    if (path->n_steps < 3) return EINJIT_OK;
    EJ_TRY(plant(&t, network, path, job));
    ej_arena_init(&t.piece, job->arena->allocator);
    for (int round = 0; round < MOST_ROUNDS && changed && !status; round++) {
        changed = false;
        for (int32_t step = t.root; step >= t.n && t.looks > 0 && !status; step--) {
            status = look_at(&t, step, &changed);
            ej_arena_clear(&t.piece);
        }
    }
    ej_arena_free(&t.piece);
    return status ? status : harvest(&t, path);
}
