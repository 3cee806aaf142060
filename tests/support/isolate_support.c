/* isolate_support.c - see isolate_support.h. */
#include "isolate_support.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_support.h"
#include "cache_support.h"
#include "einjit/einjit_cache.h"

void isolate_trouble(const char *trouble)
{
    if (trouble) {
        setenv("LD_PRELOAD", EINJIT_TEST_TROUBLE, 1);
        setenv("EINJIT_TEST_TROUBLE", trouble, 1);
    } else {
        unsetenv("LD_PRELOAD");
        unsetenv("EINJIT_TEST_TROUBLE");
    }
}

static long read_count(const char *path)
{
    char line[32];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    return strtol(line, NULL, 10);
}

void isolate_count(long *hello, long *answer)
{
    char path[] = "/tmp/einjit-count-XXXXXX";
    int file = mkstemp(path);
    einjit_error err = {0};
    assert_true(file >= 0);
    close(file);
    isolate_trouble("fail:0");
    setenv("EINJIT_TEST_COUNT", path, 1);
    einjit_context *context = isolate_context(NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(isolate_use(context, 2 + i, &err), EINJIT_OK);
        usleep(100000); /* it has answered; now it waits again, and says so first */
        *(i ? answer : hello) = read_count(path);
    }
    /* the second kernel takes as many as the first one did behind the hello, or a few less */
    long second = *answer - *hello;
    *answer = *hello;
    *hello -= second;
    einjit_context_release(context);
    unsetenv("EINJIT_TEST_COUNT");
    isolate_trouble(NULL);
    unlink(path);
}

einjit_context *isolate_context(const einjit_options *options)
{
    einjit_context *context = NULL;
    einjit_error err = {0};
    einjit_options all = options ? *options : (einjit_options){0};
    all.struct_bytes = sizeof all;
    all.flags |= EINJIT_OPTION_ISOLATE;
    if (einjit_context_create(&context, &all, &err)) fail_msg("%s", err.text);
    return context;
}

int isolate_use(einjit_context *context, int64_t n, einjit_error *err)
{
    enum { MOST = 1000, K = 3 };
    float x[MOST * K], v[K] = {1, 10, 100}, y[MOST];
    for (int64_t i = 0; i < n * K; i++) x[i] = (float)(i % 7);
    int status = einjit_einsum(context, "ij,j->i", 2, (einjit_tensor[]){F32(x, n, K), F32(v, K)}, &F32(y, n), err);
    for (int64_t i = 0; i < n && !status; i++)
        if (y[i] != x[i * K] + 10 * x[i * K + 1] + 100 * x[i * K + 2]) return -1;
    return status;
}

/* Of each thread, as Linux lists them. */
size_t isolate_children(pid_t *out, size_t room)
{
    size_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300], text[4096] = "";
        if (*task->d_name == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue; /* that thread has just ended */
        if (!fgets(text, sizeof text, file)) *text = 0;
        fclose(file);
        for (char *rest = text, *word; (word = strtok_r(rest, " \n", &rest)); n++)
            if (n < room) out[n] = (pid_t)strtol(word, NULL, 10);
    }
    closedir(tasks);
    return n;
}

bool isolate_is_running(pid_t process)
{
    char path[64], line[300] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    if (!fgets(line, sizeof line, file)) *line = 0;
    fclose(file);
    const char *behind = strrchr(line, ')');
    return behind && behind[1] && behind[2] != 'Z';
}

size_t isolate_descriptors(void)
{
    size_t n = 0;
    DIR *files = opendir("/proc/self/fd");
    assert_non_null(files);
    while (readdir(files)) n++;
    closedir(files);
    return n;
}

double isolate_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- around a test ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* whose library has to be loaded before any other: no trouble */
#else
enum { SANITIZED = 0 };
#endif

long isolate_at_hello, isolate_at_answer;
static size_t descriptors_before;

int isolate_set_up(void **state)
{
    (void)state;
    cache_log_lines = 0;
    isolate_trouble(NULL);
    if (!SANITIZED && !isolate_at_answer) isolate_count(&isolate_at_hello, &isolate_at_answer);
    descriptors_before = isolate_descriptors();
    return 0;
}

int isolate_tear_down(void **state)
{
    (void)state;
    isolate_trouble(NULL);
    size_t children = isolate_children(NULL, 0), descriptors = isolate_descriptors();
    if (children) print_message("%zu children are left\n", children);
    if (descriptors != descriptors_before) print_message("%zu descriptors, not %zu\n", descriptors, descriptors_before);
    return children || descriptors != descriptors_before;
}

uint64_t isolate_processes(einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    assert_int_equal(einjit_context_statistics(context, &s, NULL), EINJIT_OK);
    return s.processes;
}

pid_t isolate_only_child(void)
{
    pid_t child = 0;
    assert_int_equal(isolate_children(&child, 1), 1);
    return child;
}

einjit_context *isolate_in_trouble(const char *what, long when, const einjit_options *options)
{
    char text[64];
    if (!isolate_at_answer) skip();
    if (!when) when = (isolate_at_hello + isolate_at_answer) / 2;
    snprintf(text, sizeof text, "%s:%ld", what, when);
    isolate_trouble(text);
    einjit_context *context = isolate_context(options);
    isolate_trouble(NULL);
    return context;
}

void isolate_expect(const einjit_error *err, const char *part)
{
    if (!strstr(err->text, part)) fail_msg("the error does not say '%s': %s", part, err->text);
}
