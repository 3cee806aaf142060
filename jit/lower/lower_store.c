/* lower_store.c - vectors to memory.
 *
 * Takes  an access of a leaf, the digit values in the lanes, and a value per lane.
 * Gives  a store per run of consecutive elements (one, where the lanes follow each other), of single lanes else.
 * Keeps  lanes cut off at a run-time count from being stored: by a mask where the elements are consecutive; else, lanes
 *        going downwards, such a lane stores to the last element of the range, which its own lane then stores again.
 *        Through a table (where that order would show), or where that lane is in another vector, by branches.
 */
#include "lower_nest.h"

#include "llvm_compat.h"

#include <string.h>

void ej_lower_store_at(ej_lower *w, LLVMValueRef value, LLVMValueRef pointer)
{
    LLVMSetAlignment(LLVMBuildStore(w->e->builder, value, pointer), 1);
}

void ej_lower_masked_store(ej_lower *w, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask)
{
    LLVMTypeRef types[2] = {LLVMTypeOf(value), w->m->pointer};
    if (LLVMIsNull(mask)) return;
    if (mask == LLVMConstAllOnes(LLVMTypeOf(mask))) {
        ej_lower_store_at(w, value, pointer);
        return;
    }
    unsigned id = LLVMLookupIntrinsicID("llvm.masked.store", strlen("llvm.masked.store"));
    LLVMValueRef args[4];
    unsigned n = 0;
    args[n++] = value;
    args[n++] = pointer;
    if (EJ_MASKED_ALIGN_ARGUMENT) args[n++] = LLVMConstInt(w->m->i32, 1, 0);
    args[n++] = mask;
    LLVMBuildCall2(w->e->builder, LLVMIntrinsicGetType(w->e->context, id, types, 2),
                   LLVMGetIntrinsicDeclaration(w->e->module, id, types, 2), args, n, "");
}

/* As it lies in memory: bool as bytes. */
static LLVMValueRef to_memory(ej_lower *w, int dtype, LLVMValueRef v, int32_t lanes)
{
    if (dtype != EINJIT_BOOL) return v;
    return LLVMBuildZExt(w->e->builder, v, ej_type_of(w->m->i8, lanes), "");
}

void ej_lower_store_lane(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                         int32_t lane, uint32_t clamp, ej_vec value)
{
    ej_lower *w = leaf->w;
    int dtype = access->buffer->dtype;
    int64_t bytes = ej_dtypes[ej_dtypes[dtype].real].bytes, first = ej_part_of(access, o->c[lane], 0);
    LLVMValueRef at = ej_lane_address(leaf, access, lanes, lane, clamp, first * bytes);
    ej_lower_store_at(w, to_memory(w, dtype, value.re, 1), at);
    if (!value.im) return;
    LLVMValueRef apart = ej_lower_i64(w, ej_part_of(access, o->c[lane], 1) - first);
    ej_lower_store_at(w, value.im, ej_lower_offset(w, at, apart, bytes, ""));
}

/* ---- known lanes ---- */

/* Parts in memory order of one vector; complex: interleaved. */
LLVMValueRef ej_lower_flat(ej_lower *w, int dtype, ej_vec value, int32_t lanes)
{
    int32_t mask[2 * EJ_LANES_MAX];
    if (!value.im) return to_memory(w, dtype, value.re, lanes);
    for (int32_t l = 0; l < 2 * lanes; l++) mask[l] = l / 2 + l % 2 * lanes;
    return ej_shuffle(w, value.re, value.im, mask, 2 * lanes, "");
}

/* The parts of a vector as they are stored. Complex numbers that go to places apart, or under a mask, are in two
 * vectors where one would be wider than a register: selection would take that apart at three times the price
 * (`iaj,jb->abi` of 13 c64: 50 million instructions, 30 so). One that is stored whole it sees through, and in copies of
 * numbers of 16 bytes as far as the load. */
typedef struct flat_parts {
    LLVMValueRef v[2];
    int32_t vector[2 * EJ_LANES_MAX], place[2 * EJ_LANES_MAX]; /* of a lane's part, by 2 * lane + part */
} flat_parts;

/* Pairs of lanes of `re` and `im`, one after the other, from lane[0 .. n / 2) on. */
static LLVMValueRef interleave(ej_lower *w, ej_vec value, const int32_t *lane, int32_t n)
{
    int32_t mask[2 * EJ_LANES_MAX];
    for (int32_t l = 0; l < n; l++) mask[l] = lane[l / 2] + l % 2 * n;
    return ej_shuffle(w, value.re, value.im, mask, n, "");
}

/* Numbers side by side: the first half of the lanes, and the second. `apart`: those of the lower half of each block of
 * 16 bytes, and of the upper, which takes an unpack instruction each; single numbers are as easy to get there. */
static void interleave_halves(ej_lower *w, ej_vec value, int32_t lanes, int32_t block, flat_parts *out)
{
    int32_t lane[2][EJ_LANES_MAX];
    for (int32_t l = 0; l < lanes; l++) {
        int32_t v = l % block >= block / 2, at = l / block * (block / 2) + l % (block / 2);
        lane[v][at] = l;
        for (int32_t part = 0; part < 2; part++) {
            out->vector[2 * l + part] = v;
            out->place[2 * l + part] = 2 * at + part;
        }
    }
    for (int32_t v = 0; v < 2; v++) out->v[v] = interleave(w, value, lane[v], lanes);
}

/* How the numbers of a vector lie in memory: side by side, no two of them, or a copy of such ones, or some. */
enum flat_order { FLAT_WHOLE, FLAT_SINGLE, FLAT_COPIED, FLAT_RUNS };

static void flatten(ej_lower *w, const ej_leaf_access *access, ej_vec value, int32_t lanes, int order, flat_parts *out)
{
    enum { BLOCK = 16 };
    int dtype = access->buffer->dtype;
    int32_t bytes = ej_dtypes[ej_dtypes[dtype].real].bytes, block = BLOCK / bytes;
    bool wide = value.im && 2 * lanes * bytes > w->e->target->vector_bytes && lanes >= block;
    bool apart = order == FLAT_RUNS || order == FLAT_SINGLE || (order == FLAT_COPIED && block > 2);
    if (wide && apart && !access->planar) {
        interleave_halves(w, value, lanes, order == FLAT_RUNS ? lanes : block, out);
        return;
    }
    for (int32_t l = 0; l < 2 * lanes; l++) {
        out->vector[l] = access->planar ? l % 2 : 0;
        out->place[l] = access->planar || !value.im ? l / 2 : l;
    }
    out->v[0] = access->planar ? value.re : ej_lower_flat(w, dtype, value, lanes);
    out->v[1] = value.im;
}

/* Two parts of 4 bytes side by side, as one element: a vector of two would be no type of a register. */
static LLVMValueRef pair_of(ej_lower *w, LLVMValueRef flat, int32_t first)
{
    LLVMTypeRef type = LLVMDoubleTypeInContext(w->e->context);
    int32_t lanes = (int32_t)LLVMGetVectorSize(LLVMTypeOf(flat));
    return ej_extract(w, LLVMBuildBitCast(w->e->builder, flat, ej_type_of(type, lanes / 2), ""), first / 2);
}

/* The flat lanes mask[0 .. n), to consecutive parts: pieces of powers of 2, or one masked store (`masks`), which a load
 * that follows soon would have to wait for, as it is not forwarded (rows of 5 that are read right after, on Zen 4: 66
 * us with it, 62 in pieces). */
static void store_run(ej_lower *w, LLVMValueRef flat, const int32_t *mask, int32_t n, LLVMValueRef at, int64_t bytes,
                      bool masks)
{
    int32_t wide[2 * EJ_LANES_MAX], width = 1;
    while (width < n) width *= 2;
    if (width != n && n > 2 && masks && width * bytes <= w->e->target->vector_bytes) {
        for (int32_t l = 0; l < width; l++) wide[l] = l < n ? mask[l] : -1;
        uint64_t bits = ((uint64_t)1 << n) - 1;
        ej_lower_masked_store(w, ej_shuffle(w, flat, NULL, wide, width, ""), at, ej_leaf_bits(w, bits, width));
        return;
    }
    for (int32_t done = 0; done < n; done += width) {
        while (width > n - done) width /= 2;
        const int32_t *piece = mask + done;
        bool pair = width == 2 && bytes == 4 && piece[0] % 2 == 0 && piece[1] == piece[0] + 1;
        LLVMValueRef v = pair ? pair_of(w, flat, piece[0]) : ej_shuffle(w, flat, NULL, piece, width, "");
        ej_lower_store_at(w, v, ej_lower_offset(w, at, ej_lower_i64(w, done), bytes, ""));
    }
}

/* Entries without those that a later lane stores again. */
static int32_t last_entries(const ej_leaf_access *access, const ej_offsets *o, ej_entry *entries)
{
    int32_t n = 0, all = ej_entries_of(access, o, entries);
    for (int32_t i = 0; i < all; i++) {
        bool again = i + 1 < all && entries[i + 1].key == entries[i].key && entries[i + 1].c == entries[i].c;
        if (!again) entries[n++] = entries[i];
    }
    return n;
}

static bool follows(const ej_entry *entry, const ej_entry *other)
{
    return entry->key == other->key && entry->c == other->c + 1;
}

enum { SOON_LANES = 8 }; /* more of them would be too many pieces */

static void store_known(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o, ej_vec value)
{
    ej_lower *w = leaf->w;
    int32_t mask[2 * EJ_LANES_MAX];
    int64_t bytes = ej_dtypes[ej_dtypes[access->buffer->dtype].real].bytes;
    ej_entry entries[2 * EJ_LANES_MAX];
    flat_parts flat;
    int32_t n = last_entries(access, o, entries);
    bool single = true, whole = n == 2 * lanes->n;
    for (int32_t i = 1; i < n; i++) {
        bool after = follows(&entries[i], &entries[i - 1]);
        single = single && (entries[i].part || !after);
        whole = whole && after;
    }
    bool soon = access->buffer->home == EJ_HOME_LOCAL && lanes->n <= SOON_LANES;
    bool masks = w->e->target->masks && !soon;
    bool copied = leaf->node->n_src == 1 && w->nest->buffers[leaf->node->src[0].buffer].home != EJ_HOME_REG;
    int order = whole ? FLAT_WHOLE : !single ? FLAT_RUNS : copied ? FLAT_COPIED : FLAT_SINGLE;
    flatten(w, access, value, lanes->n, order, &flat);
    for (int32_t i = 0; i < n;) {
        const ej_entry *first = &entries[i];
        int32_t run = 0, vector = flat.vector[2 * first->lane + first->part];
        do {
            mask[run++] = flat.place[2 * entries[i].lane + entries[i].part];
            i++;
        } while (i < n && follows(&entries[i], &entries[i - 1]) &&
                 flat.vector[2 * entries[i].lane + entries[i].part] == vector);
        LLVMValueRef at = ej_lane_address(leaf, access, lanes, first->lane, 0, first->c * bytes);
        store_run(w, flat.v[vector], mask, run, at, bytes, masks);
    }
}

/* ---- lanes that a run-time count cuts off ---- */

static void store_downwards(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, uint32_t clamp, ej_vec value)
{
    ej_offsets o;
    ej_offsets_of(leaf, access, lanes, clamp, &o);
    for (int32_t l = lanes->n - 1; l >= 0; l--)
        if (o.valid >> l & 1)
            ej_lower_store_lane(leaf, access, lanes, &o, l, clamp, ej_extract_lane(leaf->w, value, l));
}

static void store_branching(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                            LLVMValueRef mask, ej_vec value)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    for (int32_t l = 0; l < lanes->n; l++) {
        if (!(o->valid >> l & 1)) continue;
        LLVMBasicBlockRef lane = ej_lower_block(w, "lane"), after = ej_lower_block(w, "");
        LLVMBuildCondBr(b, ej_extract(w, mask, l), lane, after);
        LLVMPositionBuilderAtEnd(b, lane);
        ej_lower_store_lane(leaf, access, lanes, o, l, 0, ej_extract_lane(w, value, l));
        ej_leaf_forget(access);
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
    }
}

static void store_masked(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                         LLVMValueRef mask, ej_vec value)
{
    ej_lower *w = leaf->w;
    int dtype = access->buffer->dtype;
    LLVMValueRef at = ej_lane_address(leaf, access, lanes, 0, 0, o->c[0] * ej_dtypes[dtype].bytes);
    mask = LLVMBuildAnd(w->e->builder, mask, ej_leaf_bits(w, o->valid, lanes->n), "");
    if (access->planar) {
        LLVMValueRef apart = ej_lower_i64(w, access->planar);
        ej_lower_masked_store(w, value.re, at, mask);
        ej_lower_masked_store(w, value.im, ej_lower_offset(w, at, apart, ej_dtypes[dtype].bytes / 2, ""), mask);
        return;
    }
    if (!value.im) {
        ej_lower_masked_store(w, to_memory(w, dtype, value.re, lanes->n), at, mask);
        return;
    }
    flat_parts flat;
    flatten(w, access, value, lanes->n, FLAT_RUNS, &flat);
    int32_t width = (int32_t)LLVMGetVectorSize(LLVMTypeOf(flat.v[0])), parts = 2 * lanes->n;
    for (int32_t first = 0; first < parts; first += width) {
        LLVMValueRef there = ej_lower_offset(w, at, ej_lower_i64(w, first), ej_dtypes[dtype].bytes / 2, "");
        ej_lower_masked_store(w, flat.v[first / width], there, ej_lower_twice(w, mask, first / 2, width));
    }
}

static bool through_table(const ej_leaf *leaf, const ej_leaf_access *access)
{
    for (int32_t i = 0; i < leaf->n_axes; i++)
        if ((access->opaque >> i & 1) && access->term[i]->table >= 0) return true;
    return false;
}

/* The lanes have every value between their lowest and highest on each axis, so the last one of a range that ends among
 * them is there. */
static bool without_gaps(const ej_leaf *leaf, const ej_lanes *lanes, uint32_t axes)
{
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        int32_t low = INT32_MAX, high = 0, found = 0;
        for (int32_t l = 0; l < lanes->n && (axes >> i & 1); l++) {
            if (!(lanes->exist >> l & 1)) continue;
            bool again = false;
            for (int32_t k = 0; k < l; k++) again = again || lanes->v[i][k] == lanes->v[i][l];
            found += !again;
            low = lanes->v[i][l] < low ? lanes->v[i][l] : low;
            high = lanes->v[i][l] > high ? lanes->v[i][l] : high;
        }
        if (found && found != high - low + 1) return false;
    }
    return true;
}

static void store_here(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, LLVMValueRef mask, ej_vec value)
{
    ej_offsets o;
    uint32_t differ = ej_leaf_varying(leaf, lanes, access->set, true);
    ej_offsets_of(leaf, access, lanes, 0, &o);
    if (!mask) store_known(leaf, access, lanes, &o, value);
    else if (ej_offsets_consecutive(&o) && ej_can_mask(leaf->w, ej_dtypes[access->buffer->dtype].bytes))
        store_masked(leaf, access, lanes, &o, mask, value);
    else if (!through_table(leaf, access) && without_gaps(leaf, lanes, differ))
        store_downwards(leaf, access, lanes, differ, value);
    else store_branching(leaf, access, lanes, &o, mask, value);
}

/* All lanes are out when the lowest digit of an axis is. */
static LLVMValueRef lowest_in_range(ej_leaf *leaf, const ej_lanes *lanes, uint32_t axes, LLVMValueRef condition)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        int32_t low = INT32_MAX;
        for (int32_t l = 0; l < lanes->n; l++)
            if ((lanes->exist >> l & 1) && lanes->v[i][l] < low) low = lanes->v[i][l];
        if (!(axes >> i & 1) || low == 0) continue;
        LLVMValueRef in = LLVMBuildICmp(b, LLVMIntSGT, leaf->axes[i].n, ej_lower_i64(w, low), "");
        condition = condition ? LLVMBuildAnd(b, condition, in, "") : in;
    }
    return condition;
}

void ej_lower_store(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, ej_vec value)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef condition, mask;
    if (!ej_leaf_static(leaf, lanes, access->set)) return;
    ej_leaf_dynamic(leaf, lanes, access->set, &condition, &mask);
    condition = lowest_in_range(leaf, lanes, ej_leaf_varying(leaf, lanes, access->set, true), condition);
    if (!condition) {
        store_here(leaf, access, lanes, mask, value);
        return;
    }
    LLVMBasicBlockRef in = ej_lower_block(w, "in_range"), after = ej_lower_block(w, "");
    LLVMBuildCondBr(b, condition, in, after);
    LLVMPositionBuilderAtEnd(b, in);
    store_here(leaf, access, lanes, mask, value);
    ej_leaf_forget(access);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}
