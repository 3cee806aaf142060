/* plan_index.c - gathers, scatters and concatenation.
 *
 * Takes  INDEX_SELECT, INDEX_ADD and CAT nodes.
 * Gives  for a gather no step: the axis reads its positions from a table; from numbers along an axis it is the index
 *        itself, whose values are in range. For a scatter zeros, then a step that adds
 *        along a table. For a cat copies of those operands that did not write themselves into place.
 */
#include "plan_core.h"

/* A table of the table's entries, so that an axis that was gathered before can be gathered again. */
static int compose_tables(ej_planner *p, const char *name, const ej_view_axis *axis, const ej_view *index,
                          ej_size count, ej_view *out)
{
    ej_view from;
    const ej_buffer inner = p->plan->buffers[axis->table];
    EJ_TRY(ej_view_new(p, 1, &from));
    from.buffer = axis->table;
    from.base = axis->tbase;
    from.axes[0] = (ej_view_axis){
        .stride = axis->tstride, .table = index->buffer, .tbase = index->base, .tstride = index->axes[0].stride};
    EJ_TRY(ej_plan_scratch_view(p, name, inner.dtype, 1, &count, out));
    p->plan->buffers[out->buffer].is_table = true;
    p->plan->buffers[out->buffer].limit = inner.limit;
    return ej_plan_copy(p, name, inner.dtype, 1, &count, &from, out);
}

/* No iteration where the extent that the indices point into is 0. */
static int guard_extent(ej_planner *p, ej_size *count, ej_size extent)
{
    ej_size any;
    EJ_TRY(ej_size_min(p->sizes, extent, ej_size_number(1), &any, p->job->err));
    return ej_size_mul(p->sizes, *count, any, count, p->job->err);
}

static int copy_guarded(ej_planner *p, ej_value v, const ej_view *from, ej_size extent, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_plan_tape tape = {0};
    ej_axis *axes;
    int32_t at;
    EJ_TRY(ej_plan_destination(p, v, out));
    EJ_TRY(ej_tape_source(p, &tape, from, node->dtype, &at));
    EJ_TRY(ej_plan_shape_axes(p, v, node->rank, node->shape, &axes));
    EJ_TRY(guard_extent(p, &axes[node->dims[0]].extent, extent));
    const ej_emission e = {
        .name = node->name, .n_axes = node->rank, .axes = axes, .out = out, .tape = &tape, .reduce = EJ_REDUCE_NONE};
    return ej_plan_emit(p, &e);
}

/* The numbers 0, 1, 2, ...: what is looked up among them is where. */
static bool counts(const ej_planner *p, const ej_view *x)
{
    return p->plan->buffers[x->buffer].home == EJ_HOME_COUNT && x->rank == 1 && ej_size_is(x->base, 0) &&
           x->axes[0].table < 0 && ej_size_is(x->axes[0].stride, 1);
}

static int take_index(ej_planner *p, ej_value v, const ej_view *index)
{
    ej_plan_value *value = &p->values[v];
    int dtype = p->plan->buffers[index->buffer].dtype;
    int32_t at;
    if (dtype == EINJIT_I64) {
        ej_plan_written(p, v, index, -1, NULL);
        return EINJIT_OK;
    }
    value->tape = EJ_JOB_NEW(p->job, ej_plan_tape);
    if (!value->tape) return ej_no_memory(p->job->err);
    EJ_TRY(ej_tape_source(p, value->tape, index, dtype, &at));
    EJ_TRY(ej_tape_cast(p, value->tape, EINJIT_I64, at, &at));
    return ej_plan_pending(p, v);
}

int ej_plan_index_select(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v], *from = &p->bound->nodes[node->in[0]];
    ej_size extent = from->shape[node->dims[0]];
    ej_view x, index, out;
    bool guarded;
    EJ_TRY(ej_plan_table(p, node->in[1], v, extent, &index, &guarded));
    if (p->values[node->in[0]].kind == EJ_VALUE_SCALAR) {
        p->values[v].kind = EJ_VALUE_SCALAR;
        p->values[v].scalar = p->values[node->in[0]].scalar;
        return EINJIT_OK;
    }
    EJ_TRY(ej_plan_view(p, node->in[0], &x));
    if (counts(p, &x) && !guarded) return take_index(p, v, &index);
    EJ_TRY(ej_view_new(p, node->rank, &out));
    out.buffer = x.buffer;
    out.base = x.base;
    for (int32_t i = 0; i < node->rank; i++) out.axes[i] = x.axes[i];
    ej_view_axis *axis = &out.axes[node->dims[0]];
    if (axis->table >= 0) { EJ_TRY(compose_tables(p, node->name, axis, &index, node->shape[node->dims[0]], &index)); }
    *axis = (ej_view_axis){
        .stride = axis->stride, .table = index.buffer, .tbase = index.base, .tstride = index.axes[0].stride};
    if (guarded) {
        x = out;
        EJ_TRY(copy_guarded(p, v, &x, extent, &out));
    }
    ej_plan_written(p, v, &out, -1, NULL);
    return EINJIT_OK;
}

/* The values to add, as an expression. */
static int take_values(ej_planner *p, ej_value v, ej_plan_tape *tape)
{
    const ej_plan_value *value = &p->values[v];
    ej_view view;
    int32_t at;
    if (value->kind == EJ_VALUE_SCALAR) return ej_tape_op(p, tape, value->scalar, &at);
    if (value->kind == EJ_VALUE_PENDING) return ej_tape_append(p, tape, value->tape, true, &at);
    EJ_TRY(ej_plan_view(p, v, &view));
    EJ_TRY(ej_tape_source(p, tape, &view, p->bound->nodes[v].dtype, &at));
    ej_tape_whole(tape, at, value->step >= 0 ? v : -1);
    return EINJIT_OK;
}

int ej_plan_index_add(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v], *values = &p->bound->nodes[node->in[1]];
    int64_t dim = node->dims[0];
    int reduce = node->dtype == EINJIT_BOOL ? EINJIT_REDUCE_OR : EINJIT_REDUCE_SUM;
    ej_plan_tape tape = {0};
    ej_view index, out, scattered;
    ej_axis *axes;
    ej_size count = values->shape[dim];
    bool guarded;
    EJ_TRY(ej_plan_table(p, node->in[0], v, node->shape[dim], &index, &guarded));
    EJ_TRY(take_values(p, node->in[1], &tape));
    EJ_TRY(ej_plan_destination(p, v, &out));
    EJ_TRY(ej_plan_fill(p, ej_plan_name(p, "%s_zero", node->name), ej_reduce_neutral(reduce, node->dtype), node->rank,
                        node->shape, &out));
    EJ_TRY(ej_view_new(p, node->rank, &scattered));
    scattered.buffer = out.buffer;
    scattered.base = out.base;
    for (int32_t i = 0; i < node->rank; i++) scattered.axes[i] = out.axes[i];
    scattered.axes[dim] = (ej_view_axis){
        .stride = out.axes[dim].stride, .table = index.buffer, .tbase = index.base, .tstride = index.axes[0].stride};
    if (guarded) EJ_TRY(guard_extent(p, &count, node->shape[dim]));
    ej_value x = ej_plan_scatters(p, v, &tape, &scattered);
    if (x >= 0) {
        EJ_TRY(ej_plan_scatter(p, x, &tape, &scattered, dim, count));
        ej_plan_written(p, v, &out, -1, NULL);
        return EINJIT_OK;
    }
    EJ_TRY(ej_plan_shape_axes(p, node->in[1], values->rank, values->shape, &axes));
    axes[dim].run = EJ_RUN_SEQUENTIAL;
    axes[dim].extent = count;
    const ej_emission e = {.name = node->name,
                           .n_axes = node->rank,
                           .axes = axes,
                           .out = &scattered,
                           .tape = &tape,
                           .reduce = reduce,
                           .accumulate = true};
    EJ_TRY(ej_plan_emit(p, &e));
    ej_plan_written(p, v, &out, -1, NULL);
    return EINJIT_OK;
}

int ej_plan_cat(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    const ej_view place = p->values[v].place; /* every cat has one */
    ej_size *starts = EJ_JOB_ARRAY(p->job, ej_size, (size_t)node->rank);
    if (!starts) return ej_no_memory(p->job->err);
    for (uint32_t i = 0; i < node->n_in; i++) {
        const ej_bound_node *part = &p->bound->nodes[node->in[i]];
        const ej_plan_value *value = &p->values[node->in[i]];
        ej_view to, from;
        EJ_TRY(ej_view_slice(p, &place, starts, NULL, &to));
        if (value->kind == EJ_VALUE_SCALAR) {
            EJ_TRY(ej_plan_fill(p, node->name, value->scalar, part->rank, part->shape, &to));
        } else {
            EJ_TRY(ej_plan_view(p, node->in[i], &from));
            if (!ej_view_same(&from, &to, part->shape))
                EJ_TRY(ej_plan_copy(p, node->name, node->dtype, part->rank, part->shape, &from, &to));
        }
        EJ_TRY(ej_size_add(p->sizes, starts[node->dims[0]], part->shape[node->dims[0]], &starts[node->dims[0]],
                           p->job->err));
    }
    ej_plan_written(p, v, &place, -1, NULL);
    return EINJIT_OK;
}
