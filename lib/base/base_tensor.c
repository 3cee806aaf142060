/* base_tensor.c - facts of the caller's tensors: are they sane, row-major, where do their elements lie.
 *
 * Takes  einjit_tensor as the caller filled it in; everything but ej_tensor_check expects it to have passed that.
 * Gives  yes or no. "Disjoint" and "not overlapping" are proofs; without one the answer is that it overlaps.
 * Not here: what a kernel expects (kernel_check.c).
 */
#include "base_size.h"
#include "base_tensor.h"

int ej_tensor_check(const einjit_tensor *t, const char *what, size_t i, einjit_error *err)
{
    if (!ej_dtype_valid(t->dtype))
        return ej_fail(err, EINJIT_E_DTYPE, "%s %zu has dtype number %d, which does not exist", what, i, (int)t->dtype);
    if (t->rank < 0) return ej_fail(err, EINJIT_E_RANK, "%s %zu has rank %d", what, i, (int)t->rank);
    if (t->rank && !t->shape)
        return ej_fail(err, EINJIT_E_INVALID, "%s %zu has rank %d and no shape", what, i, (int)t->rank);
    for (int32_t axis = 0; axis < t->rank; axis++)
        if (t->shape[axis] < 0)
            return ej_fail(err, EINJIT_E_SHAPE, "axis %d of %s %zu has extent %lld", (int)axis, what, i,
                           (long long)t->shape[axis]);
    return EINJIT_OK;
}

bool ej_tensor_empty(const einjit_tensor *t)
{
    for (int32_t axis = 0; axis < t->rank; axis++)
        if (t->shape[axis] == 0) return true;
    return false;
}

bool ej_tensor_row_major(const einjit_tensor *t)
{
    if (!t->strides) return true;
    uint64_t expected = 1; /* wraps only for shapes that bind refuses */
    bool same = true;
    for (int32_t axis = t->rank - 1; axis >= 0; axis--) {
        if (t->shape[axis] == 0) return true;
        if (t->shape[axis] != 1 && (uint64_t)t->strides[axis] != expected) same = false;
        expected *= (uint64_t)t->shape[axis];
    }
    return same;
}

static int64_t magnitude(int64_t stride)
{
    return stride >= 0 ? stride : stride == INT64_MIN ? INT64_MAX : -stride;
}

/* [0, bytes) or, with strides, both sides of the data pointer. */
bool ej_tensor_span(const einjit_tensor *t, ej_span *out)
{
    int64_t below = 0, above = 0, step, elems = 1, bytes = (int64_t)einjit_dtype_bytes(t->dtype);
    *out = (ej_span){0, 0};
    if (ej_tensor_empty(t)) return true;
    for (int32_t axis = 0; axis < t->rank; axis++) {
        if (!t->strides) {
            if (!ej_mul_size(elems, t->shape[axis], &elems)) return false;
            above = elems - 1;
            continue;
        }
        int64_t *side = t->strides[axis] < 0 ? &below : &above;
        if (!ej_mul_size(t->shape[axis] - 1, magnitude(t->strides[axis]), &step)) return false;
        if (!ej_add_size(*side, step, side)) return false;
    }
    if (!ej_add_size(above, 1, &above) || !ej_mul_size(above, bytes, &above) || !ej_mul_size(below, bytes, &below))
        return false;
    *out = (ej_span){-below, above};
    return true;
}

/* The stride of an axis, also where the caller left them out: *running is the product of the extents behind it. */
static int64_t stride_of(const einjit_tensor *t, int32_t axis, int64_t *running)
{
    int64_t stride = t->strides ? t->strides[axis] : *running;
    *running *= t->shape[axis];
    return stride;
}

bool ej_tensors_alike(const einjit_tensor *a, const einjit_tensor *b)
{
    int64_t running = 1, other = 1;
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int32_t axis = a->rank - 1; axis >= 0; axis--) {
        if (a->shape[axis] != b->shape[axis]) return false;
        if (stride_of(a, axis, &running) != stride_of(b, axis, &other) && a->shape[axis] != 1) return false;
    }
    return true;
}

/* Provably apart when the axes, by rising stride, each step over everything below them. */
bool ej_tensor_overlaps_itself(const einjit_tensor *t)
{
    if (ej_tensor_row_major(t) || ej_tensor_empty(t)) return false;
    int64_t reach = 0, last = 0; /* offsets of the axes so far are 0 .. reach; their strides are at most `last` */
    int32_t last_axis = -1;
    for (int32_t done = 0; done < t->rank; done++) {
        int32_t next = -1;
        int64_t stride = 0;
        for (int32_t axis = 0; axis < t->rank; axis++) { /* the smallest one not yet taken; ranks are small */
            int64_t m = magnitude(t->strides[axis]);
            bool taken = m < last || (m == last && axis <= last_axis);
            if (taken || (next >= 0 && m >= stride)) continue;
            next = axis;
            stride = m;
        }
        if (next < 0) break;
        last = stride;
        last_axis = next;
        if (t->shape[next] == 1) continue;
        if (stride <= reach) return true;
        reach += (t->shape[next] - 1) * stride;
    }
    return false;
}

/* One tensor as axes with byte strides of at least `from` (their common divisor) and all smaller ones (the bytes of the
 * block they make: [lo, hi) around the address). */
typedef struct blocks {
    uint64_t divisor;
    int64_t lo, hi;
} blocks;

static blocks split_at(const einjit_tensor *t, int64_t from)
{
    int64_t bytes = (int64_t)einjit_dtype_bytes(t->dtype), running = 1;
    blocks b = {0, 0, bytes};
    for (int32_t axis = t->rank - 1; axis >= 0; axis--) {
        int64_t stride = stride_of(t, axis, &running) * bytes;
        if (t->shape[axis] == 1) continue;
        if (magnitude(stride) >= from) b.divisor = ej_gcd(b.divisor, (uint64_t)magnitude(stride));
        else if (stride < 0) b.lo += (t->shape[axis] - 1) * stride;
        else b.hi += (t->shape[axis] - 1) * stride;
    }
    return b;
}

/* Blocks of a and of b repeat at multiples of one number; they never meet when they lie apart modulo it. */
static bool apart_at(const einjit_tensor *a, const einjit_tensor *b, int64_t from)
{
    blocks x = split_at(a, from), y = split_at(b, from);
    uint64_t period = ej_gcd(x.divisor, y.divisor);
    if (!period) return false; /* no outer axes: the byte ranges were compared before */
    uint64_t x_bytes = (uint64_t)(x.hi - x.lo), y_bytes = (uint64_t)(y.hi - y.lo);
    uint64_t x_at = (uint64_t)(uintptr_t)a->data + (uint64_t)x.lo, y_at = (uint64_t)(uintptr_t)b->data + (uint64_t)y.lo;
    uint64_t distance = y_at >= x_at ? (y_at - x_at) % period : (period - (x_at - y_at) % period) % period;
    return x_bytes <= distance && y_bytes <= period - distance;
}

static bool apart_somewhere(const einjit_tensor *a, const einjit_tensor *b, const einjit_tensor *steps)
{
    int64_t bytes = (int64_t)einjit_dtype_bytes(steps->dtype), running = 1;
    for (int32_t axis = steps->rank - 1; axis >= 0; axis--) {
        int64_t from = magnitude(stride_of(steps, axis, &running)) * bytes;
        if (from && steps->shape[axis] != 1 && apart_at(a, b, from)) return true;
    }
    return false;
}

bool ej_tensors_overlap(const einjit_tensor *a, const einjit_tensor *b)
{
    ej_span x, y;
    if (!ej_tensor_span(a, &x) || !ej_tensor_span(b, &y)) return true;
    uintptr_t x_at = (uintptr_t)a->data, y_at = (uintptr_t)b->data;
    if (x.lo == x.hi || y.lo == y.hi) return false;
    if (x_at + (uintptr_t)x.hi <= y_at + (uintptr_t)y.lo || y_at + (uintptr_t)y.hi <= x_at + (uintptr_t)x.lo)
        return false;
    return !apart_somewhere(a, b, a) && !apart_somewhere(a, b, b);
}
