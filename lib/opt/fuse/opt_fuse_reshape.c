/* opt_fuse_reshape.c - a reshape between two einsums, moved out of their way.
 *
 * Takes  an einsum whose result, used once, is reshaped, used once by another einsum.
 * Gives  where an axis is split: the label of that axis is split in the first einsum, whose operands are reshaped
 *        instead (a split is a view of any strides). Where axes are merged: the second einsum has the labels of all of
 *        them, its other operands are split, and its result is merged, if it still has the axis. Then the two einsums
 *        are adjacent. Reshapes of reshapes are one, or none where the shape is the first one's again.
 * Keeps  reshapes whose extents do not show which axes correspond, or whose other operands may broadcast
 *        under the label.
 * Not here: axes of extent 1 (facts_as_einsum.c sees through them); the merging itself.
 */
#include <string.h>

#include "opt_fuse.h"
#include "facts_reshape.h"

/* What becomes of a label: these labels, with these extents. */
typedef struct parts {
    int32_t n;      /* 0: it stays */
    int32_t extent; /* of the label */
    int32_t *labels;
    const int32_t *extents;
} parts;

typedef struct mover {
    ej_fuse *f;
    ej_value v; /* the reshape */
    ej_reshape_groups groups;
    parts *parts; /* per label of the einsum that changes */
    size_t n_parts;
} mover;

static const ej_known_shape *shape_of(const mover *m, ej_value v)
{
    return &m->f->facts.shapes->of[v];
}

/* ---- extents as numbers and products of symbols ---- */

/* At most one extent may be left open, and only beside numbers: where another one is 0 it would have no value. */
static int say_extents(const mover *m, const int32_t *extents, uint32_t n, ej_extent **out)
{
    ej_arena *arena = &m->f->graph->arena;
    uint32_t open = 0, named = 0;
    ej_extent *said = EJ_NEW_ARRAY(arena, ej_extent, n);
    *out = NULL;
    if (!said) return ej_no_memory(m->f->job->err);
    for (uint32_t i = 0; i < n; i++) {
        bool known;
        if (!ej_facts_name_extent(m->f->facts.shapes, extents[i], arena, &said[i], &known))
            return ej_no_memory(m->f->job->err);
        if (known) named += said[i].n_symbols || !said[i].n;
        else said[i] = (ej_extent){.n = EJ_EXTENT_UNKNOWN}, open++;
    }
    if (!open || (open == 1 && !named)) *out = said;
    return EINJIT_OK;
}

static int add_reshape(mover *m, ej_value x, const ej_extent *extents, uint32_t n, ej_value *out)
{
    ej_node node = {.op = EJ_OP_RESHAPE, .dtype = -1, .rank = -1, .n_extents = n};
    node.extents = EJ_NEW_ARRAY(&m->f->graph->arena, ej_extent, n);
    if (!node.extents) return ej_no_memory(m->f->job->err);
    if (n) memcpy(node.extents, extents, n * sizeof *extents);
    return ej_edit_node(&m->f->edit, node, 1, &x, out);
}

/* ---- labels ---- */

/* Room for a note on every label of the einsum that was begun. */
static int note_labels(mover *m)
{
    m->n_parts = m->f->n_labels;
    m->parts = EJ_JOB_ARRAY(m->f->job, parts, m->n_parts);
    return m->parts ? EINJIT_OK : ej_no_memory(m->f->job->err);
}

/* A label that has the extent of an axis falls apart into the axes of its group. */
static int divide_label(mover *m, int32_t label, int32_t extent, uint32_t n, const int32_t *extents)
{
    parts *p = &m->parts[label];
    *p = (parts){(int32_t)n, extent, EJ_JOB_ARRAY(m->f->job, int32_t, n), extents};
    if (!p->labels) return ej_no_memory(m->f->job->err);
    for (uint32_t i = 0; i < n; i++)
        EJ_TRY(ej_fuse_new_label(m->f, i ? EJ_FUSE_NO_SYMBOL : m->f->labels[label].symbol, &p->labels[i]));
    return EINJIT_OK;
}

static const parts *parts_of(const mover *m, int32_t label)
{
    return label >= 0 && (size_t)label < m->n_parts && m->parts[label].n ? &m->parts[label] : NULL;
}

static size_t divided_length(const mover *m, const int32_t *labels, uint32_t n)
{
    size_t length = 0;
    for (uint32_t i = 0; i < n; i++) length += parts_of(m, labels[i]) ? (size_t)parts_of(m, labels[i])->n : 1;
    return length;
}

static int divide_term(mover *m, ej_term *term)
{
    int32_t *labels = EJ_JOB_ARRAY(m->f->job, int32_t, divided_length(m, term->labels, term->n));
    uint32_t n = 0;
    if (!labels) return ej_no_memory(m->f->job->err);
    for (uint32_t i = 0; i < term->n; i++) {
        const parts *p = parts_of(m, term->labels[i]);
        if (!p) labels[n++] = term->labels[i];
        for (int32_t k = 0; p && k < p->n; k++) labels[n++] = p->labels[k];
    }
    *term = (ej_term){n, labels};
    return EINJIT_OK;
}

/* An operand with divided labels, reshaped; an axis of extent 1 under one of them is dropped. *done false: its shape
 * has no name. */
static int divide_operand(mover *m, ej_fuse_operand *operand, bool *done)
{
    const ej_known_shape *shape = shape_of(m, operand->value);
    size_t length = divided_length(m, operand->labels, operand->n);
    *done = true;
    bool any = false;
    for (uint32_t i = 0; i < operand->n; i++) any |= parts_of(m, operand->labels[i]) != NULL;
    if (!any) return EINJIT_OK;
    *done = false;
    if (shape->rank != (int32_t)operand->n) return EINJIT_OK;
    int32_t *labels = EJ_JOB_ARRAY(m->f->job, int32_t, length), *extents = EJ_JOB_ARRAY(m->f->job, int32_t, length);
    if (!labels || !extents) return ej_no_memory(m->f->job->err);
    uint32_t n = 0;
    for (uint32_t i = 0; i < operand->n; i++) {
        const parts *p = parts_of(m, operand->labels[i]);
        bool one = ej_extent_number(m->f->facts.shapes, shape->extents[i]) == 1;
        if (p && one) continue;
        if (p && shape->extents[i] != p->extent) return EINJIT_OK;
        for (int32_t k = 0; p && k < p->n; k++) {
            labels[n] = p->labels[k];
            extents[n++] = p->extents[k];
        }
        if (p) continue;
        labels[n] = operand->labels[i];
        extents[n++] = shape->extents[i];
    }
    ej_extent *said;
    EJ_TRY(say_extents(m, extents, n, &said));
    if (!said) return EINJIT_OK;
    *done = true;
    operand->n = n;
    operand->labels = labels;
    return add_reshape(m, operand->value, said, n, &operand->value);
}

/* All operands that wait, except `but`, and the output. */
static int divide_all(mover *m, ej_value but, bool *done)
{
    ej_fuse *f = m->f;
    *done = true;
    while (f->n_waiting && *done) {
        ej_fuse_operand operand = f->waiting[--f->n_waiting];
        if (operand.value != but) EJ_TRY(divide_operand(m, &operand, done));
        if (*done) EJ_TRY(ej_fuse_put(f, &operand));
    }
    return *done ? divide_term(m, &f->out) : EINJIT_OK;
}

static bool has_ellipsis(const ej_einsum_form *form)
{
    for (uint32_t t = 0; t < form->equation->n_terms; t++)
        if (ej_term_has(&form->equation->terms[t], EJ_ELLIPSIS)) return true;
    return false;
}

/* ---- one axis to several ---- */

/* The labels of the first einsum's output that the reshape splits. *done false: one of them stands for a new axis. */
static int divide_by_splits(mover *m, const ej_known_shape *from, const ej_known_shape *to)
{
    EJ_TRY(note_labels(m));
    for (uint32_t i = 0; i < m->groups.n; i++) {
        const ej_reshape_group *group = &m->groups.groups[i];
        if (group->n_from != 1 || group->n_to == 1) continue;
        int32_t *extents = EJ_JOB_ARRAY(m->f->job, int32_t, group->n_to);
        if (!extents) return ej_no_memory(m->f->job->err);
        uint32_t n = 0;
        for (uint32_t k = group->to; n < group->n_to; k++)
            if (m->groups.of_to[k] == (int32_t)i) extents[n++] = to->extents[k];
        EJ_TRY(divide_label(m, m->f->out.labels[group->from], from->extents[group->from], group->n_to, extents));
    }
    return EINJIT_OK;
}

static void swap_parts(mover *m)
{
    for (size_t l = 0; l < m->n_parts; l++) {
        parts *p = &m->parts[l];
        if (p->n < 2) continue;
        int32_t first = p->labels[0];
        p->labels[0] = p->labels[1];
        p->labels[1] = first;
    }
}

static int move_up(mover *m, ej_value x, bool *done)
{
    ej_fuse *f = m->f;
    const ej_node node = f->graph->nodes[m->v];
    EJ_TRY(ej_fuse_begin(f, x));
    EJ_TRY(divide_by_splits(m, shape_of(m, x), shape_of(m, m->v)));
    ej_term out = f->out;
    EJ_TRY(divide_all(m, -1, done));
    if (!*done) return EINJIT_OK;
    if (EJ_BROKEN(FUSE_SPLIT)) {
        swap_parts(m);
        f->out = out;
        EJ_TRY(divide_term(m, &f->out));
    }
    ej_value by;
    EJ_TRY(ej_fuse_build(f, &by));
    bool rest = m->groups.merges || m->groups.mixes || !m->groups.plain;
    if (rest) EJ_TRY(add_reshape(m, by, node.extents, node.n_extents, &by));
    ej_edit_replace(&f->edit, m->v, by, EJ_RULE_FUSE_SPLIT);
    return EINJIT_OK;
}

/* ---- several axes to one ---- */

/* The reshape without its merges: only axes of extent 1 are added and dropped. */
static int without_merges(mover *m, ej_value x, ej_value *out)
{
    const ej_known_shape *from = shape_of(m, x), *to = shape_of(m, m->v);
    *out = x;
    if (m->groups.plain) return EINJIT_OK;
    int32_t *extents = EJ_JOB_ARRAY(m->f->job, int32_t, (size_t)from->rank + (size_t)to->rank);
    if (!extents) return ej_no_memory(m->f->job->err);
    uint32_t n = 0;
    for (int32_t i = 0; i < to->rank; i++) {
        int32_t group = m->groups.of_to[i];
        if (group < 0) extents[n++] = to->extents[i];
        for (int32_t k = 0; group >= 0 && k < from->rank; k++)
            if (m->groups.of_from[k] == group) extents[n++] = from->extents[k];
    }
    ej_extent *said;
    EJ_TRY(say_extents(m, extents, n, &said));
    if (said) return add_reshape(m, x, said, n, out);
    *out = -1;
    return EINJIT_OK;
}

/* The labels under which the second einsum has merged axes. *done false: one of them is there twice. */
static int divide_by_merges(mover *m, ej_value x, const ej_fuse_operand *place, bool *done)
{
    const ej_known_shape *from = shape_of(m, x), *to = shape_of(m, m->v);
    EJ_TRY(note_labels(m));
    for (uint32_t i = 0; i < m->groups.n; i++) {
        const ej_reshape_group *group = &m->groups.groups[i];
        if (group->n_from == 1) continue;
        int32_t *extents = EJ_JOB_ARRAY(m->f->job, int32_t, group->n_from), label = place->labels[group->to];
        if (!extents) return ej_no_memory(m->f->job->err);
        uint32_t n = 0, times = 0;
        for (uint32_t k = group->from; n < group->n_from; k++)
            if (m->groups.of_from[k] == (int32_t)i) extents[n++] = from->extents[k];
        for (uint32_t k = 0; k < place->n; k++) times += place->labels[k] == label;
        *done = *done && times == 1;
        EJ_TRY(divide_label(m, label, to->extents[group->to], n, extents));
    }
    return EINJIT_OK;
}

static ej_fuse_operand *place_of(ej_fuse *f, ej_value v)
{
    size_t i = 0;
    while (f->waiting[i].value != v) i++;
    return &f->waiting[i];
}

/* The result as it was, if it has divided labels. *done false: its shape has no name. */
static int merge_result(mover *m, ej_value user, const ej_term *out, ej_value *by, bool *done)
{
    const ej_known_shape *shape = shape_of(m, user);
    ej_extent *said;
    if (divided_length(m, out->labels, out->n) == out->n) return EINJIT_OK;
    *done = shape->rank == (int32_t)out->n;
    if (!*done) return EINJIT_OK;
    EJ_TRY(say_extents(m, shape->extents, out->n, &said));
    *done = said != NULL;
    return *done ? add_reshape(m, *by, said, out->n, by) : EINJIT_OK;
}

static int move_down(mover *m, ej_value x, ej_value user, bool *done)
{
    ej_fuse *f = m->f;
    ej_value inner, by;
    EJ_TRY(ej_fuse_begin(f, user));
    *done = true;
    ej_fuse_operand *place = place_of(f, m->v);
    EJ_TRY(divide_by_merges(m, x, place, done));
    if (!*done) return EINJIT_OK;
    EJ_TRY(without_merges(m, x, &inner));
    *done = inner >= 0;
    if (!*done) return EINJIT_OK;
    ej_term labels = {place->n, place->labels}, out = f->out;
    EJ_TRY(divide_term(m, &labels));
    place->n = labels.n;
    place->labels = labels.labels;
    place->value = inner;
    if (EJ_BROKEN(FUSE_MERGE)) swap_parts(m);
    EJ_TRY(divide_all(m, inner, done));
    if (!*done) return EINJIT_OK;
    EJ_TRY(ej_fuse_build(f, &by));
    EJ_TRY(merge_result(m, user, &out, &by, done));
    if (*done) ej_edit_replace(&f->edit, user, by, EJ_RULE_FUSE_MERGE);
    return EINJIT_OK;
}

/* ---- which ---- */

/* users[v]: the one user of v; of what is used more often, any. */
static ej_value *list_users(const ej_fuse *f)
{
    ej_value *users = EJ_JOB_ARRAY(f->job, ej_value, f->edit.n_old);
    for (size_t v = 0; users && v < f->edit.n_old; v++) {
        users[v] = -1;
        const ej_node *node = &f->graph->nodes[v];
        for (uint32_t i = 0; i < node->n_in; i++) users[node->in[i]] = (ej_value)v;
    }
    return users;
}

static bool may_move(const ej_fuse *f, ej_value v, ej_value user)
{
    ej_value x = f->graph->nodes[v].in[0];
    if (user < 0 || f->uses[v] != 1 || f->uses[x] != 1 || f->gone[x] || f->gone[v] || f->gone[user]) return false;
    const ej_einsum_form *first = &f->forms[x], *second = &f->forms[user];
    if (!first->equation || !f->wanted[x] || first->needs || has_ellipsis(first)) return false;
    return second->equation && !second->twice && !second->needs && !has_ellipsis(second) &&
           ej_fuse_may_start(f, user, v) && ej_fuse_same_arithmetic(f, x, user);
}

static int move_one(ej_fuse *f, ej_value v, ej_value user)
{
    mover m = {.f = f, .v = v};
    ej_value x = f->graph->nodes[v].in[0];
    bool done = false;
    if (!may_move(f, v, user)) return EINJIT_OK;
    if (!ej_reshape_group_axes(&m.groups, f->graph, f->facts.shapes, v, f->job->arena))
        return ej_no_memory(f->job->err);
    if (!m.groups.known || m.groups.mixes) return EINJIT_OK;
    if (m.groups.splits) EJ_TRY(move_up(&m, x, &done));
    else if (m.groups.merges && f->graph->nodes[user].op != EJ_OP_PERMUTE &&
             f->graph->nodes[user].op != EJ_OP_TRANSPOSE)
        EJ_TRY(move_down(&m, x, user, &done));
    if (!done) return EINJIT_OK;
    f->gone[x] = f->gone[v] = f->gone[user] = true;
    return EINJIT_OK;
}

/* ---- reshapes of reshapes ---- */

/* base[v]: what v is a reshape of a reshape ... of. */
static int join_reshapes(ej_fuse *f, ej_value *base)
{
    for (size_t v = 0; v < f->edit.n_old; v++) {
        const ej_node node = f->graph->nodes[v];
        EJ_TRY(ej_edit_ask(&f->edit));
        base[v] = (ej_value)v;
        if (node.op == EJ_OP_PERMUTE && EJ_BROKEN(FUSE_RESHAPES)) base[v] = base[node.in[0]];
        if (node.op != EJ_OP_RESHAPE) continue;
        base[v] = base[node.in[0]];
        if (base[v] == node.in[0]) continue;
        mover m = {.f = f};
        ej_value by = base[v];
        if (!ej_known_same_shape(shape_of(&m, base[v]), shape_of(&m, (ej_value)v)))
            EJ_TRY(add_reshape(&m, base[v], node.extents, node.n_extents, &by));
        ej_edit_replace(&f->edit, (ej_value)v, by, EJ_RULE_FUSE_RESHAPES);
        f->gone[v] = f->gone[node.in[0]] = true;
    }
    return EINJIT_OK;
}

int ej_fuse_move_reshapes(ej_fuse *f)
{
    ej_value *users = list_users(f), *base = EJ_JOB_ARRAY(f->job, ej_value, f->edit.n_old);
    if (!users || !base) return ej_no_memory(f->job->err);
    EJ_TRY(join_reshapes(f, base));
    for (size_t v = 0; v < f->edit.n_old; v++)
        if (f->graph->nodes[v].op == EJ_OP_RESHAPE) EJ_TRY(move_one(f, (ej_value)v, users[v]));
    return EINJIT_OK;
}
