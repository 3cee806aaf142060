/* Random nests: machine code says the same as the interpreter, on every target row that runs here.
 *
 * A nest is one contraction or move over up to four axes: some open, some through tables, strides of either sign or 0,
 * digits of one to three axes in lanes and unrolled positions, ranges that do and do not divide, blocked loops, results
 * in memory or first in registers; operands, too, come through registers, which are read under other lane maps than
 * they are written; sums go in blocks through memory, begun the first time and finished the last; leaves prefetch
 * sources in memory and store past the caches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower_support.h"

enum { MAX_AXES = 4, MAX_EXTENT = 21 };

typedef struct draw {
    uint64_t state;
    char text[8192];
    size_t length;
    int n_axes, n_tables;
    int extent[MAX_AXES], total[MAX_AXES];
    bool open[MAX_AXES], in_dst[MAX_AXES], in_src[3][MAX_AXES];
    int n_digits, digit_axis[3], digit_count[3];
    bool digit_lane[3];
    int n_src, dtype, reduce;
} draw;

static uint32_t next(draw *d, uint32_t n)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(d->state >> 33) % n;
}

static void EJ_PRINTF(2, 3) put(draw *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(d->text + d->length, sizeof d->text - d->length, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof d->text - d->length);
    d->length += (size_t)n;
}

static void indent(draw *d, int depth)
{
    put(d, "%*s", 4 * depth, "");
}

static void choose_axes(draw *d)
{
    d->n_axes = 1 + (int)next(d, MAX_AXES);
    for (int a = 0; a < d->n_axes; a++) {
        static const int some[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 20};
        d->extent[a] = next(d, 3) ? some[next(d, 11)] : (int)next(d, MAX_EXTENT);
        d->open[a] = next(d, 4) == 0;
        d->total[a] = 1;
        d->in_dst[a] = d->reduce < 0 || next(d, 5) < 3;
        for (int s = 0; s < d->n_src; s++) d->in_src[s][a] = next(d, 4) != 0;
        d->in_src[0][a] = d->in_src[0][a] || !d->in_dst[a]; /* somebody names the axis */
    }
}

static void choose_tile(draw *d)
{
    int tries = (int)next(d, 4), lanes = 1, unrolls = 1;
    for (int i = 0; i < tries; i++) {
        static const int counts[] = {2, 3, 4, 4, 5, 8, 8, 16, 16};
        int axis = (int)next(d, (uint32_t)d->n_axes), count = counts[next(d, 9)];
        bool lane = next(d, 2);
        if ((lane && lanes * count > 16) || (!lane && unrolls * count > 12)) continue;
        *(lane ? &lanes : &unrolls) *= count;
        d->total[axis] *= count;
        d->digit_axis[d->n_digits] = axis;
        d->digit_count[d->n_digits] = count;
        d->digit_lane[d->n_digits++] = lane;
    }
}

/* Strides of a dense layout in a random order of axes, then sometimes negated or, for sources, 0. */
static void put_access(draw *d, const char *buffer, const bool *in, bool source, int tables)
{
    int order[MAX_AXES], n = 0;
    int64_t stride = 1 + next(d, 3) / 2;
    char symbols[64] = "";
    for (int a = 0; a < d->n_axes; a++)
        if (in[a]) order[n++] = a;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)next(d, (uint32_t)i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    put(d, "%s[%s", buffer, next(d, 4) || !n ? "" : "3; ");
    for (int i = 0; i < n; i++) {
        int a = order[i];
        const char *sign = next(d, 5) ? "" : "-";
        put(d, "%s%c: ", i ? ", " : "", 'a' + a);
        if (source && next(d, 12) == 0) put(d, "0");
        else put(d, "%s%lld%s", sign, (long long)stride, symbols);
        if (tables > 0 && next(d, 3) == 0) {
            put(d, " by t%d[%c: 1]", d->n_tables - tables, 'a' + a);
            tables = 0;
            stride *= 9; /* the tables' limit */
        } else if (d->open[a] && next(d, 2)) {
            size_t at = strlen(symbols);
            snprintf(symbols + at, sizeof symbols - at, "*s%c", 'a' + a);
        } else {
            stride *= (d->open[a] ? MAX_EXTENT : d->extent[a] ? d->extent[a] : 1) + (next(d, 3) == 0);
        }
    }
    put(d, "]\n");
}

static void put_declarations(draw *d)
{
    static const char *const runs[] = {"", " parallel"};
    put(d, "nest random\n");
    for (int a = 0; a < d->n_axes; a++)
        if (d->open[a]) put(d, "symbol s%c = %d\n", 'a' + a, d->extent[a] ? d->extent[a] : 1);
    for (int a = 0; a < d->n_axes; a++) {
        if (d->open[a]) put(d, "axis %c s%c%s\n", 'a' + a, 'a' + a, d->in_dst[a] ? runs[next(d, 2)] : " reduced");
        else put(d, "axis %c %d%s\n", 'a' + a, d->extent[a], d->in_dst[a] ? runs[next(d, 2)] : " reduced");
    }
    const char *dtype = einjit_dtype_name(d->dtype);
    for (int s = 0; s < d->n_src; s++) put(d, "buffer x%d %s arg %d\n", s, dtype, s);
    for (int t = 0; t < d->n_tables; t++) put(d, "buffer t%d %s arg %d table 9\n", t, t ? "i64" : "i32", d->n_src + t);
    put(d, "buffer out %s arg %d\n", dtype, d->n_src + d->n_tables);
}

static bool named(const draw *d, int a)
{
    return d->in_dst[a] || d->in_src[0][a] || (d->n_src > 1 && d->in_src[1][a]);
}

/* Loops over the axes that are (dst) or are not in the result; gives the depth. */
static int put_loops(draw *d, int depth, bool dst, bool all)
{
    int first = (int)next(d, (uint32_t)d->n_axes);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < d->n_axes; i++) {
            int a = (first + i) % d->n_axes;
            if (!named(d, a) || (!all && d->in_dst[a] != dst)) continue;
            bool needed = d->open[a] || d->extent[a] > d->total[a];
            int step = round ? d->total[a] : d->total[a] * (2 + (int)next(d, 3));
            if (round ? !needed && next(d, 2) : next(d, 3) != 0) continue;
            indent(d, depth++);
            put(d, "loop %c step %d%s\n", 'a' + a, step, next(d, 2) ? " aligned" : "");
        }
    }
    return depth;
}

/* Digits of the axes in the set, in another order and in other places. */
static void put_other_tile(draw *d, int depth, const bool *in)
{
    int n = 0, lanes = 1, first = (int)next(d, 3);
    for (int k = 0; k < d->n_digits; k++) {
        int i = (first + k) % d->n_digits, a = d->digit_axis[i];
        if (!in[a]) continue;
        bool lane = next(d, 2) && lanes * d->digit_count[i] <= 16;
        if (lane) lanes *= d->digit_count[i];
        if (!n) indent(d, depth);
        put(d, "%s%c %s %d", n++ ? ", " : "tile ", 'a' + a, lane ? "lane" : "unroll", d->digit_count[i]);
    }
    if (n) put(d, "\n");
}

static const char *reduce_word(const draw *d)
{
    switch (d->reduce) {
    case EINJIT_REDUCE_SUM: return "sum";
    case EINJIT_REDUCE_MAX: return "max";
    case EINJIT_REDUCE_MIN: return "min";
    case EINJIT_REDUCE_OR: return "or";
    case EINJIT_REDUCE_PROD: return "prod";
    default: return "move";
    }
}

static void put_expr(draw *d, int depth)
{
    const char *dtype = einjit_dtype_name(d->dtype);
    indent(d, depth);
    put(d, "expr $0 = %s src 0", dtype);
    for (int s = 1; s < d->n_src; s++) {
        const char *fn = d->dtype == EINJIT_BOOL ? "logical_and" : "mul";
        put(d, "; $%d = %s src %d; $%d = %s %s $%d $%d", 2 * s - 1, dtype, s, 2 * s, dtype, fn, 2 * s - 2, 2 * s - 1);
    }
    put(d, "\n");
}

/* Digits of the axes that the leaf names: those of the result, or all. */
static void put_tile(draw *d, int depth, bool dst_only)
{
    int n = 0;
    for (int i = 0; i < d->n_digits; i++) {
        int a = d->digit_axis[i];
        if (dst_only ? !d->in_dst[a] : !named(d, a)) continue;
        if (!n) indent(d, depth);
        put(d, "%s%c %s %d", n++ ? ", " : "tile ", 'a' + a, d->digit_lane[i] ? "lane" : "unroll", d->digit_count[i]);
    }
    if (n) put(d, "\n");
}

/* source < 0: none of it is in memory. */
static void put_hints(draw *d, int depth, int source, bool move_to_memory)
{
    if (source >= 0 && next(d, 2)) {
        indent(d, depth);
        put(d, "prefetch %d %d%s\n", source, 64 << next(d, 6), next(d, 2) ? " far" : "");
    }
    if (next(d, 2)) {
        indent(d, depth);
        put(d, "rows %d\n", 1 << next(d, 5));
    }
    if (!move_to_memory || !next(d, 2)) return;
    indent(d, depth);
    put(d, "stream\n");
}

/* A register tile over the axes in the set; gives how many elements it has. */
static int register_access(const draw *d, const char *name, const bool *in, char *out, size_t size)
{
    int stride = 1, n = 0, at = snprintf(out, size, "%s[", name);
    for (int a = d->n_axes - 1; a >= 0; a--) {
        if (!in[a]) continue;
        at += snprintf(out + at, size - (size_t)at, "%s%c: %d", n++ ? ", " : "", 'a' + a, stride);
        stride *= d->total[a];
    }
    snprintf(out + at, size - (size_t)at, "]");
    return stride;
}

static void put_source(draw *d, int s, int tables)
{
    char name[16];
    snprintf(name, sizeof name, "x%d", s);
    put_access(d, name, d->in_src[s], true, tables - 1);
}

/* Sources that come through registers: loaded where the leaf stands, under lanes of their own. */
static void put_staged(draw *d, int depth, int tables, char reg[2][64])
{
    for (int s = 0; s < d->n_src; s++) {
        if (!reg[s][0]) continue;
        indent(d, depth);
        put(d, "place r%d\n", s);
        indent(d, depth);
        put(d, "move %s\n", reg[s]);
        indent(d, depth + 1);
        put(d, "src ");
        put_source(d, s, tables);
        indent(d, depth + 1);
        put(d, "expr $0 = %s src 0\n", einjit_dtype_name(d->dtype));
        put_other_tile(d, depth + 1, d->in_src[s]);
        put_hints(d, depth + 1, 0, false);
    }
}

/* dst NULL: memory. Registers of the sources that have some in `reg`. */
static void put_leaf(draw *d, int depth, const char *dst, int tables, char reg[2][64])
{
    if (reg) put_staged(d, depth, tables, reg);
    indent(d, depth);
    put(d, "%s ", reduce_word(d));
    if (dst) put(d, "%s\n", dst);
    else put_access(d, "out", d->in_dst, false, d->reduce == EINJIT_REDUCE_SUM ? tables : 0);
    for (int s = 0; s < d->n_src; s++) {
        indent(d, depth + 1);
        put(d, "src ");
        if (reg && reg[s][0]) put(d, "%s\n", reg[s]);
        else put_source(d, s, tables);
    }
    put_expr(d, depth + 1);
    put_tile(d, depth + 1, false);
    int source = (int)next(d, (uint32_t)d->n_src);
    put_hints(d, depth + 1, reg && reg[source][0] ? -1 : source, !dst && d->reduce < 0);
}

static const char *neutral(const draw *d)
{
    bool real = ej_dtypes[d->dtype].kind == EJ_KIND_FLOAT;
    switch (d->reduce) {
    case EINJIT_REDUCE_MAX: return real ? "-inf" : "-100";
    case EINJIT_REDUCE_MIN: return real ? "inf" : "100";
    case EINJIT_REDUCE_PROD: return "1";
    default: return ej_dtype_is_complex(d->dtype) ? "0.0 0.0" : real ? "0.0" : "0";
    }
}

/* The result's axes in loops, a register tile inside: neutral, reduced loops, move to memory. */
static void put_through_registers(draw *d)
{
    char reg[64], staged[2][64] = {"", ""}, name[16];
    int elems = register_access(d, "acc", d->in_dst, reg, sizeof reg);
    put(d, "buffer acc %s reg elems %d\n", einjit_dtype_name(d->dtype), elems);
    for (int s = 0; s < d->n_src; s++) {
        if (next(d, 2)) continue;
        snprintf(name, sizeof name, "r%d", s);
        elems = register_access(d, name, d->in_src[s], staged[s], sizeof staged[s]);
        put(d, "buffer %s %s reg elems %d\n", name, einjit_dtype_name(d->dtype), elems);
    }
    int depth = 0;
    for (int a = 0; a < d->n_axes; a++) {
        if (!d->in_dst[a]) continue;
        indent(d, depth++);
        put(d, "loop %c step %d%s\n", 'a' + a, d->total[a], next(d, 2) ? " aligned" : "");
    }
    indent(d, depth);
    put(d, "place acc\n");
    indent(d, depth);
    put(d, "move %s\n", reg);
    indent(d, depth + 1);
    put(d, "expr $0 = %s const %s\n", einjit_dtype_name(d->dtype), neutral(d));
    put_tile(d, depth + 1, true);
    int inner = put_loops(d, depth, false, false);
    put_leaf(d, inner, reg, d->n_tables, staged);
    indent(d, depth);
    put(d, "move ");
    put_access(d, "out", d->in_dst, false, 0);
    indent(d, depth + 1);
    put(d, "src %s\n", reg);
    indent(d, depth + 1);
    put(d, "expr $0 = %s src 0\n", einjit_dtype_name(d->dtype));
    if (next(d, 2)) put_tile(d, depth + 1, true);
    else put_other_tile(d, depth + 1, d->in_dst);
    put_hints(d, depth + 1, -1, true);
}

static void put_result(draw *d, int depth, const char *dst, const char *src, bool negated, const char *when,
                       const char *axes)
{
    const char *dtype = einjit_dtype_name(d->dtype);
    indent(d, depth);
    put(d, "move %s\n", dst);
    indent(d, depth + 1);
    put(d, "when %s %s\n", when, axes);
    if (src) {
        indent(d, depth + 1);
        put(d, "src %s\n", src);
    }
    indent(d, depth + 1);
    if (!src) put(d, "expr $0 = %s const %s\n", dtype, neutral(d));
    else
        put(d, "expr $0 = %s src 0%s%s%s\n", dtype, negated ? "; $1 = " : "", negated ? dtype : "",
            negated ? " neg $0" : "");
    put_tile(d, depth + 1, true);
    put_hints(d, depth + 1, -1, !strncmp(dst, "out", 3));
}

/* Reduced loops around the register tile: each result passes through memory once a block of terms. */
static void put_in_blocks(draw *d)
{
    char reg[64], out[256], blocks[64] = "";
    int elems = register_access(d, "acc", d->in_dst, reg, sizeof reg), depth = 0,
        first = (int)next(d, (uint32_t)d->n_axes);
    put(d, "buffer acc %s reg elems %d\n", einjit_dtype_name(d->dtype), elems);
    for (int i = 0; i < d->n_axes; i++) {
        int a = (first + i) % d->n_axes;
        if (!named(d, a)) continue;
        int step = d->in_dst[a] ? d->total[a] : d->total[a] * (1 + (int)next(d, 3));
        indent(d, depth++);
        put(d, "loop %c step %d%s\n", 'a' + a, step, next(d, 2) ? " aligned" : "");
        size_t at = strlen(blocks);
        if (!d->in_dst[a]) snprintf(blocks + at, sizeof blocks - at, "%s%c", at ? ", " : "", 'a' + a);
    }
    size_t start = d->length;
    put_access(d, "out", d->in_dst, false, 0);
    snprintf(out, sizeof out, "%.*s", (int)(d->length - start - 1), d->text + start);
    d->length = start;
    indent(d, depth);
    put(d, "place acc\n");
    put_result(d, depth, reg, NULL, false, "first", blocks);
    put_result(d, depth, reg, out, false, "later", blocks);
    int inner = put_loops(d, depth, false, false);
    put_leaf(d, inner, reg, d->n_tables, NULL);
    put_result(d, depth, out, reg, false, "earlier", blocks);
    put_result(d, depth, out, reg, true, "last", blocks);
}

static bool reduces_an_axis(const draw *d)
{
    bool any = false;
    for (int a = 0; a < d->n_axes; a++) any = any || (named(d, a) && !d->in_dst[a]);
    return any;
}

static void make(draw *d, uint64_t seed)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128, EINJIT_I32, EINJIT_I64, EINJIT_BOOL};
    static const int reduces[] = {-1,
                                  -1,
                                  EINJIT_REDUCE_SUM,
                                  EINJIT_REDUCE_SUM,
                                  EINJIT_REDUCE_SUM,
                                  EINJIT_REDUCE_MAX,
                                  EINJIT_REDUCE_MIN,
                                  EINJIT_REDUCE_PROD};
    memset(d, 0, sizeof *d);
    d->state = seed * 2654435761u + 99;
    next(d, 2);
    d->dtype = dtypes[next(d, 7)];
    d->reduce = reduces[next(d, 8)];
    if (d->dtype == EINJIT_BOOL && d->reduce >= 0) d->reduce = EINJIT_REDUCE_OR;
    if (ej_dtype_is_complex(d->dtype) && (d->reduce == EINJIT_REDUCE_MAX || d->reduce == EINJIT_REDUCE_MIN))
        d->reduce = EINJIT_REDUCE_SUM;
    if (d->reduce == EINJIT_REDUCE_PROD && ej_dtypes[d->dtype].kind != EJ_KIND_INT)
        d->reduce = EINJIT_REDUCE_SUM; /* products of many terms depend on their order */
    d->n_src = 1 + (int)next(d, 2);
    d->n_tables = next(d, 3) ? 0 : 2;
    choose_axes(d);
    choose_tile(d);
    put_declarations(d);
    if (d->reduce >= 0 && next(d, 2)) {
        if (d->dtype != EINJIT_BOOL && reduces_an_axis(d) && next(d, 2)) put_in_blocks(d);
        else put_through_registers(d);
    } else {
        int depth = put_loops(d, 0, true, true);
        put_leaf(d, depth, NULL, d->n_tables, NULL);
    }
}

static size_t symbol_values(draw *d, int64_t *out)
{
    size_t n = 0;
    int n_open = 0;
    for (int a = 0; a < d->n_axes; a++) n_open += d->open[a];
    for (int i = 0; n_open && i < 5; i++)
        for (int a = 0; a < d->n_axes; a++)
            if (d->open[a]) out[n++] = i == 0 ? d->extent[a] : (int64_t)next(d, MAX_EXTENT);
    return n_open ? n / (size_t)n_open : 0;
}

static void random_nests_agree(void **state)
{
    (void)state;
    static draw d;
    const char *count = getenv("EINJIT_PROP_COUNT"), *start = getenv("EINJIT_PROP_SEED");
    uint64_t first = start ? strtoull(start, NULL, 10) : 1, n = count ? strtoull(count, NULL, 10) : 400;
    for (uint64_t seed = first; seed < first + n; seed++) {
        int64_t values[5 * MAX_AXES];
        make(&d, seed);
        size_t sets = symbol_values(&d, values);
        if (getenv("EINJIT_PROP_SHOW")) printf("seed %llu\n%s\n", (unsigned long long)seed, d.text);
        lower_agree(d.text, sets, values, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_nests_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
