/* test_api_shapes.c - shapes of all values of a graph through the public calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "einjit/einjit.h"

static int open_context(void **state)
{
    einjit_context *context = NULL;
    int status = einjit_context_create(&context, NULL, NULL);
    *state = context;
    return status;
}

static int close_context(void **state)
{
    einjit_context_release(*state);
    return 0;
}

static einjit_tensor matrix(const int64_t *shape, int32_t rank)
{
    return (einjit_tensor){.dtype = EINJIT_F32, .rank = rank, .shape = shape};
}

static einjit_graph *read_graph(void **state, const char *text)
{
    einjit_graph *graph = NULL;
    assert_int_equal(einjit_graph_parse(&graph, *state, text, SIZE_MAX, NULL), EINJIT_OK);
    return graph;
}

static void every_output_has_dtype_rank_and_extents(void **state)
{
    einjit_graph *graph = read_graph(state, "def f(a, b):\n    return a @ b, (a > 0).sum()\n");
    int64_t one[] = {1000000, 3}, other[] = {3, 2000000};
    einjit_tensor in[] = {matrix(one, 2), matrix(other, 2)};
    einjit_shapes *shapes = NULL;
    einjit_error err = {0};
    assert_int_equal(einjit_shapes_infer(&shapes, graph, 2, in, &err), EINJIT_OK);
    einjit_graph_destroy(graph); /* shapes stay */
    int dtype, rank;
    const int64_t *shape;
    assert_int_equal(einjit_shapes_output_count(shapes), 2);
    assert_int_equal(einjit_shapes_output(shapes, 0, &dtype, &rank, &shape, &err), EINJIT_OK);
    assert_int_equal(dtype, EINJIT_F32);
    assert_int_equal(rank, 2);
    assert_int_equal(shape[0], 1000000);
    assert_int_equal(shape[1], 2000000);
    assert_int_equal(einjit_shapes_output(shapes, 1, &dtype, &rank, NULL, &err), EINJIT_OK);
    assert_int_equal(dtype, EINJIT_I64);
    assert_int_equal(rank, 0);
    assert_int_equal(einjit_shapes_output(shapes, 2, &dtype, &rank, &shape, &err), EINJIT_E_VALUE);
    einjit_shapes_destroy(shapes);
}

static void values_have_shapes_before_the_graph_is_finished(void **state)
{
    einjit_graph *graph = NULL;
    einjit_value a, b, sum, bad, more, two;
    int64_t one[] = {4, 5}, other[] = {4, 1};
    assert_int_equal(einjit_graph_create(&graph, *state, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_input(&a, graph, "a", -1, -1, NULL, NULL, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_input(&b, graph, "b", -1, -1, NULL, NULL, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_add(&sum, graph, a, b, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_matmul(&bad, graph, a, b, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_add(&more, graph, bad, a, NULL), EINJIT_OK);
    assert_int_equal(einjit_graph_float(&two, graph, 2.0, NULL), EINJIT_OK);
    einjit_tensor in[] = {matrix(one, 2), matrix(other, 2)};
    einjit_shapes *shapes = NULL;
    einjit_error err = {0};
    assert_int_equal(einjit_shapes_infer(&shapes, graph, 2, in, &err), EINJIT_OK);
    assert_int_equal(err.code, 0);
    int dtype, rank;
    const int64_t *shape;
    assert_int_equal(einjit_shapes_value(shapes, sum, &dtype, &rank, &shape, &err), EINJIT_OK);
    assert_int_equal(shape[1], 5);
    assert_int_equal(einjit_shapes_value(shapes, b, &dtype, &rank, &shape, &err), EINJIT_OK);
    assert_int_equal(shape[1], 1);
    assert_int_equal(einjit_shapes_value(shapes, two, &dtype, &rank, &shape, &err), EINJIT_OK);
    assert_int_equal(dtype, EINJIT_F64);
    assert_int_equal(einjit_shapes_value(shapes, bad, &dtype, &rank, &shape, &err), EINJIT_E_SHAPE);
    assert_int_equal(einjit_shapes_value(shapes, more, &dtype, &rank, &shape, &err), EINJIT_E_SHAPE);
    assert_int_equal(einjit_shapes_value(shapes, 99, &dtype, &rank, &shape, &err), EINJIT_E_VALUE);
    einjit_shapes_destroy(shapes);
    assert_int_equal(einjit_graph_mul(&more, graph, sum, sum, NULL), EINJIT_OK); /* the graph did not freeze */
    einjit_graph_destroy(graph);
}

static void what_does_not_fit_is_an_error_and_changes_nothing(void **state)
{
    einjit_graph *graph = read_graph(state, "def f(a, b):\n    return a @ b\n");
    int64_t one[] = {4, 5}, other[] = {4, 1};
    einjit_tensor in[] = {matrix(one, 2), matrix(other, 2)};
    einjit_shapes *shapes = NULL;
    einjit_error err = {0};
    assert_int_equal(einjit_shapes_infer(&shapes, graph, 2, in, &err), EINJIT_E_DIM);
    assert_null(shapes);
    assert_int_equal(einjit_shapes_infer(&shapes, graph, 1, in, &err), EINJIT_E_OPERAND_COUNT);
    assert_int_equal(einjit_shapes_infer(&shapes, NULL, 2, in, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_shapes_infer(&shapes, graph, 2, NULL, &err), EINJIT_E_INVALID);
    assert_null(shapes);
    einjit_shapes_destroy(NULL);
    einjit_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_output_has_dtype_rank_and_extents),
        cmocka_unit_test(values_have_shapes_before_the_graph_is_finished),
        cmocka_unit_test(what_does_not_fit_is_an_error_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
