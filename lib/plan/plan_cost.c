/* plan_cost.c - what a plan costs: counted by the definition at einjit_cost in einjit.h, not measured.
 *
 * Takes  steps. Gives  operations: the functions of a step's expression and its reduction, once an iteration; bytes:
 *        what its accesses touch. Not here: the program itself, every value alone (cost_node.c).
 */
#include "cost.h"
#include "plan_core.h"
#include "plan_links.h"

static double count_functions(const ej_expr *expr)
{
    double n = 0;
    for (int32_t i = 0; i < expr->n; i++) n += expr->ops[i].kind == EJ_EXPR_FN;
    return n;
}

/* How often the body runs, or (kept) writes. 0 wherever an axis has no values, also beside more than a double holds. */
static double iterations(const ej_step *step, bool kept)
{
    double n = 1;
    for (int32_t i = 0; i < step->n_axes; i++) {
        const ej_axis *axis = &step->axes[i];
        if (kept && axis->run == EJ_RUN_REDUCED) continue;
        if (!axis->extent.n) return 0;
        n *= (double)axis->extent.n;
    }
    return n;
}

double ej_plan_step_operations(const ej_step *step)
{
    double each = count_functions(&step->expr) + (step->reduce == EJ_REDUCE_NONE ? 0 : 1);
    double after = count_functions(&step->epilogue);
    return ej_cost_loop(each, iterations(step, false)) + ej_cost_loop(after, iterations(step, true));
}

static double access_bytes(const ej_plan *plan, const ej_step *step, const ej_access *access)
{
    double bytes = ej_dtypes[plan->buffers[access->buffer].dtype].bytes;
    if (plan->buffers[access->buffer].home == EJ_HOME_COUNT) return 0;
    for (int32_t t = 0; t < access->n_terms; t++) bytes *= (double)step->axes[access->terms[t].axis].extent.n;
    return bytes;
}

double ej_plan_step_bytes(const ej_plan *plan, const ej_step *step)
{
    double bytes = access_bytes(plan, step, &step->out);
    for (int32_t i = 0; i < step->n_src + step->n_tail; i++) bytes += access_bytes(plan, step, &step->src[i]);
    return bytes;
}

void ej_plan_count(ej_planner *p)
{
    ej_plan *plan = p->plan;
    const double log10_of_2 = 0.30102999566398119521;
    for (size_t s = 0; s < plan->n_steps; s++) {
        const ej_step *step = &plan->steps[s];
        plan->planned_operations += ej_plan_step_operations(step);
        plan->bytes_moved += ej_plan_step_bytes(plan, step);
    }
    plan->log10_mults = ej_big_log2(p->mults) * log10_of_2;
    plan->log2_largest = ej_big_log2(p->largest);
}
