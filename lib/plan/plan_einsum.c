/* plan_einsum.c - einsums: operands as views by label, one step over all of them.
 *
 * Takes  an EINSUM node; what should be taken pair by pair is in pairs (choose_pairs.c).
 * Gives  a step; or just a view where the einsum only permutes or takes a diagonal.
 *
 * Diagonals are strides that add up, size-1 broadcasting leaves the axis out, scalars of the program multiply the
 * result where it is stored, if combining distributes over reducing, else inside.
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
    for (int32_t i = 0; i < e->n_parts; i++)
        for (uint32_t k = 0; k < e->parts[i].labels.n; k++) e->axis_of[e->parts[i].labels.labels[k]] = -1;
    return EINJIT_OK;
}

/* A permutation or diagonal of one operand needs no step, unless it has a place to be written to. */
static bool is_layout(const ej_einsum *e, const ej_term *result)
{
    return e->n_parts == 1 && !e->scalars.n_ops && !e->parts[0].map && result->n == e->parts[0].labels.n &&
           !e->p->values[e->v].has_place;
}

static int layout(ej_einsum *e)
{
    const ej_term *labels = &e->node->subscripts->out;
    const ej_part *x = &e->parts[0];
    ej_view view;
    EJ_TRY(ej_view_new(e->p, (int32_t)labels->n, &view));
    view.buffer = x->views[0].buffer;
    view.base = x->views[0].base;
    for (uint32_t i = 0; i < labels->n; i++) {
        const int32_t *at = bsearch(&labels->labels[i], x->labels.labels, x->labels.n, sizeof *at, ej_compare_labels);
        if (at) view.axes[i] = x->views[0].axes[at - x->labels.labels];
    }
    ej_plan_written(e->p, e->v, &view, -1, NULL);
    return EINJIT_OK;
}

int ej_plan_einsum(ej_planner *p, ej_value v)
{
    ej_einsum e = {.p = p, .v = v, .node = &p->bound->nodes[v], .pointwise = ej_plan_is_pointwise(&p->bound->nodes[v])};
    ej_term out;
    e.letters = ej_subscripts_letters(p->job->arena, e.node->subscripts);
    if (!e.letters) return ej_no_memory(p->job->err);
    EJ_TRY(ej_einsum_operands(&e));
    EJ_TRY(output_labels(&e, &out));
    if (is_layout(&e, &out)) return layout(&e);
    if (e.pointwise && e.n_parts && e.n_parts <= EJ_TAPE_SOURCES / 2) return ej_einsum_map(&e);
    bool several = e.n_parts > 1 || e.scalars.n_ops;
    return ej_einsum_contract(&e, &out, !e.n_parts || (several && !ej_einsum_distributes(e.node)));
}
