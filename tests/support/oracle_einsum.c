/* oracle_einsum.c - einsums and reductions by loops over every label, with error bounds of the worst order. */
#include <math.h>
#include <string.h>

#include "oracle_op.h"

typedef struct sum_state {
    int reduce, dtype;
    bool any;
    long double re, im, top; /* top: the running maximum of a log-sum-exp */
    long double size, err;   /* sums of |products|, taken apart into their terms, and of their bounds */
    int64_t i;
    double terms;
    bool lumpy; /* some product is no multiple of 1/64 */
} sum_state;

static void sum_add(sum_state *s, oracle_element p)
{
    bool first = !s->any;
    s->any = true;
    s->terms++;
    s->size += oracle_mass(p);
    if (p.re * 64 != truncl(p.re * 64) || p.im * 64 != truncl(p.im * 64)) s->lumpy = true;
    switch (s->reduce) {
    case EINJIT_REDUCE_MAX:
    case EINJIT_REDUCE_MIN:
        s->err = fmaxl(s->err, p.err);
        if (ej_dtypes[s->dtype].kind < EJ_KIND_FLOAT) {
            bool wins = s->reduce == EINJIT_REDUCE_MAX ? p.i > s->i : p.i < s->i;
            if (first || wins) s->i = p.i;
        } else if (first || isnan(p.re)) {
            s->re = isnan(s->re) && !first ? s->re : p.re;
        } else if (!isnan(s->re)) {
            s->re = s->reduce == EINJIT_REDUCE_MAX ? fmaxl(s->re, p.re) : fminl(s->re, p.re);
        }
        return;
    case EINJIT_REDUCE_OR:
        s->i |= p.i != 0;
        s->err = fmaxl(s->err, isinf(p.err) ? INFINITY : 0);
        return;
    case EINJIT_REDUCE_LOGSUMEXP:
        if (isnan(s->re)) return; /* for good */
        if (first || p.re > s->top) {
            if (!first && !isinf(s->top)) s->re *= expl(s->top - p.re);
            if (first || isinf(s->top)) s->re = 0;
            s->top = p.re;
        }
        if (!isinf(p.re) || p.re > 0) s->re += isinf(p.re) ? 1 : expl(p.re - s->top);
        if (isnan(p.re)) s->re = NAN;
        s->err = fmaxl(s->err, p.err);
        return;
    default:
        s->err += p.err;
        s->re += p.re;
        s->im += p.im;
        s->i = (int64_t)((uint64_t)s->i + (uint64_t)p.i);
    }
}

/* `bound`: largest magnitude that any intermediate of any order may reach; `steps`: roundings of a product. */
static oracle_element sum_end(const sum_state *s, long double bound, double steps)
{
    oracle_element out = {
        .re = s->re, .im = s->im, .i = s->i, .err = isnan(s->err) ? INFINITY : s->err, .mass = s->size};
    if (ej_dtypes[s->dtype].kind < EJ_KIND_FLOAT || s->reduce == EINJIT_REDUCE_OR) return oracle_rounded(s->dtype, out);
    if (s->reduce == EINJIT_REDUCE_MAX || s->reduce == EINJIT_REDUCE_MIN) {
        if (!s->any) out.re = s->reduce == EINJIT_REDUCE_MAX ? -INFINITY : INFINITY;
        if (s->lumpy && isfinite(s->size)) out.err += oracle_unit(s->dtype) * (long double)steps * s->size;
        return out;
    }
    long double u = oracle_unit(s->dtype);
    out.terms = s->reduce == EINJIT_REDUCE_SUM ? (long double)s->terms : 0;
    if (s->reduce == EINJIT_REDUCE_LOGSUMEXP) {
        out.mass = 0;
        out.re = s->any ? (isinf(s->top) ? s->top : s->top + logl(s->re)) : -INFINITY;
        out.err += u * (24 + (long double)s->terms) * (1 + fabsl(out.re) + fabsl(s->top));
        return out;
    }
    long double limit = u > 0x1p-30L ? 0x1p24L : 0x1p53L;
    if (!s->lumpy && s->err == 0 && bound * 64 < limit) return out; /* exact in every order */
    out.err += u * (long double)(s->terms + steps + 8) * s->size * 1.01L;
    out.err += (long double)s->terms * (u > 0x1p-30L ? 0x1p-140L : 0);
    if (!isfinite(s->size) && !isinf(out.err))
        out.err = isfinite(out.re) && isfinite(out.im) ? out.err : (isnan(out.re) || s->im != 0 ? INFINITY : 0);
    return oracle_rounded(s->dtype, out);
}

static bool label_extents(oracle_state *s, const ej_subscripts *sub, const oracle_value *in, int64_t *extent)
{
    for (uint32_t l = 0; l < sub->n_labels; l++) extent[l] = 1;
    for (uint32_t t = 0; t < sub->n_terms; t++)
        for (uint32_t a = 0; a < sub->terms[t].n; a++) {
            int64_t n = in[t].shape[a], *have = &extent[sub->terms[t].labels[a]];
            for (uint32_t b = 0; b < a; b++)
                if (sub->terms[t].labels[a] == sub->terms[t].labels[b] && in[t].shape[b] != n)
                    return oracle_refuse(s, "a diagonal over unequal axes");
            if (n != 1 && *have != 1 && *have != n)
                return oracle_refuse(s, "label %d is %lld and %lld", (int)sub->terms[t].labels[a], (long long)*have,
                                     (long long)n);
            if (n != 1) *have = n;
        }
    return true;
}

/* Max and min of sums are taken pair by pair: where some of the integers may wrap, so may another sum be the largest.
 * `size`: the sum of their absolute values. */
static bool may_wrap(long double size, int reduce, int combine, int dtype)
{
    if (combine != EINJIT_COMBINE_ADD || (reduce != EINJIT_REDUCE_MAX && reduce != EINJIT_REDUCE_MIN)) return false;
    return ej_dtypes[dtype].kind < EJ_KIND_FLOAT && size > (dtype == EINJIT_I32 ? INT32_MAX : INT64_MAX);
}

static oracle_element product_at(const ej_subscripts *sub, const oracle_value *in, const int64_t *index, int reduce,
                                 int combine, int dtype)
{
    oracle_element p = {0};
    long double size = 0;
    for (uint32_t t = 0; t < sub->n_terms; t++) {
        int64_t at = 0;
        for (uint32_t a = 0; a < sub->terms[t].n; a++)
            at = at * in[t].shape[a] + (in[t].shape[a] == 1 ? 0 : index[sub->terms[t].labels[a]]);
        oracle_element x = in[t].e[at];
        size += fabsl((long double)x.i);
        if (!t) {
            p = x;
        } else if (dtype == EINJIT_BOOL) {
            p = oracle_fn(combine == EINJIT_COMBINE_MUL ? EJ_FN_LOGICAL_AND : EJ_FN_LOGICAL_OR, dtype, dtype, p, x, x);
        } else {
            p = oracle_fn(combine == EINJIT_COMBINE_MUL ? EJ_FN_MUL : EJ_FN_ADD, dtype, dtype, p, x, x);
        }
    }
    if (may_wrap(size, reduce, combine, dtype)) p.err = INFINITY;
    return p;
}

static long double largest(const oracle_value *v)
{
    long double most = 1;
    for (int64_t i = 0; i < v->n; i++) most = fmaxl(most, oracle_mass(v->e[i]));
    return most;
}

/* Infinities and what is no number are what they are in any order. */
static long double largest_number(const oracle_value *v)
{
    long double most = 1;
    for (int64_t i = 0; i < v->n; i++)
        if (isfinite(v->e[i].re) && isfinite(v->e[i].im)) most = fmaxl(most, hypotl(v->e[i].re, v->e[i].im));
    return most;
}

/* Some of the factors multiplied, and summed, may be past the largest number of the dtype: einjit.h promises a finite
 * result only where no set of them is. */
static bool some_overflow(const oracle_value *in, uint32_t n, double terms, int dtype)
{
    oracle_element reach = {.re = (long double)terms};
    for (uint32_t t = 0; t < n; t++) reach.re *= largest_number(&in[t]);
    return n > 1 && ej_dtypes[dtype].kind >= EJ_KIND_FLOAT && isinf(oracle_rounded(dtype, reach).err);
}

static bool advance(int64_t *index, const int32_t *labels, uint32_t n, const int64_t *extent)
{
    for (uint32_t i = n; i-- > 0;) {
        if (++index[labels[i]] < extent[labels[i]]) return true;
        index[labels[i]] = 0;
    }
    return false;
}

/* A sum over no terms, one of whose factors has rank 0 and is not finite: 0, or 0 times that factor. */
static bool is_open_zero(const ej_subscripts *sub, const oracle_value *in, double terms)
{
    for (uint32_t t = 0; t < sub->n_terms && terms == 0; t++)
        if (in[t].rank == 0 && !(isfinite(in[t].e[0].re) && isfinite(in[t].e[0].im))) return true;
    return false;
}

bool oracle_contract(oracle_state *s, oracle_value *out, const ej_subscripts *sub, const oracle_value *in, int reduce,
                     int combine, int dtype)
{
    ej_arena *arena = &s->result->arena;
    int64_t *extent = EJ_NEW_ARRAY(arena, int64_t, sub->n_labels), *index = EJ_NEW_ARRAY(arena, int64_t, sub->n_labels);
    int32_t *summed = EJ_NEW_ARRAY(arena, int32_t, sub->n_labels);
    bool *kept = EJ_NEW_ARRAY(arena, bool, sub->n_labels), *used = EJ_NEW_ARRAY(arena, bool, sub->n_labels);
    if (!extent || !index || !summed || !kept || !used) return oracle_refuse(s, "no memory");
    if (!label_extents(s, sub, in, extent)) return false;
    int64_t shape[ORACLE_RANK];
    uint32_t n_summed = 0;
    double work = 1, terms = 1;
    long double bound = 1;
    if (sub->out.n > ORACLE_RANK) return oracle_refuse(s, "rank");
    for (uint32_t a = 0; a < sub->out.n; a++) {
        shape[a] = extent[sub->out.labels[a]];
        kept[sub->out.labels[a]] = true;
    }
    for (uint32_t t = 0; t < sub->n_terms; t++)
        for (uint32_t a = 0; a < sub->terms[t].n; a++) used[sub->terms[t].labels[a]] = true;
    for (uint32_t l = 0; l < sub->n_labels; l++) {
        work *= (double)extent[l];
        if (kept[l] || !used[l]) continue;
        summed[n_summed++] = (int32_t)l;
        terms *= (double)extent[l];
    }
    for (uint32_t t = 0; t < sub->n_terms; t++) bound *= largest(&in[t]);
    bound *= (long double)terms;
    if (terms == 0 && (reduce == EINJIT_REDUCE_MAX || reduce == EINJIT_REDUCE_MIN))
        return oracle_refuse(s, "empty maximum");
    if (dtype == EINJIT_BOOL && reduce != EINJIT_REDUCE_MIN) reduce = EINJIT_REDUCE_OR;
    bool anything = reduce == EINJIT_REDUCE_SUM && is_open_zero(sub, in, terms);
    int wide = oracle_wide(dtype);
    double added = reduce == EINJIT_REDUCE_SUM && terms > 1 ? terms : 1;
    anything = anything || (combine == EINJIT_COMBINE_MUL && some_overflow(in, sub->n_terms, added, wide));
    if (!oracle_spend(s, work * sub->n_terms) || !oracle_make(s, out, dtype, (int)sub->out.n, shape)) return false;
    for (int64_t o = 0; o < out->n; o++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, o, position);
        for (uint32_t a = 0; a < sub->out.n; a++) index[sub->out.labels[a]] = position[a];
        for (uint32_t i = 0; i < n_summed; i++) index[summed[i]] = 0;
        sum_state sum = {.reduce = reduce, .dtype = wide};
        if (terms > 0) do
                sum_add(&sum, product_at(sub, in, index, reduce, combine, wide));
            while (advance(index, summed, n_summed, extent));
        out->e[o] = sum_end(&sum, bound, 2.0 * sub->n_terms);
        if (wide != dtype) out->e[o] = oracle_narrow_sum(dtype, out->e[o], 2 + 2.0 * sub->n_terms);
        if (anything) out->e[o].err = INFINITY;
    }
    return true;
}

bool oracle_einsum(oracle_state *s, oracle_value *out, const ej_node *node)
{
    ej_arena *arena = &s->result->arena;
    oracle_value *in = EJ_NEW_ARRAY(arena, oracle_value, node->n_in);
    const oracle_value **refs = EJ_NEW_ARRAY(arena, const oracle_value *, node->n_in);
    int32_t *ranks = EJ_NEW_ARRAY(arena, int32_t, node->n_in);
    if (!in || !refs || !ranks) return oracle_refuse(s, "no memory");
    for (uint32_t i = 0; i < node->n_in; i++) {
        refs[i] = &s->values[node->in[i]];
        ranks[i] = refs[i]->rank;
    }
    int dtype = oracle_promote(refs, node->n_in), combine = node->combine;
    if (node->fn == EINJIT_REDUCE_LOGSUMEXP && ej_dtypes[dtype].kind < EJ_KIND_FLOAT) dtype = EINJIT_F64;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!oracle_as(s, &in[i], refs[i], dtype)) return false;
    ej_subscripts sub;
    einjit_error err = {0};
    if (ej_equation_resolve(&sub, arena, node->equation, ranks, &err)) return oracle_refuse(s, "%.150s", err.text);
    return oracle_contract(s, out, &sub, in, node->fn, combine, dtype);
}

static int reduced_dtype(int reduce, int dtype)
{
    bool whole = ej_dtypes[dtype].kind < EJ_KIND_FLOAT;
    switch (reduce) {
    case EINJIT_REDUCE_SUM:
    case EINJIT_REDUCE_PROD: return whole ? EINJIT_I64 : dtype;
    case EINJIT_REDUCE_MEAN:
    case EINJIT_REDUCE_LOGSUMEXP: return whole ? EINJIT_F64 : dtype;
    case EINJIT_REDUCE_OR: return EINJIT_BOOL;
    default: return dtype;
    }
}

static oracle_element reduce_one(const oracle_value *x, const int64_t *position, const int32_t *axes, uint32_t n,
                                 int reduce, int dtype, double count)
{
    int64_t at[ORACLE_RANK];
    memcpy(at, position, sizeof at);
    bool mean = reduce == EINJIT_REDUCE_MEAN, product = reduce == EINJIT_REDUCE_PROD;
    sum_state sum = {.reduce = mean ? EINJIT_REDUCE_SUM : reduce, .dtype = dtype};
    oracle_element p = {.re = 1, .i = 1};
    long double bound = 1, swing = 0; /* swing: how far partial products of any order may reach, as a power of 2 */
    if (count > 0) do {
            oracle_element e = x->e[oracle_ravel(x, at)];
            long double size = hypotl(e.re, e.im);
            bound += oracle_mass(e);
            if (size > 0 && isfinite(size)) swing += fabsl(log2l(size)) + 1;
            if (product) p = oracle_fn(EJ_FN_MUL, dtype, dtype, p, e, e);
            else sum_add(&sum, e);
            uint32_t i = n;
            for (; i > 0; i--) {
                if (++at[axes[i - 1]] < x->shape[axes[i - 1]]) break;
                at[axes[i - 1]] = 0;
            }
            if (!i) break;
        } while (true);
    if (product) {
        if (p.err > 0) p.err *= 2; /* any order of the factors */
        long double most = ej_dtypes[dtype].real == EINJIT_F32 ? 120 : 1000;
        if (ej_dtypes[dtype].kind >= EJ_KIND_FLOAT && swing > most) p.err = INFINITY;
        return p;
    }
    oracle_element out = sum_end(&sum, bound, 0);
    if (!mean) return out;
    oracle_element number = {.re = (long double)count};
    return oracle_fn(EJ_FN_DIV, dtype, dtype, out, number, number);
}

bool oracle_reduce(oracle_state *s, oracle_value *out, const oracle_value *x, int reduce, const bool *over,
                   bool keepdim)
{
    int dtype = reduced_dtype(reduce, x->dtype), wide = oracle_wide(dtype);
    oracle_value y, full;
    if (!oracle_as(s, &y, x, dtype)) return false;
    int64_t shape[ORACLE_RANK];
    int32_t axes[ORACLE_RANK];
    uint32_t n = 0;
    double count = 1;
    for (int a = 0; a < y.rank; a++) {
        shape[a] = over[a] ? 1 : y.shape[a];
        if (!over[a]) continue;
        axes[n++] = a;
        count *= (double)y.shape[a];
    }
    if (count == 0 && (reduce == EINJIT_REDUCE_MAX || reduce == EINJIT_REDUCE_MIN))
        return oracle_refuse(s, "empty maximum");
    if (!oracle_spend(s, (double)y.n) || !oracle_make(s, &full, dtype, y.rank, shape)) return false;
    for (int64_t o = 0; o < full.n; o++) {
        int64_t position[ORACLE_RANK] = {0};
        oracle_unravel(&full, o, position);
        full.e[o] = reduce_one(&y, position, axes, n, reduce, wide, count);
        if (wide != dtype) full.e[o] = oracle_narrow_sum(dtype, full.e[o], 4);
    }
    *out = full;
    if (keepdim) return true;
    out->rank = 0;
    for (int a = 0; a < y.rank; a++)
        if (!over[a]) out->shape[out->rank++] = y.shape[a];
    return true;
}
