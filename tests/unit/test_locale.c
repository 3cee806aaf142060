/* test_locale.c - no number that is written or read depends on the program's locale, or on that of a thread.
 *
 * The locales are made for the test: one with a comma, one whose point has several bytes, one with letters of its own.
 * Skipped, with a message, where localedef has nothing to make them of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_support.h"
#include "base_print.h"

static const struct {
    const char *name, *source, *charmap, *half;
} locales[] = {
    {"comma", "de_DE", "ISO-8859-1", "0,5"},
    {"wide", "ps_AF", "UTF-8",
     "0\xD9\xAB"
     "5"},
    {"letters", "tr_TR", "ISO-8859-9", "0,5"},
};
enum { N_LOCALES = sizeof locales / sizeof *locales };

static const char *program =
    "def forward(a: f32[8, 6], b: f32[6, 4]):\n"
    "    c = (a @ b) * 0.25 + 1e-3\n"
    "    return exp(c * 1.477) + einsum(\"ij,jk,kl->il\", a * 12345.678, b, b.permute(1, 0))[:, :4], c\n";

/* ---- the locales ---- */

/* glibc keeps LOCPATH's folders from each setlocale and newlocale. */
EINJIT_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:__argz_add_sep\n";
}

static char folder[] = "/tmp/test_locale.XXXXXX";
static bool have_locales;

static int make_locales(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    have_locales = true;
    for (int i = 0; i < N_LOCALES && have_locales; i++) {
        char command[300];
        snprintf(command, sizeof command, "localedef -i %s -f %s %s/%s 2>/dev/null", locales[i].source,
                 locales[i].charmap, folder, locales[i].name);
        if (access("/usr/share/i18n/locales/de_DE", R_OK)) have_locales = false;
        else if (system(command) < 0) return 1;
    }
    if (!have_locales) print_message("localedef has no sources (package locales): skipped\n");
    return setenv("LOCPATH", folder, 1);
}

static int remove_locales(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void check_point(int i)
{
    char half[20];
    snprintf(half, sizeof half, "%.1f", 0.5);
    assert_string_equal(half, locales[i].half);
}

/* Calls `work` in every locale, once as the program's and once as the thread's. */
static void in_every_locale(void (*work)(void))
{
    if (!have_locales) skip();
    for (int i = 0; i < N_LOCALES; i++) {
        assert_non_null(setlocale(LC_ALL, locales[i].name));
        check_point(i);
        work();
        setlocale(LC_ALL, "C");
        locale_t thread = newlocale(LC_ALL_MASK, locales[i].name, (locale_t)0);
        assert_true(thread != (locale_t)0);
        locale_t before = uselocale(thread);
        check_point(i);
        work();
        check_point(i); /* as the caller left it */
        uselocale(before);
        freelocale(thread);
    }
}

/* ---- the one home of numbers ---- */

static void check_number(char style, int precision, double x, const char *wanted)
{
    char text[EJ_REAL_TEXT + EJ_POINT_ROOM];
    double back;
    assert_string_equal(ej_real_text(text, style, precision, x), wanted);
    assert_true(ej_real_read(text, &back));
    assert_true(back == x || fabs(back - x) <= 1e-3 * fabs(x));
}

static void numbers(void)
{
    char text[EJ_REAL_TEXT + EJ_POINT_ROOM];
    double x;
    check_number('g', 6, 0.25, "0.25");
    check_number('g', 12, -1.5e300, "-1.5e+300");
    check_number('f', 3, 1.4767, "1.477");
    check_number('f', 0, 41797031250.0, "41797031250");
    check_number('g', 6, 1e20, "1e+20");
    check_number('g', 6, -INFINITY, "-inf");
    assert_int_equal(strlen(ej_real_text(text, 'f', 20, -1.7976931348623157e308)), 1 + 309 + 1 + 20);
    assert_string_equal(ej_real_text(text, 'g', 6, (double)NAN) + (*text == '-'), "nan");
    strcpy(text, "12345678901234567890.5e-3");
    assert_true(ej_real_read(text, &x) && x == 12345678901234567.8905);
    static const char *const wrong[] = {"",
                                        "1,5",
                                        "1.5.2",
                                        "1.5,2",
                                        ".",
                                        "x",
                                        "0x1p3",
                                        "1 ",
                                        "1e",
                                        "0\xD9\xAB"
                                        "5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        strcpy(text, wrong[i]);
        if (ej_real_read(text, &x)) fail_msg("'%s' is a number", wrong[i]);
    }
}

static void numbers_have_points(void **state)
{
    (void)state;
    numbers(); /* in the C locale, too */
    in_every_locale(numbers);
}

/* ---- programs, dumps, code ---- */

static einjit_error err;
static const char *backend;
static char *everything; /* what was written in the C locale */

static void add(ej_text *to, einjit_context *context, einjit_graph *graph, const char *stage)
{
    const einjit_tensor in[] = {F32(NULL, 8, 6), F32(NULL, 6, 4)};
    static char text[1 << 20];
    size_t needed;
    assert_int_equal(einjit_explain(context, graph, 2, in, NULL, stage, text, sizeof text, &needed, &err), EINJIT_OK);
    assert_true(needed < sizeof text);
    ej_print_bytes(to, text, needed);
}

static void add_report(ej_text *to, einjit_graph *graph)
{
    const einjit_tensor in[] = {F32(NULL, 8, 6), F32(NULL, 6, 4)};
    static char text[1 << 16];
    einjit_report *report;
    assert_int_equal(einjit_optimize_report(&report, graph, NULL, 2, in, EINJIT_REPORT_PROGRAMS, &err), EINJIT_OK);
    assert_int_equal(einjit_report_print(report, 0, text, sizeof text, NULL, &err), EINJIT_OK);
    ej_print_bytes(to, text, strlen(text));
    einjit_report_destroy(report);
}

/* The program, read and printed at every stage; its results. */
static char *write_all(void)
{
    static const char *const stages[] = {"graph", "opt",  "opt+",  "stats", "bind", "path",
                                         "plan",  "nest", "steps", "dot",   "ir",   "asm"};
    einjit_context *context = api_context(backend);
    einjit_graph *graph = api_graph(context, program);
    float a[48], b[24], c[32], d[32];
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    for (size_t s = 0; s < sizeof stages / sizeof *stages - (strcmp(backend, "llvm") ? 2 : 0); s++)
        add(&text, context, graph, stages[s]);
    for (int i = 0; i < 48; i++) a[i] = (float)(i % 7) / 16;
    for (int i = 0; i < 24; i++) b[i] = (float)(i % 5) / 16;
    const einjit_tensor in[] = {F32(a, 8, 6), F32(b, 6, 4)}, out[] = {F32(c, 8, 4), F32(d, 8, 4)};
    assert_int_equal(einjit_call(context, graph, 2, in, 2, out, &err), EINJIT_OK);
    ej_print_bytes(&text, (const char *)c, sizeof c);
    einjit_graph *fresh = api_graph(context, program);
    add_report(&text, fresh);
    char *copy = malloc(text.length + 1);
    for (size_t i = 0; i <= text.length; i++) copy[i] = text.data[i] ? text.data[i] : 1; /* results have zero bytes */
    copy[text.length] = 0;
    einjit_graph_destroy(graph);
    einjit_graph_destroy(fresh);
    einjit_context_release(context);
    ej_arena_free(&arena);
    return copy;
}

static void compare_with_c(void)
{
    char *text = write_all();
    size_t n = 0, line = 0;
    while (text[n] && text[n] == everything[n])
        if (text[n++] == '\n') line = n;
    if (text[n] != everything[n]) fail_msg("written as '%.*s'", (int)strcspn(text + line, "\n"), text + line);
    free(text);
}

static void texts_and_results_are_those_of_the_c_locale(void **state)
{
    (void)state;
    static const char *const backends[] = {"interp", "llvm"};
    for (int i = 0; i < 1 + api_has_llvm(); i++) {
        backend = backends[i];
        everything = write_all();
        in_every_locale(compare_with_c);
        free(everything);
    }
}

/* ---- times, which differ from run to run ---- */

static int n_times;

/* A time, behind the last ": " or in front of " us" and " ms", has a point. */
static void look_at(void *user, const char *line)
{
    (void)user;
    const char *unit = strstr(line, " us");
    if (!unit) unit = strstr(line, " ms");
    if (!unit || unit == line || unit[-1] < '0' || unit[-1] > '9') return;
    const char *start = unit;
    while (start > line && start[-1] != ' ') start--;
    n_times++;
    if (!memchr(start, '.', (size_t)(unit - start)) || strspn(start, "0123456789.") != (size_t)(unit - start))
        fail_msg("a time is written as '%s'", line);
}

static void compile_aloud(void)
{
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .log = look_at};
    const einjit_tensor in[] = {F32(NULL, 8, 6), F32(NULL, 6, 4)};
    einjit_context *context;
    einjit_kernel *kernel;
    assert_int_equal(einjit_context_create(&context, &options, &err), EINJIT_OK);
    einjit_graph *graph = api_graph(context, program);
    n_times = 0;
    assert_int_equal(einjit_compile(&kernel, context, graph, 2, in, 0, NULL, NULL, &err), EINJIT_OK);
    assert_true(n_times > 5);
    einjit_kernel_release(kernel);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
}

static void times_have_points(void **state)
{
    (void)state;
    setenv("EINJIT_VERBOSE", "1", 1);
    setenv("EINJIT_DUMP", "time", 1);
    compile_aloud();
    in_every_locale(compile_aloud);
    unsetenv("EINJIT_VERBOSE");
    unsetenv("EINJIT_DUMP");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_points),
        cmocka_unit_test(texts_and_results_are_those_of_the_c_locale),
        cmocka_unit_test(times_have_points),
    };
    return cmocka_run_group_tests(tests, make_locales, remove_locales);
}
