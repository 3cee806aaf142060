/* test_opt_linear.c - per operation: which factors of its operands come out behind it, and which stay. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pass_support.h"

static void layout_hands_factors_on(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"permute(2.0 * x, (1, 0))", "permute_2 = permute(x, (1, 0)); permute_1 = permute_2 * 2.0; return permute_1"},
        {"transpose(2.0 * x, 0, 1)",
         "transpose_2 = transpose(x, 0, 1); transpose_1 = transpose_2 * 2.0; return transpose_1"},
        {"reshape(2.0 * x, (9,))", "reshape_2 = reshape(x, (9,)); reshape_1 = reshape_2 * 2.0; return reshape_1"},
        {"expand(2.0 * v, (3, 3))", "expand_2 = v.expand((3, 3)); expand_1 = expand_2 * 2.0; return expand_1"},
        {"unsqueeze(2.0 * x, 0)",
         "unsqueeze_2 = unsqueeze(x, 0); unsqueeze_1 = unsqueeze_2 * 2.0; return unsqueeze_1"},
        {"squeeze(2.0 * x)", "squeeze_2 = squeeze(x); squeeze_1 = squeeze_2 * 2.0; return squeeze_1"},
        {"(2.0 * x)[1:, 0]", "slice_2 = x[1:, 0]; slice_1 = slice_2 * 2.0; return slice_1"});
}

static void operands_that_count_by_shape_alone_need_no_factor(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"x.sum_to_size((2.0 * v).shape)", "sum_to_size_1 = x.sum_to_size(v.shape); return sum_to_size_1"},
        {"(2.0 * v).expand_as(3.0 * x)", "expand_as_2 = v.expand_as(x); expand_as_1 = expand_as_2 * 2.0; return expand_as_1"},
        {"(2.0 * x).reshape_as(3.0 * y)",
         "reshape_as_2 = x.reshape_as(y); reshape_as_1 = reshape_as_2 * 2.0; return reshape_as_1"},
        {"diag_embed(2.0 * x)", "diag_embed_2 = diag_embed(x); diag_embed_1 = diag_embed_2 * 2.0; return diag_embed_1"},
        {"diag_embed(s * x)", NULL},
        {"slice_scatter(zeros_like(2.0 * x), 2.0 * y, 0)",
         "zeros_like_1 = zeros_like(x); slice_scatter_2 = slice_scatter(zeros_like_1, y, dim=0); "
         "slice_scatter_1 = slice_scatter_2 * 2.0; return slice_scatter_1"},
        {"slice_scatter(2.0 * x, 3.0 * y, 0)", NULL},
        {"(2.0 * d).type_as(y)", NULL});
}

static void joined_arrays_need_equal_factors(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"cat([2.0 * x, 2.0 * y], 0)", "cat_2 = cat([x, y], dim=0); cat_1 = cat_2 * 2.0; return cat_1"},
        {"stack([2.0 * x, 2.0 * y, 2.0 * x], 0)",
         "stack_2 = stack([x, y, x], dim=0); stack_1 = stack_2 * 2.0; return stack_1"},
        {"cat([2.0 * x, 3.0 * y], 0)", NULL},
        {"cat([2.0 * x, y], 0)", NULL});
}

static void gathers_and_scatters_hand_factors_on(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"index_select(2.0 * x, 0, at)",
         "index_select_2 = index_select(x, 0, at); index_select_1 = index_select_2 * 2.0; return index_select_1"},
        {"index_add(4, 0, at, s * x)", NULL},
        {"index_add(4, 0, at, 2.0 * x)",
         "index_add_2 = index_add(4, 0, at, x); index_add_1 = index_add_2 * 2.0; return index_add_1"});
}

static void sums_and_means_are_linear_and_extremes_for_known_signs(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"sum(2.0 * x, 1)", "sum_2 = sum(x, dim=1); sum_1 = sum_2 * 2.0; return sum_1"},
        {"mean(-2.0 * x, 1)", "mean_2 = mean(x, dim=1); mean_1 = mean_2 * -2.0; return mean_1"},
        {"amax(2.0 * x, 1)", "amax_2 = amax(x, dim=1); amax_1 = amax_2 * 2.0; return amax_1"},
        {"amax(-2.0 * x, 1)", "amin_1 = amin(x, dim=1); amax_1 = amin_1 * -2.0; return amax_1"},
        {"amin(-2.0 * x, 1)", "amax_1 = amax(x, dim=1); amin_1 = amax_1 * -2.0; return amin_1"},
        {"amax(s * x, 1)", NULL},
        {"prod(2.0 * x, 1)", NULL},
        {"logsumexp(2.0 * x, 1)", NULL},
        {"softmax(2.0 * x, 1)", NULL},
        {"layer_norm(2.0 * x, (3,))", NULL});
}

static void factors_multiply_by_their_powers(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"(2.0 * x) @ (3.0 * y)", "matmul_2 = x @ y; matmul_1 = matmul_2 * 6.0; return matmul_1"},
        {"tensordot(2.0 * x, 3.0 * y, 1)",
         "tensordot_2 = tensordot(x, y, dims=1); tensordot_1 = tensordot_2 * 6.0; return tensordot_1"},
        {"einsum(\"ij,jk->ik\", 2.0 * x, 3.0 * y)",
         "einsum_2 = einsum(\"ij,jk->ik\", x, y); einsum_1 = einsum_2 * 6.0; return einsum_1"},
        {"(2.0 * x) * (3.0 * y)", "mul_4 = x * y; mul_3 = mul_4 * 6.0; return mul_3"},
        {"(2.0 * x) / (4.0 * y)", "div_2 = x / y; div_1 = div_2 * 0.5; return div_1"},
        {"y / (3.0 * x)", "div_2 = y / x; div_1 = div_2 / 3.0; return div_1"},
        {"5.0 / (2.0 * x)", "div_1 = 2.5 / x; return div_1"},
        {"reciprocal(2.0 * x)", "reciprocal_1 = 0.5 / x; return reciprocal_1"},
        {"square(3.0 * x)", "square_2 = square(x); square_1 = square_2 * 9.0; return square_1"},
        {"(2.0 * x) ** 3", "pow_2 = x ** 3; pow_1 = pow_2 * 8.0; return pow_1"},
        {"(2.0 * x) ** -1", "pow_2 = x ** -1; pow_1 = pow_2 * 0.5; return pow_1"},
        {"(2.0 * x) ** 2.0", "pow_2 = x ** 2.0; pow_1 = pow_2 * 4.0; return pow_1"},
        {"(2.0 * x) ** 2.5", NULL},
        {"(2.0 * x) ** 9", NULL},
        {"x ** (2.0 * y)", NULL});
}

static void semirings_are_linear_in_their_own_way(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"einsum(\"ij,jk->ik\", 2.0 * x, 3.0 * y, reduce=\"max\")",
         "einsum_2 = einsum(\"ij,jk->ik\", x, y, reduce=\"max\"); einsum_1 = einsum_2 * 6.0; return einsum_1"},
        {"einsum(\"ij,jk->ik\", -2.0 * x, 3.0 * y, reduce=\"max\")",
         "einsum_2 = einsum(\"ij,jk->ik\", x, y, reduce=\"min\"); einsum_1 = einsum_2 * -6.0; return einsum_1"},
        {"einsum(\"ij,jk->ik\", s * x, y, reduce=\"min\")", NULL},
        {"einsum(\"ij,jk->ik\", 2.0 * x, 3.0 * y, reduce=\"max\", combine=\"add\")", NULL},
        {"einsum(\"ij,jk->ik\", 2.0 * x, 2.0 * y, reduce=\"max\", combine=\"add\")",
         "einsum_2 = einsum(\"ij,jk->ik\", x, y, reduce=\"max\", combine=\"add\"); "
         "einsum_1 = einsum_2 * 2.0; return einsum_1"},
        {"einsum(\"ij,jk->ik\", 2.0 * x, 2.0 * y, reduce=\"logsumexp\")", NULL});
}

static void functions_hand_on_what_their_meaning_allows(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"abs(-3.0 * x)", "abs_2 = abs(x); abs_1 = abs_2 * 3.0; return abs_1"},
        {"abs(3.0j * z)", "abs_2 = abs(z); abs_1 = abs_2 * 3.0; return abs_1"},
        {"abs(s * x)", NULL},
        {"conj(2.0j * z)", "conj_2 = conj(z); conj_1 = conj_2 * (0.0-2.0j); return conj_1"},
        {"real(2.0 * z)", "real_2 = real(z); real_1 = real_2 * 2.0; return real_1"},
        {"real(2.0j * z)", NULL},
        {"imag(2.0 * z)", "imag_2 = imag(z); imag_1 = imag_2 * 2.0; return imag_1"},
        {"imag(2.0 * x)", NULL},
        {"relu(2.0 * x)", "relu_2 = relu(x); relu_1 = relu_2 * 2.0; return relu_1"},
        {"relu(-2.0 * x)", NULL},
        {"relu(s * x)", NULL},
        {"sign(2.0 * x)", "sign_1 = sign(x); return sign_1"},
        {"sign(-2.0 * x)", NULL},
        {"sqrt(2.0 * x)", NULL},
        {"exp(2.0 * x)", NULL},
        {"floor(2.0 * x)", NULL});
}

static void sums_take_terms_in_step(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"2.0 * x + 2.0 * y", "add_2 = x + y; add_1 = add_2 * 2.0; return add_1"},
        {"2.0 * x - 2.0 * y", "sub_2 = x - y; sub_1 = sub_2 * 2.0; return sub_1"},
        {"2.0 * x + 3.0 * y", NULL},
        {"2.0 * x + 1.0", NULL},
        {"2.0 * x + 0.0", "add_2 = x + 0.0; add_1 = add_2 * 2.0; return add_1"},
        {"s * x + s * y", "add_2 = x + y; add_1 = add_2 * s; return add_1"},
        {"s * x + t * y", NULL},
        {"x / 3.0 + y / 3.0", "add_2 = x + y; add_1 = add_2 / 3.0; return add_1"},
        {"maximum(2.0 * x, 2.0 * y)", "maximum_2 = maximum(x, y); maximum_1 = maximum_2 * 2.0; return maximum_1"},
        {"maximum(-2.0 * x, -2.0 * y)", "minimum_1 = minimum(x, y); maximum_1 = minimum_1 * -2.0; return maximum_1"},
        {"minimum(-2.0 * x, 0)", "maximum_1 = maximum(x, 0); minimum_1 = maximum_1 * -2.0; return minimum_1"},
        {"maximum(2.0 * x, 3.0 * y)", NULL},
        {"where(b, 2.0 * x, 2.0 * y)", "where_2 = where(b, x, y); where_1 = where_2 * 2.0; return where_1"},
        {"where(b, 2.0 * x, 0.0)", "where_2 = where(b, x, 0.0); where_1 = where_2 * 2.0; return where_1"},
        {"where(b, s * x, 0.0)", NULL},
        {"where(b, 2.0 * x, 1.0)", NULL});
}

static void signs_go_into_sums_and_differences(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"x + -y", "add_1 = x - y; return add_1"},
        {"-x + y", "add_1 = y - x; return add_1"},
        {"x - -y", "sub_1 = x + y; return sub_1"},
        {"-x - y", "add_1 = x + y; sub_1 = -add_1; return sub_1"},
        {"2.0 * x + -2.0 * y", "sub_1 = x - y; add_1 = sub_1 * 2.0; return add_1"},
        {"2.0 * x - -2.0 * y", "add_1 = x + y; sub_1 = add_1 * 2.0; return sub_1"});
}

static void only_casts_that_widen_hand_factors_on(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"(2.0 * x).to(f64)", "to_2 = x.to(f64); to_1 = to_2 * 2.0; return to_1"},
        {"(2.0 * x).to(c64)", "to_2 = x.to(c64); to_1 = to_2 * 2.0; return to_1"},
        {"(2.0 * d).to(f32)", NULL},
        {"(2.0 * x).to(i32)", NULL});
}

static void rounding_divisions_are_no_scalings(void **state)
{
    (void)state;
    PASS_CASES("scalar",
        {"div(6.0 * x, 4.0, rounding_mode=\"floor\")", NULL},
        {"div(x, 2.0, rounding_mode=\"trunc\") * 2.0", NULL},
        {"(6.0 * x) // (2.0 * y)", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_hands_factors_on),
        cmocka_unit_test(operands_that_count_by_shape_alone_need_no_factor),
        cmocka_unit_test(joined_arrays_need_equal_factors),
        cmocka_unit_test(gathers_and_scatters_hand_factors_on),
        cmocka_unit_test(sums_and_means_are_linear_and_extremes_for_known_signs),
        cmocka_unit_test(factors_multiply_by_their_powers),
        cmocka_unit_test(semirings_are_linear_in_their_own_way),
        cmocka_unit_test(functions_hand_on_what_their_meaning_allows),
        cmocka_unit_test(sums_take_terms_in_step),
        cmocka_unit_test(signs_go_into_sums_and_differences),
        cmocka_unit_test(only_casts_that_widen_hand_factors_on),
        cmocka_unit_test(rounding_divisions_are_no_scalings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
