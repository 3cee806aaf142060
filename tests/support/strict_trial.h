/* strict_trial.h - random programs over real numbers whose results are compared bit for bit between two ways to
 * compile. */
#ifndef TEST_STRICT_TRIAL_H
#define TEST_STRICT_TRIAL_H

#include "gen.h"

/* A program of any generator, its floating inputs and constants filled with real numbers, among them zeros of both
 * signs. False: no program came of this seed. */
bool strict_program_make(gen_program *out, uint64_t seed, int size);
/* Programs that the generators make rarely; `which` below strict_rare_count(). */
bool strict_program_rare(gen_program *out, int which, uint64_t seed);
int strict_rare_count(void);

/* One way to compile and run it. */
typedef struct strict_way {
    einjit_context *context;
    int32_t flags;
    const char *path;
    uint64_t layout; /* 0: inputs as they lie in the program, results row-major; else other strides, by this seed */
} strict_way;
typedef struct strict_result {
    int status; /* of the compile or the run */
    size_t n_out;
    gen_tensor *out;
    einjit_error err;
} strict_result;
void strict_run(strict_result *out, const gen_program *p, const ej_graph *graph, const strict_way *way);
void strict_result_free(strict_result *r);
/* Same status and same bits; every NaN is the same as every other. `why` says what differs. */
bool strict_same(const strict_result *a, const strict_result *b, char *why, size_t n_why);

#endif
