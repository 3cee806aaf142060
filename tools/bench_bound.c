/* bench_bound.c - loops at the machine's limits: multiply-adds in registers, bytes in and out of memory.
 *
 * One stream of addresses understates what memory delivers, because prefetching stops at each page: pages are read and
 * written four at a time, a line of each in turn. In the caches near the core that only costs: there lines come in
 * order.
 */
#include "bench_bound.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_VECTORS 1
#endif

enum { PAGE = 4096, LINE = 64, PAGES = 4, ROUNDS = 1000 };

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

typedef enum kind { READ, WRITE, COPY, STREAM_WRITE, STREAM_COPY } kind;

#ifdef HAS_VECTORS
/* `bytes` of `pages` parts that lie `apart`, a line of each in turn. Inlined into calls with constants for kind and
 * pages. */
#define MOVE_LOOP(name, features, vector, load, combine, store, store_stream, n) \
    __attribute__((target(features), always_inline)) static inline void name##_lines( \
        const char *from, char *to, size_t bytes, size_t apart, int pages, kind what) \
    { \
        vector sum[n], written; \
        memset(sum, 0, sizeof sum); \
        memset(&written, WRITTEN, sizeof written); \
        for (size_t at = 0; at < bytes; at += LINE) \
            for (int p = 0; p < pages; p++) \
                for (int v = 0; v < n; v++) { \
                    size_t place = at + (size_t)p * apart + (size_t)v * sizeof(vector); \
                    vector x = what == WRITE || what == STREAM_WRITE ? written : load((const void *)(from + place)); \
                    if (what == READ) sum[v] = combine(sum[v], x); \
                    else if (what >= STREAM_WRITE) store_stream((void *)(to + place), x); \
                    else store((void *)(to + place), x); \
                } \
        if (what == READ) { \
            volatile vector keep; \
            for (int v = 0; v < n; v++) keep = sum[v]; \
            (void)keep; \
        } \
    } \
    __attribute__((target(features))) static void name(const char *from, char *to, size_t bytes, size_t apart, \
                                                       bool many, kind what) \
    { \
        switch (what) { \
        case READ: \
            many ? name##_lines(from, to, bytes, apart, PAGES, READ) : name##_lines(from, to, bytes, 0, 1, READ); \
            break; \
        case WRITE: \
            many ? name##_lines(from, to, bytes, apart, PAGES, WRITE) : name##_lines(from, to, bytes, 0, 1, WRITE); \
            break; \
        case COPY: \
            many ? name##_lines(from, to, bytes, apart, PAGES, COPY) : name##_lines(from, to, bytes, 0, 1, COPY); \
            break; \
        case STREAM_WRITE: name##_lines(from, to, bytes, apart, many ? PAGES : 1, STREAM_WRITE); break; \
        case STREAM_COPY: name##_lines(from, to, bytes, apart, many ? PAGES : 1, STREAM_COPY); break; \
        } \
    }
MOVE_LOOP(move_512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_xor_si512, _mm512_storeu_si512, _mm512_stream_si512,
          1)
MOVE_LOOP(move_256, "avx2", __m256i, _mm256_loadu_si256, _mm256_xor_si256, _mm256_storeu_si256, _mm256_stream_si256, 2)
MOVE_LOOP(move_128, "sse2", __m128i, _mm_loadu_si128, _mm_xor_si128, _mm_storeu_si128, _mm_stream_si128, 4)

static void move_lines(const char *from, char *to, size_t bytes, size_t apart, bool many, int bits, kind what)
{
    if (bits == 512) move_512(from, to, bytes, apart, many, what);
    else if (bits == 256) move_256(from, to, bytes, apart, many, what);
    else move_128(from, to, bytes, apart, many, what);
}
#else
static void move_lines(const char *from, char *to, size_t bytes, size_t apart, bool many, int bits, kind what)
{
    volatile uint64_t keep = 0;
    (void)bits;
    for (int p = 0; p < (many ? PAGES : 1); p++) {
        const char *part = from ? from + (size_t)p * apart : NULL;
        if (what == COPY || what == STREAM_COPY) memcpy(to + (size_t)p * apart, part, bytes);
        else if (what != READ) memset(to + (size_t)p * apart, WRITTEN, bytes);
        else
            for (size_t at = 0; at < bytes; at += 8) {
                uint64_t x;
                memcpy(&x, part + at, 8);
                keep = keep ^ x;
            }
    }
}
#endif

static void move_rest(const char *from, char *to, size_t bytes, kind what)
{
    volatile char keep = 0;
    if (what == READ)
        for (size_t at = 0; at < bytes; at++) keep = from[at];
    else if (what == COPY || what == STREAM_COPY) memcpy(to, from, bytes);
    else memset(to, WRITTEN, bytes);
    (void)keep;
}

/* A stretch of bytes: four pages at a time where it is long, then line by line, then what is less than one. */
static void move_stretch(const char *from, char *to, size_t bytes, int bits, kind what)
{
    static const size_t near = (size_t)256 << 10;
    size_t at = 0, lines;
    for (; bytes > near && at + (size_t)PAGES * PAGE <= bytes; at += (size_t)PAGES * PAGE)
        move_lines(from ? from + at : NULL, to ? to + at : NULL, PAGE, PAGE, true, bits, what);
    lines = (bytes - at) / LINE * LINE;
    if (lines) move_lines(from ? from + at : NULL, to ? to + at : NULL, lines, 0, false, bits, what);
    at += lines;
    if (at < bytes) move_rest(from ? from + at : NULL, to ? to + at : NULL, bytes - at, what);
}

void bench_move(const bench_block *in, size_t n_in, const bench_block *out, size_t n_out, int bits, bool stream)
{
    size_t i = 0, o = 0, read = 0, written = 0;
    while (i < n_in || o < n_out) {
        size_t left_in = i < n_in ? in[i].bytes - read : 0, left_out = o < n_out ? out[o].bytes - written : 0;
        if (i < n_in && !left_in) i++, read = 0;
        else if (o < n_out && !left_out) o++, written = 0;
        else {
            size_t n = !left_out || (left_in && left_in < left_out) ? left_in : left_out;
            const char *from = left_in ? (const char *)in[i].data + read : NULL;
            char *to = left_out ? (char *)out[o].data + written : NULL;
            bool streams = stream && to && !((uintptr_t)to % LINE); /* such stores fault elsewhere */
            kind what = !to ? READ : from ? (streams ? STREAM_COPY : COPY) : streams ? STREAM_WRITE : WRITE;
            move_stretch(from, to, n, bits, what);
            read += left_in ? n : 0;
            written += left_out ? n : 0;
        }
    }
#ifdef HAS_VECTORS
    if (stream) _mm_sfence();
#endif
}
