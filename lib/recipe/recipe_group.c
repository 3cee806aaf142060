/* recipe_group.c - steps that run together: which of them, and in what tree.
 *
 * Takes  the steps of a plan, with a nest for each.
 * Gives  one nest for steps that follow each other, where the cost model says that it clearly costs less than theirs:
 *
 *            loop z 8                       axes that the last result and all intermediates have
 *                place t                    intermediates, without the values of z outside of the chunk
 *                t[z, j] <- ...             each statement by the recipe that suits a step of that size
 *                out[z, i] <- ... t ...
 *
 *        So intermediates stay in a near cache. Steps in between whose results have none of the axes run before. Then
 *        the plan's buffers are placed again: what vanished takes no room, the others live as long as their groups.
 * Keeps  steps apart whose sums have a promised order, and those in between which an output that lies in the memory of
 *        an input would be overwritten.
 */
#include "recipe_group.h"

#include <stdlib.h>
#include <string.h>

#include "base_hash.h"
#include "nest_cost.h"

enum { GROUP_TRIES = 3 };

/* The model tells classes of trees apart: a group's cycles as a part of its steps', above which it counts as no win. */
static const double group_wins_below = 0.9;
/* The model adds up leaves one after the other. Where rows are turned they overlap with what is computed: of nine such
 * trees on Zen 4 eight took 0.44 to 0.76 of the cycles that it says, one 0.9. */
static const double turned_rows_take = 0.65;

/* A step in a nest of its own, by the cheaper of two recipes: what is chosen, and `plain`. Rules override the model,
 * and a group is not to win by other recipes only (two products of 4x4 over 2,000: 7.5 us apart, 12.4 together). */
typedef struct step_alone {
    bool known;
    double cycles, compute;
    int64_t row; /* extent of the result's unit axis */
} step_alone;

/* What was found for a group: equal ones get the same. */
typedef struct known_group {
    bool known;
    ej_hash key;
    const ej_nest *nest; /* NULL: its steps stay apart */
} known_group;

typedef struct grouper {
    ej_nests *nests;
    ej_plan *plan;
    ej_sizes *sizes;
    ej_job *job, tries; /* tries: the same job, whose memory goes after each try */
    const ej_plan_life *lives;
    int32_t *members; /* by step: so many steps begin with it in one nest; 1: none but it */
    ej_nest *together;
    step_alone *alone; /* by step */
    size_t n_slots;    /* of `groups`: a power of 2 */
    known_group *groups;
} grouper;

/* ---- loops that statements share ---- */

static bool is_kept(const ej_statement *st, int32_t axis)
{
    return ej_access_moves(&st->out, axis) && !ej_statement_has_table(st, axis);
}

static bool reads(const ej_statement *st, int32_t buffer)
{
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++)
        if (ej_access_names(&st->src[i], buffer)) return true;
    return false;
}

/* Statements that do not move read nothing of those that do. */
static bool may_move(const ej_step_group *h, int32_t k)
{
    const ej_statement *st = &h->fresh.statements[k];
    if (!h->fresh.buffers[st->out.buffer].inside || st->accumulate) return false;
    for (int32_t j = k + 1; j < h->n - 1; j++)
        if (!h->moves[j] && reads(&h->fresh.statements[j], st->out.buffer)) return false;
    return true;
}

static int64_t stride_in_result(const ej_step_group *h, int32_t axis)
{
    return ej_rule_reach(&h->fresh.statements[h->n - 1].out, 0, NULL, axis, false);
}

static void sort_loops(const ej_step_group *h)
{
    for (int32_t i = 1; i < h->n_loops; i++)
        for (int32_t k = i; k > 0 && stride_in_result(h, h->axes[k]) > stride_in_result(h, h->axes[k - 1]); k--) {
            int32_t axis = h->axes[k];
            h->axes[k] = h->axes[k - 1];
            h->axes[k - 1] = axis;
        }
}

/* From the last statement on: those whose results have axes that all others have, too. False: nothing moves. */
static bool find_loops(ej_step_group *h)
{
    const ej_schedule *s = &h->fresh;
    const ej_statement *last = &s->statements[h->n - 1];
    for (int32_t a = 0; a < s->n_axes; a++)
        if (is_kept(last, a)) h->axes[h->n_loops++] = a;
    for (int32_t k = h->n - 1; k-- > 0;) {
        const ej_statement *st = &s->statements[k];
        int32_t n = 0;
        for (int32_t i = 0; i < h->n_loops; i++) n += is_kept(st, h->axes[i]);
        h->moves[k] = n && may_move(h, k);
        if (!h->moves[k]) continue;
        n = 0;
        for (int32_t i = 0; i < h->n_loops; i++)
            if (is_kept(st, h->axes[i])) h->axes[n++] = h->axes[i];
        h->n_loops = n;
    }
    sort_loops(h);
    return h->moves[0];
}

/* ---- how far each loop goes ---- */

static double range_of(const ej_step_group *h, int32_t axis)
{
    for (int32_t i = 0; i < h->n_loops; i++)
        if (h->axes[i] == axis && h->steps[i]) return (double)h->steps[i];
    return (double)ej_nominal_extent(&h->fresh, axis);
}

static bool is_moved(const ej_step_group *h, int32_t buffer)
{
    for (int32_t k = 0; k < h->n; k++)
        if (h->moves[k] && h->fresh.statements[k].out.buffer == buffer) return true;
    return false;
}

/* In one turn of the loops: of intermediates, or of `all` buffers. */
static double bytes_in_turn(const ej_step_group *h, bool all)
{
    const ej_schedule *s = &h->fresh;
    double sum = 0;
    for (size_t b = 0; b < s->n_buffers; b++) {
        double most = 0;
        if (!all && !is_moved(h, (int32_t)b)) continue;
        for (int32_t k = 0; k < h->n; k++) {
            const ej_statement *st = &s->statements[k];
            for (int32_t i = -1; i < st->n_src + st->n_tail && (h->moves[k] || k == h->n - 1); i++) {
                const ej_access *access = i < 0 ? &st->out : &st->src[i];
                double bytes = ej_dtypes[s->buffers[b].plan.dtype].bytes;
                if (access->buffer != (int32_t)b) continue;
                for (int32_t t = 0; t < access->n_terms; t++)
                    if (ej_access_moves(access, access->terms[t].axis)) bytes *= range_of(h, access->terms[t].axis);
                if (bytes > most) most = bytes;
            }
        }
        sum += most;
    }
    return sum;
}

/* No more than `most`, and without a shorter last turn where that is not much less. */
static int64_t even_step(ej_size extent, int64_t most)
{
    int64_t step = most;
    if (extent.e) return most;
    while (step > 1 && extent.n % step) step--;
    return 2 * step > most ? step : most;
}

/* Steps with which what a turn touches fits into so many bytes. False: it does without any loop, or not at all. */
static bool choose_steps(ej_step_group *h, double bytes, bool all)
{
    const ej_schedule *s = &h->fresh;
    for (int32_t i = 0; i < h->n_loops; i++) h->steps[i] = 0;
    if (bytes_in_turn(h, all) <= bytes) return false; /* there is nothing to gain by nearness */
    for (int32_t i = 0; i < h->n_loops; i++) {
        int64_t lo = 1, hi = ej_nominal_extent(s, h->axes[i]);
        while (lo < hi) {
            int64_t mid = h->steps[i] = lo + (hi - lo + 1) / 2;
            if (bytes_in_turn(h, all) <= bytes) lo = mid;
            else hi = mid - 1;
        }
        h->steps[i] = even_step(s->axes[h->axes[i]].extent, lo);
        if (lo > 1) break;
    }
    return bytes_in_turn(h, all) <= bytes;
}

/* ---- the tree ---- */

/* The result's axes as they lie in the plan's buffer, the widest stride first. */
static ej_layout layout_of(const ej_access *out)
{
    ej_layout layout = {0};
    for (int32_t t = 0; t < out->n_terms && layout.n < EJ_TILE_DIGITS; t++) {
        if (!ej_access_moves(out, out->terms[t].axis)) continue;
        int32_t d = layout.n++;
        for (; d > 0 && ej_access_find(out, layout.digits[d - 1].axis)->stride.n < out->terms[t].stride.n; d--)
            layout.digits[d] = layout.digits[d - 1];
        layout.digits[d] = (ej_digit){out->terms[t].axis, 0, EJ_UNROLL};
    }
    return layout;
}

static void share_loops(const ej_step_group *h, ej_schedule *s)
{
    int32_t at = EJ_AT_ROOT;
    for (int32_t i = 0; i < h->n_loops; i++)
        if (h->steps[i]) at = ej_do_loop(s, h->n - 1, h->axes[i], h->steps[i]);
    for (int32_t k = h->n - 1; k-- > 0;)
        if (h->moves[k]) ej_do_compute_at(s, at, k, EJ_HOME_LOCAL, layout_of(&s->statements[k].out));
}

int ej_group_dress(const ej_step_group *h, ej_schedule *s, int32_t statement, ej_job *job)
{
    ej_schedule_part part;
    ej_recipe_choice choice;
    EJ_TRY(ej_schedule_part_begin(&part, s, statement));
    EJ_TRY(ej_recipe_choose_part(&choice, (size_t)(h->first + statement), &part.s, job));
    s->failed = !ej_schedule_part_end(s, statement, &part, &choice.done);
    return s->no_memory ? EINJIT_E_NOMEM : EINJIT_OK;
}

static int build_tree(const ej_step_group *h, ej_nest *nest, bool *built, ej_job *job)
{
    ej_schedule s;
    EJ_TRY(ej_schedule_again(&s, &h->fresh));
    share_loops(h, &s);
    for (int32_t k = 0; k < h->n && !s.failed; k++) EJ_TRY(ej_group_dress(h, &s, k, job));
    if (s.no_memory) return EINJIT_E_NOMEM;
    *built = !s.failed;
    return s.failed ? EINJIT_OK : ej_recipe_settle(nest, &s, "share", job);
}

/* ---- which steps ---- */

static int begin(const grouper *g, int32_t first, int32_t n, ej_step_group *out, ej_job *job)
{
    *out = (ej_step_group){.first = first, .n = n};
    EJ_TRY(ej_schedule_begin_group(&out->fresh, &g->plan->steps[first], n, g->plan, g->lives, g->sizes, job));
    out->axes = EJ_JOB_ARRAY(job, int32_t, (size_t)out->fresh.n_axes);
    out->steps = EJ_JOB_ARRAY(job, int64_t, (size_t)out->fresh.n_axes);
    out->chunks = EJ_JOB_ARRAY(job, bool, (size_t)out->fresh.n_axes);
    return out->axes && out->steps && out->chunks ? EINJIT_OK : EINJIT_E_NOMEM;
}

/* The first of the steps up to `last` that write what others of them alone read; `last`: there are none. */
static int32_t first_of(const grouper *g, int32_t last)
{
    int32_t first = last;
    while (first > 0 && last - first + 1 < EJ_GROUP_MOST) {
        const ej_step *step = &g->plan->steps[first - 1];
        if (g->plan->buffers[step->out.buffer].home != EJ_HOME_SCRATCH || g->lives[step->out.buffer].last > last) break;
        if (step->ordered || step->accumulate) break;
        first--;
    }
    return first;
}

/* What steps leave to the next ones is more than half of the L1: there is something to gain by nearness. */
static bool leaves_l1(const grouper *g, int32_t first, int32_t last)
{
    double bytes = 0;
    for (int32_t s = first; s < last; s++) {
        const ej_buffer *out = &g->plan->buffers[g->plan->steps[s].out.buffer];
        if (out->elems.e) return true;
        bytes += (double)out->elems.n * ej_dtypes[out->dtype].bytes;
    }
    return bytes > (double)g->job->target->l1_bytes / 2;
}

static int64_t unit_extent(const ej_schedule *s, const ej_access *access)
{
    int32_t unit = ej_access_unit_axis(access);
    return unit < 0 ? 1 : ej_nominal_extent(s, unit);
}

static int measure_alone(grouper *g, int32_t step)
{
    step_alone *alone = &g->alone[step];
    ej_job *job = &g->tries;
    ej_schedule s;
    ej_recipe_choice plain;
    ej_nest_cost cost, other;
    bool built;
    if (alone->known) return EINJIT_OK;
    EJ_TRY(ej_schedule_begin(&s, &g->plan->steps[step], g->plan, g->sizes, job));
    EJ_TRY(ej_nest_cost_of(&cost, &g->nests->nests[step], job->target, job->arena));
    EJ_TRY(ej_recipe_plain(&plain, &built, &s, job));
    if (built) EJ_TRY(ej_nest_cost_of(&other, &plain.nest, job->target, job->arena));
    if (built && other.cycles < cost.cycles) cost = other;
    *alone = (step_alone){true, cost.cycles, cost.compute, unit_extent(&s, &s.statements[0].out)};
    return EINJIT_OK;
}

static int measure_apart(grouper *g, const ej_step_group *h, step_alone *sum)
{
    *sum = (step_alone){.known = true};
    for (int32_t k = 0; k < h->n; k++) {
        EJ_TRY(measure_alone(g, h->first + k));
        sum->cycles += g->alone[h->first + k].cycles;
        sum->compute += g->alone[h->first + k].compute;
    }
    return EINJIT_OK;
}

/* Axes that one step walks as one are several where others do not: no result is to have rows for that which are shorter
 * than a register (the outer product of e3nn with rows of 7 instead of 224: 3.5 ms in loops, 2.2 step by step). */
static bool keeps_rows(const grouper *g, const ej_step_group *h)
{
    for (int32_t k = 0; k < h->n; k++) {
        const ej_statement *st = &h->fresh.statements[k];
        int64_t row = unit_extent(&h->fresh, &st->out);
        if (row < ej_rule_vector(&h->fresh, st) && row < g->alone[h->first + k].row) return false;
    }
    return true;
}

/* The cheapest tree so far. */
typedef struct best_tree {
    double cycles;
    bool found, in_lanes;
    int64_t *steps; /* of loops that are shared */
} best_tree;

/* `take`: of the cycles that the model says. */
static int consider(grouper *g, const ej_step_group *h, const ej_nest *nest, bool in_lanes, double take,
                    best_tree *best)
{
    double cycles;
    EJ_TRY(ej_recipe_cycles(&cycles, nest, &g->tries));
    cycles *= take;
    if (cycles >= best->cycles) return EINJIT_OK;
    best->cycles = cycles;
    best->found = true;
    best->in_lanes = in_lanes;
    for (int32_t i = 0; i < h->n_loops; i++) best->steps[i] = h->steps[i];
    return EINJIT_OK;
}

/* In registers; with intermediates in half of the L1; all of a turn, or intermediates alone, in half of the L2. All but
 * the first save fetches alone: they are not looked at where computing costs too much by itself. */
static int search_trees(grouper *g, ej_step_group *h, best_tree *best)
{
    const ej_target *target = g->job->target;
    ej_nest nest;
    bool built, turns;
    step_alone apart;
    EJ_TRY(measure_apart(g, h, &apart));
    *best = (best_tree){.cycles = apart.cycles * group_wins_below};
    best->steps = EJ_JOB_ARRAY(&g->tries, int64_t, (size_t)h->fresh.n_axes);
    if (!best->steps) return EINJIT_E_NOMEM;
    EJ_TRY(ej_group_in_lanes(h, &nest, &built, &turns, &g->tries));
    if (built) EJ_TRY(consider(g, h, &nest, true, turns ? turned_rows_take : 1, best));
    bool shares = apart.compute < apart.cycles * group_wins_below && keeps_rows(g, h);
    for (int32_t way = 0; way < (best->found ? 2 : 3) && shares; way++) {
        if (!choose_steps(h, (double)(way ? target->l2_bytes : target->l1_bytes) / 2, way == 1)) continue;
        EJ_TRY(build_tree(h, &nest, &built, &g->tries));
        if (built) EJ_TRY(consider(g, h, &nest, false, 1, best));
    }
    return EINJIT_OK;
}

/* The same tree in memory that stays. */
static int build_best(grouper *g, const ej_step_group *h, const best_tree *best)
{
    ej_step_group again;
    bool built, turns;
    ej_nest *nest = &g->together[h->first];
    EJ_TRY(begin(g, h->first, h->n, &again, g->job));
    find_loops(&again);
    ej_group_keeps_in_place(g->plan, &again, false);
    for (int32_t i = 0; i < again.n_loops; i++) again.steps[i] = best->steps[i];
    if (best->in_lanes) EJ_TRY(ej_group_in_lanes(&again, nest, &built, &turns, g->job));
    else EJ_TRY(build_tree(&again, nest, &built, g->job));
    return ej_recipe_finish(nest, (size_t)h->first, false, g->job);
}

/* The nest of an equal group, with this one's buffers of the plan; it is finished, and nobody writes to its nodes. */
static int copy_nest(grouper *g, const ej_step_group *h, const ej_nest *from)
{
    ej_nest *nest = &g->together[h->first];
    *nest = *from;
    nest->buffers = EJ_JOB_ARRAY(g->job, ej_buffer, (size_t)from->n_buffers);
    nest->name = ej_arena_copy_text(g->job->arena, h->fresh.name, strlen(h->fresh.name));
    if (!nest->buffers || !nest->name) return EINJIT_E_NOMEM;
    for (int32_t b = 0; b < from->n_buffers; b++) {
        bool is_plans = (size_t)b < h->fresh.n_buffers && from->buffers[b].home == h->fresh.buffers[b].plan.home;
        nest->buffers[b] = is_plans ? h->fresh.buffers[b].plan : from->buffers[b];
    }
    return EINJIT_OK;
}

/* Where it was found before, or where it goes. */
static int look_up(const grouper *g, const ej_step_group *h, known_group **out)
{
    ej_hash key;
    EJ_TRY(ej_group_key(&key, h, &g->tries));
    size_t at = (size_t)key.lo & (g->n_slots - 1);
    while (g->groups[at].known && !ej_hash_same(g->groups[at].key, key)) at = (at + 1) & (g->n_slots - 1);
    *out = &g->groups[at];
    (*out)->key = key;
    return EINJIT_OK;
}

static int try_group(grouper *g, ej_step_group *h, bool *better)
{
    known_group *known;
    best_tree best;
    ej_nest *nest = &g->together[h->first];
    EJ_TRY(look_up(g, h, &known));
    if (known->known) {
        *better = known->nest != NULL;
        if (*better) EJ_TRY(copy_nest(g, h, known->nest));
    } else {
        EJ_TRY(search_trees(g, h, &best));
        *better = best.found;
        if (*better) EJ_TRY(build_best(g, h, &best));
        known->known = true;
        known->nest = *better ? nest : NULL;
    }
    if (*better) ej_group_note_in_place(g->plan, h, nest);
    return EINJIT_OK;
}

/* The longest group that ends with a step and costs clearly less than its steps: *first is `last` where there is
 * none. */
static int find_group(grouper *g, int32_t *first, int32_t last)
{
    int32_t tries = 0;
    *first = first_of(g, last);
    bool is_far = leaves_l1(g, *first, last), better = false;
    while (*first < last && tries < GROUP_TRIES) {
        ej_step_group h;
        ej_arena_clear(g->tries.arena);
        EJ_TRY(begin(g, *first, last - *first + 1, &h, &g->tries));
        if (find_loops(&h) && ej_group_keeps_in_place(g->plan, &h, false)) {
            EJ_TRY(try_group(g, &h, &better));
            tries++;
        }
        if (better) return EINJIT_OK;
        *first = is_far || *first + 1 == last ? *first + 1 : last - 1;
    }
    *first = last;
    return EINJIT_OK;
}

static int find_groups(grouper *g)
{
    for (int32_t last = (int32_t)g->plan->n_steps - 1, first; last > 0; last = first < last ? first - 1 : last - 1) {
        first = last;
        EJ_TRY(ej_job_poll(g->job, EJ_STAGE_SCHEDULE, -1));
        if (g->plan->steps[last].ordered) continue;
        EJ_TRY(find_group(g, &first, last));
        g->members[first] = last - first + 1;
    }
    return EINJIT_OK;
}

static int search_groups(grouper *g)
{
    ej_arena arena;
    ej_arena_init(&arena, g->job->allocator);
    g->tries = *g->job;
    g->tries.arena = &arena;
    for (g->n_slots = 4; g->n_slots < 2 * GROUP_TRIES * g->plan->n_steps;) g->n_slots *= 2;
    g->groups = EJ_JOB_ARRAY(g->job, known_group, g->n_slots);
    g->alone = EJ_JOB_ARRAY(g->job, step_alone, g->plan->n_steps);
    int status = g->groups && g->alone ? find_groups(g) : EINJIT_E_NOMEM;
    ej_arena_free(&arena);
    return status;
}

/* In property tests: any steps, in loops that they share or in trees that nobody would write. */
static int build_by_chance(grouper *g, int32_t first, int32_t n, uint64_t random)
{
    ej_step_group h;
    bool built = false, turns;
    EJ_TRY(begin(g, first, n, &h, g->job));
    bool shares = find_loops(&h) && random & 1;
    if (!ej_group_keeps_in_place(g->plan, &h, !shares)) return EINJIT_OK;
    if (shares && random & 2) EJ_TRY(ej_group_in_lanes(&h, &g->together[first], &built, &turns, g->job));
    if (shares && !built) {
        for (int32_t i = 0; i < h.n_loops; i++) h.steps[i] = 1 + (int64_t)(random >> (8 + 4 * (i % 8)) & 7);
        EJ_TRY(build_tree(&h, &g->together[first], &built, g->job));
    }
    if (!built) {
        ej_recipe_choice choice;
        if (shares && !ej_group_keeps_in_place(g->plan, &h, true)) return EINJIT_OK;
        EJ_TRY(ej_recipe_random(&choice, &h.fresh, random, g->job));
        g->together[first] = choice.nest;
    }
    ej_group_note_in_place(g->plan, &h, &g->together[first]);
    g->members[first] = n;
    return ej_recipe_finish(&g->together[first], (size_t)first, false, g->job);
}

static int find_by_chance(grouper *g)
{
    for (int32_t first = 0; first < (int32_t)g->plan->n_steps;) {
        uint64_t random = ej_hash64(&first, sizeof first, ej_job_random(g->job));
        int32_t n = 1 + (int32_t)(random >> 56) % 4;
        bool fits = first + n <= (int32_t)g->plan->n_steps;
        for (int32_t k = 0; k < n && fits; k++) fits = !g->plan->steps[first + k].ordered;
        if (fits && n > 1) EJ_TRY(build_by_chance(g, first, n, random));
        first += g->members[first];
    }
    return EINJIT_OK;
}

/* ---- what comes of it ---- */

static bool is_scratch_of(const ej_nest *nest, int32_t buffer)
{
    for (int32_t i = 0; i < nest->n_buffers; i++)
        if (nest->buffers[i].home == EJ_HOME_SCRATCH && nest->buffers[i].slot == buffer) return true;
    return false;
}

static int take_groups(grouper *g)
{
    ej_plan *plan = g->plan;
    ej_nests *nests = g->nests;
    bool *gone = EJ_JOB_ARRAY(g->job, bool, plan->n_buffers);
    if (!gone) return ej_no_memory(g->job->err);
    nests->n = 0;
    for (int32_t first = 0; first < (int32_t)plan->n_steps; first += g->members[first]) {
        int32_t n = g->members[first];
        ej_nest *nest = &nests->nests[nests->n];
        *nest = n > 1 ? g->together[first] : nests->nests[first];
        for (int32_t k = 0; k < n; k++) {
            int32_t out = plan->steps[first + k].out.buffer;
            nests->nest_of[first + k] = nests->n;
            gone[out] = n > 1 && plan->buffers[out].home == EJ_HOME_SCRATCH && !is_scratch_of(nest, out);
        }
        nests->n++;
    }
    return ej_plan_place_groups(plan, nests->nest_of, gone, g->sizes, g->job);
}

int ej_groups_build(ej_nests *nests, ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    grouper g = {.nests = nests, .plan = plan, .sizes = sizes, .job = job};
    bool any = false;
    if (plan->n_steps < 2) return EINJIT_OK;
    g.lives = ej_plan_measure(plan, job);
    g.members = EJ_JOB_ARRAY(job, int32_t, plan->n_steps);
    g.together = EJ_JOB_ARRAY(job, ej_nest, plan->n_steps);
    if (!g.lives || !g.members || !g.together) return EINJIT_E_NOMEM;
    for (size_t s = 0; s < plan->n_steps; s++) g.members[s] = 1;
    EJ_TRY(ej_job_random(job) ? find_by_chance(&g) : search_groups(&g));
    for (size_t s = 0; s < plan->n_steps; s++) any = any || g.members[s] > 1;
    return any ? take_groups(&g) : EINJIT_OK;
}
