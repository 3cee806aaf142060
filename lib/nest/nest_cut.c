/* nest_cut.c - which axis of a finished nest threads may share, and whether that pays.
 *
 * Takes  a nest of any recipe.
 * Gives  nest->cut: an axis, how many of its values make a piece, and how many pieces are worth a thread. A run of
 *        pieces is the whole nest with a shorter range of that axis at its root, so what does not move with the axis
 *        (the packing of the other operand) is done again in each run.
 * Keeps  results: every element is computed in one piece, from the same terms in the same order, whatever the runs are.
 * Not here: who runs pieces (kernel_phase.c), the code for a shorter range (lower_loop.c).
 */
#include "nest_cut.h"

#include "nest_cost.h"

/* Cycles: nests of less are not worth waking anybody; beside one that is, nests of less are no work to share; and a run
 * of pieces of less is no share. */
enum { CUT_LEAST = 24000, CUT_BESIDE = 4000, CUT_SHARE = 2000 };
enum { CUT_THREADS = 4 };    /* the axis is chosen for so many */
enum { CUT_LONGEST = 4096 }; /* values of a piece: beyond it blocks of two sizes have nothing in common */
enum { CUT_CANDIDATES = 8 }; /* axes that are looked at */

typedef struct cutter {
    const ej_nest *nest;
    int32_t axis;
    int32_t *parents; /* by node, -1: at the root */
    int32_t *placed;  /* by buffer: the loop that places it; -1: the root, or nowhere */
} cutter;

static int begin(cutter *c, const ej_nest *nest, ej_arena *arena)
{
    *c = (cutter){.nest = nest};
    c->parents = EJ_NEW_ARRAY(arena, int32_t, (size_t)nest->n_nodes + 1);
    c->placed = EJ_NEW_ARRAY(arena, int32_t, (size_t)nest->n_buffers + 1);
    if (!c->parents || !c->placed) return EINJIT_E_NOMEM;
    for (int32_t i = 0; i < nest->n_nodes; i++) c->parents[i] = -1;
    for (int32_t b = 0; b < nest->n_buffers; b++) c->placed[b] = -1;
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_nest_node *node = &nest->nodes[i];
        if (node->kind != EJ_NEST_LOOP) continue;
        for (int32_t child = node->child; child >= 0; child = nest->nodes[child].next) c->parents[child] = i;
        for (int32_t p = 0; p < node->n_placed; p++) c->placed[node->placed[p]] = i;
    }
    return EINJIT_OK;
}

static bool is_placed(const cutter *c, int32_t buffer)
{
    int home = c->nest->buffers[buffer].home;
    return home == EJ_HOME_LOCAL || home == EJ_HOME_REG;
}

/* The innermost loop over the axis from a node on outwards; -1: there is none. */
static int32_t loop_around(const cutter *c, int32_t node)
{
    while (node >= 0 && (c->nest->nodes[node].kind != EJ_NEST_LOOP || c->nest->nodes[node].axis != c->axis))
        node = c->parents[node];
    return node;
}

/* Every round of a loop over the axis has its own one. */
static bool is_of_a_round(const cutter *c, int32_t buffer)
{
    return is_placed(c, buffer) && loop_around(c, c->placed[buffer]) >= 0;
}

static const ej_access *access_of(const ej_nest_node *leaf, int32_t i)
{
    return i < 0 ? &leaf->dst : &leaf->src[i];
}

static bool names_axis(const cutter *c, const ej_nest_node *leaf)
{
    for (int32_t i = -1; i < leaf->n_src; i++)
        if (ej_access_find(access_of(leaf, i), c->axis)) return true;
    return false;
}

static bool is_same_access(const ej_access *a, const ej_access *b)
{
    if (!ej_size_same(a->base, b->base) || a->n_terms != b->n_terms) return false;
    for (int32_t t = 0; t < a->n_terms; t++) {
        const ej_access_term *x = &a->terms[t], *y = ej_access_find(b, x->axis);
        if (!y || x->table != y->table || x->block != y->block || !ej_size_same(x->stride, y->stride)) return false;
        if (x->table >= 0 && (!ej_size_same(x->tbase, y->tbase) || !ej_size_same(x->tstride, y->tstride))) return false;
    }
    return true;
}

/* All who use a buffer that other nests see use the same elements of it in the same round. */
static bool reads_what_it_writes(const cutter *c, const ej_access *written)
{
    for (int32_t i = 0; i < c->nest->n_nodes; i++) {
        const ej_nest_node *leaf = &c->nest->nodes[i];
        if (leaf->kind != EJ_NEST_LEAF) continue;
        for (int32_t a = -1; a < leaf->n_src; a++) {
            const ej_access *access = access_of(leaf, a);
            if (access->buffer == written->buffer && !is_same_access(access, written)) return false;
            for (int32_t t = 0; t < access->n_terms; t++)
                if (access->terms[t].table == written->buffer) return false;
        }
    }
    return true;
}

static bool writes_apart(const cutter *c, const ej_nest_node *leaf, int32_t loop)
{
    const ej_access_term *term = ej_access_find(&leaf->dst, c->axis);
    if (is_placed(c, leaf->dst.buffer)) /* what rounds leave to each other there belongs to one of them */
        return loop < 0 || term || is_of_a_round(c, leaf->dst.buffer);
    return term && term->table < 0 && !term->block && !ej_size_is(term->stride, 0) &&
           reads_what_it_writes(c, &leaf->dst);
}

/* Elements of a buffer from outside of the rounds are counted by the axis everywhere, or nowhere. */
static bool counts_alike(const cutter *c, int32_t buffer)
{
    int with = 0, without = 0;
    if (!is_placed(c, buffer) || is_of_a_round(c, buffer)) return true;
    for (int32_t i = 0; i < c->nest->n_nodes; i++) {
        const ej_nest_node *leaf = &c->nest->nodes[i];
        if (leaf->kind != EJ_NEST_LEAF) continue;
        for (int32_t a = -1; a < leaf->n_src; a++) {
            const ej_access *access = access_of(leaf, a);
            if (access->buffer == buffer) *(ej_access_find(access, c->axis) ? &with : &without) += 1;
            for (int32_t t = 0; t < access->n_terms; t++)
                if (access->terms[t].table == buffer) *(access->terms[t].axis == c->axis ? &with : &without) += 1;
        }
    }
    return !with || !without;
}

/* What may be the memory of a result is read in the piece that writes the same elements: another piece may have written
 * them by then. */
static bool reads_own_memory(const cutter *c, const ej_access *read)
{
    const ej_access_term *from = ej_access_find(read, c->axis);
    if (!c->nest->buffers[read->buffer].in_place) return true;
    if (!from || from->table >= 0 || from->block) return false;
    for (int32_t i = 0; i < c->nest->n_nodes; i++) {
        const ej_nest_node *leaf = &c->nest->nodes[i];
        if (leaf->kind != EJ_NEST_LEAF || is_placed(c, leaf->dst.buffer)) continue;
        const ej_access_term *to = ej_access_find(&leaf->dst, c->axis);
        if (!to || !ej_size_same(from->stride, to->stride)) return false;
    }
    return true;
}

static bool asks_for_axis(const cutter *c, const ej_when *when)
{
    for (int32_t i = 0; i < when->n; i++)
        if (when->axes[i] == c->axis) return true;
    return false;
}

static bool may_cut(const cutter *c)
{
    const ej_nest *nest = c->nest;
    if (nest->axes[c->axis].run != EJ_RUN_PARALLEL || ej_size_is(nest->axes[c->axis].extent, 0)) return false;
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_nest_node *node = &nest->nodes[i];
        if (asks_for_axis(c, &node->when)) return false;
        if (node->kind != EJ_NEST_LEAF) continue;
        int32_t loop = loop_around(c, i);
        if ((loop < 0 && names_axis(c, node)) || !writes_apart(c, node, loop)) return false;
        for (int32_t k = 0; k < node->n_src; k++)
            if (!reads_own_memory(c, &node->src[k])) return false;
    }
    for (int32_t b = 0; b < nest->n_buffers; b++)
        if (!counts_alike(c, b)) return false;
    return true;
}

static bool multiply_in(int64_t *multiple, int64_t step)
{
    int64_t common = (int64_t)ej_gcd((uint64_t)*multiple, (uint64_t)step);
    return ej_mul_size(*multiple, step / common, multiple) && *multiple <= CUT_LONGEST;
}

/* A piece is whole rounds of the innermost loops; 0: they have no common multiple that is short enough. */
static int64_t piece_of(const cutter *c)
{
    int64_t piece = 1;
    for (int32_t i = 0; i < c->nest->n_nodes; i++) {
        const ej_nest_node *leaf = &c->nest->nodes[i];
        if (leaf->kind != EJ_NEST_LEAF || !names_axis(c, leaf)) continue;
        int32_t loop = loop_around(c, i);
        if (!multiply_in(&piece, c->nest->nodes[loop].step)) return 0;
    }
    return piece;
}

static int64_t cut_step(cutter *c, int32_t axis)
{
    c->axis = axis;
    return may_cut(c) ? piece_of(c) : 0;
}

int ej_nest_cut_step(int64_t *out, const ej_nest *nest, int32_t axis, ej_arena *arena)
{
    cutter c;
    EJ_TRY(begin(&c, nest, arena));
    *out = cut_step(&c, axis);
    return EINJIT_OK;
}

int ej_nest_pieces(ej_sizes *sizes, const ej_nest *nest, ej_size *out, einjit_error *err)
{
    return ej_size_ceil_div(sizes, nest->axes[nest->cut.axis].extent, nest->cut.step, out, err);
}

/* ---- does it pay? ---- */

/* So that most nests cost nothing here: elements of the largest leaf, none of which takes more than some cycles. */
static bool is_small(const ej_nest *nest)
{
    const double cycles = 4;
    double most = 0;
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_nest_node *leaf = &nest->nodes[i];
        double elements = 1;
        if (leaf->kind != EJ_NEST_LEAF) continue;
        for (int32_t a = 0; a < nest->n_axes; a++) {
            bool named = false;
            for (int32_t k = -1; k < leaf->n_src; k++) named = named || ej_access_find(access_of(leaf, k), a);
            if (named) elements *= (double)nest->axes[a].extent.n;
        }
        if (elements > most) most = elements;
    }
    return most * cycles < CUT_BESIDE;
}

/* Cycles of the nest with another extent of an axis. */
static int cycles_with(double *out, const ej_nest *nest, int32_t axis, int64_t values, const ej_target *target,
                       ej_arena *arena)
{
    ej_nest part = *nest;
    ej_nest_cost cost;
    part.axes = EJ_NEW_ARRAY(arena, ej_axis, (size_t)nest->n_axes);
    if (!part.axes) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < nest->n_axes; a++) part.axes[a] = nest->axes[a];
    part.axes[axis].extent = ej_size_number(values);
    EJ_TRY(ej_nest_cost_of(&cost, &part, target, arena));
    *out = cost.cycles;
    return EINJIT_OK;
}

/* How many pieces of `each` cycles take so many; a bound where they take next to none. */
static int64_t pieces_for(double cycles, double each)
{
    const double most = 1 << 30;
    return cycles < most * each ? (int64_t)(cycles / each) + 1 : (int64_t)most;
}

typedef struct candidate {
    ej_nest_cut cut;
    double cycles; /* of the longest share of CUT_THREADS */
} candidate;

/* `whole`: cycles of the nest. Each run costs the same again for what does not move with the axis; the rest goes by
 * pieces. */
static int judge(candidate *out, const ej_nest *nest, int32_t axis, int64_t step, double whole, const ej_target *target,
                 ej_arena *arena)
{
    int64_t extent = nest->axes[axis].extent.n, pieces = extent / step + (extent % step != 0);
    int64_t share = pieces / CUT_THREADS + (pieces % CUT_THREADS != 0);
    out->cut = (ej_nest_cut){.axis = axis, .step = step};
    EJ_TRY(cycles_with(&out->cycles, nest, axis, share * step < extent ? share * step : extent, target, arena));
    if (pieces <= share) return EINJIT_OK;
    double each = (whole - out->cycles) / (double)(pieces - share), again = out->cycles - each * (double)share;
    if (each <= 0) each = whole / (double)pieces;
    out->cut.grain = pieces_for(CUT_SHARE, each);
    out->cut.again = again > 0.01 * whole;
    return EINJIT_OK;
}

/* Axes in the order of their outermost loops: among equals the first has the longest pieces of memory. */
static int32_t list_axes(const ej_nest *nest, int32_t *out)
{
    int32_t n = 0;
    for (int32_t i = 0; i < nest->n_nodes && n < CUT_CANDIDATES; i++) {
        int32_t axis = nest->nodes[i].axis, known = 0;
        if (nest->nodes[i].kind != EJ_NEST_LOOP) continue;
        while (known < n && out[known] != axis) known++;
        if (known == n) out[n++] = axis;
    }
    return n;
}

/* How long the axis will be is not known: the run says whether there is work for two, which outweighs what both do. */
static int choose_open(ej_nest *nest, cutter *c, const ej_target *target, ej_arena *arena)
{
    int32_t axes[CUT_CANDIDATES], n = list_axes(nest, axes);
    for (int32_t i = 0; i < n && nest->cut.axis < 0; i++) {
        int64_t step = nest->axes[axes[i]].extent.e ? cut_step(c, axes[i]) : 0;
        double few, many;
        if (!step) continue;
        EJ_TRY(cycles_with(&few, nest, axes[i], 4 * step, target, arena));
        EJ_TRY(cycles_with(&many, nest, axes[i], 8 * step, target, arena));
        double each = (many - few) / 4, again = 2 * few - many;
        if (each < 1) each = 1;
        if (again < 0) again = 0;
        nest->cut = (ej_nest_cut){.axis = axes[i],
                                  .step = step,
                                  .grain = pieces_for(CUT_LEAST / 2 + 2 * again, each),
                                  .again = again > 0.01 * few,
                                  .is_worth_it = true};
    }
    return EINJIT_OK;
}

static int choose_by_cost(ej_nest *nest, cutter *c, const ej_target *target, ej_arena *arena)
{
    int32_t axes[CUT_CANDIDATES], n = list_axes(nest, axes);
    candidate best = {.cut = {.axis = -1}};
    ej_nest_cost whole;
    bool is_open = false;
    for (int32_t i = 0; i < n; i++) is_open = is_open || nest->axes[axes[i]].extent.e;
    if (!is_open && is_small(nest)) return EINJIT_OK;
    EJ_TRY(ej_nest_cost_of(&whole, nest, target, arena));
    if (is_open && whole.cycles < CUT_LEAST) return choose_open(nest, c, target, arena);
    if (whole.cycles < CUT_BESIDE) return EINJIT_OK;
    for (int32_t i = 0; i < n; i++) {
        candidate one;
        int64_t step = cut_step(c, axes[i]);
        if (!step || nest->axes[axes[i]].extent.n <= step) continue;
        EJ_TRY(judge(&one, nest, axes[i], step, whole.cycles, target, arena));
        if (best.cut.axis < 0 || one.cycles < 0.97 * best.cycles) best = one;
    }
    if (best.cut.axis < 0 || best.cycles >= 0.7 * whole.cycles) return EINJIT_OK;
    nest->cut = best.cut;
    nest->cut.is_worth_it = whole.cycles >= CUT_LEAST;
    return EINJIT_OK;
}

void ej_nests_keep_cuts(ej_nest *nests, int32_t n)
{
    bool worth_it = false;
    for (int32_t i = 0; i < n; i++) worth_it = worth_it || (nests[i].cut.axis >= 0 && nests[i].cut.is_worth_it);
    for (int32_t i = 0; i < n && !worth_it; i++) nests[i].cut.axis = -1;
}

static void choose_by_chance(ej_nest *nest, cutter *c, uint64_t random)
{
    for (int32_t i = 0; i < nest->n_axes && nest->cut.axis < 0; i++) {
        int32_t axis = (int32_t)((random + (uint64_t)i) % (uint64_t)nest->n_axes);
        int64_t step = cut_step(c, axis);
        if (step) nest->cut = (ej_nest_cut){.axis = axis, .step = step, .grain = 1, .is_worth_it = true};
    }
}

int ej_nest_choose_cut(ej_nest *nest, const ej_target *target, uint64_t random, ej_arena *arena)
{
    cutter c;
    EJ_TRY(begin(&c, nest, arena));
    if (!random) return choose_by_cost(nest, &c, target, arena);
    choose_by_chance(nest, &c, random);
    return EINJIT_OK;
}
