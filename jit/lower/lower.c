/* lower.c - modules for the nests of one kernel.
 *
 * Takes  nests, an empty module, somebody who takes a full one and gives another.
 * Gives  the function `entry(data, sizes, scratch)`: one nest is its body, and so are a few; many become leaves,
 *        internal functions that it calls in order, so that equal ones are made once and register allocation sees one
 *        at a time. Where threads may share some of the nests, each phase is a function, and the entry calls them.
 * Not here: the calls (lower_steps.c), loops (lower_loop.c), machine code (code_object.c).
 */
#include "lower_nest.h"

#include <stdio.h>
#include <string.h>

/* So many instructions fill a module: code of it takes about 20 ms to make, then the caller is asked whether to go on.
 * 100 small leaves take 122 ms in modules of 2,500 and of 1,500 instructions. */
enum { MODULE_INSTRUCTIONS = 1500 };

static void add_attribute(ej_lower_module *m, LLVMValueRef function, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->e->context, kind, 0));
}

enum { PARAMETERS = 6 };

static LLVMValueRef add_function(ej_lower_module *m, const char *name, LLVMTypeRef type)
{
    static const char *const parameters[PARAMETERS] = {"data", "sizes", "scratch", "local", "from", "to"};
    LLVMValueRef function = LLVMAddFunction(m->e->module, name, type);
    add_attribute(m, function, "nounwind");
    for (unsigned i = 0; i < LLVMCountParams(function); i++)
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

/* So many different nests may stand one behind the other in the entry: a function costs LLVM 0.3 ms, whatever is in it.
 * More are leaves, which are called through a table where they are many. */
enum { FEW_NESTS = 16 };

/* The state of one nest in a function. nest NULL: the entry, which calls leaves; use: the function is a leaf. */
static int start_function(ej_lower *w, ej_lower_module *m, const ej_nest *nest, const ej_leaf_use *use,
                          LLVMValueRef function)
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
    if (LLVMCountParams(function) == PARAMETERS) {
        w->local = LLVMGetParam(function, 3);
        w->from = LLVMGetParam(function, 4);
        w->to = LLVMGetParam(function, 5);
    }
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

/* The entry block holds what was asked for; behind it comes "start". The builder stays behind the nest. */
static int end_nest(ej_lower *w)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->builder);
    LLVMPositionBuilderAtEnd(w->e->builder, w->entry);
    LLVMBuildBr(w->e->builder, LLVMGetNextBasicBlock(w->entry));
    LLVMPositionBuilderAtEnd(w->e->builder, here);
    return w->status;
}

static int end_function(ej_lower *w)
{
    LLVMBuildRetVoid(w->e->builder);
    return end_nest(w);
}

/* The nest behind what the function has already, with an entry block of its own; nothing returns yet. */
static int append_nest(ej_lower_module *m, const ej_nest *nest, const ej_leaf_use *use, LLVMValueRef function)
{
    LLVMBuilderRef b = m->e->builder;
    LLVMBasicBlockRef before = LLVMGetFirstBasicBlock(function) ? LLVMGetInsertBlock(b) : NULL;
    ej_lower w;
    EJ_TRY(start_function(&w, m, nest, use, function));
    ej_lower_tree(&w);
    ej_lower_stream_end(&w);
    EJ_TRY(end_nest(&w));
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    if (!before) return EINJIT_OK;
    LLVMPositionBuilderAtEnd(b, before);
    LLVMBuildBr(b, w.entry);
    LLVMPositionBuilderAtEnd(b, here);
    return EINJIT_OK;
}

static const ej_nest *nest_of(const ej_lower_module *m, int32_t leaf)
{
    return &m->nests->nests[m->leaves.first[leaf]];
}

static LLVMValueRef add_leaf(ej_lower_module *m, int32_t leaf)
{
    char name[96];
    leaf_symbol(name, sizeof name, nest_of(m, leaf)->name, leaf);
    LLVMValueRef function = add_function(m, name, m->part_type);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    add_attribute(m, function, "noinline");
    return function;
}

/* Named across modules, which become one image. */
static void share(LLVMValueRef function)
{
    LLVMSetLinkage(function, LLVMExternalLinkage);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
}

static int32_t count_instructions(LLVMValueRef function)
{
    int32_t n = 0;
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) n++;
    return n;
}

/* The leaves from `first` on stay behind in the full module. */
static int start_module(ej_lower_module *m, LLVMValueRef *leaves, int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++) share(leaves[i]);
    EJ_TRY(m->e->next_module(m->e));
    m->n_modules++;
    m->aligned_loop = m->copy_run = NULL;
    for (int32_t i = 0; m->nests->plan && i < (int32_t)m->nests->plan->n_constants; i++) m->constants[i] = NULL;
    return EINJIT_OK;
}

/* The function goes on in another one, of the next module. */
static int go_on(ej_lower_module *m, LLVMValueRef *function, int32_t next)
{
    char name[32];
    LLVMValueRef args[PARAMETERS];
    LLVMTypeRef type = LLVMGlobalGetValueType(*function);
    unsigned n = LLVMCountParams(*function);
    snprintf(name, sizeof name, "nests_from_%d", (int)next);
    for (unsigned i = 0; i < n; i++) args[i] = LLVMGetParam(*function, i);
    LLVMValueRef rest = add_function(m, name, type);
    share(rest);
    LLVMBuildCall2(m->e->builder, type, rest, args, n, "");
    LLVMBuildRetVoid(m->e->builder);
    EJ_TRY(start_module(m, NULL, 0, 0));
    *function = add_function(m, name, type);
    share(*function);
    return EINJIT_OK;
}

/* Nests one behind the other, which becomes the next function's work where a module is full. */
static int emit_nests(ej_lower_module *m, LLVMValueRef function, int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++) {
        m->e->done = (double)i / m->nests->n;
        EJ_TRY(ej_job_poll(m->e->job, EJ_STAGE_IR, m->e->done));
        EJ_TRY(append_nest(m, &m->nests->nests[i], NULL, function));
        if (i + 1 < end && m->e->next_module && count_instructions(function) >= MODULE_INSTRUCTIONS)
            EJ_TRY(go_on(m, &function, i + 1));
    }
    m->e->done = (double)end / m->nests->n;
    LLVMBuildRetVoid(m->e->builder);
    return EINJIT_OK;
}

static int emit_leaves(ej_lower_module *m, LLVMValueRef *out)
{
    int32_t here = 0, n = 0; /* the first leaf of this module, and its instructions */
    for (int32_t i = 0; i < m->leaves.n; i++) {
        m->e->done = (double)i / m->leaves.n;
        EJ_TRY(ej_job_poll(m->e->job, EJ_STAGE_IR, m->e->done));
        out[i] = add_leaf(m, i);
        EJ_TRY(append_nest(m, nest_of(m, i), &m->leaves.uses[m->leaves.first[i]], out[i]));
        LLVMBuildRetVoid(m->e->builder);
        n += count_instructions(out[i]);
        if (n < MODULE_INSTRUCTIONS || !m->e->next_module) continue;
        EJ_TRY(start_module(m, out, here, i + 1));
        here = i + 1;
        n = 0;
    }
    for (int32_t i = 0; i < here; i++) share(out[i] = add_leaf(m, i)); /* declared for the entry */
    m->e->done = 1;
    return EINJIT_OK;
}

/* ---- phases ---- */

static LLVMValueRef add_phase(ej_lower_module *m, int32_t phase)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", m->e->phase_name, (int)phase);
    LLVMValueRef function = add_function(m, name, m->part_type);
    share(function);
    return function;
}

/* All of the phase on the calling thread. */
static void call_phase(ej_lower *w, LLVMValueRef phase, const ej_nest *first)
{
    bool is_cut = first->cut.axis >= 0;
    LLVMValueRef args[PARAMETERS] = {
        w->data,           w->sizes,           w->scratch,
        ej_lower_local(w), ej_lower_i64(w, 0), is_cut ? ej_lower_size(w, first->cut.pieces) : ej_lower_i64(w, 1)};
    LLVMBuildCall2(w->e->builder, w->m->part_type, phase, args, PARAMETERS, "");
}

/* The entry, in a module that has the phases from `here` on. */
static int emit_entry(ej_lower_module *m, const char *entry, LLVMValueRef *phases, int32_t here)
{
    ej_lower w;
    EJ_TRY(start_function(&w, m, NULL, NULL, add_function(m, entry, m->entry_type)));
    for (int32_t first = 0, p = 0; first < m->nests->n; first = ej_phase_end(m->nests, first), p++)
        call_phase(&w, p < here ? add_phase(m, p) : phases[p], &m->nests->nests[first]);
    return end_function(&w);
}

/* `leaves` NULL: the nests are the phases' bodies. */
static int emit_phases(ej_lower_module *m, const char *entry, LLVMValueRef const *leaves)
{
    LLVMValueRef *phases = EJ_JOB_ARRAY(m->e->job, LLVMValueRef, (size_t)m->nests->n);
    int32_t here = 0, n = 0, p = 0; /* the first phase of this module, and its instructions */
    if (!phases) return ej_no_memory(m->e->job->err);
    for (int32_t first = 0, end; first < m->nests->n; first = end, p++) {
        ej_lower w;
        end = ej_phase_end(m->nests, first);
        phases[p] = add_phase(m, p);
        if (leaves) {
            EJ_TRY(start_function(&w, m, NULL, NULL, phases[p]));
            ej_lower_steps(&w, leaves, first, end);
            EJ_TRY(end_function(&w));
            continue;
        }
        int32_t before = m->n_modules; /* a new one may have the address of one that is gone */
        EJ_TRY(emit_nests(m, phases[p], first, end));
        n = before == m->n_modules ? n + count_instructions(phases[p]) : MODULE_INSTRUCTIONS;
        if (before != m->n_modules) here = p + 1;
        if (n < MODULE_INSTRUCTIONS || !m->e->next_module || end == m->nests->n) continue;
        EJ_TRY(start_module(m, NULL, 0, 0));
        here = p + 1;
        n = 0;
    }
    return emit_entry(m, entry, phases, here);
}

static int emit_steps(ej_lower_module *m, const char *entry)
{
    ej_lower w;
    int32_t n = m->nests->n;
    bool in_phases = ej_phase_count(m->nests) > 0;
    EJ_TRY(ej_leaves_find(&m->leaves, m->nests, m->e->job));
    if (n > 0 && m->leaves.n == n && n <= FEW_NESTS)
        return in_phases ? emit_phases(m, entry, NULL) : emit_nests(m, add_function(m, entry, m->entry_type), 0, n);
    LLVMValueRef *leaves = EJ_JOB_ARRAY(m->e->job, LLVMValueRef, m->leaves.n);
    if (!leaves) return ej_no_memory(m->e->job->err);
    EJ_TRY(emit_leaves(m, leaves));
    if (in_phases) return emit_phases(m, entry, leaves);
    EJ_TRY(start_function(&w, m, NULL, NULL, add_function(m, entry, m->entry_type)));
    ej_lower_steps(&w, leaves, 0, n);
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
    LLVMTypeRef parameters[PARAMETERS] = {m.pointer, m.pointer, m.pointer, m.pointer, m.i64, m.i64};
    m.entry_type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, 3, 0);
    m.part_type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, PARAMETERS, 0);
    m.constants = EJ_JOB_ARRAY(e->job, LLVMValueRef, nests->plan ? nests->plan->n_constants : 0);
    if (!m.constants) return ej_no_memory(e->job->err);
    if (nests->n == 1 && !ej_phase_count(nests)) return emit_nests(&m, add_function(&m, entry, m.entry_type), 0, 1);
    return emit_steps(&m, entry);
}
