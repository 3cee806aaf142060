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
#include "recipe.h"

#include <stdlib.h>

enum { MAX_AXES = 16 };

typedef struct gemm {
    int32_t left, right;                /* sources: the right one has the lanes */
    int32_t lane, row;
    int32_t n_m, n_n, n_k, n_z;
    int32_t m[MAX_AXES], n[MAX_AXES], k[MAX_AXES], z[MAX_AXES];
    double size_m, size_n, size_k;
} gemm;

enum gemm_number { GEMM_ROWS, GEMM_VECTORS, GEMM_KC, GEMM_MC, GEMM_NC, GEMM_PACK_LEFT, GEMM_PACK_RIGHT, GEMM_IN_ORDER };

static int64_t stride_of(const ej_access *access, int32_t axis)
{
    const ej_access_term *term = ej_access_find(access, axis);
    return term ? llabs(term->stride.n) : 0;
}

static double extent(const ej_schedule *s, int32_t axis)
{
    return (double)s->axes[axis].extent.n;
}

static bool is_plain(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 || access->terms[t].stride.e || access->terms[t].stride.n == 0) return false;
    return true;
}

/* Largest strides of the access first. */
static void sort_axes(int32_t *axes, int32_t n, const ej_access *access)
{
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0 && stride_of(access, axes[k]) > stride_of(access, axes[k - 1]); k--) {
            int32_t swap = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = swap;
        }
}

static bool sort_into_classes(const ej_schedule *s, gemm *g)
{
    const ej_statement *st = &s->statements[0];
    const ej_access *left = &st->src[g->left], *right = &st->src[g->right];
    g->size_m = g->size_n = g->size_k = 1;
    if (s->n_axes > MAX_AXES) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool in_left = ej_access_find(left, a), in_right = ej_access_find(right, a), out = ej_access_find(&st->out, a);
        if (s->axes[a].extent.e || s->axes[a].extent.n < 1) return false;
        if (in_left && in_right && out) {
            g->z[g->n_z++] = a;
        } else if (in_left && in_right) {
            g->k[g->n_k++] = a;
            g->size_k *= extent(s, a);
        } else if (in_left && out) {
            g->m[g->n_m++] = a;
            g->size_m *= extent(s, a);
        } else if (in_right && out) {
            g->n[g->n_n++] = a;
            g->size_n *= extent(s, a);
        } else {
            return false;
        }
    }
    return g->n_m && g->n_n && g->n_k;
}

/* Rows: the axis that fills them best; ties go to the one that lies closest together in the left operand. */
static int32_t choose_row(const ej_schedule *s, const gemm *g)
{
    const ej_access *left = &s->statements[0].src[g->left];
    int32_t best = g->m[0];
    for (int32_t i = 1; i < g->n_m; i++) {
        double a = extent(s, g->m[i]), b = extent(s, best);
        bool longer = a > b && b < 24, closer = a >= 24 && stride_of(left, g->m[i]) < stride_of(left, best);
        if (longer || closer) best = g->m[i];
    }
    return best;
}

static bool find(const ej_schedule *s, gemm *g)
{
    const ej_statement *st = &s->statements[0];
    *g = (gemm){0};
    if (st->reduce != EINJIT_REDUCE_SUM || st->accumulate || st->n_src != 2) return false;
    if (!is_plain(&st->src[0]) || !is_plain(&st->src[1]) || !is_plain(&st->out)) return false;
    g->lane = ej_access_unit_axis(&st->out);
    if (g->lane < 0) return false;
    g->right = ej_access_find(&st->src[0], g->lane) ? 0 : 1;
    g->left = 1 - g->right;
    if (!sort_into_classes(s, g) || ej_access_find(&st->src[g->left], g->lane)) return false;
    g->row = choose_row(s, g);
    sort_axes(g->k, g->n_k, &st->src[g->left]);
    return true;
}

/* ---- numbers ---- */

/* A block of at most `most` (or little more): one that divides the extent leaves no rest, which is a second copy of
 * everything inside; else pieces of about the same size. */
static int64_t block_of(int64_t extent, double most, int64_t multiple)
{
    int64_t block = (int64_t)(most * 1.25) / multiple * multiple;
    for (; block >= multiple && (double)block * 2 > most; block -= multiple)
        if (extent % block == 0) return block;
    int64_t pieces = (int64_t)((double)extent / most) + 1, even = (extent + pieces - 1) / pieces;
    return (even + multiple - 1) / multiple * multiple;
}

/* How much of the tiles along an extent is used; a shorter last one is one more copy of the code. */
static double filled(double extent, double tile)
{
    double used = extent / ((double)(int64_t)((extent + tile - 1) / tile) * tile);
    return used < 1 ? 0.97 * used : 1;
}

/* MR * NV accumulators, NV vectors of the right operand and a splat fit into the registers (without fused multiply-add a
 * product, too); a short last tile costs as much as a full one. A left operand in place has at most 8 rows: more lie in the
 * same sets of the L1 where rows are a power of 2 apart (1024^3 f32 on Zen 5: 8 rows 226, 12 rows 196 GFLOP/s). Three
 * vectors are no better than two there (214). */
static void choose_tile(const ej_schedule *s, const gemm *g, int32_t lanes, bool packed, int64_t *rows, int64_t *vectors)
{
    const ej_target *t = s->job->target;
    int32_t parts = ej_dtype_is_complex(ej_statement_dtype(&s->statements[0])) ? 2 : 1;
    double best = 0;
    for (int32_t nv = 1; nv <= 3; nv++)
        for (int32_t mr = 2; mr <= (packed ? 16 : 8); mr++) {
            if (parts * (mr * nv + nv + 1) + !t->fma > t->vector_registers) break;
            double loads = (double)(mr + nv) / (mr * nv), busy = parts * mr * nv >= 8 ? 1 : parts * mr * nv / 8.0;
            double score = filled(extent(s, g->row), mr) * filled(extent(s, g->lane), (double)lanes * nv) * busy / (1 + 0.3 * loads) * (nv > 2 ? 0.95 : 1);
            if (score <= best * 1.001) continue;
            best = score;
            *rows = mr;
            *vectors = nv;
        }
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    gemm g;
    const ej_target *t = s->job->target;
    const ej_statement *st = &s->statements[0];
    int64_t *p = out[0];
    if (!find(s, &g)) return 0;
    double bytes = ej_dtypes[ej_statement_dtype(st)].bytes, inner = g.size_k / extent(s, g.k[0]);
    int32_t lanes = ej_rule_lanes(s, st, s->axes[g.lane].extent.n);
    double m = g.size_m, n = g.size_n, k = g.size_k;
    bool small = (m * k + k * n) * bytes <= (double)t->l2_bytes / 6;
    int32_t left_unit = ej_access_unit_axis(&st->src[g.left]), right_unit = ej_access_unit_axis(&st->src[g.right]);
    bool deep_left = left_unit >= 0 && !ej_access_find(&st->out, left_unit); /* read along K, where it is summed */
    bool far_left = (double)stride_of(&st->src[g.left], g.k[g.n_k - 1]) * bytes >= 4096 && m * k * bytes > (double)t->l2_bytes;
    p[GEMM_PACK_RIGHT] = right_unit != g.lane || !small;
    p[GEMM_PACK_LEFT] = !deep_left && far_left; /* a page or more a term: 1.3 times at 1024^3 f32, a loss at 512^3 */
    choose_tile(s, &g, lanes, p[GEMM_PACK_LEFT], &p[GEMM_ROWS], &p[GEMM_VECTORS]);
    double width = (double)lanes * (double)p[GEMM_VECTORS];
    double kc = (double)t->l2_bytes / 10 / (width * bytes); /* 1/8: 210, 1/32: 172 GFLOP/s at 2048^3 f32 on Zen 5 */
    if (kc < 128) kc = 128;
    p[GEMM_KC] = block_of(s->axes[g.k[0]].extent.n, kc / inner < 1 ? 1 : kc / inner, inner > 1 ? 1 : 8);
    double depth = (double)p[GEMM_KC] * inner;
    if (depth > g.size_k) depth = g.size_k;
    p[GEMM_MC] = block_of(s->axes[g.row].extent.n, (double)t->l2_bytes / 4 / (depth * bytes), p[GEMM_ROWS]);
    p[GEMM_NC] = block_of(s->axes[g.lane].extent.n, (double)t->l3_bytes / 8 / (depth * bytes), (int64_t)width);
    p[GEMM_IN_ORDER] = m * n > 4 * (m * k + k * n) && m * k * bytes < (double)t->l3_bytes / 4;
    return 1;
}

static bool matches(const ej_schedule *s)
{
    gemm g;
    if (!find(s, &g)) return false;
    /* A right operand that lies along another axis of N would be picked up element by element: loops around the packing
     * hold that axis at one value. */
    int32_t unit = ej_access_unit_axis(&s->statements[0].src[g.right]);
    bool turns = unit < 0 || (unit != g.lane && ej_access_find(&s->statements[0].out, unit));
    double elements = g.size_m * g.size_k + g.size_k * g.size_n + g.size_m * g.size_n;
    int64_t bytes = ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes; /* smaller ones stay in the cache as they are */
    bool large = elements * (double)bytes > 4 * (double)s->job->target->l2_bytes && g.size_k >= 8;
    bool pays = !turns && large && g.size_m >= 4 && g.size_n >= 4; /* random plans do without */
    return pays || ej_job_random(s->job);
}

/* ---- the script ---- */

static void pack_left(ej_schedule *s, const gemm *g, int32_t at, const int64_t *p)
{
    int32_t depth[2 * MAX_AXES], n = 0;
    for (int32_t i = 0; i < g->n_m; i++)
        if (g->m[i] != g->row && ej_schedule_range(s, at, g->m[i]) > 1) depth[n++] = g->m[i];
    for (int32_t i = 0; i < g->n_k; i++) depth[n++] = g->k[i];
    ej_do_pack(s, at, 0, g->left, g->row, p[GEMM_ROWS], depth, n);
}

static void pack_right(ej_schedule *s, const gemm *g, int32_t at, int64_t width)
{
    int32_t depth[2 * MAX_AXES], n = 0;
    for (int32_t i = 0; i < g->n_n; i++)
        if (g->n[i] != g->lane && ej_schedule_range(s, at, g->n[i]) > 1) depth[n++] = g->n[i];
    for (int32_t i = 0; i < g->n_k; i++) depth[n++] = g->k[i];
    ej_do_pack(s, at, 0, g->right, g->lane, width, depth, n);
}

/* Both packed whole, the result in address order. */
static void run_in_order(ej_schedule *s, const gemm *g, const int64_t *p, int64_t width)
{
    const ej_access *out = &s->statements[0].out;
    int32_t at = s->nodes[s->statements[0].node].parent, order[2 * MAX_AXES], n = 0;
    if (p[GEMM_PACK_RIGHT]) pack_right(s, g, at, width);
    if (p[GEMM_PACK_LEFT]) pack_left(s, g, at, p);
    for (int32_t i = 0; i < g->n_m; i++) order[n++] = g->m[i];
    for (int32_t i = 0; i < g->n_n; i++) order[n++] = g->n[i];
    sort_axes(order, n, out);
    for (int32_t i = 0; i < n; i++) ej_do_loop(s, 0, order[i], order[i] == g->row ? p[GEMM_ROWS] : order[i] == g->lane ? width : 1);
}

static void run_blocked(ej_schedule *s, gemm *g, const int64_t *p, int64_t width)
{
    sort_axes(g->n, g->n_n, &s->statements[0].out);
    sort_axes(g->m, g->n_m, &s->statements[0].out);
    for (int32_t i = 0; i < g->n_n; i++)
        if (g->n[i] != g->lane) ej_do_loop(s, 0, g->n[i], 1);
    ej_do_loop(s, 0, g->lane, p[GEMM_NC]);
    int32_t at = ej_do_loop(s, 0, g->k[0], p[GEMM_KC]);
    if (p[GEMM_PACK_RIGHT] && !s->failed) pack_right(s, g, at, width);
    at = ej_do_loop(s, 0, g->row, p[GEMM_MC]);
    for (int32_t i = 0; i < g->n_m; i++)
        if (g->m[i] != g->row) at = ej_do_loop(s, 0, g->m[i], 1);
    if (p[GEMM_PACK_LEFT] && !s->failed) pack_left(s, g, at, p);
    ej_do_loop(s, 0, g->lane, width);
    ej_do_loop(s, 0, g->row, p[GEMM_ROWS]);
}

static void run(ej_schedule *s, const int64_t *p)
{
    gemm g;
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

const ej_script ej_script_gemm = {"gemm", matches, params, run};
