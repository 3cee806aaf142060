/* context.c - contexts while they live: references, what a forked child has to renew, the log.
 *
 * Takes  contexts that einjit_context_create has made (api_context.c), complete or not.
 * Gives  their caches and pools. The last reference frees all of it.
 */
#include "context.h"

#include <stdarg.h>
#include <stdio.h>

#include "kernel_cache.h"
#include "kernel_isolate.h"
#include "kernel_pool.h"
#include "kernel_workers.h"

void ej_context_log(const einjit_context *context, const char *format, ...)
{
    char line[4096];
    if (!context->log) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    context->log(context->log_user, line);
}

/* For the report of a search by halving: how many there are. */
static void tell_unlimited(einjit_context *context)
{
    int64_t done = atomic_load_explicit(&context->rule_limit.done, memory_order_relaxed);
    if (done < context->rule_limit.most)
        ej_context_log(context, "einjit: EINJIT_RULE_LIMIT was not reached, there were %lld rewrites", (long long)done);
}

static void free_context(einjit_context *context)
{
    einjit_allocator allocator = context->allocator;
    tell_unlimited(context);
    if (context->cache) ej_context_enter(context);
    ej_cache_destroy(context->cache);
    ej_perf_end(context);
    ej_isolate_destroy(context->isolate);
    ej_workers_destroy(context->workers);
    ej_pool_destroy(context->pool);
    pthread_mutex_destroy(&context->load_lock);
    pthread_mutex_destroy(&context->freeze_lock);
    ej_fork_mark_free(&context->fork_mark);
    ej_arena_free(&context->arena);
    ej_release(&allocator, context, sizeof *context);
}

void ej_context_retain(einjit_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
}

void ej_context_drop(einjit_context *context)
{
    if (atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) == 1) free_context(context);
}

void ej_context_enter(einjit_context *context)
{
    if (!ej_fork_mark_is_new(&context->fork_mark)) return;
    pthread_mutex_init(&context->freeze_lock, NULL);
    pthread_mutex_init(&context->load_lock, NULL);
    ej_cache_recover(context->cache);
    ej_pool_recover(context->pool);
    ej_workers_recover(context->workers);
    ej_isolate_recover(context->isolate);
    ej_fork_mark_done(&context->fork_mark);
}

struct ej_cache *ej_context_cache(einjit_context *context)
{
    ej_context_enter(context);
    return context->cache;
}

struct ej_pool *ej_context_pool(einjit_context *context)
{
    ej_context_enter(context);
    return context->pool;
}
