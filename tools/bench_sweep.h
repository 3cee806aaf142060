/* bench_sweep.h - one program called with an extent that changes from call to call. */
#ifndef TOOL_BENCH_SWEEP_H
#define TOOL_BENCH_SWEEP_H

#include "bench.h"

/* range: "z=1:600". TOOL_OK after the report, or the exit code after a message. */
int bench_sweep(const bench_case *one, const bench_options *options, const char *range);

#endif
