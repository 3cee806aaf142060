/* test_kernel_key.c - equal keys exactly where one kernel serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "key.h"

#include "api_support.h"

static bool same(const einjit_tensor *a, const einjit_tensor *b)
{
    ej_key_words x, y;
    ej_key_init(&x, &ej_malloc_allocator);
    ej_key_init(&y, &ej_malloc_allocator);
    ej_key_tensor(&x, a, NULL);
    ej_key_tensor(&y, b, NULL);
    bool equal = x.n == y.n && !memcmp(x.words, y.words, x.n * sizeof *x.words);
    ej_key_free(&x);
    ej_key_free(&y);
    return equal;
}

static void row_major_strides_are_no_strides(void **state)
{
    (void)state;
    einjit_tensor plain = F32(NULL, 3, 1, 4), strided = plain, data = plain;
    strided.strides = (int64_t[]){4, -9, 1};
    assert_true(same(&plain, &strided));
    strided.strides = (int64_t[]){8, 1, 1};
    assert_false(same(&plain, &strided));
    data.data = &data;
    assert_true(same(&plain, &data));
}

static void strides_of_extent_one_do_not_count(void **state)
{
    (void)state;
    einjit_tensor a = F32(NULL, 3, 1, 4), b = a;
    a.strides = (int64_t[]){8, 1, 2};
    b.strides = (int64_t[]){8, 77, 2};
    assert_true(same(&a, &b));
    b.strides = (int64_t[]){8, 1, 3};
    assert_false(same(&a, &b));
}

static void everything_else_counts(void **state)
{
    (void)state;
    einjit_tensor a = F32(NULL, 3, 4);
    assert_false(same(&a, &TENSOR(NULL, EINJIT_F64, 3, 4)));
    assert_false(same(&a, &F32(NULL, 3, 5)));
    assert_false(same(&a, &F32(NULL, 3, 4, 1)));
    assert_true(same(&a, &F32(NULL, 3, 4)));
}

static void open_axes_are_in_the_key_by_number(void **state)
{
    (void)state;
    ej_key_words x, y;
    int32_t symbols[] = {1, 0}, others[] = {2, 0};
    int64_t extents[] = {7, 8, 1};
    uint64_t first[3];
    for (int i = 0; i < 3; i++) {
        ej_key_init(&x, &ej_malloc_allocator);
        ej_key_tensor(&x, &F32(NULL, extents[i], 4), symbols);
        assert_int_equal(x.n, 3);
        if (i == 0) memcpy(first, x.words, sizeof first);
        assert_memory_equal(first, x.words, sizeof first); /* an extent of 1 is not special */
    }
    ej_key_init(&y, &ej_malloc_allocator);
    ej_key_tensor(&y, &F32(NULL, 7, 4), others);
    assert_memory_not_equal(first, y.words, sizeof first);
}

static void bytes_of_any_length_stay_apart(void **state)
{
    (void)state;
    const char text[] = "ij,jk->ik\0\0\0\0\0\0\0";
    ej_key_words keys[17];
    for (size_t n = 0; n < 17; n++) {
        ej_key_init(&keys[n], &ej_malloc_allocator);
        ej_key_bytes(&keys[n], text, n);
        for (size_t m = 0; m < n; m++)
            assert_true(keys[n].n != keys[m].n || memcmp(keys[n].words, keys[m].words, keys[n].n * 8) != 0);
    }
}

static void long_keys_move_to_the_heap(void **state)
{
    (void)state;
    ej_key_words key;
    char text[5000];
    memset(text, 'x', sizeof text);
    ej_key_init(&key, &ej_malloc_allocator);
    for (uint64_t i = 0; i < 1000; i++) ej_key_word(&key, i);
    ej_key_bytes(&key, text, sizeof text);
    assert_false(key.failed);
    assert_ptr_not_equal(key.words, key.small);
    for (uint64_t i = 0; i < 1000; i++) assert_int_equal(key.words[i], i);
    assert_int_equal(key.words[1000], sizeof text);
    assert_memory_equal(&key.words[1001], text, sizeof text);
    ej_key_free(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_major_strides_are_no_strides), cmocka_unit_test(strides_of_extent_one_do_not_count),
        cmocka_unit_test(everything_else_counts),           cmocka_unit_test(open_axes_are_in_the_key_by_number),
        cmocka_unit_test(bytes_of_any_length_stay_apart),   cmocka_unit_test(long_keys_move_to_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
