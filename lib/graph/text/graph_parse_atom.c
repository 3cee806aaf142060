/* graph_parse_atom.c - what expressions are made of: numbers, names, strings, brackets.
 *
 * Takes  the current token.
 * Gives  what it stands for. The same word may be a tensor, an extent and a dtype: names_mean says which is meant here.
 * Not here: operators between atoms and calls behind names (graph_parse_expr.c, graph_parse_call.c).
 */
#include <string.h>

#include "graph_parse.h"

/* ---- numbers ---- */

static int parse_int(ej_parser *p, bool negative, ej_parsed *out)
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

static int parse_real(ej_parser *p, ej_parsed *out)
{
    double value;
    EJ_TRY(ej_lex_real(&p->lexer, &p->token, p->scratch, &value));
    ej_number number = {.kind = EJ_KIND_FLOAT, .re = value};
    if (p->token.kind == EJ_TOKEN_IMAGINARY) number = (ej_number){.kind = EJ_KIND_COMPLEX, .im = value};
    *out = ej_parse_number_operand(&number, p->token.offset);
    return ej_parse_advance(p);
}

int ej_parse_smallest_int(ej_parser *p, bool *found, ej_parsed *out)
{
    uint64_t magnitude = 0;
    *found = false;
    if (p->token.kind != EJ_TOKEN_INT || p->token.length < 16) return EINJIT_OK;
    EJ_TRY(ej_lex_int(&p->lexer, &p->token, &magnitude));
    *found = magnitude > INT64_MAX;
    return *found ? parse_int(p, true, out) : EINJIT_OK;
}

/* ---- names ---- */

static int parse_symbol(ej_parser *p, ej_parsed *out)
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

static int parse_keyword(ej_parser *p, ej_parsed *out)
{
    bool is_true = ej_lex_is(&p->lexer, &p->token, "True");
    ej_number number = {.kind = EJ_KIND_BOOL, .integer = is_true};
    *out = ej_parse_number_operand(&number, p->token.offset);
    if (ej_lex_is(&p->lexer, &p->token, "None")) out->kind = EJ_OPERAND_NONE;
    else if (!is_true && !ej_lex_is(&p->lexer, &p->token, "False")) return ej_parse_unexpected(p, "an expression");
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
    if (word->bound && p->names_mean != EJ_NAMES_DTYPES) return EINJIT_OK; /* a tensor of that name */
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
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_NAME, "there is no dtype '%.*s'",
                             EJ_PARSE_SHOWN(p->token.length), name);
    return ej_parse_advance(p);
}

static int parse_variable(ej_parser *p, ej_parsed *out)
{
    const char *name = p->lexer.text + p->token.offset;
    const ej_word *word = ej_parse_word(p, name, p->token.length);
    if (!word) return ej_no_memory(p->err);
    if (!word->bound)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_NAME, "name '%.*s' is not defined",
                             EJ_PARSE_SHOWN(p->token.length), name);
    *out = *word->bound;
    out->offset = p->token.offset;
    return ej_parse_advance(p);
}

static int parse_name(ej_parser *p, ej_parsed *out)
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
    bool owner = next.kind == EJ_TOKEN_SIGN && next.sign == EJ_SIGN1('.'); /* x.shape[0] */
    return p->names_mean == EJ_NAMES_EXTENTS && !owner ? parse_symbol(p, out) : parse_variable(p, out);
}

/* ---- brackets ---- */

/* Items up to the closing sign, which is taken; *comma: there was at least one. */
static int parse_items(ej_parser *p, uint32_t close, ej_parsed *list, bool *comma)
{
    size_t n = 0, capacity = 0;
    ej_parsed *items = NULL;
    *comma = false;
    while (!ej_parse_at(p, close)) {
        if (!EJ_PUSH_ROOM(p->scratch, items, capacity, n)) return ej_no_memory(p->err);
        EJ_TRY(ej_parse_expression(p, &items[n]));
        if (++n >= INT32_MAX) return EJ_PARSE_FAIL(p, list->offset, EINJIT_E_LIMIT, "more than 2^31 items");
        if (ej_parse_at(p, close)) break;
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(','),
                               close == EJ_SIGN1(']') ? "between the items of a list, or ']'"
                                                      : "or ')' behind an expression"));
        *comma = true;
    }
    list->n = (uint32_t)n;
    list->as.items = items;
    return ej_parse_advance(p);
}

static int parse_bracket(ej_parser *p, ej_parsed *out)
{
    bool comma, tuple = p->token.sign == EJ_SIGN1('(');
    ej_parsed list;
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

int ej_parse_atom(ej_parser *p, ej_parsed *out)
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
