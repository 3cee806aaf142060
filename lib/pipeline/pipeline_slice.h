/* pipeline_slice.h - compiles within a memory limit. */
#ifndef EJ_PIPELINE_SLICE_H
#define EJ_PIPELINE_SLICE_H

#include "kernel_slice.h"
#include "path.h"
#include "pipeline_stage.h"

/* A program of its own, and the tensors that it is compiled for. */
typedef struct ej_slice_part {
    einjit_graph handle;
    bool is_open;
    size_t n_in;
    einjit_tensor *in, out;
} ej_slice_part;

typedef struct ej_slices {
    uint64_t limit;
    int32_t flags;
    ej_value value; /* the einsum; -1: nothing that could be sliced */
    const ej_bound_node *node;
    ej_network network;
    ej_path path;
    bool is_sliced;
    const char *path_text;
    int32_t *labels; /* per label of the slicing, the einsum's */
    ej_slicing slicing;
    einjit_tensor part; /* of the output: what all slices that are added up to it make */
    ej_slice_part slice, add, store;
    einjit_cost slice_cost, sums_cost, store_cost;
    uint64_t scratch_bytes; /* of a run */
} ej_slices;

/* Before a path is chosen: one that keeps the limit, in slices where it has to be. */
int ej_slices_begin(ej_pipeline *p);
/* The plan's scratch is within the limit, or slices are chosen now. E_LIMIT: it cannot be kept. */
int ej_slices_check(ej_pipeline *p);
static inline bool ej_is_sliced(const ej_pipeline *p)
{
    return p->slices && p->slices->is_sliced;
}
/* For sliced compiles: what the plan costs, the kernel, the text of a stage (of one slice). */
void ej_slices_cost(einjit_cost *out, const ej_slices *slices);
int ej_slices_kernels(einjit_kernel *kernel, ej_pipeline *p);
int ej_slices_explain(ej_text *out, ej_pipeline *p, int stage);
void ej_slices_end(ej_slices *slices); /* NULL is fine */

#endif
