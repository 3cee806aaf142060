/* test_opt_cse.c - which values are computed once, and which are not the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void equal_operations_are_computed_once(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    ej_value a = graph_map(&f, EJ_FN_EXP, graph_map(&f, EJ_FN_SUB, x, y), -1);
    ej_value b = graph_map(&f, EJ_FN_EXP, graph_map(&f, EJ_FN_SUB, x, y), -1);
    graph_output(&f, graph_map(&f, EJ_FN_ADD, a, b));
    graph_output(&f, b);
    graph_optimize(&f, "cse");
    assert_int_equal(f.graph.n_nodes, 5);
    assert_int_equal(f.graph.nodes[4].in[0], 3);
    assert_int_equal(f.graph.nodes[4].in[1], 3);
    assert_int_equal(f.graph.outputs[1], 3);
    graph_close(&f);
}

static void letters_do_not_count_but_their_places_do(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    const char *equations[] = {"ij,jk->ik", "ab,bc->ac", "ij , jk", "ij,jk->ki", "ij,kj->ik", "ij,jk->i", "ij,...jk->ik"};
    for (int i = 0; i < 7; i++) graph_output(&f, graph_einsum(&f, equations[i], x, y));
    graph_output(&f, graph_einsum(&f, "ij,jk->ik", y, x));
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 5);
    assert_int_equal(graph_count(&f, EJ_OP_PERMUTE), 1); /* ij,jk->ki */
    assert_int_equal(f.graph.outputs[0], f.graph.outputs[1]);
    assert_int_equal(f.graph.outputs[0], f.graph.outputs[2]);
    graph_close(&f);
}

/* Einsums and permutations left of E(first, x, y) and E(second, x, y), or (second, y, x). */
static void expect_left(const char *first, const char *second, int reversed, size_t einsums, size_t permutes)
{
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    graph_output(&f, graph_einsum(&f, first, x, y));
    graph_output(&f, graph_einsum(&f, second, reversed ? y : x, reversed ? x : y));
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), einsums);
    assert_int_equal(graph_count(&f, EJ_OP_PERMUTE), permutes);
    size_t n_nodes = f.graph.n_nodes;
    graph_optimize(&f, "cse");
    assert_int_equal(f.graph.n_nodes, n_nodes);
    graph_close(&f);
}

static void the_order_of_operands_does_not_count(void **state)
{
    (void)state;
    expect_left("ij,jk->ik", "jk,ij->ik", true, 1, 0);
    expect_left("ij,jk->ik", "bc,ab->ac", true, 1, 0);
    expect_left("ij,jk->ik", "jk,ij->ik", false, 2, 0);
    expect_left("ij,jk->ik", "kj,ij->ik", true, 2, 0);
    expect_left("ii,ij->j", "ij,ii->j", true, 1, 0);
    expect_left("ii,ij->j", "ij,jj->i", true, 2, 0);
    expect_left("...i,i->...", "i,...i->...", true, 1, 0);
    expect_left("...i,i->...", "...i,...i->...", true, 2, 0);
}

static void a_result_with_other_axes_is_a_permutation(void **state)
{
    (void)state;
    expect_left("ij,jk->ik", "jk,ij->ki", true, 1, 1);
    expect_left("ij,kl->ijkl", "ij,kl->klij", false, 1, 1);
    expect_left("...i,k->...ik", "...i,k->...ki", false, 2, 0); /* how many axes move is not known */
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    graph_output(&f, graph_einsum(&f, "ia,ib->iab", x, y));
    ej_value moved = graph_einsum(&f, "kb,ka->abk", y, x), again = graph_einsum(&f, "ia,ib->abi", x, y);
    graph_output(&f, moved);
    graph_output(&f, again);
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_PERMUTE), 1); /* both are the same one */
    assert_int_equal(f.graph.outputs[1], f.graph.outputs[2]);
    const ej_node *node = &f.graph.nodes[f.graph.outputs[1]];
    const int64_t dims[] = {1, 2, 0};
    assert_int_equal(node->n_dims, 3);
    assert_memory_equal(node->dims, dims, sizeof dims);
    graph_close(&f);
}

static void an_operand_that_is_there_twice_is_no_obstacle(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    graph_output(&f, graph_einsum3(&f, "ij,jk,kl->il", x, x, y));
    graph_output(&f, graph_einsum3(&f, "kl,ij,jk->il", y, x, x));
    graph_output(&f, graph_einsum3(&f, "bc,cd,ab->ad", x, y, x));
    graph_output(&f, graph_einsum3(&f, "ij,jk,lk->il", x, x, y)); /* another one */
    graph_output(&f, graph_einsum3(&f, "ij,jk,kl->il", x, y, x)); /* and another */
    graph_output(&f, graph_einsum(&f, "i,j->ij", x, x));          /* both terms look alike */
    graph_output(&f, graph_einsum(&f, "i,j->ji", x, x));
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 4);
    assert_int_equal(f.graph.outputs[0], f.graph.outputs[1]);
    assert_int_equal(f.graph.outputs[0], f.graph.outputs[2]);
    graph_close(&f);
}

static void other_reductions_commute_too(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
    graph_output(&f, graph_einsum(&f, "ij,jk->ik", x, y));
    graph_output(&f, graph_einsum(&f, "jk,ij->ik", y, x));
    for (ej_value v = 2; v < 4; v++) {
        f.graph.nodes[v].fn = EINJIT_REDUCE_MAX;
        f.graph.nodes[v].combine = EINJIT_COMBINE_ADD;
    }
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    graph_close(&f);
}

static void the_larger_one_commutes_over_integers(void **state)
{
    (void)state;
    const int dtypes[] = {EINJIT_I32, EINJIT_BOOL, EINJIT_F32, -1}, left[] = {1, 1, 2, 2};
    for (int i = 0; i < 4; i++) {
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, dtypes[i], -1), y = graph_input(&f, dtypes[i], -1);
        graph_output(&f, graph_map(&f, EJ_FN_MAXIMUM, x, y));
        graph_output(&f, graph_map(&f, EJ_FN_MAXIMUM, y, x));
        graph_optimize(&f, "cse");
        assert_int_equal(graph_count(&f, EJ_OP_MAP), left[i]);
        graph_close(&f);
    }
}

static void semirings_are_apart(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    for (int i = 0; i < 3; i++) graph_output(&f, graph_einsum(&f, "ij->i", x, -1));
    f.graph.nodes[2].fn = EINJIT_REDUCE_MAX;
    f.graph.nodes[3].combine = EINJIT_COMBINE_ADD;
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 3);
    graph_close(&f);
}

static void commutative_operations_are_one_in_either_order(void **state)
{
    (void)state;
    const struct {
        int fn, left;
    } cases[] = {{EJ_FN_ADD, 1}, {EJ_FN_MUL, 1}, {EJ_FN_EQ, 1}, {EJ_FN_SUB, 2}, {EJ_FN_DIV, 2}, {EJ_FN_POW, 2}, {EJ_FN_LT, 2},
                 {EJ_FN_MAXIMUM, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, -1, -1), y = graph_input(&f, -1, -1);
        graph_output(&f, graph_map(&f, cases[i].fn, x, y));
        graph_output(&f, graph_map(&f, cases[i].fn, y, x));
        graph_optimize(&f, "cse");
        assert_int_equal(graph_count(&f, EJ_OP_MAP), cases[i].left);
        graph_close(&f);
    }
}

static void literals_count_by_kind_and_bits(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    const double values[] = {2.0, 2.0, 0.0, -0.0, 0.0};
    for (int i = 0; i < 5; i++) graph_output(&f, graph_literal(&f, values[i]));
    ej_node two = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .integer = 2}, v2 = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX, .re = 2};
    ej_value v;
    assert_int_equal(ej_graph_append(&f.graph, &two, &v, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_append(&f.graph, &v2, &v, NULL), EINJIT_OK);
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_SCALAR), 5); /* 2.0, 0.0, -0.0, 2, 2+0j */
    graph_close(&f);
}

static void add_constant(graph_fixture *f, int dtype, uint32_t rank, const int64_t *shape, const void *data, size_t bytes)
{
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = (int16_t)dtype, .rank = (int32_t)rank, .n_extents = rank};
    ej_value v;
    node.extents = EJ_NEW_ARRAY(&f->graph.arena, ej_extent, rank);
    for (uint32_t i = 0; i < rank; i++) node.extents[i].n = shape[i];
    void *copy = ej_arena_new(&f->graph.arena, bytes, 1);
    if (bytes) memcpy(copy, data, bytes);
    node.data = copy;
    assert_int_equal(ej_graph_append(&f->graph, &node, &v, NULL), EINJIT_OK);
    graph_output(f, v);
}

static void constants_count_by_dtype_shape_and_bits(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    const double a[2] = {1.0, 2.0}, b[2] = {1.0, 3.0};
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){2}, a, sizeof a);
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){2}, a, sizeof a);       /* the same */
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){2}, b, sizeof b);       /* other bits */
    add_constant(&f, EINJIT_F64, 2, (int64_t[]){1, 2}, a, sizeof a);    /* other shape */
    add_constant(&f, EINJIT_I64, 1, (int64_t[]){2}, a, sizeof a);       /* other dtype */
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){0}, a, 0);
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){0}, a, 0);              /* the same nothing */
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_CONSTANT), 5);
    graph_close(&f);
}

static void what_nodes_say_about_axes_counts(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), v;
    for (int i = 0; i < 8; i++) {
        ej_value *in = EJ_NEW(&f.graph.arena, ej_value);
        int64_t *dim = EJ_NEW(&f.graph.arena, int64_t);
        ej_index_item *item = EJ_NEW(&f.graph.arena, ej_index_item);
        *in = x;
        *dim = i / 2;
        *item = (ej_index_item){EJ_INDEX_RANGE, i / 2, 9, 1};
        ej_node softmax = {.op = EJ_OP_SOFTMAX, .n_in = 1, .in = in, .n_dims = 1, .dims = dim};
        assert_int_equal(ej_graph_append(&f.graph, &softmax, &v, NULL), EINJIT_OK);
        in = EJ_NEW(&f.graph.arena, ej_value);
        *in = x;
        ej_node slice = {.op = EJ_OP_SLICE, .n_in = 1, .in = in, .n_items = 1, .items = item};
        assert_int_equal(ej_graph_append(&f.graph, &slice, &v, NULL), EINJIT_OK);
    }
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_SOFTMAX), 4);
    assert_int_equal(graph_count(&f, EJ_OP_SLICE), 4);
    graph_close(&f);
}

static void inputs_are_never_the_same(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    graph_input(&f, EINJIT_F32, 0);
    graph_input(&f, EINJIT_F32, 0);
    graph_optimize(&f, "cse");
    assert_int_equal(f.graph.n_nodes, 2);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_operations_are_computed_once),
        cmocka_unit_test(letters_do_not_count_but_their_places_do),
        cmocka_unit_test(the_order_of_operands_does_not_count),
        cmocka_unit_test(a_result_with_other_axes_is_a_permutation),
        cmocka_unit_test(an_operand_that_is_there_twice_is_no_obstacle),
        cmocka_unit_test(other_reductions_commute_too),
        cmocka_unit_test(the_larger_one_commutes_over_integers),
        cmocka_unit_test(semirings_are_apart),
        cmocka_unit_test(commutative_operations_are_one_in_either_order),
        cmocka_unit_test(literals_count_by_kind_and_bits),
        cmocka_unit_test(constants_count_by_dtype_shape_and_bits),
        cmocka_unit_test(what_nodes_say_about_axes_counts),
        cmocka_unit_test(inputs_are_never_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
