/* plan_links.c - which step reads what which other step wrote.
 *
 * Takes  a plan. Gives links, by reader.
 * A buffer's writers are a list: several steps may write parts of it. A step that accumulates into a buffer ends the
 * list, because it has waited for the ones before it.
 */
#include "plan_links.h"

typedef struct finder {
    const ej_plan *plan;
    ej_arena *arena;
    ej_plan_links *out;
    size_t capacity;
    int32_t *last_writer; /* per buffer, -1: none */
    int32_t *earlier;     /* per step: the writer before it of the same buffer */
    int32_t *seen_by;     /* per buffer: the last reader that was linked to it */
} finder;

static bool add(finder *f, ej_plan_link link)
{
    ej_plan_links *links = f->out;
    if (links->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 64;
        ej_plan_link *grown = EJ_NEW_ARRAY(f->arena, ej_plan_link, capacity);
        if (!grown) return false;
        for (size_t i = 0; i < links->n; i++) grown[i] = links->items[i];
        links->items = grown;
        f->capacity = capacity;
    }
    links->items[links->n++] = link;
    return true;
}

static bool link_buffer(finder *f, int32_t buffer, int32_t reader)
{
    int32_t mark = reader < 0 ? (int32_t)f->plan->n_steps : reader;
    if (f->seen_by[buffer] == mark) return true;
    f->seen_by[buffer] = mark;
    int32_t writer = f->last_writer[buffer];
    bool given = f->plan->buffers[buffer].home == EJ_HOME_ARG;
    if (writer < 0) return !given || add(f, (ej_plan_link){-1, reader, buffer});
    for (; writer >= 0; writer = f->earlier[writer]) {
        if (!add(f, (ej_plan_link){writer, reader, buffer})) return false;
        if (f->plan->steps[writer].accumulate) break;
    }
    return true;
}

static bool link_access(finder *f, const ej_access *access, bool with_buffer, int32_t reader)
{
    if (with_buffer && !link_buffer(f, access->buffer, reader)) return false;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 && !link_buffer(f, access->terms[t].table, reader)) return false;
    return true;
}

static bool link_step(finder *f, int32_t s)
{
    const ej_step *step = &f->plan->steps[s];
    for (int32_t i = 0; i < step->n_src + step->n_tail; i++)
        if (!link_access(f, &step->src[i], true, s)) return false;
    if (!link_access(f, &step->out, step->accumulate, s)) return false;
    f->earlier[s] = f->last_writer[step->out.buffer];
    f->last_writer[step->out.buffer] = s;
    return true;
}

bool ej_plan_links_find(ej_plan_links *out, const ej_plan *plan, ej_arena *arena)
{
    finder f = {.plan = plan,
                .arena = arena,
                .out = out,
                .last_writer = EJ_NEW_ARRAY(arena, int32_t, plan->n_buffers),
                .earlier = EJ_NEW_ARRAY(arena, int32_t, plan->n_steps),
                .seen_by = EJ_NEW_ARRAY(arena, int32_t, plan->n_buffers)};
    *out = (ej_plan_links){0};
    if (!f.last_writer || !f.earlier || !f.seen_by) return false;
    for (size_t b = 0; b < plan->n_buffers; b++) f.last_writer[b] = f.seen_by[b] = -1;
    for (size_t s = 0; s < plan->n_steps; s++)
        if (!link_step(&f, (int32_t)s)) return false;
    for (int32_t b = (int32_t)plan->bound->n_inputs; b < plan->n_args; b++)
        if (f.last_writer[b] >= 0 && !link_buffer(&f, b, -1)) return false;
    return true;
}
