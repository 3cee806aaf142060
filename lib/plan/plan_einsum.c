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

#include "plan_einsum.h"

/* Output labels that some part has, ascending. */
static int output_labels(ej_einsum *e, ej_term *out)
{
    const ej_term *labels = &e->node->subscripts->out;
    out->n = 0;
    out->labels = EJ_JOB_ARRAY(e->p->job, int32_t, labels->n);
    if (!out->labels) return ej_no_memory(e->p->job->err);
    for (int32_t i = 0; i < e->n_parts; i++)
        for (uint32_t k = 0; k < e->parts[i].labels.n; k++) e->axis_of[e->parts[i].labels.labels[k]] = 0;
    for (uint32_t i = 0; i < labels->n; i++)
        if (e->axis_of[labels->labels[i]] == 0) out->labels[out->n++] = labels->labels[i];
    if (out->n) qsort(out->labels, out->n, sizeof *out->labels, ej_compare_labels);
    for (int32_t i = 0; i < e->n_parts; i++) ej_einsum_forget(e, &i, 1);
    return EINJIT_OK;
}

static bool distributes(const ej_bound_node *node)
{
    if (node->combine == EINJIT_COMBINE_ADD)
        return node->dtype != EINJIT_BOOL && (node->fn == EINJIT_REDUCE_MAX || node->fn == EINJIT_REDUCE_MIN);
    return node->dtype == EINJIT_BOOL ? node->fn != EINJIT_REDUCE_MIN
                                      : node->fn == EINJIT_REDUCE_SUM || node->fn == EINJIT_REDUCE_OR;
}

static int one_step(ej_einsum *e, const ej_term *result)
{
    int32_t *ids = EJ_JOB_ARRAY(e->p->job, int32_t, (size_t)e->n_parts);
    if (!ids) return ej_no_memory(e->p->job->err);
    for (int32_t i = 0; i < e->n_parts; i++) ids[i] = i;
    return ej_einsum_contract(e, e->node->name, ids, e->n_parts, result, true, true);
}

static int search_path(ej_einsum *e, const ej_term *out, ej_network *net, ej_path *path)
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

static void print_path(ej_einsum *e, const ej_path *path)
{
    ej_text *text = &e->p->plan->paths;
    ej_print(text, "%s:", e->node->name);
    for (int32_t s = 0; s < path->n_steps; s++) {
        if (path->steps[s].b < 0) ej_print(text, " (%d)", (int)path->steps[s].a);
        else ej_print(text, " (%d, %d)", (int)path->steps[s].a, (int)path->steps[s].b);
    }
    ej_print(text, "  log10_mults %.3f log2_largest %.3f\n", path->log10_mults, path->log2_largest);
}

static int pairwise(ej_einsum *e, const ej_term *out)
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
        EJ_TRY(ej_einsum_contract(e, name, ids, ids[1] < 0 ? 1 : 2, &results[s], last, false));
    }
    return EINJIT_OK;
}

/* A permutation or diagonal of one operand needs no step, unless it has a place to be written to. */
static bool is_layout(const ej_einsum *e, const ej_term *result)
{
    return e->n_parts == 1 && !e->scalars.n_ops && !e->parts[0].casts && result->n == e->parts[0].labels.n &&
           !e->p->values[e->v].has_place;
}

static int layout(ej_einsum *e)
{
    const ej_term *labels = &e->node->subscripts->out;
    const ej_part *x = &e->parts[0];
    ej_view view;
    EJ_TRY(ej_view_new(e->p, (int32_t)labels->n, &view));
    view.buffer = x->view.buffer;
    view.base = x->view.base;
    for (uint32_t i = 0; i < labels->n; i++) {
        const int32_t *at = bsearch(&labels->labels[i], x->labels.labels, x->labels.n, sizeof *at, ej_compare_labels);
        if (at) view.axes[i] = x->view.axes[at - x->labels.labels];
    }
    ej_plan_written(e->p, e->v, &view, -1, NULL);
    return EINJIT_OK;
}

/* Some reduced label has no values: the result is the neutral element, whatever the operands hold. Pair by pair an empty
 * sum of some of them would meet Inf or NaN in the others. */
static bool reduces_nothing(const ej_bound_node *node)
{
    const ej_subscripts *s = node->subscripts;
    for (uint32_t l = 0; l < s->n_labels; l++) {
        bool kept = !ej_size_is(node->label_sizes[l], 0);
        for (uint32_t i = 0; i < s->out.n && !kept; i++) kept = s->out.labels[i] == (int32_t)l;
        if (!kept) return true;
    }
    return false;
}

int ej_plan_einsum(ej_planner *p, ej_value v)
{
    ej_einsum e = {.p = p, .v = v, .node = &p->bound->nodes[v]};
    ej_term out;
    EJ_TRY(ej_einsum_operands(&e));
    EJ_TRY(output_labels(&e, &out));
    if (is_layout(&e, &out)) return layout(&e);
    bool several = e.n_parts > 1 || e.scalars.n_ops;
    if (!e.n_parts || (several && (!distributes(e.node) || reduces_nothing(e.node)))) return one_step(&e, &out);
    return pairwise(&e, &out);
}
