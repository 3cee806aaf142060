/* plan_scatter.c - index_add of what a step computes: the step adds its results up itself.
 *
 * Takes  an INDEX_ADD node whose values are, element for element, what an earlier step wrote for it alone; or an
 *        expression of that.
 * Gives  that step, moved behind the one that fills the result: its results are combined with what the rows hold that
 *        the index leads to, one after the other. The values are written nowhere.
 * Keeps  steps whose results lie along the index in memory (their vectors would fall apart); those that read an operand
 *        that all rows share, if tiles of rows reuse more of it than they write; and small matrices whose rows end in
 *        part of a vector, where the next one begins.
 */
#include "plan_core.h"

/* Bytes of an operand that all rows share, read again for each row, for a byte of the row that is neither written nor
 * read again. Zen 4, f32, 20,000 rows "ej,ji->ei": 4 x 64 280 us with rows in memory and 257 without (twice the bytes),
 * 8 x 16 113 and 140 (4 times), 16 x 16 148 and 255 (8 times), 64 x 64 1568 and 2996 (32 times). */
enum { SHARED_READS = 3 };

/* Bytes that the access reaches for one row, by the extents that were observed. */
static double bytes_beside(const ej_planner *p, const ej_step *step, const ej_access *access, int32_t row)
{
    double all = ej_dtypes[p->plan->buffers[access->buffer].dtype].bytes;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis != row) all *= (double)step->axes[access->terms[t].axis].extent.n;
    return all;
}

/* No source of the sum is so large beside a row that rows should be taken several at a time, to read it less often. */
static bool rows_are_apart(const ej_planner *p, const ej_step *step, int32_t row)
{
    double saved = 2 * bytes_beside(p, step, &step->out, row);
    for (int32_t s = 0; s < step->n_src; s++) {
        const ej_access *src = &step->src[s];
        if (!ej_access_find(src, row) && bytes_beside(p, step, src, row) > SHARED_READS * saved) return false;
    }
    return true;
}

/* The axis of a row whose elements lie side by side; -1: none. */
static int32_t unit_axis(const ej_bound_node *values, const ej_view *scattered)
{
    for (int32_t i = 0; i < scattered->rank; i++) {
        const ej_view_axis *axis = &scattered->axes[i];
        if (axis->table < 0 && ej_size_is(axis->stride, 1) && !ej_plan_unit(values->shape[i])) return i;
    }
    return -1;
}

/* Bytes; a plan knows no row of the target, and rows that end in a whole part of these do so for narrower ones. */
enum { WIDEST_VECTOR = 64 };

/* Vectors with lanes cut off, one right behind the other: each waits until what the one before wrote in part is in
 * memory (einsum("eij,ejk->eik") of 8x3x6 f32 an edge: 110 us with messages in memory, 516 without, 10,000 edges on Zen
 * 4; of 8x3x17 311 and 185: one element is no vector). */
static bool rows_touch(const ej_bound_node *values, const ej_view *scattered, int32_t unit)
{
    int64_t lanes = WIDEST_VECTOR / ej_dtypes[ej_dtypes[values->dtype].real].bytes;
    int64_t n = values->shape[unit].n, rest = n % lanes;
    if (values->shape[unit].e || !(rest & (rest - 1))) return false;
    for (int32_t i = 0; i < scattered->rank; i++) {
        const ej_view_axis *axis = &scattered->axes[i];
        bool beside = i != unit && axis->table < 0 && !ej_plan_unit(values->shape[i]) && !axis->stride.e;
        if (beside && axis->stride.n - lanes < n - rest) return true;
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

static bool may_scatter(const ej_planner *p, ej_value v, const ej_plan_tape *tape, ej_value x, bool touching)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    if (!ej_plan_may_end(p, node->in[1], tape, x)) return false;
    const ej_step *step = &p->plan->steps[p->values[x].step];
    int32_t row = p->values[x].step_axes[node->dims[0]];
    if (row < 0 || (step->reduce != EJ_REDUCE_NONE && step->reduce != EINJIT_REDUCE_SUM)) return false;
    return !(touching && step->reduce == EINJIT_REDUCE_SUM) && rows_are_apart(p, step, row);
}

ej_value ej_plan_scatters(const ej_planner *p, ej_value v, const ej_plan_tape *tape, const ej_view *scattered)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    const ej_plan_value *values = &p->values[node->in[1]];
    ej_value best = -1;
    if (EJ_LEFT_OUT(SCATTER_STEP) || EJ_HELD(p->job->ordered, ADDED_EINSUM)) return -1;
    if (values->user != v || values->uses != 1 || values->taken || !tables_fit(tape, node->dims[0])) return -1;
    int32_t unit = unit_axis(&p->bound->nodes[node->in[1]], scattered);
    if (unit < 0) return -1;
    bool touching = rows_touch(&p->bound->nodes[node->in[1]], scattered, unit);
    for (size_t s = 0; s < tape->n_src; s++) {
        ej_value x = tape->src[s].whole;
        if (may_scatter(p, v, tape, x, touching) && (best < 0 || p->values[x].step > p->values[best].step)) best = x;
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
