/* graph_parse.c - a program: one function, its parameters, its statements.
 *
 * Takes  text, any bytes.
 * Gives  a graph: parameters are inputs in their order, every operation one node, the results of `return` its outputs.
 *        Errors have line, column and caret.
 * Keeps  names: a value assigned to x is the node x (x_1 when x was taken: Python's reassignment). `y = x` makes no
 *        node.
 * Size   time and memory are linear in the text; statements and chains do not nest the C stack.
 * Not here: expressions (graph_parse_expr.c), which operators there are (graph_parse_table.c).
 */
#include "graph_parse.h"

#include <string.h>

/* ---- tokens, as all files of the reader see them ---- */

int ej_parse_advance(ej_parser *p)
{
    return ej_lex_next(&p->lexer, &p->token);
}

int ej_parse_peek(const ej_parser *p, ej_token *out)
{
    ej_lexer ahead = p->lexer;
    return ej_lex_next(&ahead, out);
}

bool ej_parse_at(const ej_parser *p, uint32_t sign)
{
    return p->token.kind == EJ_TOKEN_SIGN && p->token.sign == sign;
}

int ej_parse_unexpected(ej_parser *p, const char *wanted)
{
    const ej_token *token = &p->token;
    if (token->kind == EJ_TOKEN_END)
        return EJ_PARSE_FAIL(p, token->offset, EINJIT_E_SYNTAX, "expected %s, but the text ends", wanted);
    if (token->kind == EJ_TOKEN_NEWLINE)
        return EJ_PARSE_FAIL(p, token->offset, EINJIT_E_SYNTAX, "expected %s, but the line ends", wanted);
    if (token->kind == EJ_TOKEN_STRING)
        return EJ_PARSE_FAIL(p, token->offset, EINJIT_E_SYNTAX, "expected %s, got a string", wanted);
    return EJ_PARSE_FAIL(p, token->offset, EINJIT_E_SYNTAX, "expected %s, got '%.*s'", wanted,
                         EJ_PARSE_SHOWN(token->length), p->lexer.text + token->offset);
}

int ej_parse_expect(ej_parser *p, uint32_t sign, const char *where)
{
    char wanted[80] = "''";
    if (ej_parse_at(p, sign)) return ej_parse_advance(p);
    wanted[1] = (char)(sign & 0xFF);
    wanted[2] = '\'';
    wanted[3] = ' ';
    strncat(wanted, where, sizeof wanted - 5);
    return ej_parse_unexpected(p, wanted);
}

int ej_parse_enter(ej_parser *p)
{
    if (++p->depth > EJ_PARSE_DEPTH)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_LIMIT, "an expression that nests deeper than %d levels",
                             EJ_PARSE_DEPTH);
    return EINJIT_OK;
}

/* ---- parameters ---- */

static int parse_axis(ej_parser *p, ej_extent *out)
{
    const ej_token *token = &p->token;
    uint64_t number;
    memset(out, 0, sizeof *out);
    if (ej_parse_at(p, EJ_SIGN1(':'))) {
        out->n = EJ_EXTENT_UNKNOWN;
    } else if (token->kind == EJ_TOKEN_INT) {
        EJ_TRY(ej_lex_int(&p->lexer, token, &number));
        if (number > INT64_MAX)
            return EJ_PARSE_FAIL(p, token->offset, EINJIT_E_SIZE, "an extent that does not fit into 63 bits");
        out->n = (int64_t)number;
    } else if (token->kind == EJ_TOKEN_NAME) {
        out->n = 1;
        out->n_symbols = 1;
        out->symbols = EJ_NEW(&p->graph->arena, int32_t);
        if (!out->symbols) return ej_no_memory(p->err);
        EJ_TRY(ej_graph_symbol(p->graph, p->lexer.text + token->offset, token->length, out->symbols, p->err));
        EJ_TRY(ej_parse_advance(p));
        if (!ej_parse_at(p, EJ_SIGN1(':'))) return EINJIT_OK;
        out->n = EJ_EXTENT_UNKNOWN;
    } else {
        return ej_parse_unexpected(p, "an extent: a number, a name or ':'");
    }
    return ej_parse_advance(p);
}

/* [z, 4, :, j:], or [()] for a scalar. */
static int parse_axes(ej_parser *p, ej_node *node)
{
    size_t n = 0, capacity = 0;
    ej_extent *axes = NULL;
    EJ_TRY(ej_parse_advance(p));
    if (ej_parse_at(p, EJ_SIGN1('('))) {
        EJ_TRY(ej_parse_advance(p));
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(')'), "for a scalar: f32[()]"));
    } else {
        do {
            if (n >= INT16_MAX)
                return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_LIMIT, "more than %d axes", INT16_MAX);
            if (!EJ_PUSH_ROOM(&p->graph->arena, axes, capacity, n)) return ej_no_memory(p->err);
            EJ_TRY(parse_axis(p, &axes[n++]));
            if (!ej_parse_at(p, EJ_SIGN1(','))) break;
            EJ_TRY(ej_parse_advance(p));
        } while (!ej_parse_at(p, EJ_SIGN1(']')));
    }
    node->rank = (int32_t)n;
    node->n_extents = (uint32_t)n;
    node->extents = axes;
    return ej_parse_expect(p, EJ_SIGN1(']'), "behind the extents");
}

static int parse_annotation(ej_parser *p, ej_node *node)
{
    int dtype = -1;
    EJ_TRY(ej_parse_advance(p));
    if (p->token.kind == EJ_TOKEN_NAME && ej_lex_is(&p->lexer, &p->token, "any"))
        EJ_TRY(ej_parse_advance(p)); /* any[z, j]: the axes are known, the dtype is not */
    else EJ_TRY(ej_parse_dtype(p, &dtype));
    node->dtype = (int16_t)dtype;
    return ej_parse_at(p, EJ_SIGN1('[')) ? parse_axes(p, node) : EINJIT_OK;
}

static int bind_word(ej_parser *p, ej_word *word, const ej_parsed *operand)
{
    if (!word->bound) word->bound = EJ_NEW(p->scratch, ej_parsed);
    if (!word->bound) return ej_no_memory(p->err);
    *word->bound = *operand;
    return EINJIT_OK;
}

static int parse_parameter(ej_parser *p)
{
    const ej_token name = p->token;
    const char *text = p->lexer.text + name.offset;
    ej_node node = {.op = EJ_OP_INPUT, .dtype = -1, .rank = -1};
    ej_parsed operand;
    if (name.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "a parameter's name");
    ej_word *word = ej_parse_word(p, text, name.length);
    if (!word) return ej_no_memory(p->err);
    if (word->bound)
        return EJ_PARSE_FAIL(p, name.offset, EINJIT_E_SYNTAX, "a second parameter '%.*s'", EJ_PARSE_SHOWN(name.length),
                             text);
    EJ_TRY(ej_parse_advance(p));
    if (ej_parse_at(p, EJ_SIGN1(':'))) EJ_TRY(parse_annotation(p, &node));
    EJ_TRY(ej_parse_node(p, &node, name.offset, &operand));
    EJ_TRY(ej_parse_flush(p, word));
    return bind_word(p, word, &operand);
}

/* def name(parameters): */
static int parse_head(ej_parser *p)
{
    if (!ej_lex_is(&p->lexer, &p->token, "def") || p->lexer.indent)
        return ej_parse_unexpected(p, "'def name(parameters):' at the start of a line");
    EJ_TRY(ej_parse_advance(p));
    if (p->token.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "the function's name");
    p->graph->name = ej_arena_copy_text(&p->graph->arena, p->lexer.text + p->token.offset, p->token.length);
    if (!p->graph->name) return ej_no_memory(p->err);
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(ej_parse_expect(p, EJ_SIGN1('('), "behind the function's name"));
    while (!ej_parse_at(p, EJ_SIGN1(')'))) {
        EJ_TRY(parse_parameter(p));
        if (ej_parse_at(p, EJ_SIGN1(')'))) break;
        EJ_TRY(ej_parse_expect(p, EJ_SIGN1(','), "between parameters, or ')'"));
    }
    EJ_TRY(ej_parse_advance(p));
    return ej_parse_expect(p, EJ_SIGN1(':'), "behind the parameters");
}

/* ---- statements ---- */

/* The names in front of `=`, one or several: a = b = x. */
static int parse_targets(ej_parser *p, size_t *n, ej_word ***out)
{
    size_t capacity = 0;
    ej_word **targets = NULL;
    *n = 0;
    while (p->token.kind == EJ_TOKEN_NAME) {
        ej_token next;
        EJ_TRY(ej_parse_peek(p, &next));
        if (next.kind != EJ_TOKEN_SIGN || next.sign != EJ_SIGN1('=')) break;
        if (!EJ_PUSH_ROOM(p->scratch, targets, capacity, *n)) return ej_no_memory(p->err);
        targets[*n] = ej_parse_word(p, p->lexer.text + p->token.offset, p->token.length);
        if (!targets[(*n)++]) return ej_no_memory(p->err);
        EJ_TRY(ej_parse_advance(p));
        EJ_TRY(ej_parse_advance(p));
    }
    *out = targets;
    return EINJIT_OK;
}

/* The node that the expression made last takes the target's name; a number becomes a node of that name. */
static int name_node(ej_parser *p, const ej_word *target, ej_parsed *operand)
{
    ej_value value;
    if (p->waiting && operand->kind == EJ_OPERAND_VALUE && (size_t)operand->value == p->graph->n_nodes)
        return ej_parse_flush(p, target);
    EJ_TRY(ej_parse_flush(p, NULL));
    if (operand->kind != EJ_OPERAND_NUMBER || operand->value >= 0) return EINJIT_OK;
    EJ_TRY(ej_parse_value(p, operand, &value));
    return ej_parse_flush(p, target);
}

static int parse_assignment(ej_parser *p)
{
    size_t n;
    ej_word **targets = NULL;
    ej_parsed operand;
    if (p->token.kind != EJ_TOKEN_NAME) return ej_parse_unexpected(p, "an assignment or return");
    EJ_TRY(parse_targets(p, &n, &targets));
    if (!n) {
        EJ_TRY(ej_parse_advance(p));
        return ej_parse_unexpected(p, "'=' behind one name: a statement is an assignment or return");
    }
    EJ_TRY(ej_parse_expressions(p, &operand));
    EJ_TRY(name_node(p, targets[0], &operand));
    for (size_t i = 0; i < n; i++) EJ_TRY(bind_word(p, targets[i], &operand));
    return EINJIT_OK;
}

static int parse_return(ej_parser *p)
{
    ej_parsed result, *items = &result;
    size_t n = 1, offset;
    EJ_TRY(ej_parse_advance(p));
    offset = p->token.offset;
    EJ_TRY(ej_parse_expressions(p, &result));
    if (result.kind == EJ_OPERAND_LIST) {
        if (!result.tuple) return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "several results are a tuple: return a, b");
        n = result.n;
        items = result.as.items;
        p->graph->tuple_result = n == 1;
    }
    for (size_t i = 0; i < n; i++) {
        ej_value value;
        EJ_TRY(ej_parse_value(p, &items[i], &value));
        EJ_TRY(ej_parse_flush(p, NULL));
        EJ_TRY(ej_graph_output(p->graph, value, p->err));
    }
    return EINJIT_OK;
}

static int parse_statement(ej_parser *p, bool *returned)
{
    if (*returned) return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX, "a statement behind return");
    if (p->token.kind == EJ_TOKEN_STRING) return ej_parse_advance(p); /* a docstring */
    *returned = p->token.kind == EJ_TOKEN_KEYWORD && ej_lex_is(&p->lexer, &p->token, "return");
    return *returned ? parse_return(p) : parse_assignment(p);
}

/* Statements of one line. */
static int parse_line(ej_parser *p, bool *returned)
{
    for (;;) {
        EJ_TRY(parse_statement(p, returned));
        if (p->token.kind == EJ_TOKEN_NEWLINE) return ej_parse_advance(p);
        if (!ej_parse_at(p, EJ_SIGN1(';'))) return ej_parse_unexpected(p, "the end of the statement");
        EJ_TRY(ej_parse_advance(p));
        if (p->token.kind == EJ_TOKEN_NEWLINE) return ej_parse_advance(p);
    }
}

static int parse_block(ej_parser *p, bool *returned)
{
    EJ_TRY(ej_parse_advance(p));
    int32_t indent = p->lexer.indent, tab_indent = p->lexer.tab_indent;
    if (p->token.kind == EJ_TOKEN_END || !indent) return ej_parse_unexpected(p, "an indented line");
    while (p->token.kind != EJ_TOKEN_END && p->lexer.indent) {
        if (p->lexer.indent != indent || p->lexer.tab_indent != tab_indent)
            return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX,
                                 "this line is not indented as the first statement is");
        EJ_TRY(parse_line(p, returned));
    }
    return EINJIT_OK;
}

static int parse_program(ej_parser *p)
{
    bool returned = false;
    EJ_TRY(ej_parse_advance(p));
    while (p->token.kind == EJ_TOKEN_STRING) { /* a docstring of the file */
        EJ_TRY(ej_parse_advance(p));
        if (p->token.kind != EJ_TOKEN_NEWLINE) return ej_parse_unexpected(p, "the end of the line");
        EJ_TRY(ej_parse_advance(p));
    }
    size_t head = p->token.offset;
    EJ_TRY(parse_head(p));
    EJ_TRY(p->token.kind == EJ_TOKEN_NEWLINE ? parse_block(p, &returned) : parse_line(p, &returned));
    if (p->token.kind != EJ_TOKEN_END)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX,
                             "text behind the function: a program is one function");
    if (!returned) return EJ_PARSE_FAIL(p, head, EINJIT_E_SYNTAX, "a function without return");
    return EINJIT_OK;
}

static int parse_into(ej_graph *graph, ej_arena *scratch, const char *text, size_t length, einjit_error *err)
{
    ej_parser p;
    memset(&p, 0, sizeof p);
    ej_lex_init(&p.lexer, text, length, err);
    p.graph = graph;
    p.scratch = scratch;
    p.err = err;
    EJ_TRY(ej_parse_collect_words(&p));
    return parse_program(&p);
}

int ej_graph_parse(ej_graph *out, const einjit_allocator *allocator, const char *text, size_t length, einjit_error *err)
{
    ej_arena scratch;
    EJ_TRY(ej_graph_init(out, allocator, err));
    ej_arena_init(&scratch, allocator);
    int status = parse_into(out, &scratch, text ? text : "", text ? length : 0, err);
    ej_arena_free(&scratch);
    if (status) ej_graph_free(out);
    return status;
}
