/* test_opt_canon.c - one spelling per meaning: what is rewritten, and what is left as it was written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

/* "x: f32[i, j]", "x * 1.0", "x": the result of the program of one line after the pass. */
static void becomes(const char *parameters, const char *written, const char *expected)
{
    char program[600], wanted[600];
    snprintf(program, sizeof program, "def forward(%s):\n    y = %s\n    return y\n", parameters, written);
    if (strchr(expected, '(') || strchr(expected, ' ') || strchr(expected, '['))
        snprintf(wanted, sizeof wanted, "def forward(%s):\n    y = %s\n    return y\n", parameters, expected);
    else
        snprintf(wanted, sizeof wanted, "def forward(%s):\n    return %s\n", parameters, expected);
    graph_expect("canon", program, wanted);
}

static void stays(const char *parameters, const char *written)
{
    becomes(parameters, written, written);
}

static void permutations_merge(void **state)
{
    (void)state;
    becomes("x", "permute(permute(x, (1, 2, 0)), (1, 2, 0))", "permute(x, (2, 0, 1))");
    becomes("x", "permute(permute(x, (1, 2, 0)), (0, 2, 1))", "permute(x, (1, 0, 2))");
    becomes("x", "permute(permute(x, (1, 2, 0)), (2, 0, 1))", "x");
    becomes("x", "permute(permute(x, (-2, -1, 0)), (-1, 0, 1))", "x");
    becomes("x", "permute(x, (0, -2, 2))", "x");
    stays("x", "permute(x, (1, 0))");
}

static void transpositions_are_permutations_where_the_rank_is_known(void **state)
{
    (void)state;
    becomes("x: f32[a, b, c]", "transpose(x, 0, -1)", "permute(x, (2, 1, 0))");
    becomes("x: f32[a, b, c]", "transpose(transpose(x, 0, 1), 1, 2)", "permute(x, (1, 2, 0))");
    becomes("x: f32[a, b, c]", "transpose(permute(x, (2, 1, 0)), 0, 2)", "x");
    becomes("x", "transpose(x, 1, 1)", "x");
    becomes("x", "transpose(transpose(x, 0, -1), -1, 0)", "x");
    stays("x", "transpose(x, 0, -1)");
    stays("x: f32[a, b]", "transpose(x, 0, 5)"); /* wrong: bind says so */
}

static void einsums_that_only_permute_are_permutations(void **state)
{
    (void)state;
    becomes("x", "einsum(\"ij->ij\", x)", "x");
    becomes("x", "einsum(\"...i->...i\", x)", "x");
    becomes("x", "einsum(\"ij->ij\", x, reduce=\"max\")", "x");
    becomes("x", "einsum(\"ijk->kij\", x)", "permute(x, (2, 0, 1))");
    stays("x", "einsum(\"ii->i\", x)");
    stays("x", "einsum(\"ij->i\", x)");
    stays("x", "einsum(\"i->...\", x)"); /* a sum */
    stays("x", "einsum(\"ij->...j\", x)");
    stays("x", "einsum(\"...i->i...\", x)");
    stays("x", "einsum(\"ij->ij\", x, reduce=\"logsumexp\")");
    graph_expect("canon", "def forward(x):\n    y = einsum(\"ij->i\", x)\n    z = einsum(\"i->i\", y)\n    return z\n",
                 "def forward(x):\n    y = einsum(\"ij->i\", x)\n    return y\n");
    graph_expect("canon", "def forward(x, w):\n    y = einsum(\"ij,jk->ik\", x, w)\n    z = einsum(\"ik->ki\", y)\n    return z\n",
                 "def forward(x, w):\n    y = einsum(\"ij,jk->ik\", x, w)\n    z = einsum(\"ik->ki\", y)\n    return z\n");
}

static void the_last_reshape_says_it_all(void **state)
{
    (void)state;
    becomes("x", "reshape(reshape(x, (4, -1)), (2, -1))", "reshape(x, (2, -1))");
    becomes("x", "reshape(squeeze(unsqueeze(x, 0), -1), (6,))", "reshape(x, (6,))");
    becomes("x", "squeeze(unsqueeze(x, -1), -1)", "x");
    becomes("x: f32[a, b]", "reshape(x, (a, b))", "x");
    becomes("x: f32[a, b]", "reshape(x, (-1, b))", "x");
    becomes("x: f32[a]", "reshape(x, (-1,))", "x");
    stays("x: f32[a, b]", "reshape(x, (b, a))");
    stays("x", "reshape(x, (-1,))");
    graph_expect("canon", "def forward(x):\n    y = unsqueeze(x, -1)\n    z = squeeze(y, 0)\n    return z\n",
                 "def forward(x):\n    y = unsqueeze(x, -1)\n    z = squeeze(y, 0)\n    return z\n");
}

static void expands_merge(void **state)
{
    (void)state;
    becomes("x: f32[1, b]", "expand(expand(x, (3, -1)), (2, -1, -1))", "x.expand((2, 3, -1))");
    becomes("x: f32[a, b]", "expand(x, (a, b))", "x");
    becomes("x", "expand(x, (-1, -1))", "x");
    stays("x: f32[a, b]", "x.expand((a, a))");
    stays("x: f32[a, b]", "x.expand((3, a, b))");
}

static void what_takes_all_takes_nothing(void **state)
{
    (void)state;
    becomes("x", "x[:, :]", "x");
    becomes("x", "x[0:, ...]", "x");
    becomes("x", "cat([x], dim=0)", "x");
    stays("x", "x[::2]");
    stays("x", "x[1:]");
    stays("x", "x[:3]");
    stays("x", "x[None]");
}

static void casts(void **state)
{
    (void)state;
    becomes("x: f32[i]", "x.to(f32)", "x");
    becomes("x: i32[i]", "x.to(f64).to(i64)", "x.to(i64)");
    becomes("x: f32[i]", "x.to(c128).to(f32)", "x");
    becomes("x: bool[i]", "x.to(f32).to(i32)", "x.to(i32)");
    stays("x: f32[i]", "x.to(f64)");
    stays("x", "x.to(f32)");
    graph_expect("canon", "def forward(x: f64[i]):\n    y = x.to(f32)\n    z = y.to(f64)\n    return z\n",
                 "def forward(x: f64[i]):\n    y = x.to(f32)\n    z = y.to(f64)\n    return z\n");
    graph_expect("canon", "def forward(x: i64[i]):\n    y = x.to(f64)\n    z = y.to(i32)\n    return z\n",
                 "def forward(x: i64[i]):\n    y = x.to(f64)\n    z = y.to(i32)\n    return z\n");
}

static void functions_of_themselves(void **state)
{
    (void)state;
    becomes("x", "-(-x)", "x");
    becomes("x", "conj(conj(x))", "x");
    becomes("x", "abs(-x)", "abs(x)");
    graph_expect("canon", "def forward(x):\n    r = relu(x)\n    return relu(r)\n", "def forward(x):\n    r = relu(x)\n    return r\n");
    graph_expect("canon", "def forward(x):\n    r = ceil(x)\n    return floor(r)\n", "def forward(x):\n    r = ceil(x)\n    return r\n");
    becomes("x: i32[i]", "round(x)", "x");
    becomes("x: f32[i]", "real(x)", "x");
    stays("x: f32[i]", "round(x)");
    stays("x: c64[i]", "conj(x)");
    graph_expect("canon", "def forward(x):\n    y = neg(2.0)\n    z = -y\n    return z, x * z\n", /* 2.0 would be weak again */
                 "def forward(x):\n    y = neg(2.0)\n    z = -y\n    mul_1 = x * z\n    return z, mul_1\n");
}

static void neutral_elements(void **state)
{
    (void)state;
    becomes("x: f32[i]", "x * 1.0", "x");
    becomes("x: f32[i]", "1 * x", "x");
    becomes("x: f64[i]", "x / 1", "x");
    becomes("x: i32[i]", "x + 0", "x");
    becomes("x: f32[i]", "x - 0.0", "x");
    becomes("x: f32[i]", "x + -0.0", "x");
    becomes("x: i64[i]", "x // 1", "x");
    becomes("x: f32[i]", "x ** 1", "x");
    stays("x: f32[i]", "x + 0.0"); /* -0.0 becomes 0.0 */
    stays("x: f32[i]", "0.0 - x");
    stays("x: f32[i]", "1.0 / x");
    stays("x: i32[i]", "x * 1.0"); /* f64 */
    stays("x: i32[i]", "x / 1");
    stays("x: bool[i]", "x * 1");
    stays("x: c64[i]", "x * 1.0"); /* Inf * (1 + 0j) has a NaN */
    stays("x: f32[i]", "x // 1");
    stays("x", "x * 1.0");
}

/* `sum` is one of x and n = -w. */
static void sign_stays(const char *parameters, const char *sum)
{
    char program[300];
    snprintf(program, sizeof program, "def forward(%s):\n    n = -w\n    y = %s\n    return y\n", parameters, sum);
    graph_expect("canon", program, program);
}

static void signs_go_into_sums(void **state)
{
    (void)state;
    const char *two = "x: f32[i], w: f32[i]";
    becomes(two, "x + (-w)", "x - w");
    becomes(two, "x - (-w)", "x + w");
    becomes(two, "(-x) + w", "w - x");
    becomes(two, "(-x) - (-w)", "w - x");
    becomes("x: i32[i], w: i32[i]", "x + (-w)", "x - w");
    becomes("x: i64[i], w: f32[i]", "x + (-w)", "x - w");
    becomes("x: i64[i], w: i32[i]", "(-x) + w", "w - x");
    sign_stays("x: i64[i], w: i32[i]", "x + n"); /* -w wraps as i32, and x - w does not */
    sign_stays("x: i64[i], w: i32[i]", "x - n");
    sign_stays("x: f64[i], w: i32[i]", "n + x");
    sign_stays("x, w", "x + n");
    graph_expect("canon", "def forward(x, y):\n    a = -x\n    z = a - y\n    return z\n",
                 "def forward(x, y):\n    a = -x\n    z = a - y\n    return z\n");
}

static void names_stay_with_what_they_named(void **state)
{
    (void)state;
    graph_expect("canon",
                 "def forward(x: f32[i, j], w: f32[j, k]):\n    t = transpose(x, 0, 1)\n    u = transpose(t, 0, 1)\n"
                 "    v = u @ w\n    n = -v\n    r = x.sum(dim=0) - n.sum()\n    return r, t\n",
                 "def forward(x: f32[i, j], w: f32[j, k]):\n    t = permute(x, (1, 0))\n    v = x @ w\n    n = -v\n"
                 "    sum_1 = sum(x, dim=0)\n    sum_2 = sum(n)\n    r = sum_1 - sum_2\n    return r, t\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutations_merge),
        cmocka_unit_test(transpositions_are_permutations_where_the_rank_is_known),
        cmocka_unit_test(einsums_that_only_permute_are_permutations),
        cmocka_unit_test(the_last_reshape_says_it_all),
        cmocka_unit_test(expands_merge),
        cmocka_unit_test(what_takes_all_takes_nothing),
        cmocka_unit_test(casts),
        cmocka_unit_test(functions_of_themselves),
        cmocka_unit_test(neutral_elements),
        cmocka_unit_test(signs_go_into_sums),
        cmocka_unit_test(names_stay_with_what_they_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
