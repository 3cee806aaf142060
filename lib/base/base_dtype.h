/* base_dtype.h - numbers and names per dtype; promotion. */
#ifndef EJ_BASE_DTYPE_H
#define EJ_BASE_DTYPE_H

#include <stdbool.h>

#include "einjit/einjit.h"

enum ej_dtype_kind { EJ_KIND_BOOL, EJ_KIND_INT, EJ_KIND_FLOAT, EJ_KIND_COMPLEX };

typedef struct ej_dtype_info {
    const char *name, *long_name; /* "f32", "float32" */
    uint8_t bytes;
    uint8_t kind;     /* EJ_KIND_* */
    uint8_t real;     /* the real dtype of a complex one, else itself */
    uint8_t computes; /* the dtype in which it is computed with: f32 for f16 and bf16, i32 for i8, u8 and i16, else
                       * itself */
} ej_dtype_info;

extern const ej_dtype_info ej_dtypes[EINJIT_DTYPE_COUNT];

static inline bool ej_dtype_valid(int dtype)
{
    return dtype >= 0 && dtype < EINJIT_DTYPE_COUNT;
}
/* A format of memory: operators compute in another dtype. */
static inline bool ej_dtype_is_narrow(int dtype)
{
    return ej_dtypes[dtype].computes != dtype;
}
static inline bool ej_dtype_is_complex(int dtype)
{
    return ej_dtypes[dtype].kind == EJ_KIND_COMPLEX;
}
static inline bool ej_dtype_is_float(int dtype)
{
    return ej_dtypes[dtype].kind == EJ_KIND_FLOAT;
}
/* f16 and bf16. */
static inline bool ej_dtype_is_half(int dtype)
{
    return ej_dtype_is_float(dtype) && ej_dtype_is_narrow(dtype);
}
/* The numbers that an integer dtype has. */
int64_t ej_dtype_lowest(int dtype);
int64_t ej_dtype_highest(int dtype);
/* x modulo 2 to its bits, as the integer dtype has it. */
int64_t ej_dtype_wrap(int dtype, uint64_t x);
/* Python's number met by a dtype (NumPy 2): kind is EJ_KIND_*; e.g. (I32, FLOAT) -> F64, (F32, COMPLEX) -> C64,
 * (BOOL, INT) -> I64, (F32, FLOAT) -> F32. */
int ej_dtype_promote_weak(int dtype, int kind);

#endif
