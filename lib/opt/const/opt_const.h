/* opt_const.h - what the files of constant folding share. */
#ifndef EJ_OPT_CONST_H
#define EJ_OPT_CONST_H

#include "opt.h"

/* Bounds of one run of the pass, so that a compile stays a matter of milliseconds. */
enum {
    EJ_CONST_WORK = 1 << 18,  /* elements touched at compile time: 60 to 120 ns each (Zen 5), 30 ms at most */
    EJ_CONST_GROWTH = 1 << 20 /* bytes that new constants may take more than the constants that were there */
};

typedef struct ej_const_budget {
    double work; /* what is left of both */
    int64_t bytes;
} ej_const_budget;

static inline bool ej_const_is_leaf(const ej_node *node)
{
    return node->op == EJ_OP_CONSTANT || node->op == EJ_OP_SCALAR || node->op == EJ_OP_STRUCTURAL;
}

/* The constant itself behind a leaf that is no literal. */
static inline const ej_node *ej_const_of(const ej_graph *graph, ej_value leaf)
{
    const ej_node *node = &graph->nodes[leaf];
    return node->op == EJ_OP_STRUCTURAL ? &graph->nodes[node->in[0]] : node;
}

int64_t ej_const_elements(const ej_node *constant);

/* Some values of a graph as a graph of their own, for job->evaluator. The nodes share the arrays of the graph's nodes,
 * but for their operands. */
typedef struct ej_const_subgraph {
    const ej_graph *from;
    ej_job *job;
    ej_graph graph;
    ej_value *image; /* per value of `from`: the value here; -1: none */
} ej_const_subgraph;
int ej_const_subgraph_open(ej_const_subgraph *mini, const ej_graph *from, ej_job *job);
void ej_const_subgraph_close(ej_const_subgraph *mini);
/* v and its leaves; operands that are no leaves must be there. */
int ej_const_subgraph_copy(ej_const_subgraph *mini, ej_value v);
int ej_const_subgraph_add(ej_const_subgraph *mini, ej_node node, uint32_t n, const ej_value *in, ej_value *out);

/* A result as a constant of the graph. */
int ej_const_put(ej_edit *e, const ej_evaluated *result, bool structural, ej_value *out);

/* Constant operands of einsums that have others too, contracted where that is sure to pay (opt_const_einsum.c). */
int ej_const_contract(ej_graph *graph, ej_job *job, ej_const_budget *budget, size_t *n_changed);

/* ---- opt_const_group.c: which operands of an einsum go together ---- */
typedef struct ej_const_group {
    uint32_t n;
    uint32_t *members; /* operands of the einsum, ascending; n 0: taken back */
    ej_term out;       /* of the result, in the einsum's labels */
    int64_t elements;  /* of the result */
    double work;
    bool literals;   /* all of them are literals: the result is one */
    bool structural; /* one structural constant and factors: its zeros stay what they are */
} ej_const_group;
typedef struct ej_const_groups {
    const ej_graph *graph;
    ej_job *job;
    ej_const_budget *budget;
    const ej_known_dtype *dtypes;
    const uint32_t *uses;
    const bool *zeros; /* per node: the signs of its zeros count */
    ej_value v;        /* the einsum */
    const ej_node *node;
    int dtype; /* its operands are promoted to it; -1: not known */
    /* per label: */
    int64_t *extents;      /* among constant operands; 1 where all of them stretch */
    bool *outside;         /* an operand that is no constant has it, or the output */
    uint32_t *held, *have; /* constant operands that have it; members of the group that is looked at */
    int32_t *owner;        /* the first constant operand that has it; -1: none */
    /* per operand: */
    bool *constant, *taken;
    int32_t *parent, *head, *next; /* constants that share labels are one tree, and one list */
    uint32_t *members;             /* of the group that is looked at */
    uint32_t *factors;
    size_t cap_groups;
    uint32_t n;
    ej_const_group *groups;
} ej_const_groups;
int ej_const_groups_create(ej_const_groups *g, const ej_graph *graph, ej_job *job, ej_const_budget *budget);
/* Groups of einsum v, paid from the budget; g->n 0: none. The list is the caller's to keep. */
int ej_const_groups_find(ej_const_groups *g, ej_value v);

#endif
