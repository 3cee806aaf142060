/* recipe_small.c - batches of products that a few registers hold: one vector has lanes along rows and columns of the
 * result.
 *
 * Takes  a sum of products of two operands: one axis of rows, one of columns, one that is summed, all three short;
 *        batches of any number, also gathered and scattered ones. The result lies row by row.
 * Gives  for each product both operands in registers, loaded as they lie; for each term shuffles bring the values of
 *        both to the lanes that take them.
 */
#include "recipe.h"

enum { SMALL_MOST = 8, SMALL_MATRIX = 64 }; /* extent of columns and terms; elements of the result and of the left */

typedef struct small {
    int32_t left, right, row, column, depth;
} small;

static bool find(const ej_schedule *s, small *p)
{
    const ej_statement *st = &s->statements[0];
    int32_t n_rows = 0, n_depths = 0;
    *p = (small){0};
    if (st->reduce != EINJIT_REDUCE_SUM || st->n_src != 2) return false;
    p->column = ej_access_unit_axis(&st->out);
    if (p->column < 0) return false;
    p->right = ej_access_find(&st->src[0], p->column) ? 0 : 1;
    p->left = 1 - p->right;
    if (ej_access_find(&st->src[p->left], p->column) || !ej_access_find(&st->src[p->right], p->column)) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool in_left = ej_access_find(&st->src[p->left], a), in_right = ej_access_find(&st->src[p->right], a);
        bool out = ej_access_find(&st->out, a);
        if (!in_left && !in_right) return false;
        if (in_left && in_right && out) continue; /* a batch */
        if (ej_statement_has_table(st, a)) return false;
        if (a == p->column) continue;
        if (!in_left || (!in_right && !out)) return false;
        if (out) {
            n_rows++;
            p->row = a;
        } else {
            n_depths++;
            p->depth = a;
        }
    }
    if (n_rows != 1 || n_depths != 1 || s->n_axes < 4) return false;
    ej_size rows = s->axes[p->row].extent, columns = s->axes[p->column].extent, depth = s->axes[p->depth].extent;
    if (rows.e || columns.e || depth.e || rows.n < 1 || columns.n < 1 || depth.n < 1) return false;
    if (columns.n > SMALL_MOST || depth.n > SMALL_MOST) return false;
    if (rows.n > SMALL_MATRIX / (columns.n > depth.n ? columns.n : depth.n)) return false;
    return ej_access_find(&st->out, p->row)->stride.n == columns.n;
}

/* How many rows of the result fit side by side into a register; 0: no whole number of them, or the last register has
 * fewer. */
static int32_t row_lanes(const ej_schedule *s, const small *p)
{
    int64_t rows = s->axes[p->row].extent.n, columns = s->axes[p->column].extent.n;
    int32_t vector = ej_rule_vector(s, &s->statements[0]);
    if (columns < 2 || vector % columns || columns >= vector) return 0;
    int32_t lanes = (int32_t)(vector / columns);
    return rows % lanes == 0 ? lanes : 0;
}

static bool matches(const ej_schedule *s)
{
    small p;
    return find(s, &p) && row_lanes(s, &p) > 1 && !ej_dtype_is_complex(ej_statement_dtype(&s->statements[0]));
}

/* Rows of up to 128 bits are spread over the lanes by shuffles of whole blocks; longer ones are as well off in
 * registers of their own (8x8x8 f32 on Zen 4: 156 us here, 106 by recipe_batched.c). */
static int pays(const ej_schedule *s)
{
    small p;
    if (!find(s, &p)) return EJ_PAYS_NOT;
    int64_t bytes = s->axes[p.column].extent.n * ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    return bytes <= 16 ? EJ_PAYS_SURELY : EJ_PAYS_PERHAPS;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    (void)s;
    (void)out;
    return 1;
}

/* Stages an operand in registers; where vectors of whole rows cover it, it is loaded in those. */
static int32_t load(ej_schedule *s, int32_t at, int32_t source, int32_t slow, int32_t fast)
{
    ej_layout layout = {.n = 2, .digits = {{slow, 0, 0}, {fast, 0, 0}}};
    int32_t copy = ej_do_stage(s, at, 0, source, EJ_HOME_REG, layout);
    int64_t n_slow = s->axes[slow].extent.n, n_fast = s->axes[fast].extent.n,
            vector = ej_rule_vector(s, &s->statements[0]);
    int64_t lanes = n_fast < vector ? vector / n_fast : 1;
    if (s->failed || vector % n_fast || n_slow % lanes) return copy;
    ej_tile tile = {0};
    ej_tile_add(&tile, slow, n_slow / lanes, EJ_UNROLL);
    ej_tile_add(&tile, slow, lanes, EJ_LANE);
    ej_tile_add(&tile, fast, n_fast, EJ_LANE);
    ej_do_tile(s, copy, tile);
    return copy;
}

static void run(ej_schedule *s, const int64_t *numbers)
{
    small p = {0};
    ej_tile tile = {0};
    int32_t at = EJ_AT_ROOT;
    (void)numbers;
    if (!find(s, &p)) return;
    int64_t lanes = row_lanes(s, &p);
    if (lanes < 2) return;
    ej_tile_add(&tile, p.depth, s->axes[p.depth].extent.n, EJ_UNROLL);
    ej_tile_add(&tile, p.row, s->axes[p.row].extent.n / lanes, EJ_UNROLL);
    ej_tile_add(&tile, p.row, lanes, EJ_LANE);
    ej_tile_add(&tile, p.column, s->axes[p.column].extent.n, EJ_LANE);
    ej_do_tile(s, 0, tile);
    for (int32_t a = 0; a < s->n_axes; a++)
        if (a != p.row && a != p.column && a != p.depth) at = ej_do_loop(s, 0, a, 1);
    load(s, at, p.left, p.row, p.depth);
    if (!s->failed) load(s, at, p.right, p.depth, p.column);
}

const ej_script ej_script_small = {"small", matches, pays, params, run};
