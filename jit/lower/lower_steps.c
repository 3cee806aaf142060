/* lower_steps.c - the entry of several nests: their leaves, called in order.
 *
 * Takes  a function for each leaf, and what every nest hands to its leaf (nest_leaf.h).
 * Gives  a call a step, with its pointers put together by code. Where there are many, a table that a loop walks
 *        instead: code for a call takes as long to make as a tenth of a small leaf does. The table holds distances from
 *        itself, so it needs no more of a loader than code does.
 */
#include "lower_nest.h"

enum { EJ_TABLE_STEPS = 64 }; /* so many calls stay code */

/* The table: for each step {i32 leaf, i32 pointers}, then for each pointer {i32 base, i32 relative, i64 offset}. An
 * address is the base + relative + offset: base >= 0 is an argument, else one of these. */
enum { EJ_BASE_SCRATCH = -1, EJ_BASE_TABLE = -2, EJ_BASES = 2 };
enum { EJ_STEP_BYTES = 8, EJ_POINTER_BYTES = 16 };

typedef struct step_calls {
    ej_lower *w; /* of the entry */
    LLVMValueRef const *leaves;
    LLVMValueRef array; /* what a leaf is handed */
    LLVMValueRef bases; /* the addresses that are not arguments, last first */
} step_calls;

static const ej_leaf_use *use_of(const step_calls *s, int32_t step)
{
    return &s->w->m->leaves.uses[step];
}

static const ej_buffer *pointed_at(const step_calls *s, int32_t step, int32_t pointer)
{
    return &s->w->m->nests->nests[step].buffers[use_of(s, step)->pointers[pointer].buffer];
}

static LLVMValueRef entry_array(ej_lower *w, int32_t n, const char *name)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->builder);
    LLVMPositionBuilderAtEnd(w->e->builder, w->entry);
    LLVMValueRef array = LLVMBuildAlloca(w->e->builder, LLVMArrayType(w->m->pointer, (unsigned)n), name);
    LLVMPositionBuilderAtEnd(w->e->builder, here);
    return array;
}

static void call_leaf(step_calls *s, LLVMValueRef leaf)
{
    ej_lower *w = s->w;
    LLVMValueRef none = ej_lower_i64(w, 0);
    LLVMValueRef args[] = {
        s->array, w->sizes, w->scratch, ej_lower_local(w), w->from ? w->from : none, w->to ? w->to : none};
    LLVMBuildCall2(w->e->builder, w->m->part_type, leaf, args, sizeof args / sizeof *args, "");
}

/* ---- one call ---- */

static void call_step(step_calls *s, int32_t step)
{
    ej_lower *w = s->w;
    const ej_leaf_use *use = use_of(s, step);
    for (int32_t p = 0; p < use->n_pointers; p++) {
        const ej_buffer *buffer = pointed_at(s, step, p);
        LLVMValueRef origin = ej_lower_i64(w, use->pointers[p].origin), at = ej_lower_i64(w, p);
        LLVMValueRef address =
            ej_lower_offset(w, ej_lower_memory(w, buffer), origin, ej_dtypes[buffer->dtype].bytes, "");
        LLVMBuildStore(w->e->builder, address, LLVMBuildGEP2(w->e->builder, w->m->pointer, s->array, &at, 1, ""));
    }
    call_leaf(s, s->leaves[use->leaf]);
}

/* ---- a table of calls ---- */

/* i32: how far the address lies behind the table. */
static LLVMValueRef distance(const step_calls *s, LLVMValueRef address, LLVMValueRef table)
{
    const ej_lower_module *m = s->w->m;
    LLVMValueRef difference = LLVMConstSub(LLVMConstPtrToInt(address, m->i64), LLVMConstPtrToInt(table, m->i64));
    return LLVMConstTrunc(difference, m->i32);
}

static LLVMValueRef step_row(const step_calls *s, int32_t step, LLVMValueRef table)
{
    const ej_leaf_use *use = use_of(s, step);
    LLVMValueRef row[2] = {distance(s, s->leaves[use->leaf], table),
                           LLVMConstInt(s->w->m->i32, (unsigned long long)use->n_pointers, 0)};
    return LLVMConstStructInContext(s->w->e->context, row, 2, 0);
}

static LLVMValueRef pointer_row(const step_calls *s, int32_t step, int32_t pointer, LLVMValueRef table)
{
    const ej_buffer *buffer = pointed_at(s, step, pointer);
    const ej_lower_module *m = s->w->m;
    uint64_t offset = (uint64_t)use_of(s, step)->pointers[pointer].origin * (uint64_t)ej_dtypes[buffer->dtype].bytes;
    int32_t base = buffer->slot;
    LLVMValueRef relative = LLVMConstInt(m->i32, 0, 0);
    if (buffer->home == EJ_HOME_SCRATCH) {
        base = EJ_BASE_SCRATCH;
        offset += (uint64_t)buffer->offset_bytes.n;
    } else if (buffer->home == EJ_HOME_CONST) {
        base = EJ_BASE_TABLE;
        relative = distance(s, ej_lower_constant_data(s->w, buffer->slot), table);
    }
    LLVMValueRef row[3] = {LLVMConstInt(m->i32, (unsigned long long)base, 1), relative,
                           LLVMConstInt(m->i64, offset, 0)};
    return LLVMConstStructInContext(s->w->e->context, row, 3, 0);
}

/* The table of the steps from .. to-1; NULL: E_NOMEM is latched. */
static LLVMValueRef make_table(step_calls *s, int32_t from, int32_t to)
{
    ej_lower *w = s->w;
    const ej_lower_module *m = w->m;
    size_t n_steps = (size_t)(to - from), n_pointers = 0, q = 0;
    for (int32_t i = from; i < to; i++) n_pointers += (size_t)use_of(s, i)->n_pointers;
    LLVMTypeRef step[2] = {m->i32, m->i32}, pointer[3] = {m->i32, m->i32, m->i64};
    LLVMTypeRef step_type = LLVMStructTypeInContext(w->e->context, step, 2, 0);
    LLVMTypeRef pointer_type = LLVMStructTypeInContext(w->e->context, pointer, 3, 0);
    LLVMTypeRef parts[2] = {LLVMArrayType(step_type, (unsigned)n_steps),
                            LLVMArrayType(pointer_type, (unsigned)n_pointers)};
    LLVMValueRef *steps = EJ_LOWER_NEW(w, LLVMValueRef, n_steps), *pointers = EJ_LOWER_NEW(w, LLVMValueRef, n_pointers);
    if (!steps || !pointers) return NULL;
    LLVMValueRef table = LLVMAddGlobal(w->e->module, LLVMStructTypeInContext(w->e->context, parts, 2, 0), "steps");
    for (int32_t i = from; i < to; i++) {
        steps[i - from] = step_row(s, i, table);
        for (int32_t p = 0; p < use_of(s, i)->n_pointers; p++) pointers[q++] = pointer_row(s, i, p, table);
    }
    LLVMValueRef rows[2] = {LLVMConstArray(step_type, steps, (unsigned)n_steps),
                            LLVMConstArray(pointer_type, pointers, (unsigned)n_pointers)};
    LLVMSetInitializer(table, LLVMConstStructInContext(w->e->context, rows, 2, 0));
    LLVMSetGlobalConstant(table, 1);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    LLVMSetAlignment(table, 64);
    return table;
}

static LLVMValueRef load_at(ej_lower *w, LLVMTypeRef type, LLVMValueRef row, int64_t bytes, const char *name)
{
    return LLVMBuildLoad2(w->e->builder, type, ej_lower_offset(w, row, ej_lower_i64(w, bytes), 1, ""), name);
}

/* The address that a row of the table says. */
static LLVMValueRef row_address(step_calls *s, LLVMValueRef row)
{
    ej_lower *w = s->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef base = LLVMBuildSExt(b, load_at(w, w->m->i32, row, 0, "base"), w->m->i64, "");
    LLVMValueRef relative = LLVMBuildSExt(b, load_at(w, w->m->i32, row, 4, "relative"), w->m->i64, "");
    LLVMValueRef offset = load_at(w, w->m->i64, row, 8, "offset");
    LLVMValueRef is_argument = LLVMBuildICmp(b, LLVMIntSGE, base, ej_lower_i64(w, 0), "");
    LLVMValueRef end = ej_lower_offset(w, s->bases, ej_lower_i64(w, EJ_BASES), 8, "");
    LLVMValueRef from = LLVMBuildSelect(b, is_argument, w->data, end, "");
    LLVMValueRef address = LLVMBuildLoad2(b, w->m->pointer, LLVMBuildGEP2(b, w->m->pointer, from, &base, 1, ""), "");
    return ej_lower_offset(w, address, LLVMBuildAdd(b, relative, offset, ""), 1, "");
}

/* do { array[q - first] = address of row q } while (++q < end), in a block of its own; the builder stays behind it. */
static void fill_array(step_calls *s, LLVMValueRef rows, LLVMValueRef first, LLVMValueRef end)
{
    ej_lower *w = s->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), fill = ej_lower_block(w, "pointers"),
                      after = ej_lower_block(w, "");
    LLVMBuildBr(b, fill);
    LLVMPositionBuilderAtEnd(b, fill);
    LLVMValueRef q = LLVMBuildPhi(b, w->m->i64, "pointer");
    LLVMValueRef address = row_address(s, ej_lower_offset(w, rows, q, EJ_POINTER_BYTES, ""));
    LLVMValueRef at = LLVMBuildSub(b, q, first, "");
    LLVMBuildStore(b, address, LLVMBuildGEP2(b, w->m->pointer, s->array, &at, 1, ""));
    LLVMValueRef next = LLVMBuildNUWAdd(b, q, ej_lower_i64(w, 1), "");
    LLVMAddIncoming(q, &first, &before, 1);
    LLVMAddIncoming(q, &next, &fill, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, end, ""), fill, after);
    LLVMPositionBuilderAtEnd(b, after);
}

static void walk_table(step_calls *s, int32_t from, int32_t to)
{
    ej_lower *w = s->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef n = ej_lower_i64(w, to - from), zero = ej_lower_i64(w, 0), table = make_table(s, from, to);
    if (!table) return;
    if (!s->bases) s->bases = entry_array(w, EJ_BASES, "bases");
    LLVMBuildStore(b, table, s->bases);
    LLVMBuildStore(b, w->scratch, ej_lower_offset(w, s->bases, ej_lower_i64(w, 1), 8, ""));
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), walk = ej_lower_block(w, "steps");
    LLVMBuildBr(b, walk);
    LLVMPositionBuilderAtEnd(b, walk);
    LLVMValueRef i = LLVMBuildPhi(b, w->m->i64, "step"), first = LLVMBuildPhi(b, w->m->i64, "first");
    LLVMValueRef row = ej_lower_offset(w, table, i, EJ_STEP_BYTES, "");
    LLVMValueRef leaf =
        ej_lower_offset(w, table, LLVMBuildSExt(b, load_at(w, w->m->i32, row, 0, ""), w->m->i64, ""), 1, "leaf");
    LLVMValueRef count = LLVMBuildZExt(b, load_at(w, w->m->i32, row, 4, ""), w->m->i64, "");
    LLVMValueRef end = LLVMBuildNUWAdd(b, first, count, ""), next = LLVMBuildNUWAdd(b, i, ej_lower_i64(w, 1), "");
    fill_array(s, ej_lower_offset(w, table, n, EJ_STEP_BYTES, "rows"), first, end);
    call_leaf(s, leaf);
    LLVMBasicBlockRef called = LLVMGetInsertBlock(b), after = ej_lower_block(w, "");
    LLVMAddIncoming(i, &zero, &before, 1);
    LLVMAddIncoming(i, &next, &called, 1);
    LLVMAddIncoming(first, &zero, &before, 1);
    LLVMAddIncoming(first, &end, &called, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, n, ""), walk, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* ---- all of them ---- */

/* A table says where the step's buffers are: none of them lies at an open offset. */
static bool fits_table(const step_calls *s, int32_t step)
{
    int32_t n = use_of(s, step)->n_pointers;
    for (int32_t p = 0; p < n; p++) {
        const ej_buffer *buffer = pointed_at(s, step, p);
        if (buffer->home == EJ_HOME_SCRATCH && buffer->offset_bytes.e) return false;
    }
    return n > 0;
}

void ej_lower_steps(ej_lower *w, LLVMValueRef const *leaves, int32_t first, int32_t end)
{
    step_calls s = {.w = w, .leaves = leaves};
    s.array = entry_array(w, w->m->leaves.most_pointers, "pointers");
    for (int32_t from = first, to; from < end; from = to) {
        for (to = from; to < end && fits_table(&s, to);) to++;
        if (to - from > EJ_TABLE_STEPS) {
            walk_table(&s, from, to);
            continue;
        }
        if (to == from) to++;
        for (int32_t i = from; i < to; i++) call_step(&s, i);
    }
}
