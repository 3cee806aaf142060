/* test_cache_disk.c - the cache on disk from outside: what is found again, by whom, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache_support.h"

static einjit_statistics use_ok(void)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    assert_int_equal(cache_use(cache_folder, "llvm", &s), EINJIT_OK);
    return s;
}

static void expect_miss(void)
{
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_hits, 0);
    assert_int_equal(s.disk_misses, 1);
}

static void expect_hit(void)
{
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_hits, 1);
    assert_int_equal(s.disk_misses + s.disk_rejected + s.disk_writes, 0);
}

static void expect_rejected_then_healed(void)
{
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_hits, 0);
    assert_int_equal(s.disk_rejected, 1);
    assert_int_equal(s.disk_writes, 1);
    assert_int_equal(cache_log_lines, 1);
    expect_hit();
}

static void a_second_context_finds_the_first_ones_kernel(void **state)
{
    (void)state;
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_writes, 1);
    assert_int_equal(s.disk_hits, 0);
    expect_hit();
    assert_int_equal(cache_log_lines, 0);
    size_t others;
    assert_int_equal(cache_count(cache_folder, &others), 1);
    assert_int_equal(others, 0);
}

/* ---- without the code generator ---- */

/* In a new process of this program, which does nothing else: main() sees the variable. */
static int run_again(const char *what)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        setenv("EINJIT_TEST_AGAIN", what, 1);
        setenv("EINJIT_CACHE_DIR", cache_folder, 1);
        unsetenv("EINJIT_ISOLATE"); /* LLVM is looked for in that process */
        execl("/proc/self/exe", "test_cache_disk", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int again(const char *what)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    int status = cache_use_with((einjit_options){0}, &s);
    if (status) return 1;
    if (!strcmp(what, "hit")) return s.disk_hits != 1 ? 2 : cache_llvm_is_mapped() ? 3 : 0;
    return s.disk_hits ? 2 : cache_llvm_is_mapped() ? 0 : 3;
}

static void a_new_process_does_not_load_llvm(void **state)
{
    (void)state;
#ifdef EINJIT_STATIC_CODEGEN
    skip();
#endif
    assert_int_equal(run_again("miss"), 0); /* LLVM is seen where it is loaded */
    assert_int_equal(run_again("hit"), 0);
}

static void kernels_run_where_there_is_no_code_generator(void **state)
{
    (void)state;
#ifdef EINJIT_STATIC_CODEGEN
    skip();
#endif
    einjit_statistics s = {.struct_bytes = sizeof s};
    const einjit_options nowhere = {
        .cache_dir = cache_folder, .module_path = "/nowhere/libeinjit-llvm.so", .log = cache_log};
    assert_int_equal(cache_use_with(nowhere, &s), EINJIT_E_BACKEND);
    einjit_options any = nowhere;
    any.backend = "auto";
    assert_int_equal(cache_use_with(any, &s), EINJIT_OK); /* interpreted, and that is said */
    assert_int_equal(cache_log_lines, 1);
    assert_int_equal(s.disk_writes, 0);
    use_ok();
    assert_int_equal(cache_use_with(nowhere, &s), EINJIT_OK);
    assert_int_equal(s.disk_hits, 1);
}

static void another_code_generator_makes_its_own(void **state)
{
    (void)state;
#ifdef EINJIT_STATIC_CODEGEN
    skip();
#endif
    einjit_statistics s = {.struct_bytes = sizeof s};
    use_ok();
    /* some other library in its place; it is not loaded, but it is not the one that made the entry */
    const einjit_options wrong = {.cache_dir = cache_folder, .module_path = "/proc/self/exe"};
    assert_int_equal(cache_use_with(wrong, &s), EINJIT_E_BACKEND);
    assert_int_equal(s.disk_misses, 1);
    assert_int_equal(s.disk_rejected, 0);
    expect_hit();
}

/* ---- whose files ---- */

static void files_that_others_could_have_written_are_refused(void **state)
{
    (void)state;
    use_ok();
    char *path = cache_only_entry(cache_folder);
    assert_int_equal(chmod(path, 0620), 0);
    expect_rejected_then_healed();
    cache_log_lines = 0;
    assert_int_equal(chmod(path, 0602), 0);
    expect_rejected_then_healed();
    free(path);
}

static void files_of_other_owners_are_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) skip(); /* only root gives files away */
    use_ok();
    char *path = cache_only_entry(cache_folder);
    assert_int_equal(chown(path, 12345, 12345), 0);
    expect_rejected_then_healed();
    assert_int_equal(chown(cache_folder, 12345, 12345), 0);
    cache_log_lines = 0;
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_hits, 0);
    assert_int_equal(s.disk_write_failures, 1);
    assert_int_equal(cache_log_lines, 1);
    assert_int_equal(chown(cache_folder, 0, 0), 0);
    free(path);
}

static void a_folder_that_others_can_write_is_refused(void **state)
{
    (void)state;
    use_ok();
    assert_int_equal(chmod(cache_folder, 0770), 0);
    einjit_statistics s = use_ok();
    assert_int_equal(s.disk_hits, 0);
    assert_int_equal(s.disk_writes, 0);
    assert_int_equal(cache_log_lines, 1);
}

static void links_pipes_and_folders_are_no_entries(void **state)
{
    (void)state;
    char elsewhere[4096];
    use_ok();
    char *path = cache_only_entry(cache_folder);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", cache_folder);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    expect_rejected_then_healed();
    cache_log_lines = 0;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not block either */
    expect_rejected_then_healed();
    cache_log_lines = 0;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    einjit_statistics s = use_ok(); /* a folder cannot be renamed onto */
    assert_int_equal(s.disk_rejected, 1);
    assert_int_equal(s.disk_write_failures, 1);
    assert_int_equal(cache_log_lines, 1);
    assert_int_equal(rmdir(path), 0);
    size_t others;
    assert_int_equal(cache_count(cache_folder, &others), 0);
    assert_int_equal(others, 1); /* "elsewhere": no temporary file is left */
    free(path);
}

/* ---- contents ---- */

static void an_entry_of_another_key_is_not_taken(void **state)
{
    (void)state;
    einjit_error err = {0};
    einjit_context *context;
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {6, 5, 4, 3, 2, 1}, z[1];
    use_ok();
    char *path = cache_only_entry(cache_folder);
    size_t n;
    unsigned char *bytes = cache_read(path, &n);
    assert_int_equal(unlink(path), 0);
    /* the whole, right entry of one kernel under the name of another */
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = cache_folder, .log = cache_log};
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    assert_int_equal(
        einjit_einsum(context, "i,i->", 2, (einjit_tensor[]){F32(x, 6), F32(y, 6)}, &SCALAR(z, EINJIT_F32), &err), 0);
    char *other = cache_only_entry(cache_folder);
    cache_write(other, bytes, n);
    einjit_context_clear_cache(context);
    assert_int_equal(
        einjit_einsum(context, "i,i->", 2, (einjit_tensor[]){F32(x, 6), F32(y, 6)}, &SCALAR(z, EINJIT_F32), &err), 0);
    assert_true(z[0] == 56);
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
    assert_int_equal(s.disk_rejected, 1);
    assert_int_equal(cache_log_lines, 1);
    einjit_context_release(context);
    free(path);
    free(other);
    free(bytes);
}

/* Whatever changes code changes the key. */
static void options_have_entries_of_their_own(void **state)
{
    (void)state;
    size_t n = 0;
    const einjit_options all[] = {
        {.cache_dir = cache_folder},
        {.cache_dir = cache_folder, .flags = EINJIT_OPTION_STRICT},
        {.cache_dir = cache_folder, .flags = EINJIT_OPTION_NO_OPTIMIZE},
        {.cache_dir = cache_folder, .flags = EINJIT_OPTION_MEASURE},
        {.cache_dir = cache_folder, .target = "sse2"},
    };
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            einjit_statistics s = {.struct_bytes = sizeof s};
            assert_int_equal(cache_use_with(all[i], &s), EINJIT_OK);
            assert_int_equal(s.disk_hits, round);
            if (!round) assert_int_equal(cache_count(cache_folder, NULL), ++n);
        }
    setenv("EINJIT_RECIPE", "plain", 1);
    expect_miss();
    expect_hit();
    unsetenv("EINJIT_RECIPE");
}

static void dumps_and_the_interpreter_leave_it_alone(void **state)
{
    (void)state;
    einjit_statistics s = {.struct_bytes = sizeof s};
    use_ok();
    setenv("EINJIT_DUMP", "plan", 1);
    s = use_ok();
    unsetenv("EINJIT_DUMP");
    assert_int_equal(s.disk_hits + s.disk_misses, 0);
    assert_int_equal(cache_use(cache_folder, "interp", &s), EINJIT_OK);
    assert_int_equal(s.disk_hits + s.disk_misses, 0);
}

/* Programs: open extents, constants, checks of indices. */
static void compile_and_run(einjit_context *context, int64_t z, const float *w, float expected)
{
    einjit_error err = {0};
    einjit_graph *graph = api_graph(context, "def forward(x: f32[z, 2], w: f32[2], at: i64[n]):\n"
                                             "    return einsum('zi,i->z', x, w)[at]\n");
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, out[1], weights[2] = {w[0], w[1]};
    int64_t at[] = {z - 1}, wrong[] = {z};
    einjit_tensor in[] = {F32(x, z, 2), F32(weights, 2), TENSOR(at, EINJIT_I64, 1)};
    einjit_compile_options o = {.struct_bytes = sizeof o, .open = "z", .constants = "w"};
    einjit_kernel *kernel;
    assert_int_equal(einjit_compile(&kernel, context, graph, 3, in, 0, NULL, &o, &err), EINJIT_OK);
    assert_int_equal(einjit_kernel_open_count(kernel), 1);
    assert_string_equal(einjit_kernel_open_name(kernel, 0), "z");
    assert_int_equal(einjit_run(kernel, 3, in, 1, &F32(out, 1), &err), EINJIT_OK);
    assert_true(out[0] == expected);
    assert_int_equal(einjit_run(kernel, 3, in, 1, &F32(weights, 1), &err), EINJIT_E_OVERLAP);
    assert_non_null(strstr(err.text, "constant"));
    in[2].data = wrong;
    assert_int_equal(einjit_run(kernel, 3, in, 1, &F32(out, 1), &err), EINJIT_E_INDEX);
    assert_non_null(strstr(err.text, "'at'"));
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
}

static void programs_come_back_whole(void **state)
{
    (void)state;
    static const float w[] = {1, 10}, v[] = {1, 100};
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = cache_folder};
    const struct {
        int64_t z;
        const float *w;
        float expected;
        uint64_t hits;
    } rows[] = {{2, w, 43, 0}, {2, w, 43, 1}, {4, w, 87, 1}, {2, v, 403, 0}, {3, v, 605, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        einjit_context *context;
        assert_int_equal(einjit_context_create(&context, &o, NULL), EINJIT_OK);
        compile_and_run(context, rows[i].z, rows[i].w, rows[i].expected);
        einjit_context_statistics(context, &s, NULL);
        assert_int_equal(s.disk_hits, rows[i].hits);
        einjit_context_release(context);
    }
}

/* ---- where ---- */

static void xdg_then_home_say_where(void **state)
{
    (void)state;
    char path[4096], expected[8192];
    einjit_context *context;
    static const struct {
        const char *dir, *xdg, *home, *expected;
    } rows[] = {
        {NULL, "/x", "/h", "/x/einjit"},
        {NULL, "x", "/h", "/h/.cache/einjit"},
        {NULL, NULL, "/h", "/h/.cache/einjit"},
        {NULL, NULL, NULL, ""},
        {NULL, NULL, "h", ""},
        {"/d", "/x", "/h", "/d"},
        {"none", "/x", "/h", ""},
        {"", "/x", "/h", "/x/einjit"},
    };
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL, *dir = strdup(getenv("EINJIT_CACHE_DIR"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *names[] = {"EINJIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"};
        const char *values[] = {rows[i].dir, rows[i].xdg, rows[i].home};
        for (int v = 0; v < 3; v++) values[v] ? setenv(names[v], values[v], 1) : unsetenv(names[v]);
        assert_int_equal(einjit_context_create(&context, NULL, NULL), EINJIT_OK);
        assert_int_equal(einjit_cache_path(context, path, sizeof path, NULL, NULL), EINJIT_OK);
        snprintf(expected, sizeof expected, "%s", rows[i].expected);
        assert_string_equal(path, expected);
        einjit_context_release(context);
    }
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    setenv("EINJIT_CACHE_DIR", dir, 1);
    free(home);
    free(dir);
}

static void missing_folders_are_made_private(void **state)
{
    (void)state;
    char below[4096], deep[4096];
    struct stat info;
    snprintf(below, sizeof below, "%s/a", cache_folder);
    snprintf(deep, sizeof deep, "%s/a/b", cache_folder);
    assert_int_equal(cache_use(deep, "llvm", NULL), EINJIT_OK);
    assert_int_equal(stat(deep, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(cache_count(deep, NULL), 1);
    char *entry = cache_only_entry(deep);
    assert_int_equal(stat(entry, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    unlink(entry);
    free(entry);
    rmdir(deep);
    rmdir(below);
    /* a file in the way: in memory only, and no word about it */
    cache_write(below, "x", 1);
    assert_int_equal(cache_use(deep, "llvm", NULL), EINJIT_OK);
    assert_int_equal(cache_log_lines, 0);
}

static void shared_folders_are_read_and_never_written(void **state)
{
    (void)state;
    char *own = cache_folder_make();
    einjit_statistics s = {.struct_bytes = sizeof s};
    use_ok();
    assert_int_equal(chmod(cache_folder, 0555), 0);
    char list[8192];
    snprintf(list, sizeof list, "/nowhere::%s", cache_folder);
    einjit_options o = {.cache_dir = own, .cache_shared = list};
    assert_int_equal(cache_use_with(o, &s), EINJIT_OK);
    assert_int_equal(s.disk_hits, 1);
    o.cache_dir = NULL; /* the tests' EINJIT_CACHE_DIR is none: shared folders need no own one */
    assert_int_equal(cache_use_with(o, &s), EINJIT_OK);
    assert_int_equal(s.disk_hits, 0);
    o.cache_dir = own;
    o.flags = EINJIT_OPTION_STRICT;
    assert_int_equal(cache_use_with(o, &s), EINJIT_OK);
    assert_int_equal(s.disk_writes, 1);
    assert_int_equal(cache_count(own, NULL), 1);
    assert_int_equal(cache_count(cache_folder, NULL), 1);
    assert_int_equal(chmod(cache_folder, 0700), 0);
    cache_folder_remove(own);
}

/* ---- how much ---- */

static void put_file(const char *name, size_t n, time_t age)
{
    char path[8192], *bytes = calloc(1, n ? n : 1);
    snprintf(path, sizeof path, "%s/%s", cache_folder, name);
    assert_non_null(bytes);
    cache_write(path, bytes, n);
    const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(bytes);
}

static bool is_there(const char *name)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", cache_folder, name);
    return access(path, F_OK) == 0;
}

static void above_the_limit_those_used_longest_ago_go(void **state)
{
    (void)state;
    static const char oldest[] = "00000000000000000000000000000001.kernel",
                      middle[] = "00000000000000000000000000000002.kernel",
                      newest[] = "00000000000000000000000000000003.kernel", orphan[] = "0123456789abcdef.new";
    einjit_statistics s = {.struct_bytes = sizeof s};
    put_file(middle, 4000, 2000);
    put_file(oldest, 4000, 3000);
    put_file(newest, 4000, 1000);
    put_file(orphan, 100, 0);
    put_file("not ours", 100000, 9000);
    /* so small a limit that every write looks */
    assert_int_equal(cache_use_with((einjit_options){.cache_dir = cache_folder, .disk_bytes = 10000}, &s), EINJIT_OK);
    assert_int_equal(s.disk_writes, 1);
    assert_int_equal(s.disk_evictions, 2);
    assert_int_equal(s.disk_limit_bytes, 10000);
    assert_false(is_there(oldest));
    assert_false(is_there(middle));
    assert_true(is_there(newest));
    assert_false(is_there(orphan)); /* nobody holds it */
    assert_true(is_there("not ours"));
}

/* What ext4 and XFS leave of a file that was new when the system crashed. */
static void empty_entries_go_with_every_trim(void **state)
{
    (void)state;
    einjit_statistics s = {.struct_bytes = sizeof s};
    static const char empty[] = "00000000000000000000000000000001.kernel";
    put_file(empty, 0, 10);
    einjit_context *context;
    uint64_t removed;
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = cache_folder};
    assert_int_equal(einjit_context_create(&context, &o, NULL), EINJIT_OK);
    assert_int_equal(einjit_cache_trim(context, 0, &removed, NULL), EINJIT_OK);
    assert_int_equal(removed, 1);
    einjit_context_release(context);
    put_file(empty, 0, 10);
    /* every write looks, and there is room */
    assert_int_equal(cache_use_with((einjit_options){.cache_dir = cache_folder, .disk_bytes = 20000}, &s), EINJIT_OK);
    assert_int_equal(s.disk_evictions, 1);
    assert_false(is_there(empty));
    assert_int_equal(cache_count(cache_folder, NULL), 1);
}

static void use_makes_an_entry_young(void **state)
{
    (void)state;
    struct stat before, after;
    use_ok();
    char *path = cache_only_entry(cache_folder);
    const struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    expect_hit();
    assert_int_equal(stat(path, &before), 0);
    assert_true(before.st_mtime > 1000000);
    expect_hit(); /* once an hour is enough */
    assert_int_equal(stat(path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    free(path);
}

static void lists_say_what_is_there(void **state)
{
    (void)state;
    einjit_context *context;
    einjit_cache_list *list;
    uint64_t removed;
    use_ok();
    put_file("00000000000000000000000000000001.kernel", 4000, 2000);
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = cache_folder};
    assert_int_equal(einjit_context_create(&context, &o, NULL), EINJIT_OK);
    assert_int_equal(einjit_cache_list_create(&list, context, NULL), EINJIT_OK);
    einjit_cache_entry e[2] = {{.struct_bytes = sizeof *e}, {.struct_bytes = sizeof *e}};
    assert_int_equal(einjit_cache_list_count(list), 2);
    for (size_t i = 0; i < 2; i++) assert_int_equal(einjit_cache_list_entry(list, i, &e[i], NULL), EINJIT_OK);
    assert_int_equal(einjit_cache_list_entry(list, 2, &e[0], NULL), EINJIT_E_VALUE);
    assert_null(e[0].fault);
    assert_string_equal(e[0].problem, "einjit-bench 'ij,jk->ik' -s i=2,j=3,k=2 --dtype f32");
    assert_non_null(strstr(e[0].key, "\nsignature "));
    assert_non_null(strstr(e[0].generator, "LLVM "));
    assert_true(e[0].code_bytes > 0 && e[0].compile_ns > 0);
    assert_true(e[1].bad && e[1].fault && !e[1].key);
    einjit_cache_list_destroy(list);
    assert_int_equal(einjit_cache_trim(context, 0, &removed, NULL), EINJIT_OK);
    assert_int_equal(removed, 2);
    assert_int_equal(cache_count(cache_folder, NULL), 0);
    einjit_context_release(context);
}

int main(void)
{
#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, cache_set_up, cache_tear_down)
    const struct CMUnitTest tests[] = {
        ON_DISK(a_second_context_finds_the_first_ones_kernel),
        ON_DISK(a_new_process_does_not_load_llvm),
        ON_DISK(kernels_run_where_there_is_no_code_generator),
        ON_DISK(another_code_generator_makes_its_own),
        ON_DISK(files_that_others_could_have_written_are_refused),
        ON_DISK(files_of_other_owners_are_refused),
        ON_DISK(a_folder_that_others_can_write_is_refused),
        ON_DISK(links_pipes_and_folders_are_no_entries),
        ON_DISK(an_entry_of_another_key_is_not_taken),
        ON_DISK(options_have_entries_of_their_own),
        ON_DISK(dumps_and_the_interpreter_leave_it_alone),
        ON_DISK(programs_come_back_whole),
        ON_DISK(xdg_then_home_say_where),
        ON_DISK(missing_folders_are_made_private),
        ON_DISK(shared_folders_are_read_and_never_written),
        ON_DISK(above_the_limit_those_used_longest_ago_go),
        ON_DISK(empty_entries_go_with_every_trim),
        ON_DISK(use_makes_an_entry_young),
        ON_DISK(lists_say_what_is_there),
    };
    use_built_module();
    if (!api_has_llvm()) return 0; /* nothing is ever kept */
    const char *what = getenv("EINJIT_TEST_AGAIN");
    if (what) return again(what);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
