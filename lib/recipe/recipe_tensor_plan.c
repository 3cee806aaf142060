/* recipe_tensor_plan.c - the numbers of a contraction: lanes, register tile, blocks, what is packed.
 *
 * Takes  a sum of products of two operands (recipe_product.h), and an axis of the result as the lanes: N are the axes
 *        of the operand that has it.
 * Gives  a tile of rows and vectors, each of one axis or of two short ones. Blocks of all axes: those of N by L3, those
 *        of M by L2, with runs of each array's unit axis inside, so that whole lines are packed and transposed at once.
 *        Of all lanes those with the fewest cycles, by a rough count of the multiplications in partly filled tiles and
 *        of the elements that are packed or transposed. Results with lanes along their unit axis are stored as they
 *        are, others wait in a block and are transposed on their way out.
 */
#include "recipe_tensor.h"

#include <math.h>

static const double TENSOR_LINE = 8; /* cycles to get one from the L3 or memory, several at a time */
/* cycles for an element that the L1 holds, where the next one is not beside it: x.T @ w of 33x65x29 f64 on Zen 4 takes
 * 0.67 of the time with lanes along the result's rows, and 2.4 ms to compile for 7.8; 66x58x21 f32 would take 1.13 */
static const double TENSOR_NEAR = 0.2;
enum { TENSOR_RUN = 16 }; /* values along a unit axis in a block: a line of f32 */
/* of a register tile, at most: of a packed left operand, and of one in place */
enum { TENSOR_ROWS_PACKED = 14, TENSOR_ROWS = 8 };
/* at most: vectors along either axis of N, rows along the second one of M */
enum { TENSOR_VECTORS = 4, TENSOR_ROWS2 = 6 };
enum { TENSOR_SHORT = 4 }; /* elements along shorter axes are copied one by one */
enum { TENSOR_ONCE = 32 }; /* rows, or columns, up to which an operand is hardly used again */
/* Bytes of a vector from which on tiles read whole lines: then an operand that is used once is read as it lies, though
 * each of its terms is on a page of its own. Packed and in place on Zen 4: cdea,bedc->abe (2710x9, 330 terms, f64) 12.5
 * and 8.3 ms, with vectors of 32 bytes 16.4 and 18.6; aebd,ce->dcba f32 102 and 70 ms, and 79 and 106. */
enum { TENSOR_WIDE = 64 };

static double extent(const ej_schedule *s, int32_t axis)
{
    return (double)s->axes[axis].extent.n;
}

static double bytes_of(const ej_schedule *s)
{
    return ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
}

static bool among(const int32_t *axes, int32_t n, int32_t axis)
{
    for (int32_t i = 0; i < n; i++)
        if (axes[i] == axis) return true;
    return false;
}

/* ---- the register tile ---- */

/* How good a tile is: 1 is all units busy all the time. */
static double quality(const ej_schedule *s, const ej_tensor *t, const ej_tensor_tile *tile)
{
    const ej_target *target = s->job->target;
    ej_product_tile one = {.rows = tile->rows * tile->rows2,
                           .vectors = tile->vectors * tile->vectors2,
                           .lanes = tile->lanes,
                           .parts = 1,
                           .little = ej_product_is_little(s, &t->p),
                           .bytes = (int32_t)bytes_of(s)};
    if (one.rows * one.vectors + one.vectors + 1 + !target->fma > target->vector_registers) return 0;
    /* vectors do not divide the panel: it is packed slowly */
    bool odd = t->pack_left && tile->rows % 4 && tile->rows > 8;
    ej_product_tile_reach(s, &t->p, &one);
    double columns = extent(s, t->p.lane), width = (double)tile->lanes * (double)tile->vectors, share = odd ? 0.8 : 1;
    if (tile->vectors2 > 1) { /* vectors hold all of the first axis, and what is left of them empty */
        share *= columns / width;
        columns = width * (double)tile->vectors2;
    }
    return share * ej_product_tile_quality(target, &one, extent(s, t->p.row) * (double)tile->rows2, columns);
}

static bool divides(const ej_schedule *s, int32_t axis, int64_t count)
{
    return axis >= 0 && s->axes[axis].extent.n % count == 0;
}

/* A second axis of a class: the longest other one. */
static int32_t second(const ej_schedule *s, const int32_t *axes, int32_t n, int32_t first)
{
    int32_t best = -1;
    for (int32_t i = 0; i < n; i++)
        if (axes[i] != first && (best < 0 || extent(s, axes[i]) > extent(s, best))) best = axes[i];
    return best;
}

static void choose_tile(const ej_schedule *s, ej_tensor *t)
{
    const ej_product *p = &t->p;
    double best = 0;
    ej_tensor_tile one = {.lanes = ej_rule_lanes(s, &s->statements[0], s->axes[p->lane].extent.n)};
    int64_t most = t->pack_left ? TENSOR_ROWS_PACKED : TENSOR_ROWS, m = s->axes[p->row].extent.n,
            n = s->axes[p->lane].extent.n;
    one.row2 = second(s, p->m, p->n_m, p->row);
    one.vector2 = second(s, p->n, p->n_n, p->lane);
    for (one.vectors = 1; one.vectors <= TENSOR_VECTORS; one.vectors++)
        for (one.vectors2 = 1; one.vectors2 <= (one.vectors * one.lanes >= n ? TENSOR_VECTORS : 1); one.vectors2++)
            for (one.rows = m < most ? m : 2; one.rows <= most && one.rows <= m; one.rows++)
                for (one.rows2 = 1; one.rows2 <= (one.rows == m ? TENSOR_ROWS2 : 1); one.rows2++) {
                    bool whole = (one.rows2 == 1 || divides(s, one.row2, one.rows2)) &&
                                 (one.vectors2 == 1 || divides(s, one.vector2, one.vectors2));
                    double score = whole ? quality(s, t, &one) : 0;
                    if (score <= best * 1.001) continue;
                    best = score;
                    t->tile = one;
                }
    t->cost = best > 0 ? p->size_m * p->size_n * p->size_k / (2.0 * t->tile.lanes * best) : -1;
}

/* ---- blocks ---- */

/* Values of an axis in a register tile. */
static int64_t counted(const ej_tensor *t, int32_t axis)
{
    const ej_tensor_tile *tile = &t->tile;
    if (axis == t->p.row) return tile->rows;
    if (axis == t->p.lane) return tile->lanes * tile->vectors;
    if (axis == tile->row2) return tile->rows2;
    return axis == tile->vector2 ? tile->vectors2 : 1;
}

/* Values of some axes together in a block. */
static double inside(const ej_tensor *t, const int32_t *axes, int32_t n)
{
    double all = 1;
    for (int32_t i = 0; i < n; i++) all *= (double)t->block[axes[i]];
    return all;
}

/* A block has at least `run` values of the axis, or all of it, in whole tiles. */
static void reserve(const ej_schedule *s, ej_tensor *t, int32_t axis, int64_t run)
{
    int64_t whole = s->axes[axis].extent.n, tile = counted(t, axis), want = whole < run ? whole : run;
    want = (want + tile - 1) / tile * tile;
    if (want > t->block[axis]) t->block[axis] = want;
}

/* A run of values that lie side by side: of the unit axis, and where that is short, of those which go on where it
 * ends. */
static void reserve_run(const ej_schedule *s, ej_tensor *t, int32_t *axes, int32_t n, const ej_access *access)
{
    int64_t run = 1;
    ej_product_sort(axes, n, access);
    for (int32_t i = n; i-- > 0 && run < TENSOR_RUN && ej_product_stride(access, axes[i]) == run;) {
        reserve(s, t, axes[i], (TENSOR_RUN + run - 1) / run);
        if (!ej_mul_size(run, s->axes[axes[i]].extent.n, &run)) return;
    }
}

/* As much of an axis as the budget has room for beside the other axes of its class. */
static void grow(const ej_schedule *s, ej_tensor *t, const int32_t *axes, int32_t n, int32_t axis, double budget)
{
    int64_t tile = counted(t, axis), whole = (s->axes[axis].extent.n + tile - 1) / tile * tile;
    double room = budget / inside(t, axes, n) * (double)t->block[axis];
    if (room < (double)tile || whole <= t->block[axis]) return;
    int64_t block = (double)whole <= room * 1.25 ? whole : ej_block_of(s->axes[axis].extent.n, room, tile);
    if (block > t->block[axis]) t->block[axis] = block;
}

/* Blocks of N (`right`) or M, up to `budget` values: first runs of unit axes, then the axis of the tile, then the
 * others from the smallest stride on. */
static void fill(const ej_schedule *s, ej_tensor *t, bool right, double budget)
{
    ej_product *p = &t->p;
    int32_t n = right ? p->n_n : p->n_m, *axes = right ? p->n : p->m, first = right ? p->lane : p->row;
    int32_t unit = right ? t->right : t->left;
    for (int32_t i = 0; i < n; i++) t->block[axes[i]] = counted(t, axes[i]);
    reserve_run(s, t, axes, n, &s->statements[0].src[right ? p->right : p->left]);
    if (t->waits && among(axes, n, t->out)) reserve(s, t, t->out, t->rows_out > TENSOR_RUN ? t->rows_out : TENSOR_RUN);
    grow(s, t, axes, n, first, budget);
    if (among(axes, n, unit)) grow(s, t, axes, n, unit, budget);
    for (int32_t i = n; i-- > 0;) grow(s, t, axes, n, axes[i], budget);
}

/* Blocks of N in whole pieces of those that wait. Where a block ends inside of a piece, the last block is code of its
 * own, with all that is in it (abe,dce->dabc, blocks of 768 in pieces of 512: 37 ms of compiling, of 384: 25). */
static void cut_evenly(const ej_schedule *s, ej_tensor *t)
{
    int64_t tile = counted(t, t->p.lane), *block = &t->block[t->p.lane];
    int64_t pieces = (*block + t->wait_lane - 1) / t->wait_lane;
    if (*block >= s->axes[t->p.lane].extent.n || *block % t->wait_lane == 0) return;
    t->wait_lane = ((*block + pieces - 1) / pieces + tile - 1) / tile * tile;
    *block = t->wait_lane * pieces;
}

static void choose_blocks(const ej_schedule *s, ej_tensor *t)
{
    const ej_target *target = s->job->target;
    ej_product *p = &t->p;
    double bytes = bytes_of(s), width = (double)(t->tile.lanes * t->tile.vectors * t->tile.vectors2);
    double batch = 1, depth = 1;
    double square = (double)target->l2_bytes / 4 / bytes, kc = 1.5 * sqrt(square);
    for (int32_t i = 0; i < p->n_z; i++) {
        bool unit = p->z[i] == t->out || p->z[i] == t->left || p->z[i] == t->right;
        t->block[p->z[i]] = 1;
        if (unit) reserve(s, t, p->z[i], TENSOR_RUN);
        batch *= (double)t->block[p->z[i]];
    }
    ej_product_block_terms(s, p, t->waits || ej_statement_may_wait(s, &s->statements[0]) ? kc : p->size_k, t->terms);
    for (int32_t i = 0; i < p->n_k; i++) depth *= (double)t->terms[i];
    double rows = square / (depth * batch), most = square / (TENSOR_RUN * width * batch);
    fill(s, t, false, t->waits && rows > most ? most : rows);
    /* panels of N are read for each block of M, or whole rows of the result wait: in the L3; for one block, whose
     * panels are copied again for each of N: in the L2; read only once or twice: in half of that */
    double room = (double)target->l3_bytes / target->l3_part;
    if (!t->rows_out && inside(t, p->m, p->n_m) >= p->size_m) room = (double)target->l2_bytes / (t->streams ? 2 : 1);
    t->cuts = t->waits && t->pack_right && depth < p->size_k && inside(t, p->m, p->n_m) >= p->size_m;
    room /= (t->waits && !t->cuts ? p->size_k : depth) * bytes * batch;
    double waiting = (double)target->l2_bytes / 4 / (inside(t, p->m, p->n_m) * bytes * batch);
    if (t->cuts && waiting < room) room = waiting;
    if (t->waits && !t->pack_right && waiting > room) room = waiting; /* no panels: long runs are read as they lie */
    fill(s, t, true, room);
    if (!t->waits) return;
    double across = batch * (among(p->n, p->n_n, t->out) ? (double)t->block[t->out] : 1);
    waiting = (double)target->l2_bytes / 4 / (inside(t, p->m, p->n_m) * across * bytes);
    t->wait_lane = ej_block_of(s->axes[p->lane].extent.n, waiting < width ? width : waiting, counted(t, p->lane));
    if (t->cuts || t->wait_lane > t->block[p->lane]) t->wait_lane = t->block[p->lane];
    cut_evenly(s, t);
}

/* ---- lanes ---- */

/* Cycles to copy an element from an array that lies along `from` (-1: along none) to one along `to`. */
static double to_move(const ej_schedule *s, int32_t from, int32_t to, double lanes)
{
    if (from == to) return 2 / lanes;
    if (from < 0) return 2;
    double a = extent(s, from), b = extent(s, to), shorter = a < b ? a : b;
    return shorter >= 8 ? 0.6 : shorter >= TENSOR_SHORT ? 1 : 2;
}

static void add_costs(const ej_schedule *s, ej_tensor *t)
{
    const ej_product *p = &t->p;
    double lanes = ej_rule_vector(s, &s->statements[0]);
    if (t->cost < 0) return;
    t->cost += p->size_m * p->size_n * to_move(s, p->lane, t->out, lanes);
    if (t->waits && p->size_k * TENSOR_ONCE * bytes_of(s) > (double)s->job->target->l3_bytes / 4)
        t->cost *= 2; /* the right operand is packed for all terms at once, which the L3 does not hold */
    if (t->pack_right) t->cost += p->size_n * p->size_k * to_move(s, t->right, p->lane, lanes);
    if (t->pack_left) t->cost += p->size_m * p->size_k * to_move(s, t->left, p->row, lanes);
    else if (t->left != p->k[p->n_k - 1]) { /* a line or page for each term */
        const ej_access *left = &s->statements[0].src[p->left];
        int64_t row = ej_product_stride(left, p->row), term = ej_product_stride(left, p->k[p->n_k - 1]);
        int64_t near = row < term ? row : term;
        double bytes = p->size_m * p->size_k * bytes_of(s);
        bool far = bytes > (double)s->job->target->l2_bytes && (double)near * bytes_of(s) >= TENSOR_RUN * 4;
        t->cost += p->size_m * p->size_k *
                   (far                                        ? TENSOR_LINE
                    : bytes > (double)s->job->target->l1_bytes ? 1
                                                               : TENSOR_NEAR);
    }
}

bool ej_tensor_find(const ej_schedule *s, int32_t lane, ej_tensor *t)
{
    const ej_statement *st = &s->statements[0];
    int dtype = s->buffers[st->out.buffer].plan.dtype;
    *t = (ej_tensor){.cost = -1};
    if (!ej_product_find(s, lane, &t->p) || ej_dtype_is_complex(dtype) ||
        ej_dtypes[dtype].computes != ej_statement_dtype(st))
        return false;
    const ej_product *p = &t->p;
    if (!p->sums || ej_product_is_open(s)) return false;
    double bytes = bytes_of(s);
    t->out = ej_access_unit_axis(&st->out);
    t->left = ej_access_unit_axis(&st->src[p->left]);
    t->right = ej_access_unit_axis(&st->src[p->right]);
    if (t->out < 0) return false;
    t->waits = t->out != lane;
    if (t->waits && !p->plain) return false; /* what is added to results cannot wait */
    t->rows_out = t->waits && among(p->n, p->n_n, t->out) ? ej_product_row_out(s, t->out) : 0;
    bool fits = (p->size_m + p->size_n) * p->size_k * bytes <= (double)s->job->target->l2_bytes / 6;
    t->streams = p->size_m <= TENSOR_ONCE;
    bool scattered = ej_product_terms_apart(s, p) && s->job->target->vector_bytes < TENSOR_WIDE;
    t->pack_right = t->right != lane || (!fits && (!t->streams || scattered));
    t->pack_left = p->size_n > TENSOR_ONCE && !(fits && t->left == p->k[p->n_k - 1]);
    choose_tile(s, t);
    if (t->cost < 0) return false;
    choose_blocks(s, t);
    add_costs(s, t);
    return true;
}

bool ej_tensor_choose(const ej_schedule *s, ej_tensor *best)
{
    const ej_access *out = &s->statements[0].out;
    ej_tensor one;
    bool found = false;
    for (int32_t i = 0; i < out->n_terms; i++) {
        if (!ej_tensor_find(s, out->terms[i].axis, &one) || (found && one.cost >= best->cost)) continue;
        *best = one;
        found = true;
    }
    return found;
}
