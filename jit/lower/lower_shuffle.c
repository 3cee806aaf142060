/* lower_shuffle.c - vectors made of lanes of other vectors.
 *
 * Takes  vectors of one type, and for each lane of the result the vector and lane it comes from.
 * Gives  as few two-operand shuffles as there are sources, as a tree; narrow sources (rows of a block) are set side by
 *        side first, which costs an insertion each and leaves one permutation.
 */
#include "lower_nest.h"

#include <string.h>

LLVMValueRef ej_extract(ej_lower *w, LLVMValueRef v, int32_t lane)
{
    if (LLVMGetTypeKind(LLVMTypeOf(v)) != LLVMVectorTypeKind) return v;
    return LLVMBuildExtractElement(w->e->builder, v, LLVMConstInt(w->m->i32, (unsigned long long)lane, 0), "");
}

ej_vec ej_extract_lane(ej_lower *w, ej_vec v, int32_t lane)
{
    return (ej_vec){ej_extract(w, v.re, lane), v.im ? ej_extract(w, v.im, lane) : NULL};
}

static int32_t lanes_of(LLVMValueRef v)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? (int32_t)LLVMGetVectorSize(type) : 1;
}

static bool is_identity(const int32_t *mask, int32_t lanes, int32_t from_lanes)
{
    for (int32_t l = 0; l < lanes; l++)
        if (mask[l] >= 0 && mask[l] != l) return false;
    return lanes == from_lanes;
}

LLVMValueRef ej_shuffle(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const int32_t *mask, int32_t lanes,
                        const char *name)
{
    LLVMValueRef index[2 * EJ_LANES_MAX];
    int32_t from = lanes_of(a);
    if (is_identity(mask, lanes, from)) return a;
    if (lanes == 1) {
        bool second = mask[0] >= from;
        return ej_extract(w, second ? b : a, second ? mask[0] - from : mask[0] < 0 ? 0 : mask[0]);
    }
    if (from == 1) { /* scalars: insert */
        LLVMValueRef v = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(a), (unsigned)lanes));
        for (int32_t l = 0; l < lanes; l++)
            if (mask[l] >= 0)
                v = LLVMBuildInsertElement(w->e->builder, v, mask[l] ? b : a,
                                           LLVMConstInt(w->m->i32, (unsigned long long)l, 0), name);
        return v;
    }
    for (int32_t l = 0; l < lanes; l++)
        index[l] = mask[l] < 0 ? LLVMGetPoison(w->m->i32) : LLVMConstInt(w->m->i32, (unsigned long long)mask[l], 0);
    if (!b) b = LLVMGetPoison(LLVMTypeOf(a));
    return LLVMBuildShuffleVector(w->e->builder, a, b, LLVMConstVector(index, (unsigned)lanes), name);
}

/* ---- picking ---- */

/* Scalars: one insertion a lane, a splat when all are the same. */
static LLVMValueRef pick_scalars(ej_lower *w, LLVMValueRef const *from, const int32_t *vec, int32_t lanes,
                                 const char *name)
{
    int32_t same = -1;
    for (int32_t l = 0; l < lanes; l++) {
        if (vec[l] < 0) continue;
        if (same >= 0 && vec[l] != same) same = INT32_MAX;
        if (same < 0) same = vec[l];
    }
    if (same < 0) return LLVMGetPoison(ej_type_of(LLVMTypeOf(from[0]), lanes));
    if (same != INT32_MAX) return ej_splat(w->e, from[same], lanes, name);
    LLVMValueRef v = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(from[0]), (unsigned)lanes));
    for (int32_t l = 0; l < lanes; l++)
        if (vec[l] >= 0)
            v = LLVMBuildInsertElement(w->e->builder, v, from[vec[l]],
                                       LLVMConstInt(w->m->i32, (unsigned long long)l, 0), name);
    return v;
}

/* What is still to be merged: vectors, and for each lane of the result where it is now. */
typedef struct ej_pick {
    int32_t n, from_lanes, lanes;
    LLVMValueRef v[2 * EJ_LANES_MAX];
    int32_t vec[2 * EJ_LANES_MAX], lane[2 * EJ_LANES_MAX];
} ej_pick;

static void drop_unused(ej_pick *p, LLVMValueRef const *from, int32_t n_from, const int32_t *vec)
{
    int32_t number[2 * EJ_LANES_MAX];
    (void)n_from;
    p->n = 0;
    for (int32_t l = 0; l < p->lanes; l++) {
        if (vec[l] < 0) continue;
        int32_t k = 0;
        while (k < p->n && number[k] != vec[l]) k++;
        if (k == p->n) {
            number[p->n] = vec[l];
            p->v[p->n++] = from[vec[l]];
        }
        p->vec[l] = k;
    }
}

/* Set pairs side by side: half as many vectors, twice as wide. */
static void join_pairs(ej_lower *w, ej_pick *p)
{
    int32_t mask[2 * EJ_LANES_MAX], n = (p->n + 1) / 2;
    for (int32_t k = 0; k < n; k++) {
        bool alone = 2 * k + 1 == p->n;
        for (int32_t l = 0; l < 2 * p->from_lanes; l++) mask[l] = alone && l >= p->from_lanes ? -1 : l;
        p->v[k] = ej_shuffle(w, p->v[2 * k], alone ? NULL : p->v[2 * k + 1], mask, 2 * p->from_lanes, "");
    }
    for (int32_t l = 0; l < p->lanes; l++) {
        if (p->vec[l] < 0) continue;
        p->lane[l] += p->vec[l] % 2 * p->from_lanes;
        p->vec[l] /= 2;
    }
    p->n = n;
    p->from_lanes *= 2;
}

/* Merge pairs, each lane going to its place in the result. */
static void merge_pairs(ej_lower *w, ej_pick *p, const char *name)
{
    int32_t mask[2 * EJ_LANES_MAX], n = (p->n + 1) / 2;
    for (int32_t k = 0; k < n; k++) {
        bool alone = 2 * k + 1 == p->n;
        for (int32_t l = 0; l < p->lanes; l++) {
            bool here = p->vec[l] >= 0 && p->vec[l] / 2 == k;
            mask[l] = here ? p->lane[l] + p->vec[l] % 2 * p->from_lanes : -1;
        }
        p->v[k] = ej_shuffle(w, p->v[2 * k], alone ? NULL : p->v[2 * k + 1], mask, p->lanes, name);
    }
    for (int32_t l = 0; l < p->lanes; l++) {
        if (p->vec[l] < 0) continue;
        p->lane[l] = l;
        p->vec[l] /= 2;
    }
    p->n = n;
    p->from_lanes = p->lanes;
}

LLVMValueRef ej_shuffle_pick(ej_lower *w, LLVMValueRef const *from, int32_t n_from, int32_t from_lanes,
                             const int32_t *vec, const int32_t *lane, int32_t lanes, const char *name)
{
    ej_pick p;
    if (from_lanes == 1) return pick_scalars(w, from, vec, lanes, name);
    p.from_lanes = from_lanes;
    p.lanes = lanes;
    memcpy(p.vec, vec, (size_t)lanes * sizeof *vec);
    memcpy(p.lane, lane, (size_t)lanes * sizeof *lane);
    drop_unused(&p, from, n_from, vec);
    if (!p.n) return LLVMGetPoison(ej_type_of(LLVMGetElementType(LLVMTypeOf(from[0])), lanes));
    while (p.n > 2 && p.from_lanes * 2 <= lanes) join_pairs(w, &p);
    do merge_pairs(w, &p, name);
    while (p.n > 1);
    return p.v[0];
}
