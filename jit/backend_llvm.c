/* backend_llvm.c - the table that libeinjit gets from this module.
 *
 * Takes  nests and a job.
 * Gives  position-independent code: nests -> IR (lower.c) -> object (code_object.c) -> image (code_image.c). No passes
 *        over IR: tiles, widths, unrolling and masks were decided on the nest.
 * Keeps  everything of one compile in one LLVM context, so that any number of threads may compile.
 */
#include "backend.h"

#include <llvm-c/Analysis.h>
#include <stdio.h>

#include "code.h"
#include "llvm_compat.h"
#include "llvm_error.h"
#include "lower.h"

static const char entry_name[] = "einjit_kernel";

typedef struct ej_compile_llvm {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef object;
    ej_llvm_errors errors;
} ej_compile_llvm;

static int make_module(ej_compile_llvm *c, const ej_nests *nests, ej_job *job)
{
    char *message = NULL;
    c->context = LLVMContextCreate();
    ej_llvm_watch(c->context, &c->errors);
    bool shown = job->dump_text && (job->dump & (1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM));
    LLVMContextSetDiscardValueNames(c->context, !shown);
    c->module = LLVMModuleCreateWithNameInContext("einjit", c->context);
    c->builder = LLVMCreateBuilderInContext(c->context);
    EJ_TRY(ej_code_machine(&c->machine, job->target, job->err));
    char *triple = LLVMGetTargetMachineTriple(c->machine);
    LLVMSetTarget(c->module, triple);
    LLVMDisposeMessage(triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(c->machine);
    LLVMSetModuleDataLayout(c->module, layout);
    LLVMDisposeTargetData(layout);

    ej_emit emit = {c->context, c->module, c->builder, job->target, job};
    EJ_TRY(ej_lower_nests(&emit, nests, entry_name));
    if (!job->verify) return EINJIT_OK;
    LLVMBool wrong = LLVMVerifyModule(c->module, LLVMReturnStatusAction, &message);
    if (wrong) return ej_llvm_message(job->err, "the module is not valid", message);
    LLVMDisposeMessage(message);
    return EINJIT_OK;
}

static int list(ej_compile_llvm *c, ej_job *job)
{
    if (!job->dump_text) return EINJIT_OK;
    if (job->dump & 1u << EJ_STAGE_IR) EJ_TRY(ej_code_list_ir(job->dump_text, c->module));
    ej_text *assembly = job->asm_text ? job->asm_text : job->dump_text;
    return job->dump & 1u << EJ_STAGE_ASM ? ej_code_list_asm(assembly, c->machine, c->module, job->err) : EINJIT_OK;
}

static int run(ej_compile_llvm *c, ej_code *out, const ej_nests *nests, ej_job *job)
{
    EJ_TRY(make_module(c, nests, job));
    EJ_TRY(list(c, job));
    EJ_TRY(ej_job_poll(job, EJ_STAGE_ASM, 0));
    EJ_TRY(ej_code_object(&c->object, c->machine, c->module, job->err));
    EJ_TRY(ej_llvm_status(&c->errors, job->err));
    return ej_code_image(out, LLVMGetBufferStart(c->object), LLVMGetBufferSize(c->object), entry_name, job->allocator,
                         job->err);
}

static int compile(ej_code *out, const ej_nests *nests, ej_job *job)
{
    ej_compile_llvm c = {0};
    int status = run(&c, out, nests, job);
    if (c.object) LLVMDisposeMemoryBuffer(c.object);
    if (c.machine && status == EINJIT_OK) ej_code_machine_release(c.machine);
    else if (c.machine) LLVMDisposeTargetMachine(c.machine);
    if (c.builder) LLVMDisposeBuilder(c.builder);
    if (c.module) LLVMDisposeModule(c.module);
    if (c.context) LLVMContextDispose(c.context);
    return status;
}

const ej_backend *einjit_codegen(const ej_host *host)
{
    static const ej_backend backend = {EJ_BACKEND_ABI, "llvm", "LLVM " LLVM_VERSION_STRING, compile,
                                       (void (*)(void))LLVMContextCreate};
    return host && host->abi == EJ_BACKEND_ABI ? &backend : NULL;
}
