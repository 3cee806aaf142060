/* lower_narrow.c - f16 and bf16 to f32 and back.
 *
 * Takes  vectors of their bits (i16), or of f32.
 * Gives  the other one: widening is exact, narrowing rounds to nearest, ties to even, and goes to infinity beyond the
 *        largest number. Subnormal numbers are kept, a NaN stays one.
 * Keeps  to shifts, additions and comparisons, but for f16 where the target converts it: nothing becomes a call of
 *        compiler-rt. vcvtneps2bf16 takes subnormal numbers for zeros and is not used.
 * Source for f16 without instructions: "float->half variants" and "half->float variants" (F. Giesen, public domain).
 */
#include "lower_math.h"

static LLVMTypeRef bits_of(ej_emit *e, int lanes)
{
    return ej_type_of(LLVMInt16TypeInContext(e->context), lanes);
}

static LLVMValueRef shift_left(ej_math *m, LLVMValueRef x, int by)
{
    return LLVMBuildShl(m->b, x, m_int(m, (uint64_t)by), "");
}

static LLVMValueRef shift_right(ej_math *m, LLVMValueRef x, int by)
{
    return LLVMBuildLShr(m->b, x, m_int(m, (uint64_t)by), "");
}

static LLVMValueRef plus(ej_math *m, LLVMValueRef x, uint32_t constant)
{
    return LLVMBuildAdd(m->b, x, m_int(m, constant), "");
}

static LLVMValueRef bits_less(ej_math *m, LLVMValueRef x, uint32_t constant) /* x is not negative */
{
    return LLVMBuildICmp(m->b, LLVMIntSLT, x, m_int(m, constant), "");
}

/* x without its last `drop` bits, rounded to nearest: what is added carries where the rest is more than half, or half
 * and the number odd. */
static LLVMValueRef round_bits(ej_math *m, LLVMValueRef x, int drop)
{
    LLVMValueRef odd = m_and(m, shift_right(m, x, drop), m_int(m, 1));
    LLVMValueRef up = LLVMBuildAdd(m->b, plus(m, x, (1u << (drop - 1)) - 1), odd, "");
    return shift_right(m, up, drop);
}

/* The same with a mask: half is added, and what was halfway made even. An instruction less than round_bits. */
static LLVMValueRef round_masked(ej_math *m, LLVMValueRef x, int drop)
{
    LLVMValueRef up = plus(m, x, 1u << (drop - 1)), rest = m_and(m, up, m_int(m, (1u << drop) - 1));
    LLVMValueRef halfway = LLVMBuildICmp(m->b, LLVMIntEQ, rest, m_int(m, 0), "");
    return shift_right(m, m_pick(m, halfway, m_and(m, up, m_int(m, ~(1u << drop))), up), drop);
}

/* ---- bf16: the upper half of an f32 ---- */

static LLVMValueRef widen_brain(ej_math *m, LLVMValueRef wide)
{
    return m_of_bits(m, shift_left(m, wide, 16));
}

static LLVMValueRef narrow_brain(ej_math *m, LLVMValueRef x, bool masks)
{
    enum { NOT_A_NUMBER = 0x7FC0 };
    LLVMValueRef unordered = m_cmp(m, LLVMRealUNO, x, x), bits = m_to_bits(m, x);
    return m_pick(m, unordered, m_int(m, NOT_A_NUMBER), masks ? round_masked(m, bits, 16) : round_bits(m, bits, 16));
}

/* ---- f16 ---- */

enum { FRACTION = 13, BIAS = 112 }; /* bits that an f32 has more; what its exponents are higher by */
#define EXPONENT(n) ((uint32_t)(n) << 23)

static LLVMValueRef widen_half(ej_math *m, LLVMValueRef wide)
{
    LLVMValueRef sign = shift_left(m, m_and(m, wide, m_int(m, 0x8000)), 16);
    LLVMValueRef x = shift_left(m, m_and(m, wide, m_int(m, 0x7FFF)), FRACTION);
    LLVMValueRef normal = plus(m, x, EXPONENT(BIAS));
    LLVMValueRef huge = plus(m, x, EXPONENT(2 * BIAS)); /* Inf and NaN */
    /* as the fraction of a number that is 2^-14 too large */
    LLVMValueRef one = m_of_bits(m, plus(m, x, EXPONENT(BIAS + 1)));
    LLVMValueRef tiny = m_to_bits(m, m_sub(m, one, m_real(m, 0x1p-14)));
    x = m_pick(m, bits_less(m, x, EXPONENT(1)), tiny, m_pick(m, bits_less(m, x, EXPONENT(31)), normal, huge));
    return m_of_bits(m, m_or(m, x, sign));
}

static LLVMValueRef narrow_half(ej_math *m, LLVMValueRef x)
{
    enum { INFINITE = 0x7C00, NOT_A_NUMBER = 0x7E00 };
    LLVMValueRef sign = m_sign_bit(m, x), bits = LLVMBuildXor(m->b, m_to_bits(m, x), sign, "");
    LLVMValueRef unordered = m_cmp(m, LLVMRealUNO, x, x);
    LLVMValueRef huge = m_pick(m, unordered, m_int(m, NOT_A_NUMBER), m_int(m, INFINITE));
    LLVMValueRef normal = round_bits(m, LLVMBuildSub(m->b, bits, m_int(m, EXPONENT(BIAS)), ""), FRACTION);
    /* Beside 1/2 a unit in the last place is 2^-24, that of subnormal numbers: the addition rounds. */
    LLVMValueRef sum = m_to_bits(m, m_add(m, m_of_bits(m, bits), m_real(m, 0.5)));
    LLVMValueRef tiny = LLVMBuildSub(m->b, sum, m_int(m, EXPONENT(126)), "");
    LLVMValueRef r = m_pick(m, bits_less(m, bits, EXPONENT(BIAS + 31)), normal, huge);
    r = m_pick(m, bits_less(m, bits, EXPONENT(BIAS + 1)), tiny, r);
    return m_or(m, r, shift_right(m, sign, 16));
}

/* ---- both ---- */

LLVMValueRef ej_lower_widen(ej_emit *e, int dtype, int lanes, LLVMValueRef bits)
{
    ej_math m = ej_math_of(e, false, lanes);
    if (dtype == EINJIT_F16 && e->target->half) {
        LLVMValueRef half = LLVMBuildBitCast(m.b, bits, ej_type_of(LLVMHalfTypeInContext(e->context), lanes), "");
        return LLVMBuildFPExt(m.b, half, m.real, "");
    }
    LLVMValueRef wide = LLVMBuildZExt(m.b, bits, m.bits, "");
    return dtype == EINJIT_F16 ? widen_half(&m, wide) : widen_brain(&m, wide);
}

/* Twice as many are spread, from memory by one load, and moved into the upper halves. Widened before, the number would
 * come from a general register, which takes two cycles: products of 16x16 on Zen 4 138 us, so 109. (Not f16, which
 * takes 152 instead of 139.) */
LLVMValueRef ej_lower_spread_brain(ej_emit *e, int lanes, LLVMValueRef bits)
{
    ej_math m = ej_math_of(e, false, lanes);
    LLVMValueRef twice = LLVMBuildBitCast(m.b, ej_splat(e, bits, 2 * lanes, ""), m.bits, "");
    return widen_brain(&m, twice);
}

LLVMValueRef ej_lower_narrow(ej_emit *e, int dtype, int lanes, LLVMValueRef x)
{
    ej_math m = ej_math_of(e, false, lanes);
    if (dtype == EINJIT_F16 && e->target->half) {
        LLVMValueRef half = LLVMBuildFPTrunc(m.b, x, ej_type_of(LLVMHalfTypeInContext(e->context), lanes), "");
        return LLVMBuildBitCast(m.b, half, bits_of(e, lanes), "");
    }
    LLVMValueRef r = dtype == EINJIT_F16 ? narrow_half(&m, x) : narrow_brain(&m, x, e->target->masks && lanes > 1);
    return LLVMBuildTrunc(m.b, r, bits_of(e, lanes), "");
}

LLVMValueRef ej_lower_cut_brain(ej_emit *e, int lanes, LLVMValueRef x)
{
    ej_math m = ej_math_of(e, false, lanes);
    return LLVMBuildTrunc(m.b, shift_right(&m, m_to_bits(&m, x), 16), bits_of(e, lanes), "");
}
