/* plan_operand.c - an einsum's operands as views by label.
 *
 * Takes  the operands' values. Gives one axis per label: diagonals are strides that add up, size-1 broadcasting leaves
 *        the axis out, maps become a part of the step that reads, scalars are set aside.
 */
#include <stdlib.h>

#include "plan_einsum.h"

/* One of the views that an operand is made of: those of its map's sources, or the one in which its value lies. */
static const ej_view *view_of(const ej_part *x, const ej_view *value, int32_t i)
{
    return x->map ? &x->map->src[i].view : value;
}

/* Labels that this operand really has: axes of extent 1 are left out, unless a table says where the 1 is. */
static bool has_axis(const ej_einsum *e, uint32_t operand, int32_t axis, const ej_part *x, const ej_view *value)
{
    const ej_bound_node *from = &e->p->bound->nodes[e->node->in[operand]];
    bool has = !ej_plan_unit(from->shape[axis]);
    for (int32_t i = 0; i < x->n_views && !has; i++) has = view_of(x, value, i)->axes[axis].table >= 0;
    return has;
}

static int list_labels(ej_einsum *e, uint32_t operand, const ej_part *x, const ej_view *value, ej_term *out)
{
    const ej_term *term = &e->node->subscripts->terms[operand];
    *out = (ej_term){.labels = EJ_JOB_ARRAY(e->p->job, int32_t, term->n)};
    uint32_t n = 0;
    if (!out->labels) return ej_no_memory(e->p->job->err);
    for (uint32_t i = 0; i < term->n; i++)
        if (has_axis(e, operand, (int32_t)i, x, value)) out->labels[n++] = term->labels[i];
    if (n) qsort(out->labels, n, sizeof *out->labels, ej_compare_labels);
    for (uint32_t i = 0; i < n; i++)
        if (!out->n || out->labels[out->n - 1] != out->labels[i]) out->labels[out->n++] = out->labels[i];
    return EINJIT_OK;
}

/* *done false: a diagonal over a gathered axis, which one axis cannot express. */
static int view_by_labels(ej_einsum *e, uint32_t operand, ej_part *x, const ej_view *value, int32_t index, bool *done)
{
    ej_planner *p = e->p;
    const ej_bound_node *from = &p->bound->nodes[e->node->in[operand]];
    const ej_term *term = &e->node->subscripts->terms[operand], *labels = &x->labels;
    const ej_view *view = view_of(x, value, index);
    ej_view *out = &x->views[index];
    bool *taken;
    EJ_TRY(ej_view_new(p, (int32_t)labels->n, out));
    taken = EJ_JOB_ARRAY(p->job, bool, labels->n);
    if (!taken) return ej_no_memory(p->job->err);
    out->buffer = view->buffer;
    out->base = view->base;
    for (uint32_t i = 0; i < term->n; i++) {
        if (!has_axis(e, operand, (int32_t)i, x, value)) continue;
        const int32_t *at = bsearch(&term->labels[i], labels->labels, labels->n, sizeof *at, ej_compare_labels);
        ptrdiff_t k = at - labels->labels;
        ej_view_axis *axis = &out->axes[k], add = view->axes[i];
        bool stretched = ej_plan_unit(from->shape[i]) && !ej_plan_unit(e->node->label_sizes[term->labels[i]]);
        if (stretched) *(add.table < 0 ? &add.stride : &add.tstride) = ej_size_number(0);
        if (!taken[k]) *axis = add;
        else if (axis->table >= 0 || add.table >= 0) *done = false;
        else EJ_TRY(ej_size_add(p->sizes, axis->stride, add.stride, &axis->stride, p->job->err));
        taken[k] = true;
    }
    return EINJIT_OK;
}

static int views_by_labels(ej_einsum *e, uint32_t operand, ej_part *x, const ej_view *value, bool *done)
{
    ej_planner *p = e->p;
    x->n_views = x->map ? (int32_t)x->map->n_src : 1;
    x->views = EJ_JOB_ARRAY(p->job, ej_view, (size_t)x->n_views);
    if (!x->views) return ej_no_memory(p->job->err);
    EJ_TRY(list_labels(e, operand, x, value, &x->labels));
    *done = true;
    for (int32_t i = 0; i < x->n_views; i++) EJ_TRY(view_by_labels(e, operand, x, value, i, done));
    return EINJIT_OK;
}

static int copy_operand(ej_einsum *e, uint32_t operand, const ej_part *x, const ej_view *value, ej_view *to)
{
    ej_planner *p = e->p;
    ej_value v = e->node->in[operand];
    const ej_bound_node *from = &p->bound->nodes[v];
    ej_plan_tape tape = {0};
    int32_t at;
    if (x->map) EJ_TRY(ej_tape_append(p, &tape, x->map, true, &at));
    else EJ_TRY(ej_tape_source(p, &tape, value, from->dtype, &at));
    EJ_TRY(ej_plan_scratch_view(p, from->name, from->dtype, from->rank, from->shape, to));
    return ej_plan_emit_map(p, from->name, v, from->rank, from->shape, &tape, to, NULL);
}

static int take_operand(ej_einsum *e, uint32_t operand)
{
    ej_planner *p = e->p;
    ej_value v = e->node->in[operand];
    ej_plan_value *value = &p->values[v];
    ej_part *x = &e->parts[e->n_parts];
    ej_view view, copy;
    bool done;
    int32_t at;
    if (value->kind == EJ_VALUE_SCALAR && !p->bound->nodes[v].rank)
        return ej_tape_op(p, &e->scalars, value->scalar, &at);
    x->dtype = p->bound->nodes[v].dtype;
    x->whole = e->pointwise && ej_plan_takes_in_order(p, e->node, operand) ? v : -1;
    const ej_plan_tape *map = value->kind == EJ_VALUE_PENDING ? value->tape : NULL;
    if (map && map->n_src && map->n_src <= EJ_TAPE_SOURCES / 2 && map->n_ops <= EJ_TAPE_OPS / 2) x->map = map;
    if (x->map) value->taken = true;
    else EJ_TRY(ej_plan_view(p, v, &view));
    EJ_TRY(views_by_labels(e, operand, x, &view, &done));
    if (!done) {
        EJ_TRY(copy_operand(e, operand, x, &view, &copy));
        x->map = NULL;
        EJ_TRY(views_by_labels(e, operand, x, &copy, &done));
    }
    e->n_parts++;
    return EINJIT_OK;
}

int ej_einsum_operands(ej_einsum *e)
{
    ej_job *job = e->p->job;
    size_t n_labels = e->node->subscripts->n_labels;
    const ej_term *out = &e->node->subscripts->out;
    e->parts = EJ_JOB_ARRAY(job, ej_part, (size_t)e->node->n_in);
    e->rank_of = EJ_JOB_ARRAY(job, int32_t, n_labels);
    e->axis_of = EJ_JOB_ARRAY(job, int32_t, n_labels);
    if (!e->parts || !e->rank_of || !e->axis_of) return ej_no_memory(job->err);
    for (size_t l = 0; l < n_labels; l++) e->rank_of[l] = (int32_t)(out->n + l), e->axis_of[l] = -1;
    for (uint32_t i = 0; i < out->n; i++) e->rank_of[out->labels[i]] = (int32_t)i;
    for (uint32_t t = 0; t < e->node->n_in; t++) EJ_TRY(take_operand(e, t));
    return EINJIT_OK;
}
