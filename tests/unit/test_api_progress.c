/* test_api_progress.c - the hook that hears how far a compile is, and ends it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"

static einjit_error err;

/* A sanitized build is many times slower: there only what is computed counts. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1, OPERANDS = 15, EINSUMS = 1000 };
#else
enum { SANITIZED = 0, OPERANDS = 16, EINSUMS = 10000 };
#endif

/* The goal is 50, which slow and busy machines may miss: test_api_asked counts what is done between two questions. */
enum { MOST_MS = 250 };

/* Of this thread's own time: other processes on the machine do not count. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

typedef struct listener {
    int calls, end_at; /* end_at: which call is answered with 1; 0: none */
    double last, gap;  /* longest time between two calls, ms */
    double ended;      /* when it was answered so */
    char stages[400];
    bool sane;
    int (*once)(void *); /* called at the first question, which is answered by it */
    void *user;
} listener;

static int listen(void *user, const char *stage, double done)
{
    listener *l = user;
    double now = now_ms();
    if (now - l->last > l->gap) l->gap = now - l->last;
    l->last = now;
    l->sane &= done == -1 || (done >= 0 && done <= 1);
    if (!strstr(l->stages, stage) && strlen(l->stages) + strlen(stage) + 2 < sizeof l->stages) {
        strcat(l->stages, stage);
        strcat(l->stages, ",");
    }
    int (*once)(void *) = l->once;
    l->once = NULL;
    if (once) return once(l->user);
    if (++l->calls != l->end_at) return 0;
    l->ended = now_ms();
    return 1;
}

static void begin(listener *l, int end_at)
{
    *l = (listener){.end_at = end_at, .sane = true, .last = now_ms()};
}

static void assert_ended(const listener *l, int status)
{
    assert_int_equal(status, EINJIT_E_INTERRUPTED);
    assert_int_equal(err.code, EINJIT_E_INTERRUPTED);
    assert_non_null(strstr(err.text, "interrupted"));
    assert_int_equal(l->calls, l->end_at); /* it is not asked again */
    if (!SANITIZED && now_ms() - l->ended > MOST_MS) fail_msg("%.1f ms after the answer", now_ms() - l->ended);
}

static einjit_context *context_for(listener *l, const char *backend)
{
    einjit_context *context;
    einjit_options options = {
        .struct_bytes = sizeof options, .backend = backend, .progress = listen, .progress_user = l};
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    return context;
}

/* Every two operands share a label. */
static int search(einjit_context *context, int n, const char *strategy)
{
    static int32_t ranks[20], labels[400];
    static int64_t sizes[400];
    size_t n_labels = 0;
    for (int i = 0; i < n; i++) {
        ranks[i] = n - 1;
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            int low = i < j ? i : j, high = i < j ? j : i;
            labels[n_labels++] = low * 20 + high;
            sizes[low * 20 + high] = 2 + (i * 7 + j * 7) % 5;
        }
    }
    size_t steps;
    double mults, largest;
    return einjit_path(context, (size_t)n, ranks, labels, 0, NULL, 400, sizes, strategy, NULL, 0, &steps, &mults,
                       &largest, &err);
}

static void path_searches_end(void **state)
{
    (void)state;
    listener l;
    begin(&l, 0);
    einjit_context *context = context_for(&l, "interp");
    begin(&l, 0);
    assert_int_equal(search(context, OPERANDS, "optimal"), EINJIT_OK);
    int calls = l.calls;
    assert_true(calls >= 3 && l.sane);
    assert_string_equal(l.stages, "path,");
    if (!SANITIZED && l.gap > MOST_MS) fail_msg("not asked for %.1f ms", l.gap);
    for (int end_at = 1; end_at <= calls / 2; end_at = end_at * 3 + 1) {
        begin(&l, end_at);
        assert_ended(&l, search(context, OPERANDS, "optimal"));
    }
    begin(&l, 1);
    assert_ended(&l, search(context, OPERANDS, "greedy"));
    einjit_context_release(context);
}

static einjit_graph *chain(einjit_context *context, int n)
{
    size_t room = (size_t)n * 64 + 200, used;
    char *text = malloc(room);
    assert_non_null(text);
    used = (size_t)snprintf(text, room, "def f(x: f32[8, 8], w: f32[8, 8]):\n    v0 = x * 1.0\n");
    for (int i = 1; i <= n; i++)
        used += (size_t)snprintf(text + used, room - used, "    v%d = relu(einsum(\"ij,jk->ik\", v%d, w))\n", i, i - 1);
    snprintf(text + used, room - used, "    return v%d\n", n);
    einjit_graph *graph = api_graph(context, text);
    free(text);
    return graph;
}

static void passes_end_and_leave_the_graph_whole(void **state)
{
    (void)state;
    listener l;
    begin(&l, 0);
    einjit_context *context = context_for(&l, "interp");
    einjit_graph *graph = chain(context, EINSUMS);
    begin(&l, 1);
    assert_ended(&l, einjit_optimize(graph, NULL, &err));
    assert_int_equal(einjit_graph_verify(graph, &err), EINJIT_OK);
    begin(&l, 0);
    assert_int_equal(einjit_optimize(graph, NULL, &err), EINJIT_OK);
    assert_true(l.calls >= 2 && l.sane);
    assert_string_equal(l.stages, "opt,");
    if (!SANITIZED && l.gap > MOST_MS) fail_msg("not asked for %.1f ms", l.gap);
    for (int end_at = 2; end_at < l.calls; end_at++) {
        einjit_graph *other = chain(context, EINSUMS);
        begin(&l, end_at);
        int status = einjit_optimize(other, NULL, &err);
        if (status) assert_ended(&l, status); /* runs differ in time, and so in how often it is asked */
        assert_int_equal(einjit_graph_verify(other, &err), EINJIT_OK);
        einjit_graph_destroy(other);
    }
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* A matrix of 8 x 8, and the one that leaves it as it is. */
static void fill(float x[64], float w[64])
{
    for (int i = 0; i < 64; i++) x[i] = (float)(i % 5), w[i] = i % 9 == 0 ? 1.0f : 0.0f;
}

static void compiles_end_and_can_be_tried_again(void **state)
{
    const char *backend = *state;
    if (!strcmp(backend, "llvm") && !api_has_llvm()) skip();
    listener l;
    begin(&l, 0);
    einjit_context *context = context_for(&l, backend);
    float x[64], w[64], y[64];
    fill(x, w);
    einjit_tensor in[] = {F32(x, 8, 8), F32(w, 8, 8)};
    int ended = 0;
    for (int end_at = 1; end_at <= 4; end_at++) {
        einjit_graph *graph = chain(context, 100);
        begin(&l, end_at);
        int status = einjit_call(context, graph, 2, in, 1, &F32(y, 8, 8), &err);
        if (status) {
            assert_ended(&l, status);
            ended++;
        }
        begin(&l, 0);
        assert_int_equal(einjit_call(context, graph, 2, in, 1, &F32(y, 8, 8), &err), EINJIT_OK);
        assert_true(l.sane);
        assert_memory_equal(x, y, sizeof y);
        einjit_graph_destroy(graph);
        einjit_context_clear_cache(context);
    }
    assert_true(ended >= 1);
    einjit_context_release(context);
}

typedef struct same_call {
    einjit_context *context;
    einjit_graph *graph;
    const einjit_tensor *in, *out;
    bool done;
} same_call;

static int call_it(void *user)
{
    same_call *c = user;
    c->done = true;
    return einjit_call(c->context, c->graph, 2, c->in, 1, c->out, &err);
}

/* A signal handler may do that. */
static void what_is_being_compiled_can_be_called(void **state)
{
    const char *backend = *state;
    if (!strcmp(backend, "llvm") && !api_has_llvm()) skip();
    listener l;
    begin(&l, 0);
    einjit_context *context = context_for(&l, backend);
    float x[64], w[64], y[64], inner[64];
    fill(x, w);
    const einjit_tensor in[] = {F32(x, 8, 8), F32(w, 8, 8)}, out = F32(inner, 8, 8);
    einjit_graph *graph = chain(context, 100);
    same_call again = {context, graph, in, &out, false};
    begin(&l, 0);
    l.once = call_it, l.user = &again;
    assert_int_equal(einjit_call(context, graph, 2, in, 1, &F32(y, 8, 8), &err), EINJIT_OK);
    assert_true(again.done);
    assert_memory_equal(x, y, sizeof y);
    assert_memory_equal(x, inner, sizeof inner);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

typedef struct crossing {
    einjit_context *context;
    einjit_graph *graphs[2]; /* which this thread compiles, and which its hook calls meanwhile */
    pthread_barrier_t *both;
    bool asked;
    int status, inner;
    float y[64], z[64];
} crossing;
static _Thread_local crossing *of_thread;

static int call_graph(const crossing *c, int which, float *out)
{
    float x[64], w[64];
    fill(x, w);
    const einjit_tensor in[] = {F32(x, 8, 8), F32(w, 8, 8)};
    einjit_error inner;
    return einjit_call(c->context, c->graphs[which], 2, in, 1, &F32(out, 8, 8), &inner);
}

static int call_the_other(void *user, const char *stage, double done)
{
    crossing *c = of_thread;
    (void)user, (void)stage, (void)done;
    if (!c || c->asked) return 0;
    c->asked = true;
    pthread_barrier_wait(c->both);
    c->inner = call_graph(c, 1, c->z);
    return 0;
}

static void *run_crossing(void *user)
{
    crossing *c = of_thread = user;
    c->status = call_graph(c, 0, c->y);
    return NULL;
}

/* Neither may wait for the other. */
static void hooks_of_two_threads_can_call_what_the_other_compiles(void **state)
{
    (void)state;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .progress = call_the_other};
    einjit_context *context;
    pthread_barrier_t both;
    pthread_t thread;
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
    einjit_graph *a = chain(context, 20), *b = chain(context, 30);
    crossing one = {.context = context, .graphs = {a, b}, .both = &both, .inner = -1};
    crossing two = {.context = context, .graphs = {b, a}, .both = &both, .inner = -1};
    alarm(300); /* rather than for ever */
    assert_int_equal(pthread_create(&thread, NULL, run_crossing, &two), 0);
    run_crossing(&one);
    assert_int_equal(pthread_join(thread, NULL), 0);
    alarm(0);
    of_thread = NULL;
    assert_true(!one.status && !one.inner && !two.status && !two.inner);
    for (int i = 0; i < 64; i++)
        assert_true(one.y[i] == i % 5 && one.z[i] == i % 5 && two.y[i] == i % 5 && two.z[i] == i % 5);
    pthread_barrier_destroy(&both);
    einjit_graph_destroy(a);
    einjit_graph_destroy(b);
    einjit_context_release(context);
}

/* A program of n steps that are all different, of extents from `least` on, in several modules. Asked whenever it may
 * be. */
static void steps_end_between_modules(int n, int least)
{
    enum { MOST = 100 };
    static float w[MOST][64 * 64], x[8 * 8], y[8 * 8];
    einjit_tensor in[MOST + 1];
    int64_t shapes[MOST + 1][2];
    char text[MOST * 80 + 400], *at = text + sprintf(text, "def f(x");
    for (int i = 0; i < n; i++) at += sprintf(at, ", w%d", i);
    at += sprintf(at, "):\n    v0 = x\n");
    for (int i = 0; i < n; i++) at += sprintf(at, "    v%d = relu(v%d @ w%d) + %d.5\n", i + 1, i, i, i);
    sprintf(at, "    return v%d\n", n);
    in[0] = F32(x, 8, 8);
    for (int i = 0; i < n; i++) {
        shapes[i][0] = i ? shapes[i - 1][1] : 8;
        shapes[i][1] = i == n - 1 ? 8 : least + (i * 5 + 1) % 9;
        in[i + 1] = (einjit_tensor){w[i], EINJIT_F32, 2, shapes[i], NULL};
    }
    listener l;
    begin(&l, 0);
    einjit_context *context = context_for(&l, "llvm");
    einjit_graph *graph = api_graph(context, text);
    begin(&l, 0);
    assert_int_equal(einjit_call(context, graph, n + 1, in, 1, &F32(y, 8, 8), &err), EINJIT_OK);
    assert_true(l.sane);
    for (int i = 0; i < 64; i++) assert_true(y[i] == n - 1 + 0.5f); /* the weights are zeros */
    assert_non_null(strstr(l.stages, ",ir,"));
    assert_non_null(strstr(l.stages, ",asm,"));
    int calls = l.calls;
    assert_true(calls >= 2);
    if (!SANITIZED && l.gap > MOST_MS) fail_msg("not asked for %.1f ms", l.gap);
    size_t needed, modules = 0;
    assert_int_equal(einjit_explain(context, graph, n + 1, in, NULL, "ir", NULL, 0, &needed, &err), EINJIT_OK);
    char *ir = malloc(needed + 1);
    assert_non_null(ir);
    assert_int_equal(einjit_explain(context, graph, n + 1, in, NULL, "ir", ir, needed + 1, NULL, &err), EINJIT_OK);
    for (const char *s = ir; (s = strstr(s, "source_filename")); s++) modules++;
    free(ir);
    assert_true(modules >= 2 && modules < (size_t)n);
    einjit_context_clear_cache(context);
    for (int end_at = (calls + 3) / 4; end_at <= calls; end_at += (calls + 3) / 4) {
        begin(&l, end_at);
        int status = einjit_call(context, graph, n + 1, in, 1, &F32(y, 8, 8), &err);
        if (status) assert_ended(&l, status);
        else einjit_context_clear_cache(context); /* runs differ in time, and so in how often it is asked */
    }
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void code_generation_ends_between_leaves_and_modules(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    steps_end_between_modules(100, 8);
}

/* Few enough for one function, which goes on in the next module. */
static void code_generation_ends_between_nests_and_modules(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    steps_end_between_modules(16, 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_searches_end),
        cmocka_unit_test(passes_end_and_leave_the_graph_whole),
        {"compiles_end_and_can_be_tried_again (interp)", compiles_end_and_can_be_tried_again, NULL, NULL, "interp"},
        {"what_is_being_compiled_can_be_called (interp)", what_is_being_compiled_can_be_called, NULL, NULL, "interp"},
        {"what_is_being_compiled_can_be_called (llvm)", what_is_being_compiled_can_be_called, NULL, NULL, "llvm"},
        cmocka_unit_test(hooks_of_two_threads_can_call_what_the_other_compiles),
        {"compiles_end_and_can_be_tried_again (llvm)", compiles_end_and_can_be_tried_again, NULL, NULL, "llvm"},
        cmocka_unit_test_setup_teardown(code_generation_ends_between_leaves_and_modules, generate_here,
                                        generate_as_asked),
        cmocka_unit_test_setup_teardown(code_generation_ends_between_nests_and_modules, generate_here,
                                        generate_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
