/* recipe_map.c - maps and copies with a result that no cache holds.
 *
 * Takes  a step that reduces nothing; each source lies along the result's unit axis or does not move with it.
 * Gives  one pass in the result's order: vectors side by side, stored past the caches, so that lines of the result are
 *        not read first. In rows that are no whole lines a shorter first chunk ends where a line does (outer products
 *        of 4095 by 4097 f32 on Zen 4: 18.6 GB/s without, 28.0 with). The largest source is prefetched, if there is
 *        only one of its size (a copy of 67 MB on Zen 5: 45.6 GB/s without, 53.6 with); two are no faster for it.
 * Not here: small results, and sources that are transposed (recipe_permute.c).
 */
#include "recipe.h"

/* bytes of a tile, at most; of a row of the result, at least; ahead */
enum { MAP_RUN = 256, MAP_ROW = 4096, MAP_AHEAD = 4096 };
enum map_number { MAP_VECTORS, MAP_ALIGNED };

static bool matches(const ej_schedule *s)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out);
    if (st->reduce != EJ_REDUCE_NONE || st->accumulate || st->epilogue.n || unit < 0) return false;
    if (ej_statement_has_table(st, unit) || !(ej_rule_is_large(s, st) || ej_job_random(s->job))) return false;
    for (int32_t i = 0; i < st->n_src; i++) {
        const ej_access_term *term = ej_access_find(&st->src[i], unit);
        if (st->src[i].buffer == st->out.buffer ||
            (term && !ej_size_is(term->stride, 1) && !ej_size_is(term->stride, 0)))
            return false;
    }
    return true;
}

/* As many vectors side by side as a run and the extent have. */
static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    const ej_statement *st = &s->statements[0];
    ej_size extent = s->axes[ej_access_unit_axis(&st->out)].extent;
    int64_t bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes;
    int32_t lanes = ej_rule_vector(s, st), vectors = (int32_t)(MAP_RUN / (bytes * lanes));
    if (vectors < 1) vectors = 1;
    if (!extent.e && extent.n < lanes) return 0;
    if (!extent.e && extent.n * bytes < MAP_ROW && !ej_job_random(s->job)) return 0;
    while (vectors > 1 && !extent.e && extent.n < (int64_t)vectors * lanes) vectors /= 2;
    out[0][MAP_VECTORS] = vectors;
    out[0][MAP_ALIGNED] = !ej_rule_has_whole_lines(s, st);
    return 1;
}

/* The source that moves along the most axes; -1: there are several, or it does not move along the lanes. */
static int32_t largest_source(const ej_schedule *s, int32_t unit)
{
    const ej_statement *st = &s->statements[0];
    int32_t largest = -1, most = 0;
    for (int32_t i = 0; i < st->n_src; i++) {
        int32_t moves = 0;
        for (int32_t a = 0; a < s->n_axes; a++) moves += ej_access_moves(&st->src[i], a);
        if (moves >= most) largest = moves > most && ej_access_moves(&st->src[i], unit) ? i : -1;
        if (moves > most) most = moves;
    }
    return largest;
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    const ej_statement *st = &s->statements[0];
    int32_t unit = ej_access_unit_axis(&st->out), largest = largest_source(s, unit);
    ej_tile tile = {0};
    int64_t lanes = ej_rule_vector(s, st);
    ej_tile_add(&tile, unit, numbers[MAP_VECTORS], EJ_UNROLL);
    ej_tile_add(&tile, unit, lanes, EJ_LANE);
    ej_do_tile(s, 0, tile);
    if (numbers[MAP_ALIGNED]) {
        for (int32_t a = 0; a < s->n_axes; a++)
            if (a != unit) ej_do_loop(s, 0, a, 1);
        ej_do_aligned_loop(s, 0, unit, numbers[MAP_VECTORS] * lanes);
    }
    ej_do_hint(
        s, 0,
        (ej_leaf_hints){.stream = true, .source = largest < 0 ? 0 : largest, .ahead = largest < 0 ? 0 : MAP_AHEAD});
}

const ej_script ej_script_map = {"map", matches, NULL, params, run};
