/* plan.c - a bound graph as steps: read ej_plan_build first.
 *
 * Takes  a bound graph.
 * Gives  steps in order, buffers with their places, checks of indices, and what it all costs.
 * Not here: what each kind of node becomes (plan_einsum.c, plan_map.c, plan_index.c, plan_view.c).
 */
#include <string.h>

#include "plan_core.h"

/* Which values are needed, how often, and by whom. */
static int find_uses(ej_planner *p)
{
    const ej_bound *bound = p->bound;
    p->values = EJ_JOB_ARRAY(p->job, ej_plan_value, bound->n_nodes);
    if (!p->values) return ej_no_memory(p->job->err);
    for (size_t v = 0; v < bound->n_nodes; v++) p->values[v].user = p->values[v].step = p->values[v].added = -1;
    for (size_t o = 0; o < bound->n_outputs; o++)
        p->values[bound->outputs[o]].live = p->values[bound->outputs[o]].is_output = true;
    for (size_t v = bound->n_nodes; v-- > 0;) {
        if (!p->values[v].live) continue;
        for (uint32_t i = 0; i < bound->nodes[v].n_in; i++) {
            ej_plan_value *operand = &p->values[bound->nodes[v].in[i]];
            bool same = !operand->uses || operand->user == (ej_value)v;
            operand->live = true;
            operand->uses++;
            operand->user = same && !operand->is_output ? (ej_value)v : -1;
        }
    }
    return EINJIT_OK;
}

static int copy_held(ej_planner *p, ej_value v, ej_view *view)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_view from = *view;
    if (!p->values[v].live) return EINJIT_OK;
    EJ_TRY(ej_plan_scratch_view(p, node->name, node->dtype, node->rank, node->shape, view));
    return ej_plan_copy(p, node->name, node->dtype, node->rank, node->shape, &from, view);
}

static int plan_inputs(ej_planner *p)
{
    const ej_bound *bound = p->bound;
    for (size_t i = 0; i < bound->n_inputs; i++) {
        const ej_bound_tensor *tensor = &bound->input_tensors[i];
        ej_view view;
        EJ_TRY(ej_view_new(p, tensor->rank, &view));
        view.buffer = (int32_t)i;
        for (int32_t a = 0; a < tensor->rank; a++) view.axes[a].stride = tensor->strides[a];
        ptrdiff_t held = ej_plan_held_by(p, bound->inputs[i]);
        if (held >= 0 && p->copied[held]) EJ_TRY(copy_held(p, bound->inputs[i], &view));
        ej_plan_written(p, bound->inputs[i], &view, -1, NULL);
    }
    return EINJIT_OK;
}

static int plan_scalar(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    p->values[v].kind = EJ_VALUE_SCALAR;
    p->values[v].scalar = (ej_expr_op){
        .kind = EJ_EXPR_CONST, .dtype = node->dtype, .re = node->re, .im = node->im, .integer = node->integer};
    return EINJIT_OK;
}

static int plan_constant(ej_planner *p, ej_value v)
{
    ej_view view;
    EJ_TRY(ej_plan_constant(p, v, &view));
    ej_plan_written(p, v, &view, -1, NULL);
    return EINJIT_OK;
}

static int plan_arange(ej_planner *p, ej_value v)
{
    ej_view view;
    EJ_TRY(ej_plan_numbers(p, p->bound->nodes[v].name, p->bound->nodes[v].shape[0], &view));
    ej_plan_written(p, v, &view, -1, NULL);
    return EINJIT_OK;
}

static int plan_node(ej_planner *p, ej_value v)
{
    switch (p->bound->nodes[v].op) {
    case EJ_OP_INPUT: return EINJIT_OK;
    case EJ_OP_CONSTANT: return plan_constant(p, v);
    case EJ_OP_SCALAR: return plan_scalar(p, v);
    case EJ_OP_ARANGE: return plan_arange(p, v);
    case EJ_OP_EINSUM: return p->values[v].waits ? EINJIT_OK : ej_plan_einsum(p, v);
    case EJ_OP_MAP:
    case EJ_OP_CAST: return ej_plan_map(p, v);
    case EJ_OP_REDUCE: return ej_plan_reduce(p, v);
    case EJ_OP_PERMUTE:
    case EJ_OP_RESHAPE:
    case EJ_OP_EXPAND:
    case EJ_OP_SLICE: return ej_plan_layout(p, v);
    case EJ_OP_CAT: return ej_plan_cat(p, v);
    case EJ_OP_INDEX_SELECT: return ej_plan_index_select(p, v);
    case EJ_OP_INDEX_ADD: return ej_plan_index_add(p, v);
    default:
        return ej_fail(p->job->err, EINJIT_E_INTERNAL, "'%s' (%s) has no plan", p->bound->nodes[v].name,
                       ej_op_name(p->bound->nodes[v].op));
    }
}

/* What is not where it should be: inputs, constants and views that are results, and results that are given twice. */
static int deliver_outputs(ej_planner *p)
{
    const ej_bound *bound = p->bound;
    for (size_t o = 0; o < bound->n_outputs; o++) {
        ej_value v = bound->outputs[o];
        const ej_bound_node *node = &bound->nodes[v];
        const ej_bound_tensor *tensor = &bound->output_tensors[o];
        ej_view from, to;
        const char *name = ej_plan_name(p, "out%zu", o);
        if (!name) return ej_no_memory(p->job->err);
        EJ_TRY(ej_view_new(p, tensor->rank, &to));
        to.buffer = (int32_t)(bound->n_inputs + o);
        for (int32_t i = 0; i < tensor->rank; i++) to.axes[i].stride = tensor->strides[i];
        if (p->values[v].kind == EJ_VALUE_SCALAR) {
            EJ_TRY(ej_plan_fill(p, name, p->values[v].scalar, node->rank, node->shape, &to));
            continue;
        }
        EJ_TRY(ej_plan_view(p, v, &from));
        if (!ej_view_same(&from, &to, node->shape))
            EJ_TRY(ej_plan_copy(p, name, node->dtype, node->rank, node->shape, &from, &to));
    }
    return EINJIT_OK;
}

static int build_once(ej_planner *p, ej_plan *out)
{
    memset(out, 0, sizeof *out);
    out->bound = p->bound;
    EJ_TRY(find_uses(p));
    EJ_TRY(ej_plan_arguments(p));
    EJ_TRY(plan_inputs(p));
    ej_plan_find_meets(p);
    ej_plan_find_sums(p);
    EJ_TRY(ej_plan_places(p));
    for (size_t v = 0; v < p->bound->n_nodes; v++) {
        EJ_TRY(ej_job_poll(p->job, EJ_STAGE_PLAN, (double)v / (double)p->bound->n_nodes));
        if (p->values[v].live) EJ_TRY(plan_node(p, (ej_value)v));
    }
    EJ_TRY(deliver_outputs(p));
    ej_plan_drop_moved(p);
    EJ_TRY(ej_plan_drop_unused(p));
    EJ_TRY(ej_job_poll(p->job, EJ_STAGE_PLAN, -1));
    EJ_TRY(ej_plan_split_sums(p));
    EJ_TRY(ej_job_poll(p->job, EJ_STAGE_PLAN, -1));
    return ej_plan_find_in_place(p);
}

int ej_plan_build(ej_plan *out, const ej_bound *bound, ej_job *job)
{
    /* sizes of the plan are expressions over the same symbols: the table is part of the job, as the bound graph is */
    ej_planner p = {.plan = out,
                    .bound = bound,
                    .sizes = (ej_sizes *)(uintptr_t)&bound->sizes,
                    .job = job,
                    .mults = ej_big_of(0),
                    .largest = ej_big_of(0)};
    p.zeros = ej_bound_zeros(bound, job);
    p.copied = EJ_JOB_ARRAY(job, bool, bound->n_held);
    if (!p.zeros || !p.copied) return ej_no_memory(job->err);
    EJ_TRY(build_once(&p, out));
    while (ej_plan_find_late(&p, p.copied)) { /* each time more of them */
        p.mults = p.largest = ej_big_of(0);
        EJ_TRY(build_once(&p, out));
    }
    EJ_TRY(ej_plan_place_buffers(&p));
    ej_plan_count(&p);
    return ej_plan_settle_names(&p);
}
