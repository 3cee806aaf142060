/* lower_size.c - sizes as values, and the base addresses of buffers.
 *
 * Takes  ej_size (numbers, or polynomials over the atoms of the nests' table), buffers.
 * Gives  i64 values and pointers. Both are computed in the entry block when first asked for, so that every later use is
 *        dominated and nothing is computed that no nest needs.
 * Keeps  arithmetic as it is written: the caller of the kernel has checked that the sizes do not overflow.
 */
#include "lower_nest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ej_lower_fail(ej_lower *w, int code, const char *format, ...)
{
    char text[400];
    if (w->status != EINJIT_OK) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w->status = ej_fail(w->e->job->err, code, "%s", text);
}

void *ej_lower_alloc(ej_lower *w, size_t n, size_t size)
{
    void *memory = ej_arena_new(w->arena, n, size);
    if (!memory && w->status == EINJIT_OK) w->status = ej_no_memory(w->e->job->err);
    return memory;
}

LLVMValueRef ej_lower_i64(ej_lower *w, int64_t value)
{
    return LLVMConstInt(w->m->i64, (unsigned long long)value, 1);
}

bool ej_lower_constant(LLVMValueRef value, int64_t *out)
{
    if (!LLVMIsAConstantInt(value)) return false;
    *out = LLVMConstIntGetSExtValue(value);
    return true;
}

LLVMValueRef ej_lower_add(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const char *name)
{
    int64_t c;
    if (ej_lower_constant(a, &c) && !c) return b;
    if (ej_lower_constant(b, &c) && !c) return a;
    return LLVMBuildAdd(w->e->builder, a, b, name);
}

LLVMValueRef ej_lower_mul(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const char *name)
{
    int64_t c;
    if (ej_lower_constant(a, &c) && (!c || c == 1)) return c ? b : a;
    if (ej_lower_constant(b, &c) && (!c || c == 1)) return c ? a : b;
    return LLVMBuildMul(w->e->builder, a, b, name);
}

/* Of a pointer that is another one and a constant, that one and the constant: instruction selection would fold each of
 * such additions again. */
static LLVMValueRef without_constant(LLVMValueRef pointer, int64_t *constant)
{
    *constant = 0;
    bool offset = LLVMIsAGetElementPtrInst(pointer) && LLVMGetNumOperands(pointer) == 2 &&
                  LLVMGetTypeKind(LLVMGetGEPSourceElementType(pointer)) == LLVMIntegerTypeKind;
    return offset && ej_lower_constant(LLVMGetOperand(pointer, 1), constant) ? LLVMGetOperand(pointer, 0) : pointer;
}

LLVMValueRef ej_lower_offset(ej_lower *w, LLVMValueRef pointer, LLVMValueRef elements, int64_t bytes, const char *name)
{
    int64_t c, before, all;
    bool constant = ej_lower_constant(elements, &c);
    if (constant && !c) return pointer;
    LLVMValueRef by = ej_lower_mul(w, elements, ej_lower_i64(w, bytes), "");
    LLVMValueRef from = without_constant(pointer, &before);
    if (constant && before && ej_lower_constant(by, &c) && ej_add_size(c, before, &all) && all == (int32_t)all) {
        pointer = from;
        by = ej_lower_i64(w, all);
    }
    return LLVMBuildGEP2(w->e->builder, w->m->i8, pointer, &by, 1, name);
}

/* ---- the entry block ---- */

/* Put the builder at the end of the entry block, which has no branch before the function is complete; gives where it
 * was. */
static LLVMBasicBlockRef enter_entry(ej_lower *w)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->builder);
    LLVMPositionBuilderAtEnd(w->e->builder, w->entry);
    return here;
}

static LLVMValueRef derived_atom(ej_lower *w, const ej_atom *atom)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef x = ej_lower_size(w, atom->a), y = ej_lower_size(w, atom->b);
    LLVMValueRef one = ej_lower_i64(w, 1), high;
    switch (atom->kind) {
    case EJ_ATOM_MIN: return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, x, y, ""), x, y, "min");
    case EJ_ATOM_MAX: return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, x, y, ""), x, y, "max");
    case EJ_ATOM_CEIL_DIV:
        high = LLVMBuildAdd(b, x, LLVMBuildSub(b, y, one, ""), "");
        return LLVMBuildUDiv(b, high, y, "ceil");
    default: /* EJ_ATOM_ALIGN: b is a power of 2 */
        high = LLVMBuildAdd(b, x, LLVMBuildSub(b, y, one, ""), "");
        return LLVMBuildAnd(b, high, LLVMBuildNeg(b, y, ""), "aligned");
    }
}

/* Atoms are defined by earlier ones, so filling in all up to the wanted one needs no recursion over them. */
static LLVMValueRef atom_value(ej_lower *w, int32_t index)
{
    const ej_sizes *sizes = w->m->nests->sizes;
    LLVMBuilderRef b = w->e->builder;
    if (w->atoms[index]) return w->atoms[index];
    const ej_atom *atom = &sizes->atoms[index];
    LLVMValueRef value;
    if (atom->kind == EJ_ATOM_SYMBOL) {
        LLVMValueRef at = ej_lower_i64(w, index);
        value = LLVMBuildLoad2(b, w->m->i64, LLVMBuildGEP2(b, w->m->i64, w->sizes, &at, 1, ""),
                               atom->name ? atom->name : "size");
    } else {
        value = derived_atom(w, atom);
    }
    return w->atoms[index] = value;
}

static LLVMValueRef polynomial_value(ej_lower *w, const ej_polynomial *p)
{
    LLVMValueRef sum = ej_lower_i64(w, 0);
    for (int32_t t = 0; t < p->n_terms; t++) {
        LLVMValueRef product = ej_lower_i64(w, p->terms[t].coefficient);
        for (int32_t a = 0; a < p->terms[t].n_atoms; a++)
            product = ej_lower_mul(w, product, atom_value(w, p->terms[t].atoms[a]), "");
        sum = ej_lower_add(w, sum, product, "");
    }
    return sum;
}

/* Values of all atoms that derived ones up to `last` need, in order. */
static void fill_atoms(ej_lower *w, int32_t last)
{
    const ej_sizes *sizes = w->m->nests->sizes;
    for (size_t a = sizes->n_symbols; a <= (size_t)last; a++) {
        const ej_size ends[2] = {sizes->atoms[a].a, sizes->atoms[a].b};
        for (int i = 0; i < 2; i++)
            if (ends[i].e && !w->exprs[ends[i].e - 1])
                w->exprs[ends[i].e - 1] = polynomial_value(w, &sizes->exprs[ends[i].e - 1]);
        atom_value(w, (int32_t)a);
    }
}

LLVMValueRef ej_lower_size(ej_lower *w, ej_size size)
{
    if (!size.e) return ej_lower_i64(w, size.n);
    if (w->exprs[size.e - 1]) return w->exprs[size.e - 1];
    const ej_polynomial *p = &w->m->nests->sizes->exprs[size.e - 1];
    LLVMBasicBlockRef here = enter_entry(w);
    int32_t last = -1;
    for (int32_t t = 0; t < p->n_terms; t++)
        for (int32_t a = 0; a < p->terms[t].n_atoms; a++)
            if (p->terms[t].atoms[a] > last) last = p->terms[t].atoms[a];
    if (last >= (int32_t)w->m->nests->sizes->n_symbols) fill_atoms(w, last);
    LLVMValueRef value = w->exprs[size.e - 1] ? w->exprs[size.e - 1] : polynomial_value(w, p);
    w->exprs[size.e - 1] = value;
    LLVMPositionBuilderAtEnd(w->e->builder, here);
    return value;
}

/* ---- base addresses ---- */

/* A constant of the plan as bytes of the module; 64 bytes of alignment keep vectors in one cache line. */
LLVMValueRef ej_lower_constant_data(ej_lower *w, int32_t slot)
{
    ej_lower_module *m = w->m;
    char name[32];
    if (m->constants[slot]) return m->constants[slot];
    const ej_constant *constant = &m->nests->plan->constants[slot];
    int64_t bytes = constant->elems * ej_dtypes[constant->dtype].bytes;
    if (bytes < 0 || bytes > INT32_MAX) {
        ej_lower_fail(w, EINJIT_E_LIMIT, "a constant of %lld bytes", (long long)bytes);
        bytes = 0;
    }
    snprintf(name, sizeof name, "const_%d", (int)slot);
    /* An empty one has a byte: what has no size is in no section. */
    LLVMValueRef value =
        LLVMConstStringInContext(w->e->context, bytes ? constant->data : "", bytes ? (unsigned)bytes : 1, 1);
    LLVMValueRef global = LLVMAddGlobal(w->e->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(global, 64);
    return m->constants[slot] = global;
}

LLVMValueRef ej_lower_local(ej_lower *w)
{
    if (w->local) return w->local;
    const ej_plan *plan = w->m->nests->plan;
    LLVMBasicBlockRef here = enter_entry(w);
    ej_size offset = plan ? plan->scratch_bytes : ej_size_number(0);
    w->local = ej_lower_offset(w, w->scratch, ej_lower_size(w, offset), 1, "local");
    LLVMPositionBuilderAtEnd(w->e->builder, here);
    return w->local;
}

LLVMValueRef ej_lower_memory(ej_lower *w, const ej_buffer *buffer)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef at;
    switch (buffer->home) {
    case EJ_HOME_ARG:
        at = ej_lower_i64(w, buffer->slot);
        at = LLVMBuildGEP2(b, w->m->pointer, w->data, &at, 1, "");
        return LLVMBuildLoad2(b, w->m->pointer, at, buffer->name ? buffer->name : "arg");
    case EJ_HOME_CONST: return ej_lower_constant_data(w, buffer->slot);
    case EJ_HOME_REG: return LLVMGetUndef(w->m->pointer);
    case EJ_HOME_COUNT: return LLVMConstNull(w->m->pointer); /* so that addresses say which element it is */
    default:
        at = buffer->home == EJ_HOME_LOCAL ? ej_lower_local(w) : w->scratch;
        return ej_lower_offset(w, at, ej_lower_size(w, buffer->offset_bytes), 1,
                               buffer->name ? buffer->name : "scratch");
    }
}

/* A leaf is handed what lies outside of it. */
static LLVMValueRef base_of(ej_lower *w, int32_t index)
{
    const ej_buffer *buffer = &w->nest->buffers[index];
    if (!w->use || w->pointers[index] < 0) return ej_lower_memory(w, buffer);
    LLVMValueRef at = ej_lower_i64(w, w->pointers[index]);
    at = LLVMBuildGEP2(w->e->builder, w->m->pointer, w->data, &at, 1, "");
    return LLVMBuildLoad2(w->e->builder, w->m->pointer, at, buffer->name ? buffer->name : "buffer");
}

LLVMValueRef ej_lower_base(ej_lower *w, int32_t buffer)
{
    if (w->buffers[buffer]) return w->buffers[buffer];
    LLVMBasicBlockRef here = enter_entry(w);
    w->buffers[buffer] = base_of(w, buffer);
    LLVMPositionBuilderAtEnd(w->e->builder, here);
    return w->buffers[buffer];
}

LLVMValueRef ej_lower_element(ej_lower *w, int32_t buffer, ej_size element)
{
    LLVMValueRef value = ej_lower_size(w, element);
    if (!w->use || w->pointers[buffer] < 0) return value;
    uint64_t origin = (uint64_t)w->use->pointers[w->pointers[buffer]].origin;
    return ej_lower_add(w, value, ej_lower_i64(w, (int64_t)(0 - origin)), "");
}
