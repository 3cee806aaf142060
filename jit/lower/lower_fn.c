/* lower_fn.c - every row of ops.def on vectors, and what contractions need: combine, fma, select.
 *
 * Takes  operands in registers, of one dtype.
 * Gives  the row's function in that dtype. Short ones are written where they are used; long ones become an internal
 *        function of the module for each (function, dtype, lanes), called from there: an unrolled tile then costs a
 *        call a vector, and code generation, at 10 to 25 us a line, is paid once.
 * Not here: the functions themselves (lower_math_*.c, lower_integer.c, lower_complex.c), casts (lower_cast.c).
 */
#include "lower_math.h"

#include <stdio.h>
#include <string.h>

enum { EJ_FN_LANES_MAX = 256 };

static ej_math_fn *const float_functions[EJ_FN_COUNT] = {
    [EJ_FN_EXP] = ej_math_exp,
    [EJ_FN_LOG] = ej_math_log,
    [EJ_FN_LOG1P] = ej_math_log1p,
    [EJ_FN_EXPM1] = ej_math_expm1,
    [EJ_FN_SIN] = ej_math_sin,
    [EJ_FN_COS] = ej_math_cos,
    [EJ_FN_TAN] = ej_math_tan,
    [EJ_FN_TANH] = ej_math_tanh,
    [EJ_FN_SIGMOID] = ej_math_sigmoid,
    [EJ_FN_GELU] = ej_math_gelu,
    [EJ_FN_SILU] = ej_math_silu,
    [EJ_FN_SOFTPLUS] = ej_math_softplus,
    [EJ_FN_ERF] = ej_math_erf,
    [EJ_FN_POW] = ej_math_pow,
    [EJ_FN_FLOOR_DIVIDE] = ej_math_floor_divide,
    [EJ_FN_REMAINDER] = ej_math_remainder,
};

static ej_math_fn *const integer_functions[EJ_FN_COUNT] = {
    [EJ_FN_POW] = ej_integer_pow,
    [EJ_FN_FLOOR_DIVIDE] = ej_integer_floor_divide,
    [EJ_FN_TRUNC_DIVIDE] = ej_integer_trunc_divide,
    [EJ_FN_REMAINDER] = ej_integer_remainder,
};

LLVMValueRef ej_lower_begin_internal(ej_emit *inner, ej_emit *e, const char *name, LLVMTypeRef type)
{
    static const char nounwind[] = "nounwind";
    LLVMValueRef function = LLVMAddFunction(e->module, name, type);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    unsigned kind = LLVMGetEnumAttributeKindForName(nounwind, strlen(nounwind));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->context, kind, 0));
    *inner = *e;
    inner->builder = LLVMCreateBuilderInContext(e->context);
    LLVMPositionBuilderAtEnd(inner->builder, LLVMAppendBasicBlockInContext(e->context, function, "entry"));
    return function;
}

/* Of f32, but computed in f64: so many lanes are a register, and with more of them LLVM would split each
 * instruction. */
static bool computes_in_f64(int fn)
{
    return fn == EJ_FN_SIN || fn == EJ_FN_COS || fn == EJ_FN_TAN || fn == EJ_FN_POW;
}

static bool halves(const ej_emit *e, int dtype, int lanes)
{
    return ej_dtypes[ej_dtypes[dtype].real].bytes == 4 && lanes > 1 && lanes * 8 > e->target->vector_bytes;
}

/* Lanes from .. from+n-1 of v; NULL of NULL. */
static LLVMValueRef some_lanes(ej_emit *e, LLVMValueRef v, int from, int n)
{
    LLVMValueRef mask[EJ_FN_LANES_MAX];
    if (!v) return NULL;
    for (int l = 0; l < n; l++) mask[l] = LLVMConstInt(LLVMInt32TypeInContext(e->context), (unsigned)(from + l), 0);
    if (n == 1) return LLVMBuildExtractElement(e->builder, v, mask[0], "");
    return LLVMBuildShuffleVector(e->builder, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(mask, (unsigned)n), "");
}

/* The lanes of a, then those of b; n each. */
static LLVMValueRef both_halves(ej_emit *e, LLVMValueRef a, LLVMValueRef b, int n)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->context);
    LLVMValueRef mask[EJ_FN_LANES_MAX];
    if (n == 1) {
        LLVMValueRef v = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(a), 2));
        v = LLVMBuildInsertElement(e->builder, v, a, LLVMConstInt(i32, 0, 0), "");
        return LLVMBuildInsertElement(e->builder, v, b, LLVMConstInt(i32, 1, 0), "");
    }
    for (int l = 0; l < 2 * n; l++) mask[l] = LLVMConstInt(i32, (unsigned)l, 0);
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(mask, (unsigned)(2 * n)), "");
}

/* Calls `write`'s function for the dtype and lanes, which is written when it is first needed. `result`: its type. */
static LLVMValueRef call_typed(ej_emit *e, ej_math_fn *write, const char *word, LLVMTypeRef result, int dtype,
                               int lanes, LLVMValueRef a, LLVMValueRef b)
{
    char name[64];
    snprintf(name, sizeof name, "ej_%s_%sx%d", word, ej_dtypes[dtype].name, lanes);
    LLVMValueRef args[2] = {a, b}, function = LLVMGetNamedFunction(e->module, name);
    LLVMTypeRef operand = ej_type_vec(e, dtype, lanes), operands[2] = {operand, operand};
    unsigned n = b ? 2 : 1;
    LLVMTypeRef type = LLVMFunctionType(result, operands, n, 0);
    if (!function) {
        ej_emit inner;
        function = ej_lower_begin_internal(&inner, e, name, type);
        ej_math m = ej_math_of(&inner, ej_dtypes[dtype].bytes == 8, lanes);
        LLVMValueRef r = write(&m, LLVMGetParam(function, 0), n == 2 ? LLVMGetParam(function, 1) : NULL);
        LLVMBuildRet(inner.builder, r);
        LLVMDisposeBuilder(inner.builder);
    }
    return LLVMBuildCall2(e->builder, type, function, args, n, "");
}

static LLVMValueRef call_internal(ej_emit *e, ej_math_fn *write, const char *word, int dtype, int lanes, LLVMValueRef a,
                                  LLVMValueRef b)
{
    return call_typed(e, write, word, ej_type_vec(e, dtype, lanes), dtype, lanes, a, b);
}

static LLVMValueRef call_by_halves(ej_emit *e, int fn, ej_math_fn *write, int dtype, int lanes, LLVMValueRef a,
                                   LLVMValueRef b)
{
    const char *word = ej_fns[fn].name;
    int n = lanes / 2;
    if (!computes_in_f64(fn) || !halves(e, dtype, lanes)) return call_internal(e, write, word, dtype, lanes, a, b);
    LLVMValueRef first = call_by_halves(e, fn, write, dtype, n, some_lanes(e, a, 0, n), some_lanes(e, b, 0, n));
    LLVMValueRef second = call_by_halves(e, fn, write, dtype, n, some_lanes(e, a, n, n), some_lanes(e, b, n, n));
    return both_halves(e, first, second, n);
}

/* ---- functions with two results ---- */

static LLVMTypeRef pair_type(const ej_math *m)
{
    LLVMTypeRef parts[2] = {m->real, m->real};
    return LLVMStructTypeInContext(m->e->context, parts, 2, 0);
}

static LLVMValueRef as_result(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef first = LLVMBuildInsertValue(m->b, LLVMGetPoison(pair_type(m)), a, 0, "");
    return LLVMBuildInsertValue(m->b, first, b, 1, "");
}

static ej_pair call_pair(ej_math *m, ej_math_fn *write, const char *word, LLVMValueRef a, LLVMValueRef b)
{
    int dtype = m->wide ? EINJIT_F64 : EINJIT_F32;
    LLVMValueRef r = call_typed(m->e, write, word, pair_type(m), dtype, m->lanes, a, b);
    return (ej_pair){LLVMBuildExtractValue(m->b, r, 0, ""), LLVMBuildExtractValue(m->b, r, 1, "")};
}

static LLVMValueRef write_sin_cos(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    ej_pair r = ej_math_sin_cos(m, x);
    return as_result(m, r.hi, r.lo);
}

ej_pair ej_lower_sin_cos(ej_math *m, LLVMValueRef x)
{
    int n = m->lanes / 2;
    if (m->wide || !halves(m->e, EINJIT_F32, m->lanes)) return call_pair(m, write_sin_cos, "sin_cos", x, NULL);
    ej_math half = ej_math_of(m->e, false, n);
    ej_pair low = ej_lower_sin_cos(&half, some_lanes(m->e, x, 0, n));
    ej_pair high = ej_lower_sin_cos(&half, some_lanes(m->e, x, n, n));
    return (ej_pair){both_halves(m->e, low.hi, high.hi, n), both_halves(m->e, low.lo, high.lo, n)};
}

static LLVMValueRef write_complex_exp(ej_math *m, LLVMValueRef re, LLVMValueRef im)
{
    ej_vec r = ej_complex_exp(m, (ej_vec){re, im});
    return as_result(m, r.re, r.im);
}

ej_vec ej_lower_complex_exp(ej_math *m, ej_vec a)
{
    ej_pair r = call_pair(m, write_complex_exp, "complex_exp", a.re, a.im);
    return (ej_vec){r.hi, r.lo};
}

/* -1, 0, 1; NaN for NaN. */
static LLVMValueRef float_sign(ej_math *m, LLVMValueRef a)
{
    LLVMValueRef zero = m_real(m, 0);
    LLVMValueRef unit = m_pick(m, m_less(m, a, zero), m_real(m, -1), m_real(m, 1));
    unit = m_pick(m, m_cmp(m, LLVMRealONE, a, zero), unit, zero);
    return m_pick(m, m_cmp(m, LLVMRealUNO, a, a), a, unit);
}

static LLVMValueRef float_relu(ej_math *m, LLVMValueRef a)
{
    LLVMValueRef zero = m_real(m, 0);
    return m_pick(m, m_cmp(m, LLVMRealOLE, a, zero), zero, a); /* NaN stays */
}

static LLVMValueRef float_unary(ej_math *m, int fn, LLVMValueRef a)
{
    switch (fn) {
    case EJ_FN_NEG: return m_neg(m, a);
    case EJ_FN_ABS: return m_abs(m, a);
    case EJ_FN_SQRT: return ej_math_sqrt(m, a);
    case EJ_FN_RSQRT: return m_div(m, m_real(m, 1), ej_math_sqrt(m, a));
    case EJ_FN_RELU: return float_relu(m, a);
    case EJ_FN_RECIPROCAL: return m_div(m, m_real(m, 1), a);
    case EJ_FN_SQUARE: return m_mul(m, a, a);
    case EJ_FN_SIGN: return float_sign(m, a);
    case EJ_FN_FLOOR: return ej_math_floor(m, a);
    case EJ_FN_CEIL: return ej_math_ceil(m, a);
    case EJ_FN_ROUND: return ej_math_rint(m, a);
    case EJ_FN_IMAG: return m_real(m, 0);
    default: return a; /* conj, real */
    }
}

static LLVMValueRef float_binary(ej_math *m, int fn, LLVMValueRef a, LLVMValueRef b)
{
    switch (fn) {
    case EJ_FN_ADD: return m_add(m, a, b);
    case EJ_FN_SUB: return m_sub(m, a, b);
    case EJ_FN_MUL: return m_mul(m, a, b);
    case EJ_FN_DIV: return m_div(m, a, b);
    case EJ_FN_TRUNC_DIVIDE: return ej_math_trunc_divide(m, a, b);
    case EJ_FN_MAXIMUM: return ej_math_maximum(m, a, b);
    case EJ_FN_MINIMUM: return ej_math_minimum(m, a, b);
    case EJ_FN_EQ: return m_cmp(m, LLVMRealOEQ, a, b);
    case EJ_FN_NE: return m_cmp(m, LLVMRealUNE, a, b);
    case EJ_FN_LT: return m_cmp(m, LLVMRealOLT, a, b);
    case EJ_FN_LE: return m_cmp(m, LLVMRealOLE, a, b);
    case EJ_FN_GT: return m_cmp(m, LLVMRealOGT, a, b);
    case EJ_FN_GE: return m_cmp(m, LLVMRealOGE, a, b);
    default: return a;
    }
}

ej_vec ej_lower_fn(ej_emit *e, int fn, int dtype_in, int dtype_out, int lanes, ej_vec a, ej_vec b, ej_vec c)
{
    if (fn == EJ_FN_WHERE) return ej_lower_select(e, a.re, b, c);
    int rule = ej_fns[fn].rule, arity = ej_fns[fn].arity, kind = ej_dtypes[dtype_in].kind;
    if ((rule == EJ_RULE_FLOAT || rule == EJ_RULE_REALFLT) && kind <= EJ_KIND_INT) {
        a = ej_lower_cast(e, dtype_in, dtype_out, lanes, a);
        if (arity > 1) b = ej_lower_cast(e, dtype_in, dtype_out, lanes, b);
        dtype_in = dtype_out;
        kind = ej_dtypes[dtype_in].kind;
    }
    if (kind == EJ_KIND_COMPLEX) return ej_complex_fn(e, fn, dtype_in, lanes, a, b);
    if (kind == EJ_KIND_BOOL) return (ej_vec){ej_bool_fn(e, fn, a.re, b.re), NULL};
    ej_math_fn *write = kind == EJ_KIND_INT ? integer_functions[fn] : float_functions[fn];
    LLVMValueRef second = arity > 1 ? b.re : NULL;
    if (write) return (ej_vec){call_by_halves(e, fn, write, dtype_in, lanes, a.re, second), NULL};
    if (kind == EJ_KIND_INT) return ej_integer_fn(e, fn, dtype_in, lanes, a, b);
    ej_math m = ej_math_of(e, dtype_in == EINJIT_F64, lanes);
    if (arity > 1) return (ej_vec){float_binary(&m, fn, a.re, b.re), NULL};
    return (ej_vec){float_unary(&m, fn, a.re), NULL};
}

/* "or" of numbers is 1 where one of them is not 0. */
static ej_vec combine_or(ej_emit *e, int dtype, int lanes, ej_vec a, ej_vec b)
{
    a = ej_lower_cast(e, dtype, EINJIT_BOOL, lanes, a);
    b = ej_lower_cast(e, dtype, EINJIT_BOOL, lanes, b);
    a.re = LLVMBuildOr(e->builder, a.re, b.re, "");
    return ej_lower_cast(e, EINJIT_BOOL, dtype, lanes, a);
}

ej_vec ej_lower_combine(ej_emit *e, int reduce, int dtype, int lanes, ej_vec a, ej_vec b)
{
    int fn = EJ_FN_ADD;
    switch (reduce) {
    case EINJIT_REDUCE_OR: return combine_or(e, dtype, lanes, a, b);
    case EINJIT_REDUCE_LOGSUMEXP:
        return (ej_vec){call_internal(e, ej_math_log_add_exp, "log_add_exp", dtype, lanes, a.re, b.re), NULL};
    case EINJIT_REDUCE_PROD: fn = EJ_FN_MUL; break;
    case EINJIT_REDUCE_MAX: fn = EJ_FN_MAXIMUM; break;
    case EINJIT_REDUCE_MIN: fn = EJ_FN_MINIMUM; break;
    default: break;
    }
    return ej_lower_fn(e, fn, dtype, dtype, lanes, a, b, (ej_vec){NULL, NULL});
}

ej_vec ej_lower_fma(ej_emit *e, int dtype, int lanes, ej_vec a, ej_vec b, ej_vec c)
{
    if (ej_dtype_is_complex(dtype)) return ej_complex_fma(e, dtype, lanes, a, b, c);
    if (ej_dtype_is_float(dtype)) {
        ej_math m = ej_math_of(e, dtype == EINJIT_F64, lanes);
        return (ej_vec){ej_math_fma(&m, a.re, b.re, c.re), NULL};
    }
    ej_vec none = {NULL, NULL}, product = ej_lower_fn(e, EJ_FN_MUL, dtype, dtype, lanes, a, b, none);
    return ej_lower_fn(e, EJ_FN_ADD, dtype, dtype, lanes, product, c, none);
}

ej_vec ej_lower_select(ej_emit *e, LLVMValueRef mask, ej_vec a, ej_vec b)
{
    ej_vec r = {LLVMBuildSelect(e->builder, mask, a.re, b.re, ""), NULL};
    if (a.im) r.im = LLVMBuildSelect(e->builder, mask, a.im, b.im, "");
    return r;
}
