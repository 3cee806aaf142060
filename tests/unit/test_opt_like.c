/* test_opt_like.c - shapes and dtypes of other values: said where they are known, left alone where not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static char *printed(const einjit_graph *graph)
{
    size_t n;
    assert_int_equal(einjit_graph_print(graph, NULL, 0, &n, &err), EINJIT_OK);
    char *text = malloc(n + 1);
    assert_non_null(text);
    assert_int_equal(einjit_graph_print(graph, text, n + 1, NULL, &err), EINJIT_OK);
    return text;
}

/* The pass makes this of the body; a second run changes nothing. */
static void becomes(const char *parameters, const char *body, const char *want)
{
    char program[400];
    einjit_context *context = api_context("interp");
    snprintf(program, sizeof program, "def f(%s):\n    v = %s\n    return v\n", parameters, body);
    einjit_graph *graph = api_graph(context, program);
    for (int run = 0; run < 2; run++) {
        if (einjit_optimize(graph, "like,dce", &err)) fail_msg("%s", err.text);
        char *text = printed(graph);
        if (!strstr(text, want)) fail_msg("no '%s' in\n%s", want, text);
        free(text);
    }
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void what_is_known_is_said(void **state)
{
    (void)state;
    becomes("x: f32[a], y: f32", "exp(x.type_as(y))", "exp(x)");
    becomes("x: f32[a], y: f64", "x.type_as(y)", "x.to(f64)");
    becomes("x: c64[a], y: f32", "x.type_as(y)", "x.to(f32)");
    becomes("x: f32[a, 2], y: f32[a, 2]", "exp(x.sum_to_size(y.shape))", "exp(x)");
    becomes("x: f32[a, 2], y: f32[2]", "x.sum_to_size(y.shape)", "sum(x, dim=0)");
    becomes("x: f32[a, b, 2], y: f32[1, 2]", "x.sum_to_size(y.shape)", "sum(sum_1, dim=0, keepdim=True)");
    becomes("x: f32[a], y: f32[a]", "exp(x.expand_as(y))", "exp(x)");
    becomes("x: f32[1], y: f32[b, a]", "x.expand_as(y)", "x.expand((b, a))");
    becomes("x: f32[a, b], y: f32[a, b]", "exp(x.reshape_as(y))", "exp(x)");
    becomes("x: f32[a, b], y: f32[b, a]", "x.reshape_as(y)", "reshape(x, (b, a))");
}

static void what_is_not_known_stays(void **state)
{
    (void)state;
    becomes("x: f32[a], y", "x.type_as(y)", "x.type_as(y)");
    becomes("x: f32[a], y: i64", "x.type_as(y)", "x.type_as(y)"); /* to be refused */
    becomes("x, y: i32", "x.type_as(y)", "x.type_as(y)");
    becomes("x: f32[a, b], y: f32[c, b]", "x.sum_to_size(y.shape)", "x.sum_to_size(y.shape)"); /* c may be 1 */
    becomes("x: f32[a, b], y: f32", "x.sum_to_size(y.shape)", "x.sum_to_size(y.shape)");
    becomes("x: i32[a, b], y: f32[b]", "x.sum_to_size(y.shape)", "x.sum_to_size(y.shape)"); /* sums of integers are i64 */
    becomes("x: f32[a], y: f32[:]", "x.expand_as(y)", "x.expand_as(y)");
    becomes("x: f32[a], y: f32", "x.reshape_as(y)", "x.reshape_as(y)");
    becomes("y: f32[a]", "expand_as(2.0, y)", "expand_as(2.0, y)"); /* a literal is f64 from there on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_is_said),
        cmocka_unit_test(what_is_not_known_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
