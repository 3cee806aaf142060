/* oracle.h - what a program means: brute loops over the graph as written, sharing no code with the stages it judges.
 *
 * Numbers are long doubles (integers: int64) and carry a bound on the rounding error that a correct evaluation in the
 * value's dtype may have, so that results are compared against what rounding explains and nothing more. An element that
 * rounding could turn either way (a comparison of near-equal values, a rounding near .5) has an infinite bound.
 */
#ifndef TEST_ORACLE_H
#define TEST_ORACLE_H

#include "graph.h"

enum { ORACLE_RANK = 24 };

typedef struct oracle_element {
    long double re, im;
    int64_t i;       /* integers and bool */
    long double err; /* bound on |computed - exact|; INFINITY: anything goes */
    /* sum of the sizes of the terms that it is a sum of, at least |value|: what cancelled still rounds */
    long double mass;
    long double terms; /* how many of them a reduction added up: what is added to it may be in each partial sum */
} oracle_element;

typedef struct oracle_value {
    int dtype; /* -1: a weak literal of kind `weak` */
    int weak;  /* EJ_KIND_* of a literal, -1 otherwise */
    int rank;
    int64_t shape[ORACLE_RANK];
    int64_t n;
    oracle_element *e; /* row-major */
} oracle_value;

typedef struct oracle_result {
    size_t n;
    oracle_value *values; /* one a graph output */
    oracle_value *all;    /* one a node; without elements where it has no meaning, which nothing needs then */
    char reason[200];     /* why the program has no meaning, "" when it has */
    ej_arena arena;
} oracle_result;

/* False when the program is not defined for these inputs, or beyond `max_work` elementary operations: reason says
 * why. */
bool oracle_run(oracle_result *out, const ej_graph *graph, const einjit_tensor *in, double max_work);
void oracle_free(oracle_result *result);

/* Compare a computed tensor (any strides) with a value. Returns -1 when every element is within its bound, else the
 * row-major index of the first that is not; *worst is the largest error in units of its bound. */
int64_t oracle_compare(const oracle_value *value, const einjit_tensor *got, double *worst);
/* One element as text, for messages. */
void oracle_describe(const oracle_value *value, const einjit_tensor *got, int64_t index, char *text, size_t n);
/* An element of a tensor, by its row-major index. */
oracle_element oracle_read(const einjit_tensor *tensor, int64_t index);

/* oracle_fn.c: one function of ops.def on elements of dtype_in. */
oracle_element oracle_fn(int fn, int dtype_in, int dtype_out, oracle_element a, oracle_element b, oracle_element c);
oracle_element oracle_cast(int from, int to, oracle_element a);
/* f16 and bf16 are computed in f32, and each operator's result is rounded; i8, u8 and i16 in i32, and wrapped. */
bool oracle_is_narrow(int dtype);
bool oracle_is_short(int dtype);
int oracle_wide(int dtype); /* the dtype that it is computed in */
/* A sum in f32 becomes narrow; parts of it may have been before, in so many steps. */
oracle_element oracle_narrow_sum(int dtype, oracle_element out, double steps);
long double oracle_mass(oracle_element a);
long double oracle_unit(int dtype);                         /* u: half a unit in the last place of 1 */
oracle_element oracle_rounded(int dtype, oracle_element a); /* adds the rounding of one operation; wraps integers */

#endif
