/* path_sweep.c - trees that take in one operand after the other, as a front that moves through the network.
 *
 * Takes  a core. Gives a tree.
 * Rule   begin at an operand far from a random one; take in the neighbour of the front that leaves the smallest result,
 *        ties and, with noise, more than ties by chance. Where a label is among the front, all who have it are its
 *        neighbours.
 */
#include "path_search.h"

#include <string.h>

typedef struct sweeper {
    const ej_core *core;
    uint64_t *front;
    bool *taken, *near;
    int32_t *left, *queue; /* per label; operands that are near */
    int32_t n_near;
    double noise;
    uint64_t *random;
} sweeper;

static const uint64_t *term(const sweeper *s, int32_t t)
{
    return s->core->terms + (size_t)t * (size_t)s->core->words;
}

static void add_neighbours(sweeper *s, int32_t t)
{
    for (int32_t w = 0; w < s->core->words; w++)
        for (uint64_t x = term(s, t)[w]; x; x &= x - 1) {
            int32_t label = 64 * w + ej_lowest_bit(x);
            for (size_t i = s->core->begin[label]; i < s->core->begin[label + 1]; i++) {
                int32_t u = s->core->users[i];
                if (!s->near[u]) s->near[u] = true, s->queue[s->n_near++] = u;
            }
        }
}

/* The last operand that a breadth-first walk from a random one reaches. */
static int32_t far_operand(sweeper *s)
{
    int32_t first = (int32_t)ej_random_below(s->random, (uint32_t)s->core->n);
    s->n_near = 0;
    s->near[first] = true;
    s->queue[s->n_near++] = first;
    for (int32_t i = 0; i < s->n_near; i++) add_neighbours(s, s->queue[i]);
    int32_t last = s->queue[s->n_near - 1];
    memset(s->near, 0, (size_t)s->core->n * sizeof *s->near);
    s->n_near = 0;
    return last;
}

/* How much larger the front becomes with t. */
static double growth(const sweeper *s, int32_t t)
{
    double sum = 0;
    for (int32_t w = 0; w < s->core->words; w++) {
        uint64_t front = s->front[w], all = front | term(s, t)[w],
                 kept = ej_kept_word(s->left, w, front, term(s, t)[w]);
        sum += ej_weigh_word(s->core, w, all & ~front) - ej_weigh_word(s->core, w, all & ~kept);
    }
    return sum;
}

static void take(sweeper *s, int32_t t)
{
    s->taken[t] = true;
    for (int32_t w = 0; w < s->core->words; w++) s->front[w] = ej_join_word(s->left, w, s->front[w], term(s, t)[w]);
    add_neighbours(s, t);
}

static int32_t next_operand(sweeper *s)
{
    int32_t best = -1, live = 0;
    double least = 0;
    for (int32_t i = 0; i < s->n_near; i++) {
        int32_t t = s->queue[i];
        if (s->taken[t]) continue;
        s->queue[live++] = t;
        double score = growth(s, t) + s->noise * log(-log(ej_random_unit(s->random)));
        if (best < 0 || score < least) best = t, least = score;
    }
    s->n_near = live;
    for (int32_t t = 0; best < 0 && t < s->core->n; t++) /* another component */
        if (!s->taken[t]) best = t;
    return best;
}

int ej_sweep_steps(const ej_core *core, ej_path_step *steps, double noise, uint64_t *random, ej_job *job)
{
    ej_arena memory;
    size_t n = (size_t)core->n, n_labels = (size_t)core->n_labels;
    ej_arena_init(&memory, job->arena->allocator);
    sweeper s = {.core = core, .noise = noise, .random = random};
    s.front = EJ_NEW_ARRAY(&memory, uint64_t, (size_t)core->words);
    s.taken = EJ_NEW_ARRAY(&memory, bool, n);
    s.near = EJ_NEW_ARRAY(&memory, bool, n);
    s.left = EJ_NEW_ARRAY(&memory, int32_t, n_labels);
    s.queue = EJ_NEW_ARRAY(&memory, int32_t, n);
    bool ok = s.front && s.taken && s.near && s.left && s.queue;
    int status = ok ? EINJIT_OK : ej_no_memory(job->err);
    if (ok) {
        if (n_labels) memcpy(s.left, core->uses, n_labels * sizeof *s.left);
        int32_t last = far_operand(&s);
        take(&s, last);
        for (int32_t made = 0; made + 1 < core->n && !status; made++) {
            int32_t t = next_operand(&s);
            steps[made] = (ej_path_step){last, t};
            last = core->n + made;
            take(&s, t);
            status = ej_job_poll(job, EJ_STAGE_PATH, -1);
        }
    }
    ej_arena_free(&memory);
    return status;
}
