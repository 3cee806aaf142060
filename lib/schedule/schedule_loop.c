/* schedule_loop.c - the rewrites loop, inner, tile, store and hint: they change a statement, or put a loop around it.
 *
 * Keeps  every step around a statement a multiple of its tile along that axis, and blocks of placed buffers, too; a
 *        statement's tile as large as the ranges of the registers that it reads and writes.
 */
#include "schedule.h"

#include <string.h>

enum { EJ_TILE_MOST = 4096 }; /* elements of a tile: what is unrolled is code */

/* ---- loops ---- */

static bool has_table(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) return true;
    return false;
}

bool ej_statement_may_wait(const ej_schedule *s, const ej_statement *st)
{
    const ej_buffer *out = &s->buffers[st->out.buffer].plan;
    if (ej_statement_dtype(st) != out->dtype || out->home == EJ_HOME_REG || has_table(&st->out)) return false;
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++)
        if (st->src[i].buffer == st->out.buffer) return false;
    return true;
}

bool ej_statement_takes_tail_first(const ej_schedule *s, const ej_statement *st)
{
    return st->tail_first && !ej_buffer_is_placed(&s->buffers[st->out.buffer]);
}

/* Sums of a part of the terms wait in the output, and are finished at the last part. */
static int may_be_partial(const ej_schedule *s, const ej_statement *st, int32_t axis)
{
    ej_size extent = s->axes[axis].extent;
    if (st->accumulate) return st->epilogue.n ? EJ_REFUSE_PARTIAL : EJ_REFUSE_NONE;
    if (extent.e || extent.n < 1) return EJ_REFUSE_EMPTY;
    return ej_statement_may_wait(s, st) ? EJ_REFUSE_NONE : EJ_REFUSE_PARTIAL;
}

static int32_t *link_to(ej_schedule *s, int32_t node)
{
    int32_t parent = s->nodes[node].parent, *link = parent < 0 ? &s->root : &s->nodes[parent].child;
    while (*link != node) link = &s->nodes[*link].next;
    return link;
}

/* No loop cuts it: a split or folded sum has the axis whole. */
static bool is_taken(const ej_statement *st, int32_t axis)
{
    return (st->has_split && axis == st->split) || (st->has_fold && axis == st->fold);
}

bool ej_rewrite_loop(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    ej_statement *st = &s->statements[r->statement];
    int32_t parent = s->nodes[st->node].parent;
    bool counted = !st->copies && ej_statement_reduces(st, r->axis); /* also one that no access names */
    if (!ej_statement_names(st, r->axis) && !counted) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    if (r->step % ej_tile_count(&st->tile, r->axis)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_CUTS);
    if (is_taken(st, r->axis)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_SPLIT);
    *out = parent;
    if (r->step >= ej_schedule_range(s, parent, r->axis)) return true;
    if (ej_statement_reduces(st, r->axis)) {
        int why = may_be_partial(s, st, r->axis);
        if (why) return ej_schedule_refuse(s, r->statement, why);
    }
    if (!EJ_PUSH_ROOM(s->job->arena, s->nodes, s->cap_nodes, s->n_nodes)) {
        s->no_memory = true;
        return false;
    }
    int32_t id = (int32_t)s->n_nodes++;
    ej_schedule_node *node = &s->nodes[st->node];
    s->nodes[id] = (ej_schedule_node){.kind = EJ_SCHEDULE_LOOP,
                                      .parent = parent,
                                      .child = st->node,
                                      .next = node->next,
                                      .axis = r->axis,
                                      .step = r->step,
                                      .aligned = r->aligned,
                                      .statement = -1};
    *link_to(s, st->node) = id;
    node->parent = id;
    node->next = -1;
    *out = id;
    return true;
}

bool ej_rewrite_inner(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    if (!ej_statement_reduces(st, r->axis)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NOT_REDUCED);
    if (r->step % ej_tile_count(&st->tile, r->axis)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_CUTS);
    if (is_taken(st, r->axis)) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_SPLIT);
    int64_t range = ej_schedule_range(s, st->node, r->axis);
    for (int32_t i = 0; i < st->n_inner; i++)
        if (st->inner[i].axis == r->axis && st->inner[i].step < range) range = st->inner[i].step;
    if (r->step >= range) return true;
    if (st->n_inner == EJ_SCHEDULE_INNER) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_LARGE);
    st->inner[st->n_inner++] = (ej_inner_loop){r->axis, r->step};
    return true;
}

/* ---- tiles ---- */

static int digits_fit(const ej_schedule *s, const ej_statement *st, const ej_tile *tile)
{
    int64_t lanes = 1, all = 1;
    if (tile->n < 0 || tile->n > EJ_TILE_DIGITS) return EJ_REFUSE_DIGITS;
    for (int32_t d = 0; d < tile->n; d++) {
        const ej_digit *digit = &tile->digits[d];
        if (digit->count < 2 || digit->place > EJ_UNROLL || !ej_statement_names(st, digit->axis))
            return EJ_REFUSE_DIGITS;
        if (ej_statement_has_table(st, digit->axis)) return EJ_REFUSE_TABLE;
        if (!ej_mul_size(all, digit->count, &all) || all > EJ_TILE_MOST) return EJ_REFUSE_LARGE;
        if (digit->place == EJ_LANE) lanes *= digit->count;
    }
    return lanes > ej_rule_vector(s, st) ? EJ_REFUSE_LANES : EJ_REFUSE_NONE;
}

/* One access to a placed buffer under the tile; `whole`: which may have several whole blocks. */
static int fits_blocks(const ej_schedule *s, const ej_access *access, const ej_tile *tile, bool whole)
{
    const ej_schedule_buffer *buffer = &s->buffers[access->buffer];
    if (!ej_buffer_is_placed(buffer)) return EJ_REFUSE_NONE;
    for (int32_t t = 0; t < access->n_terms; t++) {
        ej_access_term term;
        int32_t axis = access->terms[t].axis;
        int64_t count = ej_tile_count(tile, axis);
        ej_layout_term(s, access->buffer, axis, &term);
        if (term.block && term.block % count && !(whole && count % term.block == 0)) return EJ_REFUSE_CUTS;
        bool moves = term.stride.n || term.block;
        if (buffer->plan.home == EJ_HOME_REG && moves && ej_schedule_range(s, buffer->at, axis) > count)
            return EJ_REFUSE_UNCOVERED;
    }
    return EJ_REFUSE_NONE;
}

int ej_access_fits(const ej_schedule *s, const ej_access *access, const ej_tile *tile)
{
    return fits_blocks(s, access, tile, false);
}

static int tile_fits(const ej_schedule *s, const ej_statement *st, const ej_tile *tile)
{
    int why = digits_fit(s, st, tile);
    for (int32_t node = s->nodes[st->node].parent; !why && node >= 0; node = s->nodes[node].parent)
        if (s->nodes[node].step % ej_tile_count(tile, s->nodes[node].axis)) why = EJ_REFUSE_CUTS;
    for (int32_t i = 0; i < st->n_inner && !why; i++)
        if (st->inner[i].step % ej_tile_count(tile, st->inner[i].axis)) why = EJ_REFUSE_CUTS;
    for (int32_t i = -1; i < st->n_src + st->n_tail && !why; i++) {
        const ej_access *access = i < 0 ? &st->out : &st->src[i];
        bool memory = s->buffers[access->buffer].plan.home == EJ_HOME_LOCAL;
        why = fits_blocks(s, access, tile, st->copies && memory); /* a copy's tile stays one: no sum is split in it */
    }
    return why;
}

bool ej_rewrite_tile(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    int why = tile_fits(s, st, &r->digits);
    if (!why && st->has_store) why = EJ_REFUSE_OTHER_COUNTS; /* it was made for the tile before */
    if (!why && (st->has_split || st->has_fold)) why = EJ_REFUSE_SPLIT;
    if (why) return ej_schedule_refuse(s, r->statement, why);
    st->tile = r->digits;
    return true;
}

bool ej_rewrite_store(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    if (st->reduce == EJ_REDUCE_NONE) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NOT_REDUCED);
    int why = st->in_memory ? EJ_REFUSE_SPLIT : digits_fit(s, st, &r->digits);
    for (int32_t d = 0; d < r->digits.n && !why; d++)
        if (!ej_access_find(&st->out, r->digits.digits[d].axis)) why = EJ_REFUSE_DIGITS;
    for (int32_t t = 0; t < st->out.n_terms && !why; t++) {
        int32_t axis = st->out.terms[t].axis;
        if (ej_tile_count(&r->digits, axis) != ej_tile_count(&st->tile, axis)) why = EJ_REFUSE_OTHER_COUNTS;
    }
    if (why) return ej_schedule_refuse(s, r->statement, why);
    st->store = r->digits;
    st->has_store = true;
    return true;
}

/* ---- hints ---- */

bool ej_rewrite_hint(ej_schedule *s, const ej_rewrite *r)
{
    ej_statement *st = &s->statements[r->statement];
    const ej_leaf_hints *hints = &r->hints;
    if (hints->stream && s->buffers[st->out.buffer].plan.home == EJ_HOME_REG)
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_REGISTERS);
    if (hints->far && !hints->ahead) return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    if (hints->ahead < 0 || hints->ahead > EJ_HINT_AHEAD || hints->rows < 0 || hints->rows > EJ_HINT_ROWS)
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_LARGE);
    bool one = hints->ahead && hints->source != EJ_HINT_ALL;
    if (one && (hints->source < 0 || hints->source >= st->n_src))
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_NO_SUCH);
    if (one && s->buffers[st->src[hints->source].buffer].plan.home == EJ_HOME_REG)
        return ej_schedule_refuse(s, r->statement, EJ_REFUSE_REGISTERS);
    st->hints = *hints;
    return true;
}
