/* Whole programs: golden ones print as they were reviewed and reach a fixed point; damaged texts are refused or read,
 * never worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"

#ifndef EINJIT_TEST_SOURCE
#define EINJIT_TEST_SOURCE "."
#endif

/* What is printed parses, and prints the same. */
static void check_fixed_point(const ej_graph *g, const char *what)
{
    ej_arena arena;
    ej_text first, second;
    ej_graph h;
    einjit_error err;
    if (ej_graph_verify(g, &err)) fail_msg("%s: %s", what, err.text);
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&first, &arena);
    ej_text_init(&second, &arena);
    ej_graph_print(&first, g);
    if (ej_graph_parse(&h, &ej_malloc_allocator, first.data, first.length, &err))
        fail_msg("%s: %d:%d %s\n%s", what, (int)err.line, (int)err.column, err.text, first.data);
    ej_graph_print(&second, &h);
    assert_string_equal(first.data, second.data);
    ej_graph_free(&h);
    ej_arena_free(&arena);
}

/* ---- golden programs ---- */

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *bytes = calloc(1, 100000);
    assert_non_null(bytes);
    *length = fread(bytes, 1, 99999, file);
    fclose(file);
    return bytes;
}

static void check_printed(const char *name, const char *path, const ej_text *printed, const char *want)
{
    if (want && getenv("EINJIT_BLESS")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(printed->data, 1, printed->length, file), printed->length);
        fclose(file);
    } else if (want && strcmp(want, printed->data)) {
        fail_msg("%s prints as\n%s\nnot as\n%s", name, printed->data, want);
    }
}

/* A fixed point; and, where it stands beside the program as name.print, that text. EINJIT_BLESS=1 writes it anew. */
static int check_golden(const char *name)
{
    char path[500];
    size_t length = 0, want_length = 0;
    einjit_error err;
    ej_graph g;
    ej_arena arena;
    ej_text printed;
    snprintf(path, sizeof path, "%s/tests/golden/%s", EINJIT_TEST_SOURCE, name);
    char *text = read_file(path, &length);
    assert_non_null(text);
    if (ej_graph_parse(&g, &ej_malloc_allocator, text, length, &err)) fail_msg("%s: %s", name, err.text);
    check_fixed_point(&g, name);
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&printed, &arena);
    ej_graph_print(&printed, &g);
    memcpy(path + strlen(path) - 3, "print", 6);
    char *want = read_file(path, &want_length);
    int found = want != NULL;
    check_printed(name, path, &printed, want);
    free(want);
    free(text);
    ej_arena_free(&arena);
    ej_graph_free(&g);
    return found;
}

static void golden_programs_print_as_reviewed(void **state)
{
    (void)state;
    int n = 0;
    DIR *folder = opendir(EINJIT_TEST_SOURCE "/tests/golden");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || length > 200 || strcmp(entry->d_name + length - 4, ".ein")) continue;
        n += check_golden(entry->d_name);
    }
    closedir(folder);
    assert_true(n >= 8);
}

/* ---- damaged texts ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t damage(uint64_t *state, char *text, size_t n, size_t room_for, const char *other, size_t other_length)
{
    static const char bytes[] = "()[]{},:;.=<>+-*/@'\"\\#\n\t 019ejx_\xce\xff";
    size_t at = n ? next_random(state) % n : 0, from = next_random(state) % other_length;
    size_t k = 1 + next_random(state) % 20;
    switch (next_random(state) % 5) {
    case 0: /* another byte */
        if (n) text[at] = bytes[next_random(state) % sizeof bytes];
        return n;
    case 1: /* some bytes less */
        if (k > n - at) k = n - at;
        memmove(text + at, text + at + k, n - at - k);
        return n - k;
    case 2: return at; /* the end is missing */
    case 3:            /* a piece of another program more */
        if (k > other_length - from) k = other_length - from;
        if (n + k > room_for) return n;
        memmove(text + at + k, text + at, n - at);
        memcpy(text + at, other + from, k);
        return n + k;
    default:
        if (n) text[at] = (char)next_random(state);
        return n;
    }
}

static const char *const seeds[] = {
    ("def f(a: f32[z, i, j], b: any[z, :, 4], s: f32[()], src: i64[e:]):\n"
     "    'text'\n"
     "    x = einsum(\"zij,zjk,->zik\", a, b, s) * -2.5e-3 / 3j + 0x1F  # comment\n"
     "    y = x.reshape(z*i, -1)[:, None, ..., 1:2:3][src].sum(dim=(0, -1), keepdim=True)\n"
     "    w = structural(tensor([[1.0, 0.0], [0.0, 1.0]], dtype=f64))\n"
     "    y = torch.where(y >= 0, y ** 2, float('-inf')); t = tensordot(a, b, dims=([1], [2]))\n"
     "    return y @ w, (t.to(torch.float16)), index_add(z, 0, src, y), layer_norm(y, (i, 4), eps=1e-6)\n"),
    "def g(x, y): return cat([x, -y.permute(1, 0)], dim=1).expand((2, 3)).softmax(-1) == complex(1.0, -0.0) // 7,\n",
    ("def h(v: c64[n]):\n    k = tensor([[1, 2, 3], [4, 5, 6]], dtype=i32); e = empty((0, 3))\n\n"
     "    return einsum('...i,ij->...j', [v, k], reduce='max', combine='add'), div(v, 2, rounding_mode='trunc'), "
     "e[()]\n")};
enum { N_SEEDS = sizeof seeds / sizeof *seeds };

enum { ROOM = 4000 };

/* A text that was damaged one to four times; its bytes are all its block has, so that a read behind the end is seen. */
static char *damaged_text(uint64_t seed, size_t *length)
{
    static char text[ROOM];
    uint64_t random = seed;
    const char *source = seeds[seed % N_SEEDS], *other = seeds[next_random(&random) % N_SEEDS];
    size_t n = strlen(source);
    memcpy(text, source, n);
    for (uint64_t k = next_random(&random) % 4; k < 4; k++) n = damage(&random, text, n, ROOM, other, strlen(other));
    char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, text, n);
    *length = n;
    return exact;
}

static void check_refusal(int status, const einjit_error *err)
{
    assert_int_equal(err->code, status);
    assert_int_not_equal(status, EINJIT_E_INTERNAL);
    assert_int_not_equal(status, EINJIT_E_NOMEM);
    assert_true(err->line >= 1 && err->column >= 1 && err->caret >= 0 && err->text[0]);
    assert_true((size_t)err->caret < sizeof err->source);
}

static void damaged_texts_are_refused_or_read(void **state)
{
    (void)state;
    size_t n_read = 0, length;
    for (uint64_t seed = 1; seed <= 30000; seed++) {
        char what[40], *text = damaged_text(seed, &length);
        einjit_error err = {0};
        ej_graph g;
        snprintf(what, sizeof what, "seed %d", (int)seed);
        int status = ej_graph_parse(&g, &ej_malloc_allocator, text, length, &err);
        if (status == EINJIT_OK) {
            check_fixed_point(&g, what);
            ej_graph_free(&g);
            n_read++;
        } else {
            check_refusal(status, &err);
        }
        free(text);
    }
    assert_true(n_read > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_programs_print_as_reviewed),
        cmocka_unit_test(damaged_texts_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
