/* plan_verify.c - the invariants of a plan, for the observed sizes.
 *
 * Takes  a plan.
 * Gives  E_INTERNAL with the step and what is wrong with it: accesses outside of their buffer, reads before writes,
 *        axes that a result does not cover, malformed expressions, buffers that share bytes while both live.
 */
#include <stdlib.h>

#include "plan_core.h"

typedef struct verifier {
    const ej_plan *plan;
    ej_job *job;
    const ej_step *step;
    bool *written;         /* per buffer */
    int32_t *first, *last; /* per buffer: steps */
} verifier;

static int wrong(const verifier *v, const char *what, long long which)
{
    return ej_fail(v->job->err, EINJIT_E_INTERNAL, "plan step '%s': %s (%lld)", v->step->name, what, which);
}

/* ---- addresses ---- */

typedef struct range {
    double lo, hi; /* doubles: exact below 2^53, and never overflowing */
} range;

static void add_term(range *r, int64_t stride, double lo, double hi)
{
    r->lo += (double)stride * (stride < 0 ? hi : lo);
    r->hi += (double)stride * (stride < 0 ? lo : hi);
}

/* What a buffer may be touched at: arguments by their strides. */
static range buffer_range(const verifier *v, int32_t b)
{
    const ej_plan *plan = v->plan;
    const ej_bound *bound = plan->bound;
    if (plan->buffers[b].home != EJ_HOME_ARG) return (range){0, (double)plan->buffers[b].elems.n - 1};
    size_t arg = (size_t)b;
    const ej_bound_tensor *tensor =
        arg < bound->n_inputs ? &bound->input_tensors[arg] : &bound->output_tensors[arg - bound->n_inputs];
    range r = {0, 0};
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (!tensor->shape[i].n) return (range){0, -1};
        add_term(&r, tensor->strides[i].n, 0, (double)tensor->shape[i].n - 1);
    }
    return r;
}

static bool runs(const ej_step *step)
{
    for (int32_t i = 0; i < step->n_axes; i++)
        if (!step->axes[i].extent.n) return false;
    return true;
}

static int check_table(const verifier *v, const ej_access_term *term)
{
    const ej_buffer *table = &v->plan->buffers[term->table];
    if (table->dtype != EINJIT_I32 && table->dtype != EINJIT_I64)
        return wrong(v, "a table that is no index vector", term->table);
    if (!table->is_table) return wrong(v, "a table whose values nobody checks", term->table);
    range r = {(double)term->tbase.n, (double)term->tbase.n}, room = buffer_range(v, term->table);
    add_term(&r, term->tstride.n, 0, (double)v->step->axes[term->axis].extent.n - 1);
    if (r.lo < room.lo || r.hi > room.hi) return wrong(v, "reads outside of table", term->table);
    return EINJIT_OK;
}

static int check_access(const verifier *v, const ej_access *access)
{
    const ej_step *step = v->step;
    range r = {(double)access->base.n, (double)access->base.n};
    if (access->buffer < 0 || (size_t)access->buffer >= v->plan->n_buffers)
        return wrong(v, "no such buffer", access->buffer);
    range room = buffer_range(v, access->buffer);
    bool starts = runs(step); /* with a table of which no entry can be right, einjit_run refuses the call before it */
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        if (term->axis < 0 || term->axis >= step->n_axes) return wrong(v, "no such axis", term->axis);
        for (int32_t u = 0; u < t; u++)
            if (access->terms[u].axis == term->axis) return wrong(v, "two terms over one axis", term->axis);
        if (!runs(step)) continue;
        if (term->table >= 0) EJ_TRY(check_table(v, term));
        int64_t extent = term->table >= 0 ? v->plan->buffers[term->table].limit.n : step->axes[term->axis].extent.n;
        add_term(&r, term->stride.n, 0, extent ? (double)extent - 1 : 0);
        starts = starts && (extent || term->table < 0);
    }
    if (starts && (r.lo < room.lo || r.hi > room.hi))
        return wrong(v, "an access outside of its buffer", access->buffer);
    return EINJIT_OK;
}

/* ---- order ---- */

static bool is_source(const verifier *v, int32_t b)
{
    const ej_buffer *buffer = &v->plan->buffers[b];
    bool given = buffer->home == EJ_HOME_CONST || buffer->home == EJ_HOME_COUNT ||
                 (buffer->home == EJ_HOME_ARG && (size_t)b < v->plan->bound->n_inputs);
    return given || v->written[b];
}

static void touch(const verifier *v, int32_t b)
{
    int32_t s = (int32_t)(v->step - v->plan->steps);
    if (v->first[b] < 0) v->first[b] = s;
    v->last[b] = s;
}

static int check_order(const verifier *v, const ej_access *access, bool is_read)
{
    for (int32_t t = 0; t < access->n_terms; t++) {
        if (access->terms[t].table < 0) continue;
        if (!is_source(v, access->terms[t].table))
            return wrong(v, "a table is read before it is written", access->terms[t].table);
        touch(v, access->terms[t].table);
    }
    if (is_read && !is_source(v, access->buffer))
        return wrong(v, "a buffer is read before it is written", access->buffer);
    touch(v, access->buffer);
    return EINJIT_OK;
}

/* ---- what a step computes ---- */

static int check_expr(const verifier *v, const ej_expr *expr, int32_t n_src, int result)
{
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        if (!ej_dtype_valid(op->dtype)) return wrong(v, "an operation without dtype", i);
        if (op->kind == EJ_EXPR_SOURCE && (op->a < 0 || op->a >= n_src)) return wrong(v, "no such source", op->a);
        for (int32_t k = 0; k < ej_op_arity(op); k++)
            if (ej_op_operand(op, k) < 0 || ej_op_operand(op, k) >= i)
                return wrong(v, "an operand that comes later", i);
    }
    if (!expr->n || expr->ops[expr->n - 1].dtype != result) return wrong(v, "an expression of another dtype", result);
    return EINJIT_OK;
}

/* Source 0 of an epilogue is no access: src[-1] of its tail. */
static int check_sources(const verifier *v, const ej_expr *expr, const ej_access *src, int32_t first)
{
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        if (op->kind != EJ_EXPR_SOURCE || op->a < first) continue;
        if (op->dtype != v->plan->buffers[src[op->a - first].buffer].dtype)
            return wrong(v, "a source of another dtype", op->a);
    }
    return EINJIT_OK;
}

/* The tail is read where a result is finished: along its axes only, and those of one value, which a result need not
 * name. */
static int check_tail(const verifier *v)
{
    const ej_step *step = v->step;
    if (step->n_tail && !step->epilogue.n) return wrong(v, "a tail without an epilogue", step->n_tail);
    for (int32_t s = step->n_src; s < step->n_src + step->n_tail; s++) {
        if (step->src[s].buffer == step->out.buffer) return wrong(v, "a tail that is written", step->out.buffer);
        for (int32_t t = 0; t < step->src[s].n_terms; t++) {
            int32_t axis = step->src[s].terms[t].axis;
            if (!ej_access_find(&step->out, axis) && !ej_size_is(step->axes[axis].extent, 1))
                return wrong(v, "a tail along an axis that is not the result's", axis);
        }
    }
    return EINJIT_OK;
}

static int check_exprs(const verifier *v)
{
    const ej_step *step = v->step;
    int dtype = v->plan->buffers[step->out.buffer].dtype;
    if (!step->epilogue.n) {
        EJ_TRY(check_expr(v, &step->expr, step->n_src, dtype));
    } else {
        if (step->reduce == EJ_REDUCE_NONE) return wrong(v, "an epilogue without a reduction", 0);
        EJ_TRY(check_expr(v, &step->epilogue, 1 + step->n_tail, dtype));
        EJ_TRY(check_expr(v, &step->expr, step->n_src, step->epilogue.ops[0].dtype));
    }
    EJ_TRY(check_sources(v, &step->expr, step->src, 0));
    EJ_TRY(check_sources(v, &step->epilogue, step->src + step->n_src, 1));
    return check_tail(v);
}

/* Every axis is either in the result or reduced. */
static int check_cover(const verifier *v)
{
    const ej_step *step = v->step;
    for (int32_t a = 0; a < step->n_axes; a++) {
        bool in_out = ej_access_find(&step->out, a) != NULL, reduced = step->axes[a].run == EJ_RUN_REDUCED;
        if (in_out == reduced && step->axes[a].extent.n != 1)
            return wrong(v, "an axis is in the result and reduced, or neither", a);
        if (reduced && step->reduce == EJ_REDUCE_NONE) return wrong(v, "a reduced axis without a reduction", a);
    }
    for (int32_t t = 0; t < step->out.n_terms; t++) {
        const ej_access_term *term = &step->out.terms[t];
        bool scatters = term->table >= 0;
        if (scatters && step->axes[term->axis].run != EJ_RUN_SEQUENTIAL)
            return wrong(v, "a scatter along a parallel axis", term->axis);
    }
    return EINJIT_OK;
}

static int check_step(const verifier *v)
{
    const ej_step *step = v->step;
    EJ_TRY(check_access(v, &step->out));
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) EJ_TRY(check_access(v, &step->src[s]));
    EJ_TRY(check_exprs(v));
    EJ_TRY(check_cover(v));
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) {
        EJ_TRY(check_order(v, &step->src[s], true));
        if (step->src[s].buffer == step->out.buffer && v->plan->buffers[step->out.buffer].home == EJ_HOME_SCRATCH &&
            !step->accumulate)
            return wrong(v, "scratch is read and written by one step", step->out.buffer);
    }
    EJ_TRY(check_order(v, &step->out, step->accumulate));
    v->written[step->out.buffer] = true;
    return EINJIT_OK;
}

/* ---- places in scratch ---- */

typedef struct block {
    int32_t buffer, first, last;
    int64_t at, end;
} block;

static int compare_blocks(const void *a, const void *b)
{
    const block *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static int check_places(const verifier *v)
{
    const ej_plan *plan = v->plan;
    size_t n = 0;
    block *blocks = EJ_JOB_ARRAY(v->job, block, plan->n_buffers);
    if (!blocks) return ej_no_memory(v->job->err);
    for (size_t b = 0; b < plan->n_buffers; b++) {
        const ej_buffer *buffer = &plan->buffers[b];
        if (buffer->home != EJ_HOME_SCRATCH || !buffer->elems.n) continue;
        int64_t at = buffer->offset_bytes.n, end = at + buffer->elems.n * ej_dtypes[buffer->dtype].bytes;
        if (at < 0 || at % 64 || end > plan->scratch_bytes.n)
            return ej_fail(v->job->err, EINJIT_E_INTERNAL, "buffer %zu lies at %lld outside of scratch", b,
                           (long long)at);
        blocks[n++] = (block){(int32_t)b, v->first[b], v->last[b], at, end};
    }
    if (n) qsort(blocks, n, sizeof *blocks, compare_blocks);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && blocks[k].at < blocks[i].end; k++)
            if (blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last)
                return ej_fail(v->job->err, EINJIT_E_INTERNAL, "buffers %d and %d share scratch while both are in use",
                               (int)blocks[i].buffer, (int)blocks[k].buffer);
    return EINJIT_OK;
}

int ej_plan_verify(const ej_plan *plan, ej_job *job)
{
    verifier v = {.plan = plan, .job = job};
    v.written = EJ_JOB_ARRAY(job, bool, plan->n_buffers);
    v.first = EJ_JOB_ARRAY(job, int32_t, plan->n_buffers);
    v.last = EJ_JOB_ARRAY(job, int32_t, plan->n_buffers);
    if (!v.written || !v.first || !v.last) return ej_no_memory(job->err);
    for (size_t b = 0; b < plan->n_buffers; b++) v.first[b] = -1;
    for (size_t o = 0; o < plan->bound->n_held; o++) v.written[plan->bound->n_inputs + o] = true; /* by the caller */
    for (size_t s = 0; s < plan->n_steps; s++) {
        v.step = &plan->steps[s];
        EJ_TRY(check_step(&v));
    }
    for (size_t c = 0; c < plan->n_status_checks; c++) v.last[plan->status_checks[c].buffer] = (int32_t)plan->n_steps;
    for (size_t o = 0; o < plan->bound->n_outputs; o++) {
        size_t b = plan->bound->n_inputs + o;
        if (!v.written[b]) return ej_fail(job->err, EINJIT_E_INTERNAL, "output %zu is never written", o);
    }
    return check_places(&v);
}
