/* test_job.c - stages by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job.h"

static void names_lead_back_to_their_stage(void **state)
{
    (void)state;
    for (int stage = 0; stage < EJ_STAGE_COUNT; stage++) {
        const char *name = ej_stage_name(stage);
        assert_int_equal(ej_stage_by_name(name, strlen(name)), stage);
    }
    assert_int_equal(ej_stage_by_name("pla", 3), -1);
    assert_int_equal(ej_stage_by_name("planned", 7), -1);
    assert_string_equal(ej_stage_name(-1), "?");
    assert_string_equal(ej_stage_name(EJ_STAGE_COUNT), "?");
}

static void lists_become_masks(void **state)
{
    (void)state;
    assert_int_equal(ej_stage_mask(NULL), 0);
    assert_int_equal(ej_stage_mask(""), 0);
    assert_int_equal(ej_stage_mask("plan"), 1u << EJ_STAGE_PLAN);
    assert_int_equal(ej_stage_mask("plan,nest"), 1u << EJ_STAGE_PLAN | 1u << EJ_STAGE_NEST);
    assert_int_equal(ej_stage_mask("opt+"), 1u << EJ_STAGE_PASSES);
    assert_int_equal(ej_stage_mask("opt,stats"), 1u << EJ_STAGE_OPT | 1u << EJ_STAGE_STATS);
    assert_int_equal(ej_stage_mask(" ir, asm ,"), 1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM);
    assert_int_equal(ej_stage_mask("all"), (1u << EJ_STAGE_COUNT) - 1);
}

static void unknown_words_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(ej_stage_mask("tape,key,,opt"), 1u << EJ_STAGE_KEY | 1u << EJ_STAGE_OPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_back_to_their_stage),
        cmocka_unit_test(lists_become_masks),
        cmocka_unit_test(unknown_words_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
