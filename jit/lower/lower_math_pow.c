/* lower_math_pow.c - pow of floats: 2^(y log2 x), with the special cases of C's pow.
 *
 * f32 computes in f64. f64 needs log2 x to about 2^-66 of itself, as y log2 x may be 1024 and its error is the result's
 * relative error: a pair of doubles (hi + lo). With x = 2^k m, f = m - 1, s = f / (2 + f):
 *   log2 x = k + (2 / ln 2) s (1 + z/3 + z^2 T(z)), z = s^2
 * where s, z/3 and the sums are pairs and T is a plain polynomial (z^2 T < 2^-12).
 */
#include "lower_math.h"

#include <math.h>

static const double short_atanh[] = {0.3333333333368934, 0.19999999396220844, 0.14285877767516472, 0.11095668714032891,
                                     0.09681942493316599};
static const double tail_atanh[] = {0.2,
                                    0.14285714285714685,
                                    0.11111111110826383,
                                    0.09090909168049924,
                                    0.0769229744350359,
                                    0.0666740439940617,
                                    0.05853063232281696,
                                    0.05862163530423395};

/* hi + lo of a + b for |a| >= |b|. */
static ej_pair fast_sum(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef hi = m_add(m, a, b);
    return (ej_pair){hi, m_add(m, m_sub(m, a, hi), b)};
}

static ej_pair pair_product(ej_math *m, ej_pair a, ej_pair b)
{
    ej_pair p = ej_math_two_product(m, a.hi, b.hi);
    p.lo = ej_math_fma(m, a.hi, b.lo, p.lo);
    p.lo = ej_math_fma(m, a.lo, b.hi, p.lo);
    return p;
}

/* f / (f + 2) as a pair; m = 1 + f. */
static ej_pair quotient(ej_math *m, LLVMValueRef part, LLVMValueRef f)
{
    LLVMValueRef one = m_real(m, 1), below = m_add(m, part, one);
    LLVMValueRef below_lo = m_sub(m, part, m_sub(m, below, one));
    LLVMValueRef inverse = m_div(m, one, below);
    ej_pair s = {m_mul(m, f, inverse), NULL};
    ej_pair back = ej_math_two_product(m, s.hi, below);
    LLVMValueRef rest = m_sub(m, m_sub(m, f, back.hi), back.lo);
    rest = m_sub(m, rest, m_mul(m, s.hi, below_lo));
    s.lo = m_mul(m, rest, inverse);
    return s;
}

static ej_pair log2_pair(ej_math *m, LLVMValueRef k, LLVMValueRef part)
{
    ej_pair s = quotient(m, part, m_sub(m, part, m_real(m, 1)));
    ej_pair z = pair_product(m, s, s);
    ej_pair third = {m_real(m, 0x1.5555555555555p-2), m_real(m, 0x1.5555555555555p-56)};
    ej_pair w = pair_product(m, z, third);
    LLVMValueRef tail = m_mul(m, m_mul(m, z.hi, z.hi), EJ_POLY(m, z.hi, tail_atanh));
    ej_pair sum = fast_sum(m, w.hi, tail);
    sum.lo = m_add(m, sum.lo, w.lo);
    ej_pair extra = pair_product(m, s, sum);
    ej_pair atanh_s = fast_sum(m, s.hi, extra.hi);
    atanh_s.lo = m_add(m, atanh_s.lo, m_add(m, s.lo, extra.lo));
    ej_pair factor = {m_real(m, 0x1.71547652b82fep+1), m_real(m, 0x1.777d0ffda0d24p-55)};
    ej_pair l = pair_product(m, atanh_s, factor);
    ej_pair result = fast_sum(m, k, l.hi);
    result.lo = m_add(m, result.lo, l.lo);
    return result;
}

/* log2 in one f64, to about 2^-43 of itself: for f32. */
static LLVMValueRef log2_short(ej_math *m, LLVMValueRef k, LLVMValueRef part)
{
    LLVMValueRef one = m_real(m, 1);
    LLVMValueRef s = m_div(m, m_sub(m, part, one), m_add(m, part, one));
    LLVMValueRef z = m_mul(m, s, s);
    s = m_mul(m, s, m_real(m, 0x1.71547652b82fep+1));
    LLVMValueRef l = ej_math_fma(m, m_mul(m, s, z), EJ_POLY(m, z, short_atanh), s);
    return m_add(m, k, l);
}

/* |x|^y for all |x|, y: 0 and Inf enter through their logarithms; wrong only where C's table says so (special). A y
 * beyond 2^70 is as good as 2^70, for |log2 x| is 0 or above 2^-53, and splits without overflow. */
static LLVMValueRef pow_of_abs(ej_math *m, LLVMValueRef a, LLVMValueRef y, bool short_result)
{
    y = m_clamp(m, y, -0x1p70, 0x1p70);
    LLVMValueRef k, part, zero = m_real(m, 0);
    LLVMValueRef small = m_less(m, a, m_real(m, 0x1p-1022));
    LLVMValueRef scaled = m_pick(m, small, m_mul(m, a, m_real(m, 0x1p54)), a);
    ej_math_split(m, scaled, &k, &part);
    k = m_sub(m, k, m_pick(m, small, m_real(m, 54), zero));
    ej_pair l = {NULL, NULL};
    if (short_result) l.hi = log2_short(m, k, part);
    else l = log2_pair(m, k, part);
    LLVMValueRef finite = m_less(m, a, m_real(m, INFINITY));
    l.hi = m_pick(m, finite, l.hi, a); /* Inf and NaN */
    l.hi = m_pick(m, m_cmp(m, LLVMRealOEQ, a, zero), m_real(m, -INFINITY), l.hi);
    if (short_result) return ej_math_exp2_pair(m, m_mul(m, y, l.hi), NULL);
    ej_pair p = ej_math_two_product(m, y, l.hi);
    return ej_math_exp2_pair(m, p.hi, ej_math_fma(m, y, l.lo, p.lo));
}

/* C's table: 1 for y = 0 and x = 1 whatever the other is; NaN for a fraction of a negative number; odd powers keep the
 * sign, of zeros and infinities as well. */
static LLVMValueRef special(ej_math *m, LLVMValueRef x, LLVMValueRef y, LLVMValueRef a, LLVMValueRef r)
{
    LLVMValueRef zero = m_real(m, 0), one = m_real(m, 1), infinity = m_real(m, INFINITY);
    LLVMValueRef whole = m_cmp(m, LLVMRealOEQ, ej_math_rint(m, y), y);
    LLVMValueRef half = m_mul(m, y, m_real(m, 0.5));
    LLVMValueRef odd = m_and(m, whole, m_cmp(m, LLVMRealUNE, ej_math_rint(m, half), half));
    LLVMValueRef sign = m_pick(m, odd, m_sign_bit(m, x), m_int(m, 0));
    r = m_flip(m, r, sign);
    LLVMValueRef inside = m_and(m, m_less(m, x, zero), m_less(m, a, infinity));
    LLVMValueRef undefined = m_and(m, inside, LLVMBuildNot(m->b, whole, ""));
    r = m_pick(m, undefined, m_real(m, NAN), r);
    LLVMValueRef unit = m_or(m, m_cmp(m, LLVMRealOEQ, x, one), m_cmp(m, LLVMRealOEQ, y, zero));
    return m_pick(m, unit, one, r);
}

LLVMValueRef ej_math_pow(ej_math *m, LLVMValueRef x, LLVMValueRef y)
{
    ej_math d = ej_math_of(m->e, true, m->lanes);
    if (!m->wide) {
        x = LLVMBuildFPExt(m->b, x, d.real, "");
        y = LLVMBuildFPExt(m->b, y, d.real, "");
    }
    LLVMValueRef a = m_abs(&d, x);
    LLVMValueRef r = special(&d, x, y, a, pow_of_abs(&d, a, y, !m->wide));
    return m->wide ? r : LLVMBuildFPTrunc(m->b, r, m->real, "");
}
