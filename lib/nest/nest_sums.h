/* nest_sums.h - long sums of a finished nest in blocks. */
#ifndef EJ_NEST_SUMS_H
#define EJ_NEST_SUMS_H

#include "nest.h"

/* Terms that an accumulator of a compiled nest takes one after the other; up to twice as many make no block of their
 * own. 1024 cost nothing that can be measured, and leave errors of hundreds of roundings where sums are long. */
enum { EJ_SUM_BLOCK = 1024 };

/* Floating sums of more than 2 * `most` terms an accumulator: each block of at most `most` in one of its own, which is
 * then added; blocks of blocks, too. Blocks are powers of 2. `most` at least 2. E_NOMEM only. */
int ej_nest_block_sums(ej_nest *nest, int64_t most, ej_arena *arena);

#endif
