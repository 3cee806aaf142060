/* opt_fuse_gain.c - where merging has something to gain.
 *
 * Takes  the graph's nodes as einsums.
 * Gives  which of them an einsum should take in, and which may start.
 *
 * What is gained is freedom of the path: a product that is contracted in another order, or not written out. A pointwise
 * product all of whose operands have all its axes leaves no freedom: multiplying first is as cheap as any other order,
 * and pointwise chains are one step of a plan. So products, and sums over pointwise values, are wanted only where an
 * operand lacks an axis, or is an einsum itself. Layout costs nothing on either side.
 */
#include "opt_fuse.h"

/* Used here and nowhere else, and an einsum. */
static bool is_candidate(const ej_fuse *f, ej_value v)
{
    return f->forms[v].equation && f->uses[v] == 1;
}

static bool is_wanted(const ej_fuse *f, ej_value v)
{
    return is_candidate(f, v) && f->wanted[v];
}

/* An expand that only this user has: its operand lacks the axes. */
static bool is_stretched(const ej_fuse *f, ej_value x)
{
    const int32_t *needs = f->forms[x].needs;
    if (!needs || !is_candidate(f, x)) return false;
    for (int32_t i = 0; i < f->facts.shapes->of[x].rank; i++)
        if (needs[i] >= 0) return true;
    return false;
}

/* Has x all axes of its user v? Where that is not known: yes. */
static bool covers(const ej_fuse *f, ej_value x, ej_value v)
{
    if (is_stretched(f, x)) return false;
    const ej_known_shapes *shapes = f->facts.shapes;
    const ej_known_shape *from = &shapes->of[x], *to = &shapes->of[v];
    if (from->rank < 0 || to->rank < 0) return true;
    if (from->rank < to->rank) return false;
    for (int32_t i = 0; i < to->rank; i++)
        if (ej_extent_number(shapes, from->extents[i]) == 1 && ej_extent_number(shapes, to->extents[i]) != 1)
            return false;
    return true;
}

static bool wants_product(const ej_fuse *f, ej_value v)
{
    const ej_einsum_form *form = &f->forms[v];
    bool any = false;
    for (uint32_t i = 0; i < form->n_in && !form->twice; i++)
        any = any || is_wanted(f, form->in[i]) || !covers(f, form->in[i], v);
    return any;
}

/* A sum over a pointwise value is one step with it. */
static bool wants_sum(const ej_fuse *f, ej_value x)
{
    if (is_wanted(f, x)) return true;
    int op = f->graph->nodes[x].op;
    bool pointwise = op == EJ_OP_MAP || op == EJ_OP_CAST || op == EJ_OP_SOFTMAX || op == EJ_OP_LAYER_NORM;
    return !pointwise || f->uses[x] > 1;
}

void ej_fuse_weigh(ej_fuse *f)
{
    for (size_t v = 0; v < f->graph->n_nodes; v++) {
        const ej_node *node = &f->graph->nodes[v];
        if (!f->forms[v].equation) continue;
        if (ej_is_contraction(node) || EJ_LEFT_OUT(FUSE_GAIN)) f->wanted[v] = true;
        else if (node->op == EJ_OP_MAP) f->wanted[v] = wants_product(f, (ej_value)v);
        else if (node->op == EJ_OP_REDUCE) f->wanted[v] = wants_sum(f, node->in[0]);
        else f->wanted[v] = is_wanted(f, node->in[0]);
    }
}

bool ej_fuse_may_take(const ej_fuse *f, ej_value v)
{
    return is_candidate(f, v) && (f->wanted[v] || !f->forms[v].computes);
}

/* c in E(...) * c: with all axes of the product it is best multiplied last. */
static bool product_gains(const ej_fuse *f, ej_value v)
{
    const ej_einsum_form *form = &f->forms[v];
    bool any = false, all = !form->twice;
    for (uint32_t i = 0; i < form->n_in; i++) {
        any = any || is_wanted(f, form->in[i]);
        all = all && (is_wanted(f, form->in[i]) || !covers(f, form->in[i], v));
    }
    return any && all;
}

bool ej_fuse_is_root(const ej_fuse *f, ej_value v)
{
    const ej_node *node = &f->graph->nodes[v];
    if (!f->forms[v].equation || f->gone[v] || f->idle[v]) return false;
    switch (node->op) {
    case EJ_OP_EINSUM:
    case EJ_OP_MATMUL:
    case EJ_OP_TENSORDOT:
        for (uint32_t i = 0; i < node->n_in; i++)
            if (ej_fuse_may_take(f, node->in[i])) return true;
        return false;
    case EJ_OP_REDUCE:
    case EJ_OP_PERMUTE:
    case EJ_OP_TRANSPOSE: return is_wanted(f, node->in[0]);
    case EJ_OP_MAP: return product_gains(f, v);
    default: return false;
    }
}

bool ej_fuse_may_start(const ej_fuse *f, ej_value v, ej_value seen_through)
{
    const ej_node *node = &f->graph->nodes[v];
    const ej_einsum_form *form = &f->forms[v];
    if (ej_is_contraction(node) || node->op == EJ_OP_REDUCE) return true;
    if (!f->forms[f->graph->nodes[seen_through].in[0]].contracts) return false;
    if (node->op != EJ_OP_MAP) return node->op == EJ_OP_PERMUTE || node->op == EJ_OP_TRANSPOSE;
    for (uint32_t i = 0; i < form->n_in; i++)
        if (form->in[i] != seen_through && !is_wanted(f, form->in[i]) && covers(f, form->in[i], v)) return false;
    return !form->twice;
}

bool ej_fuse_gains(const ej_fuse *f)
{
    bool contracts = f->forms[f->root].contracts;
    for (size_t i = 0; i < f->n_merged && !contracts; i++) contracts = f->forms[f->merged[i]].contracts;
    return f->n_merged && contracts;
}
