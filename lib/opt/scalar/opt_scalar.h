/* opt_scalar.h - factors of values: for opt_scalar*.c. */
#ifndef EJ_OPT_SCALAR_H
#define EJ_OPT_SCALAR_H

#include "facts_linear.h"
#include "facts_zero.h"
#include "opt.h"

/* A value of rank 0 that multiplies, or divides. */
typedef struct ej_factor_use {
    ej_value value;
    bool below;
} ej_factor_use;

enum { EJ_FACTOR_USES = 8 };
/* (re + im i), or one over that, times the uses, in the order in which the program applies them. */
typedef struct ej_factor {
    double re, im;
    bool inverse;
    uint8_t n;
    const ej_factor_use *uses;
    double least, most; /* sizes of the number on the way here, 1 among them: least <= 1 <= most */
} ej_factor;

/* opt_scalar_factor.c */
extern const ej_factor ej_factor_one;
ej_factor ej_factor_only_number(ej_factor a); /* without its uses */
bool ej_factor_is_one(const ej_factor *a);
bool ej_factor_is_number(const ej_factor *a, double re); /* just that number */
bool ej_factor_same(const ej_factor *a, const ej_factor *b);
ej_factor ej_factor_number(double re, double im);
ej_factor ej_factor_inverse(ej_factor a); /* no uses */
ej_factor ej_factor_negated(ej_factor a);
void ej_factor_value(const ej_factor *a, double *re, double *im); /* with the inverse taken */
/* `drift`: what earlier runs have used up of the bounds (ej_graph.drift). */
bool ej_factor_in_bounds(const ej_factor *a, ej_known_dtype dtype, const double *drift);
/* how far the number was on the way from both 1 and what it is now; 1: never */
double ej_factor_hidden(const ej_factor *a);
/* Which use takes the number, so that it costs no operation over the array; n: none. */
uint8_t ej_factor_carrier(const ej_factor *a, ej_known_dtype dtype);
uint8_t ej_factor_steps(const ej_factor *a, ej_known_dtype dtype); /* operations over the array that it comes to */
/* *a times b^power, behind what *a has; *fits false (*a is then undefined): more uses than a factor may have. */
int ej_factor_multiply(ej_factor *a, const ej_factor *b, int power, bool *fits, ej_job *job);

/* What an operand is to its user. */
enum ej_scalar_role { EJ_ROLE_ARRAY, EJ_ROLE_NUMBER, EJ_ROLE_RUNTIME };

/* How a node takes the factors of its operands. */
typedef struct ej_push {
    bool through;    /* it works on the bare operands; else on the full ones, and only own factors come out */
    bool flip, swap; /* as its counterpart (ej_linear.flipped), with its operands in the other order */
    bool absorbs;    /* a number over an array: `number` takes the factor in */
    ej_factor factor, number;
} ej_push;

typedef struct ej_scaling {
    ej_graph *graph;
    ej_job *job;
    size_t n; /* nodes of the graph as it was */
    const ej_known_dtype *dtypes;
    const ej_known_shapes *shapes;
    const bool *zeros; /* per value: the signs of its zeros count */
    uint32_t *edges;   /* per node: its first operand in `roles` */
    uint8_t *roles;    /* per operand of every node: EJ_ROLE_* */
    ej_factor *own;    /* per node: the product of its operands that are scalars */
    uint32_t *n_own;   /* how many they are */
    ej_push *push;     /* per node */
    bool *stay;        /* per value: its factor is multiplied in here */
    bool blocked[2];   /* numbers are too far from each other to meet; as ej_graph.drift */
} ej_scaling;

/* The factor that users see. */
static inline const ej_factor *ej_scalar_pending(const ej_scaling *s, ej_value v)
{
    return s->stay[v] ? &ej_factor_one : &s->push[v].factor;
}
int ej_scalar_cost(const ej_scaling *s, ej_value v); /* of multiplying it: 0 for rank 0, else 1 */
/* The signs of v's zeros count, and any product may change them: it is complex, or may be. */
bool ej_scalar_is_delicate(const ej_scaling *s, ej_value v);
bool ej_factor_is_positive(const ej_factor *a); /* a positive number, and nothing else */

bool ej_scalar_number(const ej_node *node, ej_factor *out); /* of a literal or a constant of rank 0; not of bool */
int ej_scalar_roles(ej_scaling *s);                         /* opt_scalar_role.c: fills roles, own, n_own */
int ej_scalar_push(ej_scaling *s, ej_value v);              /* opt_scalar_push.c: fills push[v] */
int ej_scalar_write(ej_scaling *s, size_t *n_changed); /* opt_scalar_write.c: the graph with factors where they end */

#endif
