/* gen_contract.c - random programs with numbers from one end of the range to the other, and an oracle of what the
 * contract promises.
 *
 * Every axis has N elements. Numbers are long doubles, whose range no product of these programs leaves. A value is a
 * sum of products: it knows for each of them which factors it has (arrays, values of rank 0, numbers that are too large
 * or small to move) and how many terms were summed on the way. Of a factor the least and the largest size are known; a
 * divisor is the factor of its inverse.
 *
 * Promised is a result whose program
 *   - has, as written, only finite and normal numbers, which numbers that may move do not take out of the range: all
 *     are that far (2^20; f64 2^160) from its ends, if there are such numbers at all;
 *   - keeps so for every set of the factors of a product: contractions take any order. Sets that are a value of the
 *     program are as written. Values of rank 0 alone are no set: they are not multiplied with each other.
 * It is right if it is as far from the exact value as the roundings of every order explain.
 *
 * Of zeros: small integers and powers of two, so that all sums are exact in every order. What divides comes to 0.0 or
 * -0.0 as the program says it: a sum of several products that is zero is 0.0, a product has the sign of its factors.
 */
#include "gen_contract_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base_hash.h"

/* ---- what is promised ---- */

static bool is_value(const writer *w, uint32_t set)
{
    for (int v = 0; v < w->n_values; v++)
        if (w->values[v].n_products == 1 && w->values[v].products[0].factors == set) return true;
    return false;
}

static bool all_orders_stay(const writer *w, const product *p)
{
    double margin = w->moving ? reach(w) : 0;
    for (uint32_t set = p->factors; set; set = (set - 1) & p->factors) {
        double low = 0, high = p->summed;
        bool numbers = true;
        for (int f = 0; f < w->n_factors; f++) {
            if (!(set >> f & 1)) continue;
            low += w->factors[f].low;
            high += w->factors[f].high;
            numbers &= w->factors[f].number;
        }
        if ((numbers && set & (set - 1)) || is_value(w, set)) continue;
        if (low - margin < bottom(w) || high + margin > top(w)) return false;
    }
    return true;
}

static bool stays(const writer *w)
{
    double margin = w->moving ? reach(w) : 0;
    for (int v = 0; v < w->n_values; v++) {
        const value *x = &w->values[v];
        if (x->low > x->high) continue;
        if (x->low - margin < bottom(w) || x->high + margin > top(w)) return false;
        for (int i = 0; i < x->n; i++)
            if (x->e[i].mass > 0 && (double)log2l(x->e[i].mass) + margin > top(w)) return false;
    }
    return true;
}

/* Small multiples of 2^-12. */
static bool all_exact(const writer *w)
{
    for (int v = 0; v < w->n_values; v++)
        for (int i = 0; i < w->values[v].n; i++) {
            const oracle_element *e = &w->values[v].e[i];
            if (isfinite(e->re) && (e->mass > 256 || e->re * 4096 != truncl(e->re * 4096))) return false;
        }
    return true;
}

/* The result as the judge wants it. */
static int settle(const writer *w, oracle_value *out, const value *v, bool exact)
{
    int promised = 0;
    bool safe = !w->zeros && stays(w);
    for (int i = 0; i < v->n_products && safe; i++) safe = all_orders_stay(w, &v->products[i]);
    out->dtype = w->dtype;
    out->weak = -1;
    out->rank = v->rank;
    out->n = v->n;
    for (int a = 0; a < v->rank; a++) out->shape[a] = N;
    for (int i = 0; i < v->n; i++) {
        oracle_element *e = &out->e[i];
        *e = v->e[i];
        e->err = (long double)(w->roundings + 40) * oracle_unit(w->dtype) * e->mass;
        if (w->zeros && isinf(e->re)) e->err = 0;
        if (!(w->zeros ? exact && !isnan(e->re) : safe && v->n_products)) e->err = INFINITY;
        promised += !isinf(e->err);
    }
    return promised;
}

/* ---- the program ---- */

/* x / v, 1.0 / v, ... ; v has exact elements. */
static void divide_by(writer *w, const value *v)
{
    int form = gen_below(&w->r, 5);
    const value *y = contract_parameter(w, 0, 0);
    value *out = contract_result(w, v->rank);
    switch (form) {
    case 0: SAY(w, "%s / %s\n", y->name, v->name); break;
    case 1: SAY(w, "1.0 / %s\n", v->name); break;
    case 2: SAY(w, "reciprocal(%s)\n", v->name); break;
    case 3: SAY(w, "%s ** -1\n", v->name); break;
    default: SAY(w, "%s / %s * 2.0\n", y->name, v->name); break;
    }
    for (int i = 0; i < v->n; i++) {
        long double top_ = form == 0 || form == 4 ? y->e[0].re : 1, x = top_ / v->e[i].re * (form == 4 ? 2 : 1);
        out->e[i] = (oracle_element){.re = x, .mass = fabsl(x)};
    }
}

/* Products with numbers between them that come to more than one may move by; or the same value of rank 0 again and
 * again, which takes a product from one end of the range to the other. */
static void write_chain(writer *w)
{
    static const char *const equations[] = {"ij,ij->ij", "ij,jk->ik", "ij,kj->ik"};
    bool numbers = gen_chance(&w->r, 40), down = gen_chance(&w->r, 50);
    int n = numbers ? 2 + gen_below(&w->r, 3) : 2, x = w->n_values - 1;
    double most = is_wide(w) ? 900 : 110, each = uniform(&w->r, 0.4, 0.99) * reach(w);
    w->aims = true;
    const value *s = numbers ? NULL : contract_parameter(w, 0, (down ? 1 : -1) * uniform(&w->r, 0.65, 0.8) * most);
    if (s) w->last_number = (int)(s - w->values);
    x = (int)(contract_parameter(w, 2, numbers ? 0 : (down ? -1 : 1) * uniform(&w->r, 0.75, 0.95) * most) - w->values);
    for (int i = 0; i < n && !w->failed; i++) {
        if (gen_chance(&w->r, numbers ? 80 : 50)) {
            const value *y = contract_parameter(w, 2, numbers ? (down ? each : -each) : 0);
            contract_einsum(w, equations[gen_below(&w->r, 3)], &w->values[x], y);
            contract_measure(&w->values[x = w->n_values - 1]);
        }
        if (numbers) contract_scale_by(w, &w->values[x], exp2(down ? each : -each), false);
        else contract_by_number(w, &w->values[x]);
        contract_measure(&w->values[x = w->n_values - 1]);
        if (numbers || gen_chance(&w->r, 60) || w->values[x].rank < 2) continue;
        contract_einsum(w, gen_chance(&w->r, 50) ? "ij->i" : "ij->j", &w->values[x], NULL);
        contract_measure(&w->values[x = w->n_values - 1]);
        contract_by_number(w, &w->values[x]);
        contract_measure(&w->values[w->n_values - 1]);
        break;
    }
    w->aims = false;
}

/* What is divided by: sums and products that come to zero in different ways. */
static void write_zeros(writer *w)
{
    static const char *const products[] = {"ij,ij->ij", "ij,j->ij", "ij,i->ij"};
    int x = w->n_values - 1, how = gen_below(&w->r, 4);
    if (how == 3 || w->failed) return;
    if (w->values[x].rank != 2) x = (int)(contract_parameter(w, 2, 0) - w->values);
    if (how == 0) contract_add_products(w, &w->values[x]);
    if (how == 1) contract_by_index(w, &w->values[x]);
    if (how == 2) contract_einsum(w, "ij,jk->ik", &w->values[x], contract_of_rank(w, 2, 0));
    x = w->n_values - 1;
    if (how == 0 || w->failed || w->values[x].rank != 2) return;
    int which = gen_below(&w->r, 3);
    contract_einsum(w, products[which], &w->values[x], contract_of_rank(w, which ? 1 : 2, 0));
}

static void write_program(writer *w, int size)
{
    contract_parameter(w, 1 + gen_chance(&w->r, 70), 0);
    bool chain = !w->zeros && gen_chance(&w->r, 40);
    if (chain) write_chain(w);
    if (chain && gen_chance(&w->r, 50)) size = 0;
    for (int i = 0; i < size && !w->failed; i++) contract_step(w);
    if (!w->zeros) return;
    write_zeros(w);
    if (!w->failed) divide_by(w, &w->values[w->n_values - 1]);
}

bool gen_contract_make(gen_program *out, int kind, uint64_t seed, char *text, size_t room, int *promised)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_F32, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128};
    static writer w;
    einjit_error err;
    memset(out, 0, sizeof *out);
    memset(&w, 0, sizeof w);
    w.r.state = ej_hash64(&seed, sizeof seed, (uint64_t)kind);
    w.p = out;
    w.zeros = kind == GEN_ZEROS;
    w.dtype = dtypes[gen_below(&w.r, w.zeros ? 4 : 6)];
    write_program(&w, 2 + gen_below(&w.r, 9));
    bool exact = w.zeros && !w.failed && all_exact(&w);
    const value *v = &w.values[w.n_values - 1];
    int other = gen_chance(&w.r, 20) ? gen_below(&w.r, w.n_values) : -1; /* is a result, too */
    snprintf(text, room, "def f(%s):\n%s    return %s%s%s\n", w.params, w.body, v->name, other < 0 ? "" : ", ",
             other < 0 ? "" : w.values[other].name);
    if (w.failed || ej_graph_parse(&out->graph, &ej_malloc_allocator, text, strlen(text), &err)) {
        if (!w.failed) fprintf(stderr, "%s%s\n", text, err.text), exit(1); /* of the generator */
        for (size_t i = 0; i < out->n_in; i++) gen_tensor_free(&out->in[i]);
        return false;
    }
    ej_arena_init(&out->oracle.arena, &ej_malloc_allocator);
    out->oracle.values = EJ_NEW_ARRAY(&out->oracle.arena, oracle_value, 2);
    *promised = 0;
    for (size_t o = 0; o < out->graph.n_outputs; o++) {
        oracle_value *value_of = &out->oracle.values[o];
        const struct value *x = o ? &w.values[other] : v;
        value_of->e = EJ_NEW_ARRAY(&out->oracle.arena, oracle_element, (size_t)x->n);
        *promised += settle(&w, value_of, x, exact);
        out->oracle.n++;
    }
    return true;
}
