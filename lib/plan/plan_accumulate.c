/* plan_accumulate.c - sums of einsums: the second is added into the first one's memory, without a temporary.
 *
 * Takes  MAP nodes a + b and a - b over values of the sum's shape.
 * Gives  for those where one operand (the subtrahend, if there is one) is an einsum that nobody else needs, and the
 *        other a value that is computed for this sum alone: that value is written to the sum's place, and the einsum's
 *        step, which waits for its sum, combines its results with what is there. Sums of sums go on in the same memory.
 * Not in compiles whose sums are ordered: the product's last factor and the sum would round as one.
 * Not here: sums that go on as pointwise operations, and those of a pointwise operand: the last product ends with them
 *        and reads the rest (plan_extend.c).
 * Keeps  sums whose zeros' signs count: -0.0 and products that are -0.0 add up to -0.0 in place, and to 0.0 apart;
 *        operands that turn out to be views of something else (a permuted input): those are added as usual.
 */
#include "plan_core.h"

static bool is_for(const ej_planner *p, ej_value v, ej_value sum)
{
    const ej_plan_value *value = &p->values[v];
    const ej_bound_node *node = &p->bound->nodes[v], *of = &p->bound->nodes[sum];
    return value->user == sum && value->uses == 1 && !value->is_output && node->dtype == of->dtype &&
           ej_plan_same_shape(node, of);
}

/* Writes all of its value in a step; a map does it as the end of one, or as a part of the next. */
static bool computes(const ej_bound_node *node)
{
    return node->op == EJ_OP_EINSUM || node->op == EJ_OP_MAP || node->op == EJ_OP_REDUCE || node->op == EJ_OP_INDEX_ADD;
}

static bool is_sum_of_products(const ej_bound_node *node)
{
    return node->op == EJ_OP_EINSUM && node->fn == EINJIT_REDUCE_SUM && node->combine == EINJIT_COMBINE_MUL &&
           node->n_in > 1 && !ej_plan_is_pointwise(node);
}

/* The operand that may be added to the other one where that lies; -1: none. */
static ej_value last_of(const ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    bool adds = node->fn == EJ_FN_ADD, subtracts = node->fn == EJ_FN_SUB;
    if (node->op != EJ_OP_MAP || !(adds || subtracts) || node->dtype == EINJIT_BOOL || p->zeros[v]) return -1;
    for (uint32_t i = 2; i-- > subtracts;) {
        ej_value last = node->in[i], first = node->in[1 - i];
        if (is_for(p, last, v) && is_for(p, first, v) && is_sum_of_products(&p->bound->nodes[last]) &&
            computes(&p->bound->nodes[first]))
            return last;
    }
    return -1;
}

/* Nobody goes on with it element for element, but a sum that goes on in the same memory. */
static bool ends(const ej_planner *p, ej_value v)
{
    ej_value user = p->values[v].user;
    if (user < 0) return true;
    const ej_bound_node *node = &p->bound->nodes[user];
    if (!ej_plan_is_pointwise(node) || !ej_plan_same_shape(&p->bound->nodes[v], node)) return true;
    return ej_plan_first_of_sum(p, user) == v;
}

void ej_plan_find_sums(ej_planner *p)
{
    size_t n = p->bound->n_nodes;
    if (EJ_HELD(p->job->ordered, ADDED_EINSUM) || EJ_LEFT_OUT(ADD_IN_PLACE)) return;
    for (size_t v = n; v-- > 0;)
        if (p->values[v].live && ends(p, (ej_value)v)) p->values[v].added = last_of(p, (ej_value)v);
    for (size_t v = 0; v < n; v++) {
        ej_plan_value *value = &p->values[v];
        ej_value first = ej_plan_first_of_sum(p, (ej_value)v);
        if (first < 0) continue;
        bool ended = ej_plan_is_pointwise(&p->bound->nodes[first]) && p->values[first].added < 0;
        if (ended) value->added = -1; /* by the last product */
        else p->values[value->added].waits = true;
    }
}

ej_value ej_plan_first_of_sum(const ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    if (node->op != EJ_OP_MAP || p->values[v].added < 0) return -1;
    return node->in[node->in[0] == p->values[v].added];
}

int ej_plan_sum(ej_planner *p, ej_value v, bool *done)
{
    ej_value first = ej_plan_first_of_sum(p, v), product = p->values[v].added;
    ej_plan_value *value = &p->values[v], *last = &p->values[product];
    ej_view into;
    last->waits = false;
    EJ_TRY(ej_plan_view(p, first, &into));
    *done = p->values[first].owned;
    if (*done) {
        last->accumulates = true;
        last->negated = p->bound->nodes[v].fn == EJ_FN_SUB;
        last->has_place = true;
        last->place = into;
    }
    EJ_TRY(ej_plan_einsum(p, product));
    if (!*done) return EINJIT_OK;
    ej_plan_written(p, v, &into, -1, NULL);
    value->owned = true;
    p->values[first].kind = last->kind = EJ_VALUE_NONE; /* they are the sum now */
    return EINJIT_OK;
}
