/* graph_parse_expr.c - expressions.
 *
 * Takes  the tokens from the current one on.
 * Gives  what the expression is worth; the nodes it makes are in the graph, the last one waiting for a name.
 * Size   chains (a + b + ..., x.f().g()...) are loops; only brackets, signs and powers nest the C stack, up to
 *        EJ_PARSE_DEPTH.
 * Not here: names and literals (graph_parse_atom.c), argument lists (graph_parse_call.c), x[...] (graph_parse_index.c),
 *        arithmetic (graph_parse_fold.c).
 */
#include <string.h>

#include "graph_parse.h"

/* The binary operators, loosest first. ** is tighter than a sign on its left, and so not in this table. */
enum { COMPARISON = 1, OR, XOR, AND, SUM, PRODUCT };
enum { MATMUL = -1 };
typedef struct binary_row {
    uint32_t sign;
    uint8_t precedence;
    int16_t fn; /* EJ_FN_*, or MATMUL */
} binary_row;

static const binary_row binary_rows[] = {
    {EJ_SIGN2('=', '='), COMPARISON, EJ_FN_EQ},
    {EJ_SIGN2('!', '='), COMPARISON, EJ_FN_NE},
    {EJ_SIGN1('<'), COMPARISON, EJ_FN_LT},
    {EJ_SIGN2('<', '='), COMPARISON, EJ_FN_LE},
    {EJ_SIGN1('>'), COMPARISON, EJ_FN_GT},
    {EJ_SIGN2('>', '='), COMPARISON, EJ_FN_GE},
    {EJ_SIGN1('|'), OR, EJ_FN_BITWISE_OR},
    {EJ_SIGN1('^'), XOR, EJ_FN_BITWISE_XOR},
    {EJ_SIGN1('&'), AND, EJ_FN_BITWISE_AND},
    {EJ_SIGN1('+'), SUM, EJ_FN_ADD},
    {EJ_SIGN1('-'), SUM, EJ_FN_SUB},
    {EJ_SIGN1('*'), PRODUCT, EJ_FN_MUL},
    {EJ_SIGN1('/'), PRODUCT, EJ_FN_DIV},
    {EJ_SIGN2('/', '/'), PRODUCT, EJ_FN_FLOOR_DIVIDE},
    {EJ_SIGN1('%'), PRODUCT, EJ_FN_REMAINDER},
    {EJ_SIGN1('@'), PRODUCT, MATMUL},
};
static const binary_row power_row = {EJ_SIGN2('*', '*'), PRODUCT + 1, EJ_FN_POW};

static const binary_row *binary_at(const ej_parser *p)
{
    if (p->token.kind != EJ_TOKEN_SIGN) return NULL;
    for (size_t i = 0; i < sizeof binary_rows / sizeof *binary_rows; i++)
        if (binary_rows[i].sign == p->token.sign) return &binary_rows[i];
    return NULL;
}

/* ---- extents: numbers, names, products of them ---- */

static ej_extent as_extent(const ej_parsed *operand)
{
    if (operand->kind == EJ_OPERAND_EXTENT) return operand->as.extent;
    return (ej_extent){.n = operand->as.number.integer};
}

static bool can_be_extent(const ej_parsed *operand)
{
    const ej_number *number = &operand->as.number;
    return operand->kind == EJ_OPERAND_EXTENT ||
           (operand->kind == EJ_OPERAND_NUMBER && number->kind == EJ_KIND_INT && number->integer >= 0);
}

/* Names that an array for n of them has room for. */
static size_t room_for(size_t n)
{
    size_t room = 1;
    while (room < n) room *= 2;
    return room;
}

/* An extent is part of one product at most, so that the names of b are put behind those of a where they lie. */
static int multiply_extents(ej_parser *p, uint32_t sign, size_t offset, const ej_parsed *a, const ej_parsed *b,
                            ej_parsed *out)
{
    if (sign != EJ_SIGN1('*') || !can_be_extent(a) || !can_be_extent(b))
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE,
                             "an extent is a number, a name, or a product of numbers and names");
    ej_extent x = as_extent(a), y = as_extent(b), product = x;
    if (!ej_mul_size(x.n, y.n, &product.n))
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_SIZE, "an extent that does not fit into 63 bits");
    size_t n_x = (size_t)x.n_symbols, n_y = (size_t)y.n_symbols, n = n_x + n_y;
    if (n > INT16_MAX) return EJ_PARSE_FAIL(p, offset, EINJIT_E_LIMIT, "an extent with more than %d names", INT16_MAX);
    if (!n_x) {
        product.symbols = y.symbols;
    } else if (n_y) {
        if (room_for(n_x) < n) {
            product.symbols = EJ_NEW_ARRAY(p->scratch, int32_t, room_for(n));
            if (!product.symbols) return ej_no_memory(p->err);
            memcpy(product.symbols, x.symbols, n_x * sizeof *x.symbols);
        }
        memcpy(product.symbols + n_x, y.symbols, n_y * sizeof *y.symbols);
    }
    product.n_symbols = (int32_t)n;
    memset(out, 0, sizeof *out);
    out->kind = EJ_OPERAND_EXTENT;
    out->offset = a->offset;
    out->as.extent = product;
    return EINJIT_OK;
}

/* ---- what operators make ---- */

static int combine(ej_parser *p, const binary_row *row, size_t offset, ej_parsed *a, ej_parsed *b, ej_parsed *out)
{
    if (a->kind == EJ_OPERAND_EXTENT || b->kind == EJ_OPERAND_EXTENT)
        return multiply_extents(p, row->sign, offset, a, b, out);
    if (a->kind == EJ_OPERAND_NUMBER && b->kind == EJ_OPERAND_NUMBER && ej_parse_folds(row->sign)) {
        ej_parsed left = *a, right = *b;
        return ej_parse_fold(p, row->sign, offset, &left, &right, out);
    }
    ej_node node = {.op = EJ_OP_MATMUL, .dtype = -1};
    if (row->fn >= 0) {
        node.op = EJ_OP_MAP;
        node.fn = (uint8_t)row->fn;
    }
    ej_parsed *operands[2] = {a, b};
    EJ_TRY(ej_parse_values(p, &node, 2, operands));
    return ej_parse_node(p, &node, offset, out);
}

static int apply_sign(ej_parser *p, uint32_t sign, size_t offset, ej_parsed *x)
{
    bool minus = sign == EJ_SIGN1('-');
    if (sign == EJ_SIGN1('~')) {
        ej_node node = {.op = EJ_OP_MAP, .fn = EJ_FN_BITWISE_NOT, .dtype = -1};
        EJ_TRY(ej_parse_values(p, &node, 1, &x));
        return ej_parse_node(p, &node, offset, x);
    }
    if (x->kind == EJ_OPERAND_NUMBER) {
        if (minus) return ej_parse_negate(p, x, offset);
        if (x->as.number.kind != EJ_KIND_BOOL) return EINJIT_OK;
        x->as.number.kind = EJ_KIND_INT;
        x->value = -1;
        return EINJIT_OK;
    }
    if (x->kind == EJ_OPERAND_EXTENT && minus)
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "an extent cannot be negative");
    if (!minus) return EINJIT_OK;
    ej_node node = {.op = EJ_OP_MAP, .fn = EJ_FN_NEG, .dtype = -1};
    EJ_TRY(ej_parse_values(p, &node, 1, &x));
    return ej_parse_node(p, &node, offset, x);
}

/* ---- behind atoms, and in front ---- */

static int parse_method(ej_parser *p, ej_parsed *x)
{
    EJ_TRY(ej_parse_advance(p));
    ej_token name = p->token;
    ej_parsed self = *x;
    if (name.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "a method's name behind '.'");
    EJ_TRY(ej_parse_advance(p));
    bool has_shape = x->kind == EJ_OPERAND_VALUE || x->kind == EJ_OPERAND_NUMBER;
    bool turned = ej_lex_is(&p->lexer, &name, "T"), matrices = ej_lex_is(&p->lexer, &name, "mT");
    if (x->kind == EJ_OPERAND_VALUE && (turned || matrices)) return ej_parse_transposed(p, matrices, name.offset, x);
    if (!ej_parse_at(p, EJ_SIGN1('(')) && has_shape && ej_lex_is(&p->lexer, &name, "shape")) {
        EJ_TRY(ej_parse_value(p, x, &x->value));
        x->kind = EJ_OPERAND_SHAPE;
        return EINJIT_OK;
    }
    if (!ej_parse_at(p, EJ_SIGN1('(')))
        return EJ_PARSE_FAIL(p, name.offset, EINJIT_E_SYNTAX,
                             "'.%.*s' is not a call: attributes are not part of programs", EJ_PARSE_SHOWN(name.length),
                             p->lexer.text + name.offset);
    return ej_parse_call(p, &name, &self, x);
}

static int parse_postfix(ej_parser *p, ej_parsed *out)
{
    EJ_TRY(ej_parse_atom(p, out));
    for (;;) {
        if (ej_parse_at(p, EJ_SIGN1('.'))) EJ_TRY(parse_method(p, out));
        else if (ej_parse_at(p, EJ_SIGN1('['))) EJ_TRY(ej_parse_index(p, out));
        else if (ej_parse_at(p, EJ_SIGN1('(')))
            return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX, "%s cannot be called", ej_operand_kind_name(out));
        else return EINJIT_OK;
    }
}

static int parse_signed(ej_parser *p, ej_parsed *out);

/* atom ** signed: the right side first, so 2 ** 3 ** 2 is 512. */
static int parse_power(ej_parser *p, ej_parsed *out)
{
    EJ_TRY(parse_postfix(p, out));
    if (!ej_parse_at(p, power_row.sign)) return EINJIT_OK;
    size_t offset = p->token.offset;
    ej_parsed base = *out, exponent;
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(parse_signed(p, &exponent));
    p->depth--;
    return combine(p, &power_row, offset, &base, &exponent, out);
}

static int parse_signed(ej_parser *p, ej_parsed *out)
{
    bool number = ej_parse_at(p, EJ_SIGN1('-')) || ej_parse_at(p, EJ_SIGN1('+'));
    if (!number && !ej_parse_at(p, EJ_SIGN1('~'))) return parse_power(p, out);
    uint32_t sign = p->token.sign;
    bool done = false;
    size_t offset = p->token.offset;
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    if (sign == EJ_SIGN1('-')) EJ_TRY(ej_parse_smallest_int(p, &done, out));
    if (!done) {
        EJ_TRY(parse_signed(p, out));
        EJ_TRY(apply_sign(p, sign, offset, out));
    }
    p->depth--;
    return EINJIT_OK;
}

static int parse_binary(ej_parser *p, int loosest, ej_parsed *out)
{
    EJ_TRY(parse_signed(p, out));
    for (const binary_row *row; (row = binary_at(p)) && row->precedence >= loosest;) {
        size_t offset = p->token.offset;
        ej_parsed left = *out, right;
        EJ_TRY(ej_parse_advance(p));
        EJ_TRY(parse_binary(p, row->precedence + 1, &right));
        EJ_TRY(combine(p, row, offset, &left, &right, out));
        const binary_row *next = binary_at(p);
        if (row->precedence == COMPARISON && next && next->precedence == COMPARISON)
            return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX,
                                 "comparisons cannot be chained: write logical_and(a < b, b < c)");
    }
    return EINJIT_OK;
}

int ej_parse_expression(ej_parser *p, ej_parsed *out)
{
    return parse_binary(p, COMPARISON, out);
}

static bool expression_ends(const ej_parser *p)
{
    return p->token.kind == EJ_TOKEN_NEWLINE || p->token.kind == EJ_TOKEN_END || ej_parse_at(p, EJ_SIGN1(';'));
}

int ej_parse_expressions(ej_parser *p, ej_parsed *out)
{
    EJ_TRY(ej_parse_expression(p, out));
    if (!ej_parse_at(p, EJ_SIGN1(','))) return EINJIT_OK;
    size_t n = 1, capacity = 0;
    ej_parsed *items = NULL, list = {.kind = EJ_OPERAND_LIST, .tuple = true, .offset = out->offset};
    if (!EJ_PUSH_ROOM(p->scratch, items, capacity, 0)) return ej_no_memory(p->err);
    items[0] = *out;
    while (ej_parse_at(p, EJ_SIGN1(','))) {
        EJ_TRY(ej_parse_advance(p));
        if (expression_ends(p)) break;
        if (!EJ_PUSH_ROOM(p->scratch, items, capacity, n)) return ej_no_memory(p->err);
        EJ_TRY(ej_parse_expression(p, &items[n]));
        if (++n >= INT32_MAX) return EJ_PARSE_FAIL(p, list.offset, EINJIT_E_LIMIT, "more than 2^31 items");
    }
    list.n = (uint32_t)n;
    list.as.items = items;
    *out = list;
    return EINJIT_OK;
}
