/* lower_expr.c - expression tapes of a leaf.
 *
 * Takes  a leaf, one unroll number after the other.
 * Gives  values of the tape's ops. What does not depend on some unroll digits is computed once for all of them (a tile
 *        of m x n makes m + n loads), what is the same in all lanes is computed as a scalar.
 * Not here: the functions (lower_fn.c).
 */
#include "base_narrow.h"
#include "lower_nest.h"

#include <string.h>

/* What bf16 has, however it is computed in f32: nothing is rounded. The tape knows that of the operands. */
static bool is_brain(const ej_expr *expr, const ej_tape *tape, const ej_expr_op *op)
{
    if (op->kind == EJ_EXPR_CAST) return expr->ops[op->a].dtype == EINJIT_BF16 || expr->ops[op->a].dtype == EINJIT_BOOL;
    if (op->kind == EJ_EXPR_CONST) return ej_dtype_round(EINJIT_BF16, op->re) == op->re;
    if (op->kind != EJ_EXPR_FN || op->dtype != EINJIT_F32) return false;
    switch (op->fn) {
    case EJ_FN_RELU:
    case EJ_FN_ABS:
    case EJ_FN_NEG: return tape[op->a].brain;
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM: return tape[op->a].brain && tape[op->b].brain;
    case EJ_FN_WHERE: return tape[op->b].brain && tape[op->c].brain;
    default: return false;
    }
}

ej_tape *ej_tape_new(ej_leaf *leaf)
{
    const ej_expr *expr = &leaf->node->expr;
    ej_tape *tape = EJ_LOWER_NEW(leaf->w, ej_tape, expr->n);
    if (!tape) return NULL;
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        if (op->kind == EJ_EXPR_SOURCE) {
            tape[i].set = leaf->src[op->a].set;
            tape[i].fresh = leaf->node->src[op->a].buffer == leaf->node->dst.buffer;
        }
        for (int32_t k = 0; k < ej_op_arity(op); k++) {
            const ej_tape *operand = &tape[ej_op_operand(op, k)];
            tape[i].set |= operand->set;
            tape[i].fresh = tape[i].fresh || operand->fresh;
        }
        tape[i].brain = is_brain(expr, tape, op);
        tape[i].memo = EJ_LOWER_NEW(leaf->w, ej_operand, ej_leaf_count(leaf, tape[i].set));
        if (!tape[i].memo) return NULL;
    }
    return tape;
}

static LLVMValueRef spread(ej_lower *w, LLVMValueRef scalar, int32_t lanes)
{
    ej_spreads *s = &w->spreads;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->builder);
    if (s->block != here) *s = (ej_spreads){.block = here};
    for (uint32_t i = 0; i < s->n && i < EJ_SPREADS; i++)
        if (s->made[i].scalar == scalar && s->made[i].lanes == lanes) return s->made[i].vector;
    LLVMValueRef vector = ej_splat(w->e, scalar, lanes, "");
    uint32_t at = s->n++ % EJ_SPREADS;
    s->made[at].scalar = scalar;
    s->made[at].vector = vector;
    s->made[at].lanes = lanes;
    return vector;
}

ej_vec ej_operand_spread(ej_lower *w, ej_operand a, int32_t lanes)
{
    if (a.lanes == lanes) return a.v;
    return (ej_vec){spread(w, a.v.re, lanes), a.v.im ? spread(w, a.v.im, lanes) : NULL};
}

/* ---- sources ---- */

bool ej_leaf_elems(ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes *lanes, int32_t *elems)
{
    ej_offsets o;
    ej_offsets_of(leaf, access, lanes, 0, &o);
    bool ok = access->at->fixed && !access->opaque;
    for (int32_t l = 0; l < lanes->n; l++) {
        int64_t elem = access->at->offset + o.c[l];
        elems[l] = o.valid >> l & 1 ? (int32_t)elem : -1;
        if (o.valid >> l & 1) ok = ok && elem >= 0 && elem <= INT32_MAX;
    }
    if (!ok)
        ej_lower_fail(leaf->w, EINJIT_E_INTERNAL, "nest '%s': an access to register buffer '%s' is not constant",
                      leaf->w->nest->name, access->buffer->name ? access->buffer->name : "?");
    return ok;
}

static ej_operand load_registers(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    int32_t elems[EJ_LANES_MAX], one = -1, buffer = access->at->access->buffer;
    bool same = true;
    if (!ej_leaf_elems(leaf, access, lanes, elems))
        return (ej_operand){ej_lower_neutral(w, EINJIT_REDUCE_SUM, access->buffer->dtype, 1), 1};
    for (int32_t l = 0; l < lanes->n; l++) {
        if (elems[l] < 0) continue;
        if (one < 0) one = elems[l];
        same = same && elems[l] == one;
    }
    if (same) return (ej_operand){ej_reg_read(w, &w->regs, buffer, 1, &one), 1};
    return (ej_operand){ej_reg_read(w, &w->regs, buffer, lanes->n, elems), lanes->n};
}

ej_operand ej_leaf_source(ej_leaf *leaf, int32_t source, const ej_lanes *lanes)
{
    ej_leaf_access *access = &leaf->src[source];
    return access->buffer->home == EJ_HOME_REG ? load_registers(leaf, access, lanes)
                                               : ej_lower_load(leaf, access, lanes);
}

/* ---- ops ---- */

static bool differs_in_lanes(const ej_leaf *leaf, uint32_t set)
{
    for (int32_t d = 0; d < leaf->n_digits; d++)
        if (leaf->digits[d].lane && (set >> leaf->digits[d].axis & 1)) return true;
    return false;
}

static ej_operand run_fn(ej_leaf *leaf, const ej_tape *tape, int32_t i)
{
    ej_lower *w = leaf->w;
    const ej_expr_op *op = &leaf->node->expr.ops[i];
    const ej_expr_op *ops = leaf->node->expr.ops;
    const int32_t operands[3] = {op->a, op->b, op->c};
    ej_vec v[3] = {{NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    int32_t n = ej_fns[op->fn].arity, lanes = 1;
    for (int32_t k = 0; k < n; k++)
        if (tape[operands[k]].now.lanes > lanes) lanes = tape[operands[k]].now.lanes;
    /* The one lane that is left at an end is a vector, too: there is a function for these already. */
    if (ej_fn_is_called(op->fn) && differs_in_lanes(leaf, tape[i].set)) lanes = leaf->width;
    for (int32_t k = 0; k < n; k++) v[k] = ej_operand_spread(w, tape[operands[k]].now, lanes);
    int dtype_in = op->fn == EJ_FN_WHERE ? op->dtype : ops[op->a].dtype;
    return (ej_operand){ej_lower_fn(w->e, op->fn, dtype_in, op->dtype, lanes, v[0], v[1], v[2]), lanes};
}

static ej_operand run_cast(ej_leaf *leaf, const ej_tape *tape, const ej_expr_op *op, const ej_lanes *lanes)
{
    ej_emit *e = leaf->w->e;
    ej_operand a = tape[op->a].now;
    int from = leaf->node->expr.ops[op->a].dtype;
    if (from == EINJIT_BF16 && op->dtype == EINJIT_F32 && a.lanes == 1 && lanes->n > 1)
        return (ej_operand){{ej_lower_spread_brain(e, lanes->n, a.v.re), NULL}, lanes->n};
    if (from == EINJIT_F32 && op->dtype == EINJIT_BF16 && tape[op->a].brain)
        return (ej_operand){{ej_lower_cut_brain(e, a.lanes, a.v.re), NULL}, a.lanes};
    return (ej_operand){ej_lower_cast(e, from, op->dtype, a.lanes, a.v), a.lanes};
}

static ej_operand run_op(ej_leaf *leaf, const ej_tape *tape, int32_t i, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    const ej_expr_op *op = &leaf->node->expr.ops[i];
    switch (op->kind) {
    case EJ_EXPR_SOURCE: return ej_leaf_source(leaf, op->a, lanes);
    case EJ_EXPR_CONST: return (ej_operand){ej_lower_const(w->e, 1, op), 1};
    case EJ_EXPR_CAST: return run_cast(leaf, tape, op, lanes);
    default: return run_fn(leaf, tape, i);
    }
}

void ej_tape_run(ej_leaf *leaf, ej_tape *tape, int32_t n, int32_t unroll, const ej_lanes *lanes)
{
    for (int32_t i = 0; i < n; i++) {
        ej_operand *memo = &tape[i].memo[ej_leaf_index(leaf, unroll, tape[i].set)];
        if (tape[i].fresh || !memo->lanes) *memo = run_op(leaf, tape, i, lanes);
        tape[i].now = *memo;
    }
}
