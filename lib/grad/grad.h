/* grad.h - gradients: the vector-Jacobian product of a graph, as nodes of the same graph. */
#ifndef EJ_GRAD_H
#define EJ_GRAD_H

#include "graph.h"
#include "job.h"

/* out[i] = the sum over k of (dy[k] / dwrt[i])^T seed[k], for complex numbers PyTorch's: (...)^H. seeds NULL, or
 * seeds[k] < 0: y[k] has no axes and the seed is 1. Appends to the graph; on failure it is as it was. */
int ej_graph_gradient(ej_graph *graph, ej_job *job, size_t n_y, const ej_value *y, const ej_value *seeds, size_t n_wrt,
                      const ej_value *wrt, ej_value *out);

#endif
