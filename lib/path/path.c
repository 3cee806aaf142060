/* path.c - the table of path strategies, what a path costs, what its steps keep.
 *
 * Takes  a network: label sets and extents.
 * Gives  a path by one strategy, its costs counted the one way that every report of ours uses.
 * Not here: the strategies (path_<name>.c), executing a path (plan_einsum.c).
 */
#include <string.h>

#include "base_time.h"
#include "path_search.h"
#include "path_sets.h"

static int search_auto(ej_path *out, const ej_network *network, ej_job *job)
{
    if (network->n_terms <= EJ_PATH_EXACT) return ej_path_optimal(out, network, job);
    return ej_path_portfolio(out, network, job);
}

const ej_strategy ej_strategies[] = {
    {"auto", search_auto, "optimal for up to 10 operands, else a short portfolio", true},
    {"auto-hq", search_auto, "optimal for up to 10 operands, else a long portfolio", true},
    {"portfolio", ej_path_portfolio, "greedy, bisection and elimination, annealed, parts solved exactly", true},
    {"optimal", ej_path_optimal, "the fewest operations of all orders of pairs; up to 16 operands", false},
    {"dp", ej_path_dp, "the fewest operations, steps that sum counted twice, as opt_einsum counts; up to 16 operands",
     false},
    {"branch-all", ej_path_branch, "branch and bound over all pairs, best first; small contractions", false},
    {"branch-2", ej_path_branch, "branch and bound, the two best pairs each time", false},
    {"branch-1", ej_path_branch, "the best pair each time", false},
    {"greedy", ej_path_greedy, "the pair that shrinks memory most, again and again; any number of operands", false},
    {"random-greedy", ej_path_portfolio, "greedy with other weights and some noise, many times", true},
    {"partition", ej_path_portfolio, "recursive bisection, parts solved exactly", true},
    {"eliminate", ej_path_portfolio, "an order of labels, parts solved exactly", true},
    {"anneal", ej_path_portfolio, "greedy, annealed, parts solved exactly", true},
    {"written", ej_path_written, "from left to right, in the order of the operands", false},
    {"random", ej_path_random, "any order (\"random:SEED\"), and any recipe for its steps: for tests", false},
};
const size_t ej_n_strategies = sizeof ej_strategies / sizeof ej_strategies[0];

static const char from_file[] = "file:", as_ids[] = "ssa:", as_places[] = "linear:";

static bool begins(const char *name, const char *how)
{
    return !strncmp(name, how, strlen(how));
}

bool ej_path_is_given(const char *name)
{
    return begins(name, from_file) || begins(name, as_ids) || begins(name, as_places);
}

static int read_given(ej_path *out, const ej_network *network, ej_job *job)
{
    const char *name = job->path_strategy;
    if (begins(name, from_file)) return ej_path_read_file(out, name + strlen(from_file), network, job);
    bool places = begins(name, as_places);
    return ej_path_read_text(out, name + (places ? strlen(as_places) : strlen(as_ids)), places, network, job);
}

static const ej_strategy *strategy_by_name(const char *name)
{
    size_t length = strcspn(name, ":"); /* what follows is a seed, or how long it may take */
    for (size_t i = 0; i < ej_n_strategies; i++) {
        const ej_strategy *s = &ej_strategies[i];
        if (strlen(s->name) != length || memcmp(s->name, name, length)) continue;
        return !name[length] || s->in_trials || s->search == ej_path_random ? s : NULL;
    }
    return NULL;
}

static int unknown_strategy(const char *name, ej_job *job)
{
    ej_text names;
    ej_text_init(&names, job->arena);
    for (size_t i = 0; i < ej_n_strategies; i++) ej_print(&names, "%s%s", i ? ", " : "", ej_strategies[i].name);
    if (names.failed) return ej_no_memory(job->err);
    return ej_fail(job->err, EINJIT_E_VALUE, "path strategy '%.200s' is not one of %s", name, names.data);
}

int ej_path_count(ej_path *path, const ej_network *network, ej_job *job)
{
    ej_label_sets sets;
    ej_big total = ej_big_of(0), largest = ej_big_of(0);
    EJ_TRY(ej_label_sets_init(&sets, network, true, (size_t)path->n_steps, job));
    for (int32_t s = 0; s < path->n_steps; s++) {
        ej_big work;
        int32_t c = ej_label_sets_merge(&sets, path->steps[s].a, path->steps[s].b, &work);
        total = ej_big_add(total, work);
        if (ej_big_less(largest, sets.size[c])) largest = sets.size[c];
    }
    const double log10_of_2 = 0.30102999566398119521;
    path->log10_mults = ej_big_log2(total) * log10_of_2;
    path->log2_largest = ej_big_log2(largest);
    return EINJIT_OK;
}

/* A path that sums operands by themselves was settled by whoever wrote it. */
static bool sums_alone(const ej_path *path)
{
    for (int32_t s = 0; s < path->n_steps; s++)
        if (path->steps[s].b < 0) return true;
    return false;
}

int ej_path_complete(ej_path *path, const ej_network *network, ej_job *job)
{
    if (!sums_alone(path)) EJ_TRY(ej_path_settle(path, network, job));
    return ej_path_count(path, network, job);
}

static int search(ej_path *out, const ej_network *network, const ej_strategy *strategy, ej_job *job)
{
    if (network->n_terms < 1) return ej_fail(job->err, EINJIT_E_NO_OPERANDS, "a contraction without operands");
    if (network->n_terms == 1) {
        out->steps = EJ_JOB_NEW(job, ej_path_step);
        if (!out->steps) return ej_no_memory(job->err);
        out->steps[0] = (ej_path_step){0, -1};
        out->n_steps = 1;
    } else {
        if (!strategy) EJ_TRY(read_given(out, network, job));
        else EJ_TRY(strategy->search(out, network, job));
    }
    if (!sums_alone(out)) EJ_TRY(ej_path_settle(out, network, job));
    bool keeps = !strategy || strategy->search == ej_path_written || strategy->search == ej_path_random;
    EJ_TRY(ej_path_order(out, network, keeps, job));
    return ej_path_count(out, network, job);
}

int ej_path_search(ej_path *out, const ej_network *network, ej_job *job)
{
    const char *name = job->path_strategy ? job->path_strategy : "auto";
    const ej_strategy *strategy = strategy_by_name(name);
    ej_effort effort;
    bool found;
    memset(out, 0, sizeof *out);
    EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
    if (!strategy && !ej_path_is_given(name)) return unknown_strategy(name, job);
    if (strategy && strategy->in_trials) EJ_TRY(ej_effort_read(&effort, job)); /* also where there is one path only */
    EJ_TRY(ej_path_recall(out, &found, network, job));
    if (found) return EINJIT_OK;
    EJ_TRY(search(out, network, strategy, job));
    return ej_path_remember(out, network, job);
}

int ej_path_search_within(ej_path *out, const ej_network *network, double log2_most, ej_job *job)
{
    ej_job halved = *job; /* what is left of the time is for the slices */
    halved.half_time = true;
    EJ_TRY(ej_path_search(out, network, &halved));
    if (out->log2_peak <= log2_most) return EINJIT_OK;
    const ej_strategy *strategy = strategy_by_name(job->path_strategy ? job->path_strategy : "auto");
    ej_effort effort = {.job = job, .started_ns = ej_now_ns()};
    if (strategy && strategy->in_trials) EJ_TRY(ej_effort_read(&effort, &halved));
    return ej_path_slice(out, network, log2_most, &effort, &halved);
}

int ej_path_results(ej_term **results, const ej_network *network, const ej_path *path, ej_arena *arena)
{
    ej_label_sets sets;
    ej_job job = {.arena = arena};
    ej_term *terms = EJ_NEW_ARRAY(arena, ej_term, (size_t)path->n_steps);
    if (!terms) return EINJIT_E_NOMEM;
    EJ_TRY(ej_label_sets_init(&sets, network, true, (size_t)path->n_steps, &job));
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t c = ej_label_sets_merge(&sets, path->steps[s].a, path->steps[s].b, NULL);
        size_t n = (size_t)sets.len[c];
        terms[s].n = (uint32_t)n;
        terms[s].labels = EJ_NEW_ARRAY(arena, int32_t, n);
        if (!terms[s].labels) return EINJIT_E_NOMEM;
        if (n) memcpy(terms[s].labels, ej_label_sets_of(&sets, c), n * sizeof(int32_t));
    }
    *results = terms;
    return EINJIT_OK;
}

/* Which of the two operands to sum first: bit 0 a, bit 1 b; the fewest operations, and no extra step when even. */
static int sums_that_pay(const ej_label_sets *sets, int32_t a, int32_t b, int32_t n_terms)
{
    ej_big one = ej_big_of(1);
    ej_big private_a = a < n_terms ? ej_label_sets_private(sets, a) : one;
    ej_big private_b = b < n_terms ? ej_label_sets_private(sets, b) : one;
    if (!ej_big_less(one, private_a) && !ej_big_less(one, private_b)) return 0;
    ej_big both = sets->size[a]; /* the product of all shared labels of both */
    const int32_t *la = ej_label_sets_of(sets, a), *lb = ej_label_sets_of(sets, b);
    for (int32_t i = 0, j = 0; j < sets->len[b]; j++) {
        while (i < sets->len[a] && la[i] < lb[j]) i++;
        bool in_a = i < sets->len[a] && la[i] == lb[j];
        if (!in_a && sets->left[lb[j]] > 1) both = ej_big_scale(both, sets->extent[lb[j]]);
    }
    int best = 0;
    ej_big best_cost = ej_big_of(0);
    for (int choice = 0; choice < 4; choice++) {
        ej_big cost = both, extra = ej_big_of(0);
        if (choice & 1) extra = ej_big_add(extra, ej_big_mul(sets->size[a], private_a));
        else cost = ej_big_mul(cost, private_a);
        if (choice & 2) extra = ej_big_add(extra, ej_big_mul(sets->size[b], private_b));
        else cost = ej_big_mul(cost, private_b);
        cost = ej_big_add(cost, extra);
        if (choice && !ej_big_less(cost, best_cost)) continue;
        best = choice, best_cost = cost;
    }
    return best;
}

int ej_path_settle(ej_path *path, const ej_network *network, ej_job *job)
{
    int32_t n = network->n_terms, made = 0;
    ej_label_sets sets;
    size_t room = (size_t)path->n_steps + (size_t)n;
    ej_path_step *steps = EJ_JOB_ARRAY(job, ej_path_step, room);
    int32_t *renamed = EJ_JOB_ARRAY(job, int32_t, (size_t)n + (size_t)path->n_steps);
    if (!steps || !renamed) return ej_no_memory(job->err);
    EJ_TRY(ej_label_sets_init(&sets, network, false, room, job));
    for (int32_t t = 0; t < n; t++) renamed[t] = t;
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t a = renamed[path->steps[s].a], b = renamed[path->steps[s].b];
        int sums = sums_that_pay(&sets, a, b, n);
        if (sums & 1) {
            steps[made++] = (ej_path_step){a, -1};
            a = ej_label_sets_merge(&sets, a, -1, NULL);
        }
        if (sums & 2) {
            steps[made++] = (ej_path_step){b, -1};
            b = ej_label_sets_merge(&sets, b, -1, NULL);
        }
        steps[made++] = (ej_path_step){a, b};
        renamed[n + s] = ej_label_sets_merge(&sets, a, b, NULL);
    }
    path->steps = steps;
    path->n_steps = made;
    return EINJIT_OK;
}
