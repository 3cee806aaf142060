/* bench_time.c - medians of repeated calls, several candidates interleaved in one run.
 *
 * Times are of the kernel's bare entry (of calls that share, with more than one thread) over preallocated outputs with
 * warm inputs, a short call after one that is not timed; --cold: every call writes to memory that no one touched
 * before, and what the system takes for its pages counts. Peers (--vs) run interleaved with it, and so do the loops
 * that measure the machine's bound. At least 21 samples of at least 0.5 ms; where one call takes over 2 s, three calls.
 * The spread is the distance of the quartiles; a case against itself (--vs self) gives the noise of a run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_bound.h"
#include "bench_model.h"

/* `before`, where there is one, runs before each call and outside of its time. */
typedef struct work {
    void (*call)(void *state);
    void *state;
    void (*before)(bench *b);
    bool seldom; /* sampled every fourth time: a bound, which needs no tight median */
} work;

enum { LEAST = 21, MOST = 1001, LEAST_SLOW = 3, SELDOM = 4 };
enum { BOUNDS = BENCH_WAYS + 1, WORKS = 1 + BENCH_MAX_PEERS + BENCH_MAX_CANDIDATES + BOUNDS };
static const double sample_seconds = 5e-4, slow_call = 2, warmed_call = 1e-2;

/* Seconds a call. */
static double sample(bench *b, const work *w, long repeats)
{
    double seconds = 0;
    if (!w->before) {
        double start = tool_seconds();
        for (long i = 0; i < repeats; i++) w->call(w->state);
        return (tool_seconds() - start) / (double)repeats;
    }
    for (long i = 0; i < repeats; i++) {
        w->before(b);
        double start = tool_seconds();
        w->call(w->state);
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
        if (seconds >= sample_seconds || repeats > 1L << 28 || tool_interrupted) return repeats;
        double factor = seconds > 0 ? 1.2 * sample_seconds / seconds : 64;
        repeats = factor > 64 ? repeats * 64 : (long)((double)repeats * factor) + 1;
    }
}

static double quantile(const double *sorted, int n, int numerator, int denominator)
{
    return sorted[(n - 1) * numerator / denominator] * 1e6;
}

static void time_all(bench_time *out, bench *b, const work *works, int n, double min_time)
{
    long repeats[WORKS];
    bool warms[WORKS];
    double *samples[WORKS];
    int taken[WORKS] = {0}, least = LEAST;
    for (int i = 0; i < n; i++) {
        double once;
        samples[i] = tool_alloc(MOST * sizeof **samples);
        repeats[i] = repeats_for(b, &works[i], &once);
        if (once > slow_call) least = LEAST_SLOW;
        warms[i] = !works[i].before && once < warmed_call;
        if (repeats[i] == 1) samples[i][taken[i]++] = once; /* as good a sample as any: the check has run it before */
    }
    double start = tool_seconds();
    for (int s = 0; s < MOST - 1 && !tool_interrupted; s++) {
        if (taken[0] >= least && tool_seconds() - start > min_time * n) break;
        for (int i = 0; i < n && !tool_interrupted; i++) {
            int w = (i + s) % n; /* nobody always comes behind the same one */
            if (works[w].seldom && s % SELDOM) continue;
            if (warms[w]) works[w].call(works[w].state); /* the caches hold what the one before has left */
            samples[w][taken[w]++] = sample(b, &works[w], repeats[w]);
        }
    }
    for (int i = 0; i < n; i++) {
        qsort(samples[i], (size_t)taken[i], sizeof **samples, tool_compare);
        out[i] = (bench_time){samples[i][taken[i] / 2] * 1e6, samples[i][0] * 1e6, quantile(samples[i], taken[i], 1, 4),
                              quantile(samples[i], taken[i], 3, 4), taken[i]};
        free(samples[i]);
    }
}

/* ---- what is called ---- */

static bool runs_entry(const bench *b)
{
    return b->entry && !b->shared;
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

/* A call that finds its kernel in the cache: einjit_einsum or einjit_call, with open extents, alpha or beta
 * einjit_call_with. */
void bench_call_cached(void *user)
{
    bench *b = user;
    einjit_compile_options options = bench_compile_options(b);
    if (options.open || bench_scales(b->options))
        einjit_call_with(b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, &options, NULL);
    else if (b->program.equation)
        einjit_einsum(b->context, b->program.equation, b->n_in, b->in_views, b->out_views, NULL);
    else einjit_call(b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void look_up(void *user)
{
    bench *b = user;
    einjit_kernel *kernel = NULL;
    einjit_compile_options options = bench_compile_options(b);
    einjit_compile(&kernel, b->context, b->program.graph, b->n_in, b->in_views, b->n_out, b->out_views, &options, NULL);
    einjit_kernel_release(kernel);
}

void bench_call_alone(void *user)
{
    bench *b = user;
    if (b->entry) call_entry(b);
    else call_kernel(b);
}

void bench_call_kernel(void *user)
{
    bench *b = user;
    if (runs_entry(b)) call_entry(b);
    else call_kernel(b);
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
        b->out_views[i].data = b->data[b->n_in + i] = b->fresh[i] ? b->fresh[i] : b->out[i].block;
    }
}

static void warm_outputs(bench *b)
{
    for (size_t i = 0; i < b->n_out; i++) b->out_views[i].data = b->data[b->n_in + i] = b->out[i].block;
}

/* ---- a case ---- */

/* A peer by its name, and the file of its library where the user says it: "openblas", "mkl=FILE". */
static int add_peer(bench *b, bench_result *r, bench_call *call, const char *name, size_t n)
{
    const char *equals = memchr(name, '=', n);
    size_t length = equals ? (size_t)(equals - name) : n;
    for (int p = 0; p < bench_n_peers; p++) {
        const bench_peer *peer = &bench_peers[p];
        if (strlen(peer->name) != length || memcmp(peer->name, name, length)) continue;
        if (r->n_peers == BENCH_MAX_PEERS) return tool_usage("at most %d peers at once", BENCH_MAX_PEERS);
        char *path = equals ? tool_copy(equals + 1) : NULL;
        if (path) path[n - length - 1] = 0;
        int status = peer->prepare(call, b, path);
        free(path);
        r->peers[r->n_peers].name = peer->name;
        return status;
    }
    return tool_usage("there is no peer '%.*s'; --help names them", (int)length, name);
}

/* The largest difference of a peer's outputs from the kernel's, by the largest value. */
static double peer_error(bench *b, const bench_call *call)
{
    double worst = 0;
    for (size_t o = 0; o < b->n_out; o++) {
        tool_tensor *out = &b->out[o];
        void *ours = tool_alloc(out->bytes);
        bench_call_kernel(b);
        memcpy(ours, out->block, out->bytes);
        memset(out->block, 0, out->bytes);
        call->call(call->state);
        double error = bench_difference(out, ours);
        if (!(error <= worst)) worst = error;
        free(ours);
    }
    return worst;
}

static int add_peers(bench *b, bench_result *r, bench_call *calls, work *works, int *n)
{
    for (const char *at = b->options->vs; at && *at;) {
        size_t length = strcspn(at, ",");
        bench_call *call = &calls[r->n_peers];
        int status = add_peer(b, r, call, at, length);
        if (status) return status;
        if (call->call) {
            works[(*n)++] = (work){call->call, call->state, NULL, false};
            r->peers[r->n_peers++].error = peer_error(b, call);
        }
        at += length + (at[length] == ',');
    }
    return TOOL_OK;
}

static int add_candidates(bench *b, bench_result *r, bench_call *calls, work *works, int *n)
{
    if (!b->options->model) return TOOL_OK;
    int status = bench_model_candidates(b, r, calls);
    for (int i = 0; i < r->n_candidates && !status; i++) {
        works[(*n)++] = (work){calls[i].call, calls[i].state, NULL, false};
        r->candidates[i].error = peer_error(b, &calls[i]);
    }
    return status;
}

/* ---- bounds ---- */

static void call_fma(void *user)
{
    bench *b = user;
    b->fma_operations = bench_fma(b->out[0].tensor.dtype, b->vector_bits);
}

typedef struct mover {
    bench *b;
    int way;
} mover;

static void call_move(void *user)
{
    const mover *m = user;
    const bench *b = m->b;
    bench_move(b->blocks, b->n_read, b->blocks + b->n_read, b->n_out, b->vector_bits, m->way);
}

static bool is_index(const bench *b, size_t i)
{
    return einjit_kernel_index_limit(b->kernel, i, b->sizes) > 0;
}

/* How often the bytes of the one input are read that others index: a gather of few rows into many is a copy of
 * these. */
static size_t times_read(const bench *b, size_t *which)
{
    size_t indices = 0;
    for (size_t i = 0; i < b->n_in; i++)
        if (is_index(b, i)) indices++;
        else *which = i;
    if (!indices || b->n_in - indices != 1 || b->n_out != 1 || !b->in[*which].bytes) return 1;
    size_t times = b->out[0].bytes / b->in[*which].bytes;
    return times ? times : 1;
}

static void add_bounds(bench *b, mover movers[BENCH_WAYS], work *works, int *n)
{
    size_t which = 0, times = times_read(b, &which);
    bench_block *at = b->blocks = tool_alloc((b->n_in + times + b->n_out) * sizeof *b->blocks);
    b->vector_bits = bench_vector_bits(b->options->target);
    for (size_t i = 0; i < b->n_in; i++)
        for (size_t t = 0; t < (i == which ? times : 1); t++) *at++ = (bench_block){b->in[i].block, b->in[i].bytes};
    b->n_read = (size_t)(at - b->blocks);
    for (size_t i = 0; i < b->n_out; i++) *at++ = (bench_block){b->out[i].block, b->out[i].bytes};
    for (int way = 0; way < BENCH_WAYS; way++) {
        movers[way] = (mover){b, way};
        works[(*n)++] = (work){call_move, &movers[way], NULL, true};
    }
    works[(*n)++] = (work){call_fma, b, NULL, true};
}

static void take_bounds(bench *b, bench_result *r, const bench_time *times)
{
    r->move_us = times[0].median_us;
    for (int way = 1; way < BENCH_WAYS; way++) r->move_us = fmin(r->move_us, times[way].median_us);
    r->fma_gflops = b->fma_operations > 0 ? b->fma_operations / times[BENCH_WAYS].median_us * 1e-3 : 0;
}

/* What a call that hits the cache costs over the kernel. Against a kernel of some microseconds that is a difference of
 * times; against a longer one the difference would be noise, and the look-up by itself is taken. */
static void time_calls(bench *b, bench_result *r)
{
    const work calls[3] = {{runs_entry(b) ? call_entry : call_kernel, b, NULL, false},
                           {bench_call_cached, b, NULL, false},
                           {look_up, b, NULL, false}};
    static const double comparable_us = 50;
    bench_time times[3];
    bool is_short = r->time.median_us < comparable_us;
    if (is_short) bench_call_cached(b); /* its own entry of the cache may still be missing */
    if (is_short) time_all(times, b, calls, 3, b->options->min_time / 4);
    else time_all(&times[2], b, &calls[2], 1, b->options->min_time / 8);
    r->lookup_ns = times[2].median_us * 1e3;
    r->memory_ns = is_short ? (times[1].median_us - times[0].median_us) * 1e3 : r->lookup_ns;
    r->call_ns = is_short ? times[1].median_us * 1e3 : r->time.median_us * 1e3 + r->lookup_ns;
}

static void release(bench_call *calls, int n)
{
    for (int i = 0; i < n; i++)
        if (calls[i].release) calls[i].release(calls[i].state);
}

int bench_time_case(bench *b, bench_result *r)
{
    work works[WORKS] = {{runs_entry(b) ? call_entry : call_kernel, b, NULL, false}};
    bench_call calls[BENCH_MAX_PEERS + BENCH_MAX_CANDIDATES] = {{NULL, NULL, NULL}};
    bench_time times[WORKS], *next = times + 1;
    mover movers[BENCH_WAYS];
    int n = 1, status = add_peers(b, r, calls, works, &n);
    if (!status) status = add_candidates(b, r, calls + BENCH_MAX_PEERS, works, &n);
    b->fresh = tool_alloc(b->n_out * sizeof *b->fresh);
    for (int i = 0; b->options->cold && i < n; i++) works[i].before = fresh_outputs;
    if (!status) {
        add_bounds(b, movers, works, &n);
        time_all(times, b, works, n, b->options->min_time);
        warm_outputs(b);
        r->time = times[0];
        for (int i = 0; i < r->n_peers; i++) r->peers[i].time = *next++;
        for (int i = 0; i < r->n_candidates; i++) r->candidates[i].time = *next++;
        take_bounds(b, r, next);
        if (!tool_interrupted) time_calls(b, r);
    }
    release(calls, BENCH_MAX_PEERS + BENCH_MAX_CANDIDATES);
    return status;
}
