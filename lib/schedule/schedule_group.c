/* schedule_group.c - steps as statements of a schedule.
 *
 * Takes  a step in normal form.
 * Gives  a schedule with the step's axes, the plan's buffers that it uses in order of first use, one statement.
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

int ej_schedule_begin(ej_schedule *out, ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    memset(out, 0, sizeof *out);
    out->name = step->name;
    out->ordered = EJ_HELD(step->ordered, SUM_LOOPS);
    out->job = job;
    out->sizes = sizes;
    out->n_axes = step->n_axes;
    out->axes = step->axes;
    buffer_map map = {.s = out, .plan = plan};
    for (int32_t i = 0; i < step->n_src + step->n_tail; i++) EJ_TRY(map_access(&map, &step->src[i]));
    EJ_TRY(map_access(&map, &step->out));
    if (!EJ_PUSH_ROOM(job->arena, out->statements, out->cap_statements, 0) ||
        !EJ_PUSH_ROOM(job->arena, out->nodes, out->cap_nodes, 0))
        return EINJIT_E_NOMEM;
    out->statements[out->n_statements++] =
        (ej_statement){.out = step->out, .n_src = step->n_src, .n_tail = step->n_tail, .src = step->src, .expr = step->expr,
                       .epilogue = step->epilogue, .reduce = step->reduce, .accumulate = step->accumulate};
    out->nodes[out->n_nodes++] =
        (ej_schedule_node){.kind = EJ_SCHEDULE_STATEMENT, .parent = -1, .child = -1, .next = -1, .axis = -1};
    return EINJIT_OK;
}

bool ej_statement_reduces(const ej_statement *st, int32_t axis)
{
    return st->reduce != EJ_REDUCE_NONE && !ej_access_find(&st->out, axis);
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
