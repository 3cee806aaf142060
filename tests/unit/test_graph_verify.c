/* test_graph_verify.c - each invariant, broken on purpose, is noticed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

/* x: input 0, y: input 1, einsum 2, add 3, result 3 */
static void small(graph_fixture *f)
{
    graph_open(f);
    ej_value x = graph_input(f, EINJIT_F32, 2), y = graph_input(f, EINJIT_F32, -1);
    ej_value e = graph_einsum(f, "ij,j...->i...", x, y);
    graph_output(f, graph_map(f, EJ_FN_ADD, e, x));
}

enum { FAULTS = 26 };

static void break_it(ej_graph *g, int fault)
{
    ej_node *n = g->nodes;
    ej_equation *e = n[2].equation;
    switch (fault) {
    case 0: n[3].op = EJ_OP_COUNT; break;
    case 1: n[3].in[0] = 3; break;
    case 2: n[3].in[0] = -1; break;
    case 3: n[3].n_in = 1; break;
    case 4: n[3].fn = EJ_FN_COUNT; break;
    case 5: n[3].name = "a b"; break;
    case 6: n[3].name = n[2].name; break;
    case 7: n[3].name = "other"; break;
    case 8: e->terms[0].labels[0] = 1; break; /* not in order of appearance */
    case 9: e->terms[1].labels[0] = 7; break;
    case 10: e->terms[1].labels[0] = EJ_ELLIPSIS; break; /* two of them */
    case 11: e->out.labels[1] = 0; break;                /* twice */
    case 12: e->n_labels = 3; break;                     /* one is nowhere */
    case 13: e->n_terms = 1; break;
    case 14: n[2].fn = EINJIT_REDUCE_MEAN; break;
    case 15: n[2].combine = EINJIT_COMBINE_COUNT; break;
    case 16: e->symbols[1] = e->symbols[0]; break;
    case 17: e->symbols[1] = '3'; break;
    case 18: n[0].dtype = EINJIT_DTYPE_COUNT; break;
    case 19: n[0].rank = -2; break;
    case 20: n[0].n_extents = 1; break; /* of a rank of 2 */
    case 21: g->outputs[0] = 4; break;
    case 22: g->inputs[0] = 2; break;
    case 23: g->inputs[0] = 1; break;
    case 24: g->n_inputs = 1; break;
    default: n[2].equation = NULL; break;
    }
}

static void a_whole_graph_passes(void **state)
{
    (void)state;
    graph_fixture f;
    small(&f);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    graph_close(&f);
}

static void every_fault_is_found(void **state)
{
    (void)state;
    for (int fault = 0; fault < FAULTS; fault++) {
        graph_fixture f;
        small(&f);
        break_it(&f.graph, fault);
        int status = ej_graph_verify(&f.graph, &f.err);
        if (status != EINJIT_E_INTERNAL) fail_msg("fault %d gave %s", fault, einjit_status_name(status));
        assert_int_equal(ej_graph_verify(&f.graph, NULL), EINJIT_E_INTERNAL);
        graph_close(&f);
    }
}

static void the_message_names_the_node(void **state)
{
    (void)state;
    graph_fixture f;
    small(&f);
    break_it(&f.graph, 1);
    ej_graph_verify(&f.graph, &f.err);
    assert_non_null(strstr(f.err.text, "map 'add_1' (value 3)"));
    graph_close(&f);
}

static int verify_node(ej_node node, size_t n_in)
{
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1), v;
    node.n_in = (uint32_t)n_in;
    node.in = EJ_NEW_ARRAY(&f.graph.arena, ej_value, n_in);
    for (size_t i = 0; i < n_in; i++) node.in[i] = x;
    assert_int_equal(ej_graph_append(&f.graph, &node, &v, NULL), EINJIT_OK);
    int status = ej_graph_verify(&f.graph, NULL);
    graph_close(&f);
    return status;
}

static void what_a_node_says_about_itself_is_checked(void **state)
{
    (void)state;
    int64_t dim = 0, guard[3] = {1, 0, -1};
    ej_extent big[2] = {{.n = INT64_MAX}, {.n = 2}}, named = {.n = 1, .n_symbols = 1, .symbols = (int32_t[]){0}};
    ej_index_item nowhere = {EJ_INDEX_RANGE, 0, 1, 0};
    const struct {
        ej_node node;
        size_t n_in;
        int status;
    } cases[] = {
        {{.op = EJ_OP_SOFTMAX, .n_dims = 1, .dims = &dim}, 1, EINJIT_OK},
        {{.op = EJ_OP_SOFTMAX}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_TRANSPOSE, .n_dims = 1, .dims = &dim}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CAST, .dtype = -1}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX}, 0, EINJIT_OK},
        {{.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX + 1}, 0, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_REDUCE, .fn = EINJIT_REDUCE_MEAN, .all_dims = true}, 1, EINJIT_OK},
        {{.op = EJ_OP_REDUCE, .n_dims = 1, .dims = &dim, .all_dims = true}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_LAYER_NORM, .integer = 1, .n_dims = 1, .dims = &dim}, 2, EINJIT_OK},
        {{.op = EJ_OP_LAYER_NORM, .integer = 3, .n_dims = 1, .dims = &dim}, 2, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_SLICE, .n_items = 1, .items = &nowhere}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_RESHAPE, .n_extents = 1, .extents = &named}, 1, EINJIT_E_INTERNAL}, /* no such symbol */
        {{.op = EJ_OP_CONSTANT, .dtype = EINJIT_F32}, 0, EINJIT_E_INTERNAL},              /* one element, no data */
        {{.op = EJ_OP_CONSTANT, .dtype = EINJIT_F32, .rank = 2, .n_extents = 2, .extents = big, .data = &dim},
         0,
         EINJIT_E_INTERNAL},
        {{.op = EJ_OP_STRUCTURAL}, 1, EINJIT_E_INTERNAL}, /* of an input */
        {{.op = EJ_OP_ARANGE, .n_dims = 1, .dims = &dim}, 1, EINJIT_OK},
        {{.op = EJ_OP_ARANGE, .n_dims = 1, .dims = &dim}, 0, EINJIT_E_INTERNAL}, /* an axis of nothing */
        {{.op = EJ_OP_FLATTEN, .n_dims = 1, .dims = &dim}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CAT, .n_dims = 1, .dims = &dim}, 5, EINJIT_OK},
        {{.op = EJ_OP_CAT, .n_dims = 1, .dims = &dim}, 0, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_INDEX_ADD, .n_dims = 1, .dims = &dim}, 2, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_TENSORDOT, .n_dims = 1, .dims = &dim}, 2, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CHOOSE, .integer = 2, .n_dims = 3, .dims = guard}, 4, EINJIT_OK},
        {{.op = EJ_OP_CHOOSE, .integer = 1}, 1, EINJIT_OK},
        {{.op = EJ_OP_CHOOSE, .integer = 0}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CHOOSE, .integer = 2}, 1, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CHOOSE, .integer = 2, .n_dims = 3, .dims = guard}, 3, EINJIT_E_INTERNAL},
        {{.op = EJ_OP_CHOOSE, .integer = 2, .n_dims = 3, .dims = guard}, 6, EINJIT_E_INTERNAL},
        /* of an alternative not there */
        {{.op = EJ_OP_CHOOSE, .integer = 1, .n_dims = 3, .dims = guard}, 3, EINJIT_E_INTERNAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = verify_node(cases[i].node, cases[i].n_in);
        if (status != cases[i].status) fail_msg("case %zu gave %s", i, einjit_status_name(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_graph_passes),
        cmocka_unit_test(every_fault_is_found),
        cmocka_unit_test(the_message_names_the_node),
        cmocka_unit_test(what_a_node_says_about_itself_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
