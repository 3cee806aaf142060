/* nest_cut.h - nests whose work several threads share: one axis is cut into pieces. */
#ifndef EJ_NEST_CUT_H
#define EJ_NEST_CUT_H

#include "nest.h"

/* Pieces of an axis of which any runs of neighbours, in any order or at the same time, do what the whole nest does: the
 * root's range of the axis is theirs then, and everything placed is each run's own. Gives how many values a piece has;
 * 0: the axis cannot be cut. *out is changed only on success. E_NOMEM only. */
int ej_nest_cut_step(int64_t *out, const ej_nest *nest, int32_t axis, ej_arena *arena);

/* Cuts the nest where that pays, by the costs of the target row. `random` not 0 (property tests): along any axis that
 * can be cut, into pieces as small as they can be. E_NOMEM only. */
int ej_nest_choose_cut(ej_nest *nest, const ej_target *target, uint64_t random, ej_arena *arena);

/* Where no nest is worth it by itself, none of them stays cut. Else small ones beside it do: each thread then finds in
 * its caches what it wrote (seven steps of a tensor product, 190 us by one thread of Zen 4, took 610 where two shared
 * only the largest of them). */
void ej_nests_keep_cuts(ej_nest *nests, int32_t n);

/* How many pieces a cut nest has: ceil(extent / step). */
int ej_nest_pieces(ej_sizes *sizes, const ej_nest *nest, ej_size *out, einjit_error *err);

#endif
