/* bench_peer_blas.c - products of matrices through the C interface of a BLAS, in batches one call after the other (MKL:
 * its strided batches), products with a vector through gemv.
 */
#include <stdlib.h>

#include "bench_matrix.h"
#include "bench_peer.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

/* cblas_?gemm and cblas_?gemv: alpha and beta are numbers for real dtypes and pointers for complex ones. */
typedef void (*sgemm)(int, int, int, int, int, int, float, const void *, int, const void *, int, float, void *, int);
typedef void (*dgemm)(int, int, int, int, int, int, double, const void *, int, const void *, int, double, void *, int);
typedef void (*zgemm)(int, int, int, int, int, int, const void *, const void *, int, const void *, int, const void *,
                      void *, int);
typedef void (*sgemv)(int, int, int, int, float, const void *, int, const void *, int, float, void *, int);
typedef void (*dgemv)(int, int, int, int, double, const void *, int, const void *, int, double, void *, int);
typedef void (*sbatch)(int, int, int, int, int, int, float, const void *, int, int, const void *, int, int, float,
                       void *, int, int, int);
typedef void (*dbatch)(int, int, int, int, int, int, double, const void *, int, int, const void *, int, int, double,
                       void *, int, int, int);

typedef struct blas {
    bench_matrix x;
    int trans_a, trans_b, lda, ldb, ldc, m, n, k;
    const char *a, *b;
    char *c;
    size_t bytes;
    bench_function gemm, batch;
} blas;

static const double one[2] = {1, 0}, zero[2] = {0, 0};
static const float one_f[2] = {1, 0}, zero_f[2] = {0, 0};

static void call_gemm(void *state)
{
    const blas *s = state;
    for (int64_t i = 0; i < s->x.batch; i++) {
        const char *a = s->a + (size_t)(i * s->x.a.batch) * s->bytes, *b = s->b + (size_t)(i * s->x.b.batch) * s->bytes;
        char *c = s->c + (size_t)(i * s->x.c.batch) * s->bytes;
        switch (s->x.dtype) {
        case EINJIT_F32:
            ((sgemm)s->gemm)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, 1, a, s->lda, b, s->ldb, 0, c,
                             s->ldc);
            break;
        case EINJIT_F64:
            ((dgemm)s->gemm)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, 1, a, s->lda, b, s->ldb, 0, c,
                             s->ldc);
            break;
        case EINJIT_C64:
            ((zgemm)s->gemm)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, one_f, a, s->lda, b, s->ldb, zero_f,
                             c, s->ldc);
            break;
        default:
            ((zgemm)s->gemm)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, one, a, s->lda, b, s->ldb, zero, c,
                             s->ldc);
        }
    }
}

static void call_batch(void *state)
{
    const blas *s = state;
    int sa = (int)s->x.a.batch, sb = (int)s->x.b.batch, sc = (int)s->x.c.batch, n = (int)s->x.batch;
    if (s->x.dtype == EINJIT_F32)
        ((sbatch)s->batch)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, 1, s->a, s->lda, sa, s->b, s->ldb, sb,
                           0, s->c, s->ldc, sc, n);
    else
        ((dbatch)s->batch)(ROW_MAJOR, s->trans_a, s->trans_b, s->m, s->n, s->k, 1, s->a, s->lda, sa, s->b, s->ldb, sb,
                           0, s->c, s->ldc, sc, n);
}

/* c as one row or one column: the matrix is b or a. */
static void call_gemv(void *state)
{
    const blas *s = state;
    bool row = s->m == 1;
    const void *matrix = row ? s->b : s->a, *vector = row ? s->a : s->b;
    int flipped = row ? (s->trans_b == PLAIN ? TRANSPOSED : PLAIN) : s->trans_a, ld = row ? s->ldb : s->lda;
    int others = row ? s->n : s->m, rows = flipped == PLAIN ? others : s->k, columns = flipped == PLAIN ? s->k : others;
    int step = (int)(row ? (s->x.a.column > 1 ? s->x.a.column : 1) : (s->x.b.row > 1 ? s->x.b.row : 1));
    int out_step = (int)(row ? 1 : s->x.c.row);
    if (s->x.dtype == EINJIT_F32)
        ((sgemv)s->gemm)(ROW_MAJOR, flipped, rows, columns, 1, matrix, ld, vector, step, 0, s->c, out_step);
    else ((dgemv)s->gemm)(ROW_MAJOR, flipped, rows, columns, 1, matrix, ld, vector, step, 0, s->c, out_step);
}

static bool fits(const bench_matrix *x)
{
    int64_t numbers[] = {x->batch,   x->m,     x->n,        x->k,     x->a.batch,  x->b.batch,
                         x->c.batch, x->a.row, x->a.column, x->b.row, x->b.column, x->c.row};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] > INT32_MAX) return false;
    return true;
}

static bool is_complex(int dtype)
{
    return dtype == EINJIT_C64 || dtype == EINJIT_C128;
}

static void layout(int *trans, int *ld, int64_t row, int64_t column)
{
    *trans = column == 1 ? PLAIN : TRANSPOSED;
    *ld = (int)(column == 1 ? row : column);
}

int bench_peer_blas(bench_call *out, bench *b, const char *peer, void *library)
{
    blas s = {0};
    if (b->n_out != 1 || !bench_matrix_read(&s.x, b->program.letters, b->in, b->n_in, &b->out[0]) || !fits(&s.x))
        return TOOL_OK;
    char letter = s.x.dtype == EINJIT_F32   ? 's'
                  : s.x.dtype == EINJIT_F64 ? 'd'
                  : s.x.dtype == EINJIT_C64 ? 'c'
                                            : 'z',
         name[40];
    if (!is_complex(s.x.dtype) && s.x.dtype != EINJIT_F32 && s.x.dtype != EINJIT_F64) return TOOL_OK;
    layout(&s.trans_a, &s.lda, s.x.a.row, s.x.a.column);
    layout(&s.trans_b, &s.ldb, s.x.b.row, s.x.b.column);
    s.ldc = (int)s.x.c.row;
    s.m = (int)s.x.m, s.n = (int)s.x.n, s.k = (int)s.x.k;
    s.a = b->in[s.x.swapped].block, s.b = b->in[!s.x.swapped].block, s.c = b->out[0].block;
    s.bytes = einjit_dtype_bytes(s.x.dtype);
    bool is_vector = s.x.batch == 1 && (s.m == 1 || s.n == 1) && s.k > 1 && !is_complex(s.x.dtype);
    snprintf(name, sizeof name, "cblas_%cgemm_batch_strided", letter);
    s.batch = s.x.batch > 1 && !is_complex(s.x.dtype) ? bench_peer_symbol(peer, library, name, true) : NULL;
    snprintf(name, sizeof name, "cblas_%c%s", letter, is_vector ? "gemv" : "gemm");
    s.gemm = bench_peer_symbol(peer, library, name, false);
    if (!s.gemm) return TOOL_FAILED;
    out->state = tool_alloc(sizeof s);
    *(blas *)out->state = s;
    out->call = s.batch ? call_batch : is_vector ? call_gemv : call_gemm;
    out->release = free;
    return TOOL_OK;
}
