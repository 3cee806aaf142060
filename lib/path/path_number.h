/* path_number.h - costs of paths: doubles with a wider exponent, because real networks reach 10^1069 operations.
 *
 * Value m * 2^e. Canonical: e is a multiple of 256 and >= 0, |m| < 2^256, and |m| >= 1 where e > 0. Whole numbers
 * below 2^53 are exact, so that paths of equal cost compare as equal.
 */
#ifndef EJ_PATH_NUMBER_H
#define EJ_PATH_NUMBER_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ej_big {
    double m;
    int64_t e;
} ej_big;

static inline ej_big ej_big_of(double m)
{
    return (ej_big){m, 0};
}

static inline ej_big ej_big_canonical(ej_big x)
{
    const double up = 0x1p256, down = 0x1p-256;
    while (fabs(x.m) >= up) x.m *= down, x.e += 256;
    while (x.e > 0 && fabs(x.m) < 1.0) {
        if (x.m == 0) return (ej_big){0, 0};
        x.m *= up, x.e -= 256;
    }
    return x;
}

static inline ej_big ej_big_mul(ej_big a, ej_big b)
{
    return ej_big_canonical((ej_big){a.m * b.m, a.e + b.e});
}

static inline ej_big ej_big_scale(ej_big a, double factor) /* 0 <= factor < 2^256 */
{
    return ej_big_canonical((ej_big){a.m * factor, a.e});
}

static inline ej_big ej_big_divide(ej_big a, double divisor) /* 1 <= divisor < 2^256 */
{
    return ej_big_canonical((ej_big){a.m / divisor, a.e});
}

static inline ej_big ej_big_add(ej_big a, ej_big b)
{
    if (a.e < b.e) {
        ej_big t = a;
        a = b, b = t;
    }
    if (a.e - b.e > 512) return a;
    if (a.e != b.e) b.m = ldexp(b.m, (int)(b.e - a.e));
    return ej_big_canonical((ej_big){a.m + b.m, a.e});
}

static inline ej_big ej_big_sub(ej_big a, ej_big b)
{
    b.m = -b.m;
    return ej_big_add(a, b);
}

static inline int ej_big_compare(ej_big a, ej_big b)
{
    if (a.e == b.e) return (a.m > b.m) - (a.m < b.m);
    if (a.e > b.e) return a.m > 0 ? 1 : -1; /* e > 0 means |m| >= 1 */
    return b.m > 0 ? -1 : 1;
}

static inline bool ej_big_less(ej_big a, ej_big b)
{
    return ej_big_compare(a, b) < 0;
}

static inline double ej_big_log2(ej_big a) /* -inf for 0 */
{
    return (double)a.e + log2(a.m);
}

#endif
