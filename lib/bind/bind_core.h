/* bind_core.h - what the files of the bind stage share: the binder, and how core operations are written.
 *
 * A program's operations (bind_infer.c: one table row each) check their operands and write core nodes with the
 * functions below; each of those knows its shape rule, drops itself where it would change nothing, and refuses values
 * of more than 2^62 bytes.
 *
 * Open extents: where two extents must be equal and are only equal as observed, the symbols in them are closed and the
 * binding goes on; ej_bind then starts again with those symbols as numbers (at most once per symbol).
 */
#ifndef EJ_BIND_CORE_H
#define EJ_BIND_CORE_H

#include "bind.h"

typedef struct ej_bind_symbol {
    bool known;            /* an input has this extent, or one of the name */
    bool open;             /* the caller asked for it */
    bool closed;           /* met another extent */
    const char *closed_by; /* the program's value where it did; NULL: none in particular */
    bool named;            /* only inputs that leave it unknown have the name */
    bool torn;             /* differs between inputs: those that only have the name are what they are */
    int64_t n;
    int32_t input, axis; /* where it was seen first */
    ej_size size;
} ej_bind_symbol;

/* A program's value: a bound node, or a literal, whose dtype depends on the other operands. */
typedef struct ej_bind_operand {
    ej_value id;            /* -1: not bound (a literal, dead, or failed) */
    const ej_node *literal; /* SCALAR of the program: weak, as Python's numbers; what is computed from it is not */
} ej_bind_operand;

typedef struct ej_binder {
    ej_bound *out;
    const ej_graph *graph;
    ej_job *job;
    ej_arena *arena;
    einjit_error *err;
    ej_bind_symbol *symbols; /* per symbol of the graph */
    ej_bind_operand *values; /* per node of the graph */
    uint32_t *seen;          /* per node of the graph: so many of the operands that it needs are bound */
    bool *done;              /* per node: bound */
    bool **holds;            /* per CHOOSE whose guards were looked at: which alternatives are right */
    bool restart;            /* a symbol was closed: bind again */
    size_t n_closings;       /* of this attempt; after a few it is given up, what follows would only find the same */
    const char *name;        /* of the program's value that is being bound */
} ej_binder;

/* Shape inference: values that no result needs are bound too, and may fail (-1). */
int ej_bind_values(ej_bound *out, const ej_graph *graph, size_t n_in, const einjit_tensor *in, ej_job *job);

/* ---- bind_symbols.c ---- */
int ej_bind_symbols(ej_binder *b, const einjit_tensor *in);
int ej_bind_open_list(ej_binder *b, const char *open);
int ej_bind_extent(ej_binder *b, const ej_extent *extent, ej_size *out); /* as the program says it; not unknown */
void ej_bind_close(ej_binder *b, ej_size size);                          /* every symbol in it */
ej_size ej_bind_fixed(ej_binder *b, ej_size size);                       /* closes it; the number */
ej_size ej_bind_meet(ej_binder *b, ej_size one, ej_size other);          /* observed values are equal */
/* observed as not 0; an open one is looked at in every run */
int ej_bind_not_empty(ej_binder *b, ej_size size);
int ej_bind_add(ej_binder *b, ej_size x, ej_size y, ej_size *out);
int ej_bind_mul(ej_binder *b, ej_size x, ej_size y, ej_size *out);

/* ---- bind_tensor.c ---- */
/* against its declaration, but for symbols */
int ej_bind_check_input(ej_binder *b, size_t i, const einjit_tensor *tensor);
int ej_bind_input(ej_binder *b, size_t i, const einjit_tensor *tensor, ej_value *out);
int ej_bind_outputs(ej_binder *b, size_t n, const einjit_tensor *tensors);

/* ---- bind_dtype.c ---- */
/* The common dtype: that of the bound operands, then the kinds of the literals; literals alone have their default. */
int ej_bind_promote(ej_binder *b, size_t n, const ej_bind_operand *in, int *dtype);
int ej_bind_dtype(const ej_binder *b, const ej_bind_operand *operand); /* of a literal: its default */
int32_t ej_bind_rank(const ej_binder *b, const ej_bind_operand *operand);
int ej_bind_take(ej_binder *b, const ej_bind_operand *operand, int dtype, ej_value *out);
/* The dtype's numbers in the dtype that they are computed in. Where that is another one, the result is cast back. */
int ej_bind_take_wide(ej_binder *b, const ej_bind_operand *operand, int dtype, ej_value *out);
int ej_bind_take_own(ej_binder *b, const ej_bind_operand *operand, ej_value *out); /* in its own dtype */
/* Integers and bool become f64; complex is refused when real_only. `what` is for the message. */
int ej_bind_floating(ej_binder *b, int dtype, bool real_only, const char *what, int *out);

/* ---- bind_node.c: core nodes ---- */
int ej_bind_node(ej_binder *b, const ej_bound_node *node, ej_value *out); /* arrays are taken over */
int ej_bind_number(ej_binder *b, int dtype, double value, ej_value *out);
int ej_bind_cast(ej_binder *b, ej_value x, int dtype, ej_value *out); /* none back to where all values come from */
/* Operands of one dtype (see bind.h), broadcast. */
int ej_bind_map(ej_binder *b, int fn, int dtype, uint32_t n, const ej_value *in, ej_value *out);
int ej_bind_reduce(ej_binder *b, int reduce, ej_value x, const bool *axes, bool keepdim, ej_value *out);
int ej_bind_permute(ej_binder *b, ej_value x, const int64_t *dims, ej_value *out);
int ej_bind_reshape(ej_binder *b, ej_value x, int32_t rank, ej_size *shape, ej_value *out); /* shapes are taken over */
int ej_bind_expand(ej_binder *b, ej_value x, int32_t rank, ej_size *shape, ej_value *out);
/* One axis of a broadcast: *have and `other` stretch where they are 1. False when they do not fit. */
bool ej_bind_broadcast(ej_binder *b, ej_size *have, ej_size other);
int ej_bind_axis(ej_binder *b, int64_t dim, int32_t rank, int32_t *out); /* normalized; E_VALUE */

static inline const ej_bound_node *ej_bind_at(const ej_binder *b, ej_value id)
{
    return &b->out->nodes[id];
}

/* ---- bind_einsum.c ---- */
/* `equation` for messages, may be NULL. Operands are of one dtype, which the result keeps; over bool (with MUL) SUM and
 * MAX become OR. */
int ej_bind_contract(ej_binder *b, const ej_equation *equation, ej_subscripts *subscripts, const ej_value *in,
                     int reduce, int combine, ej_value *out);

/* ---- the operations: rows of bind_infer.c ---- */
typedef int (*ej_bind_operation)(ej_binder *b, const ej_node *node, ej_bind_operand *out);
extern const ej_bind_operation ej_bind_operations[EJ_OP_COUNT];

int ej_bind_op_einsum(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_matmul(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_tensordot(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_map(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_reduce(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_softmax(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_layer_norm(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_permute(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_transpose(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_reshape(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_expand(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_unsqueeze(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_squeeze(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_slice(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_cat(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_stack(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_index_select(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_index_add(ej_binder *b, const ej_node *node, ej_bind_operand *out);

int ej_bind_op_choose(ej_binder *b, const ej_node *node, ej_bind_operand *out);
/* Binding a node asks for its operands one by one: the one to bind next when `seen` of them are bound, or -1 when none
 * is missing. A CHOOSE needs its first alternative, then the values that its guards compare, then those alternatives
 * whose guard holds; *skip: the guard of the next alternative does not, so it is left unbound. (bind_choose.c) */
int ej_bind_needed(ej_binder *b, ej_value v, uint32_t seen, ej_value *operand, bool *skip);
int ej_bind_op_sum_to_size(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_expand_as(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_reshape_as(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_type_as(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_zeros_like(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_diag_embed(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_slice_scatter(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_split_as(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_index_add_to(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_arange(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_flatten(ej_binder *b, const ej_node *node, ej_bind_operand *out);
int ej_bind_op_gather_places(ej_binder *b, const ej_node *node, ej_bind_operand *out);

/* Values of one dtype, whose other axes are the same, one behind the other. (bind_index.c) */
int ej_bind_cat(ej_binder *b, uint32_t n, const ej_value *in, int32_t axis, ej_value *out);
/* The rows of x that an index vector names. (bind_index.c) */
int ej_bind_index_select(ej_binder *b, ej_value x, ej_value index, int32_t axis, ej_value *out);
/* Index and rows added to zeros of n rows. (bind_index.c) */
int ej_bind_index_add(ej_binder *b, ej_value index, ej_value rows, int32_t axis, ej_size n, ej_value *out);
/* E_DTYPE and E_RANK name `what`. (bind_index.c) */
int ej_bind_take_index(ej_binder *b, const ej_node *node, uint32_t operand, const char *what, ej_value *out);
/* Where and how much of an axis a range is, clamped as Python does. (bind_slice.c) */
int ej_bind_range(ej_binder *b, const ej_index_item *item, ej_size n, ej_size *start, ej_size *count);
/* `count` elements of one axis from `start` on. (bind_slice.c) */
int ej_bind_cut(ej_binder *b, ej_value x, int32_t axis, ej_size start, ej_size count, ej_value *out);
int ej_bind_turn(ej_binder *b, ej_value x, int32_t axis, ej_value *out); /* the last element of the axis first */

/* log(sum(exp(x))) over the axes, safe for large and infinite values. x is real and floating. (bind_reduce.c) */
int ej_bind_logsumexp(ej_binder *b, ej_value x, const bool *axes, bool keepdim, ej_value *out);

#endif
