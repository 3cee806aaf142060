/* prop_depth.c - programs as long and as deep as one likes, on a small stack: chains of 100,000 operations in lines, in
 * one expression, of einsums, with shared values; what nests too deep is refused where it stands.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"

/* ---- long texts ---- */

typedef struct writer {
    char *text;
    size_t n, capacity;
} writer;

static void write_text(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void write_text(writer *w, const char *format, ...)
{
    va_list args;
    if (w->n + 256 > w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 1 << 16;
        w->text = realloc(w->text, w->capacity);
    }
    va_start(args, format);
    w->n += (size_t)vsnprintf(w->text + w->n, w->capacity - w->n, format, args);
    va_end(args);
}

/* ---- a thread with a small stack ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 1 << 20, COMPILES = 0, LENGTH = 20000 }; /* frames are several times as large there, and time is */
#else
enum { STACK_BYTES = 256 << 10, COMPILES = 1, LENGTH = 100000 };
#endif

typedef struct task {
    const char *text;
    int dims; /* extents of the inputs: each has `rank` of them, all 2 */
    bool compile, fails;
    int status;       /* of the parse, where it fails */
    const char *step; /* what went wrong, NULL: nothing */
    einjit_error err;
    double seconds;
} task;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *printed(task *t, const einjit_graph *graph)
{
    size_t needed = 0;
    if (einjit_graph_print(graph, NULL, 0, &needed, &t->err)) return NULL;
    char *text = malloc(needed + 1);
    if (einjit_graph_print(graph, text, needed + 1, NULL, &t->err)) text[0] = 0;
    return text;
}

/* NULL, or the step that failed. */
static const char *live(task *t, einjit_context *context, einjit_graph *graph, const einjit_tensor *in, size_t n)
{
    if (einjit_graph_verify(graph, &t->err)) return "verify";
    einjit_shapes *shapes = NULL;
    if (einjit_shapes_infer(&shapes, graph, n, in, &t->err)) return "shapes";
    einjit_shapes_destroy(shapes);
    char *text = printed(t, graph);
    einjit_graph *again = NULL;
    bool same = false;
    if (text && !einjit_graph_parse(&again, context, text, SIZE_MAX, &t->err)) {
        char *second = printed(t, again);
        same = second && !strcmp(text, second);
        free(second);
    }
    free(text);
    einjit_graph_destroy(again);
    if (!same) return "print and parse";
    if (einjit_optimize(graph, NULL, &t->err)) return "optimize";
    if (!(text = printed(t, graph))) return "print";
    free(text);
    if (!t->compile) return NULL;
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_kernel *kernel = NULL;
    if (einjit_plan_cost(&cost, context, graph, n, in, NULL, &t->err)) return "plan";
    if (einjit_compile(&kernel, context, graph, n, in, 0, NULL, NULL, &t->err)) return "compile";
    einjit_kernel_release(kernel);
    return NULL;
}

static void *run_task(void *argument)
{
    task *t = argument;
    einjit_context *context = NULL;
    einjit_graph *graph = NULL;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp"};
    double start = now();
    if (einjit_context_create(&context, &options, &t->err)) {
        t->step = "context";
        return NULL;
    }
    t->status = einjit_graph_parse(&graph, context, t->text, SIZE_MAX, &t->err);
    if (t->status && !t->fails) t->step = "parse";
    const int64_t shape[] = {2, 2};
    einjit_tensor in[2] = {{NULL, EINJIT_F32, t->dims, shape, NULL}, {NULL, EINJIT_F32, t->dims, shape, NULL}};
    if (!t->status) t->step = live(t, context, graph, in, einjit_graph_input_count(graph));
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    t->seconds = now() - start;
    return NULL;
}

static void run_on_small_stack(task *t)
{
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_task, t), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    if (getenv("LIMITS_TIMES")) fprintf(stderr, "%.60s ... : %.2f s\n", strchr(t->text, '\n') + 1, t->seconds);
    if (t->step) fail_msg("%s: %s: %s", t->step, einjit_status_name(t->err.code), t->err.text);
}

/* Each line names the one before it. */
static void write_lines(writer *w, const char *parameters, const char *before, const char *after)
{
    write_text(w, "def forward(%s):\n    x0 = a\n", parameters);
    for (int i = 1; i < LENGTH; i++) write_text(w, "    x%d = %sx%d%s\n", i, before, i - 1, after);
    write_text(w, "    return x%d\n", LENGTH - 1);
}

/* Each line assigns the same name anew. */
static void a_chain_of_lines_is_no_deeper_than_one(void **state)
{
    (void)state;
    writer w = {0};
    write_text(&w, "def forward(a: f32[i]):\n    x = a\n");
    for (int i = 0; i < LENGTH; i++) write_text(&w, "    x = relu(x)\n");
    write_text(&w, "    return x\n");
    task t = {.text = w.text, .dims = 1, .compile = COMPILES};
    run_on_small_stack(&t);
    w.n = 0;
    write_lines(&w, "a: f32[i], b: f32[i]", "maximum(b, ", ")");
    t = (task){.text = w.text, .dims = 1, .compile = COMPILES};
    run_on_small_stack(&t);
    free(w.text);
}

static void a_long_expression_is_no_deeper_than_a_short_one(void **state)
{
    (void)state;
    static const char *const more[] = {" + b", " - a", " * b", " @ b", ".relu()", "[0:2]", ".transpose(0, 1)"};
    for (size_t m = 0; m < sizeof more / sizeof *more; m++) {
        writer w = {0};
        write_text(&w, "def forward(a: f32[i, i], b: f32[i, i]):\n    return a");
        for (int i = 0; i < LENGTH; i++) write_text(&w, "%s", more[m]);
        write_text(&w, "\n");
        task t = {.text = w.text, .dims = 2};
        run_on_small_stack(&t);
        free(w.text);
    }
}

static void a_chain_of_einsums_is_optimized(void **state)
{
    (void)state;
    static const char *const befores[] = {"einsum(\"ij,jk->ik\", b, ", "einsum(\"ij,ij->ij\", b, ",
                                          "einsum(\"ij->ji\", "};
    for (size_t i = 0; i < sizeof befores / sizeof *befores; i++) {
        writer w = {0};
        write_lines(&w, "a: f32[i, i], b: f32[i, i]", befores[i], ")");
        task t = {.text = w.text, .dims = 2, .compile = COMPILES && i == 0};
        run_on_small_stack(&t);
        free(w.text);
    }
}

/* Each value is used twice, so the expression that the program writes down has 2^100000 terms. */
static void shared_values_are_visited_once(void **state)
{
    (void)state;
    writer w = {0};
    write_text(&w, "def forward(a: f32[i]):\n    x = a\n");
    for (int i = 0; i < LENGTH; i++) write_text(&w, "    x = x + x\n");
    write_text(&w, "    return x\n");
    task t = {.text = w.text, .dims = 1};
    run_on_small_stack(&t);
    free(w.text);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"(", ")"},  {"relu(", ")"}, {"-", ""},     {"tensor([", "])"},
                                           {"[", "]"},  {"a + (", ")"}, {"a ** ", ""}, {"einsum(\"i->i\", ", ")"},
                                           {"a[", "]"}, {"not ", ""},   {"(a, ", ")"}};
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        writer w = {0};
        write_text(&w, "def forward(a: f32[i]):\n    return ");
        for (int i = 0; i < LENGTH; i++) write_text(&w, "%s", pairs[p][0]);
        write_text(&w, "a");
        for (int i = 0; i < LENGTH; i++) write_text(&w, "%s", pairs[p][1]);
        write_text(&w, "\n");
        task t = {.text = w.text, .dims = 1, .fails = true};
        run_on_small_stack(&t);
        bool refused = t.status == EINJIT_E_LIMIT || (t.status == EINJIT_E_SYNTAX && strchr("[an(", pairs[p][0][0]));
        if (!refused && t.status) fail_msg("'%s...': %s: %s", pairs[p][0], einjit_status_name(t.status), t.err.text);
        if (!strcmp(pairs[p][0], "(") || !strcmp(pairs[p][0], "relu(")) assert_int_equal(t.status, EINJIT_E_LIMIT);
        if (t.status) assert_true(t.err.line == 2 && t.err.column > 0);
        free(w.text);
    }
}

int main(void)
{
    use_built_module();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_lines_is_no_deeper_than_one),
        cmocka_unit_test(a_long_expression_is_no_deeper_than_a_short_one),
        cmocka_unit_test(a_chain_of_einsums_is_optimized),
        cmocka_unit_test(shared_values_are_visited_once),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
