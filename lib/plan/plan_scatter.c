/* plan_scatter.c - index_add of what a step computes: the step adds its results up itself.
 *
 * Takes  an INDEX_ADD node whose values are, element for element, what an earlier step wrote for it alone; or an
 *        expression of that.
 * Gives  that step, moved behind the one that fills the result: its results are combined with what the rows hold that
 *        the index leads to, one after the other. The values are written nowhere.
 * Keeps  steps whose results lie along the index in memory (their vectors would fall apart), and those that read an
 *        operand that all rows share, which tiles of rows reuse.
 */
#include "plan_core.h"

/* An operand of a sum that all rows share stays in the L1 beside the rows. */
enum { SHARED_BYTES = 16 << 10 };

/* Elements that the access reaches, by the extents that were observed. */
static double elements(const ej_step *step, const ej_access *access)
{
    double all = 1;
    for (int32_t t = 0; t < access->n_terms; t++) all *= (double)step->axes[access->terms[t].axis].extent.n;
    return all;
}

static bool names(const ej_access *access, int32_t axis)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis == axis) return true;
    return false;
}

/* No source of the sum is so large that rows should be taken several at a time, to read it less often. */
static bool rows_are_apart(const ej_planner *p, const ej_step *step, int32_t row)
{
    for (int32_t s = 0; s < step->n_src; s++) {
        const ej_access *src = &step->src[s];
        double bytes = ej_dtypes[p->plan->buffers[src->buffer].dtype].bytes;
        if (!names(src, row) && elements(step, src) * bytes > SHARED_BYTES) return false;
    }
    return true;
}

/* Some axis of a row has elements side by side. */
static bool has_vectors(const ej_bound_node *values, const ej_view *scattered)
{
    for (int32_t i = 0; i < scattered->rank; i++) {
        const ej_view_axis *axis = &scattered->axes[i];
        if (axis->table < 0 && ej_size_is(axis->stride, 1) && !ej_plan_unit(values->shape[i])) return true;
    }
    return false;
}

/* What the expression reads beside x walks tables along rows at most. */
static bool tables_fit(const ej_plan_tape *tape, int64_t dim)
{
    for (size_t s = 0; s < tape->n_src; s++)
        for (int32_t i = 0; i < tape->src[s].view.rank; i++)
            if (i != dim && tape->src[s].view.axes[i].table >= 0) return false;
    return true;
}

static bool may_scatter(const ej_planner *p, ej_value v, const ej_plan_tape *tape, ej_value x)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    if (!ej_plan_may_end(p, node->in[1], tape, x)) return false;
    const ej_step *step = &p->plan->steps[p->values[x].step];
    int32_t row = p->values[x].step_axes[node->dims[0]];
    if (row < 0 || (step->reduce != EJ_REDUCE_NONE && step->reduce != EINJIT_REDUCE_SUM)) return false;
    return rows_are_apart(p, step, row);
}

ej_value ej_plan_scatters(const ej_planner *p, ej_value v, const ej_plan_tape *tape, const ej_view *scattered)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    const ej_plan_value *values = &p->values[node->in[1]];
    ej_value best = -1;
    if (EJ_LEFT_OUT(SCATTER_STEP) || EJ_HELD(p->job->ordered, ADDED_EINSUM)) return -1;
    if (values->user != v || values->uses != 1 || values->taken || !tables_fit(tape, node->dims[0])) return -1;
    if (!has_vectors(&p->bound->nodes[node->in[1]], scattered)) return -1;
    for (size_t s = 0; s < tape->n_src; s++) {
        ej_value x = tape->src[s].whole;
        if (may_scatter(p, v, tape, x) && (best < 0 || p->values[x].step > p->values[best].step)) best = x;
    }
    return best;
}

int ej_plan_scatter(ej_planner *p, ej_value x, const ej_plan_tape *tape, const ej_view *scattered, int64_t dim,
                    ej_size count)
{
    ej_plan_value *value = &p->values[x];
    int32_t index;
    EJ_TRY(ej_plan_go_on(p, x, tape, true, &index));
    ej_step *step = &p->plan->steps[index];
    ej_axis *row = &step->axes[value->step_axes[dim]];
    row->run = EJ_RUN_SEQUENTIAL;
    row->extent = count;
    step->reduce = EINJIT_REDUCE_SUM;
    step->accumulate = true;
    value->kind = EJ_VALUE_NONE;
    return ej_plan_access(p, scattered, value->step_axes, true, &step->out);
}
