/* context.h - contexts, the graphs that belong to them, and the code generator that they load. */
#ifndef EJ_CONTEXT_H
#define EJ_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend.h"
#include "base_env.h"
#include "base_fork.h"

struct ej_cache;
struct ej_disk;
struct ej_isolate;
struct ej_pool;
struct ej_workers;
struct einjit_context {
    atomic_int refs;
    einjit_allocator allocator;
    void (*log)(void *user, const char *line);
    void *log_user;
    int (*progress)(void *user, const char *stage, double done);
    void *progress_user;
    ej_arena arena; /* copies of option texts; written only by create */
    const char *module_path, *dump_dir, *recipe, *perf;
    void *perf_mark;         /* a page of the jitdump file; under load_lock */
    atomic_bool perf_warned; /* it could not be written, and that was said */
    atomic_bool dump_warned; /* a dump could not be written, and that was said */
    bool use_interp;
    bool may_interpret; /* where code cannot be generated or mapped */
    bool verify, no_optimize, strict, measure, verbose;
    uint32_t dump;
    ej_rule_limit rule_limit; /* EINJIT_RULE_LIMIT */
    int32_t threads; /* that may run at a time: what was asked for, and not more than the CPUs that are allowed */
    const ej_target *target;
    struct ej_cache *cache;
    struct ej_disk *disk;        /* in the arena */
    struct ej_isolate *isolate;  /* processes that generate code; NULL: this one does. In the arena */
    struct ej_pool *pool;        /* scratch blocks of runs */
    struct ej_workers *workers;  /* that share runs; NULL: nobody does */
    pthread_mutex_t freeze_lock; /* of all its graphs */
    pthread_mutex_t load_lock;   /* guards backend and backend_handle while the module is loaded */
    ej_fork_mark fork_mark;
    _Atomic(const ej_backend *) backend;
    void *backend_handle;
    bool module_warned;           /* under load_lock */
    atomic_bool interpret_warned; /* that was said */
};

struct einjit_graph {
    einjit_context *context; /* held */
    ej_graph graph;
    atomic_bool frozen; /* written under the context's freeze_lock */
    /* Valid once frozen: */
    ej_hash content;         /* of the program without names, and its constants */
    uint64_t names;          /* of what it calls its values, extents and labels */
    int32_t *symbol_numbers; /* per symbol: what number it has in a program without names, .. */
    int32_t *symbol_ids;     /* .. and back */
};

/* ---- context.c ---- */
void ej_context_retain(einjit_context *context);
void ej_context_drop(einjit_context *context); /* the last one frees it, and what it owns */
/* To be called before any lock of the context, its cache or its pool is taken: in a forked child, where threads that
 * held them are no more, the first call makes them usable again. */
void ej_context_enter(einjit_context *context);
static inline ej_rule_limit *ej_rule_limit_of(einjit_context *context)
{
    return context->rule_limit.most < 0 ? NULL : &context->rule_limit;
}
/* Its cache and its pool, after ej_context_enter. */
struct ej_cache *ej_context_cache(einjit_context *context);
struct ej_pool *ej_context_pool(einjit_context *context);
/* One line to the log, if there is one. */
void ej_context_log(const einjit_context *context, const char *format, ...) EJ_PRINTF(2, 3);

/* ---- kernel_backend.c ---- */
/* The backend's compile: in this process, by the module, or in another one. */
int ej_backend_generate(einjit_context *context, ej_code *out, const ej_nests *nests, ej_job *job);
/* The module's backend, loaded on first use: E_BACKEND says where it was looked for. */
int ej_backend_load(einjit_context *context, const ej_backend **out, einjit_error *err);
/* The file that would be loaded. False: there is none. One that is linked in is this library's own file. */
enum { EJ_PATH_ROOM = 4096 }; /* Linux's PATH_MAX */
bool ej_backend_locate(const einjit_context *context, char path[EJ_PATH_ROOM]);
/* The same; E_BACKEND says where it was looked for. */
int ej_backend_find(const einjit_context *context, char path[EJ_PATH_ROOM], einjit_error *err);
/* Around whatever runs in it. False: not in this process, which was forked while another thread was starting it. */
bool ej_backend_enter(void);
void ej_backend_leave(void);

/* ---- kernel_trust.c ---- */
/* E_BACKEND: others could have written the module, and this process is privileged. *path may become `room`. */
int ej_module_check(einjit_context *context, const char **path, char room[EJ_PATH_ROOM], einjit_error *err);

#endif
