/* opt_fuse.h - what the files of the fuse pass share: one einsum that takes others in. */
#ifndef EJ_OPT_FUSE_H
#define EJ_OPT_FUSE_H

#include "opt.h"

/* An operand of the merged einsum: labels are ids of the merger, EJ_ELLIPSIS at most once. */
typedef struct ej_fuse_operand {
    ej_value value;
    uint32_t n;
    int32_t *labels;
    bool ellipsis;
} ej_fuse_operand;

typedef struct ej_fuse_origin { /* where a label got its letter */
    ej_value node;
    int32_t label;
} ej_fuse_origin;

typedef struct ej_fuse {
    ej_graph *graph;
    ej_job *job;
    const uint32_t *uses;
    const ej_known_dtype *dtypes;
    bool *gone;            /* per node: merged into its user */
    /* the einsum being built */
    ej_value root;
    size_t n_waiting, cap_waiting;
    ej_fuse_operand *waiting; /* to be looked at, the last one first */
    size_t n_done, cap_done;
    ej_fuse_operand *done;    /* operands of the result, in order */
    ej_term out;
    size_t n_ellipses;        /* operands with one, in both lists; out has one only if some operand has */
    size_t n_labels, cap_origins, cap_seen;
    ej_fuse_origin *origins;  /* per label */
    int32_t *seen;            /* per label: 0, but while it is used */
    size_t n_merged;
    bool text, integers;      /* kinds of labels among the merged equations */
    /* per label of the einsum that is taken in; room for that of any node */
    int32_t *image;           /* its label here, or -1 */
    uint32_t *found;          /* terms that have it */
} ej_fuse;

/* ---- opt_fuse_match.c ---- */
/* Starts with the root's own operands. */
int ej_fuse_begin(ej_fuse *f, ej_value root);
/* If the einsum behind `operand` can be written into its place, its operands are pushed on the waiting list. */
int ej_fuse_take_in(ej_fuse *f, ej_fuse_operand *operand, bool *taken);

/* ---- opt_fuse_equation.c ---- */
/* The root becomes the einsum over `done`. */
int ej_fuse_finish(ej_fuse *f);

#endif
