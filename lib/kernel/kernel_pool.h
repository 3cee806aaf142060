/* kernel_pool.h - blocks of scratch memory that runs share; no lock while few threads run at a time. */
#ifndef EJ_KERNEL_POOL_H
#define EJ_KERNEL_POOL_H

#include "base_memory.h"
#include "base_diag.h"

struct ej_pool;
int ej_pool_create(struct ej_pool **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err);
void ej_pool_destroy(struct ej_pool *pool);
void ej_pool_trim(struct ej_pool *pool);                                     /* gives back what no run uses */
void ej_pool_statistics(const struct ej_pool *pool, einjit_statistics *out); /* its fields; the others stay */
void ej_pool_recover(struct ej_pool *pool);                                  /* in a forked child */
void *ej_pool_take(struct ej_pool *pool, size_t bytes); /* aligned to 64, contents undefined; NULL: out of memory */
void ej_pool_give(struct ej_pool *pool, void *block);   /* NULL is fine */

#endif
