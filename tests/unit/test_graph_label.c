/* test_graph_label.c - characters of equations and the map from labels to ids. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"

static uint32_t decode(const char *bytes, size_t n)
{
    uint32_t c = 0;
    return ej_utf8_decode(bytes, n, &c) == n ? c : UINT32_MAX;
}

static void utf8_of_every_length_is_read(void **state)
{
    (void)state;
    assert_int_equal(decode("a", 1), 'a');
    assert_int_equal(decode("\xC3\xA4", 2), 0xE4);
    assert_int_equal(decode("\xE4\xB8\x80", 3), 0x4E00);
    assert_int_equal(decode("\xF4\x8F\xBF\xBF", 4), 0x10FFFF);
}

static void what_is_not_utf8_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"", 0},
               {"\x80", 1},
               {"\xC3", 1},
               {"\xC3(", 2},
               {"\xC0\x80", 2},
               {"\xC1\xBF", 2},
               {"\xE0\x9F\xBF", 3},
               {"\xED\xA0\x80", 3},
               {"\xF0\x8F\xBF\xBF", 4},
               {"\xF4\x90\x80\x80", 4},
               {"\xF8\x88\x80\x80\x80", 5},
               {"\xFF", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t c;
        assert_int_equal(ej_utf8_decode(bad[i].bytes, bad[i].n, &c), 0);
    }
}

static void spaces_and_controls_are_no_letters(void **state)
{
    (void)state;
    const uint32_t spaces[] = {' ',  '\t',   '\n',   '\r',   0x0B,   0x0C,   0x85,
                               0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x202F, 0x3000};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        assert_true(ej_code_point_is_space(spaces[i]));
        assert_false(ej_code_point_is_letter(spaces[i]));
    }
    const uint32_t others[] = {0, 1, 0x1F, '0', '9', '_', '.', '@', '[', '`', '{', 0x7F, 0x80, 0x9F};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) assert_false(ej_code_point_is_letter(others[i]));
    const uint32_t letters[] = {'a', 'z', 'A', 'Z', 0xA1, 0x3B1, 0x4E00, 0x1F600, 0x10FFFF};
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) assert_true(ej_code_point_is_letter(letters[i]));
}

static void every_integer_label_has_a_letter_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(ej_label_code_point(0), 'a');
    assert_int_equal(ej_label_code_point(25), 'z');
    assert_int_equal(ej_label_code_point(26), 'A');
    assert_int_equal(ej_label_code_point(51), 'Z');
    assert_int_equal(ej_label_code_point(52), 0x4E00);
    for (int32_t id = 53; id < EJ_MAX_LABELS; id++) {
        uint32_t c = ej_label_code_point(id);
        if (c <= ej_label_code_point(id - 1) || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ||
            !ej_code_point_is_letter(c))
            fail_msg("label %d prints as U+%04X", (int)id, (unsigned)c);
    }
}

static void the_map_gives_ids_in_order_of_arrival(void **state)
{
    (void)state;
    ej_arena arena;
    ej_label_map map;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_label_map_init(&map, &arena);
    assert_int_equal(ej_label_map_find(&map, 7), -1);
    for (int round = 0; round < 2; round++)
        for (int32_t i = 0; i < 5000; i++) {
            int32_t id = -1;
            assert_true(ej_label_map_add(&map, (uint32_t)i * 64, &id));
            assert_int_equal(id, i);
        }
    assert_int_equal(map.n, 5000);
    assert_int_equal(ej_label_map_find(&map, 64), 1);
    assert_int_equal(ej_label_map_find(&map, 65), -1);
    ej_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_of_every_length_is_read),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(spaces_and_controls_are_no_letters),
        cmocka_unit_test(every_integer_label_has_a_letter_of_its_own),
        cmocka_unit_test(the_map_gives_ids_in_order_of_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
