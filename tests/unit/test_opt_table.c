/* test_opt_table.c - what every pass of the table must do, whatever it is for; and how the runner checks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"
#include "opt.h"
#include "pass_support.h"

/* ---- programs ---- */

static char *read_program(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/tests/golden/%s", EINJIT_TEST_SOURCE, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 100000);
    assert_non_null(text);
    assert_true(fread(text, 1, 99999, file) > 0);
    fclose(file);
    return text;
}

typedef void (*on_program)(const char *name, const char *text);

static void for_all_golden_programs(on_program check)
{
    int n = 0;
    DIR *folder = opendir(EINJIT_TEST_SOURCE "/tests/golden");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".ein")) continue;
        char *text = read_program(entry->d_name);
        check(entry->d_name, text);
        free(text);
        n++;
    }
    closedir(folder);
    assert_true(n >= 8);
}

static void open_program(graph_fixture *f, const char *text)
{
    graph_open(f);
    ej_graph_free(&f->graph);
    if (ej_graph_parse(&f->graph, &ej_malloc_allocator, text, strlen(text), &f->err)) fail_msg("%s", f->err.text);
}

static const char *print(graph_fixture *f)
{
    ej_text text;
    ej_text_init(&text, &f->arena);
    ej_graph_print(&text, &f->graph);
    assert_false(text.failed);
    return text.data;
}

/* ---- each pass by itself ---- */

static size_t run_pass(graph_fixture *f, const ej_pass *pass, const char *where)
{
    size_t n_changed = 0;
    if (pass->run(&f->graph, &f->job, &n_changed)) fail_msg("%s, %s: %s", pass->name, where, f->err.text);
    if (ej_graph_verify(&f->graph, &f->err)) fail_msg("%s, %s: %s", pass->name, where, f->err.text);
    return n_changed;
}

static void passes_have_names_and_say_what_they_are_for(void **state)
{
    (void)state;
    assert_true(ej_n_passes >= 3);
    for (size_t p = 0; p < ej_n_passes; p++) {
        const ej_pass *pass = &ej_passes[p];
        assert_non_null(pass->run);
        assert_true(strlen(pass->name) > 1 && strlen(pass->name) < 40);
        assert_int_equal(strspn(pass->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(pass->name)); /* it names a file */
        assert_true(strlen(pass->help) > 10);
    }
}

static void nothing_is_left_alone(void **state)
{
    (void)state;
    for (size_t p = 0; p < ej_n_passes; p++) {
        graph_fixture f;
        graph_open(&f);
        assert_int_equal(run_pass(&f, &ej_passes[p], "the empty graph"), 0);
        assert_int_equal(f.graph.n_nodes, 0);
        graph_close(&f);
    }
}

static void an_input_stays(void **state)
{
    (void)state;
    for (size_t p = 0; p < ej_n_passes; p++) {
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, EINJIT_F32, 2);
        graph_input(&f, -1, -1); /* not used, and part of the signature all the same */
        graph_output(&f, x);
        assert_int_equal(run_pass(&f, &ej_passes[p], "two inputs"), 0);
        assert_int_equal(f.graph.n_nodes, 2);
        assert_int_equal(f.graph.outputs[0], x);
        graph_close(&f);
    }
}

static void check_pass_twice(const char *name, const char *text)
{
    for (size_t p = 0; p < ej_n_passes; p++) {
        graph_fixture f;
        open_program(&f, text);
        uint64_t as_written = ej_graph_hash(&f.graph), signature = ej_graph_signature(&f.graph);
        size_t n_changed = run_pass(&f, &ej_passes[p], name);
        if (!n_changed && ej_graph_hash(&f.graph) != as_written)
            fail_msg("%s, %s: it changed the graph and says that it did not", ej_passes[p].name, name);
        if (ej_graph_signature(&f.graph) != signature) fail_msg("%s, %s: another signature", ej_passes[p].name, name);
        const char *once = print(&f);
        n_changed = run_pass(&f, &ej_passes[p], name);
        if (n_changed || strcmp(once, print(&f)))
            fail_msg("%s, %s: %zu changes by a second run, of\n%s\nto\n%s", ej_passes[p].name, name, n_changed, once,
                     print(&f));
        graph_close(&f);
    }
}

static void a_second_run_of_a_pass_changes_nothing(void **state)
{
    (void)state;
    for_all_golden_programs(check_pass_twice);
}

static void lack_of_memory_leaves_a_whole_graph(void **state)
{
    (void)state;
    pass_survives_oom("distribute", "a: f32[i, k], b: f32[i, k], c: f32[k, j], d: f32[k, j], e: f32[:, k]",
                      "a @ c + 2.0 * (b @ c) + a @ d - b @ d + einsum('ik,kj->ij', e, c) + einsum('ik,kj->ij', a, c)");
    pass_survives_oom(
        "gather", "x: f32[n, i], w: f32[i, o], s: i64[e], v: f32[e, i]",
        "index_add(n, 0, s, einsum('ei,io->eo', x[s], w)), einsum('ei,io->eo', x, w)[s], "
        "index_add(n, 0, s, einsum('ei,io,ej,jo->eo', x[s], w, x[s], w)), v[s] @ w, einsum('ei,ei->i', x[s], v)");
    pass_survives_oom("offer", "a: f32[n, n], b: f32[n, n]",
                      "p = einsum('ij,jk->ik', a, b); return einsum('ik,kl->il', p, b), p");
}

/* ---- all of them ---- */

static void check_all_twice(const char *name, const char *text)
{
    graph_fixture f;
    open_program(&f, text);
    graph_optimize(&f, NULL);
    const char *once = print(&f);
    uint64_t hash = ej_graph_hash(&f.graph);
    graph_optimize(&f, NULL);
    if (strcmp(once, print(&f)))
        fail_msg("%s changes when all passes run again, from\n%s\nto\n%s", name, once, print(&f));
    assert_true(ej_graph_hash(&f.graph) == hash);
    graph_close(&f);
}

static void a_second_run_of_all_passes_changes_nothing(void **state)
{
    (void)state;
    for_all_golden_programs(check_all_twice);
}

static bool is_name_of(const ej_graph *graph, const char *name)
{
    return ej_graph_find_value(graph, name, strlen(name)) >= 0;
}

/* A result is known by its own name, or by that of another value of the program that is the same: never by a new
 * one. */
static void check_names(const char *name, const char *text)
{
    graph_fixture f, written;
    open_program(&written, text);
    open_program(&f, text);
    graph_optimize(&f, NULL);
    assert_int_equal(f.graph.n_inputs, written.graph.n_inputs);
    assert_int_equal(f.graph.n_outputs, written.graph.n_outputs);
    for (size_t i = 0; i < f.graph.n_inputs; i++)
        assert_string_equal(f.graph.nodes[f.graph.inputs[i]].name, written.graph.nodes[written.graph.inputs[i]].name);
    for (size_t o = 0; o < f.graph.n_outputs; o++) {
        const ej_node *node = &f.graph.nodes[f.graph.outputs[o]];
        if (node->op != EJ_OP_SCALAR && !is_name_of(&written.graph, node->name))
            fail_msg("%s: result %zu is now called %s", name, o, node->name);
    }
    graph_close(&f);
    graph_close(&written);
}

static void inputs_and_results_keep_their_names(void **state)
{
    (void)state;
    for_all_golden_programs(check_names);
}

/* ---- the runner: what it sees, and what it checks ---- */

typedef struct spy {
    ej_opt_watch watch;
    char seen[400];
    size_t n_changed, fail_after; /* so many calls */
} spy;

static int note(spy *s, const char *sign, const ej_pass *pass, ej_job *job)
{
    size_t n = strlen(s->seen);
    snprintf(s->seen + n, sizeof s->seen - n, "%s%s ", sign, pass->name);
    if (s->fail_after-- == 1) return ej_fail(job->err, EINJIT_E_VALUE, "enough");
    return EINJIT_OK;
}

static int spy_before(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, ej_job *job)
{
    (void)graph;
    return note((spy *)watch, "<", pass, job);
}

static int spy_after(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, size_t n_changed, ej_job *job)
{
    spy *s = (spy *)watch;
    (void)graph;
    s->n_changed += n_changed;
    return note(s, ">", pass, job);
}

static void a_watch_sees_every_pass_in_order(void **state)
{
    (void)state;
    graph_fixture f;
    spy s = {.watch = {spy_before, spy_after}};
    open_program(&f, "def f(x):\n    dead = exp(x)\n    return sin(x) + sin(x)\n");
    f.job.watch = &s.watch;
    graph_optimize(&f, "dce, cse,dce");
    assert_string_equal(s.seen, "<dce >dce <cse >cse <dce >dce ");
    assert_int_equal(s.n_changed, 2);
    s = (spy){.watch = {spy_before, spy_after}, .fail_after = 3};
    assert_int_equal(ej_opt_run(&f.graph, "dce,cse,fuse", &f.job), EINJIT_E_VALUE); /* its failure ends the run */
    assert_string_equal(s.seen, "<dce >dce <cse ");
    graph_close(&f);
}

static void rules_that_fire_are_counted(void **state)
{
    (void)state;
    graph_fixture f;
    uint32_t hits[EJ_RULE_COUNT] = {0}, n = 0;
    open_program(&f, "def f(x):\n    return sin(x) + sin(x) * sin(x)\n");
    f.job.rule_hits = hits;
    graph_optimize(&f, "cse");
    for (int r = 0; r < EJ_RULE_COUNT; r++) n += hits[r];
    assert_int_equal(n, 2);
    graph_close(&f);
}

static int lie(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    (void)job, (void)n_changed;
    graph->nodes[graph->outputs[0]].fn = EJ_FN_COS;
    return EINJIT_OK;
}

static int forget_result(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    (void)job;
    graph->n_outputs--;
    *n_changed = 1;
    return EINJIT_OK;
}

static int swap_inputs(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    (void)job;
    ej_value first = graph->inputs[0];
    graph->inputs[0] = graph->inputs[1];
    graph->inputs[1] = first;
    *n_changed = 1;
    return EINJIT_OK;
}

static int break_node(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    (void)job;
    graph->nodes[graph->outputs[0]].in[0] = 99;
    *n_changed = 1;
    return EINJIT_OK;
}

/* With verification the pass is named; without, the run is not slowed down by looking. */
static void check_caught(int (*run)(ej_graph *, ej_job *, size_t *), const char *message)
{
    const ej_pass pass = {"wrong", run, EJ_EXACT, "does something that a pass must not do"};
    for (int verify = 0; verify < 2; verify++) {
        graph_fixture f;
        open_program(&f, "def f(x, y):\n    return sin(x), y\n");
        f.job.verify = verify;
        int status = ej_opt_run_pass(&f.graph, &pass, &f.job);
        assert_int_equal(status, verify ? EINJIT_E_INTERNAL : EINJIT_OK);
        if (verify && !strstr(f.err.text, message)) fail_msg("'%s', not '%s'", f.err.text, message);
        graph_close(&f);
    }
}

static void passes_that_break_their_word_are_named(void **state)
{
    (void)state;
    check_caught(lie, "pass wrong changed the graph and says that it did not");
    check_caught(forget_result, "pass wrong changed the function's inputs, name or number of results");
    check_caught(swap_inputs, "pass wrong changed the function's inputs");
    check_caught(break_node, "after pass wrong: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_have_names_and_say_what_they_are_for),
        cmocka_unit_test(nothing_is_left_alone),
        cmocka_unit_test(an_input_stays),
        cmocka_unit_test(a_second_run_of_a_pass_changes_nothing),
        cmocka_unit_test(lack_of_memory_leaves_a_whole_graph),
        cmocka_unit_test(a_second_run_of_all_passes_changes_nothing),
        cmocka_unit_test(inputs_and_results_keep_their_names),
        cmocka_unit_test(a_watch_sees_every_pass_in_order),
        cmocka_unit_test(rules_that_fire_are_counted),
        cmocka_unit_test(passes_that_break_their_word_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
