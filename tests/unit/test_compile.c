/* test_compile.c - dumps to the log and to files, and compiles in which every allocation fails once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "api_support.h"
#include "scarce_memory.h"

static einjit_error err;

static const char program[] = "def forward(a: f32[i, j], b: f32[j, k]):\n"
                              "    return relu(einsum(\"ij,jk->ik\", a, b))\n";
static const char wasteful[] = "def forward(a: f32[i, j], b: f32[j, k]):\n"
                               "    dead = exp(a)\n"
                               "    t = einsum(\"ij,jk->ik\", a, b)\n"
                               "    u = einsum(\"ij,jk->ik\", a, b)\n"
                               "    return relu(t) * 1.0 + u * 0.0\n";

static void call_once(einjit_context *context, const char *text)
{
    float a[6] = {1, -2, 3, -4, 5, -6}, b[6] = {1, 2, 3, 4, 5, 6}, c[4];
    einjit_graph *graph = api_graph(context, text);
    const einjit_tensor in[] = {F32(a, 2, 3), F32(b, 3, 2)};
    if (einjit_call(context, graph, 2, in, 1, &F32(c, 2, 2), &err) != EINJIT_OK) fail_msg("%s", err.text);
    assert_true(c[0] == 10 && c[1] == 12 && c[2] == 0 && c[3] == 0);
    einjit_graph_destroy(graph);
}

/* ---- the log ---- */

static void keep_lines(void *user, const char *line)
{
    char *kept = user;
    assert_null(strchr(line, '\n'));
    if (strlen(kept) + strlen(line) + 2 < 65536) strcat(strcat(kept, line), "\n");
}

static void log_dumps(const char *text, const char *stages, char *kept)
{
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .log = keep_lines, .log_user = kept};
    einjit_context *context = NULL;
    kept[0] = 0;
    setenv("EINJIT_DUMP", stages, 1);
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    unsetenv("EINJIT_DUMP");
    call_once(context, text);
    einjit_context_release(context);
}

static void stages_asked_for_are_logged(void **state)
{
    (void)state;
    char *kept = malloc(65536), *again = malloc(65536);
    assert_true(kept && again);
    log_dumps(program, "graph,plan", kept);
    assert_non_null(strstr(kept, ": graph\ndef forward(a: f32[i, j], b: f32[j, k]):\n"));
    assert_non_null(strstr(kept, ": plan\n"));
    assert_null(strstr(kept, ": bind\n"));
    log_dumps(program, "graph,plan", again);
    assert_string_equal(kept, again);
    log_dumps(program, "none", kept);
    assert_string_equal(kept, "");
    log_dumps(program, "time", kept);
    assert_non_null(strstr(kept, "nest: "));
    free(kept);
    free(again);
}

/* The times of a pass are no times of the dump. */
static void programs_after_passes_are_logged(void **state)
{
    (void)state;
    char *kept = malloc(65536), *again = malloc(65536);
    assert_true(kept && again);
    log_dumps(wasteful, "opt+,stats", kept);
    log_dumps(wasteful, "opt+,stats", again);
    assert_string_equal(kept, again);
    const char *before = strstr(kept, ": opt+\n# before pass dce\ndef forward("),
               *dead = strstr(kept, "    dead = exp(a)\n");
    const char *after = strstr(kept, "\n# after pass dce: 1 change\ndef forward("),
               *stats = strstr(kept, ": stats\npass ");
    assert_true(before && dead > before && after > dead && stats > after);
    assert_null(strstr(after, "dead = exp"));
    assert_non_null(strstr(after, "\n# after pass cse: 1 change\n"));
    log_dumps(program, "opt+", kept);
    assert_non_null(strstr(kept, ": opt+\n# no pass changes this program\ndef forward("));
    free(kept);
    free(again);
}

/* ---- files ---- */

static void dump_into(const char *folder, const char *stages)
{
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp"};
    einjit_context *context = NULL;
    setenv("EINJIT_DUMP_DIR", folder, 1);
    setenv("EINJIT_DUMP", stages, 1);
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    unsetenv("EINJIT_DUMP_DIR");
    unsetenv("EINJIT_DUMP");
    call_once(context, wasteful);
    einjit_context_release(context);
}

/* Removes what it finds; a test's folder has one kernel in it. */
static int count_and_remove(const char *folder, char *kernel)
{
    char path[600];
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (e->d_name[0] != '.') snprintf(kernel, 300, "%s/%s", folder, e->d_name);
    if (dir) closedir(dir);
    dir = opendir(kernel);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%.300s/%.255s", kernel, e->d_name);
        n++;
        unlink(path);
    }
    if (dir) closedir(dir);
    rmdir(kernel);
    rmdir(folder);
    return n;
}

static void stages_asked_for_are_written_to_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/einjit-dump-XXXXXX", kernel[300] = "", first[64] = "";
    assert_non_null(mkdtemp(folder));
    dump_into(folder, "graph,opt,bind,path,plan,nest,key");
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    char path[400];
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (!strncmp(e->d_name, "forward_", 8)) snprintf(path, sizeof path, "%s/%s/10-graph.ein", folder, e->d_name);
    closedir(dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(first, sizeof first, file));
    fclose(file);
    assert_string_equal(first, "def forward(a: f32[i, j], b: f32[j, k]):\n");
    assert_int_equal(count_and_remove(folder, kernel), 7);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void files_sort_as_the_pipeline_runs(void **state)
{
    (void)state;
    char folder[] = "/tmp/einjit-dump-XXXXXX", kernel[300] = "", names[40][256] = {""};
    int n = 0;
    assert_non_null(mkdtemp(folder));
    dump_into(folder, "all");
    DIR *dir = opendir(folder);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (!strncmp(e->d_name, "forward_", 8)) snprintf(kernel, sizeof kernel, "%s/%.200s", folder, e->d_name);
    closedir(dir);
    dir = opendir(kernel);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e && n < 40; e = readdir(dir))
        if (e->d_name[0] != '.') snprintf(names[n++], sizeof names[0], "%s", e->d_name);
    closedir(dir);
    assert_int_equal(count_and_remove(folder, kernel), n);
    qsort(names, (size_t)n, sizeof names[0], compare_names);
    assert_string_equal(names[0], "05-key.txt");
    assert_string_equal(names[1], "10-graph.ein");
    assert_string_equal(names[2], "15-opt-000-before.ein");
    int i = 3;
    while (i < n && !strncmp(names[i], "15-opt-", 7)) i++; /* numbered by their place in the run */
    assert_true(i > 4);
    assert_string_equal(names[i], "20-opt.ein");
    assert_string_equal(names[i + 1], "25-stats.txt");
    assert_string_equal(names[i + 2], "30-bind.txt");
}

static void a_folder_that_cannot_be_made_is_no_failure(void **state)
{
    (void)state;
    dump_into("/proc/einjit-cannot-write-here", "graph,opt+,opt");
}

/* ---- memory ---- */

static int try_everything(einjit_context *context)
{
    float a[6] = {1, -2, 3, -4, 5, -6}, b[6] = {1, 2, 3, 4, 5, 6}, c[4];
    const einjit_tensor in[] = {F32(a, 2, 3), F32(b, 3, 2)};
    einjit_graph *graph = NULL;
    int status = einjit_graph_parse(&graph, context, program, SIZE_MAX, &err);
    if (status == EINJIT_OK) status = einjit_call(context, graph, 2, in, 1, &F32(c, 2, 2), &err);
    if (status == EINJIT_OK) status = einjit_einsum(context, "ij,jk->ik", 2, in, &F32(c, 2, 2), &err);
    einjit_graph_destroy(graph);
    return status;
}

static void every_failed_allocation_is_e_nomem_and_leaves_nothing(void **state)
{
    (void)state;
    scarce_memory memory;
    scarce_memory_init(&memory, LONG_MAX);
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .allocator = &memory.hooks};
    long failures = 0;
    for (long allowed = 0;; allowed++) {
        einjit_context *context = NULL;
        memory.left = LONG_MAX;
        assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
        memory.left = allowed;
        int status = try_everything(context);
        memory.left = LONG_MAX;
        if (status == EINJIT_OK) assert_int_equal(try_everything(context), EINJIT_OK);
        einjit_context_release(context);
        assert_int_equal(memory.live, 0);
        if (status == EINJIT_OK) break;
        assert_int_equal(status, EINJIT_E_NOMEM);
        failures++;
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_asked_for_are_logged),
        cmocka_unit_test(programs_after_passes_are_logged),
        cmocka_unit_test(stages_asked_for_are_written_to_files),
        cmocka_unit_test(files_sort_as_the_pipeline_runs),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_no_failure),
        cmocka_unit_test(every_failed_allocation_is_e_nomem_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
