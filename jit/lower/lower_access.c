/* lower_access.c - where accesses stand while loops narrow the ranges.
 *
 * Takes  the accesses of the leaves below a loop, in tree order.
 * Gives  for each a running pointer (registers: a constant offset) to the element at the los of the current ranges: a
 *        loop adds stride * step once for all leaves below it, so nothing invariant is computed inside.
 * Not here: offsets inside a tile (lower_lane.c).
 */
#include "lower_nest.h"

#include <string.h>

static const ej_buffer *buffer_of(const ej_lower *w, const ej_at *at)
{
    return &w->nest->buffers[at->access->buffer];
}

static int64_t bytes_of(const ej_buffer *buffer)
{
    return ej_dtypes[buffer->dtype].bytes;
}

static void set_base(ej_lower *w, ej_at *at)
{
    const ej_buffer *buffer = buffer_of(w, at);
    at->tables = 0;
    at->blocks = NULL;
    if (buffer->home == EJ_HOME_REG) {
        at->fixed = !at->access->base.e;
        at->offset = at->access->base.n;
        return;
    }
    LLVMValueRef base = ej_lower_base(w, at->access->buffer);
    at->pointer =
        ej_lower_offset(w, base, ej_lower_element(w, at->access->buffer, at->access->base), bytes_of(buffer), "");
}

void ej_at_start(ej_lower *w, int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++) {
        uint8_t home = buffer_of(w, &w->at[i])->home;
        if (home != EJ_HOME_LOCAL && home != EJ_HOME_REG) set_base(w, &w->at[i]);
    }
}

void ej_at_place(ej_lower *w, int32_t first, int32_t end, int32_t buffer)
{
    LLVMValueRef *lo = EJ_LOWER_NEW(w, LLVMValueRef, w->nest->n_axes);
    if (!lo) return;
    for (int32_t a = 0; a < w->nest->n_axes; a++) lo[a] = w->ranges[a].lo;
    w->placed_lo[buffer] = lo;
    for (int32_t i = first; i < end; i++)
        if (w->at[i].access->buffer == buffer) set_base(w, &w->at[i]);
}

/* ---- terms with blocks ---- */

const ej_at_block *ej_at_block_of(const ej_at *at, const ej_access_term *term)
{
    static const ej_at_block start = {EJ_BLOCK_START, NULL};
    return at->blocks ? &at->blocks[term - at->access->terms] : &start;
}

static void set_block(ej_lower *w, ej_at *at, const ej_access_term *term, ej_at_block block)
{
    size_t n = (size_t)at->access->n_terms;
    ej_at_block *blocks = EJ_LOWER_NEW(w, ej_at_block, n);
    if (!blocks) return;
    if (at->blocks) memcpy(blocks, at->blocks, n * sizeof *blocks);
    blocks[term - at->access->terms] = block;
    at->blocks = blocks;
}

LLVMValueRef ej_lower_blocked(ej_lower *w, const ej_access_term *term, LLVMValueRef value)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef block = ej_lower_i64(w, term->block);
    LLVMValueRef inside = LLVMBuildURem(b, value, block, ""), whole = LLVMBuildUDiv(b, value, block, "");
    return ej_lower_add(w, ej_lower_mul(w, inside, ej_lower_size(w, term->stride), ""),
                        ej_lower_mul(w, whole, ej_lower_size(w, term->block_stride), ""), "");
}

/* Pointers that were moved by one amount: accesses that stood at one place still do, and share what says where. */
enum { EJ_MOVES = 16 };
typedef struct ej_moves {
    LLVMValueRef by;
    int64_t each; /* `grown` is by * each; NULL: no product yet */
    LLVMValueRef grown;
    int32_t n;
    struct {
        LLVMValueRef from, to;
        int64_t block, bytes; /* of an element: buffers without elements may share their place with others */
        ej_size stride;
    } made[EJ_MOVES];
} ej_moves;

static LLVMValueRef grown_by(ej_lower *w, LLVMValueRef by, int64_t block, ej_size stride)
{
    if (block > 1 && !stride.e && stride.n % block == 0) {
        stride.n /= block;
        block = 1;
    }
    if (block > 1) by = LLVMBuildUDiv(w->e->builder, by, ej_lower_i64(w, block), "");
    return ej_lower_mul(w, by, ej_lower_size(w, stride), "");
}

/* The product of a number and a stride in bytes, which accesses of one stride share. */
static LLVMValueRef grown_pointer(ej_lower *w, ej_moves *moves, const ej_at *at, int64_t block, ej_size stride)
{
    const ej_buffer *buffer = buffer_of(w, at);
    const char *name = buffer->name ? buffer->name : "";
    int64_t bytes = bytes_of(buffer), each;
    if (stride.e || stride.n % block || __builtin_mul_overflow(stride.n / block, bytes, &each))
        return ej_lower_offset(w, at->pointer, grown_by(w, moves->by, block, stride), bytes, name);
    if (!moves->grown || moves->each != each) {
        moves->each = each;
        moves->grown = ej_lower_mul(w, moves->by, ej_lower_i64(w, each), "");
    }
    return ej_lower_offset(w, at->pointer, moves->grown, 1, name);
}

static LLVMValueRef moved_pointer(ej_lower *w, ej_moves *moves, const ej_at *at, int64_t block, ej_size stride)
{
    int64_t bytes = bytes_of(buffer_of(w, at));
    for (int32_t i = 0; i < moves->n; i++)
        if (moves->made[i].from == at->pointer && moves->made[i].block == block && moves->made[i].bytes == bytes &&
            ej_size_same(moves->made[i].stride, stride))
            return moves->made[i].to;
    LLVMValueRef to = ej_loop_pointer(w, at->pointer, moves->by, block, stride, bytes);
    if (!to) to = grown_pointer(w, moves, at, block, stride);
    if (moves->n == EJ_MOVES) return to;
    moves->made[moves->n].from = at->pointer;
    moves->made[moves->n].to = to;
    moves->made[moves->n].block = block;
    moves->made[moves->n].bytes = bytes;
    moves->made[moves->n++].stride = stride;
    return to;
}

/* The element grew by / block * stride further. */
static void move(ej_lower *w, ej_moves *moves, ej_at *at, int64_t block, ej_size stride)
{
    int64_t c;
    if (buffer_of(w, at)->home != EJ_HOME_REG) {
        at->pointer = moved_pointer(w, moves, at, block, stride);
        return;
    }
    at->fixed = at->fixed && ej_lower_constant(grown_by(w, moves->by, block, stride), &c);
    at->offset += at->fixed ? c : 0;
}

/* A term with blocks after its lo grew. Whole blocks, or staying inside one, are linear; whatever else there is gets
 * computed at the leaf. */
static void move_blocked(ej_lower *w, ej_moves *moves, ej_at *at, const ej_access_term *term, const ej_range *outer,
                         int64_t step)
{
    LLVMValueRef by = moves->by;
    const ej_at_block *now = ej_at_block_of(at, term);
    int64_t c;
    if (now->state == EJ_BLOCK_LOOSE) {
        set_block(w, at, term, (ej_at_block){EJ_BLOCK_LOOSE, ej_lower_add(w, now->past, by, "")});
        at->fixed = false;
        return;
    }
    bool whole = step % term->block == 0 || (ej_lower_constant(by, &c) && c % term->block == 0);
    if (now->state == EJ_BLOCK_START && whole) {
        move(w, moves, at, term->block, term->block_stride);
        return;
    }
    if (now->state == EJ_BLOCK_START && outer->most > term->block) {
        set_block(w, at, term, (ej_at_block){EJ_BLOCK_LOOSE, by});
        at->fixed = false;
        return;
    }
    set_block(w, at, term, (ej_at_block){EJ_BLOCK_INSIDE, NULL});
    move(w, moves, at, 1, term->stride);
}

/* ---- loops ---- */

static void advance_term(ej_lower *w, ej_moves *moves, ej_at *at, const ej_access_term *term, const ej_range *outer,
                         int64_t step)
{
    if (buffer_of(w, at)->home != EJ_HOME_REG && !at->pointer) return; /* not placed yet */
    if (term->block > 0) move_blocked(w, moves, at, term, outer, step);
    else move(w, moves, at, 1, term->stride);
}

void ej_at_advance(ej_lower *w, int32_t first, int32_t end, int32_t axis, LLVMValueRef by, const ej_range *outer,
                   int64_t step)
{
    int64_t c;
    ej_moves all = {.by = by}, blocks = {.by = w->blocks_by};
    w->blocks_by = NULL;
    if (ej_lower_constant(by, &c) && !c) return;
    for (int32_t i = first; i < end; i++) {
        const ej_access *access = w->at[i].access;
        ej_moves *moves = blocks.by && w->block_axis[access->buffer] == axis ? &blocks : &all;
        for (int32_t t = 0; t < access->n_terms; t++)
            if (access->terms[t].axis == axis && access->terms[t].table < 0)
                advance_term(w, moves, &w->at[i], &access->terms[t], outer, step);
    }
}

/* ---- tables ---- */

LLVMValueRef ej_lower_entry(ej_lower *w, const ej_access_term *term, LLVMValueRef value)
{
    LLVMBuilderRef b = w->e->builder;
    const ej_buffer *table = &w->nest->buffers[term->table];
    LLVMValueRef *lo = w->placed_lo[term->table];
    if (lo && table->home == EJ_HOME_LOCAL) value = LLVMBuildSub(b, value, lo[term->axis], "");
    LLVMValueRef at = ej_lower_mul(w, value, ej_lower_size(w, term->tstride), "");
    at = ej_lower_add(w, at, ej_lower_element(w, term->table, term->tbase), "");
    LLVMValueRef pointer = ej_lower_offset(w, ej_lower_base(w, term->table), at, bytes_of(table), "");
    LLVMTypeRef type = ej_type_memory(w->e, table->dtype);
    LLVMValueRef entry = ej_lower_load_at(w, type, pointer, table->name ? table->name : "index");
    return type == w->m->i64 ? entry : LLVMBuildSExt(b, entry, w->m->i64, "");
}

/* A term whose axis stands at one value, and what it adds that the pointer does not hold yet; NULL: nothing. */
static LLVMValueRef missing_part(ej_lower *w, ej_at *at, int32_t t, bool all)
{
    const ej_access_term *term = &at->access->terms[t];
    bool once = t < 64;
    if (w->ranges[term->axis].count != 1) return NULL;
    if (term->block > 0) {
        const ej_at_block *block = ej_at_block_of(at, term);
        return all && block->state == EJ_BLOCK_LOOSE ? ej_lower_blocked(w, term, block->past) : NULL;
    }
    if (term->table < 0 || (once && (at->tables >> t & 1))) return NULL;
    if (!all && (!once || w->written[term->table])) return NULL;
    if (once) at->tables |= (uint64_t)1 << t;
    LLVMValueRef entry = ej_lower_entry(w, term, w->ranges[term->axis].lo);
    return ej_lower_mul(w, entry, ej_lower_size(w, term->stride), "");
}

void ej_at_tables(ej_lower *w, int32_t first, int32_t end, bool all)
{
    for (int32_t i = first; i < end; i++) {
        ej_at *at = &w->at[i];
        for (int32_t t = 0; at->pointer && t < at->access->n_terms; t++) {
            LLVMValueRef part = missing_part(w, at, t, all);
            if (part) at->pointer = ej_lower_offset(w, at->pointer, part, bytes_of(buffer_of(w, at)), "");
        }
    }
}
