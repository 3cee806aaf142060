/* gen_contract_core.h - inside of the contract's generator: values and operations over them. */
#ifndef TEST_GEN_CONTRACT_CORE_H
#define TEST_GEN_CONTRACT_CORE_H

#include <math.h>

#include "gen_contract.h"
#include "gen_written.h"

enum { N = 3, MOST_ELEMENTS = N * N, MOST_VALUES = 48, MOST_FACTORS = 11, MOST_TERMS = 4 };

typedef struct factor {
    double low, high; /* log2 of the least and the largest size */
    bool number;      /* of rank 0 */
} factor;

typedef struct product {
    uint32_t factors; /* a set of the program's */
    double summed;    /* log2 of the terms that were summed */
} product;

typedef struct value {
    char name[12];
    int rank, n;
    oracle_element e[MOST_ELEMENTS]; /* re, im, mass */
    int n_products;                  /* 0: has too many */
    product products[MOST_TERMS];
    double low, high; /* of its sizes: low > high when all are zero */
} value;

typedef struct writer {
    gen_random r;
    gen_program *p;
    int dtype;
    bool zeros, moving; /* moving: there are numbers that move */
    int last_number;    /* the value that multiplied last; 0: none */
    char params[1500], body[3000];
    int n_values, n_factors, roundings;
    value values[MOST_VALUES];
    factor factors[32];
    bool aims, failed; /* aims: parameters are of the size that is asked for */
} writer;

#define SAY(w, ...) gen_append((w)->body, sizeof(w)->body, __VA_ARGS__)

/* ---- the range ---- */

static inline bool is_wide(const writer *w)
{
    return ej_dtypes[w->dtype].real == EINJIT_F64;
}

static inline double bottom(const writer *w)
{
    return (is_wide(w) ? -1022 : -126) + 1 + ej_dtype_is_complex(w->dtype);
}

static inline double top(const writer *w)
{
    return (is_wide(w) ? 1024 : 128) - 1 - ej_dtype_is_complex(w->dtype);
}

static inline double reach(const writer *w)
{
    return is_wide(w) ? 160 : 20;
}

static inline double uniform(gen_random *r, double low, double high)
{
    return low + (high - low) * (double)(gen_next(r) >> 11) * 0x1p-53;
}

/* ---- gen_contract_op.c: each appends values to the program ---- */
void contract_measure(value *v);
value *contract_parameter(writer *w, int rank, double like); /* `like`: log2 of the size that it multiplies */
value *contract_result(writer *w, int rank);
void contract_scale_by(writer *w, const value *v, double x, bool divides);
void contract_by_number(writer *w, const value *v);
void contract_einsum(writer *w, const char *equation, const value *a, const value *b); /* b NULL: of a alone */
const value *contract_of_rank(writer *w, int rank, double like); /* one that is there, or a parameter */
void contract_add_products(writer *w, const value *v);           /* v*c + b*c */
void contract_by_index(writer *w, const value *v);
void contract_step(writer *w); /* any operation */
int contract_count(uint32_t set);

#endif
