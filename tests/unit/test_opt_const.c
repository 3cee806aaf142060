/* test_opt_const.c - what is computed at compile time, and what is left for the run. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static void stays(const char *program)
{
    graph_expect("const", program, program);
}

static void what_follows_from_constants_is_one(void **state)
{
    (void)state;
    graph_expect("const",
                 "def forward(x):\n    a = tensor([[1.0, 2.0], [3.0, 4.0]], dtype=f32)\n    b = a @ a\n    c = exp(b * 0.0)\n"
                 "    d = b + c\n    return x * d, b\n",
                 "def forward(x):\n    b = tensor([[7.0, 10.0], [15.0, 22.0]], dtype=f32)\n"
                 "    d = tensor([[8.0, 11.0], [16.0, 23.0]], dtype=f32)\n    mul_2 = x * d\n    return mul_2, b\n");
}

static void dtypes_are_those_of_every_run(void **state)
{
    (void)state;
    graph_expect("const", "def forward(x):\n    a = tensor([2147483647, -2147483648], dtype=i32)\n    b = a + 1\n    return x + b\n",
                 "def forward(x):\n    b = tensor([-2147483648, -2147483647], dtype=i32)\n    add_1 = x + b\n    return add_1\n");
    graph_expect("const", "def forward(x):\n    a = tensor([3, 4], dtype=i32)\n    b = a / 2\n    return x + b\n",
                 "def forward(x):\n    b = tensor([1.5, 2.0], dtype=f64)\n    add_1 = x + b\n    return add_1\n");
    graph_expect("const", "def forward(x):\n    a = tensor([True, False])\n    b = einsum(\"i,i->\", a, a)\n    return b\n",
                 "def forward(x):\n    b = tensor(True, dtype=bool)\n    return b\n");
    graph_expect("const", "def forward(x):\n    a = tensor([0.1, 0.7], dtype=f32)\n    b = a.to(f64)\n    return b\n",
                 "def forward(x):\n    b = tensor([0.10000000149011612, 0.699999988079071], dtype=f64)\n    return b\n");
}

static void what_is_computed_from_literals_is_no_literal(void **state)
{
    (void)state;
    graph_expect("const", "def forward(x):\n    a = mul(2, 3)\n    b = sqrt(4.0)\n    return x + a, x * b\n",
                 "def forward(x):\n    a = tensor(6, dtype=i64)\n    b = tensor(2.0, dtype=f64)\n    add_1 = x + a\n    mul_1 = x * b\n"
                 "    return add_1, mul_1\n");
}

static void what_an_input_decides_stays(void **state)
{
    (void)state;
    stays("def forward(x: f32[n]):\n    a = tensor([1.0], dtype=f32)\n    b = a.expand((n,))\n    c = x + b\n    return c\n");
    stays("def forward(x: f32[2, 3]):\n    a = tensor([1.0, 2.0, 3.0], dtype=f32)\n    b = x * a\n    return b\n");
    stays("def forward(x: f32[3]):\n    a = tensor([[1.0, 2.0, 3.0]], dtype=f32)\n    b = a.expand((4, 3))\n"
          "    c = x * b\n    return c\n"); /* an expand costs nothing */
}

static void a_wrong_program_is_left_to_bind(void **state)
{
    (void)state;
    stays("def forward(x):\n    a = tensor([1.0, 2.0], dtype=f32)\n    b = tensor([1.0, 2.0, 3.0], dtype=f32)\n    c = a + b\n"
          "    d = x + c\n    return d\n");
    stays("def forward(x):\n    a = tensor([1.0, 2.0], dtype=f32)\n    i = tensor([0, 2], dtype=i64)\n    j = i + 1\n    c = index_select(a, 0, j)\n"
          "    d = x + c\n    return d\n");
}

static void zeros_that_were_promised_stay_promised(void **state)
{
    (void)state;
    graph_expect("const",
                 "def forward(x):\n    a = structural(tensor([[0.0, 2.0], [3.0, 4.0]], dtype=f32))\n    b = permute(a, (1, 0))\n"
                 "    return x @ b\n",
                 "def forward(x):\n    tensor_2 = tensor([[0.0, 3.0], [2.0, 4.0]], dtype=f32)\n    b = structural(tensor_2)\n"
                 "    matmul_1 = x @ b\n    return matmul_1\n");
    graph_expect("const",
                 "def forward(x):\n    a = structural(tensor([0.0, 2.0], dtype=f32))\n    b = a * 0.5\n    return x + b\n",
                 "def forward(x):\n    b = tensor([0.0, 1.0], dtype=f32)\n    add_1 = x + b\n    return add_1\n");
}

/* ---- einsums ---- */

#define C22 "tensor([[1.0, 2.0], [3.0, 4.0]], dtype=f32)"
#define D22 "tensor([[0.0, 1.0], [1.0, 0.0]], dtype=f32)"

static void constants_of_an_einsum_are_contracted_first(void **state)
{
    (void)state;
    graph_expect("const",
                 "def forward(x: f32[z, 2]):\n    a = " C22 "\n    b = " D22 "\n    y = einsum(\"zi,ij,jk->zk\", x, a, b)\n"
                 "    return y\n",
                 "def forward(x: f32[z, 2]):\n    tensor_1 = tensor([[2.0, 1.0], [4.0, 3.0]], dtype=f32)\n"
                 "    y = einsum(\"zi,ik->zk\", x, tensor_1)\n    return y\n");
    graph_expect("const", /* a label that only the constant has */
                 "def forward(x: f32[z, 2]):\n    a = " C22 "\n    y = einsum(\"zi,ij->zi\", x, a)\n    return y\n",
                 "def forward(x: f32[z, 2]):\n    tensor_1 = tensor([3.0, 7.0], dtype=f32)\n"
                 "    y = einsum(\"zi,i->zi\", x, tensor_1)\n    return y\n");
    graph_expect("const", /* ... and two that share one, but not all three */
                 "def forward(x: f32[2, 2, 2]):\n    a = " C22 "\n    b = " D22 "\n    c = tensor([5.0, 6.0], dtype=f32)\n"
                 "    y = einsum(\"ijk,il,jm,m->kl\", x, a, b, c)\n    return y\n",
                 "def forward(x: f32[2, 2, 2]):\n    a = " C22 "\n    tensor_1 = tensor([6.0, 5.0], dtype=f32)\n"
                 "    y = einsum(\"ijk,il,j->kl\", x, a, tensor_1)\n    return y\n");
}

static void they_are_not_where_that_is_not_sure_to_pay(void **state)
{
    (void)state;
    stays("def forward(x: f32[3, 3]):\n    a = tensor([1.0, 2.0, 3.0], dtype=f32)\n    b = tensor([4.0, 5.0, 6.0], dtype=f32)\n"
          "    y = einsum(\"ij,i,j->ij\", x, a, b)\n    return y\n"); /* 9 elements for 6 */
    stays("def forward(x: f32[3, 3]):\n    a = tensor([[1.0], [2.0], [3.0]], dtype=f32)\n"
          "    b = tensor([[4.0, 5.0, 6.0]], dtype=f32)\n    y = einsum(\"ij,ik,kj->ij\", x, a, b)\n    return y\n");
}

static void they_are_contracted_in_the_dtype_of_the_einsum(void **state)
{
    (void)state;
    graph_expect("const", /* 2^16 * 2^16 is no i32, but the einsum computes in f64 */
                 "def forward(x: f64[z]):\n    a = tensor([65536, 2], dtype=i32)\n    b = tensor([65536, 3], dtype=i32)\n"
                 "    y = einsum(\"z,i,i->z\", x, a, b)\n    return y\n",
                 "def forward(x: f64[z]):\n    tensor_1 = tensor(4294967302.0, dtype=f64)\n"
                 "    y = einsum(\"z,->z\", x, tensor_1)\n    return y\n");
    graph_expect("const",
                 "def forward(x: i32[z]):\n    a = tensor([True, True])\n    b = tensor([True, True])\n"
                 "    y = einsum(\"z,i,i->z\", x, a, b)\n    return y\n",
                 "def forward(x: i32[z]):\n    tensor_1 = tensor(2, dtype=i32)\n    y = einsum(\"z,->z\", x, tensor_1)\n    return y\n");
    stays("def forward(x: any[z]):\n    a = tensor([65536, 2], dtype=i32)\n    b = tensor([65536, 3], dtype=i32)\n"
          "    y = einsum(\"z,i,i->z\", x, a, b)\n    return y\n");
}

static void other_semirings_only_combine(void **state)
{
    (void)state;
    stays("def forward(x: f32[z]):\n    a = tensor([-1.0, 2.0], dtype=f32)\n    b = tensor([3.0, 4.0], dtype=f32)\n"
          "    y = einsum(\"z,i,i->z\", x, a, b, reduce=\"max\")\n    return y\n"); /* a negative x turns it around */
    graph_expect("const",
                 "def forward(x: f32[2]):\n    a = tensor([-1.0, 2.0], dtype=f32)\n    b = tensor([3.0, 4.0], dtype=f32)\n"
                 "    y = einsum(\"i,i,i->\", x, a, b, reduce=\"max\", combine=\"add\")\n    return y\n",
                 "def forward(x: f32[2]):\n    tensor_1 = tensor([2.0, 6.0], dtype=f32)\n"
                 "    y = einsum(\"i,i->\", x, tensor_1, reduce=\"max\", combine=\"add\")\n    return y\n");
}

static void factors_become_one(void **state)
{
    (void)state;
    graph_expect("const", "def forward(x):\n    y = einsum(\",ij,,->ji\", 2, x, 0.5, 3)\n    return y\n",
                 "def forward(x):\n    y = einsum(\",ij->ji\", 3.0, x)\n    return y\n");
    graph_expect("const", "def forward(x):\n    y = einsum(\",i,->i\", 2, x, 3)\n    return y\n",
                 "def forward(x):\n    y = einsum(\",i->i\", 6, x)\n    return y\n");
    graph_expect("const", "def forward(x):\n    y = einsum(\",i,->i\", 2j, x, 3j)\n    return y\n",
                 "def forward(x):\n    y = einsum(\",i->i\", (-6.0+0.0j), x)\n    return y\n");
    stays("def forward(x):\n    y = einsum(\",i,->i\", 100000, x, 100000)\n    return y\n");   /* no i32 */
    stays("def forward(x):\n    y = einsum(\",,i,->i\", 5000000000, 5000000000, x, 0)\n    return y\n"); /* nor i64 on the way */
    stays("def forward(x):\n    y = einsum(\",i,->i\", 1e+30, x, 1e+30)\n    return y\n");     /* no f32 */
    stays("def forward(x):\n    y = einsum(\",i,->i\", float(\"inf\"), x, 0.0)\n    return y\n");
    graph_expect("const", /* into the constant, at no cost */
                 "def forward(x: f32[2, z]):\n    a = " C22 "\n    y = einsum(\"ij,jz,->iz\", a, x, 2.0)\n    return y\n",
                 "def forward(x: f32[2, z]):\n    tensor_1 = tensor([[2.0, 4.0], [6.0, 8.0]], dtype=f32)\n"
                 "    y = einsum(\"ij,jz->iz\", tensor_1, x)\n    return y\n");
    stays("def forward(x: f32[2, z]):\n    a = " C22 "\n    y = einsum(\"ij,jz,->iz\", a, x, 2.0)\n    return y, a\n");
    graph_expect("const",
                 "def forward(x: f32[2, z]):\n    a = structural(" D22 ")\n    y = einsum(\"ij,jz,->iz\", a, x, 2.0)\n    return y\n",
                 "def forward(x: f32[2, z]):\n    tensor_2 = tensor([[0.0, 2.0], [2.0, 0.0]], dtype=f32)\n"
                 "    structural_1 = structural(tensor_2)\n    y = einsum(\"ij,jz->iz\", structural_1, x)\n    return y\n");
}

static void results_that_leave_the_range_stay_uncomputed(void **state)
{
    (void)state;
    stays("def forward(x: f32[z]):\n    a = tensor([1e+25, 2.0], dtype=f32)\n    b = tensor([1e+25, 3.0], dtype=f32)\n"
          "    y = einsum(\"z,i,i->z\", x, a, b)\n    return y\n");
    stays("def forward(x: f32[z]):\n    a = tensor([1e-25, 2.0], dtype=f32)\n    b = tensor([1e-25, 3.0], dtype=f32)\n"
          "    y = einsum(\"z,i,i->z\", x, a, b)\n    return y\n");
}

/* ---- bounds ---- */

static ej_value ramp(graph_fixture *f, int64_t n, int64_t m)
{
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = EINJIT_F64, .rank = 2, .n_extents = 2};
    ej_value v = -1;
    double *data = EJ_NEW_ARRAY(&f->graph.arena, double, (size_t)(n * m));
    node.extents = EJ_NEW_ARRAY(&f->graph.arena, ej_extent, 2);
    assert_true(data && node.extents);
    for (int64_t i = 0; i < n * m; i++) data[i] = (double)(i % 7);
    node.extents[0].n = n;
    node.extents[1].n = m;
    node.data = data;
    assert_int_equal(ej_graph_append(&f->graph, &node, &v, &f->err), EINJIT_OK);
    return v;
}

static void work_and_growth_are_bounded(void **state)
{
    (void)state;
    const struct {
        int64_t n, m;
        const char *equation;
        size_t einsums;
    } cases[] = {
        {20, 20, "ij,jk->ik", 0},
        {200, 200, "ij,jk->ik", 1},     /* 8 million products */
        {360, 1, "ij,kl->ijkl", 0},     /* 1.04 MB of which 2 * 2.9 KB were there */
        {363, 1, "ij,kl->ijkl", 1},     /* 1.05 MB: too large (and 2^18 is not reached) */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        graph_fixture f;
        graph_open(&f);
        ej_value a = ramp(&f, cases[i].n, cases[i].m), b = ramp(&f, cases[i].n, cases[i].m);
        graph_output(&f, graph_einsum(&f, cases[i].equation, a, b));
        graph_optimize(&f, "const");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), cases[i].einsums);
        graph_close(&f);
    }
}

static void what_is_refused_is_computed_up_to_there(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = ramp(&f, 200, 200), b = graph_map(&f, EJ_FN_ADD, a, a);
    graph_output(&f, graph_einsum(&f, "ij,jk->ik", b, a));
    graph_optimize(&f, "const");
    assert_int_equal(graph_count(&f, EJ_OP_EINSUM), 1);
    assert_int_equal(graph_count(&f, EJ_OP_MAP), 0);
    assert_int_equal(graph_count(&f, EJ_OP_CONSTANT), 2);
    graph_close(&f);
}

static void nobody_to_compute_is_nothing_to_do(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    graph_output(&f, graph_map(&f, EJ_FN_SQRT, graph_literal(&f, 4.0), -1));
    f.job.evaluator = NULL;
    graph_optimize(&f, "const");
    assert_int_equal(graph_count(&f, EJ_OP_MAP), 1);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_from_constants_is_one),
        cmocka_unit_test(dtypes_are_those_of_every_run),
        cmocka_unit_test(what_is_computed_from_literals_is_no_literal),
        cmocka_unit_test(what_an_input_decides_stays),
        cmocka_unit_test(a_wrong_program_is_left_to_bind),
        cmocka_unit_test(zeros_that_were_promised_stay_promised),
        cmocka_unit_test(constants_of_an_einsum_are_contracted_first),
        cmocka_unit_test(they_are_not_where_that_is_not_sure_to_pay),
        cmocka_unit_test(they_are_contracted_in_the_dtype_of_the_einsum),
        cmocka_unit_test(other_semirings_only_combine),
        cmocka_unit_test(factors_become_one),
        cmocka_unit_test(results_that_leave_the_range_stay_uncomputed),
        cmocka_unit_test(work_and_growth_are_bounded),
        cmocka_unit_test(what_is_refused_is_computed_up_to_there),
        cmocka_unit_test(nobody_to_compute_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
