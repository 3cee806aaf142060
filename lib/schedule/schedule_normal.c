/* schedule_normal.c - a schedule's axes in normal form, so that scripts see few, long ones.
 *
 * Takes  a schedule before any rewrite.
 * Gives  the same without axes of extent 1, and with axes merged that every access walks as one: two axes a, b merge
 *        when each statement has neither, or both in one role, and each access neither, or both with stride_a ==
 *        stride_b * extent_b. Summed axes of an ordered sum only
 *        merge with the next one.
 * Keeps  axes with table terms (their addresses are not affine), and open extents (their products are sizes, too).
 */
#include "schedule.h"

static void drop_term(ej_access *access, int32_t axis)
{
    int32_t kept = 0;
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis != axis) access->terms[kept++] = access->terms[t];
    access->n_terms = kept;
}

static void drop_axis(ej_schedule *s, int32_t axis)
{
    for (size_t k = 0; k < s->n_statements; k++)
        for (int32_t i = 0; i <= ej_statement_sources(&s->statements[k]); i++)
            drop_term(ej_statement_access(&s->statements[k], i), axis);
}

static bool has_table(const ej_schedule *s, int32_t axis)
{
    for (size_t k = 0; k < s->n_statements; k++)
        if (ej_statement_has_table(&s->statements[k], axis)) return true;
    return false;
}

/* Some statement has it; others became a part of another axis. */
static bool is_needed(const ej_schedule *s, int32_t axis)
{
    for (size_t k = 0; k < s->n_statements; k++)
        if (s->statements[k].axes[axis]) return true;
    return false;
}

bool ej_access_walks_as_one(const ej_access *access, int32_t a, int32_t b, ej_size extent_b, ej_sizes *sizes)
{
    const ej_access_term *outer = ej_access_find(access, a), *inner = ej_access_find(access, b);
    if (!outer && !inner) return true;
    if (!outer || !inner || outer->table >= 0 || inner->table >= 0) return false;
    ej_size product;
    if (ej_size_mul(sizes, inner->stride, extent_b, &product, NULL) != EINJIT_OK) return false;
    return ej_size_same(outer->stride, product);
}

/* As a pair of nested loops, with no summed axis in between: then one axis adds up in the same order. */
static bool follows(const ej_schedule *s, int32_t a, int32_t b, const bool *gone)
{
    if (s->axes[b].run != EJ_RUN_REDUCED || !EJ_HELD(s->ordered, SUM_AXES)) return true;
    for (int32_t c = a + 1; c < b; c++)
        if (!gone[c] && s->axes[c].run == EJ_RUN_REDUCED) return false;
    return a < b;
}

/* Statements have both axes or neither, and sum over both or neither. */
static bool have_one_role(const ej_schedule *s, int32_t a, int32_t b)
{
    if (s->axes[a].run != s->axes[b].run) return false;
    for (size_t k = 0; k < s->n_statements; k++) {
        const ej_statement *st = &s->statements[k];
        if (st->axes[a] != st->axes[b] || ej_statement_reduces(st, a) != ej_statement_reduces(st, b)) return false;
    }
    return true;
}

static bool can_merge(ej_schedule *s, int32_t a, int32_t b)
{
    if (!have_one_role(s, a, b)) return false;
    for (size_t k = 0; k < s->n_statements; k++)
        for (int32_t i = 0; i <= ej_statement_sources(&s->statements[k]); i++)
            if (!ej_access_walks_as_one(ej_statement_access(&s->statements[k], i), a, b, s->axes[b].extent, s->sizes))
                return false;
    return true;
}

const char *ej_axes_name(ej_schedule *s, int32_t outer, int32_t inner)
{
    ej_text text;
    const char *names[2] = {s->axes[outer].name, s->axes[inner].name};
    if (!names[0] || !names[1]) return NULL;
    ej_text_init(&text, s->job->arena);
    ej_print(&text, "%s%s", names[0], names[1]);
    s->no_memory = s->no_memory || text.failed;
    return text.failed ? NULL : text.data;
}

/* Merge as long as something merges; gone[] marks axes that went into another one. */
static void merge_axes(ej_schedule *s, bool *gone)
{
    for (bool again = true; again;) {
        again = false;
        for (int32_t a = 0; a < s->n_axes; a++)
            for (int32_t b = 0; b < s->n_axes; b++) {
                if (a == b || gone[a] || gone[b] || !can_merge(s, a, b) || !follows(s, a, b, gone)) continue;
                ej_size extent;
                if (ej_size_mul(s->sizes, s->axes[a].extent, s->axes[b].extent, &extent, NULL) != EINJIT_OK) continue;
                s->axes[b].extent = extent;
                const char *name = ej_axes_name(s, a, b); /* of both its parts, outer first */
                if (name) s->axes[b].name = name;
                drop_axis(s, a);
                gone[a] = again = true;
            }
    }
}

static void renumber(ej_schedule *s, const bool *gone, int32_t *id)
{
    int32_t kept = 0, n = s->n_axes;
    for (int32_t a = 0; a < n; a++) {
        id[a] = kept;
        if (!gone[a]) s->axes[kept++] = s->axes[a];
    }
    s->n_axes = kept;
    for (size_t k = 0; k < s->n_statements; k++) {
        bool *axes = s->statements[k].axes;
        for (int32_t a = 0; a < n; a++)
            if (!gone[a]) axes[id[a]] = axes[a];
        for (int32_t i = 0; i <= ej_statement_sources(&s->statements[k]); i++) {
            ej_access *access = ej_statement_access(&s->statements[k], i);
            for (int32_t t = 0; t < access->n_terms; t++) access->terms[t].axis = id[access->terms[t].axis];
        }
    }
}

int ej_schedule_normalize(ej_schedule *s)
{
    bool *gone = EJ_JOB_ARRAY(s->job, bool, (size_t)s->n_axes);
    int32_t *id = EJ_JOB_ARRAY(s->job, int32_t, (size_t)s->n_axes);
    if (!gone || !id) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < s->n_axes; a++) {
        if (is_needed(s, a) && (!ej_size_is(s->axes[a].extent, 1) || has_table(s, a))) continue;
        gone[a] = true;
        drop_axis(s, a);
    }
    merge_axes(s, gone);
    renumber(s, gone, id);
    return s->no_memory ? EINJIT_E_NOMEM : EINJIT_OK;
}
