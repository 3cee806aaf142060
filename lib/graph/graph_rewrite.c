/* graph_rewrite.c - replaces values by others, removes what is no longer used, and renumbers the rest.
 *
 * Takes  a graph, to which a pass may have appended nodes, and which value takes each value's place: an earlier or a
 *        later one, also one that was replaced itself.
 * Gives  the same graph in SSA order: nodes stay in the order they had, but for operands, which come in front of their
 *        users. A value that stands in for another and was appended by the pass takes over its name and its place.
 * Keeps  the graph as it was when memory is short: all is allocated before anything moves.
 * Size   linear, no recursion: a chain of 100,000 nodes is swept once in each direction.
 */
#include <string.h>

#include "graph.h"
#include "job.h"

typedef struct rewrite {
    ej_graph *graph;
    ej_value *map; /* per value: what takes its place in the end */
    bool *live;
    ej_value *order; /* live values, operands first */
    size_t n_order;
    ej_value *number; /* per value: its place in `order`; -1: not there yet */
    ej_value *stack;
    uint32_t *seen; /* per value: so many of its operands have numbers */
    bool *named;    /* per value: took over a name */
    ej_node *nodes; /* in the new order */
} rewrite;

/* The end of v's chain; everything on the way is shortened to it. */
static ej_value end_of_chain(ej_value *map, ej_value v)
{
    ej_value end = v;
    while (map[end] != end) end = map[end];
    while (map[v] != end) {
        ej_value next = map[v];
        map[v] = end;
        v = next;
    }
    return end;
}

static void follow_replacements(rewrite *r, const ej_value *replace)
{
    for (size_t v = 0; v < r->graph->n_nodes; v++) r->map[v] = replace ? replace[v] : (ej_value)v;
    for (size_t v = 0; v < r->graph->n_nodes; v++) end_of_chain(r->map, (ej_value)v);
}

/* Operands may come later than their users, so liveness is a walk, not a sweep. `stack` has room for every value
 * once. */
static void mark_live(rewrite *r, bool keep_unused)
{
    const ej_graph *graph = r->graph;
    size_t n = 0;
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (graph->nodes[v].op == EJ_OP_INPUT || (keep_unused && r->map[v] == (ej_value)v)) {
            r->live[v] = true;
            r->stack[n++] = (ej_value)v;
        }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        ej_value v = r->map[graph->outputs[i]];
        if (!r->live[v]) r->stack[n++] = v;
        r->live[v] = true;
    }
    while (n) {
        const ej_node *node = &graph->nodes[r->stack[--n]];
        for (uint32_t i = 0; i < node->n_in; i++) {
            ej_value operand = r->map[node->in[i]];
            if (!r->live[operand]) r->stack[n++] = operand;
            r->live[operand] = true;
        }
    }
}

/* The next operand of v that has no number yet; -1: none. */
static ej_value missing_operand(rewrite *r, ej_value v)
{
    const ej_node *node = &r->graph->nodes[v];
    for (; r->seen[v] < node->n_in; r->seen[v]++)
        if (r->number[r->map[node->in[r->seen[v]]]] < 0) return r->map[node->in[r->seen[v]]];
    return -1;
}

/* In the order of the ids, operands pulled in front of their first user; what a pass appended stands where the first
 * value stood whose place it takes. */
static void sort(rewrite *r, size_t n_old)
{
    for (size_t v = 0; v < r->graph->n_nodes; v++) r->number[v] = -1;
    for (size_t v = 0; v < r->graph->n_nodes; v++) {
        ej_value here = r->map[v] >= (ej_value)n_old ? r->map[v] : (ej_value)v;
        if (!r->live[here] || r->number[here] >= 0) continue;
        size_t n = 0;
        r->stack[n++] = here;
        while (n) {
            ej_value top = r->stack[n - 1], operand = missing_operand(r, top);
            if (operand >= 0) {
                r->stack[n++] = operand;
                continue;
            }
            n--;
            r->number[top] = (ej_value)r->n_order;
            r->order[r->n_order++] = top;
        }
    }
}

/* What a pass made in place of v is known by v's name from now on. */
static void hand_names_on(rewrite *r, size_t n_old)
{
    ej_node *nodes = r->graph->nodes;
    for (size_t v = 0; v < n_old; v++) {
        ej_value by = r->map[v];
        if (by < (ej_value)n_old || r->named[by]) continue;
        const char *name = nodes[by].name;
        nodes[by].name = nodes[v].name;
        nodes[v].name = name;
        r->named[by] = true;
    }
}

static void compact(rewrite *r)
{
    ej_graph *graph = r->graph;
    for (size_t i = 0; i < r->n_order; i++) {
        r->nodes[i] = graph->nodes[r->order[i]];
        for (uint32_t k = 0; k < r->nodes[i].n_in; k++) r->nodes[i].in[k] = r->number[r->map[r->nodes[i].in[k]]];
    }
    if (r->n_order) memcpy(graph->nodes, r->nodes, r->n_order * sizeof *r->nodes);
    graph->n_nodes = r->n_order;
    for (size_t i = 0; i < graph->n_inputs; i++) graph->inputs[i] = r->number[graph->inputs[i]];
    for (size_t i = 0; i < graph->n_outputs; i++) graph->outputs[i] = r->number[r->map[graph->outputs[i]]];
    ej_names_renumber(graph);
}

static bool make_room(rewrite *r, ej_arena *scratch)
{
    size_t n = r->graph->n_nodes;
    r->map = EJ_NEW_ARRAY(scratch, ej_value, n);
    r->live = EJ_NEW_ARRAY(scratch, bool, n);
    r->order = EJ_NEW_ARRAY(scratch, ej_value, n);
    r->number = EJ_NEW_ARRAY(scratch, ej_value, n);
    r->stack = EJ_NEW_ARRAY(scratch, ej_value, n);
    r->seen = EJ_NEW_ARRAY(scratch, uint32_t, n);
    r->named = EJ_NEW_ARRAY(scratch, bool, n);
    r->nodes = EJ_NEW_ARRAY(scratch, ej_node, n);
    return r->map && r->live && r->order && r->number && r->stack && r->seen && r->named && r->nodes;
}

/* All that leaves the graph as it is: the caller may still end it. */
static int look(rewrite *r, const ej_value *replace, size_t n_old, bool keep_unused, const ej_job *job)
{
    EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
    follow_replacements(r, replace);
    mark_live(r, keep_unused);
    EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
    sort(r, n_old);
    return ej_job_poll(job, EJ_STAGE_OPT, -1);
}

int ej_graph_rewrite_new(ej_graph *graph, const ej_value *replace, size_t n_old, bool keep_unused, const ej_job *job)
{
    rewrite r = {.graph = graph};
    ej_arena scratch;
    ej_arena_init(&scratch, graph->arena.allocator);
    int status = make_room(&r, &scratch) ? look(&r, replace, n_old, keep_unused, job) : ej_no_memory(job->err);
    if (!status) {
        hand_names_on(&r, n_old);
        compact(&r);
    }
    ej_arena_free(&scratch);
    return status;
}

int ej_graph_rewrite(ej_graph *graph, const ej_value *replace, bool keep_unused, einjit_error *err)
{
    return ej_graph_rewrite_new(graph, replace, graph->n_nodes, keep_unused, &(ej_job){.err = err});
}

void ej_graph_forget(ej_graph *graph, size_t n)
{
    if (graph->n_nodes == n) return;
    graph->n_nodes = n;
    ej_names_renumber(graph);
}

int ej_graph_drop_detached(ej_graph *graph, ej_arena *scratch, einjit_error *err)
{
    size_t first = 0;
    while (first < graph->n_nodes && graph->nodes[first].op != EJ_OP_DETACH) first++;
    if (first == graph->n_nodes) return EINJIT_OK;
    ej_value *replace = EJ_NEW_ARRAY(scratch, ej_value, graph->n_nodes);
    if (!replace) return ej_no_memory(err);
    for (size_t v = 0; v < graph->n_nodes; v++)
        replace[v] = graph->nodes[v].op == EJ_OP_DETACH ? graph->nodes[v].in[0] : (ej_value)v;
    return ej_graph_rewrite(graph, replace, true, err);
}
