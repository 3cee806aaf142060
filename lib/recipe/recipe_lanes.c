/* recipe_lanes.c - groups of steps on many small tensors: each lane computes one of them, and nothing but operands and
 * result is in memory.
 *
 * Takes  a group whose statements all have the loops' axes; their other axes are short.
 * Gives  the axis along which results lie closest in the lanes of all statements that have it, their other axes
 *        unrolled, intermediates in registers; what has no such axis is computed in the loops around. Where the lanes'
 *        axis is no unit axis, rows are loaded and shuffled, results shuffled and stored in rows (3x3x3 over 128,000 on
 *        Zen 4: 496 us step by step, 422 in loops over a near buffer, 137 here).
 * Keeps  away from functions that are called: no register outlives the call (a tanh of 8 values before a product over
 *        20,000: 137 us here, 98 step by step).
 */
#include "recipe_group.h"

#include "nest_cost.h"
#include "recipe_chain.h"

enum {
    LANES_TERMS = 128, /* values of the other axes of a statement, at most: each is code */
    LANES_ALL = 320,   /* of all statements */
    LANES_STRIDE = 8,  /* of operands along the lanes: more are a row each */
    LANES_ROWS = 16,   /* bytes of a row that are loaded at a time */
    LANES_ROW = 48,    /* values of a row, at most: more do not stay in registers until they are turned */
    LANES_FEW = 20     /* of what is no batch of products */
};

static bool is_loop(const ej_step_group *h, int32_t axis, int32_t lane)
{
    bool found = axis == lane;
    for (int32_t i = 0; i < h->n_loops; i++) found = found || h->axes[i] == axis;
    return found;
}

/* The statement's result has the lanes' axis. */
static bool is_in_lanes(const ej_step_group *h, int32_t k, int32_t lane)
{
    return ej_access_moves(&h->fresh.statements[k].out, lane);
}

/* Values of the other axes, of all or of those that an access moves along; -1: too many, or not known. */
static int64_t terms_of(const ej_step_group *h, int32_t k, int32_t lane, const ej_access *access)
{
    const ej_schedule *s = &h->fresh;
    const ej_statement *st = &s->statements[k];
    int64_t n = 1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        if (!st->axes[a] || is_loop(h, a, lane) || (access && !ej_access_moves(access, a))) continue;
        if (s->axes[a].extent.e || s->axes[a].extent.n < 1 || ej_statement_has_table(st, a)) return -1;
        if (s->axes[a].extent.n > LANES_TERMS || (n *= s->axes[a].extent.n) > LANES_TERMS) return -1;
    }
    return n;
}

/* The axes along which a lane's part of an access lies in one piece, of those that are unrolled. */
static ej_chain row_of(const ej_step_group *h, int32_t k, int32_t lane, const ej_access *access)
{
    ej_chain row = ej_chain_of(&h->fresh, &h->fresh.statements[k], access);
    for (int32_t i = 0; i < row.n; i++)
        if (is_loop(h, row.axis[i], lane)) row.n = i;
    return row;
}

/* Lanes are too far apart to be picked from the vectors in which they lie. */
static bool is_far(const ej_schedule *s, const ej_access *access, int32_t lane)
{
    const ej_access_term *term = ej_access_find(access, lane);
    if (!term || s->buffers[access->buffer].inside) return false;
    return term->stride.e || term->stride.n < 0 || term->stride.n > LANES_STRIDE;
}

/* Of what stays in memory: near, or rows. */
static bool strides_suit(const ej_step_group *h, int32_t k, int32_t lane)
{
    const ej_schedule *s = &h->fresh;
    const ej_statement *st = &s->statements[k];
    for (int32_t i = 0; i <= ej_statement_sources(st); i++) {
        const ej_access *access = i ? &st->src[i - 1] : &st->out;
        const ej_access_term *term = ej_access_find(access, lane);
        if (!term || s->buffers[access->buffer].inside || ej_job_random(s->job)) continue;
        if (term->table >= 0) return false;
        if (is_far(s, access, lane) && (i > st->n_src || !row_of(h, k, lane, access).n)) return false;
    }
    return true;
}

/* The summed axis whose values lie one after the other in a lane's part of the sources, as many as there are lanes:
 * then products are made along it, and the sum is folded (schedule_fold.c), which takes no more shuffles than to turn
 * the results would. -1: there is none. */
static int32_t folds(const ej_step_group *h, int32_t k, int32_t lane, int64_t lanes)
{
    const ej_schedule *s = &h->fresh;
    const ej_statement *st = &s->statements[k];
    int32_t found = -1;
    for (int32_t a = 0; a < s->n_axes && found < 0; a++) {
        bool far = false, fits = ej_statement_reduces(st, a) && ej_size_is(s->axes[a].extent, lanes);
        for (int32_t i = 0; i < st->n_src && fits; i++) {
            const ej_access_term *term = ej_access_find(&st->src[i], a);
            fits = !s->buffers[st->src[i].buffer].inside && (!term || ej_size_is(term->stride, 1));
            far = far || is_far(s, &st->src[i], lane);
        }
        if (fits && far && (lanes & (lanes - 1)) == 0) found = a;
    }
    return found;
}

/* A product of operands that all have the lanes' axis, or of few values. Products with one operand for all lanes are of
 * matrices, and sums of single rows add up vectors as they lie: with more values these take up to 1.9 and 1.6 times as
 * long where rows are turned. */
static bool is_batched(const ej_step_group *h, int32_t k, int32_t lane)
{
    const ej_statement *st = &h->fresh.statements[k];
    bool all = is_in_lanes(h, k, lane) && (st->n_src > 1 || !ej_statement_sums(&h->fresh, st)), few = true;
    for (int32_t i = 0; i <= st->n_src; i++) {
        const ej_access *access = i ? &st->src[i - 1] : &st->out;
        int64_t n = terms_of(h, k, lane, access);
        all = all && ej_access_moves(access, lane);
        few = few && n > 0 && n <= LANES_FEW;
    }
    return all || few;
}

/* Rows are turned in registers, of which they take many: all of a row waits there. With vectors of 64 bytes half of
 * each is enough: the seeds' example takes 3.7 us with 8 lanes on Zen 4, 4.7 with 16. Rows of a power of 2 fill vectors
 * as they lie, and steps one by one lose no lanes (zab,zbc,zcd->zad of 4x4 over 2,000: 7.4 us, 8.5 with rows turned; of
 * 3x3 8.7 and 4.8). */
static bool turns_rows(const ej_step_group *h, int32_t lane, int64_t lanes, bool *suits)
{
    const ej_schedule *s = &h->fresh;
    bool found = false, ragged = false, batched = true;
    *suits = true;
    for (int32_t k = 0; k < h->n; k++) {
        const ej_statement *st = &s->statements[k];
        bool folded = is_in_lanes(h, k, lane) && folds(h, k, lane, lanes) >= 0;
        batched = batched && is_batched(h, k, lane);
        for (int32_t i = 0; i <= st->n_src && is_in_lanes(h, k, lane); i++) {
            const ej_access *access = i ? &st->src[i - 1] : &st->out;
            ej_chain row = row_of(h, k, lane, access);
            if (!is_far(s, access, lane) || !row.n) continue;
            int64_t n = s->axes[row.axis[0]].extent.n, all = terms_of(h, k, lane, access);
            found = true;
            ragged = ragged || (n & (n - 1));
            *suits = *suits && ((i && folded) || (all > 0 && all <= LANES_ROW));
        }
    }
    *suits = !found || (*suits && ragged && batched);
    return found;
}

static bool suits(const ej_step_group *h, int32_t lane, int64_t lanes)
{
    const ej_schedule *s = &h->fresh;
    ej_size extent = s->axes[lane].extent;
    int64_t all = 0, live = 0;
    if (!extent.e && extent.n < lanes && !ej_job_random(s->job)) return false;
    for (int32_t k = 0; k < h->n; k++) {
        const ej_statement *st = &s->statements[k];
        if (k < h->n - 1 && !h->moves[k]) return false;
        if (!is_in_lanes(h, k, lane)) continue;
        int64_t n = terms_of(h, k, lane, NULL), kept = terms_of(h, k, lane, &st->out);
        if (n < 0 || kept < 0 || st->accumulate || ej_dtype_is_complex(ej_statement_dtype(st))) return false;
        if (!ej_job_random(s->job) && (ej_nest_calls(&st->expr) || ej_nest_calls(&st->epilogue))) return false;
        if (ej_rule_vector(s, st) < lanes || !strides_suit(h, k, lane)) return false;
        all += n;
        if (kept > live) live = kept;
    }
    return all <= LANES_ALL && live <= s->job->target->vector_registers;
}

static ej_tile tile_of(const ej_step_group *h, int32_t k, int32_t lane, int64_t lanes)
{
    const ej_schedule *s = &h->fresh;
    ej_tile tile = {0};
    int32_t fold = folds(h, k, lane, lanes);
    for (int32_t a = 0; a < s->n_axes; a++)
        if (s->statements[k].axes[a] && !is_loop(h, a, lane) && a != fold)
            ej_tile_add(&tile, a, s->axes[a].extent.n, EJ_UNROLL);
    ej_tile_add(&tile, lane, lanes, fold >= 0 ? EJ_UNROLL : EJ_LANE);
    if (fold >= 0) ej_tile_add(&tile, fold, lanes, EJ_LANE);
    return tile;
}

/* A kept axis along which the statement's largest source lies in one piece; -1: there is none. */
static int32_t unit_of_sources(const ej_schedule *s, const ej_statement *st)
{
    double most = 0;
    int32_t unit = -1;
    for (int32_t i = 0; i < st->n_src; i++) {
        int32_t axis = ej_access_unit_axis(&st->src[i]);
        double elements = ej_rule_elements(s, &st->src[i]);
        if (axis < 0 || elements <= most || !ej_access_moves(&st->out, axis)) continue;
        unit = axis;
        most = elements;
    }
    return unit;
}

/* In registers the lanes are fastest. What the loops around compute is read as one value for all lanes, in whatever
 * order: it lies as it is written in whole vectors (e3nn's uvu: 61 us, 64 in the order of the plan's buffer). */
static ej_layout layout_of(const ej_step_group *h, int32_t k, int32_t lane)
{
    const ej_statement *st = &h->fresh.statements[k];
    int32_t fastest = is_in_lanes(h, k, lane) ? lane : unit_of_sources(&h->fresh, st);
    ej_layout layout = {0};
    for (int32_t i = 0; i <= st->out.n_terms && layout.n < EJ_TILE_DIGITS; i++) {
        int32_t axis = i < st->out.n_terms ? st->out.terms[i].axis : fastest;
        if (axis >= 0 && (axis == fastest) == (i == st->out.n_terms) && ej_access_moves(&st->out, axis))
            layout.digits[layout.n++] = (ej_digit){axis, 0, EJ_UNROLL};
    }
    return layout;
}

/* Lanes of the result lie so far apart that what is between them are the unrolled axes: whole vectors of it are made of
 * all of these together (jit/lower/lower_interleave.c). */
static bool interleaves(const ej_step_group *h, int32_t lane)
{
    const ej_schedule *s = &h->fresh;
    const ej_statement *st = &s->statements[h->n - 1];
    const ej_access_term *term = ej_access_find(&st->out, lane);
    ej_chain row = row_of(h, h->n - 1, lane, &st->out);
    int64_t n = 1;
    for (int32_t i = 0; i < row.n; i++) n *= s->axes[row.axis[i]].extent.n;
    return term && s->job->target->vector_bytes >= 32 && ej_lanes_interleave(n) && ej_size_is(term->stride, n);
}

/* Results in rows: of as many tensors as fit into a vector. */
static void store_rows(const ej_step_group *h, ej_schedule *s, int32_t lane, int64_t lanes)
{
    const ej_statement *st = &s->statements[h->n - 1];
    int32_t unit = ej_access_unit_axis(&st->out);
    if (unit < 0 || unit == lane || is_loop(h, unit, lane) || st->reduce == EJ_REDUCE_NONE) return;
    if (interleaves(h, lane)) return;
    int64_t n = s->axes[unit].extent.n, beside = 1;
    while (beside * 2 * n <= lanes) beside *= 2;
    ej_tile tile = {0};
    for (int32_t d = 0; d < st->tile.n; d++) {
        int32_t axis = st->tile.digits[d].axis;
        if (axis != unit && axis != lane && ej_access_find(&st->out, axis)) tile.digits[tile.n++] = st->tile.digits[d];
    }
    ej_tile_add(&tile, lane, lanes / beside, EJ_UNROLL);
    ej_tile_add(&tile, lane, beside, EJ_LANE);
    ej_tile_add(&tile, unit, n, n * beside <= lanes ? EJ_LANE : EJ_UNROLL);
    ej_rewrite store = {.kind = EJ_REWRITE_STORE, .statement = h->n - 1, .digits = tile};
    ej_schedule_apply(s, &store, NULL); /* where that is refused, lane by lane */
}

/* The loops' innermost axis; or a longer one of the result, with which it lies closer: unless a chunk would read what
 * the one before it has written. */
static int32_t lane_of(const ej_step_group *h, int64_t lanes)
{
    const ej_schedule *s = &h->fresh;
    const ej_access *out = &s->statements[h->n - 1].out;
    int32_t lane = h->axes[h->n_loops - 1];
    for (int32_t t = 0; t < out->n_terms; t++) {
        const ej_access_term *term = &out->terms[t], *best = ej_access_find(out, lane);
        ej_size extent = s->axes[term->axis].extent;
        if (!h->chunks[term->axis] || term->table >= 0 || best->table >= 0 || (!extent.e && extent.n < lanes)) continue;
        if (term->stride.n > 0 && term->stride.n < best->stride.n) lane = term->axis;
    }
    return lane;
}

/* ---- rows ---- */

/* The lanes, other axes, and the row, which is fastest. */
static ej_layout layout_of_rows(const ej_access *access, int32_t lane, const ej_chain *row)
{
    ej_layout layout = {0};
    layout.digits[layout.n++] = (ej_digit){lane, 0, EJ_UNROLL};
    for (int32_t t = 0; t < access->n_terms; t++) {
        bool other = access->terms[t].axis != lane && ej_access_moves(access, access->terms[t].axis);
        for (int32_t i = 0; i < row->n; i++) other = other && row->axis[i] != access->terms[t].axis;
        if (other && layout.n < EJ_TILE_DIGITS)
            layout.digits[layout.n++] = (ej_digit){access->terms[t].axis, 0, EJ_UNROLL};
    }
    for (int32_t i = row->n; i-- > 0;)
        if (layout.n < EJ_TILE_DIGITS) layout.digits[layout.n++] = (ej_digit){row->axis[i], 0, EJ_UNROLL};
    return layout;
}

/* The copy's tile: vectors along the row, which is one axis then. */
static void tile_rows(const ej_step_group *h, ej_schedule *s, int32_t copy, const ej_access *access, int32_t lane,
                      int64_t lanes, const ej_chain *row)
{
    int32_t axis = row->axis[0];
    ej_tile tile = {0};
    for (int32_t i = 1; i < row->n && !s->failed; i++) axis = ej_do_join(s, copy, row->axis[i], axis);
    if (s->failed) return;
    int64_t n = s->axes[axis].extent.n, wide = ej_rule_lanes(s, &s->statements[copy], n),
            most = LANES_ROWS / ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes;
    if (wide > most) wide = most;
    for (int32_t t = 0; t < access->n_terms; t++) {
        int32_t other = access->terms[t].axis;
        bool kept = other != lane && ej_access_find(&s->statements[copy].out, other) && other != axis;
        if (kept && !is_loop(h, other, lane)) ej_tile_add(&tile, other, s->axes[other].extent.n, EJ_UNROLL);
    }
    ej_tile_add(&tile, lane, lanes, EJ_UNROLL);
    ej_tile_add(&tile, axis, (n + wide - 1) / wide, EJ_UNROLL);
    ej_tile_add(&tile, axis, wide, EJ_LANE);
    ej_do_tile(s, copy, tile);
}

/* What lies in rows goes through registers, into which it is loaded, or from which it is stored, along these rows. */
static void stage_rows(const ej_step_group *h, ej_schedule *s, int32_t at, int32_t k, int32_t lane, int64_t lanes)
{
    const ej_statement *st = &h->fresh.statements[k];
    for (int32_t i = 0; i <= st->n_src && !s->failed; i++) {
        const ej_access *access = i ? &st->src[i - 1] : &st->out;
        if (!is_far(&h->fresh, access, lane) || (i && folds(h, k, lane, lanes) >= 0)) continue;
        ej_chain row = row_of(h, k, lane, access);
        if (!row.n) continue;
        ej_layout layout = layout_of_rows(access, lane, &row);
        int32_t copy =
            i ? ej_do_stage(s, at, k, i - 1, EJ_HOME_REG, layout) : ej_do_stage_out(s, at, k, EJ_HOME_REG, layout);
        if (!s->failed) tile_rows(h, s, copy, access, lane, lanes, &row);
    }
}

/* Statements without the lanes' axis run in the loops around, each by the recipe that suits it. */
static int place(const ej_step_group *h, ej_schedule *s, int32_t lane, int64_t lanes, ej_job *job)
{
    int32_t at = EJ_AT_ROOT, last = h->n - 1;
    for (int32_t k = 0; k < h->n; k++)
        if (is_in_lanes(h, k, lane)) {
            int32_t fold = folds(h, k, lane, lanes);
            ej_do_tile(s, k, tile_of(h, k, lane, lanes));
            if (fold >= 0) ej_do_fold(s, k, fold, lane);
        }
    for (int32_t i = 0; i < h->n_loops; i++)
        if (h->axes[i] != lane) at = ej_do_loop(s, last, h->axes[i], 1);
    int32_t inner = ej_do_loop(s, last, lane, lanes);
    for (int32_t k = last; k-- > 0;) {
        bool beside = !is_in_lanes(h, k, lane);
        ej_do_compute_at(s, beside ? at : inner, k, beside ? EJ_HOME_LOCAL : EJ_HOME_REG, layout_of(h, k, lane));
    }
    for (int32_t k = 0; k < last && !s->failed; k++)
        if (!is_in_lanes(h, k, lane)) EJ_TRY(ej_group_dress(h, s, k, job));
    for (int32_t k = 0; k <= last && !s->failed; k++)
        if (is_in_lanes(h, k, lane)) stage_rows(h, s, inner, k, lane, lanes);
    return EINJIT_OK;
}

int ej_group_in_lanes(const ej_step_group *h, ej_nest *nest, bool *built, bool *turns, ej_job *job)
{
    ej_schedule s;
    int64_t lanes = ej_rule_vector(&h->fresh, &h->fresh.statements[h->n - 1]);
    int32_t lane = lane_of(h, lanes);
    bool halves = job->target->vector_bytes > 32, rows_suit;
    *turns = turns_rows(h, lane, halves ? lanes / 2 : lanes, &rows_suit);
    if (*turns && halves) lanes /= 2;
    *built = false;
    if (!(rows_suit || ej_job_random(job)) || !suits(h, lane, lanes)) return EINJIT_OK;
    EJ_TRY(ej_schedule_again(&s, &h->fresh));
    EJ_TRY(place(h, &s, lane, lanes, job));
    if (!s.failed) store_rows(h, &s, lane, lanes);
    if (s.no_memory) return EINJIT_E_NOMEM;
    *built = !s.failed;
    return s.failed ? EINJIT_OK : ej_recipe_settle(nest, &s, "lanes", job);
}
