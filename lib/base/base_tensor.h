/* base_tensor.h - facts of the caller's tensors. */
#ifndef EJ_BASE_TENSOR_H
#define EJ_BASE_TENSOR_H

#include "base_diag.h"
#include "base_dtype.h"

/* Bytes that a tensor touches, relative to its data: [lo, hi), empty where it has no elements. */
typedef struct ej_span {
    int64_t lo, hi;
} ej_span;

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

#endif
