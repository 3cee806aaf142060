/* lower_dot.c - sums of products of complex numbers that lie side by side along all lanes.
 *
 * Takes  a contraction whose lanes all belong to one result, and whose last op multiplies two sources in memory, either
 *        of them perhaps conjugated.
 * Gives  the sum with its parts together: parts are not taken apart as they come from memory. Of x and y one
 *        accumulator has x * y part by part (re re, im im), the other x * (y with its parts swapped) (re im, im re).
 *        The lanes of the first add up to the real part, those of the second to the imaginary one: what has to be
 *        subtracted has its sign changed in y. It takes as many multiply-adds as with the parts apart, and no shuffle
 *        of x (13 x 13 c64 by a vector on Zen 4: 13 instructions for 16 products of a row, here 6).
 * Keeps  terms of lanes that are cut off at 0: both sides are loaded under the same mask, as zeros.
 */
#include "lower_nest.h"

#include "lower_math.h"

/* One side of the product: a source, and the vectors that were made of it by ej_leaf_index and piece. */
typedef struct side {
    ej_leaf_access *access;
    bool conj;
    LLVMValueRef *made[2]; /* y: for the real and the imaginary part; x: as it is */
} side;

struct ej_dot {
    ej_leaf *leaf;
    int32_t parts, pieces; /* of a vector; vectors for all lanes */
    side x, y;
};

/* ---- what suits ---- */

static bool find_side(ej_leaf *leaf, int32_t op, side *out)
{
    const ej_expr_op *ops = leaf->node->expr.ops;
    out->conj = ops[op].kind == EJ_EXPR_FN && ops[op].fn == EJ_FN_CONJ;
    if (out->conj) op = ops[op].a;
    if (ops[op].kind != EJ_EXPR_SOURCE) return false;
    out->access = &leaf->src[ops[op].a];
    return out->access->buffer->home != EJ_HOME_REG && !out->access->planar;
}

/* The lanes are elements in order, and may be masked where some are cut off. */
static bool side_suits(ej_leaf *leaf, const ej_lanes *lanes, const side *s, uint64_t *valid)
{
    int64_t bytes = ej_dtypes[s->access->buffer->dtype].bytes / 2;
    uint32_t differ = ej_leaf_varying(leaf, lanes, s->access->set, true);
    ej_offsets o;
    ej_offsets_of(leaf, s->access, lanes, 0, &o);
    *valid = o.valid;
    bool masked = differ || o.valid != lanes->exist;
    return ej_offsets_consecutive(&o) && !(differ & s->access->opaque) && (!masked || ej_can_mask(leaf->w, bytes));
}

static bool lanes_suit(const ej_dot *dot)
{
    ej_leaf *leaf = dot->leaf;
    uint32_t reduced = ~leaf->dst.set;
    ej_lanes lanes;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        uint64_t of_x, of_y;
        ej_leaf_lanes(leaf, u, &lanes);
        if (!ej_leaf_static(leaf, &lanes, UINT32_MAX)) continue;
        if (lanes.exist != UINT64_MAX >> (64 - lanes.n) || ej_leaf_varying(leaf, &lanes, reduced, false)) return false;
        if (!side_suits(leaf, &lanes, &dot->x, &of_x) || !side_suits(leaf, &lanes, &dot->y, &of_y)) return false;
        if (of_x != of_y || of_x != ej_leaf_static(leaf, &lanes, reduced)) return false;
    }
    return true;
}

static bool has_parallel_lanes(const ej_leaf *leaf)
{
    for (int32_t d = 0; d < leaf->n_digits; d++)
        if (leaf->digits[d].lane && (leaf->dst.set >> leaf->digits[d].axis & 1)) return true;
    return false;
}

static bool make_room(ej_dot *dot, side *s, int32_t kinds)
{
    for (int32_t k = 0; k < kinds; k++) {
        s->made[k] = EJ_LOWER_NEW(dot->leaf->w, LLVMValueRef, ej_leaf_count(dot->leaf, s->access->set) * dot->pieces);
        if (!s->made[k]) return false;
    }
    return true;
}

ej_dot *ej_dot_new(ej_leaf *leaf)
{
    const ej_expr *expr = &leaf->node->expr;
    const ej_expr_op *last = &expr->ops[expr->n - 1];
    if (leaf->dst.buffer->home != EJ_HOME_REG || leaf->width < 2 || has_parallel_lanes(leaf)) return NULL;
    ej_dot found = {.leaf = leaf};
    if (!ej_dtype_is_complex(last->dtype) || !find_side(leaf, last->a, &found.x) || !find_side(leaf, last->b, &found.y))
        return NULL;
    if (ej_leaf_count(leaf, found.y.access->set) > ej_leaf_count(leaf, found.x.access->set)) {
        side x = found.x; /* y, of which two vectors are made, is the one that has fewer */
        found.x = found.y;
        found.y = x;
    }
    if (!lanes_suit(&found)) return NULL;
    int32_t widest = leaf->w->e->target->vector_bytes / (ej_dtypes[last->dtype].bytes / 2), all = 2 * leaf->width;
    found.parts = widest < all ? widest : all;
    found.pieces = all / found.parts;
    ej_dot *dot = EJ_LOWER_NEW(leaf->w, ej_dot, 1);
    if (!dot) return NULL;
    *dot = found;
    return make_room(dot, &dot->x, 1) && make_room(dot, &dot->y, 2) ? dot : NULL;
}

int32_t ej_dot_lanes(const ej_dot *dot)
{
    return dot->parts;
}

/* ---- terms ---- */

/* Per part of a piece, of its lane; NULL: all. */
static LLVMValueRef mask_of_piece(ej_dot *dot, const side *s, const ej_lanes *lanes, int32_t piece)
{
    ej_lower *w = dot->leaf->w;
    LLVMValueRef scalar, mask = NULL;
    int32_t of[2 * EJ_LANES_MAX];
    uint64_t valid = ej_leaf_static(dot->leaf, lanes, s->access->set), bits = 0, half = (uint64_t)dot->parts / 2;
    for (int32_t p = 0; p < dot->parts; p++) of[p] = piece * (int32_t)half + p / 2;
    for (int32_t p = 0; p < dot->parts; p++) bits |= (valid >> of[p] & 1) << p;
    if (ej_leaf_varying(dot->leaf, lanes, s->access->set, true))
        ej_leaf_dynamic(dot->leaf, lanes, s->access->set, &scalar, &mask);
    if (mask) mask = ej_shuffle(w, mask, NULL, of, dot->parts, "");
    if (bits == UINT64_MAX >> (64 - dot->parts)) return mask;
    LLVMValueRef known = ej_leaf_bits(w, bits, dot->parts);
    return mask ? LLVMBuildAnd(w->e->builder, mask, known, "") : known;
}

static LLVMValueRef load_piece(ej_dot *dot, side *s, const ej_lanes *lanes, int32_t piece)
{
    ej_lower *w = dot->leaf->w;
    int dtype = s->access->buffer->dtype;
    const char *name = s->access->buffer->name ? s->access->buffer->name : "";
    LLVMTypeRef type = ej_type_of(ej_type_memory(w->e, dtype), dot->parts);
    uint32_t clamp = ej_leaf_varying(dot->leaf, lanes, s->access->set, false);
    ej_offsets o;
    ej_offsets_of(dot->leaf, s->access, lanes, clamp, &o);
    int64_t bytes = ej_dtypes[dtype].bytes, from = o.c[0] * bytes + (int64_t)piece * dot->parts * (bytes / 2);
    LLVMValueRef mask = mask_of_piece(dot, s, lanes, piece);
    LLVMValueRef at = ej_lane_address(dot->leaf, s->access, lanes, 0, clamp, from);
    return mask ? ej_lower_masked_load(w, type, at, mask, name) : ej_lower_load_at(w, type, at, name);
}

static ej_math math_of(const ej_dot *dot)
{
    return ej_math_of(dot->leaf->w->e, dot->leaf->dst.buffer->dtype == EINJIT_C128, dot->parts);
}

/* The sign of even or odd parts changed. */
static LLVMValueRef change_signs(ej_dot *dot, LLVMValueRef v, bool even, bool odd)
{
    ej_math m = math_of(dot);
    LLVMValueRef sign[2 * EJ_LANES_MAX];
    if (!even && !odd) return v;
    for (int32_t p = 0; p < dot->parts; p++)
        sign[p] = LLVMConstInt(m.bits_one, (uint64_t)(p & 1 ? odd : even) << (m.wide ? 63 : 31), 0);
    return m_flip(&m, v, LLVMConstVector(sign, (unsigned)dot->parts));
}

static LLVMValueRef piece_of_x(ej_dot *dot, int32_t unroll, const ej_lanes *lanes, int32_t piece)
{
    side *x = &dot->x;
    LLVMValueRef *made = &x->made[0][ej_leaf_index(dot->leaf, unroll, x->access->set) * dot->pieces + piece];
    if (!*made) *made = load_piece(dot, x, lanes, piece);
    return *made;
}

/* With s and t the signs of the imaginary parts of x and y:
 * real = sum of x.re (y.re) + x.im (-s t y.im), imaginary = sum of x.re (t y.im) + x.im (s y.re) */
static ej_vec piece_of_y(ej_dot *dot, int32_t unroll, const ej_lanes *lanes, int32_t piece)
{
    side *y = &dot->y;
    int32_t swapped[2 * EJ_LANES_MAX], at = ej_leaf_index(dot->leaf, unroll, y->access->set) * dot->pieces + piece;
    if (!y->made[0][at]) {
        LLVMValueRef v = load_piece(dot, y, lanes, piece);
        for (int32_t p = 0; p < dot->parts; p++) swapped[p] = p ^ 1;
        y->made[0][at] = change_signs(dot, v, false, dot->x.conj == y->conj);
        v = ej_shuffle(dot->leaf->w, v, NULL, swapped, dot->parts, "");
        y->made[1][at] = change_signs(dot, v, y->conj, dot->x.conj);
    }
    return (ej_vec){y->made[0][at], y->made[1][at]};
}

ej_vec ej_dot_add(ej_dot *dot, int32_t unroll, const ej_lanes *lanes, ej_vec acc)
{
    ej_math m = math_of(dot);
    uint64_t valid = ej_leaf_static(dot->leaf, lanes, dot->x.access->set);
    for (int32_t i = 0; i < dot->pieces; i++) {
        int32_t half = dot->parts / 2;
        if (!(valid >> i * half & UINT64_MAX >> (64 - half))) continue;
        LLVMValueRef x = piece_of_x(dot, unroll, lanes, i);
        ej_vec y = piece_of_y(dot, unroll, lanes, i);
        if (!acc.re) {
            acc = (ej_vec){m_mul(&m, x, y.re), m_mul(&m, x, y.im)};
            continue;
        }
        acc.re = ej_math_fma(&m, x, y.re, acc.re);
        acc.im = ej_math_fma(&m, x, y.im, acc.im);
    }
    return acc;
}
