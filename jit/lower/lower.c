/* lower.c - a module for the nests of one kernel.
 *
 * Takes  nests, an empty module.
 * Gives  the function `entry(data, sizes, scratch)`: one nest is its body; several become leaves, internal functions that
 *        it calls in order, so that equal ones are made once and register allocation sees one at a time.
 * Not here: the calls (lower_steps.c), loops (lower_loop.c), machine code (code_object.c).
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

LLVMValueRef ej_lower_inner_function(ej_lower_module *m, const char *name, LLVMTypeRef type)
{
    LLVMValueRef function = LLVMAddFunction(m->e->module, name, type);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    add_attribute(m, function, "nounwind");
    add_attribute(m, function, "noinline");
    return function;
}

/* A name that assemblers, gdb and perf take as it is. */
static void leaf_symbol(char *out, size_t size, const char *name, int32_t index)
{
    int n = snprintf(out, size, "leaf_%d", (int)index);
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

/* The state of one function. nest NULL: the entry, which calls leaves; use: the function is a leaf. */
static int start_function(ej_lower *w, ej_lower_module *m, const ej_nest *nest, const ej_leaf_use *use, LLVMValueRef function)
{
    const ej_sizes *sizes = m->nests->sizes;
    int32_t n_buffers = nest ? nest->n_buffers : 0;
    memset(w, 0, sizeof *w);
    w->m = m;
    w->e = m->e;
    w->arena = m->e->job->arena;
    w->nest = nest;
    w->use = use;
    w->function = function;
    w->data = LLVMGetParam(function, 0);
    w->sizes = LLVMGetParam(function, 1);
    w->scratch = LLVMGetParam(function, 2);
    w->atoms = EJ_LOWER_NEW(w, LLVMValueRef, sizes ? sizes->n_atoms : 0);
    w->exprs = EJ_LOWER_NEW(w, LLVMValueRef, sizes ? sizes->n_exprs : 0);
    w->buffers = EJ_LOWER_NEW(w, LLVMValueRef, n_buffers);
    w->pointers = EJ_LOWER_NEW(w, int32_t, n_buffers);
    w->entry = ej_lower_block(w, "entry");
    if (w->status != EINJIT_OK) return w->status;
    for (int32_t i = 0; i < n_buffers; i++) w->pointers[i] = -1;
    for (int32_t p = 0; use && p < use->n_pointers; p++) w->pointers[use->pointers[p].buffer] = p;
    LLVMPositionBuilderAtEnd(m->e->builder, ej_lower_block(w, "start"));
    return EINJIT_OK;
}

/* The entry block holds what was asked for; behind it comes "start". */
static int end_function(ej_lower *w)
{
    LLVMBuildRetVoid(w->e->builder);
    LLVMPositionBuilderAtEnd(w->e->builder, w->entry);
    LLVMBuildBr(w->e->builder, LLVMGetNextBasicBlock(w->entry));
    return w->status;
}

static int emit_nest(ej_lower_module *m, const ej_nest *nest, const ej_leaf_use *use, LLVMValueRef function)
{
    ej_lower w;
    EJ_TRY(start_function(&w, m, nest, use, function));
    ej_lower_tree(&w);
    ej_lower_stream_end(&w);
    return end_function(&w);
}

static int emit_leaves(ej_lower_module *m, LLVMValueRef *out)
{
    for (int32_t i = 0; i < m->leaves.n; i++) {
        int32_t first = m->leaves.first[i];
        const ej_nest *nest = &m->nests->nests[first];
        char name[96];
        leaf_symbol(name, sizeof name, nest->name, i);
        out[i] = add_function(m, name);
        LLVMSetLinkage(out[i], LLVMInternalLinkage);
        add_attribute(m, out[i], "noinline");
        EJ_TRY(emit_nest(m, nest, &m->leaves.uses[first], out[i]));
    }
    return EINJIT_OK;
}

static int emit_steps(ej_lower_module *m, LLVMValueRef function)
{
    ej_lower w;
    EJ_TRY(ej_leaves_find(&m->leaves, m->nests, m->e->job));
    LLVMValueRef *leaves = EJ_JOB_ARRAY(m->e->job, LLVMValueRef, m->leaves.n);
    if (!leaves) return ej_no_memory(m->e->job->err);
    EJ_TRY(emit_leaves(m, leaves));
    EJ_TRY(start_function(&w, m, NULL, NULL, function));
    ej_lower_steps(&w, leaves);
    return end_function(&w);
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
    if (nests->n == 1) return emit_nest(&m, &nests->nests[0], NULL, function);
    return emit_steps(&m, function);
}
