/* gen_maker.h - inside the generator: what makers of nodes share. A maker appends a node (or a few) and returns its value,
 * or -1 when nothing with a meaning came out. */
#ifndef TEST_GEN_MAKER_H
#define TEST_GEN_MAKER_H

#include "gen.h"
#include "oracle_op.h"

typedef struct gen_maker {
    gen_program *p;
    gen_random r;
    oracle_state s;
    int64_t palette[5]; /* extents of this program, so that shapes meet */
    gen_hits *hits;
} gen_maker;

ej_arena *gen_arena_of(gen_maker *m);
const oracle_value *gen_value(const gen_maker *m, ej_value v);
bool gen_is_literal(const gen_maker *m, ej_value v);
int64_t gen_pick_extent(gen_maker *m);
int gen_pick_dtype(gen_maker *m);
ej_value gen_keep(gen_maker *m, ej_node *node, const einjit_tensor *tensor);
ej_extent *gen_extents_of(gen_maker *m, int rank, const int64_t *shape);
int64_t *gen_dims_of(gen_maker *m, int n, const int64_t *dims);
ej_value *gen_values_of(gen_maker *m, int n, const ej_value *in);
ej_value gen_new_input(gen_maker *m, int dtype, int rank, const int64_t *shape, int64_t index_below);
ej_value gen_fresh_value(gen_maker *m);
ej_value gen_make_constant(gen_maker *m);
ej_value gen_make_literal(gen_maker *m);
ej_value gen_pick(gen_maker *m);
ej_value gen_make_unary(gen_maker *m, ej_node *node);
int64_t gen_any_dim(gen_maker *m, int rank);
ej_value gen_make_einsum(gen_maker *m);
ej_value gen_make_map(gen_maker *m);
ej_value gen_make_cast(gen_maker *m);
ej_value gen_make_reduce(gen_maker *m);
ej_value gen_make_norm(gen_maker *m);
ej_value gen_make_product(gen_maker *m);
ej_value gen_make_permute(gen_maker *m);
ej_value gen_make_reshape(gen_maker *m);
ej_value gen_make_squeeze(gen_maker *m);
ej_value gen_make_slice(gen_maker *m);
ej_value gen_make_join(gen_maker *m);
ej_value gen_make_indexed(gen_maker *m);

#endif
