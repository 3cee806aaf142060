/* bench_check.c - is the result right? Against a reference computed by another way.
 *
 * Equations of letters: sampled elements, in double, by code that is not the library's. Other programs: the interpreter
 * of nests over the program as written; where that would take long, machine code for the plainest target, of the
 * program as written.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench_reference.h"

static const double interpreter_operations = 2e7; /* about a second */

static int run(bench *b, einjit_kernel *kernel)
{
    einjit_error err = {0};
    return einjit_run(kernel, b->n_in, b->in_views, b->n_out, b->out_views, &err) ? tool_error(&err) : TOOL_OK;
}

static bool is_single(int dtype)
{
    return dtype == EINJIT_F32 || dtype == EINJIT_C64;
}

static bool is_narrow(int dtype)
{
    return dtype == EINJIT_F16 || dtype == EINJIT_BF16;
}

/* The dtype of the numbers that its elements are. */
static int part_of(int dtype)
{
    return dtype == EINJIT_C64 ? EINJIT_F32 : dtype == EINJIT_C128 ? EINJIT_F64 : dtype;
}

static bool is_real(int dtype)
{
    return is_single(dtype) || is_narrow(dtype) || dtype == EINJIT_F64 || dtype == EINJIT_C128;
}

double bench_difference(const tool_tensor *out, const void *other)
{
    int dtype = out->tensor.dtype;
    double largest = 0, worst = 0;
    if (!is_real(dtype)) return out->bytes && memcmp(other, out->block, out->bytes) ? 1 : 0;
    int part = part_of(dtype);
    int64_t n = (int64_t)(out->bytes / einjit_dtype_bytes(part));
    for (int64_t i = 0; i < n; i++) {
        double x = tool_load_real(part, other, i), y = tool_load_real(part, out->block, i);
        if ((isnan(x) && isnan(y)) || x == y) continue;
        double wrong = fabs(x - y);
        if (fabs(y) > largest) largest = fabs(y);
        if (!(wrong <= worst)) worst = wrong;
    }
    return largest > 0 ? worst / largest : worst;
}

/* An output against the other way's. */
static void compare(bench_result *r, const tool_tensor *out, const void *got)
{
    int dtype = out->tensor.dtype;
    double error = bench_difference(out, got);
    double tolerance = dtype == EINJIT_BF16  ? 0x1p-6 /* programs are of several roundings */
                       : dtype == EINJIT_F16 ? 0x1p-9
                       : is_single(dtype)    ? 1e-4
                       : is_real(dtype)      ? 1e-12
                                             : 0;
    r->checked += tool_tensor_elements(out);
    if (tolerance > r->tolerance) r->tolerance = tolerance;
    if (!(error <= r->max_err)) r->max_err = error;
}

static int other_kernel(bench *b, bench_result *r, einjit_kernel **out)
{
    einjit_compile_options options = {.struct_bytes = sizeof options,
                                      .flags = EINJIT_OPTION_NO_OPTIMIZE,
                                      .alpha = b->options->alpha,
                                      .beta = b->options->beta};
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_error err = {0};
    if (einjit_plan_cost(&cost, b->context, b->program.graph, b->n_in, b->in_views, &options, &err))
        return tool_error(&err);
    double work = cost.planned_operations + (double)cost.bytes_moved / 8;
    if (work <= interpreter_operations) {
        r->reference = "interpreter";
        if (!b->interp && bench_context(&b->interp, b->options, "interp", NULL)) return TOOL_FAILED;
        return bench_compile(b, b->interp, &options, out);
    }
    r->reference = "plainest target";
#if defined(__x86_64__)
    const char *target = "sse2";
#else
    const char *target = NULL;
#endif
    if (!b->plainest && bench_context(&b->plainest, b->options, "llvm", target)) return TOOL_FAILED;
    return bench_compile(b, b->plainest, &options, out);
}

/* What the outputs hold; freed with free_copies(). */
static void **copy_outputs(const bench *b)
{
    void **copies = tool_alloc(b->n_out * sizeof *copies);
    for (size_t o = 0; o < b->n_out; o++) {
        copies[o] = tool_alloc(b->out[o].bytes);
        memcpy(copies[o], b->out[o].block, b->out[o].bytes);
    }
    return copies;
}

static void free_copies(void **copies, size_t n)
{
    for (size_t o = 0; o < n; o++) free(copies[o]);
    free(copies);
}

/* With beta both kernels begin with what a run before has left in the outputs. */
static int check_by_other_kernel(bench *b, bench_result *r)
{
    einjit_kernel *kernel = NULL;
    int status = other_kernel(b, r, &kernel);
    void **held = copy_outputs(b);
    if (!status && b->options->beta != 0) status = run(b, b->kernel);
    void **got = copy_outputs(b);
    for (size_t o = 0; o < b->n_out; o++) memcpy(b->out[o].block, held[o], b->out[o].bytes);
    if (!status) status = run(b, kernel);
    for (size_t o = 0; o < b->n_out && !status; o++) compare(r, &b->out[o], got[o]);
    free_copies(held, b->n_out);
    free_copies(got, b->n_out);
    einjit_kernel_release(kernel);
    return status;
}

int bench_check(bench *b, bench_result *r)
{
    reference_report report;
    int status = run(b, b->kernel);
    if (status) return status;
    if (b->program.letters && !bench_scales(b->options) &&
        reference_check(&report, b->program.letters, b->in, b->n_in, &b->out[0], 0.5) == TOOL_OK) {
        r->reference = "sampled sums in double";
        r->max_err = report.max_err;
        r->tolerance = report.tolerance;
        r->checked = report.sampled;
    } else {
        status = check_by_other_kernel(b, r);
    }
    r->ok = !status && r->max_err <= r->tolerance;
    return status;
}
