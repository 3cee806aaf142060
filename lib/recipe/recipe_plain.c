/* recipe_plain.c - any step: lanes where the result has unit stride, settle does the rest.
 */
#include "recipe.h"

static bool matches(const ej_schedule *s)
{
    (void)s;
    return true;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    (void)s;
    (void)out;
    return 1;
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    const ej_statement *st = &s->statements[0];
    ej_tile tile = {0};
    (void)numbers;
    for (int32_t t = 0; t < st->out.n_terms; t++) {
        int32_t axis = st->out.terms[t].axis;
        if (!ej_size_is(st->out.terms[t].stride, 1) || ej_statement_has_table(st, axis)) continue;
        ej_tile_add(&tile, axis, ej_rule_lanes(s, st, ej_schedule_range(s, -1, axis)), EJ_LANE);
        break;
    }
    if (tile.n) ej_do_tile(s, 0, tile);
}

const ej_script ej_script_plain = {"plain", matches, NULL, params, run};
