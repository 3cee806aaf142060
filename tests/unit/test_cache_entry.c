/* test_cache_entry.c - the bytes of an entry: every bit counts, and so does every byte's presence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache.h"

static ej_arena arena;

static int set_up(void **state)
{
    (void)state;
    ej_arena_init(&arena, &ej_malloc_allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ej_arena_free(&arena);
    return 0;
}

static ej_text sample(void)
{
    static const char *const pieces[EJ_PIECES] = {"key of a kernel", "einjit-bench x", "module 12\n", "\1\2\3",
                                                  "\x90\x90\xc3"};
    ej_text out;
    ej_cache_entry entry = {.code_entry = 2, .compile_ns = 12345};
    for (int i = 0; i < EJ_PIECES; i++) entry.pieces[i] = (ej_cache_piece){pieces[i], strlen(pieces[i])};
    ej_text_init(&out, &arena);
    ej_entry_write(&out, &entry);
    assert_false(out.failed);
    return out;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    ej_text text = sample();
    ej_cache_entry entry;
    assert_null(ej_entry_read(&entry, text.data, text.length));
    assert_int_equal(entry.code_entry, 2);
    assert_int_equal(entry.compile_ns, 12345);
    assert_int_equal(entry.pieces[EJ_PIECE_KEY].n, 15);
    assert_memory_equal(entry.pieces[EJ_PIECE_PROBLEM].bytes, "einjit-bench x", 14);
    assert_memory_equal(entry.pieces[EJ_PIECE_CODE].bytes, "\x90\x90\xc3", 3);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    ej_text text = sample();
    ej_cache_entry entry;
    for (size_t i = 0; i < text.length; i++)
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (char)(1 << bit);
            if (!ej_entry_read(&entry, text.data, text.length)) fail_msg("byte %zu, bit %d", i, bit);
            text.data[i] ^= (char)(1 << bit);
        }
    assert_null(ej_entry_read(&entry, text.data, text.length));
}

static void every_other_length_is_seen(void **state)
{
    (void)state;
    ej_text text = sample();
    ej_cache_entry entry;
    for (size_t n = 0; n < text.length; n++) {
        char *cut = malloc(n ? n : 1); /* of its own, so that reading behind it is seen */
        assert_non_null(cut);
        memcpy(cut, text.data, n);
        if (!ej_entry_read(&entry, cut, n)) fail_msg("%zu of %zu bytes", n, text.length);
        free(cut);
    }
    ej_print_bytes(&text, "x", 1);
    assert_non_null(ej_entry_read(&entry, text.data, text.length));
}

/* Checksums are no secret: somebody's own file with lengths that add up to something else. */
static void lengths_that_do_not_add_up_are_seen(void **state)
{
    (void)state;
    ej_text text = sample();
    ej_cache_entry entry;
    for (size_t word = 16; word < 80; word += 8)
        for (int kind = 0; kind < 3; kind++) {
            ej_text other = sample();
            const uint64_t values[] = {UINT64_MAX, 0, UINT64_MAX / 2 + 1};
            /* the compile time may be anything */
            if (word == 32 || !memcmp(other.data + word, &values[kind], 8)) continue;
            memcpy(other.data + word, &values[kind], 8);
            if (word == 24 && !values[kind]) continue; /* the entry may be the first byte */
            ej_hash sum = ej_hash_bytes(other.data, other.length - sizeof sum);
            memcpy(other.data + other.length - sizeof sum, &sum, sizeof sum);
            if (!ej_entry_read(&entry, other.data, other.length))
                fail_msg("word at %zu is %llx", word, (unsigned long long)values[kind]);
        }
    assert_null(ej_entry_read(&entry, text.data, text.length));
}

static void names_of_entries_are_told_from_others(void **state)
{
    (void)state;
    assert_true(ej_is_entry_name("0123456789abcdef0123456789abcdef.kernel"));
    assert_false(ej_is_entry_name("0123456789abcdef0123456789abcde.kernel"));
    assert_false(ej_is_entry_name("0123456789abcdef0123456789abcdef.kernel2"));
    assert_false(ej_is_entry_name("0123456789ABCDEF0123456789abcdef.kernel"));
    assert_false(ej_is_entry_name("0123456789abcdef.new"));
    assert_true(ej_is_temporary_name("0123456789abcdef.new"));
    assert_false(ej_is_temporary_name("notes.new"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_other_length_is_seen),
        cmocka_unit_test(lengths_that_do_not_add_up_are_seen),
        cmocka_unit_test(names_of_entries_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
