/* test_facts_dtype.c - what is known of dtypes before the inputs are seen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

#include "opt.h"

static ej_known_dtype known(graph_fixture *f, ej_value v)
{
    ej_known_dtype *values = ej_facts_dtypes(&f->graph, &f->arena);
    assert_non_null(values);
    return values[v];
}

static void declared_dtypes_promote(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value i = graph_input(&f, EINJIT_I32, 1), s = graph_input(&f, EINJIT_F32, 1),
             b = graph_input(&f, EINJIT_BOOL, 1);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_MUL, i, s)).dtype, EINJIT_F64);
    assert_int_equal(known(&f, graph_einsum(&f, "i,i->", i, b)).dtype, EINJIT_I32);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_EXP, i, -1)).dtype, EINJIT_F64);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_LT, i, s)).dtype, EINJIT_BOOL);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_ADD, s, graph_literal(&f, 2.0))).dtype, EINJIT_F32);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_ADD, i, graph_literal(&f, 2.0))).dtype, EINJIT_F64);
    graph_close(&f);
}

static void what_is_open_is_unknown_or_at_least_inexact(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, 1), s = graph_input(&f, EINJIT_F32, 1), i = graph_input(&f, EINJIT_I32, 1);
    assert_int_equal(known(&f, x).dtype, EJ_DTYPE_UNKNOWN);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_ADD, x, i)).dtype, EJ_DTYPE_UNKNOWN);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_ADD, x, s)).dtype, EJ_DTYPE_INEXACT);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_EXP, x, -1)).dtype, EJ_DTYPE_INEXACT);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_MUL, x, graph_literal(&f, 0.5))).dtype, EJ_DTYPE_INEXACT);
    assert_true(ej_known_inexact(known(&f, s)));
    assert_false(ej_known_inexact(known(&f, x)));
    assert_false(ej_known_inexact(known(&f, i)));
    graph_close(&f);
}

static void literals_are_weak_and_what_is_computed_from_them_is_not(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value a = graph_literal(&f, 2.0), b = graph_map(&f, EJ_FN_MUL, a, a), x = graph_input(&f, EINJIT_F32, 1);
    assert_true(known(&f, a).weak);
    assert_int_equal(known(&f, a).kind, EJ_KIND_FLOAT);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_MUL, a, x)).dtype, EINJIT_F32);
    assert_false(known(&f, b).weak);
    assert_int_equal(known(&f, b).dtype, EINJIT_F64);
    assert_int_equal(known(&f, graph_map(&f, EJ_FN_MUL, b, x)).dtype, EINJIT_F64);
    assert_int_equal(known(&f, graph_einsum(&f, ",->", a, a)).dtype, EINJIT_F64);
    graph_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_dtypes_promote),
        cmocka_unit_test(what_is_open_is_unknown_or_at_least_inexact),
        cmocka_unit_test(literals_are_weak_and_what_is_computed_from_them_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
