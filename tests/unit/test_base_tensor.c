/* test_base_tensor.c - row-major or not, where elements lie, what provably does not overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base_tensor.h"

#define T(memory, type, shape_, strides_) \
    (einjit_tensor) \
    { \
        memory, type, (int32_t)(sizeof(shape_) / sizeof *(shape_)), shape_, strides_ \
    }

static void broken_tensors_are_named(void **state)
{
    (void)state;
    einjit_error err;
    int64_t shape[] = {3, -1};
    einjit_tensor t = T(NULL, EINJIT_F32, shape, NULL);
    assert_int_equal(ej_tensor_check(&t, "operand", 1, &err), EINJIT_E_SHAPE);
    assert_string_equal(err.text, "axis 1 of operand 1 has extent -1");
    t.shape = NULL;
    assert_int_equal(ej_tensor_check(&t, "operand", 0, &err), EINJIT_E_INVALID);
    t.dtype = EINJIT_DTYPE_COUNT;
    assert_int_equal(ej_tensor_check(&t, "operand", 0, &err), EINJIT_E_DTYPE);
    t = (einjit_tensor){NULL, EINJIT_F32, -2, NULL, NULL};
    assert_int_equal(ej_tensor_check(&t, "operand", 0, &err), EINJIT_E_RANK);
    t.rank = 0;
    assert_int_equal(ej_tensor_check(&t, "operand", 0, &err), EINJIT_OK);
}

static void extents_of_one_have_no_stride(void **state)
{
    (void)state;
    int64_t shape[] = {2, 1, 3}, plain[] = {3, 77, 1}, wide[] = {4, 3, 1}, empty[] = {2, 0, 3};
    assert_true(ej_tensor_row_major(&T(NULL, EINJIT_F32, shape, NULL)));
    assert_true(ej_tensor_row_major(&T(NULL, EINJIT_F32, shape, plain)));
    assert_false(ej_tensor_row_major(&T(NULL, EINJIT_F32, shape, wide)));
    assert_true(ej_tensor_row_major(&T(NULL, EINJIT_F32, empty, wide)));
}

static void spans_count_bytes_on_both_sides(void **state)
{
    (void)state;
    int64_t shape[] = {3, 4}, strides[] = {-10, 2}, huge[] = {INT64_MAX / 2, 1}, empty[] = {0, 4};
    ej_span span;
    assert_true(ej_tensor_span(&T(NULL, EINJIT_F64, shape, NULL), &span));
    assert_int_equal(span.lo, 0);
    assert_int_equal(span.hi, 96);
    assert_true(ej_tensor_span(&T(NULL, EINJIT_F32, shape, strides), &span));
    assert_int_equal(span.lo, -80);
    assert_int_equal(span.hi, 28);
    assert_true(ej_tensor_span(&T(NULL, EINJIT_F32, empty, strides), &span));
    assert_int_equal(span.lo, span.hi);
    assert_false(ej_tensor_span(&T(NULL, EINJIT_F32, shape, huge), &span));
}

static void strides_that_do_not_step_over_each_other_overlap(void **state)
{
    (void)state;
    int64_t shape[] = {3, 4}, same[] = {0, 1}, close[] = {3, 1}, wide[] = {4, 1}, turned[] = {-1, 3}, equal[] = {4, 4};
    int64_t one[] = {1, 4};
    assert_true(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, shape, same)));
    assert_true(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, shape, close)));
    assert_true(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, shape, equal)));
    assert_false(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, shape, wide)));
    assert_false(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, shape, turned)));
    assert_false(ej_tensor_overlaps_itself(&T(NULL, EINJIT_F32, one, same)));
}

/* Offsets of all elements, to be compared one by one. */
static size_t list_offsets(const einjit_tensor *t, int64_t *out)
{
    size_t n = 1;
    for (int32_t axis = 0; axis < t->rank; axis++) n *= (size_t)t->shape[axis];
    for (size_t i = 0; i < n; i++) {
        size_t rest = i;
        out[i] = 0;
        for (int32_t axis = t->rank - 1; axis >= 0; axis--) {
            out[i] += (int64_t)(rest % (size_t)t->shape[axis]) * t->strides[axis];
            rest /= (size_t)t->shape[axis];
        }
    }
    return n;
}

static bool really_overlap(const einjit_tensor *a, const einjit_tensor *b)
{
    int64_t x[64], y[64];
    size_t n = list_offsets(a, x), m = list_offsets(b, y);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            if ((float *)a->data + x[i] == (float *)b->data + y[j]) return true;
    return false;
}

static void what_is_called_apart_is_apart(void **state)
{
    (void)state;
    static float memory[4096];
    uint32_t random = 12345;
    int apart = 0;
    for (int trial = 0; trial < 20000; trial++) {
        int64_t shape[2][2], strides[2][2];
        einjit_tensor t[2];
        for (int i = 0; i < 2; i++) {
            for (int axis = 0; axis < 2; axis++) {
                random = random * 1664525u + 1013904223u;
                shape[i][axis] = 1 + (random >> 20) % 5;
                strides[i][axis] = (int64_t)((random >> 8) % 25) - 12;
            }
            random = random * 1664525u + 1013904223u;
            t[i] = T(memory + 2000 + (random >> 16) % 30, EINJIT_F32, shape[i], strides[i]);
        }
        bool called = ej_tensors_overlap(&t[0], &t[1]);
        apart += !called;
        if (!called) assert_false(really_overlap(&t[0], &t[1]));
        assert_int_equal(called, ej_tensors_overlap(&t[1], &t[0]));
    }
    assert_true(apart > 1000);
}

static void columns_and_blocks_of_one_matrix_are_apart(void **state)
{
    (void)state;
    static float m[64];
    int64_t column[] = {8}, step[] = {8}, block[] = {8, 4}, rows[] = {8, 1}, quarter[] = {4, 4};
    assert_false(ej_tensors_overlap(&T(m, EINJIT_F32, column, step), &T(m + 1, EINJIT_F32, column, step)));
    assert_false(ej_tensors_overlap(&T(m, EINJIT_F32, block, rows), &T(m + 4, EINJIT_F32, block, rows)));
    assert_false(ej_tensors_overlap(&T(m, EINJIT_F32, block, rows), &T(m + 4, EINJIT_F32, column, step)));
    assert_false(ej_tensors_overlap(&T(m, EINJIT_F32, quarter, rows), &T(m + 36, EINJIT_F32, quarter, rows)));
    assert_true(ej_tensors_overlap(&T(m, EINJIT_F32, block, rows), &T(m + 3, EINJIT_F32, block, rows)));
    assert_true(ej_tensors_overlap(&T(m, EINJIT_F32, block, rows), &T(m, EINJIT_F32, block, rows)));
    assert_true(ej_tensors_overlap(&T(m, EINJIT_F64, column, NULL), &T(m + 15, EINJIT_F32, column, NULL)));
    assert_false(ej_tensors_overlap(&T(m, EINJIT_F64, column, NULL), &T(m + 16, EINJIT_F32, column, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_tensors_are_named),
        cmocka_unit_test(extents_of_one_have_no_stride),
        cmocka_unit_test(spans_count_bytes_on_both_sides),
        cmocka_unit_test(strides_that_do_not_step_over_each_other_overlap),
        cmocka_unit_test(what_is_called_apart_is_apart),
        cmocka_unit_test(columns_and_blocks_of_one_matrix_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
