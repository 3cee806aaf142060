/* nest_code.c - how much code a nest becomes.
 *
 * Takes  a nest.
 * Gives  the operations on vectors that are written out: those of each leaf's tile, once for full chunks and once for a
 *        shorter rest of every loop around it.
 * Not here: rests that need no copy of the body (jit/lower/lower_loop.c), which are few where nests are small.
 */
#include "nest_cost.h"

/* Vectors of the tile along an axis of which `n` values are there. */
static double vectors_along(const ej_tile *tile, int32_t axis, int64_t n)
{
    int64_t lanes = 1, unrolls = 1;
    for (int32_t d = 0; d < tile->n; d++) {
        if (tile->digits[d].axis != axis) continue;
        *(tile->digits[d].place == EJ_LANE ? &lanes : &unrolls) *= tile->digits[d].count;
    }
    int64_t needed = n / lanes + (n % lanes > 0);
    return (double)(needed < unrolls ? needed : unrolls);
}

/* `n`: values of each axis in the current chunk. */
static double leaf_code(const ej_nest *nest, const ej_nest_node *leaf, const int64_t *n)
{
    double vectors = 1;
    for (int32_t a = 0; a < nest->n_axes; a++) vectors *= vectors_along(&leaf->tile, a, n[a]);
    return vectors * (leaf->expr.n + 1);
}

static double list_code(const ej_nest *nest, int32_t id, int64_t *n)
{
    double code = 0;
    for (; id >= 0; id = nest->nodes[id].next) {
        const ej_nest_node *node = &nest->nodes[id];
        if (node->kind == EJ_NEST_LEAF) {
            code += leaf_code(nest, node, n);
            continue;
        }
        int64_t all = n[node->axis], rest = all == INT64_MAX ? node->step - 1 : all % node->step;
        if (all >= node->step) {
            n[node->axis] = node->step;
            code += list_code(nest, node->child, n);
        }
        if (rest) {
            n[node->axis] = rest;
            code += list_code(nest, node->child, n);
        }
        n[node->axis] = all;
    }
    return code;
}

int ej_nest_code(double *out, const ej_nest *nest, ej_arena *arena)
{
    int64_t *n = EJ_NEW_ARRAY(arena, int64_t, nest->n_axes);
    if (!n) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < nest->n_axes; a++) n[a] = nest->axes[a].extent.e ? INT64_MAX : nest->axes[a].extent.n;
    *out = list_code(nest, nest->root, n);
    return EINJIT_OK;
}
