/* test_kernel_trust.c - in a program with more rights than its user no variable names files, and no module is loaded
 * that others could have written. The program is this one: as root it makes a copy of itself that runs with another
 * user's rights, and starts that as a third. Skipped without root, or where /tmp knows no such programs.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"
#include "base_env.h"

#define BUILT_MODULE EINJIT_TEST_BUILD "/lib/libeinjit-llvm.so"
#ifdef EINJIT_STATIC_CODEGEN
enum { HAS_MODULE = 0 };
#else
enum { HAS_MODULE = EINJIT_TEST_CODEGEN };
#endif

enum { OWNER = 65533, CALLER = 65534, SKIPPED = 77 }; /* whose rights the copy has, and who starts it */

/* ---- within the copy ---- */

static einjit_error err;

static int compile_with(const char *module, const char *backend)
{
    float x[2] = {1, 2}, y[2];
    einjit_tensor in = F32(x, 2), out = F32(y, 2);
    einjit_options options = {.struct_bytes = sizeof options, .backend = backend, .module_path = module};
    einjit_context *context = NULL;
    int status = einjit_context_create(&context, &options, &err);
    if (!status) status = einjit_einsum(context, "i->i", 1, &in, &out, &err);
    einjit_context_release(context);
    return status;
}

static const struct {
    const char *path; /* in the folder of this test */
    bool loads;
} modules[] = {
    {"root.so", true},       {"owner.so", true}, {"caller.so", false},   {"everybody.so", false}, {"group.so", false},
    {"open/root.so", false}, {"link.so", true},  {"open/link.so", true}, {"open/none.so", false},
};

/* The number of the check that fails; 0: none. */
static int inside(const char *folder)
{
    char path[300];
    if (!ej_is_privileged()) return SKIPPED;
    if (compile_with(NULL, "interp")) return 1;
    snprintf(path, sizeof path, "%s/open/dumps", folder);
    if (access(path, F_OK) == 0) return 2;
    if (!HAS_MODULE) return 0;
    if (compile_with(NULL, "llvm") && strstr(err.text, "junk")) return 3;
    for (int i = 0; i < (int)(sizeof modules / sizeof *modules); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, modules[i].path);
        int status = compile_with(path, "llvm");
        if (status != (modules[i].loads ? EINJIT_OK : EINJIT_E_BACKEND)) return 10 + i;
        if (status && !strstr(err.text, path)) return 20 + i;
    }
    return 0;
}

/* ---- around it ---- */

static char folder[] = "/tmp/einjit-trust-XXXXXX";
static char path_room[300];

static const char *in_folder(const char *name)
{
    snprintf(path_room, sizeof path_room, "%s/%s", folder, name);
    return path_room;
}

static void copy(const char *from, const char *name, int owner, mode_t mode)
{
    char block[1 << 16];
    const char *path = in_folder(name);
    FILE *in = fopen(from, "rb"), *out = fopen(path, "wb");
    if (!in || !out) fail_msg("%s cannot be copied to %s", from, path);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    if (geteuid() == 0) assert_int_equal(chown(path, (uid_t)owner, 0), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void link_to(const char *name, const char *target)
{
    char to[300];
    snprintf(to, sizeof to, "%s/%s", folder, target);
    assert_int_equal(symlink(to, in_folder(name)), 0);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chmod(folder, 0755)) return -1;
    return mkdir(in_folder("open"), 0777) || chmod(in_folder("open"), 0777);
}

static int remove_folder(void **state)
{
    (void)state;
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int run_copy(void)
{
    char program[300], module[300], dumps[300], argument[300];
    snprintf(program, sizeof program, "%s/copy", folder);
    snprintf(module, sizeof module, "EINJIT_MODULE=%s/junk", folder);
    snprintf(dumps, sizeof dumps, "EINJIT_DUMP_DIR=%s/open/dumps", folder);
    snprintf(argument, sizeof argument, "%s", folder);
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        char *arguments[] = {program, argument, NULL}, *environment[] = {module, dumps, NULL};
        if (setgid(CALLER) || setuid(CALLER)) _exit(SKIPPED);
        execve(program, arguments, environment);
        _exit(SKIPPED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) fail_msg("the copy ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void programs_with_other_rights_trust_nobody(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("not tested: programs with other rights (needs root)\n");
        skip();
    }
    if (HAS_MODULE) {
        copy(BUILT_MODULE, "root.so", 0, 0755);
        copy(BUILT_MODULE, "owner.so", OWNER, 0755);
        copy(BUILT_MODULE, "caller.so", CALLER, 0755);
        copy(BUILT_MODULE, "everybody.so", 0, 0757);
        copy(BUILT_MODULE, "group.so", 0, 0775);
        copy(BUILT_MODULE, "open/root.so", 0, 0755);
        copy(BUILT_MODULE, "junk", 0, 0755);
        assert_int_equal(truncate(in_folder("junk"), 1000), 0);
        link_to("link.so", "root.so");
        link_to("open/link.so", "root.so");
    }
    copy("/proc/self/exe", "copy", OWNER, 04755);
    int failed = run_copy();
    if (failed == SKIPPED) {
        print_message("not tested: programs with other rights (there are none in /tmp)\n");
        skip();
    }
    if (failed) fail_msg("check %d failed within the copy", failed);
}

static void count_warnings(void *user, const char *line)
{
    if (strstr(line, "anybody can write") && strstr(line, "weak.so")) ++*(int *)user;
}

static void modules_that_anybody_can_write_are_named_once(void **state)
{
    (void)state;
    if (!HAS_MODULE) skip();
    for (int weak = 0; weak < 2; weak++) {
        float x[2] = {1, 2}, y[2];
        int warnings = 0;
        copy(BUILT_MODULE, weak ? "weak.so" : "root2.so", (int)geteuid(), weak ? 0757 : 0775);
        einjit_options options = {.struct_bytes = sizeof options,
                                  .backend = "llvm",
                                  .log = count_warnings,
                                  .log_user = &warnings,
                                  .module_path = in_folder(weak ? "weak.so" : "root2.so")};
        einjit_context *context = NULL;
        assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
        for (int64_t n = 1; n <= 2; n++) {
            einjit_tensor in = F32(x, n), out = F32(y, n);
            assert_int_equal(einjit_einsum(context, "i->i", 1, &in, &out, &err), EINJIT_OK);
        }
        einjit_context_release(context);
        assert_int_equal(warnings, weak);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2) _exit(inside(argv[1]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_with_other_rights_trust_nobody),
        cmocka_unit_test_setup_teardown(modules_that_anybody_can_write_are_named_once, generate_here,
                                        generate_as_asked),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
