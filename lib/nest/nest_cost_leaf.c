/* nest_cost_leaf.c - the instructions of one leaf, by the unit they go to.
 *
 * Takes  a leaf and how many values of its axes it covers.
 * Gives  vectors loaded, computed, stored and shuffled, as lowering makes them: what does not depend on an unrolled
 *        digit is loaded once for all of them.
 */
#include <math.h>

#include "nest_cost.h"

typedef struct leaf_walk {
    const ej_nest *nest;
    const ej_nest_node *leaf;
    const double *range;
} leaf_walk;

/* Unrolled positions of an axis that its range reaches: lanes are the faster digits as a rule. */
static double positions(const leaf_walk *w, int32_t axis)
{
    double unrolls = 1, lanes = 1;
    for (int32_t d = 0; d < w->leaf->tile.n; d++) {
        const ej_digit *digit = &w->leaf->tile.digits[d];
        if (digit->axis == axis) *(digit->place == EJ_LANE ? &lanes : &unrolls) *= digit->count;
    }
    double reached = ceil(w->range[axis] / lanes);
    return reached < unrolls ? reached : unrolls;
}

static double lanes_of(const leaf_walk *w)
{
    double lanes = 1;
    for (int32_t d = 0; d < w->leaf->tile.n; d++)
        if (w->leaf->tile.digits[d].place == EJ_LANE) lanes *= w->leaf->tile.digits[d].count;
    return lanes;
}

static bool first_of_axis(const leaf_walk *w, int32_t d)
{
    for (int32_t k = 0; k < d; k++)
        if (w->leaf->tile.digits[k].axis == w->leaf->tile.digits[d].axis) return false;
    return true;
}

/* Vectors that differ: of the whole leaf (access NULL), or as far as an access moves with the digits. */
static double vectors(const leaf_walk *w, const ej_access *access)
{
    double n = 1;
    for (int32_t d = 0; d < w->leaf->tile.n; d++) {
        int32_t axis = w->leaf->tile.digits[d].axis;
        if (first_of_axis(w, d) && (!access || ej_access_moves(access, axis))) n *= positions(w, axis);
    }
    return n;
}

/* Pieces of memory that the lanes of one vector lie in, and whether they are all one element. */
static double lane_pieces(const leaf_walk *w, const ej_access *access, bool *broadcast)
{
    double n = 1, run = 1;
    *broadcast = true;
    for (int32_t d = w->leaf->tile.n; d-- > 0;) {
        const ej_digit *digit = &w->leaf->tile.digits[d];
        if (digit->place != EJ_LANE || !ej_access_moves(access, digit->axis)) continue;
        const ej_access_term *term = ej_access_find(access, digit->axis);
        double later = 1;
        for (int32_t k = d + 1; k < w->leaf->tile.n; k++)
            if (w->leaf->tile.digits[k].axis == digit->axis) later *= w->leaf->tile.digits[k].count;
        *broadcast = false;
        if (term->table < 0 && fabs((double)term->stride.n * later) == run) run *= digit->count;
        else n *= digit->count;
    }
    return n;
}

/* Neighbours in the lanes are some elements of 4 or 8 bytes apart, and unrolled digits have all of these: whole vectors
 * are moved, and rotated by blends, two a cycle, before or after a permutation (jit/lower/lower_interleave.c). Gives
 * the shuffles of a vector; 0: it is none. */
static double interleaves(const leaf_walk *w, const ej_access *access)
{
    const ej_tile *tile = &w->leaf->tile;
    int dtype = w->nest->buffers[access->buffer].dtype;
    int64_t apart = 0, between = 1, bytes = ej_dtypes[dtype].bytes;
    if (ej_dtype_is_complex(dtype) || (bytes != 4 && bytes != 8) || lanes_of(w) < 4) return 0;
    for (int32_t d = 0; d < tile->n; d++) {
        const ej_access_term *term = ej_access_find(access, tile->digits[d].axis);
        if (tile->digits[d].place != EJ_LANE || !term) continue;
        if (apart || term->table >= 0 || term->stride.e || term->block) return 0;
        apart = term->stride.n;
    }
    if (!ej_lanes_interleave(apart)) return 0;
    for (bool found = true; found && between < apart;) {
        found = false;
        for (int32_t d = 0; d < tile->n && !found; d++) {
            const ej_access_term *term = ej_access_find(access, tile->digits[d].axis);
            if (tile->digits[d].place == EJ_LANE || !term || !ej_size_is(term->stride, between)) continue;
            between *= tile->digits[d].count;
            found = true;
        }
    }
    return between == apart ? 1 + (apart == 3 ? 2 : 3) / 2.0 : 0;
}

static void add_memory(ej_leaf_cost *out, const leaf_walk *w, const ej_access *access, bool store)
{
    bool broadcast;
    double n = vectors(w, access), each = lane_pieces(w, access, &broadcast);
    double parts = ej_dtype_is_complex(w->nest->buffers[access->buffer].dtype) ? 2 : 1, turns = interleaves(w, access);
    if (turns > 0) {
        out->turns += n * turns;
        each = 1;
    }
    *(store ? &out->stores : &out->loads) += n * each * parts;
    if (each > 1) out->shuffles += n * each;
    if (parts > 1 && !broadcast) out->shuffles += 2 * n;
}

/* Lane digits of the leaf that an access moves with are those of another one. */
static bool same_lanes(const ej_nest_node *a, const ej_nest_node *b, const ej_access *access)
{
    int32_t i = 0, k = 0;
    for (;; i++, k++) {
        while (i < a->tile.n &&
               (a->tile.digits[i].place != EJ_LANE || !ej_access_moves(access, a->tile.digits[i].axis)))
            i++;
        while (k < b->tile.n &&
               (b->tile.digits[k].place != EJ_LANE || !ej_access_moves(access, b->tile.digits[k].axis)))
            k++;
        if (i == a->tile.n || k == b->tile.n) return i == a->tile.n && k == b->tile.n;
        if (a->tile.digits[i].axis != b->tile.digits[k].axis || a->tile.digits[i].count != b->tile.digits[k].count)
            return false;
    }
}

static double lanes_along(const ej_nest_node *leaf, int32_t axis)
{
    double n = 1;
    for (int32_t d = 0; d < leaf->tile.n; d++)
        if (leaf->tile.digits[d].place == EJ_LANE && leaf->tile.digits[d].axis == axis) n *= leaf->tile.digits[d].count;
    return n;
}

/* Lanes that become one value. */
static double summed_lanes(const leaf_walk *w)
{
    double n = 1;
    for (int32_t d = 0; d < w->leaf->tile.n; d++) {
        const ej_digit *digit = &w->leaf->tile.digits[d];
        if (digit->place == EJ_LANE && !ej_access_moves(&w->leaf->dst, digit->axis)) n *= digit->count;
    }
    return n;
}

/* Vectors become one two by two, by two shuffles and an operation each, then halves of it (jit/lower/lower_reduce.c).
 * Gives the operations. */
static double add_summed_lanes(ej_leaf_cost *out, const leaf_walk *w, double results)
{
    double lanes = summed_lanes(w), pairs = results < lanes ? results - 1 : results - ceil(results / lanes);
    if (lanes < 2) return 0;
    double halves = results < lanes ? log2(lanes / results) : 0;
    out->turns += 2 * pairs + halves;
    return pairs + halves;
}

/* A register tile under other lanes than it was written with: a shuffle a vector for each bit of the lanes that was not
 * one of them. */
static void add_registers(ej_leaf_cost *out, const leaf_walk *w, const ej_access *access)
{
    for (int32_t i = 0; i < w->nest->n_nodes; i++) {
        const ej_nest_node *writer = &w->nest->nodes[i];
        if (writer->kind != EJ_NEST_LEAF || writer->dst.buffer != access->buffer) continue;
        if (same_lanes(w->leaf, writer, access)) return;
        double bits = 0;
        for (int32_t t = 0; t < access->n_terms; t++) {
            double there = lanes_along(writer, access->terms[t].axis),
                   here = lanes_along(w->leaf, access->terms[t].axis);
            if (here > there && ej_access_moves(access, access->terms[t].axis)) bits += log2(here / there);
        }
        out->turns += vectors(w, access) * (bits > 1 ? bits : 1);
        return;
    }
}

bool ej_nest_calls(const ej_expr *expr)
{
    for (int32_t i = 0; i < expr->n; i++)
        if (expr->ops[i].kind == EJ_EXPR_FN && ej_fn_is_called(expr->ops[i].fn)) return true;
    return false;
}

static double weight(const ej_expr_op *op)
{
    if (op->kind == EJ_EXPR_SOURCE || op->kind == EJ_EXPR_CONST) return 0;
    if (op->kind == EJ_EXPR_CAST) return 1;
    if (ej_fn_is_called(op->fn)) return 25;
    bool complex = ej_dtype_is_complex(op->dtype);
    switch (op->fn) {
    case EJ_FN_ADD:
    case EJ_FN_SUB:
    case EJ_FN_NEG: return complex ? 2 : 1;
    case EJ_FN_MUL: return complex ? 4 : 1;
    case EJ_FN_DIV:
    case EJ_FN_SQRT: return complex ? 16 : 8;
    default: return complex ? 4 : 2;
    }
}

void ej_nest_cost_leaf(ej_leaf_cost *out, const ej_nest *nest, int32_t leaf, const double *range)
{
    leaf_walk w = {nest, &nest->nodes[leaf], range};
    const ej_expr *expr = &w.leaf->expr;
    double all = vectors(&w, NULL), results = vectors(&w, &w.leaf->dst), ops = 0, added = 0;
    bool in_memory = nest->buffers[w.leaf->dst.buffer].home != EJ_HOME_REG;
    *out = (ej_leaf_cost){.lanes = lanes_of(&w)};
    for (int32_t i = 0; i < expr->n; i++) ops += weight(&expr->ops[i]);
    if (w.leaf->reduce != EJ_REDUCE_NONE) {
        const ej_expr_op *last = &expr->ops[expr->n - 1];
        bool fused = w.leaf->reduce == EINJIT_REDUCE_SUM && last->kind == EJ_EXPR_FN && last->fn == EJ_FN_MUL;
        if (!fused) ops += 1;
        out->latency = all / results * (in_memory ? 8 : 4);
        if (in_memory) add_memory(out, &w, &w.leaf->dst, false);
        added = add_summed_lanes(out, &w, results);
    }
    out->alu = all * ops + added;
    if (in_memory) add_memory(out, &w, &w.leaf->dst, true);
    for (int32_t s = 0; s < w.leaf->n_src; s++) {
        if (nest->buffers[w.leaf->src[s].buffer].home == EJ_HOME_REG) add_registers(out, &w, &w.leaf->src[s]);
        else if (nest->buffers[w.leaf->src[s].buffer].home != EJ_HOME_COUNT)
            add_memory(out, &w, &w.leaf->src[s], false);
    }
}
