/* recipe_permute.c - copies and maps of one operand whose unit strides lie along different axes.
 *
 * Takes  a step that reduces nothing, with one source: unit stride along `from` in the source, along `to` in the result.
 * Gives  square register tiles: vectors along `from` are loaded, transposed, and stored as vectors along `to`. The tiles of one
 *        line of the source follow each other, so that it is read once even where rows lie a power of 2 apart. The axis with
 *        the next smallest stride of each side goes in blocks, so that pages are used for longer.
 *        Results that no cache holds are transposed into a block in the L1, from where whole lines go past the caches (on
 *        Zen 4, dcba->abcd of 96, 75, 75, 96 f32: 36.7 ms as stored tiles, 26.8 staged; edcba->dbeac 48.7 and 28.4). Where a
 *        caller's array begins inside of a line, the blocks are written with plain stores, which takes 0.8 to 1.4 times as
 *        long as tiles: parts of lines past the caches would take longer yet.
 */
#include "recipe.h"

#include <stdlib.h>

enum { PERMUTE_ROWS = 256, PERMUTE_BLOCK = 4 };  /* values of `to`, and of the next axes, in a block that is not staged */
enum { PERMUTE_TO = 512, PERMUTE_FROM = 64, PERMUTE_WAITS = 32 << 10 }; /* a staged block: bytes of `to`, values of `from`; bytes */
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
    if (!ej_access_moves(&st->src[0], p->to) || ej_statement_has_table(st, p->from) || ej_statement_has_table(st, p->to))
        return false;
    for (int32_t i = 0; i < st->expr.n; i++)
        if (ej_dtype_is_complex(st->expr.ops[i].dtype)) return false;
    p->next_from = next_axis(st, &st->src[0], p->from, p->to);
    p->next_to = next_axis(st, &st->out, p->from, p->to);
    return s->buffers[st->out.buffer].plan.dtype != EINJIT_BOOL && s->buffers[st->src[0].buffer].plan.dtype != EINJIT_BOOL;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    permute p;
    if (!find(s, &p)) return 0;
    int32_t tile = ej_rule_vector(s, &s->statements[0]);
    double bytes = ej_dtypes[s->buffers[s->statements[0].out.buffer].plan.dtype].bytes;
    for (int32_t a = 0; a < s->n_axes; a++) bytes *= (double)s->axes[a].extent.n;
    /* Whole lines on both sides: 1.45 times on abcde->edcba, 1.05 on others, at twice the time to compile. */
    if (tile > 8 && bytes <= (double)s->job->target->l3_bytes) tile = 8;
    while (tile > 1 && (!long_enough(s->axes[p.from].extent, tile) || !long_enough(s->axes[p.to].extent, tile))) tile /= 2;
    out[0][PERMUTE_TILE] = tile;
    uint64_t random = ej_job_random(s->job);
    bool large = tile >= 4 && ej_rule_streams(s, &s->statements[0]);
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

/* At most `most` values of the axis, rounded up to whole tiles. */
static int64_t run_of(const ej_schedule *s, int32_t axis, int64_t most, int64_t tile)
{
    ej_size extent = s->axes[axis].extent;
    int64_t range = extent.e || extent.n > most ? most : extent.n;
    return (range + tile - 1) / tile * tile;
}

/* Blocks are transposed into the L1, from where runs of the result go past the caches; the next block is prefetched meanwhile. */
static void run_staged(ej_schedule *s, const permute *p, int64_t n)
{
    const ej_statement *st = &s->statements[0];
    int64_t in_bytes = ej_dtypes[s->buffers[st->src[0].buffer].plan.dtype].bytes;
    int64_t out_bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    int64_t to = run_of(s, p->to, PERMUTE_TO / out_bytes, n), from = run_of(s, p->from, PERMUTE_FROM, n);
    int64_t more = PERMUTE_WAITS / (to * from * out_bytes);
    ej_tile lines = {0};
    ej_layout waiting = {0};
    ej_do_hint(s, 0, (ej_leaf_hints){.stream = true, .ahead = from * in_bytes});
    block(s, p->next_to, more > 1 ? more : 1);
    if (p->next_from != p->next_to) block(s, p->next_from, 1);
    ej_do_loop(s, 0, p->to, to);
    int32_t at = ej_do_loop(s, 0, p->from, from);
    ej_tile_add(&waiting, p->from, 0, EJ_UNROLL);
    if (p->next_to >= 0) ej_tile_add(&waiting, p->next_to, 0, EJ_UNROLL);
    ej_tile_add(&waiting, p->to, 0, EJ_UNROLL);
    int32_t copy = ej_do_stage_out(s, at, 0, EJ_HOME_LOCAL, waiting);
    if (s->failed) return;
    block(s, p->next_to, 1);
    ej_do_loop(s, 0, p->to, n);
    ej_do_transpose(s, ej_do_loop(s, 0, p->from, n), 0, p->to, n, p->from, n);
    int64_t lanes = ej_rule_lanes(s, &s->statements[copy], ej_schedule_range(s, at, p->to));
    ej_tile_add(&lines, p->to, lanes, EJ_LANE);
    ej_do_tile(s, copy, lines);
    for (int32_t a = 0; a < s->n_axes; a++)
        if (a != p->to && ej_access_moves(&s->statements[copy].out, a)) ej_do_loop(s, copy, a, 1);
    ej_do_loop(s, copy, p->to, lanes);
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    permute p;
    int64_t n = numbers[PERMUTE_TILE];
    ej_tile out = {0};
    if (!find(s, &p)) return;
    int32_t bytes = ej_dtypes[s->buffers[s->statements[0].src[0].buffer].plan.dtype].bytes;
    int64_t line = PERMUTE_LINE / bytes > n ? PERMUTE_LINE / bytes / n * n : n;
    ej_tile_add(&out, p.from, n, EJ_UNROLL);
    ej_tile_add(&out, p.to, n, EJ_LANE);
    ej_do_tile(s, 0, out);
    for (int32_t a = 0; a < s->n_axes; a++)
        if (a != p.from && a != p.to && a != p.next_from && a != p.next_to) ej_do_loop(s, 0, a, 1);
    if (numbers[PERMUTE_STAGES]) {
        run_staged(s, &p, n);
        return;
    }
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
