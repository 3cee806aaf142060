/* code_object.c - a module becomes an object file in memory.
 *
 * Takes  a target row: its cpu (for scheduling) and features, nothing of the host's own.
 * Gives  position-independent code of the small model: what it refers to lies in the object.
 * Keeps  a few machines for the next compiles: making one, and its tables on first use, is a third of the smallest
 *        kernel's compile. One thread has a machine at a time.
 * Not here: passes over IR (there are none), making the object runnable (code_image.c).
 */
#include "code.h"

#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

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

/* ---- machines that nobody uses now; slots without a lock, so that a process may fork at any time ---- */

enum { EJ_IDLE_MACHINES = 4 };
static _Atomic(LLVMTargetMachineRef) idle[EJ_IDLE_MACHINES];

static bool same_text(char *text, const char *wanted) /* disposes of it */
{
    bool same = !strcmp(text, wanted);
    LLVMDisposeMessage(text);
    return same;
}

static LLVMTargetMachineRef take_idle(const ej_target *target)
{
    for (int i = 0; i < EJ_IDLE_MACHINES; i++) {
        LLVMTargetMachineRef machine = atomic_exchange(&idle[i], NULL);
        if (!machine) continue;
        if (same_text(LLVMGetTargetMachineCPU(machine), target->cpu) &&
            same_text(LLVMGetTargetMachineFeatureString(machine), target->features))
            return machine;
        ej_code_machine_release(machine);
    }
    return NULL;
}

void ej_code_machine_release(LLVMTargetMachineRef machine)
{
    for (int i = 0; i < EJ_IDLE_MACHINES && machine; i++) {
        LLVMTargetMachineRef nobody = NULL;
        if (atomic_compare_exchange_strong(&idle[i], &nobody, machine)) return;
    }
    if (machine) LLVMDisposeTargetMachine(machine);
}

int ej_code_machine(LLVMTargetMachineRef *out, const ej_target *target, einjit_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    LLVMTargetRef found = NULL;
    char *message = NULL;
    pthread_once(&once, add_targets);
    *out = take_idle(target);
    if (*out) return EINJIT_OK;
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
