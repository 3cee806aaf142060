/* bench_equation.h - an equation of letters as labels: what the reference and the peers of einjit-bench read. */
#ifndef TOOL_BENCH_EQUATION_H
#define TOOL_BENCH_EQUATION_H

#include "tool.h"

enum { EQUATION_LABELS = 128, EQUATION_TERMS = 64, EQUATION_RANK = 64 };

typedef struct bench_equation {
    int n_terms, n_labels, rank[EQUATION_TERMS], label[EQUATION_TERMS][EQUATION_RANK], out_rank, out[EQUATION_RANK];
    uint32_t symbol[EQUATION_LABELS];
    int64_t extent[EQUATION_LABELS];
} bench_equation;

/* TOOL_FAILED, without a message, for what is not an equation of letters over n_in dense inputs. Extents: of the axis
 * that is not 1, where one label has both. */
int bench_equation_read(bench_equation *out, const char *equation, const tool_tensor *in, size_t n_in);
/* Strides of every term and (last) of the output per label, in elements: 0 where it lacks the label, summed for
 * diagonals. */
void bench_equation_strides(const bench_equation *p, const tool_tensor *in,
                            int64_t stride[EQUATION_TERMS + 1][EQUATION_LABELS]);
/* The place of a label in a list; -1 where it is not. */
int bench_find(const int *labels, int n, int label);

#endif
