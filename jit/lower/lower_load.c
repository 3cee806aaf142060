/* lower_load.c - vectors from memory.
 *
 * Takes  an access of a leaf and the digit values in the lanes.
 * Gives  one value for all lanes where the element is the same; else a vector made from as few contiguous loads as
 *        cover the lanes' elements. They never reach beyond the first and last element that a lane needs, so nothing is
 *        read that does not lie between elements of the operand.
 * Keeps  lanes cut off at a run-time count from being read: by a mask where the elements are consecutive, else by
 *        reading the last element of the range in their place.
 * Of numbers in order nothing is read: they are where an access stands.
 */
#include "lower_nest.h"

#include "llvm_compat.h"

#include <stdlib.h>
#include <string.h>

/* ---- single instructions ---- */

LLVMValueRef ej_lower_load_at(ej_lower *w, LLVMTypeRef type, LLVMValueRef pointer, const char *name)
{
    LLVMValueRef load = LLVMBuildLoad2(w->e->builder, type, pointer, name);
    LLVMSetAlignment(load, 1);
    return load;
}

bool ej_can_mask(const ej_lower *w, int64_t bytes)
{
    const ej_target *target = w->e->target;
    return target->masks || (target->vector_bytes == 32 && bytes >= 4);
}

LLVMValueRef ej_lower_masked_load(ej_lower *w, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask,
                                  const char *name)
{
    LLVMTypeRef types[2] = {type, w->m->pointer};
    if (LLVMIsNull(mask)) return LLVMConstNull(type);
    if (mask == LLVMConstAllOnes(LLVMTypeOf(mask))) return ej_lower_load_at(w, type, pointer, name);
    unsigned id = LLVMLookupIntrinsicID("llvm.masked.load", strlen("llvm.masked.load"));
    LLVMValueRef args[4];
    unsigned n = 0;
    args[n++] = pointer;
    if (EJ_MASKED_ALIGN_ARGUMENT) args[n++] = LLVMConstInt(w->m->i32, 1, 0);
    args[n++] = mask;
    args[n++] = LLVMConstNull(type);
    return LLVMBuildCall2(w->e->builder, LLVMIntrinsicGetType(w->e->context, id, types, 2),
                          LLVMGetIntrinsicDeclaration(w->e->module, id, types, 2), args, n, name);
}

LLVMValueRef ej_lower_twice(ej_lower *w, LLVMValueRef v, int32_t first, int32_t n)
{
    int32_t mask[2 * EJ_LANES_MAX];
    for (int32_t l = 0; l < n; l++) mask[l] = first + l / 2;
    return ej_shuffle(w, v, NULL, mask, n, "");
}

/* Parts as they come from memory, as a value: bytes become i1. */
static ej_vec value_of(ej_lower *w, int dtype, LLVMValueRef re, LLVMValueRef im)
{
    if (dtype == EINJIT_BOOL) re = LLVMBuildICmp(w->e->builder, LLVMIntNE, re, LLVMConstNull(LLVMTypeOf(re)), "");
    return (ej_vec){re, im};
}

ej_vec ej_lower_load_lane(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                          int32_t lane, uint32_t clamp)
{
    ej_lower *w = leaf->w;
    int dtype = access->buffer->dtype;
    LLVMTypeRef type = ej_type_memory(w->e, dtype);
    int64_t bytes = ej_dtypes[ej_dtypes[dtype].real].bytes, first = ej_part_of(access, o->c[lane], 0);
    const char *name = access->buffer->name ? access->buffer->name : "";
    LLVMValueRef at = ej_lane_address(leaf, access, lanes, lane, clamp, first * bytes), im = NULL;
    if (ej_dtype_is_complex(dtype)) {
        int64_t apart = ej_part_of(access, o->c[lane], 1) - first;
        im = ej_lower_load_at(w, type, ej_lower_offset(w, at, ej_lower_i64(w, apart), bytes, ""), name);
    }
    return value_of(w, dtype, ej_lower_load_at(w, type, at, name), im);
}

/* ---- contiguous pieces ---- */

static int compare_entries(const void *a, const void *b)
{
    const ej_entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    if (x->c != y->c) return x->c < y->c ? -1 : 1;
    return (x->lane > y->lane) - (x->lane < y->lane);
}

int32_t ej_entries_of(const ej_leaf_access *access, const ej_offsets *o, ej_entry *out)
{
    int32_t n = 0, parts = ej_dtype_is_complex(access->buffer->dtype) ? 2 : 1;
    for (int32_t l = 0; l < o->n; l++)
        for (int32_t p = 0; p < parts; p++)
            if (o->valid >> l & 1) out[n++] = (ej_entry){o->key[l], ej_part_of(access, o->c[l], p), l, p};
    qsort(out, (size_t)n, sizeof *out, compare_entries);
    return n;
}

/* The elements of the lanes, and loads of `width` parts that cover them. */
typedef struct ej_cover {
    int32_t n_entries, n_distinct, width, n_pieces;
    ej_entry entries[2 * EJ_LANES_MAX];
    int32_t piece[2 * EJ_LANES_MAX]; /* per entry: which load .. */
    int32_t place[2 * EJ_LANES_MAX]; /* .. and where in it */
    int64_t start[2 * EJ_LANES_MAX]; /* per load: first part .. */
    int32_t lane[2 * EJ_LANES_MAX];  /* .. and a lane with its key */
} ej_cover;

/* Cover the entries from..end, which have one key. False: they span less than a load. */
static bool cover_group(ej_cover *cover, int32_t from, int32_t end)
{
    int64_t low = cover->entries[from].c, high = cover->entries[end - 1].c;
    if (high - low + 1 < cover->width) return false;
    for (int32_t i = from; i < end;) {
        int64_t start = cover->entries[i].c;
        if (start > high - cover->width + 1) start = high - cover->width + 1;
        int32_t piece = cover->n_pieces++;
        cover->start[piece] = start;
        cover->lane[piece] = cover->entries[i].lane;
        for (; i < end && cover->entries[i].c < start + cover->width; i++) {
            cover->piece[i] = piece;
            cover->place[i] = (int32_t)(cover->entries[i].c - start);
        }
    }
    return true;
}

static bool cover_all(ej_cover *cover, int32_t width)
{
    cover->width = width;
    cover->n_pieces = 0;
    for (int32_t from = 0, end; from < cover->n_entries; from = end) {
        end = from + 1;
        while (end < cover->n_entries && cover->entries[end].key == cover->entries[from].key) end++;
        if (!cover_group(cover, from, end)) return false;
    }
    return true;
}

/* Pairs of parts of 4 bytes are loaded as one element of 8, and set side by side in whole registers. A load of two
 * would be of no register's type, and a tree of joins an instruction each for LLVM to look at. */
static void join_loads(ej_lower *w, ej_cover *cover, LLVMValueRef *pieces, LLVMTypeRef part)
{
    LLVMValueRef wide[EJ_LANES_MAX];
    int32_t per = w->e->target->vector_bytes / 8, n = 0;
    while (per / 2 >= cover->n_pieces) per /= 2;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(pieces[0]), (unsigned)per);
    for (int32_t p = 0; p < cover->n_pieces; p++) {
        LLVMValueRef lane = LLVMConstInt(w->m->i32, (unsigned long long)(p % per), 0);
        if (p % per == 0) wide[n++] = LLVMGetPoison(type);
        wide[n - 1] = LLVMBuildInsertElement(w->e->builder, wide[n - 1], pieces[p], lane, "");
    }
    for (int32_t i = 0; i < cover->n_entries; i++) {
        cover->place[i] += cover->piece[i] % per * 2;
        cover->piece[i] /= per;
    }
    cover->n_pieces = n;
    cover->width = 2 * per;
    for (int32_t i = 0; i < n; i++) pieces[i] = LLVMBuildBitCast(w->e->builder, wide[i], ej_type_of(part, 2 * per), "");
}

/* A wide load that serves one or two lanes costs more in shuffles than it saves. */
static bool worth(int32_t width, int32_t n_pieces, int32_t n_distinct)
{
    return width >= 8 ? n_pieces * 3 <= n_distinct : n_pieces * 4 <= n_distinct * 3;
}

static void choose_cover(ej_cover *cover, int32_t widest)
{
    int32_t best = 1, fewest = INT32_MAX;
    cover->n_distinct = 0;
    for (int32_t i = 0; i < cover->n_entries; i++) {
        const ej_entry *e = &cover->entries[i];
        cover->n_distinct += !i || e->c != e[-1].c || e->key != e[-1].key;
    }
    for (int32_t width = 2; width <= widest; width *= 2) {
        if (!cover_all(cover, width)) break;
        if (cover->n_pieces < fewest && worth(width, cover->n_pieces, cover->n_distinct)) {
            best = width;
            fewest = cover->n_pieces;
        }
    }
    cover_all(cover, best);
}

static ej_vec load_covered(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, uint32_t clamp,
                           const ej_offsets *o)
{
    ej_lower *w = leaf->w;
    ej_cover cover;
    int dtype = access->buffer->dtype;
    int32_t parts = ej_dtype_is_complex(dtype) ? 2 : 1;
    int64_t bytes = ej_dtypes[dtype].bytes / parts;
    LLVMValueRef pieces[2 * EJ_LANES_MAX], out[2] = {NULL, NULL};
    int32_t vec[2][EJ_LANES_MAX], place[2][EJ_LANES_MAX];
    const char *name = access->buffer->name ? access->buffer->name : "";

    int32_t widest = (int32_t)(w->e->target->vector_bytes / bytes);
    cover.n_entries = ej_entries_of(access, o, cover.entries);
    choose_cover(&cover, widest < lanes->n * parts ? widest : lanes->n * parts);
    LLVMTypeRef part = ej_type_memory(w->e, dtype), type = ej_type_of(part, cover.width);
    bool pairs = cover.width == 2 && bytes == 4 && cover.n_pieces > 2;
    if (pairs) type = LLVMDoubleTypeInContext(w->e->context);
    for (int32_t p = 0; p < cover.n_pieces; p++)
        pieces[p] = ej_lower_load_at(
            w, type, ej_lane_address(leaf, access, lanes, cover.lane[p], clamp, cover.start[p] * bytes), name);
    if (pairs) join_loads(w, &cover, pieces, part);
    memset(vec, -1, sizeof vec);
    memset(place, 0, sizeof place);
    for (int32_t i = 0; i < cover.n_entries; i++) {
        const ej_entry *e = &cover.entries[i];
        vec[e->part][e->lane] = cover.piece[i];
        place[e->part][e->lane] = cover.place[i];
    }
    for (int32_t p = 0; p < parts; p++)
        out[p] = ej_shuffle_pick(w, pieces, cover.n_pieces, cover.width, vec[p], place[p], lanes->n, name);
    return value_of(w, dtype, out[0], out[1]);
}

/* ---- masked ---- */

/* Consecutive elements of the lanes `which`. */
static ej_vec load_masked(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, uint32_t clamp,
                          const ej_offsets *o, LLVMValueRef which)
{
    ej_lower *w = leaf->w;
    int dtype = access->buffer->dtype;
    int32_t parts = ej_dtype_is_complex(dtype) ? 2 : 1, n = parts * lanes->n, width = n, mask[2][EJ_LANES_MAX];
    int64_t bytes = ej_dtypes[dtype].bytes / parts;
    const char *name = access->buffer->name ? access->buffer->name : "";
    LLVMTypeRef memory = ej_type_memory(w->e, dtype);
    LLVMValueRef at = ej_lane_address(leaf, access, lanes, 0, clamp, o->c[0] * ej_dtypes[dtype].bytes);
    if (access->planar) {
        LLVMTypeRef half = ej_type_of(memory, lanes->n);
        LLVMValueRef im = ej_lower_offset(w, at, ej_lower_i64(w, access->planar), bytes, "");
        return (ej_vec){ej_lower_masked_load(w, half, at, which, name), ej_lower_masked_load(w, half, im, which, name)};
    }
    if (parts == 1) return value_of(w, dtype, ej_lower_masked_load(w, ej_type_of(memory, n), at, which, name), NULL);
    LLVMValueRef v[2] = {NULL, NULL};
    if (n * bytes > w->e->target->vector_bytes) width = lanes->n; /* in two, not one wider than a register */
    for (int32_t first = 0; first < n; first += width) {
        LLVMValueRef there = ej_lower_offset(w, at, ej_lower_i64(w, first), bytes, "");
        LLVMValueRef twice = ej_lower_twice(w, which, first / 2, width);
        v[first / width] = ej_lower_masked_load(w, ej_type_of(memory, width), there, twice, name);
    }
    for (int32_t l = 0; l < lanes->n; l++)
        for (int32_t p = 0; p < 2; p++) mask[p][l] = 2 * l + p;
    return (ej_vec){ej_shuffle(w, v[0], v[1], mask[0], lanes->n, name),
                    ej_shuffle(w, v[0], v[1], mask[1], lanes->n, name)};
}

/* A run of lanes from the first one, which a plain load would need two pieces for. */
static bool is_short_run(const ej_offsets *o)
{
    int32_t n = 0;
    while (n < o->n && (o->valid >> n & 1)) n++;
    return n > 2 && (n & (n - 1)) && ej_offsets_consecutive(o) && !(n < 64 && o->valid >> n);
}

/* ---- numbers in order ---- */

static LLVMValueRef number_at(ej_lower *w, LLVMValueRef address)
{
    LLVMBuilderRef b = w->e->builder;
    return LLVMBuildAShr(b, LLVMBuildPtrToInt(b, address, w->m->i64, ""), ej_lower_i64(w, 3),
                         ""); /* eight bytes each */
}

/* Lanes with one key differ by constants. Those that are cut off may have any number. */
static ej_operand load_numbers(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef apart[EJ_LANES_MAX];
    ej_offsets o;
    bool one = true;
    ej_offsets_of(leaf, access, lanes, 0, &o);
    for (int32_t l = 0; l < o.n; l++) {
        one = one && (!(o.valid >> l & 1) || o.key[l] == o.key[0]);
        apart[l] = ej_lower_i64(w, o.c[l]);
    }
    LLVMValueRef first = number_at(w, ej_lane_address(leaf, access, lanes, 0, 0, 0));
    if (one && ej_offsets_uniform(&o)) return (ej_operand){{LLVMBuildAdd(b, first, apart[0], ""), NULL}, 1};
    LLVMValueRef numbers = ej_splat(w->e, first, lanes->n, "");
    for (int32_t l = 1; l < lanes->n && !one; l++) {
        if (o.key[l] == o.key[0] || !(o.valid >> l & 1)) continue;
        LLVMValueRef at = number_at(w, ej_lane_address(leaf, access, lanes, l, 0, 0));
        numbers = LLVMBuildInsertElement(b, numbers, at, LLVMConstInt(w->m->i32, (unsigned long long)l, 0), "");
    }
    return (ej_operand){{LLVMBuildAdd(b, numbers, LLVMConstVector(apart, (unsigned)lanes->n), ""), NULL}, lanes->n};
}

ej_operand ej_lower_load(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    ej_offsets o;
    ej_operand out;
    LLVMValueRef scalar, mask;
    if (access->buffer->home == EJ_HOME_COUNT) return load_numbers(leaf, access, lanes);
    if (ej_load_interleaved(leaf, access, lanes, &out)) return out;
    uint32_t same = ej_leaf_varying(leaf, lanes, access->set, false), clamp = same;
    uint32_t differ = ej_leaf_varying(leaf, lanes, access->set, true);
    int64_t bytes = ej_dtypes[access->buffer->dtype].bytes;
    ej_offsets_of(leaf, access, lanes, clamp, &o);
    if (!differ && ej_offsets_uniform(&o)) {
        int32_t first = 0;
        while (first + 1 < o.n && !(o.valid >> first & 1)) first++;
        return (ej_operand){ej_lower_load_lane(leaf, access, lanes, &o, first, clamp), 1};
    }
    /* A table's entries are not behind the mask. */
    if (differ && !(differ & access->opaque) && ej_can_mask(w, bytes) && ej_offsets_consecutive(&o)) {
        ej_leaf_dynamic(leaf, lanes, access->set, &scalar, &mask);
        if (o.valid != lanes->exist) mask = LLVMBuildAnd(w->e->builder, mask, ej_leaf_bits(w, o.valid, lanes->n), "");
        return (ej_operand){load_masked(leaf, access, lanes, clamp, &o, mask), lanes->n};
    }
    if (!differ && w->e->target->masks && is_short_run(&o))
        return (ej_operand){load_masked(leaf, access, lanes, clamp, &o, ej_leaf_bits(w, o.valid, lanes->n)), lanes->n};
    if (differ) {
        clamp |= differ;
        ej_offsets_of(leaf, access, lanes, clamp, &o);
    }
    return (ej_operand){load_covered(leaf, access, lanes, clamp, &o), lanes->n};
}
