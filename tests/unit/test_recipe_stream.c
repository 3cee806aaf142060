/* Sums over operands that come from memory: rows and lines that are read at once, and what is asked for ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "schedule_support.h"

#define PRODUCT(equation) "def f(a, b):\n    return einsum('" equation "', a, b)\n"
#define SUM(equation) "def f(a):\n    return einsum('" equation "', a)\n"

/* Of the largest operand, or of all that are as large; not where a cache holds them, nor in results. */
static void memory_is_asked_ahead(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("ij,j->i"), "f64[4096,4096] f64[4096]", "avx512", "tile 0 %0 unroll 8, %1 lane 8\n",
                    "hint 0 prefetch 0 2048 far\n");
    EXPECT_REWRITES(SUM("ij->i"), "f32[4096,4096]", "avx2", "hint 0 prefetch 0 2048 far\n");
    EXPECT_REWRITES(PRODUCT("ij,ij->"), "f32[4096,4096] f32[4096,4096]", "avx512", "hint 0 prefetch all 2048 far\n");
    EXPECT_REWRITES(SUM("ij->j"), "f32[4096,4096]", "avx512", "hint 0 prefetch 0 2048 far\n");
    EXPECT_REWRITES(SUM("ij->i"), "f32[1024,1024]", "avx512", "!prefetch");
    EXPECT_REWRITES(PRODUCT("ij,ij->i"), "f32[1024,1024] f32[1024,1024]", "avx512", "!prefetch");
    EXPECT_REWRITES(PRODUCT("ij,jk->ik"), "f32[2048,2048] f32[2048,2048]", "avx512", "!far");
}

/* Rows of one operand from a page on, of two from four pages on, in as many streams together. */
static void long_rows_are_streams(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("bi,bi->b"), "f32[4096,4096] f32[4096,4096]", "avx512", "tile 0 %0 unroll 4, %1 lane 16\n");
    EXPECT_REWRITES(PRODUCT("bi,bi->b"), "f32[8192,2048] f32[8192,2048]", "avx512", "!%0 unroll");
    EXPECT_REWRITES(SUM("ij->i"), "f32[65536,256]", "avx512", "!%0 unroll");
}

/* Sums of columns: eight rows at once where each is a stream, one where rows share pages. */
static void swept_rows_are_streams(void **state)
{
    (void)state;
    EXPECT_REWRITES(SUM("ij->j"), "f32[4096,4096]", "avx512", "fill 0 at root\n", "tile 0 %1 unroll 8, %0 unroll 2");
    EXPECT_REWRITES(SUM("ij->j"), "f64[65536,264]", "avx512", "fill 0 at root\n", "!%1 unroll");
    EXPECT_REWRITES(SUM("ij->j"), "f32[1024,1024]", "avx512", "tile 0 %1 unroll 4");
}

/* However far apart a row's numbers are, and in whichever order: the next one of a column is on another page. */
static void columns_of_any_stride_are_swept(void **state)
{
    (void)state;
    EXPECT_REWRITES(SUM("ij->j"), "f32[4096,4096]:4096,-1", "avx512", "fill 0 at root\n");
    EXPECT_REWRITES(SUM("ij->j"), "f32[4096,4096]:-8192,2", "avx512", "fill 0 at root\n");
    EXPECT_REWRITES(SUM("ij->j"), "f32[4096,4096]:20480,5", "avx512", "fill 0 at root\n");
}

/* A row's sums, as many as half of the registers hold, in one pass. */
static void rows_are_not_read_in_strips(void **state)
{
    (void)state;
    EXPECT_REWRITES(SUM("ij->j"), "f32[65536,256]", "avx512", "tile 0 %0 unroll 16, %0 lane 16\n");
    EXPECT_REWRITES(SUM("ij->j"), "f64[524288,32]", "avx512", "tile 0 %0 unroll 4, %0 lane 8\n");
    EXPECT_REWRITES(PRODUCT("ijk,j->ik"), "f32[256,256,256] f32[256]", "avx512", "tile 0 %1 unroll 16, %1 lane 16\n");
}

/* Sums within each value of an outer axis are swept one value after the other, however large the whole result is. */
static void outer_axes_are_outside_of_sweeps(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("ijk,j->ik"), "f64[256,256,257] f64[256]", "avx512", "loop 0 %0 1\nfill 0 at 1\n",
                    "loop 0 %2 1\nloop 0 %1 16\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_asked_ahead),       cmocka_unit_test(long_rows_are_streams),
        cmocka_unit_test(swept_rows_are_streams),      cmocka_unit_test(columns_of_any_stride_are_swept),
        cmocka_unit_test(rows_are_not_read_in_strips), cmocka_unit_test(outer_axes_are_outside_of_sweeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
