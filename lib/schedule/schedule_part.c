/* schedule_part.c - one statement of a group as a step.
 *
 * Takes  a statement of a group where it stands, below some loops.
 * Gives  a schedule of that statement alone: axes that have one value there are gone, the others are as long as their
 *        ranges, and what was computed into a placed buffer lies there with its strides. So recipes for steps choose
 *        how it runs. What they did is then done in the group, record by record.
 */
#include "schedule.h"

#include <string.h>

/* ---- from the group ---- */

static int copy_axes(ej_schedule_part *out, const ej_schedule *group, const ej_statement *st, int32_t *part_of)
{
    ej_schedule *s = &out->s;
    size_t n = (size_t)group->n_axes;
    s->axes = EJ_JOB_ARRAY(s->job, ej_axis, n);
    out->axes = EJ_JOB_ARRAY(s->job, int32_t, n);
    if (!s->axes || !out->axes) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < group->n_axes; a++) {
        int64_t range = ej_schedule_range(group, group->nodes[st->node].parent, a);
        part_of[a] = -1;
        if (!st->axes[a] || (range == 1 && !ej_statement_has_table(st, a))) continue;
        part_of[a] = s->n_axes;
        out->axes[s->n_axes] = a;
        s->axes[s->n_axes] = group->axes[a];
        if (range < INT64_MAX) s->axes[s->n_axes].extent = ej_size_number(range);
        s->n_axes++;
    }
    return EINJIT_OK;
}

static int copy_access(const ej_schedule *group, const ej_access *from, const int32_t *part_of, ej_access *out)
{
    bool placed = ej_buffer_is_placed(&group->buffers[from->buffer]);
    *out = *from;
    out->n_terms = 0;
    out->terms = EJ_JOB_ARRAY(group->job, ej_access_term, (size_t)from->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    for (int32_t t = 0; t < from->n_terms; t++) {
        ej_access_term term = from->terms[t];
        if (placed) ej_layout_term(group, from->buffer, term.axis, &term);
        term.axis = part_of[term.axis];
        if (term.axis >= 0) out->terms[out->n_terms++] = term;
    }
    return EINJIT_OK;
}

static int copy_statement(ej_schedule_part *out, const ej_schedule *group, const ej_statement *st,
                          const int32_t *part_of)
{
    ej_schedule *s = &out->s;
    size_t n = (size_t)(st->n_src + st->n_tail);
    ej_statement *copy = &s->statements[s->n_statements++];
    *copy = *st;
    copy->node = 0;
    copy->axes = EJ_JOB_ARRAY(s->job, bool, (size_t)s->n_axes);
    copy->src = EJ_JOB_ARRAY(s->job, ej_access, n);
    if (!copy->axes || !copy->src) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < s->n_axes; a++) copy->axes[a] = true;
    EJ_TRY(copy_access(group, &st->out, part_of, &copy->out));
    for (size_t i = 0; i < n; i++) EJ_TRY(copy_access(group, &st->src[i], part_of, &copy->src[i]));
    s->nodes[s->n_nodes++] =
        (ej_schedule_node){.kind = EJ_SCHEDULE_STATEMENT, .parent = -1, .child = -1, .next = -1, .axis = -1};
    return EINJIT_OK;
}

/* Placed ones are memory like any other. */
static void copy_buffers(ej_schedule_part *out, const ej_schedule *group)
{
    ej_schedule *s = &out->s;
    s->n_buffers = group->n_buffers;
    for (size_t b = 0; b < s->n_buffers; b++) {
        ej_schedule_buffer *buffer = &s->buffers[b];
        *buffer = group->buffers[b];
        buffer->inside = false;
        if (!ej_buffer_is_placed(buffer)) continue;
        buffer->plan.home = EJ_HOME_SCRATCH;
        buffer->plan.elems = ej_size_number(ej_layout_elems(group, (int32_t)b));
        buffer->at = EJ_NOT_PLACED;
    }
}

int ej_schedule_part_begin(ej_schedule_part *out, const ej_schedule *group, int32_t statement)
{
    const ej_statement *st = &group->statements[statement];
    ej_arena *arena = group->job->arena;
    int32_t *part_of = EJ_NEW_ARRAY(arena, int32_t, (size_t)group->n_axes);
    *out = (ej_schedule_part){.s = {.name = group->name, .n_steps = 1, .job = group->job, .sizes = group->sizes}};
    void **buffers = (void **)(void *)&out->s.buffers;
    if (!part_of || !ej_schedule_room(&out->s, 1) ||
        !ej_arena_reserve(arena, buffers, &out->s.cap_buffers, 0, group->n_buffers, sizeof *group->buffers))
        return EINJIT_E_NOMEM;
    copy_buffers(out, group);
    EJ_TRY(copy_axes(out, group, st, part_of));
    return copy_statement(out, group, st, part_of);
}

/* ---- and back ---- */

typedef struct follower {
    ej_schedule *group, part;    /* the part is rewritten beside it, to see which statements and loops are added */
    int32_t *axes;               /* by those of the part; joined ones are added */
    int32_t root;                /* of the part, in the group: where the statement stood */
    int32_t *statements, *nodes; /* by those of the part */
} follower;

static ej_rewrite translated(const follower *f, const ej_rewrite *r)
{
    ej_rewrite out = *r;
    out.statement = f->statements[r->statement];
    out.at = r->at < 0 ? f->root : f->nodes[r->at];
    bool two = ej_rewrite_names_two(r->kind);
    if (r->kind == EJ_REWRITE_LOOP || r->kind == EJ_REWRITE_INNER || r->kind == EJ_REWRITE_SPLIT || two)
        out.axis = f->axes[r->axis];
    if (two) out.lane = f->axes[r->lane];
    for (int32_t d = 0; d < r->digits.n; d++) out.digits.digits[d].axis = f->axes[r->digits.digits[d].axis];
    return out;
}

static bool follow(follower *f, const ej_rewrite *r)
{
    size_t n_statements = f->part.n_statements, n_nodes = f->part.n_nodes, statements = f->group->n_statements,
           nodes = f->group->n_nodes;
    ej_rewrite there = translated(f, r);
    if (!ej_schedule_apply(&f->part, r, NULL) || !ej_schedule_apply(f->group, &there, NULL)) return false;
    if (f->part.n_statements - n_statements != f->group->n_statements - statements ||
        f->part.n_nodes - n_nodes != f->group->n_nodes - nodes)
        return false;
    for (; n_statements < f->part.n_statements; n_statements++) f->statements[n_statements] = (int32_t)statements++;
    if (r->kind == EJ_REWRITE_JOIN) f->axes[f->part.n_axes - 1] = f->group->n_axes - 1;
    for (; n_nodes < f->part.n_nodes; n_nodes++) f->nodes[n_nodes] = (int32_t)nodes++;
    return true;
}

bool ej_schedule_part_end(ej_schedule *group, int32_t statement, const ej_schedule_part *part, const ej_schedule *done)
{
    int32_t node = group->statements[statement].node;
    follower f = {.group = group, .root = group->nodes[node].parent};
    f.axes = EJ_JOB_ARRAY(group->job, int32_t, (size_t)done->n_axes);
    f.statements = EJ_JOB_ARRAY(group->job, int32_t, done->n_statements);
    f.nodes = EJ_JOB_ARRAY(group->job, int32_t, done->n_nodes);
    if (!f.axes || !f.statements || !f.nodes || ej_schedule_again(&f.part, &part->s)) {
        group->no_memory = true;
        return false;
    }
    for (int32_t a = 0; a < part->s.n_axes; a++) f.axes[a] = part->axes[a];
    f.statements[0] = statement;
    f.nodes[0] = node;
    for (size_t i = 0; i < done->n_log; i++)
        if (!follow(&f, &done->log[i])) {
            group->no_memory = group->no_memory || f.part.no_memory;
            return false;
        }
    return true;
}
