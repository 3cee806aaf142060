/* bind_choose.c - one value computed in several ways, some of them only right when extents are equal.
 *
 * Takes  alternatives, and guards: axis p of x has the same extent as axis q of y.
 * Gives  CHOOSE over the alternatives whose guards hold; or the first one alone, when no other is left.
 * Keeps  what stays open: extents are equal when their expressions are, and no symbol is closed for a guard.
 *        Alternatives whose guards do not hold are never bound, so they may be anything; the others must be the same
 *        value.
 */
#include "bind_core.h"

static bool guard_holds(const ej_binder *b, const ej_node *node, uint32_t g)
{
    ej_size extents[2];
    for (uint32_t side = 0; side < 2; side++) {
        ej_value id = b->values[node->in[node->integer + 2 * g + side]].id;
        int64_t axis = node->dims[3 * g + 1 + side];
        int32_t rank = id < 0 ? 0 : ej_bind_at(b, id)->rank;
        if (axis < -(int64_t)rank || axis >= rank) return false;
        extents[side] = ej_bind_at(b, id)->shape[axis < 0 ? axis + rank : axis];
    }
    return ej_size_same(extents[0], extents[1]);
}

static int look_at_guards(ej_binder *b, ej_value v)
{
    const ej_node *node = &b->graph->nodes[v];
    bool *holds = EJ_NEW_ARRAY(b->arena, bool, (size_t)node->integer);
    if (!holds) return ej_no_memory(b->err);
    for (int64_t k = 0; k < node->integer; k++) holds[k] = true;
    for (uint32_t g = 0; g < node->n_dims / 3; g++)
        if (!guard_holds(b, node, g)) holds[node->dims[3 * g]] = false;
    b->holds[v] = holds;
    return EINJIT_OK;
}

int ej_bind_needed(ej_binder *b, ej_value v, uint32_t seen, ej_value *operand, bool *skip)
{
    const ej_node *node = &b->graph->nodes[v];
    *skip = false;
    *operand = -1;
    if (seen >= node->n_in) return EINJIT_OK;
    *operand = node->in[seen];
    if (node->op != EJ_OP_CHOOSE || !seen) return EINJIT_OK;
    uint32_t n = (uint32_t)node->integer, n_guarding = node->n_in - n;
    if (seen <= n_guarding) {
        *operand = node->in[n + seen - 1];
        return EINJIT_OK;
    }
    if (!b->holds[v]) EJ_TRY(look_at_guards(b, v));
    *operand = node->in[seen - n_guarding];
    *skip = !b->holds[v][seen - n_guarding];
    return EINJIT_OK;
}

/* *usable: its extents are those of the first also where they are open. */
static int check_alternative(ej_binder *b, int64_t k, ej_value first, ej_value other, bool *usable)
{
    const ej_bound_node *x = ej_bind_at(b, first), *y = ej_bind_at(b, other);
    *usable = true;
    if (x->dtype != y->dtype)
        return ej_fail(b->err, EINJIT_E_DTYPE, "choose: alternative %lld is %s and the first is %s", (long long)k,
                       einjit_dtype_name(y->dtype), einjit_dtype_name(x->dtype));
    if (x->rank != y->rank)
        return ej_fail(b->err, EINJIT_E_RANK, "choose: alternative %lld has %d axes and the first has %d", (long long)k,
                       (int)y->rank, (int)x->rank);
    for (int32_t i = 0; i < x->rank; i++) {
        if (x->shape[i].n != y->shape[i].n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "choose: axis %d is %lld in alternative %lld and %lld in the first",
                           (int)i, (long long)y->shape[i].n, (long long)k, (long long)x->shape[i].n);
        *usable &= ej_size_same(x->shape[i], y->shape[i]);
    }
    return EINJIT_OK;
}

static bool is_among(const ej_bound_node *node, ej_value id)
{
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] == id) return true;
    return false;
}

int ej_bind_op_choose(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    const bool *holds = b->holds[node - b->graph->nodes];
    const ej_bind_operand *first = &b->values[node->in[0]];
    *out = *first; /* a number stays one, whose dtype depends on the other operands */
    if (first->id < 0) return EINJIT_OK;
    ej_bound_node made = {.op = EJ_OP_CHOOSE, .dtype = ej_bind_at(b, first->id)->dtype, .n_in = 1};
    made.rank = ej_bind_at(b, first->id)->rank;
    made.in = EJ_NEW_ARRAY(b->arena, ej_value, (size_t)node->integer);
    made.shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)made.rank);
    if (!made.in || !made.shape) return ej_no_memory(b->err);
    made.in[0] = first->id;
    for (int64_t k = 1; k < node->integer; k++) {
        ej_value other;
        bool usable;
        if (!holds[k]) continue;
        EJ_TRY(ej_bind_take_own(b, &b->values[node->in[k]], &other));
        EJ_TRY(check_alternative(b, k, first->id, other, &usable));
        if (usable && !is_among(&made, other)) made.in[made.n_in++] = other;
    }
    for (int32_t i = 0; i < made.rank; i++) made.shape[i] = ej_bind_at(b, first->id)->shape[i];
    return made.n_in > 1 ? ej_bind_node(b, &made, &out->id) : EINJIT_OK;
}
