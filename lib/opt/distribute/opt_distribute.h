/* opt_distribute.h - what the files of the distribute pass share: one sum, its terms, and which of them have a factor
 * in common.
 */
#ifndef EJ_OPT_DISTRIBUTE_H
#define EJ_OPT_DISTRIBUTE_H

#include "opt_alternative.h"

/* An operation between a product and the sum that only scales it: * literal, / literal. */
typedef struct ej_scale {
    uint8_t fn; /* EJ_FN_MUL, EJ_FN_DIV */
    ej_value literal;
} ej_scale;

typedef struct ej_term_of_sum {
    ej_value value; /* what the sum adds, or subtracts */
    bool minus;
    ej_value product;   /* an einsum, matmul or multiplication that nothing else uses, scaled; -1: something else */
    bool product_minus; /* the sign of the product in the sum */
    size_t first_scale, n_scales; /* of the product, outermost first */
    size_t first_cofactor, n_cofactors;
    bool taken; /* part of a group */
} ej_term_of_sum;

/* A product but for one operand. Equal words: equal products whenever that operand is the same. */
typedef struct ej_cofactor {
    size_t term;
    uint32_t left_out; /* which operand */
    uint64_t hash;
    size_t first_word, n_words;
    int32_t next;     /* with the same words, of a later term; -1: none */
    int32_t head;     /* the first with those words */
    uint32_t waiting; /* of a head: so many in its list are not taken */
    bool seen;        /* of a head: its list was gone through */
} ej_cofactor;

/* Products that differ in one operand each. */
typedef struct ej_addend {
    size_t term;
    uint32_t left_out;
} ej_addend;
typedef struct ej_group {
    size_t first, n;
} ej_group;

typedef struct ej_distribute {
    ej_edit edit;
    ej_job *job;
    const ej_graph *graph;
    bool offers; /* extents may differ: leave the decision to bind */
    const uint32_t *uses;
    const ej_known_dtype *dtypes;
    const ej_known_shapes *shapes;
    const bool *zeros; /* per node: the signs of its zeros count */
    bool *inside;      /* per node: part of a sum that was looked at */
    int32_t *image;    /* per label: its number in the words, -1: none yet */
    /* the sum being looked at */
    ej_value root;
    size_t n_terms, cap_terms;
    ej_term_of_sum *terms;
    size_t n_scales, cap_scales;
    ej_scale *scales;
    size_t n_words, cap_words;
    int32_t *words;
    size_t n_cofactors, cap_cofactors;
    ej_cofactor *cofactors;
    size_t n_members, cap_members;
    ej_addend *members;
    size_t n_groups, cap_groups;
    ej_group *groups;
    /* nodes made so far: the same sum of the same values is made once */
    size_t n_made, made_slots;
    ej_value *made;
} ej_distribute;

enum { EJ_DISTRIBUTE_OPERANDS = 8 }; /* products with more are left alone: an operand costs a look at all others */

/* Nothing rounds coarser, and nothing wraps elsewhere, when `part` is computed in front of what gives `whole`. */
bool ej_distribute_alike(ej_known_dtype part, ej_known_dtype whole);
ej_value ej_distribute_left_out(const ej_distribute *d, const ej_addend *member);

/* ---- opt_distribute_term.c: d->root's terms, with their products ---- */
int ej_distribute_collect(ej_distribute *d);
/* ---- opt_distribute_group.c: d->groups, from the terms ---- */
int ej_distribute_group(ej_distribute *d);
/* ---- opt_distribute_build.c: what takes the root's place ---- */
int ej_distribute_build(ej_distribute *d, ej_value *out);

#endif
