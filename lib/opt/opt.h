/* opt.h - the passes: graph to graph, shape-free. A pass is one row in opt.c and one file opt_<name>.c.
 *
 * A pass allocates what it needs for itself in job->arena and what stays in the graph's arena, says how much it changed,
 * and never looks at extents. Every rewrite is exact on the reals.
 */
#ifndef EJ_OPT_H
#define EJ_OPT_H

#include "graph.h"
#include "job.h"

int ej_opt_dce(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_cse(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_fuse(ej_graph *graph, ej_job *job, size_t *n_changed);

/* What is known of a value's dtype before the inputs are seen (opt_dtype.c). */
enum { EJ_DTYPE_UNKNOWN = -1, EJ_DTYPE_INEXACT = -2 }; /* INEXACT: floating or complex, but not which */
typedef struct ej_known_dtype {
    int16_t dtype;  /* EINJIT_*, or one of the above; of a weak value: its default */
    bool weak;      /* computed from literals alone: takes the dtype of what it meets */
    uint8_t kind;   /* weak: EJ_KIND_* */
} ej_known_dtype;
/* One per node; NULL: out of memory. */
ej_known_dtype *ej_opt_dtypes(const ej_graph *graph, ej_arena *arena);
/* Floating or complex for sure. */
bool ej_known_inexact(ej_known_dtype known);
/* What n operands promote to; *strong (may be NULL): the same of those that are not weak, weak when there are none. */
ej_known_dtype ej_known_promote(const ej_known_dtype *values, uint32_t n, const ej_value *in, ej_known_dtype *strong);

#endif
