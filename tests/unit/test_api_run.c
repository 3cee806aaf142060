/* test_api_run.c - kernels: compiled once, run with checks, open extents, what can be asked of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static const char product[] = "def forward(a: f32[z, i, j], b: f32[z, j, k]):\n"
                              "    return einsum(\"zij,zjk->zik\", a, b)\n";

static void assert_ok(int status)
{
    if (status != EINJIT_OK) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

static einjit_kernel *compile_open(einjit_context *context, einjit_graph *graph, const char *open, size_t n,
                                   const einjit_tensor *in)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
    einjit_kernel *kernel = NULL;
    assert_ok(einjit_compile(&kernel, context, graph, n, in, 0, NULL, &options, &err));
    return kernel;
}

static int64_t misses(const einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    return (int64_t)s.misses;
}

enum { Z = 40, I = 2, J = 3, K = 4 };

/* c against the definition, for the first z of the batch. */
static void assert_product(const float *a, const float *b, const float *c, int n)
{
    for (int z = 0; z < n; z++)
        for (int i = 0; i < I; i++)
            for (int k = 0; k < K; k++) {
                float sum = 0;
                for (int j = 0; j < J; j++) sum += a[(z * I + i) * J + j] * b[(z * J + j) * K + k];
                assert_true(c[(z * I + i) * K + k] == sum);
            }
}

static void a_kernel_runs_again_and_again(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J], b[Z * J * K], c[Z * I * K];
    einjit_graph *graph = api_graph(context, product);
    einjit_tensor in[] = {F32(a, Z, I, J), F32(b, Z, J, K)}, out = F32(c, Z, I, K);
    einjit_kernel *kernel = compile_open(context, graph, NULL, 2, in);
    einjit_graph_destroy(graph);
    for (int round = 1; round < 4; round++) {
        api_fill(a, Z * I * J, round);
        api_fill(b, Z * J * K, round + 2);
        assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
        assert_product(a, b, c, Z);
    }
    einjit_kernel_release(kernel);
}

static void kernels_outlive_cache_graph_and_context(void **state)
{
    (void)state;
    float a[3] = {1, 2, 3}, c[3] = {0};
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, "def forward(a):\n    return a + a\n");
    einjit_tensor in = F32(a, 3), out = F32(c, 3);
    einjit_kernel *kernel = compile_open(context, graph, NULL, 1, &in);
    einjit_graph_destroy(graph);
    einjit_context_clear_cache(context);
    einjit_context_release(context);
    einjit_kernel_retain(kernel);
    einjit_kernel_release(kernel);
    assert_ok(einjit_run(kernel, 1, &in, 1, &out, &err));
    assert_true(c[2] == 6);
    einjit_kernel_release(kernel);
    einjit_kernel_release(NULL);
}

static void tensors_that_do_not_fit_are_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J] = {0}, b[Z * J * K] = {0}, c[Z * I * K];
    einjit_graph *graph = api_graph(context, product);
    einjit_tensor in[] = {F32(a, 5, I, J), F32(b, 5, J, K)}, out = F32(c, 5, I, K);
    einjit_kernel *kernel = compile_open(context, graph, NULL, 2, in);
    assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
    assert_int_equal(einjit_run(kernel, 1, in, 1, &out, &err), EINJIT_E_OPERAND_COUNT);
    assert_int_equal(einjit_run(kernel, 2, in, 0, NULL, &err), EINJIT_E_OPERAND_COUNT);
    in[1] = F32(b, 6, J, K);
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_SHAPE);
    assert_string_equal(err.text, "axis 0 of input 1 ('b') is 6, this kernel has 5 there");
    in[1] = TENSOR(b, EINJIT_F64, 5, J, K);
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_DTYPE);
    in[1] = F32(b, 5, J);
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_RANK);
    in[1] = F32(b, 5, J, K);
    in[1].strides = (int64_t[]){J * K, 1, J};
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_STRIDE);
    in[1].strides = (int64_t[]){J * K, K, 1};
    assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
    in[1].data = NULL;
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_INVALID);
    in[1].data = c + 7;
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_OVERLAP);
    assert_int_equal(einjit_run(NULL, 2, in, 1, &out, &err), EINJIT_E_INVALID);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

static void two_outputs_must_not_share_memory(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[4] = {1, 2, 3, 4}, c[16];
    einjit_graph *graph = api_graph(context, "def forward(a):\n    return a + 1.0, a * 2.0\n");
    einjit_tensor in = F32(a, 4), out[] = {F32(c, 4), F32(c + 4, 4)};
    assert_ok(einjit_call(context, graph, 1, &in, 2, out, &err));
    assert_true(c[0] == 2 && c[3] == 5 && c[4] == 2 && c[7] == 8);
    out[1].data = c + 3;
    assert_int_equal(einjit_call(context, graph, 1, &in, 2, out, &err), EINJIT_E_OVERLAP);
    assert_string_equal(err.text, "output 1 overlaps output 0");
    einjit_graph_destroy(graph);
}

static void wrong_outputs_are_found_when_compiling(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, product);
    einjit_tensor in[] = {F32(NULL, 5, I, J), F32(NULL, 5, J, K)}, wrong = F32(NULL, 5, K, I),
                  right = F32(NULL, 5, I, K);
    einjit_kernel *kernel = NULL;
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 1, &wrong, NULL, &err), EINJIT_E_SHAPE);
    assert_null(kernel);
    assert_ok(einjit_compile(&kernel, context, graph, 2, in, 1, &right, NULL, &err));
    einjit_kernel_release(kernel);
    assert_int_equal(einjit_compile(&kernel, context, graph, 1, in, 0, NULL, NULL, &err), EINJIT_E_OPERAND_COUNT);
    einjit_compile_options broken = {0};
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &broken, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_compile(NULL, context, graph, 2, in, 0, NULL, NULL, &err), EINJIT_E_INVALID);
    einjit_graph_destroy(graph);
}

static void the_bare_entry_computes_the_same(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J], b[Z * J * K], c[Z * I * K];
    einjit_graph *graph = api_graph(context, product);
    einjit_tensor in[] = {F32(a, Z, I, J), F32(b, Z, J, K)};
    einjit_kernel *kernel = compile_open(context, graph, "z", 2, in);
    einjit_entry entry = einjit_kernel_entry(kernel);
    int64_t sizes[] = {13};
    size_t bytes = einjit_kernel_scratch_bytes(kernel, sizes);
    assert_true(bytes < 1 << 20);
    api_fill(a, Z * I * J, 3);
    api_fill(b, Z * J * K, 5);
    if (entry) {
        void *block = malloc(bytes + 64), *scratch = (char *)block + (64 - (uintptr_t)block % 64) % 64;
        entry((void *[]){a, b, c}, sizes, scratch);
        assert_product(a, b, c, 13);
        free(block);
    }
    assert_null(einjit_kernel_entry(NULL));
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

/* ---- open extents ---- */

static void one_kernel_serves_all_open_extents(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J], b[Z * J * K], c[Z * I * K];
    api_fill(a, Z * I * J, 3);
    api_fill(b, Z * J * K, 5);
    einjit_graph *graph = api_graph(context, product);
    for (int z = 2; z <= Z; z += 7) {
        einjit_tensor in[] = {F32(a, z, I, J), F32(b, z, J, K)}, out = F32(c, z, I, K);
        einjit_kernel *kernel = compile_open(context, graph, "z", 2, in);
        assert_int_equal(einjit_kernel_open_count(kernel), 1);
        assert_string_equal(einjit_kernel_open_name(kernel, 0), "z");
        assert_null(einjit_kernel_open_name(kernel, 1));
        assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
        assert_product(a, b, c, z);
        out = F32(c, z + 1, I, K);
        assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_SHAPE);
        einjit_kernel_release(kernel);
    }
    assert_int_equal(misses(context), 1);
    einjit_graph_destroy(graph);
}

static void count_closed(void *user, const char *line)
{
    if (strstr(line, "extent 'z' of f ") && strstr(line, "is 3 from now on, because of 'total'")) ++*(int *)user;
}

/* Asked for and closed: the kernel says so, and a line to the log. */
static void extents_that_cannot_stay_open_are_named(void **state)
{
    (void)state;
    int said = 0;
    einjit_options options = {
        .struct_bytes = sizeof options, .backend = "interp", .log = count_closed, .log_user = &said};
    einjit_context *context = NULL;
    assert_ok(einjit_context_create(&context, &options, &err));
    float a[3] = {1, 2, 3}, b[3] = {1, 2, 3}, c[4] = {1, 2, 3, 4};
    einjit_graph *graph = api_graph(context, "def f(a: f32[z], b: f32[n], c: f32[m]):\n"
                                             "    total = a + b\n"
                                             "    return total, exp(c)\n");
    einjit_tensor in[] = {F32(a, 3), F32(b, 3), F32(c, 4)};
    einjit_kernel *kernel = compile_open(context, graph, "m,z,n", 3, in);
    assert_int_equal(einjit_kernel_open_count(kernel), 1);
    assert_string_equal(einjit_kernel_open_name(kernel, 0), "m");
    assert_int_equal(einjit_kernel_closed_count(kernel), 2);
    assert_string_equal(einjit_kernel_closed_name(kernel, 0), "z");
    assert_string_equal(einjit_kernel_closed_by(kernel, 0), "total");
    assert_string_equal(einjit_kernel_closed_name(kernel, 1), "n");
    assert_null(einjit_kernel_closed_name(kernel, 2));
    assert_null(einjit_kernel_closed_by(kernel, 2));
    assert_int_equal(said, 1);
    einjit_kernel_release(kernel);
    kernel = compile_open(context, graph, "m,z,n", 3, in); /* found, and says the same */
    assert_int_equal(einjit_kernel_closed_count(kernel), 2);
    assert_int_equal(said, 1);
    einjit_kernel_release(kernel);
    kernel = compile_open(context, graph, "m", 3, in);
    assert_int_equal(einjit_kernel_closed_count(kernel), 0);
    assert_int_equal(einjit_kernel_closed_count(NULL), 0);
    assert_int_equal(said, 1);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* Of an equation's labels those that broadcast are closed, the others stay open. */
static void labels_that_broadcast_are_closed_alone(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J], b[Z * J * K], c[Z * I * K], d[Z * I * K];
    einjit_graph *graph;
    api_fill(a, Z * I * J, 3);
    api_fill(b, Z * J * K, 5);
    assert_ok(einjit_graph_from_equation(&graph, context, "zij,zjk->zik", &err));
    for (int j = J; j >= 1; j -= J - 1) {
        int64_t before = misses(context);
        for (int z = 2; z <= Z; z += 7) {
            einjit_tensor in[] = {F32(a, z, I, j), F32(b, z, J, K)}, out = F32(c, z, I, K), other = F32(d, z, I, K);
            einjit_kernel *kernel = compile_open(context, graph, "z,j", 2, in);
            assert_int_equal(einjit_kernel_open_count(kernel), j == J ? 2 : 1);
            assert_string_equal(einjit_kernel_open_name(kernel, 0), "z");
            assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
            einjit_kernel_release(kernel);
            assert_int_equal(misses(context), before + 1);
            einjit_context *by_itself = api_context("interp");
            assert_ok(einjit_einsum(by_itself, "zij,zjk->zik", 2, in, &other, &err));
            einjit_context_release(by_itself);
            assert_memory_equal(c, d, sizeof(float) * (size_t)(z * I * K));
        }
    }
    einjit_tensor bad[] = {F32(a, 2, I, 2), F32(b, 2, J, K)};
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "z,j"};
    einjit_kernel *kernel = NULL;
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, bad, 0, NULL, &options, &err), EINJIT_E_DIM);
    assert_string_equal(err.text, "axis 'j' is 2 in operand 0 and 3 in operand 1");
    einjit_graph_destroy(graph);
}

static void an_open_kernel_runs_other_sizes_than_it_was_compiled_for(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[Z * I * J], b[Z * J * K], c[Z * I * K];
    api_fill(a, Z * I * J, 3);
    api_fill(b, Z * J * K, 5);
    einjit_graph *graph = api_graph(context, product);
    einjit_tensor in[] = {F32(a, 10, I, J), F32(b, 10, J, K)};
    einjit_kernel *kernel = compile_open(context, graph, "z", 2, in);
    const int sizes[] = {40, 1, 17, 0, 16, 3};
    for (int n = 0; n < 6; n++) {
        einjit_tensor now[] = {F32(a, sizes[n], I, J), F32(b, sizes[n], J, K)}, out = F32(c, sizes[n], I, K);
        memset(c, 0xFF, sizeof c);
        assert_ok(einjit_run(kernel, 2, now, 1, &out, &err));
        assert_product(a, b, c, sizes[n]);
        for (size_t rest = (size_t)sizes[n] * I * K; rest < Z * I * K; rest++) assert_true(c[rest] != c[rest]);
    }
    einjit_tensor torn[] = {F32(a, 5, I, J), F32(b, 6, J, K)}, out = F32(c, 5, I, K);
    assert_int_equal(einjit_run(kernel, 2, torn, 1, &out, &err), EINJIT_E_SHAPE);
    int dtype = -1, rank = -1;
    int64_t shape[3] = {0}, open = 23;
    assert_ok(einjit_kernel_output_shape(kernel, 0, &open, &dtype, &rank, shape, 3, &err));
    assert_int_equal(dtype, EINJIT_F32);
    assert_int_equal(rank, 3);
    assert_true(shape[0] == 23 && shape[1] == I && shape[2] == K);
    assert_int_equal(einjit_kernel_output_count(kernel), 1);
    assert_int_equal(einjit_kernel_output_shape(kernel, 1, &open, NULL, NULL, NULL, 0, &err), EINJIT_E_VALUE);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

/* z meets w under one label, so both are closed to what was seen; other values need other kernels. */
static void symbols_that_bind_closes_get_kernels_of_their_own(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[64], b[64], c[64];
    api_fill(a, 64, 3);
    api_fill(b, 64, 5);
    einjit_graph *graph = api_graph(context, "def forward(a: f32[z, i], b: f32[w, i]):\n"
                                             "    return einsum(\"zi,zi->z\", a, b)\n");
    for (int round = 0; round < 2; round++)
        for (int z = 2; z < 6; z++) {
            einjit_tensor in[] = {F32(a, z, 3), F32(b, z, 3)}, out = F32(c, z);
            einjit_kernel *kernel = compile_open(context, graph, "z,w", 2, in);
            assert_ok(einjit_run(kernel, 2, in, 1, &out, &err));
            for (int i = 0; i < z; i++)
                assert_true(c[i] == a[3 * i] * b[3 * i] + a[3 * i + 1] * b[3 * i + 1] + a[3 * i + 2] * b[3 * i + 2]);
            einjit_kernel_release(kernel);
        }
    assert_true(misses(context) <= 4);
    einjit_graph_destroy(graph);
}

static void a_failure_of_open_extents_does_not_stick(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[64] = {0}, b[64] = {0}, c[64];
    einjit_graph *graph = api_graph(context, "def forward(a: f32[z, i], b: f32[w, i]):\n"
                                             "    return einsum(\"zi,zi->z\", a, b)\n");
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "z,w"};
    einjit_kernel *kernel = NULL;
    einjit_tensor bad[] = {F32(a, 4, 3), F32(b, 5, 3)}, good[] = {F32(a, 5, 3), F32(b, 5, 3)}, out = F32(c, 5);
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, bad, 0, NULL, &options, &err), EINJIT_E_DIM);
    assert_ok(einjit_compile(&kernel, context, graph, 2, good, 0, NULL, &options, &err));
    assert_ok(einjit_run(kernel, 2, good, 1, &out, &err));
    einjit_kernel_release(kernel);
    options.open = "q";
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, good, 0, NULL, &options, &err), EINJIT_E_NAME);
    einjit_graph_destroy(graph);
}

static void inconsistent_extents_are_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[64] = {0}, b[64] = {0};
    einjit_graph *graph = api_graph(context, product);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "z"};
    einjit_kernel *kernel = NULL;
    einjit_tensor in[] = {F32(a, 2, I, J), F32(b, 3, J, K)};
    assert_int_not_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &options, &err), EINJIT_OK);
    assert_null(kernel);
    einjit_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_kernel_runs_again_and_again),
        cmocka_unit_test(kernels_outlive_cache_graph_and_context),
        ON_BOTH(tensors_that_do_not_fit_are_refused),
        ON_BOTH(two_outputs_must_not_share_memory),
        ON_BOTH(wrong_outputs_are_found_when_compiling),
        ON_BOTH(the_bare_entry_computes_the_same),
        ON_BOTH(one_kernel_serves_all_open_extents),
        cmocka_unit_test(extents_that_cannot_stay_open_are_named),
        ON_BOTH(labels_that_broadcast_are_closed_alone),
        ON_BOTH(an_open_kernel_runs_other_sizes_than_it_was_compiled_for),
        ON_BOTH(symbols_that_bind_closes_get_kernels_of_their_own),
        ON_BOTH(a_failure_of_open_extents_does_not_stick),
        ON_BOTH(inconsistent_extents_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
