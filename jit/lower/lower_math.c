/* lower_math.c - what the elementary functions are made of: fused products, polynomials, rounding, rounded division.
 *
 * Takes  real vectors of one width (ej_math).
 * Gives  instructions only. Rounding to integers is an instruction from SSE4.1 on, which every row with FMA has; the
 *        others add and subtract 2^fraction_bits, where LLVM would call libm.
 * Not here: exp, log and so on (lower_math_*.c), integers (lower_integer.c).
 */
#include "lower_math.h"

#include <math.h>

ej_math ej_math_of(ej_emit *e, bool wide, int lanes)
{
    ej_math m = {.e = e, .b = e->builder, .lanes = lanes, .wide = wide, .fraction_bits = wide ? 52 : 23};
    m.real_one = wide ? LLVMDoubleTypeInContext(e->context) : LLVMFloatTypeInContext(e->context);
    m.bits_one = wide ? LLVMInt64TypeInContext(e->context) : LLVMInt32TypeInContext(e->context);
    m.real = ej_type_of(m.real_one, lanes);
    m.bits = ej_type_of(m.bits_one, lanes);
    return m;
}

LLVMValueRef ej_math_fma(ej_math *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    LLVMValueRef args[3] = {a, b, c};
    if (m->e->target->fma) return ej_intrinsic(m->e, "llvm.fma", args, 3, "");
    return m_add(m, m_mul(m, a, b), c);
}

LLVMValueRef ej_math_poly(ej_math *m, LLVMValueRef x, const double *coefficients, int n)
{
    LLVMValueRef sum = m_real(m, coefficients[n - 1]);
    for (int i = n - 2; i >= 0; i--) sum = ej_math_fma(m, sum, x, m_real(m, coefficients[i]));
    return sum;
}

LLVMValueRef ej_math_sqrt(ej_math *m, LLVMValueRef x)
{
    return ej_intrinsic(m->e, "llvm.sqrt", &x, 1, "");
}

/* Rounding to the nearest integer of a = |x|, for rows without the instruction; what is larger than 2^fraction_bits, or
 * NaN, is returned as it is. */
static LLVMValueRef rint_of_abs(ej_math *m, LLVMValueRef a)
{
    LLVMValueRef big = m_real(m, ldexp(1, m->fraction_bits));
    LLVMValueRef rounded = m_sub(m, m_add(m, a, big), big);
    return m_pick(m, m_less(m, a, big), rounded, a);
}

/* Sets the sign bit of x in r, whose sign is x's or that of a zero to be signed. */
static LLVMValueRef with_sign_of(ej_math *m, LLVMValueRef r, LLVMValueRef x)
{
    return m_of_bits(m, m_or(m, m_to_bits(m, r), m_sign_bit(m, x)));
}

LLVMValueRef ej_math_rint(ej_math *m, LLVMValueRef x)
{
    if (m->e->target->fma) return ej_intrinsic(m->e, "llvm.roundeven", &x, 1, "");
    return with_sign_of(m, rint_of_abs(m, m_abs(m, x)), x);
}

LLVMValueRef ej_math_floor(ej_math *m, LLVMValueRef x)
{
    if (m->e->target->fma) return ej_intrinsic(m->e, "llvm.floor", &x, 1, "");
    LLVMValueRef r = ej_math_rint(m, x);
    LLVMValueRef step = m_pick(m, m_less(m, x, r), m_real(m, 1), m_real(m, 0));
    return with_sign_of(m, m_sub(m, r, step), x);
}

LLVMValueRef ej_math_ceil(ej_math *m, LLVMValueRef x)
{
    if (m->e->target->fma) return ej_intrinsic(m->e, "llvm.ceil", &x, 1, "");
    LLVMValueRef r = ej_math_rint(m, x);
    LLVMValueRef step = m_pick(m, m_less(m, r, x), m_real(m, 1), m_real(m, 0));
    return with_sign_of(m, m_add(m, r, step), x);
}

LLVMValueRef ej_math_trunc(ej_math *m, LLVMValueRef x)
{
    if (m->e->target->fma) return ej_intrinsic(m->e, "llvm.trunc", &x, 1, "");
    LLVMValueRef a = m_abs(m, x), r = rint_of_abs(m, a);
    LLVMValueRef step = m_pick(m, m_less(m, a, r), m_real(m, 1), m_real(m, 0));
    return with_sign_of(m, m_sub(m, r, step), x);
}

/* Veltkamp's split: hi has half of the bits, so that products of halves are exact. Overflows above 2^996. */
static ej_pair halves(ej_math *m, LLVMValueRef x)
{
    LLVMValueRef t = m_mul(m, x, m_real(m, ldexp(1, (m->fraction_bits + 2) / 2) + 1));
    LLVMValueRef hi = m_sub(m, t, m_sub(m, t, x));
    return (ej_pair){hi, m_sub(m, x, hi)};
}

ej_pair ej_math_two_product(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef product = m_mul(m, a, b);
    if (m->e->target->fma) return (ej_pair){product, ej_math_fma(m, a, b, m_neg(m, product))};
    ej_pair p = halves(m, a), q = halves(m, b);
    LLVMValueRef lo = m_sub(m, m_mul(m, p.hi, q.hi), product);
    lo = m_add(m, lo, m_mul(m, p.hi, q.lo));
    lo = m_add(m, lo, m_mul(m, p.lo, q.hi));
    return (ej_pair){product, m_add(m, lo, m_mul(m, p.lo, q.lo))};
}

LLVMValueRef ej_math_any(ej_math *m, LLVMValueRef mask)
{
    if (m->lanes == 1) return mask;
    LLVMTypeRef whole = LLVMIntTypeInContext(m->e->context, (unsigned)m->lanes);
    LLVMValueRef bits = LLVMBuildBitCast(m->b, mask, whole, "");
    return LLVMBuildICmp(m->b, LLVMIntNE, bits, LLVMConstNull(whole), "any");
}

/* a - q * b with one rounding, so that its sign is right; q is a rounded quotient of a and b. */
static LLVMValueRef residual(ej_math *m, LLVMValueRef q, LLVMValueRef a, LLVMValueRef b)
{
    if (m->e->target->fma) return ej_math_fma(m, m_neg(m, q), b, a);
    if (!m->wide) { /* 24 + 24 bits: the product is exact in f64, where the difference cannot overflow */
        ej_math d = ej_math_of(m->e, true, m->lanes);
        LLVMValueRef wide[3] = {q, a, b};
        for (int i = 0; i < 3; i++) wide[i] = LLVMBuildFPExt(m->b, wide[i], d.real, "");
        LLVMValueRef r = m_sub(&d, wide[1], m_mul(&d, wide[0], wide[2]));
        /* Only the sign is asked for, and f32 might lose a tiny one. */
        LLVMValueRef sign = m_pick(&d, m_less(&d, r, m_real(&d, 0)), m_real(&d, -1), m_real(&d, 1));
        sign = m_pick(&d, m_cmp(&d, LLVMRealOEQ, r, m_real(&d, 0)), r, sign);
        return LLVMBuildFPTrunc(m->b, sign, m->real, "");
    }
    LLVMValueRef scale = m_pick(m, m_less(m, m_real(m, 0x1p900), m_abs(m, b)), m_real(m, 0x1p-100), m_real(m, 1));
    ej_pair p = ej_math_two_product(m, q, m_mul(m, b, scale));
    return m_sub(m, m_sub(m, m_mul(m, a, scale), p.hi), p.lo);
}

/* floor_divide of ops.def. The rounded quotient's floor is wrong only where rounding went up to an integer, which the
 * residual's sign tells; where the quotient is 0 the residual is a itself (also for b = Inf). */
LLVMValueRef ej_math_floor_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef zero = m_real(m, 0), infinity = m_real(m, INFINITY);
    LLVMValueRef q = ej_math_floor(m, m_div(m, a, b));
    LLVMValueRef r = m_pick(m, m_cmp(m, LLVMRealOEQ, q, zero), a, residual(m, q, a, b));
    LLVMValueRef up = m_and(m, m_less(m, r, zero), m_less(m, zero, b));
    LLVMValueRef down = m_and(m, m_less(m, zero, r), m_less(m, b, zero));
    q = m_pick(m, m_or(m, up, down), m_sub(m, q, m_real(m, 1)), q);
    LLVMValueRef bad = m_and(m, m_cmp(m, LLVMRealOEQ, m_abs(m, a), infinity), m_cmp(m, LLVMRealONE, b, zero));
    return m_pick(m, bad, m_real(m, NAN), q);
}

LLVMValueRef ej_math_trunc_divide(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    return ej_math_trunc(m, m_div(m, a, b));
}

LLVMValueRef ej_math_maximum(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef larger = m_pick(m, m_less(m, b, a), a, b);
    return m_pick(m, m_cmp(m, LLVMRealUNO, a, a), a, larger);
}

LLVMValueRef ej_math_minimum(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef smaller = m_pick(m, m_less(m, a, b), a, b);
    return m_pick(m, m_cmp(m, LLVMRealUNO, a, a), a, smaller);
}
