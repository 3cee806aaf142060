/* test_in_place.c - outputs that are one of the inputs: computed where each element is read before it is written, else
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

enum { N = 157, M = 203, MOST = 511 * 511 };

typedef struct place {
    const char *text;
    bool allowed;
} place;

/* Two inputs of n x m, the first of which is the result; the same apart says what is right. */
static void check(einjit_context *context, const place *c, int64_t n, int64_t m)
{
    static float x[MOST], y[MOST], apart[MOST];
    einjit_graph *graph = api_graph(context, c->text);
    api_fill(x, MOST, 3);
    api_fill(y, MOST, 5);
    einjit_tensor in[] = {F32(x, n, m), F32(y, n, m)}, out = F32(apart, n, m);
    if (einjit_call(context, graph, 2, in, 1, &out, &err))
        fail_msg("%s%s: %s", c->text, einjit_status_name(err.code), err.text);
    out.data = x;
    int status = einjit_call(context, graph, 2, in, 1, &out, &err);
    if (status != (c->allowed ? EINJIT_OK : EINJIT_E_OVERLAP)) fail_msg("%s%s", c->text, einjit_status_name(status));
    if (!c->allowed) assert_string_equal(err.text, "output 0 overlaps input 0 ('x')");
    if (c->allowed && memcmp(x, apart, (size_t)(n * m) * sizeof *x)) fail_msg("%sanother result in place", c->text);
    einjit_graph_destroy(graph);
}

static void each_element_is_read_before_it_is_written(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const place cases[] = {
        {"def f(x, y):\n    return relu(x) * 2.0\n", true},
        {"def f(x, y):\n    return x * x + y\n", true},
        {"def f(x, y):\n    return einsum('ij->ij', x)\n", true},
        {"def f(x, y):\n    return x - sum(x)\n", true}, /* read twice, the second time in its place */
        {"def f(x, y):\n    return x * sum(x, dim=1, keepdim=True) + y\n", true},
        {"def f(x, y):\n    return where(x > y, x, y)\n", true},
        {"def f(x, y):\n    return softmax(x, dim=1) * y\n", true}, /* some rows at a time */
        {"def f(x, y):\n    return y * sum(x)\n", true},            /* all of it is read before */
        {"def f(x, y):\n    return y * x[0:1]\n", false},
        {"def f(x, y):\n    return y + x[:, 0:1]\n", false},
        {"def f(x, y):\n    return cat([x[1:], y[0:1]], dim=0)\n", false},
        {"def f(x, y):\n    return cat([x[0:1] * 2.0, x[1:] * 3.0], dim=0)\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(context, &cases[i], N, M);
}

static void constants_are_not_written_over(void **state)
{
    CONTEXT_OR_SKIP(context);
    float x[] = {1, 2, 3}, y[] = {4, 5, 6};
    einjit_graph *graph = api_graph(context, "def f(x, y):\n    return x * 2.0 + y\n");
    const einjit_compile_options constant = {.struct_bytes = sizeof constant, .constants = "y"};
    einjit_tensor in[] = {F32(x, 3), F32(y, 3)}, out = F32(y, 3);
    assert_int_equal(einjit_call_with(context, graph, 2, in, 1, &out, &constant, &err), EINJIT_E_OVERLAP);
    assert_string_equal(err.text, "output 0 overlaps input 1 ('y'), which is constant");
    out.data = x;
    assert_int_equal(einjit_call_with(context, graph, 2, in, 1, &out, &constant, &err), EINJIT_OK);
    assert_true(x[0] == 6 && x[2] == 12 && y[0] == 4);
    out.data = y;
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_OK); /* not constant to this one */
    einjit_graph_destroy(graph);
}

/* Loops around others end with a chunk that begins earlier where that computes little twice: not where it is read in
 * place. */
static void no_chunk_is_computed_twice(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[67 * 60 * 61], y[60 * 61], apart[67 * 60 * 61];
    einjit_graph *graph = api_graph(context, "def f(x, y):\n    return 2.0 * x + y\n");
    for (int64_t n = 61; n <= 67; n++) {
        api_fill(x, sizeof x / sizeof *x, 3);
        api_fill(y, sizeof y / sizeof *y, 5);
        einjit_tensor in[] = {F32(x, n, 60, 61), F32(y, 1, 60, 61)}, out = F32(apart, n, 60, 61);
        assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_OK);
        out.data = x;
        assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_OK);
        assert_memory_equal(x, apart, (size_t)n * 60 * 61 * sizeof *x);
    }
    einjit_graph_destroy(graph);
}

static void squares_may_be_turned(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const place cases[] = {
        {"def f(x, y):\n    return permute(x, 1, 0)\n", false},
        {"def f(x, y):\n    return x + permute(x, 1, 0)\n", false},
        {"def f(x, y):\n    return x + permute(y, 1, 0)\n", true}, /* in blocks, of which the last ones are shorter */
        {"def f(x, y):\n    return 2.0 * x - permute(y, 1, 0)\n", true},
    };
    static const int64_t sizes[] = {16, 97, 509, 511};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) check(context, &cases[i], sizes[k], sizes[k]);
}

static void products_are_apart(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const place cases[] = {
        {"def f(x, y):\n    return x @ y\n", false},
        {"def f(x, y):\n    return x + x @ y\n", false},
        {"def f(x, y):\n    return y @ relu(y) + x\n", true}, /* by the first part of the sum */
        {"def f(x, y):\n    return relu(x @ y) @ y\n", true}, /* x is not looked at any more */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(context, &cases[i], 41, 41);
}

static void the_tensors_must_be_the_same(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[64];
    einjit_graph *graph = api_graph(context, "def f(x):\n    return x + 1.0\n");
    int64_t shape[] = {4, 4}, rows[] = {4, 1}, columns[] = {1, 4}, one[] = {1, 4}, far[] = {9, 1};
    einjit_tensor in = STRIDED(x, EINJIT_F32, shape, rows), out = in;
    api_fill(x, 64, 3);
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &out, &err), EINJIT_OK);
    out.strides = NULL;
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &out, &err), EINJIT_OK);
    out.strides = columns;
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &out, &err), EINJIT_E_OVERLAP);
    out = in;
    out.data = x + 1;
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &out, &err), EINJIT_E_OVERLAP);
    in = STRIDED(x, EINJIT_F32, one, far);
    out = STRIDED(x, EINJIT_F32, one, rows); /* a stride that nothing is counted by */
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &out, &err), EINJIT_OK);
    einjit_graph_destroy(graph);
}

/* The result is 0.0 before the first message is added: what messages are made of must be elsewhere, unless they are all
 * there before. */
static void messages_are_added_up_elsewhere(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const struct {
        const char *text;
        bool allowed;
    } cases[] = {
        {"def f(x, s, d, w):\n    return index_add(6, 0, d, einsum('ej,eij->ei', x[s], w))\n", false},
        {"def f(x, s, d, w):\n    return index_add(6, 0, d, amax(x[s][:, None] * w, 2))\n", true},
    };
    float x[6 * 4], w[10 * 4 * 4], apart[6 * 4];
    int64_t from[10], to[10], nodes[] = {6, 4}, edges = 10, weights[] = {10, 4, 4};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        einjit_graph *graph = api_graph(context, cases[i].text);
        api_fill(x, 6 * 4, 3);
        api_fill(w, 10 * 4 * 4, 5);
        for (int e = 0; e < 10; e++) {
            from[e] = e % 6;
            to[e] = e * e % 6;
        }
        einjit_tensor in[] = {{x, EINJIT_F32, 2, nodes, NULL},
                              {from, EINJIT_I64, 1, &edges, NULL},
                              {to, EINJIT_I64, 1, &edges, NULL},
                              {w, EINJIT_F32, 3, weights, NULL}};
        einjit_tensor out = {apart, EINJIT_F32, 2, nodes, NULL};
        assert_int_equal(einjit_call(context, graph, 4, in, 1, &out, &err), EINJIT_OK);
        out.data = x;
        assert_int_equal(einjit_call(context, graph, 4, in, 1, &out, &err),
                         cases[i].allowed ? EINJIT_OK : EINJIT_E_OVERLAP);
        if (cases[i].allowed) assert_memory_equal(x, apart, sizeof x);
        einjit_graph_destroy(graph);
    }
}

/* One of two results is written while the other is still to be computed. */
static void results_after_the_first_read_what_it_left(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[8], y[8];
    einjit_graph *graph = api_graph(context, "def f(x):\n    return x + 1.0, x * 2.0\n");
    einjit_tensor in = F32(x, 8), out[] = {F32(x, 8), F32(y, 8)};
    api_fill(x, 8, 3);
    assert_int_equal(einjit_call(context, graph, 1, &in, 2, out, &err), EINJIT_E_OVERLAP);
    out[0].data = y;
    out[1].data = x;
    assert_int_equal(einjit_call(context, graph, 1, &in, 2, out, &err), EINJIT_OK);
    for (int i = 0; i < 8; i++) assert_true(2 * (y[i] - 1) == x[i]);
    einjit_graph_destroy(graph);
}

static void open_extents_are_written_in_place(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float x[40 * 9], apart[40 * 9];
    einjit_graph *graph = api_graph(context, "def f(x: f32[n, 9]):\n    return exp(x) + 0.5 * x\n");
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = "n"};
    for (int64_t n = 1; n <= 40; n += 13) {
        einjit_tensor in = F32(x, n, 9), out = F32(apart, n, 9);
        api_fill(x, sizeof x / sizeof *x, 3);
        assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &out, &options, &err), EINJIT_OK);
        assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &in, &options, &err), EINJIT_OK);
        assert_memory_equal(x, apart, (size_t)n * 9 * sizeof *x);
    }
    einjit_graph_destroy(graph);
}

/* Small tensors in lanes: along the rows there would be two chunks, of which the second one reads a row that the first
 * one has written. */
static void a_row_is_read_before_any_of_it_is_written(void **state)
{
    (void)state;
    enum { Z = 40000, L = 8, K = 5 };
    static const char *const backends[] = {"interp", "llvm"};
    double *x = calloc(Z * L, sizeof *x), *y = calloc(Z * K * L, sizeof *y), *apart = calloc(Z * L, sizeof *apart);
    double w[L * L];
    assert_true(x && y && apart);
    for (int i = 0; i < L * L; i++) w[i] = i % 5 - 2;
    for (size_t i = 0; i < Z * K * L; i++) y[i] = (double)(i % 11) - 5;
    for (size_t b = api_has_llvm() ? 0 : 1; b < 2; b++) {
        const einjit_options options = {
            .struct_bytes = sizeof options, .backend = backends[api_has_llvm() ? b : 0], .target = "sse2"};
        einjit_context *context;
        if (einjit_context_create(&context, &options, &err)) continue; /* another architecture */
        einjit_graph *graph = api_graph(context, "def f(x: f64[z,m], w: f64[m,l], y: f64[z,k,l]):\n"
                                                 "    t = x @ w\n"
                                                 "    return maximum(t.unsqueeze(1), y).sum(dim=1)\n");
        einjit_tensor in[] = {TENSOR(x, EINJIT_F64, Z, L), TENSOR(w, EINJIT_F64, L, L), TENSOR(y, EINJIT_F64, Z, K, L)};
        einjit_tensor out = TENSOR(apart, EINJIT_F64, Z, L);
        for (size_t i = 0; i < Z * L; i++) x[i] = (double)(i % 7) - 3;
        assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_OK);
        out.data = x;
        assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_OK);
        assert_memory_equal(x, apart, Z * L * sizeof *x);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
    free(x);
    free(y);
    free(apart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(each_element_is_read_before_it_is_written),
        ON_BOTH(no_chunk_is_computed_twice),
        ON_BOTH(constants_are_not_written_over),
        ON_BOTH(squares_may_be_turned),
        ON_BOTH(products_are_apart),
        ON_BOTH(the_tensors_must_be_the_same),
        ON_BOTH(messages_are_added_up_elsewhere),
        ON_BOTH(results_after_the_first_read_what_it_left),
        ON_BOTH(open_extents_are_written_in_place),
        cmocka_unit_test(a_row_is_read_before_any_of_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
