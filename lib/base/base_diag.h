/* base_diag.h - errors: the place that detects one writes its text, once. */
#ifndef EJ_BASE_DIAG_H
#define EJ_BASE_DIAG_H

#include <stddef.h>

#include "einjit/einjit.h"

#if defined(__GNUC__) || defined(__clang__)
#define EJ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define EJ_PRINTF(fmt, args)
#endif

/* Hand an error on. */
#define EJ_TRY(expr) \
    do { \
        int ej_status_ = (expr); \
        if (ej_status_ != EINJIT_OK) return ej_status_; \
    } while (0)

/* Fill *err (may be NULL) and return `code`: lower case, one line, the fact and the values. */
int ej_fail(einjit_error *err, int code, const char *format, ...) EJ_PRINTF(3, 4);
/* The same with a place: `source` is the whole text, `offset` the byte in it that is pointed at. */
int ej_fail_at(einjit_error *err, int code, const char *source, size_t length, size_t offset, const char *format, ...)
    EJ_PRINTF(6, 7);
/* More of the text of a failure, behind what it says, where there is room for all of it. */
void ej_fail_more(einjit_error *err, const char *format, ...) EJ_PRINTF(2, 3);
int ej_no_memory(einjit_error *err); /* E_NOMEM, "out of memory" */

#endif
