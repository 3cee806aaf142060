/* test_opt_edit.c - how passes change graphs: new nodes, replacements, names, and edits that come to nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"
#include "opt.h"

static void an_edit_without_a_change_leaves_the_graph(void **state)
{
    (void)state;
    graph_fixture f;
    ej_edit e;
    ej_value made;
    size_t n_changed = 0;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 1);
    graph_map(&f, EJ_FN_SIN, x, -1); /* dead: dropping it would be a change */
    graph_output(&f, graph_map(&f, EJ_FN_EXP, x, -1));
    assert_int_equal(ej_edit_begin(&e, &f.graph, &f.job), EINJIT_OK);
    assert_int_equal(ej_edit_map(&e, EJ_FN_COS, 1, &x, &made), EINJIT_OK);
    assert_int_equal(f.graph.n_nodes, 4);
    assert_int_equal(ej_edit_commit(&e, false, &n_changed), EINJIT_OK);
    assert_int_equal(n_changed, 0);
    assert_int_equal(f.graph.n_nodes, 3);
    assert_int_equal(ej_graph_find_value(&f.graph, "cos_1", 5), -1);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    graph_close(&f);
}

static void what_takes_a_place_takes_the_name(void **state)
{
    (void)state;
    graph_fixture f;
    ej_edit e;
    ej_value made, again;
    size_t n_changed = 0;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 1), old = graph_map(&f, EJ_FN_SIN, x, -1);
    graph_output(&f, graph_map(&f, EJ_FN_EXP, old, -1));
    assert_int_equal(ej_edit_begin(&e, &f.graph, &f.job), EINJIT_OK);
    assert_int_equal(ej_edit_map(&e, EJ_FN_COS, 1, &x, &made), EINJIT_OK);
    assert_int_equal(ej_edit_map(&e, EJ_FN_TAN, 1, &made, &again), EINJIT_OK);
    assert_true(ej_edit_replace(&e, old, again, EJ_RULE_CANON_TWICE));
    assert_int_equal(ej_edit_value(&e, old), again);
    assert_int_equal(ej_edit_commit(&e, false, &n_changed), EINJIT_OK);
    assert_int_equal(n_changed, 1);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    assert_int_equal(f.graph.n_nodes, 4);
    ej_value named = ej_graph_find_value(&f.graph, "sin_1", 5);
    assert_true(named > 0);
    assert_int_equal(f.graph.nodes[named].fn, EJ_FN_TAN);
    assert_int_equal(f.graph.nodes[f.graph.outputs[0]].in[0], named);
    graph_close(&f);
}

static void names_stay_with_what_they_named(void **state)
{
    (void)state;
    graph_expect("canon",
                 "def forward(x: f32[i, j], w: f32[j, k]):\n    t = transpose(x, 0, 1)\n    u = transpose(t, 0, 1)\n"
                 "    v = u @ w\n    n = -v\n    r = x.sum(dim=0) - n.sum()\n    return r, t\n",
                 "def forward(x: f32[i, j], w: f32[j, k]):\n    t = permute(x, (1, 0))\n    v = x @ w\n    n = -v\n"
                 "    sum_1 = sum(x, dim=0)\n    sum_2 = sum(n)\n    r = sum_1 - sum_2\n    return r, t\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_without_a_change_leaves_the_graph),
        cmocka_unit_test(what_takes_a_place_takes_the_name),
        cmocka_unit_test(names_stay_with_what_they_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
