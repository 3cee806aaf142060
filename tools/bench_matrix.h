/* bench_matrix.h - an equation as a (batched) product of matrices, as the libraries of matrix products take it. */
#ifndef TOOL_BENCH_MATRIX_H
#define TOOL_BENCH_MATRIX_H

#include "tool.h"

/* c[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n], strides in elements. One of c's strides of m and n is
 * 1 and the other a leading dimension; so it is with a and b. Where c was written with m unit, a and b have changed
 * places, so that n_c is 1 always; `swapped` says that a is the equation's second operand. */
typedef struct bench_matrix {
    int dtype;
    int64_t batch, m, n, k;
    struct {
        int64_t batch, row, column; /* strides: rows are m (a, c) or k (b) */
    } a, b, c;
    bool swapped;
} bench_matrix;

/* False where the equation is no product of two matrices without a copy, or its dtypes differ. */
bool bench_matrix_read(bench_matrix *out, const char *equation, const tool_tensor *in, size_t n_in,
                       const tool_tensor *result);

#endif
