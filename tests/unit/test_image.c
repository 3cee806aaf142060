/* test_image.c - code is mapped, runs, and is never writable and executable at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "backend.h"
#include "deny_support.h"

#if defined(__x86_64__)
/* ret; (entry:) mov rax, [rdi]; mov rcx, [rsi]; mov [rax], rcx; ret  -  *data[0] = sizes[0] */
static unsigned char store_size[] = {0xC3, 0x48, 0x8B, 0x07, 0x48, 0x8B, 0x0E, 0x48, 0x89, 0x08, 0xC3};
#elif defined(__aarch64__)
/* ret; (entry:) ldr x0, [x0]; ldr x1, [x1]; str x1, [x0]; ret */
static unsigned char store_size[] = {0xC0, 0x03, 0x5F, 0xD6, 0x00, 0x00, 0x40, 0xF9, 0x21, 0x00,
                                     0x40, 0xF9, 0x01, 0x00, 0x00, 0xF9, 0xC0, 0x03, 0x5F, 0xD6};
#endif

static size_t entry_offset(void)
{
    return store_size[0] == 0xC3 ? 1 : 4;
}

static einjit_entry entry_of(const ej_image *image)
{
    uintptr_t address = (uintptr_t)image->base + entry_offset();
    return (einjit_entry)address;
}

static void mapped_code_runs(void **state)
{
    (void)state;
    ej_code code = {.bytes = store_size, .n_bytes = sizeof store_size, .entry = entry_offset()};
    ej_image image = {0};
    assert_int_equal(ej_image_map(&image, &code, NULL), EINJIT_OK);
    int64_t result = 0, size = 42;
    void *data[] = {&result};
    entry_of (&image)(data, &size, NULL);
    assert_int_equal(result, 42);
    ej_image_unmap(&image);
    assert_null(image.base);
    ej_image_unmap(&image);
}

/* The mapping that holds `address`, as the system lists it: "r-xp". */
static void permissions_at(const void *address, char *out)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[4096], mode[8];
    unsigned long from, to;
    out[0] = 0;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && (uintptr_t)address >= from && (uintptr_t)address < to)
            strcpy(out, mode);
    fclose(maps);
}

static void mapped_code_is_not_writable(void **state)
{
    (void)state;
    ej_code code = {.bytes = store_size, .n_bytes = sizeof store_size, .entry = entry_offset()};
    ej_image image = {0};
    char mode[8];
    assert_int_equal(ej_image_map(&image, &code, NULL), EINJIT_OK);
    permissions_at(image.base, mode);
    assert_string_equal(mode, "r-xp");
    ej_image_unmap(&image);
}

static void code_larger_than_a_page_is_copied_whole(void **state)
{
    (void)state;
    enum { BYTES = 3 * 65536 + 17 };
    unsigned char *bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++) bytes[i] = (unsigned char)(i * 31 >> 3);
    ej_code code = {.bytes = bytes, .n_bytes = BYTES};
    ej_image image = {0};
    assert_int_equal(ej_image_map(&image, &code, NULL), EINJIT_OK);
    assert_memory_equal(image.base, bytes, BYTES);
    ej_image_unmap(&image);
    free(bytes);
}

static void an_entry_outside_of_the_code_is_refused(void **state)
{
    (void)state;
    ej_code outside = {.bytes = store_size, .n_bytes = sizeof store_size, .entry = sizeof store_size};
    ej_code empty = {.bytes = store_size};
    ej_image image = {0};
    einjit_error err = {0};
    assert_int_equal(ej_image_map(&image, &outside, &err), EINJIT_E_INTERNAL);
    assert_int_equal(err.code, EINJIT_E_INTERNAL);
    assert_int_equal(ej_image_map(&image, &empty, NULL), EINJIT_E_INTERNAL);
    assert_null(image.base);
}

/* ---- where the system forbids ---- */

#ifdef TEST_CAN_DENY
static int map_and_run(int expected)
{
    ej_code code = {.bytes = store_size, .n_bytes = sizeof store_size, .entry = entry_offset()};
    ej_image image = {0};
    char mode[8];
    if (ej_image_map(&image, &code, NULL) != expected) return 1;
    if (expected) return image.base != NULL;
    int64_t result = 0, size = 42;
    void *data[] = {&result};
    entry_of (&image)(data, &size, NULL);
    permissions_at(image.base, mode);
    ej_image_unmap(&image);
    return result != 42 ? 2 : strcmp(mode, "r-xp") ? 3 : 0;
}

static int in_child(bool no_files)
{
    int status;
    pid_t child = fork();
    if (!child) {
        if (!deny_making_executable() || (no_files && !deny_memory_files())) _exit(77);
        _exit(map_and_run(no_files ? EINJIT_E_BACKEND : EINJIT_OK));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void where_memory_may_not_become_executable_a_file_is_mapped(void **state)
{
    (void)state;
    int status = in_child(false);
    if (status == 77) skip(); /* before Linux 6.3 */
    assert_int_equal(status, 0);
}

static void where_nothing_is_allowed_the_reason_is_given(void **state)
{
    (void)state;
    int status = in_child(true);
    if (status == 77) skip();
    assert_int_equal(status, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_code_runs),
        cmocka_unit_test(mapped_code_is_not_writable),
        cmocka_unit_test(code_larger_than_a_page_is_copied_whole),
        cmocka_unit_test(an_entry_outside_of_the_code_is_refused),
#ifdef TEST_CAN_DENY
        cmocka_unit_test(where_memory_may_not_become_executable_a_file_is_mapped),
        cmocka_unit_test(where_nothing_is_allowed_the_reason_is_given),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
