/* bench_peer.h - other ways to compute a case, timed beside the library in the same run. */
#ifndef TOOL_BENCH_PEER_H
#define TOOL_BENCH_PEER_H

#include "bench.h"

/* A peer made ready for one case: everything that can be prepared is, and the outputs are the case's own. */
typedef struct bench_call {
    void (*call)(void *state);
    void (*release)(void *state);
    void *state;
} bench_call;

/* One peer. `prepare` gives TOOL_OK with out->call NULL where this case is nothing that the peer computes, and fails
 * after a message where the peer itself is missing. `path`: the library's file as the user gave it, or NULL. */
typedef struct bench_peer {
    const char *name, *about;
    int (*prepare)(bench_call *out, bench *b, const char *path);
} bench_peer;

extern const bench_peer bench_peers[];
extern const int bench_n_peers;

/* A library: `path`, else the first of `names` (ended by NULL) that there is; loaded once and kept. NULL after a
 * message. `settings` (ended by NULL, or NULL) are environment variables "NAME=value" set before the library is loaded;
 * "512:NAME=value" where the row has vectors of that many bits. */
void *bench_peer_load(const bench *b, const char *peer, const char *path, const char *const *names,
                      const char *const *settings);
/* A function of a library, to be cast to what it is; NULL after a message, or without one where it may be missing. */
typedef void (*bench_function)(void);
bench_function bench_peer_symbol(const char *peer, void *library, const char *symbol, bool may_be_missing);

int bench_peer_blas(bench_call *out, bench *b, const char *peer, void *library); /* bench_peer_blas.c */
int bench_peer_libxsmm(bench_call *out, bench *b, const char *path);             /* bench_peer_libxsmm.c */
int bench_peer_onednn(bench_call *out, bench *b, const char *path);              /* bench_peer_onednn.c */
int bench_peer_hptt(bench_call *out, bench *b, const char *path);                /* bench_peer_hptt.c */

#endif
