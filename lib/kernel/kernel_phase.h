/* kernel_phase.h - one run by several threads. */
#ifndef EJ_KERNEL_PHASE_H
#define EJ_KERNEL_PHASE_H

#include "kernel.h"
#include "kernel_workers.h"

typedef struct ej_phase_run {
    const einjit_kernel *kernel;
    void *const *data;
    const int64_t *sizes;
    char *scratch, *locals; /* the plan's part; of thread t's part the address is locals + t * local_bytes */
    int64_t local_bytes;
    /* Pieces from .. to-1 of a phase, on the thread with that number. */
    int (*pieces)(const struct ej_phase_run *run, const ej_phase *phase, int32_t worker, int64_t from, int64_t to,
                  einjit_error *err);
} ej_phase_run;

/* Some phase has work for two. */
bool ej_phases_pay(const einjit_kernel *kernel, const int64_t *sizes, const struct ej_workers *workers);
int ej_phases_run(const ej_phase_run *run, struct ej_workers *workers, einjit_error *err);

#endif
