/* schedule_group.c - steps as the statements of a fresh schedule, and questions about statements.
 *
 * Takes  a step of the plan, or several that follow each other.
 * Gives  a schedule with the steps' axes in normal form, the plan's buffers that they use in order of first use, a
 *        statement a step; and fresh copies of it, for one script after another.
 * Not here: which axes of different steps are one (schedule_unify.c).
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
    if (s->buffers[s->n_buffers].plan.home == EJ_HOME_SCRATCH) s->buffers[s->n_buffers].plan.slot = *buffer;
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
                          .tail_first = step->tail_first,
                          .tail_scales = step->tail_scales,
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

/* Whether a buffer lives in the steps f to l only, and one of them alone writes it. */
static bool is_inside(const ej_buffer *buffer, const ej_plan_life *life, int32_t first, int32_t last)
{
    return buffer->home == EJ_HOME_SCRATCH && life->writers == 1 && life->first >= first && life->last <= last &&
           !buffer->is_table;
}

static void move_axes(ej_access *access, int32_t by)
{
    for (int32_t t = 0; t < access->n_terms; t++) access->terms[t].axis += by;
}

/* Steps as statements; each has axes of its own, behind those of the ones before. */
static int add_statements(ej_schedule *s, const ej_step *steps, int32_t n, int32_t cap_axes)
{
    for (int32_t k = 0; k < n; k++) {
        ej_statement *st = &s->statements[k];
        EJ_TRY(copy_step(st, &steps[k], s->job->arena));
        st->axes = EJ_JOB_ARRAY(s->job, bool, (size_t)cap_axes);
        if (!st->axes) return EINJIT_E_NOMEM;
        move_axes(&st->out, s->n_axes);
        for (int32_t i = 0; i < st->n_src + st->n_tail; i++) move_axes(&st->src[i], s->n_axes);
        for (int32_t a = 0; a < steps[k].n_axes; a++) {
            st->axes[s->n_axes] = true;
            s->axes[s->n_axes++] = steps[k].axes[a];
        }
        st->node = k;
        s->nodes[k] = (ej_schedule_node){.kind = EJ_SCHEDULE_STATEMENT,
                                         .parent = -1,
                                         .child = -1,
                                         .next = k + 1 < n ? k + 1 : -1,
                                         .axis = -1,
                                         .statement = k};
    }
    return EINJIT_OK;
}

static int map_buffers(ej_schedule *s, const ej_plan *plan, const ej_plan_life *lives, int32_t first)
{
    buffer_map map = {.s = s, .plan = plan};
    for (int32_t k = 0; k < s->n_steps; k++) {
        ej_statement *st = &s->statements[k];
        for (int32_t i = 0; i < st->n_src + st->n_tail; i++) EJ_TRY(map_access(&map, &st->src[i]));
        EJ_TRY(map_access(&map, &st->out));
    }
    for (size_t b = 0; lives && b < s->n_buffers; b++)
        s->buffers[b].inside = is_inside(&s->buffers[b].plan, &lives[map.plan_ids[b]], first, first + s->n_steps - 1);
    return EINJIT_OK;
}

/* "t+u+result" */
static const char *name_of(const ej_step *steps, int32_t n, ej_arena *arena)
{
    ej_text text;
    if (n == 1) return steps->name;
    ej_text_init(&text, arena);
    for (int32_t k = 0; k < n; k++) ej_print(&text, k ? "+%s" : "%s", steps[k].name ? steps[k].name : "-");
    return text.failed ? NULL : text.data;
}

enum { EJ_SPLIT_AXES = 16 }; /* of a group: axes that splitting others may add */

int ej_schedule_begin_group(ej_schedule *out, const ej_step *first, int32_t n, const ej_plan *plan,
                            const ej_plan_life *lives, ej_sizes *sizes, ej_job *job)
{
    ej_arena *arena = job->arena;
    int32_t index = (int32_t)(first - plan->steps), cap_axes = n > 1 ? EJ_SPLIT_AXES : 0;
    EJ_TRY(ej_job_poll(job, EJ_STAGE_SCHEDULE, -1));
    *out = (ej_schedule){
        .name = name_of(first, n, arena), .ordered = first->ordered, .n_steps = n, .job = job, .sizes = sizes};
    for (int32_t k = 0; k < n; k++) cap_axes += first[k].n_axes;
    out->axes = EJ_NEW_ARRAY(arena, ej_axis, (size_t)cap_axes);
    if (!out->axes || (n > 1 && !out->name) || !ej_schedule_room(out, (size_t)n)) return EINJIT_E_NOMEM;
    out->n_statements = out->n_nodes = (size_t)n;
    EJ_TRY(add_statements(out, first, n, cap_axes));
    if (n > 1) ej_schedule_unify(out, cap_axes);
    if (out->no_memory) return EINJIT_E_NOMEM;
    EJ_TRY(ej_schedule_normalize(out));
    EJ_TRY(map_buffers(out, plan, lives, index));
    return n > 1 ? EINJIT_OK : move_whole(out, &out->statements[0]);
}

int ej_schedule_begin(ej_schedule *out, const ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job)
{
    return ej_schedule_begin_group(out, step, 1, plan, NULL, sizes, job);
}

int ej_schedule_again(ej_schedule *out, const ej_schedule *begun)
{
    *out = *begun;
    out->statements = NULL;
    out->nodes = NULL;
    out->buffers = NULL;
    out->n_statements = out->cap_statements = out->n_nodes = out->cap_nodes = 0;
    out->n_buffers = out->cap_buffers = 0;
    void **buffers = (void **)(void *)&out->buffers;
    if (!ej_schedule_room(out, begun->n_statements) ||
        !ej_arena_reserve(begun->job->arena, buffers, &out->cap_buffers, 0, begun->n_buffers, sizeof *out->buffers))
        return EINJIT_E_NOMEM;
    out->n_statements = begun->n_statements;
    out->n_nodes = begun->n_nodes;
    out->n_buffers = begun->n_buffers;
    memcpy(out->statements, begun->statements, begun->n_statements * sizeof *out->statements);
    memcpy(out->nodes, begun->nodes, begun->n_nodes * sizeof *out->nodes);
    if (begun->n_buffers) memcpy(out->buffers, begun->buffers, begun->n_buffers * sizeof *out->buffers);
    return EINJIT_OK;
}

bool ej_statement_reduces(const ej_statement *st, int32_t axis)
{
    return st->reduce != EJ_REDUCE_NONE && st->axes[axis] && !ej_access_find(&st->out, axis);
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

bool ej_statement_pairs(const ej_schedule *s, const ej_statement *st)
{
    /* no gate of job_gates.def: a result of bf16 hardly ever shows in which order it was summed */
    int pairs = st->reduce == EINJIT_REDUCE_SUM ? ej_expr_pairs_of(&st->expr) : -1;
    if (pairs == EINJIT_I16) return s->job->target->int_pairs; /* the same bits in any order */
    return pairs == EINJIT_BF16 && s->job->target->pairs && !s->ordered;
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
