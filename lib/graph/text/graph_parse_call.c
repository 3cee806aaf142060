/* graph_parse_call.c - argument lists: positional, by keyword, and what stands in front of the dot of a method.
 *
 * Takes  a row of the operators' table, which says what each argument is, and so what a bare name in it means.
 * Gives  the arguments in the row's order, then what the row's builder makes of them.
 * Not here: what operators do with their arguments (graph_parse_op.c, graph_parse_layout.c).
 */
#include <string.h>

#include "graph_parse.h"

static int n_params(const ej_call_row *row)
{
    int n = 0;
    while (n < EJ_CALL_PARAMS && row->params[n].name) n++;
    return n;
}

static int parse_one(ej_parser *p, ej_call *call, int arg, ej_parsed *out)
{
    int kind = call->row->params[arg].kind;
    p->names_mean = EJ_NAMES_VALUES;
    if (kind == EJ_PARAM_EXTENTS) p->names_mean = EJ_NAMES_EXTENTS;
    if (kind == EJ_PARAM_DTYPE) p->names_mean = EJ_NAMES_DTYPES;
    if (kind == EJ_PARAM_NESTED) {
        memset(out, 0, sizeof *out);
        out->offset = p->token.offset;
        out->kind = EJ_OPERAND_LIST;
        return ej_parse_nested(p, &call->nested);
    }
    return ej_parse_expression(p, out);
}

static int at_keyword(const ej_parser *p, bool *out)
{
    ej_token next;
    *out = false;
    if (p->token.kind != EJ_TOKEN_NAME) return EINJIT_OK;
    EJ_TRY(ej_parse_peek(p, &next));
    *out = next.kind == EJ_TOKEN_SIGN && next.sign == EJ_SIGN1('=');
    return EINJIT_OK;
}

static int take_comma(ej_parser *p)
{
    if (ej_parse_at(p, EJ_SIGN1(')'))) return EINJIT_OK;
    return ej_parse_expect(p, EJ_SIGN1(','), "between arguments, or ')'");
}

/* All positional arguments that are left: one list stands for its items. */
static int parse_rest(ej_parser *p, ej_call *call, int arg)
{
    size_t n = 0, capacity = 0;
    ej_parsed *items = NULL, *operand = &call->args[arg].operand;
    size_t offset = p->token.offset;
    while (!ej_parse_at(p, EJ_SIGN1(')'))) {
        bool keyword;
        EJ_TRY(at_keyword(p, &keyword));
        if (keyword) break;
        if (!EJ_PUSH_ROOM(p->scratch, items, capacity, n)) return ej_no_memory(p->err);
        EJ_TRY(parse_one(p, call, arg, &items[n]));
        if (++n >= INT32_MAX) return EJ_PARSE_FAIL(p, offset, EINJIT_E_LIMIT, "more than 2^31 arguments");
        EJ_TRY(take_comma(p));
    }
    if (n == 1 && items[0].kind == EJ_OPERAND_LIST) {
        *operand = items[0];
    } else {
        memset(operand, 0, sizeof *operand);
        operand->kind = EJ_OPERAND_LIST;
        operand->tuple = true;
        operand->n = (uint32_t)n;
        operand->offset = offset;
        operand->as.items = items;
    }
    call->args[arg].given = true;
    return EINJIT_OK;
}

static int find_param(const ej_parser *p, const ej_call_row *row)
{
    for (int i = 0; i < n_params(row); i++)
        if (ej_lex_is(&p->lexer, &p->token, row->params[i].name) ||
            (row->params[i].other && ej_lex_is(&p->lexer, &p->token, row->params[i].other)))
            return i;
    return -1;
}

static int parse_keyword(ej_parser *p, ej_call *call)
{
    int arg = find_param(p, call->row);
    if (arg < 0)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_VALUE, "%s has no argument '%.*s'", call->row->name,
                             EJ_PARSE_SHOWN(p->token.length), p->lexer.text + p->token.offset);
    if (call->args[arg].given)
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_VALUE, "argument '%s' of %s is given twice",
                             call->row->params[arg].name, call->row->name);
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(parse_one(p, call, arg, &call->args[arg].operand));
    call->args[arg].given = true;
    return take_comma(p);
}

static int parse_positional(ej_parser *p, ej_call *call, int *next)
{
    const ej_call_row *row = call->row;
    while (*next < n_params(row) && call->args[*next].given) ++*next; /* what the dot gave already */
    if (*next >= n_params(row))
        return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_VALUE, "%s takes at most %d arguments", row->name,
                             n_params(row));
    int arg = (*next)++;
    if (row->params[arg].rest) {
        *next = n_params(row);
        return parse_rest(p, call, arg);
    }
    EJ_TRY(parse_one(p, call, arg, &call->args[arg].operand));
    call->args[arg].given = true;
    return take_comma(p);
}

static int parse_arguments(ej_parser *p, ej_call *call)
{
    int next = 0;
    bool keyword, keywords = false;
    while (!ej_parse_at(p, EJ_SIGN1(')'))) {
        EJ_TRY(at_keyword(p, &keyword));
        if (keywords && !keyword)
            return EJ_PARSE_FAIL(p, p->token.offset, EINJIT_E_SYNTAX,
                                 "a positional argument behind a keyword argument");
        keywords = keyword;
        EJ_TRY(keyword ? parse_keyword(p, call) : parse_positional(p, call, &next));
    }
    for (int i = 0; i < n_params(call->row); i++)
        if (!call->args[i].given && !call->row->params[i].optional)
            return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_VALUE, "%s needs its argument '%s'", call->row->name,
                                 call->row->params[i].name);
    return EINJIT_OK;
}

/* A fresh call, one level deeper. */
static int enter_call(ej_parser *p, const ej_token *name, bool method, ej_call **out)
{
    const char *text = p->lexer.text + name->offset;
    EJ_TRY(ej_parse_enter(p));
    ej_call **call = &p->calls[p->depth];
    if (!*call) *call = EJ_NEW(p->scratch, ej_call);
    if (!*call) return ej_no_memory(p->err);
    memset(*call, 0, sizeof **call);
    (*call)->offset = name->offset;
    (*call)->row = ej_parse_find_row(text, name->length, method);
    if (!(*call)->row)
        return EJ_PARSE_FAIL(p, name->offset, EINJIT_E_NAME, "there is no operator '%.*s'",
                             EJ_PARSE_SHOWN(name->length), text);
    *out = *call;
    return EINJIT_OK;
}

int ej_parse_call(ej_parser *p, const ej_token *name, const ej_parsed *self, ej_parsed *out)
{
    ej_call *call = NULL;
    int before = p->names_mean;
    EJ_TRY(enter_call(p, name, self != NULL, &call));
    if (self) {
        if (call->row->self < 0)
            return EJ_PARSE_FAIL(p, name->offset, EINJIT_E_NAME, "%s is a function, not a method", call->row->name);
        call->args[call->row->self].given = true;
        call->args[call->row->self].operand = *self;
    }
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(parse_arguments(p, call));
    EJ_TRY(ej_parse_advance(p));
    EJ_TRY(call->row->build(p, call, out));
    p->depth--;
    p->names_mean = before;
    return EINJIT_OK;
}

/* ---- what builders ask for ---- */

bool ej_call_given(const ej_call *call, int arg)
{
    return call->args[arg].given && call->args[arg].operand.kind != EJ_OPERAND_NONE;
}

static int refuse_item(ej_parser *p, const ej_call *call, int arg, const ej_parsed *item, const char *wanted)
{
    return EJ_PARSE_FAIL(p, item->offset, EINJIT_E_VALUE, "argument '%s' of %s must be %s", call->row->params[arg].name,
                         call->row->name, wanted);
}

int ej_call_refuse(ej_parser *p, const ej_call *call, int arg, const char *wanted)
{
    return refuse_item(p, call, arg, &call->args[arg].operand, wanted);
}

static bool is_int(const ej_parsed *operand)
{
    return operand->kind == EJ_OPERAND_NUMBER && operand->as.number.kind == EJ_KIND_INT;
}

int ej_call_int(ej_parser *p, const ej_call *call, int arg, int64_t *out)
{
    const ej_parsed *operand = &call->args[arg].operand;
    if (!is_int(operand)) return ej_call_refuse(p, call, arg, "an integer");
    *out = operand->as.number.integer;
    return EINJIT_OK;
}

/* An argument's items: those of a list, or itself alone. */
static uint32_t items_of(const ej_parsed *operand, const ej_parsed **items)
{
    *items = operand->kind == EJ_OPERAND_LIST ? operand->as.items : operand;
    return operand->kind == EJ_OPERAND_LIST ? operand->n : 1;
}

int ej_call_ints(ej_parser *p, const ej_call *call, int arg, uint32_t *n, int64_t **out)
{
    const ej_parsed *items;
    *n = items_of(&call->args[arg].operand, &items);
    *out = EJ_NEW_ARRAY(&p->graph->arena, int64_t, *n);
    if (!*out) return ej_no_memory(p->err);
    for (uint32_t i = 0; i < *n; i++) {
        if (!is_int(&items[i])) return refuse_item(p, call, arg, &items[i], "an integer or a tuple of integers");
        (*out)[i] = items[i].as.number.integer;
    }
    return EINJIT_OK;
}

static int copy_symbols(ej_parser *p, const ej_extent *from, ej_extent *out)
{
    *out = *from;
    out->symbols = EJ_NEW_ARRAY(&p->graph->arena, int32_t, (size_t)from->n_symbols);
    if (!out->symbols) return ej_no_memory(p->err);
    memcpy(out->symbols, from->symbols, (size_t)from->n_symbols * sizeof *from->symbols);
    return EINJIT_OK;
}

int ej_call_extents(ej_parser *p, const ej_call *call, int arg, uint32_t *n, ej_extent **out)
{
    const ej_parsed *items;
    *n = items_of(&call->args[arg].operand, &items);
    *out = EJ_NEW_ARRAY(&p->graph->arena, ej_extent, *n);
    if (!*out) return ej_no_memory(p->err);
    for (uint32_t i = 0; i < *n; i++) {
        if (items[i].kind == EJ_OPERAND_EXTENT) {
            EJ_TRY(copy_symbols(p, &items[i].as.extent, &(*out)[i]));
        } else {
            if (!is_int(&items[i]) || items[i].as.number.integer < -1)
                return refuse_item(p, call, arg, &items[i], "extents: numbers, names, products of them, or -1");
            (*out)[i].n = items[i].as.number.integer; /* -1 is EJ_EXTENT_UNKNOWN */
        }
    }
    return EINJIT_OK;
}

int ej_call_bool(ej_parser *p, const ej_call *call, int arg, bool *out)
{
    const ej_parsed *operand = &call->args[arg].operand;
    if (!call->args[arg].given) return EINJIT_OK;
    if (operand->kind != EJ_OPERAND_NUMBER || operand->as.number.kind != EJ_KIND_BOOL)
        return ej_call_refuse(p, call, arg, "True or False");
    *out = operand->as.number.integer != 0;
    return EINJIT_OK;
}

int ej_call_real(ej_parser *p, const ej_call *call, int arg, double *out)
{
    const ej_parsed *operand = &call->args[arg].operand;
    const ej_number *number = &operand->as.number;
    if (!call->args[arg].given) return EINJIT_OK;
    if (operand->kind != EJ_OPERAND_NUMBER || number->kind == EJ_KIND_COMPLEX)
        return ej_call_refuse(p, call, arg, "a real number");
    *out = number->kind == EJ_KIND_FLOAT ? number->re : (double)number->integer;
    return EINJIT_OK;
}

int ej_call_word(ej_parser *p, const ej_call *call, int arg, const char *const *words, int n, int *out)
{
    const ej_parsed *operand = &call->args[arg].operand;
    ej_text wanted;
    for (int i = 0; i < n && operand->kind == EJ_OPERAND_TEXT; i++) {
        *out = i;
        if (strlen(words[i]) == operand->as.text.inner_length &&
            !memcmp(words[i], p->lexer.text + operand->as.text.inner, operand->as.text.inner_length))
            return EINJIT_OK;
    }
    ej_text_init(&wanted, p->scratch);
    ej_print(&wanted, n > 1 ? "one of" : "");
    for (int i = 0; i < n; i++) ej_print(&wanted, "%s \"%s\"", i ? "," : "", words[i]);
    return wanted.failed ? ej_no_memory(p->err) : ej_call_refuse(p, call, arg, wanted.data);
}
