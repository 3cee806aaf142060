/* test_pipeline_constants.c - inputs declared constant: folded, keyed by what they hold, still inputs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static const char *const program = "def forward(x: f32[z, i], w: f32[i, j], v: f32[j, k]):\n"
                                   "    wv = einsum(\"ij,jk->ik\", exp(w * 0.0) + w, v)\n"
                                   "    return einsum(\"zi,ik->zk\", x, wv)\n";

enum { Z = 3, I = 2, J = 4, K = 2 };

typedef struct fixture {
    einjit_context *context;
    einjit_graph *graph;
    float x[Z * I], w[I * J], v[J * K], out[Z * K], expected[Z * K];
    einjit_tensor in[3], result;
    einjit_error err;
} fixture;

static void open_fixture(fixture *f, const char *backend)
{
    memset(f, 0, sizeof *f);
    f->context = api_context(backend);
    f->graph = api_graph(f->context, program);
    for (int i = 0; i < Z * I; i++) f->x[i] = (float)(i - 2);
    for (int i = 0; i < I * J; i++) f->w[i] = (float)(i % 5);
    for (int i = 0; i < J * K; i++) f->v[i] = (float)(3 - i);
    static const int64_t x[] = {Z, I}, w[] = {I, J}, v[] = {J, K}, out[] = {Z, K};
    f->in[0] = (einjit_tensor){f->x, EINJIT_F32, 2, x, NULL};
    f->in[1] = (einjit_tensor){f->w, EINJIT_F32, 2, w, NULL};
    f->in[2] = (einjit_tensor){f->v, EINJIT_F32, 2, v, NULL};
    f->result = (einjit_tensor){f->out, EINJIT_F32, 2, out, NULL};
}

static void close_fixture(fixture *f)
{
    einjit_graph_destroy(f->graph);
    einjit_context_release(f->context);
}

static void compute_expected(fixture *f)
{
    memset(f->expected, 0, sizeof f->expected);
    for (int z = 0; z < Z; z++)
        for (int i = 0; i < I; i++)
            for (int j = 0; j < J; j++)
                for (int k = 0; k < K; k++)
                    f->expected[z * K + k] += f->x[z * I + i] * (1 + f->w[i * J + j]) * f->v[j * K + k];
}

static einjit_compile_options options_of(const char *constants)
{
    return (einjit_compile_options){.struct_bytes = sizeof(einjit_compile_options), .constants = constants};
}

static einjit_kernel *compile(fixture *f, const char *constants)
{
    einjit_compile_options options = options_of(constants);
    einjit_kernel *kernel = NULL;
    if (einjit_compile(&kernel, f->context, f->graph, 3, f->in, 0, NULL, &options, &f->err))
        fail_msg("%s", f->err.text);
    return kernel;
}

static void run_and_check(fixture *f, const einjit_kernel *kernel)
{
    memset(f->out, -1, sizeof f->out);
    compute_expected(f);
    if (einjit_run(kernel, 3, f->in, 1, &f->result, &f->err)) fail_msg("%s", f->err.text);
    assert_memory_equal(f->out, f->expected, sizeof f->out); /* small integers: exact */
}

static uint64_t steps(fixture *f, const char *constants)
{
    einjit_compile_options options = options_of(constants);
    einjit_cost cost = {.struct_bytes = sizeof cost};
    if (einjit_plan_cost(&cost, f->context, f->graph, 3, f->in, &options, &f->err)) fail_msg("%s", f->err.text);
    return cost.steps;
}

static void results_are_the_same_and_steps_are_fewer(void **state)
{
    (void)state;
    for (int llvm = 0; llvm <= api_has_llvm(); llvm++) {
        fixture f;
        open_fixture(&f, llvm ? "llvm" : "interp");
        einjit_kernel *plain = compile(&f, NULL), *folded = compile(&f, "w,v");
        assert_ptr_not_equal(plain, folded);
        run_and_check(&f, plain);
        run_and_check(&f, folded);
        assert_true(steps(&f, "w,v") < steps(&f, "w") && steps(&f, "w") < steps(&f, NULL));
        assert_int_equal(steps(&f, "w,v"), 1);
        einjit_kernel_release(plain);
        einjit_kernel_release(folded);
        close_fixture(&f);
    }
}

static void other_contents_are_another_kernel(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "interp");
    einjit_kernel *first = compile(&f, "w,v"), *same = compile(&f, "w, v");
    assert_ptr_equal(first, same);
    f.x[0] = 100; /* is no constant */
    einjit_kernel *again = compile(&f, "w,v");
    assert_ptr_equal(first, again);
    f.w[5] = 9;
    einjit_kernel *other = compile(&f, "w,v"), *part = compile(&f, "v");
    assert_ptr_not_equal(first, other);
    assert_ptr_not_equal(part, other);
    run_and_check(&f, other);
    run_and_check(&f, part);
    einjit_kernel *kernels[] = {first, same, again, other, part};
    for (int i = 0; i < 5; i++) einjit_kernel_release(kernels[i]);
    close_fixture(&f);
}

static void contents_count_and_not_where_they_lie(void **state)
{
    (void)state;
    fixture f;
    float turned[I * J];
    const int64_t strides[] = {1, I}, backwards[] = {-K, -1};
    open_fixture(&f, "interp");
    for (int i = 0; i < I; i++)
        for (int j = 0; j < J; j++) turned[j * I + i] = f.w[i * J + j];
    f.in[1].data = turned;
    f.in[1].strides = strides;
    einjit_kernel *kernel = compile(&f, "w,v");
    run_and_check(&f, kernel);
    einjit_kernel_release(kernel);
    float reversed[J * K];
    for (int i = 0; i < J * K; i++) reversed[i] = f.v[J * K - 1 - i];
    f.in[2].data = reversed + J * K - 1;
    f.in[2].strides = backwards;
    kernel = compile(&f, "v,w");
    run_and_check(&f, kernel);
    einjit_kernel_release(kernel);
    close_fixture(&f);
}

static void what_cannot_be_read_is_named(void **state)
{
    (void)state;
    fixture f;
    einjit_kernel *kernel = NULL;
    open_fixture(&f, "interp");
    einjit_compile_options options = options_of("w,q");
    assert_int_equal(einjit_compile(&kernel, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err), EINJIT_E_NAME);
    assert_string_equal(f.err.text, "no input of the graph is called 'q'");
    options.constants = "wv"; /* a value, but no input */
    assert_int_equal(einjit_compile(&kernel, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err), EINJIT_E_NAME);
    options.constants = "x,v";
    f.in[2].data = NULL;
    assert_int_equal(einjit_compile(&kernel, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err), EINJIT_E_INVALID);
    assert_non_null(strstr(f.err.text, "input 'v' is declared constant, but has no data"));
    assert_null(kernel);
    options.constants = "x"; /* v is not read */
    assert_int_equal(einjit_compile(&kernel, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err), EINJIT_OK);
    einjit_kernel_release(kernel);
    close_fixture(&f);
}

static void callers_of_an_older_header_have_none(void **state)
{
    (void)state;
    fixture f;
    einjit_kernel *old = NULL, *plain;
    open_fixture(&f, "interp");
    einjit_compile_options options = options_of("w,v");
    options.struct_bytes = offsetof(einjit_compile_options, constants);
    assert_int_equal(einjit_compile(&old, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err), EINJIT_OK);
    plain = compile(&f, NULL);
    assert_ptr_equal(old, plain);
    einjit_kernel_release(old);
    einjit_kernel_release(plain);
    close_fixture(&f);
}

static char *optimized(fixture *f, const char *constants)
{
    einjit_compile_options options = options_of(constants);
    size_t needed;
    assert_int_equal(einjit_explain(f->context, f->graph, 3, f->in, &options, "opt", NULL, 0, &needed, &f->err),
                     EINJIT_OK);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_explain(f->context, f->graph, 3, f->in, &options, "opt", text, needed + 1, NULL, &f->err),
                     EINJIT_OK);
    return text;
}

/* A constant that nothing could be made of is the parameter again when it is large, and part of the code when it is
 * small. */
static void large_constants_stay_parameters(void **state)
{
    (void)state;
    enum { N = 64 };
    fixture f;
    open_fixture(&f, "interp");
    float *w = calloc(N * N, sizeof *w), x[N], out[N];
    assert_non_null(w);
    for (int i = 0; i < N; i++) x[i] = (float)i, w[i * N + i] = 2;
    einjit_graph_destroy(f.graph);
    f.graph = api_graph(f.context, "def forward(x: f32[i], w: f32[i, j], b: f32[2]):\n    return relu(x @ w) + b[0]\n");
    f.in[0] = F32(x, N);
    f.in[1] = F32(w, N, N);
    f.in[2] = F32(f.v, 2);
    f.result = F32(out, N);
    char *text = optimized(&f, "w,b");
    assert_non_null(strstr(text, "x @ w"));
    assert_non_null(strstr(text, "tensor(3.0, dtype=f32)"));
    free(text);
    einjit_kernel *kernel = compile(&f, "w,b");
    assert_int_equal(einjit_run(kernel, 3, f.in, 1, &f.result, &f.err), EINJIT_OK);
    for (int i = 0; i < N; i++) assert_true(out[i] == 2 * (float)i + 3);
    einjit_kernel_release(kernel);
    free(w);
    close_fixture(&f);
}

static void open_extents_of_constants_are_closed(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "interp");
    einjit_compile_options options = options_of("w,v");
    options.open = "z,i";
    einjit_kernel *kernel = NULL;
    if (einjit_compile(&kernel, f.context, f.graph, 3, f.in, 0, NULL, &options, &f.err)) fail_msg("%s", f.err.text);
    run_and_check(&f, kernel);
    f.in[0] = F32(f.x, 2, I); /* z is open */
    f.result = F32(f.out, 2, K);
    if (einjit_run(kernel, 3, f.in, 1, &f.result, &f.err)) fail_msg("%s", f.err.text);
    assert_memory_equal(f.out, f.expected, 2 * K * sizeof *f.out);
    einjit_kernel_release(kernel);
    close_fixture(&f);
}

static void the_key_says_which_and_what(void **state)
{
    (void)state;
    fixture f;
    char text[2][2000];
    open_fixture(&f, "interp");
    for (int i = 0; i < 2; i++) {
        einjit_compile_options options = options_of("w");
        assert_int_equal(
            einjit_explain(f.context, f.graph, 3, f.in, &options, "key", text[i], sizeof text[i], NULL, &f.err),
            EINJIT_OK);
        f.w[0] += 1;
    }
    assert_non_null(strstr(text[0], "constants: w "));
    assert_string_not_equal(text[0], text[1]);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_the_same_and_steps_are_fewer), cmocka_unit_test(other_contents_are_another_kernel),
        cmocka_unit_test(contents_count_and_not_where_they_lie),    cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(callers_of_an_older_header_have_none),     cmocka_unit_test(large_constants_stay_parameters),
        cmocka_unit_test(open_extents_of_constants_are_closed),     cmocka_unit_test(the_key_says_which_and_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
