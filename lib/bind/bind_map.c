/* bind_map.c - pointwise functions: dtypes by the rules of ops.def.
 *
 * Takes  operands of any dtypes, literals among them.
 * Gives  MAP nodes over operands of the dtype the function computes in; functions that change nothing for a dtype give
 *        their operand; arithmetic of bool is logic.
 */
#include "bind_core.h"

typedef struct map_types {
    int compute, result;
} map_types;

static int refuse(ej_binder *b, int fn, int dtype)
{
    return ej_fail(b->err, EINJIT_E_DTYPE, "%s is not defined for %s", ej_fns[fn].name, einjit_dtype_name(dtype));
}

static bool allows_complex(int rule)
{
    return rule == EJ_RULE_ARITH || rule == EJ_RULE_FLOAT || rule == EJ_RULE_REALPART || rule == EJ_RULE_EQUAL;
}

static int logic_types(ej_binder *b, int fn, uint32_t n, const ej_bind_operand *in, map_types *types)
{
    *types = (map_types){EINJIT_BOOL, EINJIT_BOOL};
    for (uint32_t i = 0; i < n; i++)
        if (ej_bind_dtype(b, &in[i]) != EINJIT_BOOL)
            return ej_fail(b->err, EINJIT_E_DTYPE, "%s needs bool operands, operand %u is %s", ej_fns[fn].name,
                           (unsigned)i, einjit_dtype_name(ej_bind_dtype(b, &in[i])));
    return EINJIT_OK;
}

static int rule_types(ej_binder *b, int fn, uint32_t n, const ej_bind_operand *in, map_types *types)
{
    int rule = ej_fns[fn].rule, promoted;
    if (rule == EJ_RULE_LOGIC) return logic_types(b, fn, n, in, types);
    EJ_TRY(ej_bind_promote(b, n, in, &promoted));
    if (ej_dtype_is_complex(promoted) && !allows_complex(rule)) return refuse(b, fn, promoted);
    if (ej_dtypes[promoted].kind > EJ_KIND_INT && rule == EJ_RULE_BITS) return refuse(b, fn, promoted);
    *types = (map_types){promoted, promoted};
    switch (rule) {
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALFLT:
        if (ej_dtypes[promoted].kind <= EJ_KIND_INT) types->compute = types->result = EINJIT_F64;
        break;
    case EJ_RULE_REALPART: types->result = ej_dtypes[promoted].real; break;
    case EJ_RULE_COMPARE:
    case EJ_RULE_EQUAL: types->result = EINJIT_BOOL; break;
    default: break;
    }
    return EINJIT_OK;
}

/* ---- what a function is for a dtype ---- */

static bool changes_nothing(int fn, int dtype)
{
    int kind = ej_dtypes[dtype].kind;
    switch (fn) {
    case EJ_FN_CONJ:
    case EJ_FN_REAL: return kind != EJ_KIND_COMPLEX;
    case EJ_FN_FLOOR:
    case EJ_FN_CEIL:
    case EJ_FN_ROUND: return kind <= EJ_KIND_INT;
    case EJ_FN_SQUARE:
    case EJ_FN_ABS:
    case EJ_FN_SIGN:
    case EJ_FN_RELU: return kind == EJ_KIND_BOOL;
    default: return false;
    }
}

/* -1: not defined. */
static int bool_function(int fn)
{
    switch (fn) {
    case EJ_FN_ADD:
    case EJ_FN_MAXIMUM: return EJ_FN_LOGICAL_OR;
    case EJ_FN_MUL:
    case EJ_FN_MINIMUM: return EJ_FN_LOGICAL_AND;
    case EJ_FN_BITWISE_NOT: return EJ_FN_LOGICAL_NOT;
    case EJ_FN_BITWISE_AND: return EJ_FN_LOGICAL_AND;
    case EJ_FN_BITWISE_OR: return EJ_FN_LOGICAL_OR;
    case EJ_FN_BITWISE_XOR: return EJ_FN_NE;
    case EJ_FN_NEG:
    case EJ_FN_SUB:
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE:
    case EJ_FN_POW:
    case EJ_FN_REMAINDER: return -1;
    default: return fn;
    }
}

static int zeros_like(ej_binder *b, ej_value x, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, x);
    int32_t rank = from->rank;
    ej_size *shape = from->shape;
    EJ_TRY(ej_bind_number(b, from->dtype, 0, out));
    return ej_bind_expand(b, *out, rank, shape, out);
}

static int write_map(ej_binder *b, int fn, const map_types *types, uint32_t n, const ej_value *in, ej_value *out)
{
    if (changes_nothing(fn, types->compute)) {
        *out = in[0];
        return EINJIT_OK;
    }
    if (fn == EJ_FN_IMAG && !ej_dtype_is_complex(types->compute)) return zeros_like(b, in[0], out);
    int written = types->compute == EINJIT_BOOL ? bool_function(fn) : fn;
    if (written < 0) return refuse(b, fn, EINJIT_BOOL);
    return ej_bind_map(b, written, types->result, n, in, out);
}

/* where: the condition is no part of the promotion. */
static int bind_where(ej_binder *b, const ej_bind_operand *in, ej_value *out)
{
    int condition = ej_bind_dtype(b, &in[0]), dtype;
    ej_value values[3];
    if (condition != EINJIT_BOOL)
        return ej_fail(b->err, EINJIT_E_DTYPE, "the condition of where is %s, not bool", einjit_dtype_name(condition));
    EJ_TRY(ej_bind_promote(b, 2, in + 1, &dtype));
    EJ_TRY(ej_bind_take(b, &in[0], EINJIT_BOOL, &values[0]));
    EJ_TRY(ej_bind_take_wide(b, &in[1], dtype, &values[1]));
    EJ_TRY(ej_bind_take_wide(b, &in[2], dtype, &values[2]));
    EJ_TRY(ej_bind_map(b, EJ_FN_WHERE, ej_dtypes[dtype].computes, 3, values, out));
    return ej_bind_cast(b, *out, dtype, out);
}

int ej_bind_op_map(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    enum { MAX_ARITY = 3 };
    ej_bind_operand in[MAX_ARITY];
    ej_value values[MAX_ARITY];
    map_types types = {EINJIT_BOOL, EINJIT_BOOL};
    uint32_t n = node->n_in;
    if (node->fn >= EJ_FN_COUNT || n > MAX_ARITY || n != ej_fns[node->fn].arity)
        return ej_fail(b->err, EINJIT_E_INTERNAL, "a pointwise function over %u operands", (unsigned)n);
    for (uint32_t i = 0; i < n; i++) in[i] = b->values[node->in[i]];
    if (node->fn == EJ_FN_WHERE) return bind_where(b, in, &out->id);
    EJ_TRY(rule_types(b, node->fn, n, in, &types));
    for (uint32_t i = 0; i < n; i++) EJ_TRY(ej_bind_take_wide(b, &in[i], types.compute, &values[i]));
    map_types wide = {ej_dtypes[types.compute].computes, ej_dtypes[types.result].computes};
    EJ_TRY(write_map(b, node->fn, &wide, n, values, &out->id));
    return ej_bind_cast(b, out->id, types.result, &out->id);
}
