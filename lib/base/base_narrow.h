/* base_narrow.h - the 16-bit floats: f16 (IEEE binary16) and bf16 (the upper half of an f32). */
#ifndef EJ_BASE_NARROW_H
#define EJ_BASE_NARROW_H

#include <stdint.h>

#include "base_dtype.h"

/* Bits of the fraction, and the exponent's bias. */
typedef struct ej_narrow_format {
    int fraction, bias;
} ej_narrow_format;

ej_narrow_format ej_narrow_format_of(int dtype);
/* To nearest, ties to even; beyond the largest number infinity. A NaN stays one: its sign and payload are not kept. */
uint16_t ej_narrow(int dtype, double x);
double ej_widen(int dtype, uint16_t bits); /* exact */
/* x as the dtype has it: of f32 and complex of such parts to nearest, of f16 and bf16 the same. */
double ej_dtype_round(int dtype, double x);

#endif
