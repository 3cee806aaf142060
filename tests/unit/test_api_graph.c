/* test_api_graph.c - public calls on whole graphs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "graph_support.h"
#include "pipeline.h"

static einjit_context *context;

static int open_context(void **state)
{
    (void)state;
    context = api_context("interp");
    return 0;
}

static int close_context(void **state)
{
    (void)state;
    einjit_context_release(context);
    return 0;
}

static void null_handles_are_refused(void **state)
{
    (void)state;
    einjit_graph *graph = NULL;
    einjit_error err;
    assert_int_equal(einjit_graph_create(NULL, context, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_create(&graph, NULL, NULL), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_parse(&graph, context, NULL, 0, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_from_equation(&graph, context, NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_freeze(NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_print(NULL, NULL, 0, NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_verify(NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_optimize(NULL, NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_node_count(NULL), 0);
    assert_null(einjit_graph_input_name(NULL, 0));
    einjit_graph_destroy(NULL);
    assert_null(graph);
}

static void a_failed_call_changes_no_output(void **state)
{
    (void)state;
    einjit_graph *graph = NULL;
    einjit_error err;
    assert_int_equal(einjit_graph_from_equation(&graph, context, "i->j", &err), EINJIT_E_OUT_UNKNOWN);
    assert_int_equal(err.column, 4);
    assert_int_not_equal(einjit_graph_parse(&graph, context, "def f(", SIZE_MAX, &err), EINJIT_OK);
    assert_null(graph);
}

static void an_equation_becomes_a_graph(void **state)
{
    (void)state;
    einjit_graph *graph;
    assert_int_equal(einjit_graph_from_equation(&graph, context, "zij,zjk->zik", NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_input_count(graph), 2);
    assert_int_equal(einjit_graph_output_count(graph), 1);
    assert_int_equal(einjit_graph_node_count(graph), 3);
    assert_string_equal(einjit_graph_input_name(graph, 1), "b");
    assert_null(einjit_graph_input_name(graph, 2));
    assert_int_equal(einjit_graph_verify(graph, NULL), EINJIT_OK);
    einjit_graph_destroy(graph);
}

static void a_graph_outlives_its_owner_of_the_context(void **state)
{
    (void)state;
    einjit_context *own = api_context("interp");
    einjit_graph *graph;
    assert_int_equal(einjit_graph_create(&graph, own, NULL), EINJIT_OK);
    einjit_context_release(own);
    einjit_value x;
    assert_int_equal(einjit_graph_input(&x, graph, "x", -1, -1, NULL, NULL, NULL), EINJIT_OK);
    einjit_graph_destroy(graph);
}

static void text_printed_is_text_read(void **state)
{
    (void)state;
    const char *program = "def forward(a: f32[i, j], b: f32[j, k]):\n    return relu(einsum(\"ij,jk->ik\", a, b))\n";
    einjit_graph *graph = api_graph(context, program), *back;
    char text[500], again[500], tiny[5];
    size_t needed = 0, n_again = 0;
    assert_int_equal(einjit_graph_print(graph, NULL, 0, &needed, NULL), EINJIT_OK);
    assert_true(needed > 40 && needed < sizeof text);
    assert_int_equal(einjit_graph_print(graph, text, sizeof text, NULL, NULL), EINJIT_OK);
    assert_int_equal(strlen(text), needed);
    assert_int_equal(einjit_graph_print(graph, tiny, sizeof tiny, &needed, NULL), EINJIT_OK);
    assert_int_equal(strlen(tiny), 4);
    assert_int_equal(einjit_graph_print(graph, NULL, 5, &needed, NULL), EINJIT_E_INVALID);
    assert_int_equal(einjit_graph_parse(&back, context, text, needed, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_print(back, again, sizeof again, &n_again, NULL), EINJIT_OK);
    assert_string_equal(again, text);
    einjit_graph_destroy(graph);
    einjit_graph_destroy(back);
}

static void a_frozen_graph_does_not_change(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f32[i]):\n    y = exp(x)\n    return x\n");
    einjit_error err;
    einjit_value v = 0;
    assert_int_equal(einjit_graph_freeze(graph, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_freeze(graph, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_float(&v, graph, 1.0, &err), EINJIT_E_FROZEN);
    assert_int_equal(einjit_graph_output(graph, 0, &err), EINJIT_E_FROZEN);
    assert_int_equal(einjit_optimize(graph, NULL, &err), EINJIT_E_FROZEN);
    assert_int_equal(einjit_graph_freeze(graph, &err), EINJIT_OK); /* refusals do not stick to it */
    einjit_graph_destroy(graph);
}

static void what_is_not_complete_cannot_be_frozen(void **state)
{
    (void)state;
    einjit_graph *graph;
    einjit_value v;
    assert_int_equal(einjit_graph_create(&graph, context, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_freeze(graph, NULL), EINJIT_E_VALUE); /* no result */
    assert_int_equal(einjit_graph_float(&v, graph, 1.0, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_output(graph, v, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_to(&v, graph, v, 77, NULL), EINJIT_E_DTYPE);
    assert_int_equal(einjit_graph_freeze(graph, NULL), EINJIT_E_DTYPE);
    assert_int_equal(einjit_optimize(graph, NULL, NULL), EINJIT_E_DTYPE);
    einjit_graph_destroy(graph);
}

static uint64_t names; /* of the graph that content() made last */

static ej_hash content(const float *data, const char *name)
{
    einjit_graph *graph;
    einjit_value c, x;
    einjit_tensor tensor = F32((void *)data, 2);
    assert_int_equal(einjit_graph_create(&graph, context, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_input(&x, graph, name, EINJIT_F32, 1, NULL, NULL, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_constant(&c, graph, &tensor, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_add(&c, graph, c, x, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_output(graph, c, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_freeze(graph, NULL), EINJIT_OK);
    ej_hash hash = graph->content;
    names = graph->names;
    einjit_graph_destroy(graph);
    return hash;
}

static void content_is_structure_and_constants_without_names(void **state)
{
    (void)state;
    const float one[2] = {1, 2}, other[2] = {1, 3};
    assert_true(ej_hash_same(content(one, "x"), content(one, "x")));
    assert_false(ej_hash_same(content(one, "x"), content(other, "x")));
    ej_hash x = content(one, "x");
    uint64_t names_of_x = names;
    ej_hash y = content(one, "y");
    assert_true(ej_hash_same(x, y) && names != names_of_x);
    content(one, "x");
    assert_true(names == names_of_x);
}

static void *freeze(void *graph)
{
    return einjit_graph_freeze(graph, NULL) ? graph : NULL;
}

static void many_threads_may_freeze_one_graph(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f32[i]):\n    return exp(x)\n");
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, freeze, graph), 0);
    for (int i = 0; i < 8; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    einjit_graph_destroy(graph);
}

static void passes_run_on_request(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(a: f32[i, j], b: f32[j, k]):\n    t = einsum(\"ij,jk->ik\", a, b)\n"
                                             "    u = exp(t)\n    return einsum(\"ik->i\", t)\n");
    einjit_error err;
    assert_int_equal(einjit_optimize(graph, "nothing", &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_graph_node_count(graph), 5);
    assert_int_equal(einjit_optimize(graph, "fuse", &err), EINJIT_OK); /* t has two users */
    assert_int_equal(einjit_graph_node_count(graph), 5);
    assert_int_equal(einjit_optimize(graph, NULL, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_node_count(graph), 3);
    einjit_graph_destroy(graph);
}

static int use_memory(const einjit_allocator *hooks)
{
    einjit_options options = {.struct_bytes = sizeof options, .allocator = hooks, .backend = "interp"};
    einjit_context *own = NULL;
    einjit_graph *graph = NULL;
    einjit_value x, y;
    char text[200];
    int status = einjit_context_create(&own, &options, NULL);
    if (!status) status = einjit_graph_create(&graph, own, NULL);
    if (!status)
        status = einjit_graph_input(&x, graph, "x", EINJIT_F32, 1, (int64_t[]){-1}, (const char *[]){"n"}, NULL);
    if (!status) status = einjit_graph_einsum(&y, graph, "i,i->", 2, (einjit_value[]){x, x}, NULL);
    if (!status) status = einjit_graph_output(graph, y, NULL);
    if (!status) status = einjit_optimize(graph, NULL, NULL);
    if (!status) status = einjit_graph_print(graph, text, sizeof text, NULL, NULL);
    if (!status) status = einjit_graph_freeze(graph, NULL);
    einjit_graph_destroy(graph);
    graph = NULL;
    if (!status) status = einjit_graph_from_equation(&graph, own, "ij,jk", NULL);
    einjit_graph_destroy(graph);
    einjit_context_release(own);
    return status;
}

static void every_lack_of_memory_is_reported_and_nothing_leaks(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        graph_memory_init(&memory, fail_at);
        status = use_memory(&memory.hooks);
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        assert_int_equal(memory.live_bytes, 0);
        assert_true(fail_at < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_handles_are_refused),
        cmocka_unit_test(a_failed_call_changes_no_output),
        cmocka_unit_test(an_equation_becomes_a_graph),
        cmocka_unit_test(a_graph_outlives_its_owner_of_the_context),
        cmocka_unit_test(text_printed_is_text_read),
        cmocka_unit_test(a_frozen_graph_does_not_change),
        cmocka_unit_test(what_is_not_complete_cannot_be_frozen),
        cmocka_unit_test(content_is_structure_and_constants_without_names),
        cmocka_unit_test(many_threads_may_freeze_one_graph),
        cmocka_unit_test(passes_run_on_request),
        cmocka_unit_test(every_lack_of_memory_is_reported_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
