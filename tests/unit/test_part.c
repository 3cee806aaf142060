/* test_part.c - sums of slices from files and messages, which may hold anything: what does not fit is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "npy.h"
#include "part.h"

#define NAME "0123456789abcdef0123456789abcdef"
#define OF(slices, summed, reduce) \
    "\"version\": 1, \"computation\": \"" NAME "\", \"slices\": " #slices ", \"summed\": " #summed \
    ", \"reduce\": \"" #reduce "\", "
#define WHOLE OF(12, 6, sum)
#define RESULT "\"result\": {\"dtype\": \"f32\", \"shape\": [2, 3]}, "
#define SUMS "\"sums\": [{\"first\": 0, \"end\": 4, \"begin\": [0, 0]}]"

/* Messages belong to the commands' stderr, not to a test's. */
static int hush(void)
{
    fflush(stderr);
    int keep = dup(2);
    assert_non_null(freopen("/dev/null", "w", stderr));
    return keep;
}

static void speak(int keep)
{
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
}

/* A message with this description and, for each sum, zeros of a dtype and two extents. */
static int unpack(part *out, const char *text, int n_sums, const int dtypes[], const int64_t shape[2])
{
    char *bytes = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&bytes, &n);
    assert_non_null(memory);
    fprintf(memory, "{%s}", text);
    fputc(0, memory);
    for (int i = 0; i < n_sums; i++) {
        tool_tensor sum;
        assert_int_equal(tool_tensor_make(&sum, dtypes[i], 2, shape, "a sum"), TOOL_OK);
        assert_int_equal(npy_write(&sum, memory, "a sum"), TOOL_OK);
        tool_tensor_free(&sum);
    }
    assert_int_equal(fclose(memory), 0);
    int keep = hush(), status = part_unpack(out, bytes, n, "a message");
    speak(keep);
    free(bytes);
    return status;
}

static const int floats[] = {EINJIT_F32, EINJIT_F32};
static const int64_t part_shape[] = {1, 3};

static void what_was_written_is_read(void **state)
{
    (void)state;
    part p, again;
    char *bytes = NULL;
    size_t n = 0;
    assert_int_equal(unpack(&p, WHOLE RESULT SUMS, 1, floats, part_shape), TOOL_OK);
    assert_int_equal(part_pack(&bytes, &n, &p), TOOL_OK);
    assert_int_equal(part_unpack(&again, bytes, n, "a message"), TOOL_OK);
    assert_string_equal(again.computation, NAME);
    assert_int_equal(again.n, 1);
    assert_int_equal(again.sums[0].end, 4);
    assert_int_equal(part_merge(&p, &again, "a message"), TOOL_OK);
    assert_int_equal(p.n, 1);
    part_free(&p);
    free(bytes);
}

static void refused(const char *text, const int dtypes[], const int64_t shape[2])
{
    part p;
    if (unpack(&p, text, 2, dtypes, shape) != TOOL_FAILED) fail_msg("was read: %s", text);
    assert_null(p.sums);
}

static void one_sum(const char *sum)
{
    char text[600];
    snprintf(text, sizeof text, WHOLE RESULT "\"sums\": [%s]", sum);
    refused(text, floats, part_shape);
}

static void what_no_run_writes_is_refused(void **state)
{
    (void)state;
    static const int two[] = {EINJIT_F32, EINJIT_F64};
    static const int64_t large[] = {1, 4}, rows[] = {3, 3};
    one_sum("{\"first\": -9223372036854775808, \"end\": 4, \"begin\": [0, 0]}");
    one_sum("{\"first\": 4, \"end\": 4, \"begin\": [0, 0]}");
    one_sum("{\"first\": 0, \"end\": 3, \"begin\": [0, 0]}");
    one_sum("{\"first\": 2, \"end\": 6, \"begin\": [0, 0]}");
    one_sum("{\"first\": 4, \"end\": 8, \"begin\": [0, 0]}");
    one_sum("{\"first\": 12, \"end\": 13, \"begin\": [0, 0]}");
    one_sum("{\"first\": 0, \"end\": 4, \"begin\": [2, 0]}");
    one_sum("{\"first\": 0, \"end\": 4, \"begin\": [-1, 0]}");
    one_sum("{\"first\": 0, \"end\": 4, \"begin\": [0]}");
    one_sum("{\"first\": 0, \"end\": 4}");
    one_sum("7");
    refused(WHOLE RESULT SUMS, floats, large);
    refused(WHOLE RESULT SUMS, floats, rows);
    refused(WHOLE RESULT "\"sums\": [{\"first\": 0, \"end\": 4, \"begin\": [0, 0]}, "
                         "{\"first\": 4, \"end\": 6, \"begin\": [0, 0]}]",
            two, part_shape);
    refused("\"version\": 1, \"computation\": \"\", \"slices\": 12, \"summed\": 6, \"reduce\": \"sum\", " RESULT SUMS,
            floats, part_shape);
    refused(OF(12, 5, sum) RESULT SUMS, floats, part_shape);
    refused(OF(12, 6, prod) RESULT SUMS, floats, part_shape);
    refused(WHOLE "\"result\": {\"dtype\": \"f32\", \"shape\": [2, -3]}, " SUMS, floats, part_shape);
    refused(WHOLE "\"result\": {\"dtype\": \"f99\", \"shape\": [2, 3]}, " SUMS, floats, part_shape);
}

/* Under the same name of a computation: a sum of the one would lie outside of the other's result. */
static void other_results_are_not_merged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int dtype;
    } others[] = {
        {WHOLE "\"result\": {\"dtype\": \"f32\", \"shape\": [9, 3]}, " SUMS, EINJIT_F32},
        {WHOLE "\"result\": {\"dtype\": \"f64\", \"shape\": [2, 3]}, " SUMS, EINJIT_F32},
        {WHOLE RESULT SUMS, EINJIT_F64},
        {OF(24, 6, sum) RESULT SUMS, EINJIT_F32},
        {OF(12, 4, sum) RESULT SUMS, EINJIT_F32},
        {OF(12, 6, max) RESULT SUMS, EINJIT_F32},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        part p, other;
        assert_int_equal(unpack(&p, WHOLE RESULT SUMS, 1, floats, part_shape), TOOL_OK);
        assert_int_equal(unpack(&other, others[i].text, 1, &others[i].dtype, part_shape), TOOL_OK);
        int keep = hush(), status = part_merge(&p, &other, "a message");
        speak(keep);
        if (status != TOOL_FAILED) fail_msg("was merged: %s", others[i].text);
        assert_int_equal(p.n, 1);
        assert_null(other.sums);
        part_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(what_no_run_writes_is_refused),
        cmocka_unit_test(other_results_are_not_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
