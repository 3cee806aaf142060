/* opt_fuse.c - merge an einsum into the einsum that uses it.
 *
 * Takes  any graph.
 * Gives  the same function; an einsum that is used once, as operand of another one, is written into its place, so that
 *        the path search sees one product instead of a fixed nesting. Matmul, tensordot, products of arrays, sums and
 *        layout are einsums too (facts_as_einsum.c), where that gains something (opt_fuse_gain.c). Reshapes that split
 *        or merge axes are moved out from between two einsums (opt_fuse_reshape.c).
 * Keeps  values with several uses: computing them again may cost more than keeping them. Other semirings. Whatever is
 *        not sure to be the same: see ej_fuse_same_arithmetic and opt_fuse_match.c.
 * Size   a tree of einsums is walked once from its root, with a list instead of recursion; every label is touched once.
 * Not here: the order of the merged product (path).
 */
#include "opt_fuse.h"
#include "facts_linear.h"
#include "facts_zero.h"

/* A sum's zero is 0.0, which a factor behind it may turn into -0.0; as a factor of the sum it does not. */
static bool changes_zeros(const ej_fuse *f, ej_value v, ej_value root)
{
    return f->zeros[root] && ej_facts_sums(f->forms[v].equation) && !ej_facts_sums(f->forms[root].equation) &&
           !EJ_BROKEN(FUSE_ZEROS);
}

/* Dtypes: the inner einsum computed in its own dtype, the merged one computes in the root's. For floats that is a
 * matter of rounding, but integers wrap and bool saturates: there both must be the same. Literals take the dtype of
 * what they meet: beside integers they would meet another one. */
bool ej_fuse_same_arithmetic(const ej_fuse *f, ej_value v, ej_value root)
{
    const ej_einsum_form *inner = &f->forms[v];
    const ej_known_dtype *dtypes = f->facts.dtypes;
    ej_known_dtype strong, own = dtypes[v], all = dtypes[root];
    ej_known_promote(dtypes, inner->n_in, inner->in, &strong);
    if (strong.weak || changes_zeros(f, v, root)) return false;
    if (EJ_BROKEN(FUSE_DTYPE) || !inner->computes || ej_known_inexact(strong)) return true;
    for (uint32_t i = 0; i < inner->n_in; i++)
        if (dtypes[inner->in[i]].weak) return false;
    return own.dtype >= 0 && own.dtype == all.dtype && !all.weak;
}

static bool may_merge(const ej_fuse *f, const ej_fuse_operand *operand)
{
    return !operand->stays && ej_fuse_may_take(f, operand->value) &&
           ej_fuse_same_arithmetic(f, operand->value, f->root);
}

/* Nothing gained: the graph stays as it was. */
static void leave_alone(ej_fuse *f)
{
    for (size_t i = 0; i < f->n_merged; i++) {
        f->gone[f->merged[i]] = false;
        f->idle[f->merged[i]] = true;
    }
}

static int merge_tree(ej_fuse *f, ej_value root)
{
    EJ_TRY(ej_fuse_begin(f, root));
    while (f->n_waiting) {
        ej_fuse_operand operand = f->waiting[--f->n_waiting];
        bool taken = false;
        if (may_merge(f, &operand)) EJ_TRY(ej_fuse_take_in(f, &operand, &taken));
        if (!taken) EJ_TRY(ej_fuse_keep(f, &operand));
    }
    if (!ej_fuse_gains(f)) {
        leave_alone(f);
        return EINJIT_OK;
    }
    ej_value merged;
    EJ_TRY(ej_fuse_build(f, &merged));
    if (!ej_edit_replace(&f->edit, root, merged, f->forms[f->merged[0]].rule)) return EINJIT_OK;
    for (size_t i = 1; i < f->n_merged; i++) ej_edit_also(&f->edit, f->forms[f->merged[i]].rule);
    return EINJIT_OK;
}

int ej_fuse_open(ej_fuse *f, ej_graph *graph, ej_job *job)
{
    *f = (ej_fuse){.graph = graph, .job = job};
    size_t n = graph->n_nodes;
    const ej_known_shapes *shapes = ej_facts_shapes(graph, job->arena);
    f->facts = (ej_einsum_facts){graph, ej_facts_dtypes(graph, job->arena), shapes, job->arena};
    f->uses = ej_graph_uses(graph, job->arena);
    f->zeros = f->facts.dtypes ? ej_facts_zeros(graph, f->facts.dtypes, job->arena) : NULL;
    f->forms = EJ_JOB_ARRAY(job, ej_einsum_form, n);
    f->wanted = EJ_JOB_ARRAY(job, bool, n);
    f->gone = EJ_JOB_ARRAY(job, bool, n);
    f->idle = EJ_JOB_ARRAY(job, bool, n);
    if (!shapes || !f->zeros || !f->uses || !f->forms || !f->wanted || !f->gone || !f->idle)
        return ej_no_memory(job->err);
    for (size_t v = 0; v < n; v++) {
        EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
        EJ_TRY(ej_as_einsum(&f->facts, (ej_value)v, &f->forms[v], job->err));
    }
    ej_fuse_weigh(f);
    return ej_edit_begin(&f->edit, graph, job);
}

static bool has_reshape(const ej_graph *graph)
{
    size_t v = 0;
    while (v < graph->n_nodes && graph->nodes[v].op != EJ_OP_RESHAPE) v++;
    return v < graph->n_nodes;
}

static int run_once(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    ej_fuse f;
    EJ_TRY(ej_fuse_open(&f, graph, job));
    for (size_t v = f.edit.n_old; v-- > 0;) { /* users come first */
        EJ_TRY(ej_edit_ask(&f.edit));
        if (ej_fuse_is_root(&f, (ej_value)v)) EJ_TRY(merge_tree(&f, (ej_value)v));
    }
    EJ_TRY(ej_edit_commit(&f.edit, false, n_changed));
    if (!has_reshape(graph)) return EINJIT_OK;
    EJ_TRY(ej_fuse_open(&f, graph, job));
    EJ_TRY(ej_fuse_move_reshapes(&f));
    return ej_edit_commit(&f.edit, false, n_changed);
}

/* What did not fit its user may fit once it has merged with its own operands: seldom, and then the next time does
 * it. */
int ej_opt_fuse(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    enum { MOST_ROUNDS = 16 };
    size_t changed = 1;
    for (int round = 0; changed && round < MOST_ROUNDS; round++) {
        changed = 0;
        EJ_TRY(run_once(graph, job, &changed));
        *n_changed += changed;
    }
    return EINJIT_OK;
}
