/* nest_recipe.c - the recipes, and a plan's steps turned into nests by the cheapest one that applies.
 *
 * Takes  a plan.
 * Gives  one nest a step, in order. A new way to run a step is a file with a recipe and a line in the table.
 */
#include "nest_tiling.h"

static const ej_recipe *const recipes[] = {
    &ej_recipe_move,     /* nothing is reduced: maps, copies, gathers, scatter-adds */
    &ej_recipe_transpose, /* one operand, unit strides along different axes */
    &ej_recipe_contract, /* anything that reduces */
};

static const ej_recipe *cheapest(const ej_step *step, const ej_plan *plan, const ej_job *job, double *best_cost)
{
    const ej_recipe *best = NULL;
    for (size_t r = 0; r < sizeof recipes / sizeof *recipes; r++) {
        if (!recipes[r]->applicable(step, plan, job)) continue;
        double cost = recipes[r]->cost(step, plan, job);
        if (best && cost >= *best_cost) continue;
        best = recipes[r];
        *best_cost = cost;
    }
    return best;
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
        double cost = 0;
        const ej_recipe *recipe = cheapest(&step, plan, job, &cost);
        if (!recipe)
            return ej_fail(job->err, EINJIT_E_INTERNAL, "step '%s' has no recipe", plan->steps[s].name);
        ej_nest *nest = &out->nests[out->n++];
        int status = recipe->build(nest, &step, plan, job);
        if (status == EINJIT_E_NOMEM) return ej_no_memory(job->err); /* builders of nests have no error to write to */
        EJ_TRY(status);
        nest->recipe = recipe->name;
        nest->cost = cost;
    }
    return EINJIT_OK;
}
