/* plan_tape.c - scalar expressions while they grow, and the neutral elements of reductions. */
#include "plan_core.h"

int ej_tape_op(ej_planner *p, ej_tape *tape, ej_expr_op op, int32_t *out)
{
    if (!EJ_PUSH_ROOM(p->job->arena, tape->ops, tape->cap_ops, tape->n_ops)) return ej_no_memory(p->job->err);
    *out = (int32_t)tape->n_ops;
    tape->ops[tape->n_ops++] = op;
    return EINJIT_OK;
}

int ej_tape_source(ej_planner *p, ej_tape *tape, const ej_view *view, int dtype, int32_t *out)
{
    bool small = tape->n_ops <= EJ_TAPE_OPS; /* an einsum over thousands of operands is not searched each time */
    for (size_t i = 0; small && i < tape->n_ops; i++) {
        const ej_expr_op *op = &tape->ops[i];
        if (op->kind != EJ_EXPR_SOURCE || !ej_view_same(&tape->src[op->a], view, NULL)) continue;
        *out = (int32_t)i;
        return EINJIT_OK;
    }
    if (!EJ_PUSH_ROOM(p->job->arena, tape->src, tape->cap_src, tape->n_src)) return ej_no_memory(p->job->err);
    tape->src[tape->n_src] = *view;
    int32_t source = (int32_t)tape->n_src++;
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype, .a = source}, out);
}

int ej_tape_fn(ej_planner *p, ej_tape *tape, int fn, int dtype, int32_t a, int32_t b, int32_t *out)
{
    const ej_expr_op op = {.kind = EJ_EXPR_FN, .fn = (uint8_t)fn, .dtype = (int16_t)dtype, .a = a, .b = b};
    return ej_tape_op(p, tape, op, out);
}

int ej_tape_cast(ej_planner *p, ej_tape *tape, int dtype, int32_t a, int32_t *out)
{
    *out = a;
    if (tape->ops[a].dtype == dtype) return EINJIT_OK;
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_CAST, .dtype = (int16_t)dtype, .a = a}, out);
}

int ej_tape_integer(ej_planner *p, ej_tape *tape, int dtype, int64_t value, int32_t *out)
{
    return ej_tape_op(p, tape, (ej_expr_op){.kind = EJ_EXPR_CONST, .dtype = (int16_t)dtype, .integer = value}, out);
}

int ej_tape_append(ej_planner *p, ej_tape *tape, const ej_tape *inner, int32_t *out)
{
    if (!tape->n_ops) { /* inner has no other user: it is carried on, or long chains would be copied again and again */
        *tape = *inner;
        *out = (int32_t)tape->n_ops - 1;
        return EINJIT_OK;
    }
    int32_t *renamed = EJ_JOB_ARRAY(p->job, int32_t, inner->n_ops);
    if (!renamed) return ej_no_memory(p->job->err);
    for (size_t i = 0; i < inner->n_ops; i++) {
        ej_expr_op op = inner->ops[i];
        if (op.kind == EJ_EXPR_SOURCE) {
            EJ_TRY(ej_tape_source(p, tape, &inner->src[op.a], op.dtype, &renamed[i]));
            continue;
        }
        if (op.kind != EJ_EXPR_CONST) {
            op.a = renamed[op.a];
            op.b = renamed[op.b];
            op.c = renamed[op.c];
        }
        EJ_TRY(ej_tape_op(p, tape, op, &renamed[i]));
    }
    *out = renamed[inner->n_ops - 1];
    return EINJIT_OK;
}

ej_expr_op ej_reduce_neutral(int reduce, int dtype)
{
    ej_expr_op op = {.kind = EJ_EXPR_CONST, .dtype = (int16_t)dtype};
    int kind = ej_dtypes[dtype].kind;
    bool highest = reduce == EINJIT_REDUCE_MIN, lowest = reduce == EINJIT_REDUCE_MAX;
    if (reduce == EINJIT_REDUCE_PROD) op.re = 1, op.integer = 1;
    if (!highest && !lowest) return op;
    if (kind == EJ_KIND_BOOL) op.integer = highest;
    else if (dtype == EINJIT_I32) op.integer = highest ? INT32_MAX : INT32_MIN;
    else if (dtype == EINJIT_I64) op.integer = highest ? INT64_MAX : INT64_MIN;
    else op.re = highest ? (double)INFINITY : -(double)INFINITY;
    return op;
}
