/* step_run.c - a plan's steps, element by element. */
#include "step_run.h"

#include <string.h>

#include "nest.h"

typedef struct runner {
    step_run *run;
    const ej_plan *plan;
    void *const *data;
    bool failed;
} runner;

static int64_t value_of(runner *r, ej_size size)
{
    int64_t n = 0;
    if (!ej_size_evaluate(&r->plan->bound->sizes, size, r->run->atoms, &n)) r->failed = true;
    return n;
}

static unsigned char *address(runner *r, int32_t buffer, int64_t element)
{
    const ej_buffer *b = &r->plan->buffers[buffer];
    ptrdiff_t offset = (ptrdiff_t)(element * (int64_t)ej_dtypes[b->dtype].bytes);
    switch (b->home) {
    case EJ_HOME_ARG: return (unsigned char *)r->data[b->slot] + offset;
    case EJ_HOME_CONST: return (unsigned char *)(uintptr_t)r->plan->constants[b->slot].data + offset;
    default: return r->run->scratch + value_of(r, b->offset_bytes) + offset;
    }
}

static int64_t element_number(runner *r, const ej_access *access, const int64_t *at)
{
    int64_t element = value_of(r, access->base);
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        int64_t i = at[term->axis];
        if (term->table >= 0) {
            int64_t entry = value_of(r, term->tbase) + value_of(r, term->tstride) * i;
            i = ej_scalar_load(r->plan->buffers[term->table].dtype, address(r, term->table, entry)).integer;
        }
        element += value_of(r, term->stride) * i;
    }
    return element;
}

static unsigned char *element_of(runner *r, const ej_access *access, const int64_t *at)
{
    return address(r, access->buffer, element_number(r, access, at));
}

static ej_scalar load(runner *r, const ej_access *access, const int64_t *at)
{
    if (r->plan->buffers[access->buffer].home == EJ_HOME_COUNT)
        return (ej_scalar){.integer = element_number(r, access, at)};
    return ej_scalar_load(r->plan->buffers[access->buffer].dtype, element_of(r, access, at));
}

static ej_scalar evaluate(const ej_expr *expr, const ej_scalar *sources, ej_scalar *values)
{
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        switch (op->kind) {
        case EJ_EXPR_SOURCE: values[i] = sources[op->a]; break;
        case EJ_EXPR_CONST:
            values[i] = (ej_scalar){.re = op->re, .im = op->im, .integer = op->integer};
            if (ej_dtypes[op->dtype].real == EINJIT_F32) values[i].re = (float)op->re, values[i].im = (float)op->im;
            break;
        case EJ_EXPR_CAST: values[i] = ej_scalar_cast(expr->ops[op->a].dtype, op->dtype, values[op->a]); break;
        default: {
            int arity = ej_fns[op->fn].arity; /* the dtype it computes in is the last operand's */
            int from = expr->ops[arity == 1 ? op->a : arity == 2 ? op->b : op->c].dtype;
            values[i] = ej_scalar_fn(op->fn, from, op->dtype, values[op->a], values[op->b], values[op->c]);
        }
        }
    }
    return values[expr->n - 1];
}

/* Advance the axes that are (or are not) reduced; false after the last value. */
static bool advance(const ej_step *step, const int64_t *extents, int64_t *at, bool reduced)
{
    for (int32_t a = step->n_axes; a-- > 0;) {
        if ((step->axes[a].run == EJ_RUN_REDUCED) != reduced) continue;
        if (++at[a] < extents[a]) return true;
        at[a] = 0;
    }
    return false;
}

static bool is_empty(const ej_step *step, const int64_t *extents, bool reduced)
{
    for (int32_t a = 0; a < step->n_axes; a++)
        if ((step->axes[a].run == EJ_RUN_REDUCED) == reduced && extents[a] <= 0) return true;
    return false;
}

static void write_element(runner *r, const ej_step *step, const int64_t *extents, int64_t *at, ej_scalar *values,
                          ej_scalar *sources)
{
    int dtype = r->plan->buffers[step->out.buffer].dtype, inner = step->expr.ops[step->expr.n - 1].dtype;
    ej_expr_op neutral = step->reduce == EJ_REDUCE_NONE ? (ej_expr_op){0} : ej_reduce_neutral(step->reduce, inner);
    ej_scalar sum = {.re = neutral.re, .im = neutral.im, .integer = neutral.integer};
    if (!is_empty(step, extents, true)) do {
            for (int32_t s = 0; s < step->n_src; s++) sources[s] = load(r, &step->src[s], at);
            ej_scalar x = evaluate(&step->expr, sources, values);
            sum = step->reduce == EJ_REDUCE_NONE ? x : ej_scalar_reduce(step->reduce, inner, sum, x);
        } while (advance(step, extents, at, true));
    if (step->epilogue.n) {
        sources[0] = sum;
        for (int32_t s = 0; s < step->n_tail; s++) sources[1 + s] = load(r, &step->src[step->n_src + s], at);
        sum = evaluate(&step->epilogue, sources, values);
    }
    if (step->accumulate)
        sum = ej_scalar_reduce(step->reduce, dtype, ej_scalar_load(dtype, element_of(r, &step->out, at)), sum);
    ej_scalar_store(dtype, element_of(r, &step->out, at), sum);
}

static void run_step(runner *r, const ej_step *step)
{
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    size_t n_ops = (size_t)(step->expr.n > step->epilogue.n ? step->expr.n : step->epilogue.n);
    int64_t *extents = EJ_NEW_ARRAY(&arena, int64_t, (size_t)step->n_axes);
    int64_t *at = EJ_NEW_ARRAY(&arena, int64_t, (size_t)step->n_axes);
    ej_scalar *values = EJ_NEW_ARRAY(&arena, ej_scalar, n_ops);
    ej_scalar *sources = EJ_NEW_ARRAY(&arena, ej_scalar, (size_t)(step->n_src + step->n_tail) + 1);
    if (extents && at && values && sources) {
        for (int32_t a = 0; a < step->n_axes; a++) extents[a] = value_of(r, step->axes[a].extent);
        if (!is_empty(step, extents, false)) do
                write_element(r, step, extents, at, values, sources);
            while (advance(step, extents, at, false));
    } else {
        r->failed = true;
    }
    ej_arena_free(&arena);
}

bool step_run_plan(step_run *run, const ej_plan *plan, void *const *data, const int64_t *symbols)
{
    const ej_sizes *sizes = &plan->bound->sizes;
    runner r = {run, plan, data, false};
    memset(run, 0, sizeof *run);
    ej_arena_init(&run->arena, &ej_malloc_allocator);
    run->atoms = EJ_NEW_ARRAY(&run->arena, int64_t, sizes->n_atoms);
    int64_t *observed = EJ_NEW_ARRAY(&run->arena, int64_t, sizes->n_symbols);
    if (!run->atoms || !observed) return false;
    for (size_t i = 0; i < sizes->n_symbols; i++) observed[i] = sizes->atoms[i].n;
    if (!ej_sizes_evaluate(sizes, symbols ? symbols : observed, run->atoms)) return false;
    int64_t bytes = value_of(&r, plan->scratch_bytes);
    if (r.failed || bytes < 0) return false;
    run->scratch = EJ_NEW_ARRAY(&run->arena, unsigned char, (size_t)bytes);
    if (!run->scratch) return false;
    memset(run->scratch, 0xA5, (size_t)bytes); /* what nobody wrote shows */
    for (size_t s = 0; s < plan->n_steps; s++) run_step(&r, &plan->steps[s]);
    return !r.failed;
}

void step_run_free(step_run *run)
{
    ej_arena_free(&run->arena);
}

bool step_run_status(const step_run *run, const ej_plan *plan, size_t check, int64_t range[2])
{
    const ej_status_check *c = &plan->status_checks[check];
    int64_t offset, extent;
    if (!ej_size_evaluate(&plan->bound->sizes, plan->buffers[c->buffer].offset_bytes, run->atoms, &offset))
        return false;
    if (!ej_size_evaluate(&plan->bound->sizes, c->extent, run->atoms, &extent)) return false;
    memcpy(range, run->scratch + offset, 2 * sizeof *range);
    return range[0] > range[1] || (range[0] >= 0 && range[1] < extent);
}
