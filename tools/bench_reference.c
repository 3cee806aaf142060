/* bench_reference.c - a second opinion on an einsum that shares no code with the library.
 *
 * Takes  an equation of letters, dense inputs, a computed output.
 * Gives  the largest error over sampled elements: for each, every operand is cut down to the element's labels and the
 *        small network that is left is contracted in double, operand after operand.
 */
#include "bench_reference.h"

#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_equation.h"

/* A dense array over labels: the last label is fastest. */
typedef struct dense {
    int rank, label[EQUATION_LABELS];
    int64_t elements;
    double complex *data;
} dense;

static double complex element(const tool_tensor *t, int64_t at)
{
    switch (t->tensor.dtype) {
    case EINJIT_F16:
    case EINJIT_BF16:
    case EINJIT_F32:
    case EINJIT_F64: return tool_load_real(t->tensor.dtype, t->block, at);
    case EINJIT_I8:
    case EINJIT_U8:
    case EINJIT_I16:
    case EINJIT_I32:
    case EINJIT_I64:
    case EINJIT_BOOL: return (double)tool_load_integer(t->tensor.dtype, t->block, at);
    case EINJIT_C64: return ((float *)t->block)[2 * at] + I * ((float *)t->block)[2 * at + 1];
    case EINJIT_C128: return ((double *)t->block)[2 * at] + I * ((double *)t->block)[2 * at + 1];
    default: return NAN;
    }
}

/* Advance a counter over extents; false after the last one. */
static bool step(int64_t *index, const int *labels, int n, const int64_t *extent)
{
    for (int i = n - 1; i >= 0; i--) {
        if (++index[labels[i]] < extent[labels[i]]) return true;
        index[labels[i]] = 0;
    }
    return false;
}

/* Element offset of term t for the labels' values; an axis of extent 1 broadcasts. */
static int64_t offset_of(const bench_equation *p, const tool_tensor *in, int t, const int64_t *index)
{
    int64_t at = 0;
    for (int a = 0; a < p->rank[t]; a++) at = at * in->shape[a] + (in->shape[a] == 1 ? 0 : index[p->label[t][a]]);
    return at;
}

/* Term t with the output's labels fixed to `index`: an array over the other labels it has. */
static dense cut_down(const bench_equation *p, const tool_tensor *in, int t, int64_t *index)
{
    dense d = {.elements = 1};
    for (int a = 0; a < p->rank[t]; a++) {
        int l = p->label[t][a];
        if (bench_find(p->out, p->out_rank, l) >= 0 || bench_find(d.label, d.rank, l) >= 0) continue;
        d.label[d.rank++] = l;
        d.elements *= p->extent[l];
        index[l] = 0;
    }
    d.data = tool_alloc((size_t)d.elements * sizeof *d.data);
    for (int64_t i = 0; i < d.elements; i++) {
        d.data[i] = element(in, offset_of(p, in, t, index));
        step(index, d.label, d.rank, p->extent);
    }
    return d;
}

static int64_t dense_offset(const dense *d, const int64_t *index, const int64_t *extent)
{
    int64_t at = 0;
    for (int i = 0; i < d->rank; i++) at = at * extent[d->label[i]] + index[d->label[i]];
    return at;
}

/* a * b, summed over the labels for which keep[] is false; frees both. */
static dense multiply(dense a, dense b, const bool *keep, const int64_t *extent)
{
    dense out = {.elements = 1};
    int all[2 * EQUATION_LABELS], n = 0, summed = 0;
    for (int i = 0; i < a.rank + b.rank; i++) {
        int l = i < a.rank ? a.label[i] : b.label[i - a.rank];
        if (bench_find(all, n, l) >= 0) continue;
        all[n++] = l;
        if (!keep[l]) continue;
        out.label[out.rank++] = l;
        out.elements *= extent[l];
    }
    int ordered[2 * EQUATION_LABELS];
    memcpy(ordered, out.label, (size_t)out.rank * sizeof *ordered);
    for (int i = 0; i < n; i++)
        if (!keep[all[i]]) ordered[out.rank + summed++] = all[i];
    out.data = tool_alloc((size_t)out.elements * sizeof *out.data);
    int64_t index[EQUATION_LABELS] = {0};
    bool empty = false;
    for (int i = 0; i < n; i++) empty |= !extent[all[i]];
    if (!empty) do {
            out.data[dense_offset(&out, index, extent)] +=
                a.data[dense_offset(&a, index, extent)] * b.data[dense_offset(&b, index, extent)];
        } while (step(index, ordered, n, extent));
    free(a.data);
    free(b.data);
    return out;
}

/* One element of the output, contracted pairwise. */
static double complex pairwise_element(const bench_equation *p, const tool_tensor *in, int64_t *index)
{
    dense result = {.elements = 1};
    result.data = tool_alloc(sizeof *result.data);
    result.data[0] = 1;
    for (int t = 0; t < p->n_terms; t++) {
        bool keep[EQUATION_LABELS] = {false};
        for (int later = t + 1; later < p->n_terms; later++)
            for (int a = 0; a < p->rank[later]; a++) keep[p->label[later][a]] = true;
        result = multiply(result, cut_down(p, &in[t], t, index), keep, p->extent);
    }
    double complex value = result.data[0];
    free(result.data);
    return value;
}

/* Labels that are summed over, the one with the smallest strides last; how many products a sum has. */
typedef struct sums {
    int n, label[EQUATION_LABELS];
    double terms;
    int64_t stride[EQUATION_TERMS + 1][EQUATION_LABELS];
} sums;

static void find_sums(sums *s, const bench_equation *p, const tool_tensor *in)
{
    int64_t best = INT64_MAX;
    int last = 0;
    bench_equation_strides(p, in, s->stride);
    s->n = 0;
    s->terms = 1;
    for (int l = 0; l < p->n_labels; l++) {
        if (bench_find(p->out, p->out_rank, l) >= 0) continue;
        int64_t total = 0;
        for (int t = 0; t < p->n_terms; t++) total += s->stride[t][l];
        if (p->extent[l] > 1 && total < best) {
            best = total;
            last = s->n;
        }
        s->label[s->n++] = l;
        s->terms *= (double)p->extent[l];
    }
    if (!s->n) return;
    int swap = s->label[last];
    s->label[last] = s->label[s->n - 1];
    s->label[s->n - 1] = swap;
}

/* The sum along one label (-1: none) from given places on. */
static double complex sum_along(const bench_equation *p, const tool_tensor *in, const int64_t *at, const sums *s,
                                int label)
{
    int64_t n = label < 0 ? 1 : p->extent[label];
    double complex total = 0;
    for (int64_t k = 0; k < n; k++) {
        double complex product = 1;
        for (int t = 0; t < p->n_terms; t++)
            product *= element(&in[t], at[t] + (label < 0 ? 0 : k * s->stride[t][label]));
        total += product;
    }
    return total;
}

/* The same for two operands of one floating dtype, which most big cases have. */
static double dot_f32(const float *a, int64_t sa, const float *b, int64_t sb, int64_t n)
{
    double total = 0;
    for (int64_t k = 0; k < n; k++) total += (double)a[k * sa] * (double)b[k * sb];
    return total;
}

static double dot_f64(const double *a, int64_t sa, const double *b, int64_t sb, int64_t n)
{
    double total = 0;
    for (int64_t k = 0; k < n; k++) total += a[k * sa] * b[k * sb];
    return total;
}

static double complex innermost(const bench_equation *p, const tool_tensor *in, const int64_t *at, const sums *s)
{
    int label = s->n ? s->label[s->n - 1] : -1, dtype = in[0].tensor.dtype;
    if (label < 0 || p->n_terms != 2 || in[1].tensor.dtype != dtype) return sum_along(p, in, at, s, label);
    int64_t sa = s->stride[0][label], sb = s->stride[1][label], n = p->extent[label];
    if (dtype == EINJIT_F32)
        return dot_f32((const float *)in[0].block + at[0], sa, (const float *)in[1].block + at[1], sb, n);
    if (dtype == EINJIT_F64)
        return dot_f64((const double *)in[0].block + at[0], sa, (const double *)in[1].block + at[1], sb, n);
    return sum_along(p, in, at, s, label);
}

/* One element of the output as one sum over all labels that it does not have. */
static double complex summed_element(const bench_equation *p, const tool_tensor *in, const int64_t *fixed,
                                     const sums *s)
{
    int64_t at[EQUATION_TERMS] = {0}, index[EQUATION_LABELS] = {0};
    double complex total = 0;
    if (s->terms == 0) return 0;
    for (int t = 0; t < p->n_terms; t++)
        for (int a = 0; a < p->out_rank; a++) at[t] += fixed[p->out[a]] * s->stride[t][p->out[a]];
    for (;;) {
        total += innermost(p, in, at, s);
        int i = s->n - 2;
        for (; i >= 0; i--) {
            int l = s->label[i];
            for (int t = 0; t < p->n_terms; t++) at[t] += s->stride[t][l];
            if (++index[l] < p->extent[l]) break;
            for (int t = 0; t < p->n_terms; t++) at[t] -= s->stride[t][l] * p->extent[l];
            index[l] = 0;
        }
        if (i < 0) return total;
    }
}

/* The largest loop of pairwise contraction of one element. */
static double pairwise_size(const bench_equation *p)
{
    double largest = 1;
    bool held[EQUATION_LABELS] = {false}; /* by the terms so far */
    for (int t = 0; t < p->n_terms; t++) {
        double size = 1;
        for (int a = 0; a < p->rank[t]; a++) held[p->label[t][a]] = true;
        for (int l = 0; l < p->n_labels; l++)
            if (held[l] && bench_find(p->out, p->out_rank, l) < 0) size *= (double)p->extent[l];
        if (size > largest) largest = size;
        for (int l = 0; l < p->n_labels; l++) {
            bool needed = false;
            for (int later = t + 1; later < p->n_terms; later++)
                needed |= bench_find(p->label[later], p->rank[later], l) >= 0;
            held[l] &= needed;
        }
    }
    return largest;
}

static double tolerance_of(const bench_equation *p, int dtype)
{
    double terms = 1;
    for (int l = 0; l < p->n_labels; l++)
        if (bench_find(p->out, p->out_rank, l) < 0) terms *= (double)p->extent[l];
    double rounded = dtype == EINJIT_F16 ? 0x1p-11 : dtype == EINJIT_BF16 ? 0x1p-8 : 0; /* once, of a sum in f32 */
    double unit = dtype == EINJIT_F32 || dtype == EINJIT_C64 || rounded > 0 ? FLT_EPSILON
                  : dtype == EINJIT_F64 || dtype == EINJIT_C128             ? DBL_EPSILON
                                                                            : 0;
    return unit * 16 * (p->n_terms + sqrt(terms < 1e12 ? terms : 1e12)) + rounded;
}

/* Element `at` of the output as labels' values. */
static void labels_of(const bench_equation *p, int64_t at, int64_t *index)
{
    memset(index, 0, EQUATION_LABELS * sizeof *index);
    for (int a = p->out_rank - 1; a >= 0; a--) {
        index[p->out[a]] = at % p->extent[p->out[a]];
        at /= p->extent[p->out[a]];
    }
}

int reference_check(reference_report *report, const char *equation, const tool_tensor *in, size_t n_in,
                    const tool_tensor *out, double seconds)
{
    enum { MOST = 4096 };
    static const double worth_pairs = 1e4, too_much = 3e7;
    bench_equation p;
    sums s;
    if (bench_equation_read(&p, equation, in, n_in)) return TOOL_FAILED;
    find_sums(&s, &p, in);
    double pairs = pairwise_size(&p), largest = 0, error = 0, stop = tool_seconds() + seconds;
    bool pairwise = p.n_terms > 2 && s.terms > worth_pairs && pairs < s.terms;
    if ((pairwise ? pairs : s.terms) > too_much) return TOOL_FAILED;
    int64_t n = tool_tensor_elements(out), samples = n < MOST ? n : MOST, taken = 0;
    uint64_t state = 88172645463325252u;
    for (; taken < samples && (!taken || tool_seconds() < stop); taken++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        int64_t at = n <= MOST ? taken : taken == 0 ? 0 : taken == 1 ? n - 1 : (int64_t)(state % (uint64_t)n);
        int64_t index[EQUATION_LABELS];
        labels_of(&p, at, index);
        double complex ref = pairwise ? pairwise_element(&p, in, index) : summed_element(&p, in, index, &s);
        double complex got = element(out, at);
        if (out->tensor.dtype == EINJIT_BOOL) ref = cabs(ref) != 0;
        double wrong = cabs(got - ref);
        if (cabs(ref) > largest) largest = cabs(ref);
        if (!(wrong <= error)) error = wrong;
    }
    *report = (reference_report){largest > 0 ? error / largest : error, tolerance_of(&p, out->tensor.dtype), taken};
    return TOOL_OK;
}

int reference_plain(const char *equation, const tool_tensor *in, size_t n_in, tool_tensor *out)
{
    int64_t stride[EQUATION_TERMS + 1][EQUATION_LABELS];
    bench_equation p;
    if (bench_equation_read(&p, equation, in, n_in) || out->tensor.dtype != EINJIT_F32) return TOOL_FAILED;
    bench_equation_strides(&p, in, stride);
    int order[EQUATION_LABELS];
    int n = 0;
    for (int a = 0; a < p.out_rank; a++) order[n++] = p.out[a];
    for (int l = 0; l < p.n_labels; l++)
        if (bench_find(p.out, p.out_rank, l) < 0) order[n++] = l;
    memset(out->block, 0, out->bytes);
    int64_t index[EQUATION_LABELS] = {0}, at[EQUATION_TERMS + 1] = {0};
    for (int l = 0; l < p.n_labels; l++)
        if (!p.extent[l]) return TOOL_OK;
    for (;;) {
        float product = 1;
        for (int t = 0; t < p.n_terms; t++) product *= ((const float *)in[t].block)[at[t]];
        ((float *)out->block)[at[p.n_terms]] += product;
        int i = n - 1;
        for (; i >= 0; i--) {
            int l = order[i];
            for (int t = 0; t <= p.n_terms; t++) at[t] += stride[t][l];
            if (++index[l] < p.extent[l]) break;
            for (int t = 0; t <= p.n_terms; t++) at[t] -= stride[t][l] * p.extent[l];
            index[l] = 0;
        }
        if (i < 0) return TOOL_OK;
    }
}
