/* kernel.c - a compiled plan as an object: filled in by compile.c, run by any thread, freed by its last owner.
 *
 * Takes  nests with their plan and bound graph, and code or the wish to keep the nests for the interpreter.
 * Gives  runs. A run takes scratch from its stack where little is needed, else from the context's pool.
 * Keeps  nothing of the compile job, except for the interpreter, whose job was the kernel's arena from the start.
 * Not here: argument checks (kernel_check.c), the cache (kernel_cache.c).
 */
#include <string.h>

#include "kernel_phase.h"
#include "kernel_pool.h"
#include "kernel_slice.h"

enum { STACK_SCRATCH = 4096, STACK_ARGS = 32, ALIGN = 64 };

einjit_kernel *ej_kernel_new(einjit_context *context)
{
    einjit_kernel *kernel = ej_alloc(&context->allocator, sizeof *kernel);
    if (!kernel) return NULL;
    atomic_init(&kernel->refs, 1);
    kernel->context = context;
    ej_arena_init(&kernel->arena, &context->allocator);
    return kernel;
}

static void free_kernel(einjit_kernel *kernel)
{
    const einjit_allocator *allocator = &kernel->context->allocator;
    einjit_kernel *base = kernel->base;
    if (!base) ej_image_unmap(&kernel->image);
    if (!base) ej_slicing_drop(kernel->slicing);
    if (!base && kernel->graph) ej_graph_free(kernel->graph);
    ej_arena_free(&kernel->arena);
    ej_release(allocator, kernel, sizeof *kernel);
    ej_kernel_drop(base);
}

void ej_kernel_drop(einjit_kernel *kernel)
{
    if (kernel && atomic_fetch_sub_explicit(&kernel->refs, 1, memory_order_acq_rel) == 1) free_kernel(kernel);
}

void einjit_kernel_retain(einjit_kernel *kernel)
{
    if (!kernel) return;
    ej_context_retain(kernel->context);
    atomic_fetch_add_explicit(&kernel->refs, 1, memory_order_relaxed);
}

void einjit_kernel_release(einjit_kernel *kernel)
{
    if (!kernel) return;
    einjit_context *context = kernel->context;
    ej_kernel_drop(kernel);
    ej_context_drop(context);
}

/* ---- filling in ---- */

static bool copy_polynomial(ej_arena *arena, ej_polynomial *out, const ej_polynomial *from)
{
    *out = *from;
    out->terms = EJ_NEW_ARRAY(arena, ej_monomial, (size_t)from->n_terms);
    if (!out->terms) return false;
    if (from->n_terms) memcpy(out->terms, from->terms, (size_t)from->n_terms * sizeof *out->terms);
    return true;
}

static bool copy_sizes(ej_arena *arena, ej_sizes *out, const ej_sizes *from)
{
    *out = *from;
    out->arena = arena;
    out->atoms = EJ_NEW_ARRAY(arena, ej_atom, from->n_atoms);
    out->exprs = EJ_NEW_ARRAY(arena, ej_polynomial, from->n_exprs);
    if (!out->atoms || !out->exprs) return false;
    out->cap_atoms = from->n_atoms;
    out->cap_exprs = from->n_exprs;
    for (size_t i = 0; i < from->n_atoms; i++) {
        out->atoms[i] = from->atoms[i];
        if (!from->atoms[i].name) continue;
        out->atoms[i].name = ej_arena_copy_text(arena, from->atoms[i].name, strlen(from->atoms[i].name));
        if (!out->atoms[i].name) return false;
    }
    for (size_t i = 0; i < from->n_exprs; i++)
        if (!copy_polynomial(arena, &out->exprs[i], &from->exprs[i])) return false;
    return true;
}

static ej_size *copy_extents(ej_arena *arena, const ej_size *from, int32_t rank)
{
    ej_size *copy = EJ_NEW_ARRAY(arena, ej_size, (size_t)rank);
    if (copy && rank && from) memcpy(copy, from, (size_t)rank * sizeof *copy);
    return copy;
}

static ej_bound_tensor *copy_tensors(ej_arena *arena, const ej_bound_tensor *from, size_t n)
{
    ej_bound_tensor *copy = EJ_NEW_ARRAY(arena, ej_bound_tensor, n);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = from[i];
        copy[i].shape = copy_extents(arena, from[i].shape, from[i].rank);
        copy[i].strides = copy_extents(arena, from[i].strides, from[i].rank);
        if (!copy[i].shape || !copy[i].strides) return NULL;
    }
    return copy;
}

static bool copy_input_names(einjit_kernel *kernel, const ej_bound *bound)
{
    kernel->in_names = EJ_NEW_ARRAY(&kernel->arena, const char *, kernel->n_in);
    for (size_t i = 0; kernel->in_names && i < kernel->n_in; i++) {
        const char *name = bound->nodes[bound->inputs[i]].name;
        if (name && !(kernel->in_names[i] = ej_arena_copy_text(&kernel->arena, name, strlen(name)))) return false;
    }
    return kernel->in_names != NULL;
}

static bool copy_times(einjit_kernel *kernel, const ej_plan *plan)
{
    kernel->last_read = EJ_NEW_ARRAY(&kernel->arena, int32_t, kernel->n_in);
    kernel->first_write = EJ_NEW_ARRAY(&kernel->arena, int32_t, kernel->n_out);
    if (!kernel->last_read || !kernel->first_write) return false;
    for (size_t i = 0; i < kernel->n_in; i++) kernel->last_read[i] = plan->last_read[i];
    for (size_t o = 0; o < kernel->n_out; o++) kernel->first_write[o] = plan->first_write[plan->bound->n_inputs + o];
    return true;
}

static const char *copy_check_name(ej_arena *arena, const char *name)
{
    return ej_arena_copy_text(arena, name ? name : "", name ? strlen(name) : 0);
}

static bool copy_checks(einjit_kernel *kernel, const ej_plan *plan)
{
    ej_arena *arena = &kernel->arena;
    kernel->n_index_checks = plan->n_index_checks;
    kernel->n_status_checks = plan->n_status_checks;
    kernel->index_checks = EJ_NEW_ARRAY(arena, ej_index_check, plan->n_index_checks);
    kernel->status_checks = EJ_NEW_ARRAY(arena, ej_status_check, plan->n_status_checks);
    kernel->status_offsets = EJ_NEW_ARRAY(arena, ej_size, plan->n_status_checks);
    if (!kernel->index_checks || !kernel->status_checks || !kernel->status_offsets) return false;
    for (size_t i = 0; i < plan->n_index_checks; i++) {
        kernel->index_checks[i] = plan->index_checks[i];
        if (!(kernel->index_checks[i].name = copy_check_name(arena, plan->index_checks[i].name))) return false;
    }
    for (size_t i = 0; i < plan->n_status_checks; i++) {
        kernel->status_checks[i] = plan->status_checks[i];
        kernel->status_offsets[i] = plan->buffers[plan->status_checks[i].buffer].offset_bytes;
        if (!(kernel->status_checks[i].name = copy_check_name(arena, plan->status_checks[i].name))) return false;
    }
    return true;
}

/* The bytes of one argument when no extent is open; false: the addresses do not fit. shape and strides: room. */
static bool fixed_span(const ej_bound_tensor *bound, int64_t *shape, int64_t *strides, ej_span *out)
{
    for (int32_t axis = 0; axis < bound->rank; axis++) {
        shape[axis] = bound->shape[axis].n;
        strides[axis] = bound->strides[axis].n;
    }
    einjit_tensor t = {NULL, bound->dtype, bound->rank, shape, bound->row_major ? NULL : strides};
    return ej_tensor_span(&t, out);
}

int ej_kernel_find_spans(einjit_kernel *kernel, einjit_error *err)
{
    size_t n = kernel->n_in + kernel->n_out;
    int32_t rank = 0;
    if (kernel->sizes.n_symbols) return EINJIT_OK;
    for (size_t i = 0; i < n; i++) {
        const ej_bound_tensor *t = i < kernel->n_in ? &kernel->in[i] : &kernel->out[i - kernel->n_in];
        if (t->rank > rank) rank = t->rank;
    }
    kernel->spans = EJ_NEW_ARRAY(&kernel->arena, ej_span, n);
    int64_t *room = EJ_NEW_ARRAY(&kernel->arena, int64_t, 2 * (size_t)rank);
    if (!kernel->spans || !room) return ej_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        bool input = i < kernel->n_in;
        const ej_bound_tensor *t = input ? &kernel->in[i] : &kernel->out[i - kernel->n_in];
        if (!fixed_span(t, room, room + rank, &kernel->spans[i]))
            return ej_fail(err, EINJIT_E_SIZE, "the addresses of %s %zu do not fit into 63 bits",
                           input ? "input" : "output", input ? i : i - kernel->n_in);
    }
    return EINJIT_OK;
}

static bool list_phases(einjit_kernel *kernel, const ej_nests *nests)
{
    size_t n = (size_t)ej_phase_count(nests);
    ej_phase *phase = kernel->phases = EJ_NEW_ARRAY(&kernel->arena, ej_phase, n);
    kernel->n_phases = n;
    for (int32_t first = 0; phase && first < nests->n && n; first = phase++->end) {
        const ej_nest_cut *cut = &nests->nests[first].cut;
        *phase = (ej_phase){.first = first, .end = ej_phase_end(nests, first), .pieces = {1, 0}, .grain = 1};
        if (cut->axis < 0) continue;
        phase->pieces = cut->pieces;
        phase->grain = cut->grain;
        phase->again = cut->again;
    }
    return kernel->phases != NULL;
}

static bool copy_not_empty(einjit_kernel *kernel, const ej_bound *bound)
{
    kernel->n_not_empty = bound->n_not_empty;
    kernel->not_empty = EJ_NEW_ARRAY(&kernel->arena, ej_bound_extent, bound->n_not_empty);
    for (size_t i = 0; kernel->not_empty && i < bound->n_not_empty; i++) {
        kernel->not_empty[i].size = bound->not_empty[i].size;
        if (!(kernel->not_empty[i].name = copy_check_name(&kernel->arena, bound->not_empty[i].name))) return false;
    }
    return kernel->not_empty != NULL;
}

static bool copy_closed(einjit_kernel *kernel, const ej_bound *bound)
{
    kernel->n_closed = bound->n_closed;
    kernel->closed = EJ_NEW_ARRAY(&kernel->arena, ej_closed_extent, bound->n_closed);
    for (size_t i = 0; kernel->closed && i < bound->n_closed; i++) {
        ej_closed_extent *copy = &kernel->closed[i];
        *copy = bound->closed[i];
        copy->symbol = copy_check_name(&kernel->arena, copy->symbol);
        copy->by = copy_check_name(&kernel->arena, copy->by);
        if (!copy->symbol || !copy->by) return false;
    }
    return kernel->closed != NULL;
}

static bool copy_bound(einjit_kernel *kernel, const ej_bound *bound, const ej_sizes *sizes)
{
    kernel->n_in = bound->n_inputs - bound->n_held;
    kernel->n_out = bound->n_outputs;
    kernel->in = copy_tensors(&kernel->arena, bound->input_tensors, kernel->n_in);
    kernel->out = copy_tensors(&kernel->arena, bound->output_tensors, kernel->n_out);
    return kernel->in && kernel->out && copy_sizes(&kernel->arena, &kernel->sizes, sizes) &&
           copy_input_names(kernel, bound) && copy_not_empty(kernel, bound) && copy_closed(kernel, bound);
}

int ej_kernel_describe(einjit_kernel *kernel, const ej_nests *nests, einjit_error *err)
{
    const ej_plan *plan = nests->plan;
    kernel->scratch_bytes = nests->scratch_bytes;
    kernel->local_bytes = nests->local_bytes;
    if (!copy_bound(kernel, plan->bound, nests->sizes) || !copy_checks(kernel, plan) || !copy_times(kernel, plan) ||
        !list_phases(kernel, nests))
        return ej_no_memory(err);
    return ej_kernel_find_spans(kernel, err);
}

int ej_kernel_describe_slices(einjit_kernel *kernel, const ej_bound *bound, int64_t scratch_bytes, einjit_error *err)
{
    kernel->scratch_bytes = ej_size_number(scratch_bytes);
    if (!copy_bound(kernel, bound, &bound->sizes)) return ej_no_memory(err);
    kernel->last_read = EJ_NEW_ARRAY(&kernel->arena, int32_t, kernel->n_in);
    kernel->first_write = EJ_NEW_ARRAY(&kernel->arena, int32_t, kernel->n_out);
    if (!kernel->last_read || !kernel->first_write) return ej_no_memory(err);
    for (size_t i = 0; i < kernel->n_in; i++) kernel->last_read[i] = 1; /* every slice reads after others wrote */
    return ej_kernel_find_spans(kernel, err);
}

void ej_kernel_keep_nests(einjit_kernel *kernel, ej_nests *nests, ej_graph *graph)
{
    kernel->nests = nests;
    kernel->constants = nests->plan->constants;
    kernel->graph = graph;
    kernel->bytes = sizeof *kernel + kernel->arena.total_bytes + graph->arena.total_bytes;
}

int ej_kernel_map(einjit_kernel *kernel, const ej_code *code, einjit_error *err)
{
    EJ_TRY(ej_image_map(&kernel->image, code, err));
    uintptr_t address = (uintptr_t)kernel->image.base + code->entry;
    kernel->entry = (einjit_entry)address;
    for (size_t p = 0; p < kernel->n_phases; p++) {
        if (code->n_phases) kernel->phases[p].code = code->phases[p]; /* else the description has them already */
        if (kernel->phases[p].code >= code->n_bytes)
            return ej_fail(err, EINJIT_E_INTERNAL, "phase %zu of the code lies outside of it", p);
    }
    kernel->bytes = sizeof *kernel + kernel->arena.total_bytes + kernel->image.bytes;
    return EINJIT_OK;
}

/* ---- running ---- */

static int check_status(const einjit_kernel *kernel, const char *scratch, const int64_t *sizes, einjit_error *err)
{
    for (size_t i = 0; i < kernel->n_status_checks; i++) {
        int64_t extent, offset, range[2]; /* smallest and largest index that the program computed */
        int status = ej_kernel_size(kernel, kernel->status_checks[i].extent, sizes, &extent);
        if (!status) status = ej_kernel_size(kernel, kernel->status_offsets[i], sizes, &offset);
        if (status) return ej_kernel_size_failed(err, status, "an extent that is indexed");
        memcpy(range, scratch + offset, sizeof range);
        if (range[0] > range[1] || (range[0] >= 0 && range[1] < extent)) continue;
        return ej_fail(err, EINJIT_E_INDEX, "'%s' computed the index %lld, out of range for an extent of %lld",
                       kernel->status_checks[i].name, (long long)(range[0] < 0 ? range[0] : range[1]),
                       (long long)extent);
    }
    return EINJIT_OK;
}

static int interpret_nests(const einjit_kernel *kernel, ej_interp_memory *memory, const int64_t *sizes, int32_t first,
                           int32_t end, einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, &kernel->context->allocator);
    int64_t *atoms = EJ_NEW_ARRAY(&arena, int64_t, kernel->sizes.n_atoms);
    int status = EINJIT_OK;
    if (!atoms) status = ej_no_memory(err);
    else if (!ej_sizes_evaluate(&kernel->sizes, sizes, atoms))
        status = ej_fail(err, EINJIT_E_SIZE, "sizes do not fit into 63 bits for these open extents");
    memory->atoms = atoms;
    for (int32_t i = first; i < end && status == EINJIT_OK; i++)
        status = ej_nest_interpret(&kernel->nests->nests[i], memory, &arena, err);
    ej_arena_free(&arena);
    return status;
}

static int run_alone(const einjit_kernel *kernel, void *const *data, const int64_t *sizes, void *scratch,
                     einjit_error *err)
{
    ej_interp_memory memory = {
        .data = data, .constants = kernel->constants, .scratch = scratch, .sizes = &kernel->sizes};
    if (!kernel->entry) return interpret_nests(kernel, &memory, sizes, 0, kernel->nests->n, err);
    kernel->entry(data, sizes, scratch);
    return EINJIT_OK;
}

/* Pieces from .. to-1 of a phase; of a nest that is cut into none: all of it. */
static int run_pieces(const ej_phase_run *run, const ej_phase *phase, int32_t place, int64_t from, int64_t to,
                      einjit_error *err)
{
    const einjit_kernel *kernel = run->kernel;
    const int64_t pieces[2] = {from, to};
    ej_interp_memory memory = {.data = run->data,
                               .constants = kernel->constants,
                               .scratch = run->scratch,
                               .sizes = &kernel->sizes,
                               .pieces = pieces};
    if (!kernel->entry) return interpret_nests(kernel, &memory, run->sizes, phase->first, phase->end, err);
    uintptr_t address = (uintptr_t)kernel->image.base + phase->code;
    ((ej_phase_code)address)(run->data, run->sizes, run->scratch, run->locals + place * run->local_bytes, from, to);
    return EINJIT_OK;
}

/* What a run needs beside its arguments. */
typedef struct scratch_need {
    int64_t bytes, local_bytes; /* for one thread; of it for each further one */
} scratch_need;

static int measure_scratch(const einjit_kernel *kernel, const int64_t *sizes, scratch_need *out, einjit_error *err)
{
    int status = ej_kernel_size(kernel, kernel->scratch_bytes, sizes, &out->bytes);
    if (!status) status = ej_kernel_size(kernel, kernel->local_bytes, sizes, &out->local_bytes);
    bool fits = out->bytes >= out->local_bytes && out->local_bytes >= 0 && (uint64_t)out->bytes <= SIZE_MAX - ALIGN;
    if (!status && !fits) status = EINJIT_E_SIZE;
    return status ? ej_kernel_size_failed(err, status, "scratch memory") : EINJIT_OK;
}

static void *take_scratch(const einjit_kernel *kernel, const scratch_need *need, int32_t places)
{
    int64_t more, bytes;
    if (!ej_mul_size(need->local_bytes, places - 1, &more) || !ej_add_size(need->bytes, more, &bytes)) return NULL;
    return (uint64_t)bytes <= SIZE_MAX - ALIGN ? ej_pool_take(ej_context_pool(kernel->context), (size_t)bytes) : NULL;
}

static int run_with_scratch(const einjit_kernel *kernel, void *const *data, const int64_t *sizes, einjit_error *err)
{
    unsigned char stack[STACK_SCRATCH + ALIGN];
    scratch_need need = {0};
    EJ_TRY(measure_scratch(kernel, sizes, &need, err));
    unsigned char *scratch = stack + (ALIGN - (uintptr_t)stack % ALIGN) % ALIGN;
    if (need.bytes > STACK_SCRATCH && !(scratch = take_scratch(kernel, &need, 1)))
        return ej_fail(err, EINJIT_E_NOMEM, "no memory for %lld bytes of scratch", (long long)need.bytes);
    int status = run_alone(kernel, data, sizes, scratch, err);
    if (!status) status = check_status(kernel, (const char *)scratch, sizes, err);
    if (need.bytes > STACK_SCRATCH) ej_pool_give(kernel->context->pool, scratch);
    return status;
}

/* *done false: one thread has to do, as there is nothing to share, or nobody to share it with, or no memory for
 * more. */
static int run_shared(const einjit_kernel *kernel, void *const *data, const int64_t *sizes, bool *done,
                      einjit_error *err)
{
    struct ej_workers *workers = kernel->context->workers;
    scratch_need need = {0};
    int32_t width = ej_phases_width(kernel, sizes, workers);
    *done = false;
    if (width < 2) return EINJIT_OK;
    EJ_TRY(measure_scratch(kernel, sizes, &need, err));
    ej_context_enter(kernel->context);
    if (!ej_workers_take(workers)) return EINJIT_OK;
    char *scratch = take_scratch(kernel, &need, width);
    if (!scratch) {
        ej_workers_give(workers);
        return EINJIT_OK;
    }
    const ej_phase_run run = {.kernel = kernel,
                              .data = data,
                              .sizes = sizes,
                              .scratch = scratch,
                              .locals = scratch + (need.bytes - need.local_bytes),
                              .local_bytes = need.local_bytes,
                              .pieces = run_pieces};
    int status = ej_phases_run(&run, workers, err);
    ej_workers_give(workers);
    if (!status) status = check_status(kernel, scratch, sizes, err);
    ej_pool_give(kernel->context->pool, scratch);
    *done = true;
    return status;
}

static int run_somehow(const einjit_kernel *kernel, void *const *data, const int64_t *sizes, einjit_error *err)
{
    bool done = false, shares = kernel->n_phases && kernel->context->workers;
    if (kernel->entry && !shares && !kernel->scratch_bytes.e && !kernel->scratch_bytes.n && !kernel->n_status_checks) {
        kernel->entry(data, sizes, NULL);
        return EINJIT_OK;
    }
    if (shares) EJ_TRY(run_shared(kernel, data, sizes, &done, err));
    return done ? EINJIT_OK : run_with_scratch(kernel, data, sizes, err);
}

int ej_kernel_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, const int64_t *sizes,
                  einjit_error *err)
{
    void *stack[STACK_ARGS], **data = stack;
    size_t n = kernel->n_in + kernel->n_out;
    if (kernel->slicing) return ej_slices_run(kernel, in, out, 0, ej_slices_count(kernel->slicing), err);
    if (n > STACK_ARGS && !(data = ej_pool_take(ej_context_pool(kernel->context), n * sizeof *data)))
        return ej_no_memory(err);
    for (size_t i = 0; i < kernel->n_in; i++) data[i] = (void *)in[i].data; /* which kernels only read */
    for (size_t i = 0; i < kernel->n_out; i++) data[kernel->n_in + i] = (void *)out[i].data;
    int status = run_somehow(kernel, data, sizes, err);
    if (data != stack) ej_pool_give(kernel->context->pool, data);
    return status;
}
