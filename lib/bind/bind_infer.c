/* bind_infer.c - the table of operations, and those that are one line.
 *
 * Takes  a node of the program whose operands are bound.
 * Gives  the operand that its value is from here on.
 * Not here: the rules themselves, one file per family (bind_map, bind_einsum, bind_reduce, bind_layout, ...).
 */
#include "bind_core.h"

/* Inputs are bound before all other nodes; this row is never called for them. */
static int op_input(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    (void)out;
    return ej_fail(b->err, EINJIT_E_INTERNAL, "'%s' is an input that the graph does not list", node->name);
}

static int op_constant(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    ej_bound_node made = {
        .op = EJ_OP_CONSTANT, .dtype = node->dtype, .rank = (int32_t)node->n_extents, .data = node->data};
    made.shape = EJ_NEW_ARRAY(b->arena, ej_size, node->n_extents);
    if (!made.shape) return ej_no_memory(b->err);
    for (uint32_t i = 0; i < node->n_extents; i++) made.shape[i] = ej_size_number(node->extents[i].n);
    return ej_bind_node(b, &made, &out->id);
}

static int op_scalar(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    (void)b;
    out->literal = node; /* bound where it is used, in the dtype that it takes there */
    return EINJIT_OK;
}

static int op_cast(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &out->id));
    return ej_bind_cast(b, out->id, node->dtype, &out->id);
}

/* The promise is about a constant's elements; of any other value it gives no usable fact. */
static int op_structural(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    EJ_TRY(ej_bind_take_own(b, &b->values[node->in[0]], &out->id));
    if (ej_bind_at(b, out->id)->op != EJ_OP_CONSTANT) return EINJIT_OK;
    ej_bound_node made = *ej_bind_at(b, out->id);
    made.structural = true;
    return ej_bind_node(b, &made, &out->id);
}

/* Gradients stop there; what is computed does not. */
static int op_detach(ej_binder *b, const ej_node *node, ej_bind_operand *out)
{
    return ej_bind_take_own(b, &b->values[node->in[0]], &out->id);
}

const ej_bind_operation ej_bind_operations[EJ_OP_COUNT] = {
    [EJ_OP_INPUT] = op_input,
    [EJ_OP_CONSTANT] = op_constant,
    [EJ_OP_SCALAR] = op_scalar,
    [EJ_OP_EINSUM] = ej_bind_op_einsum,
    [EJ_OP_MAP] = ej_bind_op_map,
    [EJ_OP_CAST] = op_cast,
    [EJ_OP_REDUCE] = ej_bind_op_reduce,
    [EJ_OP_SOFTMAX] = ej_bind_op_softmax,
    [EJ_OP_LAYER_NORM] = ej_bind_op_layer_norm,
    [EJ_OP_MATMUL] = ej_bind_op_matmul,
    [EJ_OP_TENSORDOT] = ej_bind_op_tensordot,
    [EJ_OP_PERMUTE] = ej_bind_op_permute,
    [EJ_OP_TRANSPOSE] = ej_bind_op_transpose,
    [EJ_OP_RESHAPE] = ej_bind_op_reshape,
    [EJ_OP_EXPAND] = ej_bind_op_expand,
    [EJ_OP_UNSQUEEZE] = ej_bind_op_unsqueeze,
    [EJ_OP_SQUEEZE] = ej_bind_op_squeeze,
    [EJ_OP_SLICE] = ej_bind_op_slice,
    [EJ_OP_CAT] = ej_bind_op_cat,
    [EJ_OP_STACK] = ej_bind_op_stack,
    [EJ_OP_INDEX_SELECT] = ej_bind_op_index_select,
    [EJ_OP_INDEX_ADD] = ej_bind_op_index_add,
    [EJ_OP_STRUCTURAL] = op_structural,
    [EJ_OP_CHOOSE] = ej_bind_op_choose,
    [EJ_OP_SUM_TO_SIZE] = ej_bind_op_sum_to_size,
    [EJ_OP_EXPAND_AS] = ej_bind_op_expand_as,
    [EJ_OP_RESHAPE_AS] = ej_bind_op_reshape_as,
    [EJ_OP_TYPE_AS] = ej_bind_op_type_as,
    [EJ_OP_ZEROS_LIKE] = ej_bind_op_zeros_like,
    [EJ_OP_DIAG_EMBED] = ej_bind_op_diag_embed,
    [EJ_OP_SLICE_SCATTER] = ej_bind_op_slice_scatter,
    [EJ_OP_SPLIT_AS] = ej_bind_op_split_as,
    [EJ_OP_INDEX_ADD_TO] = ej_bind_op_index_add_to,
    [EJ_OP_DETACH] = op_detach,
    [EJ_OP_ARANGE] = ej_bind_op_arange,
    [EJ_OP_GATHER_PLACES] = ej_bind_op_gather_places,
    [EJ_OP_FLATTEN] = ej_bind_op_flatten,
};
