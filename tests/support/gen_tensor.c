/* gen_tensor.c - tensors with every kind of stride, guarded memory, exact or real values. */
#include <stdlib.h>
#include <string.h>

#include "base_narrow.h"
#include "gen.h"

const char *const gen_stride_names[GEN_STRIDE_KINDS] = {"row-major", "permuted", "padded",
                                                        "negative",  "zero",     "unaligned"};

uint64_t gen_next(gen_random *r)
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

int gen_below(gen_random *r, int n)
{
    return (int)(gen_next(r) >> 33) % n;
}

bool gen_chance(gen_random *r, int percent)
{
    return gen_below(r, 100) < percent;
}

enum { GUARD = 128, POISON = 0xA5 };

static void set_strides(gen_tensor *t, gen_random *r, int rank, int kind)
{
    int order[ORACLE_RANK];
    for (int a = 0; a < rank; a++) order[a] = a;
    for (int a = rank - 1; kind == GEN_PERMUTED && a > 0; a--) {
        int b = gen_below(r, a + 1), swap = order[a];
        order[a] = order[b];
        order[b] = swap;
    }
    int64_t run = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int a = order[i];
        if (kind == GEN_PADDED) run *= 1 + gen_below(r, 3);
        t->strides[a] = run;
        run *= t->shape[a] ? t->shape[a] : 1;
        if (kind == GEN_PADDED) run += gen_below(r, 3);
    }
    for (int a = 0; a < rank; a++) {
        if (kind == GEN_NEGATIVE && gen_chance(r, 60)) t->strides[a] = -t->strides[a];
        if (kind == GEN_ZERO && gen_chance(r, 50)) t->strides[a] = 0;
    }
}

/* Memory for the shape and the strides that it has. */
static bool give_block(gen_tensor *out, int dtype, int rank, size_t offset)
{
    int64_t low = 0, high = 0;
    for (int a = 0; a < rank; a++) {
        int64_t reach = (out->shape[a] > 0 ? out->shape[a] - 1 : 0) * out->strides[a];
        if (reach < 0) low += reach;
        else high += reach;
    }
    size_t bytes = einjit_dtype_bytes(dtype);
    out->block_bytes = (size_t)(high - low + 1) * bytes + 2 * GUARD + 8;
    out->block = malloc(out->block_bytes);
    if (!out->block) return false;
    out->offset = offset;
    out->view =
        (einjit_tensor){out->block + GUARD + offset - low * (int64_t)bytes, dtype, rank, out->shape, out->strides};
    gen_tensor_poison(out);
    return true;
}

bool gen_tensor_make(gen_tensor *out, gen_random *r, int dtype, int rank, const int64_t *shape, int kind)
{
    memset(out, 0, sizeof *out);
    if (rank > ORACLE_RANK) return false;
    for (int a = 0; a < rank; a++) out->shape[a] = shape[a];
    set_strides(out, r, rank, kind);
    out->kind = kind;
    return give_block(out, dtype, rank, kind == GEN_UNALIGNED ? (size_t)1 + (size_t)gen_below(r, 7) : 0);
}

bool gen_tensor_like(gen_tensor *out, const gen_tensor *t)
{
    *out = (gen_tensor){.kind = t->kind};
    memcpy(out->shape, t->shape, sizeof out->shape);
    memcpy(out->strides, t->strides, sizeof out->strides);
    return give_block(out, t->view.dtype, t->view.rank, t->offset);
}

void gen_tensor_free(gen_tensor *t)
{
    free(t->block);
    t->block = NULL;
}

static int64_t element_count(const gen_tensor *t)
{
    int64_t n = 1;
    for (int a = 0; a < t->view.rank; a++) n *= t->shape[a];
    return n;
}

static unsigned char *element_at(const gen_tensor *t, int64_t index)
{
    int64_t at = 0;
    for (int a = t->view.rank - 1; a >= 0; a--) {
        at += index % t->shape[a] * t->strides[a];
        index /= t->shape[a];
    }
    return (unsigned char *)t->view.data + at * (int64_t)einjit_dtype_bytes(t->view.dtype);
}

void gen_tensor_copy(gen_tensor *to, const gen_tensor *from)
{
    int64_t n = element_count(from);
    for (int64_t i = 0; i < n; i++)
        memcpy(element_at(to, i), element_at(from, i), einjit_dtype_bytes(from->view.dtype));
}

static double small_number(gen_random *r, bool reals)
{
    if (reals) return ((double)(gen_next(r) >> 11) * 0x1p-53 - 0.5) * 4;
    return gen_below(r, 13) - 6;
}

static void store(int dtype, unsigned char *at, double re, double im)
{
    float f[2] = {(float)re, (float)im};
    double d[2] = {re, im};
    int32_t i32 = (int32_t)re;
    int64_t i64 = (int64_t)re;
    uint16_t u16 = ej_dtype_is_half(dtype) ? ej_narrow(dtype, re) : (uint16_t)i64;
    switch (dtype) {
    case EINJIT_BOOL: *at = re > 0; break;
    case EINJIT_I8:
    case EINJIT_U8: *at = (unsigned char)i64; break;
    case EINJIT_I32: memcpy(at, &i32, 4); break;
    case EINJIT_I64: memcpy(at, &i64, 8); break;
    case EINJIT_I16:
    case EINJIT_F16:
    case EINJIT_BF16: memcpy(at, &u16, 2); break;
    case EINJIT_F32: memcpy(at, f, 4); break;
    case EINJIT_F64: memcpy(at, d, 8); break;
    case EINJIT_C64: memcpy(at, f, 8); break;
    case EINJIT_C128: memcpy(at, d, 16); break;
    default: break;
    }
}

void gen_tensor_fill(gen_tensor *t, gen_random *r, bool reals)
{
    int64_t n = element_count(t);
    for (int64_t i = 0; i < n; i++) {
        double re = small_number(r, reals), im = small_number(r, reals);
        store(t->view.dtype, element_at(t, i), re, im);
    }
}

void gen_tensor_fill_wide(gen_tensor *t, gen_random *r)
{
    int64_t n = element_count(t);
    for (int64_t i = 0; i < n; i++)
        store(t->view.dtype, element_at(t, i), (double)((int64_t)(gen_next(r) >> 33) - (1 << 30)), 0);
}

void gen_tensor_set_index(gen_tensor *t, gen_random *r, int64_t below)
{
    int64_t n = element_count(t);
    for (int64_t i = 0; i < n; i++) store(t->view.dtype, element_at(t, i), (double)(gen_next(r) % (uint64_t)below), 0);
}

void gen_tensor_poison(gen_tensor *t)
{
    memset(t->block, POISON, t->block_bytes);
}

bool gen_tensor_intact(const gen_tensor *t)
{
    unsigned char *own = calloc(1, t->block_bytes);
    if (!own) return true;
    int64_t n = element_count(t);
    size_t bytes = einjit_dtype_bytes(t->view.dtype);
    for (int64_t i = 0; i < n; i++) memset(own + (element_at(t, i) - t->block), 1, bytes);
    bool intact = true;
    for (size_t b = 0; b < t->block_bytes; b++) intact &= own[b] || t->block[b] == POISON;
    free(own);
    return intact;
}

int64_t gen_tensor_differs(const gen_tensor *a, const gen_tensor *b)
{
    size_t bytes = einjit_dtype_bytes(a->view.dtype);
    int64_t n = element_count(a);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(element_at(a, i), element_at(b, i), bytes)) return i;
    return -1;
}
