/* base_list.c - the words of a list.
 *
 * Takes  a text with commas or blanks between words. Gives  one word after the other, in place.
 */
#include "base_list.h"

#include <string.h>

const char *ej_list_next(const char **at, size_t *length)
{
    static const char between[] = ", \t";
    *length = 0;
    if (!*at) return NULL;
    const char *word = *at + strspn(*at, between);
    *length = strcspn(word, between);
    *at = word + *length;
    return *length ? word : NULL;
}
