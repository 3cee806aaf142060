/* lower_prefetch.c - prefetches, as a leaf's hints ask for them.
 *
 * Takes  a leaf with hints (nest.h): how many bytes ahead for a source, how many entries ahead for tables.
 * Gives  a prefetch instruction for each line that the leaf will reach, as far as its elements lie at constant
 *        distances.
 * Keeps  to the entries of tables: near the end of its axis the last entry is looked up.
 */
#include "lower_nest.h"

#include <string.h>

enum { EJ_PREFETCH_LINE = 64, EJ_PREFETCH_LINES = 64 };
enum { EJ_PREFETCH_TO_L2 = 2, EJ_PREFETCH_TO_L1 = 3 }; /* LLVM's numbers for them */

static void ask_for(ej_lower *w, LLVMValueRef pointer, int64_t bytes, bool far)
{
    unsigned id = LLVMLookupIntrinsicID("llvm.prefetch", strlen("llvm.prefetch"));
    LLVMValueRef args[4] = {ej_lower_offset(w, pointer, ej_lower_i64(w, bytes), 1, ""), LLVMConstInt(w->m->i32, 0, 0),
                            LLVMConstInt(w->m->i32, far ? EJ_PREFETCH_TO_L2 : EJ_PREFETCH_TO_L1, 0),
                            LLVMConstInt(w->m->i32, 1, 0)};
    LLVMBuildCall2(w->e->builder, LLVMIntrinsicGetType(w->e->context, id, &w->m->pointer, 1),
                   LLVMGetIntrinsicDeclaration(w->e->module, id, &w->m->pointer, 1), args, 4, "");
}

/* Prefetches the lines in which the access has elements, counted from the pointer; gives the last byte of these
 * elements. */
static int64_t ask_for_lines(ej_leaf *leaf, const ej_leaf_access *access, LLVMValueRef pointer, int64_t ahead, bool far)
{
    int64_t bytes = ej_dtypes[access->buffer->dtype].bytes, lines[EJ_PREFETCH_LINES], end = 0;
    int32_t n = 0;
    ej_lanes lanes;
    ej_offsets o;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        if (!ej_leaf_static(leaf, &lanes, UINT32_MAX)) continue;
        ej_offsets_of(leaf, access, &lanes, 0, &o);
        for (int32_t l = 0; l < lanes.n && n < EJ_PREFETCH_LINES; l++) {
            int64_t at = o.c[l] * bytes, line = at / EJ_PREFETCH_LINE;
            int32_t i = 0;
            if (!(o.valid >> l & 1) || o.key[l]) continue;
            if (at + bytes - 1 > end) end = at + bytes - 1;
            while (i < n && lines[i] != line) i++;
            if (i < n) continue;
            lines[n++] = line;
            ask_for(leaf->w, pointer, at + ahead, far);
        }
    }
    return end;
}

/* By how many elements the access moves in so many entries of a table; NULL: by none, or it cannot be looked up. */
static LLVMValueRef later_entry(ej_lower *w, const ej_access_term *term, int32_t rows)
{
    LLVMBuilderRef b = w->e->builder;
    if (term->table < 0 || w->ranges[term->axis].count != 1 || ej_size_is(term->stride, 0)) return NULL;
    if (w->nest->buffers[term->table].home == EJ_HOME_LOCAL) return NULL; /* it may not hold as many */
    LLVMValueRef now = w->ranges[term->axis].lo, extent = ej_lower_size(w, w->nest->axes[term->axis].extent);
    LLVMValueRef last = ej_lower_add(w, extent, ej_lower_i64(w, -1), ""),
                 later = ej_lower_add(w, now, ej_lower_i64(w, rows), "");
    later = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, later, last, ""), later, last, "");
    LLVMValueRef grown = LLVMBuildSub(b, ej_lower_entry(w, term, later), ej_lower_entry(w, term, now), "");
    return ej_lower_mul(w, grown, ej_lower_size(w, term->stride), "");
}

static void ask_for_rows(ej_leaf *leaf, const ej_leaf_access *access)
{
    ej_lower *w = leaf->w;
    int64_t bytes = ej_dtypes[access->buffer->dtype].bytes;
    LLVMValueRef grown = NULL;
    if (access->buffer->home == EJ_HOME_REG || access->buffer->home == EJ_HOME_COUNT) return;
    for (int32_t t = 0; t < access->at->access->n_terms; t++) {
        LLVMValueRef part = later_entry(w, &access->at->access->terms[t], leaf->node->hints.rows);
        if (part) grown = grown ? ej_lower_add(w, grown, part, "") : part;
    }
    if (!grown) return;
    LLVMValueRef pointer = ej_lower_offset(w, access->at->pointer, grown, bytes, "");
    int64_t end = ask_for_lines(leaf, access, pointer, 0, false);
    ask_for(w, pointer, end, false); /* a row that begins inside of a line reaches into one more */
}

void ej_lower_prefetch(ej_leaf *leaf)
{
    const ej_leaf_hints *hints = &leaf->node->hints;
    for (int32_t s = 0; hints->ahead && s < leaf->node->n_src; s++) {
        const ej_leaf_access *source = &leaf->src[s];
        if (hints->source != EJ_HINT_ALL && hints->source != s) continue;
        if (source->buffer->home != EJ_HOME_COUNT && source->buffer->home != EJ_HOME_REG)
            ask_for_lines(leaf, source, source->at->pointer, hints->ahead, hints->far);
    }
    if (!hints->rows) return;
    ask_for_rows(leaf, &leaf->dst);
    for (int32_t s = 0; s < leaf->node->n_src; s++) ask_for_rows(leaf, &leaf->src[s]);
}
