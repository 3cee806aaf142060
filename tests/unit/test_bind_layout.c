/* test_bind_layout.c - permutations, reshapes, slices, joins and indices, with numbers and with open extents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"

static void permutations_move_extents(void **state)
{
    (void)state;
    expect_result("a", "permute(a, (2, 0, 1))", "f32[2,3,4]", "f32[4, 2, 3]");
    expect_result("a", "permute(a, (-1, 0, 1))", "f32[2,3,4]", "f32[4, 2, 3]");
    expect_result("a", "transpose(a, 0, -1)", "f32[2,3,4]", "f32[4, 3, 2]");
    expect_dump("a", "permute(a, (0, 1))", "f32[2,3]", NULL, "return %0", true);
    expect_refused("a", "permute(a, (0, 1))", "f32[2,3,4]", EINJIT_E_RANK, "permute names 2 axes, the operand has 3");
    expect_refused("a", "permute(a, (0, 0))", "f32[2,3]", EINJIT_E_VALUE, "axis 0 twice");
    expect_refused("a", "permute(a, (0, 2))", "f32[2,3]", EINJIT_E_VALUE, "axis 2 is out of range");
}

static void reshapes_keep_the_element_count(void **state)
{
    (void)state;
    expect_result("a", "reshape(a, (3, -1))", "f32[2,6]", "f32[3, 4]");
    expect_result("a", "reshape(a, ())", "f32[1,1]", "f32[]");
    expect_result("a", "reshape(a, (-1,))", "f32[]", "f32[1]");
    expect_result("a", "reshape(a, (5, 0))", "f32[0,3]", "f32[5, 0]");
    expect_result("a", "reshape(a, (5, -1))", "f32[0,3]", "f32[5, 0]");
    expect_refused("a", "reshape(a, (5, 2))", "f32[2,3]", EINJIT_E_SHAPE, "6 elements cannot take a shape of 10");
    expect_refused("a", "reshape(a, (4, -1))", "f32[2,3]", EINJIT_E_SHAPE, "6 elements do not divide into rows of 4");
    expect_refused("a", "reshape(a, (0, -1))", "f32[0,3]", EINJIT_E_SHAPE, "can be anything");
    expect_refused("a", "reshape(a, (0, -1))", "f32[2,3]", EINJIT_E_SHAPE, "rows of 0");
}

static void reshapes_know_products_of_open_extents(void **state)
{
    (void)state;
    expect_open("a: f32[z, 4]", "reshape(a, (z*4,))", "f32[10,4]", "z", "f32[4*z]");
    expect_open("a: f32[z, 4]", "reshape(a, (-1, 2))", "f32[10,4]", "z", "f32[2*z, 2]");
    expect_open("a: f32[z, w]", "reshape(a, (w, -1))", "f32[10,4]", "z,w", "f32[w, z]");
    expect_open("a: f32[z, 4]", "reshape(a, (-1, 8))", "f32[10,4]", "z", "f32[5, 8]"); /* right for even z only */
    expect_open("a: f32[z, 4]", "reshape(a, (20, 2))", "f32[10,4]", "z", "f32[20, 2]");
}

static void expansions_stretch_ones(void **state)
{
    (void)state;
    expect_result("a", "expand(a, (5, -1, 4))", "f32[3,1]", "f32[5, 3, 4]");
    expect_result("a", "expand(a, (0,))", "f32[1]", "f32[0]");
    expect_open("a: f32[1], b: f32[z]", "expand(a, (z,)) + b", "f32[1] f32[7]", "z", "f32[z]");
    expect_refused("a", "expand(a, (4,))", "f32[3]", EINJIT_E_BROADCAST, "axis 0 is 3 and cannot expand to 4");
    expect_refused("a", "expand(a, (-1, 3))", "f32[3]", EINJIT_E_VALUE, "axis 0 of an expand is new");
    expect_refused("a", "expand(a, (3,))", "f32[2,3]", EINJIT_E_RANK, "1 axes");
}

static void axes_of_one_come_and_go(void **state)
{
    (void)state;
    expect_result("a", "unsqueeze(a, -1)", "f32[2,3]", "f32[2, 3, 1]");
    expect_result("a", "unsqueeze(a, 0)", "f32[]", "f32[1]");
    expect_result("a", "squeeze(a, 1)", "f32[2,1,3]", "f32[2, 3]");
    expect_result("a", "squeeze(a, 0)", "f32[2,1,3]", "f32[2, 1, 3]");
    expect_refused("a", "unsqueeze(a, 3)", "f32[2]", EINJIT_E_VALUE, "axis 3");
    expect_open("a: f32[z, 3]", "squeeze(a, 0)", "f32[4,3]", "z", "f32[4, 3]");
}

static void slices_clamp_as_python(void **state)
{
    (void)state;
    expect_result("a", "a[1:3]", "f32[5]", "f32[2]");
    expect_result("a", "a[-2:]", "f32[5]", "f32[2]");
    expect_result("a", "a[:-2]", "f32[5]", "f32[3]");
    expect_result("a", "a[3:100]", "f32[5]", "f32[2]");
    expect_result("a", "a[-100:2]", "f32[5]", "f32[2]");
    expect_result("a", "a[4:2]", "f32[5]", "f32[0]");
    expect_result("a", "a[::2]", "f32[5]", "f32[3]");
    expect_result("a", "a[1:5:3]", "f32[5]", "f32[2]");
    expect_result("a", "a[9223372036854775806:]", "f32[5]", "f32[0]");
    expect_result("a", "a[..., 1]", "f32[2,3,4]", "f32[2, 3]");
    expect_result("a", "a[0, ..., None, 1:]", "f32[2,3,4]", "f32[3, 1, 3]");
    expect_result("a", "a[:, 1:3]", "f32[2,3,4]", "f32[2, 2, 4]");
    expect_dump("a", "a[-1]", "f32[2,3]", NULL, "slice from [1, 0] step [1, 1]", true);
    expect_dump("a", "a[:]", "f32[2,3]", NULL, "return %0", true);
    expect_refused("a", "a[2]", "f32[2,3]", EINJIT_E_INDEX, "index 2 is out of range for axis 0 of extent 2");
    expect_refused("a", "a[0, -4]", "f32[2,3]", EINJIT_E_INDEX, "index -4 is out of range for axis 1");
    expect_refused("a", "a[0, 0, 0]", "f32[2,3]", EINJIT_E_RANK, "3 indices for 2 axes");
}

static void slices_of_open_extents_follow_them(void **state)
{
    (void)state;
    expect_open("a: f32[z]", "a[:-1]", "f32[10]", "z", "f32[max(0, z - 1)]");
    expect_open("a: f32[z]", "a[1:] - a[:-1]", "f32[10]", "z", "f32[max(0, z - 1)]");
    expect_open("a: f32[z]", "a[:4]", "f32[10]", "z", "f32[min(4, z)]");
    expect_open("a: f32[z]", "a[-4:]", "f32[10]", "z", "f32[min(4, z)]");
    expect_open("a: f32[z]", "a[::3]", "f32[10]", "z", "f32[ceil_div(z, 3)]");
    expect_open("a: f32[z]", "a[:]", "f32[10]", "z", "f32[z]");
    expect_open("a: f32[z, w]", "a[:, 2]", "f32[10,5]", "z,w", "f32[z]");
    expect_dump("a: f32[z]", "a[-4:]", "f32[10]", "z", "slice from [max(0, z - 4)]", true);
}

static void joins_add_extents(void **state)
{
    (void)state;
    expect_result("a, b", "cat((a, b), dim=1)", "f32[2,3] f64[2,4]", "f64[2, 7]");
    expect_result("a, b", "cat((a, b, a), dim=-1)", "f32[0] f32[4]", "f32[4]");
    expect_result("a, b", "stack((a, b), dim=1)", "f32[2,3] f32[2,3]", "f32[2, 2, 3]");
    expect_result("a, b", "stack((a, b), dim=-1)", "f32[] i32[]", "f64[2]");
    expect_open("a: f32[z], b: f32[w]", "cat((a, b, a), dim=0)", "f32[3] f32[4]", "z,w", "f32[2*z + w]");
    expect_open("a: f32[z, 2], b: f32[w, 2]", "cat((a, b), dim=1)", "f32[3,2] f32[3,2]", "z,w", "f32[3, 4]");
    expect_refused("a, b", "cat((a, b), dim=0)", "f32[2,3] f32[2,4]", EINJIT_E_SHAPE,
                   "axis 1 is 3 in operand 0 and 4 in operand 1");
    expect_refused("a, b", "cat((a, b), dim=0)", "f32[2,3] f32[3]", EINJIT_E_RANK, "operand 1 has 1");
    expect_refused("a, b", "stack((a, b), dim=0)", "f32[1] f32[2]", EINJIT_E_SHAPE, "stack: axis 0");
    expect_refused("a, b", "cat((a, b), dim=0)", "f32[] f32[]", EINJIT_E_RANK, "scalars");
}

static void indices_select_and_add_rows(void **state)
{
    (void)state;
    expect_result("a, i", "index_select(a, 1, i)", "f32[2,3] i32[7]", "f32[2, 7]");
    expect_result("a, i", "a[i]", "f32[2,3] i64[7]", "f32[7, 3]");
    expect_result("i, v", "index_add(5, 0, i, v)", "i64[7] f32[7,3]", "f32[5, 3]");
    expect_result("i, v", "index_add(5, -1, i, v)", "i64[7] i32[3,7]", "i32[3, 5]");
    expect_open("x: f32[n, 3], i: i64[e]", "index_add(n, 0, i, x[i])", "f32[4,3] i64[9]", "n,e", "f32[n, 3]");
    expect_refused("a, i", "a[i]", "f32[2,3] f32[7]", EINJIT_E_DTYPE, "index of index_select is f32");
    expect_refused("a, i", "index_select(a, 0, i)", "f32[2,3] i64[7,1]", EINJIT_E_RANK, "2 axes");
    expect_refused("i, v", "index_add(5, 0, i, v)", "i64[7] f32[6,3]", EINJIT_E_DIM,
                   "index has 7 entries, axis 0 of the value has 6");
    expect_refused("i, v", "index_add(5, 0, i, v)", "i64[7] bool[7]", EINJIT_E_DTYPE, "bool");
    expect_refused("i, v", "index_add(5, 1, i, v)", "i64[7] f32[7]", EINJIT_E_VALUE, "axis 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutations_move_extents),
        cmocka_unit_test(reshapes_keep_the_element_count),
        cmocka_unit_test(reshapes_know_products_of_open_extents),
        cmocka_unit_test(expansions_stretch_ones),
        cmocka_unit_test(axes_of_one_come_and_go),
        cmocka_unit_test(slices_clamp_as_python),
        cmocka_unit_test(slices_of_open_extents_follow_them),
        cmocka_unit_test(joins_add_extents),
        cmocka_unit_test(indices_select_and_add_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
