/* test_opt_fuse_equation.c - ids of merged einsums, integer labels, many labels. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void ids_are_dense_again(void **state)
{
    (void)state;
    graph_fixture f; /* with the fixture's verification after the pass */
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 3), b = graph_input(&f, EINJIT_F32, 3);
    ej_value t = graph_einsum(&f, "zyx,xwv->vzyw", b, a);
    graph_output(&f, graph_einsum(&f, "ab,dcba->dc", graph_einsum(&f, "ijk->kj", a, -1), t));
    graph_optimize(&f, "fuse");
    const ej_equation *e = f.graph.nodes[f.graph.outputs[0]].equation;
    assert_int_equal(e->n_terms, 3);
    assert_int_equal(e->terms[0].labels[0], 0);
    assert_int_equal(e->terms[0].labels[2], 2);
    graph_close(&f);
}

static ej_value integer_einsum(graph_fixture *f, ej_value x, const int32_t *labels, int32_t out)
{
    ej_node node = {.op = EJ_OP_EINSUM, .n_in = 1, .in = EJ_NEW(&f->graph.arena, ej_value)};
    ej_value v;
    *node.in = x;
    node.equation = EJ_NEW(&f->graph.arena, ej_equation);
    assert_int_equal(ej_equation_from_labels(node.equation, &f->graph.arena, 1, (int32_t[]){2}, labels, 1, &out, NULL),
                     EINJIT_OK);
    assert_int_equal(ej_graph_append(&f->graph, &node, &v, NULL), EINJIT_OK);
    return v;
}

static void integer_labels_stay_integers(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value t = integer_einsum(&f, graph_input(&f, EINJIT_F32, 2), (int32_t[]){0, 900}, 0);
    ej_value u = graph_einsum(&f, "...i->i...", t, -1);
    graph_output(&f, integer_einsum(&f, graph_einsum(&f, ",->", u, u), (int32_t[]){0, 1}, 1));
    f.graph.nodes[f.graph.n_nodes - 2].equation->integer_labels = true;
    graph_optimize(&f, "fuse"); /* u has two uses; its own producer merges into it: letters and integers mix */
    const ej_node *node = &f.graph.nodes[1];
    assert_int_equal(node->op, EJ_OP_EINSUM);
    assert_true(node->equation->integer_labels);
    assert_int_equal(node->equation->symbols[0], 0);
    assert_int_equal(node->equation->symbols[1], 1);
    graph_close(&f);
}

static void thousands_of_labels_merge(void **state)
{
    (void)state;
    enum { N = 20000 };
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 2), t = x;
    for (int i = 0; i < N; i++) t = graph_einsum(&f, "ij,jk->ik", x, t);
    graph_output(&f, t);
    graph_optimize(&f, "fuse");
    const ej_equation *e = f.graph.nodes[f.graph.outputs[0]].equation;
    assert_int_equal(e->n_labels, N + 2);
    ej_equation back;
    const char *text = graph_equation(&f, 0);
    assert_int_equal(ej_equation_parse(&back, &f.arena, text, strlen(text), N + 1, NULL), EINJIT_OK);
    assert_int_equal(back.n_labels, N + 2);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_dense_again),
        cmocka_unit_test(integer_labels_stay_integers),
        cmocka_unit_test(thousands_of_labels_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
