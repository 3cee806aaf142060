/* test_opt_cse.c - what counts of literals, constants and axes where the text does not show it (what is computed
 * once: tests/passes/cse.cases). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void literals_count_by_kind_and_bits(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    const double values[] = {2.0, 2.0, 0.0, -0.0, 0.0};
    for (int i = 0; i < 5; i++) graph_output(&f, graph_literal(&f, values[i]));
    ej_node two = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .integer = 2},
            v2 = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX, .re = 2};
    ej_value v;
    assert_int_equal(ej_graph_append(&f.graph, &two, &v, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_append(&f.graph, &v2, &v, NULL), EINJIT_OK);
    graph_optimize(&f, "cse");
    assert_int_equal(graph_count(&f, EJ_OP_SCALAR), 5); /* 2.0, 0.0, -0.0, 2, 2+0j */
    graph_close(&f);
}

static void add_constant(graph_fixture *f, int dtype, uint32_t rank, const int64_t *shape, const void *data,
                         size_t bytes)
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
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){2}, a, sizeof a);    /* the same */
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){2}, b, sizeof b);    /* other bits */
    add_constant(&f, EINJIT_F64, 2, (int64_t[]){1, 2}, a, sizeof a); /* other shape */
    add_constant(&f, EINJIT_I64, 1, (int64_t[]){2}, a, sizeof a);    /* other dtype */
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){0}, a, 0);
    add_constant(&f, EINJIT_F64, 1, (int64_t[]){0}, a, 0); /* the same nothing */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_count_by_kind_and_bits),
        cmocka_unit_test(constants_count_by_dtype_shape_and_bits),
        cmocka_unit_test(what_nodes_say_about_axes_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
