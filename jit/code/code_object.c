/* code_object.c - a module becomes an object file in memory.
 *
 * Takes  a target row: its cpu (for scheduling) and features, nothing of the host's own.
 * Gives  position-independent code of the small model: what it refers to lies in the object.
 * Not here: passes over IR (there are none), making the object runnable (code_image.c).
 */
#include "code.h"

#include <llvm-c/Target.h>
#include <pthread.h>

#include "llvm_error.h"

static void add_targets(void)
{
#if defined(__aarch64__) || defined(_M_ARM64)
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
#else
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
#endif
}

int ej_code_machine(LLVMTargetMachineRef *out, const ej_target *target, einjit_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    LLVMTargetRef found = NULL;
    char *message = NULL;
    pthread_once(&once, add_targets);
    char *triple = LLVMGetDefaultTargetTriple();
    if (LLVMGetTargetFromTriple(triple, &found, &message)) {
        LLVMDisposeMessage(triple);
        return ej_llvm_message(err, "no target", message);
    }
    *out = LLVMCreateTargetMachine(found, triple, target->cpu, target->features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                   LLVMCodeModelSmall);
    LLVMDisposeMessage(triple);
    return *out ? EINJIT_OK : ej_fail(err, EINJIT_E_BACKEND, "LLVM: no target machine for '%s'", target->name);
}

int ej_code_object(LLVMMemoryBufferRef *out, LLVMTargetMachineRef machine, LLVMModuleRef module, einjit_error *err)
{
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &message, out))
        return ej_llvm_message(err, "object code", message);
    return EINJIT_OK;
}
