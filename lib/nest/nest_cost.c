/* nest_cost.c - what a finished tree costs, in cycles of the target row: the same tree always costs the same.
 *
 * Takes  a checked nest; open extents count as the values observed.
 * Gives  compute: executions of each leaf times the scarcest of its instructions (two arithmetic, two loads, a store, a
 *        shuffle a cycle) or the latency of its accumulators, whichever is more.
 *        memory: for every level and access the outermost loop body whose data fit there; it is filled once for every
 *        execution of that body, but for those loops directly around it that the access does not move with; along the
 *        first that it does move with, it goes on where it was.
 *        Data that fit as a whole are there already: callers run kernels again and again.
 *        cycles = max(compute, memory) + min(compute, memory) / 4: what does not overlap.
 * Keeps  tables as if they led anywhere: a line an entry.
 * Not here: instructions of one leaf (nest_cost_leaf.c).
 */
#include "nest_cost.h"

#include "base_real.h"

#include "plan_links.h"

#include <math.h>
#include <stdlib.h>

typedef struct cost_frame {
    int32_t node;
    double outer, trips; /* the range of its axis around the loop; how often its body runs in one execution */
    double times;        /* executions of the body, all told */
} cost_frame;

typedef struct cost_walk {
    const ej_nest *nest;
    const ej_target *target;
    double *range;   /* by axis, here */
    int32_t *placed; /* by buffer: loops around its place */
    cost_frame *frames;
    int32_t depth;
    double *ranges_at; /* by axis: scratch for ranges further out */
    double *foot;      /* by loop (node + 1, 0: the root), then by buffer: lines in one execution of the body */
    ej_nest_cost *out;
} cost_walk;

static bool in_memory(const cost_walk *c, const ej_access *access)
{
    int home = c->nest->buffers[access->buffer].home;
    return home != EJ_HOME_REG && home != EJ_HOME_COUNT;
}

/* ---- lines ---- */

typedef struct cost_run {
    double stride, count;
} cost_run;

static int by_stride(const void *a, const void *b)
{
    double x = ((const cost_run *)a)->stride, y = ((const cost_run *)b)->stride;
    return (x > y) - (x < y);
}

/* Pieces of `unit` bytes that an access touches for the given ranges. */
static double pieces(const cost_walk *c, const ej_access *access, const double *range, double unit)
{
    enum { MOST = 64 };
    cost_run runs[MOST];
    int32_t n = 0;
    double bytes = ej_dtypes[c->nest->buffers[access->buffer].dtype].bytes, length = bytes, count = 1;
    for (int32_t t = 0; t < access->n_terms && n + 2 <= MOST; t++) {
        const ej_access_term *term = &access->terms[t];
        double r = range[term->axis], inside = term->block > 0 && (double)term->block < r ? (double)term->block : r;
        if (r <= 1 || (term->table < 0 && !term->stride.n && !term->block)) continue;
        runs[n++] = (cost_run){term->table >= 0 ? INFINITY : fabs((double)term->stride.n) * bytes, inside};
        if (inside < r) runs[n++] = (cost_run){fabs((double)term->block_stride.n) * bytes, ceil(r / inside)};
    }
    qsort(runs, (size_t)n, sizeof *runs, by_stride);
    for (int32_t i = 0; i < n; i++) {
        if (runs[i].stride <= length + unit / 2) length += runs[i].stride * (runs[i].count - 1);
        else count *= runs[i].count;
    }
    return count * ceil(length / unit);
}

enum { EJ_LINE_BYTES = 64, EJ_PAGE_BYTES = 4096 };

/* Ranges of the leaf's axes in the body at `depth` loops, from those here; a placed buffer is no larger in loops around
 * its place. */
static void ranges_out_to(cost_walk *c, int32_t depth, const ej_access *access)
{
    if (depth < c->placed[access->buffer]) depth = c->placed[access->buffer];
    for (int32_t t = 0; t < access->n_terms; t++) c->ranges_at[access->terms[t].axis] = c->range[access->terms[t].axis];
    for (int32_t d = c->depth; d-- > depth;) c->ranges_at[c->nest->nodes[c->frames[d].node].axis] = c->frames[d].outer;
}

static double *foot_of(cost_walk *c, int32_t depth, int32_t buffer)
{
    int32_t body = depth ? c->frames[depth - 1].node + 1 : 0;
    return &c->foot[(size_t)body * (size_t)c->nest->n_buffers + (size_t)buffer];
}

static void add_foot(cost_walk *c, const ej_access *access)
{
    if (!in_memory(c, access)) return;
    for (int32_t d = c->depth; d >= 0; d--) {
        ranges_out_to(c, d, access);
        double lines = pieces(c, access, c->ranges_at, EJ_LINE_BYTES), *foot = foot_of(c, d, access->buffer);
        if (lines > *foot) *foot = lines;
    }
}

static double body_bytes(cost_walk *c, int32_t depth)
{
    double lines = 0;
    for (int32_t b = 0; b < c->nest->n_buffers; b++) lines += *foot_of(c, depth, b);
    return lines * EJ_LINE_BYTES;
}

/* How often something that fits `bytes` is fetched, `unit` bytes at a time. */
static double fetches(cost_walk *c, const ej_access *access, double bytes, double unit)
{
    int32_t depth = c->depth;
    if (body_bytes(c, 0) <= bytes) return 0;
    while (depth > 1 && body_bytes(c, depth - 1) <= bytes) depth--;
    int32_t still = depth; /* loops out to here repeat what is there, or go on along the same lines */
    while (still > 0) {
        bool inside = --still >= c->placed[access->buffer];
        if (inside && ej_access_moves(access, c->nest->nodes[c->frames[still].node].axis)) break;
    }
    ranges_out_to(c, still, access);
    return pieces(c, access, c->ranges_at, unit) * (still ? c->frames[still - 1].times : 1);
}

static void add_traffic(cost_walk *c, const ej_access *access, bool stored)
{
    const ej_target *t = c->target;
    const double size[3] = {(double)t->l1_bytes, (double)t->l2_bytes, (double)t->l3_bytes};
    double twice = stored ? 2 : 1;
    if (!in_memory(c, access)) return;
    for (int level = 0; level < 3; level++)
        c->out->fill[level] += fetches(c, access, size[level], EJ_LINE_BYTES) * t->line_cycles[level] * twice;
    c->out->walks += fetches(c, access, (double)t->tlb_pages * EJ_PAGE_BYTES, EJ_PAGE_BYTES) * t->walk_cycles;
}

/* ---- leaves ---- */

enum { WINDOW = 256 }; /* instructions that a core looks ahead, about */

/* The share of the executions in which `when` holds. */
static double share(const cost_walk *c, const ej_when *when)
{
    double trips = 1;
    for (int32_t i = 0; i < when->n; i++)
        for (int32_t d = 0; d < c->depth; d++)
            if (c->nest->nodes[c->frames[d].node].axis == when->axes[i]) trips *= c->frames[d].trips;
    if (when->kind == EJ_WHEN_FIRST || when->kind == EJ_WHEN_LAST) return 1 / trips;
    return when->kind == EJ_WHEN_ALWAYS ? 1 : 1 - 1 / trips;
}

static void add_leaf(cost_walk *c, int32_t id)
{
    const ej_nest_node *leaf = &c->nest->nodes[id];
    double times = (c->depth ? c->frames[c->depth - 1].times : 1) * share(c, &leaf->when);
    ej_leaf_cost cost;
    if (times <= 0) return;
    ej_nest_cost_leaf(&cost, c->nest, id, c->range);
    double busy = cost.alu / 2, chain = cost.latency, code = cost.alu + cost.loads + cost.stores + cost.shuffles;
    bool fresh = c->nest->buffers[leaf->dst.buffer].home == EJ_HOME_REG && c->placed[leaf->dst.buffer] == c->depth;
    if (fresh && code < WINDOW) chain *= code / WINDOW; /* so many turns of the loop are under way */
    if (cost.loads / 2 > busy) busy = cost.loads / 2;
    if (cost.stores > busy) busy = cost.stores;
    double bytes = cost.lanes * ej_dtypes[c->nest->buffers[leaf->dst.buffer].dtype].bytes;
    double shuffles = cost.shuffles + cost.turns / (2 * bytes <= c->target->vector_bytes ? c->target->half_turns : 1);
    if (shuffles > busy) busy = shuffles;
    c->out->compute += times * ((busy > chain ? busy : chain) + 1);
    c->out->operations += times * cost.alu;
    add_traffic(c, &leaf->dst, true);
    for (int32_t s = 0; s < leaf->n_src; s++) add_traffic(c, &leaf->src[s], false);
}

/* ---- the walk ---- */

static void place(cost_walk *c, const int32_t *placed, int32_t n)
{
    for (int32_t i = 0; i < n; i++) c->placed[placed[i]] = c->depth;
}

static int32_t enter(cost_walk *c, int32_t id)
{
    const ej_nest_node *loop = &c->nest->nodes[id];
    double outer = c->range[loop->axis], step = (double)loop->step;
    double trips = ceil(outer / step), times = c->depth ? c->frames[c->depth - 1].times : 1;
    if (trips <= 0) return loop->next;
    c->frames[c->depth++] = (cost_frame){id, outer, trips, times * trips * share(c, &loop->when)};
    c->range[loop->axis] = outer / trips; /* the mean: a shorter last one counts as what it is */
    place(c, loop->placed, loop->n_placed);
    return loop->child;
}

static int32_t leave(cost_walk *c)
{
    const cost_frame *frame = &c->frames[--c->depth];
    const ej_nest_node *loop = &c->nest->nodes[frame->node];
    c->range[loop->axis] = frame->outer;
    return loop->next;
}

static void each_leaf(cost_walk *c, bool count)
{
    int32_t id = c->nest->root;
    place(c, c->nest->placed, c->nest->n_placed);
    while (id >= 0 || c->depth > 0) {
        if (id < 0) {
            id = leave(c);
            continue;
        }
        const ej_nest_node *node = &c->nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP) {
            id = enter(c, id);
            continue;
        }
        if (count) add_leaf(c, id);
        for (int32_t i = -1; !count && i < node->n_src; i++) add_foot(c, i < 0 ? &node->dst : &node->src[i]);
        id = node->next;
    }
}

int ej_nest_cost_of(ej_nest_cost *out, const ej_nest *nest, const ej_target *target, ej_arena *arena)
{
    size_t n_axes = (size_t)nest->n_axes + 1, n_buffers = (size_t)nest->n_buffers + 1;
    *out = (ej_nest_cost){0};
    cost_walk c = {.nest = nest, .target = target, .out = out};
    c.range = EJ_NEW_ARRAY(arena, double, n_axes);
    c.ranges_at = EJ_NEW_ARRAY(arena, double, n_axes);
    c.placed = EJ_NEW_ARRAY(arena, int32_t, n_buffers);
    c.frames = EJ_NEW_ARRAY(arena, cost_frame, (size_t)nest->n_nodes + 1);
    c.foot = EJ_NEW_ARRAY(arena, double, ((size_t)nest->n_nodes + 1) * n_buffers);
    if (!c.range || !c.ranges_at || !c.placed || !c.frames || !c.foot) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < nest->n_axes; a++) c.range[a] = (double)nest->axes[a].extent.n;
    each_leaf(&c, false);
    each_leaf(&c, true);
    out->memory = out->fill[0] + out->fill[1] + out->fill[2] + out->walks;
    double more = out->compute > out->memory ? out->compute : out->memory;
    out->cycles = more + (out->compute + out->memory - more) / 4;
    return EINJIT_OK;
}

void ej_nest_cost_print(ej_text *text, const ej_nest *nest, const ej_nest_cost *cost)
{
    ej_print(text, "{\"nest\": ");
    ej_print_quoted(text, nest->name ? nest->name : "");
    ej_print(text, ", \"recipe\": ");
    ej_print_quoted(text, nest->recipe ? nest->recipe : "");
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"cycles", cost->cycles}, {"compute", cost->compute},      {"memory", cost->memory},
                   {"l1", cost->fill[0]},    {"l2", cost->fill[1]},           {"l3", cost->fill[2]},
                   {"tlb", cost->walks},     {"operations", cost->operations}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ej_print(text, ", \"%s\": %s", numbers[i].key, ej_real_text((char[EJ_REAL_TEXT]){0}, 'g', 6, numbers[i].value));
    ej_print(text, ", \"candidates\": [");
    for (int32_t i = 0; i < nest->n_candidates; i++) {
        ej_print(text, i ? ", {\"recipe\": " : "{\"recipe\": ");
        ej_print_quoted(text, nest->candidates[i].recipe);
        ej_print(text, ", \"cycles\": %s}", ej_real_text((char[EJ_REAL_TEXT]){0}, 'g', 6, nest->candidates[i].cycles));
    }
    ej_print(text, "]}\n");
}
