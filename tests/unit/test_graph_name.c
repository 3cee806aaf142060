/* test_graph_name.c - identifiers, and names of values and symbols. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static bool is_identifier(const char *text)
{
    return ej_is_identifier(text, strlen(text));
}

static void identifiers_are_those_of_python(void **state)
{
    (void)state;
    const char *good[] = {"a",
                          "_",
                          "x1",
                          "einsum_1",
                          "None_",
                          "\xCE\xB1",
                          "\xE4\xB8\x80x",
                          ("\xD0\xB6"
                           "2"),
                          "match",
                          "tensor"};
    const char *bad[] = {"",
                         "1a",
                         "a b",
                         "a-b",
                         "a.b",
                         "for",
                         "None",
                         "lambda",
                         "\xC2\xB2",
                         "\xCE",
                         "a\xFF",
                         "\xF0\x9F\x98\x80",
                         "\xE2\x84\xAB"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!is_identifier(good[i])) fail_msg("'%s' is none", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (is_identifier(bad[i])) fail_msg("'%s' is one", bad[i]);
    assert_false(ej_is_identifier("a\0b", 3));
    assert_true(ej_is_identifier("forx", 4));
    assert_false(ej_is_identifier("forx", 3));
}

static void values_and_symbols_have_name_spaces_of_their_own(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    int32_t symbol = -1, again = -1;
    assert_int_equal(ej_graph_symbol(&f.graph, "input_1", 7, &symbol, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_symbol(&f.graph, "input_1xx", 7, &again, NULL), EINJIT_OK);
    assert_int_equal(symbol, again);
    assert_int_equal(ej_graph_find_value(&f.graph, "input_1", 7), x);
    assert_int_equal(ej_graph_find_symbol(&f.graph, "input_1", 7), symbol);
    assert_int_equal(ej_graph_find_value(&f.graph, "input_", 6), -1);
    assert_int_equal(ej_graph_find_value(&f.graph, "input_1\0", 8), -1);
    assert_int_equal(ej_graph_find_symbol(&f.graph, "z", 1), -1);
    graph_close(&f);
}

static void made_up_names_count_per_word_and_avoid_taken_ones(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value taken, x = graph_input(&f, -1, -1);
    ej_node node = {.op = EJ_OP_INPUT, .dtype = -1, .rank = -1, .name = "mul_2"};
    assert_int_equal(ej_graph_append(&f.graph, &node, &taken, NULL), EINJIT_OK);
    const char *expected[] = {"mul_1", "mul_3", "add_1", "einsum_1", "mul_4"};
    ej_value v[5] = {graph_map(&f, EJ_FN_MUL, x, x), graph_map(&f, EJ_FN_MUL, x, x), graph_map(&f, EJ_FN_ADD, x, x),
                     graph_einsum(&f, "i->i", x, -1), graph_map(&f, EJ_FN_MUL, x, x)};
    for (int i = 0; i < 5; i++) assert_string_equal(f.graph.nodes[v[i]].name, expected[i]);
    graph_close(&f);
}

static void thousands_of_names_are_all_found(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    for (int i = 0; i < 5000; i++) graph_input(&f, -1, -1);
    for (ej_value v = 0; v < 5000; v++) {
        const char *name = f.graph.nodes[v].name;
        assert_int_equal(ej_graph_find_value(&f.graph, name, strlen(name)), v);
    }
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_those_of_python),
        cmocka_unit_test(values_and_symbols_have_name_spaces_of_their_own),
        cmocka_unit_test(made_up_names_count_per_word_and_avoid_taken_ones),
        cmocka_unit_test(thousands_of_names_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
