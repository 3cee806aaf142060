/* lower_integer.c - functions of i32, i64 and bool vectors.
 *
 * Takes  integer vectors; bool vectors are i1.
 * Gives  two's complement that wraps. Division by 0 gives 0, the smallest number by -1 itself; neither is divided.
 * Size   i32 divides in f64, whose quotient has bits enough to be exact when truncated, four or eight at once; i64
 *        divides lane by lane, as LLVM has nothing else: such code stands in a function of its own.
 */
#include "lower_math.h"

static LLVMValueRef compare(ej_math *m, LLVMIntPredicate predicate, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildICmp(m->b, predicate, a, b, "");
}

/* The bits of ej_math serve as the integers. */
static LLVMValueRef quotient(ej_math *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *divisor)
{
    LLVMValueRef zero = m_int(m, 0), minus = m_int(m, UINT64_MAX);
    LLVMValueRef by_zero = compare(m, LLVMIntEQ, b, zero), by_minus = compare(m, LLVMIntEQ, b, minus), q;
    *divisor = m_pick(m, m_or(m, by_zero, by_minus), m_int(m, 1), b);
    if (m->wide) {
        q = LLVMBuildSDiv(m->b, a, *divisor, "");
    } else {
        LLVMTypeRef real = ej_type_of(LLVMDoubleTypeInContext(m->e->context), m->lanes);
        LLVMValueRef top = LLVMBuildSIToFP(m->b, a, real, ""), bottom = LLVMBuildSIToFP(m->b, *divisor, real, "");
        q = LLVMBuildFPToSI(m->b, LLVMBuildFDiv(m->b, top, bottom, ""), m->bits, "");
    }
    q = m_pick(m, by_minus, LLVMBuildNeg(m->b, a, ""), q);
    return m_pick(m, by_zero, zero, q);
}

LLVMValueRef ej_integer_trunc_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef divisor;
    return quotient(m, a, b, &divisor);
}

LLVMValueRef ej_integer_floor_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef divisor, zero = m_int(m, 0);
    LLVMValueRef q = quotient(m, a, b, &divisor);
    LLVMValueRef rest = LLVMBuildSub(m->b, a, LLVMBuildMul(m->b, q, b, ""), "");
    LLVMValueRef apart = compare(m, LLVMIntSLT, LLVMBuildXor(m->b, rest, b, ""), zero);
    LLVMValueRef down = m_and(m, apart, compare(m, LLVMIntNE, rest, zero));
    down = m_and(m, down, compare(m, LLVMIntNE, b, zero));
    return m_pick(m, down, LLVMBuildSub(m->b, q, m_int(m, 1), ""), q);
}

LLVMValueRef ej_integer_remainder(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef divisor, zero = m_int(m, 0);
    LLVMValueRef rest = LLVMBuildSub(m->b, a, LLVMBuildMul(m->b, quotient(m, a, b, &divisor), b, ""), "");
    LLVMValueRef apart = compare(m, LLVMIntSLT, LLVMBuildXor(m->b, rest, b, ""), zero);
    rest = m_pick(m, m_and(m, apart, compare(m, LLVMIntNE, rest, zero)), LLVMBuildAdd(m->b, rest, b, ""), rest);
    return m_pick(m, compare(m, LLVMIntEQ, b, zero), zero, rest);
}

/* Of negative exponents: the inverse truncated, so 0 but for bases 1 and -1. */
static LLVMValueRef inverse_power(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef one = m_int(m, 1), minus = m_int(m, UINT64_MAX), zero = m_int(m, 0);
    LLVMValueRef odd = compare(m, LLVMIntNE, m_and(m, b, one), zero);
    LLVMValueRef of_minus = m_pick(m, odd, minus, one);
    LLVMValueRef r = m_pick(m, compare(m, LLVMIntEQ, a, minus), of_minus, zero);
    return m_pick(m, compare(m, LLVMIntEQ, a, one), one, r);
}

/* Square and multiply, until no lane has exponent bits left. Fills the function that the builder stands in. */
LLVMValueRef ej_integer_pow(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMContextRef context = m->e->context;
    LLVMValueRef one = m_int(m, 1), zero = m_int(m, 0);
    LLVMValueRef negative = compare(m, LLVMIntSLT, b, zero);
    LLVMValueRef exponent = m_pick(m, negative, zero, b);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(m->b);
    LLVMValueRef function = LLVMGetBasicBlockParent(entry);
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(context, function, "square");
    LLVMBasicBlockRef end = LLVMAppendBasicBlockInContext(context, function, "end");
    LLVMBuildBr(m->b, loop);
    LLVMPositionBuilderAtEnd(m->b, loop);
    LLVMValueRef result = LLVMBuildPhi(m->b, m->bits, "result"), base = LLVMBuildPhi(m->b, m->bits, "base"),
                 left = LLVMBuildPhi(m->b, m->bits, "left");
    LLVMValueRef odd = compare(m, LLVMIntNE, m_and(m, left, one), zero);
    LLVMValueRef result_next = m_pick(m, odd, LLVMBuildMul(m->b, result, base, ""), result);
    LLVMValueRef base_next = LLVMBuildMul(m->b, base, base, "");
    LLVMValueRef left_next = LLVMBuildLShr(m->b, left, one, "");
    LLVMBuildCondBr(m->b, ej_math_any(m, compare(m, LLVMIntNE, left_next, zero)), loop, end);
    LLVMBasicBlockRef sources[2] = {entry, loop};
    LLVMAddIncoming(result, (LLVMValueRef[2]){one, result_next}, sources, 2);
    LLVMAddIncoming(base, (LLVMValueRef[2]){a, base_next}, sources, 2);
    LLVMAddIncoming(left, (LLVMValueRef[2]){exponent, left_next}, sources, 2);
    LLVMPositionBuilderAtEnd(m->b, end);
    return m_pick(m, negative, inverse_power(m, a, b), result_next);
}

static LLVMValueRef order(ej_math *m, LLVMIntPredicate predicate, LLVMValueRef a, LLVMValueRef b)
{
    return m_pick(m, compare(m, predicate, a, b), a, b);
}

ej_vec ej_integer_fn(ej_emit *e, int fn, int dtype, int lanes, ej_vec x, ej_vec y)
{
    ej_math m = ej_math_of(e, dtype == EINJIT_I64, lanes);
    LLVMValueRef a = x.re, b = y.re, zero = m_int(&m, 0), r = a; /* rounding, conj, real: the number itself */
    switch (fn) {
    case EJ_FN_NEG: r = LLVMBuildNeg(m.b, a, ""); break;
    case EJ_FN_ABS: r = m_pick(&m, compare(&m, LLVMIntSLT, a, zero), LLVMBuildNeg(m.b, a, ""), a); break;
    case EJ_FN_RELU: r = order(&m, LLVMIntSGT, a, zero); break;
    case EJ_FN_SQUARE: r = LLVMBuildMul(m.b, a, a, ""); break;
    case EJ_FN_SIGN:
        r = m_pick(&m, compare(&m, LLVMIntSLT, a, zero), m_int(&m, UINT64_MAX), zero);
        r = m_pick(&m, compare(&m, LLVMIntSGT, a, zero), m_int(&m, 1), r);
        break;
    case EJ_FN_IMAG: r = zero; break;
    case EJ_FN_ADD: r = LLVMBuildAdd(m.b, a, b, ""); break;
    case EJ_FN_SUB: r = LLVMBuildSub(m.b, a, b, ""); break;
    case EJ_FN_MUL: r = LLVMBuildMul(m.b, a, b, ""); break;
    case EJ_FN_MAXIMUM: r = order(&m, LLVMIntSGT, a, b); break;
    case EJ_FN_MINIMUM: r = order(&m, LLVMIntSLT, a, b); break;
    case EJ_FN_BITWISE_NOT: r = LLVMBuildNot(m.b, a, ""); break;
    case EJ_FN_BITWISE_AND: r = LLVMBuildAnd(m.b, a, b, ""); break;
    case EJ_FN_BITWISE_OR: r = LLVMBuildOr(m.b, a, b, ""); break;
    case EJ_FN_BITWISE_XOR: r = LLVMBuildXor(m.b, a, b, ""); break;
    case EJ_FN_EQ: r = compare(&m, LLVMIntEQ, a, b); break;
    case EJ_FN_NE: r = compare(&m, LLVMIntNE, a, b); break;
    case EJ_FN_LT: r = compare(&m, LLVMIntSLT, a, b); break;
    case EJ_FN_LE: r = compare(&m, LLVMIntSLE, a, b); break;
    case EJ_FN_GT: r = compare(&m, LLVMIntSGT, a, b); break;
    case EJ_FN_GE: r = compare(&m, LLVMIntSGE, a, b); break;
    default: break;
    }
    return (ej_vec){r, NULL};
}

/* Numbers 0 and 1: a sum or maximum is "or", a product or minimum "and", a power is 1 but for 0^1. */
LLVMValueRef ej_bool_fn(ej_emit *e, int fn, LLVMValueRef a, LLVMValueRef b)
{
    LLVMBuilderRef at = e->builder;
    switch (fn) {
    case EJ_FN_LOGICAL_NOT:
    case EJ_FN_BITWISE_NOT: return LLVMBuildNot(at, a, "");
    case EJ_FN_REMAINDER:
    case EJ_FN_IMAG: return LLVMConstNull(LLVMTypeOf(a));
    case EJ_FN_ADD:
    case EJ_FN_MAXIMUM:
    case EJ_FN_BITWISE_OR:
    case EJ_FN_LOGICAL_OR: return LLVMBuildOr(at, a, b, "");
    case EJ_FN_MUL:
    case EJ_FN_MINIMUM:
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE:
    case EJ_FN_BITWISE_AND:
    case EJ_FN_LOGICAL_AND: return LLVMBuildAnd(at, a, b, "");
    case EJ_FN_POW:
    case EJ_FN_GE: return LLVMBuildOr(at, a, LLVMBuildNot(at, b, ""), "");
    case EJ_FN_LE: return LLVMBuildOr(at, LLVMBuildNot(at, a, ""), b, "");
    case EJ_FN_GT: return LLVMBuildAnd(at, a, LLVMBuildNot(at, b, ""), "");
    case EJ_FN_LT: return LLVMBuildAnd(at, LLVMBuildNot(at, a, ""), b, "");
    case EJ_FN_EQ: return LLVMBuildNot(at, LLVMBuildXor(at, a, b, ""), "");
    case EJ_FN_NE:
    case EJ_FN_BITWISE_XOR:
    case EJ_FN_SUB: return LLVMBuildXor(at, a, b, "");
    default: return a;
    }
}
