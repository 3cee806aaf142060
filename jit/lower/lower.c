/* lower.c - a module for the nests of one kernel.
 *
 * Takes  nests, an empty module.
 * Gives  the function `entry(data, sizes, scratch)`: one nest is its body; several are internal functions that it calls
 *        in order, so that compile time stays linear and register allocation sees one nest at a time.
 * Not here: loops (lower_loop.c), machine code (code_object.c).
 */
#include "lower_nest.h"

#include <stdio.h>
#include <string.h>

static void add_attribute(ej_lower_module *m, LLVMValueRef function, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->e->context, kind, 0));
}

static LLVMValueRef add_function(ej_lower_module *m, const char *name)
{
    static const char *const parameters[3] = {"data", "sizes", "scratch"};
    LLVMValueRef function = LLVMAddFunction(m->e->module, name, m->entry_type);
    add_attribute(m, function, "nounwind");
    for (unsigned i = 0; i < 3; i++)
        LLVMSetValueName2(LLVMGetParam(function, i), parameters[i], strlen(parameters[i]));
    return function;
}

/* A name that assemblers, gdb and perf take as it is. */
static void nest_symbol(char *out, size_t size, const char *name, int32_t index)
{
    int n = snprintf(out, size, "nest_%d", (int)index);
    if (!name || n < 0) return;
    size_t at = (size_t)n;
    out[at++] = '_';
    for (; *name && at + 1 < size; name++) {
        char c = *name;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out[at++] = plain ? c : '_';
    }
    out[at] = 0;
}

static bool start_function(ej_lower *w, LLVMValueRef function)
{
    const ej_sizes *sizes = w->m->nests->sizes;
    w->function = function;
    w->data = LLVMGetParam(function, 0);
    w->sizes = LLVMGetParam(function, 1);
    w->scratch = LLVMGetParam(function, 2);
    w->atoms = EJ_LOWER_NEW(w, LLVMValueRef, sizes ? sizes->n_atoms : 0);
    w->exprs = EJ_LOWER_NEW(w, LLVMValueRef, sizes ? sizes->n_exprs : 0);
    w->buffers = EJ_LOWER_NEW(w, LLVMValueRef, w->nest->n_buffers);
    w->entry = ej_lower_block(w, "entry");
    return w->status == EINJIT_OK;
}

/* The body of `function`: the entry block, the nest, return. */
static int emit_nest(ej_lower_module *m, const ej_nest *nest, LLVMValueRef function)
{
    LLVMBuilderRef b = m->e->builder;
    ej_lower w;
    memset(&w, 0, sizeof w);
    w.m = m;
    w.e = m->e;
    w.arena = m->e->job->arena;
    w.nest = nest;
    if (!start_function(&w, function)) return w.status;
    LLVMBasicBlockRef start = ej_lower_block(&w, "start");
    LLVMPositionBuilderAtEnd(b, start);
    ej_lower_tree(&w);
    ej_lower_stream_end(&w);
    LLVMBuildRetVoid(b);
    LLVMPositionBuilderAtEnd(b, w.entry);
    LLVMBuildBr(b, start);
    return w.status;
}

static int emit_calls(ej_lower_module *m, LLVMValueRef function)
{
    LLVMBuilderRef b = m->e->builder;
    LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(m->e->context, function, "entry");
    LLVMValueRef args[3] = {LLVMGetParam(function, 0), LLVMGetParam(function, 1), LLVMGetParam(function, 2)};
    for (int32_t i = 0; i < m->nests->n; i++) {
        char name[96];
        nest_symbol(name, sizeof name, m->nests->nests[i].name, i);
        LLVMValueRef callee = add_function(m, name);
        LLVMSetLinkage(callee, LLVMInternalLinkage);
        add_attribute(m, callee, "noinline");
        EJ_TRY(emit_nest(m, &m->nests->nests[i], callee));
        LLVMPositionBuilderAtEnd(b, block);
        LLVMBuildCall2(b, m->entry_type, callee, args, 3, "");
    }
    LLVMPositionBuilderAtEnd(b, block);
    LLVMBuildRetVoid(b);
    return EINJIT_OK;
}

int ej_lower_nests(ej_emit *e, const ej_nests *nests, const char *entry)
{
    ej_lower_module m;
    memset(&m, 0, sizeof m);
    m.e = e;
    m.nests = nests;
    m.i1 = LLVMInt1TypeInContext(e->context);
    m.i8 = LLVMInt8TypeInContext(e->context);
    m.i32 = LLVMInt32TypeInContext(e->context);
    m.i64 = LLVMInt64TypeInContext(e->context);
    m.pointer = LLVMPointerTypeInContext(e->context, 0);
    LLVMTypeRef parameters[3] = {m.pointer, m.pointer, m.pointer};
    m.entry_type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, 3, 0);
    m.constants = EJ_JOB_ARRAY(e->job, LLVMValueRef, nests->plan ? nests->plan->n_constants : 0);
    if (!m.constants) return ej_no_memory(e->job->err);
    LLVMValueRef function = add_function(&m, entry);
    if (nests->n == 1) return emit_nest(&m, &nests->nests[0], function);
    return emit_calls(&m, function);
}
