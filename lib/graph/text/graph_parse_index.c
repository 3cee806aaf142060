/* graph_parse_index.c - x[...]: slices, positions, new axes, and rows picked by an index tensor.
 *
 * Takes  the tokens behind `[`, and x.
 * Gives  a SLICE node; x[src] and x[:, src] with a tensor src give an INDEX_SELECT along its axis.
 * Not here: whether x has that many axes (bind).
 */
#include <string.h>

#include "graph_parse.h"

typedef struct items {
    size_t n, capacity;
    ej_index_item *all;
    ej_parsed tensor;    /* the index tensor ... */
    ptrdiff_t tensor_at; /* ... and its place among the items; -1 = none */
    ptrdiff_t ellipsis_at;
} items;

static int bound(ej_parser *p, const ej_parsed *operand, int64_t open, int64_t *out)
{
    *out = open;
    if (operand->kind == EJ_OPERAND_NONE) return EINJIT_OK;
    if (operand->kind != EJ_OPERAND_NUMBER || operand->as.number.kind != EJ_KIND_INT)
        return EJ_PARSE_FAIL(p, operand->offset, EINJIT_E_VALUE, "the bounds of a slice are integers, got %s",
                             operand->kind == EJ_OPERAND_NUMBER ? "another number" : ej_operand_kind_name(operand));
    *out = operand->as.number.integer;
    return EINJIT_OK;
}

static bool item_ends(const ej_parser *p)
{
    return ej_parse_at(p, EJ_SIGN1(':')) || ej_parse_at(p, EJ_SIGN1(',')) || ej_parse_at(p, EJ_SIGN1(']'));
}

/* start:stop:step, at the first colon. */
static int parse_range(ej_parser *p, const ej_parsed *start, ej_index_item *item)
{
    ej_parsed stop = {.kind = EJ_OPERAND_NONE}, step = {.kind = EJ_OPERAND_NONE};
    EJ_TRY(ej_parse_advance(p));
    if (!item_ends(p)) EJ_TRY(ej_parse_expression(p, &stop));
    if (ej_parse_at(p, EJ_SIGN1(':'))) {
        EJ_TRY(ej_parse_advance(p));
        if (!item_ends(p)) EJ_TRY(ej_parse_expression(p, &step));
    }
    item->kind = EJ_INDEX_RANGE;
    EJ_TRY(bound(p, start, INT64_MIN, &item->start));
    EJ_TRY(bound(p, &stop, INT64_MAX, &item->stop));
    EJ_TRY(bound(p, &step, 1, &item->step));
    if (!item->step) return EJ_PARSE_FAIL(p, step.offset, EINJIT_E_VALUE, "the step of a slice is not 0");
    return EINJIT_OK;
}

/* An expression that is not part of a range. */
static int take_single(ej_parser *p, items *list, ej_parsed *x, ej_index_item *item)
{
    switch (x->kind) {
    case EJ_OPERAND_NONE: item->kind = EJ_INDEX_NEW_AXIS; return EINJIT_OK;
    case EJ_OPERAND_NUMBER:
        if (x->as.number.kind != EJ_KIND_INT) break;
        item->kind = EJ_INDEX_AT;
        item->start = x->as.number.integer;
        return EINJIT_OK;
    case EJ_OPERAND_VALUE:
        if (list->tensor_at >= 0)
            return EJ_PARSE_FAIL(p, x->offset, EINJIT_E_UNSUPPORTED, "only one index of x[...] may be a tensor");
        list->tensor = *x;
        list->tensor_at = (ptrdiff_t)list->n;
        return EINJIT_OK;
    default: break;
    }
    return EJ_PARSE_FAIL(p, x->offset, EINJIT_E_VALUE, "an index is an integer, a slice, None, ... or a tensor, not %s",
                         x->kind == EJ_OPERAND_NUMBER ? "another number" : ej_operand_kind_name(x));
}

static int parse_item(ej_parser *p, items *list)
{
    ej_parsed first = {.kind = EJ_OPERAND_NONE, .offset = p->token.offset};
    if (!EJ_PUSH_ROOM(p->scratch, list->all, list->capacity, list->n)) return ej_no_memory(p->err);
    ej_index_item *item = &list->all[list->n];
    memset(item, 0, sizeof *item);
    if (ej_parse_at(p, EJ_SIGN_ELLIPSIS)) {
        if (list->ellipsis_at >= 0)
            return EJ_PARSE_FAIL(p, first.offset, EINJIT_E_VALUE, "a second '...' in one index");
        list->ellipsis_at = (ptrdiff_t)list->n;
        item->kind = EJ_INDEX_ELLIPSIS;
        EJ_TRY(ej_parse_advance(p));
    } else {
        if (!ej_parse_at(p, EJ_SIGN1(':'))) EJ_TRY(ej_parse_expression(p, &first));
        if (ej_parse_at(p, EJ_SIGN1(':'))) EJ_TRY(parse_range(p, &first, item));
        else EJ_TRY(take_single(p, list, &first, item));
    }
    list->n++;
    return EINJIT_OK;
}

static int parse_items(ej_parser *p, items *list)
{
    while (!ej_parse_at(p, EJ_SIGN1(']'))) {
        EJ_TRY(parse_item(p, list));
        if (ej_parse_at(p, EJ_SIGN1(']'))) break;
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(','), "between indices, or ']'"));
    }
    return ej_parse_advance(p);
}

static int make_slice(ej_parser *p, items *list, size_t offset, ej_parsed *x)
{
    ej_node node = {.op = EJ_OP_SLICE, .dtype = -1, .n_items = (uint32_t)list->n};
    node.items = EJ_NEW_ARRAY(&p->graph->arena, ej_index_item, list->n);
    if (!node.items) return ej_no_memory(p->err);
    if (list->n) memcpy(node.items, list->all, list->n * sizeof *list->all);
    EJ_TRY(ej_parse_values(p, &node, 1, &x));
    return ej_parse_node(p, &node, offset, x);
}

/* The axis of the tensor's place: from the end where an ellipsis stands in front of it. */
static int make_select(ej_parser *p, const items *list, size_t offset, ej_parsed *x)
{
    for (size_t i = 0; i < list->n; i++) {
        const ej_index_item *item = &list->all[i];
        bool whole = item->kind == EJ_INDEX_ELLIPSIS || (item->kind == EJ_INDEX_RANGE && item->start == INT64_MIN &&
                                                         item->stop == INT64_MAX && item->step == 1);
        if (!whole && (ptrdiff_t)i != list->tensor_at)
            return EJ_PARSE_FAIL(p, offset, EINJIT_E_UNSUPPORTED,
                                 "beside an index tensor only ':' and '...' can stand");
    }
    ej_node node = {.op = EJ_OP_INDEX_SELECT, .dtype = -1, .n_dims = 1};
    ej_parsed index = list->tensor, *operands[2] = {x, &index};
    node.dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1);
    if (!node.dims) return ej_no_memory(p->err);
    bool from_end = list->ellipsis_at >= 0 && list->ellipsis_at < list->tensor_at;
    node.dims[0] = from_end ? (int64_t)list->tensor_at - (int64_t)list->n : (int64_t)list->tensor_at;
    EJ_TRY(ej_parse_values(p, &node, 2, operands));
    return ej_parse_node(p, &node, offset, x);
}

/* x.shape[axis] */
static int index_shape(ej_parser *p, size_t offset, const items *list, ej_parsed *x)
{
    if (list->n != 1 || list->tensor_at >= 0 || list->all[0].kind != EJ_INDEX_AT)
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "a shape is indexed by the number of one axis");
    x->kind = EJ_OPERAND_SIZE;
    x->as.axis = list->all[0].start;
    return EINJIT_OK;
}

int ej_parse_index(ej_parser *p, ej_parsed *x)
{
    items list = {.tensor_at = -1, .ellipsis_at = -1};
    size_t offset = p->token.offset;
    int before = p->names_mean;
    if (x->kind != EJ_OPERAND_VALUE && x->kind != EJ_OPERAND_NUMBER && x->kind != EJ_OPERAND_SHAPE)
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "%s cannot be indexed", ej_operand_kind_name(x));
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    if (ej_parse_at(p, EJ_SIGN1(']'))) return ej_parse_unexpected(p, "an index");
    p->names_mean = EJ_NAMES_VALUES;
    ej_token next;
    EJ_TRY(ej_parse_peek(p, &next));
    if (ej_parse_at(p, EJ_SIGN1('(')) && next.kind == EJ_TOKEN_SIGN && next.sign == EJ_SIGN1(')')) {
        EJ_TRY(ej_parse_advance(p)); /* x[()]: an index of no items */
        EJ_TRY(ej_parse_advance(p));
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(']'), "behind '()'"));
    } else {
        EJ_TRY(parse_items(p, &list));
    }
    p->names_mean = before;
    p->depth--;
    if (x->kind == EJ_OPERAND_SHAPE) return index_shape(p, offset, &list, x);
    return list.tensor_at >= 0 ? make_select(p, &list, offset, x) : make_slice(p, &list, offset, x);
}
