/* Lanes that lie some elements apart: whole vectors are loaded, taken apart in registers, and put together again before
 * they are stored; nothing beyond an end is touched, and stores that wait for the next round come in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lower_support.h"

enum { TEXT = 1200 };

/* y[u, n - 1 - k] = x[u, k] * s[u] in a loop over u, whose lanes are n apart in x and y; `base`: y begins there. */
static void write_nest(char *text, const char *dtype, int n, int lanes, const char *extent, int base)
{
    sprintf(text,
            "nest items\n%saxis u %s\naxis k %d\n"
            "buffer x %s arg 0\nbuffer s %s arg 1\nbuffer y %s arg 2\n"
            "loop u step %d\n"
            "    move y[%d; u: %d, k: -1]\n        src x[u: %d, k: 1]\n        src s[u: 1]\n"
            "        expr $0 = %s src 0; $1 = %s src 1; $2 = %s mul $0 $1\n"
            "        tile k unroll %d, u lane %d\n",
            *extent == 'U' ? "symbol U = 40\n" : "", extent, n, dtype, dtype, dtype, lanes, n - 1 + base, n, n, dtype,
            dtype, dtype, n, lanes);
    assert_true(strlen(text) < TEXT);
}

static void every_distance_and_rest(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"f32", "f64", "i32", "i64"};
    char text[TEXT], extent[16];
    for (int n = 2; n <= 9; n++)
        for (int lanes = 4; lanes <= 16; lanes *= 2)
            for (int rest = 0; rest < lanes; rest += lanes > 8 ? 3 : 1) {
                sprintf(extent, "%d", lanes * 2 + rest);
                write_nest(text, dtypes[(n + rest) % 4], n, lanes, extent, rest % 2);
                lower_agree(text, 0, NULL, 0);
            }
}

static void extents_are_known_at_run_time(void **state)
{
    (void)state;
    char text[TEXT];
    static const int64_t counts[] = {1, 2, 7, 8, 9, 16, 31, 33, 64, 100};
    for (int n = 3; n <= 7; n++) {
        write_nest(text, n % 2 ? "f32" : "f64", n, 8, "U", 0);
        lower_agree(text, sizeof counts / sizeof *counts, counts, 0);
    }
}

/* Rounds whose stores wait for the next one: none, some, the last of them beginning inside of the one before. */
static void stores_may_wait_for_the_next_round(void **state)
{
    (void)state;
    char text[TEXT], extent[16];
    for (int n = 3; n <= 7; n += 2)
        for (int rounds = 3; rounds <= 6; rounds++)
            for (int rest = 0; rest < 8; rest += 5) {
                sprintf(extent, "%d", 8 * rounds + rest);
                write_nest(text, "f32", n, 8, extent, 0);
                lower_agree(text, 0, NULL, 0);
            }
}

/* A part of what lies between the lanes is not a whole vector's. */
static void parts_of_what_is_between(void **state)
{
    (void)state;
    for (int n = 3; n <= 7; n++)
        lower_agree_format(0, NULL, 0,
                           "nest some\naxis u 24\naxis k %d\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                           "loop u step 8\n    move y[u: %d, k: 1]\n        src x[u: %d, k: 1]\n"
                           "        expr $0 = f32 src 0\n        tile k unroll %d, u lane 8\n",
                           n - 1, n, n, n - 1);
    /* several tiles of lanes in one leaf, and a sum over what lies between */
    lower_agree_format(0, NULL, 1e-6,
                       "nest two\naxis u 30\naxis k 5\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                       "move y[u: 5, k: 1]\n    src x[u: 5, k: 1]\n    expr $0 = f32 src 0\n"
                       "    tile u unroll 4, k unroll 5, u lane 8\n");
    lower_agree_format(0, NULL, 1e-6,
                       "nest sum\naxis u 30\naxis k 3 reduced\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                       "move y[u: 1]\n    expr $0 = f32 const 0.0\n    tile u unroll 4, u lane 8\n"
                       "sum y[u: 1]\n    src x[u: 3, k: 1]\n    expr $0 = f32 src 0\n"
                       "    tile u unroll 4, k unroll 3, u lane 8\n");
}

/* Windows that overlap: two vectors begin at one element, and only one of them is cut off by the axis' end. */
static void the_same_elements_with_other_ends(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 7, 9, 12, 16};
    static const char *const extents[] = {"12", "U"};
    for (int open = 0; open < 2; open++)
        lower_agree_format(open ? 5 : 0, counts, 0,
                           "nest windows\n%saxis u %s\naxis j 27\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
                           "loop u step 16\n    move y[u: 32, j: 1]\n        src x[u: 3, j: 1]\n"
                           "        expr $0 = f32 src 0\n        tile j unroll 27, u unroll 2, u lane 8\n",
                           open ? "symbol U = 12\n" : "", extents[open]);
}

static size_t words_of(const char *text, const char *word)
{
    nest_case c;
    ej_text dump;
    lower_code code;
    size_t n = 0;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("%s", c.err.text);
    ej_text_init(&dump, &c.arena);
    lower_compile(&code, &c, ej_target_by_name("avx512"), 1u << EJ_STAGE_IR, &dump);
    for (const char *at = dump.data; (at = strstr(at, word)); at++) n++;
    lower_free(&code);
    nest_close(&c);
    return n;
}

/* n loads and stores of whole vectors a group, and shuffles: of three components two stages of blends and a permutation
 * each, of which the stores' share the first stage and the permutation. */
static void whole_vectors_are_moved(void **state)
{
    (void)state;
    char text[TEXT];
    if (!ej_target_by_name("avx512")) skip();
    write_nest(text, "f32", 3, 16, "32", 0); /* two rounds: nothing waits */
    assert_int_equal(words_of(text, "load <16 x float>"), 3 + 1);
    assert_int_equal(words_of(text, "store <16 x float>"), 3);
    assert_int_equal(words_of(text, "shufflevector"), 3 * 3 + 2 * 3);
    write_nest(text, "f32", 3, 16, "128", 0); /* in the loop, and behind it */
    assert_int_equal(words_of(text, "store <16 x float>"), 2 * 3);
    assert_int_equal(words_of(text, "load <16 x float>"), 3 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_distance_and_rest),
        cmocka_unit_test(extents_are_known_at_run_time),
        cmocka_unit_test(stores_may_wait_for_the_next_round),
        cmocka_unit_test(parts_of_what_is_between),
        cmocka_unit_test(the_same_elements_with_other_ends),
        cmocka_unit_test(whole_vectors_are_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
