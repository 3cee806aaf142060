/* lower_stream.c - stores past the caches, where a leaf's hints ask for them.
 *
 * Takes  a move whose result is in memory, whole vectors at constant distances.
 * Gives  code that computes all values and then stores them in one of three ways, by the alignment of the pointer at
 *        run time: whole vectors past the caches; long runs of vectors in pieces of 16 bytes past the caches (the usual
 *        alignment of callers' arrays; pieces of one line are combined, but lines at the ends of a run are written in
 *        parts, which is slow); or plain stores. A store past the caches to an address that is no multiple of its size
 *        would fault.
 */
#include "lower_nest.h"

#include <stdlib.h>
#include <string.h>

enum { EJ_STREAM_PIECE = 16, EJ_STREAM_LINE = 64, EJ_STREAM_RUN = 256 };
/* no vector; not a whole one, which gets a plain store */
static const int64_t nowhere = INT64_MIN, cut_off = INT64_MIN + 1;

typedef struct ej_stream {
    ej_leaf *leaf;
    int64_t bytes;      /* of a vector in memory */
    int64_t run;        /* bytes of all whole vectors, if these lie side by side; else 0 */
    int64_t step;       /* all vectors lie at multiples of this from the leaf's pointer; a power of 2, at most a line */
    int64_t *at;        /* bytes, by unroll number, or nowhere, or cut_off */
    LLVMValueRef *flat; /* by unroll number: the value as it lies in memory */
    ej_vec *value;
} ej_stream;

/* False: a failure was latched. */
static bool begin(ej_stream *s, ej_leaf *leaf)
{
    ej_lower *w = leaf->w;
    *s = (ej_stream){.leaf = leaf,
                     .at = EJ_LOWER_NEW(w, int64_t, leaf->unrolls),
                     .flat = EJ_LOWER_NEW(w, LLVMValueRef, leaf->unrolls),
                     .value = EJ_LOWER_NEW(w, ej_vec, leaf->unrolls)};
    return s->at && s->flat && s->value;
}

static int64_t common_power(int64_t step, int64_t at)
{
    while (at % step) step /= 2;
    return step;
}

static bool reads_what_it_writes(const ej_leaf *leaf)
{
    for (int32_t s = 0; s < leaf->node->n_src; s++)
        if (leaf->node->src[s].buffer == leaf->node->dst.buffer) return true;
    return false;
}

/* Where the vectors lie: false where their lanes are not side by side, none is whole, or distances are not constant. */
static bool find_places(ej_stream *s)
{
    ej_leaf *leaf = s->leaf;
    ej_lanes lanes;
    ej_offsets o;
    int32_t n = 0;
    int64_t low = INT64_MAX, high = INT64_MIN;
    int64_t bytes = ej_dtypes[leaf->dst.buffer->dtype].bytes;
    s->bytes = leaf->width * bytes;
    s->step = EJ_STREAM_LINE;
    if (leaf->dst.opaque || (leaf->dynamic & leaf->dst.set) || leaf->dst.buffer->dtype == EINJIT_BOOL) return false;
    if (reads_what_it_writes(leaf) || s->bytes % EJ_STREAM_PIECE) return false;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        uint64_t valid = ej_leaf_static(leaf, &lanes, UINT32_MAX);
        bool whole = true;
        s->at[u] = valid ? cut_off : nowhere;
        ej_offsets_of(leaf, &leaf->dst, &lanes, 0, &o);
        for (int32_t l = 0; valid && l < lanes.n; l++) {
            whole = whole && (valid >> l & 1);
            if ((valid >> l & 1) && (!(valid & 1) || o.c[l] != o.c[0] + l)) return false;
        }
        if (!valid || !whole) continue;
        n++;
        s->at[u] = o.c[0] * bytes;
        s->step = common_power(s->step, s->at[u]);
        low = s->at[u] < low ? s->at[u] : low;
        high = s->at[u] > high ? s->at[u] : high;
    }
    s->run = n && high - low == (n - 1) * s->bytes ? n * s->bytes : 0;
    return n && s->step >= EJ_STREAM_PIECE;
}

void ej_lower_past_caches(ej_lower *w, LLVMValueRef store, int64_t alignment)
{
    LLVMValueRef one = LLVMConstInt(w->m->i32, 1, 0);
    unsigned kind = LLVMGetMDKindIDInContext(w->e->context, "nontemporal", (unsigned)strlen("nontemporal"));
    LLVMMetadataRef node = LLVMValueAsMetadata(one);
    LLVMSetMetadata(store, kind, LLVMMetadataAsValue(w->e->context, LLVMMDNodeInContext2(w->e->context, &node, 1)));
    LLVMSetAlignment(store, (unsigned)alignment);
}

/* Elements of a vector in memory: complex numbers are two each. */
static int32_t flat_lanes(const ej_stream *s)
{
    return s->leaf->width * (ej_dtype_is_complex(s->leaf->dst.buffer->dtype) ? 2 : 1);
}

/* Pieces of `piece` bytes each, from a pointer that is a multiple of that. */
static void store_pieces(ej_stream *s, int32_t u, int64_t piece)
{
    ej_lower *w = s->leaf->w;
    int32_t n = flat_lanes(s), lanes = (int32_t)(n * piece / s->bytes), mask[2 * EJ_LANES_MAX];
    for (int32_t l = 0; l < n; l++) mask[l] = l;
    for (int64_t done = 0; done < s->bytes; done += piece) {
        LLVMValueRef part = s->flat[u];
        if (lanes < n) part = ej_shuffle(w, part, NULL, mask + done / piece * lanes, lanes, "");
        LLVMValueRef at = ej_lower_offset(w, s->leaf->dst.at->pointer, ej_lower_i64(w, s->at[u] + done), 1, "");
        ej_lower_past_caches(w, LLVMBuildStore(w->e->builder, part, at), piece);
    }
}

static void compute_values(ej_stream *s, ej_tape *tape)
{
    ej_lanes lanes;
    for (int32_t u = 0; u < s->leaf->unrolls; u++) {
        ej_leaf_lanes(s->leaf, u, &lanes);
        if (!ej_leaf_static(s->leaf, &lanes, UINT32_MAX)) continue;
        s->value[u] = ej_leaf_result(s->leaf, tape, u, &lanes);
        s->flat[u] = ej_lower_flat(s->leaf->w, s->leaf->dst.buffer->dtype, s->value[u], lanes.n);
    }
}

static void store_plainly(ej_stream *s, int32_t u)
{
    ej_lanes lanes;
    ej_leaf_lanes(s->leaf, u, &lanes);
    ej_lower_store(s->leaf, &s->leaf->dst, &lanes, s->value[u]);
}

/* All values; `piece` 0: plainly. */
static void store_all(ej_stream *s, int64_t piece)
{
    for (int32_t u = 0; u < s->leaf->unrolls; u++) {
        if (!s->value[u].re) continue;
        if (piece && s->at[u] != cut_off) store_pieces(s, u, piece);
        else store_plainly(s, u);
    }
}

/* if (pointer is a multiple of the piece) { store that way, go to `after` }: the builder stands where it is not. */
static void try_pieces(ej_stream *s, LLVMValueRef address, int64_t piece, LLVMBasicBlockRef after)
{
    ej_lower *w = s->leaf->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef in = ej_lower_block(w, "stream"), out = ej_lower_block(w, "");
    LLVMValueRef low = LLVMBuildAnd(b, address, ej_lower_i64(w, piece - 1), "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntEQ, low, ej_lower_i64(w, 0), ""), in, out);
    LLVMPositionBuilderAtEnd(b, in);
    store_all(s, piece);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, out);
}

void ej_lower_streamed_unless(ej_leaf *leaf, ej_tape *tape, LLVMValueRef waits, const ej_leaf_access *buffer)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    ej_stream s;
    if (!begin(&s, leaf)) return;
    bool whole = find_places(&s) && s.step >= s.bytes && s.bytes <= w->e->target->vector_bytes;
    compute_values(&s, tape);
    LLVMBasicBlockRef in = ej_lower_block(w, "wait"), direct = ej_lower_block(w, "direct");
    LLVMBasicBlockRef after = ej_lower_block(w, "");
    LLVMBuildCondBr(b, waits, in, direct);
    LLVMPositionBuilderAtEnd(b, direct);
    store_all(&s, whole ? s.bytes : 0);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, in);
    ej_leaf_access there = leaf->dst;
    leaf->dst = *buffer;
    store_all(&s, 0);
    leaf->dst = there;
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    w->streamed = true;
}

bool ej_lower_streamed(ej_leaf *leaf, ej_tape *tape)
{
    ej_lower *w = leaf->w;
    ej_stream s;
    if (!begin(&s, leaf) || !find_places(&s)) return false;
    compute_values(&s, tape);
    int64_t whole = w->e->target->vector_bytes < s.bytes ? w->e->target->vector_bytes : s.bytes;
    LLVMValueRef address = LLVMBuildPtrToInt(w->e->builder, leaf->dst.at->pointer, w->m->i64, "");
    LLVMBasicBlockRef after = ej_lower_block(w, "");
    if (s.step >= whole) try_pieces(&s, address, whole, after);
    if (whole > EJ_STREAM_PIECE && s.run >= EJ_STREAM_RUN) try_pieces(&s, address, EJ_STREAM_PIECE, after);
    store_all(&s, 0);
    LLVMBuildBr(w->e->builder, after);
    LLVMPositionBuilderAtEnd(w->e->builder, after);
    w->streamed = true;
    return true;
}

void ej_lower_stream_end(ej_lower *w)
{
    if (!w->streamed || !w->e->target->stream_fence) return;
    unsigned id = LLVMLookupIntrinsicID("llvm.x86.sse.sfence", strlen("llvm.x86.sse.sfence"));
    LLVMBuildCall2(w->e->builder, LLVMIntrinsicGetType(w->e->context, id, NULL, 0),
                   LLVMGetIntrinsicDeclaration(w->e->module, id, NULL, 0), NULL, 0, "");
}
