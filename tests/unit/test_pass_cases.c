/* test_pass_cases.c - what passes make of programs, by the files in tests/passes: one <pass>.cases each.
 *
 * A file is text. '#' begins a comment, "## what holds" a heading. Lines that hold for what is below them:
 *     inputs x: f32[3, 3], n: i32[3]       parameters of the programs
 *     on f32[3,3] i32[3]                   tensors for them, as bind_support.h reads them; indices are below 3
 *     refused f32[3,3] i32[3]              the same, and the program is wrong for them: before the passes as behind
 *                                          them
 *     passes canon,scalar                  what is run; without it the pass that the file is named after
 * A case is a program, and what becomes of it: an expression, or statements with semicolons.
 *     2.0 * x * 3.0
 *     => x * 6.0
 *     sqrt(2.0 * x)
 *     => stays
 * What comes out is printed nested: values with one use stand where they are used. It must be the same byte for byte; a
 * second run of the passes must change nothing, and say so; and the program has to compute the same before and after,
 * by the oracle and the interpreter. EINJIT_BLESS=1 writes what comes out into the files.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"
#include "built_module.h"
#include "pipeline.h"
#include "conformance.h"
#include "judge.h"
#include "opt.h"
#include "pass_support.h"

enum { LINE = 4000, WHY = 600, INDICES_BELOW = 3 };

typedef struct case_file {
    char path[1100], passes[200], inputs[LINE], on[LINE];
    einjit_context *context;
    ej_arena arena; /* of one case */
    ej_text out;    /* the file with what comes out now */
    ej_arena text_arena;
    bool refused; /* the tensors are */
    int line, n_cases, n_wrong;
} case_file;

/* ---- one case ---- */

typedef struct change_count {
    ej_opt_watch watch;
    size_t n;
} change_count;

static int before_pass(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, ej_job *job)
{
    (void)watch, (void)graph, (void)pass, (void)job;
    return EINJIT_OK;
}

static int after_pass(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, size_t n_changed, ej_job *job)
{
    (void)graph, (void)pass, (void)job;
    ((change_count *)watch)->n += n_changed;
    return EINJIT_OK;
}

static ej_job new_job(case_file *f, einjit_error *err)
{
    return (ej_job){.arena = &f->arena,
                    .err = err,
                    .allocator = &ej_malloc_allocator,
                    .target = ej_target_host(),
                    .evaluator = &ej_interpreting_evaluator,
                    .verify = true};
}

static void run_passes(ej_graph *graph, case_file *f)
{
    einjit_error err = {0};
    change_count changes = {.watch = {before_pass, after_pass}};
    ej_job job = new_job(f, &err);
    job.watch = &changes.watch;
    for (int i = 0; i < 2; i++) {
        const char *before = pass_printed(graph, &f->arena);
        changes.n = 0;
        if (ej_opt_run(graph, f->passes, &job)) fail_msg("%s:%d: %s", f->path, f->line, err.text);
        bool same = !strcmp(before, pass_printed(graph, &f->arena));
        if (i && (!same || changes.n))
            fail_msg("%s:%d: a second run makes with %zu changes\n%sof\n%s", f->path, f->line, changes.n,
                     pass_printed(graph, &f->arena), before);
        if (!same && !changes.n) fail_msg("%s:%d: changes that nobody counts", f->path, f->line);
    }
}

static void make_inputs(gen_program *p, case_file *f, const ej_graph *graph)
{
    gen_random r = {(uint64_t)f->line};
    const einjit_tensor *on = bind_tensors(&f->arena, f->on, &p->n_in);
    assert_int_equal(p->n_in, graph->n_inputs);
    for (size_t i = 0; i < p->n_in; i++) {
        assert_true(gen_tensor_make(&p->in[i], &r, on[i].dtype, on[i].rank, on[i].shape, GEN_ROW_MAJOR));
        if (on[i].dtype == EINJIT_I64) gen_tensor_set_index(&p->in[i], &r, INDICES_BELOW);
        else gen_tensor_fill(&p->in[i], &r, true);
    }
}

static void is_right(case_file *f, gen_program *p, const einjit_tensor *views, const ej_graph *const *graphs)
{
    char why[WHY];
    judge_way way = {.name = "", .context = f->context, .passes = ""};
    if (!oracle_run(&p->oracle, graphs[0], views, 1e6)) fail_msg("%s:%d: %s", f->path, f->line, p->oracle.reason);
    for (int i = 0; i < 2; i++)
        if (!judge_graph(p, graphs[i], p->oracle.values, &way, (uint64_t)f->line, NULL, why, sizeof why))
            fail_msg("%s:%d: %s the passes: %s", f->path, f->line, i ? "after" : "before", why);
    oracle_free(&p->oracle);
}

static void computes_the_same(case_file *f, const ej_graph *before, const ej_graph *after)
{
    static gen_program p;
    einjit_tensor views[GEN_MAX_INPUTS];
    const ej_graph *const graphs[] = {before, after};
    memset(&p, 0, sizeof p);
    p.graph = *before;
    make_inputs(&p, f, before);
    gen_program_views(&p, views);
    for (int i = 0; i < 2 && f->refused; i++)
        if (oracle_run(&p.oracle, graphs[i], views, 1e6))
            fail_msg("%s:%d: %s the passes nothing is wrong", f->path, f->line, i ? "after" : "before");
        else oracle_free(&p.oracle);
    if (!f->refused) is_right(f, &p, views, graphs);
    for (size_t i = 0; i < p.n_in; i++) gen_tensor_free(&p.in[i]);
}

static void tell_nobody(ej_rule_limit *limit, const char *rule, const char *pass, const char *value)
{
    (void)limit, (void)rule, (void)pass, (void)value;
}

/* EINJIT_RULE_LIMIT: whatever the passes have done by then, the program computes the same. */
static void stops_anywhere(case_file *f, const char *program, const ej_graph *before)
{
    for (int64_t most = 0, done = most; done >= most; most++) {
        einjit_error err = {0};
        ej_graph part;
        ej_rule_limit limit = {.most = most, .tell = tell_nobody};
        ej_job job = new_job(f, &err);
        job.rule_limit = &limit;
        pass_parse(&part, &ej_malloc_allocator, f->inputs, program);
        if (ej_opt_run(&part, f->passes, &job)) fail_msg("%s:%d: %s", f->path, f->line, err.text);
        bool same = !strcmp(pass_printed(before, &f->arena), pass_printed(&part, &f->arena));
        if (!most && !same && !strstr(f->passes, "dce")) fail_msg("%s:%d: a change by no rule", f->path, f->line);
        computes_the_same(f, before, &part);
        ej_graph_free(&part);
        done = atomic_load(&limit.done);
        if (done == most) break;
    }
}

static void check_case(case_file *f, const char *program, const char *want)
{
    ej_graph before, after;
    ej_arena_init(&f->arena, &ej_malloc_allocator);
    pass_parse(&before, &ej_malloc_allocator, f->inputs, program);
    pass_parse(&after, &ej_malloc_allocator, f->inputs, program);
    run_passes(&after, f);
    bool stays = !strcmp(pass_printed(&before, &f->arena), pass_printed(&after, &f->arena));
    const char *got = stays ? "stays" : pass_nested(&after, &f->arena);
    if (strcmp(got, want)) {
        f->n_wrong++;
        if (!getenv("EINJIT_BLESS"))
            print_error("%s:%d: %s\n  gives  %s\n  not    %s\n", f->path, f->line, program, got, want);
    }
    computes_the_same(f, &before, &after);
    stops_anywhere(f, program, &before);
    ej_print(&f->out, "=> %s\n", got);
    f->n_cases++;
    ej_graph_free(&before);
    ej_graph_free(&after);
    ej_arena_free(&f->arena);
}

/* ---- files ---- */

static bool takes(const char *line, const char *word, char *out, size_t n)
{
    size_t length = strlen(word);
    if (strncmp(line, word, length) || line[length] != ' ') return false;
    snprintf(out, n, "%s", line + length + 1);
    return true;
}

static void read_line(case_file *f, const char *line, char *program)
{
    f->line++;
    if (!strncmp(line, "=> ", 3)) {
        if (!*program) fail_msg("%s:%d: no program in front of it", f->path, f->line);
        check_case(f, program, line + 3);
        *program = 0;
        return;
    }
    ej_print(&f->out, "%s\n", line);
    if (!strncmp(line, "on ", 3)) f->refused = false;
    if (takes(line, "refused", f->on, sizeof f->on)) {
        f->refused = true;
        return;
    }
    if (*program) fail_msg("%s:%d: no => behind the program", f->path, f->line);
    if (!*line || *line == '#' || takes(line, "inputs", f->inputs, sizeof f->inputs) ||
        takes(line, "on", f->on, sizeof f->on) || takes(line, "passes", f->passes, sizeof f->passes))
        return;
    snprintf(program, LINE, "%s", line);
}

static void run_file(const char *name)
{
    case_file f = {.context = judge_context("interp", NULL)};
    char program[LINE] = "";
    size_t n;
    snprintf(f.path, sizeof f.path, EINJIT_TEST_SOURCE "/tests/passes/%s", name);
    snprintf(f.passes, sizeof f.passes, "%.*s", (int)strcspn(name, "."), name);
    ej_arena_init(&f.text_arena, &ej_malloc_allocator);
    ej_text_init(&f.out, &f.text_arena);
    char *text = read_whole_file(f.path, &n);
    assert_non_null(text);
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = 0;
        read_line(&f, line, program);
    }
    if (*program) fail_msg("%s: no => behind the last program", f.path);
    assert_false(f.out.failed);
    if (f.n_wrong && getenv("EINJIT_BLESS")) {
        FILE *file = fopen(f.path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(f.out.data, 1, f.out.length, file), f.out.length);
        assert_int_equal(fclose(file), 0);
        f.n_wrong = 0;
    }
    print_message("%s: %d cases\n", name, f.n_cases);
    assert_true(f.n_cases > 0);
    assert_int_equal(f.n_wrong, 0);
    free(text);
    ej_arena_free(&f.text_arena);
    einjit_context_release(f.context);
}

static void every_case_comes_out_as_it_is_written(void **state)
{
    (void)state;
    struct dirent **names;
    int n = scandir(EINJIT_TEST_SOURCE "/tests/passes", &names, NULL, alphasort), n_files = 0;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(names[i]->d_name, '.');
        if (dot && !strcmp(dot, ".cases")) {
            run_file(names[i]->d_name);
            n_files++;
        }
        free(names[i]);
    }
    free(names);
    assert_true(n_files > 0);
}

static void what_is_wrong_is_seen(void **state)
{
    (void)state;
    case_file f = {.context = judge_context("interp", NULL), .passes = "scalar", .inputs = "x: f32[3]", .on = "f32[3]"};
    ej_arena_init(&f.text_arena, &ej_malloc_allocator);
    ej_text_init(&f.out, &f.text_arena);
    check_case(&f, "2.0 * x * 3.0", "x * 6.0");
    assert_int_equal(f.n_wrong, 0);
    char *blessed = getenv("EINJIT_BLESS") ? strdup(getenv("EINJIT_BLESS")) : NULL;
    setenv("EINJIT_BLESS", "1", 1); /* silent */
    check_case(&f, "2.0 * x * 3.0", "stays");
    check_case(&f, "sqrt(2.0 * x)", "sqrt(x) * 1.5");
    assert_int_equal(f.n_wrong, 2);
    assert_string_equal(f.out.data, "=> x * 6.0\n=> x * 6.0\n=> stays\n");
    if (blessed) setenv("EINJIT_BLESS", blessed, 1);
    else unsetenv("EINJIT_BLESS");
    free(blessed);
    ej_arena_free(&f.text_arena);
    einjit_context_release(f.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_comes_out_as_it_is_written),
        cmocka_unit_test(what_is_wrong_is_seen),
    };
    use_built_module();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
