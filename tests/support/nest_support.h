/* nest_support.h - nests read from text, and run, for the tests of nest_*.c. */
#ifndef NEST_SUPPORT_H
#define NEST_SUPPORT_H

#include "nest.h"

typedef struct nest_case {
    ej_arena arena;
    ej_sizes sizes;
    ej_nest nest;
    einjit_error err;
} nest_case;

/* An arena, an empty table of sizes. */
void nest_open(nest_case *c);
void nest_close(nest_case *c);
int nest_parse(nest_case *c, const char *text);
/* tests/golden/nest/<name>.nest, NUL-terminated, in the case's arena; NULL when it cannot be read. */
char *nest_file(nest_case *c, const char *name);
/* The text of the case's nest. */
const char *nest_print(nest_case *c);
/* Run it: data as the entry's, values of the open symbols in order (NULL: those observed). */
int nest_run(nest_case *c, void *const *data, const ej_constant *constants, const int64_t *symbols, void *scratch);
/* Deterministic integers from -4 to 4, as f32, exact in sums. */
float nest_value(uint32_t seed, size_t i);

#endif
