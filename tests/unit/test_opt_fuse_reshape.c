/* test_opt_fuse_reshape.c - reshapes between einsums: axes split on the way up, merged on the way down. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuse_support.h"

static void a_split_goes_to_the_operands(void **state)
{
    (void)state;
    expect_fused("x: f64[n, c], w: f64[c, 8], y: f64[4, 2]", "return einsum('nhd,hd->nh', (x @ w).reshape((n, 4, 2)), y)",
                 "reshape_2 = reshape(w, (c, 4, 2)); einsum_1 = einsum(\"nb,bhd,hd->nh\", x, reshape_2, y); return einsum_1",
                 "f64[2,3] f64[3,8] f64[4,2]");
    expect_fused("x: f64[n, c], w: f64[c, 6], y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((-1, 2, 3)), y)",
                 "reshape_2 = reshape(w, (c, 2, 3)); einsum_1 = einsum(\"nb,bhd,h->nd\", x, reshape_2, y); return einsum_1",
                 "f64[2,3] f64[3,6] f64[2]");
    /* in every operand that has the label, also twice; one that is 1 there loses the axis */
    expect_fused("x: f64[4, 4], w: f64[4, 1], y: f64[2, 2]",
                 "t = einsum('aa,ab->a', x, w); return einsum('ij,jk->ik', t.reshape((2, 2)), y)",
                 "reshape_2 = reshape(x, (2, 2, 2, 2)); reshape_3 = reshape(w, (2, 2, 1)); einsum_1 = "
                 "einsum(\"ijij,ijb,jk->ik\", reshape_2, reshape_3, y); return einsum_1", "f64[4,4] f64[4,1] f64[2,2]");
    expect_fused("x: f64[4], w: f64[1, 3], y: f64[2, 2]",
                 "t = einsum('a,ab->ab', x, w); return einsum('ijb,jk->ikb', t.reshape((2, 2, 3)), y)",
                 "reshape_2 = reshape(x, (2, 2)); einsum_1 = einsum(\"ij,ab,jk->ikb\", reshape_2, w, y); return einsum_1",
                 "f64[4] f64[1,3] f64[2,2]");
    /* through what computes once more */
    expect_fused("x: f64[n, c], w: f64[c, 6]", "return sum((x @ w).reshape((n, 2, 3)), dim=1)",
                 "reshape_2 = reshape(w, (c, 2, 3)); sum_1 = einsum(\"ab,bcd->ad\", x, reshape_2); return sum_1",
                 "f64[2,3] f64[3,6]");
    expect_fused("x: f64[n, c], w: f64[c, 6]", "return permute((x @ w).reshape((n, 2, 3)), (1, 0, 2))",
                 "reshape_2 = reshape(w, (c, 2, 3)); permute_1 = einsum(\"ab,bcd->cad\", x, reshape_2); return permute_1",
                 "f64[2,3] f64[3,6]");
}

static void a_merge_goes_behind(void **state)
{
    (void)state;
    expect_fused("x: f64[n, 3, c], w: f64[c, 5], o: f64[15, e]", "return (x @ w).reshape((n, 15)) @ o",
                 "reshape_2 = reshape(o, (3, 5, e)); matmul_2 = einsum(\"abe,ec,bcd->ad\", x, w, reshape_2); return "
                 "matmul_2", "f64[2,3,4] f64[4,5] f64[15,2]");
    expect_fused("x: f64[b, n, c], w: f64[c, d], o: f64[d, e]", "return (x @ w).reshape((b*n, d)) @ o",
                 "einsum_1 = einsum(\"abe,ec,cd->abd\", x, w, o); matmul_2 = reshape(einsum_1, (b*n, e)); return matmul_2",
                 "f64[2,3,4] f64[4,5] f64[5,2]");
    expect_fused("x: f64[2, 3, c], w: f64[c, d], o: f64[6, e]", "return einsum('id,ie->ide', (x @ w).reshape((6, d)), o)",
                 "reshape_2 = reshape(o, (2, 3, e)); einsum_2 = einsum(\"iab,bd,iae->iade\", x, w, reshape_2); einsum_1 = "
                 "reshape(einsum_2, (6, d, e)); return einsum_1", "f64[2,3,4] f64[4,5] f64[6,2]");
    expect_fused("x: f64[2, 3, 4], w: f64[4, 5]", "return sum((x @ w).reshape((6, 5)), dim=0)",
                 "sum_1 = einsum(\"abd,dc->c\", x, w); return sum_1", "f64[2,3,4] f64[4,5]");
    /* under an axis of extent 1 */
    expect_fused("x: f64[2, 3, 4], w: f64[4, 5], o: f64[1, 5]", "return einsum('id,id->id', (x @ w).reshape((6, 5)), o)",
                 "einsum_2 = einsum(\"iab,bd,cd->iad\", x, w, o); einsum_1 = reshape(einsum_2, (6, 5)); return einsum_1",
                 "f64[2,3,4] f64[4,5] f64[1,5]");
    /* with axes of extent 1 around */
    expect_fused("x: f64[2, 3, 4], w: f64[4, 5], o: f64[6, 5]",
                 "return einsum('aibd,id->b', (x @ w).reshape((1, 6, 1, 5)), o)",
                 "reshape_3 = reshape(o, (2, 3, 5)); einsum_3 = einsum(\"ica,ad,icd->\", x, w, reshape_3); einsum_1 = "
                 "unsqueeze(einsum_3, 0); return einsum_1", "f64[2,3,4] f64[4,5] f64[6,5]");
}

static void both_at_once(void **state)
{
    (void)state;
    expect_fused("x: f64[2, 3, 4], w: f64[4, 6], o: f64[6, 3, 2]",
                 "return einsum('iab,iab->i', (x @ w).reshape((6, 3, 2)), o)",
                 "reshape_2 = reshape(w, (4, 3, 2)); reshape_4 = reshape(o, (2, 3, 3, 2)); einsum_3 = "
                 "einsum(\"icd,dab,icab->ic\", x, reshape_2, reshape_4); einsum_1 = reshape(einsum_3, (6,)); return "
                 "einsum_1", "f64[2,3,4] f64[4,6] f64[6,3,2]");
    expect_fused("x: f64[b, n, 12], q: f64[12, 12], o: f64[12, 5]",
                 "h = permute((x @ q).reshape((b, n, 3, 4)), (0, 2, 1, 3)); s = h @ transpose(x.reshape((b, n, 3, "
                 "4)).permute((0, 2, 1, 3)), -1, -2); r = s @ permute(x.reshape((b, n, 3, 4)), (0, 2, 1, 3)); return "
                 "permute(r, (0, 2, 1, 3)).reshape((b, n, 12)) @ o",
                 "reshape_5 = reshape(q, (12, 3, 4)); reshape_2 = reshape(x, (b, n, 3, 4)); reshape_3 = reshape(x, "
                 "(b, n, 3, 4)); reshape_6 = reshape(o, (3, 4, 5)); "
                 "matmul_2 = einsum(\"abc,cfd,aefd,aefg,fgh->abh\", x, reshape_5, reshape_2, reshape_3, reshape_6); "
                 "return matmul_2", "f64[2,3,12] f64[12,12] f64[12,5]");
}

static void what_the_extents_do_not_say_stays(void **state)
{
    (void)state;
    const char *in = "f64[2,3] f64[3,6] f64[2]";
    /* w's axis may be 1, or the split is of another length for other inputs */
    expect_fused("x: f64[n, c], w: f64[c, :], y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((n, 2, 3)), y)", NULL,
                 in);
    expect_fused("x: f64[n, c], w: f64[c, m], y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((n, 2, -1)), y)", NULL,
                 in);
    expect_fused("x: f64, w: f64, y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((2, 2, 3)), y)", NULL, in);
    /* axes mixed: 4, 6 to 6, 4 */
    expect_fused("x: f64[4, c], w: f64[c, 6], y: f64[4]", "return (x @ w).reshape((6, 4)) @ y", NULL,
                 "f64[4,3] f64[3,6] f64[4]");
    /* two extents that have no name: the new reshape could not say them */
    expect_fused("x: f64[n, c], w: f64[:, :, 6], y: f64[2]",
                 "t = einsum('nc,cew->ncew', x, w); return einsum('ncehd,h->ncd', t.reshape((2, 3, 1, 2, 3)), y)", NULL,
                 "f64[2,3] f64[3,1,6] f64[2]");
    /* the result would need a name for its open axis */
    expect_fused("x: f64[b, n, 4], w: f64[4, 5], o: f64[5, :]", "return (x @ w).reshape((b*n, 5)) @ o", NULL,
                 "f64[2,3,4] f64[4,5] f64[5,2]");
}

static void one_user_and_one_meaning(void **state)
{
    (void)state;
    const char *in = "f64[2,3] f64[3,6] f64[2]", *params = "x: f64[n, c], w: f64[c, 6], y: f64[2]";
    expect_fused(params, "t = (x @ w).reshape((n, 2, 3)); return einsum('nhd,h->nd', t, y), t", NULL, in);
    expect_fused(params, "t = x @ w; return einsum('nhd,h->nd', t.reshape((n, 2, 3)), y), t", NULL, in);
    expect_fused(params, "return exp((x @ w).reshape((n, 2, 3)))", NULL, in);
    expect_fused(params, "return (x @ w).reshape((n, 2, 3))", NULL, in);
    expect_fused("x: i32[2, 3], w: i32[3, 6], y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((2, 2, 3)), y)", NULL,
                 "i32[2,3] i32[3,6] f64[2]");
    expect_fused("x: f64[4], w: f64[3], y: f64[12, 12]",
                 "t = einsum('a,b->ab', x, w).reshape((12,)); u = einsum('i,j->ij', t, t); return einsum('ij,ij->', u, y)",
                 "einsum_1 = einsum(\"a,b->ab\", x, w); t = reshape(einsum_1, (12,)); einsum_2 = einsum(\"i,j,ij->\", t, "
                 "t, y); return einsum_2", "f64[4] f64[3] f64[12,12]");
    /* the merged axis stands in two places of its user */
    expect_fused("x: f64[2, 3, 6], y: f64[6]", "t = einsum('abc,c->abc', x, y).reshape((6, 6)); return einsum('ii->i', t)",
                 NULL, "f64[2,3,6] f64[6]");
}

static void an_extent_of_0_is_no_obstacle(void **state)
{
    (void)state;
    expect_fused("x: f64[z, c], w: f64[c, 6], y: f64[2]", "return einsum('nhd,h->nd', (x @ w).reshape((z, 2, 3)), y)",
                 "reshape_2 = reshape(w, (c, 2, 3)); einsum_1 = einsum(\"nb,bhd,h->nd\", x, reshape_2, y); return einsum_1",
                 "f64[0,3] f64[3,6] f64[2]");
    expect_fused("x: f64[b, n, c], w: f64[c, d], o: f64[d, e]", "return (x @ w).reshape((b*n, d)) @ o",
                 "einsum_1 = einsum(\"abe,ec,cd->abd\", x, w, o); matmul_2 = reshape(einsum_1, (b*n, e)); return matmul_2",
                 "f64[0,3,4] f64[4,5] f64[5,2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_goes_to_the_operands),
        cmocka_unit_test(a_merge_goes_behind),
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(what_the_extents_do_not_say_stays),
        cmocka_unit_test(one_user_and_one_meaning),
        cmocka_unit_test(an_extent_of_0_is_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
