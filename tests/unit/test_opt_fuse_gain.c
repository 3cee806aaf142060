/* test_opt_fuse_gain.c - what merges through matmul, products, sums and layout, and what is left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuse_support.h"
#include "graph_support.h"

static void contractions_merge_with_each_other(void **state)
{
    (void)state;
    expect_fused("a: f64[i, j], b: f64[j, k], c: f64[k, l]", "return a @ b @ c",
                 "matmul_2 = einsum(\"ab,bc,cd->ad\", a, b, c); return matmul_2", "f64[2,3] f64[3,4] f64[4,5]");
    expect_fused("a: f64[i, j], b: f64[j, k], c: f64[k, l]", "return tensordot(einsum('ij,jk->ik', a, b), c, 1)",
                 "tensordot_1 = einsum(\"aj,jb,bc->ac\", a, b, c); return tensordot_1", "f64[2,3] f64[3,4] f64[4,5]");
    expect_fused("a: f64[z, i, j], b: f64[z, j, k], c: f64[k]", "return einsum('...i,...i->...', a @ b, c)",
                 "einsum_1 = einsum(\"abc,aci,i->ab\", a, b, c); return einsum_1", "f64[2,3,4] f64[2,4,5] f64[5]");
}

static void layout_between_them_vanishes(void **state)
{
    (void)state;
    const char *in = "f64[2,3] f64[2,4]";
    expect_fused("a: f64[i, j], b: f64[i, k]", "return permute(a, (1, 0)) @ b",
                 "matmul_1 = einsum(\"ab,ac->bc\", a, b); return matmul_1", in);
    expect_fused("a: f64[i, j], b: f64[i, k]", "return transpose(transpose(a, 0, 1) @ b, 0, 1)",
                 "transpose_2 = einsum(\"ab,ac->cb\", a, b); return transpose_2", in);
    expect_fused("a: f64[i, j], b: f64[i, k]", "return sum(a[:, :, None] * unsqueeze(b, 1), dim=0)",
                 "sum_1 = einsum(\"ab,ac->bc\", a, b); return sum_1", in);
    expect_fused("a: f64[i, j], b: f64[i, k]", "return einsum('ia,ib->ab', squeeze(a[:, None], 1), b)",
                 "einsum_1 = einsum(\"ia,ib->ab\", a, b); return einsum_1", in);
    expect_fused("a: f64[4, 1, 3], b: f64[4, 2]", "return einsum('ia,ib->ab', squeeze(a, 1), b)",
                 "einsum_1 = einsum(\"ica,ib->ab\", a, b); return einsum_1", "f64[4,1,3] f64[4,2]");
}

static void a_new_axis_that_remains_comes_behind(void **state)
{
    (void)state;
    expect_fused("a: f64[i, j], b: f64[j, k]", "return sum(a @ b, dim=1, keepdim=True)",
                 "einsum_1 = einsum(\"ab,bc->a\", a, b); sum_1 = unsqueeze(einsum_1, 1); return sum_1", "f64[2,3] f64[3,4]");
    expect_fused("a: f64[i, j], b: f64[j, k], c: f64[1]", "return einsum('...i,i->...i', unsqueeze(a @ b, -1), c)",
                 "einsum_1 = einsum(\"ab,bc,i->aci\", a, b, c); return einsum_1", "f64[2,3] f64[3,4] f64[1]");
    expect_fused("x: f64, a: f64[i, j], b: f64[j]", "return einsum('...,ik->i...k', x, unsqueeze(a @ b, 1))",
                 "einsum_2 = einsum(\"...,ia,a->i...\", x, a, b); einsum_1 = unsqueeze(einsum_2, -1); return einsum_1",
                 "f64[2,2] f64[2,3] f64[3]");
}

static void products_merge_where_an_operand_lacks_an_axis(void **state)
{
    (void)state;
    const char *in = "f64[2,3] f64[3,4] f64[4] f64[2,4]", *params = "a: f64[i, j], b: f64[j, k], c: f64[k], d: f64[i, k]";
    expect_fused(params, "return (a @ b) * c", "mul_1 = einsum(\"ab,bc,c->ac\", a, b, c); return mul_1", in);
    expect_fused(params, "return (a @ b) * d", NULL, in); /* last is best */
    expect_fused(params, "return (a @ b) * c * d",
                 "mul_1 = einsum(\"ab,bc,c->ac\", a, b, c); mul_2 = mul_1 * d; return mul_2", in);
    expect_fused(params, "return (a @ b) * d * c", "mul_2 = einsum(\"ab,bc,ac,c->ac\", a, b, d, c); return mul_2", in);
    expect_fused(params, "return c * (d * c)", NULL, in);
    expect_fused(params, "return sum(d * c, dim=1)", "sum_1 = einsum(\"ab,b->a\", d, c); return sum_1", in);
    expect_fused(params, "return sum(d * d, dim=1)", NULL, in);
    expect_fused(params, "return (d * d) @ c", NULL, in);
    expect_fused(params, "return (d * c) @ c", "matmul_1 = einsum(\"ab,b,b->a\", d, c, c); return matmul_1", in);
    expect_fused(params, "return sum(exp(d), dim=1) @ d", NULL, in);
    expect_fused(params, "return sum(d, dim=1) @ d", "matmul_1 = einsum(\"ab,ac->c\", d, d); return matmul_1", in);
    expect_fused("a: f64[i, j], b: f64[j, k], s: f64[()]", "return (a @ b) * s",
                 "mul_1 = einsum(\"ab,bc,->ac\", a, b, s); return mul_1", "f64[2,3] f64[3,4] f64[]");
}

static void alone_everything_stays(void **state)
{
    (void)state;
    const char *in = "f64[2,2] f64[2,2]", *params = "a: f64[i, i], b: f64[i, i]";
    static const char *const alone[] = {"return a @ b", "return a * b", "return sum(a)", "return permute(a, (1, 0))",
                                        "return square(a)", "return tensordot(a, b, 1)",
                                        "return sum(permute(a, (1, 0)), dim=0)", "return a * b * a",
                                        "return permute(a * b[:, 0], (1, 0))", "return 2.0 * (a @ b)", "return (a @ b) / a"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) expect_fused(params, alone[i], NULL, in);
}

static void what_is_used_twice_is_kept(void **state)
{
    (void)state;
    const char *in = "f64[2,2] f64[2,2]", *params = "a: f64[i, i], b: f64[i, i]";
    expect_fused(params, "t = a @ b; return t @ t", NULL, in);
    expect_fused(params, "t = a @ b; return einsum('ij,kj->', t, t)", NULL, in);
    expect_fused(params, "t = a @ b; return sum(square(t), dim=0)", NULL, in);
    expect_fused(params, "t = a @ b; return sum(t * t)", NULL, in);
    expect_fused(params, "t = a @ b; return t @ b, t", NULL, in);
}

static void dtypes_decide(void **state)
{
    (void)state;
    expect_fused("a: i32[i, j], b: i32[j, k]", "return sum(a @ b, dim=0)", NULL, "i32[2,3] i32[3,4]");
    expect_fused("a: i64[i, j], b: i64[j, k]", "return sum(a @ b, dim=0)",
                 "sum_1 = einsum(\"ab,bc->c\", a, b); return sum_1", "i64[2,3] i64[3,4]");
    expect_fused("a: i64[i, j], b: i64[j, k]", "return sum(sum(a @ b, dim=0), dim=0)",
                 "sum_2 = einsum(\"ab,bc->\", a, b); return sum_2", "i64[2,3] i64[3,4]");
    expect_fused("a: any[i, j], b: any[j, k]", "return sum(a @ b, dim=0)", NULL, "f64[2,3] f64[3,4]");
    expect_fused("a: i32[i, j], b: i32[j, k], c: f64[k]", "return (a @ b) @ c", NULL, "i32[2,3] i32[3,4] f64[4]");
    expect_fused("a: i32[j, i], b: f64[j, k]", "return permute(a, (1, 0)) @ b",
                 "matmul_1 = einsum(\"ab,ac->bc\", a, b); return matmul_1", "i32[3,2] f64[3,4]");
    expect_fused("a: bool[i, j], b: bool[j, k]", "return permute(a @ b, (1, 0))",
                 "permute_1 = einsum(\"ab,bc->ca\", a, b); return permute_1", "bool[2,3] bool[3,4]");
}

static void an_expand_needs_a_witness(void **state)
{
    (void)state;
    const char *in = "f64[3] f64[2,3] f64[3,4]", *params = "x: f64[j], b: f64[2, j], c: f64[j, k]";
    expect_fused(params, "return einsum('ij,ij,jk->k', expand(x, (2, -1)), b, c)",
                 "einsum_1 = einsum(\"j,ij,jk->k\", x, b, c); return einsum_1", in);
    expect_fused(params, "return einsum('ij,jk->k', expand(x, (2, -1)), c)", NULL, in);
    expect_fused(params, "return expand(x, (2, -1)) @ c", NULL, in);
    expect_fused(params, "return einsum('ij,ij->j', expand(x, (2, -1)), expand(x, (2, -1)))",
                 "expand_1 = x.expand((2, -1)); einsum_1 = einsum(\"ij,j->j\", expand_1, x); return einsum_1", in);
    expect_fused(params,
                 "return einsum('ij,ij->j', expand(x, (2, -1)), permute(permute(expand(x, (2, -1)), (1, 0)), (1, 0)))",
                 "expand_2 = x.expand((2, -1)); einsum_1 = einsum(\"j,ij->j\", x, expand_2); return einsum_1", in);
    expect_fused("x: f64[1], c: f64[n, n]", "return einsum('ii,ij->j', expand(x, (n, n)), c)", NULL, "f64[1] f64[3,3]");
}

static void an_expanded_factor_lacks_the_axes(void **state)
{
    (void)state;
    const char *in = "f64[2] f64[2,3] f64[3,4]", *params = "x: f64[i], b: f64[i, j], c: f64[j, k]";
    expect_fused(params, "return sum(expand(x[:, None], (i, j)) * b, dim=1)",
                 "sum_1 = einsum(\"a,ab->a\", x, b); return sum_1", in);
    expect_fused(params, "return sum(expand(x[:, None], (i, j)) * b, dim=0) @ c",
                 "matmul_1 = einsum(\"a,ab,bc->c\", x, b, c); return matmul_1", in);
    expect_fused(params, "return expand(x[:, None], (i, j)) * b", NULL, in);
    expect_fused(params, "y = expand(x[:, None], (i, j)); return sum(y * b, dim=1), y", NULL, in); /* it is there anyway */
    expect_fused(params, "return sum(expand(b, (i, j)) * b, dim=1)", NULL, in);                    /* it lacks nothing */
}

static void ranks_that_are_known_decide_ellipses(void **state)
{
    (void)state;
    expect_fused("a: f64[2, 3, 4], b: f64[4, 5], c: f64[2, 5]",
                 "return einsum('...k,...k->...', einsum('...ij,jk->...ik', a, b), c[:, None])",
                 "einsum_2 = einsum(\"abj,jk,ak->ab\", a, b, c); return einsum_2", "f64[2,3,4] f64[4,5] f64[2,5]");
    expect_fused("a: f64, b: f64, c: f64", "return einsum('...ij,...jk->...ik', einsum('...ij,...jk->...ik', a, b), c)",
                 "einsum_2 = einsum(\"...ij,...ja,...ak->...ik\", a, b, c); return einsum_2",
                 "f64[2,3] f64[5,3,4] f64[4,2]");
}

/* Quadratic work would take minutes here. */
static void long_chains_of_all_kinds_are_walked_once(void **state)
{
    (void)state;
    enum { N = 30000 };
    for (int contracts = 0; contracts < 2; contracts++) {
        graph_fixture f;
        graph_open(&f);
        f.job.verify = false;
        ej_value x = graph_input(&f, EINJIT_F64, 2), w = graph_input(&f, EINJIT_F64, 2), s = graph_input(&f, EINJIT_F64, 1), v = x;
        if (contracts) v = graph_einsum(&f, "ij,jk->ik", v, w);
        for (int i = 0; i < N; i++) v = graph_map(&f, EJ_FN_MUL, v, i % 3 ? s : w);
        graph_output(&f, v);
        graph_optimize(&f, "fuse");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), contracts);
        assert_true(graph_count(&f, EJ_OP_MAP) == (contracts ? 0 : N));
        graph_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contractions_merge_with_each_other),
        cmocka_unit_test(layout_between_them_vanishes),
        cmocka_unit_test(a_new_axis_that_remains_comes_behind),
        cmocka_unit_test(products_merge_where_an_operand_lacks_an_axis),
        cmocka_unit_test(alone_everything_stays),
        cmocka_unit_test(what_is_used_twice_is_kept),
        cmocka_unit_test(dtypes_decide),
        cmocka_unit_test(an_expand_needs_a_witness),
        cmocka_unit_test(an_expanded_factor_lacks_the_axes),
        cmocka_unit_test(ranks_that_are_known_decide_ellipses),
        cmocka_unit_test(long_chains_of_all_kinds_are_walked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
