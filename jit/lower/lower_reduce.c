/* lower_reduce.c - reductions across the lanes of a vector.
 *
 * Takes  a vector and the group that each lane belongs to; or several vectors, each of which is one group.
 * Gives  one lane per group: halves are combined until one lane a group is left, so the order is the same every time.
 *        Vectors are combined two by two, halves of both side by side: eight vectors of 16 lanes take 24 instructions,
 *        one after the other 96.
 */
#include "lower_nest.h"

#include <math.h>
#include <string.h>

static int64_t extreme_integer(int dtype, bool highest)
{
    return highest ? ej_dtype_highest(dtype) : ej_dtype_lowest(dtype);
}

ej_vec ej_lower_neutral(ej_lower *w, int reduce, int dtype, int32_t lanes)
{
    ej_expr_op op;
    memset(&op, 0, sizeof op);
    op.kind = EJ_EXPR_CONST;
    op.dtype = (int16_t)dtype;
    if (reduce == EINJIT_REDUCE_PROD) {
        op.re = 1.0;
        op.integer = 1;
    } else if (reduce == EINJIT_REDUCE_MAX || reduce == EINJIT_REDUCE_MIN) {
        bool highest = reduce == EINJIT_REDUCE_MIN;
        op.re = highest ? (double)INFINITY : -(double)INFINITY;
        op.integer = extreme_integer(dtype, highest);
    }
    return ej_lower_const(w->e, lanes, &op);
}

/* Where the copies of the groups are: copy r of group g in lane at[g][r]; -1: there is none. */
typedef struct ej_copies {
    int32_t n_groups, n; /* n: copies of the largest group */
    int32_t at[EJ_LANES_MAX][EJ_LANES_MAX];
} ej_copies;

static void find_copies(ej_copies *c, const int32_t *group, int32_t n_groups, int32_t lanes)
{
    int32_t count[EJ_LANES_MAX] = {0};
    memset(c->at, -1, sizeof c->at);
    c->n_groups = n_groups;
    c->n = 1;
    for (int32_t l = 0; l < lanes; l++) {
        if (group[l] < 0) continue;
        c->at[group[l]][count[group[l]]++] = l;
        if (count[group[l]] > c->n) c->n = count[group[l]];
    }
}

/* Copy r and copy r + half meet in lane r * n_groups + g: halves of a vector lie next to each other. */
static ej_vec fold(ej_lower *w, int reduce, int dtype, ej_copies *c, ej_vec value, int32_t *lanes)
{
    int32_t low[EJ_LANES_MAX], high[EJ_LANES_MAX], half = (c->n + 1) / 2, out = 1;
    bool ragged = false;
    while (out < half * c->n_groups) out *= 2;
    memset(low, -1, sizeof low);
    memset(high, -1, sizeof high);
    for (int32_t g = 0; g < c->n_groups; g++)
        for (int32_t r = 0; r < half; r++) {
            int32_t other = r + half < c->n ? c->at[g][r + half] : -1;
            low[r * c->n_groups + g] = c->at[g][r];
            high[r * c->n_groups + g] = other >= 0 ? other : *lanes;
            ragged = ragged || other < 0;
        }
    ej_vec none = {NULL, NULL}, a = none, b = none;
    if (ragged) none = ej_lower_neutral(w, reduce, dtype, *lanes);
    a.re = ej_shuffle(w, value.re, NULL, low, out, "");
    b.re = ej_shuffle(w, value.re, none.re, high, out, "");
    if (value.im) {
        a.im = ej_shuffle(w, value.im, NULL, low, out, "");
        b.im = ej_shuffle(w, value.im, none.im, high, out, "");
    }
    for (int32_t g = 0; g < c->n_groups; g++)
        for (int32_t r = 0; r < c->n; r++) c->at[g][r] = r < half ? r * c->n_groups + g : -1;
    c->n = half;
    *lanes = out;
    return ej_lower_combine(w->e, reduce, dtype, out, a, b);
}

ej_vec ej_lower_horizontal(ej_lower *w, int reduce, int dtype, int32_t lanes, ej_vec value, const int32_t *group,
                           int32_t n_groups, int32_t out_lanes)
{
    ej_copies c;
    int32_t mask[EJ_LANES_MAX];
    find_copies(&c, group, n_groups, lanes);
    while (c.n > 1) value = fold(w, reduce, dtype, &c, value, &lanes);
    for (int32_t l = 0; l < out_lanes; l++) mask[l] = l < n_groups ? c.at[l][0] : -1;
    value.re = ej_shuffle(w, value.re, NULL, mask, out_lanes, "");
    if (value.im) value.im = ej_shuffle(w, value.im, NULL, mask, out_lanes, "");
    return value;
}

/* ---- a lane for each of several vectors ---- */

/* How vectors, each of which holds `lanes / part` groups of `part` lanes, become one that holds the groups of both in
 * half as many lanes: lane l is low[l] and high[l] of the two combined. Groups of more than a block of 16 bytes move
 * block by block, others stay inside theirs, which are the cheap shuffles of x86. */
static int32_t pair_lanes(int32_t lanes, int32_t block, int32_t part, int32_t vectors, int32_t *low, int32_t *high)
{
    int32_t n = 0, window = vectors < 2 || part > block ? lanes : block;
    for (int32_t base = 0; base < lanes; base += window)
        for (int32_t v = 0; v < vectors; v++)
            for (int32_t first = base; first < base + window; first += part)
                for (int32_t i = 0; i < part / 2; i++, n++) {
                    low[n] = v * lanes + first + i;
                    high[n] = low[n] + part / 2;
                }
    return n;
}

typedef struct ej_fold {
    ej_lower *w;
    int reduce, dtype;
    int32_t lanes, block, part;
} ej_fold;

static const ej_vec nothing = {NULL, NULL};

/* b NULL: one vector into half as many lanes. Lanes of a vector that is `nothing` hold anything. */
static ej_vec combine_pair(const ej_fold *f, ej_vec a, const ej_vec *b)
{
    int32_t low[EJ_LANES_MAX], high[EJ_LANES_MAX];
    int32_t n = pair_lanes(f->lanes, f->block, f->part, b ? 2 : 1, low, high);
    bool missing = !a.re;
    ej_vec first = missing ? *b : a, second = b && !missing ? *b : nothing, x = nothing, y = nothing;
    if (!first.re) return nothing;
    for (int32_t l = 0; l < n; l++) {
        if (missing) low[l] -= f->lanes, high[l] -= f->lanes;
        if (low[l] < 0 || (low[l] >= f->lanes && !second.re)) low[l] = high[l] = -1;
    }
    x.re = ej_shuffle(f->w, first.re, second.re, low, n, "");
    y.re = ej_shuffle(f->w, first.re, second.re, high, n, "");
    if (first.im) x.im = ej_shuffle(f->w, first.im, second.im, low, n, "");
    if (first.im) y.im = ej_shuffle(f->w, first.im, second.im, high, n, "");
    return ej_lower_combine(f->w->e, f->reduce, f->dtype, n, x, y);
}

/* order[l]: which of n vectors ends in lane l. */
static void find_order(int32_t lanes, int32_t block, int32_t n, int32_t *order)
{
    int32_t group[EJ_LANES_MAX][EJ_LANES_MAX], low[EJ_LANES_MAX], high[EJ_LANES_MAX], part = lanes;
    for (int32_t v = 0; v < n; v++)
        for (int32_t l = 0; l < lanes; l++) group[v][l] = v;
    for (; n > 1; n /= 2, part /= 2)
        for (int32_t v = 0; v < n / 2; v++) {
            int32_t both[2 * EJ_LANES_MAX];
            memcpy(both, group[2 * v], (size_t)lanes * sizeof *both);
            memcpy(both + lanes, group[2 * v + 1], (size_t)lanes * sizeof *both);
            pair_lanes(lanes, block, part, 2, low, high);
            for (int32_t l = 0; l < lanes; l++) group[v][l] = both[low[l]];
        }
    for (int32_t l = 0; l < lanes; l += part) order[l / part] = group[0][l]; /* what is left folds in order */
}

ej_vec ej_lower_horizontal_each(ej_lower *w, int reduce, int dtype, int32_t lanes, const ej_vec *values,
                                int32_t n_values, int32_t n)
{
    int32_t bytes = ej_dtypes[ej_dtypes[dtype].real].bytes, order[EJ_LANES_MAX];
    ej_fold f = {w, reduce, dtype, lanes, lanes < 16 / bytes ? lanes : 16 / bytes, lanes};
    ej_vec v[EJ_LANES_MAX];
    for (int32_t l = 0; l < n; l++) v[l] = nothing;
    find_order(lanes, f.block, n, order);
    for (int32_t l = 0; l < n_values; l++) v[order[l]] = values[l];
    for (; n > 1; n /= 2, f.part /= 2)
        for (int32_t i = 0; i < n / 2; i++) v[i] = combine_pair(&f, v[2 * i], &v[2 * i + 1]);
    for (; f.part > 1; f.part /= 2, f.lanes /= 2) v[0] = combine_pair(&f, v[0], NULL);
    return v[0];
}
