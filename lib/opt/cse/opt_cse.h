/* opt_cse.h - what the files of common subexpressions share. */
#ifndef EJ_OPT_CSE_H
#define EJ_OPT_CSE_H

#include "opt.h"

typedef struct ej_cse_term { /* of an einsum, by what it looks like: equal looks have equal hashes */
    uint64_t hash;
    uint32_t index;
    bool used;
} ej_cse_term;

typedef struct ej_cse {
    ej_graph *graph;
    ej_job *job;
    ej_edit edit;
    const ej_known_dtype *dtypes; /* of the old values */
    size_t cap_hashes;
    uint64_t *hashes; /* per value */
    ej_value *slots;  /* open addressing; -1: free */
    size_t mask;
    /* room for the largest einsum: per label, per term (opt_cse_einsum.c) */
    uint64_t *colors, *next_colors;
    int32_t *image, *origin;
    ej_cse_term *terms[2];
} ej_cse;

int ej_cse_einsum_create(ej_cse *c);
/* Of operands, terms and output labels, whatever their order and letters. */
uint64_t ej_cse_einsum_hash(ej_cse *c, const ej_node *node, uint64_t seed);
/* b is a, up to the order of operands, letters, and perhaps of its output's axes: then axis i of b is axis dims[i] of
 * a, and *moved says that there is something to move. `dims` has room for b's output. False: they are not, or it was
 * not seen. */
bool ej_cse_einsum_match(ej_cse *c, const ej_node *a, const ej_node *b, int64_t *dims, bool *moved);

#endif
