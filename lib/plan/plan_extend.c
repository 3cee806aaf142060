/* plan_extend.c - pointwise expressions that become the end of an earlier step.
 *
 * Takes  a pending expression, one source of which is, element for element, what an earlier step wrote for it alone.
 * Gives  that step, which goes on with the expression and writes its result instead. In a reduction the expression
 *        becomes the epilogue and its other sources the tail; in other steps they are more sources. Where one of them
 *        is written by a later step, the extended step is moved to the end of the plan; what it reads has not changed
 *        by then.
 * Keeps  expressions with a source that walks a table: tiles of results have no lanes or rows along such an axis.
 */
#include <string.h>

#include "plan_core.h"

enum { END_OPS = EJ_TAPE_OPS + 4 }; /* at most: the last node of a tape may go past its limit by that much */

static const ej_expr *last_expr(const ej_step *step)
{
    return step->reduce == EJ_REDUCE_NONE ? &step->expr : &step->epilogue;
}

/* All that is made of x goes through v, and no step reads it for itself. */
static bool is_only_for(const ej_planner *p, ej_value x, ej_value v)
{
    const ej_plan_value *value = &p->values[x];
    ej_value at = x;
    for (int i = 0; i < EJ_TAPE_OPS && at >= 0 && at != v; i++) at = p->values[at].meets;
    if (at != v) return false;
    for (size_t k = (size_t)value->step + 1; k < p->plan->n_steps; k++) {
        const ej_step *step = &p->plan->steps[k];
        for (int32_t s = 0; s < step->n_src + step->n_tail; s++)
            if (step->src[s].buffer == value->view.buffer) return false;
    }
    return true;
}

bool ej_plan_may_end(const ej_planner *p, ej_value v, const ej_plan_tape *tape, ej_value x)
{
    if (x < 0) return false;
    const ej_plan_value *value = &p->values[x];
    if (value->kind != EJ_VALUE_VIEW || value->step < 0 || value->has_place || !is_only_for(p, x, v)) return false;
    const ej_step *step = &p->plan->steps[value->step];
    bool reduces = step->reduce != EJ_REDUCE_NONE;
    if (step->accumulate || (size_t)last_expr(step)->n + tape->n_ops > END_OPS) return false;
    if ((size_t)(reduces ? step->n_tail : step->n_src) + tape->n_src - 1 > EJ_TAPE_SOURCES) return false;
    for (size_t s = 0; s < tape->n_src; s++)
        if (tape->src[s].whole != x && tape->src[s].view.buffer == value->view.buffer) return false;
    return true;
}

static bool has_table(const ej_plan_tape *tape)
{
    for (size_t s = 0; s < tape->n_src; s++)
        if (ej_view_has_table(&tape->src[s].view)) return true;
    return false;
}

/* The expression reads the memory in which its result goes, and the extended step writes that while others are still to
 * be read. */
static bool reads_place(const ej_plan_value *value)
{
    for (size_t s = 0; value->has_place && s < value->tape->n_src; s++)
        if (value->tape->src[s].view.buffer == value->place.buffer) return true;
    return false;
}

ej_value ej_plan_extensible(const ej_planner *p, ej_value v)
{
    const ej_plan_tape *tape = p->values[v].tape;
    ej_value best = -1;
    if (EJ_LEFT_OUT(EXTEND_STEP)) return -1;
    if (p->values[v].taken) return -1; /* what it reads would be written nowhere, and its first users would miss it */
    if (has_table(tape)) return -1;
    for (size_t s = 0; s < tape->n_src && !reads_place(&p->values[v]); s++) {
        if (!ej_plan_may_end(p, v, tape, tape->src[s].whole)) continue;
        if (best < 0 || p->values[tape->src[s].whole].step > p->values[best].step) best = tape->src[s].whole;
    }
    return best;
}

/* ---- order ---- */

static const int32_t moved = -1; /* as the result's buffer: the step was moved from here */

/* Some source of the tape is written by a step behind this one. */
static bool comes_early(const ej_planner *p, int32_t step, const ej_plan_tape *tape)
{
    for (size_t s = 0; s < tape->n_src; s++)
        for (size_t k = (size_t)step + 1; k < p->plan->n_steps; k++)
            if (p->plan->steps[k].out.buffer == tape->src[s].view.buffer) return true;
    return false;
}

static int move_behind(ej_planner *p, int32_t *step)
{
    ej_plan *plan = p->plan;
    if (!EJ_PUSH_ROOM(p->job->arena, plan->steps, plan->cap_steps, plan->n_steps)) return ej_no_memory(p->job->err);
    plan->steps[plan->n_steps] = plan->steps[*step];
    plan->steps[*step].out.buffer = moved;
    *step = (int32_t)plan->n_steps++;
    return EINJIT_OK;
}

void ej_plan_drop_moved(ej_planner *p)
{
    ej_plan *plan = p->plan;
    size_t kept = 0;
    for (size_t s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].out.buffer != moved) plan->steps[kept++] = plan->steps[s];
    plan->n_steps = kept;
}

/* ---- the step ---- */

/* The step's last expression followed by the tape, which takes its result for the value `x`; the tape's other sources
 * are numbered from `first` on. */
static int join(ej_planner *p, const ej_step *step, const ej_plan_tape *tape, ej_value x, int32_t first, ej_expr *out)
{
    ej_plan_tape joined = {0};
    const ej_expr *old = last_expr(step);
    int32_t result = 0, *renamed = EJ_JOB_ARRAY(p->job, int32_t, tape->n_ops),
            *number = EJ_JOB_ARRAY(p->job, int32_t, tape->n_src);
    if (!renamed || !number) return ej_no_memory(p->job->err);
    for (size_t s = 0; s < tape->n_src; s++) number[s] = tape->src[s].whole == x ? -1 : first++;
    for (int32_t i = 0; i < old->n; i++) EJ_TRY(ej_tape_op(p, &joined, old->ops[i], &result));
    if (!old->n) {
        int16_t dtype = step->expr.ops[step->expr.n - 1].dtype;
        EJ_TRY(ej_tape_op(p, &joined, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = dtype}, &result));
    }
    for (size_t i = 0; i < tape->n_ops; i++) {
        ej_expr_op op = tape->ops[i];
        if (op.kind == EJ_EXPR_SOURCE && number[op.a] < 0) {
            renamed[i] = result;
            continue;
        }
        if (op.kind == EJ_EXPR_SOURCE) {
            op.a = number[op.a];
        } else if (op.kind != EJ_EXPR_CONST) {
            op.a = renamed[op.a];
            op.b = renamed[op.b];
            op.c = renamed[op.c];
        }
        EJ_TRY(ej_tape_op(p, &joined, op, &renamed[i]));
    }
    *out = (ej_expr){(int32_t)joined.n_ops, joined.ops};
    return EINJIT_OK;
}

static int append_sources(ej_planner *p, ej_step *step, const ej_plan_tape *tape, ej_value x, const int32_t *step_axes)
{
    int32_t n = step->n_src + step->n_tail;
    ej_access *all = EJ_JOB_ARRAY(p->job, ej_access, (size_t)n + tape->n_src);
    if (!all) return ej_no_memory(p->job->err);
    if (n) memcpy(all, step->src, (size_t)n * sizeof *all);
    for (size_t s = 0; s < tape->n_src; s++)
        if (tape->src[s].whole != x) EJ_TRY(ej_plan_access(p, &tape->src[s].view, step_axes, false, &all[n++]));
    step->src = all;
    if (step->reduce == EJ_REDUCE_NONE) step->n_src = n;
    else step->n_tail = n - step->n_src;
    return EINJIT_OK;
}

int ej_plan_go_on(ej_planner *p, ej_value x, const ej_plan_tape *tape, bool behind, int32_t *index)
{
    const ej_plan_value *value = &p->values[x];
    ej_expr expr;
    *index = value->step;
    if (behind || comes_early(p, *index, tape)) EJ_TRY(move_behind(p, index));
    ej_step *step = &p->plan->steps[*index];
    if (tape->n_ops == 1) return EINJIT_OK; /* it is x itself */
    bool reduces = step->reduce != EJ_REDUCE_NONE;
    EJ_TRY(join(p, step, tape, x, reduces ? 1 + step->n_tail : step->n_src, &expr));
    EJ_TRY(append_sources(p, step, tape, x, value->step_axes));
    if (reduces) step->epilogue = expr;
    else step->expr = expr;
    return EINJIT_OK;
}

int ej_plan_extend(ej_planner *p, ej_value v, ej_value x, ej_view *out)
{
    ej_plan_value *value = &p->values[x];
    int32_t index, *step_axes = value->step_axes;
    EJ_TRY(ej_plan_destination(p, v, out));
    EJ_TRY(ej_plan_go_on(p, x, p->values[v].tape, false, &index));
    EJ_TRY(ej_plan_access(p, out, step_axes, true, &p->plan->steps[index].out));
    ej_plan_written(p, v, out, index, step_axes);
    value->kind = EJ_VALUE_NONE; /* its elements are written nowhere */
    return EINJIT_OK;
}
