/* plan_in_place.c - which inputs' memory an output may be written to.
 *
 * Takes  the plan's steps, in order.
 * Gives  two numbers: of an input, when it was read for the last time, of an output, when it is first written. A run
 *        may be given one tensor for both where the first is not larger than the second: each element is then read
 *        before it is written.
 *        Within one step that is so where it reads, at every point, the very element that it writes there; of what a
 *        sum's epilogue reads, where the sum's first part can take it (plan_affine.c). Of inputs that such a step
 *        reads, the buffer says so to the code generator, which does not write anything twice then.
 *        What an output held, where a program asks for it, is always read in time: else it is copied first.
 * Not here: whether the caller's tensors are the same (kernel_check.c).
 */
#include "plan_core.h"

/* Steps are numbered from 1 on and write at 2 * number. Their sources are read until 2 * number + 1, after that; those
 * of which each element is read before its place is written, until 2 * number. */
static int32_t written_at(size_t step)
{
    return 2 * ((int32_t)step + 1);
}

static bool same_term(const ej_access_term *x, const ej_access_term *y)
{
    return x->table < 0 && y->table < 0 && ej_size_same(x->stride, y->stride);
}

/* The terms of x have a like in y, but those along which nothing moves. */
static bool moves_within(const ej_access *x, const ej_access *y)
{
    for (int32_t t = 0; t < x->n_terms; t++) {
        const ej_access_term *term = &x->terms[t], *other = NULL;
        if (term->table < 0 && ej_size_is(term->stride, 0)) continue;
        for (int32_t u = 0; u < y->n_terms && !other; u++)
            if (y->terms[u].axis == term->axis) other = &y->terms[u];
        if (!other || !same_term(term, other)) return false;
    }
    return true;
}

static bool same_elements(const ej_access *x, const ej_access *y)
{
    return ej_size_same(x->base, y->base) && moves_within(x, y) && moves_within(y, x);
}

/* Each point of the step's kept axes has an element of its own, which nobody has written before. */
static bool writes_at_once(const ej_plan *plan, const ej_step *step)
{
    if (step->accumulate) return false;
    for (int32_t a = 0; a < step->n_axes; a++) {
        bool moves = step->axes[a].run == EJ_RUN_REDUCED;
        for (int32_t t = 0; t < step->out.n_terms; t++)
            moves |= step->out.terms[t].axis == a && step->out.terms[t].table < 0 &&
                     !ej_size_is(step->out.terms[t].stride, 0);
        if (!moves && !ej_size_is(step->axes[a].extent, 1)) return false;
    }
    return plan->buffers[step->out.buffer].home == EJ_HOME_ARG;
}

static void read_at(ej_plan *plan, int32_t buffer, int32_t time)
{
    if (buffer < plan->n_args && plan->last_read[buffer] < time) plan->last_read[buffer] = time;
}

static void read_tables(ej_plan *plan, const ej_access *access, int32_t time)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) read_at(plan, access->terms[t].table, time);
}

/* *out: the step reads the elements of its source i no later than the first of its result's parts is written. Sums
 * whose dtype is not the result's wait in registers for the end. */
static int reads_in_time(bool *out, const ej_plan *plan, const ej_step *step, int32_t i, ej_arena *arena)
{
    int dtype = plan->buffers[step->out.buffer].dtype;
    *out = plan->buffers[step->src[i].buffer].dtype == dtype && same_elements(&step->src[i], &step->out);
    if (!*out || step->reduce == EJ_REDUCE_NONE) return EINJIT_OK;
    *out = i >= step->n_src && !step->ordered;
    if (!*out || step->expr.ops[step->expr.n - 1].dtype != dtype) return EINJIT_OK;
    return ej_affine_comes_first(out, &step->epilogue, step->reduce, i - step->n_src, arena);
}

static int note_step(ej_plan *plan, size_t s, ej_arena *arena)
{
    const ej_step *step = &plan->steps[s];
    bool at_once = writes_at_once(plan, step);
    int32_t here = written_at(s), out = step->out.buffer;
    if (out < plan->n_args && !plan->first_write[out]) plan->first_write[out] = here;
    read_tables(plan, &step->out, here + 1);
    for (int32_t i = 0; i < step->n_src + step->n_tail; i++) {
        const ej_access *source = &step->src[i];
        bool in_time = false;
        if (at_once && source->buffer < plan->n_args) EJ_TRY(reads_in_time(&in_time, plan, step, i, arena));
        read_at(plan, source->buffer, in_time ? here : here + 1);
        read_tables(plan, source, here + 1);
    }
    return EINJIT_OK;
}

static bool extents_differ(const ej_bound_tensor *x, const ej_bound_tensor *y)
{
    for (int32_t i = 0; i < x->rank; i++)
        if (!x->shape[i].e && !y->shape[i].e && x->shape[i].n != y->shape[i].n) return true;
    return false;
}

bool ej_plan_may_be_one(const ej_plan *plan, int32_t input, int32_t output)
{
    const ej_bound *bound = plan->bound;
    const ej_bound_tensor *x = &bound->input_tensors[input],
                          *y = &bound->output_tensors[output - (int32_t)bound->n_inputs];
    if (plan->last_read[input] > plan->first_write[output]) return false;
    return x->dtype == y->dtype && x->rank == y->rank && !extents_differ(x, y);
}

static int note_tail(const ej_plan *plan, ej_step *step, ej_arena *arena)
{
    ej_affine affine;
    int32_t n_inputs = (int32_t)plan->bound->n_inputs, out = step->out.buffer;
    for (int32_t i = step->n_src; i < step->n_src + step->n_tail && out >= n_inputs && out < plan->n_args; i++)
        if (step->src[i].buffer < n_inputs) step->tail_first |= ej_plan_may_be_one(plan, step->src[i].buffer, out);
    if (!step->tail_first) return EINJIT_OK;
    EJ_TRY(ej_affine_find(&affine, &step->epilogue, step->reduce, arena));
    step->tail_scales = affine.scales;
    return EINJIT_OK;
}

int ej_plan_find_in_place(ej_planner *p)
{
    ej_plan *plan = p->plan;
    plan->last_read = EJ_JOB_ARRAY(p->job, int32_t, (size_t)plan->n_args);
    plan->first_write = EJ_JOB_ARRAY(p->job, int32_t, (size_t)plan->n_args);
    if (!plan->last_read || !plan->first_write) return ej_no_memory(p->job->err);
    ej_arena *arena = p->job->arena;
    int status = EINJIT_OK; /* E_NOMEM at most, of what has no error to write to */
    for (size_t s = 0; s < plan->n_steps && !status; s++) status = note_step(plan, s, arena);
    for (size_t s = 0; s < plan->n_steps && !status; s++) status = note_tail(plan, &plan->steps[s], arena);
    if (status) return ej_no_memory(p->job->err);
    for (int32_t b = 0; b < plan->n_args; b++)
        plan->buffers[b].in_place = plan->last_read[b] && plan->last_read[b] % 2 == 0;
    return EINJIT_OK;
}

ptrdiff_t ej_plan_held_by(const ej_planner *p, ej_value v)
{
    const ej_bound *bound = p->bound;
    size_t first = bound->n_inputs - bound->n_held;
    for (size_t o = 0; o < bound->n_held; o++)
        if (bound->inputs[first + o] == v) return (ptrdiff_t)o;
    return -1;
}

bool ej_plan_find_late(ej_planner *p, bool *copied)
{
    const ej_bound *bound = p->bound;
    bool any = false;
    for (size_t o = 0; o < bound->n_held; o++) {
        size_t input = bound->n_inputs - bound->n_held + o;
        bool late = p->plan->last_read[input] > p->plan->first_write[bound->n_inputs + o];
        any |= late && !copied[o];
        copied[o] |= late;
    }
    return any;
}
