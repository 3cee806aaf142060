/* schedule_rules.c - tiles and blocks from the target and extents: numbers that several scripts ask for.
 */
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

enum { EJ_RULE_LINE = 64 }; /* bytes: parts of lines cost more than they save */

bool ej_rule_streams(const ej_schedule *s, const ej_statement *st)
{
    const ej_buffer *out = &s->buffers[st->out.buffer].plan;
    int64_t bytes = ej_dtypes[out->dtype].bytes, run;
    int32_t unit = ej_access_unit_axis(&st->out);
    double all = (double)bytes;
    if (st->accumulate || unit < 0 || out->dtype == EINJIT_BOOL || ej_statement_has_table(st, unit)) return false;
    for (int32_t t = 0; t < st->out.n_terms; t++) {
        const ej_access_term *term = &st->out.terms[t];
        if (term->table >= 0) return false;
        all *= (double)s->axes[term->axis].extent.n; /* open: as observed */
        bool pieces = term->axis == unit || (ej_mul_size(term->stride.n, bytes, &run) && run % EJ_RULE_LINE == 0);
        if (!term->stride.e && !pieces) return false;
    }
    return all > (double)s->job->target->l3_bytes;
}
