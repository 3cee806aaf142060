/* nest_check_tile.c - does a leaf's tile cover its ranges, do its lanes fit, do registers keep one lane map?
 */
#include "nest_check.h"

static int64_t tile_count(const ej_tile *tile, int32_t axis)
{
    int64_t count = 1;
    for (int32_t d = 0; d < tile->n; d++)
        if (tile->digits[d].axis == axis && !ej_mul_size(count, tile->digits[d].count, &count)) return INT64_MAX;
    return count;
}

static const char *axis_name(const ej_check *c, int32_t axis)
{
    return c->nest->axes[axis].name ? c->nest->axes[axis].name : "?";
}

static int check_covered(const ej_check *c, int32_t node, int32_t axis)
{
    int64_t count = tile_count(&c->nest->nodes[node].tile, axis), most = c->bounds[axis];
    if (count >= most) return EINJIT_OK;
    if (most == INT64_MAX)
        return ej_check_fail(c, node, "no loop limits the range of axis '%.40s'", axis_name(c, axis));
    return ej_check_fail(c, node, "the tile has %lld values of axis '%.40s', whose range is up to %lld",
                         (long long)count, axis_name(c, axis), (long long)most);
}

/* A tile lies within one block of a blocked term, or a move in memory takes whole ones: its address is then one product
 * and a sum. */
static int check_block(const ej_check *c, int32_t node, const ej_access *access, const ej_access_term *term)
{
    int64_t count = tile_count(&c->nest->nodes[node].tile, term->axis);
    int32_t depth = c->buffers[access->buffer].depth;
    const ej_nest_node *leaf = &c->nest->nodes[node];
    bool moves = leaf->reduce == EJ_REDUCE_NONE && c->nest->buffers[access->buffer].home != EJ_HOME_REG;
    bool fits = term->block % count == 0 || (moves && count % term->block == 0);
    for (int32_t d = depth < 0 ? 0 : depth; d < c->depth && fits; d++) {
        const ej_nest_node *loop = &c->nest->nodes[c->frames[d].node];
        if (loop->axis == term->axis) fits = loop->step % count == 0;
    }
    if (fits) return EINJIT_OK;
    return ej_check_fail(c, node, "tiles of %lld along axis '%.40s' may cross blocks of %lld", (long long)count,
                         axis_name(c, term->axis), (long long)term->block);
}

static int check_digits(const ej_check *c, int32_t node, int64_t *lanes)
{
    const ej_tile *tile = &c->nest->nodes[node].tile;
    *lanes = 1;
    if (tile->n < 0 || tile->n > EJ_TILE_DIGITS) return ej_check_fail(c, node, "a tile of %d digits", (int)tile->n);
    for (int32_t d = 0; d < tile->n; d++) {
        const ej_digit *digit = &tile->digits[d];
        if (digit->axis < 0 || digit->axis >= c->nest->n_axes || c->mark[digit->axis] != c->stamp)
            return ej_check_fail(c, node, "digit %d is of an axis that the leaf does not have", (int)d);
        if (digit->count < 2 || digit->place > EJ_UNROLL)
            return ej_check_fail(c, node, "digit %d counts to %d", (int)d, (int)digit->count);
        if (digit->place == EJ_LANE && !ej_mul_size(*lanes, digit->count, lanes))
            return ej_check_fail(c, node, "too many lanes");
    }
    return EINJIT_OK;
}

/* Lanes are counted in the narrowest dtype: wider ones take several registers a vector. */
static int check_lanes(const ej_check *c, int32_t node, int64_t lanes)
{
    const ej_nest_node *leaf = &c->nest->nodes[node];
    size_t bytes = 16;
    for (int32_t i = -1; i < leaf->n_src; i++) {
        int dtype = c->nest->buffers[ej_check_access(leaf, i)->buffer].dtype;
        size_t part = ej_dtypes[ej_dtypes[dtype].real].bytes;
        if (part < bytes) bytes = part;
    }
    int64_t most = c->target ? c->target->vector_bytes / (int64_t)bytes : INT64_MAX;
    if (lanes <= 1 || lanes <= most) return EINJIT_OK;
    return ej_check_fail(c, node, "%lld lanes, where a register holds %lld", (long long)lanes, (long long)most);
}

int ej_check_tile(ej_check *c, int32_t node)
{
    const ej_nest_node *leaf = &c->nest->nodes[node];
    int64_t lanes;
    c->stamp++;
    for (int32_t i = -1; i < leaf->n_src; i++) {
        const ej_access *access = ej_check_access(leaf, i);
        for (int32_t t = 0; t < access->n_terms; t++) c->mark[access->terms[t].axis] = c->stamp;
    }
    EJ_TRY(check_digits(c, node, &lanes));
    EJ_TRY(check_lanes(c, node, lanes));
    for (int32_t i = -1; i < leaf->n_src; i++) {
        const ej_access *access = ej_check_access(leaf, i);
        for (int32_t t = 0; t < access->n_terms; t++) {
            EJ_TRY(check_covered(c, node, access->terms[t].axis));
            if (access->terms[t].block > 0) EJ_TRY(check_block(c, node, access, &access->terms[t]));
        }
    }
    return EINJIT_OK;
}

/* ---- registers ---- */

/* The digits of the axes that an access names: how far each moves in the buffer. */
typedef struct reg_digit {
    int64_t step, stride; /* what one more means: for the value of the axis, for the element */
    int32_t axis, count;
    bool lane;
} reg_digit;

static int32_t digits_of(const ej_nest_node *leaf, const ej_access *access, reg_digit *out)
{
    int32_t n = 0;
    for (int32_t d = 0; d < leaf->tile.n; d++) {
        const ej_digit *digit = &leaf->tile.digits[d];
        const ej_access_term *term = ej_access_find(access, digit->axis);
        if (!term || term->stride.n == 0) continue;
        int64_t later = 1;
        for (int32_t k = d + 1; k < leaf->tile.n; k++)
            if (leaf->tile.digits[k].axis == digit->axis) later *= leaf->tile.digits[k].count;
        out[n++] = (reg_digit){later, term->stride.n * later, digit->axis, digit->count, digit->place == EJ_LANE};
    }
    return n;
}

/* One register's element: the same register and lane as for every leaf before that wrote it. */
static bool same_lane(ej_check_buffer *b, int64_t elems, int64_t lead, int64_t element, int32_t lane)
{
    if (element < 0 || element >= elems || lead < 0 || lead >= elems) return true; /* what check_bounds refuses */
    if (b->lead[element] < 0) {
        b->lead[element] = (int32_t)lead;
        b->lane[element] = lane;
    }
    return b->lead[element] == lead && b->lane[element] == lane;
}

/* Lanes and rows behind the end of an axis' range are masked or left out. */
static bool is_masked(const ej_check *c, const reg_digit *digits, const int32_t *at, int32_t n)
{
    for (int32_t d = 0; d < n; d++) {
        int64_t value = 0;
        for (int32_t k = 0; k < n; k++)
            if (digits[k].axis == digits[d].axis) value += digits[k].step * at[k];
        if (value >= c->bounds[digits[d].axis]) return true;
    }
    return false;
}

static int check_lane_map(const ej_check *c, int32_t node, const ej_access *access)
{
    reg_digit digits[EJ_TILE_DIGITS];
    int32_t at[EJ_TILE_DIGITS] = {0}, n = digits_of(&c->nest->nodes[node], access, digits), d;
    int64_t elems = c->nest->buffers[access->buffer].elems.n, total = 1;
    for (d = 0; d < n; d++)
        if (!ej_mul_size(total, digits[d].count, &total) || total > 1 << 20)
            return ej_check_fail(c, node, "a tile of too many elements");
    do {
        int64_t element = access->base.n, lead = access->base.n;
        int32_t lane = 0;
        for (d = 0; d < n; d++) {
            element += digits[d].stride * at[d];
            if (digits[d].lane) lane = lane * digits[d].count + at[d];
            else lead += digits[d].stride * at[d];
        }
        if (!is_masked(c, digits, at, n) && !same_lane(&c->buffers[access->buffer], elems, lead, element, lane))
            return ej_check_fail(c, node, "register buffer %d is written under different lane maps",
                                 (int)access->buffer);
        for (d = n - 1; d >= 0 && ++at[d] == digits[d].count; d--) at[d] = 0;
    } while (d >= 0);
    return EINJIT_OK;
}

static int check_constant(const ej_check *c, int32_t node, const ej_access *access)
{
    bool numbers = !access->base.e;
    for (int32_t t = 0; t < access->n_terms && numbers; t++) {
        const ej_access_term *term = &access->terms[t];
        numbers = !term->stride.e && term->table < 0 && !term->block;
        if (numbers && (term->stride.n > 65536 || term->stride.n < -65536)) numbers = false;
        if (c->loop_depth[term->axis] > c->buffers[access->buffer].depth)
            return ej_check_fail(c, node, "a loop over axis '%.40s' runs between register buffer %d and this leaf",
                                 axis_name(c, term->axis), (int)access->buffer);
    }
    if (numbers) return EINJIT_OK;
    return ej_check_fail(c, node, "the elements of register buffer %d are not known here", (int)access->buffer);
}

int ej_check_registers(ej_check *c, int32_t node)
{
    const ej_nest_node *leaf = &c->nest->nodes[node];
    for (int32_t i = -1; i < leaf->n_src; i++) {
        const ej_access *access = ej_check_access(leaf, i);
        if (c->nest->buffers[access->buffer].home != EJ_HOME_REG) continue;
        EJ_TRY(check_constant(c, node, access));
        if (i >= 0 && access->buffer != leaf->dst.buffer) continue; /* reads shuffle */
        EJ_TRY(check_lane_map(c, node, access));
    }
    return EINJIT_OK;
}
