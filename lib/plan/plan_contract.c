/* plan_contract.c - the step of an einsum: all labels of its operands as axes, those that the result lacks reduced.
 *
 * Takes  the einsum's operands and the labels that they leave in the result.
 * Gives  a step that writes the node's value, with the scalars in it.
 */
#include <stdlib.h>

#include "plan_einsum.h"

static int combine_fn(const ej_bound_node *node)
{
    bool adds = node->combine == EINJIT_COMBINE_ADD;
    if (node->dtype == EINJIT_BOOL) return adds ? EJ_FN_LOGICAL_OR : EJ_FN_LOGICAL_AND;
    return adds ? EJ_FN_ADD : EJ_FN_MUL;
}

static int reduction(const ej_bound_node *node)
{
    if (node->dtype != EINJIT_BOOL) return node->fn;
    return node->fn == EINJIT_REDUCE_MIN ? EINJIT_REDUCE_MIN : EINJIT_REDUCE_OR;
}

typedef struct ranked {
    int32_t rank, label;
} ranked;

/* The step's axes: all labels of its operands, those of the result reduced or not. Sets axis_of. */
static int make_axes(ej_einsum *e, const ej_term *result, int32_t *n_axes, ej_axis **out)
{
    ej_job *job = e->p->job;
    size_t room = 0;
    int32_t count = 0;
    for (int32_t i = 0; i < e->n_parts; i++) room += e->parts[i].labels.n;
    ranked *list = EJ_JOB_ARRAY(job, ranked, room);
    ej_axis *axes = EJ_JOB_ARRAY(job, ej_axis, room);
    if (!list || !axes) return ej_no_memory(job->err);
    for (int32_t i = 0; i < e->n_parts; i++)
        for (uint32_t k = 0; k < e->parts[i].labels.n; k++) {
            int32_t label = e->parts[i].labels.labels[k];
            if (e->axis_of[label] >= 0) continue;
            e->axis_of[label] = 0;
            list[count++] = (ranked){e->rank_of[label], label};
        }
    if (count) qsort(list, (size_t)count, sizeof *list, ej_compare_labels); /* rank comes first in the struct */
    for (int32_t i = 0; i < count; i++) {
        int32_t label = list[i].label;
        e->axis_of[label] = i;
        axes[i] = (ej_axis){ej_plan_letter(e->p, e->letters[label]), e->node->label_sizes[label], EJ_RUN_REDUCED};
        if (!axes[i].name) return ej_no_memory(job->err);
    }
    for (uint32_t k = 0; k < result->n; k++) axes[e->axis_of[result->labels[k]]].run = EJ_RUN_PARALLEL;
    *n_axes = count;
    *out = axes;
    return EINJIT_OK;
}

static int widen(ej_einsum *e, const ej_part *x, const ej_view *view, int32_t n_axes, ej_view *out)
{
    EJ_TRY(ej_view_new(e->p, n_axes, out));
    out->buffer = view->buffer;
    out->base = view->base;
    for (uint32_t k = 0; k < x->labels.n; k++) out->axes[e->axis_of[x->labels.labels[k]]] = view->axes[k];
    return EINJIT_OK;
}

/* An operand's elements: read, or computed from what is read. */
static int append_part(ej_einsum *e, const ej_part *x, int32_t n_axes, ej_plan_tape *tape, int32_t *at)
{
    ej_view wide;
    if (!x->map) {
        EJ_TRY(widen(e, x, &x->views[0], n_axes, &wide));
        EJ_TRY(ej_tape_source(e->p, tape, &wide, x->dtype, at));
        ej_tape_whole(tape, *at, x->whole >= 0 && e->p->values[x->whole].step >= 0 ? x->whole : -1);
        return EINJIT_OK;
    }
    ej_plan_tape map = *x->map;
    map.src = EJ_JOB_ARRAY(e->p->job, ej_tape_view, map.n_src);
    if (!map.src) return ej_no_memory(e->p->job->err);
    for (int32_t i = 0; i < x->n_views; i++) {
        map.src[i].whole = x->whole < 0 ? -1 : x->map->src[i].whole;
        EJ_TRY(widen(e, x, &x->views[i], n_axes, &map.src[i].view));
    }
    return ej_tape_append(e->p, tape, &map, false, at);
}

/* product (or sum) of the operands' elements */
static int make_tape(ej_einsum *e, int32_t n_axes, ej_plan_tape *tape)
{
    int32_t so_far = -1;
    for (int32_t i = 0; i < e->n_parts; i++) {
        int32_t at;
        EJ_TRY(append_part(e, &e->parts[i], n_axes, tape, &at));
        if (so_far < 0) so_far = at;
        else EJ_TRY(ej_tape_fn(e->p, tape, combine_fn(e->node), e->node->dtype, so_far, at, &so_far));
    }
    return EINJIT_OK;
}

/* Combine what the tape holds (or nothing yet) with the scalars. */
static int append_scalars(ej_einsum *e, ej_plan_tape *tape)
{
    int32_t so_far = (int32_t)tape->n_ops - 1, at;
    for (size_t i = 0; i < e->scalars.n_ops; i++) {
        EJ_TRY(ej_tape_op(e->p, tape, e->scalars.ops[i], &at));
        if (so_far < 0) so_far = at;
        else EJ_TRY(ej_tape_fn(e->p, tape, combine_fn(e->node), e->node->dtype, so_far, at, &so_far));
    }
    return EINJIT_OK;
}

static int scalar_epilogue(ej_einsum *e, ej_expr *out)
{
    ej_plan_tape tape = {0};
    int32_t at;
    *out = (ej_expr){0};
    if (!e->scalars.n_ops) return EINJIT_OK;
    EJ_TRY(ej_tape_op(e->p, &tape, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = e->node->dtype}, &at));
    EJ_TRY(append_scalars(e, &tape));
    *out = (ej_expr){(int32_t)tape.n_ops, tape.ops};
    return EINJIT_OK;
}

/* epilogue <- -epilogue */
static int negate(ej_einsum *e, ej_expr *epilogue)
{
    ej_plan_tape tape = {0};
    int32_t at;
    for (int32_t i = 0; i < epilogue->n; i++) EJ_TRY(ej_tape_op(e->p, &tape, epilogue->ops[i], &at));
    if (!epilogue->n)
        EJ_TRY(ej_tape_op(e->p, &tape, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = e->node->dtype}, &at));
    EJ_TRY(ej_tape_op(e->p, &tape, (ej_expr_op){.kind = EJ_EXPR_FN, .fn = EJ_FN_NEG, .dtype = e->node->dtype, .a = at},
                      &at));
    *epilogue = (ej_expr){(int32_t)tape.n_ops, tape.ops};
    return EINJIT_OK;
}

static void count_step(ej_einsum *e, int32_t n_axes, const ej_axis *axes)
{
    ej_big work = ej_big_of(1), result = ej_big_of(1);
    for (int32_t i = 0; i < n_axes; i++) {
        work = ej_big_scale(work, (double)axes[i].extent.n);
        if (axes[i].run != EJ_RUN_REDUCED) result = ej_big_scale(result, (double)axes[i].extent.n);
    }
    e->p->mults = ej_big_add(e->p->mults, work);
    if (ej_big_less(e->p->largest, result)) e->p->largest = result;
}

/* The node's output as a view by axis of the step that is being made. */
static int output_view(ej_einsum *e, const ej_view *place, int32_t n_axes, ej_view *out)
{
    const ej_term *labels = &e->node->subscripts->out;
    EJ_TRY(ej_view_new(e->p, n_axes, out));
    out->buffer = place->buffer;
    out->base = place->base;
    for (uint32_t i = 0; i < labels->n; i++)
        if (e->axis_of[labels->labels[i]] >= 0) out->axes[e->axis_of[labels->labels[i]]] = place->axes[i];
    return EINJIT_OK;
}

int ej_einsum_map(ej_einsum *e)
{
    const ej_term *out = &e->node->subscripts->out;
    ej_plan_value *value = &e->p->values[e->v];
    ej_big work = ej_big_of(1);
    value->tape = EJ_JOB_NEW(e->p->job, ej_plan_tape);
    if (!value->tape) return ej_no_memory(e->p->job->err);
    for (uint32_t i = 0; i < out->n; i++) {
        e->axis_of[out->labels[i]] = (int32_t)i;
        work = ej_big_scale(work, (double)e->node->shape[i].n);
    }
    EJ_TRY(make_tape(e, (int32_t)out->n, value->tape));
    EJ_TRY(append_scalars(e, value->tape));
    e->p->mults = ej_big_add(e->p->mults, work);
    if (ej_big_less(e->p->largest, work)) e->p->largest = work;
    return ej_plan_pending(e->p, e->v);
}

int ej_einsum_contract(ej_einsum *e, const ej_term *result, bool inside)
{
    ej_planner *p = e->p;
    const ej_term *labels = &e->node->subscripts->out;
    ej_emission step = {.name = e->node->name, .reduce = reduction(e->node)};
    ej_axis *axes = NULL;
    ej_plan_tape tape = {0};
    ej_view place, out;
    EJ_TRY(make_axes(e, result, &step.n_axes, &axes));
    step.step_axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)step.n_axes);
    int32_t *step_axes = EJ_JOB_ARRAY(p->job, int32_t, labels->n);
    if (!step.step_axes || !step_axes) return ej_no_memory(p->job->err);
    EJ_TRY(make_tape(e, step.n_axes, &tape));
    EJ_TRY(ej_plan_destination(p, e->v, &place));
    EJ_TRY(output_view(e, &place, step.n_axes, &out));
    if (inside) EJ_TRY(append_scalars(e, &tape));
    else EJ_TRY(scalar_epilogue(e, &step.epilogue));
    if (e->p->values[e->v].negated) EJ_TRY(negate(e, &step.epilogue));
    step.accumulate = e->p->values[e->v].accumulates;
    step.axes = axes;
    step.out = &out;
    step.tape = &tape;
    EJ_TRY(ej_plan_emit(p, &step));
    count_step(e, step.n_axes, axes);
    for (uint32_t i = 0; i < labels->n; i++) {
        int32_t axis = e->axis_of[labels->labels[i]];
        step_axes[i] = axis < 0 ? -1 : step.step_axes[axis];
    }
    ej_plan_written(p, e->v, &place, (int32_t)p->plan->n_steps - 1, step_axes);
    return EINJIT_OK;
}
