/* nest_text.h - what the printer and the reader of nests share: words, the cursor, lists of names. */
#ifndef EJ_NEST_TEXT_H
#define EJ_NEST_TEXT_H

#include "nest.h"

/* By the values of their enums, NULL at the end. */
extern const char *const ej_nest_run_names[];
extern const char *const ej_nest_home_names[];
extern const char *const ej_nest_reduce_names[];
extern const char *const ej_nest_when_names[];

/* A byte of a word: a letter, a digit behind the first, _ or any part of a character beyond ASCII. */
static inline bool ej_nest_word_byte(char c, bool first)
{
    unsigned char u = (unsigned char)c;
    bool digit = u >= '0' && u <= '9';
    bool letter = u >= 0x80 || u == '_' || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z');
    return letter || (!first && (digit || u == '\''));
}

/* ---- the cursor (nest_text_lex.c) ---- */
typedef struct ej_nest_word {
    const char *text;
    size_t length;
} ej_nest_word;

/* Names and their indices; a name given twice refers to nothing. */
typedef struct ej_nest_names {
    size_t n, capacity; /* slots: a power of 2 */
    struct ej_nest_name {
        const char *text; /* NULL: free */
        int32_t index;    /* -1: ambiguous */
    } *slots;
} ej_nest_names;

typedef struct ej_nest_cursor {
    const char *text;
    size_t length, at;
    ej_arena *arena;
    ej_sizes *sizes;  /* NULL: numbers only */
    ej_size *derived; /* by the text's numbers; e == 0: not defined */
    size_t n_derived, cap_derived;
    einjit_error *err;
} ej_nest_cursor;

int ej_nest_names_add(ej_nest_names *names, ej_arena *arena, const char *text, int32_t index);
int32_t ej_nest_names_find(const ej_nest_names *names, ej_nest_word word); /* -1: none */

int ej_nest_expected(ej_nest_cursor *c, const char *what); /* E_SYNTAX at the cursor: "expected <what>" */
void ej_nest_skip_blanks(ej_nest_cursor *c);
bool ej_nest_at_line_end(ej_nest_cursor *c); /* behind blanks and a comment */
/* These skip blanks first; those that return bool move only when they find it. */
bool ej_nest_take_char(ej_nest_cursor *c, char want);
bool ej_nest_take_keyword(ej_nest_cursor *c, const char *word);
bool ej_nest_take_word(ej_nest_cursor *c, ej_nest_word *out);
int ej_nest_read_char(ej_nest_cursor *c, char want);
int ej_nest_read_integer(ej_nest_cursor *c, int64_t *out);
int ej_nest_read_int32(ej_nest_cursor *c, int32_t *out);
int ej_nest_read_double(ej_nest_cursor *c, double *out);
int ej_nest_read_name(ej_nest_cursor *c, const char **out); /* word, "quoted", or - (NULL) */
/* a word's place in it */
int ej_nest_read_listed(ej_nest_cursor *c, const char *const *list, const char *what, int *out);
/* The hint as nests and schedules have it: prefetch 0 512 far. */
int ej_nest_read_prefetch(ej_nest_cursor *c, ej_leaf_hints *hints);
void ej_nest_print_prefetch(ej_text *text, const ej_leaf_hints *hints);
int ej_nest_read_dtype(ej_nest_cursor *c, int16_t *out);
int ej_nest_read_reference(ej_nest_cursor *c, const ej_nest_names *names, int32_t n, const char *what, int32_t *out);
/* ---- sizes (nest_text_size.c) ---- */
int ej_nest_read_size(ej_nest_cursor *c, ej_size *out);
int ej_nest_read_symbol(ej_nest_cursor *c);  /* "z = 1000": adds it to the table */
int ej_nest_read_derived(ej_nest_cursor *c); /* "@7 = max(@6, z)": names it for later sizes */

#endif
