/* base_real.h - real numbers as text and back: with a point, whatever the locale of the program or of its thread is. */
#ifndef EJ_BASE_REAL_H
#define EJ_BASE_REAL_H

#include <stdbool.h>

enum {
    EJ_REAL_TEXT = 344, /* bytes that ej_real_text needs */
    EJ_POINT_ROOM = 16  /* bytes that ej_real_read needs behind the text: a locale's point may be long */
};

/* As printf's %.*g ('g') or %.*f ('f', at most 20 decimals). Returns `buffer`. */
const char *ej_real_text(char buffer[EJ_REAL_TEXT], char style, int precision, double x);
/* A count of operations or bytes in six digits, or "over 1.8e308" where a double does not hold it. Returns `buffer`. */
const char *ej_count_text(char buffer[EJ_REAL_TEXT], double x);
/* All of the text: digits, point, exponent, or inf and nan, with a sign. False: it is not one number. The text is
 * overwritten. */
bool ej_real_read(char *text, double *out);

#endif
