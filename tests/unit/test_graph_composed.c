/* test_graph_composed.c - operators that are a few others: what they compute, and what they refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

static einjit_error err;

typedef struct computed {
    const char *body;
    int n;
    double want[8];
} computed;

/* Of x = [[1, 5, 2], [4, -3, 0]], y = [[2, 2, 2], [1, -3, 7]], m = x > y. */
static void values_are_those_of_torch(void **state)
{
    CONTEXT_OR_SKIP(context);
    const double e = 1e-12, third = log(exp(1) + exp(5) + exp(2));
    double x[] = {1, 5, 2, 4, -3, 0}, y[] = {2, 2, 2, 1, -3, 7};
    const computed cases[] = {
        {"log_softmax(x, 1)[0]", 3, {1 - third, 5 - third, 2 - third}},
        {"x.log_softmax(dim=-1)[0, 1:2]", 1, {5 - third}},
        {"clamp(x, 0, 4)", 6, {1, 4, 2, 4, 0, 0}},
        {"x.clamp(max=y)", 6, {1, 2, 2, 1, -3, 0}},
        {"clamp(x, min=3)", 6, {3, 5, 3, 4, 3, 3}},
        {"max(x)", 1, {5}},
        {"max(x, 1)", 2, {5, 4}},
        {"x.min(dim=0, keepdim=True)", 3, {1, -3, 0}},
        {"max(x, y)", 6, {2, 5, 2, 4, -3, 7}},
        {"min(x, other=y)", 6, {1, 2, 2, 1, -3, 0}},
        {"var(x, 1)", 2, {13.0 / 3, 37.0 / 3}},
        {"x.var(dim=1, correction=0)", 2, {26.0 / 9, 74.0 / 9}},
        {"x.var(1, unbiased=False)", 2, {26.0 / 9, 74.0 / 9}},
        {"x.var(1, False)", 2, {26.0 / 9, 74.0 / 9}},
        {"var(x, unbiased=True)", 1, {8.3}},
        {"var(x)", 1, {8.3}},
        {"1 / var(x, correction=7)", 1, {0}},
        {"x.std(0)", 3, {sqrt(4.5), sqrt(32), sqrt(2)}},
        {"std(x, 1, keepdim=True)", 2, {sqrt(13.0 / 3), sqrt(37.0 / 3)}},
        {"x.flatten()", 6, {1, 5, 2, 4, -3, 0}},
        {"x.T", 6, {1, 4, 5, -3, 2, 0}},
        {"stack([x, y]).mT[1]", 6, {2, 1, 2, -3, 2, 7}},
        {"masked_fill(x, x > y, -1)", 6, {1, -1, 2, -1, -3, 0}},
        {"x.masked_fill(~(x > y), 0.5)", 6, {0.5, 5, 0.5, 4, 0.5, 0.5}},
        {"where((x > y) | (x == y), 1.0, 0.0)", 6, {0, 1, 1, 1, 1, 0}},
        {"where((x > 0) & (y > 1), x, 0.0)", 6, {1, 5, 2, 0, 0, 0}},
        {"addmm(x.T @ x, x.T, y, beta=0, alpha=2)[0]", 3, {12, -20, 60}},
        {"addmm(x.T @ x / 0, x.T, y, beta=0, alpha=2)[0]", 3, {12, -20, 60}},
        {"bmm(stack([x]), stack([y.T])).flatten()", 4, {16, 0, 2, 13}},
        {"x[0] * arange(3)", 3, {0, 5, 4}},
        {"arange(7, 1, -2) + x[0]", 3, {8, 10, 5}},
        {"arange(2, 4).to(f64)", 2, {2, 3}},
        {"one_hot(to(x[0], i64), 6)[1].to(f64)", 6, {0, 0, 0, 0, 0, 1}},
        {"x.detach()", 6, {1, 5, 2, 4, -3, 0}},
        {"argmax(x, 1).to(f64)", 2, {1, 0}},
        {"x.argmin(0, keepdim=True).to(f64)", 3, {0, 1, 1}},
        {"argmax(x).to(f64)", 1, {1}},
        {"argmin(y, dim=1).to(f64)", 2, {0, 1}},  /* the first of three that are equal */
        {"argmax(log(x), 1).to(f64)", 2, {1, 1}}, /* log(-3) is the largest */
        {"argmax(x / 0 * 0).to(f64)", 1, {0}},
        {"argmax(sum(x), 0).to(f64)", 1, {0}}, /* a scalar counts as one axis */
        {"argmin(sum(x) * 2, -1).to(f64)", 1, {0}},
        {"tril(x)", 6, {1, 0, 0, 4, -3, 0}},
        {"x.triu(1)", 6, {0, 5, 2, 0, 0, 0}},
        {"tril(x / 0, -1)[0]", 3, {0, 0, 0}},
        {"gather(x, 1, to(y == 2, i64))", 6, {5, 5, 5, 4, 4, 4}},
        {"gather(x, 0, one_hot(to(y[0:1, 0], i64) // 2, 3))", 3, {1, -3, 2}},
        {"x.gather(1, argmin(x, 1, True))", 2, {1, -3}},
        {"x[::-1, ::2]", 4, {4, 0, 1, 2}},
        {"x[0, -2:0:-1]", 1, {5}},
        {"x[0, 5:-9:-2]", 2, {2, 1}},
        {"sum(x[:, 0:2:-1])", 1, {0}},
        {"flip(x, (0, -1))[0]", 3, {0, -3, 4}},
        {"x.flip(1)[1]", 3, {0, -3, 4}},
        {"stack([x, y]).flatten(1)[1, 2:6]", 4, {2, 1, -3, 7}},
        {"stack([x, y]).flatten(0, 1)[3]", 3, {1, -3, 7}},
        {"stack([x, y]).flatten(-2, 2)[1, 5]", 1, {7}},
        {"x[0] * arange(x.shape[-1])", 3, {0, 5, 4}},
        {"x % 3", 6, {1, 2, 2, 1, 0, 0}},
        {"x % -3", 6, {-2, -1, -1, -2, 0, 0}},
        {"x % y", 6, {1, 1, 0, 0, 0, 0}},
        {"to(x, i64) % 3 + 0.5", 6, {1.5, 2.5, 2.5, 1.5, 0.5, 0.5}},
        {"1e300 % (y + 4.5)", 6, {6, 6, 6, 1.5, 0, 5}},
        {"(to(x, i64) & 6).to(f64)", 6, {0, 4, 2, 4, 4, 0}},
        {"(to(x, i64) | 1 ^ to(y, i64)).to(f64)", 6, {3, 7, 3, 4, -3, 6}},
        {"to(~to(x, i32), f64)", 6, {-2, -6, -3, -5, 2, -1}},
        {"where((x > 1) ^ (y > 1), 1.0, 0.0)", 6, {1, 0, 0, 1, 0, 1}},
        {"masked_fill(x > y, x > y, 0).to(f64)", 6, {0, 0, 0, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        double got[8];
        const int64_t *shape;
        int dtype, rank;
        einjit_shapes *shapes;
        snprintf(text, sizeof text, "def f(x, y):\n    return %s\n", cases[i].body);
        einjit_graph *graph = api_graph(context, text);
        einjit_tensor in[] = {TENSOR(x, EINJIT_F64, 2, 3), TENSOR(y, EINJIT_F64, 2, 3)};
        if (einjit_shapes_infer(&shapes, graph, 2, in, &err)) fail_msg("%s: %s", cases[i].body, err.text);
        assert_int_equal(einjit_shapes_output(shapes, 0, &dtype, &rank, &shape, &err), EINJIT_OK);
        einjit_tensor out = {got, EINJIT_F64, rank, shape, NULL};
        if (einjit_call(context, graph, 2, in, 1, &out, &err)) fail_msg("%s: %s", cases[i].body, err.text);
        for (int k = 0; k < cases[i].n; k++)
            if (!(fabs(got[k] - cases[i].want[k]) <= e * (1 + fabs(cases[i].want[k]))))
                fail_msg("%s: element %d is %.17g for %.17g", cases[i].body, k, got[k], cases[i].want[k]);
        einjit_shapes_destroy(shapes);
        einjit_graph_destroy(graph);
    }
}

static void precedence_is_pythons(void **state)
{
    CONTEXT_OR_SKIP(context);
    uint8_t a = 1, b = 0, c = 0, got[1];
    einjit_graph *graph =
        api_graph(context, "def f(a, b, c):\n    return a | b ^ b & c == ~b\n"); /* (a | (b ^ (b & c))) == (~b) */
    einjit_tensor in[] = {SCALAR(&a, EINJIT_BOOL), SCALAR(&b, EINJIT_BOOL), SCALAR(&c, EINJIT_BOOL)};
    einjit_tensor out = SCALAR(got, EINJIT_BOOL);
    for (int bits = 0; bits < 8; bits++) {
        a = bits & 1, b = bits >> 1 & 1, c = bits >> 2 & 1;
        assert_int_equal(einjit_call(context, graph, 3, in, 1, &out, &err), EINJIT_OK);
        assert_int_equal(got[0], (a | (b ^ (b & c))) == !b);
    }
    einjit_graph_destroy(graph);
}

static void refused(einjit_context *context, const char *body, int status, const char *part)
{
    char text[200];
    double x[6] = {0}, y[36];
    einjit_graph *graph = NULL;
    snprintf(text, sizeof text, "def f(x):\n    return %s\n", body);
    einjit_tensor in = TENSOR(x, EINJIT_F64, 1, 2, 3), out = TENSOR(y, EINJIT_F64, 1, 2, 3);
    int got = einjit_graph_parse(&graph, context, text, SIZE_MAX, &err);
    if (got == EINJIT_OK) got = einjit_call(context, graph, 1, &in, 1, &out, &err);
    if (got != status || !strstr(err.text, part)) fail_msg("%s: %s: %s", body, einjit_status_name(got), err.text);
    einjit_graph_destroy(graph);
}

static void what_has_no_meaning_is_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    refused(context, "clamp(x)", EINJIT_E_VALUE, "min, max, or both");
    refused(context, "log_softmax(x)", EINJIT_E_VALUE, "dim");
    refused(context, "log_softmax(x, 3)", EINJIT_E_VALUE, "3");
    refused(context, "max(x, x, True)", EINJIT_E_VALUE, "keepdim");
    refused(context, "flatten(x, 2, 1)", EINJIT_E_VALUE, "behind the last");
    refused(context, "flatten(x, 3)", EINJIT_E_VALUE, "3");
    refused(context, "argmax(x > 0, 3)", EINJIT_E_VALUE, "3");
    refused(context, "gather(x, 0, x)", EINJIT_E_DTYPE, "index of gather is f64");
    refused(context, "gather(x, 0, arange(2))", EINJIT_E_RANK, "1 axes");
    refused(context, "gather(x, 0, to(cat([x, x], 2), i64))", EINJIT_E_SHAPE, "axis 2 of the index is 6");
    refused(context, "x[::0]", EINJIT_E_VALUE, "not 0");
    refused(context, "flip(x, 4)", EINJIT_E_VALUE, "axis 4 is out of range for 3 axes");
    refused(context, "flip(x, -4)", EINJIT_E_VALUE, "axis -4 is out of range for 3 axes");
    refused(context, "flip(x, (1, 1))", EINJIT_E_VALUE, "each axis once");
    refused(context, "argmax(x, 7)", EINJIT_E_VALUE, "axis 7 is out of range for 3 axes (in argmax)");
    refused(context, "argmin(x[:, :0], 1)", EINJIT_E_SHAPE, "no elements (in argmin)");
    refused(context, "arange(-1)", EINJIT_E_VALUE, "at least the start");
    refused(context, "arange(3, 1)", EINJIT_E_VALUE, "at least the start");
    refused(context, "arange(1, 3, -1)", EINJIT_E_VALUE, "at most the start");
    refused(context, "tril(x[0, 0])", EINJIT_E_VALUE, "-2");
    refused(context, "masked_fill(to(x, i64), x > 0, 0.5)", EINJIT_E_DTYPE, "i64");
    refused(context, "arange(x.shape[3])", EINJIT_E_VALUE, "3");
    refused(context, "arange(x.shape[0], 3)", EINJIT_E_UNSUPPORTED, "starts at 0");
    refused(context, "arange(x.shape[0:1])", EINJIT_E_VALUE, "the number of one axis");
    refused(context, "reshape(x, (x.shape[0], -1))", EINJIT_E_VALUE, "extents");
    refused(context, "x.T", EINJIT_E_RANK, "3");
    refused(context, "sum(x).mT", EINJIT_E_VALUE, "(in .mT)");
    refused(context, "(x + 1).T", EINJIT_E_RANK, "permute names 2 axes, the operand has 3 (in .T)");
    refused(context, "var(x, correction=0, unbiased=False)", EINJIT_E_VALUE, "");
    refused(context, "bmm(x, x[0])", EINJIT_E_RANK, "operand 1");
    refused(context, "arange(0, 3, 0)", EINJIT_E_VALUE, "step");
    refused(context, "arange(x)", EINJIT_E_NAME, "no parameter has an extent 'x'");
    refused(context, "arange(0.5)", EINJIT_E_VALUE, "an integer");
    refused(context, "arange(0, 9000000000000000000)", EINJIT_E_VALUE, "2^60");
    refused(context, "arange(1000000000000000000)", EINJIT_E_SIZE, "");
    refused(context, "x & x", EINJIT_E_DTYPE, "f64");
    refused(context, "~x", EINJIT_E_DTYPE, "f64");
    refused(context, "(x > 0) % (x > 1)", EINJIT_E_DTYPE, "bool");
    refused(context, "(x > 0) ^ x", EINJIT_E_DTYPE, "f64");
    refused(context, "var(x, correction=x)", EINJIT_E_VALUE, "correction");
}

/* The same nodes, and the same key: yet each program fails in its own words, whichever was first. */
static void failures_are_those_of_what_was_written(void **state)
{
    CONTEXT_OR_SKIP(context);
    for (int round = 0; round < 2; round++) {
        refused(context, "flip(x[0], 2)", EINJIT_E_VALUE, "axis 2 is out of range for 2 axes (in flip)");
        refused(context, "x[0][:, :, ::-1]", EINJIT_E_RANK, "3 indices for 2 axes");
        refused(context, "x[0, 0][:, ::-1]", EINJIT_E_RANK, "2 indices for 1 axes");
        refused(context, "flip(x[0, 0], 1)", EINJIT_E_VALUE, "axis 1 is out of range for 1 axes (in flip)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(values_are_those_of_torch),
        ON_BOTH(precedence_is_pythons),
        ON_BOTH(what_has_no_meaning_is_refused),
        ON_BOTH(failures_are_those_of_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
