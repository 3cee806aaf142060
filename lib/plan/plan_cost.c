/* plan_cost.c - what a program costs as written, and what its plan costs: counted, not measured. */
#include "plan_core.h"
#include "plan_links.h"

static double product(int32_t n, const ej_size *sizes)
{
    double x = 1;
    for (int32_t i = 0; i < n; i++) x *= (double)sizes[i].n;
    return x;
}

static double einsum_operations(const ej_bound_node *node)
{
    const ej_subscripts *s = node->subscripts;
    double space = product((int32_t)s->n_labels, node->label_sizes);
    double terms = s->n_terms > 1 ? s->n_terms - 1.0 : 0;
    bool summed = s->n_labels > s->out.n;
    double each = terms + (summed ? 1 : 0);
    return space * (each > 1 ? each : 1);
}

/* Every node by itself: an einsum as one loop over all its labels, everything else an operation an element. */
static double node_operations(const ej_bound *bound, const ej_bound_node *node)
{
    const ej_bound_node *operand = node->n_in ? &bound->nodes[node->in[node->n_in - 1]] : NULL;
    switch (node->op) {
    case EJ_OP_EINSUM: return einsum_operations(node);
    case EJ_OP_MAP: return product(node->rank, node->shape);
    case EJ_OP_REDUCE:
    case EJ_OP_INDEX_ADD: return product(operand->rank, operand->shape);
    default: return 0;
    }
}

double ej_bound_operations(const ej_bound *bound)
{
    double n = 0;
    for (size_t v = 0; v < bound->n_nodes; v++) n += node_operations(bound, &bound->nodes[v]);
    return n;
}

static double count_functions(const ej_expr *expr)
{
    double n = 0;
    for (int32_t i = 0; i < expr->n; i++) n += expr->ops[i].kind == EJ_EXPR_FN;
    return n;
}

double ej_plan_step_operations(const ej_step *step)
{
    double all = 1, kept = 1;
    for (int32_t i = 0; i < step->n_axes; i++) {
        all *= (double)step->axes[i].extent.n;
        if (step->axes[i].run != EJ_RUN_REDUCED) kept *= (double)step->axes[i].extent.n;
    }
    double each = count_functions(&step->expr) + (step->reduce == EJ_REDUCE_NONE ? 0 : 1);
    return all * each + kept * count_functions(&step->epilogue);
}

static double access_bytes(const ej_plan *plan, const ej_step *step, const ej_access *access)
{
    double bytes = ej_dtypes[plan->buffers[access->buffer].dtype].bytes;
    for (int32_t t = 0; t < access->n_terms; t++) bytes *= (double)step->axes[access->terms[t].axis].extent.n;
    return bytes;
}

double ej_plan_step_bytes(const ej_plan *plan, const ej_step *step)
{
    double bytes = access_bytes(plan, step, &step->out);
    for (int32_t i = 0; i < step->n_src; i++) bytes += access_bytes(plan, step, &step->src[i]);
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
