/* einjit.h - the whole C API of einjit: programs made of einsums, compiled to native code for the shapes they meet.
 *
 * Conventions, which hold for every function below:
 *
 * - Functions that can fail return an int status, EINJIT_OK (0) or a reason from status.def, and take an optional
 *   `einjit_error *err` as last argument (NULL: no text wanted). On failure no output argument is changed.
 *   On success *err is left alone.
 * - Pointers are borrowed for the call unless a comment says that ownership passes. Handles returned through an
 *   `out` argument are owned by the caller and given back with the matching _release or _destroy.
 * - Structs that grow with versions start with struct_bytes, which the caller sets to its sizeof. Those that are passed
 *   in may be shorter or longer than this library's: what is set beyond the fields that it knows is refused with
 *   E_INVALID. Of those that are filled in no byte behind the caller's size is written, and fields that it does not
 *   know become 0. A size that no header's struct can have is E_INVALID.
 * - Extents and strides are int64_t counts of elements, strides may be negative or 0. Names ending in _bytes are
 *   bytes, in _ns nanoseconds.
 * - Contexts and kernels may be used by many threads at the same time. A graph may be built by one thread at a time;
 *   once frozen (by its first compile, or einjit_graph_freeze) it may be used by many threads at the same time.
 * - Numbers in texts have a point and no grouping, in and out, whatever the locale of the program or thread is.
 * - After fork() the child may go on using contexts, kernels and graphs (but one that another thread was building),
 *   whatever other threads were doing; what they were compiling is compiled anew when it is asked for, memory that only
 *   they held is lost to the child. Only compiling in a child whose parent was loading the code generator, or compiling
 *   its first kernel with it, at that moment fails, with E_BACKEND. Memory hooks must work in the child, as malloc
 *   does, and not fork.
 * - Nothing here aborts, exits, prints, installs signal handlers, or keeps global state but that of the code generator.
 *
 * Floating point. What optimized code computes is the program's result up to rounding, as far as this goes:
 *
 * - Within one contraction (products, and sums of them, whether the program writes one einsum or several) any order is
 *   allowed. Its result is finite and rounds normally as long as for every set of its factors the product of their
 *   largest absolute values, times the extents that are summed, stays among the normal numbers of the dtype. A divisor
 *   counts as the factor of its inverse. Underflow is gradual: nothing is flushed to zero.
 * - Factors of rank 0 that are known only at run time move to the smallest intermediate, but are multiplied in one
 *   after the other, never with each other unless the program does so: x * b * b is not x * (b * b), so that of those
 *   sets the ones of several such factors and nothing else do not count.
 * - Numbers of the program (2.0 * x, x / 3.0) within 2^-20 .. 2^20 (f32, c64) or 2^-160 .. 2^160 (f64, c128) move, and
 *   sums of products with a factor in common are added up first (a*c + b*c is (a + b)*c). What is finite and normal as
 *   written stays so if all values and intermediates of the program are at least that factor (2^20, 2^160) away from
 *   both ends of the range. Nearer to them it may not: with values of 3e38 in f32 the sum of x / 1024 may overflow
 *   because x is summed first, and a*c + b*c because a + b does. Numbers further from 1 stay where the program has
 *   them.
 * - The sign of a zero is the program's where a division, a reciprocal, an inverse root or a negative power can see it;
 *   there a contraction that sums several terms to zero gives 0.0. Elsewhere, in results too, and of the parts of
 *   complex products, the sign of a zero may differ.
 * - Inf and NaN of the operands propagate as the program says, up to that; rows that a scatter leaves empty may meet
 *   them as zeros of a product, and so may a sum over no terms meet a factor of rank 0 that was taken out of it. 0.0 *
 *   x is computed, but for zeros that a program declares structural.
 */
#ifndef EINJIT_H
#define EINJIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define EINJIT_API
#elif defined(__GNUC__) || defined(__clang__)
#define EINJIT_API __attribute__((visibility("default")))
#else
#define EINJIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define EINJIT_VERSION_MAJOR 0
#define EINJIT_VERSION_MINOR 1
#define EINJIT_VERSION_PATCH 0
#define EINJIT_VERSION_NUMBER (EINJIT_VERSION_MAJOR * 1000000 + EINJIT_VERSION_MINOR * 1000 + EINJIT_VERSION_PATCH)

/* ---- statuses and errors ------------------------------------------------------------------------------------ */

enum einjit_status_code {
#define EINJIT_STATUS(name, text) EINJIT_##name,
#include "status.def"
#undef EINJIT_STATUS
    EINJIT_STATUS_COUNT
};

/** What went wrong, in a buffer of the caller's. `text` is one line, fit to be an exception's message, without the
 * code. `line` and `column` (from 1; 0 = no place) point into program text or an equation; `source` is then that
 * line and `caret` the column in it (from 0, in bytes; long lines are cut around it). */
typedef struct einjit_error {
    int32_t code;
    int32_t line;
    int32_t column;
    int32_t caret;
    char text[488];
    char source[200];
} einjit_error;

/** "E_RANK" for EINJIT_E_RANK; "E_UNKNOWN" for anything else. Static storage. */
EINJIT_API const char *einjit_status_name(int status);
/** One line that says what the reason means in general. Static storage. */
EINJIT_API const char *einjit_status_text(int status);
/** "0.1.0". Static storage. */
EINJIT_API const char *einjit_version(void);
/** The library's EINJIT_VERSION_NUMBER, which may be another one than that of the header: 1000000 * major + 1000 *
 * minor + patch. */
EINJIT_API int einjit_version_number(void);

/** What there is, by name: operators of the program text, path strategies, targets, passes, stages of
 * einjit_explain. */
enum einjit_list_code {
    EINJIT_LIST_OPERATORS,
    EINJIT_LIST_STRATEGIES,
    EINJIT_LIST_TARGETS,
    EINJIT_LIST_PASSES,
    EINJIT_LIST_STAGES,
    EINJIT_LIST_COUNT
};
/** Name i of a list, in *text (may be NULL) a line about it, "" where there is none; NULL behind the last one. Static
 * storage. */
EINJIT_API const char *einjit_list_name(int list, size_t i, const char **text);

/* ---- dtypes and tensors ------------------------------------------------------------------------------------- */

/** Element types. bool is one byte, 0 or 1. Complex numbers are (re, im) pairs. F16 and BF16 are formats of memory:
 * operators compute in f32 on their values, sums over any number of terms among them, and each operator's result is
 * rounded once, to nearest, ties to even, as torch does on CPUs. That does not depend on what is stored: relu(x @ w)
 * rounds twice whether or not x @ w is ever written. Within one operator (an einsum of any number of operands,
 * softmax, layer_norm, logsumexp, index_add) nothing is rounded before its end; var, std, log_softmax and addmm are
 * several, so that in f16 a variance of what is more than 255 off its mean is infinite. Passes that may round
 * differently may leave roundings out, and order sums anew, as they do in f32; of f16, whose range is small, they move
 * no factors but signs. Numbers of the program take the dtype of the other operand, rounded to it, as in NumPy.
 * Conversions from f64, integers and complex numbers go by way of f32. Subnormal numbers are kept, a NaN stays one.
 * Sums of products of bf16 may take the terms two at a time where the CPU does that faster (the target's row
 * avx512_bf16): subnormal factors count as 0 then, and sums below 2^-126; not in strict compiles, nor where nothing is
 * optimized.
 * I8, U8 and I16 are formats of memory, too: operators compute in i32, and wrap each result to the dtype. Sums and
 * products along axes are i64, functions and quotients f64, as of other integers. einsum("ij,jk->ik", a.to(i32),
 * b.to(i32)) keeps all digits, and its conversions take no memory. Floats are truncated and saturated, as to i32. */
enum einjit_dtype_code {
    EINJIT_BOOL,
    EINJIT_I32,
    EINJIT_I64,
    EINJIT_F16,
    EINJIT_BF16,
    EINJIT_F32,
    EINJIT_F64,
    EINJIT_C64,
    EINJIT_C128,
    EINJIT_I8,
    EINJIT_U8,
    EINJIT_I16,
    EINJIT_DTYPE_COUNT
};

/** "f32", "c128", "bool", ...; "?" for anything else. Static storage. */
EINJIT_API const char *einjit_dtype_name(int dtype);
/** The dtype of "f32", "float32", "complex64", ...; -1 where there is none. */
EINJIT_API int einjit_dtype_from_name(const char *name);
/** Bytes of one element; 0 for an unknown dtype. */
EINJIT_API size_t einjit_dtype_bytes(int dtype);
/** The dtype NumPy promotes both to; -1 for unknown dtypes. */
EINJIT_API int einjit_dtype_promote(int a, int b);

/** A view of the caller's memory, borrowed for the call. `data` points at element [0, 0, ...] and need not be
 * aligned; it may be NULL where only shapes are read, or where the tensor has no elements. Inputs are only read; the
 * memory of outputs is written, although one struct serves for both. */
typedef struct einjit_tensor {
    const void *data;
    int32_t dtype;
    int32_t rank;
    const int64_t *shape;   /* rank extents, each >= 0 */
    const int64_t *strides; /* rank strides in elements; NULL = row-major */
} einjit_tensor;

/* ---- context ------------------------------------------------------------------------------------------------ */

typedef struct einjit_context einjit_context;
typedef struct einjit_graph einjit_graph;
typedef struct einjit_kernel einjit_kernel;
typedef int32_t einjit_value; /* a value of a graph; >= 0 */

/** Memory hooks. `alloc` returns memory for any type, or NULL; `release` takes what alloc returned, with its size.
 * Both are called from any thread that calls into the context, and from the context's own threads. */
typedef struct einjit_allocator {
    void *(*alloc)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
} einjit_allocator;

/** The host's threads instead of the context's own. `run` calls body(task, i) once for each i in 0 .. n-1, one after
 * the other or at the same time, in any order, on any threads, and returns when all have returned. It is called from
 * the thread that runs a kernel, of several at the same time where several run kernels; n is at most the number of
 * threads (einjit_options.threads, else EINJIT_THREADS), and where that is 1 it is never called. body does not call
 * back into the host. */
typedef struct einjit_parallel {
    size_t struct_bytes; /* sizeof(einjit_parallel) */
    void (*run)(void *user, size_t n, void (*body)(void *task, size_t i), void *task);
    void *user;
} einjit_parallel;

/** Options of a context; zero means the default everywhere. Set struct_bytes = sizeof(einjit_options). */
typedef struct einjit_options {
    size_t struct_bytes;
    const einjit_allocator *allocator; /* copied; NULL = malloc and free */
    /* dumps and warnings, a line each; NULL = stderr where EINJIT_DUMP, _DUMP_DIR or _VERBOSE asks, else nothing */
    void (*log)(void *user, const char *line);
    void *log_user;
    /* "llvm", "interp", or "auto": llvm, but where there is no code generator or no executable memory interp, with a
     * line to the log; NULL = EINJIT_BACKEND, else llvm */
    const char *backend;
    const char *target;      /* a row of the target table; NULL = EINJIT_TARGET, else the host's */
    const char *module_path; /* the code generator; NULL = EINJIT_MODULE, else looked for */
    size_t cache_bytes;      /* of kernels, and a 16th of it for failures; 0 = 256 MiB */
    int32_t threads;         /* of a run, with the caller's: see below; 0 = EINJIT_THREADS, else 1 */
    int32_t flags;           /* EINJIT_OPTION_* */
    size_t scratch_bytes;    /* scratch kept between runs at most; 0 = 256 MiB */
    /* folder of the cache on disk, "none" = no such cache; NULL = EINJIT_CACHE_DIR, else see einjit_cache.h */
    const char *cache_dir;
    /* more folders with kernels, separated by colons, which are only read; NULL = EINJIT_CACHE_SHARED */
    const char *cache_shared;
    size_t disk_bytes; /* of cache_dir; 0 = EINJIT_CACHE_LIMIT, else 512 MiB */
    /* asked every 5 ms or so while a call compiles, searches a path, runs passes or writes a gradient: see below; NULL
     * = nobody */
    int (*progress)(void *user, const char *stage, double done);
    void *progress_user;
    const einjit_parallel *parallel; /* copied; NULL = threads of the context's own */
    size_t isolate_ms; /* a process that generates code may be silent; 0 = EINJIT_ISOLATE_LIMIT, else a minute */
} einjit_options;

enum einjit_option_flag {
    EINJIT_OPTION_NO_OPTIMIZE = 1, /* compile graphs as written */
    /* check invariants after every stage and pass, as EINJIT_VERIFY=1; debug builds do */
    EINJIT_OPTION_VERIFY = 2,
    EINJIT_OPTION_STRICT = 4,   /* nothing is rewritten that could change a bit of a result: see below */
    EINJIT_OPTION_MEASURE = 8,  /* what the cost model only estimates is timed, as with EINJIT_MEASURE=1: see below */
    EINJIT_OPTION_ISOLATE = 16, /* of contexts: another process generates code, as with EINJIT_ISOLATE=1: see below */
    /* all there are; others are E_INVALID */
    EINJIT_OPTION_ALL = EINJIT_OPTION_NO_OPTIMIZE | EINJIT_OPTION_VERIFY | EINJIT_OPTION_STRICT |
                        EINJIT_OPTION_MEASURE | EINJIT_OPTION_ISOLATE
};
/* Measure: a compile makes several kernels, runs them in turns on tensors of its own, as large as those that are given,
 * and keeps the fastest: loops, tiles and packing of each step that takes at least a hundredth of the whole, and which
 * steps run together. The caller's data is not looked at (but for constant inputs). Each kernel takes a compile and
 * some ten milliseconds, or several runs where these are longer; steps that are alike, as layers are, count as one, and
 * after ten seconds no more kernels are made. It takes as much memory as the tensors again. Where that is more than a
 * quarter of the machine's, or the program refuses made up values as indices, the model's kernel is the result. The
 * choice is kept with the kernel, in memory and on disk: the flag is part of its signature. Open extents are timed at
 * the observed ones. Two compiles of one program may differ in rounding, but for those of NO_OPTIMIZE and STRICT. The
 * interpreter ignores it, and so do einjit_cost and the texts of stages. The idea is FFTW's (Frigo and Johnson,
 * Proceedings of the IEEE 93(2), 2005). */
/* Strict: every value is computed as the program says it. Einsums of many operands are contracted from left to right (a
 * path of one's own is refused with E_VALUE), each sum is added up term after term, in the order of its labels or axes;
 * no scalar moves, nothing is fused, distributed, recomputed or computed in advance. Values that nobody needs are still
 * dropped, equal ones computed once, layout operations merged into strides. The bits are those of
 * EINJIT_OPTION_NO_OPTIMIZE with the path strategy "written" on the same backend and target, whatever the strides (the
 * payload of NaN apart). Cost: what the passes would have saved, and sums of neighbours in memory run one term at a
 * time (README has figures). NO_OPTIMIZE sums in this order, too, but chooses its paths. Part of a kernel's signature;
 * a context's flag holds for all its compiles and for einjit_optimize. */

/* Isolate: the program libexec/einjit-codegen (found by the code generator's file) loads LLVM in a process that the
 * context starts with its first compile. Off where nobody asks; the Python package does. A crash there, its being
 * killed, isolate_ms without a sign of life, or no such program are E_BACKEND with its last words ("auto":
 * interpreted, and tried again by a call a second later, or 20 times as long as it took to fail); the next compile has
 * a new process. progress ends any compile within some 5 ms. Processes end with the context, with this one, or after 30
 * idle seconds (waited for by the next compile or einjit_context_statistics). README has more. */

/* Threads: einjit_run and the calls share large loops among so many threads, no more than the affinity mask of the
 * thread that makes the context and the CPU quotas of the process's control groups allow (einjit_statistics.threads
 * says how many). 1: everything runs on the calling thread, and none is made. Else they are made by the first run that
 * shares, block all signals but those that an instruction raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS),
 * run on the CPUs of that mask, look for work for some 20 us, then sleep, and end with the context. One run at a
 * time shares; others that come meanwhile run on their own thread alone. Where the system makes no threads there are
 * fewer. A forked child makes its own. All of them, and a host's, compute in the floating-point mode of who runs
 * (rounding, subnormals, traps). Results are the same bits for any number. einjit_entry runs on the calling thread. */

/* Progress: `stage` is one of einjit_explain's, `done` which part of it is behind, 0 .. 1, or -1 where that is not
 * known. Any answer but 0 ends the call with E_INTERRUPTED, which is not remembered: the next call tries again. It is
 * asked on the thread that compiles, of every thread that does; who waits for another thread's compile is not asked,
 * and tries itself when that one was ended. It may call into the context, as a signal handler may that it runs; what
 * any thread is compiling is then compiled once more, for that call alone. The code generator asks between the
 * functions that it makes IR of, and between the modules that it makes code of, of which kernels of many steps have
 * several. */

/** Make a context: caches, options, hooks. `options` may be NULL. Reads the EINJIT_* variables once; in programs that
 * run with more rights than who started them (setuid, setgid, file capabilities) those that name files or folders do
 * not count, and a code generator is loaded only where nobody but root and the program's own user could write its file
 * or a folder above (else E_BACKEND, when it is needed). Elsewhere one that anybody can write is a line to the log,
 * once. Errors: E_VALUE for a backend, target or number of threads that there is not, also where a variable says it;
 * E_INVALID for unknown flags and struct_bytes; E_NOMEM. Unknown words in EINJIT_DUMP, and dumps that cannot be
 * written, are a line to the log each, once. Cost: microseconds; the code generator is not loaded here. */
EINJIT_API int einjit_context_create(einjit_context **out, const einjit_options *options, einjit_error *err);
/** Give back a context. Graphs and kernels made from it stay valid: they hold it. NULL is fine. */
EINJIT_API void einjit_context_release(einjit_context *context);

/* ---- graphs ------------------------------------------------------------------------------------------------- */

/** An empty graph. Holds the context. */
EINJIT_API int einjit_graph_create(einjit_graph **out, einjit_context *context, einjit_error *err);
/** A graph from program text (README: "The program text"); `length` bytes, SIZE_MAX = up to the NUL.
 * Errors: E_SYNTAX, E_NAME, E_VALUE, the equation's reasons, ..., with line, column and caret. */
EINJIT_API int einjit_graph_parse(einjit_graph **out, einjit_context *context, const char *text, size_t length,
                                  einjit_error *err);
/** The graph of one einsum: inputs a, b, ... in the order of the terms. Extents are named by their labels (to leave
 * them open by name), but may differ where the einsum broadcasts: it takes what einjit_einsum takes, for the same
 * reasons. Dtypes, and ranks of terms with an ellipsis, are left to the call. Errors: the equation's reasons. Cost:
 * linear in the text. */
EINJIT_API int einjit_graph_from_equation(einjit_graph **out, einjit_context *context, const char *equation,
                                          einjit_error *err);
/** The same for operands of these ranks: the axes that an ellipsis stands for are extents, too, ellipsis_1, ellipsis_2,
 * ... from the left of the operand that has most of them, aligned at the right. An open extent "..." is all of them.
 * Errors: also E_OPERAND_COUNT, E_NO_OPERANDS and E_RANK. */
EINJIT_API int einjit_graph_from_equation_ranks(einjit_graph **out, einjit_context *context, const char *equation,
                                                size_t n, const int32_t *ranks, einjit_error *err);
/** Give back a graph. Kernels compiled from it stay valid. NULL is fine. Cost: O(nodes), no recursion. */
EINJIT_API void einjit_graph_destroy(einjit_graph *graph);
/** No more changes from here on; idempotent. */
EINJIT_API int einjit_graph_freeze(einjit_graph *graph, einjit_error *err);

/** The program text of a graph, NUL-terminated, at most `capacity` bytes; *needed (may be NULL) is the length
 * without the NUL, also when it did not fit. parse(print(g)) is g. */
EINJIT_API int einjit_graph_print(const einjit_graph *graph, char *buffer, size_t capacity, size_t *needed,
                                  einjit_error *err);
/** Check every invariant of a graph; E_INTERNAL names the node. */
EINJIT_API int einjit_graph_verify(const einjit_graph *graph, einjit_error *err);

EINJIT_API size_t einjit_graph_input_count(const einjit_graph *graph);
EINJIT_API size_t einjit_graph_output_count(const einjit_graph *graph);
/** Nodes, inputs and constants included. */
EINJIT_API size_t einjit_graph_node_count(const einjit_graph *graph);
/** The name of input i; borrowed from the graph; NULL when i is out of range. */
EINJIT_API const char *einjit_graph_input_name(const einjit_graph *graph, size_t i);
/** What the program says of input i: dtype and rank (-1 each: left to the observed tensor), and for axis a < capacity
 * either shape[a] >= 0, or shape[a] == -1 and symbols[a] its name (borrowed from the graph; NULL: it has none). */
EINJIT_API int einjit_graph_input_type(const einjit_graph *graph, size_t i, int *dtype, int *rank, int64_t *shape,
                                       const char **symbols, size_t capacity, einjit_error *err);

/** Run the passes on a graph that is not frozen: `passes` names (einjit_list_name), separated by commas; NULL = all,
 * in their order. Compiling runs them too, and knows more: this is to see what they do. Values are numbered anew;
 * inputs and results stay in their order, names with what they named (einjit_graph_value, einjit_graph_output_value).
 * Errors: E_VALUE names a pass that there is not, before any runs; E_FROZEN; E_NOMEM, E_INTERRUPTED: the graph is
 * whole and means the same; passes before may have changed it, and values that nothing needs may be left. Cost:
 * near-linear in the graph (einjit-bench --optimizer). */
EINJIT_API int einjit_optimize(einjit_graph *graph, const char *passes, einjit_error *err);

/** What a run of passes did. */
typedef struct einjit_report einjit_report;
/** One pass of the run. Set struct_bytes = sizeof(einjit_pass_report). Operations and bytes (counted as at einjit_cost)
 * are those of the plan if optimization stopped here, as with EINJIT_OPTION_NO_OPTIMIZE: contraction paths are
 * searched, nothing else is decided by sizes. -1 where no example tensors were given. Texts are borrowed from the
 * report. */
typedef struct einjit_pass_report {
    size_t struct_bytes;
    const char *pass; /* its name, as in einjit_optimize */
    size_t changed;   /* changes it made, as it counts them; 0: the program is the same */
    size_t nodes_before, nodes_after;
    double operations_before, operations_after;
    double bytes_before, bytes_after;
    uint64_t ns;    /* time of the pass itself */
    size_t n_rules; /* the rewrite rules that fired: einjit_report_rule */
    /* EINJIT_REPORT_PROGRAMS: the program's text after the pass, where it changed; else NULL */
    const char *program;
} einjit_pass_report;
enum einjit_report_flag {
    EINJIT_REPORT_PROGRAMS = 1, /* einjit_optimize_report: keep the program's text after every pass that changed it */
    EINJIT_REPORT_TIMES = 2     /* einjit_report_print: with times, which differ from run to run */
};
/** einjit_optimize, and what it did. `in` (may be NULL, with n_in 0) are example tensors of the inputs, for the counts
 * alone: the passes see no sizes, and data is not read. flags: EINJIT_REPORT_*. Owned by the caller.
 * On failure of a pass there is no report, and the graph is whole.
 * Errors: those of einjit_optimize; with tensors, what einjit_compile says of tensors that do not fit, before any pass
 * runs. Cost: that of the passes; with tensors one plan more for each pass that changed something (with more than 1,000
 * nodes by greedy paths). */
EINJIT_API int einjit_optimize_report(einjit_report **out, einjit_graph *graph, const char *passes, size_t n_in,
                                      const einjit_tensor *in, int32_t flags, einjit_error *err);
/** How many passes ran; 0 for no report. */
EINJIT_API size_t einjit_report_count(const einjit_report *report);
/** Pass i of them, in the order they ran. i = einjit_report_count: all of it, from before the first pass to the plan
 * that is run; `pass` is "all", `program` the program before; operations_after and bytes_after include what is decided
 * by sizes after the passes (which of several ways, what is shared), so that they may be less than those after the
 * last pass. Errors: E_VALUE for an i beyond that; E_INVALID. */
EINJIT_API int einjit_report_pass(const einjit_report *report, size_t i, einjit_pass_report *out, einjit_error *err);
/** Rewrite rule number `rule` of those that fired in pass i, which counts as above, and in *fired (may be NULL) how
 * often it rewrote something; NULL behind the last one. Borrowed. */
EINJIT_API const char *einjit_report_rule(const einjit_report *report, size_t i, size_t rule, uint64_t *fired);
/** The report as a table: a line for each pass that changed something, and one for all. The same bytes every run
 * without EINJIT_REPORT_TIMES. Buffer handling as einjit_graph_print. */
EINJIT_API int einjit_report_print(const einjit_report *report, int32_t flags, char *buffer, size_t capacity,
                                   size_t *needed, einjit_error *err);
/** Give back a report. The graph may be gone before. NULL is fine. */
EINJIT_API void einjit_report_destroy(einjit_report *report);

/* ---- shapes ------------------------------------------------------------------------------------------------- */

/** The shape and dtype of every value of a graph for the given inputs, without running or allocating any of them.
 * A public call of the pass that opt_einsum_fx knows as EfficientShapeProp. */
typedef struct einjit_shapes einjit_shapes;
EINJIT_API int einjit_shapes_infer(einjit_shapes **out, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                                   einjit_error *err);
EINJIT_API void einjit_shapes_destroy(einjit_shapes *shapes);
EINJIT_API size_t einjit_shapes_output_count(const einjit_shapes *shapes);
/** dtype, rank and extents of output i. *shape is borrowed from `shapes`. */
EINJIT_API int einjit_shapes_output(const einjit_shapes *shapes, size_t i, int *dtype, int *rank, const int64_t **shape,
                                    einjit_error *err);
/** The same for any value of the graph. */
EINJIT_API int einjit_shapes_value(const einjit_shapes *shapes, einjit_value value, int *dtype, int *rank,
                                   const int64_t **shape, einjit_error *err);

/* ---- compile and run ---------------------------------------------------------------------------------------- */

/** Options of one compile. Set struct_bytes = sizeof(einjit_compile_options). */
typedef struct einjit_compile_options {
    size_t struct_bytes;
    const char *open; /* symbols whose extents stay open, separated by commas ("z" or "z,edges"; "...": those that an
                        * ellipsis stands for, see einjit_graph_from_equation_ranks); NULL = none. Asked for, not
                        * promised: one that meets another extent (z = 5 and n = 5 added, a 1 that is broadcast), or
                        * that decides a rank, is closed to what was observed: einjit_kernel_closed_name, and a line to
                        * the log */
    const char *path; /* path strategy: "auto", "optimal", "greedy"; "written" (from left to right); "random:SEED" (for
                       * tests: any order, any of several ways); "file:NAME": JSON with an "ssa_path"; "ssa:[[0, 1], [2,
                       * 3]]" and "linear:[[0, 1], [0, 1]]": a path itself (einjit_path); NULL = auto, the only one
                       * that lets einsums look at each other */
    int32_t flags;    /* EINJIT_OPTION_* */
    const char *constants; /* inputs by name, separated by commas ("w,b"): what they hold is read now, and whatever
                            * follows from it alone is computed by the compile. They stay inputs: every run passes a
                            * tensor for each that holds the same; one that holds something else gives results of no
                            * meaning, and no output may lie where one does (E_OVERLAP). Their extents are numbers: a
                            * name that they share with others does not stay open. NULL = none */
    double alpha, beta; /* outputs become alpha * result + beta * what they held before the run; alpha 0 = 1. With beta
                         * 0 what they held is not read. Sums are added where the output lies, without a temporary.
                         * Part of the signature. Results of integers take whole numbers, those of bool none: E_DTYPE */
    uint64_t memory_limit; /* bytes of scratch that a run on one thread may take (einjit_kernel_scratch_bytes); 0: any
                            * number. A program that is one einsum of three operands or more, and would take more, is
                            * computed in slices: see einjit_path.h. E_LIMIT: it cannot be kept; E_UNSUPPORTED: what is
                            * needed depends on open extents. Part of the signature */
} einjit_compile_options;

/** The kernel for the graph and the observed dtypes, extents and strides of its inputs and outputs (data is not read,
 * but for inputs declared constant: their contents are part of the signature, hashed in every call; E_INVALID names one
 * without data). n_out 0: outputs are row-major. From the cache where the signature was seen before, else compiled;
 * other threads that ask for the same signature wait for the one compile. Programs that differ in names alone (of
 * values, extents, labels, the function) share one compile, and each kernel speaks of its own program's names. Freezes
 * the graph. */
EINJIT_API int einjit_compile(einjit_kernel **out, einjit_context *context, einjit_graph *graph, size_t n_in,
                              const einjit_tensor *in, size_t n_out, const einjit_tensor *outputs,
                              const einjit_compile_options *options, einjit_error *err);
/** One more owner. */
EINJIT_API void einjit_kernel_retain(einjit_kernel *kernel);
/** One owner less; the last one frees it. NULL is fine. */
EINJIT_API void einjit_kernel_release(einjit_kernel *kernel);

/** Run with checks: dtypes, shapes and strides against the signature, NULL data, overlap, indices. An output may be one
 * of the inputs (the same address, dtype, shape and strides) where this kernel reads each element before it writes
 * there, as pointwise programs do, and sums to which that input is added, times a number or as it is: `alpha *
 * einsum(...) + beta * c` with c for out. Else E_OVERLAP: for tensors that share only part of their memory; for inputs
 * that a sum, product or gather reads, or that multiply the sum or go into a function with it; in strict compiles,
 * whose sums keep their order, for all that is added to sums. Reentrant. Scratch memory comes from the context, which
 * keeps it for the next runs up to einjit_options.scratch_bytes; a run that needs more asks the allocator each
 * time. */
EINJIT_API int einjit_run(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
                          const einjit_tensor *out, einjit_error *err);

/** The bare function: `data` has the inputs' then the outputs' addresses in graph order, `sizes` the values of the
 * open extents in order of first appearance (may be NULL when there are none), `scratch`
 * einjit_kernel_scratch_bytes(kernel, sizes) bytes, aligned to 64 (may be NULL when that is 0). No checks: indices
 * must be in range. Runs on the calling thread. NULL for kernels of the interpreter. */
typedef void (*einjit_entry)(void *const *data, const int64_t *sizes, void *scratch);
EINJIT_API einjit_entry einjit_kernel_entry(const einjit_kernel *kernel);
/** Bytes of scratch for these open extents; SIZE_MAX when the sizes overflow. */
EINJIT_API size_t einjit_kernel_scratch_bytes(const einjit_kernel *kernel, const int64_t *sizes);
/** Open extents of the signature, and their names; NULL when i is out of range. */
EINJIT_API size_t einjit_kernel_open_count(const einjit_kernel *kernel);
EINJIT_API const char *einjit_kernel_open_name(const einjit_kernel *kernel, size_t i);
/** Extents that were to stay open and could not: the kernel is for the observed ones alone. _name is the symbol, _by
 * the value of the (optimized) program that needs its number, "" where two inputs differ in it; NULL when i is out of
 * range. A kernel that was compiled with nothing open, because two open extents were equal by chance where it was
 * first asked for, has none of either. */
EINJIT_API size_t einjit_kernel_closed_count(const einjit_kernel *kernel);
EINJIT_API const char *einjit_kernel_closed_name(const einjit_kernel *kernel, size_t i);
EINJIT_API const char *einjit_kernel_closed_by(const einjit_kernel *kernel, size_t i);
EINJIT_API size_t einjit_kernel_output_count(const einjit_kernel *kernel);
/** dtype, rank and extents of output i for given open extents; at most `capacity` extents are stored. */
EINJIT_API int einjit_kernel_output_shape(const einjit_kernel *kernel, size_t i, const int64_t *sizes, int *dtype,
                                          int *rank, int64_t *shape, size_t capacity, einjit_error *err);

/** Where input i holds indices: the number every element must be below (and not negative); -1 for other inputs. With
 * several uses the smallest. */
EINJIT_API int64_t einjit_kernel_index_limit(const einjit_kernel *kernel, size_t i, const int64_t *sizes);

/** compile and run in one: kernels are found again by the graph and the tensors' signature. */
EINJIT_API int einjit_call(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                           size_t n_out, const einjit_tensor *out, einjit_error *err);
/** The same with options; NULL: none. With extents that stay open one kernel serves every value of them: a loop over
 * batches of any size compiles once, and a call costs a look-up, the checks and the run. */
EINJIT_API int einjit_call_with(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                                size_t n_out, const einjit_tensor *out, const einjit_compile_options *options,
                                einjit_error *err);
/** One einsum, compiled on first sight of the signature, in which letters and spaces do not count. */
EINJIT_API int einjit_einsum(einjit_context *context, const char *equation, size_t n_in, const einjit_tensor *in,
                             const einjit_tensor *out, einjit_error *err);
/** The same with options, in which extents are called by their labels ("z,i", "..." for what an ellipsis stands for)
 * and inputs a, b, ... (x0, x1, ... when there are more than letters). The equation is read in every call, some
 * microseconds: loops that mind make the graph once (einjit_graph_from_equation) and use einjit_call_with. */
EINJIT_API int einjit_einsum_with(einjit_context *context, const char *equation, size_t n_in, const einjit_tensor *in,
                                  const einjit_tensor *out, const einjit_compile_options *options, einjit_error *err);
/** The same with integer labels, as in einjit_graph_einsum_labels; term ranks are the tensors'. */
EINJIT_API int einjit_einsum_labels(einjit_context *context, size_t n_in, const einjit_tensor *in,
                                    const int32_t *labels, const einjit_tensor *out, const int32_t *output,
                                    einjit_error *err);

/* ---- ahead of time ------------------------------------------------------------------------------------------ */

/** A kernel among those of one exported program: they differ in extents or in the CPUs that they are for. */
typedef struct einjit_variant {
    size_t struct_bytes; /* sizeof(einjit_variant) */
    const einjit_kernel *kernel;
    size_t n_sizes;           /* extents that it was compiled for, by which callers choose among variants */
    const char *const *names; /* "z", as in the program */
    const int64_t *values;
} einjit_variant;

/** Kernels as a relocatable object for the linker (ELF, of this machine's architecture) and the C header that declares
 * it. Neither needs libeinjit, LLVM or the C library at run time; the code is the kernels' own, so that its results
 * have the same bits. The header (C99, C++11; GCC and Clang) has, for the name "layer":
 *
 *     int layer(const float *x, ..., float *out, int64_t z, ..., void *scratch);
 *     size_t layer_scratch_bytes(int64_t z, ...);
 *
 * with the inputs, the outputs, the extents that are open in some variant or differ between variants, and scratch
 * memory aligned to 64 (NULL where 0 bytes are needed). The first variant that this CPU can run and whose extents are
 * these is taken. It gives LAYER_OK (0), LAYER_NO_VARIANT, LAYER_SIZE (an extent is negative or 0 where it cannot be,
 * or sizes do not fit into 63 bits), LAYER_SCRATCH (none was given, or not aligned) or LAYER_INDEX (an index is out of
 * range; results are then not written, or, where the program computed it, of no meaning). Shapes and strides, in
 * comments of the header, are the kernels' own; outputs may not overlap anything. Reentrant, on the caller's thread.
 *
 * E_INVALID: no variant, a kernel of the interpreter; E_VALUE: `name` is not a C identifier, variants differ in
 * operands or dtypes, or one is said to be for another extent than its kernel. Buffer handling as einjit_graph_print
 * (an object's bytes have no NUL at their end: capacity has to be *needed + 1 for all of them). */
EINJIT_API int einjit_export_object(const char *name, size_t n, const einjit_variant *variants, char *buffer,
                                    size_t capacity, size_t *needed, einjit_error *err);
EINJIT_API int einjit_export_header(const char *name, size_t n, const einjit_variant *variants, char *buffer,
                                    size_t capacity, size_t *needed, einjit_error *err);

/* ---- looking inside ----------------------------------------------------------------------------------------- */

/** What compiling makes of a graph for these inputs, as text: stage is graph, opt+ (the program after every pass
 * that changed it, under comments), opt, stats (the table of einjit_report_print, for passes that know the inputs'
 * dtypes), bind, path, plan, schedule (the rewrites that made each nest), nest, cost (a JSON object a line for each
 * nest: cycles on the target row, by what they are spent on), steps (the same for each step of the plan: kernel,
 * operations, bytes, what it waits for), dot (the steps as a graph in Graphviz's language), ir, asm or key. Buffer
 * handling as einjit_graph_print. */
EINJIT_API int einjit_explain(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                              const einjit_compile_options *options, const char *stage, char *buffer, size_t capacity,
                              size_t *needed, einjit_error *err);

/** What a program and its plan cost for these inputs: counted, not measured, and one count for both.
 *
 * Operations, complex numbers counting as one:
 *   einsum                 the product of the extents of all its labels, times one multiplication (or what combines)
 *                          for each operand but the first, and one addition (or what reduces) where values are summed:
 *                          a label of an extent other than 1 that the output lacks. At least one a point.
 *   pointwise functions    1 an element of the result
 *   reductions, index_add  1 an element of the operand (reductions along single values: 0)
 *   matmul, tensordot, mean, logsumexp, softmax, layer_norm, ...    what they are written out to in the operations
 *   above
 *   layout, cat, gathers, casts, constants    0
 * Bytes: whatever computes, or casts, reads each operand once and writes its result once. Elements that broadcasting
 * repeats are there once, of an operand's diagonal only the diagonal is read, literals are part of the code, and
 * layout, cat and gathers move nothing: their users read through them.
 *
 * The program counts as the sum of its values, each by itself and once, where a result needs it. The plan counts as
 * the sum of its steps, an operation for each function and reduction an iteration, copies and the checks of computed
 * indices with it. Beyond what a double holds a count is infinite. Set struct_bytes = sizeof(einjit_cost). */
typedef struct einjit_cost {
    size_t struct_bytes;
    double naive_operations;   /* of the program as written */
    double planned_operations; /* of the plan's steps */
    double log10_mults;        /* sum over contraction steps of the product of all extents of the step */
    double log2_largest;       /* the largest intermediate, elements */
    uint64_t scratch_bytes;
    uint64_t steps;
    uint64_t bytes_moved;   /* of the plan: operands and results of every step, once each */
    uint64_t naive_bytes;   /* of the program as written */
    uint64_t touched_bytes; /* of inputs and outputs alone, once each: what every way to compute it moves at least */
    /* Of a sliced plan (einjit_compile_options.memory_limit) all other numbers are those of all slices and their sums,
     * but for steps and log2_largest, which are of one slice. */
    double slices;         /* 1: it is not sliced */
    double slice_overhead; /* multiplications by those of the best path found without slices */
} einjit_cost;
EINJIT_API int einjit_plan_cost(einjit_cost *out, einjit_context *context, einjit_graph *graph, size_t n_in,
                                const einjit_tensor *in, const einjit_compile_options *options, einjit_error *err);

#ifdef __cplusplus
}
#endif

#include "einjit_build.h" /* the builders of graphs, gradients */
#include "einjit_cache.h" /* statistics, and the cache on disk */
#include "einjit_path.h"  /* contraction paths by themselves */

#endif
