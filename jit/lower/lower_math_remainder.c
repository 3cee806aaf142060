/* lower_math_remainder.c - a - floor(a / b) b, exact but for the addition of b.
 *
 * Takes  real vectors.
 * Gives  C's fmod by long division of the mantissas, a bit of the quotient a round, until no lane has bits left: no
 *        rounding anywhere, with or without fused products. Then b is added where the remainder has the other sign.
 * Size   a round is five instructions; as many rounds as the exponents differ by, so 10 for quotients of about 1000.
 */
#include "lower_math.h"

#include <math.h>

/* |x| as mantissa * 2^(exponent - 1 - fraction_bits - bias), its leading bit at fraction_bits also where x is
 * subnormal. */
typedef struct parts {
    LLVMValueRef mantissa, exponent; /* integers */
    LLVMValueRef subnormal;
    LLVMValueRef scaled_exponent; /* of x, or where it is subnormal of 2^(fraction_bits + 1) x: at least 1 */
} parts;

static parts split(ej_math *m, LLVMValueRef x)
{
    int shift = m->fraction_bits;
    uint64_t leading = UINT64_C(1) << shift;
    parts p = {.subnormal = m_less(m, x, m_real(m, m->wide ? 0x1p-1022 : 0x1p-126))};
    LLVMValueRef scaled = m_pick(m, p.subnormal, m_mul(m, x, m_real(m, ldexp(1, shift + 1))), x);
    LLVMValueRef bits = m_to_bits(m, scaled);
    p.mantissa = m_or(m, m_and(m, bits, m_int(m, leading - 1)), m_int(m, leading));
    p.scaled_exponent = LLVMBuildLShr(m->b, bits, m_int(m, (uint64_t)shift), "");
    LLVMValueRef less = LLVMBuildSub(m->b, p.scaled_exponent, m_int(m, (uint64_t)shift + 1), "");
    p.exponent = m_pick(m, p.subnormal, less, p.scaled_exponent);
    return p;
}

/* x less y where it is not below it. */
static LLVMValueRef subtract(ej_math *m, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef below = LLVMBuildICmp(m->b, LLVMIntULT, x, y, "");
    return m_pick(m, below, x, LLVMBuildSub(m->b, x, y, ""));
}

/* rest = 2 rest mod divisor, `left` times. Fills the function that the builder stands in. */
static LLVMValueRef divide_long(ej_math *m, LLVMValueRef rest, LLVMValueRef left, LLVMValueRef divisor)
{
    LLVMContextRef context = m->e->context;
    LLVMValueRef zero = m_int(m, 0), one = m_int(m, 1);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(m->b);
    LLVMValueRef function = LLVMGetBasicBlockParent(entry);
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(context, function, "bit");
    LLVMBasicBlockRef end = LLVMAppendBasicBlockInContext(context, function, "end"), sources[2] = {entry, loop};
    LLVMBuildCondBr(m->b, ej_math_any(m, LLVMBuildICmp(m->b, LLVMIntSGT, left, zero, "")), loop, end);
    LLVMPositionBuilderAtEnd(m->b, loop);
    LLVMValueRef rest_now = LLVMBuildPhi(m->b, m->bits, "rest"), left_now = LLVMBuildPhi(m->b, m->bits, "left");
    LLVMValueRef active = LLVMBuildICmp(m->b, LLVMIntSGT, left_now, zero, "");
    LLVMValueRef twice = LLVMBuildShl(m->b, rest_now, one, "");
    LLVMValueRef rest_next = m_pick(m, active, subtract(m, twice, divisor), rest_now);
    LLVMValueRef left_next = LLVMBuildSub(m->b, left_now, one, "");
    LLVMBuildCondBr(m->b, ej_math_any(m, LLVMBuildICmp(m->b, LLVMIntSGT, left_next, zero, "")), loop, end);
    LLVMAddIncoming(rest_now, (LLVMValueRef[2]){rest, rest_next}, sources, 2);
    LLVMAddIncoming(left_now, (LLVMValueRef[2]){left, left_next}, sources, 2);
    LLVMPositionBuilderAtEnd(m->b, end);
    LLVMValueRef result = LLVMBuildPhi(m->b, m->bits, "");
    LLVMAddIncoming(result, (LLVMValueRef[2]){rest, rest_next}, sources, 2);
    return result;
}

/* |a| mod |b| for finite a and b that are not 0, as they come: a >= 0, b > 0. */
static LLVMValueRef modulo(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    int shift = m->fraction_bits;
    parts x = split(m, a), y = split(m, b);
    LLVMValueRef left = LLVMBuildSub(m->b, x.exponent, y.exponent, "");
    LLVMValueRef rest = divide_long(m, subtract(m, x.mantissa, y.mantissa), left, y.mantissa);
    /* Each product is exact: it is a multiple of b's last bit, and below b. */
    LLVMValueRef r = m_mul(m, LLVMBuildSIToFP(m->b, rest, m->real, ""), m_real(m, ldexp(1, -shift)));
    LLVMValueRef power = LLVMBuildShl(m->b, y.scaled_exponent, m_int(m, (uint64_t)shift), "");
    r = m_mul(m, r, m_of_bits(m, power));
    r = m_pick(m, y.subnormal, m_mul(m, r, m_real(m, ldexp(1, -shift - 1))), r);
    return m_pick(m, m_less(m, a, b), a, r);
}

LLVMValueRef ej_math_remainder(ej_math *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef zero = m_real(m, 0), infinity = m_real(m, INFINITY), size_a = m_abs(m, a), size_b = m_abs(m, b);
    LLVMValueRef finite_a = m_less(m, size_a, infinity);
    LLVMValueRef divides = m_and(m, m_less(m, size_b, infinity), m_less(m, zero, size_b));
    LLVMValueRef both = m_and(m, finite_a, divides), far = m_and(m, finite_a, m_cmp(m, LLVMRealOEQ, size_b, infinity));
    LLVMValueRef r = modulo(m, m_pick(m, both, size_a, zero), m_pick(m, both, size_b, m_real(m, 1)));
    r = m_pick(m, far, size_a, m_pick(m, both, r, m_real(m, NAN)));
    r = m_of_bits(m, m_or(m, m_to_bits(m, r), m_sign_bit(m, a)));
    LLVMValueRef apart = LLVMBuildXor(m->b, m_less(m, r, zero), m_less(m, b, zero), "");
    apart = m_and(m, apart, m_cmp(m, LLVMRealONE, r, zero));
    return m_pick(m, apart, m_add(m, r, b), r);
}
