/* api_run.c - compile once, run often; and what can be asked of a kernel.
 *
 * Takes  the caller's handles and tensors. Gives  every reason why they do not fit before anything runs.
 * Not here: the checks themselves (kernel_check.c), the look-up (pipeline_find.c).
 */
#include <string.h>

#include "api.h"
#include "kernel_slice.h"

int ej_request_options(ej_request *request, const einjit_compile_options *options, einjit_error *err)
{
    einjit_compile_options all = {0};
    if (!options) return EINJIT_OK;
    EJ_TRY(ej_read_struct(&all, sizeof all, options, "compile options", err));
    EJ_TRY(ej_check_flags(all.flags, EINJIT_OPTION_ALL, "compile options", err));
    if (all.flags & EINJIT_OPTION_ISOLATE)
        return ej_fail(err, EINJIT_E_INVALID, "EINJIT_OPTION_ISOLATE is of a context, not of one compile");
    request->open = all.open && *all.open ? all.open : NULL;
    request->path = all.path;
    request->flags = all.flags;
    request->constants = all.constants && *all.constants ? all.constants : NULL;
    request->alpha = all.alpha == 1 ? 0 : all.alpha; /* 1 is what 0 says: one kernel for both */
    request->beta = all.beta;
    request->memory_limit = all.memory_limit;
    return EINJIT_OK;
}

int einjit_compile(einjit_kernel **out, einjit_context *context, einjit_graph *graph, size_t n_in,
                   const einjit_tensor *in, size_t n_out, const einjit_tensor *outputs,
                   const einjit_compile_options *options, einjit_error *err)
{
    ej_request request = {.graph = graph, .n_in = n_in, .n_out = n_out, .in = in, .out = outputs};
    einjit_kernel *kernel = NULL;
    int64_t symbols[EJ_OPEN_MAX];
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "no place for the kernel given");
    EJ_TRY(ej_request_options(&request, options, err));
    EJ_TRY(ej_request_check(context, &request, err));
    EJ_TRY(ej_kernel_find(&kernel, context, &request, err));
    EJ_TRY(ej_kernel_rename(&kernel, graph, err));
    int status = EINJIT_OK;
    if (n_out && (status = ej_check_inputs(kernel, n_in, in, symbols, err)) == EINJIT_OK)
        status = ej_check_outputs(kernel, n_out, outputs, symbols, err);
    if (status != EINJIT_OK) {
        ej_kernel_drop(kernel);
        return status;
    }
    ej_context_retain(context); /* by the reference that the caller gets */
    *out = kernel;
    return EINJIT_OK;
}

int einjit_run(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
               const einjit_tensor *out, einjit_error *err)
{
    int64_t symbols[EJ_OPEN_MAX];
    if (!kernel) return ej_fail(err, EINJIT_E_INVALID, "no kernel given");
    EJ_TRY(ej_check_inputs(kernel, n_in, in, symbols, err));
    EJ_TRY(ej_check_outputs(kernel, n_out, out, symbols, err));
    EJ_TRY(ej_check_memory(kernel, in, out, symbols, err));
    return ej_kernel_run(kernel, in, out, symbols, err);
}

int einjit_run_slices(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
                      const einjit_tensor *out, int64_t first, int64_t end, einjit_error *err)
{
    int64_t symbols[EJ_OPEN_MAX], n = einjit_kernel_slice_count(kernel);
    if (!n) return ej_fail(err, EINJIT_E_INVALID, "no kernel given");
    if (first < 0 || first >= end || end > n)
        return ej_fail(err, EINJIT_E_VALUE, "slices %lld to %lld are no range of the kernel's %lld", (long long)first,
                       (long long)end, (long long)n);
    if (!kernel->slicing) return einjit_run(kernel, n_in, in, n_out, out, err);
    EJ_TRY(ej_check_inputs(kernel, n_in, in, symbols, err));
    EJ_TRY(ej_check_outputs(kernel, n_out, out, symbols, err));
    EJ_TRY(ej_check_memory(kernel, in, out, symbols, err));
    return ej_slices_run(kernel, in, out, first, end, err);
}

static int check_slice(const einjit_kernel *kernel, int64_t slice, einjit_error *err)
{
    if (!kernel) return ej_fail(err, EINJIT_E_INVALID, "no kernel given");
    if (!kernel->slicing) return ej_fail(err, EINJIT_E_UNSUPPORTED, "this kernel runs as a whole: it has no slices");
    if (slice >= 0 && slice < ej_slices_count(kernel->slicing)) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_VALUE, "there is no slice %lld: the kernel has %lld", (long long)slice,
                   (long long)ej_slices_count(kernel->slicing));
}

int einjit_kernel_slice_part(const einjit_kernel *kernel, int64_t slice, einjit_slice_part *out, int64_t *begin,
                             int64_t *shape, einjit_error *err)
{
    EJ_TRY(check_slice(kernel, slice, err));
    const ej_slicing *s = kernel->slicing;
    einjit_slice_part part = {.dtype = s->dtype, .reduce = s->reduce};
    part.first = slice / s->n_summed * s->n_summed;
    part.end = part.first + s->n_summed;
    part.bytes = (size_t)ej_slices_part(kernel, slice, NULL, NULL);
    EJ_TRY(ej_write_struct(out, &part, sizeof part, "slice's part", err));
    ej_slices_part(kernel, slice, begin, shape);
    return EINJIT_OK;
}

int einjit_run_slice_sum(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, int64_t first, int64_t end,
                         void *sum, einjit_error *err)
{
    int64_t symbols[EJ_OPEN_MAX];
    EJ_TRY(check_slice(kernel, first, err));
    int64_t n = kernel->slicing->n_summed, until = (first / n + 1) * n;
    if (first >= end || end > until)
        return ej_fail(err, EINJIT_E_VALUE, "slices %lld to %lld are no range of one part of the result, %lld to %lld",
                       (long long)first, (long long)end, (long long)(until - n), (long long)until);
    if (!sum) return ej_fail(err, EINJIT_E_INVALID, "no memory for the sum given");
    EJ_TRY(ej_check_inputs(kernel, n_in, in, symbols, err));
    EJ_TRY(ej_check_memory(kernel, in, NULL, symbols, err));
    return ej_slices_sum(kernel, in, first, end, sum, err);
}

/* ---- what can be asked of a kernel ---- */

int64_t einjit_kernel_slice_count(const einjit_kernel *kernel)
{
    if (!kernel) return 0;
    return kernel->slicing ? ej_slices_count(kernel->slicing) : 1;
}

einjit_entry einjit_kernel_entry(const einjit_kernel *kernel)
{
    return kernel ? kernel->entry : NULL;
}

size_t einjit_kernel_scratch_bytes(const einjit_kernel *kernel, const int64_t *sizes)
{
    int64_t bytes;
    if (!kernel || (kernel->sizes.n_symbols && !sizes)) return SIZE_MAX;
    return ej_kernel_size(kernel, kernel->scratch_bytes, sizes, &bytes) == EINJIT_OK ? (size_t)bytes : SIZE_MAX;
}

size_t einjit_kernel_open_count(const einjit_kernel *kernel)
{
    return kernel ? kernel->sizes.n_symbols : 0;
}

const char *einjit_kernel_open_name(const einjit_kernel *kernel, size_t i)
{
    return kernel && i < kernel->sizes.n_symbols ? kernel->sizes.atoms[i].name : NULL;
}

size_t einjit_kernel_closed_count(const einjit_kernel *kernel)
{
    return kernel ? kernel->n_closed : 0;
}

const char *einjit_kernel_closed_name(const einjit_kernel *kernel, size_t i)
{
    return kernel && i < kernel->n_closed ? kernel->closed[i].symbol : NULL;
}

const char *einjit_kernel_closed_by(const einjit_kernel *kernel, size_t i)
{
    return kernel && i < kernel->n_closed ? kernel->closed[i].by : NULL;
}

size_t einjit_kernel_output_count(const einjit_kernel *kernel)
{
    return kernel ? kernel->n_out : 0;
}

int einjit_kernel_output_shape(const einjit_kernel *kernel, size_t i, const int64_t *sizes, int *dtype, int *rank,
                               int64_t *shape, size_t capacity, einjit_error *err)
{
    if (!kernel || (kernel->sizes.n_symbols && !sizes))
        return ej_fail(err, EINJIT_E_INVALID, "no %s given", kernel ? "values of the open extents" : "kernel");
    if (i >= kernel->n_out)
        return ej_fail(err, EINJIT_E_VALUE, "output %zu of a kernel that has %zu", i, kernel->n_out);
    const ej_bound_tensor *t = &kernel->out[i];
    for (int pass = 0; pass < 2; pass++) /* all of them first: nothing is stored on failure */
        for (int32_t axis = 0; axis < t->rank; axis++) {
            int64_t extent;
            int status = ej_kernel_size(kernel, t->shape[axis], sizes, &extent);
            if (status) return ej_kernel_size_failed(err, status, "an extent of the output");
            if (pass && shape && (size_t)axis < capacity) shape[axis] = extent;
        }
    if (dtype) *dtype = t->dtype;
    if (rank) *rank = t->rank;
    return EINJIT_OK;
}
