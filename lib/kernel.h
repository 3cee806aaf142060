/* kernel.h - what a compiled plan is: immutable, reference-counted, callable from any thread. And the context. */
#ifndef EJ_KERNEL_H
#define EJ_KERNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend.h"
#include "base_env.h"

struct einjit_kernel {
    atomic_int refs;
    einjit_context *context;  /* held */
    ej_arena arena;           /* everything below */
    ej_sizes sizes;
    size_t n_in, n_out;
    ej_bound_tensor *in, *out;
    const char **in_names;
    size_t n_index_checks;
    ej_index_check *index_checks;
    size_t n_status_checks;
    ej_status_check *status_checks; /* buffer's offset is in .. */
    ej_size *status_offsets;        /* .. the scratch block, bytes */
    ej_size scratch_bytes;
    ej_image image;           /* llvm */
    einjit_entry entry;       /* llvm; NULL for the interpreter */
    ej_nests *nests;          /* interp: in the arena, with plan->constants */
    const ej_constant *constants;
    size_t bytes;             /* for the cache's limit */
    uint64_t compile_ns;
};

struct ej_cache;
struct einjit_context {
    atomic_int refs;
    einjit_allocator allocator;
    void (*log)(void *user, const char *line);
    void *log_user;
    ej_arena arena;           /* copies of option texts; written only by create */
    const char *module_path, *dump_dir;
    bool use_interp, verify, no_optimize, verbose;
    uint32_t dump;
    int32_t threads;
    const ej_target *target;
    struct ej_cache *cache;
    pthread_mutex_t load_lock; /* guards backend and backend_handle while the module is loaded */
    _Atomic(const ej_backend *) backend;
    void *backend_handle;
};

struct einjit_graph {
    einjit_context *context;   /* held */
    ej_graph graph;
    atomic_bool frozen;
    pthread_mutex_t freeze_lock;
    ej_hash content;           /* of the printed program and constants; valid once frozen */
    uint64_t id;               /* unique in the context's life; keys of einjit_call */
};

void ej_context_retain(einjit_context *context);
/* The module's backend, loaded on first use: E_BACKEND says where it was looked for. (backend_load.c) */
int ej_backend_load(einjit_context *context, const ej_backend **out, einjit_error *err);

/* compile.c: THE pipeline. Not cached; *out has one reference. */
typedef struct ej_request {
    einjit_graph *graph;
    size_t n_in, n_out;
    const einjit_tensor *in, *out;
    const char *open, *path;
    int32_t flags;
} ej_request;
int ej_compile(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);

/* kernel.c */
int ej_kernel_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, const int64_t *sizes,
                  einjit_error *err); /* after the checks of einjit_run */

/* cache_memory.c: signature -> kernel. A key is words; its owner is the caller, who keeps it for the call. */
typedef struct ej_key {
    const uint64_t *words;
    size_t n;
} ej_key;
typedef int (*ej_make_kernel)(einjit_kernel **out, void *user, einjit_error *err);
int ej_cache_create(struct ej_cache **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err);
void ej_cache_destroy(struct ej_cache *cache);
void ej_cache_clear(struct ej_cache *cache);
/* The kernel of the key with one more reference: found without a lock, or made once by `make` however many threads ask.
 * A failure is remembered, with its text, and given again. E_NOMEM, E_INTERRUPTED and E_BACKEND are not remembered. */
int ej_cache_get(struct ej_cache *cache, ej_key key, ej_make_kernel make, void *user, einjit_kernel **out,
                 einjit_error *err);
void ej_cache_statistics(const struct ej_cache *cache, einjit_statistics *out);

#endif
