/* test_api_layout.c - builder calls that move, cut, join or reduce axes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "pipeline.h"

static einjit_context *context;
static einjit_graph *graph;
static einjit_error err;
static einjit_value x, v;

static int open_graph(void **state)
{
    (void)state;
    context = api_context("interp");
    if (einjit_graph_create(&graph, context, &err)) return 1;
    return einjit_graph_input(&x, graph, "x", EINJIT_F32, 3, NULL, NULL, &err);
}

static int close_graph(void **state)
{
    (void)state;
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return 0;
}

static const ej_node *made(int status, int op)
{
    if (status) fail_msg("%s", err.text);
    if (einjit_graph_verify(graph, &err)) fail_msg("%s", err.text);
    const ej_node *node = &graph->graph.nodes[v];
    assert_int_equal(node->op, op);
    return node;
}

/* A call that is refused; then the graph is made new. */
static void assert_refused(int status, int reason)
{
    if (status != reason) fail_msg("%s for %s: %s", einjit_status_name(status), einjit_status_name(reason), err.text);
    close_graph(NULL);
    assert_int_equal(open_graph(NULL), 0);
}

static void reductions_are_over_some_axes_or_all(void **state)
{
    (void)state;
    const int64_t dims[] = {0, -1};
    const ej_node *n = made(einjit_graph_reduce(&v, graph, EINJIT_REDUCE_MAX, x, 2, dims, 1, &err), EJ_OP_REDUCE);
    assert_true(n->fn == EINJIT_REDUCE_MAX && n->keepdim && !n->all_dims && n->n_dims == 2 && n->dims[1] == -1);
    n = made(einjit_graph_sum(&v, graph, x, 0, NULL, 0, &err), EJ_OP_REDUCE);
    assert_true(n->all_dims && !n->keepdim && !n->n_dims);
    n = made(einjit_graph_sum(&v, graph, x, 0, dims, 0, &err), EJ_OP_REDUCE);
    assert_false(n->all_dims);
    assert_string_equal(n->name, "sum_2");
    assert_refused(einjit_graph_reduce(&v, graph, EINJIT_REDUCE_COUNT, x, 0, NULL, 0, &err), EINJIT_E_VALUE);
}

static void tensordot_has_the_axes_of_both(void **state)
{
    (void)state;
    const int64_t a[] = {0, 1}, b[] = {2, -2};
    const ej_node *n = made(einjit_graph_tensordot(&v, graph, x, x, 2, a, b, &err), EJ_OP_TENSORDOT);
    assert_true(n->n_dims == 4 && n->dims[0] == 0 && n->dims[1] == 1 && n->dims[2] == 2 && n->dims[3] == -2);
    made(einjit_graph_tensordot(&v, graph, x, x, 0, NULL, NULL, &err), EJ_OP_TENSORDOT);
    assert_refused(einjit_graph_tensordot(&v, graph, x, x, 1, a, NULL, &err), EINJIT_E_INVALID);
}

static void norms_know_what_they_were_given(void **state)
{
    (void)state;
    const ej_node *n = made(einjit_graph_softmax(&v, graph, x, -1, &err), EJ_OP_SOFTMAX);
    assert_int_equal(n->dims[0], -1);
    n = made(einjit_graph_layer_norm(&v, graph, x, 2, -1, x, 1e-5, &err), EJ_OP_LAYER_NORM);
    assert_true(n->integer == 2 && n->n_in == 2 && n->dims[0] == 2 && n->re == 1e-5);
    n = made(einjit_graph_layer_norm(&v, graph, x, 1, x, -1, 0, &err), EJ_OP_LAYER_NORM);
    assert_true(n->integer == 1 && n->n_in == 2);
    made(einjit_graph_layer_norm(&v, graph, x, 1, x, x, 0, &err), EJ_OP_LAYER_NORM);
    assert_refused(einjit_graph_layer_norm(&v, graph, x, 0, -1, -1, 0, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_layer_norm(&v, graph, x, 1, -2, -1, 0, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_layer_norm(&v, graph, x, 1, 50, -1, 0, &err), EINJIT_E_INVALID);
}

static void axes_move_as_said(void **state)
{
    (void)state;
    const int64_t dims[] = {2, 0, 1};
    const ej_node *n = made(einjit_graph_permute(&v, graph, x, 3, dims, &err), EJ_OP_PERMUTE);
    assert_memory_equal(n->dims, dims, sizeof dims);
    n = made(einjit_graph_transpose(&v, graph, x, 0, -1, &err), EJ_OP_TRANSPOSE);
    assert_true(n->dims[0] == 0 && n->dims[1] == -1);
    assert_int_equal(made(einjit_graph_unsqueeze(&v, graph, x, -1, &err), EJ_OP_UNSQUEEZE)->dims[0], -1);
    assert_int_equal(made(einjit_graph_squeeze(&v, graph, x, 1, &err), EJ_OP_SQUEEZE)->dims[0], 1);
    assert_refused(einjit_graph_permute(&v, graph, x, 3, NULL, &err), EINJIT_E_INVALID);
}

static void shapes_may_leave_extents_open(void **state)
{
    (void)state;
    const int64_t shape[] = {-1, 4}, open[] = {-1, -1}, bad[] = {-2};
    const ej_node *n = made(einjit_graph_reshape(&v, graph, x, 2, shape, &err), EJ_OP_RESHAPE);
    assert_true(n->n_extents == 2 && n->extents[0].n == EJ_EXTENT_UNKNOWN && n->extents[1].n == 4);
    made(einjit_graph_expand(&v, graph, x, 2, open, &err), EJ_OP_EXPAND);
    made(einjit_graph_reshape(&v, graph, x, 0, NULL, &err), EJ_OP_RESHAPE);
    assert_refused(einjit_graph_reshape(&v, graph, x, 2, open, &err), EINJIT_E_SHAPE);
    assert_refused(einjit_graph_expand(&v, graph, x, 1, bad, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_reshape(&v, graph, x, 1, NULL, &err), EINJIT_E_INVALID);
}

static void slices_count_axes_from_either_end(void **state)
{
    (void)state;
    const ej_node *n = made(einjit_graph_slice(&v, graph, x, 2, 1, 5, 2, &err), EJ_OP_SLICE);
    assert_int_equal(n->n_items, 3);
    assert_true(n->items[0].start == INT64_MIN && n->items[0].stop == INT64_MAX);
    assert_true(n->items[2].start == 1 && n->items[2].stop == 5 && n->items[2].step == 2);
    n = made(einjit_graph_slice(&v, graph, x, -2, -3, INT64_MAX, 1, &err), EJ_OP_SLICE);
    assert_int_equal(n->n_items, 3);
    assert_int_equal(n->items[0].kind, EJ_INDEX_ELLIPSIS);
    assert_true(n->items[1].start == -3 && n->items[2].start == INT64_MIN);
    n = made(einjit_graph_slice(&v, graph, x, 0, INT64_MIN, INT64_MAX, -1, &err), EJ_OP_SLICE);
    assert_int_equal(n->items[0].step, -1);
    assert_refused(einjit_graph_slice(&v, graph, x, 0, 0, 1, 0, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_slice(&v, graph, x, INT64_MAX, 0, 1, 1, &err), EINJIT_E_LIMIT);
    assert_refused(einjit_graph_slice(&v, graph, x, INT64_MIN, 0, 1, 1, &err), EINJIT_E_LIMIT);
}

static void joins_and_indices_take_one_axis(void **state)
{
    (void)state;
    const einjit_value in[] = {x, x, x};
    assert_int_equal(made(einjit_graph_cat(&v, graph, 3, in, -1, &err), EJ_OP_CAT)->n_in, 3);
    assert_int_equal(made(einjit_graph_stack(&v, graph, 2, in, 0, &err), EJ_OP_STACK)->n_in, 2);
    assert_int_equal(made(einjit_graph_index_select(&v, graph, x, 1, x, &err), EJ_OP_INDEX_SELECT)->dims[0], 1);
    const ej_node *n = made(einjit_graph_index_add(&v, graph, 10, NULL, 0, x, v, &err), EJ_OP_INDEX_ADD);
    assert_true(n->extents[0].n == 10 && n->in[0] == x && n->in[1] == v - 1);
    n = made(einjit_graph_index_add(&v, graph, -1, "nodes", 0, x, x, &err), EJ_OP_INDEX_ADD);
    assert_int_equal(n->extents[0].n_symbols, 1);
    assert_refused(einjit_graph_cat(&v, graph, 0, NULL, 0, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_stack(&v, graph, 2, NULL, 0, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_index_add(&v, graph, -1, NULL, 0, x, x, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_index_add(&v, graph, -1, "no name", 0, x, x, &err), EINJIT_E_NAME);
    n = made(einjit_graph_flatten(&v, graph, x, -2, -1, &err), EJ_OP_FLATTEN);
    assert_true(n->in[0] == x && n->dims[0] == -2 && n->dims[1] == -1);
}

static void numbers_have_a_count(void **state)
{
    (void)state;
    const ej_node *n = made(einjit_graph_arange(&v, graph, 10, NULL, &err), EJ_OP_ARANGE);
    assert_true(n->n_in == 0 && n->extents[0].n == 10);
    n = made(einjit_graph_arange(&v, graph, -1, "nodes", &err), EJ_OP_ARANGE);
    assert_int_equal(n->extents[0].n_symbols, 1);
    n = made(einjit_graph_arange_like(&v, graph, x, -1, &err), EJ_OP_ARANGE);
    assert_true(n->in[0] == x && n->dims[0] == -1);
    assert_refused(einjit_graph_arange(&v, graph, -1, NULL, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_arange(&v, graph, -1, "no name", &err), EINJIT_E_NAME);
}

static void places_are_those_of_torch(void **state)
{
    (void)state;
    float a[6] = {1, 2, 3, 4, 5, 6}, taken[4], backwards[6];
    int64_t wide[2] = {2, 3}, square[2] = {2, 2}, three = 3, six = 6, index[4] = {2, 0, 1, 1}, numbers[3];
    einjit_graph *one;
    einjit_value in, at, gathered, along, flat;
    assert_int_equal(einjit_graph_create(&one, context, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_input(&in, one, "a", EINJIT_F32, 2, wide, NULL, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_input(&at, one, "at", EINJIT_I64, 2, square, NULL, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_gather(&gathered, one, in, 1, at, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_arange_like(&along, one, in, 1, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_flatten(&flat, one, in, 0, 1, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_slice(&flat, one, flat, 0, INT64_MIN, INT64_MAX, -1, &err), EINJIT_OK);
    const einjit_value outs[] = {gathered, along, flat};
    for (int i = 0; i < 3; i++) assert_int_equal(einjit_graph_output(one, outs[i], &err), EINJIT_OK);
    const einjit_tensor given[] = {{a, EINJIT_F32, 2, wide, NULL}, {index, EINJIT_I64, 2, square, NULL}};
    const einjit_tensor results[] = {{taken, EINJIT_F32, 2, square, NULL},
                                     {numbers, EINJIT_I64, 1, &three, NULL},
                                     {backwards, EINJIT_F32, 1, &six, NULL}};
    if (einjit_call(context, one, 2, given, 3, results, &err)) fail_msg("%s", err.text);
    assert_true(taken[0] == 3 && taken[1] == 1 && taken[2] == 5 && taken[3] == 5);
    for (int i = 0; i < 3; i++) assert_int_equal(numbers[i], i);
    for (int i = 0; i < 6; i++) assert_true(backwards[i] == 6 - (float)i);
    einjit_graph_destroy(one);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_graph, close_graph)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reductions_are_over_some_axes_or_all),
        TEST(tensordot_has_the_axes_of_both),
        TEST(norms_know_what_they_were_given),
        TEST(axes_move_as_said),
        TEST(shapes_may_leave_extents_open),
        TEST(slices_count_axes_from_either_end),
        TEST(joins_and_indices_take_one_axis),
        TEST(numbers_have_a_count),
        TEST(places_are_those_of_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
