/* recipe_thin.c - large products in which an operand that is used a few times only is read as it lies, and never
 * packed.
 *
 * Takes  a sum of products of two operands (recipe_product.h), where the operand that has the result's unit axis lies
 *        along another axis x of the result.
 * Gives  lanes along x. Results wait in blocks that the L2 holds, a vector of the unit axis times x, and are transposed
 *        in registers on their way out: mostly the result is smaller than the operand, which would have to be
 *        transposed else.
 * Not here: operands whose unit axis is summed (recipe_gemm.c transposes those while it packs them).
 */
#include "recipe_product.h"

enum { THIN_TERMS = 8, THIN_VECTORS_LEAST = 2 }; /* at least: terms of a sum, and vectors side by side */
enum { THIN_RUN = 384 };                         /* bytes along x, at least, in a block, if it has as many */
/* Of results that wait, and of what is read of the operand beside them: the L2 holds both. */
enum { THIN_WAITING_BYTES = 150 << 10, THIN_PANEL_BYTES = 75 << 10 };
enum { THIN_SMALL_RESULT = 4 }; /* elements of the operand for one of a result whose stores hardly count */
enum thin_number { THIN_ROWS, THIN_VECTORS, THIN_KC, THIN_NX, THIN_MC, THIN_OUT };

typedef struct thin {
    ej_product product; /* lanes along x */
    int32_t out;        /* the result's unit axis */
    int32_t turn;       /* how much of it and of x is transposed together: a vector */
} thin;

static bool find(const ej_schedule *s, thin *t)
{
    const ej_statement *st = &s->statements[0];
    if (st->n_src != 2) return false;
    t->out = ej_access_unit_axis(&st->out);
    if (t->out < 0) return false;
    int32_t holder = ej_access_find(&st->src[0], t->out) ? 0 : 1;
    int32_t x = ej_access_unit_axis(&st->src[holder]);
    if (x < 0 || x == t->out || !ej_access_find(&st->out, x)) return false;
    if (!ej_product_find(s, x, &t->product) || !t->product.plain || t->product.right != holder ||
        ej_access_find(&st->src[1 - holder], t->out))
        return false;
    int dtype = s->buffers[st->out.buffer].plan.dtype;
    t->turn = ej_rule_vector(s, st);
    return !ej_dtype_is_complex(dtype) && ej_dtypes[dtype].computes == ej_statement_dtype(st) &&
           ej_nominal_extent(s, t->out) >= t->turn && ej_nominal_extent(s, x) >= t->turn;
}

static void choose_numbers(const ej_schedule *s, const thin *t, int64_t n[EJ_RECIPE_NUMBERS])
{
    const ej_product *p = &t->product;
    double bytes = ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    double inner = p->size_k / (double)s->axes[p->k[0]].extent.n, kept = (double)ej_nominal_extent(s, p->row);
    int32_t lanes = ej_rule_lanes(s, &s->statements[0], ej_nominal_extent(s, p->lane));
    ej_product_choose_tile(s, p, lanes, false, &n[THIN_ROWS], &n[THIN_VECTORS]);
    double width = (double)lanes * (double)n[THIN_VECTORS], waiting = THIN_WAITING_BYTES / (t->turn * bytes);
    n[THIN_MC] = kept * width <= waiting ? ej_block_of(ej_nominal_extent(s, p->row), kept, n[THIN_ROWS])
                                         : ej_block_of(ej_nominal_extent(s, p->row), waiting / width, n[THIN_ROWS]);
    int64_t row = ej_product_row_out(s, t->out); /* whole rows go out where that leaves long runs of x */
    double nx = waiting / (double)n[THIN_MC], across = (double)ej_nominal_extent(s, p->lane);
    double run = across < THIN_RUN / bytes ? across / 2 : THIN_RUN / bytes;
    n[THIN_OUT] = row && nx * t->turn / (double)row >= run ? row : t->turn;
    nx *= (double)t->turn / (double)n[THIN_OUT];
    n[THIN_NX] = ej_block_of(ej_nominal_extent(s, p->lane), nx < width ? width : nx, (int64_t)width);
    double kc = THIN_PANEL_BYTES / (width * bytes) / inner;
    int64_t together = p->n_k == 1 ? ej_product_terms(s, p) : 1;
    n[THIN_KC] = ej_block_of(s->axes[p->k[0]].extent.n, kc < 1 ? 1 : kc, together);
}

static bool matches(const ej_schedule *s)
{
    thin t;
    int64_t numbers[EJ_RECIPE_NUMBERS];
    if (!find(s, &t)) return false;
    const ej_product *p = &t.product;
    /* The operand is larger than the result, several terms of it lie on a page, and it is read once: the rows of one
     * axis are all that use it, and a panel of one value of the outermost summed axis stays in the L2. */
    double panel = p->size_k / (double)s->axes[p->k[0]].extent.n * THIN_VECTORS_LEAST * s->job->target->vector_bytes;
    bool once = p->n_m == 1 && panel <= THIN_PANEL_BYTES;
    bool streams = once && p->size_k >= p->size_m && !ej_product_terms_apart(s, p);
    if (ej_job_random(s->job)) return true;
    if (!streams || !ej_product_repays_blocks(p, THIN_TERMS)) return false;
    /* A result past the caches leaves in whole rows unless it is small beside the operand: in single lines, on Zen 4,
     * dabfe,fc->edcba f64 took 2.1 times as long as with recipe_tensor.c (24 values for 32), and bda,dc->abc f32 0.67
     * times (24 for 312). */
    choose_numbers(s, &t, numbers);
    return numbers[THIN_OUT] > t.turn || !ej_product_row_out(s, t.out) || p->size_k >= THIN_SMALL_RESULT * p->size_m;
}

static int pays(const ej_schedule *s)
{
    thin t;
    return find(s, &t) && ej_product_is_large(s, &t.product) ? EJ_PAYS_SURELY : EJ_PAYS_PERHAPS;
}

static int32_t params(const ej_schedule *s, int64_t out[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS])
{
    thin t;
    if (!find(s, &t)) return 0;
    choose_numbers(s, &t, out[0]);
    return 1;
}

/* result block [out][rows][x] -> the result: read along x, written along its unit axis, in whole `rows` or as it
 * comes. */
static void turn_out(ej_schedule *s, const thin *t, int32_t copy, bool rows)
{
    ej_tile out = {0};
    int32_t x = t->product.lane;
    ej_tile_add(&out, x, t->turn, EJ_UNROLL);
    ej_tile_add(&out, t->out, t->turn, EJ_LANE);
    for (int32_t a = 0; a < s->n_axes; a++)
        if (a != x && a != t->out && ej_access_find(&s->statements[copy].out, a)) ej_do_loop(s, copy, a, 1);
    if (rows) ej_do_rows_out(s, s->nodes[s->statements[copy].node].parent, copy, x, t->out);
    ej_do_tile(s, copy, out);
    ej_do_loop(s, copy, x, t->turn);
    int32_t at = ej_do_loop(s, copy, t->out, t->turn);
    ej_do_transpose(s, at, copy, t->out, t->turn, x, t->turn);
}

/* Asks for the panel that comes next: of the next value of the result's unit axis, or of the same rows, where a sweep
 * along these is more than the L2 keeps. */
static void ask_ahead(ej_schedule *s, const thin *t, int64_t nx, int64_t width)
{
    const ej_product *p = &t->product;
    const ej_access *right = &s->statements[0].src[p->right];
    int64_t bytes = ej_dtypes[s->buffers[right->buffer].plan.dtype].bytes, ahead;
    bool sweeps = nx > width && (double)nx * p->size_k * (double)bytes > (double)s->job->target->l2_bytes / 2;
    if (ej_product_source_bytes(s, p->right) <= (double)s->job->target->l3_bytes) return;
    if (!ej_mul_size(sweeps ? width : ej_product_stride(right, t->out), bytes, &ahead) || ahead > EJ_HINT_AHEAD) return;
    ej_do_hint(s, 0, (ej_leaf_hints){.source = p->right, .ahead = ahead});
}

static void run(ej_schedule *s, const int64_t *n)
{
    thin t;
    if (!find(s, &t)) return;
    ej_product *p = &t.product;
    int32_t lanes = ej_rule_lanes(s, &s->statements[0], ej_nominal_extent(s, p->lane));
    int64_t width = (int64_t)lanes * n[THIN_VECTORS];
    ej_do_product_tile(s, p, n[THIN_ROWS], n[THIN_VECTORS], lanes);
    ask_ahead(s, &t, n[THIN_NX], width);
    ej_product_sort(p->n, p->n_n, &s->statements[0].src[p->right]);
    for (int32_t i = 0; i < p->n_z; i++) ej_do_loop(s, 0, p->z[i], 1);
    for (int32_t i = 0; i < p->n_n; i++)
        if (p->n[i] != p->lane && p->n[i] != t.out) ej_do_loop(s, 0, p->n[i], 1);
    for (int32_t i = 0; i < p->n_m; i++)
        if (p->m[i] != p->row) ej_do_loop(s, 0, p->m[i], 1);
    ej_do_loop(s, 0, p->row, n[THIN_MC]);
    ej_do_loop(s, 0, p->lane, n[THIN_NX]);
    int32_t at = ej_do_loop(s, 0, t.out, n[THIN_OUT]);
    int32_t copy = ej_do_stage_out(s, at, 0, EJ_HOME_LOCAL,
                                   (ej_layout){.n = 3, .digits = {{t.out, 0, 0}, {p->row, 0, 0}, {p->lane, 0, 0}}});
    if (s->failed) return;
    ej_do_loop(s, 0, t.out, 1);
    ej_do_loop(s, 0, p->lane, width);
    ej_do_loop(s, 0, p->k[0], n[THIN_KC]);
    ej_do_loop(s, 0, p->row, n[THIN_ROWS]);
    turn_out(s, &t, copy, n[THIN_OUT] > t.turn);
}

const ej_script ej_script_thin = {"thin", matches, pays, params, run};
