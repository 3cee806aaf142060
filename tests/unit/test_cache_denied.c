/* test_cache_denied.c - the cache on disk in processes that may do less than others, or have no home: the result is
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache_support.h"
#include "deny_support.h"

/* What a forked child makes of it, with less than its parent may do. 77: there is nothing like that here. */
static int in_child(int (*use)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) _exit(use());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#ifdef TEST_CAN_DENY
static int use_without_executable_memory(void)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    if (!deny_making_executable() || !deny_memory_files()) return 77;
    if (cache_use(cache_folder, "llvm", &s) != EINJIT_E_BACKEND) return 1;
    if (cache_use(cache_folder, "auto", &s) != EINJIT_OK) return 2;
    return s.disk_hits || cache_log_lines != 1 ? 3 : 0; /* interpreted, and that is said */
}
#endif

static void entries_that_cannot_be_mapped_are_interpreted(void **state)
{
    (void)state;
    int status = 77;
    assert_int_equal(cache_use(cache_folder, "llvm", NULL), EINJIT_OK);
#ifdef TEST_CAN_DENY
    status = in_child(use_without_executable_memory);
#endif
    if (status == 77) skip();
    assert_int_equal(status, 0);
}

static int use_with_short_files(void)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    const struct rlimit limit = {100, 100};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    if (cache_use(cache_folder, "llvm", &s) != EINJIT_OK) return 1;
    return s.disk_writes || s.disk_write_failures != 1 ? 2 : 0;
}

static void where_files_must_be_short_nothing_is_written(void **state)
{
    (void)state;
    size_t others;
    int status = in_child(use_with_short_files); /* else ended by SIGXFSZ */
    if (status == 77) skip();
    assert_int_equal(status, 0);
    assert_int_equal(cache_count(cache_folder, &others), 0);
    assert_int_equal(others, 0);
}

/* ---- homes ---- */

static einjit_statistics use_at_home(const char *home)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    setenv("HOME", home, 1);
    assert_int_equal(cache_use(NULL, "llvm", &s), EINJIT_OK);
    return s;
}

static void homes_are_not_made_nor_filled_by_others(void **state)
{
    (void)state;
    char *old = getenv("HOME") ? strdup(getenv("HOME")) : NULL, *dir = strdup(getenv("EINJIT_CACHE_DIR"));
    char absent[4200], made[4200], deep[4300];
    snprintf(absent, sizeof absent, "%s/absent", cache_folder);
    snprintf(made, sizeof made, "%s/.cache", cache_folder);
    snprintf(deep, sizeof deep, "%s/einjit", made);
    unsetenv("EINJIT_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    assert_int_equal(use_at_home(absent).disk_write_failures, 1);
    assert_int_not_equal(access(absent, F_OK), 0);
    assert_int_equal(cache_log_lines, 0);
    if (geteuid() == 0) { /* sudo that keeps HOME */
        assert_int_equal(chown(cache_folder, 12345, 12345), 0);
        assert_int_equal(use_at_home(cache_folder).disk_write_failures, 1);
        assert_int_not_equal(access(made, F_OK), 0);
        assert_int_equal(cache_log_lines, 1);
        assert_int_equal(chown(cache_folder, 0, 0), 0);
    }
    assert_int_equal(use_at_home(cache_folder).disk_writes, 1);
    assert_int_equal(use_at_home(cache_folder).disk_hits, 1);
    cache_folder_remove(strdup(deep));
    rmdir(made);
    old ? setenv("HOME", old, 1) : unsetenv("HOME");
    setenv("EINJIT_CACHE_DIR", dir, 1);
    free(old);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_that_cannot_be_mapped_are_interpreted, cache_set_up, cache_tear_down),
        cmocka_unit_test_setup_teardown(homes_are_not_made_nor_filled_by_others, cache_set_up, cache_tear_down),
        cmocka_unit_test_setup_teardown(where_files_must_be_short_nothing_is_written, cache_set_up, cache_tear_down),
    };
    use_built_module();
    if (!api_has_llvm()) return 0; /* nothing is ever kept */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
