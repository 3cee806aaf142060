/* prop_open.c - open extents: one kernel serves every value of them, whichever is seen first, and computes what plain
 * loops do: batches of 0, 1 and 100,000, graphs of any number of edges and nodes, inner axes, products and sums of
 * extents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"

static einjit_error err;

static void assert_ok(int status)
{
    if (status != EINJIT_OK) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

static uint64_t misses(const einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    return s.misses;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* n floats that are small integers, so that sums are exact; room for at least one. */
static float *numbers(size_t n, uint64_t seed)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)(next_random(&seed) % 7) - 3);
    return x;
}

static int compile(einjit_kernel **out, einjit_context *context, einjit_graph *graph, const char *open, size_t n,
                   const einjit_tensor *in)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
    *out = NULL;
    return einjit_compile(out, context, graph, n, in, 0, NULL, &options, &err);
}

static void compile_and_run(einjit_context *context, einjit_graph *graph, const char *open, size_t n,
                            const einjit_tensor *in, size_t n_out, const einjit_tensor *out)
{
    einjit_kernel *kernel;
    assert_ok(compile(&kernel, context, graph, open, n, in));
    assert_ok(einjit_run(kernel, n, in, n_out, out, &err));
    einjit_kernel_release(kernel);
}

static const char *backend_of(const einjit_context *context) /* interp has no bare function */
{
    einjit_graph *graph = api_graph((einjit_context *)context, "def forward(a: f32[2]):\n    return a + a\n");
    einjit_kernel *kernel;
    einjit_tensor in = F32(NULL, 2);
    assert_ok(compile(&kernel, (einjit_context *)context, graph, NULL, 1, &in));
    const char *backend = einjit_kernel_entry(kernel) ? "llvm" : "interp";
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    return backend;
}

/* ---- the seeds' example ---- */

enum { I = 4, J = 5, K = 8 };

static void run_seeds(einjit_context *context, einjit_graph *graph, int64_t z)
{
    size_t n = (size_t)z;
    float *a = numbers(n * I * J, 1), *b = numbers(n * J * K, 2), *c = numbers(n * K, 3), *d = numbers(n * I, 4);
    einjit_tensor in[] = {F32(a, z, I, J), F32(b, z, J, K), F32(c, z, K)}, out = F32(d, z, I);
    compile_and_run(context, graph, "z", 3, in, 1, &out);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < I; i++) {
            float sum = 0;
            for (size_t j = 0; j < J; j++)
                for (size_t k = 0; k < K; k++) sum += a[(p * I + i) * J + j] * b[(p * J + j) * K + k] * c[p * K + k];
            if (d[p * I + i] != sum) fail_msg("z = %lld: element %zu, %zu", (long long)z, p, i);
        }
    free(a);
    free(b);
    free(c);
    free(d);
}

/* The interpreter is slow, and slower with sanitizers: it meets the largest batch once. */
static int64_t seed_size(int which, int first, bool interp)
{
    static const int64_t sizes[] = {1, 7, 1000, 100000, 0};
    return interp && sizes[which] == 100000 && first != 3 ? 5000 : sizes[which];
}

static void the_seeds_example_needs_one_kernel(void **state)
{
    CONTEXT_OR_SKIP(outer);
    const char *backend = backend_of(outer);
    for (int first = 0; first < 5; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[z, i, j], b: f32[z, j, k], c: f32[z, k]):\n"
                                                 "    return einsum(\"zij,zjk,zk->zi\", a, b, c)\n");
        for (int i = 0; i < 5; i++) {
            run_seeds(context, graph, seed_size((first + i) % 5, first, !strcmp(backend, "interp")));
            assert_int_equal(misses(context), 1);
        }
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

/* ---- message passing ---- */

typedef struct edges {
    int64_t nodes, channels, outputs, edges;
    float *x, *w, *result;
    int64_t *src, *dst;
} edges;

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static edges new_edges(int64_t nodes, int64_t n, bool sorted)
{
    edges e = {.nodes = nodes, .channels = 3, .outputs = 4, .edges = n};
    uint64_t seed = (uint64_t)(nodes * 1000 + n);
    e.x = numbers((size_t)(nodes * e.channels), seed);
    e.w = numbers((size_t)(n * e.channels * e.outputs), seed + 1);
    e.result = numbers((size_t)(nodes * e.outputs), seed + 2);
    e.src = calloc((size_t)n + 1, sizeof *e.src);
    e.dst = calloc((size_t)n + 1, sizeof *e.dst);
    for (int64_t i = 0; i < n; i++) {
        e.src[i] = (int64_t)(next_random(&seed) % (uint64_t)nodes);
        e.dst[i] = (int64_t)(next_random(&seed) % (uint64_t)nodes);
    }
    if (sorted) qsort(e.dst, (size_t)n, sizeof *e.dst, by_value);
    return e;
}

static void free_edges(edges *e)
{
    free(e->x);
    free(e->w);
    free(e->result);
    free(e->src);
    free(e->dst);
}

/* edges.ein as loops; x has as many channels as outputs, since x[dst] is read by d. */
static void check_edges(const edges *e)
{
    float *want = calloc((size_t)(e->nodes * e->outputs) + 1, sizeof *want);
    for (int64_t i = 0; i < e->edges; i++)
        for (int64_t c = 0; c < e->channels; c++)
            for (int64_t d = 0; d < e->channels; d++)
                want[e->dst[i] * e->channels + d] += e->x[e->src[i] * e->channels + c] *
                                                     e->x[e->dst[i] * e->channels + d] *
                                                     e->w[(i * e->channels + c) * e->channels + d];
    for (int64_t i = 0; i < e->nodes * e->channels; i++)
        if (e->result[i] != want[i])
            fail_msg("%lld nodes, %lld edges: element %lld", (long long)e->nodes, (long long)e->edges, (long long)i);
    free(want);
}

static char *read_program(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/%s", EINJIT_TEST_SOURCE, name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be read", path);
    char *text = calloc(4096, 1);
    assert_true(fread(text, 1, 4095, file) > 0);
    fclose(file);
    return text;
}

static void run_edges(einjit_context *context, einjit_graph *graph, const char *open, int64_t nodes, int64_t n,
                      bool sorted)
{
    edges e = new_edges(nodes, n, sorted);
    int64_t c = e.channels;
    einjit_tensor in[] = {F32(e.x, nodes, c), TENSOR(e.src, EINJIT_I64, n), TENSOR(e.dst, EINJIT_I64, n),
                          F32(e.w, n, c, c)};
    einjit_tensor out = F32(e.result, nodes, c);
    compile_and_run(context, graph, open, 4, in, 1, &out);
    check_edges(&e);
    free_edges(&e);
}

static void message_passing_is_one_plan_for_any_number_of_edges(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t counts[] = {0, 1, 5, 1000};
    const char *backend = backend_of(outer);
    char *text = read_program("edges.ein");
    for (int first = 0; first < 4; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, text);
        for (int i = 0; i < 8; i++) run_edges(context, graph, "edges", 17, counts[(first + i) % 4], i >= 4);
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
    free(text);
}

static void nodes_and_edges_may_both_be_open(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t counts[] = {5, 0, 1000, 1}, nodes[] = {17, 1, 300, 2};
    const char *backend = backend_of(outer);
    char *text = read_program("edges.ein");
    for (int first = 0; first < 4; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, text);
        for (int i = 0; i < 16; i++)
            run_edges(context, graph, "nodes,edges", nodes[(first + i / 4) % 4], counts[(first + i) % 4], i % 3 == 1);
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
    free(text);
}

/* All numbers open at the same value: equal by chance, which the kernel must not rely on. */
static void extents_that_are_equal_by_chance_stay_apart(void **state)
{
    CONTEXT_OR_SKIP(context);
    char *text = read_program("edges.ein");
    einjit_graph *graph = api_graph(context, text);
    run_edges(context, graph, "nodes,edges", 1, 1, false);
    run_edges(context, graph, "nodes,edges", 3, 3, false);
    run_edges(context, graph, "nodes,edges", 5, 40, false);
    run_edges(context, graph, "nodes,edges", 40, 5, false);
    assert_int_equal(misses(context), 1);
    einjit_graph_destroy(graph);
    free(text);
}

static void an_index_out_of_range_is_named(void **state)
{
    CONTEXT_OR_SKIP(context);
    char *text = read_program("edges.ein");
    einjit_graph *graph = api_graph(context, text);
    edges e = new_edges(6, 9, false);
    einjit_tensor in[] = {F32(e.x, 6, 3), TENSOR(e.src, EINJIT_I64, 9), TENSOR(e.dst, EINJIT_I64, 9),
                          F32(e.w, 9, 3, 3)};
    einjit_tensor out = F32(e.result, 6, 3);
    static const int64_t wrong[] = {6, -1, INT64_MAX, INT64_MIN};
    static const char *const open[] = {NULL, "edges", "nodes,edges"};
    einjit_kernel *kernel;
    for (int o = 0; o < 3; o++) {
        assert_ok(compile(&kernel, context, graph, open[o], 4, in));
        for (int which = 0; which < 2; which++)
            for (int w = 0; w < 4; w++) {
                int64_t *index = which ? e.dst : e.src, kept = index[w + 2];
                char value[32], position[32], name[16];
                index[w + 2] = wrong[w];
                assert_int_equal(einjit_run(kernel, 4, in, 1, &out, &err), EINJIT_E_INDEX);
                snprintf(value, sizeof value, "%lld", (long long)wrong[w]);
                snprintf(position, sizeof position, "position %d", w + 2);
                snprintf(name, sizeof name, "'%s'", which ? "dst" : "src");
                if (!strstr(err.text, value) || !strstr(err.text, position) || !strstr(err.text, name))
                    fail_msg("%s", err.text);
                index[w + 2] = kept;
            }
        assert_ok(einjit_run(kernel, 4, in, 1, &out, &err));
        check_edges(&e);
        einjit_kernel_release(kernel);
    }
    free_edges(&e);
    einjit_graph_destroy(graph);
    free(text);
}

/* ---- inner axes, several at once ---- */

static void run_product(einjit_context *context, einjit_graph *graph, const char *open, int64_t m, int64_t k, int64_t n)
{
    float *a = numbers((size_t)(m * k), 5), *b = numbers((size_t)(k * n), 6), *c = numbers((size_t)(m * n), 7);
    einjit_tensor in[] = {F32(a, m, k), F32(b, k, n)}, out = F32(c, m, n);
    compile_and_run(context, graph, open, 2, in, 1, &out);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            float sum = 0;
            for (int64_t p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j];
            if (c[i * n + j] != sum) fail_msg("%s: %lld x %lld x %lld", open, (long long)m, (long long)k, (long long)n);
        }
    free(a);
    free(b);
    free(c);
}

static void every_axis_of_a_product_may_be_open(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const char *const opens[] = {"m", "k", "n", "m,k", "k,n", "m,n", "n,k,m"};
    static const int64_t sizes[] = {1, 5, 0, 33, 16, 2};
    const char *backend = backend_of(outer);
    for (int o = 0; o < 7; o++)
        for (int first = 0; first < 6; first++) {
            einjit_context *context = api_context(backend);
            einjit_graph *graph = api_graph(context, "def forward(a: f32[m, k], b: f32[k, n]):\n    return a @ b\n");
            for (int i = 0; i < 6; i++) {
                int64_t size = sizes[(first + i) % 6], other = sizes[(first + 2 * i + 1) % 6],
                        third = sizes[(5 * i + 2) % 6];
                int64_t m = strchr(opens[o], 'm') ? size : 7, k = strchr(opens[o], 'k') ? other : 6;
                run_product(context, graph, opens[o], m, k, strchr(opens[o], 'n') ? third : 9);
            }
            assert_int_equal(misses(context), 1);
            einjit_graph_destroy(graph);
            einjit_context_release(context);
        }
}

/* ---- extents that are computed ---- */

static void sums_and_products_of_open_extents_are_extents(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[][2] = {{3, 4}, {1, 1}, {0, 2}, {2, 0}, {1, 9}, {40, 1}, {0, 0}, {5, 5}};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 8; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[p, 3], b: f32[q, 3]):\n"
                                                 "    both = cat([a, b], 0)\n"
                                                 "    flat = both.reshape(-1)\n"
                                                 "    outer = einsum(\"pc,qc->pq\", a, b).reshape(-1)\n"
                                                 "    return flat * 2.0, outer, both.sum(0), a.sum()\n");
        for (int s = 0; s < 8; s++) {
            int64_t p = sizes[(first + s) % 8][0], q = sizes[(first + s) % 8][1];
            float *a = numbers((size_t)p * 3, 1), *b = numbers((size_t)q * 3, 2),
                  *flat = numbers((size_t)(p + q) * 3, 3);
            float *outer_result = numbers((size_t)(p * q), 4), total[3], all;
            einjit_tensor in[] = {F32(a, p, 3), F32(b, q, 3)};
            einjit_tensor out[] = {F32(flat, (p + q) * 3), F32(outer_result, p * q), F32(total, 3),
                                   SCALAR(&all, EINJIT_F32)};
            compile_and_run(context, graph, "p,q", 2, in, 4, out);
            float want[3] = {0}, sum = 0;
            for (int64_t i = 0; i < (p + q) * 3; i++) {
                float x = i < p * 3 ? a[i] : b[i - p * 3];
                assert_true(flat[i] == 2 * x);
                want[i % 3] += x;
                if (i < p * 3) sum += x;
            }
            for (int c = 0; c < 3; c++) assert_true(total[c] == want[c]);
            assert_true(all == sum);
            for (int64_t i = 0; i < p * q; i++) {
                const float *x = a + i / q * 3, *y = b + i % q * 3;
                assert_true(outer_result[i] == x[0] * y[0] + x[1] * y[1] + x[2] * y[2]);
            }
            free(a);
            free(b);
            free(flat);
            free(outer_result);
        }
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

static void reshapes_may_name_multiples_of_open_extents(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[] = {3, 1, 0, 20};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 4; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[z, 4], b: f32[z]):\n"
                                                 "    return a.reshape(2*z, 2) + stack([b, b], 1).reshape(z*2, 1)\n");
        for (int s = 0; s < 4; s++) {
            int64_t z = sizes[(first + s) % 4];
            float *a = numbers((size_t)z * 4, 1), *b = numbers((size_t)z, 2), *c = numbers((size_t)z * 4, 3);
            einjit_tensor in[] = {F32(a, z, 4), F32(b, z)}, out = F32(c, 2 * z, 2);
            compile_and_run(context, graph, "z", 2, in, 1, &out);
            for (int64_t i = 0; i < 4 * z; i++) assert_true(c[i] == a[i] + b[i / 4]);
            free(a);
            free(b);
            free(c);
        }
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

/* Rows picked from a wider array: whatever z is, the strides stay. */
static void strided_inputs_and_outputs_may_be_open(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[] = {3, 1, 0, 20};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 4; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[z, 4], b: f32[4]):\n    return a * b + a\n");
        for (int s = 0; s < 8; s++) {
            int64_t z = sizes[(first + s) % 4];
            float *a = numbers(400, 1), *c = numbers(400, 3), b[] = {1, 2, -1, 3};
            int64_t row = z == 1 && s > 3 ? INT64_MAX / 8 : 10; /* where there is one row its stride may be anything */
            einjit_tensor in[] = {F32(a, z, 4), F32(b, 4)}, out = F32(c, z, 4);
            in[0].strides = (int64_t[]){row, 2};
            out.strides = (int64_t[]){row, -1};
            out.data = c + 3;
            einjit_compile_options options = {.struct_bytes = sizeof options, .open = "z"};
            einjit_kernel *kernel = NULL;
            assert_ok(einjit_compile(&kernel, context, graph, 2, in, 1, &out, &options, &err));
            assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
            for (int64_t i = 0; i < z; i++)
                for (int64_t k = 0; k < 4; k++) assert_true(c[i * 10 + 3 - k] == a[i * 10 + 2 * k] * (b[k] + 1));
            einjit_kernel_release(kernel);
            free(a);
            free(c);
        }
        assert_true(misses(context) <= 5);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

static void scalars_and_rows_meet_open_axes(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[] = {7, 1, 0, 64, 3};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 5; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph =
            api_graph(context, "def forward(a: f32[z, 5], s: f32[()], row: f32[1, 5], one: f32[1, 1]):\n"
                               "    return relu(a * s + row) * one, a.sum(0) * s\n");
        for (int i = 0; i < 5; i++) {
            int64_t z = sizes[(first + i) % 5];
            float *a = numbers((size_t)z * 5, 1), *b = numbers((size_t)z * 5, 2), row[] = {1, -2, 3, 0, 2}, s = 2,
                  one = 3, sum[5];
            einjit_tensor in[] = {F32(a, z, 5), SCALAR(&s, EINJIT_F32), F32(row, 1, 5), F32(&one, 1, 1)};
            einjit_tensor out[] = {F32(b, z, 5), F32(sum, 5)};
            compile_and_run(context, graph, "z", 4, in, 2, out);
            float want[5] = {0};
            for (int64_t k = 0; k < z * 5; k++) {
                float x = a[k] * s + row[k % 5];
                assert_true(b[k] == (x > 0 ? x : 0) * one);
                want[k % 5] += a[k];
            }
            for (int k = 0; k < 5; k++) assert_true(sum[k] == want[k] * s);
            free(a);
            free(b);
        }
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

/* ---- where a 1 is stretched, and where nothing may be empty ---- */

/* z meets w: where one of them is 1 it stretches, so no one kernel can serve all; results are right all the same. */
static void a_stretched_extent_of_1_gets_a_kernel_of_its_own(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[][2] = {{1, 4}, {4, 4}, {4, 1}, {1, 1}, {1, 6}, {6, 6}, {6, 1}, {0, 1}, {1, 0}, {0, 0}};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 10; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[z, 3], b: f32[w, 3]):\n    return a * b\n");
        for (int s = 0; s < 10; s++) {
            int64_t z = sizes[(first + s) % 10][0], w = sizes[(first + s) % 10][1], n = z == 1 ? w : z;
            float *a = numbers((size_t)z * 3, 1), *b = numbers((size_t)w * 3, 2), *c = numbers((size_t)n * 3, 3);
            einjit_tensor in[] = {F32(a, z, 3), F32(b, w, 3)}, out = F32(c, n, 3);
            compile_and_run(context, graph, "z,w", 2, in, 1, &out);
            for (int64_t i = 0; i < n * 3; i++) assert_true(c[i] == a[z == 1 ? i % 3 : i] * b[w == 1 ? i % 3 : i]);
            free(a);
            free(b);
            free(c);
        }
        einjit_tensor torn[] = {F32(NULL, 2, 3), F32(NULL, 5, 3)};
        einjit_kernel *kernel;
        assert_int_equal(compile(&kernel, context, graph, "z,w", 2, torn), EINJIT_E_BROADCAST);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

static void the_largest_of_nothing_is_refused_for_open_extents_too(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char *const programs[] = {
        "def forward(a: f32[z, 3]):\n    return amax(a, 0)\n", "def forward(a: f32[z, 3]):\n    return amin(a, 0)\n",
        "def forward(a: f32[z, 3]):\n    return einsum(\"zi->i\", a, reduce=\"max\")\n"};
    for (int p = 0; p < 3; p++) {
        einjit_graph *graph = api_graph(context, programs[p]);
        float a[6] = {1, 5, 3, 4, 2, 6}, c[3];
        einjit_tensor some = F32(a, 2, 3), none = F32(a, 0, 3), out = F32(c, 3);
        einjit_kernel *kernel;
        assert_int_equal(compile(&kernel, context, graph, "z", 1, &none), EINJIT_E_SHAPE);
        assert_ok(compile(&kernel, context, graph, "z", 1, &some));
        assert_ok(einjit_run(kernel, 1, &some, 1, &out, &err));
        assert_true(c[1] == (p == 1 ? 2 : 5));
        assert_int_equal(einjit_run(kernel, 1, &none, 1, &out, &err), EINJIT_E_SHAPE);
        assert_true(c[1] == (p == 1 ? 2 : 5));
        einjit_kernel_release(kernel);
        assert_int_equal(compile(&kernel, context, graph, "z", 1, &none), EINJIT_E_SHAPE);
        assert_null(kernel);
        einjit_graph_destroy(graph);
    }
}

static void a_reshape_by_an_open_extent_takes_0(void **state)
{
    CONTEXT_OR_SKIP(outer);
    static const int64_t sizes[] = {0, 3, 1};
    const char *backend = backend_of(outer);
    for (int first = 0; first < 3; first++) {
        einjit_context *context = api_context(backend);
        einjit_graph *graph = api_graph(context, "def forward(a: f32[z, 2, 3]):\n    return a.reshape(z, -1) * 2.0\n");
        for (int i = 0; i < 3; i++) {
            int64_t z = sizes[(first + i) % 3];
            float *a = numbers((size_t)z * 6, 1), *c = numbers((size_t)z * 6, 2);
            einjit_tensor in = F32(a, z, 2, 3), out = F32(c, z, 6);
            compile_and_run(context, graph, "z", 1, &in, 1, &out);
            for (int64_t k = 0; k < z * 6; k++) assert_true(c[k] == 2 * a[k]);
            free(a);
            free(c);
        }
        assert_int_equal(misses(context), 1);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

int main(void)
{
    use_built_module();
    const struct CMUnitTest tests[] = {
        ON_BOTH(the_seeds_example_needs_one_kernel),
        ON_BOTH(message_passing_is_one_plan_for_any_number_of_edges),
        ON_BOTH(nodes_and_edges_may_both_be_open),
        ON_BOTH(extents_that_are_equal_by_chance_stay_apart),
        ON_BOTH(an_index_out_of_range_is_named),
        ON_BOTH(every_axis_of_a_product_may_be_open),
        ON_BOTH(sums_and_products_of_open_extents_are_extents),
        ON_BOTH(reshapes_may_name_multiples_of_open_extents),
        ON_BOTH(strided_inputs_and_outputs_may_be_open),
        ON_BOTH(scalars_and_rows_meet_open_axes),
        ON_BOTH(a_stretched_extent_of_1_gets_a_kernel_of_its_own),
        ON_BOTH(the_largest_of_nothing_is_refused_for_open_extents_too),
        ON_BOTH(a_reshape_by_an_open_extent_takes_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
