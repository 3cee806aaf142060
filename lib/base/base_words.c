/* base_words.c - a list of words that grows.
 *
 * Takes  facts, one by one.
 * Gives  their words, in the order in which they came, to be hashed and compared.
 */
#include "base_words.h"

#include <string.h>

void ej_word(ej_fact_words *w, uint64_t value)
{
    if (w->failed || !EJ_PUSH_ROOM(w->arena, w->words, w->cap, w->n)) {
        w->failed = true;
        return;
    }
    w->words[w->n++] = value;
}

void ej_word_number(ej_fact_words *w, int64_t value)
{
    ej_word(w, (uint64_t)value);
}

void ej_word_real(ej_fact_words *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ej_word(w, bits);
}
