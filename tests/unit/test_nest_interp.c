/* The interpreter: ranges, placements, terms, order, empty extents, every home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nest_support.h"

static void load(nest_case *c, const char *text)
{
    nest_open(c);
    if (nest_parse(c, text)) fail_msg("line %d: %s", (int)c->err.line, c->err.text);
}

static void run_text(const char *text, void *const *data, const ej_constant *constants, void *scratch)
{
    nest_case c;
    load(&c, text);
    if (nest_run(&c, data, constants, NULL, scratch)) fail_msg("%s", c.err.text);
    nest_close(&c);
}

static void splitting_an_axis_changes_nothing(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "move A[i: 1]\n    src B[i: 1]\n    expr $0 = i32 src 0\n",
        "loop i step 3\n    move A[i: 1]\n        src B[i: 1]\n        expr $0 = i32 src 0\n",
        "loop i step 6\n    loop i step 4\n        loop i step 1\n            move A[i: 1]\n                src B[i: "
        "1]\n"
        "                expr $0 = i32 src 0\n",
        "loop i step 9223372036854775807\n    loop i step 7\n        move A[i: 1]\n            src B[i: 1]\n"
        "            expr $0 = i32 src 0\n",
    };
    for (size_t t = 0; t < 4; t++) {
        char text[512] = "axis i 10\nbuffer A i32 arg 0\nbuffer B i32 arg 1\n";
        strcat(text, loops[t]);
        int32_t a[11] = {0}, b[10];
        for (int i = 0; i < 10; i++) b[i] = i + 100;
        run_text(text, (void *[]){a, b}, NULL, NULL);
        assert_memory_equal(a, b, sizeof b);
        assert_int_equal(a[10], 0);
    }
}

/* Counts how often each element is written: ranges must partition, and be restored behind a loop. */
static void every_value_is_visited_once(void **state)
{
    (void)state;
    int32_t a[4 * 9] = {0};
    run_text("axis i 4\naxis j 9\nbuffer A i32 arg 0\n"
             "loop j step 4\n"
             "    loop i step 3\n"
             "        loop j step 3\n"
             "            sum A[i: 9, j: 1]\n"
             "                expr $0 = i32 const 1\n"
             "    sum A[i: 9, j: 1]\n"
             "        expr $0 = i32 const 10\n"
             "sum A[i: 9, j: 1]\n"
             "    expr $0 = i32 const 100\n",
             (void *[]){a}, NULL, NULL);
    for (int i = 0; i < 36; i++) assert_int_equal(a[i], 111);
}

/* One digit a chunk of k says which nodes ran there; the loop in the middle runs as a whole or not at all. */
static void nodes_run_at_their_ranges(void **state)
{
    (void)state;
    int32_t a[3] = {0};
    run_text("axis k 10\naxis j 2\nbuffer A i32 arg 0\n"
             "loop k step 4\n"
             "    sum A[k: 0 block 4: 1]\n"
             "        when first k\n"
             "        expr $0 = i32 const 1\n"
             "    sum A[k: 0 block 4: 1]\n"
             "        when later k\n"
             "        expr $0 = i32 const 10\n"
             "    loop j step 1\n"
             "        when earlier k\n"
             "        sum A[k: 0 block 4: 1]\n"
             "            when last j\n"
             "            expr $0 = i32 const 100\n"
             "    sum A[k: 0 block 4: 1]\n"
             "        when last k, j\n"
             "        expr $0 = i32 const 1000\n",
             (void *[]){a}, NULL, NULL);
    assert_int_equal(a[0], 4 + 400);
    assert_int_equal(a[1], 40 + 400);
    assert_int_equal(a[2], 20 + 2000);
}

static void local_accesses_count_from_the_placement(void **state)
{
    (void)state;
    int32_t a[10] = {0}, b[10];
    for (int i = 0; i < 10; i++) b[i] = i * i;
    /* four elements are enough for each chunk of four; inner loops do not move the origin */
    run_text("axis i 10\nbuffer A i32 arg 0\nbuffer B i32 arg 1\nbuffer L i32 local elems 5\n"
             "loop i step 4\n"
             "    place L\n"
             "    loop i step 2\n"
             "        move L[1; i: 1]\n"
             "            src B[i: 1]\n"
             "            expr $0 = i32 src 0\n"
             "    move A[i: 1]\n"
             "        src L[1; i: 1]\n"
             "        expr $0 = i32 src 0\n",
             (void *[]){a, b}, NULL, NULL);
    assert_memory_equal(a, b, sizeof b);
}

static void placed_buffers_are_fresh_in_every_iteration(void **state)
{
    (void)state;
    float a[3] = {7, 7, 7};
    /* what the first iteration wrote must not be there in the second one */
    run_text("axis i 3\nbuffer A f32 arg 0\nbuffer R f32 reg elems 2\n"
             "loop i step 1\n"
             "    place R\n"
             "    move A[i: 1]\n"
             "        src R[]\n"
             "        expr $0 = f32 src 0\n"
             "    move R[]\n"
             "        expr $0 = f32 const 5.0\n",
             (void *[]){a}, NULL, NULL);
    for (int i = 0; i < 3; i++) assert_true(isnan(a[i]));
    int64_t b = 0;
    run_text(
        "buffer A i64 arg 0\nbuffer L i64 local elems 1\nplace L\nmove A[]\n    src L[]\n    expr $0 = i64 src 0\n",
        (void *[]){&b}, NULL, NULL);
    assert_int_equal(b, -1);
}

static void leaves_run_ascending_with_the_last_axis_fastest(void **state)
{
    (void)state;
    /* a = a * 10 + b for each element in turn shows the order: sources name j before i */
    int64_t a = 0, b[4] = {1, 2, 3, 4};
    run_text("axis i 2\naxis j 2\nbuffer A i64 arg 0\nbuffer B i64 arg 1\n"
             "move A[]\n"
             "    src B[j: 1, i: 2]\n"
             "    src A[]\n"
             "    expr $0 = i64 src 0; $1 = i64 src 1; $2 = i64 const 10; $3 = i64 mul $1 $2; $4 = i64 add $3 $0\n",
             (void *[]){&a, b}, NULL, NULL);
    assert_int_equal(a, 1234);
}

static void stride_zero_repeats_a_term(void **state)
{
    (void)state;
    int64_t a = 0, b = 3;
    run_text("axis i 5\nbuffer A i64 arg 0\nbuffer B i64 arg 1\nsum A[]\n    src B[i: 0]\n    expr $0 = i64 src 0\n",
             (void *[]){&a, &b}, NULL, NULL);
    assert_int_equal(a, 15);
}

static void negative_strides_walk_backwards(void **state)
{
    (void)state;
    int32_t a[4], b[4] = {1, 2, 3, 4};
    run_text("axis i 4\nbuffer A i32 arg 0\nbuffer B i32 arg 1\nmove A[3; i: -1]\n    src B[i: 1]\n    expr $0 = i32 "
             "src 0\n",
             (void *[]){a, b}, NULL, NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(a[i], 4 - i);
}

static void tables_gather_and_scatter(void **state)
{
    (void)state;
    static const int32_t table[] = {9, 9, 2, 9, 0, 9, 1};
    const ej_constant constants[] = {{EINJIT_I32, 7, table}};
    double a[3] = {0}, b[3] = {10, 20, 30};
    /* i -> table[2 + 2 * i]: 2, 0, 1 */
    run_text("axis i 3\nbuffer A f64 arg 0\nbuffer B f64 arg 1\nbuffer T i32 const 0 elems 7\n"
             "sum A[i: 1 by T[2; i: 2]]\n    src B[i: 1]\n    expr $0 = f64 src 0\n",
             (void *[]){a, b}, constants, NULL);
    assert_true(a[2] == 10 && a[0] == 20 && a[1] == 30);
}

static void a_table_in_local_memory_counts_from_its_placement(void **state)
{
    (void)state;
    int32_t a[6] = {0}, b[6] = {5, 4, 3, 2, 1, 0}, x[6] = {10, 11, 12, 13, 14, 15};
    run_text("axis i 6\nbuffer A i32 arg 0\nbuffer B i32 arg 1\nbuffer X i32 arg 2\nbuffer L i32 local elems 2\n"
             "loop i step 2\n"
             "    place L\n"
             "    move L[i: 1]\n"
             "        src B[i: 1]\n"
             "        expr $0 = i32 src 0\n"
             "    move A[i: 1]\n"
             "        src X[i: 1 by L[i: 1]]\n"
             "        expr $0 = i32 src 0\n",
             (void *[]){a, b, x}, NULL, NULL);
    for (int i = 0; i < 6; i++) assert_int_equal(a[i], 15 - i);
}

static void blocked_terms_have_two_strides(void **state)
{
    (void)state;
    int32_t a[20] = {0}, b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    run_text("axis i 8\nbuffer A i32 arg 0\nbuffer B i32 arg 1\nmove A[i: 2 block 3: 7]\n    src B[i: 1]\n"
             "    expr $0 = i32 src 0\n",
             (void *[]){a, b}, NULL, NULL);
    for (int i = 0; i < 8; i++) assert_int_equal(a[i / 3 * 7 + i % 3 * 2], i + 1);
}

static void every_home_is_reached(void **state)
{
    (void)state;
    static const float constant[] = {1, 2};
    const ej_constant constants[] = {{EINJIT_F32, 0, NULL}, {EINJIT_F32, 2, constant}};
    _Alignas(64) char scratch[128];
    float out[2];
    run_text("axis i 2\nbuffer A f32 arg 0\nbuffer C f32 const 1 elems 2\nbuffer S f32 scratch elems 2 at 64\n"
             "move S[i: 1]\n    src C[i: 1]\n    expr $0 = f32 src 0; $1 = f32 square $0\n"
             "move A[i: 1]\n    src S[i: 1]\n    expr $0 = f32 src 0; $1 = f32 neg $0\n",
             (void *[]){out}, constants, scratch);
    assert_true(out[0] == -1 && out[1] == -4);
    float kept[2];
    memcpy(kept, scratch + 64, sizeof kept);
    assert_true(kept[0] == 1 && kept[1] == 4);
}

static void empty_extents_do_nothing(void **state)
{
    (void)state;
    int32_t a = 5;
    run_text("axis i 0\naxis j 3\nbuffer A i32 arg 0\nbuffer B i32 arg 1\nbuffer L i32 local\n"
             "place L\n"
             "loop i step 2\n    move A[]\n        expr $0 = i32 const 1\n"
             "sum A[]\n    src B[i: 1, j: 1]\n    expr $0 = i32 src 0\n",
             (void *[]){&a, NULL}, NULL, NULL);
    assert_int_equal(a, 5);
}

static void dtypes_mix_in_expressions(void **state)
{
    (void)state;
    float x[4] = {-1.5f, 0, 2.5f, NAN}, z[8];
    int32_t n[4];
    unsigned char positive[4];
    run_text("axis i 4\nbuffer X f32 arg 0\nbuffer N i32 arg 1\nbuffer P bool arg 2\nbuffer Z c64 arg 3\n"
             "move N[i: 1]\n    src X[i: 1]\n    expr $0 = f32 src 0; $1 = i32 cast $0\n"
             "move P[i: 1]\n    src X[i: 1]\n    expr $0 = f32 src 0; $1 = f32 const 0.0; $2 = bool gt $0 $1\n"
             "move Z[i: 1]\n    src X[i: 1]\n    src P[i: 1]\n"
             "    expr $0 = f32 src 0; $1 = c64 cast $0; $2 = c64 const 0.0 1.0; $3 = c64 mul $1 $2; $4 = bool src 1; "
             "$5 = c64 where $4 $3 $1\n",
             (void *[]){x, n, positive, z}, NULL, NULL);
    assert_int_equal(n[0], -1);
    assert_int_equal(n[2], 2);
    assert_int_equal(n[3], 0);
    assert_int_equal(positive[0] + 2 * positive[1] + 4 * positive[2] + 8 * positive[3], 4);
    assert_true(z[0] == -1.5f && z[1] == 0 && z[4] == 0 && z[5] == 2.5f);
}

static void unaligned_memory_is_read_and_written(void **state)
{
    (void)state;
    char a[25] = {0}, b[25] = {0};
    double x = 3.25, y = 0;
    memcpy(b + 1 + 16, &x, sizeof x);
    run_text("buffer A f64 arg 0\nbuffer B f64 arg 1\nmove A[1]\n    src B[2]\n    expr $0 = f64 src 0\n",
             (void *[]){a + 3, b + 1}, NULL, NULL);
    memcpy(&y, a + 3 + 8, sizeof y);
    assert_true(y == x);
}

static void leaving_a_buffer_of_known_size_is_an_error(void **state)
{
    (void)state;
    static const int32_t table[] = {3};
    const ej_constant constants[] = {{EINJIT_I32, 1, table}};
    nest_case c;
    int32_t a = 0;
    load(&c, "axis i 2\nbuffer A i32 arg 0\nbuffer T i32 const 0 elems 1\nbuffer L i32 local elems 3\nplace L\n"
             "loop i step 1\n    move A[]\n        src L[i: 1 by T[i: 0]]\n        expr $0 = i32 src 0\n");
    assert_int_equal(nest_run(&c, (void *[]){&a}, constants, NULL, NULL), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "element 3 of buffer 'L', which has 3"));
    nest_close(&c);
    load(&c, "axis i 2\nbuffer A i32 arg 0\nbuffer T i32 const 0 elems 1\nmove A[]\n    src A[i: 0 by T[i: 1]]\n"
             "    expr $0 = i32 src 0\n");
    assert_int_equal(nest_run(&c, (void *[]){&a}, constants, NULL, NULL), EINJIT_E_INTERNAL);
    nest_close(&c);
}

static void reducers_combine_with_what_is_there(void **state)
{
    (void)state;
    int32_t b[3] = {4, -2, 7}, sum = 1, prod = 2, max = 5, min = 5;
    unsigned char any = 0, flags[3] = {0, 1, 0};
    run_text(
        "axis i 3\nbuffer B i32 arg 0\nbuffer S i32 arg 1\nbuffer P i32 arg 2\nbuffer X i32 arg 3\nbuffer N i32 arg 4\n"
        "buffer O bool arg 5\nbuffer F bool arg 6\n"
        "sum S[]\n    src B[i: 1]\n    expr $0 = i32 src 0\n"
        "prod P[]\n    src B[i: 1]\n    expr $0 = i32 src 0\n"
        "max X[]\n    src B[i: 1]\n    expr $0 = i32 src 0\n"
        "min N[]\n    src B[i: 1]\n    expr $0 = i32 src 0\n"
        "or O[]\n    src F[i: 1]\n    expr $0 = bool src 0\n",
        (void *[]){b, &sum, &prod, &max, &min, &any, flags}, NULL, NULL);
    assert_int_equal(sum, 10);
    assert_int_equal(prod, -112);
    assert_int_equal(max, 7);
    assert_int_equal(min, -2);
    assert_int_equal(any, 1);
}

static void thousands_of_nested_loops_need_no_recursion(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    ej_nest_init(&c.nest, "deep");
    ej_buffer a = {.name = "A", .dtype = EINJIT_I32};
    ej_expr_op one = {.kind = EJ_EXPR_CONST, .dtype = EINJIT_I32, .integer = 1};
    ej_nest_node leaf = {.expr = {1, &one}, .reduce = EINJIT_REDUCE_SUM};
    int32_t parent = -1, axis, count = 0;
    assert_int_equal(ej_nest_buffer(&c.nest, &c.arena, &a, NULL), EINJIT_OK);
    for (int i = 0; i < 50000; i++) {
        if (i % 5000 == 0)
            assert_int_equal(ej_nest_axis(&c.nest, &c.arena, "i", ej_size_number(2), 0, &axis), EINJIT_OK);
        assert_int_equal(ej_nest_loop(&c.nest, &c.arena, parent, axis, 1, &parent), EINJIT_OK);
    }
    assert_int_equal(ej_nest_leaf(&c.nest, &c.arena, parent, &leaf, NULL), EINJIT_OK);
    assert_int_equal(nest_run(&c, (void *[]){&count}, NULL, NULL, NULL), EINJIT_OK);
    assert_int_equal(count, 1024);
    nest_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting_an_axis_changes_nothing),
        cmocka_unit_test(every_value_is_visited_once),
        cmocka_unit_test(nodes_run_at_their_ranges),
        cmocka_unit_test(local_accesses_count_from_the_placement),
        cmocka_unit_test(placed_buffers_are_fresh_in_every_iteration),
        cmocka_unit_test(leaves_run_ascending_with_the_last_axis_fastest),
        cmocka_unit_test(stride_zero_repeats_a_term),
        cmocka_unit_test(negative_strides_walk_backwards),
        cmocka_unit_test(tables_gather_and_scatter),
        cmocka_unit_test(a_table_in_local_memory_counts_from_its_placement),
        cmocka_unit_test(blocked_terms_have_two_strides),
        cmocka_unit_test(every_home_is_reached),
        cmocka_unit_test(empty_extents_do_nothing),
        cmocka_unit_test(dtypes_mix_in_expressions),
        cmocka_unit_test(unaligned_memory_is_read_and_written),
        cmocka_unit_test(leaving_a_buffer_of_known_size_is_an_error),
        cmocka_unit_test(reducers_combine_with_what_is_there),
        cmocka_unit_test(thousands_of_nested_loops_need_no_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
