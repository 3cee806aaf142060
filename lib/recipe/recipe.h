/* recipe.h - which schedule a step gets, and the nests of a plan. */
#ifndef EJ_RECIPE_H
#define EJ_RECIPE_H

#include "schedule.h"

/* A script of rewrites with parameters. Hard facts (matches), whether it is the best way (pays: for certain; perhaps: then the
 * costs of the trees decide), the numbers that rules give for a row (params: how many sets, at most EJ_RECIPE_PARAMS), and the
 * script, which may be refused. */
enum ej_pays { EJ_PAYS_NOT = -1, EJ_PAYS_PERHAPS, EJ_PAYS_SURELY };
enum { EJ_RECIPE_PARAMS = 16, EJ_RECIPE_NUMBERS = 8 };
typedef struct ej_script {
    const char *name;
    bool (*matches)(const ej_schedule *s);
    int (*pays)(const ej_schedule *s); /* EJ_PAYS_*, of a schedule that matches; NULL: for certain */
    int32_t (*params)(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS]);
    void (*run)(ej_schedule *s, const int64_t *params);
} ej_script;

/* The nests of a plan, one a step, in order, and what became of rewrites on the way. */
int ej_nests_build(ej_nests *out, const ej_plan *plan, ej_job *job);

/* There is such a recipe ("gemm", "gemm:1"). `names` (may be NULL) gets all of them, with commas. */
bool ej_recipe_exists(const char *name, ej_text *names);

/* The scripts (recipe.c has the table). */
extern const ej_script ej_script_batched, ej_script_gemm, ej_script_map, ej_script_permute, ej_script_plain, ej_script_rows,
    ej_script_small, ej_script_sweep, ej_script_tensor, ej_script_thin;

/* ---- recipe_pack.c: pieces of scripts ---- */
/* Stages a source in panels of `width` values of the lane axis, placed at a loop; gives the statement that copies. */
int32_t ej_do_pack(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int32_t lane, int64_t width,
                   const int32_t *depth, int32_t n_depth);
/* Stages source 0 of a copy in registers at a loop: read in vectors of n_fast values of `fast`, n_slow of them at once, so that
 * a copy with lanes along `slow` transposes the tile. */
void ej_do_transpose(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int64_t n_slow, int32_t fast, int64_t n_fast);

#endif
