/* plan_tape.c - scalar expressions while they grow, and the neutral elements of reductions. */
#include <string.h>

#include "plan_core.h"

int ej_tape_op(ej_planner *p, ej_plan_tape *tape, ej_expr_op op, int32_t *out)
{
    if (!EJ_PUSH_ROOM(p->job->arena, tape->ops, tape->cap_ops, tape->n_ops)) return ej_no_memory(p->job->err);
    *out = (int32_t)tape->n_ops;
    tape->ops[tape->n_ops++] = op;
    return EINJIT_OK;
}

int ej_tape_source(ej_planner *p, ej_plan_tape *tape, const ej_view *view, int dtype, int32_t *out)
{
    bool small = tape->n_ops <= EJ_TAPE_OPS; /* an einsum over thousands of operands is not searched each time */
    for (size_t i = 0; small && i < tape->n_ops; i++) {
        const ej_expr_op *op = &tape->ops[i];
        if (op->kind != EJ_EXPR_SOURCE || !ej_view_same(&tape->src[op->a].view, view, NULL)) continue;
        *out = (int32_t)i;
        return EINJIT_OK;
    }
    if (!EJ_PUSH_ROOM(p->job->arena, tape->src, tape->cap_src, tape->n_src)) return ej_no_memory(p->job->err);
    tape->src[tape->n_src] = (ej_tape_view){.view = *view, .whole = -1};
    int32_t source = (int32_t)tape->n_src++;
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype, .a = source}, out);
}

void ej_tape_whole(ej_plan_tape *tape, int32_t op, ej_value whole)
{
    if (whole >= 0) tape->src[tape->ops[op].a].whole = whole;
}

int ej_tape_fn(ej_planner *p, ej_plan_tape *tape, int fn, int dtype, int32_t a, int32_t b, int32_t *out)
{
    const ej_expr_op op = {.kind = EJ_EXPR_FN, .fn = (uint8_t)fn, .dtype = (int16_t)dtype, .a = a, .b = b};
    return ej_tape_op(p, tape, op, out);
}

int ej_tape_cast(ej_planner *p, ej_plan_tape *tape, int dtype, int32_t a, int32_t *out)
{
    *out = a;
    if (tape->ops[a].dtype == dtype) return EINJIT_OK;
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_CAST, .dtype = (int16_t)dtype, .a = a}, out);
}

int ej_tape_integer(ej_planner *p, ej_plan_tape *tape, int dtype, int64_t value, int32_t *out)
{
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_CONST, .dtype = (int16_t)dtype, .integer = value}, out);
}

/* An op that computes the same: common subexpressions are computed once. */
static bool known(const ej_plan_tape *tape, const ej_expr_op *op, int32_t *out)
{
    for (size_t i = 0; i < tape->n_ops && tape->n_ops <= EJ_TAPE_OPS; i++) {
        const ej_expr_op *x = &tape->ops[i];
        if (x->kind != op->kind || x->fn != op->fn || x->dtype != op->dtype || x->a != op->a || x->b != op->b ||
            x->c != op->c || x->integer != op->integer || memcmp(&x->re, &op->re, sizeof op->re) ||
            memcmp(&x->im, &op->im, sizeof op->im))
            continue;
        *out = (int32_t)i;
        return true;
    }
    return false;
}

int ej_tape_append(ej_planner *p, ej_plan_tape *tape, const ej_plan_tape *inner, bool only, int32_t *out)
{
    if (!tape->n_ops && only) { /* it is carried on, or long chains would be copied again and again */
        *tape = *inner;
        *out = (int32_t)tape->n_ops - 1;
        return EINJIT_OK;
    }
    int32_t *renamed = EJ_JOB_ARRAY(p->job, int32_t, inner->n_ops);
    if (!renamed) return ej_no_memory(p->job->err);
    for (size_t i = 0; i < inner->n_ops; i++) {
        ej_expr_op op = inner->ops[i];
        if (op.kind == EJ_EXPR_SOURCE) {
            const ej_tape_view *from = &inner->src[op.a];
            EJ_TRY(ej_tape_source(p, tape, &from->view, op.dtype, &renamed[i]));
            ej_tape_whole(tape, renamed[i], from->whole);
            continue;
        }
        if (op.kind != EJ_EXPR_CONST) {
            op.a = renamed[op.a];
            op.b = renamed[op.b];
            op.c = renamed[op.c];
        }
        if (!known(tape, &op, &renamed[i])) EJ_TRY(ej_tape_op(p, tape, op, &renamed[i]));
    }
    *out = renamed[inner->n_ops - 1];
    return EINJIT_OK;
}

ej_expr_op ej_reduce_neutral(int reduce, int dtype)
{
    ej_expr_op op = {.kind = EJ_EXPR_CONST, .dtype = (int16_t)dtype};
    bool highest = reduce == EINJIT_REDUCE_MIN, lowest = reduce == EINJIT_REDUCE_MAX;
    if (reduce == EINJIT_REDUCE_PROD) op.re = 1, op.integer = 1;
    if (!highest && !lowest) return op;
    if (ej_dtypes[dtype].kind <= EJ_KIND_INT) op.integer = highest ? ej_dtype_highest(dtype) : ej_dtype_lowest(dtype);
    else op.re = highest ? (double)INFINITY : -(double)INFINITY;
    return op;
}
