/* recipe.h - the recipes, and a plan's steps turned into nests by them.
 *
 * Takes  a plan (plan.h). For each step a schedule is begun (schedule.h), a recipe's script rewrites it, and it is
 *        settled.
 * Gives  one nest a step (nest.h). recipe.c has the table of recipes and chooses among them.
 */
#ifndef EJ_RECIPE_H
#define EJ_RECIPE_H

#include "schedule.h"

/* A recipe: a script of rewrites with parameters. Where ej_job_random(s->job) is not 0 (property tests), scripts leave
 * out what only says that another way is faster, so that they are tested on more steps: hard conditions alone
 * remain. */
enum ej_pays {
    EJ_PAYS_NOT = -1,
    EJ_PAYS_PERHAPS, /* where its nest costs clearly less than that of the next recipe that pays for certain */
    EJ_PAYS_SURELY
};
enum { EJ_RECIPE_PARAMS = 16, EJ_RECIPE_NUMBERS = 8 }; /* most sets of parameters, and numbers in each */
typedef struct ej_script {
    const char *name;
    bool (*matches)(const ej_schedule *s); /* it suits statement 0 of a fresh schedule */
    int (*pays)(const ej_schedule *s);     /* EJ_PAYS_*, of a schedule that matches; NULL: for certain */
    /* Sets of parameters, by rules from extents and the target's row; gives how many, maybe 0. */
    int32_t (*params)(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS]);
    void (*run)(ej_schedule *s, const int64_t *params); /* s->failed: a rewrite was refused, and so is the recipe */
} ej_script;

/* The nests of a plan, one for each step or group of steps, in order; where there are groups the plan's buffers get
 * other places. job->rewrite_hits counts rewrites and refusals; EJ_STAGE_SCHEDULE and EJ_STAGE_COST in job->dump keep
 * the text of schedules and the candidates. */
int ej_nests_build(ej_nests *out, ej_plan *plan, ej_job *job);

/* One of the kernels that a compile with EINJIT_OPTION_MEASURE compares. */
typedef struct ej_trial {
    const char **recipes; /* per step of the plan, as EINJIT_RECIPE names them; NULL: what the rules choose. NULL array:
                           * that for all steps */
    bool apart;           /* no groups: each step has a nest of its own */
    struct ej_path_memo *paths; /* of the compiles before: the plan is the same in all of them */
    ej_arena *lists;            /* where to keep the candidates of each step; NULL: nobody asks */
    size_t n_steps;
    struct ej_trial_step {
        int32_t n;
        ej_nest_candidate *items;
    } *steps;
} ej_trial;

/* EINJIT_RECIPE names a recipe ("gemm"), or with a number one of its sets of parameters ("gemm:1"): false where there
 * is no such recipe. `names` (may be NULL) gets all names, with commas between them. */
bool ej_recipe_exists(const char *name, ej_text *names);

/* ---- recipe.c, for groups: E_NOMEM, E_INTERNAL, E_INTERRUPTED ---- */
/* The schedule that a recipe made, and its nest. */
typedef struct ej_recipe_choice {
    ej_nest nest;
    ej_schedule done;
} ej_recipe_choice;
/* By rules, or in property tests by chance (`index`: of the step). */
int ej_recipe_choose(ej_recipe_choice *out, size_t index, const ej_schedule *step, ej_job *job);
/* The same for a part of a group, which is small: the plain recipe where that costs less. */
int ej_recipe_choose_part(ej_recipe_choice *out, size_t index, const ej_schedule *part, ej_job *job);
/* By the plain recipe alone. *built false: it does not suit the step. */
int ej_recipe_plain(ej_recipe_choice *out, bool *built, const ej_schedule *step, ej_job *job);
/* A schedule that no script would write, for property tests. */
int ej_recipe_random(ej_recipe_choice *out, const ej_schedule *step, uint64_t seed, ej_job *job);
int ej_recipe_settle(ej_nest *nest, const ej_schedule *s, const char *name, ej_job *job);
int ej_recipe_cycles(double *out, const ej_nest *nest, ej_job *job);
/* Long sums get blocks, but for those of a promised order. */
int ej_recipe_finish(ej_nest *nest, size_t index, bool ordered, ej_job *job);
/* ---- recipe_group.c ---- */
/* Steps of the plan whose nests are there that are faster together get one nest. */
int ej_groups_build(ej_nests *nests, ej_plan *plan, ej_sizes *sizes, ej_job *job);

/* One a file, recipe_<name>.c, which says what it is for. */
extern const ej_script ej_script_batched, ej_script_gemm, ej_script_map, ej_script_permute, ej_script_pieces,
    ej_script_plain, ej_script_rows, ej_script_small, ej_script_sweep, ej_script_tensor, ej_script_thin;

/* ---- recipe_pack.c: pieces of scripts ---- */
/* Stages a source in panels of `width` values of the lane axis, placed at a loop; gives the statement that copies.
 * `together` values of the last axis of the depth, 1 or 2, lie side by side in a panel. */
int32_t ej_do_pack(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int32_t lane, int64_t width,
                   const int32_t *depth, int32_t n_depth, int64_t together);
/* Stages a source of f16 or bf16 in f32 at a loop, as it lies, where the L1 has room for that: it is converted once,
 * not for each vector that it is multiplied with, which then reads it from memory. Products of 16x16 f16 on Zen 4 take
 * 1.1 of the time of f32 with a copy of the operand that all lanes take one number of, 1.8 without. */
void ej_do_widen(ej_schedule *s, int32_t at, int32_t statement, int32_t source);
/* Stages source 0 of a copy in registers at a loop: read in vectors of n_fast values of `fast`, n_slow of them at once,
 * so that a copy with lanes along `slow` transposes the tile. */
void ej_do_transpose(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int64_t n_slow, int32_t fast,
                     int64_t n_fast);
/* For a copy that transposes to rows along `unit`: what it writes below a loop, a block of `slow` times `unit`, is
 * collected there, and whole rows go past the caches. Before the copy has its tile. */
void ej_do_rows_out(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int32_t unit);

#endif
