/* base_print.h - a text sink: grows in an arena; printing into it cannot fail half way, the failure is asked for
 * once. */
#ifndef EJ_BASE_PRINT_H
#define EJ_BASE_PRINT_H

#include "base_diag.h"
#include "base_memory.h"
#include "base_real.h"

typedef struct ej_text {
    ej_arena *arena;
    char *data; /* NUL-terminated once anything was printed; NULL before */
    size_t length, capacity;
    bool failed; /* out of memory: everything after it was dropped */
} ej_text;

void ej_text_init(ej_text *text, ej_arena *arena);
void ej_print(ej_text *text, const char *format, ...) EJ_PRINTF(2, 3);
void ej_print_bytes(ej_text *text, const char *bytes, size_t n);
/* The shortest decimal that reads back as the same double, as Python's repr: 1.0, 1e-05, inf, nan. */
void ej_print_double(ej_text *text, double value);
void ej_print_code_point(ej_text *text, uint32_t code_point); /* as UTF-8 */
/* snprintf-like hand-over for the public calls. */
int ej_text_hand_over(const ej_text *text, char *buffer, size_t capacity, size_t *needed, einjit_error *err);

#endif
