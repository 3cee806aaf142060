/* bench_time.c - medians of repeated calls, several candidates interleaved in one run.
 *
 * Times are of the kernel's bare entry over preallocated outputs with warm inputs; --cold: every call writes to memory
 * that no one touched before, and what the system takes for its pages counts. Peers (--vs) run interleaved with it.
 * At least 21 samples of at least 0.5 ms; where one call takes over 2 s, three calls.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "bench_reference.h"

/* `before`, where there is one, runs before each call and outside of its time. */
typedef struct work {
    void (*call)(bench *b);
    void (*before)(bench *b);
} work;

enum { LEAST = 21, MOST = 1001, LEAST_SLOW = 3 };
static const double sample_seconds = 5e-4, slow_call = 2;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds a call. */
static double sample(bench *b, const work *w, long repeats)
{
    double seconds = 0;
    if (!w->before) {
        double start = tool_seconds();
        for (long i = 0; i < repeats; i++) w->call(b);
        return (tool_seconds() - start) / (double)repeats;
    }
    for (long i = 0; i < repeats; i++) {
        w->before(b);
        double start = tool_seconds();
        w->call(b);
        seconds += tool_seconds() - start;
    }
    return seconds / (double)repeats;
}

/* Repeats that make a sample last long enough; *once is what a call takes. */
static long repeats_for(bench *b, const work *w, double *once)
{
    for (long repeats = 1;;) {
        *once = sample(b, w, repeats);
        double seconds = *once * (double)repeats;
        if (seconds >= sample_seconds || repeats > 1L << 28 || bench_interrupted) return repeats;
        double factor = seconds > 0 ? 1.2 * sample_seconds / seconds : 64;
        repeats = factor > 64 ? repeats * 64 : (long)((double)repeats * factor) + 1;
    }
}

static void time_all(bench_time *out, bench *b, const work *works, int n, double min_time)
{
    enum { PEERS = BENCH_MAX_PEERS + 1 };
    long repeats[PEERS];
    double *samples[PEERS];
    int taken[PEERS] = {0}, least = LEAST;
    for (int i = 0; i < n; i++) {
        double once;
        samples[i] = tool_alloc(MOST * sizeof **samples);
        repeats[i] = repeats_for(b, &works[i], &once);
        if (once > slow_call) least = LEAST_SLOW;
        if (repeats[i] == 1) samples[i][taken[i]++] = once; /* as good a sample as any: the check has run it before */
    }
    double start = tool_seconds();
    for (int s = 0; s < MOST - 1 && !bench_interrupted; s++) {
        if (taken[0] >= least && tool_seconds() - start > min_time * n) break;
        for (int i = 0; i < n && !bench_interrupted; i++) samples[i][taken[i]++] = sample(b, &works[i], repeats[i]);
    }
    for (int i = 0; i < n; i++) {
        qsort(samples[i], (size_t)taken[i], sizeof **samples, compare);
        out[i] = (bench_time){samples[i][taken[i] / 2] * 1e6, samples[i][0] * 1e6, taken[i]};
        free(samples[i]);
    }
}

/* ---- what is called ---- */

static void call_entry(bench *b)
{
    b->entry(b->data, b->sizes, b->scratch);
}

static void call_kernel(bench *b)
{
    einjit_run(b->kernel, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

/* A call that finds its kernel in the cache: einjit_einsum or einjit_call. */
static void call_cached(bench *b)
{
    if (b->program.equation) einjit_einsum(b->context, b->program.equation, b->n_in, b->in_views, b->out_views, NULL);
    else einjit_call(b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void look_up(bench *b)
{
    einjit_kernel *kernel = NULL;
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = b->options->open, .path = b->strategy,
                                      .constants = b->options->constants,
                                      .flags = bench_flags(b->options)};
    einjit_compile(&kernel, b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, &options, NULL);
    einjit_kernel_release(kernel);
}

static void call_interpreter(bench *b)
{
    einjit_run(b->interpreted, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void call_plain(bench *b)
{
    tool_tensor out = b->out[0];
    out.block = b->out_views[0].data;
    reference_plain(b->program.equation, b->in, b->n_in, &out);
}

/* New pages for every output. */
static void fresh_outputs(bench *b)
{
    for (size_t i = 0; i < b->n_out; i++) {
        size_t bytes = b->out[i].bytes;
        if (!bytes) continue;
        if (b->fresh[i]) munmap(b->fresh[i], bytes);
        void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        b->fresh[i] = pages == MAP_FAILED ? NULL : pages;
        b->data[b->n_in + i] = b->out_views[i].data = b->fresh[i] ? b->fresh[i] : b->out[i].block;
    }
}

static void warm_outputs(bench *b)
{
    for (size_t i = 0; i < b->n_out; i++) b->data[b->n_in + i] = b->out_views[i].data = b->out[i].block;
}

/* ---- a case ---- */

static int add_peer(bench *b, bench_result *r, work *works, const char *name, size_t n)
{
    if (r->n_peers == BENCH_MAX_PEERS) return tool_usage("at most %d peers at once", BENCH_MAX_PEERS);
    if (n == 5 && !memcmp(name, "plain", 5)) {
        if (!b->program.equation || b->out[0].tensor.dtype != EINJIT_F32)
            return tool_usage("the peer 'plain' runs equations in f32");
        r->peers[r->n_peers].name = "plain";
        works[1 + r->n_peers++].call = call_plain;
        return TOOL_OK;
    }
    if (n == 6 && !memcmp(name, "interp", 6)) {
        einjit_compile_options options = {.struct_bytes = sizeof options, .open = b->options->open, .path = b->strategy};
        if (!b->interp && bench_context(&b->interp, b->options, "interp", NULL)) return TOOL_FAILED;
        r->peers[r->n_peers].name = "interp";
        works[1 + r->n_peers++].call = call_interpreter;
        return b->interpreted ? TOOL_OK : bench_compile(b, b->interp, &options, &b->interpreted);
    }
    return tool_usage("there is no peer '%.*s': plain (loops in C, as written), interp (the interpreter)", (int)n, name);
}

/* What a call that hits the cache costs over the kernel. Against a kernel of some microseconds that is a difference of
 * times; against a longer one the difference would be noise, and the look-up by itself is taken. */
static void time_calls(bench *b, bench_result *r)
{
    const work calls[3] = {{b->entry ? call_entry : call_kernel, NULL}, {call_cached, NULL}, {look_up, NULL}};
    static const double comparable_us = 50;
    bench_time times[3];
    bool is_short = r->time.median_us < comparable_us;
    if (is_short) call_cached(b); /* its own entry of the cache may still be missing */
    if (is_short) time_all(times, b, calls, 3, b->options->min_time / 4);
    else time_all(&times[2], b, &calls[2], 1, b->options->min_time / 8);
    r->lookup_ns = times[2].median_us * 1e3;
    r->memory_ns = is_short ? (times[1].median_us - times[0].median_us) * 1e3 : r->lookup_ns;
    r->call_ns = is_short ? times[1].median_us * 1e3 : r->time.median_us * 1e3 + r->lookup_ns;
}

int bench_time_case(bench *b, bench_result *r)
{
    work works[BENCH_MAX_PEERS + 1] = {{b->entry ? call_entry : call_kernel, NULL}};
    bench_time times[BENCH_MAX_PEERS + 1];
    for (const char *at = b->options->vs; at && *at;) {
        size_t n = strcspn(at, ",");
        int status = add_peer(b, r, works, at, n);
        if (status) return status;
        at += n + (at[n] == ',');
    }
    b->fresh = tool_alloc(b->n_out * sizeof *b->fresh);
    for (int i = 0; b->options->cold && i <= r->n_peers; i++) works[i].before = fresh_outputs;
    time_all(times, b, works, 1 + r->n_peers, b->options->min_time);
    warm_outputs(b);
    r->time = times[0];
    for (int i = 0; i < r->n_peers; i++) r->peers[i].time = times[1 + i];
    if (!bench_interrupted) time_calls(b, r);
    return TOOL_OK;
}
