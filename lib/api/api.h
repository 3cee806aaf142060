/* api.h - what the api_*.c files share. */
#ifndef EJ_API_H
#define EJ_API_H

#include "kernel.h"

/* The caller's compile options (NULL: none), of whichever version of the header, into a request. */
int ej_request_options(ej_request *request, const einjit_compile_options *options, einjit_error *err);

/* Passes may run on it: it is not frozen, and no call on it failed. (api_graph.c) */
int ej_optimize_check(const einjit_graph *graph, einjit_error *err);
/* What passes are handed when the caller runs them. (api_graph.c) */
ej_job ej_optimize_job(const einjit_graph *graph, ej_arena *arena, einjit_error *err);

#endif
