/* test_graph_build.c - nodes, symbols and results of a graph. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void appended_nodes_are_copies_with_names(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 2), b = graph_input(&f, EINJIT_F32, 2);
    ej_value e = graph_einsum(&f, "ij,jk->ik", a, b);
    graph_output(&f, e);
    assert_int_equal(f.graph.n_nodes, 3);
    assert_int_equal(f.graph.n_inputs, 2);
    assert_int_equal(f.graph.inputs[1], b);
    assert_int_equal(f.graph.outputs[0], e);
    assert_string_equal(f.graph.nodes[e].name, "einsum_1");
    assert_string_equal(f.graph.name, "forward");
    assert_int_equal(ej_graph_verify(&f.graph, NULL), EINJIT_OK);
    graph_close(&f);
}

static void operands_and_names_are_checked(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value out = 99, in[] = {0};
    ej_node self = {.op = EJ_OP_CAST, .n_in = 1, .in = in}, bad = {.op = EJ_OP_INPUT, .rank = -1, .name = "2x"};
    ej_node twice = {.op = EJ_OP_INPUT, .rank = -1, .dtype = -1, .name = "x"};
    assert_int_equal(ej_graph_append(&f.graph, &self, &out, NULL), EINJIT_E_INVALID);
    assert_int_equal(ej_graph_append(&f.graph, &bad, &out, NULL), EINJIT_E_NAME);
    assert_int_equal(out, 99);
    assert_int_equal(ej_graph_append(&f.graph, &twice, &out, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_append(&f.graph, &twice, &out, &f.err), EINJIT_E_NAME);
    assert_string_equal(f.err.text, "the name 'x' is taken");
    assert_int_equal(ej_graph_output(&f.graph, 1, NULL), EINJIT_E_INVALID);
    assert_int_equal(ej_graph_output(&f.graph, -1, NULL), EINJIT_E_INVALID);
    int32_t symbol;
    assert_int_equal(ej_graph_symbol(&f.graph, "a b", 3, &symbol, NULL), EINJIT_E_NAME);
    assert_int_equal(f.graph.n_nodes, 1);
    graph_close(&f);
}

static void uses_count_operands_and_results(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_map(&f, EJ_FN_MUL, x, x), z = graph_map(&f, EJ_FN_ADD, y, x);
    graph_output(&f, y);
    graph_output(&f, y);
    uint32_t *uses = ej_graph_uses(&f.graph, &f.arena);
    assert_int_equal(uses[x], 3);
    assert_int_equal(uses[y], 3);
    assert_int_equal(uses[z], 0);
    graph_close(&f);
}

static void every_op_has_a_word(void **state)
{
    (void)state;
    for (int op = 0; op < EJ_OP_COUNT; op++) assert_true(ej_op_name(op)[0] > ' ' && ej_op_name(op)[0] != '?');
    assert_string_equal(ej_op_name(EJ_OP_EINSUM), "einsum");
    assert_string_equal(ej_op_name(-1), "?");
    assert_string_equal(ej_op_name(EJ_OP_COUNT), "?");
}

static void a_graph_can_be_freed_twice(void **state)
{
    (void)state;
    graph_memory memory;
    ej_graph graph;
    graph_memory_init(&memory, -1);
    assert_int_equal(ej_graph_init(&graph, &memory.hooks, NULL), EINJIT_OK);
    ej_graph_free(&graph);
    ej_graph_free(&graph);
    assert_int_equal(memory.live_bytes, 0);
}

static int build(ej_graph *graph, const einjit_allocator *allocator)
{
    int32_t symbol;
    EJ_TRY(ej_graph_init(graph, allocator, NULL));
    for (int i = 0; i < 40; i++) {
        char name[8] = {(char)('a' + i % 26), (char)('a' + i / 26)};
        ej_node node = {.op = EJ_OP_INPUT, .dtype = -1, .rank = -1, .name = i % 2 ? name : NULL};
        ej_value v;
        EJ_TRY(ej_graph_append(graph, &node, &v, NULL));
        EJ_TRY(ej_graph_symbol(graph, name, 2, &symbol, NULL));
        EJ_TRY(ej_graph_output(graph, v, NULL));
    }
    return EINJIT_OK;
}

static void after_every_lack_of_memory_the_graph_is_whole(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        ej_graph graph;
        graph_memory_init(&memory, fail_at);
        memset(&graph, 0, sizeof graph);
        status = build(&graph, &memory.hooks);
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        memory.fail_at = -1;
        if (graph.names) assert_int_equal(ej_graph_verify(&graph, NULL), EINJIT_OK);
        if (graph.names) ej_graph_free(&graph);
        assert_int_equal(memory.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_nodes_are_copies_with_names),
        cmocka_unit_test(operands_and_names_are_checked),
        cmocka_unit_test(uses_count_operands_and_results),
        cmocka_unit_test(every_op_has_a_word),
        cmocka_unit_test(a_graph_can_be_freed_twice),
        cmocka_unit_test(after_every_lack_of_memory_the_graph_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
