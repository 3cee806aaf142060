/* schedule_group.c - a step as the statement of a fresh schedule, and questions about statements.
 *
 * Takes  a step of the plan.
 * Gives  a schedule with the step's axes in normal form, the plan's buffers that it uses in order of first use, one
 *        statement; and fresh copies of it, for one script after another.
 * Not here: groups of several steps (their axes have to be brought together first).
 */
#include "schedule.h"

#include <string.h>

typedef struct buffer_map {
    ej_schedule *s;
    const ej_plan *plan;
    int32_t *plan_ids; /* of the schedule's buffers */
    size_t capacity;
} buffer_map;

static int map_buffer(buffer_map *map, int32_t *buffer)
{
    ej_schedule *s = map->s;
    ej_arena *arena = s->job->arena;
    for (size_t b = 0; b < s->n_buffers; b++)
        if (map->plan_ids[b] == *buffer) {
            *buffer = (int32_t)b;
            return EINJIT_OK;
        }
    if (!EJ_PUSH_ROOM(arena, map->plan_ids, map->capacity, s->n_buffers) ||
        !EJ_PUSH_ROOM(arena, s->buffers, s->cap_buffers, s->n_buffers))
        return EINJIT_E_NOMEM;
    map->plan_ids[s->n_buffers] = *buffer;
    s->buffers[s->n_buffers] = (ej_schedule_buffer){.plan = map->plan->buffers[*buffer], .at = EJ_NOT_PLACED};
    *buffer = (int32_t)s->n_buffers++;
    return EINJIT_OK;
}

static int map_access(buffer_map *map, ej_access *access)
{
    EJ_TRY(map_buffer(map, &access->buffer));
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) EJ_TRY(map_buffer(map, &access->terms[t].table));
    return EINJIT_OK;
}

static int copy_access(ej_access *out, const ej_access *access, ej_arena *arena)
{
    *out = *access;
    out->terms = EJ_NEW_ARRAY(arena, ej_access_term, (size_t)access->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    if (access->n_terms) memcpy(out->terms, access->terms, (size_t)access->n_terms * sizeof *out->terms);
    return EINJIT_OK;
}

static int copy_step(ej_statement *out, const ej_step *step, ej_arena *arena)
{
    int32_t n = step->n_src + step->n_tail;
    *out = (ej_statement){.n_src = step->n_src,
                          .n_tail = step->n_tail,
                          .expr = step->expr,
                          .epilogue = step->epilogue,
                          .reduce = step->reduce,
                          .accumulate = step->accumulate,
                          .src = EJ_NEW_ARRAY(arena, ej_access, (size_t)n)};
    if (!out->src) return EINJIT_E_NOMEM;
    EJ_TRY(copy_access(&out->out, &step->out, arena));
    for (int32_t i = 0; i < n; i++) EJ_TRY(copy_access(&out->src[i], &step->src[i], arena));
    return EINJIT_OK;
}

/* What is only moved has no parts: a c64 goes as an f64, one lane wide, for which there are permutes and half the
 * shuffles. */
static int move_whole(ej_schedule *s, ej_statement *st)
{
    if (st->reduce != EJ_REDUCE_NONE || st->accumulate || st->n_src != 1 || st->n_tail || st->expr.n != 1)
        return EINJIT_OK;
    ej_buffer *to = &s->buffers[st->out.buffer].plan, *from = &s->buffers[st->src[0].buffer].plan;
    if (st->expr.ops[0].kind != EJ_EXPR_SOURCE || to->dtype != EINJIT_C64 || from->dtype != EINJIT_C64)
        return EINJIT_OK;
    ej_expr_op *op = EJ_NEW(s->job->arena, ej_expr_op);
    if (!op) return EINJIT_E_NOMEM;
    *op = st->expr.ops[0];
    op->dtype = to->dtype = from->dtype = EINJIT_F64;
    st->expr.ops = op;
    return EINJIT_OK;
}

int ej_schedule_begin(ej_schedule *out, const ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    ej_arena *arena = job->arena;
    double done = plan->n_steps ? (double)(step - plan->steps) / (double)plan->n_steps : 1;
    EJ_TRY(ej_job_poll(job, EJ_STAGE_SCHEDULE, done));
    *out =
        (ej_schedule){.name = step->name, .ordered = step->ordered, .job = job, .sizes = sizes, .n_axes = step->n_axes};
    out->axes = EJ_NEW_ARRAY(arena, ej_axis, (size_t)step->n_axes);
    if (!out->axes || !EJ_PUSH_ROOM(arena, out->statements, out->cap_statements, 0) ||
        !EJ_PUSH_ROOM(arena, out->nodes, out->cap_nodes, 0))
        return EINJIT_E_NOMEM;
    if (step->n_axes) memcpy(out->axes, step->axes, (size_t)step->n_axes * sizeof *out->axes);
    ej_statement *st = &out->statements[out->n_statements++];
    EJ_TRY(copy_step(st, step, arena));
    out->nodes[out->n_nodes++] =
        (ej_schedule_node){.kind = EJ_SCHEDULE_STATEMENT, .parent = -1, .child = -1, .next = -1, .axis = -1};
    EJ_TRY(ej_schedule_normalize(out));
    buffer_map map = {.s = out, .plan = plan};
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++) EJ_TRY(map_access(&map, &st->src[i]));
    EJ_TRY(map_access(&map, &st->out));
    return move_whole(out, st);
}

int ej_schedule_again(ej_schedule *out, const ej_schedule *begun)
{
    *out = *begun;
    out->statements = NULL;
    out->nodes = NULL;
    out->n_statements = out->cap_statements = out->n_nodes = out->cap_nodes = 0;
    out->cap_buffers = out->n_buffers; /* those of the plan are the same ones: more make a copy */
    if (!ej_schedule_room(out, 1)) return EINJIT_E_NOMEM;
    out->statements[out->n_statements++] = begun->statements[0];
    out->nodes[out->n_nodes++] = begun->nodes[0];
    return EINJIT_OK;
}

bool ej_statement_reduces(const ej_statement *st, int32_t axis)
{
    return st->reduce != EJ_REDUCE_NONE && !ej_access_find(&st->out, axis);
}

bool ej_statement_sums(const ej_schedule *s, const ej_statement *st)
{
    for (int32_t a = 0; a < s->n_axes; a++)
        if (ej_statement_reduces(st, a)) return true;
    return false;
}

bool ej_statement_names(const ej_statement *st, int32_t axis)
{
    bool found = ej_access_find(&st->out, axis) != NULL;
    for (int32_t i = 0; i < st->n_src && !found; i++) found = ej_access_find(&st->src[i], axis) != NULL;
    return found;
}

int ej_statement_dtype(const ej_statement *st)
{
    return st->expr.ops[st->expr.n - 1].dtype;
}

int64_t ej_tile_count(const ej_tile *tile, int32_t axis)
{
    int64_t count = 1;
    for (int32_t d = 0; d < tile->n; d++)
        if (tile->digits[d].axis == axis) count *= tile->digits[d].count;
    return count;
}

bool ej_buffer_is_placed(const ej_schedule_buffer *buffer)
{
    return buffer->at != EJ_NOT_PLACED;
}

int64_t ej_schedule_range(const ej_schedule *s, int32_t node, int32_t axis)
{
    int64_t range = s->axes[axis].extent.e ? INT64_MAX : s->axes[axis].extent.n;
    for (; node >= 0; node = s->nodes[node].parent) {
        const ej_schedule_node *loop = &s->nodes[node];
        if (loop->kind == EJ_SCHEDULE_LOOP && loop->axis == axis && loop->step < range) range = loop->step;
    }
    return range;
}
