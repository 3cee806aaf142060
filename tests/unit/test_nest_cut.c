/* Axes that threads may share: of which every element is computed, and all that it needs read, in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nest_cut.h"
#include "nest_support.h"

/* How many values of the axis make a piece; 0: it cannot be cut. */
static int64_t step_along(const char *text, int32_t axis)
{
    nest_case c;
    int64_t step;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("line %d: %s", (int)c.err.line, c.err.text);
    assert_int_equal(ej_nest_cut_step(&step, &c.nest, axis, &c.arena), EINJIT_OK);
    nest_close(&c);
    return step;
}

#define ROWS "axis z 6 parallel\naxis m 32 parallel\naxis k 32 reduced\n"
/* Of each row of x a sum, and the row divided by it: y may be x where that is `in_place`. */
#define NORMS(x_is) \
    ROWS "buffer x f32 arg 0" x_is "\nbuffer y f32 arg 1\nbuffer t f32 local elems 1\nbuffer acc f32 reg elems 1\n" \
         "loop z step 1\n    place t\n    place acc\n    move acc[]\n        expr $0 = f32 const 0.0\n" \
         "    loop k step 1\n        sum acc[]\n            src x[z: 32, k: 1]\n            expr $0 = f32 src 0\n" \
         "    move t[]\n        src acc[]\n        expr $0 = f32 src 0\n" \
         "    loop m step 16\n        move y[z: 32, m: 1]\n            src x[z: 32, m: 1]\n            src t[]\n" \
         "            expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 div $0 $1\n            tile m lane 16\n"

static void pieces_are_whole_rounds(void **state)
{
    (void)state;
    assert_int_equal(step_along(NORMS(""), 0), 1);
    assert_int_equal(step_along(NORMS(""), 1), 16);
    assert_int_equal(step_along(NORMS(""), 2), 0); /* a sum is one */
}

/* A piece of a row would divide what others still add up. */
static void memory_of_a_result_is_read_by_who_writes_it(void **state)
{
    (void)state;
    assert_int_equal(step_along(NORMS(" in_place"), 0), 1);
    assert_int_equal(step_along(NORMS(" in_place"), 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_whole_rounds),
        cmocka_unit_test(memory_of_a_result_is_read_by_who_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
