/* code_listing.c - what is shown of a kernel: IR and assembly text.
 *
 * Takes  a module before code is made from it (assembly comes from a copy: code generation changes the module).
 * Gives  text into the job's dump.
 */
#include "code.h"

#include <string.h>

#include "llvm_error.h"

int ej_code_list_ir(ej_text *text, LLVMModuleRef module)
{
    char *ir = LLVMPrintModuleToString(module);
    ej_print_bytes(text, ir, strlen(ir));
    LLVMDisposeMessage(ir);
    return EINJIT_OK;
}

int ej_code_list_asm(ej_text *text, LLVMTargetMachineRef machine, LLVMModuleRef module, einjit_error *err)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    LLVMModuleRef copy = LLVMCloneModule(module);
    LLVMBool failed = LLVMTargetMachineEmitToMemoryBuffer(machine, copy, LLVMAssemblyFile, &message, &buffer);
    LLVMDisposeModule(copy);
    if (failed) return ej_llvm_message(err, "assembly", message);
    ej_print_bytes(text, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return EINJIT_OK;
}
