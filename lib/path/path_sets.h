/* path_sets.h - the operands of a network while it is being contracted: label sets that merge.
 *
 * What the strategies, the costs and the reports share: which labels a contraction keeps, and what it costs.
 */
#ifndef EJ_PATH_SETS_H
#define EJ_PATH_SETS_H

#include "path.h"
#include "path_number.h"

typedef struct ej_label_sets {
    const ej_network *network;
    double *extent; /* per label */
    int32_t *left;  /* per label: live sets that have it, one more when the output has it */
    int32_t n, cap; /* sets made so far: operands, then results */
    size_t *at;     /* per set: where its labels begin in pool */
    int32_t *len;   /* per set: number of labels, -1 once it was contracted */
    ej_big *size;   /* per set: elements, labels that only this operand has left out */
    int32_t *pool;  /* live sets never have more labels in all than the operands had */
    size_t used, room;
} ej_label_sets;

/* zeros: extents of 0 count as 0; else as 1, so that a search still sees a difference. cap_steps: results to come. */
int ej_label_sets_init(ej_label_sets *sets, const ej_network *network, bool zeros, size_t cap_steps, ej_job *job);
/* Replace a and b (b -1: a alone) by their contraction, the next set. *cost: the product of all extents in the step. */
int32_t ej_label_sets_merge(ej_label_sets *sets, int32_t a, int32_t b, ej_big *cost);
static inline const int32_t *ej_label_sets_of(const ej_label_sets *sets, int32_t set)
{
    return sets->pool + sets->at[set];
}
/* The product of the extents of labels that only `set` has (1: none). */
ej_big ej_label_sets_private(const ej_label_sets *sets, int32_t set);

/* Strategies give pairs only; this puts a step of one operand before a pair where summing its own labels first pays. */
int ej_path_settle(ej_path *path, const ej_network *network, ej_job *job);

/* The sum over steps of the product of all extents in the step, and the largest result. */
int ej_path_count(ej_path *path, const ej_network *network, ej_job *job);
/* Steps in the order in which the fewest elements live at once, where that is fewer than they have, and how many they
 * are; `keep`: that of the order that they have. (path_peak.c) */
int ej_path_order(ej_path *path, const ej_network *network, bool keep, ej_job *job);
/* Labels are cut until at most 2^log2_most elements live at once. (path_slice.c) */
struct ej_effort;
int ej_path_slice(ej_path *path, const ej_network *network, double log2_most, const struct ej_effort *effort,
                  ej_job *job);

/* A path of pairs that costs no more, by solving small subtrees exactly (path_refine.c). */
int ej_path_refine(ej_path *path, const ej_network *network, ej_job *job);

/* The strategies (path_<name>.c). */
int ej_path_optimal(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_dp(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_branch(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_greedy(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_written(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_random(ej_path *out, const ej_network *network, ej_job *job);
int ej_path_portfolio(ej_path *out, const ej_network *network, ej_job *job);

#endif
