/* facts_zero.h - where the sign of a zero can be seen: 1 / 0.0 is not 1 / -0.0.
 *
 * Rewrites that may turn 0.0 into -0.0 (a factor that may be negative moves through a sum, products are added up in
 * another order) ask here first. A zero's sign counts where a division or a root of the program can reach it. In
 * results it does not.
 */
#ifndef EJ_FACTS_ZERO_H
#define EJ_FACTS_ZERO_H

#include "facts.h"

/* What the sign of a zero in an operand does. */
enum ej_zero_use { EJ_ZERO_NOT_SEEN, EJ_ZERO_HANDED_ON, EJ_ZERO_SEEN };
/* Of operand k of an operation; `real`: it is known to be of a real floating dtype; `power`: the exponent of a pow
 * where the program says it, else 0. Graphs and bound graphs share it. */
int ej_zero_use(int op, int fn, uint32_t k, bool real, double power);

/* Per value, whether the signs of its zeros count. NULL: out of memory. */
bool *ej_facts_zeros(const ej_graph *graph, const ej_known_dtype *dtypes, ej_arena *arena);

#endif
