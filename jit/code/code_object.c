/* code_object.c - a module becomes an object file in memory.
 *
 * Takes  a target row: its cpu (for scheduling) and features, nothing of the host's own.
 * Gives  position-independent code of the small model: what it refers to lies in the object.
 * Keeps  a few machines for the next compiles: making one, and its tables on first use, is a third of the smallest
 *        kernel's compile. One thread has a machine at a time.
 * Not here: passes over IR (there are none), making the object runnable (code_image.c).
 */
#include "code.h"

#include <dlfcn.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "llvm_compat.h"
#include "llvm_error.h"

/* Passes of LLVM's code generator that find nothing to do in kernels and take 11 % of a compile's time: pointers
 * already move on with their loops, invariants are outside, and there are few common subexpressions or branches. Over
 * 480 kernels for each of two rows, none of them changed the innermost loops by more than one instruction in 200.
 *
 * Passes over IR before instruction selection expand what kernels do not have (wide divisions, atomics, reductions,
 * masked moves that are no instructions): the same code without them in 3 % less time, as 25 passes are neither made
 * nor asked what they keep (llvm_compat.h).
 *
 * The scheduler comes last. It takes another 8 %. With 32 registers it changes one instruction in 1,000; with 16, tiles
 * that fill them would be spilled without it. */
static const char *const idle_passes[] = {
    "einjit",
    "-disable-lsr",
    "-disable-cgp",
    "-disable-machine-cse",
    "-disable-postra-machine-licm",
    "-disable-copyprop",
    "-disable-tail-duplicate",
    "-disable-early-ifcvt",
    "-disable-ssc",
    "-disable-constant-hoisting",
    "-disable-mergeicmps",
    "-disable-partial-libcall-inlining",
    "-disable-x86-domain-reassignment",
    "-disable-early-taildup",
    "-disable-machine-dce",
    EJ_WITHOUT_IR_PASSES "-enable-misched=false",
};

enum { MANY_REGISTERS = 32 };

/* The first row that is compiled for: nearly always the only one. */
static _Atomic(const ej_target *) first_target;

/* Options belong to LLVM as a whole and cannot be set back. So they are set once, and only where LLVM is a part of this
 * module: in a library that programs share, or in a program that links LLVM itself, others would get them. A version of
 * LLVM that does not know one ignores it. */
static void leave_out_idle_passes(void)
{
#ifndef EINJIT_LLVM_OF_PROGRAM
    Dl_info ours, llvm;
    int n = sizeof idle_passes / sizeof *idle_passes;
    if (!dladdr((void *)(uintptr_t)ej_code_machine, &ours) ||
        !dladdr((void *)(uintptr_t)LLVMParseCommandLineOptions, &llvm))
        return;
    if (ours.dli_fbase != llvm.dli_fbase) return;
    if (atomic_load(&first_target)->vector_registers < MANY_REGISTERS) n--;
    LLVMParseCommandLineOptions(n, idle_passes, NULL);
#endif
}

static void add_targets(void)
{
    leave_out_idle_passes();
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
    const ej_target *none = NULL;
    atomic_compare_exchange_strong(&first_target, &none, target);
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
