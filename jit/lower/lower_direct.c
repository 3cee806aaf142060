/* lower_direct.c - results that need not wait in a buffer for whole lines.
 *
 * Takes  a loop with a LOCAL buffer: one leaf below it writes vectors of whole lines, one streaming copy reads them and
 *        writes an argument of which all rows are whole lines (stage_out of a permutation, say).
 * Gives  code for both ways: where the argument begins on a line, vectors go from registers past the caches, and the
 *        copy is left out; elsewhere they wait in the buffer. A store each tile keeps the memory busy all the time,
 *        blocks of stores do not: a transposition of 7264x7264 f32 on Zen 4 takes 22.5 ms by a buffer, 17.6 without.
 * Keeps  results: each element of the buffer is one of the argument, and nothing else touches that.
 */
#include "lower_nest.h"

enum { DIRECT_LINE = 64, DIRECT_TERMS = EJ_TILE_DIGITS };

static bool in_numbers(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 || access->terms[t].block || access->terms[t].stride.e) return false;
    return !access->base.e;
}

/* How many leaves write and read a buffer; the last of each. */
typedef struct users {
    int32_t writers, readers;
    const ej_nest_node *writer, *reader;
} users;

static users users_of(const ej_nest *nest, int32_t buffer)
{
    users u = {0};
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_nest_node *node = &nest->nodes[i];
        if (node->kind != EJ_NEST_LEAF) continue;
        if (node->dst.buffer == buffer) u.writers++, u.writer = node;
        for (int32_t s = 0; s < node->n_src; s++)
            if (node->src[s].buffer == buffer) u.readers++, u.reader = node;
    }
    return u;
}

/* A node of the copy, in which one loop is in the other. */
static bool is_in_copy(const ej_nest *nest, int32_t copy, int32_t node)
{
    for (; copy >= 0; copy = nest->nodes[copy].kind == EJ_NEST_LOOP ? nest->nodes[copy].child : -1)
        if (copy == node) return true;
    return false;
}

/* The argument's rows are whole lines, and so are the steps along them: no chunk begins inside of a line. */
static bool keeps_to_lines(const ej_lower *w, int32_t copy, const ej_access *out)
{
    const ej_nest *nest = w->nest;
    int64_t line = DIRECT_LINE / ej_dtypes[nest->buffers[out->buffer].dtype].bytes; /* elements */
    for (int32_t t = 0; t < out->n_terms; t++) {
        const ej_access_term *term = &out->terms[t];
        ej_size extent = nest->axes[term->axis].extent;
        if (term->stride.n != 1 && term->stride.n % line) return false;
        if (term->stride.n != 1) continue;
        if (extent.e || extent.n % line) return false;
        for (int32_t i = 0; i < nest->n_nodes; i++) {
            const ej_nest_node *node = &nest->nodes[i];
            bool along = node->kind == EJ_NEST_LOOP && node->axis == term->axis && !is_in_copy(nest, copy, i);
            if (along && (node->aligned || node->step % line)) return false;
        }
    }
    return true;
}

/* The leaf's lanes lie along the unit axis; what it writes there at once, vector after vector, is whole lines. */
static bool writes_lines(const ej_lower *w, const ej_nest_node *leaf, const ej_access *out)
{
    int64_t bytes = ej_dtypes[w->nest->buffers[out->buffer].dtype].bytes;
    for (int32_t d = leaf->tile.n - 1; d >= 0; d--) {
        const ej_digit *digit = &leaf->tile.digits[d];
        bool along = ej_stride_along(out, digit->axis) == 1;
        if (!along && digit->place == EJ_LANE) return false;
        if (!along) break;
        bytes *= digit->count;
    }
    return bytes % DIRECT_LINE == 0;
}

/* Where axes have more than one value below the loop, an element of the buffer is at the same place on both sides, and
 * no two are at one place. */
static bool is_one_to_one(const ej_lower *w, const ej_access *written, const ej_access *read, const ej_access *out)
{
    int64_t stride[DIRECT_TERMS], most[DIRECT_TERMS], end = 1;
    int32_t n = 0;
    if (written->base.n != read->base.n) return false;
    for (int32_t t = 0; t < out->n_terms; t++) {
        int32_t axis = out->terms[t].axis;
        if (w->ranges[axis].count == 1) continue;
        int64_t there = ej_stride_along(read, axis);
        if (there <= 0 || there != ej_stride_along(written, axis) || n == DIRECT_TERMS) return false;
        int32_t i = n++;
        for (; i > 0 && stride[i - 1] > there; i--) stride[i] = stride[i - 1], most[i] = most[i - 1];
        stride[i] = there;
        most[i] = w->ranges[axis].most;
    }
    for (int32_t i = 0; i < n; i++) {
        if (stride[i] < end || most[i] > INT32_MAX || stride[i] > INT32_MAX) return false;
        end = stride[i] * most[i];
    }
    return true;
}

/* An axis of the buffer that the argument does not have would be written over. */
static bool has_axes_of(const ej_lower *w, const ej_access *out, const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        if (term->stride.n && w->ranges[term->axis].count != 1 && !ej_stride_along(out, term->axis)) return false;
    }
    return true;
}

static bool need_not_wait(const ej_lower *w, int32_t buffer, const users *u, int32_t copy)
{
    const ej_nest *nest = w->nest;
    if (copy < 0 || u->writer->when.kind != EJ_WHEN_ALWAYS || !ej_is_streamed_copy(w, u->reader)) return false;
    const ej_access *written = &u->writer->dst, *read = &u->reader->src[0], *out = &u->reader->dst;
    users of_out = users_of(nest, out->buffer);
    if (nest->buffers[out->buffer].home != EJ_HOME_ARG || of_out.writers != 1 || of_out.readers) return false;
    if (nest->buffers[buffer].dtype == EINJIT_BOOL || ej_dtype_is_complex(nest->buffers[buffer].dtype)) return false;
    if (u->writer->reduce != EJ_REDUCE_NONE) return false;
    if (!in_numbers(written) || !in_numbers(read) || !in_numbers(out)) return false;
    return keeps_to_lines(w, copy, out) && writes_lines(w, u->writer, out) && is_one_to_one(w, written, read, out) &&
           has_axes_of(w, out, written) && has_axes_of(w, out, read);
}

/* A loop that runs in every case, around one node and no buffer. */
static bool holds_one_node(const ej_nest *nest, int32_t id)
{
    const ej_nest_node *node = &nest->nodes[id];
    if (node->kind != EJ_NEST_LOOP || node->when.kind != EJ_WHEN_ALWAYS || node->n_placed) return false;
    return node->child >= 0 && nest->nodes[node->child].next < 0;
}

/* The child of a loop that holds nothing but the leaf; -1: there is none. */
static int32_t child_with(const ej_nest *nest, int32_t loop, const ej_nest_node *leaf)
{
    for (int32_t id = nest->nodes[loop].child; id >= 0; id = nest->nodes[id].next) {
        int32_t in = id;
        while (holds_one_node(nest, in)) in = nest->nodes[in].child;
        if (&nest->nodes[in] == leaf) return leaf->when.kind == EJ_WHEN_ALWAYS ? id : -1;
    }
    return -1;
}

void ej_direct_begin(ej_lower *w, int32_t loop, int32_t buffer)
{
    LLVMBuilderRef b = w->e->builder;
    w->direct[buffer] = (ej_direct){.copy = -1};
    if (w->nest->buffers[buffer].home != EJ_HOME_LOCAL) return;
    users u = users_of(w->nest, buffer);
    if (u.writers != 1 || u.readers != 1) return;
    int32_t copy = child_with(w->nest, loop, u.reader);
    if (!need_not_wait(w, buffer, &u, copy)) return;
    const ej_access *out = &u.reader->dst;
    LLVMValueRef at = ej_lower_offset(w, ej_lower_base(w, out->buffer), ej_lower_element(w, out->buffer, out->base),
                                      ej_dtypes[w->nest->buffers[out->buffer].dtype].bytes, "");
    LLVMValueRef past = LLVMBuildAnd(b, LLVMBuildPtrToInt(b, at, w->m->i64, ""), ej_lower_i64(w, DIRECT_LINE - 1), "");
    w->direct[buffer] =
        (ej_direct){.copy = copy, .out = out, .waits = LLVMBuildICmp(b, LLVMIntNE, past, ej_lower_i64(w, 0), "waits")};
}

LLVMValueRef ej_direct_condition(const ej_lower *w, int32_t node)
{
    for (int32_t i = 0; i < w->nest->n_buffers; i++)
        if (w->direct[i].out && w->direct[i].copy == node) return w->direct[i].waits;
    return NULL;
}

/* The element of the argument at the los of the current ranges. */
static LLVMValueRef place_of(ej_lower *w, const ej_access *out)
{
    LLVMValueRef element = ej_lower_element(w, out->buffer, out->base);
    for (int32_t t = 0; t < out->n_terms; t++) {
        const ej_access_term *term = &out->terms[t];
        LLVMValueRef moved = ej_lower_mul(w, w->ranges[term->axis].lo, ej_lower_size(w, term->stride), "");
        element = ej_lower_add(w, element, moved, "");
    }
    int64_t bytes = ej_dtypes[w->nest->buffers[out->buffer].dtype].bytes;
    return ej_lower_offset(w, ej_lower_base(w, out->buffer), element, bytes, "");
}

bool ej_lower_direct(ej_leaf *leaf, ej_tape *tape)
{
    ej_lower *w = leaf->w;
    const ej_direct *direct = &w->direct[leaf->node->dst.buffer];
    if (!direct->out) return false;
    ej_at at = {.access = direct->out, .pointer = place_of(w, direct->out)};
    ej_leaf_access there, here = leaf->dst;
    if (!ej_leaf_read_access(leaf, &there, &at)) return true;
    leaf->dst = there;
    ej_lower_streamed_unless(leaf, tape, direct->waits, &here);
    leaf->dst = here;
    return true;
}
