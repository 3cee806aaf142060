/* path_bisect.c - trees by recursive bisection: two halves with few labels between them, and these again.
 *
 * Takes  a core. Gives a tree.
 * Each part is grown from a random operand, the neighbour first that adds least to the cut; then operands change sides,
 * best gain first, also through losses, and the best state of a pass is taken (Fiduccia, Mattheyses: A linear-time
 * heuristic for improving network partitions, DAC 1982). A label is cut when both sides have it; it weighs the
 * logarithm of its extent.
 */
#include "path_search.h"

#include <string.h>

#include "path_heap.h"

enum { MOST_PASSES = 8 };

typedef struct bisector {
    const ej_core *core;
    ej_job *job;
    int32_t *part;      /* per operand: the part that it is in (parts are numbered as they are made) */
    bool *side, *fixed; /* per operand of the part that is being cut */
    int32_t *count;     /* per label: operands on either side, 2 each */
    int32_t *version;   /* per operand: of its newest entry in the heap */
    int32_t *moved;
    ej_heap heap;     /* operands by what the cut grows by, with the version of the entry */
    double unbalance; /* the larger side has at most 1/2 + unbalance/2 of the operands */
    uint64_t *random;
    ej_path_step *steps;
    int32_t n_steps;
} bisector;

/* What the cut loses when t changes sides. */
static double gain_of(const bisector *b, int32_t t)
{
    const uint64_t *bits = b->core->terms + (size_t)t * (size_t)b->core->words;
    double gain = 0;
    for (int32_t w = 0; w < b->core->words; w++)
        for (uint64_t x = bits[w]; x; x &= x - 1) {
            int32_t label = 64 * w + ej_lowest_bit(x);
            int32_t here = b->count[2 * label + b->side[t]], there = b->count[2 * label + !b->side[t]];
            if (here == 1 && there) gain += b->core->weight[label];
            if (here > 1 && !there) gain -= b->core->weight[label];
        }
    return gain;
}

static int offer(bisector *b, int32_t t)
{
    bool ok = ej_heap_push(&b->heap, (ej_scored){-gain_of(b, t), t, ++b->version[t]}, b->job->arena);
    return ok ? EINJIT_OK : ej_no_memory(b->job->err);
}

/* t changes sides; neighbours that may get another gain by that are offered again. */
static int change(bisector *b, int32_t t, int32_t part, bool offers)
{
    const uint64_t *bits = b->core->terms + (size_t)t * (size_t)b->core->words;
    bool from = b->side[t];
    EJ_TRY(ej_job_poll(b->job, EJ_STAGE_PATH, -1));
    b->side[t] = !from;
    for (int32_t w = 0; w < b->core->words; w++)
        for (uint64_t x = bits[w]; x; x &= x - 1) {
            int32_t label = 64 * w + ej_lowest_bit(x);
            int32_t here = --b->count[2 * label + from], there = ++b->count[2 * label + !from];
            if (!offers || (here > 1 && there > 2)) continue;
            for (size_t i = b->core->begin[label]; i < b->core->begin[label + 1]; i++) {
                int32_t u = b->core->users[i];
                if (b->part[u] == part && !b->fixed[u]) EJ_TRY(offer(b, u));
            }
        }
    return EINJIT_OK;
}

/* All on side 0; then operands are moved until half of them are on side 1. */
static int grow(bisector *b, const int32_t *list, int32_t n, int32_t part, int32_t half)
{
    for (int32_t i = 0; i < n; i++) {
        const uint64_t *bits = b->core->terms + (size_t)list[i] * (size_t)b->core->words;
        b->side[list[i]] = b->fixed[list[i]] = false;
        for (int32_t w = 0; w < b->core->words; w++)
            for (uint64_t x = bits[w]; x; x &= x - 1) {
                int32_t label = 64 * w + ej_lowest_bit(x);
                b->count[2 * label] = b->count[2 * label + 1] = 0;
            }
    }
    for (int32_t i = 0; i < n; i++) {
        const uint64_t *bits = b->core->terms + (size_t)list[i] * (size_t)b->core->words;
        for (int32_t w = 0; w < b->core->words; w++)
            for (uint64_t x = bits[w]; x; x &= x - 1) b->count[2 * (64 * w + ej_lowest_bit(x))]++;
    }
    b->heap.n = 0;
    for (int32_t taken = 0; taken < half;) {
        int32_t t = -1;
        while (b->heap.n && t < 0) {
            ej_scored next = ej_heap_pop(&b->heap);
            if (!b->fixed[next.a] && next.b == b->version[next.a]) t = next.a;
        }
        if (t < 0) { /* the first one, or of another component */
            uint32_t at = ej_random_below(b->random, (uint32_t)n);
            while (b->side[list[at]]) at = (at + 1) % (uint32_t)n;
            t = list[at];
        }
        b->fixed[t] = true;
        taken++;
        EJ_TRY(change(b, t, part, true));
    }
    return EINJIT_OK;
}

/* One pass; true: the cut became smaller. */
static int pass(bisector *b, const int32_t *list, int32_t n, int32_t part, int32_t least, int32_t *n_right,
                bool *better)
{
    double sum = 0, best = 1e-9;
    int32_t n_moved = 0, n_best = 0;
    b->heap.n = 0;
    for (int32_t i = 0; i < n; i++) b->fixed[list[i]] = false;
    for (int32_t i = 0; i < n; i++) EJ_TRY(offer(b, list[i]));
    while (b->heap.n) {
        ej_scored next = ej_heap_pop(&b->heap);
        int32_t t = next.a, right = *n_right + (b->side[t] ? -1 : 1);
        if (b->fixed[t] || next.b != b->version[t]) continue;
        if (right < least || n - right < least) continue;
        b->fixed[t] = true;
        *n_right = right;
        EJ_TRY(change(b, t, part, true));
        b->moved[n_moved++] = t;
        sum -= next.score;
        if (sum > best) best = sum, n_best = n_moved;
    }
    *better = n_best > 0;
    while (n_moved > n_best) {
        int32_t t = b->moved[--n_moved];
        *n_right += b->side[t] ? -1 : 1;
        EJ_TRY(change(b, t, part, false));
    }
    return EINJIT_OK;
}

/* The part's operands, those of one side in front. */
static int32_t divide(const bisector *b, int32_t *list, int32_t n)
{
    int32_t n_left = 0;
    for (int32_t i = 0; i < n; i++) {
        if (b->side[list[i]]) continue;
        int32_t t = list[i];
        list[i] = list[n_left];
        list[n_left++] = t;
    }
    return n_left;
}

typedef struct part {
    int32_t *list, n;
    int32_t child[2], id; /* parts; of what it becomes */
} part;

static int cut(bisector *b, part *p, int32_t number, int32_t *n_left)
{
    int32_t half = p->n / 2, least = (int32_t)(p->n * (0.5 - b->unbalance / 2));
    bool better = true;
    for (int32_t i = 0; i < p->n; i++) b->part[p->list[i]] = number;
    if (least < 1) least = 1;
    int32_t right = half;
    EJ_TRY(grow(b, p->list, p->n, number, half));
    for (int i = 0; i < MOST_PASSES && better; i++) EJ_TRY(pass(b, p->list, p->n, number, least, &right, &better));
    *n_left = divide(b, p->list, p->n);
    return EINJIT_OK;
}

/* Parts are cut in the order in which they are made; contracted the other way round, so that operands come first. */
static int cut_all(bisector *b, part *parts, int32_t *all)
{
    int32_t n_parts = 1;
    parts[0] = (part){.list = all, .n = b->core->n};
    for (int32_t i = 0; i < n_parts; i++) {
        part *p = &parts[i];
        int32_t n_left;
        if (p->n == 1) continue;
        EJ_TRY(cut(b, p, i, &n_left));
        p->child[0] = n_parts;
        parts[n_parts++] = (part){.list = p->list, .n = n_left};
        p->child[1] = n_parts;
        parts[n_parts++] = (part){.list = p->list + n_left, .n = p->n - n_left};
    }
    for (int32_t i = n_parts - 1; i >= 0; i--) {
        part *p = &parts[i];
        if (p->n == 1) {
            p->id = p->list[0];
            continue;
        }
        b->steps[b->n_steps] = (ej_path_step){parts[p->child[0]].id, parts[p->child[1]].id};
        p->id = b->core->n + b->n_steps++;
    }
    return EINJIT_OK;
}

int ej_bisect_steps(const ej_core *core, ej_path_step *steps, double unbalance, uint64_t *random, ej_job *job)
{
    ej_arena memory;
    ej_job inner = *job;
    size_t n = (size_t)core->n;
    ej_arena_init(&memory, job->arena->allocator);
    inner.arena = &memory;
    bisector b = {.core = core, .job = &inner, .unbalance = unbalance, .random = random, .steps = steps};
    b.part = EJ_NEW_ARRAY(&memory, int32_t, n);
    b.side = EJ_NEW_ARRAY(&memory, bool, n);
    b.fixed = EJ_NEW_ARRAY(&memory, bool, n);
    b.count = EJ_NEW_ARRAY(&memory, int32_t, 2 * (size_t)core->n_labels);
    b.version = EJ_NEW_ARRAY(&memory, int32_t, n);
    b.moved = EJ_NEW_ARRAY(&memory, int32_t, n);
    int32_t *all = EJ_NEW_ARRAY(&memory, int32_t, n);
    part *parts = EJ_NEW_ARRAY(&memory, part, 2 * n);
    bool ok = b.part && b.side && b.fixed && b.count && b.version && b.moved && all && parts;
    int status = ok ? EINJIT_OK : ej_no_memory(job->err);
    for (int32_t t = 0; !status && t < core->n; t++) all[t] = t;
    if (!status) status = cut_all(&b, parts, all);
    ej_arena_free(&memory);
    return status;
}
