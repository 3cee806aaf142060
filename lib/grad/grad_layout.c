/* grad_layout.c - gradients of operations that move elements: the adjoint is moved back.
 *
 * Takes  a node that moves the elements of its operand, and its adjoint.
 * Gives  the adjoint of the operand: permuted back, in its shape, summed over stretched axes, or with zeros where
 *        elements were left out.
 * Not here: gathers and scatters, cat and its parts (grad_index.c).
 */
#include "grad_core.h"

void ej_grad_of_same(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, at->g); /* casts are the walk's */
}

void ej_grad_of_permute(ej_grad *g, const ej_grad_at *at)
{
    uint32_t n = at->node.n_dims;
    int64_t *back = EJ_JOB_ARRAY(g->job, int64_t, n);
    if (!back) ej_grad_no_memory(g);
    for (uint32_t i = 0; back && i < n; i++) {
        int64_t dim = at->node.dims[i] < 0 ? at->node.dims[i] + n : at->node.dims[i];
        if (dim >= 0 && dim < n) back[dim] = i; /* a permutation of others bind refuses */
    }
    ej_grad_give(g, at, 0, ej_grad_dims(g, EJ_OP_PERMUTE, at->g, n, back));
}

void ej_grad_of_transpose(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, ej_grad_dims(g, EJ_OP_TRANSPOSE, at->g, 2, at->node.dims));
}

void ej_grad_of_reshape(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, ej_grad_reshape_to(g, at->g, at->node.in[0]));
}

void ej_grad_of_expand(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, ej_grad_sum_to(g, at->g, at->v, at->node.in[0]));
}

void ej_grad_of_unsqueeze(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, ej_grad_dims(g, EJ_OP_SQUEEZE, at->g, 1, at->node.dims));
}

void ej_grad_of_sum_to_size(ej_grad *g, const ej_grad_at *at)
{
    ej_grad_give(g, at, 0, ej_grad_expand_to(g, at->g, at->node.in[0]));
}

void ej_grad_of_diag_embed(ej_grad *g, const ej_grad_at *at)
{
    static const char diagonal[] = "...ii->...i";
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(&g->graph->arena, ej_equation);
    if (!node.equation || ej_equation_parse(node.equation, &g->graph->arena, diagonal, sizeof diagonal - 1, 1, NULL))
        ej_grad_no_memory(g);
    ej_grad_give(g, at, 0, ej_grad_node(g, node, 1, &at->g));
}

/* ---- slices ---- */

typedef struct cut {    /* one item of a slice that takes elements of an axis */
    int64_t dim;        /* from the front, or negative behind an ellipsis */
    ej_index_item item; /* a range */
    ej_value from;      /* what it is cut from: counts by its shape */
} cut;

/* A single element as a range of one. */
static ej_index_item as_range(const ej_index_item *item)
{
    if (item->kind == EJ_INDEX_RANGE) return *item;
    int64_t stop = item->start == -1 ? INT64_MAX : item->start + 1;
    return (ej_index_item){EJ_INDEX_RANGE, item->start, stop, 1};
}

/* The cuts of a slice, one axis after the other; *moves: single elements lose their axis, or there are new ones. */
static uint32_t find_cuts(const ej_node *node, cut *out, bool *moves)
{
    int64_t dim = 0;
    uint32_t n = 0;
    *moves = false;
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        if (item->kind == EJ_INDEX_ELLIPSIS) {
            dim = 0; /* from the end: minus the axes that this and the following items use */
            for (uint32_t k = i + 1; k < node->n_items; k++) dim -= node->items[k].kind <= EJ_INDEX_AT;
            continue;
        }
        *moves |= item->kind != EJ_INDEX_RANGE;
        if (item->kind == EJ_INDEX_NEW_AXIS) continue;
        if (!ej_takes_all(item)) out[n++] = (cut){.dim = dim, .item = as_range(item)};
        dim++;
    }
    return n;
}

static ej_value scatter(ej_grad *g, ej_value into, ej_value src, int64_t dim, ej_index_item item)
{
    ej_node node = {.op = EJ_OP_SLICE_SCATTER, .n_dims = 1, .dims = ej_grad_ints(g, 1, &dim), .n_items = 1};
    node.items = EJ_NEW(&g->graph->arena, ej_index_item);
    if (!node.items) ej_grad_no_memory(g);
    else *node.items = item;
    return ej_grad_node(g, node, 2, (const ej_value[]){into, src});
}

/* Keeps the adjoint of a part of v for later; false: it lies across another one, or cannot be compared with it. */
static bool keep_piece(ej_grad *g, ej_value v, ej_value share, const cut *part)
{
    const ej_index_item *item = &part->item;
    int32_t rank = g->shapes->of[v].rank;
    int64_t dim = part->dim < 0 && rank >= 0 ? part->dim + rank : part->dim;
    ej_grad_piece **place = &g->pieces[v];
    if (item->step != 1 || item->start < 0 || item->stop < item->start) return false;
    if (*place && (*place)->dim != dim) return false;
    while (*place && (*place)->stop <= item->start) place = &(*place)->next;
    if (*place && (*place)->start < item->stop) return false;
    ej_grad_piece *made = EJ_NEW(g->job->arena, ej_grad_piece);
    if (!made) {
        ej_grad_no_memory(g);
        return true;
    }
    *made = (ej_grad_piece){*place, dim, item->start, item->stop, ej_grad_cast_like(g, share, v)};
    *place = made;
    return true;
}

/* Zeros in the place of what nobody took. */
static ej_value hole(ej_grad *g, ej_value v, int64_t dim, int64_t start, int64_t stop)
{
    return ej_grad_index(g, ej_grad_unary(g, EJ_OP_ZEROS_LIKE, v), dim,
                         (ej_index_item){EJ_INDEX_RANGE, start, stop, 1});
}

/* Parts and holes lie side by side and are computed where they lie; as a sum of values with zeros around each part they
 * would be written, read and added once for each. Where the axis is shorter than the program's numbers say, parts and
 * holes are cut off alike. */
void ej_grad_join_pieces(ej_grad *g, ej_value v)
{
    const ej_grad_piece *first = g->pieces[v];
    const ej_known_shape *shape = &g->shapes->of[v];
    int64_t dim = first->dim, at = 0;
    int64_t n = dim >= 0 && dim < shape->rank ? ej_extent_number(g->shapes, shape->extents[dim]) : -1;
    uint32_t n_parts = 0, n_pieces = 0;
    if (!first->next) { /* zeros around it are all that there is to write */
        ej_index_item item = {EJ_INDEX_RANGE, first->start, first->stop, 1};
        ej_value zeros = ej_grad_unary(g, EJ_OP_ZEROS_LIKE, v);
        ej_grad_give_value(g, v, scatter(g, zeros, first->share, dim, item));
        return;
    }
    for (const ej_grad_piece *p = first; p; p = p->next) n_pieces++;
    ej_value *parts = EJ_JOB_ARRAY(g->job, ej_value, 2 * (size_t)n_pieces + 1);
    if (!parts) {
        ej_grad_no_memory(g);
        return;
    }
    for (const ej_grad_piece *p = first; p; at = p->stop, p = p->next) {
        if (p->start > at) parts[n_parts++] = hole(g, v, dim, at, p->start);
        parts[n_parts++] = p->share;
    }
    if (at != INT64_MAX && (n < 0 || at < n)) parts[n_parts++] = hole(g, v, dim, at, INT64_MAX);
    ej_node node = {.op = EJ_OP_CAT, .n_dims = 1, .dims = ej_grad_ints(g, 1, &dim)};
    ej_grad_give_value(g, v, ej_grad_node(g, node, n_parts, parts));
}

void ej_grad_of_slice(ej_grad *g, const ej_grad_at *at)
{
    bool moves;
    cut *cuts = EJ_JOB_ARRAY(g->job, cut, at->node.n_items);
    if (!cuts) {
        ej_grad_no_memory(g);
        return;
    }
    uint32_t n = find_cuts(&at->node, cuts, &moves);
    ej_value last = at->node.in[0], share = at->g;
    for (uint32_t i = 0; i < n; i++) {
        cuts[i].from = last;
        if (i + 1 < n || moves) last = ej_grad_index(g, last, cuts[i].dim, cuts[i].item);
    }
    if (moves && last == at->node.in[0]) share = ej_grad_reshape_to(g, share, last);
    else if (moves) share = ej_grad_like(g, EJ_OP_RESHAPE_AS, share, last);
    if (n == 1 && keep_piece(g, at->node.in[0], share, &cuts[0])) return;
    for (uint32_t i = n; i-- > 0;)
        share = scatter(g, ej_grad_unary(g, EJ_OP_ZEROS_LIKE, cuts[i].from), share, cuts[i].dim, cuts[i].item);
    ej_grad_give(g, at, 0, share);
}

void ej_grad_of_slice_scatter(ej_grad *g, const ej_grad_at *at)
{
    int64_t dim = at->node.dims[0];
    ej_index_item item = at->node.items[0];
    if (ej_grad_wants(g, at, 0)) {
        ej_value hole = ej_grad_unary(g, EJ_OP_ZEROS_LIKE, at->node.in[1]);
        ej_grad_give(g, at, 0, scatter(g, at->g, hole, dim, item));
    }
    if (ej_grad_wants(g, at, 1)) ej_grad_give(g, at, 1, ej_grad_index(g, at->g, dim, item));
}
