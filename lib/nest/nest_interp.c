/* nest_interp.c - runs a nest element by element: what a tree means, and the backend of machines without executable
 * memory.
 *
 * Takes  a checked nest, the memory of its buffers, the values of the sizes' atoms.
 * Gives  the outputs. Fresh LOCAL and REG buffers are filled with 0xff bytes, so that contents that should have been
 *        written before they are read show as NaN or -1.
 * Keeps  the order of the loops; a leaf runs its axes in ascending order, the last one fastest. Tiles do not matter.
 * Not here: the functions (nest_scalar.c).
 */
#include "nest.h"

#include <stdlib.h>
#include <string.h>

typedef struct run_term {
    int32_t axis, table;
    int64_t stride, tbase, tstride, block, block_stride;
    const int64_t *origin, *table_origin; /* where the axis stood at the placement; NULL: counted from 0 */
} run_term;

typedef struct run_access {
    int32_t buffer, n_terms;
    int64_t base;
    run_term *terms;
    const run_term *inner; /* of the leaf's last axis, or NULL */
    int64_t fixed;         /* base and all the other terms, for the current values of the other axes */
} run_access;

typedef struct run_leaf {
    int32_t n_axes;
    int32_t *axes;        /* ascending */
    run_access *accesses; /* dst, then the sources */
} run_leaf;

typedef struct run_buffer {
    char *data;
    int64_t elems;    /* -1: not known here (arguments) */
    int64_t *origins; /* LOCAL, REG: lo of every axis at the placement */
    int dtype;
    size_t bytes; /* of one element */
} run_buffer;

typedef struct run_frame { /* a loop that is running */
    int32_t node;
    int64_t lo, hi; /* the range around it */
} run_frame;

typedef struct run {
    const ej_nest *nest;
    const ej_interp_memory *memory;
    ej_arena *arena;
    einjit_error *err;
    run_buffer *buffers;
    run_leaf *leaves; /* by node */
    int64_t *lo, *hi; /* current ranges by axis */
    int64_t *extents;
    int64_t *value;     /* current values by axis, inside of a leaf */
    ej_scalar *results; /* of an expression's ops */
    run_frame *frames;
} run;

static int64_t wrapping_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* ---- before the first loop: sizes become numbers, buffers become pointers ---- */

static int size_value(const run *r, ej_size size, int64_t *out)
{
    *out = size.n;
    if (!size.e) return EINJIT_OK;
    if (r->memory->sizes && r->memory->atoms && ej_size_evaluate(r->memory->sizes, size, r->memory->atoms, out))
        return EINJIT_OK;
    return ej_fail(r->err, EINJIT_E_SIZE, "a size of nest '%s' has no value", r->nest->name ? r->nest->name : "");
}

static int prepare_buffer(run *r, int32_t id)
{
    const ej_buffer *buffer = &r->nest->buffers[id];
    run_buffer *b = &r->buffers[id];
    int64_t offset = 0;
    b->dtype = buffer->dtype;
    b->bytes = einjit_dtype_bytes(buffer->dtype);
    b->elems = -1;
    if (buffer->home == EJ_HOME_ARG) {
        b->data = r->memory->data[buffer->slot];
        return EINJIT_OK;
    }
    EJ_TRY(size_value(r, buffer->elems, &b->elems));
    if (b->elems < 0) return ej_fail(r->err, EINJIT_E_INTERNAL, "buffer %d has a negative size", (int)id);
    if (buffer->home == EJ_HOME_CONST) {
        b->data = (char *)(uintptr_t)r->memory->constants[buffer->slot].data; /* the check lets no leaf write it */
    } else if (buffer->home == EJ_HOME_SCRATCH) {
        EJ_TRY(size_value(r, buffer->offset_bytes, &offset));
        b->data = (char *)r->memory->scratch + offset;
    } else if (buffer->home == EJ_HOME_COUNT) {
        int64_t *numbers = EJ_NEW_ARRAY(r->arena, int64_t, (size_t)b->elems);
        if (!numbers) return ej_no_memory(r->err);
        for (int64_t i = 0; i < b->elems; i++) numbers[i] = i;
        b->data = (char *)numbers;
    } else {
        b->data = ej_arena_new(r->arena, (size_t)b->elems, b->bytes);
        b->origins = EJ_NEW_ARRAY(r->arena, int64_t, (size_t)r->nest->n_axes + 1);
        if (!b->data || !b->origins) return ej_no_memory(r->err);
    }
    return EINJIT_OK;
}

static const int64_t *origin_of(const run *r, int32_t buffer, int32_t axis)
{
    return r->buffers[buffer].origins ? &r->buffers[buffer].origins[axis] : NULL;
}

static int prepare_access(run *r, const ej_access *access, run_access *out)
{
    out->buffer = access->buffer;
    out->n_terms = access->n_terms;
    out->terms = EJ_NEW_ARRAY(r->arena, run_term, (size_t)access->n_terms);
    if (!out->terms) return ej_no_memory(r->err);
    EJ_TRY(size_value(r, access->base, &out->base));
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *from = &access->terms[t];
        run_term *to = &out->terms[t];
        *to = (run_term){.axis = from->axis, .table = from->table, .block = from->block};
        EJ_TRY(size_value(r, from->stride, &to->stride));
        EJ_TRY(size_value(r, from->block_stride, &to->block_stride));
        EJ_TRY(size_value(r, from->tbase, &to->tbase));
        EJ_TRY(size_value(r, from->tstride, &to->tstride));
        to->origin = origin_of(r, access->buffer, from->axis);
        to->table_origin = from->table >= 0 ? origin_of(r, from->table, from->axis) : NULL;
    }
    return EINJIT_OK;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The axes that a leaf's accesses name, once each, ascending. */
static int collect_axes(run *r, run_leaf *leaf, int32_t n_accesses)
{
    size_t n = 0;
    for (int32_t i = 0; i < n_accesses; i++) n += (size_t)leaf->accesses[i].n_terms;
    leaf->axes = EJ_NEW_ARRAY(r->arena, int32_t, n);
    if (!leaf->axes) return ej_no_memory(r->err);
    n = 0;
    for (int32_t i = 0; i < n_accesses; i++)
        for (int32_t t = 0; t < leaf->accesses[i].n_terms; t++) leaf->axes[n++] = leaf->accesses[i].terms[t].axis;
    if (n) qsort(leaf->axes, n, sizeof *leaf->axes, compare_ids);
    for (size_t i = 0; i < n; i++)
        if (!i || leaf->axes[i] != leaf->axes[i - 1]) leaf->axes[leaf->n_axes++] = leaf->axes[i];
    return EINJIT_OK;
}

static int prepare_leaf(run *r, int32_t id)
{
    const ej_nest_node *node = &r->nest->nodes[id];
    run_leaf *leaf = &r->leaves[id];
    leaf->accesses = EJ_NEW_ARRAY(r->arena, run_access, (size_t)node->n_src + 1);
    if (!leaf->accesses) return ej_no_memory(r->err);
    EJ_TRY(prepare_access(r, &node->dst, &leaf->accesses[0]));
    for (int32_t s = 0; s < node->n_src; s++) EJ_TRY(prepare_access(r, &node->src[s], &leaf->accesses[s + 1]));
    EJ_TRY(collect_axes(r, leaf, node->n_src + 1));
    int32_t last = leaf->n_axes ? leaf->axes[leaf->n_axes - 1] : -1;
    for (int32_t i = 0; i <= node->n_src; i++)
        for (int32_t t = 0; t < leaf->accesses[i].n_terms; t++)
            if (leaf->accesses[i].terms[t].axis == last) leaf->accesses[i].inner = &leaf->accesses[i].terms[t];
    return EINJIT_OK;
}

static int64_t end_of_pieces(int64_t pieces, int64_t step, int64_t extent)
{
    return pieces < extent / step + (extent % step != 0) ? pieces * step : extent;
}

static void choose_pieces(run *r)
{
    const ej_nest_cut *cut = &r->nest->cut;
    const int64_t *pieces = r->memory->pieces;
    if (cut->axis < 0 || !pieces) return;
    r->lo[cut->axis] = end_of_pieces(pieces[0], cut->step, r->extents[cut->axis]);
    r->hi[cut->axis] = end_of_pieces(pieces[1], cut->step, r->extents[cut->axis]);
}

static int prepare(run *r)
{
    const ej_nest *nest = r->nest;
    size_t n_axes = (size_t)nest->n_axes, n_nodes = (size_t)nest->n_nodes;
    int32_t longest = 0;
    r->buffers = EJ_NEW_ARRAY(r->arena, run_buffer, (size_t)nest->n_buffers);
    r->leaves = EJ_NEW_ARRAY(r->arena, run_leaf, n_nodes);
    r->frames = EJ_NEW_ARRAY(r->arena, run_frame, n_nodes);
    r->lo = EJ_NEW_ARRAY(r->arena, int64_t, n_axes);
    r->hi = EJ_NEW_ARRAY(r->arena, int64_t, n_axes);
    r->extents = EJ_NEW_ARRAY(r->arena, int64_t, n_axes);
    r->value = EJ_NEW_ARRAY(r->arena, int64_t, n_axes);
    if (!r->buffers || !r->leaves || !r->frames || !r->lo || !r->hi || !r->extents || !r->value)
        return ej_no_memory(r->err);
    for (int32_t a = 0; a < nest->n_axes; a++) {
        EJ_TRY(size_value(r, nest->axes[a].extent, &r->extents[a]));
        r->hi[a] = r->extents[a];
    }
    choose_pieces(r);
    for (int32_t b = 0; b < nest->n_buffers; b++) EJ_TRY(prepare_buffer(r, b));
    for (int32_t id = 0; id < nest->n_nodes; id++) {
        if (nest->nodes[id].kind != EJ_NEST_LEAF) continue;
        EJ_TRY(prepare_leaf(r, id));
        if (nest->nodes[id].expr.n > longest) longest = nest->nodes[id].expr.n;
    }
    r->results = EJ_NEW_ARRAY(r->arena, ej_scalar, (size_t)longest);
    return r->results ? EINJIT_OK : ej_no_memory(r->err);
}

/* ---- one element ---- */

static int outside(const run *r, int32_t buffer, int64_t element)
{
    const char *name = r->nest->buffers[buffer].name;
    return ej_fail(r->err, EINJIT_E_INTERNAL, "nest '%s': element %lld of buffer '%s', which has %lld",
                   r->nest->name ? r->nest->name : "", (long long)element, name ? name : "?",
                   (long long)r->buffers[buffer].elems);
}

static int element_at(const run *r, int32_t buffer, int64_t element, char **out)
{
    const run_buffer *b = &r->buffers[buffer];
    if (b->elems >= 0 && (element < 0 || element >= b->elems)) return outside(r, buffer, element);
    *out = b->data + element * (int64_t)b->bytes;
    return EINJIT_OK;
}

static int table_value(const run *r, const run_term *term, int64_t value, int64_t *out)
{
    char *at = NULL;
    if (term->table_origin) value -= *term->table_origin;
    EJ_TRY(element_at(r, term->table, wrapping_add(term->tbase, wrapping_mul(term->tstride, value)), &at));
    *out = ej_scalar_load(r->buffers[term->table].dtype, at).integer;
    return EINJIT_OK;
}

static int add_term(const run *r, const run_term *term, int64_t *element)
{
    int64_t value = r->value[term->axis];
    if (term->table >= 0) EJ_TRY(table_value(r, term, value, &value));
    else if (term->origin) value -= *term->origin;
    if (term->block > 0) {
        *element = wrapping_add(*element, wrapping_mul(term->block_stride, value / term->block));
        value %= term->block;
    }
    *element = wrapping_add(*element, wrapping_mul(term->stride, value));
    return EINJIT_OK;
}

static int fix_access(const run *r, run_access *access)
{
    access->fixed = access->base;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (&access->terms[t] != access->inner) EJ_TRY(add_term(r, &access->terms[t], &access->fixed));
    return EINJIT_OK;
}

static int locate(const run *r, const run_access *access, char **out)
{
    int64_t element = access->fixed;
    if (access->inner) EJ_TRY(add_term(r, access->inner, &element));
    return element_at(r, access->buffer, element, out);
}

static int source_value(const run *r, const run_leaf *leaf, int32_t source, ej_scalar *out)
{
    const run_access *access = &leaf->accesses[source + 1];
    char *at = NULL;
    EJ_TRY(locate(r, access, &at));
    *out = ej_scalar_load(r->buffers[access->buffer].dtype, at);
    return EINJIT_OK;
}

static ej_scalar constant_value(const ej_expr_op *op)
{
    ej_scalar value = {op->re, op->im, op->integer};
    return ej_scalar_cast(op->dtype, op->dtype, value);
}

static ej_scalar fn_value(const run *r, const ej_expr *expr, const ej_expr_op *op)
{
    static const ej_scalar none = {0};
    int arity = ej_fns[op->fn].arity;
    int dtype_in = op->fn == EJ_FN_WHERE ? op->dtype : expr->ops[op->a].dtype;
    return ej_scalar_fn(op->fn, dtype_in, op->dtype, r->results[op->a], arity > 1 ? r->results[op->b] : none,
                        arity > 2 ? r->results[op->c] : none);
}

static int evaluate(const run *r, const ej_expr *expr, const run_leaf *leaf, ej_scalar *out)
{
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        switch (op->kind) {
        case EJ_EXPR_SOURCE: EJ_TRY(source_value(r, leaf, op->a, &r->results[i])); break;
        case EJ_EXPR_CONST: r->results[i] = constant_value(op); break;
        case EJ_EXPR_CAST: r->results[i] = ej_scalar_cast(expr->ops[op->a].dtype, op->dtype, r->results[op->a]); break;
        default: r->results[i] = fn_value(r, expr, op);
        }
    }
    *out = r->results[expr->n - 1];
    return EINJIT_OK;
}

static int run_element(const run *r, const ej_nest_node *node, const run_leaf *leaf)
{
    ej_scalar value;
    char *at = NULL;
    int dtype = r->buffers[node->dst.buffer].dtype;
    EJ_TRY(evaluate(r, &node->expr, leaf, &value));
    EJ_TRY(locate(r, &leaf->accesses[0], &at));
    if (node->reduce != EJ_REDUCE_NONE) value = ej_scalar_reduce(node->reduce, dtype, ej_scalar_load(dtype, at), value);
    ej_scalar_store(dtype, at, value);
    return EINJIT_OK;
}

/* ---- leaves and loops ---- */

/* The next values of all axes but the last; false behind the end. */
static bool next_row(run *r, const run_leaf *leaf)
{
    for (int32_t i = leaf->n_axes - 2; i >= 0; i--) {
        int32_t axis = leaf->axes[i];
        if (++r->value[axis] < r->hi[axis]) return true;
        r->value[axis] = r->lo[axis];
    }
    return false;
}

static int run_row(run *r, const ej_nest_node *node, run_leaf *leaf)
{
    for (int32_t i = 0; i <= node->n_src; i++) EJ_TRY(fix_access(r, &leaf->accesses[i]));
    if (!leaf->n_axes) return run_element(r, node, leaf);
    int32_t last = leaf->axes[leaf->n_axes - 1];
    for (r->value[last] = r->lo[last]; r->value[last] < r->hi[last]; r->value[last]++)
        EJ_TRY(run_element(r, node, leaf));
    return EINJIT_OK;
}

/* FIRST and LAST over all axes that `when` names. */
static bool is_when(const run *r, const ej_when *when)
{
    bool first = true, last = true;
    for (int32_t i = 0; i < when->n; i++) {
        first = first && r->lo[when->axes[i]] == 0;
        last = last && r->hi[when->axes[i]] == r->extents[when->axes[i]];
    }
    switch (when->kind) {
    case EJ_WHEN_FIRST: return first;
    case EJ_WHEN_LATER: return !first;
    case EJ_WHEN_LAST: return last;
    case EJ_WHEN_EARLIER: return !last;
    default: return true;
    }
}

static int run_a_leaf(run *r, int32_t id)
{
    run_leaf *leaf = &r->leaves[id];
    for (int32_t i = 0; i < leaf->n_axes; i++) {
        int32_t axis = leaf->axes[i];
        if (r->lo[axis] >= r->hi[axis]) return EINJIT_OK;
        r->value[axis] = r->lo[axis];
    }
    do EJ_TRY(run_row(r, &r->nest->nodes[id], leaf));
    while (next_row(r, leaf));
    return EINJIT_OK;
}

static void place(const run *r, const int32_t *placed, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        run_buffer *b = &r->buffers[placed[i]];
        memset(b->data, 0xff, (size_t)b->elems * b->bytes);
        if (r->nest->n_axes) memcpy(b->origins, r->lo, (size_t)r->nest->n_axes * sizeof *r->lo);
    }
}

/* The chunk of a loop that begins at `lo`; the first node inside of it. */
static int32_t begin_chunk(run *r, const run_frame *frame, int64_t lo)
{
    const ej_nest_node *loop = &r->nest->nodes[frame->node];
    r->lo[loop->axis] = lo;
    r->hi[loop->axis] = frame->hi - lo < loop->step ? frame->hi : lo + loop->step;
    place(r, loop->placed, loop->n_placed);
    return loop->child;
}

/* Behind the last child: the next chunk, or the node behind the loop, whose range is then what it was. */
static int32_t end_chunk(run *r, int32_t *depth)
{
    const run_frame *frame = &r->frames[*depth - 1];
    const ej_nest_node *loop = &r->nest->nodes[frame->node];
    if (r->hi[loop->axis] < frame->hi) return begin_chunk(r, frame, r->hi[loop->axis]);
    r->lo[loop->axis] = frame->lo;
    r->hi[loop->axis] = frame->hi;
    --*depth;
    return loop->next;
}

int ej_nest_interpret(const ej_nest *nest, const ej_interp_memory *memory, ej_arena *arena, einjit_error *err)
{
    run r = {.nest = nest, .memory = memory, .arena = arena, .err = err};
    EJ_TRY(prepare(&r));
    place(&r, nest->placed, nest->n_placed);
    int32_t depth = 0, id = nest->root;
    while (id >= 0 || depth > 0) {
        if (id < 0) {
            id = end_chunk(&r, &depth);
        } else if (!is_when(&r, &nest->nodes[id].when)) {
            id = nest->nodes[id].next;
        } else if (nest->nodes[id].kind == EJ_NEST_LEAF) {
            EJ_TRY(run_a_leaf(&r, id));
            id = nest->nodes[id].next;
        } else {
            int32_t axis = nest->nodes[id].axis;
            if (r.lo[axis] >= r.hi[axis]) {
                id = nest->nodes[id].next;
                continue;
            }
            r.frames[depth] = (run_frame){id, r.lo[axis], r.hi[axis]};
            id = begin_chunk(&r, &r.frames[depth++], r.lo[axis]);
        }
    }
    return EINJIT_OK;
}
