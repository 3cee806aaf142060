/* fuzz_grammar.h - pieces of program text for the mutator: random expressions over the names that a program has. */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H

#include "gen.h"

/* Text with an end; what does not fit is dropped, and `full` says so. */
typedef struct fuzz_text {
    char *data;
    size_t length, capacity;
    bool full;
} fuzz_text;
void fuzz_put(fuzz_text *text, const char *bytes, size_t length);

/* Names that expressions may use. */
typedef struct fuzz_names {
    int n;
    struct fuzz_name {
        const char *at;
        size_t length;
    } list[64];
} fuzz_names;

/* `f(x, y.sum(dim=1))`: nested up to `depth` levels; over no names it is made of numbers. */
void fuzz_expression(fuzz_text *out, gen_random *r, const fuzz_names *names, int depth);
void fuzz_number(fuzz_text *out, gen_random *r);
/* A word of the same kind as this one (a function, a dtype); false: it is of no kind. */
bool fuzz_sibling(fuzz_text *out, gen_random *r, const char *word, size_t length);

#endif
