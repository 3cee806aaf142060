/* test_kernel_recent.c - calls that are made again: what they find, what they must not find, and that nothing is freed
 * under them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_support.h"
#include "kernel_cache_core.h"

static einjit_context *make_context(size_t cache_bytes)
{
    const einjit_options o = {
        .struct_bytes = sizeof o, .backend = "interp", .cache_dir = "none", .cache_bytes = cache_bytes};
    einjit_context *context;
    assert_int_equal(einjit_context_create(&context, &o, NULL), EINJIT_OK);
    return context;
}

static einjit_statistics statistics(einjit_context *context)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    assert_int_equal(einjit_context_statistics(context, &s, NULL), EINJIT_OK);
    return s;
}

static const float numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static int sum_rows(einjit_context *context, int64_t rows, float *out, einjit_error *err)
{
    return einjit_einsum(context, "ij->i", 1, &F32(numbers, rows, 2), &F32(out, rows), err);
}

static const einjit_kernel *find(ej_recent_use *use, einjit_context *context, int64_t rows)
{
    const einjit_tensor in = F32(numbers, rows, 2);
    const ej_recent recent = ej_recent_call(EJ_RECENT_EQUATION, "ij->i", 5, 1, &in);
    return ej_recent_begin(use, context, &recent);
}

static void warm(einjit_context *context, int64_t rows)
{
    float out[6];
    for (int i = 0; i < 20; i++) {
        memset(out, 0, sizeof out);
        assert_int_equal(sum_rows(context, rows, out, NULL), EINJIT_OK);
        for (int64_t r = 0; r < rows; r++) assert_true(out[r] == numbers[2 * r] + numbers[2 * r + 1]);
    }
}

static uint64_t count_readers(const einjit_context *context)
{
    uint64_t n = 0;
    for (int s = 0; s < SHARDS; s++)
        for (int lane = 0; lane < 2 * LANES; lane++)
            n += atomic_load(&context->cache->shards[s].lanes[lane / 2].readers[lane % 2]) & READERS;
    return n;
}

static void is_found_and_counted(void **state)
{
    (void)state;
    einjit_context *context = make_context(0);
    ej_recent_use use;
    assert_null(find(&use, context, 3));
    warm(context, 3);
    einjit_statistics s = statistics(context);
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.hits, 19);
    assert_non_null(find(&use, context, 3));
    assert_int_equal(count_readers(context), 1);
    ej_recent_end(&use, true);
    assert_int_equal(statistics(context).hits, 20);
    assert_int_equal(count_readers(context), 0);
    einjit_context_release(context);
}

/* A program is known by its content, whichever graph has it; an equation of its 16 bytes is none. */
static void programs_are_found_by_content(void **state)
{
    (void)state;
    einjit_context *context = make_context(0);
    float out[3];
    for (int i = 0; i < 40; i++) {
        einjit_graph *graph;
        assert_int_equal(einjit_graph_parse(&graph, context,
                                            i % 2 ? "def f(x): return x + x\n" : "def g(y): return y * 3.0\n", SIZE_MAX,
                                            NULL),
                         EINJIT_OK);
        for (int again = 0; again < 3; again++)
            assert_int_equal(einjit_call(context, graph, 1, &F32(numbers, 3), 1, &F32(out, 3), NULL), EINJIT_OK);
        assert_true(out[2] == (i % 2 ? 6.0f : 9.0f));
        ej_recent_use use;
        const einjit_tensor in = F32(numbers, 3);
        ej_recent recent = ej_recent_call(EJ_RECENT_PROGRAM, &graph->content, sizeof graph->content, 1, &in);
        if (i > 20) {
            assert_non_null(ej_recent_begin(&use, context, &recent));
            ej_recent_end(&use, false);
            recent.kind = EJ_RECENT_EQUATION;
            assert_null(ej_recent_begin(&use, context, &recent));
        }
        einjit_graph_destroy(graph);
    }
    assert_int_equal(statistics(context).misses, 2);
    einjit_context_release(context);
}

/* The same tensors with compile options are another call. */
static void limited_memory_is_not_taken_for_it(void **state)
{
    (void)state;
    const einjit_compile_options limited = {.struct_bytes = sizeof limited, .memory_limit = 4096};
    const einjit_tensor in = F32(numbers, 3);
    einjit_context *context = make_context(0);
    einjit_graph *graph;
    float out[3];
    assert_int_equal(einjit_graph_parse(&graph, context, "def f(x): return x + x\n", SIZE_MAX, NULL), EINJIT_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(einjit_call_with(context, graph, 1, &in, 1, &F32(out, 3), &limited, NULL), EINJIT_OK);
    assert_int_equal(statistics(context).misses, 1);
    assert_int_equal(einjit_call(context, graph, 1, &in, 1, &F32(out, 3), NULL), EINJIT_OK);
    assert_int_equal(statistics(context).misses, 2);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void same_status(const char *equation, size_t n_in, const einjit_tensor *in, const einjit_tensor *out)
{
    einjit_context *warmed = make_context(0), *fresh = make_context(0);
    einjit_error a = {0}, b = {0};
    warm(warmed, 3);
    int status = einjit_einsum(warmed, equation, n_in, in, out, &a);
    assert_int_equal(status, einjit_einsum(fresh, equation, n_in, in, out, &b));
    assert_string_equal(a.text, b.text);
    einjit_context_release(warmed);
    einjit_context_release(fresh);
}

static void other_tensors_are_not_taken_for_it(void **state)
{
    (void)state;
    float out[6] = {0};
    const int64_t shape[2] = {3, 2}, columns[2] = {1, 3};
    const einjit_tensor plain = F32(numbers, 3, 2), good = F32(out, 3);
    const einjit_tensor strided = {numbers, EINJIT_F32, 2, shape, columns};
    const einjit_tensor wrong[] = {{numbers, EINJIT_F64, 2, shape, NULL},
                                   {numbers, EINJIT_F32, 1, shape, NULL},
                                   {NULL, EINJIT_F32, 2, shape, NULL},
                                   {numbers, EINJIT_F32, 2, NULL, NULL},
                                   {numbers, EINJIT_F32, -1, shape, NULL},
                                   {numbers, EINJIT_F32, 9999, NULL, NULL},
                                   F32(numbers, 3, -2),
                                   F32(out, 3, 2)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) same_status("ij->i", 1, &wrong[i], &good);
    same_status("ij->i", 1, &plain, &F32(out, 2));
    same_status("ij->i", 1, &plain, &F32(NULL, 3));
    same_status("ij->i", 1, &plain, NULL);
    same_status("ij->i", 1, NULL, &good);
    same_status("ij->i", 2, (einjit_tensor[]){plain, plain}, &good);
    same_status("ij->i", 0, NULL, &good);
    same_status("ij->j", 1, &plain, &good);
    einjit_context *context = make_context(0);
    warm(context, 3);
    assert_int_equal(einjit_einsum(context, "ij->i", 1, &strided, &good, NULL), EINJIT_OK);
    assert_true(out[0] == 1 + 4 && out[1] == 2 + 5 && out[2] == 3 + 6);
    einjit_context_release(context);
}

/* What is taken out of the cache lives as long as somebody runs it: the address sanitizer sees it otherwise. */
static void a_kernel_in_use_outlives_the_cache_entry(void **state)
{
    (void)state;
    einjit_context *context = make_context(0);
    ej_recent_use use, none;
    float out[3] = {0};
    warm(context, 3);
    const einjit_kernel *kernel = find(&use, context, 3);
    assert_non_null(kernel);
    einjit_context_clear_cache(context);
    warm(context, 2); /* misses look for what can be freed */
    assert_null(find(&none, context, 3));
    assert_int_equal(ej_kernel_run(kernel, &F32(numbers, 3, 2), &F32(out, 3), NULL, NULL), EINJIT_OK);
    assert_true(out[2] == 11);
    ej_recent_end(&use, true);
    einjit_context_clear_cache(context);
    assert_int_equal(statistics(context).bytes, 0);
    einjit_context_release(context);
}

/* The child has no readers, whatever its parent was in the middle of. */
static void a_child_has_begun_nothing(void **state)
{
    (void)state;
    einjit_context *context = make_context(0);
    ej_recent_use use;
    warm(context, 3);
    assert_non_null(find(&use, context, 3));
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        warm(context, 3);
        ej_recent_end(&use, true);
        _exit(count_readers(context) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ej_recent_end(&use, true);
    assert_int_equal(count_readers(context), 0);
    einjit_context_release(context);
}

enum { THREADS = 4, TURNS = 1500 };

static void *call_and_evict(void *user)
{
    einjit_context *context = user;
    uint64_t wrong = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        int64_t rows = 1 + turn / 12 % 6;
        float out[6] = {0};
        wrong += sum_rows(context, rows, out, NULL) != EINJIT_OK;
        for (int64_t r = 0; r < rows; r++) wrong += out[r] != numbers[2 * r] + numbers[2 * r + 1];
        if (turn % 100 == 99) einjit_context_clear_cache(context);
    }
    return wrong ? context : NULL;
}

static void threads_call_while_others_evict(void **state)
{
    (void)state;
    einjit_context *context = make_context(20000); /* less than the kernels take */
    pthread_t threads[THREADS];
    void *wrong;
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, call_and_evict, context), 0);
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(count_readers(context), 0);
    assert_true(statistics(context).hits > TURNS);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_found_and_counted),
        cmocka_unit_test(programs_are_found_by_content),
        cmocka_unit_test(limited_memory_is_not_taken_for_it),
        cmocka_unit_test(other_tensors_are_not_taken_for_it),
        cmocka_unit_test(a_kernel_in_use_outlives_the_cache_entry),
        cmocka_unit_test(a_child_has_begun_nothing),
        cmocka_unit_test(threads_call_while_others_evict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
