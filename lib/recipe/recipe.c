/* recipe.c - the recipes, and a plan's steps turned into nests by the cheapest one that applies.
 *
 * Takes  a plan.
 * Gives  one nest a step, in order. A new way to run a step is a file with a script and a line in the table.
 */
#include "recipe.h"

#include "nest_cost.h"
#include "nest_sums.h"
#include "nest_tiling.h"

#include <stdlib.h>
#include <string.h>

static const ej_recipe *const recipes[] = {
    &ej_recipe_move,     /* nothing is reduced: maps, copies, gathers, scatter-adds */
    &ej_recipe_contract,  /* anything that reduces */
    &ej_recipe_panel,     /* one operand is used again and again: packed in panels */
    &ej_recipe_sweep,     /* a small result of one big operand */
};
enum { EJ_N_RECIPES = sizeof recipes / sizeof *recipes };

static const ej_recipe *choose(const ej_step *step, size_t index, const ej_plan *plan, const ej_job *job, double *cost)
{
    const ej_recipe *best = NULL;
    uint64_t random = ej_job_random(job), seen = 0;
    for (size_t r = 0; r < EJ_N_RECIPES; r++) {
        if (!recipes[r]->applicable(step, plan, job)) continue;
        double estimate = recipes[r]->cost(step, plan, job);
        /* random: each of those that apply with the same chance */
        bool wins = random ? ej_hash64(&index, sizeof index, random + r) % ++seen == 0 : !best || estimate < *cost;
        if (best && !wins) continue;
        best = recipes[r];
        *cost = estimate;
    }
    return best;
}

/* LOCAL buffers lie behind the plan's scratch; nests run one after the other and share the room. */
static int place_locals(ej_nest *nest, const ej_plan *plan, ej_sizes *sizes, ej_size *scratch, einjit_error *err)
{
    ej_size end = plan->scratch_bytes;
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
    return ej_size_max(sizes, *scratch, end, scratch, err);
}

/* ---- schedules ---- */

static void count(const ej_schedule *s, ej_job *job)
{
    for (int i = 0; job->rewrite_hits && i < EJ_REWRITE_COUNT; i++) job->rewrite_hits[i] += s->done[i];
    for (int i = 0; job->rewrite_hits && i < EJ_REFUSAL_COUNT; i++) job->rewrite_hits[EJ_REWRITE_COUNT + i] += s->refused[i];
}

static int settle(ej_nest *nest, const ej_schedule *s, const char *name, ej_job *job)
{
    ej_text text;
    EJ_TRY(ej_schedule_settle(nest, s));
    nest->recipe = name;
    if (!(job->dump >> EJ_STAGE_SCHEDULE & 1)) return EINJIT_OK;
    ej_text_init(&text, job->arena);
    ej_schedule_print(&text, s);
    nest->schedule = text.data;
    return text.failed ? EINJIT_E_NOMEM : EINJIT_OK;
}

/* Tests walk schedules that no script would write. */
static int build_random(ej_nest *nest, ej_step *step, const ej_plan *plan, ej_sizes *sizes, uint64_t seed, ej_job *job)
{
    ej_schedule s;
    EJ_TRY(ej_schedule_begin(&s, step, plan, sizes, job));
    ej_schedule_random(&s, seed);
    count(&s, job);
    return settle(nest, &s, "random", job);
}

static const ej_script *const scripts[] = {
    &ej_script_gemm,    /* products of two operands that do not fit into the caches as they are */
    &ej_script_thin,    /* the same, where the operand with the result's unit axis lies along another one */
    &ej_script_small,   /* batches of products of a few registers */
    &ej_script_batched, /* batches of products that the L1 holds */
    &ej_script_permute, /* one operand, unit strides along different axes */
    &ej_script_map,     /* one pass over a large result */
    &ej_script_plain,   /* anything; where plans are random only: the recipes above it serve what the others do not */
};
enum { EJ_N_SCRIPTS = sizeof scripts / sizeof *scripts, EJ_PLAIN = EJ_N_SCRIPTS - 1 };

/* One run of a script from a fresh schedule: false where it is refused or a nest does not come of it. */
static int build_script(ej_nest *nest, bool *built, const ej_script *script, const int64_t *params, const ej_step *step,
                        const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    ej_schedule s;
    ej_step own;
    EJ_TRY(ej_step_copy(&own, step, job->arena));
    EJ_TRY(ej_schedule_begin(&s, &own, plan, sizes, job));
    script->run(&s, params);
    count(&s, job);
    *built = !s.failed;
    if (s.no_memory) return EINJIT_E_NOMEM;
    return s.failed ? EINJIT_OK : settle(nest, &s, script->name, job);
}

/* The recipes that are no scripts count instructions: two a cycle. */
static double instructions(const ej_nest_cost *cost)
{
    return 2 * cost->cycles;
}

static int cost_of(ej_nest *nest, ej_job *job)
{
    ej_nest_cost cost;
    EJ_TRY(ej_nest_cost_of(&cost, nest, job->target, job->arena));
    nest->cost = instructions(&cost);
    return EINJIT_OK;
}

/* What a script makes of a step. */
typedef struct attempt {
    ej_nest nest;
    bool built;  /* it matches, and was not refused */
    bool pays;   /* for certain */
} attempt;

/* The cheapest nest that a script's numbers give. */
static int try_script(attempt *out, const ej_script *script, const ej_step *step, const ej_plan *plan, ej_sizes *sizes,
                      ej_job *job)
{
    int64_t params[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    ej_schedule s;
    ej_step own;
    *out = (attempt){.built = false};
    EJ_TRY(ej_step_copy(&own, step, job->arena));
    EJ_TRY(ej_schedule_begin(&s, &own, plan, sizes, job));
    int32_t n = script->matches(&s) ? script->params(&s, params) : 0;
    out->pays = n && (!script->pays || script->pays(&s));
    for (int32_t k = 0; k < n; k++) {
        ej_nest candidate;
        bool ok;
        EJ_TRY(build_script(&candidate, &ok, script, params[k], step, plan, sizes, job));
        if (!ok) continue;
        EJ_TRY(cost_of(&candidate, job));
        if (!out->built || candidate.cost < out->nest.cost) out->nest = candidate;
        out->built = true;
    }
    return EINJIT_OK;
}

/* The first script that matches: costs do not rank scripts of different kinds. Random plans take any, or none. */
static int try_scripts(attempt *out, uint64_t random, const ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    out->built = false;
    if (random % 2) return EINJIT_OK;
    for (int i = 0; i < EJ_N_SCRIPTS && !out->built; i++)
        if (random ? i == (int)(random / 2 % EJ_N_SCRIPTS) : i != EJ_PLAIN)
            EJ_TRY(try_script(out, scripts[i], step, plan, sizes, job));
    return EINJIT_OK;
}

/* Tests walk blocks that are shorter than anybody wants. */
static int64_t terms_of_block(size_t index, const ej_job *job)
{
    uint64_t random = ej_job_random(job);
    return random ? 2 + (int64_t)(ej_hash64(&index, sizeof index, ~random) % 5) : EJ_SUM_BLOCK;
}

static int build_by_recipe(ej_nest *nest, ej_step *step, size_t index, const ej_plan *plan, ej_job *job)
{
    double cost = 0;
    const ej_recipe *recipe = choose(step, index, plan, job, &cost);
    if (!recipe) return ej_fail(job->err, EINJIT_E_INTERNAL, "step '%s' has no recipe", step->name);
    EJ_TRY(recipe->build(nest, step, plan, job));
    nest->recipe = recipe->name;
    nest->cost = cost;
    return EINJIT_OK;
}

/* ---- candidates: every way that there is, to compare them ---- */

/* Those of a step, and the one that EINJIT_RECIPE asks for. */
typedef struct candidates {
    const ej_step *step;
    const ej_plan *plan;
    ej_sizes *sizes;
    ej_job *job;
    int32_t n;
    ej_nest_candidate items[EJ_N_SCRIPTS * EJ_RECIPE_PARAMS + EJ_N_RECIPES];
    ej_nest asked;
    bool found;
} candidates;

/* "gemm" is asked for as "gemm", or with a set of numbers as "gemm:1". Gives what stands behind the name; NULL: another one. */
static const char *behind_name(const char *asked, const char *name)
{
    size_t length = strlen(name);
    return asked && !strncmp(asked, name, length) && (!asked[length] || asked[length] == ':') ? asked + length : NULL;
}

static bool is_asked_for(const ej_job *job, const char *name, int32_t set)
{
    const char *behind = behind_name(job->recipe, name);
    return behind && (!*behind || strtol(behind + 1, NULL, 10) == set);
}

bool ej_recipe_exists(const char *name, ej_text *names)
{
    bool found = false;
    for (int i = 0; i < EJ_N_SCRIPTS + EJ_N_RECIPES; i++) {
        const char *one = i < EJ_N_SCRIPTS ? scripts[i]->name : recipes[i - EJ_N_SCRIPTS]->name, *behind = behind_name(name, one);
        size_t digits = behind && *behind ? strspn(behind + 1, "0123456789") : 0;
        found = found || (behind && (!*behind || (digits && !behind[1 + digits])));
        if (names) ej_print(names, "%s%s", i ? ", " : "", one);
    }
    return found;
}

/* `sets`: how many sets of numbers the recipe has. */
static int add_candidate(candidates *c, const ej_nest *nest, const char *name, int32_t set, int32_t sets)
{
    ej_nest_cost cost;
    ej_text text;
    EJ_TRY(ej_nest_cost_of(&cost, nest, c->job->target, c->job->arena));
    ej_text_init(&text, c->job->arena);
    ej_print(&text, sets > 1 ? "%s:%d" : "%s", name, (int)set);
    if (text.failed) return EINJIT_E_NOMEM;
    c->items[c->n++] = (ej_nest_candidate){text.data, cost.cycles};
    if (c->found || !is_asked_for(c->job, name, set)) return EINJIT_OK;
    c->asked = *nest;
    c->asked.cost = instructions(&cost);
    c->found = true;
    return EINJIT_OK;
}

static int add_script(candidates *c, const ej_script *script)
{
    int64_t params[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    ej_schedule s;
    ej_step own;
    EJ_TRY(ej_step_copy(&own, c->step, c->job->arena));
    EJ_TRY(ej_schedule_begin(&s, &own, c->plan, c->sizes, c->job));
    int32_t n = script->matches(&s) ? script->params(&s, params) : 0;
    for (int32_t k = 0; k < n; k++) {
        ej_nest nest;
        bool built;
        EJ_TRY(build_script(&nest, &built, script, params[k], c->step, c->plan, c->sizes, c->job));
        if (built) EJ_TRY(add_candidate(c, &nest, script->name, k, n));
    }
    return EINJIT_OK;
}

static int add_recipe(candidates *c, const ej_recipe *recipe)
{
    ej_nest nest;
    ej_step own;
    if (!recipe->applicable(c->step, c->plan, c->job)) return EINJIT_OK;
    EJ_TRY(ej_step_copy(&own, c->step, c->job->arena));
    EJ_TRY(recipe->build(&nest, &own, c->plan, c->job));
    nest.recipe = recipe->name;
    return add_candidate(c, &nest, recipe->name, 0, 1);
}

static int look_at_all(candidates *c)
{
    for (int i = 0; i < EJ_N_SCRIPTS; i++) EJ_TRY(add_script(c, scripts[i]));
    for (int r = 0; r < EJ_N_RECIPES; r++) EJ_TRY(add_recipe(c, recipes[r]));
    return EINJIT_OK;
}

/* Costs tell kinds of trees apart, not good ones from better ones: a win counts from here on. */
static const double clear_win = 1.5;

static int choose_nest(ej_nest *nest, ej_step *step, size_t index, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    attempt script;
    ej_nest_cost cost;
    uint64_t random = ej_job_random(job);
    if (random) random = ej_hash64(&index, sizeof index, random) | 4;
    if (random % 2) return build_random(nest, step, plan, sizes, random, job);
    EJ_TRY(try_scripts(&script, random / 2, step, plan, sizes, job));
    if (script.built && (random || script.pays)) {
        *nest = script.nest;
        return EINJIT_OK;
    }
    EJ_TRY(build_by_recipe(nest, step, index, plan, job));
    if (!script.built) return EINJIT_OK;
    EJ_TRY(ej_nest_cost_of(&cost, nest, job->target, job->arena));
    if (script.nest.cost * clear_win < instructions(&cost)) *nest = script.nest;
    return EINJIT_OK;
}

static int build_step(ej_nest *nest, ej_step *step, size_t index, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    if (!job->recipe && !(job->dump >> EJ_STAGE_COST & 1)) return choose_nest(nest, step, index, plan, sizes, job);
    candidates *all = EJ_JOB_NEW(job, candidates);
    if (!all) return EINJIT_E_NOMEM;
    *all = (candidates){.step = step, .plan = plan, .sizes = sizes, .job = job};
    EJ_TRY(look_at_all(all));
    if (all->found) *nest = all->asked;
    else EJ_TRY(choose_nest(nest, step, index, plan, sizes, job));
    nest->n_candidates = all->n;
    nest->candidates = all->items;
    return EINJIT_OK;
}

int ej_nests_build(ej_nests *out, const ej_plan *plan, ej_job *job)
{
    ej_sizes *sizes = EJ_JOB_NEW(job, ej_sizes);
    *out = (ej_nests){.plan = plan, .sizes = sizes, .scratch_bytes = plan->scratch_bytes};
    out->nests = EJ_JOB_ARRAY(job, ej_nest, plan->n_steps);
    if (!sizes || !out->nests) return ej_no_memory(job->err);
    *sizes = plan->bound->sizes; /* merged axes add sizes of their own */
    for (size_t s = 0; s < plan->n_steps; s++) {
        ej_step step;
        EJ_TRY(ej_step_normalize(&step, &plan->steps[s], sizes, job->arena, job->err));
        ej_nest *nest = &out->nests[out->n++];
        bool ordered = step.ordered;
        int status = build_step(nest, &step, s, plan, sizes, job);
        if (!status && !ordered) status = ej_nest_block_sums(nest, terms_of_block(s, job), job->arena);
        if (status == EINJIT_E_NOMEM) return ej_no_memory(job->err); /* builders of nests have no error to write to */
        EJ_TRY(status);
        EJ_TRY(place_locals(nest, plan, sizes, &out->scratch_bytes, job->err));
    }
    return sizes->no_memory ? ej_no_memory(job->err) : EINJIT_OK;
}
