/* test_graph_equation.c - equations read from text and from integers, and every reason for which one is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "graph_support.h"

enum { ANY = -1 }; /* number of operands is not known */

static ej_arena arena;

static int open_arena(void **state)
{
    (void)state;
    ej_arena_init(&arena, &ej_malloc_allocator);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    ej_arena_free(&arena);
    return 0;
}

static int parse(ej_equation *out, const char *text, int n_operands, einjit_error *err)
{
    return ej_equation_parse(out, &arena, text, strlen(text), n_operands == ANY ? SIZE_MAX : (size_t)n_operands, err);
}

static const char *print(const ej_equation *equation)
{
    ej_text text;
    ej_text_init(&text, &arena);
    ej_equation_print(&text, equation);
    assert_false(text.failed);
    return text.data;
}

/* ---- what is accepted ---- */

static const struct {
    const char *text, *printed;
} accepted[] = {
    {"ij,jk->ik", "ij,jk->ik"},
    {"ij,jk", "ij,jk->ik"},
    {"ba", "ba->ab"},
    {"bA", "bA->Ab"},
    {"ii", "ii->"},
    {"ii->i", "ii->i"},
    {"", "->"},
    {"->", "->"},
    {",", ",->"},
    {" , ", ",->"},
    {" i , j -> i j ", "i,j->ij"},
    {"i\xC2\xA0,\xE3\x80\x80j", "i,j->ij"},
    {"...", "...->..."},
    {"...,...", "...,...->..."},
    {"b...a,...c", "b...a,...c->...abc"},
    {"...i->i", "...i->i"},
    {"ij->...ij", "ij->...ij"},
    {"i...->...", "i...->..."},
    {"...a -> ...a", "...a->...a"},
    {"\xCE\xB2\xCE\xB1", "\xCE\xB2\xCE\xB1->\xCE\xB1\xCE\xB2"},
    {"c\xCE\xB2"
     "a",
     "c\xCE\xB2"
     "a->ac\xCE\xB2"},
    {"\xF0\x9F\x98\x80i->\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80i->\xF0\x9F\x98\x80"},
};

static void valid_equations_print_with_their_output(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        ej_equation equation;
        einjit_error err;
        if (parse(&equation, accepted[i].text, ANY, &err)) fail_msg("'%s': %s", accepted[i].text, err.text);
        assert_string_equal(print(&equation), accepted[i].printed);
    }
}

static void ids_are_dense_in_order_of_appearance(void **state)
{
    (void)state;
    ej_equation e;
    assert_int_equal(parse(&e, "za,a...q->qz", 2, NULL), EINJIT_OK);
    assert_int_equal(e.n_labels, 3);
    assert_int_equal(e.symbols[0], 'z');
    assert_int_equal(e.symbols[1], 'a');
    assert_int_equal(e.symbols[2], 'q');
    assert_int_equal(e.terms[1].n, 3);
    assert_int_equal(e.terms[1].labels[0], 1);
    assert_int_equal(e.terms[1].labels[1], EJ_ELLIPSIS);
    assert_int_equal(e.terms[1].labels[2], 2);
    assert_int_equal(e.out.n, 2);
    assert_int_equal(e.out.labels[0], 2);
    assert_int_equal(e.out.labels[1], 0);
}

/* ---- what is refused ---- */

static const struct {
    const char *text;
    int n_operands, reason;
    int column; /* 0: no place */
} refused[] = {
    {"i%...", 1, EINJIT_E_BAD_CHAR, 2},
    {"i0", 1, EINJIT_E_BAD_CHAR, 2},
    {"(ij)", 1, EINJIT_E_BAD_CHAR, 1},
    {"i\x01", 1, EINJIT_E_BAD_CHAR, 2},
    {"i\xC2\x80", 1, EINJIT_E_BAD_CHAR, 2},
    {"i\t->i", 1, EINJIT_E_BAD_CHAR, 2},
    {"\ni", 1, EINJIT_E_BAD_CHAR, 1},
    {"i, \r", 2, EINJIT_E_BAD_CHAR, 4},
    {"i\xC2\x85", 1, EINJIT_E_BAD_CHAR, 2},
    {"i\xE2\x80\xA8j", 1, EINJIT_E_BAD_CHAR, 2},
    {"i\xC3", 1, EINJIT_E_BAD_CHAR, 2},
    {"i\xED\xA0\x80", 1, EINJIT_E_BAD_CHAR, 2},
    {"i..", 1, EINJIT_E_BAD_ELLIPSIS, 2},
    {"....", 1, EINJIT_E_BAD_ELLIPSIS, 4},
    {". ..", 1, EINJIT_E_BAD_ELLIPSIS, 1},
    {"... ...", 1, EINJIT_E_BAD_ELLIPSIS, 5},
    {"i...j...", 1, EINJIT_E_BAD_ELLIPSIS, 6},
    {"i->......", 1, EINJIT_E_BAD_ELLIPSIS, 7},
    {"i-", 1, EINJIT_E_BAD_ARROW, 2},
    {"i>", 1, EINJIT_E_BAD_ARROW, 2},
    {"i- >i", 1, EINJIT_E_BAD_ARROW, 2},
    {"i->i->i", 1, EINJIT_E_BAD_ARROW, 5},
    {"-> ->", 1, EINJIT_E_BAD_ARROW, 4},
    {"i->,", 1, EINJIT_E_COMMA_IN_OUTPUT, 4},
    {"i->i,i", 1, EINJIT_E_COMMA_IN_OUTPUT, 5},
    {"ij->jij", 1, EINJIT_E_OUT_REPEAT, 7},
    {"i->i j", 1, EINJIT_E_OUT_UNKNOWN, 6},
    {"->i", 1, EINJIT_E_OUT_UNKNOWN, 3},
    {"", 0, EINJIT_E_NO_OPERANDS, 0},
    {"i", 0, EINJIT_E_NO_OPERANDS, 0},
    {"", 2, EINJIT_E_OPERAND_COUNT, 0},
    {"i,,j", 2, EINJIT_E_OPERAND_COUNT, 0},
    {"i,j", 1, EINJIT_E_OPERAND_COUNT, 0},
    /* several faults: the first kind counts, wherever it stands */
    {"->..->,aa%", 7, EINJIT_E_BAD_CHAR, 10},
    {"->->,aa..", 7, EINJIT_E_BAD_ELLIPSIS, 8},
    {"->,aa->", 7, EINJIT_E_BAD_ARROW, 6},
    {"->aa,", 7, EINJIT_E_COMMA_IN_OUTPUT, 5},
    {"->bcc", 7, EINJIT_E_OUT_REPEAT, 5},
    {"i->b", 0, EINJIT_E_OUT_UNKNOWN, 4},
};

static void invalid_equations_are_refused_with_reason_and_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        ej_equation equation;
        einjit_error err = {0};
        int status = parse(&equation, refused[i].text, refused[i].n_operands, &err);
        if (status != refused[i].reason || err.code != status || err.column != refused[i].column || !err.text[0])
            fail_msg("'%s': %s at %d: %s", refused[i].text, einjit_status_name(status), (int)err.column, err.text);
        assert_int_equal(parse(&equation, refused[i].text, refused[i].n_operands, NULL), refused[i].reason);
    }
}

static void messages_name_the_fault(void **state)
{
    (void)state;
    ej_equation e;
    einjit_error err;
    parse(&e, "i;j", 1, &err);
    assert_string_equal(err.text, "';' cannot be a label: labels are letters");
    parse(&e, "i\xFFj", 1, &err);
    assert_string_equal(err.text, "byte 0xff is not UTF-8");
    parse(&e, "ij->jij", 1, &err);
    assert_string_equal(err.text, "label 'j' is given twice in the output");
    parse(&e, "i->\xCE\xB1", 1, &err);
    assert_string_equal(err.text, "label '\xCE\xB1' of the output is in no operand");
    parse(&e, "i,j", 1, &err);
    assert_string_equal(err.text, "the equation has 2 terms but 1 operand was given");
}

static void a_zero_byte_inside_is_no_label(void **state)
{
    (void)state;
    ej_equation e;
    assert_int_equal(ej_equation_parse(&e, &arena, "i\0j", 3, 1, NULL), EINJIT_E_BAD_CHAR);
}

/* ---- integers ---- */

static void integer_labels_print_as_letters(void **state)
{
    (void)state;
    ej_equation e;
    const int32_t ranks[] = {2, 2}, labels[] = {70, 9, 9, 2000000000}, out[] = {2000000000, 70};
    assert_int_equal(ej_equation_from_labels(&e, &arena, 2, ranks, labels, 2, out, NULL), EINJIT_OK);
    assert_true(e.integer_labels);
    assert_int_equal(e.n_labels, 3);
    assert_int_equal(e.symbols[2], 2000000000);
    assert_string_equal(print(&e), "ab,bc->ca");
    ej_text text;
    ej_text_init(&text, &arena);
    ej_label_print(&text, &e, 2);
    ej_print(&text, " ");
    ej_label_print(&text, &e, EJ_ELLIPSIS);
    assert_string_equal(text.data, "2000000000 ...");
}

static void integer_labels_are_checked(void **state)
{
    (void)state;
    ej_equation e;
    const int32_t rank1[] = {1}, bad_rank[] = {-1}, zero[] = {0}, minus[] = {-1}, twice[] = {0, 0}, other[] = {5};
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, rank1, minus, 0, NULL, NULL), EINJIT_E_BAD_CHAR);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, rank1, zero, 1, minus, NULL), EINJIT_E_BAD_CHAR);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, rank1, zero, 2, twice, NULL), EINJIT_E_OUT_REPEAT);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, rank1, zero, 1, other, NULL), EINJIT_E_OUT_UNKNOWN);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 0, NULL, NULL, 0, NULL, NULL), EINJIT_E_NO_OPERANDS);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, bad_rank, zero, 0, NULL, NULL), EINJIT_E_VALUE);
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, rank1, zero, -1, NULL, NULL), EINJIT_E_VALUE);
}

static void many_integer_labels_can_be_read_back(void **state)
{
    (void)state;
    enum { N = 70000 };
    int32_t *ranks = calloc(N, sizeof *ranks), *labels = calloc(2 * N, sizeof *labels);
    for (int32_t t = 0; t < N; t++) {
        ranks[t] = 2;
        labels[2 * t] = 3 * t;
        labels[2 * t + 1] = 3 * t + 3;
    }
    ej_equation e, back;
    const int32_t out[] = {3 * N, 0};
    assert_int_equal(ej_equation_from_labels(&e, &arena, N, ranks, labels, 2, out, NULL), EINJIT_OK);
    assert_int_equal(e.n_labels, N + 1);
    const char *text = print(&e);
    assert_int_equal(parse(&back, text, N, NULL), EINJIT_OK);
    assert_int_equal(back.n_labels, N + 1);
    assert_string_equal(print(&back), text);
    assert_int_equal(back.out.labels[0], N);
    free(ranks);
    free(labels);
}

/* ---- size ---- */

static void a_hundred_thousand_terms_with_implicit_output_parse(void **state)
{
    (void)state;
    enum { N = 100000, LABELS = 20000 };
    ej_text text;
    ej_text_init(&text, &arena);
    for (int t = 0; t < N; t++) {
        if (t) ej_print(&text, ",");
        ej_print_code_point(&text, ej_label_code_point(52 + (t * 7) % LABELS));
        ej_print_code_point(&text, ej_label_code_point(52 + (t * 11 + 1) % LABELS));
    }
    ej_print(&text, ",zy");
    ej_equation e;
    assert_int_equal(ej_equation_parse(&e, &arena, text.data, text.length, N + 1, NULL), EINJIT_OK);
    assert_int_equal(e.n_labels, LABELS + 2);
    assert_int_equal(e.out.n, 2);
    assert_int_equal(e.symbols[e.out.labels[0]], 'y');
    assert_int_equal(e.symbols[e.out.labels[1]], 'z');
}

static void too_many_labels_are_refused(void **state)
{
    (void)state;
    int32_t n = EJ_MAX_LABELS + 1, *labels = calloc((size_t)n, sizeof *labels);
    for (int32_t i = 0; i < n; i++) labels[i] = i;
    ej_equation e;
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, &n, labels, 0, NULL, NULL), EINJIT_E_LIMIT);
    n--;
    assert_int_equal(ej_equation_from_labels(&e, &arena, 1, &n, labels, 0, NULL, NULL), EINJIT_OK);
    free(labels);
}

static void every_lack_of_memory_is_reported_and_nothing_leaks(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        ej_arena own;
        ej_equation e;
        graph_memory_init(&memory, fail_at);
        ej_arena_init(&own, &memory.hooks);
        status = ej_equation_parse(&e, &own, "a...b,bc", 8, 2, NULL);
        if (!status) status = ej_equation_parse(&e, &own, "ab,bc->ca", 9, 2, NULL);
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        ej_arena_free(&own);
        assert_int_equal(memory.live_bytes, 0);
        assert_true(fail_at < 1000);
    }
}

/* ---- the shared cases ---- */

static FILE *open_cases(void)
{
    char path[4096];
    const char *folder = getenv("EINJIT_SHARED");
    if (folder) snprintf(path, sizeof path, "%s/data/conformance.jsonl", folder);
    else snprintf(path, sizeof path, "%s/../shared/data/conformance.jsonl", EINJIT_TEST_SOURCE);
    return fopen(path, "r");
}

/* Reasons that need extents belong to bind. */
static bool needs_extents(const char *reason)
{
    return !strcmp(reason, "E_DIM") || !strcmp(reason, "E_DIM_DIAG") || !strcmp(reason, "E_BROADCAST");
}

static const char *reason_of(json_t *test)
{
    json_t *shapes = json_object_get(test, "shapes");
    size_t n = json_array_size(shapes);
    ej_equation equation;
    ej_subscripts subscripts;
    int32_t ranks[64];
    assert_true(n <= 64);
    for (size_t t = 0; t < n; t++) ranks[t] = (int32_t)json_array_size(json_array_get(shapes, t));
    int status = parse(&equation, json_string_value(json_object_get(test, "equation")), (int)n, NULL);
    if (!status) status = ej_equation_resolve(&subscripts, &arena, &equation, ranks, NULL);
    if (!status && json_is_true(json_object_get(test, "valid")) &&
        subscripts.out.n != json_array_size(json_object_get(test, "out_shape")))
        return "another rank of the output";
    return einjit_status_name(status);
}

static void the_shared_cases_have_their_reasons(void **state)
{
    (void)state;
    FILE *file = open_cases();
    if (!file) {
        print_message("no data/conformance.jsonl: skipped\n");
        skip();
    }
    static char line[1 << 16];
    int n = 0, n_invalid = 0;
    for (; fgets(line, sizeof line, file); n++) {
        json_t *test = json_loads(line, 0, NULL);
        assert_non_null(test);
        const char *reason = json_string_value(json_object_get(test, "reason"));
        bool valid = json_is_true(json_object_get(test, "valid")) || needs_extents(reason);
        const char *got = reason_of(test);
        if (strcmp(got, valid ? "OK" : reason))
            fail_msg("'%s': %s for %s", json_string_value(json_object_get(test, "equation")), got,
                     valid ? "OK" : reason);
        n_invalid += !valid;
        json_decref(test);
    }
    fclose(file);
    assert_true(n >= 1500 && n_invalid >= 140);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(valid_equations_print_with_their_output, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(ids_are_dense_in_order_of_appearance, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(invalid_equations_are_refused_with_reason_and_place, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(messages_name_the_fault, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_zero_byte_inside_is_no_label, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(integer_labels_print_as_letters, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(integer_labels_are_checked, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(many_integer_labels_can_be_read_back, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_terms_with_implicit_output_parse, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(too_many_labels_are_refused, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(every_lack_of_memory_is_reported_and_nothing_leaks, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(the_shared_cases_have_their_reasons, open_arena, close_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
