/* oracle_op.h - inside the oracle: one evaluator a group of operators. */
#ifndef TEST_ORACLE_OP_H
#define TEST_ORACLE_OP_H

#include "oracle.h"

typedef struct oracle_run_state {
    oracle_result *result;
    const ej_graph *graph;
    oracle_value *values;   /* per node */
    const bool *defined;    /* per node; NULL: all are */
    const int64_t *symbols; /* value per graph symbol, -1 = not seen */
    double work, max_work;
} oracle_state;

/* All return false after oracle_refuse. */
bool oracle_begin(oracle_state *s, oracle_result *result, const ej_graph *graph, size_t capacity, double max_work);
/* in: of an INPUT */
bool oracle_node(oracle_state *s, oracle_value *out, const ej_node *node, const einjit_tensor *in);
bool oracle_refuse(oracle_state *s, const char *format, ...);
bool oracle_make(oracle_state *s, oracle_value *out, int dtype, int rank, const int64_t *shape);
bool oracle_spend(oracle_state *s, double work);
void oracle_unravel(const oracle_value *v, int64_t index, int64_t *position);
int64_t oracle_ravel(const oracle_value *v, const int64_t *position);
/* A copy in another dtype; literals take it. */
bool oracle_as(oracle_state *s, oracle_value *out, const oracle_value *in, int dtype);
/* Elements are sums, added up one by one: in any order, then narrow where the dtype is. */
void oracle_any_order(oracle_value *value);
int oracle_promote(const oracle_value *const *values, size_t n);

bool oracle_einsum(oracle_state *s, oracle_value *out, const ej_node *node);
/* The einsum of given subscripts over values that have one dtype. */
bool oracle_contract(oracle_state *s, oracle_value *out, const ej_subscripts *sub, const oracle_value *in, int reduce,
                     int combine, int dtype);
bool oracle_reduce(oracle_state *s, oracle_value *out, const oracle_value *x, int reduce, const bool *over,
                   bool keepdim);
bool oracle_layout(oracle_state *s, oracle_value *out, const ej_node *node);
bool oracle_index(oracle_state *s, oracle_value *out, const ej_node *node);
bool oracle_arange(oracle_state *s, oracle_value *out, const ej_node *node);
/* Where a range begins, and how many it takes of so many. */
int64_t oracle_range(const ej_index_item *item, int64_t extent, int64_t *count);
/* The first alternative; those whose guards hold must agree with it within the bounds of both. (oracle_choose.c) */
bool oracle_choose(oracle_state *s, oracle_value *out, const ej_node *node);
bool oracle_like(oracle_state *s, oracle_value *out, const ej_node *node); /* sum_to_size ... index_add_to */
bool oracle_map(oracle_state *s, oracle_value *out, int fn, const oracle_value *const *in, size_t n);

#endif
