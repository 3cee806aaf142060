/* base_size.h - sizes that may stay open: numbers, or polynomials over the open extents of a signature.
 *
 * Every ej_size carries the value observed at compile time, so cost models and choices read .n and never care;
 * only code that must hold for every size looks at .e.
 *
 * A table holds *atoms* and *expressions*. Atoms are open symbols (in order of first appearance) or derived
 * quantities that are not polynomial (min, max, ceiling division, alignment), each defined by sizes that only use
 * earlier atoms. An expression is a polynomial: a sum of coefficient * product of atoms, in one normal form, interned,
 * so that two sizes are equal for every value of the symbols whenever their (e, and n if e is 0) are.
 */
#ifndef EJ_BASE_SIZE_H
#define EJ_BASE_SIZE_H

#include "base_diag.h"
#include "base_memory.h"

typedef struct ej_size {
    int64_t n; /* the number (e == 0), or the value observed at compile time */
    int32_t e; /* 0: a number; else 1 + index into the table's expressions */
} ej_size;

enum ej_atom_kind { EJ_ATOM_SYMBOL, EJ_ATOM_MIN, EJ_ATOM_MAX, EJ_ATOM_CEIL_DIV, EJ_ATOM_ALIGN };
typedef struct ej_atom {
    uint8_t kind;
    const char *name; /* of a symbol */
    /* operands of a derived atom: MIN(a,b), MAX(a,b), CEIL_DIV(a / b), ALIGN(a up to a multiple of b) */
    ej_size a, b;
    int64_t n;        /* observed value */
    bool nonnegative; /* for every value of the symbols; symbols are extents */
} ej_atom;

enum { EJ_MONOMIAL_DEGREE = 8, EJ_POLYNOMIAL_TERMS = 1024 }; /* E_LIMIT beyond them */
typedef struct ej_monomial {
    int64_t coefficient;               /* not 0 */
    int32_t n_atoms;                   /* 0: the constant term */
    int32_t atoms[EJ_MONOMIAL_DEGREE]; /* ascending, repeats for powers */
} ej_monomial;
typedef struct ej_polynomial {
    int32_t n_terms;
    ej_monomial *terms; /* in one order, no two alike */
} ej_polynomial;

typedef struct ej_sizes {
    ej_arena *arena;
    size_t n_symbols; /* atoms[0 .. n_symbols) are the open symbols */
    size_t n_atoms, cap_atoms;
    ej_atom *atoms;
    size_t n_exprs, cap_exprs;
    ej_polynomial *exprs;
    uint32_t *expr_slots, *atom_slots; /* look-up tables, 1 + index; made again where NULL: copies that only */
    size_t n_expr_slots, n_atom_slots; /* evaluate leave them out */
    bool no_memory;                    /* sticks: also where a caller took a failure for "not possible" and went on */
} ej_sizes;

void ej_sizes_init(ej_sizes *table, ej_arena *arena);
/* All symbols must be added before any derived atom. */
int ej_sizes_symbol(ej_sizes *table, const char *name, int64_t observed, ej_size *out, einjit_error *err);

static inline ej_size ej_size_number(int64_t n)
{
    return (ej_size){n, 0};
}
static inline bool ej_size_is(ej_size a, int64_t n) /* the number n, whatever the symbols are */
{
    return !a.e && a.n == n;
}
static inline bool ej_size_same(ej_size a, ej_size b)
{
    return a.e == b.e && (a.e || a.n == b.n);
}

/* The greatest common divisor; of 0 and a number: that number. */
static inline uint64_t ej_gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Observed values and coefficients are checked: E_SIZE on overflow of 63 bits. Values may be negative (strides). */
int ej_size_add(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err);
int ej_size_sub(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err);
int ej_size_mul(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err);
int ej_size_min(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err);
int ej_size_max(ej_sizes *table, ej_size a, ej_size b, ej_size *out, einjit_error *err);
int ej_size_ceil_div(ej_sizes *table, ej_size a, int64_t b, ej_size *out, einjit_error *err); /* a >= 0, b >= 1 */
/* a >= 0, b a power of 2 */
int ej_size_align(ej_sizes *table, ej_size a, int64_t b, ej_size *out, einjit_error *err);
/* a / b where b divides a as polynomials (every monomial): false when it does not, *out unchanged. */
bool ej_size_divide(ej_sizes *table, ej_size a, ej_size b, ej_size *out);

/* Values of all atoms for given symbols (n_symbols values); false on overflow or on a negative extent. */
bool ej_sizes_evaluate(const ej_sizes *table, const int64_t *symbols, int64_t *atoms);
/* One size from the atoms' values; false on overflow. */
bool ej_size_evaluate(const ej_sizes *table, ej_size size, const int64_t *atoms, int64_t *out);

struct ej_text;
/* "12", "z", "4*z + 3" - for dumps, keys and programs. Derived atoms print as min(z, 4), ..., and as @<index> where
 * they are nested deeper than three levels. */
void ej_size_print(struct ej_text *text, const ej_sizes *table, ej_size size);

#endif
