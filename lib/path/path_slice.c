/* path_slice.c - labels to cut, so that a contraction fits into memory slice by slice.
 *
 * Takes  a network, a path through it, and how many elements of intermediates may live at a time.
 * Gives  labels, and a path that each combination of their values takes; all of them together cost the least that was
 *        found.
 * Rule   of the labels of a result that is too large cut the one that makes the whole dearest least for what it takes
 *        from results that are too large; put small parts of the tree in order for the extents that are left; and
 *        again. What turned out not to be needed is joined again. Rounds then anneal the best tree, give some of its
 *        labels back, and cut anew.
 * Source: slicing and reconfiguring in turn: Huang et al., Classical simulation of quantum supremacy circuits (2020);
 *        Gray, Kourtis, Quantum 5, 2021.
 */
#include <string.h>

#include "base_time.h"
#include "path_search.h"
#include "path_sets.h"

enum {
    PIECE = 8,
    ROUNDS = 12,         /* without a clock */
    MOST_WORK = 1 << 21, /* operands times words of label sets, over all rounds without a clock */
    ANNEAL_ROUNDS = 40,
    LOOKS_WORK = 1 << 17 /* looks at pieces times words of a label set */
};
/* A label that costs nothing more still counts a little: else one of extent 2 is as good as one of 16. */
static const double LEAST_COST = 0.02;

typedef struct slicer {
    const ej_network *whole;
    ej_job *job;
    ej_effort effort;
    uint64_t random;
    double log2_most;
    bool by_clock;
    /* The state: what is cut, and the pairs of the path. */
    int64_t *extents;
    bool *cut;
    ej_path_step *pairs, *saved_pairs;
    double log2_cost, log2_peak; /* of all slices; of one, in the best order */
    /* The best state so far. */
    bool *best_cut;
    ej_path_step *best_pairs;
    double best_cost; /* infinite: none yet */
    /* Per label: what of the cost, and how much of what is too large, has it. */
    double *share, *gain;
} slicer;

static ej_network sliced_network(const slicer *s)
{
    ej_network net = *s->whole;
    net.extents = s->extents;
    return net;
}

static double log2_slices(const slicer *s)
{
    double sum = 0;
    for (int32_t l = 0; l < s->whole->n_labels; l++)
        if (s->cut[l]) sum += log2((double)s->whole->extents[l]);
    return sum;
}

static void set_cut(slicer *s, int32_t label, bool cut)
{
    s->cut[label] = cut;
    s->extents[label] = cut ? 1 : s->whole->extents[label];
}

/* Elements of the sums that wait, where slices are added up. */
static double log2_sums(const slicer *s)
{
    double slices = 0, size = 0;
    bool any = false;
    for (int32_t l = 0; l < s->whole->n_labels; l++) {
        any = any || s->cut[l];
        if (s->cut[l] && !ej_term_has(&s->whole->out, l)) slices += log2((double)s->whole->extents[l]);
    }
    if (!any) return -INFINITY;
    for (uint32_t i = 0; i < s->whole->out.n; i++) size += log2((double)s->extents[s->whole->out.labels[i]]);
    return log2(ej_slice_sums(slices)) + size;
}

/* A job whose memory ends with a round. */
static ej_job round_job(const slicer *s, ej_arena *memory)
{
    ej_job job = *s->job;
    ej_arena_init(memory, s->job->arena->allocator);
    job.arena = memory;
    return job;
}

/* Cost and peak of the state. */
static int weigh(slicer *s)
{
    ej_arena memory;
    ej_job job = round_job(s, &memory);
    ej_network net = sliced_network(s);
    ej_path path = {.n_steps = net.n_terms - 1, .steps = s->pairs};
    int status = ej_path_settle(&path, &net, &job);
    if (!status) status = ej_path_order(&path, &net, false, &job);
    if (!status) status = ej_path_count(&path, &net, &job);
    s->log2_cost = path.log10_mults * log2(10) + log2_slices(s);
    s->log2_peak = ej_log2_add(path.log2_peak, log2_sums(s));
    ej_arena_free(&memory);
    return status;
}

static bool fits(const slicer *s)
{
    return s->log2_peak <= s->log2_most + 1e-9;
}

/* What cutting each label would do: shares of the cost of steps with it, and bits that it takes from results beyond
 * `threshold`. */
static int rate(slicer *s, double threshold, ej_job *job)
{
    ej_network net = sliced_network(s);
    ej_label_sets sets;
    size_t n_labels = (size_t)net.n_labels;
    memset(s->share, 0, n_labels * sizeof *s->share);
    memset(s->gain, 0, n_labels * sizeof *s->gain);
    EJ_TRY(ej_label_sets_init(&sets, &net, false, (size_t)net.n_terms, job));
    double scale = s->log2_cost - log2_slices(s), sums = log2_sums(s) - threshold;
    for (uint32_t i = 0; i < net.out.n && sums > 0; i++) {
        double bits = log2((double)net.extents[net.out.labels[i]]);
        s->gain[net.out.labels[i]] += bits < sums ? bits : sums;
    }
    for (int32_t step = 0; step + 1 < net.n_terms; step++) {
        int32_t a = s->pairs[step].a, b = s->pairs[step].b;
        int32_t na = sets.len[a], nb = sets.len[b], n = na + nb;
        int32_t *labels = EJ_JOB_ARRAY(job, int32_t, (size_t)n);
        ej_big cost;
        if (!labels) return ej_no_memory(job->err);
        if (na) memcpy(labels, ej_label_sets_of(&sets, a), (size_t)na * sizeof *labels);
        if (nb) memcpy(labels + na, ej_label_sets_of(&sets, b), (size_t)nb * sizeof *labels);
        int32_t made = ej_label_sets_merge(&sets, a, b, &cost);
        double share = exp2(ej_big_log2(cost) - scale), excess = ej_big_log2(sets.size[made]) - threshold;
        for (int32_t i = 0, j = na; i < na || j < n;) { /* both are sorted */
            int32_t label = j == n || (i < na && labels[i] <= labels[j]) ? labels[i] : labels[j];
            while (i < na && labels[i] == label) i++;
            while (j < n && labels[j] == label) j++;
            s->share[label] += share;
        }
        if (excess <= 0 || step + 2 == net.n_terms) continue; /* the last result is the caller's */
        const int32_t *kept = ej_label_sets_of(&sets, made);
        for (int32_t i = 0; i < sets.len[made]; i++) {
            double bits = log2(sets.extent[kept[i]]);
            s->gain[kept[i]] += bits < excess ? bits : excess;
        }
    }
    return EINJIT_OK;
}

/* -1: no label would make a result smaller. */
static int32_t choose(slicer *s, double noise)
{
    int32_t best = -1;
    double least = 0;
    for (int32_t l = 0; l < s->whole->n_labels; l++) {
        if (s->cut[l] || s->extents[l] < 2 || s->gain[l] <= 0) continue;
        double extent = (double)s->extents[l], share = s->share[l] < 1 ? s->share[l] : 1;
        double dearer = log2(extent - share * (extent - 1)) + LEAST_COST;
        double score = log2(dearer / s->gain[l]) + noise * log(-log(ej_random_unit(&s->random)));
        if (best < 0 || score < least) best = l, least = score;
    }
    return best;
}

/* Annealing and small parts, for the extents that are left. */
static int reconfigure(slicer *s, double hot)
{
    ej_arena memory;
    ej_job job = round_job(s, &memory);
    ej_network net = sliced_network(s);
    ej_core core;
    ej_tree tree, now;
    ej_pieces *pieces;
    int status = ej_core_make(&core, &net, &job);
    if (!status) status = ej_tree_new(&tree, &core, &job);
    if (!status && hot > 0) status = ej_tree_new(&now, &core, &job);
    if (!status) status = ej_tree_plant(&tree, s->pairs, &job);
    if (!status) status = ej_pieces_new(&pieces, &core, &job);
    if (!status) {
        const ej_anneal heat = {.hot = hot, .cold = 0.05, .blind = INFINITY, .rounds = ANNEAL_ROUNDS};
        if (hot > 0) ej_anneal_run(&tree, &now, &heat, &s->random, &s->effort);
        ej_pieces_improve(pieces, &tree, PIECE, LOOKS_WORK / core.words, &s->effort);
        status = ej_tree_steps(&tree, s->pairs, &job);
    }
    ej_arena_free(&memory);
    return status;
}

/* What makes the steps cheaper can make results larger: then everything stays as it was, or what was cut would have
 * been cut for nothing. */
static int reconfigure_within(slicer *s)
{
    double cost = s->log2_cost, peak = s->log2_peak;
    size_t bytes = (size_t)(s->whole->n_terms - 1) * sizeof *s->pairs;
    memcpy(s->saved_pairs, s->pairs, bytes);
    EJ_TRY(reconfigure(s, 0));
    EJ_TRY(weigh(s));
    if (fits(s) || s->log2_peak <= peak) return EINJIT_OK;
    memcpy(s->pairs, s->saved_pairs, bytes);
    s->log2_cost = cost;
    s->log2_peak = peak;
    return EINJIT_OK;
}

/* Cuts until it fits. *done false: there is nothing left to cut. */
static int cut_down(slicer *s, double noise, bool *done)
{
    *done = false;
    EJ_TRY(weigh(s));
    while (!fits(s)) {
        ej_arena memory;
        ej_job job = round_job(s, &memory);
        int32_t label = -1;
        int status = EINJIT_OK;
        /* Three results at a time, mostly. Where all are below that, several are waiting. */
        for (double below = 1.5; label < 0 && below < 40 && !status; below *= 2) {
            status = rate(s, s->log2_most - below, &job);
            if (!status) label = choose(s, noise);
        }
        ej_arena_free(&memory);
        EJ_TRY(status);
        if (label < 0) return EINJIT_OK;
        set_cut(s, label, true);
        EJ_TRY(weigh(s));
        if (!fits(s)) EJ_TRY(reconfigure_within(s));
        EJ_TRY(ej_job_poll(s->job, EJ_STAGE_PATH, -1));
    }
    *done = true;
    return EINJIT_OK;
}

/* Labels that need not be cut any more: results got smaller by others. */
static int join_again(slicer *s)
{
    for (int32_t l = 0; l < s->whole->n_labels; l++) {
        if (!s->cut[l]) continue;
        double cost = s->log2_cost, peak = s->log2_peak;
        set_cut(s, l, false);
        EJ_TRY(weigh(s));
        if (fits(s) && s->log2_cost <= cost + 1e-9) continue;
        set_cut(s, l, true);
        s->log2_cost = cost;
        s->log2_peak = peak;
    }
    return EINJIT_OK;
}

static void keep(slicer *s)
{
    if (s->log2_cost >= s->best_cost) return;
    s->best_cost = s->log2_cost;
    memcpy(s->best_cut, s->cut, (size_t)s->whole->n_labels * sizeof *s->cut);
    memcpy(s->best_pairs, s->pairs, (size_t)(s->whole->n_terms - 1) * sizeof *s->pairs);
}

/* It fits: what was cut for nothing is joined again, and parts are put in order as far as it still fits then. */
static int settle(slicer *s)
{
    EJ_TRY(join_again(s));
    keep(s);
    EJ_TRY(reconfigure(s, 0));
    EJ_TRY(weigh(s));
    if (!fits(s)) return EINJIT_OK;
    EJ_TRY(join_again(s));
    keep(s);
    return EINJIT_OK;
}

static void go_back(slicer *s)
{
    memcpy(s->pairs, s->best_pairs, (size_t)(s->whole->n_terms - 1) * sizeof *s->pairs);
    for (int32_t l = 0; l < s->whole->n_labels; l++) set_cut(s, l, s->best_cut[l]);
}

/* The best state again, a part of its labels whole; each with a chance of its own. */
static void perturb(slicer *s)
{
    double chance = ej_random_unit(&s->random);
    go_back(s);
    for (int32_t l = 0; l < s->whole->n_labels; l++)
        if (s->cut[l] && ej_random_unit(&s->random) < chance) set_cut(s, l, false);
}

static int64_t rounds_for(const slicer *s)
{
    size_t words = ej_core_tree_words(s->whole);
    int64_t rounds = MOST_WORK / (int64_t)(words ? words : 1) / 4;
    if (s->by_clock) return INT64_MAX;
    return rounds < ROUNDS ? rounds : ROUNDS;
}

/* Whoever watches may end the rounds. */
static void tell(slicer *s, int64_t round)
{
    const ej_path_watch *watch = s->job->path_watch;
    double seconds = (double)(ej_now_ns() - s->effort.started_ns) * 1e-9;
    if (watch && watch->tell(watch->user, s->best_cost * log10(2), round, seconds)) s->effort.stopped = true;
}

static int search(slicer *s)
{
    bool done;
    EJ_TRY(cut_down(s, 0, &done));
    if (!done)
        return ej_fail(s->job->err, EINJIT_E_LIMIT,
                       "a contraction of %d operands does not fit into the memory limit, however it is sliced",
                       (int)s->whole->n_terms);
    EJ_TRY(settle(s));
    int64_t rounds = rounds_for(s);
    for (int64_t i = 0; i < rounds; i++) {
        tell(s, i);
        if (ej_effort_is_over(&s->effort)) break;
        perturb(s);
        EJ_TRY(reconfigure(s, i % 3 ? 0.1 + 0.5 * ej_random_unit(&s->random) : 0));
        EJ_TRY(cut_down(s, i % 2 ? 0.3 : 0, &done));
        if (!done) continue;
        EJ_TRY(settle(s));
    }
    go_back(s);
    return EINJIT_OK;
}

/* The pairs of a path that may sum operands by themselves in between. */
static void take_pairs(slicer *s, const ej_path *path, int32_t *id_of)
{
    int32_t n = s->whole->n_terms, made = 0;
    for (int32_t t = 0; t < n; t++) id_of[t] = t;
    for (int32_t i = 0; i < path->n_steps; i++) {
        ej_path_step step = path->steps[i];
        id_of[n + i] = id_of[step.a];
        if (step.b < 0) continue;
        s->pairs[made] = (ej_path_step){id_of[step.a], id_of[step.b]};
        id_of[n + i] = n + made++;
    }
}

static int begin(slicer *s, const ej_path *path)
{
    ej_job *job = s->job;
    size_t n_labels = (size_t)s->whole->n_labels, n = (size_t)s->whole->n_terms;
    int32_t *id_of = EJ_JOB_ARRAY(job, int32_t, n + (size_t)path->n_steps);
    s->extents = EJ_JOB_ARRAY(job, int64_t, n_labels);
    s->cut = EJ_JOB_ARRAY(job, bool, n_labels);
    s->best_cut = EJ_JOB_ARRAY(job, bool, n_labels);
    s->share = EJ_JOB_ARRAY(job, double, n_labels);
    s->gain = EJ_JOB_ARRAY(job, double, n_labels);
    s->pairs = EJ_JOB_ARRAY(job, ej_path_step, n);
    s->best_pairs = EJ_JOB_ARRAY(job, ej_path_step, n);
    s->saved_pairs = EJ_JOB_ARRAY(job, ej_path_step, n);
    if (!id_of || !s->extents || !s->cut || !s->best_cut || !s->share || !s->gain || !s->pairs || !s->best_pairs ||
        !s->saved_pairs)
        return ej_no_memory(job->err);
    if (n_labels) memcpy(s->extents, s->whole->extents, n_labels * sizeof *s->extents);
    take_pairs(s, path, id_of);
    return EINJIT_OK;
}

static int list_labels(const slicer *s, ej_path *out)
{
    out->sliced = EJ_JOB_ARRAY(s->job, int32_t, (size_t)s->whole->n_labels);
    if (!out->sliced) return ej_no_memory(s->job->err);
    out->n_sliced = 0;
    for (int32_t l = 0; l < s->whole->n_labels; l++)
        if (s->cut[l]) out->sliced[out->n_sliced++] = l;
    out->log2_slices = log2_slices(s);
    return EINJIT_OK;
}

/* The costs of the best state, its steps in order. */
static int finish(slicer *s, ej_path *out)
{
    ej_network net = sliced_network(s);
    const double log10_of_2 = 0.30102999566398119521;
    *out = (ej_path){.n_steps = net.n_terms - 1, .steps = s->pairs};
    EJ_TRY(ej_path_settle(out, &net, s->job));
    EJ_TRY(ej_path_order(out, &net, false, s->job));
    EJ_TRY(ej_path_count(out, &net, s->job));
    EJ_TRY(list_labels(s, out));
    out->log10_mults += out->log2_slices * log10_of_2;
    return EINJIT_OK;
}

int ej_path_slice(ej_path *path, const ej_network *network, double log2_most, const ej_effort *effort, ej_job *job)
{
    slicer s = {.whole = network, .job = job, .effort = *effort, .log2_most = log2_most, .best_cost = INFINITY};
    double unsliced = path->log10_mults;
    s.by_clock = s.effort.deadline_ns != 0;
    s.random = s.effort.seed;
    EJ_TRY(begin(&s, path));
    EJ_TRY(search(&s));
    EJ_TRY(finish(&s, path));
    path->log10_overhead = path->log10_mults - unsliced;
    return EINJIT_OK;
}
