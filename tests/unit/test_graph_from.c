/* test_graph_from.c - the graph of one equation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static int make(ej_graph *graph, const char *text)
{
    ej_arena arena;
    ej_equation equation;
    ej_arena_init(&arena, &ej_malloc_allocator);
    assert_int_equal(ej_equation_parse(&equation, &arena, text, strlen(text), SIZE_MAX, NULL), EINJIT_OK);
    int status = ej_graph_from_equation(graph, &ej_malloc_allocator, &equation, NULL, NULL);
    ej_arena_free(&arena);
    if (!status) assert_int_equal(ej_graph_verify(graph, NULL), EINJIT_OK);
    return status;
}

static const char *symbol(const ej_graph *graph, size_t input, uint32_t axis)
{
    const ej_extent *extent = &graph->nodes[graph->inputs[input]].extents[axis];
    return extent->n_symbols ? graph->symbols[extent->symbols[0]] : "?";
}

static void labels_name_extents(void **state)
{
    (void)state;
    ej_graph graph;
    assert_int_equal(make(&graph, "zij,zjk->zki"), EINJIT_OK);
    assert_int_equal(graph.n_inputs, 2);
    assert_int_equal(graph.n_outputs, 1);
    assert_int_equal(graph.n_nodes, 3);
    assert_string_equal(graph.nodes[0].name, "a");
    assert_string_equal(graph.nodes[1].name, "b");
    assert_int_equal(graph.nodes[0].rank, 3);
    assert_int_equal(graph.nodes[0].dtype, -1);
    assert_string_equal(symbol(&graph, 0, 0), "z");
    assert_string_equal(symbol(&graph, 1, 2), "k");
    assert_int_equal(graph.n_symbols, 4);
    assert_int_equal(graph.nodes[2].equation->n_labels, 4);
    ej_graph_free(&graph);
}

static void known_ranks_name_the_axes_of_an_ellipsis(void **state)
{
    (void)state;
    ej_graph graph;
    ej_arena arena;
    ej_equation equation;
    const int32_t ranks[] = {3, 4, 1}, wrong[] = {3, 0, 1};
    ej_arena_init(&arena, &ej_malloc_allocator);
    assert_int_equal(ej_equation_parse(&equation, &arena, "i...,...ij,j", 12, 3, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_from_equation(&graph, &ej_malloc_allocator, &equation, ranks, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_verify(&graph, NULL), EINJIT_OK);
    assert_int_equal(graph.nodes[0].rank, 3);
    assert_string_equal(symbol(&graph, 0, 0), "i");
    assert_string_equal(symbol(&graph, 0, 1), "ellipsis_1");
    assert_string_equal(symbol(&graph, 0, 2), "ellipsis_2");
    assert_string_equal(symbol(&graph, 1, 0), "ellipsis_1");
    assert_string_equal(symbol(&graph, 1, 3), "j");
    bool marked[4] = {false};
    assert_int_equal(graph.n_symbols, 4);
    assert_int_equal(ej_graph_mark_symbols(marked, &graph, " j, ...", NULL), EINJIT_OK);
    for (size_t s = 0; s < 4; s++) assert_int_equal(marked[s], strcmp(graph.symbols[s], "i") != 0);
    ej_graph_free(&graph);
    einjit_error err;
    assert_int_equal(ej_graph_from_equation(&graph, &ej_malloc_allocator, &equation, wrong, &err), EINJIT_E_RANK);
    assert_non_null(strstr(err.text, "operand 1"));
    ej_arena_free(&arena);
}

static void what_is_no_identifier_stays_unnamed(void **state)
{
    (void)state;
    ej_graph graph;
    assert_int_equal(make(&graph, "\xCE\xB1\xF0\x9F\x98\x80,...i->"), EINJIT_OK);
    assert_string_equal(symbol(&graph, 0, 0), "\xCE\xB1");
    assert_string_equal(symbol(&graph, 0, 1), "?");
    assert_int_equal(graph.nodes[1].rank, -1);
    assert_int_equal(graph.nodes[1].n_extents, 0);
    ej_graph_free(&graph);
}

static void many_terms_are_named_by_numbers(void **state)
{
    (void)state;
    ej_graph graph;
    assert_int_equal(make(&graph, "i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i"), EINJIT_OK);
    assert_string_equal(graph.nodes[25].name, "z");
    ej_graph_free(&graph);
    assert_int_equal(make(&graph, "i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i"), EINJIT_OK);
    assert_string_equal(graph.nodes[0].name, "x0");
    assert_string_equal(graph.nodes[26].name, "x26");
    ej_graph_free(&graph);
}

static void integer_labels_are_kept(void **state)
{
    (void)state;
    ej_arena arena;
    ej_equation equation;
    ej_graph graph;
    ej_arena_init(&arena, &ej_malloc_allocator);
    assert_int_equal(
        ej_equation_from_labels(&equation, &arena, 1, (int32_t[]){2}, (int32_t[]){300, 7}, 1, (int32_t[]){7}, NULL),
        EINJIT_OK);
    assert_int_equal(ej_graph_from_equation(&graph, &ej_malloc_allocator, &equation, NULL, NULL), EINJIT_OK);
    ej_arena_free(&arena);
    assert_int_equal(ej_graph_verify(&graph, NULL), EINJIT_OK);
    assert_true(graph.nodes[1].equation->integer_labels);
    assert_int_equal(graph.nodes[1].equation->symbols[0], 300);
    assert_string_equal(symbol(&graph, 0, 0), "?");
    ej_graph_free(&graph);
}

static void text_printed_is_the_graph_read(void **state)
{
    (void)state;
    const char *wanted = "def forward(a: any[z:, i:, :], b: any[z:, i:], c):\n"
                         "    einsum_1 = einsum(\"zi\xF0\x9F\x98\x80,zi,...->\", a, b, c)\n    return einsum_1\n";
    ej_graph graph, back;
    ej_arena arena;
    ej_text text, again;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_text_init(&again, &arena);
    assert_int_equal(make(&graph, "zi\xF0\x9F\x98\x80,zi,...->"), EINJIT_OK);
    ej_graph_print(&text, &graph);
    assert_string_equal(text.data, wanted);
    assert_int_equal(ej_graph_parse(&back, &ej_malloc_allocator, text.data, text.length, NULL), EINJIT_OK);
    assert_true(ej_graph_hash(&back) == ej_graph_hash(&graph));
    ej_graph_print(&again, &back);
    assert_string_equal(again.data, wanted);
    ej_graph_free(&graph);
    ej_graph_free(&back);
    ej_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_name_extents),
        cmocka_unit_test(known_ranks_name_the_axes_of_an_ellipsis),
        cmocka_unit_test(what_is_no_identifier_stays_unnamed),
        cmocka_unit_test(many_terms_are_named_by_numbers),
        cmocka_unit_test(integer_labels_are_kept),
        cmocka_unit_test(text_printed_is_the_graph_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
