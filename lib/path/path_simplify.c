/* path_simplify.c - contractions that hardly any good path leaves out, done first.
 *
 * Takes  a core. Gives a smaller one, and the steps that lead to it.
 * Rule   two operands are contracted while their result is no larger than the larger one of them: vectors, gates on one
 *        qubit, matrices at the end of a chain, factors over a part of another one's variables. Of several partners the
 *        one with the smallest result, then the smallest step. Steps dearer than the caller's limit are left to the
 *        search.
 */
#include "path_search.h"

#include <string.h>

enum { LOOK_AT_MOST = 64 }; /* operands of one label */

typedef struct simplifier {
    const ej_core *core;
    double most_step;
    uint64_t *terms;
    double *size;  /* per operand: log2 of its elements */
    int32_t *into; /* per operand: the one that it became part of; itself: it is there */
    int32_t *uses; /* per label */
    int32_t *name; /* per operand: its single-assignment number */
    int32_t *queue;
    bool *queued;
    size_t head, tail; /* of the queue: a ring of n + 1 */
} simplifier;

static int32_t find(simplifier *s, int32_t t)
{
    while (s->into[t] != t) t = s->into[t] = s->into[s->into[t]];
    return t;
}

static uint64_t *term(const simplifier *s, int32_t t)
{
    return s->terms + (size_t)t * (size_t)s->core->words;
}

static void enqueue(simplifier *s, int32_t t)
{
    if (s->queued[t]) return;
    s->queued[t] = true;
    s->queue[s->tail] = t;
    s->tail = (s->tail + 1) % ((size_t)s->core->n + 1);
}

/* Log2 of the step's and of the result's elements. */
static void measure(const simplifier *s, int32_t a, int32_t b, double *step, double *result)
{
    const uint64_t *x = term(s, a), *y = term(s, b);
    *step = *result = 0;
    for (int32_t w = 0; w < s->core->words; w++) {
        *step += ej_weigh_word(s->core, w, x[w] | y[w]);
        *result += ej_weigh_word(s->core, w, ej_kept_word(s->uses, w, x[w], y[w]));
    }
}

static int32_t partner_of(simplifier *s, int32_t a)
{
    int32_t best = -1;
    double least = 0, least_step = 0;
    for (int32_t w = 0; w < s->core->words; w++) {
        for (uint64_t bits = term(s, a)[w]; bits; bits &= bits - 1) {
            int32_t label = 64 * w + ej_lowest_bit(bits), last = -1, looked = 0;
            for (size_t i = s->core->begin[label]; i < s->core->begin[label + 1] && looked < LOOK_AT_MOST; i++) {
                int32_t b = find(s, s->core->users[i]);
                double step, result;
                if (b == a || b == last) continue;
                last = b;
                looked++;
                measure(s, a, b, &step, &result);
                double larger = s->size[a] > s->size[b] ? s->size[a] : s->size[b];
                if (step > s->most_step || result > larger + 1e-9) continue;
                if (best < 0 || result < least || (result == least && step < least_step))
                    best = b, least = result, least_step = step;
            }
        }
    }
    return best;
}

static void merge(simplifier *s, int32_t a, int32_t b, ej_path *path)
{
    uint64_t *x = term(s, a), *y = term(s, b);
    s->size[b] = 0;
    for (int32_t w = 0; w < s->core->words; w++) {
        y[w] = ej_join_word(s->uses, w, x[w], y[w]);
        s->size[b] += ej_weigh_word(s->core, w, y[w]);
    }
    s->into[a] = b;
    path->steps[path->n_steps] = (ej_path_step){s->name[a], s->name[b]};
    s->name[b] = s->core->n + path->n_steps++;
}

static int begin(simplifier *s, const ej_core *core, double most_step, ej_job *job)
{
    size_t n = (size_t)core->n, words = (size_t)core->words;
    *s = (simplifier){.core = core, .most_step = most_step};
    s->terms = EJ_JOB_ARRAY(job, uint64_t, n *words);
    s->size = EJ_JOB_ARRAY(job, double, n);
    s->into = EJ_JOB_ARRAY(job, int32_t, n);
    s->name = EJ_JOB_ARRAY(job, int32_t, n);
    s->uses = EJ_JOB_ARRAY(job, int32_t, 64 * words);
    s->queue = EJ_JOB_ARRAY(job, int32_t, n + 1);
    s->queued = EJ_JOB_ARRAY(job, bool, n);
    if (!s->terms || !s->size || !s->into || !s->name || !s->uses || !s->queue || !s->queued)
        return ej_no_memory(job->err);
    memcpy(s->terms, core->terms, n * words * sizeof *s->terms);
    memcpy(s->uses, core->uses, 64 * words * sizeof *s->uses);
    for (int32_t t = 0; t < core->n; t++) {
        s->into[t] = s->name[t] = t;
        for (int32_t w = 0; w < core->words; w++) s->size[t] += ej_weigh_word(core, w, term(s, t)[w]);
        enqueue(s, t);
    }
    return EINJIT_OK;
}

int ej_simplify(ej_simple *out, const ej_core *core, double most_step, ej_job *job)
{
    simplifier s;
    int32_t n_kept = 0;
    EJ_TRY(begin(&s, core, most_step, job));
    *out = (ej_simple){.names = s.name};
    out->first.steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)core->n);
    if (!out->first.steps) return ej_no_memory(job->err);
    while (s.head != s.tail) {
        int32_t a = s.queue[s.head];
        EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
        s.head = (s.head + 1) % ((size_t)core->n + 1);
        s.queued[a] = false;
        if (s.into[a] != a) continue;
        int32_t b = partner_of(&s, a);
        if (b < 0) continue;
        merge(&s, a, b, &out->first);
        for (int32_t w = 0; w < core->words; w++)
            for (uint64_t bits = term(&s, b)[w]; bits; bits &= bits - 1) {
                int32_t label = 64 * w + ej_lowest_bit(bits);
                size_t end = core->begin[label + 1], most = core->begin[label] + LOOK_AT_MOST;
                for (size_t i = core->begin[label]; i < end && i < most; i++) enqueue(&s, find(&s, core->users[i]));
            }
        enqueue(&s, b);
    }
    for (int32_t t = 0; t < core->n; t++)
        if (s.into[t] == t) s.queue[n_kept] = t, out->names[n_kept++] = s.name[t];
    return ej_core_reduce(&out->core, core, s.terms, s.queue, n_kept, job);
}

int ej_simple_path(ej_path *out, const ej_simple *simple, const ej_path_step *steps, int32_t n_all, ej_job *job)
{
    int32_t n = simple->core.n, made = simple->first.n_steps;
    out->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)(n_all - 1));
    if (!out->steps) return ej_no_memory(job->err);
    out->n_steps = n_all - 1;
    if (made) memcpy(out->steps, simple->first.steps, (size_t)made * sizeof *steps);
    for (int32_t s = 0; s + 1 < n; s++) {
        int32_t ids[2] = {steps[s].a, steps[s].b};
        for (int k = 0; k < 2; k++) ids[k] = ids[k] < n ? simple->names[ids[k]] : n_all + made + ids[k] - n;
        out->steps[made + s] = (ej_path_step){ids[0], ids[1]};
    }
    return EINJIT_OK;
}
