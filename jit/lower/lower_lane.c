/* lower_lane.c - which element is in which lane.
 *
 * Takes  an access of a leaf and the digit values of the lanes.
 * Gives  per lane a constant offset and a key: lanes with one key differ by constants only. What is not a constant
 *        (symbolic strides, table entries, positions cut off at a run-time count) makes up the key.
 */
#include "lower_nest.h"

#include <string.h>

static bool clamps(uint32_t clamp, int32_t axis, int32_t v)
{
    return (clamp >> axis & 1) && v > 0; /* a range has at least one value */
}

static int64_t constant_part(const ej_leaf_access *access, int32_t i, int32_t v)
{
    int64_t block = access->block[i];
    return block ? v % block * access->stride[i] + v / block * access->block_stride[i] : v * access->stride[i];
}

void ej_offsets_of(ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes *lanes, uint32_t clamp, ej_offsets *out)
{
    out->n = lanes->n;
    out->valid = ej_leaf_static(leaf, lanes, access->set);
    for (int32_t l = 0; l < lanes->n; l++) {
        out->key[l] = 0;
        out->c[l] = 0;
        out->from[l] = l;
        for (int32_t i = 0; i < leaf->n_axes; i++) {
            if (!(access->set >> i & 1)) continue;
            int32_t v = lanes->v[i][l];
            out->key[l] *= (uint64_t)leaf->axes[i].total;
            if ((access->opaque >> i & 1) || clamps(clamp, i, v)) out->key[l] += (uint64_t)v;
            else out->c[l] += constant_part(access, i, v);
        }
    }
}

bool ej_offsets_uniform(const ej_offsets *o)
{
    int32_t first = -1;
    for (int32_t l = 0; l < o->n; l++) {
        if (!(o->valid >> l & 1)) continue;
        if (first < 0) first = l;
        if (o->c[l] != o->c[first] || o->key[l] != o->key[first]) return false;
    }
    return true;
}

bool ej_offsets_consecutive(const ej_offsets *o)
{
    for (int32_t l = 0; l < o->n; l++)
        if ((o->valid >> l & 1) && (o->c[l] != o->c[0] + l || o->key[l] != o->key[0])) return false;
    return o->valid & 1;
}

void ej_leaf_forget(ej_leaf_access *access)
{
    memset(access->value, 0, sizeof access->value);
}

static LLVMValueRef digit_value(ej_lower *w, const ej_leaf_access *access, const ej_access_term *term, LLVMValueRef lo,
                                LLVMValueRef digit)
{
    const ej_at_block *block = ej_at_block_of(access->at, term);
    if (term->block > 0 && block->state != EJ_BLOCK_INSIDE) {
        if (block->state == EJ_BLOCK_LOOSE) digit = ej_lower_add(w, block->past, digit, "");
        return ej_lower_blocked(w, term, digit);
    }
    if (term->table >= 0) digit = ej_lower_entry(w, term, ej_lower_add(w, lo, digit, ""));
    return ej_lower_mul(w, digit, ej_lower_size(w, term->stride), "");
}

/* Digit 0 adds nothing but through a table, or inside a block of which the start is what the pointer holds. */
static bool zero_adds(const ej_leaf_access *access, int32_t i)
{
    const ej_access_term *term = access->term[i];
    return term->table >= 0 || (term->block > 0 && ej_at_block_of(access->at, term)->state == EJ_BLOCK_LOOSE);
}

/* What digit value v of axis i adds to the element, where that is not a constant. Kept for the leaf. */
static LLVMValueRef term_value(ej_leaf *leaf, ej_leaf_access *access, int32_t i, int32_t v, bool clamped)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    const ej_access_term *term = access->term[i];
    ej_leaf_axis *axis = &leaf->axes[i];
    if (!access->value[i]) access->value[i] = EJ_LOWER_NEW(w, LLVMValueRef, 2 * axis->total);
    if (!access->value[i]) return ej_lower_i64(w, 0);
    LLVMValueRef *kept = &access->value[i][clamped ? axis->total + v : v];
    if (*kept) return *kept;

    LLVMValueRef digit = ej_lower_i64(w, v);
    if (clamped) {
        LLVMValueRef last = LLVMBuildSub(b, axis->n, ej_lower_i64(w, 1), "");
        digit = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, digit, last, ""), digit, last, "");
    }
    return *kept = digit_value(w, access, term, w->ranges[axis->axis].lo, digit);
}

LLVMValueRef ej_lane_address(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, int32_t lane, uint32_t clamp,
                             int64_t c_bytes)
{
    ej_lower *w = leaf->w;
    LLVMValueRef elements = ej_lower_i64(w, 0);
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        int32_t v = lanes->v[i][lane];
        bool clamped = clamps(clamp, i, v);
        if (!(access->set >> i & 1) || !(clamped || (access->opaque >> i & 1))) continue;
        if (v == 0 && !zero_adds(access, i)) continue;
        elements = ej_lower_add(w, elements, term_value(leaf, access, i, v, clamped), "");
    }
    LLVMValueRef pointer =
        ej_lower_offset(w, access->at->pointer, elements, ej_dtypes[access->buffer->dtype].bytes, "");
    return ej_lower_offset(w, pointer, ej_lower_i64(w, c_bytes), 1, "");
}
