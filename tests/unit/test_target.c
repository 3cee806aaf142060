/* test_target.c - the table of CPU classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target.h"

static void last_row_runs_everywhere(void **state)
{
    (void)state;
    assert_true(ej_n_targets >= 1);
    const ej_target *last = &ej_targets[ej_n_targets - 1];
    assert_true(last->runs_here() && last->suits_here());
}

static void host_is_the_first_row_that_runs_and_suits(void **state)
{
    (void)state;
    const ej_target *host = ej_target_host();
    assert_true(host->runs_here() && host->suits_here());
    for (const ej_target *better = ej_targets; better < host; better++)
        assert_false(better->runs_here() && better->suits_here());
}

static void rows_are_found_by_name(void **state)
{
    (void)state;
    for (int row = 0; row < ej_n_targets; row++)
        assert_ptr_equal(ej_target_by_name(ej_targets[row].name), &ej_targets[row]);
    assert_null(ej_target_by_name("avx51"));
    assert_null(ej_target_by_name(""));
}

static void tiles_fit_into_the_registers(void **state)
{
    (void)state;
    for (int row = 0; row < ej_n_targets; row++) {
        const ej_target *t = &ej_targets[row];
        int used = t->tile_vectors * t->tile_rows + t->tile_vectors + 1 + !t->fma;
        assert_true(used <= t->vector_registers);
        assert_true(t->vector_bytes >= 16 && (t->vector_bytes & (t->vector_bytes - 1)) == 0);
        assert_true(t->l1_bytes < t->l2_bytes && t->l2_bytes < t->l3_bytes);
        assert_true(t->panel_part >= 1 && t->far_part >= 1);
    }
}

/* The kernel says in /proc/cpuinfo what it saves; an independent witness of the detection. */
static void detection_agrees_with_the_system(void **state)
{
    (void)state;
    const ej_target *wide = ej_target_by_name("avx512"), *narrow = ej_target_by_name("avx2");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[16384];
    char *flags = NULL;
    while (file && !flags && fgets(line, sizeof line, file))
        if (!strncmp(line, "flags", 5)) flags = line;
    if (file) fclose(file);
    if (!flags || !wide || !narrow) skip();
    flags[strcspn(flags, "\n")] = ' ';
    int avx2 = strstr(flags, " avx2 ") && strstr(flags, " fma ") && strstr(flags, " bmi2 ");
    int avx512 = avx2 && strstr(flags, " avx512f ") && strstr(flags, " avx512bw ") && strstr(flags, " avx512dq ") &&
                 strstr(flags, " avx512vl ") && strstr(flags, " avx512cd ");
    const ej_target *wide_2m = ej_target_by_name("avx512_2m");
    assert_int_equal(ej_target_runs_here(narrow), avx2);
    assert_int_equal(ej_target_runs_here(wide_2m), avx512);
    assert_int_equal(ej_target_runs_here(wide), avx512);
    const ej_target *pairs = ej_target_by_name("avx512_bf16");
    assert_true(pairs && pairs->pairs);
    assert_int_equal(ej_target_runs_here(pairs), avx512 && strstr(flags, " avx512_bf16 "));
}

/* The same for the L2, whose size the system publishes, too. */
static void the_large_l2_is_seen(void **state)
{
    (void)state;
    const ej_target *row = ej_target_by_name("avx512_2m");
    FILE *size = fopen("/sys/devices/system/cpu/cpu0/cache/index2/size", "r");
    FILE *info = fopen("/proc/cpuinfo", "r");
    long kilobytes = 0;
    char line[16384];
    bool intel = false;
    if (size && fscanf(size, "%ldK", &kilobytes) != 1) kilobytes = 0;
    while (info && !intel && fgets(line, sizeof line, info)) intel = strstr(line, "GenuineIntel");
    if (size) fclose(size);
    if (info) fclose(info);
    if (!row || !kilobytes) skip();
    assert_int_equal(row->suits_here(), intel && kilobytes >= 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_row_runs_everywhere),         cmocka_unit_test(host_is_the_first_row_that_runs_and_suits),
        cmocka_unit_test(rows_are_found_by_name),           cmocka_unit_test(tiles_fit_into_the_registers),
        cmocka_unit_test(detection_agrees_with_the_system), cmocka_unit_test(the_large_l2_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
