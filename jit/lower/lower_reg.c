/* lower_reg.c - REG buffers: which values hold their elements.
 *
 * Takes  element numbers per lane.
 * Gives  the vector that was stored under the same lane map, as it is; under another one, shuffles of what there is.
 * Keeps  a row per stored vector and a place per element: storing moves the elements' places, the old row loses them.
 * Not here: rows where control flow meets (lower_join.c).
 */
#include "lower_nest.h"

#include <string.h>

enum { EJ_REG_ELEMS_MAX = 1 << 16 };

bool ej_regs_init(ej_lower *w)
{
    w->regs.where = EJ_LOWER_NEW(w, ej_reg_place *, w->nest->n_buffers);
    w->regs.n_where = EJ_LOWER_NEW(w, size_t, w->nest->n_buffers);
    return w->status == EINJIT_OK;
}

bool ej_regs_copy(ej_lower *w, ej_regs *out, const ej_regs *from)
{
    size_t n_buffers = (size_t)w->nest->n_buffers;
    memset(out, 0, sizeof *out);
    out->n = out->cap = from->n;
    out->items = EJ_LOWER_NEW(w, ej_reg, from->n);
    out->where = EJ_LOWER_NEW(w, ej_reg_place *, n_buffers);
    out->n_where = EJ_LOWER_NEW(w, size_t, n_buffers);
    if (w->status != EINJIT_OK) return false;
    if (from->n) memcpy(out->items, from->items, from->n * sizeof *out->items);
    for (size_t b = 0; b < n_buffers; b++) {
        size_t n = from->n_where[b];
        if (!n) continue;
        out->where[b] = EJ_LOWER_NEW(w, ej_reg_place, n);
        if (!out->where[b]) return false;
        memcpy(out->where[b], from->where[b], n * sizeof **out->where);
        out->n_where[b] = n;
    }
    return true;
}

const ej_reg_place *ej_reg_place_of(const ej_regs *regs, int32_t buffer, int32_t elem)
{
    if (elem < 0 || (size_t)elem >= regs->n_where[buffer]) return NULL;
    const ej_reg_place *place = &regs->where[buffer][elem];
    return place->reg ? place : NULL;
}

/* The row stored under this lane map; -1: there is none. Lanes that are not asked for may hold anything. */
static int32_t find_row(const ej_regs *regs, int32_t buffer, int32_t lanes, const int32_t *elems)
{
    int32_t first = 0;
    while (first < lanes && elems[first] < 0) first++;
    if (first == lanes) return -1;
    const ej_reg_place *place = ej_reg_place_of(regs, buffer, elems[first]);
    if (!place || regs->items[place->reg - 1].lanes != lanes) return -1;
    const int32_t *held = regs->items[place->reg - 1].elems;
    for (int32_t l = 0; l < lanes; l++)
        if (elems[l] >= 0 && elems[l] != held[l]) return -1;
    return place->reg - 1;
}

/* ---- reading ---- */

static LLVMValueRef widen(ej_lower *w, LLVMValueRef v, int32_t from, int32_t to)
{
    int32_t mask[EJ_LANES_MAX];
    for (int32_t l = 0; l < to; l++) mask[l] = l < from ? l : -1;
    return from == to ? v : ej_shuffle(w, v, NULL, mask, to, "");
}

/* Lanes out of several rows. */
static LLVMValueRef gather_part(ej_lower *w, const ej_regs *regs, int dtype, bool imaginary, int32_t buffer,
                                int32_t lanes, const int32_t *elems)
{
    LLVMValueRef from[EJ_LANES_MAX];
    int32_t rows[EJ_LANES_MAX], vec[EJ_LANES_MAX], lane[EJ_LANES_MAX], n = 0, widest = 1;
    const char *name = w->nest->buffers[buffer].name ? w->nest->buffers[buffer].name : "";
    for (int32_t l = 0; l < lanes; l++) {
        const ej_reg_place *place = ej_reg_place_of(regs, buffer, elems[l]);
        vec[l] = -1;
        lane[l] = 0;
        if (!place) continue;
        int32_t k = 0;
        while (k < n && rows[k] != place->reg - 1) k++;
        if (k == n) rows[n++] = place->reg - 1;
        vec[l] = k;
        lane[l] = place->lane;
        if (regs->items[place->reg - 1].lanes > widest) widest = regs->items[place->reg - 1].lanes;
    }
    if (!n) return LLVMGetPoison(ej_type_vec(w->e, dtype, lanes));
    if (lanes == 1) {
        const ej_reg *row = &regs->items[rows[0]];
        return ej_extract(w, imaginary ? row->value.im : row->value.re, lane[0]);
    }
    for (int32_t k = 0; k < n; k++) {
        const ej_reg *row = &regs->items[rows[k]];
        from[k] = widen(w, imaginary ? row->value.im : row->value.re, row->lanes, widest);
    }
    return ej_shuffle_pick(w, from, n, widest, vec, lane, lanes, name);
}

ej_vec ej_reg_read(ej_lower *w, const ej_regs *regs, int32_t buffer, int32_t lanes, const int32_t *elems)
{
    int32_t row = find_row(regs, buffer, lanes, elems);
    if (row < 0 && regs == &w->regs && lanes > 2 && ej_reg_permute(w, buffer, lanes, elems))
        row = find_row(regs, buffer, lanes, elems);
    if (row >= 0) return regs->items[row].value;
    int dtype = w->nest->buffers[buffer].dtype;
    ej_vec v = {gather_part(w, regs, dtype, false, buffer, lanes, elems), NULL};
    if (ej_dtype_is_complex(dtype)) v.im = gather_part(w, regs, dtype, true, buffer, lanes, elems);
    return v;
}

/* ---- writing ---- */

static bool room_for(ej_lower *w, int32_t buffer, int32_t elem)
{
    ej_regs *regs = &w->regs;
    if ((size_t)elem < regs->n_where[buffer]) return true;
    if (elem >= EJ_REG_ELEMS_MAX) {
        ej_lower_fail(w, EINJIT_E_LIMIT, "nest '%s': element %d of a register buffer", w->nest->name, (int)elem);
        return false;
    }
    size_t n = regs->n_where[buffer] < 16 ? 16 : regs->n_where[buffer] * 2;
    while (n <= (size_t)elem) n *= 2;
    ej_reg_place *grown = EJ_LOWER_NEW(w, ej_reg_place, n);
    if (!grown) return false;
    if (regs->n_where[buffer]) memcpy(grown, regs->where[buffer], regs->n_where[buffer] * sizeof *grown);
    regs->where[buffer] = grown;
    regs->n_where[buffer] = n;
    return true;
}

/* The row loses an element to another one. */
static void take_from(ej_lower *w, ej_reg *row, int32_t lane)
{
    int32_t *left = EJ_LOWER_NEW(w, int32_t, row->lanes);
    bool any = false;
    if (!left) return;
    for (int32_t l = 0; l < row->lanes; l++) {
        left[l] = l == lane ? -1 : row->elems[l];
        any = any || left[l] >= 0;
    }
    row->elems = left;
    if (!any) row->value = (ej_vec){NULL, NULL};
}

static ej_reg *new_row(ej_lower *w, int32_t buffer, int32_t lanes)
{
    ej_regs *regs = &w->regs;
    while (regs->n && !regs->items[regs->n - 1].value.re) regs->n--;
    if (!EJ_PUSH_ROOM(w->arena, regs->items, regs->cap, regs->n)) {
        if (w->status == EINJIT_OK) w->status = ej_no_memory(w->e->job->err);
        return NULL;
    }
    ej_reg *row = &regs->items[regs->n];
    *row = (ej_reg){.buffer = buffer, .lanes = lanes, .elems = EJ_LOWER_NEW(w, int32_t, lanes)};
    if (!row->elems) return NULL;
    regs->n++;
    return row;
}

/* For those who read the IR: values of the program that are never in memory. */
static void name_value(const ej_lower *w, int32_t buffer, LLVMValueRef value)
{
    const char *name = w->nest->buffers[buffer].name;
    if (name && value && LLVMIsAInstruction(value)) LLVMSetValueName2(value, name, strlen(name));
}

void ej_reg_write(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems, ej_vec value)
{
    ej_regs *regs = &w->regs;
    name_value(w, buffer, value.re);
    name_value(w, buffer, value.im);
    int32_t found = find_row(regs, buffer, lanes, elems);
    if (found >= 0) {
        /* Lanes of the row that are not stored now would lose what they hold. */
        bool whole = true;
        for (int32_t l = 0; l < lanes; l++) whole = whole && (elems[l] >= 0 || regs->items[found].elems[l] < 0);
        if (whole) {
            regs->items[found].value = value;
            return;
        }
    }
    for (int32_t l = 0; l < lanes; l++) {
        if (elems[l] < 0) continue;
        if (!room_for(w, buffer, elems[l])) return;
        const ej_reg_place *old = ej_reg_place_of(regs, buffer, elems[l]);
        if (old) take_from(w, &regs->items[old->reg - 1], old->lane);
        regs->where[buffer][elems[l]].reg = 0;
    }
    ej_reg *row = new_row(w, buffer, lanes);
    if (!row) return;
    memcpy(row->elems, elems, (size_t)lanes * sizeof *elems);
    row->value = value;
    for (int32_t l = 0; l < lanes; l++)
        if (elems[l] >= 0) regs->where[buffer][elems[l]] = (ej_reg_place){(int32_t)regs->n, l};
}

void ej_regs_drop(ej_lower *w, int32_t buffer)
{
    ej_regs *regs = &w->regs;
    if (!regs->n_where[buffer]) return;
    for (size_t i = 0; i < regs->n; i++)
        if (regs->items[i].buffer == buffer) regs->items[i].value = (ej_vec){NULL, NULL};
    regs->where[buffer] = NULL;
    regs->n_where[buffer] = 0;
}
