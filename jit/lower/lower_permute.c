/* lower_permute.c - a register tile read under another lane map (a transpose, say): all its vectors at once.
 *
 * A row is a vector register. Number the elements of 2^k rows of 2^n lanes by row and lane: k + n bits, of which the
 * lane is the lower ones. The lane maps that are dealt with here only permute bits: each bit of a lane of the result is
 * one of these.
 *
 * Takes  a read of one vector whose lanes come from 4, 8 or 16 rows under such a map.
 * Gives  all that those rows hold, under the same map, as further rows, which the reads that follow find: in stages of
 *        shuffles (lower_shuffle_plan.c), one for each bit that moves from rows to lanes. Vector by vector, each would
 *        take one shuffle less than it has rows.
 */
#include "lower_nest.h"

#include <string.h>

#include "lower_shuffle_plan.h"

enum { EJ_ROWS_MAX = 1 << EJ_SHUFFLE_ROW_BITS };

/* The read as a permutation of bits. A row of -1 is not known: no lane of the read comes from it. */
typedef struct ej_permute {
    int32_t lanes, width;             /* of the result, of the rows */
    int32_t lane_bits;                /* of the result */
    int8_t bit[EJ_SHUFFLE_LANE_BITS]; /* of the element's number, for each lane bit of the result */
    ej_shuffle_ask ask;
    int32_t n_rows, row[EJ_ROWS_MAX];
} ej_permute;

static int32_t log_of(int32_t n)
{
    int32_t bits = 0;
    while (1 << bits < n) bits++;
    return bits;
}

/* Which bit each lane bit of the result is, by lanes that differ in that bit alone: if they come from one row, their
 * lanes there differ in one bit, which it is; else it is the next bit of the rows' numbers. False: the map does not
 * permute bits. */
static bool find_bits(ej_permute *p, const ej_reg_place *const *place)
{
    for (int32_t b = 0; b < p->lane_bits; b++) {
        int32_t lane_bit = -1;
        for (int32_t l = 0; l < p->lanes && lane_bit < 0; l++) {
            int32_t other = l ^ 1 << b;
            if (!place[l] || !place[other] || place[l]->reg != place[other]->reg) continue;
            int32_t differ = place[l]->lane ^ place[other]->lane;
            if (!differ || differ & (differ - 1)) return false;
            lane_bit = log_of(differ);
        }
        p->bit[b] = (int8_t)(lane_bit >= 0 ? lane_bit : log_of(p->width) + p->ask.row_bits++);
        for (int32_t other = 0; other < b; other++)
            if (p->bit[other] == p->bit[b]) return false;
    }
    return p->ask.row_bits >= 2 && p->ask.row_bits <= EJ_SHUFFLE_ROW_BITS;
}

/* The number of the element in a lane of the result. */
static int32_t element_of(const ej_permute *p, int32_t lane)
{
    int32_t element = 0;
    for (int32_t b = 0; b < p->lane_bits; b++)
        if (lane >> b & 1) element |= 1 << p->bit[b];
    return element;
}

/* Which row has which number. False: a lane is not where its bits say, or a row has two numbers. */
static bool find_rows(ej_permute *p, const ej_reg_place *const *place)
{
    int32_t shift = p->ask.lane_bits, start = -1, moving = element_of(p, p->lanes - 1) & (p->width - 1);
    p->n_rows = 1 << p->ask.row_bits;
    for (int32_t r = 0; r < p->n_rows; r++) p->row[r] = -1;
    for (int32_t l = 0; l < p->lanes; l++) {
        if (!place[l]) continue;
        int32_t element = element_of(p, l), row = element >> shift, lane = place[l]->lane ^ (element & (p->width - 1));
        if (start < 0) start = lane; /* the bits that all lanes have in common */
        if (lane != start || lane & moving || (p->row[row] >= 0 && p->row[row] != place[l]->reg - 1)) return false;
        p->row[row] = place[l]->reg - 1;
    }
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < r; k++)
            if (p->row[r] >= 0 && p->row[r] == p->row[k]) return false;
    return true;
}

/* Fewer shuffles than one vector of the result after the other. Where few lanes or rows are in use it is not: LLVM
 * drops half of the shuffles of such a tile. */
static bool saves_shuffles(const ej_lower *w, const ej_permute *p)
{
    int32_t rows = 0, results = 0;
    for (int32_t r = 0; r < p->n_rows; r++) {
        int32_t used = 0;
        if (p->row[r] < 0) continue;
        for (int32_t l = 0; l < p->width; l++) used += w->regs.items[p->row[r]].elems[l] >= 0;
        results = used > results ? used : results;
        rows++;
    }
    return 2 * results * (rows - 1) > p->n_rows * p->ask.row_bits;
}

static bool find(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems, ej_permute *p)
{
    const ej_reg_place *place[EJ_LANES_MAX];
    int dtype = w->nest->buffers[buffer].dtype;
    *p = (ej_permute){.lanes = lanes, .lane_bits = log_of(lanes)};
    for (int32_t l = 0; l < lanes; l++) {
        place[l] = ej_reg_place_of(&w->regs, buffer, elems[l]);
        if (!place[l]) continue;
        int32_t width = w->regs.items[place[l]->reg - 1].lanes;
        if (p->width && width != p->width) return false;
        p->width = width;
    }
    if (p->width < 2 || p->width & (p->width - 1) || 1 << p->lane_bits != lanes) return false;
    p->ask.lane_bits = log_of(p->width);
    p->ask.block_bits = log_of(16 / ej_dtypes[ej_dtypes[dtype].real].bytes);
    p->ask.any_shuffle = w->e->job->target->masks && ej_dtypes[ej_dtypes[dtype].real].bytes >= 4;
    if (!find_bits(p, place) || !find_rows(p, place) || !saves_shuffles(w, p)) return false;
    p->ask.n_wanted = p->lane_bits < p->ask.lane_bits ? p->lane_bits : p->ask.lane_bits;
    memcpy(p->ask.wanted, p->bit, sizeof p->ask.wanted);
    return true;
}

/* ---- shuffles ---- */

/* The shuffle of a stage that gives the first or the second register of a pair. */
static void mask_of(const ej_permute *p, const int8_t *from, bool second, int32_t *mask)
{
    int32_t row = p->ask.lane_bits;
    for (int32_t l = 0; l < p->width; l++) {
        mask[l] = 0;
        for (int32_t to = 0; to <= row; to++) /* the second operand's lanes follow the first's */
            if (to < row ? l >> to & 1 : second) mask[l] |= 1 << from[to];
    }
}

static void run_stages(ej_lower *w, const ej_permute *p, const ej_shuffle_plan *plan, LLVMValueRef *v)
{
    int32_t low[EJ_LANES_MAX], high[EJ_LANES_MAX];
    for (int32_t s = 0; s < plan->n_stages; s++) {
        int32_t bit = 1 << plan->stages[s].row_bit;
        mask_of(p, plan->stages[s].from, false, low);
        mask_of(p, plan->stages[s].from, true, high);
        for (int32_t r = 0; r < p->n_rows; r++) {
            if (r & bit) continue;
            LLVMValueRef a = v[r], b = v[r | bit];
            v[r] = ej_shuffle(w, a, b, low, p->width, "");
            v[r | bit] = ej_shuffle(w, a, b, high, p->width, "");
        }
    }
    if (!plan->reorders) return;
    for (int32_t l = 0; l < p->width; l++) {
        low[l] = 0;
        for (int32_t to = 0; to < p->ask.lane_bits; to++)
            if (l >> to & 1) low[l] |= 1 << plan->order[to];
    }
    for (int32_t r = 0; r < p->n_rows; r++) v[r] = ej_shuffle(w, v[r], NULL, low, p->width, "");
}

static void gather_rows(ej_lower *w, const ej_permute *p, bool imaginary, LLVMValueRef *v)
{
    LLVMTypeRef type = NULL;
    for (int32_t r = 0; r < p->n_rows; r++) {
        v[r] = NULL;
        if (p->row[r] < 0) continue;
        ej_vec value = w->regs.items[p->row[r]].value;
        v[r] = imaginary ? value.im : value.re;
        type = LLVMTypeOf(v[r]);
    }
    for (int32_t r = 0; r < p->n_rows; r++)
        if (!v[r]) v[r] = LLVMGetPoison(type);
}

/* ---- vectors of the result ---- */

/* A vector of the result: of register r[0] the lanes from `first` on; or, where it is wider than a register, n
 * registers. */
typedef struct ej_piece {
    int32_t n, r[EJ_ROWS_MAX], first;
} ej_piece;

/* Where the result's vectors are wider than registers, their upper lane bits are bits of the registers' numbers: the
 * registers that differ only in these are the parts of one vector. */
static int32_t pieces_of(const ej_permute *p, const ej_shuffle_plan *plan, ej_piece *out)
{
    int32_t n = 0, above = p->lane_bits - p->ask.n_wanted, position[EJ_SHUFFLE_ROW_BITS], side = 0;
    for (int32_t b = 0; b < above; b++)
        for (int32_t i = 0; i < p->ask.row_bits; i++)
            if (plan->at[p->ask.lane_bits + i] == p->bit[p->ask.n_wanted + b]) position[b] = i, side |= 1 << i;
    for (int32_t r = 0; r < p->n_rows; r++) {
        if (r & side) continue;
        for (int32_t first = 0; first < p->width; first += p->lanes) {
            ej_piece *piece = &out[n++];
            *piece = (ej_piece){.n = 1 << above, .first = first};
            for (int32_t k = 0; k < piece->n; k++) {
                piece->r[k] = r;
                for (int32_t b = 0; b < above; b++)
                    if (k >> b & 1) piece->r[k] |= 1 << position[b];
            }
        }
    }
    return n;
}

static LLVMValueRef take_piece(ej_lower *w, const ej_permute *p, const ej_piece *piece, const LLVMValueRef *v)
{
    LLVMValueRef side[EJ_ROWS_MAX];
    int32_t mask[EJ_LANES_MAX];
    for (int32_t k = 0; k < piece->n; k++) side[k] = v[piece->r[k]];
    for (int32_t n = piece->n, width = p->width; n > 1; n /= 2, width *= 2) {
        for (int32_t l = 0; l < 2 * width; l++) mask[l] = l;
        for (int32_t k = 0; k < n / 2; k++) side[k] = ej_shuffle(w, side[2 * k], side[2 * k + 1], mask, 2 * width, "");
    }
    if (p->lanes >= p->width) return side[0];
    for (int32_t l = 0; l < p->lanes; l++) mask[l] = piece->first + l;
    return ej_shuffle(w, side[0], NULL, mask, p->lanes, "");
}

/* The elements in the lanes of a result vector; all are asked for before rows are added. */
static void map_piece(const ej_lower *w, const ej_permute *p, const ej_shuffle_plan *plan, const ej_piece *piece,
                      int32_t *elems)
{
    for (int32_t l = 0; l < p->lanes; l++) {
        int32_t lane = p->lanes > p->width ? l % p->width : piece->first + l, r = piece->r[l / p->width], element = 0;
        for (int32_t b = 0; b < p->ask.lane_bits; b++)
            if (lane >> b & 1) element |= 1 << plan->at[b];
        for (int32_t i = 0; i < p->ask.row_bits; i++)
            if (r >> i & 1) element |= 1 << plan->at[p->ask.lane_bits + i];
        int32_t row = p->row[element >> p->ask.lane_bits];
        elems[l] = row < 0 ? -1 : w->regs.items[row].elems[element & (p->width - 1)];
    }
}

bool ej_reg_permute(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems)
{
    ej_permute p;
    ej_shuffle_plan plan;
    LLVMValueRef re[EJ_ROWS_MAX], im[EJ_ROWS_MAX];
    bool complex = ej_dtype_is_complex(w->nest->buffers[buffer].dtype);
    if (!find(w, buffer, lanes, elems, &p) || !ej_shuffle_plan_find(&p.ask, &plan)) return false;
    ej_piece *pieces = ej_lower_alloc(w, (size_t)(p.n_rows * p.width / p.lanes + 1), sizeof *pieces);
    int32_t(*maps)[EJ_LANES_MAX] = ej_lower_alloc(w, (size_t)(p.n_rows * p.width / p.lanes + 1), sizeof *maps);
    if (!pieces || !maps) return false;
    gather_rows(w, &p, false, re);
    run_stages(w, &p, &plan, re);
    if (complex) {
        gather_rows(w, &p, true, im);
        run_stages(w, &p, &plan, im);
    }
    int32_t n = pieces_of(&p, &plan, pieces);
    for (int32_t i = 0; i < n; i++) map_piece(w, &p, &plan, &pieces[i], maps[i]);
    for (int32_t i = 0; i < n; i++) {
        ej_vec value = {take_piece(w, &p, &pieces[i], re), complex ? take_piece(w, &p, &pieces[i], im) : NULL};
        ej_reg_write(w, buffer, lanes, maps[i], value);
    }
    return true;
}
