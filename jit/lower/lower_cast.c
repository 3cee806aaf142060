/* lower_cast.c - conversions between all dtypes.
 *
 * Takes  vectors of one dtype.
 * Gives  them in another: floats to integers truncate and saturate, NaN gives 0; integers to floats round to nearest;
 *        f16 and bf16 go by way of f32, rounded to that first, i8, u8 and i16 by way of i32; complex to real drops the
 *        imaginary part; to bool is != 0; bool to numbers is 0 or 1.
 */
#include "base_narrow.h"
#include "lower_math.h"

#include <math.h>

static LLVMValueRef to_bool(ej_emit *e, int from, LLVMValueRef x)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x));
    if (from == EINJIT_BOOL) return x;
    if (ej_dtypes[from].kind == EJ_KIND_INT) return LLVMBuildICmp(e->builder, LLVMIntNE, x, zero, "");
    return LLVMBuildFCmp(e->builder, LLVMRealUNE, x, zero, "");
}

/* To 8 or 16 bits: the limits are floats, so that all numbers but NaN can be cut off before. */
static LLVMValueRef float_to_short(ej_emit *e, int from, int to, int lanes, LLVMValueRef x)
{
    ej_math m = ej_math_of(e, from == EINJIT_F64, lanes);
    LLVMValueRef low = m_real(&m, (double)ej_dtype_lowest(to)), high = m_real(&m, (double)ej_dtype_highest(to));
    x = m_pick(&m, m_cmp(&m, LLVMRealORD, x, x), x, m_real(&m, 0));
    x = m_pick(&m, m_less(&m, x, high), x, high);
    x = m_pick(&m, m_less(&m, x, low), low, x);
    LLVMValueRef word = LLVMBuildFPToSI(m.b, x, ej_type_vec(e, EINJIT_I32, lanes), "");
    return LLVMBuildTrunc(m.b, word, ej_type_vec(e, to, lanes), "");
}

/* Out of range numbers are undefined in LLVM, so they are replaced by 0 before and by the limits after. */
static LLVMValueRef float_to_int(ej_emit *e, int from, int to, int lanes, LLVMValueRef x)
{
    ej_math m = ej_math_of(e, from == EINJIT_F64, lanes);
    LLVMTypeRef element = ej_type_element(e, to);
    int bits = to == EINJIT_I64 ? 64 : 32;
    LLVMValueRef low = m_real(&m, -ldexp(1, bits - 1)), high = m_real(&m, ldexp(1, bits - 1));
    LLVMValueRef above = m_cmp(&m, LLVMRealOGE, x, high), below = m_less(&m, x, low);
    LLVMValueRef inside = m_and(&m, m_less(&m, x, high), m_cmp(&m, LLVMRealOGE, x, low));
    LLVMValueRef safe = m_pick(&m, inside, x, m_real(&m, 0));
    LLVMValueRef r = LLVMBuildFPToSI(m.b, safe, ej_type_of(element, lanes), "");
    uint64_t smallest = UINT64_C(1) << (bits - 1);
    r = m_pick(&m, above, ej_const_int(e, element, lanes, smallest - 1), r);
    return m_pick(&m, below, ej_const_int(e, element, lanes, smallest), r);
}

LLVMValueRef ej_cast_real(ej_emit *e, int from, int to, int lanes, LLVMValueRef x)
{
    LLVMBuilderRef at = e->builder;
    LLVMTypeRef element = ej_type_element(e, to), type = ej_type_of(element, lanes);
    int to_kind = ej_dtypes[to].kind, from_kind = ej_dtypes[from].kind;
    if (from == to) return x;
    if (ej_dtype_is_half(from)) return ej_cast_real(e, EINJIT_F32, to, lanes, ej_lower_widen(e, from, lanes, x));
    if (ej_dtype_is_half(to)) return ej_lower_narrow(e, to, lanes, ej_cast_real(e, from, EINJIT_F32, lanes, x));
    if (to_kind == EJ_KIND_BOOL) return to_bool(e, from, x);
    if (to_kind == EJ_KIND_INT && from_kind == EJ_KIND_FLOAT)
        return ej_dtypes[to].bytes < 4 ? float_to_short(e, from, to, lanes, x) : float_to_int(e, from, to, lanes, x);
    if (to_kind == EJ_KIND_INT) {
        bool has_sign = from_kind == EJ_KIND_INT && from != EINJIT_U8;
        return LLVMBuildIntCast2(at, x, type, has_sign, "");
    }
    if (from_kind == EJ_KIND_BOOL)
        return LLVMBuildSelect(at, x, ej_const_real(e, element, lanes, 1), ej_const_real(e, element, lanes, 0), "");
    if (from_kind == EJ_KIND_INT && ej_dtypes[from].bytes < 4) { /* the target converts 32 bits */
        LLVMTypeRef word = ej_type_vec(e, EINJIT_I32, lanes);
        x = LLVMBuildIntCast2(at, x, word, from != EINJIT_U8, "");
    }
    if (from_kind == EJ_KIND_INT) return LLVMBuildSIToFP(at, x, type, "");
    return ej_dtypes[to].bytes > ej_dtypes[from].bytes ? LLVMBuildFPExt(at, x, type, "")
                                                       : LLVMBuildFPTrunc(at, x, type, "");
}

ej_vec ej_lower_cast(ej_emit *e, int from, int to, int lanes, ej_vec a)
{
    int real_from = ej_dtypes[from].real, real_to = ej_dtypes[to].real;
    if (from == to) return a;
    if (ej_dtype_is_complex(from) && to == EINJIT_BOOL) {
        LLVMValueRef re = to_bool(e, real_from, a.re), im = to_bool(e, real_from, a.im);
        return (ej_vec){LLVMBuildOr(e->builder, re, im, ""), NULL};
    }
    ej_vec r = {ej_cast_real(e, real_from, real_to, lanes, a.re), NULL};
    if (!ej_dtype_is_complex(to)) return r;
    if (ej_dtype_is_complex(from)) r.im = ej_cast_real(e, real_from, real_to, lanes, a.im);
    else r.im = ej_const_real(e, ej_type_element(e, to), lanes, 0);
    return r;
}

ej_vec ej_lower_const(ej_emit *e, int lanes, const ej_expr_op *op)
{
    LLVMTypeRef element = ej_type_element(e, op->dtype);
    int kind = ej_dtypes[op->dtype].kind;
    if (kind == EJ_KIND_BOOL) return (ej_vec){ej_const_int(e, element, lanes, op->integer != 0), NULL};
    if (kind == EJ_KIND_INT) return (ej_vec){ej_const_int(e, element, lanes, (uint64_t)op->integer), NULL};
    if (ej_dtype_is_half(op->dtype))
        return (ej_vec){ej_const_int(e, element, lanes, ej_narrow(op->dtype, op->re)), NULL};
    ej_vec r = {ej_const_real(e, element, lanes, op->re), NULL};
    if (kind == EJ_KIND_COMPLEX) r.im = ej_const_real(e, element, lanes, op->im);
    return r;
}
