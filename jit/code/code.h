/* code.h - from a module to bytes that can be mapped: objects, images, listings. */
#ifndef EJ_CODE_H
#define EJ_CODE_H

#include <llvm-c/TargetMachine.h>

#include "backend.h"
#include "code_image.h"

/* ---- code_object.c ---- */
/* A machine of a target row, for this caller alone until it is released (or, after a failure that may have left traces
 * in it, disposed of). Thread-safe. */
int ej_code_machine(LLVMTargetMachineRef *out, const ej_target *target, einjit_error *err);
void ej_code_machine_release(LLVMTargetMachineRef machine); /* NULL is fine */
/* An object file in memory; disposed of by the caller. Codegen changes the module. */
int ej_code_object(LLVMMemoryBufferRef *out, LLVMTargetMachineRef machine, LLVMModuleRef module, einjit_error *err);

/* ---- code_listing.c ---- */
int ej_code_list_ir(ej_text *text, LLVMModuleRef module);
int ej_code_list_asm(ej_text *text, LLVMTargetMachineRef machine, LLVMModuleRef module, einjit_error *err);

#endif
