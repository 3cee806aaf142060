/* graph_parse_constant.c - tensor([[1.0, 2.0], [3.0, 4.0]], dtype=f32).
 *
 * Takes  nested lists of numbers, or one number.
 * Gives  a CONSTANT node with row-major data. The dtype is torch's choice where none is given: c64, f32, i64, bool.
 * Size   a number is read into one flat array, whatever the nesting: large constants cost no tree.
 */
#include <string.h>

#include "graph_parse.h"

typedef struct ej_nested {
    int leaf_level;                    /* nesting of the numbers; -1: none seen yet */
    int list_levels;                   /* deepest list + 1 */
    int64_t shape[EJ_PARSE_DEPTH + 1]; /* -1: no list of that level was closed yet */
    size_t n, capacity;
    ej_number *numbers;
    uint8_t kind; /* of all of them: the largest */
} ej_nested;

static int ragged(ej_parser *p, size_t offset)
{
    return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "the lists of a constant must be nested alike");
}

static int parse_leaf(ej_parser *p, ej_nested *nested, int level)
{
    ej_parsed operand;
    size_t offset = p->token.offset;
    if (nested->leaf_level < 0 && nested->list_levels <= level) nested->leaf_level = level;
    if (nested->leaf_level != level) return ragged(p, offset);
    EJ_TRY(ej_parse_expression(p, &operand));
    if (operand.kind != EJ_OPERAND_NUMBER)
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "a constant is made of numbers, not of %s",
                             ej_operand_kind_name(&operand));
    if (!EJ_PUSH_ROOM(p->scratch, nested->numbers, nested->capacity, nested->n)) return ej_no_memory(p->err);
    nested->numbers[nested->n++] = operand.as.number;
    if (operand.as.number.kind > nested->kind) nested->kind = operand.as.number.kind;
    return EINJIT_OK;
}

static int close_list(ej_parser *p, ej_nested *nested, int level, int64_t count, size_t offset)
{
    if (nested->shape[level] < 0) nested->shape[level] = count;
    if (nested->shape[level] == count) return EINJIT_OK;
    return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "a list of %lld items beside lists of %lld", (long long)count,
                         (long long)nested->shape[level]);
}

static int parse_level(ej_parser *p, ej_nested *nested, int level)
{
    int64_t count = 0;
    size_t offset = p->token.offset;
    if (!ej_parse_at(p, EJ_SIGN1('['))) return parse_leaf(p, nested, level);
    if (nested->leaf_level >= 0 && level >= nested->leaf_level) return ragged(p, offset);
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    if (nested->list_levels <= level) nested->list_levels = level + 1;
    while (!ej_parse_at(p, EJ_SIGN1(']'))) {
        EJ_TRY(parse_level(p, nested, level + 1));
        count++;
        if (ej_parse_at(p, EJ_SIGN1(']'))) break;
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(','), "between the items of a list, or ']'"));
    }
    p->depth--;
    EJ_TRY(close_list(p, nested, level, count, offset));
    return ej_parse_advance(p);
}

int ej_parse_nested(ej_parser *p, ej_nested **out)
{
    ej_nested *nested = EJ_NEW(p->scratch, ej_nested);
    if (!nested) return ej_no_memory(p->err);
    nested->leaf_level = -1;
    for (int i = 0; i <= EJ_PARSE_DEPTH; i++) nested->shape[i] = -1;
    *out = nested;
    return parse_level(p, nested, 0);
}

/* The node but for its data. */
static int start_constant(ej_parser *p, ej_call *call, int rank, int dtype, ej_node *node)
{
    *node = (ej_node){.op = EJ_OP_CONSTANT, .dtype = (int16_t)dtype, .rank = rank, .n_extents = (uint32_t)rank};
    if (ej_call_given(call, 1)) {
        if (call->args[1].operand.kind != EJ_OPERAND_DTYPE) return ej_call_refuse(p, call, 1, "a dtype");
        node->dtype = (int16_t)call->args[1].operand.as.dtype;
    }
    node->extents = EJ_NEW_ARRAY(&p->graph->arena, ej_extent, node->n_extents);
    return node->extents ? EINJIT_OK : ej_no_memory(p->err);
}

int ej_op_tensor(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const int defaults[] = {EINJIT_BOOL, EINJIT_I64, EINJIT_F32, EINJIT_C64}; /* by EJ_KIND_* */
    const ej_nested *nested = call->nested;
    ej_node node;
    int rank = nested->leaf_level >= 0 ? nested->leaf_level : nested->list_levels;
    EJ_TRY(start_constant(p, call, rank, nested->n ? defaults[nested->kind] : EINJIT_F32, &node));
    for (int i = 0; i < rank; i++) node.extents[i].n = nested->shape[i];
    void *data = ej_arena_new(&p->graph->arena, nested->n, ej_dtypes[node.dtype].bytes);
    if (!data) return ej_no_memory(p->err);
    for (size_t i = 0; i < nested->n; i++)
        if (!ej_element_store(node.dtype, data, i, &nested->numbers[i]))
            return EJ_PARSE_FAIL(p, call->args[0].operand.offset, EINJIT_E_VALUE,
                                 "number %zu of the constant is not a value of %s", i, ej_dtypes[node.dtype].name);
    node.data = data;
    return ej_parse_node(p, &node, call->offset, out);
}

/* Constants without elements: nested lists cannot express the shape (0, 3). */
int ej_op_empty(ej_parser *p, ej_call *call, ej_parsed *out)
{
    uint32_t n;
    ej_extent *extents;
    int64_t n_elements = 1;
    ej_node node;
    EJ_TRY(ej_call_extents(p, call, 0, &n, &extents));
    for (uint32_t i = 0; i < n; i++) {
        if (extents[i].n_symbols || extents[i].n < 0) return ej_call_refuse(p, call, 0, "numbers");
        if (!ej_mul_size(n_elements, extents[i].n, &n_elements))
            return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_SIZE, "a constant whose size does not fit into 63 bits");
    }
    if (n_elements) return ej_call_refuse(p, call, 0, "a shape without elements: the others are written with tensor");
    if (n > INT16_MAX) return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_LIMIT, "a constant of %u axes", (unsigned)n);
    EJ_TRY(start_constant(p, call, (int)n, EINJIT_F32, &node));
    node.extents = extents;
    node.data = ej_arena_new(&p->graph->arena, 1, 16);
    return node.data ? ej_parse_node(p, &node, call->offset, out) : ej_no_memory(p->err);
}
