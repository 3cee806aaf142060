/* test_facts_reshape.c - groups of axes of a reshape. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job.h"
#include "facts_reshape.h"

enum { MAX_TEXT = 300 };

/* "0>0 1>12" : axis 0 is axis 0, axis 1 becomes axes 1 and 2; axes of extent 1 are left out. "?": not known. */
static void groups_of(const char *from, const char *to, char *text)
{
    ej_graph graph;
    ej_arena arena;
    einjit_error err;
    ej_reshape_groups groups;
    char program[MAX_TEXT];
    snprintf(program, sizeof program, "def f(x: f32[%s]):\n    return reshape(x, (%s,))\n", from, to);
    ej_arena_init(&arena, &ej_malloc_allocator);
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err))
        fail_msg("%s: %s", program, err.text);
    const ej_known_shapes *shapes = ej_facts_shapes(&graph, &arena);
    assert_non_null(shapes);
    assert_true(ej_reshape_group_axes(&groups, &graph, shapes, graph.outputs[0], &arena));
    int n = 0;
    *text = 0;
    for (uint32_t g = 0; groups.known && g < groups.n; g++) {
        if (g) text[n++] = ' ';
        for (int32_t i = 0; i < shapes->of[0].rank; i++)
            if (groups.of_from[i] == (int32_t)g) text[n++] = (char)('0' + i);
        text[n++] = '>';
        for (int32_t i = 0; i < shapes->of[graph.outputs[0]].rank; i++)
            if (groups.of_to[i] == (int32_t)g) text[n++] = (char)('0' + i);
    }
    if (!groups.known) text[n++] = '?';
    if (groups.known && !groups.plain) text[n++] = '1';
    if (groups.splits) text[n++] = 's';
    if (groups.merges) text[n++] = 'm';
    if (groups.mixes) text[n++] = 'x';
    text[n] = 0;
    ej_graph_free(&graph);
    ej_arena_free(&arena);
}

static void axes_group_by_equal_products(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"2, 3", "2, 3", "0>0 1>1"},
        {"6", "2, 3", "0>01s"},
        {"2, 3", "6", "01>0m"},
        {"2, 3, 4", "2, 12", "0>0 12>1m"},
        {"2, 12", "2, 3, 2, 2", "0>0 1>123s"},
        {"2, 12, 3", "24, 3", "01>0 2>1m"},
        {"12, 5, 2", "3, 4, 10", "0>01 12>2sm"},
        {"4, 6", "6, 4", "?"}, /* neither divides the other */
        {"2, 6", "4, 3", "01>01x"},
        {"2, 1, 3", "2, 3", "0>0 2>11"},
        {"2, 3", "1, 2, 3, 1", "0>1 1>21"},
        {"2, 1, 3", "1, 6", "02>11m"},
        {"a, b", "a*b", "01>0m"},
        {"a, b, c", "a, b*c", "0>0 12>1m"},
        {"a, 6", "a, 2, 3", "0>0 1>12s"},
        {"a, 6", "-1, 2, 3", "0>0 1>12s"},
        {"a, b, 4", "a*b, 2, 2", "01>0 2>12sm"},
        {"a, a, 3", "a, 3*a", "0>0 12>1m"},
        {"a, b", "b, a", "?"},
        {"a, b", "-1, a", "?"},
        {":, 6", "-1, 2, 3", "?"},
        {"0, 6", "0, 2, 3", "0>0 1>12s"},
        {"0, 6", "0, 3", "?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[MAX_TEXT];
        groups_of(cases[i][0], cases[i][1], text);
        if (strcmp(text, cases[i][2])) fail_msg("%s to %s: %s for %s", cases[i][0], cases[i][1], text, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_group_by_equal_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
