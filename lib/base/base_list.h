/* base_list.h - lists of words in one text, as options and variables have them: "plan,nest", "z, edges". */
#ifndef EJ_BASE_LIST_H
#define EJ_BASE_LIST_H

#include <stddef.h>

/* The next word at or behind *at, *length bytes of it, and *at moves behind it; NULL: there is none. Commas, spaces and
 * tabs separate words, any number of them. *at NULL: an empty list. O(length). */
const char *ej_list_next(const char **at, size_t *length);

#endif
