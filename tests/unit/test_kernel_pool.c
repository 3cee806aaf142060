/* test_kernel_pool.c - scratch blocks are aligned, large enough, not shared, and used again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_pool.h"

static atomic_int n_allocs;

static void *counting_alloc(void *user, size_t bytes)
{
    (void)user;
    atomic_fetch_add(&n_allocs, 1);
    return bytes > (size_t)1 << 30 ? NULL : malloc(bytes); /* sanitizers stop at sizes that malloc refuses */
}

static void counting_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

static const einjit_allocator counting = {counting_alloc, counting_release, NULL};

static void blocks_are_aligned_and_large_enough(void **state)
{
    (void)state;
    struct ej_pool *pool;
    assert_int_equal(ej_pool_create(&pool, &counting, SIZE_MAX, NULL), EINJIT_OK);
    for (size_t bytes = 1; bytes < (size_t)10 << 20; bytes = bytes * 5 / 3 + 1) {
        unsigned char *block = ej_pool_take(pool, bytes);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        memset(block, 0xA5, bytes);
        ej_pool_give(pool, block);
    }
    ej_pool_destroy(pool);
}

static void a_warm_pool_allocates_nothing(void **state)
{
    (void)state;
    struct ej_pool *pool;
    assert_int_equal(ej_pool_create(&pool, &counting, SIZE_MAX, NULL), EINJIT_OK);
    enum { MANY = 20 }; /* more than the slots of a class */
    void *blocks[MANY];
    for (int round = 0, warm = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) assert_non_null(blocks[i] = ej_pool_take(pool, 100000));
        for (int i = 0; i < MANY; i++)
            for (int j = 0; j < i; j++) assert_ptr_not_equal(blocks[i], blocks[j]);
        for (int i = 0; i < MANY; i++) ej_pool_give(pool, blocks[i]);
        if (round == 0) warm = atomic_load(&n_allocs);
        assert_int_equal(atomic_load(&n_allocs), warm);
    }
    int before = atomic_load(&n_allocs);
    ej_pool_trim(pool);
    ej_pool_give(pool, ej_pool_take(pool, 100000));
    assert_int_equal(atomic_load(&n_allocs), before + 1);
    ej_pool_destroy(pool);
}

static size_t bytes_of(const struct ej_pool *pool)
{
    einjit_statistics s = {0};
    ej_pool_statistics(pool, &s);
    return s.scratch_bytes;
}

static void what_is_kept_is_counted_and_bounded(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20, BLOCK = 1 << 16, MANY = 40 };
    struct ej_pool *pool;
    void *blocks[MANY];
    assert_int_equal(ej_pool_create(&pool, &counting, LIMIT, NULL), EINJIT_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) assert_non_null(blocks[i] = ej_pool_take(pool, BLOCK));
        assert_true(bytes_of(pool) >= MANY * BLOCK); /* runs get what they need */
        for (int i = 0; i < MANY; i++) ej_pool_give(pool, blocks[i]);
        assert_true(bytes_of(pool) <= LIMIT);
        assert_true(bytes_of(pool) > LIMIT / 2);
    }
    /* other sizes take the place of those, every one once */
    for (size_t bytes = 5000; bytes < LIMIT; bytes = bytes * 4 / 3) {
        ej_pool_give(pool, ej_pool_take(pool, bytes));
        assert_true(bytes_of(pool) <= LIMIT);
        int before = atomic_load(&n_allocs);
        if (bytes < LIMIT / 2) ej_pool_give(pool, ej_pool_take(pool, bytes));
        assert_int_equal(atomic_load(&n_allocs), before);
    }
    ej_pool_give(pool, ej_pool_take(pool, 2 * LIMIT)); /* one that is too large is not kept, and nothing goes for it */
    assert_true(bytes_of(pool) <= LIMIT && bytes_of(pool) > LIMIT / 2);
    ej_pool_trim(pool);
    assert_int_equal(bytes_of(pool), 0);
    ej_pool_destroy(pool);
}

static void sizes_beyond_memory_are_refused(void **state)
{
    (void)state;
    struct ej_pool *pool;
    assert_int_equal(ej_pool_create(&pool, &counting, SIZE_MAX, NULL), EINJIT_OK);
    assert_null(ej_pool_take(pool, SIZE_MAX));
    assert_null(ej_pool_take(pool, SIZE_MAX / 2));
    ej_pool_give(pool, NULL);
    ej_pool_destroy(pool);
}

/* A program whose scratch is large: the context says so, and gives it back when asked. */
static void contexts_report_scratch(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    einjit_options options = {.struct_bytes = sizeof options,
                              .backend = "interp",
                              .allocator = &counting,
                              .flags = EINJIT_OPTION_NO_OPTIMIZE};
    einjit_context *context = NULL;
    einjit_statistics s = {.struct_bytes = sizeof s};
    float one = 1, sum = 0;
    int64_t shape[1] = {N}, stride[1] = {0};
    einjit_tensor in = {&one, EINJIT_F32, 1, shape, stride}, out = {&sum, EINJIT_F32, 0, NULL, NULL};
    for (int small = 0; small < 2; small++) {
        options.scratch_bytes = small ? N : 0;
        assert_int_equal(einjit_context_create(&context, &options, NULL), EINJIT_OK);
        einjit_graph *graph = NULL;
        einjit_kernel *kernel = NULL;
        assert_int_equal(einjit_graph_parse(&graph, context,
                                            "def f(a):\n    b = cat([a, a], 0)\n    return einsum(\"i,i->\", b, b)\n",
                                            SIZE_MAX, NULL),
                         EINJIT_OK);
        assert_int_equal(einjit_compile(&kernel, context, graph, 1, &in, 1, &out, NULL, NULL), EINJIT_OK);
        size_t needed = einjit_kernel_scratch_bytes(kernel, NULL);
        assert_true(needed >= 2 * N * sizeof(float));
        assert_int_equal(einjit_run(kernel, 1, &in, 1, &out, NULL), EINJIT_OK);
        assert_true(sum == 2 * N);
        einjit_context_statistics(context, &s, NULL);
        assert_int_equal(s.scratch_limit_bytes, small ? N : 256 << 20);
        if (small) assert_true(s.scratch_bytes <= N);
        else assert_true(s.scratch_bytes >= needed && s.scratch_bytes < 2 * needed);
        einjit_context_clear_cache(context);
        einjit_context_statistics(context, &s, NULL);
        assert_int_equal(s.scratch_bytes, 0);
        einjit_kernel_release(kernel);
        einjit_graph_destroy(graph);
        einjit_context_release(context);
    }
}

static void *take_and_give(void *argument)
{
    struct ej_pool *pool = argument;
    for (uintptr_t i = 0; i < 3000; i++) {
        uintptr_t *block = ej_pool_take(pool, 5000 + 4000 * (i % 4));
        if (!block) return argument;
        block[0] = (uintptr_t)&i + i;
        block[500] = i;
        if (block[0] != (uintptr_t)&i + i || block[500] != i) return argument;
        ej_pool_give(pool, block);
    }
    return NULL;
}

static void no_block_has_two_users(void **state)
{
    (void)state;
    enum { THREADS = 12 };
    struct ej_pool *pool;
    pthread_t threads[THREADS];
    void *wrong;
    assert_int_equal(ej_pool_create(&pool, &counting, 40000, NULL), EINJIT_OK); /* about the limit all the time */
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, pool), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    ej_pool_trim(pool);
    assert_int_equal(bytes_of(pool), 0);
    ej_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_large_enough), cmocka_unit_test(a_warm_pool_allocates_nothing),
        cmocka_unit_test(what_is_kept_is_counted_and_bounded), cmocka_unit_test(contexts_report_scratch),
        cmocka_unit_test(sizes_beyond_memory_are_refused),     cmocka_unit_test(no_block_has_two_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
