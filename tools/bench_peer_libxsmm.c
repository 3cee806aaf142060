/* bench_peer_libxsmm.c - small products of matrices through kernels of LIBXSMM, called directly, one after the other.
 *
 * LIBXSMM's matrices are column-major: c's transpose is the product of b's and a's. It has no kernels for complex
 * numbers.
 */
#include <stdlib.h>

#include "bench_matrix.h"
#include "bench_peer.h"

typedef void (*kernel)(const void *a, const void *b, void *c);
/* libxsmm_smmdispatch and libxsmm_dmmdispatch of LIBXSMM 1.x */
typedef kernel (*dispatch)(int m, int n, int k, const int *lda, const int *ldb, const int *ldc, const void *alpha,
                           const void *beta, const int *flags, const int *prefetch);
enum { FLAG_TRANS_A = 1, FLAG_TRANS_B = 2 };

typedef struct state {
    bench_matrix x;
    kernel run;
    const char *a, *b;
    char *c;
    size_t bytes;
} state;

static void call(void *user)
{
    const state *s = user;
    for (int64_t i = 0; i < s->x.batch; i++)
        s->run(s->b + (size_t)(i * s->x.b.batch) * s->bytes, s->a + (size_t)(i * s->x.a.batch) * s->bytes,
               s->c + (size_t)(i * s->x.c.batch) * s->bytes);
}

int bench_peer_libxsmm(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"libxsmm.so.1", "libxsmm.so", NULL};
    static const char *const settings[] = {"256:LIBXSMM_TARGET=hsw", "128:LIBXSMM_TARGET=wsm", NULL};
    static const float alpha_f = 1, beta_f = 0;
    static const double alpha = 1, beta = 0;
    static const int64_t largest = 128; /* of the product's edges: LIBXSMM is for small ones */
    state s = {0};
    if (b->n_out != 1 || !bench_matrix_read(&s.x, b->program.letters, b->in, b->n_in, &b->out[0])) return TOOL_OK;
    bool is_single = s.x.dtype == EINJIT_F32;
    if (!is_single && s.x.dtype != EINJIT_F64) return TOOL_OK;
    if (s.x.m > largest || s.x.n > largest || s.x.k > largest) return TOOL_OK;
    void *library = bench_peer_load(b, "libxsmm", path, names, settings);
    if (!library) return TOOL_FAILED;
    const char *name = is_single ? "libxsmm_smmdispatch" : "libxsmm_dmmdispatch";
    dispatch find = (dispatch)bench_peer_symbol("libxsmm", library, name, false);
    if (!find) return TOOL_FAILED;
    int flags = (s.x.b.column == 1 ? 0 : FLAG_TRANS_A) | (s.x.a.column == 1 ? 0 : FLAG_TRANS_B);
    int lda = (int)(s.x.b.column == 1 ? s.x.b.row : s.x.b.column),
        ldb = (int)(s.x.a.column == 1 ? s.x.a.row : s.x.a.column);
    int ldc = (int)s.x.c.row;
    s.run = find((int)s.x.n, (int)s.x.m, (int)s.x.k, &lda, &ldb, &ldc, is_single ? (const void *)&alpha_f : &alpha,
                 is_single ? (const void *)&beta_f : &beta, &flags, NULL);
    if (!s.run) return TOOL_OK;
    s.a = b->in[s.x.swapped].block, s.b = b->in[!s.x.swapped].block, s.c = b->out[0].block;
    s.bytes = einjit_dtype_bytes(s.x.dtype);
    out->state = tool_alloc(sizeof s);
    *(state *)out->state = s;
    out->call = call;
    out->release = free;
    return TOOL_OK;
}
