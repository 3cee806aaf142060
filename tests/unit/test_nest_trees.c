/* The trees of DESIGN.md section 11 written by hand: each is read, checked, printed and read again, run, and compared
 * with plain loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nest_support.h"

static const ej_target wide = {.name = "wide", .vector_bytes = 64, .vector_registers = 32};

/* Read, check, and print twice: the second text is the first one. */
static void load(nest_case *c, const char *name)
{
    nest_open(c);
    char *text = nest_file(c, name);
    assert_non_null(text);
    if (nest_parse(c, text)) fail_msg("%s: line %d: %s: %s", name, (int)c->err.line, c->err.text, c->err.source);
    if (ej_nest_check(&c->nest, &wide, &c->err)) fail_msg("%s: %s", name, c->err.text);
    const char *first = nest_print(c);
    nest_case again;
    nest_open(&again);
    if (nest_parse(&again, first)) fail_msg("%s, printed: line %d: %s", name, (int)again.err.line, again.err.text);
    assert_string_equal(nest_print(&again), first);
    nest_close(&again);
}

static void run(nest_case *c, void *const *data, const ej_constant *constants, const int64_t *symbols, void *scratch)
{
    if (nest_run(c, data, constants, symbols, scratch)) fail_msg("%s", c->err.text);
}

static float *values(uint32_t seed, size_t n)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = nest_value(seed, i);
    return x;
}

/* Outputs start as NaN: what a nest does not write shows. */
static float *blank(size_t n)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    memset(x, 0xff, n * sizeof *x);
    return x;
}

static void packed_gemm_multiplies_ragged_matrices(void **state)
{
    (void)state;
    enum { M = 37, N = 53, K = 29 };
    nest_case c;
    load(&c, "gemm");
    float *a = values(1, M * K), *b = values(2, K * N), *out = blank(M * N);
    run(&c, (void *[]){a, b, out}, NULL, NULL, NULL);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float want = 0;
            for (int k = 0; k < K; k++) want += a[i * K + k] * b[k * N + j];
            assert_true(out[i * N + j] == want);
        }
    free(a), free(b), free(out);
    nest_close(&c);
}

static void lanes_over_two_axes_multiply_4x4_matrices(void **state)
{
    (void)state;
    enum { Z = 7 };
    nest_case c;
    load(&c, "batch4");
    float *a = values(3, Z * 16), *b = values(4, Z * 16), *out = blank(Z * 16);
    run(&c, (void *[]){a, b, out}, NULL, NULL, NULL);
    for (int z = 0; z < Z; z++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) {
                float want = 0;
                for (int k = 0; k < 4; k++) want += a[z * 16 + i * 4 + k] * b[z * 16 + k * 4 + j];
                assert_true(out[z * 16 + i * 4 + j] == want);
            }
    free(a), free(b), free(out);
    nest_close(&c);
}

static void five_axes_are_permuted_through_a_register_tile(void **state)
{
    (void)state;
    enum { A = 3, B = 2, C = 18, D = 3, E = 21, N = A * B * C * D * E };
    nest_case c;
    load(&c, "permute");
    float *s = blank(N), *out = blank(N);
    for (int i = 0; i < N; i++) s[i] = (float)i;
    run(&c, (void *[]){s, out}, NULL, NULL, NULL);
    int at = 0;
    for (int e = 0; e < E; e++)
        for (int b = 0; b < B; b++)
            for (int d = 0; d < D; d++)
                for (int a = 0; a < A; a++)
                    for (int x = 0; x < C; x++, at++)
                        assert_true(out[at] == s[(((a * B + b) * C + x) * D + d) * E + e]);
    free(s), free(out);
    nest_close(&c);
}

static void two_contractions_share_a_loop_and_a_register_intermediate(void **state)
{
    (void)state;
    enum { Z = 13, I = 4, J = 5, K = 8 };
    nest_case c;
    load(&c, "chain");
    float *a = values(5, Z * I * J), *b = values(6, Z * J * K), *v = values(7, Z * K), *out = blank(Z * I);
    run(&c, (void *[]){a, b, v, out}, NULL, NULL, NULL);
    for (int z = 0; z < Z; z++)
        for (int i = 0; i < I; i++) {
            float want = 0;
            for (int j = 0; j < J; j++)
                for (int k = 0; k < K; k++) want += a[(z * I + i) * J + j] * b[(z * J + j) * K + k] * v[z * K + k];
            assert_true(out[z * I + i] == want);
        }
    free(a), free(b), free(v), free(out);
    nest_close(&c);
}

/* 1 x 1 -> 1, which is the cross product: six nonzeros of 27. */
static void clebsch_gordan_runs_over_a_list_of_nonzeros(void **state)
{
    (void)state;
    enum { Z = 19 };
    static const int32_t at_i[] = {0, 0, 1, 1, 2, 2}, at_j[] = {1, 2, 0, 2, 0, 1}, at_k[] = {2, 1, 2, 0, 1, 0};
    static const float w[] = {1, -1, -1, 1, 1, -1};
    const ej_constant constants[] = {
        {EINJIT_I32, 6, at_i}, {EINJIT_I32, 6, at_j}, {EINJIT_I32, 6, at_k}, {EINJIT_F32, 6, w}};
    nest_case c;
    load(&c, "clebsch_gordan");
    float *x = values(8, Z * 3), *y = values(9, Z * 3), *out = blank(Z * 3);
    run(&c, (void *[]){x, y, out}, constants, NULL, NULL);
    for (int z = 0; z < Z; z++)
        for (int k = 0; k < 3; k++) {
            const float *p = x + 3 * z, *q = y + 3 * z;
            int k1 = (k + 1) % 3, k2 = (k + 2) % 3;
            assert_true(out[z * 3 + k] == p[k1] * q[k2] - p[k2] * q[k1]);
        }
    free(x), free(y), free(out);
    nest_close(&c);
}

static double attention_at(const float *q, const float *k, const float *v, int h, int i, int e)
{
    enum { I = 7, J = 11, D = 6, E = 5 };
    double score[J], top = -INFINITY, total = 0, sum = 0;
    for (int j = 0; j < J; j++) {
        score[j] = 0;
        for (int d = 0; d < D; d++) score[j] += 0.25 * q[(h * I + i) * D + d] * k[(h * J + j) * D + d];
        if (score[j] > top) top = score[j];
    }
    for (int j = 0; j < J; j++) {
        total += exp(score[j] - top);
        sum += exp(score[j] - top) * v[(h * J + j) * E + e];
    }
    return sum / total;
}

static void attention_is_one_nest_with_rows_in_the_cache(void **state)
{
    (void)state;
    enum { H = 2, I = 7, J = 11, D = 6, E = 5 };
    nest_case c;
    load(&c, "attention");
    float *q = values(10, H * I * D), *k = values(11, H * J * D), *v = values(12, H * J * E), *out = blank(H * I * E);
    run(&c, (void *[]){q, k, v, out}, NULL, NULL, NULL);
    for (int h = 0; h < H; h++)
        for (int i = 0; i < I; i++)
            for (int e = 0; e < E; e++) {
                double error = fabs(out[(h * I + i) * E + e] - attention_at(q, k, v, h, i, e));
                assert_true(error < 1e-5);
            }
    free(q), free(k), free(v), free(out);
    nest_close(&c);
}

static void check_messages(nest_case *c, int edges)
{
    enum { N = 6, C = 12 };
    float *h = values(13, N * C), *w = values(14, (size_t)edges * C + 1), *out = blank(N * C), want[N * C] = {0};
    int64_t *from = malloc(((size_t)edges + 1) * sizeof *from), *to = malloc(((size_t)edges + 1) * sizeof *to);
    assert_non_null(from);
    assert_non_null(to);
    for (int e = 0; e < edges; e++) {
        from[e] = (e * 7 + 3) % N;
        to[e] = (e * e + 1) % N;
        for (int x = 0; x < C; x++) want[to[e] * C + x] += h[from[e] * C + x] * w[e * C + x];
    }
    run(c, (void *[]){h, w, from, to, out}, NULL, (int64_t[]){edges}, NULL);
    assert_memory_equal(out, want, sizeof want);
    free(h), free(w), free(out), free(from), free(to);
}

static void messages_are_gathered_and_scattered_for_any_number_of_edges(void **state)
{
    (void)state;
    nest_case c;
    load(&c, "messages");
    check_messages(&c, 40);
    check_messages(&c, 1);
    check_messages(&c, 0);
    check_messages(&c, 301);
    nest_close(&c);
}

static void check_open(nest_case *c, int64_t z)
{
    enum { I = 4, J = 5 };
    size_t n = (size_t)z;
    double *a = malloc((I * J * n + 1) * sizeof *a), *b = malloc((J * n + 1) * sizeof *b);
    double *out = malloc((I * n + 1) * sizeof *out);
    char *scratch = malloc(8 * n + 64 + J * n * sizeof *a);
    assert_true(a && b && out && scratch);
    memset(out, 0xff, I * n * sizeof *out);
    for (size_t i = 0; i < I * J * n; i++) a[i] = nest_value(15, i);
    for (size_t i = 0; i < J * n; i++) b[i] = nest_value(16, i);
    run(c, (void *[]){a, b, out}, NULL, &z, scratch);
    for (size_t i = 0; i < I; i++)
        for (size_t x = 0; x < n; x++) {
            double want = 0;
            for (size_t j = 0; j < J; j++) want += a[(i * J + j) * n + x] * 2 * b[j * n + x];
            assert_true(out[(I - 1 - i) * n + x] == want);
        }
    free(a), free(b), free(out), free(scratch);
}

static void strides_follow_an_open_extent(void **state)
{
    (void)state;
    nest_case c;
    load(&c, "open");
    check_open(&c, 1000);
    check_open(&c, 1);
    check_open(&c, 13);
    nest_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_gemm_multiplies_ragged_matrices),
        cmocka_unit_test(lanes_over_two_axes_multiply_4x4_matrices),
        cmocka_unit_test(five_axes_are_permuted_through_a_register_tile),
        cmocka_unit_test(two_contractions_share_a_loop_and_a_register_intermediate),
        cmocka_unit_test(clebsch_gordan_runs_over_a_list_of_nonzeros),
        cmocka_unit_test(attention_is_one_nest_with_rows_in_the_cache),
        cmocka_unit_test(messages_are_gathered_and_scattered_for_any_number_of_edges),
        cmocka_unit_test(strides_follow_an_open_extent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
