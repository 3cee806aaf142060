/* graph_parse_expr.c - expressions.
 *
 * Takes  the tokens from the current one on.
 * Gives  what the expression is worth; the nodes it makes are in the graph, the last one waiting for a name.
 * Size   chains (a + b + ..., x.f().g()...) are loops; only brackets, signs and powers nest the C stack, up to
 *        EJ_PARSE_DEPTH.
 * Not here: argument lists (graph_parse_call.c), x[...] (graph_parse_index.c), arithmetic (graph_parse_fold.c).
 */
#include <string.h>

#include "graph_parse.h"

/* The binary operators, loosest first. ** is tighter than a sign on its left, and so not in this table. */
enum { COMPARISON = 1, SUM, PRODUCT };
typedef struct binary_row {
    uint32_t sign;
    uint8_t precedence;
    int16_t fn; /* EJ_FN_*; -1: matmul */
} binary_row;

static const binary_row binary_rows[] = {
    {EJ_SIGN2('=', '='), COMPARISON, EJ_FN_EQ},
    {EJ_SIGN2('!', '='), COMPARISON, EJ_FN_NE},
    {EJ_SIGN1('<'), COMPARISON, EJ_FN_LT},
    {EJ_SIGN2('<', '='), COMPARISON, EJ_FN_LE},
    {EJ_SIGN1('>'), COMPARISON, EJ_FN_GT},
    {EJ_SIGN2('>', '='), COMPARISON, EJ_FN_GE},
    {EJ_SIGN1('+'), SUM, EJ_FN_ADD},
    {EJ_SIGN1('-'), SUM, EJ_FN_SUB},
    {EJ_SIGN1('*'), PRODUCT, EJ_FN_MUL},
    {EJ_SIGN1('/'), PRODUCT, EJ_FN_DIV},
    {EJ_SIGN2('/', '/'), PRODUCT, EJ_FN_FLOOR_DIVIDE},
    {EJ_SIGN1('@'), PRODUCT, -1},
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

static ej_extent as_extent(const ej_operand *operand)
{
    if (operand->kind == EJ_OPERAND_EXTENT) return operand->as.extent;
    return (ej_extent){.n = operand->as.number.integer};
}

static bool can_be_extent(const ej_operand *operand)
{
    return operand->kind == EJ_OPERAND_EXTENT ||
           (operand->kind == EJ_OPERAND_NUMBER && operand->as.number.kind == EJ_KIND_INT && operand->as.number.integer >= 0);
}

static int multiply_extents(ej_parser *p, uint32_t sign, size_t offset, const ej_operand *a, const ej_operand *b,
                            ej_operand *out)
{
    if (sign != EJ_SIGN1('*') || !can_be_extent(a) || !can_be_extent(b))
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "an extent is a number, a name, or a product of numbers and names");
    ej_extent x = as_extent(a), y = as_extent(b), product = {0};
    if (!ej_mul_size(x.n, y.n, &product.n))
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_SIZE, "an extent that does not fit into 63 bits");
    size_t n = (size_t)x.n_symbols + (size_t)y.n_symbols;
    if (n > INT16_MAX) return EJ_PARSE_FAIL(p, offset, EINJIT_E_LIMIT, "an extent with more than %d names", INT16_MAX);
    product.symbols = EJ_NEW_ARRAY(p->scratch, int32_t, n);
    if (!product.symbols) return ej_no_memory(p->err);
    if (x.n_symbols) memcpy(product.symbols, x.symbols, (size_t)x.n_symbols * sizeof *x.symbols);
    if (y.n_symbols) memcpy(product.symbols + x.n_symbols, y.symbols, (size_t)y.n_symbols * sizeof *y.symbols);
    product.n_symbols = (int32_t)n;
    memset(out, 0, sizeof *out);
    out->kind = EJ_OPERAND_EXTENT;
    out->offset = a->offset;
    out->as.extent = product;
    return EINJIT_OK;
}

int ej_parse_symbol(ej_parser *p, ej_operand *out)
{
    const char *name = p->lexer.text + p->token.offset;
    int32_t symbol = ej_graph_find_symbol(p->graph, name, p->token.length);
    if (symbol < 0)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_NAME, "no parameter has an extent '%.*s'",
                             EJ_PARSE_SHOWN(p->token.length), name);
    memset(out, 0, sizeof *out);
    out->kind = EJ_OPERAND_EXTENT;
    out->offset = p->token.offset;
    out->as.extent = (ej_extent){.n = 1, .n_symbols = 1, .symbols = EJ_NEW(p->scratch, int32_t)};
    if (!out->as.extent.symbols) return ej_no_memory(p->err);
    out->as.extent.symbols[0] = symbol;
    return ej_parse_advance(p);
}

/* ---- what operators make ---- */

static int combine(ej_parser *p, const binary_row *row, size_t offset, ej_operand *a, ej_operand *b, ej_operand *out)
{
    if (a->kind == EJ_OPERAND_EXTENT || b->kind == EJ_OPERAND_EXTENT)
        return multiply_extents(p, row->sign, offset, a, b, out);
    if (a->kind == EJ_OPERAND_NUMBER && b->kind == EJ_OPERAND_NUMBER && ej_parse_folds(row->sign)) {
        ej_operand left = *a, right = *b;
        return ej_parse_fold(p, row->sign, offset, &left, &right, out);
    }
    ej_node node = {.op = row->fn < 0 ? EJ_OP_MATMUL : EJ_OP_MAP, .fn = (uint8_t)(row->fn < 0 ? 0 : row->fn), .dtype = -1};
    ej_operand *operands[2] = {a, b};
    EJ_TRY(ej_parse_values(p, &node, 2, operands));
    return ej_parse_node(p, &node, offset, out);
}

static int apply_sign(ej_parser *p, bool minus, size_t offset, ej_operand *x)
{
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

/* ---- atoms ---- */

static int parse_int(ej_parser *p, bool negative, ej_operand *out)
{
    uint64_t magnitude;
    size_t offset = p->token.offset;
    EJ_TRY(ej_lex_int(&p->lexer, &p->token, &magnitude));
    if (magnitude > INT64_MAX && !negative)
        return EJ_PARSE_FAIL(p, offset, EINJIT_E_SIZE, "an integer that does not fit into 64 bits");
    ej_number number = {.kind = EJ_KIND_INT};
    number.integer = magnitude > INT64_MAX ? INT64_MIN : negative ? -(int64_t)magnitude : (int64_t)magnitude;
    *out = ej_parse_number_operand(&number, offset);
    return ej_parse_advance(p);
}

static int parse_real(ej_parser *p, ej_operand *out)
{
    double value;
    EJ_TRY(ej_lex_real(&p->lexer, &p->token, p->scratch, &value));
    ej_number number = {.kind = EJ_KIND_FLOAT, .re = value};
    if (p->token.kind == EJ_TOKEN_IMAGINARY) number = (ej_number){.kind = EJ_KIND_COMPLEX, .im = value};
    *out = ej_parse_number_operand(&number, p->token.offset);
    return ej_parse_advance(p);
}

static int parse_keyword(ej_parser *p, ej_operand *out)
{
    bool is_true = ej_lex_is(&p->lexer, &p->token, "True");
    ej_number number = {.kind = EJ_KIND_BOOL, .integer = is_true};
    *out = ej_parse_number_operand(&number, p->token.offset);
    if (ej_lex_is(&p->lexer, &p->token, "None"))
        out->kind = EJ_OPERAND_NONE;
    else if (!is_true && !ej_lex_is(&p->lexer, &p->token, "False"))
        return ej_parse_unexpected(p, "an expression");
    return ej_parse_advance(p);
}

static int find_dtype(const char *name, size_t length)
{
    for (int d = 0; d < EINJIT_DTYPE_COUNT; d++)
        if ((strlen(ej_dtypes[d].name) == length && !memcmp(ej_dtypes[d].name, name, length)) ||
            (strlen(ej_dtypes[d].long_name) == length && !memcmp(ej_dtypes[d].long_name, name, length)))
            return d;
    return -1;
}

/* `torch.` and the modules below it may stand in front of functions and dtypes. */
static int skip_torch(ej_parser *p)
{
    static const char *const modules[] = {"torch", "functional", "nn", "special"};
    const char *text = p->lexer.text + p->token.offset;
    if (!ej_lex_is(&p->lexer, &p->token, "torch")) return EINJIT_OK;
    ej_word *word = ej_parse_word(p, text, p->token.length);
    if (!word) return ej_no_memory(p->err);
    if (word->bound && p->names_mean == EJ_NAMES_VALUES) return EINJIT_OK; /* a tensor of that name */
    for (bool again = true; again;) {
        ej_token next;
        EJ_TRY(ej_parse_peek(p, &next));
        if (next.kind != EJ_TOKEN_SIGN || next.sign != EJ_SIGN1('.')) return EINJIT_OK;
        EJ_TRY(ej_parse_advance(p));
        EJ_TRY(ej_parse_advance(p));
        if (p->token.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "a name behind 'torch.'");
        again = false;
        for (size_t i = 1; i < sizeof modules / sizeof *modules; i++)
            again |= ej_lex_is(&p->lexer, &p->token, modules[i]);
    }
    return EINJIT_OK;
}

int ej_parse_dtype(ej_parser *p, int *out)
{
    if (p->token.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "a dtype");
    int before = p->names_mean;
    p->names_mean = EJ_NAMES_DTYPES;
    EJ_TRY(skip_torch(p));
    p->names_mean = before;
    const char *name = p->lexer.text + p->token.offset;
    *out = find_dtype(name, p->token.length);
    if (*out < 0)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_NAME, "there is no dtype '%.*s'", EJ_PARSE_SHOWN(p->token.length),
                             name);
    return ej_parse_advance(p);
}

static int parse_variable(ej_parser *p, ej_operand *out)
{
    const char *name = p->lexer.text + p->token.offset;
    const ej_word *word = ej_parse_word(p, name, p->token.length);
    if (!word) return ej_no_memory(p->err);
    if (!word->bound)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_NAME, "name '%.*s' is not defined", EJ_PARSE_SHOWN(p->token.length),
                             name);
    *out = *word->bound;
    out->offset = p->token.offset;
    return ej_parse_advance(p);
}

static int parse_name(ej_parser *p, ej_operand *out)
{
    size_t start = p->token.offset;
    EJ_TRY(skip_torch(p));
    ej_token name = p->token, next;
    EJ_TRY(ej_parse_peek(p, &next));
    if (next.kind == EJ_TOKEN_SIGN && next.sign == EJ_SIGN1('(')) {
        EJ_TRY(ej_parse_advance(p));
        return ej_parse_call(p, &name, NULL, out);
    }
    if (p->names_mean == EJ_NAMES_DTYPES || name.offset != start) {
        memset(out, 0, sizeof *out);
        out->kind = EJ_OPERAND_DTYPE;
        out->offset = name.offset;
        return ej_parse_dtype(p, &out->as.dtype);
    }
    return p->names_mean == EJ_NAMES_EXTENTS ? ej_parse_symbol(p, out) : parse_variable(p, out);
}

/* Items up to the closing sign, which is taken; *trailing: there was at least one comma. */
static int parse_items(ej_parser *p, uint32_t close, ej_operand *list, bool *comma)
{
    size_t n = 0, capacity = 0;
    ej_operand *items = NULL;
    *comma = false;
    while (!ej_parse_at(p, close)) {
        if (!EJ_PUSH_ROOM(p->scratch, items, capacity, n)) return ej_no_memory(p->err);
        EJ_TRY(ej_parse_expression(p, &items[n]));
        if (++n >= INT32_MAX) return EJ_PARSE_FAIL(p, list->offset, EINJIT_E_LIMIT, "more than 2^31 items");
        if (ej_parse_at(p, close)) break;
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(','), close == EJ_SIGN1(']') ? "between the items of a list, or ']'"
                                                                       : "or ')' behind an expression"));
        *comma = true;
    }
    list->n = (uint32_t)n;
    list->as.items = items;
    return ej_parse_advance(p);
}

static int parse_bracket(ej_parser *p, ej_operand *out)
{
    bool comma, tuple = p->token.sign == EJ_SIGN1('(');
    ej_operand list;
    memset(&list, 0, sizeof list);
    list.kind = EJ_OPERAND_LIST;
    list.tuple = tuple;
    list.offset = p->token.offset;
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(parse_items(p, tuple ? EJ_SIGN1(')') : EJ_SIGN1(']'), &list, &comma));
    p->depth--;
    *out = tuple && list.n == 1 && !comma ? list.as.items[0] : list;
    return EINJIT_OK;
}

static int parse_atom(ej_parser *p, ej_operand *out)
{
    switch (p->token.kind) {
    case EJ_TOKEN_NAME: return parse_name(p, out);
    case EJ_TOKEN_KEYWORD: return parse_keyword(p, out);
    case EJ_TOKEN_INT: return parse_int(p, false, out);
    case EJ_TOKEN_FLOAT:
    case EJ_TOKEN_IMAGINARY: return parse_real(p, out);
    case EJ_TOKEN_STRING:
        memset(out, 0, sizeof *out);
        out->kind = EJ_OPERAND_TEXT;
        out->offset = p->token.offset;
        out->as.text.inner = p->token.inner;
        out->as.text.inner_length = p->token.inner_length;
        out->as.text.escaped = p->token.escaped;
        return ej_parse_advance(p);
    default:
        if (ej_parse_at(p, EJ_SIGN1('(')) || ej_parse_at(p, EJ_SIGN1('['))) return parse_bracket(p, out);
        return ej_parse_unexpected(p, "an expression");
    }
}

/* ---- behind atoms, and in front ---- */

static int parse_method(ej_parser *p, ej_operand *x)
{
    EJ_TRY(ej_parse_advance(p));
    ej_token name = p->token;
    ej_operand self = *x;
    if (name.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "a method's name behind '.'");
    EJ_TRY(ej_parse_advance(p));
    if (!ej_parse_at(p, EJ_SIGN1('(')))
        return EJ_PARSE_FAIL(p, name.offset, EINJIT_E_SYNTAX, "'.%.*s' is not a call: attributes are not part of programs",
                             EJ_PARSE_SHOWN(name.length), p->lexer.text + name.offset);
    return ej_parse_call(p, &name, &self, x);
}

static int parse_postfix(ej_parser *p, ej_operand *out)
{
    EJ_TRY(parse_atom(p, out));
    for (;;) {
        if (ej_parse_at(p, EJ_SIGN1('.')))
            EJ_TRY(parse_method(p, out));
        else if (ej_parse_at(p, EJ_SIGN1('[')))
            EJ_TRY(ej_parse_index(p, out));
        else if (ej_parse_at(p, EJ_SIGN1('(')))
            return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX, "%s cannot be called", ej_operand_kind_name(out));
        else
            return EINJIT_OK;
    }
}

static int parse_signed(ej_parser *p, ej_operand *out);

/* atom ** signed: the right side first, so 2 ** 3 ** 2 is 512. */
static int parse_power(ej_parser *p, ej_operand *out)
{
    EJ_TRY(parse_postfix(p, out));
    if (!ej_parse_at(p, power_row.sign)) return EINJIT_OK;
    size_t offset = p->token.offset;
    ej_operand base = *out, exponent;
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(parse_signed(p, &exponent));
    p->depth--;
    return combine(p, &power_row, offset, &base, &exponent, out);
}

/* -9223372036854775808 is a number although 9223372036854775808 is none. */
static int parse_smallest_int(ej_parser *p, bool *found, ej_operand *out)
{
    uint64_t magnitude = 0;
    *found = false;
    if (p->token.kind != EJ_TOKEN_INT || p->token.length < 16) return EINJIT_OK;
    EJ_TRY(ej_lex_int(&p->lexer, &p->token, &magnitude));
    *found = magnitude > INT64_MAX;
    return *found ? parse_int(p, true, out) : EINJIT_OK;
}

static int parse_signed(ej_parser *p, ej_operand *out)
{
    if (!ej_parse_at(p, EJ_SIGN1('-')) && !ej_parse_at(p, EJ_SIGN1('+'))) return parse_power(p, out);
    bool minus = p->token.sign == EJ_SIGN1('-'), done = false;
    size_t offset = p->token.offset;
    EJ_TRY(ej_parse_enter(p));
    EJ_TRY(ej_parse_advance(p));
    if (minus) EJ_TRY(parse_smallest_int(p, &done, out));
    if (!done) {
        EJ_TRY(parse_signed(p, out));
        EJ_TRY(apply_sign(p, minus, offset, out));
    }
    p->depth--;
    return EINJIT_OK;
}

static int parse_binary(ej_parser *p, int loosest, ej_operand *out)
{
    EJ_TRY(parse_signed(p, out));
    for (const binary_row *row; (row = binary_at(p)) && row->precedence >= loosest;) {
        size_t offset = p->token.offset;
        ej_operand left = *out, right;
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

int ej_parse_expression(ej_parser *p, ej_operand *out)
{
    return parse_binary(p, COMPARISON, out);
}

static bool expression_ends(const ej_parser *p)
{
    return p->token.kind == EJ_TOKEN_NEWLINE || p->token.kind == EJ_TOKEN_END || ej_parse_at(p, EJ_SIGN1(';'));
}

int ej_parse_expressions(ej_parser *p, ej_operand *out)
{
    EJ_TRY(ej_parse_expression(p, out));
    if (!ej_parse_at(p, EJ_SIGN1(','))) return EINJIT_OK;
    size_t n = 1, capacity = 0;
    ej_operand *items = NULL, list = {.kind = EJ_OPERAND_LIST, .tuple = true, .offset = out->offset};
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
