/* nest_check_expr.c - a leaf's expression: operands come earlier, dtypes fit to each other and to the buffers.
 */
#include "nest_check.h"

static bool operand_is_earlier(int32_t operand, int32_t i)
{
    return operand >= 0 && operand < i;
}

static int check_source(const ej_check *c, int32_t node, const ej_nest_node *leaf, const ej_expr_op *op)
{
    if (op->a < 0 || op->a >= leaf->n_src) return ej_check_fail(c, node, "there is no source %d", (int)op->a);
    int have = c->nest->buffers[leaf->src[op->a].buffer].dtype;
    if (have == op->dtype) return EINJIT_OK;
    return ej_check_fail(c, node, "source %d is %s, read as %s", (int)op->a, einjit_dtype_name(have),
                         einjit_dtype_name(op->dtype));
}

/* What the rule of ops.def makes of operands of dtype `in`; -1: refused. */
static int result_dtype(int rule, int in, int out)
{
    int kind = ej_dtypes[in].kind;
    switch (rule) {
    case EJ_RULE_FLOAT: return kind == EJ_KIND_FLOAT || kind == EJ_KIND_COMPLEX ? in : -1;
    case EJ_RULE_REALFLT: return kind == EJ_KIND_FLOAT ? in : -1;
    case EJ_RULE_ORDER:
    case EJ_RULE_ROUND: return kind == EJ_KIND_COMPLEX ? -1 : in;
    case EJ_RULE_REALPART: return ej_dtypes[in].real;
    case EJ_RULE_COMPARE: return kind == EJ_KIND_COMPLEX ? -1 : EINJIT_BOOL;
    case EJ_RULE_EQUAL: return EINJIT_BOOL;
    case EJ_RULE_LOGIC: return kind == EJ_KIND_BOOL ? EINJIT_BOOL : -1;
    case EJ_RULE_SELECT: return kind == EJ_KIND_BOOL ? out : -1;
    case EJ_RULE_BITS: return kind <= EJ_KIND_INT ? in : -1;
    default: return in;
    }
}

static int check_fn(const ej_check *c, int32_t node, const ej_expr *expr, int32_t i)
{
    const ej_expr_op *op = &expr->ops[i];
    if (op->fn >= EJ_FN_COUNT) return ej_check_fail(c, node, "there is no function %d", (int)op->fn);
    const ej_fn_info *fn = &ej_fns[op->fn];
    for (int k = 0; k < fn->arity; k++)
        if (!operand_is_earlier(ej_op_operand(op, k), i))
            return ej_check_fail(c, node, "operand %d of operation %d does not come before it", k, (int)i);
    int in = expr->ops[op->a].dtype;
    if (ej_dtypes[in].computes != in || ej_dtypes[op->dtype].computes != op->dtype)
        return ej_check_fail(c, node, "%s of %s, which is no dtype to compute with", fn->name,
                             einjit_dtype_name(ej_dtypes[in].computes != in ? in : op->dtype));
    if (result_dtype(fn->rule, in, op->dtype) != op->dtype)
        return ej_check_fail(c, node, "%s of %s does not give %s", fn->name, einjit_dtype_name(in),
                             einjit_dtype_name(op->dtype));
    int want = fn->rule == EJ_RULE_SELECT ? op->dtype : in;
    for (int k = 1; k < fn->arity; k++)
        if (expr->ops[ej_op_operand(op, k)].dtype != want)
            return ej_check_fail(c, node, "operand %d of %s is %s, not %s", k, fn->name,
                                 einjit_dtype_name(expr->ops[ej_op_operand(op, k)].dtype), einjit_dtype_name(want));
    return EINJIT_OK;
}

static int check_op(const ej_check *c, int32_t node, const ej_nest_node *leaf, int32_t i)
{
    const ej_expr_op *op = &leaf->expr.ops[i];
    if (!ej_dtype_valid(op->dtype)) return ej_check_fail(c, node, "operation %d has no dtype", (int)i);
    switch (op->kind) {
    case EJ_EXPR_SOURCE: return check_source(c, node, leaf, op);
    case EJ_EXPR_CONST: return EINJIT_OK;
    case EJ_EXPR_FN: return check_fn(c, node, &leaf->expr, i);
    case EJ_EXPR_CAST:
        if (operand_is_earlier(op->a, i)) return EINJIT_OK;
        return ej_check_fail(c, node, "the operand of operation %d does not come before it", (int)i);
    default: return ej_check_fail(c, node, "operation %d is of no known kind", (int)i);
    }
}

int ej_check_expr(const ej_check *c, int32_t node)
{
    const ej_nest_node *leaf = &c->nest->nodes[node];
    if (leaf->expr.n < 1) return ej_check_fail(c, node, "the leaf has no expression");
    for (int32_t i = 0; i < leaf->expr.n; i++) EJ_TRY(check_op(c, node, leaf, i));
    int have = leaf->expr.ops[leaf->expr.n - 1].dtype, want = c->nest->buffers[leaf->dst.buffer].dtype;
    if (have == want) return EINJIT_OK;
    return ej_check_fail(c, node, "the expression gives %s for a buffer of %s", einjit_dtype_name(have),
                         einjit_dtype_name(want));
}
