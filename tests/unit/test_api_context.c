/* test_api_context.c - options, variables, missing code generators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "kernel.h"

static einjit_error err;

static einjit_options options_of(const char *backend)
{
    return (einjit_options){.struct_bytes = sizeof(einjit_options), .backend = backend};
}

static void defaults_need_no_options(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_OK);
    einjit_statistics s;
    einjit_context_statistics(context, &s);
    assert_int_equal(s.limit_bytes, 256 << 20);
    assert_int_equal(s.entries, 0);
    assert_int_equal(context->threads, 1);
    assert_ptr_equal(context->target, ej_target_host());
    einjit_context_clear_cache(context);
    einjit_context_release(context);
    einjit_context_release(NULL);
    einjit_context_clear_cache(NULL);
    assert_int_equal(einjit_context_create(NULL, NULL, &err), EINJIT_E_INVALID);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    einjit_options o = options_of("cuda");
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_VALUE);
    assert_non_null(strstr(err.text, "'cuda'"));
    o = options_of(NULL);
    o.target = "vax";
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_VALUE);
    assert_non_null(strstr(err.text, ej_targets[ej_n_targets - 1].name));
    o = options_of(NULL);
    o.threads = -2;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_VALUE);
    o.threads = 0;
    o.struct_bytes = 0;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
    assert_null(context);
}

static void shorter_and_longer_option_structs_are_read(void **state)
{
    (void)state;
    struct {
        einjit_options known;
        uint64_t later;
    } longer = {options_of("interp"), 0};
    einjit_context *context = NULL;
    longer.known.struct_bytes = sizeof longer;
    assert_int_equal(einjit_context_create(&context, &longer.known, &err), EINJIT_OK);
    assert_true(context->use_interp);
    einjit_context_release(context);
    longer.later = 1;
    assert_int_equal(einjit_context_create(&context, &longer.known, &err), EINJIT_E_INVALID);
    einjit_options shorter = options_of("nonsense");
    shorter.struct_bytes = offsetof(einjit_options, backend);
    assert_int_equal(einjit_context_create(&context, &shorter, &err), EINJIT_OK);
    einjit_context_release(context);
}

static void options_count_before_variables(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    einjit_options o = options_of("llvm");
    o.threads = 2;
    setenv("EINJIT_BACKEND", "interp", 1);
    setenv("EINJIT_THREADS", "3", 1);
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_OK);
    assert_true(context->use_interp);
    assert_int_equal(context->threads, 3);
    einjit_context_release(context);
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    assert_false(context->use_interp);
    assert_int_equal(context->threads, 2);
    einjit_context_release(context);
    setenv("EINJIT_THREADS", "many", 1);
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_E_VALUE);
    unsetenv("EINJIT_BACKEND");
    unsetenv("EINJIT_THREADS");
}

static void a_missing_code_generator_is_named(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    einjit_options o = options_of("llvm");
    float a[2] = {1, 2}, c[2];
    int64_t shape[] = {2};
    einjit_tensor in = {a, EINJIT_F32, 1, shape, NULL}, out = {c, EINJIT_F32, 1, shape, NULL};
    o.module_path = "/nowhere/libeinjit-llvm.so";
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    for (int round = 0; round < 2; round++) {
        int status = einjit_einsum(context, "i->i", 1, &in, &out, &err);
        if (status == EINJIT_OK) { /* a build with the code generator linked in looks for nothing */
            einjit_context_release(context);
            skip();
        }
        assert_int_equal(status, EINJIT_E_BACKEND);
        assert_non_null(strstr(err.text, "/nowhere/libeinjit-llvm.so"));
    }
    einjit_context_release(context);
}

/* Every allocation of a context may fail, and none is lost. */
typedef struct budget {
    int left, live;
} budget;

static void *budget_alloc(void *user, size_t bytes)
{
    budget *b = user;
    if (b->left-- <= 0) return NULL;
    b->live++;
    return malloc(bytes);
}

static void budget_release(void *user, void *memory, size_t bytes)
{
    (void)bytes;
    ((budget *)user)->live--;
    free(memory);
}

static void creation_survives_every_failed_allocation(void **state)
{
    (void)state;
    for (int allowed = 0; allowed < 1000; allowed++) {
        budget b = {allowed, 0};
        einjit_allocator allocator = {budget_alloc, budget_release, &b};
        einjit_options o = options_of("interp");
        einjit_context *context = NULL;
        o.allocator = &allocator;
        int status = einjit_context_create(&context, &o, &err);
        if (status == EINJIT_OK) {
            einjit_context_release(context);
            assert_int_equal(b.live, 0);
            assert_true(allowed > 3);
            return;
        }
        assert_int_equal(status, EINJIT_E_NOMEM);
        assert_null(context);
        assert_int_equal(b.live, 0);
    }
    fail_msg("a thousand allocations are not enough");
}

static void log_line(void *user, const char *line)
{
    if (strstr(line, "hello 7")) ++*(int *)user;
}

static void the_log_gets_lines(void **state)
{
    (void)state;
    int seen = 0;
    einjit_context *context = NULL;
    einjit_options o = options_of("interp");
    o.log = log_line;
    o.log_user = &seen;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    ej_context_log(context, "hello %d", 7);
    assert_int_equal(seen, 1);
    einjit_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_need_no_options),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(shorter_and_longer_option_structs_are_read),
        cmocka_unit_test(options_count_before_variables),
        cmocka_unit_test(a_missing_code_generator_is_named),
        cmocka_unit_test(creation_survives_every_failed_allocation),
        cmocka_unit_test(the_log_gets_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
