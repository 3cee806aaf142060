/* path_portfolio.c - searches within a time: initial trees are annealed, and their parts solved exactly.
 *
 * Takes  a network. Gives the best path of all trials, and never one that costs more than greedy's.
 * A trial  begins with a tree (greedy, bisection, elimination, a front, or the best one so far once more), anneals it,
 *          and solves small parts exactly. Which beginning is taken depends on how good the others were; trials become
 *          longer as they go on.
 * Ends   after a number of trials that depends on the strategy, sooner where trials agree; or after the caller's
 *        number; or when the caller's time is over. Without a clock the result is the same every time.
 * Large networks are simplified first; what was done there is put in order at the end, on the tree of all operands.
 * Where trees would take more than EJ_MOST_TREE_WORDS, greedy and path_refine.c remain.
 */
#include <string.h>

#include "base_time.h"
#include "path_search.h"
#include "path_sets.h"

enum beginning { GREEDY, BISECT, ELIMINATE, SWEEP, AGAIN, N_BEGINNINGS };
enum {
    SIMPLIFY_FROM = 100,   /* operands */
    CHEAP_BITS = 8,        /* a simplified step costs less than 2^-8 of a share of a greedy tree */
    GREEDY_TREES = 8,      /* for one trial; the best one is annealed */
    GREEDY_WORK = 1 << 15, /* words of label sets: beyond, it is one tree */
    AGREE = 2,             /* without a time or number of trials: so many that lead to one cost end a search */
    FIRST_ROUNDS = 250,
    LEAST_ROUNDS = 10,
    LONGER_EVERY = 8,
    MOST_DOUBLINGS = 7,   /* of annealing */
    FIRST_WORK = 1 << 21, /* rounds times words of label sets, of a first trial */
    LOOKS_WORK = 1 << 18, /* looks at pieces times words of a label set */
    PIECE = 8,
    LAST_PIECE = 10,
    MOST_COMPILE_WORDS = 1 << 17 /* of a tree, where no time is given */
};

/* What a strategy by this search does. */
typedef struct plan {
    const char *name;
    unsigned beginnings; /* bit: one of them */
    bool anneals, solves_pieces;
    bool ends_well; /* larger pieces of the best tree at the end */
    int64_t trials; /* where the caller gives no number */
} plan;

static const double SAME_COST = 1e-9; /* of logarithms of equal numbers that were added up in different orders */

static const plan plans[] = {
    {"auto", 1 << GREEDY | 1 << BISECT | 1 << ELIMINATE | 1 << SWEEP, true, true, false, 4},
    {"auto-hq", 1 << GREEDY | 1 << BISECT | 1 << ELIMINATE | 1 << SWEEP | 1 << AGAIN, true, true, true, 64},
    {"portfolio", 1 << GREEDY | 1 << BISECT | 1 << ELIMINATE | 1 << SWEEP | 1 << AGAIN, true, true, true, 32},
    {"anneal", 1 << GREEDY | 1 << AGAIN, true, true, true, 16},
    {"partition", 1 << BISECT, false, true, true, 16},
    {"eliminate", 1 << ELIMINATE, false, true, true, 16},
    {"random-greedy", 1 << GREEDY, false, false, false, 128},
};

typedef struct search {
    const ej_core *core;
    ej_job *job;
    const plan *plan;
    ej_effort effort;
    ej_tree best, trial, now;
    ej_pieces *pieces;
    ej_greedy *greedy;
    ej_path_step *steps, *other; /* of a tree to begin with */
    double least;                /* log2 of best's cost; infinite: there is none yet */
    int64_t n_trials, n_of[N_BEGINNINGS];
    double sum_of[N_BEGINNINGS]; /* of results, log2 */
    int32_t n_even;              /* trials in a row that ended at the least cost and did not lower it */
    uint64_t random;
} search;

static int64_t words_of(const ej_core *core)
{
    return (int64_t)core->n * core->words;
}

/* What a search for pieces may take: all that it wants by the clock. */
static int64_t looks_for(const ej_core *core, const ej_effort *effort)
{
    return effort->deadline_ns ? INT64_MAX : LOOKS_WORK / core->words;
}

static int64_t first_rounds(const ej_core *core)
{
    int64_t rounds = FIRST_WORK / words_of(core);
    return rounds < LEAST_ROUNDS ? LEAST_ROUNDS : rounds > FIRST_ROUNDS ? FIRST_ROUNDS : rounds;
}

static int begin(search *s, const ej_core *core, const plan *p, const ej_effort *effort, ej_job *job)
{
    *s = (search){.core = core, .job = job, .plan = p, .effort = *effort, .least = INFINITY, .random = effort->seed};
    s->steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)core->n);
    s->other = EJ_JOB_ARRAY(job, ej_path_step, (size_t)core->n);
    if (!s->steps || !s->other) return ej_no_memory(job->err);
    EJ_TRY(ej_tree_new(&s->best, core, job));
    EJ_TRY(ej_tree_new(&s->trial, core, job));
    EJ_TRY(ej_tree_new(&s->now, core, job));
    EJ_TRY(ej_pieces_new(&s->pieces, core, job));
    return ej_greedy_new(&s->greedy, core, job);
}

/* ---- a trial ---- */

static int begin_greedy(search *s)
{
    double least = INFINITY;
    int n = s->plan->anneals && words_of(s->core) <= GREEDY_WORK ? GREEDY_TREES : 1;
    for (int i = 0; i < n && (!i || !ej_effort_is_over(&s->effort)); i++) {
        bool first = !s->n_trials && !i; /* no single setting is good for all kinds of networks */
        double weight = first ? 1 : pow(0.1 + 3.9 * ej_random_unit(&s->random), 2);
        double noise = first ? 0 : exp2(-10 * ej_random_unit(&s->random));
        EJ_TRY(ej_greedy_steps(s->greedy, s->other, weight, noise, &s->random));
        EJ_TRY(ej_tree_plant(&s->now, s->other, s->job));
        double total = ej_tree_total(&s->now);
        if (i && total >= least) continue;
        least = total;
        ej_tree_copy(&s->trial, &s->now);
    }
    return EINJIT_OK;
}

static int begin_other(search *s, enum beginning how)
{
    double more = ej_random_unit(&s->random), noise = how == ELIMINATE && s->n_of[how] ? ej_random_unit(&s->random) : 0;
    if (how == BISECT) EJ_TRY(ej_bisect_steps(s->core, s->steps, 0.1 + 0.7 * more, &s->random, s->job));
    else if (how == SWEEP) EJ_TRY(ej_sweep_steps(s->core, s->steps, more * more, &s->random, s->job));
    else EJ_TRY(ej_eliminate_steps(s->core, s->steps, s->n_of[how] % 2 ? 0 : 1, noise, &s->random, s->job));
    return ej_tree_plant(&s->trial, s->steps, s->job);
}

/* Every other trial goes on with the best tree. Else each once; then the one whose results were best, those that were
 * taken seldom in favour (UCB1: Auer, Cesa-Bianchi, Fischer, Machine Learning 47, 2002; the unit is a doubling of the
 * cost). */
static enum beginning choose(const search *s)
{
    enum beginning best = N_BEGINNINGS;
    double least = 0;
    if (s->plan->beginnings >> AGAIN & 1 && s->n_trials % 2 && s->n_trials >= AGAIN) return AGAIN;
    for (enum beginning b = 0; b < AGAIN; b++) {
        if (!(s->plan->beginnings >> b & 1)) continue;
        if (!s->n_of[b]) return b;
        double n = (double)s->n_of[b], score = s->sum_of[b] / n - sqrt(2 * log((double)s->n_trials) / n);
        if (best == N_BEGINNINGS || score < least) best = b, least = score;
    }
    return best;
}

static int try_once(search *s)
{
    enum beginning how = choose(s);
    int64_t doublings = s->n_trials / LONGER_EVERY;
    ej_anneal heat = {.hot = 1,
                      .cold = 0.05,
                      .blind = INFINITY,
                      .rounds = first_rounds(s->core) << (doublings < MOST_DOUBLINGS ? doublings : MOST_DOUBLINGS)};
    if (how == AGAIN) {
        ej_tree_copy(&s->trial, &s->best);
        heat.hot = 0.1 + 0.6 * ej_random_unit(&s->random);
        if (s->n_of[how] % 2) heat.blind = 2 + 8 * ej_random_unit(&s->random);
    } else if (how == GREEDY) {
        EJ_TRY(begin_greedy(s));
    } else {
        EJ_TRY(begin_other(s, how));
    }
    if (s->plan->anneals) ej_anneal_run(&s->trial, &s->now, &heat, &s->random, &s->effort);
    int64_t looks = looks_for(s->core, &s->effort);
    if (s->plan->solves_pieces) ej_pieces_improve(s->pieces, &s->trial, PIECE, looks, &s->effort);
    double total = ej_tree_total(&s->trial);
    s->n_trials++;
    s->n_of[how]++;
    s->sum_of[how] += total;
    s->n_even = fabs(total - s->least) < SAME_COST ? s->n_even + 1 : 0;
    if (total >= s->least) return EINJIT_OK;
    s->least = total;
    ej_tree_copy(&s->best, &s->trial);
    return EINJIT_OK;
}

/* ---- all of it ---- */

static void tell(search *s)
{
    const ej_path_watch *watch = s->job->path_watch;
    double seconds = (double)(ej_now_ns() - s->effort.started_ns) * 1e-9;
    if (watch && watch->tell(watch->user, s->least * log10(2), s->n_trials, seconds)) s->effort.stopped = true;
}

static int run(search *s)
{
    bool limited = s->effort.trials || s->effort.deadline_ns;
    int64_t trials = s->effort.trials ? s->effort.trials : s->effort.deadline_ns ? INT64_MAX : s->plan->trials;
    do {
        EJ_TRY(try_once(s));
        tell(s);
    } while (s->n_trials < trials && (limited || s->n_even < AGREE) && !ej_effort_is_over(&s->effort));
    int64_t looks = looks_for(s->core, &s->effort);
    if (s->plan->ends_well) ej_pieces_improve(s->pieces, &s->best, LAST_PIECE, looks, &s->effort);
    return ej_tree_steps(&s->best, s->steps, s->job);
}

/* A tree over all operands. */
typedef struct whole {
    const ej_core *core;
    ej_job *job;
    ej_tree best, now;
    ej_pieces *pieces;
    double cost; /* log2 of best's */
} whole;

static int begin_whole(whole *w, const ej_core *core, ej_job *job)
{
    *w = (whole){.core = core, .job = job, .cost = INFINITY};
    EJ_TRY(ej_tree_new(&w->best, core, job));
    EJ_TRY(ej_tree_new(&w->now, core, job));
    return ej_pieces_new(&w->pieces, core, job);
}

/* The path, its parts in order: where simplifying was hasty. It becomes the best if it is. */
static int offer(whole *w, const ej_path *path, const plan *p, const ej_effort *effort)
{
    EJ_TRY(ej_tree_plant(&w->now, path->steps, w->job));
    if (p->solves_pieces) ej_pieces_improve(w->pieces, &w->now, PIECE, looks_for(w->core, effort), effort);
    double cost = ej_tree_total(&w->now);
    if (cost >= w->cost) return EINJIT_OK;
    w->cost = cost;
    ej_tree_copy(&w->best, &w->now);
    return EINJIT_OK;
}

/* A twentieth of the time is for the end. */
static ej_effort without_end(const ej_effort *effort)
{
    ej_effort out = *effort;
    if (out.deadline_ns) out.deadline_ns -= (out.deadline_ns - out.started_ns) / 20;
    return out;
}

static int search_tree(ej_path *out, const ej_network *network, const plan *p, const ej_effort *effort, ej_job *job)
{
    ej_core core;
    ej_simple simple;
    whole w;
    search s = {0}; /* where simplifying leaves one operand there are no steps */
    ej_effort most = without_end(effort);
    EJ_TRY(ej_core_make(&core, network, job));
    EJ_TRY(begin_whole(&w, &core, job));
    bool simplifies = core.n >= SIMPLIFY_FROM && p->solves_pieces;
    if (p->solves_pieces) {
        EJ_TRY(ej_path_greedy(out, network, job));
        EJ_TRY(offer(&w, out, p, &most));
    }
    if (simplifies) EJ_TRY(ej_simplify(&simple, &core, w.cost - log2(core.n) - CHEAP_BITS, job));
    const ej_core *inner = simplifies ? &simple.core : &core;
    if (inner->n > 1) {
        EJ_TRY(begin(&s, inner, p, &most, job));
        if (!simplifies && w.cost < INFINITY) {
            ej_tree_copy(&s.best, &w.best);
            s.least = w.cost;
        }
        EJ_TRY(run(&s));
    }
    if (simplifies) EJ_TRY(ej_simple_path(out, &simple, s.steps, core.n, job));
    else *out = (ej_path){.steps = s.steps, .n_steps = core.n - 1};
    EJ_TRY(offer(&w, out, p, effort));
    EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, 1));
    return ej_tree_steps(&w.best, out->steps, job);
}

static const plan *plan_of(const char *name)
{
    size_t length = strcspn(name, ":");
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        if (strlen(plans[i].name) == length && !memcmp(plans[i].name, name, length)) return &plans[i];
    return &plans[0];
}

int ej_path_portfolio(ej_path *out, const ej_network *network, ej_job *job)
{
    const plan *p = plan_of(job->path_strategy ? job->path_strategy : "auto");
    ej_effort effort;
    EJ_TRY(ej_effort_read(&effort, job));
    if (network->n_terms <= EJ_PATH_EXACT && p->solves_pieces) return ej_path_optimal(out, network, job);
    if (ej_core_tree_words(network) > (effort.deadline_ns ? EJ_MOST_TREE_WORDS : MOST_COMPILE_WORDS)) {
        EJ_TRY(ej_path_greedy(out, network, job));
        return ej_path_refine(out, network, job);
    }
    return search_tree(out, network, p, &effort, job);
}
