/* lower_complex.c - functions of complex vectors, re and im apart.
 *
 * mul is the plain formula (two products and a sum each, not fused, so that x conj(x) is real); div and reciprocal are
 * Smith's, which do not overflow where the quotient does not; abs scales by the larger part. All but abs and exp give
 * nest_scalar.c's bits.
 */
#include "lower_math.h"

#include <math.h>

ej_vec ej_complex_mul(ej_emit *e, ej_vec a, ej_vec b)
{
    LLVMBuilderRef at = e->builder;
    LLVMValueRef rr = LLVMBuildFMul(at, a.re, b.re, ""), ii = LLVMBuildFMul(at, a.im, b.im, "");
    LLVMValueRef ri = LLVMBuildFMul(at, a.re, b.im, ""), ir = LLVMBuildFMul(at, a.im, b.re, "");
    return (ej_vec){LLVMBuildFSub(at, rr, ii, ""), LLVMBuildFAdd(at, ri, ir, "")};
}

ej_vec ej_complex_fma(ej_emit *e, int dtype, int lanes, ej_vec a, ej_vec b, ej_vec c)
{
    ej_math m = ej_math_of(e, dtype == EINJIT_C128, lanes);
    LLVMValueRef re = ej_math_fma(&m, a.re, b.re, c.re), im = ej_math_fma(&m, a.re, b.im, c.im);
    return (ej_vec){ej_math_fma(&m, m_neg(&m, a.im), b.im, re), ej_math_fma(&m, a.im, b.re, im)};
}

/* The parts of b by size: b = large (1 + i s), or swapped large (s + i); below = large (1 + s^2). */
typedef struct smith {
    LLVMValueRef swap, large, small, s, below;
} smith;

static smith split_divisor(ej_math *m, ej_vec b)
{
    smith d = {.swap = m_less(m, m_abs(m, b.re), m_abs(m, b.im))};
    d.large = m_pick(m, d.swap, b.im, b.re);
    d.small = m_pick(m, d.swap, b.re, b.im);
    d.s = m_div(m, d.small, d.large);
    d.below = m_add(m, d.large, m_mul(m, d.small, d.s));
    return d;
}

/* Where b is 0, each part of a by +0. */
static ej_vec divide(ej_math *m, ej_vec a, ej_vec b)
{
    smith d = split_divisor(m, b);
    LLVMValueRef p = m_pick(m, d.swap, a.im, a.re), q = m_pick(m, d.swap, a.re, a.im);
    LLVMValueRef re = m_add(m, p, m_mul(m, q, d.s)), ps = m_mul(m, p, d.s), none = m_real(m, 0);
    LLVMValueRef im = m_sub(m, m_pick(m, d.swap, ps, q), m_pick(m, d.swap, q, ps)); /* which zero it is depends on it */
    LLVMValueRef by_zero = m_and(m, m_cmp(m, LLVMRealOEQ, d.large, none), m_cmp(m, LLVMRealOEQ, d.small, none));
    LLVMValueRef below = m_pick(m, by_zero, none, d.below);
    re = m_div(m, m_pick(m, by_zero, a.re, re), below);
    return (ej_vec){re, m_div(m, m_pick(m, by_zero, a.im, im), below)};
}

/* Of 1, without its imaginary 0. */
static ej_vec reciprocal(ej_math *m, ej_vec a)
{
    smith d = split_divisor(m, a);
    LLVMValueRef one = m_real(m, 1), re = m_pick(m, d.swap, d.s, one), im = m_pick(m, d.swap, one, d.s);
    return (ej_vec){m_div(m, re, d.below), m_div(m, m_neg(m, im), d.below)};
}

/* Of c64 in f64, whose range holds the squares; of c128 as large sqrt(1 + (small/large)^2). Inf wins over NaN. */
static LLVMValueRef absolute(ej_math *m, ej_vec a)
{
    LLVMValueRef infinity = m_real(m, INFINITY), re = m_abs(m, a.re), im = m_abs(m, a.im), r;
    LLVMValueRef swap = m_less(m, re, im);
    if (m->wide) {
        LLVMValueRef large = m_pick(m, swap, im, re), small = m_pick(m, swap, re, im);
        LLVMValueRef s = m_div(m, small, large);
        s = m_pick(m, m_cmp(m, LLVMRealOEQ, large, m_real(m, 0)), m_add(m, small, large), s);
        r = m_mul(m, large, ej_math_sqrt(m, ej_math_fma(m, s, s, m_real(m, 1))));
    } else {
        ej_math d = ej_math_of(m->e, true, m->lanes);
        LLVMValueRef x = LLVMBuildFPExt(m->b, re, d.real, ""), y = LLVMBuildFPExt(m->b, im, d.real, "");
        r = ej_math_sqrt(&d, ej_math_fma(&d, x, x, m_mul(&d, y, y)));
        r = LLVMBuildFPTrunc(m->b, r, m->real, "");
    }
    LLVMValueRef infinite = m_or(m, m_cmp(m, LLVMRealOEQ, re, infinity), m_cmp(m, LLVMRealOEQ, im, infinity));
    return m_pick(m, infinite, infinity, r);
}

/* exp(re) (cos im + i sin im), exp(re) applied in two halves, and where re is larger than 88 (f64: 700) a factor of
 * e^88 (e^700) before them: exp(re) may overflow where its product with a subnormal sine does not. A real number stays
 * real. Where im is Inf or NaN an infinite re still says how large the result is, as C's cexp has it: exp(-Inf) is 0,
 * and exp(Inf) is Inf + i NaN. */
static ej_vec exponential(ej_math *m, int dtype, ej_vec a)
{
    int real = ej_dtypes[dtype].real;
    double first = m->wide ? 700 : 88;
    LLVMValueRef zero = m_real(m, 0), one = m_real(m, 1), infinity = m_real(m, INFINITY);
    LLVMValueRef large = m_less(m, m_real(m, first), a.re), up = m_pick(m, large, m_real(m, exp(first)), one);
    LLVMValueRef rest = m_sub(m, a.re, m_pick(m, large, m_real(m, first), zero));
    ej_vec none = {NULL, NULL}, half = {m_mul(m, rest, m_real(m, 0.5)), NULL};
    LLVMValueRef h = ej_lower_fn(m->e, EJ_FN_EXP, real, real, m->lanes, half, none, none).re;
    ej_pair t = ej_lower_sin_cos(m, a.im);
    LLVMValueRef re = m_mul(m, m_mul(m, m_mul(m, t.lo, up), h), h), im = m_mul(m, m_mul(m, m_mul(m, t.hi, up), h), h);
    im = m_pick(m, m_cmp(m, LLVMRealOEQ, a.im, zero), a.im, im);
    LLVMValueRef turns = LLVMBuildNot(m->b, m_less(m, m_abs(m, a.im), infinity), "");
    LLVMValueRef gone = m_and(m, turns, m_cmp(m, LLVMRealOEQ, a.re, m_real(m, -INFINITY)));
    LLVMValueRef endless = m_and(m, turns, m_cmp(m, LLVMRealOEQ, a.re, infinity));
    re = m_pick(m, endless, infinity, m_pick(m, gone, zero, re));
    return (ej_vec){re, m_pick(m, gone, m_flip(m, zero, m_sign_bit(m, a.im)), im)};
}

static LLVMValueRef equal(ej_math *m, ej_vec a, ej_vec b)
{
    return m_and(m, m_cmp(m, LLVMRealOEQ, a.re, b.re), m_cmp(m, LLVMRealOEQ, a.im, b.im));
}

ej_vec ej_complex_fn(ej_emit *e, int fn, int dtype, int lanes, ej_vec a, ej_vec b)
{
    ej_math m = ej_math_of(e, dtype == EINJIT_C128, lanes);
    switch (fn) {
    case EJ_FN_NEG: return (ej_vec){m_neg(&m, a.re), m_neg(&m, a.im)};
    case EJ_FN_ABS: return (ej_vec){absolute(&m, a), NULL};
    case EJ_FN_EXP: return exponential(&m, dtype, a);
    case EJ_FN_RECIPROCAL: return reciprocal(&m, a);
    case EJ_FN_SQUARE: return ej_complex_mul(e, a, a);
    case EJ_FN_CONJ: return (ej_vec){a.re, m_neg(&m, a.im)};
    case EJ_FN_REAL: return (ej_vec){a.re, NULL};
    case EJ_FN_IMAG: return (ej_vec){a.im, NULL};
    case EJ_FN_ADD: return (ej_vec){m_add(&m, a.re, b.re), m_add(&m, a.im, b.im)};
    case EJ_FN_SUB: return (ej_vec){m_sub(&m, a.re, b.re), m_sub(&m, a.im, b.im)};
    case EJ_FN_MUL: return ej_complex_mul(e, a, b);
    case EJ_FN_DIV: return divide(&m, a, b);
    case EJ_FN_EQ: return (ej_vec){equal(&m, a, b), NULL};
    case EJ_FN_NE: return (ej_vec){LLVMBuildNot(m.b, equal(&m, a, b), ""), NULL};
    default: return a;
    }
}
