/* test_api_report.c - what passes did, as callers read it: numbers counted by hand, texts, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

/* dce drops an exp, cse the second product, fuse makes one of the chain. */
static const char program[] = "def forward(a: f32[i, j], b: f32[j, k], c: f32[k, l]):\n"
                              "    t = einsum(\"ij,jk->ik\", a, b)\n"
                              "    dead = exp(t)\n"
                              "    u = einsum(\"xy,yz->xz\", a, b)\n"
                              "    v = einsum(\"ik,kl->il\", t, c)\n"
                              "    return einsum(\"ik,kl->il\", u, c) * v\n";

typedef struct fixture {
    einjit_context *context;
    einjit_graph *graph;
    einjit_report *report;
    einjit_pass_report passes[20], all;
    size_t n;
} fixture;

static einjit_pass_report pass_of(const einjit_report *report, size_t i)
{
    einjit_pass_report pass = {.struct_bytes = sizeof pass};
    if (einjit_report_pass(report, i, &pass, &err)) fail_msg("%s", err.text);
    return pass;
}

static void open_report(fixture *f, const char *text, const char *passes, size_t n_in, const einjit_tensor *in,
                        int32_t flags)
{
    *f = (fixture){.context = api_context("interp")};
    f->graph = api_graph(f->context, text);
    if (einjit_optimize_report(&f->report, f->graph, passes, n_in, in, flags, &err)) fail_msg("%s", err.text);
    f->n = einjit_report_count(f->report);
    assert_true(f->n <= sizeof f->passes / sizeof *f->passes);
    for (size_t i = 0; i < f->n; i++) f->passes[i] = pass_of(f->report, i);
    f->all = pass_of(f->report, f->n);
}

static void close_report(fixture *f)
{
    einjit_report_destroy(f->report);
    einjit_graph_destroy(f->graph);
    einjit_context_release(f->context);
}

static char *graph_text(const einjit_graph *graph)
{
    char *text = calloc(1, 4000);
    assert_non_null(text);
    assert_int_equal(einjit_graph_print(graph, text, 4000, NULL, &err), EINJIT_OK);
    return text;
}

static char *report_text(const einjit_report *report, int32_t flags)
{
    size_t needed = 0;
    assert_int_equal(einjit_report_print(report, flags, NULL, 0, &needed, &err), EINJIT_OK);
    char *text = malloc(needed + 1);
    assert_non_null(text);
    assert_int_equal(einjit_report_print(report, flags, text, needed + 1, NULL, &err), EINJIT_OK);
    assert_int_equal(strlen(text), needed);
    return text;
}

static void changes_nodes_and_rules_need_no_sizes(void **state)
{
    (void)state;
    fixture f;
    open_report(&f, program, "dce,cse,fuse,dce", 0, NULL, 0);
    assert_int_equal(f.n, 4);
    assert_string_equal(f.passes[0].pass, "dce");
    assert_string_equal(f.passes[2].pass, "fuse");
    assert_true(f.passes[0].changed == 1 && f.passes[0].nodes_before == 9 && f.passes[0].nodes_after == 8);
    assert_true(f.passes[1].changed == 2 && f.passes[1].nodes_before == 8 && f.passes[1].nodes_after == 6);
    assert_true(f.passes[2].changed == 1 && f.passes[2].nodes_after == 5);
    assert_true(f.passes[3].changed == 0 && f.passes[3].nodes_before == 5 && f.passes[3].nodes_after == 5);
    for (size_t i = 0; i < f.n; i++) {
        assert_true(f.passes[i].operations_before == -1 && f.passes[i].operations_after == -1);
        assert_true(f.passes[i].bytes_before == -1 && f.passes[i].bytes_after == -1);
        assert_null(f.passes[i].program);
    }
    uint64_t fired = 0, times;
    for (size_t r = 0; r < f.passes[1].n_rules; r++) {
        assert_int_equal(strncmp(einjit_report_rule(f.report, 1, r, &times), "cse_", 4), 0);
        fired += times;
    }
    assert_int_equal(fired, 2);
    assert_null(einjit_report_rule(f.report, 1, f.passes[1].n_rules, &times));
    assert_non_null(einjit_report_rule(f.report, f.n, f.all.n_rules - 1, NULL)); /* of all of it */
    assert_null(einjit_report_rule(f.report, f.n + 1, 0, NULL));
    const einjit_pass_report *all = &f.all;
    assert_string_equal(all->pass, "all");
    assert_true(all->changed == 4 && all->nodes_before == 9 && all->nodes_after == 5);
    assert_true(all->n_rules >= f.passes[1].n_rules);
    close_report(&f);
}

static void operations_and_bytes_are_those_of_the_plans(void **state)
{
    (void)state;
    fixture f;
    const einjit_tensor in[] = {F32(NULL, 2, 30), F32(NULL, 30, 2), F32(NULL, 2, 30)};
    open_report(&f, program, "dce,cse,fuse", 3, in, 0);
    /* two products of 2*30*2*2 = 240, twice: 960, and 60 for the last product; dead code is not planned */
    assert_true(f.passes[0].operations_before == 960 + 60 && f.passes[0].operations_after == 960 + 60);
    assert_true(f.passes[1].operations_before == 960 + 60 && f.passes[1].operations_after == 480 + 60);
    /* one einsum of three operands: its best path is what was there */
    assert_true(f.passes[2].operations_after == 480 + 60);
    assert_true(f.passes[1].bytes_before > f.passes[1].bytes_after && f.passes[1].bytes_after > 0);
    const einjit_pass_report *all = &f.all;
    assert_true(all->operations_before == 1020 && all->operations_after == 540);
    assert_true(all->bytes_before == f.passes[0].bytes_before && all->bytes_after == f.passes[2].bytes_after);
    /* what einjit_plan_cost says of the same graph */
    einjit_cost cost = {.struct_bytes = sizeof cost};
    assert_int_equal(einjit_plan_cost(&cost, f.context, f.graph, 3, in, NULL, &err), EINJIT_OK);
    assert_true(cost.planned_operations == 540 && (double)cost.bytes_moved == all->bytes_after);
    close_report(&f);
}

/* A chain in the wrong order: fusing alone makes the better order possible. */
static void a_pass_shows_what_it_makes_possible(void **state)
{
    (void)state;
    fixture f;
    const einjit_tensor in[] = {F32(NULL, 50, 40), F32(NULL, 40, 30), F32(NULL, 30)};
    open_report(&f, "def f(a: f32, b: f32, v: f32):\n    return einsum(\"ik,k->i\", einsum(\"ij,jk->ik\", a, b), v)\n",
                "fuse", 3, in, 0);
    assert_true(f.passes[0].operations_before == 2 * 50 * 40 * 30 + 2 * 50 * 30);
    assert_true(f.passes[0].operations_after == 2 * 40 * 30 + 2 * 50 * 40);
    close_report(&f);
}

static void naive_counts_are_of_the_program_as_written(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    const einjit_tensor in[] = {F32(NULL, 50, 40), F32(NULL, 40, 30), F32(NULL, 30)};
    for (int no_opt = 0; no_opt < 2; no_opt++) {
        einjit_compile_options options = {.struct_bytes = sizeof options,
                                          .flags = no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0};
        einjit_graph *graph =
            api_graph(context, "def f(a, b, v):\n    return einsum(\"ik,k->i\", einsum(\"ij,jk->ik\", a, b), v)\n");
        einjit_cost cost = {.struct_bytes = sizeof cost};
        assert_int_equal(einjit_plan_cost(&cost, context, graph, 3, in, &options, &err), EINJIT_OK);
        assert_true(cost.naive_operations == 2 * 50 * 40 * 30 + 2 * 50 * 30); /* not one loop over i, j and k */
        assert_true(cost.naive_bytes == 4 * (50 * 40 + 40 * 30 + 50 * 30) + 4 * (50 * 30 + 30 + 50));
        assert_true(cost.planned_operations == (no_opt ? cost.naive_operations : 2 * 40 * 30 + 2 * 50 * 40));
        einjit_graph_destroy(graph);
    }
    einjit_context_release(context);
}

static void the_graph_is_optimized_as_without_a_report(void **state)
{
    (void)state;
    fixture f;
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 3, 4), F32(NULL, 4, 5)};
    const char *const programs[] = {program, "def f(a: f32[i, j], b: f32[j, k], c: f32[k, l]):\n"
                                             "    t = tensor([[1.0, 2.0], [3.0, 4.0]])\n"
                                             "    return (a @ b) * 2.0 @ c / 3.0, t @ t\n"};
    for (int i = 0; i < 2; i++) {
        open_report(&f, programs[i], NULL, 3, in, 0);
        einjit_graph *plain = api_graph(f.context, programs[i]);
        assert_int_equal(einjit_optimize(plain, NULL, &err), EINJIT_OK);
        char *a = graph_text(f.graph), *b = graph_text(plain);
        assert_string_equal(a, b);
        free(a);
        free(b);
        einjit_graph_destroy(plain);
        close_report(&f);
    }
}

static void programs_are_kept_on_request(void **state)
{
    (void)state;
    fixture f;
    open_report(&f, program, "cse,dce,dce,fuse", 0, NULL, EINJIT_REPORT_PROGRAMS);
    const char *before = f.all.program, *last = before;
    einjit_graph *again = api_graph(f.context, program), *step;
    char *text = graph_text(again);
    assert_string_equal(before, text);
    free(text);
    for (size_t i = 0; i < f.n; i++) { /* each is a program, and what its pass makes of the one before */
        assert_int_equal(f.passes[i].program != NULL, f.passes[i].changed != 0);
        if (!f.passes[i].program) continue;
        step = api_graph(f.context, last);
        assert_int_equal(einjit_optimize(step, f.passes[i].pass, &err), EINJIT_OK);
        text = graph_text(step);
        assert_string_equal(text, f.passes[i].program);
        free(text);
        einjit_graph_destroy(step);
        last = f.passes[i].program;
    }
    text = graph_text(f.graph);
    assert_string_equal(last, text);
    free(text);
    einjit_graph_destroy(again);
    close_report(&f);
}

static void tables_are_the_same_every_run(void **state)
{
    (void)state;
    fixture f, g;
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 3, 4), F32(NULL, 4, 5)};
    open_report(&f, program, "dce,cse,fuse", 3, in, 0);
    open_report(&g, program, "dce,cse,fuse", 3, in, 0);
    char *a = report_text(f.report, 0), *b = report_text(g.report, 0),
         *timed = report_text(f.report, EINJIT_REPORT_TIMES);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "\ncse                2          8 -> 6 "));
    assert_non_null(strstr(a, "\nall "));
    assert_null(strstr(a, " us "));
    assert_non_null(strstr(timed, " us "));
    char small[8];
    assert_int_equal(einjit_report_print(f.report, 0, small, sizeof small, NULL, &err), EINJIT_OK);
    assert_int_equal(strncmp(small, a, 7), 0);
    assert_int_equal(strlen(small), 7);
    free(a);
    free(b);
    free(timed);
    close_report(&f);
    close_report(&g);
    open_report(&f, program, "dce", 0, NULL, 0);
    a = report_text(f.report, 0);
    assert_null(strstr(a, "operations"));
    free(a);
    close_report(&f);
}

static void no_passes_are_a_report_too(void **state)
{
    (void)state;
    fixture f;
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 3, 4), F32(NULL, 4, 5)};
    open_report(&f, program, "", 3, in, 0);
    assert_int_equal(f.n, 0);
    const einjit_pass_report *all = &f.all;
    assert_true(all->changed == 0 && all->nodes_before == 9 && all->nodes_after == 9);
    assert_true(all->operations_before > all->operations_after); /* what is there twice is shared by sizes' decisions */
    einjit_graph_destroy(f.graph);                               /* the report outlives it */
    f.graph = NULL;
    char *text = report_text(f.report, 0);
    assert_non_null(strstr(text, "\nchoose "));
    assert_non_null(strstr(text, "\nall "));
    free(text);
    close_report(&f);
}

static void refuse(einjit_graph *graph, const char *passes, size_t n_in, const einjit_tensor *in, int code)
{
    einjit_report *report = (einjit_report *)(void *)&err;
    assert_int_equal(einjit_optimize_report(&report, graph, passes, n_in, in, 0, &err), code);
    assert_ptr_equal(report, (void *)&err); /* as it was */
}

static void what_cannot_be_reported_is_refused(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, program);
    einjit_report *report = NULL;
    const einjit_tensor in[] = {F32(NULL, 2, 3), F32(NULL, 4, 4), F32(NULL, 4, 5)};
    const einjit_tensor bad[] = {{NULL, 77, 0, NULL, NULL}, in[1], in[2]};
    char *before = graph_text(graph);
    refuse(graph, NULL, 3, in, EINJIT_E_DIM); /* j is 3 and 4 */
    refuse(graph, NULL, 2, in, EINJIT_E_OPERAND_COUNT);
    refuse(graph, NULL, 3, bad, EINJIT_E_DTYPE);
    refuse(graph, NULL, 3, NULL, EINJIT_E_INVALID);
    refuse(graph, "dce,nonsense", 0, NULL, EINJIT_E_VALUE);
    refuse(NULL, NULL, 0, NULL, EINJIT_E_INVALID);
    assert_int_equal(einjit_optimize_report(NULL, graph, NULL, 0, NULL, 0, &err), EINJIT_E_INVALID);
    char *after = graph_text(graph);
    assert_string_equal(before, after); /* no pass ran */
    free(before);
    free(after);
    assert_int_equal(einjit_graph_freeze(graph, &err), EINJIT_OK);
    refuse(graph, NULL, 0, NULL, EINJIT_E_FROZEN);
    assert_int_equal(einjit_report_print(report, 0, NULL, 0, NULL, &err), EINJIT_E_INVALID);
    einjit_pass_report pass = {.struct_bytes = sizeof pass};
    assert_int_equal(einjit_report_count(NULL), 0);
    assert_int_equal(einjit_report_pass(NULL, 0, &pass, &err), EINJIT_E_INVALID);
    assert_null(einjit_report_rule(NULL, 0, 0, NULL));
    einjit_report_destroy(NULL);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_nodes_and_rules_need_no_sizes),
        cmocka_unit_test(operations_and_bytes_are_those_of_the_plans),
        cmocka_unit_test(a_pass_shows_what_it_makes_possible),
        cmocka_unit_test(naive_counts_are_of_the_program_as_written),
        cmocka_unit_test(the_graph_is_optimized_as_without_a_report),
        cmocka_unit_test(programs_are_kept_on_request),
        cmocka_unit_test(tables_are_the_same_every_run),
        cmocka_unit_test(no_passes_are_a_report_too),
        cmocka_unit_test(what_cannot_be_reported_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
