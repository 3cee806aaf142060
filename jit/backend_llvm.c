/* backend_llvm.c - the table that libeinjit gets from this module.
 *
 * Takes  nests and a job.
 * Gives  position-independent code: nests -> IR (lower.c) -> objects (code_object.c) -> image (code_image.c). A module
 *        becomes an object, and LLVM cannot be interrupted meanwhile: long kernels have several. No passes over IR:
 *        tiles, widths, unrolling and masks were decided on the nest.
 * Keeps  everything of one compile in one LLVM context, so that any number of threads may compile.
 */
#include "backend.h"

#include <llvm-c/Analysis.h>
#include <stdio.h>

#include "code.h"
#include "llvm_compat.h"
#include "llvm_error.h"
#include "lower.h"

static const char entry_name[] = "einjit_kernel", phase_name[] = "einjit_phase_";

typedef struct ej_compile_llvm {
    LLVMContextRef context;
    LLVMModuleRef module; /* that is being filled */
    LLVMBuilderRef builder;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef *objects; /* of the modules before it, in the job's arena */
    size_t n_objects, cap_objects;
    double done; /* what part of all leaves they have */
    ej_llvm_errors errors;
    ej_job *job;
} ej_compile_llvm;

static void open_module(ej_compile_llvm *c)
{
    c->module = LLVMModuleCreateWithNameInContext("einjit", c->context);
    char *triple = LLVMGetTargetMachineTriple(c->machine);
    LLVMSetTarget(c->module, triple);
    LLVMDisposeMessage(triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(c->machine);
    LLVMSetModuleDataLayout(c->module, layout);
    LLVMDisposeTargetData(layout);
}

static int verify(const ej_compile_llvm *c)
{
    char *message = NULL;
    if (!c->job->verify) return EINJIT_OK;
    LLVMBool wrong = LLVMVerifyModule(c->module, LLVMReturnStatusAction, &message);
    if (wrong) return ej_llvm_message(c->job->err, "the module is not valid", message);
    LLVMDisposeMessage(message);
    return EINJIT_OK;
}

static int list(const ej_compile_llvm *c)
{
    ej_job *job = c->job;
    if (!job->dump_text) return EINJIT_OK;
    if (job->dump & 1u << EJ_STAGE_IR) EJ_TRY(ej_code_list_ir(job->dump_text, c->module));
    ej_text *assembly = job->asm_text ? job->asm_text : job->dump_text;
    return job->dump & 1u << EJ_STAGE_ASM ? ej_code_list_asm(assembly, c->machine, c->module, job->err) : EINJIT_OK;
}

/* The module becomes an object. `done`: what part of all leaves it and those before it have. */
static int close_module(ej_compile_llvm *c, double done)
{
    EJ_TRY(verify(c));
    EJ_TRY(list(c));
    EJ_TRY(ej_job_poll(c->job, EJ_STAGE_ASM, c->done));
    if (!EJ_PUSH_ROOM(c->job->arena, c->objects, c->cap_objects, c->n_objects)) return ej_no_memory(c->job->err);
    EJ_TRY(ej_code_object(&c->objects[c->n_objects], c->machine, c->module, c->job->err));
    c->n_objects++;
    c->done = done;
    EJ_TRY(ej_llvm_status(&c->errors, c->job->err));
    LLVMClearInsertionPosition(c->builder);
    LLVMDisposeModule(c->module);
    c->module = NULL;
    return EINJIT_OK;
}

static int next_module(ej_emit *e)
{
    ej_compile_llvm *c = e->owner;
    EJ_TRY(close_module(c, e->done));
    open_module(c);
    e->module = c->module;
    return EINJIT_OK;
}

static int make_objects(ej_compile_llvm *c, const ej_nests *nests)
{
    ej_job *job = c->job;
    c->context = LLVMContextCreate();
    ej_llvm_watch(c->context, &c->errors);
    bool shown = job->dump_text && (job->dump & (1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM));
    LLVMContextSetDiscardValueNames(c->context, !shown);
    c->builder = LLVMCreateBuilderInContext(c->context);
    EJ_TRY(ej_code_machine(&c->machine, job->target, job->err));
    open_module(c);
    ej_emit emit = {c->context, c->module, c->builder, job->target, job, next_module, c, phase_name, 0};
    EJ_TRY(ej_lower_nests(&emit, nests, entry_name));
    return close_module(c, 1);
}

static int run(ej_compile_llvm *c, ej_code *out, const ej_nests *nests)
{
    EJ_TRY(make_objects(c, nests));
    ej_code_part *parts = EJ_NEW_ARRAY(c->job->arena, ej_code_part, c->n_objects);
    if (!parts) return ej_no_memory(c->job->err);
    for (size_t i = 0; i < c->n_objects; i++)
        parts[i] = (ej_code_part){LLVMGetBufferStart(c->objects[i]), LLVMGetBufferSize(c->objects[i])};
    const ej_code_names names = {entry_name, phase_name, (size_t)ej_phase_count(nests)};
    return ej_code_image(out, parts, c->n_objects, &names, c->job->allocator, c->job->err);
}

static int compile(ej_code *out, const ej_nests *nests, ej_job *job)
{
    ej_compile_llvm c = {.job = job};
    int status = run(&c, out, nests);
    for (size_t i = 0; i < c.n_objects; i++) LLVMDisposeMemoryBuffer(c.objects[i]);
    if (c.machine && (status == EINJIT_OK || status == EINJIT_E_INTERRUPTED)) ej_code_machine_release(c.machine);
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
