/* recipe_pack.c - a source copied into panels of `width` values of one axis, so that its reader loads vector after
 * vector.
 *
 * Takes  where the panels live, the reader and its source; the axes of the depth, slowest first.
 * Gives  panel[lane / width][depth ...][lane % width]; or of pairs of terms [lane / width][depth / 2][lane %
 *        width][depth % 2]. Where the source has unit stride along another axis, the copy transposes tiles in
 *        registers: vectors are loaded along that axis and stored along the lanes.
 */
#include "recipe.h"
#include "recipe_product.h"

#include <stdlib.h>

enum { WIDEN_LEAST = 8 }; /* elements that are worth a copy */
enum { PACK_FAR = 4096 }; /* bytes: another page */
enum { PACK_TURNED = 4 }; /* values along the lanes that are transposed at once, at least */
/* Hardware follows runs that are longer than that (bytes). Of shorter ones so many lines are asked for ahead: as many
 * as the L1 waits for at once. */
enum { PACK_RUN = 1024, PACK_LINE = 64, PACK_LINES_AHEAD = 24 };

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

/* Values of an axis in the block that is packed. */
static int64_t range_of(const ej_schedule *s, int32_t pack, int32_t axis)
{
    return ej_schedule_range(s, s->nodes[s->statements[pack].node].parent, axis);
}

/* Neighbours along all axes but the lanes lie far apart: each vector of a panel is of another page. */
static bool rows_apart(const ej_schedule *s, int32_t pack, int32_t lane, int64_t far)
{
    const ej_access *source = &s->statements[pack].src[0];
    int32_t n = 0;
    for (int32_t t = 0; t < source->n_terms; t++) {
        int32_t axis = source->terms[t].axis;
        if (axis == lane || range_of(s, pack, axis) == 1) continue;
        if (stride_of(s, pack, axis) < far) return false;
        n++;
    }
    return n > 0;
}

static int64_t bytes_of(const ej_schedule *s, int32_t pack)
{
    return ej_dtypes[s->buffers[s->statements[pack].src[0].buffer].plan.dtype].bytes;
}

/* The source is larger than the L3. */
static bool is_far(const ej_schedule *s, int32_t pack)
{
    const ej_buffer *buffer = &s->buffers[s->statements[pack].src[0].buffer].plan;
    return !buffer->elems.e && (double)buffer->elems.n * (double)bytes_of(s, pack) > (double)s->job->target->l3_bytes;
}

/* The axis, but `lane` and `not`, that has the smallest stride above `least` and more than one value in the block; -1:
 * none. */
static int32_t next_axis(const ej_schedule *s, int32_t pack, int32_t lane, int32_t not, int64_t least)
{
    const ej_access *source = &s->statements[pack].src[0];
    int32_t best = -1;
    for (int32_t t = 0; t < source->n_terms; t++) {
        int32_t axis = source->terms[t].axis;
        if (axis == lane || axis == not|| range_of(s, pack, axis) <= 1 || stride_of(s, pack, axis) <= least) continue;
        if (best < 0 || stride_of(s, pack, axis) < stride_of(s, pack, best)) best = axis;
    }
    return best;
}

/* Asks for what comes next where short runs of `values`, `rows` of them at once, follow one another in loops over the
 * axes but `lane` and `not`. Before there are these loops. */
static void ask_ahead(ej_schedule *s, int32_t pack, int64_t values, int64_t rows, int32_t lane, int32_t not)
{
    int64_t bytes = bytes_of(s, pack), length, ahead;
    int32_t next = next_axis(s, pack, lane, not, 0);
    while (rows == 1 && next >= 0 && stride_of(s, pack, next) == values) { /* the run goes on */
        if (!ej_mul_size(values, range_of(s, pack, next), &values)) return;
        next = next_axis(s, pack, lane, not, stride_of(s, pack, next));
    }
    if (s->failed || (next < 0 && rows == 1) || !is_far(s, pack)) return;
    if (!ej_mul_size(values, bytes, &length) || length > PACK_RUN) return;
    int64_t lines = (length + PACK_LINE - 1) / PACK_LINE * rows, times = (PACK_LINES_AHEAD + lines - 1) / lines;
    /* where there are no loops, the next panel */
    int64_t stride = next < 0 ? stride_of(s, pack, lane) : stride_of(s, pack, next);
    if (!ej_mul_size(stride, bytes * (next < 0 ? rows : times), &ahead) || ahead < PACK_RUN || ahead > EJ_HINT_AHEAD)
        return;
    ej_do_hint(s, pack, (ej_leaf_hints){.ahead = ahead});
}

/* Loops over all axes but `lane` and `not`, the widest strides outermost. */
static void loop_others(ej_schedule *s, int32_t pack, int32_t lane, int32_t not)
{
    bool done[EJ_TILE_DIGITS] = {false};
    const ej_access *source = &s->statements[pack].src[0];
    for (int32_t n = 0; n < source->n_terms && n < EJ_TILE_DIGITS; n++) {
        int32_t best = -1;
        for (int32_t t = 0; t < source->n_terms && t < EJ_TILE_DIGITS; t++)
            if (!done[t] &&
                (best < 0 || stride_of(s, pack, source->terms[t].axis) > stride_of(s, pack, source->terms[best].axis)))
                best = t;
        done[best] = true;
        int32_t axis = source->terms[best].axis;
        if (axis == lane || axis == not) continue;
        ej_do_loop(s, pack, axis, ej_tile_count(&s->statements[pack].tile, axis));
        source = &s->statements[pack].src[0];
    }
}

/* Vectors along the lanes. Where these have unit stride, a tile has up to 4 values of the depth; else each lane is
 * loaded by itself, and larger tiles would be long code. */
static void copy_straight(ej_schedule *s, int32_t pack, int32_t lane, int64_t width, int32_t vector, int32_t deep,
                          int64_t together)
{
    bool unit = ej_access_unit_axis(&s->statements[pack].src[0]) == lane;
    int64_t most = vector / together, lanes = width < most ? width : dividing(width, most);
    int64_t rows =
        !unit || together > 1 ? 1 : dividing(ej_schedule_range(s, s->nodes[s->statements[pack].node].parent, deep), 4);
    bool apart = rows_apart(s, pack, lane, PACK_FAR / bytes_of(s, pack));
    ej_tile tile = {0};
    apart = apart || (unit && is_far(s, pack) && range_of(s, pack, lane) <= PACK_RUN / 2 / bytes_of(s, pack));
    if (!apart) ej_tile_add(&tile, deep, rows, EJ_UNROLL);
    ej_tile_add(&tile, lane, width / lanes, EJ_UNROLL);
    ej_tile_add(&tile, lane, lanes, EJ_LANE);
    ej_tile_add(&tile, deep, together, EJ_LANE);
    ej_do_tile(s, pack, tile);
    if (apart) {
        ask_ahead(s, pack, range_of(s, pack, lane), 1, lane, -1);
        loop_others(s, pack, lane, -1);
    }
    ej_do_loop(s, pack, lane, width);
}

void ej_do_transpose(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int64_t n_slow, int32_t fast,
                     int64_t n_fast)
{
    ej_tile tile = {0};
    ej_tile_add(&tile, slow, n_slow, EJ_UNROLL);
    ej_tile_add(&tile, fast, n_fast, EJ_LANE);
    int32_t loads =
        ej_do_stage(s, at, copy, 0, EJ_HOME_REG, (ej_layout){.n = 2, .digits = {{slow, 0, 0}, {fast, 0, 0}}});
    if (!s->failed) ej_do_tile(s, loads, tile);
}

void ej_do_rows_out(ej_schedule *s, int32_t at, int32_t copy, int32_t slow, int32_t unit)
{
    enum { VECTORS = 8 }; /* that a leaf moves, at most */
    ej_tile row = {0};
    int32_t rows =
        ej_do_stage_out(s, at, copy, EJ_HOME_LOCAL, (ej_layout){.n = 2, .digits = {{slow, 0, 0}, {unit, 0, 0}}});
    if (s->failed) return;
    int64_t length = ej_schedule_range(s, at, unit);
    int32_t lanes = ej_rule_lanes(s, &s->statements[rows], length);
    int64_t vectors = length / lanes < VECTORS ? length / lanes : VECTORS;
    ej_tile_add(&row, unit, vectors, EJ_UNROLL);
    ej_tile_add(&row, unit, lanes, EJ_LANE);
    ej_do_tile(s, rows, row);
    ej_do_hint(s, rows, (ej_leaf_hints){.stream = true});
    ej_do_loop(s, rows, slow, 1);
    ej_do_loop(s, rows, unit, vectors * lanes);
}

/* Half of a square tile is as fast, and where nothing is left over half the code (ij,kj->ik of 100 each f32 on Zen 4,
 * all of it: 40 million instructions to compile with tiles of 8 x 8 and a rest, 32 with 4 x 8). */
static bool leaves_rest(const ej_schedule *s, int32_t lane, int64_t n)
{
    return n < PACK_TURNED || s->axes[lane].extent.e || s->axes[lane].extent.n % n;
}

static void copy_turned(ej_schedule *s, int32_t pack, int32_t lane, int64_t width, int32_t vector, int32_t from,
                        int64_t together)
{
    int64_t most = vector < 8 ? vector : 8, n = width < most ? width : dividing(width, most), m = 1;
    int64_t range = ej_schedule_range(s, s->nodes[s->statements[pack].node].parent, from);
    if (leaves_rest(s, lane, n) && !leaves_rest(s, lane, n / 2)) n /= 2;
    if (range < s->axes[from].extent.n) m = dividing(range, most); /* a loop must not cut it */
    else
        while (2 * m <= most && 2 * m <= range) m *= 2;
    ej_tile out = {0};
    ej_do_loop(s, pack, lane, width);
    if (m < together) together = 1;
    ej_tile_add(&out, from, m / together, EJ_UNROLL);
    ej_tile_add(&out, lane, n, EJ_LANE);
    ej_tile_add(&out, from, together, EJ_LANE);
    ej_do_tile(s, pack, out);
    ask_ahead(s, pack, range, width, lane, from);
    loop_others(s, pack, lane, from); /* a register tile has only two axes */
    ej_do_loop(s, pack, lane, n);
    int32_t at = ej_do_loop(s, pack, from, m);
    if (m > 1 && n > 1) ej_do_transpose(s, at, pack, lane, n, from, m);
}

int32_t ej_do_pack(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int32_t lane, int64_t width,
                   const int32_t *depth, int32_t n_depth, int64_t together)
{
    ej_layout layout = {0};
    layout.digits[layout.n++] = (ej_digit){lane, 0, 0};
    for (int32_t i = 0; i < n_depth && layout.n < EJ_TILE_DIGITS - 2; i++)
        layout.digits[layout.n++] = (ej_digit){depth[i], 0, 0};
    if (width > 1) layout.digits[layout.n++] = (ej_digit){lane, (int32_t)width, 0};
    ej_tile_add(&layout, n_depth ? depth[n_depth - 1] : lane, together, 0);
    int32_t pack = ej_do_stage(s, at, statement, source, EJ_HOME_LOCAL, layout);
    if (s->failed) return -1;
    int dtype = s->buffers[s->statements[pack].out.buffer].plan.dtype;
    int32_t vector = s->job->target->vector_bytes / ej_dtypes[ej_dtypes[dtype].real].bytes;
    int32_t unit = ej_access_unit_axis(&s->statements[pack].src[0]);
    bool turns = unit >= 0 && unit != lane && !ej_dtype_is_complex(dtype) && dtype != EINJIT_BOOL;
    int32_t deep = n_depth ? depth[n_depth - 1] : lane;
    if (turns) copy_turned(s, pack, lane, width, vector, unit, unit == deep ? together : 1);
    else copy_straight(s, pack, lane, width, vector, deep, together);
    return pack;
}

/* The source's elements at a loop; 0: there are too many for a copy in the L1, or nobody knows. */
static int64_t elements_at(const ej_schedule *s, const ej_access *source, int32_t at)
{
    int64_t n = 1;
    for (int32_t i = 0; i < source->n_terms; i++) {
        int64_t range = ej_schedule_range(s, at, source->terms[i].axis);
        if (source->terms[i].table >= 0 || range == INT64_MAX || !ej_mul_size(n, range, &n)) return 0;
    }
    return n <= s->job->target->l1_bytes / 16 ? n : 0;
}

void ej_do_widen(ej_schedule *s, int32_t at, int32_t statement, int32_t source)
{
    const ej_statement *st = &s->statements[statement];
    const ej_access *access = &st->src[source];
    int dtype = s->buffers[access->buffer].plan.dtype;
    int32_t axes[EJ_TILE_DIGITS], n = 0, unit = ej_access_unit_axis(access), copy;
    ej_rewrite stage = {
        .kind = EJ_REWRITE_STAGE, .at = at, .statement = statement, .source = source, .home = EJ_HOME_LOCAL};
    ej_tile tile = {0};
    if (s->failed || ej_dtypes[dtype].computes == dtype || ej_statement_pairs(s, st) || unit < 0) return;
    if (access->n_terms > EJ_TILE_DIGITS || elements_at(s, access, at) < WIDEN_LEAST) return;
    for (int32_t i = 0; i < access->n_terms; i++)
        if (ej_schedule_range(s, at, access->terms[i].axis) > 1) axes[n++] = access->terms[i].axis;
    ej_product_sort(axes, n, access);
    for (int32_t i = 0; i < n; i++) stage.digits.digits[stage.digits.n++] = (ej_digit){axes[i], 0, 0};
    if (!ej_schedule_apply(s, &stage, &copy)) return; /* it is read as it is */
    int64_t range = ej_schedule_range(s, at, unit), lanes = ej_rule_lanes(s, &s->statements[copy], range);
    if (n > 1 && range <= lanes)
        ej_tile_add(&tile, axes[n - 2], dividing(ej_schedule_range(s, at, axes[n - 2]), 8), EJ_UNROLL);
    ej_tile_add(&tile, unit, lanes, EJ_LANE);
    ej_do_tile(s, copy, tile);
}
