/* test_opt_dce.c - dead code. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void values_without_use_are_dropped_with_their_operands(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    ej_value kept = graph_map(&f, EJ_FN_EXP, x, -1);
    graph_map(&f, EJ_FN_SIN, graph_map(&f, EJ_FN_ADD, kept, y), -1);
    graph_output(&f, kept);
    graph_optimize(&f, "dce");
    assert_int_equal(f.graph.n_nodes, 3);
    assert_int_equal(graph_count(&f, EJ_OP_INPUT), 2); /* y is dead, but part of the signature */
    graph_close(&f);
}

static void a_graph_without_dead_code_does_not_change(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    graph_output(&f, graph_map(&f, EJ_FN_EXP, x, -1));
    size_t n_changed = 9;
    assert_int_equal(ej_passes[0].run(&f.graph, &f.job, &n_changed), EINJIT_OK);
    assert_string_equal(ej_passes[0].name, "dce");
    assert_int_equal(n_changed, 0);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_without_use_are_dropped_with_their_operands),
        cmocka_unit_test(a_graph_without_dead_code_does_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
