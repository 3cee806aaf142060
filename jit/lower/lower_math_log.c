/* lower_math_log.c - log, log1p, softplus, log(exp + exp).
 *
 * x = 2^k * m with m in [sqrt(1/2), sqrt(2)), f = m - 1 (exact), s = f / (2 + f):
 *   log m = 2 atanh(s) = 2s + s R(s^2) = f - (f^2/2 - s (f^2/2 + R))
 * where the second form keeps f, the only large term, out of the rounding. k ln 2 is added in two parts, the first
 * of them exact.
 */
#include "lower_math.h"

#include <math.h>

static const double log_f32[] = {0.6666666655404201, 0.4000012221181065, 0.28550778633191964, 0.23331614471843498};
static const double log_f64[] = {0.666666666666667,  0.3999999999989889,  0.28571428626253836, 0.22222211089379496,
                                 0.1818289243253687, 0.15331611722055008, 0.14617807153417325};

/* The exponent becomes a number by putting it into the low bits of 2^fraction_bits: no conversion from i64. */
void ej_math_split(ej_math *m, LLVMValueRef x, LLVMValueRef *exponent, LLVMValueRef *fraction)
{
    uint64_t one = m->wide ? UINT64_C(0x3ff0000000000000) : 0x3f800000;
    uint64_t root = m->wide ? UINT64_C(0x3fe6a09e00000000) : 0x3f3504f3;
    uint64_t big = m->wide ? UINT64_C(0x4330000000000000) : 0x4b000000;
    LLVMValueRef bits = LLVMBuildAdd(m->b, m_to_bits(m, x), m_int(m, one - root), "");
    LLVMValueRef e = LLVMBuildLShr(m->b, bits, m_int(m, (uint64_t)m->fraction_bits), "");
    double bias = m->wide ? 1023 : 127;
    *exponent = m_sub(m, m_of_bits(m, m_or(m, e, m_int(m, big))), m_real(m, ldexp(1, m->fraction_bits) + bias));
    bits = m_and(m, bits, m_int(m, (UINT64_C(1) << m->fraction_bits) - 1));
    *fraction = m_of_bits(m, LLVMBuildAdd(m->b, bits, m_int(m, root), ""));
}

/* k ln 2 + log(1 + f) + c; c may be NULL. */
static LLVMValueRef log_sum(ej_math *m, LLVMValueRef k, LLVMValueRef f, LLVMValueRef c)
{
    double hi = m->wide ? 0x1.62e42fefp-1 : 0x1.62e4p-1;
    double lo = m->wide ? 0x1.473de6af278edp-34 : 1.4286068203094173e-06;
    LLVMValueRef s = m_div(m, f, m_add(m, f, m_real(m, 2)));
    LLVMValueRef z = m_mul(m, s, s);
    LLVMValueRef r = m->wide ? EJ_POLY(m, z, log_f64) : EJ_POLY(m, z, log_f32);
    LLVMValueRef half = m_mul(m, m_mul(m, f, m_real(m, 0.5)), f);
    LLVMValueRef low = c ? ej_math_fma(m, k, m_real(m, lo), c) : m_mul(m, k, m_real(m, lo));
    low = ej_math_fma(m, s, ej_math_fma(m, z, r, half), low);
    LLVMValueRef sum = m_sub(m, m_sub(m, half, low), f);
    return m_sub(m, m_mul(m, k, m_real(m, hi)), sum);
}

/* log of what is not positive and finite: -Inf for 0, NaN for negative numbers, Inf and NaN themselves. */
static LLVMValueRef log_special(ej_math *m, LLVMValueRef x, LLVMValueRef result)
{
    LLVMValueRef zero = m_real(m, 0), positive = m_less(m, zero, x);
    LLVMValueRef usual = m_and(m, positive, m_less(m, x, m_real(m, INFINITY)));
    LLVMValueRef other = m_pick(m, positive, x, m_real(m, NAN));
    other = m_pick(m, m_cmp(m, LLVMRealOEQ, x, zero), m_real(m, -INFINITY), other);
    return m_pick(m, usual, result, other);
}

LLVMValueRef ej_math_log(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef k, part;
    int up = m->fraction_bits + 2; /* subnormal x: times 2^up, k less by it */
    LLVMValueRef small = m_less(m, x, m_real(m, m->wide ? 0x1p-1022 : 0x1p-126));
    LLVMValueRef scaled = m_pick(m, small, m_mul(m, x, m_real(m, ldexp(1, up))), x);
    ej_math_split(m, scaled, &k, &part);
    k = m_sub(m, k, m_pick(m, small, m_real(m, up), m_real(m, 0)));
    return log_special(m, x, log_sum(m, k, m_sub(m, part, m_real(m, 1)), NULL));
}

/* log of u = 1 + x plus what the addition lost, relative to u. Near 1 (k = 0) f is x itself. */
LLVMValueRef ej_math_log1p(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef one = m_real(m, 1), zero = m_real(m, 0), k, part;
    LLVMValueRef u = m_add(m, x, one);
    LLVMValueRef lost = m_pick(m, m_less(m, one, x), m_sub(m, one, m_sub(m, u, x)), m_sub(m, x, m_sub(m, u, one)));
    ej_math_split(m, u, &k, &part);
    LLVMValueRef near = m_cmp(m, LLVMRealOEQ, k, zero);
    LLVMValueRef f = m_pick(m, near, x, m_sub(m, part, one));
    LLVMValueRef c = m_pick(m, near, zero, m_div(m, lost, u));
    LLVMValueRef result = log_special(m, u, log_sum(m, k, f, c));
    LLVMValueRef tiny = m_less(m, m_abs(m, x), m_real(m, m->wide ? 0x1p-54 : 0x1p-25));
    return m_pick(m, tiny, x, result); /* keeps -0 and subnormals */
}

/* max(x, 0) + log1p(exp(-|x|)) */
LLVMValueRef ej_math_softplus(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    LLVMValueRef zero = m_real(m, 0);
    LLVMValueRef z = ej_math_exp(m, m_neg(m, m_abs(m, x)), unused);
    LLVMValueRef positive = m_pick(m, m_less(m, zero, x), x, zero);
    return m_add(m, positive, ej_math_log1p(m, z, unused));
}

/* log(exp(a) + exp(b)) = high + log1p(exp(low - high)); infinite or NaN where the larger one is. */
LLVMValueRef ej_math_log_add_exp(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef high = ej_math_maximum(m, a, b), low = ej_math_minimum(m, a, b);
    LLVMValueRef z = ej_math_exp(m, m_sub(m, low, high), NULL);
    LLVMValueRef sum = m_add(m, high, ej_math_log1p(m, z, NULL));
    return m_pick(m, m_less(m, m_abs(m, high), m_real(m, INFINITY)), sum, high);
}
