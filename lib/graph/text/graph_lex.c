/* graph_lex.c - program text to tokens.
 *
 * Takes  any bytes: NULs and broken UTF-8 are errors with a place, never a crash.
 * Gives  one token a call; comments, blank lines and joined lines are gone; the indentation of the current line.
 * Not here: what tokens mean (graph_parse*.c). The values of numbers are read on request only, so that skipping a
 *        token is cheap and cannot fail on its size.
 */
#include "graph_lex.h"

#include <string.h>

void ej_lex_init(ej_lexer *lexer, const char *text, size_t length, einjit_error *err)
{
    memset(lexer, 0, sizeof *lexer);
    lexer->text = text;
    lexer->length = length;
    lexer->err = err;
    if (length >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) lexer->at = 3;
}

static int fail(const ej_lexer *lexer, size_t offset, const char *what)
{
    return ej_fail_at(lexer->err, EINJIT_E_SYNTAX, lexer->text, lexer->length, offset, "%s", what);
}

/* The byte `ahead` of the current one; 0 behind the end. */
static unsigned char look(const ej_lexer *lexer, size_t ahead)
{
    return ahead < lexer->length - lexer->at ? (unsigned char)lexer->text[lexer->at + ahead] : 0;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool in_name(unsigned char c)
{
    return starts_name(c) || is_digit(c);
}

static size_t newline_length(const ej_lexer *lexer, size_t ahead)
{
    unsigned char c = look(lexer, ahead);
    if (c == '\r') return look(lexer, ahead + 1) == '\n' ? 2 : 1;
    return c == '\n';
}

static void skip_blank(ej_lexer *lexer, unsigned char c)
{
    if (c == '\f') {
        lexer->column = lexer->tab_column = 0;
    } else if (lexer->column < INT32_MAX - 8) {
        lexer->column = c == '\t' ? (lexer->column / 8 + 1) * 8 : lexer->column + 1;
        lexer->tab_column++;
    }
    lexer->at++;
}

/* To the first byte of the next token. *newline: a logical line ended on the way there. */
static int skip(ej_lexer *lexer, bool *newline)
{
    *newline = false;
    while (lexer->at < lexer->length) {
        unsigned char c = look(lexer, 0);
        size_t n = newline_length(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\f') {
            skip_blank(lexer, c);
        } else if (c == '#') {
            while (lexer->at < lexer->length && !newline_length(lexer, 0)) lexer->at++;
        } else if (c == '\\') {
            n = newline_length(lexer, 1);
            if (!n) return fail(lexer, lexer->at, "a backslash that is not at the end of its line");
            lexer->at += 1 + n;
        } else if (n) {
            *newline = lexer->line_open && !lexer->depth;
            if (*newline) return EINJIT_OK; /* the caller takes it */
            lexer->at += n;
            if (!lexer->depth) lexer->column = lexer->tab_column = 0;
        } else {
            break;
        }
    }
    return EINJIT_OK;
}

/* ---- tokens by kind ---- */

static bool valid_utf8(const char *text, size_t length)
{
    uint32_t code_point;
    for (size_t i = 0, n; i < length; i += n)
        if (!(n = ej_utf8_decode(text + i, length - i, &code_point))) return false;
    return true;
}

static int lex_name(ej_lexer *lexer, ej_token *token)
{
    bool ascii = true;
    size_t n = 0;
    for (; in_name(look(lexer, n)); n++) ascii &= look(lexer, n) < 0x80;
    const char *name = lexer->text + lexer->at;
    token->kind = EJ_TOKEN_NAME;
    if (!ascii && !valid_utf8(name, n)) return fail(lexer, lexer->at, "a name that is not UTF-8");
    if (!ej_is_identifier(name, n)) {
        if (!ascii) return fail(lexer, lexer->at, "a character that cannot be in a name");
        token->kind = EJ_TOKEN_KEYWORD;
    }
    lexer->at += n;
    return EINJIT_OK;
}

/* Digits and underscores, from `n` on. */
static size_t digits(const ej_lexer *lexer, size_t n)
{
    while (is_digit(look(lexer, n)) || look(lexer, n) == '_') n++;
    return n;
}

static int lex_number(ej_lexer *lexer, ej_token *token)
{
    size_t n = 0;
    unsigned char second = look(lexer, 1);
    token->kind = EJ_TOKEN_INT;
    if (look(lexer, 0) == '0' && second && strchr("xXoObB", second)) {
        for (n = 2; in_name(look(lexer, n)) && look(lexer, n) < 0x80; n++) {}
    } else {
        n = digits(lexer, 0);
        if (look(lexer, n) == '.') {
            token->kind = EJ_TOKEN_FLOAT;
            n = digits(lexer, n + 1);
        }
        unsigned char sign = look(lexer, n + 1);
        size_t exponent = n + 1 + (sign == '+' || sign == '-');
        if ((look(lexer, n) | 0x20) == 'e' && is_digit(look(lexer, exponent))) {
            token->kind = EJ_TOKEN_FLOAT;
            n = digits(lexer, exponent);
        }
        if ((look(lexer, n) | 0x20) == 'j') {
            token->kind = EJ_TOKEN_IMAGINARY;
            n++;
        }
    }
    if (in_name(look(lexer, n))) return fail(lexer, lexer->at + n, "a letter inside a number");
    lexer->at += n;
    return EINJIT_OK;
}

static int lex_string(ej_lexer *lexer, ej_token *token, bool raw)
{
    unsigned char quote = look(lexer, 0);
    size_t quotes = look(lexer, 1) == quote && look(lexer, 2) == quote ? 3 : 1, n = quotes;
    for (;; n++) {
        if (n >= lexer->length - lexer->at || (quotes == 1 && newline_length(lexer, n)))
            return fail(lexer, token->offset, "a string without its closing quote");
        if (look(lexer, n) == '\\') {
            token->escaped |= !raw;
            n++;
        } else if (look(lexer, n) == quote &&
                   (quotes == 1 || (look(lexer, n + 1) == quote && look(lexer, n + 2) == quote))) {
            break;
        }
    }
    token->kind = EJ_TOKEN_STRING;
    token->inner = lexer->at + quotes;
    token->inner_length = n - quotes;
    lexer->at += n + quotes;
    return EINJIT_OK;
}

/* Also those that programs cannot have, so that messages name them whole. */
static const char two_signs[][3] = {
    "**", "//", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=", "/=", "@=", "%=", "&=", "|=", "^=", "<<", ">>"};

static int lex_sign(ej_lexer *lexer, ej_token *token)
{
    unsigned char a = look(lexer, 0), b = look(lexer, 1), c = look(lexer, 2);
    size_t n = 1;
    if (!a || !strchr("+-*/@()[]{},:;.=<>!%&|^~", a)) {
        if (a > ' ' && a < 0x7F)
            return ej_fail_at(lexer->err, EINJIT_E_SYNTAX, lexer->text, lexer->length, lexer->at,
                              "'%c' does not belong into a program", a);
        return ej_fail_at(lexer->err, EINJIT_E_SYNTAX, lexer->text, lexer->length, lexer->at,
                          "byte 0x%02x does not belong into a program", a);
    }
    token->sign = EJ_SIGN1(a);
    for (size_t i = 0; i < sizeof two_signs / sizeof *two_signs; i++)
        if (two_signs[i][0] == (char)a && two_signs[i][1] == (char)b) n = 2;
    if (n == 2) token->sign = EJ_SIGN2(a, b);
    if (a == '.' && b == '.' && c == '.') {
        token->sign = EJ_SIGN_ELLIPSIS;
        n = 3;
    }
    if (strchr("([{", a)) lexer->depth += lexer->depth < INT32_MAX;
    if (strchr(")]}", a)) lexer->depth -= lexer->depth > 0;
    token->kind = EJ_TOKEN_SIGN;
    lexer->at += n;
    return EINJIT_OK;
}

/* A token at a byte that is neither blank nor newline. */
static int lex_token(ej_lexer *lexer, ej_token *token)
{
    unsigned char c = look(lexer, 0), next = look(lexer, 1);
    if (c == '"' || c == '\'') return lex_string(lexer, token, false);
    if ((c | 0x20) == 'r' && (next == '"' || next == '\'')) {
        lexer->at++;
        return lex_string(lexer, token, true);
    }
    if (starts_name(c)) return lex_name(lexer, token);
    if (is_digit(c) || (c == '.' && is_digit(next))) return lex_number(lexer, token);
    return lex_sign(lexer, token);
}

int ej_lex_next(ej_lexer *lexer, ej_token *out)
{
    bool newline;
    EJ_TRY(skip(lexer, &newline));
    memset(out, 0, sizeof *out);
    out->offset = lexer->at;
    if (newline || (lexer->at >= lexer->length && lexer->line_open && !lexer->depth)) {
        out->kind = EJ_TOKEN_NEWLINE;
        lexer->at += newline_length(lexer, 0);
        lexer->line_open = false;
        lexer->column = lexer->tab_column = 0;
    } else if (lexer->at >= lexer->length) {
        out->kind = EJ_TOKEN_END;
    } else {
        if (!lexer->line_open) {
            lexer->indent = lexer->column;
            lexer->tab_indent = lexer->tab_column;
        }
        lexer->line_open = true;
        EJ_TRY(lex_token(lexer, out));
    }
    out->length = lexer->at - out->offset;
    return EINJIT_OK;
}

bool ej_lex_is(const ej_lexer *lexer, const ej_token *token, const char *word)
{
    return token->length == strlen(word) && !memcmp(lexer->text + token->offset, word, token->length);
}

/* ---- values of numbers ---- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

/* Underscores stand between two digits (behind 0x also in front of the first). */
static bool good_underscores(const char *s, size_t n, bool prefixed)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '_' && (i + 1 == n || digit_value(s[i + 1]) == 99 || (i ? digit_value(s[i - 1]) == 99 : !prefixed)))
            return false;
    return true;
}

int ej_lex_int(const ej_lexer *lexer, const ej_token *token, uint64_t *out)
{
    const char *s = lexer->text + token->offset;
    size_t n = token->length;
    int base = 10;
    if (n > 1 && s[0] == '0' && digit_value(s[1]) > 9 && s[1] != '_')
        base = (s[1] | 0x20) == 'x' ? 16 : (s[1] | 0x20) == 'o' ? 8 : 2;
    if (base != 10) {
        s += 2;
        n -= 2;
    }
    uint64_t value = 0, limit = (uint64_t)1 << 63;
    bool big = false;
    if (!n || !good_underscores(s, n, base != 10)) return fail(lexer, token->offset, "a number that ends too early");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') continue;
        uint64_t digit = (uint64_t)digit_value(s[i]);
        if (digit >= (uint64_t)base) return fail(lexer, token->offset, "a digit that this number cannot have");
        big |= value > (limit - digit) / (uint64_t)base;
        value = big ? value : value * (uint64_t)base + digit;
    }
    if (base == 10 && n > 1 && s[0] == '0' && (value || big))
        return fail(lexer, token->offset, "a number with a leading zero");
    if (big)
        return ej_fail_at(lexer->err, EINJIT_E_SIZE, lexer->text, lexer->length, token->offset,
                          "an integer that does not fit into 64 bits");
    *out = value;
    return EINJIT_OK;
}

int ej_lex_real(const ej_lexer *lexer, const ej_token *token, ej_arena *arena, double *out)
{
    const char *s = lexer->text + token->offset;
    char small[64], *copy = small;
    size_t n = 0;
    if (!good_underscores(s, token->length, false))
        return fail(lexer, token->offset, "a number with a misplaced underscore");
    if (token->length + EJ_POINT_ROOM >= sizeof small) copy = ej_arena_new(arena, token->length + 1 + EJ_POINT_ROOM, 1);
    if (!copy) return ej_no_memory(lexer->err);
    for (size_t i = 0; i < token->length; i++)
        if (s[i] != '_' && (s[i] | 0x20) != 'j') copy[n++] = s[i];
    copy[n] = 0;
    return ej_real_read(copy, out) ? EINJIT_OK : fail(lexer, token->offset, "a number that cannot be read");
}
