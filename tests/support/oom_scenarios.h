/* oom_scenarios.h - what a program does with the library, in pieces short enough to repeat for every allocation. */
#ifndef EINJIT_OOM_SCENARIOS_H
#define EINJIT_OOM_SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "einjit/einjit.h"

typedef struct scene {
    einjit_context *context;
    einjit_graph *graph; /* made before memory gets short; NULL where the scenario makes its own */
    einjit_error *err;
    const char *path; /* of the scenario */
    int32_t flags;    /* of the scenario */
} scene;

typedef struct scenario {
    const char *name;
    int (*run)(scene *s);
    const char *program;            /* of scene.graph */
    bool no_interp, no_llvm, quick; /* quick: makes no kernel, one backend is enough */
    bool may_do_without;            /* there is an allocation that only saves work later */
    size_t cache_bytes;
    int32_t threads;  /* of a host, which runs one share after the other; 0: one. Without memory for them one does it
                       * all */
    const char *path; /* random choices: small loops are shared, too */
    int32_t flags;    /* EINJIT_OPTION_* */
} scenario;

extern const scenario scenarios[];
extern const size_t n_scenarios;

/* Within a memory limit (oom_slices.c). */
extern const char scenario_ring[];
int scenario_slices(scene *s);
int scenario_slices_plan(scene *s);

/* Writes the long program of one of them; called once, before any of them runs. */
void scenarios_prepare(void);

/* What a call that fails must leave as it was. */
#define UNTOUCHED(type) ((type *)(uintptr_t)0x1)

#define TRY(call) \
    do { \
        int status_ = (call); \
        if (status_ != EINJIT_OK) return status_; \
    } while (0)

#endif
