/* schedule_unify.c - the axes of a group: which axes of different steps are one.
 *
 * Takes  statements of which each has axes of its own.
 * Gives  the same with fewer axes: what one statement writes along an axis another reads along the same one. For each
 *        source that a statement before it writes, terms of equal stride are paired. Axes of equal extent become one.
 *        Where one extent divides the other, the longer axis is split in all its statements, and they are paired again:
 *
 *            t[6*a + b] = ...            a 5, b 6          i 30 becomes i' 5 outside of i 6
 *            ... = t[i] ...              i 30              t[6*i' + i], a and i' are one, and b and i
 *
 * Keeps  apart what a statement would have twice (a matrix times its transpose), axes with tables, and extents and
 *        strides of which it is not known that they divide each other.
 */
#include "schedule.h"

#include <string.h>

/* ---- one axis of two ---- */

static bool meet(const ej_schedule *s, int32_t a, int32_t b)
{
    for (size_t k = 0; k < s->n_statements; k++)
        if (s->statements[k].axes[a] && s->statements[k].axes[b]) return true;
    return false;
}

static void rename_terms(ej_access *access, int32_t from, int32_t to)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis == from) access->terms[t].axis = to;
}

static void become_one(ej_schedule *s, int32_t kept, int32_t gone)
{
    ej_axis *axis = &s->axes[kept];
    for (size_t k = 0; k < s->n_statements; k++) {
        ej_statement *st = &s->statements[k];
        if (!st->axes[gone]) continue;
        st->axes[gone] = false;
        st->axes[kept] = true;
        for (int32_t i = 0; i <= ej_statement_sources(st); i++) rename_terms(ej_statement_access(st, i), gone, kept);
    }
    uint8_t run = s->axes[gone].run;
    bool in_turn = axis->run == EJ_RUN_SEQUENTIAL || run == EJ_RUN_SEQUENTIAL;
    if (in_turn) axis->run = EJ_RUN_SEQUENTIAL;
    else if (run == EJ_RUN_REDUCED) axis->run = run;
    axis->name = s->axes[gone].name; /* as the statement nearer to the result calls it */
}

/* ---- two axes of one ---- */

static bool can_split(ej_schedule *s, int32_t axis)
{
    for (size_t k = 0; k < s->n_statements; k++) {
        ej_statement *st = &s->statements[k];
        if (st->axes[axis] && ej_statement_has_table(st, axis)) return false;
        for (int32_t i = 0; i <= ej_statement_sources(st); i++) {
            const ej_access_term *term = ej_access_find(ej_statement_access(st, i), axis);
            if (term && term->stride.e) return false;
        }
    }
    return true;
}

/* A term of the outer part beside that of the inner one. */
static bool split_access(ej_schedule *s, ej_access *access, int32_t inner, int32_t outer, int64_t n)
{
    const ej_access_term *term = ej_access_find(access, inner);
    if (!term) return true;
    ej_access_term *terms = EJ_JOB_ARRAY(s->job, ej_access_term, (size_t)access->n_terms + 1), part = *term;
    if (!terms) return false;
    memcpy(terms, access->terms, (size_t)access->n_terms * sizeof *terms);
    part.axis = outer;
    part.stride = ej_size_number(part.stride.n * n); /* of an element that lies within the buffer */
    terms[access->n_terms++] = part;
    access->terms = terms;
    return true;
}

/* The last n values of each of its parts stay with the axis, the parts are another one. */
static bool split(ej_schedule *s, int32_t axis, int64_t n, int32_t cap_axes)
{
    if (s->n_axes == cap_axes || !can_split(s, axis)) return false;
    int32_t outer = s->n_axes++;
    s->axes[outer] = s->axes[axis];
    s->axes[outer].extent = ej_size_number(s->axes[axis].extent.n / n);
    s->axes[axis].extent = ej_size_number(n);
    for (size_t k = 0; k < s->n_statements; k++) {
        ej_statement *st = &s->statements[k];
        if (!st->axes[axis]) continue;
        st->axes[outer] = true;
        for (int32_t i = 0; i <= ej_statement_sources(st); i++)
            if (!split_access(s, ej_statement_access(st, i), axis, outer, n)) s->no_memory = true;
    }
    return true;
}

/* ---- pairs ---- */

static bool divides(const ej_schedule *s, int32_t a, int32_t b)
{
    ej_size x = s->axes[a].extent, y = s->axes[b].extent;
    return !x.e && !y.e && x.n > 1 && y.n > x.n && y.n % x.n == 0;
}

/* Of an axis that is written and one that is read with the same stride: false where nothing changes. */
static bool pair(ej_schedule *s, int32_t written, int32_t read, int32_t cap_axes)
{
    ej_size x = s->axes[written].extent, y = s->axes[read].extent;
    if (written == read || meet(s, written, read)) return false;
    if (divides(s, written, read)) return split(s, read, x.n, cap_axes);
    if (divides(s, read, written)) return split(s, written, y.n, cap_axes);
    if (!ej_size_same(x, y)) return false;
    become_one(s, written, read);
    return true;
}

static bool pair_accesses(ej_schedule *s, const ej_access *written, const ej_access *read, int32_t cap_axes)
{
    for (int32_t t = 0; t < written->n_terms; t++)
        for (int32_t u = 0; u < read->n_terms; u++) {
            const ej_access_term *x = &written->terms[t], *y = &read->terms[u];
            if (x->table >= 0 || y->table >= 0 || ej_size_is(x->stride, 0) || !ej_size_same(x->stride, y->stride))
                continue;
            if (ej_size_is(s->axes[x->axis].extent, 1) || ej_size_is(s->axes[y->axis].extent, 1)) continue;
            if (pair(s, x->axis, y->axis, cap_axes)) return true;
        }
    return false;
}

static bool pair_any(ej_schedule *s, int32_t cap_axes)
{
    for (size_t k = 0; k < s->n_statements; k++)
        for (int32_t i = 0; i < ej_statement_sources(&s->statements[k]); i++)
            for (size_t w = 0; w < k; w++) {
                const ej_access *written = &s->statements[w].out, *read = &s->statements[k].src[i];
                if (written->buffer == read->buffer && pair_accesses(s, written, read, cap_axes)) return true;
            }
    return false;
}

void ej_schedule_unify(ej_schedule *s, int32_t cap_axes)
{
    while (!s->no_memory && pair_any(s, cap_axes)) continue;
}
