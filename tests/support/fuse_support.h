/* fuse_support.h - programs in, programs out: what the fuse pass makes of a text, and that it computes the same. */
#ifndef FUSE_SUPPORT_H
#define FUSE_SUPPORT_H

#include "graph.h"
#include "job.h"

typedef struct fuse_case {
    ej_graph before, after; /* as written, and with "fuse" run once */
    ej_arena arena;
    ej_job job;
    einjit_error err;
    size_t n_changed;
    const char *text;       /* of what is behind the parameters, lines joined by "; " */
} fuse_case;

/* The program "def f(<params>):" and `body`, its lines separated by "; ". A second run of the pass changes nothing. */
void fuse_open(fuse_case *c, const char *params, const char *body);
void fuse_close(fuse_case *c);
/* On inputs like "f64[2,3] i64[4]", small whole numbers: both programs have equal results, and the interpreter gives them. */
void fuse_check(fuse_case *c, const char *inputs);
/* Open, compare the text, check, close. `fused` NULL: nothing changes. */
void expect_fused(const char *params, const char *body, const char *fused, const char *inputs);

#endif
