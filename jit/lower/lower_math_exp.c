/* lower_math_exp.c - exp and what is made of it: expm1, tanh, sigmoid, silu.
 *
 * exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n ln 2 in two steps, |r| <= ln(2)/2. Adding 1.5 * 2^fraction_bits
 * rounds to an integer and leaves n in the low bits of the sum, so no conversion is needed.
 * exp(r) = 1 + (r + r^2 q(r)), q interpolated at Chebyshev nodes: 2^-30 of r for f32, 2^-60 for f64.
 */
#include "lower_math.h"

static const double exp_f32[] = {0.5000000013701955,   0.1666666668188549,    0.04166646257283667,
                                 0.008333310664235417, 0.0013933910353940131, 0.000198912799526017};
static const double exp_f64[] = {0.5,
                                 0.1666666666666667,
                                 0.04166666666666667,
                                 0.008333333333325966,
                                 0.0013888888888883629,
                                 0.0001984126987540889,
                                 2.4801587325967827e-05,
                                 2.7557254656202336e-06,
                                 2.7557273111810967e-07,
                                 2.5105525761140995e-08,
                                 2.091490745304636e-09};

/* exp(r) - 1 for |r| <= ln(2)/2. */
static LLVMValueRef expm1_small(ej_math *m, LLVMValueRef r)
{
    LLVMValueRef q = m->wide ? EJ_POLY(m, r, exp_f64) : EJ_POLY(m, r, exp_f32);
    return ej_math_fma(m, m_mul(m, r, r), q, r);
}

static double round_magic(const ej_math *m)
{
    return m->wide ? 0x1.8p52 : 0x1.8p23;
}

static uint64_t round_magic_bits(const ej_math *m)
{
    return m->wide ? UINT64_C(0x4338000000000000) : UINT64_C(0x4b400000);
}

/* x = n ln 2 + r; *shifted holds n in its low bits. |n| * ln2_hi is exact. */
static LLVMValueRef reduce(ej_math *m, LLVMValueRef x, LLVMValueRef *n, LLVMValueRef *shifted)
{
    double hi = m->wide ? 0x1.62e42fefp-1 : 0x1.62e4p-1;
    double lo = m->wide ? 0x1.473de6af278edp-34 : 1.4286068203094173e-06;
    LLVMValueRef magic = m_real(m, round_magic(m));
    *shifted = ej_math_fma(m, x, m_real(m, 0x1.71547652b82fep+0), magic);
    *n = m_sub(m, *shifted, magic);
    LLVMValueRef r = ej_math_fma(m, *n, m_real(m, -hi), x);
    return ej_math_fma(m, *n, m_real(m, -lo), r);
}

/* p * 2^n in two factors: n may lie outside of the exponents, and subnormal results round once. The halves are formed
 * from n + 2 * bias, which is positive, by logical shifts: AVX2 has no arithmetic ones for 64 bits. */
static LLVMValueRef scale(ej_math *m, LLVMValueRef p, LLVMValueRef shifted)
{
    uint64_t bias = m->wide ? 1023 : 127;
    LLVMValueRef fraction = m_int(m, (uint64_t)m->fraction_bits);
    LLVMValueRef n = LLVMBuildAdd(m->b, m_to_bits(m, shifted), m_int(m, 2 * bias - round_magic_bits(m)), "");
    LLVMValueRef half = LLVMBuildLShr(m->b, n, m_int(m, 1), "");
    LLVMValueRef rest = LLVMBuildSub(m->b, n, half, "");
    p = m_mul(m, p, m_of_bits(m, LLVMBuildShl(m->b, half, fraction, "")));
    return m_mul(m, p, m_of_bits(m, LLVMBuildShl(m->b, rest, fraction, "")));
}

LLVMValueRef ej_math_exp(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef n, shifted;
    x = m->wide ? m_clamp(m, x, -746, 710) : m_clamp(m, x, -104, 89);
    LLVMValueRef r = reduce(m, x, &n, &shifted);
    return scale(m, m_add(m, expm1_small(m, r), m_real(m, 1)), shifted);
}

LLVMValueRef ej_math_exp2_pair(ej_math *m, LLVMValueRef hi, LLVMValueRef lo)
{
    LLVMValueRef limit = m_real(m, m->wide ? 1100 : 160), magic = m_real(m, round_magic(m));
    LLVMValueRef inside = m_less(m, m_abs(m, hi), limit);
    hi = m->wide ? m_clamp(m, hi, -1100, 1100) : m_clamp(m, hi, -160, 160);
    LLVMValueRef shifted = m_add(m, hi, magic);
    LLVMValueRef r = m_sub(m, hi, m_sub(m, shifted, magic));
    if (lo) r = m_add(m, r, m_pick(m, inside, lo, m_real(m, 0)));
    r = m_mul(m, r, m_real(m, 0x1.62e42fefa39efp-1));
    return scale(m, m_add(m, expm1_small(m, r), m_real(m, 1)), shifted);
}

/* 2^n (exp(r) - 1) + (2^n - 1), all halved so that n = 1024 does not overflow before the end. */
LLVMValueRef ej_math_expm1(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef n, shifted;
    uint64_t bias = m->wide ? 1023 : 127;
    LLVMValueRef inside = m->wide ? m_clamp(m, x, -40, 710) : m_clamp(m, x, -20, 89);
    LLVMValueRef p = expm1_small(m, reduce(m, inside, &n, &shifted));
    LLVMValueRef e = LLVMBuildAdd(m->b, m_to_bits(m, shifted), m_int(m, bias - 1 - round_magic_bits(m)), "");
    LLVMValueRef half = m_of_bits(m, LLVMBuildShl(m->b, e, m_int(m, (uint64_t)m->fraction_bits), ""));
    LLVMValueRef sum = ej_math_fma(m, half, p, m_add(m, half, m_real(m, -0.5)));
    sum = m_add(m, sum, sum);
    LLVMValueRef tiny = m_less(m, m_abs(m, x), m_real(m, m->wide ? 0x1p-54 : 0x1p-25));
    return m_pick(m, tiny, x, sum); /* keeps -0 and subnormals */
}

/* With t = exp(-2|x|) - 1: tanh |x| = -t / (t + 2), without cancellation anywhere. */
LLVMValueRef ej_math_tanh(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    LLVMValueRef a = m_abs(m, x);
    LLVMValueRef t = ej_math_expm1(m, m_mul(m, a, m_real(m, -2)), unused);
    LLVMValueRef r = m_div(m, m_neg(m, t), m_add(m, t, m_real(m, 2)));
    return m_flip(m, r, m_sign_bit(m, x));
}

/* With z = exp(-|x|): 1 / (1 + z), or z / (1 + z) for negative x, which keeps the small values on that side. */
LLVMValueRef ej_math_sigmoid(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    LLVMValueRef one = m_real(m, 1);
    LLVMValueRef z = ej_math_exp(m, m_neg(m, m_abs(m, x)), unused);
    LLVMValueRef top = m_pick(m, m_less(m, x, m_real(m, 0)), z, one);
    return m_div(m, top, m_add(m, z, one));
}

LLVMValueRef ej_math_silu(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    return m_mul(m, x, ej_math_sigmoid(m, x, unused));
}
