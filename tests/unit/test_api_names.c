/* test_api_names.c - programs that differ in names alone share kernels, and each hears of its own names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "cache_support.h"

static einjit_error err;

static void assert_ok(int status)
{
    if (status != EINJIT_OK) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

static void assert_fails(int status, int reason, const char *says)
{
    if (status != reason) fail_msg("%s, not %s", einjit_status_name(status), einjit_status_name(reason));
    if (!strstr(err.text, says)) fail_msg("no \"%s\" in \"%s\"", says, err.text);
}

static einjit_statistics statistics(einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    return s;
}

/* Letters, spaces and an output that is left out, by number. The implicit output is right where i sorts before k. */
static void spell(char text[64], int number)
{
    static const char *const letters[] = {"a",
                                          "c",
                                          "e",
                                          "h",
                                          "m",
                                          "p",
                                          "t",
                                          "w",
                                          "A",
                                          "D",
                                          "\xC3\xA9",
                                          "\xCE\xB1",
                                          "\xCF\x89",
                                          "\xE5\xAD\x97",
                                          "\xF0\x9D\x94\x84"};
    enum { N = sizeof letters / sizeof *letters };
    int i = number % N, j = (i + 1 + number / N % (N - 1)) % N, k = 0;
    while (k == i || k == j) k++;
    bool implicit = number & 1 && strcmp(letters[i], letters[k]) < 0;
    const char *gap = number / (N * (N - 1)) % 2 ? " " : "", *end = number % 3 ? "" : "  ";
    if (implicit) snprintf(text, 64, "%s%s%s,%s%s%s%s", gap, letters[i], letters[j], letters[j], gap, letters[k], end);
    else
        snprintf(text, 64, "%s%s, %s%s%s->%s%s%s%s", letters[i], letters[j], letters[j], gap, letters[k], gap,
                 letters[i], letters[k], end);
}

static void three_thousand_equations_are_one_kernel(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 0, 1, 1, 1}, c[4];
    char text[64], first[64] = "", again[64];
    int different = 0;
    for (int n = 0; n < 3000; n++) {
        spell(text, n);
        spell(again, n ? n - 1 : 0);
        different += strcmp(text, again) != 0;
        if (!n) memcpy(first, text, sizeof first);
        memset(c, 0xFF, sizeof c);
        assert_ok(einjit_einsum(context, text, 2, (einjit_tensor[]){F32(a, 2, 3), F32(b, 3, 2)}, &F32(c, 2, 2), &err));
        assert_true(c[0] == 4 && c[1] == 5 && c[2] == 10 && c[3] == 11);
    }
    assert_true(different > 2900);
    const int32_t labels[] = {7, 1000000, 1000000, 70000}, output[] = {7, 70000};
    assert_ok(einjit_einsum_labels(context, 2, (einjit_tensor[]){F32(a, 2, 3), F32(b, 3, 2)}, labels, &F32(c, 2, 2),
                                   output, &err));
    assert_true(c[0] == 4 && c[3] == 11);
    assert_int_equal(statistics(context).misses, 1);
}

/* What looks alike and is not: each is compiled, and right. */
static void other_equations_are_other_kernels(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const struct {
        const char *equation;
        float expected[4];
    } cases[] = {{"ij,jk->ik", {7, 10, 15, 22}}, {"ij,jk->ki", {7, 15, 10, 22}}, {"ij,ij->ij", {1, 4, 9, 16}},
                 {"ij,ji->ij", {1, 6, 6, 16}},   {"ij,kj->ik", {5, 11, 11, 25}}, {"...j,jk", {7, 10, 15, 22}},
                 {"ij,jk", {7, 10, 15, 22}},     {"kj,ji", {7, 15, 10, 22}},     {"ji,kj", {7, 15, 10, 22}}};
    float a[4] = {1, 2, 3, 4}, c[4];
    einjit_tensor in[] = {F32(a, 2, 2), F32(a, 2, 2)};
    for (int round = 0; round < 2; round++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            assert_ok(einjit_einsum(context, cases[k].equation, 2, in, &F32(c, 2, 2), &err));
            assert_memory_equal(c, cases[k].expected, sizeof c);
        }
    assert_int_equal(statistics(context).misses, 7); /* of nine: two say again what another one says */
    assert_fails(einjit_einsum(context, "ij,j.k->ik", 2, in, &F32(c, 2, 2), &err), EINJIT_E_BAD_ELLIPSIS, "'.'");
    assert_fails(einjit_einsum(context, "ij,jk>ik", 2, in, &F32(c, 2, 2), &err), EINJIT_E_BAD_ARROW, "'>'");
    assert_fails(einjit_einsum(context, "ij,jk->ik->", 2, in, &F32(c, 2, 2), &err), EINJIT_E_BAD_ARROW, "second");
    assert_fails(einjit_einsum(context, "ij,\tjk->ik", 2, in, &F32(c, 2, 2), &err), EINJIT_E_BAD_CHAR, "U+0009");
    assert_fails(einjit_einsum(context, "ij,jk->i,k", 2, in, &F32(c, 2, 2), &err), EINJIT_E_COMMA_IN_OUTPUT, "");
}

static void failures_have_the_letters_of_who_asks(void **state)
{
    CONTEXT_OR_SKIP(context);
    float a[6] = {0}, c[4];
    einjit_tensor in[] = {F32(a, 2, 3), F32(a, 2, 3)};
    for (int round = 0; round < 3; round++)
        for (char letter = 'd'; letter <= 'w'; letter++) {
            char text[16], says[64];
            snprintf(text, sizeof text, "a%c,%cb->ab", letter, letter);
            snprintf(says, sizeof says, "axis '%c' is 3 in operand 0 and 2 in operand 1", letter);
            assert_fails(einjit_einsum(context, text, 2, in, &F32(c, 2, 2), &err), EINJIT_E_DIM, says);
            snprintf(text, sizeof text, "a%c->%c%c", letter, letter, letter);
            assert_fails(einjit_einsum(context, text, 1, in, &F32(c, 2, 2), &err), EINJIT_E_OUT_REPEAT, "twice");
            assert_int_equal(err.source[1], letter);
        }
    assert_int_equal(statistics(context).failures, 40); /* each remembered */
}

static einjit_graph *renamed(einjit_context *context, const char *format, char letter)
{
    char text[400], name[2] = {letter, 0};
    size_t n = 0;
    for (const char *at = format; *at; at++)
        n += (size_t)snprintf(text + n, sizeof text - n, *at == '$' ? "%s" : "%.1s", *at == '$' ? name : at);
    return api_graph(context, text);
}

static void programs_share_kernels_and_keep_their_names(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char source[] =
        "def f$(x$: f32[n$, j$], k$: i64[m$]):\n    y$ = amax(x$, 1)\n    return y$[k$] * 2.0\n";
    float x[6] = {1, 2, 3, 4, 5, 6}, y[2];
    int64_t index[2] = {1, 0};
    for (char letter = 'a'; letter <= 'z'; letter++) {
        char open[16], says[32];
        einjit_graph *graph = renamed(context, source, letter);
        einjit_tensor in[] = {F32(x, 2, 3), TENSOR(index, EINJIT_I64, 2)};
        einjit_kernel *kernel = NULL;
        assert_ok(einjit_call(context, graph, 2, in, 1, &F32(y, 2), &err));
        assert_true(y[0] == 12 && y[1] == 6);
        index[0] = 5;
        snprintf(says, sizeof says, "input 1 ('k%c') is 5", letter);
        assert_fails(einjit_call(context, graph, 2, in, 1, &F32(y, 2), &err), EINJIT_E_INDEX, says);
        snprintf(says, sizeof says, "overlaps input 0 ('x%c')", letter);
        index[0] = 1;
        assert_fails(einjit_call(context, graph, 2, in, 1, &F32(x, 2), &err), EINJIT_E_OVERLAP, says);

        snprintf(open, sizeof open, "n%c,j%c,m%c", letter, letter, letter);
        einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
        assert_ok(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &options, &err));
        einjit_graph_destroy(graph);
        assert_int_equal(einjit_kernel_open_count(kernel), 3);
        assert_true(einjit_kernel_open_name(kernel, 0)[0] == 'n' && einjit_kernel_open_name(kernel, 0)[1] == letter);
        in[0] = F32(x, 2, 0);
        snprintf(says, sizeof says, "'y%c' is the max or min", letter);
        assert_fails(einjit_run(kernel, 2, in, 1, &F32(y, 2), &err), EINJIT_E_SHAPE, says);
        in[0] = F32(x, 3, 2);
        assert_ok(einjit_run(kernel, 2, in, 1, &F32(y, 2), &err));
        assert_true(y[0] == 8 && y[1] == 4);
        einjit_kernel_retain(kernel);
        einjit_kernel_release(kernel);
        einjit_kernel_release(kernel);
    }
    assert_int_equal(statistics(context).misses, 2);
}

static void closed_extents_have_the_names_of_who_asks(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char source[] = "def f(x: f32[n$, j], y: f32[m$, j]):\n    s$ = x + y\n    return s$\n";
    float x[4] = {1, 2, 3, 4}, y[4];
    for (char letter = 'a'; letter <= 'e'; letter++) {
        char open[16];
        einjit_graph *graph = renamed(context, source, letter);
        einjit_tensor in[] = {F32(x, 2, 2), F32(x, 2, 2)};
        einjit_kernel *kernel = NULL;
        snprintf(open, sizeof open, "n%c,m%c,j", letter, letter);
        einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
        for (int rows = 1; rows <= 2; rows++) {
            in[0] = F32(x, rows, 2);
            in[1] = F32(x, rows, 2);
            assert_ok(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, &options, &err));
            assert_int_equal(einjit_kernel_closed_count(kernel), 2);
            for (size_t i = 0; i < 2; i++) {
                assert_int_equal(einjit_kernel_closed_name(kernel, i)[1], letter);
                assert_true(einjit_kernel_closed_by(kernel, i)[0] == 's' &&
                            einjit_kernel_closed_by(kernel, i)[1] == letter);
            }
            assert_ok(einjit_run(kernel, 2, in, 1, &F32(y, rows, 2), &err));
            assert_true(y[rows * 2 - 1] == 4 * rows);
            einjit_kernel_release(kernel);
            assert_ok(einjit_call_with(context, graph, 2, in, 1, &F32(y, rows, 2), &options, &err));
        }
        einjit_graph_destroy(graph);
    }
    assert_true(statistics(context).misses <= 4);
}

static void failures_of_programs_have_their_names(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char source[] = "def f(x$: f32[n$], y$: f32[n$]):\n    return x$ + y$\n";
    float x[3] = {0};
    for (int round = 0; round < 2; round++)
        for (char letter = 'a'; letter <= 'e'; letter++) {
            char says[100];
            einjit_graph *graph = renamed(context, source, letter);
            einjit_tensor in[] = {F32(x, 2), F32(x, 3)};
            snprintf(says, sizeof says, "extent 'n%c' is 2 on axis 0 of input 'x%c' and 3 on axis 0 of input 'y%c'",
                     letter, letter, letter);
            assert_fails(einjit_call(context, graph, 2, in, 1, &F32(x, 2), &err), EINJIT_E_DIM, says);
            einjit_graph_destroy(graph);
        }
    assert_int_equal(statistics(context).failures, 5);
}

/* Names do not count, structure does. */
static void programs_that_differ_are_told_apart(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const struct {
        const char *program;
        float expected[2];
        bool seen; /* as another one */
    } cases[] = {{"def f(x: f32[n], y: f32[n]):\n    return x - y\n", {-2, -2}, false},
                 {"def f(y: f32[n], x: f32[n]):\n    return y - x\n", {-2, -2}, true},
                 {"def f(x: f32[n], y: f32[n]):\n    return y - x\n", {2, 2}, false},
                 {"def f(x: f32[n], y: f32[m]):\n    return x - y\n", {-2, -2}, false},
                 {"def f(x: f32[n], y: f32[n]):\n    return einsum(\"i,i->i\", x, y)\n", {3, 8}, false},
                 {"def g(sum: f32[k], tensor: f32[k]):\n    return einsum(\"q, q ->q\", sum, tensor)\n", {3, 8}, true},
                 {"def f(x: f32[n], y: f32[n]):\n    return einsum(\"i,j->i\", x, y)\n", {7, 14}, false},
                 {"def f(x, y):\n    return x - y\n", {-2, -2}, false}};
    float x[2] = {1, 2}, y[2] = {3, 4}, out[2];
    uint64_t misses = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        einjit_graph *graph = api_graph(context, cases[k].program);
        assert_ok(einjit_call(context, graph, 2, (einjit_tensor[]){F32(x, 2), F32(y, 2)}, 1, &F32(out, 2), &err));
        assert_memory_equal(out, cases[k].expected, sizeof out);
        misses += !cases[k].seen;
        assert_int_equal(statistics(context).misses, misses);
        einjit_graph_destroy(graph);
    }
}

static const char one_extent[] = "def f$(x$: f32[n$, 3]):\n    y$ = amax(x$, 0)\n    return y$ * 2.0\n";

/* On disk as in memory: another process that calls things otherwise finds the kernel, and reads its own names. */
static void kernels_on_disk_are_given_the_names_of_who_asks(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    char *folder = cache_folder_make();
    float x[6] = {1, 2, 3, 4, 5, 6}, y[3];
    for (char letter = 'a'; letter <= 'c'; letter++) {
        char open[] = {'n', letter, 0}, says[32];
        einjit_context *context;
        einjit_kernel *kernel;
        einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm", .cache_dir = folder};
        einjit_compile_options with = {.struct_bytes = sizeof with, .open = open};
        assert_ok(einjit_context_create(&context, &options, &err));
        einjit_graph *graph = renamed(context, one_extent, letter);
        assert_ok(einjit_compile(&kernel, context, graph, 1, &F32(x, 2, 3), 0, NULL, &with, &err));
        assert_ok(einjit_run(kernel, 1, &F32(x, 1, 3), 1, &F32(y, 3), &err));
        assert_true(y[2] == 6);
        assert_string_equal(einjit_kernel_open_name(kernel, 0), open);
        snprintf(says, sizeof says, "'y%c' is the max or min", letter);
        assert_fails(einjit_run(kernel, 1, &F32(x, 0, 3), 1, &F32(y, 3), &err), EINJIT_E_SHAPE, says);
        snprintf(says, sizeof says, "input 0 ('x%c')", letter);
        assert_fails(einjit_run(kernel, 1, &F32(x, 2, 2), 1, &F32(y, 3), &err), EINJIT_E_SHAPE, says);
        assert_int_equal(statistics(context).disk_hits, letter != 'a');
        assert_int_equal(statistics(context).disk_writes, letter == 'a');
        float c = 0;
        char equation[] = {letter, ',', letter, '-', '>', 0};
        einjit_tensor vectors[] = {F32(x, 3), F32(x, 3)};
        assert_ok(einjit_einsum(context, equation, 2, vectors, &SCALAR(&c, EINJIT_F32), &err));
        assert_true(c == 14);
        assert_int_equal(statistics(context).disk_writes, letter == 'a' ? 2 : 0);
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
    cache_folder_remove(folder);
}

/* ---- memory that runs out ---- */

static long allocations_left = -1; /* negative: no end of them */

static void *take(void *user, size_t bytes)
{
    (void)user;
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return malloc(bytes);
}

static void give(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

static void memory_may_run_out_at_every_renaming(void **state)
{
    (void)state;
    const einjit_allocator allocator = {take, give, NULL};
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .allocator = &allocator};
    einjit_context *context;
    float x[6] = {1, 2, 3, 4, 5, 6}, y[3];
    einjit_kernel *kernel;
    assert_ok(einjit_context_create(&context, &options, &err));
    einjit_graph *first = renamed(context, one_extent, 'a');
    einjit_compile_options with = {.struct_bytes = sizeof with, .open = "na"};
    assert_ok(einjit_compile(&kernel, context, first, 1, &F32(x, 2, 3), 0, NULL, &with, &err));
    einjit_kernel_release(kernel);
    with.open = "nb";
    int failed = 0, status = EINJIT_E_NOMEM;
    for (long n = 0; status; n++) {
        einjit_graph *graph = renamed(context, one_extent, 'b');
        kernel = NULL;
        allocations_left = n;
        status = einjit_compile(&kernel, context, graph, 1, &F32(x, 2, 3), 0, NULL, &with, &err);
        if (!status)
            status = einjit_run(kernel, 1, &F32(x, 0, 3), 1, &F32(y, 3), &err) == EINJIT_E_SHAPE ? 0 : EINJIT_E_NOMEM;
        allocations_left = -1;
        if (status) assert_int_equal(status, EINJIT_E_NOMEM);
        failed += status != EINJIT_OK;
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
        assert_true(n < 1000);
    }
    assert_true(failed > 1);
    einjit_graph_destroy(first);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(three_thousand_equations_are_one_kernel),
        ON_BOTH(other_equations_are_other_kernels),
        ON_BOTH(failures_have_the_letters_of_who_asks),
        ON_BOTH(programs_share_kernels_and_keep_their_names),
        ON_BOTH(closed_extents_have_the_names_of_who_asks),
        ON_BOTH(failures_of_programs_have_their_names),
        ON_BOTH(programs_that_differ_are_told_apart),
        cmocka_unit_test(kernels_on_disk_are_given_the_names_of_who_asks),
        cmocka_unit_test(memory_may_run_out_at_every_renaming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
