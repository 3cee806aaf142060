/* choose_candidate.c - the cost of a candidate: some nodes of a bound graph, under given paths, taken as a whole
 * program.
 *
 * Takes  nodes of the graph, or replacements of them; other values that they read are inputs, and cost nothing.
 * Gives  operations and bytes (cost_node.c) of what comes out when these nodes are the whole program. The later
 *        decisions are made for them and the result is counted, so that the figure is exact.
 * Size   linear in the nodes that are tried, however large the graph is. All candidates use the same memory.
 */
#include <string.h>

#include "choose_core.h"

static int count(ej_count *out, const ej_bound *bound, const ej_path *paths, ej_job *job)
{
    ej_bound pairs, shared, scaled;
    EJ_TRY(ej_pairs_by(&pairs, bound, paths, job));
    EJ_TRY(ej_choose_share(&shared, &pairs, false, job));
    EJ_TRY(ej_choose_scale(&scaled, &shared, false, job));
    return ej_cost_graph(out, &scaled, job);
}

int ej_candidate_count(ej_count *out, const ej_bound *bound, const ej_path *paths, ej_job *job)
{
    ej_arena memory;
    ej_job inner = *job;
    ej_arena_init(&memory, job->arena->allocator);
    inner.arena = &memory;
    int status = count(out, bound, paths, &inner);
    ej_arena_free(&memory);
    return status;
}

int ej_candidate_init(ej_candidate *t, const ej_bound *bound, ej_job *job)
{
    *t = (ej_candidate){.bound = bound, .job = job};
    ej_arena_init(&t->memory, job->arena->allocator);
    t->place = EJ_JOB_ARRAY(job, ej_value, bound->n_nodes);
    if (!t->place) return ej_no_memory(job->err);
    for (size_t v = 0; v < bound->n_nodes; v++) t->place[v] = -1;
    return EINJIT_OK;
}

/* A value from outside of the candidate: a scalar is copied, everything else becomes an input. */
static int add_leaf(ej_candidate *t, ej_bound *part, ej_value v, ej_job *job)
{
    ej_bound_node leaf = t->bound->nodes[v];
    if (!ej_is_scalar_operand(t->bound, v)) {
        leaf.op = EJ_OP_INPUT;
        part->inputs[part->n_inputs++] = (ej_value)part->n_nodes;
    }
    leaf.n_in = 0;
    leaf.note = NULL;
    if (!EJ_PUSH_ROOM(job->arena, part->nodes, part->cap_nodes, part->n_nodes)) return ej_no_memory(job->err);
    t->place[v] = (ej_value)part->n_nodes;
    part->nodes[part->n_nodes++] = leaf;
    return EINJIT_OK;
}

static int add_node(ej_candidate *t, ej_bound *part, const ej_candidate_node *item, ej_job *job)
{
    ej_bound_node node = *item->node;
    node.in = EJ_JOB_ARRAY(job, ej_value, node.n_in);
    if (!node.in) return ej_no_memory(job->err);
    for (uint32_t i = 0; i < node.n_in; i++) {
        ej_value x = item->node->in[i];
        if (t->place[x] < 0) EJ_TRY(add_leaf(t, part, x, job));
        node.in[i] = t->place[x];
    }
    if (!EJ_PUSH_ROOM(job->arena, part->nodes, part->cap_nodes, part->n_nodes)) return ej_no_memory(job->err);
    t->place[item->v] = (ej_value)part->n_nodes;
    if (item->is_result) part->outputs[part->n_outputs++] = (ej_value)part->n_nodes;
    part->nodes[part->n_nodes++] = node;
    return EINJIT_OK;
}

static int run(ej_candidate *t, size_t n, const ej_candidate_node *items, ej_count *out, ej_job *job)
{
    ej_bound part = {.sizes = t->bound->sizes};
    size_t room = 0;
    for (size_t i = 0; i < n; i++) room += items[i].node->n_in;
    part.inputs = EJ_JOB_ARRAY(job, ej_value, room);
    part.outputs = EJ_JOB_ARRAY(job, ej_value, n);
    if (!part.inputs || !part.outputs) return ej_no_memory(job->err);
    for (size_t i = 0; i < n; i++) EJ_TRY(add_node(t, &part, &items[i], job));
    ej_path *paths = EJ_JOB_ARRAY(job, ej_path, part.n_nodes);
    if (!paths) return ej_no_memory(job->err);
    for (size_t i = 0; i < n; i++)
        if (items[i].path) paths[t->place[items[i].v]] = *items[i].path;
    return count(out, &part, paths, job);
}

int ej_candidate_run(ej_candidate *t, size_t n, const ej_candidate_node *items, ej_count *out)
{
    ej_job inner = *t->job;
    inner.arena = &t->memory;
    int status = run(t, n, items, out, &inner);
    ej_arena_clear(&t->memory);
    for (size_t i = 0; i < n; i++) {
        t->place[items[i].v] = -1;
        for (uint32_t k = 0; k < items[i].node->n_in; k++) t->place[items[i].node->in[k]] = -1;
    }
    return status;
}

void ej_candidate_free(ej_candidate *t)
{
    if (t->memory.allocator) ej_arena_free(&t->memory);
}
