/* kernel_slice.h - a contraction in slices: one kernel that runs for every value of the labels that are cut. */
#ifndef EJ_KERNEL_SLICE_H
#define EJ_KERNEL_SLICE_H

#include "kernel.h"

/* An argument begins so many bytes further for each step of a label. */
typedef struct ej_slice_move {
    int32_t argument, label; /* inputs of the slice's kernel, then the result */
    int64_t bytes;
} ej_slice_move;

/* Slices are numbered with the last label fastest, labels of the result first: so slices n_summed * k to n_summed *
 * (k + 1) - 1 are added up to part k of the result. */
typedef struct ej_slicing {
    int32_t n_labels;
    int64_t *extents;
    int64_t n_kept, n_summed; /* slices: their product */
    size_t n_in;              /* of the slice's kernel, and which input of the whole each of them is */
    int32_t *inputs;
    size_t n_moves;
    ej_slice_move *moves;
    int32_t *result_labels; /* per axis of the result: which label cuts it, -1: none */
    int dtype, reduce;      /* of sums; EINJIT_REDUCE_* */
    /* One slice, row-major; the sum of two in the place of the first, NULL where nothing is added up; a sum as a part
     * of the result. */
    einjit_kernel *slice, *add, *store;
    int64_t sum_bytes; /* of one, a multiple of 64 */
    int32_t most_sums; /* that wait at a time */
} ej_slicing;

static inline int64_t ej_slices_count(const ej_slicing *slicing)
{
    return slicing->n_kept * slicing->n_summed;
}
void ej_slicing_drop(ej_slicing *slicing); /* its kernels' references */
/* Slices first .. end-1, one after the other; the parts of the result that none of them belongs to stay. */
int ej_slices_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, int64_t first,
                  int64_t end, einjit_error *err);
/* The sum of slices first .. end-1, which belong to one part of the result, before it is stored there. */
int ej_slices_sum(const einjit_kernel *kernel, const einjit_tensor *in, int64_t first, int64_t end, void *sum,
                  einjit_error *err);
/* Bytes of such a sum; where the part begins in the result and how large it is, per axis (NULL: not asked for). */
int64_t ej_slices_part(const einjit_kernel *kernel, int64_t slice, int64_t *begin, int64_t *shape);

#endif
