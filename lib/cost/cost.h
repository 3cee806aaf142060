/* cost.h - operations and bytes, counted as einjit.h defines at einjit_cost, and what they weigh beside each other.
 * Passes' reports, decisions, plans and the evaluator of constants count with these functions, so that their figures
 * compare.
 *
 * Counts are doubles: infinite beyond what a double holds, never NaN. Open extents count as observed. No function fails
 * but for want of memory; all are pure and take one thread each.
 */
#ifndef EJ_COST_H
#define EJ_COST_H

#include "bind.h"

typedef struct ej_count {
    double operations, bytes;
} ej_count;

/* ---- cost_node.c ---- */

/* Points of a loop nest, elements of a shape: 0 where one extent is 0, also where the others are too many for a double.
 * O(n). */
double ej_cost_points(int32_t n, const ej_size *sizes);
/* `each` operations a point; 0 of none, however many points there are. */
double ej_cost_loop(double each, double points);
/* Operations a point of an einsum of so many terms, which adds up or does not. */
static inline double ej_cost_each(double terms, bool sums)
{
    double each = (terms > 1 ? terms - 1 : 0) + (sums ? 1 : 0);
    return each > 1 ? each : 1;
}
/* Of the node's value. */
double ej_cost_elements(const ej_bound_node *node);
double ej_cost_bytes(const ej_bound_node *node);
/* One node of `bound`, or another one over its values: what it computes, reads and writes by itself.
 * O(labels + axes^2). */
ej_count ej_cost_node(const ej_bound *bound, const ej_bound_node *node);
/* All that results need, every value by itself; of a CHOOSE the first alternative. Memory is the job's. O(graph). */
int ej_cost_graph(ej_count *out, const ej_bound *bound, ej_job *job);
/* einjit_cost.touched_bytes: bytes of inputs and results that every way of computing them reads and writes.
 * O(graph). */
int ej_cost_touched(double *out, const ej_bound *bound, ej_job *job);

/* ---- cost_weight.c ---- */

/* Operations and bytes as one number, in operations. */
double ej_cost_weight(ej_count count);
/* Fewer operations, or as many and fewer bytes. */
bool ej_cost_less(ej_count a, ej_count b);

#endif
