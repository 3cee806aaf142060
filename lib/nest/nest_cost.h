/* nest_cost.h - cycles of a tree and of one leaf. */
#ifndef EJ_NEST_COST_H
#define EJ_NEST_COST_H

#include "nest.h"

typedef struct ej_nest_cost {
    double cycles; /* all of it */
    double compute, memory;
    double fill[3], walks; /* of memory: from the L2 into the L1, from the L3 into the L2, from memory; page walks */
    double operations;     /* vector instructions that compute */
} ej_nest_cost;

/* One execution of a leaf: instructions by the unit they go to, and the cycles its accumulators need. */
typedef struct ej_leaf_cost {
    double alu, loads, stores, shuffles, latency;
    double turns; /* shuffles between registers */
    double lanes; /* of a vector */
} ej_leaf_cost;

/* Cycles of a checked nest on a row of the target table; E_NOMEM only. */
int ej_nest_cost_of(ej_nest_cost *out, const ej_nest *nest, const ej_target *target, ej_arena *arena);
/* Operations on vectors that its code has, about; E_NOMEM only. (nest_code.c) */
int ej_nest_code(double *out, const ej_nest *nest, ej_arena *arena);
/* A JSON object on a line. */
void ej_nest_cost_print(ej_text *text, const ej_nest *nest, const ej_nest_cost *cost);
/* Some function of the expression is code of its own, which is called for each vector. */
bool ej_nest_calls(const ej_expr *expr);
/* `range`: by axis, how many values the leaf covers (nest_cost_leaf.c). */
void ej_nest_cost_leaf(ej_leaf_cost *out, const ej_nest *nest, int32_t leaf, const double *range);

#endif
