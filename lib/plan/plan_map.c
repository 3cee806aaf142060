/* plan_map.c - pointwise operations and reductions.
 *
 * Takes  MAP, CAST and REDUCE nodes, their operands planned.
 * Gives  one step per chain: a pointwise value with one user is kept as an expression until that user takes it, and one
 *        that only reads the result of a contraction or reduction becomes the end of that step.
 */
#include <string.h>

#include "plan_core.h"

/* ---- what may wait ---- */

/* Element for element the same, so that taking the expression over computes nothing twice. */
static bool same_elements(const ej_bound_node *inner, const ej_bound_node *outer)
{
    if (inner->rank > outer->rank) return false;
    int32_t shift = outer->rank - inner->rank;
    for (int32_t i = 0; i < outer->rank; i++) {
        ej_size extent = i < shift ? ej_size_number(1) : inner->shape[i - shift];
        if (!ej_size_same(extent, outer->shape[i])) return false;
    }
    return true;
}

static bool is_cast_chain(const ej_tape *tape)
{
    for (size_t i = 1; i < tape->n_ops; i++)
        if (tape->ops[i].kind != EJ_EXPR_CAST) return false;
    return tape->ops[0].kind == EJ_EXPR_SOURCE;
}

/* A sum over it makes one fused multiply-add of the product and the addition. */
static bool ends_in_product(const ej_tape *tape)
{
    const ej_expr_op *last = &tape->ops[tape->n_ops - 1];
    return last->kind == EJ_EXPR_FN && last->fn == EJ_FN_MUL && ej_dtypes[last->dtype].kind >= EJ_KIND_FLOAT;
}

/* May a pointwise value be computed where it is added up? Where bits count, not if it matters whether it is stored first. */
static bool may_be_summed(const ej_planner *p, const ej_plan_value *value)
{
    return !EJ_HELD(p->job->ordered, SUMMED_PRODUCT) || !ends_in_product(value->tape);
}

bool ej_plan_fusable(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    if (value->user < 0 || value->has_place) return false;
    const ej_bound_node *node = &p->bound->nodes[v], *user = &p->bound->nodes[value->user];
    switch (user->op) {
    case EJ_OP_MAP:
    case EJ_OP_CAST: return same_elements(node, user);
    case EJ_OP_REDUCE: return may_be_summed(p, value);
    case EJ_OP_EINSUM: return is_cast_chain(value->tape);
    case EJ_OP_INDEX_ADD: return value->uses == 1 && user->in[1] == v && may_be_summed(p, value);
    default: return false;
    }
}

/* ---- the end of an earlier step ---- */

/* The one operand that is no scalar, if it was just reduced or computed for this node alone. */
static ej_value extended_operand(const ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_value only = -1;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (p->values[node->in[i]].kind == EJ_VALUE_SCALAR || node->in[i] == only) continue;
        if (only >= 0) return -1;
        only = node->in[i];
    }
    if (only < 0) return -1;
    const ej_plan_value *value = &p->values[only];
    if (value->kind != EJ_VALUE_VIEW || value->step < 0 || value->user != v || value->has_place) return -1;
    const ej_bound_node *operand = &p->bound->nodes[only];
    if (operand->rank != node->rank || !same_elements(operand, node)) return -1;
    const ej_step *step = &p->plan->steps[value->step];
    int32_t n = step->epilogue.n ? step->epilogue.n : step->reduce == EJ_REDUCE_NONE ? step->expr.n : 1;
    return step->accumulate || n + 4 > EJ_TAPE_OPS ? -1 : only;
}

static int apply_node(ej_planner *p, ej_tape *tape, const ej_bound_node *node, const int32_t *operands)
{
    ej_expr_op op = {.kind = node->op == EJ_OP_CAST ? EJ_EXPR_CAST : EJ_EXPR_FN, .fn = node->fn, .dtype = node->dtype};
    int32_t at;
    op.a = operands[0];
    if (node->n_in > 1) op.b = operands[1];
    if (node->n_in > 2) op.c = operands[2];
    if (node->op == EJ_OP_CAST) op.fn = 0;
    return ej_tape_op(p, tape, op, &at);
}

static int extend_step(ej_planner *p, ej_value v, ej_value operand)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_plan_value *value = &p->values[operand];
    const ej_step *step = &p->plan->steps[value->step];
    bool moves = step->reduce == EJ_REDUCE_NONE;
    ej_expr old = moves ? step->expr : step->epilogue;
    int32_t at = 0, operands[3] = {0}, step_index = value->step;
    ej_tape tape = {0};
    for (int32_t i = 0; i < old.n; i++) EJ_TRY(ej_tape_op(p, &tape, old.ops[i], &at));
    if (!old.n) {
        ej_expr_op source = {.kind = EJ_EXPR_SOURCE, .dtype = p->bound->nodes[operand].dtype};
        EJ_TRY(ej_tape_op(p, &tape, source, &at));
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        operands[i] = at;
        if (node->in[i] != operand) EJ_TRY(ej_tape_op(p, &tape, p->values[node->in[i]].scalar, &operands[i]));
    }
    EJ_TRY(apply_node(p, &tape, node, operands));
    ej_view out;
    EJ_TRY(ej_plan_destination(p, v, &out));
    ej_step *extended = &p->plan->steps[step_index];
    ej_expr expr = {(int32_t)tape.n_ops, tape.ops};
    if (moves) extended->expr = expr;
    else extended->epilogue = expr;
    extended->out.buffer = out.buffer;
    extended->out.base = out.base;
    extended->out.n_terms = 0;
    for (int32_t i = 0; i < node->rank; i++) {
        if (value->step_axes[i] < 0) continue;
        extended->out.terms[extended->out.n_terms++] =
            (ej_access_term){.axis = value->step_axes[i], .table = -1, .stride = out.axes[i].stride};
    }
    ej_plan_written(p, v, &out, step_index, value->step_axes);
    value->kind = EJ_VALUE_NONE; /* it is nowhere any more */
    return EINJIT_OK;
}

/* ---- pointwise nodes ---- */

/* One operand as an op of the tape, broadcast to the node's shape. */
static int take_operand(ej_planner *p, ej_tape *tape, ej_value operand, const ej_bound_node *node, int32_t *out)
{
    ej_plan_value *value = &p->values[operand];
    const ej_bound_node *from = &p->bound->nodes[operand];
    if (value->kind == EJ_VALUE_SCALAR) return ej_tape_op(p, tape, value->scalar, out);
    if (value->kind == EJ_VALUE_PENDING && from->rank == node->rank && same_elements(from, node) &&
        tape->n_src + value->tape->n_src <= EJ_TAPE_SOURCES && tape->n_ops + value->tape->n_ops < EJ_TAPE_OPS)
        return ej_tape_append(p, tape, value->tape, out);
    ej_view view, wide;
    EJ_TRY(ej_plan_view(p, operand, &view));
    EJ_TRY(ej_view_expand(p, &view, from->shape, node->rank, node->shape, &wide));
    return ej_tape_source(p, tape, &wide, from->dtype, out);
}

static int build_tape(ej_planner *p, ej_value v, ej_tape *tape)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    int32_t operands[3] = {0};
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool known = false;
        for (uint32_t j = 0; j < i && !known; j++)
            if (node->in[j] == node->in[i]) operands[i] = operands[j], known = true;
        if (!known) EJ_TRY(take_operand(p, tape, node->in[i], node, &operands[i]));
    }
    return apply_node(p, tape, node, operands);
}

int ej_plan_map(ej_planner *p, ej_value v)
{
    bool done = false;
    if (p->values[v].added >= 0) EJ_TRY(ej_plan_sum(p, v, &done));
    if (done) return EINJIT_OK;
    ej_value operand = extended_operand(p, v);
    if (operand >= 0) return extend_step(p, v, operand);
    ej_plan_value *value = &p->values[v];
    ej_view view;
    value->tape = EJ_JOB_NEW(p->job, ej_tape);
    if (!value->tape) return ej_no_memory(p->job->err);
    EJ_TRY(build_tape(p, v, value->tape));
    value->kind = EJ_VALUE_PENDING;
    return ej_plan_fusable(p, v) ? EINJIT_OK : ej_plan_view(p, v, &view);
}

/* ---- reductions ---- */

static int bool_reduction(int reduce, int dtype)
{
    if (dtype != EINJIT_BOOL) return reduce;
    return reduce == EINJIT_REDUCE_MIN || reduce == EINJIT_REDUCE_PROD ? EINJIT_REDUCE_MIN : EINJIT_REDUCE_OR;
}

/* Per axis of the operand, whether it is kept. */
static int kept_axes(ej_planner *p, const ej_bound_node *node, int32_t rank, bool **out)
{
    bool *kept = EJ_JOB_ARRAY(p->job, bool, (size_t)rank);
    if (!kept) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < rank; i++) kept[i] = true;
    for (uint32_t i = 0; i < node->n_dims; i++) kept[node->dims[i]] = false;
    *out = kept;
    return EINJIT_OK;
}

int ej_plan_reduce(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v], *from = &p->bound->nodes[node->in[0]];
    ej_tape tape = {0};
    ej_axis *axes;
    ej_view out, wide;
    bool *kept = NULL;
    int32_t at;
    int32_t *map = EJ_JOB_ARRAY(p->job, int32_t, (size_t)from->rank);
    int32_t *step_axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)node->rank);
    if (!map || !step_axes) return ej_no_memory(p->job->err);
    EJ_TRY(take_operand(p, &tape, node->in[0], from, &at));
    EJ_TRY(ej_tape_cast(p, &tape, node->dtype, at, &at));
    EJ_TRY(ej_plan_shape_axes(p, from->rank, from->shape, &axes));
    EJ_TRY(kept_axes(p, node, from->rank, &kept));
    EJ_TRY(ej_plan_destination(p, v, &out));
    EJ_TRY(ej_view_new(p, from->rank, &wide));
    wide.buffer = out.buffer;
    wide.base = out.base;
    for (int32_t i = 0, k = 0; i < from->rank; i++) {
        if (kept[i]) wide.axes[i] = out.axes[k++];
        else axes[i].run = EJ_RUN_REDUCED;
    }
    const ej_emission e = {.name = node->name, .n_axes = from->rank, .axes = axes, .out = &wide, .tape = &tape,
                           .reduce = bool_reduction(node->fn, node->dtype), .step_axes = map};
    EJ_TRY(ej_plan_emit(p, &e));
    for (int32_t i = 0, k = 0; i < from->rank; i++)
        if (kept[i]) step_axes[k++] = map[i];
    ej_plan_written(p, v, &out, (int32_t)p->plan->n_steps - 1, step_axes);
    return EINJIT_OK;
}
