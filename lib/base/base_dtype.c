/* base_dtype.c - the dtype table and NumPy's promotion. */
#include "base_dtype.h"

#include <string.h>

const ej_dtype_info ej_dtypes[EINJIT_DTYPE_COUNT] = {
    [EINJIT_BOOL] = {"bool", "bool", 1, EJ_KIND_BOOL, EINJIT_BOOL, EINJIT_BOOL},
    [EINJIT_I32] = {"i32", "int32", 4, EJ_KIND_INT, EINJIT_I32, EINJIT_I32},
    [EINJIT_I64] = {"i64", "int64", 8, EJ_KIND_INT, EINJIT_I64, EINJIT_I64},
    [EINJIT_F16] = {"f16", "float16", 2, EJ_KIND_FLOAT, EINJIT_F16, EINJIT_F32},
    [EINJIT_BF16] = {"bf16", "bfloat16", 2, EJ_KIND_FLOAT, EINJIT_BF16, EINJIT_F32},
    [EINJIT_F32] = {"f32", "float32", 4, EJ_KIND_FLOAT, EINJIT_F32, EINJIT_F32},
    [EINJIT_F64] = {"f64", "float64", 8, EJ_KIND_FLOAT, EINJIT_F64, EINJIT_F64},
    [EINJIT_C64] = {"c64", "complex64", 8, EJ_KIND_COMPLEX, EINJIT_F32, EINJIT_C64},
    [EINJIT_C128] = {"c128", "complex128", 16, EJ_KIND_COMPLEX, EINJIT_F64, EINJIT_C128},
    [EINJIT_I8] = {"i8", "int8", 1, EJ_KIND_INT, EINJIT_I8, EINJIT_I32},
    [EINJIT_U8] = {"u8", "uint8", 1, EJ_KIND_INT, EINJIT_U8, EINJIT_I32},
    [EINJIT_I16] = {"i16", "int16", 2, EJ_KIND_INT, EINJIT_I16, EINJIT_I32},
};

const char *einjit_dtype_name(int dtype)
{
    return ej_dtype_valid(dtype) ? ej_dtypes[dtype].name : "?";
}

int einjit_dtype_from_name(const char *name)
{
    if (!name) return -1;
    for (int d = 0; d < EINJIT_DTYPE_COUNT; d++)
        if (!strcmp(name, ej_dtypes[d].name) || !strcmp(name, ej_dtypes[d].long_name)) return d;
    return -1;
}

size_t einjit_dtype_bytes(int dtype)
{
    return ej_dtype_valid(dtype) ? ej_dtypes[dtype].bytes : 0;
}

/* Bits of mantissa decide: an i32 does not fit into an f32, so i32 with f32 gives f64, as in NumPy; 8 bits fit into all
 * of them, 16 into an f32. */
static int float_for_int(int dtype, int with)
{
    if (ej_dtypes[dtype].bytes == 1) return with;
    return dtype == EINJIT_I16 ? EINJIT_F32 : EINJIT_F64;
}

/* Two different ones. */
static int promote_ints(int a, int b)
{
    if (a == EINJIT_I64 || b == EINJIT_I64) return EINJIT_I64;
    return a == EINJIT_I32 || b == EINJIT_I32 ? EINJIT_I32 : EINJIT_I16;
}

static int promote_floats(int a, int b)
{
    if (a == b) return a;
    if ((a == EINJIT_F16 && b == EINJIT_BF16) || (a == EINJIT_BF16 && b == EINJIT_F16)) return EINJIT_F32;
    return a > b ? a : b; /* the enum's order is by width */
}

int einjit_dtype_promote(int a, int b)
{
    if (!ej_dtype_valid(a) || !ej_dtype_valid(b)) return -1;
    if (a == b) return a;
    int kind_a = ej_dtypes[a].kind, kind_b = ej_dtypes[b].kind;
    if (kind_a == EJ_KIND_BOOL) return b;
    if (kind_b == EJ_KIND_BOOL) return a;
    if (kind_a == EJ_KIND_INT && kind_b == EJ_KIND_INT) return promote_ints(a, b);
    int real_a = kind_a == EJ_KIND_INT ? float_for_int(a, ej_dtypes[b].real) : ej_dtypes[a].real;
    int real_b = kind_b == EJ_KIND_INT ? float_for_int(b, ej_dtypes[a].real) : ej_dtypes[b].real;
    int real = promote_floats(real_a, real_b);
    if (kind_a != EJ_KIND_COMPLEX && kind_b != EJ_KIND_COMPLEX) return real;
    return real == EINJIT_F64 ? EINJIT_C128 : EINJIT_C64;
}

int ej_dtype_promote_weak(int dtype, int kind)
{
    if (!ej_dtype_valid(dtype)) return -1;
    int have = ej_dtypes[dtype].kind;
    if (kind <= have) return dtype;
    switch (kind) {
    case EJ_KIND_INT: return EINJIT_I64;
    case EJ_KIND_FLOAT: return EINJIT_F64;
    default:
        if (have == EJ_KIND_FLOAT && dtype != EINJIT_F64) return EINJIT_C64;
        return EINJIT_C128;
    }
}

int64_t ej_dtype_lowest(int dtype)
{
    switch (dtype) {
    case EINJIT_I64: return INT64_MIN;
    case EINJIT_I32: return INT32_MIN;
    case EINJIT_I16: return INT16_MIN;
    case EINJIT_I8: return INT8_MIN;
    default: return 0; /* u8, bool */
    }
}

int64_t ej_dtype_highest(int dtype)
{
    switch (dtype) {
    case EINJIT_I64: return INT64_MAX;
    case EINJIT_I32: return INT32_MAX;
    case EINJIT_I16: return INT16_MAX;
    case EINJIT_I8: return INT8_MAX;
    case EINJIT_U8: return UINT8_MAX;
    default: return 1; /* bool */
    }
}

int64_t ej_dtype_wrap(int dtype, uint64_t x)
{
    switch (dtype) {
    case EINJIT_I32: return (int32_t)(uint32_t)x;
    case EINJIT_I16: return (int16_t)(uint16_t)x;
    case EINJIT_I8: return (int8_t)(uint8_t)x;
    case EINJIT_U8: return (uint8_t)x;
    default: return (int64_t)x;
    }
}
