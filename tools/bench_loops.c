/* bench_loops.c - what tools/bench/peers.py calls in C: a kernel or a loop of the bound, many times over. */
#include "bench_bound.h"

EINJIT_API void bench_repeat(einjit_entry entry, void *const *data, const int64_t *sizes, void *scratch, long n);
EINJIT_API void bench_repeat_move(const bench_block *in, size_t n_in, const bench_block *out, size_t n_out, int bits,
                                  int way, long n);

void bench_repeat(einjit_entry entry, void *const *data, const int64_t *sizes, void *scratch, long n)
{
    for (long i = 0; i < n; i++) entry(data, sizes, scratch);
}

void bench_repeat_move(const bench_block *in, size_t n_in, const bench_block *out, size_t n_out, int bits, int way,
                       long n)
{
    for (long i = 0; i < n; i++) bench_move(in, n_in, out, n_out, bits, way);
}
