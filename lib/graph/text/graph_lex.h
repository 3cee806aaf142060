/* graph_lex.h - the tokens of program text: Python's, restricted to the subset that programs may use. */
#ifndef EJ_GRAPH_LEX_H
#define EJ_GRAPH_LEX_H

#include "graph.h"

enum ej_token_kind {
    EJ_TOKEN_END,
    EJ_TOKEN_NEWLINE, /* a statement's line ends */
    EJ_TOKEN_NAME,
    EJ_TOKEN_KEYWORD,
    EJ_TOKEN_INT,
    EJ_TOKEN_FLOAT,
    EJ_TOKEN_IMAGINARY,
    EJ_TOKEN_STRING,
    EJ_TOKEN_SIGN
};

/* Signs are numbers made of their characters, so that they can be cases of a switch. */
#define EJ_SIGN1(a) ((uint32_t)(a))
#define EJ_SIGN2(a, b) ((uint32_t)(a) | (uint32_t)(b) << 8)
#define EJ_SIGN3(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
#define EJ_SIGN_ELLIPSIS EJ_SIGN3('.', '.', '.')

typedef struct ej_token {
    uint8_t kind;
    bool escaped;               /* STRING: has a backslash that means something */
    uint32_t sign;              /* SIGN: which */
    size_t offset, length;      /* bytes of the text, quotes included */
    size_t inner, inner_length; /* STRING: what is between the quotes */
} ej_token;

/* Plain data: a copy looks ahead without moving the original. */
typedef struct ej_lexer {
    const char *text;
    size_t length, at;
    int depth;                  /* of open brackets: lines are joined inside */
    bool line_open;             /* the logical line has a token already */
    int32_t column, tab_column; /* of the blanks in front of the line so far: tabs to multiples of 8, tabs as 1 */
    int32_t indent, tab_indent; /* of the current logical line; both must agree for two lines to be level */
    einjit_error *err;
} ej_lexer;

void ej_lex_init(ej_lexer *lexer, const char *text, size_t length, einjit_error *err);
int ej_lex_next(ej_lexer *lexer, ej_token *out);
/* The value of an INT token: up to 2^63 (its negative is a number). E_SIZE above, E_SYNTAX for misplaced digits. */
int ej_lex_int(const ej_lexer *lexer, const ej_token *token, uint64_t *out);
/* The value of a FLOAT or IMAGINARY token. `arena` holds a copy for the time being. */
int ej_lex_real(const ej_lexer *lexer, const ej_token *token, ej_arena *arena, double *out);
bool ej_lex_is(const ej_lexer *lexer, const ej_token *token, const char *word); /* the token's bytes are `word` */

#endif
