/* kernel_phase.h - one run by several threads. */
#ifndef EJ_KERNEL_PHASE_H
#define EJ_KERNEL_PHASE_H

#include "kernel.h"
#include "kernel_workers.h"

typedef struct ej_phase_run {
    const einjit_kernel *kernel;
    void *const *data;
    const int64_t *sizes;
    char *scratch, *locals; /* the plan's part; ej_phases_width parts of local_bytes each, for what runs at a time */
    int64_t local_bytes;
    /* Pieces from .. to-1 of a phase, with the locals of that number. */
    int (*pieces)(const struct ej_phase_run *run, const ej_phase *phase, int32_t place, int64_t from, int64_t to,
                  einjit_error *err);
} ej_phase_run;

/* How many threads work at a time where most do, and so have to have locals; 1: no phase has work for two. */
int32_t ej_phases_width(const einjit_kernel *kernel, const int64_t *sizes, const struct ej_workers *workers);
int ej_phases_run(const ej_phase_run *run, struct ej_workers *workers, einjit_error *err);

#endif
