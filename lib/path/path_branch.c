/* path_branch.c - branch and bound: pairs in the order of their promise, as long as they may still beat the best path.
 *
 * Takes  a network. "branch-all" follows every pair, "branch-2" the two best ones each time, "branch-1" the best one.
 * Gives  the path with the fewest operations among those, steps that sum counted twice, as opt_einsum counts them.
 * Promise  what memory grows by: size(result) - size(a) - size(b). Pairs without a common label are left for when there
 *        are no others, as in opt_einsum's branch.
 * Size   MOST_LOOKS pairs are looked at; then the best path so far is it. The first descent is always finished.
 */
#include <stdlib.h>
#include <string.h>

#include "path_search.h"
#include "path_sets.h"

enum { MOST_LOOKS = 2000000 };

typedef struct pair {
    double promise, work; /* work: log2 of the step's operations */
    int32_t a, b;         /* places among the live ones */
} pair;

typedef struct brancher {
    const ej_core *core;
    ej_job *job;
    int32_t branches; /* pairs to follow, 0: all */
    uint64_t *bits;   /* per id */
    int32_t *left;    /* per label: what has it, live operands and the output */
    int32_t *live;    /* per depth: the ids that are live there, n each */
    ej_path_step *steps, *best;
    double least; /* log2 of the best path's operations */
    int64_t looks;
} brancher;

static uint64_t *bits_of(const brancher *b, int32_t id)
{
    return b->bits + (size_t)id * (size_t)b->core->words;
}

/* False: the two have no label in common. */
static bool measure(const brancher *b, int32_t x, int32_t y, pair *out)
{
    const uint64_t *p = bits_of(b, x), *q = bits_of(b, y);
    double step = 0, result = 0, size_x = 0, size_y = 0;
    uint64_t meets = 0;
    for (int32_t w = 0; w < b->core->words; w++) {
        meets |= p[w] & q[w];
        step += ej_weigh_word(b->core, w, p[w] | q[w]);
        result += ej_weigh_word(b->core, w, ej_kept_word(b->left, w, p[w], q[w]));
        size_x += ej_weigh_word(b->core, w, p[w]);
        size_y += ej_weigh_word(b->core, w, q[w]);
    }
    out->promise = ej_size_from_log2(result) - ej_size_from_log2(size_x) - ej_size_from_log2(size_y);
    out->work = step > result ? step + 1 : step;
    return meets != 0;
}

static int by_promise(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->promise != y->promise) return x->promise < y->promise ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

/* Among the `most` best ones, in order, if it is one of them. */
static void keep_best(pair *best, int32_t *n, int32_t most, const pair *one)
{
    int32_t at = *n;
    if (at == most && by_promise(one, &best[at - 1]) >= 0) return;
    if (at == most) at--;
    else ++*n;
    for (; at && by_promise(one, &best[at - 1]) < 0; at--) best[at] = best[at - 1];
    best[at] = *one;
}

/* Pairs to follow: those that share a label, or all where none does; the most promising of them. */
static int list_pairs(brancher *b, const int32_t *live, int32_t n, pair *out, int32_t *n_out)
{
    int64_t found = 0;
    *n_out = 0;
    for (int outer = 0; outer < 2 && !found; outer++)
        for (int32_t i = 0; i < n; i++) {
            EJ_TRY(ej_job_poll(b->job, EJ_STAGE_PATH, -1));
            for (int32_t k = i + 1; k < n; k++) {
                pair one = {.a = i, .b = k};
                if (!measure(b, live[i], live[k], &one) && !outer) continue;
                found++;
                if (b->branches) keep_best(out, n_out, b->branches, &one);
                else out[(*n_out)++] = one;
            }
        }
    b->looks += found;
    if (!b->branches) qsort(out, (size_t)*n_out, sizeof *out, by_promise);
    return EINJIT_OK;
}

static void merge(brancher *b, int32_t x, int32_t y, int32_t to)
{
    const uint64_t *p = bits_of(b, x), *q = bits_of(b, y);
    for (int32_t w = 0; w < b->core->words; w++) bits_of(b, to)[w] = ej_join_word(b->left, w, p[w], q[w]);
}

static void take_apart(brancher *b, int32_t x, int32_t y)
{
    const uint64_t *p = bits_of(b, x), *q = bits_of(b, y);
    for (int32_t w = 0; w < b->core->words; w++)
        for (uint64_t both = p[w] & q[w]; both; both &= both - 1) b->left[64 * w + ej_lowest_bit(both)]++;
}

/* What is live at `depth`, to its end; as deep as there are operands. */
static int descend(brancher *b, int32_t depth, double spent)
{
    int32_t n = b->core->n, n_live = n - depth, *live = b->live + (size_t)depth * (size_t)n;
    if (n_live == 1) {
        if (spent < b->least) {
            b->least = spent;
            memcpy(b->best, b->steps, (size_t)depth * sizeof *b->steps);
        }
        return EINJIT_OK;
    }
    ej_arena memory;
    ej_arena_init(&memory, b->job->arena->allocator);
    size_t room = b->branches ? (size_t)b->branches : (size_t)n_live * (size_t)(n_live - 1) / 2;
    int32_t n_pairs = 0;
    pair *pairs = EJ_NEW_ARRAY(&memory, pair, room);
    int status = pairs ? list_pairs(b, live, n_live, pairs, &n_pairs) : ej_no_memory(b->job->err);
    for (int32_t i = 0; i < n_pairs && !status; i++) {
        int32_t x = live[pairs[i].a], y = live[pairs[i].b], *next = live + n, n_next = 0;
        double sum = ej_log2_add(spent, pairs[i].work);
        if (b->least < INFINITY && (b->looks > MOST_LOOKS || sum >= b->least)) continue;
        for (int32_t k = 0; k < n_live; k++)
            if (live[k] != x && live[k] != y) next[n_next++] = live[k];
        next[n_next] = n + depth;
        merge(b, x, y, n + depth);
        b->steps[depth] = (ej_path_step){x, y};
        status = descend(b, depth + 1, sum);
        take_apart(b, x, y);
    }
    ej_arena_free(&memory);
    return status;
}

int ej_path_branch(ej_path *out, const ej_network *network, ej_job *job)
{
    enum { MOST_OPERANDS = 512 };
    ej_core core;
    size_t n = (size_t)network->n_terms;
    const char *name = job->path_strategy;
    if (n > MOST_OPERANDS)
        return ej_fail(job->err, EINJIT_E_LIMIT, "path strategy '%s' takes up to %d operands, here are %zu", name,
                       MOST_OPERANDS, n);
    EJ_TRY(ej_core_make(&core, network, job));
    brancher b = {.core = &core, .job = job, .branches = name[7] == 'a' ? 0 : name[7] - '0', .least = INFINITY};
    b.bits = EJ_JOB_ARRAY(job, uint64_t, 2 * n * (size_t)core.words);
    b.left = EJ_JOB_ARRAY(job, int32_t, 64 * (size_t)core.words);
    b.live = EJ_JOB_ARRAY(job, int32_t, n *n);
    b.steps = EJ_JOB_ARRAY(job, ej_path_step, n);
    b.best = EJ_JOB_ARRAY(job, ej_path_step, n);
    if (!b.bits || !b.left || !b.live || !b.steps || !b.best) return ej_no_memory(job->err);
    memcpy(b.bits, core.terms, n * (size_t)core.words * sizeof *b.bits);
    memcpy(b.left, core.uses, 64 * (size_t)core.words * sizeof *b.left);
    for (size_t t = 0; t < n; t++) b.live[t] = (int32_t)t;
    EJ_TRY(descend(&b, 0, -INFINITY));
    *out = (ej_path){.n_steps = (int32_t)n - 1, .steps = b.best};
    return EINJIT_OK;
}
