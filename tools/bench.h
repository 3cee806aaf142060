/* bench.h - one case of einjit-bench: what is asked, what was measured. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include "tool.h"

typedef struct bench_case {
    const char *name, *program; /* program: file, text or equation */
    tool_sizes sizes;
    int dtype;
    double flop;                /* given by the case, or 0 */
} bench_case;

typedef struct bench_options {
    int threads;
    double min_time;            /* seconds of samples a case */
    const char *open, *backend, *target, *strategy, *vs;
    bool no_opt, fresh, json;
} bench_options;

enum { BENCH_MAX_PEERS = 4 };
typedef struct bench_time {
    double median_us, min_us;
    int samples;
} bench_time;
typedef struct bench_result {
    bench_time time;
    struct {
        const char *name;
        bench_time time;
    } peers[BENCH_MAX_PEERS];
    int n_peers;
    double compile_ms, memory_ns, call_ns, max_err, tolerance, gflops, gbytes_per_s;
    int64_t checked;
    bool ok;
    char *plan;                 /* text, a step a line */
} bench_result;

/* Compile, check and time one case. TOOL_OK (result->ok says whether it was right), or TOOL_FAILED after a message. */
int bench_run(bench_result *result, const bench_case *one, const bench_options *options);

/* Call f repeatedly: at least 21 samples of at least 0.5 ms each. `n_peers` functions are timed interleaved. */
typedef struct bench_work {
    void (*call)(void *user);
    void *user;
} bench_work;
void bench_time_all(bench_time *out, const bench_work *work, int n, double min_time);

#endif
