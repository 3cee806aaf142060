/* test_kernel_pool.c - scratch blocks are aligned, large enough, not shared, and used again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel.h"

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
    assert_int_equal(ej_pool_create(&pool, &counting, NULL), EINJIT_OK);
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
    assert_int_equal(ej_pool_create(&pool, &counting, NULL), EINJIT_OK);
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

static void sizes_beyond_memory_are_refused(void **state)
{
    (void)state;
    struct ej_pool *pool;
    assert_int_equal(ej_pool_create(&pool, &counting, NULL), EINJIT_OK);
    assert_null(ej_pool_take(pool, SIZE_MAX));
    assert_null(ej_pool_take(pool, SIZE_MAX / 2));
    ej_pool_give(pool, NULL);
    ej_pool_destroy(pool);
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
    assert_int_equal(ej_pool_create(&pool, &counting, NULL), EINJIT_OK);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, pool), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    ej_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_large_enough),
        cmocka_unit_test(a_warm_pool_allocates_nothing),
        cmocka_unit_test(sizes_beyond_memory_are_refused),
        cmocka_unit_test(no_block_has_two_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
