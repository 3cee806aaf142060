/* schedule_split.c - the rewrites split and fill: where the terms of a sum are added up.
 *
 * split  each element of the tile along a reduced axis has an accumulator of its own, and these are added up once, at
 *        the end: so that lanes, or vectors, lie along what is summed. settle makes two axes of that one (whole chunks,
 *        elements of a chunk) and a third one for the rest. `apart`: a chunk's vectors are not neighbours, each runs
 *        through a part of the axis of its own, so that memory is read in as many streams.
 * fill   the sum is in memory, in the result, which another statement fills with the neutral element first; an epilogue
 *        is a statement behind. So loops over reduced axes may be outermost, and have open extents. Of an epilogue
 *        e(sum + b) whose tail may lie in the result it is b that this is filled with.
 *
 *     at                         at
 *         child with the sum         fill        out <- neutral, or b
 *                                    child       out <- reduce(out, expr)
 *                                    finish      out <- epilogue(out), or e(out)   where there is one
 */
#include "schedule.h"

/* ---- split ---- */

/* The chunks' terms of this source can be written: settle multiplies and adds the axis' stride, which has to be a
 * number. */
static int source_splits(const ej_schedule *s, const ej_access *source, int32_t axis, int64_t width, bool apart)
{
    const ej_access_term *term = ej_access_find(source, axis);
    const ej_schedule_buffer *buffer = &s->buffers[source->buffer];
    int32_t digits = 0;
    int64_t stride;
    if (!term) return EJ_REFUSE_NONE;
    if (ej_buffer_is_placed(buffer)) {
        for (int32_t d = 0; d < buffer->layout.n; d++) digits += buffer->layout.digits[d].axis == axis;
        return digits > 1 || apart || buffer->plan.home == EJ_HOME_REG ? EJ_REFUSE_SPLIT : EJ_REFUSE_NONE;
    }
    if (term->stride.e || source->base.e) return EJ_REFUSE_OPEN;
    bool fits = term->stride.n > INT64_MIN &&
                ej_mul_size(term->stride.n < 0 ? -term->stride.n : term->stride.n, width, &stride);
    return fits ? EJ_REFUSE_NONE : EJ_REFUSE_LARGE;
}

int ej_split_fits(const ej_schedule *s, const ej_statement *st, const ej_access *source)
{
    if (st->has_fold) return ej_fold_source_fits(s, st, source, st->fold);
    if (!st->has_split) return EJ_REFUSE_NONE;
    return source_splits(s, source, st->split, ej_tile_count(&st->tile, st->split), st->apart);
}

bool ej_rewrite_split(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    int64_t width = ej_tile_count(&st->tile, r->axis);
    int why = EJ_REFUSE_NONE;
    if (!ej_statement_reduces(st, r->axis)) why = EJ_REFUSE_NOT_REDUCED;
    else if (s->axes[r->axis].extent.e) why = EJ_REFUSE_OPEN;
    else if (width < 2) why = EJ_REFUSE_DIGITS;
    else if (width > s->axes[r->axis].extent.n) why = EJ_REFUSE_LARGE;
    else if (st->has_split || st->has_fold || st->in_memory) why = EJ_REFUSE_SPLIT;
    for (int32_t node = s->nodes[st->node].parent; !why && node >= 0; node = s->nodes[node].parent)
        if (s->nodes[node].axis == r->axis) why = EJ_REFUSE_SPLIT;
    for (int32_t i = 0; !why && i < st->n_inner; i++)
        if (st->inner[i].axis == r->axis) why = EJ_REFUSE_SPLIT;
    for (int32_t i = 0; !why && i < st->n_src; i++)
        why = source_splits(s, &st->src[i], r->axis, r->apart ? s->axes[r->axis].extent.n : width, r->apart);
    if (why) return ej_schedule_refuse(s, r->statement, why);
    st->split = r->axis;
    st->has_split = true;
    st->apart = r->apart;
    return true;
}

/* ---- fill ---- */

/* The result is placed at the loop or around it, so that what is filled there is still there below. */
static bool lives_at(const ej_schedule *s, int32_t buffer, int32_t at)
{
    int32_t home = s->buffers[buffer].at;
    while (home >= 0 && at >= 0 && at != home) at = s->nodes[at].parent;
    return home < 0 || at == home;
}

static int may_run_through(const ej_schedule *s, const ej_rewrite *r, int32_t child)
{
    const ej_statement *st = &s->statements[r->statement];
    if (child < 0 || !lives_at(s, st->out.buffer, r->at)) return EJ_REFUSE_NOT_AROUND;
    for (int32_t i = st->n_src; i < st->n_src + st->n_tail; i++) /* the last statement reads them there */
        if (!lives_at(s, st->src[i].buffer, r->at)) return EJ_REFUSE_NOT_AROUND;
    if (st->reduce == EJ_REDUCE_NONE) return EJ_REFUSE_NOT_REDUCED;
    if (st->has_split || st->has_fold || st->has_store) return EJ_REFUSE_SPLIT;
    if (st->accumulate || !ej_statement_may_wait(s, st)) return EJ_REFUSE_PARTIAL;
    for (int32_t node = r->at; node >= 0; node = s->nodes[node].parent)
        if (ej_statement_reduces(st, s->nodes[node].axis)) return EJ_REFUSE_PARTIAL;
    for (int32_t t = 0; t < st->out.n_terms; t++)
        if (!ej_access_moves(&st->out, st->out.terms[t].axis)) return EJ_REFUSE_LAYOUT;
    if (ej_statement_takes_tail_first(s, st) && st->tail_scales) return EJ_REFUSE_SCALED;
    return ej_schedule_reads(s, child, st->out.buffer) ? EJ_REFUSE_WRITTEN : EJ_REFUSE_NONE;
}

/* The digits of axes that the result has. */
static ej_tile tile_of_result(const ej_statement *st)
{
    ej_tile tile = {0};
    for (int32_t d = 0; d < st->tile.n; d++)
        if (ej_access_find(&st->out, st->tile.digits[d].axis)) tile.digits[tile.n++] = st->tile.digits[d];
    return tile;
}

/* What fills the result, and what goes on with it when the sum is there; both may read it, source 0, and the tail. */
static bool ends_of(const ej_schedule *s, const ej_statement *st, ej_expr *first, ej_expr *last)
{
    ej_expr_op neutral = ej_reduce_neutral(st->reduce, ej_statement_dtype(st));
    ej_expr_parts parts = {.first = {1, EJ_JOB_NEW(s->job, ej_expr_op)}, .rest = st->epilogue};
    if (!parts.first.ops) return false;
    *parts.first.ops = (ej_expr_op){.kind = EJ_EXPR_SOURCE};
    if (ej_statement_takes_tail_first(s, st) && !ej_expr_in_parts(s->job->arena, &st->epilogue, st->reduce, &parts))
        return false;
    for (int32_t i = 0; i < parts.first.n; i++)
        if (parts.first.ops[i].kind == EJ_EXPR_SOURCE && !parts.first.ops[i].a) parts.first.ops[i] = neutral;
    *first = parts.first;
    *last = parts.rest;
    return true;
}

static bool make_end(const ej_schedule *s, const ej_statement *st, const ej_expr *expr, ej_statement *out)
{
    size_t n = (size_t)st->n_tail + 1;
    ej_access *all = EJ_JOB_ARRAY(s->job, ej_access, n), *src = EJ_JOB_ARRAY(s->job, ej_access, n);
    *out = (ej_statement){.out = st->out, .reduce = EJ_REDUCE_NONE, .copies = true, .tile = tile_of_result(st)};
    out->expr = (ej_expr){expr->n, EJ_JOB_ARRAY(s->job, ej_expr_op, (size_t)expr->n)};
    if (!all || !src || !out->expr.ops) return false;
    for (int32_t i = 0; i < expr->n; i++) out->expr.ops[i] = expr->ops[i];
    for (int32_t i = 0; i < st->n_tail; i++) all[1 + i] = st->src[st->n_src + i];
    all[0] = st->out;
    out->n_src = ej_expr_sources(&out->expr, st->n_tail + 1, all, src);
    out->src = src;
    return true;
}

bool ej_rewrite_fill(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    if (!ej_schedule_is_place(s, r->at)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    int32_t child = ej_schedule_child(s, r->at, s->statements[r->statement].node);
    int why = may_run_through(s, r, child);
    if (why) return ej_schedule_refuse(s, r->statement, why);
    ej_statement *st = &s->statements[r->statement], fill, finish;
    ej_expr first, last;
    if (!ends_of(s, st, &first, &last) || !make_end(s, st, &first, &fill) || !make_end(s, st, &last, &finish) ||
        !ej_schedule_room(s, 2)) {
        s->no_memory = true;
        return false;
    }
    st = &s->statements[r->statement]; /* room may have moved it */
    st->accumulate = st->in_memory = true;
    st->epilogue = (ej_expr){0};
    st->n_tail = 0;
    st->tail_first = st->hints.stream = false;
    *out = ej_schedule_put(s, r->at, child, &fill, false);
    if (finish.expr.n) ej_schedule_put(s, r->at, child, &finish, true);
    return true;
}
