/* nest_contract.h - what the recipes of reductions share: one register tile of the result and its accumulation. */
#ifndef EJ_NEST_CONTRACT_H
#define EJ_NEST_CONTRACT_H

#include "nest_tiling.h"

typedef struct ej_contraction {
    ej_nest *nest;
    const ej_step *step;
    ej_job *job;
    ej_tiling tiling;
    int dtype;     /* of the reduced value */
    int32_t acc;   /* REG buffer: one element a row and lane of the result */
} ej_contraction;

/* A REG buffer of the reduced value's dtype, placed at a node. */
int ej_contraction_buffer(ej_contraction *b, const char *name, int64_t elems, int32_t place, int32_t *out);
int ej_contraction_leaf(ej_contraction *b, int32_t parent, ej_access dst, int32_t n_src, ej_access *src, ej_expr expr,
                        int reduce, ej_tile tile);
/* out <- epilogue(value, tail), or combined with what out holds. */
int ej_contraction_finish(ej_contraction *b, int32_t parent, ej_access value, int reduce, ej_tile tile);
/* Under a loop over the lane axis: rows, acc <- neutral, the reduced loops around the contract of `sources`, the result
 * stored through the epilogue. */
int ej_contraction_tile(ej_contraction *b, int32_t parent, ej_access *sources);

#endif
