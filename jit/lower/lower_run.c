/* lower_run.c - copies past the caches of what lies in one piece, whatever it is aligned to.
 *
 * Takes  a loop around a streaming copy whose source and result walk the same addresses: axes merge where their strides
 *        do.
 * Gives  a call of a function, one in a module, that copies so many bytes: parts of lines at the ends with plain
 *        stores, whole lines past the caches. Lines that two copies share come together in the L1 if the second follows
 *        soon.
 * Not here: copies whose pieces are shorter than lines, maps (lower_stream.c).
 */
#include "lower_nest.h"

#include <string.h>

enum { EJ_RUN_LINE = 64, EJ_RUN_LEAST = 128 }; /* bytes: of a line; of a piece that is worth a call */

/* The leaf below a loop that has nothing else in it, nor in the loops on the way; NULL: there is more. */
static const ej_nest_node *leaf_below(const ej_lower *w, int32_t id, int32_t *leaf)
{
    for (;;) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->when.kind != EJ_WHEN_ALWAYS) return NULL;
        *leaf = id;
        if (node->kind == EJ_NEST_LEAF) return node;
        if (node->n_placed || node->child < 0 || w->nest->nodes[node->child].next >= 0) return NULL;
        id = node->child;
    }
}

bool ej_is_streamed_copy(const ej_lower *w, const ej_nest_node *leaf)
{
    if (!leaf->hints.stream || leaf->hints.ahead || leaf->hints.rows || leaf->reduce != EJ_REDUCE_NONE ||
        leaf->n_src != 1)
        return false;
    const ej_buffer *to = &w->nest->buffers[leaf->dst.buffer], *from = &w->nest->buffers[leaf->src[0].buffer];
    if (to->home == EJ_HOME_REG || from->home == EJ_HOME_REG || from->home == EJ_HOME_COUNT) return false;
    if (leaf->dst.buffer == leaf->src[0].buffer) return false;
    return leaf->expr.n == 1 && leaf->expr.ops[0].kind == EJ_EXPR_SOURCE && leaf->expr.ops[0].dtype == to->dtype &&
           from->dtype == to->dtype;
}

static bool is_linear(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 || access->terms[t].block) return false;
    return true;
}

int64_t ej_stride_along(const ej_access *access, int32_t axis)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis == axis) return access->terms[t].stride.e ? -1 : access->terms[t].stride.n;
    return 0;
}

/* The axis along which both sides move by so many elements, in ranges of more than one value; -1: there is none. */
static int32_t axis_with(const ej_lower *w, const ej_nest_node *leaf, int64_t stride)
{
    for (int32_t t = 0; t < leaf->dst.n_terms; t++) {
        int32_t axis = leaf->dst.terms[t].axis;
        if (w->ranges[axis].count != 1 && ej_stride_along(&leaf->dst, axis) == stride &&
            ej_stride_along(&leaf->src[0], axis) == stride)
            return axis;
    }
    return -1;
}

static int32_t ranges_beyond_one(const ej_lower *w, const ej_access *access)
{
    int32_t n = 0;
    for (int32_t t = 0; t < access->n_terms; t++) n += w->ranges[access->terms[t].axis].count != 1;
    return n;
}

static bool is_looped_in_vain(const ej_lower *w, int32_t id, const ej_nest_node *leaf)
{
    for (; w->nest->nodes[id].kind == EJ_NEST_LOOP; id = w->nest->nodes[id].child)
        if (!ej_stride_along(&leaf->dst, w->nest->nodes[id].axis)) return true;
    return false;
}

/* How many elements lie in one piece on both sides, as a factor known at run time (NULL: 1) and a number; 0: there is
 * more than one piece, or it is short or empty. */
static int64_t elements_of(const ej_lower *w, const ej_nest_node *leaf, LLVMValueRef *factor)
{
    int64_t elements = 1;
    int32_t n = 0, axis;
    *factor = NULL;
    while (!*factor && (axis = axis_with(w, leaf, elements)) >= 0) {
        const ej_range *range = &w->ranges[axis];
        n++;
        if (range->count < 0) *factor = range->n;
        else if (!range->count || range->count > INT32_MAX / elements) return 0;
        else elements *= range->count;
    }
    if (n != ranges_beyond_one(w, &leaf->dst) || n != ranges_beyond_one(w, &leaf->src[0])) return 0;
    return elements;
}

/* ---- the function ---- */

static LLVMTypeRef vector_type(ej_lower *w, int64_t bytes)
{
    return bytes < 4 ? LLVMIntTypeInContext(w->e->context, (unsigned)(8 * bytes))
                     : ej_type_of(w->m->i32, (int)(bytes / 4));
}

typedef struct run_ends {
    LLVMValueRef to, from;
} run_ends;

static run_ends past(ej_lower *w, run_ends at, LLVMValueRef bytes)
{
    return (run_ends){ej_lower_offset(w, at.to, bytes, 1, ""), ej_lower_offset(w, at.from, bytes, 1, "")};
}

static LLVMValueRef merge(ej_lower *w, LLVMValueRef a, LLVMBasicBlockRef from_a, LLVMValueRef b,
                          LLVMBasicBlockRef from_b)
{
    LLVMValueRef phi = LLVMBuildPhi(w->e->builder, LLVMTypeOf(a), "");
    LLVMAddIncoming(phi, &a, &from_a, 1);
    LLVMAddIncoming(phi, &b, &from_b, 1);
    return phi;
}

/* Less than a line: one plain store for each bit of the count. Upwards, stores in front of a line's end are aligned. */
static run_ends copy_part(ej_lower *w, run_ends at, LLVMValueRef bytes, bool upwards)
{
    LLVMBuilderRef b = w->e->builder;
    run_ends start = at;
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(b), parts = ej_lower_block(w, "parts"), end = ej_lower_block(w, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, bytes, ej_lower_i64(w, 0), ""), parts, end);
    LLVMPositionBuilderAtEnd(b, parts);
    for (int64_t bit = upwards ? 1 : EJ_RUN_LINE / 2; bit && bit < EJ_RUN_LINE; bit = upwards ? 2 * bit : bit / 2) {
        LLVMValueRef some = LLVMBuildAnd(b, bytes, ej_lower_i64(w, bit), "");
        LLVMBasicBlockRef before = LLVMGetInsertBlock(b), in = ej_lower_block(w, "part"), after = ej_lower_block(w, "");
        LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, some, ej_lower_i64(w, 0), ""), in, after);
        LLVMPositionBuilderAtEnd(b, in);
        int64_t piece = bit < w->e->target->vector_bytes ? bit : w->e->target->vector_bytes;
        for (int64_t done = 0; done < bit; done += piece) {
            run_ends here = past(w, at, ej_lower_i64(w, done));
            ej_lower_store_at(w, ej_lower_load_at(w, vector_type(w, piece), here.from, ""), here.to);
        }
        run_ends behind = past(w, at, ej_lower_i64(w, bit));
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
        at = (run_ends){merge(w, at.to, before, behind.to, in), merge(w, at.from, before, behind.from, in)};
    }
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMBuildBr(b, end);
    LLVMPositionBuilderAtEnd(b, end);
    return (run_ends){merge(w, start.to, entry, at.to, last), merge(w, start.from, entry, at.from, last)};
}

/* Whole lines, none for bytes < a line. */
static run_ends copy_lines(ej_lower *w, run_ends at, LLVMValueRef bytes)
{
    LLVMBuilderRef b = w->e->builder;
    int64_t piece = w->e->target->vector_bytes < EJ_RUN_LINE ? w->e->target->vector_bytes : EJ_RUN_LINE;
    LLVMValueRef line = ej_lower_i64(w, EJ_RUN_LINE),
                 lines = LLVMBuildAnd(b, bytes, ej_lower_i64(w, -EJ_RUN_LINE), "lines");
    LLVMValueRef v[EJ_RUN_LINE];
    run_ends end = past(w, at, lines), here;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = ej_lower_block(w, "line"), after = ej_lower_block(w, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntUGE, bytes, line, ""), body, after);
    LLVMPositionBuilderAtEnd(b, body);
    here.to = LLVMBuildPhi(b, w->m->pointer, "");
    here.from = LLVMBuildPhi(b, w->m->pointer, "");
    for (int64_t done = 0; done < EJ_RUN_LINE; done += piece)
        v[done] =
            ej_lower_load_at(w, vector_type(w, piece), ej_lower_offset(w, here.from, ej_lower_i64(w, done), 1, ""), "");
    for (int64_t done = 0; done < EJ_RUN_LINE; done += piece) {
        LLVMValueRef to = ej_lower_offset(w, here.to, ej_lower_i64(w, done), 1, "");
        ej_lower_past_caches(w, LLVMBuildStore(b, v[done], to), piece);
    }
    run_ends next = past(w, here, line);
    LLVMAddIncoming(here.to, &at.to, &before, 1);
    LLVMAddIncoming(here.to, &next.to, &body, 1);
    LLVMAddIncoming(here.from, &at.from, &before, 1);
    LLVMAddIncoming(here.from, &next.from, &body, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, next.to, end.to, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
    return end;
}

static void fill_function(ej_lower *w)
{
    LLVMBuilderRef b = w->e->builder;
    run_ends at = {LLVMGetParam(w->function, 0), LLVMGetParam(w->function, 1)};
    LLVMValueRef bytes = LLVMGetParam(w->function, 2), mask = ej_lower_i64(w, EJ_RUN_LINE - 1);
    LLVMPositionBuilderAtEnd(b, ej_lower_block(w, "entry"));
    LLVMValueRef first =
        LLVMBuildAnd(b, LLVMBuildNeg(b, LLVMBuildPtrToInt(b, at.to, w->m->i64, ""), ""), mask, "first");
    first = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntULT, bytes, first, ""), bytes, first, "");
    at = copy_part(w, at, first, true);
    LLVMValueRef left = LLVMBuildSub(b, bytes, first, "");
    at = copy_lines(w, at, left);
    copy_part(w, at, LLVMBuildAnd(b, left, mask, ""), false);
    LLVMBuildRetVoid(b);
}

static LLVMValueRef copy_function(ej_lower *w)
{
    ej_lower_module *m = w->m;
    if (m->copy_run) return m->copy_run;
    LLVMTypeRef parameters[3] = {m->pointer, m->pointer, m->i64};
    m->copy_type = LLVMFunctionType(LLVMVoidTypeInContext(m->e->context), parameters, 3, 0);
    m->copy_run = ej_lower_inner_function(m, "copy_run", m->copy_type);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(m->e->builder);
    ej_lower inner = *w;
    inner.function = m->copy_run;
    fill_function(&inner);
    LLVMPositionBuilderAtEnd(m->e->builder, here);
    return m->copy_run;
}

bool ej_lower_run(ej_lower *w, int32_t id)
{
    int32_t leaf_id;
    LLVMValueRef factor;
    const ej_nest_node *leaf = leaf_below(w, id, &leaf_id);
    if (!leaf || !ej_is_streamed_copy(w, leaf) || !is_linear(&leaf->dst) || !is_linear(&leaf->src[0])) return false;
    if (is_looped_in_vain(w, id, leaf)) return false;
    int64_t elements = elements_of(w, leaf, &factor);
    int64_t bytes = elements * ej_dtypes[w->nest->buffers[leaf->dst.buffer].dtype].bytes;
    if (!elements || (!factor && bytes < EJ_RUN_LEAST)) return false;
    const ej_at *to = &w->at[w->first_at[leaf_id]], *from = to + 1;
    LLVMValueRef n = ej_lower_i64(w, bytes);
    if (factor) n = ej_lower_mul(w, factor, n, "");
    LLVMValueRef function = copy_function(w), args[3] = {to->pointer, from->pointer, n};
    LLVMBuildCall2(w->e->builder, w->m->copy_type, function, args, 3, "");
    w->streamed = true;
    return true;
}
