/* lower_overlap.c - loops whose last chunk may begin inside the one before.
 *
 * Takes  a loop of which the last chunk is shorter than its step.
 * Gives  whether a full chunk that ends at the same place does the same, so that there is one body instead of two, for
 *        loops inside of one another instead of four.
 * Keeps  results: what runs twice must not read what it wrote the first time (nor what may be the same memory), must
 *        find its own buffers fresh, and must not depend on where its chunk begins.
 */
#include "lower_nest.h"

/* The work that is done twice is at most this part of the nest's; of a product of panels, which spends all of its time
 * in multiply-adds, less (513^3 f64 TT on Zen 4 takes 1.06 of the time with 24 of 513 columns twice). Where work is so
 * little that it is over in microseconds, code counts for more: 160 products of odd sizes take 1.02 of the time to run
 * and 0.8 to compile. */
enum { TWICE = 20, TWICE_BLOCKS = 100, TWICE_LITTLE = 10, LITTLE_WORK = 1 << 17 };

typedef struct overlap {
    const ej_lower *w;
    int32_t axis;
    int64_t twice;        /* how many values of it two chunks have */
    bool *inside;         /* per buffer: it lives in one round of the loop */
    bool *written, *read; /* per buffer from outside of the loop */
} overlap;

static void find_inside(const ej_nest *nest, int32_t loop, bool *inside)
{
    const ej_nest_node *node = &nest->nodes[loop];
    for (int32_t p = 0; p < node->n_placed; p++) inside[node->placed[p]] = true;
    for (int32_t id = node->child; id >= 0; id = nest->nodes[id].next)
        if (nest->nodes[id].kind == EJ_NEST_LOOP) find_inside(nest, id, inside);
}

/* The last chunk may begin inside the one before: strides are linear there, as in a range no longer than a block, which
 * lies in one. Complex vectors with their parts apart begin at multiples of their width. */
static bool begins_earlier(const overlap *o, const ej_access *access, const ej_access_term *term)
{
    int32_t width = o->w->planar[access->buffer];
    if (o->w->block_axis[access->buffer] == o->axis) return true;
    if (term->block > 0 && term->block < o->w->ranges[o->axis].most) return false;
    return !width || o->twice % width == 0 || !ej_size_is(term->stride, 1);
}

static bool access_overlaps(const overlap *o, const ej_access *access)
{
    bool inside = o->inside[access->buffer];
    if (!inside && o->w->nest->buffers[access->buffer].home == EJ_HOME_REG) return false;
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        if (term->table >= 0 || (term->axis == o->axis && !inside && !begins_earlier(o, access, term))) return false;
    }
    return true;
}

/* One value for all of the chunk: a chunk that begins elsewhere has another one. */
static bool is_of_the_chunk(const overlap *o, const ej_nest_node *leaf)
{
    if (ej_access_find(&leaf->dst, o->axis)) return false;
    for (int32_t s = 0; s < leaf->n_src; s++)
        if (ej_access_find(&leaf->src[s], o->axis)) return true;
    return false;
}

static bool leaf_overlaps(const overlap *o, const ej_nest_node *leaf)
{
    bool inside = o->inside[leaf->dst.buffer];
    if (inside ? is_of_the_chunk(o, leaf) : leaf->reduce != EJ_REDUCE_NONE || leaf->hints.stream) return false;
    if (!access_overlaps(o, &leaf->dst)) return false;
    if (!inside) o->written[leaf->dst.buffer] = true;
    for (int32_t s = 0; s < leaf->n_src; s++) {
        if (!access_overlaps(o, &leaf->src[s])) return false;
        if (!o->inside[leaf->src[s].buffer]) o->read[leaf->src[s].buffer] = true;
    }
    return true;
}

static bool nodes_overlap(const overlap *o, int32_t id)
{
    for (; id >= 0; id = o->w->nest->nodes[id].next) {
        const ej_nest_node *node = &o->w->nest->nodes[id];
        if (node->when.kind != EJ_WHEN_ALWAYS) return false;
        if (node->kind == EJ_NEST_LOOP ? !nodes_overlap(o, node->child) : !leaf_overlaps(o, node)) return false;
    }
    return true;
}

/* ---- what it costs ---- */

/* In units of a multiply-add: elements that are moved change their lanes, most of the time; code that is called. */
enum { WORK_MOVE = 6, WORK_CALL = 30 };

static int32_t n_calls(const ej_nest_node *leaf)
{
    int32_t n = 0;
    for (int32_t i = 0; i < leaf->expr.n; i++)
        n += leaf->expr.ops[i].kind == EJ_EXPR_FN && ej_fn_is_called(leaf->expr.ops[i].fn);
    return n;
}

/* Of one value of every axis of the leaf. */
static double leaf_unit(const ej_nest_node *leaf)
{
    return (leaf->reduce != EJ_REDUCE_NONE ? 1 : WORK_MOVE) + WORK_CALL * n_calls(leaf);
}

/* The work of a leaf for all values of the nest. */
static double leaf_work(const ej_lower *w, const ej_nest_node *leaf)
{
    double work = leaf_unit(leaf);
    for (int32_t a = 0; a < w->nest->n_axes; a++) {
        ej_size extent = w->nest->axes[a].extent;
        if (!extent.e && ej_leaf_has_axis(leaf, a)) work *= (double)extent.n;
    }
    return work;
}

/* n values of an axis rounded up to whole vectors of the leaf: a vector takes as long with fewer. */
static int64_t whole_vectors(const ej_nest_node *leaf, int32_t axis, int64_t n)
{
    int64_t lanes = 1;
    for (int32_t d = 0; d < leaf->tile.n; d++)
        if (leaf->tile.digits[d].axis == axis && leaf->tile.digits[d].place == EJ_LANE)
            lanes *= leaf->tile.digits[d].count;
    return (n + lanes - 1) / lanes * lanes;
}

/* The work of the nodes from id on. */
static double all_work(const ej_lower *w, int32_t id)
{
    double work = 0;
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        work += node->kind == EJ_NEST_LOOP ? all_work(w, node->child) : leaf_work(w, node);
    }
    return work;
}

/* What is more of it when a chunk of `rest` values of the axis, within the current ranges, is one of `latest`. */
static double more_work(const ej_lower *w, int32_t id, int32_t axis, int64_t rest, int64_t latest)
{
    double more = 0;
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP) {
            more += more_work(w, node->child, axis, rest, latest);
            continue;
        }
        double work = leaf_unit(node) * w->times;
        for (int32_t a = 0; a < w->nest->n_axes; a++) {
            const ej_range *range = &w->ranges[a];
            if (a == axis) work *= (double)(whole_vectors(node, a, latest) - whole_vectors(node, a, rest));
            else if (range->most < INT64_MAX && ej_leaf_has_axis(node, a))
                work *= (double)whole_vectors(node, a, range->most);
        }
        more += work;
    }
    return more;
}

static bool is_little(ej_lower *w, double more, double part)
{
    double all = all_work(w, w->nest->root);
    if (w->twice + more > all / (all <= LITTLE_WORK ? TWICE_LITTLE : part)) return false;
    w->twice += more;
    return true;
}

/* The longest step along the axis of the loops below. */
static int64_t step_below(const ej_lower *w, int32_t id, int32_t axis)
{
    int64_t step = 1;
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind != EJ_NEST_LOOP) continue;
        int64_t below = node->axis == axis ? node->step : step_below(w, node->child, axis);
        step = below > step ? below : step;
    }
    return step;
}

/* Without counting what it costs. */
static bool may_overlap(ej_lower *w, int32_t loop, int64_t rest, int64_t latest)
{
    const ej_nest_node *node = &w->nest->nodes[loop];
    int32_t n = w->nest->n_buffers;
    overlap o = {
        w, node->axis, latest - rest, EJ_LOWER_NEW(w, bool, n), EJ_LOWER_NEW(w, bool, n), EJ_LOWER_NEW(w, bool, n)};
    if (!o.inside || !o.written || !o.read) return false;
    find_inside(w->nest, loop, o.inside);
    if (!nodes_overlap(&o, node->child)) return false;
    for (int32_t i = 0; i < n; i++)
        if (o.read[i] && (o.written[i] || w->nest->buffers[i].in_place)) return false;
    return true;
}

bool ej_loop_overlaps(ej_lower *w, int32_t loop, int64_t rest, int64_t latest)
{
    const ej_nest_node *node = &w->nest->nodes[loop], *first = &w->nest->nodes[node->child];
    bool one_leaf = first->kind != EJ_NEST_LOOP && first->next < 0;
    if (w->nest->axes[node->axis].extent.e) return false;
    if (one_leaf && !n_calls(first)) return false; /* its pointers, which run on, are worth more */
    return may_overlap(w, loop, rest, latest) &&
           is_little(w, more_work(w, node->child, node->axis, rest, latest), TWICE);
}

int64_t ej_loop_last_chunk(ej_lower *w, int32_t id, int64_t rest, bool divided)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    if (w->in_step[id]) return node->step;
    int64_t unit = divided ? step_below(w, node->child, node->axis) : node->step;
    int64_t latest = (rest + unit - 1) / unit * unit;
    return ej_loop_overlaps(w, id, rest, latest) ? latest : 0;
}

/* ---- blocks that begin earlier with the chunks that fill them ---- */

/* A LOCAL buffer in blocks along an axis, each of which is a chunk of the loops around its leaves. */
typedef struct blocks {
    const ej_lower *w;
    int32_t buffer, axis;
    int64_t step;
    bool *loops; /* per node */
} blocks;

static bool places(const ej_nest_node *loop, int32_t buffer)
{
    for (int32_t p = 0; p < loop->n_placed; p++)
        if (loop->placed[p] == buffer) return true;
    return false;
}

static bool is_in_step(const blocks *b, const ej_access *access, int32_t loop)
{
    if (access->buffer != b->buffer) return true;
    const ej_access_term *term = ej_access_find(access, b->axis);
    if (loop < 0 || !term || term->block != b->step || b->w->nest->nodes[loop].step != b->step) return false;
    b->loops[loop] = true;
    return true;
}

/* The outermost loops over the axis around leaves that have the buffer; `loop`: that around these nodes, -1: none.
 * False: some are not in step with its blocks. */
static bool find_loops(const blocks *b, int32_t id, int32_t loop)
{
    for (; id >= 0; id = b->w->nest->nodes[id].next) {
        const ej_nest_node *node = &b->w->nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP) {
            int32_t outer = loop < 0 && node->axis == b->axis ? id : loop;
            if ((outer >= 0 && places(node, b->buffer)) || !find_loops(b, node->child, outer)) return false;
            continue;
        }
        if (!is_in_step(b, &node->dst, loop)) return false;
        for (int32_t s = 0; s < node->n_src; s++)
            if (!is_in_step(b, &node->src[s], loop)) return false;
    }
    return true;
}

/* All of the loops may overlap, and it is little work. */
static bool all_overlap(ej_lower *w, const blocks *b, int64_t rest)
{
    double more = 0;
    for (int32_t i = 0; i < w->nest->n_nodes; i++) {
        if (!b->loops[i]) continue;
        if (!may_overlap(w, i, rest, b->step)) return false;
        int32_t child = w->nest->nodes[i].child;
        int64_t unit = step_below(w, child, b->axis); /* a rest of the loops inside is a whole chunk already */
        more += more_work(w, child, b->axis, (rest + unit - 1) / unit * unit, b->step);
    }
    return is_little(w, more, TWICE_BLOCKS);
}

/* The term in blocks that a leaf's access to the buffer has; NULL: none. */
static const ej_access_term *term_in_blocks(const ej_nest *nest, int32_t buffer)
{
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_access *dst = &nest->nodes[i].dst;
        if (nest->nodes[i].kind != EJ_NEST_LEAF || dst->buffer != buffer) continue;
        for (int32_t t = 0; t < dst->n_terms; t++)
            if (dst->terms[t].block > 1) return &dst->terms[t];
    }
    return NULL;
}

void ej_blocks_find(ej_lower *w)
{
    const ej_nest *nest = w->nest;
    if (w->status != EINJIT_OK) return;
    for (int32_t i = 0; i < nest->n_buffers; i++) w->block_axis[i] = -1;
    for (int32_t i = 0; i < nest->n_buffers; i++) {
        const ej_access_term *term = nest->buffers[i].home == EJ_HOME_LOCAL ? term_in_blocks(nest, i) : NULL;
        ej_size extent = term ? nest->axes[term->axis].extent : (ej_size){0};
        if (extent.e || !term || extent.n <= term->block || extent.n % term->block == 0) continue;
        if (nest->cut.axis == term->axis && w->from) continue;
        blocks b = {w, i, term->axis, term->block, EJ_LOWER_NEW(w, bool, nest->n_nodes)};
        if (!b.loops) return;
        w->block_axis[i] = term->axis;
        if (find_loops(&b, nest->root, -1) && all_overlap(w, &b, extent.n % term->block))
            for (int32_t n = 0; n < nest->n_nodes; n++) w->in_step[n] = w->in_step[n] || b.loops[n];
        else w->block_axis[i] = -1;
    }
}
