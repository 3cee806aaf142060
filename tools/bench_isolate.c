/* bench_isolate.c - a case's compile by this process and by one that is isolated, in turns. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ROUNDS = 25, LEAST = 5 };
static const double most_seconds = 2;

/* One that generates code already: what its start takes is not asked here. EINJIT_ISOLATE would be of both. */
static int open_context(einjit_context **out, const bench *b, bool isolate)
{
    bench_options options = *b->options;
    const char *variable = getenv("EINJIT_ISOLATE");
    char *kept = variable ? tool_copy(variable) : NULL;
    options.isolate = isolate;
    options.folder = NULL;
    unsetenv("EINJIT_ISOLATE");
    int status = bench_context(out, &options, options.backend, options.target);
    if (kept) setenv("EINJIT_ISOLATE", kept, 1);
    free(kept);
    return status ? status : bench_warm_up(*out);
}

/* The second of two, which finds its own code and data in the near caches, as the first in turns does not. */
static int compile_again(bench *b, einjit_context *context, double *us)
{
    int status = bench_compile_anew(b, context, us);
    return status ? status : bench_compile_anew(b, context, us);
}

static int take_turns(bench *b, bench_result *r, einjit_context *const contexts[2])
{
    double here[ROUNDS], more[ROUNDS], end = tool_seconds() + most_seconds;
    int n = 0;
    for (; n < ROUNDS && (n < LEAST || tool_seconds() < end); n++) {
        double us[2];
        for (int i = 0; i < 2; i++) {
            int isolated = (i + n) % 2;
            int status = compile_again(b, contexts[isolated], &us[isolated]);
            if (status) return status;
        }
        here[n] = us[0];
        more[n] = us[1] - us[0];
    }
    qsort(here, (size_t)n, sizeof *here, tool_compare);
    qsort(more, (size_t)n, sizeof *more, tool_compare);
    r->here_us = here[n / 2];
    r->isolate_us = more[n / 2];
    return TOOL_OK;
}

int bench_time_isolate(bench *b, bench_result *r)
{
    einjit_context *contexts[2] = {NULL, NULL};
    if (b->options->backend && !strcmp(b->options->backend, "interp")) return TOOL_OK;
    int status = open_context(&contexts[0], b, false);
    if (!status) status = open_context(&contexts[1], b, true);
    if (!status) status = take_turns(b, r, contexts);
    for (int i = 0; i < 2; i++) einjit_context_release(contexts[i]);
    return status;
}
