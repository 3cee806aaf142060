/* test_api_gradient.c - the call: what it is given, what it refuses and how, and gradients of gradients. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;
static einjit_context *context;

static int open_context(void **state)
{
    (void)state;
    context = api_context("interp");
    return 0;
}

static int close_context(void **state)
{
    (void)state;
    einjit_context_release(context);
    return 0;
}

static void ok(int status)
{
    if (status) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

static char *printed(const einjit_graph *graph)
{
    size_t n;
    ok(einjit_graph_print(graph, NULL, 0, &n, &err));
    char *text = malloc(n + 1);
    assert_non_null(text);
    ok(einjit_graph_print(graph, text, n + 1, NULL, &err));
    return text;
}

/* The gradient of the first result by `name` fails with this reason and text, and leaves the graph as it was, to go on
 * with. */
static void refused(const char *program, const char *name, int reason, const char *text)
{
    einjit_graph *graph = api_graph(context, program);
    char *before = printed(graph);
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, name), out = 77;
    assert_true(x >= 0);
    size_t n = einjit_graph_node_count(graph);
    int status = einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err);
    if (status != reason) fail_msg("%s for %s: %s", einjit_status_name(status), einjit_status_name(reason), err.text);
    if (!strstr(err.text, text)) fail_msg("'%s' for '%s'", err.text, text);
    assert_int_equal(out, 77);
    assert_int_equal(einjit_graph_node_count(graph), n);
    char *after = printed(graph);
    assert_string_equal(before, after);
    ok(einjit_graph_verify(graph, &err));
    ok(einjit_graph_output(graph, x, &err));
    free(before);
    free(after);
    einjit_graph_destroy(graph);
}

static void an_operation_without_a_gradient_is_named(void **state)
{
    (void)state;
    refused("def f(x: f64[2]):\n    k = x.to(i64)\n    return sum(k * 1.5)\n", "x", EINJIT_E_UNSUPPORTED,
            "'to' (value 'k') has no gradient: its result is i64");
    refused("def f(x: f64[2]):\n    a = any(x)\n    return sum(a.to(f64))\n", "x", EINJIT_E_UNSUPPORTED,
            "'any' (value 'a')");
    refused("def f(x: f64[2]):\n    m = x.to(bool)\n    return einsum(\"i->\", m, reduce=\"or\").to(f64)\n", "x",
            EINJIT_E_UNSUPPORTED, "its result is bool");
}

/* As in PyTorch: a mask is a constant of the point, and what it lets through counts. */
static void masks_have_no_gradient(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        double expected[3];
    } cases[] = {
        {"def f(x: f64[3]):\n    m = x > 0.0\n    return sum(m.to(f64) * x * x)\n", {0, 0, 6}},
        {"def f(x: f64[3]):\n    m = x == 0.0\n    return sum(m.to(f64) + x)\n", {1, 1, 1}},
        {"def f(x: f64[3]):\n    return sum(where(logical_and(x > -3.0, x < 2.0), x * 5.0, x))\n", {5, 5, 1}},
        {"def f(x: f64[3]):\n    m = x >= 1.0\n    return einsum(\"i->\", m, reduce=\"or\").to(f64)\n", {0, 0, 0}}};
    double x[3] = {-2, 0, 3}, dx[3];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        einjit_graph *graph = api_graph(context, cases[k].program);
        einjit_value y = einjit_graph_output_value(graph, 0), wrt = einjit_graph_value(graph, "x"), out;
        double value;
        ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &wrt, &err));
        ok(einjit_graph_output(graph, out, &err));
        einjit_tensor in = TENSOR(x, EINJIT_F64, 3),
                      results[] = {SCALAR(&value, EINJIT_F64), TENSOR(dx, EINJIT_F64, 3)};
        ok(einjit_call(context, graph, 1, &in, 2, results, &err));
        for (int i = 0; i < 3; i++) assert_true(dx[i] == cases[k].expected[i]);
        einjit_graph_destroy(graph);
    }
}

static void integers_and_literals_are_not_differentiated_by(void **state)
{
    (void)state;
    refused("def f(x: f64[2], src: i64[2]):\n    return sum(x[src])\n", "src", EINJIT_E_DTYPE,
            "by 'src': its dtype is i64");
    refused("def f(x: f64[2]):\n    two = mul(2.0, 1.0)\n    lone = 3.0\n    return sum(x)\n", "lone", EINJIT_E_VALUE,
            "is a literal");
    refused("def f(x: i64[2]):\n    return sum(x)\n", "x", EINJIT_E_DTYPE, "by 'x': its dtype is i64");
}

static void a_rank_that_is_needed_and_not_known_is_named(void **state)
{
    (void)state;
    refused("def f(x: f64, w: f64[3]):\n    return sum(einsum(\"...i,i->...\", x, w))\n", "w", EINJIT_E_RANK,
            "needs the rank of 'x'");
    refused("def f(x: f64):\n    return exp(x)\n", "x", EINJIT_E_RANK, "needs the rank of 'x'");
    refused("def f(x: f64[3]):\n    return exp(x)\n", "x", EINJIT_E_RANK, "has 1 axes: its gradient needs a seed");
    refused("def f(x: f64[n, 2]):\n    s = squeeze(x, 0)\n    return sum(s @ s)\n", "x", EINJIT_E_RANK,
            "the rank of 's', which depends on extents");
}

/* bind refuses the program; its gradient must not look for the axes that the term has and the operand has not. */
static void a_term_of_another_length_than_the_rank_is_named(void **state)
{
    (void)state;
    const char *text = "operand 0 has 1 axis but its term 'ensum' names 5 (operand 'a' of einsum 'y')";
    refused("def f(a: f32[z], b: f32[()]):\n    y = einsum(\"ensum,,\", a, b, 2)\n    return sum(y)\n", "a",
            EINJIT_E_RANK, text);
    refused("def f(a: f32[z], b: f32[()]):\n    y = einsum(\"ensum,,\", a, b, 2)\n    return sum(y)\n", "b",
            EINJIT_E_RANK, text);
    refused("def f(a: f32[z, 3], b: f32[z]):\n    return sum(einsum(\"i,i\", b, a))\n", "b", EINJIT_E_RANK,
            "operand 1 has 2 axes but its term 'i' names 1 (operand 'a' of einsum 'einsum_1')");
    refused("def f(a: f32[z]):\n    return einsum(\"i...j->\", a)\n", "a", EINJIT_E_RANK,
            "operand 0 has 1 axis but its term 'i...j' names at least 2 (operand 'a' of einsum 'einsum_1')");
    refused("def f(a: f32[z]):\n    return einsum(\"ij->\", a, reduce=\"max\")\n", "a", EINJIT_E_RANK,
            "names 2 (operand 'a'");
}

static void a_term_of_a_hundred_thousand_letters_is_refused(void **state)
{
    (void)state;
    enum { LETTERS = 100000 };
    char *program = malloc(LETTERS + 200);
    assert_non_null(program);
    size_t n = (size_t)sprintf(program, "def f(a: f64[2]):\n    return einsum(\"");
    memset(program + n, 'i', LETTERS);
    strcpy(program + n + LETTERS, "->\", a)\n");
    refused(program, "a", EINJIT_E_RANK, "operand 0 has 1 axis but its term");
    free(program);
}

/* Where the way does not lead through it, nothing is refused. */
static void what_lies_beside_the_way_may_have_no_gradient(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f64[2], src: i64[2], y: f64):\n"
                                             "    m = einsum(\"...i->...\", y) > 0.0\n"
                                             "    return sum(where(x > 0.0, x[src], 2.0 * x)), m\n");
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err));
    einjit_graph_destroy(graph);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    const char *program = "def f(x: f64[2]):\n    return sum(x)\n";
    einjit_value out, far = 9, x = 0, negative = -1;
    struct {
        size_t n_y;
        const einjit_value *y, *wrt;
    } calls[] = {{1, &far, &x}, {1, &x, &far}, {1, NULL, &x}, {1, &x, NULL}, {1, &negative, &x}, {1, &x, &negative}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        einjit_graph *graph = api_graph(context, program);
        assert_int_equal(einjit_graph_gradient(&out, graph, calls[i].n_y, calls[i].y, NULL, 1, calls[i].wrt, &err),
                         EINJIT_E_INVALID);
        einjit_graph_destroy(graph);
    }
    einjit_graph *graph = api_graph(context, program);
    assert_int_equal(einjit_graph_gradient(NULL, graph, 0, NULL, NULL, 0, NULL, &err), EINJIT_E_INVALID);
    ok(einjit_graph_freeze(graph, &err));
    assert_int_equal(einjit_graph_gradient(&out, graph, 1, &x, NULL, 1, &x, &err), EINJIT_E_FROZEN);
    assert_int_equal(einjit_graph_gradient(&out, NULL, 1, &x, NULL, 1, &x, &err), EINJIT_E_INVALID);
    einjit_graph_destroy(graph);
}

static void values_are_found_by_name_and_place(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f64[a, 2], y: f64):\n    z = sum(x, dim=1)\n    return z, y\n");
    einjit_value z = einjit_graph_value(graph, "z");
    assert_true(z >= 0 && z == einjit_graph_output_value(graph, 0));
    assert_int_equal(einjit_graph_rank(graph, z), 1);
    assert_int_equal(einjit_graph_rank(graph, einjit_graph_value(graph, "y")), -1);
    assert_int_equal(einjit_graph_value(graph, "a"), -1);
    assert_int_equal(einjit_graph_value(graph, NULL), -1);
    assert_int_equal(einjit_graph_output_value(graph, 2), -1);
    assert_int_equal(einjit_graph_rank(graph, 99), -1);
    einjit_graph_destroy(graph);
}

/* ---- results ---- */

static void seeds_weigh_the_results(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(
        context, "def f(x: f64[2], s: f64[2], t: f64[()]):\n    y = x * x\n    z = 3.0 * x\n    return y, z, sum(x)\n");
    einjit_value y[3], seeds[3] = {einjit_graph_value(graph, "s"), einjit_graph_value(graph, "t"), -1};
    einjit_value wrt[3] = {einjit_graph_value(graph, "x"), einjit_graph_value(graph, "y"),
                           einjit_graph_value(graph, "x")},
                 out[3];
    for (size_t i = 0; i < 3; i++) y[i] = einjit_graph_output_value(graph, i);
    ok(einjit_graph_gradient(out, graph, 3, y, seeds, 3, wrt, &err));
    assert_int_equal(out[0], out[2]);
    for (size_t i = 0; i < 2; i++) ok(einjit_graph_output(graph, out[i], &err));
    double x[] = {5, 7}, s[] = {10, 100}, t = 0.5, r[5][2];
    einjit_tensor in[] = {TENSOR(x, EINJIT_F64, 2), TENSOR(s, EINJIT_F64, 2), SCALAR(&t, EINJIT_F64)};
    einjit_tensor results[] = {TENSOR(r[0], EINJIT_F64, 2), TENSOR(r[1], EINJIT_F64, 2), SCALAR(r[2], EINJIT_F64),
                               TENSOR(r[3], EINJIT_F64, 2), TENSOR(r[4], EINJIT_F64, 2)};
    ok(einjit_call(context, graph, 3, in, 5, results, &err));
    assert_true(r[3][0] == 2 * 5 * 10 + 3 * 0.5 + 1 && r[3][1] == 2 * 7 * 100 + 3 * 0.5 + 1);
    assert_true(r[4][0] == 10 && r[4][1] == 100); /* by y itself: its seed */
    einjit_graph_destroy(graph);
}

static void what_is_not_reached_has_zeros(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f32[2], y: f64[()]):\n    return y * 2.0\n");
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err));
    ok(einjit_graph_output(graph, out, &err));
    float nan[2] = {NAN, INFINITY}, zeros[2] = {1, 1};
    double one = 1, two;
    einjit_tensor in[] = {TENSOR(nan, EINJIT_F32, 2), SCALAR(&one, EINJIT_F64)};
    einjit_tensor results[] = {SCALAR(&two, EINJIT_F64), TENSOR(zeros, EINJIT_F32, 2)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(zeros[0] == 0 && zeros[1] == 0);
    einjit_graph_destroy(graph);
}

/* 100 parts of 1, 2, 3, 1, ... elements: each brings back the weights that stand under it, times its number. */
static void a_cat_of_many_is_cut_into_parts_of_parts(void **state)
{
    (void)state;
    enum { N = 100, WEIGHTS = 199 };
    char program[8000];
    size_t n = (size_t)snprintf(program, sizeof program, "def f(x: f64[3], w: f64[%d]):\n", WEIGHTS);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(program + n, sizeof program - n, "    p%d = x[:%d] * %d.0\n", i, i % 3 + 1, i);
    n += (size_t)snprintf(program + n, sizeof program - n, "    return sum(w * cat([");
    for (int i = 0; i < N; i++) n += (size_t)snprintf(program + n, sizeof program - n, "%sp%d", i ? ", " : "", i);
    snprintf(program + n, sizeof program - n, "], 0))\n");
    einjit_graph *graph = api_graph(context, program);
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err));
    ok(einjit_graph_output(graph, out, &err));
    double values[3] = {1, 2, 3}, weights[WEIGHTS], sum, gradient[3], expected[3] = {0};
    for (int i = 0, at = 0; i < N; i++)
        for (int k = 0; k <= i % 3; k++, at++) {
            weights[at] = at % 7 - 3;
            expected[k] += i * weights[at];
        }
    einjit_tensor in[] = {TENSOR(values, EINJIT_F64, 3), TENSOR(weights, EINJIT_F64, WEIGHTS)};
    einjit_tensor results[] = {SCALAR(&sum, EINJIT_F64), TENSOR(gradient, EINJIT_F64, 3)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    for (int k = 0; k < 3; k++) assert_true(gradient[k] == expected[k]);
    char *text = printed(graph);
    assert_true(strlen(text) < 50000); /* with all names in each of the 100 lines it is 77,000 */
    free(text);
    einjit_graph_destroy(graph);
}

/* Dtypes that nobody says: the gradient has that of its input, whatever it meets. */
static void a_gradient_has_the_dtype_of_what_it_is_by(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x, w: f64):\n    return sum(x * w)\n");
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err));
    ok(einjit_graph_output(graph, out, &err));
    float values[2] = {1, 2}, gradient[2];
    double w[2] = {3, 4}, sum;
    int64_t whole[2] = {1, 2};
    einjit_tensor in[] = {TENSOR(values, EINJIT_F32, 2), TENSOR(w, EINJIT_F64, 2)};
    einjit_tensor results[] = {SCALAR(&sum, EINJIT_F64), TENSOR(gradient, EINJIT_F32, 2)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(sum == 11 && gradient[0] == 3 && gradient[1] == 4);
    in[0] = TENSOR(whole, EINJIT_I64, 2);
    results[1] = TENSOR(whole, EINJIT_I64, 2);
    assert_int_equal(einjit_call(context, graph, 2, in, 2, results, &err), EINJIT_E_DTYPE);
    assert_non_null(strstr(err.text, "'x'"));
    einjit_graph_destroy(graph);
}

/* The gradient by `x` of a program of one input, two f32 or one c64. */
static void gradient_in_single(const char *program, int dtype, float x[2], float g[2])
{
    einjit_graph *graph = api_graph(context, program);
    einjit_value y = einjit_graph_output_value(graph, 0), wrt = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &wrt, &err));
    ok(einjit_graph_output(graph, out, &err));
    float loss;
    int64_t n = dtype == EINJIT_C64 ? 1 : 2;
    einjit_tensor in[] = {TENSOR(x, dtype, n)}, results[] = {SCALAR(&loss, EINJIT_F32), TENSOR(g, dtype, n)};
    ok(einjit_call(context, graph, 1, in, 2, results, &err));
    einjit_graph_destroy(graph);
}

/* Literals are weak in gradients too: what is computed from them (a conjugate, a logarithm) makes nothing wider. */
static void literals_do_not_widen_gradients(void **state)
{
    (void)state;
    float x[2] = {1, 2}, g[2];
    gradient_in_single("def f(x: c64[1]):\n    return sum(real(x * (1 + 2j)))\n", EINJIT_C64, x, g);
    assert_true(g[0] == 1 && g[1] == -2);
    gradient_in_single("def f(x: c64[1]):\n    return sum(real(x / 2j))\n", EINJIT_C64, x, g);
    assert_true(g[0] == 0 && g[1] == 0.5);
    gradient_in_single("def f(x: f32[2]):\n    return sum(2 ** x)\n", EINJIT_F32, x, g);
    assert_true(fabs(g[0] - 2 * log(2)) < 1e-6 && fabs(g[1] - 4 * log(2)) < 1e-6);
    gradient_in_single("def f(x: f32[2]):\n    return sum(0.0 ** x)\n", EINJIT_F32, x, g);
    assert_true(g[0] == 0 && g[1] == 0);
}

/* A narrow base to a wide power: the power's precision. */
static void logarithms_are_as_wide_as_the_power(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f32[1], y: f64[1]):\n    return sum(x ** y)\n");
    einjit_value y = einjit_graph_output_value(graph, 0), wrt = einjit_graph_value(graph, "y"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &wrt, &err));
    ok(einjit_graph_output(graph, out, &err));
    float x = 3;
    double exponent = 2, loss, g;
    einjit_tensor in[] = {TENSOR(&x, EINJIT_F32, 1), TENSOR(&exponent, EINJIT_F64, 1)};
    einjit_tensor results[] = {SCALAR(&loss, EINJIT_F64), TENSOR(&g, EINJIT_F64, 1)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(fabs(g - 9 * log(3)) < 1e-13);
    einjit_graph_destroy(graph);
}

/* A narrow exponent of a wide base: it loses no bits when 1 is taken off. */
static void exponents_are_as_wide_as_the_power(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f64[1], y: f32[1]):\n    return sum(x ** y)\n");
    einjit_value y = einjit_graph_output_value(graph, 0), wrt = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &wrt, &err));
    ok(einjit_graph_output(graph, out, &err));
    double x = 3, loss, g;
    float exponent = 1e-6f;
    einjit_tensor in[] = {TENSOR(&x, EINJIT_F64, 1), TENSOR(&exponent, EINJIT_F32, 1)};
    einjit_tensor results[] = {SCALAR(&loss, EINJIT_F64), TENSOR(&g, EINJIT_F64, 1)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    double want = (double)exponent * pow(3, (double)exponent - 1);
    assert_true(fabs(g - want) < 1e-12 * want);
    einjit_graph_destroy(graph);
}

/* |z w|^2 by z: 2 z |w|^2, PyTorch's convention. */
static void complex_gradients_are_conjugated(void **state)
{
    (void)state;
    einjit_graph *graph =
        api_graph(context, "def f(z: c128[1], w: c128[1]):\n    p = z * w\n    return sum(real(p * conj(p)))\n");
    einjit_value y = einjit_graph_output_value(graph, 0), z = einjit_graph_value(graph, "z"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &z, &err));
    ok(einjit_graph_output(graph, out, &err));
    double zs[2] = {1, 2}, ws[2] = {3, -4}, loss, g[2];
    einjit_tensor in[] = {TENSOR(zs, EINJIT_C128, 1), TENSOR(ws, EINJIT_C128, 1)};
    einjit_tensor results[] = {SCALAR(&loss, EINJIT_F64), TENSOR(g, EINJIT_C128, 1)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(loss == 125 && g[0] == 50 && g[1] == 100);
    einjit_graph_destroy(graph);
}

/* x^4 three times: 24 x. */
static void gradients_of_gradients_of_gradients(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f64[2]):\n    return sum(einsum(\"i,i,i,i->i\", x, x, x, x))\n");
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), g = -1;
    for (int k = 0; k < 3; k++) {
        if (k) ok(einjit_graph_sum(&y, graph, g, 0, NULL, 0, &err));
        ok(einjit_graph_gradient(&g, graph, 1, &y, NULL, 1, &x, &err));
    }
    ok(einjit_graph_output(graph, g, &err));
    double xs[2] = {2, -3}, f, third[2];
    einjit_tensor in = TENSOR(xs, EINJIT_F64, 2), results[] = {SCALAR(&f, EINJIT_F64), TENSOR(third, EINJIT_F64, 2)};
    ok(einjit_call(context, graph, 1, &in, 2, results, &err));
    assert_true(f == 97 && third[0] == 48 && third[1] == -72);
    einjit_graph_destroy(graph);
}

/* One program for every number of rows, also 1, where an axis is stretched that otherwise is not. */
static void shapes_are_left_to_the_call(void **state)
{
    (void)state;
    einjit_graph *graph = api_graph(context, "def f(x: f64[:, :], w: f64[:, :]):\n    return sum(x * w)\n");
    einjit_value y = einjit_graph_output_value(graph, 0), x = einjit_graph_value(graph, "x"), out;
    ok(einjit_graph_gradient(&out, graph, 1, &y, NULL, 1, &x, &err));
    ok(einjit_graph_output(graph, out, &err));
    double xs[6] = {1, 2, 3, 4, 5, 6}, w[6] = {1, 2, 3, 4, 5, 6}, f, g[6];
    einjit_tensor in[] = {TENSOR(xs, EINJIT_F64, 2, 3), TENSOR(w, EINJIT_F64, 2, 3)};
    einjit_tensor results[] = {SCALAR(&f, EINJIT_F64), TENSOR(g, EINJIT_F64, 2, 3)};
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(f == 91 && g[0] == 1 && g[5] == 6);
    in[0] = TENSOR(xs, EINJIT_F64, 1, 3);
    results[1] = TENSOR(g, EINJIT_F64, 1, 3);
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(f == 1 * 5 + 2 * 7 + 3 * 9 && g[0] == 5 && g[1] == 7 && g[2] == 9);
    in[0] = TENSOR(xs, EINJIT_F64, 2, 1);
    results[1] = TENSOR(g, EINJIT_F64, 2, 1);
    ok(einjit_call(context, graph, 2, in, 2, results, &err));
    assert_true(f == 6 + 2 * 15 && g[0] == 6 && g[1] == 15);
    einjit_graph_destroy(graph);
}

static void the_gradient_is_program_text_like_any_other(void **state)
{
    (void)state;
    einjit_graph *graph =
        api_graph(context, "def f(x: f64[n, 2], y: f64[:, 1]):\n    z = cat([x, y], 1)\n    return sum(z * z)\n");
    einjit_value f = einjit_graph_output_value(graph, 0), wrt[2] = {0, 1}, out[2];
    ok(einjit_graph_gradient(out, graph, 1, &f, NULL, 2, wrt, &err));
    for (size_t i = 0; i < 2; i++) ok(einjit_graph_output(graph, out[i], &err));
    char *text = printed(graph);
    einjit_graph *again = api_graph(context, text);
    char *second = printed(again);
    assert_string_equal(text, second);
    assert_non_null(strstr(text, "split_as(add_1, [x, y], dim=1, part=1)"));
    free(text);
    free(second);
    einjit_graph_destroy(again);
    einjit_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_without_a_gradient_is_named),
        cmocka_unit_test(masks_have_no_gradient),
        cmocka_unit_test(integers_and_literals_are_not_differentiated_by),
        cmocka_unit_test(a_rank_that_is_needed_and_not_known_is_named),
        cmocka_unit_test(a_term_of_another_length_than_the_rank_is_named),
        cmocka_unit_test(a_term_of_a_hundred_thousand_letters_is_refused),
        cmocka_unit_test(what_lies_beside_the_way_may_have_no_gradient),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(values_are_found_by_name_and_place),
        cmocka_unit_test(seeds_weigh_the_results),
        cmocka_unit_test(what_is_not_reached_has_zeros),
        cmocka_unit_test(a_cat_of_many_is_cut_into_parts_of_parts),
        cmocka_unit_test(a_gradient_has_the_dtype_of_what_it_is_by),
        cmocka_unit_test(literals_do_not_widen_gradients),
        cmocka_unit_test(logarithms_are_as_wide_as_the_power),
        cmocka_unit_test(exponents_are_as_wide_as_the_power),
        cmocka_unit_test(complex_gradients_are_conjugated),
        cmocka_unit_test(gradients_of_gradients_of_gradients),
        cmocka_unit_test(shapes_are_left_to_the_call),
        cmocka_unit_test(the_gradient_is_program_text_like_any_other),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
