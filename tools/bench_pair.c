/* bench_pair.c - a call that finds its kernel in memory, by two threads at the same time: each writes outputs of its
 * own, everything else is shared. */
#include <pthread.h>
#include <stdlib.h>

#include "bench.h"

enum { ROUNDS = 21 };
static const double round_seconds = 1e-3;

typedef struct caller {
    bench b; /* with views of its own outputs */
    einjit_tensor *views;
    void **blocks;
    pthread_barrier_t *barrier;
    long calls;
    double ns[ROUNDS]; /* a call, in each round */
} caller;

static void *call(void *user)
{
    caller *c = user;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(c->barrier);
        double start = tool_seconds();
        for (long i = 0; i < c->calls; i++) bench_call_cached(&c->b);
        c->ns[round] = (tool_seconds() - start) / (double)c->calls * 1e9;
    }
    return NULL;
}

static void prepare(caller *c, const bench *b, pthread_barrier_t *barrier, long calls)
{
    *c = (caller){.b = *b, .barrier = barrier, .calls = calls};
    c->b.out_views = c->views = tool_alloc(b->n_out * sizeof *c->views);
    c->blocks = tool_alloc(b->n_out * sizeof *c->blocks);
    for (size_t o = 0; o < b->n_out; o++) {
        c->views[o] = b->out_views[o];
        c->views[o].data = c->blocks[o] = tool_alloc(b->out[o].bytes + 1);
    }
}

static void finish(caller *c)
{
    for (size_t o = 0; o < c->b.n_out; o++) free(c->blocks[o]);
    free(c->blocks);
    free(c->views);
}

int bench_time_pair(bench *b, bench_result *r)
{
    caller both[2];
    pthread_t other;
    pthread_barrier_t barrier;
    if (pthread_barrier_init(&barrier, NULL, 2)) return tool_fail("E_NOMEM", "no barrier for two threads");
    double most = r->call_ns > 1 ? r->call_ns : 1;
    for (int i = 0; i < 2; i++) prepare(&both[i], b, &barrier, 1 + (long)(round_seconds * 1e9 / most));
    bool made = !pthread_create(&other, NULL, call, &both[1]);
    if (made) {
        call(&both[0]);
        pthread_join(other, NULL);
        for (int i = 0; i < ROUNDS; i++) both[0].ns[i] = (both[0].ns[i] + both[1].ns[i]) / 2;
        qsort(both[0].ns, ROUNDS, sizeof *both[0].ns, tool_compare);
        r->pair_ns = both[0].ns[ROUNDS / 2];
    }
    for (int i = 0; i < 2; i++) finish(&both[i]);
    pthread_barrier_destroy(&barrier);
    return made ? TOOL_OK : tool_fail("E_NOMEM", "no second thread");
}
