/* bind_tensor.c - the caller's tensors: checked against the program, with their layouts.
 *
 * Takes  einjit_tensors and what the program declares (inputs) or computes (outputs).
 * Gives  INPUT nodes and ej_bound_tensors; strides follow from the shape wherever a tensor is row-major, so that open
 *        extents move them; other strides stay numbers.
 * Not here: data pointers, overlap between tensors (einjit_run).
 */
#include <stdlib.h>

#include "bind_core.h"

/* Elements times bytes stay below this, strides and offsets too. */
#define MAX_BYTES ((int64_t)1 << 62)

/* ---- checks ---- */

static int check_extents(ej_binder *b, const char *what, const char *name, const einjit_tensor *tensor)
{
    if (tensor->rank < 0 || (tensor->rank && !tensor->shape))
        return ej_fail(b->err, EINJIT_E_INVALID, "%s '%s' has rank %d and no shape", what, name, (int)tensor->rank);
    int64_t bytes = ej_dtypes[tensor->dtype].bytes, span = 0;
    for (int32_t i = 0; i < tensor->rank; i++) {
        int64_t n = tensor->shape[i];
        if (n < 0)
            return ej_fail(b->err, EINJIT_E_SHAPE, "axis %d of %s '%s' is %lld", (int)i, what, name, (long long)n);
        if (!ej_mul_size(bytes, n ? n : 1, &bytes) || bytes > MAX_BYTES)
            return ej_fail(b->err, EINJIT_E_SIZE, "%s '%s' has more than 2^62 bytes", what, name);
    }
    for (int32_t i = 0; tensor->strides && i < tensor->rank; i++) {
        int64_t stride = tensor->strides[i], n = tensor->shape[i], reach;
        if (n <= 1) continue;
        if (stride == INT64_MIN || !ej_mul_size(stride < 0 ? -stride : stride, n - 1, &reach) ||
            !ej_add_size(span, reach, &span) || span > MAX_BYTES / ej_dtypes[tensor->dtype].bytes)
            return ej_fail(b->err, EINJIT_E_SIZE, "the strides of %s '%s' reach beyond 2^62 bytes", what, name);
    }
    return EINJIT_OK;
}

int ej_bind_check_input(ej_binder *b, size_t i, const einjit_tensor *tensor)
{
    const ej_node *node = &b->graph->nodes[b->graph->inputs[i]];
    if (!ej_dtype_valid(tensor->dtype))
        return ej_fail(b->err, EINJIT_E_DTYPE, "input '%s' has the unknown dtype %d", node->name, (int)tensor->dtype);
    if (node->dtype >= 0 && node->dtype != tensor->dtype)
        return ej_fail(b->err, EINJIT_E_DTYPE, "input '%s' is %s, the program says %s", node->name,
                       einjit_dtype_name(tensor->dtype), einjit_dtype_name(node->dtype));
    EJ_TRY(check_extents(b, "input", node->name, tensor));
    if (node->rank >= 0 && node->rank != tensor->rank)
        return ej_fail(b->err, EINJIT_E_RANK, "input '%s' has %d axes, the program says %d", node->name,
                       (int)tensor->rank, (int)node->rank);
    for (uint32_t axis = 0; axis < node->n_extents && (int64_t)axis < tensor->rank; axis++) {
        const ej_extent *extent = &node->extents[axis];
        if (extent->n >= 0 && !extent->n_symbols && extent->n != tensor->shape[axis])
            return ej_fail(b->err, EINJIT_E_SHAPE, "axis %u of input '%s' is %lld, the program says %lld",
                           (unsigned)axis, node->name, (long long)tensor->shape[axis], (long long)extent->n);
    }
    return EINJIT_OK;
}

/* ---- layouts ---- */

static bool is_row_major(const einjit_tensor *tensor)
{
    if (!tensor->strides) return true;
    for (int32_t i = 0; i < tensor->rank; i++)
        if (!tensor->shape[i]) return true;
    int64_t stride = 1;
    for (int32_t i = tensor->rank; i-- > 0;) {
        if (tensor->shape[i] > 1 && tensor->strides[i] != stride) return false;
        stride *= tensor->shape[i]; /* at most the element count, which was checked */
    }
    return true;
}

/* Strides for a shape of `rank` extents that is bound already; given NULL: row-major. An axis of extent 1 has the
 * stride 0, for no address depends on it: where it is open, larger extents fit when they broadcast. */
static int set_layout(ej_binder *b, ej_bound_tensor *out, const einjit_tensor *given)
{
    out->strides = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)out->rank);
    if (!out->strides) return ej_no_memory(b->err);
    out->row_major = !given || is_row_major(given);
    if (!out->row_major) {
        for (int32_t i = 0; i < out->rank; i++)
            out->strides[i] = ej_size_number(given->shape[i] == 1 ? 0 : given->strides[i]);
        return EINJIT_OK;
    }
    ej_size stride = ej_size_number(1);
    for (int32_t i = out->rank; i-- > 0;) {
        out->strides[i] = stride;
        EJ_TRY(ej_bind_mul(b, stride, out->shape[i], &stride));
    }
    return EINJIT_OK;
}

static int input_extent(ej_binder *b, const ej_node *node, int32_t axis, int64_t observed, ej_size *out)
{
    *out = ej_size_number(observed);
    if ((uint32_t)axis >= node->n_extents || !node->extents[axis].n_symbols) return EINJIT_OK;
    const ej_extent *extent = &node->extents[axis];
    if (!ej_extent_is_named(extent)) return ej_bind_extent(b, extent, out);
    if (!b->symbols[extent->symbols[0]].torn) *out = b->symbols[extent->symbols[0]].size;
    return EINJIT_OK;
}

int ej_bind_input(ej_binder *b, size_t i, const einjit_tensor *tensor, ej_value *out)
{
    const ej_node *node = &b->graph->nodes[b->graph->inputs[i]];
    ej_bound_tensor *bound = &b->out->input_tensors[i];
    bound->dtype = (int16_t)tensor->dtype;
    bound->rank = tensor->rank;
    bound->shape = EJ_NEW_ARRAY(b->arena, ej_size, (size_t)tensor->rank);
    if (!bound->shape) return ej_no_memory(b->err);
    for (int32_t axis = 0; axis < tensor->rank; axis++)
        EJ_TRY(input_extent(b, node, axis, tensor->shape[axis], &bound->shape[axis]));
    EJ_TRY(set_layout(b, bound, tensor));
    ej_bound_node made = {.op = EJ_OP_INPUT, .dtype = bound->dtype, .rank = bound->rank, .shape = bound->shape};
    return ej_bind_node(b, &made, out);
}

/* ---- outputs ---- */

typedef struct axis_reach {
    int64_t stride, extent;
} axis_reach;

static int by_stride(const void *a, const void *b)
{
    int64_t x = ((const axis_reach *)a)->stride, y = ((const axis_reach *)b)->stride;
    return (x > y) - (x < y);
}

/* No element twice: sorted by stride, each axis steps over all that the smaller ones reach. Sufficient, and every
 * layout made by slicing and permuting an array passes. */
static int check_overlap(ej_binder *b, size_t i, const char *name, const einjit_tensor *tensor)
{
    if (!tensor->strides) return EINJIT_OK;
    axis_reach *axes = EJ_NEW_ARRAY(b->arena, axis_reach, (size_t)tensor->rank);
    if (!axes) return ej_no_memory(b->err);
    size_t n = 0;
    for (int32_t axis = 0; axis < tensor->rank; axis++) {
        int64_t stride = tensor->strides[axis];
        if (!tensor->shape[axis]) return EINJIT_OK;
        if (tensor->shape[axis] > 1) axes[n++] = (axis_reach){stride < 0 ? -stride : stride, tensor->shape[axis]};
    }
    if (n) qsort(axes, n, sizeof *axes, by_stride);
    int64_t span = 0;
    for (size_t k = 0; k < n; k++) {
        if (axes[k].stride <= span)
            return ej_fail(b->err, EINJIT_E_OVERLAP,
                           "output %zu ('%s') overlaps itself: its strides reach elements twice", i, name);
        span += axes[k].stride * (axes[k].extent - 1); /* within the span that was checked */
    }
    return EINJIT_OK;
}

static int check_output(ej_binder *b, size_t i, const ej_bound_node *node, const einjit_tensor *tensor)
{
    const char *name = b->graph->nodes[b->graph->outputs[i]].name;
    if (tensor->dtype != node->dtype)
        return ej_fail(b->err, EINJIT_E_DTYPE, "output %zu ('%s') is %s, the result is %s", i, name,
                       einjit_dtype_name(tensor->dtype), einjit_dtype_name(node->dtype));
    EJ_TRY(check_extents(b, "output", name, tensor));
    if (tensor->rank != node->rank)
        return ej_fail(b->err, EINJIT_E_SHAPE, "output %zu ('%s') has %d axes, the result has %d", i, name,
                       (int)tensor->rank, (int)node->rank);
    for (int32_t axis = 0; axis < node->rank; axis++)
        if (tensor->shape[axis] != node->shape[axis].n)
            return ej_fail(b->err, EINJIT_E_SHAPE, "axis %d of output %zu ('%s') is %lld, that of the result is %lld",
                           (int)axis, i, name, (long long)tensor->shape[axis], (long long)node->shape[axis].n);
    return check_overlap(b, i, name, tensor);
}

/* The stride of an axis of extent 1 is irrelevant, and elements of an output must not share an address. */
static void close_unsaid(ej_binder *b, const ej_bound_node *node, const einjit_tensor *tensor)
{
    for (int32_t axis = 0; axis < node->rank; axis++)
        if (tensor->shape[axis] == 1) ej_bind_close(b, node->shape[axis]);
}

int ej_bind_outputs(ej_binder *b, size_t n, const einjit_tensor *tensors)
{
    ej_bound *out = b->out;
    out->n_outputs = b->graph->n_outputs;
    out->outputs = EJ_NEW_ARRAY(b->arena, ej_value, out->n_outputs);
    out->output_tensors = EJ_NEW_ARRAY(b->arena, ej_bound_tensor, out->n_outputs);
    if (!out->outputs || !out->output_tensors) return ej_no_memory(b->err);
    for (size_t i = 0; i < out->n_outputs; i++) {
        ej_bind_operand *value = &b->values[b->graph->outputs[i]];
        b->name = b->graph->nodes[b->graph->outputs[i]].name;
        EJ_TRY(ej_bind_take_own(b, value, &out->outputs[i]));
        value->id = out->outputs[i];
        const ej_bound_node *node = ej_bind_at(b, out->outputs[i]);
        if (n) EJ_TRY(check_output(b, i, node, &tensors[i]));
        out->output_tensors[i] = (ej_bound_tensor){.dtype = node->dtype, .rank = node->rank, .shape = node->shape};
        EJ_TRY(set_layout(b, &out->output_tensors[i], n ? &tensors[i] : NULL));
        if (!out->output_tensors[i].row_major) close_unsaid(b, node, &tensors[i]);
    }
    return EINJIT_OK;
}
