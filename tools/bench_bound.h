/* bench_bound.h - what the machine allows: its multiply-add rate and its memory, measured beside the case. */
#ifndef TOOL_BENCH_BOUND_H
#define TOOL_BENCH_BOUND_H

#include "tool.h"

/* Bits of the widest vectors that `target` (a row of the library's target table; NULL: the host) and this CPU both
 * have: 512, 256 or 128. */
EINJIT_API int bench_vector_bits(const char *target);

/* About ten microseconds of independent multiply-adds in registers; returns how many operations these were (a
 * multiply-add is two). `dtype`: f32, f64 and their complex; 0 operations, nothing done, for others. */
EINJIT_API double bench_fma(int dtype, int bits);

/* Reads every byte of the blocks in[] and writes every byte of out[] in one of BENCH_WAYS ways; which is the fastest
 * depends on the CPU and on which caches hold the blocks. The outputs' values are lost. */
typedef struct bench_block {
    void *data;
    size_t bytes;
} bench_block;
enum { BENCH_WAYS = 6 };
EINJIT_API extern const int bench_n_ways; /* the same, for who loads the loops */
void bench_move(const bench_block *in, size_t n_in, const bench_block *out, size_t n_out, int bits, int way);

#endif
