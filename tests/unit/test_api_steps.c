/* test_api_steps.c - the stages "steps" and "dot": what each step computes with, costs and waits for; paths from
 * files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "api_support.h"

static einjit_error err;

static char *explain(einjit_context *context, einjit_graph *graph, size_t n, const einjit_tensor *in, const char *path,
                     const char *stage)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .path = path};
    size_t needed = 0;
    if (einjit_explain(context, graph, n, in, &options, stage, NULL, 0, &needed, &err)) return NULL;
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_explain(context, graph, n, in, &options, stage, text, needed + 1, NULL, &err), EINJIT_OK);
    return text;
}

static json_t *steps_of(einjit_context *context, const char *program, size_t n, const einjit_tensor *in)
{
    einjit_graph *graph = api_graph(context, program);
    char *text = explain(context, graph, n, in, NULL, "steps");
    if (!text) fail_msg("%s", err.text);
    json_t *steps = json_array();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_error_t wrong;
        json_t *step = json_loads(line, JSON_REJECT_DUPLICATES, &wrong);
        if (!step) fail_msg("%s: %s", wrong.text, line);
        json_array_append_new(steps, step);
    }
    free(text);
    einjit_graph_destroy(graph);
    return steps;
}

static double number(const json_t *steps, size_t i, const char *key)
{
    const json_t *value = json_object_get(json_array_get(steps, i), key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static bool waits_for(const json_t *steps, size_t reader, size_t writer)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(json_array_get(steps, reader), "after"), i, item)
        if ((size_t)json_integer_value(item) == writer) return true;
    return false;
}

static void a_chain_of_products_has_two_steps_that_wait(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    const einjit_tensor in[] = {F32(NULL, 10, 20), F32(NULL, 20, 30), F32(NULL, 30, 40)};
    json_t *steps = steps_of(context, "def f(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c)\n", 3, in);
    assert_int_equal(json_array_size(steps), 2);
    assert_true(number(steps, 0, "operations") == 2 * 6000 && number(steps, 1, "operations") == 2 * 12000);
    assert_true(number(steps, 0, "bytes") == 4 * (200 + 600 + 300));
    assert_true(number(steps, 1, "estimated_ns") > 0);
    assert_true(json_is_string(json_object_get(json_array_get(steps, 0), "kernel")));
    assert_true(waits_for(steps, 1, 0) && !waits_for(steps, 0, 1));
    assert_true(json_is_true(json_object_get(json_array_get(steps, 1), "is_result")));
    json_decref(steps);
    einjit_context_release(context);
}

static void a_scatter_waits_for_its_zeros(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    const int64_t nine = 9;
    const einjit_tensor in[] = {F32(NULL, 9, 4), {NULL, EINJIT_I64, 1, &nine, NULL}};
    json_t *steps = steps_of(context, "def f(x: f32[e, c], at: i64[e]):\n    return index_add(5, 0, at, x)\n", 2, in);
    size_t n = json_array_size(steps);
    assert_true(n >= 2);
    assert_true(waits_for(steps, n - 1, n - 2));
    json_decref(steps);
    einjit_context_release(context);
}

static void a_drawing_names_every_step_and_link(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    const einjit_tensor in[] = {F32(NULL, 10, 20), F32(NULL, 20, 30), F32(NULL, 30, 40)};
    einjit_graph *graph = api_graph(context, "def f(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c)\n");
    char *text = explain(context, graph, 3, in, NULL, "dot");
    assert_non_null(text);
    assert_non_null(strstr(text, "digraph"));
    assert_non_null(strstr(text, "b0 -> s0"));
    assert_non_null(strstr(text, "s0 -> s1"));
    assert_non_null(strstr(text, "b2 -> s1"));
    assert_non_null(strstr(text, "s1 -> b3"));
    assert_int_equal(text[strlen(text) - 2], '}');
    free(text);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void a_path_comes_from_a_file(void **state)
{
    (void)state;
    char name[] = "/tmp/test_steps_XXXXXX", strategy[64];
    static const struct {
        const char *json, *path;
        int status;
    } cases[] = {
        {"{\"ssa_path\": [[0, 1], [3, 2]]}", "(0, 1) (3, 2)", 0},
        {"{\"x\": 1, \"ssa_path\":[[ 1,2 ],\n[0,3]], \"y\": []}", "(1, 2) (0, 3)", 0},
        {"{\"ssa_path\": [[1], [0, 3], [4, 2]]}", "(1) (0, 3) (4, 2)", 0},
        {"", NULL, EINJIT_E_SYNTAX},
        {"{\"ssa_path\": []}", NULL, EINJIT_E_SYNTAX},
        {"{\"ssa_path\": [[0, 1], [3, 2]", NULL, EINJIT_E_SYNTAX},
        {"{\"ssa_path\": [[0, 1]]}", NULL, EINJIT_E_VALUE},
        {"{\"ssa_path\": [[0, 1], [0, 2]]}", NULL, EINJIT_E_VALUE},
        {"{\"ssa_path\": [[0, 3], [1, 2]]}", NULL, EINJIT_E_VALUE},
        {"{\"ssa_path\": [[0, 1], [3, 2], [4, 4]]}", NULL, EINJIT_E_VALUE},
        {"{\"ssa_path\": [[0, -1], [3, 2]]}", NULL, EINJIT_E_SYNTAX},
    };
    int file = mkstemp(name);
    assert_true(file >= 0);
    snprintf(strategy, sizeof strategy, "file:%s", name);
    einjit_context *context = api_context("interp");
    const einjit_tensor in[] = {F32(NULL, 10, 20), F32(NULL, 20, 30), F32(NULL, 30, 40)};
    einjit_graph *graph = api_graph(context, "def f(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c)\n");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t n = strlen(cases[c].json);
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(pwrite(file, cases[c].json, n, 0), n);
        char *text = explain(context, graph, 3, in, strategy, "path");
        if (cases[c].status) {
            assert_null(text);
            assert_int_equal(err.code, cases[c].status);
        } else if (!text || !strstr(text, cases[c].path)) {
            fail_msg("%s gives %s", cases[c].json, text ? text : err.text);
        }
        free(text);
    }
    close(file);
    unlink(name);
    assert_null(explain(context, graph, 3, in, strategy, "path"));
    assert_int_equal(err.code, EINJIT_E_IO);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_products_has_two_steps_that_wait),
        cmocka_unit_test(a_scatter_waits_for_its_zeros),
        cmocka_unit_test(a_drawing_names_every_step_and_link),
        cmocka_unit_test(a_path_comes_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
