/* plan_einsum.h - an einsum while it is planned: what its operands and its step share. */
#ifndef EJ_PLAN_EINSUM_H
#define EJ_PLAN_EINSUM_H

#include "choose.h"
#include "plan_core.h"

/* An operand: one axis per label, labels ascending. */
typedef struct ej_part {
    ej_term labels;
    int32_t n_views;
    ej_view *views;          /* of the value, or of the sources of the map */
    int16_t dtype;           /* of the value */
    ej_value whole;          /* the operand's value, where a pointwise einsum takes it element for element; else -1 */
    const ej_plan_tape *map; /* the value as an expression over the views; NULL: it lies in memory */
} ej_part;

typedef struct ej_einsum {
    ej_planner *p;
    ej_value v;
    const ej_bound_node *node;
    bool pointwise; /* sums nothing */
    int32_t n_parts;
    ej_part *parts;          /* operands that are no scalars */
    ej_plan_tape scalars;    /* CONST ops */
    int32_t *rank_of;        /* per label: where it stands in a result: output labels first, in their order */
    int32_t *axis_of;        /* per label: axis of the step, -1 */
    const uint32_t *letters; /* per label, for dumps */
} ej_einsum;

/* plan_operand.c: parts from the node's operands; scalars apart. */
int ej_einsum_operands(ej_einsum *e);

/* plan_contract.c: a pointwise einsum as a pending tape over its shape. */
int ej_einsum_map(ej_einsum *e);
/* One step for all parts. `result`: those of the output's labels that some part has; `inside`: scalars are factors
 * inside of the reduction. */
int ej_einsum_contract(ej_einsum *e, const ej_term *result, bool inside);

#endif
