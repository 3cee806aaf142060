/* recipe.c - the recipes, and a plan's steps turned into nests by the one that suits each.
 *
 * Takes  a plan.
 * Gives  one nest a step, in order: of the recipe that the rules choose, of the one that EINJIT_RECIPE asks for, or in
 *        property tests of a random one. Long sums of the nests are then put into blocks (nest_sums.h). Steps that are
 *        faster together get one nest for all of them (recipe_group.c).
 */
#include "recipe.h"

#include "nest_cost.h"
#include "nest_cut.h"
#include "nest_sums.h"

#include <stdlib.h>
#include <string.h>

/* From the most special to the most general: the first that matches and pays for certain is taken. */
static const ej_script *const scripts[] = {
    &ej_script_small,   /* batches of products of a few registers */
    &ej_script_batched, /* batches of products that the L1 holds */
    &ej_script_thin,    /* large products that use an operand a few times only: it is never packed */
    &ej_script_tensor,  /* contractions of tensors in any order of axes: lanes along the cheapest one */
    &ej_script_gemm,    /* products of matrices: packed, in blocks for the caches */
    &ej_script_permute, /* copies and maps that transpose one operand */
    &ej_script_rows,    /* rows through tables: gathers and scatter-adds */
    &ej_script_pieces,  /* copies in pieces of both sides */
    &ej_script_map,     /* one pass over a large result */
    &ej_script_sweep,   /* sums of a large operand into a small result */
    &ej_script_plain,   /* anything */
};
enum { EJ_N_SCRIPTS = sizeof scripts / sizeof *scripts };

/* LOCAL buffers are counted from a place behind the plan's scratch, of each thread its own; nests run one after the
 * other and share the room. */
static int place_locals(ej_nest *nest, ej_sizes *sizes, ej_size *local_bytes, einjit_error *err)
{
    ej_size end = ej_size_number(0);
    for (int32_t i = 0; i < nest->n_buffers; i++) {
        ej_buffer *buffer = &nest->buffers[i];
        ej_size bytes;
        if (buffer->home != EJ_HOME_LOCAL) continue;
        EJ_TRY(ej_size_align(sizes, end, 64, &end, err));
        buffer->offset_bytes = end;
        EJ_TRY(ej_size_mul(sizes, buffer->elems, ej_size_number(ej_dtypes[buffer->dtype].bytes), &bytes, err));
        EJ_TRY(ej_size_add(sizes, end, bytes, &end, err));
    }
    EJ_TRY(ej_size_align(sizes, end, 64, &end, err));
    return ej_size_max(sizes, *local_bytes, end, local_bytes, err);
}

/* ---- schedules ---- */

static void count(const ej_schedule *s, ej_job *job)
{
    for (int i = 0; job->rewrite_hits && i < EJ_REWRITE_COUNT; i++) job->rewrite_hits[i] += s->done[i];
    for (int i = 0; job->rewrite_hits && i < EJ_REFUSAL_COUNT; i++)
        job->rewrite_hits[EJ_REWRITE_COUNT + i] += s->refused[i];
}

int ej_recipe_settle(ej_nest *nest, const ej_schedule *s, const char *name, ej_job *job)
{
    ej_text text;
    count(s, job);
    EJ_TRY(ej_schedule_settle(nest, s));
    nest->recipe = name;
    if (!(job->dump >> EJ_STAGE_SCHEDULE & 1)) return EINJIT_OK;
    ej_text_init(&text, job->arena);
    ej_schedule_print(&text, s);
    nest->schedule = text.data;
    return text.failed ? EINJIT_E_NOMEM : EINJIT_OK;
}

int ej_recipe_random(ej_recipe_choice *out, const ej_schedule *step, uint64_t seed, ej_job *job)
{
    EJ_TRY(ej_schedule_again(&out->done, step));
    ej_schedule_random(&out->done, seed);
    return ej_recipe_settle(&out->nest, &out->done, "random", job);
}

/* One run of a script from a fresh schedule: false where it is refused. */
static int build_script(ej_recipe_choice *out, bool *built, const ej_script *script, const int64_t *params,
                        const ej_schedule *step, ej_job *job)
{
    EJ_TRY(ej_schedule_again(&out->done, step));
    script->run(&out->done, params);
    *built = !out->done.failed;
    if (out->done.no_memory) return EINJIT_E_NOMEM;
    if (*built) return ej_recipe_settle(&out->nest, &out->done, script->name, job);
    count(&out->done, job);
    return EINJIT_OK;
}

int ej_recipe_cycles(double *out, const ej_nest *nest, ej_job *job)
{
    ej_nest_cost cost;
    EJ_TRY(ej_nest_cost_of(&cost, nest, job->target, job->arena));
    *out = cost.cycles;
    return EINJIT_OK;
}

/* What came of a script for a step. */
typedef struct attempt {
    ej_recipe_choice choice;
    bool built; /* it is there: the script matches, and was not refused */
    int pays;   /* EJ_PAYS_* */
} attempt;

/* One nest for each set of a script's parameters, of which the cheapest is kept. */
static int try_script(attempt *out, const ej_script *script, const ej_schedule *step, ej_job *job)
{
    int64_t params[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    double cycles, least = 0;
    *out = (attempt){.built = false};
    if (!script->matches(step)) return EINJIT_OK;
    out->pays = script->pays ? script->pays(step) : EJ_PAYS_SURELY;
    int32_t n = out->pays == EJ_PAYS_NOT && !ej_job_random(job) ? 0 : script->params(step, params);
    for (int32_t k = 0; k < n; k++) {
        ej_recipe_choice candidate;
        bool ok;
        EJ_TRY(build_script(&candidate, &ok, script, params[k], step, job));
        if (!ok) continue;
        if (n > 1) EJ_TRY(ej_recipe_cycles(&cycles, &candidate.nest, job));
        if (n > 1 && out->built && cycles >= least) continue;
        out->choice = candidate;
        out->built = true;
        least = n > 1 ? cycles : 0;
    }
    return EINJIT_OK;
}

/* ---- candidates: every recipe that matches, to compare them ---- */

/* The candidates of a step: for the stage `cost`, and for trials. */
typedef struct candidates {
    const ej_schedule *step;
    ej_job *job;
    ej_arena *arena;
    int32_t n;
    ej_nest_candidate items[EJ_N_SCRIPTS * EJ_RECIPE_PARAMS];
} candidates;

/* Of "gemm" and "gemm:1" what stands behind the name "gemm": "" and ":1"; NULL: another name. */
static const char *behind_name(const char *asked, const char *name)
{
    size_t length = strlen(name);
    return asked && !strncmp(asked, name, length) && (!asked[length] || asked[length] == ':') ? asked + length : NULL;
}

bool ej_recipe_exists(const char *name, ej_text *names)
{
    bool found = false;
    for (int i = 0; i < EJ_N_SCRIPTS; i++) {
        const char *one = scripts[i]->name, *behind = behind_name(name, one);
        size_t digits = behind && *behind ? strspn(behind + 1, "0123456789") : 0;
        found = found || (behind && (!*behind || (digits && !behind[1 + digits])));
        if (names) ej_print(names, "%s%s", i ? ", " : "", one);
    }
    return found;
}

/* `sets`: how many sets of parameters the recipe has; `set`: which one this is. */
static int add_candidate(candidates *c, const ej_nest *nest, const char *name, int32_t set, int32_t sets)
{
    double cycles;
    ej_text text;
    EJ_TRY(ej_recipe_cycles(&cycles, nest, c->job));
    ej_text_init(&text, c->arena);
    ej_print(&text, sets > 1 ? "%s:%d" : "%s", name, (int)set);
    if (text.failed) return EINJIT_E_NOMEM;
    c->items[c->n++] = (ej_nest_candidate){text.data, cycles};
    return EINJIT_OK;
}

static int add_script(candidates *c, const ej_script *script)
{
    int64_t params[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    int32_t n = script->matches(c->step) ? script->params(c->step, params) : 0;
    for (int32_t k = 0; k < n; k++) {
        ej_recipe_choice choice;
        bool built;
        EJ_TRY(build_script(&choice, &built, script, params[k], c->step, c->job));
        if (built) EJ_TRY(add_candidate(c, &choice.nest, script->name, k, n));
    }
    return EINJIT_OK;
}

/* ---- choosing ---- */

/* The cost model tells classes of nests apart, it does not rank similar ones: less of a difference counts as none. */
static const double clear_win = 1.5;

/* Of nests that run for microseconds and are no slower the one with much less code wins: 33x33x33 c64 on Zen 4 takes
 * 3.8 us by gemm and plain, and 2.7 and 5.7 ms to compile. */
static const double small_cycles = 1e5, less_code = 1.75;

static int is_clear_win(bool *out, const ej_nest *nest, const ej_nest *other, ej_job *job)
{
    double cycles, others, code, other_code;
    EJ_TRY(ej_recipe_cycles(&cycles, nest, job));
    EJ_TRY(ej_recipe_cycles(&others, other, job));
    *out = cycles * clear_win < others;
    if (*out || cycles > others || others > small_cycles) return EINJIT_OK;
    EJ_TRY(ej_nest_code(&code, nest, job->arena));
    EJ_TRY(ej_nest_code(&other_code, other, job->arena));
    *out = code * less_code < other_code;
    return EINJIT_OK;
}

/* The first script that pays for certain; or, of those before it, the first that perhaps pays, if its nest clearly
 * costs less. */
static int build_by_scripts(ej_recipe_choice *out, const ej_schedule *step, ej_job *job)
{
    attempt perhaps = {.built = false}, script = {.built = false};
    bool wins = false;
    for (int i = 0; i < EJ_N_SCRIPTS && !(script.built && script.pays == EJ_PAYS_SURELY); i++) {
        EJ_TRY(try_script(&script, scripts[i], step, job));
        if (script.built && script.pays == EJ_PAYS_PERHAPS && !perhaps.built) perhaps = script;
    }
    if (!script.built) return ej_fail(job->err, EINJIT_E_INTERNAL, "step '%s' has no recipe", step->name);
    if (perhaps.built) EJ_TRY(is_clear_win(&wins, &perhaps.choice.nest, &script.choice.nest, job));
    *out = wins ? perhaps.choice : script.choice;
    return EINJIT_OK;
}

/* In property tests: random rewrites, or any script that matches, whether it pays or not. */
static int build_by_chance(ej_recipe_choice *out, const ej_schedule *step, uint64_t random, ej_job *job)
{
    attempt script = {.built = false};
    if (random % 2) return ej_recipe_random(out, step, random, job);
    for (uint64_t i = 0; i < EJ_N_SCRIPTS && !script.built; i++)
        EJ_TRY(try_script(&script, scripts[(random / 2 + i) % EJ_N_SCRIPTS], step, job));
    if (!script.built) return ej_fail(job->err, EINJIT_E_INTERNAL, "step '%s' has no recipe", step->name);
    *out = script.choice;
    return EINJIT_OK;
}

/* By EINJIT_RECIPE, or by a trial. */
static const char *asked_recipe(size_t index, const ej_job *job)
{
    const ej_trial *trial = job->trial;
    return trial && trial->recipes ? trial->recipes[index] : job->recipe;
}

/* The first set of parameters that `asked` may mean and that is not refused; *built false: there is none. */
static int build_asked(ej_recipe_choice *out, bool *built, const char *asked, const ej_schedule *step, ej_job *job)
{
    *built = false;
    for (int i = 0; i < EJ_N_SCRIPTS; i++) {
        int64_t params[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
        const char *behind = behind_name(asked, scripts[i]->name);
        if (!behind || !scripts[i]->matches(step)) continue;
        int32_t n = scripts[i]->params(step, params);
        for (int32_t k = 0; k < n && !*built; k++)
            if (!*behind || strtol(behind + 1, NULL, 10) == k)
                EJ_TRY(build_script(out, built, scripts[i], params[k], step, job));
    }
    return EINJIT_OK;
}

int ej_recipe_choose(ej_recipe_choice *out, size_t index, const ej_schedule *step, ej_job *job)
{
    uint64_t random = ej_job_random(job);
    const char *asked = asked_recipe(index, job);
    bool built = false;
    if (asked) EJ_TRY(build_asked(out, &built, asked, step, job));
    if (built) return EINJIT_OK;
    if (!random) return build_by_scripts(out, step, job);
    return build_by_chance(out, step, ej_hash64(&index, sizeof index, random) | 4, job);
}

int ej_recipe_plain(ej_recipe_choice *out, bool *built, const ej_schedule *step, ej_job *job)
{
    attempt plain;
    EJ_TRY(try_script(&plain, &ej_script_plain, step, job));
    *built = plain.built;
    if (plain.built) *out = plain.choice;
    return EINJIT_OK;
}

int ej_recipe_choose_part(ej_recipe_choice *out, size_t index, const ej_schedule *part, ej_job *job)
{
    ej_recipe_choice plain;
    double cycles, others;
    bool built;
    EJ_TRY(ej_recipe_choose(out, index, part, job));
    if (ej_job_random(job) || asked_recipe(index, job) || !strcmp(out->nest.recipe, ej_script_plain.name))
        return EINJIT_OK;
    EJ_TRY(ej_recipe_plain(&plain, &built, part, job));
    if (!built) return EINJIT_OK;
    EJ_TRY(ej_recipe_cycles(&cycles, &plain.nest, job));
    EJ_TRY(ej_recipe_cycles(&others, &out->nest, job));
    if (cycles < others) *out = plain;
    return EINJIT_OK;
}

static int choose_nest(ej_nest *nest, size_t index, const ej_schedule *step, ej_job *job)
{
    ej_recipe_choice choice;
    EJ_TRY(ej_recipe_choose(&choice, index, step, job));
    *nest = choice.nest;
    return EINJIT_OK;
}

static int compare_all(ej_nest *nest, size_t index, const ej_schedule *step, ej_job *job)
{
    ej_trial *trial = job->trial;
    bool lists = trial && trial->lists;
    candidates *all = EJ_JOB_NEW(job, candidates);
    if (!all) return EINJIT_E_NOMEM;
    *all = (candidates){.step = step, .job = job, .arena = lists ? trial->lists : job->arena};
    for (int i = 0; i < EJ_N_SCRIPTS; i++) EJ_TRY(add_script(all, scripts[i]));
    EJ_TRY(choose_nest(nest, index, step, job));
    nest->n_candidates = all->n;
    nest->candidates = all->items;
    if (!lists) return EINJIT_OK;
    struct ej_trial_step *kept = &trial->steps[index];
    kept->items = EJ_NEW_ARRAY(trial->lists, ej_nest_candidate, (size_t)all->n);
    if (!kept->items) return EINJIT_E_NOMEM;
    memcpy(kept->items, all->items, (size_t)all->n * sizeof *kept->items);
    kept->n = all->n;
    return EINJIT_OK;
}

/* Of a block of a long sum: in property tests so few that short sums have blocks, too. */
static int64_t terms_of_block(size_t index, const ej_job *job)
{
    uint64_t random = ej_job_random(job);
    return random ? 2 + (int64_t)(ej_hash64(&index, sizeof index, ~random) % 5) : EJ_SUM_BLOCK;
}

int ej_recipe_finish(ej_nest *nest, size_t index, bool ordered, ej_job *job)
{
    return ordered ? EINJIT_OK : ej_nest_block_sums(nest, terms_of_block(index, job), job->arena);
}

static int build_step(ej_nest *nest, size_t index, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    ej_schedule step;
    bool compares = (job->trial && job->trial->lists) || (job->dump >> EJ_STAGE_COST & 1);
    EJ_TRY(ej_job_poll(job, EJ_STAGE_SCHEDULE, (double)index / (double)plan->n_steps));
    EJ_TRY(ej_schedule_begin(&step, &plan->steps[index], plan, sizes, job));
    EJ_TRY(compares ? compare_all(nest, index, &step, job) : choose_nest(nest, index, &step, job));
    return ej_recipe_finish(nest, index, plan->steps[index].ordered, job);
}

/* The plan's buffers have moved. */
static void note_places(ej_nest *nest, const ej_plan *plan)
{
    for (int32_t i = 0; i < nest->n_buffers; i++) {
        ej_buffer *buffer = &nest->buffers[i];
        if (buffer->home == EJ_HOME_SCRATCH) buffer->offset_bytes = plan->buffers[buffer->slot].offset_bytes;
    }
}

static int build_all(ej_nests *out, ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    ej_trial *trial = job->trial;
    if (trial && trial->lists) {
        trial->n_steps = plan->n_steps;
        trial->steps = EJ_NEW_ARRAY(trial->lists, struct ej_trial_step, plan->n_steps);
        if (!trial->steps) return EINJIT_E_NOMEM;
    }
    for (size_t s = 0; s < plan->n_steps; s++) {
        out->nest_of[s] = out->n;
        EJ_TRY(build_step(&out->nests[out->n++], s, plan, sizes, job));
    }
    return job->recipe || (trial && trial->apart) ? EINJIT_OK : ej_groups_build(out, plan, sizes, job);
}

/* Which nests threads may share. */
static int cut_all(ej_nests *nests, ej_sizes *sizes, ej_job *job)
{
    if (!job->shares && !ej_job_random(job)) return EINJIT_OK;
    for (int32_t i = 0; i < nests->n; i++) {
        ej_nest *nest = &nests->nests[i];
        EJ_TRY(ej_job_poll(job, EJ_STAGE_SCHEDULE, -1));
        EJ_TRY(ej_nest_choose_cut(nest, job->target, ej_job_random(job), job->arena));
        if (nest->cut.axis >= 0) EJ_TRY(ej_nest_pieces(sizes, nest, &nest->cut.pieces, job->err));
    }
    ej_nests_keep_cuts(nests->nests, nests->n);
    return EINJIT_OK;
}

int ej_nests_build(ej_nests *out, ej_plan *plan, ej_job *job)
{
    ej_sizes *sizes = EJ_JOB_NEW(job, ej_sizes);
    *out = (ej_nests){.plan = plan, .sizes = sizes};
    out->nests = EJ_JOB_ARRAY(job, ej_nest, plan->n_steps);
    out->nest_of = EJ_JOB_ARRAY(job, int32_t, plan->n_steps);
    if (!sizes || !out->nests || !out->nest_of) return ej_no_memory(job->err);
    *sizes = plan->bound->sizes; /* merged axes add sizes of their own */
    int status = build_all(out, plan, sizes, job);
    if (status == EINJIT_OK) status = cut_all(out, sizes, job);
    if (status == EINJIT_E_NOMEM) return ej_no_memory(job->err); /* builders of nests have no error to write to */
    EJ_TRY(status);
    for (int32_t i = 0; i < out->n; i++) {
        EJ_TRY(ej_job_poll(job, EJ_STAGE_SCHEDULE, -1));
        note_places(&out->nests[i], plan);
        EJ_TRY(place_locals(&out->nests[i], sizes, &out->local_bytes, job->err));
    }
    EJ_TRY(ej_size_add(sizes, plan->scratch_bytes, out->local_bytes, &out->scratch_bytes, job->err));
    return sizes->no_memory ? ej_no_memory(job->err) : EINJIT_OK;
}
