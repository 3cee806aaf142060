/* base_narrow.c - numbers of 16 bits to doubles and back, and numbers rounded to a dtype.
 *
 * Takes  doubles, or the bits of an f16 or bf16.
 * Gives  the other one: one rounding, subnormal numbers as they are.
 * Not here: machine code that does the same (lower_narrow.c).
 */
#include "base_narrow.h"

#include <math.h>

ej_narrow_format ej_narrow_format_of(int dtype)
{
    return dtype == EINJIT_F16 ? (ej_narrow_format){10, 15} : (ej_narrow_format){7, 127};
}

uint16_t ej_narrow(int dtype, double x)
{
    ej_narrow_format f = ej_narrow_format_of(dtype);
    uint32_t sign = signbit(x) ? 0x8000u : 0, infinity = (uint32_t)(2 * f.bias + 1) << f.fraction;
    double magnitude = fabs(x), one = ldexp(1, f.fraction);
    if (isnan(x)) return (uint16_t)(infinity | 1u << (f.fraction - 1));
    if (isinf(x)) return (uint16_t)(sign | infinity);
    int exponent = magnitude > 0 ? ilogb(magnitude) : 1 - f.bias;
    if (exponent < 1 - f.bias) exponent = 1 - f.bias;
    double steps = nearbyint(ldexp(magnitude, f.fraction - exponent));
    if (steps >= 2 * one) {
        steps /= 2;
        exponent++;
    }
    if (exponent > f.bias) return (uint16_t)(sign | infinity);
    if (steps < one) return (uint16_t)(sign | (uint32_t)steps);
    return (uint16_t)(sign | ((uint32_t)(exponent + f.bias) << f.fraction) | (uint32_t)(steps - one));
}

double ej_widen(int dtype, uint16_t bits)
{
    ej_narrow_format f = ej_narrow_format_of(dtype);
    int exponent = (bits & 0x7FFF) >> f.fraction, fraction = bits & ((1 << f.fraction) - 1);
    double magnitude;
    if (exponent == 2 * f.bias + 1) magnitude = fraction ? (double)NAN : (double)INFINITY;
    else if (!exponent) magnitude = ldexp(fraction, 1 - f.bias - f.fraction);
    else magnitude = ldexp((1 << f.fraction) + fraction, exponent - f.bias - f.fraction);
    return bits & 0x8000 ? -magnitude : magnitude;
}

double ej_dtype_round(int dtype, double x)
{
    if (ej_dtype_is_narrow(dtype)) return ej_widen(dtype, ej_narrow(dtype, x));
    if (ej_dtypes[dtype].real != EINJIT_F32) return x;
    /* Volatile, because gcc 12 (-O2, the SLP vectorizer) drops the rounding where two neighbours are rounded at
     * once. */
    volatile float single = (float)x;
    return single;
}
