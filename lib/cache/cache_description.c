/* cache_description.c - what is known of a kernel beside its code, as bytes and back.
 *
 * Takes  a kernel that ej_kernel_describe has filled in; or bytes.
 * Gives  bytes; or the same kernel, without code.
 * Keeps  one description of the format for both directions: each field goes through `word` or `text`, which write it,
 *        or give what was read in its place. So they cannot come apart.
 *
 * The bytes come from a file whose checksum was right; they are read as if they were not: counts are held against what
 * is left, numbers of atoms and expressions against their tables.
 */
#include <string.h>

#include "cache.h"

typedef struct pump {
    ej_text *to; /* NULL: reading */
    const char *from;
    size_t left;
    ej_arena *arena; /* reading: of the kernel */
    bool failed, no_memory;
    size_t n_atoms, n_exprs; /* numbers below them are all that there are */
} pump;

static int64_t word(pump *p, int64_t value)
{
    if (p->to) {
        ej_print_bytes(p->to, (const char *)&value, sizeof value);
        return value;
    }
    p->failed |= p->left < sizeof value;
    if (p->failed) return 0;
    memcpy(&value, p->from, sizeof value);
    p->from += sizeof value;
    p->left -= sizeof value;
    return value;
}

static int64_t word_below(pump *p, int64_t value, int64_t least, int64_t limit)
{
    value = word(p, value);
    if (value >= least && value < limit) return value;
    p->failed = true;
    return least;
}

/* Elements of an array that follows; each takes at least one word. */
static size_t count(pump *p, size_t n)
{
    int64_t value = word(p, (int64_t)n);
    if (value >= 0 && (p->to || (uint64_t)value <= p->left / sizeof value)) return (size_t)value;
    p->failed = true;
    return 0;
}

static void *room(pump *p, void *old, size_t n, size_t size)
{
    if (p->to) return old;
    void *made = ej_arena_new(p->arena, n, size);
    if (!made) p->failed = p->no_memory = true;
    return made;
}

static const char *text(pump *p, const char *value)
{
    int64_t length = word(p, value ? (int64_t)strlen(value) : -1);
    if (p->to) {
        if (value) ej_print_bytes(p->to, value, (size_t)length);
        return value;
    }
    if (p->failed || length < 0) return NULL;
    if ((uint64_t)length > p->left) {
        p->failed = true;
        return NULL;
    }
    const char *copy = ej_arena_copy_text(p->arena, p->from, (size_t)length);
    if (!copy) p->failed = p->no_memory = true;
    p->from += length;
    p->left -= (size_t)length;
    return copy;
}

/* A text that is always there. */
static const char *name(pump *p, const char *value)
{
    const char *out = text(p, value);
    p->failed |= !out;
    return out;
}

static ej_size size(pump *p, ej_size value)
{
    value.n = word(p, value.n);
    value.e = (int32_t)word_below(p, value.e, 0, (int64_t)p->n_exprs + 1);
    return value;
}

/* ---- the parts ---- */

static void polynomial(pump *p, ej_polynomial *out)
{
    out->n_terms = (int32_t)word_below(p, out->n_terms, 0, EJ_POLYNOMIAL_TERMS + 1);
    out->terms = room(p, out->terms, (size_t)out->n_terms, sizeof *out->terms);
    for (int32_t t = 0; t < out->n_terms && !p->failed; t++) {
        ej_monomial *m = &out->terms[t];
        m->coefficient = word(p, m->coefficient);
        m->n_atoms = (int32_t)word_below(p, m->n_atoms, 0, EJ_MONOMIAL_DEGREE + 1);
        for (int32_t i = 0; i < m->n_atoms; i++)
            m->atoms[i] = (int32_t)word_below(p, m->atoms[i], 0, (int64_t)p->n_atoms);
    }
}

static void atom(pump *p, ej_atom *a, bool symbol)
{
    a->kind = (uint8_t)word_below(p, a->kind, symbol ? EJ_ATOM_SYMBOL : EJ_ATOM_MIN,
                                  symbol ? EJ_ATOM_MIN : EJ_ATOM_ALIGN + 1);
    a->name = symbol ? name(p, a->name) : NULL;
    if (!symbol) {
        a->a = size(p, a->a);
        a->b = size(p, a->b);
    }
    a->n = word(p, a->n);
    a->nonnegative = word(p, a->nonnegative);
}

static void sizes(pump *p, ej_sizes *s)
{
    s->n_symbols = (size_t)word_below(p, (int64_t)s->n_symbols, 0, EJ_OPEN_MAX + 1);
    p->n_atoms = s->n_atoms = count(p, s->n_atoms);
    p->n_exprs = s->n_exprs = count(p, s->n_exprs);
    p->failed |= s->n_symbols > s->n_atoms;
    s->atoms = room(p, s->atoms, s->n_atoms, sizeof *s->atoms);
    s->exprs = room(p, s->exprs, s->n_exprs, sizeof *s->exprs);
    for (size_t i = 0; i < s->n_atoms && !p->failed; i++) atom(p, &s->atoms[i], i < s->n_symbols);
    for (size_t i = 0; i < s->n_exprs && !p->failed; i++) polynomial(p, &s->exprs[i]);
    if (p->to) return;
    s->arena = p->arena;
    s->cap_atoms = s->n_atoms;
    s->cap_exprs = s->n_exprs;
}

static ej_bound_tensor *tensors(pump *p, ej_bound_tensor *old, size_t n)
{
    ej_bound_tensor *out = room(p, old, n, sizeof *out);
    for (size_t i = 0; i < n && !p->failed; i++) {
        ej_bound_tensor *t = &out[i];
        t->dtype = (int16_t)word_below(p, t->dtype, 0, EINJIT_DTYPE_COUNT);
        t->row_major = word(p, t->row_major);
        size_t rank = count(p, (size_t)t->rank);
        t->rank = (int32_t)rank;
        t->shape = room(p, t->shape, rank, sizeof *t->shape);
        t->strides = room(p, t->strides, rank, sizeof *t->strides);
        for (size_t axis = 0; axis < rank && !p->failed; axis++) t->shape[axis] = size(p, t->shape[axis]);
        for (size_t axis = 0; axis < rank && !p->failed; axis++) t->strides[axis] = size(p, t->strides[axis]);
    }
    return out;
}

static void checks(pump *p, einjit_kernel *k)
{
    k->n_index_checks = count(p, k->n_index_checks);
    k->index_checks = room(p, k->index_checks, k->n_index_checks, sizeof *k->index_checks);
    for (size_t i = 0; i < k->n_index_checks && !p->failed; i++) {
        ej_index_check *c = &k->index_checks[i];
        c->input = (int32_t)word_below(p, c->input, 0, (int64_t)k->n_in);
        c->extent = size(p, c->extent);
        c->name = name(p, c->name);
    }
    k->n_status_checks = count(p, k->n_status_checks);
    k->status_checks = room(p, k->status_checks, k->n_status_checks, sizeof *k->status_checks);
    k->status_offsets = room(p, k->status_offsets, k->n_status_checks, sizeof *k->status_offsets);
    for (size_t i = 0; i < k->n_status_checks && !p->failed; i++) {
        ej_status_check *c = &k->status_checks[i];
        c->buffer = (int32_t)word(p, c->buffer);
        c->extent = size(p, c->extent);
        c->name = name(p, c->name);
        k->status_offsets[i] = size(p, k->status_offsets[i]);
    }
}

static void extents(pump *p, einjit_kernel *k)
{
    k->n_not_empty = count(p, k->n_not_empty);
    k->not_empty = room(p, k->not_empty, k->n_not_empty, sizeof *k->not_empty);
    for (size_t i = 0; i < k->n_not_empty && !p->failed; i++) {
        k->not_empty[i].size = size(p, k->not_empty[i].size);
        k->not_empty[i].name = name(p, k->not_empty[i].name);
    }
    k->n_closed = count(p, k->n_closed);
    k->closed = room(p, k->closed, k->n_closed, sizeof *k->closed);
    for (size_t i = 0; i < k->n_closed && !p->failed; i++) {
        ej_closed_extent *c = &k->closed[i];
        c->symbol = name(p, c->symbol);
        c->by = name(p, c->by);
        c->n = word(p, c->n);
    }
}

static void known_names(pump *p, einjit_kernel *k)
{
    k->names = (uint64_t)word(p, (int64_t)k->names);
    k->n_known_names = count(p, k->n_known_names);
    k->known_names = room(p, k->known_names, k->n_known_names, sizeof *k->known_names);
    for (size_t i = 0; i < k->n_known_names && !p->failed; i++) {
        ej_known_name *known = &k->known_names[i];
        known->text = name(p, known->text);
        known->number = (int32_t)word_below(p, known->number, 0, INT32_MAX);
        known->symbol = word(p, known->symbol);
        known->value = word(p, known->value);
    }
}

static int32_t *times(pump *p, int32_t *old, size_t n)
{
    int32_t *out = room(p, old, n, sizeof *out);
    for (size_t i = 0; i < n && !p->failed; i++) out[i] = (int32_t)word_below(p, out[i], 0, INT32_MAX);
    return out;
}

static void phases(pump *p, einjit_kernel *k)
{
    k->n_phases = count(p, k->n_phases);
    k->phases = room(p, k->phases, k->n_phases, sizeof *k->phases);
    for (size_t i = 0; i < k->n_phases && !p->failed; i++) {
        ej_phase *phase = &k->phases[i];
        phase->code = (size_t)word_below(p, (int64_t)phase->code, 0, INT64_MAX);
        phase->pieces = size(p, phase->pieces);
        phase->grain = word_below(p, phase->grain, 1, INT64_MAX);
        phase->again = word(p, phase->again);
    }
}

static void whole(pump *p, einjit_kernel *k)
{
    sizes(p, &k->sizes);
    k->scratch_bytes = size(p, k->scratch_bytes);
    k->local_bytes = size(p, k->local_bytes);
    phases(p, k);
    k->n_in = count(p, k->n_in);
    k->in = tensors(p, k->in, k->n_in);
    k->n_out = count(p, k->n_out);
    k->out = tensors(p, k->out, k->n_out);
    k->in_names = room(p, k->in_names, k->n_in, sizeof *k->in_names);
    for (size_t i = 0; i < k->n_in && !p->failed; i++) k->in_names[i] = text(p, k->in_names[i]);
    k->last_read = times(p, k->last_read, k->n_in);
    k->first_write = times(p, k->first_write, k->n_out);
    extents(p, k);
    checks(p, k);
    known_names(p, k);
}

void ej_kernel_write(ej_text *out, const einjit_kernel *kernel)
{
    einjit_kernel copy = *kernel; /* fields are set to themselves */
    pump p = {.to = out, .n_atoms = kernel->sizes.n_atoms, .n_exprs = kernel->sizes.n_exprs};
    whole(&p, &copy);
    out->failed |= p.failed;
}

int ej_kernel_read(einjit_kernel *kernel, const char *bytes, size_t n_bytes, einjit_error *err)
{
    pump p = {.from = bytes, .left = n_bytes, .arena = &kernel->arena};
    whole(&p, kernel);
    if (p.no_memory) return ej_no_memory(err);
    if (p.failed || p.left) return ej_fail(err, EINJIT_E_IO, "its description does not add up");
    return ej_kernel_find_spans(kernel, err);
}
