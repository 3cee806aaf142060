/* base_real.c - real numbers as text and back.
 *
 * Takes  numbers, text. Gives text, numbers, as printf and strtod do in the C locale.
 * Keeps  the caller's locale, and does not look at it twice: printf and strtod of one thread agree on the point, so
 *        that it is found in what printf wrote. Nothing is allocated.
 */
#include "base_real.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The bytes between two digits: all other parts of a number are ASCII. */
static char *find_point(char *text, size_t *n)
{
    char *at = text;
    while (*at && (is_digit(*at) || strchr("+-einfa", *at))) at++;
    for (*n = 0; at[*n] && !is_digit(at[*n]);) ++*n;
    return at;
}

const char *ej_real_text(char buffer[EJ_REAL_TEXT], char style, int precision, double x)
{
    size_t n;
    if (style == 'f') snprintf(buffer, EJ_REAL_TEXT, "%.*f", precision, x);
    else snprintf(buffer, EJ_REAL_TEXT, "%.*g", precision, x);
    char *point = find_point(buffer, &n);
    if (n) memmove(point + 1, point + n, strlen(point + n) + 1);
    if (n) *point = '.';
    return buffer;
}

const char *ej_count_text(char buffer[EJ_REAL_TEXT], double x)
{
    return isinf(x) ? strcpy(buffer, "over 1.8e308") : ej_real_text(buffer, 'g', 6, x);
}

bool ej_real_read(char *text, double *out)
{
    char *end, half[2 + EJ_POINT_ROOM + 1];
    if (text[strspn(text, "0123456789+-.eEinfa")]) return false; /* a locale's own point, too */
    *out = strtod(text, &end);
    if (*end == '.') { /* of another locale */
        size_t n;
        snprintf(half, sizeof half, "%.1f", 0.5);
        const char *point = find_point(half, &n);
        if (!n || n > EJ_POINT_ROOM) return false;
        memmove(end + n, end + 1, strlen(end));
        memcpy(end, point, n);
        *out = strtod(text, &end);
    }
    return end != text && !*end;
}
