/* recipe_chain.h - blocks of copies by how their source and their result lie in memory.
 *
 * Takes  accesses of a statement.
 * Gives  for each the axes that walk its buffer in one piece, and blocks of these that are pieces of some size.
 */
#ifndef EJ_RECIPE_CHAIN_H
#define EJ_RECIPE_CHAIN_H

#include "schedule.h"

enum { EJ_CHAIN_AXES = EJ_TILE_DIGITS };

/* The axes along which an access walks its buffer in one piece, the fastest one first; an open one ends it. */
typedef struct ej_chain {
    int32_t n, axis[EJ_CHAIN_AXES];
} ej_chain;

ej_chain ej_chain_of(const ej_schedule *s, const ej_statement *st, const ej_access *access);
/* Grows the blocks (one an axis, at least 1 each) of the axes of a chain until they walk about `want` elements in one
 * piece. Blocks of 1 become multiples of `multiple` (one an axis), others multiples of themselves, unless they hold the
 * whole axis. */
void ej_chain_grow(const ej_schedule *s, const ej_chain *c, int64_t *block, double want, const int64_t *multiple);

#endif
