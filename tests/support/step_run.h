/* step_run.h - runs the steps of a plan as plan.h says what they mean: loops over all axes, one element at a time.
 *
 * Knows nothing of nests, so that a wrong result here is the plan's fault.
 */
#ifndef STEP_RUN_H
#define STEP_RUN_H

#include "plan.h"

typedef struct step_run {
    ej_arena arena;
    unsigned char *scratch;
    int64_t *atoms; /* values of the sizes' atoms */
} step_run;

/* data: addresses of element [0, 0, ...] of inputs, then outputs. symbols: values of the open extents, NULL: as
 * observed. Returns false where memory ran out or sizes overflow. step_run_free in any case. */
bool step_run_plan(step_run *run, const ej_plan *plan, void *const *data, const int64_t *symbols);
void step_run_free(step_run *run);
/* Smallest and largest index of a status check; true when all were in range. */
bool step_run_status(const step_run *run, const ej_plan *plan, size_t check, int64_t range[2]);

#endif
