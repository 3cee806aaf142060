/* bench_reference.h - results by another way, in double, for a sample of the output's elements. */
#ifndef TOOL_BENCH_REFERENCE_H
#define TOOL_BENCH_REFERENCE_H

#include "tool.h"

typedef struct reference_report {
    double max_err;   /* max |x - ref| / max |ref| over the sampled elements */
    double tolerance; /* what rounding explains */
    int64_t sampled;
} reference_report;

/* Contract the network with the output's labels fixed, pairwise in the written order, in double, for as many elements
 * of `out` as `seconds` allow (at least one). TOOL_FAILED, without a message, for equations with
 * an ellipsis, and where one element alone takes too long. */
int reference_check(reference_report *report, const char *equation, const tool_tensor *in, size_t n_in,
                    const tool_tensor *out, double seconds);
/* The whole output by plain loops over all labels, nothing reordered: what "unoptimized" means in C. */
int reference_plain(const char *equation, const tool_tensor *in, size_t n_in, tool_tensor *out);

#endif
