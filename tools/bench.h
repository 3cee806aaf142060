/* bench.h - one case of einjit-bench: what is asked, what was measured. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include "tool.h"

typedef struct bench_case {
    const char *name, *program; /* program: file, text or equation */
    const char *group;          /* NULL: none */
    tool_sizes sizes;
    int dtype;
    double flop; /* given by the case, or 0 */
} bench_case;

typedef struct bench_options {
    int64_t threads;
    double min_time;    /* seconds of samples a case */
    double alpha, beta; /* outputs become alpha * result + beta * what they held; alpha 0 = 1 */
    char *open, *constants, *vs;
    const char *backend, *target, *strategy;
    bool no_opt, strict, measure, isolate, cold, json, model, cache;
    const char *folder; /* of the cache on disk; NULL: none */
} bench_options;

enum { BENCH_MAX_PEERS = 10, BENCH_MAX_CANDIDATES = 32 };
typedef struct bench_time {
    double median_us, min_us, low_us, high_us; /* low, high: quartiles */
    int samples;
} bench_time;
/* One of the ways to run a case. */
typedef struct bench_candidate {
    char *name;
    bench_time time;
    double cycles; /* as the cost model predicts */
    double error;  /* against the kernel, by the largest value */
} bench_candidate;
typedef struct bench_result {
    bench_time time;
    int64_t threads; /* that the kernel may use */
    struct {
        const char *name;
        bench_time time;
        double error; /* against the kernel, by the largest value */
    } peers[BENCH_MAX_PEERS];
    int n_peers;
    bench_candidate candidates[BENCH_MAX_CANDIDATES];
    int n_candidates; /* 0 without --model */
    char *recipe;     /* that the rules take, and its cycles; NULL without --model */
    double cycles;
    double move_us, fma_gflops; /* reading all inputs and writing all outputs, what is gathered as often as that says;
                                   0: no rate for this dtype */
    double bound_us, share;     /* share: bound_us by the median */
    double compile_ms, disk_us, lookup_ns, memory_ns, call_ns, pair_ns, here_us, isolate_us, max_err, tolerance, gflops,
        gbytes_per_s;
    int64_t checked;
    bool ok;
    const char *reference; /* what it was checked against */
    char *plan;            /* text, a step a line */
} bench_result;

/* bench_file.c: one item of a file of cases. */
struct json_t;
/* what it is called, before anything of it can be wrong; borrowed */
bench_case bench_case_name(const struct json_t *item);
int bench_case_read(bench_case *out, const struct json_t *item);    /* TOOL_OK, or the exit code after a message */
char *bench_case_program(const bench_case *one, const char *cases); /* freed with free() */

/* A line for somebody who watches: the case, and what happens to it. */
void bench_progress(const char *what);

/* Everything of one case while it is run. */
typedef struct bench {
    const bench_case *one;
    const bench_options *options;
    einjit_context *context, *interp, *plainest;
    char *strategy;
    tool_program program;
    tool_tensor *in, *out;
    size_t n_in, n_out;
    einjit_tensor *in_views, *out_views;
    einjit_kernel *kernel, *interpreted;
    einjit_entry entry;
    bool shared;          /* threads share its runs, which the entry knows nothing of */
    void **data, **fresh; /* fresh: cold outputs, one an output */
    int64_t *sizes;
    void *scratch;
    struct bench_block *blocks; /* for the bound: the first n_read are read, then come outputs */
    size_t n_read;
    int vector_bits;
    double fma_operations; /* of one call of the loop of multiply-adds */
} bench;

/* Compile, check and time one case. TOOL_OK (result->ok says whether it was right), or the exit code after a message;
 * TOOL_FAILED without one when interrupted. */
int bench_run(bench_result *result, const bench_case *one, const bench_options *options);
int32_t bench_flags(const bench_options *options); /* EINJIT_OPTION_* */
int bench_context(einjit_context **out, const bench_options *options, const char *backend, const char *target);
einjit_compile_options bench_compile_options(const bench *b);
bool bench_scales(const bench_options *options); /* alpha or beta is asked for */
int bench_compile(bench *b, einjit_context *context, const einjit_compile_options *options, einjit_kernel **out);
int bench_warm_up(einjit_context *context); /* its code generator is loaded, or its process runs */
/* What the memory does not have. */
int bench_compile_anew(bench *b, einjit_context *context, double *us);
int bench_scratch(void **out, const bench *b, const einjit_kernel *kernel); /* zeroed, to be freed */
int bench_check(bench *b, bench_result *r);                                 /* bench_check.c */
int bench_time_disk(bench *b, bench_result *r);                             /* bench_disk.c */
int bench_time_pair(bench *b, bench_result *r);                             /* bench_pair.c */
/* bench_isolate.c; not of the interpreter */
int bench_time_isolate(bench *b, bench_result *r);
double bench_difference(const tool_tensor *out, const void *other); /* largest, by the largest of `out` */
int bench_time_case(bench *b, bench_result *r);                     /* bench_time.c */
void bench_call_kernel(void *b); /* a bench: its bare entry, where it has one and threads do not share */
void bench_call_cached(void *b); /* a bench: einjit_einsum or einjit_call, which find the kernel in the cache */
void bench_call_alone(void *b);  /* a bench: on one thread */

#endif
