/* kernel_check.c - the checks of einjit_run: do these tensors fit this kernel, and is their memory fit to be used.
 *
 * Takes  a kernel and the caller's tensors.
 * Gives  the values of the open extents, derived from the inputs' shapes; else a reason that names the tensor, the axis
 *        and both values.
 * Not here: facts of one tensor (base_tensor.c), what only the run itself can find (kernel.c: computed indices).
 */
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "kernel_pool.h"

int ej_kernel_size(const einjit_kernel *kernel, ej_size size, const int64_t *symbols, int64_t *out)
{
    enum { SMALL = 128 };
    int64_t small[SMALL], *atoms = small;
    if (!size.e) {
        *out = size.n;
        return EINJIT_OK;
    }
    if (kernel->sizes.n_atoms > SMALL) {
        atoms = kernel->sizes.n_atoms > SIZE_MAX / sizeof *atoms
                    ? NULL
                    : ej_pool_take(ej_context_pool(kernel->context), kernel->sizes.n_atoms * sizeof *atoms);
        if (!atoms) return EINJIT_E_NOMEM;
    }
    bool fits = ej_sizes_evaluate(&kernel->sizes, symbols, atoms) && ej_size_evaluate(&kernel->sizes, size, atoms, out);
    if (atoms != small) ej_pool_give(kernel->context->pool, atoms);
    return fits ? EINJIT_OK : EINJIT_E_SIZE;
}

int ej_kernel_size_failed(einjit_error *err, int status, const char *what)
{
    if (status == EINJIT_E_NOMEM) return ej_no_memory(err);
    return ej_fail(err, EINJIT_E_SIZE, "%s does not fit into 63 bits for these open extents", what);
}

/* ---- one tensor ---- */

typedef struct subject { /* who is being checked, for messages */
    const einjit_kernel *kernel;
    const char *what;
    size_t i;
    const int64_t *symbols;
    einjit_error *err;
} subject;

static const char *name_of(const subject *s, char *buffer, size_t bytes)
{
    const char *name = !strcmp(s->what, "input") && s->kernel->in_names ? s->kernel->in_names[s->i] : NULL;
    if (name) snprintf(buffer, bytes, "%s %zu ('%.60s')", s->what, s->i, name);
    else snprintf(buffer, bytes, "%s %zu", s->what, s->i);
    return buffer;
}

static int check_kind(const subject *s, const ej_bound_tensor *want, const einjit_tensor *t)
{
    char name[128];
    EJ_TRY(ej_tensor_check(t, s->what, s->i, s->err));
    if (t->dtype != want->dtype)
        return ej_fail(s->err, EINJIT_E_DTYPE, "%s is %s, this kernel has %s there", name_of(s, name, sizeof name),
                       einjit_dtype_name(t->dtype), einjit_dtype_name(want->dtype));
    if (t->rank != want->rank)
        return ej_fail(s->err, EINJIT_E_RANK, "%s has rank %d, this kernel has %d there", name_of(s, name, sizeof name),
                       (int)t->rank, (int)want->rank);
    return EINJIT_OK;
}

static int check_shape(const subject *s, const ej_bound_tensor *want, const einjit_tensor *t)
{
    char name[128];
    for (int32_t axis = 0; axis < want->rank; axis++) {
        int64_t extent;
        int status = ej_kernel_size(s->kernel, want->shape[axis], s->symbols, &extent);
        if (status) {
            char what[160];
            snprintf(what, sizeof what, "axis %d of %s", (int)axis, name_of(s, name, sizeof name));
            return ej_kernel_size_failed(s->err, status, what);
        }
        if (t->shape[axis] != extent)
            return ej_fail(s->err, EINJIT_E_SHAPE, "axis %d of %s is %lld, this kernel has %lld there", (int)axis,
                           name_of(s, name, sizeof name), (long long)t->shape[axis], (long long)extent);
    }
    return EINJIT_OK;
}

static int check_strides(const subject *s, const ej_bound_tensor *want, const einjit_tensor *t)
{
    char name[128];
    if (want->row_major && ej_tensor_row_major(t)) return EINJIT_OK;
    if (want->row_major)
        return ej_fail(s->err, EINJIT_E_STRIDE, "%s is not row-major, as this kernel has it",
                       name_of(s, name, sizeof name));
    if (ej_tensor_empty(t)) return EINJIT_OK;
    int64_t running = 1;
    for (int32_t axis = t->rank - 1; axis >= 0; axis--) {
        int64_t stride = t->strides ? t->strides[axis] : running, wanted;
        running *= t->shape[axis];
        if (t->shape[axis] == 1) continue;
        int status = ej_kernel_size(s->kernel, want->strides[axis], s->symbols, &wanted);
        if (status == EINJIT_E_NOMEM) return ej_no_memory(s->err);
        if (status || stride != wanted)
            return ej_fail(s->err, EINJIT_E_STRIDE, "axis %d of %s has stride %lld, this kernel has %lld there",
                           (int)axis, name_of(s, name, sizeof name), (long long)stride,
                           (long long)want->strides[axis].n);
    }
    return EINJIT_OK;
}

/* The usual tensor: row-major without saying so, numbers for extents. It is looked at in one go; all others, and what
 * does not fit, one thing after the other. */
static bool fits_plainly(const ej_bound_tensor *want, const einjit_tensor *t)
{
    if (t->strides || !want->row_major || t->dtype != want->dtype || t->rank != want->rank || (t->rank && !t->shape))
        return false;
    for (int32_t axis = 0; axis < want->rank; axis++)
        if (want->shape[axis].e || want->shape[axis].n != t->shape[axis]) return false;
    return true;
}

/* ---- open extents ---- */

/* The one symbol of `coefficient * symbol`; -1: a number, or not of that form. */
static int32_t plain_symbol(const einjit_kernel *kernel, ej_size size, int64_t *coefficient)
{
    if (!size.e) return -1;
    const ej_polynomial *p = &kernel->sizes.exprs[size.e - 1];
    if (p->n_terms != 1 || p->terms[0].n_atoms != 1 || p->terms[0].atoms[0] >= (int32_t)kernel->sizes.n_symbols)
        return -1;
    *coefficient = p->terms[0].coefficient;
    return p->terms[0].atoms[0];
}

/* Every symbol from the first axis that has it; axes that disagree are found by check_shape afterwards. A symbol that
 * no axis shows keeps the value that was observed at compile time. */
static void derive_symbols(const einjit_kernel *kernel, const einjit_tensor *in, int64_t *symbols)
{
    bool known[EJ_OPEN_MAX] = {false};
    for (size_t k = 0; k < kernel->sizes.n_symbols; k++) symbols[k] = kernel->sizes.atoms[k].n;
    for (size_t i = 0; i < kernel->n_in; i++) {
        for (int32_t axis = 0; axis < kernel->in[i].rank; axis++) {
            int64_t coefficient = 1;
            int32_t symbol = plain_symbol(kernel, kernel->in[i].shape[axis], &coefficient);
            if (symbol < 0 || known[symbol] || coefficient <= 0) continue;
            symbols[symbol] = in[i].shape[axis] / coefficient;
            known[symbol] = true;
        }
    }
}

static int check_count(size_t n, size_t wanted, const char *what, einjit_error *err)
{
    if (n == wanted) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_OPERAND_COUNT, "%zu %s%s given, this kernel has %zu", n, what, n == 1 ? "" : "s",
                   wanted);
}

/* Bind has refused those that are numbers. */
static int check_not_empty(const einjit_kernel *kernel, const int64_t *symbols, einjit_error *err)
{
    for (size_t i = 0; i < kernel->n_not_empty; i++) {
        int64_t extent;
        int status = ej_kernel_size(kernel, kernel->not_empty[i].size, symbols, &extent);
        if (status) return ej_kernel_size_failed(err, status, "the operand of a max or min");
        if (!extent)
            return ej_fail(err, EINJIT_E_SHAPE, "'%s' is the max or min over an axis without elements",
                           kernel->not_empty[i].name);
    }
    return EINJIT_OK;
}

int ej_check_inputs(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, int64_t *symbols,
                    einjit_error *err)
{
    EJ_TRY(check_count(n_in, kernel->n_in, "input", err));
    if (n_in && !in) return ej_fail(err, EINJIT_E_INVALID, "no inputs given");
    subject s = {kernel, "input", 0, symbols, err};
    bool plain = !kernel->sizes.n_symbols && !kernel->n_not_empty;
    for (size_t i = 0; i < n_in && plain; i++) plain = fits_plainly(&kernel->in[i], &in[i]);
    if (plain) return EINJIT_OK;
    for (s.i = 0; s.i < n_in; s.i++) EJ_TRY(check_kind(&s, &kernel->in[s.i], &in[s.i]));
    if (kernel->sizes.n_symbols) derive_symbols(kernel, in, symbols);
    for (s.i = 0; s.i < n_in; s.i++) {
        EJ_TRY(check_shape(&s, &kernel->in[s.i], &in[s.i]));
        EJ_TRY(check_strides(&s, &kernel->in[s.i], &in[s.i]));
    }
    return check_not_empty(kernel, symbols, err);
}

int ej_check_outputs(const einjit_kernel *kernel, size_t n_out, const einjit_tensor *out, const int64_t *symbols,
                     einjit_error *err)
{
    EJ_TRY(check_count(n_out, kernel->n_out, "output", err));
    if (n_out && !out) return ej_fail(err, EINJIT_E_INVALID, "no outputs given");
    subject s = {kernel, "output", 0, symbols, err};
    for (s.i = 0; s.i < n_out; s.i++) {
        if (fits_plainly(&kernel->out[s.i], &out[s.i])) continue;
        EJ_TRY(check_kind(&s, &kernel->out[s.i], &out[s.i]));
        EJ_TRY(check_shape(&s, &kernel->out[s.i], &out[s.i]));
        EJ_TRY(check_strides(&s, &kernel->out[s.i], &out[s.i]));
    }
    return EINJIT_OK;
}

/* ---- memory ---- */

static int span_of(const subject *s, const einjit_tensor *t, size_t slot, ej_span *span)
{
    char name[128];
    if (s->kernel->spans) *span = s->kernel->spans[slot];
    else if (!ej_tensor_span(t, span))
        return ej_fail(s->err, EINJIT_E_SIZE, "the addresses of %s do not fit into 63 bits",
                       name_of(s, name, sizeof name));
    if (span->lo != span->hi && !t->data)
        return ej_fail(s->err, EINJIT_E_INVALID, "%s has elements and no data", name_of(s, name, sizeof name));
    return EINJIT_OK;
}

static bool ranges_meet(const einjit_tensor *a, ej_span x, const einjit_tensor *b, ej_span y)
{
    uintptr_t x_at = (uintptr_t)a->data, y_at = (uintptr_t)b->data;
    return x.lo != x.hi && y.lo != y.hi && x_at + (uintptr_t)x.lo < y_at + (uintptr_t)y.hi &&
           y_at + (uintptr_t)y.lo < x_at + (uintptr_t)x.hi;
}

/* One tensor serves for both, and the kernel reads each of its elements before it writes there. */
static bool is_in_place(const einjit_kernel *kernel, size_t o, const einjit_tensor *out, size_t i,
                        const einjit_tensor *in)
{
    return out->data == in->data && kernel->last_read[i] <= kernel->first_write[o] && ej_tensors_alike(out, in);
}

/* Output i against itself, the inputs that it cannot be, and the outputs before it. */
static int check_overlap(const subject *s, const einjit_tensor *in, const einjit_tensor *out)
{
    const einjit_kernel *kernel = s->kernel;
    const einjit_tensor *mine = &out[s->i];
    ej_span span, other;
    EJ_TRY(span_of(s, mine, kernel->n_in + s->i, &span));
    if (!kernel->out[s->i].row_major && ej_tensor_overlaps_itself(mine))
        return ej_fail(s->err, EINJIT_E_OVERLAP, "output %zu has several elements at one address", s->i);
    for (size_t j = 0; j < kernel->n_in + s->i; j++) {
        bool input = j < kernel->n_in;
        subject t = {kernel, input ? "input" : "output", input ? j : j - kernel->n_in, s->symbols, s->err};
        const einjit_tensor *theirs = input ? &in[j] : &out[j - kernel->n_in];
        EJ_TRY(span_of(&t, theirs, j, &other));
        if (!ranges_meet(mine, span, theirs, other)) continue;
        if (input && is_in_place(kernel, s->i, mine, j, theirs)) continue;
        if (!ej_tensors_overlap(mine, theirs)) continue;
        char name[128];
        return ej_fail(s->err, EINJIT_E_OVERLAP, "output %zu overlaps %s%s", s->i, name_of(&t, name, sizeof name),
                       input && kernel->last_read[j] == EJ_READ_FOR_EVER ? ", which is constant" : "");
    }
    return EINJIT_OK;
}

/* ---- indices ---- */

static int64_t index_at(const einjit_tensor *t, int64_t offset)
{
    if (t->dtype == EINJIT_I32) {
        int32_t value;
        memcpy(&value, (const char *)t->data + offset * (int64_t)sizeof value, sizeof value);
        return value;
    }
    int64_t value;
    memcpy(&value, (const char *)t->data + offset * (int64_t)sizeof value, sizeof value);
    return value;
}

static int64_t element_offset(const einjit_tensor *t, int64_t position)
{
    if (!t->strides) return position;
    int64_t offset = 0;
    for (int32_t axis = t->rank - 1; axis >= 0; axis--) {
        offset += position % t->shape[axis] * t->strides[axis];
        position /= t->shape[axis];
    }
    return offset;
}

/* All of them, which lie side by side, are in 0 .. extent-1: the signs of value and extent - 1 - value, together. No
 * branch, so that compilers take vectors: 2 * 100,000 indices in 30 us, one by one in 210, beside 770 us of what a
 * kernel does with them (message passing, 64 channels, Zen 4). */
static bool all_below(const einjit_tensor *t, int64_t elems, int64_t extent)
{
    const char *data = t->data;
    uint64_t signs = 0, last = (uint64_t)extent - 1;
    if (t->dtype == EINJIT_I32) {
        for (int64_t i = 0; i < elems; i++) {
            int32_t value;
            memcpy(&value, data + i * (int64_t)sizeof value, sizeof value);
            signs |= (uint64_t)(int64_t)value | (last - (uint64_t)(int64_t)value);
        }
    } else {
        for (int64_t i = 0; i < elems; i++) {
            uint64_t value;
            memcpy(&value, data + i * (int64_t)sizeof value, sizeof value);
            signs |= value | (last - value);
        }
    }
    return !(signs >> 63);
}

/* "2", or of several axes "[1, 2]". */
static void print_position(char *out, size_t size, const einjit_tensor *t, int64_t position)
{
    int64_t extents = 1;
    size_t used = 0;
    if (t->rank < 2) {
        snprintf(out, size, "%lld", (long long)position);
        return;
    }
    for (int32_t a = 1; a < t->rank; a++) extents *= t->shape[a];
    for (int32_t a = 0; a < t->rank && used < size; a++) {
        used += (size_t)snprintf(out + used, size - used, "%s%lld", a ? ", " : "[", (long long)(position / extents));
        position %= extents;
        if (a + 1 < t->rank) extents /= t->shape[a + 1];
    }
    if (used < size) snprintf(out + used, size - used, "]");
}

static int check_indices(const einjit_kernel *kernel, const ej_index_check *check, const einjit_tensor *in,
                         const int64_t *symbols, einjit_error *err)
{
    const einjit_tensor *t = &in[check->input];
    int64_t extent, elems = 1;
    int status = ej_kernel_size(kernel, check->extent, symbols, &extent);
    if (status) return ej_kernel_size_failed(err, status, "an extent that is indexed");
    for (int32_t axis = 0; axis < t->rank; axis++) elems *= t->shape[axis];
    bool plain = ej_tensor_row_major(t);
    if (plain && all_below(t, elems, extent)) return EINJIT_OK;
    for (int64_t position = 0; position < elems; position++) {
        int64_t value = index_at(t, plain ? position : element_offset(t, position));
        if (value >= 0 && value < extent) continue;
        subject s = {kernel, "input", (size_t)check->input, symbols, err};
        char name[128], at[128];
        print_position(at, sizeof at, t, position);
        return ej_fail(err, EINJIT_E_INDEX, "%s is %lld at position %s, out of range for the extent of %lld of '%s'",
                       name_of(&s, name, sizeof name), (long long)value, at, (long long)extent, check->name);
    }
    return EINJIT_OK;
}

/* Row-major outputs whose bytes nothing else touches, and data wherever there are elements: no more is to be known. */
static bool plainly_apart(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out)
{
    size_t n = kernel->n_in + kernel->n_out;
    if (!kernel->spans) return false;
    for (size_t i = 0; i < n; i++) {
        const ej_span *span = &kernel->spans[i];
        const einjit_tensor *t = i < kernel->n_in ? &in[i] : &out[i - kernel->n_in];
        if (!t->data && span->lo != span->hi) return false;
        if (i < kernel->n_in) continue;
        if (!kernel->out[i - kernel->n_in].row_major) return false;
        for (size_t j = 0; j < i; j++)
            if (ranges_meet(t, *span, j < kernel->n_in ? &in[j] : &out[j - kernel->n_in], kernel->spans[j]))
                return false;
    }
    return true;
}

int ej_check_memory(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out,
                    const int64_t *symbols, einjit_error *err)
{
    ej_span span;
    subject s = {kernel, "input", 0, symbols, err};
    bool apart = out && plainly_apart(kernel, in, out);
    for (s.i = 0; s.i < kernel->n_in && !apart; s.i++) EJ_TRY(span_of(&s, &in[s.i], s.i, &span));
    s.what = "output";
    for (s.i = 0; out && s.i < kernel->n_out && !apart; s.i++) EJ_TRY(check_overlap(&s, in, out));
    for (size_t i = 0; i < kernel->n_index_checks; i++)
        EJ_TRY(check_indices(kernel, &kernel->index_checks[i], in, symbols, err));
    return EINJIT_OK;
}

bool ej_is_checked_at_once(const einjit_kernel *kernel)
{
    bool plain = kernel->spans && !kernel->n_not_empty && !kernel->n_index_checks && !kernel->n_status_checks;
    for (size_t i = 0; i < kernel->n_in && plain; i++) plain = kernel->in[i].row_major;
    for (size_t i = 0; i < kernel->n_out && plain; i++) plain = kernel->out[i].row_major;
    return plain;
}

bool ej_fits_at_once(const einjit_kernel *kernel, size_t n_in, const einjit_tensor *in, size_t n_out,
                     const einjit_tensor *out)
{
    if (n_in != kernel->n_in || n_out != kernel->n_out || (n_in && !in) || !out) return false;
    for (size_t i = 0; i < n_in; i++)
        if (!fits_plainly(&kernel->in[i], &in[i])) return false;
    for (size_t i = 0; i < n_out; i++)
        if (!fits_plainly(&kernel->out[i], &out[i])) return false;
    return plainly_apart(kernel, in, out);
}
