/* oom_scenarios.c - some calls each, then everything they made is given back. They return the first status that is not
 * OK, and then have checked that the call left its results alone. */
#include "oom_scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)(i * 5 % 7) - 3);
}

static const char mlp[] = "def forward(x: f32[b, i], w: f32[i, o], bias: f32[o]):\n"
                          "    y = relu(x @ w + bias)\n"
                          "    z = softmax(y, 1) * 2.0\n"
                          "    c = tensor([[1.0, 0.0], [0.5, 1.0]])\n"
                          "    return z, cat([y, z], 0)[:, 1:], einsum(\"ij,jj->i\", y[:, :2], c)\n";

static int parse_print_free(scene *s)
{
    einjit_graph *graph = UNTOUCHED(einjit_graph);
    char text[2000] = "as it was";
    size_t needed = 12345;
    int status = einjit_graph_parse(&graph, s->context, mlp, SIZE_MAX, s->err);
    if (status) {
        assert_ptr_equal(graph, UNTOUCHED(einjit_graph));
        return status;
    }
    status = einjit_graph_verify(graph, s->err);
    if (!status && (status = einjit_graph_print(graph, text, sizeof text, &needed, s->err))) {
        assert_string_equal(text, "as it was");
        assert_int_equal(needed, 12345);
    }
    einjit_graph *again = NULL;
    if (!status) status = einjit_graph_parse(&again, s->context, text, needed, s->err);
    if (!status) status = einjit_graph_freeze(again, s->err);
    einjit_graph_destroy(again);
    einjit_graph_destroy(graph);
    return status;
}

static int optimize_graph(scene *s)
{
    einjit_graph *graph = NULL;
    TRY(einjit_graph_parse(&graph, s->context,
                           "def forward(a: f32[i, j], b: f32[j, k], c: f32[k, l]):\n"
                           "    unused = a + a\n"
                           "    x = einsum(\"ij,jk->ik\", a, b)\n"
                           "    y = einsum(\"ij,jk->ik\", a, b)\n"
                           "    return einsum(\"ik,kl->il\", einsum(\"ik,kk->ik\", x, b @ c), c) + 1.0, y\n",
                           SIZE_MAX, s->err));
    int status = einjit_optimize(graph, NULL, s->err);
    einjit_graph_destroy(graph);
    return status;
}

static int collect_scalars(scene *s)
{
    einjit_graph *graph = NULL;
    TRY(einjit_graph_parse(&graph, s->context,
                           "def forward(a: f32[i, j], b: f32[j, k], s: f32[()], t: f64[()]):\n"
                           "    x = einsum(\",ij,jk->ik\", s, 2.0 * a, -b)\n"
                           "    y = abs(x / 3.0) + abs(x / 3.0)\n"
                           "    return (y.to(f64) / t) * s, maximum(-a, -a), 1.0 / (2.0 * b)\n",
                           SIZE_MAX, s->err));
    int status = einjit_optimize(graph, "scalar", s->err);
    einjit_graph_destroy(graph);
    return status;
}

static int report_passes(scene *s)
{
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 3, 2)};
    einjit_graph *graph = NULL;
    einjit_report *report = UNTOUCHED(einjit_report);
    char text[2000] = "as it was";
    TRY(einjit_graph_parse(&graph, s->context,
                           "def forward(a: f32[i, j], b: f32[j, i]):\n    unused = a + a\n"
                           "    return einsum(\"ij,jk->ik\", einsum(\"ij,jk->ik\", a, b), a) + a\n",
                           SIZE_MAX, s->err));
    int status = einjit_optimize_report(&report, graph, NULL, 2, in, EINJIT_REPORT_PROGRAMS, s->err);
    if (status) {
        assert_ptr_equal(report, UNTOUCHED(einjit_report));
        assert_int_equal(einjit_graph_verify(graph, NULL) == EINJIT_E_INTERNAL, false); /* whole, or no memory */
    } else {
        status = einjit_report_print(report, 0, text, sizeof text, NULL, s->err);
        if (status) assert_string_equal(text, "as it was");
        einjit_report_destroy(report);
    }
    einjit_graph_destroy(graph);
    return status;
}

/* Every kind of change by the passes that rewrite spellings, compare einsums and compute constants. */
static int optimize_constants(scene *s)
{
    einjit_graph *graph = NULL;
    char text[2000];
    TRY(einjit_graph_parse(
        &graph, s->context,
        "def forward(x: f32[i, j], y: f32[j, 2]):\n"
        "    c = structural(tensor([[1.0, 0.0], [0.0, 2.0]], dtype=f32))\n"
        "    d = permute(c, (1, 0)) * 2.0\n"
        "    a = einsum(\"ij,jk,kl,lm,,->im\", x, y, c, exp(d), 2, 0.5)\n"
        "    p = einsum(\"ij,jk->ik\", x, y) + permute(einsum(\"jk,ij->ki\", y, x), (1, 0))\n"
        "    t = transpose(transpose(x, 0, 1) * 1.0, 0, 1)\n"
        "    return a, p - (-a), reshape(reshape(t, (-1,)), (i, j)).expand((3, i, j)).expand((2, -1, -1, -1))\n",
        SIZE_MAX, s->err));
    int status = einjit_optimize(graph, NULL, s->err);
    if (!status) status = einjit_graph_print(graph, text, sizeof text, NULL, s->err);
    if (!status) assert_null(strstr(text, "exp("));
    if (!status) assert_null(strstr(text, "transpose"));
    einjit_graph_destroy(graph);
    return status;
}

static int from_equation(scene *s)
{
    einjit_graph *graph = UNTOUCHED(einjit_graph);
    int status = einjit_graph_from_equation(&graph, s->context, "...ij,\xce\xb1jk->...i\xce\xb1k", s->err);
    if (status) {
        assert_ptr_equal(graph, UNTOUCHED(einjit_graph));
        return status;
    }
    einjit_graph_destroy(graph);
    return EINJIT_OK;
}

/* The gradient of a gradient, through most kinds of rules. */
static int differentiate(scene *s)
{
    einjit_graph *graph = NULL;
    einjit_value y, x = 0, out = 99;
    TRY(einjit_graph_parse(
        &graph, s->context,
        "def forward(x: f32[i, i], w: f32[:, j], src: i64[i]):\n"
        "    y = einsum(\"ii,ij->j\", x, w) / w[0] + sum(x[src], dim=0)[:1] + sum(x[:1] * x[1:2])\n"
        "    z = layer_norm(cat([x, tanh(x) ** 2], 1), (-1,)) @ stack([y, y], 1).sum(0)[:, None].expand(2, 1)[:1]\n"
        "    return sum(z * prod(x)) + mean(amax(x, 0)) + einsum(\"ij,jk->\", x, w, reduce=\"max\")\n",
        SIZE_MAX, s->err));
    int status = EINJIT_OK;
    y = einjit_graph_output_value(graph, 0);
    for (int k = 0; k < 2 && !status; k++) {
        size_t n = einjit_graph_node_count(graph);
        status = einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, s->err);
        if (status) {
            assert_int_equal(einjit_graph_node_count(graph), n);
            assert_int_not_equal(einjit_graph_verify(graph, NULL), EINJIT_E_INTERNAL); /* or no memory */
        }
        if (!status) status = einjit_graph_sum(&y, graph, out, 0, NULL, 0, s->err);
    }
    if (!status) status = einjit_graph_verify(graph, s->err);
    einjit_graph_destroy(graph);
    return status;
}

/* Every builder once; a value that was not made stays as it was. */
static int build_all(einjit_graph *g, einjit_error *err)
{
    const char *names[] = {"i", "j"};
    const int64_t both[] = {0, 1}, one = 1, wide[] = {3, 4, 4}, flat[] = {-1, 2};
    const int32_t ranks[] = {2, 2}, labels[] = {7, 9, 9, 100000}, output[] = {7, 100000};
    const double numbers[] = {1, 2, 3, 4};
    einjit_value x, y, m, k, v, w, index, pair[2];
    TRY(einjit_graph_input(&x, g, "x", EINJIT_F32, 2, NULL, names, err));
    TRY(einjit_graph_input(&y, g, "y", -1, 2, (int64_t[]){4, 4}, NULL, err));
    TRY(einjit_graph_input(&index, g, "index", EINJIT_I64, 1, (int64_t[]){-1}, names, err));
    TRY(einjit_graph_constant(&k, g, &TENSOR((void *)(uintptr_t)numbers, EINJIT_F64, 2, 2), err));
    TRY(einjit_graph_structural(&k, g, k, err));
    TRY(einjit_graph_float(&v, g, 2.5, err));
    TRY(einjit_graph_int(&w, g, 3, err));
    TRY(einjit_graph_mul(&v, g, v, w, err));
    TRY(einjit_graph_complex(&w, g, 1, 2, err));
    TRY(einjit_graph_bool(&w, g, 1, err));
    pair[0] = x;
    pair[1] = y;
    TRY(einjit_graph_einsum(&m, g, "ij,jk->ik", 2, pair, err));
    TRY(einjit_graph_einsum_semiring(&m, g, "ij,jk->ik", 2, pair, EINJIT_REDUCE_MAX, EINJIT_COMBINE_ADD, err));
    TRY(einjit_graph_einsum_labels(&m, g, 2, pair, ranks, labels, 2, output, err));
    TRY(einjit_graph_pointwise(&m, g, "maximum", 2, pair, err));
    TRY(einjit_graph_add(&m, g, m, x, err));
    TRY(einjit_graph_sub(&m, g, m, y, err));
    TRY(einjit_graph_div(&m, g, m, v, "floor", err));
    TRY(einjit_graph_pointwise(&w, g, "lt", 2, pair, err));
    TRY(einjit_graph_where(&m, g, w, m, x, err));
    TRY(einjit_graph_to(&m, g, m, EINJIT_F64, err));
    TRY(einjit_graph_matmul(&m, g, m, y, err));
    TRY(einjit_graph_tensordot(&m, g, m, y, 1, &one, both, err));
    TRY(einjit_graph_reduce(&w, g, EINJIT_REDUCE_MAX, m, 1, &one, 1, err));
    TRY(einjit_graph_sum(&w, g, m, 2, both, 0, err));
    TRY(einjit_graph_softmax(&m, g, m, -1, err));
    TRY(einjit_graph_layer_norm(&m, g, m, 1, -1, -1, 1e-5, err));
    TRY(einjit_graph_permute(&m, g, m, 2, (int64_t[]){1, 0}, err));
    TRY(einjit_graph_transpose(&m, g, m, 0, 1, err));
    TRY(einjit_graph_index_select(&m, g, m, 0, index, err));
    TRY(einjit_graph_index_add(&w, g, -1, "i", 0, index, m, err));
    TRY(einjit_graph_unsqueeze(&m, g, w, 0, err));
    TRY(einjit_graph_expand(&m, g, m, 3, wide, err));
    TRY(einjit_graph_slice(&m, g, m, 0, 1, 2, 1, err));
    TRY(einjit_graph_squeeze(&m, g, m, 0, err));
    TRY(einjit_graph_stack(&w, g, 2, (einjit_value[]){m, m}, 0, err));
    TRY(einjit_graph_cat(&m, g, 2, (einjit_value[]){m, y}, 0, err));
    TRY(einjit_graph_reshape(&m, g, m, 2, flat, err));
    TRY(einjit_graph_output(g, m, err));
    return einjit_graph_output(g, w, err);
}

static int build_graph(scene *s)
{
    einjit_graph *graph = UNTOUCHED(einjit_graph);
    int status = einjit_graph_create(&graph, s->context, s->err);
    if (status) {
        assert_ptr_equal(graph, UNTOUCHED(einjit_graph));
        return status;
    }
    status = build_all(graph, s->err);
    if (!status) status = einjit_graph_verify(graph, s->err);
    einjit_graph_destroy(graph);
    return status;
}

static int infer_shapes(scene *s)
{
    einjit_tensor in[] = {F32(NULL, 4, 3), F32(NULL, 3, 5), F32(NULL, 5)};
    einjit_shapes *shapes = UNTOUCHED(einjit_shapes);
    const int64_t *shape;
    int rank;
    int status = einjit_shapes_infer(&shapes, s->graph, 3, in, s->err);
    if (status) {
        assert_ptr_equal(shapes, UNTOUCHED(einjit_shapes));
        return status;
    }
    status = einjit_shapes_output(shapes, 1, NULL, &rank, &shape, s->err);
    if (!status) assert_true(rank == 2 && shape[0] == 8 && shape[1] == 4);
    einjit_shapes_destroy(shapes);
    return status;
}

static int compile_and_run(scene *s)
{
    float x[12], w[15], b[5], z[20], c[32], e[4];
    fill(x, 12), fill(w, 15), fill(b, 5);
    einjit_tensor in[] = {F32(x, 4, 3), F32(w, 3, 5), F32(b, 5)}, out[] = {F32(z, 4, 5), F32(c, 8, 4), F32(e, 4)};
    einjit_kernel *kernel = UNTOUCHED(einjit_kernel);
    int status = einjit_compile(&kernel, s->context, s->graph, 3, in, 3, out, NULL, s->err);
    if (status) {
        assert_ptr_equal(kernel, UNTOUCHED(einjit_kernel));
        return status;
    }
    status = einjit_run(kernel, 3, in, 3, out, s->err);
    if (!status) assert_true(z[0] + z[1] + z[2] + z[3] + z[4] > 1.99f && z[0] + z[1] + z[2] + z[3] + z[4] < 2.01f);
    einjit_kernel_release(kernel);
    return status;
}

static int constant_inputs(scene *s)
{
    static const int64_t columns[] = {1, 3}, shape[] = {3, 5};
    float x[12], w[15], b[5], z[20], c[32], e[4];
    fill(x, 12), fill(w, 15), fill(b, 5);
    einjit_tensor in[] = {F32(x, 4, 3), {w, EINJIT_F32, 2, shape, columns}, F32(b, 5)};
    einjit_tensor out[] = {F32(z, 4, 5), F32(c, 8, 4), F32(e, 4)};
    einjit_compile_options options = {.struct_bytes = sizeof options, .constants = "w,bias"};
    einjit_kernel *kernel = UNTOUCHED(einjit_kernel);
    int status = einjit_compile(&kernel, s->context, s->graph, 3, in, 3, out, &options, s->err);
    if (status) {
        assert_ptr_equal(kernel, UNTOUCHED(einjit_kernel));
        return status;
    }
    status = einjit_run(kernel, 3, in, 3, out, s->err);
    if (!status) assert_true(z[0] + z[1] + z[2] + z[3] + z[4] > 1.99f && z[0] + z[1] + z[2] + z[3] + z[4] < 2.01f);
    einjit_kernel_release(kernel);
    return status;
}

static int call_graph(scene *s)
{
    float x[12], w[15], b[5], z[20], c[32], e[4];
    fill(x, 12), fill(w, 15), fill(b, 5);
    einjit_tensor in[] = {F32(x, 4, 3), F32(w, 3, 5), F32(b, 5)}, out[] = {F32(z, 4, 5), F32(c, 8, 4), F32(e, 4)};
    const einjit_compile_options options = {.struct_bytes = sizeof options, .path = s->path, .flags = s->flags};
    for (int round = 0; round < 2; round++) {
        TRY(einjit_call_with(s->context, s->graph, 3, in, 3, out, &options, s->err));
        assert_true(z[0] + z[1] + z[2] + z[3] + z[4] > 1.99f && z[0] + z[1] + z[2] + z[3] + z[4] < 2.01f);
    }
    return EINJIT_OK;
}

/* Scratch too large for the stack. */
static int call_with_scratch(scene *s)
{
    enum { N = 40 };
    static float a[N * N], b[N * N], c[N * N];
    for (size_t i = 0; i < N * N; i++) {
        a[i] = i % (N + 1) == 0 ? 2.0f : 0.0f;
        b[i] = (float)(i % 5);
    }
    einjit_tensor in[] = {F32(a, N, N), F32(b, N, N)}, out = F32(c, N, N);
    TRY(einjit_call(s->context, s->graph, 2, in, 1, &out, s->err));
    for (size_t i = 0; i < N * N; i++) assert_true(c[i] == 4 * b[i]);
    return EINJIT_OK;
}

static int one_einsum(scene *s)
{
    float a[24], b[40], c[10], d[8];
    fill(a, 24), fill(b, 40), fill(c, 10);
    einjit_tensor in[] = {F32(a, 2, 3, 4), F32(b, 2, 4, 5), F32(c, 2, 5)}, out = F32(d, 2, 3);
    TRY(einjit_einsum(s->context, "zij,zjk,zk->zi", 3, in, &out, s->err));
    for (int z = 0; z < 2; z++)
        for (int i = 0; i < 3; i++) {
            float sum = 0;
            for (int j = 0; j < 4; j++)
                for (int k = 0; k < 5; k++) sum += a[(z * 3 + i) * 4 + j] * b[(z * 4 + j) * 5 + k] * c[z * 5 + k];
            assert_true(d[z * 3 + i] == sum);
        }
    return EINJIT_OK;
}

/* A ring of 60 matrices: the key does not fit on the stack, the path is searched greedily. */
static int many_labels(scene *s)
{
    enum { N = 60 };
    static float m[4] = {0, 1, 1, 0};
    static const int64_t shape[] = {2, 2};
    float result;
    int32_t labels[2 * N];
    einjit_tensor in[N], out = SCALAR(&result, EINJIT_F32);
    for (int i = 0; i < N; i++) {
        in[i] = (einjit_tensor){m, EINJIT_F32, 2, shape, NULL};
        labels[2 * i] = 1000 * i;
        labels[2 * i + 1] = 1000 * ((i + 1) % N);
    }
    TRY(einjit_einsum_labels(s->context, N, in, labels, &out, NULL, s->err));
    assert_true(result == 2);
    return EINJIT_OK;
}

static int open_extents(scene *s)
{
    float x[60], w[15], b[5], z[100], c[200], e[20];
    fill(x, 60), fill(w, 15), fill(b, 5);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "b,o"};
    for (int64_t n = 4; n < 21; n += 16) {
        einjit_tensor in[] = {F32(x, n, 3), F32(w, 3, 5), F32(b, 5)},
                      out[] = {F32(z, n, 5), F32(c, 2 * n, 4), F32(e, n)};
        einjit_kernel *kernel = UNTOUCHED(einjit_kernel);
        int status = einjit_compile(&kernel, s->context, s->graph, 3, in, 0, NULL, &options, s->err);
        if (status) {
            assert_ptr_equal(kernel, UNTOUCHED(einjit_kernel));
            return status;
        }
        status = einjit_run(kernel, 3, in, 3, out, s->err);
        if (!status) assert_true(z[0] + z[1] + z[2] + z[3] + z[4] > 1.99f && z[0] + z[1] + z[2] + z[3] + z[4] < 2.01f);
        einjit_kernel_release(kernel);
        TRY(status);
    }
    return EINJIT_OK;
}

/* 140 different minima: sizes that are evaluated in a block from the pool. */
static char many_slices[8000];
void scenarios_prepare(void)
{
    int at = snprintf(many_slices, sizeof many_slices, "def forward(x: f32[z]):\n    return cat([x[0:1]");
    for (int i = 1; i < 140; i++)
        at += snprintf(many_slices + at, sizeof many_slices - (size_t)at, ", x[%d:%d]", i, i + 2);
    snprintf(many_slices + at, sizeof many_slices - (size_t)at, "], 0)\n");
}

static int many_atoms(scene *s)
{
    float x[200], y[300];
    fill(x, 200);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "z"};
    einjit_tensor in = F32(x, 200), out = F32(y, 279);
    einjit_kernel *kernel = NULL;
    TRY(einjit_compile(&kernel, s->context, s->graph, 1, &in, 0, NULL, &options, s->err));
    int64_t sizes = 100, shape = -7;
    int dtype = -7, rank = -7;
    int status = einjit_kernel_output_shape(kernel, 0, &sizes, &dtype, &rank, &shape, 1, s->err);
    if (status) assert_true(dtype == -7 && rank == -7 && shape == -7);
    else assert_int_equal(shape, 198);
    if (!status) status = einjit_run(kernel, 1, &in, 1, &out, s->err);
    if (!status) assert_true(y[0] == x[0] && y[1] == x[1] && y[2] == x[2] && y[278] == x[140] && y[277] == x[139]);
    einjit_kernel_release(kernel);
    return status;
}

static int explain_stage(scene *s, const char *stage)
{
    einjit_tensor in[] = {F32(NULL, 4, 3), F32(NULL, 3, 5), F32(NULL, 5)};
    char text[64] = "as it was";
    size_t needed = 12345;
    int status = einjit_explain(s->context, s->graph, 3, in, NULL, stage, text, sizeof text, &needed, s->err);
    if (status) {
        assert_string_equal(text, "as it was");
        assert_int_equal(needed, 12345);
    } else {
        assert_true(needed > 10 && needed != 12345);
    }
    return status;
}

static int explain_all(scene *s)
{
    static const char *const stages[] = {"graph",    "opt+", "opt",  "stats", "bind", "path", "plan",
                                         "schedule", "nest", "cost", "steps", "dot",  "key"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) TRY(explain_stage(s, stages[i]));
    return EINJIT_OK;
}

static int explain_code(scene *s)
{
    TRY(explain_stage(s, "ir"));
    return explain_stage(s, "asm");
}

static int plan_cost(scene *s)
{
    einjit_tensor in[] = {F32(NULL, 4, 3), F32(NULL, 3, 5), F32(NULL, 5)};
    einjit_cost cost = {.struct_bytes = sizeof cost, .steps = 12345};
    int status = einjit_plan_cost(&cost, s->context, s->graph, 3, in, NULL, s->err);
    if (status) assert_int_equal(cost.steps, 12345);
    else assert_true(cost.steps > 0 && cost.steps < 100);
    return status;
}

static int search_path(scene *s, int n, const char *strategy)
{
    int32_t ranks[24], labels[48], output[2] = {0, 24}, pairs[96];
    int64_t sizes[25];
    size_t n_steps = 12345;
    double mults = -1, largest = -1;
    for (int i = 0; i < n; i++) {
        ranks[i] = 2;
        labels[2 * i] = i;
        labels[2 * i + 1] = i + 1;
        sizes[i] = sizes[i + 1] = 2 + i % 3;
    }
    output[1] = n;
    int status = einjit_path(s->context, (size_t)n, ranks, labels, 2, output, (size_t)n + 1, sizes, strategy, pairs, 48,
                             &n_steps, &mults, &largest, s->err);
    if (status) assert_true(n_steps == 12345 && mults == -1 && largest == -1);
    else assert_int_equal(n_steps, n - 1);
    return status;
}

static int search_paths(scene *s)
{
    TRY(search_path(s, 6, "optimal"));
    TRY(search_path(s, 24, "greedy"));
    TRY(search_path(s, 24, "portfolio:trials=5")); /* every way to begin once, and the best one again */
    TRY(search_path(s, 8, "branch-2"));
    return search_path(s, 10, NULL);
}

/* A cache of one byte keeps one entry. */
static int evict(scene *s)
{
    float a[64], b[64];
    fill(a, 64);
    for (int round = 0; round < 2; round++)
        for (int64_t n = 1; n < 8; n++) {
            einjit_tensor in = F32(a, n, 2), out = F32(b, 2, n);
            TRY(einjit_einsum(s->context, "ij->ji", 1, &in, &out, s->err));
            for (int64_t i = 0; i < n; i++) assert_true(b[i] == a[2 * i] && b[n + i] == a[2 * i + 1]);
        }
    return EINJIT_OK;
}

/* Kernels of many signatures: the table of the cache grows. */
static int fill_cache(scene *s)
{
    float a[600], b;
    fill(a, 600);
    for (int64_t n = 1; n < 600; n += 10) {
        einjit_tensor in = F32(a, n), out = SCALAR(&b, EINJIT_F32);
        TRY(einjit_einsum(s->context, "i->", 1, &in, &out, s->err));
    }
    einjit_context_clear_cache(s->context);
    return EINJIT_OK;
}

static int pass_messages(scene *s)
{
    float x[] = {1, 2, 3, 4, 5, 6}, w[12], r[6];
    int64_t src[] = {0, 2, 1}, dst[] = {1, 1, 0};
    fill(w, 12);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = "edges"};
    einjit_tensor in[] = {F32(x, 3, 2), TENSOR(src, EINJIT_I64, 3), TENSOR(dst, EINJIT_I64, 3), F32(w, 3, 2, 2)};
    einjit_tensor out = F32(r, 3, 2);
    einjit_kernel *kernel = NULL;
    TRY(einjit_compile(&kernel, s->context, s->graph, 4, in, 0, NULL, &options, s->err));
    int status = einjit_run(kernel, 4, in, 1, &out, s->err);
    float want[6] = {0};
    for (int e = 0; e < 3; e++)
        for (int c = 0; c < 2; c++)
            for (int d = 0; d < 2; d++)
                want[dst[e] * 2 + d] += x[src[e] * 2 + c] * x[dst[e] * 2 + d] * w[(e * 2 + c) * 2 + d];
    if (!status) assert_memory_equal(r, want, sizeof r);
    einjit_kernel_release(kernel);
    return status;
}

/* Indices that the program computes are looked at after the run; E_INDEX is the right answer. */
static int computed_index(scene *s)
{
    float x[] = {1, 2, 3}, y[2];
    int64_t index[] = {0, 2};
    einjit_tensor in[] = {F32(x, 3), TENSOR(index, EINJIT_I64, 2)}, out = F32(y, 2);
    int status = einjit_call(s->context, s->graph, 2, in, 1, &out, s->err);
    assert_int_not_equal(status, EINJIT_OK);
    if (status == EINJIT_E_NOMEM) return status;
    assert_int_equal(status, EINJIT_E_INDEX);
    index[1] = 1;
    TRY(einjit_call(s->context, s->graph, 2, in, 1, &out, s->err));
    assert_true(y[0] == 2 && y[1] == 3);
    return EINJIT_OK;
}

/* A failure that is remembered, asked for twice. */
static int remembered_failure(scene *s)
{
    float a[6] = {0}, c[6];
    einjit_tensor in[] = {F32(a, 2, 3), F32(a, 2, 3)}, out = F32(c, 2, 3);
    for (int round = 0; round < 2; round++) {
        int status = einjit_einsum(s->context, "ij,jk->ik", 2, in, &out, s->err);
        if (status == EINJIT_E_NOMEM) return status;
        assert_int_equal(status, EINJIT_E_DIM);
        assert_non_null(strstr(s->err->text, "'j' is 3 in operand 0 and 2 in operand 1"));
    }
    return EINJIT_OK;
}

static int syntax_error(scene *s)
{
    einjit_graph *graph = UNTOUCHED(einjit_graph);
    int status =
        einjit_graph_parse(&graph, s->context, "def f(a: f32[3]):\n    return exp(a) + tanh(b)\n", SIZE_MAX, s->err);
    assert_ptr_equal(graph, UNTOUCHED(einjit_graph));
    if (status == EINJIT_E_NOMEM) return status;
    assert_int_equal(status, EINJIT_E_NAME);
    return EINJIT_OK;
}

static const char edges[] = "def forward(x: f32[nodes, c], src: i64[edges], dst: i64[edges], w: f32[edges, c, d]):\n"
                            "    messages = einsum(\"ec,ed,ecd->ed\", x[src], x[dst], w)\n"
                            "    return index_add(nodes, 0, dst, messages)\n";
static const char chain[] = "def forward(a: f32[n, n], b: f32[n, n]):\n    t = softmax(a * 0.0, 1)\n"
                            "    return a @ (a @ b) + (t - t)\n";
static const char indexed[] = "def forward(x: f32[n], i: i64[m]):\n    return x[i + 1]\n";

const scenario scenarios[] = {
    {.name = "parse, print, parse", .run = parse_print_free, .quick = true},
    {.name = "syntax error", .run = syntax_error, .quick = true},
    {.name = "optimize", .run = optimize_graph, .quick = true},
    {.name = "scalars", .run = collect_scalars, .quick = true},
    {.name = "optimize constants", .run = optimize_constants, .quick = true},
    {.name = "report", .run = report_passes, .quick = true},
    {.name = "from equation", .run = from_equation, .quick = true},
    {.name = "builders", .run = build_graph, .quick = true},
    {.name = "gradient", .run = differentiate, .quick = true},
    {.name = "shapes", .run = infer_shapes, .program = mlp, .quick = true},
    {.name = "compile and run", .run = compile_and_run, .program = mlp},
    {.name = "measured",
     .run = call_graph,
     .program = mlp,
     .no_interp = true,
     .may_do_without = true,
     .flags = EINJIT_OPTION_MEASURE},
    {.name = "constant inputs", .run = constant_inputs, .program = mlp},
    {.name = "call", .run = call_graph, .program = mlp},
    {.name = "scratch", .run = call_with_scratch, .program = chain},
    {.name = "shared", .run = call_graph, .program = mlp, .threads = 3, .path = "random:3", .may_do_without = true},
    {.name = "einsum", .run = one_einsum},
    {.name = "many labels", .run = many_labels},
    {.name = "open extents", .run = open_extents, .program = mlp},
    {.name = "many atoms", .run = many_atoms, .program = many_slices, .no_llvm = true},
    {.name = "explain", .run = explain_all, .program = mlp, .quick = true},
    {.name = "explain code", .run = explain_code, .program = edges, .no_interp = true, .no_llvm = true},
    {.name = "plan cost", .run = plan_cost, .program = mlp, .quick = true},
    {.name = "path", .run = search_paths, .quick = true},
    {.name = "slices", .run = scenario_slices, .program = scenario_ring},
    {.name = "plan of slices", .run = scenario_slices_plan, .program = scenario_ring, .quick = true},
    {.name = "evictions", .run = evict, .no_llvm = true, .cache_bytes = 1},
    {.name = "full cache", .run = fill_cache, .no_llvm = true},
    {.name = "message passing", .run = pass_messages, .program = edges},
    {.name = "computed index", .run = computed_index, .program = indexed},
    {.name = "remembered failure", .run = remembered_failure, .may_do_without = true},
};
const size_t n_scenarios = sizeof scenarios / sizeof *scenarios;
