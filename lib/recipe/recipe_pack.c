/* recipe_pack.c - a source copied into panels of `width` values of one axis, so that its reader loads vector after vector.
 *
 * Takes  where the panels live, the reader and its source; the axes of the depth, slowest first.
 * Gives  panel[lane / width][depth ...][lane % width]. Where the source has unit stride along another axis, the copy transposes
 *        tiles in registers: vectors are loaded along that axis and stored along the lanes.
 */
#include "recipe.h"

#include <stdlib.h>

enum { PACK_FAR = 4096 }; /* bytes: another page */

/* The longest power of 2 up to `most` that divides the width. */
static int64_t dividing(int64_t width, int64_t most)
{
    int64_t n = 1;
    while (2 * n <= most && width % (2 * n) == 0) n *= 2;
    return n;
}

static int64_t stride_of(const ej_schedule *s, int32_t pack, int32_t axis)
{
    const ej_access_term *term = ej_access_find(&s->statements[pack].src[0], axis);
    return !term ? 0 : term->stride.n == INT64_MIN ? INT64_MAX : llabs(term->stride.n);
}

/* Neighbours along all axes but the lanes lie far apart: each vector of a panel is of another page. */
static bool rows_apart(const ej_schedule *s, int32_t pack, int32_t lane, int64_t far)
{
    const ej_access *source = &s->statements[pack].src[0];
    for (int32_t t = 0; t < source->n_terms; t++)
        if (source->terms[t].axis != lane && stride_of(s, pack, source->terms[t].axis) < far) return false;
    return source->n_terms > 1;
}

/* Loops over all axes but the lanes, the widest strides outermost: each row is read to its end and spread over all panels. */
static void loop_rows(ej_schedule *s, int32_t pack, int32_t lane)
{
    bool done[EJ_TILE_DIGITS] = {false};
    const ej_access *source = &s->statements[pack].src[0];
    for (int32_t n = 0; n < source->n_terms && n < EJ_TILE_DIGITS; n++) {
        int32_t best = -1;
        for (int32_t t = 0; t < source->n_terms && t < EJ_TILE_DIGITS; t++)
            if (!done[t] && (best < 0 || stride_of(s, pack, source->terms[t].axis) > stride_of(s, pack, source->terms[best].axis)))
                best = t;
        done[best] = true;
        if (source->terms[best].axis != lane) ej_do_loop(s, pack, source->terms[best].axis, 1);
    }
}

/* Vectors along the lanes. Where these have unit stride, a tile has up to 4 values of the depth; else each lane is loaded by
 * itself, and larger tiles would be long code. */
static void copy_straight(ej_schedule *s, int32_t pack, int32_t lane, int64_t width, int32_t vector, int32_t deep)
{
    bool unit = ej_access_unit_axis(&s->statements[pack].src[0]) == lane;
    int64_t lanes = width < vector ? width : dividing(width, vector);
    int64_t rows = !unit ? 1 : dividing(ej_schedule_range(s, s->nodes[s->statements[pack].node].parent, deep), 4);
    bool apart = rows_apart(s, pack, lane, PACK_FAR / ej_dtypes[s->buffers[s->statements[pack].src[0].buffer].plan.dtype].bytes);
    ej_tile tile = {0};
    if (!apart) ej_tile_add(&tile, deep, rows, EJ_UNROLL);
    ej_tile_add(&tile, lane, width / lanes, EJ_UNROLL);
    ej_tile_add(&tile, lane, lanes, EJ_LANE);
    ej_do_tile(s, pack, tile);
    if (apart) loop_rows(s, pack, lane);
    ej_do_loop(s, pack, lane, width);
}

void ej_do_transpose(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int64_t n_slow, int32_t fast, int64_t n_fast)
{
    ej_tile tile = {0};
    ej_tile_add(&tile, slow, n_slow, EJ_UNROLL);
    ej_tile_add(&tile, fast, n_fast, EJ_LANE);
    int32_t loads = ej_do_stage(s, at, copy, 0, EJ_HOME_REG, (ej_layout){.n = 2, .digits = {{slow, 0, 0}, {fast, 0, 0}}});
    if (!s->failed) ej_do_tile(s, loads, tile);
}

static void copy_turned(ej_schedule *s, int32_t pack, int32_t lane, int64_t width, int32_t vector, int32_t from)
{
    int64_t most = vector < 8 ? vector : 8, n = width < most ? width : dividing(width, most), m = 1;
    int64_t range = ej_schedule_range(s, s->nodes[s->statements[pack].node].parent, from);
    if (range < s->axes[from].extent.n) m = dividing(range, most); /* a loop must not cut it */
    else while (2 * m <= most && 2 * m <= range) m *= 2;
    ej_tile out = {0};
    ej_do_loop(s, pack, lane, width);
    ej_tile_add(&out, from, m, EJ_UNROLL);
    ej_tile_add(&out, lane, n, EJ_LANE);
    ej_do_tile(s, pack, out);
    for (int32_t a = 0; a < s->n_axes; a++) /* a register tile has only two axes */
        if (a != lane && a != from && ej_access_find(&s->statements[pack].out, a)) ej_do_loop(s, pack, a, 1);
    ej_do_loop(s, pack, lane, n);
    int32_t at = ej_do_loop(s, pack, from, m);
    if (m > 1 && n > 1) ej_do_transpose(s, at, pack, lane, n, from, m);
}

int32_t ej_do_pack(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int32_t lane, int64_t width,
                   const int32_t *depth, int32_t n_depth)
{
    ej_layout layout = {0};
    int dtype = s->buffers[s->statements[statement].src[source].buffer].plan.dtype;
    int32_t vector = s->job->target->vector_bytes / ej_dtypes[ej_dtypes[dtype].real].bytes;
    layout.digits[layout.n++] = (ej_digit){lane, 0, 0};
    for (int32_t i = 0; i < n_depth && layout.n < EJ_TILE_DIGITS - 1; i++) layout.digits[layout.n++] = (ej_digit){depth[i], 0, 0};
    if (width > 1) layout.digits[layout.n++] = (ej_digit){lane, (int32_t)width, 0};
    int32_t pack = ej_do_stage(s, at, statement, source, EJ_HOME_LOCAL, layout);
    if (s->failed) return -1;
    int32_t unit = ej_access_unit_axis(&s->statements[pack].src[0]);
    bool turns = unit >= 0 && unit != lane && !ej_dtype_is_complex(dtype) && dtype != EINJIT_BOOL;
    if (turns) copy_turned(s, pack, lane, width, vector, unit);
    else copy_straight(s, pack, lane, width, vector, n_depth ? depth[n_depth - 1] : lane);
    return pack;
}
