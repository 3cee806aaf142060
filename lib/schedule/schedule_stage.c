/* schedule_stage.c - the rewrites stage and stage_out.
 *
 * stage      a source is copied to a buffer of any layout, which is placed at a loop, and read from there. Where the
 *            reader takes the source through a map (exp(a) in exp(a) * b), the copy computes that, once an element.
 * stage_out  a result is written to such a buffer, and copied from there to its place. What is rounded to f16 or bf16
 *            waits as it is computed, and is rounded by the copy: so parts of a sum may wait. Functions of an
 *            epilogue are called by the copy where that is less code (ej_rule_calls_behind).
 *
 *     at                            at                  places the buffer
 *         child with the reader         copy            buffer[axes of the source] <- map(source)
 *                                       child           the reader reads the buffer
 *
 *     at                            at                  places the buffer
 *         child with the writer         child           the writer writes the buffer
 *                                       copy            out <- buffer, or epilogue(buffer, tail)
 *
 * Takes  a statement, and for stage one of its sources; a loop around it, or the root.
 * Gives  the copy, a statement of its own: it may be looped, tiled and staged like any other. A copy into or out of
 *        registers has a tile that covers them from the start.
 */
#include "base_narrow.h"
#include "nest_cost.h"
#include "schedule.h"

#include <string.h>

enum { EJ_STAGE_REGISTERS = 1024, EJ_STAGE_BYTES = 1 << 26 }; /* of a buffer at most: elements in registers; bytes */

/* Digits of an axis: at most two, at most one without a count, together no fewer than the range. */
static bool axis_is_laid_out(const ej_layout *layout, int32_t axis, int64_t range)
{
    int32_t n = 0, open = 0;
    int64_t count = 1;
    for (int32_t d = 0; d < layout->n; d++) {
        if (layout->digits[d].axis != axis) continue;
        if (++n > 2) return false;
        if (layout->digits[d].count) count *= layout->digits[d].count;
        else open++;
    }
    return open <= 1 && (open || count >= range);
}

int ej_layout_fits(const ej_schedule *s, int32_t at, const ej_access *source, const ej_layout *layout)
{
    if (layout->n < 0 || layout->n > EJ_TILE_DIGITS) return EJ_REFUSE_LAYOUT;
    for (int32_t t = 0; t < source->n_terms; t++) {
        int32_t axis = source->terms[t].axis;
        int64_t range = ej_schedule_range(s, at, axis);
        if (!ej_access_moves(source, axis)) continue;
        if (range == INT64_MAX) return EJ_REFUSE_OPEN;
        if (!axis_is_laid_out(layout, axis, range)) return EJ_REFUSE_LAYOUT;
    }
    for (int32_t d = 0; d < layout->n; d++)
        if (layout->digits[d].count < 0 || !ej_access_moves(source, layout->digits[d].axis)) return EJ_REFUSE_LAYOUT;
    return EJ_REFUSE_NONE;
}

static bool is_looped(const ej_schedule *s, int32_t node, int32_t axis)
{
    for (; node >= 0; node = s->nodes[node].parent)
        if (s->nodes[node].axis == axis) return true;
    return false;
}

/* The copy may run where the reader does not, unless an axis that the source does not have, and that has no loop at
 * `at`, is empty: then nobody promised that the source has elements. */
static bool may_run_alone(const ej_schedule *s, int32_t at, const ej_statement *st, const ej_access *source)
{
    for (int32_t a = 0; a < s->n_axes; a++) {
        ej_size extent = s->axes[a].extent;
        bool counted = ej_statement_names(st, a) || (!st->copies && ej_statement_reduces(st, a));
        if (!counted || (!extent.e && extent.n > 0) || ej_access_moves(source, a)) continue;
        if (!is_looped(s, at, a)) return false;
    }
    return true;
}

/* Terms as they stand in the layout: an axis that the source only names is only named. */
bool ej_placed_access(ej_schedule *s, const ej_access *source, int32_t buffer, bool all, ej_access *out)
{
    *out = (ej_access){.buffer = buffer, .terms = EJ_JOB_ARRAY(s->job, ej_access_term, (size_t)source->n_terms)};
    if (!out->terms) return false;
    for (int32_t t = 0; t < source->n_terms; t++) {
        bool moves = ej_access_moves(source, source->terms[t].axis);
        if (!moves && !all) continue;
        out->terms[out->n_terms++] =
            (ej_access_term){.axis = source->terms[t].axis, .table = -1, .stride = ej_size_number(moves)};
    }
    return true;
}

/* What the copy reads: without the axes that the source does not move along. */
static bool source_access(ej_schedule *s, const ej_access *source, ej_access *out)
{
    *out = *source;
    out->n_terms = 0;
    out->terms = EJ_JOB_ARRAY(s->job, ej_access_term, (size_t)source->n_terms);
    if (!out->terms) return false;
    for (int32_t t = 0; t < source->n_terms; t++)
        if (ej_access_moves(source, source->terms[t].axis)) out->terms[out->n_terms++] = source->terms[t];
    return true;
}

/* A tile without lanes over the whole range of each axis; false: it is too large. */
static bool covering_tile(const ej_schedule *s, int32_t at, const ej_access *access, ej_tile *out)
{
    *out = (ej_tile){0};
    for (int32_t t = 0; t < access->n_terms; t++) {
        int64_t range = ej_schedule_range(s, at, access->terms[t].axis);
        if (range <= 1) continue;
        if (range > EJ_STAGE_REGISTERS || out->n == EJ_TILE_DIGITS) return false;
        out->digits[out->n++] = (ej_digit){access->terms[t].axis, (int32_t)range, EJ_UNROLL};
    }
    return true;
}

static bool make_room(ej_schedule *s)
{
    return EJ_PUSH_ROOM(s->job->arena, s->buffers, s->cap_buffers, s->n_buffers) && ej_schedule_room(s, 1);
}

int ej_placed_fits(const ej_schedule *s, const ej_access *access)
{
    const ej_schedule_buffer *buffer = &s->buffers[access->buffer];
    int64_t elems = ej_layout_elems(s, access->buffer), bytes;
    bool registers = buffer->plan.home == EJ_HOME_REG;
    if (!ej_mul_size(elems, ej_dtypes[buffer->plan.dtype].bytes, &bytes) || bytes > EJ_STAGE_BYTES ||
        (registers && elems > EJ_STAGE_REGISTERS))
        return EJ_REFUSE_LARGE;
    for (int32_t t = 0; registers && t < access->n_terms; t++) /* registers are written in every case */
        if (!ej_schedule_range(s, buffer->at, access->terms[t].axis)) return EJ_REFUSE_EMPTY;
    return EJ_REFUSE_NONE;
}

/* Asks for sizes of the buffer, so it has been added already; callers take it away again where it does not fit. */
static int buffer_fits(ej_schedule *s, const ej_rewrite *r, const ej_access *read)
{
    int why = ej_placed_fits(s, read);
    return why ? why : ej_access_fits(s, read, &s->statements[r->statement].tile);
}

/* Prefetches of the source are the copy's. */
static void hand_on_hints(ej_leaf_hints *reader, int32_t source, ej_leaf_hints *copy)
{
    copy->rows = reader->rows;
    if (!reader->ahead || (reader->source != source && reader->source != EJ_HINT_ALL)) return;
    copy->ahead = reader->ahead;
    copy->far = reader->far;
    if (reader->source == EJ_HINT_ALL) {
        copy->source = EJ_HINT_ALL; /* the copy may come to read registers, as the reader may */
        return;
    }
    reader->ahead = 0;
    reader->far = false;
}

/* The copy of a factor that goes in pairs: it has the dtype that the instruction takes. */
static bool copy_for_pairs(ej_schedule *s, const ej_expr *expr, int32_t source, int dtype, ej_expr *map, ej_expr *rest)
{
    int to = ej_expr_pairs_of(expr);
    *map = (ej_expr){dtype == to ? 1 : 2, EJ_JOB_ARRAY(s->job, ej_expr_op, 2)};
    *rest = (ej_expr){expr->n, EJ_JOB_ARRAY(s->job, ej_expr_op, (size_t)expr->n)};
    if (!map->ops || !rest->ops) return false;
    map->ops[0] = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype};
    map->ops[1] = (ej_expr_op){.kind = EJ_EXPR_CAST, .dtype = (int16_t)to};
    memcpy(rest->ops, expr->ops, (size_t)expr->n * sizeof *expr->ops);
    for (int32_t i = 0; i < rest->n; i++)
        if (rest->ops[i].kind == EJ_EXPR_SOURCE && rest->ops[i].a == source) rest->ops[i].dtype = (int16_t)to;
    return true;
}

/* In memory a copy's source waits as it is for functions that the copy calls: both have each element once, and code
 * that turns vectors in registers would have a call for each. Else the copy of the source computes what is made of it
 * alone. */
static bool split_off(ej_schedule *s, const ej_rewrite *r, int dtype, ej_expr *map, ej_expr *rest)
{
    const ej_statement *st = &s->statements[r->statement];
    if (ej_statement_pairs(s, st)) return copy_for_pairs(s, &st->expr, r->source, dtype, map, rest);
    if (r->home == EJ_HOME_REG || !st->copies || !ej_nest_calls(&st->expr))
        return ej_expr_split(s->job->arena, &st->expr, r->source, dtype, map, rest);
    *rest = st->expr;
    *map = (ej_expr){1, EJ_JOB_NEW(s->job, ej_expr_op)};
    if (map->ops) map->ops[0] = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype};
    return map->ops;
}

bool ej_rewrite_stage(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    const ej_statement *st = &s->statements[r->statement];
    if (r->source < 0 || r->source >= st->n_src || (r->home != EJ_HOME_LOCAL && r->home != EJ_HOME_REG) ||
        !ej_schedule_is_place(s, r->at))
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    int32_t child = ej_schedule_child(s, r->at, st->node);
    ej_access source = st->src[r->source], read, written, from;
    if (child < 0) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NOT_AROUND);
    if (ej_schedule_writes(s, child, source.buffer, -1)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_WRITTEN);
    int why = ej_layout_fits(s, r->at, &source, &r->digits), dtype = s->buffers[source.buffer].plan.dtype;
    if (!why && !may_run_alone(s, r->at, st, &source)) why = EJ_REFUSE_EMPTY;
    ej_expr map, rest;
    size_t n = (size_t)(st->n_src + st->n_tail);
    ej_access *sources = EJ_JOB_ARRAY(s->job, ej_access, n), *one = EJ_JOB_NEW(s->job, ej_access);
    int32_t buffer = (int32_t)s->n_buffers;
    if (why) return ej_schedule_refuse(s, r->statement, why);
    if (!sources || !one || !make_room(s) || !ej_placed_access(s, &source, buffer, true, &read) ||
        !ej_placed_access(s, &source, buffer, false, &written) || !source_access(s, &source, &from) ||
        !split_off(s, r, dtype, &map, &rest)) {
        s->no_memory = true;
        return false;
    }
    st = &s->statements[r->statement]; /* room may have moved it */
    dtype = map.ops[map.n - 1].dtype;  /* narrow dtypes are widened as they are copied */
    ej_statement copy = {.out = written, .n_src = 1, .src = one, .expr = map, .reduce = EJ_REDUCE_NONE, .copies = true};
    s->buffers[s->n_buffers++] = (ej_schedule_buffer){.plan = {.name = r->home == EJ_HOME_REG ? "tile" : "panel",
                                                               .dtype = (int16_t)dtype,
                                                               .home = r->home,
                                                               .slot = -1},
                                                      .at = r->at,
                                                      .layout = r->digits};
    why = buffer_fits(s, r, &read);
    if (!why) why = ej_split_fits(s, st, &read);
    if (!why && r->home == EJ_HOME_REG && !covering_tile(s, r->at, &written, &copy.tile)) why = EJ_REFUSE_LARGE;
    if (!why) why = ej_access_fits(s, &from, &copy.tile);
    if (why) {
        s->n_buffers--;
        return ej_schedule_refuse(s, r->statement, why);
    }
    *one = from;
    memcpy(sources, st->src, n * sizeof *sources);
    sources[r->source] = read;
    s->statements[r->statement].src = sources;
    s->statements[r->statement].expr = rest;
    hand_on_hints(&s->statements[r->statement].hints, r->source, &copy.hints);
    *out = ej_schedule_put(s, r->at, child, &copy, false);
    return true;
}

/* ---- stage_out ---- */

/* EJ_REFUSE_*, as far as it can be said without the buffer, which may hold partial sums if all terms are added below
 * `at`. */
static int may_stage_out(const ej_schedule *s, const ej_rewrite *r, int32_t child)
{
    const ej_statement *st = &s->statements[r->statement];
    if (child < 0) return EJ_REFUSE_NOT_AROUND;
    if (st->accumulate) return EJ_REFUSE_PARTIAL;
    /* registers do not outlive an iteration */
    int32_t around = r->home == EJ_HOME_REG ? s->nodes[st->node].parent : r->at;
    for (int32_t node = around; node >= 0; node = s->nodes[node].parent)
        if (ej_statement_reduces(st, s->nodes[node].axis)) return EJ_REFUSE_PARTIAL;
    for (int32_t t = 0; t < st->out.n_terms; t++)
        if (!ej_access_moves(&st->out, st->out.terms[t].axis)) return EJ_REFUSE_LAYOUT;
    if (ej_schedule_reads(s, child, st->out.buffer) || ej_schedule_writes(s, child, st->out.buffer, r->statement))
        return EJ_REFUSE_WRITTEN;
    return ej_layout_fits(s, r->at, &st->out, &r->digits);
}

/* The last op of a statement rounds its result to a dtype that nothing is computed in. */
static bool rounds_last(const ej_statement *st)
{
    const ej_expr *end = &st->epilogue;
    const ej_expr_op *last = end->n > 1 ? &end->ops[end->n - 1] : NULL;
    return last && last->kind == EJ_EXPR_CAST && last->a == end->n - 2 && ej_dtype_is_narrow(last->dtype) &&
           end->ops[last->a].dtype == ej_dtypes[last->dtype].computes;
}

/* The statement leaves the rounding to the copy. */
static void round_later(ej_statement *st)
{
    st->epilogue.n--;
    if (st->epilogue.n == 1 && st->epilogue.ops[0].kind == EJ_EXPR_SOURCE && !st->n_tail) st->epilogue.n = 0;
}

/* Nobody in the child writes what the epilogue reads. */
static bool tail_stays(const ej_schedule *s, const ej_statement *st, int32_t child)
{
    for (int32_t t = 0; t < st->n_tail; t++)
        if (ej_schedule_writes(s, child, st->src[st->n_src + t].buffer, -1)) return false;
    return true;
}

/* The copy computes the statement's epilogue, which its sources begin with the buffer for. */
static void finish_later(ej_statement *st, ej_statement *copy)
{
    copy->expr = st->epilogue;
    copy->n_src += st->n_tail;
    memcpy(copy->src + 1, st->src + st->n_src, (size_t)st->n_tail * sizeof *st->src);
    st->epilogue = (ej_expr){0};
    st->n_tail = 0;
}

bool ej_rewrite_stage_out(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    if ((r->home != EJ_HOME_LOCAL && r->home != EJ_HOME_REG) || !ej_schedule_is_place(s, r->at))
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    ej_access result = s->statements[r->statement].out, waiting;
    int32_t child = ej_schedule_child(s, r->at, s->statements[r->statement].node),
            to = s->buffers[result.buffer].plan.dtype, buffer = (int32_t)s->n_buffers;
    bool calls = r->home == EJ_HOME_LOCAL && child >= 0 && ej_rule_calls_behind(s, &s->statements[r->statement]) &&
                 tail_stays(s, &s->statements[r->statement], child),
         rounds = !calls && rounds_last(&s->statements[r->statement]);
    int why = may_stage_out(s, r, child), dtype = calls    ? ej_statement_dtype(&s->statements[r->statement])
                                                  : rounds ? ej_dtypes[to].computes
                                                           : to;
    ej_expr expr = {rounds ? 2 : 1, EJ_JOB_ARRAY(s->job, ej_expr_op, 2)};
    ej_access *one = EJ_JOB_ARRAY(s->job, ej_access, 1 + (size_t)s->statements[r->statement].n_tail);
    if (why) return ej_schedule_refuse(s, r->statement, why);
    if (!one || !expr.ops || !make_room(s) || !ej_placed_access(s, &result, buffer, true, &waiting)) {
        s->no_memory = true;
        return false;
    }
    *one = waiting;
    expr.ops[0] = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype};
    expr.ops[1] = (ej_expr_op){.kind = EJ_EXPR_CAST, .dtype = (int16_t)to};
    ej_statement copy = {.out = result, .n_src = 1, .src = one, .expr = expr, .reduce = EJ_REDUCE_NONE, .copies = true};
    s->buffers[s->n_buffers++] =
        (ej_schedule_buffer){.plan = {.name = "result", .dtype = (int16_t)dtype, .home = r->home, .slot = -1},
                             .at = r->at,
                             .layout = r->digits};
    why = buffer_fits(s, r, &waiting);
    if (!why && s->statements[r->statement].has_store)
        why = ej_access_fits(s, &waiting, &s->statements[r->statement].store);
    if (!why && r->home == EJ_HOME_REG && !covering_tile(s, r->at, &result, &copy.tile)) why = EJ_REFUSE_LARGE;
    if (!why) why = ej_access_fits(s, &result, &copy.tile);
    if (why) {
        s->n_buffers--;
        return ej_schedule_refuse(s, r->statement, why);
    }
    s->statements[r->statement].out = waiting;
    if (calls) finish_later(&s->statements[r->statement], &copy);
    if (rounds) round_later(&s->statements[r->statement]);
    copy.hints.stream = s->statements[r->statement].hints.stream;
    copy.hints.rows = s->statements[r->statement].hints.rows;
    s->statements[r->statement].hints.stream = false;
    *out = ej_schedule_put(s, r->at, child, &copy, true);
    return true;
}
