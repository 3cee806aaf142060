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

enum {
    LANES_TERMS = 128, /* values of the other axes of a statement, at most: each is code */
    LANES_ALL = 320,   /* of all statements */
    LANES_STRIDE = 8   /* of operands along the lanes: more are a row each */
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

/* Of what stays in memory. */
static bool strides_suit(const ej_schedule *s, const ej_statement *st, int32_t lane)
{
    for (int32_t i = -1; i < st->n_src + st->n_tail; i++) {
        const ej_access *access = i < 0 ? &st->out : &st->src[i];
        const ej_access_term *term = ej_access_find(access, lane);
        if (!term || s->buffers[access->buffer].inside) continue;
        bool near = !term->stride.e && term->stride.n >= 0 && term->stride.n <= LANES_STRIDE;
        if (term->table >= 0 || !(near || ej_job_random(s->job))) return false;
    }
    return true;
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
        if (ej_rule_vector(s, st) < lanes || !strides_suit(s, st, lane)) return false;
        all += n;
        if (kept > live) live = kept;
    }
    return all <= LANES_ALL && live <= s->job->target->vector_registers;
}

static ej_tile tile_of(const ej_step_group *h, int32_t k, int32_t lane, int64_t lanes)
{
    const ej_schedule *s = &h->fresh;
    ej_tile tile = {0};
    for (int32_t a = 0; a < s->n_axes; a++)
        if (s->statements[k].axes[a] && !is_loop(h, a, lane)) ej_tile_add(&tile, a, s->axes[a].extent.n, EJ_UNROLL);
    ej_tile_add(&tile, lane, lanes, EJ_LANE);
    return tile;
}

static ej_layout layout_of(const ej_step_group *h, int32_t k, int32_t lane)
{
    const ej_statement *st = &h->fresh.statements[k];
    ej_layout layout = {0};
    for (int32_t i = 0; i <= st->out.n_terms && layout.n < EJ_TILE_DIGITS; i++) {
        int32_t axis = i < st->out.n_terms ? st->out.terms[i].axis : lane;
        if ((axis == lane) == (i == st->out.n_terms) && ej_access_moves(&st->out, axis))
            layout.digits[layout.n++] = (ej_digit){axis, 0, EJ_UNROLL};
    }
    return layout;
}

/* Results in rows: of as many tensors as fit into a vector. */
static void store_rows(const ej_step_group *h, ej_schedule *s, int32_t lane, int64_t lanes)
{
    const ej_statement *st = &s->statements[h->n - 1];
    int32_t unit = ej_access_unit_axis(&st->out);
    if (unit < 0 || unit == lane || is_loop(h, unit, lane) || st->reduce == EJ_REDUCE_NONE) return;
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

/* Statements without the lanes' axis run in the loops around, each by the recipe that suits it. */
static int place(const ej_step_group *h, ej_schedule *s, int32_t lane, int64_t lanes, ej_job *job)
{
    int32_t at = EJ_AT_ROOT, last = h->n - 1;
    for (int32_t k = 0; k < h->n; k++)
        if (is_in_lanes(h, k, lane)) ej_do_tile(s, k, tile_of(h, k, lane, lanes));
    for (int32_t i = 0; i < h->n_loops; i++)
        if (h->axes[i] != lane) at = ej_do_loop(s, last, h->axes[i], 1);
    int32_t inner = ej_do_loop(s, last, lane, lanes);
    for (int32_t k = last; k-- > 0;) {
        bool beside = !is_in_lanes(h, k, lane);
        ej_do_compute_at(s, beside ? at : inner, k, beside ? EJ_HOME_LOCAL : EJ_HOME_REG, layout_of(h, k, lane));
    }
    for (int32_t k = 0; k < last && !s->failed; k++)
        if (!is_in_lanes(h, k, lane)) EJ_TRY(ej_group_dress(h, s, k, job));
    return EINJIT_OK;
}

int ej_group_in_lanes(const ej_step_group *h, ej_nest *nest, bool *built, ej_job *job)
{
    ej_schedule s;
    int64_t lanes = ej_rule_vector(&h->fresh, &h->fresh.statements[h->n - 1]);
    int32_t lane = lane_of(h, lanes);
    *built = false;
    if (!suits(h, lane, lanes)) return EINJIT_OK;
    EJ_TRY(ej_schedule_again(&s, &h->fresh));
    EJ_TRY(place(h, &s, lane, lanes, job));
    if (!s.failed) store_rows(h, &s, lane, lanes);
    if (s.no_memory) return EINJIT_E_NOMEM;
    *built = !s.failed;
    return s.failed ? EINJIT_OK : ej_recipe_settle(nest, &s, "lanes", job);
}
