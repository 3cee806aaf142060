/* test_isolate.c - code generated in other processes: what they do to themselves, and what others do to them, is an
 * error here, and nothing stays behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache_support.h"
#include "isolate_support.h"

static einjit_error err;

/* ---- one process, many compiles ---- */

static void one_process_serves_many_compiles(void **state)
{
    (void)state;
    einjit_context *context = isolate_context(NULL);
    assert_int_equal(isolate_processes(context), 0); /* nothing is compiled yet */
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    pid_t child = isolate_only_child();
    for (int64_t n = 2; n < 20; n++) assert_int_equal(isolate_use(context, n, &err), EINJIT_OK);
    assert_int_equal(isolate_only_child(), child);
    assert_int_equal(isolate_processes(context), 1);
#ifndef EINJIT_STATIC_CODEGEN
    assert_false(cache_llvm_is_mapped());
#endif
    einjit_context_release(context);
}

/* ---- trouble in the process ---- */

static void an_abort_is_an_error_that_says_so(void **state)
{
    (void)state;
    einjit_context *context = isolate_in_trouble("abort", 0, NULL);
    for (int i = 0; i < 2; i++) { /* a new process, with the same fate */
        assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
        isolate_expect(&err, "was ended by signal 6");
    }
    einjit_context_release(context);
}

static void what_llvm_said_last_is_told(void **state)
{
    (void)state;
    bool told = false;
    for (long i = 1; i < 20 && !told; i++) { /* many of its allocations do not end it */
        einjit_context *context =
            isolate_in_trouble("fail", isolate_at_hello + (isolate_at_answer - isolate_at_hello) * i / 20, NULL);
        int status = isolate_use(context, 1, &err);
        told = status == EINJIT_E_BACKEND && strstr(err.text, "signal 6: ");
        einjit_context_release(context);
    }
    assert_true(told);
}

static void what_was_said_in_an_earlier_compile_is_not(void **state)
{
    (void)state;
    einjit_context *context = isolate_in_trouble("words", 0, NULL);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(isolate_use(context, 2, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "ended with status 7");
    assert_null(strstr(err.text, "words"));
    einjit_context_release(context);
}

static void with_auto_such_a_program_is_interpreted(void **state)
{
    (void)state;
    const einjit_options any = {.backend = "auto", .log = cache_log};
    einjit_context *context = isolate_in_trouble("abort", 0, &any);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(cache_log_lines, 1);
    einjit_context_release(context);
}

static void a_compile_without_end_meets_its_limit(void **state)
{
    (void)state;
    const einjit_options limited = {.isolate_ms = 300};
    einjit_context *context = isolate_in_trouble("hang", 0, &limited);
    double start = isolate_ms();
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "no sign of life for 300 ms");
    assert_true(isolate_ms() - start >= 300 && isolate_ms() - start < 20000);
    assert_int_equal(isolate_processes(context), 0);
    einjit_context_release(context);
}

/* While it loads the code generator, too. */
static void so_does_a_start_without_end(void **state)
{
    (void)state;
    const einjit_options limited = {.isolate_ms = 300};
    einjit_context *context = isolate_in_trouble("hang", 5, &limited);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "no sign of life for 300 ms");
    einjit_context_release(context);
}

static void the_limit_may_come_from_a_variable(void **state)
{
    (void)state;
    einjit_context *context;
    if (!isolate_at_answer) skip(); /* no trouble can be made */
    setenv("EINJIT_ISOLATE", "1", 1);
    setenv("EINJIT_ISOLATE_LIMIT", "soon", 1);
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_E_VALUE);
    isolate_expect(&err, "EINJIT_ISOLATE_LIMIT");
    setenv("EINJIT_ISOLATE_LIMIT", "1", 1);
    char trouble[64];
    snprintf(trouble, sizeof trouble, "hang:%ld", (isolate_at_hello + isolate_at_answer) / 2);
    isolate_trouble(trouble);
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_OK);
    unsetenv("EINJIT_ISOLATE");
    unsetenv("EINJIT_ISOLATE_LIMIT");
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "1000 ms");
    einjit_context_release(context);
}

/* At the fourth question about generated code: which stage it hangs in depends on how fast the machine is. */
static int say_stop(void *user, const char *stage, double done)
{
    bool generates = !strcmp(stage, "ir") || !strcmp(stage, "asm");
    (void)done;
    return user && generates ? ++*(int *)user > 3 : 0;
}

static void the_callers_hook_ends_what_hangs(void **state)
{
    (void)state;
    int asked = 0;
    const einjit_options listening = {.progress = say_stop, .progress_user = &asked};
    einjit_context *context = isolate_in_trouble("hang", 0, &listening);
    double start = isolate_ms();
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_INTERRUPTED);
    assert_true(isolate_ms() - start < 5000);
    assert_int_equal(isolate_processes(context), 0);
    einjit_context_release(context);
}

/* ---- others end it ---- */

static void killed_between_compiles_is_nothing(void **state)
{
    (void)state;
    einjit_context *context = isolate_context(NULL);
    for (int64_t n = 1; n < 5; n++) { /* nor SIGPIPE, which would end this process */
        assert_int_equal(isolate_use(context, n, &err), EINJIT_OK);
        pid_t child = isolate_only_child();
        assert_int_equal(kill(child, SIGKILL), 0);
        while (isolate_is_running(child)) usleep(1000);
    }
    assert_int_equal(isolate_use(context, 5, &err), EINJIT_OK);
    einjit_context_release(context);
}

static void *kill_soon(void *user)
{
    (void)user;
    pid_t child = 0;
    while (!isolate_children(&child, 1)) usleep(1000);
    usleep(50000); /* it hangs by then */
    kill(child, SIGKILL);
    return NULL;
}

static void killed_at_work_is_an_error(void **state)
{
    (void)state;
    pthread_t killer;
    einjit_context *context = isolate_in_trouble("hang", 0, NULL);
    assert_int_equal(pthread_create(&killer, NULL, kill_soon, NULL), 0);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "was ended by signal 9");
    assert_int_equal(pthread_join(killer, NULL), 0);
    einjit_context_release(context);
}

static void who_was_stopped_is_ended_all_the_same(void **state)
{
    (void)state;
    const einjit_options limited = {.isolate_ms = 2000};
    einjit_context *context = isolate_context(&limited);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(kill(isolate_only_child(), SIGSTOP), 0);
    assert_int_equal(isolate_use(context, 2, &err), EINJIT_E_BACKEND);
    assert_int_equal(isolate_use(context, 2, &err), EINJIT_OK);
    assert_int_equal(kill(isolate_only_child(), SIGSTOP), 0);
    einjit_context_release(context);
}

static void idle_processes_end(void **state)
{
    (void)state;
    einjit_context *context = isolate_in_trouble("idle", 10, NULL); /* 30 s are 0.3 */
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(isolate_processes(context), 1);
    for (int i = 0; i < 200 && isolate_processes(context); i++) usleep(50000);
    assert_int_equal(isolate_processes(context), 0);
    assert_int_equal(isolate_children(NULL, 0), 0);
    assert_int_equal(isolate_use(context, 2, &err), EINJIT_OK);
    einjit_context_release(context);
}

/* ---- what is not there ---- */

#ifndef EINJIT_STATIC_CODEGEN
static void fail_both_ways(const char *module, const char *part)
{
    for (int32_t flags = 0; flags <= EINJIT_OPTION_ISOLATE; flags += EINJIT_OPTION_ISOLATE) {
        einjit_options o = {.struct_bytes = sizeof o, .module_path = module, .flags = flags, .log = cache_log};
        einjit_context *context;
        assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
        assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
        isolate_expect(&err, part);
        einjit_context_release(context);
        o.backend = "auto";
        assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
        assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
        einjit_context_release(context);
    }
    assert_int_equal(cache_log_lines, 2); /* interpreted, and that is said */
}

/* A module that was linked to a library that is gone, as libLLVM may be. */
static void a_missing_libllvm_is_named(void **state)
{
    (void)state;
    fail_both_ways(EINJIT_TEST_NEEDY, "libLLVM-gone.so.19");
}

static void a_missing_module_is_named(void **state)
{
    (void)state;
    fail_both_ways("/nowhere/libeinjit-llvm.so", "/nowhere/libeinjit-llvm.so");
}

static uint64_t count_misses(einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    assert_int_equal(einjit_context_statistics(context, &s, NULL), EINJIT_OK);
    return s.misses;
}

/* With "auto" the interpreter answers, but not for good: what was wrong may be over. Nor is it tried with each call. */
static void what_is_interpreted_is_tried_again(void **state)
{
    (void)state;
    char folder[] = "/tmp/einjit-isolate-XXXXXX", module[64], libexec[64];
    assert_non_null(mkdtemp(folder));
    snprintf(module, sizeof module, "%s/libeinjit-llvm.so", folder);
    snprintf(libexec, sizeof libexec, "%s/libexec", folder);
    assert_int_equal(symlink(getenv("EINJIT_MODULE"), module), 0);
    const einjit_options any = {.backend = "auto", .log = cache_log, .module_path = module};
    einjit_context *context = isolate_context(&any);
    double start = isolate_ms();
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(cache_log_lines, 1);
    assert_int_equal(symlink(EINJIT_TEST_BUILD "/libexec", libexec), 0);
    while (count_misses(context) < 2) {
        assert_int_equal(isolate_processes(context), 0);
        assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
        assert_true(isolate_ms() - start < 200000);
        usleep(10000);
    }
    assert_true(isolate_ms() - start >= 1000);
    assert_int_equal(isolate_processes(context), 1);
    usleep(1100000);
    for (int i = 0; i < 20; i++) assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    assert_int_equal(count_misses(context), 2);
    einjit_context_release(context);
    assert_int_equal(unlink(module) | unlink(libexec) | rmdir(folder), 0);
}

static void a_missing_program_is_named(void **state)
{
    (void)state;
    char folder[] = "/tmp/einjit-isolate-XXXXXX", module[64], libexec[64], program[96];
    assert_non_null(mkdtemp(folder));
    snprintf(module, sizeof module, "%s/libeinjit-llvm.so", folder);
    snprintf(libexec, sizeof libexec, "%s/libexec", folder);
    snprintf(program, sizeof program, "%s/einjit-codegen", libexec);
    assert_int_equal(symlink(getenv("EINJIT_MODULE"), module), 0);
    const einjit_options there = {.module_path = module};
    einjit_context *context = isolate_context(&there);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "einjit-codegen");
    assert_int_equal(mkdir(libexec, 0700), 0);
    cache_write(program, "no program", 10);
    assert_int_equal(chmod(program, 0700), 0);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, program);
    cache_write(program, "#!/bin/sh\necho it is another one >&2\nexit 3\n", 44);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "ended with status 3: it is another one");
    cache_write(program, "#!/bin/sh\nhead -c 4096 /dev/zero >&0\n", 37);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_E_BACKEND);
    isolate_expect(&err, "another version");
    einjit_context_release(context);
    unlink(program);
    rmdir(libexec);
    unlink(module);
    rmdir(folder);
}
#endif

/* ---- the same code ---- */

static char *stage_text(int32_t flags, const char *stage)
{
    enum { ROOM = 1 << 20 };
    einjit_options o = {.struct_bytes = sizeof o, .flags = flags};
    einjit_context *context;
    static float x[60], w[40], b[8];
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    einjit_graph *graph = api_graph(context, "def f(x: f32[n, 5], w: f32[5, 8], b: f32[8]):\n"
                                             "    c = tensor([1.0, -0.0, 3.5, 1e-40, 5.0, 6.0, 7.0, 8.0])\n"
                                             "    return softmax(relu(x @ w + b) * c, dim=1)\n");
    einjit_compile_options open = {.struct_bytes = sizeof open, .open = "n"};
    char *text = malloc(ROOM);
    assert_non_null(text);
    const einjit_tensor in[] = {F32(x, 12, 5), F32(w, 5, 8), F32(b, 8)};
    if (einjit_explain(context, graph, 3, in, &open, stage, text, ROOM, NULL, &err)) fail_msg("%s", err.text);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return text;
}

static void ir_and_assembly_are_the_same(void **state)
{
    (void)state;
    const char *const stages[] = {"ir", "asm"};
    for (int i = 0; i < 2; i++) {
        char *here = stage_text(0, stages[i]), *there = stage_text(EINJIT_OPTION_ISOLATE, stages[i]);
        assert_true(strlen(here) > 1000);
        assert_string_equal(here, there);
        free(here);
        free(there);
    }
}

static void entries_on_disk_are_shared(void **state)
{
    (void)state;
    einjit_statistics s = {.struct_bytes = sizeof s};
    for (int first = 0; first < 2; first++) {
        char *folder = cache_folder_make();
        for (int i = 0; i < 2; i++) {
            einjit_options o = {.cache_dir = folder, .flags = i == first ? EINJIT_OPTION_ISOLATE : 0};
            assert_int_equal(cache_use_with(o, &s), EINJIT_OK);
            assert_int_equal(s.disk_writes, !i);
            assert_int_equal(s.disk_hits, i);
            assert_int_equal(s.processes, !i && !first);
        }
        cache_folder_remove(folder);
    }
}

static void compile_options_do_not_isolate(void **state)
{
    (void)state;
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, "def f(x: f32[n]):\n    return x + 1.0\n");
    float x[2] = {0};
    einjit_compile_options o = {.struct_bytes = sizeof o, .flags = EINJIT_OPTION_ISOLATE};
    einjit_kernel *kernel;
    assert_int_equal(einjit_compile(&kernel, context, graph, 1, &F32(x, 2), 0, NULL, &o, &err), EINJIT_E_INVALID);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, isolate_set_up, isolate_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_process_serves_many_compiles), /* first: nothing has loaded LLVM */
        TEST(an_abort_is_an_error_that_says_so),
        TEST(what_llvm_said_last_is_told),
        TEST(what_was_said_in_an_earlier_compile_is_not),
        TEST(with_auto_such_a_program_is_interpreted),
        TEST(a_compile_without_end_meets_its_limit),
        TEST(so_does_a_start_without_end),
        TEST(the_limit_may_come_from_a_variable),
        TEST(the_callers_hook_ends_what_hangs),
        TEST(killed_between_compiles_is_nothing),
        TEST(killed_at_work_is_an_error),
        TEST(who_was_stopped_is_ended_all_the_same),
        TEST(idle_processes_end),
#ifndef EINJIT_STATIC_CODEGEN
        TEST(a_missing_libllvm_is_named),
        TEST(a_missing_module_is_named),
        TEST(a_missing_program_is_named),
        TEST(what_is_interpreted_is_tried_again),
#endif
        TEST(ir_and_assembly_are_the_same),
        TEST(entries_on_disk_are_shared),
        TEST(compile_options_do_not_isolate),
    };
    use_built_module();
    if (!api_has_llvm()) return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
