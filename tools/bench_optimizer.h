/* bench_optimizer.h - einjit-bench --optimizer: how long the passes take, and how that grows with the graph. */
#ifndef TOOL_BENCH_OPTIMIZER_H
#define TOOL_BENCH_OPTIMIZER_H

#include "bench.h"

typedef struct bench_growth {
    char *passes;     /* comma list; NULL: all */
    const char *only; /* forms whose name this regular expression matches; NULL: all */
    int64_t largest;  /* einsums of the largest graph */
    bool plan, json;  /* plan: also everything up to the plan, at extents of 4 */
} bench_growth;

int bench_optimizer(const bench_growth *what);

#endif
