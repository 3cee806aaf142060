/* schedule_fold.c - the rewrite fold: sums of short rows without horizontal additions.
 *
 * A statement sums over an axis of 2^n values which lie in the lanes, for 2^n values of another axis, which are
 * unrolled. Where each of these results is added up by itself, most lanes of most additions are lost. Folded, two
 * vectors become one with each step: lanes of both that belong together are added, and the axis loses a bit, which
 * the other one gains:
 *
 *     x0 x1 x2 x3   y0 y1 y2 y3       z unroll 4, k lane 4
 *     x0+x2 y0+y2 x1+x3 y1+y3         z unroll 2, k lane 2, z lane 2
 *     x y z w                         z lane 4
 *
 * settle makes n axes of two values of that axis. Within 16 bytes its highest bit is folded first and the other axis'
 * lane becomes the lowest: these are interleavings, which take a cycle. Bits above are folded from the lowest on, and
 * lanes take their places. So the other axis ends in its natural order.
 */
#include "schedule.h"

static int32_t bits_of(int64_t n)
{
    int32_t bits = 0;
    while (n >> (bits + 1)) bits++;
    return bits;
}

int32_t ej_fold_bits(const ej_statement *st)
{
    return bits_of(ej_tile_count(&st->tile, st->fold));
}

/* Bits of the lanes within 16 bytes. */
static int32_t low_bits(const ej_statement *st)
{
    int32_t low = bits_of(16 / ej_dtypes[ej_statement_dtype(st)].bytes), all = ej_fold_bits(st);
    return low < all ? low : all;
}

int32_t ej_fold_bit(const ej_statement *st, int32_t step)
{
    int32_t low = low_bits(st);
    return step < low ? low - 1 - step : step;
}

static void add_bits(ej_tile *tile, const int32_t *bits, int32_t end, int32_t from)
{
    while (end-- > from) ej_tile_add(tile, bits[end], 2, EJ_LANE);
}

ej_tile ej_fold_tile(const ej_statement *st, const int32_t *bits, int32_t steps)
{
    int32_t all = ej_fold_bits(st), low = low_bits(st), left = steps < low ? low - steps : 0;
    int32_t high = steps < low ? low : steps;
    ej_tile tile = {0};
    for (int32_t d = 0; d < st->tile.n; d++)
        if (st->tile.digits[d].axis != st->fold && st->tile.digits[d].axis != st->fold_lane)
            tile.digits[tile.n++] = st->tile.digits[d];
    ej_tile_add(&tile, st->fold_lane, (int64_t)1 << (all - high), EJ_UNROLL);
    add_bits(&tile, bits, all, high);
    add_bits(&tile, bits, left, 0);
    ej_tile_add(&tile, st->fold_lane, (int64_t)1 << (high - left), EJ_LANE);
    ej_tile_add(&tile, st->fold_lane, (int64_t)1 << left, EJ_UNROLL);
    return tile;
}

/* The axis' terms can be written bit by bit. */
int ej_fold_source_fits(const ej_schedule *s, const ej_statement *st, const ej_access *source, int32_t axis)
{
    const ej_access_term *term = ej_access_find(source, axis);
    const ej_schedule_buffer *buffer = &s->buffers[source->buffer];
    int32_t digits = 0;
    int64_t stride, count = ej_tile_count(&st->tile, axis);
    if (!term) return EJ_REFUSE_NONE;
    if (ej_buffer_is_placed(buffer)) {
        for (int32_t d = 0; d < buffer->layout.n; d++) digits += buffer->layout.digits[d].axis == axis;
        return digits > 1 ? EJ_REFUSE_FOLD : EJ_REFUSE_NONE;
    }
    if (term->stride.e) return EJ_REFUSE_OPEN;
    bool fits = term->stride.n > INT64_MIN &&
                ej_mul_size(term->stride.n < 0 ? -term->stride.n : term->stride.n, count, &stride);
    return fits ? EJ_REFUSE_NONE : EJ_REFUSE_LARGE;
}

/* One digit of each of the two axes; nothing is in faster lanes than the sum. */
static bool digits_fit(const ej_statement *st, int32_t axis, int32_t lane)
{
    int64_t count = ej_tile_count(&st->tile, axis);
    int32_t n = 0, last = -1;
    for (int32_t d = 0; d < st->tile.n; d++) {
        const ej_digit *digit = &st->tile.digits[d];
        if (digit->place == EJ_LANE) last = digit->axis;
        if (digit->axis != axis && digit->axis != lane) continue;
        n++;
        if (digit->place != (digit->axis == axis ? EJ_LANE : EJ_UNROLL) || digit->count != count) return false;
    }
    return n == 2 && last == axis && (count & (count - 1)) == 0 &&
           st->tile.n - 2 + bits_of(count) + 2 <= EJ_TILE_DIGITS;
}

bool ej_rewrite_fold(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    int64_t count = ej_tile_count(&st->tile, r->axis);
    int why = EJ_REFUSE_NONE;
    if (r->lane < 0 || r->lane >= s->n_axes) why = EJ_REFUSE_NO_SUCH;
    else if (!ej_statement_reduces(st, r->axis)) why = EJ_REFUSE_NOT_REDUCED;
    else if (st->has_split || st->has_fold || st->has_store || st->in_memory) why = EJ_REFUSE_SPLIT;
    else if (!ej_access_find(&st->out, r->lane) || !digits_fit(st, r->axis, r->lane)) why = EJ_REFUSE_DIGITS;
    else if (ej_dtype_is_complex(ej_statement_dtype(st))) why = EJ_REFUSE_FOLD;
    else if (s->axes[r->axis].extent.e || s->axes[r->axis].extent.n != count) why = EJ_REFUSE_FOLD;
    for (int32_t i = 0; !why && i < st->n_src; i++) why = ej_fold_source_fits(s, st, &st->src[i], r->axis);
    if (why) return ej_schedule_refuse(s, r->statement, why);
    st->fold = r->axis;
    st->fold_lane = r->lane;
    st->has_fold = true;
    return true;
}
