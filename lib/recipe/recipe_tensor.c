/* recipe_tensor.c - contractions of tensors, whatever the order of their axes: the loops around the register tile.
 *
 * Takes  a sum of products of two operands; lanes, tile and blocks are recipe_tensor_plan.c's.
 * Gives  blocks of N, of K, of M as in recipe_gemm.c, each of several axes: operands are packed in runs of their unit
 *        axes. Where the lanes are not along the result's unit axis, results wait for all their terms in a block that
 *        the L2 holds, and are transposed on their way out.
 * Source GETT (Springer, Bientinesi 2018); TBLIS (Matthews 2018).
 */
#include "recipe_tensor.h"

#include "recipe_tiling.h"

enum { MATRIX_ROWS = 16, TENSOR_TERMS = 4 }; /* at least: rows of what recipe_gemm.c does as well; terms of a sum */

static bool matches(const ej_schedule *s)
{
    ej_tensor t;
    if (!ej_tensor_choose(s, &t)) return false;
    const ej_product *p = &t.p;
    bool matrices = p->n_m == 1 && p->n_n == 1 && p->n_k == 1 && !t.waits && p->size_m >= MATRIX_ROWS;
    bool suits = !matrices && !ej_gemm_goes_in_blocks(s) && ej_product_repays_blocks(p, TENSOR_TERMS);
    return suits || ej_job_random(s->job);
}

/* Arrays that the L2 holds need no blocks, unless results have to be transposed. */
static int pays(const ej_schedule *s)
{
    ej_tensor t;
    if (!ej_tensor_choose(s, &t)) return EJ_PAYS_NOT;
    bool large = ej_product_bytes(s, &t.p) > (double)s->job->target->l2_bytes / 2;
    return t.waits || large ? EJ_PAYS_SURELY : EJ_PAYS_PERHAPS;
}

/* The one number is the axis of the lanes: the rest follows from it. */
static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    ej_tensor t;
    if (!ej_tensor_choose(s, &t)) return 0;
    out[0][0] = t.p.lane;
    return 1;
}

/* ---- the way out ---- */

/* Values of an axis that are transposed together: tiles of 16 x 16 f32 take no less time, and much longer to compile
 * (ji,kj->ik of 100 each on Zen 4: 12.9 ms, with 8 x 8 6.6; deca,dbce->abe 23 and 11). */
enum { TURN_MOST = 8 };

enum { TURN_RUN = 128 }; /* bytes along the result's unit axis, up to which lines are written in several pieces */

static int64_t power_below(int64_t n, int64_t most)
{
    int64_t p = 1;
    while (2 * p <= n && 2 * p <= most) p *= 2;
    return p;
}

/* The copy of a block reads along the lanes (x) and writes along the result's unit axis (u); where u is short, several
 * runs of it make up a vector. Short runs that follow one another are written together: eab,dec->bacd f32 on Sapphire
 * Rapids, d of 11, takes 0.6 of the time with x outside of c. Of long ones each fills its lines, and the order makes no
 * difference. */
static void transpose_out(ej_schedule *s, const ej_tensor *t, int32_t at, bool calls, int32_t copy)
{
    if (calls) copy = ej_do_turn_first(s, at, copy);
    if (s->failed) return;
    ej_tile out = {0};
    int32_t x = t->p.lane, u = t->out;
    int64_t vector = ej_rule_vector(s, &s->statements[copy]), run = s->axes[u].extent.n, nx, nu, lanes;
    if (vector > TURN_MOST) vector = TURN_MOST;
    bool is_short = run * 2 <= vector;
    nu = is_short ? run : power_below(run, vector);
    lanes = is_short ? power_below(s->axes[x].extent.n, vector / run) : 1;
    nx = is_short ? lanes : power_below(s->axes[x].extent.n, vector);
    while (t->wait_lane % nx) nx /= 2;
    while (t->block[u] < run && t->block[u] % nu) nu /= 2;
    while (is_short && t->wait_lane % lanes) lanes /= 2;
    ej_tile_add(&out, x, nx / lanes, EJ_UNROLL);
    ej_tile_add(&out, x, lanes, EJ_LANE);
    ej_tile_add(&out, u, nu, EJ_LANE);
    int64_t bytes = ej_dtypes[s->buffers[s->statements[copy].out.buffer].plan.dtype].bytes;
    bool in_order = !t->rows_out && run * bytes < TURN_RUN;
    int32_t order[2 * EJ_PRODUCT_AXES], n = 0;
    for (int32_t a = 0; a < s->n_axes; a++)
        if ((a != x || in_order) && a != u && ej_access_find(&s->statements[copy].out, a)) order[n++] = a;
    ej_product_sort(order, n, &s->statements[copy].out);
    for (int32_t i = 0; i < n; i++) ej_do_loop(s, copy, order[i], order[i] == x ? nx : 1);
    if (t->rows_out) ej_do_rows_out(s, s->nodes[s->statements[copy].node].parent, copy, x, u);
    ej_do_tile(s, copy, out);
    if (!in_order) ej_do_loop(s, copy, x, nx);
    at = ej_do_loop(s, copy, u, nu);
    if (nx > 1 && nu > 1) ej_do_transpose(s, at, copy, u, nu, x, nx);
}

/* ---- loops ---- */

static int64_t step_in(const ej_tensor *t, int32_t axis)
{
    return axis == t->tile.row2 ? t->tile.rows2 : axis == t->tile.vector2 ? t->tile.vectors2 : 1;
}

/* Loops over the blocks of N (`right`) or M, in the order in which the result lies; gives the innermost. */
static int32_t loop_blocks(ej_schedule *s, const ej_tensor *t, bool right, int32_t at)
{
    int32_t n = right ? t->p.n_n : t->p.n_m, axes[EJ_PRODUCT_AXES];
    for (int32_t i = 0; i < n; i++) axes[i] = right ? t->p.n[i] : t->p.m[i];
    ej_product_sort(axes, n, &s->statements[0].out);
    for (int32_t i = 0; i < n; i++) at = ej_do_loop(s, 0, axes[i], t->block[axes[i]]);
    return at;
}

/* Loops inside of the blocks of N or M, over the axes that are neither `not` nor those of the tile. */
static void loop_inside(ej_schedule *s, const ej_tensor *t, bool right, int32_t not)
{
    int32_t n = right ? t->p.n_n : t->p.n_m;
    for (int32_t i = 0; i < n; i++) {
        int32_t axis = right ? t->p.n[i] : t->p.m[i];
        if (axis != not&&axis != t->p.lane && axis != t->p.row) ej_do_loop(s, 0, axis, step_in(t, axis));
    }
}

static void loop_tiles(ej_schedule *s, const ej_tensor *t)
{
    for (int32_t i = 0; i < t->p.n_z; i++) ej_do_loop(s, 0, t->p.z[i], 1);
    loop_inside(s, t, true, -1);
    ej_do_loop(s, 0, t->p.lane, (int64_t)t->tile.lanes * t->tile.vectors);
    loop_inside(s, t, false, -1);
    ej_do_loop(s, 0, t->p.row, t->tile.rows);
}

/* Stages the result: u outermost, the lanes fastest. */
static int32_t wait(ej_schedule *s, const ej_tensor *t, int32_t at)
{
    ej_layout layout = {0};
    const ej_access *out = &s->statements[0].out;
    if (s->failed) return -1;
    layout.digits[layout.n++] = (ej_digit){t->out, 0, 0};
    for (int32_t i = 0; i < out->n_terms && layout.n < EJ_TILE_DIGITS - 1; i++) {
        int32_t axis = out->terms[i].axis;
        if (axis != t->out && axis != t->p.lane && ej_schedule_range(s, at, axis) > 1)
            layout.digits[layout.n++] = (ej_digit){axis, 0, 0};
    }
    layout.digits[layout.n++] = (ej_digit){t->p.lane, 0, 0};
    return ej_do_stage_out(s, at, 0, EJ_HOME_LOCAL, layout);
}

/* Here the sum is inside of the block of results that wait for it .. */
static void run_waiting(ej_schedule *s, const ej_tensor *t, int32_t at)
{
    const ej_product *p = &t->p;
    int64_t width = (int64_t)t->tile.lanes * t->tile.vectors;
    at = loop_blocks(s, t, true, at);
    if (t->pack_right && !s->failed) ej_do_product_pack(s, p, true, at, width);
    at = loop_blocks(s, t, false, at);
    if (t->pack_left && !s->failed) ej_do_product_pack(s, p, false, at, t->tile.rows);
    loop_inside(s, t, true, t->out);
    at = s->nodes[s->statements[0].node].parent;
    at = ej_do_loop(s, 0, p->lane, t->wait_lane);
    bool calls = !t->rows_out && ej_rule_calls_behind(s, &s->statements[0]);
    int32_t copy = wait(s, t, at);
    if (s->failed) return;
    ej_do_product_terms(s, p, t->terms, at);
    loop_tiles(s, t);
    transpose_out(s, t, at, calls, copy);
}

/* .. or around the packs: all results of a block wait at once .. */
static void run_cut(ej_schedule *s, const ej_tensor *t, int32_t at)
{
    at = loop_blocks(s, t, true, at);
    at = loop_blocks(s, t, false, at);
    bool calls = !t->rows_out && ej_rule_calls_behind(s, &s->statements[0]);
    int32_t copy = wait(s, t, at), place = at;
    if (s->failed) return;
    at = ej_do_product_terms(s, &t->p, t->terms, at);
    if (t->pack_right && !s->failed) ej_do_product_pack(s, &t->p, true, at, (int64_t)t->tile.lanes * t->tile.vectors);
    if (t->pack_left && !s->failed) ej_do_product_pack(s, &t->p, false, at, t->tile.rows);
    loop_tiles(s, t);
    transpose_out(s, t, place, calls, copy);
}

/* .. and here blocks of K are around those of M: partial sums wait in the result itself. */
static void run_straight(ej_schedule *s, const ej_tensor *t, int32_t at)
{
    const ej_product *p = &t->p;
    int64_t width = (int64_t)t->tile.lanes * t->tile.vectors;
    at = loop_blocks(s, t, true, at);
    at = ej_do_product_terms(s, p, t->terms, at);
    if (t->pack_right && !s->failed) ej_do_product_pack(s, p, true, at, width);
    at = loop_blocks(s, t, false, at);
    if (t->pack_left && !s->failed) ej_do_product_pack(s, p, false, at, t->tile.rows);
    loop_tiles(s, t);
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    ej_tensor t;
    ej_tile tile = {0};
    int32_t at = EJ_AT_ROOT;
    if (!ej_tensor_find(s, (int32_t)numbers[0], &t)) return;
    ej_tile_add(&tile, t.p.k[t.p.n_k - 1], ej_product_terms(s, &t.p), EJ_UNROLL);
    if (t.tile.rows2 > 1) ej_tile_add(&tile, t.tile.row2, t.tile.rows2, EJ_UNROLL);
    ej_tile_add(&tile, t.p.row, t.tile.rows, EJ_UNROLL);
    if (t.tile.vectors2 > 1) ej_tile_add(&tile, t.tile.vector2, t.tile.vectors2, EJ_UNROLL);
    ej_tile_add(&tile, t.p.lane, t.tile.vectors, EJ_UNROLL);
    ej_tile_add(&tile, t.p.lane, t.tile.lanes, EJ_LANE);
    ej_do_tile(s, 0, tile);
    int64_t width = t.pack_right ? 0 : (int64_t)t.tile.lanes * t.tile.vectors;
    ej_do_product_hints(s, &t.p, t.pack_left ? 0 : t.tile.rows, width, !t.waits);
    for (int32_t i = 0; i < t.p.n_z; i++) at = ej_do_loop(s, 0, t.p.z[i], t.block[t.p.z[i]]);
    if (t.cuts) run_cut(s, &t, at);
    else if (t.waits) run_waiting(s, &t, at);
    else run_straight(s, &t, at);
}

const ej_script ej_script_tensor = {"tensor", matches, pays, params, run};
