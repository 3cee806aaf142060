/* lower_outline.c - bodies of loops that are needed more than once become functions.
 *
 * Takes  a nest, before and while its tree is emitted. Blocks that do not divide their extents multiply what is emitted:
 *        each loop with a rest has its body twice, so five of them have it up to 32 times, most of them alike.
 * Gives  which bodies come up again (the tree is walked without emitting first), and calls for these. Bodies are alike if
 *        the ranges of the axes they name are; where an axis is only stepped through one by one, its length is an argument.
 * Keeps  bodies without a loop where they are: a call would cost more than they do. So do those that use registers from
 *        outside, and code that comes up once.
 */
#include "lower_nest.h"

#include <stdio.h>
#include <string.h>

enum { EJ_BODY_ARGUMENTS = 32 };

#if UINTPTR_MAX > UINT32_MAX
_Static_assert(sizeof(ej_range) == 40, "ranges have a new field: same_kind() compares what is known when code is made");
_Static_assert(sizeof(ej_nest_node) == 224, "nodes have a new field: if it names axes, note_axes() marks them named and fixed");
#endif

/* What an axis is to a body. */
enum { EJ_AXIS_NAMED = 1, EJ_AXIS_STEPPED = 2, EJ_AXIS_FIXED = 4 };

typedef struct ej_body { /* one kind of chunk of one loop */
    struct ej_body *next;  /* of the same loop */
    ej_range *ranges;      /* per axis, without values: axes that it does not name are all zero */
    const ej_at *at;       /* of the function: how its accesses stood; else NULL */
    LLVMValueRef function;
    LLVMTypeRef type;
    bool again;            /* it comes up more than once */
} ej_body;

struct ej_bodies {
    uint8_t **axes;        /* per loop: what the axes are to its body; NULL: the body stays where it is */
    ej_body **of;          /* per loop */
};

/* ---- what a body is made of ---- */

static void note_access(const ej_access *access, const bool *stepped, uint8_t *axes)
{
    for (int32_t t = 0; t < access->n_terms; t++) {
        int32_t axis = access->terms[t].axis;
        axes[axis] |= EJ_AXIS_NAMED;
        if (!stepped[axis] || access->terms[t].block > 0) axes[axis] |= EJ_AXIS_FIXED;
    }
}

/* Notes the axes of a list of nodes; `stepped` those of the loops around them, as far as they belong to the body and go
 * one by one. Gives whether there is a loop. */
static bool note_axes(ej_lower *w, int32_t id, bool *stepped, uint8_t *axes)
{
    bool loops = false;
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind == EJ_NEST_LEAF) {
            note_access(&node->dst, stepped, axes);
            for (int32_t s = 0; s < node->n_src; s++) note_access(&node->src[s], stepped, axes);
            continue;
        }
        bool outside = stepped[node->axis];
        loops = true;
        axes[node->axis] |= EJ_AXIS_NAMED | (node->step == 1 && !outside ? EJ_AXIS_STEPPED : EJ_AXIS_FIXED);
        stepped[node->axis] = stepped[node->axis] || node->step == 1;
        note_axes(w, node->child, stepped, axes);
        stepped[node->axis] = outside;
    }
    return loops;
}

static void note_placed(ej_lower *w, int32_t id, bool *placed)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    for (int32_t p = 0; p < node->n_placed; p++) placed[node->placed[p]] = true;
    for (int32_t child = node->child; child >= 0; child = w->nest->nodes[child].next)
        if (w->nest->nodes[child].kind == EJ_NEST_LOOP) note_placed(w, child, placed);
}

/* Its registers are its own, and so are the tables that it fills: these are counted from where they are placed. */
static bool stands_alone(ej_lower *w, int32_t id)
{
    const ej_buffer *buffers = w->nest->buffers;
    bool *placed = EJ_LOWER_NEW(w, bool, w->nest->n_buffers);
    if (!placed) return false;
    note_placed(w, id, placed);
    for (int32_t i = w->first_at[id]; i < w->end_at[id]; i++) {
        const ej_access *access = w->at[i].access;
        if (buffers[access->buffer].home == EJ_HOME_REG && !placed[access->buffer]) return false;
        for (int32_t t = 0; t < access->n_terms; t++) {
            int32_t table = access->terms[t].table;
            if (table >= 0 && buffers[table].home == EJ_HOME_LOCAL && !placed[table]) return false;
        }
    }
    return true;
}

static uint8_t *body_axes(ej_lower *w, int32_t id)
{
    bool *stepped = EJ_LOWER_NEW(w, bool, w->nest->n_axes);
    uint8_t *axes = EJ_LOWER_NEW(w, uint8_t, w->nest->n_axes);
    if (!stepped || !axes || !note_axes(w, w->nest->nodes[id].child, stepped, axes) || !stands_alone(w, id)) return NULL;
    return axes;
}

/* ---- kinds of bodies ---- */

static bool is_argument(const ej_range *range, uint8_t axis)
{
    return range->count < 0 || (axis == (EJ_AXIS_NAMED | EJ_AXIS_STEPPED) && range->count > 0);
}

/* The range of an axis as the body has it, without values. */
static ej_range kind_of(const ej_range *range, uint8_t axis)
{
    ej_range kind;
    memset(&kind, 0, sizeof kind);
    if (!axis) return kind;
    kind = *range;
    kind.lo = kind.n = NULL;
    if (range->count < 0 || !is_argument(range, axis)) return kind;
    kind.count = -1;
    kind.most = INT64_MAX;
    return kind;
}

static bool same_kind(const ej_range *a, const ej_range *b)
{
    return a->count == b->count && a->most == b->most && a->maybe_empty == b->maybe_empty;
}

/* The kind of the current ranges; NULL: not met yet. */
static ej_body *find_body(const ej_lower *w, int32_t id)
{
    const uint8_t *axes = w->bodies->axes[id];
    for (ej_body *body = w->bodies->of[id]; body; body = body->next) {
        int32_t a = 0;
        for (; a < w->nest->n_axes; a++) {
            ej_range kind = kind_of(&w->ranges[a], axes[a]);
            if (!same_kind(&kind, &body->ranges[a])) break;
        }
        if (a == w->nest->n_axes) return body;
    }
    return NULL;
}

static ej_body *new_body(ej_lower *w, int32_t id)
{
    const uint8_t *axes = w->bodies->axes[id];
    ej_body *body = EJ_LOWER_NEW(w, ej_body, 1);
    if (!body || !(body->ranges = EJ_LOWER_NEW(w, ej_range, w->nest->n_axes))) return NULL;
    for (int32_t a = 0; a < w->nest->n_axes; a++) body->ranges[a] = kind_of(&w->ranges[a], axes[a]);
    body->next = w->bodies->of[id];
    return w->bodies->of[id] = body;
}

/* ---- the walk ---- */

static void walk_list(ej_lower *w, int32_t id);

static void walk_chunk(ej_lower *w, int32_t id, int64_t count, int64_t most)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    ej_range outer = w->ranges[node->axis];
    if (count < 0 && most == 1) count = 1;
    ej_range *range = &w->ranges[node->axis];
    range->count = count;
    range->most = count >= 0 ? count : most;
    range->maybe_empty = false;
    ej_body *body = w->bodies->axes[id] ? find_body(w, id) : NULL;
    if (body) body->again = true;
    else if (!w->bodies->axes[id] || new_body(w, id)) walk_list(w, node->child);
    w->ranges[node->axis] = outer;
}

/* As lower_loop.c emits it. */
static void walk_list(ej_lower *w, int32_t id)
{
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind == EJ_NEST_LEAF) continue;
        ej_range range = w->ranges[node->axis];
        int64_t step = node->step;
        if (range.count >= 0) {
            if (range.count >= step) walk_chunk(w, id, step, step);
            if (range.count % step) walk_chunk(w, id, range.count % step, range.count % step);
        } else if (range.most < step) {
            walk_chunk(w, id, -1, range.most);
        } else {
            walk_chunk(w, id, step, step);
            if (step > 1) walk_chunk(w, id, -1, step - 1);
        }
    }
}

void ej_bodies_find(ej_lower *w)
{
    int32_t n = w->nest->n_nodes;
    w->bodies = EJ_LOWER_NEW(w, struct ej_bodies, 1);
    if (!w->bodies) return;
    w->bodies->axes = EJ_LOWER_NEW(w, uint8_t *, n);
    w->bodies->of = EJ_LOWER_NEW(w, ej_body *, n);
    if (!w->bodies->axes || !w->bodies->of) return;
    for (int32_t i = 0; i < n; i++)
        if (w->nest->nodes[i].kind == EJ_NEST_LOOP) w->bodies->axes[i] = body_axes(w, i);
    if (w->status == EINJIT_OK) walk_list(w, w->nest->root);
}

/* ---- functions ---- */

/* What holds the values that a body is handed: where its accesses stand, then los and lengths. Gives the number of them,
 * -1: too many. */
static int32_t find_arguments(ej_lower *w, int32_t id, LLVMValueRef **slots)
{
    const uint8_t *axes = w->bodies->axes[id];
    int32_t n = 0;
    for (int32_t i = w->first_at[id]; i < w->end_at[id]; i++)
        if (w->at[i].pointer && n++ < EJ_BODY_ARGUMENTS) slots[n - 1] = &w->at[i].pointer;
    for (int32_t a = 0; a < w->nest->n_axes; a++) {
        if (!axes[a]) continue;
        if (n++ < EJ_BODY_ARGUMENTS) slots[n - 1] = &w->ranges[a].lo;
        if (!is_argument(&w->ranges[a], axes[a])) continue;
        if (w->ranges[a].count >= 0) w->ranges[a].n = ej_lower_i64(w, w->ranges[a].count);
        if (n++ < EJ_BODY_ARGUMENTS) slots[n - 1] = &w->ranges[a].n;
    }
    return n <= EJ_BODY_ARGUMENTS ? n : -1;
}

/* Accesses stand alike: as far as this is known when code is made. False too where it is not. */
static bool stand_alike(const ej_at *a, const ej_at *b)
{
    if (a->tables != b->tables) return false;
    for (int32_t t = 0; t < a->access->n_terms; t++) {
        uint8_t state = ej_at_block_of(a, &a->access->terms[t])->state;
        if (state == EJ_BLOCK_LOOSE || state != ej_at_block_of(b, &b->access->terms[t])->state) return false;
    }
    return true;
}

static bool all_stand_alike(const ej_lower *w, int32_t id, const ej_at *at)
{
    int32_t first = w->first_at[id];
    for (int32_t i = first; i < w->end_at[id]; i++)
        if (!stand_alike(&at[i - first], &w->at[i])) return false;
    return true;
}

static LLVMValueRef declare(ej_lower *w, ej_body *body, LLVMValueRef const *values, int32_t n)
{
    LLVMTypeRef types[3 + EJ_BODY_ARGUMENTS] = {w->m->pointer, w->m->pointer, w->m->pointer};
    char name[96];
    for (int32_t i = 0; i < n; i++) types[3 + i] = LLVMTypeOf(values[i]);
    body->type = LLVMFunctionType(LLVMVoidTypeInContext(w->e->context), types, (unsigned)n + 3, 0);
    snprintf(name, sizeof name, "body_%d", (int)w->m->n_bodies++);
    return ej_lower_function(w->m, name, body->type, true);
}

/* The accesses and the ranges as the function has them. */
static bool take_arguments(ej_lower *w, int32_t id, const ej_body *body)
{
    LLVMValueRef *slots[EJ_BODY_ARGUMENTS];
    int32_t n = find_arguments(w, id, slots);
    for (int32_t i = 0; i < n; i++) *slots[i] = LLVMGetParam(body->function, (unsigned)i + 3);
    for (int32_t a = 0; a < w->nest->n_axes; a++) {
        ej_range range = body->ranges[a];
        if (!w->bodies->axes[id][a]) continue;
        range.lo = w->ranges[a].lo;
        range.n = w->ranges[a].n;
        w->ranges[a] = range;
    }
    return ej_regs_init(w);
}

/* The body as a function of its own, while another one is in the making. */
static void emit_function(ej_lower *w, int32_t id, ej_body *body)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->builder);
    ej_lower outer = *w;
    size_t n_axes = (size_t)w->nest->n_axes;
    w->ranges = EJ_LOWER_NEW(w, ej_range, n_axes);
    memset(&w->regs, 0, sizeof w->regs);
    if (w->ranges) memcpy(w->ranges, outer.ranges, n_axes * sizeof *w->ranges);
    if (w->ranges && ej_lower_begin(w, body->function) && take_arguments(w, id, body)) {
        ej_lower_body(w, id);
        ej_lower_end(w);
    }
    int status = w->status;
    *w = outer;
    w->status = status;
    LLVMPositionBuilderAtEnd(w->e->builder, here);
}

bool ej_lower_outlined(ej_lower *w, int32_t id)
{
    LLVMValueRef *slots[EJ_BODY_ARGUMENTS], args[3 + EJ_BODY_ARGUMENTS] = {w->data, w->sizes, w->scratch};
    ej_body *body = w->bodies->axes[id] ? find_body(w, id) : NULL;
    if (!body || !body->again) return false;
    int32_t n = find_arguments(w, id, slots), n_at = w->end_at[id] - w->first_at[id];
    if (n < 0 || !all_stand_alike(w, id, body->at ? body->at : &w->at[w->first_at[id]])) return false;
    for (int32_t i = 0; i < n; i++) args[3 + i] = *slots[i];
    if (!body->function) {
        ej_at *at = EJ_LOWER_NEW(w, ej_at, n_at);
        if (!at) return true;
        memcpy(at, &w->at[w->first_at[id]], (size_t)n_at * sizeof *at);
        body->at = at;
        body->function = declare(w, body, args + 3, n);
        emit_function(w, id, body);
    }
    LLVMBuildCall2(w->e->builder, body->type, body->function, args, (unsigned)n + 3, "");
    return true;
}
