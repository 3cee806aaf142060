/* recipe_permute.c - copies and maps of one operand whose unit strides lie along different axes.
 *
 * Takes  a step that reduces nothing, with one source: unit stride along `from` in the source, along `to` in the
 *        result.
 * Gives  square register tiles: vectors along `from` are loaded, transposed, and stored as vectors along `to`; as many
 *        side by side as make a line, where the result goes past the caches. The tiles of one line of the source follow
 *        each other, so that it is read once even where rows lie a power of 2 apart. The axis with the next smallest
 *        stride of each side goes in blocks, so that pages are used for longer.
 *        Results that no cache holds are transposed in blocks, from where they go past the caches in pieces of the
 *        result (lower_run.c), whatever these are aligned to; where they are whole lines, without waiting in between
 *        (lower_direct.c). A block takes as many axes of either side as make up a piece, and is read as the source
 *        lies: of as many rows as a tile has a whole piece each, while the next pieces come into the L2. Blocks go in
 *        super-blocks that use a page of the source before they leave it, and pieces of the source follow each other in
 *        these.
 */
#include "recipe.h"
#include "recipe_chain.h"
#include "recipe_product.h"

#include <stdlib.h>
#include <string.h>

/* values of `to`, and of the next axes, in a block that is not staged */
enum { PERMUTE_ROWS = 256, PERMUTE_BLOCK = 4 };
/* Bytes: of a piece of the source in a staged block (of rows that `to` goes on with, up to the second number, whole
 * ones); of a piece of the result; of a block; of what a super-block reaches of a page of the source, and of the
 * result. */
enum { PERMUTE_FROM = 512, PERMUTE_ADJOINING = 1024, PERMUTE_TO = 1024, PERMUTE_WAITS = 128 << 10 };
enum { PERMUTE_PAGE_FROM = 4096, PERMUTE_PAGE_TO = 1024 };
enum { PERMUTE_MOST = 8 }; /* vectors of a tile: twice as many take a third longer to compile and are no faster */
enum { PERMUTE_LINE = 64, PERMUTE_AHEAD = 256 }; /* bytes: of a line; how far ahead the source is prefetched */
enum permute_number { PERMUTE_TILE, PERMUTE_STAGES, PERMUTE_PREFETCHES };

typedef struct permute {
    int32_t from, to;
    int32_t next_from, next_to; /* of each side the axis with the next smallest stride; -1: none */
} permute;

static bool long_enough(ej_size extent, int64_t tile)
{
    return extent.e || extent.n >= tile;
}

/* The axis with the smallest stride that is neither `from` nor `to`; axes with tables lie anywhere. */
static int32_t next_axis(const ej_statement *st, const ej_access *access, int32_t from, int32_t to)
{
    int32_t best = -1;
    int64_t least = INT64_MAX;
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        int64_t stride = term->stride.n == INT64_MIN ? INT64_MAX : llabs(term->stride.n);
        if (term->axis == from || term->axis == to || !stride || stride >= least) continue;
        if (ej_statement_has_table(st, term->axis)) continue;
        least = stride;
        best = term->axis;
    }
    return best;
}

static bool find(const ej_schedule *s, permute *p)
{
    const ej_statement *st = &s->statements[0];
    if (st->reduce != EJ_REDUCE_NONE || st->accumulate || st->n_src != 1) return false;
    p->from = ej_access_unit_axis(&st->src[0]);
    p->to = ej_access_unit_axis(&st->out);
    if (p->from < 0 || p->to < 0 || p->from == p->to) return false;
    if (!ej_access_moves(&st->src[0], p->to) || ej_statement_has_table(st, p->from) ||
        ej_statement_has_table(st, p->to))
        return false;
    for (int32_t i = 0; i < st->expr.n; i++)
        if (ej_dtype_is_complex(st->expr.ops[i].dtype)) return false;
    p->next_from = next_axis(st, &st->src[0], p->from, p->to);
    p->next_to = next_axis(st, &st->out, p->from, p->to);
    return s->buffers[st->out.buffer].plan.dtype != EINJIT_BOOL &&
           s->buffers[st->src[0].buffer].plan.dtype != EINJIT_BOOL;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    permute p;
    if (!find(s, &p)) return 0;
    int32_t tile = ej_rule_vector(s, &s->statements[0]);
    if (tile > PERMUTE_MOST) tile = PERMUTE_MOST;
    while (tile > 1 && (!long_enough(s->axes[p.from].extent, tile) || !long_enough(s->axes[p.to].extent, tile)))
        tile /= 2;
    out[0][PERMUTE_TILE] = tile;
    uint64_t random = ej_job_random(s->job);
    bool large = tile >= 4 && ej_rule_is_large(s, &s->statements[0]);
    out[0][PERMUTE_STAGES] = random ? random / 16 % 2 : large;
    out[0][PERMUTE_PREFETCHES] = large;
    return tile >= 4 || (tile > 1 && random);
}

static bool matches(const ej_schedule *s)
{
    permute p;
    return find(s, &p);
}

/* A loop; none over axis -1. */
static void block(ej_schedule *s, int32_t axis, int64_t step)
{
    if (axis >= 0) ej_do_loop(s, 0, axis, step);
}

/* ---- staged blocks ---- */

/* How blocks of a permutation nest: a block is transposed into a buffer, a super-block reaches the pages that the TLB
 * holds. */
typedef struct blocks {
    ej_chain in, out;
    int64_t *block, *wide, *multiple; /* per axis */
    bool *of_source;                  /* loops over the axis go with the source's order */
} blocks;

/* Elements that blocks are multiples of: of a line, of a tile. */
static int64_t lines_of(double bytes, int64_t tile)
{
    int64_t line = PERMUTE_LINE / (int64_t)bytes;
    return line > tile ? line / tile * tile : tile;
}

/* Elements of a piece of the source. */
static double piece_of(const ej_schedule *s, const permute *p, const ej_chain *in, double bytes)
{
    double row = 1;
    for (int32_t i = 0; i < in->n; i++) {
        if (in->axis[i] == p->to && row * bytes <= PERMUTE_ADJOINING) return row;
        row *= (double)s->axes[in->axis[i]].extent.n;
    }
    return PERMUTE_FROM / bytes;
}

static bool find_blocks(const ej_schedule *s, const permute *p, int64_t n, blocks *b)
{
    const ej_statement *st = &s->statements[0];
    double in_bytes = ej_dtypes[s->buffers[st->src[0].buffer].plan.dtype].bytes;
    double out_bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    *b = (blocks){.in = ej_chain_of(s, st, &st->src[0]), .out = ej_chain_of(s, st, &st->out)};
    b->block = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes);
    b->wide = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes);
    b->multiple = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes);
    b->of_source = EJ_JOB_ARRAY(s->job, bool, s->n_axes);
    if (!b->block || !b->wide || !b->multiple || !b->of_source) return false;
    for (int32_t a = 0; a < s->n_axes; a++) b->block[a] = b->multiple[a] = 1;
    b->multiple[p->from] = lines_of(in_bytes, n);
    b->multiple[p->to] = lines_of(out_bytes, n);
    ej_chain_grow(s, &b->in, b->block, piece_of(s, p, &b->in, in_bytes), b->multiple);
    double want = PERMUTE_TO / out_bytes, room = PERMUTE_WAITS / out_bytes;
    for (int32_t i = 0; i < b->in.n; i++) room /= (double)b->block[b->in.axis[i]];
    ej_chain_grow(s, &b->out, b->block, want < room ? want : room, b->multiple);
    if (b->block[p->to] < n) b->block[p->to] = n;
    memcpy(b->wide, b->block, (size_t)s->n_axes * sizeof *b->wide);
    ej_chain_grow(s, &b->in, b->wide, PERMUTE_PAGE_FROM / in_bytes, b->multiple);
    for (int32_t i = 0; i < b->in.n; i++)
        b->of_source[b->in.axis[i]] = b->in.axis[i] != p->to && b->wide[b->in.axis[i]] > 1;
    ej_chain_grow(s, &b->out, b->wide, PERMUTE_PAGE_TO / out_bytes, b->multiple);
    return true;
}

/* A loop inside of the one given, unless one step takes the whole axis: that need be no multiple of the tile. */
static int32_t loop_over(ej_schedule *s, int32_t at, int32_t axis, const int64_t *steps)
{
    ej_size extent = s->axes[axis].extent;
    return !extent.e && steps[axis] >= extent.n ? at : ej_do_loop(s, 0, axis, steps[axis]);
}

/* Loops over super-blocks, then over blocks: gives the innermost one, which goes on in the source where something is
 * left there. */
static int32_t do_blocks(ej_schedule *s, const blocks *b)
{
    int32_t at = EJ_AT_ROOT;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (b->wide[a] == 1) at = ej_do_loop(s, 0, a, 1);
    for (int32_t i = b->in.n - 1; i >= 0; i--)
        if (b->of_source[b->in.axis[i]]) at = loop_over(s, at, b->in.axis[i], b->wide);
    for (int32_t i = b->out.n - 1; i >= 0; i--)
        if (!b->of_source[b->out.axis[i]]) at = loop_over(s, at, b->out.axis[i], b->wide);
    for (int32_t i = b->out.n - 1; i >= 0; i--)
        if (!b->of_source[b->out.axis[i]]) at = loop_over(s, at, b->out.axis[i], b->block);
    for (int32_t i = b->in.n - 1; i >= 0; i--)
        if (b->of_source[b->in.axis[i]]) at = loop_over(s, at, b->in.axis[i], b->block);
    return at;
}

/* Bytes of the source to the next block; 0: that is not known, or too far. */
static int64_t next_block(const ej_schedule *s, int32_t at)
{
    const ej_access *source = &s->statements[0].src[0];
    const ej_access_term *term = at < 0 ? NULL : ej_access_find(source, s->nodes[at].axis);
    int64_t bytes = ej_dtypes[s->buffers[source->buffer].plan.dtype].bytes;
    if (!term || term->stride.e || !ej_mul_size(bytes, term->stride.n, &bytes) ||
        !ej_mul_size(bytes, s->nodes[at].step, &bytes))
        return 0;
    return bytes < 0 || bytes > EJ_HINT_AHEAD ? 0 : bytes;
}

/* The buffer lies as the result does, so that what is in one piece there is in one piece here. */
static ej_layout layout_of(const ej_schedule *s, const blocks *b, int32_t at)
{
    ej_layout layout = {0};
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = (pass ? b->out.n : b->in.n) - 1; i >= 0; i--) {
            int32_t axis = (pass ? b->out : b->in).axis[i];
            bool in_out = false;
            for (int32_t k = 0; k < b->out.n; k++) in_out = in_out || b->out.axis[k] == axis;
            if (in_out == (pass == 1) && ej_schedule_range(s, at, axis) > 1) ej_tile_add(&layout, axis, 0, EJ_UNROLL);
        }
    return layout;
}

/* Loops over a block as the source lies. Gives the innermost one. */
static int32_t do_tiles(ej_schedule *s, const permute *p, const ej_layout *waiting, int64_t n, int64_t across)
{
    int32_t axes[EJ_TILE_DIGITS], n_axes = 0;
    for (int32_t i = 0; i < waiting->n; i++)
        if (waiting->digits[i].axis != p->from) axes[n_axes++] = waiting->digits[i].axis;
    ej_product_sort(axes, n_axes, &s->statements[0].src[0]);
    for (int32_t i = 0; i < n_axes; i++) ej_do_loop(s, 0, axes[i], axes[i] == p->to ? across : 1);
    return ej_do_loop(s, 0, p->from, n);
}

/* Blocks are transposed into a buffer, from where runs of the result go past the caches; the next block is prefetched
 * meanwhile. */
static void run_staged(ej_schedule *s, const permute *p, int64_t n, int64_t across)
{
    blocks b;
    ej_tile lines = {0};
    if (!find_blocks(s, p, n, &b)) {
        s->no_memory = true;
        return;
    }
    int32_t at = do_blocks(s, &b);
    if (s->failed) return;
    ej_layout waiting = layout_of(s, &b, at);
    int64_t ahead = next_block(s, at);
    ej_do_hint(s, 0, (ej_leaf_hints){.stream = true, .ahead = ahead, .far = ahead > 0});
    int32_t copy = ej_do_stage_out(s, at, 0, EJ_HOME_LOCAL, waiting);
    if (s->failed) return;
    ej_do_transpose(s, do_tiles(s, p, &waiting, n, across), 0, p->to, across, p->from, n);
    int64_t lanes = ej_rule_lanes(s, &s->statements[copy], ej_schedule_range(s, at, p->to));
    ej_tile_add(&lines, p->to, lanes, EJ_LANE);
    ej_do_tile(s, copy, lines);
    for (int32_t i = 0; i < waiting.n; i++)
        if (waiting.digits[i].axis != p->to) ej_do_loop(s, copy, waiting.digits[i].axis, 1);
    ej_do_loop(s, copy, p->to, lanes);
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    permute p;
    int64_t n = numbers[PERMUTE_TILE];
    ej_tile out = {0};
    if (!find(s, &p)) return;
    int32_t bytes = ej_dtypes[s->buffers[s->statements[0].src[0].buffer].plan.dtype].bytes;
    int64_t line = lines_of(bytes, n);
    int64_t across = numbers[PERMUTE_STAGES] && long_enough(s->axes[p.to].extent, line) ? line : n;
    ej_tile_add(&out, p.from, n, EJ_UNROLL);
    ej_tile_add(&out, p.to, across / n, EJ_UNROLL);
    ej_tile_add(&out, p.to, n, EJ_LANE);
    ej_do_tile(s, 0, out);
    if (numbers[PERMUTE_STAGES]) {
        run_staged(s, &p, n, across);
        return;
    }
    for (int32_t a = 0; a < s->n_axes; a++)
        if (a != p.from && a != p.to && a != p.next_from && a != p.next_to) ej_do_loop(s, 0, a, 1);
    if (numbers[PERMUTE_PREFETCHES]) ej_do_hint(s, 0, (ej_leaf_hints){.ahead = PERMUTE_AHEAD});
    block(s, p.next_to, PERMUTE_BLOCK);
    block(s, p.next_from, PERMUTE_BLOCK);
    block(s, p.next_to, 1);
    block(s, p.next_from, 1);
    ej_do_loop(s, 0, p.to, PERMUTE_ROWS / n * n);
    ej_do_loop(s, 0, p.from, line);
    ej_do_loop(s, 0, p.to, n);
    ej_do_transpose(s, ej_do_loop(s, 0, p.from, n), 0, p.to, n, p.from, n);
}

const ej_script ej_script_permute = {"permute", matches, NULL, params, run};
