/* api.h - what the api_*.c files share. */
#ifndef EJ_API_H
#define EJ_API_H

#include "pipeline.h"

/* Reads a struct of the caller's, of whichever version of the header, into `known` bytes. It starts with struct_bytes.
 * Fields that the caller's header does not have become 0; those that this library does not know must be 0. E_INVALID
 * says `what`. */
int ej_read_struct(void *out, size_t known, const void *given, const char *what, einjit_error *err);
/* The way back: `known` bytes into a struct of the caller's, as far as that reaches; fields that only the caller's
 * header has become 0, and its struct_bytes stays. E_INVALID says `what`; then nothing is written. */
int ej_write_struct(void *out, const void *made, size_t known, const char *what, einjit_error *err);
int ej_check_flags(int32_t flags, int32_t known, const char *what, einjit_error *err); /* E_INVALID for unknown ones */

/* The caller's compile options (NULL: none), of whichever version of the header, into a request. */
int ej_request_options(ej_request *request, const einjit_compile_options *options, einjit_error *err);

/* Passes may run on it: it is not frozen, and no call on it failed. (api_graph.c) */
int ej_optimize_check(const einjit_graph *graph, einjit_error *err);
/* What passes are handed when the caller runs them. (api_graph.c) */
ej_job ej_optimize_job(const einjit_graph *graph, ej_arena *arena, einjit_error *err);

#endif
