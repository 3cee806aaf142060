/* opt_offer.c - for an einsum with several users, adds the alternative to compute it in each of them.
 *
 * Takes  any graph.
 * Gives  choose(C over P, C with P's operands in the place of P), where C contracts and P is a product or contraction
 *        that other values use, too. Computing P again may be cheaper than contracting C over all of P, for instance
 *        where P is an outer product. Sizes decide, and whether another value still reads P.
 * Keeps  growth in bounds: a user gets one alternative, in which all such operands are written in, one level deep, and
 *        none of them has more than MOST_OPERANDS operands. Uses by other ways of computing a value do not count, so a
 *        second run finds nothing.
 * Not here: einsums with one user (fuse), how one is written into the place of an operand (opt_fuse_match.c).
 */
#include "opt_alternative.h"
#include "opt_fuse.h"

enum { MOST_OPERANDS = 8 };

typedef struct offers {
    ej_fuse fuse;
    const bool *offered;
    uint32_t *uses; /* by what is computed when every choice is the first one */
} offers;

static uint32_t n_chosen(const ej_node *node)
{
    return node->op == EJ_OP_CHOOSE ? 1 : node->n_in;
}

static uint32_t *uses_of_first(const ej_graph *graph, ej_arena *arena)
{
    uint32_t *uses = EJ_NEW_ARRAY(arena, uint32_t, graph->n_nodes);
    if (!uses) return NULL;
    for (size_t o = 0; o < graph->n_outputs; o++) uses[graph->outputs[o]]++;
    for (size_t v = graph->n_nodes; v-- > 0;)
        for (uint32_t i = 0; uses[v] && i < n_chosen(&graph->nodes[v]); i++) uses[graph->nodes[v].in[i]]++;
    return uses;
}

static bool may_write_in(const offers *o, ej_value v)
{
    const ej_einsum_form *form = &o->fuse.forms[v];
    return o->uses[v] > 1 && form->equation && form->computes && !form->twice && form->n_in <= MOST_OPERANDS &&
           ej_fuse_same_arithmetic(&o->fuse, v, o->fuse.root);
}

/* The operands of v itself are looked at, not what comes in their place. */
static int write_operands_in(offers *o, ej_value v)
{
    ej_fuse *f = &o->fuse;
    EJ_TRY(ej_fuse_begin(f, v));
    for (size_t own = f->n_waiting; f->n_waiting;) {
        bool is_own = f->n_waiting == own, taken = false;
        ej_fuse_operand operand = f->waiting[--f->n_waiting];
        if (is_own) {
            own--;
            if (may_write_in(o, operand.value)) EJ_TRY(ej_fuse_take_in(f, &operand, &taken));
        }
        if (!taken || EJ_BROKEN(OFFER_TWICE)) EJ_TRY(ej_fuse_keep(f, &operand));
    }
    for (size_t i = 0; i < f->n_merged; i++) f->gone[f->merged[i]] = false; /* they stay for their other users */
    return EINJIT_OK;
}

static bool has_candidate(const offers *o, ej_value v)
{
    const ej_einsum_form *form = &o->fuse.forms[v];
    if (o->offered[v] || !o->uses[v] || !form->equation || form->twice) return false;
    if (!ej_is_contraction(&o->fuse.graph->nodes[v])) return false;
    for (uint32_t i = 0; i < form->n_in; i++)
        if (o->uses[form->in[i]] > 1 && o->fuse.forms[form->in[i]].equation) return true;
    return false;
}

static int offer(offers *o, ej_value v)
{
    ej_edit *edit = &o->fuse.edit;
    ej_value as_written, merged, chosen;
    EJ_TRY(write_operands_in(o, v));
    if (!o->fuse.n_merged) return EINJIT_OK;
    EJ_TRY(ej_fuse_build(&o->fuse, &merged));
    EJ_TRY(ej_edit_like(edit, v, NULL, EJ_KEEP_DIM, &as_written));
    EJ_TRY(ej_edit_alternative(edit, as_written, merged, 0, NULL, &chosen));
    ej_edit_replace(edit, v, chosen, EJ_RULE_OFFER_TWICE);
    return EINJIT_OK;
}

/* Most graphs have nothing to offer: they cost a look. */
static bool has_shared_operands(const ej_graph *graph, const uint32_t *uses)
{
    for (size_t v = 0; v < graph->n_nodes; v++)
        for (uint32_t i = 0; ej_is_contraction(&graph->nodes[v]) && i < graph->nodes[v].n_in; i++)
            if (uses[graph->nodes[v].in[i]] > 1 && graph->nodes[graph->nodes[v].in[i]].n_in > 0) return true;
    return false;
}

int ej_opt_offer(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    offers o = {.uses = uses_of_first(graph, job->arena)};
    if (!o.uses) return ej_no_memory(job->err);
    if (!has_shared_operands(graph, o.uses)) return EINJIT_OK;
    EJ_TRY(ej_fuse_open(&o.fuse, graph, job));
    o.offered = ej_opt_alternatives(graph, o.fuse.uses, job->arena);
    if (!o.offered) return ej_no_memory(job->err);
    for (size_t v = 0; v < o.fuse.edit.n_old; v++) {
        EJ_TRY(ej_edit_ask(&o.fuse.edit));
        if (has_candidate(&o, (ej_value)v)) EJ_TRY(offer(&o, (ej_value)v));
    }
    return ej_edit_commit(&o.fuse.edit, false, n_changed);
}
