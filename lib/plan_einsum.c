/* plan_einsum.c - einsums: operands as views by label, a path, one step per step of the path.
 *
 * Takes  an EINSUM node.
 * Gives  steps; or just a view where the einsum only permutes or takes a diagonal.
 *
 * Diagonals are strides that add up, size-1 broadcasting leaves the axis out, scalars of the program multiply the result
 * where it is stored. Taking operands pair by pair is right where combining distributes over reducing: (sum, mul),
 * (max, add), (min, add), (or, and). Other semirings are one step over all operands.
 */
#include <stdlib.h>
#include <string.h>

#include "plan_core.h"

/* An operand or intermediate: one axis per label, labels ascending. */
typedef struct part {
    ej_term labels;
    ej_view view;
    int16_t dtype;      /* of the buffer */
    const ej_tape *casts; /* NULL: none */
} part;

typedef struct einsum {
    ej_planner *p;
    ej_value v;
    const ej_bound_node *node;
    int32_t n_parts;
    part *parts;        /* operands that are no scalars, then results of path steps */
    ej_tape scalars;    /* CONST ops */
    int32_t *rank_of;   /* per label: where it stands in a result: output labels first, in their order */
    int32_t *axis_of;   /* per label: axis of the step that is being made, -1 */
} einsum;

/* ---- operands ---- */

static int compare_int32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Labels that this operand really has: axes of extent 1 are left out, unless a table says where the 1 is. */
static bool has_axis(const einsum *e, uint32_t operand, int32_t axis, const ej_view *view)
{
    const ej_bound_node *from = &e->p->bound->nodes[e->node->in[operand]];
    return view->axes[axis].table >= 0 || !ej_plan_unit(from->shape[axis]);
}

static int list_labels(einsum *e, uint32_t operand, const ej_view *view, ej_term *out)
{
    const ej_term *term = &e->node->subscripts->terms[operand];
    *out = (ej_term){.labels = EJ_JOB_ARRAY(e->p->job, int32_t, term->n)};
    uint32_t n = 0;
    if (!out->labels) return ej_no_memory(e->p->job->err);
    for (uint32_t i = 0; i < term->n; i++)
        if (has_axis(e, operand, (int32_t)i, view)) out->labels[n++] = term->labels[i];
    if (n) qsort(out->labels, n, sizeof *out->labels, compare_int32);
    for (uint32_t i = 0; i < n; i++)
        if (!out->n || out->labels[out->n - 1] != out->labels[i]) out->labels[out->n++] = out->labels[i];
    return EINJIT_OK;
}

/* *done false: a diagonal over a gathered axis, which one axis cannot say. */
static int view_by_labels(einsum *e, uint32_t operand, const ej_view *view, part *out, bool *done)
{
    ej_planner *p = e->p;
    const ej_bound_node *from = &p->bound->nodes[e->node->in[operand]];
    const ej_term *term = &e->node->subscripts->terms[operand];
    bool *taken;
    EJ_TRY(list_labels(e, operand, view, &out->labels));
    EJ_TRY(ej_view_new(p, (int32_t)out->labels.n, &out->view));
    taken = EJ_JOB_ARRAY(p->job, bool, out->labels.n);
    if (!taken) return ej_no_memory(p->job->err);
    out->view.buffer = view->buffer;
    out->view.base = view->base;
    *done = true;
    for (uint32_t i = 0; i < term->n; i++) {
        if (!has_axis(e, operand, (int32_t)i, view)) continue;
        const int32_t *at = bsearch(&term->labels[i], out->labels.labels, out->labels.n, sizeof *at, compare_int32);
        ptrdiff_t k = at - out->labels.labels;
        ej_view_axis *axis = &out->view.axes[k], add = view->axes[i];
        bool stretched = ej_plan_unit(from->shape[i]) && !ej_plan_unit(e->node->label_sizes[term->labels[i]]);
        if (stretched) add.tstride = ej_size_number(0); /* only gathered axes come here */
        if (!taken[k]) *axis = add;
        else if (axis->table >= 0 || add.table >= 0) *done = false;
        else EJ_TRY(ej_size_add(p->sizes, axis->stride, add.stride, &axis->stride, p->job->err));
        taken[k] = true;
    }
    return EINJIT_OK;
}

static int copy_operand(einsum *e, uint32_t operand, const part *x, ej_view *view)
{
    ej_planner *p = e->p;
    const ej_bound_node *from = &p->bound->nodes[e->node->in[operand]];
    ej_view to;
    ej_tape tape = {0};
    int32_t at;
    if (x->casts) EJ_TRY(ej_tape_append(p, &tape, x->casts, &at));
    else EJ_TRY(ej_tape_source(p, &tape, view, from->dtype, &at));
    EJ_TRY(ej_plan_scratch_view(p, from->name, from->dtype, from->rank, from->shape, &to));
    EJ_TRY(ej_plan_emit_map(p, from->name, from->rank, from->shape, &tape, &to, NULL));
    *view = to;
    return EINJIT_OK;
}

static int take_operand(einsum *e, uint32_t operand)
{
    ej_planner *p = e->p;
    ej_value v = e->node->in[operand];
    const ej_plan_value *value = &p->values[v];
    part *x = &e->parts[e->n_parts];
    ej_view view;
    bool done;
    int32_t at;
    if (value->kind == EJ_VALUE_SCALAR && !p->bound->nodes[v].rank)
        return ej_tape_op(p, &e->scalars, value->scalar, &at);
    if (value->kind == EJ_VALUE_PENDING) { /* a chain of casts over one source */
        x->casts = value->tape;
        x->dtype = value->tape->ops[0].dtype;
        view = value->tape->src[0];
    } else {
        EJ_TRY(ej_plan_view(p, v, &view));
        x->dtype = p->bound->nodes[v].dtype;
    }
    EJ_TRY(view_by_labels(e, operand, &view, x, &done));
    if (!done) {
        EJ_TRY(copy_operand(e, operand, x, &view));
        x->casts = NULL;
        x->dtype = p->bound->nodes[v].dtype;
        EJ_TRY(view_by_labels(e, operand, &view, x, &done));
    }
    e->n_parts++;
    return EINJIT_OK;
}

static int take_operands(einsum *e)
{
    ej_job *job = e->p->job;
    size_t n_labels = e->node->subscripts->n_labels;
    const ej_term *out = &e->node->subscripts->out;
    e->parts = EJ_JOB_ARRAY(job, part, 3 * (size_t)e->node->n_in + 1); /* and at most as many results, twice */
    e->rank_of = EJ_JOB_ARRAY(job, int32_t, n_labels);
    e->axis_of = EJ_JOB_ARRAY(job, int32_t, n_labels);
    if (!e->parts || !e->rank_of || !e->axis_of) return ej_no_memory(job->err);
    for (size_t l = 0; l < n_labels; l++) e->rank_of[l] = (int32_t)(out->n + l), e->axis_of[l] = -1;
    for (uint32_t i = 0; i < out->n; i++) e->rank_of[out->labels[i]] = (int32_t)i;
    for (uint32_t t = 0; t < e->node->n_in; t++) EJ_TRY(take_operand(e, t));
    return EINJIT_OK;
}

/* ---- one step ---- */

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

static const char *label_name(einsum *e, int32_t label)
{
    static const char letters[26][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
                                        "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"};
    return label < 26 ? letters[label] : ej_plan_name(e->p, "l%d", (int)label);
}

typedef struct ranked {
    int32_t rank, label;
} ranked;

/* The step's axes: all labels of its operands, those of the result reduced or not. Sets axis_of. */
static int make_axes(einsum *e, const int32_t *ids, int32_t n, const ej_term *result, int32_t *n_axes, ej_axis **out)
{
    ej_job *job = e->p->job;
    size_t room = 0;
    int32_t count = 0;
    for (int32_t i = 0; i < n; i++) room += e->parts[ids[i]].labels.n;
    ranked *list = EJ_JOB_ARRAY(job, ranked, room);
    ej_axis *axes = EJ_JOB_ARRAY(job, ej_axis, room);
    if (!list || !axes) return ej_no_memory(job->err);
    for (int32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < e->parts[ids[i]].labels.n; k++) {
            int32_t label = e->parts[ids[i]].labels.labels[k];
            if (e->axis_of[label] >= 0) continue;
            e->axis_of[label] = 0;
            list[count++] = (ranked){e->rank_of[label], label};
        }
    if (count) qsort(list, (size_t)count, sizeof *list, compare_int32); /* rank comes first in the struct */
    for (int32_t i = 0; i < count; i++) {
        int32_t label = list[i].label;
        e->axis_of[label] = i;
        axes[i] = (ej_axis){label_name(e, label), e->node->label_sizes[label], EJ_RUN_REDUCED};
        if (!axes[i].name) return ej_no_memory(job->err);
    }
    for (uint32_t k = 0; k < result->n; k++) axes[e->axis_of[result->labels[k]]].run = EJ_RUN_PARALLEL;
    *n_axes = count;
    *out = axes;
    return EINJIT_OK;
}

static void forget_axes(einsum *e, const int32_t *ids, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < e->parts[ids[i]].labels.n; k++) e->axis_of[e->parts[ids[i]].labels.labels[k]] = -1;
}

static int widen(einsum *e, const part *x, int32_t n_axes, ej_view *out)
{
    EJ_TRY(ej_view_new(e->p, n_axes, out));
    out->buffer = x->view.buffer;
    out->base = x->view.base;
    for (uint32_t k = 0; k < x->labels.n; k++) out->axes[e->axis_of[x->labels.labels[k]]] = x->view.axes[k];
    return EINJIT_OK;
}

/* product (or sum) of the operands' elements */
static int make_tape(einsum *e, const int32_t *ids, int32_t n, int32_t n_axes, ej_tape *tape)
{
    int32_t so_far = -1;
    for (int32_t i = 0; i < n; i++) {
        const part *x = &e->parts[ids[i]];
        ej_view wide;
        int32_t at;
        EJ_TRY(widen(e, x, n_axes, &wide));
        EJ_TRY(ej_tape_source(e->p, tape, &wide, x->dtype, &at));
        for (size_t c = 1; x->casts && c < x->casts->n_ops; c++)
            EJ_TRY(ej_tape_cast(e->p, tape, x->casts->ops[c].dtype, at, &at));
        if (so_far < 0) so_far = at;
        else EJ_TRY(ej_tape_fn(e->p, tape, combine_fn(e->node), e->node->dtype, so_far, at, &so_far));
    }
    return EINJIT_OK;
}

/* Combine what the tape holds (or nothing yet) with the scalars. */
static int append_scalars(einsum *e, ej_tape *tape)
{
    int32_t so_far = (int32_t)tape->n_ops - 1, at;
    for (size_t i = 0; i < e->scalars.n_ops; i++) {
        EJ_TRY(ej_tape_op(e->p, tape, e->scalars.ops[i], &at));
        if (so_far < 0) so_far = at;
        else EJ_TRY(ej_tape_fn(e->p, tape, combine_fn(e->node), e->node->dtype, so_far, at, &so_far));
    }
    return EINJIT_OK;
}

static int scalar_epilogue(einsum *e, ej_expr *out)
{
    ej_tape tape = {0};
    int32_t at;
    *out = (ej_expr){0};
    if (!e->scalars.n_ops) return EINJIT_OK;
    EJ_TRY(ej_tape_op(e->p, &tape, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = e->node->dtype}, &at));
    EJ_TRY(append_scalars(e, &tape));
    *out = (ej_expr){(int32_t)tape.n_ops, tape.ops};
    return EINJIT_OK;
}

static void count_step(einsum *e, int32_t n_axes, const ej_axis *axes)
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
static int output_view(einsum *e, const ej_view *place, int32_t n_axes, ej_view *out)
{
    const ej_term *labels = &e->node->subscripts->out;
    EJ_TRY(ej_view_new(e->p, n_axes, out));
    out->buffer = place->buffer;
    out->base = place->base;
    for (uint32_t i = 0; i < labels->n; i++)
        if (e->axis_of[labels->labels[i]] >= 0) out->axes[e->axis_of[labels->labels[i]]] = place->axes[i];
    return EINJIT_OK;
}

/* A fresh intermediate, row-major in the order of rank_of; also as a view by axis. */
static int intermediate(einsum *e, const char *name, const ej_term *labels, int32_t n_axes, const ej_axis *axes, part *x,
                        ej_view *out)
{
    ej_planner *p = e->p;
    ej_size *shape = EJ_JOB_ARRAY(p->job, ej_size, labels->n);
    ej_view packed;
    int32_t n = 0;
    if (!shape) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < n_axes; i++)
        if (axes[i].run != EJ_RUN_REDUCED) shape[n++] = axes[i].extent;
    EJ_TRY(ej_plan_scratch_view(p, name, e->node->dtype, n, shape, &packed));
    EJ_TRY(ej_view_new(p, n_axes, out));
    out->buffer = packed.buffer;
    for (int32_t i = 0, k = 0; i < n_axes; i++)
        if (axes[i].run != EJ_RUN_REDUCED) out->axes[i] = packed.axes[k++];
    *x = (part){.labels = *labels, .dtype = e->node->dtype};
    EJ_TRY(ej_view_new(p, n, &x->view));
    x->view.buffer = packed.buffer;
    for (int32_t k = 0; k < n; k++) x->view.axes[k] = out->axes[e->axis_of[labels->labels[k]]];
    return EINJIT_OK;
}

/* Contract parts ids[0 .. n); the result is the node's value (last) or the next part. inside: scalars belong inside of
 * the reduction. */
static int contract(einsum *e, const char *name, const int32_t *ids, int32_t n, const ej_term *result, bool last,
                    bool inside)
{
    ej_planner *p = e->p;
    const ej_term *labels = &e->node->subscripts->out;
    ej_emission step = {.name = name, .reduce = reduction(e->node)};
    ej_axis *axes = NULL;
    ej_tape tape = {0};
    ej_view place, out;
    EJ_TRY(make_axes(e, ids, n, result, &step.n_axes, &axes));
    step.step_axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)step.n_axes);
    if (!step.step_axes) return ej_no_memory(p->job->err);
    EJ_TRY(make_tape(e, ids, n, step.n_axes, &tape));
    if (last) {
        EJ_TRY(ej_plan_destination(p, e->v, &place));
        EJ_TRY(output_view(e, &place, step.n_axes, &out));
        if (inside || !n) EJ_TRY(append_scalars(e, &tape));
        else EJ_TRY(scalar_epilogue(e, &step.epilogue));
    } else {
        EJ_TRY(intermediate(e, name, result, step.n_axes, axes, &e->parts[e->n_parts++], &out));
    }
    step.axes = axes;
    step.out = &out;
    step.tape = &tape;
    EJ_TRY(ej_plan_emit(p, &step));
    count_step(e, step.n_axes, axes);
    if (last) {
        int32_t *step_axes = EJ_JOB_ARRAY(p->job, int32_t, labels->n);
        if (!step_axes) return ej_no_memory(p->job->err);
        for (uint32_t i = 0; i < labels->n; i++) {
            int32_t axis = e->axis_of[labels->labels[i]];
            step_axes[i] = axis < 0 ? -1 : step.step_axes[axis];
        }
        ej_plan_written(p, e->v, &place, (int32_t)p->plan->n_steps - 1, step_axes);
    }
    forget_axes(e, ids, n);
    return EINJIT_OK;
}

/* ---- the whole einsum ---- */

/* Output labels that some part has, ascending. */
static int output_labels(einsum *e, ej_term *out)
{
    const ej_term *labels = &e->node->subscripts->out;
    out->n = 0;
    out->labels = EJ_JOB_ARRAY(e->p->job, int32_t, labels->n);
    if (!out->labels) return ej_no_memory(e->p->job->err);
    for (int32_t i = 0; i < e->n_parts; i++)
        for (uint32_t k = 0; k < e->parts[i].labels.n; k++) e->axis_of[e->parts[i].labels.labels[k]] = 0;
    for (uint32_t i = 0; i < labels->n; i++)
        if (e->axis_of[labels->labels[i]] == 0) out->labels[out->n++] = labels->labels[i];
    if (out->n) qsort(out->labels, out->n, sizeof *out->labels, compare_int32);
    for (int32_t i = 0; i < e->n_parts; i++) forget_axes(e, &i, 1);
    return EINJIT_OK;
}

static bool distributes(const ej_bound_node *node)
{
    if (node->combine == EINJIT_COMBINE_ADD)
        return node->dtype != EINJIT_BOOL && (node->fn == EINJIT_REDUCE_MAX || node->fn == EINJIT_REDUCE_MIN);
    return node->dtype == EINJIT_BOOL ? node->fn != EINJIT_REDUCE_MIN
                                      : node->fn == EINJIT_REDUCE_SUM || node->fn == EINJIT_REDUCE_OR;
}

static int one_step(einsum *e, const ej_term *result)
{
    int32_t *ids = EJ_JOB_ARRAY(e->p->job, int32_t, (size_t)e->n_parts);
    if (!ids) return ej_no_memory(e->p->job->err);
    for (int32_t i = 0; i < e->n_parts; i++) ids[i] = i;
    return contract(e, e->node->name, ids, e->n_parts, result, true, true);
}

static int search_path(einsum *e, const ej_term *out, ej_network *net, ej_path *path)
{
    ej_job *job = e->p->job;
    size_t n_labels = e->node->subscripts->n_labels;
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, (size_t)e->n_parts);
    int64_t *extents = EJ_JOB_ARRAY(job, int64_t, n_labels);
    if (!terms || !extents) return ej_no_memory(job->err);
    for (int32_t i = 0; i < e->n_parts; i++) terms[i] = e->parts[i].labels;
    for (size_t l = 0; l < n_labels; l++) extents[l] = e->node->label_sizes[l].n;
    *net = (ej_network){.n_terms = e->n_parts, .terms = terms, .out = *out, .n_labels = (int32_t)n_labels,
                        .extents = extents};
    return ej_path_search(path, net, job);
}

static void print_path(einsum *e, const ej_path *path)
{
    ej_text *text = &e->p->plan->paths;
    ej_print(text, "%s:", e->node->name);
    for (int32_t s = 0; s < path->n_steps; s++) {
        if (path->steps[s].b < 0) ej_print(text, " (%d)", (int)path->steps[s].a);
        else ej_print(text, " (%d, %d)", (int)path->steps[s].a, (int)path->steps[s].b);
    }
    ej_print(text, "  log10_mults %.3f log2_largest %.3f\n", path->log10_mults, path->log2_largest);
}

static int pairwise(einsum *e, const ej_term *out)
{
    ej_network net;
    ej_path path;
    ej_term *results;
    ej_planner *p = e->p;
    EJ_TRY(search_path(e, out, &net, &path));
    print_path(e, &path);
    if (ej_path_results(&results, &net, &path, p->job->arena) != EINJIT_OK) return ej_no_memory(p->job->err);
    for (int32_t s = 0; s < path.n_steps; s++) {
        const int32_t ids[2] = {path.steps[s].a, path.steps[s].b};
        bool last = s + 1 == path.n_steps;
        const char *name = path.n_steps == 1 ? e->node->name : ej_plan_name(p, "%s.%d", e->node->name, (int)s);
        if (!name) return ej_no_memory(p->job->err);
        EJ_TRY(contract(e, name, ids, ids[1] < 0 ? 1 : 2, &results[s], last, false));
    }
    return EINJIT_OK;
}

/* A permutation or diagonal of one operand needs no step, unless it has a place to be written to. */
static bool is_layout(const einsum *e, const ej_term *result)
{
    return e->n_parts == 1 && !e->scalars.n_ops && !e->parts[0].casts && result->n == e->parts[0].labels.n &&
           !e->p->values[e->v].has_place;
}

static int layout(einsum *e)
{
    const ej_term *labels = &e->node->subscripts->out;
    const part *x = &e->parts[0];
    ej_view view;
    EJ_TRY(ej_view_new(e->p, (int32_t)labels->n, &view));
    view.buffer = x->view.buffer;
    view.base = x->view.base;
    for (uint32_t i = 0; i < labels->n; i++) {
        const int32_t *at = bsearch(&labels->labels[i], x->labels.labels, x->labels.n, sizeof *at, compare_int32);
        if (at) view.axes[i] = x->view.axes[at - x->labels.labels];
    }
    ej_plan_written(e->p, e->v, &view, -1, NULL);
    return EINJIT_OK;
}

int ej_plan_einsum(ej_planner *p, ej_value v)
{
    einsum e = {.p = p, .v = v, .node = &p->bound->nodes[v]};
    ej_term out;
    EJ_TRY(take_operands(&e));
    EJ_TRY(output_labels(&e, &out));
    if (is_layout(&e, &out)) return layout(&e);
    bool several = e.n_parts > 1 || e.scalars.n_ops;
    if (!e.n_parts || (several && !distributes(e.node))) return one_step(&e, &out);
    return pairwise(&e, &out);
}
