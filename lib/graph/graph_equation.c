/* graph_equation.c - "ij,jk->ik" and integer labels to equations, and back to text.
 *
 * Takes  text in UTF-8, or lists of integers.
 * Gives  an equation: labels as dense ids in order of first appearance, the output always explicit.
 * Keeps  the order of the reasons (status.def): characters, ellipsis, arrow, output, operand count. One look over the
 *        text notes the first fault of each kind, so that the first kind is reported wherever it stands.
 * Size   linear in the text, whatever the number of terms and labels.
 * Not here: anything that needs ranks (graph_resolve.c) or extents (bind).
 */
#include <stdlib.h>
#include <string.h>

#include "graph.h"

enum token { TOKEN_END, TOKEN_LABEL, TOKEN_ELLIPSIS, TOKEN_COMMA, TOKEN_ARROW, TOKEN_DOT, TOKEN_HALF_ARROW, TOKEN_BAD };

typedef struct cursor {
    const char *text;
    size_t length, next; /* next: first byte not read */
    size_t at;           /* of the token read last, */
    uint32_t code_point; /* and its character; of bytes that are not UTF-8: 0 */
} cursor;

static bool follows(const cursor *c, const char *bytes)
{
    size_t n = strlen(bytes);
    return c->length - c->next >= n && !memcmp(c->text + c->next, bytes, n);
}

/* Spaces of any width; what ends a line or moves to a column is a mistake. */
static bool is_ignored(uint32_t c)
{
    return c == ' ' || (c >= 0xA0 && c != 0x2028 && c != 0x2029 && ej_code_point_is_space(c));
}

/* An ellipsis and an arrow are bytes without spaces between them: '. ..' and '- >' are lone dots and half arrows. */
static enum token next_token(cursor *c)
{
    size_t n = 0;
    do {
        c->at = c->next += n;
        if (c->at == c->length) return TOKEN_END;
        n = ej_utf8_decode(c->text + c->at, c->length - c->at, &c->code_point);
    } while (n && is_ignored(c->code_point));
    if (!n) c->code_point = 0;
    c->next = c->at + (n ? n : 1);
    switch (c->code_point) {
    case ',': return TOKEN_COMMA;
    case '>': return TOKEN_HALF_ARROW;
    case '.':
        if (!follows(c, "..")) return TOKEN_DOT;
        c->next += 2;
        return TOKEN_ELLIPSIS;
    case '-':
        if (!follows(c, ">")) return TOKEN_HALF_ARROW;
        c->next += 1;
        return TOKEN_ARROW;
    default: return n && ej_code_point_is_letter(c->code_point) ? TOKEN_LABEL : TOKEN_BAD;
    }
}

/* ---- one look over the text: sizes, and the first fault of each kind ---- */

enum { NOWHERE = -1 };
typedef struct survey {
    size_t n_terms, n_labels; /* labels and ellipses of the terms */
    size_t n_out;             /* of the output */
    bool arrow;
    ptrdiff_t bad_char, bad_ellipsis, bad_arrow, out_comma; /* offsets, or NOWHERE */
    bool second_ellipsis, second_arrow;                     /* what kind of fault that was */
} survey;

static void note(ptrdiff_t *first, size_t at)
{
    if (*first == NOWHERE) *first = (ptrdiff_t)at;
}

static void survey_ellipsis(survey *s, size_t at, bool *seen)
{
    if (*seen && s->bad_ellipsis == NOWHERE) {
        s->bad_ellipsis = (ptrdiff_t)at;
        s->second_ellipsis = true;
    }
    *seen = true;
}

static void survey_arrow(survey *s, size_t at)
{
    if (s->arrow && s->bad_arrow == NOWHERE) {
        s->bad_arrow = (ptrdiff_t)at;
        s->second_arrow = true;
    }
    s->arrow = true;
}

static survey survey_text(const char *text, size_t length)
{
    survey s = {.n_terms = 1, .bad_char = NOWHERE, .bad_ellipsis = NOWHERE, .bad_arrow = NOWHERE, .out_comma = NOWHERE};
    cursor c = {.text = text, .length = length};
    bool ellipsis = false; /* in this term */
    for (enum token token; (token = next_token(&c)) != TOKEN_END;) {
        switch (token) {
        case TOKEN_ELLIPSIS: survey_ellipsis(&s, c.at, &ellipsis); /* counts as a label */ /* fall through */
        case TOKEN_LABEL: *(s.arrow ? &s.n_out : &s.n_labels) += 1; break;
        case TOKEN_COMMA:
            if (s.arrow) note(&s.out_comma, c.at);
            s.n_terms += !s.arrow;
            ellipsis = false;
            break;
        case TOKEN_ARROW:
            survey_arrow(&s, c.at);
            ellipsis = false;
            break;
        case TOKEN_DOT: note(&s.bad_ellipsis, c.at); break;
        case TOKEN_HALF_ARROW: note(&s.bad_arrow, c.at); break;
        default: note(&s.bad_char, c.at); break;
        }
    }
    return s;
}

static int fail_character(const char *text, size_t length, size_t at, einjit_error *err)
{
    uint32_t c;
    size_t n = ej_utf8_decode(text + at, length - at, &c);
    if (!n)
        return ej_fail_at(err, EINJIT_E_BAD_CHAR, text, length, at, "byte 0x%02x is not UTF-8",
                          (unsigned char)text[at]);
    if (c < 0x20 || (c >= 0x7F && c < 0xA0) || ej_code_point_is_space(c))
        return ej_fail_at(err, EINJIT_E_BAD_CHAR, text, length, at, "U+%04X cannot be a label: labels are letters",
                          (unsigned)c);
    return ej_fail_at(err, EINJIT_E_BAD_CHAR, text, length, at, "'%.*s' cannot be a label: labels are letters", (int)n,
                      text + at);
}

static int check_survey(const survey *s, const char *text, size_t length, einjit_error *err)
{
    if (s->bad_char != NOWHERE) return fail_character(text, length, (size_t)s->bad_char, err);
    if (s->bad_ellipsis != NOWHERE)
        return ej_fail_at(err, EINJIT_E_BAD_ELLIPSIS, text, length, (size_t)s->bad_ellipsis,
                          s->second_ellipsis ? "a second ellipsis in one term"
                                             : "a '.' that is not part of an ellipsis '...'");
    if (s->bad_arrow != NOWHERE)
        return ej_fail_at(err, EINJIT_E_BAD_ARROW, text, length, (size_t)s->bad_arrow,
                          s->second_arrow ? "a second arrow" : "a '%c' that is not part of an arrow '->'",
                          text[s->bad_arrow]);
    if (s->out_comma != NOWHERE)
        return ej_fail_at(err, EINJIT_E_COMMA_IN_OUTPUT, text, length, (size_t)s->out_comma,
                          "a comma behind the arrow: an einsum has one output");
    if (s->n_terms > INT32_MAX || s->n_labels > INT32_MAX)
        return ej_fail(err, EINJIT_E_LIMIT, "an equation of more than %d terms or labels", INT32_MAX);
    return EINJIT_OK;
}

/* ---- from labels to ids; what both forms of an equation share ---- */

typedef struct builder {
    ej_equation *equation;
    ej_arena *arena; /* of the equation */
    ej_arena scratch;
    ej_label_map map;
    size_t cap_symbols;
    int32_t *pool; /* room for the labels that are still to come */
} builder;

static int builder_init(builder *b, ej_equation *equation, ej_arena *arena, size_t n_terms, size_t n_labels,
                        einjit_error *err)
{
    memset(b, 0, sizeof *b);
    memset(equation, 0, sizeof *equation);
    b->equation = equation;
    b->arena = arena;
    ej_arena_init(&b->scratch, arena->allocator);
    ej_label_map_init(&b->map, &b->scratch);
    equation->n_terms = (uint32_t)n_terms;
    equation->terms = EJ_NEW_ARRAY(arena, ej_term, n_terms);
    b->pool = EJ_NEW_ARRAY(arena, int32_t, n_labels);
    return equation->terms && b->pool ? EINJIT_OK : ej_no_memory(err);
}

/* A label of a term: its id, a new one at its first appearance. */
static int add_label(builder *b, ej_term *term, uint32_t symbol, einjit_error *err)
{
    ej_equation *equation = b->equation;
    int32_t id;
    if (!ej_label_map_add(&b->map, symbol, &id)) return ej_no_memory(err);
    if ((uint32_t)id == equation->n_labels) {
        if (id >= EJ_MAX_LABELS)
            return ej_fail(err, EINJIT_E_LIMIT, "an equation of more than %d different labels", EJ_MAX_LABELS);
        if (!EJ_PUSH_ROOM(&b->scratch, equation->symbols, b->cap_symbols, id)) return ej_no_memory(err);
        equation->symbols[equation->n_labels++] = symbol;
    }
    term->labels[term->n++] = id;
    return EINJIT_OK;
}

static void begin_term(builder *b, ej_term *term)
{
    term->labels = b->pool;
}

static void end_term(builder *b, const ej_term *term)
{
    b->pool += term->n;
}

/* Symbols were collected in the scratch arena, because their number was not known. */
static int keep_symbols(builder *b, einjit_error *err)
{
    ej_equation *equation = b->equation;
    uint32_t *symbols = EJ_NEW_ARRAY(b->arena, uint32_t, equation->n_labels);
    if (!symbols) return ej_no_memory(err);
    if (equation->n_labels) memcpy(symbols, equation->symbols, equation->n_labels * sizeof *symbols);
    equation->symbols = symbols;
    return EINJIT_OK;
}

/* The first output label that comes again, else the first that no term has: index into symbols, and which fault. */
static int find_output_fault(builder *b, size_t n, const uint32_t *symbols, size_t *where, int *fault,
                             einjit_error *err)
{
    size_t known = b->map.n;
    bool *seen = EJ_NEW_ARRAY(&b->scratch, bool, known + n);
    if (!seen) return ej_no_memory(err);
    *fault = EINJIT_OK;
    for (size_t i = 0; i < n; i++) {
        int32_t id;
        if (!ej_label_map_add(&b->map, symbols[i], &id)) return ej_no_memory(err);
        if (seen[id]) {
            *where = i;
            *fault = EINJIT_E_OUT_REPEAT;
            return EINJIT_OK;
        }
        seen[id] = true;
        if ((size_t)id >= known && *fault == EINJIT_OK) {
            *where = i;
            *fault = EINJIT_E_OUT_UNKNOWN;
        }
    }
    return EINJIT_OK;
}

static int check_count(size_t n_terms, size_t n_operands, einjit_error *err)
{
    if (n_operands == SIZE_MAX || n_operands == n_terms) return EINJIT_OK;
    if (!n_operands) return ej_fail(err, EINJIT_E_NO_OPERANDS, "an einsum needs at least one operand");
    return ej_fail(err, EINJIT_E_OPERAND_COUNT, "the equation has %zu term%s but %zu operand%s given", n_terms,
                   n_terms == 1 ? "" : "s", n_operands, n_operands == 1 ? " was" : "s were");
}

/* ---- text ---- */

static int read_terms(builder *b, cursor *c, einjit_error *err)
{
    ej_equation *equation = b->equation;
    ej_term *term = equation->terms;
    begin_term(b, term);
    for (;;) {
        switch (next_token(c)) {
        case TOKEN_LABEL: EJ_TRY(add_label(b, term, c->code_point, err)); break;
        case TOKEN_ELLIPSIS: term->labels[term->n++] = EJ_ELLIPSIS; break;
        case TOKEN_COMMA:
            end_term(b, term++);
            begin_term(b, term);
            break;
        default: end_term(b, term); return EINJIT_OK; /* the arrow, or the end */
        }
    }
}

static int fail_output(int fault, const cursor *c, einjit_error *err)
{
    int n = (int)(c->next - c->at);
    if (fault == EINJIT_E_OUT_REPEAT)
        return ej_fail_at(err, fault, c->text, c->length, c->at, "label '%.*s' is given twice in the output", n,
                          c->text + c->at);
    return ej_fail_at(err, fault, c->text, c->length, c->at, "label '%.*s' of the output is in no operand", n,
                      c->text + c->at);
}

static int read_output(builder *b, cursor *c, size_t n_out, einjit_error *err)
{
    ej_term *out = &b->equation->out;
    uint32_t *symbols = EJ_NEW_ARRAY(&b->scratch, uint32_t, n_out);
    out->labels = EJ_NEW_ARRAY(b->arena, int32_t, n_out);
    if (!symbols || !out->labels) return ej_no_memory(err);
    cursor begin = *c;
    size_t n = 0, where = 0;
    for (enum token token; (token = next_token(c)) != TOKEN_END;) {
        out->labels[out->n++] = token == TOKEN_ELLIPSIS ? EJ_ELLIPSIS : ej_label_map_find(&b->map, c->code_point);
        if (token == TOKEN_LABEL) symbols[n++] = c->code_point;
    }
    int fault;
    EJ_TRY(find_output_fault(b, n, symbols, &where, &fault, err));
    if (!fault) return EINJIT_OK;
    do /* to the label number `where` */
        if (next_token(&begin) == TOKEN_LABEL && !where--) break;
    while (begin.next < begin.length);
    return fail_output(fault, &begin, err);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The ellipsis, then the labels that occur once, sorted by code point. */
static int derive_output(builder *b, einjit_error *err)
{
    ej_equation *equation = b->equation;
    uint8_t *count = EJ_NEW_ARRAY(&b->scratch, uint8_t, equation->n_labels);
    uint64_t *once = EJ_NEW_ARRAY(&b->scratch, uint64_t, equation->n_labels);
    int32_t *labels = EJ_NEW_ARRAY(b->arena, int32_t, (size_t)equation->n_labels + 1);
    if (!count || !once || !labels) return ej_no_memory(err);
    uint32_t n = 0;
    for (uint32_t t = 0; t < equation->n_terms; t++)
        for (uint32_t i = 0; i < equation->terms[t].n; i++) {
            int32_t label = equation->terms[t].labels[i];
            if (label == EJ_ELLIPSIS) n = 1;
            else count[label] = count[label] ? 2 : 1;
        }
    if (n) labels[0] = EJ_ELLIPSIS;
    size_t n_once = 0;
    for (uint32_t l = 0; l < equation->n_labels; l++)
        if (count[l] == 1) once[n_once++] = (uint64_t)equation->symbols[l] << 32 | l;
    qsort(once, n_once, sizeof *once, compare_keys);
    for (size_t i = 0; i < n_once; i++) labels[n++] = (int32_t)(once[i] & UINT32_MAX);
    equation->out = (ej_term){n, labels};
    return EINJIT_OK;
}

static int build_from_text(builder *b, const survey *s, const char *text, size_t length, einjit_error *err)
{
    cursor c = {.text = text, .length = length};
    EJ_TRY(read_terms(b, &c, err));
    EJ_TRY(s->arrow ? read_output(b, &c, s->n_out, err) : derive_output(b, err));
    return keep_symbols(b, err);
}

int ej_equation_parse(ej_equation *out, ej_arena *arena, const char *text, size_t length, size_t n_operands,
                      einjit_error *err)
{
    survey s = survey_text(text, length);
    EJ_TRY(check_survey(&s, text, length, err));
    ej_equation equation;
    builder b;
    int status = builder_init(&b, &equation, arena, s.n_terms, s.n_labels, err);
    if (!status) status = build_from_text(&b, &s, text, length, err);
    ej_arena_free(&b.scratch);
    EJ_TRY(status);
    EJ_TRY(check_count(s.n_terms, n_operands, err));
    *out = equation;
    return EINJIT_OK;
}

/* ---- integers ---- */

static int check_labels(const char *what, size_t n, const int32_t *labels, einjit_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (labels[i] < 0) return ej_fail(err, EINJIT_E_BAD_CHAR, "label %d of %s is negative", labels[i], what);
    return EINJIT_OK;
}

static int set_integer_output(builder *b, size_t n, const int32_t *output, einjit_error *err)
{
    ej_term *out = &b->equation->out;
    uint32_t *symbols = EJ_NEW_ARRAY(&b->scratch, uint32_t, n);
    out->labels = EJ_NEW_ARRAY(b->arena, int32_t, n);
    if (!symbols || !out->labels) return ej_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (uint32_t)output[i];
        out->labels[out->n++] = ej_label_map_find(&b->map, symbols[i]);
    }
    size_t where = 0;
    int fault;
    EJ_TRY(find_output_fault(b, n, symbols, &where, &fault, err));
    if (fault == EINJIT_E_OUT_REPEAT)
        return ej_fail(err, fault, "label %d is given twice in the output", output[where]);
    if (fault) return ej_fail(err, fault, "label %d of the output is in no operand", output[where]);
    return EINJIT_OK;
}

static int build_from_labels(builder *b, const int32_t *term_ranks, const int32_t *labels, size_t output_rank,
                             const int32_t *output, einjit_error *err)
{
    for (uint32_t t = 0; t < b->equation->n_terms; t++) {
        ej_term *term = &b->equation->terms[t];
        begin_term(b, term);
        for (int32_t i = 0; i < term_ranks[t]; i++) EJ_TRY(add_label(b, term, (uint32_t)*labels++, err));
        end_term(b, term);
    }
    EJ_TRY(set_integer_output(b, output_rank, output, err));
    return keep_symbols(b, err);
}

int ej_equation_from_labels(ej_equation *out, ej_arena *arena, size_t n, const int32_t *term_ranks,
                            const int32_t *labels, int output_rank, const int32_t *output, einjit_error *err)
{
    size_t n_labels = 0;
    if (n > INT32_MAX) return ej_fail(err, EINJIT_E_LIMIT, "an equation of more than %d terms", INT32_MAX);
    for (size_t t = 0; t < n; t++) {
        if (term_ranks[t] < 0) return ej_fail(err, EINJIT_E_VALUE, "term %zu has rank %d", t, term_ranks[t]);
        n_labels += (size_t)term_ranks[t];
    }
    if (output_rank < 0) return ej_fail(err, EINJIT_E_VALUE, "the output has rank %d", output_rank);
    EJ_TRY(check_labels("the terms", n_labels, labels, err));
    EJ_TRY(check_labels("the output", (size_t)output_rank, output, err));
    ej_equation equation;
    builder b;
    int status = builder_init(&b, &equation, arena, n, n_labels, err);
    equation.integer_labels = true;
    if (!status) status = build_from_labels(&b, term_ranks, labels, (size_t)output_rank, output, err);
    ej_arena_free(&b.scratch);
    EJ_TRY(status);
    if (!n) return ej_fail(err, EINJIT_E_NO_OPERANDS, "an einsum needs at least one operand");
    *out = equation;
    return EINJIT_OK;
}
