/* bind.h - a graph with the observed dtypes, extents and strides: every value has a dtype, a rank and extents.
 *
 * Binding also replaces what is only notation by core operations, now that ranks are known. A bound graph has only:
 *   INPUT CONSTANT SCALAR EINSUM MAP CAST REDUCE(sum max min prod; or on bool) PERMUTE RESHAPE EXPAND SLICE CAT
 *   INDEX_SELECT INDEX_ADD ARANGE CHOOSE
 * with: EINSUM over resolved subscripts, its operands already of the result's dtype (CASTs inserted), size-1 axes that
 * broadcast listed; logsumexp einsums and reductions, mean, softmax, layer_norm, matmul, tensordot, stack, transpose,
 * (un)squeeze, at-indexing (as SLICE and RESHAPE) written out. MAP operands are of the dtype the function computes in
 * (CASTs inserted; COMPARE and EQUAL: both of the promoted dtype) and broadcast by rule: right-aligned, extent 1
 * stretches. Literals are SCALAR nodes of rank 0 with the dtype they took. Operands: INDEX_SELECT x, index; INDEX_ADD
 * index, value (index a vector of i32 or i64). Over bool, arithmetic MAPs became logical ones, EINSUM is or of and.
 * What would change nothing (a cast to the same dtype, conj of reals, ...) is not there, so a result may be an input.
 * An open extent that an x[i] or squeeze depends on is closed. CHOOSE: two or more values of one dtype and shape, all
 * the same value computed in another way; alternatives whose guards do not hold were not bound.
 */
#ifndef EJ_BIND_H
#define EJ_BIND_H

#include "base_size.h"
#include "graph.h"
#include "job.h"

typedef struct ej_bound_node {
    uint8_t op, fn, combine;
    bool structural; /* CONSTANT: zeros may be dropped */
    int16_t dtype;   /* of the result */
    int32_t rank;
    ej_size *shape;
    uint32_t n_in;
    ej_value *in;              /* bound ids */
    ej_subscripts *subscripts; /* EINSUM: labels of terms and output; label extents below */
    /* EINSUM: extent per label; an operand's axis of extent 1 under a larger label broadcasts */
    ej_size *label_sizes;
    uint32_t n_dims;
    /* PERMUTE: result axis i is operand axis dims[i]; REDUCE: operand axes reduced (ascending, none is kept); CAT,
     * INDEX_SELECT, INDEX_ADD: the axis; all normalized to >= 0 */
    int64_t *dims;
    ej_size *starts;  /* SLICE: per axis start (operand units); */
    int64_t *steps;   /* SLICE: per axis the step, not 0; the result's shape says how many */
    double re, im;    /* SCALAR */
    int64_t integer;  /* SCALAR of an integer or bool dtype; INDEX_SELECT of a gather: 1 + its axis, else 0 */
    const void *data; /* CONSTANT: row-major, borrowed from the graph */
    const char *name; /* of the program's value this came from, for dumps */
    bool is_part;     /* made on the way to that value */
    const char *note; /* for dumps; NULL: none */
} ej_bound_node;

typedef struct ej_bound_tensor { /* an input or output as the caller hands it over */
    int16_t dtype;
    int32_t rank;
    ej_size *shape;
    ej_size *strides;
    bool row_major; /* strides follow from the shape, also for open extents */
} ej_bound_tensor;

typedef struct ej_bound_extent { /* of an axis, and the program's value that depends on it */
    ej_size size;
    const char *name;
} ej_bound_extent;

typedef struct ej_closed_extent { /* was to stay open */
    const char *symbol;
    const char *by; /* the program's value that needs its number; "": inputs differ in it */
    int64_t n;
} ej_closed_extent;

typedef struct ej_bound {
    ej_sizes sizes; /* open symbols of the signature first */
    size_t n_nodes, cap_nodes;
    ej_bound_node *nodes;
    size_t n_inputs;
    ej_value *inputs; /* bound ids of the inputs, in order */
    ej_bound_tensor *input_tensors;
    size_t n_held; /* so many inputs, the last ones, are what the outputs hold before the run, in order; 0:
                              * none */
    size_t n_outputs;
    ej_value *outputs;
    ej_bound_tensor *output_tensors;
    size_t n_not_empty, cap_not_empty;
    ej_bound_extent *not_empty; /* open extents that must not be 0: a largest or smallest element is taken along them */
    size_t n_closed;
    ej_closed_extent *closed;
    size_t n_values;    /* nodes of the program ... */
    ej_value *of_value; /* ... and the bound node of each; -1: dead, or a literal that is no result */
    double drift[2];    /* ej_graph.drift */
} ej_bound;

/* n_out 0: row-major outputs. `open`: symbols that stay open, separated by commas (NULL none); a symbol that meets a
 * different extent than its own under one label or shape is closed to its observed value; an observed 1 is stretched
 * by a different extent and closed, and stays open where it meets only itself. All reasons of an equation, E_SHAPE,
 * E_DTYPE, E_SIZE, ... name the value, operand and axis. */
int ej_bind(ej_bound *out, const ej_graph *graph, size_t n_in, const einjit_tensor *in, size_t n_out,
            const einjit_tensor *outputs, const char *open, ej_job *job);
/* Unknown extents that have a name become that symbol where all axes of the name are equal in `in`, which binds. */
int ej_bind_settle(ej_graph *graph, const einjit_tensor *in, ej_job *job);
/* Invariants of a bound graph; E_INTERNAL. */
int ej_bound_verify(const ej_bound *bound, ej_job *job);
void ej_bound_print(ej_text *text, const ej_bound *bound);

#endif
