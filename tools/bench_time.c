/* bench_time.c - medians of repeated calls, several candidates interleaved in one run. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sample(const bench_work *work, long repeats)
{
    double start = now();
    for (long i = 0; i < repeats; i++) work->call(work->user);
    return (now() - start) / (double)repeats;
}

/* Repeats that make a sample last 0.5 ms. */
static long repeats_for(const bench_work *work)
{
    long repeats = 1;
    for (;;) {
        double seconds = sample(work, repeats) * (double)repeats;
        if (seconds >= 5e-4 || repeats > 1L << 28) return repeats;
        double factor = seconds > 0 ? 6e-4 / seconds : 64;
        repeats = factor > 64 ? repeats * 64 : (long)((double)repeats * factor) + 1;
    }
}

void bench_time_all(bench_time *out, const bench_work *work, int n, double min_time)
{
    enum { LEAST = 21, MOST = 1001, PEERS = BENCH_MAX_PEERS + 1 };
    static const double patience = 30; /* seconds; a case that takes longer gets 3 samples */
    long repeats[PEERS];
    double *samples[PEERS];
    int taken[PEERS] = {0};
    for (int i = 0; i < n; i++) {
        samples[i] = tool_alloc(MOST * sizeof **samples);
        work[i].call(work[i].user);
        repeats[i] = repeats_for(&work[i]);
    }
    double start = now();
    for (int s = 0; s < MOST; s++) {
        double passed = now() - start;
        if ((s >= LEAST && passed > min_time * n) || (s >= 3 && passed > patience)) break;
        for (int i = 0; i < n; i++) samples[i][taken[i]++] = sample(&work[i], repeats[i]);
    }
    for (int i = 0; i < n; i++) {
        qsort(samples[i], (size_t)taken[i], sizeof **samples, compare);
        out[i] = (bench_time){samples[i][taken[i] / 2] * 1e6, samples[i][0] * 1e6, taken[i]};
        free(samples[i]);
    }
}
