/* base_words.h - facts that make two things equal, a word each, in an arena: kernel/key.h has the words of a signature,
 * which take no memory before they are many. */
#ifndef EJ_BASE_WORDS_H
#define EJ_BASE_WORDS_H

#include "base_memory.h"

typedef struct ej_fact_words {
    ej_arena *arena;
    uint64_t *words;
    size_t n, cap;
    bool failed; /* out of memory: words are missing */
} ej_fact_words;

void ej_word(ej_fact_words *w, uint64_t value);
void ej_word_number(ej_fact_words *w, int64_t value);
void ej_word_real(ej_fact_words *w, double value); /* by its bits: 0.0 is not -0.0 */

#endif
