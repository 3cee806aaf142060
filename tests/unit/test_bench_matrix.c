/* test_bench_matrix.c - which equations einjit-bench's peers take for products of matrices, and with which strides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench_matrix.h"

/* "swapped batch,m,n,k a(batch,row,column) b(...) c(...)", or "none". */
static const char *read_as(const char *equation, const int64_t *a, int rank_a, const int64_t *b, int rank_b,
                           size_t result_bytes)
{
    static char text[300];
    tool_tensor in[2], out = {.tensor = {.dtype = EINJIT_F32}, .bytes = result_bytes};
    bench_matrix x;
    assert_int_equal(tool_tensor_describe(&in[0], EINJIT_F32, rank_a, a, "a"), TOOL_OK);
    assert_int_equal(tool_tensor_describe(&in[1], EINJIT_F32, rank_b, b, "b"), TOOL_OK);
    if (bench_matrix_read(&x, equation, in, 2, &out))
        snprintf(text, sizeof text, "%s %d,%d,%d,%d a(%d,%d,%d) b(%d,%d,%d) c(%d,%d,%d)",
                 x.swapped ? "swapped" : "as is", (int)x.batch, (int)x.m, (int)x.n, (int)x.k, (int)x.a.batch,
                 (int)x.a.row, (int)x.a.column, (int)x.b.batch, (int)x.b.row, (int)x.b.column, (int)x.c.batch,
                 (int)x.c.row, (int)x.c.column);
    else strcpy(text, "none");
    tool_tensor_free(&in[0]);
    tool_tensor_free(&in[1]);
    return text;
}
#define READ(equation, a, b) \
    read_as(equation, (int64_t[]){a}, (int)(sizeof((int64_t[]){a}) / 8), (int64_t[]){b}, \
            (int)(sizeof((int64_t[]){b}) / 8), 4)
#define X ,

static void operands_may_lie_either_way(void **state)
{
    (void)state;
    assert_string_equal(READ("ij,jk->ik", 2 X 3, 3 X 5), "as is 1,2,5,3 a(0,3,1) b(0,5,1) c(0,5,1)");
    assert_string_equal(READ("ji,kj->ik", 3 X 2, 5 X 3), "as is 1,2,5,3 a(0,1,2) b(0,1,3) c(0,5,1)");
    assert_string_equal(READ("ij,jk->ki", 2 X 3, 3 X 5), "swapped 1,5,2,3 a(0,1,5) b(0,1,3) c(0,2,1)");
}

static void labels_of_a_class_merge_where_every_tensor_walks_them_as_one(void **state)
{
    (void)state;
    assert_string_equal(READ("abc,cd->abd", 2 X 3 X 4, 4 X 5), "as is 1,6,5,4 a(0,4,1) b(0,5,1) c(0,5,1)");
    assert_string_equal(READ("abc,cd->bad", 2 X 3 X 4, 4 X 5), "none");
    assert_string_equal(READ("iab,abj->ij", 2 X 3 X 4, 3 X 4 X 5), "as is 1,2,5,12 a(0,12,1) b(0,5,1) c(0,5,1)");
    assert_string_equal(READ("iab,baj->ij", 2 X 3 X 4, 4 X 3 X 5), "none");
}

static void batches_have_strides_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(READ("zij,zjk->zik", 7 X 2 X 3, 7 X 3 X 5), "as is 7,2,5,3 a(6,3,1) b(15,5,1) c(10,5,1)");
    assert_string_equal(READ("izj,zjk->zik", 2 X 7 X 3, 7 X 3 X 5), "as is 7,2,5,3 a(3,21,1) b(15,5,1) c(10,5,1)");
    assert_string_equal(READ("ijz,zjk->zik", 2 X 3 X 7, 7 X 3 X 5), "none");
}

static void vectors_are_matrices_of_one_row_or_column(void **state)
{
    (void)state;
    assert_string_equal(READ("ij,j->i", 2 X 3, 3), "as is 1,2,1,3 a(0,3,1) b(0,1,1) c(0,1,1)");
    assert_string_equal(READ("i,j->ij", 2, 3), "as is 1,2,3,1 a(0,1,1) b(0,3,1) c(0,3,1)");
}

static void what_is_more_than_a_product_is_none(void **state)
{
    (void)state;
    assert_string_equal(READ("iij,jk->ik", 2 X 2 X 3, 3 X 5), "none"); /* a diagonal */
    assert_string_equal(READ("ijx,jk->ik", 2 X 3 X 4, 3 X 5), "none"); /* a label summed in one operand */
    assert_string_equal(READ("...ij,jk->ik", 2 X 3, 3 X 5), "none");
}

int main(void)
{
    tool_name = "test_bench_matrix";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_may_lie_either_way),
        cmocka_unit_test(labels_of_a_class_merge_where_every_tensor_walks_them_as_one),
        cmocka_unit_test(batches_have_strides_of_their_own),
        cmocka_unit_test(vectors_are_matrices_of_one_row_or_column),
        cmocka_unit_test(what_is_more_than_a_product_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
