/* bind_slice.c - x[...]: ranges, single elements, new axes, an ellipsis.
 *
 * Takes  one operand and the items as written.
 * Gives  a SLICE over all axes (where any axis loses elements), then a RESHAPE that drops the axes of single elements
 *        and adds new ones.
 * Keeps  Python's clamping, also for open extents: there the number of elements is a minimum or maximum of sizes.
 */
#include "bind_core.h"

typedef struct axis_range {
    ej_size start, count;
    int64_t step;
} axis_range;

/* ---- ranges ---- */

/* Up, from 0 to n. */
static int64_t clamped(int64_t at, int64_t n)
{
    if (at < 0) at = at < -n ? 0 : at + n;
    return at > n ? n : at;
}

/* Down, from n - 1 to in front of 0. */
static int64_t clamped_down(int64_t at, int64_t n)
{
    if (at < 0) at = at < -n ? -1 : at + n;
    return at >= n ? n - 1 : at;
}

static void fixed_range_down(const ej_index_item *item, int64_t n, axis_range *out)
{
    int64_t start = item->start == INT64_MIN ? n - 1 : clamped_down(item->start, n);
    int64_t stop = item->stop == INT64_MAX ? -1 : clamped_down(item->stop, n);
    int64_t length = start > stop ? start - stop : 0, step = -out->step;
    out->start = ej_size_number(start > 0 ? start : 0);
    out->count = ej_size_number(length / step + (length % step > 0));
}

static void fixed_range(const ej_index_item *item, int64_t n, axis_range *out)
{
    int64_t start = item->start == INT64_MIN ? 0 : clamped(item->start, n);
    int64_t stop = item->stop == INT64_MAX ? n : clamped(item->stop, n);
    int64_t length = stop > start ? stop - start : 0;
    out->start = ej_size_number(start);
    out->count = ej_size_number(length / item->step + (length % item->step > 0));
}

/* A bound that counts from the end, n + at, not below 0. */
static int from_end(ej_sizes *sizes, ej_size n, int64_t at, ej_size *out, einjit_error *err)
{
    if (at < -INT64_MAX / 2) at = -INT64_MAX / 2; /* no extent is that large */
    EJ_TRY(ej_size_add(sizes, n, ej_size_number(at), out, err));
    return ej_size_max(sizes, *out, ej_size_number(0), out, err);
}

/* The count is max(stop - start, 0) with stop cut to n. A start that lies behind n needs no cut: nothing is read. */
static int open_range(ej_binder *b, const ej_index_item *item, ej_size n, axis_range *out)
{
    ej_sizes *sizes = &b->out->sizes;
    int64_t from = item->start == INT64_MIN ? 0 : item->start;
    ej_size stop = n, length;
    if (from >= 0) out->start = ej_size_number(from);
    else EJ_TRY(from_end(sizes, n, from, &out->start, b->err));
    if (item->stop != INT64_MAX) {
        if (item->stop < 0) EJ_TRY(from_end(sizes, n, item->stop, &stop, b->err));
        else EJ_TRY(ej_size_min(sizes, n, ej_size_number(item->stop), &stop, b->err));
    }
    if (from < 0 && item->stop == INT64_MAX) { /* the last ones: a simpler spelling */
        EJ_TRY(ej_size_min(sizes, n, ej_size_number(-from), &length, b->err));
    } else {
        EJ_TRY(ej_size_sub(sizes, stop, out->start, &length, b->err));
        EJ_TRY(ej_size_max(sizes, length, ej_size_number(0), &length, b->err));
    }
    return ej_size_ceil_div(sizes, length, item->step, &out->count, b->err);
}

/* A bound of a range that goes down: at, or n + at, cut to -1 .. n - 1. */
static int bound_down(ej_sizes *sizes, ej_size n, int64_t at, ej_size *out, einjit_error *err)
{
    ej_size last;
    if (at >= 0) {
        EJ_TRY(ej_size_add(sizes, n, ej_size_number(-1), &last, err));
        return ej_size_min(sizes, last, ej_size_number(at), out, err);
    }
    if (at < -INT64_MAX / 2) at = -INT64_MAX / 2;
    EJ_TRY(ej_size_add(sizes, n, ej_size_number(at), out, err));
    return ej_size_max(sizes, *out, ej_size_number(-1), out, err);
}

static int open_range_down(ej_binder *b, const ej_index_item *item, ej_size n, axis_range *out)
{
    ej_sizes *sizes = &b->out->sizes;
    ej_size start, stop = ej_size_number(-1), length;
    EJ_TRY(bound_down(sizes, n, item->start == INT64_MIN ? -1 : item->start, &start, b->err));
    if (item->stop != INT64_MAX) EJ_TRY(bound_down(sizes, n, item->stop, &stop, b->err));
    EJ_TRY(ej_size_sub(sizes, start, stop, &length, b->err));
    EJ_TRY(ej_size_max(sizes, length, ej_size_number(0), &length, b->err));
    EJ_TRY(ej_size_max(sizes, start, ej_size_number(0), &out->start, b->err));
    return ej_size_ceil_div(sizes, length, -out->step, &out->count, b->err);
}

static int range_of(ej_binder *b, const ej_index_item *item, ej_size n, axis_range *out)
{
    if (!item->step) return ej_fail(b->err, EINJIT_E_VALUE, "a slice with step 0");
    out->step = item->step < -INT64_MAX ? -INT64_MAX : item->step;
    if (n.e) return item->step > 0 ? open_range(b, item, n, out) : open_range_down(b, item, n, out);
    if (item->step > 0) fixed_range(item, n.n, out);
    else fixed_range_down(item, n.n, out);
    if (out->count.n <= 1) out->step = 1; /* where the next one would be does not matter, and may be too far to say */
    return EINJIT_OK;
}

int ej_bind_range(ej_binder *b, const ej_index_item *item, ej_size n, ej_size *start, ej_size *count)
{
    axis_range range;
    EJ_TRY(range_of(b, item, n, &range));
    *count = range.count;
    *start = range.start;
    if (!range.start.e && !n.e) return EINJIT_OK;
    return ej_size_min(&b->out->sizes, range.start, n, start, b->err);
}

/* One element. An open extent is closed: whether the element is there depends on it. */
static int element_of(ej_binder *b, const ej_index_item *item, int32_t axis, ej_size n, axis_range *out)
{
    int64_t extent = ej_bind_fixed(b, n).n, at = item->start;
    if (at < -extent || at >= extent)
        return ej_fail(b->err, EINJIT_E_INDEX, "index %lld is out of range for axis %d of extent %lld", (long long)at,
                       (int)axis, (long long)extent);
    *out = (axis_range){ej_size_number(at < 0 ? at + extent : at), ej_size_number(1), 1};
    return EINJIT_OK;
}

/* ---- the operation ---- */

static int count_items(ej_binder *b, const ej_node *node, int32_t rank, int32_t *added)
{
    int64_t used = 0, ellipses = 0;
    *added = 0;
    for (uint32_t i = 0; i < node->n_items; i++) {
        int kind = node->items[i].kind;
        used += kind == EJ_INDEX_RANGE || kind == EJ_INDEX_AT;
        ellipses += kind == EJ_INDEX_ELLIPSIS;
        *added += kind == EJ_INDEX_NEW_AXIS;
    }
    if (used > rank && node->written)
        return ej_fail(b->err, EINJIT_E_VALUE, "axis %lld is out of range for %d axes",
                       (long long)(ellipses ? -used : used - 1), (int)rank);
    if (used > rank) return ej_fail(b->err, EINJIT_E_RANK, "%lld indices for %d axes", (long long)used, (int)rank);
    if (ellipses > 1) return ej_fail(b->err, EINJIT_E_VALUE, "an index can have one ellipsis");
    return EINJIT_OK;
}

typedef struct slice_state {
    ej_value x;
    int32_t rank, axis; /* of the operand: the next axis */
    axis_range *ranges; /* per axis */
    int32_t n_result;
    int32_t *result_axes; /* operand axis of each result axis; -1: new */
} slice_state;

static void whole_axes(const ej_binder *b, slice_state *s, int32_t n)
{
    for (int32_t i = 0; i < n; i++, s->axis++) {
        s->ranges[s->axis] = (axis_range){ej_size_number(0), ej_bind_at(b, s->x)->shape[s->axis], 1};
        s->result_axes[s->n_result++] = s->axis;
    }
}

static int read_items(ej_binder *b, const ej_node *node, slice_state *s)
{
    int32_t behind = 0; /* axes that items from here on use */
    for (uint32_t i = 0; i < node->n_items; i++)
        behind += node->items[i].kind == EJ_INDEX_RANGE || node->items[i].kind == EJ_INDEX_AT;
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        switch (item->kind) {
        case EJ_INDEX_NEW_AXIS: s->result_axes[s->n_result++] = -1; break;
        case EJ_INDEX_ELLIPSIS: whole_axes(b, s, s->rank - s->axis - behind); break;
        case EJ_INDEX_AT:
            EJ_TRY(element_of(b, item, s->axis, ej_bind_at(b, s->x)->shape[s->axis], &s->ranges[s->axis]));
            s->axis++;
            behind--;
            break;
        default:
            EJ_TRY(range_of(b, item, ej_bind_at(b, s->x)->shape[s->axis], &s->ranges[s->axis]));
            s->result_axes[s->n_result++] = s->axis++;
            behind--;
        }
    }
    whole_axes(b, s, s->rank - s->axis);
    return EINJIT_OK;
}

static int write_slice(ej_binder *b, const slice_state *s, ej_value *out)
{
    const ej_bound_node *from = ej_bind_at(b, s->x);
    bool whole = true;
    for (int32_t i = 0; i < s->rank; i++)
        whole = whole && s->ranges[i].step == 1 && ej_size_is(s->ranges[i].start, 0) &&
                ej_size_same(s->ranges[i].count, from->shape[i]);
    if (whole) {
        *out = s->x;
        return EINJIT_OK;
    }
    ej_bound_node made = {.op = EJ_OP_SLICE, .dtype = from->dtype, .rank = s->rank, .n_in = 1};
    made.in = EJ_NEW_ARRAY(b->arena, ej_value, 1);
    made.shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)s->rank);
    made.starts = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)s->rank);
    made.steps = EJ_NEW_ARRAY(b->arena, int64_t, (size_t)s->rank);
    if (!made.in || !made.shape || !made.starts || !made.steps) return ej_no_memory(b->err);
    made.in[0] = s->x;
    for (int32_t i = 0; i < s->rank; i++) {
        made.shape[i] = s->ranges[i].count;
        made.starts[i] = s->ranges[i].start;
        made.steps[i] = s->ranges[i].step;
    }
    return ej_bind_node(b, &made, out);
}

int ej_bind_op_slice(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    slice_state s = {0};
    ej_value sliced;
    int32_t added;
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &s.x));
    s.rank = ej_bind_at(b, s.x)->rank;
    EJ_TRY(count_items(b, node, s.rank, &added));
    s.ranges = EJ_NEW_ARRAY(b->arena, axis_range, (size_t)s.rank);
    s.result_axes = EJ_NEW_ARRAY(b->arena, int32_t, (size_t)s.rank + (size_t)added);
    ej_size *shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)s.rank + (size_t)added);
    if (!s.ranges || !s.result_axes || !shape) return ej_no_memory(b->err);
    EJ_TRY(read_items(b, node, &s));
    EJ_TRY(write_slice(b, &s, &sliced));
    for (int32_t i = 0; i < s.n_result; i++)
        shape[i] = s.result_axes[i] < 0 ? ej_size_number(1) : s.ranges[s.result_axes[i]].count;
    return ej_bind_reshape(b, sliced, s.n_result, shape, &out->id);
}

static int cut(ej_binder *b, ej_value x, int32_t axis, axis_range range, ej_value *out)
{
    slice_state s = {.x = x, .rank = ej_bind_at(b, x)->rank};
    s.ranges = EJ_NEW_ARRAY(b->arena, axis_range, (size_t)s.rank);
    if (!s.ranges) return ej_no_memory(b->err);
    for (int32_t i = 0; i < s.rank; i++) {
        s.ranges[i] = (axis_range){ej_size_number(0), ej_bind_at(b, x)->shape[i], 1};
        if (i == axis) s.ranges[i] = range;
    }
    return write_slice(b, &s, out);
}

int ej_bind_cut(ej_binder *b, ej_value x, int32_t axis, ej_size start, ej_size count, ej_value *out)
{
    return cut(b, x, axis, (axis_range){start, count, 1}, out);
}

int ej_bind_turn(ej_binder *b, ej_value x, int32_t axis, ej_value *out)
{
    static const ej_index_item item = {EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, -1};
    axis_range range;
    EJ_TRY(range_of(b, &item, ej_bind_at(b, x)->shape[axis], &range));
    range.count = ej_bind_at(b, x)->shape[axis];
    return cut(b, x, axis, range, out);
}
