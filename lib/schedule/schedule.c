/* schedule.c - applies rewrites: the one place where they are counted and recorded; and a function a rewrite for
 * scripts.
 *
 * Takes  a rewrite as a record.
 * Gives  true, and the record is in the log; or false, with the reason of the refusal, and nothing has changed.
 */
#include "schedule.h"

bool ej_schedule_refuse(ej_schedule *s, int32_t statement, int why)
{
    s->why = (uint8_t)why;
    s->why_statement = statement;
    return false;
}

static bool rewrite(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    if (r->statement < 0 || (size_t)r->statement >= s->n_statements)
        return ej_schedule_refuse(s, -1, EJ_REFUSE_NO_SUCH);
    bool steps = r->kind == EJ_REWRITE_LOOP || r->kind == EJ_REWRITE_INNER;
    bool names_axis = steps || r->kind == EJ_REWRITE_SPLIT || r->kind == EJ_REWRITE_FOLD || r->kind == EJ_REWRITE_JOIN;
    if ((names_axis && (r->axis < 0 || r->axis >= s->n_axes)) || (steps && r->step < 1))
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    for (int32_t d = 0; d < r->digits.n; d++)
        if (r->digits.digits[d].axis < 0 || r->digits.digits[d].axis >= s->n_axes)
            return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    switch (r->kind) {
    case EJ_REWRITE_LOOP: return ej_rewrite_loop(s, r, out);
    case EJ_REWRITE_INNER: return ej_rewrite_inner(s, r);
    case EJ_REWRITE_TILE: return ej_rewrite_tile(s, r);
    case EJ_REWRITE_STORE: return ej_rewrite_store(s, r);
    case EJ_REWRITE_STAGE: return ej_rewrite_stage(s, r, out);
    case EJ_REWRITE_STAGE_OUT: return ej_rewrite_stage_out(s, r, out);
    case EJ_REWRITE_COMPUTE_AT: return ej_rewrite_compute_at(s, r, out);
    case EJ_REWRITE_SPLIT: return ej_rewrite_split(s, r);
    case EJ_REWRITE_FOLD: return ej_rewrite_fold(s, r);
    case EJ_REWRITE_JOIN: return ej_rewrite_join(s, r, out);
    case EJ_REWRITE_FILL: return ej_rewrite_fill(s, r, out);
    case EJ_REWRITE_HINT: return ej_rewrite_hint(s, r);
    default: return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    }
}

bool ej_schedule_apply(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    int32_t none;
    if (s->no_memory) return false;
    if (!EJ_PUSH_ROOM(s->job->arena, s->log, s->cap_log, s->n_log)) {
        s->no_memory = true;
        return false;
    }
    s->why = EJ_REFUSE_NONE;
    if (!rewrite(s, r, out ? out : &none)) {
        if (!s->no_memory) s->refused[s->why]++;
        return false;
    }
    s->done[r->kind]++;
    s->log[s->n_log++] = *r;
    return true;
}

/* ---- scripts ---- */

static int32_t run(ej_schedule *s, ej_rewrite r)
{
    int32_t out = -1;
    if (!s->failed && !ej_schedule_apply(s, &r, &out)) s->failed = true;
    return out;
}

int32_t ej_do_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step)
{
    return run(s, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .statement = statement, .axis = axis, .step = step});
}

int32_t ej_do_aligned_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step)
{
    return run(
        s, (ej_rewrite){.kind = EJ_REWRITE_LOOP, .statement = statement, .axis = axis, .step = step, .aligned = true});
}

void ej_do_inner(ej_schedule *s, int32_t statement, int32_t axis, int64_t step)
{
    run(s, (ej_rewrite){.kind = EJ_REWRITE_INNER, .statement = statement, .axis = axis, .step = step});
}

void ej_do_tile(ej_schedule *s, int32_t statement, ej_tile tile)
{
    run(s, (ej_rewrite){.kind = EJ_REWRITE_TILE, .statement = statement, .digits = tile});
}

int32_t ej_do_stage(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int home, ej_layout layout)
{
    return run(s, (ej_rewrite){.kind = EJ_REWRITE_STAGE,
                               .home = (uint8_t)home,
                               .statement = statement,
                               .at = at,
                               .source = source,
                               .digits = layout});
}

int32_t ej_do_stage_out(ej_schedule *s, int32_t at, int32_t statement, int home, ej_layout layout)
{
    return run(
        s,
        (ej_rewrite){
            .kind = EJ_REWRITE_STAGE_OUT, .home = (uint8_t)home, .statement = statement, .at = at, .digits = layout});
}

void ej_do_compute_at(ej_schedule *s, int32_t at, int32_t statement, int home, ej_layout layout)
{
    run(s,
        (ej_rewrite){
            .kind = EJ_REWRITE_COMPUTE_AT, .home = (uint8_t)home, .statement = statement, .at = at, .digits = layout});
}

void ej_do_split(ej_schedule *s, int32_t statement, int32_t axis)
{
    run(s, (ej_rewrite){.kind = EJ_REWRITE_SPLIT, .statement = statement, .axis = axis});
}

void ej_do_fold(ej_schedule *s, int32_t statement, int32_t axis, int32_t lane)
{
    run(s, (ej_rewrite){.kind = EJ_REWRITE_FOLD, .statement = statement, .axis = axis, .lane = lane});
}

int32_t ej_do_join(ej_schedule *s, int32_t statement, int32_t outer, int32_t inner)
{
    return run(s, (ej_rewrite){.kind = EJ_REWRITE_JOIN, .statement = statement, .axis = outer, .lane = inner});
}

int32_t ej_do_fill(ej_schedule *s, int32_t at, int32_t statement)
{
    return run(s, (ej_rewrite){.kind = EJ_REWRITE_FILL, .statement = statement, .at = at});
}

void ej_do_hint(ej_schedule *s, int32_t statement, ej_leaf_hints hints)
{
    run(s, (ej_rewrite){.kind = EJ_REWRITE_HINT, .statement = statement, .hints = hints});
}

void ej_tile_add(ej_tile *tile, int32_t axis, int64_t count, int place)
{
    if (count == 1 || tile->n == EJ_TILE_DIGITS) return;
    tile->digits[tile->n++] = (ej_digit){axis, (int32_t)count, (uint8_t)place};
}
