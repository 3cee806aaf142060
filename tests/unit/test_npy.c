/* test_npy.c - .npy files: what is written is read again, every form NumPy writes is understood, damaged ones are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "npy.h"

static char path[] = "/tmp/test_npy_XXXXXX";

/* A file of a version with a header as given, then data. */
static void write_file(int version, const char *header, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    size_t length = strlen(header);
    assert_non_null(file);
    const unsigned char head[12] = {0x93,
                                    'N',
                                    'U',
                                    'M',
                                    'P',
                                    'Y',
                                    (unsigned char)version,
                                    0,
                                    (unsigned char)(length & 255),
                                    (unsigned char)(length >> 8),
                                    0,
                                    0};
    fwrite(head, 1, version == 1 ? 10 : 12, file);
    fwrite(header, 1, length, file);
    if (n) fwrite(data, 1, n, file);
    assert_int_equal(fclose(file), 0);
}

/* Messages belong to the commands' stderr, not to a test's. */
static int load(tool_tensor *out)
{
    fflush(stderr);
    int keep = dup(2);
    assert_non_null(freopen("/dev/null", "w", stderr));
    int status = npy_load(out, path);
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
    return status;
}

static void refused(int version, const char *header, const void *data, size_t n)
{
    tool_tensor t;
    write_file(version, header, data, n);
    if (load(&t) != TOOL_FAILED) fail_msg("was read: %s", header);
    assert_null(t.block);
}

static const float values[6] = {1, 2, 3, 4, 5, 6};

static void what_is_saved_loads_as_it_was(void **state)
{
    (void)state;
    const int dtypes[] = {EINJIT_BOOL, EINJIT_I32, EINJIT_I64, EINJIT_F16, EINJIT_BF16,
                          EINJIT_F32,  EINJIT_F64, EINJIT_C64, EINJIT_C128};
    const int64_t shapes[][3] = {{2, 3, 4}, {5, 1, 1}, {0, 3, 1}};
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
        for (int rank = 0; rank <= 3; rank++)
            for (int s = 0; s < 3; s++) {
                tool_tensor t, back;
                assert_int_equal(tool_tensor_make(&t, dtypes[d], rank, shapes[s], "t"), TOOL_OK);
                tool_tensor_fill(&t, d + 1);
                assert_int_equal(npy_save(&t, path), TOOL_OK);
                assert_int_equal(load(&back), TOOL_OK);
                assert_int_equal(back.tensor.dtype, dtypes[d]);
                assert_int_equal(back.tensor.rank, rank);
                assert_int_equal(back.bytes, t.bytes);
                assert_null(back.tensor.strides);
                if (rank) assert_memory_equal(back.shape, shapes[s], (size_t)rank * sizeof(int64_t));
                if (t.bytes) assert_memory_equal(back.block, t.block, t.bytes);
                tool_tensor_free(&t);
                tool_tensor_free(&back);
            }
}

static void data_starts_at_a_multiple_of_64(void **state)
{
    (void)state;
    for (int rank = 0; rank <= 64; rank++) {
        int64_t shape[64];
        tool_tensor t;
        for (int a = 0; a < rank; a++) shape[a] = 1;
        assert_int_equal(tool_tensor_make(&t, EINJIT_F32, rank, shape, "t"), TOOL_OK);
        assert_int_equal(npy_save(&t, path), TOOL_OK);
        size_t n;
        char *file = tool_read_file(path, &n);
        assert_non_null(file);
        assert_int_equal((n - 4) % 64, 0);
        assert_int_equal(file[n - 5], '\n');
        free(file);
        tool_tensor_free(&t);
    }
}

static void versions_and_spellings_are_read(void **state)
{
    (void)state;
    const char *headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n",
        "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
        "{'shape': (2L, 3L), 'fortran_order': False, 'descr': \"<f4\"}\n",
        "{'descr': '=f4', 'fortran_order': False, 'shape': ( 2 , 3 , )}",
    };
    for (int version = 1; version <= 3; version++)
        for (int h = 0; h < 4; h++) {
            tool_tensor t;
            write_file(version, headers[h], values, sizeof values);
            assert_int_equal(load(&t), TOOL_OK);
            assert_int_equal(t.tensor.rank, 2);
            assert_int_equal(t.shape[0], 2);
            assert_int_equal(t.shape[1], 3);
            assert_memory_equal(t.block, values, sizeof values);
            tool_tensor_free(&t);
        }
}

static void fortran_order_becomes_strides(void **state)
{
    (void)state;
    tool_tensor t;
    write_file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", values, sizeof values);
    assert_int_equal(load(&t), TOOL_OK);
    assert_non_null(t.tensor.strides);
    assert_int_equal(t.tensor.strides[0], 1);
    assert_int_equal(t.tensor.strides[1], 2);
    tool_tensor_free(&t);
    write_file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }", values, sizeof values);
    assert_int_equal(load(&t), TOOL_OK);
    assert_null(t.tensor.strides);
    tool_tensor_free(&t);
}

static void the_other_byte_order_is_swapped(void **state)
{
    (void)state;
    const unsigned char swapped[] = {0, 0, 0, 7}, pair[] = {0x3F, 0x80, 0, 0, 0x40, 0, 0, 0};
    tool_tensor t;
    write_file(1, "{'descr': '>i4', 'fortran_order': False, 'shape': (), }", swapped, sizeof swapped);
    assert_int_equal(load(&t), TOOL_OK);
    assert_int_equal(*(int32_t *)t.block, 7);
    tool_tensor_free(&t);
    write_file(1, "{'descr': '>c8', 'fortran_order': False, 'shape': (1,), }", pair, sizeof pair);
    assert_int_equal(load(&t), TOOL_OK);
    assert_true(((float *)t.block)[0] == 1 && ((float *)t.block)[1] == 2);
    tool_tensor_free(&t);
}

static void any_true_byte_of_a_bool_is_one(void **state)
{
    (void)state;
    const unsigned char bytes[] = {0, 1, 2, 255}, want[] = {0, 1, 1, 1};
    tool_tensor t;
    write_file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }", bytes, sizeof bytes);
    assert_int_equal(load(&t), TOOL_OK);
    assert_memory_equal(t.block, want, 4);
    tool_tensor_free(&t);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    const char *headers[] = {
        "",
        "{",
        "{}",
        "{'descr': ''",
        "{'descr': '",
        "{'descr': '<",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3)}",
        "{'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '<f1', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f44', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': 'xf4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    };
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) refused(1, headers[h], values, sizeof values);
    refused(4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", values, sizeof values);
    refused(0, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", values, sizeof values);
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    size_t n;
    tool_tensor t;
    write_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", values, sizeof values);
    char *file = tool_read_file(path, &n);
    assert_non_null(file);
    for (size_t cut = 0; cut < n; cut++) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        fwrite(file, 1, cut, out);
        fclose(out);
        assert_int_equal(load(&t), TOOL_FAILED);
    }
    free(file);
}

static void an_empty_shape_may_have_any_other_extent(void **state)
{
    (void)state;
    tool_tensor t;
    write_file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (4611686018427387904, 0, 4611686018427387904)}",
               NULL, 0);
    assert_int_equal(load(&t), TOOL_OK);
    assert_int_equal(t.bytes, 0);
    assert_int_equal(t.tensor.rank, 3);
    tool_tensor_free(&t);
}

static int make_path(void **state)
{
    (void)state;
    int file = mkstemp(path);
    if (file >= 0) close(file);
    return file < 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_loads_as_it_was),
        cmocka_unit_test(data_starts_at_a_multiple_of_64),
        cmocka_unit_test(versions_and_spellings_are_read),
        cmocka_unit_test(fortran_order_becomes_strides),
        cmocka_unit_test(the_other_byte_order_is_swapped),
        cmocka_unit_test(any_true_byte_of_a_bool_is_one),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(an_empty_shape_may_have_any_other_extent),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
