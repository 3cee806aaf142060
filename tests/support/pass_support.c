/* pass_support.c - programs through passes, as text. */
#include "pass_support.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

const char *pass_printed(const ej_graph *graph, ej_arena *arena)
{
    ej_text text;
    ej_text_init(&text, arena);
    ej_graph_print(&text, graph);
    assert_false(text.failed);
    return text.data;
}

/* "def ...:\n    a = 1\n    return a\n" -> "a = 1; return a" */
static char *body_of(const ej_graph *graph)
{
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    const char *text = pass_printed(graph, &arena);
    char *out = calloc(strlen(text) + 1, 1), *to = out;
    assert_non_null(out);
    for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
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

/* ---- one pass ---- */

void pass_parse(ej_graph *out, const einjit_allocator *allocator, const char *params, const char *body)
{
    ej_arena arena;
    ej_text text;
    einjit_error err;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_print(&text, "def f(%s):\n    %s", params, strstr(body, "return ") ? "" : "return ");
    for (const char *at = body; *at; at++)
        if (*at == ';') ej_print(&text, "\n   ");
        else ej_print_bytes(&text, at, 1);
    ej_print(&text, "\n");
    assert_false(text.failed);
    if (ej_graph_parse(out, allocator, text.data, text.length, &err)) fail_msg("%s: %s", body, err.text);
    ej_arena_free(&arena);
}

static const ej_pass *find_pass(const char *name)
{
    for (size_t p = 0; p < ej_n_passes; p++)
        if (!strcmp(ej_passes[p].name, name)) return &ej_passes[p];
    fail_msg("there is no pass %s", name);
    return NULL;
}

void pass_survives_oom(const char *pass, const char *params, const char *body)
{
    int status = EINJIT_E_NOMEM;
    long fail_at = 0;
    for (; status; fail_at++) {
        graph_memory memory;
        ej_graph graph;
        ej_arena arena;
        einjit_error err = {0};
        size_t n_changed = 0;
        graph_memory_init(&memory, -1);
        pass_parse(&graph, &memory.hooks, params, body);
        memory.fail_at = memory.calls + fail_at;
        ej_arena_init(&arena, &memory.hooks);
        ej_job job = {.arena = &arena, .err = &err, .allocator = &memory.hooks};
        status = find_pass(pass)->run(&graph, &job, &n_changed);
        memory.fail_at = -1;
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        assert_int_equal(ej_graph_verify(&graph, NULL), EINJIT_OK);
        if (!status) assert_true(n_changed > 0);
        ej_graph_free(&graph);
        ej_arena_free(&arena);
        assert_int_equal(memory.live_bytes, 0);
    }
    assert_true(fail_at > 1);
}
