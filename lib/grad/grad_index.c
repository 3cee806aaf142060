/* grad_index.c - gradients of joining and indexing: cat and its parts, stack, gathers and scatters.
 *
 * Takes  a node that takes elements from several places, or puts them there, and its adjoint.
 * Gives  a part of the adjoint per operand; gather and scatter with sum are each other's.
 */
#include <math.h>
#include <string.h>

#include "grad_core.h"

enum { FEW_PARTS = 32 }; /* an operand that is cut out by itself says all others: of more, parts of parts are cut out */

/* in[0] without all but the part that has the shape of in[1 + part]. */
static ej_value part_of(ej_grad *g, const ej_grad_at *at, uint32_t n, const ej_value *in, uint32_t part)
{
    ej_node node = {.op = EJ_OP_SPLIT_AS,
                    .n_dims = 2,
                    .dims = ej_grad_ints(g, 2, (const int64_t[]){at->node.dims[0], (int64_t)part})};
    return n == 1 ? in[0] : ej_grad_node(g, node, n + 1, in);
}

/* x is what the operands from `first` on get together; `in` has room for it and them. */
static void give_parts(ej_grad *g, const ej_grad_at *at, uint32_t first, uint32_t n, ej_value x, ej_value *in)
{
    in[0] = x;
    memcpy(in + 1, at->node.in + first, n * sizeof *in);
    for (uint32_t i = 0; i < n && !g->status; i++)
        if (ej_grad_wants(g, at, first + i)) ej_grad_give(g, at, first + i, part_of(g, at, n, in, i));
}

/* Operands go in chunks of about as many as there are chunks, so that n of them are said n sqrt(n) times, not n * n. */
void ej_grad_of_cat(ej_grad *g, const ej_grad_at *at)
{
    uint32_t n = at->node.n_in, size = n <= FEW_PARTS ? n : (uint32_t)ceil(sqrt(n)), n_chunks = (n + size - 1) / size;
    ej_value *in = EJ_JOB_ARRAY(g->job, ej_value, (size_t)size + 1);
    ej_value *chunks = EJ_JOB_ARRAY(g->job, ej_value, (size_t)n_chunks + 1);
    if (!in || !chunks) {
        ej_grad_no_memory(g);
        return;
    }
    chunks[0] = at->g;
    for (uint32_t c = 0; c < n_chunks && n_chunks > 1; c++) { /* read for their shapes alone */
        ej_node cat = {.op = EJ_OP_CAT, .n_dims = 1, .dims = ej_grad_ints(g, 1, at->node.dims)};
        chunks[1 + c] = ej_grad_node(g, cat, c + 1 < n_chunks ? size : n - c * size, at->node.in + c * size);
    }
    for (uint32_t c = 0; c < n_chunks && !g->status; c++) {
        uint32_t first = c * size, count = c + 1 < n_chunks ? size : n - first;
        bool wanted = false;
        for (uint32_t i = 0; i < count; i++) wanted |= ej_grad_wants(g, at, first + i);
        if (wanted) give_parts(g, at, first, count, part_of(g, at, n_chunks, chunks, c), in);
    }
}

/* Zeros in the place of the other parts. */
void ej_grad_of_split(ej_grad *g, const ej_grad_at *at)
{
    uint32_t n = at->node.n_in - 1;
    ej_value *in = EJ_JOB_ARRAY(g->job, ej_value, n);
    if (!in) {
        ej_grad_no_memory(g);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        in[i] = (int64_t)i == at->node.dims[1] ? at->g : ej_grad_unary(g, EJ_OP_ZEROS_LIKE, at->node.in[1 + i]);
    ej_node cat = {.op = EJ_OP_CAT, .n_dims = 1, .dims = ej_grad_ints(g, 1, at->node.dims)};
    ej_grad_give(g, at, 0, ej_grad_node(g, cat, n, in));
}

void ej_grad_of_stack(ej_grad *g, const ej_grad_at *at)
{
    for (uint32_t i = 0; i < at->node.n_in && !g->status; i++) {
        ej_index_item item = {.kind = EJ_INDEX_AT, .start = i};
        if (ej_grad_wants(g, at, i)) ej_grad_give(g, at, i, ej_grad_index(g, at->g, at->node.dims[0], item));
    }
}

/* ---- gather and scatter ---- */

static ej_value rows_of(ej_grad *g, ej_value x, int64_t dim, ej_value index)
{
    ej_node node = {.op = EJ_OP_INDEX_SELECT, .n_dims = 1, .dims = ej_grad_ints(g, 1, &dim)};
    return ej_grad_node(g, node, 2, (const ej_value[]){x, index});
}

/* The extent of an axis as the program can say it. */
static bool said_extent(ej_grad *g, ej_value x, int64_t dim, ej_extent *out)
{
    const ej_known_shape *shape = &g->shapes->of[x];
    dim += dim < 0 ? shape->rank : 0;
    if (g->status || shape->rank < 0 || dim < 0 || dim >= shape->rank) return false;
    bool said = false;
    if (!ej_facts_name_extent(g->shapes, shape->extents[dim], &g->graph->arena, out, &said)) ej_grad_no_memory(g);
    return said && !g->status;
}

void ej_grad_of_index_select(ej_grad *g, const ej_grad_at *at)
{
    ej_value x = at->node.in[0], index = at->node.in[1], share;
    ej_node node = {.op = EJ_OP_INDEX_ADD, .n_dims = 1, .dims = ej_grad_ints(g, 1, at->node.dims), .n_extents = 1};
    ej_extent n;
    if (said_extent(g, x, at->node.dims[0], &n)) {
        node.extents = EJ_NEW(&g->graph->arena, ej_extent);
        if (!node.extents) ej_grad_no_memory(g);
        else *node.extents = n;
        share = ej_grad_node(g, node, 2, (const ej_value[]){index, at->g});
    } else {
        node.op = EJ_OP_INDEX_ADD_TO;
        node.n_extents = 0;
        share = ej_grad_node(g, node, 3, (const ej_value[]){ej_grad_unary(g, EJ_OP_ZEROS_LIKE, x), index, at->g});
    }
    ej_grad_give(g, at, 0, share);
}

void ej_grad_of_index_add(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 1, rows_of(g, at->g, at->node.dims[0], at->node.in[0]));
}

void ej_grad_of_index_add_to(ej_grad *g, const ej_grad_at *at)
{
    if (ej_grad_wants(g, at, 0)) ej_grad_give(g, at, 0, at->g);
    if (ej_grad_wants(g, at, 2)) ej_grad_give(g, at, 2, rows_of(g, at->g, at->node.dims[0], at->node.in[1]));
}
