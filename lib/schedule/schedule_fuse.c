/* schedule_fuse.c - the rewrite compute_at: a step runs where others read its result.
 *
 *     statement 0                at             places the buffer
 *     at                             ...
 *         ...                        statement 0    buffer[axes of the result] <- ...
 *         child with a reader        child          reads the buffer
 *
 * Takes  a statement at the root whose result nobody outside of the group reads; a loop around all of its readers, or
 *        the root.
 * Gives  its result in a buffer of any layout placed there, which has no axes of the loops around: the result is
 *        computed for the ranges that are read there. Where a loop is over an axis that the statement does not have, it
 *        is computed again in each turn.
 */
#include "schedule.h"

static bool is_as_written(const ej_access *written, const ej_access *read)
{
    if (!ej_size_same(written->base, read->base)) return false;
    for (int32_t i = 0; i < 2; i++) {
        const ej_access *one = i ? read : written, *other = i ? written : read;
        for (int32_t t = 0; t < one->n_terms; t++) {
            if (!ej_access_moves(one, one->terms[t].axis)) continue;
            const ej_access_term *term = ej_access_find(other, one->terms[t].axis);
            if (one->terms[t].table >= 0 || !term || !ej_size_same(term->stride, one->terms[t].stride)) return false;
        }
    }
    return true;
}

static bool uses(const ej_access *access, int32_t buffer)
{
    if (access->buffer == buffer) return true;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table == buffer) return true;
    return false;
}

static bool is_source(const ej_statement *st, int32_t buffer)
{
    bool found = false;
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++) found = found || uses(&st->src[i], buffer);
    return found;
}

/* Statements behind it do not write what it reads: it will run later. */
static bool may_run_later(const ej_schedule *s, const ej_statement *st)
{
    for (int32_t top = s->nodes[st->node].next; top >= 0; top = s->nodes[top].next)
        for (size_t b = 0; b < s->n_buffers; b++)
            if (is_source(st, (int32_t)b) && ej_schedule_writes(s, top, (int32_t)b, -1)) return false;
    return true;
}

/* The readers' loops cut the result into ranges, each of which is computed whole. */
static int loops_fit(const ej_schedule *s, const ej_statement *st, int32_t at)
{
    for (; at >= 0; at = s->nodes[at].parent) {
        int32_t axis = s->nodes[at].axis;
        if (ej_access_moves(&st->out, axis)) continue;
        if (st->axes[axis]) return EJ_REFUSE_PARTIAL;
    }
    return EJ_REFUSE_NONE;
}

static int readers_fit(const ej_schedule *s, int32_t statement, int32_t at)
{
    const ej_access *out = &s->statements[statement].out;
    bool read = false;
    for (int32_t k = 0; k < (int32_t)s->n_statements; k++) {
        const ej_statement *st = &s->statements[k];
        if (k != statement && st->out.buffer == out->buffer) return EJ_REFUSE_WRITTEN;
        for (int32_t i = 0; i < st->n_src + st->n_tail; i++) {
            if (st->src[i].buffer != out->buffer) continue;
            if (k == statement) return EJ_REFUSE_WRITTEN;
            if (ej_schedule_child(s, at, st->node) < 0) return EJ_REFUSE_NOT_AROUND;
            if (!is_as_written(out, &st->src[i])) return EJ_REFUSE_LAYOUT;
            read = true;
        }
    }
    return read ? EJ_REFUSE_NONE : EJ_REFUSE_NO_SUCH;
}

static int may_move(const ej_schedule *s, const ej_rewrite *r)
{
    const ej_statement *st = &s->statements[r->statement];
    if (!st->axes || !s->buffers[st->out.buffer].inside) return EJ_REFUSE_WRITTEN;
    if (s->nodes[st->node].parent >= 0 || ej_buffer_is_placed(&s->buffers[st->out.buffer])) return EJ_REFUSE_NOT_AROUND;
    if (st->accumulate) return EJ_REFUSE_PARTIAL;
    for (int32_t t = 0; t < st->out.n_terms; t++)
        if (st->out.terms[t].table >= 0) return EJ_REFUSE_TABLE;
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++)
        if (s->buffers[st->src[i].buffer].plan.home == EJ_HOME_REG) return EJ_REFUSE_REGISTERS;
    int why = readers_fit(s, r->statement, r->at);
    if (!why) why = loops_fit(s, st, r->at);
    if (!why && !may_run_later(s, st)) why = EJ_REFUSE_WRITTEN;
    return why ? why : ej_layout_fits(s, r->at, &st->out, &r->digits);
}

/* ---- the buffer where it will be ---- */

static int access_fits(const ej_schedule *s, const ej_statement *st, const ej_access *access)
{
    int why = ej_placed_fits(s, access);
    if (!why) why = ej_access_fits(s, access, &st->tile);
    if (!why && st->has_store) why = ej_access_fits(s, access, &st->store);
    return why;
}

static int reader_fits(const ej_schedule *s, const ej_statement *st, int32_t source)
{
    const ej_access *access = &st->src[source];
    bool registers = s->buffers[access->buffer].plan.home == EJ_HOME_REG;
    if (registers && st->hints.ahead && st->hints.source == source) return EJ_REFUSE_REGISTERS;
    int why = source < st->n_src ? ej_access_fits(s, access, &st->tile) : access_fits(s, st, access);
    return why ? why : ej_split_fits(s, st, access);
}

/* Of a tree in which the buffer has been placed already. */
static int placed_fits(const ej_schedule *s, const ej_rewrite *r)
{
    const ej_statement *writer = &s->statements[r->statement];
    if (r->home == EJ_HOME_REG && writer->hints.stream) return EJ_REFUSE_REGISTERS;
    int why = access_fits(s, writer, &writer->out);
    for (size_t k = 0; k < s->n_statements; k++) {
        const ej_statement *st = &s->statements[k];
        for (int32_t i = 0; i < st->n_src + st->n_tail && !why; i++)
            if (st->src[i].buffer == writer->out.buffer) why = reader_fits(s, st, i);
    }
    return why;
}

/* ---- the rewrite ---- */

/* The first child of `at` below which somebody reads the buffer. */
static int32_t first_reader(const ej_schedule *s, int32_t at, int32_t buffer)
{
    int32_t child = at < 0 ? s->root : s->nodes[at].child;
    while (child >= 0 && !ej_schedule_reads(s, child, buffer)) child = s->nodes[child].next;
    return child;
}

static bool write_there(ej_schedule *s, ej_statement *st)
{
    ej_access written;
    if (!ej_placed_access(s, &st->out, st->out.buffer, true, &written)) return false;
    st->out = written;
    return true;
}

static bool read_there(ej_schedule *s, int32_t buffer)
{
    for (size_t k = 0; k < s->n_statements; k++) {
        ej_statement *st = &s->statements[k];
        size_t n = (size_t)(st->n_src + st->n_tail);
        if (!is_source(st, buffer)) continue;
        ej_access *sources = EJ_JOB_ARRAY(s->job, ej_access, n); /* those that stand there are the fresh schedule's */
        if (!sources) return false;
        for (size_t i = 0; i < n; i++) {
            sources[i] = st->src[i];
            if (sources[i].buffer != buffer) continue;
            if (!ej_placed_access(s, &st->src[i], buffer, true, &sources[i])) return false;
        }
        st->src = sources;
    }
    return true;
}

bool ej_rewrite_compute_at(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    if ((r->home != EJ_HOME_LOCAL && r->home != EJ_HOME_REG) || !ej_schedule_is_place(s, r->at))
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    int why = may_move(s, r);
    if (why) return ej_schedule_refuse(s, r->statement, why);
    ej_statement *st = &s->statements[r->statement];
    int32_t id = st->out.buffer;
    ej_schedule_buffer *buffer = &s->buffers[id], before = *buffer;
    buffer->plan.home = r->home;
    buffer->plan.slot = -1;
    buffer->at = r->at;
    buffer->layout = r->digits;
    why = placed_fits(s, r);
    if (why) {
        *buffer = before;
        return ej_schedule_refuse(s, r->statement, why);
    }
    ej_schedule_move(s, r->statement, r->at, first_reader(s, r->at, id));
    s->no_memory = !write_there(s, st) || !read_there(s, id);
    *out = r->statement;
    return !s->no_memory;
}
