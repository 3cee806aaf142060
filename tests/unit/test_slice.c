/* test_slice.c - contractions within a memory limit: in slices they give what they give as a whole, in the scratch and
 * with the operations that were said; and what cannot be sliced is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api_support.h"
#include "kernel_slice.h"

static einjit_error err;

enum { MOST_TERMS = 10, MOST_RANK = 8, MOST_BYTES = 1 << 20, MOST_LABELS = 26 };

typedef struct problem {
    int n;
    char equation[256], program[1024];
    int rank[MOST_TERMS + 1]; /* the last one: the result */
    int64_t shape[MOST_TERMS + 1][MOST_RANK], strides[MOST_TERMS + 1][MOST_RANK];
    int64_t bytes[MOST_TERMS + 1];
    einjit_tensor t[MOST_TERMS + 1];
    uint64_t random;
} problem;

static uint32_t below(problem *p, uint32_t n)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((p->random >> 33) % n);
}

/* Row-major, or with its axes turned round in memory. */
static void lay_out(problem *p, int t, int dtype, bool turned)
{
    int64_t step = 1;
    for (int i = 0; i < p->rank[t]; i++) {
        int a = turned ? i : p->rank[t] - 1 - i;
        p->strides[t][a] = step;
        step *= p->shape[t][a];
    }
    p->bytes[t] = step * (int64_t)einjit_dtype_bytes(dtype);
    p->t[t] = (einjit_tensor){malloc((size_t)p->bytes[t]), dtype, p->rank[t], p->shape[t], p->strides[t]};
    assert_non_null(p->t[t].data);
}

/* Small whole numbers, so that every order of sums gives the same bits. */
static void fill(problem *p, int t)
{
    size_t size = einjit_dtype_bytes(p->t[t].dtype), n = (size_t)p->bytes[t] / size;
    for (size_t i = 0; i < n; i++) {
        int v = (int)below(p, 4) - 1;
        void *x = (char *)p->t[t].data + i * size;
        switch (p->t[t].dtype) {
        case EINJIT_F32: *(float *)x = (float)v; break;
        case EINJIT_F64: *(double *)x = v; break;
        case EINJIT_C64: ((float *)x)[0] = (float)v, ((float *)x)[1] = (float)(v & 1); break;
        case EINJIT_C128: ((double *)x)[0] = v, ((double *)x)[1] = v & 1; break;
        case EINJIT_I32: *(int32_t *)x = v; break;
        case EINJIT_I64: *(int64_t *)x = v; break;
        case EINJIT_BOOL: *(unsigned char *)x = v > 0; break;
        case EINJIT_F16: *(uint16_t *)x = v < 0 ? 0xBC00 : v == 2 ? 0x4000 : v ? 0x3C00 : 0; break;
        case EINJIT_BF16: *(uint16_t *)x = v < 0 ? 0xBF80 : v == 2 ? 0x4000 : v ? 0x3F80 : 0; break;
        default: fail();
        }
    }
}

/* Labels between two operands, some between three; one or two of them, and a label of one operand, in the result. Some
 * axes have extent 1 and broadcast. `how`: what follows the operands in the program's text. */
static void random_problem(problem *p, uint64_t seed, int dtype, const char *how)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    memset(p, 0, sizeof *p);
    p->random = seed * 977 + 12345;
    p->n = 4 + (int)below(p, MOST_TERMS - 4);
    int n_labels = 2 * p->n < MOST_LABELS ? 2 * p->n : MOST_LABELS;
    char terms[MOST_TERMS + 1][MOST_RANK + 1] = {{0}};
    for (int l = 0; l < n_labels; l++) {
        int64_t extent = 2 + (int64_t)below(p, 3);
        int first = l % p->n, users = below(p, 6) ? 2 : 3, kept = l == 1 || !below(p, 10) ? p->n : -1;
        for (int u = 0; u < users + (kept >= 0); u++) {
            int t = u == users ? kept : u ? (first + 1 + (int)below(p, (uint32_t)p->n - 1)) % p->n : first;
            if (p->rank[t] == MOST_RANK || strchr(terms[t], letters[l])) continue;
            if (t == p->n && p->rank[t] == 4) continue;
            p->shape[t][p->rank[t]] = t < p->n && u && !below(p, 25) ? 1 : extent;
            terms[t][p->rank[t]++] = letters[l];
        }
    }
    char *at = p->equation;
    for (int t = 0; t < p->n; t++) at += sprintf(at, "%s%s", t ? "," : "", terms[t]);
    sprintf(at, "->%s", terms[p->n]);
    at = p->program + sprintf(p->program, "def f(");
    for (int t = 0; t < p->n; t++) at += sprintf(at, "%sx%d", t ? ", " : "", t);
    at += sprintf(at, "):\n    return einsum(\"%s\"", p->equation);
    for (int t = 0; t < p->n; t++) at += sprintf(at, ", x%d", t);
    sprintf(at, "%s\n", how);
    for (int t = 0; t <= p->n; t++) {
        lay_out(p, t, dtype, below(p, 3) == 0);
        if (t < p->n) fill(p, t);
    }
}

static void free_problem(problem *p)
{
    for (int t = 0; t <= p->n; t++) free((void *)p->t[t].data);
}

/* What the program text's types say of the result. */
static void settle_result(einjit_kernel *kernel, problem *p)
{
    int dtype, rank;
    int64_t shape[MOST_RANK];
    assert_int_equal(einjit_kernel_output_shape(kernel, 0, NULL, &dtype, &rank, shape, MOST_RANK, &err), EINJIT_OK);
    assert_int_equal(dtype, p->t[p->n].dtype);
    assert_int_equal(rank, p->rank[p->n]);
    for (int a = 0; a < rank; a++) assert_int_equal(shape[a], p->shape[p->n][a]);
}

/* The multiplications of the steps of a plan's text, by their axes. */
static double mults_of_plan(einjit_context *context, einjit_graph *graph, problem *p,
                            const einjit_compile_options *options)
{
    static char text[1 << 16];
    double sum = 0;
    assert_int_equal(einjit_explain(context, graph, (size_t)p->n, p->t, options, "plan", text, sizeof text, NULL, &err),
                     EINJIT_OK);
    for (const char *line = strstr(text, "\n  axes:"); line; line = strstr(line + 1, "\n  axes:")) {
        const char *end = strchr(line + 1, '\n');
        double product = 1;
        for (const char *at = strstr(line, " = "); at && at < end; at = strstr(at + 1, " = "))
            product *= strtod(at + 3, NULL);
        sum += product;
    }
    return sum;
}

/* The program as a whole, then within half of its scratch, and so on. Returns how often it was sliced. */
static int check(einjit_context *context, problem *p, bool counts)
{
    einjit_graph *graph = api_graph(context, p->program);
    einjit_kernel *kernel;
    einjit_compile_options options = {.struct_bytes = sizeof options};
    int sliced = 0;
    einjit_tensor *out = &p->t[p->n];
    if (einjit_compile(&kernel, context, graph, (size_t)p->n, p->t, 1, out, NULL, &err)) fail_msg("%s", err.text);
    settle_result(kernel, p);
    size_t scratch = einjit_kernel_scratch_bytes(kernel, NULL), bytes = (size_t)p->bytes[p->n];
    assert_int_equal(einjit_run(kernel, (size_t)p->n, p->t, 1, out, &err), EINJIT_OK);
    einjit_kernel_release(kernel);
    void *whole = malloc(bytes);
    assert_non_null(whole);
    memcpy(whole, out->data, bytes);
    for (options.memory_limit = scratch / 2; options.memory_limit >= 64; options.memory_limit /= 2) {
        einjit_cost cost = {.struct_bytes = sizeof cost};
        int status = einjit_compile(&kernel, context, graph, (size_t)p->n, p->t, 1, out, &options, &err);
        if (status == EINJIT_E_LIMIT) break; /* smaller ones do not fit either */
        if (status) fail_msg("%s: %s", p->program, err.text);
        assert_true(einjit_kernel_scratch_bytes(kernel, NULL) <= options.memory_limit);
        memset((void *)out->data, 0x55, bytes);
        if (einjit_run(kernel, (size_t)p->n, p->t, 1, out, &err)) fail_msg("%s", err.text);
        if (memcmp(whole, out->data, bytes)) fail_msg("%s within %d", p->program, (int)options.memory_limit);
        assert_int_equal(einjit_plan_cost(&cost, context, graph, (size_t)p->n, p->t, &options, &err), EINJIT_OK);
        assert_int_equal(cost.scratch_bytes, einjit_kernel_scratch_bytes(kernel, NULL));
        sliced += cost.slices > 1;
        if (counts && cost.slices > 1) {
            double mults = mults_of_plan(context, graph, p, &options) * cost.slices, said = pow(10, cost.log10_mults);
            /* products of numbers, one each, are folded into other steps */
            if (mults > said * (1 + 1e-9) || said - mults > cost.slices * 2 * p->n)
                fail_msg("%s: %.0f, said to be %.0f", p->program, mults, said);
        }
        einjit_kernel_release(kernel);
    }
    free(whole);
    einjit_graph_destroy(graph);
    return sliced;
}

static void slices_give_the_whole(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const struct {
        int dtype;
        const char *how;
    } kinds[] = {{EINJIT_F32, ")"},
                 {EINJIT_F64, ")"},
                 {EINJIT_C64, ")"},
                 {EINJIT_C128, ")"},
                 {EINJIT_I32, ")"},
                 {EINJIT_I64, ")"},
                 {EINJIT_F16, ")"},
                 {EINJIT_BF16, ")"},
                 {EINJIT_F32, ", reduce=\"max\", combine=\"add\")"},
                 {EINJIT_F64, ", reduce=\"min\", combine=\"add\")"},
                 {EINJIT_I32, ", reduce=\"max\", combine=\"add\")"},
                 {EINJIT_BOOL, ", reduce=\"or\", combine=\"mul\")"}};
    int n_kinds = sizeof kinds / sizeof *kinds, sliced[sizeof kinds / sizeof *kinds] = {0};
    for (int i = 0; i < 4 * n_kinds; i++) {
        problem p;
        random_problem(&p, (uint64_t)i, kinds[i % n_kinds].dtype, kinds[i % n_kinds].how);
        sliced[i % n_kinds] += check(context, &p, !kinds[i % n_kinds].how[1]);
        free_problem(&p);
    }
    for (int k = 0; k < n_kinds; k++)
        if (!sliced[k]) fail_msg("kind %d was never sliced", k);
}

/* ---- a ring of matrices, of which everything is known ---- */

/* All extents are 16: two products of two, and the sum of theirs. */
static const char ring[] = "def f(x0, x1, x2, x3):\n    return einsum(\"ab,bc,cd,da->\", x0, x1, x2, x3)\n";

static void ring_problem(problem *p, int dtype)
{
    memset(p, 0, sizeof *p);
    p->n = 4;
    strcpy(p->program, ring);
    for (int t = 0; t <= 4; t++) {
        p->rank[t] = t < 4 ? 2 : 0;
        p->shape[t][0] = p->shape[t][1] = 16;
        lay_out(p, t, dtype, false);
        if (t < 4) fill(p, t);
    }
}

static int compile_within(einjit_kernel **out, einjit_context *context, const char *program, const problem *p,
                          const einjit_compile_options *options)
{
    einjit_graph *graph = api_graph(context, program);
    int status = einjit_compile(out, context, graph, (size_t)p->n, p->t, 0, NULL, options, &err);
    einjit_graph_destroy(graph);
    return status;
}

/* Halves of the slices, added by hand, are what a whole run adds up: with numbers that are rounded. */
static void ranges_are_sums_of_the_whole(void **state)
{
    CONTEXT_OR_SKIP(context);
    problem p;
    einjit_kernel *kernel;
    const einjit_compile_options options = {.struct_bytes = sizeof options, .memory_limit = 1280};
    ring_problem(&p, EINJIT_F32);
    for (int t = 0; t < 4; t++)
        for (int64_t i = 0; i < p.bytes[t] / 4; i++) ((float *)(void *)p.t[t].data)[i] /= 3 + (float)(i % 5);
    if (compile_within(&kernel, context, ring, &p, &options)) fail_msg("%s", err.text);
    int64_t n = einjit_kernel_slice_count(kernel);
    assert_true(n > 1);
    float whole, low, high;
    einjit_tensor out = p.t[4];
    out.data = &whole;
    assert_int_equal(einjit_run(kernel, 4, p.t, 1, &out, &err), EINJIT_OK);
    out.data = &low;
    assert_int_equal(einjit_run_slices(kernel, 4, p.t, 1, &out, 0, n / 2, &err), EINJIT_OK);
    out.data = &high;
    assert_int_equal(einjit_run_slices(kernel, 4, p.t, 1, &out, n / 2, n, &err), EINJIT_OK);
    assert_true(low != 0 && high != 0 && low + high == whole); /* n is a power of two */
    assert_int_equal(einjit_run_slices(kernel, 4, p.t, 1, &out, 0, n + 1, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_run_slices(kernel, 4, p.t, 1, &out, 1, 1, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_run_slices(kernel, 4, p.t, 1, &out, -1, 1, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_run_slices(NULL, 4, p.t, 1, &out, 0, 1, &err), EINJIT_E_INVALID);
    einjit_kernel_release(kernel);
    free_problem(&p);
}

/* Sums of single slices, added up in pairs and then in pairs of pairs, stored where their parts of the result lie. */
static void check_sums(einjit_context *context, const char *program, problem *p, const einjit_compile_options *options)
{
    einjit_kernel *kernel;
    if (compile_within(&kernel, context, program, p, options)) fail_msg("%s", err.text);
    int64_t n = einjit_kernel_slice_count(kernel), begin[MOST_RANK], shape[MOST_RANK];
    int rank = p->rank[p->n];
    einjit_tensor out = p->t[p->n];
    float *whole = (float *)(void *)(uintptr_t)out.data, sums[16][256];
    assert_int_equal(einjit_run(kernel, (size_t)p->n, p->t, 1, &out, &err), EINJIT_OK);
    for (int64_t slice = 0; slice < n;) {
        einjit_slice_part part = {.struct_bytes = sizeof part};
        int64_t of[16], elements = 1;
        int waiting = 0;
        assert_int_equal(einjit_kernel_slice_part(kernel, slice, &part, begin, shape, &err), EINJIT_OK);
        for (int a = 0; a < rank; a++) elements *= shape[a];
        assert_true(part.first == slice && part.end > slice && part.end <= n && elements <= 256);
        assert_true(part.dtype == EINJIT_F32 && part.reduce == EINJIT_REDUCE_SUM && part.bytes == 4 * (size_t)elements);
        for (; slice < part.end || waiting > 1;) {
            bool add = waiting > 1 && (slice == part.end || of[waiting - 1] == of[waiting - 2]);
            if (add) {
                for (int64_t i = 0; i < elements; i++) sums[waiting - 2][i] += sums[waiting - 1][i];
                of[waiting - 2] += of[waiting - 1];
                waiting--;
                continue;
            }
            assert_int_equal(einjit_run_slice_sum(kernel, (size_t)p->n, p->t, slice, slice + 1, sums[waiting], &err),
                             EINJIT_OK);
            of[waiting++] = 1;
            slice++;
        }
        for (int64_t i = 0; i < elements; i++) {
            int64_t at = 0, rest = i;
            for (int a = rank - 1; a >= 0; a--) {
                at += (begin[a] + rest % shape[a]) * p->strides[p->n][a];
                rest /= shape[a];
            }
            assert_memory_equal(&whole[at], &sums[0][i], 4);
        }
        if (part.end - part.first > 1)
            assert_int_equal(einjit_run_slice_sum(kernel, (size_t)p->n, p->t, part.first, part.end, sums[1], &err),
                             EINJIT_OK);
        else memcpy(sums[1], sums[0], sizeof sums[1]);
        assert_memory_equal(sums[0], sums[1], 4 * (size_t)elements);
        if (part.end == n) break;
        assert_int_equal(einjit_run_slice_sum(kernel, (size_t)p->n, p->t, part.first, part.end + 1, sums[1], &err),
                         EINJIT_E_VALUE);
        assert_non_null(strstr(err.text, "no range of one part"));
    }
    assert_int_equal(einjit_run_slice_sum(kernel, (size_t)p->n, p->t, n, n + 1, sums[0], &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_run_slice_sum(kernel, (size_t)p->n, p->t, 0, 1, NULL, &err), EINJIT_E_INVALID);
    assert_int_not_equal(einjit_run_slice_sum(kernel, (size_t)p->n - 1, p->t, 0, 1, sums[0], &err), EINJIT_OK);
    assert_int_equal(einjit_kernel_slice_part(kernel, -1, NULL, NULL, NULL, &err), EINJIT_E_VALUE);
    assert_int_equal(einjit_kernel_slice_part(kernel, 0, NULL, begin, NULL, &err), EINJIT_E_INVALID);
    einjit_kernel_release(kernel);
}

static void sums_of_slices_are_those_of_runs(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char chain[] = "def f(x0, x1, x2, x3):\n    return einsum(\"ab,bc,cd,de->ae\", x0, x1, x2, x3)\n";
    einjit_compile_options options = {.struct_bytes = sizeof options, .memory_limit = 1280};
    einjit_kernel *kernel;
    problem p;
    ring_problem(&p, EINJIT_F32);
    for (int t = 0; t < 4; t++)
        for (int64_t i = 0; i < p.bytes[t] / 4; i++) ((float *)(void *)(uintptr_t)p.t[t].data)[i] /= 3 + (float)(i % 5);
    check_sums(context, ring, &p, &options);
    free((void *)(uintptr_t)p.t[4].data);
    p.rank[4] = 2; /* the chain's result, of which rows or columns are cut */
    p.shape[4][0] = p.shape[4][1] = 16;
    lay_out(&p, 4, EINJIT_F32, false);
    options.memory_limit = 512;
    check_sums(context, chain, &p, &options);
    options.memory_limit = 1 << 20;
    if (compile_within(&kernel, context, chain, &p, &options)) fail_msg("%s", err.text);
    einjit_slice_part part = {.struct_bytes = sizeof part};
    assert_int_equal(einjit_kernel_slice_part(kernel, 0, &part, NULL, NULL, &err), EINJIT_E_UNSUPPORTED);
    einjit_kernel_release(kernel);
    free_problem(&p);
}

static void what_cannot_be_sliced_is_refused(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const struct {
        const char *program, *open, *path, *words;
        int32_t flags;
        double beta;
        uint64_t limit;
        int status;
    } rows[] = {
        {ring, NULL, NULL, NULL, 0, 0, 1280, EINJIT_OK},
        {ring, NULL, "ssa:[[0,1],[4,2],[5,3]]", NULL, 0, 0, 1280, EINJIT_OK},
        {ring, NULL, "linear:[[0,1],[2,0],[0,1]]", NULL, 0, 0, 1280, EINJIT_OK},
        {"def f(x0, x1, x2, x3):\n    return ((x0 @ x1) @ (x2 @ x3)).to(f64)\n", NULL, NULL, NULL, 0, 0, 1280,
         EINJIT_OK},
        {"def f(x0, x1, x2, x3):\n    return exp((x0 @ x1) @ (x2 @ x3))\n", NULL, NULL, "one einsum", 0, 0, 64,
         EINJIT_E_LIMIT},
        {ring, NULL, NULL, "however it is sliced", 0, 0, 8, EINJIT_E_LIMIT},
        {ring, NULL, NULL, "strict", EINJIT_OPTION_STRICT, 0, 64, EINJIT_E_LIMIT},
        {ring, NULL, NULL, "one einsum", 0, 1.0, 64, EINJIT_E_LIMIT},
        {"def f(x0: any[n, 16], x1, x2, x3):\n    return einsum(\"ab,bc,cd,de->ae\", x0, x1, x2, x3)\n", "n", NULL,
         "open", 0, 0, 64, EINJIT_E_UNSUPPORTED},
    };
    problem p;
    ring_problem(&p, EINJIT_F32);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        einjit_kernel *kernel = NULL;
        const einjit_compile_options options = {.struct_bytes = sizeof options,
                                                .open = rows[i].open,
                                                .path = rows[i].path,
                                                .flags = rows[i].flags,
                                                .beta = rows[i].beta,
                                                .memory_limit = rows[i].limit};
        int status = compile_within(&kernel, context, rows[i].program, &p, &options);
        if (status != rows[i].status) fail_msg("row %d: %s", (int)i, status ? err.text : "compiled");
        if (status && !strstr(err.text, rows[i].words)) fail_msg("row %d: %s", (int)i, err.text);
        if (!status) assert_true(einjit_kernel_slice_count(kernel) > 1);
        if (!status) assert_null(einjit_kernel_entry(kernel));
        einjit_kernel_release(kernel);
    }
    free_problem(&p);
}

/* An output in the place of an input would change what later slices read. */
static void results_do_not_overlap_inputs(void **state)
{
    CONTEXT_OR_SKIP(context);
    problem p;
    einjit_kernel *kernel;
    const einjit_compile_options options = {.struct_bytes = sizeof options, .memory_limit = 1280};
    ring_problem(&p, EINJIT_F64);
    if (compile_within(&kernel, context, ring, &p, &options)) fail_msg("%s", err.text);
    einjit_tensor out = p.t[4];
    const einjit_variant variant = {.struct_bytes = sizeof variant, .kernel = kernel};
    assert_int_equal(einjit_export_header("f", 1, &variant, NULL, 0, NULL, &err), EINJIT_E_INVALID);
    assert_non_null(strstr(err.text, "slices"));
    out.data = p.t[1].data;
    assert_int_equal(einjit_run(kernel, 4, p.t, 1, &out, &err), EINJIT_E_OVERLAP);
    einjit_kernel_release(kernel);
    free_problem(&p);
}

/* One operand twice, whose axes are cut in different ways; a diagonal; an operand with no label that is cut. */
static void operands_move_by_their_own_labels(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char program[] =
        "def f(x0, x1):\n    return einsum(\"ab,bc,cd,dd,de,ea->b\", x0, x0, x0, x1, x0, x0)\n";
    problem p = {.n = 2, .random = 5};
    strcpy(p.program, program);
    for (int t = 0; t <= 2; t++) {
        p.rank[t] = t < 2 ? 2 : 1;
        p.shape[t][0] = p.shape[t][1] = 12;
        lay_out(&p, t, EINJIT_F64, t == 0);
        if (t < 2) fill(&p, t);
    }
    assert_true(check(context, &p, false) > 0);
    free_problem(&p);
}

/* The report of a search, and that of a compile with the same limit. */
static void paths_are_found_within_a_limit(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { N = 12 };
    int32_t ranks[N], labels[2 * N], pairs[4 * N], sliced[N + 1], count[N + 1] = {0};
    int64_t sizes[N + 1];
    for (int t = 0; t < N; t++) ranks[t] = 2, labels[2 * t] = t, labels[2 * t + 1] = t + 1;
    for (int l = 0; l <= N; l++) sizes[l] = 16;
    const int32_t out[2] = {0, N};
    einjit_path_options options = {.struct_bytes = sizeof options, .memory_limit = 256, .dtype = EINJIT_F64};
    einjit_path_report report = {.struct_bytes = sizeof report};
    int status = einjit_path_find(context, N, ranks, labels, 2, out, N + 1, sizes, &options, pairs, 2 * N, sliced,
                                  N + 1, &report, &err);
    if (status) fail_msg("%s", err.text);
    assert_true(report.slices > 1 && report.n_sliced > 0 && report.overhead >= 1);
    assert_true(report.log2_peak <= 5 + 1e-9); /* 32 doubles */
    double slices = 1;
    for (size_t i = 0; i < report.n_sliced; i++) {
        assert_true(sliced[i] >= 0 && sliced[i] <= N && !count[sliced[i]]++);
        slices *= 16;
    }
    assert_true(fabs(slices - report.slices) < 1e-6 * slices);
    options.memory_limit = 0;
    assert_int_equal(einjit_path_find(context, N, ranks, labels, 2, out, N + 1, sizes, &options, pairs, 2 * N, sliced,
                                      N + 1, &report, &err),
                     EINJIT_OK);
    assert_true(report.slices == 1 && report.n_sliced == 0 && report.overhead == 1 && report.log2_peak >= 8);
    options.memory_limit = 1;
    options.dtype = 99;
    assert_int_equal(einjit_path_find(context, N, ranks, labels, 2, out, N + 1, sizes, &options, pairs, 2 * N, sliced,
                                      N + 1, &report, &err),
                     EINJIT_E_DTYPE);
}

/* The search for slices asks as well. */
static int stop_at_once(void *user, double log10_mults, int64_t trials, double seconds)
{
    (void)trials;
    ++*(int *)user;
    return log10_mults < 0 || seconds >= 0;
}

static void searches_for_slices_can_be_ended(void **state)
{
    CONTEXT_OR_SKIP(context);
    const int32_t ranks[] = {2, 2, 2, 2}, labels[] = {0, 1, 1, 2, 2, 3, 3, 0};
    const int64_t sizes[] = {16, 16, 16, 16};
    int calls = 0;
    const einjit_path_options options = {.struct_bytes = sizeof options,
                                         .strategy = "portfolio:seconds=100",
                                         .memory_limit = 1280,
                                         .dtype = EINJIT_F32,
                                         .progress = stop_at_once,
                                         .user = &calls};
    einjit_path_report report = {.struct_bytes = sizeof report};
    time_t start = time(NULL);
    if (einjit_path_find(context, 4, ranks, labels, 0, NULL, 4, sizes, &options, NULL, 0, NULL, 0, &report, &err))
        fail_msg("%s", err.text);
    assert_true(report.slices == 16 && calls >= 1);
    assert_true(difftime(time(NULL), start) < 25); /* half of the time is 50 s */
}

/* What the passes are kept from is still counted as it is written. */
static void costs_as_written_are_told(void **state)
{
    CONTEXT_OR_SKIP(context);
    problem p;
    einjit_cost whole = {.struct_bytes = sizeof whole}, cost = {.struct_bytes = sizeof cost};
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = EINJIT_OPTION_NO_OPTIMIZE};
    ring_problem(&p, EINJIT_F32);
    einjit_graph *graph = api_graph(context, ring);
    assert_int_equal(einjit_plan_cost(&whole, context, graph, 4, p.t, &options, &err), EINJIT_OK);
    options.memory_limit = 1280;
    assert_int_equal(einjit_plan_cost(&cost, context, graph, 4, p.t, &options, &err), EINJIT_OK);
    assert_true(cost.slices > 1 && cost.naive_operations == whole.naive_operations && cost.naive_operations > 0);
    assert_true(cost.naive_bytes == whole.naive_bytes && cost.touched_bytes == whole.touched_bytes);
    einjit_graph_destroy(graph);
    free_problem(&p);
}

/* Operands of 120x120x4 and 100x100. Packed ones need more than the intermediates: whether there are slices is known
 * behind the plan. Ways that are measured need more than the plan. */
static const einjit_tensor *large_operands(int64_t n, int64_t last, int rank)
{
    static float numbers[120 * 120 * 4];
    static int64_t shape[3];
    static einjit_tensor in[4];
    shape[0] = shape[1] = n, shape[2] = last;
    for (int i = 0; i < 4; i++) in[i] = (einjit_tensor){numbers, EINJIT_F32, rank, shape, NULL};
    return in;
}

static void texts_are_of_what_is_compiled(void **state)
{
    CONTEXT_OR_SKIP(context);
    const einjit_tensor *in = large_operands(100, 0, 2);
    einjit_compile_options options = {.struct_bytes = sizeof options};
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_graph *graph = api_graph(context, ring);
    assert_int_equal(einjit_plan_cost(&cost, context, graph, 4, in, &options, &err), EINJIT_OK);
    for (options.memory_limit = cost.scratch_bytes; cost.slices < 2; options.memory_limit -= 4096) {
        static const char *const stages[] = {"path", "plan"};
        assert_int_equal(einjit_plan_cost(&cost, context, graph, 4, in, &options, &err), EINJIT_OK);
        for (int i = 0; i < 2; i++) {
            static char text[1 << 14];
            if (einjit_explain(context, graph, 4, in, &options, stages[i], text, sizeof text, NULL, &err))
                fail_msg("%s", err.text);
            assert_int_equal(!strncmp(text, "# 100 slices", 12), cost.slices > 1);
            char *again = strstr(text + 1, "\ndef "); /* one program, not two */
            assert_true(!again || !strstr(again + 1, "\ndef "));
        }
    }
    einjit_graph_destroy(graph);
}

static void measured_kernels_keep_the_limit(void **state)
{
    CONTEXT_OR_SKIP(context);
    static const char program[] =
        "def f(x0, x1, x2, x3):\n    return einsum(\"ijx,jkx,klx,lmx->im\", x0, x1, x2, x3)\n";
    const einjit_tensor *in = large_operands(120, 4, 3);
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = EINJIT_OPTION_MEASURE};
    einjit_graph *graph = api_graph(context, program);
    einjit_cost cost = {.struct_bytes = sizeof cost};
    options.memory_limit = 353280;
    assert_int_equal(einjit_plan_cost(&cost, context, graph, 4, in, &options, &err), EINJIT_OK);
    assert_true(cost.slices > 1);
    for (int tight = 0; tight < 2; tight++, options.memory_limit = cost.scratch_bytes) {
        einjit_kernel *kernel;
        if (einjit_compile(&kernel, context, graph, 4, in, 0, NULL, &options, &err)) fail_msg("%s", err.text);
        const ej_slicing *s = kernel->slicing;
        size_t said = einjit_kernel_scratch_bytes(kernel, NULL);
        assert_true(said <= options.memory_limit);
        assert_true((size_t)s->slice->scratch_bytes.n + (size_t)(s->sum_bytes * s->most_sums) <= said);
        einjit_kernel_release(kernel);
    }
    einjit_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(slices_give_the_whole),
        ON_BOTH(ranges_are_sums_of_the_whole),
        ON_BOTH(sums_of_slices_are_those_of_runs),
        ON_BOTH(what_cannot_be_sliced_is_refused),
        ON_BOTH(results_do_not_overlap_inputs),
        ON_BOTH(operands_move_by_their_own_labels),
        ON_BOTH(paths_are_found_within_a_limit),
        ON_BOTH(searches_for_slices_can_be_ended),
        ON_BOTH(costs_as_written_are_told),
        ON_BOTH(texts_are_of_what_is_compiled),
        ON_BOTH(measured_kernels_keep_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
