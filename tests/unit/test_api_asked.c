/* test_api_asked.c - how much is done between two questions of the progress hook, by a clock of the test's own.
 *
 * Each look at the clock takes longer than the interval at which the hook is asked, so that it is asked wherever the
 * library may ask. What is counted does not depend on the machine: how often, and the bytes that are allocated in
 * between, which is what long stretches spend their time with.
 */
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

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    static _Atomic int64_t looks;
    int64_t at = ++looks * 10;
    (void)clock;
    *now = (struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EINSUMS = 300 };
#else
enum { EINSUMS = 3000 };
#endif

static einjit_error err;

typedef struct listener {
    int64_t asked, end_at; /* end_at: which question is answered with 1; 0: none */
    size_t bytes, most;    /* allocated since it was asked last; the most there were */
    char stage[32], where[80];
} listener;

static void note(listener *l, const char *stage)
{
    if (l->bytes > l->most) {
        l->most = l->bytes;
        snprintf(l->where, sizeof l->where, "%s .. %s", l->stage, stage);
    }
    l->bytes = 0;
    snprintf(l->stage, sizeof l->stage, "%s", stage);
}

static int listen(void *user, const char *stage, double done)
{
    listener *l = user;
    (void)done;
    l->asked++;
    note(l, stage);
    return l->asked == l->end_at;
}

static void *count(void *user, size_t bytes)
{
    ((listener *)user)->bytes += bytes;
    return malloc(bytes);
}

static void give_back(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

static void begin(listener *l)
{
    *l = (listener){.stage = "begin"};
}

/* A node takes some 200 bytes, what a pass knows of it as many: between two questions there may be a few tables of all
 * nodes, and no more. */
static void assert_asked(listener *l, size_t nodes, int64_t times)
{
    size_t most = nodes * 1500;
    note(l, "end");
    if (l->most > most) fail_msg("%zu bytes between two questions (%s), for %zu nodes", l->most, l->where, nodes);
    if (l->asked < (int64_t)nodes * times) fail_msg("asked %lld times for %zu nodes", (long long)l->asked, nodes);
}

static einjit_graph *chain(einjit_context *context, const char *link)
{
    size_t room = (size_t)EINSUMS * 64 + 200, used;
    char *text = malloc(room);
    assert_non_null(text);
    used = (size_t)snprintf(text, room, "def f(x: f32[8, 8], w: f32[8, 8]):\n    v0 = x * 1.0\n");
    for (int i = 1; i <= EINSUMS; i++) {
        used += (size_t)snprintf(text + used, room - used, "    v%d = ", i);
        used += (size_t)snprintf(text + used, room - used, link, i - 1);
    }
    snprintf(text + used, room - used, "    return v%d\n", EINSUMS);
    einjit_graph *graph = api_graph(context, text);
    free(text);
    return graph;
}

static const char *const links[] = {
    "relu(einsum(\"ij,jk->ik\", v%d, w))\n",
    "einsum(\"ij,jk->ik\", v%d, w)\n",
    "einsum(\"ij,jk->ik\", v%d, w) * 2.0 + x\n",
    "softmax(v%d @ w, -1)\n",
};

static einjit_context *context_for(listener *l)
{
    einjit_context *context;
    const einjit_allocator allocator = {count, give_back, l};
    const einjit_options options = {.struct_bytes = sizeof options,
                                    .backend = "interp",
                                    .allocator = &allocator,
                                    .cache_dir = "none",
                                    .progress = listen,
                                    .progress_user = l};
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    return context;
}

static void gradients_and_passes_ask(void **state)
{
    (void)state;
    listener l;
    begin(&l);
    einjit_context *context = context_for(&l);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        einjit_graph *graph = chain(context, links[i]);
        const einjit_value y = einjit_graph_output_value(graph, 0), wrt[] = {0, 1};
        einjit_value sum, made[2];
        size_t nodes = einjit_graph_node_count(graph);
        assert_int_equal(einjit_graph_sum(&sum, graph, y, 0, NULL, 0, &err), EINJIT_OK);
        begin(&l);
        assert_int_equal(einjit_graph_gradient(made, graph, 1, &sum, NULL, 2, wrt, &err), EINJIT_OK);
        assert_asked(&l, einjit_graph_node_count(graph), 0);
        assert_true(l.asked >= (int64_t)nodes / 2);
        for (int k = 0; k < 2; k++) assert_int_equal(einjit_graph_output(graph, made[k], &err), EINJIT_OK);
        nodes = einjit_graph_node_count(graph);
        begin(&l);
        assert_int_equal(einjit_optimize(graph, NULL, &err), EINJIT_OK);
        assert_asked(&l, nodes, 4);
        einjit_graph_destroy(graph);
    }
    einjit_context_release(context);
}

static void compiles_ask(void **state)
{
    (void)state;
    listener l;
    float x[64], w[64], y[64];
    begin(&l);
    einjit_context *context = context_for(&l);
    const einjit_tensor in[] = {F32(x, 8, 8), F32(w, 8, 8)}, out = F32(y, 8, 8);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        einjit_graph *graph = chain(context, links[i]);
        einjit_kernel *kernel;
        size_t nodes = einjit_graph_node_count(graph);
        begin(&l);
        assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 1, &out, NULL, &err), EINJIT_OK);
        assert_asked(&l, nodes, 8);
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
    }
    einjit_context_release(context);
}

/* At whichever question a call ends, it says so. */
static void every_question_can_end_a_call(void **state)
{
    (void)state;
    listener l;
    float x[64] = {0}, w[64] = {0}, y[64];
    begin(&l);
    einjit_context *context = context_for(&l);
    const einjit_tensor in[] = {F32(x, 8, 8), F32(w, 8, 8)}, out = F32(y, 8, 8);
    einjit_kernel *kernel = NULL;
    int status = EINJIT_E_INTERRUPTED;
    for (int64_t end_at = 1; status; end_at++) {
        einjit_graph *graph = api_graph(context, "def f(x: f32[a, b], w: f32[b, c]):\n"
                                                 "    return softmax(relu(x @ w) @ w, -1) * 2.0 + x[0:8]\n");
        begin(&l);
        l.end_at = end_at;
        err = (einjit_error){0};
        status = einjit_compile(&kernel, context, graph, 2, in, 1, &out, NULL, &err);
        if (status && (status != EINJIT_E_INTERRUPTED || err.code != status || !strstr(err.text, "interrupted")))
            fail_msg("question %lld (%s): %s, %d: %s", (long long)end_at, l.stage, einjit_status_name(status), err.code,
                     err.text);
        assert_true(status || end_at > 40);
        einjit_graph_destroy(graph);
    }
    einjit_kernel_release(kernel);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_and_passes_ask),
        cmocka_unit_test(compiles_ask),
        cmocka_unit_test(every_question_can_end_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
