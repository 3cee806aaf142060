/* schedule_map.c - an expression in two: what it makes of one source alone, and the rest.
 *
 *     mul(exp(s0), s1)  by source 0      ->  exp(s0)       and  mul(s0, s1)
 *
 * Takes  the expression of a statement and a source of it.
 * Gives  the map, in which that source is number 0, and the rest, which has the map's result in its place. Where the
 *        rest needs more than one value made of the source, or one of another dtype than the source is computed in,
 *        the map is the source itself.
 */
#include "schedule.h"

enum { READS_SOURCE = 1, READS_OTHERS = 2 };

static int32_t arity(const ej_expr_op *op)
{
    return op->kind == EJ_EXPR_FN ? ej_fns[op->fn].arity : op->kind == EJ_EXPR_CAST;
}

static int32_t operand(const ej_expr_op *op, int32_t k)
{
    return k == 0 ? op->a : k == 1 ? op->b : op->c;
}

/* The largest op over the source alone that the rest of the expression uses; -1: there are several, or none. */
static int32_t top_of(const ej_expr *expr, int32_t source, uint8_t *reads)
{
    int32_t top = -1;
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        reads[i] = op->kind != EJ_EXPR_SOURCE ? 0 : op->a == source ? READS_SOURCE : READS_OTHERS;
        for (int32_t k = 0; k < arity(op); k++) reads[i] |= reads[operand(op, k)];
        for (int32_t k = 0; k < arity(op) && reads[i] & READS_OTHERS; k++) {
            int32_t from = operand(op, k);
            if (reads[from] != READS_SOURCE || from == top) continue;
            if (top >= 0) return -1;
            top = from;
        }
    }
    return reads[expr->n - 1] == READS_SOURCE ? -1 : top;
}

/* Copies op `last` and the ops that it needs, with source `source` instead of op `cut` (-1: none). */
static void take(const ej_expr *expr, int32_t last, int32_t cut, int32_t source, bool *needed, int32_t *renamed,
                 ej_expr *out)
{
    for (int32_t i = 0; i < expr->n; i++) needed[i] = i == last;
    for (int32_t i = last; i >= 0; i--)
        for (int32_t k = 0; needed[i] && i != cut && k < arity(&expr->ops[i]); k++)
            needed[operand(&expr->ops[i], k)] = true;
    out->n = 0;
    for (int32_t i = 0; i <= last; i++) {
        ej_expr_op op = expr->ops[i];
        if (!needed[i]) continue;
        if (i == cut) op = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = op.dtype, .a = source};
        int32_t n = i == cut ? 0 : arity(&op);
        if (n > 0) op.a = renamed[op.a];
        if (n > 1) op.b = renamed[op.b];
        if (n > 2) op.c = renamed[op.c];
        renamed[i] = out->n;
        out->ops[out->n++] = op;
    }
}

bool ej_expr_split(ej_arena *arena, const ej_expr *expr, int32_t source, int dtype, ej_expr *map, ej_expr *rest)
{
    size_t n = (size_t)expr->n;
    uint8_t *reads = EJ_NEW_ARRAY(arena, uint8_t, n);
    bool *needed = EJ_NEW_ARRAY(arena, bool, n);
    int32_t *renamed = EJ_NEW_ARRAY(arena, int32_t, n);
    *map = (ej_expr){1, EJ_NEW_ARRAY(arena, ej_expr_op, n)};
    *rest = (ej_expr){0, EJ_NEW_ARRAY(arena, ej_expr_op, n)};
    if (!reads || !needed || !renamed || !map->ops || !rest->ops) return false;
    int32_t top = top_of(expr, source, reads);
    if (top < 0 || expr->ops[top].dtype != ej_dtypes[dtype].computes) {
        map->ops[0] = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype};
        *rest = *expr;
        return true;
    }
    take(expr, top, -1, 0, needed, renamed, map);
    for (int32_t i = 0; i < map->n; i++)
        if (map->ops[i].kind == EJ_EXPR_SOURCE) map->ops[i].a = 0;
    take(expr, expr->n - 1, top, source, needed, renamed, rest);
    return true;
}
