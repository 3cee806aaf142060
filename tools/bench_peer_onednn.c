/* bench_peer_onednn.c - products of matrices in f32 through oneDNN's dnnl_sgemm, in batches one call after the
 * other. */
#include <stdlib.h>

#include "bench_matrix.h"
#include "bench_peer.h"

/* Row-major; 0 is success. */
typedef int (*sgemm)(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

typedef struct state {
    bench_matrix x;
    sgemm run;
    const float *a, *b;
    float *c;
} state;

static void call(void *user)
{
    const state *s = user;
    bool plain_a = s->x.a.column == 1, plain_b = s->x.b.column == 1;
    for (int64_t i = 0; i < s->x.batch; i++)
        s->run(plain_a ? 'N' : 'T', plain_b ? 'N' : 'T', s->x.m, s->x.n, s->x.k, 1, s->a + i * s->x.a.batch,
               plain_a ? s->x.a.row : s->x.a.column, s->b + i * s->x.b.batch, plain_b ? s->x.b.row : s->x.b.column, 0,
               s->c + i * s->x.c.batch, s->x.c.row);
}

int bench_peer_onednn(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"libdnnl.so.2", "libdnnl.so.3", NULL};
    static const char *const settings[] = {"OMP_NUM_THREADS=1", "256:ONEDNN_MAX_CPU_ISA=AVX2",
                                           "128:ONEDNN_MAX_CPU_ISA=SSE41", NULL};
    state s = {0};
    if (b->n_out != 1 || !bench_matrix_read(&s.x, b->program.letters, b->in, b->n_in, &b->out[0]) ||
        s.x.dtype != EINJIT_F32)
        return TOOL_OK;
    void *library = bench_peer_load(b, "onednn", path, names, settings);
    if (!library) return TOOL_FAILED;
    s.run = (sgemm)bench_peer_symbol("onednn", library, "dnnl_sgemm", false);
    if (!s.run) return TOOL_FAILED;
    s.a = b->in[s.x.swapped].block, s.b = b->in[!s.x.swapped].block, s.c = b->out[0].block;
    out->state = tool_alloc(sizeof s);
    *(state *)out->state = s;
    out->call = call;
    out->release = free;
    return TOOL_OK;
}
