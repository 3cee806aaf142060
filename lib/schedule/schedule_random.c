/* schedule_random.c - schedules that nobody would write, for tests: any state is a program, so any of them must be
 * right.
 *
 * Takes  a schedule and a seed.
 * Gives  in a group steps that run where others read their results, some of them into registers; then mostly a tile,
 *        then up to 15 random rewrites of every kind, half of them of the last statement. Refusals are passed over, and
 *        counted.
 */
#include "schedule.h"

typedef struct dice {
    ej_schedule *s;
    uint64_t state;
} dice;

static uint32_t draw(dice *d, uint32_t n)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return n ? (uint32_t)(d->state >> 33) % n : 0;
}

static int32_t any_axis(dice *d)
{
    return (int32_t)draw(d, (uint32_t)d->s->n_axes);
}

/* Digits of one to four axes; one in two where the output or a source has unit stride. */
static ej_tile any_tile(dice *d, const ej_statement *st)
{
    static const int32_t counts[] = {2, 3, 4, 4, 8, 8, 16};
    ej_tile tile = {0};
    int32_t lanes = 1, all = 1, n = 1 + (int32_t)draw(d, 4);
    for (int32_t i = 0; i < n; i++) {
        int32_t axis = any_axis(d), count = counts[draw(d, 7)], place = draw(d, 2) ? EJ_LANE : EJ_UNROLL;
        if (!ej_statement_names(st, axis) || all * count > 128) continue;
        if (place == EJ_LANE && lanes * count > d->s->job->target->vector_bytes / 4) place = EJ_UNROLL;
        if (place == EJ_LANE) lanes *= count;
        all *= count;
        ej_tile_add(&tile, axis, count, place);
    }
    return tile;
}

/* The digits of the tile that the result has, in another order and in other places. */
static ej_tile other_lanes(dice *d, const ej_statement *st)
{
    ej_tile tile = {0};
    int32_t lanes = 1, first = (int32_t)draw(d, EJ_TILE_DIGITS);
    for (int32_t i = 0; i < st->tile.n; i++) {
        ej_digit digit = st->tile.digits[(first + i) % st->tile.n];
        if (!ej_access_find(&st->out, digit.axis)) continue;
        digit.place = draw(d, 2) && lanes * digit.count <= d->s->job->target->vector_bytes / 8 ? EJ_LANE : EJ_UNROLL;
        if (digit.place == EJ_LANE) lanes *= digit.count;
        tile.digits[tile.n++] = digit;
    }
    return tile;
}

static int32_t any_loop_around(dice *d, const ej_statement *st)
{
    int32_t depth = 0, node = d->s->nodes[st->node].parent;
    for (int32_t n = node; n >= 0; n = d->s->nodes[n].parent) depth++;
    for (int32_t up = (int32_t)draw(d, (uint32_t)depth + 1); up > 0; up--) node = d->s->nodes[node].parent;
    return node;
}

/* The axes of the source in any order; sometimes one of them in blocks, which are fastest. */
static ej_layout any_layout(dice *d, const ej_access *source)
{
    ej_layout layout = {0};
    int32_t first = (int32_t)draw(d, (uint32_t)source->n_terms), blocked = -1;
    for (int32_t i = 0; i < source->n_terms && layout.n + 1 < EJ_TILE_DIGITS; i++) {
        int32_t axis = source->terms[(first + i) % source->n_terms].axis;
        if (!ej_access_moves(source, axis)) continue;
        if (blocked < 0 && draw(d, 3) == 0) blocked = axis;
        layout.digits[layout.n++] = (ej_digit){axis, 0, EJ_UNROLL};
    }
    if (blocked >= 0) layout.digits[layout.n++] = (ej_digit){blocked, 1 << (1 + draw(d, 4)), EJ_UNROLL};
    return layout;
}

/* For stage and stage_out: one in n into registers, which are placed right around the statement. */
static void draw_buffer(dice *d, const ej_statement *st, const ej_access *access, uint32_t n, ej_rewrite *r)
{
    r->home = draw(d, n) ? EJ_HOME_LOCAL : EJ_HOME_REG;
    if (r->home == EJ_HOME_REG) r->at = d->s->nodes[st->node].parent;
    r->digits = any_layout(d, access);
}

static void draw_hints(dice *d, const ej_statement *st, ej_leaf_hints *hints)
{
    hints->stream = draw(d, 2);
    hints->ahead = draw(d, 2) ? 64 << draw(d, 8) : 0;
    hints->far = hints->ahead && draw(d, 2);
    hints->rows = draw(d, 2) ? 1 << draw(d, 8) : 0;
    hints->source = draw(d, 4) ? (int32_t)draw(d, (uint32_t)st->n_src) : EJ_HINT_ALL;
}

/* Lanes for a fold: a sum over 2, 4, 8 or 16 values and as many of a value of the result. */
static void draw_fold(dice *d, const ej_statement *st, ej_rewrite *r)
{
    ej_size extent = d->s->axes[r->axis].extent;
    r->kind = EJ_REWRITE_FOLD;
    r->lane = st->out.n_terms ? st->out.terms[draw(d, (uint32_t)st->out.n_terms)].axis : any_axis(d);
    if (extent.e || extent.n < 2 || extent.n > 16) return;
    ej_rewrite tile = {.kind = EJ_REWRITE_TILE, .statement = r->statement};
    if (draw(d, 2)) tile.digits = any_tile(d, st);
    if (tile.digits.n > 3) tile.digits.n = 3;
    ej_tile_add(&tile.digits, r->lane, extent.n, EJ_UNROLL);
    ej_tile_add(&tile.digits, r->axis, extent.n, EJ_LANE);
    ej_schedule_apply(d->s, &tile, NULL);
}

/* Two axes of a copy of a source, which follow each other there: where there is such a copy by then, or one is made. */
static void draw_join(dice *d, ej_rewrite *r)
{
    const ej_schedule *s = d->s;
    const ej_statement *st = &s->statements[r->statement];
    r->kind = EJ_REWRITE_JOIN;
    r->lane = any_axis(d);
    if (!st->n_src) return;
    int32_t i = (int32_t)draw(d, (uint32_t)st->n_src);
    const ej_access *source = &st->src[i];
    ej_layout layout = any_layout(d, source);
    for (int32_t t = 0; t < source->n_terms; t++)
        for (int32_t u = 0; u < source->n_terms; u++) {
            int32_t outer = source->terms[t].axis, inner = source->terms[u].axis;
            ej_size extent = s->axes[inner].extent;
            if (t == u || extent.e || source->terms[u].stride.e) continue;
            if (!ej_access_walks_as_one(source, outer, inner, extent, s->sizes)) continue;
            r->axis = outer;
            r->lane = inner;
        }
    if (st->copies) return;
    int32_t n = 0;
    for (int32_t k = 0; k < layout.n; k++) /* the two are fastest, none of them in blocks */
        if (layout.digits[k].axis != r->axis && layout.digits[k].axis != r->lane) layout.digits[n++] = layout.digits[k];
    layout.n = n;
    if (n + 2 > EJ_TILE_DIGITS) return;
    layout.digits[layout.n++] = (ej_digit){r->axis, 0, EJ_UNROLL};
    layout.digits[layout.n++] = (ej_digit){r->lane, 0, EJ_UNROLL};
    ej_rewrite stage = {.kind = EJ_REWRITE_STAGE, .statement = r->statement, .source = i, .digits = layout};
    stage.home = draw(d, 2) ? EJ_HOME_LOCAL : EJ_HOME_REG;
    stage.at = s->nodes[st->node].parent;
    ej_schedule_apply(d->s, &stage, &r->statement);
}

static void one_rewrite(dice *d, int32_t id)
{
    const ej_statement *st = &d->s->statements[id];
    ej_rewrite r = {.statement = id, .axis = any_axis(d), .step = (int64_t)1 << draw(d, 5)};
    r.step *= draw(d, 3) ? ej_tile_count(&st->tile, r.axis) : 1 + draw(d, 3);
    switch (draw(d, 14)) {
    case 0:
        r.kind = EJ_REWRITE_TILE;
        r.digits = any_tile(d, st);
        break;
    case 1:
        r.kind = EJ_REWRITE_STORE;
        r.digits = other_lanes(d, st);
        break;
    case 2:
    case 3:
        if (!st->n_src) return;
        r.kind = EJ_REWRITE_STAGE;
        r.at = any_loop_around(d, st);
        r.source = (int32_t)draw(d, (uint32_t)st->n_src);
        draw_buffer(d, st, &st->src[r.source], 2, &r);
        break;
    case 4:
        r.kind = EJ_REWRITE_STAGE_OUT;
        r.at = any_loop_around(d, st);
        draw_buffer(d, st, &st->out, 3, &r);
        break;
    case 5: r.kind = EJ_REWRITE_INNER; break;
    case 6:
        r.kind = EJ_REWRITE_SPLIT;
        r.apart = draw(d, 2);
        if (st->tile.n) r.axis = st->tile.digits[draw(d, (uint32_t)st->tile.n)].axis;
        break;
    case 7:
        r.kind = EJ_REWRITE_FILL;
        r.at = any_loop_around(d, st);
        break;
    case 8:
        r.kind = EJ_REWRITE_HINT;
        draw_hints(d, st, &r.hints);
        break;
    case 9:
    case 10: draw_fold(d, st, &r); break;
    case 11: draw_join(d, &r); break;
    default: r.kind = EJ_REWRITE_LOOP; r.aligned = draw(d, 2);
    }
    ej_schedule_apply(d->s, &r, NULL);
}

/* ---- groups ---- */

/* Digits over all values that an access names at a loop, as far as these are few: registers have to be covered. */
static ej_tile covering(dice *d, const ej_access *access, int32_t at)
{
    ej_tile tile = {0};
    int64_t lanes = 1, most = d->s->job->target->vector_bytes / 8;
    for (int32_t t = 0; t < access->n_terms && tile.n < EJ_TILE_DIGITS; t++) {
        int32_t axis = access->terms[t].axis;
        int64_t range = ej_schedule_range(d->s, at, axis);
        if (range > 16 || range < 2) continue;
        bool lane = range * lanes <= most && draw(d, 2);
        if (lane) lanes *= range;
        ej_tile_add(&tile, axis, range, lane ? EJ_LANE : EJ_UNROLL);
    }
    return tile;
}

/* Some reader of a buffer, and the source; -1: there is none. */
static int32_t any_reader(dice *d, int32_t buffer, int32_t *source)
{
    int32_t found = -1;
    uint32_t n = 0;
    for (int32_t k = 0; k < (int32_t)d->s->n_statements; k++)
        for (int32_t i = 0; i < d->s->statements[k].n_src + d->s->statements[k].n_tail; i++) {
            if (d->s->statements[k].src[i].buffer != buffer || draw(d, ++n)) continue;
            found = k;
            *source = i;
        }
    return found;
}

/* Moves a step to its readers, more often than not with tiles that registers ask for. */
static void move_step(dice *d, int32_t id)
{
    const ej_access *out = &d->s->statements[id].out;
    int32_t source = 0, reader = any_reader(d, out->buffer, &source);
    if (reader < 0) return;
    ej_rewrite r = {.kind = EJ_REWRITE_COMPUTE_AT, .statement = id, .home = EJ_HOME_LOCAL};
    r.at = any_loop_around(d, &d->s->statements[reader]);
    r.digits = any_layout(d, out);
    if (draw(d, 2)) {
        const ej_access *access = &d->s->statements[reader].src[source];
        r.home = EJ_HOME_REG;
        r.at = d->s->nodes[d->s->statements[reader].node].parent;
        ej_rewrite wide = {.kind = EJ_REWRITE_TILE, .statement = reader, .digits = covering(d, access, r.at)};
        ej_schedule_apply(d->s, &wide, NULL);
        wide.statement = id;
        wide.digits = covering(d, out, r.at);
        ej_schedule_apply(d->s, &wide, NULL);
    }
    ej_schedule_apply(d->s, &r, NULL);
}

/* From the last step to the first: some loops and a tile, then the one before it, perhaps, goes there. */
static void move_steps(dice *d)
{
    for (int32_t k = d->s->n_steps; k-- > 0 && !d->s->no_memory;) {
        for (int32_t n = (int32_t)draw(d, 3); n > 0; n--) {
            ej_rewrite loop = {.kind = EJ_REWRITE_LOOP, .statement = k, .axis = any_axis(d), .step = 1 + draw(d, 5)};
            ej_schedule_apply(d->s, &loop, NULL);
        }
        if (k && draw(d, 4)) move_step(d, k - 1);
    }
}

void ej_schedule_random(ej_schedule *s, uint64_t seed)
{
    dice d = {s, seed};
    draw(&d, 2);
    int32_t n = (int32_t)draw(&d, 16);
    if (!s->n_axes) return;
    if (s->n_steps > 1) move_steps(&d);
    if (draw(&d, 4))
        ej_schedule_apply(s, &(ej_rewrite){.kind = EJ_REWRITE_TILE, .digits = any_tile(&d, &s->statements[0])}, NULL);
    for (int32_t i = 0; i < n && !s->no_memory; i++)
        one_rewrite(&d, (int32_t)(s->n_statements - 1 - draw(&d, draw(&d, 2) ? (uint32_t)s->n_statements : 1)));
}
