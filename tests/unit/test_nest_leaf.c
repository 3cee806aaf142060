/* test_nest_leaf.c - which nests are the same code: what may differ, and that nothing else may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nest_leaf.h"
#include "nest_support.h"

/* A nest with one of everything: open sizes, a table, buffers of every home, blocks, digits of both places. */
static const char model[] =
    "nest model\nsymbol z = 100\naxis i z\naxis j 32\naxis k 5 reduced\n"
    "buffer A f32 arg 0\nbuffer t i32 arg 1 table 9\nbuffer w f32 const 0 elems 160\n"
    "buffer s f32 scratch elems 32*z at 64\nbuffer p f32 local elems 160 at 128\n"
    "buffer acc f32 reg elems 32\n"
    "place p\n"
    "loop j step 32\n    loop k step 1\n        move p[j: 1 block 16: 80, k: 16]\n"
    "            src w[7; j: 5, k: 1]\n            expr $0 = f32 src 0\n            tile j lane 16, j unroll 2\n"
    "loop i step 1\n    place acc\n    move acc[j: 1]\n        expr $0 = f32 const 0.0\n"
    "        tile j unroll 2, j lane 16\n"
    "    loop k step 1\n        sum acc[j: 1]\n            src A[3; i: 9 by t[2; i: 1], k: 1]\n"
    "            src p[j: 1 block 16: 80, k: 16]\n"
    "            expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1\n"
    "            tile j unroll 2, j lane 16\n"
    "    move s[5; i: 32, j: 1]\n        src acc[j: 1]\n        src A[8; i: 9, k: 0]\n"
    "        expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 maximum $0 $1\n        tile j unroll 2, j lane 16\n";

static nest_case c;
static ej_nest nests[128];
static ej_leaves leaves;

static ej_nest *read_as(size_t i, const char *text)
{
    if (nest_parse(&c, text)) fail_msg("%s\n%s", c.err.text, text);
    nests[i] = c.nest;
    return &nests[i];
}

/* The text with the first `from` behind `behind` replaced. */
static void read_changed(size_t i, const char *text, const char *behind, const char *from, const char *to)
{
    char changed[4096];
    const char *at = strstr(text, behind);
    if (at) at = strstr(at, from);
    if (!at) fail_msg("'%s' has no '%s'", behind, from);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    read_as(i, changed);
}

static void find(int32_t n)
{
    ej_nests all = {.sizes = &c.sizes, .n = n, .nests = nests};
    ej_job job = {.arena = &c.arena, .err = &c.err};
    assert_int_equal(ej_leaves_find(&leaves, &all, &job), EINJIT_OK);
}

static void expect_pointer(int32_t nest, int32_t pointer, const char *buffer, int64_t origin)
{
    assert_true(pointer < leaves.uses[nest].n_pointers);
    const ej_leaf_pointer *p = &leaves.uses[nest].pointers[pointer];
    assert_string_equal(nests[nest].buffers[p->buffer].name, buffer);
    assert_int_equal(p->origin, origin);
}

/* ---- what a pointer carries ---- */

static void names_slots_offsets_and_first_bases_may_differ(void **state)
{
    (void)state;
    static const char *const free_facts[][3] = {
        {"nest model", "model", "another"}, {"buffer A", "arg 0", "arg 5"},
        {"buffer t", "arg 1", "arg 2"},     {"buffer w", "const 0", "const 3"},
        {"buffer s", "at 64", "at 6400"},   {"src w", "[7;", "[70;"},
        {"move s", "[5;", "[0;"},           {"buffer w", "const 0 elems 160", "arg 7"}};
    int32_t n = 1;
    nest_open(&c);
    read_as(0, model);
    for (size_t f = 0; f < sizeof free_facts / sizeof *free_facts; f++, n++)
        read_changed((size_t)n, model, free_facts[f][0], free_facts[f][1], free_facts[f][2]);
    find(n);
    for (int32_t i = 0; i < n; i++) {
        if (leaves.uses[i].leaf) fail_msg("nest %d has a leaf of its own: '%s'", (int)i, i ? free_facts[i - 1][0] : "");
        assert_int_equal(leaves.uses[i].n_pointers, 4);
    }
    assert_int_equal(leaves.n, 1);
    assert_int_equal(leaves.first[0], 0);
    assert_int_equal(leaves.most_pointers, 4);
    expect_pointer(0, 0, "w", 7);
    expect_pointer(0, 1, "A", 3);
    expect_pointer(0, 2, "t", 2);
    expect_pointer(0, 3, "s", 5);
    expect_pointer(6, 0, "w", 70);
    expect_pointer(7, 3, "s", 0);
    nest_close(&c);
}

/* Two accesses to one buffer: only their distance is code. */
static void a_buffer_that_moves_as_a_whole_is_the_same_code(void **state)
{
    (void)state;
    static const char text[] =
        "nest pair\naxis i 16\nbuffer x f32 arg 0\nbuffer y f32 arg 1\n"
        "loop i step 16\n    move y[i: 1]\n        src x[4; i: 1]\n        src x[20; i: 1]\n"
        "        expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 add $0 $1\n        tile i lane 16\n";
    nest_open(&c);
    read_as(0, text);
    read_changed(1, text, "src x[4", "x[4;", "x[0;");
    read_changed(2, text, "src x[4", "x[4; i: 1]\n        src x[20;", "x[104; i: 1]\n        src x[120;");
    find(3);
    assert_int_equal(leaves.uses[1].leaf, 1);
    assert_int_equal(leaves.uses[2].leaf, 0);
    expect_pointer(2, 1, "x", 104);
    nest_close(&c);
}

/* ---- what code is made from ---- */

static const char *const facts[][3] = {{"axis i", "z", "64"},
                                       {"axis j", "32", "30"},
                                       {"axis k", "5", "6"},
                                       {"axis k", "5 reduced", "5"},
                                       {"buffer t", "i32", "i64"},
                                       {"buffer t", "table 9", "table 8"},
                                       {"buffer p", "elems 160", "elems 161"},
                                       {"buffer p", "at 128", "at 192"},
                                       {"buffer acc", "elems 32", "elems 33"},
                                       {"place p\n", "place p\n", ""},
                                       {"loop j", "step 32", "step 16"},
                                       {"loop i", "loop i step 1", "loop i step 2"},
                                       {"move p", "j: 1 ", "j: 2 "},
                                       {"move p", "block 16", "block 8"},
                                       {"move p", ": 80", ": 96"},
                                       {"move p", "k: 16", "k: 17"},
                                       {"tile j lane 16, j unroll 2", "j lane 16, j unroll 2", "j unroll 2, j lane 16"},
                                       {"src w", "j: 5", "j: 6"},
                                       {"move acc", "0.0", "-0.0"},
                                       {"move acc", "0.0", "1.0"},
                                       {"sum acc", "sum", "max"},
                                       {"src A[3", "i: 9", "i: 8"},
                                       {"src A[3", "i: 1]", "i: 2]"},
                                       {"src A[3", "by t[2; i: 1]", ""},
                                       {"src A[8", "[8;", "[9;"},
                                       {"src A[8", "k: 0", "j: 0"},
                                       {"src A[8", "i: 9", "i: z"},
                                       {"src A[8", "[8;", "[z;"},
                                       {"$2 = f32 mul", "mul $0 $1", "mul $1 $0"},
                                       {"$2 = f32 mul", "mul", "add"},
                                       {"src A[8", "src A", "src s"},
                                       {"move s", "move s", "sum s"},
                                       {"buffer A", "f32", "i32"},
                                       {"buffer acc", "f32", "f64"}};

static void every_other_fact_makes_code_of_its_own(void **state)
{
    (void)state;
    int32_t n = 1;
    nest_open(&c);
    read_as(0, model);
    for (size_t f = 0; f < sizeof facts / sizeof *facts; f++)
        read_changed((size_t)n++, model, facts[f][0], facts[f][1], facts[f][2]);
    find(n);
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < i; k++)
            if (leaves.uses[i].leaf == leaves.uses[k].leaf) fail_msg("nests %d and %d are one leaf", (int)k, (int)i);
    assert_int_equal(leaves.n, n);
    nest_close(&c);
}

/* Many nests of few kinds, in any order: numbers count first appearances. */
static void leaves_are_numbered_as_they_appear(void **state)
{
    (void)state;
    char text[512];
    nest_open(&c);
    for (int i = 0; i < 128; i++) {
        snprintf(text, sizeof text,
                 "nest n%d\naxis i %d\nbuffer x f32 arg %d\nbuffer y f32 arg %d\nloop i step 1\n"
                 "    move y[i: 1]\n        src x[%d; i: 1]\n        expr $0 = f32 src 0\n",
                 i, 3 + i * i % 7, i, i + 1, i);
        read_as((size_t)i, text);
    }
    find(128);
    assert_int_equal(leaves.n, 4); /* squares modulo 7: 0, 1, 4, 2 */
    for (int i = 0; i < 128; i++) assert_int_equal(leaves.uses[i].leaf, leaves.uses[i % 7].leaf);
    assert_int_equal(leaves.first[0], 0);
    assert_int_equal(leaves.first[1], 1);
    assert_int_equal(leaves.first[2], 2);
    assert_int_equal(leaves.first[3], 3);
    find(0);
    assert_int_equal(leaves.n, 0);
    nest_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_slots_offsets_and_first_bases_may_differ),
        cmocka_unit_test(a_buffer_that_moves_as_a_whole_is_the_same_code),
        cmocka_unit_test(every_other_fact_makes_code_of_its_own),
        cmocka_unit_test(leaves_are_numbered_as_they_appear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
