/* test_opt.c - the table of passes, the runner, and graphs of 100,000 nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void all_passes_run_when_none_is_named(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 2), b = graph_input(&f, EINJIT_F32, 2);
    ej_value t = graph_einsum(&f, "ij,jk->ik", a, b);
    graph_map(&f, EJ_FN_EXP, t, -1); /* dead: it must not keep t apart */
    graph_output(&f, graph_einsum(&f, "ik,kl->il", t, b));
    graph_optimize(&f, NULL);
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    assert_int_equal(f.graph.n_nodes, 3);
    graph_close(&f);
}

static void passes_are_chosen_by_name(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), a = graph_map(&f, EJ_FN_EXP, x, -1), b = graph_map(&f, EJ_FN_EXP, x, -1);
    graph_map(&f, EJ_FN_SIN, x, -1);
    graph_output(&f, graph_map(&f, EJ_FN_ADD, a, b));
    graph_optimize(&f, "");
    assert_int_equal(f.graph.n_nodes, 5);
    graph_optimize(&f, "cse");
    assert_int_equal(f.graph.n_nodes, 4);
    graph_optimize(&f, " fuse, dce ,");
    assert_int_equal(f.graph.n_nodes, 3);
    graph_close(&f);
}

static void an_unknown_pass_is_refused_before_any_runs(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    graph_map(&f, EJ_FN_SIN, x, -1);
    graph_output(&f, x);
    assert_int_equal(ej_opt_run(&f.graph, "dce,ds", &f.job), EINJIT_E_VALUE);
    assert_non_null(strstr(f.err.text, "there is no pass 'ds': there are dce, "));
    assert_int_equal(f.graph.n_nodes, 2);
    graph_close(&f);
}

static void a_broken_graph_is_noticed_when_asked(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    graph_output(&f, x);
    f.graph.nodes[x].dtype = 99;
    assert_int_equal(ej_opt_run(&f.graph, NULL, &f.job), EINJIT_E_INTERNAL);
    f.job.verify = false;
    assert_int_equal(ej_opt_run(&f.graph, NULL, &f.job), EINJIT_OK);
    graph_close(&f);
}

enum { LONG = 100000 };

/* The stack of a thread is small on some systems; here deep recursion would show as a crash under a small limit. */
static void a_chain_of_100000_nodes_is_optimized_copied_and_freed(void **state)
{
    (void)state;
    graph_fixture f;
    ej_graph copy;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F64, 1), v = x, w = x;
    for (int i = 0; i < LONG / 2; i++) { /* two equal chains */
        v = graph_map(&f, i % 2 ? EJ_FN_SIN : EJ_FN_COS, v, -1);
        w = graph_map(&f, i % 2 ? EJ_FN_SIN : EJ_FN_COS, w, -1);
    }
    graph_output(&f, graph_map(&f, EJ_FN_ADD, v, w));
    ej_value dead = x;
    for (int i = 0; i < LONG / 2; i++) dead = graph_map(&f, EJ_FN_EXP, dead, -1);
    assert_int_equal(ej_graph_copy(&copy, &f.graph, &ej_malloc_allocator, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_verify(&copy, NULL), EINJIT_OK);
    assert_int_equal(copy.n_nodes, LONG + LONG / 2 + 2);
    ej_graph_free(&copy);
    graph_optimize(&f, NULL);
    assert_int_equal(f.graph.n_nodes, LONG / 2 + 2);
    graph_close(&f);
}

static void a_chain_of_100000_einsums_becomes_one(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value m = graph_input(&f, EINJIT_F64, 2), v = graph_input(&f, EINJIT_F64, 1);
    for (int i = 0; i < LONG; i++) v = graph_einsum(&f, "ij,j->i", m, v);
    graph_output(&f, v);
    graph_optimize(&f, "fuse");
    assert_int_equal(f.graph.n_nodes, 3);
    assert_int_equal(f.graph.nodes[2].n_in, LONG + 1);
    assert_int_equal(f.graph.nodes[2].equation->n_labels, LONG + 1);
    graph_close(&f);
}

static void thousands_of_terms_are_factored(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 2), sum = -1;
    for (int i = 0; i < 5000; i++) {
        ej_value c = graph_map(&f, EJ_FN_EXP, a, -1),
                 term = graph_einsum(&f, "ij,jk->ik", i % 2 ? a : c, i % 3 ? c : a);
        sum = sum < 0 ? term : graph_map(&f, EJ_FN_ADD, sum, term);
    }
    graph_output(&f, sum);
    graph_optimize(&f, "distribute");
    assert_true(graph_count(&f, EJ_OP_EINSUM) < 5000);
    graph_close(&f);
}

static void offers_are_written_in_one_level_deep(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 2);
    for (int i = 0; i < 10; i++) {
        x = graph_einsum(&f, "ij,jk->ik", x, x);
        x = graph_einsum(&f, "ij,jk->ik", x, graph_input(&f, EINJIT_F32, 2));
        graph_output(&f, x);
    }
    graph_optimize(&f, "offer");
    for (size_t v = 0; v < f.graph.n_nodes; v++) assert_true(f.graph.nodes[v].n_in <= 4);
    size_t n = f.graph.n_nodes;
    graph_optimize(&f, "offer"); /* finds nothing more */
    assert_int_equal(f.graph.n_nodes, n);
    graph_close(&f);
}

static void lack_of_memory_leaves_a_whole_graph(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        graph_fixture f;
        graph_open(&f);
        ej_value a = graph_input(&f, EINJIT_F32, 2), b = graph_input(&f, EINJIT_F32, 2);
        ej_value t = graph_einsum(&f, "ij,jk->ik", a, b), u = graph_einsum(&f, "ij,jk->ik", a, b);
        graph_output(&f, graph_einsum(&f, "i...,i...->i", t, b));
        graph_output(&f, u);
        graph_output(&f, graph_einsum(&f, "ij,j->", a, graph_einsum(&f, "ij->j", b, -1)));
        graph_memory_init(&memory, fail_at);
        ej_arena_free(&f.arena);
        ej_arena_init(&f.arena, &memory.hooks);
        f.job.verify = false;
        status = ej_opt_run(&f.graph, NULL, &f.job);
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        assert_int_equal(ej_graph_verify(&f.graph, NULL), EINJIT_OK);
        graph_close(&f);
        assert_int_equal(memory.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_passes_run_when_none_is_named),
        cmocka_unit_test(passes_are_chosen_by_name),
        cmocka_unit_test(an_unknown_pass_is_refused_before_any_runs),
        cmocka_unit_test(a_broken_graph_is_noticed_when_asked),
        cmocka_unit_test(a_chain_of_100000_nodes_is_optimized_copied_and_freed),
        cmocka_unit_test(a_chain_of_100000_einsums_becomes_one),
        cmocka_unit_test(thousands_of_terms_are_factored),
        cmocka_unit_test(offers_are_written_in_one_level_deep),
        cmocka_unit_test(lack_of_memory_leaves_a_whole_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
