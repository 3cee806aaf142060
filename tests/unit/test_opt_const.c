/* test_opt_const.c - how much is computed at compile time (what is: tests/passes/const.cases). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static ej_value ramp(graph_fixture *f, int64_t n, int64_t m)
{
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = EINJIT_F64, .rank = 2, .n_extents = 2};
    ej_value v = -1;
    double *data = EJ_NEW_ARRAY(&f->graph.arena, double, (size_t)(n * m));
    node.extents = EJ_NEW_ARRAY(&f->graph.arena, ej_extent, 2);
    assert_true(data && node.extents);
    for (int64_t i = 0; i < n * m; i++) data[i] = (double)(i % 7);
    node.extents[0].n = n;
    node.extents[1].n = m;
    node.data = data;
    assert_int_equal(ej_graph_append(&f->graph, &node, &v, &f->err), EINJIT_OK);
    return v;
}

static void work_and_growth_are_bounded(void **state)
{
    (void)state;
    const struct {
        int64_t n, m;
        const char *equation;
        size_t einsums;
    } cases[] = {
        {20, 20, "ij,jk->ik", 0},
        {200, 200, "ij,jk->ik", 1}, /* 8 million products */
        {360, 1, "ij,kl->ijkl", 0}, /* 1.04 MB of which 2 * 2.9 KB were there */
        {363, 1, "ij,kl->ijkl", 1}, /* 1.05 MB: too large (and 2^18 is not reached) */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        graph_fixture f;
        graph_open(&f);
        ej_value a = ramp(&f, cases[i].n, cases[i].m), b = ramp(&f, cases[i].n, cases[i].m);
        graph_output(&f, graph_einsum(&f, cases[i].equation, a, b));
        graph_optimize(&f, "const");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), cases[i].einsums);
        graph_close(&f);
    }
}

static void what_is_refused_is_computed_up_to_there(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = ramp(&f, 200, 200), b = graph_map(&f, EJ_FN_ADD, a, a);
    graph_output(&f, graph_einsum(&f, "ij,jk->ik", b, a));
    graph_optimize(&f, "const");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    assert_int_equal(graph_count(&f, EJ_OP_MAP), 0);
    assert_int_equal(graph_count(&f, EJ_OP_CONSTANT), 2);
    graph_close(&f);
}

static void nobody_to_compute_is_nothing_to_do(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    graph_output(&f, graph_map(&f, EJ_FN_SQRT, graph_literal(&f, 4.0), -1));
    f.job.evaluator = NULL;
    graph_optimize(&f, "const");
    assert_int_equal(graph_count(&f, EJ_OP_MAP), 1);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_and_growth_are_bounded),
        cmocka_unit_test(what_is_refused_is_computed_up_to_there),
        cmocka_unit_test(nobody_to_compute_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
