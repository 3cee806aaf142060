/* recipe_gemm.c - contractions of two operands: one scheme for matrix products of every transposition and for tensors.
 *
 * Takes  a sum of products without tables whose axes all have numbers: M (left and result), N (right and result), K (both
 *        operands), batches (all three), at least one each of the first three.
 * Gives  lanes along the result's unit axis, which is made N; rows along an axis of M; BLIS's loops around the register
 *        tile: N by NC, K by KC, M by MC. The right operand is packed where its unit stride is elsewhere or it is large;
 *        the left one where it would be read down far strides. Where the result outweighs the operands, both are packed
 *        whole and the result is written in the order in which it lies.
 * Source "Anatomy of High-Performance Matrix Multiplication" (Goto, van de Geijn 2008); BLIS; GETT (Springer,
 *        Bientinesi 2018).
 */
#include "recipe_product.h"

enum gemm_number { GEMM_ROWS, GEMM_VECTORS, GEMM_KC, GEMM_MC, GEMM_NC, GEMM_PACK_LEFT, GEMM_PACK_RIGHT, GEMM_IN_ORDER };

static bool find(const ej_schedule *s, ej_product *g)
{
    return ej_product_find(s, ej_access_unit_axis(&s->statements[0].out), g);
}

/* ---- numbers ---- */

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    ej_product g;
    const ej_target *t = s->job->target;
    const ej_statement *st = &s->statements[0];
    int64_t *p = out[0];
    if (!find(s, &g)) return 0;
    double bytes = ej_dtypes[ej_statement_dtype(st)].bytes, inner = g.size_k / (double)s->axes[g.k[0]].extent.n;
    int32_t lanes = ej_rule_lanes(s, st, s->axes[g.lane].extent.n);
    double m = g.size_m, n = g.size_n, k = g.size_k;
    bool small = (m * k + k * n) * bytes <= (double)t->l2_bytes / 6;
    int32_t left_unit = ej_access_unit_axis(&st->src[g.left]), right_unit = ej_access_unit_axis(&st->src[g.right]);
    bool deep_left = left_unit >= 0 && !ej_access_find(&st->out, left_unit); /* read along K, where it is summed */
    bool far_left = (double)ej_product_stride(&st->src[g.left], g.k[g.n_k - 1]) * bytes >= 2048 && m * k * bytes > (double)t->l2_bytes;
    p[GEMM_PACK_RIGHT] = right_unit != g.lane || !small;
    p[GEMM_PACK_LEFT] = !deep_left && far_left; /* 1.3 times at 1024^3 f32, 1.1 at 512^3 on AVX2; a loss where the L2 holds it */
    ej_product_tile(s, &g, lanes, p[GEMM_PACK_LEFT], &p[GEMM_ROWS], &p[GEMM_VECTORS]);
    double width = (double)lanes * (double)p[GEMM_VECTORS];
    double kc = (double)t->l2_bytes / 6 / (width * bytes); /* 1/4: 252, 1/10: 229, 1/32: 172 GFLOP/s at 2048^3 f32 on Zen 5 */
    if (kc < 128) kc = 128;
    p[GEMM_KC] = ej_block_of(s->axes[g.k[0]].extent.n, kc / inner < 1 ? 1 : kc / inner, inner > 1 ? 1 : 8);
    double depth = (double)p[GEMM_KC] * inner;
    if (depth > g.size_k) depth = g.size_k;
    p[GEMM_MC] = ej_block_of(s->axes[g.row].extent.n, (double)t->l2_bytes / 4 / (depth * bytes), p[GEMM_ROWS]);
    /* The left operand is packed once for each: 1/8 of the L3 costs 1 to 4 % at 1024^3 and 2047^3 f64 TN on Zen 4. */
    p[GEMM_NC] = ej_block_of(s->axes[g.lane].extent.n, (double)t->l3_bytes / 4 / (depth * bytes), (int64_t)width);
    p[GEMM_IN_ORDER] = m * n > 4 * (m * k + k * n) && m * k * bytes < (double)t->l3_bytes / 4;
    return 1;
}

static bool matches(const ej_schedule *s)
{
    ej_product g;
    if (!find(s, &g)) return false;
    /* A right operand that lies along another axis of N would be picked up element by element: loops around the packing
     * hold that axis at one value. */
    int32_t unit = ej_access_unit_axis(&s->statements[0].src[g.right]);
    bool turns = unit < 0 || (unit != g.lane && ej_access_find(&s->statements[0].out, unit));
    bool wide = s->axes[g.lane].extent.n >= ej_rule_vector(s, &s->statements[0]); /* short lanes are mostly empty ones */
    bool taste = !turns && wide && g.size_k >= 8 && g.size_m >= 4 && g.size_m * g.size_n * g.size_k >= 1 << 18;
    return taste || ej_job_random(s->job); /* random plans do without */
}

static bool pays(const ej_schedule *s)
{
    ej_product g;
    return find(s, &g) && ej_product_is_large(s, &g);
}

/* ---- the script ---- */

/* Both packed whole, the result in address order. */
static void run_in_order(ej_schedule *s, const ej_product *g, const int64_t *p, int64_t width)
{
    const ej_access *out = &s->statements[0].out;
    int32_t at = s->nodes[s->statements[0].node].parent, order[2 * EJ_PRODUCT_AXES], n = 0;
    if (p[GEMM_PACK_RIGHT]) ej_product_pack(s, g, true, at, width);
    if (p[GEMM_PACK_LEFT]) ej_product_pack(s, g, false, at, p[GEMM_ROWS]);
    for (int32_t i = 0; i < g->n_m; i++) order[n++] = g->m[i];
    for (int32_t i = 0; i < g->n_n; i++) order[n++] = g->n[i];
    ej_product_sort(order, n, out);
    for (int32_t i = 0; i < n; i++) ej_do_loop(s, 0, order[i], order[i] == g->row ? p[GEMM_ROWS] : order[i] == g->lane ? width : 1);
}

static void run_blocked(ej_schedule *s, ej_product *g, const int64_t *p, int64_t width)
{
    ej_product_sort(g->n, g->n_n, &s->statements[0].out);
    ej_product_sort(g->m, g->n_m, &s->statements[0].out);
    for (int32_t i = 0; i < g->n_n; i++)
        if (g->n[i] != g->lane) ej_do_loop(s, 0, g->n[i], 1);
    ej_do_loop(s, 0, g->lane, p[GEMM_NC]);
    int32_t at = ej_do_loop(s, 0, g->k[0], p[GEMM_KC]);
    if (p[GEMM_PACK_RIGHT] && !s->failed) ej_product_pack(s, g, true, at, width);
    at = ej_do_loop(s, 0, g->row, p[GEMM_MC]);
    for (int32_t i = 0; i < g->n_m; i++)
        if (g->m[i] != g->row) at = ej_do_loop(s, 0, g->m[i], 1);
    if (p[GEMM_PACK_LEFT] && !s->failed) ej_product_pack(s, g, false, at, p[GEMM_ROWS]);
    ej_do_loop(s, 0, g->lane, width);
    ej_do_loop(s, 0, g->row, p[GEMM_ROWS]);
}

static void run(ej_schedule *s, const int64_t *p)
{
    ej_product g;
    ej_tile tile = {0};
    if (!find(s, &g)) return;
    int32_t lanes = ej_rule_lanes(s, &s->statements[0], s->axes[g.lane].extent.n);
    ej_tile_add(&tile, g.row, p[GEMM_ROWS], EJ_UNROLL);
    ej_tile_add(&tile, g.lane, p[GEMM_VECTORS], EJ_UNROLL);
    ej_tile_add(&tile, g.lane, lanes, EJ_LANE);
    ej_do_tile(s, 0, tile);
    for (int32_t i = 0; i < g.n_z; i++) ej_do_loop(s, 0, g.z[i], 1);
    if (p[GEMM_IN_ORDER]) run_in_order(s, &g, p, (int64_t)lanes * p[GEMM_VECTORS]);
    else run_blocked(s, &g, p, (int64_t)lanes * p[GEMM_VECTORS]);
}

const ej_script ej_script_gemm = {"gemm", matches, pays, params, run};
