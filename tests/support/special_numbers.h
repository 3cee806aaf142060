/* special_numbers.h - where functions of one real number may go wrong: limits, exact cases, ends of ranges. */
#ifndef SPECIAL_NUMBERS_H
#define SPECIAL_NUMBERS_H

#include <float.h>
#include <math.h>

/* clang-format off */
static const double special[] = {
    0, 1, 2, 3, 0.5, 1.5, 2.5, 0.25, 1e-300, 1e300, 1e305, 1e-320, 5e-324, 1e-45, 1e-40, 1e-38, 3e38, 1e30, 709.78,
    709.79, 88.72, 88.73, 103.97, 745.13, 745.14, 1e5, 12345.678, 1048576, 1048577, 1e9, 1e22, 0x1p52, 0x1p53,
    4503599627370497.5, 0x1p23, 8388609.5, 0x1.921fb54442d18p+0, 0x1.921fb54442d18p+1, 6381956970095103.0 * 0x1p797,
    DBL_MAX, INFINITY, NAN, 0.75, 0.99999, 1.00001, 0.41421356, 0.34657359, 2147483647, 2147483648,
    9223372036854775808.0};
/* clang-format on */

#endif
