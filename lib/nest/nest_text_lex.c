/* nest_text_lex.c - reads the small things of a nest's text: words, numbers, names, references, sizes.
 *
 * Takes  a cursor in a text of known length (no NUL needed).
 * Gives  values, or E_SYNTAX that points at what was not understood.
 * Not here: what a line means (nest_text_read.c).
 */
#include "nest_text.h"

#include <string.h>

/* ---- names ---- */

static uint64_t hash_bytes(const char *text, size_t length)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static struct ej_nest_name *find_slot(const ej_nest_names *names, const char *text, size_t length)
{
    size_t at = (size_t)hash_bytes(text, length) & (names->capacity - 1);
    while (names->slots[at].text &&
           (strlen(names->slots[at].text) != length || memcmp(names->slots[at].text, text, length)))
        at = (at + 1) & (names->capacity - 1);
    return &names->slots[at];
}

static bool grow_names(ej_nest_names *names, ej_arena *arena)
{
    ej_nest_names grown = {.capacity = names->capacity ? names->capacity * 2 : 32};
    grown.slots = ej_arena_new(arena, grown.capacity, sizeof *grown.slots);
    if (!grown.slots) return false;
    for (size_t i = 0; i < names->capacity; i++)
        if (names->slots[i].text)
            *find_slot(&grown, names->slots[i].text, strlen(names->slots[i].text)) = names->slots[i];
    grown.n = names->n;
    *names = grown;
    return true;
}

int ej_nest_names_add(ej_nest_names *names, ej_arena *arena, const char *text, int32_t index)
{
    if (!text) return EINJIT_OK;
    if (names->n * 2 >= names->capacity && !grow_names(names, arena)) return EINJIT_E_NOMEM;
    struct ej_nest_name *slot = find_slot(names, text, strlen(text));
    if (slot->text) {
        slot->index = -1;
    } else {
        *slot = (struct ej_nest_name){text, index};
        names->n++;
    }
    return EINJIT_OK;
}

int32_t ej_nest_names_find(const ej_nest_names *names, ej_nest_word word)
{
    if (!names->capacity) return -1;
    const struct ej_nest_name *slot = find_slot(names, word.text, word.length);
    return slot->text ? slot->index : -1;
}

/* ---- characters and words ---- */

int ej_nest_expected(ej_nest_cursor *c, const char *what)
{
    return ej_fail_at(c->err, EINJIT_E_SYNTAX, c->text, c->length, c->at, "expected %s", what);
}

static char peek(const ej_nest_cursor *c)
{
    return c->at < c->length ? c->text[c->at] : '\n';
}

void ej_nest_skip_blanks(ej_nest_cursor *c)
{
    while (c->at < c->length && (c->text[c->at] == ' ' || c->text[c->at] == '\r')) c->at++;
}

bool ej_nest_at_line_end(ej_nest_cursor *c)
{
    ej_nest_skip_blanks(c);
    if (peek(c) == '#')
        while (c->at < c->length && c->text[c->at] != '\n') c->at++;
    return peek(c) == '\n';
}

bool ej_nest_take_char(ej_nest_cursor *c, char want)
{
    ej_nest_skip_blanks(c);
    if (c->at >= c->length || c->text[c->at] != want) return false;
    c->at++;
    return true;
}

int ej_nest_read_char(ej_nest_cursor *c, char want)
{
    if (ej_nest_take_char(c, want)) return EINJIT_OK;
    return ej_fail_at(c->err, EINJIT_E_SYNTAX, c->text, c->length, c->at, "expected '%c'", want);
}

bool ej_nest_take_word(ej_nest_cursor *c, ej_nest_word *out)
{
    ej_nest_skip_blanks(c);
    size_t end = c->at;
    while (end < c->length && ej_nest_word_byte(c->text[end], end == c->at)) end++;
    if (end == c->at) return false;
    *out = (ej_nest_word){c->text + c->at, end - c->at};
    c->at = end;
    return true;
}

static bool word_is(ej_nest_word word, const char *text)
{
    return strlen(text) == word.length && !memcmp(word.text, text, word.length);
}

bool ej_nest_take_keyword(ej_nest_cursor *c, const char *text)
{
    size_t before = c->at, n = strlen(text);
    ej_nest_skip_blanks(c);
    size_t end = c->at + n;
    bool there = n <= c->length - c->at && !memcmp(c->text + c->at, text, n) &&
                 (end == c->length || !ej_nest_word_byte(c->text[end], false));
    c->at = there ? end : before;
    return there;
}

/* ---- numbers ---- */

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* Digits at the cursor; `negative` allows one more than INT64_MAX. */
static int read_digits(ej_nest_cursor *c, bool negative, int64_t *out)
{
    if (!is_digit(peek(c))) return ej_nest_expected(c, "a number");
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    for (; is_digit(peek(c)); c->at++) {
        unsigned digit = (unsigned)(peek(c) - '0');
        if (value > (limit - digit) / 10)
            return ej_fail_at(c->err, EINJIT_E_SYNTAX, c->text, c->length, c->at, "a number does not fit into 64 bits");
        value = value * 10 + digit;
    }
    *out = !negative ? (int64_t)value : value == limit ? INT64_MIN : -(int64_t)value;
    return EINJIT_OK;
}

int ej_nest_read_integer(ej_nest_cursor *c, int64_t *out)
{
    bool negative = ej_nest_take_char(c, '-');
    return read_digits(c, negative, out);
}

int ej_nest_read_int32(ej_nest_cursor *c, int32_t *out)
{
    int64_t value = 0;
    ej_nest_skip_blanks(c);
    size_t at = c->at;
    EJ_TRY(ej_nest_read_integer(c, &value));
    if (value < INT32_MIN || value > INT32_MAX)
        return ej_fail_at(c->err, EINJIT_E_SYNTAX, c->text, c->length, at, "a number does not fit into 32 bits");
    *out = (int32_t)value;
    return EINJIT_OK;
}

int ej_nest_read_double(ej_nest_cursor *c, double *out)
{
    char token[64 + EJ_POINT_ROOM];
    size_t n = 0;
    ej_nest_skip_blanks(c);
    while (c->at + n < c->length && n < 63 &&
           (is_digit(c->text[c->at + n]) || (c->text[c->at + n] && strchr("+-.einfa", c->text[c->at + n])))) {
        token[n] = c->text[c->at + n];
        n++;
    }
    token[n] = 0;
    if (!ej_real_read(token, out)) return ej_nest_expected(c, "a number");
    c->at += n;
    return EINJIT_OK;
}

/* ---- names and references ---- */

static int hex_digit(char ch)
{
    return is_digit(ch) ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static int read_quoted(ej_nest_cursor *c, const char **out)
{
    size_t end = c->at, n = 0;
    while (end < c->length && c->text[end] != '"' && c->text[end] != '\n') end++;
    if (end >= c->length || c->text[end] != '"') return ej_nest_expected(c, "a name that ends in a quote");
    char *name = ej_arena_new(c->arena, end - c->at + 1, 1);
    if (!name) return ej_no_memory(c->err);
    for (; c->at < end; c->at++) {
        char ch = c->text[c->at];
        if (ch == '\\') {
            int high = end - c->at > 3 && c->text[c->at + 1] == 'x' ? hex_digit(c->text[c->at + 2]) : -1;
            int low = high >= 0 ? hex_digit(c->text[c->at + 3]) : -1;
            if (low < 0 || high + low == 0) return ej_nest_expected(c, "\\x and two hexadecimal digits");
            ch = (char)(high * 16 + low);
            c->at += 3;
        }
        if (!ch) return ej_nest_expected(c, "a name without zero bytes");
        name[n++] = ch;
    }
    c->at++;
    *out = name;
    return EINJIT_OK;
}

int ej_nest_read_name(ej_nest_cursor *c, const char **out)
{
    ej_nest_word word;
    *out = NULL;
    if (ej_nest_take_char(c, '-')) return EINJIT_OK;
    if (ej_nest_take_char(c, '"')) return read_quoted(c, out);
    if (!ej_nest_take_word(c, &word)) return ej_nest_expected(c, "a name");
    *out = ej_arena_copy_text(c->arena, word.text, word.length);
    return *out ? EINJIT_OK : ej_no_memory(c->err);
}

int ej_nest_read_listed(ej_nest_cursor *c, const char *const *list, const char *what, int *out)
{
    ej_nest_word word;
    ej_nest_skip_blanks(c);
    size_t at = c->at;
    if (ej_nest_take_word(c, &word))
        for (int i = 0; list[i]; i++)
            if (word_is(word, list[i])) {
                *out = i;
                return EINJIT_OK;
            }
    c->at = at;
    return ej_nest_expected(c, what);
}

int ej_nest_read_dtype(ej_nest_cursor *c, int16_t *out)
{
    ej_nest_word word;
    ej_nest_skip_blanks(c);
    size_t at = c->at;
    if (ej_nest_take_word(c, &word))
        for (int d = 0; d < EINJIT_DTYPE_COUNT; d++)
            if (word_is(word, ej_dtypes[d].name)) {
                *out = (int16_t)d;
                return EINJIT_OK;
            }
    c->at = at;
    return ej_nest_expected(c, "a dtype");
}

int ej_nest_read_reference(ej_nest_cursor *c, const ej_nest_names *names, int32_t n, const char *what, int32_t *out)
{
    ej_nest_word word;
    int32_t index = -1;
    ej_nest_skip_blanks(c);
    size_t at = c->at;
    if (ej_nest_take_char(c, '%')) EJ_TRY(ej_nest_read_int32(c, &index));
    else if (ej_nest_take_word(c, &word)) index = ej_nest_names_find(names, word);
    if (index >= 0 && index < n) {
        *out = index;
        return EINJIT_OK;
    }
    c->at = at;
    return ej_nest_expected(c, what);
}
