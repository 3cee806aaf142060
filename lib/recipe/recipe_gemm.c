/* recipe_gemm.c - products of matrices, whichever operand is transposed, and other reductions whose operands are used
 * again.
 *
 * Takes  a reduction over two or more operands (recipe_product.h): at least one axis each of M, N and K; extents of K
 *        are numbers, others may be open.
 * Gives  lanes along the result's unit axis, which makes the operand that has it the right one; small operands may have
 *        them along another axis, where that takes fewer instructions. BLIS's loops around the register tile: N by NC,
 *        K by KC, M by MC. The right operand is packed where it lies along another axis or is large, the left one where
 *        neighbours along K lie far apart. Where the result is much larger than the operands, both are packed whole,
 *        and the result is written in the order in which it lies.
 * Source "Anatomy of High-Performance Matrix Multiplication" (Goto, van de Geijn 2008); BLIS; GETT (Springer,
 *        Bientinesi 2018).
 */
#include "nest_cost.h"
#include "recipe_product.h"
#include "recipe_tiling.h"

/* Rows of small products whose epilogue calls a function for each vector of the tile: a call may change all registers,
 * so that the sums go to memory around it, and each is code (gelu(x @ w.T + b) of 17x19x23 f32 on Zen 4: 6.2 ms to
 * compile with 9 rows, 4.7 with 4, and 0.66 and 0.70 us to run; 36 products of up to 128^3 run 1.003 times as long). */
enum { GEMM_CALLED_ROWS = 4 };
enum { GEMM_TERMS = 8 };      /* at least, for blocks */
enum { GEMM_NARROW = 256 };   /* columns: fewer are few for a block */
enum { GEMM_PIECE = 256 };    /* bytes along the lanes: fewer are a short run */
enum { GEMM_ONCE = 32 };      /* columns, up to which the left operand is hardly used again */
enum { GEMM_FAR = 2048 };     /* bytes between neighbours along K */
enum { GEMM_FEW_ROWS = 128 }; /* up to which a right operand that comes from memory is not packed */
enum { GEMM_WIDENED = 64 };   /* columns, from which on a left operand of f16 or bf16 is widened once, in a copy */
enum { GEMM_REPEATED = 32 };  /* rows, from which on a right operand of f16 or bf16 is converted once, in a copy */
enum gemm_number { GEMM_ROWS, GEMM_VECTORS, GEMM_KC, GEMM_MC, GEMM_NC, GEMM_PACK_LEFT, GEMM_PACK_RIGHT, GEMM_IN_ORDER };
/* GEMM_KC is the terms in a block, all together. */

/* ---- which operand, which lanes ---- */

/* The result outweighs its operands. */
static bool is_outer(const ej_product *g)
{
    return g->size_m * g->size_n > 4 * (g->size_m * g->size_k + g->size_k * g->size_n);
}

/* The axis of the lanes is short, and for every value of the other axes of N the left operand would come from the L3,
 * or a large right one would be read in pieces: recipe_tensor.c has blocks of several axes. */
static bool is_narrow(const ej_schedule *s, const ej_product *g)
{
    double bytes = ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes, l2 = (double)s->job->target->l2_bytes;
    double lane = (double)ej_nominal_extent(s, g->lane);
    if (g->n_n == 1 || lane >= GEMM_NARROW || is_outer(g)) return false;
    return g->size_m * g->size_k * bytes > l2 / 2 || (lane * bytes < GEMM_PIECE && g->size_k * g->size_n * bytes > l2);
}

/* An operand is read in lines of which a product takes few values: it lies along a batch axis, or it is the left one,
 * used a few times only, and does not lie along the sum. */
static bool is_scattered(const ej_schedule *s, const ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    int32_t left = ej_access_unit_axis(&st->src[g->left]), right = ej_access_unit_axis(&st->src[g->right]);
    for (int32_t i = 0; i < g->n_z; i++)
        if (g->z[i] == left || g->z[i] == right) return true;
    bool deep = left >= 0 && ej_statement_reduces(st, left);
    return g->size_n <= GEMM_ONCE && !deep && left != g->row;
}

/* Large enough for blocks. Not where the right operand lies along another axis of N: a loop around the packing holds
 * that at one value, so that elements would be copied one by one. */
static bool goes_in_blocks(const ej_schedule *s, const ej_product *g)
{
    int32_t unit = ej_access_unit_axis(&s->statements[0].src[g->right]);
    bool turns = unit < 0 || (unit != g->lane && ej_access_find(&s->statements[0].out, unit));
    /* short lanes are mostly empty ones */
    bool wide = ej_nominal_extent(s, g->lane) >= ej_rule_vector(s, &s->statements[0]);
    return g->plain && !turns && wide && !is_narrow(s, g) && !is_scattered(s, g) &&
           ej_product_repays_blocks(g, GEMM_TERMS);
}

/* Each element of the right operand is used often enough to be packed. */
static bool is_used_again(const ej_product *g)
{
    return g->size_k >= 8 && g->size_m >= 16;
}

/* An access to the right operand as it would lie in a panel: the lanes fastest, then K. */
static void panel_access(const ej_schedule *s, const ej_product *g, ej_access *out, ej_access_term *terms)
{
    const ej_access *right = &s->statements[0].src[g->right];
    int64_t depth = 1;
    *out = (ej_access){.buffer = right->buffer, .terms = terms};
    for (int32_t i = g->n_k; i-- > 0;) {
        terms[out->n_terms++] = (ej_access_term){.axis = g->k[i], .table = -1, .stride = ej_size_number(depth)};
        if (!ej_mul_size(depth, s->axes[g->k[i]].extent.n, &depth)) depth = 1;
    }
    terms[out->n_terms++] = (ej_access_term){.axis = g->lane, .table = -1, .stride = ej_size_number(1)};
}

/* Instructions with the right operand in panels: those of the best tiling, and for packing each element along the
 * lanes, through a transpose in registers, or one by one. Below 0: there is no tiling. */
static double count_packed(const ej_schedule *s, const ej_product *g)
{
    enum { SOURCES = 32 };
    ej_access_term terms[EJ_PRODUCT_AXES + 1];
    ej_access sources[SOURCES];
    ej_statement packed = s->statements[0];
    const ej_access *right = &packed.src[g->right];
    int dtype = s->buffers[right->buffer].plan.dtype;
    int32_t n_sources = packed.n_src + packed.n_tail;
    if (n_sources > SOURCES) return -1;
    for (int32_t i = 0; i < n_sources; i++) sources[i] = packed.src[i];
    panel_access(s, g, &sources[g->right], terms);
    packed.src = sources;
    ej_tiling t = ej_tiling_along(s, &packed, g->lane, g->row);
    if (t.cost < 0) return -1;
    int32_t unit = ej_access_unit_axis(right);
    bool turns =
        unit >= 0 && ej_statement_reduces(&packed, unit) && !ej_dtype_is_complex(dtype) && dtype != EINJIT_BOOL;
    double elements = ej_rule_elements(s, right), results = g->size_m * g->size_n;
    for (int32_t i = 0; i < g->n_z; i++) results *= (double)ej_nominal_extent(s, g->z[i]);
    double packing = unit == g->lane ? 4.0 / t.lanes : turns ? 1.2 : 3; /* instructions an element */
    return t.cost + elements * packing + results / (t.lanes * t.vectors);
}

/* The product with the lanes that take the fewest instructions where the right operand is packed; gives how many, -1:
 * there is none. */
static double best_lanes(const ej_schedule *s, ej_product *g)
{
    double least = -1;
    for (int32_t a = 0; a < s->n_axes; a++) {
        ej_product other;
        if (!ej_product_find(s, a, &other) || !is_used_again(&other)) continue;
        double count = count_packed(s, &other);
        if (count < 0 || (least >= 0 && count >= least)) continue;
        least = count;
        *g = other;
    }
    return least;
}

/* Fewer than with the scripts that take any reduction: plain and sweep. */
static bool takes_fewest(const ej_schedule *s, double count)
{
    double sweep = ej_sweep_count(s);
    return count < ej_tiling_choose(s, &s->statements[0]).cost && (sweep < 0 || count <= sweep);
}

/* The left operand is read so often, with far strides between the rows of a tile or between its terms, that it is worth
 * a copy: TN 1.3 times as fast at 1024^3 f32, 1.1 times at 512^3 on AVX2. */
static bool packs_left(const ej_schedule *s, const ej_product *g)
{
    const ej_target *t = s->job->target;
    const ej_statement *st = &s->statements[0];
    double bytes = ej_dtypes[ej_statement_dtype(st)].bytes;
    int32_t unit = ej_access_unit_axis(&st->src[g->left]);
    double all = g->size_m * g->size_k * bytes;
    int dtype = s->buffers[st->src[g->left].buffer].plan.dtype;
    if (!g->plain) return false;
    bool together = ej_product_terms(s, g) > 1 && unit == g->k[g->n_k - 1] && ej_expr_pairs_of(&st->expr) == dtype;
    /* a pair is one load where it lies */
    if (ej_dtypes[dtype].computes != dtype && !together) return g->size_n >= GEMM_WIDENED;
    if (unit >= 0 && ej_statement_reduces(st, unit)) return t->near_part && all > (double)t->l2_bytes / t->near_part;
    return (double)ej_product_stride(&st->src[g->left], g->k[g->n_k - 1]) * bytes >= GEMM_FAR &&
           all > (double)t->l2_bytes / t->far_part;
}

/* The right operand is widened, or put in pairs of terms, so often that it is worth a copy: 256^3 bf16 in pairs on Zen
 * 4 takes 0.53 of the time of f32 with it, 0.68 without. */
static bool converts_right(const ej_schedule *s, const ej_product *g)
{
    int dtype = s->buffers[s->statements[0].src[g->right].buffer].plan.dtype;
    return g->plain && ej_dtypes[dtype].computes != dtype && g->size_m >= GEMM_REPEATED;
}

/* Lanes along the result's unit axis where the product is large and goes in blocks; else along the axis that takes the
 * fewest instructions, if these are fewer than other scripts take. Gives EJ_PAYS_*; g->n_k 0: the statement is no
 * product. */
static int find(const ej_schedule *s, ej_product *g)
{
    ej_product other = {0};
    bool found = ej_product_find(s, ej_access_unit_axis(&s->statements[0].out), g),
         blocks = found && goes_in_blocks(s, g);
    if (!found) *g = other;
    if (ej_job_random(s->job) || (blocks && (ej_product_is_large(s, g) || packs_left(s, g) || converts_right(s, g))))
        return EJ_PAYS_SURELY;
    double count = best_lanes(s, &other);
    if (count < 0 || !takes_fewest(s, count)) {
        if (!blocks) *g = other;
        return blocks ? EJ_PAYS_PERHAPS : EJ_PAYS_NOT;
    }
    *g = other;
    return EJ_PAYS_SURELY;
}

/* ---- numbers ---- */

/* The right operand comes from memory, and the few rows of the left one use each panel of it at once: packing would
 * only copy it. ce,deba->dcba in f64 on Zen 4, all extents 72: 102 ms packed, 80 in place; no pitch was found for which
 * packing is faster, and with 280 rows there is no difference. */
static bool passes_by(const ej_schedule *s, const ej_product *g)
{
    const ej_target *t = s->job->target;
    double bytes = ej_dtypes[s->buffers[s->statements[0].src[g->right].buffer].plan.dtype].bytes;
    if (!g->plain || g->n_m != 1 || ej_product_is_open(s) || g->size_m > GEMM_FEW_ROWS) return false;
    if (g->size_m * g->size_k * bytes > (double)t->l2_bytes / 4) return false;
    return ej_product_source_bytes(s, g->right) > (double)t->l3_bytes;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    ej_product g;
    const ej_target *t = s->job->target;
    const ej_statement *st = &s->statements[0];
    int64_t *p = out[0];
    find(s, &g);
    double bytes = ej_dtypes[ej_statement_dtype(st)].bytes, depth = 1;
    int32_t lanes = ej_rule_lanes(s, st, ej_nominal_extent(s, g.lane));
    double m = g.size_m, n = g.size_n, k = g.size_k;
    bool small = (m * k + k * n) * bytes <= (double)t->l2_bytes / 6;
    p[GEMM_PACK_RIGHT] =
        ej_access_unit_axis(&st->src[g.right]) != g.lane || ((!small || converts_right(s, &g)) && !passes_by(s, &g));
    p[GEMM_PACK_LEFT] = packs_left(s, &g);
    ej_product_choose_tile(s, &g, lanes, p[GEMM_PACK_LEFT], &p[GEMM_ROWS], &p[GEMM_VECTORS]);
    /* stored lane by lane: long code, which pays for long sums at most */
    if (ej_access_unit_axis(&st->out) != g.lane) {
        if (p[GEMM_VECTORS] > 3) p[GEMM_VECTORS] = 3;
        int64_t most = g.size_k < 64 ? 4 : 12 / p[GEMM_VECTORS];
        if (p[GEMM_ROWS] > most) p[GEMM_ROWS] = most;
    } else if (small && ej_nest_calls(&st->epilogue) && p[GEMM_ROWS] > GEMM_CALLED_ROWS) {
        p[GEMM_ROWS] = GEMM_CALLED_ROWS;
    }
    double width = (double)lanes * (double)p[GEMM_VECTORS];
    double kc = (double)t->l2_bytes / t->panel_part / (width * bytes);
    if (p[GEMM_PACK_LEFT] && t->packed_block) {
        double most = (double)t->l2_bytes / 4 / (bytes * (m < t->packed_block ? m : t->packed_block));
        if (kc > most) kc = most;
    }
    if (kc < 128) kc = 128;
    if (!g.plain || !ej_statement_may_wait(s, st)) kc = g.size_k;
    int64_t terms[EJ_PRODUCT_AXES];
    ej_product_block_terms(s, &g, kc, terms);
    for (int32_t i = 0; i < g.n_k; i++) depth *= (double)terms[i];
    p[GEMM_KC] = (int64_t)kc;
    p[GEMM_MC] = ej_block_of(ej_nominal_extent(s, g.row), (double)t->l2_bytes / 4 / (depth * bytes), p[GEMM_ROWS]);
    /* The left operand is packed once for each: 1/8 of the L3 costs 1 to 4 % at 1024^3 and 2047^3 f64 TN on Zen 4. */
    p[GEMM_NC] = ej_block_of(ej_nominal_extent(s, g.lane), (double)t->l3_bytes / 4 / (depth * bytes), (int64_t)width);
    p[GEMM_IN_ORDER] = g.plain && !ej_product_is_open(s) && is_outer(&g) && m * k * bytes < (double)t->l3_bytes / 4;
    return 1;
}

bool ej_gemm_goes_in_blocks(const ej_schedule *s)
{
    ej_product g;
    bool found = ej_product_find(s, ej_access_unit_axis(&s->statements[0].out), &g);
    return found && goes_in_blocks(s, &g) && ej_product_is_large(s, &g);
}

static bool matches(const ej_schedule *s)
{
    ej_product g;
    find(s, &g);
    return g.n_k > 0;
}

static int pays(const ej_schedule *s)
{
    ej_product g;
    return find(s, &g);
}

/* ---- the script ---- */

/* Both packed whole, the result in address order. */
static void run_in_order(ej_schedule *s, const ej_product *g, const int64_t *p, int64_t width)
{
    const ej_access *out = &s->statements[0].out;
    int32_t at = s->nodes[s->statements[0].node].parent, order[2 * EJ_PRODUCT_AXES], n = 0;
    if (p[GEMM_PACK_RIGHT]) ej_do_product_pack(s, g, true, at, width);
    if (p[GEMM_PACK_LEFT]) ej_do_product_pack(s, g, false, at, p[GEMM_ROWS]);
    for (int32_t i = 0; i < g->n_m; i++) order[n++] = g->m[i];
    for (int32_t i = 0; i < g->n_n; i++) order[n++] = g->n[i];
    ej_product_sort(order, n, out);
    for (int32_t i = 0; i < n; i++)
        ej_do_loop(s, 0, order[i], order[i] == g->row ? p[GEMM_ROWS] : order[i] == g->lane ? width : 1);
}

static void run_blocked(ej_schedule *s, ej_product *g, const int64_t *p, int64_t width)
{
    ej_do_product_guard(s, g, p[GEMM_ROWS]);
    ej_product_sort(g->n, g->n_n, &s->statements[0].out);
    ej_product_sort(g->m, g->n_m, &s->statements[0].out);
    for (int32_t i = 0; i < g->n_n; i++)
        if (g->n[i] != g->lane) ej_do_loop(s, 0, g->n[i], 1);
    int64_t terms[EJ_PRODUCT_AXES];
    ej_product_block_terms(s, g, (double)p[GEMM_KC], terms);
    int32_t at = ej_do_product_terms(s, g, terms, ej_do_loop(s, 0, g->lane, p[GEMM_NC]));
    if (p[GEMM_PACK_RIGHT] && !s->failed) ej_do_product_pack(s, g, true, at, width);
    at = ej_do_loop(s, 0, g->row, p[GEMM_MC]);
    for (int32_t i = 0; i < g->n_m; i++)
        if (g->m[i] != g->row) at = ej_do_loop(s, 0, g->m[i], 1);
    if (p[GEMM_PACK_LEFT] && !s->failed) ej_do_product_pack(s, g, false, at, p[GEMM_ROWS]);
    ej_do_loop(s, 0, g->lane, width);
    ej_do_loop(s, 0, g->row, p[GEMM_ROWS]);
}

static void run(ej_schedule *s, const int64_t *p)
{
    ej_product g;
    find(s, &g);
    int32_t lanes = ej_rule_lanes(s, &s->statements[0], ej_nominal_extent(s, g.lane));
    ej_do_product_tile(s, &g, p[GEMM_ROWS], p[GEMM_VECTORS], lanes);
    int64_t width = (int64_t)lanes * p[GEMM_VECTORS];
    ej_do_product_hints(s, &g, p[GEMM_PACK_LEFT] ? 0 : p[GEMM_ROWS], p[GEMM_PACK_RIGHT] ? 0 : width, true);
    for (int32_t i = 0; i < g.n_z; i++) ej_do_loop(s, 0, g.z[i], 1);
    if (p[GEMM_IN_ORDER]) run_in_order(s, &g, p, width);
    else run_blocked(s, &g, p, width);
    if (!s->failed) ej_do_store_rows(s, g.row, p[GEMM_ROWS], g.lane, width);
    if (!s->failed && ej_rule_calls_behind(s, &s->statements[0])) ej_do_call_behind(s);
}

const ej_script ej_script_gemm = {"gemm", matches, pays, params, run};
