/* plan_view.c - layout operations: strides, offsets and tables instead of copies.
 *
 * Takes  a view of a buffer. Gives the view after a permutation, slice, expansion or reshape of it.
 * Not here: gathers (plan_index.c).
 */
#include <string.h>

#include "plan_core.h"

int ej_view_new(ej_planner *p, int32_t rank, ej_view *out)
{
    *out = (ej_view){.buffer = -1, .rank = rank};
    out->axes = EJ_JOB_ARRAY(p->job, ej_view_axis, (size_t)rank);
    if (!out->axes) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < rank; i++) out->axes[i].table = -1;
    return EINJIT_OK;
}

int ej_view_row_major(ej_planner *p, int32_t buffer, int32_t rank, const ej_size *shape, ej_view *out)
{
    ej_size stride = ej_size_number(1);
    EJ_TRY(ej_view_new(p, rank, out));
    out->buffer = buffer;
    for (int32_t i = rank; i-- > 0;) {
        out->axes[i].stride = stride;
        EJ_TRY(ej_size_mul(p->sizes, stride, shape[i], &stride, p->job->err));
    }
    return EINJIT_OK;
}

int ej_view_permute(ej_planner *p, const ej_view *view, const int64_t *dims, bool inverse, ej_view *out)
{
    EJ_TRY(ej_view_new(p, view->rank, out));
    out->buffer = view->buffer;
    out->base = view->base;
    for (int32_t i = 0; i < view->rank; i++) {
        if (inverse) out->axes[dims[i]] = view->axes[i];
        else out->axes[i] = view->axes[dims[i]];
    }
    return EINJIT_OK;
}

/* at += start * stride; stride *= step */
static int move_along(ej_planner *p, ej_size *at, ej_size *stride, ej_size start, int64_t step)
{
    ej_size distance;
    EJ_TRY(ej_size_mul(p->sizes, *stride, start, &distance, p->job->err));
    EJ_TRY(ej_size_add(p->sizes, *at, distance, at, p->job->err));
    return ej_size_mul(p->sizes, *stride, ej_size_number(step), stride, p->job->err);
}

int ej_view_slice(ej_planner *p, const ej_view *view, const ej_size *starts, const int64_t *steps, ej_view *out)
{
    EJ_TRY(ej_view_new(p, view->rank, out));
    out->buffer = view->buffer;
    out->base = view->base;
    for (int32_t i = 0; i < view->rank; i++) {
        ej_view_axis *axis = &out->axes[i];
        *axis = view->axes[i];
        int64_t step = steps ? steps[i] : 1;
        if (axis->table >= 0) EJ_TRY(move_along(p, &axis->tbase, &axis->tstride, starts[i], step));
        else EJ_TRY(move_along(p, &out->base, &axis->stride, starts[i], step));
    }
    return EINJIT_OK;
}

int ej_view_expand(ej_planner *p, const ej_view *view, const ej_size *from, int32_t rank, const ej_size *to,
                   ej_view *out)
{
    EJ_TRY(ej_view_new(p, rank, out));
    out->buffer = view->buffer;
    out->base = view->base;
    for (int32_t i = 0, shift = rank - view->rank; i < view->rank; i++) {
        ej_view_axis *axis = &out->axes[i + shift];
        *axis = view->axes[i];
        if (!ej_plan_unit(from[i]) || ej_plan_unit(to[i + shift])) continue;
        if (axis->table >= 0) axis->tstride = ej_size_number(0);
        else axis->stride = ej_size_number(0);
    }
    return EINJIT_OK;
}

/* One group of axes of both shapes with the same number of elements: from[f0..f1) becomes to[t0..t1). Axes of extent 1
 * (numbers) were left out of `index` lists. */
typedef struct group {
    const int32_t *from, *to;
    int32_t n_from, n_to;
} group;

static int reshape_group(ej_planner *p, const ej_view *view, const ej_size *from, const ej_size *to, group g,
                         ej_view *out, bool *done)
{
    *done = true;
    if (g.n_from == 1 && g.n_to == 1) { /* also a gathered axis */
        out->axes[g.to[0]] = view->axes[g.from[0]];
        return EINJIT_OK;
    }
    for (int32_t i = 0; i < g.n_from; i++)
        if (view->axes[g.from[i]].table >= 0) *done = false;
    for (int32_t i = 0; *done && i + 1 < g.n_from; i++) { /* each axis continues where the next one ends */
        ej_size step;
        EJ_TRY(ej_size_mul(p->sizes, view->axes[g.from[i + 1]].stride, from[g.from[i + 1]], &step, p->job->err));
        if (!ej_size_same(step, view->axes[g.from[i]].stride)) *done = false;
    }
    if (!*done || !g.n_from) return EINJIT_OK;
    ej_size stride = view->axes[g.from[g.n_from - 1]].stride;
    for (int32_t i = g.n_to; i-- > 0;) {
        out->axes[g.to[i]].stride = stride;
        EJ_TRY(ej_size_mul(p->sizes, stride, to[g.to[i]], &stride, p->job->err));
    }
    return EINJIT_OK;
}

/* Indices of axes that are not the number 1. A gathered axis of extent 1 that is dropped still has its table's
 * value. */
static int32_t real_axes(int32_t rank, const ej_size *shape, int32_t *index)
{
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++)
        if (!ej_plan_unit(shape[i])) index[n++] = i;
    return n;
}

static bool any_zero(int32_t rank, const ej_size *shape)
{
    for (int32_t i = 0; i < rank; i++)
        if (ej_size_is(shape[i], 0)) return true;
    return false;
}

int ej_view_reshape(ej_planner *p, const ej_view *view, const ej_size *from, int32_t rank, const ej_size *to,
                    ej_view *out, bool *done)
{
    int32_t *fi = EJ_JOB_ARRAY(p->job, int32_t, (size_t)view->rank), *ti = EJ_JOB_ARRAY(p->job, int32_t, (size_t)rank);
    if (!fi || !ti) return ej_no_memory(p->job->err);
    EJ_TRY(ej_view_new(p, rank, out));
    out->buffer = view->buffer;
    out->base = view->base;
    *done = true;
    if (any_zero(view->rank, from)) return EINJIT_OK; /* no elements: any strides will do */
    for (int32_t i = 0; i < view->rank; i++)
        if (ej_plan_unit(from[i]) && view->axes[i].table >= 0) *done = false;
    int32_t nf = real_axes(view->rank, from, fi), nt = real_axes(rank, to, ti), f = 0, t = 0;
    while (*done && (f < nf || t < nt)) { /* groups that are equal as expressions, not only as observed */
        group g = {fi + f, ti + t, 0, 0};
        ej_size a = ej_size_number(1), b = ej_size_number(1);
        do {
            bool take_from = t + g.n_to == nt || (f + g.n_from < nf && a.n <= b.n);
            if (take_from) EJ_TRY(ej_size_mul(p->sizes, a, from[g.from[g.n_from++]], &a, p->job->err));
            else EJ_TRY(ej_size_mul(p->sizes, b, to[g.to[g.n_to++]], &b, p->job->err));
        } while ((!ej_size_same(a, b) || !g.n_from || !g.n_to) && (f + g.n_from < nf || t + g.n_to < nt));
        EJ_TRY(reshape_group(p, view, from, to, g, out, done));
        f += g.n_from, t += g.n_to;
    }
    return EINJIT_OK;
}

bool ej_view_has_table(const ej_view *view)
{
    for (int32_t i = 0; i < view->rank; i++)
        if (view->axes[i].table >= 0) return true;
    return false;
}

bool ej_view_same(const ej_view *a, const ej_view *b, const ej_size *shape)
{
    if (a->buffer != b->buffer || a->rank != b->rank) return false;
    if (shape && any_zero(a->rank, shape)) return true;
    if (!ej_size_same(a->base, b->base)) return false;
    for (int32_t i = 0; i < a->rank; i++) {
        const ej_view_axis *x = &a->axes[i], *y = &b->axes[i];
        if (shape && ej_plan_unit(shape[i]) && x->table < 0 && y->table < 0) continue;
        if (x->table != y->table || !ej_size_same(x->stride, y->stride)) return false;
        if (x->table >= 0 && (!ej_size_same(x->tbase, y->tbase) || !ej_size_same(x->tstride, y->tstride))) return false;
    }
    return true;
}

/* A reshape that strides cannot express: copy first, to the result's place if that can be seen as the old shape. */
static int reshape_copy(ej_planner *p, ej_value v, const ej_view *from, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v], *old = &p->bound->nodes[node->in[0]];
    ej_view copy;
    bool done = false;
    if (p->values[v].has_place) {
        *out = p->values[v].place;
        EJ_TRY(ej_view_reshape(p, out, node->shape, old->rank, old->shape, &copy, &done));
    }
    if (!done) {
        EJ_TRY(ej_plan_scratch_view(p, node->name, node->dtype, old->rank, old->shape, &copy));
        EJ_TRY(ej_view_row_major(p, copy.buffer, node->rank, node->shape, out));
    }
    return ej_plan_copy(p, node->name, node->dtype, old->rank, old->shape, from, &copy);
}

/* The step's axis of each of v's axes, where v has the axes of its operand but for their order and ones; else *done
 * false. */
static int carry_axes(ej_planner *p, ej_value v, const int32_t *from, int32_t *out, bool *done)
{
    const ej_bound_node *node = &p->bound->nodes[v], *old = &p->bound->nodes[node->in[0]];
    int32_t *fi = EJ_JOB_ARRAY(p->job, int32_t, (size_t)old->rank),
            *ti = EJ_JOB_ARRAY(p->job, int32_t, (size_t)node->rank);
    if (!fi || !ti) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < node->rank; i++) out[i] = node->op == EJ_OP_PERMUTE ? from[node->dims[i]] : -1;
    if (node->op == EJ_OP_PERMUTE) return EINJIT_OK;
    int32_t n = real_axes(old->rank, old->shape, fi);
    *done = n == real_axes(node->rank, node->shape, ti);
    for (int32_t i = 0; *done && i < n; i++) {
        *done = ej_size_same(old->shape[fi[i]], node->shape[ti[i]]);
        out[ti[i]] = from[fi[i]];
    }
    return EINJIT_OK;
}

/* The value lies in `view`. If nobody else needs the operand, its step is the value's. */
static int written_as(ej_planner *p, ej_value v, const ej_view *view)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    const ej_plan_value *operand = &p->values[node->in[0]];
    int32_t *axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)node->rank);
    bool same = node->op == EJ_OP_PERMUTE || node->op == EJ_OP_RESHAPE;
    bool carries = same && operand->step >= 0 && operand->user == v && operand->uses == 1 && !operand->has_place;
    if (!axes) return ej_no_memory(p->job->err);
    if (carries) EJ_TRY(carry_axes(p, v, operand->step_axes, axes, &carries));
    ej_plan_written(p, v, view, carries ? operand->step : -1, carries ? axes : NULL);
    return EINJIT_OK;
}

int ej_plan_layout(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v], *old = &p->bound->nodes[node->in[0]];
    ej_view from, out;
    bool done = true;
    if (p->values[node->in[0]].kind == EJ_VALUE_SCALAR) {
        p->values[v].kind = EJ_VALUE_SCALAR;
        p->values[v].scalar = p->values[node->in[0]].scalar;
        return EINJIT_OK;
    }
    EJ_TRY(ej_plan_view(p, node->in[0], &from));
    switch (node->op) {
    case EJ_OP_PERMUTE: EJ_TRY(ej_view_permute(p, &from, node->dims, false, &out)); break;
    case EJ_OP_SLICE: EJ_TRY(ej_view_slice(p, &from, node->starts, node->steps, &out)); break;
    case EJ_OP_EXPAND: EJ_TRY(ej_view_expand(p, &from, old->shape, node->rank, node->shape, &out)); break;
    default: EJ_TRY(ej_view_reshape(p, &from, old->shape, node->rank, node->shape, &out, &done)); break;
    }
    if (done) return written_as(p, v, &out);
    EJ_TRY(reshape_copy(p, v, &from, &out));
    ej_plan_written(p, v, &out, -1, NULL);
    return EINJIT_OK;
}
