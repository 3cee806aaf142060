/* test_base_size.c - open sizes: one form per polynomial, checked arithmetic, values for other symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base_print.h"
#include "base_size.h"

typedef struct fixture {
    ej_arena arena;
    ej_sizes sizes;
    ej_size z, w;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    ej_arena_init(&f->arena, &ej_malloc_allocator);
    ej_sizes_init(&f->sizes, &f->arena);
    *state = f;
    return ej_sizes_symbol(&f->sizes, "z", 1000, &f->z, NULL) || ej_sizes_symbol(&f->sizes, "w", 7, &f->w, NULL);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ej_arena_free(&f->arena);
    free(f);
    return 0;
}

static ej_size number(int64_t n)
{
    return ej_size_number(n);
}

static ej_size add(fixture *f, ej_size a, ej_size b)
{
    ej_size out;
    assert_int_equal(ej_size_add(&f->sizes, a, b, &out, NULL), EINJIT_OK);
    return out;
}

static ej_size sub(fixture *f, ej_size a, ej_size b)
{
    ej_size out;
    assert_int_equal(ej_size_sub(&f->sizes, a, b, &out, NULL), EINJIT_OK);
    return out;
}

static ej_size mul(fixture *f, ej_size a, ej_size b)
{
    ej_size out;
    assert_int_equal(ej_size_mul(&f->sizes, a, b, &out, NULL), EINJIT_OK);
    return out;
}

static void expect_text(fixture *f, ej_size size, const char *wanted)
{
    ej_text text;
    ej_text_init(&text, &f->arena);
    ej_size_print(&text, &f->sizes, size);
    assert_string_equal(text.data, wanted);
}

static int64_t value_for(fixture *f, ej_size size, int64_t z, int64_t w)
{
    int64_t symbols[2] = {z, w}, atoms[64], out;
    assert_true(f->sizes.n_atoms <= 64);
    assert_true(ej_sizes_evaluate(&f->sizes, symbols, atoms));
    assert_true(ej_size_evaluate(&f->sizes, size, atoms, &out));
    return out;
}

static void equal_polynomials_are_the_same_size(void **state)
{
    fixture *f = *state;
    ej_size square = mul(f, add(f, f->z, f->w), add(f, f->z, f->w));
    ej_size parts = add(f, add(f, mul(f, f->w, f->w), mul(f, f->z, f->z)), mul(f, number(2), mul(f, f->w, f->z)));
    assert_true(ej_size_same(square, parts));
    assert_int_equal(square.n, 1007 * 1007);
    assert_int_equal(parts.n, square.n);
    assert_false(ej_size_same(square, mul(f, f->z, f->w)));
}

static void differences_that_cancel_are_numbers(void **state)
{
    fixture *f = *state;
    ej_size rest = sub(f, add(f, mul(f, f->z, number(4)), number(3)), mul(f, f->z, number(4)));
    assert_true(ej_size_is(rest, 3));
    assert_true(ej_size_is(sub(f, f->z, f->z), 0));
    assert_true(ej_size_is(mul(f, f->z, number(0)), 0));
}

static void sizes_print_as_programs_write_them(void **state)
{
    fixture *f = *state;
    expect_text(f, number(12), "12");
    expect_text(f, f->z, "z");
    expect_text(f, add(f, number(3), mul(f, f->z, number(4))), "4*z + 3");
    expect_text(f, sub(f, mul(f, f->z, f->z), f->w), "z*z - w");
    expect_text(f, mul(f, f->w, number(-1)), "-w");
    ej_size least;
    ej_size_min(&f->sizes, f->z, number(4), &least, NULL);
    expect_text(f, mul(f, least, f->w), "w*min(4, z)");
}

static void deep_nesting_prints_by_number(void **state)
{
    fixture *f = *state;
    ej_size deep = f->z;
    for (int i = 1; i <= 100000; i++) {
        deep = sub(f, deep, number(1));
        assert_int_equal(ej_size_min(&f->sizes, deep, f->w, &deep, NULL), EINJIT_OK);
    }
    ej_text text;
    ej_text_init(&text, &f->arena);
    ej_size_print(&text, &f->sizes, deep);
    assert_true(text.length < 200);
    assert_non_null(strstr(text.data, "@"));
}

static void the_same_derived_size_is_made_once(void **state)
{
    fixture *f = *state;
    ej_size a, b;
    ej_size_max(&f->sizes, f->z, f->w, &a, NULL);
    size_t n = f->sizes.n_atoms;
    ej_size_max(&f->sizes, f->w, f->z, &b, NULL);
    assert_true(ej_size_same(a, b));
    assert_int_equal(f->sizes.n_atoms, n);
}

static void minimum_and_maximum_are_decided_where_the_order_is_known(void **state)
{
    fixture *f = *state;
    ej_size out, more = add(f, f->z, number(5));
    ej_size_min(&f->sizes, f->z, more, &out, NULL);
    assert_true(ej_size_same(out, f->z));
    ej_size_max(&f->sizes, f->z, more, &out, NULL);
    assert_true(ej_size_same(out, more));
    ej_size_max(&f->sizes, f->z, number(0), &out, NULL);
    assert_true(ej_size_same(out, f->z));
    ej_size_min(&f->sizes, f->z, f->z, &out, NULL);
    assert_true(ej_size_same(out, f->z));
    ej_size_max(&f->sizes, sub(f, f->z, number(1)), number(0), &out, NULL);
    assert_int_equal(f->sizes.n_atoms, 3); /* z may be 0 */
    assert_int_equal(out.n, 999);
    assert_int_equal(value_for(f, out, 0, 7), 0);
}

static void derived_sizes_follow_the_symbols(void **state)
{
    fixture *f = *state;
    ej_size least, tiles, bytes, both;
    ej_size_min(&f->sizes, f->z, number(16), &least, NULL);
    ej_size_ceil_div(&f->sizes, f->z, 16, &tiles, NULL);
    ej_size_align(&f->sizes, mul(f, f->z, number(4)), 64, &bytes, NULL);
    both = add(f, mul(f, tiles, f->w), bytes);
    assert_int_equal(least.n, 16);
    assert_int_equal(tiles.n, 63);
    assert_int_equal(bytes.n, 4032);
    assert_int_equal(value_for(f, least, 3, 1), 3);
    assert_int_equal(value_for(f, tiles, 17, 1), 2);
    assert_int_equal(value_for(f, bytes, 17, 1), 128);
    assert_int_equal(value_for(f, both, 17, 5), 138);
    assert_int_equal(value_for(f, both, 1000, 7), both.n);
}

static void exact_quotients_stay_polynomials(void **state)
{
    fixture *f = *state;
    ej_size out, eight = mul(f, f->z, number(8));
    ej_size_ceil_div(&f->sizes, eight, 4, &out, NULL);
    assert_true(ej_size_same(out, mul(f, f->z, number(2))));
    ej_size_align(&f->sizes, eight, 8, &out, NULL);
    assert_true(ej_size_same(out, eight));
    ej_size_ceil_div(&f->sizes, number(10), 4, &out, NULL);
    assert_true(ej_size_is(out, 3));
    ej_size_align(&f->sizes, number(10), 4, &out, NULL);
    assert_true(ej_size_is(out, 12));
}

static void division_finds_the_other_factor(void **state)
{
    fixture *f = *state;
    ej_size sum = add(f, f->z, add(f, f->w, number(1))), other = sub(f, f->z, number(2)), out;
    ej_size product = mul(f, sum, other);
    assert_true(ej_size_divide(&f->sizes, product, sum, &out));
    assert_true(ej_size_same(out, other));
    assert_int_equal(out.n, 998);
    assert_true(ej_size_divide(&f->sizes, mul(f, f->z, number(6)), number(3), &out));
    assert_true(ej_size_same(out, mul(f, f->z, number(2))));
    assert_true(ej_size_divide(&f->sizes, number(0), f->z, &out));
    assert_true(ej_size_is(out, 0));
}

static void division_refuses_what_does_not_divide(void **state)
{
    fixture *f = *state;
    ej_size out = number(-77);
    assert_false(ej_size_divide(&f->sizes, f->z, f->w, &out));
    assert_false(ej_size_divide(&f->sizes, f->z, number(2), &out)); /* 1000 is even, z need not be */
    assert_false(ej_size_divide(&f->sizes, add(f, f->z, number(1)), f->z, &out));
    assert_false(ej_size_divide(&f->sizes, f->z, number(0), &out));
    assert_false(ej_size_divide(&f->sizes, number(7), number(2), &out));
    assert_true(ej_size_is(out, -77));
}

static void overflow_of_63_bits_is_an_error(void **state)
{
    fixture *f = *state;
    einjit_error err;
    ej_size out, big = number((int64_t)1 << 62);
    assert_int_equal(ej_size_add(&f->sizes, big, big, &out, &err), EINJIT_E_SIZE);
    assert_int_equal(err.code, EINJIT_E_SIZE);
    assert_int_equal(ej_size_mul(&f->sizes, big, number(2), &out, &err), EINJIT_E_SIZE);
    assert_int_equal(ej_size_mul(&f->sizes, big, f->z, &out, &err), EINJIT_E_SIZE);
    assert_int_equal(ej_size_sub(&f->sizes, number(-2), number(INT64_MAX), &out, &err), EINJIT_E_SIZE);
    assert_int_equal(ej_size_align(&f->sizes, number(INT64_MAX), 64, &out, &err), EINJIT_E_SIZE);
    assert_int_equal(ej_size_mul(&f->sizes, number(INT64_MIN), number(-1), &out, &err), EINJIT_E_SIZE);
}

static void evaluation_reports_overflow_and_negative_extents(void **state)
{
    fixture *f = *state;
    int64_t atoms[8], out, huge[2] = {INT64_MAX, 2}, negative[2] = {-1, 2};
    ej_size product = mul(f, f->z, f->w);
    assert_true(ej_sizes_evaluate(&f->sizes, huge, atoms));
    assert_false(ej_size_evaluate(&f->sizes, product, atoms, &out));
    assert_false(ej_sizes_evaluate(&f->sizes, negative, atoms));
    ej_size derived;
    ej_size_min(&f->sizes, product, number(5), &derived, NULL);
    assert_false(ej_sizes_evaluate(&f->sizes, huge, atoms));
}

static void products_of_too_many_symbols_are_a_limit(void **state)
{
    fixture *f = *state;
    einjit_error err;
    ej_size power = f->w;
    for (int i = 1; i < EJ_MONOMIAL_DEGREE; i++) power = mul(f, power, f->w);
    assert_int_equal(power.n, 5764801);
    ej_size out = number(1);
    assert_int_equal(ej_size_mul(&f->sizes, power, f->w, &out, &err), EINJIT_E_LIMIT);
    assert_true(ej_size_is(out, 1));
}

static void symbols_come_before_derived_sizes(void **state)
{
    fixture *f = *state;
    ej_size out;
    ej_size_min(&f->sizes, f->z, f->w, &out, NULL);
    assert_int_equal(ej_sizes_symbol(&f->sizes, "q", 3, &out, NULL), EINJIT_E_INTERNAL);
    assert_int_equal(f->sizes.n_symbols, 2);
}

static void many_sizes_are_found_again(void **state)
{
    fixture *f = *state;
    for (int64_t k = 1; k <= 5000; k++) add(f, f->z, number(k));
    size_t n = f->sizes.n_exprs;
    for (int64_t k = 1; k <= 5000; k++) assert_int_equal(add(f, number(k), f->z).n, 1000 + k);
    assert_int_equal(f->sizes.n_exprs, n);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(equal_polynomials_are_the_same_size),
        TEST(differences_that_cancel_are_numbers),
        TEST(sizes_print_as_programs_write_them),
        TEST(deep_nesting_prints_by_number),
        TEST(the_same_derived_size_is_made_once),
        TEST(minimum_and_maximum_are_decided_where_the_order_is_known),
        TEST(derived_sizes_follow_the_symbols),
        TEST(exact_quotients_stay_polynomials),
        TEST(division_finds_the_other_factor),
        TEST(division_refuses_what_does_not_divide),
        TEST(overflow_of_63_bits_is_an_error),
        TEST(evaluation_reports_overflow_and_negative_extents),
        TEST(products_of_too_many_symbols_are_a_limit),
        TEST(symbols_come_before_derived_sizes),
        TEST(many_sizes_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
