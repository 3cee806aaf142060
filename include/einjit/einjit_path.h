/* einjit_path.h - contraction paths by themselves, and slices of a contraction. Part of einjit.h, which includes it. */
#ifndef EINJIT_PATH_H
#define EINJIT_PATH_H

#include "einjit.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A contraction path for n terms in integer labels; sizes[label] is the extent of label 0 .. n_labels-1. The path is
 * n_steps pairs (second id -1: a step of one operand) of single-assignment ids: inputs are 0 .. n-1 and each step
 * makes the next id. `pairs` has room for 2 * capacity ids; 2 * n always suffices. Strategies: "auto" (NULL),
 * "file:NAME", "ssa:[[0, 1], [2, 3]]" (a path itself, in single-assignment ids), "linear:[[0, 1], [0, 1]]" (the same in
 * places among the operands that are left, results at the end, as opt_einsum has it), and those that the message for
 * an unknown one names. Some search in trials and take options:
 * "portfolio:seconds=1.5,seed=7" is the best path found in that time, "portfolio:trials=100" depends on the network,
 * the trials and the seed alone. */
EINJIT_API int einjit_path(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels,
                           int output_rank, const int32_t *output, size_t n_labels, const int64_t *sizes,
                           const char *strategy, int32_t *pairs, size_t capacity, size_t *n_steps, double *log10_mults,
                           double *log2_largest, einjit_error *err);

/** Called after every trial, on the thread that searches, with the best path's multiplications so far and the seconds
 * since the search began. What is not 0 ends the search, and the best path so far is its result;
 * einjit_options.progress ends it at any moment, without one. */
typedef int (*einjit_path_progress)(void *user, double log10_mults, int64_t trials, double seconds);
/** einjit_path with somebody who is told how it goes on. `progress` may be NULL. */
EINJIT_API int einjit_path_watched(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels,
                                   int output_rank, const int32_t *output, size_t n_labels, const int64_t *sizes,
                                   const char *strategy, int32_t *pairs, size_t capacity, size_t *n_steps,
                                   double *log10_mults, double *log2_largest, einjit_path_progress progress, void *user,
                                   einjit_error *err);

/* Slices (einjit_compile_options.memory_limit): labels of the einsum are cut, chosen together with the path, so that
 * the intermediates for one value of each fit into the limit. One kernel is compiled for such a slice, and a run calls
 * it for all values, on views of the inputs, and adds up what belongs together: slices 2k and 2k + 1, then these sums
 * in pairs, and so on, in the sum (or maximum, ...) of the einsum, in f32 where operands are f16 or bf16. Results
 * differ from unsliced ones by rounding. No output may lie where an input does, and there is no einjit_entry. Beside
 * the einsum, which passes may have made of several, there may be casts of inputs and of the result, and numbers among
 * the operands. Strict compiles, programs with other operations, and alpha and beta are not sliced. einjit_cost says
 * how many slices there are, and what they cost more; texts of stages behind the path are those of one slice.
 * EINJIT_OPTION_MEASURE with a limit looks at the slice's kernel, and at no kernel that is not sliced. The kernels on
 * disk are those of slices. */

/** What a search is asked for. Set struct_bytes = sizeof(einjit_path_options). */
typedef struct einjit_path_options {
    size_t struct_bytes;
    const char *strategy;          /* as in einjit_path; NULL: auto */
    uint64_t memory_limit;         /* bytes that intermediates, and sums of slices that wait, may take at a time; 0: any
                            * number */
    int dtype;                     /* EINJIT_*: of elements, for the limit */
    einjit_path_progress progress; /* NULL: nobody is told */
    void *user;
} einjit_path_options;
/** What was found. Set struct_bytes = sizeof(einjit_path_report). Where it is sliced, largest and peak are those of one
 * slice. */
typedef struct einjit_path_report {
    size_t struct_bytes;
    size_t n_steps, n_sliced; /* steps; labels that are cut */
    double log10_mults;       /* as in einjit_cost; of all slices */
    double log2_largest;      /* of a step's result, elements */
    double log2_peak;         /* of intermediates that live at a time when the steps are made in this order (inputs and
                               * the result do not count, nor sums of slices); -inf: there are none */
    double slices;            /* their number; 1: it is not sliced */
    double overhead;          /* multiplications by those of the path found without slices; 1 without a limit */
} einjit_path_report;
/** einjit_path with a memory limit: where the path's intermediates do not fit, labels to cut are chosen with it, and
 * the path is the one of a slice, in which these labels have extent 1. `sliced` gets them (n_labels always suffice).
 * With "seconds=T" half of the time is for the slices where there are any; `progress` then hears of all slices' cost in
 * every round of theirs, trials and seconds counted anew. Nothing is stored on failure. Errors:
 * E_LIMIT: it does not fit, however it is sliced; E_DTYPE; those of einjit_path. */
EINJIT_API int einjit_path_find(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels,
                                int output_rank, const int32_t *output, size_t n_labels, const int64_t *sizes,
                                const einjit_path_options *options, int32_t *pairs, size_t capacity, int32_t *sliced,
                                size_t sliced_capacity, einjit_path_report *out, einjit_error *err);

/** In how many slices a kernel runs (einjit_compile_options.memory_limit); 1: as a whole. They are numbered with labels
 * that are summed over running fastest, so that each part of the result has a run of them. */
EINJIT_API int64_t einjit_kernel_slice_count(const einjit_kernel *kernel);
/** Slices first .. end-1 alone: the result's parts that they belong to become the sums (or maxima, ...) of those of
 * them that belong there, all other parts stay as they are. A range of 2^k slices of one part that begins at a multiple
 * of 2^k behind the part's first slice gives one of the sums that a whole run makes, bit for bit where the result has
 * the dtype that is computed with. Otherwise as einjit_run. Errors: also E_VALUE for a range beyond the slices, or
 * empty. */
EINJIT_API int einjit_run_slices(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
                                 const einjit_tensor *out, int64_t first, int64_t end, einjit_error *err);

/* For runs in several processes: sums of slices as they are before they are stored. Whoever adds them up as said above,
 * and stores them with a cast to the result's dtype, has the bits of a whole run. */

/** What is added up to the part of the result to which a slice belongs. Set struct_bytes =
 * sizeof(einjit_slice_part). */
typedef struct einjit_slice_part {
    size_t struct_bytes;
    int64_t first, end; /* these slices */
    int dtype;          /* in this dtype: that which is computed with */
    int reduce;         /* EINJIT_REDUCE_SUM, _MAX, _MIN or _OR */
    size_t bytes;       /* of their sum, whose elements are row-major */
} einjit_slice_part;
/** `begin` and `shape` (each may be NULL) get the part's first index and extent along each axis of the result. Nothing
 * is stored on failure. Errors: E_VALUE: no such slice; E_UNSUPPORTED: a kernel that is not sliced. */
EINJIT_API int einjit_kernel_slice_part(const einjit_kernel *kernel, int64_t slice, einjit_slice_part *out,
                                        int64_t *begin, int64_t *shape, einjit_error *err);
/** The sum of slices first .. end-1 of one part, into `sum` (the part's `bytes`). Otherwise as einjit_run_slices.
 * Errors: also E_VALUE where the slices belong to more than one part, E_UNSUPPORTED as above. */
EINJIT_API int einjit_run_slice_sum(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, int64_t first,
                                    int64_t end, void *sum, einjit_error *err);

#ifdef __cplusplus
}
#endif

#endif
