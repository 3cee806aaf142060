/* path_random_greedy.c - greedy trees with other weights and some noise, by the thousand.
 *
 * Takes  a core. Gives a tree: the pair with the lowest score, again and again, then outer products, smallest first.
 * Score  size(result) - weight * (size(a) + size(b)); with noise its logarithm plus noise times a Gumbel number, so
 *        that pairs are drawn by Boltzmann's distribution (as opt_einsum's random-greedy does).
 * Keeps  all pairs of neighbours in a heap, those of a result when it is made; of a label that very many operands share
 *        only some.
 */
#include "path_search.h"

#include <string.h>

#include "path_heap.h"

enum { LOOK_AT_MOST = 128 }; /* partners of one operand */

struct ej_greedy {
    const ej_core *core;
    ej_job *job;
    uint64_t *bits; /* per id */
    double *size;   /* per id: log2 of its elements */
    bool *dead;
    int32_t *stamp;                   /* per id: when it was looked at */
    int32_t *left, *n_users, **users; /* per label: what still has it, live ids */
    ej_heap heap;
    int32_t now, made;
    double weight, noise;
    uint64_t *random;
};

int ej_greedy_new(ej_greedy **out, const ej_core *core, ej_job *job)
{
    size_t ids = 2 * (size_t)core->n, words = (size_t)core->words, n_labels = (size_t)core->n_labels;
    ej_greedy *g = EJ_JOB_NEW(job, ej_greedy);
    if (!g) return ej_no_memory(job->err);
    *g = (ej_greedy){.core = core, .job = job};
    g->bits = EJ_JOB_ARRAY(job, uint64_t, ids *words);
    g->size = EJ_JOB_ARRAY(job, double, ids);
    g->dead = EJ_JOB_ARRAY(job, bool, ids);
    g->stamp = EJ_JOB_ARRAY(job, int32_t, ids);
    g->left = EJ_JOB_ARRAY(job, int32_t, n_labels);
    g->n_users = EJ_JOB_ARRAY(job, int32_t, n_labels);
    g->users = EJ_JOB_ARRAY(job, int32_t *, n_labels);
    int32_t *lists = EJ_JOB_ARRAY(job, int32_t, core->begin[n_labels] + n_labels);
    if (!g->bits || !g->size || !g->dead || !g->stamp || !g->left || !g->n_users || !g->users || !lists)
        return ej_no_memory(job->err);
    for (size_t l = 0; l < n_labels; l++) g->users[l] = lists + core->begin[l] + l; /* one more than its operands */
    *out = g;
    return EINJIT_OK;
}

static uint64_t *bits_of(const ej_greedy *g, int32_t id)
{
    return g->bits + (size_t)id * (size_t)g->core->words;
}

static double score_of(ej_greedy *g, int32_t a, int32_t b)
{
    const uint64_t *x = bits_of(g, a), *y = bits_of(g, b);
    double result = 0;
    for (int32_t w = 0; w < g->core->words; w++)
        result += ej_weigh_word(g->core, w, ej_kept_word(g->left, w, x[w], y[w]));
    double operands = ej_size_from_log2(g->size[a]) + ej_size_from_log2(g->size[b]);
    double score = ej_size_from_log2(result) - g->weight * operands;
    if (g->noise <= 0) return score;
    score = score > 0 ? log2(1 + score) : -log2(1 - score);
    return score + g->noise * log(-log(ej_random_unit(g->random)));
}

static int push(ej_greedy *g, ej_scored item)
{
    return ej_heap_push(&g->heap, item, g->job->arena) ? EINJIT_OK : ej_no_memory(g->job->err);
}

/* The pairs of `id` and its neighbours from number `least` on. */
static int push_pairs(ej_greedy *g, int32_t id, int32_t least)
{
    int32_t looked = 0;
    EJ_TRY(ej_job_poll(g->job, EJ_STAGE_PATH, -1));
    g->stamp[id] = ++g->now;
    for (int32_t w = 0; w < g->core->words; w++) {
        for (uint64_t bits = bits_of(g, id)[w]; bits; bits &= bits - 1) {
            int32_t label = 64 * w + ej_lowest_bit(bits), live = 0, *users = g->users[label];
            for (int32_t i = 0; i < g->n_users[label]; i++) {
                int32_t b = users[i];
                if (g->dead[b]) continue;
                users[live++] = b;
                if (g->stamp[b] == g->now || b < least || looked == LOOK_AT_MOST) continue;
                g->stamp[b] = g->now;
                looked++;
                EJ_TRY(push(g, (ej_scored){score_of(g, id, b), id, b}));
            }
            g->n_users[label] = live;
        }
    }
    return EINJIT_OK;
}

static int32_t contract(ej_greedy *g, int32_t a, int32_t b, ej_path_step *steps)
{
    const uint64_t *x = bits_of(g, a), *y = bits_of(g, b);
    int32_t c = g->core->n + g->made;
    steps[g->made++] = (ej_path_step){a, b};
    g->dead[a] = g->dead[b] = true;
    g->dead[c] = false;
    g->size[c] = 0;
    for (int32_t w = 0; w < g->core->words; w++) {
        uint64_t kept = ej_join_word(g->left, w, x[w], y[w]);
        bits_of(g, c)[w] = kept;
        g->size[c] += ej_weigh_word(g->core, w, kept);
    }
    return c;
}

/* A result joins the users of its labels. Their lists have room for one more than they begin with: pushing its pairs
 * drops the dead ones. */
static int push_result(ej_greedy *g, int32_t id)
{
    for (int32_t w = 0; w < g->core->words; w++)
        for (uint64_t bits = bits_of(g, id)[w]; bits; bits &= bits - 1) {
            int32_t label = 64 * w + ej_lowest_bit(bits);
            g->users[label][g->n_users[label]++] = id;
        }
    return push_pairs(g, id, 0);
}

/* Outer products of what is left, smallest first; no two have a label in common, so nobody looks at users any more. */
static int multiply_rest(ej_greedy *g, ej_path_step *steps)
{
    for (int32_t id = 0; id < g->core->n + g->made; id++)
        if (!g->dead[id]) EJ_TRY(push(g, (ej_scored){g->size[id], id, -1}));
    while (g->heap.n > 1) {
        int32_t a = ej_heap_pop(&g->heap).a, b = ej_heap_pop(&g->heap).a, c = contract(g, a, b, steps);
        EJ_TRY(push(g, (ej_scored){g->size[c], c, -1}));
    }
    return EINJIT_OK;
}

int ej_greedy_steps(ej_greedy *g, ej_path_step *steps, double weight, double noise, uint64_t *random)
{
    const ej_core *core = g->core;
    size_t n = (size_t)core->n, words = (size_t)core->words;
    g->weight = weight, g->noise = noise, g->random = random;
    g->made = g->now = 0;
    g->heap.n = 0;
    memcpy(g->bits, core->terms, n * words * sizeof *g->bits);
    memset(g->dead, 0, n * sizeof *g->dead);
    memset(g->stamp, 0, 2 * n * sizeof *g->stamp);
    if (core->n_labels) memcpy(g->left, core->uses, (size_t)core->n_labels * sizeof *g->left);
    for (int32_t l = 0; l < core->n_labels; l++) {
        g->n_users[l] = (int32_t)(core->begin[l + 1] - core->begin[l]);
        memcpy(g->users[l], core->users + core->begin[l], (size_t)g->n_users[l] * sizeof *core->users);
    }
    for (int32_t t = 0; t < core->n; t++) {
        g->size[t] = 0;
        for (int32_t w = 0; w < core->words; w++) g->size[t] += ej_weigh_word(core, w, bits_of(g, t)[w]);
    }
    for (int32_t t = 0; t < core->n; t++) EJ_TRY(push_pairs(g, t, t + 1));
    while (g->heap.n) {
        ej_scored next = ej_heap_pop(&g->heap);
        if (!g->dead[next.a] && !g->dead[next.b]) EJ_TRY(push_result(g, contract(g, next.a, next.b, steps)));
    }
    return multiply_rest(g, steps);
}
