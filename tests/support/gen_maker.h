/* gen_maker.h - inside the generator: what makers of nodes share. A maker appends a node (or a few) and returns its
 * value, or -1 when nothing with a meaning came out. */
#ifndef TEST_GEN_MAKER_H
#define TEST_GEN_MAKER_H

#include "gen.h"
#include "oracle_op.h"

enum { GEN_MAX_NODES = 160, GEN_MAX_ELEMENTS = 1500, GEN_MAX_RANK = 7 };
enum { GEN_LABELS = 7, GEN_NO_LABEL = -1 };

typedef struct gen_reach {
    float up, down; /* powers of two that large and small factors may come to together */
} gen_reach;

typedef struct gen_maker {
    gen_program *p;
    gen_random r;
    oracle_state s;
    int64_t palette[5]; /* extents of this program, so that shapes meet */
    gen_hits *hits;
    /* GEN_EINSUM: what the axes of values mean, so that einsums, sums and products meet */
    bool by_label;
    ej_value pinned; /* what gen_pick gives next; -1: anything */
    int main_dtype;  /* of most values */
    int64_t label_extent[GEN_LABELS];
    int32_t label_symbol[GEN_LABELS];         /* -1: inputs say the number */
    int8_t axes[GEN_MAX_NODES][GEN_MAX_RANK]; /* per value and axis: the label, or none */
    gen_reach reach[GEN_MAX_NODES];
    int uses[GEN_MAX_NODES];
    bool differentiable; /* f64 and c128 alone, reals, dtypes and ranks said */
} gen_maker;

ej_arena *gen_arena_of(gen_maker *m);
const oracle_value *gen_value(const gen_maker *m, ej_value v);
bool gen_is_literal(const gen_maker *m, ej_value v);
int64_t gen_pick_extent(gen_maker *m);
int gen_pick_dtype(gen_maker *m);
ej_value gen_keep(gen_maker *m, ej_node *node, const einjit_tensor *tensor);
/* A node over n values; -1 where one of them is not there. */
ej_value gen_keep_of(gen_maker *m, ej_node node, int n, const ej_value *in);
ej_extent *gen_extents_of(gen_maker *m, int rank, const int64_t *shape);
int64_t *gen_dims_of(gen_maker *m, int n, const int64_t *dims);
ej_value *gen_values_of(gen_maker *m, int n, const ej_value *in);
ej_value gen_keep_input(gen_maker *m, ej_node *node, int dtype, int rank, const int64_t *shape, int64_t index_below);
ej_value gen_new_input(gen_maker *m, int dtype, int rank, const int64_t *shape, int64_t index_below);
ej_value gen_new_constant(gen_maker *m, int dtype, int rank, const int64_t *shape);
ej_value gen_fresh_value(gen_maker *m);
ej_value gen_make_constant(gen_maker *m);
ej_value gen_make_literal(gen_maker *m);
ej_value gen_pick(gen_maker *m);
ej_value gen_make_unary(gen_maker *m, ej_node *node);
int64_t gen_any_dim(gen_maker *m, int rank);
ej_value gen_make_einsum(gen_maker *m);
bool gen_fn_allowed(const gen_maker *m, int fn, const ej_value *in); /* for the dtypes of these operands */
ej_value gen_make_map(gen_maker *m);
ej_value gen_make_cast(gen_maker *m);
ej_value gen_make_reduce(gen_maker *m);
ej_value gen_make_norm(gen_maker *m);
ej_value gen_make_product(gen_maker *m);
ej_value gen_make_end(gen_maker *m);
ej_value gen_make_permute(gen_maker *m);
ej_value gen_make_reshape(gen_maker *m);
ej_value gen_make_squeeze(gen_maker *m);
ej_value gen_make_slice(gen_maker *m);
ej_value gen_make_join(gen_maker *m);
ej_value gen_make_indexed(gen_maker *m);
ej_value gen_make_like(gen_maker *m);
ej_value gen_make_places(gen_maker *m); /* gen_places.c */
ej_value gen_make_edges(gen_maker *m);  /* gen_edges.c */

/* GEN_UPDATE: the end of a program (gen_update.c). */
bool gen_update_end(gen_maker *m);
/* GEN_CHAIN: a whole program, its result included (gen_chain.c). */
bool gen_chain_fill(gen_maker *m, int size);

/* ---- GEN_EINSUM: makers over labels ---- */

bool gen_einsum_begin(gen_maker *m);    /* labels, extents, dtype of the program */
ej_value gen_einsum_step(gen_maker *m); /* one or a few operations */
/* How far the new value reaches; false: some order of evaluation might overflow. (gen_magnitude.c) */
bool gen_magnitude(const gen_maker *m, const ej_node *node, const oracle_value *result, gen_reach *out);
void gen_set_axes(gen_maker *m, ej_value v, int n, const int8_t *axes);
/* gen_labelled.c: inputs, constants and einsums whose axes are labels */
ej_value gen_label_input(gen_maker *m, int n, const int8_t *axes);
ej_value gen_label_any_input(gen_maker *m);
ej_value gen_label_constant(gen_maker *m);
ej_value gen_label_like(gen_maker *m, ej_value v); /* an input of v's axes, now and then of extent 1 in one */
ej_value gen_label_einsum(gen_maker *m);
ej_value gen_label_product(gen_maker *m);   /* matmul, tensordot */
ej_value gen_label_constants(gen_maker *m); /* an einsum over several constants, or only over constants */
/* v's einsum in other letters (and order of operands); operand number `replaced` (-1: none) is `instead`. */
ej_value gen_einsum_again(gen_maker *m, ej_value v, int replaced, ej_value instead, bool shuffle);
/* gen_linear.c: scalars, sums of terms, repetitions */
ej_value gen_linear_map(gen_maker *m, int fn, ej_value a, ej_value b); /* b -1: one operand */
ej_value gen_linear_literal(gen_maker *m);
ej_value gen_linear_scalar(gen_maker *m);             /* a literal, or a 0-d input or constant */
ej_value gen_linear_scaled(gen_maker *m, ej_value v); /* v times, or over, a scalar */
ej_value gen_linear_scale(gen_maker *m);
/* of values of one shape, of einsums that share an operand, ... */
ej_value gen_linear_sum(gen_maker *m);
ej_value gen_linear_multiply(gen_maker *m);    /* by an array, or an array by itself */
ej_value gen_linear_homogeneous(gen_maker *m); /* relu, abs, maximum, square, ... */
ej_value gen_linear_repeat(gen_maker *m);      /* an earlier operation once more */

#endif
