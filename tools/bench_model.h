/* bench_model.h - einjit-bench --model: the cost model's predictions held against measurements. */
#ifndef TOOL_BENCH_MODEL_H
#define TOOL_BENCH_MODEL_H

#include "bench_peer.h"

/* A call for each way to run the case, with r->candidates (but their times), r->recipe and r->cycles filled in. Calls
 * that were made are to be released after a failure, too. */
int bench_model_candidates(bench *b, bench_result *r, bench_call calls[BENCH_MAX_CANDIDATES]);
void bench_model_free(bench_result *r);
/* How many times as long as with the best candidate the case takes: at least 1. */
double bench_model_loss(const bench_result *r);

#endif
