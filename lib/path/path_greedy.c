/* path_greedy.c - contract the pair that shrinks memory most, again and again.
 *
 * Takes  a network of any size: tens of thousands of operands, labels that many operands share.
 * Gives  a path of pairs: operands with equal label sets first, then by size(result) - weight * (size(a) + size(b)),
 *        then outer products of what is left, smallest first.
 * Keeps  one candidate per live operand in a heap: the best partner when it was last looked for. When the partner
 *        is gone, it is looked for again. Of a label that very many operands share only some are looked at, so
 *        the whole is near-linear.
 *
 * A small network affords several trials with other weights and some noise (seeded, so the same every time); the
 * cheapest path wins.
 */
#include <stdlib.h>
#include <string.h>

#include "path_core.h"
#include "path_sets.h"

enum {
    LOOK_AT_MOST = 256, /* partners of one operand */
    MOST_TRIALS = 32,
    TRIAL_OPERANDS = 20000 /* of all trials together: some 100 ms at most */
};

typedef struct candidate {
    ej_big cost;
    int32_t owner, partner;
} candidate;

typedef struct occurrences {
    int32_t *sets; /* live ones in order, with dead ones between */
    int32_t n, cap;
} occurrences;

typedef struct search {
    ej_label_sets sets;
    occurrences *of_label;
    int32_t *marked_label, *marked_set; /* stamps: equal to `stamp` = marked */
    int32_t stamp;
    candidate *heap;
    size_t n_heap, cap_heap;
    double weight, noise;
    uint64_t random;
    ej_path *path;
    ej_big cost;
} search;

/* ---- heap ---- */

static bool before(const candidate *a, const candidate *b)
{
    int order = ej_big_compare(a->cost, b->cost);
    if (order) return order < 0;
    return a->owner != b->owner ? a->owner < b->owner : a->partner < b->partner;
}

static int push(search *s, candidate item, ej_job *job)
{
    EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
    if (!EJ_PUSH_ROOM(job->arena, s->heap, s->cap_heap, s->n_heap)) return ej_no_memory(job->err);
    size_t i = s->n_heap++;
    for (; i && before(&item, &s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
    return EINJIT_OK;
}

static candidate pop(search *s)
{
    candidate top = s->heap[0], item = s->heap[--s->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->n_heap) break;
        if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child])) child++;
        if (!before(&s->heap[child], &item)) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = item;
    return top;
}

/* ---- candidates ---- */

static bool alive(const search *s, int32_t set)
{
    return s->sets.len[set] >= 0;
}

/* The cost of contracting a (whose labels are marked) with b. */
static ej_big pair_cost(search *s, int32_t a, int32_t b)
{
    const ej_label_sets *sets = &s->sets;
    const int32_t *labels = ej_label_sets_of(sets, b);
    ej_big result = sets->size[a];
    for (int32_t i = 0; i < sets->len[b]; i++) {
        int32_t label = labels[i];
        if (s->marked_label[label] != s->stamp) {
            if (sets->left[label] > 1) result = ej_big_scale(result, sets->extent[label]);
        } else if (sets->left[label] == 2) {
            result = ej_big_divide(result, sets->extent[label]);
        }
    }
    ej_big both = ej_big_scale(ej_big_add(sets->size[a], sets->size[b]), s->weight);
    ej_big cost = ej_big_sub(result, both);
    if (s->noise == 0) return cost;
    ej_big magnitude = {fabs(cost.m), cost.e};
    double score = ej_big_log2(ej_big_add(magnitude, ej_big_of(1)));
    if (cost.m < 0) score = -score;
    return ej_big_of(score + s->noise * log(-log(ej_random_unit(&s->random))));
}

/* Drop dead sets from a label's list, in order. */
static void pack(const search *s, occurrences *list)
{
    int32_t n = 0;
    for (int32_t i = 0; i < list->n; i++)
        if (alive(s, list->sets[i])) list->sets[n++] = list->sets[i];
    list->n = n;
}

static int push_best(search *s, int32_t a, ej_job *job)
{
    const ej_label_sets *sets = &s->sets;
    candidate best = {.owner = a, .partner = -1};
    int32_t looked = 0;
    s->stamp++;
    s->marked_set[a] = s->stamp;
    for (int32_t i = 0; i < sets->len[a]; i++) s->marked_label[ej_label_sets_of(sets, a)[i]] = s->stamp;
    for (int32_t i = 0; i < sets->len[a] && looked < LOOK_AT_MOST; i++) {
        occurrences *list = &s->of_label[ej_label_sets_of(sets, a)[i]];
        for (int32_t k = 0; k < list->n && looked < LOOK_AT_MOST; k++) {
            int32_t b = list->sets[k];
            if (!alive(s, b) || s->marked_set[b] == s->stamp) continue;
            s->marked_set[b] = s->stamp;
            looked++;
            ej_big cost = pair_cost(s, a, b);
            int order = best.partner < 0 ? -1 : ej_big_compare(cost, best.cost);
            if (order < 0 || (order == 0 && b < best.partner)) best.cost = cost, best.partner = b;
        }
    }
    return best.partner < 0 ? EINJIT_OK : push(s, best, job);
}

static int32_t contract(search *s, int32_t a, int32_t b)
{
    ej_big work;
    if (a > b) {
        int32_t t = a;
        a = b, b = t;
    }
    int32_t c = ej_label_sets_merge(&s->sets, a, b, &work);
    s->cost = ej_big_add(s->cost, work);
    s->path->steps[s->path->n_steps++] = (ej_path_step){a, b};
    const int32_t *labels = ej_label_sets_of(&s->sets, c);
    for (int32_t i = 0; i < s->sets.len[c]; i++) {
        occurrences *list = &s->of_label[labels[i]];
        if (list->n == list->cap) pack(s, list);
        list->sets[list->n++] = c;
    }
    return c;
}

/* ---- the three phases ---- */

typedef struct key {
    const ej_term *term;
    int32_t set;
} key;

static int compare_keys(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->term->n != y->term->n) return x->term->n < y->term->n ? -1 : 1;
    for (uint32_t i = 0; i < x->term->n; i++)
        if (x->term->labels[i] != y->term->labels[i]) return x->term->labels[i] < y->term->labels[i] ? -1 : 1;
    return (x->set > y->set) - (x->set < y->set);
}

/* Operands with equal label sets: their product is no larger than each of them. */
static int merge_equal(search *s, ej_job *job)
{
    const ej_network *net = s->sets.network;
    key *keys = EJ_JOB_ARRAY(job, key, (size_t)net->n_terms);
    if (!keys) return ej_no_memory(job->err);
    for (int32_t t = 0; t < net->n_terms; t++) keys[t] = (key){&net->terms[t], t};
    qsort(keys, (size_t)net->n_terms, sizeof *keys, compare_keys);
    int32_t last = -1;
    for (int32_t t = 0; t < net->n_terms; t++) {
        const ej_term *term = keys[t].term, *previous = t ? keys[t - 1].term : NULL;
        bool same = previous && term->n && term->n == previous->n &&
                    !memcmp(term->labels, previous->labels, term->n * sizeof(int32_t));
        last = same ? contract(s, last, keys[t].set) : keys[t].set;
    }
    return EINJIT_OK;
}

static int contract_neighbours(search *s, ej_job *job)
{
    for (int32_t set = 0, n = s->sets.n; set < n; set++)
        if (alive(s, set)) EJ_TRY(push_best(s, set, job));
    while (s->n_heap) {
        EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
        candidate next = pop(s);
        if (!alive(s, next.owner)) continue;
        int32_t changed = next.owner;
        if (alive(s, next.partner)) changed = contract(s, next.owner, next.partner);
        EJ_TRY(push_best(s, changed, job));
    }
    return EINJIT_OK;
}

static int multiply_rest(search *s, ej_job *job)
{
    for (int32_t set = 0; set < s->sets.n; set++)
        if (alive(s, set)) EJ_TRY(push(s, (candidate){s->sets.size[set], set, -1}, job));
    while (s->n_heap > 1) {
        int32_t a = pop(s).owner, b = pop(s).owner;
        int32_t c = contract(s, a, b);
        EJ_TRY(push(s, (candidate){s->sets.size[c], c, -1}, job));
    }
    return EINJIT_OK;
}

static int index_labels(search *s, ej_job *job)
{
    const ej_network *net = s->sets.network;
    s->of_label = EJ_JOB_ARRAY(job, occurrences, (size_t)net->n_labels);
    s->marked_label = EJ_JOB_ARRAY(job, int32_t, (size_t)net->n_labels);
    s->marked_set = EJ_JOB_ARRAY(job, int32_t, (size_t)s->sets.cap);
    if (!s->of_label || !s->marked_label || !s->marked_set) return ej_no_memory(job->err);
    for (int32_t l = 0; l < net->n_labels; l++) {
        occurrences *list = &s->of_label[l];
        list->cap = 2 * s->sets.left[l]; /* packing then halves the list at least */
        list->sets = EJ_JOB_ARRAY(job, int32_t, (size_t)list->cap);
        if (!list->sets) return ej_no_memory(job->err);
    }
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) {
            occurrences *list = &s->of_label[net->terms[t].labels[i]];
            list->sets[list->n++] = t;
        }
    return EINJIT_OK;
}

static int run_trial(ej_path *path, ej_big *cost, const ej_network *network, int trial, ej_job *job)
{
    static const double weights[] = {1, 0, 0.5, 2};
    search s = {.path = path, .cost = ej_big_of(0), .random = (uint64_t)trial};
    if (trial < 4) {
        s.weight = weights[trial];
    } else { /* no single setting is good for all kinds of networks */
        s.weight = pow(0.1 + 3.9 * ej_random_unit(&s.random), 2);
        s.noise = pow(10, -3 * ej_random_unit(&s.random));
    }
    memset(path, 0, sizeof *path);
    path->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)network->n_terms);
    if (!path->steps) return ej_no_memory(job->err);
    EJ_TRY(ej_label_sets_init(&s.sets, network, false, (size_t)network->n_terms, job));
    EJ_TRY(index_labels(&s, job));
    EJ_TRY(merge_equal(&s, job));
    EJ_TRY(contract_neighbours(&s, job));
    EJ_TRY(multiply_rest(&s, job));
    *cost = s.cost;
    return EINJIT_OK;
}

int ej_path_greedy(ej_path *out, const ej_network *network, ej_job *job)
{
    int trials = network->n_terms > TRIAL_OPERANDS ? 1 : TRIAL_OPERANDS / network->n_terms;
    if (trials > MOST_TRIALS) trials = MOST_TRIALS;
    ej_big best = ej_big_of(0);
    for (int trial = 0; trial < trials; trial++) {
        ej_path path;
        ej_big cost = ej_big_of(0);
        ej_arena memory; /* of this trial */
        ej_job inner = *job;
        ej_arena_init(&memory, job->arena->allocator);
        inner.arena = &memory;
        int status = run_trial(&path, &cost, network, trial, &inner);
        if (status == EINJIT_OK && (!trial || ej_big_less(cost, best))) {
            size_t bytes = (size_t)path.n_steps * sizeof(ej_path_step);
            if (!out->steps) out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)path.n_steps);
            if (!out->steps) status = ej_no_memory(job->err);
            else memcpy(out->steps, path.steps, bytes);
            out->n_steps = path.n_steps;
            best = cost;
        }
        ej_arena_free(&memory);
        EJ_TRY(status);
    }
    return EINJIT_OK;
}
