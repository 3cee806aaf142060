/* opt_gather.h - inside the pass that offers to contract before or after a gather or scatter. */
#ifndef EJ_OPT_GATHER_H
#define EJ_OPT_GATHER_H

#include "facts_as_einsum.h"
#include "opt_alternative.h"

typedef struct ej_gather {
    ej_edit edit;
    const ej_graph *graph;
    ej_job *job;
    const uint32_t *uses;
    const ej_known_dtype *dtypes;
    const ej_known_shapes *shapes;
    const bool *zeros; /* per node: the signs of its zeros count */
    const bool *offered;
} ej_gather;

/* v as an einsum: matmul and tensordot get an equation where it is known. Otherwise the node as it is. */
int ej_gather_view(const ej_gather *g, ej_value v, ej_node *out);
bool ej_gather_contracts(const ej_node *view);
/* Is adding up `part` as exact as adding up `whole`, and the same where integers wrap? */
bool ej_gather_same_dtype(const ej_gather *g, ej_value whole, ej_value part);
/* v, and another way to it. */
int ej_gather_offer(ej_gather *g, ej_value v, ej_value other, enum ej_rule rule);

/* opt_gather_operands.c: some of the operands alone. */
int ej_gather_part_behind(ej_gather *g, ej_value v, const ej_node *view);
int ej_gather_part_in_front(ej_gather *g, ej_value v, const ej_node *view);

#endif
