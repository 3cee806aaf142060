/* test_kernel_backend.c - the code generator beside other libraries: a process that holds an LLVM already, of this
 * version or another one, with its symbols open to everybody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"

/* Files of libLLVM on this machine, each once, with ':' between them. */
static const char other_llvms[] = EINJIT_TEST_OTHER_LLVMS;

/* What a host does that compiles with it: options are registered when it is loaded, passes and targets here. */
static bool use_llvm(void *handle)
{
    static const char *const calls[] = {"LLVMInitializeX86TargetInfo", "LLVMInitializeX86Target",
                                        "LLVMInitializeX86TargetMC", "LLVMInitializeX86AsmPrinter"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        void (*call)(void);
        void *symbol = dlsym(handle, calls[i]);
        if (!symbol) return false;
        memcpy(&call, &symbol, sizeof call);
        call();
    }
    return true;
}

static bool product_is_right(void)
{
    einjit_error err;
    einjit_context *context;
    float a[6] = {1, -2, 3, -4, 5, -6}, b[6] = {1, 2, 3, 4, 5, 6}, c[4] = {0};
    const einjit_tensor in[] = {F32(a, 2, 3), F32(b, 3, 2)};
    einjit_options options = {.struct_bytes = sizeof options, .backend = "llvm"};
    if (einjit_context_create(&context, &options, &err) != EINJIT_OK) return false;
    int status = einjit_einsum(context, "ij,jk->ik", 2, in, &F32(c, 2, 2), &err);
    if (status != EINJIT_OK) fprintf(stderr, "%s\n", err.text);
    einjit_context_release(context);
    return status == EINJIT_OK && c[0] == 10 && c[1] == 12 && c[2] == -19 && c[3] == -24;
}

/* In a process of its own, because nothing else may have loaded LLVM before, and a clash ends the process. 77: this
 * file cannot be loaded or has no code generator for this machine. */
static int compile_beside(const char *file)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        void *handle = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
        if (!handle || !use_llvm(handle)) _exit(77);
        _exit(product_is_right() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void code_is_made_beside_another_llvm(void **state)
{
    (void)state;
    char files[sizeof other_llvms];
    int tried = 0;
    if (!api_has_llvm()) skip();
    memcpy(files, other_llvms, sizeof files);
    for (char *rest = files, *file; (file = strtok_r(rest, ":", &rest));) {
        int status = compile_beside(file);
        if (status == 77) continue;
        if (status) fail_msg("beside %s: %d", file, status);
        tried++;
    }
    if (!tried) skip();
    print_message("compiled beside %d of: %s\n", tried, other_llvms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(code_is_made_beside_another_llvm)};
    use_built_module();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
