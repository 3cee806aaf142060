/* schedule_map.c - expressions taken apart: what one makes of one source alone, and the rest; an epilogue for sums in
 * parts.
 *
 *     mul(exp(s0), s1)  by source 0      ->  exp(s0)       and  mul(s0, s1)
 *     relu(2 s0 + s1)                    ->  2 s0 + s1,  2 s0,  relu(s0)
 *
 * Takes  the expression of a statement and a source of it; or an epilogue, of which source 0 is the sum.
 * Gives  the map, in which that source is number 0, and the rest, which has the map's result in its place. Where the
 *        rest needs more than one value made of the source, or one of another dtype than the source is computed in,
 *        the map is the source itself. Of an epilogue what the first part of the sum becomes, what is added of the
 *        later ones, and what becomes of the result in the end.
 */
#include "schedule.h"

#include <string.h>

enum { READS_SOURCE = 1, READS_OTHERS = 2 };

/* The largest op over the source alone that the rest of the expression uses; -1: there are several, or none. */
static int32_t top_of(const ej_expr *expr, int32_t source, uint8_t *reads)
{
    int32_t top = -1;
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        reads[i] = op->kind != EJ_EXPR_SOURCE ? 0 : op->a == source ? READS_SOURCE : READS_OTHERS;
        for (int32_t k = 0; k < ej_op_arity(op); k++) reads[i] |= reads[ej_op_operand(op, k)];
        for (int32_t k = 0; k < ej_op_arity(op) && reads[i] & READS_OTHERS; k++) {
            int32_t from = ej_op_operand(op, k);
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
        for (int32_t k = 0; needed[i] && i != cut && k < ej_op_arity(&expr->ops[i]); k++)
            needed[ej_op_operand(&expr->ops[i], k)] = true;
    out->n = 0;
    for (int32_t i = 0; i <= last; i++) {
        ej_expr_op op = expr->ops[i];
        if (!needed[i]) continue;
        if (i == cut) op = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = op.dtype, .a = source};
        int32_t n = i == cut ? 0 : ej_op_arity(&op);
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

/* ---- epilogues ---- */

typedef struct cutter {
    bool *needed;
    int32_t *renamed;
    ej_arena *arena;
} cutter;

static bool take_new(const cutter *c, const ej_expr *expr, int32_t last, int32_t cut, ej_expr *out)
{
    out->ops = EJ_NEW_ARRAY(c->arena, ej_expr_op, (size_t)expr->n);
    if (out->ops) take(expr, last, cut, 0, c->needed, c->renamed, out);
    return out->ops;
}

/* a * value instead of a * value + b, up to op `last`, which is the result then. */
static bool drop_summands(const ej_affine *affine, const ej_expr *epilogue, ej_expr *out, int32_t *last,
                          ej_arena *arena)
{
    int32_t *is = EJ_NEW_ARRAY(arena, int32_t, (size_t)epilogue->n); /* by op: which one it became */
    *out = (ej_expr){epilogue->n, EJ_NEW_ARRAY(arena, ej_expr_op, (size_t)epilogue->n)};
    if (!is || !out->ops) return false;
    for (int32_t i = 0; i <= affine->top; i++) {
        int32_t summand = ej_affine_summand(affine, epilogue, i), n = ej_op_arity(&epilogue->ops[i]);
        ej_expr_op *op = &out->ops[i];
        *op = epilogue->ops[i];
        is[i] = i;
        if (n > 0) op->a = is[op->a];
        if (n > 1) op->b = is[op->b];
        if (n > 2) op->c = is[op->c];
        if (summand < 0) continue;
        bool turns = op->fn == EJ_FN_SUB && summand == epilogue->ops[i].a;
        if (turns) *op = (ej_expr_op){.kind = EJ_EXPR_FN, .fn = EJ_FN_NEG, .dtype = op->dtype, .a = op->b};
        else is[i] = op->fn == EJ_FN_ADD && summand == epilogue->ops[i].a ? op->b : op->a;
    }
    *last = is[affine->top];
    return true;
}

bool ej_expr_in_parts(ej_arena *arena, const ej_expr *epilogue, int reduce, ej_expr_parts *out)
{
    cutter c = {EJ_NEW_ARRAY(arena, bool, (size_t)epilogue->n), EJ_NEW_ARRAY(arena, int32_t, (size_t)epilogue->n),
                arena};
    ej_affine affine;
    ej_expr scaled;
    int32_t last;
    *out = (ej_expr_parts){0};
    if (!c.needed || !c.renamed || ej_affine_find(&affine, epilogue, reduce, arena)) return false;
    if (!take_new(&c, epilogue, affine.top, -1, &out->first) ||
        !drop_summands(&affine, epilogue, &scaled, &last, arena) || !take_new(&c, &scaled, last, -1, &out->later))
        return false;
    return affine.top == epilogue->n - 1 || take_new(&c, epilogue, epilogue->n - 1, affine.top, &out->rest);
}

int32_t ej_expr_sources(ej_expr *expr, int32_t n_all, const ej_access *all, ej_access *out)
{
    int32_t n = 0;
    for (int32_t s = 0; s < n_all; s++) {
        bool used = false;
        for (int32_t i = 0; i < expr->n; i++) {
            ej_expr_op *op = &expr->ops[i];
            if (op->kind != EJ_EXPR_SOURCE || op->a != s) continue;
            op->a = n; /* no more than s: those still to be looked at are larger */
            used = true;
        }
        if (used) out[n++] = all[s];
    }
    return n;
}
