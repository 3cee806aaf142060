/* base_size.c - open sizes: interned polynomials over atoms.
 *
 * Takes  numbers and symbols. Gives sums, products, quotients, minima ... in one normal form, with observed values.
 * Keeps  terms sorted by degree (high first), then by atoms: an order that products keep, so that merging and long
 *        division walk both operands once.
 * Size   a signature has a handful of symbols; an expression a handful of terms; tables are hashed because a program
 *        may have 100,000 values.
 */
#include "base_size.h"

#include <string.h>

#include "base_print.h"

static bool add_checked(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
    *out = a + b;
    return true;
}

static bool mul_checked(int64_t a, int64_t b, int64_t *out)
{
    if (!a || !b) {
        *out = 0;
        return true;
    }
    if (a == INT64_MIN || b == INT64_MIN) return false; /* its magnitude has no int64 */
    int64_t x = a < 0 ? -a : a, y = b < 0 ? -b : b;
    if (x > INT64_MAX / y) return false;
    *out = (a < 0) != (b < 0) ? -(x * y) : x * y;
    return true;
}

static int too_large(einjit_error *err)
{
    return ej_fail(err, EINJIT_E_SIZE, "a size does not fit into 63 bits");
}

void ej_sizes_init(ej_sizes *table, ej_arena *arena)
{
    memset(table, 0, sizeof *table);
    table->arena = arena;
}

/* ---- polynomials ---- */

static int compare_monomials(const ej_monomial *a, const ej_monomial *b)
{
    if (a->n_atoms != b->n_atoms) return a->n_atoms > b->n_atoms ? -1 : 1;
    for (int32_t i = 0; i < a->n_atoms; i++)
        if (a->atoms[i] != b->atoms[i]) return a->atoms[i] < b->atoms[i] ? -1 : 1;
    return 0;
}

/* The terms of a size; a number's one term is written into *room. */
static ej_polynomial terms_of(const ej_sizes *table, ej_size a, ej_monomial *room)
{
    if (a.e) return table->exprs[a.e - 1];
    memset(room, 0, sizeof *room);
    room->coefficient = a.n;
    return (ej_polynomial){a.n != 0, room};
}

static int multiply_monomials(ej_monomial *out, const ej_monomial *a, const ej_monomial *b, einjit_error *err)
{
    memset(out, 0, sizeof *out);
    if (a->n_atoms + b->n_atoms > EJ_MONOMIAL_DEGREE)
        return ej_fail(err, EINJIT_E_LIMIT, "a product of more than %d open extents", EJ_MONOMIAL_DEGREE);
    if (!mul_checked(a->coefficient, b->coefficient, &out->coefficient)) return too_large(err);
    int32_t i = 0, j = 0, n = 0;
    while (i < a->n_atoms || j < b->n_atoms) {
        bool first = j == b->n_atoms || (i < a->n_atoms && a->atoms[i] <= b->atoms[j]);
        out->atoms[n++] = first ? a->atoms[i++] : b->atoms[j++];
    }
    out->n_atoms = n;
    return EINJIT_OK;
}

static int no_room(ej_sizes *table, einjit_error *err)
{
    table->no_memory = true;
    return ej_no_memory(err);
}

/* out = a + factor * b, into fresh memory of the arena. */
static int add_multiple(ej_sizes *table, ej_polynomial a, const ej_monomial *factor, ej_polynomial b,
                        ej_polynomial *out, einjit_error *err)
{
    if (a.n_terms + b.n_terms > EJ_POLYNOMIAL_TERMS)
        return ej_fail(err, EINJIT_E_LIMIT, "a size of more than %d terms", EJ_POLYNOMIAL_TERMS);
    ej_monomial *sum = EJ_NEW_ARRAY(table->arena, ej_monomial, (size_t)(a.n_terms + b.n_terms));
    if (!sum) return no_room(table, err);
    int32_t i = 0, j = 0, n = 0;
    ej_monomial next;
    if (b.n_terms) EJ_TRY(multiply_monomials(&next, factor, &b.terms[0], err));
    while (i < a.n_terms || j < b.n_terms) {
        int order = j == b.n_terms ? -1 : i == a.n_terms ? 1 : compare_monomials(&a.terms[i], &next);
        if (order < 0) {
            sum[n++] = a.terms[i++];
            continue;
        }
        sum[n] = next;
        if (!order && !add_checked(next.coefficient, a.terms[i++].coefficient, &sum[n].coefficient))
            return too_large(err);
        n += sum[n].coefficient != 0;
        if (++j < b.n_terms) EJ_TRY(multiply_monomials(&next, factor, &b.terms[j], err));
    }
    *out = (ej_polynomial){n, sum};
    return EINJIT_OK;
}

/* ---- interning ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t hash_polynomial(const ej_polynomial *p)
{
    uint64_t h = (uint64_t)p->n_terms;
    for (int32_t t = 0; t < p->n_terms; t++) {
        h = mix(h, (uint64_t)p->terms[t].coefficient);
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++) h = mix(h, (uint64_t)p->terms[t].atoms[i] + 1);
    }
    return h;
}

static uint64_t hash_atom(const ej_atom *atom)
{
    uint64_t h = mix(atom->kind, (uint64_t)atom->a.e);
    h = mix(h, atom->a.e ? 0 : (uint64_t)atom->a.n);
    h = mix(h, (uint64_t)atom->b.e);
    return mix(h, atom->b.e ? 0 : (uint64_t)atom->b.n);
}

static bool same_polynomial(const ej_polynomial *a, const ej_polynomial *b)
{
    if (a->n_terms != b->n_terms) return false;
    for (int32_t t = 0; t < a->n_terms; t++)
        if (a->terms[t].coefficient != b->terms[t].coefficient || compare_monomials(&a->terms[t], &b->terms[t]))
            return false;
    return true;
}

static bool same_atom(const ej_atom *a, const ej_atom *b)
{
    return a->kind == b->kind && ej_size_same(a->a, b->a) && ej_size_same(a->b, b->b);
}

/* Make `slots` at least twice as large as `count`, refilled by the caller when *grown. */
static bool grow_slots(ej_arena *arena, uint32_t **slots, size_t *n_slots, size_t count, bool *grown)
{
    *grown = false;
    if (*slots && 2 * (count + 1) <= *n_slots) return true;
    size_t n = 32;
    while (n < 4 * (count + 1)) n *= 2;
    *slots = EJ_NEW_ARRAY(arena, uint32_t, n);
    *n_slots = *slots ? n : 0;
    *grown = true;
    return *slots != NULL;
}

static void put_slot(uint32_t *slots, size_t n_slots, uint64_t hash, size_t index)
{
    size_t at = (size_t)hash & (n_slots - 1);
    while (slots[at]) at = (at + 1) & (n_slots - 1);
    slots[at] = (uint32_t)index + 1;
}

static bool expr_room(ej_sizes *table)
{
    bool grown;
    if (!grow_slots(table->arena, &table->expr_slots, &table->n_expr_slots, table->n_exprs, &grown)) return false;
    if (grown)
        for (size_t i = 0; i < table->n_exprs; i++)
            put_slot(table->expr_slots, table->n_expr_slots, hash_polynomial(&table->exprs[i]), i);
    return EJ_PUSH_ROOM(table->arena, table->exprs, table->cap_exprs, table->n_exprs);
}

static bool atom_room(ej_sizes *table)
{
    bool grown;
    if (!grow_slots(table->arena, &table->atom_slots, &table->n_atom_slots, table->n_atoms, &grown)) return false;
    if (grown)
        for (size_t i = table->n_symbols; i < table->n_atoms; i++)
            put_slot(table->atom_slots, table->n_atom_slots, hash_atom(&table->atoms[i]), i);
    return EJ_PUSH_ROOM(table->arena, table->atoms, table->cap_atoms, table->n_atoms);
}

/* The size of a polynomial whose terms may be kept; `observed` is its value. */
static int intern(ej_sizes *table, ej_polynomial p, int64_t observed, ej_size *out, einjit_error *err)
{
    if (!p.n_terms || !p.terms[0].n_atoms) { /* the constant term is the last one */
        *out = ej_size_number(p.n_terms ? p.terms[0].coefficient : 0);
        return EINJIT_OK;
    }
    if (!expr_room(table)) return no_room(table, err);
    uint64_t hash = hash_polynomial(&p);
    size_t mask = table->n_expr_slots - 1;
    for (size_t at = (size_t)hash & mask; table->expr_slots[at]; at = (at + 1) & mask) {
        uint32_t found = table->expr_slots[at];
        if (same_polynomial(&table->exprs[found - 1], &p)) {
            *out = (ej_size){observed, (int32_t)found};
            return EINJIT_OK;
        }
    }
    if (table->n_exprs >= INT32_MAX - 1) return ej_fail(err, EINJIT_E_LIMIT, "too many different sizes");
    put_slot(table->expr_slots, table->n_expr_slots, hash, table->n_exprs);
    table->exprs[table->n_exprs++] = p;
    *out = (ej_size){observed, (int32_t)table->n_exprs};
    return EINJIT_OK;
}

static int intern_atom(ej_sizes *table, size_t index, ej_size *out, einjit_error *err)
{
    ej_monomial *term = EJ_NEW(table->arena, ej_monomial);
    if (!term) return no_room(table, err);
    term->coefficient = 1;
    term->n_atoms = 1;
    term->atoms[0] = (int32_t)index;
    return intern(table, (ej_polynomial){1, term}, table->atoms[index].n, out, err);
}

int ej_sizes_symbol(ej_sizes *table, const char *name, int64_t observed, ej_size *out, einjit_error *err)
{
    if (observed < 0) return ej_fail(err, EINJIT_E_SIZE, "the extent '%s' is negative", name);
    if (table->n_atoms != table->n_symbols)
        return ej_fail(err, EINJIT_E_INTERNAL, "the symbol '%s' comes after a derived size", name);
    if (!atom_room(table)) return no_room(table, err);
    size_t index = table->n_atoms++;
    table->n_symbols++;
    table->atoms[index] = (ej_atom){.kind = EJ_ATOM_SYMBOL, .name = name, .n = observed, .nonnegative = true};
    return intern_atom(table, index, out, err);
}

/* ---- arithmetic ---- */

static int add_scaled(ej_sizes *table, ej_size a, int64_t scale, ej_size b, ej_size *out, einjit_error *err)
{
    int64_t n;
    if (!mul_checked(scale, b.n, &n) || !add_checked(a.n, n, &n)) return too_large(err);
    if (!a.e && !b.e) {
        *out = ej_size_number(n);
        return EINJIT_OK;
    }
    if (ej_size_is(b, 0)) {
        *out = a;
        return EINJIT_OK;
    }
    ej_monomial one = {.coefficient = scale}, room_a, room_b;
    ej_polynomial sum;
    EJ_TRY(add_multiple(table, terms_of(table, a, &room_a), &one, terms_of(table, b, &room_b), &sum, err));
    return intern(table, sum, n, out, err);
}

int ej_size_add(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    return ej_size_is(a, 0) ? (*out = b, EINJIT_OK) : add_scaled(table, a, 1, b, out, err);
}

int ej_size_sub(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    return add_scaled(table, a, -1, b, out, err);
}

int ej_size_mul(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    int64_t n;
    if (!mul_checked(a.n, b.n, &n)) return too_large(err);
    if ((!a.e && !b.e) || ej_size_is(a, 0) || ej_size_is(b, 0)) {
        *out = ej_size_number(n);
        return EINJIT_OK;
    }
    if (ej_size_is(a, 1) || ej_size_is(b, 1)) {
        *out = a.e ? a : b;
        return EINJIT_OK;
    }
    ej_monomial room_a, room_b;
    ej_polynomial p = terms_of(table, a, &room_a), q = terms_of(table, b, &room_b), product = {0, NULL};
    for (int32_t t = 0; t < p.n_terms; t++) EJ_TRY(add_multiple(table, product, &p.terms[t], q, &product, err));
    return intern(table, product, n, out, err);
}

static bool is_nonnegative(const ej_sizes *table, ej_size a)
{
    if (!a.e) return a.n >= 0;
    const ej_polynomial *p = &table->exprs[a.e - 1];
    for (int32_t t = 0; t < p->n_terms; t++) {
        if (p->terms[t].coefficient < 0) return false;
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++)
            if (!table->atoms[p->terms[t].atoms[i]].nonnegative) return false;
    }
    return true;
}

static int derive(ej_sizes *table, ej_atom atom, ej_size *out, einjit_error *err)
{
    if (!atom_room(table)) return no_room(table, err);
    uint64_t hash = hash_atom(&atom);
    size_t mask = table->n_atom_slots - 1;
    for (size_t at = (size_t)hash & mask; table->atom_slots[at]; at = (at + 1) & mask) {
        size_t found = table->atom_slots[at] - 1;
        if (same_atom(&table->atoms[found], &atom)) return intern_atom(table, found, out, err);
    }
    if (table->n_atoms >= INT32_MAX - 1) return ej_fail(err, EINJIT_E_LIMIT, "too many derived sizes");
    put_slot(table->atom_slots, table->n_atom_slots, hash, table->n_atoms);
    table->atoms[table->n_atoms++] = atom;
    return intern_atom(table, table->n_atoms - 1, out, err);
}

/* The larger or the smaller one: decided now where the difference has one sign for every value of the symbols. */
static int choose(ej_sizes *table, bool larger, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    ej_size above, below;
    EJ_TRY(ej_size_sub(table, a, b, &above, err));
    EJ_TRY(ej_size_sub(table, b, a, &below, err));
    if (is_nonnegative(table, above) || is_nonnegative(table, below)) {
        *out = is_nonnegative(table, above) == larger ? a : b;
        return EINJIT_OK;
    }
    if (a.e > b.e) { /* one spelling */
        ej_size swap = a;
        a = b;
        b = swap;
    }
    bool positive_a = is_nonnegative(table, a), positive_b = is_nonnegative(table, b);
    ej_atom atom = {.kind = larger ? EJ_ATOM_MAX : EJ_ATOM_MIN,
                    .a = a,
                    .b = b,
                    .n = (a.n > b.n) == larger ? a.n : b.n,
                    .nonnegative = larger ? positive_a || positive_b : positive_a && positive_b};
    return derive(table, atom, out, err);
}

int ej_size_min(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    return choose(table, false, a, b, out, err);
}

int ej_size_max(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err)
{
    return choose(table, true, a, b, out, err);
}

static bool all_divisible(const ej_sizes *table, ej_size a, int64_t b)
{
    const ej_polynomial *p = &table->exprs[a.e - 1];
    for (int32_t t = 0; t < p->n_terms; t++)
        if (p->terms[t].coefficient % b) return false;
    return true;
}

static bool round_up(int64_t a, int64_t b, int64_t *quotient, int64_t *aligned)
{
    *quotient = a / b + (a % b > 0);
    return mul_checked(*quotient, b, aligned);
}

int ej_size_ceil_div(ej_sizes *table, ej_size a, int64_t b, ej_size *out, einjit_error *err)
{
    int64_t n, aligned;
    if (a.n < 0 || b < 1) return ej_fail(err, EINJIT_E_INTERNAL, "a quotient of negative sizes");
    n = a.n / b + (a.n % b > 0);
    if (b == 1 || !a.e) {
        *out = b == 1 ? a : ej_size_number(n);
        return EINJIT_OK;
    }
    if (all_divisible(table, a, b) && ej_size_divide(table, a, ej_size_number(b), out)) return EINJIT_OK;
    if (!round_up(a.n, b, &n, &aligned)) return too_large(err);
    ej_atom atom = {.kind = EJ_ATOM_CEIL_DIV, .a = a, .b = ej_size_number(b), .n = n, .nonnegative = true};
    return derive(table, atom, out, err);
}

int ej_size_align(ej_sizes *table, ej_size a, int64_t b, ej_size *out, einjit_error *err)
{
    int64_t n, aligned;
    if (a.n < 0 || b < 1) return ej_fail(err, EINJIT_E_INTERNAL, "an alignment of negative sizes");
    if (!round_up(a.n, b, &n, &aligned)) return too_large(err);
    if (!a.e || b == 1 || all_divisible(table, a, b)) {
        *out = a.e ? a : ej_size_number(aligned);
        return EINJIT_OK;
    }
    ej_atom atom = {.kind = EJ_ATOM_ALIGN, .a = a, .b = ej_size_number(b), .n = aligned, .nonnegative = true};
    return derive(table, atom, out, err);
}

/* ---- values ---- */

/* atoms NULL: the observed values. */
static bool evaluate_polynomial(const ej_sizes *table, const ej_polynomial *p, const int64_t *atoms, int64_t *out)
{
    int64_t sum = 0;
    for (int32_t t = 0; t < p->n_terms; t++) {
        int64_t product = p->terms[t].coefficient;
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++) {
            int32_t atom = p->terms[t].atoms[i];
            if (!mul_checked(product, atoms ? atoms[atom] : table->atoms[atom].n, &product)) return false;
        }
        if (!add_checked(sum, product, &sum)) return false;
    }
    *out = sum;
    return true;
}

bool ej_size_evaluate(const ej_sizes *table, ej_size size, const int64_t *atoms, int64_t *out)
{
    if (size.e) return evaluate_polynomial(table, &table->exprs[size.e - 1], atoms, out);
    *out = size.n;
    return true;
}

static bool evaluate_atom(const ej_sizes *table, const ej_atom *atom, const int64_t *atoms, int64_t *out)
{
    int64_t a, b, quotient;
    if (!ej_size_evaluate(table, atom->a, atoms, &a) || !ej_size_evaluate(table, atom->b, atoms, &b)) return false;
    switch (atom->kind) {
    case EJ_ATOM_MIN: *out = a < b ? a : b; return true;
    case EJ_ATOM_MAX: *out = a > b ? a : b; return true;
    case EJ_ATOM_ALIGN: return a >= 0 && round_up(a, b, &quotient, out);
    default: *out = a / b + (a % b > 0); return a >= 0;
    }
}

bool ej_sizes_evaluate(const ej_sizes *table, const int64_t *symbols, int64_t *atoms)
{
    for (size_t i = 0; i < table->n_symbols; i++) {
        if (symbols[i] < 0) return false;
        atoms[i] = symbols[i];
    }
    for (size_t i = table->n_symbols; i < table->n_atoms; i++)
        if (!evaluate_atom(table, &table->atoms[i], atoms, &atoms[i])) return false;
    return true;
}

/* ---- division ---- */

static bool divide_monomials(ej_monomial *out, const ej_monomial *a, const ej_monomial *b)
{
    if (b->coefficient == -1 && a->coefficient == INT64_MIN) return false;
    if (a->coefficient % b->coefficient) return false;
    memset(out, 0, sizeof *out);
    out->coefficient = a->coefficient / b->coefficient;
    int32_t j = 0;
    for (int32_t i = 0; i < a->n_atoms; i++) {
        if (j < b->n_atoms && a->atoms[i] == b->atoms[j]) j++;
        else out->atoms[out->n_atoms++] = a->atoms[i];
    }
    return j == b->n_atoms;
}

/* Long division: the leading terms divide each time, or b does not divide a. */
bool ej_size_divide(ej_sizes *table, ej_size a, ej_size b, ej_size *out)
{
    if (!a.e && !b.e) {
        if (!b.n || (b.n == -1 && a.n == INT64_MIN) || a.n % b.n) return false;
        *out = ej_size_number(a.n / b.n);
        return true;
    }
    if (ej_size_is(b, 0)) return false;
    if (ej_size_same(a, b)) {
        *out = ej_size_number(1);
        return true;
    }
    ej_monomial room_a, room_b, one = {.coefficient = 1};
    ej_polynomial rest = terms_of(table, a, &room_a), by = terms_of(table, b, &room_b), quotient = {0, NULL};
    while (rest.n_terms) {
        ej_monomial term;
        if (!divide_monomials(&term, &rest.terms[0], &by.terms[0])) return false;
        ej_polynomial single = {1, &term};
        if (add_multiple(table, quotient, &one, single, &quotient, NULL)) return false;
        if (term.coefficient == INT64_MIN) return false;
        term.coefficient = -term.coefficient;
        if (add_multiple(table, rest, &term, by, &rest, NULL)) return false;
    }
    int64_t n;
    ej_size result;
    if (!evaluate_polynomial(table, &quotient, NULL, &n) || intern(table, quotient, n, &result, NULL)) return false;
    *out = result;
    return true;
}

/* ---- text ---- */

enum { PRINT_DEPTH = 3 };
static void print_nested(ej_text *text, const ej_sizes *table, ej_size size, int depth);

static void print_atom(ej_text *text, const ej_sizes *table, int32_t index, int depth)
{
    static const char *const words[] = {"", "min", "max", "ceil_div", "align"};
    const ej_atom *atom = &table->atoms[index];
    if (atom->kind == EJ_ATOM_SYMBOL) {
        ej_print(text, "%s", atom->name);
    } else if (depth >= PRINT_DEPTH) {
        ej_print(text, "@%d", (int)index);
    } else {
        ej_print(text, "%s(", words[atom->kind]);
        print_nested(text, table, atom->a, depth + 1);
        ej_print(text, ", ");
        print_nested(text, table, atom->b, depth + 1);
        ej_print(text, ")");
    }
}

static void print_nested(ej_text *text, const ej_sizes *table, ej_size size, int depth)
{
    if (!size.e) {
        ej_print(text, "%lld", (long long)size.n);
        return;
    }
    const ej_polynomial *p = &table->exprs[size.e - 1];
    for (int32_t t = 0; t < p->n_terms; t++) {
        const ej_monomial *m = &p->terms[t];
        uint64_t magnitude = m->coefficient < 0 ? 0 - (uint64_t)m->coefficient : (uint64_t)m->coefficient;
        ej_print(text, "%s", m->coefficient < 0 ? (t ? " - " : "-") : (t ? " + " : ""));
        if (magnitude != 1 || !m->n_atoms)
            ej_print(text, "%llu%s", (unsigned long long)magnitude, m->n_atoms ? "*" : "");
        for (int32_t i = 0; i < m->n_atoms; i++) {
            if (i) ej_print(text, "*");
            print_atom(text, table, m->atoms[i], depth);
        }
    }
}

void ej_size_print(ej_text *text, const ej_sizes *table, ej_size size)
{
    print_nested(text, table, size, 0);
}
