/* test_export.c - kernels as an object and a header: a program that is linked with them alone computes the same
 * bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_support.h"
#include "scarce_memory.h"

enum { INPUTS = 8, OUTPUTS = 4, SIDE = 1 << 20 };

static char folder[] = "/tmp/einjit-export-XXXXXX";

static void path_of(char path[100], const char *name)
{
    snprintf(path, 100, "%s/%s", folder, name);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    char path[100];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static int shell(const char *format, ...)
{
    char command[2000];
    va_list args;
    va_start(args, format);
    int n = snprintf(command, sizeof command, "cd %s && ", folder);
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    va_end(args);
    return system(command);
}

/* ---- exporting ---- */

typedef int (*exporter)(const char *name, size_t n, const einjit_variant *variants, char *buffer, size_t capacity,
                        size_t *needed, einjit_error *err);

static void export_file(exporter make, const char *name, size_t n, const einjit_variant *variants, const char *file)
{
    einjit_error err;
    size_t needed = 0;
    if (make(name, n, variants, NULL, 0, &needed, &err)) fail_msg("%s", err.text);
    char *bytes = malloc(needed + 1);
    assert_int_equal(make(name, n, variants, bytes, needed + 1, NULL, &err), EINJIT_OK);
    write_file(file, bytes, needed);
    free(bytes);
}

static void export_both(size_t n, const einjit_variant *variants)
{
    export_file(einjit_export_object, "layer", n, variants, "layer.o");
    export_file(einjit_export_header, "layer", n, variants, "layer.h");
}

/* Links main.c with the object in C99, in C17 and in C++11, and has nothing of the library in it. */
static void link_main(const char *text)
{
    static const char warnings[] = "-Wall -Wextra -pedantic -Wshadow -Wconversion -Werror";
    write_file("main.c", text, strlen(text));
    assert_int_equal(shell("cc -std=c99 %s -O1 -o main99 main.c layer.o", warnings), 0);
    assert_int_equal(shell("cc -std=c17 %s -o main main.c layer.o", warnings), 0);
    assert_int_equal(shell("c++ -x c++ -std=c++11 %s -o main11 main.c -x none layer.o", warnings), 0);
    assert_int_equal(shell("! nm main layer.o | grep -q einjit_"), 0);
    assert_int_equal(shell("! nm layer.o | grep -q ' U '"), 0);
}

/* A main function that reads the files in0, in1, ... and writes out0, ...; in `call` in[i] and out[i] are their memory,
 * n[1], n[2], ... the program's arguments. */
static void link_call(const char *call, size_t n_in, size_t n_out)
{
    char text[3000];
    snprintf(text, sizeof text,
             "#include <stdio.h>\n#include <stdlib.h>\n#include \"layer.h\"\n"
             "static double memory[%zu][%d] __attribute__((aligned(64))), room[%d] __attribute__((aligned(64)));\n"
             "int main(int argc, char **argv)\n{\n    void *in[%zu], *out[%zu], *scratch = room;\n"
             "    long n[8] = {0};\n    char name[32];\n"
             "    for (int i = 1; i < argc && i < 8; i++) n[i] = atol(argv[i]);\n"
             "    for (int i = 0; i < %zu; i++) {\n        snprintf(name, sizeof name, \"in%%d\", i);\n"
             "        FILE *f = fopen(name, \"rb\");\n        if (!f) return 99;\n"
             "        if (fread(memory[i], 1, sizeof memory[i], f) == 0) return 98;\n        fclose(f);\n"
             "        in[i] = memory[i];\n    }\n"
             "    for (int i = 0; i < %zu; i++) out[i] = memory[%zu + i];\n"
             "    (void)n;\n    int status = %s;\n    if (status) return status;\n"
             "    for (int i = 0; i < %zu; i++) {\n        snprintf(name, sizeof name, \"out%%d\", i);\n"
             "        FILE *f = fopen(name, \"wb\");\n        if (!f) return 97;\n"
             "        fwrite(out[i], 1, sizeof memory[0], f);\n        fclose(f);\n    }\n    return 0;\n}\n",
             n_in + n_out, SIDE / 8, 4 * SIDE / 8, n_in, n_out, n_in, n_out, n_in, call, n_out);
    link_main(text);
}

/* ---- programs ---- */

static unsigned char memory[INPUTS + OUTPUTS][SIDE];

static size_t bytes_of(const einjit_tensor *t)
{
    size_t n = einjit_dtype_bytes(t->dtype);
    for (int32_t a = 0; a < t->rank; a++) n *= (size_t)t->shape[a];
    return n;
}

static void fill(einjit_tensor *t, int64_t below, uint32_t seed)
{
    size_t n = bytes_of(t) / einjit_dtype_bytes(t->dtype);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        double x = (double)(seed >> 8) / (double)(1 << 23) - 1;
        if (t->dtype == EINJIT_F32) ((float *)t->data)[i] = (float)x;
        else if (t->dtype == EINJIT_F64) ((double *)t->data)[i] = x;
        else if (t->dtype == EINJIT_I64) ((int64_t *)t->data)[i] = (int64_t)(seed >> 8) % below;
        else ((int32_t *)t->data)[i] = (int32_t)((int64_t)(seed >> 8) % below);
    }
}

typedef struct trial {
    einjit_kernel *kernel;
    einjit_tensor in[INPUTS], out[OUTPUTS];
    size_t n_in, n_out;
} trial;

/* Inputs in memory, and in files; indices are below that number. */
static void write_inputs(trial *t, int64_t below)
{
    for (size_t i = 0; i < t->n_in; i++) {
        char name[32];
        t->in[i].data = memory[i];
        fill(&t->in[i], below, (uint32_t)i + 1);
        snprintf(name, sizeof name, "in%zu", i);
        write_file(name, memory[i], bytes_of(&t->in[i]));
    }
    for (size_t o = 0; o < t->n_out; o++) t->out[o].data = memory[t->n_in + o];
}

static void expect_the_same(trial *t, const char *program)
{
    einjit_error err;
    if (einjit_run(t->kernel, t->n_in, t->in, t->n_out, t->out, &err)) fail_msg("%s", err.text);
    const char *const mains[] = {"main", "main99", "main11"};
    for (size_t m = 0; m < 3; m++) {
        assert_int_equal(shell("./%s %s", mains[m], program), 0);
        for (size_t o = 0; o < t->n_out; o++) {
            static unsigned char got[SIDE];
            char name[32], path[100];
            snprintf(name, sizeof name, "out%zu", o);
            path_of(path, name);
            FILE *file = fopen(path, "rb");
            assert_non_null(file);
            size_t n = fread(got, 1, sizeof got, file);
            fclose(file);
            assert_true(n >= bytes_of(&t->out[o]));
            assert_memory_equal(got, t->out[o].data, bytes_of(&t->out[o]));
        }
    }
}

static int exit_code(const char *arguments)
{
    return shell("./main %s", arguments) >> 8;
}

static einjit_kernel *compile(einjit_context *context, const char *text, size_t n_in, const einjit_tensor *in,
                              const char *open)
{
    einjit_graph *graph = api_graph(context, text);
    einjit_compile_options options = {.struct_bytes = sizeof options, .open = open};
    einjit_kernel *kernel = NULL;
    einjit_error err;
    if (einjit_compile(&kernel, context, graph, n_in, in, 0, NULL, &options, &err)) fail_msg("%s", err.text);
    einjit_graph_destroy(graph);
    return kernel;
}

#define VARIANT(k) {.struct_bytes = sizeof(einjit_variant), .kernel = (k)}

/* Its kernel as the only variant, called so by main. */
static void link_trial(const trial *t, const char *call)
{
    const einjit_variant variant = VARIANT(t->kernel);
    export_both(1, &variant);
    link_call(call, t->n_in, t->n_out);
}

/* ---- tests ---- */

static const char seed[] = "def f(a: f32[z, 4, 5], b: f32[z, 5, 8], vec: f32[z, 8]):\n"
                           "    return einsum('zij,zjk->zik', a, b * 2.0) @ vec.unsqueeze(2)\n";

static void numbers_for_extents(void **state)
{
    CONTEXT_OR_SKIP(context);
    trial t = {.in = {F32(NULL, 100, 4, 5), F32(NULL, 100, 5, 8), F32(NULL, 100, 8)},
               .out = {F32(NULL, 100, 4, 1)},
               .n_in = 3,
               .n_out = 1};
    t.kernel = compile(context, seed, 3, t.in, NULL);
    link_trial(&t, "layer((float *)in[0], (float *)in[1], (float *)in[2], (float *)out[0], scratch)");
    write_inputs(&t, 1);
    expect_the_same(&t, "");
    einjit_kernel_release(t.kernel);
}

/* The energy of a layer as e3nn builds it, and the forces: its gradient. */
static void a_layer_and_its_gradient_for_any_number_of_edges(void **state)
{
    enum { NODES = 40, MOST = 300 };
    CONTEXT_OR_SKIP(context);
    const char *text =
        "def f(x: f32[n, 8, 4], w: f32[e, 8], y: f32[e, 3], cg: f32[4, 3, 5], src: i64[e], dst: i64[e]):\n"
        "    m = einsum('euj,eu,em,jmk->euk', x[src], w, y, cg)\n"
        "    h = index_add(40, 0, dst, m)\n"
        "    return (h * h).sum()\n";
    const einjit_compile_options options = {.struct_bytes = sizeof options, .open = "e"};
    einjit_error err;
    einjit_graph *graph = api_graph(context, text);
    einjit_value x = einjit_graph_value(graph, "x"), y = einjit_graph_output_value(graph, 0), none = -1, gradient;
    if (einjit_graph_gradient(&gradient, graph, 1, &y, &none, 1, &x, &err)) fail_msg("%s", err.text);
    assert_int_equal(einjit_graph_output(graph, gradient, &err), EINJIT_OK);
    trial t = {.n_in = 6, .n_out = 2, .out = {SCALAR(NULL, EINJIT_F32), F32(NULL, NODES, 8, 4)}};
    const int64_t edges[] = {1, 7, MOST};
    for (int i = 0; i < 3; i++) {
        int64_t e = edges[i];
        const einjit_tensor in[] = {F32(NULL, NODES, 8, 4),
                                    F32(NULL, e, 8),
                                    F32(NULL, e, 3),
                                    F32(NULL, 4, 3, 5),
                                    TENSOR(NULL, EINJIT_I64, e),
                                    TENSOR(NULL, EINJIT_I64, e)};
        char arguments[32];
        memcpy(t.in, in, sizeof in);
        if (!i) {
            if (einjit_compile(&t.kernel, context, graph, 6, in, 0, NULL, &options, &err)) fail_msg("%s", err.text);
            link_trial(&t,
                       "n[2] >= 0 && (size_t)n[2] != layer_scratch_bytes(n[1]) ? 90 : layer((float *)in[0], (float "
                       "*)in[1], (float *)in[2], (float *)in[3], (int64_t *)in[4], (int64_t *)in[5], (float *)out[0], "
                       "(float *)out[1], n[1], n[3] ? (char *)scratch + n[3] : scratch)");
        }
        write_inputs(&t, NODES);
        snprintf(arguments, sizeof arguments, "%lld %zu", (long long)e, einjit_kernel_scratch_bytes(t.kernel, &e));
        expect_the_same(&t, arguments);
    }
    assert_int_equal(exit_code("-1 -1"), 2); /* LAYER_SIZE */
    assert_int_equal(exit_code("3074457345618258603 -1"), 2);
    assert_int_equal(exit_code("7 -1 4"), 3); /* LAYER_SCRATCH */
    ((int64_t *)memory[5])[MOST - 1] = NODES;
    write_file("in5", memory[5], MOST * sizeof(int64_t));
    assert_int_equal(exit_code("300 -1"), 4); /* LAYER_INDEX */
    assert_int_equal(exit_code("299 -1"), 0);
    ((int64_t *)memory[5])[0] = -1;
    write_file("in5", memory[5], MOST * sizeof(int64_t));
    assert_int_equal(exit_code("299 -1"), 4);
    einjit_kernel_release(t.kernel);
    einjit_graph_destroy(graph);
}

static void indices_that_the_program_computes(void **state)
{
    CONTEXT_OR_SKIP(context);
    trial t = {.in = {F32(NULL, 10, 3), TENSOR(NULL, EINJIT_I32, 5)}, .out = {F32(NULL, 5, 3)}, .n_in = 2, .n_out = 1};
    t.kernel = compile(context, "def f(x: f32[n, 3], i: i32[e]):\n    return x[i + 1] * 2.0\n", 2, t.in, "n,e");
    link_trial(&t, "layer((float *)in[0], (int32_t *)in[1], (float *)out[0], n[1], n[2], scratch)");
    write_inputs(&t, 9);
    expect_the_same(&t, "10 5");
    ((int32_t *)memory[1])[3] = 9;
    write_file("in1", memory[1], 5 * sizeof(int32_t));
    assert_int_equal(exit_code("10 5"), 4);
    assert_int_equal(exit_code("10 3"), 0);
    ((int32_t *)memory[1])[0] = -2;
    write_file("in1", memory[1], 5 * sizeof(int32_t));
    assert_int_equal(exit_code("10 3"), 4);
    einjit_kernel_release(t.kernel);
}

/* The product of two extents, with nothing in scratch. */
static void tensors_that_no_memory_can_hold(void **state)
{
    CONTEXT_OR_SKIP(context);
    trial t = {.in = {F32(NULL, 5), F32(NULL, 6), F32(NULL, 7)}, .out = {F32(NULL, 5, 6, 7)}, .n_in = 3, .n_out = 1};
    const char *text = "def f(x: f32[n], y: f32[m], z: f32[k]):\n    return einsum('i,j,k->ijk', x, y, z)\n";
    t.kernel = compile(context, text, 3, t.in, "n,m,k");
    link_trial(&t, "layer((float *)in[0], (float *)in[1], (float *)in[2], (float *)out[0], n[1], n[2], n[3], scratch)");
    write_inputs(&t, 1);
    expect_the_same(&t, "5 6 7");
    assert_int_equal(exit_code("1099511627776 1099511627776 1"), 2); /* LAYER_SIZE */
    assert_int_equal(exit_code("2147483648 1073741824 1"), 2);       /* 2^63 bytes */
    assert_int_equal(exit_code("-1 1 1"), 2);
    assert_int_equal(exit_code("0 1 1"), 0);
    einjit_kernel_release(t.kernel);
}

static void an_axis_without_elements_has_no_maximum(void **state)
{
    CONTEXT_OR_SKIP(context);
    trial t = {.in = {F32(NULL, 6, 4)}, .out = {F32(NULL, 4)}, .n_in = 1, .n_out = 1};
    t.kernel = compile(context, "def f(x: f32[n, 4]):\n    return x.amax(0)\n", 1, t.in, "n");
    link_trial(&t, "layer((float *)in[0], (float *)out[0], n[1], scratch)");
    write_inputs(&t, 1);
    expect_the_same(&t, "6");
    assert_int_equal(exit_code("0"), 2);
    assert_int_equal(exit_code("1"), 0);
    einjit_kernel_release(t.kernel);
}

/* Words of C, words of C++, the header's own names. */
static void any_names(void **state)
{
    CONTEXT_OR_SKIP(context);
    trial t = {.in = {TENSOR(NULL, EINJIT_C64, 3, 5), F32(NULL, 5), F32(NULL, 3), F32(NULL, 5), F32(NULL, 5)},
               .out = {TENSOR(NULL, EINJIT_C64, 3), TENSOR(NULL, EINJIT_BOOL, 3, 5)},
               .n_in = 5,
               .n_out = 2};
    const char *text = "def f(int: c64[data, 5], class_: f32[5], layer: f32[data], LAYER_OK: f32[5], main: f32[5]):\n"
                       "    return (int @ (class_ * LAYER_OK + main)) * layer, (layer.unsqueeze(1) > class_)\n";
    t.kernel = compile(context, text, 5, t.in, "data");
    link_trial(&t,
               "layer((float *)in[0], (float *)in[1], (float *)in[2], (float *)in[3], (float *)in[4], (float *)out[0], "
               "(uint8_t *)out[1], n[1], scratch)");
    for (size_t i = 0; i < t.n_in; i++) t.in[i].dtype = EINJIT_F32; /* to fill them with numbers */
    t.in[0].shape = (int64_t[]){6, 5};
    write_inputs(&t, 1);
    t.in[0].shape = (int64_t[]){3, 5};
    t.in[0].dtype = EINJIT_C64;
    expect_the_same(&t, "3");
    einjit_kernel_release(t.kernel);
}

static void strides_are_the_kernels_own(void **state)
{
    CONTEXT_OR_SKIP(context);
    const int64_t turned[] = {1, 12}, shape[] = {9, 7}, index_shape[] = {4, 3};
    trial t = {.in = {STRIDED(NULL, EINJIT_F32, shape, turned), STRIDED(NULL, EINJIT_I64, index_shape, turned)},
               .out = {F32(NULL, 4, 3)},
               .n_in = 2,
               .n_out = 1};
    const char *text = "def f(x: f32[9, 7], i: i64[4, 3]):\n    return gather(x, 0, i) * 3.0\n";
    t.kernel = compile(context, text, 2, t.in, NULL);
    link_trial(&t, "layer((float *)in[0], (int64_t *)in[1], (float *)out[0], scratch)");
    t.in[0] = F32(NULL, 7, 12); /* all that lies there is filled */
    t.in[1] = TENSOR(NULL, EINJIT_I64, 3, 12);
    write_inputs(&t, 9);
    t.in[0] = STRIDED(memory[0], EINJIT_F32, shape, turned);
    t.in[1] = STRIDED(memory[1], EINJIT_I64, index_shape, turned);
    for (int i = 4; i < 12; i++) ((int64_t *)memory[1])[i] = 77; /* in the gaps */
    write_file("in1", memory[1], 36 * sizeof(int64_t));
    expect_the_same(&t, "");
    ((int64_t *)memory[1])[27] = 9; /* i[3, 2] */
    write_file("in1", memory[1], 36 * sizeof(int64_t));
    assert_int_equal(exit_code(""), 4);
    einjit_kernel_release(t.kernel);
}

/* Rows from the last to the first, columns too, and as many rows as come. */
static void strides_may_be_negative_and_extents_open(void **state)
{
    CONTEXT_OR_SKIP(context);
    enum { COLUMNS = 6, ROWS = 40 };
    const int64_t back[] = {-COLUMNS, -1}, shape[] = {ROWS, COLUMNS}, weights[] = {COLUMNS, 5}, turned[] = {1, COLUMNS};
    const char *text = "def f(x: f32[z, 6], w: f32[6, 5]):\n    return (x @ w).exp()\n";
    trial t = {.in = {STRIDED(NULL, EINJIT_F32, shape, back), STRIDED(NULL, EINJIT_F32, weights, turned)},
               .out = {F32(NULL, ROWS, 5)},
               .n_in = 2,
               .n_out = 1};
    for (int open = 0; open < 2; open++) {
        t.kernel = compile(context, text, 2, t.in, open ? "z" : NULL);
        assert_int_equal(einjit_kernel_open_count(t.kernel), open);
        const char *call = open ? "layer((float *)in[0] + 6 * n[1] - 1, (float *)in[1], (float *)out[0], n[1], scratch)"
                                : "layer((float *)in[0] + 239, (float *)in[1], (float *)out[0], scratch)";
        link_trial(&t, call);
        assert_int_equal(shell("grep -q 'strides (-6, -1)' layer.h"), 0);
        for (int64_t rows = ROWS; rows > 0; rows -= open ? 13 : ROWS) {
            const int64_t now[] = {rows, COLUMNS};
            char arguments[32];
            trial run = {.kernel = t.kernel,
                         .in = {F32(NULL, rows, COLUMNS), F32(NULL, 5, COLUMNS)},
                         .out = {F32(NULL, rows, 5)},
                         .n_in = 2,
                         .n_out = 1};
            write_inputs(&run, 1);
            run.in[0] = STRIDED((float *)memory[0] + rows * COLUMNS - 1, EINJIT_F32, now, back);
            run.in[1] = STRIDED(memory[1], EINJIT_F32, weights, turned);
            snprintf(arguments, sizeof arguments, "%lld", (long long)rows);
            expect_the_same(&run, arguments);
        }
        einjit_kernel_release(t.kernel);
    }
}

static void constants_are_said_to_be_constant(void **state)
{
    CONTEXT_OR_SKIP(context);
    static float w[] = {0.5f, 1, 2};
    trial t = {.in = {F32(NULL, 3), F32(w, 3)}, .out = {F32(NULL, 3)}, .n_in = 2, .n_out = 1};
    const einjit_compile_options options = {.struct_bytes = sizeof options, .constants = "w"};
    einjit_graph *graph = api_graph(context, "def f(x: f32[3], w: f32[3]):\n    return x * (w * 2.0).exp()\n");
    einjit_error err;
    if (einjit_compile(&t.kernel, context, graph, 2, t.in, 0, NULL, &options, &err)) fail_msg("%s", err.text);
    link_trial(&t, "layer((float *)in[0], (float *)in[1], (float *)out[0], scratch)");
    assert_int_equal(shell("grep -q '^ . *w: f32 .3., constant' layer.h && ! grep -q 'x: .*constant' layer.h"), 0);
    write_inputs(&t, 1);
    t.in[1].data = w;
    write_file("in1", w, sizeof w);
    expect_the_same(&t, "");
    einjit_kernel_release(t.kernel);
    einjit_graph_destroy(graph);
}

/* For 100 and 200 numbers, for any number, and for a lesser CPU. */
static void the_first_variant_that_fits_is_taken(void **state)
{
    CONTEXT_OR_SKIP(context);
    const char *text = "def f(x: f32[z, 6], w: f32[6, 5]):\n    return (x @ w).exp()\n";
    const char *const z = "z";
    const int64_t sizes[] = {100, 200};
    einjit_kernel *kernels[4];
    einjit_options lesser = {.struct_bytes = sizeof lesser, .target = "sse2"};
    einjit_context *other = NULL;
    einjit_error err;
    if (einjit_context_create(&other, &lesser, &err)) fail_msg("%s", err.text);
    for (int k = 0; k < 4; k++) {
        const einjit_tensor in[] = {F32(NULL, k == 1 ? 200 : 100, 6), F32(NULL, 6, 5)};
        kernels[k] = compile(k == 3 ? other : context, text, 2, in, k == 2 ? "z" : NULL);
    }
    const einjit_variant v[] = {
        {.struct_bytes = sizeof *v, .kernel = kernels[0], .n_sizes = 1, .names = &z, .values = &sizes[0]},
        {.struct_bytes = sizeof *v, .kernel = kernels[1], .n_sizes = 1, .names = &z, .values = &sizes[1]},
        VARIANT(kernels[2]),
        {.struct_bytes = sizeof *v, .kernel = kernels[3], .n_sizes = 1, .names = &z, .values = &sizes[0]}};
    const char *call = "(n[2] = layer_variant(n[1])) < 0 ? 50 : n[3] ? 60 + (int)n[2] : layer((float *)in[0], (float "
                       "*)in[1], (float *)out[0], n[1], scratch)";
    const int64_t runs[] = {100, 200, 37};
    export_both(3, v);
    link_call(call, 2, 1);
    for (int k = 0; k < 3; k++) {
        char arguments[32];
        trial t = {.in = {F32(NULL, runs[k], 6), F32(NULL, 6, 5)},
                   .out = {F32(NULL, runs[k], 5)},
                   .kernel = kernels[k],
                   .n_in = 2,
                   .n_out = 1};
        write_inputs(&t, 1);
        snprintf(arguments, sizeof arguments, "%lld", (long long)runs[k]);
        expect_the_same(&t, arguments);
        snprintf(arguments, sizeof arguments, "%lld 0 1", (long long)runs[k]);
        assert_int_equal(exit_code(arguments), 60 + k);
    }
    const einjit_variant few[] = {v[3], v[1]};
    export_both(2, few);
    link_call(call, 2, 1);
    assert_int_equal(exit_code("100 0 1"), 60);
    assert_int_equal(exit_code("200 0 1"), 61);
    assert_int_equal(exit_code("300 0 1"), 50);
    for (int k = 0; k < 4; k++) einjit_kernel_release(kernels[k]);
    einjit_context_release(other);
}

/* ---- errors ---- */

static int export_status(const char *name, size_t n, const einjit_variant *variants)
{
    char buffer[64];
    einjit_error err;
    int status = einjit_export_object(name, n, variants, buffer, sizeof buffer, NULL, &err);
    assert_int_equal(einjit_export_header(name, n, variants, buffer, sizeof buffer, NULL, &err), status);
    if (status) assert_true(strlen(err.text) > 10);
    return status;
}

static void what_cannot_be_exported_says_so(void **state)
{
    CONTEXT_OR_SKIP(context);
    const einjit_tensor in[] = {F32(NULL, 3), F32(NULL, 3, 1)};
    einjit_context *interp = api_context("interp");
    einjit_kernel *kernel = compile(context, "def f(x: f32[n]):\n    return x * 2.0\n", 1, in, NULL),
                  *other = compile(context, "def f(x: f32[n, m]):\n    return x * 2.0\n", 1, in + 1, NULL),
                  *slow = compile(interp, "def f(x: f32[n]):\n    return x * 2.0\n", 1, in, NULL);
    einjit_variant v[] = {VARIANT(kernel), VARIANT(kernel)};
    const char *const bad_names[] = {"2x", "for", "class", "", "a b", "_x", "x\xc3\xa4"};
    const char *const z = "z";
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[299] = 0;
    assert_int_equal(export_status("layer", 2, v), EINJIT_OK);
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        assert_int_equal(export_status(bad_names[i], 1, v), EINJIT_E_VALUE);
    assert_int_equal(export_status(NULL, 1, v), EINJIT_E_VALUE);
    assert_int_equal(export_status(longest, 1, v), EINJIT_E_LIMIT);
    assert_int_equal(export_status("layer", 0, v), EINJIT_E_INVALID);
    assert_int_equal(export_status("layer", 1, NULL), EINJIT_E_INVALID);
    v[1].kernel = other;
    assert_int_equal(export_status("layer", 2, v), EINJIT_E_VALUE);
    v[1].kernel = slow;
    assert_int_equal(export_status("layer", 2, v), EINJIT_E_INVALID);
    v[1].kernel = NULL;
    assert_int_equal(export_status("layer", 2, v), EINJIT_E_INVALID);
    v[0].n_sizes = 1;
    assert_int_equal(export_status("layer", 1, v), EINJIT_E_INVALID);
    v[0].names = &z;
    assert_int_equal(export_status("layer", 1, v), EINJIT_E_INVALID);
    const char *const bad_extents[] = {"", "*/", "a\nb", "a b"};
    const int64_t three = 3;
    v[0].values = &three;
    assert_int_equal(export_status("layer", 1, v), EINJIT_OK);
    for (size_t i = 0; i < sizeof bad_extents / sizeof *bad_extents; i++) {
        v[0].names = &bad_extents[i];
        assert_int_equal(export_status("layer", 1, v), EINJIT_E_VALUE);
    }
    const char *const n = "n"; /* which the kernel has as 3 */
    const int64_t four = 4;
    v[0] = (einjit_variant){.struct_bytes = sizeof *v, .kernel = kernel, .n_sizes = 1, .names = &n, .values = &three};
    assert_int_equal(export_status("layer", 1, v), EINJIT_OK);
    v[0].values = &four;
    assert_int_equal(export_status("layer", 1, v), EINJIT_E_VALUE);
    assert_int_equal(export_status("layer", SIZE_MAX, v), EINJIT_E_LIMIT);
    v[0] = (einjit_variant){.struct_bytes = 4, .kernel = kernel};
    assert_int_equal(export_status("layer", 1, v), EINJIT_E_INVALID);
    einjit_kernel_release(kernel);
    einjit_kernel_release(other);
    einjit_kernel_release(slow);
    einjit_context_release(interp);
}

static void no_memory_is_an_error(void **state)
{
    if (!api_has_llvm()) skip();
    (void)state;
    scarce_memory memory_left;
    scarce_memory_init(&memory_left, 1000000);
    const einjit_options o = {.struct_bytes = sizeof o, .backend = "llvm", .allocator = &memory_left.hooks};
    const einjit_tensor in[] = {F32(NULL, 10, 3), TENSOR(NULL, EINJIT_I32, 5)};
    einjit_context *context = NULL;
    einjit_error err;
    if (einjit_context_create(&context, &o, &err)) fail_msg("%s", err.text);
    einjit_kernel *kernel = compile(context, "def f(x: f32[n, 3], i: i32[e]):\n    return x[i] * 2.0\n", 2, in, "n,e");
    const einjit_variant variant = VARIANT(kernel);
    const exporter exporters[] = {einjit_export_object, einjit_export_header};
    for (int e = 0; e < 2; e++) {
        int status = EINJIT_E_NOMEM;
        long live = memory_left.live;
        for (long left = 0; status == EINJIT_E_NOMEM; left++) {
            assert_true(left < 1000);
            memory_left.left = left;
            status = exporters[e]("layer", 1, &variant, NULL, 0, NULL, &err);
            if (!left) assert_int_equal(status, EINJIT_E_NOMEM);
        }
        assert_int_equal(status, EINJIT_OK);
        assert_int_equal(memory_left.live, live);
    }
    memory_left.left = 1000000;
    einjit_kernel_release(kernel);
    einjit_context_release(context);
}

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
    (void)state;
    return shell("rm -rf %s", folder);
}

#define WITH_LLVM(test) cmocka_unit_test_setup_teardown(test, api_set_up_llvm, api_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LLVM(numbers_for_extents),
        WITH_LLVM(a_layer_and_its_gradient_for_any_number_of_edges),
        WITH_LLVM(indices_that_the_program_computes),
        WITH_LLVM(tensors_that_no_memory_can_hold),
        WITH_LLVM(an_axis_without_elements_has_no_maximum),
        WITH_LLVM(any_names),
        WITH_LLVM(strides_are_the_kernels_own),
        WITH_LLVM(strides_may_be_negative_and_extents_open),
        WITH_LLVM(constants_are_said_to_be_constant),
        WITH_LLVM(the_first_variant_that_fits_is_taken),
        WITH_LLVM(what_cannot_be_exported_says_so),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
