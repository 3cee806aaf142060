/* choose_rebuild.c - the next bound graph: nodes are written one after the other, operands first.
 *
 * Takes  a bound graph. Gives another one that shares its tables, tensors and arrays.
 * Size   linear.
 */
#include <string.h>

#include "choose_core.h"

static void count_uses(ej_rebuild *r)
{
    const ej_bound *from = r->from;
    for (size_t i = 0; i < from->n_outputs; i++) r->uses[from->outputs[i]]++;
    for (size_t v = from->n_nodes; v-- > 0;)
        for (uint32_t i = 0; r->uses[v] && i < from->nodes[v].n_in; i++) r->uses[from->nodes[v].in[i]]++;
}

int ej_rebuild_begin(ej_rebuild *r, ej_bound *out, const ej_bound *from, ej_job *job)
{
    EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
    *r = (ej_rebuild){.out = out, .from = from, .job = job};
    *out = *from;
    out->n_nodes = 0;
    out->cap_nodes = from->n_nodes; /* as many again, most often */
    out->nodes = EJ_JOB_ARRAY(job, ej_bound_node, from->n_nodes);
    out->inputs = EJ_JOB_ARRAY(job, ej_value, from->n_inputs);
    out->outputs = EJ_JOB_ARRAY(job, ej_value, from->n_outputs);
    out->of_value = EJ_JOB_ARRAY(job, ej_value, from->n_values);
    r->map = EJ_JOB_ARRAY(job, ej_value, from->n_nodes);
    r->uses = EJ_JOB_ARRAY(job, uint32_t, from->n_nodes);
    if (!out->nodes || !out->inputs || !out->outputs || !out->of_value || !r->map || !r->uses)
        return ej_no_memory(job->err);
    for (size_t v = 0; v < from->n_nodes; v++) r->map[v] = -1;
    count_uses(r);
    for (size_t i = 0; i < from->n_inputs; i++) {
        EJ_TRY(ej_rebuild_keep(r, from->inputs[i]));
        out->inputs[i] = r->map[from->inputs[i]];
    }
    return EINJIT_OK;
}

int ej_rebuild_add(ej_rebuild *r, const ej_bound_node *node, ej_value *out)
{
    ej_bound *bound = r->out;
    EJ_TRY(ej_job_poll(r->job, EJ_STAGE_PATH, -1));
    if (bound->n_nodes >= INT32_MAX - 1) return ej_fail(r->job->err, EINJIT_E_LIMIT, "more than 2^31 values");
    if (!EJ_PUSH_ROOM(r->job->arena, bound->nodes, bound->cap_nodes, bound->n_nodes)) return ej_no_memory(r->job->err);
    bound->nodes[bound->n_nodes] = *node;
    *out = (ej_value)bound->n_nodes++;
    return EINJIT_OK;
}

int ej_rebuild_slice(ej_rebuild *r, ej_value x, int32_t axis, int64_t start, int64_t end, const char *name,
                     ej_value *out)
{
    const ej_bound_node from = r->out->nodes[x];
    size_t rank = (size_t)from.rank;
    ej_bound_node node = {
        .op = EJ_OP_SLICE, .dtype = from.dtype, .rank = from.rank, .name = name, .is_part = true, .n_in = 1};
    node.in = EJ_JOB_NEW(r->job, ej_value);
    node.shape = EJ_JOB_ARRAY(r->job, ej_size, rank);
    node.starts = EJ_JOB_ARRAY(r->job, ej_size, rank);
    node.steps = EJ_JOB_ARRAY(r->job, int64_t, rank);
    if (!node.in || !node.shape || !node.starts || !node.steps) return ej_no_memory(r->job->err);
    node.in[0] = x;
    memcpy(node.shape, from.shape, rank * sizeof *node.shape);
    for (size_t i = 0; i < rank; i++) node.steps[i] = 1;
    node.shape[axis] = ej_size_number(end - start);
    node.starts[axis] = ej_size_number(start);
    return ej_rebuild_add(r, &node, out);
}

int ej_rebuild_keep(ej_rebuild *r, ej_value v)
{
    ej_bound_node node = r->from->nodes[v];
    node.in = EJ_JOB_ARRAY(r->job, ej_value, node.n_in);
    if (!node.in) return ej_no_memory(r->job->err);
    for (uint32_t i = 0; i < node.n_in; i++) node.in[i] = r->map[r->from->nodes[v].in[i]];
    return ej_rebuild_add(r, &node, &r->map[v]);
}

/* Values that new nodes made dead are removed; the others keep their order. */
static int drop_dead(ej_bound *bound, ej_job *job)
{
    bool *live = EJ_JOB_ARRAY(job, bool, bound->n_nodes);
    ej_value *number = EJ_JOB_ARRAY(job, ej_value, bound->n_nodes);
    size_t n = 0;
    if (!live || !number) return ej_no_memory(job->err);
    for (size_t i = 0; i < bound->n_inputs; i++) live[bound->inputs[i]] = true;
    for (size_t i = 0; i < bound->n_outputs; i++) live[bound->outputs[i]] = true;
    for (size_t v = bound->n_nodes; v-- > 0;)
        for (uint32_t i = 0; live[v] && i < bound->nodes[v].n_in; i++) live[bound->nodes[v].in[i]] = true;
    for (size_t v = 0; v < bound->n_nodes; v++) {
        number[v] = -1;
        if (!live[v]) continue;
        number[v] = (ej_value)n;
        bound->nodes[n] = bound->nodes[v];
        for (uint32_t i = 0; i < bound->nodes[n].n_in; i++) bound->nodes[n].in[i] = number[bound->nodes[n].in[i]];
        n++;
    }
    bound->n_nodes = n;
    for (size_t i = 0; i < bound->n_inputs; i++) bound->inputs[i] = number[bound->inputs[i]];
    for (size_t i = 0; i < bound->n_outputs; i++) bound->outputs[i] = number[bound->outputs[i]];
    for (size_t v = 0; v < bound->n_values; v++)
        if (bound->of_value[v] >= 0) bound->of_value[v] = number[bound->of_value[v]];
    return EINJIT_OK;
}

int ej_rebuild_end(ej_rebuild *r)
{
    ej_bound *out = r->out;
    const ej_bound *from = r->from;
    EJ_TRY(ej_job_poll(r->job, EJ_STAGE_PATH, -1));
    for (size_t i = 0; i < from->n_outputs; i++) out->outputs[i] = r->map[from->outputs[i]];
    for (size_t v = 0; v < from->n_values; v++)
        out->of_value[v] = from->of_value[v] < 0 ? -1 : r->map[from->of_value[v]];
    return drop_dead(out, r->job);
}
