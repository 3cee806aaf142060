/* plan_links.h - what a plan's steps wait for and what each costs, for reports and drawings. */
#ifndef EJ_PLAN_LINKS_H
#define EJ_PLAN_LINKS_H

#include "plan.h"

/* A step, or (to_step -1) the caller, reads `buffer`, which an earlier step, or (from_step -1) the caller, wrote. */
typedef struct ej_plan_link {
    int32_t from_step, to_step, buffer;
} ej_plan_link;
typedef struct ej_plan_links {
    size_t n;
    ej_plan_link *items; /* by to_step, those of the results last */
} ej_plan_links;

/* plan_links.c. Direct links only. False: out of memory. */
bool ej_plan_links_find(ej_plan_links *out, const ej_plan *plan, ej_arena *arena);
/* plan_dot.c: the steps as a graph in Graphviz's language. */
void ej_plan_print_dot(ej_text *text, const ej_plan *plan);
/* "text" with what JSON and Graphviz ask for escaped. */
void ej_print_quoted(ej_text *text, const char *string);

/* plan_cost.c */
double ej_plan_step_operations(const ej_step *step);
double ej_plan_step_bytes(const ej_plan *plan, const ej_step *step); /* operands and result, once each */

#endif
