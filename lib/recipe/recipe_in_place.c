/* recipe_in_place.c - groups of steps where an output may lie in the memory of an input.
 *
 * Takes  a group whose loops are found.
 * Gives  which of the loops, and chunks along which axes, it may have: what a caller may do with the steps apart he may
 *        do with them together, and an element is read before any that may be the same one is written.
 * Not here: what the plan promises for its steps (plan_in_place.c).
 */
#include "recipe_group.h"

typedef struct span {
    int64_t lo, hi;
} span;

/* Elements that an access reaches in one turn of the loops; false: not known, or the loops' strides differ. */
static bool reach(const ej_step_group *h, const ej_access *access, const ej_access *like, span *out)
{
    const ej_schedule *s = &h->fresh;
    *out = (span){access->base.n, access->base.n};
    if (access->base.e) return false;
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        bool looped = false;
        for (int32_t i = 0; i < h->n_loops; i++) looped = looped || h->axes[i] == term->axis;
        if (looped) continue;
        int64_t n;
        if (term->table >= 0 || term->stride.e || term->stride.n < 0 || s->axes[term->axis].extent.e) return false;
        if (!ej_mul_size(term->stride.n, s->axes[term->axis].extent.n, &n)) return false;
        out->hi += n - term->stride.n;
    }
    for (int32_t i = 0; i < h->n_loops; i++) {
        const ej_access_term *x = ej_access_find(access, h->axes[i]), *y = ej_access_find(like, h->axes[i]);
        if (!x || !y || x->table >= 0 || x->stride.e || x->stride.n <= 0 || !ej_size_same(x->stride, y->stride))
            return false;
    }
    return true;
}

/* What one access reaches in a turn of the loops the other one reaches in the same turn only. */
static bool turns_are_apart(const ej_step_group *h, const ej_access *read, const ej_access *written)
{
    span x, y;
    int64_t last = 0;
    if (!reach(h, read, written, &x) || !reach(h, written, written, &y)) return false;
    int64_t room = (x.hi > y.hi ? x.hi : y.hi) - (x.lo < y.lo ? x.lo : y.lo) + 1;
    for (int32_t n = 0; n < h->n_loops; n++) { /* by ascending strides */
        const ej_access_term *next = NULL;
        for (int32_t i = 0; i < h->n_loops; i++) {
            const ej_access_term *term = ej_access_find(written, h->axes[i]);
            if (term->stride.n > last && (!next || term->stride.n < next->stride.n)) next = term;
        }
        if (!next || next->stride.n < room) return false;
        last = next->stride.n;
        ej_size extent = h->fresh.axes[next->axis].extent;
        int64_t more;
        if (n + 1 < h->n_loops &&
            (extent.e || !ej_mul_size(last, extent.n - 1, &more) || !ej_add_size(room, more, &room)))
            return false;
    }
    return true;
}

bool ej_access_names(const ej_access *access, int32_t buffer)
{
    bool found = access->buffer == buffer;
    for (int32_t t = 0; t < access->n_terms; t++) found = found || access->terms[t].table == buffer;
    return found;
}

/* A step of the group reads an input's elements before the `writer`, the last step, writes those of an output, though
 * the two were one tensor. `anyhow`: whatever the tree is. */
static bool reads_in_time(const ej_plan *plan, const ej_step_group *h, int32_t input, int32_t writer, bool anyhow)
{
    const ej_statement *last = &h->fresh.statements[h->n - 1];
    for (int32_t k = 0; k < h->n; k++) {
        const ej_step *step = &plan->steps[h->first + k];
        const ej_statement *st = &h->fresh.statements[k];
        for (int32_t i = 0; i < step->n_src + step->n_tail; i++) {
            if (!ej_access_names(&step->src[i], input) || k == writer) continue;
            if (anyhow || writer != h->n - 1) return false;
            if (h->moves[k] && (step->src[i].buffer != input || !turns_are_apart(h, &st->src[i], &last->out)))
                return false;
        }
    }
    return true;
}

/* What a caller may do with the steps apart he may do with them together: with fewer loops, where that needs it. */
static bool is_in_place(const ej_plan *plan, const ej_step_group *h, bool anyhow)
{
    int32_t n_inputs = (int32_t)plan->bound->n_inputs;
    for (int32_t k = 0; k < h->n; k++) {
        int32_t output = plan->steps[h->first + k].out.buffer;
        if (output < n_inputs || output >= plan->n_args) continue;
        for (int32_t input = 0; input < n_inputs; input++)
            if (ej_plan_may_be_one(plan, input, output) && !reads_in_time(plan, h, input, k, anyhow)) return false;
    }
    return true;
}

void ej_group_note_in_place(const ej_plan *plan, const ej_step_group *h, ej_nest *nest)
{
    int32_t n_inputs = (int32_t)plan->bound->n_inputs;
    for (int32_t k = 0; k < h->n; k++) {
        int32_t output = plan->steps[h->first + k].out.buffer;
        for (int32_t input = 0; input < n_inputs && output >= n_inputs && output < plan->n_args; input++)
            for (int32_t b = 0; b < nest->n_buffers && ej_plan_may_be_one(plan, input, output); b++)
                if (nest->buffers[b].home == EJ_HOME_ARG && nest->buffers[b].slot == plan->buffers[input].slot)
                    nest->buffers[b].in_place = true;
    }
}

/* Chunks along one more axis inside of the loops: statements that have it run chunk by chunk. */
static bool chunks_are_apart(const ej_plan *plan, ej_step_group *h, int32_t axis)
{
    const ej_access *result = &h->fresh.statements[h->n - 1].out;
    int32_t n_inputs = (int32_t)plan->bound->n_inputs, output = plan->steps[h->first + h->n - 1].out.buffer;
    bool apart = true;
    if (output < n_inputs || output >= plan->n_args) return true;
    h->axes[h->n_loops++] = axis;
    for (int32_t k = 0; k < h->n - 1; k++) {
        const ej_step *step = &plan->steps[h->first + k];
        const ej_statement *st = &h->fresh.statements[k];
        for (int32_t i = 0; i < st->n_src + st->n_tail && h->moves[k] && ej_access_moves(&st->out, axis); i++)
            for (int32_t input = 0; input < n_inputs && apart; input++)
                if (ej_access_names(&step->src[i], input) && ej_plan_may_be_one(plan, input, output))
                    apart = step->src[i].buffer == input && turns_are_apart(h, &st->src[i], result);
    }
    h->n_loops--;
    return apart;
}

bool ej_group_keeps_in_place(const ej_plan *plan, ej_step_group *h, bool anyhow)
{
    while (!is_in_place(plan, h, anyhow))
        if (anyhow || --h->n_loops < 1) return false;
    for (int32_t a = 0; a < h->fresh.n_axes && !anyhow; a++) {
        bool looped = false;
        for (int32_t i = 0; i < h->n_loops; i++) looped = looped || h->axes[i] == a;
        h->chunks[a] = looped || chunks_are_apart(plan, h, a);
    }
    return true;
}
