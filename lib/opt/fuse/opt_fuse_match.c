/* opt_fuse_match.c - the labels of an einsum that is written into the place of an operand.
 *
 * Takes  an operand E(...) of the merged einsum, with the labels that it has there.
 * Gives  the operands of E with labels of the merged einsum: E's output labels become those of the place, the labels
 *        that E sums become new ones.
 *
 * Broadcasting. An output label of E that has extent 1 there may meet extent n in the merged einsum: then all of E's
 * axes under it are 1, and broadcast now as the value did before. A summed label keeps its extent, because it is new.
 * An axis that E only adds, of extent 1, is left out: whatever else has the label decides.
 *
 * Expand. An extent that E's operands may lack has to come from another operand of the merged einsum that is known to
 * have it: that one is the label's witness. Whatever is taken in has the extents of its operands, so that some operand
 * goes on to have it; but it is not known which, so the label has no witness then until one is found again.
 *
 * Diagonals. Where the place has one label twice ("ii"), two labels of E become one. In different operands of E that is
 * right: a value that has a diagonal has equal extents there, and each operand's axis is that extent or 1. In one
 * operand it makes a diagonal, which asks for equal extents of that operand: that is sure only when no other operand
 * has these labels, and could have broadcast them.
 *
 * Ellipsis. What it stands for is not known here, so it is
 *   kept, where E's output and the place have it at the same labels: all axes are aligned at the right before and
 *   after; named, where all its axes are axes of E's output that E names, or labels of the place name the axes of the
 *   only operand of E that has an ellipsis; new in the merged einsum, where E sums it, and nothing there has an
 *   ellipsis.
 * Everything else stays as it is.
 */
#include <string.h>

#include "opt_fuse.h"
#include "opt_scalar.h"

/* How E's output lies in the labels of its place. */
typedef struct fit {
    const ej_einsum_form *form;
    const ej_equation *inner;
    uint32_t n_inner_ellipses; /* terms of E that have one */
    bool out_ellipsis;         /* E's output has one that stands for something */
    uint32_t before, after;    /* named labels of E's output in front of and behind it (no ellipsis: all in front) */
    uint32_t place_ellipsis;   /* position in the place; n when there is none */
    uint32_t n_named;          /* axes of E's output that the place's ellipsis stands for: they get new labels */
    uint32_t left, right;      /* labels of the place for axes of E's ellipsis, around what remains of it */
    bool keep_ellipsis;        /* E's terms keep theirs */
} fit;

static uint32_t ellipsis_at(const int32_t *labels, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && labels[i] != EJ_ELLIPSIS) i++;
    return i;
}

int ej_fuse_new_label(ej_fuse *f, uint32_t symbol, int32_t *out)
{
    if (!EJ_PUSH_ROOM(f->job->arena, f->labels, f->cap_labels, f->n_labels) ||
        !EJ_PUSH_ROOM(f->job->arena, f->seen, f->cap_seen, f->n_labels))
        return ej_no_memory(f->job->err);
    f->labels[f->n_labels] = (ej_fuse_label){symbol, -1, -1};
    f->seen[f->n_labels] = 0;
    *out = (int32_t)f->n_labels++;
    return EINJIT_OK;
}

/* A label of a form: it keeps its letter, if it has one. */
static int new_label(ej_fuse *f, const ej_einsum_form *form, int32_t label, int32_t *out)
{
    bool named = (uint32_t)label < form->n_symbols;
    return ej_fuse_new_label(f, named ? form->equation->symbols[label] : EJ_FUSE_NO_SYMBOL, out);
}

/* ---- extents that are sure ---- */

static void bear_witness(ej_fuse *f, const ej_fuse_operand *operand)
{
    const ej_known_shape *shape = &f->facts.shapes->of[operand->value];
    if (operand->ellipsis || shape->rank != (int32_t)operand->n) return;
    for (uint32_t i = 0; i < operand->n; i++) {
        ej_fuse_label *label = &f->labels[operand->labels[i]];
        if (label->extent < 0 || ej_extent_number(f->facts.shapes, label->extent) == 1)
            *label = (ej_fuse_label){label->symbol, shape->extents[i], operand->value};
    }
}

static void withdraw_witness(ej_fuse *f, const ej_fuse_operand *operand)
{
    for (uint32_t i = 0; i < operand->n; i++) {
        if (operand->labels[i] == EJ_ELLIPSIS) continue;
        ej_fuse_label *label = &f->labels[operand->labels[i]];
        if (label->witness == operand->value) label->extent = label->witness = -1;
    }
}

int ej_fuse_put(ej_fuse *f, const ej_fuse_operand *operand)
{
    if (!EJ_PUSH_ROOM(f->job->arena, f->done, f->cap_done, f->n_done)) return ej_no_memory(f->job->err);
    f->done[f->n_done++] = *operand;
    return EINJIT_OK;
}

int ej_fuse_keep(ej_fuse *f, const ej_fuse_operand *operand)
{
    bear_witness(f, operand); /* also what was not sure to stay */
    return ej_fuse_put(f, operand);
}

static int push(ej_fuse *f, const ej_fuse_operand *operand)
{
    if (!EJ_PUSH_ROOM(f->job->arena, f->waiting, f->cap_waiting, f->n_waiting)) return ej_no_memory(f->job->err);
    f->waiting[f->n_waiting++] = *operand;
    f->n_ellipses += operand->ellipsis;
    if (!f->forms[operand->value].needs) bear_witness(f, operand);
    return EINJIT_OK;
}

static void note_kind(ej_fuse *f, const ej_einsum_form *form)
{
    if (!form->n_symbols) return;
    if (form->equation->integer_labels) f->integers = true;
    else f->text = true;
}

/* Cut out the ellipsis of a term that is not shared. */
static void drop_ellipsis(uint32_t *n, int32_t *labels)
{
    uint32_t at = ellipsis_at(labels, *n);
    if (at == *n) return;
    memmove(labels + at, labels + at + 1, (*n - at - 1) * sizeof *labels);
    --*n;
}

static void settle_output(ej_fuse *f)
{
    if (!f->n_ellipses) drop_ellipsis(&f->out.n, f->out.labels); /* stands for nothing */
}

static int32_t *copy_labels(ej_fuse *f, const ej_term *term)
{
    int32_t *labels = EJ_JOB_ARRAY(f->job, int32_t, term->n);
    if (labels && term->n) memcpy(labels, term->labels, term->n * sizeof *labels);
    return labels;
}

/* ---- numbers ---- */

/* Of v's own operands: see opt_scalar_factor.c. */
static double spread_of(const ej_fuse *f, ej_value v)
{
    const ej_einsum_form *form = &f->forms[v];
    double spread = 1;
    for (uint32_t i = 0; i < form->n_in; i++) {
        ej_factor number;
        if (!ej_scalar_number(&f->graph->nodes[form->in[i]], &number)) continue;
        spread *= ej_factor_distance(number.re, number.im);
    }
    return spread;
}

static bool stays_in_bounds(const ej_fuse *f, double spread)
{
    int dtype = f->facts.dtypes[f->root].dtype;
    if (spread == 1 || (dtype >= 0 && ej_dtypes[dtype].kind < EJ_KIND_FLOAT)) return true;
    return f->spread * spread <= ej_factor_room(dtype, f->graph->drift);
}

int ej_fuse_begin(ej_fuse *f, ej_value root)
{
    const ej_einsum_form *form = &f->forms[root];
    const ej_equation *equation = form->equation;
    f->root = root;
    f->n_waiting = f->n_done = f->n_ellipses = f->n_labels = f->n_merged = 0;
    f->text = f->integers = false;
    f->spread = spread_of(f, root);
    note_kind(f, form);
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        int32_t id;
        EJ_TRY(new_label(f, form, (int32_t)l, &id));
    }
    for (uint32_t t = equation->n_terms; t-- > 0;) {
        const ej_term *term = &equation->terms[t];
        ej_fuse_operand operand = {form->in[t], term->n, copy_labels(f, term), ej_term_has(term, EJ_ELLIPSIS),
                                   form->twice};
        if (!operand.labels) return ej_no_memory(f->job->err);
        EJ_TRY(push(f, &operand));
    }
    f->out = (ej_term){equation->out.n, copy_labels(f, &equation->out)};
    if (!f->out.labels) return ej_no_memory(f->job->err);
    settle_output(f);
    return EINJIT_OK;
}

/* ---- does it fit ---- */

static fit look_at(const ej_einsum_form *form, const ej_fuse_operand *place)
{
    const ej_equation *inner = form->equation;
    fit m = {.form = form, .inner = inner};
    for (uint32_t t = 0; t < inner->n_terms; t++) m.n_inner_ellipses += ej_term_has(&inner->terms[t], EJ_ELLIPSIS);
    uint32_t at = ellipsis_at(inner->out.labels, inner->out.n);
    m.out_ellipsis = at < inner->out.n && m.n_inner_ellipses;
    m.before = m.out_ellipsis ? at : inner->out.n - (at < inner->out.n);
    m.after = m.out_ellipsis ? inner->out.n - at - 1 : 0;
    m.place_ellipsis = ellipsis_at(place->labels, place->n);
    return m;
}

/* E's output has no ellipsis: its rank is known. */
static bool fit_known_rank(const ej_fuse *f, const ej_fuse_operand *place, fit *m)
{
    uint32_t named = place->n - place->ellipsis;
    size_t others = f->n_ellipses - place->ellipsis;
    if (m->before < named || (m->before > named && !place->ellipsis)) return false; /* bind reports it */
    m->n_named = m->before - named;
    if (m->n_named && others) return false; /* aligned with axes that are not known */
    return !m->n_inner_ellipses || !others; /* E sums its ellipsis: the merged einsum must not have another one */
}

static bool fit_ellipsis(const ej_fuse_operand *place, fit *m)
{
    uint32_t n = place->n;
    if (place->ellipsis) {
        uint32_t before = m->place_ellipsis, after = n - before - 1;
        if (before < m->before || after < m->after) return false; /* axes that E names vanish in the ellipsis */
        m->left = before - m->before;
        m->right = after - m->after;
        m->keep_ellipsis = true;
    } else {
        if (n < m->before + m->after) return false;
        m->left = n - m->before - m->after;
    }
    return !(m->left + m->right) || m->n_inner_ellipses == 1;
}

/* Label number i of E's output (ellipsis left out) in the place. */
static uint32_t position(const fit *m, const ej_fuse_operand *place, uint32_t i)
{
    return i < m->before ? i : place->n - m->after + (i - m->before);
}

static bool place_has_repeats(ej_fuse *f, const ej_fuse_operand *place)
{
    bool repeats = false;
    for (uint32_t i = 0; i < place->n; i++) {
        int32_t label = place->labels[i];
        if (label == EJ_ELLIPSIS) continue;
        repeats |= f->seen[label] != 0;
        f->seen[label] = 1;
    }
    for (uint32_t i = 0; i < place->n; i++)
        if (place->labels[i] != EJ_ELLIPSIS) f->seen[place->labels[i]] = 0;
    return repeats;
}

/* found[l]: how many terms of E have label l. */
static void count_terms(ej_fuse *f, const ej_equation *inner)
{
    int32_t *last = f->image; /* not in use yet */
    for (uint32_t l = 0; l < inner->n_labels; l++) {
        f->found[l] = 0;
        last[l] = -1;
    }
    for (uint32_t t = 0; t < inner->n_terms; t++)
        for (uint32_t i = 0; i < inner->terms[t].n; i++) {
            int32_t l = inner->terms[t].labels[i];
            if (l == EJ_ELLIPSIS || last[l] == (int32_t)t) continue;
            last[l] = (int32_t)t;
            f->found[l]++;
        }
}

static void set_image(ej_fuse *f, const fit *m, const ej_fuse_operand *place)
{
    uint32_t n = 0;
    for (uint32_t l = 0; l < m->inner->n_labels; l++) f->image[l] = -1;
    for (uint32_t i = 0; i < m->inner->out.n; i++)
        if (m->inner->out.labels[i] != EJ_ELLIPSIS)
            f->image[m->inner->out.labels[i]] = place->labels[position(m, place, n++)];
}

/* Axes of a pointwise product have no letters of their own: they take those that E writes for them. */
static void take_letters(ej_fuse *f, const ej_einsum_form *form)
{
    for (uint32_t l = 0; l < form->n_symbols; l++) {
        int32_t image = f->image[l];
        if (image >= 0 && f->labels[image].symbol == EJ_FUSE_NO_SYMBOL)
            f->labels[image].symbol = form->equation->symbols[l];
    }
}

/* Two labels of E that become one in this term are in no other. */
static bool diagonal_is_safe(ej_fuse *f, const ej_term *term)
{
    bool safe = true;
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t l = term->labels[i];
        if (l == EJ_ELLIPSIS || f->image[l] < 0) continue;
        int32_t *first = &f->seen[f->image[l]];
        if (*first && *first != l + 1) safe = safe && f->found[l] == 1 && f->found[*first - 1] == 1;
        else *first = l + 1;
    }
    for (uint32_t i = 0; i < term->n; i++)
        if (term->labels[i] != EJ_ELLIPSIS && f->image[term->labels[i]] >= 0) f->seen[f->image[term->labels[i]]] = 0;
    return safe;
}

static bool diagonals_are_safe(ej_fuse *f, const fit *m, const ej_fuse_operand *place)
{
    if (!place_has_repeats(f, place)) return true;
    if (m->out_ellipsis || place->ellipsis || m->form->needs) return false;
    count_terms(f, m->inner);
    set_image(f, m, place);
    for (uint32_t t = 0; t < m->inner->n_terms; t++)
        if (!diagonal_is_safe(f, &m->inner->terms[t])) return false;
    return true;
}

static bool extents_are_there(const ej_fuse *f, const fit *m, const ej_fuse_operand *place)
{
    const int32_t *needs = m->form->needs;
    if (!needs || EJ_BROKEN(FUSE_EXPAND)) return true;
    if (place->ellipsis) return false;
    for (uint32_t i = 0; i < place->n; i++)
        if (needs[i] >= 0 && f->labels[place->labels[i]].extent != needs[i]) return false;
    return true;
}

/* ---- writing it in ---- */

/* labels with `n_new` labels in place of the ellipsis. */
static int replace_ellipsis(ej_fuse *f, uint32_t *n, int32_t **labels, uint32_t n_new, const int32_t *new_labels)
{
    uint32_t at = ellipsis_at(*labels, *n);
    if (at == *n) return EINJIT_OK;
    int32_t *wide = EJ_JOB_ARRAY(f->job, int32_t, (size_t)*n + n_new);
    if (!wide) return ej_no_memory(f->job->err);
    memcpy(wide, *labels, at * sizeof *wide);
    if (n_new) memcpy(wide + at, new_labels, n_new * sizeof *wide);
    memcpy(wide + at + n_new, *labels + at + 1, (*n - at - 1) * sizeof *wide);
    *n += n_new - 1;
    *labels = wide;
    return EINJIT_OK;
}

/* The place's ellipsis stands for axes that E names: give them labels, also in the output. */
static int name_ellipsis(ej_fuse *f, const fit *m, ej_fuse_operand *place)
{
    int32_t *fresh = EJ_JOB_ARRAY(f->job, int32_t, m->n_named);
    if (!fresh) return ej_no_memory(f->job->err);
    uint32_t skip = m->place_ellipsis;
    for (uint32_t i = 0, n = 0; i < m->inner->out.n; i++) {
        int32_t label = m->inner->out.labels[i];
        if (label == EJ_ELLIPSIS) continue;
        if (n >= skip && n - skip < m->n_named) EJ_TRY(new_label(f, m->form, label, &fresh[n - skip]));
        n++;
    }
    EJ_TRY(replace_ellipsis(f, &place->n, &place->labels, m->n_named, fresh));
    if (m->n_named) EJ_TRY(replace_ellipsis(f, &f->out.n, &f->out.labels, m->n_named, fresh));
    place->ellipsis = false;
    return EINJIT_OK;
}

static int write_term(ej_fuse *f, const fit *m, const ej_fuse_operand *place, uint32_t t)
{
    const ej_term *term = &m->inner->terms[t];
    ej_fuse_operand operand = {.value = m->form->in[t], .stays = m->form->twice};
    operand.labels = EJ_JOB_ARRAY(f->job, int32_t, (size_t)term->n + m->left + m->right);
    if (!operand.labels) return ej_no_memory(f->job->err);
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t l = term->labels[i];
        if (l == EJ_ELLIPSIS) { /* without ellipsis in the place `left` has all labels, and keep_ellipsis is false */
            for (uint32_t k = 0; k < m->left; k++) operand.labels[operand.n++] = place->labels[m->before + k];
            operand.ellipsis = m->keep_ellipsis;
            if (m->keep_ellipsis) operand.labels[operand.n++] = EJ_ELLIPSIS;
            for (uint32_t k = 0; k < m->right; k++)
                operand.labels[operand.n++] = place->labels[m->place_ellipsis + 1 + k];
            continue;
        }
        if (f->image[l] < 0 && EJ_BROKEN(FUSE_SUMMED) && place->n && place->labels[0] != EJ_ELLIPSIS)
            f->image[l] = place->labels[0];
        if (f->image[l] < 0) EJ_TRY(new_label(f, m->form, l, &f->image[l]));
        operand.labels[operand.n++] = f->image[l];
    }
    return push(f, &operand);
}

static int write_in(ej_fuse *f, fit *m, ej_fuse_operand *place)
{
    if (!EJ_PUSH_ROOM(f->job->arena, f->merged, f->cap_merged, f->n_merged)) return ej_no_memory(f->job->err);
    f->n_ellipses -= place->ellipsis;
    withdraw_witness(f, place);
    if (!m->out_ellipsis) {
        if (place->ellipsis) EJ_TRY(name_ellipsis(f, m, place));
        m->keep_ellipsis = m->n_inner_ellipses > 0; /* summed: in no output */
        settle_output(f);
    }
    set_image(f, m, place);
    take_letters(f, m->form);
    for (uint32_t t = m->inner->n_terms; t-- > 0;) EJ_TRY(write_term(f, m, place, t));
    settle_output(f);
    note_kind(f, m->form);
    f->gone[place->value] = true;
    f->merged[f->n_merged++] = place->value;
    return EINJIT_OK;
}

static bool make_room(ej_fuse *f, uint32_t n_labels)
{
    if (n_labels <= f->cap_inner) return true;
    f->cap_inner = (size_t)n_labels * 2;
    f->image = EJ_JOB_ARRAY(f->job, int32_t, f->cap_inner);
    f->found = EJ_JOB_ARRAY(f->job, uint32_t, f->cap_inner);
    if (!f->image || !f->found) f->cap_inner = 0;
    return f->cap_inner > 0;
}

static int try_form(ej_fuse *f, const ej_einsum_form *form, ej_fuse_operand *operand, bool *taken)
{
    fit m = look_at(form, operand);
    *taken = false;
    if (f->n_labels + m.inner->n_labels > EJ_MAX_LABELS / 2) return EINJIT_OK;
    if (!make_room(f, m.inner->n_labels)) return ej_no_memory(f->job->err);
    if (!(m.out_ellipsis ? fit_ellipsis(operand, &m) : fit_known_rank(f, operand, &m))) return EINJIT_OK;
    if (!extents_are_there(f, &m, operand) || !diagonals_are_safe(f, &m, operand)) return EINJIT_OK;
    *taken = true;
    return write_in(f, &m, operand);
}

/* Where the place has an ellipsis, an einsum's own may fit it better than the axes that it stands for. */
int ej_fuse_take_in(ej_fuse *f, ej_fuse_operand *operand, bool *taken)
{
    const ej_node *node = &f->graph->nodes[operand->value];
    ej_einsum_form form = f->forms[operand->value];
    double spread = spread_of(f, operand->value);
    *taken = false;
    if (!stays_in_bounds(f, spread)) return EINJIT_OK;
    if (operand->ellipsis && node->equation && node->equation != form.equation) {
        form.equation = node->equation;
        EJ_TRY(try_form(f, &form, operand, taken));
    }
    if (!*taken) EJ_TRY(try_form(f, &f->forms[operand->value], operand, taken));
    if (*taken) f->spread *= spread;
    return EINJIT_OK;
}
