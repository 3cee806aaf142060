/* gen_contract.h - random programs over the whole exponent range, and where zeros have signs, with what the
 * floating-point contract (einjit.h) promises of their results. */
#ifndef TEST_GEN_CONTRACT_H
#define TEST_GEN_CONTRACT_H

#include "gen.h"

/* Products, sums and scalars of any size; and sums that come to zero under a division. */
enum gen_contract_kind { GEN_SIZES, GEN_ZEROS, GEN_CONTRACT_KINDS };
/* As gen_written_make: `text` is the program, out->all is not there. *promised: how many elements of the results the
 * contract says something about; the others may be anything (their bound is infinite). */
bool gen_contract_make(gen_program *out, int kind, uint64_t seed, char *text, size_t room, int *promised);

#endif
