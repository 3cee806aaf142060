/* kernel_workers.h - the threads of a context, which share the work of one run at a time. */
#ifndef EJ_KERNEL_WORKERS_H
#define EJ_KERNEL_WORKERS_H

#include "base_diag.h"
#include "base_memory.h"

struct ej_workers;
enum { EJ_MOST_THREADS = 1024, EJ_SHARES_EACH = 4, EJ_SHARES = EJ_SHARES_EACH * EJ_MOST_THREADS };

/* One share of the work. `worker`: which of the threads does it, from 0 (the caller) on: none does two at a time. */
typedef void (*ej_share_fn)(void *user, int32_t worker, int64_t share);

/* `threads`: with the caller. `parallel` (NULL: threads of its own, made when they are first needed) is copied. 1
 * thread: *out is NULL, which all calls below take. */
int ej_workers_create(struct ej_workers **out, const einjit_allocator *allocator, int32_t threads,
                      const einjit_parallel *parallel, einjit_error *err);
void ej_workers_destroy(struct ej_workers *w);        /* none of them is at work */
void ej_workers_recover(struct ej_workers *w);        /* in a forked child: the threads are no more */
int32_t ej_workers_count(const struct ej_workers *w); /* threads that work at a time, with the caller */
/* Into how many shares for each of them work goes at most, so that who comes late leaves more to the others. */
int32_t ej_workers_shares_each(const struct ej_workers *w);

/* The caller, and nobody else, has them until it gives them back. False: another run has. */
bool ej_workers_take(struct ej_workers *w);
void ej_workers_give(struct ej_workers *w);
/* share(user, worker, i) once for each i in 0 .. n-1 (n <= EJ_SHARES), in any order; returns when all are done. */
void ej_workers_run(struct ej_workers *w, int64_t n, ej_share_fn share, void *user);

#endif
