/* The cost of trees: identities that hold whatever the numbers of a row are, and orders that must come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nest_cost.h"
#include "nest_support.h"

static const ej_target row = {.name = "row",
                              .vector_bytes = 64,
                              .vector_registers = 32,
                              .l1_bytes = 32 << 10,
                              .l2_bytes = 1 << 20,
                              .l3_bytes = 16 << 20,
                              .line_cycles = {2, 8, 16},
                              .half_turns = 2,
                              .tlb_pages = 1024,
                              .walk_cycles = 20};

static ej_nest_cost cost_of(const char *text)
{
    nest_case c;
    ej_nest_cost cost, again;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("line %d: %s", (int)c.err.line, c.err.text);
    if (ej_nest_check(&c.nest, &row, &c.err)) fail_msg("%s", c.err.text);
    assert_int_equal(ej_nest_cost_of(&cost, &c.nest, &row, &c.arena), EINJIT_OK);
    assert_int_equal(ej_nest_cost_of(&again, &c.nest, &row, &c.arena), EINJIT_OK);
    assert_memory_equal(&cost, &again, sizeof cost);
    nest_close(&c);
    return cost;
}

#define MAPS "buffer x f32 arg 0\nbuffer y f32 arg 1\n"
#define COPY "    move y[i: 1]\n        src x[i: 1]\n        expr $0 = f32 src 0\n        tile i lane 16\n"

static void data_that_fit_are_there_already(void **state)
{
    (void)state;
    ej_nest_cost cost = cost_of("axis i 1024\n" MAPS "loop i step 16\n" COPY);
    assert_true(cost.memory == 0 && cost.compute > 0 && cost.cycles == cost.compute);
}

/* 16 M elements: every line of x once, of y twice; nothing is computed. */
static void streams_pay_every_line_once(void **state)
{
    (void)state;
    ej_nest_cost cost = cost_of("axis i 16777216\n" MAPS "loop i step 16\n" COPY);
    double lines = 16777216 / 16;
    for (int level = 0; level < 3; level++) assert_float_equal(cost.fill[level], 3 * lines * row.line_cycles[level], 1);
    assert_float_equal(cost.walks, 3 * lines / 64 * row.walk_cycles - lines / 64 * row.walk_cycles, 1);
    assert_true(cost.operations == 0);
}

#define PRODUCT \
    "nest gemm\naxis i 1536\naxis j 1536\naxis k 1536 reduced\nbuffer A f32 arg 0\nbuffer B f32 arg 1\n" \
    "buffer C f32 arg 2\nbuffer acc f32 reg elems 384\n"
#define TILE(in) \
    in "place acc\n" in "move acc[i: 32, j: 1]\n" in "    expr $0 = f32 const 0.0\n" in \
       "    tile i unroll 12, j unroll 2, j lane 16\n" in "loop k step 1\n" in "    sum acc[i: 32, j: 1]\n" in \
       "        src A[i: 1536, k: 1]\n" in "        src B[k: 1536, j: 1]\n" in \
       "        expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1\n" in \
       "        tile i unroll 12, j unroll 2, j lane 16\n" in "sum C[i: 1536, j: 1]\n" in \
       "    src acc[i: 32, j: 1]\n" in "    expr $0 = f32 src 0\n" in "    tile i unroll 12, j unroll 2, j lane 16\n"

static void every_product_is_counted(void **state)
{
    (void)state;
    ej_nest_cost cost = cost_of(PRODUCT "loop j step 32\n    loop i step 12\n" TILE("        "));
    double fused = 1536.0 * 1536 * 1536 / 16, stored = 1536.0 * 1536 / 16;
    assert_float_equal(cost.operations, fused + stored, 1);
    assert_true(cost.compute >= fused / 2);
}

static void blocks_that_stay_in_the_cache_cost_less(void **state)
{
    (void)state;
    ej_nest_cost plain = cost_of(PRODUCT "loop j step 32\n    loop i step 12\n" TILE("        "));
    ej_nest_cost blocked = cost_of(PRODUCT "loop k step 256\n    loop i step 240\n        loop j step 32\n"
                                           "            loop i step 12\n" TILE("                "));
    assert_true(blocked.fill[1] < plain.fill[1] / 2 && blocked.walks < plain.walks / 2);
    assert_true(blocked.cycles < plain.cycles);
}

static void reads_along_another_axis_cost_shuffles(void **state)
{
    (void)state;
    ej_nest_cost along = cost_of("axis i 64\n" MAPS "loop i step 16\n" COPY);
    ej_nest_cost across = cost_of("axis i 64\n" MAPS "loop i step 16\n    move y[i: 1]\n        src x[i: 64]\n"
                                  "        expr $0 = f32 src 0\n        tile i lane 16\n");
    assert_true(across.compute > 3 * along.compute);
}

/* Sixteen rows of 16 become columns: a shuffle a vector for each of four bits. Of half the width two go in a cycle. */
static double cost_of_items(const char *dtype)
{
    char text[600];
    snprintf(text, sizeof text,
             "axis i 1024\naxis k 3\nbuffer x %s arg 0\nbuffer y %s arg 1\nloop i step 8\n    move y[i: 3, k: 1]\n"
             "        src x[i: 3, k: 1]\n        expr $0 = %s src 0\n        tile k unroll 3, i lane 8\n",
             dtype, dtype, dtype);
    return cost_of(text).compute;
}

/* Lanes three apart, and all that is between: elements of 4 bytes are moved in whole vectors, of 2 lane by lane. */
static void whole_vectors_are_of_elements_of_4_bytes(void **state)
{
    (void)state;
    assert_true(cost_of_items("bf16") > 2 * cost_of_items("f32"));
    assert_true(cost_of_items("i16") > 2 * cost_of_items("i32"));
}

static void lanes_that_change_cost_a_shuffle_a_bit(void **state)
{
    (void)state;
    static const char turn[] = "axis z 1600\naxis i %d\n" MAPS "buffer r f32 reg elems %d\nloop z step %d\n"
                               "    place r\n    move r[z: %d, i: 1]\n        src x[z: %d, i: 1]\n"
                               "        expr $0 = f32 src 0\n        tile z unroll %d, i lane %d\n"
                               "    move y[z: 1, i: 1600]\n        src r[z: %d, i: 1]\n"
                               "        expr $0 = f32 src 0\n        tile i unroll %d, z lane %d\n";
    double cycles[2];
    for (int i = 0; i < 2; i++) {
        char text[1024];
        int n = i ? 8 : 16;
        snprintf(text, sizeof text, turn, n, n * n, n, n, n, n, n, n, n, n);
        cycles[i] = cost_of(text).compute / (1600 / n);
    }
    assert_float_equal(cycles[0], 16 / 2 + 1 + 4 * 16 + 1, 0);
    assert_float_equal(cycles[1], 8 / 2 + 1 + 3 * 8 / 2 + 1, 0);
}

/* A sum in 16 lanes ends in one. What a loop carries on waits for itself; sums that are new in every turn do not. */
static void sums_wait_where_they_are_carried_on(void **state)
{
    (void)state;
#define SUM(place, lanes) \
    "axis z 100\naxis k 16 reduced\n" MAPS "buffer r f32 reg elems 1\n" place \
    "    sum r[0]\n        src x[z: 16, k: 1]\n" \
    "        expr $0 = f32 src 0; $1 = f32 mul $0 $0\n        tile k " lanes "\n"
    assert_float_equal(cost_of(SUM("loop z step 1\n    place r\n", "lane 16")).compute, 100 * (4 + 1), 0);
    assert_float_equal(cost_of(SUM("loop z step 1\n    place r\n", "unroll 16")).compute, 100 * (8 + 1), 0);
    assert_float_equal(cost_of(SUM("place r\nloop z step 1\n", "unroll 16")).compute, 100 * (16 * 4 + 1), 0);
}

static void what_runs_once_is_counted_once(void **state)
{
    (void)state;
#define FIRST(when) \
    "axis k 64\naxis i 16\n" MAPS "loop k step 1\n    move y[i: 1]\n" when "        src x[i: 1]\n" \
    "        expr $0 = f32 src 0; $1 = f32 mul $0 $0\n        tile i lane 16\n"
    assert_float_equal(cost_of(FIRST("")).operations, 64, 0);
    assert_float_equal(cost_of(FIRST("        when first k\n")).operations, 1, 0);
    assert_float_equal(cost_of(FIRST("        when later k\n")).operations, 63, 0);
    assert_float_equal(cost_of(FIRST("        when last k\n")).operations, 1, 0);
}

static double code_of(const char *text)
{
    nest_case c;
    double code;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("line %d: %s", (int)c.err.line, c.err.text);
    assert_int_equal(ej_nest_code(&code, &c.nest, &c.arena), EINJIT_OK);
    nest_close(&c);
    return code;
}

static void rests_are_code_of_their_own(void **state)
{
    (void)state;
    static const char tail[] = "    move y[i: 1]\n        src x[i: 1]\n        expr $0 = f32 src 0\n"
                               "        tile i unroll 3, i lane 16\n";
    char text[512];
    static const struct {
        int extent, vectors;
    } cases[] = {{96, 3}, {48, 3}, {97, 3 + 1}, {120, 3 + 2}, {7, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "axis i %d\n" MAPS "loop i step 48\n%s", cases[i].extent, tail);
        assert_float_equal(code_of(text), 2 * cases[i].vectors, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_that_fit_are_there_already),
        cmocka_unit_test(streams_pay_every_line_once),
        cmocka_unit_test(every_product_is_counted),
        cmocka_unit_test(blocks_that_stay_in_the_cache_cost_less),
        cmocka_unit_test(reads_along_another_axis_cost_shuffles),
        cmocka_unit_test(whole_vectors_are_of_elements_of_4_bytes),
        cmocka_unit_test(lanes_that_change_cost_a_shuffle_a_bit),
        cmocka_unit_test(sums_wait_where_they_are_carried_on),
        cmocka_unit_test(what_runs_once_is_counted_once),
        cmocka_unit_test(rests_are_code_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
