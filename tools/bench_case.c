/* bench_case.c - one case: tensors, a cold compile, a check by another way, times of the bare entry and of the calls.
 *
 * Not here: the check (bench_check.c), the times (bench_time.c).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

int32_t bench_flags(const bench_options *o)
{
    return (o->no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0) | (o->strict ? EINJIT_OPTION_STRICT : 0) |
           (o->measure ? EINJIT_OPTION_MEASURE : 0);
}

einjit_compile_options bench_compile_options(const bench *b)
{
    return (einjit_compile_options){.struct_bytes = sizeof(einjit_compile_options),
                                    .open = b->options->open,
                                    .path = b->strategy,
                                    .constants = b->options->constants,
                                    .alpha = b->options->alpha,
                                    .beta = b->options->beta,
                                    .flags = bench_flags(b->options)};
}

bool bench_scales(const bench_options *o)
{
    return o->beta != 0 || (o->alpha != 0 && o->alpha != 1);
}

int bench_context(einjit_context **out, const bench_options *o, const char *backend, const char *target)
{
    einjit_error err = {0};
    einjit_options options = {.struct_bytes = sizeof options,
                              .log = tool_log,
                              .backend = backend,
                              .target = target,
                              .flags = o->isolate ? EINJIT_OPTION_ISOLATE : 0,
                              .threads = (int32_t)o->threads,
                              .cache_dir = o->folder ? o->folder : "none",
                              .progress = tool_progress};
    if (!einjit_context_create(out, &options, &err)) return TOOL_OK;
    return err.code == EINJIT_E_VALUE ? tool_usage("%s", err.text) : tool_error(&err);
}

int bench_compile(bench *b, einjit_context *context, const einjit_compile_options *options, einjit_kernel **out)
{
    einjit_error err = {0};
    int status =
        einjit_compile(out, context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, options, &err);
    return status ? tool_error(&err) : TOOL_OK;
}

/* The code generator is loaded by another program's compile, so that compile_ms is the compile alone. */
int bench_warm_up(einjit_context *context)
{
    einjit_error err = {0};
    float x = 1, y = 0;
    einjit_tensor a = {&x, EINJIT_F32, 0, NULL, NULL}, r = {&y, EINJIT_F32, 0, NULL, NULL};
    return einjit_einsum(context, ",->", 2, (einjit_tensor[]){a, a}, &r, &err) ? tool_error(&err) : TOOL_OK;
}

int bench_compile_anew(bench *b, einjit_context *context, double *us)
{
    einjit_kernel *kernel = NULL;
    einjit_compile_options options = bench_compile_options(b);
    einjit_context_clear_cache(context);
    double start = tool_seconds();
    int status = bench_compile(b, context, &options, &kernel);
    *us = (tool_seconds() - start) * 1e6;
    einjit_kernel_release(kernel);
    return status;
}

static int cold_compile(bench *b, double *ms)
{
    einjit_compile_options options = bench_compile_options(b);
    *ms = 0;
    for (int round = 0; round < 3; round++) { /* the best of three: the first also pays for cold caches */
        einjit_kernel_release(b->kernel);
        b->kernel = NULL;
        einjit_context_clear_cache(b->context);
        double start = tool_seconds();
        int status = bench_compile(b, b->context, &options, &b->kernel);
        if (status) return status;
        double passed = (tool_seconds() - start) * 1e3;
        if (!round || passed < *ms) *ms = passed;
    }
    return TOOL_OK;
}

/* Index inputs get values in range, once the kernel says what that is. */
static void fill_indices(bench *b)
{
    for (size_t i = 0; i < b->n_in; i++) {
        int64_t limit = einjit_kernel_index_limit(b->kernel, i, b->sizes), n = tool_tensor_elements(&b->in[i]);
        if (limit < 1) continue;
        uint64_t state = i + 12345;
        for (int64_t e = 0; e < n; e++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            int64_t value = (int64_t)((state >> 33) % (uint64_t)limit);
            if (b->in[i].tensor.dtype == EINJIT_I32) ((int32_t *)b->in[i].block)[e] = (int32_t)value;
            else ((int64_t *)b->in[i].block)[e] = value;
        }
    }
}

int bench_scratch(void **out, const bench *b, const einjit_kernel *kernel)
{
    size_t bytes = einjit_kernel_scratch_bytes(kernel, b->sizes);
    *out = aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64);
    if (!*out) return tool_fail("E_NOMEM", "no memory for %zu bytes of scratch", bytes);
    memset(*out, 0, bytes);
    return TOOL_OK;
}

static int prepare_entry(bench *b)
{
    size_t n_open = einjit_kernel_open_count(b->kernel);
    b->sizes = tool_alloc((n_open + 1) * sizeof *b->sizes);
    for (size_t i = 0; i < n_open; i++) {
        const char *name = einjit_kernel_open_name(b->kernel, i);
        if (!tool_sizes_find(&b->one->sizes, name, &b->sizes[i]))
            return tool_usage("open size '%s' has no value", name);
    }
    int status = bench_scratch(&b->scratch, b, b->kernel);
    if (status) return status;
    b->data = tool_alloc((b->n_in + b->n_out) * sizeof *b->data);
    for (size_t i = 0; i < b->n_in; i++) b->data[i] = b->in[i].block;
    for (size_t i = 0; i < b->n_out; i++) b->data[b->n_in + i] = b->out[i].block;
    b->entry = einjit_kernel_entry(b->kernel);
    fill_indices(b);
    return TOOL_OK;
}

/* Neither the operations at the rate of multiply-adds nor the bytes at the bandwidth can take less time. */
static void take_bound(const bench *b, bench_result *r, double operations, double touched)
{
    int dtype = b->out[0].tensor.dtype;
    double bytes = 0;
    for (size_t i = 0; i < b->n_in; i++) bytes += (double)b->in[i].bytes;
    for (size_t i = 0; i < b->n_out; i++) bytes += (double)b->out[i].bytes;
    if (touched < bytes) r->move_us *= touched / bytes;               /* of a diagonal not all is read */
    if (dtype == EINJIT_C64 || dtype == EINJIT_C128) operations *= 4; /* a complex multiply-add is four real ones */
    r->bound_us = r->fma_gflops > 0 ? operations / r->fma_gflops * 1e-3 : 0;
    if (r->move_us > r->bound_us) r->bound_us = r->move_us;
    r->share = r->bound_us / r->time.median_us;
}

static int rates(bench *b, bench_result *r)
{
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_error err = {0};
    einjit_compile_options options = bench_compile_options(b);
    if (einjit_plan_cost(&cost, b->context, b->program.graph, b->n_in, b->in_views, &options, &err))
        return tool_error(&err);
    double seconds = r->time.median_us * 1e-6;
    r->gflops = (b->one->flop > 0 ? b->one->flop : cost.planned_operations) / seconds * 1e-9;
    take_bound(b, r, r->gflops * seconds * 1e9, (double)cost.touched_bytes);
    r->gbytes_per_s = (double)cost.touched_bytes / seconds * 1e-9;
    r->plan = tool_explain(b->context, &b->program, b->in_views, b->n_in, &options, "plan");
    return r->plan ? TOOL_OK : TOOL_FAILED;
}

static void bench_free(bench *b)
{
    einjit_kernel_release(b->kernel);
    einjit_kernel_release(b->interpreted);
    for (size_t i = 0; b->fresh && i < b->n_out; i++)
        if (b->fresh[i]) munmap(b->fresh[i], b->out[i].bytes);
    free(b->fresh);
    tool_tensors_free(b->in, b->n_in);
    tool_tensors_free(b->out, b->n_out);
    free(b->in_views);
    free(b->out_views);
    free(b->data);
    free(b->sizes);
    free(b->scratch);
    free(b->blocks);
    free(b->strategy);
    tool_program_free(&b->program);
    einjit_context_release(b->context);
    einjit_context_release(b->interp);
    einjit_context_release(b->plainest);
}

static int run_all(bench *b, bench_result *r)
{
    const bench_case *one = b->one;
    int status = bench_context(&b->context, b->options, b->options->backend, b->options->target);
    if (!status) b->shared = (r->threads = tool_threads(b->context, b->options->threads)) > 1;
    if (!status) status = tool_strategy(&b->strategy, b->context, b->options->strategy);
    if (!status) status = bench_warm_up(b->context);
    if (!status) status = tool_program_load(&b->program, b->context, one->program, &one->sizes);
    if (!status) status = tool_names_check(&b->program, &one->sizes, b->options->open);
    bench_progress("filling inputs");
    if (!status) status = tool_inputs_make(&b->in, &b->n_in, &b->program, &one->sizes, one->dtype, true);
    if (!status) status = tool_outputs_make(&b->out, &b->n_out, &b->program, b->in, b->n_in);
    if (status) return status;
    b->in_views = tool_views(b->in, b->n_in);
    b->out_views = tool_views(b->out, b->n_out);
    bench_progress("compiling");
    status = cold_compile(b, &r->compile_ms);
    if (!status) status = prepare_entry(b);
    bench_progress("loading");
    if (!status) status = bench_time_disk(b, r);
    bench_progress("checking");
    if (!status) status = bench_check(b, r);
    bench_progress("timing");
    if (!status) status = bench_time_case(b, r);
    if (!status && b->options->cache) status = bench_time_pair(b, r);
    if (!status && b->options->cache) status = bench_time_isolate(b, r);
    if (!status && tool_interrupted) status = TOOL_FAILED;
    if (!status) status = rates(b, r);
    return status;
}

int bench_run(bench_result *result, const bench_case *one, const bench_options *options)
{
    bench b = {.one = one, .options = options};
    *result = (bench_result){0};
    int status = run_all(&b, result);
    bench_free(&b);
    return status;
}
