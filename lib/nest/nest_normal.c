/* nest_normal.c - a step in normal form, so that recipes see few, long axes.
 *
 * Takes  a step of the plan.
 * Gives  the same step without axes of extent 1 and with axes merged that every access walks as one: two axes a, b
 *        merge when each access has neither, or both with stride_a == stride_b * extent_b. Summed axes of an ordered step
 *        only merge with the next one.
 * Keeps  axes with table terms (their addresses are not affine), and open extents (their products are sizes, too).
 */
#include <string.h>

#include "nest_tiling.h"

static int copy_access(ej_access *out, const ej_access *access, ej_arena *arena)
{
    *out = *access;
    out->terms = EJ_NEW_ARRAY(arena, ej_access_term, (size_t)access->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    if (access->n_terms) memcpy(out->terms, access->terms, (size_t)access->n_terms * sizeof *out->terms);
    return EINJIT_OK;
}

int ej_step_copy(ej_step *out, const ej_step *step, ej_arena *arena)
{
    *out = *step;
    out->axes = EJ_NEW_ARRAY(arena, ej_axis, (size_t)step->n_axes);
    out->src = EJ_NEW_ARRAY(arena, ej_access, (size_t)(step->n_src + step->n_tail));
    if (!out->axes || !out->src) return EINJIT_E_NOMEM;
    if (step->n_axes) memcpy(out->axes, step->axes, (size_t)step->n_axes * sizeof *out->axes);
    EJ_TRY(copy_access(&out->out, &step->out, arena));
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) EJ_TRY(copy_access(&out->src[s], &step->src[s], arena));
    return EINJIT_OK;
}

/* Access 0 is the result, the others are the sources and the tail. */
static ej_access *access_of(ej_step *step, int32_t i)
{
    return i ? &step->src[i - 1] : &step->out;
}

static void drop_term(ej_access *access, int32_t axis)
{
    int32_t kept = 0;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis != axis) access->terms[kept++] = access->terms[t];
    access->n_terms = kept;
}

static bool has_table(ej_step *step, int32_t axis)
{
    for (int32_t i = 0; i <= step->n_src + step->n_tail; i++) {
        const ej_access_term *term = ej_access_find(access_of(step, i), axis);
        if (term && term->table >= 0) return true;
    }
    return false;
}

/* Axis b runs inside axis a as one axis in this access. */
static bool walks_as_one(const ej_access *access, int32_t a, int32_t b, ej_size extent_b, ej_sizes *sizes)
{
    const ej_access_term *outer = ej_access_find(access, a), *inner = ej_access_find(access, b);
    if (!outer && !inner) return true;
    if (!outer || !inner || outer->table >= 0 || inner->table >= 0) return false;
    ej_size product;
    if (ej_size_mul(sizes, inner->stride, extent_b, &product, NULL) != EINJIT_OK) return false;
    return ej_size_same(outer->stride, product);
}

/* As a pair of nested loops, with no summed axis in between: then one axis adds up in the same order. */
static bool follows(const ej_step *step, int32_t a, int32_t b, const bool *gone)
{
    if (step->axes[b].run != EJ_RUN_REDUCED || !EJ_HELD(step->ordered, SUM_AXES)) return true;
    for (int32_t c = a + 1; c < b; c++)
        if (!gone[c] && step->axes[c].run == EJ_RUN_REDUCED) return false;
    return a < b;
}

static bool can_merge(ej_step *step, int32_t a, int32_t b, ej_sizes *sizes)
{
    if (step->axes[a].run != step->axes[b].run) return false;
    for (int32_t i = 0; i <= step->n_src + step->n_tail; i++)
        if (!walks_as_one(access_of(step, i), a, b, step->axes[b].extent, sizes)) return false;
    return true;
}

/* Merge as long as something merges; gone[] marks axes that went into another one. */
static void merge_axes(ej_step *step, bool *gone, ej_sizes *sizes)
{
    for (bool again = true; again;) {
        again = false;
        for (int32_t a = 0; a < step->n_axes; a++)
            for (int32_t b = 0; b < step->n_axes; b++) {
                if (a == b || gone[a] || gone[b] || !can_merge(step, a, b, sizes) || !follows(step, a, b, gone)) continue;
                ej_size extent;
                if (ej_size_mul(sizes, step->axes[a].extent, step->axes[b].extent, &extent, NULL) != EINJIT_OK) continue;
                step->axes[b].extent = extent;
                for (int32_t i = 0; i <= step->n_src + step->n_tail; i++) drop_term(access_of(step, i), a);
                gone[a] = again = true;
            }
    }
}

static void renumber(ej_step *step, const bool *gone, int32_t *id)
{
    int32_t kept = 0;
    for (int32_t a = 0; a < step->n_axes; a++) {
        id[a] = kept;
        if (!gone[a]) step->axes[kept++] = step->axes[a];
    }
    step->n_axes = kept;
    for (int32_t i = 0; i <= step->n_src + step->n_tail; i++) {
        ej_access *access = access_of(step, i);
        for (int32_t t = 0; t < access->n_terms; t++) access->terms[t].axis = id[access->terms[t].axis];
    }
}

int ej_step_normalize(ej_step *out, const ej_step *step, ej_sizes *sizes, ej_arena *arena, einjit_error *err)
{
    if (ej_step_copy(out, step, arena)) return ej_no_memory(err);
    bool *gone = EJ_NEW_ARRAY(arena, bool, (size_t)step->n_axes);
    int32_t *id = EJ_NEW_ARRAY(arena, int32_t, (size_t)step->n_axes);
    if (!gone || !id) return ej_no_memory(err);
    for (int32_t a = 0; a < out->n_axes; a++) {
        if (!ej_size_is(out->axes[a].extent, 1) || has_table(out, a)) continue;
        gone[a] = true;
        for (int32_t i = 0; i <= out->n_src + out->n_tail; i++) drop_term(access_of(out, i), a);
    }
    merge_axes(out, gone, sizes);
    renumber(out, gone, id);
    return EINJIT_OK;
}
