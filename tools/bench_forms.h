/* bench_forms.h - graphs of n einsums, by form. */
#ifndef TOOL_BENCH_FORMS_H
#define TOOL_BENCH_FORMS_H

#include <stdlib.h>

#include "tool.h"

/* Appends a form's nodes to an empty graph; the first error of a builder sticks and comes back. All inputs are f32, of
 * rank 0 to 2, and all extents are the symbol i. */
typedef struct bench_form {
    const char *name;
    int (*build)(einjit_graph *graph, int64_t n, einjit_error *err);
} bench_form;
extern const bench_form bench_forms[];
extern const int bench_n_forms;

#endif
