/* recipe_product.c - takes reductions apart into M, N, K and batches; sizes of their register tiles and blocks.
 *
 * Not here: the loops, which each script has in an order of its own.
 */
#include "recipe_product.h"

#include <stdlib.h>

enum { PRODUCT_PAGE = 4096 };                                 /* bytes */
enum { PRODUCT_ROWS = 4, PRODUCT_MULTIPLICATIONS = 1 << 15 }; /* at least, for blocks */

int64_t ej_product_stride(const ej_access *access, int32_t axis)
{
    const ej_access_term *term = ej_access_find(access, axis);
    return term ? llabs(term->stride.n) : 0;
}

static double extent(const ej_schedule *s, int32_t axis)
{
    return (double)ej_nominal_extent(s, axis);
}

static bool is_plain(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 || ej_size_is(access->terms[t].stride, 0)) return false;
    return true;
}

void ej_product_sort(int32_t *axes, int32_t n, const ej_access *access)
{
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0 && ej_product_stride(access, axes[k]) > ej_product_stride(access, axes[k - 1]); k--) {
            int32_t swap = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = swap;
        }
}

static bool in_others(const ej_statement *st, int32_t right, int32_t axis)
{
    for (int32_t i = 0; i < st->n_src; i++)
        if (i != right && ej_access_find(&st->src[i], axis)) return true;
    return false;
}

static bool sort_into_classes(const ej_schedule *s, ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    const ej_access *right = &st->src[g->right];
    g->size_m = g->size_n = g->size_k = 1;
    if (s->n_axes > EJ_PRODUCT_AXES) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool in_left = in_others(st, g->right, a), in_right = ej_access_find(right, a),
             out = ej_access_find(&st->out, a);
        if (s->axes[a].extent.e ? !out : s->axes[a].extent.n < 1) return false;
        if (in_left && in_right && out && a != g->lane) {
            g->z[g->n_z++] = a;
        } else if (in_right && out) {
            g->n[g->n_n++] = a;
            g->size_n *= extent(s, a);
        } else if (in_left && out) {
            g->m[g->n_m++] = a;
            g->size_m *= extent(s, a);
        } else if (in_right) {
            g->k[g->n_k++] = a;
            g->size_k *= extent(s, a);
        }
        g->sums = g->sums && (out || (in_left && in_right));
        if (!in_left && !in_right) return false;
    }
    return g->n_m && g->n_n && g->n_k;
}

/* The axis of the rows: the longest, and of several that are long enough for any tile the one whose neighbours lie
 * closest together in the left operand. */
static int32_t choose_row(const ej_schedule *s, const ej_product *g)
{
    const ej_access *left = &s->statements[0].src[g->left];
    int32_t best = -1;
    for (int32_t i = 0; i < g->n_m; i++) {
        if (ej_statement_has_table(&s->statements[0], g->m[i])) continue;
        if (best < 0) best = g->m[i];
        double a = extent(s, g->m[i]), b = extent(s, best);
        bool longer = a > b && b < 24,
             closer = a >= 24 && ej_product_stride(left, g->m[i]) < ej_product_stride(left, best);
        if (longer || closer) best = g->m[i];
    }
    return best;
}

/* The largest operand that has the axis (`has`), or another one than `except`. */
static int32_t largest_source(const ej_schedule *s, int32_t has, int32_t except)
{
    const ej_statement *st = &s->statements[0];
    double most = 0;
    int32_t best = -1;
    for (int32_t i = 0; i < st->n_src; i++) {
        double size = 1;
        if (i == except || (has >= 0 && !ej_access_find(&st->src[i], has))) continue;
        for (int32_t t = 0; t < st->src[i].n_terms; t++) size *= extent(s, st->src[i].terms[t].axis);
        if (best >= 0 && size <= most) continue;
        best = i;
        most = size;
    }
    return best;
}

bool ej_product_find(const ej_schedule *s, int32_t lane, ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    *g = (ej_product){.lane = lane, .sums = st->n_src == 2 && st->reduce == EINJIT_REDUCE_SUM};
    if (st->reduce == EJ_REDUCE_NONE || st->n_src < 2) return false;
    if (lane < 0 || !ej_access_find(&st->out, lane) || ej_statement_has_table(st, lane)) return false;
    g->right = largest_source(s, lane, -1);
    if (g->right < 0 || !is_plain(&st->src[g->right])) return false;
    g->left = largest_source(s, -1, g->right);
    g->sums = g->sums && is_plain(&st->src[g->left]) && is_plain(&st->out);
    if (!sort_into_classes(s, g) || (st->n_src == 2 && ej_access_find(&st->src[g->left], lane))) return false;
    g->plain = g->sums && !st->accumulate;
    g->row = choose_row(s, g);
    if (!EJ_HELD(s->ordered, SUM_LOOPS)) ej_product_sort(g->k, g->n_k, &st->src[g->left]);
    return g->row >= 0;
}

double ej_product_bytes(const ej_schedule *s, const ej_product *p)
{
    double elements = p->size_m * p->size_k + p->size_k * p->size_n + p->size_m * p->size_n;
    return elements * ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
}

bool ej_product_is_large(const ej_schedule *s, const ej_product *p)
{
    return ej_product_bytes(s, p) > 2 * (double)s->job->target->l2_bytes;
}

bool ej_product_repays_blocks(const ej_product *p, double least_k)
{
    return p->size_k >= least_k && p->size_m >= PRODUCT_ROWS &&
           p->size_m * p->size_n * p->size_k >= PRODUCT_MULTIPLICATIONS;
}

bool ej_product_terms_apart(const ej_schedule *s, const ej_product *p)
{
    double bytes = ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    for (int32_t i = 0; i < p->n_k; i++)
        if ((double)ej_product_stride(&s->statements[0].src[p->right], p->k[i]) * bytes < PRODUCT_PAGE) return false;
    return true;
}

/* ---- numbers ---- */

int64_t ej_block_of(int64_t extent, double most, int64_t multiple)
{
    int64_t block = (int64_t)(most * 1.25) / multiple * multiple;
    for (; block >= multiple && (double)block * 2 > most; block -= multiple)
        if (extent % block == 0) return block;
    int64_t pieces = (int64_t)((double)extent / most) + 1, even = (extent + pieces - 1) / pieces;
    return (even + multiple - 1) / multiple * multiple;
}

/* At least so many values along an axis of K that is an operand's unit axis: a line, or, where it is read as it lies,
 * whatever is left; transposing packs take 8 values at once. */
enum { TERMS_LINE = 64, TERMS_TURNED = 8 };

static bool is_unit(const ej_schedule *s, const ej_product *g, int32_t axis)
{
    const ej_statement *st = &s->statements[0];
    return ej_access_unit_axis(&st->src[g->left]) == axis || ej_access_unit_axis(&st->src[g->right]) == axis;
}

void ej_product_block_terms(const ej_schedule *s, const ej_product *g, double most, int64_t block[EJ_PRODUCT_AXES])
{
    int64_t line = TERMS_LINE / ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    bool in_order = EJ_HELD(s->ordered, SUM_LOOPS); /* then only the outermost axis may be cut */
    int64_t together = ej_product_terms(s, g);      /* no loop cuts a pair */
    double terms = 1;
    for (int32_t i = 0; i < g->n_k; i++) {
        int64_t n = s->axes[g->k[i]].extent.n, least = in_order && i ? n : is_unit(s, g, g->k[i]) ? line : 1;
        if (i == g->n_k - 1 && least < together) least = together;
        block[i] = n < least ? n : least;
        terms *= (double)block[i];
    }
    for (int32_t i = g->n_k; i-- > 0;) {
        int64_t n = s->axes[g->k[i]].extent.n, multiple = g->n_k == 1 || is_unit(s, g, g->k[i]) ? TERMS_TURNED : 1;
        if (i == g->n_k - 1 && multiple < together) multiple = together;
        double others = terms / (double)block[i], room = most / others;
        if (n <= block[i] || room < (double)block[i]) continue;
        int64_t cut = (double)n <= room * 1.25 ? n : ej_block_of(n, room, multiple);
        /* equal blocks were much larger */
        if ((double)cut > room * 1.25) cut = (int64_t)(room / (double)multiple) * multiple;
        if (cut < block[i]) continue;
        block[i] = cut;
        terms = others * (double)block[i];
    }
}

int32_t ej_do_product_terms(ej_schedule *s, const ej_product *g, const int64_t *block, int32_t at)
{
    for (int32_t i = 0; i < g->n_k; i++)
        if (block[i] < s->axes[g->k[i]].extent.n) at = ej_do_loop(s, 0, g->k[i], block[i]);
    return at;
}

/* Accumulators that keep the units busy: two units with a latency of 4 cycles need 8, and some slack (1024^3 f32 on
 * AVX2, Zen 4: tiles of 4 x 2 vectors 101, of 6 x 2 109 GFLOP/s). */
enum { TILE_BUSY = 10 };
enum { TILE_LINE = 64 }; /* bytes */
/* lines of operands come from the L2 so much slower than lines of one stream */
static const double TILE_LINES_WAIT = 1.5;
static const double TILE_COPY = 0.97; /* a shorter last tile is one more copy of the code */
/* Pieces of more than two vectors (ej_target's cut): on AVX2 products of 72 and 96 terms take 3 to 9 % longer with
 * tiles of 4 x 3 than of 6 x 2, and at 1024^3 f32 on Zen 5 three are no better than two. With few terms it is the
 * stores that take the time, and longer pieces of fewer rows are better: 24 terms take 17 % less. Where both operands
 * are packed, three are better, too: 1024^3 f64 on AVX2 takes 0.87 of the time with 4 x 3 that it takes with 6 x 2, but
 * 3 x 4 are slower. */
enum { TILE_FEW_TERMS = 48 };
/* Of the L1, for the panel that tile after tile reads; the left operand's is small beside it, and in place its rows are
 * in one another's way. */
static const double TILE_L1 = 0.5, TILE_L1_PACKED = 0.875;
enum { TILE_ROWS_IN_L1 = 12, TILE_ROWS_IN_PLACE = 8, TILE_VECTORS = 5, TILE_VECTORS_PACKED = 3 }; /* at most */
enum { TILE_ROWS_OPEN = 4, TILE_VECTORS_OPEN = 2 };

/* The most rows. More than 8 of a left operand that is not packed lie in the same sets of the L1 where its rows are a
 * power of 2 apart (1024^3 f32 on Zen 5: 8 rows 226, 12 rows 196 GFLOP/s), unless all of it stays in the L1. Along an
 * open axis each row is a branch in the code for the rest. */
static int32_t most_rows(const ej_schedule *s, const ej_product *g, bool packed)
{
    double left_bytes = g->size_m * g->size_k * ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    if (s->axes[g->row].extent.e) return TILE_ROWS_OPEN; /* 8 are 3 % faster */
    if (packed) return s->job->target->packed_rows;
    return left_bytes < (double)s->job->target->l1_bytes / 2 ? TILE_ROWS_IN_L1 : TILE_ROWS_IN_PLACE;
}

/* Cycles that a term takes in one tile: multiplications or loads, two a cycle, whichever are more, and a part of the
 * others; beside them what comes from the L2. */
static double tile_cycles(const ej_target *t, const ej_product_tile *tile, double rows, double vectors)
{
    double parts = tile->parts, chains = parts * rows * vectors, busy = chains >= TILE_BUSY ? 1 : chains / TILE_BUSY;
    double operations = parts * chains / (t->fma ? 2 : 1) / busy, loads = parts * (rows + vectors) / 2;
    double inside = operations > loads ? operations + 0.3 * loads : loads + 0.3 * operations;
    double bytes = tile->panel_far * parts * vectors * t->vector_bytes + tile->left_far * rows * tile->bytes;
    double outside = bytes / TILE_LINE * TILE_LINES_WAIT * t->line_cycles[0];
    return inside > outside ? inside + outside / 4 : outside + inside / 4;
}

/* Whole tiles along an extent, and what is left for a shorter last one. */
typedef struct tile_run {
    double whole, rest;
} tile_run;

/* Products that are over in microseconds: a copy of the code counts for more than what it saves to run, and the last
 * tile is a whole one that begins earlier where little is computed twice (jit/lower/lower_overlap.c). 37x41x43 c128 on
 * Zen 4, f32 to c128 of odd sizes. */
enum { LITTLE_TERMS = 1 << 17, LITTLE_TWICE = 12 };
static const double TILE_COPY_LITTLE = 0.94;

static tile_run run_of(const ej_product_tile *tile, double extent, double n)
{
    double whole = (double)(int64_t)(extent / n), rest = extent - whole * n;
    if (tile->little && whole > 0 && rest > 0 && (n - rest) * LITTLE_TWICE <= extent) return (tile_run){whole + 1, 0};
    return (tile_run){whole, rest};
}

double ej_product_tile_quality(const ej_target *t, const ej_product_tile *tile, double m, double n)
{
    double lanes = tile->lanes, all_vectors = (double)(int64_t)((n + lanes - 1) / lanes), copies = 1;
    double copy = tile->little ? TILE_COPY_LITTLE : TILE_COPY;
    tile_run rows = run_of(tile, m, tile->rows), vectors = run_of(tile, all_vectors, tile->vectors);
    double cycles = rows.whole * vectors.whole * tile_cycles(t, tile, tile->rows, tile->vectors);
    if (rows.rest > 0) cycles += vectors.whole * tile_cycles(t, tile, rows.rest, tile->vectors);
    if (vectors.rest > 0) cycles += rows.whole * tile_cycles(t, tile, tile->rows, vectors.rest);
    if (rows.rest > 0 && vectors.rest > 0) cycles += tile_cycles(t, tile, rows.rest, vectors.rest);
    if (rows.rest > 0) copies *= copy;
    if (vectors.rest > 0 || (all_vectors * lanes > n && !tile->little)) copies *= copy;
    if (tile->vectors > 2 && (double)tile->vectors < all_vectors) copies *= tile->cut;
    double least = m * n / lanes * tile->parts * tile->parts / (t->fma ? 2 : 1);
    return copies * least / cycles;
}

void ej_product_tile_reach(const ej_schedule *s, const ej_product *p, ej_product_tile *tile)
{
    const ej_target *t = s->job->target;
    double near = (double)t->l1_bytes * (tile->packed ? TILE_L1_PACKED : TILE_L1),
           block = (double)t->l2_bytes / t->panel_part;
    double panel = p->size_k * (double)tile->vectors * t->vector_bytes * tile->parts;
    if (panel > block) panel = block;
    double times = p->size_m / tile->rows; /* that a panel is read */
    bool all = ej_product_bytes(s, p) <= (double)t->l1_bytes;
    tile->panel_far = all ? 0 : panel > near || times < 1 ? 1 : 1 / times;
    tile->cut = p->size_k <= TILE_FEW_TERMS ? 1 : tile->packed ? t->packed_cut : t->cut;
    tile->left_far = all || p->size_m * p->size_k * tile->bytes <= near ? 0 : 1;
}

bool ej_product_is_little(const ej_schedule *s, const ej_product *g)
{
    double n = g->size_m * g->size_n * g->size_k;
    for (int32_t i = 0; i < g->n_z; i++) n *= (double)ej_nominal_extent(s, g->z[i]);
    return !ej_product_is_open(s) && n <= LITTLE_TERMS;
}

/* rows * vectors accumulators, the vectors of one operand and one at a time of the other have to fit into the
 * registers; without fused multiply-add a product, too. The fewer ones are held: vectors of the right operand, or
 * values of the left one in all lanes, for which ej_do_product_tile goes through the tile vector by vector. */
void ej_product_choose_tile(const ej_schedule *s, const ej_product *g, int32_t lanes, bool packed, int64_t *rows,
                            int64_t *vectors)
{
    const ej_target *t = s->job->target;
    int dtype = ej_statement_dtype(&s->statements[0]);
    ej_product_tile tile = {
        .lanes = lanes, .parts = ej_dtype_is_complex(dtype) ? 2 : 1, .bytes = ej_dtypes[dtype].bytes, .packed = packed};
    tile.little = ej_product_is_little(s, g);
    int32_t most = most_rows(s, g, packed), most_vectors = packed ? TILE_VECTORS_PACKED : TILE_VECTORS;
    if (s->axes[g->lane].extent.e) most_vectors = TILE_VECTORS_OPEN;
    double best = 0;
    for (tile.vectors = 1; tile.vectors <= most_vectors; tile.vectors++)
        for (tile.rows = 2; tile.rows <= most; tile.rows++) {
            int32_t held = tile.rows < tile.vectors ? tile.rows : tile.vectors;
            if (tile.parts * (tile.rows * tile.vectors + held + 1) + !t->fma > t->vector_registers) break;
            ej_product_tile_reach(s, g, &tile);
            double score = ej_product_tile_quality(t, &tile, extent(s, g->row), extent(s, g->lane));
            if (score <= best * 1.001) continue; /* of equals the first */
            best = score;
            *rows = tile.rows;
            *vectors = tile.vectors;
        }
}

int64_t ej_product_terms(const ej_schedule *s, const ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    int32_t k = g->k[g->n_k - 1];
    return ej_statement_pairs(s, st) && s->axes[k].extent.n > 1 && !ej_statement_has_table(st, k) ? 2 : 1;
}

void ej_do_product_tile(ej_schedule *s, const ej_product *g, int64_t rows, int64_t vectors, int32_t lanes)
{
    ej_tile tile = {0};
    ej_tile_add(&tile, g->k[g->n_k - 1], ej_product_terms(s, g), EJ_UNROLL);
    if (rows >= vectors) ej_tile_add(&tile, g->row, rows, EJ_UNROLL);
    ej_tile_add(&tile, g->lane, vectors, EJ_UNROLL);
    if (rows < vectors) ej_tile_add(&tile, g->row, rows, EJ_UNROLL);
    ej_tile_add(&tile, g->lane, lanes, EJ_LANE);
    ej_do_tile(s, 0, tile);
}

enum { ROW_OUT = 256, ROW_OUT_WHOLE = 512 }; /* bytes: a piece of a long row, and a row that is not cut */

int64_t ej_product_row_out(const ej_schedule *s, int32_t unit)
{
    const ej_statement *st = &s->statements[0];
    int64_t bytes = ej_dtypes[s->buffers[st->out.buffer].plan.dtype].bytes, n = s->axes[unit].extent.n;
    if (s->axes[unit].extent.e || n * bytes % TERMS_LINE || !ej_rule_streams(s, st)) return 0;
    return n <= ROW_OUT_WHOLE / bytes ? n : ej_block_of(n, (double)(ROW_OUT / bytes), TERMS_LINE / bytes);
}

double ej_product_source_bytes(const ej_schedule *s, int32_t source)
{
    const ej_access *access = &s->statements[0].src[source];
    return ej_rule_elements(s, access) * ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes;
}

/* How many bytes ahead the part of an operand lies that the tiles need next: the next rows or panel; where the lanes
 * are all in a block that the L2 holds, the same panel of the next block. 0: it is too far to ask for. */
static int64_t part_ahead(const ej_schedule *s, const ej_product *p, int32_t source, int64_t count)
{
    const ej_access *access = &s->statements[0].src[source];
    int64_t bytes = ej_dtypes[s->buffers[access->buffer].plan.dtype].bytes, stride = 0, ahead;
    int32_t axis = source == p->left ? p->row : p->lane;
    double block = extent(s, p->lane) * p->size_k * (double)bytes;
    for (int32_t i = 0; source == p->right && block <= (double)s->job->target->l2_bytes / 8 && i < p->n_n; i++) {
        int64_t other = ej_product_stride(access, p->n[i]);
        if (p->n[i] != p->lane && (!stride || other < stride)) stride = other;
    }
    if (stride) count = 1;
    else stride = ej_product_stride(access, axis);
    if (!ej_mul_size(stride, bytes * count, &ahead) || ahead > EJ_HINT_AHEAD) return 0;
    /* Rows whole pages apart, and those that are asked for, are all in one set of the L1: 2048^3 f64 on Sapphire Rapids
     * takes 325 ms with the prefetches and 256 without. */
    return count > 1 && axis == p->row && stride * bytes % PRODUCT_PAGE == 0 ? 0 : ahead;
}

void ej_do_product_hints(ej_schedule *s, const ej_product *p, int64_t rows, int64_t width, bool at_once)
{
    ej_leaf_hints hints = {.stream = at_once && ej_rule_streams(s, &s->statements[0])};
    double left = rows ? ej_product_source_bytes(s, p->left) : 0,
           right = width ? ej_product_source_bytes(s, p->right) : 0;
    double l3 = (double)s->job->target->l3_bytes;
    int32_t source = left > right ? p->left : p->right;
    if (left > l3 || right > l3) hints.ahead = part_ahead(s, p, source, left > right ? rows : width);
    if (hints.ahead) hints.source = source;
    if (hints.stream || hints.ahead) ej_do_hint(s, 0, hints);
}

bool ej_product_is_open(const ej_schedule *s)
{
    for (int32_t a = 0; a < s->n_axes; a++)
        if (s->axes[a].extent.e) return true;
    return false;
}

enum { UNBOUNDED_BITS = 40 }; /* of the number of tiles in a loop that cuts nothing but open axes, which are shorter */

void ej_do_product_guard(ej_schedule *s, const ej_product *g, int64_t rows)
{
    for (int32_t i = 0; i < g->n_m; i++)
        if (s->axes[g->m[i]].extent.e) ej_do_loop(s, 0, g->m[i], (g->m[i] == g->row ? rows : 1) << UNBOUNDED_BITS);
}

void ej_do_product_pack(ej_schedule *s, const ej_product *g, bool right, int32_t at, int64_t width)
{
    int32_t depth[3 * EJ_PRODUCT_AXES], n = 0, lane = right ? g->lane : g->row;
    int32_t n_kept = right ? g->n_n : g->n_m;
    const int32_t *kept = right ? g->n : g->m;
    for (int32_t i = 0; i < g->n_z; i++)
        if (ej_schedule_range(s, at, g->z[i]) > 1) depth[n++] = g->z[i];
    for (int32_t i = 0; i < n_kept; i++)
        if (kept[i] != lane && ej_schedule_range(s, at, kept[i]) > 1) depth[n++] = kept[i];
    for (int32_t i = 0; i < g->n_k; i++) depth[n++] = g->k[i];
    ej_do_pack(s, at, 0, right ? g->right : g->left, lane, width, depth, n, ej_product_terms(s, g));
}
