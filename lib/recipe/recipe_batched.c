/* recipe_batched.c - batches of small products of matrices: everything that one of them touches stays in the L1.
 *
 * Takes  a sum of products of two operands (recipe_product.h) with any number of batch axes, which may be open.
 * Gives  for each product of the batch register tiles that are as wide as rows of the result, as far as registers go:
 *        then operands and result are read and written in the order in which they lie, which hardware prefetches.
 *        10,000 products 32x32x32 f64 on Zen 4 take 20 ms with tiles of 4 rows of 4 vectors, 41 ms with 8 of 2;
 *        prefetch instructions and stores past the caches gained nothing over that. A right operand that lies along the
 *        sum is transposed into the L1 first, once a product.
 */
#include "recipe_product.h"

enum { BATCHED_TURNS = 8 }; /* extents of both axes, at least, of an operand that is transposed */
enum batched_number { BATCHED_ROWS, BATCHED_VECTORS };

static bool is_batch(const ej_product *g, int32_t axis)
{
    for (int32_t i = 0; i < g->n_z; i++)
        if (g->z[i] == axis) return true;
    return false;
}

static bool find(const ej_schedule *s, ej_product *g)
{
    if (!ej_product_find(s, ej_access_unit_axis(&s->statements[0].out), g)) return false;
    for (int32_t a = 0; a < s->n_axes; a++)
        if (s->axes[a].extent.e && !is_batch(g, a)) return false;
    bool fits = ej_product_bytes(s, g) <= (double)s->job->target->l1_bytes;
    return g->plain && g->n_z && (fits || ej_job_random(s->job));
}

static bool matches(const ej_schedule *s)
{
    ej_product g;
    if (!find(s, &g)) return false;
    int32_t unit = ej_access_unit_axis(&s->statements[0].src[g.right]);
    if (ej_job_random(s->job) || unit == g.lane) return true;
    /* Transposed in square tiles: 16x16x16 f32 is 2.1 times as fast for it, 32x32x32 2.5 times; 5x5x5 0.7 times. */
    bool deep = unit >= 0 && ej_statement_reduces(&s->statements[0], unit);
    return deep && s->axes[unit].extent.n >= BATCHED_TURNS && s->axes[g.lane].extent.n >= BATCHED_TURNS;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    ej_product g;
    if (!find(s, &g)) return 0;
    int32_t lanes = ej_rule_lanes(s, &s->statements[0], s->axes[g.lane].extent.n);
    ej_product_choose_tile(s, &g, lanes, false, &out[0][BATCHED_ROWS], &out[0][BATCHED_VECTORS]);
    return 1;
}

/* Results are most of what is moved: past the caches 1,000 of 32 x 224 with 3 terms take 1.0 ms on Zen 4, not 2.0; but
 * 10,000 of 32 x 32 with 32 terms 1.07 of the time. */
static bool outweighs(const ej_product *g)
{
    return g->size_m * g->size_n > g->size_k * (g->size_m + g->size_n);
}

static void run(ej_schedule *s, const int64_t *n)
{
    ej_product g;
    int32_t at = EJ_AT_ROOT;
    if (!find(s, &g)) return;
    const ej_statement *st = &s->statements[0];
    int32_t lanes = ej_rule_lanes(s, st, s->axes[g.lane].extent.n);
    int64_t width = (int64_t)lanes * n[BATCHED_VECTORS];
    bool turns = ej_access_unit_axis(&st->src[g.right]) != g.lane;
    ej_do_product_tile(s, &g, n[BATCHED_ROWS], n[BATCHED_VECTORS], lanes);
    ej_product_sort(g.z, g.n_z, &s->statements[0].out);
    for (int32_t i = 0; i < g.n_z; i++) at = ej_do_loop(s, 0, g.z[i], 1);
    if (turns && !s->failed) ej_do_product_pack(s, &g, true, at, width);
    else if (s->axes[g.row].extent.n > n[BATCHED_ROWS]) ej_do_widen(s, at, 0, g.right);
    ej_do_widen(s, at, 0, g.left);
    ej_do_loop(s, 0, g.lane, width);
    ej_do_loop(s, 0, g.row, n[BATCHED_ROWS]);
    ej_do_product_hints(s, &g, 0, 0, !turns && outweighs(&g));
}

const ej_script ej_script_batched = {"batched", matches, NULL, params, run};
