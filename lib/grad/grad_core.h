/* grad_core.h - what the files of the gradient share: the walk, one rule per kind of node, and how rules write nodes.
 *
 * A rule is given a node v of the graph and the adjoint of its value (of v's shape and dtype), and gives each operand
 * that is wanted its share: a value of the operand's shape. Shares are cast and added up by the walk. Writing nodes
 * never fails on its own: the first failure sticks in g->status, and from then on values are -1.
 */
#ifndef EJ_GRAD_CORE_H
#define EJ_GRAD_CORE_H

#include "grad.h"
#include "facts.h"

/* The adjoint of a part of an axis, until all parts of that value are known. */
typedef struct ej_grad_piece {
    struct ej_grad_piece *next; /* of the same value, rising, apart from each other */
    int64_t dim, start, stop;
    ej_value share;
} ej_grad_piece;

typedef struct ej_grad {
    ej_graph *graph;
    ej_job *job;
    size_t n_old;            /* values from here on are the gradient's */
    ej_known_shapes *shapes; /* of the old values */
    ej_known_dtype *dtypes;  /* of all values */
    size_t cap_dtypes;
    ej_value *adjoint;      /* per old value; -1: nothing reached it yet */
    ej_grad_piece **pieces; /* per old value: adjoints of parts of it, to be joined */
    bool *wanted;           /* per old value: something that is differentiated by lies in it */
    int status;             /* the first failure */
} ej_grad;

typedef struct ej_grad_at { /* a node while its rule runs: a copy, for nodes move when others are appended */
    ej_node node;
    ej_value v, g; /* its value, and the adjoint of that */
} ej_grad_at;

typedef void (*ej_grad_rule)(ej_grad *g, const ej_grad_at *at);
/* One per kind of node; NULL: leaves have no operands. (grad.c) */
extern const ej_grad_rule ej_grad_rules[EJ_OP_COUNT];

/* ---- grad.c ---- */
bool ej_grad_wants(const ej_grad *g, const ej_grad_at *at, uint32_t operand);
void ej_grad_give(ej_grad *g, const ej_grad_at *at, uint32_t operand, ej_value share); /* share -1: a failure before */
/* The same for an old value, of which the walk has seen nothing yet. */
void ej_grad_give_value(ej_grad *g, ej_value v, ej_value share);
/* what fails in front of it must not have failed before: it writes the text */
void ej_grad_fail(ej_grad *g, int status);
void ej_grad_no_memory(ej_grad *g);
/* The rank of an old value; names the input that leaves it open and returns -1. */
int32_t ej_grad_rank(ej_grad *g, ej_value v);

/* ---- grad_node.c: nodes ---- */
/* `in` is copied, other arrays taken over */
ej_value ej_grad_node(ej_grad *g, ej_node node, uint32_t n, const ej_value *in);
ej_value ej_grad_map1(ej_grad *g, int fn, ej_value a);
ej_value ej_grad_map2(ej_grad *g, int fn, ej_value a, ej_value b);
ej_value ej_grad_where(ej_grad *g, ej_value condition, ej_value a, ej_value b);
ej_value ej_grad_number(ej_grad *g, double value);  /* a weak literal */
ej_value ej_grad_conj(ej_grad *g, ej_value x);      /* x where it is known to be real */
bool ej_grad_is_real(const ej_grad *g, ej_value x); /* known to be */
ej_value ej_grad_cast_like(ej_grad *g, ej_value x, ej_value like);
ej_value ej_grad_unary(ej_grad *g, int op, ej_value x); /* zeros_like, diag_embed */
ej_value ej_grad_ones_like(ej_grad *g, ej_value x);
/* 1 where the condition is true and 0 elsewhere, in the shape and dtype of `like`: not a cast, for a cast of bool has
 * no gradient, and the gradient is differentiated too. */
ej_value ej_grad_indicator(ej_grad *g, ej_value condition, ej_value like);
ej_value ej_grad_like(ej_grad *g, int op, ej_value x, ej_value like); /* expand_as, ... */
ej_value ej_grad_dims(ej_grad *g, int op, ej_value x, uint32_t n, const int64_t *dims);
/* dims NULL: over all axes. */
ej_value ej_grad_reduce(ej_grad *g, int reduce, ej_value x, uint32_t n, const int64_t *dims, bool keepdim);
/* x along one axis (negative: from the end), the others whole. */
ej_value ej_grad_index(ej_grad *g, ej_value x, int64_t dim, ej_index_item item);
ej_value ej_grad_einsum(ej_grad *g, uint32_t n, const ej_value *in, const ej_term *terms, const ej_term *out);
/* in the graph's arena; NULL after a failure */
int64_t *ej_grad_ints(ej_grad *g, uint32_t n, const int64_t *from);

/* ---- grad_node.c: shapes. `like` is an old value ---- */
ej_value ej_grad_expand_to(ej_grad *g, ej_value x, ej_value like);
ej_value ej_grad_reshape_to(ej_grad *g, ej_value x, ej_value like);
/* What was made in the shape of `from`, an old value to which `to` broadcasts, summed to the shape of `to`. */
ej_value ej_grad_sum_to(ej_grad *g, ej_value x, ej_value from, ej_value to);

/* ---- grad_map.c ---- */
bool ej_grad_map_is_flat(int fn, uint32_t operand); /* the derivative is 0 wherever there is one */

/* ---- grad_einsum.c ---- */
/* The rules of sums over products (ones: over sums) with these subscripts. */
void ej_grad_contraction(ej_grad *g, const ej_grad_at *at, const ej_subscripts *s, bool ones, ej_value adjoint);

/* ---- the rules ---- */
void ej_grad_of_map(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_einsum(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_matmul(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_tensordot(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_reduce(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_softmax(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_layer_norm(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_same(ej_grad *g, const ej_grad_at *at); /* casts and what else hands its operand on */
void ej_grad_of_permute(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_transpose(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_reshape(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_expand(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_unsqueeze(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_sum_to_size(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_diag_embed(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_slice(ej_grad *g, const ej_grad_at *at);
void ej_grad_join_pieces(ej_grad *g, ej_value v); /* what slices gave v, in one value */
void ej_grad_of_slice_scatter(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_cat(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_split(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_stack(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_index_select(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_index_add(ej_grad *g, const ej_grad_at *at);
void ej_grad_of_index_add_to(ej_grad *g, const ej_grad_at *at);

#endif
