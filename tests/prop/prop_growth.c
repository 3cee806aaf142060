/* prop_growth.c - reading a program takes memory in proportion to its text: twice as many pieces, twice as many bytes
 * asked for, whatever the program is long of. Counted, not timed, so that every run and machine gives the same answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "einjit/einjit.h"

/* head, then `piece` again and again ('#' is its number), `middle`, `second` as often (or NULL), tail. */
typedef struct form {
    const char *head, *piece, *middle, *second, *tail;
} form;

static const form forms[] = {
    /* extents */
    {"def f(a: f32[z]): return a.expand(", "z*", "z, z)", NULL, ""},
    {"def f(a: f32[z]): return a.expand(", "1*z*", "0, z)", NULL, ""},
    {"def f(a: f32[z]): return a.expand(", "(z*z)*", "z, z)", NULL, ""},
    {"def f(a: f32[z]): return a.expand(z*(z*(z*(z*(", "z*", "z)))), z)", NULL, ""},
    {"def f(a: f32[z]): return a.expand(", "z*z*z, ", "z)", NULL, ""},
    {"def f(a: f32[z]): return a.reshape((", "z*", "1,", "1*", "z))"},
    {"def f(", "a#: f32[z#], ", "b): return b.expand(", "z#*", "1)"},
    {"def f(a: f32[", "z#, ", "z]): return a", NULL, ""},
    /* expressions */
    {"def f(a: f32[z]): return ", "a + ", "a", NULL, ""},
    {"def f(a: f32[z]): return ", "-(a**2) + ", "a", NULL, ""},
    {"def f(a: f32[z]): return ", "a*#.5 - ", "a", NULL, ""},
    {"def f(a: f32[z]): return a*(", "2 + ", "1)", NULL, ""},
    {"def f(a: f32[z]): return (\n", "a +\n", "a)", NULL, ""},
    {"def f(a: f32[z]): return ", "((((((((((a)))))))))) + ", "a", NULL, ""},
    {"def f(a: f32[z]): return ", "exp(exp(exp(exp(exp(a))))) + ", "a", NULL, ""},
    {"def f(a: f32[z]): return ", "torch.nn.functional.exp(a) + ", "a", NULL, ""},
    {"def f(a: f32[z]): return a", ".exp()", "", ".softmax(0)", ""},
    {"def f(a: f32[z, 4]): return a", "[:, 0:4]", "", NULL, ""},
    {"def f(a: f32): return a[", "0:4, ", "0]", NULL, ""},
    /* lists */
    {"def f(a: f32[z]): return (", "a, ", "a)", NULL, ""},
    {"def f(a: f32[z]): return ", "a + #, ", "a", NULL, ""},
    {"def f(a: f32[z]): return einsum(\"", "i,", "i->i\"", ", a", ", a)"},
    {"def f(a: f32[z]): return cat([", "a, ", "a])", NULL, ""},
    {"def f(a: f32[z]): return stack([", "a, ", "a], dim=0)", NULL, ""},
    {"def f(a: f32[z]): return split_as(a, [", "a, ", "a], 0, 0)", NULL, ""},
    {"def f(a: f32[z]): return a * tensor([", "[1.5], ", "[1.5]]).sum()", NULL, ""},
    {"def f(a: f32): return a.permute(", "#, ", ")", NULL, ""},
    /* statements and names */
    {"def f(a: f32[z]):\n", "    b# = a + a\n", "    return a", NULL, ""},
    {"def f(a: f32[z]):\n", "    a = einsum(\"i,i->i\", a, a)\n", "    return a", NULL, ""},
    {"def f(a: f32[z]):\n", "    add_# = a\n", "", "    b = (a + a) + a\n", "    return b"},
    {"def f(a: f32[z]):\n    ", "b# = ", "a\n    return a", NULL, ""},
    {"def f(a: f32[z]):\n", "    'said'\n", "    return a", NULL, ""},
    {"def f(", "long_name", "): return ", "long_name", ""},
};
enum { FORMS = sizeof forms / sizeof *forms, PIECES = 2000, DOUBLINGS = 3 }; /* 16,000 at most: extents end at 32,767 */

/* ---- text ---- */

static char text[4 << 20];
static size_t length;

static void add(const char *piece, size_t number)
{
    for (; *piece; piece++) {
        if (*piece == '#') length += (size_t)snprintf(text + length, sizeof text - length, "%zu", number);
        else text[length++] = *piece;
    }
    assert_true(length < sizeof text - 1000);
}

static void write_program(const form *f, size_t pieces)
{
    length = 0;
    add(f->head, 0);
    for (size_t i = 0; i < pieces; i++) add(f->piece, i);
    add(f->middle, 0);
    for (size_t i = 0; i < pieces && f->second; i++) add(f->second, i);
    add(f->tail, 0);
}

/* ---- memory ---- */

static void *counting_alloc(void *user, size_t bytes)
{
    *(size_t *)user += bytes;
    return malloc(bytes);
}

static void counting_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

/* Bytes that were ever asked for while the program was read, printed and hashed. */
static size_t bytes_of(einjit_context *context, const size_t *asked)
{
    einjit_graph *graph = NULL;
    einjit_error err = {0};
    size_t before = *asked;
    if (einjit_graph_parse(&graph, context, text, length, &err) || einjit_graph_freeze(graph, &err))
        fail_msg("%.60s...: %s", text, err.text);
    einjit_graph_destroy(graph);
    return *asked - before;
}

static void memory_grows_as_the_text_does(void **state)
{
    (void)state;
    size_t asked = 0;
    int wrong = 0;
    einjit_allocator allocator = {counting_alloc, counting_release, &asked};
    einjit_options options = {.struct_bytes = sizeof options, .allocator = &allocator, .backend = "interp"};
    einjit_context *context = NULL;
    assert_int_equal(einjit_context_create(&context, &options, NULL), EINJIT_OK);
    for (size_t i = 0; i < FORMS; i++) {
        size_t bytes[DOUBLINGS + 1];
        for (int k = 0; k <= DOUBLINGS; k++) {
            write_program(&forms[i], (size_t)PIECES << k);
            bytes[k] = bytes_of(context, &asked);
        }
        /* Arrays that double and chunks of 1 MiB are steps: 8 times the text is 12 times the memory at most, not 64. */
        if (bytes[DOUBLINGS] <= 12 * bytes[0] && bytes[DOUBLINGS] <= 1000 * length) continue;
        print_error("%.50s %.30s...: %zu bytes for %d pieces, %zu for %d\n", forms[i].head, forms[i].piece, bytes[0],
                    PIECES, bytes[DOUBLINGS], PIECES << DOUBLINGS);
        wrong++;
    }
    einjit_context_release(context);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_grows_as_the_text_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
