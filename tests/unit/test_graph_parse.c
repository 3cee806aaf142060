/* What the program reader makes of a text: nodes, numbers, and the place of every kind of error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"
#include "scarce_memory.h"

#define P "def f(x: f32[z, i, 4], y: f32[4], idx: i64[e]):\n    "

/* The body's first line printed back, for a function of x, y and idx. */
typedef struct line {
    const char *read, *printed;
} line;

static const line lines[] = {
    /* operators and their precedence */
    {"v = x + y", "v = x + y"},
    {"v = x - y * x", "mul_1 = y * x\n    v = x - mul_1"},
    {"v = (x - y) * x", "sub_1 = x - y\n    v = sub_1 * x"},
    {"v = -x ** 2", "pow_1 = x ** 2\n    v = -pow_1"},
    {"v = (-x) ** 2", "neg_1 = -x\n    v = neg_1 ** 2"},
    {"v = x ** -2", "v = x ** -2"},
    {"v = (-2.0) ** x", "v = (-2.0) ** x"},
    {"v = -2.0 ** x", "pow_1 = (2.0) ** x\n    v = -pow_1"},
    {"v = 2 ** 3 ** 2 * x", "v = 512 * x"},
    {"v = x / y // 3 @ y", "div_1 = x / y\n    floor_divide_1 = div_1 // 3\n    v = floor_divide_1 @ y"},
    {"v = x + 1 <= y", "add_1 = x + 1\n    v = add_1 <= y"},
    {"v = x == y", "v = x == y"},
    {"v = + x", "return x"},
    {"v = - - x", "neg_1 = -x\n    v = -neg_1"},
    {"v = x - -1", "v = x - -1"},
    /* calls: functions, methods, keywords, torch. in front */
    {"v = mul(x, other=2)", "v = x * 2"},
    {"v = x.mul(other=2)", "v = x * 2"},
    {"v = torch.mul(other=2, input=x)", "v = x * 2"},
    {"v = mul(2, 3)", "v = mul(2, 3)"},
    {"v = neg(2.0)", "v = neg(2.0)"},
    {"v = x.exp().log1p()", "exp_1 = exp(x)\n    v = log1p(exp_1)"},
    {"v = torch.nn.functional.gelu(x)", "v = gelu(x)"},
    {"v = where(x > 0, x, 0.0)", "gt_1 = x > 0\n    v = where(gt_1, x, 0.0)"},
    {"v = x.where(x > 0, 0.0)", "gt_1 = x > 0\n    v = where(gt_1, x, 0.0)"},
    {"v = pow(x, exponent=y)", "v = x ** y"},
    {"v = div(x, y)", "v = x / y"},
    {"v = div(x, y, rounding_mode=None)", "v = x / y"},
    {"v = x.div(y, rounding_mode='floor')", "v = x // y"},
    {"v = div(x, y, rounding_mode='trunc')", "v = div(x, y, rounding_mode=\"trunc\")"},
    {"v = logical_not(x == y)", "eq_1 = x == y\n    v = logical_not(eq_1)"},
    /* einsum */
    {"v = einsum('zij,j->zi', x, y)", "v = einsum(\"zij,j->zi\", x, y)"},
    {"v = einsum('zij,j', [x, y])", "v = einsum(\"zij,j->iz\", x, y)"},
    {"v = torch.functional.einsum('... i -> ...', x, reduce='max', combine='add')",
     "v = einsum(\"...i->...\", x, reduce=\"max\", combine=\"add\")"},
    {"v = tensordot(x, y)", "v = tensordot(x, y, dims=2)"},
    {"v = tensordot(x, y, 1)", "v = tensordot(x, y, dims=1)"},
    {"v = tensordot(x, y, dims=([2], (0,)))", "v = tensordot(x, y, dims=([2], [0]))"},
    {"v = tensordot(x, y, dims=([], []))", "v = tensordot(x, y, dims=([], []))"},
    /* reductions */
    {"v = x.sum()", "v = sum(x)"},
    {"v = sum(x, None, True)", "v = sum(x, keepdim=True)"},
    {"v = amax(x, dim=(0, -1))", "v = amax(x, dim=(0, -1))"},
    {"v = x.mean((1,))", "v = mean(x, dim=1)"},
    {"v = softmax(x, 1 - 2)", "v = softmax(x, dim=-1)"},
    {"v = layer_norm(x, (i, 4), None, y, eps=1)", "v = layer_norm(x, (i, 4), bias=y, eps=1.0)"},
    {"v = layer_norm(x, (-1, -1), None, y)", "v = layer_norm(x, (-1, -1), bias=y, eps=1e-05)"},
    {"v = layer_norm(x, 4)", "v = layer_norm(x, (4,), eps=1e-05)"},
    /* layout */
    {"v = x.permute(2, 0, 1)", "v = permute(x, (2, 0, 1))"},
    {"v = x.permute((2, 0, 1))", "v = permute(x, (2, 0, 1))"},
    {"v = y.permute(0)", "v = permute(y, (0,))"},
    {"v = permute(x, dims=[2, 0, 1])", "v = permute(x, (2, 0, 1))"},
    {"v = x.reshape(z*i, 4)", "v = reshape(x, (z*i, 4))"},
    {"v = x.view((2*z*3, -1))", "v = reshape(x, (6*z, -1))"},
    {"v = y.expand(z, -1)", "v = y.expand((z, -1))"},
    {"v = expand(1.0, (z, 4))", "v = expand(1.0, (z, 4))"},
    {"v = x.reshape(())", "v = reshape(x, ())"},
    {"v = squeeze(x)", "v = squeeze(x)"},
    {"v = x.squeeze(0)", "v = squeeze(x, 0)"},
    {"v = x.unsqueeze(dim=-1)", "v = unsqueeze(x, -1)"},
    {"v = x.transpose(0, 1)", "v = transpose(x, 0, 1)"},
    {"v = cat((x, x), 1)", "v = cat([x, x], dim=1)"},
    {"v = stack([x, x])", "v = stack([x, x], dim=0)"},
    {"v = x.to(f64)", "v = x.to(f64)"},
    {"v = x.to(dtype=torch.complex128)", "v = x.to(c128)"},
    {"v = to(2.0, bf16)", "v = to(2.0, bf16)"},
    /* indexing */
    {"v = x[:, 1:3, ..., None, 0, ::2]", "v = x[:, 1:3, ..., None, 0, ::2]"},
    {"v = x[-1][1:][:-1]", "slice_1 = x[-1]\n    slice_2 = slice_1[1:]\n    v = slice_2[:-1]"},
    {"v = x[None:None, ]", "v = x[:]"},
    {"v = x[()]", "v = x[()]"},
    {"v = y[idx]", "v = index_select(y, 0, idx)"},
    {"v = x[:, idx]", "v = index_select(x, 1, idx)"},
    {"v = x[..., idx, :]", "v = index_select(x, -2, idx)"},
    {"v = x[idx, ...]", "v = index_select(x, 0, idx)"},
    {"v = index_select(x, 2, idx)", "v = index_select(x, 2, idx)"},
    {"v = index_add(7, 0, index=idx, source=y)", "v = index_add(7, 0, idx, y)"},
    {"v = index_add(z*2, 0, idx, y)", "v = index_add(2*z, 0, idx, y)"},
    /* constants */
    {"v = tensor([1, 2])", "v = tensor([1, 2], dtype=i64)"},
    {"v = tensor([True, False])", "v = tensor([True, False], dtype=bool)"},
    {"v = tensor([True, 2, 0.5])", "v = tensor([1.0, 2.0, 0.5], dtype=f32)"},
    {"v = tensor([1, 1j])", "v = tensor([(1.0+0.0j), 1.0j], dtype=c64)"},
    {"v = tensor(0.1)", "v = tensor(0.1, dtype=f32)"},
    {"v = tensor([2.9, -2.9], dtype=i32)", "v = tensor([2, -2], dtype=i32)"},
    {"v = tensor([[0.1], [65504.0], [1e9]], dtype=f16)", "v = tensor([[0.1], [65500.0], [float(\"inf\")]], dtype=f16)"},
    {"v = tensor([])", "v = empty((0,), dtype=f32)"},
    {"v = tensor([[], []], dtype=i64)", "v = empty((2, 0), dtype=i64)"},
    {"v = empty(0, 3)", "v = empty((0, 3), dtype=f32)"},
    {"v = structural(tensor([1.0]))", "tensor_1 = tensor([1.0], dtype=f32)\n    v = structural(tensor_1)"},
    /* Python's own numbers */
    {"v = 2", "return 2"},
    {"v = x * True", "v = x * True"},
    {"v = x * 0x_ff", "v = x * 255"},
    {"v = x * 1_000", "v = x * 1000"},
    {"v = x * -9223372036854775808", "v = x * -9223372036854775808"},
    {"v = x * 1e400", "v = x * float(\"inf\")"},
    {"v = x * float('nan')", "v = x * float(\"nan\")"},
    {"v = x * .5e1", "v = x * 5.0"},
    {"v = x * 1j", "v = x * 1.0j"},
    {"v = x * -1j", "v = x * complex(-0.0, -1.0)"},
    {"v = x * (2 - 1j)", "v = x * (2.0-1.0j)"},
    /* names */
    {"v = x\n    v = v + 1\n    v = v * 2", "v = x + 1\n    v_1 = v * 2\n    return v_1"},
    {"x = x + x; x = x * x; v = x", "x_1 = x + x\n    x_2 = x_1 * x_1"},
    {"x = x + x; v = x = x * x", "x_1 = x + x\n    v = x_1 * x_1"},
    {"a = b = x + 1; v = a * b", "a = x + 1\n    v = a * a"},
    {"exp = exp(x); v = exp(exp)", "exp = torch.exp(x)\n    v = torch.exp(exp)"},
    {"sum = x.sum(); v = sum * x.sum(0)", "sum = torch.sum(x)\n    sum_1 = torch.sum(x, dim=0)\n    v = sum * sum_1"},
    {"f32 = x + 1; v = f32 * tensor([2.0])",
     "f32 = x + 1\n    tensor_1 = tensor([2.0], dtype=torch.float32)\n    v = f32 * tensor_1"},
    {"f32 = x + 1; v = f32.to(f32)", "f32 = x + 1\n    v = f32.to(torch.float32)"},
    {"tensor = x + 1; v = tensor * torch.tensor([2])",
     "tensor = x + 1\n    tensor_1 = torch.tensor([2], dtype=i64)\n    v = tensor * tensor_1"},
    {"torch = x + 1; exp = torch.exp(); v = exp * torch", "torch = x + 1\n    exp = exp(torch)\n    v = exp * torch"},
    {"mul_1 = x + 1; v = mul_1 * (x * 2)", "mul_1 = x + 1\n    mul_2 = x * 2\n    v = mul_1 * mul_2"},
    {"i = x + 1; v = i.reshape(i, -1)", "i = x + 1\n    v = reshape(i, (i, -1))"},
    {"s = 2.0; v = x * s", "v = x * 2.0"},
    {"s = 2; t = s * 3; v = x * t", "s = 2\n    v = x * 6"},
    {"w = None; v = layer_norm(x, 4, weight=w)", "v = layer_norm(x, (4,), eps=1e-05)"},
    {"dims = (1, 0, 2); v = x.permute(dims)", "v = permute(x, (1, 0, 2))"},
    /* lines */
    {"v = (x +  # joined by the bracket\n  y)", "v = x + y"},
    {"v = x \\\n + y", "v = x + y"},
    {"'''a docstring\n of two lines'''\n    v = x + y;", "v = x + y"},
    {"\n\n    # nothing\n    r\"\\d\"; v = x + y", "v = x + y"},
};

static int parse(ej_graph *graph, const char *text, einjit_error *err)
{
    memset(err, 0, sizeof *err);
    return ej_graph_parse(graph, &ej_malloc_allocator, text, strlen(text), err);
}

static void check_line(const line *l)
{
    char text[1000], want[1000];
    einjit_error err;
    ej_graph graph;
    ej_arena arena;
    ej_text printed;
    snprintf(text, sizeof text, P "%s\n    return v\n", l->read);
    int status = parse(&graph, text, &err);
    if (status) fail_msg("'%s': %s", l->read, err.text);
    assert_int_equal(ej_graph_verify(&graph, &err), EINJIT_OK);
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&printed, &arena);
    ej_graph_print(&printed, &graph);
    snprintf(want, sizeof want, P "%s\n", l->printed);
    if (strncmp(printed.data, want, strlen(want))) fail_msg("'%s' printed\n%s\nnot\n%s", l->read, printed.data, want);
    ej_arena_free(&arena);
    ej_graph_free(&graph);
}

static void every_operator_reads_and_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) check_line(&lines[i]);
}

/* ---- parameters and results ---- */

static void parameters_carry_dtypes_and_extents(void **state)
{
    (void)state;
    einjit_error err;
    ej_graph g;
    assert_int_equal(
        parse(&g, "def f(a: f32[z, 4, :], b: torch.int64[()], c: f16, d, e: any[z], g: f32[z:, y :]) : return a, b",
              &err),
        EINJIT_OK);
    assert_string_equal(g.name, "f");
    assert_int_equal(g.n_inputs, 6);
    assert_int_equal(g.nodes[0].dtype, EINJIT_F32);
    assert_int_equal(g.nodes[0].rank, 3);
    assert_string_equal(g.symbols[g.nodes[0].extents[0].symbols[0]], "z");
    assert_int_equal(g.nodes[0].extents[1].n, 4);
    assert_int_equal(g.nodes[0].extents[2].n, EJ_EXTENT_UNKNOWN);
    assert_int_equal(g.nodes[1].rank, 0);
    assert_int_equal(g.nodes[2].rank, -1);
    assert_int_equal(g.nodes[2].dtype, EINJIT_F16);
    assert_int_equal(g.nodes[3].dtype, -1);
    assert_int_equal(g.nodes[4].dtype, -1);
    assert_int_equal(g.nodes[4].rank, 1);
    assert_int_equal(g.nodes[4].extents[0].symbols[0], g.nodes[0].extents[0].symbols[0]);
    for (int axis = 0; axis < 2; axis++) assert_int_equal(g.nodes[5].extents[axis].n, EJ_EXTENT_UNKNOWN);
    assert_int_equal(g.nodes[5].extents[0].symbols[0], g.nodes[0].extents[0].symbols[0]);
    assert_string_equal(g.symbols[g.nodes[5].extents[1].symbols[0]], "y");
    assert_int_equal(g.n_symbols, 2);
    assert_int_equal(g.n_outputs, 2);
    assert_false(g.tuple_result);
    ej_graph_free(&g);
}

static void results_may_be_tuples_of_one_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        bool tuple;
    } cases[] = {{"def f(a): return a", 1, false},
                 {"def f(a): return a,", 1, true},
                 {"def f(a): return (a)", 1, false},
                 {"def f(a): return (a, 2.0)", 2, false},
                 {"def f(): return ()", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        einjit_error err;
        ej_graph g;
        assert_int_equal(parse(&g, cases[i].text, &err), EINJIT_OK);
        assert_int_equal(g.n_outputs, cases[i].n);
        assert_int_equal(g.tuple_result, cases[i].tuple);
        ej_graph_free(&g);
    }
}

/* ---- numbers ---- */

static void numbers_fold_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value; /* as Python prints it, but for inf and complex */
    } cases[] = {{"2*3", "6"},
                 {"7//-2", "-4"},
                 {"-7//2", "-4"},
                 {"7/2", "3.5"},
                 {"2**-1", "0.5"},
                 {"-2**2", "-4"},
                 {"(-2)**3", "-8"},
                 {"7.5//-2", "-4.0"},
                 {"-0.0//2", "-0.0"},
                 {"1e300*1e10", "float(\"inf\")"},
                 {"True+True", "2"},
                 {"+True", "1"},
                 {"2+1j", "(2.0+1.0j)"},
                 {"1j*1j", "(-1.0+0.0j)"},
                 {"(1+2j)/(1-1j)", "(-0.5+1.5j)"},
                 {"9223372036854775807+0", "9223372036854775807"},
                 {"-9223372036854775807-1", "-9223372036854775808"},
                 {"0.1+0.2", "0.30000000000000004"},
                 {"1_0.5e-1_0", "1.05e-09"},
                 {"0b101+0o17", "20"},
                 {"(-1)**9223372036854775807", "-1"},
                 {"0**0", "1"},
                 {"2.0**0.5", "1.4142135623730951"},
                 {"1-9223372036854775807", "-9223372036854775806"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        einjit_error err;
        ej_graph g;
        ej_arena arena;
        ej_text printed;
        snprintf(text, sizeof text, "def f(): return %s", cases[i].text);
        int status = parse(&g, text, &err);
        if (status) fail_msg("%s: %s", cases[i].text, err.text);
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_text_init(&printed, &arena);
        ej_graph_print(&printed, &g);
        snprintf(text, sizeof text, "def f():\n    return %s\n", cases[i].value);
        assert_string_equal(printed.data, text);
        ej_arena_free(&arena);
        ej_graph_free(&g);
    }
}

/* ---- errors: `|` marks the column that is pointed at ---- */

typedef struct fault {
    int code;
    const char *text, *message;
} fault;

static const fault faults[] = {
    {EINJIT_E_SYNTAX, "|", "expected 'def name(parameters):' at the start of a line, but the text ends"},
    {EINJIT_E_SYNTAX, "|x = 1", "expected 'def name(parameters):' at the start of a line, got 'x'"},
    {EINJIT_E_SYNTAX, "def f(x) |return x", "expected ':' behind the parameters, got 'return'"},
    {EINJIT_E_SYNTAX, "def f(x, |x): return x", "a second parameter 'x'"},
    {EINJIT_E_SYNTAX, "def f(x |= 1): return x", "expected ',' between parameters, or ')', got '='"},
    {EINJIT_E_SYNTAX, "def f(|*x): return x", "a parameter's name"},
    {EINJIT_E_SYNTAX, "def |def(x): return x", "the function's name, got 'def'"},
    {EINJIT_E_NAME, "def f(x: |f23[z]): return x", "there is no dtype 'f23'"},
    {EINJIT_E_SYNTAX, "def f(x: f32[|]): return x", "expected an extent"},
    {EINJIT_E_SYNTAX, "def f(x: f32[z|*2]): return x", "behind the extents"},
    {EINJIT_E_SIZE, "def f(x: f32[|9223372036854775808]): return x", "63 bits"},
    {EINJIT_E_SYNTAX, "|def f(x):\n    y = x\n", "a function without return"},
    {EINJIT_E_SYNTAX, "def f(x):\n|return x", "expected an indented line, got 'return'"},
    {EINJIT_E_SYNTAX, "def f(x):\n    y = x\n      |return y", "not indented as the first"},
    {EINJIT_E_SYNTAX, "def f(x):\n    y = x\n\t|return y", "not indented as the first"},
    {EINJIT_E_SYNTAX, "def f(x):\n    return x\n    |y = x", "a statement behind return"},
    {EINJIT_E_SYNTAX, "def f(x): return x\n|def g(x): return x", "a program is one function"},
    {EINJIT_E_SYNTAX, "def f(x):\n    |if x: return x", "expected an assignment or return, got 'if'"},
    {EINJIT_E_SYNTAX, "def f(x):\n    x |+= 1",
     "expected '=' behind one name: a statement is an assignment or return, got '+='"},
    {EINJIT_E_SYNTAX, "def f(x):\n    x|, y = x", "expected '=' behind one name"},
    {EINJIT_E_SYNTAX, "def f(x): return x |: 2", "expected the end of the statement, got ':'"},
    {EINJIT_E_SYNTAX, "def f(x): return |", "expected an expression, but the line ends"},
    {EINJIT_E_SYNTAX, "def f(x): return (x|", "but the text ends"},
    {EINJIT_E_SYNTAX, "def f(x): return x + |* x", "expected an expression, got '*'"},
    {EINJIT_E_SYNTAX, "def f(x): return 1 < x |< 2", "comparisons cannot be chained"},
    {EINJIT_E_SYNTAX, "def f(x): return |lambda: x", "got 'lambda'"},
    {EINJIT_E_SYNTAX, "def f(x): return x.|H", "'.H' is not a call"},
    {EINJIT_E_SYNTAX, "def f(x): return x[0]|(1)", "a tensor cannot be called"},
    {EINJIT_E_SYNTAX, "def f(x): return x[|]", "expected an index"},
    {EINJIT_E_SYNTAX, "def f(x): return |$x", "'$' does not belong into a program"},
    {EINJIT_E_SYNTAX, "def f(x): return |\x01", "byte 0x01"},
    {EINJIT_E_SYNTAX, "def f(x): return |'abc\n'", "a string without its closing quote"},
    {EINJIT_E_SYNTAX, "def f(x): return x |\\ ", "a backslash"},
    {EINJIT_E_SYNTAX, "def f(x): return 12|x", "a letter inside a number"},
    {EINJIT_E_SYNTAX, "def f(x): return |012", "a leading zero"},
    {EINJIT_E_SYNTAX, "def f(x): return |0x", "ends too early"},
    {EINJIT_E_SYNTAX, "def f(x): return |0b12", "a digit"},
    {EINJIT_E_SYNTAX, "def f(x): return |\xff\xfe", "not UTF-8"},
    {EINJIT_E_SYNTAX, "def f(x): return sum(x, dim=0, |1)", "a positional argument behind"},
    {EINJIT_E_NAME, "def f(x): return |y", "name 'y' is not defined"},
    {EINJIT_E_NAME, "def f(x): return |Y + \xce\xb3", "name 'Y' is not defined"},
    {EINJIT_E_NAME, "def f(x):\n    return x + x.sum() + |t + 1", "name 't' is not defined"},
    {EINJIT_E_NAME, "def f(x): return |foo(x)", "there is no operator 'foo'"},
    {EINJIT_E_NAME, "def f(x): return x.|einsum('i')", "einsum is a function, not a method"},
    {EINJIT_E_NAME, "def f(x: f32[z]): return x.reshape(|q, 1)", "no parameter has an extent 'q'"},
    {EINJIT_E_NAME, "def f(x): return x.to(|x)", "there is no dtype 'x'"},
    {EINJIT_E_VALUE, "def f(x): return |sum()", "sum needs its argument 'input'"},
    {EINJIT_E_VALUE, "def f(x): return exp(x, |x)", "exp takes at most 1 arguments"},
    {EINJIT_E_VALUE, "def f(x): return sum(x, |axis=1)", "sum has no argument 'axis'"},
    {EINJIT_E_VALUE, "def f(x): return sum(x, |input=x)", "argument 'input' of sum is given twice"},
    {EINJIT_E_VALUE, "def f(x): return sum(x, dim=|1.0)", "argument 'dim' of sum must be an integer or a tuple"},
    {EINJIT_E_VALUE, "def f(x): return sum(x, dim=(0, |x))", "argument 'dim' of sum must be"},
    {EINJIT_E_VALUE, "def f(x): return sum(x, keepdim=|1)", "True or False"},
    {EINJIT_E_VALUE, "def f(x): return div(x, 2, rounding_mode=|'up')", "one of \"floor\", \"trunc\""},
    {EINJIT_E_VALUE, "def f(x): return exp(|'x')", "expected a tensor or a number, got a string"},
    {EINJIT_E_VALUE, "def f(x): return exp(|(x, x))", "got a tuple"},
    {EINJIT_E_VALUE, "def f(x): return |[x]", "several results are a tuple"},
    {EINJIT_E_VALUE, "def f(x: f32[z]): return x.reshape(z |+ 1)", "an extent is a number, a name, or a product"},
    {EINJIT_E_VALUE, "def f(x: f32[z]): return x.reshape(|-2)", "extents"},
    {EINJIT_E_VALUE, "def f(x): return reshape(x, |(-1, -1))", "-1 at most once"},
    {EINJIT_E_VALUE, "def f(x): return x[::|0]", "the step of a slice is not 0"},
    {EINJIT_E_VALUE, "def f(x): return x[|1.5]", "an index is"},
    {EINJIT_E_VALUE, "def f(x): return x[..., |...]", "a second '...'"},
    {EINJIT_E_UNSUPPORTED, "def f(x): return x|[0, x]", "beside an index tensor"},
    {EINJIT_E_VALUE, "def f(x): return cat(|[])", "at least one tensor"},
    {EINJIT_E_VALUE, "def f(x): return tensor([[1, 2], |[3]])", "a list of 1 items beside lists of 2"},
    {EINJIT_E_VALUE, "def f(x): return tensor([|[1], 2])", NULL},
    {EINJIT_E_VALUE, "def f(x): return tensor([1, |x])", "a constant is made of numbers, not of a tensor"},
    {EINJIT_E_VALUE, "def f(x): return tensor(|[0, 3000000000], dtype=i32)",
     "number 1 of the constant is not a value of i32"},
    {EINJIT_E_VALUE, "def f(x): return structural(|x)", "must be a constant"},
    {EINJIT_E_VALUE, "def f(x): return 1 |/ 0", "division of a number by zero"},
    {EINJIT_E_SIZE, "def f(x): return 9223372036854775807 |+ 1", "64 bits"},
    {EINJIT_E_SIZE, "def f(x): return |9223372036854775808", "64 bits"},
    {EINJIT_E_SIZE, "def f(x): return x * |99999999999999999999999999", "64 bits"},
    {EINJIT_E_SIZE, "def f(x): return 2 |** 63", "64 bits"},
    {EINJIT_E_BAD_CHAR, "def f(x): return einsum('ij,|$j->i', x, x)", NULL},
    {EINJIT_E_OUT_UNKNOWN, "def f(x): return einsum('ij,jk->i|q', x, x)", NULL},
    {EINJIT_E_OUT_UNKNOWN, "def f(x):\n    return einsum('\xce\xb1j,jk->\xce\xb1|q', x, x)", NULL},
    {EINJIT_E_OPERAND_COUNT, "def f(x): return einsum(|'ij,jk->ik', x)", NULL},
};

static void errors_name_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        char text[300];
        einjit_error err;
        ej_graph g;
        const char *mark = strchr(f->text, '|');
        snprintf(text, sizeof text, "%.*s%s", (int)(mark - f->text), f->text, mark + 1);
        int row = 1, column = 1;
        for (const char *c = f->text; c < mark; c++) {
            column += ((unsigned char)*c & 0xC0) != 0x80;
            if (*c == '\n') row++, column = 1;
        }
        int status = parse(&g, text, &err);
        if (status != f->code) fail_msg("'%s' gave %s: %s", text, einjit_status_name(status), err.text);
        assert_int_equal(err.code, f->code);
        if (f->message && !strstr(err.text, f->message)) fail_msg("'%s' gave '%s'", text, err.text);
        if (f->message || strstr(f->text, "einsum"))
            if (f->code != EINJIT_E_OPERAND_COUNT && (err.line != row || err.column != column))
                fail_msg("'%s' points at %d:%d, not %d:%d", text, (int)err.line, (int)err.column, row, column);
        assert_true(err.line >= 1 && err.column >= 1);
        assert_null(strchr(err.text, '\n'));
    }
}

/* ---- sizes ---- */

static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
    size_t h = strlen(head), m = strlen(part), t = strlen(tail);
    char *text = malloc(h + n * m + t + 1);
    assert_non_null(text);
    memcpy(text, head, h);
    for (size_t i = 0; i < n; i++) memcpy(text + h + i * m, part, m);
    memcpy(text + h + n * m, tail, t + 1);
    return text;
}

static void check_long(const char *head, const char *part, size_t n, const char *tail, size_t n_nodes)
{
    char *text = repeat(head, part, n, tail);
    einjit_error err;
    ej_graph g;
    int status = parse(&g, text, &err);
    if (status) fail_msg("%s%s...: %s", head, part, err.text);
    assert_int_equal(g.n_nodes, n_nodes);
    ej_graph_free(&g);
    free(text);
}

static void long_programs_need_no_deep_stack(void **state)
{
    (void)state;
    check_long("def f(x): return x", " + x", 100000, "", 100001);
    check_long("def f(x): return x", ".exp()", 100000, "", 100001);
    check_long("def f(x): return x", "[0]", 100000, "", 100001);
    check_long("def f(x):\n", "    x = x * 2.0\n", 100000, "    return x", 200001);
    check_long("def f(x): return 0", " + 1", 100000, "", 2);
    check_long("def f(x): return cat([", "x, ", 100000, "])", 2);
    check_long("def f(x): return tensor([", "1.5, ", 100000, "])", 2);
    check_long("def f(x): ", "x = x; ", 100000, "return x", 1);
    check_long("def f(x): return (", "x, ", 100000, ")", 1);
    check_long("def f(", "", 0, "): return 1", 1);
}

static void nesting_is_limited_to_200(void **state)
{
    (void)state;
    static const char *const parts[][2] = {{"(", ")"},    {"-", ""},     {"exp(", ")"},
                                           {"2 ** ", ""}, {"(1, ", ")"}, {"x[", "]"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (size_t depth = 200; depth <= 50000; depth = depth == 200 ? 201 : depth == 201 ? 50000 : 50001) {
            char *head = repeat("def f(x): return ", parts[i][0], depth, "x");
            char *text = repeat(head, parts[i][1], depth, "");
            einjit_error err;
            ej_graph g;
            int status = parse(&g, text, &err);
            if (depth > 200) assert_int_equal(status, EINJIT_E_LIMIT);
            if (depth == 200) assert_int_not_equal(status, EINJIT_E_LIMIT);
            if (!status) ej_graph_free(&g);
            free(head);
            free(text);
        }
    }
}

/* ---- memory ---- */

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    static const char text[] = "def f(x: f32[z, 4], w: f32[4, 4], idx: i64[z]):\n"
                               "    c = tensor([[1.0, 2.0], [3.0, 4.0]])\n"
                               "    y = einsum('ij,jk->ik', x, w) * 2.0 + x.reshape(z*4, -1)[:, None].sum(dim=(0, 1))\n"
                               "    return y[idx], cat([y, y], dim=0), layer_norm(y, (4,)), structural(c), c / 1.5\n";
    int status = EINJIT_E_NOMEM;
    long n = 0;
    for (; status == EINJIT_E_NOMEM; n++) {
        scarce_memory memory;
        einjit_error err;
        ej_graph g;
        assert_true(n < 100000);
        scarce_memory_init(&memory, n);
        status = ej_graph_parse(&g, &memory.hooks, text, sizeof text - 1, &err);
        if (!status) ej_graph_free(&g);
        assert_int_equal(memory.live, 0);
    }
    assert_int_equal(status, EINJIT_OK);
    assert_true(n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_reads_and_prints),
        cmocka_unit_test(parameters_carry_dtypes_and_extents),
        cmocka_unit_test(results_may_be_tuples_of_one_or_none),
        cmocka_unit_test(numbers_fold_as_python_does),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(long_programs_need_no_deep_stack),
        cmocka_unit_test(nesting_is_limited_to_200),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
