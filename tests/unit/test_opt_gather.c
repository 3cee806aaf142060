/* Einsums around gathers and scatters: which other orders are offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph_support.h"
#include "pass_support.h"

static void expect(const char *params, const char *body, const char *part)
{
    pass_expect("gather", params, body, part);
}

static const char xw[] = "x: f32[n, i], w: f32[i, o], s: i64[e], v: f32[e, i]";

static void a_gathered_operand_may_be_gathered_later(void **state)
{
    (void)state;
    expect(xw, "einsum('ei,io->eo', x[s], w)",
           "    einsum_2 = einsum(\"ei,io->eo\", x, w)\n    index_select_2 = index_select(einsum_2, 0, s)\n");
    expect(xw, "einsum('ei,io->eo', x[s], w)", "    einsum_1 = choose(einsum_3, index_select_2)\n");
    expect(xw, "einsum('ei,io->oe', x[s], w)", "index_select(einsum_2, 1, s)\n");
    expect(xw, "einsum('ei,io->eo', index_select(x, -2, s), w)", "index_select(einsum_2, 0, s)\n");
    expect(xw, "einsum('ei,io->eo', x[s], w, reduce='max')", "index_select(einsum_2, 0, s)\n"); /* row by row the same */
    expect("x: f32[2, 3, 4], w: f32[4, 5], s: i64[e]", "einsum('...i,io->...o', index_select(x, 2, s), x)", NULL);
    expect("x: f32[2, 3, 4], w: f32[:], s: i64[e]", "einsum('...i,o->...oi', index_select(x, -1, s), w)",
           "index_select(einsum_2, -1, s)\n");
    expect("x: f32[2, 3, 4], w: f32[:], s: i64[e]", "einsum('i...,o->oi...', index_select(x, 0, s), w)",
           "index_select(einsum_2, 1, s)\n");
    expect("x: f32, w: f32, s: i64", "einsum('i...,o->...oi', index_select(x, 0, s), w)", "index_select(einsum_2, -1, s)\n");
}

static void a_gathered_result_may_be_gathered_sooner(void **state)
{
    (void)state;
    expect(xw, "einsum('ei,io->eo', x, w)[s]",
           "    index_select_2 = index_select(x, 0, s)\n    einsum_2 = einsum(\"ei,io->eo\", index_select_2, w)\n");
    expect(xw, "index_select(einsum('ei,io->eo', x, w), 1, s)",
           "    index_select_2 = index_select(w, 1, s)\n    einsum_2 = einsum(\"ei,io->eo\", x, index_select_2)\n");
    expect(xw, "index_select(einsum('ei->i', x), -1, s)", "index_select(x, 1, s)\n");
}

static void scatters_move_through_sums_of_products(void **state)
{
    (void)state;
    expect(xw, "index_add(n, 0, s, einsum('ei,io->eo', v, w))",
           "    index_add_2 = index_add(n, 0, s, v)\n    einsum_2 = einsum(\"ei,io->eo\", index_add_2, w)\n");
    expect(xw, "index_add(n, -1, s, einsum('ei,io->oe', v, w))", "index_add(n, 0, s, v)\n");
    expect(xw, "einsum('ni,io->on', index_add(n, 0, s, v), w)",
           "    einsum_2 = einsum(\"ni,io->on\", v, w)\n    index_add_2 = index_add(n, 1, s, einsum_2)\n");
    expect(xw, "index_add(n, 0, s, einsum('ei,io->eo', v, w, reduce='max'))", NULL);
    expect(xw, "index_add(n, 0, s, einsum('ei,io->eo', v, w, combine='add'))", NULL);
    expect(xw, "einsum('ei,io->eo', index_add(n, 0, s, v), w, reduce='max')", NULL);
    expect("n: f32[n], w: f64[i, o], s: i64[e], v: f32[e, i]", "index_add(n, 0, s, einsum('ei,io->eo', v, w))", NULL);
    expect("n: f32[n], w: i64[i, o], s: i64[e], v: i32[e, i]", "index_add(n, 0, s, einsum('ei,io->eo', v, w))", NULL);
    expect("n: f32[n], w: i64[i, o], s: i64[e], v: i64[e, i]", "index_add(n, 0, s, einsum('ei,io->eo', v, w))", " = choose(");
    expect("n: any[n], w: any[i, o], s: i64[e], v: any[e, i]", "index_add(n, 0, s, einsum('ei,io->eo', v, w))", NULL);
}

static void labels_of_several_operands_stay(void **state)
{
    (void)state;
    expect(xw, "einsum('ei,ei->ei', x[s], v)", NULL);
    expect(xw, "einsum('ei,ei->ei', x, x)[s]", NULL);
    expect(xw, "einsum('ei,io->io', x[s], w)", NULL); /* summed: there is nothing to gather later */
    expect("x: f32[n, n], s: i64[e]", "einsum('ii->i', index_select(x, 0, s))", NULL);
    expect("x: f32[n, n], w: f32[k], s: i64[e]", "einsum('ii,k->ik', x, w)[s]", NULL);
    expect(xw, "einsum('ei->ie', x[s])", NULL); /* only moves axes */
}

static const char messages[] = "x: f32[n, i], w: f32[i, o], s: i64[e], t: i64[e], v: f32[e, i], h: f32[e, o]";

static void matmul_and_tensordot_are_einsums(void **state)
{
    (void)state;
    expect(xw, "x[s] @ w", "    matmul_2 = x @ w\n    index_select_2 = index_select(matmul_2, 0, s)\n");
    expect(xw, "tensordot(x[s], w, 1)", "index_select(tensordot_2, 0, s)\n");
    expect(xw, "index_add(n, 0, s, v @ w)", "    index_add_2 = index_add(n, 0, s, v)\n    matmul_2 = index_add_2 @ w\n");
    expect("x: f32[n], w: f32[e, o], s: i64[e]", "x[s] @ w", "index_add(n, 0, s, w)\n"); /* summed */
    expect("x: f32, w: f32, s: i64", "x[s] @ w", NULL);            /* ranks are not known */
}

static void operands_without_the_label_may_go_first(void **state)
{
    (void)state;
    expect(messages, "einsum('ei,io,eo->eo', x[s], w, h)",
           "    einsum_3 = einsum(\"ei,io->eo\", x, w)\n    index_select_2 = index_select(einsum_3, 0, s)\n"
           "    einsum_4 = einsum(\"eo,eo->eo\", index_select_2, h)\n");
    expect(messages, "einsum('ei,ej,ij->e', x[s], x[t], x)", "index_select(einsum_3, 0, s)\n");
    expect(messages, "index_add(n, 0, s, einsum('ei,ei,io->eo', v, v, w))",
           "    einsum_2 = einsum(\"ei,ei->ei\", v, v)\n    index_add_2 = index_add(n, 0, s, einsum_2)\n"
           "    einsum_3 = einsum(\"ei,io->eo\", index_add_2, w)\n");
    expect(messages, "einsum('ei,eo,eo->ei', x[s], h, h)", NULL); /* all have it */
    expect(messages, "einsum('ei,io,eo->eo', x[s], w, h, reduce='max')", NULL);
    expect(messages, "index_add(n, 0, s, einsum('ei,ei,io->eo', v, v, w, combine='add'))", NULL);
    expect(messages, "einsum('...i,io,...o->...o', x[s], w, h)", NULL);
    expect("x: f32[n, i], w: f64[i, o], s: i64[e], h: f64[e, o]", "einsum('ei,io,eo->eo', x[s], w, h)", NULL);
    expect("x: any[n, i], w: any[i, o], s: i64[e], h: any[e, o]", "einsum('ei,io,eo->eo', x[s], w, h)", NULL);
}

static void what_is_summed_may_be_scattered_first(void **state)
{
    (void)state;
    expect(messages, "einsum('ei,eo->io', x[s], h)",
           "    index_add_1 = index_add(n, 0, s, h)\n    einsum_2 = einsum(\"ei,eo->io\", x, index_add_1)\n");
    expect(messages, "einsum('ei,eo,eo->i', x[s], h, h)", "index_add(n, 0, s, einsum_2)\n");
    expect("x: f32[n, i], s: i64[e], h: f32[1, o]", "einsum('ei,eo->io', x[s], h)", NULL); /* h is stretched */
    expect("x: f32[n, i], s: i64[e], h: f32[k, o]", "einsum('ei,eo->io', x[s], h)", NULL); /* it may be */
    expect("x: f32, s: i64[e], h: f32[e, o]", "einsum('ei,eo->io', x[s], h)", NULL);       /* how many rows? */
    expect("x: any[n, i], s: i64[e], h: any[e, o]", "einsum('ei,eo->io', x[s], h)", NULL);
    expect(messages, "einsum('ei,eo->io', x[s], h, reduce='max')", NULL);
}

static void what_others_use_is_computed_anyway(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, EINJIT_F32, 2), w = graph_input(&f, EINJIT_F32, 2), s = graph_input(&f, EINJIT_I64, 1), v;
    ej_value p = graph_einsum(&f, "ei,io->eo", x, w);
    ej_node node = {.op = EJ_OP_INDEX_SELECT, .dtype = -1, .n_in = 2, .n_dims = 1};
    node.in = EJ_NEW_ARRAY(&f.graph.arena, ej_value, 2);
    node.dims = EJ_NEW_ARRAY(&f.graph.arena, int64_t, 1);
    node.in[0] = p;
    node.in[1] = s;
    assert_int_equal(ej_graph_append(&f.graph, &node, &v, NULL), EINJIT_OK);
    graph_output(&f, v);
    graph_output(&f, p);
    graph_optimize(&f, "gather");
    assert_int_equal(graph_count(&f, EJ_OP_CHOOSE), 0);
    graph_close(&f);
}

static void lack_of_memory_leaves_a_whole_graph(void **state)
{
    (void)state;
    pass_survives_oom("gather", xw, "index_add(n, 0, s, einsum('ei,io->eo', x[s], w)), einsum('ei,io->eo', x, w)[s], "
                                  "index_add(n, 0, s, einsum('ei,io,ej,jo->eo', x[s], w, x[s], w)), v[s] @ w, "
                                  "einsum('ei,ei->i', x[s], v)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gathered_operand_may_be_gathered_later),
        cmocka_unit_test(a_gathered_result_may_be_gathered_sooner),
        cmocka_unit_test(scatters_move_through_sums_of_products),
        cmocka_unit_test(labels_of_several_operands_stay),
        cmocka_unit_test(matmul_and_tensordot_are_einsums),
        cmocka_unit_test(operands_without_the_label_may_go_first),
        cmocka_unit_test(what_is_summed_may_be_scattered_first),
        cmocka_unit_test(what_others_use_is_computed_anyway),
        cmocka_unit_test(lack_of_memory_leaves_a_whole_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
