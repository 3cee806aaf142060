/* facts_as_einsum.h - nodes that are sums of products under another name, as einsums. */
#ifndef EJ_FACTS_AS_EINSUM_H
#define EJ_FACTS_AS_EINSUM_H

#include "facts.h"

/* What a node computes, as an einsum over `in`. Unlike an equation of a graph, labels need not come in order, and
 * output labels that no term has are axes of extent 1. */
typedef struct ej_einsum_form {
    /* NULL: the node is no einsum, or not for sure; labels below n_symbols have a letter */
    const ej_equation *equation;
    uint32_t n_symbols;
    uint32_t n_in;
    const ej_value *in;
    const int32_t *needs; /* per output axis: the id of an extent that it has although the operands may have 1 there, */
                          /* or -1; NULL: none (expand has them) */
    bool computes;        /* it multiplies or sums: its own dtype matters */
    bool contracts;       /* it sums */
    bool twice;           /* one operand occurs twice */
    enum ej_rule rule;    /* that writes it into the place of an operand */
} ej_einsum_form;

/* What is known of a graph, for every node. */
typedef struct ej_einsum_facts {
    const ej_graph *graph;
    const ej_known_dtype *dtypes;
    const ej_known_shapes *shapes;
    ej_arena *arena;
} ej_einsum_facts;

/* Right for every input that the node accepts. An einsum whose operands' ranks are known has no ellipsis in its form.
 * Fails for lack of memory only. */
int ej_as_einsum(const ej_einsum_facts *facts, ej_value v, ej_einsum_form *out, einjit_error *err);

#endif
