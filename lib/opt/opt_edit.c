/* opt_edit.c - how a pass changes a graph: new nodes behind the old ones, and which value takes which one's place.
 *
 * Takes  a graph, from which the pass reads as it was.
 * Gives  the changed graph at the commit, in SSA order again. Nodes that are there are never written to, so that a pass
 *        that runs out of memory leaves the same function behind.
 */
#include <string.h>

#include "opt.h"

int ej_edit_begin(ej_edit *e, ej_graph *graph, ej_job *job)
{
    *e = (ej_edit){.graph = graph, .job = job, .n_old = graph->n_nodes, .capacity = graph->n_nodes};
    EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
    e->replace = EJ_JOB_ARRAY(job, ej_value, graph->n_nodes);
    if (!e->replace) return ej_no_memory(job->err);
    for (size_t v = 0; v < graph->n_nodes; v++) e->replace[v] = (ej_value)v;
    return EINJIT_OK;
}

int ej_edit_ask(const ej_edit *e)
{
    return ej_job_poll(e->job, EJ_STAGE_OPT, -1);
}

int ej_edit_add(ej_edit *e, const ej_node *node, ej_value *out)
{
    EJ_TRY(ej_edit_ask(e));
    if (!EJ_PUSH_ROOM(e->job->arena, e->replace, e->capacity, e->graph->n_nodes)) return ej_no_memory(e->job->err);
    EJ_TRY(ej_graph_append(e->graph, node, out, e->job->err));
    e->replace[*out] = *out;
    return EINJIT_OK;
}

int ej_edit_node(ej_edit *e, ej_node node, uint32_t n, const ej_value *in, ej_value *out)
{
    node.name = NULL;
    if (!ej_node_takes(&e->graph->arena, &node, n, in)) return ej_no_memory(e->job->err);
    return ej_edit_add(e, &node, out);
}

int ej_edit_map(ej_edit *e, int fn, uint32_t n, const ej_value *in, ej_value *out)
{
    return ej_edit_node(e, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .rank = -1}, n, in, out);
}

int ej_edit_float(ej_edit *e, double value, ej_value *out)
{
    const ej_node node = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .dtype = -1, .re = value};
    return ej_edit_add(e, &node, out);
}

ej_value ej_edit_value(const ej_edit *e, ej_value v)
{
    while (e->replace[v] != v) v = e->replace[v];
    return v;
}

void ej_edit_also(ej_edit *e, enum ej_rule rule)
{
    if (e->job->rule_hits) e->job->rule_hits[rule]++;
}

void ej_edit_renew(ej_edit *e, ej_value v, ej_value by)
{
    e->replace[v] = by;
    e->n_changed++;
}

bool ej_edit_ended(const ej_edit *e)
{
    const ej_rule_limit *limit = e->job->rule_limit;
    return limit && atomic_load_explicit(&limit->done, memory_order_relaxed) >= limit->most;
}

bool ej_edit_replace(ej_edit *e, ej_value v, ej_value by, enum ej_rule rule)
{
    ej_rule_limit *limit = e->job->rule_limit;
    if (limit) {
        int64_t before = atomic_fetch_add_explicit(&limit->done, 1, memory_order_relaxed);
        if (before >= limit->most) return false;
        if (before + 1 == limit->most)
            limit->tell(limit, ej_rules[rule].name, ej_rules[rule].pass, e->graph->nodes[v].name);
    }
    ej_edit_also(e, rule);
    ej_edit_renew(e, v, by);
    return true;
}

int ej_edit_commit(ej_edit *e, bool keep_unused, size_t *n_changed)
{
    EJ_TRY(ej_edit_ask(e));
    *n_changed += e->n_changed;
    if (!e->n_changed) {
        ej_graph_forget(e->graph, e->n_old);
        return EINJIT_OK;
    }
    return ej_graph_rewrite_new(e->graph, e->replace, e->n_old, keep_unused, e->job);
}
