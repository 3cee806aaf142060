/* plan_place.c - where values are to be written, so that nothing is copied at the end.
 *
 * Takes  the bound graph with its uses.
 * Gives  places: an output's producer writes into the output, a cat's operands into their part of the cat. Permutations
 *        and reshapes hand their place on to what they permute. A place is a wish: whoever cannot keep it leaves the
 *        copy to the user.
 */
#include "plan_core.h"

/* Nodes that write their value themselves, or hand the place on. */
static bool takes_place(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    if (value->has_place) return false;
    switch (p->bound->nodes[v].op) {
    case EJ_OP_EINSUM:
    case EJ_OP_MAP:
    case EJ_OP_CAST:
    case EJ_OP_REDUCE:
    case EJ_OP_CAT:
    case EJ_OP_INDEX_ADD:
    case EJ_OP_PERMUTE:
    case EJ_OP_RESHAPE: return true;
    default: return false;
    }
}

static void give_place(ej_planner *p, ej_value v, const ej_view *place)
{
    p->values[v].has_place = true;
    p->values[v].place = *place;
}

static int give_outputs(ej_planner *p)
{
    const ej_bound *bound = p->bound;
    for (size_t o = 0; o < bound->n_outputs; o++) {
        const ej_bound_tensor *tensor = &bound->output_tensors[o];
        ej_view view;
        if (!takes_place(p, bound->outputs[o])) continue;
        EJ_TRY(ej_view_new(p, tensor->rank, &view));
        view.buffer = (int32_t)(bound->n_inputs + o);
        for (int32_t i = 0; i < tensor->rank; i++) view.axes[i].stride = tensor->strides[i];
        give_place(p, bound->outputs[o], &view);
    }
    return EINJIT_OK;
}

static bool used_once(const ej_planner *p, ej_value v)
{
    return p->values[v].user >= 0 && p->values[v].uses == 1 && takes_place(p, v);
}

static int hand_on_layout(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_value operand = node->in[0];
    const ej_bound_node *old = &p->bound->nodes[operand];
    ej_view view;
    bool done = true;
    if (!p->values[v].has_place || !used_once(p, operand)) return EINJIT_OK;
    if (node->op == EJ_OP_PERMUTE) EJ_TRY(ej_view_permute(p, &p->values[v].place, node->dims, true, &view));
    else EJ_TRY(ej_view_reshape(p, &p->values[v].place, node->shape, old->rank, old->shape, &view, &done));
    if (done) give_place(p, operand, &view);
    return EINJIT_OK;
}

/* A sum that is written in one place: its first operand is written there. */
static void hand_on_sum(ej_planner *p, ej_value v)
{
    ej_value first = ej_plan_first_of_sum(p, v);
    if (first >= 0 && p->values[v].has_place && used_once(p, first)) give_place(p, first, &p->values[v].place);
}

static int hand_on_cat(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_plan_value *value = &p->values[v];
    ej_size *starts = EJ_JOB_ARRAY(p->job, ej_size, (size_t)node->rank);
    if (!starts) return ej_no_memory(p->job->err);
    if (!value->has_place) {
        EJ_TRY(ej_plan_scratch_view(p, node->name, node->dtype, node->rank, node->shape, &value->place));
        value->has_place = true;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        const ej_bound_node *part = &p->bound->nodes[node->in[i]];
        ej_view view;
        EJ_TRY(ej_view_slice(p, &value->place, starts, NULL, &view));
        if (used_once(p, node->in[i])) give_place(p, node->in[i], &view);
        EJ_TRY(ej_size_add(p->sizes, starts[node->dims[0]], part->shape[node->dims[0]], &starts[node->dims[0]],
                           p->job->err));
    }
    return EINJIT_OK;
}

int ej_plan_places(ej_planner *p)
{
    EJ_TRY(give_outputs(p));
    for (size_t v = p->bound->n_nodes; v-- > 0;) {
        if (!p->values[v].live) continue;
        int op = p->bound->nodes[v].op;
        if (op == EJ_OP_PERMUTE || op == EJ_OP_RESHAPE) EJ_TRY(hand_on_layout(p, (ej_value)v));
        else if (op == EJ_OP_CAT) EJ_TRY(hand_on_cat(p, (ej_value)v));
        else if (op == EJ_OP_MAP) hand_on_sum(p, (ej_value)v);
    }
    return EINJIT_OK;
}
