/* pass_support.c - programs through passes, as text. */
#include "pass_support.h"

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

enum { MOST_LINES = 60 };

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
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err))
        fail_msg("%s: %s", program, err.text);
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

/* ---- nested text ---- */

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next place of the word in the text; NULL: none. */
static char *find_word(char *text, const char *word)
{
    size_t n = strlen(word);
    for (char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || !is_letter(at[-1])) && !is_letter(at[n])) return at;
    return NULL;
}

/* An operator outside of parentheses: "a * b", not "f(a * b)" and not "-a". */
static bool has_operator(const char *text)
{
    int depth = 0;
    for (const char *at = text; *at; at++) {
        depth += (*at == '(' || *at == '[') - (*at == ')' || *at == ']');
        if (*at == ' ' && !depth) return true;
    }
    return *text == '-';
}

static const char *put_in(ej_arena *arena, const char *user, size_t at, size_t n, const char *value)
{
    ej_text text;
    bool alone = strncmp(user, "return ", 7) == 0 && at == 7 && !user[at + n];
    bool argument = at && (user[at - 1] == '(' || user[at - 1] == '[' || (at > 1 && user[at - 2] == ',')) &&
                    strchr("),]", user[at + n]) && user[at + n];
    ej_text_init(&text, arena);
    ej_print_bytes(&text, user, at);
    ej_print(&text, has_operator(value) && !alone && !argument ? "(%s)" : "%s", value);
    ej_print(&text, "%s", user + at + n);
    assert_false(text.failed);
    return text.data;
}

const char *pass_nested(const ej_graph *graph, ej_arena *arena)
{
    const char *lines[MOST_LINES];
    int n = 0;
    ej_text text, out;
    ej_text_init(&text, arena);
    ej_text_init(&out, arena);
    ej_graph_print(&text, graph);
    assert_false(text.failed);
    for (char *line = strchr(text.data, '\n'); line && line[1];) {
        char *end = strchr(line + 1, '\n');
        assert_true(n < MOST_LINES);
        if (end) *end = 0;
        lines[n++] = line + 5;
        line = end;
    }
    for (int i = 0; i < n; i++) {
        const char *equals = strstr(lines[i], " = ");
        char name[200];
        int user = -1, uses = 0;
        if (!equals || !strncmp(lines[i], "return ", 7)) continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - lines[i]), lines[i]);
        for (int k = i + 1; k < n; k++)
            for (char *at = (char *)(uintptr_t)lines[k]; (at = find_word(at, name)); at++) uses++, user = k;
        if (uses != 1) continue;
        size_t at = (size_t)(find_word((char *)(uintptr_t)lines[user], name) - lines[user]);
        lines[user] = put_in(arena, lines[user], at, strlen(name), equals + 3);
        lines[i] = NULL;
    }
    for (int i = 0; i < n; i++)
        if (lines[i]) ej_print(&out, "%s%s", out.length ? "; " : "", lines[i]);
    assert_false(out.failed);
    return strncmp(out.data, "return ", 7) ? out.data : out.data + 7;
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
