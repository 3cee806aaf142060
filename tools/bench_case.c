/* bench_case.c - one case: tensors, a cold compile, a check by another way, times of the bare entry and of the calls.
 *
 * Times are of the kernel's bare entry over preallocated outputs with warm inputs. `memory_ns` is what a call that hits
 * the cache costs over that. Peers (--vs) run interleaved with it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "bench_reference.h"

typedef struct bench {
    const bench_case *one;
    const bench_options *options;
    einjit_context *context, *interp;
    tool_program program;
    tool_tensor *in, *out;
    size_t n_in, n_out;
    einjit_tensor *in_views, *out_views;
    einjit_kernel *kernel, *unoptimized, *interpreted;
    einjit_entry entry;
    void **data;
    int64_t *sizes;
    void *scratch;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static einjit_compile_options compile_options(const bench_options *o)
{
    return (einjit_compile_options){.struct_bytes = sizeof(einjit_compile_options), .open = o->open, .path = o->strategy,
                                    .flags = o->no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0};
}

static int make_context(einjit_context **out, const bench_options *o, const char *backend)
{
    einjit_error err = {0};
    einjit_options options = {.struct_bytes = sizeof options, .backend = backend, .target = o->target,
                              .threads = o->threads};
    return einjit_context_create(out, &options, &err) ? tool_error(&err) : TOOL_OK;
}

static int compile(bench *b, einjit_context *context, const einjit_compile_options *options, einjit_kernel **out)
{
    einjit_error err = {0};
    int status = einjit_compile(out, context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, options,
                                &err);
    return status ? tool_error(&err) : TOOL_OK;
}

/* The code generator is loaded by another program's compile, so that compile_ms is the compile alone. */
static int warm_up(bench *b)
{
    einjit_error err = {0};
    float x = 1, y = 0;
    einjit_tensor a = {&x, EINJIT_F32, 0, NULL, NULL}, r = {&y, EINJIT_F32, 0, NULL, NULL};
    return einjit_einsum(b->context, ",->", 2, (einjit_tensor[]){a, a}, &r, &err) ? tool_error(&err) : TOOL_OK;
}

static int cold_compile(bench *b, double *ms)
{
    einjit_compile_options options = compile_options(b->options);
    *ms = 0;
    for (int round = 0; round < 3; round++) { /* the best of three: the first also pays for cold caches */
        einjit_kernel_release(b->kernel);
        b->kernel = NULL;
        einjit_context_clear_cache(b->context);
        double start = now();
        int status = compile(b, b->context, &options, &b->kernel);
        if (status) return status;
        double passed = (now() - start) * 1e3;
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

static int prepare_entry(bench *b)
{
    size_t n_open = einjit_kernel_open_count(b->kernel);
    b->sizes = tool_alloc((n_open + 1) * sizeof *b->sizes);
    for (size_t i = 0; i < n_open; i++) {
        const char *name = einjit_kernel_open_name(b->kernel, i);
        if (!tool_sizes_find(&b->one->sizes, name, &b->sizes[i])) return tool_usage("open size '%s' has no value", name);
    }
    size_t bytes = einjit_kernel_scratch_bytes(b->kernel, b->sizes);
    b->scratch = aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64);
    if (!b->scratch) return tool_fail("E_NOMEM", "no memory for %zu bytes of scratch", bytes);
    memset(b->scratch, 0, bytes);
    b->data = tool_alloc((b->n_in + b->n_out) * sizeof *b->data);
    for (size_t i = 0; i < b->n_in; i++) b->data[i] = b->in[i].block;
    for (size_t i = 0; i < b->n_out; i++) b->data[b->n_in + i] = b->out[i].block;
    b->entry = einjit_kernel_entry(b->kernel);
    fill_indices(b);
    return TOOL_OK;
}

static int run_checked(bench *b, einjit_kernel *kernel)
{
    einjit_error err = {0};
    return einjit_run(kernel, b->n_in, b->in_views, b->n_out, b->out_views, &err) ? tool_error(&err) : TOOL_OK;
}

/* Programs have no plain reference here: the interpreter of nests, on the program as written, is the other way. */
static int check_against_interpreter(bench *b, bench_result *r)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = EINJIT_OPTION_NO_OPTIMIZE};
    if (!b->interp && make_context(&b->interp, b->options, "interp")) return TOOL_FAILED;
    einjit_kernel *kernel = NULL;
    int status = compile(b, b->interp, &options, &kernel);
    double largest = 0, worst = 0;
    for (size_t o = 0; o < b->n_out && !status; o++) {
        void *copy = tool_alloc(b->out[o].bytes);
        memcpy(copy, b->out[o].block, b->out[o].bytes);
        status = run_checked(b, kernel);
        int dtype = b->out[o].tensor.dtype;
        bool single = dtype == EINJIT_F32 || dtype == EINJIT_C64, real = single || dtype == EINJIT_F64 || dtype == EINJIT_C128;
        size_t n = real ? b->out[o].bytes / (single ? 4 : 8) : 0;
        if (!real && memcmp(copy, b->out[o].block, b->out[o].bytes)) worst = largest = 1;
        for (size_t i = 0; i < n; i++) {
            double x = single ? ((float *)copy)[i] : ((double *)copy)[i];
            double y = single ? ((float *)b->out[o].block)[i] : ((double *)b->out[o].block)[i];
            double wrong = x > y ? x - y : y - x, size = y < 0 ? -y : y;
            if (size > largest) largest = size;
            if (!(wrong <= worst)) worst = wrong;
        }
        r->checked += (int64_t)n;
        if (real) r->tolerance = single ? 1e-4 : 1e-12;
        free(copy);
    }
    einjit_kernel_release(kernel);
    r->max_err = largest > 0 ? worst / largest : worst;
    return status;
}

static int check(bench *b, bench_result *r)
{
    int status = run_checked(b, b->kernel);
    if (status) return status;
    reference_report report;
    if (b->program.equation &&
        reference_check(&report, b->program.equation, b->in, b->n_in, &b->out[0], 1.0) == TOOL_OK) {
        r->max_err = report.max_err;
        r->tolerance = report.tolerance;
        r->checked = report.sampled;
    } else if ((status = check_against_interpreter(b, r))) {
        return status;
    }
    r->ok = r->max_err <= r->tolerance;
    return TOOL_OK;
}

static void call_entry(void *user)
{
    bench *b = user;
    b->entry(b->data, b->sizes, b->scratch);
}

static void call_kernel(void *user)
{
    bench *b = user;
    einjit_run(b->kernel, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

/* A call that finds its kernel in the cache: einjit_einsum or einjit_call. */
static void call_cached(void *user)
{
    bench *b = user;
    if (b->program.equation) einjit_einsum(b->context, b->program.equation, b->n_in, b->in_views, b->out_views, NULL);
    else einjit_call(b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void call_interpreter(void *user)
{
    bench *b = user;
    einjit_run(b->interpreted, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void call_plain(void *user)
{
    bench *b = user;
    reference_plain(b->program.equation, b->in, b->n_in, &b->out[0]);
}

static int add_peer(bench *b, bench_result *r, bench_work *work, const char *name, size_t n)
{
    if (r->n_peers == BENCH_MAX_PEERS) return tool_usage("at most %d peers at once", BENCH_MAX_PEERS);
    if (n == 5 && !memcmp(name, "plain", 5)) {
        if (!b->program.equation || b->out[0].tensor.dtype != EINJIT_F32)
            return tool_usage("the peer 'plain' runs equations in f32");
        r->peers[r->n_peers].name = "plain";
        work[1 + r->n_peers++] = (bench_work){call_plain, b};
        return TOOL_OK;
    }
    if (n == 6 && !memcmp(name, "interp", 6)) {
        einjit_compile_options options = compile_options(b->options);
        if (!b->interp && make_context(&b->interp, b->options, "interp")) return TOOL_FAILED;
        int status = compile(b, b->interp, &options, &b->interpreted);
        r->peers[r->n_peers].name = "interp";
        work[1 + r->n_peers++] = (bench_work){call_interpreter, b};
        return status;
    }
    return tool_usage("there is no peer '%.*s': plain (loops in C, as written), interp (the interpreter)", (int)n, name);
}

static int time_case(bench *b, bench_result *r)
{
    bench_work work[BENCH_MAX_PEERS + 1] = {{b->entry ? call_entry : call_kernel, b}}, calls[2] = {work[0], {call_cached, b}};
    for (const char *at = b->options->vs; at && *at;) {
        size_t n = strcspn(at, ",");
        int status = add_peer(b, r, work, at, n);
        if (status) return status;
        at += n + (at[n] == ',');
    }
    bench_time times[BENCH_MAX_PEERS + 1], call_times[2];
    bench_time_all(times, work, 1 + r->n_peers, b->options->min_time);
    r->time = times[0];
    for (int i = 0; i < r->n_peers; i++) r->peers[i].time = times[1 + i];
    call_cached(b);
    bench_time_all(call_times, calls, 2, b->options->min_time / 4);
    r->call_ns = call_times[1].median_us * 1e3;
    r->memory_ns = (call_times[1].median_us - call_times[0].median_us) * 1e3;
    return TOOL_OK;
}

static int rates(bench *b, bench_result *r)
{
    einjit_cost cost;
    einjit_error err = {0};
    einjit_compile_options options = compile_options(b->options);
    if (einjit_plan_cost(&cost, b->context, b->program.graph, b->n_in, b->in_views, &options, &err)) return tool_error(&err);
    double bytes = 0, seconds = r->time.median_us * 1e-6;
    for (size_t i = 0; i < b->n_in; i++) bytes += (double)b->in[i].bytes;
    for (size_t i = 0; i < b->n_out; i++) bytes += (double)b->out[i].bytes;
    r->gflops = (b->one->flop > 0 ? b->one->flop : cost.planned_operations) / seconds * 1e-9;
    r->gbytes_per_s = bytes / seconds * 1e-9;
    r->plan = tool_explain(b->context, &b->program, b->in_views, b->n_in, &options, "plan");
    return r->plan ? TOOL_OK : TOOL_FAILED;
}

static void bench_free(bench *b)
{
    einjit_kernel_release(b->kernel);
    einjit_kernel_release(b->unoptimized);
    einjit_kernel_release(b->interpreted);
    tool_tensors_free(b->in, b->n_in);
    tool_tensors_free(b->out, b->n_out);
    free(b->in_views);
    free(b->out_views);
    free(b->data);
    free(b->sizes);
    free(b->scratch);
    tool_program_free(&b->program);
    einjit_context_release(b->context);
    einjit_context_release(b->interp);
}

static int run_all(bench *b, bench_result *r)
{
    const bench_case *one = b->one;
    int status = make_context(&b->context, b->options, b->options->backend);
    if (!status) status = warm_up(b);
    if (!status) status = tool_program_load(&b->program, b->context, one->program);
    if (!status) status = tool_inputs_make(&b->in, &b->n_in, &b->program, &one->sizes, one->dtype);
    if (!status) status = tool_outputs_make(&b->out, &b->n_out, &b->program, b->in, b->n_in);
    if (status) return status;
    b->in_views = tool_views(b->in, b->n_in);
    b->out_views = tool_views(b->out, b->n_out);
    status = cold_compile(b, &r->compile_ms);
    if (!status) status = prepare_entry(b);
    if (!status) status = check(b, r);
    if (!status) status = time_case(b, r);
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
