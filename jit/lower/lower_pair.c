/* lower_pair.c - sums of products of bf16, or of short integers, two terms an instruction.
 *
 * Takes  a contraction that says so (nest.h: pairs), whose tile repeats a summed axis.
 * Gives  for two values of that axis one instruction: each lane of an operand has both numbers, as 32 bits. Of bf16
 *        that is vdpbf16ps; of integers, bytes widened to i16, vpdpwssd where the target has it, else vpmaddwd and an
 *        addition. A source whose two numbers lie side by side is read that way, one of a panel by one load; else two
 *        vectors are interleaved.
 * Keeps  terms that have no partner, or are cut off at run time, to f32 and i32.
 */
#include "lower_nest.h"

#include "base_narrow.h"

#include <string.h>

typedef struct side {
    int32_t source;
    LLVMValueRef *made; /* by ej_leaf_index of the first one's unroll number */
} side;

struct ej_pairs {
    ej_leaf *leaf;
    int dtype;                  /* of the factors that the instruction takes: BF16, I16 */
    const ej_leaf_digit *digit; /* pairs are neighbours along it */
    side sides[2];
    bool fused;                /* the instruction adds to a sum */
    LLVMTypeRef type, operand; /* the instruction's */
    LLVMValueRef function;
};

/* ---- what suits ---- */

/* The digit that counts single values of a summed axis. */
static const ej_leaf_digit *find_digit(const ej_leaf *leaf)
{
    for (int32_t d = leaf->n_digits; d-- > 0;) {
        const ej_leaf_digit *digit = &leaf->digits[d];
        if (!digit->lane && digit->weight == 1 && digit->count > 1 && !(leaf->dst.set >> digit->axis & 1)) return digit;
    }
    return NULL;
}

static bool make_sides(ej_pairs *p)
{
    ej_leaf *leaf = p->leaf;
    const ej_expr_op *ops = leaf->node->expr.ops, *product = &ops[leaf->node->expr.n - 1];
    for (int32_t k = 0; k < 2; k++) {
        side *s = &p->sides[k];
        s->source = ops[ops[k ? product->b : product->a].a].a;
        s->made = EJ_LOWER_NEW(leaf->w, LLVMValueRef, ej_leaf_count(leaf, leaf->src[s->source].set));
        if (!s->made) return false;
    }
    return true;
}

/* By the vectors' bytes: 64, 32, 16. NULL: there is none. */
static const char *instruction(const ej_target *target, int dtype, int32_t bytes)
{
    static const char *const names[3][3] = {
        {"llvm.x86.avx512bf16.dpbf16ps.512", "llvm.x86.avx512bf16.dpbf16ps.256", "llvm.x86.avx512bf16.dpbf16ps.128"},
        {"llvm.x86.avx512.vpdpwssd.512", "llvm.x86.avx512.vpdpwssd.256", "llvm.x86.avx512.vpdpwssd.128"},
        {"llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx2.pmadd.wd", "llvm.x86.sse2.pmadd.wd"}};
    int row = dtype == EINJIT_BF16 ? (target->pairs ? 0 : -1) : target->fused_pairs ? 1 : target->int_pairs ? 2 : -1;
    int width = bytes == 64 ? 0 : bytes == 32 ? 1 : bytes == 16 ? 2 : -1;
    return row < 0 || width < 0 || bytes > target->vector_bytes ? NULL : names[row][width];
}

ej_pairs *ej_pairs_new(ej_leaf *leaf)
{
    ej_emit *e = leaf->w->e;
    int dtype = leaf->node->pairs ? ej_expr_pairs_of(&leaf->node->expr) : -1;
    const char *name = dtype >= 0 ? instruction(e->target, dtype, 4 * leaf->width) : NULL;
    const ej_leaf_digit *digit = name ? find_digit(leaf) : NULL;
    ej_pairs *p = digit ? EJ_LOWER_NEW(leaf->w, ej_pairs, 1) : NULL;
    if (!p) return NULL;
    *p = (ej_pairs){.leaf = leaf, .digit = digit, .dtype = dtype};
    if (!make_sides(p)) return NULL;
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef types[3];
    p->function = LLVMGetIntrinsicDeclaration(e->module, id, NULL, 0);
    p->type = LLVMIntrinsicGetType(e->context, id, NULL, 0);
    p->fused = LLVMCountParamTypes(p->type) == 3;
    LLVMGetParamTypes(p->type, types);
    p->operand = types[1];
    return p;
}

/* Every lane has its term, whatever the ranges are at run time. */
static bool is_whole(const ej_leaf *leaf, const ej_lanes *lanes)
{
    uint32_t summed = ~leaf->dst.set;
    return ej_leaf_static(leaf, lanes, UINT32_MAX) && ej_leaf_static(leaf, lanes, summed) == lanes->exist &&
           !ej_leaf_varying(leaf, lanes, summed, false) && !ej_leaf_varying(leaf, lanes, summed, true);
}

int32_t ej_pairs_other(const ej_pairs *p, int32_t unroll)
{
    int32_t value = unroll / p->digit->stride % p->digit->count, other = value ^ 1;
    ej_lanes lanes;
    if (other >= p->digit->count) return -1;
    other = unroll + (other - value) * p->digit->stride;
    ej_leaf_lanes(p->leaf, unroll, &lanes);
    if (!is_whole(p->leaf, &lanes)) return -1;
    ej_leaf_lanes(p->leaf, other, &lanes);
    return is_whole(p->leaf, &lanes) ? other : -1;
}

/* ---- operands ---- */

/* The two numbers are neighbours in memory, and the lanes either are one place (*lanes 1) or follow one another. */
static bool lie_together(ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes lanes[2], ej_offsets *o,
                         int32_t *n)
{
    ej_offsets second;
    for (int k = 0; k < 2; k++)
        if (ej_leaf_varying(leaf, &lanes[k], access->set, false) || ej_leaf_varying(leaf, &lanes[k], access->set, true))
            return false;
    ej_offsets_of(leaf, access, &lanes[0], 0, o);
    ej_offsets_of(leaf, access, &lanes[1], 0, &second);
    *n = ej_offsets_uniform(o) ? 1 : lanes->n;
    if (!(o->valid & 1) || (*n > 1 && o->valid != UINT64_MAX >> (64 - o->n))) return false;
    for (int32_t l = 0; l < *n; l++)
        if (o->key[l] != o->key[0] || second.key[l] != o->key[0] || o->c[l] != o->c[0] + 2 * l ||
            second.c[l] != o->c[l] + 1)
            return false;
    return true;
}

/* Vectors of twice as many numbers, two for each lane: bytes become i16. */
static LLVMValueRef as_pairs(ej_lower *w, int dtype, int32_t lanes, LLVMValueRef both)
{
    LLVMTypeRef words = ej_type_of(LLVMInt16TypeInContext(w->e->context), 2 * lanes);
    if (ej_dtypes[dtype].bytes > 1) return both;
    return LLVMBuildIntCast2(w->e->builder, both, words, dtype != EINJIT_U8, "");
}

static LLVMValueRef load_together(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                                  int32_t n)
{
    ej_lower *w = leaf->w;
    int dtype = access->buffer->dtype;
    LLVMValueRef at = ej_lane_address(leaf, access, lanes, 0, 0, o->c[0] * ej_dtypes[dtype].bytes);
    const char *name = access->buffer->name ? access->buffer->name : "";
    LLVMTypeRef words = ej_type_of(w->m->i32, n);
    LLVMValueRef both;
    if (ej_dtypes[dtype].bytes == 1) {
        both = ej_lower_load_at(w, ej_type_vec(w->e, dtype, 2 * n), at, name);
        both = LLVMBuildBitCast(w->e->builder, as_pairs(w, dtype, n, both), words, "");
    } else {
        both = ej_lower_load_at(w, words, at, name);
    }
    return n == lanes->n ? both : ej_splat(w->e, both, lanes->n, "");
}

/* Lane l of the result: lane l of both. Single numbers are spread first, from memory by one load each. */
static LLVMValueRef interleave(ej_lower *w, const ej_operand of[2], int dtype, int32_t lanes)
{
    int32_t mask[2 * EJ_LANES_MAX];
    bool single = of[0].lanes == 1 && of[1].lanes == 1;
    int32_t n = single ? 2 * lanes : lanes;
    LLVMValueRef a = ej_operand_spread(w, of[0], n).re, b = ej_operand_spread(w, of[1], n).re;
    for (int32_t l = 0; l < 2 * lanes; l++) mask[l] = (single ? l : l / 2) + l % 2 * n;
    return as_pairs(w, dtype, lanes, ej_shuffle(w, a, b, mask, 2 * lanes, ""));
}

static LLVMValueRef operand(ej_pairs *p, side *s, int32_t unroll, const ej_lanes lanes[2])
{
    ej_leaf *leaf = p->leaf;
    ej_leaf_access *access = &leaf->src[s->source];
    LLVMValueRef *made = &s->made[ej_leaf_index(leaf, unroll, access->set)], both;
    ej_offsets o;
    int32_t n;
    if (*made) return *made;
    if (access->buffer->home != EJ_HOME_REG && lie_together(leaf, access, lanes, &o, &n)) {
        both = load_together(leaf, access, lanes, &o, n);
    } else {
        const ej_operand of[2] = {ej_leaf_source(leaf, s->source, &lanes[0]),
                                  ej_leaf_source(leaf, s->source, &lanes[1])};
        both = interleave(leaf->w, of, access->buffer->dtype, lanes->n);
    }
    return *made = LLVMBuildBitCast(leaf->w->e->builder, both, p->operand, "");
}

ej_vec ej_pairs_add(ej_pairs *p, int32_t unroll, int32_t other, ej_vec acc)
{
    ej_emit *e = p->leaf->w->e;
    int sums = p->dtype == EINJIT_BF16 ? EINJIT_F32 : EINJIT_I32;
    ej_lanes lanes[2];
    ej_leaf_lanes(p->leaf, unroll, &lanes[0]);
    ej_leaf_lanes(p->leaf, other, &lanes[1]);
    LLVMValueRef a = operand(p, &p->sides[0], unroll, lanes), b = operand(p, &p->sides[1], unroll, lanes);
    if (!p->fused) {
        LLVMValueRef both = LLVMBuildCall2(e->builder, p->type, p->function, (LLVMValueRef[]){a, b}, 2, "");
        return (ej_vec){acc.re ? LLVMBuildAdd(e->builder, acc.re, both, "") : both, NULL};
    }
    if (!acc.re) acc = ej_lower_neutral(p->leaf->w, EINJIT_REDUCE_SUM, sums, lanes->n);
    LLVMValueRef args[3] = {acc.re, a, b};
    return (ej_vec){LLVMBuildCall2(e->builder, p->type, p->function, args, 3, ""), NULL};
}
