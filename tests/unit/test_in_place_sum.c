/* test_in_place_sum.c - sums that are added to an input whose memory the result takes: alpha * einsum + beta * c with
 * out = c, in one piece, in blocks of the sum, by several threads; and what cannot be done so, which is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

typedef struct way { /* of running: a context a row */
    const char *backend, *target;
    int32_t threads;
} way;
static const way ways[] = {{"interp", NULL, 1}, {"llvm", NULL, 1}, {"llvm", NULL, 5}, {"llvm", "avx2", 1}};

static einjit_context *open_way(const way *w)
{
    const einjit_options options = {
        .struct_bytes = sizeof options, .backend = w->backend, .target = w->target, .threads = w->threads};
    einjit_context *context;
    if (!strcmp(w->backend, "llvm") && !api_has_llvm()) return NULL;
    return einjit_context_create(&context, &options, &err) ? NULL : context; /* another architecture */
}

/* ---- programs over c[m, n], a[m, k], b[k, n], and two numbers ---- */

typedef struct place {
    const char *result;
    bool allowed; /* out may be c */
} place;
static const place places[] = {
    {"addmm(c, a, b)", true},
    {"addmm(c, a, b, beta=2.0, alpha=0.5)", true},
    {"0.5 * einsum('ik,kj->ij', a, b) + 2.0 * c", true},
    {"alpha * (a @ b) + beta * c", true},
    {"beta * c - alpha * (a @ b)", true},
    {"c - a @ b", true},
    {"a @ b - c", true},
    {"relu(a @ b + c)", true},
    {"(2.0 * (a @ b) + c) * 0.5 + 1.0", true},
    {"-(c + a @ b)", true},
    {"(a @ b + c) * alpha", true},
    {"a @ b + c + relu(c)", true},             /* twice, both times as a summand */
    {"sum(a, dim=1, keepdim=True) + c", true}, /* a sum, and a map behind */
    {"c + a @ b + (2.0 * a) @ b", true},       /* two products */
    {"a @ b + sum(c)", true},                  /* all of it is read before */
    {"(a @ b) * c", false},                    /* every part of the sum would need it */
    {"c * (a @ b) + c", false},
    {"relu(a @ b) + c", false}, /* the sum has to be there before */
    {"maximum(a @ b, c)", false},
    {"(a @ b + c) * relu(c)", false},
    {"a @ b + c[:, 0:1]", false},
};
static const int64_t sizes[][3] = {{5, 7, 3}, {33, 17, 40}, {64, 64, 2}, {37, 64, 2500}};

static void fill(void *x, int dtype, size_t n, int step)
{
    for (size_t i = 0; i < n; i++) {
        int v = (int)(i * (size_t)step) % 7 - 3;
        if (dtype == EINJIT_F32) ((float *)x)[i] = (float)v;
        else if (dtype == EINJIT_F64) ((double *)x)[i] = v;
        else if (dtype == EINJIT_I32) ((int32_t *)x)[i] = v;
        else if (dtype == EINJIT_C64) ((float *)x)[2 * i] = (float)v, ((float *)x)[2 * i + 1] = (float)(v * v % 3 - 1);
    }
}

/* The first input of a kernel is its result, once apart, and once in place: the same bits, or refused. */
static void check(einjit_kernel *kernel, size_t n, const einjit_tensor *in, einjit_tensor out, const place *p)
{
    size_t bytes = einjit_dtype_bytes(out.dtype);
    for (int a = 0; a < out.rank; a++) bytes *= (size_t)out.shape[a];
    const void *c = in[0].data;
    void *apart = malloc(bytes);
    assert_non_null(apart);
    out.data = apart;
    assert_int_equal(einjit_run(kernel, n, in, 1, &out, &err), EINJIT_OK);
    out.data = c;
    int status = einjit_run(kernel, n, in, 1, &out, &err);
    if (status != (p->allowed ? EINJIT_OK : EINJIT_E_OVERLAP))
        fail_msg("%s: %s", p->result, einjit_status_name(status));
    if (!p->allowed) assert_string_equal(err.text, "output 0 overlaps input 0 ('c')");
    if (p->allowed && memcmp(apart, c, bytes)) fail_msg("%s: another result in place", p->result);
    free(apart);
}

static void check_size(einjit_context *context, const place *p, const int64_t *size, int32_t flags)
{
    enum { MOST = 64 * 2500 };
    static float a[MOST], b[MOST], c[MOST];
    float alpha = 0.5F, beta = -2;
    char text[200];
    einjit_kernel *kernel;
    int64_t m = size[0], n = size[1], k = size[2];
    const einjit_compile_options options = {.struct_bytes = sizeof options, .flags = flags};
    snprintf(text, sizeof text, "def f(c, a, b, alpha, beta):\n    return %s\n", p->result);
    einjit_graph *graph = api_graph(context, text);
    fill(a, EINJIT_F32, (size_t)(m * k), 3);
    fill(b, EINJIT_F32, (size_t)(k * n), 5);
    fill(c, EINJIT_F32, (size_t)(m * n), 4);
    einjit_tensor in[] = {F32(c, m, n), F32(a, m, k), F32(b, k, n), SCALAR(&alpha, EINJIT_F32),
                          SCALAR(&beta, EINJIT_F32)};
    if (einjit_compile(&kernel, context, graph, 5, in, 0, NULL, &options, &err)) fail_msg("%s%s", text, err.text);
    check(kernel, 5, in, F32(NULL, m, n), p);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

static void what_is_added_may_be_the_result(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        einjit_context *context = open_way(&ways[w]);
        for (size_t i = 0; context && i < sizeof places / sizeof *places; i++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                if (w || sizes[s][2] < 2500 || i < 3) check_size(context, &places[i], sizes[s], 0);
        einjit_context_release(context);
    }
}

/* Whether it may is said by the program, not by the sizes that it meets; programs whose sums keep their order may
 * not. */
static void sums_of_a_promised_order_are_apart(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const place refused = {"a @ b + c", false}, map = {"relu(c) + 1.0", true};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes - 1; s++) {
        check_size(context, &refused, sizes[s], EINJIT_OPTION_STRICT);
        check_size(context, &map, sizes[s], EINJIT_OPTION_STRICT);
    }
}

/* ---- other shapes ---- */

static const struct shaped {
    const char *text;
    int32_t dtype;
    int32_t rank[3];
    int64_t shape[3][4];
} shaped[] = {
    {"einsum('i,ij->j', a, b) + c", EINJIT_F32, {1, 1, 2}, {{300}, {500}, {500, 300}}},
    {"0.5 * einsum('i,ij->j', a, b) - c", EINJIT_F32, {1, 1, 2}, {{300}, {500}, {500, 300}}},
    {"einsum('ij,j->i', b, a) + 2.0 * c", EINJIT_F64, {1, 1, 2}, {{300}, {500}, {300, 500}}},
    {"baddbmm(c, a, b, alpha=2)", EINJIT_F32, {3, 3, 3}, {{9, 6, 5}, {9, 6, 7}, {9, 7, 5}}},
    {"c + einsum('dac,bcd->ba', a, b)", EINJIT_F32, {2, 3, 3}, {{24, 32}, {16, 32, 20}, {24, 20, 16}}},
    {"3 * c - a @ b", EINJIT_I32, {2, 2, 2}, {{40, 50}, {40, 60}, {60, 50}}},
    {"c - 2j * (a @ b)", EINJIT_C64, {2, 2, 2}, {{17, 19}, {17, 30}, {30, 19}}},
    {"c + einsum('i,i->', a, b)", EINJIT_F32, {0, 1, 1}, {{0}, {200000}, {200000}}}, /* chunks of a long sum */
    {"2.0 * c + sum(a * a) + sum(b)", EINJIT_F64, {0, 1, 2}, {{0}, {1000}, {10, 10}}},
    {"c + einsum('i,j->ij', a, b)", EINJIT_F32, {2, 1, 1}, {{65, 31}, {65}, {31}}},
    {"c + amax(a, dim=1)", EINJIT_F32, {1, 2, 1}, {{40}, {40, 9}, {1}}},
};

static void every_kind_of_sum(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        einjit_context *context = open_way(&ways[w]);
        for (size_t i = 0; context && i < sizeof shaped / sizeof *shaped; i++) {
            const struct shaped *c = &shaped[i];
            char text[200];
            einjit_kernel *kernel;
            einjit_tensor in[3];
            void *memory[3];
            for (int t = 0; t < 3; t++) {
                size_t n = 1;
                for (int r = 0; r < c->rank[t]; r++) n *= (size_t)c->shape[t][r];
                memory[t] = malloc(n * einjit_dtype_bytes(c->dtype));
                in[t] = (einjit_tensor){memory[t], c->dtype, c->rank[t], c->shape[t], NULL};
                assert_non_null(memory[t]);
                fill(memory[t], c->dtype, n, 3 + t);
            }
            snprintf(text, sizeof text, "def f(c, a, b):\n    return %s\n", c->text);
            einjit_graph *graph = api_graph(context, text);
            if (einjit_compile(&kernel, context, graph, 3, in, 0, NULL, NULL, &err)) fail_msg("%s%s", text, err.text);
            /* maxima are no sums: what is added to them is a step of its own, or refused */
            const place p = {c->text, !strstr(c->text, "amax")};
            check(kernel, 3, in, in[0], &p);
            einjit_kernel_release(kernel);
            einjit_graph_destroy(graph);
            for (int t = 0; t < 3; t++) free(memory[t]);
        }
        einjit_context_release(context);
    }
}

/* A rank of 0: the factor of the sum is read again for every part of it. */
static void factors_are_not_written_over(void **state)
{
    CONTEXT_OR_SKIP(context);
    float x[] = {1, 2, 3}, alpha = 2, c = 5, apart;
    einjit_graph *graph = api_graph(context, "def f(c, x, alpha):\n    return alpha * einsum('i,i->', x, x) + c\n");
    einjit_tensor in[] = {SCALAR(&c, EINJIT_F32), F32(x, 3), SCALAR(&alpha, EINJIT_F32)}, out = in[2];
    assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_E_OVERLAP);
    assert_string_equal(err.text, "output 0 overlaps input 2 ('alpha')");
    out.data = &apart;
    assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_OK);
    out.data = &c;
    assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_OK);
    assert_true(c == 33 && apart == 33);
    einjit_graph_destroy(graph);
}

static void open_extents_and_strides(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { K = 40, W = 48 };
    static float x[600 * W], a[600 * K], w[K * W], apart[600 * W];
    einjit_graph *graph = api_graph(context, "def f(x: f32[n, 48], a: f32[n, 40], w: f32[40, 48]):\n"
                                             "    return 2.0 * x + a @ w\n");
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = "n"};
    int64_t columns[2] = {1, 0};
    fill(a, EINJIT_F32, 600 * K, 3);
    fill(w, EINJIT_F32, K * W, 5);
    for (int64_t n = 1; n <= 600; n += 37)
        for (int turned = 0; turned < 2; turned++) {
            einjit_tensor in[] = {F32(x, n, W), F32(a, n, K), F32(w, K, W)}, out = F32(apart, n, W);
            columns[1] = n;
            if (turned) in[0].strides = out.strides = columns;
            fill(x, EINJIT_F32, (size_t)n * W, 4);
            assert_int_equal(einjit_call_with(context, graph, 3, in, 1, &out, turned ? NULL : &options, &err),
                             EINJIT_OK);
            assert_int_equal(einjit_call_with(context, graph, 3, in, 1, in, turned ? NULL : &options, &err), EINJIT_OK);
            assert_memory_equal(x, apart, (size_t)n * W * sizeof *x);
            out.data = x + 1;
            assert_int_equal(einjit_call_with(context, graph, 3, in, 1, &out, turned ? NULL : &options, &err),
                             EINJIT_E_OVERLAP);
            if (turned && n > 200) break;
        }
    einjit_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_may_be_the_result),
        ON_BOTH(sums_of_a_promised_order_are_apart),
        cmocka_unit_test(every_kind_of_sum),
        ON_BOTH(factors_are_not_written_over),
        ON_BOTH(open_extents_and_strides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
