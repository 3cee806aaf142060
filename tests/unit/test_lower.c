/* Machine code says the same as the interpreter: the trees of DESIGN.md section 11 written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lower_support.h"

static void golden(const char *name, size_t n, const int64_t *symbols, double tolerance)
{
    nest_case c;
    nest_open(&c);
    char *text = nest_file(&c, name);
    assert_non_null(text);
    lower_agree(text, n, symbols, tolerance);
    nest_close(&c);
}

static void packed_gemm(void **state)
{
    (void)state;
    golden("gemm", 0, NULL, 0);
}

static void lanes_over_two_axes(void **state)
{
    (void)state;
    golden("batch4", 0, NULL, 0);
}

static void permutation_through_a_register_tile(void **state)
{
    (void)state;
    golden("permute", 0, NULL, 0);
}

static void chain_with_a_register_intermediate(void **state)
{
    (void)state;
    golden("chain", 0, NULL, 0);
}

static void list_of_nonzeros_through_tables(void **state)
{
    (void)state;
    golden("clebsch_gordan", 0, NULL, 0);
}

static void attention_in_one_nest(void **state)
{
    (void)state;
    golden("attention", 0, NULL, 1e-5);
}

static void open_edges_gather_and_scatter(void **state)
{
    (void)state;
    static const int64_t edges[] = {0, 1, 2, 7, 40, 41};
    golden("messages", 6, edges, 0);
}

static void open_extent_in_lanes_strides_and_offsets(void **state)
{
    (void)state;
    static const int64_t z[] = {0, 1, 5, 7, 8, 9, 16, 23, 100};
    golden("open", 9, z, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_gemm),
        cmocka_unit_test(lanes_over_two_axes),
        cmocka_unit_test(permutation_through_a_register_tile),
        cmocka_unit_test(chain_with_a_register_intermediate),
        cmocka_unit_test(list_of_nonzeros_through_tables),
        cmocka_unit_test(attention_in_one_nest),
        cmocka_unit_test(open_edges_gather_and_scatter),
        cmocka_unit_test(open_extent_in_lanes_strides_and_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
