/* nest_leaf.h - nests of one plan that are the same code, apart from where their buffers lie.
 *
 * A leaf is code for one or more nests: it is handed its memory as an array of pointers, one for each buffer in the
 * order in which the nest first names them. A pointer holds the buffer's address plus the base of the first access to
 * it, so that equal views into one buffer are the same leaf, and other accesses to the buffer count from there.
 */
#ifndef EJ_NEST_LEAF_H
#define EJ_NEST_LEAF_H

#include "base_words.h"
#include "nest.h"

typedef struct ej_leaf_pointer {
    int32_t buffer; /* of the nest; ARG, SCRATCH or CONST */
    int64_t origin; /* the element that the pointer is at */
} ej_leaf_pointer;

/* How one nest uses its leaf. */
typedef struct ej_leaf_use {
    int32_t leaf;
    int32_t n_pointers;
    ej_leaf_pointer *pointers;
} ej_leaf_use;

typedef struct ej_leaves {
    int32_t n;
    int32_t *first;    /* per leaf: the first nest that it is code for */
    ej_leaf_use *uses; /* per nest */
    int32_t most_pointers;
} ej_leaves;

void ej_fact_words_of_expr(ej_fact_words *w, const ej_expr *expr); /* a fact of any key that code depends on */
/* In the job's arena. Nests are compared, not only their hashes. E_NOMEM. */
int ej_leaves_find(ej_leaves *out, const ej_nests *nests, ej_job *job);

#endif
