/* plan_step.c - steps: axes, accesses and an expression, from views and a tape; and values made into views.
 *
 * Takes  axes, where to write, what to compute.
 * Gives  a step at the end of the plan. Axes of extent 1 are left out (unless a table is read along them), sources
 *        do not name axes along which they do not move.
 */
#include <string.h>

#include "plan_core.h"

bool ej_plan_unit(ej_size size)
{
    return ej_size_is(size, 1);
}

static bool reads_table(const ej_emission *e, int32_t axis)
{
    if (e->axes[axis].run != EJ_RUN_REDUCED && e->out->axes[axis].table >= 0) return true;
    for (size_t s = 0; s < e->tape->n_src; s++)
        if (e->tape->src[s].view.axes[axis].table >= 0) return true;
    return false;
}

/* The axes that the step has, and where each axis of the emission went. */
static int choose_axes(ej_planner *p, const ej_emission *e, ej_step *step, int32_t *map)
{
    step->axes = EJ_JOB_ARRAY(p->job, ej_axis, (size_t)e->n_axes);
    if (!step->axes) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < e->n_axes; i++) {
        map[i] = -1;
        if (ej_plan_unit(e->axes[i].extent) && !reads_table(e, i)) continue;
        map[i] = step->n_axes;
        step->axes[step->n_axes++] = e->axes[i];
    }
    return EINJIT_OK;
}

int ej_plan_access(ej_planner *p, const ej_view *view, const int32_t *map, bool named, ej_access *out)
{
    *out = (ej_access){.buffer = view->buffer, .base = view->base};
    out->terms = EJ_JOB_ARRAY(p->job, ej_access_term, (size_t)view->rank);
    if (!out->terms) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < view->rank; i++) {
        const ej_view_axis *axis = &view->axes[i];
        if (map[i] < 0 || (!named && ej_size_is(axis->stride, 0))) continue;
        ej_access_term *term = &out->terms[out->n_terms++];
        *term = (ej_access_term){.axis = map[i], .table = axis->table, .stride = axis->stride};
        if (axis->table >= 0) term->tbase = axis->tbase, term->tstride = axis->tstride;
    }
    return EINJIT_OK;
}

/* Where the result goes does not depend on reduced axes. */
static int result_access(ej_planner *p, const ej_emission *e, const int32_t *map, ej_access *out)
{
    int32_t *kept = EJ_JOB_ARRAY(p->job, int32_t, (size_t)e->n_axes);
    if (!kept) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < e->n_axes; i++) kept[i] = e->axes[i].run == EJ_RUN_REDUCED ? -1 : map[i];
    return ej_plan_access(p, e->out, kept, true, out);
}

static ej_expr tape_expr(const ej_plan_tape *tape)
{
    return (ej_expr){(int32_t)tape->n_ops, tape->ops};
}

/* expr, then the epilogue's operations on its result. */
static int join_exprs(ej_planner *p, ej_expr expr, ej_expr epilogue, ej_expr *out)
{
    ej_plan_tape tape = {0};
    int32_t at, first = expr.n, source = expr.n - 1;
    for (int32_t i = 0; i < expr.n; i++) EJ_TRY(ej_tape_op(p, &tape, expr.ops[i], &at));
    for (int32_t i = 1; i < epilogue.n; i++) { /* op 0 is the source */
        ej_expr_op op = epilogue.ops[i];
        if (op.kind != EJ_EXPR_CONST) {
            op.a = op.a ? first + op.a - 1 : source;
            op.b = op.b ? first + op.b - 1 : source;
            op.c = op.c ? first + op.c - 1 : source;
        }
        EJ_TRY(ej_tape_op(p, &tape, op, &at));
    }
    *out = tape_expr(&tape);
    return EINJIT_OK;
}

static bool has_reduced_axis(const ej_step *step)
{
    for (int32_t i = 0; i < step->n_axes; i++)
        if (step->axes[i].run == EJ_RUN_REDUCED) return true;
    return false;
}

int ej_plan_emit(ej_planner *p, const ej_emission *e)
{
    ej_plan *plan = p->plan;
    ej_step step = {
        .name = e->name, .reduce = (int8_t)e->reduce, .accumulate = e->accumulate, .ordered = p->job->ordered};
    int32_t *map = e->step_axes ? e->step_axes : EJ_JOB_ARRAY(p->job, int32_t, (size_t)e->n_axes);
    step.n_src = (int32_t)e->tape->n_src;
    step.src = EJ_JOB_ARRAY(p->job, ej_access, e->tape->n_src);
    if (!map || !step.src) return ej_no_memory(p->job->err);
    EJ_TRY(choose_axes(p, e, &step, map));
    EJ_TRY(result_access(p, e, map, &step.out));
    for (int32_t s = 0; s < step.n_src; s++) EJ_TRY(ej_plan_access(p, &e->tape->src[s].view, map, false, &step.src[s]));
    step.expr = tape_expr(e->tape);
    step.epilogue = e->epilogue;
    if (step.reduce != EJ_REDUCE_NONE && !has_reduced_axis(&step)) {
        if (!step.accumulate) step.reduce = EJ_REDUCE_NONE;
        if (step.epilogue.n) EJ_TRY(join_exprs(p, step.expr, step.epilogue, &step.expr));
        step.epilogue = (ej_expr){0};
    }
    if (!EJ_PUSH_ROOM(p->job->arena, plan->steps, plan->cap_steps, plan->n_steps)) return ej_no_memory(p->job->err);
    plan->steps[plan->n_steps++] = step;
    return EINJIT_OK;
}

/* The einsum whose letters are those of the value's axes, through functions element for element; NULL: none. */
static const ej_subscripts *letters_of(const ej_planner *p, ej_value v, int32_t rank)
{
    for (int far = 0; v >= 0 && far < 8; far++) {
        const ej_bound_node *node = &p->bound->nodes[v];
        if (node->rank != rank) return NULL;
        if (node->op == EJ_OP_EINSUM) return node->subscripts;
        if (node->op != EJ_OP_MAP && node->op != EJ_OP_CAST) return NULL;
        v = -1;
        for (uint32_t i = 0; v < 0 && i < node->n_in; i++)
            if (p->bound->nodes[node->in[i]].rank == rank) v = node->in[i];
    }
    return NULL;
}

const char *ej_plan_letter(ej_planner *p, uint32_t letter)
{
    ej_text text;
    ej_text_init(&text, p->job->arena);
    ej_print_code_point(&text, letter);
    return text.failed ? NULL : text.data;
}

int ej_plan_shape_axes(ej_planner *p, ej_value v, int32_t rank, const ej_size *shape, ej_axis **out)
{
    ej_axis *axes = EJ_JOB_ARRAY(p->job, ej_axis, (size_t)rank);
    const ej_subscripts *named = letters_of(p, v, rank);
    const uint32_t *letters = named ? ej_subscripts_letters(p->job->arena, named) : NULL;
    if (!axes || (named && !letters)) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < rank; i++) {
        const char *name = named ? ej_plan_letter(p, letters[named->out.labels[i]]) : ej_plan_name(p, "d%d", (int)i);
        axes[i] = (ej_axis){.name = name, .extent = shape[i], .run = EJ_RUN_PARALLEL};
        if (!axes[i].name) return ej_no_memory(p->job->err);
    }
    *out = axes;
    return EINJIT_OK;
}

int ej_plan_emit_map(ej_planner *p, const char *name, ej_value v, int32_t rank, const ej_size *shape,
                     const ej_plan_tape *tape, const ej_view *out, int32_t *step_axes)
{
    ej_axis *axes = NULL;
    EJ_TRY(ej_plan_shape_axes(p, v, rank, shape, &axes));
    const ej_emission e = {.name = name,
                           .n_axes = rank,
                           .axes = axes,
                           .out = out,
                           .tape = tape,
                           .reduce = EJ_REDUCE_NONE,
                           .step_axes = step_axes};
    return ej_plan_emit(p, &e);
}

int ej_plan_copy(ej_planner *p, const char *name, int dtype, int32_t rank, const ej_size *shape, const ej_view *from,
                 const ej_view *to)
{
    ej_plan_tape tape = {0};
    int32_t at;
    EJ_TRY(ej_tape_source(p, &tape, from, dtype, &at));
    return ej_plan_emit_map(p, name, -1, rank, shape, &tape, to, NULL);
}

int ej_plan_fill(ej_planner *p, const char *name, ej_expr_op constant, int32_t rank, const ej_size *shape,
                 const ej_view *to)
{
    ej_plan_tape tape = {0};
    int32_t at;
    EJ_TRY(ej_tape_op(p, &tape, constant, &at));
    return ej_plan_emit_map(p, name, -1, rank, shape, &tape, to, NULL);
}

/* ---- values ---- */

void ej_plan_written(ej_planner *p, ej_value v, const ej_view *view, int32_t step, int32_t *step_axes)
{
    ej_plan_value *value = &p->values[v];
    value->kind = EJ_VALUE_VIEW;
    value->view = *view;
    value->step = step;
    value->owned = step >= 0;
    value->step_axes = step_axes;
}

int ej_plan_destination(ej_planner *p, ej_value v, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    if (!p->values[v].has_place) return ej_plan_scratch_view(p, node->name, node->dtype, node->rank, node->shape, out);
    *out = p->values[v].place;
    return EINJIT_OK;
}

/* A constant as memory: one element that every index finds. */
static int scalar_view(ej_planner *p, ej_value v, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_view one;
    EJ_TRY(ej_plan_scratch_view(p, node->name, node->dtype, 0, NULL, &one));
    EJ_TRY(ej_plan_fill(p, node->name, p->values[v].scalar, 0, NULL, &one));
    EJ_TRY(ej_view_new(p, node->rank, out));
    out->buffer = one.buffer;
    return EINJIT_OK;
}

static int pending_view(ej_planner *p, ej_value v, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_value x = ej_plan_extensible(p, v);
    if (x >= 0) return ej_plan_extend(p, v, x, out);
    int32_t *step_axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)node->rank);
    if (!step_axes) return ej_no_memory(p->job->err);
    EJ_TRY(ej_plan_destination(p, v, out));
    EJ_TRY(ej_plan_emit_map(p, node->name, v, node->rank, node->shape, p->values[v].tape, out, step_axes));
    ej_plan_written(p, v, out, (int32_t)p->plan->n_steps - 1, step_axes);
    return EINJIT_OK;
}

int ej_plan_view(ej_planner *p, ej_value v, ej_view *out)
{
    switch (p->values[v].kind) {
    case EJ_VALUE_VIEW: *out = p->values[v].view; return EINJIT_OK;
    case EJ_VALUE_SCALAR: return scalar_view(p, v, out);
    case EJ_VALUE_PENDING: return pending_view(p, v, out);
    default: return ej_fail(p->job->err, EINJIT_E_INTERNAL, "value %d is used before it is planned", (int)v);
    }
}
