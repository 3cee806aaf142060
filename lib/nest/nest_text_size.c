/* nest_text_size.c - reads sizes: "12", "z", "4*z + 3", "min(z, 8)".
 *
 * Takes  a cursor and its table of sizes. Gives sizes of that table, in its normal form.
 */
#include "nest_text.h"

#include <string.h>

enum { MAX_NESTING = 32, MAX_DERIVED = 1 << 20 }; /* parentheses; numbers of derived sizes */

static int read_sum(ej_nest_cursor *c, int depth, ej_size *out);

static int need_table(ej_nest_cursor *c)
{
    if (c->sizes) return EINJIT_OK;
    return ej_nest_expected(c, "a number: there is no table for other sizes");
}

static int apply(ej_nest_cursor *c, const char *name, ej_size a, ej_size b, ej_size *out)
{
    if (!strcmp(name, "min")) return ej_size_min(c->sizes, a, b, out, c->err);
    if (!strcmp(name, "max")) return ej_size_max(c->sizes, a, b, out, c->err);
    bool align = !strcmp(name, "align");
    if (b.e || b.n < 1 || (align && (b.n & (b.n - 1)))) return ej_nest_expected(c, "a positive number to divide by");
    return align ? ej_size_align(c->sizes, a, b.n, out, c->err) : ej_size_ceil_div(c->sizes, a, b.n, out, c->err);
}

static int read_call(ej_nest_cursor *c, const char *name, int depth, ej_size *out)
{
    ej_size a = {0}, b = {0};
    EJ_TRY(read_sum(c, depth + 1, &a));
    EJ_TRY(ej_nest_read_char(c, ','));
    EJ_TRY(read_sum(c, depth + 1, &b));
    EJ_TRY(apply(c, name, a, b, out));
    return ej_nest_read_char(c, ')');
}

/* The expression that is the symbol alone: made when the symbol was added. */
static bool symbol_size(const ej_sizes *sizes, size_t symbol, ej_size *out)
{
    for (size_t e = 0; e < sizes->n_exprs; e++) {
        const ej_polynomial *p = &sizes->exprs[e];
        if (p->n_terms != 1 || p->terms[0].coefficient != 1 || p->terms[0].n_atoms != 1) continue;
        if ((size_t)p->terms[0].atoms[0] != symbol) continue;
        *out = (ej_size){sizes->atoms[symbol].n, (int32_t)e + 1};
        return true;
    }
    return false;
}

static int find_symbol(ej_nest_cursor *c, ej_nest_word word, ej_size *out)
{
    for (size_t s = 0; s < c->sizes->n_symbols; s++) {
        const char *name = c->sizes->atoms[s].name;
        if (strlen(name) == word.length && !memcmp(name, word.text, word.length) && symbol_size(c->sizes, s, out))
            return EINJIT_OK;
    }
    c->at -= word.length;
    return ej_nest_expected(c, "a symbol that was declared");
}

int ej_nest_read_symbol(ej_nest_cursor *c)
{
    const char *name = NULL;
    int64_t observed = 0;
    ej_size size;
    EJ_TRY(need_table(c));
    ej_nest_skip_blanks(c);
    size_t at = c->at;
    EJ_TRY(ej_nest_read_name(c, &name));
    EJ_TRY(ej_nest_read_char(c, '='));
    EJ_TRY(ej_nest_read_integer(c, &observed));
    for (size_t s = 0; name && s < c->sizes->n_symbols; s++)
        if (!strcmp(c->sizes->atoms[s].name, name) && c->sizes->atoms[s].n == observed) return EINJIT_OK;
    c->at = at;
    if (!name || observed < 0) return ej_nest_expected(c, "a name and an extent");
    for (size_t s = 0; s < c->sizes->n_symbols; s++)
        if (!strcmp(c->sizes->atoms[s].name, name)) return ej_nest_expected(c, "the extent observed before");
    if (c->sizes->n_atoms > c->sizes->n_symbols) return ej_nest_expected(c, "symbols before the sizes made of them");
    EJ_TRY(ej_sizes_symbol(c->sizes, name, observed, &size, c->err));
    while (!ej_nest_at_line_end(c)) c->at++;
    return EINJIT_OK;
}

static int read_derived_ref(ej_nest_cursor *c, ej_size *out)
{
    int32_t index = 0;
    size_t at = c->at;
    EJ_TRY(ej_nest_read_int32(c, &index));
    if (index >= 0 && (size_t)index < c->n_derived && c->derived[index].e) {
        *out = c->derived[index];
        return EINJIT_OK;
    }
    c->at = at;
    return ej_nest_expected(c, "a derived size that was defined");
}

int ej_nest_read_derived(ej_nest_cursor *c)
{
    int32_t index = 0;
    ej_size size = {0};
    EJ_TRY(need_table(c));
    EJ_TRY(ej_nest_read_char(c, '@'));
    EJ_TRY(ej_nest_read_int32(c, &index));
    if (index < 0 || index > MAX_DERIVED) return ej_nest_expected(c, "a smaller number");
    EJ_TRY(ej_nest_read_char(c, '='));
    EJ_TRY(ej_nest_read_size(c, &size));
    if (!ej_arena_reserve(c->arena, (void **)(void *)&c->derived, &c->cap_derived, c->n_derived, (size_t)index + 1,
                          sizeof *c->derived))
        return ej_no_memory(c->err);
    if (c->n_derived <= (size_t)index) c->n_derived = (size_t)index + 1;
    c->derived[index] = size;
    return EINJIT_OK;
}

static int read_factor(ej_nest_cursor *c, int depth, ej_size *out)
{
    static const char *const functions[] = {"min", "max", "ceil_div", "align"};
    ej_nest_word word;
    if (depth > MAX_NESTING) return ej_nest_expected(c, "fewer parentheses");
    if (ej_nest_take_char(c, '(')) {
        EJ_TRY(read_sum(c, depth + 1, out));
        return ej_nest_read_char(c, ')');
    }
    if (ej_nest_take_char(c, '@')) return read_derived_ref(c, out);
    if (!ej_nest_take_word(c, &word)) {
        *out = (ej_size){0};
        return ej_nest_read_integer(c, &out->n);
    }
    EJ_TRY(need_table(c));
    if (ej_nest_take_char(c, '('))
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
            if (strlen(functions[f]) == word.length && !memcmp(functions[f], word.text, word.length))
                return read_call(c, functions[f], depth, out);
    return find_symbol(c, word, out);
}

static int read_product(ej_nest_cursor *c, int depth, ej_size *out)
{
    ej_size factor = {0};
    EJ_TRY(read_factor(c, depth, out));
    while (ej_nest_take_char(c, '*')) {
        EJ_TRY(need_table(c));
        EJ_TRY(read_factor(c, depth, &factor));
        EJ_TRY(ej_size_mul(c->sizes, *out, factor, out, c->err));
    }
    return EINJIT_OK;
}

/* A minus in front of a number belongs to the number, so that the smallest one can be read. */
static bool take_sign(ej_nest_cursor *c)
{
    size_t before = c->at;
    if (!ej_nest_take_char(c, '-')) return false;
    ej_nest_skip_blanks(c);
    if (c->at < c->length && c->text[c->at] >= '0' && c->text[c->at] <= '9') {
        c->at = before;
        return false;
    }
    return true;
}

static int read_sum(ej_nest_cursor *c, int depth, ej_size *out)
{
    ej_size term = {0};
    bool negative = take_sign(c);
    if (negative) EJ_TRY(need_table(c));
    EJ_TRY(read_product(c, depth, out));
    if (negative) EJ_TRY(ej_size_sub(c->sizes, ej_size_number(0), *out, out, c->err));
    for (;;) {
        bool minus = ej_nest_take_char(c, '-');
        if (!minus && !ej_nest_take_char(c, '+')) return EINJIT_OK;
        EJ_TRY(need_table(c));
        EJ_TRY(read_product(c, depth, &term));
        EJ_TRY((minus ? ej_size_sub : ej_size_add)(c->sizes, *out, term, out, c->err));
    }
}

int ej_nest_read_size(ej_nest_cursor *c, ej_size *out)
{
    ej_nest_skip_blanks(c);
    return read_sum(c, 0, out);
}
