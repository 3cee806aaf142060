/* lower_support.h - nests as machine code beside the interpreter, for the tests of jit/.
 *
 * Operands lie against pages that cannot be touched, so code that reads or writes beyond them stops at once.
 */
#ifndef LOWER_SUPPORT_H
#define LOWER_SUPPORT_H

#include "backend.h"
#include "nest_support.h"

/* The module's table; the test fails when it cannot be loaded. */
const ej_backend *lower_backend(void);

/* Code of a nest for a row of the target table; the test fails when it cannot be made. text (may be NULL) takes the
 * dump of the stages in `dump`. */
typedef struct lower_code {
    ej_code code;
    ej_image image;
    einjit_entry entry;
} lower_code;
void lower_compile(lower_code *out, nest_case *c, const ej_target *target, uint32_t dump, ej_text *text);
void lower_free(lower_code *code);

/* Reads the nest, and for every target row that runs here compares machine code with the interpreter over all buffers:
 * n sets of values for the open symbols (n 0: those observed). tolerance 0: every byte; else relative to the larger of
 * 1 and the value. */
void lower_agree(const char *text, size_t n, const int64_t *symbols, double tolerance);
/* The same for one row, with a label for messages. */
void lower_agree_on(const ej_target *target, const char *text, size_t n, const int64_t *symbols, double tolerance);
/* The words of a format with %-directives, filled in. */
void lower_agree_format(size_t n, const int64_t *symbols, double tolerance, const char *format, ...) EJ_PRINTF(4, 5);

#endif
