/* Register tiles under other lane maps: every order of few bits of the element number, for lanes of every number on
 * both sides, and how many shuffles that takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lower_support.h"

enum { MOST_BITS = 6, TEXT = 1200 };

/* The tile of a leaf: its last `lanes` axes of `order` are lanes, the fastest one last. */
static void add_tile(char *text, int bits, const int *order, int lanes)
{
    for (int i = 0; i < bits; i++)
        sprintf(text + strlen(text), "%s a%d %s 2", i ? "," : " tile", order[i], i < bits - lanes ? "unroll" : "lane");
    strcat(text, "\n");
}

static void add_access(char *text, const char *name, int bits, const int *order)
{
    sprintf(text + strlen(text), "%s[", name);
    for (int i = 0; i < bits; i++)
        sprintf(text + strlen(text), "%sa%d: %d", i ? ", " : "", order[i], 1 << (bits - 1 - i));
    strcat(text, "]\n");
}

/* Reads the elements in their order into registers of 2^from lanes, and stores them in another one from 2^to lanes.
 * `short_axis` (-1: none) has extent 1: half of the elements are not there. */
static void write_nest(char *text, const char *dtype, int bits, const int *order, int from, int to, int short_axis)
{
    static const int natural[MOST_BITS] = {0, 1, 2, 3, 4, 5};
    strcpy(text, "nest permute\n");
    for (int i = 0; i < bits; i++) sprintf(text + strlen(text), "axis a%d %d\n", i, i == short_axis ? 1 : 2);
    sprintf(text + strlen(text), "buffer x %s arg 0\nbuffer y %s arg 1\nbuffer r %s reg elems %d\nplace r\nmove ",
            dtype, dtype, dtype, 1 << bits);
    add_access(text, "r", bits, natural);
    strcat(text, "    src ");
    add_access(text, "x", bits, natural);
    sprintf(text + strlen(text), "    expr $0 = %s src 0\n   ", dtype);
    add_tile(text, bits, natural, from);
    strcat(text, "move ");
    add_access(text, "y", bits, order);
    strcat(text, "    src ");
    add_access(text, "r", bits, natural);
    sprintf(text + strlen(text), "    expr $0 = %s src 0\n   ", dtype);
    add_tile(text, bits, order, to);
    assert_true(strlen(text) < TEXT);
}

/* The next order of n numbers in the lexicographic sequence; false behind the last one. */
static bool next_order(int *order, int n)
{
    int i = n - 2, k = n - 1;
    while (i >= 0 && order[i] > order[i + 1]) i--;
    if (i < 0) return false;
    while (order[k] < order[i]) k--;
    int swap = order[i];
    order[i] = order[k];
    order[k] = swap;
    for (int low = i + 1, high = n - 1; low < high; low++, high--) {
        swap = order[low];
        order[low] = order[high];
        order[high] = swap;
    }
    return true;
}

static void all_orders(const char *dtype, int bits, int from, int to)
{
    int order[MOST_BITS] = {0, 1, 2, 3, 4, 5}, number = 0;
    char text[TEXT];
    do {
        write_nest(text, dtype, bits, order, from, to, number++ % 5 == 4 ? number % bits : -1);
        lower_agree(text, 0, NULL, 0);
    } while (next_order(order, bits));
}

static void every_order_of_four_bits(void **state)
{
    (void)state;
    for (int from = 1; from <= 3; from++)
        for (int to = 1; to <= 4; to++) all_orders(from == to ? "f64" : "f32", 4, from, to);
}

static void every_order_of_five_bits(void **state)
{
    (void)state;
    all_orders("f32", 5, 3, 3);
    all_orders("i64", 5, 2, 3);
    all_orders("c64", 5, 3, 2);
}

static size_t shuffles_of(const char *dtype, int bits, const int *order, int from, int to)
{
    nest_case c;
    ej_text dump;
    lower_code code;
    size_t n = 0;
    char text[TEXT];
    const ej_target *target = ej_target_by_name("avx512");
    if (!target) return 0;
    nest_open(&c);
    write_nest(text, dtype, bits, order, from, to, -1);
    if (nest_parse(&c, text)) fail_msg("%s", c.err.text);
    ej_text_init(&dump, &c.arena);
    lower_compile(&code, &c, target, 1u << EJ_STAGE_IR, &dump);
    for (const char *at = dump.data; (at = strstr(at, "shufflevector")); at++) n++;
    lower_free(&code);
    nest_close(&c);
    return n;
}

/* A stage of shuffles a register bit that becomes a lane bit, and no more. */
static void registers_are_shuffled_in_stages(void **state)
{
    (void)state;
    if (!ej_target_by_name("avx512")) skip();
    static const int turned[] = {3, 4, 5, 0, 1, 2}, blocks[] = {2, 3, 0, 1, 4, 5}, rows[] = {2, 3, 4, 5, 0, 1},
                     quarters[] = {4, 5, 2, 3, 0, 1};
    assert_int_equal(shuffles_of("f32", 6, turned, 3, 3), 3 * 8); /* 8 x 8 */
    assert_int_equal(shuffles_of("f64", 6, turned, 3, 3), 3 * 8);
    assert_int_equal(shuffles_of("f32", 6, blocks, 4, 4),
                     2 * 4);                                    /* 4 registers of 16: two of their bits change places */
    assert_int_equal(shuffles_of("f32", 6, rows, 4, 4), 2 * 4); /* the registers' bits are the fastest now */
    assert_int_equal(shuffles_of("f32", 6, turned, 4, 2), 16);  /* one bit: a shuffle for each vector */
    assert_int_equal(shuffles_of("f32", 6, quarters, 4, 2), 2 * 4 + 16); /* and 16 quarters of registers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_four_bits),
        cmocka_unit_test(every_order_of_five_bits),
        cmocka_unit_test(registers_are_shuffled_in_stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
