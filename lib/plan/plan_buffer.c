/* plan_buffer.c - buffers, and their places in the scratch block.
 *
 * Takes  the plan's steps; and how they are grouped, once that is known.
 * Gives  offsets: two buffers share bytes only if no step, or group, needs both. Buffers of known size come first, best
 *        fit among the gaps; then those of open size, which reuse the room of a dead one of the very same size
 *        expression.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan_core.h"

enum { ALIGN = 64 };

const char *ej_plan_name(ej_planner *p, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : EJ_JOB_ARRAY(p->job, char, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

static int new_buffer(ej_planner *p, const ej_buffer *buffer, int32_t *out)
{
    ej_plan *plan = p->plan;
    if (!EJ_PUSH_ROOM(p->job->arena, plan->buffers, plan->cap_buffers, plan->n_buffers))
        return ej_no_memory(p->job->err);
    *out = (int32_t)plan->n_buffers;
    plan->buffers[plan->n_buffers++] = *buffer;
    return EINJIT_OK;
}

int ej_plan_scratch(ej_planner *p, const char *name, int dtype, ej_size elems, int32_t *out)
{
    const ej_buffer buffer = {
        .name = name, .dtype = (int16_t)dtype, .home = EJ_HOME_SCRATCH, .slot = -1, .elems = elems};
    return new_buffer(p, &buffer, out);
}

static int count_elements(ej_planner *p, int32_t rank, const ej_size *shape, ej_size *out)
{
    *out = ej_size_number(1);
    for (int32_t i = 0; i < rank; i++) EJ_TRY(ej_size_mul(p->sizes, *out, shape[i], out, p->job->err));
    return EINJIT_OK;
}

int ej_plan_scratch_view(ej_planner *p, const char *name, int dtype, int32_t rank, const ej_size *shape, ej_view *out)
{
    ej_size elems;
    int32_t buffer;
    EJ_TRY(count_elements(p, rank, shape, &elems));
    EJ_TRY(ej_plan_scratch(p, name, dtype, elems, &buffer));
    return ej_view_row_major(p, buffer, rank, shape, out);
}

int ej_plan_arguments(ej_planner *p)
{
    const ej_bound *bound = p->bound;
    for (size_t i = 0; i < bound->n_inputs + bound->n_outputs; i++) { /* what an output held has its slot, too */
        bool in = i < bound->n_inputs;
        const ej_bound_tensor *tensor = in ? &bound->input_tensors[i] : &bound->output_tensors[i - bound->n_inputs];
        ej_buffer buffer = {.dtype = tensor->dtype, .home = EJ_HOME_ARG, .slot = (int32_t)(in ? i : i - bound->n_held)};
        int32_t at;
        EJ_TRY(count_elements(p, tensor->rank, tensor->shape, &buffer.elems));
        buffer.name = bound->nodes[in ? bound->inputs[i] : bound->outputs[i - bound->n_inputs]].name;
        EJ_TRY(new_buffer(p, &buffer, &at));
    }
    p->plan->n_args = (int32_t)(bound->n_inputs + bound->n_outputs);
    return EINJIT_OK;
}

int ej_plan_constant(ej_planner *p, ej_value v, ej_view *out)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    ej_plan *plan = p->plan;
    ej_buffer buffer = {
        .name = node->name, .dtype = node->dtype, .home = EJ_HOME_CONST, .slot = (int32_t)plan->n_constants};
    int32_t at;
    EJ_TRY(count_elements(p, node->rank, node->shape, &buffer.elems));
    if (!EJ_PUSH_ROOM(p->job->arena, plan->constants, plan->cap_constants, plan->n_constants))
        return ej_no_memory(p->job->err);
    plan->constants[plan->n_constants++] = (ej_constant){node->dtype, buffer.elems.n, node->data};
    EJ_TRY(new_buffer(p, &buffer, &at));
    return ej_view_row_major(p, at, node->rank, node->shape, out);
}

int ej_plan_numbers(ej_planner *p, const char *name, ej_size n, ej_view *out)
{
    const ej_buffer buffer = {.name = name, .dtype = EINJIT_I64, .home = EJ_HOME_COUNT, .slot = -1, .elems = n};
    int32_t at = 0;
    EJ_TRY(new_buffer(p, &buffer, &at));
    return ej_view_row_major(p, at, 1, &n, out);
}

/* ---- buffers that no step uses ---- */

typedef void (*visit_fn)(int32_t *buffer, void *user);

static void visit_access(ej_access *access, visit_fn visit, void *user)
{
    visit(&access->buffer, user);
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) visit(&access->terms[t].table, user);
}

static void visit_buffers(ej_step *step, visit_fn visit, void *user)
{
    visit_access(&step->out, visit, user);
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) visit_access(&step->src[s], visit, user);
}

static void mark_used(int32_t *buffer, void *user)
{
    ((int32_t *)user)[*buffer] = 1;
}

static void rename_buffer(int32_t *buffer, void *user)
{
    *buffer = ((const int32_t *)user)[*buffer];
}

int ej_plan_drop_unused(ej_planner *p)
{
    ej_plan *plan = p->plan;
    int32_t *map = EJ_JOB_ARRAY(p->job, int32_t, plan->n_buffers), n = 0, n_constants = 0;
    if (!map) return ej_no_memory(p->job->err);
    for (size_t s = 0; s < plan->n_steps; s++) visit_buffers(&plan->steps[s], mark_used, map);
    for (size_t b = 0; b < plan->n_buffers; b++) {
        ej_buffer buffer = plan->buffers[b];
        bool keep = (int32_t)b < plan->n_args || map[b];
        map[b] = n;
        if (!keep) continue;
        if (buffer.home == EJ_HOME_CONST) {
            plan->constants[n_constants] = plan->constants[buffer.slot];
            buffer.slot = n_constants++;
        }
        plan->buffers[n++] = buffer;
    }
    plan->n_buffers = (size_t)n;
    plan->n_constants = (size_t)n_constants;
    for (size_t s = 0; s < plan->n_steps; s++) visit_buffers(&plan->steps[s], rename_buffer, map);
    for (size_t c = 0; c < plan->n_status_checks; c++) rename_buffer(&plan->status_checks[c].buffer, map);
    return EINJIT_OK;
}

/* ---- lifetimes ---- */

typedef struct measure {
    ej_plan_life *lives;
    int32_t step;
} measure;

static void touch(int32_t *buffer, void *user)
{
    const measure *m = user;
    ej_plan_life *x = &m->lives[*buffer];
    if (x->first < 0) x->first = m->step;
    x->last = m->step;
}

ej_plan_life *ej_plan_measure(const ej_plan *plan, ej_job *job)
{
    measure m = {.lives = EJ_JOB_ARRAY(job, ej_plan_life, plan->n_buffers)};
    if (!m.lives) return NULL;
    for (size_t b = 0; b < plan->n_buffers; b++) m.lives[b].first = -1;
    for (m.step = 0; m.step < (int32_t)plan->n_steps; m.step++) {
        visit_buffers(&plan->steps[m.step], touch, &m);
        m.lives[plan->steps[m.step].out.buffer].writers++;
    }
    for (size_t c = 0; c < plan->n_status_checks; c++) /* read after the run */
        m.lives[plan->status_checks[c].buffer].last = (int32_t)plan->n_steps;
    return m.lives;
}

typedef struct room {
    int32_t next_born, next_dead; /* lists per time */
    int32_t slot;                 /* of open size: its room, -1 */
} room;

/* Time is counted in steps, or in groups of these. */
typedef struct layout {
    ej_planner *p;
    room *rooms;
    int32_t *born, *dead; /* per time: first buffer of its list, -1 */
} layout;

static int list_lives(layout *l, const int32_t *group, const bool *gone)
{
    const ej_plan *plan = l->p->plan;
    ej_job *job = l->p->job;
    const ej_plan_life *lives = ej_plan_measure(plan, job);
    l->rooms = EJ_JOB_ARRAY(job, room, plan->n_buffers);
    l->born = EJ_JOB_ARRAY(job, int32_t, plan->n_steps + 1);
    l->dead = EJ_JOB_ARRAY(job, int32_t, plan->n_steps + 1);
    if (!lives || !l->rooms || !l->born || !l->dead) return ej_no_memory(job->err);
    for (size_t s = 0; s <= plan->n_steps; s++) l->born[s] = l->dead[s] = -1;
    for (size_t b = plan->n_buffers; b-- > 0;) {
        const ej_plan_life *x = &lives[b];
        l->rooms[b].slot = -1;
        if (plan->buffers[b].home != EJ_HOME_SCRATCH || x->first < 0 || (gone && gone[b])) continue;
        int32_t first = group ? group[x->first] : x->first,
                last = group && x->last < (int32_t)plan->n_steps ? group[x->last] : x->last;
        l->rooms[b].next_born = l->born[first];
        l->born[first] = (int32_t)b;
        l->rooms[b].next_dead = l->dead[last];
        l->dead[last] = (int32_t)b;
    }
    return EINJIT_OK;
}

static int buffer_bytes(layout *l, int32_t b, ej_size *out)
{
    ej_buffer *buffer = &l->p->plan->buffers[b];
    ej_size width = ej_size_number(ej_dtypes[buffer->dtype].bytes);
    EJ_TRY(ej_size_mul(l->p->sizes, buffer->elems, width, out, l->p->job->err));
    return ej_size_align(l->p->sizes, *out, ALIGN, out, l->p->job->err);
}

/* ---- known sizes: gaps in ascending order, none touching another ---- */

typedef struct gap {
    int64_t at, bytes;
} gap;
typedef struct gaps {
    gap *list;
    size_t n, cap;
    int64_t top;
} gaps;

static int take_room(gaps *g, int64_t bytes, int64_t *at, ej_job *job)
{
    size_t best = g->n;
    if (!bytes) {
        *at = 0;
        return EINJIT_OK;
    }
    for (size_t i = 0; i < g->n; i++)
        if (g->list[i].bytes >= bytes && (best == g->n || g->list[i].bytes < g->list[best].bytes)) best = i;
    if (best < g->n) {
        *at = g->list[best].at;
        g->list[best].at += bytes;
        g->list[best].bytes -= bytes;
        if (g->list[best].bytes) return EINJIT_OK;
        memmove(g->list + best, g->list + best + 1, (g->n - best - 1) * sizeof *g->list);
        g->n--;
        return EINJIT_OK;
    }
    *at = g->top;
    if (g->n && g->list[g->n - 1].at + g->list[g->n - 1].bytes == g->top) *at = g->list[--g->n].at;
    if (!ej_add_size(*at, bytes, &g->top)) return ej_fail(job->err, EINJIT_E_SIZE, "scratch memory beyond 2^63 bytes");
    return EINJIT_OK;
}

static int give_back(gaps *g, int64_t at, int64_t bytes, ej_job *job)
{
    if (!bytes) return EINJIT_OK;
    if (!EJ_PUSH_ROOM(job->arena, g->list, g->cap, g->n)) return ej_no_memory(job->err);
    size_t lo = 0, hi = g->n; /* the first gap behind `at` */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (g->list[mid].at < at) lo = mid + 1;
        else hi = mid;
    }
    bool joins_left = lo && g->list[lo - 1].at + g->list[lo - 1].bytes == at;
    bool joins_right = lo < g->n && at + bytes == g->list[lo].at;
    if (joins_left) {
        g->list[lo - 1].bytes += bytes;
        if (!joins_right) return EINJIT_OK;
        g->list[lo - 1].bytes += g->list[lo].bytes;
        memmove(g->list + lo, g->list + lo + 1, (g->n - lo - 1) * sizeof *g->list);
        g->n--;
    } else if (joins_right) {
        g->list[lo].at = at;
        g->list[lo].bytes += bytes;
    } else {
        memmove(g->list + lo + 1, g->list + lo, (g->n - lo) * sizeof *g->list);
        g->list[lo] = (gap){at, bytes};
        g->n++;
    }
    return EINJIT_OK;
}

static int place_known(layout *l, ej_size *top)
{
    ej_plan *plan = l->p->plan;
    gaps g = {0};
    ej_size bytes;
    for (size_t s = 0; s <= plan->n_steps; s++) {
        EJ_TRY(ej_job_poll(l->p->job, EJ_STAGE_PLAN, -1));
        for (int32_t b = l->born[s]; b >= 0; b = l->rooms[b].next_born) {
            EJ_TRY(buffer_bytes(l, b, &bytes));
            if (!bytes.e) EJ_TRY(take_room(&g, bytes.n, &plan->buffers[b].offset_bytes.n, l->p->job));
        }
        for (int32_t b = l->dead[s]; b >= 0; b = l->rooms[b].next_dead) {
            EJ_TRY(buffer_bytes(l, b, &bytes));
            if (!bytes.e) EJ_TRY(give_back(&g, plan->buffers[b].offset_bytes.n, bytes.n, l->p->job));
        }
    }
    *top = ej_size_number(g.top);
    return EINJIT_OK;
}

/* ---- open sizes ---- */

typedef struct slot {
    ej_size bytes, at;
    bool taken;
} slot;

static int place_open(layout *l, ej_size *top)
{
    ej_planner *p = l->p;
    ej_plan *plan = p->plan;
    slot *slots = NULL;
    size_t n = 0, cap = 0;
    ej_size bytes;
    for (size_t s = 0; s <= plan->n_steps; s++) {
        for (int32_t b = l->born[s]; b >= 0; b = l->rooms[b].next_born) {
            size_t i = 0;
            EJ_TRY(buffer_bytes(l, b, &bytes));
            if (!bytes.e) continue;
            while (i < n && (slots[i].taken || !ej_size_same(slots[i].bytes, bytes))) i++;
            if (i == n) {
                if (!EJ_PUSH_ROOM(p->job->arena, slots, cap, n)) return ej_no_memory(p->job->err);
                slots[n++] = (slot){bytes, *top, false};
                EJ_TRY(ej_size_add(p->sizes, *top, bytes, top, p->job->err));
            }
            slots[i].taken = true;
            l->rooms[b].slot = (int32_t)i;
            plan->buffers[b].offset_bytes = slots[i].at;
        }
        for (int32_t b = l->dead[s]; b >= 0; b = l->rooms[b].next_dead)
            if (l->rooms[b].slot >= 0) slots[l->rooms[b].slot].taken = false;
    }
    return EINJIT_OK;
}

static int place(ej_planner *p, const int32_t *group, const bool *gone)
{
    layout l = {.p = p};
    ej_size top;
    EJ_TRY(list_lives(&l, group, gone));
    EJ_TRY(place_known(&l, &top));
    EJ_TRY(place_open(&l, &top));
    p->plan->scratch_bytes = top;
    return EINJIT_OK;
}

int ej_plan_place_buffers(ej_planner *p)
{
    return place(p, NULL, NULL);
}

int ej_plan_place_groups(ej_plan *plan, const int32_t *group, const bool *gone, ej_sizes *sizes, ej_job *job)
{
    return place(&(ej_planner){.plan = plan, .bound = plan->bound, .sizes = sizes, .job = job}, group, gone);
}
