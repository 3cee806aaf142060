/* graph_parse_layout.c - nodes of the operators that move data: permutations, shapes, joining, picking rows.
 *
 * Takes  the arguments of one call.
 * Gives  its node, axes as written (negative ones count from the end, which only bind knows).
 * Not here: x[...] (graph_parse_index.c).
 */
#include "graph_parse.h"

static int finish(ej_parser *p, ej_call *call, ej_node *node, ej_parsed *out)
{
    ej_parsed *x = &call->args[0].operand;
    return ej_write(&(ej_writer){p, call}, *node, 1, &x, out);
}

/* node->dims = the integers of the arguments first .. first + n. */
static int take_dims(ej_parser *p, ej_call *call, ej_node *node, int first, uint32_t n)
{
    node->n_dims = n;
    node->dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, n);
    if (!node->dims) return ej_no_memory(p->err);
    for (uint32_t i = 0; i < n; i++) EJ_TRY(ej_call_int(p, call, first + (int)i, &node->dims[i]));
    return EINJIT_OK;
}

int ej_op_permute(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_PERMUTE};
    EJ_TRY(ej_call_ints(p, call, 1, &node.n_dims, &node.dims));
    return finish(p, call, &node, out);
}

int ej_op_unsqueeze(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_UNSQUEEZE};
    EJ_TRY(take_dims(p, call, &node, 1, 1));
    return finish(p, call, &node, out);
}

/* Without dim: every axis of extent 1, which is what no dims mean in the node. */
int ej_op_squeeze(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_SQUEEZE};
    if (call->args[1].given) {
        EJ_TRY(ej_call_ints(p, call, 1, &node.n_dims, &node.dims));
        if (!node.n_dims) return ej_call_refuse(p, call, 1, "at least one axis");
    }
    return finish(p, call, &node, out);
}

int ej_op_transpose(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_TRANSPOSE};
    EJ_TRY(take_dims(p, call, &node, 1, 2));
    return finish(p, call, &node, out);
}

int ej_op_shape(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = (uint8_t)call->row->detail};
    int open = 0;
    EJ_TRY(ej_call_extents(p, call, 1, &node.n_extents, &node.extents));
    for (uint32_t i = 0; i < node.n_extents; i++) open += node.extents[i].n == EJ_EXTENT_UNKNOWN;
    if (node.op == EJ_OP_RESHAPE && open > 1) return ej_call_refuse(p, call, 1, "a shape with -1 at most once");
    return finish(p, call, &node, out);
}

int ej_op_join(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = (uint8_t)call->row->detail, .dtype = -1, .n_dims = 1};
    ej_parsed *list = &call->args[0].operand;
    if (list->kind != EJ_OPERAND_LIST || !list->n) return ej_call_refuse(p, call, 0, "a list of at least one tensor");
    node.dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1);
    ej_parsed **operands = EJ_NEW_ARRAY(p->scratch, ej_parsed *, list->n);
    if (!node.dims || !operands) return ej_no_memory(p->err);
    if (call->args[1].given) EJ_TRY(ej_call_int(p, call, 1, &node.dims[0]));
    for (uint32_t i = 0; i < list->n; i++) operands[i] = &list->as.items[i];
    EJ_TRY(ej_parse_values(p, &node, list->n, operands));
    return ej_parse_node(p, &node, call->offset, out);
}

int ej_op_index_select(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_INDEX_SELECT, .dtype = -1};
    ej_parsed *operands[2] = {&call->args[0].operand, &call->args[2].operand};
    EJ_TRY(take_dims(p, call, &node, 1, 1));
    EJ_TRY(ej_parse_values(p, &node, 2, operands));
    return ej_parse_node(p, &node, call->offset, out);
}

int ej_op_index_add(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_INDEX_ADD, .dtype = -1};
    ej_parsed *operands[2] = {&call->args[2].operand, &call->args[3].operand};
    EJ_TRY(ej_call_extents(p, call, 0, &node.n_extents, &node.extents));
    if (node.n_extents != 1 || node.extents[0].n < 0)
        return ej_call_refuse(p, call, 0, "one extent: a number or a name");
    EJ_TRY(take_dims(p, call, &node, 1, 1));
    EJ_TRY(ej_parse_values(p, &node, 2, operands));
    return ej_parse_node(p, &node, call->offset, out);
}
