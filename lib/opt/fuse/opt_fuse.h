/* opt_fuse.h - what the files of the fuse pass share: one einsum that takes others in. */
#ifndef EJ_OPT_FUSE_H
#define EJ_OPT_FUSE_H

#include "facts_as_einsum.h"
#include "opt.h"

/* An operand of the merged einsum: labels are ids of the merger, EJ_ELLIPSIS at most once. */
typedef struct ej_fuse_operand {
    ej_value value;
    uint32_t n;
    int32_t *labels;
    bool ellipsis;
    bool stays; /* it is read twice: written into both places, it would be computed twice */
} ej_fuse_operand;

#define EJ_FUSE_NO_SYMBOL UINT32_MAX
typedef struct ej_fuse_label {
    uint32_t symbol;  /* the letter it had, or EJ_FUSE_NO_SYMBOL */
    int32_t extent;   /* some operand has this extent under it, whatever the others have; -1: not known */
    ej_value witness; /* that operand */
} ej_fuse_label;

typedef struct ej_fuse {
    ej_graph *graph;
    ej_job *job;
    ej_edit edit;
    ej_einsum_facts facts;
    ej_einsum_form *forms; /* per node */
    const uint32_t *uses;
    const bool *zeros; /* per node: the signs of its zeros count */
    bool *wanted;      /* per node: there is something to gain when an einsum takes it in */
    bool *gone;        /* per node: merged into its user */
    bool *idle;        /* per node: looked at from a user that found nothing to gain */
    /* the einsum being built */
    ej_value root;
    size_t n_waiting, cap_waiting;
    ej_fuse_operand *waiting; /* to be looked at, the last one first */
    size_t n_done, cap_done;
    ej_fuse_operand *done; /* operands of the result, in order */
    ej_term out;
    size_t n_ellipses; /* operands with one, in both lists; out has one only if some operand has */
    size_t n_labels, cap_labels, cap_seen;
    ej_fuse_label *labels; /* per label */
    int32_t *seen;         /* per label: 0, but while it is used */
    size_t n_merged, cap_merged;
    ej_value *merged;
    double spread;       /* of its numbers: the product of their sizes, each above 1 */
    bool text, integers; /* kinds of labels among the merged equations */
    /* per label of the einsum that is taken in */
    size_t cap_inner;
    int32_t *image;  /* its label here, or -1 */
    uint32_t *found; /* terms that have it */
} ej_fuse;

static inline bool ej_is_contraction(const ej_node *node)
{
    return node->op == EJ_OP_EINSUM || node->op == EJ_OP_MATMUL || node->op == EJ_OP_TENSORDOT;
}

/* ---- opt_fuse_gain.c ---- */
/* Fills `wanted`. */
void ej_fuse_weigh(ej_fuse *f);
/* Written into the place of an operand, this node does no harm at least. */
bool ej_fuse_may_take(const ej_fuse *f, ej_value v);
/* Worth starting from, before and after the operands were looked at. */
bool ej_fuse_is_root(const ej_fuse *f, ej_value v);
bool ej_fuse_gains(const ej_fuse *f);
/* Would v start, were its operand `seen_through` nothing but a product that is wanted? */
bool ej_fuse_may_start(const ej_fuse *f, ej_value v, ej_value seen_through);

/* ---- opt_fuse.c ---- */
/* What is known of the graph, and an edit of it. */
int ej_fuse_open(ej_fuse *f, ej_graph *graph, ej_job *job);
/* v computes the same inside of an einsum of root's dtype. */
bool ej_fuse_same_arithmetic(const ej_fuse *f, ej_value v, ej_value root);

/* ---- opt_fuse_match.c ---- */
/* Starts with the root's own operands. */
int ej_fuse_begin(ej_fuse *f, ej_value root);
/* If the einsum behind `operand` can be written into its place, its operands are pushed on the waiting list. Numbers of
 * both are then multiplied in at one place: they stay apart where that takes values too far from the program's. */
int ej_fuse_take_in(ej_fuse *f, ej_fuse_operand *operand, bool *taken);
/* `operand` stays in the result as it is. */
int ej_fuse_keep(ej_fuse *f, const ej_fuse_operand *operand);
/* The parts of these: a label without extents, an operand at the end of the result's. */
int ej_fuse_new_label(ej_fuse *f, uint32_t symbol, int32_t *out);
int ej_fuse_put(ej_fuse *f, const ej_fuse_operand *operand);

/* ---- opt_fuse_equation.c ---- */
/* The einsum over `done`, as a new value. */
int ej_fuse_build(ej_fuse *f, ej_value *out);

/* ---- opt_fuse_reshape.c ---- */
/* Moves reshapes out of the way of einsums that would merge. */
int ej_fuse_move_reshapes(ej_fuse *f);

#endif
