/* schedule_layout.c - what the layout of a placed buffer means: sizes of digits, strides and blocks of terms.
 *
 * Takes  digits, slowest first; the ranges where the buffer is placed.
 * Gives  numbers. No rewrite touches a stride: they follow from the tree when they are asked for.
 */
#include "schedule.h"

/* A digit that has no count takes what the other digits of its axis leave of the range. */
static int64_t size_of(const ej_schedule *s, int32_t buffer, int32_t digit)
{
    const ej_schedule_buffer *b = &s->buffers[buffer];
    int32_t axis = b->layout.digits[digit].axis;
    int64_t others = 1, range = ej_schedule_range(s, b->at, axis);
    if (b->layout.digits[digit].count) return b->layout.digits[digit].count;
    for (int32_t d = 0; d < b->layout.n; d++)
        if (d != digit && b->layout.digits[d].axis == axis) others *= b->layout.digits[d].count;
    return range <= others ? 1 : (range - 1) / others + 1;
}

int64_t ej_layout_elems(const ej_schedule *s, int32_t buffer)
{
    int64_t elems = 1;
    for (int32_t d = 0; d < s->buffers[buffer].layout.n; d++)
        if (!ej_mul_size(elems, size_of(s, buffer, d), &elems)) return INT64_MAX;
    return elems;
}

static int64_t stride_of(const ej_schedule *s, int32_t buffer, int32_t digit)
{
    int64_t stride = 1;
    for (int32_t d = digit + 1; d < s->buffers[buffer].layout.n; d++) stride *= size_of(s, buffer, d);
    return stride;
}

static bool has_digits(const ej_layout *layout, int32_t axis)
{
    bool found = false;
    for (int32_t d = 0; d < layout->n; d++) found = found || layout->digits[d].axis == axis;
    return found;
}

void ej_layout_term(const ej_schedule *s, int32_t buffer, int32_t axis, ej_access_term *out)
{
    const ej_layout *layout = &s->buffers[buffer].layout;
    int32_t slow = -1, fast = -1;
    *out = (ej_access_term){.axis = axis, .table = -1};
    for (const ej_joined_axes *of; !has_digits(layout, axis) && (of = ej_joined_of(s, axis));) axis = of->inner;
    for (int32_t d = 0; d < layout->n; d++) {
        if (layout->digits[d].axis != axis) continue;
        slow = fast;
        fast = d;
    }
    if (fast < 0) return;
    out->stride = ej_size_number(stride_of(s, buffer, fast));
    if (slow < 0) return;
    int64_t block = size_of(s, buffer, fast), next = stride_of(s, buffer, slow);
    if (next == block * out->stride.n || size_of(s, buffer, slow) == 1) return;
    out->block = block;
    out->block_stride = ej_size_number(next);
}

int ej_layout_access(const ej_schedule *s, const ej_access *access, ej_access *out, ej_arena *arena)
{
    *out = *access;
    if (!ej_buffer_is_placed(&s->buffers[access->buffer])) return EINJIT_OK;
    out->terms = EJ_NEW_ARRAY(arena, ej_access_term, (size_t)access->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    for (int32_t t = 0; t < access->n_terms; t++)
        ej_layout_term(s, access->buffer, access->terms[t].axis, &out->terms[t]);
    return EINJIT_OK;
}
