/* lower_interleave.c - lanes that lie n elements apart, where the tile has all that lies between them.
 *
 *     memory    a0 b0 c0 a1 | b1 c1 a2 b2 | c2 a3 b3 c3        n = 3, vectors of 4 lanes
 *     blended   a0 a3 a2 a1   b1 b0 b3 b2   c2 c1 c0 c3        lane l takes the vector that has its component there
 *     turned    a0 a1 a2 a3   b0 b1 b2 b3   c0 c1 c2 c3
 *
 * Takes  an access of a leaf whose lanes are 3, 5, 6 or 7 elements apart, and n unroll numbers for what is in between.
 * Gives  n whole vectors loaded, or stored, and shuffles. n vectors of L lanes, n odd, have each component once in
 *        every lane, as n and L have no common divisor; and in the next lane the components are those of the vector
 *        before. So a rotation of the vectors by lane modulo n brings each component together: a blend a vector for
 *        each bit of n - 1, then one permutation a vector. An even n goes by pairs of components, which are unpacked.
 * Keeps  what is cut off from being read and written, by masks.
 * Not here: n of 2, 4 and 8, which other shuffles do as well (lower_permute.c).
 */
#include "lower_nest.h"

#include <string.h>

enum { INTERLEAVE_MOST = 8, INTERLEAVE_BYTES = 32 }; /* blends are one instruction from vectors of so many bytes on */

/* Vectors that together are n components of one element each after the other. */
typedef struct ej_interleaved {
    int32_t n; /* 0: they are none */
    /* by unroll number: */
    int64_t *start;        /* the element of lane 0; INT64_MAX: nothing exists */
    uint64_t *valid;       /* lanes that do */
    int32_t *first;        /* the unroll number whose vector begins the group; -1: none */
    LLVMValueRef *vectors; /* NULL: not loaded yet */
} ej_interleaved;

/* ---- which vectors ---- */

static int32_t distance(const ej_offsets *o)
{
    int64_t n = o->n > 1 ? o->c[1] - o->c[0] : 0;
    if (!ej_lanes_interleave(n)) return 0;
    for (int32_t l = 1; l < o->n; l++)
        if (o->c[l] - o->c[0] != n * l) return 0;
    return (int32_t)n;
}

static bool suits(const ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    int64_t bytes = ej_dtypes[access->buffer->dtype].bytes;
    bool simple = !ej_dtype_is_complex(access->buffer->dtype) && (bytes == 4 || bytes == 8);
    bool whole = lanes->n >= 4 && lanes->n * bytes <= w->e->target->vector_bytes;
    return simple && whole && !access->opaque && w->e->target->vector_bytes >= INTERLEAVE_BYTES &&
           leaf->lanes == leaf->width;
}

/* Where each unroll number's vector begins; false: one of them has other lanes. */
static bool find_starts(ej_leaf *leaf, const ej_leaf_access *access, ej_interleaved *g)
{
    ej_lanes lanes;
    ej_offsets o;
    bool masks = ej_can_mask(leaf->w, ej_dtypes[access->buffer->dtype].bytes);
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        g->start[u] = INT64_MAX;
        g->first[u] = -1;
        if (!ej_leaf_static(leaf, &lanes, UINT32_MAX)) continue;
        ej_offsets_of(leaf, access, &lanes, 0, &o);
        if (!g->n) g->n = distance(&o);
        if (!g->n || distance(&o) != g->n || ej_leaf_varying(leaf, &lanes, access->set, false)) return false;
        bool cut = o.valid != lanes.exist || ej_leaf_varying(leaf, &lanes, access->set, true);
        if (cut && !masks) return false;
        g->start[u] = o.c[0];
        g->valid[u] = o.valid;
    }
    return true;
}

static int32_t find_start(const ej_leaf *leaf, const ej_interleaved *g, int64_t start)
{
    for (int32_t u = 0; u < leaf->unrolls; u++)
        if (g->start[u] == start) return u;
    return -1;
}

/* Lanes of the two unroll numbers are cut off alike. */
static bool ends_alike(const ej_leaf *leaf, const ej_leaf_access *access, const ej_interleaved *g, int32_t u, int32_t v)
{
    uint32_t dynamic = leaf->dynamic & access->set;
    return g->valid[u] == g->valid[v] && ej_leaf_index(leaf, u, dynamic) == ej_leaf_index(leaf, v, dynamic);
}

/* Groups of n that follow one another, from the lowest on; false: some vector is in none, or ends elsewhere. */
static bool find_groups(const ej_leaf *leaf, const ej_leaf_access *access, ej_interleaved *g)
{
    for (;;) {
        int64_t low = INT64_MAX;
        for (int32_t u = 0; u < leaf->unrolls; u++)
            if (g->first[u] < 0 && g->start[u] < low) low = g->start[u];
        if (low == INT64_MAX) return true;
        int32_t first = find_start(leaf, g, low);
        for (int32_t k = 0; k < g->n; k++) {
            if (find_start(leaf, g, low + k) < 0) return false;
            for (int32_t u = 0; u < leaf->unrolls; u++) {
                if (g->start[u] != low + k) continue;
                if (!ends_alike(leaf, access, g, u, first)) return false;
                g->first[u] = first;
            }
        }
    }
}

static ej_interleaved *find(ej_leaf *leaf, const ej_leaf_access *access)
{
    ej_lower *w = leaf->w;
    ej_interleaved *g = EJ_LOWER_NEW(w, ej_interleaved, 1);
    if (!g) return NULL;
    g->start = EJ_LOWER_NEW(w, int64_t, leaf->unrolls);
    g->valid = EJ_LOWER_NEW(w, uint64_t, leaf->unrolls);
    g->first = EJ_LOWER_NEW(w, int32_t, leaf->unrolls);
    g->vectors = EJ_LOWER_NEW(w, LLVMValueRef, leaf->unrolls);
    if (!g->start || !g->valid || !g->first || !g->vectors) return NULL;
    if (!find_starts(leaf, access, g) || !find_groups(leaf, access, g)) g->n = 0;
    return g;
}

/* ---- shuffles ---- */

/* Lanes of `wide` elements each. */
static LLVMValueRef shuffle(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const int32_t *from, int32_t lanes,
                            int32_t wide)
{
    int32_t mask[EJ_LANES_MAX];
    for (int32_t l = 0; l < lanes * wide; l++) mask[l] = from[l / wide] * wide + l % wide;
    return ej_shuffle(w, a, b, mask, lanes * wide, "");
}

/* Vector s gets lane l of vector s + by * (l mod n), modulo n: bits of l mod n from `bit` on. */
static void rotate(ej_lower *w, LLVMValueRef *v, int32_t n, int32_t bit, int32_t by, int32_t lanes, int32_t wide)
{
    LLVMValueRef to[INTERLEAVE_MOST];
    int32_t from[EJ_LANES_MAX];
    for (; bit < n; bit *= 2) {
        for (int32_t l = 0; l < lanes; l++) from[l] = l % n & bit ? lanes + l : l;
        for (int32_t s = 0; s < n; s++) to[s] = shuffle(w, v[s], v[((s + by * bit) % n + n) % n], from, lanes, wide);
        memcpy(v, to, (size_t)n * sizeof *v);
    }
}

/* Which of n vectors in memory has component k in lane 0, after which that of the next lane is in the one before. */
static int32_t vector_at(int32_t n, int32_t lanes, int32_t k)
{
    int32_t r = 0;
    while (lanes * r % n != k) r++;
    return r;
}

/* An odd number of vectors as they lie in memory -> components. */
static void part_odd(ej_lower *w, LLVMValueRef *v, int32_t n, int32_t lanes, int32_t wide)
{
    LLVMValueRef slot[INTERLEAVE_MOST];
    int32_t from[EJ_LANES_MAX];
    for (int32_t s = 0; s < n; s++) slot[s] = v[vector_at(n, lanes, s)];
    rotate(w, slot, n, 1, -1, lanes, wide);
    for (int32_t k = 0; k < n; k++) {
        for (int32_t l = 0; l < lanes; l++) from[l] = (n * l + k) % lanes;
        v[k] = shuffle(w, slot[k], NULL, from, lanes, wide);
    }
}

/* The inverse. Where permutations of two vectors are one instruction the first blends are a part of them; the others
 * have a permutation for each component, which two blends read. */
static void mix_odd(ej_lower *w, LLVMValueRef *v, int32_t n, int32_t lanes, int32_t wide)
{
    LLVMValueRef slot[INTERLEAVE_MOST];
    int32_t from[INTERLEAVE_MOST][EJ_LANES_MAX], both[EJ_LANES_MAX];
    bool any = w->e->target->masks;
    for (int32_t k = 0; k < n; k++) {
        for (int32_t l = 0; l < lanes; l++) from[k][(n * l + k) % lanes] = l;
        if (!any) slot[k] = shuffle(w, v[k], NULL, from[k], lanes, wide);
    }
    for (int32_t k = 0; k < n && any; k++) {
        int32_t next = (k + 1) % n;
        for (int32_t l = 0; l < lanes; l++) both[l] = l % n & 1 ? lanes + from[next][l] : from[k][l];
        slot[k] = shuffle(w, v[k], v[next], both, lanes, wide);
    }
    rotate(w, slot, n, any ? 2 : 1, 1, lanes, wide);
    for (int32_t s = 0; s < n; s++) v[vector_at(n, lanes, s)] = slot[s];
}

/* Components 2 k and 2 k + 1 in pairs are a component of half as many, twice as wide: the lower half of the lanes is
 * the first n / 2 vectors in memory. */
static void part(ej_lower *w, LLVMValueRef *v, int32_t n, int32_t lanes)
{
    int32_t from[EJ_LANES_MAX], half = n / 2;
    LLVMValueRef pairs[INTERLEAVE_MOST];
    if (n % 2) {
        part_odd(w, v, n, lanes, 1);
        return;
    }
    memcpy(pairs, v, (size_t)n * sizeof *v);
    part_odd(w, pairs, half, lanes / 2, 2);
    part_odd(w, pairs + half, half, lanes / 2, 2);
    for (int32_t k = 0; k < n; k++) {
        for (int32_t l = 0; l < lanes; l++) from[l] = 2 * l + k % 2;
        v[k] = shuffle(w, pairs[k / 2], pairs[half + k / 2], from, lanes, 1);
    }
}

static void mix(ej_lower *w, LLVMValueRef *v, int32_t n, int32_t lanes)
{
    int32_t from[EJ_LANES_MAX], half = n / 2;
    LLVMValueRef pairs[INTERLEAVE_MOST];
    if (n % 2) {
        mix_odd(w, v, n, lanes, 1);
        return;
    }
    for (int32_t k = 0; k < half; k++)
        for (int32_t upper = 0; upper < 2; upper++) {
            for (int32_t l = 0; l < lanes; l++) from[l] = l / 2 + l % 2 * lanes + upper * (lanes / 2);
            pairs[upper * half + k] = shuffle(w, v[2 * k], v[2 * k + 1], from, lanes, 1);
        }
    mix_odd(w, pairs, half, lanes / 2, 2);
    mix_odd(w, pairs + half, half, lanes / 2, 2);
    memcpy(v, pairs, (size_t)n * sizeof *v);
}

/* ---- memory ---- */

/* Of the r-th vector of a group: its address, and the lanes that exist; *mask NULL: all of them. */
static LLVMValueRef place_of(ej_leaf *leaf, ej_leaf_access *access, const ej_interleaved *g, int32_t first, int32_t r,
                             LLVMValueRef *mask)
{
    ej_lower *w = leaf->w;
    ej_lanes lanes, flat;
    LLVMValueRef all;
    ej_leaf_lanes(leaf, first, &lanes);
    flat = lanes;
    for (int32_t l = 0; l < flat.n; l++)
        for (int32_t i = 0; i < leaf->n_axes; i++) flat.v[i][l] = lanes.v[i][(flat.n * r + l) / g->n];
    uint64_t valid = ej_leaf_static(leaf, &flat, access->set);
    ej_leaf_dynamic(leaf, &flat, access->set, &all, mask);
    if (all) {
        all = ej_splat(w->e, all, flat.n, "");
        *mask = *mask ? LLVMBuildAnd(w->e->builder, *mask, all, "") : all;
    }
    if (valid != flat.exist) {
        LLVMValueRef bits = ej_leaf_bits(w, valid, flat.n);
        *mask = *mask ? LLVMBuildAnd(w->e->builder, *mask, bits, "") : bits;
    }
    int64_t element = g->start[first] + (int64_t)flat.n * r;
    return ej_lane_address(leaf, access, &flat, 0, 0, element * ej_dtypes[access->buffer->dtype].bytes);
}

static void load_group(ej_leaf *leaf, ej_leaf_access *access, ej_interleaved *g, int32_t first)
{
    ej_lower *w = leaf->w;
    const char *name = access->buffer->name ? access->buffer->name : "";
    LLVMTypeRef type = ej_type_of(ej_type_memory(w->e, access->buffer->dtype), leaf->width);
    LLVMValueRef v[INTERLEAVE_MOST], mask;
    for (int32_t r = 0; r < g->n; r++) {
        LLVMValueRef at = place_of(leaf, access, g, first, r, &mask);
        v[r] = mask ? ej_lower_masked_load(w, type, at, mask, name) : ej_lower_load_at(w, type, at, name);
    }
    part(w, v, g->n, leaf->width);
    for (int32_t u = 0; u < leaf->unrolls; u++)
        if (g->first[u] == first) g->vectors[u] = v[g->start[u] - g->start[first]];
}

bool ej_load_interleaved(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, ej_operand *out)
{
    ej_offsets o;
    if (!suits(leaf, access, lanes) || access->at->access->buffer == leaf->node->dst.buffer) return false;
    ej_offsets_of(leaf, access, lanes, 0, &o);
    if (!distance(&o)) return false;
    if (!access->interleaved) access->interleaved = find(leaf, access);
    ej_interleaved *g = access->interleaved;
    if (!g || !g->n) return false;
    int32_t u = find_start(leaf, g, o.c[0]);
    if (u < 0) return false;
    if (!g->vectors[u]) load_group(leaf, access, g, g->first[u]);
    *out = (ej_operand){{g->vectors[u], NULL}, lanes->n};
    return true;
}

/* All that a group stores, in components. */
static void compute_group(ej_leaf *leaf, ej_tape *tape, const ej_interleaved *g, int32_t first, LLVMValueRef *v)
{
    ej_lanes lanes;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        if (g->first[u] != first) continue;
        ej_leaf_lanes(leaf, u, &lanes);
        v[g->start[u] - g->start[first]] = ej_leaf_result(leaf, tape, u, &lanes).re;
    }
}

static void store_group(ej_leaf *leaf, ej_tape *tape, const ej_interleaved *g, int32_t first)
{
    ej_lower *w = leaf->w;
    LLVMValueRef v[INTERLEAVE_MOST], mask;
    compute_group(leaf, tape, g, first, v);
    mix(w, v, g->n, leaf->width);
    for (int32_t r = 0; r < g->n; r++) {
        LLVMValueRef at = place_of(leaf, &leaf->dst, g, first, r, &mask);
        if (mask) ej_lower_masked_store(w, v[r], at, mask);
        else ej_lower_store_at(w, v[r], at);
    }
}

/* ---- stores that wait ----
 *
 * A round is a chain: load, shuffle, compute, shuffle, store; no core looks so far ahead that the next one's begins
 * before it ends. Where the last two are those of the round before, they fill the gaps of what is computed (e3nn's uvu
 * on Zen 4: 61 us in order, 55 so). */

enum { LATE_REGISTERS = 32 };

static bool names(const ej_access *access, int32_t buffer)
{
    bool found = access->buffer == buffer;
    for (int32_t t = 0; t < access->n_terms; t++) found = found || access->terms[t].table == buffer;
    return found;
}

/* One group, all of which exists, of a buffer that nothing else of the nest touches. */
static bool may_wait(ej_leaf *leaf, const ej_interleaved *g)
{
    ej_lower *w = leaf->w;
    int32_t buffer = leaf->node->dst.buffer, vectors = 0;
    if (!w->running || !w->running->late.may || w->running->late.n) return false;
    if (leaf->node->when.kind != EJ_WHEN_ALWAYS || ej_direct_condition(w, (int32_t)(leaf->node - w->nest->nodes)))
        return false; /* not in every round */
    if (w->e->target->vector_registers < LATE_REGISTERS || (leaf->dynamic & leaf->dst.set)) return false;
    for (int32_t i = 0; i < w->nest->n_nodes; i++) {
        const ej_nest_node *node = &w->nest->nodes[i];
        if (node->kind != EJ_NEST_LEAF || node == leaf->node) continue;
        if (names(&node->dst, buffer)) return false;
        for (int32_t s = 0; s < node->n_src; s++)
            if (names(&node->src[s], buffer)) return false;
    }
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        if (g->first[u] < 0) continue;
        vectors++;
        if (g->valid[u] != UINT64_MAX >> (64 - leaf->width)) return false;
    }
    return vectors == g->n;
}

static void store_late(ej_lower *w, int32_t n, LLVMValueRef const *components, LLVMValueRef at)
{
    LLVMTypeRef type = LLVMTypeOf(components[0]);
    LLVMValueRef v[INTERLEAVE_MOST], end;
    memcpy(v, components, (size_t)n * sizeof *v);
    mix(w, v, n, (int32_t)LLVMGetVectorSize(type));
    for (int32_t r = 0; r < n; r++) {
        end = ej_lower_i64(w, r);
        ej_lower_store_at(w, v[r], LLVMBuildGEP2(w->e->builder, type, at, &end, 1, ""));
    }
}

/* A value of the round before: a phi where the loop begins. */
static LLVMValueRef kept_from(ej_lower *w, LLVMValueRef value)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMValueRef none = LLVMConstNull(LLVMTypeOf(value));
    LLVMPositionBuilderBefore(b, LLVMGetFirstInstruction(w->running->body));
    LLVMValueRef phi = LLVMBuildPhi(b, LLVMTypeOf(value), "");
    LLVMAddIncoming(phi, &none, &w->running->before, 1);
    LLVMPositionBuilderAtEnd(b, here);
    return phi;
}

static void wait_for_next(ej_leaf *leaf, ej_tape *tape, const ej_interleaved *g, int32_t first)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    ej_late *late = &w->running->late;
    LLVMValueRef mask;
    late->n = g->n;
    compute_group(leaf, tape, g, first, late->now);
    late->now[g->n] = place_of(leaf, &leaf->dst, g, first, 0, &mask);
    for (int32_t k = 0; k <= g->n; k++) late->kept[k] = kept_from(w, late->now[k]);
    LLVMBasicBlockRef in = ej_lower_block(w, "late"), after = ej_lower_block(w, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, w->running->variable, ej_lower_i64(w, 0), ""), in, after);
    LLVMPositionBuilderAtEnd(b, in);
    store_late(w, g->n, late->kept, late->kept[g->n]);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

void ej_late_keep(const ej_late *late, LLVMBasicBlockRef latch)
{
    for (int32_t k = 0; late->n && k <= late->n; k++) {
        LLVMValueRef now = late->now[k];
        LLVMAddIncoming(late->kept[k], &now, &latch, 1);
    }
}

void ej_late_store(ej_lower *w, const ej_late *late)
{
    if (late->n) store_late(w, late->n, late->now, late->now[late->n]);
}

bool ej_store_interleaved(ej_leaf *leaf, ej_tape *tape)
{
    ej_lanes lanes;
    if (leaf->dst.buffer->home == EJ_HOME_REG) return false;
    for (int32_t s = 0; s < leaf->node->n_src; s++)
        if (leaf->node->src[s].buffer == leaf->node->dst.buffer) return false;
    ej_leaf_lanes(leaf, 0, &lanes);
    if (!suits(leaf, &leaf->dst, &lanes)) return false;
    ej_interleaved *g = find(leaf, &leaf->dst);
    if (!g || !g->n) return false;
    for (int32_t u = 0; u < leaf->unrolls; u++) /* each element once */
        if (g->first[u] >= 0 && find_start(leaf, g, g->start[u]) != u) return false;
    bool waits = may_wait(leaf, g);
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        if (g->first[u] != u) continue;
        if (waits) wait_for_next(leaf, tape, g, u);
        else store_group(leaf, tape, g, u);
    }
    return true;
}
