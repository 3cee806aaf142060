/* test_base_diag.c - error texts and the places they point at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base_diag.h"

static einjit_error place(const char *source, size_t length, size_t offset)
{
    einjit_error err;
    memset(&err, 0x5A, sizeof err);
    assert_int_equal(ej_fail_at(&err, EINJIT_E_SYNTAX, source, length, offset, "no"), EINJIT_E_SYNTAX);
    assert_true(err.caret >= 0 && (size_t)err.caret <= strlen(err.source));
    return err;
}

static void the_caret_points_into_its_line(void **state)
{
    (void)state;
    einjit_error err = place("ab\ncd ef\r\ng", 11, 6);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 4);
    assert_int_equal(err.caret, 3);
    assert_string_equal(err.source, "cd ef");
    err = place("ab", 2, 99);
    assert_int_equal(err.caret, 2);
}

static void columns_count_characters_and_carets_bytes(void **state)
{
    (void)state;
    einjit_error err = place("\xc3\xa9\xc3\xa9x", 5, 4);
    assert_int_equal(err.column, 3);
    assert_int_equal(err.caret, 4);
}

static void control_characters_do_not_cut_the_line(void **state)
{
    (void)state;
    einjit_error err = place("a\0b\033c\td", 7, 6);
    assert_string_equal(err.source, "a?b?c\td");
    assert_int_equal(err.caret, 6);
    err = place("ab\xff", 3, 3);
    assert_int_equal(err.caret, 2);
}

static void long_lines_are_cut_around_the_place(void **state)
{
    (void)state;
    char line[1000];
    memset(line, 'a', sizeof line);
    line[700] = 'X';
    einjit_error err = place(line, sizeof line, 700);
    assert_int_equal(err.column, 701);
    assert_int_equal(err.source[err.caret], 'X');
}

static void long_texts_end_at_a_character(void **state)
{
    (void)state;
    char text[600];
    einjit_error err;
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 1] = 0;
    assert_int_equal(ej_fail(&err, EINJIT_E_VALUE, "x%s", text), EINJIT_E_VALUE);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_int_equal((unsigned char)err.text[strlen(err.text) - 1], 0xA9);
    assert_int_equal(ej_fail(NULL, EINJIT_E_VALUE, "x"), EINJIT_E_VALUE);
}

static void texts_are_one_line_whatever_they_quote(void **state)
{
    (void)state;
    einjit_error err;
    assert_int_equal(ej_fail(&err, EINJIT_E_VALUE, "'%s' is no path", "a\nb\x1b[2J\xc3\xa9\tc"), EINJIT_E_VALUE);
    assert_string_equal(err.text, "'a?b?[2J\xc3\xa9\tc' is no path");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_caret_points_into_its_line),
        cmocka_unit_test(columns_count_characters_and_carets_bytes),
        cmocka_unit_test(control_characters_do_not_cut_the_line),
        cmocka_unit_test(long_lines_are_cut_around_the_place),
        cmocka_unit_test(long_texts_end_at_a_character),
        cmocka_unit_test(texts_are_one_line_whatever_they_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
