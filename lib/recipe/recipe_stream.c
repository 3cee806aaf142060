/* recipe_stream.c - sums over operands that no cache holds, and that are read once: memory decides how long they take.
 *
 * Takes  a statement that reduces; its tile, or the axes that it will have.
 * Gives  how many rows are read side by side, as many streams; a hint that asks for the lines that come next.
 *
 * Prefetching hardware stops where a page does, and follows few streams: pages are read fastest several at a time, as
 * long as the ways of the L1 suffice for lines that all lie a power of 2 apart. Lines that are asked for ahead go to
 * the L2, where more of them wait at a time. On Zen 4, 4 KB pages: the sum of 67 MB f32 takes 2.66 ms with vectors side
 * by side, 2.18 with each in a quarter of its own, 0.81 of that asked for ahead; sums of 4096 rows of 4096 2.82 with 8
 * rows, 2.20 asked for ahead (into the L1: 2.67). Where a cache holds everything the hints cost up to a fifth (2 MB: 97
 * GB/s without, 77 with).
 */
#include "recipe_tiling.h"

#include <math.h>

/* Rows of one source are streams from one page on, those of several from so many. */
enum { STREAM_PAGE = 4096, STREAM_PAGES = 4, STREAMS = 8, STREAM_AHEAD = 2048 };

static double bytes_of(const ej_schedule *s, const ej_access *access)
{
    return ej_rule_elements(s, access) * ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes;
}

static bool is_open(const ej_schedule *s, const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (s->axes[access->terms[t].axis].extent.e || access->terms[t].stride.e) return true;
    return false;
}

bool ej_stream_is(const ej_schedule *s, const ej_access *access)
{
    return bytes_of(s, access) > (double)s->job->target->l2_bytes &&
           ej_rule_iterations(s) < 2 * ej_rule_elements(s, access);
}

int32_t ej_stream_rows(const ej_schedule *s, const ej_statement *st, int32_t lane_axis, int32_t row_axis)
{
    double shortest = INFINITY;
    int32_t n = 0;
    for (int32_t i = 0; i < st->n_src; i++) {
        const ej_access_term *row = ej_access_find(&st->src[i], row_axis);
        double bytes = ej_dtypes[s->buffers[st->src[i].buffer].plan.dtype].bytes;
        if (!row || row->stride.e || !ej_access_moves(&st->src[i], lane_axis) || !ej_stream_is(s, &st->src[i]))
            continue;
        shortest = fmin(shortest, fabs((double)row->stride.n) * bytes);
        n++;
    }
    if (!n || n > STREAMS / 2) return 0;
    return shortest < (n > 1 ? STREAM_PAGES : 1) * (double)STREAM_PAGE ? 1 : STREAMS / n;
}

bool ej_stream_apart(const ej_schedule *s, const ej_statement *st, int32_t axis, int32_t vectors)
{
    double bytes = 0;
    int32_t n = 0;
    for (int32_t i = 0; i < st->n_src; i++) {
        if (!ej_access_moves(&st->src[i], axis)) continue;
        n += vectors;
        bytes += (double)s->axes[axis].extent.n * ej_dtypes[s->buffers[st->src[i].buffer].plan.dtype].bytes;
    }
    return vectors > 1 && n <= STREAMS && bytes > 4 * (double)s->job->target->l2_bytes;
}

bool ej_stream_from_memory(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    double all = 0;
    for (int32_t i = 0; i < st->n_src; i++) {
        if (is_open(s, &st->src[i])) return false;
        all += bytes_of(s, &st->src[i]);
    }
    return all > (double)s->job->target->l3_bytes;
}

void ej_do_stream_ahead(ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    int32_t n = 0, last = -1;
    if (s->failed || st->reduce == EJ_REDUCE_NONE) return;
    for (int32_t i = 0; i < st->n_src; i++) {
        if (!ej_stream_is(s, &st->src[i]) || ej_access_has_table(&st->src[i])) continue;
        last = i;
        n++;
    }
    if (!n || !ej_stream_from_memory(s)) return;
    ej_do_hint(s, 0, (ej_leaf_hints){.source = n > 1 ? EJ_HINT_ALL : last, .ahead = STREAM_AHEAD, .far = true});
}
