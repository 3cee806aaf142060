/* gen.h - random programs with inputs, for the property tests: every operator, dtype and kind of stride. */
#ifndef TEST_GEN_H
#define TEST_GEN_H

#include "oracle.h"

typedef struct gen_random {
    uint64_t state;
} gen_random;
uint64_t gen_next(gen_random *r);
int gen_below(gen_random *r, int n); /* 0 .. n-1 */
bool gen_chance(gen_random *r, int percent);

enum gen_stride_kind {
    GEN_ROW_MAJOR,
    GEN_PERMUTED,
    GEN_PADDED,
    GEN_NEGATIVE,
    GEN_ZERO,
    GEN_UNALIGNED,
    GEN_STRIDE_KINDS
};
extern const char *const gen_stride_names[GEN_STRIDE_KINDS];

/* A tensor with strides of a kind, memory of its own around it, and guard bytes at both ends. */
typedef struct gen_tensor {
    einjit_tensor view;
    int64_t shape[ORACLE_RANK], strides[ORACLE_RANK];
    int kind;
    size_t offset; /* bytes by which it is not aligned */
    unsigned char *block;
    size_t block_bytes;
} gen_tensor;
bool gen_tensor_make(gen_tensor *out, gen_random *r, int dtype, int rank, const int64_t *shape, int kind);
bool gen_tensor_like(gen_tensor *out, const gen_tensor *t);   /* of the same shape and strides, and alignment */
void gen_tensor_copy(gen_tensor *to, const gen_tensor *from); /* the elements of one like it */
void gen_tensor_free(gen_tensor *t);
/* Small numbers on a grid (exact sums), or reals. Index values are set by the generator of index operations. */
void gen_tensor_fill(gen_tensor *t, gen_random *r, bool reals);
void gen_tensor_fill_wide(gen_tensor *t, gen_random *r); /* integers whose products wrap */
void gen_tensor_set_index(gen_tensor *t, gen_random *r, int64_t below);
/* Fill every byte of the block, so that stray writes show: call before, check after. */
void gen_tensor_poison(gen_tensor *t);
bool gen_tensor_intact(const gen_tensor *t);                          /* only the view's own elements changed */
int64_t gen_tensor_differs(const gen_tensor *a, const gen_tensor *b); /* the first element with other bits; else -1 */

enum { GEN_MAX_INPUTS = 40 };
typedef struct gen_program {
    ej_graph graph;
    size_t n_in;
    gen_tensor in[GEN_MAX_INPUTS];
    int64_t index_below[GEN_MAX_INPUTS]; /* > 0: an index input, and its bound */
    oracle_result oracle;                /* of the outputs */
    oracle_value *all;                   /* of every node, in oracle's arena */
    bool reals;
} gen_program;

/* What gen_places.c makes. */
enum gen_places_kind { GEN_ARANGE, GEN_FLATTEN, GEN_GATHER, GEN_TRIL, GEN_TRIU, GEN_ARGMAX, GEN_ARGMIN, GEN_PLACES };
extern const char *const gen_places_names[GEN_PLACES];

/* What the generator made, by kind: shared by all programs of a run. */
typedef struct gen_hits {
    uint64_t ops[EJ_OP_COUNT], fns[EJ_FN_COUNT], reduces[EINJIT_REDUCE_COUNT], einsum_reduces[EINJIT_REDUCE_COUNT];
    uint64_t dtypes[EINJIT_DTYPE_COUNT], strides[GEN_STRIDE_KINDS], output_strides[GEN_STRIDE_KINDS];
    uint64_t places[GEN_PLACES];     /* operators that are written as a few nodes */
    uint64_t scaled;                 /* runs with alpha and beta */
    uint64_t same_bits;              /* runs that were repeated by other threads */
    uint64_t in_place, not_in_place; /* runs whose output was one of their inputs, and those that were refused */
} gen_hits;

/* GEN_ANY: every operator alike. GEN_EINSUM: what optimizers meet, einsums over shared labels with scalars, sums and
 * layout operations between them (gen_einsum_program.c). GEN_CHAIN: what merges into few einsums, products, sums and
 * layout with one use each (gen_chain.c). GEN_DIFFERENTIABLE: as GEN_ANY, of f64 and c128 numbers. GEN_UPDATE: sums
 * that are added to inputs (gen_update.c). */
enum gen_kind { GEN_ANY, GEN_EINSUM, GEN_CHAIN, GEN_DIFFERENTIABLE, GEN_UPDATE, GEN_KINDS };
extern const char *const gen_kind_names[GEN_KINDS];
int gen_kind_by_name(const char *name); /* -1: none */

/* A program of about `size` operations. False when none came out (the oracle refused too often): try the next seed. */
bool gen_program_of(gen_program *out, int kind, uint64_t seed, int size, gen_hits *hits);
bool gen_program_make(gen_program *out, uint64_t seed, int size, gen_hits *hits); /* of GEN_ANY */
void gen_program_free(gen_program *p);
void gen_program_views(const gen_program *p, einjit_tensor *views);

#endif
