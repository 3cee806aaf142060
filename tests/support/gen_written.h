/* gen_written.h - random programs that rewrites with alternatives look for. */
#ifndef TEST_GEN_WRITTEN_H
#define TEST_GEN_WRITTEN_H

#include "gen.h"

/* Sums of products; contractions around gathers and scatters; einsums with several users. And, not one of the families
 * because each takes 0.1 s: products of an operand with itself, large enough to be taken in blocks. */
enum gen_written_kind { GEN_SUMS, GEN_GATHERS, GEN_SHARED, GEN_WRITTEN_FAMILIES, GEN_SQUARES = GEN_WRITTEN_FAMILIES };
/* `text`: room for the program as written (5,000 bytes are enough). False when it has no meaning: try the next seed.
 * The values of single nodes (out->all) are not there. */
bool gen_written_make(gen_program *out, int kind, uint64_t seed, char *text, size_t room);

/* More text behind what is there; what has no room is cut off. */
void gen_append(char *text, size_t room, const char *format, ...) EJ_PRINTF(3, 4);

#endif
