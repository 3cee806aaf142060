/* Sums of products with a factor in common: what is factored, what is offered, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph_support.h"
#include "pass_support.h"

static void expect(const char *params, const char *body, const char *part)
{
    pass_expect("distribute", params, body, part);
}

static const char abc[] = "a: f32[i, k], b: f32[i, k], c: f32[k, j], d: f32[k, j]";

static void sums_of_einsums_are_factored(void **state)
{
    (void)state;
    expect(abc, "einsum('ik,kj->ij', a, c) + einsum('ik,kj->ij', b, c)",
           "    add_2 = a + b\n    add_1 = einsum(\"ik,kj->ij\", add_2, c)\n    return add_1\n");
    expect(abc, "einsum('ik,kj->ij', a, c) - einsum('ik,kj->ij', b, c)", "    sub_2 = a - b\n");
    expect(abc, "einsum('ik,kj->ij', a, c) + einsum('yx,zy->zx', c, b)", "    add_1 = einsum(\"ik,kj->ij\", add_2, c)\n");
    expect(abc, "einsum('ik,kj,kj->ij', a, c, d) + einsum('ik,kj,kj->ij', b, c, d)", "einsum(\"ik,kj,kj->ij\", add_2, c, d)\n");
    expect(abc, "a @ c + b @ c", "    add_2 = a + b\n    add_1 = add_2 @ c\n");
    expect(abc, "a @ c - a @ d", "    sub_2 = c - d\n    sub_1 = a @ sub_2\n");
    expect("x: f32[i, k], y: f32[i, k], z: f32[k]", "x*z + y*z", "    add_2 = x + y\n    add_1 = add_2 * z\n");
    expect("a: c64[i, k], b: f32[i, k], c: f32[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", "a + b\n");
    expect("a: i64[i, k], b: i64[i, k], c: i64[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", "a + b\n");
    expect("a: f32[3, 4], b: f32[3, 4], c: f32[4]", "einsum('...k,k->...', a, c) + einsum('...k,k->...', b, c)", "a + b\n");
}

static void signs_and_literal_factors_go_inside(void **state)
{
    (void)state;
    expect(abc, "2.0 * (a @ c) - b @ c / 4.0", "    mul_2 = 2.0 * a\n    div_2 = b / 4.0\n    sub_2 = mul_2 - div_2\n");
    expect(abc, "-(a @ c) + b @ c", "    sub_1 = b - a\n    add_1 = sub_1 @ c\n");
    expect(abc, "-(a @ c) - b @ c", "    neg_2 = -a\n    sub_2 = neg_2 - b\n");
    expect("a: i64[i, k], b: i64[i, k], c: i64[k]", "3 * einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", "    mul_2 = 3 * a\n");
    /* so large that the operand could overflow; a fraction of integers is a float */
    expect(abc, "1e30 * (a @ c) + b @ c", NULL);
    expect(abc, "(a @ c) / 0.0 + b @ c", NULL);
    expect("a: i64[i, k], b: i64[i, k], c: i64[k]", "0.5 * einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
}

static void long_sums_are_factored_again_and_again(void **state)
{
    (void)state;
    expect(abc, "a @ c + b @ c + a @ d + b @ d", "    add_4 = a + b\n    add_6 = c + d\n    add_3 = add_4 @ add_6\n");
    expect("a: f32[i, k], b: f32[i, k], c: f32[k, j], x: f32[i, j]", "(x + a @ c) - (2.0 - b @ c)",
           "    add_2 = a + b\n    matmul_3 = add_2 @ c\n    add_3 = matmul_3 + x\n    sub_2 = add_3 - 2.0\n");
}

static void what_may_broadcast_is_offered(void **state)
{
    (void)state;
    expect("a: f32[i, k], b: f32[m, k], c: f32[k, j]", "einsum('ik,kj->ij', a, c) + einsum('ik,kj->ij', b, c)",
           " = choose(add_2, einsum_3, equal=[(1, a, 0, b, 0)])\n");
    expect("a: f32, b: f32, c: f32", "einsum('ik,kj->ij', a, c) - einsum('ik,kj->ij', b, c)",
           "equal=[(1, a, 0, b, 0), (1, a, 1, b, 1)])\n");
    expect("a: f32[i, k], b: f32[:, k], c: f32[k, j], x: f32[i, j]",
           "x + einsum('ik,kj->ij', a, c) + 2.0 * einsum('ik,kj->ij', b, c)", "choose(add_3, einsum_3, equal=[(1, a, 0, b, 0)])\n");
    /* only what is the same is factored outright */
    expect("a: f32[i, k], b: f32[m, k], d: f32[m, k], c: f32[k, j]",
           "einsum('ik,kj->ij', a, c) + einsum('ik,kj->ij', b, c) + einsum('ik,kj->ij', d, c)", "    add_3 = b + d\n");
    /* the guard could never hold */
    expect("a: f32[1, 3], b: f32[2, 3], c: f32[3]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect("a: f32[2, 1], b: f32[2, 3], c: f32[1]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    /* pointwise, x + y could be larger than the products; a rank that nothing says */
    expect("x: f32[i, :], y: f32[i, k], z: f32[k]", "x*z + y*z", NULL);
    expect("a: f32, b: f32, c: f32", "einsum('...k,k->...', a, c) + einsum('...k,k->...', b, c)", NULL);
    expect("a: f32, b: f32, c: f32", "a @ c + b @ c", NULL);
}

static void other_sums_stay(void **state)
{
    (void)state;
    expect(abc, "einsum('ik,kj->ij', a, c) + einsum('ik,kj->ij', b, d)", NULL);
    expect(abc, "einsum('ik,kj->ij', a, c) * einsum('ik,kj->ij', b, c)", NULL);
    expect("a: f32[n, n], b: f32[n, n], c: f32[n, n]", "einsum('ik,kj->ij', a, c) + einsum('ki,kj->ij', b, c)", NULL);
    expect("a: f32[n, n], b: f32[n, n], c: f32[n, n]", "einsum('ik,kj->ij', a, c) + einsum('ik,kj->ji', b, c)", NULL);
    expect(abc, "einsum('ik,kj->ij', a, c, reduce=\"max\") + einsum('ik,kj->ij', b, c, reduce=\"max\")", NULL);
    expect(abc, "einsum('ik,kj->ij', a, c, combine=\"add\") + einsum('ik,kj->ij', b, c, combine=\"add\")", NULL);
    expect("a: bool[i, k], b: bool[i, k], c: bool[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect("a: i32[i, k], b: i32[i, k], c: i64[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect("a: f32[i, k], b: f32[i, k], c: f64[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect("a: any[i, k], b: any[i, k], c: any[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect("a: f32[i, k], b: f64[i, k], c: f32[k]", "einsum('ik,k->i', a, c) + einsum('ik,k->i', b, c)", NULL);
    expect(abc, "einsum('ik->i', a) + einsum('ik->i', b)", NULL);
}

static void what_others_use_is_computed_anyway(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 2), c = graph_input(&f, EINJIT_F32, 1);
    ej_value p = graph_einsum(&f, "ij,j->i", a, c);
    graph_output(&f, graph_map(&f, EJ_FN_ADD, p, graph_einsum(&f, "ij,j->i", a, c)));
    graph_output(&f, p);
    graph_optimize(&f, "distribute");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 2);
    graph_close(&f);
}

static void thousands_of_terms_are_near_linear(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_input(&f, EINJIT_F32, 2), sum = -1;
    for (int i = 0; i < 5000; i++) {
        ej_value c = graph_map(&f, EJ_FN_EXP, a, -1), term = graph_einsum(&f, "ij,jk->ik", i % 2 ? a : c, i % 3 ? c : a);
        sum = sum < 0 ? term : graph_map(&f, EJ_FN_ADD, sum, term);
    }
    graph_output(&f, sum);
    graph_optimize(&f, "distribute");
    assert_true(graph_count(&f, EJ_OP_EINSUM) < 5000);
    graph_close(&f);
}

static void lack_of_memory_leaves_a_whole_graph(void **state)
{
    (void)state;
    pass_survives_oom("distribute", "a: f32[i, k], b: f32[i, k], c: f32[k, j], d: f32[k, j], e: f32[:, k]",
                        "a @ c + 2.0 * (b @ c) + a @ d - b @ d + einsum('ik,kj->ij', e, c) + einsum('ik,kj->ij', a, c)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_einsums_are_factored),
        cmocka_unit_test(signs_and_literal_factors_go_inside),
        cmocka_unit_test(long_sums_are_factored_again_and_again),
        cmocka_unit_test(what_may_broadcast_is_offered),
        cmocka_unit_test(other_sums_stay),
        cmocka_unit_test(what_others_use_is_computed_anyway),
        cmocka_unit_test(thousands_of_terms_are_near_linear),
        cmocka_unit_test(lack_of_memory_leaves_a_whole_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
