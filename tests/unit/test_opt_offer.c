/* Einsums with several users: what each user is offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph_support.h"

static ej_value f32(graph_fixture *f, int rank)
{
    return graph_input(f, EINJIT_F32, rank);
}

static void a_second_time_changes_nothing(graph_fixture *f, const char *pass)
{
    size_t n = f->graph.n_nodes, choices = graph_count(f, EJ_OP_CHOOSE);
    graph_optimize(f, pass);
    assert_int_equal(f->graph.n_nodes, n);
    assert_int_equal(graph_count(f, EJ_OP_CHOOSE), choices);
}

static void each_user_is_offered_the_whole_product(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2), c = f32(&f, 2), p = graph_einsum(&f, "ij,jk->ik", a, b);
    graph_output(&f, graph_einsum(&f, "ik,kl->il", p, c));
    graph_output(&f, graph_einsum(&f, "ik,lk->il", p, c));
    graph_optimize(&f, "offer");
    for (size_t o = 0; o < 2; o++) {
        const ej_node *choice = &f.graph.nodes[f.graph.outputs[o]];
        assert_int_equal(choice->op, EJ_OP_CHOOSE);
        assert_int_equal(choice->n_in, 2);
        assert_int_equal(f.graph.nodes[choice->in[0]].n_in, 2);
        assert_int_equal(f.graph.nodes[choice->in[1]].n_in, 3);
    }
    a_second_time_changes_nothing(&f, "offer");
    graph_close(&f);
}

static void only_one_level_is_written_in(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = f32(&f, 2);
    for (int i = 0; i < 10; i++) {
        x = graph_einsum(&f, "ij,jk->ik", x, x);
        x = graph_einsum(&f, "ij,jk->ik", x, f32(&f, 2));
        graph_output(&f, x);
    }
    graph_optimize(&f, "offer");
    for (size_t v = 0; v < f.graph.n_nodes; v++) assert_true(f.graph.nodes[v].n_in <= 4);
    a_second_time_changes_nothing(&f, "offer");
    graph_close(&f);
}

static void an_operand_of_two_levels_is_not_shared_by_its_alternative(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2), q = graph_einsum(&f, "ij,jk->ik", a, b), p = graph_einsum(&f, "ij,jk->ik", q, b);
    graph_output(&f, graph_einsum(&f, "ik,kl->il", p, a));
    graph_output(&f, graph_einsum(&f, "ik,lk->il", p, a));
    graph_optimize(&f, "offer");
    assert_int_equal(graph_count(&f, EJ_OP_CHOOSE), 2); /* not of p: only the program's uses of q count */
    a_second_time_changes_nothing(&f, "offer");
    graph_close(&f);
}

static void other_operands_stay(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = f32(&f, 2), b = f32(&f, 2), once = graph_einsum(&f, "ij,jk->ik", a, b), sum = graph_map(&f, EJ_FN_ADD, a, b);
    ej_value n = graph_input(&f, EINJIT_I32, 2), m = graph_input(&f, EINJIT_I64, 2), wraps = graph_einsum(&f, "ij,jk->ik", n, n);
    graph_output(&f, graph_einsum(&f, "ik,kl->il", once, a)); /* fuse's */
    graph_output(&f, graph_einsum(&f, "ik,kl->il", sum, a));
    graph_output(&f, graph_einsum(&f, "ik,kl->il", wraps, m));
    graph_output(&f, sum);
    graph_output(&f, wraps);
    graph_optimize(&f, "offer");
    assert_int_equal(graph_count(&f, EJ_OP_CHOOSE), 0);
    graph_close(&f);
}

static void producers_of_many_operands_stay(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value in[9], v = f32(&f, 1);
    for (int i = 0; i < 9; i++) in[i] = f32(&f, 1);
    ej_value p = graph_einsum_n(&f, "a,b,c,d,e,f,g,h,i->abcdefghi", 9, in);
    graph_output(&f, graph_einsum(&f, "abcdefghi,a->bcdefghi", p, v));
    graph_output(&f, p);
    graph_optimize(&f, "offer");
    assert_int_equal(graph_count(&f, EJ_OP_CHOOSE), 0);
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
        ej_value a = f32(&f, 2), b = f32(&f, 2), p = graph_einsum(&f, "ij,jk->ik", a, b);
        graph_output(&f, graph_einsum(&f, "ik,kl->il", p, b));
        graph_output(&f, p);
        graph_memory_init(&memory, fail_at);
        ej_arena_free(&f.arena);
        ej_arena_init(&f.arena, &memory.hooks);
        f.job.verify = false;
        status = ej_opt_run(&f.graph, "offer", &f.job);
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        assert_int_equal(ej_graph_verify(&f.graph, NULL), EINJIT_OK);
        graph_close(&f);
        assert_int_equal(memory.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_user_is_offered_the_whole_product),
        cmocka_unit_test(only_one_level_is_written_in),
        cmocka_unit_test(an_operand_of_two_levels_is_not_shared_by_its_alternative),
        cmocka_unit_test(other_operands_stay),
        cmocka_unit_test(producers_of_many_operands_stay),
        cmocka_unit_test(lack_of_memory_leaves_a_whole_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
