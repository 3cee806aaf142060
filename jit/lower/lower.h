/* lower.h - nests to LLVM IR: what the emitters of this folder share.
 *
 * Values in registers. An ej_vec is a scalar (lanes == 1) or a vector of `lanes` elements of one dtype:
 *   floats and integers   re of the LLVM type, im NULL
 *   complex               re and im apart (planar), each of the real type
 *   f16, bf16             their bits, i16: they are moved, and converted to f32 and back (lower_narrow.c)
 *   bool                  i1 (memory holds bytes 0 or 1)
 */
#ifndef EJ_LOWER_H
#define EJ_LOWER_H

#include <llvm-c/Core.h>

#include "nest.h"

typedef struct ej_vec {
    LLVMValueRef re, im;
} ej_vec;

/* What every emitter is handed. */
typedef struct ej_emit ej_emit;
struct ej_emit {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const ej_target *target;
    ej_job *job;
    /* `module` is complete, and an empty one takes its place; NULL: one module for all */
    int (*next_module)(ej_emit *e);
    void *owner;            /* for next_module */
    const char *phase_name; /* before their numbers: of the functions of phases */
    double done;            /* what part of the leaves has IR */
};

/* ---- lower_type.c: types and small values ---- */
/* of one part in registers: float, double, i32, i64, i1; i16 of f16 and bf16, which are only moved and converted */
LLVMTypeRef ej_type_element(ej_emit *e, int dtype);
LLVMTypeRef ej_type_memory(ej_emit *e, int dtype);         /* of one part in memory: the same, bool i8 */
LLVMTypeRef ej_type_vec(ej_emit *e, int dtype, int lanes); /* element, or vector of lanes when lanes > 1 */
LLVMTypeRef ej_type_of(LLVMTypeRef element, int lanes);    /* the same from an element type */
LLVMValueRef ej_splat(ej_emit *e, LLVMValueRef scalar, int lanes, const char *name); /* scalar itself for lanes 1 */
LLVMValueRef ej_const_real(ej_emit *e, LLVMTypeRef element, int lanes, double value);
LLVMValueRef ej_const_int(ej_emit *e, LLVMTypeRef element, int lanes, uint64_t value);
/* Call an LLVM intrinsic that the backend expands to instructions (fma, fabs, sqrt, floor, ceil, roundeven, ...),
 * overloaded on the type of the first argument. */
LLVMValueRef ej_intrinsic(ej_emit *e, const char *name, LLVMValueRef *args, unsigned n, const char *value_name);

/* ---- lower_fn.c, lower_math.c, lower_complex.c: scalar functions on vectors ---- */
/* The function of ops.def: operands of dtype_in, result of dtype_out. No calls to libm: polynomials and bit
 * operations. */
ej_vec ej_lower_fn(ej_emit *e, int fn, int dtype_in, int dtype_out, int lanes, ej_vec a, ej_vec b, ej_vec c);
ej_vec ej_lower_cast(ej_emit *e, int from, int to, int lanes, ej_vec a);
ej_vec ej_lower_const(ej_emit *e, int lanes, const ej_expr_op *op);
/* One bf16, as its bits, in all lanes of f32. (lower_narrow.c) */
/* f32 that bf16 has, to bf16. */
LLVMValueRef ej_lower_cut_brain(ej_emit *e, int lanes, LLVMValueRef x);
LLVMValueRef ej_lower_spread_brain(ej_emit *e, int lanes, LLVMValueRef bits);
/* reduce(a, b) of einjit_reduce_code, one dtype. */
ej_vec ej_lower_combine(ej_emit *e, int reduce, int dtype, int lanes, ej_vec a, ej_vec b);
/* a * b + c with fused multiply-add where the target has it; floats and complex. */
ej_vec ej_lower_fma(ej_emit *e, int dtype, int lanes, ej_vec a, ej_vec b, ej_vec c);
/* mask ? a : b, mask i1 or a vector of i1. */
ej_vec ej_lower_select(ej_emit *e, LLVMValueRef mask, ej_vec a, ej_vec b);

/* ---- lower.c: modules for the nests of one kernel ---- */
/* Adds the function `entry` (the entry of einjit.h) and all it calls, the functions of phases among it. Where that is
 * much, and there is a next_module, leaves are in modules before the last one, which has the entry and refers to them
 * by name. E_BACKEND / E_UNSUPPORTED / E_NOMEM. */
int ej_lower_nests(ej_emit *e, const ej_nests *nests, const char *entry);

#endif
