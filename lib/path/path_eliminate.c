/* path_eliminate.c - trees by the order in which labels are summed (bucket elimination).
 *
 * Takes  a core. Gives a tree.
 * Rule   of the labels that are left the one whose operands make the smallest step together, or the one that adds the
 *        fewest pairs of labels that did not meet before (fill), with some noise; its operands are contracted, smallest
 *        first.
 * Source Dechter: Bucket elimination (1999); min-fill and min-weight as treewidth solvers have them.
 */
#include "path_search.h"

#include <string.h>

enum { LOOK_AT_MOST = 256 }; /* operands of one label */

typedef struct eliminator {
    const ej_core *core;
    const ej_job *job;
    uint64_t *bits, *all; /* per id; one step's */
    bool *dead;
    int32_t *left, *n_users, **users; /* per label */
    double *score, *size;
    uint64_t *done; /* labels that are summed */
    ej_path_step *steps;
    int32_t made;
    double noise, fill;
    uint64_t *random;
} eliminator;

static uint64_t *bits_of(const eliminator *e, int32_t id)
{
    return e->bits + (size_t)id * (size_t)e->core->words;
}

static int32_t pack(eliminator *e, int32_t label)
{
    int32_t live = 0, *users = e->users[label];
    for (int32_t i = 0; i < e->n_users[label]; i++)
        if (!e->dead[users[i]]) users[live++] = users[i];
    return e->n_users[label] = live;
}

/* The labels of all operands that have `label`, into e->all. */
static void gather(eliminator *e, int32_t label)
{
    memset(e->all, 0, (size_t)e->core->words * sizeof *e->all);
    int32_t n = pack(e, label);
    for (int32_t i = 0; i < n && i < LOOK_AT_MOST; i++)
        for (int32_t w = 0; w < e->core->words; w++) e->all[w] |= bits_of(e, e->users[label][i])[w];
}

static int rate(eliminator *e, int32_t label)
{
    double work = 0, largest = 0;
    EJ_TRY(ej_job_poll(e->job, EJ_STAGE_PATH, -1));
    gather(e, label);
    for (int32_t w = 0; w < e->core->words; w++) work += ej_weigh_word(e->core, w, e->all[w]);
    for (int32_t i = 0; i < e->n_users[label] && i < LOOK_AT_MOST; i++) {
        double size = e->size[e->users[label][i]];
        if (size > largest) largest = size;
    }
    e->score[label] = work - e->fill * largest + e->noise * log(-log(ej_random_unit(e->random)));
    return EINJIT_OK;
}

static int32_t contract(eliminator *e, int32_t a, int32_t b)
{
    int32_t c = e->core->n + e->made;
    e->steps[e->made++] = (ej_path_step){a, b};
    e->dead[a] = e->dead[b] = true;
    e->size[c] = 0;
    for (int32_t w = 0; w < e->core->words; w++) {
        uint64_t all = bits_of(e, a)[w] | bits_of(e, b)[w],
                 kept = ej_join_word(e->left, w, bits_of(e, a)[w], bits_of(e, b)[w]);
        e->done[w] |= all & ~kept;
        bits_of(e, c)[w] = kept;
        e->size[c] += ej_weigh_word(e->core, w, kept);
        for (; kept; kept &= kept - 1) {
            int32_t label = 64 * w + ej_lowest_bit(kept);
            if (e->n_users[label] == e->core->uses[label] + 1) pack(e, label);
            e->users[label][e->n_users[label]++] = c;
        }
    }
    return c;
}

/* The two smallest of the label's operands until one is left: *last; -1: there was no more than one. */
static int sum(eliminator *e, int32_t label, int32_t *last)
{
    int32_t *users = e->users[label];
    *last = -1;
    while (pack(e, label) > 1) {
        EJ_TRY(ej_job_poll(e->job, EJ_STAGE_PATH, -1));
        int32_t a = users[0], b = users[1];
        if (e->size[b] < e->size[a]) a = users[1], b = users[0];
        for (int32_t i = 2; i < e->n_users[label]; i++) {
            if (e->size[users[i]] < e->size[a]) b = a, a = users[i];
            else if (e->size[users[i]] < e->size[b]) b = users[i];
        }
        *last = contract(e, a, b);
    }
    return EINJIT_OK;
}

static int eliminate_all(eliminator *e)
{
    const ej_core *core = e->core;
    for (int32_t l = 0; l < core->n_labels; l++) EJ_TRY(rate(e, l));
    for (;;) {
        int32_t best = -1, c;
        for (int32_t l = 0; l < core->n_labels; l++)
            if (!(e->done[l / 64] >> (l % 64) & 1) && (best < 0 || e->score[l] < e->score[best])) best = l;
        if (best < 0) break;
        e->done[best / 64] |= UINT64_C(1) << (best % 64);
        EJ_TRY(sum(e, best, &c));
        for (int32_t w = 0; c >= 0 && w < core->words; w++)
            for (uint64_t x = bits_of(e, c)[w] & ~e->done[w]; x; x &= x - 1) EJ_TRY(rate(e, 64 * w + ej_lowest_bit(x)));
    }
    int32_t last = -1; /* outer products of what is left */
    for (int32_t id = 0; id < core->n + e->made; id++) {
        if (e->dead[id] || id == last) continue;
        last = last < 0 ? id : contract(e, last, id);
    }
    return EINJIT_OK;
}

int ej_eliminate_steps(const ej_core *core, ej_path_step *steps, double fill, double noise, uint64_t *random,
                       ej_job *job)
{
    ej_arena memory;
    size_t ids = 2 * (size_t)core->n, words = (size_t)core->words, n_labels = (size_t)core->n_labels;
    ej_arena_init(&memory, job->arena->allocator);
    eliminator e = {.core = core, .job = job, .steps = steps, .noise = noise, .fill = fill, .random = random};
    e.bits = EJ_NEW_ARRAY(&memory, uint64_t, ids *words);
    e.all = EJ_NEW_ARRAY(&memory, uint64_t, words);
    e.done = EJ_NEW_ARRAY(&memory, uint64_t, words);
    e.dead = EJ_NEW_ARRAY(&memory, bool, ids);
    e.size = EJ_NEW_ARRAY(&memory, double, ids);
    e.left = EJ_NEW_ARRAY(&memory, int32_t, n_labels);
    e.n_users = EJ_NEW_ARRAY(&memory, int32_t, n_labels);
    e.users = EJ_NEW_ARRAY(&memory, int32_t *, n_labels);
    e.score = EJ_NEW_ARRAY(&memory, double, n_labels);
    int32_t *lists = EJ_NEW_ARRAY(&memory, int32_t, core->begin[n_labels] + 2 * n_labels);
    bool ok = e.bits && e.all && e.done && e.dead && e.size && e.left && e.n_users && e.users && e.score && lists;
    int status = ok ? EINJIT_OK : ej_no_memory(job->err);
    if (ok) {
        memcpy(e.bits, core->terms, (size_t)core->n * words * sizeof *e.bits);
        for (size_t l = 0; l < n_labels; l++) {
            e.left[l] = core->uses[l];
            e.n_users[l] = (int32_t)(core->begin[l + 1] - core->begin[l]);
            e.users[l] = lists + core->begin[l] + 2 * l; /* two more than its operands */
            memcpy(e.users[l], core->users + core->begin[l], (size_t)e.n_users[l] * sizeof *lists);
        }
        for (int32_t t = 0; t < core->n; t++)
            for (int32_t w = 0; w < core->words; w++) e.size[t] += ej_weigh_word(core, w, bits_of(&e, t)[w]);
        status = eliminate_all(&e);
    }
    ej_arena_free(&memory);
    return status;
}
