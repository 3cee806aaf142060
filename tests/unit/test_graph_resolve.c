/* test_graph_resolve.c - equations for given ranks: what an ellipsis stands for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"

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

static int resolve(ej_subscripts *out, const char *text, const int32_t *ranks, einjit_error *err)
{
    ej_equation equation;
    assert_int_equal(ej_equation_parse(&equation, &arena, text, strlen(text), SIZE_MAX, NULL), EINJIT_OK);
    return ej_equation_resolve(out, &arena, &equation, ranks, err);
}

static void assert_labels(const ej_term *term, size_t n, const int32_t *labels)
{
    assert_int_equal(term->n, n);
    if (n) assert_memory_equal(term->labels, labels, n * sizeof *labels);
}

static void ellipses_are_aligned_at_the_right(void **state)
{
    (void)state;
    ej_subscripts s;
    assert_int_equal(resolve(&s, "...i,...i,->...", (int32_t[]){3, 2, 0}, NULL), EINJIT_OK);
    assert_int_equal(s.n_labels, 3);
    assert_labels(&s.terms[0], 3, (int32_t[]){1, 2, 0});
    assert_labels(&s.terms[1], 2, (int32_t[]){2, 0});
    assert_labels(&s.terms[2], 0, NULL);
    assert_labels(&s.out, 2, (int32_t[]){1, 2});
}

static void an_ellipsis_may_stand_in_the_middle_or_for_nothing(void **state)
{
    (void)state;
    ej_subscripts s;
    assert_int_equal(resolve(&s, "i...j->j...i", (int32_t[]){4}, NULL), EINJIT_OK);
    assert_labels(&s.terms[0], 4, (int32_t[]){0, 2, 3, 1});
    assert_labels(&s.out, 4, (int32_t[]){1, 2, 3, 0});
    assert_int_equal(resolve(&s, "i...j->j...i", (int32_t[]){2}, NULL), EINJIT_OK);
    assert_labels(&s.out, 2, (int32_t[]){1, 0});
    assert_int_equal(resolve(&s, "ij->...ij", (int32_t[]){2}, NULL), EINJIT_OK);
    assert_labels(&s.out, 2, (int32_t[]){0, 1});
}

static void an_ellipsis_left_out_of_the_output_is_summed(void **state)
{
    (void)state;
    ej_subscripts s;
    assert_int_equal(resolve(&s, "...i->i", (int32_t[]){3}, NULL), EINJIT_OK);
    assert_int_equal(s.n_labels, 3);
    assert_labels(&s.out, 1, (int32_t[]){0});
}

static void wrong_ranks_name_the_operand(void **state)
{
    (void)state;
    ej_subscripts s;
    einjit_error err;
    assert_int_equal(resolve(&s, "ij,jk->ik", (int32_t[]){2, 3}, &err), EINJIT_E_RANK);
    assert_string_equal(err.text, "operand 1 has 3 axes but its term 'jk' names 2");
    assert_int_equal(resolve(&s, "i,j...k", (int32_t[]){1, 1}, &err), EINJIT_E_RANK);
    assert_string_equal(err.text, "operand 1 has 1 axis but its term 'j...k' names at least 2");
    assert_int_equal(resolve(&s, "", (int32_t[]){1}, &err), EINJIT_E_RANK);
    assert_int_equal(resolve(&s, "i", (int32_t[]){0}, NULL), EINJIT_E_RANK);
    assert_int_equal(resolve(&s, "...", (int32_t[]){-1}, NULL), EINJIT_E_RANK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ellipses_are_aligned_at_the_right, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(an_ellipsis_may_stand_in_the_middle_or_for_nothing, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(an_ellipsis_left_out_of_the_output_is_summed, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(wrong_ranks_name_the_operand, open_arena, close_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
