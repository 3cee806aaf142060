/* test_api_explain.c - the text of every stage, and the cost of a plan, without running anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

static const char program[] = "def forward(a: f32[i, j], b: f32[j, k]):\n"
                              "    einsum_1 = einsum(\"ij,jk->ik\", a, b)\n"
                              "    relu_1 = relu(einsum_1)\n"
                              "    return relu_1\n";

static char *explain(einjit_context *context, einjit_graph *graph, const char *stage)
{
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4)};
    size_t needed = 0, again = 0;
    if (einjit_explain(context, graph, 2, in, NULL, stage, NULL, 0, &needed, &err) != EINJIT_OK)
        fail_msg("%s: %s", stage, err.text);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, stage, text, needed + 1, &again, &err), EINJIT_OK);
    assert_int_equal(needed, again);
    assert_int_equal(strlen(text), needed);
    return text;
}

static void path_is(einjit_context *context, const char *body, const char *want)
{
    char program_text[400];
    snprintf(program_text, sizeof program_text, "def f(x: f32[i, j], y: f32[j, k]):\n    return %s\n", body);
    einjit_graph *graph = api_graph(context, program_text);
    char *text = explain(context, graph, "path");
    if (!strstr(text, want)) fail_msg("%s: no '%s' in\n%s", body, want, text);
    einjit_graph *again = api_graph(context, text);
    einjit_graph_destroy(again);
    einjit_graph_destroy(graph);
    free(text);
}

/* Python's numbers take the dtype of what they meet; where they meet nothing of theirs, the text says the dtype. */
static void numbers_in_texts_keep_their_dtypes(void **state)
{
    (void)state;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_NO_OPTIMIZE};
    einjit_context *context;
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    path_is(context, "imag(x)", "tensor(0.0, dtype=f32)");
    path_is(context, "stack([x[0, 0], 2])", "tensor(2.0, dtype=f32)");
    path_is(context, "(x > y[0, 0]) + True", "tensor(True, dtype=bool)");
    path_is(context, "einsum(\"ij,->ij\", x, 3, combine=\"add\")", "tensor(3.0, dtype=f32)");
    path_is(context, "x * 0.1", "x * 0.1\n");
    path_is(context, "where(x > 0, 0.5, x)", "where(gt_1, 0.5, x)");
    path_is(context, "einsum(\"ij,->ij\", x, 3)", "einsum_2 * 3.0\n");
    path_is(context, "x, 2, imag(x[0, 0])", ", 2, tensor_1\n");
    path_is(context, "x.to(i32).sum_to_size(x[0].shape)",
            "sum_1 = sum(to_1, dim=0)\n    sum_to_size_1 = sum_1.to(i32)\n    return sum_to_size_1");
    path_is(context, "x, einsum(\",->\", 2.0, 3.0)", "einsum(\",->\", tensor_1, tensor_2)");
    einjit_context_release(context);
}

static void every_stage_has_a_text(void **state)
{
    CONTEXT_OR_SKIP(context);
    const char *stages[] = {"graph", "opt+", "opt", "stats", "bind", "path", "plan", "schedule", "nest", "cost", "key"};
    einjit_graph *graph = api_graph(context, program);
    for (int i = 0; i < 11; i++) {
        char *text = explain(context, graph, stages[i]);
        assert_true(strlen(text) > 10);
        free(text);
    }
    char *text = explain(context, graph, "graph");
    assert_string_equal(text, program);
    free(text);
    text = explain(context, graph, "key");
    assert_non_null(strstr(text, "input 1: f32[16, 4]\n"));
    free(text);
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.entries, 0);
    einjit_graph_destroy(graph);
}

static void passes_are_reported(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, "def forward(a: f32[i, j], b: f32[j, k]):\n"
                                             "    dead = exp(a)\n    return einsum(\"ij,jk->ik\", a, b)\n");
    char *text = explain(context, graph, "stats"), *again = explain(context, graph, "stats");
    assert_string_equal(text, again);
    assert_non_null(strstr(text, "dce                1          4 -> 3                        1024 "));
    free(text);
    free(again);
    text = explain(context, graph, "opt+");
    const char *before =
        strstr(text, "# before pass dce\ndef forward(a: f32[i, j], b: f32[j, k]):\n    dead = exp(a)\n");
    const char *after =
        strstr(text, "\n# after pass dce: 1 change\ndef forward(a: f32[i, j], b: f32[j, k]):\n    einsum_1 = ");
    assert_true(before == text && after > before);
    free(text);
    einjit_graph_destroy(graph);
    graph = api_graph(context, "def forward(a: f32[i, j], b: f32[j, k]):\n    return a, b\n");
    text = explain(context, graph, "opt+");
    assert_string_equal(text,
                        "# no pass changes this program\ndef forward(a: f32[i, j], b: f32[j, k]):\n    return a, b\n");
    free(text);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void code_has_a_text(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    einjit_context *context = api_context("llvm");
    einjit_graph *graph = api_graph(context, program);
    char *text = explain(context, graph, "ir");
    assert_non_null(strstr(text, "define "));
    free(text);
    text = explain(context, graph, "asm");
    assert_non_null(strstr(text, "ret"));
    assert_null(strstr(text, "define "));
    free(text);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* What the passes know of an equation's extents: one where they agree, nothing where they broadcast. */
static void equations_take_what_broadcasts(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph;
    const einjit_tensor same[] = {F32(NULL, 8, 16), F32(NULL, 16, 4)}, one[] = {F32(NULL, 8, 1), F32(NULL, 16, 4)};
    char text[1000];
    assert_int_equal(einjit_graph_from_equation(&graph, context, "ij,jk->ik", &err), EINJIT_OK);
    assert_int_equal(einjit_explain(context, graph, 2, same, NULL, "opt", text, sizeof text, NULL, &err), EINJIT_OK);
    assert_non_null(strstr(text, "(a: f32[i, j], b: f32[j, k])"));
    assert_int_equal(einjit_explain(context, graph, 2, one, NULL, "opt", text, sizeof text, NULL, &err), EINJIT_OK);
    assert_non_null(strstr(text, "(a: f32[i, j:], b: f32[j:, k])"));
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void texts_are_cut_to_the_buffer(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, program);
    char small[12];
    size_t needed = 0;
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4)};
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, "graph", small, sizeof small, &needed, &err),
                     EINJIT_OK);
    assert_string_equal(small, "def forward");
    assert_int_equal(needed, strlen(program));
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void unknown_stages_are_refused(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, program);
    const einjit_tensor in[] = {F32(NULL, 8, 16), F32(NULL, 16, 4)}, bad[] = {F32(NULL, 8, 16), F32(NULL, 15, 4)};
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, "tape", NULL, 0, NULL, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, "time", NULL, 0, NULL, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, NULL, NULL, 0, NULL, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, "asm", NULL, 0, NULL, &err), EINJIT_E_UNSUPPORTED);
    assert_int_not_equal(einjit_explain(context, graph, 2, bad, NULL, "plan", NULL, 0, NULL, &err), EINJIT_OK);
    assert_int_equal(einjit_explain(context, graph, 1, in, NULL, "plan", NULL, 0, NULL, &err), EINJIT_E_OPERAND_COUNT);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void costs_are_counted(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, "def forward(a, b, c):\n    return einsum(\"ij,jk,kl->il\", a, b, c)\n");
    const einjit_tensor in[] = {F32(NULL, 10, 20), F32(NULL, 20, 30), F32(NULL, 30, 40)};
    einjit_cost cost;
    memset(&cost, 0xFF, sizeof cost);
    cost.struct_bytes = sizeof cost;
    assert_int_equal(einjit_plan_cost(&cost, context, graph, 3, in, NULL, &err), EINJIT_OK);
    /* (ij,jk)->ik costs 6000, (ik,kl)->il 12000 multiplications; all at once 240000 steps of the loop */
    assert_true(cost.log10_mults > 4.2552 && cost.log10_mults < 4.2553);
    assert_true(cost.naive_operations >= 240000 && cost.planned_operations >= 18000);
    assert_true(cost.planned_operations < cost.naive_operations);
    assert_true(cost.steps >= 2 && cost.steps < 10);
    assert_true(cost.scratch_bytes >= 10 * 30 * 4 && cost.scratch_bytes < 1 << 20);
    assert_true(cost.bytes_moved >= (200 + 600 + 1200 + 400 + 600) * 4);
    assert_int_equal(einjit_plan_cost(NULL, context, graph, 3, in, NULL, &err), EINJIT_E_INVALID);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(every_stage_has_a_text),
        cmocka_unit_test(numbers_in_texts_keep_their_dtypes),
        cmocka_unit_test(passes_are_reported),
        cmocka_unit_test(code_has_a_text),
        cmocka_unit_test(equations_take_what_broadcasts),
        cmocka_unit_test(texts_are_cut_to_the_buffer),
        cmocka_unit_test(unknown_stages_are_refused),
        cmocka_unit_test(costs_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
