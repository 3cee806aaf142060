/* test_cache_faults.c - the cache on disk over a system that fails: every system call of the cache once in every way,
 * and files that are wrong in any place. The result is always right, and at most one line is logged.
 *
 *   test_cache_faults --whole    flips every bit of 20 entries and cuts them to every length; else a sample of one
 *
 * The linker sends the cache's system calls through the functions below (tests/CMakeLists.txt).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache_support.h"

/* ---- the layer ---- */

enum { HALF = -1 };    /* in place of an errno: reads and writes do half of what they are asked for */
static bool watching;  /* calls count, and may fail */
static bool on_and_on; /* all calls from then on fail, else that one */
static long calls, fail_at;
static int failure;
static long executable; /* mappings that were made executable */

static bool fails(void)
{
    if (!watching) return false;
    long now = calls++;
    return on_and_on ? now >= fail_at : now == fail_at;
}

#define LAYER(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        if (fails() && failure != HALF) { \
            errno = failure; \
            return (type) - 1; \
        } \
        return __real_##name arguments; \
    }
LAYER(int, fstat, (int file, struct stat *info), (file, info))
LAYER(int, fstatat, (int folder, const char *name, struct stat *info, int flags), (folder, name, info, flags))
LAYER(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
LAYER(int, unlinkat, (int folder, const char *name, int flags), (folder, name, flags))
LAYER(int, mkdir, (const char *path, mode_t mode), (path, mode))
LAYER(int, flock, (int file, int what), (file, what))
LAYER(int, utimensat, (int folder, const char *name, const struct timespec times[2], int flags),
      (folder, name, times, flags))
LAYER(ssize_t, pread, (int file, void *to, size_t n, off_t at), (file, to, n, at))

#define SHORT_LAYER(type, name, pointer) \
    type __real_##name(int file, pointer bytes, size_t n); \
    type __wrap_##name(int file, pointer bytes, size_t n); \
    type __wrap_##name(int file, pointer bytes, size_t n) \
    { \
        bool failed = fails(); \
        if (failed && failure == HALF) n = n / 2 + (n > 0 && n < 2); \
        else if (failed) { \
            errno = failure; \
            return -1; \
        } \
        return __real_##name(file, bytes, n); \
    }
SHORT_LAYER(ssize_t, read, void *)
SHORT_LAYER(ssize_t, write, const void *)

int __real_openat(int folder, const char *name, int flags, mode_t mode);
int __wrap_openat(int folder, const char *name, int flags, mode_t mode);
int __wrap_openat(int folder, const char *name, int flags, mode_t mode)
{
    if (!fails() || failure == HALF) return __real_openat(folder, name, flags, mode);
    errno = failure;
    return -1;
}

int __real_open(const char *name, int flags, mode_t mode);
int __wrap_open(const char *name, int flags, mode_t mode);
int __wrap_open(const char *name, int flags, mode_t mode)
{
    if (!fails() || failure == HALF) return __real_open(name, flags, mode);
    errno = failure;
    return -1;
}

/* Closed, whatever it says. */
int __real_close(int file);
int __wrap_close(int file);
int __wrap_close(int file)
{
    int status = __real_close(file);
    if (!fails() || failure == HALF) return status;
    errno = failure;
    return -1;
}

DIR *__real_fdopendir(int folder);
DIR *__wrap_fdopendir(int folder);
DIR *__wrap_fdopendir(int folder)
{
    if (!fails() || failure == HALF) return __real_fdopendir(folder);
    errno = failure;
    return NULL;
}

struct dirent *__real_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream)
{
    if (!fails() || failure == HALF) return __real_readdir(stream);
    errno = failure;
    return NULL;
}

int __real_mprotect(void *address, size_t n, int rights);
int __wrap_mprotect(void *address, size_t n, int rights);
int __wrap_mprotect(void *address, size_t n, int rights)
{
    executable += (rights & PROT_EXEC) != 0;
    return __real_mprotect(address, n, rights);
}

void *__real_mmap(void *address, size_t n, int rights, int flags, int file, off_t at);
void *__wrap_mmap(void *address, size_t n, int rights, int flags, int file, off_t at);
void *__wrap_mmap(void *address, size_t n, int rights, int flags, int file, off_t at)
{
    executable += (rights & PROT_EXEC) != 0;
    return __real_mmap(address, n, rights, flags, file, at);
}

/* ---- system calls that fail ---- */

static void put_old_entries(const char *folder)
{
    char path[4200], bytes[3000] = "not an entry";
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%032d.kernel", folder, i);
        cache_write(path, bytes, sizeof bytes);
    }
    snprintf(path, sizeof path, "%s/0123456789abcdef.new", folder);
    cache_write(path, bytes, 10);
}

typedef enum scenario { COLD, COLD_DEEP, WARM, FULL, SCENARIOS } scenario;

/* One run over a folder of its own; false: there was no call to fail any more. */
static bool trial(scenario s)
{
    char *folder = cache_folder_make(), deep[4200];
    einjit_options o = {.cache_dir = folder, .log = cache_log, .disk_bytes = s == FULL ? 8000 : 0};
    snprintf(deep, sizeof deep, "%s/below", folder);
    if (s == COLD_DEEP) o.cache_dir = deep;
    if (s == WARM) {
        struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
        assert_int_equal(cache_use_with(o, NULL), EINJIT_OK);
        char *entry = cache_only_entry(folder);
        utimensat(AT_FDCWD, entry, old, 0); /* so that using it touches it */
        free(entry);
    }
    if (s == FULL) put_old_entries(folder);
    calls = 0;
    cache_log_lines = 0;
    watching = true;
    einjit_statistics after = {.struct_bytes = sizeof after};
    int status = cache_use_with(o, &after);
    watching = false;
    bool failed = calls > fail_at;
    if (status)
        fail_msg("scenario %d, call %ld, failure %d: status %s", s, fail_at, failure, einjit_status_name(status));
    if (cache_log_lines > 1)
        fail_msg("scenario %d, call %ld, failure %d: %d lines", s, fail_at, failure, cache_log_lines);
    if (!on_and_on && failure == HALF && s == WARM && !after.disk_hits)
        fail_msg("call %ld, failure %d: that is no reason to compile", fail_at, failure);
    status = cache_use_with(o, &after); /* nothing is broken by it */
    if (status || after.disk_rejected)
        fail_msg("scenario %d, call %ld, failure %d: a bad entry is left", s, fail_at, failure);
    if (s == COLD_DEEP) cache_folder_remove(strdup(deep));
    cache_folder_remove(folder);
    return failed;
}

static void each_system_call_may_fail(void **state)
{
    (void)state;
    static const int failures[] = {EIO, ENOSPC, EACCES, EINTR, ENOENT, ESTALE, HALF};
    long trials = 0;
    for (on_and_on = false;; on_and_on = true) {
        for (size_t f = 0; f < sizeof failures / sizeof *failures; f++) {
            failure = failures[f];
            if (on_and_on && failure == EINTR) continue; /* no system interrupts for ever */
            for (scenario s = COLD; s < SCENARIOS; s++)
                for (fail_at = 0; trial(s); fail_at++) trials++;
        }
        if (on_and_on) break;
    }
    on_and_on = false;
    print_message("%ld failures injected\n", trials);
    assert_true(trials > 100);
}

/* ---- files that are wrong ---- */

static bool whole_run;
static const char *const nowhere = "/nowhere/libeinjit-llvm.so";

/* n ones each, in a context of its own. */
static int use(const char *folder, const char *module, int64_t n, einjit_statistics *after)
{
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = folder, .module_path = module};
    einjit_context *context;
    einjit_error err = {0};
    float *ones = malloc((size_t)n * 5 * sizeof *ones), out[5];
    assert_non_null(ones);
    for (int64_t i = 0; i < n * 5; i++) ones[i] = 1;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    int status =
        einjit_einsum(context, "zi,zi->i", 2, (einjit_tensor[]){F32(ones, n, 5), F32(ones, n, 5)}, &F32(out, 5), &err);
    einjit_context_statistics(context, after, NULL);
    einjit_context_release(context);
    free(ones);
    for (int i = 0; i < 5 && !status; i++) assert_true(out[i] == (float)n);
    return status;
}

/* Where there is no code generator the answer says whether the entry was used. */
static void expect_rejected(const char *folder, int64_t n, const char *how, size_t at)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    executable = 0;
    int status = use(folder, nowhere, n, &s);
    if (status != EINJIT_E_BACKEND || s.disk_rejected != 1 || executable)
        fail_msg("%s %zu of the entry for %lld: %s, %ld mapped", how, at, (long long)n, einjit_status_name(status),
                 executable);
}

static long damage(int64_t n, size_t step)
{
    char *folder = cache_folder_make();
    einjit_statistics s = {.struct_bytes = sizeof s};
    size_t bytes;
    long trials = 0;
    assert_int_equal(use(folder, NULL, n, &s), EINJIT_OK);
    char *path = cache_only_entry(folder);
    unsigned char *entry = cache_read(path, &bytes);
    executable = 0;
    assert_int_equal(use(folder, nowhere, n, &s), EINJIT_OK);
    assert_int_equal(s.disk_hits, 1);
    assert_int_equal(executable, 1); /* mappings are seen */
    for (size_t bit = 0; bit < bytes * 8; bit += step, trials++) {
        entry[bit / 8] ^= (unsigned char)(1 << bit % 8);
        cache_write(path, entry, bytes);
        expect_rejected(folder, n, "bit", bit);
        entry[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t length = 0; length < bytes; length += step, trials++) {
        cache_write(path, entry, length);
        expect_rejected(folder, n, "length", length);
    }
    assert_int_equal(use(folder, NULL, n, &s), EINJIT_OK); /* compiled again, in its place */
    assert_int_equal(s.disk_rejected, 1);
    assert_int_equal(use(folder, nowhere, n, &s), EINJIT_OK);
    free(entry);
    free(path);
    cache_folder_remove(folder);
    return trials;
}

static void damaged_entries_are_never_mapped(void **state)
{
    (void)state;
#ifdef EINJIT_STATIC_CODEGEN
    skip();
#endif
    long trials = 0;
    for (int64_t n = 3; n < (whole_run ? 23 : 4); n++) trials += damage(n, whole_run ? 1 : 13);
    print_message("%ld damaged entries, all rejected before anything was mapped\n", trials);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_system_call_may_fail),
        cmocka_unit_test(damaged_entries_are_never_mapped),
    };
    whole_run = argc > 1 && !strcmp(argv[1], "--whole");
    use_built_module();
    if (!api_has_llvm()) return 0; /* nothing is ever kept */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
