/* graph_parse_op.c - nodes of the operators that compute: pointwise, einsum, reductions, norms.
 *
 * Takes  the arguments of one call.
 * Gives  its node. What needs ranks or dtypes is left to bind.
 * Not here: operators that only move data (graph_parse_layout.c), constants (graph_parse_constant.c).
 */
#include <math.h>
#include <string.h>

#include "graph_parse.h"

static int finish(ej_parser *p, ej_call *call, ej_node *node, uint32_t n_in, ej_parsed *out)
{
    ej_parsed *operands[EJ_CALL_PARAMS];
    for (uint32_t i = 0; i < n_in; i++) operands[i] = &call->args[i].operand;
    return ej_write(&(ej_writer){p, call}, *node, n_in, operands, out);
}

int ej_op_pointwise(ej_parser *p, ej_call *call, ej_parsed *out)
{
    int fn = call->row->detail;
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)fn};
    return finish(p, call, &node, ej_fns[fn].arity, out);
}

int ej_op_div(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const char *const modes[] = {"floor", "trunc"};
    static const uint8_t functions[] = {EJ_FN_FLOOR_DIVIDE, EJ_FN_TRUNC_DIVIDE};
    ej_node node = {.op = EJ_OP_MAP, .fn = EJ_FN_DIV};
    if (ej_call_given(call, 2)) {
        int mode = 0;
        EJ_TRY(ej_call_word(p, call, 2, modes, 2, &mode));
        node.fn = functions[mode];
    }
    return finish(p, call, &node, 2, out);
}

int ej_op_matmul(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_MATMUL};
    return finish(p, call, &node, 2, out);
}

int ej_op_structural(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_STRUCTURAL};
    const ej_parsed *x = &call->args[0].operand;
    EJ_TRY(ej_parse_flush(p, NULL)); /* it may be the node that waits */
    if (x->kind != EJ_OPERAND_VALUE || p->graph->nodes[x->value].op != EJ_OP_CONSTANT)
        return ej_call_refuse(p, call, 0, "a constant");
    return finish(p, call, &node, 1, out);
}

int ej_op_to(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_CAST};
    if (call->args[1].operand.kind != EJ_OPERAND_DTYPE) return ej_call_refuse(p, call, 1, "a dtype");
    node.dtype = (int16_t)call->args[1].operand.as.dtype;
    return finish(p, call, &node, 1, out);
}

/* ---- einsum, tensordot ---- */

/* The byte of the program that an error in the equation's text points at. */
static size_t place_in_equation(const ej_parser *p, const ej_parsed *text, const einjit_error *inner)
{
    const char *s = p->lexer.text + text->as.text.inner;
    size_t n = text->as.text.inner_length, i = 0;
    if (inner->column < 1) return text->offset;
    for (int32_t line = 1; line < inner->line && i < n; i++) line += s[i] == '\n';
    for (int32_t column = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) == 0x80) continue;
        if (column++ == inner->column) break;
    }
    return text->as.text.inner + i;
}

static int parse_equation(ej_parser *p, ej_call *call, uint32_t n_operands, ej_equation **out)
{
    const ej_parsed *text = &call->args[0].operand;
    einjit_error inner;
    if (text->kind != EJ_OPERAND_TEXT) return ej_call_refuse(p, call, 0, "a string");
    if (text->as.text.escaped) return ej_call_refuse(p, call, 0, "a string without backslashes");
    *out = EJ_NEW(&p->graph->arena, ej_equation);
    if (!*out) return ej_no_memory(p->err);
    memset(&inner, 0, sizeof inner);
    const char *equation = p->lexer.text + text->as.text.inner;
    int status = ej_equation_parse(*out, &p->graph->arena, equation, text->as.text.inner_length, n_operands, &inner);
    if (status == EINJIT_OK || status == EINJIT_E_NOMEM) return status ? ej_no_memory(p->err) : status;
    return EJ_PARSE_FAIL(p, place_in_equation(p, text, &inner), status, "%s", inner.text);
}

int ej_op_einsum(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const char *const reduces[] = {"sum", "max", "min", "logsumexp", "or"}; /* in the order of EINJIT_REDUCE_* */
    static const char *const combines[] = {"mul", "add"};                          /* of EINJIT_COMBINE_* */
    ej_parsed *list = &call->args[1].operand;
    ej_node node = {.op = EJ_OP_EINSUM, .dtype = -1};
    int reduce = EINJIT_REDUCE_SUM, combine = EINJIT_COMBINE_MUL;
    if (call->args[1].given && list->kind != EJ_OPERAND_LIST) return ej_call_refuse(p, call, 1, "a list of tensors");
    EJ_TRY(parse_equation(p, call, list->n, &node.equation));
    if (call->args[2].given) EJ_TRY(ej_call_word(p, call, 2, reduces, 5, &reduce));
    if (call->args[3].given) EJ_TRY(ej_call_word(p, call, 3, combines, 2, &combine));
    node.fn = (uint8_t)reduce;
    node.combine = (uint8_t)combine;
    ej_parsed **operands = EJ_NEW_ARRAY(p->scratch, ej_parsed *, list->n);
    if (!operands) return ej_no_memory(p->err);
    for (uint32_t i = 0; i < list->n; i++) operands[i] = &list->as.items[i];
    EJ_TRY(ej_parse_values(p, &node, list->n, operands));
    return ej_parse_node(p, &node, call->offset, out);
}

/* ([1, 2], [0, 1]) to 1, 2, 0, 1. */
static int pair_of_dims(ej_parser *p, ej_call *call, ej_node *node)
{
    static const char wanted[] = "a number or a pair of equally long lists of integers";
    ej_parsed pair = call->args[2].operand;
    uint32_t n[2];
    int64_t *dims[2];
    if (pair.kind != EJ_OPERAND_LIST || pair.n != 2) return ej_call_refuse(p, call, 2, wanted);
    for (int side = 0; side < 2; side++) {
        ej_call part = *call;
        part.args[2].operand = pair.as.items[side];
        EJ_TRY(ej_call_ints(p, &part, 2, &n[side], &dims[side]));
    }
    if (n[0] != n[1]) return ej_call_refuse(p, call, 2, wanted);
    node->n_dims = 2 * n[0];
    node->dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, node->n_dims);
    if (!node->dims) return ej_no_memory(p->err);
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < n[0]; i++) node->dims[(uint32_t)side * n[0] + i] = dims[side][i];
    return EINJIT_OK;
}

int ej_op_tensordot(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_TENSORDOT, .integer = 2}; /* torch's default: the last two with the first two */
    const ej_parsed *dims = &call->args[2].operand;
    if (call->args[2].given && dims->kind == EJ_OPERAND_NUMBER) {
        EJ_TRY(ej_call_int(p, call, 2, &node.integer));
        if (node.integer < 0) return ej_call_refuse(p, call, 2, "at least 0");
    } else if (call->args[2].given) {
        node.integer = -1;
        EJ_TRY(pair_of_dims(p, call, &node));
    }
    return finish(p, call, &node, 2, out);
}

/* ---- reductions and norms ---- */

int ej_op_reduce(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_REDUCE, .fn = (uint8_t)call->row->detail, .all_dims = true};
    if (ej_call_given(call, 1)) {
        node.all_dims = false; /* also for (): over no axis, as NumPy reads it */
        EJ_TRY(ej_call_ints(p, call, 1, &node.n_dims, &node.dims));
    }
    EJ_TRY(ej_call_bool(p, call, 2, &node.keepdim));
    return finish(p, call, &node, 1, out);
}

int ej_op_softmax(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_SOFTMAX, .n_dims = 1, .dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1)};
    if (!node.dims) return ej_no_memory(p->err);
    EJ_TRY(ej_call_int(p, call, 1, &node.dims[0]));
    return finish(p, call, &node, 1, out);
}

int ej_op_layer_norm(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_LAYER_NORM, .dtype = -1, .n_dims = 1, .re = 1e-5};
    ej_parsed *operands[3] = {&call->args[0].operand};
    uint32_t n_known = 0, n_in = 1;
    node.dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1);
    if (!node.dims) return ej_no_memory(p->err);
    EJ_TRY(ej_call_extents(p, call, 1, &node.n_extents, &node.extents));
    if (!node.n_extents) return ej_call_refuse(p, call, 1, "at least one extent");
    node.dims[0] = node.n_extents;
    for (uint32_t i = 0; i < node.n_extents; i++) n_known += node.extents[i].n != EJ_EXTENT_UNKNOWN;
    if (!n_known) node.n_extents = 0; /* as the builder makes it, which is told no extents */
    EJ_TRY(ej_call_real(p, call, 4, &node.re));
    for (int arg = 2; arg <= 3; arg++) {
        if (!ej_call_given(call, arg)) continue;
        operands[n_in++] = &call->args[arg].operand;
        node.integer |= arg == 2 ? 1 : 2;
    }
    EJ_TRY(ej_parse_values(p, &node, n_in, operands));
    return ej_parse_node(p, &node, call->offset, out);
}

/* ---- alternatives ---- */

static bool is_guard(const ej_parsed *guard)
{
    if (guard->kind != EJ_OPERAND_LIST || guard->n != 5) return false;
    for (uint32_t i = 0; i < 5; i += 2)
        if (guard->as.items[i].kind != EJ_OPERAND_NUMBER || guard->as.items[i].as.number.kind != EJ_KIND_INT)
            return false;
    return true;
}

/* [(1, x, 0, y, 1), ...]: three numbers a guard go to the node, the two values to `operands`. */
static int parse_guards(ej_parser *p, ej_call *call, ej_node *node, ej_parsed **operands)
{
    static const char wanted[] =
        "a list of guards (alternative, x, axis of x, y, axis of y), the alternative not the first";
    ej_parsed *list = &call->args[2].operand;
    node->n_dims = 3 * list->n;
    node->dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, node->n_dims);
    if (!node->dims) return ej_no_memory(p->err);
    for (uint32_t g = 0; g < list->n; g++) {
        ej_parsed *guard = &list->as.items[g];
        if (!is_guard(guard)) return ej_call_refuse(p, call, 2, wanted);
        for (uint32_t i = 0; i < 3; i++) node->dims[3 * g + i] = guard->as.items[2 * i].as.number.integer;
        if (node->dims[3 * g] < 1 || node->dims[3 * g] >= node->integer) return ej_call_refuse(p, call, 2, wanted);
        operands[2 * g] = &guard->as.items[1];
        operands[2 * g + 1] = &guard->as.items[3];
    }
    return EINJIT_OK;
}

int ej_op_choose(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_parsed *others = &call->args[1].operand, *guards = &call->args[2].operand;
    if (call->args[1].given && others->kind != EJ_OPERAND_LIST) return ej_call_refuse(p, call, 1, "values");
    if (call->args[2].given && guards->kind != EJ_OPERAND_LIST) return ej_call_refuse(p, call, 2, "a list");
    uint32_t n_others = call->args[1].given ? others->n : 0, n_guards = call->args[2].given ? guards->n : 0;
    ej_node node = {.op = EJ_OP_CHOOSE, .dtype = -1, .integer = 1 + (int64_t)n_others};
    ej_parsed **operands = EJ_NEW_ARRAY(p->scratch, ej_parsed *, 1 + (size_t)n_others + 2 * (size_t)n_guards);
    if (!operands) return ej_no_memory(p->err);
    operands[0] = &call->args[0].operand;
    for (uint32_t i = 0; i < n_others; i++) operands[1 + i] = &others->as.items[i];
    if (n_guards) EJ_TRY(parse_guards(p, call, &node, operands + 1 + n_others));
    EJ_TRY(ej_parse_values(p, &node, 1 + n_others + 2 * n_guards, operands));
    return ej_parse_node(p, &node, call->offset, out);
}

/* ---- numbers that have no literal ---- */

int ej_op_float(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const char *const words[] = {"inf", "-inf", "nan"};
    static const double values[] = {(double)INFINITY, -(double)INFINITY, (double)NAN};
    ej_number number = {.kind = EJ_KIND_FLOAT};
    int word = 0;
    if (call->args[0].operand.kind == EJ_OPERAND_NUMBER) {
        EJ_TRY(ej_call_real(p, call, 0, &number.re));
    } else {
        EJ_TRY(ej_call_word(p, call, 0, words, 3, &word));
        number.re = values[word];
    }
    *out = ej_parse_number_operand(&number, call->offset);
    return EINJIT_OK;
}

int ej_op_complex(ej_parser *p, ej_call *call, ej_parsed *out)
{
    ej_number number = {.kind = EJ_KIND_COMPLEX};
    EJ_TRY(ej_call_real(p, call, 0, &number.re));
    EJ_TRY(ej_call_real(p, call, 1, &number.im));
    *out = ej_parse_number_operand(&number, call->offset);
    return EINJIT_OK;
}
