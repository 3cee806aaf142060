/* schedule_rules.c - what several scripts ask about a statement: lanes that fit, loop order, stores past the caches.
 *
 * Takes  a statement, extents, the target's row.
 */
#include "nest_cost.h"
#include "schedule.h"

#include <stdlib.h>

static int register_bytes(int dtype)
{
    return dtype == EINJIT_BOOL ? 4 : ej_dtypes[ej_dtypes[dtype].real].bytes; /* bools are computed on as masks */
}

int32_t ej_rule_vector(const ej_schedule *s, const ej_statement *st)
{
    int widest = register_bytes(s->buffers[st->out.buffer].plan.dtype);
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++) {
        int bytes = register_bytes(s->buffers[st->src[i].buffer].plan.dtype);
        if (bytes > widest) widest = bytes;
    }
    for (int32_t i = 0; i < st->expr.n; i++) {
        int bytes = register_bytes(st->expr.ops[i].dtype);
        if (bytes > widest) widest = bytes;
    }
    return s->job->target->vector_bytes / widest;
}

int32_t ej_rule_lanes(const ej_schedule *s, const ej_statement *st, int64_t range)
{
    int32_t lanes = 1, most = ej_rule_vector(s, st);
    while (lanes < most && lanes < range) lanes *= 2;
    return lanes;
}

/* An open extent counts as this long, whatever was observed: one kernel serves every size, and should be the same one
 * whichever size came first. */
enum { EJ_OPEN_EXTENT = 4096 };
int64_t ej_nominal_extent(const ej_schedule *s, int32_t axis)
{
    ej_size extent = s->axes[axis].extent;
    return extent.e ? EJ_OPEN_EXTENT : extent.n;
}

double ej_rule_elements(const ej_schedule *s, const ej_access *access)
{
    double elements = 1;
    for (int32_t t = 0; t < access->n_terms; t++) elements *= (double)ej_nominal_extent(s, access->terms[t].axis);
    return elements;
}

double ej_rule_iterations(const ej_schedule *s)
{
    double all = 1;
    for (int32_t a = 0; a < s->n_axes; a++) all *= (double)ej_nominal_extent(s, a);
    return all;
}

bool ej_statement_has_table(const ej_statement *st, int32_t axis)
{
    for (int32_t i = -1; i < st->n_src + st->n_tail; i++) {
        const ej_access_term *term = ej_access_find(i < 0 ? &st->out : &st->src[i], axis);
        if (term && term->table >= 0) return true;
    }
    return false;
}

static int64_t reach(const ej_access *access, int32_t axis)
{
    const ej_access_term *term = ej_access_find(access, axis);
    if (!term) return -1;
    if (term->table >= 0 || term->stride.n == INT64_MIN) return INT64_MAX;
    int64_t far = llabs(term->stride.n), block = llabs(term->block_stride.n);
    return term->block && block > far ? block : far;
}

int64_t ej_rule_reach(const ej_access *out, int32_t n_src, const ej_access *src, int32_t axis, bool reduced)
{
    int64_t far = reduced ? -1 : reach(out, axis);
    for (int32_t i = 0; i < n_src; i++) {
        int64_t n = reach(&src[i], axis);
        if ((reduced || n == INT64_MAX) && n > far) far = n;
    }
    return far;
}

/* Elements that an access reaches, at most; open extents count as observed. */
static double reached(const ej_schedule *s, const ej_access *access)
{
    ej_size elems = s->buffers[access->buffer].plan.elems;
    double all = 1;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (ej_access_moves(access, a)) all *= (double)s->axes[a].extent.n;
    return !elems.e && all > (double)elems.n ? (double)elems.n : all; /* entries of tables repeat */
}

/* That the statement reads and writes, each byte once. */
static double bytes_of(const ej_schedule *s, const ej_statement *st)
{
    double all = 0;
    for (int32_t i = -1; i < st->n_src + st->n_tail; i++) {
        const ej_access *access = i < 0 ? &st->out : &st->src[i];
        all += reached(s, access) * ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes;
    }
    return all;
}

enum { EJ_RULE_LINE = 64 }; /* bytes: stores of parts of lines past the caches are slower than plain ones */

/* A result stays in the L3 where it has room beside all that is read: up to this many times the size that the target's
 * row has (16 MB where the following was measured). On Zen 4 (32 MB, shared) copies of 8, 12 and 16 MB wrote 30, 11 and
 * 10 GB/s with plain stores, 28, 28 and 22 past the caches; results of 16, 20 and 24 MB whose steps read nothing 64, 28
 * and 26 with plain stores, 28 past the caches. */
static const double crowded_out = 1.25;

bool ej_rule_is_large(const ej_schedule *s, const ej_statement *st)
{
    int32_t unit = ej_access_unit_axis(&st->out);
    if (st->accumulate || unit < 0 || s->buffers[st->out.buffer].plan.dtype == EINJIT_BOOL) return false;
    for (int32_t t = 0; t < st->out.n_terms; t++)
        if (st->out.terms[t].table >= 0) return false;
    return bytes_of(s, st) > crowded_out * (double)s->job->target->l3_bytes;
}

bool ej_rule_has_whole_lines(const ej_schedule *s, const ej_statement *st)
{
    int64_t bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes, run;
    int32_t unit = ej_access_unit_axis(&st->out);
    for (int32_t t = 0; t < st->out.n_terms; t++) {
        const ej_access_term *term = &st->out.terms[t];
        bool pieces = term->axis == unit || (ej_mul_size(term->stride.n, bytes, &run) && run % EJ_RULE_LINE == 0);
        if (!term->stride.e && !pieces) return false;
    }
    return true;
}

bool ej_rule_streams(const ej_schedule *s, const ej_statement *st)
{
    return ej_rule_is_large(s, st) && ej_rule_has_whole_lines(s, st);
}

enum { BEHIND_PART = 3 }; /* of a row's vectors, at most a fourth of the lanes is empty */

bool ej_rule_calls_behind(const ej_schedule *s, const ej_statement *st)
{
    int32_t unit = ej_access_unit_axis(&st->out);
    int64_t bytes = ej_dtypes[ej_statement_dtype(st)].bytes, lanes = ej_rule_vector(s, st);
    bool along = false; /* the rows, as the tile's vectors are: as many */
    if (!ej_nest_calls(&st->epilogue) || !ej_statement_sums(s, st) || st->accumulate || unit < 0) return false;
    for (int32_t t = 0; t < st->n_tail; t++) /* what is placed around the statement may be gone behind it */
        if (ej_buffer_is_placed(&s->buffers[st->src[st->n_src + t].buffer])) return false;
    for (int32_t t = 0; t < st->out.n_terms; t++) {
        ej_size extent = s->axes[st->out.terms[t].axis].extent;
        if (extent.e || ej_statement_has_table(st, st->out.terms[t].axis) || !ej_mul_size(bytes, extent.n, &bytes))
            return false;
    }
    for (int32_t d = 0; d < st->tile.n; d++)
        along = along || (st->tile.digits[d].axis == unit && st->tile.digits[d].place == EJ_LANE);
    int64_t n = s->axes[unit].extent.n, padded = (n + lanes - 1) / lanes * lanes;
    return st->out.n_terms <= EJ_TILE_DIGITS && bytes <= s->job->target->l1_bytes &&
           (along || padded * BEHIND_PART <= n * (BEHIND_PART + 1));
}
