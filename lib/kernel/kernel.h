/* kernel.h - what a compiled plan is: immutable, reference-counted, callable from any thread. And the context. */
#ifndef EJ_KERNEL_H
#define EJ_KERNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend.h"
#include "base_env.h"
#include "base_fork.h"

enum { EJ_OPEN_MAX = 64 }; /* open extents of one signature; more are refused with E_LIMIT */

/* Bytes that a tensor touches, relative to its data: [lo, hi), empty where it has no elements. */
typedef struct ej_span {
    int64_t lo, hi;
} ej_span;

/* A name that the kernel speaks of, and which of the program's it is: another program of the same kernel has its own. */
typedef struct ej_known_name {
    const char *text;
    int32_t number;  /* of the value, or of the symbol in order of first appearance */
    bool symbol;
} ej_known_name;

/* References. The cache's own reference is bare. A reference that a user holds also holds the context, so that kernels
 * in the cache do not keep their context alive: einjit_kernel_retain and _release move both counts, ej_kernel_drop only
 * the kernel's. */
enum { EJ_READ_FOR_EVER = INT32_MAX - 1 };

struct einjit_kernel {
    atomic_int refs;          /* first: renaming copies everything behind it */
    einjit_context *context;
    ej_arena arena;           /* everything below */
    ej_sizes sizes;
    size_t n_in, n_out;
    ej_bound_tensor *in, *out;
    ej_span *spans;           /* inputs, then outputs; without open extents only, else NULL */
    const char **in_names;
    int32_t *last_read, *first_write; /* of inputs, of outputs: as in ej_plan; EJ_READ_FOR_EVER: of inputs that are constant */
    size_t n_not_empty;
    ej_bound_extent *not_empty; /* open extents that must not be 0 */
    size_t n_closed;
    ej_closed_extent *closed;   /* what was to stay open and could not */
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
    ej_graph *graph;          /* interp: the optimized graph, whose names and constants the nests borrow */
    size_t bytes;             /* for the cache's limit */
    uint64_t compile_ns;
    uint64_t names;           /* whose they are: einjit_graph.names of the program that was compiled */
    size_t n_known_names;
    ej_known_name *known_names; /* sorted: values, then symbols, by text (kernel_names.c) */
    einjit_kernel *base;      /* this is that one under other names, and holds it; NULL: it is itself */
    const char *problem;      /* for people and the cache on disk (cache_problem.c); NULL: nobody asked */
};

struct ej_cache;
struct ej_disk;
struct ej_pool;
struct einjit_context {
    atomic_int refs;
    einjit_allocator allocator;
    void (*log)(void *user, const char *line);
    void *log_user;
    int (*progress)(void *user, const char *stage, double done);
    void *progress_user;
    ej_arena arena;           /* copies of option texts; written only by create */
    const char *module_path, *dump_dir, *recipe;
    atomic_bool dump_warned;  /* a dump could not be written, and that was said */
    bool use_interp;
    bool may_interpret;       /* where code cannot be generated or mapped */
    bool verify, no_optimize, strict, verbose;
    uint32_t dump;
    ej_rule_limit rule_limit;  /* EINJIT_RULE_LIMIT */
    int32_t threads;
    const ej_target *target;
    struct ej_cache *cache;
    struct ej_disk *disk;      /* in the arena */
    struct ej_pool *pool;      /* scratch blocks of runs */
    pthread_mutex_t freeze_lock; /* of all its graphs */
    pthread_mutex_t load_lock; /* guards backend and backend_handle while the module is loaded */
    ej_fork_mark fork_mark;
    _Atomic(const ej_backend *) backend;
    void *backend_handle;
    bool module_warned;        /* under load_lock */
    atomic_bool interpret_warned; /* that was said */
};

struct einjit_graph {
    einjit_context *context;   /* held */
    ej_graph graph;
    atomic_bool frozen;        /* written under the context's freeze_lock */
    /* Valid once frozen: */
    ej_hash content;           /* of the program without names, and its constants */
    uint64_t names;            /* of what it calls its values, extents and labels */
    int32_t *symbol_numbers;   /* per symbol: what number it has in a program without names, .. */
    int32_t *symbol_ids;       /* .. and back */
};

/* ---- api_context.c, kernel_backend.c ---- */
void ej_context_retain(einjit_context *context);
/* To be called before any lock of the context, its cache or its pool is taken: in a forked child, where threads that held
 * them are no more, the first call makes them usable again. */
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
/* The module's backend, loaded on first use: E_BACKEND says where it was looked for. (kernel_backend.c) */
int ej_backend_load(einjit_context *context, const ej_backend **out, einjit_error *err);
int ej_backend_compile(const ej_backend *backend, ej_code *out, const ej_nests *nests, ej_job *job);
/* The file that would be loaded. False: there is none. One that is linked in is this library's own file. */
enum { EJ_PATH_ROOM = 4096 }; /* Linux's PATH_MAX */
bool ej_backend_locate(const einjit_context *context, char path[EJ_PATH_ROOM]);
/* Around whatever runs in it. False: not in this process, which was forked while another thread was starting it. */
bool ej_backend_enter(void);
void ej_backend_leave(void);

/* ---- kernel_trust.c ---- */
/* E_BACKEND: others could have written the module, and this process is privileged. *path may become `room`. */
int ej_module_check(einjit_context *context, const char **path, char room[EJ_PATH_ROOM], einjit_error *err);

/* ---- compile.c: THE pipeline. Not cached; *out has one bare reference. ---- */
typedef struct ej_request {
    einjit_graph *graph;
    size_t n_in, n_out;
    const einjit_tensor *in, *out;
    const char *open, *path;
    int32_t flags;
    const char *constants;  /* names of inputs that hold what they will hold in every run; NULL: none */
    ej_hash constants_hash; /* of what they hold, once ej_request_check has read it */
    double alpha, beta;     /* alpha 0: results as they are */
} ej_request;
/* Outputs do not simply become the results. */
static inline bool ej_request_scales(const ej_request *r)
{
    return r->alpha != 0 || r->beta != 0;
}
/* For a job: the context's hook. NULL: it has none, or no memory, which the job meets next. (compile.c) */
ej_progress *ej_progress_new(const einjit_context *context, ej_arena *arena);
int ej_compile(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);
/* The text of one stage, appended to *out; stops after that stage. */
int ej_compile_explain(ej_text *out, einjit_context *context, const ej_request *request, int stage, einjit_error *err);
/* Stops after the nests. */
int ej_compile_cost(einjit_cost *out, einjit_context *context, const ej_request *request, einjit_error *err);

/* ---- compile_scale.c: alpha * result + beta * what the output held ---- */
/* Writes that into a copy of the program. With beta 0 that is all; else what the outputs hold become the last inputs of the graph,
 * and *in, of the job's arena, the tensors of all inputs. */
int ej_scale_results(ej_graph *graph, const ej_request *request, const einjit_tensor **in, ej_job *job);

/* ---- compile_evaluate.c: constants at compile time ---- */
extern const ej_evaluator ej_interpreting_evaluator;

/* ---- compile_dump.c: where dumps go ---- */
/* One stage's text to the log, a line each, or to EINJIT_DUMP_DIR/<kernel>/NN-stage.*; trouble with a file is logged.
 * `text` is used up. */
void ej_dump_write(einjit_context *context, const char *kernel, int stage, ej_text *text);
/* The program after pass number `n` of the run, to its own file between those of the graph and of opt. */
void ej_dump_pass(einjit_context *context, const char *kernel, size_t n, const char *pass, ej_text *text);

/* ---- kernel.c ---- */
/* An empty kernel with one bare reference; NULL: out of memory. compile.c fills it in. */
einjit_kernel *ej_kernel_new(einjit_context *context);
/* What einjit_run needs of the bound graph, plan and nests, copied into the kernel's arena. With keep_nests the nests
 * and all they point to already lie there (or in *graph, which the kernel takes over) and stay. */
int ej_kernel_describe(einjit_kernel *kernel, const ej_nests *nests, einjit_error *err);
void ej_kernel_keep_nests(einjit_kernel *kernel, ej_nests *nests, ej_graph *graph);
int ej_kernel_find_spans(einjit_kernel *kernel, einjit_error *err); /* the last part of describing */
int ej_kernel_map(einjit_kernel *kernel, const ej_code *code, einjit_error *err);
void ej_kernel_drop(einjit_kernel *kernel); /* one bare reference less */
int ej_kernel_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, const int64_t *sizes,
                  einjit_error *err); /* after the checks of einjit_run */

/* ---- kernel_pool.c: blocks of scratch memory that runs share; no lock while few threads run at a time ---- */
int ej_pool_create(struct ej_pool **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err);
void ej_pool_destroy(struct ej_pool *pool);
void ej_pool_trim(struct ej_pool *pool);                 /* gives back what no run uses */
void ej_pool_statistics(const struct ej_pool *pool, einjit_statistics *out); /* its fields; the others stay */
void ej_pool_recover(struct ej_pool *pool);              /* in a forked child */
void *ej_pool_take(struct ej_pool *pool, size_t bytes);  /* aligned to 64, contents undefined; NULL: out of memory */
void ej_pool_give(struct ej_pool *pool, void *block);    /* NULL is fine */

/* ---- kernel_tensor.c: facts of the caller's tensors ---- */
/* dtype and rank are sane, arrays are there, extents are not negative. `what` and `i` name it: "input", 1. */
int ej_tensor_check(const einjit_tensor *tensor, const char *what, size_t i, einjit_error *err);
/* Every element is where row-major strides have it (extents of 1 and tensors without elements do not care). */
bool ej_tensor_row_major(const einjit_tensor *tensor);
bool ej_tensor_empty(const einjit_tensor *tensor);
/* False when the addresses do not fit into 63 bits. */
bool ej_tensor_span(const einjit_tensor *tensor, ej_span *out);
/* False only where two elements of one (of both) provably share no byte. */
bool ej_tensor_overlaps_itself(const einjit_tensor *tensor);
bool ej_tensors_overlap(const einjit_tensor *a, const einjit_tensor *b);
/* Of one dtype and shape, and each element is as far from the first one in both. */
bool ej_tensors_alike(const einjit_tensor *a, const einjit_tensor *b);

/* ---- kernel_check.c: the checks of einjit_run ---- */
/* Inputs fit the kernel; stores the values of the open extents (EJ_OPEN_MAX of room) and of all atoms that shapes
 * use in *symbols. */
int ej_check_inputs(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, int64_t *symbols,
                    einjit_error *err);
int ej_check_outputs(const einjit_kernel *kernel, size_t n_out, const einjit_tensor *out, const int64_t *symbols,
                     einjit_error *err);
/* Data is there, outputs overlap nothing but inputs in whose place they can be written, indices are in range. */
int ej_check_memory(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out,
                    const int64_t *symbols, einjit_error *err);
/* A size for these open extents: E_SIZE on overflow, E_NOMEM. Costs nothing where the size is a number. */
int ej_kernel_size(const einjit_kernel *kernel, ej_size size, const int64_t *symbols, int64_t *out);
/* Its failure in words: `what` does not fit, or there was no memory. */
int ej_kernel_size_failed(einjit_error *err, int status, const char *what);

/* ---- kernel_key.c: signatures as words ---- */
typedef struct ej_key { /* its owner is the caller, who keeps it for the call */
    const uint64_t *words;
    size_t n;
    bool forget_failures; /* open extents are not in the key, but a failure may come from them */
    uint64_t (*names)(const void *user); /* not in the key: whose names the text of a failure has. Asked of who makes an */
    const void *user;     /* entry, or is given a failure, not for what is found; NULL: 0 */
    bool *others;         /* true: the failure that is given has another's names. NULL: nobody asks */
} ej_key;
static inline uint64_t ej_key_names(const ej_key *key)
{
    return key->names ? key->names(key->user) : 0;
}
enum { EJ_KEY_SMALL = 128 };
typedef struct ej_key_words { /* grows on the heap only when it outgrows `small` */
    const einjit_allocator *allocator;
    uint64_t *words;
    size_t n, capacity;
    bool failed;              /* out of memory */
    uint64_t small[EJ_KEY_SMALL];
} ej_key_words;
void ej_key_init(ej_key_words *key, const einjit_allocator *allocator);
void ej_key_free(ej_key_words *key);
void ej_key_word(ej_key_words *key, uint64_t word);
void ej_key_bytes(ej_key_words *key, const void *bytes, size_t n);
/* Tensors must have passed ej_tensor_check. symbols NULL: exact; else per axis 0 or 1 + the open symbol's number. */
void ej_key_tensor(ej_key_words *key, const einjit_tensor *tensor, const int32_t *symbols);
/* Which inputs are constant and what they hold, what results are multiplied by: one word where there is neither. */
void ej_key_values(ej_key_words *key, const ej_request *request);
/* The exact signature of a request (without open extents), and the same for people. */
void ej_key_request(ej_key_words *key, const ej_request *request);
void ej_key_print(ej_text *text, const einjit_context *context, const ej_request *request);

/* The equation without names and spaces, the output explicit, so that equations that mean the same are the same words. False, and
 * nothing added: it is not plain enough (errors, more than some 200 labels). (kernel_equation.c) */
bool ej_key_equation(ej_key_words *key, const char *text, size_t length);
bool ej_key_labels(ej_key_words *key, size_t n_in, const einjit_tensor *in, const int32_t *labels, int32_t output_rank,
                   const int32_t *output);

/* ---- kernel_names.c: one kernel, many programs that differ in names ---- */
/* Which names of the program the kernel speaks of. */
int ej_kernel_note_names(einjit_kernel *kernel, const einjit_graph *graph, einjit_error *err);
/* The number of its open extent s in the program without names; -1: it has none. */
int32_t ej_kernel_symbol(const einjit_kernel *kernel, size_t s);
/* A kernel that was found, under the names of this program: the same one, where it has them, else another that holds it. Takes
 * over the caller's bare reference; E_NOMEM: it is dropped. */
int ej_kernel_rename(einjit_kernel **kernel, const einjit_graph *graph, einjit_error *err);

/* ---- kernel_find.c: a request's kernel, from the cache or compiled; one bare reference ---- */
int ej_kernel_find(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);
/* Counts, handles and tensors of a request; freezes the graph; reads constant inputs. */
int ej_request_check(einjit_context *context, ej_request *request, einjit_error *err);

/* ---- kernel_constants.c: inputs declared constant ---- */
/* E_NAME: there is no such input; E_INVALID: it has no data. */
int ej_request_constants(ej_request *request, const einjit_allocator *allocator, einjit_error *err);
/* Constants in the place of those inputs, in a copy of the request's graph; *data: per input its constant's elements. */
int ej_constants_insert(const void ***data, ej_graph *graph, const ej_request *request, ej_job *job);
/* After the passes: large ones that are still there are inputs again. */
int ej_constants_withdraw(ej_graph *graph, const ej_request *request, const void **data, ej_job *job);
/* No output of the kernel may be one of these inputs: the next run would find other numbers there. */
int ej_constants_keep(einjit_kernel *kernel, const ej_request *request, einjit_error *err);

/* ---- cache_memory.c: signature -> kernel ---- */
typedef int (*ej_make_kernel)(einjit_kernel **out, void *user, einjit_error *err);
int ej_cache_create(struct ej_cache **out, const einjit_allocator *allocator, size_t limit_bytes, einjit_error *err);
void ej_cache_destroy(struct ej_cache *cache);
void ej_cache_clear(struct ej_cache *cache);
void ej_cache_recover(struct ej_cache *cache); /* in a forked child: what is made stays, what others were making is forgotten */
/* The kernel of the key with one more bare reference: found without a lock, or made once by `make` however many threads
 * ask. A failure is remembered, with its text, and given again. E_NOMEM, E_INTERRUPTED and E_BACKEND are not remembered,
 * nor any failure of a key that says so; those who waited for such a one try again themselves. */
int ej_cache_get(struct ej_cache *cache, ej_key key, ej_make_kernel make, void *user, einjit_kernel **out,
                 einjit_error *err);
void ej_cache_statistics(const struct ej_cache *cache, einjit_statistics *out);
uint64_t ej_cache_steps(const struct ej_cache *cache); /* entries that evictions looked at: what they cost, for tests */

#endif
