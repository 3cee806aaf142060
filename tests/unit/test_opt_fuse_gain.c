/* test_opt_fuse_gain.c - how long it takes to look for what merges (what does: tests/passes/fuse.cases). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

/* Quadratic work would take minutes here. */
static void long_chains_of_all_kinds_are_walked_once(void **state)
{
    (void)state;
    enum { N = 30000 };
    for (int contracts = 0; contracts < 2; contracts++) {
        graph_fixture f;
        graph_open(&f);
        f.job.verify = false;
        ej_value x = graph_input(&f, EINJIT_F64, 2), w = graph_input(&f, EINJIT_F64, 2),
                 s = graph_input(&f, EINJIT_F64, 1), v = x;
        if (contracts) v = graph_einsum(&f, "ij,jk->ik", v, w);
        for (int i = 0; i < N; i++) v = graph_map(&f, EJ_FN_MUL, v, i % 3 ? s : w);
        graph_output(&f, v);
        graph_optimize(&f, "fuse");
        assert_int_equal(graph_count(&f, EJ_OP_EINSUM), contracts);
        assert_true(graph_count(&f, EJ_OP_MAP) == (contracts ? 0 : N));
        graph_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_chains_of_all_kinds_are_walked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
