/* lower_tile.c - what a leaf's tile means at one place: digits, lanes, and which of them exist.
 *
 * Takes  a leaf and the current ranges.
 * Gives  for every unroll number the digit values in the lanes, constant masks for what is known, conditions for what
 *        is only known at run time.
 * Keeps  lanes in powers of 2: a tile of 15 lanes has a 16th that does not exist.
 */
#include "lower_nest.h"

#include <string.h>

/* ---- the leaf's digit axes and accesses ---- */

static int32_t axis_index(ej_leaf *leaf, int32_t axis)
{
    for (int32_t i = 0; i < leaf->n_axes; i++)
        if (leaf->axes[i].axis == axis) return i;
    leaf->axes[leaf->n_axes].axis = axis;
    leaf->axes[leaf->n_axes].total = 1;
    return leaf->n_axes++;
}

/* A leaf works for the axes that its accesses name: digits of others mean nothing. */
bool ej_leaf_has_axis(const ej_nest_node *node, int32_t axis)
{
    bool found = ej_access_find(&node->dst, axis);
    for (int32_t s = 0; s < node->n_src && !found; s++) found = ej_access_find(&node->src[s], axis);
    return found;
}

/* Digits are given slowest first: weights and strides grow from the last one. */
static void read_digits(ej_leaf *leaf)
{
    const ej_tile *tile = &leaf->node->tile;
    leaf->n_digits = tile->n;
    for (int32_t d = tile->n - 1; d >= 0; d--) {
        ej_leaf_digit *digit = &leaf->digits[d];
        if (!ej_leaf_has_axis(leaf->node, tile->digits[d].axis)) {
            *digit = (ej_leaf_digit){.axis = 0, .count = 1, .weight = 0, .stride = 1};
            continue;
        }
        digit->axis = axis_index(leaf, tile->digits[d].axis);
        digit->count = tile->digits[d].count;
        digit->lane = tile->digits[d].place == EJ_LANE;
        digit->weight = leaf->axes[digit->axis].total;
        digit->stride = digit->lane ? leaf->lanes : leaf->unrolls;
        leaf->axes[digit->axis].total *= digit->count;
        *(digit->lane ? &leaf->lanes : &leaf->unrolls) *= digit->count;
    }
    while (leaf->width < leaf->lanes) leaf->width *= 2;
}

static bool read_ranges(ej_leaf *leaf)
{
    ej_lower *w = leaf->w;
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        ej_leaf_axis *axis = &leaf->axes[i];
        const ej_range *range = &w->ranges[axis->axis];
        axis->bound = range->most;
        axis->n = range->count < 0 ? range->n : NULL;
        if (axis->n) leaf->dynamic |= 1u << i;
        if (range->most > axis->total || range->maybe_empty) {
            ej_lower_fail(w, EINJIT_E_INTERNAL,
                          "nest '%s': a leaf's tile covers %d values of axis '%s', its range is more", w->nest->name,
                          (int)axis->total, w->nest->axes[axis->axis].name);
            return false;
        }
    }
    return true;
}

static bool bare_axis_ok(ej_leaf *leaf, int32_t axis)
{
    ej_lower *w = leaf->w;
    const ej_range *range = &w->ranges[axis];
    leaf->empty = leaf->empty || range->count == 0;
    if (range->count == 1 || range->count == 0) return true;
    ej_lower_fail(w, EINJIT_E_INTERNAL, "nest '%s': a leaf's tile lacks axis '%s'", w->nest->name,
                  w->nest->axes[axis].name);
    return false;
}

bool ej_leaf_read_access(ej_leaf *leaf, ej_leaf_access *access, ej_at *at)
{
    ej_lower *w = leaf->w;
    memset(access, 0, sizeof *access);
    access->at = at;
    access->buffer = &w->nest->buffers[at->access->buffer];
    access->planar = w->planar[at->access->buffer];
    for (int32_t t = 0; t < at->access->n_terms; t++) {
        const ej_access_term *term = &at->access->terms[t];
        bool blocked = term->block > 0;
        int32_t i = 0;
        while (i < leaf->n_axes && leaf->axes[i].axis != term->axis) i++;
        if (i == leaf->n_axes) {
            if (!bare_axis_ok(leaf, term->axis)) return false;
            continue;
        }
        if (ej_size_is(term->stride, 0) && !blocked) continue;
        uint8_t state = blocked ? ej_at_block_of(at, term)->state : EJ_BLOCK_START;
        access->set |= 1u << i;
        access->term[i] = term;
        access->stride[i] = term->stride.n;
        access->block[i] = state == EJ_BLOCK_START ? term->block : 0;
        access->block_stride[i] = term->block_stride.n;
        /* A range of one value: the pointer holds its table entry, its digit is 0. */
        bool constant = term->table < 0 && !term->stride.e && !(blocked && term->block_stride.e);
        if (leaf->axes[i].bound != 1 && (!constant || state == EJ_BLOCK_LOOSE)) access->opaque |= 1u << i;
    }
    return true;
}

/* Nothing is emitted here. False: a failure was latched. */
bool ej_leaf_init(ej_leaf *leaf, ej_lower *w, int32_t node)
{
    memset(leaf, 0, sizeof *leaf);
    leaf->w = w;
    leaf->node = &w->nest->nodes[node];
    leaf->lanes = leaf->width = leaf->unrolls = 1;
    leaf->src = EJ_LOWER_NEW(w, ej_leaf_access, leaf->node->n_src);
    if (!leaf->src) return false;
    read_digits(leaf);
    if (leaf->width > EJ_LANES_MAX) {
        ej_lower_fail(w, EINJIT_E_LIMIT, "nest '%s': a tile of %d lanes", w->nest->name, (int)leaf->lanes);
        return false;
    }
    int32_t at = w->first_at[node];
    if (!read_ranges(leaf) || !ej_leaf_read_access(leaf, &leaf->dst, &w->at[at])) return false;
    for (int32_t s = 0; s < leaf->node->n_src; s++)
        if (!ej_leaf_read_access(leaf, &leaf->src[s], &w->at[at + 1 + s])) return false;
    return true;
}

/* ---- lanes ---- */

void ej_leaf_lanes(const ej_leaf *leaf, int32_t unroll, ej_lanes *out)
{
    memset(out, 0, sizeof *out);
    out->n = leaf->width;
    for (int32_t l = 0; l < leaf->lanes; l++) {
        out->exist |= (uint64_t)1 << l;
        for (int32_t d = 0; d < leaf->n_digits; d++) {
            const ej_leaf_digit *digit = &leaf->digits[d];
            int32_t number = digit->lane ? l : unroll;
            out->v[digit->axis][l] += number / digit->stride % digit->count * digit->weight;
        }
    }
}

int32_t ej_leaf_index(const ej_leaf *leaf, int32_t unroll, uint32_t set)
{
    int32_t index = 0;
    for (int32_t d = 0; d < leaf->n_digits; d++) {
        const ej_leaf_digit *digit = &leaf->digits[d];
        if (!digit->lane && (set >> digit->axis & 1))
            index = index * digit->count + unroll / digit->stride % digit->count;
    }
    return index;
}

int32_t ej_leaf_count(const ej_leaf *leaf, uint32_t set)
{
    int32_t count = 1;
    for (int32_t d = 0; d < leaf->n_digits; d++)
        if (!leaf->digits[d].lane && (set >> leaf->digits[d].axis & 1)) count *= leaf->digits[d].count;
    return count;
}

uint64_t ej_leaf_static(const ej_leaf *leaf, const ej_lanes *lanes, uint32_t set)
{
    uint64_t bits = 0;
    for (int32_t l = 0; l < lanes->n; l++) {
        bool in = lanes->exist >> l & 1;
        for (int32_t i = 0; i < leaf->n_axes; i++)
            if ((set >> i & 1) && lanes->v[i][l] >= leaf->axes[i].bound) in = false;
        if (in) bits |= (uint64_t)1 << l;
    }
    return bits;
}

uint32_t ej_leaf_varying(const ej_leaf *leaf, const ej_lanes *lanes, uint32_t set, bool differ)
{
    uint32_t found = 0;
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        if (!(leaf->dynamic & set & 1u << i)) continue;
        bool same = true;
        int32_t first = -1;
        for (int32_t l = 0; l < lanes->n; l++) {
            if (!(lanes->exist >> l & 1)) continue;
            if (first < 0) first = lanes->v[i][l];
            same = same && lanes->v[i][l] == first;
        }
        if (differ ? !same : same && first > 0) found |= 1u << i;
    }
    return found;
}

LLVMValueRef ej_leaf_bits(ej_lower *w, uint64_t bits, int32_t lanes)
{
    LLVMValueRef lane[EJ_LANES_MAX];
    for (int32_t l = 0; l < lanes; l++) lane[l] = LLVMConstInt(w->m->i1, bits >> l & 1, 0);
    return lanes > 1 ? LLVMConstVector(lane, (unsigned)lanes) : lane[0];
}

/* Lane l's digit is below the axis' run-time count. */
static LLVMValueRef lane_condition(ej_leaf *leaf, const ej_lanes *lanes, int32_t axis)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef digits[EJ_LANES_MAX];
    for (int32_t l = 0; l < lanes->n; l++) {
        bool exists = lanes->exist >> l & 1;
        digits[l] = LLVMConstInt(w->m->i32, exists ? (unsigned long long)lanes->v[axis][l] : INT32_MAX, 0);
    }
    LLVMValueRef n = LLVMBuildTrunc(b, leaf->axes[axis].n, w->m->i32, "");
    return LLVMBuildICmp(b, LLVMIntSLT, LLVMConstVector(digits, (unsigned)lanes->n), ej_splat(w->e, n, lanes->n, ""),
                         "in_range");
}

static LLVMValueRef both(ej_lower *w, LLVMValueRef a, LLVMValueRef b)
{
    return a ? LLVMBuildAnd(w->e->builder, a, b, "") : b;
}

void ej_leaf_dynamic(ej_leaf *leaf, const ej_lanes *lanes, uint32_t set, LLVMValueRef *scalar, LLVMValueRef *vector)
{
    ej_lower *w = leaf->w;
    uint32_t differ = ej_leaf_varying(leaf, lanes, set, true), same = ej_leaf_varying(leaf, lanes, set, false);
    *scalar = *vector = NULL;
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        if (differ >> i & 1) *vector = both(w, *vector, lane_condition(leaf, lanes, i));
        if (!(same >> i & 1)) continue;
        int32_t first = 0;
        while (!(lanes->exist >> first & 1)) first++;
        LLVMValueRef v = ej_lower_i64(w, lanes->v[i][first]);
        *scalar = both(w, *scalar, LLVMBuildICmp(w->e->builder, LLVMIntSGT, leaf->axes[i].n, v, ""));
    }
}

void ej_leaf_group(const ej_lanes *lanes, uint32_t set, ej_lanes *out, int32_t *group)
{
    int32_t n = 0;
    memset(out, 0, sizeof *out);
    for (int32_t l = 0; l < lanes->n; l++) {
        group[l] = -1;
        if (!(lanes->exist >> l & 1)) continue;
        int32_t g = 0;
        for (; g < n; g++) {
            bool same = true;
            for (int32_t i = 0; i < EJ_TILE_DIGITS; i++)
                same = same && (!(set >> i & 1) || out->v[i][g] == lanes->v[i][l]);
            if (same) break;
        }
        group[l] = g;
        if (g < n) continue;
        for (int32_t i = 0; i < EJ_TILE_DIGITS; i++) out->v[i][g] = set >> i & 1 ? lanes->v[i][l] : 0;
        out->exist |= (uint64_t)1 << g;
        n++;
    }
    out->n = 1;
    while (out->n < n) out->n *= 2;
}
