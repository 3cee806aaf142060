/* tool_narrow.c - elements of the real floating dtypes as doubles, f16 and bf16 among them.
 */
#include <math.h>
#include <string.h>

#include "tool.h"

/* Bits of the fraction, and the exponent's bias. */
static double widen(uint16_t bits, int fraction, int bias)
{
    int exponent = bits >> fraction & (2 * bias + 1), rest = bits & ((1 << fraction) - 1);
    double x = exponent ? ldexp((1 << fraction) + rest, exponent - bias - fraction) : ldexp(rest, 1 - bias - fraction);
    if (exponent == 2 * bias + 1) x = rest ? (double)NAN : (double)INFINITY;
    return bits >> 15 ? -x : x;
}

double tool_load_real(int dtype, const void *block, int64_t at)
{
    switch (dtype) {
    case EINJIT_F16: return widen(((const uint16_t *)block)[at], 10, 15);
    case EINJIT_BF16: return widen(((const uint16_t *)block)[at], 7, 127);
    case EINJIT_F32: return (double)((const float *)block)[at];
    default: return ((const double *)block)[at];
    }
}

/* A normal number below the largest one, to nearest, halves upwards: what is left over at the end of the fraction goes
 * into its next bit, and on into the exponent. */
static uint16_t narrow(double x, int fraction, int bias)
{
    int exponent, unit = 1 << fraction;
    double part = frexp(fabs(x), &exponent);
    if (part == 0 || exponent - 1 <= -bias) return 0;
    int rounded = (int)(part * 2 * unit + 0.5), biased = exponent - 1 + bias;
    return (uint16_t)((x < 0 ? 0x8000 : 0) | ((biased << fraction) + (rounded - unit)));
}

void tool_store_real(int dtype, void *block, int64_t at, double x)
{
    switch (dtype) {
    case EINJIT_F16: ((uint16_t *)block)[at] = narrow(x, 10, 15); break;
    case EINJIT_BF16: ((uint16_t *)block)[at] = narrow(x, 7, 127); break;
    case EINJIT_F32: ((float *)block)[at] = (float)x; break;
    default: ((double *)block)[at] = x;
    }
}
