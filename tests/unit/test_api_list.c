/* test_api_list.c - what the library says it has is what its calls take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static bool has(int list, const char *name)
{
    const char *have;
    for (size_t i = 0; (have = einjit_list_name(list, i, NULL)); i++)
        if (!strcmp(have, name)) return true;
    return false;
}

static void names_are_there_once(void **state)
{
    (void)state;
    for (int list = 0; list < EINJIT_LIST_COUNT; list++) {
        const char *name, *text = NULL;
        size_t n = 0;
        for (; (name = einjit_list_name(list, n, &text)); n++) {
            assert_non_null(text);
            for (size_t k = 0; k < n; k++) assert_string_not_equal(einjit_list_name(list, k, NULL), name);
        }
        assert_true(n > 2);
        assert_null(einjit_list_name(list, n, &text));
        assert_null(einjit_list_name(list, SIZE_MAX, &text));
    }
    assert_null(einjit_list_name(-1, 0, NULL));
    assert_null(einjit_list_name(EINJIT_LIST_COUNT, 0, NULL));
    assert_true(has(EINJIT_LIST_OPERATORS, "einsum") && has(EINJIT_LIST_OPERATORS, "softmax") &&
                has(EINJIT_LIST_OPERATORS, "exp"));
    assert_true(has(EINJIT_LIST_OPERATORS, "where") && !has(EINJIT_LIST_OPERATORS, "nonsense"));
}

static void calls_take_them(void **state)
{
    (void)state;
    einjit_error err;
    einjit_context *context = api_context("interp");
    const char *name, *text;
    const int32_t ranks[2] = {1, 1}, labels[2] = {0, 0};
    const int64_t sizes[1] = {3};
    size_t steps;
    double mults, largest;
    for (size_t i = 0; (name = einjit_list_name(EINJIT_LIST_STRATEGIES, i, &text)); i++) {
        assert_true(*text);
        assert_int_equal(
            einjit_path(context, 2, ranks, labels, 0, NULL, 1, sizes, name, NULL, 0, &steps, &mults, &largest, &err),
            EINJIT_OK);
    }
    for (size_t i = 0; (name = einjit_list_name(EINJIT_LIST_PASSES, i, &text)); i++) {
        einjit_graph *graph = api_graph(context, "def f(x):\n    return x + 1.0\n");
        assert_true(*text);
        assert_int_equal(einjit_optimize(graph, name, &err), EINJIT_OK);
        einjit_graph_destroy(graph);
    }
    float x[3] = {0};
    einjit_graph *graph = api_graph(context, "def f(x: f32[n]):\n    return x + 1.0\n");
    for (size_t i = 0; (name = einjit_list_name(EINJIT_LIST_STAGES, i, &text)); i++) {
        int status = einjit_explain(context, graph, 1, &F32(x, 3), NULL, name, NULL, 0, &steps, &err);
        bool code = !strcmp(name, "ir") || !strcmp(name, "asm"); /* not of the interpreter */
        assert_int_equal(status, code ? EINJIT_E_UNSUPPORTED : EINJIT_OK);
    }
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    for (size_t i = 0; (name = einjit_list_name(EINJIT_LIST_TARGETS, i, &text)); i++) {
        einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .target = name};
        assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
        einjit_context_release(context);
    }
}

static void the_version_is_a_number(void **state)
{
    (void)state;
    char text[32];
    int n = einjit_version_number();
    snprintf(text, sizeof text, "%d.%d.%d", n / 1000000, n / 1000 % 1000, n % 1000);
    assert_string_equal(text, einjit_version());
    assert_int_equal(n, EINJIT_VERSION_NUMBER);
}

/* What is only read may be constant: without a cast, or this does not compile. */
static void inputs_may_be_constant(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const float a[2] = {1, 2}, b[2] = {3, 4};
    static const int64_t shape[1] = {2};
    const einjit_tensor in[2] = {{a, EINJIT_F32, 1, shape, NULL}, {b, EINJIT_F32, 1, shape, NULL}};
    float c = 0;
    einjit_error err;
    assert_int_equal(einjit_einsum(context, "i,i->", 2, in, &SCALAR(&c, EINJIT_F32), &err), EINJIT_OK);
    assert_true(c == 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_there_once),
        cmocka_unit_test(calls_take_them),
        cmocka_unit_test(the_version_is_a_number),
        ON_BOTH(inputs_may_be_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
