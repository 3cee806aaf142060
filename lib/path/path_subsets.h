/* path_subsets.h - dynamic programming over all subsets of a few operands: the best of all orders of pairs. */
#ifndef EJ_PATH_SUBSETS_H
#define EJ_PATH_SUBSETS_H

#include "path.h"

enum { EJ_OPTIMAL_LIMIT = 16 };

/* Labels count by who has them: bit t of `members` operand t, bit EJ_OPTIMAL_LIMIT the result. */
typedef struct ej_subsets {
    int32_t n, most, n_groups, room;
    struct ej_subset_group *groups;
    uint64_t *index;        /* members -> group, open addressing: while labels are added */
    double *touch, *inside; /* per subset: extents of the labels that it has, and of those that nothing else has */
    double *cost, *write;   /* per subset: of its best tree */
    uint32_t *split;        /* per subset: the part of its best tree that has the lowest operand */
    double alone[EJ_OPTIMAL_LIMIT], log2_alone[EJ_OPTIMAL_LIMIT]; /* per operand: labels that nobody else has */
    uint32_t with_alone;                                          /* operands that have such labels */
    bool twice; /* the caller's: steps that sum count twice, as opt_einsum counts */
    bool wide;  /* costs are logarithms, as the product of all extents is beyond doubles */
} ej_subsets;

/* Memory for up to `most` operands and `labels` labels. */
int ej_subsets_new(ej_subsets *out, int32_t most, size_t labels, ej_job *job);
void ej_subsets_begin(ej_subsets *s, int32_t n);
void ej_subsets_label(ej_subsets *s, uint32_t members, double extent, double log2_extent);
/* Fills cost, write and split. The cost of the whole: cost[(1 << n) - 1], a logarithm where wide. 3^n / 2 splits.
 * E_INTERRUPTED: the caller wants no more; job NULL: nobody is asked. */
int ej_subsets_solve(ej_subsets *s, const ej_job *job);

#endif
