/* test_cost_agree.c - the plan, its steps, the table of passes and the calls of the C API say the same operations and
 * bytes of the same program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api_support.h"
#include "base_real.h"
#include "bind_support.h"
#include "sized_programs.h"

typedef struct figures {
    double operations, bytes;
} figures;

typedef struct subject {
    const char *name;
    einjit_context *context;
    einjit_graph *graph;
    size_t n_in;
    const einjit_tensor *in;
} subject;

static char *explain(const subject *s, const char *stage)
{
    einjit_error err;
    size_t needed = 0;
    if (einjit_explain(s->context, s->graph, s->n_in, s->in, NULL, stage, NULL, 0, &needed, &err))
        fail_msg("%s: %s", s->name, err.text);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_explain(s->context, s->graph, s->n_in, s->in, NULL, stage, text, needed + 1, NULL, &err),
                     EINJIT_OK);
    return text;
}

static double number_before(const char *text, const char *word)
{
    const char *end = strstr(text, word);
    assert_non_null(end);
    const char *at = end;
    while (at > text && strchr("0123456789.e+-", at[-1])) at--;
    return strtod(at, NULL);
}

static figures of_plan_text(const subject *s)
{
    char *text = explain(s, "plan");
    figures f = {number_before(text, " planned\n"), -1};
    free(text);
    return f;
}

/* A JSON object a line. */
static figures of_steps(const subject *s)
{
    char *text = explain(s, "steps");
    figures f = {0, 0};
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *step = json_loads(line, 0, NULL);
        assert_non_null(step);
        f.operations += json_number_value(json_object_get(step, "operations"));
        f.bytes += json_number_value(json_object_get(step, "bytes"));
        json_decref(step);
    }
    free(text);
    return f;
}

/* "all  changes  nodes  operations  bytes  rules", each "12" or "15 -> 12"; columns are two spaces apart at least. */
static figures of_stats(const subject *s)
{
    char *text = explain(s, "stats"), *all = strstr(text, "\nall ");
    double columns[5] = {0};
    int n = 0;
    assert_non_null(all);
    for (char *at = all + 4; n < 4 && *at;) {
        at += strspn(at, " ");
        size_t length = 0;
        while (at[length] && strncmp(at + length, "  ", 2) && at[length] != '\n') length++;
        char *arrow = strstr(at, "-> ");
        columns[n++] = strtod(arrow && arrow < at + length ? arrow + 3 : at, NULL);
        at += length;
    }
    free(text);
    assert_int_equal(n, 4);
    return (figures){columns[2], columns[3]};
}

static figures of_cost_call(const subject *s)
{
    einjit_error err;
    einjit_cost cost = {.struct_bytes = sizeof cost};
    if (einjit_plan_cost(&cost, s->context, s->graph, s->n_in, s->in, NULL, &err))
        fail_msg("%s: %s", s->name, err.text);
    return (figures){cost.planned_operations, (double)cost.bytes_moved};
}

/* Of a graph of its own, which it optimizes. */
static figures of_report_call(const subject *s, const char *text)
{
    einjit_error err;
    einjit_report *report;
    einjit_graph *graph = api_graph(s->context, text);
    if (einjit_optimize_report(&report, graph, NULL, s->n_in, s->in, 0, &err)) fail_msg("%s: %s", s->name, err.text);
    einjit_pass_report all = {.struct_bytes = sizeof all};
    if (einjit_report_pass(report, einjit_report_count(report), &all, &err)) fail_msg("%s: %s", s->name, err.text);
    figures f = {all.operations_after, all.bytes_after};
    einjit_report_destroy(report);
    einjit_graph_destroy(graph);
    return f;
}

/* As it prints: with six digits. */
static figures printed(figures f)
{
    char text[EJ_REAL_TEXT];
    f.operations = strtod(ej_count_text(text, f.operations), NULL);
    f.bytes = strtod(ej_count_text(text, f.bytes), NULL);
    return f;
}

static void expect_same(const subject *s, const char *who, figures have, figures want)
{
    if (have.operations == want.operations && (have.bytes < 0 || have.bytes == want.bytes)) return;
    fail_msg("%s: %s has %.17g operations and %.17g bytes, the cost call %.17g and %.17g", s->name, who,
             have.operations, have.bytes, want.operations, want.bytes);
}

static void everything_that_prints_costs_prints_the_same(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    for (size_t i = 0; i < n_sized_programs; i++) {
        ej_arena arena;
        ej_arena_init(&arena, &ej_malloc_allocator);
        char *text = sized_program_text(&sized_programs[i]);
        assert_non_null(text);
        subject s = {.name = sized_programs[i].name, .context = context, .graph = api_graph(context, text)};
        s.in = bind_tensors(&arena, sized_programs[i].inputs, &s.n_in);
        figures want = of_cost_call(&s);
        assert_true(want.operations > 0 && want.bytes > 0);
        expect_same(&s, "the plan", of_plan_text(&s), printed(want));
        expect_same(&s, "the steps", of_steps(&s), want);
        expect_same(&s, "the table of passes", of_stats(&s), printed(want));
        expect_same(&s, "the report", of_report_call(&s, text), want);
        einjit_graph_destroy(s.graph);
        free(text);
        ej_arena_free(&arena);
    }
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_prints_costs_prints_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
