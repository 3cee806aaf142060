/* prop_limits.c - sizes at the limits: extents up to 2^62, ranks up to 128, einsums of 5,000 operands, paths of 25,000.
 * What is too large is refused with E_SIZE or E_LIMIT, before anything is allocated for it. Long and deep programs:
 * prop_depth.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"

static einjit_error err;

static void assert_ok(int status)
{
    if (status != EINJIT_OK) fail_msg("%s: %s", einjit_status_name(status), err.text);
}

/* ---- memory: no single request may be larger than this ---- */

enum { LARGEST_MB = 400 };

static void *bounded_alloc(void *user, size_t bytes)
{
    (void)user;
    return bytes > (size_t)LARGEST_MB << 20 ? NULL : malloc(bytes);
}

static void bounded_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

static einjit_context *bounded_context(int32_t flags)
{
    einjit_allocator allocator = {bounded_alloc, bounded_release, NULL};
    einjit_options options = {
        .struct_bytes = sizeof options, .allocator = &allocator, .backend = "interp", .flags = flags};
    einjit_context *context = NULL;
    assert_ok(einjit_context_create(&context, &options, &err));
    return context;
}

/* ---- huge sizes ---- */

#define HUGE31 (INT64_C(1) << 31)
#define HUGE62 (INT64_C(1) << 62)

typedef struct size_case {
    const char *program;
    int rank[3];
    int64_t shape[3][4];
    const char *open;
} size_case;

static const size_case too_large[] = {
    /* inputs alone */
    {"def f(a):\n    return a + a\n", {1}, {{HUGE62}}, NULL},
    {"def f(a):\n    return a + a\n", {1}, {{INT64_MAX}}, NULL},
    {"def f(a):\n    return a + a\n", {3}, {{HUGE31, HUGE31, HUGE31}}, NULL},
    {"def f(a):\n    return a + a\n", {4}, {{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}}, NULL},
    {"def f(a):\n    return a + a\n", {3}, {{0, INT64_MAX, INT64_MAX}}, NULL},
    /* results */
    {"def f(a, b):\n    return einsum(\"ij,kl->ijkl\", a, b)\n", {2, 2}, {{HUGE31, 8}, {HUGE31, 8}}, NULL},
    {"def f(a, b):\n    return einsum(\"ij,jk->ik\", a, b)\n", {2, 2}, {{HUGE31, 1}, {1, HUGE31}}, NULL},
    {"def f(a, b, c):\n    return einsum(\"i,j,k->ijk\", a, b, c)\n", {1, 1, 1}, {{HUGE31}, {HUGE31}, {HUGE31}}, NULL},
    {"def f(a, b):\n    return a @ b\n", {2, 2}, {{HUGE31, 1}, {1, HUGE31}}, NULL},
    {"def f(a, b):\n    return a * b\n", {2, 2}, {{HUGE31, 1}, {1, HUGE31}}, NULL},
    {"def f(a, b):\n    return a[:, None] + b\n", {1, 1}, {{HUGE31}, {HUGE31}}, NULL},
    {"def f(a, b):\n    return cat([a, b], 0)\n", {1, 1}, {{HUGE62 / 4}, {HUGE62 / 4}}, NULL},
    {"def f(a):\n    return stack([a, a, a, a, a], 0)\n", {1}, {{HUGE62 / 8}}, NULL},
    {"def f(a):\n    return a.expand(4611686018427387904, 8, -1)\n", {1}, {{1}}, NULL},
    {"def f(a):\n    return a.expand(9223372036854775807, 9223372036854775807)\n", {1}, {{1}}, NULL},
    {"def f(a):\n    return a.expand(4294967296, 4294967296)\n", {1}, {{1}}, NULL},
    {"def f(a, i):\n    return a[i]\n", {2, 1}, {{1, HUGE31}, {HUGE31}}, NULL},
    {"def f(a: f32[n, n], b: f32[m, m]):\n    return tensordot(a, b, 0)\n",
     {2, 2},
     {{1 << 16, 1 << 16}, {1 << 16, 1 << 16}},
     NULL},
    {"def f(a):\n    return index_add(9223372036854775807, 0, tensor([0, 1]), a)\n", {1}, {{2}}, NULL},
    {"def f(a):\n    return index_add(4611686018427387904, 0, tensor([0, 1]), a)\n", {1}, {{2}}, NULL},
    /* what is between inputs and results */
    {"def f(a, b):\n    return (a * b).sum()\n", {2, 2}, {{HUGE31, 1}, {1, HUGE31}}, NULL},
    {"def f(a, b):\n    return logsumexp(a[:, None] + b, (0, 1))\n", {1, 1}, {{HUGE31}, {HUGE31}}, NULL},
    {"def f(a):\n    return cat([a, a, a, a, a, a, a, a], 0)[0:2]\n", {1}, {{HUGE62 / 16}}, NULL},
    /* with open extents */
    {"def f(a: f32[n], b: f32[m]):\n    return einsum(\"i,j->ij\", a, b)\n", {1, 1}, {{HUGE31}, {HUGE31}}, "n,m"},
    {"def f(a: f32[n], b: f32[m]):\n    return cat([a, b], 0)\n", {1, 1}, {{HUGE62 / 4}, {HUGE62 / 4}}, "n,m"},
    {"def f(a: f32[n]):\n    return einsum(\"i,j,k,l->ijkl\", a, a, a, a)\n", {1}, {{1 << 20}}, "n"},
    {"def f(a: f32[n]):\n    return a.expand(n, n, n)\n", {1}, {{HUGE31}}, "n"},
};

static bool is_size(int status)
{
    return status == EINJIT_E_SIZE || status == EINJIT_E_LIMIT;
}

static size_t make_inputs(const size_case *c, einjit_tensor *in)
{
    size_t n = 0;
    for (; n < 3 && c->rank[n]; n++) in[n] = (einjit_tensor){NULL, EINJIT_F32, c->rank[n], c->shape[n], NULL};
    if (strstr(c->program, "a[i]")) in[1].dtype = EINJIT_I64;
    return n;
}

static void every_call_refuses_sizes_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const stages[] = {"bind", "path", "plan", "nest"};
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        const size_case *c = &too_large[i];
        for (int flags = 0; flags <= EINJIT_OPTION_NO_OPTIMIZE; flags += EINJIT_OPTION_NO_OPTIMIZE) {
            einjit_context *context = bounded_context(flags | EINJIT_OPTION_VERIFY);
            einjit_graph *graph = api_graph(context, c->program);
            einjit_tensor in[3];
            size_t n = make_inputs(c, in);
            einjit_compile_options options = {.struct_bytes = sizeof options, .open = c->open};
            einjit_kernel *kernel = NULL;
            einjit_shapes *shapes = NULL;
            einjit_cost cost = {.struct_bytes = sizeof cost};
            size_t needed;
            char text[16];
            int status = einjit_shapes_infer(&shapes, graph, n, in, &err);
            if (!is_size(status)) fail_msg("%s: shapes: %s: %s", c->program, einjit_status_name(status), err.text);
            status = einjit_compile(&kernel, context, graph, n, in, 0, NULL, &options, &err);
            if (!is_size(status)) fail_msg("%s: compile: %s: %s", c->program, einjit_status_name(status), err.text);
            assert_true(strlen(err.text) > 10);
            status = einjit_plan_cost(&cost, context, graph, n, in, &options, &err);
            if (!is_size(status)) fail_msg("%s: cost: %s: %s", c->program, einjit_status_name(status), err.text);
            for (int s = 0; s < 4; s++) {
                status = einjit_explain(context, graph, n, in, &options, stages[s], text, sizeof text, &needed, &err);
                if (!is_size(status)) fail_msg("%s: explain: %s: %s", c->program, einjit_status_name(status), err.text);
            }
            float x;
            einjit_tensor out = F32(&x, 1);
            status = einjit_call(context, graph, n, in, 1, &out, &err);
            if (!is_size(status)) fail_msg("%s: call: %s: %s", c->program, einjit_status_name(status), err.text);
            einjit_graph_destroy(graph);
            einjit_context_release(context);
        }
    }
}

static void one_einsum_refuses_sizes_that_do_not_fit(void **state)
{
    (void)state;
    einjit_context *context = bounded_context(EINJIT_OPTION_VERIFY);
    float x = 1, y;
    const int64_t none[] = {0, 0};
    const int32_t labels[] = {1, 2}, order[] = {1, 2};
    for (int bits = 31; bits <= 62; bits++) {
        int64_t n = INT64_C(1) << bits;
        /* all elements at one address: the sizes are the only thing that is wrong */
        einjit_tensor in[] = {F32(&x, n), F32(&x, n)}, out = F32(&y, n, n);
        in[0].strides = in[1].strides = out.strides = none;
        int status = einjit_einsum(context, "i,j->ij", 2, in, &out, &err);
        if (!is_size(status) && status != EINJIT_E_OVERLAP) fail_msg("%s: %s", einjit_status_name(status), err.text);
        status = einjit_einsum_labels(context, 2, in, labels, &out, order, &err);
        if (!is_size(status) && status != EINJIT_E_OVERLAP) fail_msg("%s: %s", einjit_status_name(status), err.text);
        out.strides = NULL;
        status = einjit_einsum(context, "i,j->ij", 2, in, &out, &err);
        if (!is_size(status)) fail_msg("%s: %s", einjit_status_name(status), err.text);
    }
    einjit_tensor far = F32(&x, 3, 3), out = F32(&y, 1);
    static const int64_t strides[][2] = {{HUGE62, 1}, {INT64_MAX, 1}, {INT64_MIN, 1}, {1, -HUGE62}, {HUGE62, HUGE62}};
    for (int i = 0; i < 5; i++) {
        far.strides = strides[i];
        int status = einjit_einsum(context, "ij->", 1, &far, &SCALAR(&y, EINJIT_F32), &err);
        if (!is_size(status)) fail_msg("%s: %s", einjit_status_name(status), err.text);
        out = F32(&y, 3, 3);
        out.strides = strides[i];
        status = einjit_einsum(context, "ij->ij", 1, &F32(&x, 3, 3), &out, &err);
        if (!is_size(status)) fail_msg("%s: %s", einjit_status_name(status), err.text);
    }
    einjit_context_release(context);
}

/* Many multiplications, no large tensor: counted, not refused, and nothing overflows. */
static void costs_beyond_63_bits_are_counted(void **state)
{
    (void)state;
    einjit_context *context = bounded_context(EINJIT_OPTION_VERIFY);
    einjit_graph *graph = NULL;
    assert_ok(einjit_graph_from_equation(&graph, context, "ab,bc,cd,da->", &err));
    const int64_t n = 1 << 29;
    einjit_tensor in[] = {F32(NULL, n, n), F32(NULL, n, n), F32(NULL, n, n), F32(NULL, n, n)};
    einjit_cost cost = {.struct_bytes = sizeof cost};
    assert_ok(einjit_plan_cost(&cost, context, graph, 4, in, NULL, &err));
    assert_true(cost.naive_operations > 1e34 && cost.log10_mults > 26 && cost.log10_mults < 28);
    assert_true(cost.log2_largest >= 58 && cost.log2_largest < 59);
    einjit_graph_destroy(graph);
    int32_t ranks[] = {2, 2}, labels[] = {0, 1, 1, 2}, output[] = {0, 2}, pairs[4];
    int64_t sizes[] = {HUGE62, HUGE62, INT64_MAX};
    size_t steps = 0;
    double mults = 0, largest = 0;
    int status =
        einjit_path(context, 2, ranks, labels, 2, output, 3, sizes, NULL, pairs, 2, &steps, &mults, &largest, &err);
    assert_true(status == EINJIT_OK || is_size(status));
    if (status == EINJIT_OK) assert_true(steps == 1 && mults > 55 && mults < 57 && largest > 123 && largest < 126);
    einjit_context_release(context);
}

/* Scratch for an intermediate of 2^42 bytes: known, and refused by the allocator when it is asked for. */
static void scratch_is_asked_for_only_when_it_runs(void **state)
{
    (void)state;
    einjit_context *context = bounded_context(EINJIT_OPTION_VERIFY);
    einjit_graph *graph = api_graph(context, "def f(a: f32[n], b: f32[n]):\n"
                                             "    x = exp(a[:, None] + b)\n    return softmax(x, 1).sum()\n");
    const int64_t n = 1 << 20, none = 0;
    float x = 1, y = 5;
    einjit_tensor in[] = {{&x, EINJIT_F32, 1, &n, &none}, {&x, EINJIT_F32, 1, &n, &none}}, out = SCALAR(&y, EINJIT_F32);
    einjit_kernel *kernel = NULL;
    assert_ok(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, NULL, &err));
    assert_true(einjit_kernel_scratch_bytes(kernel, NULL) > (size_t)1 << 40);
    assert_int_equal(einjit_run(kernel, 2, in, 1, &out, &err), EINJIT_E_NOMEM);
    assert_true(y == 5);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* Compiled for a few elements, run with values whose products do not fit. */
static void open_extents_that_overflow_are_refused_when_they_run(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        int n_in;
    } cases[] = {
        {"def f(a: f32[n], b: f32[m]):\n    return einsum(\"i,j->ij\", a, b)\n", 2},
        {"def f(a: f32[n], b: f32[m]):\n    return cat([a, b], 0)\n", 2},
        {"def f(a: f32[n], b: f32[m]):\n    return softmax(a[:, None] * b, 0).sum(), a\n", 2},
        {"def f(a: f32[n]):\n    return einsum(\"i,j,k->ijk\", a, a, a)\n", 1},
        {"def f(a: f32[n]):\n    return a.expand(n, n, -1) + 1.0\n", 1},
        {"def f(a: f32[n]):\n    return stack([a, a, a, a, a, a, a, a, a], 1).reshape(-1)\n", 1},
    };
    static const int64_t values[] = {HUGE31 * 2, HUGE62 / 4, HUGE62, INT64_MAX, INT64_C(1) << 60};
    einjit_context *context = bounded_context(EINJIT_OPTION_VERIFY);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        einjit_graph *graph = api_graph(context, cases[c].program);
        einjit_compile_options options = {.struct_bytes = sizeof options, .open = cases[c].n_in == 2 ? "n,m" : "n"};
        einjit_tensor small[] = {F32(NULL, 3), F32(NULL, 4)};
        einjit_kernel *kernel = NULL;
        assert_ok(einjit_compile(&kernel, context, graph, (size_t)cases[c].n_in, small, 0, NULL, &options, &err));
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            int64_t n = values[v], sizes[] = {n, n}, shape[4] = {-7, -7, -7, -7};
            float x = 0, y = 0;
            einjit_tensor in[] = {F32(&x, n), F32(&x, n)}, out[] = {F32(&y, n, n), F32(&y, n)};
            size_t n_out = einjit_kernel_output_count(kernel);
            int status = einjit_run(kernel, (size_t)cases[c].n_in, in, n_out, out, &err);
            /* a small overflow of bytes only is an output that does not fit the shape, or addresses that do not
             * exist */
            if (!is_size(status) && status != EINJIT_E_SHAPE && status != EINJIT_E_RANK)
                fail_msg("%s: %lld: %s: %s", cases[c].program, (long long)n, einjit_status_name(status), err.text);
            status = einjit_kernel_output_shape(kernel, 0, sizes, NULL, NULL, shape, 4, &err);
            assert_true(status == EINJIT_OK || (is_size(status) && shape[0] == -7));
            einjit_kernel_scratch_bytes(kernel, sizes);
            einjit_kernel *other = NULL; /* observed as such */
            status = einjit_compile(&other, context, graph, (size_t)cases[c].n_in, in, 0, NULL, &options, &err);
            if (!is_size(status)) {
                status = einjit_run(other, (size_t)cases[c].n_in, in, n_out, out, &err);
                if (!is_size(status) && status != EINJIT_E_SHAPE && status != EINJIT_E_RANK)
                    fail_msg("%s: %lld: then %s: %s", cases[c].program, (long long)n, einjit_status_name(status),
                             err.text);
                einjit_kernel_release(other);
            }
        }
        int64_t negative[] = {-1, 3};
        assert_true(einjit_kernel_scratch_bytes(kernel, negative) == SIZE_MAX ||
                    !einjit_kernel_scratch_bytes(kernel, negative));
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
    }
    einjit_context_release(context);
}

/* ---- ranks ---- */

enum { RANK = 128 };

static void ranks_up_to_128_work(void **state)
{
    (void)state;
    einjit_context *context = bounded_context(EINJIT_OPTION_VERIFY);
    for (int rank = 1; rank <= RANK; rank += rank < 16 ? 5 : 28) {
        int32_t labels[2 * RANK], output[RANK];
        int64_t shape[RANK], turned[RANK], dims[RANK];
        int64_t elems = 1;
        for (int i = 0; i < rank; i++) {
            labels[i] = labels[rank + i] = 3 * i;
            output[i] = 3 * (rank - 1 - i);
            dims[i] = rank - 1 - i;
            shape[i] = i * 10 % (rank + 3) < 10 && elems < 256 ? 2 : 1;
            elems *= shape[i];
        }
        for (int i = 0; i < rank; i++) turned[i] = shape[rank - 1 - i];
        float *a = calloc((size_t)elems, sizeof *a), *b = calloc((size_t)elems, sizeof *b),
              *c = calloc((size_t)elems, sizeof *c);
        for (int64_t i = 0; i < elems; i++) a[i] = (float)i;
        einjit_tensor in[] = {{a, EINJIT_F32, rank, shape, NULL}, {a, EINJIT_F32, rank, shape, NULL}};
        einjit_tensor out = {b, EINJIT_F32, rank, turned, NULL}, out2 = {c, EINJIT_F32, rank, turned, NULL};
        assert_ok(einjit_einsum_labels(context, 2, in, labels, &out, output, &err));
        einjit_graph *graph = NULL;
        einjit_value x;
        assert_ok(einjit_graph_create(&graph, context, &err));
        assert_ok(einjit_graph_input(&x, graph, "x", EINJIT_F32, rank, shape, NULL, &err));
        assert_ok(einjit_graph_mul(&x, graph, x, x, &err));
        assert_ok(einjit_graph_permute(&x, graph, x, (size_t)rank, dims, &err));
        assert_ok(einjit_graph_output(graph, x, &err));
        assert_ok(einjit_call(context, graph, 1, in, 1, &out2, &err));
        einjit_graph_destroy(graph);
        int bits = 0;
        while ((INT64_C(1) << bits) < elems) bits++;
        for (int64_t i = 0; i < elems; i++) {
            int64_t from = 0; /* the digits of i, turned around */
            for (int k = 0; k < bits; k++) from |= (i >> k & 1) << (bits - 1 - k);
            assert_true(b[i] == a[from] * a[from] && c[i] == b[i]);
        }
        free(a);
        free(b);
        free(c);
    }
    einjit_context_release(context);
}

/* ---- many operands and labels ---- */

enum { MANY = 5000 };

static void einsums_of_5000_operands_are_computed(void **state)
{
    (void)state;
    einjit_context *context = bounded_context(0);
    static const int64_t shape[] = {2, 2}, column[] = {2};
    float turn[] = {0, 1, 1, 0}, ones[] = {1, 1}, picks[] = {0, 1}, result[4];
    einjit_tensor *in = calloc(MANY, sizeof *in);
    int32_t *labels = calloc(2 * MANY, sizeof *labels), *ranks = calloc(MANY, sizeof *ranks);
    /* a chain of swaps, an even number of them */
    for (int i = 0; i < MANY; i++) {
        in[i] = (einjit_tensor){turn, EINJIT_F32, 2, shape, NULL};
        ranks[i] = 2;
        labels[2 * i] = 100 + 7 * i;
        labels[2 * i + 1] = 100 + 7 * (i + 1);
    }
    int32_t output[] = {100, 100 + 7 * MANY};
    einjit_tensor out = F32(result, 2, 2);
    assert_ok(einjit_einsum_labels(context, MANY, in, labels, &out, output, &err));
    assert_true(result[0] == 1 && result[1] == 0 && result[2] == 0 && result[3] == 1);
    /* the same as a graph, once more with one input */
    einjit_graph *graph = NULL;
    einjit_value x, y, *values = calloc(MANY, sizeof *values);
    assert_ok(einjit_graph_create(&graph, context, &err));
    assert_ok(einjit_graph_input(&x, graph, "x", -1, -1, NULL, NULL, &err));
    for (int i = 0; i < MANY; i++) values[i] = x;
    assert_ok(einjit_graph_einsum_labels(&y, graph, MANY, values, ranks, labels, 2, output, &err));
    assert_ok(einjit_graph_output(graph, y, &err));
    result[0] = result[1] = -1;
    assert_ok(einjit_call(context, graph, 1, in, 1, &out, &err));
    assert_true(result[0] == 1 && result[1] == 0);
    einjit_graph_destroy(graph);
    /* a star: all operands share one label, half of them have a label of their own that is summed */
    for (int i = 0, at = 0; i < MANY; i++) {
        bool wide = i % 2;
        in[i] = (einjit_tensor){wide    ? turn
                                : i % 4 ? ones
                                        : picks,
                                EINJIT_F32, wide ? 2 : 1, wide ? shape : column, NULL};
        labels[at++] = 5;
        if (wide) labels[at++] = 10 + i;
    }
    int32_t star[] = {5};
    einjit_tensor column_out = F32(result, 2);
    assert_ok(einjit_einsum_labels(context, MANY, in, labels, &column_out, star, &err));
    assert_true(result[0] == 0 && result[1] == 1);
    free(in);
    free(labels);
    free(ranks);
    free(values);
    einjit_context_release(context);
}

static void paths_of_25000_operands_are_found(void **state)
{
    (void)state;
    enum { N = 25000 };
    einjit_context *context = bounded_context(0);
    int32_t *ranks = calloc(N, sizeof *ranks), *labels = calloc(2 * N, sizeof *labels),
            *pairs = calloc(4 * N, sizeof *pairs);
    int64_t *sizes = calloc(N + 1, sizeof *sizes);
    for (int i = 0; i < N; i++) {
        ranks[i] = 2;
        labels[2 * i] = i;
        labels[2 * i + 1] = i + 1;
        sizes[i] = sizes[i + 1] = 2 + i % 5;
    }
    size_t steps = 0;
    double mults;
    assert_ok(einjit_path(context, N, ranks, labels, 2, (int32_t[]){0, N}, N + 1, sizes, NULL, pairs, 2 * N, &steps,
                          &mults, NULL, &err));
    assert_int_equal(steps, N - 1);
    free(ranks);
    free(labels);
    free(pairs);
    free(sizes);
    einjit_context_release(context);
}

int main(void)
{
    use_built_module();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_refuses_sizes_that_do_not_fit),
        cmocka_unit_test(one_einsum_refuses_sizes_that_do_not_fit),
        cmocka_unit_test(costs_beyond_63_bits_are_counted),
        cmocka_unit_test(scratch_is_asked_for_only_when_it_runs),
        cmocka_unit_test(open_extents_that_overflow_are_refused_when_they_run),
        cmocka_unit_test(ranks_up_to_128_work),
        cmocka_unit_test(einsums_of_5000_operands_are_computed),
        cmocka_unit_test(paths_of_25000_operands_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
