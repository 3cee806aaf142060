/* test_narrow_product.c - products of matrices of f16 and bf16 over sizes with every rest, in all orders and layouts,
 * on the interpreter and every row of the target table. Numbers are small and whole, so that sums are exact in any
 * order and results have the bits of the sum rounded once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "api_support.h"
#include "base_narrow.h"
#include "judge.h"
#include "target_support.h"

enum { MOST = 70, ROOM = 3 * MOST * (MOST + 8), BATCH = 3 };

static const char *const equations[] = {"ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ji,kj->ik"};
static const int dtypes[] = {EINJIT_BF16, EINJIT_F16};

/* A matrix of small whole numbers; the first element, rows apart by `pitch`, numbers apart by `step`. */
typedef struct matrix {
    int64_t shape[2], strides[2];
    uint16_t *first;
} matrix;

static uint16_t room[3][ROOM];

static int number_at(const matrix *m, int dtype, int64_t i, int64_t j)
{
    return (int)ej_widen(dtype, m->first[i * m->strides[0] + j * m->strides[1]]);
}

/* `layout`: 0 row-major, 1 with a gap behind each row and an odd address, 2 backwards, 3 columns first. */
static matrix make(int which, int dtype, int64_t rows, int64_t columns, int layout, unsigned *seed)
{
    matrix m = {.shape = {rows, columns}, .strides = {columns, 1}, .first = room[which]};
    if (layout == 1) {
        m.strides[0] = columns + 5;
        m.first += 1;
    } else if (layout == 2) {
        m.strides[0] = -columns;
        m.strides[1] = -1;
        m.first += rows * columns - 1;
    } else if (layout == 3) {
        m.strides[0] = 1;
        m.strides[1] = rows;
    }
    for (int i = 0; i < ROOM; i++) room[which][i] = ej_narrow(dtype, 100); /* what is read beside the matrix is seen */
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            *seed = *seed * 1664525u + 1013904223u;
            m.first[i * m.strides[0] + j * m.strides[1]] = ej_narrow(dtype, (int)(*seed >> 20) % 17 - 8);
        }
    return m;
}

static void check(einjit_context *context, int dtype, const char *equation, const int64_t n[3], int layout,
                  const char *open)
{
    unsigned seed = (unsigned)(n[0] * 5000 + n[1] * 70 + n[2]);
    bool turned_a = equation[0] == 'j', turned_b = equation[3] == 'k';
    matrix a = make(0, dtype, n[turned_a], n[!turned_a], layout, &seed),
           b = make(1, dtype, n[turned_b ? 2 : 1], n[turned_b ? 1 : 2], (layout + 1) % 4, &seed),
           c = make(2, dtype, n[0], n[2], layout, &seed);
    einjit_tensor in[2] = {STRIDED(a.first, dtype, a.shape, a.strides), STRIDED(b.first, dtype, b.shape, b.strides)},
                  out = STRIDED(c.first, dtype, c.shape, c.strides);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
    einjit_error err;
    if (einjit_einsum_with(context, equation, 2, in, &out, &options, &err)) fail_msg("%s: %s", equation, err.text);
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t k = 0; k < n[2]; k++) {
            int sum = 0;
            for (int64_t j = 0; j < n[1]; j++)
                sum += (turned_a ? number_at(&a, dtype, j, i) : number_at(&a, dtype, i, j)) *
                       (turned_b ? number_at(&b, dtype, k, j) : number_at(&b, dtype, j, k));
            uint16_t got = c.first[i * c.strides[0] + k * c.strides[1]], want = ej_narrow(dtype, sum);
            if (got != want && ((got | want) & 0x7FFF)) /* of zeros any sign */
                fail_msg("%s %s %lldx%lldx%lld layout %d at %lld, %lld: %04x, not %04x", einjit_dtype_name(dtype),
                         equation, (long long)n[0], (long long)n[1], (long long)n[2], layout, (long long)i,
                         (long long)k, got, want);
        }
}

static void on_all(void (*run)(einjit_context *context))
{
    for (int row = -1; row < ej_n_targets; row++) {
        einjit_context *context = row < 0 ? judge_context("interp", NULL) : judge_context("llvm", target_row(row));
        run(context);
        einjit_context_release(context);
    }
}

static void check_sizes(einjit_context *context)
{
    for (int64_t m = 1; m <= MOST; m++) {
        const int64_t n[3] = {m, m * 7 % MOST + 1, m * 13 % MOST + 1}, square[3] = {m, m, m};
        check(context, dtypes[m % 2], equations[m / 2 % 4], n, (int)(m / 8 % 4), NULL);
        check(context, EINJIT_BF16, equations[m % 4], square, (int)(m / 4 % 4), NULL);
    }
}

static void products_of_all_sizes_are_exact(void **state)
{
    (void)state;
    on_all(check_sizes);
}

static void check_open(einjit_context *context)
{
    for (int64_t m = 1; m <= MOST; m += 3) {
        const int64_t n[3] = {m, 33, 47}, sum[3] = {47, m, 33};
        check(context, dtypes[m % 2], equations[m % 4], n, 0, "i");
        check(context, dtypes[m % 2], equations[m % 4], sum, 0, "j");
    }
}

static void products_of_open_sizes_are_exact(void **state)
{
    (void)state;
    on_all(check_open);
}

static void check_batches(einjit_context *context)
{
    static uint16_t a[BATCH * MOST * MOST], b[BATCH * MOST * MOST], c[BATCH * MOST * MOST];
    einjit_error err;
    for (int64_t n = 1; n <= 24; n++)
        for (int d = 0; d < 2; d++) {
            const int64_t shape[3] = {BATCH, n, n};
            einjit_tensor in[2] = {{a, dtypes[d], 3, shape, NULL}, {b, dtypes[d], 3, shape, NULL}},
                          out = {c, dtypes[d], 3, shape, NULL};
            for (int64_t i = 0; i < BATCH * n * n; i++) {
                a[i] = ej_narrow(dtypes[d], (int)(i * i % 15) - 7);
                b[i] = ej_narrow(dtypes[d], (int)(i * 5 % 13) - 6);
            }
            assert_int_equal(einjit_einsum(context, "zij,zjk->zik", 2, in, &out, &err), EINJIT_OK);
            for (int64_t at = 0; at < BATCH * n * n; at++) {
                int64_t z = at / (n * n), i = at / n % n, k = at % n;
                double sum = 0;
                for (int64_t j = 0; j < n; j++)
                    sum += ej_widen(dtypes[d], a[(z * n + i) * n + j]) * ej_widen(dtypes[d], b[(z * n + j) * n + k]);
                assert_int_equal(c[at], ej_narrow(dtypes[d], sum));
            }
        }
}

static void batches_of_small_products_are_exact(void **state)
{
    (void)state;
    on_all(check_batches);
}

/* Where pairs of terms are one instruction, which knows no subnormal numbers, strict compiles and programs as written
 * do without it, and all others have it. */
static void strict_products_keep_subnormal_numbers(void **state)
{
    (void)state;
    enum { N = 64 };
    static uint16_t a[N * N], b[N * N], c[N * N];
    for (int i = 0; i < N * N; i++) {
        a[i] = ej_narrow(EINJIT_BF16, 0x1p-130);
        b[i] = ej_narrow(EINJIT_BF16, 0x1p20);
    }
    for (int row = 0; row < ej_n_targets; row++)
        for (int way = 0; way < 3; way++) {
            const ej_target *target = target_row(row);
            einjit_context *context = judge_context("llvm", target);
            einjit_compile_options options = {.struct_bytes = sizeof options,
                                              .flags = way == 1   ? EINJIT_OPTION_STRICT
                                                       : way == 2 ? EINJIT_OPTION_NO_OPTIMIZE
                                                                  : 0};
            einjit_tensor in[2] = {TENSOR(a, EINJIT_BF16, N, N), TENSOR(b, EINJIT_BF16, N, N)},
                          out = TENSOR(c, EINJIT_BF16, N, N);
            assert_int_equal(einjit_einsum_with(context, "ij,jk->ik", 2, in, &out, &options, NULL), EINJIT_OK);
            double want = target->pairs && way == 0 ? 0 : N * 0x1p-110;
            for (int i = 0; i < N * N; i++) assert_true(ej_widen(EINJIT_BF16, c[i]) == want);
            einjit_context_release(context);
        }
}

/* What a stage of a compile for AVX-512 has to say. */
static char *stage_of(const char *program, int dtype, const char *stage)
{
    static char text[1 << 20];
    static const int64_t shape[2] = {16, 16};
    einjit_context *context = judge_context("llvm", ej_target_by_name("avx512"));
    einjit_tensor in[2] = {{NULL, dtype, 2, shape, NULL}, {NULL, dtype, 2, shape, NULL}};
    einjit_graph *graph = api_graph(context, program);
    size_t needed;
    assert_int_equal(einjit_explain(context, graph, einjit_graph_input_count(graph), in, NULL, stage, text, sizeof text,
                                    &needed, NULL),
                     EINJIT_OK);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return text;
}

/* A number that all lanes take is converted in a copy, once. */
static void operands_are_widened_once(void **state)
{
    (void)state;
    if (!ej_target_by_name("avx512") || !ej_target_runs_here(ej_target_by_name("avx512"))) skip();
    static const char program[] = "def f(a, b):\n    return a @ b\n";
    assert_non_null(strstr(stage_of(program, EINJIT_F16, "schedule"), "stage 0 0 at root local"));
    assert_non_null(strstr(stage_of(program, EINJIT_BF16, "schedule"), "stage 0 0 at root local"));
    assert_null(strstr(stage_of(program, EINJIT_F32, "schedule"), "stage 0"));
}

/* What bf16 has is not rounded to it. */
static void exact_results_are_cut(void **state)
{
    (void)state;
    if (!ej_target_by_name("avx512") || !ej_target_runs_here(ej_target_by_name("avx512"))) skip();
    assert_null(strstr(stage_of("def f(x):\n    return maximum(relu(x), 0.5)\n", EINJIT_BF16, "asm"), "vcmpordps"));
    assert_non_null(
        strstr(stage_of("def f(x):\n    return maximum(relu(x), 0.3) * x\n", EINJIT_BF16, "asm"), "vcmpordps"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_all_sizes_are_exact),     cmocka_unit_test(products_of_open_sizes_are_exact),
        cmocka_unit_test(batches_of_small_products_are_exact), cmocka_unit_test(strict_products_keep_subnormal_numbers),
        cmocka_unit_test(operands_are_widened_once),           cmocka_unit_test(exact_results_are_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
