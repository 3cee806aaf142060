/* recipe_pieces.c - copies and maps of one source that put rows in another order, with a result that no cache holds.
 *
 * Takes  a step that reduces nothing, with one source: both sides have unit stride along one axis, of rows from a line
 *        to some pages.
 * Gives  blocks of rows that follow each other in the result, which come from as many places of the source; the rows
 *        that follow those in the source are next, and come into the L2 meanwhile. So reads go on in several pages at a
 *        time, and whole pages are used before they are left. Blocks go past the caches in one piece (lower_run.c),
 *        whatever that is aligned to; where it is whole lines, without waiting in between (lower_direct.c).
 *        75x96x16x464 f32 to 16x75x96x464 on Zen 4: 38 ms row by row in the result's order, 17 so.
 * Not here: longer rows (recipe_map.c), rows through tables (recipe_rows.c).
 */
#include "recipe.h"
#include "recipe_chain.h"

enum { PIECES_LEAST = 64, PIECES_MOST = 16 << 10 };                  /* bytes of a row */
enum { PIECES_ROWS = 16, PIECES_FEWEST = 4, PIECES_OUT = 16 << 10 }; /* rows of a block: most, fewest; its bytes */
enum { PIECES_PAGE = 4096, PIECES_AHEAD = 512 }; /* bytes of the source: in a block; prefetched ahead, at least */
enum { PIECES_VECTORS = 8 };                     /* of a tile, at most */

static bool matches(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out);
    if (st->reduce != EJ_REDUCE_NONE || st->accumulate || st->epilogue.n || st->n_src != 1 || unit < 0) return false;
    if (unit != ej_access_unit_axis(&st->src[0]) || st->src[0].buffer == st->out.buffer || s->n_axes < 3) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool moves = ej_access_moves(&st->out, a) && ej_access_moves(&st->src[0], a);
        if (!moves || ej_statement_has_table(st, a)) return false;
    }
    ej_size row = s->axes[unit].extent;
    int dtype = s->buffers[st->out.buffer].plan.dtype;
    int64_t bytes = ej_dtypes[dtype].bytes;
    if (row.e || row.n < 1 || row.n > PIECES_MOST / bytes || dtype == EINJIT_BOOL) return false;
    return ej_job_random(s->job) || (row.n * bytes >= PIECES_LEAST && ej_rule_is_large(s, st));
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    (void)s;
    (void)out;
    return 1;
}

/* Blocks of the axes: of rows that follow each other in the result, and in the source. */
typedef struct blocks {
    ej_chain in, out;
    int64_t *of_result, *of_source;
} blocks;

static bool find_blocks(const ej_schedule *s, int32_t unit, int64_t bytes, blocks *b)
{
    const ej_statement *st = &s->statements[0];
    int64_t *one = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes), row = s->axes[unit].extent.n;
    *b = (blocks){.in = ej_chain_of(s, st, &st->src[0]), .out = ej_chain_of(s, st, &st->out)};
    b->of_result = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes);
    b->of_source = EJ_JOB_ARRAY(s->job, int64_t, s->n_axes);
    if (!one || !b->of_result || !b->of_source) return false;
    for (int32_t a = 0; a < s->n_axes; a++) b->of_result[a] = b->of_source[a] = one[a] = 1;
    b->of_result[unit] = b->of_source[unit] = row;
    double rows = PIECES_OUT / (double)(row * bytes), there = PIECES_PAGE / (double)(row * bytes);
    rows = rows > PIECES_ROWS ? PIECES_ROWS : rows < PIECES_FEWEST ? PIECES_FEWEST : rows;
    ej_chain_grow(s, &b->out, b->of_result, rows * (double)row, one);
    ej_chain_grow(s, &b->in, b->of_source, (there > 2 ? there : 2) * (double)row, one);
    return true;
}

/* Loops over what blocks there are of the source, of the result; inside, over what follows in the source. Gives the
 * innermost. */
static int32_t do_blocks(ej_schedule *s, int32_t unit, const blocks *b)
{
    int32_t at = EJ_AT_ROOT;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (b->of_source[a] == 1 && b->of_result[a] == 1 && a != unit) at = ej_do_loop(s, 0, a, 1);
    for (int32_t i = b->in.n - 1; i >= 0; i--)
        if (b->in.axis[i] != unit && b->of_source[b->in.axis[i]] > 1)
            at = ej_do_loop(s, 0, b->in.axis[i], b->of_source[b->in.axis[i]]);
    for (int32_t i = b->out.n - 1; i >= 0; i--)
        if (b->of_source[b->out.axis[i]] == 1 && b->of_result[b->out.axis[i]] > 1)
            at = ej_do_loop(s, 0, b->out.axis[i], b->of_result[b->out.axis[i]]);
    for (int32_t i = b->in.n - 1; i >= 0; i--)
        if (b->in.axis[i] != unit && b->of_source[b->in.axis[i]] > 1) at = ej_do_loop(s, 0, b->in.axis[i], 1);
    return at;
}

static ej_tile tile_of(const ej_schedule *s, int32_t statement, int32_t unit, int64_t most)
{
    ej_tile tile = {0};
    int64_t row = s->axes[unit].extent.n, lanes = ej_rule_lanes(s, &s->statements[statement], row);
    int64_t all = (row + lanes - 1) / lanes, parts = (all + most - 1) / most;
    ej_tile_add(&tile, unit, (all + parts - 1) / parts, EJ_UNROLL);
    ej_tile_add(&tile, unit, lanes, EJ_LANE);
    return tile;
}

/* A statement's loops over a block, as that lies. */
static void do_rows(ej_schedule *s, int32_t statement, const ej_layout *waiting, int32_t unit, const ej_tile *tile)
{
    ej_do_tile(s, statement, *tile);
    for (int32_t i = 0; i < waiting->n; i++)
        if (waiting->digits[i].axis != unit) ej_do_loop(s, statement, waiting->digits[i].axis, 1);
    ej_do_loop(s, statement, unit, ej_tile_count(tile, unit));
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out);
    int64_t bytes = ej_dtypes[s->buffers[st->src[0].buffer].plan.dtype].bytes * s->axes[unit].extent.n, ahead = bytes;
    ej_layout waiting = {0};
    blocks b;
    (void)numbers;
    if (!find_blocks(s, unit, ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes, &b)) {
        s->no_memory = true;
        return;
    }
    int32_t at = do_blocks(s, unit, &b);
    if (s->failed) return;
    for (int32_t i = b.out.n - 1; i >= 0; i--)
        if (ej_schedule_range(s, at, b.out.axis[i]) > 1) ej_tile_add(&waiting, b.out.axis[i], 0, EJ_UNROLL);
    while (ahead < PIECES_AHEAD) ahead += bytes;
    ej_do_hint(s, 0, (ej_leaf_hints){.stream = true, .ahead = ahead, .far = true});
    ej_tile rows = tile_of(s, 0, unit, PIECES_VECTORS), lines;
    int32_t copy = ej_do_stage_out(s, at, 0, EJ_HOME_LOCAL, waiting);
    if (s->failed) return;
    lines = tile_of(s, copy, unit, 1);
    do_rows(s, 0, &waiting, unit, &rows);
    do_rows(s, copy, &waiting, unit, &lines);
}

const ej_script ej_script_pieces = {"pieces", matches, NULL, params, run};
