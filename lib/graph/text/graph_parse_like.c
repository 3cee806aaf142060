/* graph_parse_like.c - nodes of the operators some of whose operands count by their shape or dtype alone.
 *
 * Takes  the arguments of one call: x.expand_as(y), x.sum_to_size(y.shape), slice_scatter(x, src, dim=0, start=1), ...
 * Gives  its node.
 * Not here: shapes in numbers and names (graph_parse_layout.c).
 */
#include "graph_parse.h"

/* node->dims = one integer, 0 when it is not given. */
static int take_dim(ej_parser *p, ej_call *call, ej_node *node, int arg)
{
    node->n_dims = 1;
    node->dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1);
    if (!node->dims) return ej_no_memory(p->err);
    return call->args[arg].given ? ej_call_int(p, call, arg, &node->dims[0]) : EINJIT_OK;
}

int ej_op_sum_to_size(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_SUM_TO_SIZE};
    ej_parsed like = call->args[1].operand, *operands[2] = {&call->args[0].operand, &like};
    if (like.kind != EJ_OPERAND_SHAPE) return ej_call_refuse(p, call, 1, "the shape of a tensor, as y.shape");
    like.kind = EJ_OPERAND_VALUE;
    return ej_write(&(ej_writer){p, call}, node, 2, operands, out);
}

int ej_op_like(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = (uint8_t)call->row->detail};
    ej_parsed *operands[2] = {&call->args[0].operand, &call->args[1].operand};
    return ej_write(&(ej_writer){p, call}, node, 2, operands, out);
}

int ej_op_unary(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = (uint8_t)call->row->detail};
    ej_parsed *operands[1] = {&call->args[0].operand};
    return ej_write(&(ej_writer){p, call}, node, 1, operands, out);
}

int ej_op_slice_scatter(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_SLICE_SCATTER, .n_items = 1};
    ej_parsed *operands[2] = {&call->args[0].operand, &call->args[1].operand};
    EJ_TRY(take_dim(p, call, &node, 2));
    node.items = EJ_NEW(&p->graph->arena, ej_index_item);
    if (!node.items) return ej_no_memory(p->err);
    *node.items = (ej_index_item){EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
    if (ej_call_given(call, 3)) EJ_TRY(ej_call_int(p, call, 3, &node.items->start));
    if (ej_call_given(call, 4)) EJ_TRY(ej_call_int(p, call, 4, &node.items->stop));
    if (call->args[5].given) EJ_TRY(ej_call_int(p, call, 5, &node.items->step));
    if (!node.items->step) return ej_call_refuse(p, call, 5, "another number than 0");
    return ej_write(&(ej_writer){p, call}, node, 2, operands, out);
}

int ej_op_gather_places(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_GATHER_PLACES};
    ej_parsed *operands[2] = {&call->args[0].operand, &call->args[2].operand};
    EJ_TRY(take_dim(p, call, &node, 1));
    return ej_write(&(ej_writer){p, call}, node, 2, operands, out);
}

int ej_op_split_as(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_SPLIT_AS, .n_dims = 2};
    ej_parsed *list = &call->args[1].operand;
    if (list->kind != EJ_OPERAND_LIST || !list->n) return ej_call_refuse(p, call, 1, "a list of at least one tensor");
    node.dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 2);
    ej_parsed **operands = EJ_NEW_ARRAY(p->scratch, ej_parsed *, (size_t)list->n + 1);
    if (!node.dims || !operands) return ej_no_memory(p->err);
    EJ_TRY(ej_call_int(p, call, 2, &node.dims[0]));
    EJ_TRY(ej_call_int(p, call, 3, &node.dims[1]));
    if (node.dims[1] < 0 || node.dims[1] >= list->n)
        return ej_call_refuse(p, call, 3, "the place of one of the tensors");
    operands[0] = &call->args[0].operand;
    for (uint32_t i = 0; i < list->n; i++) operands[1 + i] = &list->as.items[i];
    return ej_write(&(ej_writer){p, call}, node, list->n + 1, operands, out);
}

int ej_op_index_add_to(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_INDEX_ADD_TO};
    ej_parsed *operands[3] = {&call->args[0].operand, &call->args[2].operand, &call->args[3].operand};
    EJ_TRY(take_dim(p, call, &node, 1));
    return ej_write(&(ej_writer){p, call}, node, 3, operands, out);
}
