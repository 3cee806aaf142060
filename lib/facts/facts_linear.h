/* facts_linear.h - in which operands an operation is linear, and how: what scalar factors may do to it. */
#ifndef EJ_FACTS_LINEAR_H
#define EJ_FACTS_LINEAR_H

#include "facts.h"

enum ej_linear_kind {
    EJ_LINEAR_NOT,   /* no factor gets through */
    EJ_LINEAR_EACH,  /* f(c x, d y) = c^p d^q f(x, y): each operand by itself, to its power */
    EJ_LINEAR_JOINT, /* f(c x, c y) = c f(x, y): all operands in step */
};
enum ej_linear_takes { EJ_TAKES_ANY, EJ_TAKES_REAL, EJ_TAKES_POSITIVE };
enum ej_linear_gives { EJ_GIVES_SAME, EJ_GIVES_ABS, EJ_GIVES_CONJ, EJ_GIVES_NOTHING };

/* Which factors may pass without a change of the signs of zeros: */
enum ej_linear_signs {
    EJ_ZEROS_CHANGE,  /* positive ones */
    EJ_ZEROS_PRODUCT, /* all, where values are real: a zero's sign is the product of signs */
    EJ_ZEROS_MOVE,    /* all: elements are only moved */
};

typedef struct ej_linear {
    uint8_t kind, takes, gives, signs; /* of the enums above */
    bool flips;                        /* f(-x) = -g(x), where g is the node with `flipped` for fn: of max and min */
    bool subtracts;                    /* add and sub: opposite signs make one out of the other, `flipped` */
    uint8_t flipped;
    uint32_t first, n; /* the operands that it is linear in; factors of others stay */
    bool likes;        /* the operands behind those count by shape and dtype alone */
    bool zeros;        /* it brings zeros of its own in */
    int power[2];      /* EACH: of operand `first`, and of those behind it */
} ej_linear;
/* Operand k counts by shape and dtype alone: factors of it are nothing to the node. */
static inline bool ej_linear_is_like(const ej_linear *linear, uint32_t k)
{
    return linear->likes && k >= linear->first + linear->n;
}

/* Some label of an operand (or an ellipsis) is not in the output. */
bool ej_facts_sums(const ej_equation *equation);
ej_linear ej_facts_linear(const ej_graph *graph, const ej_node *node);

#endif
