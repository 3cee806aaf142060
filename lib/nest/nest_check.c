/* nest_check.c - is this tree a legal one? Nodes, placements and accesses; tiles and expressions in their own files.
 *
 * Takes  any nest, also one that was read from a text.
 * Gives  E_INTERNAL that names the node, or EINJIT_OK: then the interpreter and the code generator trust every index.
 * Not here: whether contents are written before they are read (the interpreter's fresh buffers show that).
 */
#include "nest_check.h"
#include "nest_cut.h"

#include <stdarg.h>
#include <stdio.h>

int ej_check_fail(const ej_check *c, int32_t node, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = c->nest->name ? c->nest->name : "";
    if (node < 0) return ej_fail(c->err, EINJIT_E_INTERNAL, "nest '%.60s': %s", name, text);
    return ej_fail(c->err, EINJIT_E_INTERNAL, "nest '%.60s', node %d: %s", name, (int)node, text);
}

const ej_access *ej_check_access(const ej_nest_node *leaf, int32_t i)
{
    return i < 0 ? &leaf->dst : &leaf->src[i];
}

static bool is_placed_home(int home)
{
    return home == EJ_HOME_LOCAL || home == EJ_HOME_REG;
}

/* ---- declarations ---- */

static int check_declarations(const ej_check *c)
{
    const ej_nest *nest = c->nest;
    for (int32_t a = 0; a < nest->n_axes; a++) {
        if (nest->axes[a].run > EJ_RUN_REDUCED) return ej_check_fail(c, -1, "axis %d runs in no known way", (int)a);
        if (nest->axes[a].extent.n < 0) return ej_check_fail(c, -1, "axis %d has a negative extent", (int)a);
    }
    for (int32_t b = 0; b < nest->n_buffers; b++) {
        const ej_buffer *buffer = &nest->buffers[b];
        if (buffer->home > EJ_HOME_COUNT) return ej_check_fail(c, -1, "buffer %d has no home", (int)b);
        if (!ej_dtype_valid(buffer->dtype)) return ej_check_fail(c, -1, "buffer %d has no dtype", (int)b);
        bool slot = buffer->home == EJ_HOME_ARG || buffer->home == EJ_HOME_CONST;
        if (slot && buffer->slot < 0) return ej_check_fail(c, -1, "buffer %d has no slot", (int)b);
        if (buffer->home == EJ_HOME_REG && (buffer->elems.e || buffer->elems.n < 1 || buffer->elems.n > 65536))
            return ej_check_fail(c, -1, "register buffer %d must have from 1 to 65536 elements", (int)b);
        if (buffer->elems.n < 0) return ej_check_fail(c, -1, "buffer %d has a negative size", (int)b);
        if (buffer->home == EJ_HOME_COUNT && (buffer->dtype != EINJIT_I64 || buffer->is_table))
            return ej_check_fail(c, -1, "buffer %d of numbers is no i64, or a table", (int)b);
    }
    return EINJIT_OK;
}

/* Every node is reached exactly once, so that a walk ends. */
static int check_links(const ej_check *c)
{
    const ej_nest *nest = c->nest;
    size_t n = (size_t)nest->n_nodes;
    bool *seen = EJ_NEW_ARRAY(c->arena, bool, n);
    int32_t *stack = EJ_NEW_ARRAY(c->arena, int32_t, n + 2), depth = 0, reached = 0;
    if (!seen || !stack) return ej_no_memory(c->err);
    stack[depth++] = nest->root;
    while (depth > 0) {
        int32_t id = stack[--depth];
        if (id == -1) continue;
        if (id < 0 || id >= nest->n_nodes) return ej_check_fail(c, -1, "there is no node %d", (int)id);
        if (seen[id]) return ej_check_fail(c, id, "the node has two places in the tree");
        seen[id] = true;
        reached++;
        if (nest->nodes[id].kind > EJ_NEST_LEAF) return ej_check_fail(c, id, "neither a loop nor a leaf");
        stack[depth++] = nest->nodes[id].next;
        if (nest->nodes[id].kind == EJ_NEST_LOOP) stack[depth++] = nest->nodes[id].child;
    }
    if (reached == nest->n_nodes) return EINJIT_OK;
    return ej_check_fail(c, -1, "%d nodes are not in the tree", (int)(nest->n_nodes - reached));
}

/* ---- placements ---- */

static int place(ej_check *c, int32_t node, const int32_t *placed, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (placed[i] < 0 || placed[i] >= c->nest->n_buffers)
            return ej_check_fail(c, node, "there is no buffer %d to place", (int)placed[i]);
        ej_check_buffer *b = &c->buffers[placed[i]];
        const ej_buffer *buffer = &c->nest->buffers[placed[i]];
        if (!is_placed_home(buffer->home)) return ej_check_fail(c, node, "buffer %d is not placed", (int)placed[i]);
        if (b->times_placed++) return ej_check_fail(c, node, "buffer %d is placed twice", (int)placed[i]);
        b->depth = c->depth;
        b->bounds = EJ_NEW_ARRAY(c->arena, int64_t, (size_t)c->nest->n_axes);
        if (!b->bounds) return ej_no_memory(c->err);
        for (int32_t a = 0; a < c->nest->n_axes; a++) b->bounds[a] = c->bounds[a];
        if (buffer->home != EJ_HOME_REG) continue;
        b->lead = EJ_NEW_ARRAY(c->arena, int32_t, (size_t)buffer->elems.n);
        b->lane = EJ_NEW_ARRAY(c->arena, int32_t, (size_t)buffer->elems.n);
        if (!b->lead || !b->lane) return ej_no_memory(c->err);
        for (int64_t e = 0; e < buffer->elems.n; e++) b->lead[e] = -1;
    }
    return EINJIT_OK;
}

static int check_buffer_use(const ej_check *c, int32_t node, int32_t buffer)
{
    if (buffer < 0 || buffer >= c->nest->n_buffers) return ej_check_fail(c, node, "there is no buffer %d", (int)buffer);
    if (is_placed_home(c->nest->buffers[buffer].home) && c->buffers[buffer].depth < 0)
        return ej_check_fail(c, node, "buffer %d is used outside of where it is placed", (int)buffer);
    return EINJIT_OK;
}

/* ---- accesses ---- */

/* The range of axis values an access to the buffer may count, at most. */
static int64_t longest_range(const ej_check *c, int32_t buffer, int32_t axis)
{
    return c->buffers[buffer].bounds ? c->buffers[buffer].bounds[axis] : c->bounds[axis];
}

static bool scaled_sum(int64_t *sum, int64_t stride, int64_t count)
{
    int64_t product;
    if (stride < 0) {
        if (stride == INT64_MIN || !ej_mul_size(-stride, count, &product)) return false;
        product = -product;
    } else if (!ej_mul_size(stride, count, &product)) {
        return false;
    }
    if (product > 0 ? *sum > INT64_MAX - product : *sum < INT64_MIN - product) return false;
    *sum += product;
    return true;
}

/* Elements from *low to *high, where numbers say so: false where they do not. */
static bool element_range(const ej_check *c, const ej_access *access, int64_t *low, int64_t *high)
{
    *low = *high = access->base.n;
    if (access->base.e) return false;
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        int64_t most = longest_range(c, access->buffer, term->axis);
        if (term->stride.e || term->block_stride.e || term->table >= 0 || most == INT64_MAX) return false;
        if (most == 0) most = 1;
        int64_t in_block = term->block > 0 && term->block < most ? term->block : most;
        if (!scaled_sum(term->stride.n < 0 ? low : high, term->stride.n, in_block - 1)) return false;
        if (term->block <= 0) continue;
        if (!scaled_sum(term->block_stride.n < 0 ? low : high, term->block_stride.n, (most - 1) / term->block))
            return false;
    }
    return true;
}

static int check_bounds(const ej_check *c, int32_t node, const ej_access *access)
{
    int64_t low, high;
    const ej_buffer *buffer = &c->nest->buffers[access->buffer];
    if (!is_placed_home(buffer->home) || buffer->elems.e || !element_range(c, access, &low, &high)) return EINJIT_OK;
    if (low >= 0 && high < buffer->elems.n) return EINJIT_OK;
    return ej_check_fail(c, node, "elements %lld to %lld of buffer %d, which has %lld", (long long)low, (long long)high,
                         (int)access->buffer, (long long)buffer->elems.n);
}

static int check_term(ej_check *c, int32_t node, const ej_access_term *term)
{
    if (term->axis < 0 || term->axis >= c->nest->n_axes)
        return ej_check_fail(c, node, "there is no axis %d", (int)term->axis);
    if (c->mark[term->axis] == c->stamp)
        return ej_check_fail(c, node, "axis %d is in two terms of one access", (int)term->axis);
    c->mark[term->axis] = c->stamp;
    if (term->block < 0) return ej_check_fail(c, node, "a block of %lld", (long long)term->block);
    if (term->table < 0) return EINJIT_OK;
    EJ_TRY(check_buffer_use(c, node, term->table));
    const ej_buffer *table = &c->nest->buffers[term->table];
    if (table->dtype != EINJIT_I32 && table->dtype != EINJIT_I64)
        return ej_check_fail(c, node, "buffer %d is a table of %s", (int)term->table, einjit_dtype_name(table->dtype));
    if (table->home == EJ_HOME_REG) return ej_check_fail(c, node, "table %d lies in registers", (int)term->table);
    if (term->block) return ej_check_fail(c, node, "axis %d has a block and a table", (int)term->axis);
    return EINJIT_OK;
}

static int check_access(ej_check *c, int32_t node, const ej_access *access)
{
    EJ_TRY(check_buffer_use(c, node, access->buffer));
    c->stamp++;
    for (int32_t t = 0; t < access->n_terms; t++) EJ_TRY(check_term(c, node, &access->terms[t]));
    return check_bounds(c, node, access);
}

static bool is_reducer(int reduce)
{
    return reduce == EJ_REDUCE_NONE || reduce == EINJIT_REDUCE_SUM || reduce == EINJIT_REDUCE_PROD ||
           reduce == EINJIT_REDUCE_MAX || reduce == EINJIT_REDUCE_MIN || reduce == EINJIT_REDUCE_OR;
}

static int check_when(const ej_check *c, int32_t id)
{
    const ej_when *when = &c->nest->nodes[id].when;
    if (when->kind > EJ_WHEN_EARLIER) return ej_check_fail(c, id, "it runs at no known times");
    if ((when->kind == EJ_WHEN_ALWAYS) != (when->n == 0))
        return ej_check_fail(c, id, "it names %d axes for when it runs", (int)when->n);
    for (int32_t i = 0; i < when->n; i++)
        if (when->axes[i] < 0 || when->axes[i] >= c->nest->n_axes)
            return ej_check_fail(c, id, "there is no axis %d to ask when it runs", (int)when->axes[i]);
    return EINJIT_OK;
}

static int check_hints(ej_check *c, int32_t id)
{
    const ej_nest_node *leaf = &c->nest->nodes[id];
    const ej_leaf_hints *hints = &leaf->hints;
    bool memory = c->nest->buffers[leaf->dst.buffer].home != EJ_HOME_REG;
    if (hints->stream && (leaf->reduce != EJ_REDUCE_NONE || !memory))
        return ej_check_fail(c, id, "only moves to memory go past the caches");
    if (hints->rows < 0 || hints->rows > EJ_HINT_ROWS)
        return ej_check_fail(c, id, "it prefetches %d entries ahead", (int)hints->rows);
    if (!hints->ahead) return hints->far ? ej_check_fail(c, id, "it prefetches nothing to the L2") : EINJIT_OK;
    if (hints->ahead < 0 || hints->ahead > EJ_HINT_AHEAD)
        return ej_check_fail(c, id, "it prefetches %lld bytes ahead", (long long)hints->ahead);
    if (hints->source == EJ_HINT_ALL) return EINJIT_OK;
    if (hints->source < 0 || hints->source >= leaf->n_src)
        return ej_check_fail(c, id, "there is no source %d to prefetch", (int)hints->source);
    if (c->nest->buffers[leaf->src[hints->source].buffer].home == EJ_HOME_REG)
        return ej_check_fail(c, id, "it prefetches registers");
    return EINJIT_OK;
}

static int check_leaf(ej_check *c, int32_t id)
{
    const ej_nest_node *leaf = &c->nest->nodes[id];
    if (!is_reducer(leaf->reduce)) return ej_check_fail(c, id, "no such reduction in a leaf: %d", (int)leaf->reduce);
    for (int32_t i = -1; i < leaf->n_src; i++) EJ_TRY(check_access(c, id, ej_check_access(leaf, i)));
    int home = c->nest->buffers[leaf->dst.buffer].home;
    if (home == EJ_HOME_CONST || home == EJ_HOME_COUNT) return ej_check_fail(c, id, "it writes a constant");
    int dtype = c->nest->buffers[leaf->dst.buffer].dtype;
    if (leaf->reduce != EJ_REDUCE_NONE && ej_dtypes[dtype].computes != dtype)
        return ej_check_fail(c, id, "it reduces in %s, which is no dtype to compute with", einjit_dtype_name(dtype));
    EJ_TRY(ej_check_expr(c, id));
    EJ_TRY(check_hints(c, id));
    if (leaf->pairs && (leaf->reduce != EINJIT_REDUCE_SUM || ej_expr_pairs_of(&leaf->expr) < 0))
        return ej_check_fail(c, id, "it takes in pairs what are no products of bf16 or short integers");
    EJ_TRY(ej_check_tile(c, id));
    return ej_check_registers(c, id);
}

/* ---- the walk ---- */

static int enter_loop(ej_check *c, int32_t id)
{
    const ej_nest_node *loop = &c->nest->nodes[id];
    if (loop->axis < 0 || loop->axis >= c->nest->n_axes)
        return ej_check_fail(c, id, "there is no axis %d to loop over", (int)loop->axis);
    if (loop->step < 1) return ej_check_fail(c, id, "a step of %lld", (long long)loop->step);
    c->frames[c->depth++] = (ej_check_frame){id, c->bounds[loop->axis], c->loop_depth[loop->axis]};
    if (loop->step < c->bounds[loop->axis]) c->bounds[loop->axis] = loop->step;
    c->loop_depth[loop->axis] = c->depth;
    return place(c, id, loop->placed, loop->n_placed);
}

static int32_t leave_loop(ej_check *c)
{
    const ej_check_frame *frame = &c->frames[--c->depth];
    const ej_nest_node *loop = &c->nest->nodes[frame->node];
    c->bounds[loop->axis] = frame->bound;
    c->loop_depth[loop->axis] = frame->loop_depth;
    for (int32_t i = 0; i < loop->n_placed; i++) c->buffers[loop->placed[i]].depth = -1;
    return loop->next;
}

static int walk(ej_check *c)
{
    int32_t id = c->nest->root;
    EJ_TRY(place(c, -1, c->nest->placed, c->nest->n_placed));
    while (id >= 0 || c->depth > 0) {
        if (id < 0) {
            id = leave_loop(c);
            continue;
        }
        EJ_TRY(check_when(c, id));
        if (c->nest->nodes[id].kind == EJ_NEST_LOOP) {
            EJ_TRY(enter_loop(c, id));
            id = c->nest->nodes[id].child;
        } else {
            EJ_TRY(check_leaf(c, id));
            id = c->nest->nodes[id].next;
        }
    }
    return EINJIT_OK;
}

static int check_cut(const ej_check *c)
{
    const ej_nest_cut *cut = &c->nest->cut;
    int64_t step;
    if (cut->axis < 0) return EINJIT_OK;
    if (cut->axis >= c->nest->n_axes) return ej_check_fail(c, -1, "there is no axis %d to cut", (int)cut->axis);
    if (ej_nest_cut_step(&step, c->nest, cut->axis, c->arena)) return ej_no_memory(c->err);
    if (!step) return ej_check_fail(c, -1, "axis %d cannot be cut", (int)cut->axis);
    if (cut->step < 1 || cut->step % step || cut->grain < 1)
        return ej_check_fail(c, -1, "axis %d is cut into pieces of %lld, not of a multiple of %lld", (int)cut->axis,
                             (long long)cut->step, (long long)step);
    return EINJIT_OK;
}

static int check(ej_check *c)
{
    const ej_nest *nest = c->nest;
    EJ_TRY(check_declarations(c));
    EJ_TRY(check_links(c));
    c->buffers = EJ_NEW_ARRAY(c->arena, ej_check_buffer, (size_t)nest->n_buffers);
    c->bounds = EJ_NEW_ARRAY(c->arena, int64_t, (size_t)nest->n_axes);
    c->loop_depth = EJ_NEW_ARRAY(c->arena, int32_t, (size_t)nest->n_axes);
    c->mark = EJ_NEW_ARRAY(c->arena, int32_t, (size_t)nest->n_axes);
    c->frames = EJ_NEW_ARRAY(c->arena, ej_check_frame, (size_t)nest->n_nodes);
    if (!c->buffers || !c->bounds || !c->loop_depth || !c->mark || !c->frames) return ej_no_memory(c->err);
    for (int32_t b = 0; b < nest->n_buffers; b++) c->buffers[b].depth = -1;
    for (int32_t a = 0; a < nest->n_axes; a++)
        c->bounds[a] = nest->axes[a].extent.e ? INT64_MAX : nest->axes[a].extent.n;
    EJ_TRY(walk(c));
    return check_cut(c);
}

int ej_nest_check(const ej_nest *nest, const ej_target *target, einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_check c = {.nest = nest, .target = target, .err = err, .arena = &arena};
    int status = check(&c);
    ej_arena_free(&arena);
    return status;
}
