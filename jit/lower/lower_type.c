/* lower_type.c - types, small constants and intrinsics.
 *
 * Takes  dtypes and lane counts.
 * Gives  LLVM types and constants of them; one lane is a scalar, never a vector of one.
 * Not here: functions of elements (lower_fn.c).
 */
#include "lower.h"

#include <string.h>

LLVMTypeRef ej_type_element(ej_emit *e, int dtype)
{
    switch (ej_dtypes[dtype].real) {
    case EINJIT_F64: return LLVMDoubleTypeInContext(e->context);
    case EINJIT_I16:
    case EINJIT_F16:
    case EINJIT_BF16: return LLVMInt16TypeInContext(e->context);
    case EINJIT_I32: return LLVMInt32TypeInContext(e->context);
    case EINJIT_I64: return LLVMInt64TypeInContext(e->context);
    case EINJIT_I8:
    case EINJIT_U8: return LLVMInt8TypeInContext(e->context);
    case EINJIT_BOOL: return LLVMInt1TypeInContext(e->context);
    default: return LLVMFloatTypeInContext(e->context);
    }
}

LLVMTypeRef ej_type_memory(ej_emit *e, int dtype)
{
    return dtype == EINJIT_BOOL ? LLVMInt8TypeInContext(e->context) : ej_type_element(e, dtype);
}

LLVMTypeRef ej_type_of(LLVMTypeRef element, int lanes)
{
    return lanes > 1 ? LLVMVectorType(element, (unsigned)lanes) : element;
}

LLVMTypeRef ej_type_vec(ej_emit *e, int dtype, int lanes)
{
    return ej_type_of(ej_type_element(e, dtype), lanes);
}

LLVMValueRef ej_splat(ej_emit *e, LLVMValueRef scalar, int lanes, const char *name)
{
    if (lanes <= 1) return scalar;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->context);
    LLVMValueRef none = LLVMGetPoison(type);
    LLVMValueRef first = LLVMBuildInsertElement(e->builder, none, scalar, LLVMConstInt(i32, 0, 0), "");
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(i32, (unsigned)lanes));
    return LLVMBuildShuffleVector(e->builder, first, none, zeros, name);
}

/* The same constant in all lanes. */
static LLVMValueRef const_splat(LLVMValueRef scalar, int lanes)
{
    LLVMValueRef all[256];
    if (lanes <= 1) return scalar;
    for (int i = 0; i < lanes && i < 256; i++) all[i] = scalar;
    return LLVMConstVector(all, (unsigned)lanes);
}

LLVMValueRef ej_const_real(ej_emit *e, LLVMTypeRef element, int lanes, double value)
{
    (void)e;
    return const_splat(LLVMConstReal(element, value), lanes);
}

LLVMValueRef ej_const_int(ej_emit *e, LLVMTypeRef element, int lanes, uint64_t value)
{
    (void)e;
    return const_splat(LLVMConstInt(element, value, 0), lanes);
}

LLVMValueRef ej_intrinsic(ej_emit *e, const char *name, LLVMValueRef *args, unsigned n, const char *value_name)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, &type, 1);
    LLVMTypeRef function_type = LLVMIntrinsicGetType(e->context, id, &type, 1);
    return LLVMBuildCall2(e->builder, function_type, function, args, n, value_name);
}
