/* kernel.h - what a compiled plan is: immutable, reference-counted, callable from any thread. */
#ifndef EJ_KERNEL_H
#define EJ_KERNEL_H

#include "base_tensor.h"
#include "context.h"

enum { EJ_OPEN_MAX = 64 }; /* open extents of one signature; more are refused with E_LIMIT */

/* A name that the kernel speaks of, and which of the program's it is: another program of the same kernel has its
 * own. */
typedef struct ej_known_name {
    const char *text;
    int32_t number; /* of the value, or of the symbol in order of first appearance */
    bool symbol;
    int64_t value; /* of a symbol: the extent that it had, where the program's inputs say; else -1 */
} ej_known_name;

/* A part of the run that threads may share (nest.h). */
typedef struct ej_phase {
    size_t code;        /* llvm: offset of its function in the image */
    int32_t first, end; /* its nests */
    ej_size pieces;     /* 1: it is not cut */
    int64_t grain;
    bool again;
} ej_phase;

/* References. The cache's own reference is bare. A reference that a user holds also holds the context, so that kernels
 * in the cache do not keep their context alive: einjit_kernel_retain and _release move both counts, ej_kernel_drop only
 * the kernel's. */
enum { EJ_READ_FOR_EVER = INT32_MAX - 1 };

struct einjit_kernel {
    atomic_int refs;   /* first: renaming copies everything behind it */
    uint64_t retry_ns; /* interpreted because no code could be generated: when to try again; 0: it stays as it is */
    einjit_context *context;
    ej_arena arena; /* everything below */
    ej_sizes sizes;
    size_t n_in, n_out;
    ej_bound_tensor *in, *out;
    ej_span *spans; /* inputs, then outputs; without open extents only, else NULL */
    const char **in_names;
    /* of inputs, of outputs: as in ej_plan; EJ_READ_FOR_EVER: of inputs that are constant */
    int32_t *last_read, *first_write;
    size_t n_not_empty;
    ej_bound_extent *not_empty; /* open extents that must not be 0 */
    size_t n_closed;
    ej_closed_extent *closed; /* what was to stay open and could not */
    size_t n_index_checks;
    ej_index_check *index_checks;
    size_t n_status_checks;
    ej_status_check *status_checks;     /* buffer's offset is in .. */
    ej_size *status_offsets;            /* .. the scratch block, bytes */
    ej_size scratch_bytes, local_bytes; /* of one thread; what of it each further thread needs, too */
    size_t n_phases;                    /* 0: nothing for threads to share */
    ej_phase *phases;
    ej_image image;             /* llvm */
    einjit_entry entry;         /* llvm; NULL for the interpreter, and in slices */
    struct ej_slicing *slicing; /* NULL: it runs as a whole (kernel_slice.h) */
    ej_nests *nests;            /* interp: in the arena, with plan->constants */
    const ej_constant *constants;
    ej_graph *graph; /* interp: the optimized graph, whose names and constants the nests borrow */
    size_t bytes;    /* for the cache's limit */
    uint64_t compile_ns;
    uint64_t names; /* whose they are: einjit_graph.names of the program that was compiled */
    size_t n_known_names;
    ej_known_name *known_names; /* sorted: values, then symbols, by text (kernel_names.c) */
    einjit_kernel *base;        /* this is that one under other names, and holds it; NULL: it is itself */
    const char *problem;        /* for people and the cache on disk (cache_problem.c); NULL: nobody asked */
};

/* ---- kernel.c ---- */
/* An empty kernel with one bare reference; NULL: out of memory. compile.c fills it in. */
einjit_kernel *ej_kernel_new(einjit_context *context);
/* What einjit_run needs of the bound graph, plan and nests, copied into the kernel's arena. With keep_nests the nests
 * and all they point to already lie there (or in *graph, which the kernel takes over) and stay. */
int ej_kernel_describe(einjit_kernel *kernel, const ej_nests *nests, einjit_error *err);
/* The same for a kernel that runs in slices, which has no plan of its own. Neither outputs nor scratch may lie where
 * inputs do. */
int ej_kernel_describe_slices(einjit_kernel *kernel, const ej_bound *bound, int64_t scratch_bytes, einjit_error *err);
void ej_kernel_keep_nests(einjit_kernel *kernel, ej_nests *nests, ej_graph *graph);
int ej_kernel_find_spans(einjit_kernel *kernel, einjit_error *err); /* the last part of describing */
int ej_kernel_map(einjit_kernel *kernel, const ej_code *code, einjit_error *err);
void ej_kernel_drop(einjit_kernel *kernel); /* one bare reference less */
int ej_kernel_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, const int64_t *sizes,
                  einjit_error *err); /* after the checks of einjit_run */

/* ---- kernel_perf.c ---- */
void ej_perf_note(einjit_kernel *kernel); /* its code is mapped, and it has its problem */
void ej_perf_end(einjit_context *context);

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
/* All these checks together, of the usual call: tensors without strides, extents that are numbers, no indices. False:
 * one of them fails, or has to be made by itself. ej_is_checked_at_once: of this kernel they can be true at all. */
bool ej_is_checked_at_once(const einjit_kernel *kernel);
bool ej_fits_at_once(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
                     const einjit_tensor *out);
/* A size for these open extents: E_SIZE on overflow, E_NOMEM. Costs nothing where the size is a number. */
int ej_kernel_size(const einjit_kernel *kernel, ej_size size, const int64_t *symbols, int64_t *out);
/* Its failure in words: `what` does not fit, or there was no memory. */
int ej_kernel_size_failed(einjit_error *err, int status, const char *what);

/* ---- kernel_names.c: one kernel, many programs that differ in names ---- */
/* Which names of the program the kernel speaks of. */
int ej_kernel_note_names(einjit_kernel *kernel, const einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                         einjit_error *err);
/* What the extent of that name was when the kernel was compiled; -1: not known, also of kernels under other names. */
int64_t ej_kernel_extent(const einjit_kernel *kernel, const char *name);
/* The index of the kernel's open extent s among the symbols of the program without names (graph_plain.c); -1: none. */
int32_t ej_kernel_symbol(const einjit_kernel *kernel, size_t s);
/* Programs that differ in names alone share a kernel. *kernel becomes one with the names of `graph`: unchanged where it
 * has them already, else a new kernel that refers to it. Consumes the caller's reference, also on E_NOMEM. */
int ej_kernel_rename(einjit_kernel **kernel, const einjit_graph *graph, einjit_error *err);

#endif
