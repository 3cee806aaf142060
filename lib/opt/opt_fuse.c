/* opt_fuse.c - merge an einsum into the einsum that uses it.
 *
 * Takes  any graph.
 * Gives  the same function; an einsum that is used once, as operand of another one, is written into its place, so that
 *        the path search sees one product instead of a fixed nesting. Both must be sums of products.
 * Keeps  values with several uses: computing them again may cost more than keeping them. Whatever is not sure to be the
 *        same: see may_merge and opt_fuse_match.c.
 * Size   a tree of einsums is walked once from its root, with a list instead of recursion; every label is touched once.
 * Not here: the order of the merged product (path).
 */
#include "opt_fuse.h"

static bool is_sum_of_products(const ej_node *node)
{
    return node->op == EJ_OP_EINSUM && node->fn == EINJIT_REDUCE_SUM && node->combine == EINJIT_COMBINE_MUL;
}

/* Dtypes: the inner einsum computed in its own dtype, the merged one computes in the root's. For floats that is a matter
 * of rounding, but integers wrap and bool saturates: there both must be the same. Literals take the dtype of what they
 * meet: beside integers they would meet another one. */
static bool same_arithmetic(const ej_fuse *f, const ej_node *inner, ej_value value)
{
    ej_known_dtype strong, own = f->dtypes[value], root = f->dtypes[f->root];
    ej_known_promote(f->dtypes, inner->n_in, inner->in, &strong);
    if (strong.weak) return false;
    if (ej_known_inexact(strong)) return true;
    for (uint32_t i = 0; i < inner->n_in; i++)
        if (f->dtypes[inner->in[i]].weak) return false;
    return own.dtype >= 0 && own.dtype == root.dtype && !root.weak;
}

static bool may_merge(const ej_fuse *f, const ej_fuse_operand *operand)
{
    const ej_node *inner = &f->graph->nodes[operand->value];
    return is_sum_of_products(inner) && f->uses[operand->value] == 1 && same_arithmetic(f, inner, operand->value);
}

static int keep(ej_fuse *f, const ej_fuse_operand *operand)
{
    if (!EJ_PUSH_ROOM(f->job->arena, f->done, f->cap_done, f->n_done)) return ej_no_memory(f->job->err);
    f->done[f->n_done++] = *operand;
    return EINJIT_OK;
}

static int merge_tree(ej_fuse *f, ej_value root)
{
    EJ_TRY(ej_fuse_begin(f, root));
    while (f->n_waiting) {
        ej_fuse_operand operand = f->waiting[--f->n_waiting];
        bool taken = false;
        if (may_merge(f, &operand)) EJ_TRY(ej_fuse_take_in(f, &operand, &taken));
        if (taken) EJ_FIRED(f->job, FUSE_SUMMED);
        else EJ_TRY(keep(f, &operand));
    }
    return f->n_merged ? ej_fuse_finish(f) : EINJIT_OK;
}

/* Most einsums have nothing to take in: those cost a look at their operands. */
static bool has_candidate(const ej_fuse *f, ej_value root)
{
    const ej_node *node = &f->graph->nodes[root];
    for (uint32_t i = 0; i < node->n_in; i++)
        if (is_sum_of_products(&f->graph->nodes[node->in[i]]) && f->uses[node->in[i]] == 1) return true;
    return false;
}

static int create(ej_fuse *f, ej_graph *graph, ej_job *job)
{
    size_t most = 0;
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (graph->nodes[v].equation && graph->nodes[v].equation->n_labels > most)
            most = graph->nodes[v].equation->n_labels;
    *f = (ej_fuse){.graph = graph, .job = job};
    f->uses = ej_graph_uses(graph, job->arena);
    f->dtypes = ej_opt_dtypes(graph, job->arena);
    f->gone = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    f->image = EJ_JOB_ARRAY(job, int32_t, most);
    f->found = EJ_JOB_ARRAY(job, uint32_t, most);
    return f->uses && f->dtypes && f->gone && f->image && f->found ? EINJIT_OK : ej_no_memory(job->err);
}

int ej_opt_fuse(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    ej_fuse f;
    EJ_TRY(create(&f, graph, job));
    for (size_t v = graph->n_nodes; v-- > 0;) { /* users come first */
        if (f.gone[v] || !is_sum_of_products(&graph->nodes[v]) || !has_candidate(&f, (ej_value)v)) continue;
        EJ_TRY(merge_tree(&f, (ej_value)v));
        *n_changed += f.n_merged;
    }
    return *n_changed ? ej_graph_rewrite(graph, NULL, false, job->err) : EINJIT_OK;
}
