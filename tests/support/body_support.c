/* body_support.c - programs through passes, as text. */
#include "body_support.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"
#include "job.h"

/* "def ...:\n    a = 1\n    return a\n" -> "a = 1; return a" */
static char *body_of(const ej_graph *graph)
{
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_graph_print(&text, graph);
    assert_false(text.failed);
    char *out = calloc(text.length + 1, 1), *to = out;
    assert_non_null(out);
    for (const char *line = strchr(text.data, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        size_t n = strcspn(line + 5, "\n"); /* behind the indent */
        if (to > out) to += sprintf(to, "; ");
        memcpy(to, line + 5, n);
        to += n;
    }
    ej_arena_free(&arena);
    return out;
}

char *pass_body(const char *program, const char *passes)
{
    ej_graph graph;
    ej_arena arena;
    einjit_error err = {0};
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .verify = true};
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err)) fail_msg("%s: %s", program, err.text);
    if (ej_opt_run(&graph, passes, &job)) fail_msg("%s: %s", program, err.text);
    char *once = body_of(&graph);
    if (ej_opt_run(&graph, passes, &job)) fail_msg("%s, again: %s", program, err.text);
    char *twice = body_of(&graph);
    assert_string_equal(once, twice);
    free(twice);
    ej_graph_free(&graph);
    ej_arena_free(&arena);
    return once;
}

void pass_cases(const char *passes, const pass_case *cases)
{
    for (const pass_case *c = cases; c->expression; c++) {
        char program[2000];
        snprintf(program, sizeof program, "def forward(" PASS_PARAMETERS "):\n    return %s\n", c->expression);
        char *got = pass_body(program, passes), *want = c->body ? NULL : pass_body(program, "");
        if (strcmp(got, c->body ? c->body : want)) fail_msg("%s\n  gives    %s\n  not      %s", c->expression, got, c->body ? c->body : want);
        free(got);
        free(want);
    }
}
