/* fuzz_mutate.c - libFuzzer's mutations for program text: they know statements, names, words, equations, nesting.
 *
 * A mutation works on the tokens of the text. Whatever comes out may be wrong in itself; most of it still reads.
 */
#include <ctype.h>
#include <string.h>

#include "fuzz_grammar.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t max_size, unsigned seed);

enum { MOST_TOKENS = 2048, MOST_LINES = 256, MOST_TEXT = 1 << 16 };
typedef enum token_kind { NAME, NUMBER, STRING, SIGN } token_kind;
typedef struct token {
    token_kind kind;
    size_t at, length;
} token;

typedef struct program {
    const char *text;
    size_t length;
    gen_random *r;
    int n_tokens, n_lines;
    token tokens[MOST_TOKENS];
    size_t lines[MOST_LINES + 1]; /* where each starts; behind the last one the end */
} program;

/* ---- reading ---- */

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t token_end(const program *p, size_t at, token_kind *kind)
{
    char first = p->text[at];
    size_t end = at + 1;
    *kind = SIGN;
    if (first == '"' || first == '\'') {
        *kind = STRING;
        while (end < p->length && p->text[end] != first && p->text[end] != '\n') end++;
        return end < p->length && p->text[end] == first ? end + 1 : end;
    }
    if (!in_word(first)) return end;
    *kind = isdigit((unsigned char)first) ? NUMBER : NAME;
    while (end < p->length && (in_word(p->text[end]) || (*kind == NUMBER && p->text[end] == '.'))) end++;
    return end;
}

static void read_program(program *p)
{
    p->lines[p->n_lines++] = 0;
    for (size_t at = 0; at < p->length;) {
        if (p->text[at] == '\n' && p->n_lines < MOST_LINES) p->lines[p->n_lines++] = at + 1;
        if (p->text[at] == '#')
            while (at + 1 < p->length && p->text[at + 1] != '\n') at++;
        if (isspace((unsigned char)p->text[at]) || p->text[at] == '#') {
            at++;
            continue;
        }
        token_kind kind;
        size_t end = token_end(p, at, &kind);
        if (p->n_tokens < MOST_TOKENS) p->tokens[p->n_tokens++] = (token){kind, at, end - at};
        at = end;
    }
    p->lines[p->n_lines] = p->length;
}

static bool is(const program *p, const token *t, const char *word)
{
    return t->length == strlen(word) && !memcmp(p->text + t->at, word, t->length);
}

static const token *pick(const program *p, token_kind kind)
{
    int n = 0;
    const token *found = NULL;
    for (int i = 0; i < p->n_tokens; i++)
        if (p->tokens[i].kind == kind && !gen_below(p->r, ++n)) found = &p->tokens[i];
    return found;
}

/* Parameters, and what stands in front of an `=` at the start of a line. */
static void find_names(const program *p, fuzz_names *out)
{
    out->n = 0;
    bool header = false;
    for (int i = 0; i + 1 < p->n_tokens; i++) {
        const token *t = &p->tokens[i], *next = t + 1;
        if (is(p, t, "def")) header = true;
        if (t->kind != NAME || out->n == 64) continue;
        bool parameter = header && i && (is(p, t - 1, "(") || is(p, t - 1, ",")) && is(p, next, ":");
        bool assigned = is(p, next, "=") && t->at && isspace((unsigned char)p->text[t->at - 1]) && i &&
                        memchr(p->text + t[-1].at, '\n', t->at - t[-1].at);
        if (parameter || assigned) out->list[out->n++] = (struct fuzz_name){p->text + t->at, t->length};
    }
}

/* ---- writing ---- */

static void put_range(fuzz_text *out, const program *p, size_t from, size_t to)
{
    fuzz_put(out, p->text + from, to - from);
}

/* The text with [from, to) replaced by what `middle` holds. */
static void splice(fuzz_text *out, const program *p, size_t from, size_t to, const fuzz_text *middle)
{
    put_range(out, p, 0, from);
    fuzz_put(out, middle->data, middle->length);
    put_range(out, p, to, p->length);
}

/* ---- mutations: each writes the whole text anew, or nothing ---- */

typedef void mutation(fuzz_text *out, program *p, fuzz_text *scratch);

static void change_name(fuzz_text *out, program *p, fuzz_text *scratch)
{
    fuzz_names names;
    const token *t = pick(p, NAME);
    if (!t) return;
    find_names(p, &names);
    if (!fuzz_sibling(scratch, p->r, p->text + t->at, t->length)) {
        if (!names.n) return;
        const struct fuzz_name *other = &names.list[gen_below(p->r, names.n)];
        fuzz_put(scratch, other->at, other->length);
    }
    splice(out, p, t->at, t->at + t->length, scratch);
}

static void change_number(fuzz_text *out, program *p, fuzz_text *scratch)
{
    const token *t = pick(p, NUMBER);
    if (!t) return;
    fuzz_number(scratch, p->r);
    splice(out, p, t->at, t->at + t->length, scratch);
}

static void change_sign(fuzz_text *out, program *p, fuzz_text *scratch)
{
    static const char signs[] = "+-*/@<>=%&|~,.:()[]";
    const token *t = pick(p, SIGN);
    if (!t) return;
    fuzz_put(scratch, &signs[gen_below(p->r, (int)sizeof signs - 1)], 1);
    splice(out, p, t->at, t->at + t->length, scratch);
}

/* One letter of an equation: another, twice, gone, or a separator. */
static void change_equation(fuzz_text *out, program *p, fuzz_text *scratch)
{
    static const char *const parts[] = {",", "->", "...", "i", "j", "k", "zz", "\xC3\xA9"};
    const token *t = pick(p, STRING);
    if (!t || t->length < 2) return;
    size_t at = t->at + 1 + (size_t)gen_below(p->r, (int)t->length - 1),
           other = t->at + 1 + (size_t)gen_below(p->r, (int)t->length - 1);
    bool has_letter = at < t->at + t->length - 1, other_letter = other < t->at + t->length - 1;
    int what = gen_below(p->r, 4);
    if (what == 0) fuzz_put(scratch, parts[gen_below(p->r, 8)], strlen(parts[0]));
    else if (what == 1 && has_letter) fuzz_put(scratch, p->text + at, 1);
    else if (other_letter) fuzz_put(scratch, p->text + other, 1);
    splice(out, p, at, at + (has_letter && what != 1), scratch);
}

/* A value becomes an expression of it. */
static void wrap(fuzz_text *out, program *p, fuzz_text *scratch)
{
    fuzz_names names;
    const token *t = pick(p, NAME);
    if (!t) return;
    find_names(p, &names);
    if (gen_chance(p->r, 60)) names = (fuzz_names){1, {{p->text + t->at, t->length}}};
    fuzz_put(scratch, "(", 1);
    fuzz_expression(scratch, p->r, &names, 1 + gen_below(p->r, 3));
    fuzz_put(scratch, ")", 1);
    splice(out, p, t->at, t->at + t->length, scratch);
}

static size_t pick_line(const program *p)
{
    return (size_t)gen_below(p->r, p->n_lines);
}

/* A new statement; half the time the results have it. */
static void add_statement(fuzz_text *out, program *p, fuzz_text *scratch)
{
    fuzz_names names;
    char name[3] = {'t', (char)('0' + gen_below(p->r, 10)), 0};
    size_t line = pick_line(p), at = p->lines[line];
    find_names(p, &names);
    fuzz_put(scratch, "    ", 4);
    fuzz_put(scratch, name, 2);
    fuzz_put(scratch, " = ", 3);
    fuzz_expression(scratch, p->r, &names, 1 + gen_below(p->r, 3));
    fuzz_put(scratch, "\n", 1);
    splice(out, p, at, at, scratch);
    while (out->length && isspace((unsigned char)out->data[out->length - 1])) out->length--;
    if (gen_chance(p->r, 50)) {
        fuzz_put(out, ", ", 2);
        fuzz_put(out, name, 2);
    }
    fuzz_put(out, "\n", 1);
}

static void change_result(fuzz_text *out, program *p, fuzz_text *scratch)
{
    fuzz_names names;
    find_names(p, &names);
    for (int i = 0; i < p->n_tokens; i++) {
        if (!is(p, &p->tokens[i], "return")) continue;
        fuzz_put(scratch, "return ", 7);
        fuzz_expression(scratch, p->r, &names, 1 + gen_below(p->r, 4));
        fuzz_put(scratch, "\n", 1);
        splice(out, p, p->tokens[i].at, p->length, scratch);
        return;
    }
}

static void add_parameter(fuzz_text *out, program *p, fuzz_text *scratch)
{
    static const char *const parameters[] = {"p: f32[z, i], ", "q: f64[i, j], ", "s: f32[()], ", "u: any[2, 3], ",
                                             "m: bool[z], ",   "at: i64[n], ",   "r, ",          "c: c64[j], ",
                                             "w: i32[:, 1], ", "e: f32[0, k], "};
    for (int i = 1; i < p->n_tokens; i++) {
        if (!is(p, &p->tokens[i], "(")) continue;
        const char *added = parameters[gen_below(p->r, 10)];
        fuzz_put(scratch, added, strlen(added));
        splice(out, p, p->tokens[i].at + 1, p->tokens[i].at + 1, scratch);
        return;
    }
}

static void move_lines(fuzz_text *out, program *p, fuzz_text *scratch)
{
    size_t from = pick_line(p), to = pick_line(p);
    int what = gen_below(p->r, 3);
    size_t at = p->lines[to], end = p->lines[to + (what == 1)];
    if (what) put_range(scratch, p, p->lines[from], p->lines[from + 1]); /* written there: besides, or in place of it */
    else end = p->lines[to + 1];                                         /* or the line goes */
    splice(out, p, at, end, scratch);
}

/* `x + x + x + ...`: some tokens again and again. */
static void repeat(fuzz_text *out, program *p, fuzz_text *scratch)
{
    if (p->n_tokens < 2) return;
    int first = gen_below(p->r, p->n_tokens), n = 1 + gen_below(p->r, gen_chance(p->r, 30) ? 24 : 6);
    int last = first + n < p->n_tokens ? first + n : p->n_tokens - 1;
    size_t from = p->tokens[first].at, to = p->tokens[last].at;
    int times = gen_chance(p->r, 20) ? 100 : 2 + gen_below(p->r, 6);
    for (int i = 0; i < times && !scratch->full && scratch->length < 2000; i++) put_range(scratch, p, from, to);
    splice(out, p, from, to, scratch);
}

/* A bracket's inside becomes that of another. */
static void move_tokens(fuzz_text *out, program *p, fuzz_text *scratch)
{
    if (p->n_tokens < 4) return;
    int from = gen_below(p->r, p->n_tokens - 1), n = 1 + gen_below(p->r, 5), to = gen_below(p->r, p->n_tokens - 1);
    int end = from + n < p->n_tokens ? from + n : p->n_tokens - 1;
    put_range(scratch, p, p->tokens[from].at, p->tokens[end].at);
    splice(out, p, p->tokens[to].at, p->tokens[to + gen_below(p->r, 2)].at, scratch);
}

static void change_choices(fuzz_text *out, program *p, fuzz_text *scratch)
{
    size_t end = p->n_lines > 1 && p->length && p->text[0] == '#' ? p->lines[1] : 0;
    fuzz_put(scratch, "# ", 2);
    for (int i = 0; i < 24; i++) {
        char old = (size_t)i + 2 < end && p->text[i + 2] != '\n' ? p->text[i + 2] : '0';
        char choice = gen_chance(p->r, 80) ? old : (char)('0' + gen_below(p->r, gen_chance(p->r, 70) ? 4 : 70));
        fuzz_put(scratch, &choice, 1);
    }
    fuzz_put(scratch, "\n", 1);
    splice(out, p, 0, end, scratch);
}

static mutation *const mutations[] = {change_name,     change_name,   change_number, change_sign,   change_equation,
                                      change_equation, wrap,          wrap,          add_statement, add_statement,
                                      change_result,   add_parameter, move_lines,    repeat,        move_tokens,
                                      change_choices,  change_choices};

/* ---- libFuzzer's calls ---- */

static char buffers[2][MOST_TEXT], scratch_buffer[MOST_TEXT];

static size_t mutate_once(char *to, size_t capacity, const char *from, size_t size, gen_random *r)
{
    static program p;
    fuzz_text out = {to, 0, capacity, false}, scratch = {scratch_buffer, 0, sizeof scratch_buffer, false};
    p.text = from;
    p.length = size;
    p.r = r;
    p.n_tokens = p.n_lines = 0;
    read_program(&p);
    mutations[gen_below(r, (int)(sizeof mutations / sizeof *mutations))](&out, &p, &scratch);
    return out.full || scratch.full ? 0 : out.length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    gen_random r = {seed};
    size_t capacity = max_size < MOST_TEXT ? max_size : MOST_TEXT;
    if (gen_chance(&r, 15) || size > capacity) return LLVMFuzzerMutate(data, size, max_size);
    int at = 0;
    memcpy(buffers[0], data, size);
    for (int n = 1 + gen_below(&r, 4); n > 0; n--) {
        size_t length = mutate_once(buffers[!at], capacity, buffers[at], size, &r);
        if (!length) continue;
        size = length;
        at = !at;
    }
    memcpy(data, buffers[at], size);
    return size;
}

/* The first program with some lines of the second. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t max_size, unsigned seed)
{
    static program a, b;
    gen_random r = {seed};
    fuzz_text text = {(char *)out, 0, max_size, false};
    a.text = (const char *)data1, a.length = size1, a.r = &r, a.n_tokens = a.n_lines = 0;
    b.text = (const char *)data2, b.length = size2, b.r = &r, b.n_tokens = b.n_lines = 0;
    read_program(&a);
    read_program(&b);
    size_t at = pick_line(&a), from = pick_line(&b), to = from + 1 + (size_t)gen_below(&r, b.n_lines - (int)from);
    put_range(&text, &a, 0, a.lines[at]);
    put_range(&text, &b, b.lines[from], b.lines[to]);
    put_range(&text, &a, a.lines[at + (size_t)gen_below(&r, 2)], a.length);
    return text.length;
}
