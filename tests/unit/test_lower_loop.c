/* test_lower_loop.c - loops in blocks: right results whatever rest the blocks leave, and whatever the blocks inside
 * leave of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lower_support.h"

/* A product in blocks of 16 columns, 6 terms, 8 rows; both operands packed; 4x8 in registers. `sizes`: symbols, or
 * "". */
static const char product[] =
    "nest product\n%saxis i %s parallel\naxis j %s parallel\naxis k %s reduced\n"
    "buffer A f32 arg 0\nbuffer B f32 arg 1\nbuffer C f32 arg 2\n"
    "buffer Bp f32 local elems 96 at 0\nbuffer Ap f32 local elems 48 at 384\nbuffer acc f32 reg elems 32\n"
    "loop i step 1\n    loop j step 8\n        move C[i: 40, j: 1]\n            expr $0 = f32 const 0.0\n"
    "            tile j lane 8\n"
    "loop j step 16\n    loop k step 6\n        place Bp\n"
    "        loop j step 8\n            loop k step 1\n"
    "                move Bp[j: 1 block 8: 48, k: 8]\n                    src B[j: 1, k: 40]\n"
    "                    expr $0 = f32 src 0\n                    tile j lane 8\n"
    "        loop i step 8\n            place Ap\n"
    "            loop i step 4\n                loop k step 1\n"
    "                    move Ap[i: 1 block 4: 24, k: 4]\n                        src A[i: 30, k: 1]\n"
    "                        expr $0 = f32 src 0\n                        tile i lane 4\n"
    "            loop j step 8\n                loop i step 4\n                    place acc\n"
    "                    move acc[i: 8, j: 1]\n                        expr $0 = f32 const 0.0\n"
    "                        tile i unroll 4, j lane 8\n"
    "                    loop k step 1\n                        sum acc[i: 8, j: 1]\n"
    "                            src Ap[i: 1 block 4: 24, k: 4]\n"
    "                            src Bp[j: 1 block 8: 48, k: 8]\n"
    "                            expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1\n"
    "                            tile i unroll 4, j lane 8\n"
    "                    sum C[i: 40, j: 1]\n                        src acc[i: 8, j: 1]\n"
    "                        expr $0 = f32 src 0\n                        tile i unroll 4, j lane 8\n";

static const char *fill_in(int i, int j, int k)
{
    static char text[4096];
    char n[3][16];
    snprintf(n[0], sizeof n[0], "%d", i);
    snprintf(n[1], sizeof n[1], "%d", j);
    snprintf(n[2], sizeof n[2], "%d", k);
    snprintf(text, sizeof text, product, "", n[0], n[1], n[2]);
    return text;
}

static void every_rest_of_every_block_is_right(void **state)
{
    (void)state;
    static const int rows[] = {1, 4, 8, 12, 13, 16, 23, 24}, columns[] = {1, 8, 16, 20, 27, 32, 40},
                     terms[] = {1, 5, 6, 12, 17};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            lower_agree(fill_in(rows[i], columns[j], terms[(i + j) % (sizeof terms / sizeof *terms)]), 0, NULL, 0);
}

static void open_sizes_are_right(void **state)
{
    (void)state;
    char text[4096];
    static const int64_t values[] = {13, 27, 17, 8, 16, 6, 1, 1, 1, 24, 32, 12, 7, 9, 5, 11, 40, 30};
    snprintf(text, sizeof text, product, "symbol m = 13\nsymbol n = 27\nsymbol l = 17\n", "m", "n", "l");
    lower_agree(text, 6, values, 0);
}

/* A buffer without elements may begin where another one does, of elements of another size. */
static void buffers_at_one_place_keep_their_element_sizes(void **state)
{
    (void)state;
    lower_agree("nest empty\naxis c 3 parallel\naxis b 0 reduced\nbuffer x f64 arg 0 elems 3\n"
                "buffer y f64 arg 1 elems 3\nbuffer mask bool scratch elems 0 at 0\nbuffer t f64 scratch elems 3 at 0\n"
                "buffer acc f64 reg elems 1\n"
                "loop c step 1\n    move t[c: 1]\n        src x[c: 1]\n        expr $0 = f64 src 0\n"
                "loop c step 1\n    place acc\n    move acc[]\n        expr $0 = f64 const 0.0\n"
                "    loop b step 1\n        sum acc[]\n            src mask[c: 1, b: 3]\n"
                "            expr $0 = bool src 0; $1 = f64 cast $0\n"
                "    move y[c: 1]\n        src acc[]\n        src t[c: 1]\n"
                "        expr $0 = f64 src 0; $1 = f64 src 1; $2 = f64 add $0 $1\n",
                0, NULL, 0);
}

static void accumulators_around_blocks_are_right(void **state)
{
    (void)state;
    lower_agree(
        "nest around\naxis i 13\naxis k 11 reduced\nbuffer A f32 arg 0\nbuffer C f32 arg 1\nbuffer acc f32 reg elems "
        "4\n"
        "loop i step 8\n    loop i step 4\n        place acc\n        move acc[i: 1]\n            expr $0 = f32 const "
        "0.0\n"
        "            tile i lane 4\n"
        "        loop k step 4\n            loop k step 1\n                sum acc[i: 1]\n                    src A[i: "
        "11, k: 1]\n"
        "                    expr $0 = f32 src 0\n                    tile i lane 4\n"
        "        move C[i: 1]\n            src acc[i: 1]\n            expr $0 = f32 src 0\n            tile i lane 4\n",
        0, NULL, 0);
}

/* Tables of the whole axis, and of a block that the nest fills first. */
static void tables_are_right(void **state)
{
    (void)state;
    lower_agree("nest gather\naxis e 28\naxis d 5\nbuffer x f32 arg 0\nbuffer t i32 arg 1 table 9\nbuffer y f32 arg 2\n"
                "loop e step 8\n    loop e step 4\n        loop e step 1\n            loop d step 4\n                "
                "move y[e: 5, d: 1]\n"
                "                    src x[e: 5 by t[1; e: 1], d: 1]\n                    expr $0 = f32 src 0\n"
                "                    tile d lane 4\n",
                0, NULL, 0);
    lower_agree(
        "nest staged\naxis e 28\naxis d 5\nbuffer x f32 arg 0\nbuffer t i32 arg 1 table 9\nbuffer y f32 arg 2\n"
        "buffer q i32 local elems 8 at 0 table 9\n"
        "loop e step 8\n    place q\n    loop e step 1\n        move q[e: 1]\n            src t[e: 1]\n            "
        "expr $0 = i32 src 0\n"
        "    loop e step 4\n        loop e step 1\n            loop d step 4\n                move y[e: 5, d: 1]\n"
        "                    src x[e: 5 by q[e: 1], d: 1]\n                    expr $0 = f32 src 0\n"
        "                    tile d lane 4\n",
        0, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rest_of_every_block_is_right),
        cmocka_unit_test(open_sizes_are_right),
        cmocka_unit_test(buffers_at_one_place_keep_their_element_sizes),
        cmocka_unit_test(accumulators_around_blocks_are_right),
        cmocka_unit_test(tables_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
