/* test_api_build.c - builder calls: inputs, constants, literals, einsums, pointwise operations. */
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

static int open_graph(void **state)
{
    (void)state;
    context = api_context("interp");
    return einjit_graph_create(&graph, context, &err);
}

static int close_graph(void **state)
{
    (void)state;
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return 0;
}

static const ej_node *node(einjit_value v)
{
    assert_true(v >= 0 && (size_t)v < graph->graph.n_nodes);
    return &graph->graph.nodes[v];
}

static einjit_value input(int rank)
{
    einjit_value v = -1;
    if (einjit_graph_input(&v, graph, NULL, EINJIT_F32, rank, NULL, NULL, &err)) fail_msg("%s", err.text);
    return v;
}

/* A call that is refused: the reason sticks; then the graph is made new. */
static void assert_refused(int status, int reason)
{
    einjit_value v = -7;
    if (status != reason) fail_msg("%s for %s: %s", einjit_status_name(status), einjit_status_name(reason), err.text);
    assert_int_equal(err.code, reason);
    assert_int_equal(einjit_graph_float(&v, graph, 1.0, NULL), reason);
    assert_int_equal(v, -7);
    einjit_graph_destroy(graph);
    assert_int_equal(einjit_graph_create(&graph, context, &err), EINJIT_OK);
}

static void inputs_take_numbers_symbols_or_neither(void **state)
{
    (void)state;
    einjit_value v;
    const int64_t shape[] = {3, -1, -1};
    const char *symbols[] = {NULL, "n", NULL}, *names[] = {"n", "m"};
    assert_int_equal(einjit_graph_input(&v, graph, "x", EINJIT_F64, 3, shape, symbols, &err), EINJIT_OK);
    assert_string_equal(node(v)->name, "x");
    assert_int_equal(node(v)->extents[0].n, 3);
    assert_int_equal(node(v)->extents[1].n_symbols, 1);
    assert_int_equal(node(v)->extents[2].n, EJ_EXTENT_UNKNOWN);
    assert_int_equal(einjit_graph_input(&v, graph, "y", -1, 2, NULL, names, &err), EINJIT_OK);
    assert_int_equal(node(v)->extents[0].symbols[0], node(0)->extents[1].symbols[0]); /* n is n */
    assert_int_equal(einjit_graph_input(&v, graph, NULL, -1, -1, NULL, NULL, &err), EINJIT_OK);
    assert_string_equal(node(v)->name, "input_1");
    assert_int_equal(einjit_graph_input(&v, graph, "z", EINJIT_I32, 2, NULL, NULL, &err), EINJIT_OK);
    assert_int_equal(node(v)->n_extents, 2);
    assert_int_equal(node(v)->extents[1].n, EJ_EXTENT_UNKNOWN);
    assert_int_equal(einjit_graph_verify(graph, &err), EINJIT_OK);
}

static void bad_inputs_are_refused(void **state)
{
    (void)state;
    einjit_value v;
    const char *bad[] = {"2"};
    assert_refused(einjit_graph_input(&v, graph, "for", -1, -1, NULL, NULL, &err), EINJIT_E_NAME);
    assert_refused(einjit_graph_input(&v, graph, "x", 99, -1, NULL, NULL, &err), EINJIT_E_DTYPE);
    assert_refused(einjit_graph_input(&v, graph, "x", -1, INT32_MAX, NULL, NULL, &err), EINJIT_E_LIMIT);
    assert_refused(einjit_graph_input(&v, graph, "x", -1, -2, NULL, NULL, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_input(&v, graph, "x", -1, 1, NULL, bad, &err), EINJIT_E_NAME);
    assert_refused(einjit_graph_input(NULL, graph, "x", -1, -1, NULL, NULL, &err) == EINJIT_E_INVALID
                       ? einjit_graph_input(&v, graph, "not a name", -1, -1, NULL, NULL, &err)
                       : 0,
                   EINJIT_E_NAME);
    assert_int_equal(einjit_graph_input(&v, graph, "x", -1, -1, NULL, NULL, &err), EINJIT_OK);
    assert_refused(einjit_graph_input(&v, graph, "x", -1, -1, NULL, NULL, &err), EINJIT_E_NAME);
    assert_int_equal(einjit_graph_input(&v, NULL, "x", -1, -1, NULL, NULL, &err), EINJIT_E_INVALID);
}

static void constants_are_copied_from_any_strides(void **state)
{
    (void)state;
    einjit_value v;
    float data[6] = {1, 2, 3, 4, 5, 6};
    const float turned[6] = {6, 3, 5, 2, 4, 1}, repeated[4] = {2, 2, 2, 2};
    einjit_tensor t = STRIDED(data + 5, EINJIT_F32, ((int64_t[]){3, 2}), ((int64_t[]){-1, -3}));
    assert_int_equal(einjit_graph_constant(&v, graph, &t, &err), EINJIT_OK);
    data[0] = 99;
    data[5] = 99;
    assert_memory_equal(node(v)->data, turned, sizeof turned);
    t = STRIDED(data + 1, EINJIT_F32, ((int64_t[]){2, 2}), ((int64_t[]){0, 0}));
    assert_int_equal(einjit_graph_constant(&v, graph, &t, &err), EINJIT_OK);
    assert_memory_equal(node(v)->data, repeated, sizeof repeated);
    t = SCALAR(data + 2, EINJIT_F32);
    assert_int_equal(einjit_graph_constant(&v, graph, &t, &err), EINJIT_OK);
    assert_int_equal(node(v)->rank, 0);
    t = F32(NULL, INT64_MAX, 0, INT64_MAX);
    assert_int_equal(einjit_graph_constant(&v, graph, &t, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_verify(graph, &err), EINJIT_OK);
}

static void bad_constants_are_refused(void **state)
{
    (void)state;
    einjit_value v, x;
    float data[1] = {0};
    einjit_tensor t = F32(data, INT64_MAX, 2), none = F32(NULL, 1), negative = F32(data, -1), one = F32(data, 1);
    einjit_tensor shapeless = {data, EINJIT_F32, 1, NULL, NULL};
    assert_refused(einjit_graph_constant(&v, graph, &t, &err), EINJIT_E_SIZE);
    assert_refused(einjit_graph_constant(&v, graph, &none, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_constant(&v, graph, &negative, &err), EINJIT_E_SHAPE);
    assert_refused(einjit_graph_constant(&v, graph, &shapeless, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_constant(&v, graph, NULL, &err), EINJIT_E_INVALID);
    one.dtype = -1;
    assert_refused(einjit_graph_constant(&v, graph, &one, &err), EINJIT_E_DTYPE);
    x = input(1);
    assert_refused(einjit_graph_structural(&v, graph, x, &err), EINJIT_E_VALUE);
    one.dtype = EINJIT_F32;
    assert_int_equal(einjit_graph_constant(&v, graph, &one, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_structural(&v, graph, v, &err), EINJIT_OK);
    assert_refused(einjit_graph_structural(&v, graph, 77, &err), EINJIT_E_INVALID);
}

static void literals_keep_their_kind(void **state)
{
    (void)state;
    einjit_value f, i, c, b;
    assert_int_equal(einjit_graph_float(&f, graph, 0.5, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_int(&i, graph, INT64_MIN, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_complex(&c, graph, 1, -2, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_bool(&b, graph, 17, &err), EINJIT_OK);
    assert_true(node(f)->fn == EJ_KIND_FLOAT && node(f)->re == 0.5);
    assert_true(node(i)->fn == EJ_KIND_INT && node(i)->integer == INT64_MIN);
    assert_true(node(c)->fn == EJ_KIND_COMPLEX && node(c)->im == -2);
    assert_true(node(b)->fn == EJ_KIND_BOOL && node(b)->integer == 1);
}

static void einsums_come_from_text_and_from_integers(void **state)
{
    (void)state;
    einjit_value x[2], v;
    x[0] = input(2);
    x[1] = input(2);
    assert_int_equal(einjit_graph_einsum(&v, graph, "ij,jk", 2, x, &err), EINJIT_OK);
    assert_int_equal(node(v)->n_in, 2);
    assert_int_equal(node(v)->equation->out.n, 2);
    assert_int_equal(
        einjit_graph_einsum_semiring(&v, graph, "ij,jk->ik", 2, x, EINJIT_REDUCE_MIN, EINJIT_COMBINE_ADD, &err),
        EINJIT_OK);
    assert_int_equal(node(v)->fn, EINJIT_REDUCE_MIN);
    assert_int_equal(node(v)->combine, EINJIT_COMBINE_ADD);
    const int32_t ranks[] = {2, 2}, labels[] = {100, 7, 7, 5}, out[] = {5, 100};
    assert_int_equal(einjit_graph_einsum_labels(&v, graph, 2, x, ranks, labels, 2, out, &err), EINJIT_OK);
    assert_true(node(v)->equation->integer_labels);
    assert_int_equal(einjit_graph_verify(graph, &err), EINJIT_OK);
}

static void bad_einsums_are_refused(void **state)
{
    (void)state;
    einjit_value v, x[2];
    const int32_t rank = 1, label = 0, unknown = 4;
#define TWO_INPUTS() (x[0] = input(1), x[1] = input(1))
    TWO_INPUTS();
    assert_refused(einjit_graph_einsum(&v, graph, "i,i,i", 2, x, &err), EINJIT_E_OPERAND_COUNT);
    TWO_INPUTS();
    assert_refused(einjit_graph_einsum(&v, graph, "", 0, NULL, &err), EINJIT_E_NO_OPERANDS);
    assert_refused(einjit_graph_einsum(&v, graph, NULL, 0, NULL, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_einsum(&v, graph, "i", 1, NULL, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_einsum(&v, graph, "i", 1, (einjit_value[]){0}, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_einsum(&v, graph, "i", 1, (einjit_value[]){-1}, &err), EINJIT_E_INVALID);
    TWO_INPUTS();
    assert_refused(einjit_graph_einsum_semiring(&v, graph, "i", 1, x, EINJIT_REDUCE_PROD, 0, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_einsum_semiring(&v, graph, "i", 1, x, 0, 2, &err), EINJIT_E_VALUE);
    TWO_INPUTS();
    assert_refused(einjit_graph_einsum_labels(&v, graph, 1, x, &rank, &label, 1, &unknown, &err), EINJIT_E_OUT_UNKNOWN);
    assert_refused(einjit_graph_einsum_labels(&v, graph, 1, x, NULL, &label, 0, NULL, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_einsum_labels(&v, graph, 1, x, &rank, NULL, 0, NULL, &err), EINJIT_E_INVALID);
}

static void pointwise_operations_go_by_name(void **state)
{
    (void)state;
    einjit_value x = input(1), v;
    for (int fn = 0; fn < EJ_FN_COUNT; fn++) {
        einjit_value in[3] = {x, x, x};
        assert_int_equal(einjit_graph_pointwise(&v, graph, ej_fns[fn].name, ej_fns[fn].arity, in, &err), EINJIT_OK);
        assert_int_equal(node(v)->fn, fn);
    }
    assert_int_equal(einjit_graph_div(&v, graph, x, x, NULL, &err), EINJIT_OK);
    assert_int_equal(node(v)->fn, EJ_FN_DIV);
    assert_int_equal(einjit_graph_div(&v, graph, x, x, "floor", &err), EINJIT_OK);
    assert_int_equal(node(v)->fn, EJ_FN_FLOOR_DIVIDE);
    assert_int_equal(einjit_graph_div(&v, graph, x, x, "trunc", &err), EINJIT_OK);
    assert_int_equal(node(v)->fn, EJ_FN_TRUNC_DIVIDE);
    assert_int_equal(einjit_graph_add(&v, graph, x, v, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_sub(&v, graph, x, v, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_mul(&v, graph, x, v, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_where(&v, graph, x, v, x, &err), EINJIT_OK);
    assert_int_equal(node(v)->n_in, 3);
    assert_int_equal(einjit_graph_to(&v, graph, x, EINJIT_I64, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_matmul(&v, graph, x, x, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_verify(graph, &err), EINJIT_OK);
    assert_refused(einjit_graph_div(&v, graph, x, x, "up", &err), EINJIT_E_VALUE);
    x = input(1);
    assert_refused(einjit_graph_pointwise(&v, graph, "sine", 1, &x, &err), EINJIT_E_NAME);
    x = input(1);
    assert_refused(einjit_graph_pointwise(&v, graph, "add", 1, &x, &err), EINJIT_E_VALUE);
    assert_refused(einjit_graph_pointwise(&v, graph, NULL, 1, &x, &err), EINJIT_E_INVALID);
    assert_refused(einjit_graph_to(&v, graph, 0, EINJIT_DTYPE_COUNT, &err), EINJIT_E_DTYPE);
}

static void results_are_values_of_the_graph(void **state)
{
    (void)state;
    einjit_value x = input(1);
    assert_int_equal(einjit_graph_output(graph, x, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_output(graph, x, &err), EINJIT_OK);
    assert_int_equal(einjit_graph_output_count(graph), 2);
    assert_refused(einjit_graph_output(graph, x + 1, &err), EINJIT_E_INVALID);
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    einjit_value x = input(1), v;
    assert_int_equal(einjit_graph_to(&v, graph, x, -5, &err), EINJIT_E_DTYPE);
    assert_int_equal(einjit_graph_pointwise(&v, graph, "sine", 1, &x, &err), EINJIT_E_DTYPE);
    assert_string_equal(err.text, "an earlier call on this graph failed with E_DTYPE");
    assert_int_equal(einjit_graph_output(graph, x, NULL), EINJIT_E_DTYPE);
    assert_int_equal(einjit_graph_node_count(graph), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_graph, close_graph)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(inputs_take_numbers_symbols_or_neither),
        TEST(bad_inputs_are_refused),
        TEST(constants_are_copied_from_any_strides),
        TEST(bad_constants_are_refused),
        TEST(literals_keep_their_kind),
        TEST(einsums_come_from_text_and_from_integers),
        TEST(bad_einsums_are_refused),
        TEST(pointwise_operations_go_by_name),
        TEST(results_are_values_of_the_graph),
        TEST(the_first_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
