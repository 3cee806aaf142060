/* plan_table.c - index vectors: tables whose values are in range when a step reads them.
 *
 * Takes  the index operand of a gather or scatter, and the extent that its values must stay below.
 * Gives  a one-dimensional strided view of a buffer. Graph inputs are checked before the run, constants now. Everything
 *        else is computed by the program (or is a part of an input, of which only that part counts): it is clamped
 *        into scratch, and its smallest and largest value are kept for a check after the run; unless it is sums of
 *        numbers along axes, which are in range whatever the data is (the places that gather makes of its index).
 */
#include <string.h>

#include "plan_core.h"

static ej_value root_of(const ej_planner *p, ej_value v)
{
    const ej_bound_node *nodes = p->bound->nodes;
    while (nodes[v].op == EJ_OP_PERMUTE || nodes[v].op == EJ_OP_RESHAPE) v = nodes[v].in[0];
    return v;
}

static bool is_layout(int op)
{
    return op == EJ_OP_PERMUTE || op == EJ_OP_RESHAPE || op == EJ_OP_SLICE || op == EJ_OP_EXPAND;
}

static void mark_table(ej_planner *p, int32_t buffer, ej_size limit)
{
    ej_buffer *b = &p->plan->buffers[buffer];
    if (!b->is_table || limit.n < b->limit.n) b->limit = limit;
    b->is_table = true;
}

static int check_input(ej_planner *p, const ej_view *view, ej_size extent, const char *name)
{
    ej_plan *plan = p->plan;
    int32_t input = plan->buffers[view->buffer].slot;
    mark_table(p, view->buffer, extent);
    for (size_t i = 0; i < plan->n_index_checks; i++)
        if (plan->index_checks[i].input == input && ej_size_same(plan->index_checks[i].extent, extent))
            return EINJIT_OK;
    if (!EJ_PUSH_ROOM(p->job->arena, plan->index_checks, plan->cap_index_checks, plan->n_index_checks))
        return ej_no_memory(p->job->err);
    plan->index_checks[plan->n_index_checks++] = (ej_index_check){input, extent, name};
    return EINJIT_OK;
}

static int check_constant(ej_planner *p, const ej_bound_node *constant, ej_size extent, const char *name)
{
    int64_t n = 1;
    for (int32_t i = 0; i < constant->rank; i++) n *= constant->shape[i].n;
    for (int64_t i = 0; i < n; i++) {
        int64_t index;
        if (constant->dtype == EINJIT_I32) {
            int32_t narrow;
            memcpy(&narrow, (const char *)constant->data + i * (int64_t)sizeof narrow, sizeof narrow);
            index = narrow;
        } else {
            memcpy(&index, (const char *)constant->data + i * (int64_t)sizeof index, sizeof index);
        }
        if (index < 0 || index >= extent.n)
            return ej_fail(p->job->err, EINJIT_E_INDEX, "index %lld of '%s' is out of range for an extent of %lld",
                           (long long)index, name, (long long)extent.n);
    }
    return EINJIT_OK;
}

/* ---- indices that cannot be out of range ---- */

enum { SUM_DEPTH = 8 }; /* gather's places are six deep */

/* The largest of a view of numbers along axes, none of which is less than 0. */
static bool largest_number(const ej_planner *p, const ej_bound_node *node, const ej_view *view, int64_t *out)
{
    if (p->plan->buffers[view->buffer].home != EJ_HOME_COUNT || view->base.e || view->base.n < 0) return false;
    *out = view->base.n;
    for (int32_t i = 0; i < node->rank; i++) {
        const ej_view_axis *axis = &view->axes[i];
        int64_t last;
        if (node->shape[i].e || axis->stride.e || axis->stride.n < 0 || axis->table >= 0) return false;
        if (!ej_mul_size(axis->stride.n, node->shape[i].n ? node->shape[i].n - 1 : 0, &last)) return false;
        if (!ej_add_size(*out, last, out)) return false;
    }
    return true;
}

/* v is a whole number of the program, not less than 0. */
static bool is_count(const ej_bound_node *node)
{
    return node->op == EJ_OP_SCALAR && ej_dtypes[node->dtype].kind == EJ_KIND_INT && node->integer >= 0;
}

/* Of numbers along an axis, of what is looked up among them, so many times that, sums of two such, in i32 where they
 * fit. *known: v is one of these. */
static int largest_of(ej_planner *p, ej_value v, int depth, bool *known, int64_t *out)
{
    const ej_bound_node *nodes = p->bound->nodes;
    ej_value root = v;
    int64_t second;
    *known = false;
    if (!depth) return EINJIT_OK;
    while (is_layout(nodes[root].op)) root = nodes[root].in[0];
    if (nodes[root].op == EJ_OP_ARANGE) {
        ej_view view;
        EJ_TRY(ej_plan_view(p, v, &view));
        *known = largest_number(p, &nodes[v], &view, out);
        return EINJIT_OK;
    }
    if (nodes[root].op == EJ_OP_INDEX_SELECT) return largest_of(p, nodes[root].in[0], depth - 1, known, out);
    int op = nodes[root].op, dtype = nodes[root].dtype, fn = nodes[root].fn;
    const ej_value *in = nodes[root].in;
    bool times = op == EJ_OP_MAP && fn == EJ_FN_MUL && is_count(&nodes[in[1]]),
         adds = op == EJ_OP_MAP && fn == EJ_FN_ADD;
    if (ej_dtypes[dtype].kind != EJ_KIND_INT || !(op == EJ_OP_CAST || times || adds)) return EINJIT_OK;
    EJ_TRY(largest_of(p, in[0], depth - 1, known, out));
    if (*known && times) *known = ej_mul_size(*out, nodes[in[1]].integer, out);
    if (*known && adds) {
        EJ_TRY(largest_of(p, in[1], depth - 1, known, &second));
        *known = *known && ej_add_size(*out, second, out);
    }
    *known = *known && (dtype == EINJIT_I64 || *out <= INT32_MAX);
    return EINJIT_OK;
}

/* ---- computed indices ---- */

typedef struct computed {
    ej_planner *p;
    const char *name, *checked; /* of steps; of whom it is the index, for messages */
    int dtype;                  /* of the index */
    ej_size count;              /* how many */
    ej_view index;
    ej_size extent;
} computed;

/* The extent less one as an op. Expressions do not know open sizes: of these it is the last of so many numbers. */
static int last_index(const computed *c, ej_plan_tape *tape, int32_t *out)
{
    ej_planner *p = c->p;
    if (!c->extent.e) return ej_tape_integer(p, tape, EINJIT_I64, c->extent.n - 1, out);
    ej_view numbers, last;
    EJ_TRY(ej_plan_numbers(p, "last", c->extent, &numbers));
    EJ_TRY(ej_view_new(p, 1, &last)); /* stays where it is along the index */
    last.buffer = numbers.buffer;
    EJ_TRY(ej_size_sub(p->sizes, c->extent, ej_size_number(1), &last.base, p->job->err));
    return ej_tape_source(p, tape, &last, EINJIT_I64, out);
}

static int clamp(const computed *c, ej_view *out)
{
    ej_planner *p = c->p;
    ej_plan_tape tape = {0};
    int32_t at, last, zero;
    const char *name = ej_plan_name(p, "%s_table", c->name);
    if (!name) return ej_no_memory(p->job->err);
    EJ_TRY(ej_tape_source(p, &tape, &c->index, c->dtype, &at));
    EJ_TRY(ej_tape_cast(p, &tape, EINJIT_I64, at, &at));
    EJ_TRY(last_index(c, &tape, &last));
    EJ_TRY(ej_tape_fn(p, &tape, EJ_FN_MINIMUM, EINJIT_I64, at, last, &at));
    EJ_TRY(ej_tape_integer(p, &tape, EINJIT_I64, 0, &zero));
    EJ_TRY(ej_tape_fn(p, &tape, EJ_FN_MAXIMUM, EINJIT_I64, at, zero, &at));
    EJ_TRY(ej_plan_scratch_view(p, name, EINJIT_I64, 1, &c->count, out));
    mark_table(p, out->buffer, c->extent);
    return ej_plan_emit_map(p, name, -1, 1, &c->count, &tape, out, NULL);
}

static int keep_extreme(const computed *c, int32_t status, int reduce)
{
    ej_planner *p = c->p;
    ej_plan_tape tape = {0};
    ej_view out;
    ej_axis *axes;
    int32_t at;
    bool low = reduce == EINJIT_REDUCE_MIN;
    EJ_TRY(ej_view_new(p, 1, &out));
    out.buffer = status;
    out.base = ej_size_number(low ? 0 : 1);
    EJ_TRY(ej_tape_source(p, &tape, &c->index, c->dtype, &at));
    EJ_TRY(ej_tape_cast(p, &tape, EINJIT_I64, at, &at));
    EJ_TRY(ej_plan_shape_axes(p, -1, 1, &c->count, &axes));
    axes[0].run = EJ_RUN_REDUCED;
    const ej_emission e = {.name = ej_plan_name(p, "%s_%s", c->name, low ? "min" : "max"),
                           .n_axes = 1,
                           .axes = axes,
                           .out = &out,
                           .tape = &tape,
                           .reduce = reduce};
    return e.name ? ej_plan_emit(p, &e) : ej_no_memory(p->job->err);
}

static int keep_status(const computed *c)
{
    ej_planner *p = c->p;
    ej_plan *plan = p->plan;
    int32_t status;
    EJ_TRY(ej_plan_scratch(p, "status", EINJIT_I64, ej_size_number(2), &status));
    EJ_TRY(keep_extreme(c, status, EINJIT_REDUCE_MIN));
    EJ_TRY(keep_extreme(c, status, EINJIT_REDUCE_MAX));
    if (!EJ_PUSH_ROOM(p->job->arena, plan->status_checks, plan->cap_status_checks, plan->n_status_checks))
        return ej_no_memory(p->job->err);
    plan->status_checks[plan->n_status_checks++] = (ej_status_check){status, c->extent, c->checked};
    return EINJIT_OK;
}

/* What an index that is out of range is said of: a gather looks it up among numbers, which nobody wrote. */
static const char *checked_as(ej_planner *p, ej_value user)
{
    const ej_bound_node *node = &p->bound->nodes[user];
    if (node->op != EJ_OP_INDEX_SELECT || !node->integer) return node->name;
    return ej_plan_name(p, "gather along axis %d", (int)node->integer - 1);
}

int ej_plan_table(ej_planner *p, ej_value index, ej_value user, ej_size extent, ej_view *out, bool *guarded)
{
    const ej_bound_node *node = &p->bound->nodes[index], *root = &p->bound->nodes[root_of(p, index)];
    const char *name = p->bound->nodes[user].name, *checked = checked_as(p, user);
    computed c = {
        .p = p, .name = name, .checked = checked, .dtype = node->dtype, .count = node->shape[0], .extent = extent};
    if (!checked) return ej_no_memory(p->job->err);
    EJ_TRY(ej_plan_view(p, index, &c.index));
    const ej_buffer *buffer = &p->plan->buffers[c.index.buffer];
    bool plain = c.index.axes[0].table < 0;
    *guarded = false;
    *out = c.index;
    if (plain && root->op == EJ_OP_INPUT && buffer->home == EJ_HOME_ARG) return check_input(p, out, extent, checked);
    if (plain && root->op == EJ_OP_CONSTANT && !extent.e) {
        mark_table(p, out->buffer, extent);
        return check_constant(p, root, extent, checked);
    }
    bool known = false;
    int64_t largest;
    if (plain && buffer->home != EJ_HOME_COUNT && !extent.e) EJ_TRY(largest_of(p, index, SUM_DEPTH, &known, &largest));
    if (known && largest < extent.n) {
        mark_table(p, out->buffer, extent);
        return EINJIT_OK;
    }
    *guarded = extent.e || extent.n == 0;
    EJ_TRY(clamp(&c, out));
    return keep_status(&c);
}
