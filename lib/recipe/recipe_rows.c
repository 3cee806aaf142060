/* recipe_rows.c - gathers and scatter-adds: the row that a table entry leads to is read or written as a whole.
 *
 * Takes  a step that reduces nothing, or accumulates term by term, where some access goes through a table. Each source
 *        lies along the result's unit axis or does not move with it; or a source has its table there.
 * Gives  loops over the other axes: in the result's order, or where it accumulates in the order of the axes, so that
 *        the terms of one element are added in order. Inside, a row in vectors, where it is short as many neighbours of
 *        it as registers hold (4 rows of 16 f32 an edge, weighted and added up: 1.12 ms a row at a time, 0.87 with all
 *        four, 100,000 edges on Zen 4); where the table is on the unit axis, one element after the other (gather
 *        instructions are no faster). Rows of arrays larger than half the L2 are prefetched some table entries ahead.
 */
#include "recipe.h"

#include <stdlib.h>

/* bytes ahead, in at least and at most so many entries */
enum { ROWS_AHEAD_BYTES = 4096, ROWS_FEWEST = 4, ROWS_MOST = 32 };
/* vectors of an open axis; ops of an expression that leaves registers for a row */
enum { ROWS_OPEN = 2, ROWS_SMALL_EXPR = 12 };
enum rows_number { ROWS_VECTORS, ROWS_AHEAD, ROWS_BESIDE };

/* An access through a table, to a buffer of more than `bytes`. */
static bool far_rows(const ej_schedule *s, const ej_access *access, int64_t bytes)
{
    const ej_buffer *buffer = &s->buffers[access->buffer].plan;
    return ej_access_has_table(access) && (double)buffer->elems.n * ej_dtypes[buffer->dtype].bytes > (double)bytes;
}

static bool matches(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out);
    bool tables = ej_access_has_table(&st->out);
    if (st->epilogue.n || (st->reduce != EJ_REDUCE_NONE && !st->accumulate) || unit < 0) return false;
    if (ej_access_find(&st->out, unit)->table >= 0) return false;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (!ej_access_find(&st->out, a)) return false;
    for (int32_t i = 0; i < st->n_src; i++) {
        const ej_access_term *term = ej_access_find(&st->src[i], unit);
        bool along = !term || term->table >= 0 || ej_size_is(term->stride, 1) || ej_size_is(term->stride, 0);
        if (!along && !ej_statement_has_table(st, unit)) return false;
        tables = tables || ej_access_has_table(&st->src[i]);
    }
    return tables;
}

/* Vectors of a tile, at most. */
static int64_t most_vectors(const ej_schedule *s)
{
    return s->statements[0].expr.n <= ROWS_SMALL_EXPR ? s->job->target->vector_registers / 2 : ROWS_OPEN;
}

/* Vectors along a row: all of it, or parts that are about the same size. */
static int64_t vectors_of(const ej_schedule *s, int32_t unit, int32_t lanes)
{
    const ej_statement *st = &s->statements[0];
    ej_size extent = s->axes[unit].extent;
    int64_t most = most_vectors(s);
    if (ej_statement_has_table(st, unit)) return 1;
    if (extent.e) return ROWS_OPEN;
    int64_t all = (extent.n + lanes - 1) / lanes, parts = (all + most - 1) / most;
    return parts ? (all + parts - 1) / parts : 1;
}

/* The axis along which the rows lie closest that one entry leads to; -1: there is none of a known extent. */
static int32_t next_to(const ej_schedule *s, int32_t unit)
{
    const ej_statement *st = &s->statements[0];
    int32_t best = -1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        ej_size stride = ej_access_find(&st->out, a)->stride;
        if (a == unit || ej_statement_has_table(st, a) || s->axes[a].extent.e || stride.e || stride.n <= 0) continue;
        if (best < 0 || stride.n < ej_access_find(&st->out, best)->stride.n) best = a;
    }
    return best;
}

/* Rows that are added to, shorter than a vector, one right behind the other: vectors with lanes cut off would read what
 * the one before has just written in part, and wait until that is in memory. */
static bool rows_touch(const ej_schedule *s, int32_t unit, int32_t lanes)
{
    int32_t next = next_to(s, unit);
    ej_size extent = s->axes[unit].extent;
    if (!s->statements[0].accumulate || next < 0 || extent.e || extent.n % lanes == 0) return false;
    return ej_access_find(&s->statements[0].out, next)->stride.n < (extent.n + lanes - 1) / lanes * lanes;
}

static int32_t lanes_of(const ej_schedule *s, int32_t unit)
{
    const ej_statement *st = &s->statements[0];
    if (ej_statement_has_table(st, unit)) return 1;
    int32_t lanes = ej_rule_lanes(s, st, ej_schedule_range(s, -1, unit));
    if (s->axes[unit].extent.n > lanes) return lanes; /* one wait a row is less than a store a number */
    while (lanes > 1 && rows_touch(s, unit, lanes)) lanes /= 2;
    return lanes;
}

/* Rows of a tile: as many as registers hold beside each other where one is short, all alike. */
static int64_t rows_beside(const ej_schedule *s, int32_t unit, int64_t row_vectors, int32_t lanes)
{
    int32_t next = next_to(s, unit);
    bool whole = !s->axes[unit].extent.e && s->axes[unit].extent.n <= row_vectors * lanes;
    if (next < 0 || !whole || ej_statement_has_table(&s->statements[0], unit)) return 1;
    int64_t extent = s->axes[next].extent.n, most = most_vectors(s) / row_vectors;
    while (most > 1 && extent % most) most--;
    return most > 1 ? most : 1;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out), lanes = lanes_of(s, unit);
    int64_t row = s->axes[unit].extent.n * ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    int64_t near = s->job->target->l2_bytes / 2; /* buffers up to that stay in the L2 */
    int64_t ahead = row > 0 ? ROWS_AHEAD_BYTES / row : ROWS_MOST;
    bool far = far_rows(s, &st->out, near);
    for (int32_t i = 0; i < st->n_src; i++) far = far || far_rows(s, &st->src[i], near);
    if (ahead < ROWS_FEWEST) ahead = ROWS_FEWEST;
    if (ahead > ROWS_MOST) ahead = ROWS_MOST;
    out[0][ROWS_VECTORS] = vectors_of(s, unit, lanes);
    out[0][ROWS_BESIDE] = rows_beside(s, unit, out[0][ROWS_VECTORS], lanes);
    out[0][ROWS_AHEAD] = (far && !ej_statement_has_table(st, unit)) || ej_job_random(s->job) ? ahead : 0;
    return 1;
}

/* The next axis to get a loop: with the largest stride in the result, or where it accumulates the first one; -1: all
 * have one. */
static int32_t next_outer(const ej_schedule *s, int32_t unit, const bool *done)
{
    const ej_statement *st = &s->statements[0];
    int32_t best = -1;
    int64_t widest = -1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        const ej_access_term *term = ej_access_find(&st->out, a);
        if (done[a] || a == unit) continue;
        if (st->accumulate) return a;
        int64_t stride = term->stride.n == INT64_MIN ? INT64_MAX : llabs(term->stride.n);
        if (stride <= widest) continue;
        widest = stride;
        best = a;
    }
    return best;
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out), lanes = lanes_of(s, unit);
    bool *done = EJ_JOB_ARRAY(s->job, bool, (size_t)s->n_axes);
    ej_tile tile = {0};
    int32_t next = next_to(s, unit);
    if (!done) {
        s->no_memory = true;
        return;
    }
    if (next >= 0) ej_tile_add(&tile, next, numbers[ROWS_BESIDE], EJ_UNROLL);
    ej_tile_add(&tile, unit, numbers[ROWS_VECTORS], EJ_UNROLL);
    ej_tile_add(&tile, unit, lanes, EJ_LANE);
    ej_do_tile(s, 0, tile);
    for (int32_t a; (a = next_outer(s, unit, done)) >= 0; done[a] = true)
        ej_do_loop(s, 0, a, a == next ? numbers[ROWS_BESIDE] : 1);
    if (ej_statement_has_table(st, unit)) ej_do_loop(s, 0, unit, 1);
    ej_do_hint(s, 0,
               (ej_leaf_hints){.stream = st->reduce == EJ_REDUCE_NONE && ej_rule_streams(s, st),
                               .rows = (int32_t)numbers[ROWS_AHEAD]});
}

const ej_script ej_script_rows = {"rows", matches, NULL, params, run};
