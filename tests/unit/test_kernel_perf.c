/* test_kernel_perf.c - what EINJIT_PERF writes down: where a kernel's code is, its bytes, and the command that runs
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache_support.h"
#include "kernel.h"

static int n_lines;

static void count_lines(void *user, const char *line)
{
    (void)user;
    n_lines += strstr(line, "EINJIT_PERF") != NULL;
}

/* A kernel under EINJIT_PERF=how, kept on disk in `folder`. */
static einjit_kernel *kernel_with(const char *how, const char *folder)
{
    const einjit_options o = {.struct_bytes = sizeof o, .cache_dir = folder, .log = count_lines};
    einjit_context *context;
    einjit_graph *graph;
    einjit_kernel *kernel;
    float x[4];
    setenv("EINJIT_PERF", how, 1);
    assert_int_equal(einjit_context_create(&context, &o, NULL), EINJIT_OK);
    unsetenv("EINJIT_PERF");
    assert_int_equal(einjit_graph_from_equation(&graph, context, "ij,ij->", NULL), EINJIT_OK);
    assert_int_equal(
        einjit_compile(&kernel, context, graph, 2, (einjit_tensor[]){F32(x, 2, 2), F32(x, 2, 2)}, 0, NULL, NULL, NULL),
        EINJIT_OK);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return kernel;
}

static const char command[] = "einjit-bench 'ij,ij->' -s i=2,j=2 --dtype f32";

static void expect_line(const einjit_kernel *kernel)
{
    char path[64], expected[200];
    size_t n;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    char *text = (char *)cache_read(path, &n);
    int length = snprintf(expected, sizeof expected, "%llx %llx %s", (unsigned long long)(uintptr_t)kernel->image.base,
                          (unsigned long long)kernel->image.n_code, command);
    assert_true((size_t)length < n);
    if (memcmp(text, expected, (size_t)length) != 0) fail_msg("'%.*s', not '%s'", (int)n, text, expected);
    free(text);
    unlink(path);
}

static void a_map_has_a_line_for_each_kernel(void **state)
{
    (void)state;
    char *folder = cache_folder_make();
    for (int turn = 0; turn < 2; turn++) { /* compiled, then from the disk */
        einjit_kernel *kernel = kernel_with("map", folder);
        expect_line(kernel);
        einjit_kernel_release(kernel);
    }
    cache_folder_remove(folder);
}

static bool maps(const char *path)
{
    char line[4200];
    bool found = false;
    FILE *file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file)) found |= strstr(line, path) && strstr(line, "r-xp");
    if (file) fclose(file);
    return found;
}

static void a_dump_has_the_code(void **state)
{
    (void)state;
    char *folder = cache_folder_make(), path[4200];
    einjit_kernel *kernel = kernel_with(folder, "none");
    size_t n;
    snprintf(path, sizeof path, "%s/jit-%d.dump", folder, (int)getpid());
    assert_true(maps(path));
    unsigned char *bytes = cache_read(path, &n);
    uint32_t header[6], head[2];
    uint64_t place[4];
    memcpy(header, bytes, sizeof header);
    assert_int_equal(header[0], 0x4A695444);
    assert_int_equal(header[1], 1);
    assert_int_equal(header[2], 40);
    assert_int_equal(header[5], getpid());
    memcpy(head, bytes + 40, sizeof head);
    assert_int_equal(head[0], 0);
    assert_int_equal(head[1], n - 40);
    memcpy(place, bytes + 40 + 24, sizeof place);
    assert_int_equal(place[0], (uintptr_t)kernel->image.base);
    assert_int_equal(place[2], kernel->image.n_code);
    const char *name = (const char *)bytes + 40 + 56;
    assert_memory_equal(name, command, strlen(command));
    assert_int_equal(40 + 56 + strlen(name) + 1 + kernel->image.n_code, n);
    assert_memory_equal(name + strlen(name) + 1, kernel->image.base, kernel->image.n_code);
    einjit_kernel_release(kernel);
    assert_false(maps(path));
    free(bytes);
    unlink(path);
    cache_folder_remove(folder);
}

/* What gdb says lies at an address, once it has read the commands; false: there is no gdb. */
static bool ask_gdb(char *out, size_t room, const char *commands, const void *address)
{
    char line[9000];
    snprintf(line, sizeof line, "gdb -nx --batch -ex 'source %s' -ex 'info symbol %p' 2>&1", commands, address);
    FILE *stream = popen(line, "r");
    assert_non_null(stream);
    size_t n = fread(out, 1, room - 1, stream);
    out[n] = 0;
    return WEXITSTATUS(pclose(stream)) != 127;
}

static void gdb_reads_an_object_of_each_kernel(void **state)
{
    (void)state;
    char *folder = cache_folder_make(), how[4200], commands[4200], object[4200], line[9000], said[4000];
    snprintf(how, sizeof how, "gdb:%s", folder);
    snprintf(commands, sizeof commands, "%s/jit-%d.gdb", folder, (int)getpid());
    for (int turn = 0; turn < 2; turn++) { /* the second may lie where the first did */
        einjit_kernel *kernel = kernel_with(how, "none");
        const unsigned char *code = kernel->image.base;
        size_t n, n_code = kernel->image.n_code;
        snprintf(object, sizeof object, "%s/jit-%d-%llx.o", folder, (int)getpid(), (unsigned long long)(uintptr_t)code);
        unsigned char *bytes = cache_read(object, &n);
        assert_true(n > n_code);
        assert_memory_equal(bytes, "\177ELF", 4);
        assert_memory_equal(bytes + n - n_code, code, n_code);
        free(bytes);
        snprintf(line, sizeof line, "add-symbol-file \"%s\" %p\n", object, (const void *)code);
        bytes = cache_read(commands, &n);
        assert_true(n >= strlen(line));
        assert_memory_equal(bytes + n - strlen(line), line, strlen(line));
        free(bytes);
        bool asked = ask_gdb(said, sizeof said, commands, code + n_code / 2);
        if (!asked) print_message("not tested: what gdb says (there is none)\n");
        else if (!strstr(said, command)) fail_msg("gdb says: %s", said);
        einjit_kernel_release(kernel);
        if (turn) unlink(object);
    }
    unlink(commands);
    cache_folder_remove(folder);
}

/* Others may put a link where the file is to be: what it points to stays as it is. */
static void nothing_is_written_through_links(void **state)
{
    (void)state;
    char *folder = cache_folder_make(), map[64], target[4200];
    size_t n;
    snprintf(map, sizeof map, "/tmp/perf-%d.map", (int)getpid());
    snprintf(target, sizeof target, "%s/0123456789abcdef.new", folder);
    cache_write(target, "mine", 4);
    for (int hard = 0; hard < 2; hard++) {
        assert_int_equal(hard ? link(target, map) : symlink(target, map), 0);
        n_lines = 0;
        einjit_kernel_release(kernel_with("map", "none"));
        assert_int_equal(n_lines, 1);
        unlink(map);
        char *text = (char *)cache_read(target, &n);
        assert_int_equal(n, 4);
        free(text);
    }
    unlink(target);
    cache_folder_remove(folder);
}

static void what_cannot_be_written_is_said_once(void **state)
{
    (void)state;
    n_lines = 0;
    einjit_kernel_release(kernel_with("/nowhere/at/all", "none"));
    assert_int_equal(n_lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_has_a_line_for_each_kernel),    cmocka_unit_test(a_dump_has_the_code),
        cmocka_unit_test(gdb_reads_an_object_of_each_kernel),  cmocka_unit_test(nothing_is_written_through_links),
        cmocka_unit_test(what_cannot_be_written_is_said_once),
    };
    use_built_module();
    if (!api_has_llvm()) return 0; /* no code */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
