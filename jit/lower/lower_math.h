/* lower_math.h - the vocabulary of the elementary functions: real vectors of one width, f32 or f64.
 *
 * The functions are written once for both widths; what differs is in tables of numbers. Nothing here becomes a call of
 * libm or compiler-rt on any row of the target table. Without fused multiply-add the algorithms stay within their
 * bounds: reductions use constants with trailing zeros, so that products with small integers are exact either way.
 */
#ifndef EJ_LOWER_MATH_H
#define EJ_LOWER_MATH_H

#include "lower.h"

typedef struct ej_math {
    ej_emit *e;
    LLVMBuilderRef b;
    int lanes;
    bool wide;                      /* f64 */
    int fraction_bits;              /* 52 or 23 */
    LLVMTypeRef real_one, bits_one; /* element: double and i64, or float and i32 */
    LLVMTypeRef real, bits;         /* the same with lanes */
} ej_math;

/* A function of one or two real vectors; y is NULL for one. */
typedef LLVMValueRef ej_math_fn(ej_math *m, LLVMValueRef x, LLVMValueRef y);

typedef struct ej_pair {
    LLVMValueRef hi, lo;
} ej_pair;

#define EJ_POLY(m, x, table) ej_math_poly((m), (x), (table), (int)(sizeof(table) / sizeof *(table)))

/* ---- lower_math.c ---- */
ej_math ej_math_of(ej_emit *e, bool wide, int lanes);
LLVMValueRef ej_math_fma(ej_math *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);     /* fused where it is cheap */
LLVMValueRef ej_math_poly(ej_math *m, LLVMValueRef x, const double *coefficients, int n); /* lowest power first */
LLVMValueRef ej_math_rint(ej_math *m, LLVMValueRef x); /* to even at halves; keeps the sign of zeros */
LLVMValueRef ej_math_floor(ej_math *m, LLVMValueRef x);
LLVMValueRef ej_math_ceil(ej_math *m, LLVMValueRef x);
LLVMValueRef ej_math_trunc(ej_math *m, LLVMValueRef x);
LLVMValueRef ej_math_sqrt(ej_math *m, LLVMValueRef x);
ej_pair ej_math_two_product(ej_math *m, LLVMValueRef a, LLVMValueRef b); /* hi + lo = a * b, exactly */
LLVMValueRef ej_math_any(ej_math *m, LLVMValueRef mask);                 /* i1: some lane is set */
LLVMValueRef ej_math_floor_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_math_trunc_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_math_maximum(ej_math *m, LLVMValueRef a, LLVMValueRef b); /* NaN wins */
LLVMValueRef ej_math_minimum(ej_math *m, LLVMValueRef a, LLVMValueRef b);

/* ---- lower_math_exp.c ---- */
LLVMValueRef ej_math_exp(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_expm1(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_tanh(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_sigmoid(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_silu(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_exp2_pair(ej_math *m, LLVMValueRef hi, LLVMValueRef lo); /* 2^(hi + lo); lo may be NULL */

/* ---- lower_math_log.c ---- */
LLVMValueRef ej_math_log(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_log1p(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_softplus(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_log_add_exp(ej_math *m, LLVMValueRef a, LLVMValueRef b); /* log(exp(a) + exp(b)) */
/* x = 2^exponent * fraction, fraction in [sqrt(1/2), sqrt(2)), for positive normal x. */
void ej_math_split(ej_math *m, LLVMValueRef x, LLVMValueRef *exponent, LLVMValueRef *fraction);

/* ---- lower_math_erf.c, lower_math_trig.c, lower_math_pow.c ---- */
LLVMValueRef ej_math_erf(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_gelu(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_sin(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_cos(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
ej_pair ej_math_sin_cos(ej_math *m, LLVMValueRef x); /* hi sin, lo cos: the bits of both */
LLVMValueRef ej_math_tan(ej_math *m, LLVMValueRef x, LLVMValueRef unused);
LLVMValueRef ej_math_pow(ej_math *m, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ej_math_remainder(ej_math *m, LLVMValueRef a, LLVMValueRef b); /* lower_math_remainder.c */

/* ---- lower_fn.c ---- */
/* An internal function of the module and a builder at its start (to be disposed of): functions are written once, not
 * once in every place of an unrolled tile. */
LLVMValueRef ej_lower_begin_internal(ej_emit *inner, ej_emit *e, const char *name, LLVMTypeRef type);
/* Calls of ej_math_sin_cos's and ej_complex_exp's functions. */
ej_pair ej_lower_sin_cos(ej_math *m, LLVMValueRef x);
ej_vec ej_lower_complex_exp(ej_math *m, ej_vec a);

/* ---- lower_integer.c: i32 and i64 vectors ---- */
ej_vec ej_integer_fn(ej_emit *e, int fn, int dtype, int lanes, ej_vec a, ej_vec b); /* what is not a loop or division */
LLVMValueRef ej_integer_floor_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_integer_trunc_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_integer_remainder(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_integer_pow(ej_math *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ej_bool_fn(ej_emit *e, int fn, LLVMValueRef a, LLVMValueRef b);

/* ---- lower_cast.c ---- */
LLVMValueRef ej_cast_real(ej_emit *e, int from, int to, int lanes, LLVMValueRef x); /* between real dtypes and bool */

/* ---- lower_narrow.c: f16 and bf16, as bits, to f32 and back ---- */
LLVMValueRef ej_lower_widen(ej_emit *e, int dtype, int lanes, LLVMValueRef bits);
LLVMValueRef ej_lower_narrow(ej_emit *e, int dtype, int lanes, LLVMValueRef x);

/* ---- lower_complex.c ---- */
ej_vec ej_complex_exp(ej_math *m, ej_vec a);
ej_vec ej_complex_fn(ej_emit *e, int fn, int dtype, int lanes, ej_vec a, ej_vec b);
ej_vec ej_complex_mul(ej_emit *e, ej_vec a, ej_vec b);
ej_vec ej_complex_fma(ej_emit *e, int dtype, int lanes, ej_vec a, ej_vec b, ej_vec c);

/* ---- words for one instruction each ---- */
static inline LLVMValueRef m_real(ej_math *m, double value)
{
    return ej_const_real(m->e, m->real_one, m->lanes, value);
}
static inline LLVMValueRef m_int(ej_math *m, uint64_t value)
{
    return ej_const_int(m->e, m->bits_one, m->lanes, value);
}
static inline LLVMValueRef m_add(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFAdd(m->b, a, b, "");
}
static inline LLVMValueRef m_sub(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFSub(m->b, a, b, "");
}
static inline LLVMValueRef m_mul(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFMul(m->b, a, b, "");
}
static inline LLVMValueRef m_div(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFDiv(m->b, a, b, "");
}
static inline LLVMValueRef m_neg(ej_math *m, LLVMValueRef a)
{
    return LLVMBuildFNeg(m->b, a, "");
}
static inline LLVMValueRef m_cmp(ej_math *m, LLVMRealPredicate predicate, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(m->b, predicate, a, b, "");
}
static inline LLVMValueRef m_less(ej_math *m, LLVMValueRef a, LLVMValueRef b) /* false with a NaN */
{
    return m_cmp(m, LLVMRealOLT, a, b);
}
static inline LLVMValueRef m_pick(ej_math *m, LLVMValueRef mask, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(m->b, mask, a, b, "");
}
static inline LLVMValueRef m_and(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildAnd(m->b, a, b, "");
}
static inline LLVMValueRef m_or(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildOr(m->b, a, b, "");
}
static inline LLVMValueRef m_to_bits(ej_math *m, LLVMValueRef x)
{
    return LLVMBuildBitCast(m->b, x, m->bits, "");
}
static inline LLVMValueRef m_of_bits(ej_math *m, LLVMValueRef x)
{
    return LLVMBuildBitCast(m->b, x, m->real, "");
}
static inline LLVMValueRef m_abs(ej_math *m, LLVMValueRef x)
{
    return ej_intrinsic(m->e, "llvm.fabs", &x, 1, "");
}
static inline LLVMValueRef m_sign_bit(ej_math *m, LLVMValueRef x) /* as integer bits */
{
    return m_and(m, m_to_bits(m, x), m_int(m, m->wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31));
}
static inline LLVMValueRef m_flip(ej_math *m, LLVMValueRef x, LLVMValueRef sign) /* negated where sign has its bit */
{
    return m_of_bits(m, LLVMBuildXor(m->b, m_to_bits(m, x), sign, ""));
}
static inline LLVMValueRef m_clamp(ej_math *m, LLVMValueRef x, double lo, double hi) /* NaN stays */
{
    x = m_pick(m, m_less(m, m_real(m, hi), x), m_real(m, hi), x);
    return m_pick(m, m_less(m, x, m_real(m, lo)), m_real(m, lo), x);
}

#endif
