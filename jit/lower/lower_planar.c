/* lower_planar.c - scratch that holds the real and the imaginary parts of complex vectors apart.
 *
 * Takes  the tree of a nest, and its complex LOCAL buffers.
 * Gives  for each the vectors of W elements, real parts first, in which it lies; 0: as anywhere else, parts side by
 *        side. Vectors in registers have their parts apart, so such a buffer is read and written without a shuffle
 *        (GEMM 512^3 c64 on Zen 3: 16.8 GFLOP/s with four shuffles a step in the microkernel, for 24 multiply-adds).
 * Keeps  elements of one vector together: every access runs along the same axis in vectors of W, and starts at
 *        multiples of W. What shorter ranges cut off at run time has to be masked, as then no lane needs an address
 *        that is not a constant.
 */
#include "lower_nest.h"

#include <stdlib.h>

/* A stride or start that leaves places inside of a vector as they are. */
static bool is_multiple(ej_size size, int32_t w)
{
    return !size.e && size.n >= 0 && size.n % w == 0;
}

/* The lanes of a tile, if they are one digit and no other digit of its axis is faster; 0 else. */
static int32_t lanes_along(const ej_tile *tile, int32_t axis)
{
    int32_t lanes = 0;
    for (int32_t d = 0; d < tile->n; d++) {
        const ej_digit *digit = &tile->digits[d];
        if (digit->place == EJ_LANE && (lanes || digit->axis != axis)) return 0;
        if (digit->axis == axis) lanes = digit->place == EJ_LANE ? digit->count : 0;
    }
    return lanes & (lanes - 1) ? 0 : lanes;
}

/* The term along which elements lie side by side; NULL: none, or several. */
static const ej_access_term *unit_term(const ej_access *access)
{
    const ej_access_term *unit = NULL;
    for (int32_t t = 0; t < access->n_terms; t++) {
        if (!ej_size_is(access->terms[t].stride, 1)) continue;
        if (unit) return NULL;
        unit = &access->terms[t];
    }
    return unit;
}

/* W by this access alone; 0: it does not suit. */
static int32_t width_of(const ej_access *access, const ej_tile *tile)
{
    const ej_access_term *unit = unit_term(access);
    int32_t w = unit ? lanes_along(tile, unit->axis) : 0;
    if (w < 2 || !is_multiple(access->base, w)) return 0;
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        if (term->table >= 0 || (term != unit && !is_multiple(term->stride, w))) return 0;
        if (term->block && (term->block % w || !is_multiple(term->block_stride, w))) return 0;
    }
    return w;
}

typedef struct planar {
    ej_lower *w;
    int32_t buffer, width; /* width 0: nothing was found yet, -1: it does not suit */
    int32_t path[64], n;   /* the loops around */
} planar;

/* Chunks of the axis begin at multiples of the width; of a term with blocks they are whole blocks, or inside of one. */
static bool loops_suit(const planar *p, const ej_access *access, int32_t width)
{
    const ej_access_term *unit = unit_term(access);
    int64_t block = unit->block, outer = INT64_MAX;
    for (int32_t i = 0; i < p->n; i++) {
        const ej_nest_node *loop = &p->w->nest->nodes[p->path[i]];
        if (loop->axis != unit->axis) continue;
        if (loop->aligned || loop->step % width || (block && loop->step % block && outer > block)) return false;
        outer = loop->step;
    }
    return true;
}

static void look_at(planar *p, const ej_access *access, const ej_nest_node *leaf)
{
    if (access->buffer != p->buffer || p->width < 0) return;
    int32_t width = leaf->hints.stream ? 0 : width_of(access, &leaf->tile);
    bool suits = width && (!p->width || p->width == width) && loops_suit(p, access, width);
    p->width = suits ? width : -1;
}

static void look_below(planar *p, int32_t id)
{
    for (; id >= 0 && p->width >= 0; id = p->w->nest->nodes[id].next) {
        const ej_nest_node *node = &p->w->nest->nodes[id];
        if (node->kind == EJ_NEST_LEAF) {
            look_at(p, &node->dst, node);
            for (int32_t s = 0; s < node->n_src; s++) look_at(p, &node->src[s], node);
        } else if (p->n == (int32_t)(sizeof p->path / sizeof *p->path)) {
            p->width = -1;
        } else {
            p->path[p->n++] = id;
            look_below(p, node->child);
            p->n--;
        }
    }
}

bool ej_planar_find(ej_lower *w)
{
    w->planar = EJ_LOWER_NEW(w, int32_t, w->nest->n_buffers);
    for (int32_t i = 0; w->planar && i < w->nest->n_buffers; i++) {
        const ej_buffer *buffer = &w->nest->buffers[i];
        planar p = {.w = w, .buffer = i};
        if (buffer->home != EJ_HOME_LOCAL || !ej_dtype_is_complex(buffer->dtype)) continue;
        if (!ej_can_mask(w, ej_dtypes[buffer->dtype].bytes / 2)) continue;
        look_below(&p, w->nest->root);
        if (p.width > 0 && is_multiple(buffer->elems, p.width)) w->planar[i] = p.width;
    }
    return w->planar != NULL;
}

int64_t ej_part_of(const ej_leaf_access *access, int64_t element, int32_t part)
{
    int64_t w = access->planar;
    if (!ej_dtype_is_complex(access->buffer->dtype)) return element;
    if (!w) return 2 * element + part;
    return element / w * 2 * w + element % w + part * w;
}
