/* nest_sums.c - long sums in blocks, so that they keep their digits.
 *
 * Takes  a finished nest, of any recipe.
 * Gives  the same sums with fewer roundings one after the other:
 *
 *            acc <- 0                      acc <- 0
 *            loop k 1                      loop k 1024
 *                acc += expr                   part <- 0
 *                                              loop k 1
 *                                                  part += expr
 *                                              acc += part
 *
 *        A part is what its accumulator is: registers, or memory of the same axes (row by row) where sums run through
 *        memory.
 * Keeps  integers, other reductions; results that walk a table or have an open axis outside of registers; steps whose
 *        order of terms is promised are not given here.
 */
#include "nest_sums.h"

#include <stdlib.h>

enum { SUM_PART_BYTES = 1 << 26, SUM_OPEN_EXTENT = 1 << 20 }; /* an open extent counts as this long */

typedef struct sums {
    ej_nest *nest;
    ej_arena *arena;
    int64_t most;
    size_t n_parents, cap_parents;
    int32_t *parents; /* by node; -1: at the root */
} sums;

static ej_nest_node *node_of(const sums *s, int32_t id)
{
    return &s->nest->nodes[id];
}

/* The nodes from n_parents on are new; those of `parent` may have moved there from elsewhere. */
static int note_parents(sums *s)
{
    while (s->n_parents < (size_t)s->nest->n_nodes) {
        if (!EJ_PUSH_ROOM(s->arena, s->parents, s->cap_parents, s->n_parents)) return EINJIT_E_NOMEM;
        s->parents[s->n_parents++] = -1;
    }
    for (int32_t id = 0; id < s->nest->n_nodes; id++) {
        if (node_of(s, id)->kind != EJ_NEST_LOOP) continue;
        for (int32_t child = node_of(s, id)->child; child >= 0; child = node_of(s, child)->next) s->parents[child] = id;
    }
    return EINJIT_OK;
}

/* ---- how long, and where ---- */

/* The longest range of an axis in a loop's list of nodes; -1: open. */
static int64_t range_at(const sums *s, int32_t loop, int32_t axis)
{
    ej_size extent = s->nest->axes[axis].extent;
    int64_t range = extent.e ? -1 : extent.n;
    for (; loop >= 0; loop = s->parents[loop])
        if (node_of(s, loop)->axis == axis && (range < 0 || node_of(s, loop)->step < range))
            range = node_of(s, loop)->step;
    return range;
}

static int64_t trips(const sums *s, int32_t loop)
{
    int64_t range = range_at(s, s->parents[loop], node_of(s, loop)->axis), step = node_of(s, loop)->step;
    if (range < 0) range = SUM_OPEN_EXTENT;
    return range / step + (range % step != 0);
}

static bool is_placed_at(const ej_nest_node *loop, int32_t buffer)
{
    for (int32_t i = 0; i < loop->n_placed; i++)
        if (loop->placed[i] == buffer) return true;
    return false;
}

static bool names_buffer(const ej_nest_node *leaf, int32_t buffer)
{
    bool named = leaf->dst.buffer == buffer;
    for (int32_t i = 0; i < leaf->n_src; i++) named = named || leaf->src[i].buffer == buffer;
    return named;
}

/* Nobody else under the loop looks at what the leaf adds up. */
static bool is_alone(const sums *s, int32_t loop, int32_t leaf)
{
    int32_t buffer = node_of(s, leaf)->dst.buffer;
    for (int32_t id = 0; id < s->nest->n_nodes; id++) {
        if (node_of(s, id)->kind != EJ_NEST_LEAF || id == leaf || !names_buffer(node_of(s, id), buffer)) continue;
        for (int32_t up = s->parents[id]; up >= 0; up = s->parents[up])
            if (up == loop) return false;
    }
    return true;
}

static bool is_floating_sum(const sums *s, const ej_nest_node *node)
{
    if (node->kind != EJ_NEST_LEAF || node->reduce != EINJIT_REDUCE_SUM || node->when.kind != EJ_WHEN_ALWAYS)
        return false;
    int dtype = node->expr.ops[node->expr.n - 1].dtype;
    for (int32_t i = 0; i < node->n_src; i++)
        if (node->src[i].buffer == node->dst.buffer) return false;
    for (int32_t t = 0; t < node->dst.n_terms; t++)
        if (node->dst.terms[t].table >= 0 || node->dst.terms[t].block) return false;
    return s->nest->buffers[node->dst.buffer].dtype == dtype &&
           (ej_dtype_is_float(dtype) || ej_dtype_is_complex(dtype));
}

static int64_t terms_of_leaf(const ej_nest_node *leaf)
{
    int64_t n = 1;
    for (int32_t d = 0; d < leaf->tile.n; d++)
        if (leaf->tile.digits[d].place == EJ_UNROLL && !ej_access_find(&leaf->dst, leaf->tile.digits[d].axis))
            n *= leaf->tile.digits[d].count;
    return n;
}

/* The innermost loop with which an accumulator takes more than two blocks, and how many of its iterations make one;
 * -1: there is none. */
static int32_t loop_to_block(const sums *s, int32_t leaf, int64_t *iterations)
{
    const ej_nest_node *node = node_of(s, leaf);
    int64_t terms = terms_of_leaf(node);
    for (int32_t loop = s->parents[leaf]; loop >= 0; loop = s->parents[loop]) {
        const ej_nest_node *at = node_of(s, loop);
        if (is_placed_at(at, node->dst.buffer) || at->when.kind != EJ_WHEN_ALWAYS) return -1;
        if (ej_access_find(&node->dst, at->axis)) continue;
        int64_t n = trips(s, loop), block = 1;
        if (n <= 1) continue;
        if (n > 2 * s->most / terms) {
            while (2 * block * terms <= s->most) block *= 2; /* equal terms then add up without a rounding, or nearly */
            *iterations = block;
            return block < n && is_alone(s, loop, leaf) ? loop : -1;
        }
        terms *= n;
    }
    return -1;
}

/* ---- the part ---- */

static bool add_axis(const sums *s, int32_t loop, ej_access *part, int32_t axis, int64_t *elems)
{
    int64_t range = range_at(s, loop, axis);
    part->terms[part->n_terms++] = (ej_access_term){.axis = axis, .table = -1, .stride = ej_size_number(*elems)};
    return range > 0 && ej_mul_size(*elems, range, elems);
}

/* Row by row in the order in which the sum lies. *fits false: its size is no number, or too large. */
static int lay_out(const sums *s, int32_t loop, const ej_access *sum, ej_access *part, int64_t *elems, bool *fits)
{
    *part = (ej_access){.terms = EJ_NEW_ARRAY(s->arena, ej_access_term, (size_t)sum->n_terms)};
    *elems = 1;
    *fits = true;
    if (!part->terms) return EINJIT_E_NOMEM;
    while (*fits && part->n_terms < sum->n_terms) {
        const ej_access_term *next = NULL;
        for (int32_t t = 0; t < sum->n_terms; t++) {
            const ej_access_term *term = &sum->terms[t];
            if (term->stride.n == INT64_MIN || ej_access_find(part, term->axis)) continue;
            if (!next || llabs(term->stride.n) < llabs(next->stride.n)) next = term;
        }
        *fits = next && add_axis(s, loop, part, next->axis, elems);
    }
    return EINJIT_OK;
}

static int make_part(const sums *s, int32_t loop, const ej_nest_node *leaf, ej_access *part, ej_buffer *buffer,
                     bool *fits)
{
    const ej_buffer *sum = &s->nest->buffers[leaf->dst.buffer];
    int64_t elems, bytes;
    *fits = true;
    *buffer = (ej_buffer){.name = "part", .dtype = sum->dtype, .home = EJ_HOME_REG, .slot = -1, .elems = sum->elems};
    *part = leaf->dst;
    if (sum->home == EJ_HOME_REG) return EINJIT_OK;
    EJ_TRY(lay_out(s, loop, &leaf->dst, part, &elems, fits));
    buffer->home = EJ_HOME_LOCAL;
    buffer->elems = ej_size_number(elems);
    *fits = *fits && ej_mul_size(elems, ej_dtypes[sum->dtype].bytes, &bytes) && bytes <= SUM_PART_BYTES;
    return EINJIT_OK;
}

/* ---- the tree ---- */

/* Loops over the sum's axes as they stand between `from` and the leaf. */
static int result_loops(sums *s, int32_t from, int32_t leaf, const ej_access *sum, int32_t *parent)
{
    int32_t n = 0;
    for (int32_t up = s->parents[leaf]; up != from; up = s->parents[up]) n++;
    for (; n > 0; n--) {
        int32_t at = s->parents[leaf];
        for (int32_t i = 1; i < n; i++) at = s->parents[at];
        if (ej_access_find(sum, node_of(s, at)->axis))
            EJ_TRY(ej_nest_loop(s->nest, s->arena, *parent, node_of(s, at)->axis, node_of(s, at)->step, parent));
    }
    return EINJIT_OK;
}

/* part <- 0, or sum += part */
static int add_pass(sums *s, int32_t loop, int32_t inner, int32_t leaf, const ej_access *dst, ej_access *src,
                    ej_expr_op op)
{
    ej_nest_node pass = {.dst = *dst,
                         .n_src = src ? 1 : 0,
                         .src = src,
                         .expr = {1, EJ_NEW(s->arena, ej_expr_op)},
                         .reduce = src ? EINJIT_REDUCE_SUM : EJ_REDUCE_NONE};
    int32_t parent = loop, id;
    if (!pass.expr.ops) return EINJIT_E_NOMEM;
    pass.expr.ops[0] = op;
    EJ_TRY(result_loops(s, inner, leaf, dst, &parent));
    const ej_tile *tile = &node_of(s, leaf)->tile;
    for (int32_t d = 0; d < tile->n; d++)
        if (ej_access_find(dst, tile->digits[d].axis)) pass.tile.digits[pass.tile.n++] = tile->digits[d];
    return ej_nest_leaf(s->nest, s->arena, parent, &pass, &id);
}

/* The loop takes blocks; a new one in it what it was. */
static int split_loop(sums *s, int32_t loop, int64_t iterations, int32_t leaf, ej_access *part)
{
    ej_nest_node was = *node_of(s, loop);
    ej_access sum = node_of(s, leaf)->dst;
    int dtype = s->nest->buffers[part->buffer].dtype;
    int32_t inner;
    ej_nest_node *outer = node_of(s, loop);
    outer->child = outer->last = -1;
    outer->n_placed = outer->cap_placed = 0;
    outer->placed = NULL;
    if (!ej_mul_size(was.step, iterations, &outer->step)) outer->step = INT64_MAX;
    EJ_TRY(ej_nest_place(s->nest, s->arena, loop, part->buffer));
    EJ_TRY(add_pass(s, loop, loop, leaf, part, NULL, ej_reduce_neutral(EINJIT_REDUCE_SUM, dtype)));
    EJ_TRY(ej_nest_loop(s->nest, s->arena, loop, was.axis, was.step, &inner));
    ej_nest_node *within = node_of(s, inner);
    within->child = was.child;
    within->last = was.last;
    within->n_placed = was.n_placed;
    within->cap_placed = was.cap_placed;
    within->placed = was.placed;
    EJ_TRY(note_parents(s));
    node_of(s, leaf)->dst = *part;
    return add_pass(s, loop, inner, leaf, &sum, part,
                    (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype, .a = 0});
}

/* Once more for what adds the parts up: *again is that leaf. */
static int block_leaf(sums *s, int32_t leaf, int32_t *again)
{
    int64_t iterations;
    int32_t loop = loop_to_block(s, leaf, &iterations);
    ej_access *part = EJ_NEW(s->arena, ej_access);
    ej_buffer buffer;
    bool fits;
    *again = -1;
    if (!part) return EINJIT_E_NOMEM;
    if (loop < 0) return EINJIT_OK;
    EJ_TRY(make_part(s, loop, node_of(s, leaf), part, &buffer, &fits));
    if (!fits) return EINJIT_OK;
    EJ_TRY(ej_nest_buffer(s->nest, s->arena, &buffer, &part->buffer));
    EJ_TRY(split_loop(s, loop, iterations, leaf, part));
    *again = s->nest->n_nodes - 1;
    return note_parents(s);
}

int ej_nest_block_sums(ej_nest *nest, int64_t most, ej_arena *arena)
{
    sums s = {.nest = nest, .arena = arena, .most = most};
    EJ_TRY(note_parents(&s));
    for (int32_t id = 0, n = nest->n_nodes; id < n; id++)
        for (int32_t leaf = id; leaf >= 0 && is_floating_sum(&s, node_of(&s, leaf));)
            EJ_TRY(block_leaf(&s, leaf, &leaf));
    return EINJIT_OK;
}
