/* base_print.c - the text sink.
 *
 * Takes  an arena. Gives text for printers, dumps and keys. Keeps no pointers or times of its own: two runs print the
 * same bytes.
 */
#include "base_print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ej_text_init(ej_text *text, ej_arena *arena)
{
    memset(text, 0, sizeof *text);
    text->arena = arena;
}

static bool room_for(ej_text *text, size_t n)
{
    if (text->failed) return false;
    if (n > SIZE_MAX / 2 - text->length || !ej_arena_reserve(text->arena, (void **)(void *)&text->data, &text->capacity,
                                                             text->length, text->length + n + 1, 1)) {
        text->failed = true;
        return false;
    }
    return true;
}

void ej_print_bytes(ej_text *text, const char *bytes, size_t n)
{
    if (!room_for(text, n)) return;
    if (n) memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = 0;
}

void ej_print(ej_text *text, const char *format, ...)
{
    va_list args;
    char small[256];
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        text->failed = true;
    } else if ((size_t)n < sizeof small) {
        ej_print_bytes(text, small, (size_t)n);
    } else if (room_for(text, (size_t)n)) {
        va_start(args, format);
        vsnprintf(text->data + text->length, (size_t)n + 1, format, args);
        va_end(args);
        text->length += (size_t)n;
    }
}

void ej_print_double(ej_text *text, double value)
{
    char digits[EJ_REAL_TEXT], copy[EJ_REAL_TEXT + EJ_POINT_ROOM];
    double back;
    if (isnan(value)) {
        ej_print_bytes(text, "nan", 3);
        return;
    }
    if (isinf(value)) {
        ej_print(text, "%sinf", value < 0 ? "-" : "");
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        strcpy(copy, ej_real_text(digits, 'g', precision, value));
        if (ej_real_read(copy, &back) && back == value) break;
    }
    /* printf writes 100 as 1e+02 at low precision: Python's way is 100.0 up to 1e16 */
    double magnitude = fabs(value);
    if (strchr(digits, 'e') && magnitude >= 1e-4 && magnitude < 1e16) ej_real_text(digits, 'f', 0, value);
    ej_print(text, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

void ej_print_code_point(ej_text *text, uint32_t c)
{
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1) {
        b[0] = (char)c;
    } else {
        for (size_t i = n - 1; i > 0; i--, c >>= 6) b[i] = (char)(0x80 | (c & 0x3F));
        b[0] = (char)((0xF00 >> n & 0xF0) | c);
    }
    ej_print_bytes(text, b, n);
}

int ej_text_hand_over(const ej_text *text, char *buffer, size_t capacity, size_t *needed, einjit_error *err)
{
    if (text->failed) return ej_no_memory(err);
    if (needed) *needed = text->length;
    if (buffer && capacity) {
        size_t n = text->length < capacity - 1 ? text->length : capacity - 1;
        if (n) memcpy(buffer, text->data, n);
        buffer[n] = 0;
    }
    return EINJIT_OK;
}
