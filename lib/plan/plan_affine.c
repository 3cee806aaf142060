/* plan_affine.c - epilogues that begin with a * value + b: what sums in parts may take first.
 *
 * Takes  the epilogue of a sum: source 0 is the sum, the others are its tail.
 * Gives  the last op up to which it is affine in the sum, and what of the tail is read for b alone: that may be read
 *        with the first part of the terms, of which out = a * part + b; later parts add a * part to out, and whatever
 *        the epilogue goes on with happens in the end. So it may lie where `out` does.
 * Keeps  integers, which wrap: quotients are no products there. Of other reductions nothing is affine.
 */
#include "plan.h"

/* The only op that uses op `i`, once; -1: none or several. */
static int32_t user_of(const ej_expr *expr, int32_t i)
{
    int32_t user = -1;
    for (int32_t u = i + 1; u < expr->n; u++)
        for (int32_t k = 0; k < ej_op_arity(&expr->ops[u]); k++) {
            if (ej_op_operand(&expr->ops[u], k) != i) continue;
            if (user >= 0) return -1;
            user = u;
        }
    return user;
}

static bool is_affine_in(const ej_expr_op *op, int32_t x)
{
    if (op->kind != EJ_EXPR_FN) return false;
    switch (op->fn) {
    case EJ_FN_ADD:
    case EJ_FN_SUB:
    case EJ_FN_MUL:
    case EJ_FN_NEG: return true;
    case EJ_FN_DIV: return op->a == x && ej_dtypes[op->dtype].kind >= EJ_KIND_FLOAT;
    default: return false;
    }
}

/* The only op that reads the sum; -1: several do, or none. */
static int32_t reads_sum(const ej_expr *expr)
{
    int32_t found = -1;
    for (int32_t i = 0; i < expr->n; i++) {
        if (expr->ops[i].kind != EJ_EXPR_SOURCE || expr->ops[i].a != 0) continue;
        if (found >= 0) return -1;
        found = i;
    }
    return found;
}

int ej_affine_find(ej_affine *out, const ej_expr *epilogue, int reduce, ej_arena *arena)
{
    int32_t at = reads_sum(epilogue);
    *out = (ej_affine){.top = -1, .linear = EJ_NEW_ARRAY(arena, bool, (size_t)epilogue->n)};
    if (!out->linear) return EINJIT_E_NOMEM;
    if (at < 0 || reduce != EINJIT_REDUCE_SUM || epilogue->ops[at].dtype == EINJIT_BOOL) return EINJIT_OK;
    for (int32_t next = at; next >= 0; next = user_of(epilogue, at)) {
        const ej_expr_op *op = &epilogue->ops[next];
        if (next != at && !is_affine_in(op, at)) break;
        bool adds = op->kind == EJ_EXPR_SOURCE || op->fn == EJ_FN_ADD || (op->fn == EJ_FN_SUB && op->a == at);
        out->scales |= !adds;
        out->linear[next] = true;
        out->top = at = next;
    }
    return EINJIT_OK;
}

int32_t ej_affine_summand(const ej_affine *affine, const ej_expr *epilogue, int32_t i)
{
    const ej_expr_op *op = &epilogue->ops[i];
    if (!affine->linear[i] || op->kind != EJ_EXPR_FN || (op->fn != EJ_FN_ADD && op->fn != EJ_FN_SUB)) return -1;
    return affine->linear[op->a] ? op->b : op->a;
}

int ej_affine_comes_first(bool *out, const ej_expr *epilogue, int reduce, int32_t tail, ej_arena *arena)
{
    ej_affine affine;
    bool *needed = EJ_NEW_ARRAY(arena, bool, (size_t)epilogue->n);
    EJ_TRY(ej_affine_find(&affine, epilogue, reduce, arena));
    if (!needed) return EINJIT_E_NOMEM;
    *out = true;
    needed[epilogue->n - 1] = true;
    for (int32_t i = epilogue->n; i-- > 0;) { /* all but the summands */
        const ej_expr_op *op = &epilogue->ops[i];
        if (needed[i] && op->kind == EJ_EXPR_SOURCE && op->a == 1 + tail) *out = false;
        for (int32_t k = 0; needed[i] && k < ej_op_arity(op); k++)
            if (ej_op_operand(op, k) != ej_affine_summand(&affine, epilogue, i)) needed[ej_op_operand(op, k)] = true;
    }
    return EINJIT_OK;
}
