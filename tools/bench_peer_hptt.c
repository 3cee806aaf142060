/* bench_peer_hptt.c - permutations through HPTT's C interface, where a user has built it. Each call plans by estimate,
 * which costs some microseconds; its measuring mode gave wrong results.
 */
#include <stdlib.h>

#include "bench_equation.h"
#include "bench_peer.h"

enum { MOST_AXES = 16 };
typedef void (*single)(const int *perm, int rank, float alpha, const float *a, const int *sizes, const int *outer_a,
                       float beta, float *b, const int *outer_b, int threads, int row_major);
typedef void (*twice)(const int *perm, int rank, double alpha, const double *a, const int *sizes, const int *outer_a,
                      double beta, double *b, const int *outer_b, int threads, int row_major);

typedef struct state {
    int perm[MOST_AXES], sizes[MOST_AXES], rank, dtype;
    bench_function run;
    const void *a;
    void *b;
} state;

static void call(void *user)
{
    const state *s = user;
    if (s->dtype == EINJIT_F32) ((single)s->run)(s->perm, s->rank, 1, s->a, s->sizes, NULL, 0, s->b, NULL, 1, 1);
    else ((twice)s->run)(s->perm, s->rank, 1, s->a, s->sizes, NULL, 0, s->b, NULL, 1, 1);
}

/* One operand whose labels are the output's, each once. */
static bool permutation(state *s, const bench_equation *p, const tool_tensor *in)
{
    if (p->n_terms != 1 || p->rank[0] != p->out_rank || p->out_rank > MOST_AXES || p->n_labels != p->out_rank)
        return false;
    s->rank = p->out_rank;
    for (int a = 0; a < s->rank; a++) {
        s->perm[a] = bench_find(p->label[0], s->rank, p->out[a]);
        if (s->perm[a] < 0 || in->shape[a] > INT32_MAX) return false;
        s->sizes[a] = (int)in->shape[a];
    }
    return true;
}

int bench_peer_hptt(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"libhptt.so", NULL};
    bench_equation p;
    state s = {.dtype = b->in[0].tensor.dtype};
    if (!b->program.letters || b->n_in != 1 || bench_equation_read(&p, b->program.letters, b->in, 1)) return TOOL_OK;
    if ((s.dtype != EINJIT_F32 && s.dtype != EINJIT_F64) || !permutation(&s, &p, b->in)) return TOOL_OK;
    void *library = bench_peer_load(b, "hptt", path, names, NULL);
    if (!library) return TOOL_FAILED;
    s.run = bench_peer_symbol("hptt", library, s.dtype == EINJIT_F32 ? "sTensorTranspose" : "dTensorTranspose", false);
    if (!s.run) return TOOL_FAILED;
    s.a = b->in[0].block, s.b = b->out[0].block;
    out->state = tool_alloc(sizeof s);
    *(state *)out->state = s;
    out->call = call;
    out->release = free;
    return TOOL_OK;
}
