/* gen_contract_op.c - operations of the contract's programs: each writes itself, computes its elements, and says what
 * products they are.
 */
#include "gen_contract_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static value *new_value(writer *w, int rank)
{
    if (w->n_values == MOST_VALUES) w->failed = true;
    value *v = &w->values[w->n_values < MOST_VALUES ? w->n_values++ : MOST_VALUES - 1];
    memset(v, 0, sizeof *v);
    v->rank = rank;
    v->n = rank == 2 ? N * N : rank == 1 ? N : 1;
    return v;
}

void contract_measure(value *v)
{
    v->low = 1e9;
    v->high = -1e9;
    for (int i = 0; i < v->n; i++) {
        long double size = hypotl(v->e[i].re, v->e[i].im);
        if (size == 0) continue;
        v->low = fmin(v->low, (double)log2l(size));
        v->high = fmax(v->high, (double)log2l(size));
    }
}

static uint32_t new_factor(writer *w, double low, double high, bool number)
{
    if (w->n_factors == 32) {
        w->failed = true;
        return 0;
    }
    w->factors[w->n_factors] = (factor){low, high, number};
    return UINT32_C(1) << w->n_factors++;
}

/* All that v is made of once more, for another place in a product; below: as divisors. */
static uint32_t again(writer *w, uint32_t factors, bool below)
{
    uint32_t out = 0;
    for (int f = 0; f < 32; f++) {
        if (!(factors >> f & 1)) continue;
        factor x = w->factors[f];
        out |= below ? new_factor(w, -x.high, -x.low, x.number) : new_factor(w, x.low, x.high, x.number);
    }
    return out;
}

int contract_count(uint32_t set)
{
    int n = 0;
    for (; set; set &= set - 1) n++;
    return n;
}

/* The products of a times those of b (of 1 / b). */
static void multiply_products(writer *w, value *out, const value *a, const value *b, bool below, double summed)
{
    product products[MOST_TERMS];
    int n = 0;
    if (a->n_products * b->n_products > MOST_TERMS || (below && b->n_products != 1)) w->failed = true;
    for (int i = 0; i < a->n_products && !w->failed; i++)
        for (int k = 0; k < b->n_products; k++) {
            uint32_t other = b->products[k].factors;
            if (below || other & a->products[i].factors) other = again(w, other, below);
            products[n] =
                (product){a->products[i].factors | other, a->products[i].summed + b->products[k].summed + summed};
            if (contract_count(products[n++].factors) > MOST_FACTORS) w->failed = true;
        }
    out->n_products = n;
    memcpy(out->products, products, (size_t)n * sizeof *products);
}

static void same_products(value *out, const value *a, double summed)
{
    out->n_products = a->n_products;
    memcpy(out->products, a->products, sizeof out->products);
    for (int i = 0; i < out->n_products; i++) out->products[i].summed += summed;
}

/* ---- numbers ---- */

static oracle_element times(oracle_element a, oracle_element b)
{
    oracle_element out = {.re = a.re * b.re, .im = 0, .mass = a.mass * b.mass};
    if (a.im == 0 && b.im == 0) return out;
    out.re = a.re * b.re - a.im * b.im;
    out.im = a.re * b.im + a.im * b.re;
    return out;
}

static oracle_element over(oracle_element a, oracle_element b)
{
    long double size = b.re * b.re + b.im * b.im, d = hypotl(b.re, b.im);
    if (b.im == 0) return (oracle_element){.re = a.re / b.re, .im = a.im / b.re, .mass = a.mass * (b.mass / d) / d};
    return (oracle_element){.re = (a.re * b.re + a.im * b.im) / size,
                            .im = (a.im * b.re - a.re * b.im) / size,
                            .mass = a.mass * (b.mass / d) / d};
}

static void add_to(oracle_element *sum, oracle_element x)
{
    sum->re += x.re;
    sum->im += x.im;
    sum->mass += x.mass;
}

/* One of the program's parameters. `like`: log2 of the size that it multiplies; it often brings that back to where
 * there is room. */
value *contract_parameter(writer *w, int rank, double like)
{
    static const int64_t shape[2] = {N, N};
    static const char *const suffix[] = {"[()]", "[3]", "[3, 3]"};
    gen_program *p = w->p;
    if (p->n_in == GEN_MAX_INPUTS) {
        w->failed = true;
        return &w->values[0];
    }
    value *v = new_value(w, rank);
    double room = top(w) - bottom(w), at = uniform(&w->r, bottom(w) + 0.02 * room, top(w) - 0.02 * room);
    if (gen_chance(&w->r, 75)) at = uniform(&w->r, -0.4 * room, 0.4 * room) - like;
    if (gen_chance(&w->r, 20)) at = uniform(&w->r, -3, 3);
    if (w->aims) at = -like + uniform(&w->r, -2, 2);
    at = fmax(bottom(w) + 1, fmin(at, top(w) - 2));
    bool negative = gen_chance(&w->r, 20);
    if (!gen_tensor_make(&p->in[p->n_in], &w->r, w->dtype, rank, shape, GEN_ROW_MAJOR)) exit(1);
    gen_tensor *t = &p->in[p->n_in++];
    size_t bytes = ej_dtypes[w->dtype].bytes;
    for (int i = 0; i < v->n; i++) {
        double x = exp2(at) * uniform(&w->r, 1, 2), y = ej_dtype_is_complex(w->dtype) ? x * uniform(&w->r, 0, 1) : 0;
        if (negative) x = -x;
        if (w->zeros)
            x = rank ? gen_below(&w->r, 3) - 1 : (gen_chance(&w->r, 60) ? -1 : 1) * exp2(gen_below(&w->r, 3) - 1);
        if (w->zeros && x == 0 && gen_chance(&w->r, 30)) x = -0.0;
        if (is_wide(w)) memcpy((char *)t->view.data + bytes * (size_t)i, (double[]){x, y}, bytes);
        else memcpy((char *)t->view.data + bytes * (size_t)i, (float[]){(float)x, (float)y}, bytes);
        v->e[i] = oracle_read(&t->view, i);
        v->e[i].mass = hypotl(v->e[i].re, v->e[i].im);
    }
    snprintf(v->name, sizeof v->name, "%s%d", rank ? "x" : "s", (int)p->n_in);
    gen_append(w->params, sizeof w->params, "%s%s: %s%s", p->n_in > 1 ? ", " : "", v->name, einjit_dtype_name(w->dtype),
               suffix[rank]);
    contract_measure(v);
    v->n_products = 1;
    v->products[0] = (product){new_factor(w, v->low, v->high, !rank), 0};
    return v;
}

/* ---- operations ---- */

value *contract_result(writer *w, int rank)
{
    value *v = new_value(w, rank);
    snprintf(v->name, sizeof v->name, "v%d", w->n_values);
    SAY(w, "    %s = ", v->name);
    w->roundings += 8;
    return v;
}

void contract_scale_by(writer *w, const value *v, double x, bool divides)
{
    bool moves = fabs(log2(fabs(x))) <= reach(w);
    value *out = contract_result(w, v->rank);
    SAY(w, divides ? "%s / %.17g\n" : gen_chance(&w->r, 50) ? "%s * %.17g\n" : "%s * (%.17g)\n", v->name, x);
    oracle_element number = {.re = x, .mass = fabs(x)};
    for (int i = 0; i < v->n; i++) out->e[i] = divides ? over(v->e[i], number) : times(v->e[i], number);
    same_products(out, v, 0);
    if (moves) {
        w->moving |= fabs(x) != 1;
        return;
    }
    double size = divides ? -log2(fabs(x)) : log2(fabs(x));
    uint32_t own = new_factor(w, size, size, true);
    for (int i = 0; i < out->n_products; i++) {
        out->products[i].factors |= own;
        if (contract_count(out->products[i].factors) > MOST_FACTORS) w->failed = true;
    }
}

static void scale(writer *w, const value *v)
{
    static const double exact[] = {2, 0.5, -1, -2, 4, 0.25, 1};
    double x = exact[gen_below(&w->r, 7)];
    if (!w->zeros) {
        double most = gen_chance(&w->r, 8) ? 90 : gen_chance(&w->r, 50) ? reach(w) - 0.5 : reach(w) / 3;
        x = exp2(uniform(&w->r, -most, most));
        if (gen_chance(&w->r, 30)) x = exp2(floor(log2(x)));
        if (gen_chance(&w->r, 15)) x = -x;
    }
    contract_scale_by(w, v, x, gen_chance(&w->r, 25));
}

static void negate(writer *w, const value *v)
{
    value *out = contract_result(w, v->rank);
    SAY(w, "-%s\n", v->name);
    for (int i = 0; i < v->n; i++)
        out->e[i] = (oracle_element){.re = -v->e[i].re, .im = -v->e[i].im, .mass = v->e[i].mass};
    same_products(out, v, 0);
}

static double size_of(const value *v)
{
    return v->low > v->high ? 0 : (v->low + v->high) / 2;
}

/* A parameter of rank 0, often one that is there. */
static const value *number(writer *w, double like)
{
    for (int tries = 0; tries < 6 && gen_chance(&w->r, 75); tries++) {
        const value *v = &w->values[gen_below(&w->r, w->n_values)];
        if (!v->rank && v->name[0] == 's') return v;
    }
    return contract_parameter(w, 0, like);
}

void contract_by_number(writer *w, const value *v)
{
    bool divides = gen_chance(&w->r, 25), same = w->last_number && gen_chance(&w->r, 50);
    const value *s = same ? &w->values[w->last_number] : number(w, divides ? -size_of(v) : size_of(v));
    w->last_number = (int)(s - w->values);
    value *out = contract_result(w, v->rank);
    if (divides) SAY(w, "%s / %s\n", v->name, s->name);
    else if (gen_chance(&w->r, 50)) SAY(w, "%s * %s\n", s->name, v->name);
    else SAY(w, "%s * %s\n", v->name, s->name);
    for (int i = 0; i < v->n; i++) out->e[i] = divides ? over(v->e[i], s->e[0]) : times(v->e[i], s->e[0]);
    multiply_products(w, out, v, s, divides, 0);
}

/* einsum of a and b (NULL: of a alone) over labels i, j, k. */
void contract_einsum(writer *w, const char *equation, const value *a, const value *b)
{
    const char *comma = strchr(equation, ','), *left = equation, *right = comma ? comma + 1 : NULL;
    const char *out = strchr(equation, '>') + 1;
    value *v = contract_result(w, (int)strlen(out));
    if (!strcmp(equation, "ij,jk->ik") && gen_chance(&w->r, 50)) SAY(w, "%s @ %s\n", a->name, b->name);
    else if (!strcmp(equation, "ij,ij->ij") && gen_chance(&w->r, 50)) SAY(w, "%s * %s\n", a->name, b->name);
    else if (!strcmp(equation, "ij->") && gen_chance(&w->r, 50)) SAY(w, "%s.sum()\n", a->name);
    else if (!strcmp(equation, "ij->i") && gen_chance(&w->r, 50)) SAY(w, "%s.sum(1)\n", a->name);
    else if (b) SAY(w, "einsum(\"%s\", %s, %s)\n", equation, a->name, b->name);
    else SAY(w, "einsum(\"%s\", %s)\n", equation, a->name);
    int summed = 0;
    for (const char *l = "ijk"; *l; l++) summed += strchr(equation, *l) && !strchr(out, *l);
    int terms = summed == 3 ? 27 : summed == 2 ? 9 : summed ? 3 : 1;
    for (int at = 0; at < 27; at++) {
        int index[3] = {at / 9, at / 3 % 3, at % 3}, x = 0, y = 0, o = 0;
        bool mine = true;
        for (int l = 0; l < 3; l++) mine &= strchr(equation, 'i' + l) || !index[l];
        for (const char *c = left; *c != ',' && *c != '-'; c++) x = x * N + index[*c - 'i'];
        for (const char *c = right; c && *c != '-'; c++) y = y * N + index[*c - 'i'];
        for (const char *c = out; *c; c++) o = o * N + index[*c - 'i'];
        if (!mine) continue;
        oracle_element p = b ? times(a->e[x], b->e[y]) : a->e[x];
        if (terms == 1) v->e[o] = p;
        else add_to(&v->e[o], p); /* from 0.0 */
    }
    if (b) multiply_products(w, v, a, b, false, log2(terms));
    else same_products(v, a, log2(terms));
}

const value *contract_of_rank(writer *w, int rank, double like)
{
    for (int tries = 0; tries < 6 && gen_chance(&w->r, 60); tries++) {
        const value *v = &w->values[gen_below(&w->r, w->n_values)];
        if (v->rank == rank) return v;
    }
    return contract_parameter(w, rank, like);
}

static void contract(writer *w, const value *v)
{
    static const char *const two[] = {"ij,jk->ik", "ij,kj->ki", "ij,ij->ij", "ij,jk->ik", "ij,ij->j", "ij,ik->jk"};
    static const char *const one[] = {"ij,j->i", "ij,i->ij", "ij,j->ij", "ij,i->"};
    bool matrix = gen_chance(&w->r, 60);
    const value *other = contract_of_rank(w, matrix ? 2 : 1, size_of(v));
    const char *equation = matrix ? ",ij->ij" : ",i->i";
    if (v->rank == 2) equation = matrix ? two[gen_below(&w->r, 6)] : one[gen_below(&w->r, 4)];
    else if (v->rank == 1 && matrix) equation = gen_chance(&w->r, 50) ? "i,ij->j" : "i,ij->ij";
    else if (v->rank == 1) equation = gen_chance(&w->r, 70) ? "i,i->i" : gen_chance(&w->r, 50) ? "i,j->ij" : "i,i->";
    contract_einsum(w, equation, v, other);
}

static void rearrange(writer *w, const value *v)
{
    static const char *const of_two[] = {"ij->ji", "ij->i", "ij->j", "ij->"};
    if (v->rank == 2) contract_einsum(w, of_two[gen_below(&w->r, 4)], v, NULL);
    if (v->rank == 1) contract_einsum(w, "i->", v, NULL);
}

static void divide(writer *w, const value *v)
{
    const value *y = v->rank ? contract_of_rank(w, v->rank, -size_of(v)) : number(w, -size_of(v));
    if (y->n_products != 1 || w->zeros) return;
    value *out = contract_result(w, v->rank);
    SAY(w, "%s / %s\n", v->name, y->name);
    for (int i = 0; i < v->n; i++) out->e[i] = over(v->e[i], y->e[i]);
    multiply_products(w, out, v, y, true, 0);
}

static void add(writer *w, const value *v)
{
    const value *y = contract_of_rank(w, v->rank, 0);
    bool minus = gen_chance(&w->r, 40);
    if (v->n_products + y->n_products > MOST_TERMS || v->name[0] == 's' || y->name[0] == 's') return;
    value *out = contract_result(w, v->rank);
    SAY(w, "%s %c %s\n", v->name, minus ? '-' : '+', y->name);
    for (int i = 0; i < v->n; i++) {
        oracle_element other = y->e[i];
        out->e[i] = v->e[i];
        if (minus) other.re = -other.re, other.im = -other.im;
        add_to(&out->e[i], other);
    }
    same_products(out, v, 1); /* what is added up first may be twice as large */
    for (int k = 0; k < y->n_products; k++) {
        out->products[out->n_products] = y->products[k];
        out->products[out->n_products++].summed++;
    }
}

/* a*c + b*c, over factors of its own: what distributes. */
void contract_add_products(writer *w, const value *v)
{
    static const char *const equations[] = {"ij,jk->ik", "ij,ij->ij", "ij,j->i"};
    int which = gen_below(&w->r, 3);
    if (v->rank != 2) return;
    int first = (int)(v - w->values);
    const value *c = contract_of_rank(w, which == 2 ? 1 : 2, size_of(v)), *b = contract_of_rank(w, 2, size_of(c));
    contract_einsum(w, equations[which], &w->values[first], c);
    int x = w->n_values - 1;
    if (gen_chance(&w->r, 30)) scale(w, &w->values[x]), x = w->n_values - 1;
    contract_einsum(w, equations[which], b, c);
    int y = w->n_values - 1;
    if (w->values[x].n_products + w->values[y].n_products > MOST_TERMS) return;
    const value *p = &w->values[x], *q = &w->values[y];
    value *out = contract_result(w, p->rank);
    bool minus = gen_chance(&w->r, 50);
    SAY(w, "%s %c %s\n", p->name, minus ? '-' : '+', q->name);
    for (int i = 0; i < p->n; i++) {
        oracle_element other = q->e[i];
        out->e[i] = p->e[i];
        if (minus) other.re = -other.re, other.im = -other.im;
        add_to(&out->e[i], other);
    }
    same_products(out, p, 1);
    for (int k = 0; k < q->n_products; k++) {
        out->products[out->n_products] = q->products[k];
        out->products[out->n_products++].summed++;
    }
}

/* Rows gathered, or added up; what gets nothing is 0.0. */
void contract_by_index(writer *w, const value *v)
{
    static const int64_t shape[1] = {N};
    gen_program *p = w->p;
    bool scatters = gen_chance(&w->r, 60);
    if (!v->rank || p->n_in == GEN_MAX_INPUTS) return;
    if (!gen_tensor_make(&p->in[p->n_in], &w->r, EINJIT_I64, 1, shape, GEN_ROW_MAJOR)) exit(1);
    gen_tensor *t = &p->in[p->n_in];
    p->index_below[p->n_in++] = N;
    gen_tensor_set_index(t, &w->r, N);
    gen_append(w->params, sizeof w->params, "%si%d: i64[3]", p->n_in > 1 ? ", " : "", (int)p->n_in);
    value *out = contract_result(w, v->rank);
    if (scatters) SAY(w, "index_add(3, 0, i%d, %s)\n", (int)p->n_in, v->name);
    else SAY(w, "index_select(%s, 0, i%d)\n", v->name, (int)p->n_in);
    int row = v->n / N;
    for (int i = 0; i < N; i++) {
        int to = (int)oracle_read(&t->view, i).i;
        for (int k = 0; k < row; k++)
            if (scatters) add_to(&out->e[to * row + k], v->e[i * row + k]);
            else out->e[i * row + k] = v->e[to * row + k];
    }
    same_products(out, v, scatters ? log2(N) : 0);
}

void contract_step(writer *w)
{
    int at = gen_chance(&w->r, 75) ? w->n_values - 1 : gen_below(&w->r, w->n_values), before = w->n_values;
    int roll = gen_below(&w->r, 100);
    const value *v = &w->values[at];
    if (roll < 22) scale(w, v);
    else if (roll < 42) contract_by_number(w, v);
    else if (roll < (w->zeros ? 50 : 44)) negate(w, v);
    else if (roll < 68) contract(w, v);
    else if (roll < 76) rearrange(w, v);
    else if (roll < 80) divide(w, v);
    else if (roll < 85) add(w, v);
    else if (roll < 89) contract_add_products(w, v);
    else contract_by_index(w, v);
    for (int i = before; i < w->n_values; i++) contract_measure(&w->values[i]);
}
