/* test_isolate_hosts.c - processes that generate code, and hosts that fork, have threads, few rights or end. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "deny_support.h"
#include "isolate_support.h"

static einjit_error err;

/* ---- the end of the host ---- */

static int fork_later(void *user, const char *stage, double done)
{
    int *asked = user;
    (void)done;
    if (strcmp(stage, "ir") || ++*asked != 3 || fork()) return 0;
    sleep(12); /* with the host's end of the socket */
    _exit(0);
}

/* A host that is killed while its process hangs: the process ends, too. `held`: another process has the host's
 * descriptors, so that only its own clock ends it. */
static void end_with_host(bool held)
{
    int told[2], asked = 0;
    pid_t process = 0;
    char mark, path[64], text[256];
    const einjit_options listening = {
        .progress = held ? fork_later : NULL, .progress_user = &asked, .isolate_ms = 2000};
    if (!isolate_at_answer) skip();
    assert_int_equal(pipe(told), 0);
    pid_t host = fork();
    assert_true(host >= 0);
    if (!host) {
        einjit_context *context = isolate_in_trouble("hang", 0, &listening);
        alarm(1);
        (void)!write(told[1], "x", 1);
        _exit(isolate_use(context, 1, &err));
    }
    assert_int_equal(read(told[0], &mark, 1), 1);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)host, (int)host);
    for (int i = 0; i < 100 && !process; i++) {
        FILE *file = fopen(path, "r");
        if (file && fgets(text, sizeof text, file)) process = (pid_t)strtol(text, NULL, 10);
        if (file) fclose(file);
        if (!process) usleep(5000);
    }
    assert_true(process > 0);
    int status = 0;
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
    for (int i = 0; i < 400 && isolate_is_running(process); i++) usleep(20000);
    assert_false(isolate_is_running(process));
    close(told[0]);
    close(told[1]);
}

static void it_ends_with_the_host(void **state)
{
    (void)state;
    end_with_host(false);
}

static void it_ends_when_nobody_hangs_up(void **state)
{
    (void)state;
    end_with_host(true);
}

/* ---- forks and threads ---- */

static int status_of(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Two of them, while this process goes on compiling. */
static void forked_processes_start_their_own(void **state)
{
    (void)state;
    pid_t forks[2];
    einjit_context *context = isolate_context(NULL);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    pid_t own = isolate_only_child();
    for (int i = 0; i < 2; i++) {
        forks[i] = fork();
        assert_true(forks[i] >= 0);
        if (forks[i]) continue;
        int status = isolate_use(context, 10 + i, &err);
        pid_t child = 0;
        bool one = isolate_children(&child, 1) == 1 && child != own;
        einjit_context_release(context);
        _exit(status ? 1 : !one ? 2 : isolate_children(NULL, 0) ? 3 : 0);
    }
    for (int64_t n = 20; n < 25; n++) assert_int_equal(isolate_use(context, n, &err), EINJIT_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(status_of(forks[i]), 0);
    assert_int_equal(isolate_use(context, 30, &err), EINJIT_OK);
    assert_int_equal(isolate_only_child(), own); /* the forks have not ended it */
    einjit_context_release(context);
}

typedef struct forking {
    pid_t child;
    bool within, forked;
} forking;

static int fork_in_hook(void *user, const char *stage, double done)
{
    forking *f = user;
    (void)done;
    if (f->forked || (strcmp(stage, "ir") != 0 && strcmp(stage, "asm") != 0)) return 0;
    f->forked = true;
    f->child = fork();
    f->within = !f->child;
    return 0;
}

/* Products of all extents: many times the 5 ms after which a process says how far it is. */
static int compile_long(einjit_context *context)
{
    enum { STEPS = 30, N = 33 };
    char text[4096], *at = text + sprintf(text, "def f(x: f32[64, 64]):\n    v0 = x[0:%d, 0:%d]\n", N, N);
    for (int i = 1; i <= STEPS; i++)
        at += sprintf(at, "    v%d = exp(v%d) @ x[0:%d, 0:%d]\n", i, i - 1, N + i - 1, N + i);
    sprintf(at, "    return v%d\n", STEPS);
    einjit_kernel *kernel = NULL;
    einjit_graph *graph = api_graph(context, text);
    const einjit_tensor x = {NULL, EINJIT_F32, 2, (int64_t[]){64, 64}, NULL};
    int status = einjit_compile(&kernel, context, graph, 1, &x, 0, NULL, NULL, &err);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    return status;
}

static void a_hook_may_fork(void **state)
{
    (void)state;
    forking f = {0};
    const einjit_options forks = {.progress = fork_in_hook, .progress_user = &f};
    einjit_context *context = isolate_context(&forks);
    int status = compile_long(context);
    if (f.within) _exit(status ? 1 : isolate_use(context, 2, &err) ? 2 : 0);
    assert_int_equal(status, EINJIT_OK);
    assert_true(f.forked && f.child > 0);
    assert_int_equal(status_of(f.child), 0);
    assert_int_equal(isolate_use(context, 2, &err), EINJIT_OK);
    einjit_context_release(context);
}

typedef struct user {
    einjit_context *context;
    int64_t first;
    int status;
} user;

static void *use_some(void *argument)
{
    user *u = argument;
    einjit_error e;
    for (int64_t n = u->first; n < u->first + 10 && !u->status; n++) u->status = isolate_use(u->context, n, &e);
    return NULL;
}

static void threads_compile_at_the_same_time(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    user users[THREADS];
    einjit_context *context = isolate_context(NULL);
    for (int i = 0; i < THREADS; i++) {
        users[i] = (user){context, 1 + 20 * i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, use_some, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(users[i].status, EINJIT_OK);
    }
    uint64_t processes = isolate_processes(context);
    assert_true(processes >= 1 && processes <= THREADS);
    einjit_context_release(context);
}

typedef struct in_flight {
    einjit_context *context;
    einjit_graph *graph;
    int status;
} in_flight;

static void *compile_in_flight(void *argument)
{
    in_flight *f = argument;
    float x[4] = {1, 2, 3, 4};
    einjit_error e;
    einjit_kernel *kernel = NULL;
    f->status = einjit_compile(&kernel, f->context, f->graph, 1, &F32(x, 4), 0, NULL, NULL, &e);
    return NULL;
}

/* The graph holds the context, which ends with it. */
static void a_context_is_given_back_during_a_compile(void **state)
{
    (void)state;
    pthread_t thread;
    const einjit_options limited = {.isolate_ms = 400};
    einjit_context *context = isolate_in_trouble("hang", 0, &limited);
    in_flight f = {context, api_graph(context, "def f(x: f32[n]):\n    return x * 2.0\n"), 0};
    assert_int_equal(pthread_create(&thread, NULL, compile_in_flight, &f), 0);
    while (!isolate_children(NULL, 0)) usleep(1000);
    einjit_context_release(context);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f.status, EINJIT_E_BACKEND);
    einjit_graph_destroy(f.graph);
}

/* ---- hosts of other kinds ---- */

static int use_without_files(void)
{
    for (int file = 0; file < 3; file++) close(file);
    einjit_context *context = isolate_context(NULL);
    int status = isolate_use(context, 1, &err);
    einjit_context_release(context);
    return status != EINJIT_OK;
}

/* SIGCHLD ignored: children are waited for by the system. SIGPIPE as it is by default. */
static int use_without_zombies(void)
{
    signal(SIGCHLD, SIG_IGN);
    einjit_context *context = isolate_context(NULL);
    int status = isolate_use(context, 1, &err);
    pid_t child = 0;
    if (isolate_children(&child, 1) != 1 || kill(child, SIGKILL)) return 2;
    while (isolate_children(NULL, 0)) usleep(1000);
    if (!status) status = isolate_use(context, 2, &err);
    einjit_context_release(context);
    return status != EINJIT_OK;
}

static int use_with_signals_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    einjit_context *context = isolate_context(NULL);
    int status = isolate_use(context, 1, &err);
    einjit_context_release(context);
    return status != EINJIT_OK || isolate_children(NULL, 0);
}

static int use_without_executable_memory(void)
{
#ifdef TEST_CAN_DENY
    if (!deny_making_executable()) return 77; /* before Linux 6.3 */
    einjit_context *context = isolate_context(NULL);
    int status = isolate_use(context, 1, &err);
    einjit_context_release(context);
    return status != EINJIT_OK;
#else
    return 77;
#endif
}

static void hosts_of_other_kinds_compile(void **state)
{
    (void)state;
    int (*const uses[])(void) = {use_without_files, use_without_zombies, use_with_signals_blocked,
                                 use_without_executable_memory};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) _exit(uses[i]());
        int status = status_of(child);
        if (status && status != 77) fail_msg("host %zu: %d", i, status);
    }
}

/* A descriptor that this process forgot to close on exec: who waits for its end would wait for the child. */
static void descriptors_are_not_handed_on(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    einjit_context *context = isolate_context(NULL);
    assert_int_equal(isolate_use(context, 1, &err), EINJIT_OK);
    close(ends[1]);
    alarm(20);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    alarm(0);
    close(ends[0]);
    einjit_context_release(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, isolate_set_up, isolate_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_ends_with_the_host),
        TEST(it_ends_when_nobody_hangs_up),
        TEST(forked_processes_start_their_own),
        TEST(a_hook_may_fork),
        TEST(threads_compile_at_the_same_time),
        TEST(a_context_is_given_back_during_a_compile),
        TEST(hosts_of_other_kinds_compile),
        TEST(descriptors_are_not_handed_on),
    };
    use_built_module();
    if (!api_has_llvm()) return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
