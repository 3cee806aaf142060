/* test_tool.c - numbers as the commands show them to people. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tool.h"

static void durations_are_readable(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *words;
    } cases[] = {
        {0, "0.000 ns"},
        {2.6e-12, "0.003 ns"},
        {2.625e-9, "2.625 ns"},
        {999.94e-9, "999.9 ns"},
        {2.2134e-6, "2.213 us"},
        {0.0418, "41.80 ms"},
        {1.5, "1.500 s"},
        {119, "119.0 s"},
        {120, "2.000 min"},
        {41797.03125, "11.61 h"},
        {200000, "2.315 days"},
        {1e9, "31.69 years"},
        {3.15576e300, "1e+293 years"},
        {INFINITY, "over 1e300 years"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TOOL_WORDS];
        assert_string_equal(tool_duration(text, cases[i].seconds), cases[i].words);
    }
}

static void counts_say_what_a_double_does_not_hold(void **state)
{
    (void)state;
    char text[TOOL_WORDS];
    assert_string_equal(tool_count(text, 162000, NAN), "162000");
    assert_string_equal(tool_count(text, 2e18, 18.3), "2e+18");
    assert_string_equal(tool_count(text, INFINITY, 361.2359), "10^361.236");
    assert_string_equal(tool_count(text, INFINITY, NAN), "over 1.8e308");
}

static void lists_grow(void **state)
{
    (void)state;
    char *list = NULL;
    tool_append(&list, "z");
    tool_append(&list, "");
    tool_append(&list, "y,x");
    assert_string_equal(list, "z,y,x");
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_readable),
        cmocka_unit_test(counts_say_what_a_double_does_not_hold),
        cmocka_unit_test(lists_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
