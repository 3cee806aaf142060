/* test_grad.c - gradients operation by operation, against values that were worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

enum { MOST_INPUTS = 4, MOST_ELEMENTS = 64 };

/* A program with one result without axes; its f64 inputs are differentiated by, i64 inputs are written as doubles. */
typedef struct grad_case {
    const char *name, *program;
    const double *in[MOST_INPUTS], *want[MOST_INPUTS];
} grad_case;

static einjit_error err;

static void ok(int status)
{
    if (status) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

typedef struct grad_run {
    einjit_graph *graph;
    size_t n_in, n_wrt;
    einjit_tensor in[MOST_INPUTS], out[MOST_INPUTS + 1];
    int64_t shapes[MOST_INPUTS][8], integers[MOST_INPUTS][MOST_ELEMENTS];
    double results[MOST_INPUTS + 1][MOST_ELEMENTS];
    einjit_value wrt[MOST_INPUTS];
    size_t wrt_input[MOST_INPUTS];
} grad_run;

static int64_t elements(const einjit_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

static void read_inputs(grad_run *r, const grad_case *c)
{
    r->n_in = einjit_graph_input_count(r->graph);
    assert_true(r->n_in <= MOST_INPUTS);
    for (size_t i = 0; i < r->n_in; i++) {
        int dtype, rank;
        ok(einjit_graph_input_type(r->graph, i, &dtype, &rank, r->shapes[i], NULL, 8, &err));
        r->in[i] = (einjit_tensor){(void *)(uintptr_t)c->in[i], dtype, rank, r->shapes[i], NULL};
        int64_t n = elements(&r->in[i]);
        assert_true(n <= MOST_ELEMENTS);
        for (int64_t e = 0; dtype == EINJIT_I64 && e < n; e++) r->integers[i][e] = (int64_t)c->in[i][e];
        if (dtype == EINJIT_I64) r->in[i].data = r->integers[i];
        if (dtype != EINJIT_F64) continue;
        r->wrt_input[r->n_wrt] = i;
        r->wrt[r->n_wrt++] = einjit_graph_value(r->graph, einjit_graph_input_name(r->graph, i));
    }
}

static void compute(grad_run *r, einjit_context *context)
{
    einjit_value out[MOST_INPUTS], y = einjit_graph_output_value(r->graph, 0);
    ok(einjit_graph_gradient(out, r->graph, 1, &y, NULL, r->n_wrt, r->wrt, &err));
    ok(einjit_graph_verify(r->graph, &err));
    r->out[0] = (einjit_tensor){r->results[0], EINJIT_F64, 0, NULL, NULL};
    for (size_t k = 0; k < r->n_wrt; k++) {
        ok(einjit_graph_output(r->graph, out[k], &err));
        r->out[1 + k] = r->in[r->wrt_input[k]];
        r->out[1 + k].data = r->results[1 + k];
    }
    ok(einjit_call(context, r->graph, r->n_in, r->in, 1 + r->n_wrt, r->out, &err));
}

static void check_case(einjit_context *context, const grad_case *c)
{
    grad_run r = {.graph = api_graph(context, c->program)};
    read_inputs(&r, c);
    compute(&r, context);
    for (size_t k = 0; k < r.n_wrt; k++) {
        const double *want = c->want[r.wrt_input[k]];
        int64_t n = elements(&r.out[1 + k]);
        for (int64_t e = 0; want && e < n; e++)
            if (!(fabs(r.results[1 + k][e] - want[e]) <= 1e-12 * (1 + fabs(want[e]))))
                fail_msg("%s: input %zu, element %d: %.17g for %.17g", c->name, r.wrt_input[k], (int)e,
                         r.results[1 + k][e], want[e]);
    }
    einjit_graph_destroy(r.graph);
}

static void check_cases(const grad_case *cases, size_t n)
{
    einjit_context *context = api_context("interp");
    for (size_t i = 0; i < n; i++) check_case(context, &cases[i]);
    einjit_context_release(context);
}

#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof *(cases))
#define V (const double[])

/* ---- pointwise functions of one operand ---- */

static double phi(double x)
{
    return exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double slope_of(const char *fn, double x)
{
    double s = 1 / (1 + exp(-x)), t = tanh(x);
    struct {
        const char *fn;
        double slope;
    } rows[] = {{"neg", -1},
                {"abs", x > 0 ? 1 : -1},
                {"exp", exp(x)},
                {"log", 1 / x},
                {"log1p", 1 / (1 + x)},
                {"expm1", exp(x)},
                {"sqrt", 0.5 / sqrt(x)},
                {"rsqrt", -0.5 * pow(x, -1.5)},
                {"sin", cos(x)},
                {"cos", -sin(x)},
                {"tan", 1 + tan(x) * tan(x)},
                {"tanh", 1 - t * t},
                {"sigmoid", s * (1 - s)},
                {"relu", x > 0},
                {"gelu", 0.5 * erfc(-x / sqrt(2)) + x * phi(x)},
                {"silu", s + x * s * (1 - s)},
                {"softplus", s},
                {"erf", 2 / sqrt(M_PI) * exp(-x * x)},
                {"reciprocal", -1 / (x * x)},
                {"square", 2 * x},
                {"sign", 0},
                {"floor", 0},
                {"ceil", 0},
                {"round", 0},
                {"conj", 1},
                {"real", 1},
                {"imag", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].fn, fn)) return rows[i].slope;
    fail_msg("no slope for %s", fn);
    return NAN;
}

static void functions_of_one_operand_have_their_slopes(void **state)
{
    (void)state;
    static const char *const fns[] = {"neg",   "abs",  "exp",      "log",  "log1p",      "expm1",   "sqrt",
                                      "rsqrt", "sin",  "cos",      "tan",  "tanh",       "sigmoid", "relu",
                                      "gelu",  "silu", "softplus", "erf",  "reciprocal", "square",  "sign",
                                      "floor", "ceil", "round",    "conj", "real",       "imag"};
    einjit_context *context = api_context("interp");
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++) {
        char program[200];
        bool positive = strstr("log sqrt rsqrt log1p", fns[i]) != NULL;
        double x[] = {positive ? 2.25 : -0.7, 0.3, 1.2}, want[3];
        for (int e = 0; e < 3; e++) want[e] = (e + 1) * slope_of(fns[i], x[e]);
        sprintf(program, "def f(x: f64[3], w: f64[3]):\n    return sum(%s(x) * w)\n", fns[i]);
        check_case(context, &(grad_case){fns[i], program, {x, V{1, 2, 3}}, {want, NULL}});
    }
    einjit_context_release(context);
}

/* ---- the rest, by hand ---- */

static void pointwise_functions_of_more_operands(void **state)
{
    (void)state;
    const grad_case cases[] = {
        {"add, one operand stretched",
         "def f(x: f64[2, 3], y: f64[3]):\n    return sum(x + y)\n",
         {V{1, 2, 3, 4, 5, 6}, V{1, 2, 3}},
         {V{1, 1, 1, 1, 1, 1}, V{2, 2, 2}}},
        {"sub, an axis of 1",
         "def f(x: f64[2, 2], y: f64[2, 1]):\n    return sum(x - y)\n",
         {V{1, 2, 3, 4}, V{1, 2}},
         {V{1, 1, 1, 1}, V{-2, -2}}},
        {"mul with a value without axes",
         "def f(x: f64[2], y: f64[()]):\n    return sum(x * y)\n",
         {V{3, 4}, V{5}},
         {V{5, 5}, V{7}}},
        {"mul of a value by itself", "def f(x: f64[2]):\n    return sum(x * x)\n", {V{3, 4}}, {V{6, 8}}},
        {"div",
         "def f(x: f64[2], y: f64[2]):\n    return sum(x / y)\n",
         {V{3, 4}, V{2, -4}},
         {V{0.5, -0.25}, V{-0.75, -0.25}}},
        {"rounded divisions are flat",
         "def f(x: f64[2], y: f64[2]):\n    return sum(x // y + div(x, y, rounding_mode=\"trunc\"))\n",
         {V{3, 4}, V{2, -4}},
         {V{0, 0}, V{0, 0}}},
        {"pow by a literal", "def f(x: f64[4]):\n    return sum(x ** 3)\n", {V{0, 1, -2, 3}}, {V{0, 3, 12, 27}}},
        {"pow by 0 and 1", "def f(x: f64[2]):\n    return sum(x ** 0 + x ** 1)\n", {V{0, 5}}, {V{1, 1}}},
        {"pow, both operands",
         "def f(x: f64[3], y: f64[3]):\n    return sum(x ** y)\n",
         {V{2, 0, 1}, V{3, 2, 0}},
         {V{12, 0, 0}, V{8 * M_LN2, 0, 0}}},
        {"pow of 0 by 0", "def f(x: f64[1], y: f64[1]):\n    return sum(x ** y)\n", {V{0}, V{0}}, {V{0}, V{0}}},
        {"maximum: ties share",
         "def f(x: f64[3], y: f64[3]):\n    return sum(maximum(x, y))\n",
         {V{1, 2, 3}, V{3, 2, 1}},
         {V{0, 0.5, 1}, V{1, 0.5, 0}}},
        {"minimum: ties share",
         "def f(x: f64[3], y: f64[3]):\n    return sum(minimum(x, y))\n",
         {V{1, 2, 3}, V{3, 2, 1}},
         {V{1, 0.5, 0}, V{0, 0.5, 1}}},
        {"abs and relu at 0", "def f(x: f64[2]):\n    return sum(abs(x) + relu(x))\n", {V{0, 0}}, {V{0, 0}}},
        {"where, the condition aside",
         "def f(x: f64[3], y: f64[3]):\n    return sum(where(x > y, x, 2.0 * y))\n",
         {V{1, 5, 3}, V{2, 4, 3}},
         {V{0, 1, 0}, V{2, 0, 2}}},
        {"casts", "def f(x: f64[2]):\n    return sum(x.to(f32).to(f64) * 3.0)\n", {V{1, 2}}, {V{3, 3}}},
        {"a real operand of complex values",
         "def f(x: f64[2]):\n    z = x * (3+4j)\n    return sum(real(z * conj(z)))\n",
         {V{1, 2}},
         {V{50, 100}}},
        {"complex abs", "def f(x: f64[2]):\n    return sum(abs(x * (3+4j)))\n", {V{1, 0}}, {V{5, 0}}},
        {"imag", "def f(x: f64[2]):\n    return sum(imag(x * (3+4j)))\n", {V{1, 2}}, {V{4, 4}}},
    };
    CHECK(cases);
}

static void contractions(void **state)
{
    (void)state;
    const grad_case cases[] = {
        {"a product of matrices",
         "def f(a: f64[1, 2], b: f64[2, 2]):\n    return sum(einsum(\"ij,jk->ik\", a, b))\n",
         {V{1, 2}, V{3, 4, 5, 6}},
         {V{7, 11}, V{1, 1, 2, 2}}},
        {"a label of one operand",
         "def f(a: f64[2, 2], b: f64[2]):\n    return einsum(\"ij,i->\", a, b)\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 5, 6, 6}, V{3, 7}}},
        {"a trace", "def f(a: f64[2, 2]):\n    return einsum(\"ii->\", a)\n", {V{1, 2, 3, 4}}, {V{1, 0, 0, 1}}},
        {"a diagonal of three axes",
         "def f(a: f64[2, 2, 2], b: f64[2]):\n    return einsum(\"iii,i->\", a, b)\n",
         {V{1, 2, 3, 4, 5, 6, 7, 8}, V{10, 20}},
         {V{10, 0, 0, 0, 0, 0, 0, 20}, V{1, 8}}},
        {"a diagonal apart",
         "def f(a: f64[2, 1, 2], b: f64[1]):\n    return einsum(\"iji,j->\", a, b)\n",
         {V{1, 2, 3, 4}, V{10}},
         {V{10, 0, 0, 10}, V{5}}},
        {"a value that counts as a constant",
         "def f(a: f64[2]):\n    return sum(a * detach(a)) + sum(exp(a).detach())\n",
         {V{3, 4}},
         {V{3, 4}}},
        {"nothing but constants", "def f(a: f64[2]):\n    return sum(detach(a) ** 2)\n", {V{3, 4}}, {V{0, 0}}},
        {"an operand used twice", "def f(a: f64[2]):\n    return einsum(\"i,i->\", a, a)\n", {V{3, 4}}, {V{6, 8}}},
        {"an axis of 1 under a larger one",
         "def f(a: f64[2, 1], b: f64[2, 3]):\n    return einsum(\"ij,ij->\", a, b)\n",
         {V{1, 2}, V{1, 2, 3, 4, 5, 6}},
         {V{6, 15}, V{1, 1, 1, 2, 2, 2}}},
        {"the same without a shape",
         "def f(a: f64[2, 1], b: f64[2, 3]):\n    c = a.sum_to_size(a.shape)\n    return einsum(\"ij,ij->\", c, b)\n",
         {V{1, 2}, V{1, 2, 3, 4, 5, 6}},
         {V{6, 15}, V{1, 1, 1, 2, 2, 2}}},
        {"an ellipsis",
         "def f(a: f64[2, 2], b: f64[2]):\n    return sum(einsum(\"...i,i->...\", a, b))\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 6, 5, 6}, V{4, 6}}},
        {"an ellipsis that is summed",
         "def f(a: f64[2, 2], b: f64[2]):\n    return sum(einsum(\"...i,i->i\", a, b))\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 6, 5, 6}, V{4, 6}}},
        {"largest sums: a tie shares",
         "def f(a: f64[2], b: f64[2]):\n    return einsum(\"i,i->\", a, b, reduce=\"max\", combine=\"add\")\n",
         {V{1, 2}, V{3, 2}},
         {V{0.5, 0.5}, V{0.5, 0.5}}},
        {"largest products",
         "def f(a: f64[2], b: f64[2]):\n    return einsum(\"i,i->\", a, b, reduce=\"max\")\n",
         {V{1, 2}, V{7, 3}},
         {V{7, 0}, V{1, 0}}},
        {"smallest of outer sums",
         "def f(a: f64[2], b: f64[2]):\n    return sum(einsum(\"i,j->i\", a, b, reduce=\"min\", combine=\"add\"))\n",
         {V{1, 2}, V{7, 3}},
         {V{1, 1}, V{0, 2}}},
        {"log-sum-exp",
         "def f(a: f64[2]):\n    return einsum(\"i->\", a, reduce=\"logsumexp\")\n",
         {V{0, 0}},
         {V{0.5, 0.5}}},
        {"sums of sums",
         "def f(a: f64[2], b: f64[3]):\n    return einsum(\"i,j->\", a, b, combine=\"add\")\n",
         {V{1, 2}, V{3, 4, 5}},
         {V{3, 3}, V{2, 2, 2}}},
        {"matmul of vectors",
         "def f(a: f64[2], b: f64[2]):\n    return a @ b\n",
         {V{1, 2}, V{3, 4}},
         {V{3, 4}, V{1, 2}}},
        {"matmul, batches stretched",
         "def f(a: f64[2, 1, 1, 2], b: f64[2, 2, 1]):\n    return sum(a @ b)\n",
         {V{1, 2, 3, 4}, V{5, 6, 7, 8}},
         {V{12, 14, 12, 14}, V{4, 6, 4, 6}}},
        {"matmul with a vector",
         "def f(a: f64[2], b: f64[2, 2]):\n    return sum(a @ b)\n",
         {V{1, 2}, V{3, 4, 5, 6}},
         {V{7, 11}, V{1, 1, 2, 2}}},
        {"tensordot",
         "def f(a: f64[2, 2], b: f64[2, 2]):\n    return tensordot(a, b, dims=([0, -1], [1, 0]))\n",
         {V{1, 2, 3, 4}, V{5, 6, 7, 8}},
         {V{5, 7, 6, 8}, V{1, 3, 2, 4}}},
        {"tensordot by a count",
         "def f(a: f64[1, 2], b: f64[2, 1]):\n    return sum(tensordot(a, b, dims=1))\n",
         {V{1, 2}, V{3, 4}},
         {V{3, 4}, V{1, 2}}},
    };
    CHECK(cases);
}

static void reductions_and_norms(void **state)
{
    (void)state;
    const grad_case cases[] = {
        {"sum over one axis",
         "def f(x: f64[2, 2], w: f64[2]):\n    return sum(sum(x, dim=0) * w)\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 6, 5, 6}, V{4, 6}}},
        {"sum over two axes from both ends",
         "def f(x: f64[2, 2, 1], w: f64[2]):\n    return sum(sum(x, dim=(-1, 0)) * w)\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 6, 5, 6}, V{4, 6}}},
        {"mean",
         "def f(x: f64[2, 2], w: f64[2, 1]):\n    return sum(mean(x, dim=1, keepdim=True) * w)\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{2.5, 2.5, 3, 3}, V{1.5, 3.5}}},
        {"amax: ties share", "def f(x: f64[4]):\n    return amax(x)\n", {V{1, 3, 3, 2}}, {V{0, 0.5, 0.5, 0}}},
        {"amin along an axis",
         "def f(x: f64[2, 2]):\n    return sum(amin(x, dim=-1))\n",
         {V{1, 2, 4, 3}},
         {V{1, 0, 0, 1}}},
        {"logsumexp", "def f(x: f64[2]):\n    return logsumexp(x, dim=0)\n", {V{0, M_LN2}}, {V{1 / 3.0, 2 / 3.0}}},
        {"prod", "def f(x: f64[3]):\n    return prod(x)\n", {V{2, 3, 4}}, {V{12, 8, 6}}},
        {"prod with one 0", "def f(x: f64[3]):\n    return prod(x)\n", {V{2, 0, 4}}, {V{0, 8, 0}}},
        {"prod with two", "def f(x: f64[3]):\n    return prod(x)\n", {V{0, 3, 0}}, {V{0, 0, 0}}},
        {"softmax",
         "def f(x: f64[2], w: f64[2]):\n    return sum(softmax(x, dim=0) * w)\n",
         {V{0, 0}, V{1, 3}},
         {V{-0.5, 0.5}, V{0.5, 0.5}}},
        {"layer_norm of two numbers does not move",
         "def f(x: f64[2], w: f64[2], b: f64[2]):\n"
         "    return sum(layer_norm(x, (2,), weight=w, bias=b, eps=0.0))\n",
         {V{1, 3}, V{5, 5}, V{0, 0}},
         {V{0, 0}, V{-1, 1}, V{1, 1}}},
        {"layer_norm, weight summed over rows",
         "def f(x: f64[2, 2], w: f64[2]):\n    return sum(layer_norm(x, (2,), weight=w, eps=0.0))\n",
         {V{1, 3, 5, 7}, V{1, 1}},
         {V{0, 0, 0, 0}, V{-2, 2}}},
        {"a mean of a square", "def f(x: f64[2]):\n    return mean(x * x)\n", {V{1, 3}}, {V{1, 3}}},
    };
    CHECK(cases);
}

static void layout_and_indexing(void **state)
{
    (void)state;
    const grad_case cases[] = {
        {"permute",
         "def f(x: f64[1, 2, 3], w: f64[3, 1, 2]):\n    return sum(permute(x, (2, 0, -2)) * w)\n",
         {V{0, 0, 0, 0, 0, 0}, V{1, 2, 3, 4, 5, 6}},
         {V{1, 3, 5, 2, 4, 6}, NULL}},
        {"transpose",
         "def f(x: f64[2, 2], w: f64[2, 2]):\n    return sum(transpose(x, 0, -1) * w)\n",
         {V{0, 0, 0, 0}, V{1, 2, 3, 4}},
         {V{1, 3, 2, 4}, NULL}},
        {"reshape and expand",
         "def f(x: f64[2], w: f64[2, 3]):\n    return sum(reshape(x, (2, 1)).expand(2, 3) * w)\n",
         {V{0, 0}, V{1, 2, 3, 4, 5, 6}},
         {V{6, 15}, NULL}},
        {"squeeze and unsqueeze",
         "def f(x: f64[1, 2], w: f64[2, 1]):\n    return sum(unsqueeze(squeeze(x, 0), -1) * w)\n",
         {V{0, 0}, V{1, 2}},
         {V{1, 2}, NULL}},
        {"slices",
         "def f(x: f64[5], w: f64[2]):\n    return sum(x[1::3] * w)\n",
         {V{0, 0, 0, 0, 0}, V{1, 2}},
         {V{0, 1, 0, 0, 2}, NULL}},
        {"slices from the end, and one element",
         "def f(x: f64[2, 3], w: f64[2]):\n    return sum(x[-1, ..., -2:] * w)\n",
         {V{0, 0, 0, 0, 0, 0}, V{1, 2}},
         {V{0, 0, 0, 0, 1, 2}, NULL}},
        {"parts of an axis with holes between them and behind",
         "def f(x: f64[8]):\n    return sum(x[5:7] * 2) + sum(x[1:3]) * 3 + sum(exp(x[7:7]))\n",
         {V{1, 2, 3, 4, 5, 6, 7, 8}},
         {V{0, 3, 3, 0, 0, 2, 2, 0}}},
        {"parts that overlap, and one of another axis",
         "def f(x: f64[2, 3]):\n    return sum(x[:, 0:2]) + sum(x[:, 1:3] * 10) + sum(x[0:1] * 100) + sum(x[..., "
         "2:3])\n",
         {V{1, 2, 3, 4, 5, 6}},
         {V{101, 111, 111, 1, 11, 11}}},
        {"parts past the end of an axis",
         "def f(x: f64[3]):\n    return sum(x[0:2] * 2) + sum(x[2:9] * 3) + sum(x[9:12])\n",
         {V{1, 2, 3}},
         {V{2, 2, 3}}},
        {"a slice of nothing", "def f(x: f64[3]):\n    return sum(x[2:1])\n", {V{1, 2, 3}}, {V{0, 0, 0}}},
        {"a new axis",
         "def f(x: f64[2], w: f64[2, 1]):\n    return sum(x[:, None] * w)\n",
         {V{0, 0}, V{1, 2}},
         {V{1, 2}, NULL}},
        {"cat",
         "def f(x: f64[1], y: f64[2], w: f64[4]):\n    return sum(cat([x, y, x], 0) * w)\n",
         {V{0}, V{0, 0}, V{1, 2, 3, 4}},
         {V{5}, V{2, 3}, NULL}},
        {"stack",
         "def f(x: f64[2], y: f64[2], w: f64[2, 2]):\n    return sum(stack([x, y], -1) * w)\n",
         {V{0, 0}, V{0, 0}, V{1, 2, 3, 4}},
         {V{1, 3}, V{2, 4}, NULL}},
        {"a gather scatters back",
         "def f(x: f64[3], i: i64[4], w: f64[4]):\n    return sum(x[i] * w)\n",
         {V{0, 0, 0}, V{2, 0, 2, 2}, V{1, 2, 3, 4}},
         {V{2, 0, 8}, NULL, NULL}},
        {"a scatter gathers back",
         "def f(x: f64[3], i: i64[3], w: f64[2]):\n    return sum(index_add(2, 0, i, x) * w)\n",
         {V{0, 0, 0}, V{1, 0, 1}, V{5, 6}},
         {V{6, 5, 6}, NULL, NULL}},
        {"rows added to a value",
         "def f(x: f64[2], i: i64[3], y: f64[3], w: f64[2]):\n    return sum(x.index_add(0, i, y) * w)\n",
         {V{0, 0}, V{1, 0, 1}, V{0, 0, 0}, V{5, 6}},
         {V{5, 6}, NULL, V{6, 5, 6}, NULL}},
        {"slice_scatter",
         "def f(x: f64[3], y: f64[1], w: f64[3]):\n    return sum(slice_scatter(x, y, dim=0, start=1, end=2) * w)\n",
         {V{0, 0, 0}, V{0}, V{1, 2, 3}},
         {V{1, 0, 3}, V{2}, NULL}},
        {"split_as",
         "def f(x: f64[3], y: f64[1], z: f64[2]):\n    return sum(split_as(x, [y, z], dim=0, part=1) * z)\n",
         {V{1, 2, 3}, V{0}, V{5, 6}},
         {V{0, 5, 6}, V{0}, V{2, 3}}},
        {"diag_embed",
         "def f(x: f64[2], w: f64[2, 2]):\n    return sum(diag_embed(x) * w)\n",
         {V{0, 0}, V{1, 2, 3, 4}},
         {V{1, 4}, NULL}},
        {"shapes of others",
         "def f(x: f64[2], y: f64[2, 3], w: f64[6]):\n    return "
         "sum(x.reshape_as(w[:2]).unsqueeze(1).expand_as(y).reshape_as(w) * w)\n",
         {V{0, 0}, V{0, 0, 0, 0, 0, 0}, V{1, 2, 3, 4, 5, 6}},
         {V{6, 15}, V{0, 0, 0, 0, 0, 0}, NULL}},
        {"sum_to_size",
         "def f(x: f64[2, 2], y: f64[2]):\n    return sum(x.sum_to_size(y.shape) * y)\n",
         {V{1, 2, 3, 4}, V{5, 6}},
         {V{5, 6, 5, 6}, V{4, 6}}},
    };
    CHECK(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_operand_have_their_slopes),
        cmocka_unit_test(pointwise_functions_of_more_operands),
        cmocka_unit_test(contractions),
        cmocka_unit_test(reductions_and_norms),
        cmocka_unit_test(layout_and_indexing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
