/* Machine code of single leaves beside the interpreter: dtypes, strides, lane maps, ragged ranges, reductions across
 * lanes, gather and scatter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lower_support.h"

static const char *const all_dtypes[] = {"f32", "f64", "c64", "c128", "i32", "i64", "bool"};
enum { N_DTYPES = sizeof all_dtypes / sizeof *all_dtypes };

static void copies_run_through_every_stride(void **state)
{
    (void)state;
    static const int strides[] = {1, -1, 0, 2, -2, 3, 4, 5, 7, -9, 100};
    for (int d = 0; d < N_DTYPES; d++)
        for (size_t s = 0; s < sizeof strides / sizeof *strides; s++)
            lower_agree_format(0, NULL, 0,
                               "nest copy\naxis i 37\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                               "loop i step 8\n    move y[i: 1]\n        src x[i: %d]\n        expr $0 = %s src 0\n"
                               "        tile i lane 8\n",
                               all_dtypes[d], all_dtypes[d], strides[s], all_dtypes[d]);
}

static void stores_run_through_every_stride(void **state)
{
    (void)state;
    static const int strides[] = {-1, 2, -3, 17};
    for (int d = 0; d < N_DTYPES; d++)
        for (size_t s = 0; s < sizeof strides / sizeof *strides; s++)
            lower_agree_format(0, NULL, 0,
                               "nest spread\naxis i 21\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                               "loop i step 4\n    move y[i: %d]\n        src x[i: 1]\n        expr $0 = %s src 0\n"
                               "        tile i lane 4\n",
                               all_dtypes[d], all_dtypes[d], strides[s], all_dtypes[d]);
}

static void every_short_range_is_masked(void **state)
{
    (void)state;
    for (int d = 0; d < N_DTYPES; d++)
        for (int n = 0; n <= 16; n++)
            lower_agree_format(0, NULL, 0,
                               "nest mask\naxis i %d\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                               "move y[i: 1]\n    src x[i: 1]\n    expr $0 = %s src 0\n    tile i lane 16\n",
                               n, all_dtypes[d], all_dtypes[d], all_dtypes[d]);
}

static void open_ranges_are_masked_at_every_size(void **state)
{
    (void)state;
    int64_t sizes[40];
    for (int i = 0; i < 40; i++) sizes[i] = i;
    static const char *const digits[] = {
        "i lane 8", "i unroll 8", "i unroll 2, i lane 4", "i lane 4, i unroll 2", "i lane 2, i unroll 2, i lane 2",
        "i lane 5"};
    static const int covers[] = {8, 8, 8, 8, 8, 5};
    for (int d = 0; d < N_DTYPES; d++)
        for (int t = 0; t < 6; t++)
            for (int stride = 1; stride < 4; stride += 2)
                lower_agree_format(
                    40, sizes, 0,
                    "nest open\nsymbol n = 20\naxis i n\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                    "loop i step %d\n    move y[i: %d]\n        src x[i: %d]\n        expr $0 = %s src 0\n"
                    "        tile %s\n",
                    all_dtypes[d], all_dtypes[d], covers[t], stride, stride, all_dtypes[d], digits[t]);
}

static void lanes_span_two_axes(void **state)
{
    (void)state;
    for (int d = 0; d < N_DTYPES; d++)
        for (int n = 2; n <= 4; n++)
            lower_agree_format(0, NULL, 0,
                               "nest flat\naxis i %d\naxis j 4\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                               "move y[j: 4, i: 1]\n    src x[i: 50, j: 1]\n    expr $0 = %s src 0\n"
                               "    tile i lane 4, j lane 4\n",
                               n, all_dtypes[d], all_dtypes[d], all_dtypes[d]);
}

static void a_register_tile_is_transposed(void **state)
{
    (void)state;
    static const int sizes[] = {2, 3, 4, 7, 8};
    for (int d = 0; d < N_DTYPES; d++)
        for (int a = 0; a < 5; a++)
            for (int b = 0; b < 5; b++)
                lower_agree_format(0, NULL, 0,
                                   "nest turn\naxis i %d\naxis j %d\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                                   "buffer r %s reg elems 64\nplace r\n"
                                   "move r[i: 8, j: 1]\n    src x[i: 9, j: 1]\n    expr $0 = %s src 0\n"
                                   "    tile i unroll 8, j lane 8\n"
                                   "move y[j: 9, i: 1]\n    src r[i: 8, j: 1]\n    expr $0 = %s src 0\n"
                                   "    tile j unroll 8, i lane 8\n",
                                   sizes[a], sizes[b], all_dtypes[d], all_dtypes[d], all_dtypes[d], all_dtypes[d],
                                   all_dtypes[d]);
}

/* Parts stay together: every pair of signs, x and y in either place, pieces that end inside of a vector. */
static void complex_dots_run_along_lanes(void **state)
{
    (void)state;
    static const char *const products[] = {"mul $0 $1", "mul $2 $1", "mul $0 $3",
                                           "mul $2 $3", "mul $3 $0", "mul $0 $2"};
    static const int lanes[] = {2, 4, 8, 16};
    for (int d = 2; d < 4; d++)
        for (int p = 0; p < 6; p++)
            for (int l = 0; l < 4; l++)
                for (int n = lanes[l] / 2 + 1; n <= 2 * lanes[l]; n += 3) {
                    const char *t = all_dtypes[d];
                    lower_agree_format(0, NULL, 1e-5,
                                       "nest dots\naxis i 5\naxis j %d reduced\nbuffer x %s arg 0\n"
                                       "buffer y %s arg 1\nbuffer z %s arg 2\nbuffer r %s reg elems 5\nplace r\n"
                                       "move r[i: 1]\n    expr $0 = %s const 0.0 0.0\n    tile i unroll 5\n"
                                       "loop j step %d\n    sum r[i: 1]\n        src x[i: %d, j: 1]\n"
                                       "        src y[j: 1]\n        expr $0 = %s src 0; $1 = %s src 1; "
                                       "$2 = %s conj $0; $3 = %s conj $1; $4 = %s %s\n"
                                       "        tile i unroll 5, j lane %d\n"
                                       "move z[i: 1]\n    src r[i: 1]\n    expr $0 = %s src 0\n    tile i lane 5\n",
                                       n, t, t, t, t, t, lanes[l], n, t, t, t, t, t, products[p], lanes[l], t);
                }
}

static void reductions_cross_lanes_and_unrolled_positions(void **state)
{
    (void)state;
    static const char *const words[] = {"sum", "prod", "max", "min"};
    for (int d = 0; d < N_DTYPES - 1; d++)
        for (int r = 0; r < 4; r++) {
            if (r >= 2 && all_dtypes[d][0] == 'c') continue;
            for (int n = 1; n <= 12; n += 1 + n / 6)
                lower_agree_format(0, NULL, 1e-5,
                                   "nest reduce\naxis i 3\naxis k %d reduced\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                                   "%s y[i: 1]\n    src x[i: 13, k: 1]\n    expr $0 = %s src 0\n"
                                   "    tile k unroll 2, i lane 4, k lane 4, k unroll 2\n",
                                   n, all_dtypes[d], all_dtypes[d], words[r], all_dtypes[d]);
        }
}

static void open_reductions_leave_out_what_is_not_there(void **state)
{
    (void)state;
    int64_t sizes[30];
    for (int i = 0; i < 30; i++) sizes[i] = i;
    static const char *const words[] = {"sum", "max", "min", "prod"};
    for (int d = 0; d < N_DTYPES - 1; d++)
        for (int r = 0; r < 4; r++) {
            bool complex = all_dtypes[d][0] == 'c', integer = all_dtypes[d][0] == 'i';
            if ((complex && r) || (r == 3 && !integer)) continue;
            lower_agree_format(30, sizes, 0,
                               "nest reduce\nsymbol n = 20\naxis k n reduced\nbuffer x %s arg 0\nbuffer y %s arg 1\n"
                               "loop k step 16\n    %s y[]\n        src x[k: 1]\n        expr $0 = %s src 0\n"
                               "        tile k unroll 2, k lane 4, k unroll 2\n",
                               all_dtypes[d], all_dtypes[d], words[r], all_dtypes[d]);
        }
}

static void bools_are_reduced_by_or(void **state)
{
    (void)state;
    for (int n = 1; n < 19; n++)
        lower_agree_format(
            0, NULL, 0,
            "nest any\naxis i 5\naxis k %d reduced\nbuffer x bool arg 0\nbuffer z bool arg 1\n"
            "buffer y bool arg 2\nloop k step 8\n    or y[i: 1]\n        src x[i: 20, k: 1]\n"
            "        src z[k: 1]\n        expr $0 = bool src 0; $1 = bool src 1; $2 = bool logical_and $0 $1\n"
            "        tile i unroll 5, k lane 8\n",
            n);
}

static void rows_are_gathered(void **state)
{
    (void)state;
    for (int d = 0; d < N_DTYPES; d++)
        lower_agree_format(0, NULL, 0,
                           "nest gather\naxis e 13\naxis c 6\nbuffer x %s arg 0\nbuffer at i32 arg 1 table 9\n"
                           "buffer y %s arg 2\nloop e step 4\n    move y[e: 6, c: 1]\n"
                           "        src x[5; e: 7 by at[2; e: 3], c: 1]\n        expr $0 = %s src 0\n"
                           "        tile e lane 4, c unroll 6\n",
                           all_dtypes[d], all_dtypes[d], all_dtypes[d]);
}

/* Indices repeat: lanes and unrolled positions of one tile meet in one element. */
static void scattered_sums_take_every_term(void **state)
{
    (void)state;
    static const int64_t edges[] = {0, 1, 3, 4, 5, 8, 29};
    static const char *const tiles[] = {"e lane 4, c unroll 3", "e unroll 4, c lane 3",
                                        "e unroll 2, e lane 2, c lane 3", "c lane 3, e lane 4"};
    for (int d = 0; d < N_DTYPES - 1; d++)
        for (int t = 0; t < 4; t++)
            lower_agree_format(
                7, edges, 0,
                "nest scatter\nsymbol n = 20\naxis e n\naxis c 3\nbuffer x %s arg 0\n"
                "buffer at i64 arg 1 table 4\nbuffer y %s arg 2\nloop e step 4\n"
                "    sum y[e: 3 by at[e: 1], c: 1]\n        src x[e: 3, c: 1]\n        expr $0 = %s src 0\n"
                "        tile %s\n",
                all_dtypes[d], all_dtypes[d], all_dtypes[d], tiles[t]);
}

static void results_that_meet_by_their_strides_take_every_term(void **state)
{
    (void)state;
    lower_agree("nest hankel\naxis i 6\naxis j 7\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                "loop i step 4\n    loop j step 4\n        sum y[i: 1, j: 1]\n            src x[i: 7, j: 1]\n"
                "            expr $0 = f32 src 0\n            tile i unroll 4, j lane 4\n",
                0, NULL, 0);
}

static void expressions_mix_dtypes(void **state)
{
    (void)state;
    lower_agree("nest mixed\naxis i 19\naxis j 3\nbuffer x i32 arg 0\nbuffer s f32 arg 1\nbuffer y f64 arg 2\n"
                "buffer m bool arg 3\n"
                "loop i step 8\n    move y[i: 3, j: 1]\n        src x[i: 1]\n        src s[j: 1]\n"
                "        expr $0 = i32 src 0; $1 = f32 src 1; $2 = f64 cast $0; $3 = f64 cast $1; $4 = f64 mul $2 $3; "
                "$5 = f64 const 0.5; $6 = f64 add $4 $5; $7 = bool lt $6 $3; $8 = f64 where $7 $6 $5\n"
                "        tile j unroll 3, i lane 8\n"
                "    move m[i: 3, j: 1]\n        src x[i: 1]\n        src s[j: 1]\n"
                "        expr $0 = i32 src 0; $1 = f32 src 1; $2 = f32 cast $0; $3 = bool ge $2 $1\n"
                "        tile j unroll 3, i lane 8\n",
                0, NULL, 0);
}

static void constants_lie_in_the_code(void **state)
{
    (void)state;
    for (int d = 0; d < N_DTYPES; d++)
        lower_agree_format(0, NULL, 0,
                           "nest constant\naxis i 11\nbuffer k %s const 0 elems 30\nbuffer y %s arg 0\n"
                           "loop i step 4\n    move y[i: 1]\n        src k[2; i: 2]\n        expr $0 = %s src 0\n"
                           "        tile i lane 4\n",
                           all_dtypes[d], all_dtypes[d], all_dtypes[d]);
}

static void blocks_of_packed_panels_are_addressed(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 3, 4, 5, 11, 16, 17};
    static const int steps[] = {1, 2, 4, 4};
    static const char *const tiles[] = {"", "i lane 2", "i lane 4", "i unroll 2, i lane 2"};
    for (int t = 0; t < 4; t++)
        lower_agree_format(8, sizes, 0,
                           "nest panel\nsymbol n = 11\naxis i n\naxis k 3\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                           "loop i step %d\n    loop k step 1\n        move y[i: 1 block 4: 12, k: 4]\n"
                           "            src x[i: 1, k: 40]\n            expr $0 = f32 src 0\n%s%s%s",
                           steps[t], t ? "            tile " : "", t ? tiles[t] : "", t ? "\n" : "");
}

/* Lanes that a range does not fill hold nothing, whatever registers they were loaded through. */
static void lanes_without_a_term_are_not_true(void **state)
{
    (void)state;
    for (int lane = 2; lane < 16; lane *= 2)
        lower_agree_format(0, NULL, 0,
                           "nest some\naxis a 3 reduced\naxis d 9\nbuffer x bool arg 0\nbuffer out bool arg 1\n"
                           "buffer acc bool reg elems 1\nbuffer r bool reg elems 16\n"
                           "loop d step 1\n    place acc\n    place r\n"
                           "    move acc[d: 1]\n        expr $0 = bool const 0\n"
                           "    move r[a: 1]\n        src x[a: 1]\n        expr $0 = bool src 0\n"
                           "        tile a lane %d, a unroll %d\n"
                           "    or acc[d: 1]\n        src r[a: 1]\n        expr $0 = bool src 0\n"
                           "        tile a lane 16\n"
                           "    move out[d: 2]\n        src acc[d: 1]\n        expr $0 = bool src 0\n",
                           lane, 16 / lane);
}

/* Each value is used twice: whether the last one needs rounding to bf16 is asked of each op once. */
static void exact_results_of_long_chains_are_cut(void **state)
{
    (void)state;
    enum { OPS = 60 };
    char expr[OPS * 32], *end = expr;
    end += sprintf(expr, "$0 = bf16 src 0; $1 = f32 cast $0; $2 = f32 neg $1");
    for (int i = 3; i < OPS; i++)
        end += sprintf(end, "; $%d = f32 %s $%d $%d", i, i % 2 ? "maximum" : "minimum", i - 1, i - 2);
    lower_agree_format(
        0, NULL, 0,
        "nest chain\naxis i 37\nbuffer x bf16 arg 0\nbuffer y bf16 arg 1\nloop i step 8\n    move y[i: 1]\n"
        "        src x[i: 1]\n        expr %s; $%d = bf16 cast $%d\n        tile i lane 8\n",
        expr, OPS, OPS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_run_through_every_stride),
        cmocka_unit_test(stores_run_through_every_stride),
        cmocka_unit_test(every_short_range_is_masked),
        cmocka_unit_test(open_ranges_are_masked_at_every_size),
        cmocka_unit_test(lanes_span_two_axes),
        cmocka_unit_test(a_register_tile_is_transposed),
        cmocka_unit_test(complex_dots_run_along_lanes),
        cmocka_unit_test(reductions_cross_lanes_and_unrolled_positions),
        cmocka_unit_test(open_reductions_leave_out_what_is_not_there),
        cmocka_unit_test(bools_are_reduced_by_or),
        cmocka_unit_test(rows_are_gathered),
        cmocka_unit_test(scattered_sums_take_every_term),
        cmocka_unit_test(results_that_meet_by_their_strides_take_every_term),
        cmocka_unit_test(expressions_mix_dtypes),
        cmocka_unit_test(exact_results_of_long_chains_are_cut),
        cmocka_unit_test(constants_lie_in_the_code),
        cmocka_unit_test(blocks_of_packed_panels_are_addressed),
        cmocka_unit_test(lanes_without_a_term_are_not_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
