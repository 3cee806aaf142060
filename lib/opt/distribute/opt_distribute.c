/* opt_distribute.c - distributivity: E(a, c) + E(b, c) is E(a + b, c).
 *
 * Takes  any graph.
 * Gives  sums whose products share all operands but one with that operand added up first: chains of + and - in any
 *        association, with factors that are literals, over einsums, matmuls and multiplications; again and again, so
 *        that a*c + b*c + a*d + b*d becomes (a + b)*(c + d). Where the extents of a and b are not known to be the same,
 *        both ways are kept as alternatives and the guard says when the second is right.
 * Keeps  sums whose zeros' signs count (facts_zero.h): a*c - a*c is 0.0, and (a - a)*c has the sign of c;
 *        products that something else uses too (they are computed anyway), semirings, bool, sums in which an integer
 *        would wrap elsewhere or a value would be rounded to a coarser dtype; f16, in which a + b is soon infinite
 *        where neither a*c nor b*c is large.
 * Why    it always saves: with equal extents one of two equal contractions goes, each of which reads its own operand at
 *        least once; what comes is one addition an element of that operand. The sum of the two results goes as well.
 *        With extents that differ (and so broadcast) it may be wrong: "ik,j->ij" with k = 1 and k = 3 sums the first
 *        operand once, not three times.
 * Size   every sum is looked at once a round; a round without change is the last.
 */
#include "opt_distribute.h"
#include "facts_zero.h"

enum { MOST_ROUNDS = 32 }; /* a round merges all it finds: more follow only what the one before has made */

static bool is_sum(const ej_node *node)
{
    return node->op == EJ_OP_MAP && (node->fn == EJ_FN_ADD || node->fn == EJ_FN_SUB);
}

bool ej_distribute_alike(ej_known_dtype part, ej_known_dtype whole)
{
    if (part.weak || whole.weak || part.dtype < 0 || whole.dtype < 0) return false;
    if (ej_dtypes[whole.dtype].kind == EJ_KIND_INT) return part.dtype == whole.dtype;
    return ej_known_inexact(part) && ej_known_inexact(whole) && whole.dtype != EINJIT_F16 &&
           ej_dtypes[part.dtype].real == ej_dtypes[whole.dtype].real;
}

ej_value ej_distribute_left_out(const ej_distribute *d, const ej_addend *member)
{
    return d->graph->nodes[d->terms[member->term].product].in[member->left_out];
}

static int create(ej_distribute *d, ej_graph *graph, ej_job *job, bool offers)
{
    size_t most = 0;
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (graph->nodes[v].equation && graph->nodes[v].equation->n_labels > most)
            most = graph->nodes[v].equation->n_labels;
    *d = (ej_distribute){.graph = graph, .job = job, .offers = offers};
    d->uses = ej_graph_uses(graph, job->arena);
    d->dtypes = ej_facts_dtypes(graph, job->arena);
    d->shapes = ej_facts_shapes(graph, job->arena);
    d->zeros = d->dtypes ? ej_facts_zeros(graph, d->dtypes, job->arena) : NULL;
    d->inside = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    d->image = EJ_JOB_ARRAY(job, int32_t, most);
    if (!d->uses || !d->zeros || !d->shapes || !d->inside || !d->image) return ej_no_memory(job->err);
    for (size_t l = 0; l < most; l++) d->image[l] = -1;
    return ej_edit_begin(&d->edit, graph, job);
}

/* What a group needs beside the sum of its operands. */
static enum ej_rule rule_of(const ej_distribute *d, const ej_group *group)
{
    enum ej_rule rule = EJ_RULE_DISTRIBUTE_SUM;
    for (size_t m = group->first; m < group->first + group->n && !d->offers; m++) {
        const ej_term_of_sum *term = &d->terms[d->members[m].term];
        if (term->n_scales) return EJ_RULE_DISTRIBUTE_FACTOR;
        if (term->product_minus) rule = EJ_RULE_DISTRIBUTE_SIGN;
    }
    return d->offers ? EJ_RULE_DISTRIBUTE_GUARD : rule;
}

static int one_sum(ej_distribute *d, ej_value root)
{
    ej_value sum;
    d->root = root;
    EJ_TRY(ej_distribute_collect(d));
    EJ_TRY(ej_distribute_group(d));
    if (!d->n_groups) return EINJIT_OK;
    EJ_TRY(ej_distribute_build(d, &sum));
    if (!ej_edit_replace(&d->edit, root, sum, rule_of(d, &d->groups[0]))) return EINJIT_OK;
    for (size_t g = 1; g < d->n_groups; g++) ej_edit_also(&d->edit, rule_of(d, &d->groups[g]));
    return EINJIT_OK;
}

/* The products that a sum adds are nodes of the old graph: what the round makes is for the next one. */
static int round_of(ej_graph *graph, ej_job *job, bool offers, size_t *n_changed)
{
    ej_distribute d;
    const bool *offered = NULL;
    EJ_TRY(create(&d, graph, job, offers));
    if (offers && !(offered = ej_opt_alternatives(graph, d.uses, job->arena))) return ej_no_memory(job->err);
    for (size_t v = d.edit.n_old; v-- > 0;) { /* users come first: the whole sum before its parts */
        const ej_known_dtype *dtype = &d.dtypes[v];
        EJ_TRY(ej_edit_ask(&d.edit));
        if (d.zeros[v] && !EJ_BROKEN(DISTRIBUTE_ZEROS)) continue;
        if (!is_sum(&graph->nodes[v]) || d.inside[v] || !ej_distribute_alike(*dtype, *dtype)) continue;
        if (!offered || !offered[v]) EJ_TRY(one_sum(&d, (ej_value)v));
    }
    return ej_edit_commit(&d.edit, false, n_changed);
}

static bool has_sums(const ej_graph *graph)
{
    for (size_t v = 0; v < graph->n_nodes; v++)
        if (is_sum(&graph->nodes[v])) return true;
    return false;
}

int ej_opt_distribute(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    size_t more = 1;
    if (!has_sums(graph)) return EINJIT_OK;
    for (int i = 0; more && i < MOST_ROUNDS; i++) {
        more = 0;
        EJ_TRY(round_of(graph, job, false, &more));
        *n_changed += more;
    }
    return round_of(graph, job, true, n_changed);
}
