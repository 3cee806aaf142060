/* test_api_call.c - one call: einsums by equation and by labels, graphs, their errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static void assert_ok(int status)
{
    if (status != EINJIT_OK) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

/* ---- results ---- */

static void matrices_multiply(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { I = 5, J = 7, K = 9 };
    float a[I * J], b[J * K], c[I * K];
    api_fill(a, I * J, 3);
    api_fill(b, J * K, 5);
    for (int round = 0; round < 2; round++) {
        memset(c, 0xFF, sizeof c);
        assert_ok(
            einjit_einsum(context, "ij,jk->ik", 2, (einjit_tensor[]){F32(a, I, J), F32(b, J, K)}, &F32(c, I, K), &err));
        for (int i = 0; i < I; i++)
            for (int k = 0; k < K; k++) {
                float sum = 0;
                for (int j = 0; j < J; j++) sum += a[i * J + j] * b[j * K + k];
                assert_true(c[i * K + k] == sum);
            }
    }
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.hits, 1);
}

static void strided_operands_and_results(void **state)
{
    CONTEXT_OR_SKIP(context);
    double a[24], c[64];
    for (int i = 0; i < 24; i++) a[i] = i;
    for (int i = 0; i < 64; i++) c[i] = -1;
    int64_t shape[] = {3, 4}, turned[] = {4, 3}, backwards[] = {-8, 2}, wide[] = {16, 3};
    einjit_tensor in = STRIDED(a + 16, EINJIT_F64, shape, backwards), out = STRIDED(c, EINJIT_F64, turned, wide);
    assert_ok(einjit_einsum(context, "ij->ji", 1, &in, &out, &err));
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 3; i++) assert_true(c[j * 16 + i * 3] == 16 - 8 * i + 2 * j);
    assert_true(c[1] == -1 && c[15] == -1 && c[63] == -1);
}

static void scalars_and_empty_tensors(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6] = {1, 2, 3, 4, 5, 6}, s = -1, zero[4] = {9, 9, 9, 9};
    assert_ok(einjit_einsum(context, "ij->", 1, &F32(a, 2, 3), &SCALAR(&s, EINJIT_F32), &err));
    assert_true(s == 21);
    assert_ok(einjit_einsum(context, ",->", 2, (einjit_tensor[]){SCALAR(a + 1, EINJIT_F32), SCALAR(a + 2, EINJIT_F32)},
                            &SCALAR(&s, EINJIT_F32), &err));
    assert_true(s == 6);
    assert_ok(einjit_einsum(context, "ij,jk->ik", 2, (einjit_tensor[]){F32(NULL, 2, 0), F32(NULL, 0, 2)},
                            &F32(zero, 2, 2), &err));
    for (int i = 0; i < 4; i++) assert_true(zero[i] == 0);
    assert_ok(einjit_einsum(context, "ij,jk->ik", 2, (einjit_tensor[]){F32(NULL, 0, 3), F32(a, 3, 2)}, &F32(NULL, 0, 2),
                            &err));
}

static void labels_say_what_letters_say(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6], b[12], c[8], d[8];
    api_fill(a, 6, 3);
    api_fill(b, 12, 5);
    einjit_tensor in[] = {F32(a, 2, 3), F32(b, 3, 4)};
    int32_t labels[] = {1000, 7, 7, 2000000000}, output[] = {2000000000, 1000};
    assert_ok(einjit_einsum(context, "ij,jk->ki", 2, in, &F32(c, 4, 2), &err));
    assert_ok(einjit_einsum_labels(context, 2, in, labels, &F32(d, 4, 2), output, &err));
    assert_memory_equal(c, d, sizeof c);
    int32_t others[] = {0, 1, 1, 2}, same[] = {0, 2};
    float e[8];
    assert_ok(einjit_einsum_labels(context, 2, in, others, &F32(e, 2, 4), same, &err));
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) assert_true(e[i * 4 + k] == c[k * 2 + i]);
}

static void a_key_longer_than_the_stack_buffer_works(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { N = 90 };
    char equation[2 * N + 3] = "";
    float x[N], s = 0, expected = 1;
    einjit_tensor in[N];
    for (int i = 0; i < N; i++) {
        x[i] = i % 9 ? 1.0f : -2.0f;
        expected *= x[i];
        in[i] = SCALAR(&x[i], EINJIT_F32);
        if (i) strcat(equation, ",");
    }
    strcat(equation, "->");
    for (int round = 0; round < 2; round++) {
        s = 0;
        assert_ok(einjit_einsum(context, equation, N, in, &SCALAR(&s, EINJIT_F32), &err));
        assert_true(s == expected);
    }
}

static void graphs_are_called(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, "def forward(a: f32[i, j], b: f32[j, k]):\n"
                                             "    return relu(einsum(\"ij,jk->ik\", a, b))\n");
    float a[6] = {1, -2, 3, -4, 5, -6}, b[6] = {1, 2, 3, 4, 5, 6}, c[4];
    for (int round = 0; round < 2; round++) {
        memset(c, 0xFF, sizeof c);
        assert_ok(
            einjit_call(context, graph, 2, (einjit_tensor[]){F32(a, 2, 3), F32(b, 3, 2)}, 1, &F32(c, 2, 2), &err));
        assert_true(c[0] == 10 && c[1] == 12 && c[2] == 0 && c[3] == 0);
    }
    einjit_graph_destroy(graph);
}

static void equal_programs_share_kernels(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[4] = {1, 2, 3, 4}, c[4];
    einjit_statistics s = {.struct_bytes = sizeof s};
    for (int round = 0; round < 3; round++) {
        einjit_graph *graph = api_graph(context, round == 2 ? "def forward(a):\n    return a * 3.0\n"
                                                            : "def forward(a):\n    return a * 2.0\n");
        assert_ok(einjit_call(context, graph, 1, &F32(a, 4), 1, &F32(c, 4), &err));
        assert_true(c[3] == (round == 2 ? 12 : 8));
        einjit_graph_destroy(graph);
    }
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.misses, 2);
    assert_int_equal(s.hits, 1);
}

/* ---- errors ---- */

static void assert_einsum_fails(einjit_context *context, const char *equation, size_t n, const einjit_tensor *in,
                                const einjit_tensor *out, int code, const char *words)
{
    for (int round = 0; round < 2; round++) { /* the second time from the cache */
        memset(&err, 0, sizeof err);
        assert_int_equal(einjit_einsum(context, equation, n, in, out, &err), code);
        assert_int_equal(err.code, code);
        if (!strstr(err.text, words)) fail_msg("'%s' is not in '%s'", words, err.text);
    }
    assert_int_equal(einjit_einsum(context, equation, n, in, out, NULL), code);
}

static void einsum_errors_name_operand_and_axis(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[64] = {0}, c[64];
    einjit_tensor in[] = {F32(a, 2, 3), F32(a, 4, 5)}, *out = &F32(c, 2, 5);
    assert_einsum_fails(context, "ij,jk->ik", 2, in, out, EINJIT_E_DIM,
                        "axis 'j' is 3 in operand 0 and 4 in operand 1");
    assert_einsum_fails(context, "ij,jkl->ik", 2, in, out, EINJIT_E_RANK, "operand 1");
    assert_einsum_fails(context, "ij,jk,k->i", 2, in, out, EINJIT_E_OPERAND_COUNT, "");
    assert_einsum_fails(context, "ij,jk->iz", 2, in, out, EINJIT_E_OUT_UNKNOWN, "z");
    assert_einsum_fails(context, "ij->i.", 1, in, out, EINJIT_E_BAD_ELLIPSIS, "");
    assert_einsum_fails(context, "ii->i", 1, in, out, EINJIT_E_DIM_DIAG, "");
    assert_int_equal(einjit_einsum(context, "->", 0, NULL, &SCALAR(c, EINJIT_F32), &err), EINJIT_E_NO_OPERANDS);
}

static void results_must_fit(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6] = {0};
    double c[64];
    const einjit_tensor *in = &F32(a, 2, 3);
    assert_einsum_fails(context, "ij->ji", 1, in, &F32(c, 2, 3), EINJIT_E_SHAPE, "axis 0");
    assert_einsum_fails(context, "ij->ji", 1, in, &F32(c, 6), EINJIT_E_RANK, "rank 1");
    assert_einsum_fails(context, "ij->ji", 1, in, &TENSOR(c, EINJIT_F64, 3, 2), EINJIT_E_DTYPE, "f64");
    assert_ok(einjit_einsum(context, "ij->ji", 1, in, &F32(c, 3, 2), &err)); /* wrong calls spoil nothing */
}

static void missing_arguments_are_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6] = {0}, c[6];
    const einjit_tensor in = F32(a, 2, 3), out = F32(c, 3, 2), no_data = F32(NULL, 2, 3), no_result = F32(NULL, 3, 2);
    assert_int_equal(einjit_einsum(NULL, "ij->ji", 1, &in, &out, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum(context, NULL, 1, &in, &out, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, NULL, &out, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &in, NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &no_data, &out, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &in, &no_result, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_einsum_labels(context, 1, &in, NULL, &out, (int32_t[]){1, 0}, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_call(context, NULL, 1, &in, 1, &out, &err), EINJIT_E_INVALID);
}

static void overlap_is_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    float m[64] = {0};
    int64_t square[] = {4, 4}, half[] = {8, 1}, flat[] = {0, 1};
    einjit_tensor left = STRIDED(m, EINJIT_F32, square, half), right = STRIDED(m + 4, EINJIT_F32, square, half);
    einjit_tensor shifted = STRIDED(m + 3, EINJIT_F32, square, half), self = STRIDED(m + 40, EINJIT_F32, square, flat);
    assert_ok(einjit_einsum(context, "ij->ji", 1, &left, &right, &err));
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &left, &shifted, &err), EINJIT_E_OVERLAP);
    assert_non_null(strstr(err.text, "output 0 overlaps input 0"));
    assert_int_equal(einjit_einsum(context, "ij->ji", 1, &left, &left, &err), EINJIT_E_OVERLAP);
    assert_int_equal(einjit_einsum(context, "ij->ij", 1, &left, &self, &err), EINJIT_E_OVERLAP);
}

static void indices_out_of_range_are_named(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, "def forward(x, i):\n    return index_select(x, 0, i)\n");
    float x[6] = {1, 2, 3, 4, 5, 6}, y[8];
    int32_t index[4] = {2, 0, 1, 2};
    einjit_tensor in[] = {F32(x, 3, 2), TENSOR(index, EINJIT_I32, 4)}, out = F32(y, 4, 2);
    assert_ok(einjit_call(context, graph, 2, in, 1, &out, &err));
    assert_true(y[0] == 5 && y[1] == 6 && y[2] == 1 && y[7] == 6);
    index[2] = 3;
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
    assert_non_null(strstr(err.text, "input 1 ('i') is 3 at position 2"));
    index[2] = -1;
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
    einjit_graph_destroy(graph);
}

/* Of a gather: the operand, the axis, where in the index, and what stands there; computed indices as far as they are
 * known. In text and by the builder. */
static void indices_of_gathers_are_named(void **state)
{
    CONTEXT_OR_SKIP(context);
    float x[6] = {1, 2, 3, 4, 5, 6}, y[4];
    int64_t index[4] = {2, 0, 1, 2};
    const einjit_tensor in[] = {F32(x, 2, 3), TENSOR(index, EINJIT_I64, 2, 2)}, out = F32(y, 2, 2);
    for (int built = 0; built < 2; built++) {
        einjit_graph *graph = NULL;
        einjit_value values[3];
        if (built) {
            assert_ok(einjit_graph_create(&graph, context, &err));
            assert_ok(einjit_graph_input(&values[0], graph, "x", EINJIT_F32, -1, NULL, NULL, &err));
            assert_ok(einjit_graph_input(&values[1], graph, "at", EINJIT_I64, -1, NULL, NULL, &err));
            assert_ok(einjit_graph_gather(&values[2], graph, values[0], -1, values[1], &err));
            assert_ok(einjit_graph_output(graph, values[2], &err));
        } else {
            graph = api_graph(context, "def forward(x, at):\n    return gather(x, -1, at)\n");
        }
        index[3] = 2;
        assert_ok(einjit_call(context, graph, 2, in, 1, &out, &err));
        assert_true(y[0] == 3 && y[1] == 1 && y[2] == 5 && y[3] == 6);
        index[3] = -1;
        assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
        assert_string_equal(err.text, "input 1 ('at') is -1 at position [1, 1], out of range for the extent of 3 of "
                                      "'gather along axis 1'");
        einjit_graph_destroy(graph);
    }
    einjit_graph *graph = api_graph(context, "def forward(x, at):\n    return gather(x, 1, at + 1)\n");
    index[3] = 2;
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
    assert_string_equal(err.text, "'gather along axis 1' computed the index 3, out of range for an extent of 3");
    einjit_graph_destroy(graph);
}

/* Both ends of both widths, at every place of a run of indices; nothing is written where one is wrong. */
static void every_index_is_looked_at(void **state)
{
    CONTEXT_OR_SKIP(context);
    einjit_graph *graph = api_graph(context, "def forward(x, i):\n    return index_add(3, 0, i, x)\n");
    static const int64_t wrong[] = {-1, 3, INT64_MIN, INT64_MAX, INT64_MIN + 1, INT32_MIN, INT32_MAX};
    float x[19], y[3];
    int64_t wide[19];
    int32_t narrow[19];
    for (int k = 0; k < 19; k++) x[k] = 1;
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
        for (int at = 0; at < 2 * 19; at++) {
            bool is_narrow = at >= 19;
            if (is_narrow && wrong[w] != (int32_t)wrong[w]) continue;
            for (int k = 0; k < 19; k++) {
                wide[k] = k == at ? wrong[w] : k % 3;
                narrow[k] = k == at - 19 ? (int32_t)wrong[w] : k % 3;
            }
            einjit_tensor in[] = {F32(x, 19),
                                  is_narrow ? TENSOR(narrow, EINJIT_I32, 19) : TENSOR(wide, EINJIT_I64, 19)},
                          out = F32(y, 3);
            y[0] = y[1] = y[2] = 7;
            assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
            assert_true(y[0] == 7 && y[1] == 7 && y[2] == 7);
        }
    einjit_graph_destroy(graph);
}

static void no_index_fits_into_nothing(void **state)
{
    CONTEXT_OR_SKIP(context); /* that checks every stage: the plan is sound, the call is what fails */
    static const char *const programs[] = {"def forward(x, i):\n    return x[i]\n",
                                           "def forward(x, i):\n    return x[i * 1]\n"};
    float x[2], y[2];
    int64_t index[1] = {0};
    for (size_t k = 0; k < sizeof programs / sizeof *programs; k++) {
        einjit_graph *graph = api_graph(context, programs[k]);
        einjit_tensor in[] = {F32(NULL, 0, 2), TENSOR(index, EINJIT_I64, 1)}, out = F32(y, 1, 2);
        assert_int_equal(einjit_call(context, graph, 2, in, 1, &out, &err), EINJIT_E_INDEX);
        assert_non_null(strstr(err.text, "extent of 0"));
        in[0] = F32(x, 1, 2);
        x[0] = x[1] = (float)k;
        assert_ok(einjit_call(context, graph, 2, in, 1, &out, &err));
        assert_true(y[0] == (float)k && y[1] == (float)k);
        einjit_graph_destroy(graph);
    }
}

/* ---- options ---- */

static uint64_t misses(einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    return s.misses;
}

static const einjit_compile_options open_batch = {.struct_bytes = sizeof open_batch, .open = "batch"};

static void one_kernel_serves_every_batch(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { BATCHES = 40, IN = 3, OUT = 2 };
    einjit_graph *graph = api_graph(context, "def forward(x: f32[batch, i], w: f32[i, o], bias: f32[o]):\n"
                                             "    return relu(x @ w + bias)\n");
    float x[BATCHES * IN], w[IN * OUT], bias[OUT] = {1, -1}, y[BATCHES * OUT];
    api_fill(x, BATCHES * IN, 3);
    api_fill(w, IN * OUT, 5);
    for (int n = 0; n <= BATCHES; n++) {
        einjit_tensor in[] = {F32(x, n, IN), F32(w, IN, OUT), F32(bias, OUT)};
        memset(y, 0xFF, sizeof y);
        assert_ok(einjit_call_with(context, graph, 3, in, 1, &F32(y, n, OUT), &open_batch, &err));
        for (int b = 0; b < n; b++)
            for (int o = 0; o < OUT; o++) {
                float sum = bias[o];
                for (int i = 0; i < IN; i++) sum += x[b * IN + i] * w[i * OUT + o];
                assert_true(y[b * OUT + o] == (sum > 0 ? sum : 0));
            }
    }
    assert_int_equal(misses(context), 1);
    einjit_tensor in[] = {F32(x, 3, IN), F32(w, IN, OUT), F32(bias, OUT)};
    assert_int_equal(einjit_call_with(context, graph, 3, in, 1, &F32(y, 2, OUT), &open_batch, &err), EINJIT_E_SHAPE);
    assert_non_null(strstr(err.text, "output 0"));
    assert_int_equal(einjit_call_with(context, graph, 3, in, 1, &F32(x, 3, OUT), &open_batch, &err), EINJIT_E_OVERLAP);
    assert_ok(einjit_call_with(context, graph, 3, in, 1, &F32(y, 3, OUT), NULL, &err)); /* the exact kernel */
    assert_int_equal(misses(context), 2);
    einjit_compile_options wrong = {.struct_bytes = sizeof wrong, .open = "bath"};
    assert_int_equal(einjit_call_with(context, graph, 3, in, 1, &F32(y, 3, OUT), &wrong, &err), EINJIT_E_NAME);
    assert_non_null(strstr(err.text, "'bath'"));
    einjit_graph_destroy(graph);
}

static void einsums_stay_open_by_label_and_ellipsis(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { MOST = 6 };
    float a[MOST * MOST * 6], b[MOST * 6], c[MOST * MOST * 4];
    api_fill(a, sizeof a / sizeof *a, 3);
    api_fill(b, sizeof b / sizeof *b, 5);
    einjit_compile_options labels = {.struct_bytes = sizeof labels, .open = "i,j"};
    einjit_compile_options dots = {.struct_bytes = sizeof dots, .open = "..."};
    for (int i = 1; i <= MOST; i++)
        for (int j = 2; j <= MOST; j++) {
            einjit_tensor in[] = {F32(a, i, j), F32(b, j)};
            assert_ok(einjit_einsum_with(context, "ij,j->i", 2, in, &F32(c, i), &labels, &err));
            for (int r = 0; r < i; r++) {
                float sum = 0;
                for (int s = 0; s < j; s++) sum += a[r * j + s] * b[s];
                assert_true(c[r] == sum);
            }
        }
    uint64_t before = misses(context);
    assert_true(before <= 2); /* 1, 2 and equal extents close nothing here */
    for (int p = 2; p <= MOST; p++)
        for (int q = 2; q <= MOST; q++) { /* b has one axis less: it is aligned at the right */
            einjit_tensor in[] = {F32(a, p, q, 3), F32(b, q, 3)};
            assert_ok(einjit_einsum_with(context, "...k,...k->...", 2, in, &F32(c, p, q), &dots, &err));
            for (int r = 0; r < p * q; r++) {
                float sum = 0;
                for (int k = 0; k < 3; k++) sum += a[r * 3 + k] * b[r % q * 3 + k];
                assert_true(c[r] == sum);
            }
        }
    assert_true(misses(context) - before <= 2);
    einjit_tensor in[] = {F32(a, 2, 3), F32(b, 4)};
    assert_int_equal(einjit_einsum_with(context, "ij,j->i", 2, in, &F32(c, 2), &labels, &err), EINJIT_E_DIM);
    assert_non_null(strstr(err.text, "axis 'j' is 3 in operand 0 and 4 in operand 1"));
    assert_int_equal(einjit_einsum_with(context, "ijk,j->i", 2, in, &F32(c, 2), &labels, &err), EINJIT_E_RANK);
    labels.open = "q";
    assert_int_equal(einjit_einsum_with(context, "ij,j->i", 2, in, &F32(c, 2), &labels, &err), EINJIT_E_NAME);
    assert_int_equal(einjit_einsum_with(context, NULL, 2, in, &F32(c, 2), &labels, &err), EINJIT_E_INVALID);
    einjit_graph *graph;
    assert_ok(einjit_graph_from_equation(&graph, context, "...j,j->...", &err));
    assert_int_equal(einjit_call_with(context, graph, 2, in, 1, &F32(c, 2), &dots, &err), EINJIT_E_NAME);
    assert_non_null(strstr(err.text, "unknown rank")); /* which axes these are, nobody said */
    einjit_graph_destroy(graph);
}

static void options_of_one_call_count_for_it_alone(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[4] = {1, 2, 3, 4}, c[4];
    einjit_tensor in[] = {F32(a, 2, 2), F32(a, 2, 2), F32(a, 2, 2)};
    einjit_compile_options strict = {.struct_bytes = sizeof strict, .flags = EINJIT_OPTION_STRICT, .path = "greedy"};
    assert_int_equal(einjit_einsum_with(context, "ij,jk,kl->il", 3, in, &F32(c, 2, 2), &strict, &err), EINJIT_E_VALUE);
    strict.path = NULL;
    assert_ok(einjit_einsum_with(context, "ij,jk,kl->il", 3, in, &F32(c, 2, 2), &strict, &err));
    assert_true(c[0] == 37 && c[3] == 118);
    assert_ok(einjit_einsum_with(context, "ij,jk,kl->il", 3, in, &F32(c, 2, 2), NULL, &err));
    assert_true(c[0] == 37 && c[3] == 118);
    strict.struct_bytes = 3;
    assert_int_equal(einjit_einsum_with(context, "ij->ji", 1, in, &F32(c, 2, 2), &strict, &err), EINJIT_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(matrices_multiply),
        ON_BOTH(strided_operands_and_results),
        ON_BOTH(scalars_and_empty_tensors),
        ON_BOTH(labels_say_what_letters_say),
        ON_BOTH(a_key_longer_than_the_stack_buffer_works),
        ON_BOTH(graphs_are_called),
        ON_BOTH(equal_programs_share_kernels),
        ON_BOTH(einsum_errors_name_operand_and_axis),
        ON_BOTH(results_must_fit),
        ON_BOTH(missing_arguments_are_refused),
        ON_BOTH(overlap_is_refused),
        ON_BOTH(indices_out_of_range_are_named),
        ON_BOTH(indices_of_gathers_are_named),
        ON_BOTH(every_index_is_looked_at),
        ON_BOTH(no_index_fits_into_nothing),
        ON_BOTH(one_kernel_serves_every_batch),
        ON_BOTH(einsums_stay_open_by_label_and_ellipsis),
        ON_BOTH(options_of_one_call_count_for_it_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
