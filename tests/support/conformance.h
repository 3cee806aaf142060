/* conformance.h - the shared einsum cases: equation, shapes, expected result or reason. */
#ifndef TEST_CONFORMANCE_H
#define TEST_CONFORMANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CASE_OPERANDS = 64, CASE_RANK = 64 };
typedef struct conformance_case {
    int id;
    const char *equation, *reason; /* reason NULL: valid */
    size_t n;
    int rank[CASE_OPERANDS];
    int64_t shape[CASE_OPERANDS][CASE_RANK];
    int out_rank;
    int64_t out_shape[CASE_RANK];
    double terms, s_max;
    bool exact_f64, exact_f32;
    uint64_t fnv;
} conformance_case;

/* The file in the shared folder (EINJIT_SHARED, or beside the sources); NULL when it is not there. */
const char *shared_file(const char *name, char *buffer, size_t n);
/* All of a file, *n bytes and a NUL behind them, to be freed; NULL: there is none. */
char *read_whole_file(const char *path, size_t *n);
bool conformance_read(conformance_case *out, json_t *line);
/* Element k of operand j, as data/README.md defines it. */
double conformance_value(uint32_t j, uint32_t k);
uint64_t conformance_fnv(const double *data, size_t n);

#endif
