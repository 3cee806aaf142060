/* test_bind_map.c - dtypes: promotion, literals, casts, and what a function is for each dtype. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"

#define TWO "a, b"

static void operands_promote_as_numpy(void **state)
{
    (void)state;
    expect_result(TWO, "a + b", "f32[3] f64[3]", "f64[3]");
    expect_result(TWO, "a + b", "i32[3] f32[3]", "f64[3]");
    expect_result(TWO, "a + b", "i32[3] i64[3]", "i64[3]");
    expect_result(TWO, "a * b", "bool[3] i32[3]", "i32[3]");
    expect_result(TWO, "a * b", "f32[3] c64[3]", "c64[3]");
    expect_result(TWO, "a * b", "f64[3] c64[3]", "c128[3]");
}

static void literals_take_the_dtype_they_meet(void **state)
{
    (void)state;
    expect_result("a", "a * 2", "f32[3]", "f32[3]");
    expect_result("a", "a * 2.5", "f32[3]", "f32[3]");
    expect_result("a", "a * 2.5", "i32[3]", "f64[3]");
    expect_result("a", "a * 2", "i32[3]", "i32[3]");
    expect_result("a", "a * 2", "bool[3]", "i64[3]");
    expect_result("a", "a * 2j", "f32[3]", "c64[3]");
    expect_result("a", "2 * 3.0 * a", "f32[3]", "f32[3]");
    expect_dump("a", "a * 0.1", "f32[3]", NULL, "scalar 0.10000000149011612 f32[]", true);
    expect_dump("a", "a * 0.1", "f64[3]", NULL, "scalar 0.1 f64[]", true);
    expect_dump("a", "a + 2", "f32[3]", NULL, "scalar 2.0 f32[]", true);
}

static void a_literal_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    expect_refused("a", "a + 4294967296", "i32[3]", EINJIT_E_VALUE, "4294967296 does not fit into i32");
    expect_result("a", "a + 4294967296", "i64[3]", "i64[3]");
    expect_result("a", "a + 4294967296", "f32[3]", "f32[3]");
    expect_result("a", "a - 2147483648", "i64[3]", "i64[3]");
    expect_result("a", "a + (-2147483648)", "i32[3]", "i32[3]");
}

static void shapes_broadcast_from_the_right(void **state)
{
    (void)state;
    expect_result(TWO, "a + b", "f32[2,1,4] f32[3,1]", "f32[2, 3, 4]");
    expect_result(TWO, "a + b", "f32[] f32[3]", "f32[3]");
    expect_result(TWO, "a + b", "f32[1] f32[0]", "f32[0]");
    expect_refused(TWO, "a + b", "f32[2,3] f32[2,4]", EINJIT_E_BROADCAST,
                   "axis -1 is 3 in operand 0 and 4 in operand 1");
    expect_refused(TWO, "a + b", "f32[2,3] f32[5,3]", EINJIT_E_BROADCAST,
                   "axis -2 is 2 in operand 0 and 5 in operand 1");
    expect_refused("a, b, c", "where(a, b, c)", "bool[1] f32[4] f32[5]", EINJIT_E_BROADCAST,
                   "axis -1 is 4 in operand 1 and 5 in operand 2");
}

static void division_and_powers_have_their_own_dtypes(void **state)
{
    (void)state;
    expect_result(TWO, "a / b", "i32[3] i32[3]", "f64[3]");
    expect_result(TWO, "a / b", "f32[3] f32[3]", "f32[3]");
    expect_result(TWO, "a // b", "i32[3] i32[3]", "i32[3]");
    expect_result(TWO, "div(a, b, rounding_mode='trunc')", "i64[3] i32[3]", "i64[3]");
    expect_result(TWO, "a ** b", "i32[3] i32[3]", "i32[3]");
    expect_result("a", "exp(a)", "i32[3]", "f64[3]");
    expect_result("a", "exp(a)", "bool[3]", "f64[3]");
    expect_result("a", "exp(a)", "c64[3]", "c64[3]");
    expect_result("a", "reciprocal(a)", "i64[3]", "f64[3]");
}

static void complex_numbers_are_refused_where_they_have_no_order(void **state)
{
    (void)state;
    expect_refused("a", "relu(a)", "c64[3]", EINJIT_E_DTYPE, "relu is not defined for c64");
    expect_refused("a", "tanh(a)", "c128[3]", EINJIT_E_DTYPE, "tanh");
    expect_refused(TWO, "a < b", "c64[3] f32[3]", EINJIT_E_DTYPE, "lt");
    expect_refused(TWO, "maximum(a, b)", "c64[3] f32[3]", EINJIT_E_DTYPE, "maximum");
    expect_result(TWO, "a == b", "c64[3] f32[3]", "bool[3]");
}

static void parts_of_complex_numbers_are_real(void **state)
{
    (void)state;
    expect_result("a", "abs(a)", "c64[3]", "f32[3]");
    expect_result("a", "real(a)", "c128[3]", "f64[3]");
    expect_result("a", "imag(a)", "c64[3]", "f32[3]");
    expect_result("a", "conj(a)", "c64[3]", "c64[3]");
    expect_result("a", "imag(a)", "f32[3]", "f32[3]");
    expect_dump("a", "imag(a)", "f32[3]", NULL, "expand %1 f32[3]", true);
    expect_dump("a", "real(a) + 1", "f32[3]", NULL, "real", false);
    expect_result("a", "abs(a)", "i32[3]", "i32[3]");
}

static void what_changes_nothing_is_not_there(void **state)
{
    (void)state;
    expect_dump("a", "conj(a)", "f64[3]", NULL, "return %0", true);
    expect_dump("a", "floor(a)", "i32[3]", NULL, "return %0", true);
    expect_dump("a", "floor(a)", "f32[3]", NULL, "%1 = floor %0", true);
    expect_dump("a", "a.to(f32)", "f32[3]", NULL, "return %0", true);
    expect_dump("a", "square(a)", "bool[3]", NULL, "return %0", true);
}

static void bool_arithmetic_is_logic(void **state)
{
    (void)state;
    expect_dump(TWO, "a + b", "bool[3] bool[3]", NULL, "logical_or %0 %1 bool[3]", true);
    expect_dump(TWO, "a * b", "bool[3] bool[3]", NULL, "logical_and %0 %1 bool[3]", true);
    expect_dump(TWO, "maximum(a, b)", "bool[3] bool[3]", NULL, "logical_or", true);
    expect_refused(TWO, "a - b", "bool[3] bool[3]", EINJIT_E_DTYPE, "sub is not defined for bool");
    expect_refused("a", "-a", "bool[3]", EINJIT_E_DTYPE, "neg is not defined for bool");
    expect_refused(TWO, "a ** b", "bool[3] bool[3]", EINJIT_E_DTYPE, "pow");
    expect_refused(TWO, "logical_and(a, b)", "bool[3] f32[3]", EINJIT_E_DTYPE, "operand 1 is f32");
}

static void comparisons_compare_in_the_common_dtype(void **state)
{
    (void)state;
    expect_result(TWO, "a < b", "f32[3] i32[3]", "bool[3]");
    expect_dump(TWO, "a < b", "f32[3] i32[3]", NULL, "lt %2 %3 bool[3]", true);
    expect_result("a", "a > 0.5", "i32[3]", "bool[3]");
    expect_result(TWO, "a == b", "bool[3] bool[3]", "bool[3]");
}

static void where_promotes_its_branches(void **state)
{
    (void)state;
    expect_result("c, a, b", "where(c, a, b)", "bool[3] f32[3] f64[1]", "f64[3]");
    expect_result("c, a", "where(c, a, 0)", "bool[2,1] f32[3]", "f32[2, 3]");
    expect_result("c", "where(c, 1, 0)", "bool[2]", "i64[2]");
    expect_refused("c, a", "where(c, a, 0)", "i32[3] f32[3]", EINJIT_E_DTYPE, "condition of where is i32");
}

static void narrow_floats_promote_as_numpy_s_do(void **state)
{
    (void)state;
    expect_result("a", "a + 1.5", "f16[3]", "f16[3]");
    expect_result("a, b", "exp(a) * b", "bf16[3] bf16[]", "bf16[3]");
    expect_result("a, b", "a + b", "bf16[3] f16[3]", "f32[3]");
    expect_result("a, b", "a + b", "bf16[3] c64[3]", "c64[3]");
    expect_result("a, b", "a < b", "bf16[3] bf16[3]", "bool[3]");
    expect_result("a", "a.to(bf16)", "f64[3]", "bf16[3]");
    expect_result("c, a", "where(c, a, 0)", "bool[3] f16[3]", "f16[3]");
}

static void a_literal_can_be_a_result(void **state)
{
    (void)state;
    expect_result("a", "2", "f32[3]", "i64[]");
    expect_result("a", "a + mul(2.0, 3.0)", "f32[3]", "f64[3]");
}

static void a_constant_keeps_its_shape_and_promise(void **state)
{
    (void)state;
    expect_result("a", "einsum('ij,j->i', tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]).to(f32), a)", "f32[3]", "f32[2]");
    expect_dump("a", "einsum('ij,j->i', structural(tensor([[1.0, 0.0]])), a)", "f64[2]", NULL, "tensor structural",
                true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_promote_as_numpy),
        cmocka_unit_test(literals_take_the_dtype_they_meet),
        cmocka_unit_test(a_literal_that_does_not_fit_is_refused),
        cmocka_unit_test(shapes_broadcast_from_the_right),
        cmocka_unit_test(division_and_powers_have_their_own_dtypes),
        cmocka_unit_test(complex_numbers_are_refused_where_they_have_no_order),
        cmocka_unit_test(parts_of_complex_numbers_are_real),
        cmocka_unit_test(what_changes_nothing_is_not_there),
        cmocka_unit_test(bool_arithmetic_is_logic),
        cmocka_unit_test(comparisons_compare_in_the_common_dtype),
        cmocka_unit_test(where_promotes_its_branches),
        cmocka_unit_test(narrow_floats_promote_as_numpy_s_do),
        cmocka_unit_test(a_literal_can_be_a_result),
        cmocka_unit_test(a_constant_keeps_its_shape_and_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
