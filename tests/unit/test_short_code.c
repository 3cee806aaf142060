/* What small programs take to compile goes with the instructions that are made for LLVM: facts about rests, packs and
 * stores that keep these few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "einjit/einjit.h"

static einjit_context *avx512_context(void)
{
    einjit_options options = {.struct_bytes = sizeof options, .target = "avx512", .cache_dir = "none", .threads = 1};
    einjit_context *context = NULL;
    einjit_error err = {0};
    int status = einjit_context_create(&context, &options, &err);
    if (status != EINJIT_E_VALUE) assert_int_equal(status, EINJIT_OK);
    return context;
}

/* Ends the graph and the context. */
static char *text_of(einjit_context *context, einjit_graph *graph, size_t n, const einjit_tensor *in, const char *stage)
{
    einjit_error err = {0};
    size_t needed;
    if (einjit_explain(context, graph, n, in, NULL, stage, NULL, 0, &needed, &err)) fail_msg("%s", err.text);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    int status = einjit_explain(context, graph, n, in, NULL, stage, text, needed + 1, &needed, &err);
    assert_int_equal(status, EINJIT_OK);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return text;
}

/* A stage of an einsum of two operands of one dtype for AVX-512, with the extents of `sizes` ("i13 j29"); freed by the
 * caller. NULL: there is no such row. */
static char *stage_of(const char *equation, const char *sizes, int dtype, const char *stage)
{
    einjit_context *context = avx512_context();
    einjit_graph *graph;
    einjit_error err = {0};
    int64_t extents['z' + 1] = {0}, shape[2][8];
    einjit_tensor in[2] = {{.dtype = dtype}, {.dtype = dtype}};
    size_t n = 0;
    if (!context) return NULL;
    for (const char *at = sizes; *at; at += strcspn(at, " "), at += *at == ' ') extents[(int)*at] = atol(at + 1);
    for (const char *at = equation; *at && *at != '-'; at++) {
        if (*at == ',') n++;
        else shape[n][in[n].rank++] = extents[(int)*at];
    }
    for (size_t i = 0; i <= n; i++) in[i].shape = shape[i];
    if (einjit_graph_from_equation(&graph, context, equation, &err)) fail_msg("%s", err.text);
    return text_of(context, graph, n + 1, in, stage);
}

static int lines_with(const char *text, const char *word)
{
    int n = 0;
    for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        const char *found = strstr(line, word);
        n += found && found < end && strncmp(line, "declare", 7);
    }
    return n;
}

static void expect_lines(const char *equation, const char *sizes, int dtype, const char *word, int most)
{
    char *text = stage_of(equation, sizes, dtype, "ir");
    int n = text ? lines_with(text, word) : 0;
    free(text);
    if (n > most) fail_msg("%s of %s: %d times '%s', not %d", equation, sizes, n, word, most);
}

/* Vectors that no register holds are taken apart step by step. */
static void complex_numbers_go_to_places_apart_as_elements(void **state)
{
    (void)state;
    expect_lines("iaj,jb->abi", "i13 a13 j13 b13", EINJIT_C64, "<2 x float>", 0);
    expect_lines("iaj,jb->abi", "i13 a13 j13 b13", EINJIT_C64, "<32 x float>", 0);
    expect_lines("ij,jk->ik", "i13 j29 k31", EINJIT_C64, "<32 x i1>", 0);
}

static void results_across_the_lanes_are_stored_by_rows(void **state)
{
    (void)state;
    expect_lines("ij,kj->ik", "i13 j29 k31", EINJIT_F64, "extractelement", 0);
    expect_lines("ij,kj->ik", "i13 j29 k31", EINJIT_F32, "extractelement", 0);
}

/* Tiles of 4 x 8 instead of 8 x 8 and a rest; a last chunk of 4 rows within the last 4 columns, too, is a whole one. */
static void extents_of_100_need_no_rests(void **state)
{
    (void)state;
    expect_lines("ij,kj->ik", "i100 j100 k100", EINJIT_F32, "shufflevector <8 x float>", 20);
    expect_lines("ij,kj->ik", "i100 j100 k100", EINJIT_F32, "@llvm.fma", 24);
}

/* Rows and columns that are left over are a whole tile that begins earlier, in a panel, too. */
static void tiles_of_odd_products_have_one_copy(void **state)
{
    (void)state;
    expect_lines("ij,kj->ik", "i37 j41 k43", EINJIT_F64, "@llvm.fma", 24);
    expect_lines("ij,kj->ik", "i37 j41 k43", EINJIT_F64, "@llvm.masked", 0);
    expect_lines("ji,kj->ik", "i37 j41 k43", EINJIT_C128, "@llvm.fma", 48);
    expect_lines("ij,jk->ik", "i31 j37 k23", EINJIT_F32, "@llvm.fma", 24);
}

/* One lane of a rest is stored, and put among others, as the number that it is. */
static void single_lanes_are_scalars(void **state)
{
    (void)state;
    expect_lines("ij,jk->ik", "i33 j33 k33", EINJIT_F32, "insertelement", 23);
    expect_lines("ji,kj->ik", "i33 j33 k33", EINJIT_F64, "shufflevector", 46);
}

/* Nothing is added to a pointer that is another one and a constant already. */
static void constants_are_added_once(void **state)
{
    (void)state;
    char *text = stage_of("ij,jk->ik", "i16 j16 k16", EINJIT_C64, "ir"), name[64], base[64];
    long long by;
    char *known = calloc(1, text ? strlen(text) + 1 : 1);
    assert_non_null(known);
    for (char *line = text, *end; line && *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        if (sscanf(line, " %63s = getelementptr i8, ptr %63[^,], i64 %lld", name, base, &by) != 3) continue;
        strcat(base, " ");
        if (strstr(known, base)) fail_msg("%.*s", (int)(end - line), line);
        strcat(strcat(known, name), " ");
    }
    free(known);
    free(text);
}

/* Of two schedules that run as long, the shorter one: gemm's 3 x 3 vectors leave nothing over where plain's 6 x 2 leave
 * rows and columns. */
static void the_shorter_of_equals_is_taken(void **state)
{
    (void)state;
    static const char expected[] = "# recipe gemm";
    static const int dtypes[] = {EINJIT_C64, EINJIT_C128};
    for (int i = 0; i < 2; i++) {
        char *text = stage_of("ij,jk->ik", "i33 j33 k33", dtypes[i], "schedule");
        if (text && strncmp(text, expected, sizeof expected - 1)) fail_msg("%.60s", text);
        free(text);
    }
}

/* The calls of a function in the code for a program of x, w and b, with these extents. */
static void expect_calls(const char *program, const int64_t x[2], const int64_t w[2], int dtype, const char *call)
{
    einjit_context *context = avx512_context();
    einjit_graph *graph;
    einjit_error err = {0};
    if (!context) skip();
    assert_int_equal(einjit_graph_parse(&graph, context, program, SIZE_MAX, &err), EINJIT_OK);
    const int64_t columns[] = {43};
    const einjit_tensor in[] = {{.dtype = dtype, .rank = 2, .shape = x},
                                {.dtype = dtype, .rank = 2, .shape = w},
                                {.dtype = dtype, .rank = 1, .shape = columns}};
    char *text = text_of(context, graph, 3, in, "ir");
    int calls = lines_with(text, call);
    if (calls != 1) fail_msg("%s: %d calls", program, calls);
    free(text);
}

/* A call may change all registers: sums of a tile would go to memory around each. They wait there, and a pass behind
 * has one call: by plain, gemm, and tensor, which turns them first. */
static void functions_are_called_in_one_place(void **state)
{
    (void)state;
    static const char f64[] = "call <8 x double> @ej_gelu", f32[] = "call <16 x float> @ej_tanh";
    static const int64_t ij[] = {37, 41}, ji[] = {41, 37}, jk[] = {41, 43}, kj[] = {43, 41};
    expect_calls("def f(x, w, b):\n    return gelu(x @ w + b)\n", ij, jk, EINJIT_F64, f64);
    expect_calls("def f(x, w, b):\n    return gelu(x @ w.T + b)\n", ij, kj, EINJIT_F64, f64);
    expect_calls("def f(x, w, b):\n    return gelu(x.T @ w.T + b)\n", ji, kj, EINJIT_F64, f64);
    expect_calls("def f(x, w, b):\n    return tanh(x.T @ w.T) + b\n", ji, kj, EINJIT_F32, f32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complex_numbers_go_to_places_apart_as_elements),
        cmocka_unit_test(results_across_the_lanes_are_stored_by_rows),
        cmocka_unit_test(extents_of_100_need_no_rests),
        cmocka_unit_test(tiles_of_odd_products_have_one_copy),
        cmocka_unit_test(single_lanes_are_scalars),
        cmocka_unit_test(constants_are_added_once),
        cmocka_unit_test(the_shorter_of_equals_is_taken),
        cmocka_unit_test(functions_are_called_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
