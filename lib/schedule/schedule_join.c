/* schedule_join.c - the rewrite join: two axes of a copy become one, which is the copy's own.
 *
 *     p[z, i, j] <- a[20 z + 5 i + j]     i 4, j 5
 *     p[z, ij]   <- a[20 z + ij]          ij 20: whole vectors along a row, instead of 5 numbers of it at a time
 *
 * Takes  a copy, and two of its axes, both of them whole where it stands, of which neighbours along the outer one lie
 *        where a row of the inner one ends, in what is read as in what is written.
 * Gives  the same copy along an axis that no other statement has. Layouts keep the digits of the two: the joined axis
 *        walks them with the stride of the inner one.
 */
#include "schedule.h"

const ej_joined_axes *ej_joined_of(const ej_schedule *s, int32_t axis)
{
    int32_t first = s->n_axes - s->n_joined;
    return axis < first ? NULL : &s->joined[axis - first];
}

static int joins(const ej_schedule *s, const ej_access *access, int32_t outer, int32_t inner)
{
    const ej_access_term *slow = ej_access_find(access, outer), *fast = ej_access_find(access, inner);
    if (!slow || !fast) return EJ_REFUSE_NO_SUCH;
    if (slow->table >= 0 || fast->table >= 0) return EJ_REFUSE_TABLE;
    if (slow->stride.e || fast->stride.e) return EJ_REFUSE_OPEN;
    bool blocks = slow->block || fast->block, moves = !ej_size_is(fast->stride, 0);
    bool one = moves && !blocks && ej_access_walks_as_one(access, outer, inner, s->axes[inner].extent, s->sizes);
    return one ? EJ_REFUSE_NONE : EJ_REFUSE_LAYOUT;
}

/* EJ_REFUSE_*, as far as it can be said without the accesses. */
static int axes_fit(const ej_schedule *s, const ej_statement *st, int32_t outer, int32_t inner)
{
    int64_t all;
    if (inner < 0 || inner >= s->n_axes || outer == inner) return EJ_REFUSE_NO_SUCH;
    if (!st->copies || st->n_src != 1) return EJ_REFUSE_NO_SUCH; /* what fills reads nothing */
    for (int32_t i = 0; i < 2; i++) {
        int32_t axis = i ? inner : outer;
        ej_size extent = s->axes[axis].extent;
        if (extent.e) return EJ_REFUSE_OPEN;
        if (ej_schedule_range(s, st->node, axis) != extent.n) return EJ_REFUSE_CUTS;
        for (int32_t d = 0; d < st->tile.n; d++)
            if (st->tile.digits[d].axis == axis && st->tile.digits[d].place == EJ_LANE) return EJ_REFUSE_DIGITS;
    }
    bool fits = ej_mul_size(s->axes[outer].extent.n, s->axes[inner].extent.n, &all) && all <= INT32_MAX;
    return fits ? EJ_REFUSE_NONE : EJ_REFUSE_LARGE;
}

/* The axis, which every list by axes gets room for. Lists are new ones: those that stand there are the fresh
 * schedule's. */
static bool add_axis(ej_schedule *s, int32_t outer, int32_t inner)
{
    size_t n = (size_t)s->n_axes, n_joined = (size_t)s->n_joined;
    ej_axis *axes = EJ_JOB_ARRAY(s->job, ej_axis, n + 1);
    ej_joined_axes *joined = EJ_JOB_ARRAY(s->job, ej_joined_axes, n_joined + 1);
    if (!axes || !joined) return false;
    for (size_t k = 0; k < s->n_statements; k++) {
        ej_statement *st = &s->statements[k];
        if (!st->axes) continue;
        bool *has = EJ_JOB_ARRAY(s->job, bool, n + 1);
        if (!has) return false;
        for (size_t a = 0; a < n; a++) has[a] = st->axes[a];
        st->axes = has;
    }
    for (size_t a = 0; a < n; a++) axes[a] = s->axes[a];
    for (size_t k = 0; k < n_joined; k++) joined[k] = s->joined[k];
    axes[n] = (ej_axis){.name = ej_axes_name(s, outer, inner),
                        .extent = ej_size_number(s->axes[outer].extent.n * s->axes[inner].extent.n),
                        .run = EJ_RUN_PARALLEL};
    joined[n_joined] = (ej_joined_axes){outer, inner};
    s->axes = axes;
    s->joined = joined;
    s->n_axes++;
    s->n_joined++;
    return !s->no_memory;
}

/* The inner one's term is the joined one's; the outer one's is gone. */
static bool rename_terms(const ej_schedule *s, ej_access *access, int32_t outer, int32_t inner, int32_t axis)
{
    ej_access_term *terms = EJ_JOB_ARRAY(s->job, ej_access_term, (size_t)access->n_terms);
    int32_t n = 0;
    if (!terms) return false;
    for (int32_t t = 0; t < access->n_terms; t++) {
        if (access->terms[t].axis == outer) continue;
        terms[n] = access->terms[t];
        if (terms[n].axis == inner) terms[n].axis = axis;
        n++;
    }
    access->terms = terms;
    access->n_terms = n;
    return true;
}

/* What was unrolled along the two is unrolled along the one. */
static void join_digits(ej_tile *tile, int32_t outer, int32_t inner, int32_t axis)
{
    ej_tile now = {0};
    int64_t count = ej_tile_count(tile, outer) * ej_tile_count(tile, inner);
    for (int32_t d = 0; d < tile->n; d++)
        if (tile->digits[d].axis != outer && tile->digits[d].axis != inner) now.digits[now.n++] = tile->digits[d];
    ej_tile_add(&now, axis, count, EJ_UNROLL);
    *tile = now;
}

bool ej_rewrite_join(ej_schedule *s, const ej_rewrite *r, int32_t *out)
{
    ej_statement *st = &s->statements[r->statement];
    int32_t outer = r->axis, inner = r->lane, axis = s->n_axes;
    int why = axes_fit(s, st, outer, inner);
    for (int32_t i = 0; i <= 1 && !why; i++) {
        ej_access access;
        s->no_memory = ej_layout_access(s, ej_statement_access(st, i), &access, s->job->arena);
        if (s->no_memory) return false;
        why = joins(s, &access, outer, inner);
    }
    if (why) return ej_schedule_refuse(s, r->statement, why);
    ej_access *source = EJ_JOB_NEW(s->job, ej_access);
    bool done = source && add_axis(s, outer, inner);
    if (done) {
        *source = st->src[0];
        st->src = source;
        done = rename_terms(s, &st->out, outer, inner, axis) && rename_terms(s, source, outer, inner, axis);
        join_digits(&st->tile, outer, inner, axis);
    }
    s->no_memory = !done;
    *out = axis;
    return done;
}
