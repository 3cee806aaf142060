/* test_api_context.c - options, variables, missing code generators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base_cpus.h"
#include "pipeline.h"
#include "scarce_memory.h"

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
    einjit_statistics s = {.struct_bytes = sizeof s};
    einjit_context_statistics(context, &s, NULL);
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

static void structs_that_are_filled_in_end_where_the_caller_says(void **state)
{
    (void)state;
    struct longer {
        einjit_statistics known;
        uint64_t later, behind;
    } s;
    einjit_context *context = NULL;
    einjit_options o = options_of("interp");
    o.cache_bytes = 12345678;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    memset(&s, 0xAA, sizeof s); /* of a later header */
    s.known.struct_bytes = offsetof(struct longer, behind);
    assert_int_equal(einjit_context_statistics(context, &s.known, &err), EINJIT_OK);
    assert_true(s.known.limit_bytes == 12345678 && s.later == 0 && s.behind == UINT64_C(0xAAAAAAAAAAAAAAAA));
    assert_int_equal(s.known.struct_bytes, sizeof s.known + 8);
    memset(&s, 0xAA, sizeof s); /* of an earlier one */
    s.known.struct_bytes = offsetof(einjit_statistics, compile_ns);
    assert_int_equal(einjit_context_statistics(context, &s.known, &err), EINJIT_OK);
    assert_true(s.known.limit_bytes == 12345678 && s.known.compile_ns == UINT64_C(0xAAAAAAAAAAAAAAAA));
    static const size_t sizes[] = {0, 7, sizeof s.known - 1, 5000, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(&s, 0xAA, sizeof s);
        s.known.struct_bytes = sizes[i];
        assert_int_equal(einjit_context_statistics(context, &s.known, &err), EINJIT_E_INVALID);
        assert_non_null(strstr(err.text, "struct_bytes of the statistics"));
        assert_true(s.known.hits == UINT64_C(0xAAAAAAAAAAAAAAAA));
    }
    assert_int_equal(einjit_context_statistics(context, NULL, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_context_statistics(NULL, &s.known, &err), EINJIT_E_INVALID);
    einjit_context_release(context);
}

static void unknown_flags_and_sizes_are_refused(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    einjit_options o = options_of("interp");
    o.flags = EINJIT_OPTION_ALL + 1;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
    assert_non_null(strstr(err.text, "flags of the options"));
    o.flags = INT32_MIN | EINJIT_OPTION_VERIFY;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
    assert_non_null(strstr(err.text, "0x80000000"));
    o.flags = EINJIT_OPTION_ALL;
    /* nothing is read along them */
    static const size_t sizes[] = {0, 7, sizeof o - 1, sizeof o + 4, 5000, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        o.struct_bytes = sizes[i];
        assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_E_INVALID);
        assert_non_null(strstr(err.text, "struct_bytes of the options"));
    }
    o.struct_bytes = sizeof o;
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);

    float x[2] = {1, 2};
    int64_t shape[] = {2};
    einjit_tensor in = {x, EINJIT_F32, 1, shape, NULL};
    einjit_graph *graph = NULL;
    einjit_kernel *kernel = NULL;
    einjit_report *report = NULL;
    char text[8];
    assert_int_equal(einjit_graph_parse(&graph, context, "def f(a): return a + a", SIZE_MAX, &err), EINJIT_OK);
    assert_int_equal(einjit_optimize_report(&report, graph, NULL, 0, NULL, 4, &err), EINJIT_E_INVALID);
    assert_int_equal(einjit_optimize_report(&report, graph, NULL, 0, NULL, 3, &err), EINJIT_OK);
    assert_int_equal(einjit_report_print(report, 4, text, sizeof text, NULL, &err), EINJIT_E_INVALID);
    einjit_report_destroy(report);
    einjit_compile_options c = {.struct_bytes = sizeof c, .flags = EINJIT_OPTION_ALL + 1};
    assert_int_equal(einjit_compile(&kernel, context, graph, 1, &in, 0, NULL, &c, &err), EINJIT_E_INVALID);
    assert_non_null(strstr(err.text, "flags of the compile options"));
    c.flags = 0;
    c.struct_bytes = SIZE_MAX - 7;
    assert_int_equal(einjit_compile(&kernel, context, graph, 1, &in, 0, NULL, &c, &err), EINJIT_E_INVALID);
    assert_non_null(strstr(err.text, "struct_bytes of the compile options"));
    assert_null(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

/* ---- what variables say wrong ---- */

static void wrong_choices_name_their_variable(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"EINJIT_BACKEND", "cuda"}, {"EINJIT_TARGET", "vax"},   {"EINJIT_THREADS", "many"},
        {"EINJIT_THREADS", "0"},    {"EINJIT_THREADS", "2 "},   {"EINJIT_THREADS", "-1"},
        {"EINJIT_RECIPE", "gem"},   {"EINJIT_RECIPE", "gemm:"}, {"EINJIT_RECIPE", "gemm:1x"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        einjit_context *context = NULL;
        setenv(wrong[i][0], wrong[i][1], 1);
        assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_E_VALUE);
        unsetenv(wrong[i][0]);
        assert_non_null(strstr(err.text, wrong[i][0]));
        assert_non_null(strstr(err.text, wrong[i][1]));
    }
}

typedef struct lines {
    int n;
    char text[4000];
} lines;

static void keep_line(void *user, const char *line)
{
    lines *l = user;
    l->n++;
    if (strlen(l->text) + strlen(line) + 2 < sizeof l->text) strcat(strcat(l->text, line), "\n");
}

/* What a context that compiles two kernels says when the variable has that value. */
static void run_with_variable(const char *variable, const char *value, lines *l)
{
    einjit_context *context = NULL;
    einjit_options o = options_of("interp");
    *l = (lines){0};
    o.log = keep_line;
    o.log_user = l;
    setenv(variable, value, 1);
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    unsetenv(variable);
    float x[2] = {1, 2}, y[2];
    for (int64_t n = 1; n <= 2; n++) {
        einjit_tensor in = {x, EINJIT_F32, 1, &n, NULL}, out = {y, EINJIT_F32, 1, &n, NULL};
        assert_int_equal(einjit_einsum(context, "i->i", 1, &in, &out, &err), EINJIT_OK);
    }
    einjit_context_release(context);
}

static void unknown_words_of_dumps_are_said_once(void **state)
{
    (void)state;
    lines l;
    run_with_variable("EINJIT_DUMP", "plann,  nests", &l);
    assert_int_equal(l.n, 2);
    assert_non_null(strstr(l.text, "EINJIT_DUMP has the word 'plann'"));
    assert_non_null(strstr(l.text, "'nests'"));
    run_with_variable("EINJIT_DUMP", "none", &l);
    assert_int_equal(l.n, 0);
}

static void dumps_that_cannot_be_written_are_said_once(void **state)
{
    (void)state;
    lines l;
    run_with_variable("EINJIT_DUMP_DIR", "/proc/einjit-cannot-write-here", &l);
    assert_int_equal(l.n, 1);
    assert_non_null(strstr(l.text, "/proc/einjit-cannot-write-here"));
    char longest[4500] = "/tmp/";
    memset(longest + 5, 'x', sizeof longest - 6);
    run_with_variable("EINJIT_DUMP_DIR", longest, &l);
    assert_int_equal(l.n, 1);
}

static void run_in_order(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    (void)user;
    for (size_t i = 0; i < n; i++) body(task, i);
}

static void options_count_before_variables(void **state)
{
    (void)state;
    einjit_context *context = NULL;
    const einjit_parallel host = {sizeof host, run_in_order, NULL}; /* who may have any number of threads */
    einjit_options o = options_of("llvm"), hosted = {.struct_bytes = sizeof hosted, .parallel = &host};
    o.threads = 2;
    o.parallel = &host;
    setenv("EINJIT_BACKEND", "interp", 1);
    setenv("EINJIT_THREADS", "3", 1);
    assert_int_equal(einjit_context_create(&context, &hosted, &err), EINJIT_OK);
    assert_true(context->use_interp);
    assert_int_equal(context->threads, 3);
    einjit_context_release(context);
    assert_int_equal(einjit_context_create(&context, &o, &err), EINJIT_OK);
    assert_false(context->use_interp);
    assert_int_equal(context->threads, 2);
    einjit_context_release(context);
    setenv("EINJIT_THREADS", "60000", 1);
    assert_int_equal(einjit_context_create(&context, NULL, &err), EINJIT_OK);
    assert_int_equal(context->threads, ej_cpus_allowed());
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
static void creation_survives_every_failed_allocation(void **state)
{
    (void)state;
    for (int allowed = 0; allowed < 1000; allowed++) {
        scarce_memory memory;
        einjit_options o = options_of("interp");
        einjit_context *context = NULL;
        scarce_memory_init(&memory, allowed);
        o.allocator = &memory.hooks;
        int status = einjit_context_create(&context, &o, &err);
        if (status == EINJIT_OK) {
            einjit_context_release(context);
            assert_int_equal(memory.live, 0);
            assert_true(allowed > 3);
            return;
        }
        assert_int_equal(status, EINJIT_E_NOMEM);
        assert_null(context);
        assert_int_equal(memory.live, 0);
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
        cmocka_unit_test(structs_that_are_filled_in_end_where_the_caller_says),
        cmocka_unit_test(unknown_flags_and_sizes_are_refused),
        cmocka_unit_test(wrong_choices_name_their_variable),
        cmocka_unit_test(unknown_words_of_dumps_are_said_once),
        cmocka_unit_test(dumps_that_cannot_be_written_are_said_once),
        cmocka_unit_test(options_count_before_variables),
        cmocka_unit_test(a_missing_code_generator_is_named),
        cmocka_unit_test(creation_survives_every_failed_allocation),
        cmocka_unit_test(the_log_gets_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
