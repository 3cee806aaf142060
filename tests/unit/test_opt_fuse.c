/* test_opt_fuse.c - which einsums merge, by their users, reductions and dtypes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static ej_value f32(graph_fixture *f, int rank)
{
    return graph_input(f, EINJIT_F32, rank);
}

static void an_einsum_used_once_is_merged(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2), c = f32(&f, 2);
    ej_value t = graph_einsum(&f, "ij,jk->ik", a, b);
    graph_output(&f, graph_einsum(&f, "ik,kl->il", t, c));
    graph_optimize(&f, "fuse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    assert_string_equal(graph_equation(&f, 0), "ij,jk,kl->il");
    assert_int_equal(f.graph.nodes[3].in[1], b);
    graph_close(&f);
}

static void whole_trees_are_merged_in_the_order_of_their_operands(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2), c = f32(&f, 2), d = f32(&f, 2);
    ej_value left = graph_einsum(&f, "ij,jk->ik", a, b), right = graph_einsum(&f, "ij,jk->ik", c, d);
    graph_output(&f, graph_einsum(&f, "ij->", graph_einsum(&f, "ij,jk->ik", left, right), -1));
    graph_optimize(&f, "fuse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    const ej_node *node = &f.graph.nodes[f.graph.outputs[0]];
    for (ej_value v = 0; v < 4; v++) assert_int_equal(node->in[v], v);
    assert_int_equal(node->equation->n_labels, 5);
    assert_int_equal(node->equation->out.n, 0);
    graph_close(&f);
}

static void fuse_keeps_a_value_with_two_uses(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2);
    ej_value t = graph_einsum(&f, "ij,jk->ik", a, b), u = graph_einsum(&f, "ij,jk->ik", b, a);
    graph_output(&f, t);
    graph_output(&f, graph_einsum(&f, "ik,kl->il", t, b));
    graph_output(&f, graph_einsum(&f, "ij,jk->ik", u, u)); /* twice by one user is two uses */
    graph_optimize(&f, "fuse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 4);
    graph_close(&f);
}

static void other_semirings_are_kept(void **state)
{
    (void)state;
    for (int broken = 0; broken < 4; broken++) {
        graph_fixture f;
        graph_open(&f);
        ej_value a = f32(&f, 2), t = graph_einsum(&f, "ij->i", a, -1), r = graph_einsum(&f, "i->", t, -1);
        graph_output(&f, r);
        ej_node *node = &f.graph.nodes[broken & 1 ? t : r];
        if (broken & 2) node->fn = EINJIT_REDUCE_MAX;
        else node->combine = EINJIT_COMBINE_ADD;
        graph_optimize(&f, "fuse");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 2);
        graph_close(&f);
    }
}

/* einsums left of E("i,i->", E("i,i->i", x, y), z) */
static size_t left_for(int x, int y, int z)
{
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, x, 1), b = graph_input(&f, y, 1), c = graph_input(&f, z, 1);
    graph_output(&f, graph_einsum(&f, "i,i->", graph_einsum(&f, "i,i->i", a, b), c));
    graph_optimize(&f, "fuse");
    size_t n = graph_count(&f, EJ_OP_EINSUM);
    graph_close(&f);
    return n;
}

static void integers_merge_only_where_they_wrap_alike(void **state)
{
    (void)state;
    assert_int_equal(left_for(EINJIT_I32, EINJIT_I32, EINJIT_I32), 1);
    assert_int_equal(left_for(EINJIT_I32, EINJIT_BOOL, EINJIT_I32), 1);
    assert_int_equal(left_for(EINJIT_BOOL, EINJIT_BOOL, EINJIT_BOOL), 1);
    assert_int_equal(left_for(EINJIT_I32, EINJIT_I32, EINJIT_I64), 2);
    assert_int_equal(left_for(EINJIT_BOOL, EINJIT_BOOL, EINJIT_I32), 2);
    assert_int_equal(left_for(EINJIT_I32, EINJIT_I32, EINJIT_F64), 2);
    assert_int_equal(left_for(EINJIT_BOOL, EINJIT_BOOL, EINJIT_F32), 2);
    assert_int_equal(left_for(EINJIT_I32, EINJIT_F32, EINJIT_F64), 1);
    assert_int_equal(left_for(EINJIT_F32, EINJIT_F32, EINJIT_C128), 1);
}

static void unknown_dtypes_are_kept_apart(void **state)
{
    (void)state;
    assert_int_equal(left_for(-1, -1, -1), 2);
    assert_int_equal(left_for(-1, EINJIT_I32, EINJIT_I32), 2);
    assert_int_equal(left_for(-1, EINJIT_F32, -1), 1);
}

static void literals_do_not_change_the_dtype_by_moving(void **state)
{
    (void)state;
    const struct {
        int dtype, outer;
        size_t left;
    } cases[] = {{EINJIT_F32, EINJIT_F64, 1}, {EINJIT_BOOL, EINJIT_F32, 2}, {EINJIT_I32, EINJIT_F64, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, cases[i].dtype, 1), y = graph_input(&f, cases[i].outer, 1), two = graph_literal(&f, 2.0);
        graph_output(&f, graph_einsum(&f, "i,i->", graph_einsum(&f, ",i->i", two, x), y));
        graph_optimize(&f, "fuse");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), cases[i].left);
        graph_close(&f);
    }
    graph_fixture f; /* literals alone are f64, beside an f32 they would be f32 */
    graph_open(&f);
    ej_value two = graph_literal(&f, 2.0), y = f32(&f, 1);
    graph_output(&f, graph_einsum(&f, ",i->i", graph_einsum(&f, ",->", two, two), y));
    graph_optimize(&f, "fuse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 2);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_einsum_used_once_is_merged),
        cmocka_unit_test(whole_trees_are_merged_in_the_order_of_their_operands),
        cmocka_unit_test(fuse_keeps_a_value_with_two_uses),
        cmocka_unit_test(other_semirings_are_kept),
        cmocka_unit_test(integers_merge_only_where_they_wrap_alike),
        cmocka_unit_test(unknown_dtypes_are_kept_apart),
        cmocka_unit_test(literals_do_not_change_the_dtype_by_moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
