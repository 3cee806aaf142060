/* base_diag.c - statuses by name, error texts, places in source text.
 *
 * Takes  a caller's einjit_error (or NULL).
 * Gives  the code, so that `return ej_fail(...)` is the whole story at the place of detection.
 */
#include "base_diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} statuses[] = {
#define EINJIT_STATUS(name, text) {#name, text},
#include "einjit/status.def"
#undef EINJIT_STATUS
};

const char *einjit_status_name(int status)
{
    return status >= 0 && status < EINJIT_STATUS_COUNT ? statuses[status].name : "E_UNKNOWN";
}

const char *einjit_status_text(int status)
{
    return status >= 0 && status < EINJIT_STATUS_COUNT ? statuses[status].text : "an unknown status";
}

int einjit_version_number(void)
{
    return EINJIT_VERSION_NUMBER;
}

const char *einjit_version(void)
{
    return "0.1.0";
}

/* Cut a UTF-8 text that snprintf may have cut inside a character back to whole characters. */
static void trim_utf8(char *text)
{
    size_t n = strlen(text), k = n;
    while (k && ((unsigned char)text[k - 1] & 0xC0) == 0x80) k--;
    if (!k) return;
    unsigned char lead = (unsigned char)text[k - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (want > n - (k - 1)) text[k - 1] = 0;
}

/* A NUL would end the line before the caret, a line feed make it two, others move a terminal's cursor. */
static void hide_controls(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7F) text[i] = '?';
}

static void set_text(einjit_error *err, int code, const char *format, va_list args)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    trim_utf8(err->text);
    hide_controls(err->text, strlen(err->text)); /* names that the caller gave may hold anything */
}

int ej_fail(einjit_error *err, int code, const char *format, ...)
{
    if (!err) return code;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return code;
}

void ej_fail_more(einjit_error *err, const char *format, ...)
{
    if (!err) return;
    char more[sizeof err->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(more, sizeof more, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    if (n > 0 && used + (size_t)n < sizeof err->text) memcpy(err->text + used, more, (size_t)n + 1);
}

/* The line around `offset`, cut to the buffer with the place inside it. */
static void set_place(einjit_error *err, const char *source, size_t length, size_t offset)
{
    if (offset > length) offset = length;
    size_t begin = offset, end = offset, line = 1, column = 1;
    while (begin && source[begin - 1] != '\n') begin--;
    while (end < length && source[end] && source[end] != '\n' && source[end] != '\r') end++;
    for (size_t i = 0; i < begin; i++) line += source[i] == '\n';
    for (size_t i = begin; i < offset; i++) column += ((unsigned char)source[i] & 0xC0) != 0x80;
    size_t room = sizeof err->source - 1, from = begin;
    if (offset - from > room / 2) from = offset - room / 2;
    while (from > begin && from < offset && ((unsigned char)source[from] & 0xC0) == 0x80) from++;
    size_t n = end - from < room ? end - from : room;
    memcpy(err->source, source + from, n);
    err->source[n] = 0;
    hide_controls(err->source, n);
    trim_utf8(err->source);
    err->line = line > INT32_MAX ? INT32_MAX : (int32_t)line;
    err->column = column > INT32_MAX ? INT32_MAX : (int32_t)column;
    n = strlen(err->source); /* at most one past its end, also where half a character was cut off there */
    err->caret = (int32_t)(offset - from < n ? offset - from : n);
}

int ej_fail_at(einjit_error *err, int code, const char *source, size_t length, size_t offset, const char *format, ...)
{
    if (!err) return code;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    set_place(err, source, length, offset);
    return code;
}

int ej_no_memory(einjit_error *err)
{
    return ej_fail(err, EINJIT_E_NOMEM, "out of memory");
}
