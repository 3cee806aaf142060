/* bench_peer.c - the table of peers, and how their libraries are found. */
#include "bench_peer.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "bench_bound.h"
#include "bench_reference.h"

/* ---- the library itself and what the tree has ---- */

static int prepare_self(bench_call *out, bench *b, const char *path)
{
    (void)path;
    *out = (bench_call){bench_call_kernel, NULL, b};
    return TOOL_OK;
}

static int prepare_alone(bench_call *out, bench *b, const char *path)
{
    (void)path;
    *out = (bench_call){bench_call_alone, NULL, b};
    return TOOL_OK;
}

static void call_plain(void *user)
{
    bench *b = user;
    tool_tensor out = b->out[0];
    out.block = (void *)b->out_views[0].data;
    reference_plain(b->program.letters, b->in, b->n_in, &out);
}

static int prepare_plain(bench_call *out, bench *b, const char *path)
{
    (void)path;
    if (b->program.letters && b->out[0].tensor.dtype == EINJIT_F32) *out = (bench_call){call_plain, NULL, b};
    return TOOL_OK;
}

static void call_interpreter(void *user)
{
    bench *b = user;
    einjit_run(b->interpreted, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static int prepare_interpreter(bench_call *out, bench *b, const char *path)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = b->options->open, .path = b->strategy};
    (void)path;
    if (!b->interp && bench_context(&b->interp, b->options, "interp", NULL)) return TOOL_FAILED;
    if (!b->interpreted && bench_compile(b, b->interp, &options, &b->interpreted)) return TOOL_FAILED;
    *out = (bench_call){call_interpreter, NULL, b};
    return TOOL_OK;
}

/* ---- libraries ---- */

static void set_environment(const char *setting, int bits)
{
    char name[64], *end;
    long only = strtol(setting, &end, 10);
    if (*end == ':' && only != bits) return;
    if (*end == ':') setting = end + 1;
    size_t length = strcspn(setting, "=");
    if (length >= sizeof name) return;
    memcpy(name, setting, length);
    name[length] = 0;
    setenv(name, setting + length + setting[length] / '=', 1);
}

void *bench_peer_load(const bench *b, const char *peer, const char *path, const char *const *names,
                      const char *const *settings)
{
    enum { MOST = 16 };
    static struct {
        const char *peer;
        void *library;
    } loaded[MOST];
    static int n;
    for (int i = 0; i < n; i++)
        if (!strcmp(loaded[i].peer, peer)) return loaded[i].library;
    for (; settings && *settings; settings++) set_environment(*settings, bench_vector_bits(b->options->target));
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    const char *why = path && !library ? dlerror() : NULL;
    for (; !path && *names && !library; names++) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        tool_fail("E_IO", "the peer '%s' has no library here%s%s; --vs %s=FILE says where it is", peer, why ? ": " : "",
                  why ? why : "", peer);
        return NULL;
    }
    if (n < MOST) loaded[n].peer = peer, loaded[n++].library = library;
    return library;
}

bench_function bench_peer_symbol(const char *peer, void *library, const char *symbol, bool may_be_missing)
{
    void *found = dlsym(library, symbol);
    bench_function function = NULL;
    if (found) memcpy(&function, &found, sizeof function); /* ISO C has no cast for it, POSIX says that it works */
    else if (!may_be_missing) tool_fail("E_IO", "the library of the peer '%s' has no function %s", peer, symbol);
    return function;
}

/* Left to themselves OpenBLAS and BLIS take kernels for AVX2 on processors that they do not know; on a row with
 * narrower vectors than the processor's all peers are held to those. */
static int prepare_openblas(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"openblas-serial/libopenblas.so.0", "libopenblas.so.0", NULL};
    static const char *const settings[] = {"OPENBLAS_NUM_THREADS=1",        "512:OPENBLAS_CORETYPE=SkylakeX",
                                           "512:OPENBLAS_L2_SIZE=1024",     "256:OPENBLAS_CORETYPE=Haswell",
                                           "128:OPENBLAS_CORETYPE=Nehalem", NULL};
    void *library = bench_peer_load(b, "openblas", path, names, settings);
    return library ? bench_peer_blas(out, b, "openblas", library) : TOOL_FAILED;
}

static int prepare_blis(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"libblis.so.4", NULL};
    /* 0: skx, 3: haswell */
    static const char *const settings[] = {"BLIS_NUM_THREADS=1", "512:BLIS_ARCH_TYPE=0", "256:BLIS_ARCH_TYPE=3", NULL};
    void *library = bench_peer_load(b, "blis", path, names, settings);
    return library ? bench_peer_blas(out, b, "blis", library) : TOOL_FAILED;
}

static int prepare_mkl(bench_call *out, bench *b, const char *path)
{
    static const char *const names[] = {"libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so", NULL};
    static const char *const settings[] = {"MKL_NUM_THREADS=1", "MKL_THREADING_LAYER=SEQUENTIAL",
                                           "256:MKL_ENABLE_INSTRUCTIONS=AVX2", "128:MKL_ENABLE_INSTRUCTIONS=SSE4_2",
                                           NULL};
    void *library = bench_peer_load(b, "mkl", path, names, settings);
    return library ? bench_peer_blas(out, b, "mkl", library) : TOOL_FAILED;
}

const bench_peer bench_peers[] = {
    {"self", "the same kernel again: what differs is noise", prepare_self},
    {"alone", "the same kernel on one thread", prepare_alone},
    {"plain", "loops in C, as written (equations in f32)", prepare_plain},
    {"interp", "the interpreter", prepare_interpreter},
    {"openblas", "products of matrices, with its kernels for the row's vectors", prepare_openblas},
    {"blis", "products of matrices, with its kernels for the row's vectors", prepare_blis},
    {"mkl", "products of matrices", prepare_mkl},
    {"onednn", "products of matrices in f32", bench_peer_onednn},
    {"libxsmm", "products of small matrices", bench_peer_libxsmm},
    {"hptt", "permutations", bench_peer_hptt},
};
const int bench_n_peers = sizeof bench_peers / sizeof *bench_peers;
