/* test_base_cpus.c - quotas of control groups, of both versions, in folders that look like the system's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base_cpus.h"

static char root[] = "/tmp/einjit-cpus-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[512], command[600];
    snprintf(path, sizeof path, "%s/%s", root, name);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int32_t quota(const char *self)
{
    char path[512];
    write_file("self", self);
    snprintf(path, sizeof path, "%s/self", root);
    return ej_cpus_quota(path, root);
}

static void the_least_quota_on_the_way_counts(void **state)
{
    (void)state;
    write_file("cpu.max", "max 100000\n");
    write_file("a/cpu.max", "350000 100000\n");
    write_file("a/b/cpu.max", "max 100000\n");
    write_file("a/b/c/cpu.max", "800000 100000\n");
    write_file("d/cpu.max", "50000 100000\n");
    assert_int_equal(quota("0::/a/b/c\n"), 3);
    assert_int_equal(quota("0::/a/b\n"), 3);
    assert_int_equal(quota("0::/d\n"), 1); /* half a CPU is one thread */
    assert_int_equal(quota("0::/\n"), INT32_MAX);
    assert_int_equal(quota("0::/a/gone\n"), 3);
    assert_int_equal(quota("0::/../..\n"), INT32_MAX);
}

static void the_older_version_has_files_of_its_own(void **state)
{
    (void)state;
    write_file("cpu/cpu.cfs_quota_us", "-1\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    write_file("cpu/job/cpu.cfs_quota_us", "200000\n");
    write_file("cpu/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("4:memory:/x\n3:cpu,cpuacct:/job\n1:name=systemd:/y\n"), 2);
    assert_int_equal(quota("3:cpuset:/job\n"), INT32_MAX); /* another controller */
    assert_int_equal(quota("3:cpuacct,cpu:/\n"), INT32_MAX);
}

static void odd_files_are_no_quota(void **state)
{
    (void)state;
    write_file("odd/cpu.max", "many\n");
    write_file("empty/cpu.max", "");
    write_file("zero/cpu.max", "100000 0\n");
    assert_int_equal(quota("0::/odd\n"), INT32_MAX);
    assert_int_equal(quota("0::/empty\n"), INT32_MAX);
    assert_int_equal(quota("0::/zero\n"), INT32_MAX);
    assert_int_equal(quota("no colon\n\n:\n::\n"), INT32_MAX);
    assert_int_equal(ej_cpus_quota("/nowhere/at/all", root), INT32_MAX);
    assert_true(ej_cpus_allowed() >= 1);
}

static int count(const ej_cpus *cpus)
{
    int n = 0;
    for (int i = 0; i < EJ_CPUS_MOST; i++) n += cpus->mask[i / 8] >> i % 8 & 1;
    return n;
}

static void a_thread_can_be_given_the_cpus_of_another_time(void **state)
{
    (void)state;
#ifdef __linux__
    ej_cpus all, now;
    cpu_set_t one;
    int first = 0;
    ej_cpus_read(&all);
    if (!all.known || count(&all) < 2) skip();
    while (!(all.mask[first / 8] >> first % 8 & 1)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    ej_cpus_read(&now);
    assert_int_equal(count(&now), 1);
    ej_cpus_confine(&all);
    ej_cpus_read(&now);
    assert_memory_equal(now.mask, all.mask, sizeof all.mask);
#else
    skip();
#endif
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_quota_on_the_way_counts),
        cmocka_unit_test(the_older_version_has_files_of_its_own),
        cmocka_unit_test(a_thread_can_be_given_the_cpus_of_another_time),
        cmocka_unit_test(odd_files_are_no_quota),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
