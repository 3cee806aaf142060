/* kernel_isolate.h - code generated in other processes: those of one context. */
#ifndef EJ_KERNEL_ISOLATE_H
#define EJ_KERNEL_ISOLATE_H

#include "context.h"

struct ej_isolate;
enum { EJ_ISOLATE_LIMIT_MS = 60000 }; /* where nobody says how long a process may be silent */

/* Starts nothing. Copies what of the environment the processes get. */
int ej_isolate_create(struct ej_isolate **out, einjit_context *context, uint64_t limit_ms, einjit_error *err);
void ej_isolate_destroy(struct ej_isolate *isolate); /* ends the processes; NULL is fine */
void ej_isolate_recover(struct ej_isolate *isolate); /* in a forked process: they are the parent's */
/* As the backend's compile, in another process; thread-safe. E_BACKEND: it could not be started, ended, or gave no
 * sign of life; the next call has a new one. */
int ej_isolate_compile(struct ej_isolate *isolate, ej_code *out, const ej_nests *nests, ej_job *job);
/* The code generator of the last process that said hello: text as ej_id_print_generator has it. False: none has. */
bool ej_isolate_generator(struct ej_isolate *isolate, ej_text *out);
/* How many processes there are; waits for those that have ended. NULL: none. */
size_t ej_isolate_count(struct ej_isolate *isolate);

#endif
