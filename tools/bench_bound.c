/* bench_bound.c - loops at the machine's limits: multiply-adds in registers, bytes in and out of memory.
 *
 * No single loop is the fastest from the L1 to memory. One stream of addresses understates what memory delivers,
 * because prefetching stops at each page, and four pages in turn, a line of each, cost half of what the caches deliver.
 * On Zen 4, in GB/s: in order the L2 is read at 118 and memory at 22, four pages in turn 64 and 19, with prefetches 16
 * KB ahead 63 and 29. So there are several loops, and the fastest counts.
 */
#include "bench_bound.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_VECTORS 1
#endif

enum { PAGE = 4096, LINE = 64, PAGES = 4, AHEAD = 2 * PAGE, FAR_AHEAD = PAGES * PAGE, ROUNDS = 1000 };

int bench_vector_bits(const char *target)
{
    int bits = 128;
    if (!target) target = getenv("EINJIT_TARGET"); /* as the library does */
#ifdef HAS_VECTORS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) bits = 256;
    if (bits == 256 && __builtin_cpu_supports("avx512f")) bits = 512;
#endif
    if (target && !strcmp(target, "avx2") && bits > 256) bits = 256;
    if (target && !strcmp(target, "sse2")) bits = 128;
    return bits;
}

/* ---- multiply-adds ---- */

/* As many accumulators as keep two units busy through a latency of four cycles, and some more; the numbers stay
 * finite. */
#ifdef HAS_VECTORS
#define FMA_LOOP(name, features, vector, set, fma, store, number, lanes) \
    __attribute__((target(features))) static double name(void) \
    { \
        vector s[12], x = set((number)0.999), y = set((number)0.001); \
        for (int i = 0; i < 12; i++) s[i] = set((number)i); \
        for (int round = 0; round < ROUNDS; round++) \
            for (int i = 0; i < 12; i++) s[i] = fma(s[i], x, y); \
        volatile number keep[lanes]; \
        for (int i = 0; i < 12; i++) { \
            number out[lanes]; \
            store(out, s[i]); \
            keep[0] = out[0]; \
        } \
        (void)keep; \
        return 2.0 * 12 * ROUNDS * lanes; \
    }
FMA_LOOP(fma_f32_512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps, float, 16)
FMA_LOOP(fma_f64_512, "avx512f", __m512d, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_storeu_pd, double, 8)
FMA_LOOP(fma_f32_256, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps, float, 8)
FMA_LOOP(fma_f64_256, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_storeu_pd, double, 4)
#define MULADD_PS(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define MULADD_PD(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
FMA_LOOP(fma_f32_128, "sse2", __m128, _mm_set1_ps, MULADD_PS, _mm_storeu_ps, float, 4)
FMA_LOOP(fma_f64_128, "sse2", __m128d, _mm_set1_pd, MULADD_PD, _mm_storeu_pd, double, 2)
#else
#define PLAIN_LOOP(name, number) \
    static double name(void) \
    { \
        number s[64]; \
        for (int i = 0; i < 64; i++) s[i] = (number)i; \
        for (int round = 0; round < ROUNDS; round++) \
            for (int i = 0; i < 64; i++) s[i] = s[i] * (number)0.999 + (number)0.001; \
        volatile number keep = 0; \
        for (int i = 0; i < 64; i++) keep = s[i]; \
        (void)keep; \
        return 2.0 * 64 * ROUNDS; \
    }
PLAIN_LOOP(plain_f32, float)
PLAIN_LOOP(plain_f64, double)
#endif

double bench_fma(int dtype, int bits)
{
    bool is_single = dtype == EINJIT_F32 || dtype == EINJIT_C64 || dtype == EINJIT_F16 || dtype == EINJIT_BF16;
    if (!is_single && dtype != EINJIT_F64 && dtype != EINJIT_C128) return 0;
#ifdef HAS_VECTORS
    if (bits == 512) return is_single ? fma_f32_512() : fma_f64_512();
    if (bits == 256) return is_single ? fma_f32_256() : fma_f64_256();
    return is_single ? fma_f32_128() : fma_f64_128();
#else
    (void)bits;
    return is_single ? plain_f32() : plain_f64();
#endif
}

/* ---- bytes ---- */

/* No zeros: stores of these past the caches run at 85 GB/s on Zen 4, of anything else at 28. */
enum { WRITTEN = 0x3f };

typedef enum kind { READ, WRITE, COPY } kind;

/* Pages in turn, or neighbouring lines; how far ahead lines are asked for, 0 = the hardware finds out; stores past the
 * caches. */
typedef struct way {
    bool pages;
    size_t ahead;
    bool stream;
} way;
static const way ways[BENCH_WAYS] = {{false, 0, false},        {false, AHEAD, false}, {true, 0, false},
                                     {true, FAR_AHEAD, false}, {false, 0, true},      {true, 0, true}};
const int bench_n_ways = BENCH_WAYS;

#ifdef HAS_VECTORS
#define UNROLL _Pragma("GCC unroll 4") /* sums in registers, also where the compiler would rather have less code */
/* Four pages in turn, a line of each, or two lines after the other, `bytes` in all. Inlined into calls with constants
 * for all but addresses and bytes. Sums alternate, since each waits for the one before. */
#define MOVE_LOOP(name, features, vector, load, combine, store, store_stream, n) \
    __attribute__((target(features), always_inline)) static inline void name##_lines( \
        const char *from, char *to, size_t bytes, bool pages, size_t ahead, bool stream, kind what) \
    { \
        const int lines = pages ? PAGES : 2; \
        const size_t apart = pages ? PAGE : LINE, step = pages ? LINE : 2 * LINE, end = pages ? PAGE : bytes; \
        vector even = {0}, odd = {0}, written; \
        memset(&written, WRITTEN, sizeof written); \
        for (size_t at = 0; at < end; at += step) UNROLL for (int p = 0; p < lines; p++) \
            { \
                if (ahead) _mm_prefetch(from + at + (size_t)p * apart + ahead, _MM_HINT_T1); \
                UNROLL for (int v = 0; v < n; v++) \
                { \
                    size_t place = at + (size_t)p * apart + (size_t)v * sizeof(vector); \
                    vector x = written; \
                    if (what != WRITE) x = load((const void *)(from + place)); \
                    if (what == READ && (p * n + v) % 2) odd = combine(odd, x); \
                    else if (what == READ) even = combine(even, x); \
                    else if (stream) store_stream((void *)(to + place), x); \
                    else store((void *)(to + place), x); \
                } \
            } \
        if (what == READ) { \
            volatile vector keep = combine(even, odd); \
            (void)keep; \
        } \
    } \
    __attribute__((target(features), always_inline)) static inline void name##_way( \
        const char *from, char *to, size_t bytes, const way *how, kind what) \
    { \
        if (how->stream && how->pages) name##_lines(from, to, bytes, true, 0, true, what); \
        else if (how->stream) name##_lines(from, to, bytes, false, 0, true, what); \
        else if (how->pages && how->ahead && what != WRITE) \
            name##_lines(from, to, bytes, true, FAR_AHEAD, false, what); \
        else if (how->ahead && what != WRITE) name##_lines(from, to, bytes, false, AHEAD, false, what); \
        else if (how->pages) name##_lines(from, to, bytes, true, 0, false, what); \
        else name##_lines(from, to, bytes, false, 0, false, what); \
    } \
    __attribute__((target(features))) static void name(const char *from, char *to, size_t bytes, const way *how, \
                                                       kind what) \
    { \
        if (what == READ) name##_way(from, to, bytes, how, READ); \
        else if (what == WRITE) name##_way(from, to, bytes, how, WRITE); \
        else name##_way(from, to, bytes, how, COPY); \
    }
MOVE_LOOP(move_512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_xor_si512, _mm512_storeu_si512, _mm512_stream_si512,
          1)
MOVE_LOOP(move_256, "avx2", __m256i, _mm256_loadu_si256, _mm256_xor_si256, _mm256_storeu_si256, _mm256_stream_si256, 2)
MOVE_LOOP(move_128, "sse2", __m128i, _mm_loadu_si128, _mm_xor_si128, _mm_storeu_si128, _mm_stream_si128, 4)

static void move_lines(const char *from, char *to, size_t bytes, const way *how, int bits, kind what)
{
    if (bits == 512) move_512(from, to, bytes, how, what);
    else if (bits == 256) move_256(from, to, bytes, how, what);
    else move_128(from, to, bytes, how, what);
}
#endif

static void move_rest(const char *from, char *to, size_t bytes, kind what)
{
    volatile uint64_t keep = 0;
    if (what == COPY) memcpy(to, from, bytes);
    else if (what == WRITE) memset(to, WRITTEN, bytes);
    for (size_t at = 0; what == READ && at < bytes; at += 8) {
        uint64_t x = 0;
        memcpy(&x, from + at, bytes - at < 8 ? bytes - at : 8);
        keep = keep ^ x;
    }
}

#ifndef HAS_VECTORS
static void move_lines(const char *from, char *to, size_t bytes, const way *how, int bits, kind what)
{
    (void)how, (void)bits;
    move_rest(from, to, bytes, what);
}
#endif

/* A stretch of bytes: four pages at a time, then in order, then what is less than two lines. */
static void move_stretch(const char *from, char *to, size_t bytes, const way *how, int bits, kind what)
{
    const way in_order = {false, how->pages ? 0 : how->ahead, how->stream};
    size_t at = 0, step = (size_t)PAGES * PAGE, lines;
    for (; how->pages && at + step <= bytes; at += step)
        move_lines(from ? from + at : NULL, to ? to + at : NULL, step, how, bits, what);
    lines = (bytes - at) / (2 * LINE) * (2 * LINE);
    if (lines) move_lines(from ? from + at : NULL, to ? to + at : NULL, lines, &in_order, bits, what);
    at += lines;
    if (at < bytes) move_rest(from ? from + at : NULL, to ? to + at : NULL, bytes - at, what);
}

void bench_move(const bench_block *in, size_t n_in, const bench_block *out, size_t n_out, int bits, int k)
{
    size_t i = 0, o = 0, read = 0, written = 0;
    while (i < n_in || o < n_out) {
        size_t left_in = i < n_in ? in[i].bytes - read : 0, left_out = o < n_out ? out[o].bytes - written : 0;
        if (i < n_in && !left_in) i++, read = 0;
        else if (o < n_out && !left_out) o++, written = 0;
        else {
            size_t n = !left_out || (left_in && left_in < left_out) ? left_in : left_out;
            if (left_in && left_out && n < LINE) *(n == left_in ? &left_out : &left_in) = 0; /* the rest of one alone */
            else if (left_in && left_out) n -= n % LINE; /* what follows starts with a line on both sides */
            const char *from = left_in ? (const char *)in[i].data + read : NULL;
            char *to = left_out ? (char *)out[o].data + written : NULL;
            way how = ways[k];
            if ((uintptr_t)to % LINE) how.stream = false; /* such stores fault elsewhere */
            move_stretch(from, to, n, &how, bits, !to ? READ : from ? COPY : WRITE);
            read += left_in ? n : 0;
            written += left_out ? n : 0;
        }
    }
#ifdef HAS_VECTORS
    if (ways[k].stream) _mm_sfence();
#endif
}
